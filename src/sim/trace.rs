//! What happened in a world, line by line, and one number for all of it.

use alloc::collections::VecDeque;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::node::NodeId;
use crate::stun::{AttributeType, Message, Method};
use crate::{Path, Timestamp, Transport};

/// Why a datagram did not arrive.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Dropped {
    /// A link lost it.
    Lost,
    /// The interface of the sender or of the receiver is unplugged.
    Unplugged,
    /// Its source is not an address of the node that sent it.
    NotLocal,
    /// The world carries datagrams only.
    NotUdp,
    /// Nobody in reach has the destination address: private addresses are known on their own network alone.
    NoRoute,
    /// A translator or firewall knows nobody by the destination.
    NoMapping,
    /// A translator or firewall knows the destination but does not let this source in.
    Filtered,
    /// It came back to the translator it had left, which does not hairpin.
    NoHairpin,
    /// A translator has no free port.
    NoPort,
    /// The world was told to [`block`](super::World::block) it.
    Blocked,
    /// The world's [`filter`](super::World::filter) said [`Verdict::Drop`](super::Verdict::Drop).
    Vetoed,
}

impl Dropped {
    /// What stands for it in the hash.
    const fn number(self) -> u64 {
        match self {
            Self::Lost => 1,
            Self::Unplugged => 2,
            Self::NotLocal => 3,
            Self::NotUdp => 4,
            Self::NoRoute => 5,
            Self::NoMapping => 6,
            Self::Filtered => 7,
            Self::NoHairpin => 8,
            Self::NoPort => 9,
            Self::Blocked => 10,
            Self::Vetoed => 11,
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The node sent a datagram.
    Sent {
        /// Who.
        node: NodeId,
        /// From and to, as the node sees it.
        path: Path,
        /// What.
        payload: Bytes,
    },
    /// The node received a datagram.
    Delivered {
        /// Who.
        node: NodeId,
        /// To (local) and from (remote), as the node sees it.
        path: Path,
        /// What.
        payload: Bytes,
    },
    /// A datagram did not arrive.
    Dropped {
        /// Why.
        reason: Dropped,
        /// From: as the sender sees it where it did not get out, else as the receiver would.
        source: SocketAddr,
        /// To, as the sender sees it.
        destination: SocketAddr,
        /// What.
        payload: Bytes,
    },
    /// The node's deadline was served.
    Timeout {
        /// Whose.
        node: NodeId,
    },
    /// The node was added, or given a command.
    Command {
        /// Which.
        node: NodeId,
    },
    /// A message was sent past the network.
    Signal {
        /// Who.
        from: NodeId,
        /// To whom.
        to: NodeId,
        /// What.
        message: Bytes,
    },
    /// A message past the network arrived.
    SignalDelivered {
        /// From whom.
        from: NodeId,
        /// Who.
        to: NodeId,
        /// What.
        message: Bytes,
    },
}

/// An [`Event`] and its time. `Display` makes one line of it, which says what STUN messages are about.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// What happened in a world, oldest first; its `Display` is the text.
///
/// The last [`ENTRIES_MAX`](Self::ENTRIES_MAX) entries are kept, the hash covers all.
#[derive(Debug)]
pub struct Trace {
    entries: VecDeque<Entry>,
    recorded: u64,
    hash: Fnv,
}

impl Trace {
    /// As many entries are kept: minutes of a busy pair of agents, some ten megabytes.
    pub const ENTRIES_MAX: usize = 65_536;

    pub(super) fn new() -> Self {
        Self { entries: VecDeque::new(), recorded: 0, hash: Fnv::default() }
    }

    /// The entries that were kept, oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// How many entries there were.
    pub const fn recorded(&self) -> u64 {
        self.recorded
    }

    /// A number (FNV-1a) made from all entries, payloads included: equal for equal seeds and commands, on every
    /// platform.
    pub const fn hash(&self) -> u64 {
        self.hash.0
    }

    pub(super) fn record(&mut self, at: Timestamp, event: Event) {
        let entry = Entry { at, event };
        self.hash.entry(&entry);
        self.recorded = self.recorded.saturating_add(1);
        if self.entries.len() == Self::ENTRIES_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// The last `count` lines.
    pub(super) const fn tail(&self, count: usize) -> Tail<'_> {
        Tail { trace: self, count }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tail(usize::MAX).fmt(f)
    }
}

/// The end of a trace, for people.
pub(super) struct Tail<'a> {
    trace: &'a Trace,
    count: usize,
}

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = &self.trace.entries;
        let skipped = entries.len().saturating_sub(self.count);
        entries.iter().skip(skipped).try_for_each(|entry| writeln!(f, "{entry}"))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.at.as_nanos();
        write!(f, "{:>6}.{:06} ", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1_000)?;
        match &self.event {
            Event::Sent { node, path, payload } => {
                write!(f, "{node} {} -> {} {}", path.local(), path.remote(), Summary(payload))
            }
            Event::Delivered { node, path, payload } => {
                write!(f, "{node} {} <- {} {}", path.local(), path.remote(), Summary(payload))
            }
            Event::Dropped { reason, source, destination, payload } => {
                write!(f, "   {source} -x {destination} {} {reason:?}", Summary(payload))
            }
            Event::Timeout { node } => write!(f, "{node} timeout"),
            Event::Command { node } => write!(f, "{node} command"),
            Event::Signal { from, to, message } => write!(f, "{from} => {to} {} bytes", message.len()),
            Event::SignalDelivered { from, to, message } => {
                write!(f, "{to} <= {from} {} bytes", message.len())
            }
        }
    }
}

