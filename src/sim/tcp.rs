//! Connections over TCP: opened, carried reliably and in order whatever the links lose, and ended.
//!
//! Each direction is a queue of segments. One that a link loses comes later, as if it had been sent again; one that
//! cannot leave or cannot get in is tried again, after a second and then less and less often, and everything behind it
//! waits. After 100 s of that its sender is told that the connection is over.

mod carry;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::mem;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use super::chance::{Chance, Purpose};
use super::connection::{Connect, ConnectError};
use super::link::Lane;
use super::node::NodeId;
use super::topology::Packet;
use crate::{Path, Timestamp, Transport};

/// All connections of a world.
#[derive(Debug)]
pub(super) struct Connections {
    /// By number.
    all: BTreeMap<u32, Connection>,
    ends: BTreeMap<(NodeId, Path), (u32, Side)>,
    pub(super) listeners: BTreeSet<(NodeId, SocketAddr)>,
    next: u32,
    next_port: u16,
    pub(super) splitting: bool,
    pub(super) chance: Chance,
}

/// One of the two ends of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Opener,
    Acceptor,
}

/// A connection, open or being opened.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) opening: Opening,
    opener: End,
    /// Once the opener's first packet has reached it.
    acceptor: Option<End>,
}

/// What the opener waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Opening {
    Pending { id: u64, rto: Duration },
    Done,
}

/// One end, and what it sends.
#[derive(Debug)]
pub(super) struct End {
    pub(super) node: NodeId,
    /// As the node sees it.
    pub(super) path: Path,
    /// The node knows of it: it was told that it is open, and not that it has ended.
    pub(super) present: bool,
    pub(super) stream: Stream,
    /// What has come and the node has not read.
    pub(super) unread: Vec<u8>,
}

/// What one end has sent and the other has not received.
#[derive(Debug)]
pub(super) struct Stream {
    next: u64,
    /// What is to be sent again, by number.
    waiting: BTreeMap<u64, Segment>,
    /// The number of the segment that the far end has to get next.
    expected: u64,
    /// What has arrived before its turn.
    early: BTreeMap<u64, Segment>,
    pub(super) trouble: Option<Trouble>,
    /// Whether nothing is sent until it is time to try again.
    pub(super) paused: bool,
}

/// Since when nothing of a stream gets through, and how long to wait for the next try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    pub(super) since: Timestamp,
    pub(super) rto: Duration,
}

/// What travels.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    /// The acceptor's answer to the opener.
    Welcome,
    /// The opener's answer to that.
    Thanks,
    Data(Bytes),
    /// There will be no more.
    End,
}

/// What can become of a connection at a time to come.
#[derive(Debug)]
pub(super) enum Due {
    /// The opener's packet arrives.
    Opening { connection: u32, packet: Packet },
    /// The opener tries again.
    Reopen { connection: u32 },
    /// The opener learns that there is no connection.
    Failed { connection: u32, error: ConnectError },
    /// There was nothing to begin with.
    Refused { node: NodeId, id: u64, error: ConnectError },
    /// A segment reaches a link on which it may have to wait.
    Queued { travel: Travel, interface: usize, further: Duration },
    /// A segment arrives.
    Segment(Travel),
    /// A stream is tried again.
    Retry { connection: u32, side: Side },
    /// What the network has held back of what has arrived is read.
    Read { connection: u32, side: Side },
    /// One end learns that the other does not know it.
    Reset { connection: u32, side: Side },
}

/// A segment of the stream of `side` under way.
#[derive(Debug)]
pub(super) struct Travel {
    pub(super) connection: u32,
    pub(super) side: Side,
    pub(super) number: u64,
    pub(super) segment: Segment,
    pub(super) packet: Packet,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Opener => Self::Acceptor,
            Self::Acceptor => Self::Opener,
        }
    }
}

