//! What becomes of a connection: the way of its segments, and what its ends are told.

use core::time::Duration;

use bytes::Bytes;

use super::{CONNECT_MAX, Due, End, Opening, PATIENCE, RTO, RTO_MAX, Segment, Side, Travel, Trouble};
use crate::sim::connection::{Connect, ConnectError, Ended};
use crate::sim::gateway::Kind;
use crate::sim::node::{Node, NodeId};
use crate::sim::topology::Packet;
use crate::sim::trace::{Dropped, Event};
use crate::sim::wire::{length, size};
use crate::sim::world::{Due as WorldDue, World};
use crate::{Path, Timestamp};

/// What nodes ask for.
impl<N: Node> World<N> {
    pub(in crate::sim) fn connect(&mut self, node: NodeId, connect: Connect) {
        let (local, remote) = (connect.local, connect.remote);
        self.trace.record(self.now, Event::Connecting { node, local, remote });
        let (now, id) = (self.now, connect.id);
        let interface = self.topology.interface_of(node, local);
        let opened = interface
            .filter(|interface| self.topology.is_plugged(*interface))
            .and_then(|_| self.connections.open(node, connect));
        let Some((connection, _)) = opened else {
            return self.schedule_tcp(now, Due::Refused { node, id, error: ConnectError::Unreachable });
        };
        let give_up_at = connect.give_up_at.map_or(Timestamp::MAX, |at| self.slot_clock(node).world(at));
        let give_up_at = give_up_at.min(now + CONNECT_MAX).max(now);
        self.schedule_tcp(give_up_at, Due::Failed { connection, error: ConnectError::TimedOut });
        self.try_to_open(connection);
    }

    pub(in crate::sim) fn write(&mut self, node: NodeId, path: Path, payload: Bytes) {
        self.trace.record(self.now, Event::Written { node, path, payload: payload.clone() });
        let written = length(&payload);
        self.slot_mut(node).into_iter().for_each(|slot| slot.counters.written_bytes += written);
        let found = self.connections.find(node, path);
        match found.filter(|(connection, side)| self.is_present(*connection, *side)) {
            Some((connection, side)) => self.send_segment(connection, side, Segment::Data(payload)),
            None => self.count_dropped(Dropped::NotConnected),
        }
    }

    pub(in crate::sim) fn disconnect(&mut self, node: NodeId, path: Path) {
        self.trace.record(self.now, Event::Disconnecting { node, path });
        if let Some((connection, side)) = self.connections.find(node, path)
            && self.is_present(connection, side)
        {
            self.send_segment(connection, side, Segment::End);
            self.connections.leave(connection, side);
        }
    }

    /// Resets all connections of `node`: it is told at once, the far ends as soon as they can hear of it.
    pub fn reset_connections(&mut self, node: NodeId) {
        for (connection, side) in self.connections.of(node) {
            if self.is_present(connection, side) {
                let at = self.now + self.way_back(connection, side);
                self.schedule_tcp(at, Due::Reset { connection, side: side.other() });
                self.end(connection, side, Ended::Reset);
            }
        }
    }

    /// Makes `node` lose its connections without a word to anybody, as if it had lost power. The far ends learn of it when
    /// they write: it does not know them any more, or, unplugged, does not answer.
    pub fn forget_connections(&mut self, node: NodeId) {
        for (connection, side) in self.connections.of(node) {
            match self.is_present(connection, side) {
                true => {
                    self.connections.give_up(connection, side);
                    self.connections.leave(connection, side);
                }
                false => self.connections.remove(connection),
            }
        }
    }

    /// The connections of `node` that are open as far as it knows, by their paths.
    pub fn connections(&self, node: NodeId) -> impl Iterator<Item = Path> {
        self.connections.paths(node)
    }

    /// Whether reads end anywhere: in the middle of what was written, behind several writes, and a little later than they
    /// might. They do unless this says otherwise, since no program may count on anything else.
    pub fn set_read_splitting(&mut self, on: bool) {
        self.connections.splitting = on;
    }
}

/// What happens later.
impl<N: Node> World<N> {
    pub(in crate::sim) fn happen_to_connection(&mut self, due: Due) {
        match due {
            Due::Opening { connection, packet } => self.opening_arrives(connection, packet),
            Due::Reopen { connection } => self.try_to_open(connection),
            Due::Failed { connection, error } => self.fail(connection, error),
            Due::Refused { node, id, error } => self.tell_outcome(node, id, Err(error)),
            Due::Queued { travel, interface, further } => self.queue_segment(travel, interface, further),
            Due::Segment(travel) => self.segment_arrives(travel),
            Due::Retry { connection, side } => self.retry(connection, side),
            Due::Read { connection, side } => self.read_all(connection, side),
            Due::Reset { connection, side } => self.end(connection, side, Ended::Reset),
        }
    }

