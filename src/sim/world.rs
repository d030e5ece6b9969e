//! The world: who is in it, and what it is told to do to them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;

use super::chance::{Chance, Purpose};
use super::link::Link;
use super::nat::Nat;
use super::node::{Node, NodeId, Output};
use super::server::StunServer;
use super::signal::{Signalling, Signals};
use super::topology::{Host, Interfaces, NetworkId, Packet, Topology};
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
            seed: WorldSeed(seed),
            now: Timestamp::ZERO,
            topology: Topology::new(seed),
            slots: Vec::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            signals: Signals::new(seed),
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
        let now = self.now;
        self.add(host.into(), |id, addresses| Occupant::Node(build(id, now, addresses)))
    }

    /// Adds a STUN server on `host`, usually [`NetworkId::PUBLIC`]; [`address`](Self::address) tells where it listens.
    pub fn add_server(&mut self, host: impl Into<Host>, server: StunServer) -> NodeId {
        self.add(host.into(), |_, _| Occupant::Server(server))
    }

    /// Adds a TURN server on `host`, usually [`NetworkId::PUBLIC`]. It listens at the [addresses](Self::addresses) of
    /// the host, and gives out relayed ones on them.
    pub fn add_turn_server(&mut self, host: impl Into<Host>, server: TurnServer) -> NodeId {
        self.add(host.into(), |_, addresses| Occupant::TurnServer(Box::new(server.at(addresses))))
    }

    /// Gives `id` a command, then takes what it has to say as after any other input.
    ///
    /// # Panics
    ///
    /// If `id` is not a node of this world, or a server.
    pub fn with<R>(&mut self, id: NodeId, command: impl FnOnce(&mut N, Timestamp) -> R) -> R {
        self.trace.record(self.now, Event::Command { node: id });
        let now = self.now;
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
        let now = self.now;
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

    /// The addresses of `id`, as it was told when built; none if there is no such node.
    pub fn addresses(&self, id: NodeId) -> &[SocketAddr] {
        self.slot(id).map_or(&[], |slot| &slot.addresses)
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

    /// Sets both directions of these links, for what is sent from now on.
    pub fn set_link(&mut self, interfaces: impl Into<Interfaces>, link: Link) {
        for interface in self.topology.select(interfaces.into()) {
            (interface.up, interface.down) = (link, link);
        }
    }

    /// Sets the direction from these interfaces to the network.
    pub fn set_uplink(&mut self, interfaces: impl Into<Interfaces>, link: Link) {
        self.topology.select(interfaces.into()).for_each(|interface| interface.up = link);
    }

    /// Sets the direction from the network to these interfaces.
    pub fn set_downlink(&mut self, interfaces: impl Into<Interfaces>, link: Link) {
        self.topology.select(interfaces.into()).for_each(|interface| interface.down = link);
    }

    /// Pulls the plug: nothing leaves these interfaces and nothing arrives, not even what is under way.
    pub fn unplug(&mut self, interfaces: impl Into<Interfaces>) {
        self.topology.select(interfaces.into()).for_each(|interface| interface.plugged = false);
    }

    /// Undoes [`unplug`](Self::unplug).
    pub fn plug(&mut self, interfaces: impl Into<Interfaces>) {
        self.topology.select(interfaces.into()).for_each(|interface| interface.plugged = true);
    }

    /// Lets nothing of `from` arrive at `to` any more. The way back is open.
    pub fn block(&mut self, from: NodeId, to: NodeId) {
        self.interference.blocked.insert((from, to));
    }

    /// Undoes [`block`](Self::block).
    pub fn unblock(&mut self, from: NodeId, to: NodeId) {
        self.interference.blocked.remove(&(from, to));
    }

    /// Asks `filter` about every datagram that a node sends from now on. There is one filter: this replaces the last.
    pub fn filter(&mut self, filter: impl FnMut(&Datagram) -> Verdict + 'static) {
        self.interference.filter = Some(Box::new(filter));
    }

    /// Removes the filter.
    pub fn clear_filter(&mut self) {
        self.interference.filter = None;
    }

    /// Restarts the gateway of `network`: all mappings are lost, and its outer address is a new one.
    pub fn reboot(&mut self, network: NetworkId) {
        self.topology.reboot(network);
    }

    /// Hands `id` a datagram now, past all links and gateways: what somebody on its own network can do.
    pub fn inject(&mut self, id: NodeId, path: Path, datagram: &[u8]) {
        self.deliver(id, path, Bytes::copy_from_slice(datagram));
    }

    /// Sends a datagram with any `source` on the public network, now: what somebody off the path can do. Gateways
    /// treat it like every other.
    pub fn spoof(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        let (packet, payload) = (Topology::spoofed(source, destination), Bytes::copy_from_slice(datagram));
        self.arrive(None, packet, payload);
    }

    /// How messages travel past the network, from now on.
    pub fn set_signalling(&mut self, signalling: Signalling) {
        self.signals.set(signalling);
    }

    /// How messages of `from` travel to `to`, from now on.
    pub fn set_signalling_between(&mut self, from: NodeId, to: NodeId, signalling: Signalling) {
        self.signals.set_between(from, to, signalling);
    }

    /// Serves every deadline late by `lateness`, as a busy caller would.
    pub fn set_lateness(&mut self, lateness: Duration) {
        self.lateness = lateness;
    }

    /// Calls `handle_timeout` after every other input as well, due or not, as many a caller's loop does, and checks
    /// that a node does nothing before its deadline.
    pub fn set_nudging(&mut self, on: bool) {
        self.nudging = on;
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

    fn add(&mut self, host: Host, build: impl FnOnce(NodeId, &[SocketAddr]) -> Occupant<N>) -> NodeId {
        let id = NodeId::new(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        let Some(addresses) = self.topology.attach(id, host) else {
            self.violation(id, "is given an address that another has");
        };
        let occupant = build(id, &addresses);
        self.slots.push(Slot {
            occupant,
            addresses,
            deadline: None,
            counters: Counters::default(),
            wakes: Wakes::default(),
        });
        self.trace.record(self.now, Event::Command { node: id });
        self.drain(id);
        id
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

/// A node and what the world keeps about it.
pub(super) struct Slot<N> {
    pub(super) occupant: Occupant<N>,
    pub(super) addresses: Vec<SocketAddr>,
    /// As it was when the node had last been drained.
    pub(super) deadline: Option<Timestamp>,
    pub(super) counters: Counters,
    pub(super) wakes: Wakes,
}

impl<N: Node> Slot<N> {
    /// Whether the node has something to say, or another deadline than it had when it was drained.
    pub(super) fn speaks(&mut self) -> bool {
        self.occupant.poll_output().is_some() || self.occupant.deadline() != self.deadline
    }
}

/// How often a deadline was served at one instant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wakes {
    pub(super) at: Timestamp,
    pub(super) count: u32,
}

/// The user's nodes, and those that come with the world.
pub(super) enum Occupant<N> {
    Node(N),
    Server(StunServer),
    TurnServer(Box<TurnServer>),
}

impl<N: Node> Occupant<N> {
    fn node(&self) -> &(dyn Node + '_) {
        match self {
            Self::Node(node) => node,
            Self::Server(server) => server,
            Self::TurnServer(server) => server,
        }
    }

    fn node_mut(&mut self) -> &mut (dyn Node + '_) {
        match self {
            Self::Node(node) => node,
            Self::Server(server) => server,
            Self::TurnServer(server) => server,
        }
    }
}

impl<N: Node> Node for Occupant<N> {
    fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        self.node_mut().handle_datagram(now, path, datagram);
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.node_mut().handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.node_mut().poll_output()
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.node().deadline()
    }

    fn handle_signal(&mut self, now: Timestamp, from: NodeId, message: &[u8]) {
        self.node_mut().handle_signal(now, from, message);
    }
}

/// Something under way.
#[derive(Debug)]
pub(super) enum Due {
    Datagram { from: NodeId, packet: Packet, payload: Bytes },
    Signal { from: NodeId, to: NodeId, message: Bytes },
}

/// What a test has told the world to do to datagrams.
#[derive(Default)]
pub(super) struct Interference {
    pub(super) blocked: BTreeSet<(NodeId, NodeId)>,
    pub(super) filter: Option<Filter>,
}

pub(super) type Filter = Box<dyn FnMut(&Datagram) -> Verdict>;

/// The number that a world was made from, which says itself when a test fails.
pub(super) struct WorldSeed(pub(super) u64);

#[cfg(feature = "std")]
impl Drop for WorldSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::eprintln!("this world was made by World::new({})", self.0);
        }
    }
}
