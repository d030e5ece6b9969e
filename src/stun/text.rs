//! Attributes that are text or treated as such. What is received is bytes: a peer may send anything.

use super::attribute::{Attribute, AttributeType, EncodeError, Unit, number};
use super::header::TransactionId;
use super::message::DecodeError;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::{self, Utf8Error};

/// USERNAME: whose password protects the message (RFC 8489 section 14.3).
///
/// What is received is compared with names that are known, and so need not be UTF-8.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Username<'a>(&'a [u8]);

impl<'a> Username<'a> {
    /// The longest that may be sent.
    pub(crate) const LEN_MAX: usize = 508;

    /// A user name to send.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`] from 509 bytes on.
    pub const fn new(name: &'a str) -> Result<Self, EncodeError> {
        if name.len() <= Self::LEN_MAX {
            Ok(Self(name.as_bytes()))
        } else {
            Err(too_long(AttributeType::USERNAME, Self::LEN_MAX, Unit::Bytes))
        }
    }

    /// The name, if it is text.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8.
    pub const fn to_str(&self) -> Result<&'a str, Utf8Error> {
        str::from_utf8(self.0)
    }
}

/// USERHASH: stands for the user name where that is not to be seen (RFC 8489 section 14.4).
/// [`userhash`](super::userhash) makes one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Userhash(pub(super) [u8; 32]);

impl Userhash {
    /// The hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Attribute<'_> for Userhash {
    const TYPE: AttributeType = AttributeType::USERHASH;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        number(value, Self::TYPE).map(Self)
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// REALM: where a long-term credential is valid (RFC 8489 section 14.9).
///
/// A realm that was [decoded](Attribute::decode), of up to 763 bytes, is written back byte for byte (rfc8489-9.2.5-4).
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Realm<'a>(&'a [u8]);

impl<'a> Realm<'a> {
    /// A realm to send.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`] from 128 characters on.
    pub fn new(realm: &'a str) -> Result<Self, EncodeError> {
        fewer_than_128(realm, AttributeType::REALM).map(|()| Self(realm.as_bytes()))
    }
}

/// NONCE: the server's token in a long-term credential, opaque to the client (RFC 8489 section 14.10).
///
/// A nonce that was [decoded](Attribute::decode), of up to 763 bytes, is written back byte for byte (rfc8489-9.2.5-4).
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Nonce<'a>(&'a [u8]);

impl<'a> Nonce<'a> {
    /// A nonce to send.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`] from 510 bytes on, or if it is text of 128 or more characters.
    pub fn new(nonce: &'a [u8]) -> Result<Self, EncodeError> {
        if let Ok(text) = str::from_utf8(nonce) {
            fewer_than_128(text, AttributeType::NONCE)?;
        }
        if nonce.len() > 509 {
            return Err(too_long(AttributeType::NONCE, 509, Unit::Bytes));
        }
        Ok(Self(nonce))
    }

    /// What the server says about itself in the first bytes of the nonce (RFC 8489 section 9.2): a cookie and 24
    /// bits in base64. No features if there is no cookie or the four characters are no base64.
    #[must_use]
    pub fn security_features(&self) -> SecurityFeatures {
        let bits =
            self.0.strip_prefix(NONCE_COOKIE).and_then(|rest| rest.first_chunk::<4>()).and_then(base64);
        // rfc8489-9.2-1: bit 0 is the first one, not the least significant one.
        let set = |n: u32| bits.is_some_and(|bits| bits & (0x80_0000 >> n) != 0);
        SecurityFeatures { password_algorithms: set(0), username_anonymity: set(1) }
    }
}

/// The STUN Security Feature Set (RFC 8489 section 18.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SecurityFeatures {
    /// Bit 0: the server sends PASSWORD-ALGORITHMS; a response without it has been tampered with.
    pub password_algorithms: bool,
    /// Bit 1: the server understands USERHASH.
    pub username_anonymity: bool,
}

/// SOFTWARE: what the sender runs; for diagnosis, and a gift to whoever looks for a victim (RFC 8489 section 14.14).
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Software<'a>(&'a [u8]);

