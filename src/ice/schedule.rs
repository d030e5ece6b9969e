//! The check list set: which pair is checked next, and which pairs stay frozen for now (RFC 8445 sections 6.1.2.6 and
//! 6.1.4, RFC 8838 section 12).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::ice::checklist::{CheckList, CheckListState};
use crate::ice::pair::{CandidatePair, PairEvent, PairFoundation, PairState};
use crate::ice::{CandidateId, PairId, PairPriority, StreamId};
use crate::list::Few;

/// The check lists of all streams.
#[derive(Debug, Default)]
pub(crate) struct CheckListSet {
    /// A stream's list stands at the stream's number.
    lists: Few<CheckList>,
    /// Where the round robin goes on.
    turn: u16,
    /// Whether a check was taken since there were no pairs: before that the initial states hold, afterwards the rules for
    /// trickled pairs.
    started: bool,
    /// Whether pairs came or went since the last input ended.
    changed: bool,
}

/// Whether a new pair finds room among the others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Room {
    Free,
    /// There is room once this pair is gone.
    After(StreamId, PairId),
    /// Everything there is better, or may not be disturbed.
    None,
}

impl CheckListSet {
    pub(crate) fn add(&mut self) {
        self.lists.push(CheckList::default());
    }

    pub(crate) fn list(&self, stream: StreamId) -> Option<&CheckList> {
        self.lists.get(position(stream))
    }

    pub(crate) fn list_mut(&mut self, stream: StreamId) -> Option<&mut CheckList> {
        self.lists.get_mut(position(stream))
    }

    /// Empties the list of a stream that restarts. If no other stream has pairs, what comes is initial again.
    pub(crate) fn restart(&mut self, stream: StreamId) {
        if let Some(list) = self.list_mut(stream) {
            *list = CheckList::default();
        }
        self.started &= self.len() > 0;
    }

    fn pairs(&self) -> impl Iterator<Item = &CandidatePair> {
        self.lists.iter().flat_map(CheckList::pairs)
    }

    pub(crate) fn len(&self) -> usize {
        self.lists.iter().map(|list| list.pairs().len()).sum()
    }

    /// How many pairs are Waiting or In-Progress over all lists: what the RTO of RFC 8445 section 14.3 grows with.
    pub(crate) fn active(&self) -> usize {
        self.pairs().filter(|pair| pair.state.is_active()).count()
    }

    /// Inserts a pair into the list of its stream and gives it the state that the place asks for.
    pub(crate) fn insert(&mut self, mut pair: CandidatePair) {
        if self.started {
            pair.state = self.state_on_arrival(&pair);
        }
        self.changed = true;
        if let Some(list) = self.list_mut(pair.component.stream()) {
            list.insert(pair);
        }
    }

    /// The same for all pairs of a list that has none.
    pub(crate) fn insert_first(&mut self, stream: StreamId, pairs: Vec<CandidatePair>) {
        if self.started {
            return pairs.into_iter().for_each(|pair| self.insert(pair));
        }
        self.changed |= !pairs.is_empty();
        if let Some(list) = self.list_mut(stream) {
            list.fill(pairs);
        }
    }

    /// Whether pairs came or went since the last input ended.
    pub(crate) const fn has_changed(&self) -> bool {
        self.changed
    }

    /// Takes out the pairs of a stream that `gone` picks, and says which they were.
    pub(crate) fn remove(&mut self, stream: StreamId, gone: impl Fn(&CandidatePair) -> bool) -> Vec<PairId> {
        self.changed = true;
        self.list_mut(stream).map(|list| list.remove(gone)).unwrap_or_default()
    }

    /// RFC 8838 section 12.
    fn state_on_arrival(&self, pair: &CandidatePair) -> PairState {
        let mut column = self.pairs().filter(|other| other.foundation == pair.foundation).peekable();
        // rfc8838-12-1: the pair is the topmost of its foundation. Lists are the rows of the RFC's table, so a pair of
        // an earlier list stands above this one; and so does an equal one, which was here first.
        let above = |other: &CandidatePair| {
            let (theirs, ours) = (other.component, pair.component);
            (theirs, Reverse(other.priority)) <= (ours, Reverse(pair.priority))
        };
        let (mut topmost, mut succeeded) = (true, false);
        for other in &mut column {
            topmost &= !above(other);
            succeeded |= other.state == PairState::Succeeded;
        }
        // rfc8838-12-2, rfc8838-12-3
        if topmost || succeeded { PairState::Waiting } else { PairState::Frozen }
    }

