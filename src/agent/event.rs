//! What an agent returns: instructions, events, and what became of a datagram.

use core::net::SocketAddr;

use crate::agent::error::{Ignored, Reason, ServerError};
use crate::ice::{
    BaseId, Candidate, CandidateId, ComponentId, ConnectId, Generation, MdnsName, PairId, Role, ServerId,
    StreamId,
};
use crate::net::{Path, Security, Transmit, Transport};
use crate::time::Timestamp;

/// The next thing for the caller to do.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to carry out every kind of output")]
pub enum Output {
    /// Send a datagram, or a frame of a connection.
    Transmit(Transmit),
    /// Open a connection.
    Connect(Connect),
    /// Close a connection that [`Connect`] has opened, once what was to be sent on it has left. It is forgotten already.
    Disconnect(Path),
    /// Take note.
    Event(Event),
}

/// A connection that the caller is asked to open, and to report with
/// [`Agent::handle_connect`](crate::Agent::handle_connect).
///
/// A connection over UDP is a socket of its own, connected or not: DTLS needs one, and so does a second try at a server
/// that confuses us with somebody else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Connect {
    /// Names the connection in the report.
    pub id: ConnectId,
    /// The component that it is for.
    pub component: ComponentId,
    /// What it leads to.
    pub to: Endpoint,
    /// Over TCP or UDP.
    pub transport: Transport,
    /// Within TLS or DTLS, or plain.
    pub security: Security,
    /// The address to connect from; its port is 0, the choice is the system's.
    pub local: SocketAddr,
    /// The address to connect to.
    pub remote: SocketAddr,
    /// When to give up, if nothing has come of it.
    pub give_up_at: Timestamp,
}

/// The far end of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Endpoint {
    /// A server: [`Agent::server`](crate::Agent::server) has the name that TLS is to verify.
    Server(ServerId),
}

/// Something the application may want to know. Events come in the order of their causes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A candidate to be signalled to the peer.
    LocalCandidate {
        /// The stream that it belongs to.
        stream: StreamId,
        /// The generation that it belongs to.
        generation: Generation,
        /// Its id.
        id: CandidateId,
        /// What to signal; its line carries the user-name fragment.
        candidate: Candidate,
    },
    /// A candidate that has been signalled is no longer there.
    LocalCandidateRemoved {
        /// The stream that it belonged to.
        stream: StreamId,
        /// The generation that it belonged to.
        generation: Generation,
        /// Its id.
        id: CandidateId,
    },
    /// No more candidates will come: signal end-of-candidates. If both sides gather continually, none for now; when others
    /// have come, this comes again.
    GatheringComplete {
        /// The stream whose candidates are complete.
        stream: StreamId,
        /// The generation that they belong to.
        generation: Generation,
    },
    /// A candidate of the peer has a multicast DNS name instead of an address: resolve it, in the background, and hand the
    /// answer to [`Agent::handle_resolved`](crate::Agent::handle_resolved) within 5 s; afterwards the candidate is ignored.
    ///
    /// Each name is asked for once in a generation, and not under a stream that was restarted or closed since.
    Resolve {
        /// The first candidate with that name; the answer holds for others with the same name as well.
        id: CandidateId,
        /// What to resolve, by multicast DNS.
        name: MdnsName,
    },
    /// There are more pairs than [`Limits::pairs`](crate::Limits::pairs) allows: this one was dropped before it was tried,
    /// in favour of better ones. Said of the first in each generation of a stream; all are counted in
    /// [`Stats::pairs_dropped`](crate::Stats::pairs_dropped).
    PairDropped {
        /// The component that it was for.
        component: ComponentId,
        /// Its path.
        path: Path,
    },
    /// A pair has been selected for a component: nominated, and the best of those.
    Selected {
        /// The component.
        component: ComponentId,
        /// Its pair: see [`Agent::pair`](crate::Agent::pair).
        pair: PairId,
    },
    /// [`Agent::route`](crate::Agent::route) has changed for a component.
    Route {
        /// The component.
        component: ComponentId,
    },
    /// A stream is in another state.
    State {
        /// The stream.
        stream: StreamId,
        /// Its state.
        state: StreamState,
    },
    /// Two lite agents have several pairs for a component, and this one controls: signal the candidates of the valid pairs
    /// in an updated exchange, then say which they are with [`Agent::reconcile`](crate::Agent::reconcile) (RFC 8445 section
    /// 8.2). Data can flow meanwhile.
    Reconcile {
        /// The stream that it is about.
        stream: StreamId,
    },
    /// The agent now has this role: a role conflict was resolved (RFC 8445 section 7.3.1.1), or one of the agents is lite
    /// (section 6.1.1).
    Role(Role),
    /// A server was of no use to a base.
    ServerFailed {
        /// The server.
        server: ServerId,
        /// The base that it was asked from.
        base: BaseId,
        /// What went wrong.
        error: ServerError,
    },
}

/// The states of a stream.
///
/// ```text
/// New --> Checking <--> Connected --> Completed <--> Unconfirmed --> Lost
///            '--> Failed     '--------------------------^
/// ```
///
/// `Connected` goes back to `Checking` when the nomination of the only valid pair fails, and `Completed` to either of
/// them, or to `Failed`, when the component of a selected pair is removed; when its base is, to `Connected` or `Lost`.
/// Where one component is in trouble when the last one finds its pair, `Checking` leads to `Unconfirmed` or `Lost`.
/// `Lost` is left when another pair takes over, where both sides know renomination. A restart leads from any state but
/// `Closed` to `New`; `Closed` follows any state.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum StreamState {
    /// The peer's credentials are not known yet, or, after a restart, not its new ones.
    #[default]
    New,
    /// Looking for a path.
    Checking,
    /// There is a valid pair for every component: data can flow.
    Connected,
    /// A pair is selected for every component.
    Completed,
    /// An answer of the peer is overdue (2.5 s), or consent is over although nobody has asked, since the clock has jumped or
    /// the pair was not in use; in the first case data still flows.
    Unconfirmed(Reason),
    /// The peer's consent has expired or was revoked (RFC 7675), or the socket of a selected pair was removed: nothing is
    /// sent any more. A restart can save the stream.
    Lost(Reason),
    /// No path was found, and none will be.
    Failed(Reason),
    /// The stream, or the agent, was closed.
    Closed,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to tell data from all else")]
#[must_use]
pub enum Received<'d> {
    /// It was for the agent, which may have something to say now.
    Control,
    /// It is the application's.
    Data {
        /// The component that it came for.
        component: ComponentId,
        /// The pair that it came on, selected or not (RFC 8445 section 12.2).
        pair: PairId,
        /// Who vouches for the sender.
        provenance: Provenance,
        /// The datagram itself.
        payload: &'d [u8],
    },
    /// It was nobody's, for this reason; counted in [`Stats`](crate::Stats).
    Ignored(Ignored),
}

/// Who vouches for the 5-tuple that data came from. Data from any other is ignored.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Provenance {
    /// Nobody but the signalling: both agents are lite, and neither has authenticated the other's address.
    Signalled,
    /// A check with the right credentials was received from it.
    Authenticated,
    /// Our own check to it was answered: its pair is in the valid list.
    Valid,
}
