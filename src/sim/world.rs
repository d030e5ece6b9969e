//! The world: who is in it, and what it is told to do to them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;

use super::chance::{Chance, Purpose};
use super::host::{Host, LocalAddress};
use super::names::Names;
use super::nat::Nat;
use super::node::{Node, NodeId};
use super::oracle::ServerPlan;
use super::server::StunServer;
use super::signal::Signals;
use super::slot::{Clock, Occupant, Slot};
use super::tcp::{self, Connections};
use super::timeline::Action;
use super::topology::{NetworkId, Packet, Topology};
use super::trace::{Dropped, Event, Trace};
use super::turn_server::TurnServer;
use crate::{Path, Seed, Timestamp};

/// A network in virtual time, and the nodes on it. See the [module's page](super).
pub struct World<N> {
    pub(super) seed: WorldSeed,
    pub(super) now: Timestamp,
    pub(super) topology: Topology,
    pub(super) slots: Vec<Slot<N>>,
    /// What is under way, by the time of arrival and the order of departure.
    pub(super) queue: BTreeMap<(Timestamp, u64), Due>,
    /// Of the next thing to be under way.
    pub(super) sequence: u64,
    pub(super) signals: Signals,
    pub(super) connections: Connections,
    pub(super) names: Names,
    pub(super) interference: Interference,
    pub(super) lateness: Duration,
    pub(super) nudging: bool,
    pub(super) dropped: BTreeMap<Dropped, u64>,
    pub(super) trace: Trace,
    /// Steps since time last moved.
    pub(super) steps: u32,
}

/// What a filter makes of a datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Let it go its way.
    Deliver,
    /// Lose it.
    Drop,
    /// Let this go its way instead, with the same addresses.
    Replace(Bytes),
    /// Hold it back for so long.
    Delay(Duration),
}

/// A datagram on the wire, past the gateways of its sender, before those of its receiver.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Datagram {
    /// Who sent it.
    pub from: NodeId,
    /// The path on which it was sent, as its sender sees it.
    pub path: Path,
    /// Its source as the world outside sees it.
    pub source: SocketAddr,
    /// What it carries.
    pub payload: Bytes,
}

/// What a node has sent and received, and how often its deadline was served.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes in them.
    pub sent_bytes: u64,
    /// Datagrams received, copies included.
    pub received: u64,
    /// Bytes in them.
    pub received_bytes: u64,
    /// Datagrams sent that were dropped on the way; each copy that does not get in at its receiver counts.
    pub dropped: u64,
    /// Bytes written to connections.
    pub written_bytes: u64,
    /// Bytes read from them.
    pub read_bytes: u64,
    /// Calls of `handle_timeout`.
    pub timeouts: u64,
}

impl<N: Node> World<N> {
    /// An empty world at [`Timestamp::ZERO`]: only the public network is there.
    ///
    /// The seed is a plain number because it is to be shown: a failing world says it, and the same number makes the
    /// same world.
    pub fn new(seed: u64) -> Self {
        Self {
            seed: WorldSeed(seed, false),
            now: Timestamp::ZERO,
            topology: Topology::new(seed),
            slots: Vec::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            signals: Signals::new(seed),
            connections: Connections::new(seed),
            names: Names::default(),
            interference: Interference::default(),
            lateness: Duration::ZERO,
            nudging: false,
            dropped: BTreeMap::new(),
            trace: Trace::new(),
            steps: 0,
        }
    }

    /// Adds a network behind `nat`, whose outer address on `outside` is of the world's choice.
    ///
    /// Networks can be behind networks; those that do not know each other may use the same addresses.
    pub fn add_network(&mut self, outside: NetworkId, nat: Nat) -> NetworkId {
        self.topology.add_network(outside, nat)
    }

    /// Adds a node on `host`, made by `build` from its name, the time and its addresses. What it has to say is taken
    /// at once.
    ///
    /// # Panics
    ///
    /// If another node has one of its addresses on the same network.
    pub fn add_node(
        &mut self,
        host: impl Into<Host>,
        build: impl FnOnce(NodeId, Timestamp, &[SocketAddr]) -> N,
    ) -> NodeId {
        self.add_host(host, |id, now, locals| {
            let addresses: Vec<_> = locals.iter().map(|local| local.address).collect();
            build(id, now, &addresses)
        })
    }

    /// The same where the node is to know what its networks are and what they cost.
    ///
    /// # Panics
    ///
    /// As [`add_node`](Self::add_node).
    pub fn add_host(
        &mut self,
        host: impl Into<Host>,
        build: impl FnOnce(NodeId, Timestamp, &[LocalAddress]) -> N,
    ) -> NodeId {
        self.add(host.into(), |id, now, locals| Occupant::Node(build(id, now, locals)))
    }

