//! The way of a datagram: onto the wire, through what a test has told the world to do to it, and off the wire again.

use core::time::Duration;

use bytes::Bytes;

use super::gateway::Kind;
use super::link::Crossing;
use super::node::{Node, NodeId};
use super::topology::Packet;
use super::trace::{Dropped, Event};
use super::world::{Datagram, Due, Verdict, World};
use crate::{Path, Transport};

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
        let interface = self.topology.interface_of(id, path.local().ip()).ok_or(Dropped::NotLocal)?;
        if self.topology.interface(interface).is_none_or(|interface| !interface.plugged) {
            return Err(Dropped::Unplugged);
        }
        let packet =
            self.topology.ascend(now, interface, Packet::new(Kind::Datagram, path.local(), path.remote()))?;
        let (payload, held) = self.filtered(id, path, &packet, payload)?;
        let size = size(&packet, &payload);
        let up = &mut self.topology.interface(interface).ok_or(Dropped::NotLocal)?.up;
        up.fits(size)?;
        let crossing = up.draw();
        let waiting = up.enqueue(now, size)?;
        // Where it goes is known now, whether it is let in only when it is there.
        let receiver = self.topology.descend(now, &packet).ok().map(|descent| descent.interface);
        let mut lost = true;
        for delay in crossing.delays() {
            let at = now + held + waiting + delay;
            let down = receiver
                .and_then(|interface| Some((interface, &mut self.topology.interface(interface)?.down)));
            let (crossing, queued) = match down {
                Some((interface, down)) => {
                    down.fits(size)?;
                    (down.draw(), down.is_paced().then_some(interface))
                }
                None => (Crossing::Once(Duration::ZERO), None),
            };
            for further in crossing.delays() {
                lost = false;
                let (packet, payload) = (packet.clone(), payload.clone());
                match queued {
                    None => self.schedule(at + further, Due::Datagram { from: id, packet, payload }),
                    Some(interface) => {
                        self.schedule(at, Due::Queued { interface, further, from: id, packet, payload });
                    }
                }
            }
        }
        if lost { Err(Dropped::Lost) } else { Ok(()) }
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
        let (now, size) = (self.now, size(&packet, &payload));
        let waiting = match self.topology.interface(interface) {
            Some(interface) => interface.down.enqueue(now, size),
            None => Err(Dropped::NoRoute),
        };
        match waiting {
            Ok(waiting) => self.schedule(now + waiting + further, Due::Datagram { from, packet, payload }),
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
    fn route(&mut self, from: Option<NodeId>, packet: &Packet) -> Result<(NodeId, Path), Dropped> {
        let descent = self.topology.descend(self.now, packet)?;
        let receiver = self.topology.interface(descent.interface).ok_or(Dropped::NoRoute)?;
        let (node, plugged) = (receiver.node, receiver.plugged);
        if from.is_some_and(|from| self.interference.blocked.contains(&(from, node))) {
            return Err(Dropped::Blocked);
        }
        let source = self.topology.admit(self.now, packet, &descent)?;
        if !plugged {
            return Err(Dropped::Unplugged);
        }
        Ok((node, Path::udp(descent.destination, source)))
    }

    /// Hands `id` a datagram.
    pub(super) fn deliver(&mut self, id: NodeId, path: Path, payload: Bytes) {
        let now = self.now;
        self.trace.record(now, Event::Delivered { node: id, path, payload: payload.clone() });
        let Some(slot) = self.slot_mut(id) else { return };
        slot.counters.received += 1;
        slot.counters.received_bytes += length(&payload);
        slot.occupant.handle_datagram(now, path, &payload);
        self.drain(id);
    }

    fn lose(&mut self, from: Option<NodeId>, reason: Dropped, path: Path, payload: Bytes) {
        let (source, destination) = (path.local(), path.remote());
        self.trace.record(self.now, Event::Dropped { reason, source, destination, payload });
        *self.dropped.entry(reason).or_default() += 1;
        if let Some(slot) = from.and_then(|from| self.slot_mut(from)) {
            slot.counters.dropped += 1;
        }
    }
}

/// How long a datagram is on the wire: the headers of UDP and IP count.
fn size(packet: &Packet, payload: &Bytes) -> usize {
    let headers = if packet.destination.is_ipv4() { 28 } else { 48 };
    payload.len().saturating_add(headers)
}

fn length(payload: &Bytes) -> u64 {
    u64::try_from(payload.len()).unwrap_or(u64::MAX)
}