    /// Whom something that happens later is about, if that node is told or acts.
    pub(in crate::sim) fn subject(&mut self, due: &Due) -> Option<NodeId> {
        let (connection, side) = match due {
            Due::Refused { node, .. } => return Some(*node),
            Due::Reopen { connection } | Due::Failed { connection, .. } => (*connection, Side::Opener),
            Due::Retry { connection, side }
            | Due::Read { connection, side }
            | Due::Reset { connection, side } => (*connection, *side),
            Due::Opening { .. } | Due::Queued { .. } | Due::Segment(_) => return None,
        };
        self.connections.end(connection, side).map(|end| end.node)
    }

    fn try_to_open(&mut self, connection: u32) {
        let Some(entry) = self.connections.get_mut(connection) else { return };
        if entry.opening == Opening::Done || entry.acceptor.is_some() {
            return;
        }
        let (node, path) = (entry.opener.node, entry.opener.path);
        if let Err(reason) = self.send_opening(connection, node, path) {
            self.opening_fails(connection, reason);
        }
    }

    fn send_opening(&mut self, connection: u32, node: NodeId, path: Path) -> Result<(), Dropped> {
        let (packet, receiver) = self.depart(Kind::Opening, node, path)?;
        let mut at = self.now;
        let mut carry = |lane: &mut super::Lane| {
            at += lane.draw().delays().next().ok_or(Dropped::Lost)?;
            Ok(())
        };
        let interface = self.topology.interface_of(node, path.local()).ok_or(Dropped::NotLocal)?;
        self.topology.cross_up(interface, &mut carry)?;
        if let Some(receiver) = receiver {
            self.topology.cross_down(receiver, &mut carry)?;
        }
        self.schedule_tcp(at, Due::Opening { connection, packet });
        Ok(())
    }

    fn opening_arrives(&mut self, connection: u32, packet: Packet) {
        let Some(entry) = self.connections.get_mut(connection) else { return };
        if entry.opening == Opening::Done || entry.acceptor.is_some() {
            return;
        }
        let opener = entry.opener.node;
        match self.route(Some(opener), &packet) {
            Err(reason) => self.opening_fails(connection, reason),
            Ok((node, path)) => {
                let listens = self.connections.listeners.contains(&(node, path.local()));
                if listens && self.connections.accept(connection, node, path) {
                    return self.send_segment(connection, Side::Acceptor, Segment::Welcome);
                }
                let at = self.now + self.latency_between(node, path.local(), opener);
                self.schedule_tcp(at, Due::Failed { connection, error: ConnectError::Refused });
            }
        }
    }

    /// The opener's packet got lost, or was turned away.
    fn opening_fails(&mut self, connection: u32, reason: Dropped) {
        self.count_dropped(reason);
        let now = self.now;
        let Some(entry) = self.connections.get_mut(connection) else { return };
        let (node, path) = (entry.opener.node, entry.opener.path);
        let Opening::Pending { rto, .. } = &mut entry.opening else { return };
        if reason == Dropped::Rejected {
            let at = now + self.latency_between(node, path.local(), node);
            return self.schedule_tcp(at, Due::Failed { connection, error: ConnectError::Refused });
        }
        let at = now + *rto;
        *rto = rto.saturating_mul(2);
        self.schedule_tcp(at, Due::Reopen { connection });
    }

    fn fail(&mut self, connection: u32, error: ConnectError) {
        let Some(entry) = self.connections.get_mut(connection) else { return };
        let Opening::Pending { id, .. } = entry.opening else { return };
        let node = entry.opener.node;
        self.connections.remove(connection);
        self.tell_outcome(node, id, Err(error));
    }
}

/// The way of a segment.
impl<N: Node> World<N> {
    fn send_segment(&mut self, connection: u32, side: Side, segment: Segment) {
        if let Some(stream) = self.connections.stream(connection, side) {
            let number = stream.number();
            self.forward(connection, side, number, segment);
        }
    }