    /// Adds a STUN server on `host`, usually [`NetworkId::PUBLIC`]; [`address`](Self::address) tells where it listens.
    pub fn add_server(&mut self, host: impl Into<Host>, server: StunServer) -> NodeId {
        self.add(host.into(), |_, _, _| Occupant::Server(server))
    }

    /// Adds a TURN server on `host`, usually [`NetworkId::PUBLIC`]. It listens at the [addresses](Self::addresses) of
    /// the host, and gives out relayed ones on them.
    pub fn add_turn_server(&mut self, host: impl Into<Host>, server: TurnServer) -> NodeId {
        let id = self.add(host.into(), |_, _, locals| {
            let addresses: Vec<_> = locals.iter().map(|local| local.address).collect();
            Occupant::TurnServer(Box::new(server.at(&addresses)))
        });
        let addresses = self.slots.last().map(|slot| &*slot.addresses).unwrap_or_default();
        self.connections.listeners.extend(addresses.iter().map(|address| (id, *address)));
        id
    }

    /// Gives `id` a command, then takes what it has to say as after any other input.
    ///
    /// # Panics
    ///
    /// If `id` is not a node of this world, is a server, or is [suspended](Self::suspend).
    pub fn with<R>(&mut self, id: NodeId, command: impl FnOnce(&mut N, Timestamp) -> R) -> R {
        self.trace.record(self.now, Event::Command { node: id });
        if self.is_suspended(id) {
            self.violation(id, "is suspended and hears no command");
        }
        let now = self.clock_of(id);
        let Some(Slot { occupant: Occupant::Node(node), .. }) = self.slot_mut(id) else {
            self.violation(id, "is not a node to command");
        };
        let answer = command(node, now);
        self.drain(id);
        answer
    }

    /// Gives the TURN server `id` a command, then takes what it has to say.
    ///
    /// # Panics
    ///
    /// If `id` is not a TURN server of this world.
    pub fn with_turn_server<R>(
        &mut self,
        id: NodeId,
        command: impl FnOnce(&mut TurnServer, Timestamp) -> R,
    ) -> R {
        self.trace.record(self.now, Event::Command { node: id });
        let now = self.clock_of(id);
        let Some(Slot { occupant: Occupant::TurnServer(server), .. }) = self.slot_mut(id) else {
            self.violation(id, "is not a TURN server to command");
        };
        let answer = command(server, now);
        self.drain(id);
        answer
    }

    /// The TURN server `id`, to look at.
    ///
    /// # Panics
    ///
    /// If `id` is not a TURN server of this world.
    pub fn turn_server(&self, id: NodeId) -> &TurnServer {
        match self.slot(id) {
            Some(Slot { occupant: Occupant::TurnServer(server), .. }) => server,
            _ => self.violation(id, "is not a TURN server to look at"),
        }
    }

    /// The node `id`, to look at.
    ///
    /// # Panics
    ///
    /// If `id` is not a node of this world, or a server.
    pub fn node(&self, id: NodeId) -> &N {
        match self.slot(id) {
            Some(Slot { occupant: Occupant::Node(node), .. }) => node,
            _ => self.violation(id, "is not a node to look at"),
        }
    }

    /// The addresses of `id`, as it was told; none if there is no such node.
    pub fn addresses(&self, id: NodeId) -> &[SocketAddr] {
        self.slot(id).map_or(&[], |slot| &slot.addresses)
    }

    /// The same with what is known of their networks.
    pub fn local_addresses(&self, id: NodeId) -> &[LocalAddress] {
        self.slot(id).map_or(&[], |slot| &slot.locals)
    }

    /// The first address of `id`.
    ///
    /// # Panics
    ///
    /// If `id` is not a node of this world, or has none.
    pub fn address(&self, id: NodeId) -> SocketAddr {
        match self.addresses(id) {
            [first, ..] => *first,
            [] => self.violation(id, "has no address"),
        }
    }

    /// The network on which `id` has its first address: the one behind its translator, if it was added with a [`Nat`].
    ///
    /// # Panics
    ///
    /// If `id` is not a node of this world, or has no address.
    pub fn network(&self, id: NodeId) -> NetworkId {
        match self.topology.network_of(id, self.address(id)) {
            Some(network) => network,
            None => self.violation(id, "is on no network"),
        }
    }

