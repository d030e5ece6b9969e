//! Time as the caller tells it.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::{Add, AddAssign};
use core::time::Duration;

/// A point on the caller's clock, in nanoseconds since an epoch of the caller's choice.
///
/// floe never asks for the time: every input that can arm a timer carries one. Any monotonic clock will do that
/// starts at or after zero; one that also counts the time a machine sleeps (`CLOCK_BOOTTIME` rather than
/// `CLOCK_MONOTONIC` on Linux) lets an agent notice a suspend. Arithmetic saturates: an instant too far away to be
/// represented (584 years) is as good as never. An instant that may be missing takes no more room than one that is there.
///
/// ```
/// use core::time::Duration;
/// use floe::Timestamp;
///
/// let start = Timestamp::ZERO;
/// let later = start + Duration::from_millis(50);
/// assert_eq!(later.saturating_since(start), Duration::from_millis(50));
/// assert_eq!(start.saturating_since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp {
    /// Nanoseconds since the epoch, and one: `None` is the zero.
    beyond: NonZeroU64,
}

impl Timestamp {
    /// The caller's epoch.
    pub const ZERO: Self = Self::from_nanos(0);
    /// The last representable instant.
    pub const MAX: Self = Self::from_nanos(u64::MAX);

    /// The instant `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self { beyond: NonZeroU64::MIN.saturating_add(nanos) }
    }

    /// The instant `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self::from_nanos(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.beyond.get().saturating_sub(1)
    }

    /// Time since the epoch.
    pub const fn since_epoch(self) -> Duration {
        Duration::from_nanos(self.as_nanos())
    }

    /// Time since `earlier`, zero if that lies in the future.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.as_nanos().saturating_sub(earlier.as_nanos()))
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timestamp").field(&self.as_nanos()).finish()
    }
}

impl From<Duration> for Timestamp {
    /// Reads a duration as time since the epoch: `Timestamp::from(epoch.elapsed())`.
    fn from(since_epoch: Duration) -> Self {
        Self::from_nanos(saturating_nanos(since_epoch))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self { beyond: self.beyond.saturating_add(saturating_nanos(duration)) }
    }
}

impl AddAssign<Duration> for Timestamp {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// A length of time that may be missing, in one word.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Measured(Option<Timestamp>);

impl Measured {
    pub(crate) fn get(self) -> Option<Duration> {
        self.0.map(Timestamp::since_epoch)
    }
}

impl From<Option<Duration>> for Measured {
    fn from(duration: Option<Duration>) -> Self {
        Self(duration.map(Timestamp::from))
    }
}

/// The earliest of the instants that the parts of a machine wait for.
///
/// Every part adds its own through a method `deadlines(&self, &mut Deadline)`; the machine reads the minimum.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadline(Option<Timestamp>);

impl Deadline {
    /// Asks to be woken at `at`, if that is an instant at all.
    pub(crate) fn at(&mut self, at: impl Into<Option<Timestamp>>) {
        if let Some(at) = at.into() {
            self.0 = Some(self.0.map_or(at, |earliest| earliest.min(at)));
        }
    }

    /// The earliest instant asked for.
    pub(crate) const fn earliest(self) -> Option<Timestamp> {
        self.0
    }
}

fn saturating_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::MAX + Duration::from_secs(1), Timestamp::MAX);
        assert_eq!(Timestamp::ZERO.saturating_since(Timestamp::MAX), Duration::ZERO);
        assert_eq!(Timestamp::from(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_millis(u64::MAX), Timestamp::MAX);
        assert_eq!((Timestamp::ZERO.as_nanos(), Timestamp::from_nanos(7).as_nanos()), (0, 7));
    }

    #[test]
    fn an_instant_that_may_be_missing_takes_no_more_room() {
        assert_eq!(size_of::<Option<Timestamp>>(), size_of::<u64>());
    }

    #[test]
    fn the_deadline_is_the_minimum_of_what_was_asked_for() {
        let mut deadline = Deadline::default();
        assert_eq!(deadline.earliest(), None);
        deadline.at(None);
        deadline.at(Timestamp::from_millis(7));
        deadline.at(Some(Timestamp::from_millis(5)));
        deadline.at(Timestamp::from_millis(6));
        assert_eq!(deadline.earliest(), Some(Timestamp::from_millis(5)));
    }
}
