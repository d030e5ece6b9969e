//! What is asked of the server, as the configuration wants it and as the server has taught us.

use super::error::Failure;
use super::{AddressFamily, Config, Relayed};
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// The contents of the next Allocate, and when it may leave.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    relayed: Relayed,
    pub(super) lifetime: Option<u32>,
    pub(super) dont_fragment: bool,
    pub(super) mobility: bool,
    pub(super) software: Option<String>,
    /// A family that the server has not granted, and until when not to ask for it again.
    ungranted: Option<(AddressFamily, Timestamp)>,
    /// Allocations that failed or were lost in a row.
    failures: u32,
    /// 5-tuples on which the server knew an allocation already, in a row.
    mismatches: u8,
    /// When the last allocation was granted.
    granted_at: Timestamp,
    /// Servers that have sent us to another one, and when.
    left: Vec<(SocketAddr, Timestamp)>,
    attempt: Attempt,
    bar: Bar,
}

/// What has been tried already to fulfil the one wish in hand.
#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    /// Temporary errors of the server.
    errors: u8,
    /// An earlier allocation on the 5-tuple was ended.
    evicted: bool,
    /// Another server has sent us here.
    followed: bool,
}

/// What stands in the way of an Allocate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Bar {
    Until(Timestamp),
    ForGood(Failure),
}

/// What to do about an Allocate that was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Remedy {
    /// The request has changed, or its time has: ask again, after so long.
    Again(Duration),
    /// None.
    Fail,
}

impl Terms {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            relayed: config.relayed,
            lifetime: config.lifetime,
            dont_fragment: config.dont_fragment,
            mobility: config.mobility,
            software: config.software.clone(),
            ungranted: None,
            failures: 0,
            mismatches: 0,
            granted_at: Timestamp::ZERO,
            left: Vec::new(),
            attempt: Attempt::default(),
            bar: Bar::Until(Timestamp::ZERO),
        }
    }

    /// Which relayed address to ask for.
    pub(super) const fn relayed(&self) -> Relayed {
        self.relayed
    }

    /// Whether a relayed address of this family is what was asked for.
    pub(super) const fn wants(&self, family: AddressFamily) -> bool {
        // Nothing is known of an address that was reserved earlier.
        matches!(self.relayed, Relayed::Reserved(_)) || self.relayed.families().contains(family)
    }

    /// When an Allocate may leave, or why it never may.
    pub(super) const fn not_before(&self) -> Result<Timestamp, Failure> {
        match self.bar {
            Bar::Until(at) => Ok(at),
            Bar::ForGood(failure) => Err(failure),
        }
    }

    /// An Allocate that nobody has asked for before is about to leave.
    pub(super) fn begin(&mut self, now: Timestamp, configured: Relayed) {
        self.attempt = Attempt::default();
        self.relayed = configured;
        if let Some((family, until)) = self.ungranted
            && now < until
        {
            // rfc8656-7.3-4, rfc8656-7.3-5
            self.relayed = match configured {
                Relayed::Any(families) => Relayed::Any(families.without(family)),
                Relayed::EvenPort(families) => Relayed::EvenPort(families.without(family)),
                other => other,
            };
        }
    }

    /// An error response to an Allocate: what it teaches, and what is to be done. `dont_fragment` if a 420 names
    /// DONT-FRAGMENT.
    pub(super) fn refused(&mut self, code: u16, dont_fragment: bool) -> Remedy {
        match code {
            // rfc8016-3.1.4-1
            405 if self.mobility => self.mobility = false,
            // rfc8656-7.4-6
            420 if dont_fragment && self.dont_fragment => self.dont_fragment = false,
            // rfc8656-7.4-13
            508 if self.relayed.is_choosy() => self.relayed = Relayed::Any(self.relayed.families()),
            // rfc8656-7.4-14: four times, with growing pauses.
            500..=507 | 509..=599 if self.attempt.errors < ERRORS_MAX => {
                let pause = ERROR_PAUSE.saturating_mul(1 << self.attempt.errors);
                self.attempt.errors = self.attempt.errors.saturating_add(1);
                return Remedy::Again(pause);
            }
            _ => return Remedy::Fail,
        }
        Remedy::Again(Duration::ZERO)
    }

    /// One of two families was not granted.
    pub(super) fn family_refused(&mut self, now: Timestamp, family: AddressFamily, code: u16) {
        let until = match code {
            440 => Timestamp::MAX,
            _ => now + CAPACITY_PAUSE,
        };
        self.ungranted = Some((family, until));
    }

    /// No allocation came about, or it was lost: the next one may have to wait.
    pub(super) fn failed(&mut self, now: Timestamp, failure: Failure) {
        let Some(wait) = failure.retry_after() else {
            self.bar = Bar::ForGood(failure);
            return;
        };
        // The first is tried again at once, those that follow in 1, 2, 4, .. 60 s.
        let pause = match self.failures.checked_sub(1) {
            Some(doublings) => BACK_OFF.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX)),
            None => Duration::ZERO,
        };
        self.failures = self.failures.saturating_add(1);
        self.bar = Bar::Until(now + wait.max(pause.min(BACK_OFF_MAX)));
    }

    /// Whether an allocation in the way may be ended; once for each wish.
    pub(super) const fn may_evict(&mut self) -> bool {
        !core::mem::replace(&mut self.attempt.evicted, true)
    }

    /// Whether `to` may be asked in the place of `from`, which said so: once for each wish, and not where we were sent away
    /// within the last five minutes (rfc8489-10-3).
    pub(super) fn may_follow(&mut self, now: Timestamp, from: SocketAddr, to: SocketAddr) -> bool {
        self.left.retain(|(_, at)| *at + TRIED_FOR > now);
        if self.left.iter().any(|(server, _)| *server == to) || self.left.len() >= LEFT_MAX {
            return false;
        }
        self.left.push((from, now));
        !core::mem::replace(&mut self.attempt.followed, true)
    }

    /// Another allocation is on the 5-tuple, and not ours to end.
    pub(super) fn mismatched(&mut self, now: Timestamp) {
        self.mismatches = self.mismatches.saturating_add(1);
        // rfc8656-7.4-7
        self.bar = Bar::Until(now);
        if self.mismatches >= MISMATCHES_MAX {
            self.mismatches = 0;
            self.bar = Bar::Until(now + MISMATCH_PAUSE);
        }
    }

    /// The server has granted an allocation.
    pub(super) const fn granted(&mut self, now: Timestamp) {
        self.mismatches = 0;
        self.granted_at = now;
    }

    /// The server has granted it more time: all is well, once that has lasted. A server that takes back what it grants, time
    /// and again, is to be asked less and less often.
    pub(super) fn refreshed(&mut self, now: Timestamp) {
        if self.granted_at + PROVEN_AFTER <= now {
            self.failures = 0;
        }
    }

    /// There are other credentials.
    pub(super) fn pardon(&mut self) {
        if matches!(self.bar, Bar::ForGood(_)) {
            self.bar = Bar::Until(Timestamp::ZERO);
        }
    }
}

