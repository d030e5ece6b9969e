//! When the controlling agent nominates, and what (RFC 8445 section 8.1.1).

use core::time::Duration;

use crate::ice::checklist::CheckList;
use crate::ice::pair::PairState;
use crate::ice::valid::ValidPair;
use crate::ice::{CandidateKind, PairId};
use crate::time::Timestamp;

/// Who decides which valid pair is nominated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Nomination {
    /// The agent: at once when no better pair can still succeed, and at the latest this long after the first valid pair
    /// of a component.
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
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Progress {
    /// No pair is valid yet.
    #[default]
    Nothing,
    /// There has been a valid pair since then.
    Valid(Timestamp),
    /// A check with USE-CANDIDATE is queued or under way on this pair of the check list.
    Nominating(PairId),
}

/// What to do about a component that has a valid pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Repeat the check of this pair, with USE-CANDIDATE.
    Nominate(PairId),
    /// A better pair may still come; at this instant it is too late for it.
    WaitUntil(Timestamp),
}

/// Decides about the best valid pair of a component, the first of which became valid at `since`.
pub(crate) fn decide(
    now: Timestamp,
    since: Timestamp,
    patience: Duration,
    best: &ValidPair,
    rivals: Rivals,
) -> Verdict {
    // rfc8445-8.1.1-6: the criterion is local, and it ends.
    let until = since + patience;
    if !rivals.could_win() || now >= until {
        Verdict::Nominate(best.checked)
    } else {
        Verdict::WaitUntil(until)
    }
}

/// What may still turn out better than the best valid pair of a component.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rivals {
    /// A pair of higher priority whose check is not over.
    pub(crate) in_list: bool,
    /// A candidate that has not been signalled yet, while the pair is not the direct one between two hosts.
    pub(crate) to_come: bool,
}

impl Rivals {
    pub(crate) fn of(
        best: &ValidPair,
        kinds: [CandidateKind; 2],
        list: &CheckList,
        more_expected: bool,
    ) -> Self {
        let better = |state: PairState| state.is_open();
        let in_list = list.pairs().iter().any(|pair| {
            pair.component == best.component
                && pair.id != best.checked
                && better(pair.state)
                && pair.priorities.pair > best.priorities.pair
        });
        let direct = kinds == [CandidateKind::Host, CandidateKind::Host];
        Self { in_list, to_come: more_expected && !direct }
    }

    const fn could_win(self) -> bool {
        self.in_list || self.to_come
    }
}
