//! What a world is told to do to its nodes.

use alloc::boxed::Box;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use super::gateway::Kind;
use super::host::Interfaces;
use super::link::Link;
use super::nat::Nat;
use super::node::{Node, NodeId};
use super::signal::Signalling;
use super::topology::{NetworkId, Packet};
use super::world::{Datagram, Verdict, World};
use crate::Path;

impl<N: Node> World<N> {
    /// Sets both directions of these links, for what is sent from now on.
    pub fn set_link(&mut self, interfaces: impl Into<Interfaces>, link: Link) {
        for interface in self.topology.select(interfaces.into()) {
            interface.up.set(link);
            interface.down.set(link);
        }
    }

    /// Sets the direction from these interfaces to the network.
    pub fn set_uplink(&mut self, interfaces: impl Into<Interfaces>, link: Link) {
        self.topology.select(interfaces.into()).for_each(|interface| interface.up.set(link));
    }

    /// Sets the direction from the network to these interfaces.
    pub fn set_downlink(&mut self, interfaces: impl Into<Interfaces>, link: Link) {
        self.topology.select(interfaces.into()).for_each(|interface| interface.down.set(link));
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

    /// Makes the gateway of `network` forget all mappings, and keep its outer address.
    pub fn forget_mappings(&mut self, network: NetworkId) {
        self.topology.forget_mappings(network);
    }

    /// Makes the gateway of `network` behave like `nat` from now on, with the mappings that it has.
    pub fn set_nat(&mut self, network: NetworkId, nat: Nat) {
        self.topology.set_nat(network, nat);
    }

    /// Hands `id` a datagram now, past all links and gateways: what somebody on its own network can do.
    pub fn inject(&mut self, id: NodeId, path: Path, datagram: &[u8]) {
        self.deliver(id, path, Bytes::copy_from_slice(datagram));
    }

    /// Sends a datagram with any `source` on the public network, now: what somebody off the path can do. Gateways
    /// treat it like every other.
    pub fn spoof(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        let (packet, payload) =
            (Packet::new(Kind::Datagram, source, destination), Bytes::copy_from_slice(datagram));
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
}