/// How long an allocation has to live for those before it to be forgotten.
const PROVEN_AFTER: Duration = Duration::from_secs(60);

/// RFC 8489 section 6.3.4 suggests to limit the repetitions to four.
const ERRORS_MAX: u8 = 4;
const ERROR_PAUSE: Duration = Duration::from_secs(1);
/// RFC 8656 section 7.3: at least one minute.
const CAPACITY_PAUSE: Duration = Duration::from_secs(60);
/// RFC 8656 section 7.4: three 5-tuples, then two minutes.
const MISMATCHES_MAX: u8 = 3;
const MISMATCH_PAUSE: Duration = Duration::from_secs(120);
/// RFC 8489 section 10.
const TRIED_FOR: Duration = Duration::from_secs(5 * 60);
/// Whoever is sent on so often in five minutes is led in circles.
const LEFT_MAX: usize = 16;
const BACK_OFF: Duration = Duration::from_secs(1);
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::LongTerm;

    /// How long the next Allocate has to wait after each of ten allocations that were granted, refreshed after `lived`, and
    /// then lost.
    fn pauses(lived: Duration) -> Vec<Duration> {
        let mut terms = Terms::new(&Config::new(LongTerm::new("alice", "secret").unwrap()));
        let mut now = Timestamp::ZERO;
        let mut lose = || {
            terms.granted(now);
            now += lived;
            terms.refreshed(now);
            terms.failed(now, Failure::Mismatch);
            let again_at = terms.not_before().unwrap().max(now);
            let pause = again_at.saturating_since(now);
            now = again_at;
            pause
        };
        (0..10).map(|_| lose()).collect()
    }

    #[test]
    fn a_server_that_takes_back_what_it_grants_is_asked_less_and_less_often() {
        let seconds = [0, 1, 2, 4, 8, 16, 32, 60, 60, 60].map(Duration::from_secs);
        assert_eq!(pauses(Duration::from_secs(2)), seconds);
        assert_eq!(pauses(Duration::from_secs(60)), [Duration::ZERO; 10]);
    }
}
