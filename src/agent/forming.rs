//! Many candidates become pairs: the best first, so that what finds no room ends the matter.

use alloc::collections::BinaryHeap;
use alloc::collections::binary_heap::PeekMut;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::agent::Agent;
use crate::agent::ends::{Far, Near};
use crate::agent::pairing::Unformed;
use crate::ice::checklist::CheckList;
use crate::ice::local::LocalCandidate;
use crate::ice::remote::RemoteCandidate;
use crate::ice::{PairPriority, Role, StreamId};

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
        let theirs = || known.remotes.iter().filter(|remote| theirs(remote));
        let ours = || known.locals.iter().filter(|local| local.is_paired() && ours(local));
        // A lite agent has nothing to check.
        if theirs().next().is_none() || known.is_lite() {
            return;
        }
        if let [Some(remote), None] = first_two(theirs())
            && let [Some(local), None] = first_two(ours())
        {
            // Most sessions have one candidate a side, and many more come one at a time.
            let (local, remote) = (local.id, remote.id);
            let _ = self.form_once(stream, local, remote);
            return;
        }
        let mut remotes = Vec::with_capacity(known.remotes.len());
        remotes.extend(theirs().map(|remote| self.far(remote)));
        let mut locals = Vec::with_capacity(known.locals.len());
        locals.extend(ours().map(Near::of));
        let rows = Rows::new(self.claim.role, locals, remotes);
        let is_first = list.pairs().is_empty();
        let mut heads = rows.heads();
        // So many find room without anybody's having to leave.
        let mut free = self.config.limits.pairs.saturating_sub(self.lists.len());
        if is_first {
            let mut first = Vec::with_capacity(rows.left(&heads).min(free));
            while free > 0
                && let Some((ours, theirs)) = rows.take(&mut heads)
            {
                if let Some(path) = self.path_between(ours, theirs) {
                    first.push(self.new_pair(ours, theirs, path));
                    free -= 1;
                }
            }
            self.lists.insert_first(stream, first);
        }
        while let Some((ours, theirs)) = rows.take(&mut heads) {
            // rfc8445-6.1.2.4-2: one pair for a base and a remote candidate.
            let is_here = |list: &CheckList| list.of(ours.id, theirs.id).is_some();
            if !is_first && self.lists.list(stream).is_some_and(is_here) {
                continue;
            }
            if free > 0 {
                if let Some(path) = self.path_between(ours, theirs) {
                    self.add_pair(ours, theirs, path);
                    free -= 1;
                }
            } else if self.form_between(ours, theirs) == Err(Unformed::NoRoom) {
                let left = u32::try_from(rows.left(&heads)).unwrap_or(u32::MAX);
                let dropped = &mut self.stats.others().pairs_dropped;
                *dropped = dropped.saturating_add(left);
                return;
            }
        }
    }
}

fn first_two<T>(mut items: impl Iterator<Item = T>) -> [Option<T>; 2] {
    [items.next(), items.next()]
}

/// The pairs that could be made: a row for each remote candidate, in which priorities fall along the local ones that are like
/// it.
struct Rows {
    role: Role,
    /// Those that are alike together, highest priority first.
    locals: Vec<Near>,
    remotes: Vec<Far>,
}

/// The best pair that is left of a row. Of equal pairs the remote candidate that came first is ahead (rfc8838-17-2).
///
/// One number, as thousands are compared: the priority of the pair, above the place of the remote candidate from the end,
/// above that of the local one.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Head(u128);

impl Head {
    fn new(priority: PairPriority, order: usize, at: usize) -> Self {
        let [order, at] = [order, at].map(|place| u32::try_from(place).unwrap_or(u32::MAX));
        Self(u128::from(priority.get()) << 64 | u128::from(!order) << 32 | u128::from(at))
    }

    /// The place of the remote candidate.
    const fn order(self) -> usize {
        !(self.0 >> 32) as u32 as usize
    }

    /// The place of the local one.
    const fn at(self) -> usize {
        self.0 as u32 as usize
    }
}

impl Rows {
    fn new(role: Role, mut locals: Vec<Near>, remotes: Vec<Far>) -> Self {
        locals.sort_unstable_by_key(|local| (local.likeness, Reverse(local.priority), local.id));
        Self { role, locals, remotes }
    }

    /// The best pair of each row.
    fn heads(&self) -> BinaryHeap<Head> {
        let mut start =
            once_for_alike(|likeness| self.locals.partition_point(|local| local.likeness < likeness));
        let head = |(order, remote): (usize, &Far)| self.head(order, start(remote.likeness));
        self.remotes.iter().enumerate().filter_map(head).collect()
    }

    /// Takes the best pair of all; the next of its row comes in its place.
    fn take(&self, heads: &mut BinaryHeap<Head>) -> Option<(&Near, &Far)> {
        let mut head = heads.peek_mut()?;
        let (order, at) = (head.order(), head.at());
        let (ours, theirs) = self.locals.get(at).zip(self.remotes.get(order))?;
        match self.locals.get(at + 1).filter(|next| next.likeness == theirs.likeness) {
            Some(next) => {
                *head = Head::new(self.role.pair_priority(next.priority, theirs.priority), order, at + 1);
            }
            None => drop(PeekMut::pop(head)),
        }
        Some((ours, theirs))
    }

    /// The pair of a row at `at`, if the row goes on as far.
    fn head(&self, order: usize, at: usize) -> Option<Head> {
        let (local, remote) = self.locals.get(at).zip(self.remotes.get(order))?;
        let priority = self.role.pair_priority(local.priority, remote.priority);
        let head = Head::new(priority, order, at);
        (local.likeness == remote.likeness).then_some(head)
    }

    /// How many pairs are left.
    fn left(&self, heads: &BinaryHeap<Head>) -> usize {
        let mut end =
            once_for_alike(|likeness| self.locals.partition_point(|local| local.likeness <= likeness));
        let rest = |head: &Head| Some(end(self.remotes.get(head.order())?.likeness) - head.at());
        heads.iter().filter_map(rest).sum()
    }
}

/// Asks `find` once for remote candidates in a row that are alike, as they mostly are.
fn once_for_alike(find: impl Fn(u64) -> usize) -> impl FnMut(u64) -> usize {
    let mut last = None;
    move |likeness| match last {
        Some((known, found)) if known == likeness => found,
        _ => {
            let found = find(likeness);
            last = Some((likeness, found));
            found
        }
    }
}
