//! ERROR-CODE and UNKNOWN-ATTRIBUTES: why a request was refused (RFC 8489 sections 14.8 and 14.13).

use super::attribute::{Attribute, AttributeType, EncodeError};
use super::header::TransactionId;
use super::message::DecodeError;
use super::text::{RECEIVED_MAX, at_most, fewer_than_128};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// ERROR-CODE: a number from 300 to 699 and a phrase for the reader of a log.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct ErrorCode<'a> {
    code: u16,
    reason: &'a [u8],
}

impl ErrorCode<'static> {
    /// 300: ask the ALTERNATE-SERVER.
    pub const TRY_ALTERNATE: Self = Self::plain(300);
    /// 400: malformed, or credentials are missing.
    pub const BAD_REQUEST: Self = Self::plain(400);
    /// 401: the credentials are wrong, or have yet to be made with the realm and nonce of this response.
    pub const UNAUTHENTICATED: Self = Self::plain(401);
    /// 403: the request is understood, and not wanted (RFC 7675 section 5.2).
    pub const FORBIDDEN: Self = Self::plain(403);
    /// 405: the server moves no allocations from one 5-tuple to another (RFC 8016 section 4).
    pub const MOBILITY_FORBIDDEN: Self = Self::plain(405);
    /// 420: the request has attributes that have to be understood and are not.
    pub const UNKNOWN_ATTRIBUTE: Self = Self::plain(420);
    /// 437: there is no allocation, or there is one already (RFC 8656 section 19).
    pub const ALLOCATION_MISMATCH: Self = Self::plain(437);
    /// 438: the nonce is no longer valid; this response has a fresh one.
    pub const STALE_NONCE: Self = Self::plain(438);
    /// 440: the server has no relayed addresses of this family (RFC 8656 section 19).
    pub const ADDRESS_FAMILY_NOT_SUPPORTED: Self = Self::plain(440);
    /// 441: not the credentials that the allocation was made with (RFC 8656 section 19).
    pub const WRONG_CREDENTIALS: Self = Self::plain(441);
    /// 442: the server does not relay this transport (RFC 8656 section 19).
    pub const UNSUPPORTED_TRANSPORT_PROTOCOL: Self = Self::plain(442);
    /// 443: the peer's address is of another family than the relayed one (RFC 8656 section 19).
    pub const PEER_ADDRESS_FAMILY_MISMATCH: Self = Self::plain(443);
    /// 486: this user has as many allocations as are allowed (RFC 8656 section 19).
    pub const ALLOCATION_QUOTA_REACHED: Self = Self::plain(486);
    /// 487: the receiver has the role that the sender takes (RFC 8445 section 7.3.1.1).
    pub const ROLE_CONFLICT: Self = Self { code: 487, reason: b"Role Conflict" };
    /// 500: a temporary failure of the server.
    pub const SERVER_ERROR: Self = Self::plain(500);
    /// 508: the server has run out of something, ports for one (RFC 8656 section 19).
    pub const INSUFFICIENT_CAPACITY: Self = Self::plain(508);

    /// An error code without a reason phrase.
    ///
    /// # Errors
    ///
    /// [`EncodeError::ErrorCode`] outside 300 to 699.
    pub const fn new(code: u16) -> Result<Self, EncodeError> {
        match code {
            300..=699 => Ok(Self::plain(code)),
            _ => Err(EncodeError::ErrorCode(code)),
        }
    }

    const fn plain(code: u16) -> Self {
        Self { code, reason: &[] }
    }
}

impl<'a> ErrorCode<'a> {
    /// The same code with a reason phrase.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`] from 128 characters on.
    pub fn with_reason(self, reason: &'a str) -> Result<Self, EncodeError> {
        fewer_than_128(reason, Self::TYPE)?;
        Ok(Self { reason: reason.as_bytes(), ..self })
    }

    /// The number, 300 to 699.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The reason phrase as received; it need not be UTF-8, nor harmless in a log.
    #[must_use]
    pub const fn reason(&self) -> &'a [u8] {
        self.reason
    }

    /// The reason phrase with replacements for what is not UTF-8.
    #[must_use]
    pub fn reason_lossy(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.reason)
    }
}

impl<'a> Attribute<'a> for ErrorCode<'a> {
    const TYPE: AttributeType = AttributeType::ERROR_CODE;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, DecodeError> {
        // rfc8489-14.8-1: the upper 21 bits mean nothing, and a bad phrase does not spoil the code.
        let Some((&[_, _, class, number], reason)) = value.split_first_chunk::<4>() else {
            return Err(DecodeError::Value(Self::TYPE));
        };
        at_most(RECEIVED_MAX, reason, Self::TYPE)?;
        match (class & 0b111, number) {
            (class @ 3..=6, number @ 0..=99) => {
                Ok(Self { code: u16::from(class) * 100 + u16::from(number), reason })
            }
            _ => Err(DecodeError::Value(Self::TYPE)),
        }
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        let [_, class] = (self.code / 100).to_be_bytes();
        let [_, number] = (self.code % 100).to_be_bytes();
        out.extend_from_slice(&[0, 0, class, number]);
        out.extend_from_slice(self.reason);
    }
}

impl fmt::Debug for ErrorCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.code, self.reason.escape_ascii())
    }
}

/// UNKNOWN-ATTRIBUTES: what a 420 complains of.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct UnknownAttributes(Vec<AttributeType>);

impl UnknownAttributes {
    /// The attributes, in the order in which they stand.
    #[must_use]
    pub fn as_slice(&self) -> &[AttributeType] {
        &self.0
    }

    /// Whether there is nothing to complain of.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<AttributeType> for UnknownAttributes {
    fn from_iter<I: IntoIterator<Item = AttributeType>>(attributes: I) -> Self {
        Self(attributes.into_iter().take(UNKNOWN_MAX).collect())
    }
}

impl Attribute<'_> for UnknownAttributes {
    const TYPE: AttributeType = AttributeType::UNKNOWN_ATTRIBUTES;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        // rfc8489-14.13-1
        let (types, rest) = value.as_chunks::<2>();
        if !rest.is_empty() || types.len() > UNKNOWN_MAX {
            return Err(DecodeError::Value(Self::TYPE));
        }
        Ok(types.iter().map(|bytes| AttributeType::new(u16::from_be_bytes(*bytes))).collect())
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        self.0.iter().for_each(|kind| out.extend_from_slice(&kind.as_u16().to_be_bytes()));
    }
}

/// A message has no more attributes than this, so none can complain of more.
const UNKNOWN_MAX: usize = 64;
