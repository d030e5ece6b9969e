//! The attributes of TURN (RFC 8656 section 18) and MOBILITY-TICKET (RFC 8016).
//!
//! CHANNEL-NUMBER is a [`ChannelNumber`](super::ChannelNumber).

use crate::stun::address::{decode_xored, encode_xored};
use crate::stun::attribute::number;
use crate::stun::{Attribute, AttributeType, DecodeError, ErrorCode, TransactionId};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// LIFETIME: for how many seconds the server keeps an allocation that is not refreshed; 0 gives it up.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct Lifetime(pub u32);

impl Lifetime {
    /// The same as a length of time: up to 136 years.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl Attribute<'_> for Lifetime {
    const TYPE: AttributeType = AttributeType::LIFETIME;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        number(value, Self::TYPE).map(|bytes| Self(u32::from_be_bytes(bytes)))
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

/// XOR-PEER-ADDRESS: the peer, as the server sees it. CreatePermission takes several and looks at the IP address only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct XorPeerAddress(pub SocketAddr);

impl Attribute<'_> for XorPeerAddress {
    const TYPE: AttributeType = AttributeType::XOR_PEER_ADDRESS;

    fn decode(value: &[u8], id: &TransactionId) -> Result<Self, DecodeError> {
        decode_xored(value, id, Self::TYPE).map(Self)
    }

    fn encode(&self, id: &TransactionId, out: &mut Vec<u8>) {
        encode_xored(self.0, id, out);
    }
}

/// XOR-RELAYED-ADDRESS: the address that the server has lent. There are two if both families were asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct XorRelayedAddress(pub SocketAddr);

impl Attribute<'_> for XorRelayedAddress {
    const TYPE: AttributeType = AttributeType::XOR_RELAYED_ADDRESS;

    fn decode(value: &[u8], id: &TransactionId) -> Result<Self, DecodeError> {
        decode_xored(value, id, Self::TYPE).map(Self)
    }

    fn encode(&self, id: &TransactionId, out: &mut Vec<u8>) {
        encode_xored(self.0, id, out);
    }
}

/// DATA: what is relayed, in Send and Data indications. May be empty, as a datagram may.
#[derive(Clone, Copy, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct Data<'a>(pub &'a [u8]);

/// MOBILITY-TICKET: allows an allocation to be moved to another 5-tuple (RFC 8016 section 3.3). Empty in an Allocate
/// request, which asks for one; from the server a ticket that only the server can read.
#[derive(Clone, Copy, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct MobilityTicket<'a>(pub &'a [u8]);

/// What [`Data`] and [`MobilityTicket`] have in common: bytes that mean nothing here, and that no log is to show.
macro_rules! opaque_bytes {
    ($name:ident, $number:expr) => {
        impl<'a> Attribute<'a> for $name<'a> {
            const TYPE: AttributeType = $number;

            fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, DecodeError> {
                Ok(Self(value))
            }

            fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
                out.extend_from_slice(self.0);
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} bytes)"), self.0.len())
            }
        }
    };
}

opaque_bytes!(Data, AttributeType::DATA);
opaque_bytes!(MobilityTicket, AttributeType::MOBILITY_TICKET);

/// The family of a relayed address.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum AddressFamily {
    /// 0x01
    Ipv4,
    /// 0x02
    Ipv6,
}

impl AddressFamily {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    const fn decode(family: u8) -> Result<Self, DecodeError> {
        match family {
            1 => Ok(Self::Ipv4),
            2 => Ok(Self::Ipv6),
            _ => Err(DecodeError::AddressFamily(family)),
        }
    }

    pub(super) const fn encode(self) -> u8 {
        match self {
            Self::Ipv4 => 1,
            Self::Ipv6 => 2,
        }
    }
}

/// REQUESTED-ADDRESS-FAMILY: of which family the relayed address is to be, or which one a Refresh is about.
///
/// [`DecodeError::AddressFamily`] tells a family that nobody knows (440) from a value that is malformed (400).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct RequestedAddressFamily(pub AddressFamily);

impl Attribute<'_> for RequestedAddressFamily {
    const TYPE: AttributeType = AttributeType::REQUESTED_ADDRESS_FAMILY;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        // rfc8656-18.6-1: the other bytes mean nothing.
        let [family, _, _, _] = number(value, Self::TYPE)?;
        AddressFamily::decode(family).map(Self)
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.0.encode(), 0, 0, 0]);
    }
}

/// ADDITIONAL-ADDRESS-FAMILY: besides an IPv4 address, one of IPv6. There is nothing else that it could ask for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a flag")]
pub struct AdditionalAddressFamily;

