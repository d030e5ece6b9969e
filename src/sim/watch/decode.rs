//! A second reader of STUN, which shares nothing with the first: what an agent sends has to make sense to both.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// A message of STUN, or ChannelData, that holds together to the last byte.
#[derive(Clone, Copy, Debug)]
pub(super) enum Packet<'a> {
    Stun(Stun<'a>),
    Channel(u16, &'a [u8]),
}

/// A message of STUN: header and attributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stun<'a> {
    bytes: &'a [u8],
    pub(super) class: Class,
    pub(super) method: u16,
    pub(super) id: [u8; 12],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// One attribute and where it begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) kind: u16,
    pub(super) value: &'a [u8],
    at: usize,
}

/// The keyed hashes of one password.
#[derive(Clone, Debug)]
pub(super) struct Password {
    sha1: Hmac<Sha1>,
    sha256: Hmac<Sha256>,
}

impl Password {
    pub(super) fn new(password: &str) -> Option<Self> {
        let key = password.as_bytes();
        Some(Self { sha1: Hmac::new_from_slice(key).ok()?, sha256: Hmac::new_from_slice(key).ok()? })
    }
}

impl<'a> Packet<'a> {
    /// Reads all of it, or says what is wrong.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, &'static str> {
        match bytes.first() {
            Some(0..=3) => Stun::read(bytes).map(Self::Stun),
            Some(0x40..=0x4f) => {
                let (number, length) = (half(bytes, 0)?, usize::from(half(bytes, 2)?));
                let payload = bytes.get(4..4 + length).ok_or("ChannelData is cut short")?;
                match bytes.len() - 4 - length {
                    0..=3 => Ok(Self::Channel(number, payload)),
                    _ => Err("ChannelData is too long"),
                }
            }
            _ => Err("neither STUN nor ChannelData"),
        }
    }
}

