//! Attribute numbers, the trait of typed attributes, and those that are a number or a flag.

use super::header::TransactionId;
use super::message::DecodeError;
use alloc::vec::Vec;
use core::fmt;

/// The number of an attribute (RFC 8489 section 18.3).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AttributeType(u16);

impl AttributeType {
    /// RFC 8489 section 14.1.
    pub const MAPPED_ADDRESS: Self = Self(0x0001);
    /// RFC 8489 section 14.3.
    pub const USERNAME: Self = Self(0x0006);
    /// RFC 8489 section 14.5.
    pub const MESSAGE_INTEGRITY: Self = Self(0x0008);
    /// RFC 8489 section 14.8.
    pub const ERROR_CODE: Self = Self(0x0009);
    /// RFC 8489 section 14.13.
    pub const UNKNOWN_ATTRIBUTES: Self = Self(0x000a);
    /// RFC 8656 section 18.1.
    pub const CHANNEL_NUMBER: Self = Self(0x000c);
    /// RFC 8656 section 18.2.
    pub const LIFETIME: Self = Self(0x000d);
    /// RFC 8656 section 18.3.
    pub const XOR_PEER_ADDRESS: Self = Self(0x0012);
    /// RFC 8656 section 18.4.
    pub const DATA: Self = Self(0x0013);
    /// RFC 8489 section 14.9.
    pub const REALM: Self = Self(0x0014);
    /// RFC 8489 section 14.10.
    pub const NONCE: Self = Self(0x0015);
    /// RFC 8656 section 18.5.
    pub const XOR_RELAYED_ADDRESS: Self = Self(0x0016);
    /// RFC 8656 section 18.6.
    pub const REQUESTED_ADDRESS_FAMILY: Self = Self(0x0017);
    /// RFC 8656 section 18.7.
    pub const EVEN_PORT: Self = Self(0x0018);
    /// RFC 8656 section 18.8.
    pub const REQUESTED_TRANSPORT: Self = Self(0x0019);
    /// RFC 8656 section 18.9.
    pub const DONT_FRAGMENT: Self = Self(0x001a);
    /// RFC 7635 section 6.2.
    pub const ACCESS_TOKEN: Self = Self(0x001b);
    /// RFC 8489 section 14.6.
    pub const MESSAGE_INTEGRITY_SHA256: Self = Self(0x001c);
    /// RFC 8489 section 14.12.
    pub const PASSWORD_ALGORITHM: Self = Self(0x001d);
    /// RFC 8489 section 14.4.
    pub const USERHASH: Self = Self(0x001e);
    /// RFC 8489 section 14.2.
    pub const XOR_MAPPED_ADDRESS: Self = Self(0x0020);
    /// RFC 8656 section 18.10.
    pub const RESERVATION_TOKEN: Self = Self(0x0022);
    /// RFC 8445 section 16.1.
    pub const PRIORITY: Self = Self(0x0024);
    /// RFC 8445 section 16.1.
    pub const USE_CANDIDATE: Self = Self(0x0025);
    /// RFC 8656 section 18.11.
    pub const ADDITIONAL_ADDRESS_FAMILY: Self = Self(0x8000);
    /// RFC 8656 section 18.12.
    pub const ADDRESS_ERROR_CODE: Self = Self(0x8001);
    /// RFC 8489 section 14.11.
    pub const PASSWORD_ALGORITHMS: Self = Self(0x8002);
    /// RFC 8489 section 14.16.
    pub const ALTERNATE_DOMAIN: Self = Self(0x8003);
    /// RFC 8656 section 18.13.
    pub const ICMP: Self = Self(0x8004);
    /// RFC 8489 section 14.14.
    pub const SOFTWARE: Self = Self(0x8022);
    /// RFC 8489 section 14.15.
    pub const ALTERNATE_SERVER: Self = Self(0x8023);
    /// RFC 8489 section 14.7.
    pub const FINGERPRINT: Self = Self(0x8028);
    /// RFC 8445 section 16.1.
    pub const ICE_CONTROLLED: Self = Self(0x8029);
    /// RFC 8445 section 16.1.
    pub const ICE_CONTROLLING: Self = Self(0x802a);
    /// RFC 7635 section 6.1.
    pub const THIRD_PARTY_AUTHORIZATION: Self = Self(0x802e);
    /// RFC 8016 section 3.3.
    pub const MOBILITY_TICKET: Self = Self(0x8030);

