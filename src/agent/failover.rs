//! A selected pair that does not answer, or is gone. Where both sides know renomination others are looked at before it is given
//! up (make before break); the move itself is in `moving.rs`. Otherwise the peer may have nominated another one.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::agent::Agent;
use crate::agent::checks::peer_reflexive_priority;
use crate::agent::component::Component;
use crate::ice::consent::{Loss, Standing};
use crate::ice::pair::PairState;
use crate::ice::valid::ValidPair;
use crate::ice::{ComponentId, PairId, Role};
use crate::net::unscoped;

impl Agent {
    /// An answer on the selected pair is overdue, or the peer has withdrawn its candidate: all other pairs are formed and checked
    /// again, by both sides, and the selected one too, as a single answer may have been lost; and where candidates may still
    /// be signalled the servers are asked again, since it may be our own address that has changed. What was selected stays
    /// selected until another pair is nominated.
    pub(super) fn consider_reopening(&mut self, id: ComponentId) {
        let (now, give_up_at) = (self.now, self.now + self.config.gathering_limit);
        let Ok(stream) = self.stream_mut(id.stream()) else { return };
        if !stream.renominates() {
            return;
        }
        let continual = stream.is_continual();
        let Some(selected) = stream.valid.selected(id) else { return };
        let withdrawn = stream.is_withdrawn(selected);
        let Some(component) = stream.component_mut(id) else { return };
        let standing = component.upkeep.map(|upkeep| upkeep.standing());
        if !withdrawn && !matches!(standing, Some(Standing::Overdue | Standing::Lost(_))) {
            component.change_mobility(|it| it.trouble = None);
            return;
        }
        if component.mobility().trouble.is_some() {
            return;
        }
        component.change_mobility(|it| it.trouble = Some(now));
        let is_recent = component.mobility().reopened.is_some_and(|at| now < at + REOPENING_PAUSE);
        let doubted = self.in_use(id);
        if !is_recent {
            if let Some(component) = self.component_mut(id) {
                component.change_mobility(|it| it.reopened = Some(now));
            }
            self.forget_results(id, &doubted);
            self.form_all(id.stream(), |_| true, |_| true);
        }
        // Checked again is what carries the data, and what could; but for what is lost (rfc7675-5.1-17).
        let Some(stream) = self.streams.get(usize::from(id.stream().to_raw())) else { return };
        let Some(list) = self.lists.list_mut(id.stream()) else { return };
        let is_lost = |id: PairId| list.pair(id).is_none_or(|pair| stream.lost.contains(&pair.path));
        let sound: Vec<PairId> = doubted.into_iter().filter(|id| !is_lost(*id)).collect();
        for pair in sound {
            list.queue(pair);
        }
        if continual && !is_recent {
            let replaced = self.gatherer.regather(|component| component == id, give_up_at);
            self.cancel(replaced);
        }
    }

    /// The peer controls, nominations are not numbered, and the selected pair does not answer. What the peer has nominated besides,
    /// though it rank lower, is where the peer is now: browsers move so, and announce nothing. Such a pair is checked, and once
    /// it has answered, what was nominated and is silent is valid no longer (RFC 8445 section 8.1.1 picks among valid pairs). A
    /// check that the peer nominates it by once more has to be answered first, so that nothing swings to and fro.
    pub(super) fn follow_elsewhere(&mut self, id: ComponentId) {
        let Some((stream, list)) = self.stream(id.stream()).zip(self.lists.list(id.stream())) else { return };
        let standing = stream.component(id).and_then(|component| Some(component.upkeep?.standing()));
        if !matches!(standing, Some(Standing::Overdue | Standing::Lost(Loss::Expired))) {
            return;
        }
        let follows = self.claim.role == Role::Controlled && !stream.is_lite() && !stream.renominates();
        let Some(selected) = stream.valid.selected(id).filter(|_| follows) else { return };
        let silent_since = selected.answered_at;
        let besides = |pair: &&ValidPair| {
            // What the check of the selected pair has shown besides is as silent as that is.
            let is_other = pair.component == id && pair.id != selected.id && pair.checked != selected.checked;
            is_other && pair.nominated.is_some() && !stream.lost.contains(&pair.path)
        };
        let mut others = stream.valid.pairs().iter().filter(besides);
        if others.clone().any(|pair| pair.answered_at > silent_since) {
            let Ok(stream) = self.stream_mut(id.stream()) else { return };
            stream.valid.remove(|pair| {
                pair.component == id && pair.nominated.is_some() && pair.answered_at <= silent_since
            });
            self.forget_consent_without_pair(id.stream());
            return;
        }
        let listed = |pair: &ValidPair| {
            list.pair(pair.checked).or_else(|| list.on_path(pair.path)).map(|listed| listed.state)
        };
        let unasked = |pair: &&ValidPair| matches!(listed(pair), None | Some(PairState::Succeeded));
        if let Some(next) = others.find(unasked).cloned() {
            self.drop_pairs(id.stream(), |pair| pair.path == next.path || pair.id == next.checked);
            let again = self.listed_again(&next);
            // Our own address may have changed since: what the check finds is what the peer has nominated.
            let list = self.lists.list_mut(id.stream());
            if let Some(pair) = list.zip(again).and_then(|(list, again)| list.pair_mut(again)) {
                pair.nominated_by_peer = next.nominated;
            }
        }
    }