    /// The outer address of the gateway of `network`; `None` for the public one.
    pub fn outer_address(&self, network: NetworkId) -> Option<IpAddr> {
        self.topology.outer_address(network)
    }

    /// The time.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The number that this world was made from.
    pub const fn seed(&self) -> u64 {
        self.seed.0
    }

    /// A seed for a machine in this world, drawn from the world's own; different `purpose`s give unrelated ones.
    pub fn seed_for(&self, purpose: u64) -> Seed {
        Seed::from(Chance::new(self.seed.0, Purpose::Seed(purpose)).bytes())
    }

    /// What `id` has sent and received.
    pub fn counters(&self, id: NodeId) -> Counters {
        self.slot(id).map(|slot| slot.counters).unwrap_or_default()
    }

    /// How many datagrams were dropped for `reason`.
    pub fn dropped(&self, reason: Dropped) -> u64 {
        self.dropped.get(&reason).copied().unwrap_or_default()
    }

    /// What happened so far.
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    fn add(
        &mut self,
        host: Host,
        build: impl FnOnce(NodeId, Timestamp, &[LocalAddress]) -> Occupant<N>,
    ) -> NodeId {
        let id = NodeId::new(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        let locals = host.attachments.into_iter().map(|attachment| self.topology.attach(id, attachment));
        let Some(locals) = locals.collect::<Option<Vec<_>>>() else {
            self.violation(id, "is given an address that another has");
        };
        let clock = Clock::ahead(host.clock);
        let occupant = build(id, clock.local(self.now), &locals);
        self.slots.push(Slot::new(occupant, locals, clock));
        self.trace.record(self.now, Event::Command { node: id });
        self.drain(id);
        id
    }

    /// The servers that answer.
    pub(super) fn server_plans(&self) -> Vec<ServerPlan> {
        let server = |(number, slot): (u32, &Slot<N>)| {
            let (node, forbids) = (NodeId::new(number), BTreeSet::new());
            match &slot.occupant {
                Occupant::Server(server) if !server.is_dead() => {
                    Some(ServerPlan { node, relays_on: Vec::new(), forbids })
                }
                Occupant::TurnServer(server) if server.is_present() => {
                    let (relays_on, forbids) = (server.relays_on().collect(), server.forbidden().clone());
                    Some(ServerPlan { node, relays_on, forbids })
                }
                _ => None,
            }
        };
        (0..).zip(&self.slots).filter_map(server).collect()
    }

    pub(super) fn slot_clock(&self, id: NodeId) -> Clock {
        self.slot(id).map(|slot| slot.clock).unwrap_or_default()
    }

    pub(super) fn slot(&self, id: NodeId) -> Option<&Slot<N>> {
        self.slots.get(usize::try_from(id.as_u32()).ok()?)
    }

    pub(super) fn slot_mut(&mut self, id: NodeId) -> Option<&mut Slot<N>> {
        self.slots.get_mut(usize::try_from(id.as_u32()).ok()?)
    }
}

impl<N> fmt::Debug for World<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("seed", &self.seed.0)
            .field("now", &self.now)
            .field("nodes", &self.slots.len())
            .field("under_way", &self.queue.len())
            .finish_non_exhaustive()
    }
}

/// Something under way.
#[derive(Debug)]
pub(super) enum Due {
    Datagram {
        from: NodeId,
        packet: Packet,
        payload: Bytes,
    },
    /// A datagram that has reached the link to this interface, where it may have to wait, and what it needs after that.
    Queued {
        interface: usize,
        further: Duration,
        from: NodeId,
        packet: Packet,
        payload: Bytes,
    },
    Signal {
        from: NodeId,
        to: NodeId,
        message: Bytes,
    },
    /// Something of a connection.
    Tcp(tcp::Due),
    Answer {
        node: NodeId,
        id: u64,
        address: Option<IpAddr>,
    },
    /// A node that was suspended when its addresses changed learns of them.
    Addresses(NodeId),
    Action(Action),
}

/// What a test has told the world to do to datagrams.
#[derive(Default)]
pub(super) struct Interference {
    pub(super) blocked: BTreeSet<(NodeId, NodeId)>,
    pub(super) filter: Option<Filter>,
}

pub(super) type Filter = Box<dyn FnMut(&Datagram) -> Verdict>;

/// The number that a world was made from, which says itself when a test fails, unless it is not to.
pub(super) struct WorldSeed(pub(super) u64, pub(super) bool);

#[cfg(feature = "std")]
impl Drop for WorldSeed {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.1 {
            std::eprintln!("this world was made by World::new({})", self.0);
        }
    }
}