    /// The attribute type with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number of the attribute type.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether a message with this attribute cannot be processed by an agent that does not know it
    /// (0x0000 to 0x7FFF; RFC 8489 section 14).
    #[must_use]
    pub const fn is_comprehension_required(self) -> bool {
        self.0 < 0x8000
    }
}

impl fmt::Debug for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The value of one attribute, as [`Message::get`](super::Message::get) reads it and
/// [`Builder::attribute`](super::Builder::attribute) writes it.
///
/// Other crates can add attributes of their own:
///
/// ```
/// use floe::stun::{Attribute, AttributeType, DecodeError, TransactionId};
///
/// /// NETWORK-COST as WebRTC sends it.
/// struct NetworkCost { id: u16, cost: u16 }
///
/// impl Attribute<'_> for NetworkCost {
///     const TYPE: AttributeType = AttributeType::new(0xc057);
///
///     fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
///         let &[i0, i1, c0, c1] = value else { return Err(DecodeError::Value(Self::TYPE)) };
///         Ok(Self { id: u16::from_be_bytes([i0, i1]), cost: u16::from_be_bytes([c0, c1]) })
///     }
///
///     fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
///         out.extend(self.id.to_be_bytes());
///         out.extend(self.cost.to_be_bytes());
///     }
/// }
/// ```
pub trait Attribute<'a>: Sized {
    /// The number under which the value travels.
    const TYPE: AttributeType;

    /// Reads a value, without its padding.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Value`] or a more specific error if these bytes are no such value.
    fn decode(value: &'a [u8], id: &TransactionId) -> Result<Self, DecodeError>;

    /// Appends the value, without padding.
    fn encode(&self, id: &TransactionId, out: &mut Vec<u8>);
}

/// Why an attribute cannot be made: the limits that RFC 8489 section 14 puts on what is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value exceeds the limit of its attribute.
    #[error("attribute {attribute} takes at most {limit} {unit}")]
    TooLong {
        /// Which attribute.
        attribute: AttributeType,
        /// How much it takes.
        limit: usize,
        /// Of what.
        unit: Unit,
    },
    /// The text is not plain ASCII.
    #[error("only ASCII is allowed here; other text has to be prepared by the caller and passed as bytes")]
    NotAscii,
    /// An error code outside 300 to 699.
    #[error("{0} is no error code, they range from 300 to 699")]
    ErrorCode(u16),
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Unit {
    /// Bytes of the encoded value.
    Bytes,
    /// Unicode scalar values.
    Characters,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::Characters => "characters",
        })
    }
}

/// PRIORITY: the priority a peer-reflexive candidate learnt from this check would have (RFC 8445 section 7.1.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct Priority(pub u32);

impl Attribute<'_> for Priority {
    const TYPE: AttributeType = AttributeType::PRIORITY;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        number(value, Self::TYPE).map(|bytes| Self(u32::from_be_bytes(bytes)))
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

/// USE-CANDIDATE: the controlling agent nominates the pair (RFC 8445 section 7.1.2). It has no content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a flag")]
pub struct UseCandidate;

impl Attribute<'_> for UseCandidate {
    const TYPE: AttributeType = AttributeType::USE_CANDIDATE;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        number::<0>(value, Self::TYPE).map(|_| Self)
    }

    fn encode(&self, _: &TransactionId, _: &mut Vec<u8>) {}
}

/// ICE-CONTROLLING: the sender takes the controlling role, with this tie-breaker (RFC 8445 section 7.1.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct IceControlling(pub u64);

impl Attribute<'_> for IceControlling {
    const TYPE: AttributeType = AttributeType::ICE_CONTROLLING;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        number(value, Self::TYPE).map(|bytes| Self(u64::from_be_bytes(bytes)))
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

/// ICE-CONTROLLED: the sender takes the controlled role, with this tie-breaker (RFC 8445 section 7.1.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct IceControlled(pub u64);

impl Attribute<'_> for IceControlled {
    const TYPE: AttributeType = AttributeType::ICE_CONTROLLED;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        number(value, Self::TYPE).map(|bytes| Self(u64::from_be_bytes(bytes)))
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

/// A value of exactly `N` bytes.
pub(crate) fn number<const N: usize>(value: &[u8], attribute: AttributeType) -> Result<[u8; N], DecodeError> {
    value.try_into().map_err(|_| DecodeError::Value(attribute))
}

#[cfg(test)]
mod tests;