impl<'a> Stun<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let (kind, length) = (half(bytes, 0)?, usize::from(half(bytes, 2)?));
        if bytes.get(4..8) != Some(&COOKIE) {
            return Err("no magic cookie");
        }
        let id = bytes.get(8..20).and_then(|id| id.try_into().ok()).ok_or("no transaction id")?;
        if length % 4 != 0 || bytes.len() != 20 + length {
            return Err("a length that is not the message's");
        }
        let class = match kind & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        };
        let method = (kind & 0x000f) | (kind & 0x00e0) >> 1 | (kind & 0x3e00) >> 2;
        let message = Self { bytes, class, method, id };
        let mut at = 20;
        while at < bytes.len() {
            let length = usize::from(half(bytes, at + 2)?);
            let padded = length.next_multiple_of(4);
            bytes.get(at + 4 + length..at + 4 + padded).ok_or("an attribute is cut short")?;
            at += 4 + padded;
        }
        Ok(message)
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let (bytes, mut at) = (self.bytes, 20);
        core::iter::from_fn(move || {
            let (kind, length) = (half(bytes, at).ok()?, usize::from(half(bytes, at + 2).ok()?));
            let found = Attribute { kind, value: bytes.get(at + 4..at + 4 + length)?, at };
            at += 4 + length.next_multiple_of(4);
            Some(found)
        })
    }

    /// RFC 8489 section 14: padding is zero where it is sent, and ignored where it is received.
    pub(super) fn has_clean_padding(&self) -> bool {
        self.attributes().all(|attribute| {
            let end = attribute.at + 4 + attribute.value.len();
            let padding = self.bytes.get(end..end.next_multiple_of(4));
            padding.is_some_and(|padding| padding.iter().all(|byte| *byte == 0))
        })
    }

    pub(super) fn attribute(&self, kind: u16) -> Option<Attribute<'a>> {
        self.attributes().find(|attribute| attribute.kind == kind)
    }

    pub(super) fn has(&self, kind: u16) -> bool {
        self.attribute(kind).is_some()
    }

    /// A four-byte number.
    pub(super) fn word(&self, kind: u16) -> Option<u32> {
        self.attribute(kind)?.value.try_into().ok().map(u32::from_be_bytes)
    }

    /// USERNAME, cut at its one colon: two fragments, neither of them empty (RFC 8445 section 7.3). The second may be any bytes:
    /// only who is called has to be known.
    pub(super) fn username(&self) -> Option<(&'a str, &'a [u8])> {
        let name = self.attribute(USERNAME)?.value;
        let mut parts = name.split(|byte| *byte == b':');
        let (called, caller) = (parts.next()?, parts.next()?);
        let is_whole = parts.next().is_none() && !called.is_empty() && !caller.is_empty();
        Some((core::str::from_utf8(called).ok().filter(|_| is_whole)?, caller))
    }

    /// An address that is hidden under the cookie and the id.
    pub(super) fn xor_address(&self, kind: u16) -> Option<SocketAddr> {
        self.uncovered(self.attribute(kind)?)
    }

    pub(super) fn uncovered(&self, attribute: Attribute<'_>) -> Option<SocketAddr> {
        let value = attribute.value;
        let port = half(value, 2).ok()? ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
        let mask = || COOKIE.iter().chain(&self.id);
        let plain = || value.get(4..).into_iter().flatten().zip(mask()).map(|(byte, mask)| byte ^ mask);
        let ip = match (value.get(1)?, value.len()) {
            (1, 8) => {
                let mut octets = [0; 4];
                octets.iter_mut().zip(plain()).for_each(|(octet, byte)| *octet = byte);
                IpAddr::V4(Ipv4Addr::from(octets))
            }
            (2, 20) => {
                let mut octets = [0; 16];
                octets.iter_mut().zip(plain()).for_each(|(octet, byte)| *octet = byte);
                IpAddr::V6(Ipv6Addr::from(octets))
            }
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// The code of ERROR-CODE.
    pub(super) fn error_code(&self) -> Option<u16> {
        let value = self.attribute(ERROR_CODE)?.value;
        Some(u16::from(value.get(2)? & 7) * 100 + u16::from(*value.get(3)?))
    }

    /// The text behind the code of ERROR-CODE.
    pub(super) fn reason(&self) -> &'a [u8] {
        self.attribute(ERROR_CODE).and_then(|error| error.value.get(4..)).unwrap_or_default()
    }

    /// Whether the tag that counts was made with this password: MESSAGE-INTEGRITY-SHA256 if there is one, else
    /// MESSAGE-INTEGRITY (RFC 8489 section 9.1.3).
    pub(super) fn is_signed_with(&self, password: &Password) -> bool {
        match (self.attribute(MESSAGE_INTEGRITY_SHA256), self.attribute(MESSAGE_INTEGRITY)) {
            (Some(tag), _) => self.is_tagged(password.sha256.clone(), tag, 32),
            (None, Some(tag)) => self.is_tagged(password.sha1.clone(), tag, 20),
            (None, None) => false,
        }
    }

    fn is_tagged(&self, hash: impl Mac, tag: Attribute<'_>, length: usize) -> bool {
        let (Some(kind), Some(rest)) = (self.bytes.get(..2), self.bytes.get(4..tag.at)) else { return false };
        // The length that was hashed ends with the tag.
        let length = u16::try_from(tag.at - 20 + 4 + length).unwrap_or(u16::MAX);
        let hash = hash.chain_update(kind).chain_update(length.to_be_bytes());
        hash.chain_update(rest).verify_slice(tag.value).is_ok()
    }

    /// Whether FINGERPRINT is there, last, and right.
    pub(super) fn has_right_fingerprint(&self) -> bool {
        let Some(fingerprint) = self.attribute(FINGERPRINT) else { return false };
        let Some(covered) = self.bytes.get(..fingerprint.at) else { return false };
        let right = crc32(covered) ^ 0x5354_554e;
        fingerprint.at + 8 == self.bytes.len() && fingerprint.value == right.to_be_bytes()
    }
}

/// The bits of CRC-32, eight at a time.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let index = usize::from(crc.to_le_bytes()[0] ^ byte);
        CRC_TABLE[index] ^ (crc >> 8)
    })
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let (mut crc, mut bit) = (index as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

fn half(bytes: &[u8], at: usize) -> Result<u16, &'static str> {
    let two = bytes.get(at..at + 2).and_then(|two| two.try_into().ok());
    two.map(u16::from_be_bytes).ok_or("it is cut short")
}

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

pub(super) const BINDING: u16 = 1;
pub(super) const ALLOCATE: u16 = 3;
pub(super) const REFRESH: u16 = 4;
pub(super) const SEND: u16 = 6;
pub(super) const DATA: u16 = 7;
pub(super) const CREATE_PERMISSION: u16 = 8;
pub(super) const CHANNEL_BIND: u16 = 9;