    /// Brings a segment onto the wire, unless those before it wait.
    fn forward(&mut self, connection: u32, side: Side, number: u64, segment: Segment) {
        let Some(end) = self.connections.end(connection, side) else { return };
        if end.stream.paused {
            return end.stream.keep(number, segment);
        }
        let (node, path) = (end.node, end.path);
        let departed = self.depart(Kind::Segment, node, path).and_then(|(packet, receiver)| {
            let size = size(&packet, segment.len(), TCP_HEADER_LEN);
            let interface = self.topology.interface_of(node, path.local()).ok_or(Dropped::NotLocal)?;
            let (mut at, mut further, mut queued) = (self.now, Duration::ZERO, None);
            self.topology.cross_up(interface, |lane| {
                let waiting = lane.append(at, size);
                at = at + waiting + lane.carry().ok_or(Dropped::Lost)?;
                Ok(())
            })?;
            if let Some(receiver) = receiver {
                self.topology.cross_down(receiver, |lane| {
                    further = further.saturating_add(lane.carry().ok_or(Dropped::Lost)?);
                    if lane.is_paced() {
                        queued = Some(receiver);
                    }
                    Ok(())
                })?;
            }
            Ok((packet, at, further, queued))
        });
        match departed {
            Ok((packet, at, further, queued)) => {
                let travel = Travel { connection, side, number, segment, packet };
                match queued {
                    Some(interface) => self.schedule_tcp(at, Due::Queued { travel, interface, further }),
                    None => self.schedule_tcp(at + further, Due::Segment(travel)),
                }
            }
            Err(reason) => self.stall(connection, side, number, segment, reason),
        }
    }

    /// Takes a packet out through the gateways of its sender. Returns also where it seems to go.
    fn depart(&mut self, kind: Kind, node: NodeId, path: Path) -> Result<(Packet, Option<usize>), Dropped> {
        let interface = self.topology.interface_of(node, path.local()).ok_or(Dropped::NotLocal)?;
        if !self.topology.is_plugged(interface) {
            return Err(Dropped::Unplugged);
        }
        let packet = Packet::new(kind, path.local(), path.remote());
        let packet = self.topology.ascend(self.now, interface, packet)?;
        let receiver = self.topology.receiver(self.now, &packet);
        Ok((packet, receiver))
    }

    fn queue_segment(&mut self, travel: Travel, interface: usize, further: Duration) {
        let (mut at, size) = (self.now, size(&travel.packet, travel.segment.len(), TCP_HEADER_LEN));
        // An interface that is gone is noticed on arrival.
        let _ = self.topology.cross_down(interface, |lane| {
            at = at + lane.append(at, size);
            Ok(())
        });
        self.schedule_tcp(at + further, Due::Segment(travel));
    }

    /// Keeps a segment that did not get through for another try, and what follows it as well.
    fn stall(&mut self, connection: u32, side: Side, number: u64, segment: Segment, reason: Dropped) {
        self.count_dropped(reason);
        let now = self.now;
        let Some(end) = self.connections.end(connection, side) else { return };
        let (node, path) = (end.node, end.path);
        end.stream.keep(number, segment);
        if end.stream.paused {
            return;
        }
        end.stream.paused = true;
        let trouble = *end.stream.trouble.get_or_insert(Trouble { since: now, rto: RTO });
        self.trace.record(now, Event::Stalled { node, path, reason });
        self.schedule_tcp(now + trouble.rto, Due::Retry { connection, side });
    }

    fn retry(&mut self, connection: u32, side: Side) {
        let now = self.now;
        let Some(stream) = self.connections.stream(connection, side) else { return };
        let Some(trouble) = stream.trouble.as_mut().filter(|_| stream.paused) else { return };
        if now.saturating_since(trouble.since) >= PATIENCE {
            return self.end(connection, side, Ended::TimedOut);
        }
        trouble.rto = trouble.rto.saturating_mul(2).min(RTO_MAX);
        for (number, segment) in stream.take_waiting() {
            self.forward(connection, side, number, segment);
        }
    }

    fn segment_arrives(&mut self, travel: Travel) {
        let Travel { connection, side, number, segment, packet } = travel;
        let Some(sender) = self.connections.end(connection, side).map(|end| end.node) else { return };
        let (node, path) = match self.route(Some(sender), &packet) {
            Ok(found) => found,
            Err(reason) => return self.stall(connection, side, number, segment, reason),
        };
        let receiver = side.other();
        if self.connections.find(node, path) != Some((connection, receiver)) {
            let at = self.now + self.latency_between(node, path.local(), sender);
            return self.schedule_tcp(at, Due::Reset { connection, side });
        }
        let Some(stream) = self.connections.stream(connection, side) else { return };
        stream.got_through(self.now);
        stream.arrived(number, segment);
        while let Some(segment) =
            self.connections.stream(connection, side).and_then(|stream| stream.next_arrived())
        {
            self.take(connection, receiver, segment);
        }
    }

