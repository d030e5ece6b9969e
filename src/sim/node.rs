//! What a world carries: machines that do no I/O of their own.

use alloc::boxed::Box;
use core::fmt;

use bytes::Bytes;

use crate::{Path, Timestamp};

/// The name of a node in its world: the first is 0, and none is used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeId(u32);

impl NodeId {
    pub(super) const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The position of the node, in the order of being added.
    pub const fn as_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// What a node asks of the world.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Output {
    /// Send a datagram from `path.local()`, an address of this node, to `path.remote()`.
    Transmit(Path, Bytes),
    /// Hand a message to another node, past the network: what a signalling service does in life.
    Signal(NodeId, Bytes),
}

/// A machine that a world can carry: the four verbs of every machine of this crate, and a channel for signalling.
///
/// After each input the world polls until there is no output, then reads the deadline.
pub trait Node {
    /// Takes what came in on `path.local()` from `path.remote()`.
    fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]);

    /// Does what is due at `now`. Afterwards, the deadline lies later than `now`.
    fn handle_timeout(&mut self, now: Timestamp);

    /// Returns the next thing to do, or `None` until there is another input.
    fn poll_output(&mut self) -> Option<Output>;

    /// When to call [`handle_timeout`](Self::handle_timeout) next. One in the past is served at once.
    fn deadline(&self) -> Option<Timestamp>;

    /// Takes what `from` sent as [`Output::Signal`].
    fn handle_signal(&mut self, now: Timestamp, from: NodeId, message: &[u8]) {
        let _ = (now, from, message);
    }

    /// What has gone wrong in it, if anything has: the world asks after each input, and ends with the answer.
    fn violation(&self) -> Option<&str> {
        None
    }
}

impl<N: Node + ?Sized> Node for Box<N> {
    fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        (**self).handle_datagram(now, path, datagram);
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        (**self).handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        (**self).poll_output()
    }

    fn deadline(&self) -> Option<Timestamp> {
        (**self).deadline()
    }

    fn handle_signal(&mut self, now: Timestamp, from: NodeId, message: &[u8]) {
        (**self).handle_signal(now, from, message);
    }

    fn violation(&self) -> Option<&str> {
        (**self).violation()
    }
}
