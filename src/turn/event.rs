//! What a client returns: instructions, events, and what became of a datagram.

use super::error::{Failure, Ignored, PeerError};
use super::{AddressFamily, Icmp, ReservationToken};
use crate::net::{Path, Transmit};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// The next thing for the caller to do.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to carry out every kind of output")]
pub enum Output {
    /// Send a datagram, or over a connection the next bytes, whole and in order.
    Transmit(Transmit),
    /// Take note.
    Event(Event),
}

/// Something the caller may want to know. Events come in the order of their causes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The server has lent an address, or two.
    Allocated(Allocated),
    /// One of two families was not granted (ADDRESS-ERROR-CODE); the other one was.
    FamilyRefused {
        /// Which.
        family: AddressFamily,
        /// 440 or 508.
        code: u16,
    },
    /// The server goes on to hold the allocation, from now on for so long: as often as it is asked, which is in time.
    Refreshed {
        /// What was granted, which may be less than before.
        lifetime: Duration,
    },
    /// Datagrams to and from this address pass the relay.
    Permitted {
        /// The peer's address.
        peer: IpAddr,
    },
    /// Datagrams to and from this address do not pass; what was held for it is gone. The allocation stays.
    Refused {
        /// The peer's address.
        peer: IpAddr,
        /// Why.
        error: PeerError,
    },
    /// There is a channel to this peer: its [`route`](super::Client::route) is shorter now.
    Bound {
        /// The peer.
        peer: SocketAddr,
    },
    /// A datagram sent to a peer came to nothing, as the network says; anybody may have made that up.
    Icmp {
        /// The peer's address, and the port as it stood in the server's message.
        peer: SocketAddr,
        /// What the network says.
        icmp: Icmp,
    },
    /// The server wants another one to be asked. With [`Config::follow_alternate`](super::Config::follow_alternate) it is,
    /// if it can be, and [`Client::path`](super::Client::path) has changed; if not, [`Failed`](Self::Failed) follows.
    Redirected {
        /// The other server.
        to: SocketAddr,
    },
    /// The allocation is on the path that [`Client::migrate`](super::Client::migrate) was given; relayed address,
    /// permissions and channels are as before.
    Migrated {
        /// The new path.
        path: Path,
    },
    /// The allocation is where it was: the server could not be reached on the path that
    /// [`Client::migrate`](super::Client::migrate) was given.
    NotMigrated {
        /// The path that was tried.
        path: Path,
        /// What went wrong.
        failure: Failure,
    },
    /// The access token is about to end: get another one for
    /// [`third_party_server`](super::Client::third_party_server), and hand it over
    /// ([`set_token`](super::Client::set_token)). Said once for each token.
    TokenWanted,
    /// No allocation came about.
    Failed(Failure),
    /// The allocation is gone, with its permissions and channels. [`Client::allocate`](super::Client::allocate) asks for
    /// another one.
    Lost(Failure),
    /// The client is closed, and the server has been told, if it could be.
    Released,
}

/// What the server has granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Allocated {
    /// The address that peers send to.
    pub relayed: SocketAddr,
    /// The address of the other family, if both were asked for and granted: this one is IPv6, that one IPv4.
    pub second: Option<SocketAddr>,
    /// The address that the server sees us at: what a Binding request would have told.
    pub mapped: SocketAddr,
    /// For how long the allocation is granted; it is refreshed in time.
    pub lifetime: Duration,
    /// What to ask with for the port that was reserved beside this one
    /// ([`Relayed::PortPair`](super::Relayed::PortPair)).
    pub reservation: Option<ReservationToken>,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to tell data from all else")]
#[must_use]
pub enum Received<'d> {
    /// It was for the client, which may have something to say now.
    Control,
    /// A peer has sent it to the relayed address.
    Data {
        /// The peer.
        peer: SocketAddr,
        /// The datagram, without what the relay has put around it.
        payload: &'d [u8],
    },
    /// It was ignored, for this reason.
    Ignored(Ignored),
}

/// The states of a client.
///
/// ```text
/// Idle --allocate--> Waiting --> Allocating --> Allocated --lost--> Idle
///   ^                                '--failed--^(Idle)   \--close--> Closing --> Closed
/// ```
///
/// `Closing` and `Closed` follow any state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// Nothing was asked for, or what was asked for has failed or is lost.
    Idle,
    /// An allocation is wanted, and it is not yet time to ask: for a while after a refusal, until an earlier allocation is
    /// released, or until [`Client::grant`](super::Client::grant).
    Waiting,
    /// The server is being asked.
    Allocating,
    /// There is an allocation.
    Allocated,
    /// The allocation is being released.
    Closing,
    /// All is over.
    Closed,
}
