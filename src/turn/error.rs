//! What can be wrong with a call, with a peer, with an allocation, and with a datagram.

use crate::stun::{self, DecodeError};
use crate::turn::ChannelDataError;
use core::net::SocketAddr;
use core::time::Duration;

/// A call that cannot be carried out as it stands. The network never causes one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing can be done with a closed client.
    #[error("the client is closed")]
    Closed,
    /// There is no allocation to send through, or to move.
    #[error("there is no allocation")]
    NotAllocated,
    /// The server has refused for good: see [`Failure::retry_after`]. Other credentials may help.
    #[error("the server has refused, and would again: {0}")]
    Refused(Failure),
    /// The server does not let this peer through; it can be asked again a minute after it said so.
    #[error("the server has refused the peer: {0}")]
    Peer(PeerError),
    /// The address is no peer's: unspecified, multicast, without a port, or the relay itself.
    #[error("the address cannot be that of a peer")]
    Address,
    /// The relay has no address of the peer's family.
    #[error("the relayed address is of another family than the peer's")]
    Family,
    /// A limit of the configuration is reached; [`Client::forget`](super::Client::forget) makes room in time.
    #[error("a limit of the configuration is reached")]
    Limit,
    /// What is relayed fits into a datagram: 65,535 bytes at most.
    #[error("the payload is longer than a datagram can be")]
    TooLong,
    /// The server has given no ticket (RFC 8016): the allocation cannot be moved to another 5-tuple.
    #[error("the allocation cannot be moved")]
    Immobile,
    /// The path has another transport, or a server of another family.
    #[error("the path leads elsewhere")]
    Path,
    /// User name or password cannot be used.
    #[error(transparent)]
    Credentials(#[from] stun::EncodeError),
}

/// Why a peer cannot be reached through the relay.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The server refused the permission with this code: 403 where its rules forbid the peer.
    #[error("the server answered {0}, {name}", name = code_name(*.0))]
    Refused(u16),
    /// The server has not answered, or not in a way that can be believed.
    #[error("{0}")]
    Unanswered(Failure),
    /// The relay has no address of the peer's family.
    #[error("the relayed address is of another family")]
    Family,
}

/// Why no allocation came about, or why there is none any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The server has not answered.
    #[error("no response")]
    Timeout,
    /// Only responses came whose integrity was absent or wrong. A server that answers a first request with 400 and does not
    /// sign it looks like this, too: nobody can tell it from a forger (rfc8489-9.2.5-11).
    #[error("only responses without valid integrity")]
    IntegrityViolated,
    /// The server does not accept the credentials, or asks for what cannot be given.
    #[error("the server does not accept the credentials")]
    Credentials,
    /// The server asks for an access token (RFC 7635), and there is none: see
    /// [`Client::third_party_server`](super::Client::third_party_server).
    #[error("the server asks for an access token")]
    TokenWanted,
    /// 437: the server knows an allocation on this 5-tuple that is not ours, and has not let go of it.
    /// [`migrate`](super::Client::migrate) to another local address and allocate again, at most twice (RFC 8656 section
    /// 7.4). Of a live allocation: the server knows nothing of it (any more).
    #[error("the server and we disagree about the allocation on this 5-tuple")]
    Mismatch,
    /// Another error code.
    #[error("the server answered {0}, {name}", name = code_name(*.0))]
    Refused(u16),
    /// 300: the server wants another one to be asked, which is not done unless
    /// [`Config::follow_alternate`](super::Config::follow_alternate) is set and the address is fit for it.
    #[error("the server names {0} in its place")]
    Redirected(SocketAddr),
    /// The server has granted something that makes no allocation, or one of a family that was not asked for.
    #[error("the allocation that was granted cannot be used")]
    Unusable,
    /// The socket of the path refused to send.
    #[error("the network refused to send")]
    Unreachable,
    /// The lifetime ran out before the server confirmed another one.
    #[error("the allocation has expired")]
    Expired,
}

impl Failure {
    /// After what time a further [`allocate`](super::Client::allocate) leaves; `None` if there will be none, because the
    /// server would have to change its mind about this user or this request.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            // rfc8656-7.4-12, rfc8656-7.4-13
            Self::Refused(486 | 508) => Some(Duration::from_secs(60)),
            // Errors that pass: RFC 8489 section 6.3.4.
            Self::Refused(408 | 500..=599) => Some(Duration::from_secs(10)),
            // rfc8656-7.4-3, rfc8656-7.4-5, rfc8656-7.4-9, rfc8656-7.4-10, rfc8656-7.4-11, rfc8656-7.3-1, rfc8656-7.4-4
            Self::Refused(_) | Self::Unusable | Self::Credentials | Self::TokenWanted => None,
            Self::Timeout
            | Self::IntegrityViolated
            | Self::Mismatch
            | Self::Redirected(_)
            | Self::Unreachable
            | Self::Expired => Some(Duration::ZERO),
        }
    }
}

impl From<stun::Failure> for Failure {
    fn from(failure: stun::Failure) -> Self {
        match failure {
            stun::Failure::Timeout => Self::Timeout,
            stun::Failure::IntegrityViolated => Self::IntegrityViolated,
        }
    }
}

impl From<stun::Refusal> for Failure {
    fn from(refusal: stun::Refusal) -> Self {
        match refusal {
            stun::Refusal::TokenWanted => Self::TokenWanted,
            _ => Self::Credentials,
        }
    }
}

/// Why a datagram was ignored. Nothing has changed through it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Ignored {
    /// It came on another path than the one to the server.
    #[error("not from the server")]
    Stranger,
    /// It is neither STUN nor ChannelData.
    #[error("neither STUN nor ChannelData")]
    Foreign,
    /// A STUN message that is none.
    #[error(transparent)]
    Malformed(DecodeError),
    /// A ChannelData message that is none.
    #[error(transparent)]
    Channel(ChannelDataError),
    /// A message that a server does not send to a client, or not in this state.
    #[error("nothing that a server sends to a client now")]
    Unexpected,
    /// A response to a request that is not under way (any more).
    #[error("a response to no request")]
    Unasked,
    /// A response whose integrity is absent or wrong.
    #[error("a response without valid integrity")]
    Unauthenticated,
    /// Data on a channel that is not bound.
    #[error("the channel is not bound")]
    Unbound,
    /// Data from a peer without permission, or from a peer that cannot be.
    #[error("the peer has no permission")]
    NotPermitted,
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}

/// The names of RFC 8656 section 19, RFC 8489 section 14.8 and RFC 8016 section 4.
const fn code_name(code: u16) -> &'static str {
    match code {
        300 => "Try Alternate",
        400 => "Bad Request",
        401 => "Unauthenticated",
        403 => "Forbidden",
        405 => "Mobility Forbidden",
        420 => "Unknown Attribute",
        437 => "Allocation Mismatch",
        438 => "Stale Nonce",
        440 => "Address Family not Supported",
        441 => "Wrong Credentials",
        442 => "Unsupported Transport Protocol",
        443 => "Peer Address Family Mismatch",
        446 => "Connection Already Exists",
        447 => "Connection Timeout or Failure",
        486 => "Allocation Quota Reached",
        500 => "Server Error",
        508 => "Insufficient Capacity",
        _ => "unknown error",
    }
}