impl Connections {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            all: BTreeMap::new(),
            ends: BTreeMap::new(),
            listeners: BTreeSet::new(),
            next: 0,
            next_port: FIRST_PORT,
            splitting: true,
            chance: Chance::new(seed, Purpose::Reads),
        }
    }

    /// Begins a connection. Returns its number, or `None` if the same one is there already or no port is free.
    pub(super) fn open(&mut self, node: NodeId, connect: Connect) -> Option<(u32, Path)> {
        let path = |port| {
            let local = SocketAddr::new(connect.local.ip(), port);
            // The zone of a link-local address stays.
            let local = match (connect.local, local) {
                (SocketAddr::V6(mut v6), _) => {
                    v6.set_port(port);
                    SocketAddr::V6(v6)
                }
                (SocketAddr::V4(_), v4) => v4,
            };
            Path::new(Transport::Tcp, local, connect.remote)
        };
        let path = match connect.local.port() {
            0 => {
                let mut ports = (self.next_port..=u16::MAX).chain(FIRST_PORT..self.next_port);
                let port = ports.find(|port| !self.ends.contains_key(&(node, path(*port))))?;
                self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
                path(port)
            }
            port => Some(path(port)).filter(|path| !self.ends.contains_key(&(node, *path)))?,
        };
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        let opening = Opening::Pending { id: connect.id, rto: RTO };
        self.all.insert(number, Connection { opening, opener: End::new(node, path), acceptor: None });
        self.ends.insert((node, path), (number, Side::Opener));
        Some((number, path))
    }

    /// Puts the acceptor's end in place. `false` if it is there already, or another connection has its path.
    pub(super) fn accept(&mut self, connection: u32, node: NodeId, path: Path) -> bool {
        let Some(entry) = self.all.get_mut(&connection) else { return false };
        if entry.acceptor.is_some() || self.ends.contains_key(&(node, path)) {
            return false;
        }
        entry.acceptor = Some(End::new(node, path));
        self.ends.insert((node, path), (connection, Side::Acceptor));
        true
    }

    pub(super) fn get_mut(&mut self, connection: u32) -> Option<&mut Connection> {
        self.all.get_mut(&connection)
    }

    pub(super) fn end(&mut self, connection: u32, side: Side) -> Option<&mut End> {
        let entry = self.all.get_mut(&connection)?;
        match side {
            Side::Opener => Some(&mut entry.opener),
            Side::Acceptor => entry.acceptor.as_mut(),
        }
    }

    pub(super) fn stream(&mut self, connection: u32, side: Side) -> Option<&mut Stream> {
        Some(&mut self.end(connection, side)?.stream)
    }

    /// The connection that a node knows as `path`.
    pub(super) fn find(&self, node: NodeId, path: Path) -> Option<(u32, Side)> {
        self.ends.get(&(node, path)).copied()
    }

    /// The paths of the connections that a node knows of.
    pub(super) fn paths(&self, node: NodeId) -> impl Iterator<Item = Path> {
        let known = |(connection, side): (u32, Side)| {
            let entry = self.all.get(&connection)?;
            let end = if side == Side::Opener { Some(&entry.opener) } else { entry.acceptor.as_ref() };
            end.filter(|end| end.present).map(|end| end.path)
        };
        self.of(node).into_iter().filter_map(known)
    }

    /// The connections of a node.
    pub(super) fn of(&self, node: NodeId) -> Vec<(u32, Side)> {
        let first = Path::udp(SocketAddr::from(([0, 0, 0, 0], 0)), SocketAddr::from(([0, 0, 0, 0], 0)));
        let ends = self.ends.range((node, first)..);
        ends.take_while(|((of, _), _)| *of == node).map(|(_, end)| *end).collect()
    }

    /// The node knows of this end no more. Its stream goes on until it has been sent.
    pub(super) fn leave(&mut self, connection: u32, side: Side) {
        let Some(end) = self.end(connection, side) else { return };
        end.present = false;
        end.unread.clear();
        let key = (end.node, end.path);
        self.ends.remove(&key);
        self.tidy(connection);
    }

    /// Nothing that this end has sent is tried again.
    pub(super) fn give_up(&mut self, connection: u32, side: Side) {
        if let Some(stream) = self.stream(connection, side) {
            stream.waiting.clear();
            (stream.trouble, stream.paused) = (None, false);
        }
        self.tidy(connection);
    }

    /// Forgets a connection altogether.
    pub(super) fn remove(&mut self, connection: u32) {
        if let Some(entry) = self.all.remove(&connection) {
            for end in [Some(entry.opener), entry.acceptor].into_iter().flatten() {
                self.ends.remove(&(end.node, end.path));
            }
        }
    }

    /// How much of so many bytes is read at once; `None` if the network holds them back for now.
    fn draw_read(&mut self, unread: usize) -> Option<usize> {
        match (self.chance.between(0, 3), u16::try_from(unread - 1).unwrap_or(u16::MAX)) {
            (0, most @ 1..) => Some(self.chance.between(1, most).into()),
            (1, _) => None,
            _ => Some(unread),
        }
    }

    /// Forgets a connection that neither end knows and on which nothing waits.
    fn tidy(&mut self, connection: u32) {
        let is_known = |end: &End| self.ends.get(&(end.node, end.path)).is_some_and(|it| it.0 == connection);
        let is_over = self.all.get(&connection).is_some_and(|entry| {
            let mut ends = [Some(&entry.opener), entry.acceptor.as_ref()].into_iter().flatten();
            !ends.any(|end| is_known(end) || end.stream.is_busy())
        });
        if is_over {
            self.all.remove(&connection);
        }
    }
}

impl End {
    fn new(node: NodeId, path: Path) -> Self {
        let stream = Stream {
            next: 0,
            waiting: BTreeMap::new(),
            expected: 0,
            early: BTreeMap::new(),
            trouble: None,
            paused: false,
        };
        Self { node, path, present: false, stream, unread: Vec::new() }
    }
}

impl Stream {
    /// Numbers a new segment.
    pub(super) fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Keeps a segment for the next try.
    pub(super) fn keep(&mut self, number: u64, segment: Segment) {
        self.waiting.insert(number, segment);
    }

    /// Notes that the far end is in reach.
    fn got_through(&mut self, now: Timestamp) {
        match &mut self.trouble {
            Some(trouble) if self.paused => trouble.since = now,
            trouble => *trouble = None,
        }
    }

    fn arrived(&mut self, number: u64, segment: Segment) {
        self.early.insert(number, segment);
    }

    /// The next segment in order, if it has arrived.
    fn next_arrived(&mut self) -> Option<Segment> {
        let segment = self.early.remove(&self.expected)?;
        self.expected += 1;
        Some(segment)
    }

    fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What is to be tried again, in order.
    pub(super) fn take_waiting(&mut self) -> BTreeMap<u64, Segment> {
        self.paused = false;
        mem::take(&mut self.waiting)
    }
}

/// The first of the ports that are given out: the range of Linux.
const FIRST_PORT: u16 = 32_768;

/// RFC 6298 section 2: before anything has been measured.
pub(super) const RTO: Duration = Duration::from_secs(1);

/// RFC 6298 section 2.5.
pub(super) const RTO_MAX: Duration = Duration::from_secs(60);

/// RFC 9293 section 3.8.3: R2, for data.
pub(super) const PATIENCE: Duration = Duration::from_secs(100);

/// What Linux makes of six tries: 1 + 2 + 4 + .. + 64 s.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(127);
