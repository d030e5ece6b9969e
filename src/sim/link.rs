//! What happens to a datagram on its way.

use core::time::Duration;

use super::chance::{Chance, Probability};

/// One direction of the link between a host and its network.
///
/// A datagram crosses two: up from the sender, down to the receiver. Their latencies add, and each may lose it,
/// double it or hold it back, drawn for every datagram on its own. Jitter lets later datagrams overtake earlier ones.
///
/// ```
/// use core::time::Duration;
/// use floe::sim::Link;
///
/// let lte = Link::new(Duration::from_millis(40)).jitter(Duration::from_millis(15)).loss(0.01);
/// # let _ = lte;
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Link {
    latency: Duration,
    jitter: Duration,
    loss: Probability,
    duplication: Probability,
}

impl Link {
    /// A link that delivers everything once, in order, after `latency`.
    pub fn new(latency: Duration) -> Self {
        Self {
            latency,
            jitter: Duration::ZERO,
            loss: Probability::default(),
            duplication: Probability::default(),
        }
    }

    /// Adds to each datagram's latency an even draw from zero to `jitter`.
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

    /// Draws what becomes of one datagram. As many numbers are drawn whatever the outcome, so that a change of loss
    /// leaves the delays of what still arrives as they were.
    pub(super) fn draw(&self, chance: &mut Chance) -> Crossing {
        let (lost, doubled) = (chance.happens(self.loss), chance.happens(self.duplication));
        let first = self.latency.saturating_add(chance.up_to(self.jitter));
        let second = self.latency.saturating_add(chance.up_to(self.jitter));
        match (lost, doubled) {
            (true, _) => Crossing::Lost,
            (false, false) => Crossing::Once(first),
            (false, true) => Crossing::Twice(first, second),
        }
    }
}

impl Default for Link {
    /// 5 ms, which makes 10 ms from host to host.
    fn default() -> Self {
        Self::new(Duration::from_millis(5))
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
