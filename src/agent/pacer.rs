//! When the next request may leave: one new transaction per Ta, and no burst of retransmissions (RFC 8445 section 14).

use core::time::Duration;

use crate::time::Timestamp;

/// The one Ta of an agent, for checks and gathering of all its streams.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pacer {
    /// No new transaction before.
    next_at: Timestamp,
    retransmissions: Bucket,
}

/// What a slot is used for: checks and gathering take turns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slot {
    Check,
    Gathering,
}

impl Slot {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Check => Self::Gathering,
            Self::Gathering => Self::Check,
        }
    }
}

impl Pacer {
    /// The earliest instant for the next new transaction.
    pub(crate) const fn next_at(&self) -> Timestamp {
        self.next_at
    }

    /// A new transaction has left. The slots that a late caller has missed are lost: they are not made up for in a
    /// burst.
    pub(crate) fn sent(&mut self, now: Timestamp, ta: Duration) {
        self.next_at = now + ta;
    }

    /// Whether another retransmission may leave now: four in a Ta, as many as a hundred dead pairs need at an RTO of
    /// 500 ms.
    pub(crate) fn may_retransmit(&self, now: Timestamp, ta: Duration) -> bool {
        self.next_retransmission_at(ta) <= now
    }

    /// One has left.
    pub(crate) fn retransmitted(&mut self, now: Timestamp, ta: Duration) {
        self.retransmissions.take_at(now, retransmissions(ta));
    }

    /// The earliest instant for the next retransmission.
    pub(crate) fn next_retransmission_at(&self, ta: Duration) -> Timestamp {
        self.retransmissions.next_at(retransmissions(ta))
    }
}

/// What an agent waits for. An instant that cannot come stands for nothing: two words are enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Waits {
    /// When a timer runs out.
    pub(crate) timer_at: Timestamp,
    /// When it may send something new, if there is something to send. Of agents that share a pace each has to wait its turn
    /// beyond that.
    pub(crate) slot_at: Timestamp,
}

impl Waits {
    pub(crate) fn new(timer_at: Option<Timestamp>, slot_at: Option<Timestamp>) -> Self {
        let [timer_at, slot_at] = [timer_at, slot_at].map(|at| at.unwrap_or(Timestamp::MAX));
        Self { timer_at, slot_at }
    }

    /// Whether nothing but time is waited for, and that is not over yet.
    pub(crate) fn are_for_a_timer(self, now: Timestamp) -> bool {
        self.slot_at == Timestamp::MAX && self.timer_at > now
    }

    /// The earlier of the two.
    pub(crate) fn deadline(self) -> Option<Timestamp> {
        let at = self.timer_at.min(self.slot_at);
        (at < Timestamp::MAX).then_some(at)
    }
}

impl Default for Waits {
    fn default() -> Self {
        Self::new(None, None)
    }
}

/// How often something may be done. Kept as what a [`Bucket`] asks for, so that nothing is computed for each datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// What it takes to gain a token.
    interval: Duration,
    /// How far from full a bucket may be that has one; `None` is never.
    depth: Option<Duration>,
}

impl Rate {
    /// So often, with a burst of two seconds' worth.
    pub(crate) fn per_second(count: u32) -> Self {
        let interval = Duration::from_secs(1).checked_div(count).unwrap_or(Duration::ZERO);
        Self::new(interval, count.saturating_mul(2))
    }

    /// Every `interval`, and `burst` at once.
    fn new(interval: Duration, burst: u32) -> Self {
        Self { interval, depth: burst.checked_sub(1).map(|others| interval.saturating_mul(others)) }
    }
}

/// A token bucket, as the one instant at which it will be full again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    full_at: Timestamp,
}

impl Bucket {
    /// Takes a token, if there is one.
    pub(crate) fn take_at(&mut self, now: Timestamp, rate: Rate) -> bool {
        let has_one = rate.depth.is_some_and(|depth| self.full_at <= now + depth);
        if has_one {
            self.full_at = self.full_at.max(now) + rate.interval;
        }
        has_one
    }

    /// When there is a token.
    fn next_at(&self, rate: Rate) -> Timestamp {
        rate.depth
            .map_or(Timestamp::MAX, |depth| Timestamp::from(self.full_at.since_epoch().saturating_sub(depth)))
    }
}

fn retransmissions(ta: Duration) -> Rate {
    Rate::new(ta / RETRANSMISSIONS_PER_TA, RETRANSMISSIONS_PER_TA)
}

/// Enough for every schedule that Ta lets begin, and a bound on what a late caller releases at once.
const RETRANSMISSIONS_PER_TA: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const TA: Duration = Duration::from_millis(50);

    #[test]
    fn a_late_caller_does_not_burst() {
        let mut pacer = Pacer::default();
        pacer.sent(Timestamp::ZERO, TA);
        let late = Timestamp::from_millis(1_000);
        pacer.sent(late, TA);
        assert_eq!(pacer.next_at(), late + TA);
    }

    #[test]
    fn four_retransmissions_in_a_ta_and_no_more() {
        let (mut pacer, now) = (Pacer::default(), Timestamp::from_millis(5_000));
        let mut taken = 0;
        while pacer.may_retransmit(now, TA) {
            pacer.retransmitted(now, TA);
            taken += 1;
        }
        assert_eq!(taken, 4);
        assert_eq!(pacer.next_retransmission_at(TA), now + TA / 4);
    }

    #[test]
    fn an_idle_bucket_holds_no_more_than_its_burst() {
        let mut bucket = Bucket::default();
        let later = Timestamp::from_millis(3_600_000);
        assert_eq!((0..100).filter(|_| bucket.take_at(later, Rate::per_second(10))).count(), 20);
        assert!(!Bucket::default().take_at(later, Rate::per_second(0)));
    }
}
