//! The nomination moves to another pair, where both sides know renomination: off one that does not answer, and to one that the
//! policy prefers, once that has lasted.

use alloc::vec::Vec;
use core::time::Duration;

use crate::agent::choices::Views;
use crate::agent::relocation::{Relocation, relocation};
use crate::agent::{Agent, Owner};
use crate::ice::consent::Standing;
use crate::ice::valid::ValidPair;
use crate::ice::{ComponentId, PairId};
use crate::stun::{Transaction, TransactionId};
use crate::time::{Deadline, Timestamp};

impl Agent {
    /// The controlling side moves the nomination: along with the address under which the peer sees us, or we see the peer, if
    /// that has changed; or
    /// to the pair that the policy names, once it has named it for long enough.
    pub(super) fn consider_move(&mut self, id: ComponentId, patience: &mut Deadline) {
        let now = self.now;
        let Some(views) = self.views(id.stream()).filter(|views| views.stream.renominates()) else { return };
        let Some(component) = views.stream.component(id) else { return };
        let selected_at = component.selected_at;
        let (trouble, rival) = (component.mobility().trouble, component.mobility().rival);
        let under_way = component.nomination.nominated().filter(|pair| views.list.pair(*pair).is_some());
        if under_way.is_some_and(|pair| !self.is_in_trouble(pair)) {
            return;
        }
        // What is nominated and does not answer has not to be nominated once more.
        let checked = |pair: PairId| views.stream.valid.get(pair).map(|pair| pair.checked);
        let is_other = |pair: &PairId| checked(*pair).is_some_and(|checked| Some(checked) != under_way);
        if let Some(newer) = rebound(&views, id).filter(is_other) {
            return self.move_nomination(id, under_way, newer);
        }
        let relocated_by = match relocation(&views, id) {
            Some(Relocation::Found(pair)) if is_other(&pair) => {
                return self.move_nomination(id, under_way, pair);
            }
            Some(Relocation::Found(_)) => None,
            Some(Relocation::Denied) => {
                self.stay(id);
                return self.consider_move(id, patience);
            }
            Some(Relocation::Wait(until)) => Some(until),
            None => None,
        };
        // Nobody waits for the old address any more once the nomination moves for another reason.
        let Some((pair, urgent)) = self.preferred(&views, id, under_way) else {
            patience.at(relocated_by);
            return self.await_rival(id, None);
        };
        let since = match rival {
            _ if trouble.is_some() => trouble.unwrap_or(now),
            Some((known, since)) if known == pair => since,
            _ => now,
        };
        let wait = if urgent { Duration::ZERO } else { self.config.dampening };
        let due = since.max(selected_at) + wait;
        if due > now {
            patience.at(due);
            patience.at(relocated_by);
            return self.await_rival(id, Some((pair, since)));
        }
        self.await_rival(id, None);
        self.move_nomination(id, under_way, pair);
    }

    /// The pair is nominated in the place of another one, if one was.
    fn move_nomination(&mut self, id: ComponentId, before: Option<PairId>, pair: PairId) {
        // The one before is not repeated any more. Should it be answered yet, the one that follows has the larger number.
        let before = before.into_iter().flat_map(|before| self.nominations_of(before));
        let nominations: Vec<TransactionId> = before.map(Transaction::id).collect();
        nominations.into_iter().for_each(|check| self.transactions.silence(check));
        self.nominate_valid(id, pair, true);
    }

    /// Whether a nomination has not been answered for so long that another pair may have it.
    fn is_in_trouble(&self, nominated: PairId) -> bool {
        self.nominations_of(nominated)
            .any(|check| !check.is_silent() && check.transmissions() > UNANSWERED_MAX)
    }

    /// The checks under way that nominate a pair.
    fn nominations_of(&self, pair: PairId) -> impl Iterator<Item = &Transaction<Owner>> {
        let nominates = move |owner: &Owner| matches!(owner, Owner::Check(check) if check.pair == pair && check.nominates.is_some());
        self.transactions.iter().filter(move |check| nominates(check.owner()))
    }

    fn await_rival(&mut self, id: ComponentId, rival: Option<(PairId, Timestamp)>) {
        if let Some(component) = self.stream_mut(id.stream()).ok().and_then(|stream| stream.component_mut(id))
        {
            component.change_mobility(|it| it.rival = rival);
        }
    }

    /// The pair that the policy would move to, other than the one `in_trouble`, and whether there is nothing left to lose.
    fn preferred(
        &self,
        views: &Views<'_>,
        id: ComponentId,
        in_trouble: Option<PairId>,
    ) -> Option<(PairId, bool)> {
        let stream = views.stream;
        let (selected, component) = (stream.valid.selected(id)?, stream.component(id)?);
        let standing = component.upkeep.map(|upkeep| upkeep.standing())?;
        let withdrawn = stream.is_withdrawn(selected);
        let troubled = standing != Standing::Fresh || withdrawn;
        let is_fresh = |pair: &ValidPair| {
            let mut backups = component.backups().iter();
            // What the peer has answered before the last move says nothing about now.
            backups.any(|backup| backup.pair == pair.id && backup.standing() == Standing::Fresh)
                && pair.answered_at > component.selected_at
        };
        let legal = |pair: &ValidPair| {
            pair.component == id
                && pair.id != selected.id
                && Some(pair.checked) != in_trouble
                && !stream.is_withdrawn(pair)
                && views.list.pair(pair.checked).is_some()
                && if troubled { pair.answered_at > selected.answered_at } else { is_fresh(pair) }
        };
        // All others are checked once there is trouble. What has answered since is a way out; what has not may be in the same
        // trouble, however well it stood before.
        let has_answered =
            |pair: &ValidPair| component.mobility().trouble.is_some_and(|since| pair.answered_at > since);
        let answered = stream.valid.pairs().iter().any(|pair| legal(pair) && has_answered(pair));
        let eligible = |pair: &ValidPair| legal(pair) && (!answered || has_answered(pair));
        let pair = views.successor(&*self.config.policy, selected, troubled, eligible)?;
        Some((pair, withdrawn || matches!(standing, Standing::Lost(_))))
    }
}

/// After a rebinding two valid pairs share the path, and what was found last is what holds.
fn rebound(views: &Views<'_>, id: ComponentId) -> Option<PairId> {
    let selected = views.stream.valid.selected(id)?;
    let mut others = views.stream.valid.pairs().iter().filter(|pair| pair.id != selected.id);
    let newer = others.find(|pair| pair.path == selected.path && pair.answered_at > selected.answered_at)?;
    views.list.pair(newer.checked).map(|_| newer.id)
}

/// A nomination that has left so often without an answer, in 3.5 s by default, may be replaced; otherwise it would be in the
/// way of the next one for 39.5 s.
const UNANSWERED_MAX: u8 = 3;
