//! What a client has done that it must not do.

use crate::stun::{AttributeType, Method};
use crate::turn::ChannelNumber;

/// A rule that a client has broken, as the server sees it.
///
/// What a race or a lost datagram can bring about is none: data on a channel that is not bound, a request without an
/// allocation. [`Traffic`] counts the first, the answers given count the second.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Violation {
    /// A datagram that is neither STUN nor ChannelData.
    Unreadable,
    /// A message of a class or method that no client sends.
    Unexpected(Method),
    /// FINGERPRINT is wrong (RFC 8489 section 14.7).
    Fingerprint,
    /// A transaction id was used for two different requests (RFC 8489 section 5).
    TransactionReused,
    /// An attribute that has to be understood has no place in TURN.
    UnknownAttribute(AttributeType),
    /// A request other than Allocate has no integrity (RFC 8656 section 5).
    Unauthenticated(Method),
    /// A request without integrity has USERNAME, USERHASH, REALM or NONCE (RFC 8489 section 9.2.3.1).
    Disclosed(AttributeType),
    /// A request with integrity lacks USERNAME and USERHASH, REALM or NONCE (RFC 8489 section 9.2.3.2).
    Incomplete(AttributeType),
    /// REALM or NONCE is not one that this server has given (RFC 8489 section 9.2.5).
    Invented(AttributeType),
    /// PASSWORD-ALGORITHMS is not echoed, or PASSWORD-ALGORITHM not of it (RFC 8489 section 9.2.5).
    Algorithms,
    /// The integrity is not MESSAGE-INTEGRITY-SHA256 alone though the server offered PASSWORD-ALGORITHMS
    /// (RFC 8489 section 9.2.5).
    Weakened,
    /// USERNAME where the server wanted USERHASH (RFC 8489 section 9.2.5).
    NameShown,
    /// An attribute is missing, malformed, or in bad company in a request of this method (RFC 8656 sections 7.1, 8.1,
    /// 10.1 and 12.1) or a Send indication (section 11.1).
    Malformed(Method),
    /// A channel was bound to a second peer, or a peer to a second channel (RFC 8656 section 12).
    ChannelTaken(ChannelNumber),
    /// The same, less than five minutes after the first binding expired (RFC 8656 section 12).
    ChannelHasty(ChannelNumber),
}

/// Counts what a server has relayed, and what not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Traffic {
    /// Datagrams relayed to peers.
    pub to_peers: u64,
    /// Datagrams relayed to clients.
    pub to_clients: u64,
    /// Of those, with ChannelData.
    pub by_channel: u64,
    /// Send indications and ChannelData from 5-tuples that have no allocation.
    pub without_allocation: u64,
    /// Send indications and ChannelData for peers without permission.
    pub without_permission: u64,
    /// ChannelData on channels that are not bound.
    pub without_channel: u64,
    /// Datagrams from peers without permission, or to no relayed address.
    pub unwanted: u64,
}

/// Counts what has come to its end because nobody refreshed it. An allocation takes its permissions and channels with
/// it; those are not counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Expired {
    /// Allocations.
    pub allocations: u64,
    /// Permissions.
    pub permissions: u64,
    /// Channels.
    pub channels: u64,
}
