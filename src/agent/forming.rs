//! Many candidates become pairs: the best first, so that what finds no room ends the matter.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::agent::Agent;
use crate::agent::pairing::{Unformed, likeness};
use crate::ice::local::LocalCandidate;
use crate::ice::remote::RemoteCandidate;
use crate::ice::{CandidateId, PairPriority, Priority, Role, StreamId};

impl Agent {
    /// Pairs the local candidates that `ours` picks with the remote ones that `theirs` picks.
    ///
    /// The pairs are visited by falling priority without being listed: of each remote candidate the best pair that is left
    /// stands in a heap. The first that finds no room ends it, as nothing but a better pair would, and the cost is that of
    /// the candidates and of the pairs that are kept, not of all the pairs there could be.
    pub(super) fn form_all(
        &mut self,
        stream: StreamId,
        ours: impl Fn(&LocalCandidate) -> bool,
        theirs: impl Fn(&RemoteCandidate) -> bool,
    ) {
        let Some((known, list)) = self.stream(stream).zip(self.lists.list(stream)) else { return };
        let remotes: Vec<End> = known.remotes.iter().filter(|it| theirs(it)).map(End::of_remote).collect();
        if remotes.is_empty() {
            return;
        }
        let locals = known.locals.iter().filter(|local| local.is_paired() && ours(local)).map(End::of_local);
        let mut rows = Rows { role: self.claim.role, locals: locals.collect() };
        rows.locals.sort_by_key(|local| Reverse(local.priority));
        let is_first = list.pairs().is_empty();
        let firsts = remotes.iter().enumerate().filter_map(|(order, remote)| rows.next(remote, order, 0));
        let mut heads: BinaryHeap<Head> = firsts.collect();
        while let Some(Head { order, at: Reverse(at), .. }) = heads.pop() {
            let Some((remote, local)) = remotes.get(order.0).zip(rows.locals.get(at)) else { break };
            let formed = match is_first {
                true => self.form_new(stream, local.id, remote.id),
                false => self.form_once(stream, local.id, remote.id),
            };
            heads.extend(rows.next(remote, order.0, at + 1));
            if formed == Err(Unformed::NoRoom) {
                let left = heads.iter().filter_map(|head| Some((head, remotes.get(head.order.0)?)));
                let left: usize = left.map(|(head, remote)| rows.left(remote, head.at.0)).sum();
                let left = u32::try_from(left).unwrap_or(u32::MAX);
                self.stats.pairs_dropped = self.stats.pairs_dropped.saturating_add(left);
                return;
            }
        }
    }
}

/// A candidate as far as its place among pairs is concerned.
struct End {
    id: CandidateId,
    priority: Priority,
    likeness: u64,
}

impl End {
    fn of_local(local: &LocalCandidate) -> Self {
        let likeness = likeness(local.component, local.candidate.transport(), local.address);
        Self { id: local.id, priority: local.candidate.priority(), likeness }
    }

    fn of_remote(remote: &RemoteCandidate) -> Self {
        let likeness = likeness(remote.component, remote.candidate.transport(), remote.address);
        Self { id: remote.id, priority: remote.candidate.priority(), likeness }
    }
}

/// The pairs that could be made: a row for each remote candidate, in which priorities fall along the local ones.
struct Rows {
    role: Role,
    /// Highest priority first.
    locals: Vec<End>,
}

/// The best pair that is left of a row. Of equal pairs the remote candidate that came first is ahead (rfc8838-17-2).
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Head {
    priority: PairPriority,
    order: Reverse<usize>,
    at: Reverse<usize>,
}

impl Rows {
    /// The first pair of a row that has its local candidate at `from` or behind it.
    fn next(&self, remote: &End, order: usize, from: usize) -> Option<Head> {
        let behind = self.locals.iter().enumerate().skip(from);
        let (at, local) = behind.into_iter().find(|(_, local)| local.likeness == remote.likeness)?;
        let priority = self.role.pair_priority(local.priority, remote.priority);
        Some(Head { priority, order: Reverse(order), at: Reverse(at) })
    }

    /// How many pairs of a row are left.
    fn left(&self, remote: &End, from: usize) -> usize {
        self.locals.iter().skip(from).filter(|local| local.likeness == remote.likeness).count()
    }
}