    /// Before any check: of a foundation one pair waits in the whole set, the lowest component's best in the first list
    /// that has the foundation; all others are frozen (rfc8445-6.1.2.6-2). To be asked for when all pairs of an input are
    /// formed.
    pub(crate) fn set_initial_states(&mut self) {
        let changed = core::mem::take(&mut self.changed);
        if self.started || !changed {
            return;
        }
        if self.len() == 1 {
            for only in self.lists.iter_mut().flat_map(CheckList::pairs_mut) {
                only.state = PairState::Waiting;
            }
            return;
        }
        let rank = |pair: &CandidatePair| (pair.component, Reverse(pair.priority), pair.id);
        // By foundation, in a table at most half full: the first of each so far. The order of the table means nothing.
        let places = (2 * self.len()).next_power_of_two();
        let mut firsts: Vec<Option<&mut CandidatePair>> = (0..places).map(|_| None).collect();
        for pair in self.lists.iter_mut().flat_map(CheckList::pairs_mut) {
            pair.state = PairState::Frozen;
            let mut place = pair.foundation.spread() & (places - 1);
            loop {
                match firsts.get_mut(place) {
                    Some(Some(first)) if first.foundation != pair.foundation => {
                        place = (place + 1) & (places - 1);
                    }
                    Some(Some(first)) if rank(first) <= rank(pair) => break,
                    Some(first) => break *first = Some(pair),
                    None => break,
                }
            }
        }
        firsts.into_iter().flatten().for_each(|first| first.state = PairState::Waiting);
        // The peer's checks may have come first, and what they triggered keeps its place in the queue.
        self.lists.iter_mut().for_each(CheckList::keep_triggered_waiting);
    }

    /// Sets the frozen pairs of a foundation to Waiting in every list (rfc8445-7.2.5.3.3-2).
    pub(crate) fn unfreeze(&mut self, foundation: PairFoundation) {
        for pair in self.lists.iter_mut().flat_map(CheckList::pairs_mut) {
            if pair.foundation == foundation {
                pair.apply(PairEvent::Unfreeze);
            }
        }
    }

    /// Pairs have come to have this foundation of the remote candidate: where one has succeeded, the others are not frozen.
    pub(crate) fn catch_up(&mut self, remote: CandidateId) {
        let has_succeeded =
            |pair: &&CandidatePair| pair.foundation.remote == remote && pair.state == PairState::Succeeded;
        let succeeded: BTreeSet<PairFoundation> =
            self.pairs().filter(has_succeeded).map(|pair| pair.foundation).collect();
        succeeded.into_iter().for_each(|foundation| self.unfreeze(foundation));
    }

    /// Takes the pair to be checked in this slot, going round the running lists of the streams that are `ready`
    /// (RFC 8445 section 6.1.4.2). Of the pairs that wait for an ordinary check it is the one that `wish` names, otherwise
    /// the best.
    pub(crate) fn next(
        &mut self,
        ready: impl Fn(StreamId) -> bool,
        wish: impl Fn(StreamId, &CheckList) -> Option<PairId>,
    ) -> Option<(StreamId, PairId)> {
        for offset in 0..self.lists.len() {
            let index = (usize::from(self.turn) + offset) % self.lists.len();
            let stream = stream(index);
            if !self.is_running(index) || !ready(stream) {
                continue;
            }
            if let Some(pair) = self.next_in(index, &wish) {
                self.turn = self::stream(index + 1).to_raw();
                self.started = true;
                return Some((stream, pair));
            }
            // rfc8445-6.1.4.2-5, rfc8838-8-2: an idle list does not cost a slot.
        }
        None
    }

    fn next_in(
        &mut self,
        index: usize,
        wish: impl Fn(StreamId, &CheckList) -> Option<PairId>,
    ) -> Option<PairId> {
        // rfc8445-6.1.4.2-2
        let list = self.lists.get_mut(index)?;
        if let Some(triggered) = list.next_triggered() {
            return Some(triggered);
        }
        if list.best_waiting().is_none() {
            self.thaw(index);
        }
        let list = self.lists.get(index)?;
        let best = list.best_waiting()?;
        Some(wish(stream(index), list).unwrap_or(best))
    }