/// A payload in a few words.
struct Summary<'a>(&'a [u8]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(message) = Message::parse(self.0) else {
            return write!(f, "{} bytes", self.0.len());
        };
        match message.method() {
            Method::BINDING => f.write_str("Binding")?,
            Method::ALLOCATE => f.write_str("Allocate")?,
            Method::REFRESH => f.write_str("Refresh")?,
            Method::CREATE_PERMISSION => f.write_str("CreatePermission")?,
            Method::CHANNEL_BIND => f.write_str("ChannelBind")?,
            Method::SEND => f.write_str("Send")?,
            Method::DATA => f.write_str("Data")?,
            other => write!(f, "{other:?}")?,
        }
        let [first, second, third, fourth, ..] = *message.transaction_id().as_bytes();
        write!(f, " {:?} {first:02x}{second:02x}{third:02x}{fourth:02x}", message.class())?;
        if message.contains(AttributeType::USE_CANDIDATE) {
            f.write_str(" USE-CANDIDATE")?;
        }
        Ok(())
    }
}

/// FNV-1a over 64 bits, of an encoding of its own: `core::hash` promises no bytes that stay the same.
#[derive(Debug)]
struct Fnv(u64);

impl Fnv {
    fn entry(&mut self, entry: &Entry) {
        self.number(entry.at.as_nanos());
        match &entry.event {
            Event::Sent { node, path, payload } => self.datagram(1, *node, path, payload),
            Event::Delivered { node, path, payload } => self.datagram(2, *node, path, payload),
            Event::Dropped { reason, source, destination, payload } => {
                self.number(3);
                self.number(reason.number());
                self.address(*source);
                self.address(*destination);
                self.payload(payload);
            }
            Event::Timeout { node } => self.nodes(4, *node, *node),
            Event::Command { node } => self.nodes(5, *node, *node),
            Event::Signal { from, to, message } => {
                self.nodes(6, *from, *to);
                self.payload(message);
            }
            Event::SignalDelivered { from, to, message } => {
                self.nodes(7, *from, *to);
                self.payload(message);
            }
        }
    }

    fn datagram(&mut self, kind: u64, node: NodeId, path: &Path, payload: &[u8]) {
        self.nodes(kind, node, node);
        self.number(match path.transport() {
            Transport::Udp => 0,
            Transport::Tcp => 1,
        });
        self.address(path.local());
        self.address(path.remote());
        self.payload(payload);
    }

    fn nodes(&mut self, kind: u64, from: NodeId, to: NodeId) {
        self.number(kind);
        self.number(from.as_u32().into());
        self.number(to.as_u32().into());
    }

    fn address(&mut self, address: SocketAddr) {
        match address.ip() {
            IpAddr::V4(ip) => self.payload(&ip.octets()),
            IpAddr::V6(ip) => self.payload(&ip.octets()),
        }
        self.number(address.port().into());
    }

    fn payload(&mut self, bytes: &[u8]) {
        self.number(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.bytes(bytes);
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}
