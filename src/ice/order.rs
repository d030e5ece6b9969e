//! Which of the pairs that wait gets an ordinary check (RFC 8445 section 6.1.4.2), once the triggered checks are sent.
//!
//! The priority of a pair goes by the worse of its candidates, so that a check list in that order is a row of shells. Of
//! three bases and three addresses of the peer, `21` being the second base with the first address:
//!
//! ```text
//! by priority   11 | 12 21 22 | 13 31 23 32 33
//! coverage      11   22   33  | 12 21 | 13 31 | 23 32
//! ```
//!
//! A base that leads nowhere, such as a tunnel that is down or a broken IPv6, or an address of the peer's that does not
//! answer costs a shell by priority: behind `k` of them the first pair that can work stands at place `k * k + 1` at the
//! earliest. Coverage looks for what has not been tried yet: every base and every address once before any of them again, so
//! that the same pair stands at place `k + 1`. It changes nothing where the best pair works, and at the end the same pairs have
//! been checked.
//!
//! What is found early is not nominated early: as soon as a component has a valid pair, which carries data meanwhile, the
//! order is that of the priorities, so that the pairs that are better are checked first, and the nomination waits for them
//! as ever. Both ends go by the same priorities and the same pairs, so they still check a pair at about the same time, as
//! hole punching wants it. `benches/ORDER.md` shows what that gains and what it costs.

use alloc::vec::Vec;

use crate::ice::pair::{CandidatePair, PairState};
use crate::ice::{CandidateId, ComponentId, PairId};

/// In which order the waiting pairs of a check list are checked, unless a [`Policy`](crate::ice::Policy) wishes otherwise.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum CheckOrder {
    /// The best pair first, as RFC 8445 section 6.1.4.2 writes it.
    Priority,
    /// Until a component has a valid pair: the pair whose base and whose address of the peer's have been tried least, and
    /// of those the best. Several dead interfaces then cost a check each, and not one for each pair of them.
    ///
    /// Pairs with a relayed candidate take part; but where the peer controls and may nominate what works first
    /// ([`Remote::of_rfc5245`](crate::Remote::of_rfc5245)) they come last, as they do by priority.
    #[default]
    Coverage,
}

/// The waiting pair that [`CheckOrder::Coverage`] takes. `pairs` are in the order of their priorities; `has_valid` says of
/// a component that it has a valid pair, `comes_last` of a pair that all others go before it.
pub(crate) fn least_tried(
    pairs: &[CandidatePair],
    has_valid: impl Fn(ComponentId) -> bool,
    comes_last: impl Fn(&CandidatePair) -> bool,
) -> Option<PairId> {
    let is_tried = |pair: &&CandidatePair| !matches!(pair.state, PairState::Waiting | PairState::Frozen);
    // Sorted, each as often as it was tried. Candidates of ours and of the peer's have ids of one row.
    let mut tried: Vec<CandidateId> =
        pairs.iter().filter(is_tried).flat_map(|pair| [pair.local, pair.remote]).collect();
    tried.sort_unstable();
    let times = |id: CandidateId| {
        let first = tried.partition_point(|other| *other < id);
        tried.iter().skip(first).take_while(|other| **other == id).count()
    };
    let trials = |pair: &CandidatePair| times(pair.local) + times(pair.remote);
    let mut least: Option<((bool, usize), PairId)> = None;
    for pair in pairs.iter().filter(|pair| pair.state == PairState::Waiting) {
        let trials = if has_valid(pair.component) { 0 } else { trials(pair) };
        let rank = (comes_last(pair), trials);
        if least.is_none_or(|(known, _)| rank < known) {
            least = Some((rank, pair.id));
        }
        if rank == (false, 0) {
            break;
        }
    }
    least.map(|(_, id)| id)
}