    /// `side` gets what is next in order.
    fn take(&mut self, connection: u32, side: Side, segment: Segment) {
        let Some(end) = self.connections.end(connection, side) else { return };
        let (node, path) = (end.node, end.path);
        match segment {
            Segment::Welcome => {
                let Some(entry) = self.connections.get_mut(connection) else { return };
                let Opening::Pending { id, .. } = entry.opening else { return };
                entry.opening = Opening::Done;
                entry.opener.present = true;
                self.send_segment(connection, side, Segment::Thanks);
                self.tell_outcome(node, id, Ok(path));
            }
            Segment::Thanks => {
                end.present = true;
                self.tell(node, Event::Accepted { node, path }, |node, now| node.handle_accept(now, path));
            }
            Segment::Data(payload) => {
                end.unread.extend_from_slice(&payload);
                self.read(connection, side);
            }
            Segment::End => {
                self.read_all(connection, side);
                self.end(connection, side, Ended::Closed);
            }
        }
    }
}

/// What the ends are told.
impl<N: Node> World<N> {
    /// Hands over what has arrived, in as many parts as chance will have it.
    fn read(&mut self, connection: u32, side: Side) {
        loop {
            let Some(unread) = self.connections.end(connection, side).map(|end| end.unread.len()) else {
                return;
            };
            if unread == 0 {
                return;
            }
            let len = match self.connections.splitting {
                true => self.connections.draw_read(unread),
                false => Some(unread),
            };
            match len {
                Some(len) => self.hand_over(connection, side, len),
                None => return self.schedule_tcp(self.now + HELD_BACK, Due::Read { connection, side }),
            }
        }
    }

    fn read_all(&mut self, connection: u32, side: Side) {
        if let Some(end) = self.connections.end(connection, side).filter(|end| !end.unread.is_empty()) {
            let len = end.unread.len();
            self.hand_over(connection, side, len);
        }
    }

    fn hand_over(&mut self, connection: u32, side: Side, len: usize) {
        let Some(end) = self.connections.end(connection, side) else { return };
        let (node, path) = (end.node, end.path);
        let rest = end.unread.split_off(len.min(end.unread.len()));
        let payload = Bytes::from(core::mem::replace(&mut end.unread, rest));
        let (read, came) = (Event::Read { node, path, payload: payload.clone() }, length(&payload));
        self.slot_mut(node).into_iter().for_each(|slot| slot.counters.read_bytes += came);
        self.tell(node, read, |node, now| node.handle_bytes(now, path, &payload));
    }

    /// One end learns that it is over.
    fn end(&mut self, connection: u32, side: Side, how: Ended) {
        if let Some(entry) = self.connections.get_mut(connection)
            && let Opening::Pending { .. } = entry.opening
            && side == Side::Opener
        {
            return self.fail(connection, ConnectError::Refused);
        }
        let Some(end) = self.connections.end(connection, side) else { return };
        let End { node, path, present, .. } = *end;
        self.connections.give_up(connection, side);
        self.connections.leave(connection, side);
        if present {
            let ended = Event::Disconnected { node, path, how };
            self.tell(node, ended, |node, now| node.handle_disconnect(now, path, how));
        }
    }

    fn tell_outcome(&mut self, node: NodeId, id: u64, outcome: Result<Path, ConnectError>) {
        let event = Event::Connected { node, outcome };
        self.tell(node, event, |node, now| node.handle_connect(now, id, outcome));
    }

    fn is_present(&mut self, connection: u32, side: Side) -> bool {
        self.connections.end(connection, side).is_some_and(|end| end.present)
    }

    /// How long a packet takes from the interface of one node with this address to another node, without chance.
    fn latency_between(&mut self, from: NodeId, local: core::net::SocketAddr, to: NodeId) -> Duration {
        let mut latency = Duration::ZERO;
        let mut add = |lane: &mut super::Lane| {
            latency = latency.saturating_add(lane.latency());
            Ok(())
        };
        if let Some(interface) = self.topology.interface_of(from, local) {
            // Nothing fails in adding.
            let _ = self.topology.cross_up(interface, &mut add);
        }
        if let Some(interface) = self.topology.first_of(to) {
            let _ = self.topology.cross_down(interface, &mut add);
        }
        latency
    }

    fn way_back(&mut self, connection: u32, side: Side) -> Duration {
        let ends = [side, side.other()]
            .map(|side| self.connections.end(connection, side).map(|end| (end.node, end.path.local())));
        match ends {
            [Some((from, local)), Some((to, _))] => self.latency_between(from, local, to),
            _ => Duration::ZERO,
        }
    }

    fn schedule_tcp(&mut self, at: Timestamp, due: Due) {
        self.schedule(at, WorldDue::Tcp(due));
    }
}

impl Segment {
    fn len(&self) -> usize {
        match self {
            Self::Data(payload) => payload.len(),
            Self::Welcome | Self::Thanks | Self::End => 0,
        }
    }
}

const TCP_HEADER_LEN: usize = 20;

/// How much later a part of what has arrived is read at most.
const HELD_BACK: Duration = Duration::from_millis(1);
