//! Consent freshness: may we still send to the peer (RFC 7675)?
//!
//! ```text
//!            check unanswered for 2.5 s            30 s without an answer
//! Fresh ---------------------------------> Overdue ----------------------> Lost
//!   ^                                         |                             ^
//!   |<-------------- answer ------------------'             unanswered      |
//!   '<-------------- answer ------------------- Held -----------------------'
//! Fresh, Overdue --the clock has jumped past the expiry--> Held
//! any --403--> Lost
//! ```

use core::time::Duration;

use crate::entropy::{Entropy, Purpose};
use crate::ice::{CONSENT_INTERVAL, CONSENT_INTERVAL_MAX, PairId, TieBreaker};
use crate::stun::TransactionId;
use crate::time::{Deadline, Timestamp};

/// The peer's consent to receive data on one valid pair.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consent {
    pub(crate) pair: PairId,
    /// The time between checks in microseconds, on average: no more than `CONSENT_INTERVAL_MAX`.
    basic: u32,
    state: State,
    /// When the next check is sent, answered or not.
    check_at: Timestamp,
    /// The last authentic answer of the peer, plus 30 s (rfc7675-5.1-11: from its receipt).
    expires_at: Timestamp,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// The last answer came in time. If a check is under way, its answer is overdue at the instant.
    Fresh { overdue_at: Option<Timestamp> },
    /// An answer is overdue; data still flows.
    Overdue,
    /// Past the expiry, although nobody has asked: nothing is sent, and one check has its chance until the instant, this one
    /// and so many more.
    Held { until: Timestamp, why: Hold, chances: u8 },
    /// For good (rfc7675-5.1-17).
    Lost(Loss),
}

/// How consent was lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Loss {
    Expired,
    Revoked,
}

/// Why data waits for an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hold {
    /// The clock has jumped past the expiry.
    Jumped,
    /// The pair was valid long before it was used.
    Unused,
}

/// What the application may do on the pair, and what it should know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    Fresh,
    Overdue,
    Held(Hold),
    Lost(Loss),
}

impl Consent {
    /// Consent of a pair whose check was answered at `answered_at`. If that was never, or too long ago, which is so of a pair
    /// that was valid long before it is used, it is asked for before anything else is sent.
    pub(crate) fn new(
        pair: PairId,
        answered_at: Option<Timestamp>,
        now: Timestamp,
        interval: Duration,
    ) -> Self {
        let Some(answered_at) = answered_at.filter(|at| *at + EXPIRY > now) else {
            let state = State::held(now, Hold::Unused, CHANCES);
            return Self { pair, basic: micros(CONSENT_INTERVAL), state, check_at: now, expires_at: now };
        };
        let expires_at = answered_at + EXPIRY;
        let state = State::Fresh { overdue_at: None };
        Self { pair, basic: micros(CONSENT_INTERVAL), state, check_at: answered_at + interval, expires_at }
    }

    /// The same with so much time between checks.
    pub(crate) fn every(self, basic: Duration) -> Self {
        Self { basic: micros(basic.min(CONSENT_INTERVAL_MAX)), ..self }
    }

    /// The time between checks, on average.
    pub(crate) fn basic(&self) -> Duration {
        Duration::from_micros(self.basic.into())
    }

    /// The same with its first check no earlier than this.
    pub(crate) fn not_before(self, at: Timestamp) -> Self {
        let check_at = self.check_at.max(at);
        let state = match self.state {
            State::Held { why, chances, .. } => State::held(check_at, why, chances),
            state => state,
        };
        Self { state, check_at, ..self }
    }

    pub(crate) const fn standing(&self) -> Standing {
        match self.state {
            State::Fresh { .. } => Standing::Fresh,
            State::Overdue => Standing::Overdue,
            State::Held { why, .. } => Standing::Held(why),
            State::Lost(loss) => Standing::Lost(loss),
        }
    }

