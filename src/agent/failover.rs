//! Moving off a selected pair that does not answer, where both sides know renomination: make before break.

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::agent::Agent;
use crate::agent::checks::peer_reflexive_priority;
use crate::agent::stream::Stream;
use crate::ice::consent::Standing;
use crate::ice::nomination::Progress;
use crate::ice::valid::ValidPair;
use crate::ice::{CandidateId, ComponentId, PairId};
use crate::net::unscoped;

impl Agent {
    /// An answer on the selected pair is overdue, or the peer has withdrawn its candidate: all other pairs are formed and checked
    /// again, by both sides; and where candidates may still be signalled the servers are asked again, since it may be our own
    /// address that has changed. What was selected stays selected until another pair is nominated.
    pub(super) fn consider_reopening(&mut self, id: ComponentId) {
        let give_up_at = self.now + self.config.gathering_limit;
        let Ok(stream) = self.stream_mut(id.stream()) else { return };
        let continual = stream.is_continual();
        let wanted = stream.renominates() && stream.is_concluded(id);
        let withdrawn = stream.valid.selected(id).is_some_and(|selected| stream.is_withdrawn(selected));
        let Some(component) = stream.component_mut(id).filter(|component| wanted && !component.reopened)
        else {
            return;
        };
        let standing = component.upkeep.map(|upkeep| upkeep.standing());
        if !withdrawn && !matches!(standing, Some(Standing::Overdue | Standing::Lost(_))) {
            return;
        }
        component.reopened = true;
        self.form_all(id);
        if continual {
            let replaced = self.gatherer.regather(|component| component == id, give_up_at);
            self.cancel(replaced);
        }
    }

    /// The selected pair has gone with its base: where another nomination may follow, all other pairs are looked at again,
    /// those first that are valid.
    pub(super) fn consider_takeover(&mut self, id: ComponentId) {
        let Ok(stream) = self.stream_mut(id.stream()) else { return };
        let (gone, renominates) = (stream.valid.selected(id).is_none(), stream.renominates());
        let Some(component) = stream.component_mut(id).filter(|it| gone && it.selected.is_some()) else {
            return;
        };
        component.selected = None;
        component.base_lost = true;
        component.reopened = renominates;
        if !renominates {
            return;
        }
        self.form_all(id);
        let Some(list) = self.lists.list(id.stream()) else { return };
        let Some(stream) = self.streams.get_mut(usize::from(id.stream().to_raw())) else { return };
        // A nomination repeats the check of a pair of the list, and those of the valid ones are new there.
        for valid in stream.valid.pairs_mut().filter(|valid| valid.component == id) {
            valid.checked = list.on_path(valid.path).map_or(valid.checked, |listed| listed.id);
        }
    }

    fn form_all(&mut self, id: ComponentId) {
        let Ok(stream) = self.stream_mut(id.stream()) else { return };
        let locals: Vec<CandidateId> = stream.locals.iter().map(|local| local.id).collect();
        let remotes: Vec<CandidateId> = stream.remotes.iter().map(|remote| remote.id).collect();
        for local in locals {
            for remote in &remotes {
                self.form(id.stream(), local, *remote);
            }
        }
    }

    /// The controlling side moves the nomination: to a pair that has answered since the selected one did, if that one is in
    /// trouble; or along with the address under which the peer sees us, if that has changed.
    pub(super) fn consider_failover(&mut self, id: ComponentId) {
        let Some(list) = self.lists.list_mut(id.stream()) else { return };
        let Some(stream) = self.streams.get_mut(usize::from(id.stream().to_raw())) else { return };
        if !stream.renominates() {
            return;
        }
        let Some(rival) = rival_of_selected(stream, id).map(|rival| rival.checked) else { return };
        let Some(component) = stream.component_mut(id) else { return };
        let under_way =
            matches!(component.nomination, Progress::Nominating(pair) if list.pair(pair).is_some());
        if under_way || list.pair(rival).is_none() {
            return;
        }
        component.nominations.0 += 1;
        component.nomination = Progress::Nominating(rival);
        list.queue(rival);
    }

    /// The peer has seen a consent check come from another address than before: the NAT has given us a new one. The pair
    /// from there is valid, on the same path, and newer. `false` if nothing has changed.
    pub(super) fn notice_rebinding(&mut self, id: ComponentId, pair: PairId, mapped: SocketAddr) -> bool {
        self.rebind(id, pair, unscoped(mapped)).is_some()
    }

    fn rebind(&mut self, id: ComponentId, pair: PairId, mapped: SocketAddr) -> Option<PairId> {
        let stream = self.stream(id.stream())?;
        let valid = stream.valid.get(pair)?;
        if stream.locals.get(valid.local)?.address == mapped || !stream.renominates() {
            return None;
        }
        let checked = self.lists.list(id.stream())?.pair(valid.checked)?.clone();
        let priority = peer_reflexive_priority(&stream.locals.get(checked.local)?.candidate);
        let local = self.mapped_candidate(&checked, mapped, priority)?;
        self.validate(&checked, local)
    }
}

/// The valid pair that should be selected instead of the one that is.
fn rival_of_selected(stream: &Stream, id: ComponentId) -> Option<&ValidPair> {
    let selected = stream.valid.selected(id)?;
    let upkeep = stream.component(id)?.upkeep;
    let in_trouble =
        upkeep.is_some_and(|upkeep| upkeep.standing() != Standing::Fresh) || stream.is_withdrawn(selected);
    let others =
        |pair: &&ValidPair| pair.component == id && pair.id != selected.id && !stream.is_withdrawn(pair);
    let mut rivals = stream.valid.pairs().iter().filter(others);
    // After a rebinding both share the path, and what was found last is what holds.
    rivals
        .find(|rival| rival.answered_at > selected.answered_at && (in_trouble || rival.path == selected.path))
}
