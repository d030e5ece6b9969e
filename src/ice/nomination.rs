//! When the controlling agent nominates, and what (RFC 8445 section 8.1.1).

use alloc::boxed::Box;
use core::time::Duration;

use crate::ice::PairId;
use crate::time::Timestamp;

/// Who decides which valid pair is nominated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Nomination {
    /// The agent: at once when its policy expects no better pair any more, and at the latest this long after the first
    /// valid pair of a component ([`Policy::nominate`](crate::ice::Policy::nominate)).
    Regular {
        /// How long a better pair may keep the agent waiting.
        patience: Duration,
    },
    /// The application, through `Agent::nominate`.
    Manual,
}

impl Default for Nomination {
    /// Regular, with a patience of 500 ms.
    fn default() -> Self {
        Self::Regular { patience: Duration::from_millis(500) }
    }
}

/// How strongly a pair is nominated: 0 by USE-CANDIDATE alone, otherwise the value beside it, of which the largest wins
/// (draft-thatcher-ice-renomination).
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Nominated(pub(crate) u32);

/// How far the nomination of one component has come on the controlling side.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Progress {
    /// No pair is valid yet.
    #[default]
    Nothing,
    /// There is a valid pair, and perhaps a better one to come.
    Valid(Box<Wait>),
    /// A check with USE-CANDIDATE is queued or under way on this pair of the check list.
    Nominating(PairId),
}

/// How long a better pair is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Wait {
    pub(crate) since: Timestamp,
    /// When the policy wants to be asked again; at no time yet if that cannot come.
    pub(crate) until: Timestamp,
    /// Not before, as it has gone on waiting when it was last asked.
    pub(crate) not_before: Timestamp,
}

impl Progress {
    /// The pair under nomination.
    pub(crate) const fn nominated(&self) -> Option<PairId> {
        match self {
            Self::Nominating(pair) => Some(*pair),
            Self::Nothing | Self::Valid(_) => None,
        }
    }

    /// A better pair is waited for, still or from now on.
    pub(crate) fn wait(&mut self, wait: Wait) {
        match self {
            Self::Valid(known) => **known = wait,
            Self::Nothing | Self::Nominating(_) => *self = Self::Valid(Box::new(wait)),
        }
    }
}
