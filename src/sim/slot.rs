//! A node in its world, and those that come with the world.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::connection::{ConnectError, Ended};
use super::host::LocalAddress;
use super::node::{Node, NodeId, Output};
use super::server::StunServer;
use super::turn_server::TurnServer;
use super::world::Counters;
use crate::{Path, Timestamp};

/// A node and what the world keeps about it.
pub(super) struct Slot<N> {
    pub(super) occupant: Occupant<N>,
    pub(super) locals: Vec<LocalAddress>,
    /// The addresses of these.
    pub(super) addresses: Vec<SocketAddr>,
    /// By the node's clock, as it was when the node had last been drained.
    pub(super) deadline: Option<Timestamp>,
    pub(super) clock: Clock,
    /// Until then the node is not called.
    pub(super) resumes_at: Timestamp,
    pub(super) counters: Counters,
    pub(super) wakes: Wakes,
    /// The latest that the node has been told: its clock may have been set back since.
    pub(super) told: Timestamp,
}

impl<N: Node> Slot<N> {
    pub(super) fn new(occupant: Occupant<N>, locals: Vec<LocalAddress>, clock: Clock) -> Self {
        let addresses = locals.iter().map(|local| local.address).collect();
        Self {
            occupant,
            locals,
            addresses,
            deadline: None,
            clock,
            resumes_at: Timestamp::ZERO,
            counters: Counters::default(),
            wakes: Wakes::default(),
            told: Timestamp::ZERO,
        }
    }

    /// What the node has to say, or its deadline if that is another one than when it was drained.
    pub(super) fn speech(&mut self) -> Option<String> {
        let (before, after) = (self.deadline, self.occupant.deadline());
        match self.occupant.poll_output() {
            Some(output) => Some(format!("{output:?}")),
            None => (after != before).then(|| format!("deadline {before:?} has become {after:?}")),
        }
    }

    /// When the node wants to be woken, by the world's clock, and can be.
    pub(super) fn due_at(&self) -> Option<Timestamp> {
        self.deadline.map(|deadline| self.clock.world(deadline))
    }

    pub(super) fn set_locals(&mut self, locals: Vec<LocalAddress>) {
        self.addresses = locals.iter().map(|local| local.address).collect();
        self.locals = locals;
    }
}

/// A node's clock: so many nanoseconds ahead of the world's, or behind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock(i64);

impl Clock {
    pub(super) fn ahead(offset: Duration) -> Self {
        Self(nanos(offset))
    }

    pub(super) fn jump(&mut self, forward: Duration, back: Duration) {
        self.0 = self.0.saturating_add(nanos(forward)).saturating_sub(nanos(back));
    }

    /// What the node reads when it is `now` in the world. No clock goes below zero.
    pub(super) fn local(self, now: Timestamp) -> Timestamp {
        Timestamp::from_nanos(now.as_nanos().saturating_add_signed(self.0))
    }

    /// When the node reads `at`.
    pub(super) fn world(self, at: Timestamp) -> Timestamp {
        Timestamp::from_nanos(at.as_nanos().saturating_add_signed(self.0.saturating_neg()))
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
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

    fn violation(&self) -> Option<&str> {
        self.node().violation()
    }

    fn handle_addresses(&mut self, now: Timestamp, addresses: &[LocalAddress]) {
        self.node_mut().handle_addresses(now, addresses);
    }

    fn handle_connect(&mut self, now: Timestamp, id: u64, outcome: Result<Path, ConnectError>) {
        self.node_mut().handle_connect(now, id, outcome);
    }

    fn handle_accept(&mut self, now: Timestamp, path: Path) {
        self.node_mut().handle_accept(now, path);
    }

    fn handle_bytes(&mut self, now: Timestamp, path: Path, bytes: &[u8]) {
        self.node_mut().handle_bytes(now, path, bytes);
    }

    fn handle_disconnect(&mut self, now: Timestamp, path: Path, how: Ended) {
        self.node_mut().handle_disconnect(now, path, how);
    }

    fn handle_resolved(&mut self, now: Timestamp, id: u64, address: Option<IpAddr>) {
        self.node_mut().handle_resolved(now, id, address);
    }
}
