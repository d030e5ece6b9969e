//! What happened in a world, line by line, and one number for all of it.

mod hash;
mod text;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use hash::Fnv;
use text::Tail;

use super::connection::{ConnectError, Ended};
use super::node::NodeId;
use crate::{Path, Timestamp};

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
    /// It was to be [transmitted](super::Output::Transmit) on a path of TCP, which is [written](super::Output::Write) to.
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
    /// It is longer than what a link carries ([`Link::mtu`](super::Link::mtu)).
    TooLong,
    /// It would have had to wait for more than a link holds ([`Link::rate`](super::Link::rate)).
    Congested,
    /// A firewall lets nothing of the kind pass.
    Forbidden,
    /// The same, and the firewall has said so.
    Rejected,
    /// Its receiver is suspended.
    Suspended,
    /// It was written to a connection that is not there.
    NotConnected,
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
            Self::TooLong => 12,
            Self::Congested => 13,
            Self::Forbidden => 14,
            Self::Rejected => 15,
            Self::Suspended => 16,
            Self::NotConnected => 17,
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
    /// The node wants a connection.
    Connecting {
        /// Who.
        node: NodeId,
        /// From where; port 0 is any.
        local: SocketAddr,
        /// Where to.
        remote: SocketAddr,
    },
    /// What has come of it.
    Connected {
        /// Who.
        node: NodeId,
        /// The path, as the node sees it.
        outcome: Result<Path, ConnectError>,
    },
    /// The node has got a connection from somebody else.
    Accepted {
        /// Who.
        node: NodeId,
        /// The path, as the node sees it.
        path: Path,
    },
    /// The node wrote to a connection.
    Written {
        /// Who.
        node: NodeId,
        /// The path, as the node sees it.
        path: Path,
        /// What.
        payload: Bytes,
    },
    /// The node read from a connection.
    Read {
        /// Who.
        node: NodeId,
        /// The path, as the node sees it.
        path: Path,
        /// What.
        payload: Bytes,
    },
    /// What the node wrote does not get through for now.
    Stalled {
        /// Whose.
        node: NodeId,
        /// The path, as the node sees it.
        path: Path,
        /// Why.
        reason: Dropped,
    },
    /// The node closes a connection.
    Disconnecting {
        /// Who.
        node: NodeId,
        /// The path, as the node sees it.
        path: Path,
    },
    /// The node lost a connection.
    Disconnected {
        /// Who.
        node: NodeId,
        /// The path, as the node sees it.
        path: Path,
        /// How.
        how: Ended,
    },
    /// The node asked for the address of a name.
    Resolving {
        /// Who.
        node: NodeId,
        /// Of what.
        name: String,
    },
    /// The node got the answer.
    Resolved {
        /// Who.
        node: NodeId,
        /// The address, if there is one.
        address: Option<IpAddr>,
    },
    /// The addresses of the node are other ones.
    Addresses {
        /// Whose.
        node: NodeId,
        /// All that there are now.
        addresses: Vec<SocketAddr>,
    },
    /// Something that the world was told to do [at a time](super::World::at).
    Acted {
        /// What.
        action: &'static str,
        /// To whom.
        node: Option<NodeId>,
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
/// The last [`ENTRIES_MAX`](Self::ENTRIES_MAX) entries are kept unless the world is told to keep
/// [another number](super::World::set_entries_kept), the hash covers all.
#[derive(Debug)]
pub struct Trace {
    entries: VecDeque<Entry>,
    kept: usize,
    recorded: u64,
    hash: Fnv,
}

impl Trace {
    /// As many entries are kept: minutes of a busy pair of agents, some ten megabytes.
    pub const ENTRIES_MAX: usize = 65_536;

    pub(super) fn new() -> Self {
        Self { entries: VecDeque::new(), kept: Self::ENTRIES_MAX, recorded: 0, hash: Fnv::default() }
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
        self.hash.value()
    }

    /// The first entry in which two traces differ, if they do: for two runs that should have been the same.
    ///
    /// ```
    /// use core::time::Duration;
    /// use floe::sim::{Nat, NetworkId, Peer, World};
    ///
    /// let run = |latency| {
    ///     let mut world = World::<Peer>::new(7);
    ///     let network = world.add_network(NetworkId::PUBLIC, Nat::none());
    ///     world.add_server(network, floe::sim::StunServer::new());
    ///     world.run_for(Duration::from_secs(1));
    ///     world.spoof("192.0.2.1:1".parse().unwrap(), "192.0.2.2:1".parse().unwrap(), latency);
    ///     world
    /// };
    /// let (one, same, other) = (run(b"one"), run(b"one"), run(b"other"));
    /// assert!(one.trace().first_difference(same.trace()).is_none());
    /// let difference = one.trace().first_difference(other.trace()).unwrap();
    /// assert_eq!(difference.number, 1);
    /// assert!(difference.to_string().contains("3 bytes NoRoute"), "{difference}");
    /// ```
    pub fn first_difference<'a>(&'a self, other: &'a Self) -> Option<Difference<'a>> {
        let first_kept = self.first_kept().max(other.first_kept());
        let last = self.recorded.max(other.recorded);
        for number in first_kept..last {
            let (here, there) = (self.entry(number), other.entry(number));
            if here != there {
                return Some(Difference { number, here, there });
            }
        }
        (self.hash() != other.hash()).then_some(Difference { number: first_kept, here: None, there: None })
    }

    pub(super) fn keep(&mut self, entries: usize) {
        self.kept = entries;
        self.entries.drain(..self.entries.len().saturating_sub(entries));
    }

    pub(super) fn record(&mut self, at: Timestamp, event: Event) {
        let entry = Entry { at, event };
        self.hash.entry(&entry);
        self.recorded = self.recorded.saturating_add(1);
        if self.kept == 0 {
            return;
        }
        if self.entries.len() >= self.kept {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// The last `count` lines.
    pub(super) const fn tail(&self, count: usize) -> Tail<'_> {
        Tail::new(self, count)
    }

    /// The number of the oldest entry that was kept.
    fn first_kept(&self) -> u64 {
        self.recorded.saturating_sub(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first_kept())?).ok()?)
    }
}

/// Where two traces part.
///
/// `Display` shows the two entries one below the other.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Difference<'a> {
    /// The number of the entry, from zero on. If neither trace has kept it, they part somewhere before.
    pub number: u64,
    /// What the one trace has there, unless it is over or has not kept it.
    pub here: Option<&'a Entry>,
    /// What the other has.
    pub there: Option<&'a Entry>,
}