impl<'a> Software<'a> {
    /// A description to send.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`] from 128 characters on.
    pub fn new(description: &'a str) -> Result<Self, EncodeError> {
        fewer_than_128(description, AttributeType::SOFTWARE).map(|()| Self(description.as_bytes()))
    }
}

/// ALTERNATE-DOMAIN: the name that the certificate of an ALTERNATE-SERVER has to carry (RFC 8489 section 14.16).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AlternateDomain<'a>(&'a str);

impl<'a> AlternateDomain<'a> {
    /// A domain name to send.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`] from 256 bytes on, [`EncodeError::NotAscii`] if it is not plain ASCII.
    pub fn new(name: &'a str) -> Result<Self, EncodeError> {
        match name.len() {
            _ if !name.bytes().all(|byte| byte.is_ascii_graphic()) => Err(EncodeError::NotAscii),
            0..=DOMAIN_MAX => Ok(Self(name)),
            _ => Err(too_long(AttributeType::ALTERNATE_DOMAIN, DOMAIN_MAX, Unit::Bytes)),
        }
    }

    /// The name.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

impl<'a> Attribute<'a> for AlternateDomain<'a> {
    const TYPE: AttributeType = AttributeType::ALTERNATE_DOMAIN;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, DecodeError> {
        let malformed = DecodeError::Value(Self::TYPE);
        Self::new(str::from_utf8(value).map_err(|_| malformed)?).map_err(|_| malformed)
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

/// What [`Username`], [`Realm`], [`Nonce`] and [`Software`] have in common: bytes of bounded length that are meant as text.
macro_rules! bytes_meant_as_text {
    ($name:ident, $number:expr) => {
        impl<'a> $name<'a> {
            /// The bytes as they were received, or are to be sent.
            #[must_use]
            pub const fn as_bytes(&self) -> &'a [u8] {
                self.0
            }

            /// The text, with replacements for what is not UTF-8.
            #[must_use]
            pub fn to_str_lossy(&self) -> Cow<'a, str> {
                String::from_utf8_lossy(self.0)
            }
        }

        impl<'a> Attribute<'a> for $name<'a> {
            const TYPE: AttributeType = $number;

            fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, DecodeError> {
                at_most(RECEIVED_MAX, value, Self::TYPE).map(|()| Self(value))
            }

            fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
                out.extend_from_slice(self.0);
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "(\"{}\")"), self.0.escape_ascii())
            }
        }
    };
}

bytes_meant_as_text!(Username, AttributeType::USERNAME);
bytes_meant_as_text!(Realm, AttributeType::REALM);
bytes_meant_as_text!(Nonce, AttributeType::NONCE);
bytes_meant_as_text!(Software, AttributeType::SOFTWARE);

/// Refuses a received value of more than `limit` bytes.
pub(super) fn at_most(limit: usize, value: &[u8], attribute: AttributeType) -> Result<(), DecodeError> {
    if value.len() <= limit { Ok(()) } else { Err(DecodeError::Value(attribute)) }
}

/// Refuses to send 128 or more characters.
pub(super) fn fewer_than_128(text: &str, attribute: AttributeType) -> Result<(), EncodeError> {
    match text.chars().nth(127) {
        None => Ok(()),
        Some(_) => Err(too_long(attribute, 127, Unit::Characters)),
    }
}

const fn too_long(attribute: AttributeType, limit: usize, unit: Unit) -> EncodeError {
    EncodeError::TooLong { attribute, limit, unit }
}

/// The 24 bits of four characters of base64.
fn base64(characters: &[u8; 4]) -> Option<u32> {
    characters.iter().try_fold(0, |bits, &character| Some((bits << 6) | u32::from(six_bits(character)?)))
}

/// What a character of base64 stands for.
pub(crate) const fn six_bits(character: u8) -> Option<u8> {
    Some(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// The longest text taken from a peer: 127 characters of up to six bytes, and one (RFC 8489 section 14.3).
pub(super) const RECEIVED_MAX: usize = 763;

const DOMAIN_MAX: usize = 255;
const NONCE_COOKIE: &[u8] = b"obMatJos2";
