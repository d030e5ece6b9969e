//! A check list: the candidate pairs of one data stream in the order of their priority (RFC 8445 section 6.1.2).

use alloc::vec::Vec;
use core::num::NonZeroU32;

use crate::ice::pair::{CandidatePair, PairEvent, PairState};
use crate::ice::{CandidateId, PairId};
use crate::list::Few;
use crate::net::Path;

/// The states of a check list (RFC 8445 section 6.1.2.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum CheckListState {
    /// Checks are under way, or candidates may still come.
    #[default]
    Running,
    /// Every component has a nominated pair.
    Completed,
    /// Some component has no valid pair and cannot get one any more.
    Failed,
}

/// The pairs of one stream and the queue of its triggered checks.
#[derive(Clone, Debug, Default)]
pub(crate) struct CheckList {
    pub(crate) state: CheckListState,
    /// Highest priority first, then lowest component. Invariant: no two have the same path.
    pairs: Few<CandidatePair>,
    /// The last place in the queue of triggered checks that was given out; 0 while no pair has one.
    last_place: u32,
}

impl CheckList {
    pub(crate) fn pairs(&self) -> &[CandidatePair] {
        &self.pairs
    }

    pub(crate) fn pairs_mut(&mut self) -> impl Iterator<Item = &mut CandidatePair> {
        self.pairs.iter_mut()
    }

    pub(crate) fn pair(&self, id: PairId) -> Option<&CandidatePair> {
        self.pairs.iter().find(|pair| pair.id == id)
    }

    pub(crate) fn pair_mut(&mut self, id: PairId) -> Option<&mut CandidatePair> {
        self.pairs.iter_mut().find(|pair| pair.id == id)
    }

    /// The pair of two candidates. A base has one that is paired, and an address of the peer's has one: it is also the pair of
    /// their path.
    pub(crate) fn of(&self, local: CandidateId, remote: CandidateId) -> Option<&CandidatePair> {
        self.pairs.iter().find(|pair| pair.remote == remote && pair.local == local)
    }

    pub(crate) fn on_path(&self, path: Path) -> Option<&CandidatePair> {
        self.pairs.iter().find(|pair| pair.path == path)
    }

    /// Takes the first pairs, in any order.
    pub(crate) fn fill(&mut self, mut pairs: Vec<CandidatePair>) {
        debug_assert!(self.pairs.is_empty(), "the first pairs of the list");
        // They mostly come in their order.
        if !pairs.is_sorted_by_key(rank) {
            pairs.sort_by_key(rank);
        }
        self.pairs = Few::from(pairs);
    }

    /// Inserts a pair in the place of its priority; among equals the newest comes last.
    pub(crate) fn insert(&mut self, pair: CandidatePair) {
        debug_assert!(self.on_path(pair.path).is_none(), "{:?} is paired already", pair.path);
        let new = rank(&pair);
        // They mostly come in their order.
        if self.pairs.last().is_none_or(|last| rank(last) <= new) {
            return self.pairs.push(pair);
        }
        let at = self.pairs.partition_point(|other| rank(other) <= new);
        self.pairs.insert(at, pair);
    }

    /// Takes out the pairs that `gone` picks, with their places in the triggered queue, and says which they were.
    pub(crate) fn remove(&mut self, gone: impl Fn(&CandidatePair) -> bool) -> Vec<PairId> {
        if !self.pairs.iter().any(&gone) {
            return Vec::new();
        }
        // Mostly nearly all of them.
        let mut removed = Vec::with_capacity(self.pairs.len());
        self.pairs.retain(|pair| {
            let goes = gone(pair);
            removed.extend(goes.then_some(pair.id));
            !goes
        });
        self.pairs.shrink();
        self.close_queue();
        removed
    }

    /// Puts a pair at the end of the triggered queue and sets it to Waiting, unless it has succeeded.
    pub(crate) fn trigger(&mut self, id: PairId) {
        let Some(pair) = self.pair_mut(id) else { return };
        if pair.apply(PairEvent::Trigger) {
            self.queue(id);
        }
    }

    /// Puts a pair whose check was answered with 487 at the end of the triggered queue and sets it to Waiting.
    pub(crate) fn repeat(&mut self, id: PairId) {
        let Some(pair) = self.pair_mut(id) else { return };
        pair.apply(PairEvent::RoleRefused);
        self.queue(id);
    }

    /// Puts a pair at the end of the triggered queue as it is: a nomination repeats the check of a pair that succeeded
    /// (RFC 8445 section 8.1.1).
    pub(crate) fn queue(&mut self, id: PairId) {
        let next = NonZeroU32::MIN.saturating_add(self.last_place);
        // rfc8445-6.1.4.1-1
        if let Some(pair) = self.pair_mut(id).filter(|pair| pair.place.is_none()) {
            pair.place = Some(next);
            self.last_place = next.get();
        }
    }

    /// Takes a pair out of the triggered queue.
    pub(crate) fn unqueue(&mut self, id: PairId) {
        if let Some(pair) = self.pair_mut(id)
            && pair.place.take().is_some()
        {
            self.close_queue();
        }
    }

    pub(crate) fn next_triggered(&mut self) -> Option<PairId> {
        if !self.has_triggered() {
            return None;
        }
        let queued = self.pairs.iter_mut().filter(|pair| pair.place.is_some());
        let first = queued.min_by_key(|pair| pair.place)?;
        let id = first.id;
        first.place = None;
        self.close_queue();
        Some(id)
    }

    /// Gives out the first place next if nobody has one.
    fn close_queue(&mut self) {
        if self.has_triggered() && self.pairs.iter().all(|pair| pair.place.is_none()) {
            self.last_place = 0;
        }
    }

    /// What is queued for a triggered check is Waiting, whatever its foundation says.
    pub(crate) fn keep_triggered_waiting(&mut self) {
        for pair in self.pairs.iter_mut().filter(|pair| pair.place.is_some()) {
            pair.apply(PairEvent::Trigger);
        }
    }

    pub(crate) fn has_triggered(&self) -> bool {
        self.last_place > 0
    }

    /// The best pair that waits for an ordinary check (rfc8445-6.1.4.2-4).
    pub(crate) fn best_waiting(&self) -> Option<PairId> {
        self.pairs.iter().find(|pair| pair.state == PairState::Waiting).map(|pair| pair.id)
    }

    /// Changes the priorities of pairs, for another role or for candidates that have changed (RFC 8445 section 6.1.2.3).
    pub(crate) fn reprioritise(&mut self, change: impl FnMut(&mut CandidatePair)) {
        self.pairs.iter_mut().for_each(change);
        self.pairs.sort_by_key(rank);
    }
}

/// The order of the list: falling priority, then rising component.
fn rank(pair: &CandidatePair) -> impl Ord + use<> {
    (core::cmp::Reverse(pair.priority), pair.component)
}
