//! What can be wrong with a call, with a datagram, with a server, or with a stream.

use crate::ice::{AddressError, CheckError};
use crate::stun::DecodeError;
use crate::turn;

/// A call that cannot be carried out as it stands. The network never causes one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream does not exist, or was closed.
    #[error("no such stream")]
    UnknownStream,
    /// The component does not exist, or was removed.
    #[error("no such component")]
    UnknownComponent,
    /// The base does not exist, or was removed.
    #[error("no such base")]
    UnknownBase,
    /// The server does not exist, or was removed.
    #[error("no such server")]
    UnknownServer,
    /// The pair does not exist, or is not valid.
    #[error("no such pair in the valid list")]
    UnknownPair,
    /// Nothing can be done with a closed agent.
    #[error("the agent is closed")]
    Closed,
    /// Streams have 1 to 255 components.
    #[error("a stream has 1 to 255 components")]
    ComponentCount,
    /// The address cannot be that of a base, a server or a candidate.
    #[error(transparent)]
    Address(AddressError),
    /// Loopback addresses are for simulations (RFC 8445 section 5.1.1.1).
    #[error("a loopback address needs Config::loopback")]
    Loopback,
    /// Two bases cannot have the same transport and address.
    #[error("there is a base on this address already")]
    BaseExists,
    /// A temporary address of the same host is a base, and this one would give the host away (RFC 8445 section 5.1.1.1).
    #[error("the address would give away what a temporary address hides")]
    Trackable,
    /// The name of a base is a version 4 UUID and `.local`, and hides one address
    /// (draft-ietf-mmusic-mdns-ice-candidates section 3.1.1).
    #[error("a base is named by a version 4 UUID and .local, another one for each address")]
    BaseName,
    /// The candidates of a lite agent are ranked together, once all its bases are known (RFC 8445 section 5.2).
    #[error("a lite agent has no bases after their end")]
    EndOfBases,
    /// The candidate names a component that the stream does not have.
    #[error("the stream has no such component")]
    CandidateComponent,
    /// The candidate's transport is not supported.
    #[error("the candidate's transport is not supported")]
    CandidateTransport,
    /// The name is not made as names are that hide an address: a version 4 UUID and `.local`. No other one is asked for
    /// (draft-ietf-mmusic-mdns-ice-candidates section 3.2.2).
    #[error("the name is not a version 4 UUID and .local")]
    CandidateName,
    /// The candidate belongs to another generation (its `ufrag` is not the peer's).
    #[error("the candidate belongs to another generation")]
    CandidateGeneration,
    /// The peer declared the end of its candidates before this one (RFC 8838 section 14).
    #[error("the peer has declared the end of its candidates")]
    EndOfCandidates,
    /// For their mapped addresses servers are asked over plain UDP.
    #[error("a STUN server is asked over UDP, unprotected")]
    ServerTransport,
    /// A user name or a password cannot be that of a TURN server: empty, too long, or with forbidden characters (RFC 8489
    /// sections 14.3 and 14.4).
    #[error("these cannot be the credentials of a TURN server")]
    ServerCredentials,
    /// A lite agent has host candidates only (RFC 8445 section 5.2).
    #[error("a lite agent asks no servers")]
    LiteServer,
    /// A lite agent has one candidate for an IP address and a component (RFC 8445 section 5.2).
    #[error("a lite agent has one candidate for an address and a component")]
    LiteAddress,
    /// A limit of the configuration is reached.
    #[error("a limit of the configuration is reached")]
    Limit,
    /// A restart changes both, the user-name fragment and the password (RFC 8445 section 9).
    #[error("a restart changes both the user-name fragment and the password")]
    SameCredentials,
    /// Both fragments together make too long a user name (RFC 8489 section 14.3).
    #[error("the two user-name fragments together are longer than a USERNAME may be")]
    UserNameLength,
    /// Only a controlling agent nominates, and only when it is left to the application.
    #[error("nomination needs the controlling role and Nomination::Manual")]
    CannotNominate,
}

