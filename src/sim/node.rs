//! What a world carries: machines that do no I/O of their own.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::connection::{Connect, ConnectError, Ended};
use super::host::LocalAddress;
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
    /// Open a connection over TCP; [`Node::handle_connect`] tells what has come of it.
    Connect(Connect),
    /// Let connections in at this address of the node, from now on; [`Node::handle_accept`] tells of each.
    Listen(SocketAddr),
    /// Write to a connection. What goes to one that is not there is dropped.
    Write(Path, Bytes),
    /// Close a connection, once what was written has left. The node hears nothing of it any more.
    Disconnect(Path),
    /// Ask for the address of a name; [`Node::handle_resolved`] tells it with the number that is given here.
    Resolve(u64, String),
}

/// A machine that a world can carry: the four verbs of every machine of this crate, a channel for signalling, and what
/// else a program may have to do with a network. Whoever has no use for the latter leaves it out.
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

    /// An interface has come or gone: these are all addresses that there are now.
    fn handle_addresses(&mut self, now: Timestamp, addresses: &[LocalAddress]) {
        let _ = (now, addresses);
    }

    /// The connection asked for as [`Output::Connect`] is open, on this path, or will not be.
    fn handle_connect(&mut self, now: Timestamp, id: u64, outcome: Result<Path, ConnectError>) {
        let _ = (now, id, outcome);
    }

    /// Somebody has opened a connection to where this node [listens](Output::Listen).
    fn handle_accept(&mut self, now: Timestamp, path: Path) {
        let _ = (now, path);
    }

    /// Takes what came in on a connection. Where one read ends says nothing about where a message does.
    fn handle_bytes(&mut self, now: Timestamp, path: Path, bytes: &[u8]) {
        let _ = (now, path, bytes);
    }

    /// A connection has ended, and not because this node has closed it.
    fn handle_disconnect(&mut self, now: Timestamp, path: Path, how: Ended) {
        let _ = (now, path, how);
    }

    /// The name asked for as [`Output::Resolve`] has this address, or none.
    fn handle_resolved(&mut self, now: Timestamp, id: u64, address: Option<IpAddr>) {
        let _ = (now, id, address);
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

    fn handle_addresses(&mut self, now: Timestamp, addresses: &[LocalAddress]) {
        (**self).handle_addresses(now, addresses);
    }

    fn handle_connect(&mut self, now: Timestamp, id: u64, outcome: Result<Path, ConnectError>) {
        (**self).handle_connect(now, id, outcome);
    }

    fn handle_accept(&mut self, now: Timestamp, path: Path) {
        (**self).handle_accept(now, path);
    }

    fn handle_bytes(&mut self, now: Timestamp, path: Path, bytes: &[u8]) {
        (**self).handle_bytes(now, path, bytes);
    }

    fn handle_disconnect(&mut self, now: Timestamp, path: Path, how: Ended) {
        (**self).handle_disconnect(now, path, how);
    }

    fn handle_resolved(&mut self, now: Timestamp, id: u64, address: Option<IpAddr>) {
        (**self).handle_resolved(now, id, address);
    }
}