    /// An authentic answer to one of our requests came, from where it was sent to.
    pub(crate) fn answered(&mut self, now: Timestamp) {
        let counts = match self.state {
            // Nobody may have noticed yet that the time is over: an answer does not turn it back (rfc7675-5.1-5).
            State::Fresh { .. } | State::Overdue => now < self.expires_at,
            State::Held { .. } => true,
            // rfc7675-5.1-17: what is lost is lost.
            State::Lost(_) => false,
        };
        if counts {
            self.state = State::Fresh { overdue_at: None };
            self.expires_at = now + EXPIRY;
        }
    }

    /// The peer has answered 403 (rfc7675-5.2-1).
    pub(crate) fn revoke(&mut self) {
        self.state = State::Lost(Loss::Revoked);
    }

    /// Lets time pass; if a check is to be sent now, `draw` gives its id and the time to the next one.
    ///
    /// What is due is sent before anything expires: a caller that comes late, or whose clock has jumped, gets one answer's
    /// time of grace, in which nothing is sent but the check.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Timestamp,
        draw: impl FnOnce() -> (TransactionId, Duration),
    ) -> Option<TransactionId> {
        let due = self.check_at <= now;
        let expired = self.expires_at <= now;
        self.state = match self.state {
            State::Lost(loss) => State::Lost(loss),
            // The clock has jumped again, over the answer's time and that of the next check: the last one had no chance. A
            // caller that is always so late must come to an end all the same.
            State::Held { until, why, chances: chances @ 1.. } if until <= now && due => {
                State::held(now, why, chances.saturating_sub(1))
            }
            State::Held { until, .. } if until <= now => State::Lost(Loss::Expired),
            State::Held { until, why, chances } => State::Held { until, why, chances },
            State::Fresh { .. } | State::Overdue if expired && due => State::held(now, Hold::Jumped, CHANCES),
            // rfc7675-5.1-4: thirty seconds, however many checks that were.
            State::Fresh { .. } | State::Overdue if expired => State::Lost(Loss::Expired),
            State::Fresh { overdue_at: Some(at) } if at <= now => State::Overdue,
            State::Fresh { overdue_at: None } if due => {
                State::Fresh { overdue_at: Some(now + ANSWER_OVERDUE) }
            }
            State::Fresh { overdue_at } => State::Fresh { overdue_at },
            State::Overdue => State::Overdue,
        };
        let is_sent = due && !matches!(self.state, State::Lost(_));
        is_sent.then(|| {
            // rfc7675-5.1-6: random anew for every check.
            let (check, interval) = draw();
            self.check_at = now + interval;
            check
        })
    }

    /// Adds the instants at which [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn deadlines(&self, deadline: &mut Deadline) {
        match self.state {
            State::Lost(_) => return,
            State::Fresh { overdue_at } => deadline.at(overdue_at),
            State::Held { until, .. } => deadline.at(until),
            State::Overdue => {}
        }
        if !matches!(self.state, State::Held { .. }) {
            deadline.at(self.expires_at);
        }
        deadline.at(self.check_at);
    }
}

impl State {
    fn held(now: Timestamp, why: Hold, chances: u8) -> Self {
        Self::Held { until: now + ANSWER_OVERDUE, why, chances }
    }
}

/// The transaction id of a check that is due, and the time from it to the next one: one draw for both.
pub(crate) fn draw(entropy: &mut Entropy, basic: Duration) -> (TransactionId, Duration) {
    let [id @ .., a, b, c, d] = entropy.bytes::<16>(Purpose::Transactions);
    (TransactionId::from(id), interval(basic, u32::from_be_bytes([a, b, c, d])))
}

/// What the time to the first check of a pair is drawn with, which needs no draw of its own: the tie-breaker is random, and of
/// pairs with consecutive numbers the products with the golden ratio lie as far apart as can be.
pub(crate) fn first_random(tie_breaker: TieBreaker, pair: PairId) -> u32 {
    const GOLDEN: u32 = 0x9e37_79b9;
    let [.., a, b, c, d] = tie_breaker.to_raw().to_be_bytes();
    u32::from_be_bytes([a, b, c, d]).wrapping_add(pair.to_raw().wrapping_mul(GOLDEN))
}

