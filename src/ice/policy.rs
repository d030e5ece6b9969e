//! What the RFCs leave open, as questions to the application, and the answers that ship.

use core::fmt;
use core::fmt::Debug;
use core::time::Duration;

use crate::ice::{CandidateKind, ComponentId, PairId, PairPriority};
use crate::net::Path;

/// Decisions that an application may want to take itself.
///
/// Every question has an answer of its own: that of [`Profile::Webrtc`]. A policy sees copies, says which of the pairs
/// offered it means, and changes nothing; what it names that was not offered counts as no answer, so whatever it says the
/// protocol holds. It is asked often and should not be slow, and to the same question it should give the same answer: the
/// inputs of an agent determine its outputs only if its policy has no moods.
///
/// ```
/// use std::sync::Arc;
/// use floe::{Config, Path, Profile, ice::{Choice, Choices, PairId, Policy}};
///
/// /// Takes no path into the guest network, and otherwise moves between networks like a phone.
/// #[derive(Debug)]
/// struct Indoors;
///
/// impl Policy for Indoors {
///     fn accepts_nomination(&self, path: Path) -> bool {
///         !path.local().ip().to_string().starts_with("192.168.7.")
///     }
///
///     fn successor(&self, selected: &Choice, others: Choices<'_>) -> Option<PairId> {
///         Profile::Mobile.successor(selected, others)
///     }
/// }
///
/// let config = Config::new().profile(Profile::Mobile).policy(Arc::new(Indoors));
/// # let _ = config;
/// ```
pub trait Policy: Debug + Send + Sync {
    /// Which of the waiting pairs of a check list is checked in this slot (RFC 8445 section 6.1.4.2); `None` for the next in
    /// the [order that is configured](crate::Config::check_order), and so unless said otherwise. Triggered checks and
    /// nominations go first, unasked. A slot is never left unused.
    fn check(&self, waiting: Choices<'_>) -> Option<PairId> {
        let _ = waiting;
        None
    }

    /// What the controlling agent does about a component that has valid pairs and no nomination (RFC 8445 section 8.1.1).
    ///
    /// It waits 5 s in all at most, or as long as the [patience](Prospects::patience) that is configured; then the best
    /// valid pair is nominated.
    fn nominate(&self, prospects: &Prospects<'_>) -> Verdict {
        prospects.soon()
    }

    /// Whether the controlled side accepts that the peer nominates the pair of this path. If not, the nominating check is
    /// answered with 400, and nothing else follows from it (RFC 8445 section 7.3.1.5). Yes, unless said otherwise.
    fn accepts_nomination(&self, path: Path) -> bool {
        let _ = path;
        true
    }

    /// Which pair the controlling agent moves to, where both sides know renomination; `None` to stay.
    ///
    /// `others` are the pairs that are known to work: if the selected pair is [troubled](Health::Troubled), those that have
    /// answered since it did, otherwise those kept beside it whose consent is fresh. The move is made once the answer has
    /// been the same for as long as [`Config::dampening`](crate::Config::dampening) says. What is selected stays in use until
    /// the peer has answered the new nomination. Unless said otherwise: the best of them, if the selected pair is in trouble.
    fn successor(&self, selected: &Choice, others: Choices<'_>) -> Option<PairId> {
        refuge(selected, others)
    }

    /// Whether a valid pair is worth keeping beside the selected one, where both sides know renomination, as one of the few
    /// that [`Config::backups`](crate::Config::backups) allows. Yes, unless said otherwise.
    fn keeps(&self, pair: &Choice) -> bool {
        let _ = pair;
        true
    }

    /// How often the peer is asked for its consent on a pair that is selected or kept, on average: from 5 s, which is the
    /// answer unless said otherwise, to 10 s. Each interval is between 0.8 and 1.2 times as long (RFC 7675 section 5.1), and
    /// two questions at least go unanswered before consent is lost after 30 s.
    fn consent_interval(&self, pair: &Choice) -> Duration {
        let _ = pair;
        CONSENT_INTERVAL
    }
}

