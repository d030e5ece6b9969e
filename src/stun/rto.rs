//! How long to wait for a response (RFC 8489 sections 6.2.1 and 6.2.2), and what to learn from those that came.

use crate::net::Transport;
use crate::time::Timestamp;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::NonZeroU8;
use core::time::Duration;

/// The schedule of a transaction.
///
/// Over UDP a request is sent [`rc`](Self::rc) times. The first interval is the retransmission timeout (RTO), each
/// further one twice the one before, and after the last transmission the wait is [`rm`](Self::rm) times the RTO:
/// by default 0, 500, 1500, 3500, 7500, 15500 and 31500 ms, and failure at 39500 ms. Over TCP it is sent once and
/// fails after [`ti`](Self::ti).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rto {
    initial: Duration,
    rc: NonZeroU8,
    rm: NonZeroU8,
    ti: Duration,
}

impl Rto {
    /// The default schedule with another RTO, which is at least 1 ms; RFC 8489 asks for 500 ms or more.
    #[must_use]
    pub fn new(initial: Duration) -> Self {
        Self { initial: initial.max(SHORTEST), ..Self::default() }
    }

    /// With another number of transmissions, the first included.
    #[must_use]
    pub const fn with_rc(self, rc: NonZeroU8) -> Self {
        Self { rc, ..self }
    }

    /// With another last wait, in multiples of the RTO.
    #[must_use]
    pub const fn with_rm(self, rm: NonZeroU8) -> Self {
        Self { rm, ..self }
    }

    /// With another wait over TCP, of at least 1 ms.
    #[must_use]
    pub fn with_ti(self, ti: Duration) -> Self {
        Self { ti: ti.max(SHORTEST), ..self }
    }

    /// The same schedule with an RTO of at least `initial`.
    #[must_use]
    pub fn at_least(self, initial: Duration) -> Self {
        Self { initial: self.initial.max(initial), ..self }
    }

    /// The first interval between transmissions.
    #[must_use]
    pub const fn initial(&self) -> Duration {
        self.initial
    }

    /// How often a request is sent over UDP.
    #[must_use]
    pub const fn rc(&self) -> u8 {
        self.rc.get()
    }

    /// How many RTOs to wait after the last transmission.
    #[must_use]
    pub const fn rm(&self) -> u8 {
        self.rm.get()
    }

    /// How long to wait over TCP.
    #[must_use]
    pub const fn ti(&self) -> Duration {
        self.ti
    }

    /// Time from the first transmission to failure over UDP.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.rest_from(1)
    }

    /// Time from a transmission, counted from one, to failure.
    pub(super) fn rest_from(&self, transmission: u8) -> Duration {
        // Each wait is twice the one before: all but the last are together one first wait less than another of them would be.
        let doubled = doubled(self.rc()).saturating_sub(doubled(transmission));
        self.initial.saturating_mul(doubled.saturating_add(self.rm().into()))
    }

    pub(super) fn first_wait(&self, transport: Transport) -> Duration {
        match transport {
            Transport::Udp => self.wait_after(1),
            Transport::Tcp => self.ti,
        }
    }

    /// How long to wait after a transmission, counted from one.
    pub(super) fn wait_after(&self, transmission: u8) -> Duration {
        if transmission < self.rc() {
            self.initial.saturating_mul(doubled(transmission))
        } else {
            self.initial.saturating_mul(u32::from(self.rm()))
        }
    }
}

/// How many RTOs to wait after a transmission that is not the last, counted from one.
fn doubled(transmission: u8) -> u32 {
    1_u32.checked_shl(u32::from(transmission.saturating_sub(1))).unwrap_or(u32::MAX)
}

impl Default for Rto {
    fn default() -> Self {
        Self { initial: INITIAL, rc: RC, rm: RM, ti: TI }
    }
}

/// What round trips to one place take, after RFC 6298.
///
/// Fed with [`Finished::rtt`](super::Finished::rtt), which leaves out retransmitted transactions (Karn's rule).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RttEstimate {
    smoothed: Duration,
    variation: Duration,
}