/// The interval to the next check: `basic` times a factor between 0.8 and 1.2 (RFC 7675 section 5.1), from 32 random bits.
pub(crate) fn interval(basic: Duration, random: u32) -> Duration {
    // rfc7675-5.1-7, and short enough for two checks before consent is lost.
    let basic = basic.clamp(CONSENT_INTERVAL, CONSENT_INTERVAL_MAX);
    let fifth = u64::try_from(basic.as_nanos() / 5).unwrap_or_default();
    let spread = fifth.saturating_mul(2).saturating_mul(u64::from(random)) >> 32;
    Duration::from_nanos(fifth.saturating_mul(4).saturating_add(spread))
}

/// RFC 7675 section 5.1.
pub(crate) const EXPIRY: Duration = Duration::from_secs(30);

/// When an answer is late enough to say so: any path that carries a call answers sooner.
const ANSWER_OVERDUE: Duration = Duration::from_millis(2_500);

/// How often a check is repeated whose answer may have been missed by a caller that came too late for it: enough for a
/// machine that wakes up again and again, and an end where the peer is gone.
const CHANCES: u8 = 3;

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const INTERVAL: Duration = Duration::from_secs(5);

    fn granted() -> Consent {
        Consent::new(PairId::from_raw(1), Some(Timestamp::ZERO), Timestamp::ZERO, INTERVAL)
    }

    fn is_due(consent: &mut Consent, now: Timestamp, interval: Duration) -> bool {
        consent.handle_timeout(now, || (TransactionId::from([0; 12]), interval)).is_some()
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn consent_is_checked_goes_overdue_and_expires() {
        let mut consent = granted();
        assert!(!is_due(&mut consent, at(4_999), INTERVAL));
        assert!(is_due(&mut consent, at(5_000), INTERVAL));
        assert!(!is_due(&mut consent, at(7_499), INTERVAL));
        assert_eq!(consent.standing(), Standing::Fresh);
        assert!(!is_due(&mut consent, at(7_500), INTERVAL));
        assert_eq!(consent.standing(), Standing::Overdue);
        for check in [10_000, 15_000, 20_000, 25_000] {
            assert!(is_due(&mut consent, at(check), INTERVAL));
        }
        is_due(&mut consent, at(29_999), Duration::from_secs(6));
        assert_eq!(consent.standing(), Standing::Overdue);
        let mut on_time = consent;
        on_time.check_at = at(31_000);
        assert!(!is_due(&mut on_time, at(30_000), INTERVAL));
        assert_eq!(on_time.standing(), Standing::Lost(Loss::Expired));
        on_time.answered(at(30_001));
        assert_eq!(on_time.standing(), Standing::Lost(Loss::Expired));
    }

    #[test]
    fn a_jump_of_the_clock_holds_data_and_gives_one_check_its_chance() {
        let mut consent = granted();
        assert!(is_due(&mut consent, at(3_600_000), INTERVAL));
        assert_eq!(consent.standing(), Standing::Held(Hold::Jumped));
        let mut answered = consent;
        answered.answered(at(3_600_020));
        assert_eq!(answered.standing(), Standing::Fresh);
        is_due(&mut consent, at(3_602_499), INTERVAL);
        assert_eq!(consent.standing(), Standing::Held(Hold::Jumped));
        is_due(&mut consent, at(3_602_500), INTERVAL);
        assert_eq!(consent.standing(), Standing::Lost(Loss::Expired));
    }

    #[test]
    fn an_answer_after_the_expiry_does_not_count_though_no_timeout_was_served() {
        let mut consent = granted();
        consent.answered(at(30_000));
        assert!(is_due(&mut consent, at(30_000), INTERVAL));
        assert_eq!(consent.standing(), Standing::Held(Hold::Jumped));
    }

    #[test]
    fn a_second_jump_while_data_is_held_gives_another_chance() {
        let mut consent = granted();
        assert!(is_due(&mut consent, at(3_600_000), INTERVAL));
        assert!(is_due(&mut consent, at(7_200_000), INTERVAL));
        assert_eq!(consent.standing(), Standing::Held(Hold::Jumped));
        assert!(!is_due(&mut consent, at(7_202_500), INTERVAL));
        assert_eq!(consent.standing(), Standing::Lost(Loss::Expired));
    }

    #[test]
    fn a_caller_that_is_always_late_loses_a_peer_that_does_not_answer_after_four_checks() {
        let (mut consent, mut now) = (granted(), at(3_600_000));
        let mut checks = 0;
        while !matches!(consent.standing(), Standing::Lost(_)) {
            checks += u32::from(is_due(&mut consent, now, INTERVAL));
            now += Duration::from_secs(8);
        }
        assert_eq!((checks, consent.standing()), (4, Standing::Lost(Loss::Expired)));
    }

    #[test]
    fn a_pair_that_was_valid_long_before_it_is_used_is_asked_first() {
        let never = Consent::new(PairId::from_raw(1), None, at(10), INTERVAL);
        assert_eq!(never.standing(), Standing::Held(Hold::Unused));
        let mut consent = Consent::new(PairId::from_raw(1), Some(Timestamp::ZERO), at(60_000), INTERVAL);
        assert_eq!(consent.standing(), Standing::Held(Hold::Unused));
        assert!(is_due(&mut consent, at(60_000), INTERVAL));
        consent.answered(at(60_020));
        assert_eq!(consent.standing(), Standing::Fresh);
    }

    #[test]
    fn a_pair_that_was_asked_a_moment_ago_is_not_asked_again_at_once() {
        let mut consent = Consent::new(PairId::from_raw(1), None, at(1_000), INTERVAL).not_before(at(5_000));
        assert!(!is_due(&mut consent, at(4_999), INTERVAL));
        assert!(is_due(&mut consent, at(5_000), INTERVAL));
        is_due(&mut consent, at(7_499), INTERVAL);
        assert_eq!(consent.standing(), Standing::Held(Hold::Unused), "it has its time to be answered");
        is_due(&mut consent, at(7_500), INTERVAL);
        assert_eq!(consent.standing(), Standing::Lost(Loss::Expired));
    }

    #[test]
    fn intervals_are_between_four_and_six_seconds() {
        assert_eq!(interval(INTERVAL, 0), Duration::from_secs(4));
        assert!(interval(INTERVAL, u32::MAX) < Duration::from_secs(6));
        assert!(interval(INTERVAL, u32::MAX) > Duration::from_millis(5_999));
        assert_eq!(interval(INTERVAL, 1 << 31), Duration::from_secs(5));
    }

    /// Proves: rfc7675-5.1-6
    #[test]
    fn first_intervals_are_apart_in_every_agent_and_of_no_two_alike() {
        let first = |tie_breaker: u64, pair: u32| {
            interval(INTERVAL, first_random(TieBreaker::from_raw(tie_breaker), PairId::from_raw(pair)))
        };
        let mut times: Vec<Duration> = (0..8).map(|pair| first(7, pair)).collect();
        times.sort();
        // Eight of them in two seconds: each has at least half of an equal part to itself.
        assert!(times.windows(2).all(|next| next[1] - next[0] > Duration::from_millis(125)), "{times:?}");
        assert!((1..8).all(|other| first(other << 29, 1) != first(0, 1)));
    }

    #[test]
    fn no_policy_asks_more_often_than_every_four_seconds_or_less_often_than_every_twelve() {
        assert_eq!(interval(Duration::ZERO, 0), Duration::from_secs(4));
        assert_eq!(interval(Duration::MAX, 1 << 31), Duration::from_secs(10));
        assert!(interval(Duration::MAX, u32::MAX) < Duration::from_secs(12));
    }
}
