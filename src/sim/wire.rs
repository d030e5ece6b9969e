//! The way of a datagram: onto the wire, through what a test has told the world to do to it, and off the wire again.

use core::time::Duration;

use bytes::Bytes;

use super::gateway::Kind;
use super::link::Copies;
use super::node::{Node, NodeId};
use super::topology::Packet;
use super::trace::{Dropped, Event};
use super::world::{Datagram, Due, Verdict, World};
use crate::{Path, Timestamp, Transport};

impl<N: Node> World<N> {
    pub(super) fn transmit(&mut self, id: NodeId, path: Path, payload: Bytes) {
        self.trace.record(self.now, Event::Sent { node: id, path, payload: payload.clone() });
        if let Some(slot) = self.slot_mut(id) {
            slot.counters.sent += 1;
            slot.counters.sent_bytes += length(&payload);
        }
        if let Err(reason) = self.send(id, path, &payload) {
            self.lose(Some(id), reason, path, payload);
        }
    }

    /// Brings a datagram onto the wire. What its links will do to it is drawn here.
    fn send(&mut self, id: NodeId, path: Path, payload: &Bytes) -> Result<(), Dropped> {
        if path.transport() != Transport::Udp {
            return Err(Dropped::NotUdp);
        }
        let now = self.now;
        let interface = self.topology.interface_of(id, path.local()).ok_or(Dropped::NotLocal)?;
        if !self.topology.is_plugged(interface) {
            return Err(Dropped::Unplugged);
        }
        let packet = Packet::new(Kind::Datagram, path.local(), path.remote());
        let packet = self.topology.ascend(now, interface, packet)?;
        let (payload, held) = self.filtered(id, path, &packet, payload)?;
        let size = size(&packet, payload.len(), UDP_HEADER_LEN);
        let mut copies = Copies::one(now + held);
        self.topology.cross_up(interface, |lane| {
            lane.fits(size)?;
            let waiting = lane.enqueue(now, size);
            copies.cross(waiting.unwrap_or_default(), || lane.draw());
            waiting.map(drop)
        })?;
        // Where it goes is known now, whether it is let in only when it is there.
        let receiver = self.topology.receiver(now, &packet);
        let Some(receiver) = receiver else {
            for at in copies.iter() {
                let (packet, payload) = (packet.clone(), payload.clone());
                self.schedule(at, Due::Datagram { from: id, packet, payload });
            }
            return if copies.is_empty() { Err(Dropped::Lost) } else { Ok(()) };
        };
        let mut arrived = false;
        for at in copies.iter() {
            let mut further = Copies::one(Timestamp::ZERO);
            let mut queued = false;
            self.topology.cross_down(receiver, |lane| {
                lane.fits(size)?;
                queued |= lane.is_paced();
                further.cross(Duration::ZERO, || lane.draw());
                Ok(())
            })?;
            for delay in further.iter() {
                arrived = true;
                let (packet, payload, further) = (packet.clone(), payload.clone(), delay.since_epoch());
                if queued {
                    self.schedule(
                        at,
                        Due::Queued { interface: receiver, further, from: id, packet, payload },
                    );
                } else {
                    self.schedule(at + further, Due::Datagram { from: id, packet, payload });
                }
            }
        }
        if arrived { Ok(()) } else { Err(Dropped::Lost) }
    }

    /// Lets a datagram wait for its turn on the link to its receiver.
    pub(super) fn enqueue(
        &mut self,
        interface: usize,
        further: Duration,
        from: NodeId,
        packet: Packet,
        payload: Bytes,
    ) {
        let (now, size) = (self.now, size(&packet, payload.len(), UDP_HEADER_LEN));
        let mut at = now;
        let queued = self.topology.cross_down(interface, |lane| {
            at = at + lane.enqueue(at, size)?;
            Ok(())
        });
        match queued {
            Ok(()) => self.schedule(at + further, Due::Datagram { from, packet, payload }),
            Err(reason) => {
                self.lose(Some(from), reason, Path::udp(packet.source, packet.destination), payload);
            }
        }
    }

    /// Asks the filter. Returns what is to be sent, and how much later.
    fn filtered(
        &mut self,
        from: NodeId,
        path: Path,
        packet: &Packet,
        payload: &Bytes,
    ) -> Result<(Bytes, Duration), Dropped> {
        let Some(filter) = &mut self.interference.filter else {
            return Ok((payload.clone(), Duration::ZERO));
        };
        let datagram = Datagram { from, path, source: packet.source, payload: payload.clone() };
        match filter(&datagram) {
            Verdict::Deliver => Ok((datagram.payload, Duration::ZERO)),
            Verdict::Drop => Err(Dropped::Vetoed),
            Verdict::Replace(other) => Ok((other, Duration::ZERO)),
            Verdict::Delay(held) => Ok((datagram.payload, held)),
        }
    }

    /// Takes `packet` from the wire to whom it is for, if that may be.
    pub(super) fn arrive(&mut self, from: Option<NodeId>, packet: Packet, payload: Bytes) {
        match self.route(from, &packet) {
            Ok((node, path)) => self.deliver(node, path, payload),
            Err(reason) => self.lose(from, reason, Path::udp(packet.source, packet.destination), payload),
        }
    }

    /// Whom `packet` is for and how that node sees it, once all gateways have let it in.
    pub(super) fn route(&mut self, from: Option<NodeId>, packet: &Packet) -> Result<(NodeId, Path), Dropped> {
        let descent = self.topology.descend(self.now, packet)?;
        let receiver = self.topology.interface(descent.interface).ok_or(Dropped::NoRoute)?;
        let (node, destination) = (receiver.node, receiver.scoped(descent.destination));
        if from.is_some_and(|from| self.interference.blocked.contains(&(from, node))) {
            return Err(Dropped::Blocked);
        }
        let source = self.topology.admit(self.now, packet, &descent)?;
        if !self.topology.is_plugged(descent.interface) {
            return Err(Dropped::Unplugged);
        }
        if self.is_suspended(node) {
            return Err(Dropped::Suspended);
        }
        Ok((node, Path::new(packet.kind.transport(), destination, source)))
    }

    /// Hands `id` a datagram.
    pub(super) fn deliver(&mut self, id: NodeId, path: Path, payload: Bytes) {
        self.trace.record(self.now, Event::Delivered { node: id, path, payload: payload.clone() });
        let now = self.clock_of(id);
        let Some(slot) = self.slot_mut(id) else { return };
        slot.counters.received += 1;
        slot.counters.received_bytes += length(&payload);
        slot.occupant.handle_datagram(now, path, &payload);
        self.drain(id);
    }

    fn lose(&mut self, from: Option<NodeId>, reason: Dropped, path: Path, payload: Bytes) {
        let (source, destination) = (path.local(), path.remote());
        self.trace.record(self.now, Event::Dropped { reason, source, destination, payload });
        self.count_dropped(reason);
        if let Some(slot) = from.and_then(|from| self.slot_mut(from)) {
            slot.counters.dropped += 1;
        }
    }

    pub(super) fn count_dropped(&mut self, reason: Dropped) {
        *self.dropped.entry(reason).or_default() += 1;
    }
}

/// How long a packet is on the wire, with the headers of IP and of what is in it.
pub(super) fn size(packet: &Packet, payload: usize, header: usize) -> usize {
    let ip_header = if packet.destination.is_ipv4() { 20 } else { 40 };
    payload.saturating_add(header).saturating_add(ip_header)
}

pub(super) fn length(payload: &Bytes) -> u64 {
    u64::try_from(payload.len()).unwrap_or(u64::MAX)
}

const UDP_HEADER_LEN: usize = 8;