impl RttEstimate {
    /// The estimate after a first round trip.
    #[must_use]
    pub fn new(rtt: Duration) -> Self {
        Self { smoothed: rtt, variation: rtt / 2 }
    }

    /// The estimate after a further round trip.
    #[must_use]
    pub fn updated(self, rtt: Duration) -> Self {
        // RFC 6298 section 2.3: alpha is 1/8, beta 1/4, and the variation is measured from the old mean.
        let deviation = self.smoothed.abs_diff(rtt);
        Self {
            smoothed: self.smoothed.saturating_mul(7).saturating_add(rtt) / 8,
            variation: self.variation.saturating_mul(3).saturating_add(deviation) / 4,
        }
    }

    /// The mean round trip, recent ones weighing more.
    #[must_use]
    pub const fn smoothed(&self) -> Duration {
        self.smoothed
    }

    /// The retransmission timeout: never below 500 ms (RFC 8489 section 6.2.1), never above 60 s, not rounded.
    #[must_use]
    pub fn rto(&self) -> Duration {
        self.smoothed.saturating_add(self.variation.saturating_mul(4)).clamp(INITIAL, LONGEST)
    }
}

/// Estimates for servers, by IP address, kept for ten minutes after the last transaction (RFC 8489 section 6.2.1).
///
/// At most sixteen; the one unused for longest makes room.
#[derive(Clone, Debug, Default)]
pub struct RttCache {
    /// The most recently used last.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    server: IpAddr,
    estimate: RttEstimate,
    used_at: Timestamp,
}

impl RttCache {
    /// The schedule for a transaction that starts at `now`.
    pub fn rto(&mut self, now: Timestamp, server: IpAddr) -> Rto {
        let Some(entry) = self.take(now, server) else { return Rto::default() };
        self.entries.push(Entry { used_at: now, ..entry });
        Rto::new(entry.estimate.rto())
    }

    /// Takes note of a transaction that finished at `now`; `rtt` is that of [`Finished`](super::Finished).
    pub fn finished(&mut self, now: Timestamp, server: IpAddr, rtt: Option<Duration>) {
        let estimate = match (self.take(now, server), rtt) {
            (Some(Entry { estimate, .. }), Some(rtt)) => estimate.updated(rtt),
            (Some(Entry { estimate, .. }), None) => estimate,
            (None, Some(rtt)) => RttEstimate::new(rtt),
            (None, None) => return,
        };
        if self.entries.len() >= CACHE_MAX {
            self.entries.remove(0);
        }
        self.entries.push(Entry { server, estimate, used_at: now });
    }

    /// Removes the entry of `server`, and on the way all that are stale.
    fn take(&mut self, now: Timestamp, server: IpAddr) -> Option<Entry> {
        // rfc8489-6.2.1-6
        self.entries.retain(|entry| now.saturating_since(entry.used_at) < STALE_AFTER);
        let at = self.entries.iter().position(|entry| entry.server == server)?;
        Some(self.entries.remove(at))
    }
}

/// RFC 8489 section 6.2.1: the RTO to begin with, and its lower bound.
const INITIAL: Duration = Duration::from_millis(500);
/// RFC 8489 section 6.2.1: accuracy of 1 ms. A shorter wait would make the schedule a burst.
const SHORTEST: Duration = Duration::from_millis(1);
/// RFC 6298 section 2.5: an upper bound has to be at least 60 s.
const LONGEST: Duration = Duration::from_secs(60);
/// RFC 8489 section 6.2.1.
const STALE_AFTER: Duration = Duration::from_secs(600);
/// Servers remembered: more than any sensible configuration names.
const CACHE_MAX: usize = 16;
/// RFC 8489 section 6.2.1: transmissions of a request.
const RC: NonZeroU8 = NonZeroU8::MIN.saturating_add(6);
/// RFC 8489 section 6.2.1: RTOs to wait after the last one.
const RM: NonZeroU8 = NonZeroU8::MIN.saturating_add(15);
/// RFC 8489 section 6.2.2: as long as the default schedule over UDP.
const TI: Duration = Duration::from_millis(39_500);

#[cfg(test)]
mod tests;
