//! Connections over TCP, as nodes see them.

use core::net::SocketAddr;

use crate::Timestamp;

/// A connection over TCP that a node asks the world to open, as [`Output::Connect`](super::Output::Connect).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Connect {
    /// Names it in [`Node::handle_connect`](super::Node::handle_connect): a number of the node's choice.
    pub id: u64,
    /// An address of the node. Port 0 leaves the port to the world.
    pub local: SocketAddr,
    /// Where to.
    pub remote: SocketAddr,
    /// When to give up if nothing has come of it; after 127 s at the latest, as Linux does.
    pub give_up_at: Option<Timestamp>,
}

impl Connect {
    /// A connection from `local` to `remote`.
    pub const fn new(id: u64, local: SocketAddr, remote: SocketAddr) -> Self {
        Self { id, local, remote, give_up_at: None }
    }

    /// Gives up at this time of the node's clock.
    #[must_use]
    pub const fn give_up_at(mut self, at: Timestamp) -> Self {
        self.give_up_at = Some(at);
        self
    }
}

/// Why a connection could not be opened.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The local address is not one of the node, its interface is unplugged, the same connection is there already, or no
    /// port is free.
    #[error("there is no way to begin from this address")]
    Unreachable,
    /// Nobody listens there, or a firewall has said no.
    #[error("refused by the far end or by a firewall")]
    Refused,
    /// No answer came in time.
    #[error("no answer in time")]
    TimedOut,
}

/// How a connection has ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Ended {
    /// The far end has closed it. Everything that it had written has arrived.
    Closed,
    /// The far end does not know it any more, or it was reset on the way.
    Reset,
    /// What was written has not been acknowledged for 100 s.
    TimedOut,
}