impl Attribute<'_> for AdditionalAddressFamily {
    const TYPE: AttributeType = AttributeType::ADDITIONAL_ADDRESS_FAMILY;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        // rfc8656-18.11-1
        match number(value, Self::TYPE)? {
            [2, _, _, _] => Ok(Self),
            _ => Err(DecodeError::Value(Self::TYPE)),
        }
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&[AddressFamily::Ipv6.encode(), 0, 0, 0]);
    }
}

/// EVEN-PORT: the port of the relayed address is to be even.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "seven bits are left, and have been for long")]
pub struct EvenPort {
    /// The next higher port is to be held back for another allocation, by way of a [`ReservationToken`].
    pub reserve: bool,
}

impl Attribute<'_> for EvenPort {
    const TYPE: AttributeType = AttributeType::EVEN_PORT;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        let [bits] = number(value, Self::TYPE)?;
        Ok(Self { reserve: bits & RESERVE != 0 })
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.push(if self.reserve { RESERVE } else { 0 });
    }
}

/// REQUESTED-TRANSPORT: how the server is to speak with the peers, by the protocol number of IP. RFC 8656 knows
/// [`UDP`](Self::UDP) alone, RFC 6062 adds [`TCP`](Self::TCP).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct RequestedTransport(pub u8);

impl RequestedTransport {
    /// 17
    pub const UDP: Self = Self(17);
    /// 6
    pub const TCP: Self = Self(6);
}

impl Attribute<'_> for RequestedTransport {
    const TYPE: AttributeType = AttributeType::REQUESTED_TRANSPORT;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        let [protocol, _, _, _] = number(value, Self::TYPE)?;
        Ok(Self(protocol))
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.0, 0, 0, 0]);
    }
}

/// DONT-FRAGMENT: the server is to set the DF bit of what it sends to the peer. It has no content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a flag")]
pub struct DontFragment;

impl Attribute<'_> for DontFragment {
    const TYPE: AttributeType = AttributeType::DONT_FRAGMENT;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        number::<0>(value, Self::TYPE).map(|_| Self)
    }

    fn encode(&self, _: &TransactionId, _: &mut Vec<u8>) {}
}

/// RESERVATION-TOKEN: stands for a relayed address that the server holds back, for some 30 seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct ReservationToken(pub [u8; 8]);

impl Attribute<'_> for ReservationToken {
    const TYPE: AttributeType = AttributeType::RESERVATION_TOKEN;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        number(value, Self::TYPE).map(Self)
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// ADDRESS-ERROR-CODE: why one of two families was not granted: 440 or 508.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the fields are all there is to it")]
pub struct AddressErrorCode<'a> {
    /// The family that there is no relayed address of.
    pub family: AddressFamily,
    /// The reason.
    pub error: ErrorCode<'a>,
}

impl<'a> Attribute<'a> for AddressErrorCode<'a> {
    const TYPE: AttributeType = AttributeType::ADDRESS_ERROR_CODE;

    fn decode(value: &'a [u8], id: &TransactionId) -> Result<Self, DecodeError> {
        // rfc8656-18.12-1: an ERROR-CODE, with the family in a byte that means nothing there.
        let &family = value.first().ok_or(DecodeError::Value(Self::TYPE))?;
        let error = ErrorCode::decode(value, id).map_err(|_| DecodeError::Value(Self::TYPE))?;
        Ok(Self { family: AddressFamily::decode(family)?, error })
    }

    fn encode(&self, id: &TransactionId, out: &mut Vec<u8>) {
        let at = out.len();
        self.error.encode(id, out);
        if let Some(family) = out.get_mut(at) {
            *family = self.family.encode();
        }
    }
}

/// ICMP: what the network said about a datagram that the server had sent to the peer. Anybody on the way can have
/// forged it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the fields are all there is to it")]
pub struct Icmp {
    /// The ICMP type, of ICMPv4 or ICMPv6 as the peer's address is.
    pub kind: u8,
    /// The ICMP code.
    pub code: u8,
    /// The MTU of the next hop if the datagram was too big for it (3/4 of ICMPv4, 2 of ICMPv6), zero otherwise.
    pub data: u32,
}

impl Attribute<'_> for Icmp {
    const TYPE: AttributeType = AttributeType::ICMP;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        // rfc8656-11.6-1: figure 11 draws fields of 7 and 9 bits; those of ICMP itself have 8.
        let [_, _, kind, code, data @ ..] = number::<8>(value, Self::TYPE)?;
        Ok(Self { kind, code, data: u32::from_be_bytes(data) })
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0, 0, self.kind, self.code]);
        out.extend_from_slice(&self.data.to_be_bytes());
    }
}

/// The R bit of EVEN-PORT.
const RESERVE: u8 = 0x80;

#[cfg(test)]
mod tests;