pub(super) const USERNAME: u16 = 0x0006;
pub(super) const MESSAGE_INTEGRITY: u16 = 0x0008;
pub(super) const ERROR_CODE: u16 = 0x0009;
pub(super) const CHANNEL_NUMBER: u16 = 0x000c;
pub(super) const LIFETIME: u16 = 0x000d;
pub(super) const XOR_PEER_ADDRESS: u16 = 0x0012;
pub(super) const DATA_VALUE: u16 = 0x0013;
pub(super) const XOR_RELAYED_ADDRESS: u16 = 0x0016;
pub(super) const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
pub(super) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
pub(super) const PRIORITY: u16 = 0x0024;
pub(super) const USE_CANDIDATE: u16 = 0x0025;
pub(super) const SOFTWARE: u16 = 0x8022;
pub(super) const FINGERPRINT: u16 = 0x8028;
pub(super) const ICE_CONTROLLED: u16 = 0x8029;
pub(super) const ICE_CONTROLLING: u16 = 0x802a;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::{
        AttributeType, Builder, Integrity, Key, Method, Software, TransactionId, Username, XorMappedAddress,
    };

    const PASSWORD: &str = "a password that nobody knows";

    fn message() -> alloc::vec::Vec<u8> {
        let mut out = alloc::vec::Vec::new();
        Builder::success(&mut out, Method::BINDING, TransactionId::from([7; 12]))
            .attribute(&Software::new("seven!!").unwrap())
            .attribute(&XorMappedAddress("[2001:db8::1]:7000".parse().unwrap()))
            .integrity(&Key::short_term(PASSWORD.as_bytes()), Integrity::Sha1)
            .fingerprint();
        out
    }

    fn read(bytes: &[u8]) -> Result<Stun<'_>, &'static str> {
        match Packet::read(bytes)? {
            Packet::Stun(stun) => Ok(stun),
            Packet::Channel(..) => Err("ChannelData"),
        }
    }

    #[test]
    fn both_readers_read_the_same() {
        let bytes = message();
        let stun = read(&bytes).unwrap();
        assert_eq!((stun.class, stun.method, stun.id), (Class::Success, BINDING, [7; 12]));
        assert_eq!(stun.attribute(SOFTWARE).unwrap().value, b"seven!!");
        assert_eq!(stun.xor_address(XOR_MAPPED_ADDRESS), Some("[2001:db8::1]:7000".parse().unwrap()));
        assert!(stun.is_signed_with(&Password::new(PASSWORD).unwrap()) && stun.has_right_fingerprint());
        assert!(!stun.is_signed_with(&Password::new("another").unwrap()));
    }

    /// Behind the header, the head of the first attribute, and its seven bytes.
    const PADDING: usize = 20 + 4 + 7;

    /// Proves: rfc8489-9.1.3-4
    #[test]
    fn the_longer_tag_counts_where_there_are_both() {
        let (password, key) = (Password::new(PASSWORD).unwrap(), Key::short_term(PASSWORD.as_bytes()));
        let false_tags = [
            (AttributeType::MESSAGE_INTEGRITY, &[0; 20][..], Integrity::Sha256, true),
            (AttributeType::MESSAGE_INTEGRITY_SHA256, &[0; 32], Integrity::Sha1, false),
        ];
        for (kind, tag, integrity, is_signed) in false_tags {
            let mut out = alloc::vec::Vec::new();
            Builder::success(&mut out, Method::BINDING, TransactionId::from([7; 12]))
                .raw(kind, tag)
                .integrity(&key, integrity)
                .fingerprint();
            assert_eq!(read(&out).unwrap().is_signed_with(&password), is_signed, "{integrity:?}");
        }
    }

    /// As the agent has it (`a_username_has_two_parts_and_one_colon` in `ice::responder`).
    ///
    /// Proves: rfc8445-7.3-1
    #[test]
    fn a_user_name_has_two_fragments_and_one_colon() {
        let called = |name: &str| {
            let mut out = alloc::vec::Vec::new();
            let _ = Builder::request(&mut out, Method::BINDING, TransactionId::from([7; 12]))
                .attribute(&Username::new(name).unwrap());
            read(&out).unwrap().username().map(|(called, _)| alloc::string::String::from(called))
        };
        assert_eq!(called("ours:theirs").as_deref(), Some("ours"));
        for name in ["ours", "ours:", ":theirs", ":", "ours:theirs:more", "ours::"] {
            assert_eq!(called(name), None, "{name}");
        }
    }

    #[test]
    fn no_bit_can_be_changed_unnoticed() {
        let (bytes, password) = (message(), Password::new(PASSWORD).unwrap());
        let fingerprint = bytes.len() - 8;
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let authentic = |stun: Stun<'_>| stun.is_signed_with(&password) && stun.has_right_fingerprint();
            assert!(!read(&changed).is_ok_and(authentic), "bit {bit}");
            if bit / 8 == PADDING {
                assert!(read(&changed).is_ok_and(|stun| !stun.has_clean_padding()), "bit {bit}");
            }
            let signed = read(&changed).is_ok_and(|stun| stun.is_signed_with(&password));
            assert!(!signed || bit / 8 >= fingerprint, "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "the first {end} bytes");
        }
    }
}
