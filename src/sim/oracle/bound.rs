//! How long a session may take.

use core::time::Duration;

/// What the time until a session is connected depends on (see [`Self::duration`]).
///
/// ```
/// use core::time::Duration;
/// use floe::sim::oracle::Bound;
///
/// // Two pairs, one server; behind filters a check gets through when it is sent again.
/// let bound = Bound { pairs: 2, gathering: 1, transmissions: 2, ..Bound::default() };
/// assert_eq!(bound.duration(), Duration::from_millis(7 * 50 + 4 * 20 + 2 * 500 + 500));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the terms of a formula")]
pub struct Bound {
    /// Pairs that an end has at the same time, as many as the end that has more of them.
    pub pairs: u32,
    /// Requests to servers that have not been sent yet.
    pub gathering: u32,
    /// The transmission by which every request gets through, from the first on: what links lose and what filters keep out
    /// is sent again.
    pub transmissions: u32,
    /// Ta, between two new requests of an agent (RFC 8445 section 14).
    pub pacing: Duration,
    /// Round-trip time of the path that is to be found.
    pub rtt: Duration,
    /// After what time a request is sent again, first (RFC 8489 section 6.2.1). The time doubles.
    pub rto: Duration,
    /// How long the controlling agent waits for something better before it nominates.
    pub patience: Duration,
}

impl Bound {
    /// How long after the last candidate that is needed both ends have selected a pair:
    /// `(2 pairs + gathering + 2) * pacing + 4 rtt + 2 r + patience`, where `r` is how long after its first transmission a
    /// request gets through.
    ///
    /// Every pair is checked once and once more when it is triggered, each server is asked, and there is a nomination; a
    /// check and a nomination take two round trips at each end, and each of the two may have to be repeated. A pair that is
    /// frozen behind another one of its foundation, which leads nowhere, counts from when it is unfrozen.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let slots = self.pairs.saturating_mul(2).saturating_add(self.gathering).saturating_add(2);
        // 0, 1, 3, 7 and so on.
        let repetitions = 2_u32.saturating_pow(self.transmissions.saturating_sub(1)).saturating_sub(1);
        self.pacing
            .saturating_mul(slots)
            .saturating_add(self.rtt.saturating_mul(4))
            .saturating_add(self.rto.saturating_mul(repetitions).saturating_mul(2))
            .saturating_add(self.patience)
    }
}

impl Default for Bound {
    /// Of one pair with the default links of a world and the default timers of an agent.
    fn default() -> Self {
        Self {
            pairs: 1,
            gathering: 0,
            transmissions: 1,
            pacing: Duration::from_millis(50),
            rtt: Duration::from_millis(20),
            rto: Duration::from_millis(500),
            patience: Duration::from_millis(500),
        }
    }
}

/// Before that nobody may give up (RFC 8863 section 4): from when checks can begin.
pub const FAILURE_NOT_BEFORE: Duration = Duration::from_millis(39_500);

/// By then everybody has to have given up, where there is no way and no more candidates can come.
pub const FAILURE_BY: Duration = Duration::from_secs(60);
