//! A connectivity check: the request, and what its answer means (RFC 8445 section 7.2).

use alloc::vec::Vec;
use bytes::Bytes;
use core::net::SocketAddr;

use crate::ice::nomination::Nominated;
use crate::ice::renomination::{NOMINATION_DRAFT, Renomination};
use crate::ice::{Priority, Role, RoleClaim};
use crate::net::{Path, canonical};
use crate::stun::{
    AttributeType, Builder, Class, ErrorCode, IceControlled, IceControlling, Integrity, Key, Method,
    TransactionId, UseCandidate, Verified, XorMappedAddress,
};

/// All that goes into a check.
#[derive(Debug)]
pub(crate) struct Check<'a> {
    pub(crate) id: TransactionId,
    pub(crate) remote_ufrag: &'a str,
    pub(crate) local_ufrag: &'a str,
    /// The peer's password.
    pub(crate) key: &'a Key,
    /// What a peer-reflexive candidate found by this check would have (rfc8445-7.1.1-1).
    pub(crate) priority: Priority,
    pub(crate) claim: RoleClaim,
    /// Nominates the pair.
    pub(crate) use_candidate: Option<Nominated>,
    /// How nominations are numbered, if they are.
    pub(crate) renomination: Option<Renomination>,
}

impl Check<'_> {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.len());
        let mut builder = Builder::request(&mut out, Method::BINDING, self.id)
            .fragments(self.remote_ufrag, self.local_ufrag)
            .attribute(&crate::stun::Priority(self.priority.get()));
        // rfc8445-7.1.3-1, rfc8445-7.1.2-2: exactly one of the two, and only one of them nominates.
        builder = match self.claim.role {
            Role::Controlling => builder.attribute(&IceControlling(self.claim.tie_breaker.to_raw())),
            Role::Controlled => builder.attribute(&IceControlled(self.claim.tie_breaker.to_raw())),
        };
        if let (Some(Nominated(value)), Role::Controlling) = (self.use_candidate, self.claim.role) {
            builder = builder.attribute(&UseCandidate);
            if let Some(draft) = self.renomination.filter(|_| value > 0) {
                builder = builder.raw(draft.attribute(), &value.to_be_bytes());
            }
        }
        // rfc8445-7.2.4-2: SHA-1 alone, as nothing else has been agreed.
        builder.integrity(self.key, Integrity::Sha1).fingerprint();
        Bytes::from(out)
    }

    /// Exactly as long as it gets, so that the vector becomes the datagram without another allocation; a nomination may leave
    /// room.
    fn len(&self) -> usize {
        let username = self.remote_ufrag.len() + ":".len() + self.local_ufrag.len();
        let nomination = if self.use_candidate.is_some() { USE_CANDIDATE_LEN } else { 0 };
        CHECK_LEN + username.next_multiple_of(4) + nomination
    }
}

/// What an authenticated answer to a check says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The peer saw the check come from here.
    Success { mapped: SocketAddr },
    /// 487: the peer keeps the role that we claimed.
    RoleConflict,
    /// The pair does not work.
    Failure(CheckError),
}

/// Why an answered check has failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CheckError {
    /// The answer did not come back the way the request went.
    NotSymmetric,
    /// A success without the address that it is for.
    NoMappedAddress,
    /// The answer has an attribute that must be understood, and is not.
    UnknownAttribute,
    /// An error other than a role conflict, with its code.
    Rejected(u16),
}

/// Reads the answer to a check that was sent on `sent`, received on `received`.
pub(crate) fn interpret(answer: &Verified<'_>, sent: Path, received: Path) -> Outcome {
    // rfc8489-6.3.3-1, rfc8489-6.3.4-1
    let is_understood = answer.unknown_required(is_known).next().is_none();
    let outcome = match answer.class() {
        _ if !is_understood => Outcome::Failure(CheckError::UnknownAttribute),
        Class::Success => match answer.get::<XorMappedAddress>() {
            Some(Ok(XorMappedAddress(mapped))) => Outcome::Success { mapped: canonical(mapped) },
            _ => Outcome::Failure(CheckError::NoMappedAddress),
        },
        _ => match answer.get::<ErrorCode<'_>>() {
            Some(Ok(error)) if error.code() == ErrorCode::ROLE_CONFLICT.code() => Outcome::RoleConflict,
            Some(Ok(error)) => Outcome::Failure(CheckError::Rejected(error.code())),
            _ => Outcome::Failure(CheckError::Rejected(0)),
        },
    };
    match outcome {
        // rfc8445-7.2.5.1-1 comes first and asks for no way back: between two translators that show a new port to each
        // port, every answer comes from elsewhere until one of both checks is accepted. The check is made again, and then
        // it counts from where it is answered.
        Outcome::RoleConflict => Outcome::RoleConflict,
        // rfc8445-7.2.5.2.1-1: an address that answers for another is no path.
        _ if sent != received => Outcome::Failure(CheckError::NotSymmetric),
        outcome => outcome,
    }
}

/// The attributes that must be understood (type below 0x8000) and are, in checks and their answers. Those of long-term
/// credentials and of TURN are known as well, but have no meaning here (rfc8489-6.3-5).
pub(crate) fn is_known(attribute: AttributeType) -> bool {
    matches!(
        attribute,
        AttributeType::MAPPED_ADDRESS
            | AttributeType::USERNAME
            | AttributeType::MESSAGE_INTEGRITY
            | AttributeType::ERROR_CODE
            | AttributeType::UNKNOWN_ATTRIBUTES
            | AttributeType::REALM
            | AttributeType::NONCE
            | AttributeType::MESSAGE_INTEGRITY_SHA256
            | AttributeType::PASSWORD_ALGORITHM
            | AttributeType::USERHASH
            | AttributeType::XOR_MAPPED_ADDRESS
            | AttributeType::PRIORITY
            | AttributeType::USE_CANDIDATE
            | NOMINATION_DRAFT
    ) || TURN_ATTRIBUTES.contains(&attribute.as_u16())
}

/// Those of RFC 8656 section 18.
const TURN_ATTRIBUTES: [u16; 10] =
    [0x000c, 0x000d, 0x0012, 0x0013, 0x0016, 0x0017, 0x0018, 0x0019, 0x001a, 0x0022];

/// The header, and with their headers an empty user name, priority, role, integrity, and fingerprint.
const CHECK_LEN: usize = 20 + 4 + 8 + 12 + 24 + 8;

/// With a number.
const USE_CANDIDATE_LEN: usize = 4 + 8;