/// A whole way of behaving under a name: answers to the questions of [`Policy`], and the timers that go with them, set by
/// [`Config::profile`](crate::Config::profile).
///
/// | | `Rfc8445` | `Webrtc` | `ServerIdle` | `Mobile` |
/// |---|---|---|---|---|
/// | time between checks (Ta) | 50 ms | 50 ms | 50 ms | 50 ms |
/// | order of checks | by priority | coverage | coverage | coverage |
/// | RTO of checks | the formula, at least 500 ms | 500 ms | 500 ms | 500 ms |
/// | gives up after | when all pairs have failed | the same, or 60 s | as `Webrtc` | as `Webrtc` |
/// | nomination waits for a better pair | 500 ms | 500 ms, but 3 RTT if it has been checked, of another kind 200 ms at least, and 500 ms more if a relay would be nominated | as `Webrtc` | as `Webrtc` |
/// | consent asked for every | 4 to 6 s | 4 to 6 s | 4 to 6 s | 4 to 6 s; costly networks 8 to 12 s |
/// | an answer is overdue after | 2.5 s | 2.5 s | 2.5 s | 2.5 s |
/// | consent lost after | 30 s | 30 s | 30 s | 30 s |
/// | renomination | no | yes | yes | yes |
/// | trouble or advantage lasts, before a move | - | 1 s | 1 s | 1 s |
/// | pairs kept beside the selected one | 0 | 0 | 0 | 3 |
/// | moves to a better pair | no | no | no | a cheaper one; a direct one; one faster by 10 ms and 20 % |
/// | keepalive without consent (Tr) | 15 s | 15 s | 25 s | 15 s |
/// | refresh of bindings at servers | 15 s | 15 s | 25 s | 15 s |
/// | continual gathering | no | no | no | yes |
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Profile {
    /// The letter: the RTO formula of RFC 8445 section 14.3, one nomination for each component.
    Rfc8445,
    /// The default, and what browsers expect: data flows on the first pair that works, one round trip after the check that
    /// finds it, and nomination takes one more, unless a better pair may still come.
    #[default]
    Webrtc,
    /// Quiet, for tens of thousands of agents in one process: an idle session costs a consent check in 4 to 6 s, or where
    /// consent is off an indication in 25 s.
    ServerIdle,
    /// Several networks, which come and go and have costs (`Base::network`): the best pairs beside the selected one are
    /// kept, so that another takes over at once, and the session moves to a better network once that has lasted.
    Mobile,
}

impl Policy for Profile {
    fn nominate(&self, prospects: &Prospects<'_>) -> Verdict {
        match self {
            Self::Rfc8445 => prospects.patiently(),
            Self::Webrtc | Self::ServerIdle | Self::Mobile => prospects.soon(),
        }
    }

    fn successor(&self, selected: &Choice, others: Choices<'_>) -> Option<PairId> {
        match self {
            Self::Mobile => improvement(selected, others),
            Self::Rfc8445 | Self::Webrtc | Self::ServerIdle => refuge(selected, others),
        }
    }

    fn consent_interval(&self, pair: &Choice) -> Duration {
        match self {
            Self::Mobile if pair.cost >= COSTLY => CONSENT_INTERVAL_MAX,
            _ => CONSENT_INTERVAL,
        }
    }
}

/// A pair as a policy sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Choice {
    /// Its name: what an answer says.
    pub id: PairId,
    /// The component that it is for.
    pub component: ComponentId,
    /// From the base of our candidate to the peer's.
    pub path: Path,
    /// The kind of our candidate.
    pub local: CandidateKind,
    /// The kind of the peer's candidate.
    pub remote: CandidateKind,
    /// Its priority (RFC 8445 section 6.1.2.3).
    pub priority: PairPriority,
    /// What the networks at both ends cost together, as far as they are known: see [`Base::network`](crate::Base::network).
    pub cost: u32,
    /// Round-trip time, smoothed over all answers to requests that were sent once.
    pub rtt: Option<Duration>,
    /// How well it works.
    pub health: Health,
}

impl Choice {
    /// Whether data would go through a relay.
    #[must_use]
    pub fn is_relayed(&self) -> bool {
        self.local == CandidateKind::Relayed || self.remote == CandidateKind::Relayed
    }

    /// Whether a path of the other's is of the same kind, as far as can be known: its length is likely to be the same.
    fn is_like(&self, other: &Self) -> bool {
        [self.local, self.remote] == [other.local, other.remote] && self.cost == other.cost
    }

    /// Cheaper first, then direct.
    fn rank(&self) -> (u32, bool) {
        (self.cost, self.is_relayed())
    }
}

/// How well a pair works, as far as is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Health {
    /// Not checked yet.
    Unchecked,
    /// Its check has been unanswered for so long.
    Checking(Duration),
    /// It is valid.
    Sound,
    /// It is selected, and an answer is overdue; or it has lost its consent.
    Troubled,
}

/// The pairs that an answer may name, highest priority first.
#[derive(Clone, Copy)]
pub struct Choices<'a> {
    /// What stands at a place: `None` behind the last one, `Some(None)` where nothing may be chosen.
    at: &'a dyn Fn(usize) -> Option<Option<Choice>>,
}

impl<'a> Choices<'a> {
    pub(crate) fn new(at: &'a dyn Fn(usize) -> Option<Option<Choice>>) -> Self {
        Self { at }
    }

    /// All of them.
    pub fn iter(self) -> impl Iterator<Item = Choice> + use<'a> {
        (0..).map_while(self.at).flatten()
    }

    /// The one of highest priority.
    #[must_use]
    pub fn best(self) -> Option<PairId> {
        self.iter().next().map(|choice| choice.id)
    }

    /// Whether a pair is among them.
    #[must_use]
    pub fn contains(self, id: PairId) -> bool {
        self.iter().any(|choice| choice.id == id)
    }
}

