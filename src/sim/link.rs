//! What happens to a datagram on its way.

use core::time::Duration;

use super::chance::{Chance, Probability, Purpose};
use super::trace::Dropped;
use crate::Timestamp;

/// One direction of the link between a host and its network.
///
/// A datagram crosses two: up from the sender, down to the receiver. Their latencies add, and each may lose it,
/// double it, hold it back or make it wait for others, drawn for every datagram on its own.
///
/// ```
/// use core::time::Duration;
/// use floe::sim::Link;
///
/// let lte = Link::new(Duration::from_millis(40)).jitter(Duration::from_millis(15)).loss(0.01);
/// // A megabit per second before which 32 kB can wait: a third of a second, then datagrams are dropped.
/// let dsl = Link::new(Duration::from_millis(12)).rate(1_000_000, 32_768).mtu(1_492);
/// // One datagram in fifty comes 30 ms after its time.
/// let unruly = Link::default().reordering(0.02, Duration::from_millis(30));
/// # let _ = (lte, dsl, unruly);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Link {
    latency: Duration,
    jitter: Duration,
    loss: Probability,
    duplication: Probability,
    reordering: Probability,
    held_back: Duration,
    rate: Option<Rate>,
    mtu: Option<usize>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Rate {
    bits_per_second: u64,
    /// Bytes that can wait.
    queue: usize,
}

impl Link {
    /// A link that delivers everything once, in order, after `latency`.
    pub fn new(latency: Duration) -> Self {
        Self {
            latency,
            jitter: Duration::ZERO,
            loss: Probability::default(),
            duplication: Probability::default(),
            reordering: Probability::default(),
            held_back: Duration::ZERO,
            rate: None,
            mtu: None,
        }
    }

    /// Adds to each datagram's latency an even draw from zero to `jitter`, so that later ones overtake earlier ones.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Loses each datagram with this probability, from 0 to 1.
    #[must_use]
    pub fn loss(mut self, probability: f64) -> Self {
        self.loss = Probability::new(probability);
        self
    }

    /// Doubles each datagram with this probability, from 0 to 1. The copy has a delay of its own.
    #[must_use]
    pub fn duplication(mut self, probability: f64) -> Self {
        self.duplication = Probability::new(probability);
        self
    }

    /// Holds each datagram back with this probability, from 0 to 1, for so much longer: those that were sent meanwhile
    /// overtake it.
    #[must_use]
    pub fn reordering(mut self, probability: f64, extra: Duration) -> Self {
        (self.reordering, self.held_back) = (Probability::new(probability), extra);
        self
    }

    /// Carries so many bits in a second, one at least. What does not get through at once waits, up to `queue` bytes of
    /// it, the datagram that is being sent included; what would exceed that is dropped. Headers count as they would in
    /// life: 28 bytes of each datagram over IPv4, 48 over IPv6.
    #[must_use]
    pub fn rate(mut self, bits_per_second: u64, queue: usize) -> Self {
        self.rate = Some(Rate { bits_per_second: bits_per_second.max(1), queue });
        self
    }

    /// Drops datagrams that are longer than so many bytes with their headers, 28 over IPv4 and 48 over IPv6. Nobody is
    /// told, as it is where ICMP is filtered. Connections over TCP adapt to it: nothing of them is dropped.
    #[must_use]
    pub fn mtu(mut self, bytes: usize) -> Self {
        self.mtu = Some(bytes);
        self
    }

    /// Whether nothing ever gets through.
    fn loses_everything(&self) -> bool {
        self.loss == Probability::new(1.0)
    }
}

impl Default for Link {
    /// 5 ms, which makes 10 ms from host to host.
    fn default() -> Self {
        Self::new(Duration::from_millis(5))
    }
}

/// A [`Link`] at work, with its chance and its queue.
#[derive(Debug)]
pub(super) struct Lane {
    link: Link,
    chance: Chance,
    /// For what is held back, apart: whether anything is leaves losses and delays as they were.
    order: Chance,
    /// When the last bit of what waits will have been sent.
    free_at: Timestamp,
}

impl Lane {
    pub(super) fn new(seed: u64, chance: Purpose, order: Purpose) -> Self {
        Self {
            link: Link::default(),
            chance: Chance::new(seed, chance),
            order: Chance::new(seed, order),
            free_at: Timestamp::ZERO,
        }
    }

    pub(super) fn set(&mut self, link: Link) {
        self.link = link;
    }

    /// Whether nothing ever gets through.
    pub(super) fn loses_everything(&self) -> bool {
        self.link.loses_everything()
    }

    /// Whether a packet of so many bytes fits.
    pub(super) fn fits(&self, size: usize) -> Result<(), Dropped> {
        if self.link.mtu.is_some_and(|mtu| size > mtu) { Err(Dropped::TooLong) } else { Ok(()) }
    }

