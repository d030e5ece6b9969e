//! Attributes that are a transport address, plain or XORed (RFC 8489 sections 14.1, 14.2 and 14.15).

use super::attribute::{Attribute, AttributeType};
use super::header::{COOKIE, TransactionId};
use super::message::DecodeError;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// XOR-MAPPED-ADDRESS: where the server saw the request come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct XorMappedAddress(pub SocketAddr);

impl Attribute<'_> for XorMappedAddress {
    const TYPE: AttributeType = AttributeType::XOR_MAPPED_ADDRESS;

    fn decode(value: &[u8], id: &TransactionId) -> Result<Self, DecodeError> {
        decode_xored(value, id, Self::TYPE).map(Self)
    }

    fn encode(&self, id: &TransactionId, out: &mut Vec<u8>) {
        encode_xored(self.0, id, out);
    }
}

/// MAPPED-ADDRESS: the same, in a form that some NATs rewrite; sent by servers older than RFC 5389.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct MappedAddress(pub SocketAddr);

impl Attribute<'_> for MappedAddress {
    const TYPE: AttributeType = AttributeType::MAPPED_ADDRESS;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        decode(value, Self::TYPE).map(Self)
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        encode(self.0, out);
    }
}

/// ALTERNATE-SERVER: whom to ask instead (RFC 8489 section 10). May be repeated, once per address family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct AlternateServer(pub SocketAddr);

impl Attribute<'_> for AlternateServer {
    const TYPE: AttributeType = AttributeType::ALTERNATE_SERVER;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        decode(value, Self::TYPE).map(Self)
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        encode(self.0, out);
    }
}

/// Reads a plain address.
pub(crate) fn decode(value: &[u8], attribute: AttributeType) -> Result<SocketAddr, DecodeError> {
    read(value, 0, attribute)
}

/// Reads an address that has been XORed with `mask`, or with as much of its beginning as it is long.
#[inline]
fn read(value: &[u8], mask: u128, attribute: AttributeType) -> Result<SocketAddr, DecodeError> {
    let malformed = DecodeError::Value(attribute);
    // rfc8489-14.1-1: the first byte means nothing; the family decides about the length.
    let (&[_, family, p0, p1], ip) = value.split_first_chunk::<4>().ok_or(malformed)?;
    let [m0, m1, m2, m3, ..] = mask.to_be_bytes();
    let port = u16::from_be_bytes([p0, p1]) ^ u16::from_be_bytes([m0, m1]);
    let ip = match family {
        IPV4 => {
            let bits = u32::from_be_bytes(ip.try_into().map_err(|_| malformed)?);
            IpAddr::V4(Ipv4Addr::from_bits(bits ^ u32::from_be_bytes([m0, m1, m2, m3])))
        }
        IPV6 => {
            let bits = u128::from_be_bytes(ip.try_into().map_err(|_| malformed)?);
            IpAddr::V6(Ipv6Addr::from_bits(bits ^ mask))
        }
        _ => return Err(DecodeError::AddressFamily(family)),
    };
    Ok(SocketAddr::new(ip, port))
}

/// Writes a plain address.
pub(crate) fn encode(address: SocketAddr, out: &mut Vec<u8>) {
    let [p0, p1] = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => {
            let [i0, i1, i2, i3] = ip.octets();
            out.extend_from_slice(&[0, IPV4, p0, p1, i0, i1, i2, i3]);
        }
        IpAddr::V6(ip) => {
            out.extend_from_slice(&[0, IPV6, p0, p1]);
            out.extend_from_slice(&ip.octets());
        }
    }
}

/// Reads an XORed address.
#[inline]
pub(crate) fn decode_xored(
    value: &[u8],
    id: &TransactionId,
    attribute: AttributeType,
) -> Result<SocketAddr, DecodeError> {
    read(value, mask(id), attribute)
}

/// Writes an XORed address.
pub(crate) fn encode_xored(address: SocketAddr, id: &TransactionId, out: &mut Vec<u8>) {
    encode(xored(address, id), out);
}

/// The address as it is written, and again as it was.
pub(crate) fn xored(address: SocketAddr, id: &TransactionId) -> SocketAddr {
    let mask = mask(id);
    let [m0, m1, m2, m3, ..] = mask.to_be_bytes();
    let ip = match address.ip() {
        IpAddr::V4(ip) => {
            IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() ^ u32::from_be_bytes([m0, m1, m2, m3])))
        }
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() ^ mask)),
    };
    SocketAddr::new(ip, address.port() ^ u16::from_be_bytes([m0, m1]))
}

/// The port with the upper half of the cookie, IPv4 with the cookie, IPv6 with the cookie and the transaction id
/// behind it: keeps addresses from NATs that rewrite whatever looks like one.
fn mask(id: &TransactionId) -> u128 {
    let [c0, c1, c2, c3] = COOKIE.to_be_bytes();
    let [i0, i1, i2, i3, i4, i5, i6, i7, i8, i9, i10, i11] = *id.as_bytes();
    u128::from_be_bytes([c0, c1, c2, c3, i0, i1, i2, i3, i4, i5, i6, i7, i8, i9, i10, i11])
}

const IPV4: u8 = 1;
const IPV6: u8 = 2;
