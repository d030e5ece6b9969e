//! A node in its world, and those that come with the world.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use super::node::{Node, NodeId, Output};
use super::server::StunServer;
use super::turn_server::TurnServer;
use super::world::Counters;
use crate::{Path, Timestamp};

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

    fn violation(&self) -> Option<&str> {
        self.node().violation()
    }
}