impl Debug for Choices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A component that has valid pairs and no nomination.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Prospects<'a> {
    /// The valid pairs, one of which can be nominated.
    pub valid: Choices<'a>,
    /// Pairs that are better than all valid ones, and whose checks are not over.
    pub rivals: Choices<'a>,
    /// Whether candidates may still come that make a better pair than the best valid one, which is not the direct one
    /// between two hosts.
    pub more_expected: bool,
    /// How long there has been a valid pair.
    pub waited: Duration,
    /// How long to wait at most, as configured ([`Nomination::Regular`](crate::ice::Nomination::Regular)).
    pub patience: Duration,
}

impl Prospects<'_> {
    /// Waits for whatever may still turn out better.
    fn patiently(&self) -> Verdict {
        let hopes = self.more_expected || self.rivals.best().is_some();
        self.after(if hopes { self.patience_left() } else { Duration::ZERO })
    }

    /// Waits for what is not checked yet, and for a check only while its answer would not be much later than that of the
    /// best pair so far: one that takes three times as long is dead. A path of another kind, as a direct one beside one
    /// through a relay, has 200 ms at least.
    ///
    /// A relay costs somebody something for the whole session, so a direct rival gets twice the patience, for its check to
    /// be sent, and to be repeated once: behind many a filter the first one is lost, because the peer's own has yet to open
    /// it. Its silence counts from the first pair that works: until then the peer may not have known whom to check.
    fn soon(&self) -> Verdict {
        let best = self.valid.iter().next();
        let round_trips = best.and_then(|best| best.rtt).map(|rtt| rtt.saturating_mul(3));
        let hope = |rival: Choice| {
            let spared = best.is_some_and(|best| best.is_relayed()) && !rival.is_relayed();
            let (patience, repetition) = match spared {
                true => (self.patience.saturating_mul(2).saturating_sub(self.waited), FIRST_REPETITION),
                false => (self.patience_left(), Duration::ZERO),
            };
            let is_alike = best.is_some_and(|best| best.is_like(&rival));
            let time_for_answer = match round_trips {
                Some(round_trips) if is_alike => round_trips,
                _ => round_trips.unwrap_or_default().max(ANSWER_EXPECTED),
            };
            match rival.health {
                Health::Checking(since) => {
                    let since = if spared { since.min(self.waited) } else { since };
                    time_for_answer.saturating_add(repetition).saturating_sub(since).min(patience)
                }
                Health::Unchecked | Health::Sound | Health::Troubled => patience,
            }
        };
        let wait = if self.more_expected {
            self.patience_left()
        } else {
            self.rivals.iter().map(hope).max().unwrap_or_default()
        };
        self.after(wait)
    }

    fn patience_left(&self) -> Duration {
        self.patience.saturating_sub(self.waited)
    }

    fn after(&self, wait: Duration) -> Verdict {
        match self.valid.best() {
            Some(best) if wait.is_zero() => Verdict::Nominate(best),
            _ => Verdict::Wait(wait),
        }
    }
}

/// What to do about a component that has valid pairs and no nomination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else to be done")]
pub enum Verdict {
    /// Nominate this pair.
    Nominate(PairId),
    /// Ask again after so long, or when something has changed.
    Wait(Duration),
}

/// Where to go if the selected pair is in trouble.
fn refuge(selected: &Choice, others: Choices<'_>) -> Option<PairId> {
    others.best().filter(|_| selected.health == Health::Troubled)
}

/// The pair that a session with several networks should be on: the best that works if the selected one does not, otherwise
/// one that is clearly better. A costlier network is no improvement, however fast.
fn improvement(selected: &Choice, others: Choices<'_>) -> Option<PairId> {
    let is_better = |other: &Choice| match (selected.health, selected.rtt, other.rtt) {
        (Health::Troubled, ..) => true,
        _ if other.rank() != selected.rank() => other.rank() < selected.rank(),
        (_, Some(ours), Some(theirs)) => theirs.saturating_add((ours / 5).max(WORTH_MOVING)) <= ours,
        _ => false,
    };
    let better = others.iter().filter(is_better);
    better.min_by_key(|other| (other.rank(), other.rtt.unwrap_or(Duration::MAX))).map(|better| better.id)
}

/// RFC 7675 section 5.1.
pub(crate) const CONSENT_INTERVAL: Duration = Duration::from_secs(5);

/// Two intervals, jitter included, and a round trip fit into the 30 s after which consent is lost.
pub(crate) const CONSENT_INTERVAL_MAX: Duration = Duration::from_secs(10);

/// How long the longest way around the earth takes there and back, give or take a slow network.
const ANSWER_EXPECTED: Duration = Duration::from_millis(200);

/// When a check is sent again (RFC 8445 section 14.3).
const FIRST_REPETITION: Duration = Duration::from_millis(500);

/// What cannot be heard is no reason to move.
const WORTH_MOVING: Duration = Duration::from_millis(10);

/// From here on a network is costly: browsers say 900 for a cellular one.
const COSTLY: u32 = 250;

#[cfg(test)]
mod tests;