/// Why a datagram was ignored.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Ignored {
    /// No socket of ours has this address.
    #[error("not for any base of this agent")]
    UnknownBase,
    /// A check from an address that cannot be sent to.
    #[error("its source can be nobody's address")]
    Source,
    /// It begins like STUN and is not.
    #[error("malformed STUN message: {0}")]
    Malformed(DecodeError),
    /// A check, or an answer to one, without FINGERPRINT or with a wrong one.
    #[error("fingerprint absent or wrong")]
    Fingerprint,
    /// A method or class that has no meaning here.
    #[error("not a message that an ICE agent expects")]
    Unexpected,
    /// An answer to nothing that was asked, or asked of somebody else.
    #[error("no such transaction")]
    UnknownTransaction,
    /// An answer whose integrity is absent or wrong; the transaction goes on.
    #[error("integrity of an answer absent or wrong")]
    BadIntegrity,
    /// A request without valid credentials, answered or not.
    #[error("request without valid credentials")]
    Unauthenticated,
    /// A request that was authentic and could not be used: answered with an error.
    #[error("authentic request refused")]
    Refused,
    /// A STUN indication: never answered, changes nothing.
    #[error("indication")]
    Indication,
    /// Something from a TURN server that belongs to no request, permission or channel of ours.
    #[error("a TURN server's message belongs to nothing of ours")]
    Relay,
    /// It came directly, and the configuration wants relays only.
    #[error("not by way of a relay")]
    Direct,
    /// Data from a 5-tuple that has not authenticated.
    #[error("data from a path that has not authenticated")]
    Unverified,
    /// Nothing comes in after closing.
    #[error("the stream is closed")]
    Closed,
}

/// Why a server was of no use.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It did not answer in time.
    #[error("no answer")]
    Timeout,
    /// The socket refused to send.
    #[error("cannot be sent to")]
    Unreachable,
    /// It answered with this error code.
    #[error("rejected with code {0}")]
    Rejected(u16),
    /// It does not accept the credentials, or cannot prove to know them.
    #[error("the server and we do not agree on the credentials")]
    Credentials,
    /// The connection to it has ended.
    #[error("the connection has ended")]
    Disconnected,
    /// An allocation has expired, or the server has forgotten it.
    #[error("the allocation is gone")]
    AllocationLost,
    /// It has granted an allocation that cannot be used.
    #[error("no usable relayed address in its answer")]
    NoRelayedAddress,
    /// Its answer had no mapped address, or one that cannot be.
    #[error("no usable mapped address in its answer")]
    NoMappedAddress,
    /// Its answer had an attribute that must be understood, and is not.
    #[error("unknown attribute in its answer")]
    UnknownAttribute,
}

impl From<turn::Failure> for ServerError {
    fn from(failure: turn::Failure) -> Self {
        match failure {
            turn::Failure::Timeout => Self::Timeout,
            turn::Failure::Unreachable => Self::Unreachable,
            turn::Failure::Credentials | turn::Failure::TokenWanted | turn::Failure::IntegrityViolated => {
                Self::Credentials
            }
            turn::Failure::Mismatch => Self::Rejected(437),
            turn::Failure::Refused(code) => Self::Rejected(code),
            turn::Failure::Redirected(_) => Self::Rejected(300),
            turn::Failure::Expired => Self::AllocationLost,
            turn::Failure::Unusable => Self::NoRelayedAddress,
        }
    }
}

/// Why a stream failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// There was no pair to check: no candidates of the two sides match.
    #[error("no pair of candidates to check")]
    NoPairs,
    /// To a lite agent: the peer has not nominated a pair for every component.
    #[error("the peer has not nominated a pair for every component")]
    NotNominated,
    /// No check was answered.
    #[error("no check was answered")]
    Timeout,
    /// Only answers with wrong integrity came: the credentials do not match, or somebody forges.
    #[error("checks were answered without valid integrity")]
    IntegrityViolated,
    /// The last check that was answered was answered wrongly.
    #[error("a check was answered with a failure: {0:?}")]
    Check(CheckError),
    /// The caller's socket refused the last check.
    #[error("checks could not be sent")]
    Unreachable,
    /// The peer has not answered a consent check for 2.5 s.
    #[error("an answer of the peer is overdue")]
    AnswerOverdue,
    /// The clock has jumped past the expiry of consent: data waits for one answer of the peer.
    #[error("the clock has jumped past the expiry of consent")]
    ClockJumped,
    /// The pair was valid long before it was used, and its consent is over: data waits for one answer of the peer.
    #[error("the consent of a pair that was not in use has to be renewed")]
    ConsentAwaited,
    /// The peer has not answered for 30 s (RFC 7675 section 5.1); to a lite agent, it has not asked.
    #[error("consent has expired")]
    ConsentExpired,
    /// The peer has answered 403 (RFC 7675 section 5.2).
    #[error("consent was revoked")]
    ConsentRevoked,
    /// The socket of a selected pair was removed.
    #[error("the base of a selected pair was removed")]
    BaseRemoved,
    /// Both sides kept claiming the same role.
    #[error("the role conflict could not be resolved")]
    RoleConflict,
}
