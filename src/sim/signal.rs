//! The channel past the network.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::chance::{Chance, Purpose};
use super::node::NodeId;
use crate::Timestamp;

/// How messages travel past the network, as [`Output::Signal`](super::Output::Signal). None is lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signalling {
    delay: Duration,
    jitter: Duration,
    ordered: bool,
}

impl Signalling {
    /// Messages arrive after `delay`, in the order of being sent.
    pub fn new(delay: Duration) -> Self {
        Self { delay, jitter: Duration::ZERO, ordered: true }
    }

    /// Adds to each message's delay an even draw from zero to `jitter`. The order stays.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// Lets messages overtake one another.
    #[must_use]
    pub fn unordered(mut self) -> Self {
        self.ordered = false;
        self
    }
}

impl Default for Signalling {
    /// 50 ms, in order.
    fn default() -> Self {
        Self::new(Duration::from_millis(50))
    }
}

/// The signalling of all pairs of nodes.
#[derive(Debug)]
pub(super) struct Signals {
    default: Signalling,
    /// Of one node to another, where it differs.
    between: BTreeMap<(NodeId, NodeId), Signalling>,
    /// When the last message of one node to another arrives: the next is not to overtake it.
    last_at: BTreeMap<(NodeId, NodeId), Timestamp>,
    chance: Chance,
}

impl Signals {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            default: Signalling::default(),
            between: BTreeMap::new(),
            last_at: BTreeMap::new(),
            chance: Chance::new(seed, Purpose::Signalling),
        }
    }

    pub(super) fn set(&mut self, signalling: Signalling) {
        self.default = signalling;
    }

    pub(super) fn set_between(&mut self, from: NodeId, to: NodeId, signalling: Signalling) {
        self.between.insert((from, to), signalling);
    }

    /// When a message sent at `now` arrives.
    pub(super) fn arrival(&mut self, now: Timestamp, from: NodeId, to: NodeId) -> Timestamp {
        let signalling = *self.between.get(&(from, to)).unwrap_or(&self.default);
        let arrives_at = now + signalling.delay + self.chance.up_to(signalling.jitter);
        if !signalling.ordered {
            return arrives_at;
        }
        let last_at = self.last_at.entry((from, to)).or_default();
        *last_at = arrives_at.max(*last_at);
        *last_at
    }
}