    /// The pairs of the check list that stand for the selected pair and for those that are kept beside it.
    fn in_use(&self, id: ComponentId) -> Vec<PairId> {
        let Some(stream) = self.stream(id.stream()) else { return Vec::new() };
        let backups = stream.component(id).map_or(&[][..], Component::backups);
        let kept = backups.iter().filter_map(|backup| stream.valid.get(backup.pair));
        stream.valid.selected(id).into_iter().chain(kept).map(|pair| pair.checked).collect()
    }

    /// What checks have shown while another pair was selected is old: all but these pairs are formed anew.
    fn forget_results(&mut self, id: ComponentId, in_use: &[PairId]) {
        let nominated = self.component_mut(id).and_then(|component| component.nomination.nominated());
        self.drop_pairs(id.stream(), |pair| {
            let is_needed = in_use.contains(&pair.id) || nominated == Some(pair.id);
            pair.component == id && !pair.state.is_open() && !is_needed
        });
    }

    fn component_mut(&mut self, id: ComponentId) -> Option<&mut Component> {
        self.stream_mut(id.stream()).ok()?.component_mut(id)
    }

    /// The selected pair has gone with its base: where another nomination may follow, all other pairs are looked at again,
    /// those first that are valid.
    pub(super) fn consider_takeover(&mut self, id: ComponentId) {
        let now = self.now;
        let Ok(stream) = self.stream_mut(id.stream()) else { return };
        let (gone, renominates) = (stream.valid.selected(id).is_none(), stream.renominates());
        let Some(component) = stream.component_mut(id).filter(|it| gone && it.selected.is_some()) else {
            return;
        };
        component.selected = None;
        component.base_lost = true;
        component.change_mobility(|it| (it.trouble, it.reopened) = (None, renominates.then_some(now)));
        if !renominates {
            return;
        }
        self.form_all(id.stream(), |_| true, |_| true);
        let Some(list) = self.lists.list_mut(id.stream()) else { return };
        let Some(stream) = self.streams.get_mut(usize::from(id.stream().to_raw())) else { return };
        // A nomination repeats the check of a pair of the list, and those of the valid ones are new there: what was answered
        // before is asked again, and is valid no longer if it does not answer now. What the check of another base has shown
        // was never asked from its own: to nominate it there would repeat no check (RFC 8445 section 8.1.1).
        let was_asked = |valid: &&mut ValidPair| valid.component == id && !valid.is_hearsay;
        for valid in stream.valid.pairs_mut().filter(was_asked) {
            let Some(listed) = list.pairs_mut().find(|listed| listed.path == valid.path) else { continue };
            valid.checked = listed.id;
            listed.valid = listed.valid.or(Some(valid.id));
        }
    }

    /// The peer has seen a consent check come from another address than before: the NAT has given us a new one. The pair
    /// from there is valid, on the same path, and newer. `false` if nothing has changed.
    pub(super) fn notice_rebinding(&mut self, id: ComponentId, pair: PairId, mapped: SocketAddr) -> bool {
        self.rebind(id, pair, unscoped(mapped)).is_some()
    }

    fn rebind(&mut self, id: ComponentId, pair: PairId, mapped: SocketAddr) -> Option<PairId> {
        let stream = self.stream(id.stream())?;
        let valid = stream.valid.get(pair)?;
        if stream.locals.get(valid.local)?.address() == mapped || !stream.renominates() {
            return None;
        }
        let checked = self.lists.list(id.stream())?.pair(valid.checked)?.clone();
        // What a check from another base has shown to be valid says nothing of a translator before that base.
        if checked.path != valid.path {
            return None;
        }
        let priority = peer_reflexive_priority(&stream.locals.get(checked.local)?.candidate);
        let local = self.mapped_candidate(&checked, mapped, priority)?;
        self.validate(&checked, local)
    }
}

/// Over a path that loses much, answers are overdue again and again; all pairs are looked at as often as this at most.
const REOPENING_PAUSE: Duration = Duration::from_secs(30);
