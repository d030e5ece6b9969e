//! The oracle: what a network permits, whatever an agent makes of it.
//!
//! [`World::forecast`] looks at the networks, gateways, servers and links of a world as they are now, and at two ends with
//! their sockets and servers, and says which candidate pairs can work at all, of which types both candidates are, and which
//! pair RFC 8445 prefers. It goes by the rules of RFC 4787 (mapping, filtering, hairpinning), RFC 8656 (permissions) and
//! RFC 8445 (types, priorities), and by brute force: every base sends to every address that is known of the other end until
//! nobody learns anything new. It shares no code with the agent, nor with the gateways of the world.
//!
//! ```
//! use floe::ice::CandidateKind;
//! use floe::sim::oracle::Party;
//! use floe::sim::{Nat, NetworkId, Peer, StunServer, World};
//! # use floe::{Config, Timestamp, ice::Role};
//!
//! let mut world = World::<Peer>::new(7);
//! let server = world.add_server(NetworkId::PUBLIC, StunServer::new());
//! let server = world.address(server);
//! # let seeds = [world.seed_for(0), world.seed_for(1)];
//! # let node = |role, seed: &floe::Seed| {
//! #     let seed = seed.clone();
//! #     move |_, now: Timestamp, own: &[core::net::SocketAddr]| Peer::new(now, Config::new(), role, seed, own)
//! # };
//! let alice = world.add_node(Nat::symmetric(), node(Role::Controlling, &seeds[0]));
//! let bob = world.add_node(Nat::restricted(), node(Role::Controlled, &seeds[1]));
//!
//! let [alice, bob] = [alice, bob].map(|id| Party::with_all_addresses(&world, id).asks(server));
//! let forecast = world.forecast(&alice, &bob);
//! let kinds = [CandidateKind::PeerReflexive, CandidateKind::ServerReflexive];
//! assert_eq!(forecast.best_kinds(), Some(kinds));
//! ```
//!
//! # What is decided, and why
//!
//! * **Nothing is guessed.** A port that a translator gives out is known to those who are told it or hear from it; so a
//!   translator that preserves ports, or counts them up, is no easier to cross than one that draws them.
//! * **Two translators that show a new port to every port** never meet although both let everybody in: each answer comes from
//!   a port that its request was not sent to, and only makes the next new port (RFC 8445 section 7.2.5.2.1).
//! * **A filter belongs to a mapping.** What was sent by one mapping of an inner address lets nobody in at another one.
//! * **What a base has heard from, it alone is paired with** (RFC 8445 section 7.3.1.3): a filter of another base, or a relay,
//!   that would have to be opened towards an address that nobody has signalled stays shut. But see
//!   [`Party::pairs_widely`].
//! * **Filters are open** as soon as both ends have sent, whatever came first and was lost: checks are repeated.
//! * **Servers answer before checks do.** Where one is late, a check may learn the mapped address first, and the candidate
//!   stays peer-reflexive ([`Forecast::find`] takes it for what it is).
//! * **Nothing expires.** Mappings live as long as checks go on; the world's live for two minutes unless told otherwise.
//! * **Chance and size do not count**, unless a link loses everything; servers do as they should unless they are
//!   [dead](super::StunServer::dead). What a [filter](super::World::filter) of the test's does is unknown to the oracle.
//! * **The time is now.** After an event that changes the network, ask again.

mod bound;
mod exchange;
mod forecast;
pub(super) mod plan;
mod preference;

use alloc::vec::Vec;
use core::net::SocketAddr;

pub use bound::{Bound, FAILURE_BY, FAILURE_NOT_BEFORE};
pub(super) use exchange::ServerPlan;
pub use forecast::{FeasiblePair, Forecast, Place, Side};

use super::node::{Node, NodeId};
use super::world::World;
use plan::Plan;

/// One end of a session: a node, its sockets, and its servers.
#[derive(Clone, Debug)]
pub struct Party {
    node: NodeId,
    /// With their local preferences.
    bases: Vec<(SocketAddr, u16)>,
    servers: Vec<(SocketAddr, Help)>,
    relay_only: bool,
    pairs_widely: bool,
}

/// What an end wants of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Help {
    MappedAddress,
    Relay,
    RelayOverTcp,
}

impl Party {
    /// An end without sockets.
    #[must_use]
    pub const fn new(node: NodeId) -> Self {
        Self { node, bases: Vec::new(), servers: Vec::new(), relay_only: false, pairs_widely: false }
    }

    /// An end with a socket on every address that the node was told of, in that order of preference.
    #[must_use]
    pub fn with_all_addresses<N: Node>(world: &World<N>, node: NodeId) -> Self {
        world.addresses(node).iter().fold(Self::new(node), |party, address| party.base(*address))
    }

    /// Adds a socket, less preferred than those before it.
    #[must_use]
    pub fn base(self, address: SocketAddr) -> Self {
        let lowest = self.bases.iter().map(|(_, preference)| *preference).min();
        let preference = lowest.map_or(u16::MAX, |lowest| lowest.saturating_sub(STEP));
        self.base_preferred(address, preference)
    }

    /// Adds a socket with this local preference, which RFC 8445 leaves to the agent (section 5.1.2.1).
    #[must_use]
    pub fn base_preferred(mut self, address: SocketAddr, preference: u16) -> Self {
        self.bases.push((address, preference));
        self
    }

    /// Adds a STUN server.
    #[must_use]
    pub fn asks(mut self, server: SocketAddr) -> Self {
        self.servers.push((server, Help::MappedAddress));
        self
    }

    /// Adds a TURN server, less preferred than those before it.
    #[must_use]
    pub fn relays(mut self, server: SocketAddr) -> Self {
        self.servers.push((server, Help::Relay));
        self
    }

    /// Adds a TURN server that is reached over TCP, or TLS, from the address of each socket.
    #[must_use]
    pub fn relays_over_tcp(mut self, server: SocketAddr) -> Self {
        self.servers.push((server, Help::RelayOverTcp));
        self
    }

    /// Uses relayed candidates alone.
    #[must_use]
    pub const fn relay_only(mut self, only: bool) -> Self {
        self.relay_only = only;
        self
    }

    /// Pairs every base with every address that any of them has heard from. That is what becomes of bases that are there
    /// later than the first checks (RFC 8838 section 10): it depends on the order of events, so what works only in this way
    /// may work and need not.
    #[must_use]
    pub const fn pairs_widely(mut self, widely: bool) -> Self {
        self.pairs_widely = widely;
        self
    }
}

impl<N: Node> World<N> {
    /// What the network as it is now permits these two ends: see the [module's page](self).
    #[must_use]
    pub fn forecast(&self, controlling: &Party, controlled: &Party) -> Forecast {
        let plan = Plan { blocked: self.interference.blocked.clone(), ..self.topology.plan() };
        Forecast::of(plan, &self.server_plans(), [controlling, controlled])
    }
}

/// Room for the reflexive candidates of a base.
const STEP: u16 = 64;

#[cfg(test)]
mod tests;
