//! A candidate pair and its five states (RFC 8445 sections 6.1.2.2 and 6.1.2.6).

use core::num::NonZeroU32;

use crate::ice::nomination::Nominated;
use crate::ice::{CandidateId, ComponentId, PairId, PairPriority};
use crate::net::Path;
use crate::stun::TransactionId;
use crate::time::Measured;

/// The states of a candidate pair (RFC 8445 section 6.1.2.6).
///
/// ```text
/// Frozen --unfreeze--> Waiting --send--> InProgress --succeed--> Succeeded --nomination fails--> Failed
///                         ^                  \------fail------> Failed
///                         '-- trigger, from any state but Succeeded; 487, from any state
/// ```
///
/// A pair that turns out to be the valid pair of another pair's check goes to Succeeded from wherever it is (section
/// 7.2.5.3.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PairState {
    /// Not to be checked before another pair of its foundation was.
    Frozen,
    /// To be checked as soon as it is the best that waits.
    Waiting,
    /// A check is under way: this transaction.
    InProgress(TransactionId),
    /// A check was answered as it should.
    Succeeded,
    /// A check was not answered, or answered wrongly.
    Failed,
}

/// What happens to a pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PairEvent {
    Unfreeze,
    Trigger,
    Send(TransactionId),
    Succeed,
    Fail(TransactionId),
    NominationFailed,
    RoleRefused,
}

impl PairState {
    /// Returns the state after `event`, or `None` where the RFC has no such edge.
    pub(crate) fn after(self, event: PairEvent) -> Option<Self> {
        Some(match (self, event) {
            (Self::Frozen, PairEvent::Unfreeze) => Self::Waiting,
            // rfc8445-7.3.1.4-3, rfc8445-7.3.1.4-4
            (Self::Frozen | Self::Waiting | Self::InProgress(_) | Self::Failed, PairEvent::Trigger) => {
                Self::Waiting
            }
            (Self::Waiting, PairEvent::Send(id)) => Self::InProgress(id),
            // A check cancelled by a trigger may still be answered (section 7.3.1.4), and the answer to another pair's
            // check may name this one as the valid pair, hence any state.
            (_, PairEvent::Succeed) => Self::Succeeded,
            (Self::InProgress(current), PairEvent::Fail(id)) if id == current => Self::Failed,
            (Self::Succeeded, PairEvent::NominationFailed) => Self::Failed,
            // rfc8445-7.2.5.1-2: also a pair whose nomination met the conflict. Were it left alone, nobody would speak
            // first where both ends have given way.
            (_, PairEvent::RoleRefused) => Self::Waiting,
            _ => return None,
        })
    }

    /// Whether a check of the pair may still succeed.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Frozen | Self::Waiting | Self::InProgress(_))
    }

    /// Whether the pair keeps others of its foundation frozen (RFC 8445 section 6.1.4.2).
    pub(crate) const fn is_active(self) -> bool {
        matches!(self, Self::Waiting | Self::InProgress(_))
    }
}

/// What has to be alike for two pairs to be likely to succeed or fail together (RFC 8445 section 6.1.2.6): the foundations
/// of both candidates. It is compared all the time, and a foundation has 33 bytes: here ours is its number, and the peer's the
/// first of its candidates that had it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct PairFoundation {
    pub(crate) local: u32,
    pub(crate) remote: CandidateId,
}

impl PairFoundation {
    /// A number for tables, alike for what is alike and seldom so for what is not.
    pub(crate) fn spread(self) -> usize {
        let both = u64::from(self.local) << 32 | u64::from(self.remote.to_raw());
        // Golden section hashing: the upper half of the product depends on every bit.
        usize::try_from(both.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).unwrap_or_default()
    }
}

/// A pair of a check list. Its local candidate is one that datagrams leave from: a host or a relayed candidate, never a
/// reflexive one (RFC 8445 section 6.1.2.4).
#[derive(Clone, Debug)]
pub(crate) struct CandidatePair {
    pub(crate) id: PairId,
    pub(crate) component: ComponentId,
    pub(crate) local: CandidateId,
    pub(crate) remote: CandidateId,
    /// From the base of `local` to `remote`: what makes the pair unique in its list.
    pub(crate) path: Path,
    pub(crate) foundation: PairFoundation,
    /// In the role that we have now.
    pub(crate) priority: PairPriority,
    pub(crate) state: PairState,
    /// The valid pair that the last answered check produced: often, but not always, this one.
    pub(crate) valid: Option<PairId>,
    /// The controlling peer has nominated the pair before its check succeeded (RFC 8445 section 7.3.1.5).
    pub(crate) nominated_by_peer: Option<Nominated>,
    /// Round-trip time of the last check that was answered without a retransmission.
    pub(crate) rtt: Measured,
    /// Its place in the queue of triggered checks: first in, first out (RFC 8445 section 6.1.4.1).
    pub(crate) place: Option<NonZeroU32>,
    /// How many checks were begun since the last success.
    pub(crate) unanswered: u8,
}

impl CandidatePair {
    /// Whether the peer's checks have had the pair checked as often as they may, and to no avail.
    pub(crate) const fn is_worn_out(&self) -> bool {
        self.unanswered >= UNANSWERED_MAX
    }

    /// Moves the pair along an edge of [`PairState`]; `false` where there is none.
    pub(crate) fn apply(&mut self, event: PairEvent) -> bool {
        let after = self.state.after(event);
        self.state = after.unwrap_or(self.state);
        after.is_some()
    }
}

/// A pair is checked once on its own, and again when a check of the peer comes: that is how a NAT that was in the way is known
/// to be open. A peer that goes on checking and answers none of ours is not worth more than this: the repetitions of one check
/// of its are 0.5, 1, 2, 4, 8 and 16 s apart, and the check that the last of them would begin would still be under way after
/// 71 s, where a session without a way is to have failed within 60 s.
const UNANSWERED_MAX: u8 = 6;

#[cfg(test)]
mod tests;
