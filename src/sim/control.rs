//! What a world is told to do to its nodes.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use super::gateway::Kind;
use super::host::{Attachment, Interfaces, LocalAddress};
use super::link::Link;
use super::nat::Nat;
use super::node::{Node, NodeId};
use super::signal::Signalling;
use super::slot::Occupant;
use super::topology::{NetworkId, Packet};
use super::trace::Event;
use super::world::{Datagram, Due, Verdict, World};
use crate::{Path, Timestamp};

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

    /// Gives `id` an interface more, and tells it. Returns the address.
    ///
    /// # Panics
    ///
    /// If `id` is not a node of this world, another node has the address, or there is nothing to tunnel it through.
    pub fn add_interface(&mut self, id: NodeId, attachment: impl Into<Attachment>) -> SocketAddr {
        let Some(local) = self.topology.attach(id, attachment.into()) else {
            self.violation(id, "is given an address that another has");
        };
        let Some(slot) = self.slot(id) else { self.violation(id, "is not there to be given an interface") };
        let locals = slot.locals.iter().copied().chain([local]).collect();
        self.tell_addresses(id, locals);
        local.address
    }

    /// Takes an interface of a node away, or all, and tells it. What is under way to it gets lost; a tunnel over it is of no
    /// use any more; its connections hear nothing more and end for want of an answer.
    pub fn remove_interface(&mut self, interfaces: impl Into<Interfaces>) {
        let interfaces = interfaces.into();
        self.topology.detach(interfaces);
        let Some(slot) = self.slot(interfaces.node) else { return };
        let stays = |local: &LocalAddress| interfaces.ip.is_some_and(|ip| ip != local.address.ip());
        let locals: Vec<_> = slot.locals.iter().copied().filter(stays).collect();
        if locals.len() < slot.locals.len() {
            self.tell_addresses(interfaces.node, locals);
        }
    }

    fn tell_addresses(&mut self, id: NodeId, locals: Vec<LocalAddress>) {
        let Some(slot) = self.slot_mut(id) else { return };
        slot.set_locals(locals.clone());
        let addresses = slot.addresses.clone();
        if self.is_suspended(id) {
            // It is told when it is awake, of what there is then.
            let at = self.slot(id).map_or(self.now, |slot| slot.resumes_at);
            return self.schedule(at, Due::Addresses(id));
        }
        self.tell(id, Event::Addresses { node: id, addresses }, |node, now| {
            node.handle_addresses(now, &locals);
        });
    }

    /// Suspends `id` for so long, as a machine that sleeps: it is not called, and what is sent to it gets lost, but for
    /// signals, which wait. Its clock goes on, so that for the node the time has jumped when it is called again.
    /// [`set_back_clock`](Self::set_back_clock) makes it one that stands still meanwhile.
    pub fn suspend(&mut self, id: NodeId, duration: Duration) {
        let at = self.now + duration;
        if let Some(slot) = self.slot_mut(id) {
            slot.resumes_at = slot.resumes_at.max(at);
        }
    }

    /// Whether `id` is suspended.
    pub fn is_suspended(&self, id: NodeId) -> bool {
        self.slot(id).is_some_and(|slot| slot.resumes_at > self.now)
    }

    /// Puts the clock of `id` forward.
    pub fn advance_clock(&mut self, id: NodeId, duration: Duration) {
        self.slot_mut(id).into_iter().for_each(|slot| slot.clock.jump(duration, Duration::ZERO));
    }

    /// Puts the clock of `id` back, not below zero.
    pub fn set_back_clock(&mut self, id: NodeId, duration: Duration) {
        self.slot_mut(id).into_iter().for_each(|slot| slot.clock.jump(Duration::ZERO, duration));
    }

    /// What the clock of `id` shows now.
    pub fn clock_of(&self, id: NodeId) -> Timestamp {
        self.slot_clock(id).local(self.now)
    }

    /// Makes a server silent, until [`resume_server`](Self::resume_server). It forgets nothing.
    pub fn stop_server(&mut self, id: NodeId) {
        self.set_server(id, false);
    }

    /// Undoes [`stop_server`](Self::stop_server), and wakes a [dead](super::StunServer::dead) one.
    pub fn resume_server(&mut self, id: NodeId) {
        self.set_server(id, true);
    }

    fn set_server(&mut self, id: NodeId, present: bool) {
        match self.slot_mut(id).map(|slot| &mut slot.occupant) {
            Some(Occupant::Server(server)) => server.set_dead(!present),
            Some(Occupant::TurnServer(server)) if present => server.reappear(),
            Some(Occupant::TurnServer(server)) => server.vanish(),
            Some(Occupant::Node(_)) | None => {}
        }
        self.drain(id);
    }

    /// Lets nothing of `from` arrive at `to` any more. The way back is open.
    pub fn block(&mut self, from: NodeId, to: NodeId) {
        self.interference.blocked.insert((from, to));
    }

    /// Undoes [`block`](Self::block).
    pub fn unblock(&mut self, from: NodeId, to: NodeId) {
        self.interference.blocked.remove(&(from, to));
    }

    /// Asks `filter` about every datagram that a node sends from now on. There is one filter: this replaces the last. What
    /// is written to connections is not shown to it.
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

    /// Keeps so many entries of the trace, the last ones, from now on. Its hash covers all entries anyway, so a world of
    /// which only that is wanted keeps none.
    pub fn set_entries_kept(&mut self, entries: usize) {
        self.trace.keep(entries);
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

    /// Does not say by which number it was made when a test fails: for programs that report failures themselves.
    pub fn set_silent(&mut self, on: bool) {
        self.seed.1 = on;
    }
}