    /// With nothing left waiting in a list, one frozen pair of each foundation that nobody is checking thaws
    /// (rfc8445-6.1.4.2-3).
    fn thaw(&mut self, index: usize) {
        let mut active: BTreeSet<PairFoundation> = self.active_foundations();
        for pair in self.lists.get_mut(index).into_iter().flat_map(CheckList::pairs_mut) {
            if pair.state == PairState::Frozen && active.insert(pair.foundation) {
                pair.apply(PairEvent::Unfreeze);
            }
        }
    }

    fn active_foundations(&self) -> BTreeSet<PairFoundation> {
        self.pairs().filter(|pair| pair.state.is_active()).map(|pair| pair.foundation).collect()
    }

    /// Whether [`next`](Self::next) would find a pair.
    pub(crate) fn has_next(&self, ready: impl Fn(StreamId) -> bool) -> bool {
        let mut lists =
            self.lists.iter().enumerate().filter(|(_, list)| list.state == CheckListState::Running);
        lists.any(|(index, list)| {
            ready(stream(index))
                && (list.has_triggered() || list.best_waiting().is_some() || self.can_thaw(list))
        })
    }

    /// Whether a frozen pair of the list is of a foundation that nobody is checking.
    fn can_thaw(&self, list: &CheckList) -> bool {
        let mut frozen = list.pairs().iter().filter(|pair| pair.state == PairState::Frozen);
        // Asked after every datagram, so without a set: neighbours mostly share their foundation, and few are active.
        let mut last = None;
        frozen.any(|pair| {
            let is_another = last.replace(pair.foundation) != Some(pair.foundation);
            is_another && !self.is_active(pair.foundation)
        })
    }

    fn is_active(&self, foundation: PairFoundation) -> bool {
        self.pairs().any(|pair| pair.state.is_active() && pair.foundation == foundation)
    }

    fn is_running(&self, index: usize) -> bool {
        self.lists.get(index).is_some_and(|list| list.state == CheckListState::Running)
    }

    /// Whether a pair of this priority may join `stream` when all lists together hold at most `limit` pairs.
    pub(crate) fn room(&self, stream: StreamId, priority: PairPriority, limit: usize) -> Room {
        if self.len() < limit {
            return Room::Free;
        }
        // rfc8838-10-6: failed pairs make room first.
        let failed = |pair: &&CandidatePair| self.started && pair.state == PairState::Failed;
        if let Some(failed) = self.pairs().filter(failed).min_by_key(|pair| pair.priority) {
            return Room::After(failed.component.stream(), failed.id);
        }
        // rfc8445-6.1.2.5-3: the longest list gives way, so that all end up equally long; the newcomer counts for its own.
        let length =
            |index: usize, list: &CheckList| list.pairs().len() + usize::from(index == position(stream));
        let Some((index, longest)) =
            self.lists.iter().enumerate().max_by_key(|(i, list)| (length(*i, list), *i == position(stream)))
        else {
            return Room::None;
        };
        // rfc8838-10-5: only what waits or is frozen may go; and not what the peer has nominated, which is to be selected as soon
        // as it is checked (rfc8445-7.3.1.5-2).
        let idle = |pair: &&CandidatePair| {
            matches!(pair.state, PairState::Waiting | PairState::Frozen) && pair.nominated_by_peer.is_none()
        };
        // Of equal pairs the one that came first.
        let mut from_worst = longest.pairs().iter().rev().filter(idle).peekable();
        let least = from_worst.peek().map(|pair| pair.priority);
        let worst = from_worst.take_while(|pair| Some(pair.priority) == least).last();
        match worst {
            Some(worst) if index != position(stream) || worst.priority < priority => {
                Room::After(worst.component.stream(), worst.id)
            }
            _ => Room::None,
        }
    }

    /// Computes all priorities for the other role (rfc8445-6.1.2.3-4).
    pub(crate) fn exchange_roles(&mut self) {
        for list in &mut self.lists {
            list.reprioritise(|pair| pair.priority = pair.priority.in_exchanged_roles());
        }
    }
}

fn position(stream: StreamId) -> usize {
    usize::from(stream.to_raw())
}

fn stream(position: usize) -> StreamId {
    StreamId::from_raw(u16::try_from(position).unwrap_or(u16::MAX))
}