    /// Whether packets wait for one another here.
    pub(super) fn is_paced(&self) -> bool {
        self.link.rate.is_some()
    }

    /// Draws what becomes of one datagram. As many numbers are drawn whatever the outcome, so that a change of loss
    /// leaves the delays of what still arrives as they were.
    pub(super) fn draw(&mut self) -> Crossing {
        let (link, chance) = (&self.link, &mut self.chance);
        let (lost, doubled) = (chance.happens(link.loss), chance.happens(link.duplication));
        let mut first = link.latency.saturating_add(chance.up_to(link.jitter));
        let mut second = link.latency.saturating_add(chance.up_to(link.jitter));
        if link.reordering != Probability::default() {
            for delay in [&mut first, &mut second] {
                if self.order.happens(link.reordering) {
                    *delay = delay.saturating_add(link.held_back);
                }
            }
        }
        match (lost, doubled) {
            (true, _) => Crossing::Lost,
            (false, false) => Crossing::Once(first),
            (false, true) => Crossing::Twice(first, second),
        }
    }

    /// Draws how long a segment takes that is sent again whenever it is lost; `None` if it is lost again and again.
    pub(super) fn carry(&mut self) -> Option<Duration> {
        let (mut rto, mut lost) = (RTO, Duration::ZERO);
        for _ in 0..TRIES {
            if let Some(delay) = self.draw().delays().next() {
                return Some(lost.saturating_add(delay));
            }
            lost = lost.saturating_add(rto);
            rto = rto.saturating_mul(2);
        }
        None
    }

    pub(super) const fn latency(&self) -> Duration {
        self.link.latency
    }

    /// Queues a packet of so many bytes at `now`. Returns how long it takes until its last bit is sent.
    pub(super) fn enqueue(&mut self, now: Timestamp, size: usize) -> Result<Duration, Dropped> {
        let Some(rate) = self.link.rate else { return Ok(Duration::ZERO) };
        let waiting = rate.bytes_in(self.free_at.saturating_since(now));
        if waiting > 0 && waiting.saturating_add(size) > rate.queue {
            return Err(Dropped::Congested);
        }
        Ok(self.append(now, size))
    }

    /// The same where the sender slows down before anything is dropped.
    pub(super) fn append(&mut self, now: Timestamp, size: usize) -> Duration {
        let Some(rate) = self.link.rate else { return Duration::ZERO };
        self.free_at = self.free_at.max(now) + rate.time_for(size);
        self.free_at.saturating_since(now)
    }
}

impl Rate {
    /// How long so many bytes take, rounded up to a nanosecond.
    fn time_for(self, bytes: usize) -> Duration {
        let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(8);
        Duration::from_nanos(bits.saturating_mul(NANOS).div_ceil(self.bits_per_second))
    }

    /// How many bytes go in so much time, rounded up.
    fn bytes_in(self, time: Duration) -> usize {
        let bits = time.as_nanos().saturating_mul(self.bits_per_second.into()).div_ceil(NANOS.into());
        usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX)
    }
}

/// What one link did to one datagram: the delays of what came out of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Crossing {
    Lost,
    Once(Duration),
    Twice(Duration, Duration),
}

impl Crossing {
    pub(super) fn delays(self) -> impl Iterator<Item = Duration> {
        let (first, second) = match self {
            Self::Lost => (None, None),
            Self::Once(first) => (Some(first), None),
            Self::Twice(first, second) => (Some(first), Some(second)),
        };
        first.into_iter().chain(second)
    }
}

/// When each copy of a datagram is where it is now.
#[derive(Debug)]
pub(super) struct Copies {
    at: [Timestamp; COPIES_MAX],
    count: usize,
}

impl Copies {
    pub(super) fn one(at: Timestamp) -> Self {
        Self { at: [at; COPIES_MAX], count: 1 }
    }

    /// Takes each copy through a link, which does to it what `draw` says, after a wait.
    pub(super) fn cross(&mut self, waiting: Duration, mut draw: impl FnMut() -> Crossing) {
        let before = core::mem::replace(self, Self { at: [Timestamp::ZERO; COPIES_MAX], count: 0 });
        for at in before.iter() {
            for delay in draw().delays() {
                if let Some(place) = self.at.get_mut(self.count) {
                    *place = at + waiting + delay;
                    self.count += 1;
                }
            }
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Timestamp> {
        self.at.iter().copied().take(self.count)
    }
}

/// Through a tunnel a datagram crosses two links at each end.
const COPIES_MAX: usize = 4;

/// How long it takes until a lost segment is sent again, doubled with each loss: what Linux waits at least.
const RTO: Duration = Duration::from_millis(200);

/// Six losses in a row take 13 s; there is more to it then than a bad link.
const TRIES: u32 = 6;

/// Nanoseconds in a second.
const NANOS: u64 = 1_000_000_000;
