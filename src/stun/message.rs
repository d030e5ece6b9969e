//! A view over the bytes of a message, validated in one pass.

use super::attribute::{Attribute, AttributeType};
use super::fingerprint::{self, Fingerprint};
use super::header::{COOKIE, Class, HEADER_LEN, Header, Method, TransactionId, class_and_method};
use super::integrity::{Integrity, IntegrityError, Key, Verified};
use core::fmt;

/// Why bytes are no STUN message, or a value not what its attribute type says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Fewer than the 20 bytes of a header.
    #[error("shorter than a STUN header")]
    Truncated,
    /// The first two bits are not zero, or the magic cookie is missing.
    #[error("not STUN")]
    NotStun,
    /// The length field is not a multiple of four.
    #[error("length field is {0}, not a multiple of four")]
    Unaligned(u16),
    /// The length field and the size of the datagram disagree.
    #[error("length field says {declared} bytes, {actual} follow the header")]
    Length {
        /// What the header says.
        declared: u16,
        /// What follows the header.
        actual: usize,
    },
    /// The method is not defined for this class, as in an Allocate indication.
    #[error("{method:?} is not defined for {class:?}")]
    Class {
        /// The method.
        method: Method,
        /// The class that it does not come in.
        class: Class,
    },
    /// An attribute runs past the end of the message.
    #[error("attribute {0} runs past the end of the message")]
    Overrun(AttributeType),
    /// More than 64 attributes.
    #[error("more than {ATTRIBUTES_MAX} attributes")]
    TooManyAttributes,
    /// FINGERPRINT is followed by another attribute.
    #[error("an attribute follows FINGERPRINT")]
    AfterFingerprint,
    /// The value of an attribute has the wrong size or content.
    #[error("attribute {0} has an impossible value")]
    Value(AttributeType),
    /// An address of a family other than IPv4 and IPv6.
    #[error("address family {0} is unknown")]
    AddressFamily(u8),
}

/// A STUN message, borrowed from the bytes it was received in.
///
/// A `Message` is well formed and no more: anybody can have sent it. [`verify`](Self::verify) turns it into a
/// [`Verified`] one. What stands behind MESSAGE-INTEGRITY is not covered by it and cannot be seen through this type
/// (RFC 8489 section 9): [`attributes`](Self::attributes), [`get`](Self::get) and the like end there. The integrity
/// and fingerprint attributes themselves are no content either; they have methods of their own.
///
/// ```
/// use floe::stun::{Builder, Class, Message, Method, Software, TransactionId};
///
/// let mut bytes = Vec::new();
/// Builder::request(&mut bytes, Method::BINDING, TransactionId::from([7; 12]))
///     .attribute(&Software::new("floe")?)
///     .fingerprint();
///
/// let message = Message::parse(&bytes)?;
/// assert_eq!(message.class(), Class::Request);
/// assert_eq!(message.get::<Software<'_>>().unwrap()?.as_bytes(), b"floe");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: Method,
    id: TransactionId,
    seals: Seals<'a>,
}

impl<'a> Message<'a> {
    /// Reads a message that fills `bytes` exactly, as a datagram or a frame does.
    ///
    /// One pass, no allocation. At most 64 attributes; the length field bounds a message to 65,552 bytes. Values
    /// of attributes are judged when they are asked for, those of integrity and fingerprint at once.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`] that says which rule of RFC 8489 sections 5 and 14 the bytes break. Nothing should be sent
    /// in answer.
    // To hand a message back through memory takes a third as long again as to read it.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (header, body) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(DecodeError::Truncated)?;
        let header = Header::read(header);
        // rfc8489-6.3-1: first bits, cookie, length, then whether method and class go together.
        if header.kind & 0xc000 != 0 || header.cookie != COOKIE {
            return Err(DecodeError::NotStun);
        }
        if !header.length.is_multiple_of(4) {
            return Err(DecodeError::Unaligned(header.length));
        }
        if usize::from(header.length) != body.len() {
            return Err(DecodeError::Length { declared: header.length, actual: body.len() });
        }
        let (class, method) = class_and_method(header.kind);
        if !method.allows(class) {
            return Err(DecodeError::Class { method, class });
        }
        Ok(Self { bytes, class, method, id: header.id, seals: Seals::find(body)? })
    }

    /// Request, indication, success or error.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// What the message is about.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The id that a response shares with its request.
    #[must_use]
    pub const fn transaction_id(&self) -> TransactionId {
        self.id
    }

    /// The whole message, as received.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes up to the first integrity attribute or fingerprint, in their order, with their values as
    /// received but without padding.
    pub fn attributes(&self) -> impl Iterator<Item = (AttributeType, &'a [u8])> + use<'a> {
        // The pass in `parse` has seen every attribute whole.
        Attributes::of(self.seals.content)
    }

    /// The first attribute of type `A` (rfc8489-6.3-6): `None` if there is none, an error if its value is malformed.
    pub fn get<A: Attribute<'a>>(&self) -> Option<Result<A, DecodeError>> {
        let value = Attributes::of(self.seals.content).find_value(A::TYPE)?;
        Some(A::decode(value, &self.id))
    }

    /// All attributes of type `A`, for the few that may be repeated, like ALTERNATE-SERVER.
    pub fn all<A: Attribute<'a>>(&self) -> impl Iterator<Item = Result<A, DecodeError>> + use<'a, A> {
        let id = self.id;
        self.attributes().filter(|(kind, _)| *kind == A::TYPE).map(move |(_, value)| A::decode(value, &id))
    }

    /// Whether there is an attribute of this type; integrity and fingerprint count where they stand in their place.
    #[must_use]
    pub fn contains(&self, attribute: AttributeType) -> bool {
        match attribute {
            AttributeType::MESSAGE_INTEGRITY => self.seals.sha1_at.is_some(),
            AttributeType::MESSAGE_INTEGRITY_SHA256 => self.seals.sha256_at.is_some(),
            AttributeType::FINGERPRINT => self.seals.fingerprint,
            _ => self.attributes().any(|(kind, _)| kind == attribute),
        }
    }

    /// The comprehension-required attributes that `known` does not know, each once, in their order: what a 420
    /// lists (RFC 8489 section 6.3.1). To be asked after authentication (rfc8489-6.3-3).
    pub fn unknown_required(
        &self,
        known: impl Fn(AttributeType) -> bool,
    ) -> impl Iterator<Item = AttributeType> {
        let unknown = move |kind: &AttributeType| kind.is_comprehension_required() && !known(*kind);
        self.attributes()
            .map(|(kind, _)| kind)
            .enumerate()
            .filter(move |(_, kind)| unknown(kind))
            .filter(|&(n, kind)| !self.attributes().take(n).any(|(earlier, _)| earlier == kind))
            .map(|(_, kind)| kind)
    }

    /// Whether the message ends in a FINGERPRINT, and a right one (RFC 8489 section 14.7).
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let Some((before, value)) = self.bytes.split_last_chunk().filter(|_| self.seals.fingerprint) else {
            return Fingerprint::Absent;
        };
        match before.split_last_chunk::<ATTRIBUTE_HEADER_LEN>() {
            Some((covered, _)) if fingerprint::value(covered) == *value => Fingerprint::Valid,
            _ => Fingerprint::Wrong,
        }
    }

    /// Which integrity attribute counts: SHA-256 if there is one, else SHA-1 (RFC 8489 section 9.1.3).
    ///
    /// Says what the message carries, not that it is right.
    #[must_use]
    pub const fn integrity_kind(&self) -> Option<Integrity> {
        match self.seals {
            Seals { sha256_at: Some(_), .. } => Some(Integrity::Sha256),
            Seals { sha1_at: Some(_), .. } => Some(Integrity::Sha1),
            _ => None,
        }
    }

    /// Checks the integrity attribute that [counts](Self::integrity_kind) against `key`, in constant time.
    ///
    /// # Errors
    ///
    /// If there is none, if it does not match, or if it is a truncated one, which neither ICE nor TURN allow.
    #[inline]
    pub fn verify(&self, key: &Key) -> Result<Verified<'a>, IntegrityError> {
        Verified::check(*self, key)
    }

    /// Where the integrity attribute of a kind stands in the body, and its value.
    pub(super) fn seal(&self, integrity: Integrity) -> Option<(usize, &'a [u8])> {
        let at = usize::from(match integrity {
            Integrity::Sha1 => self.seals.sha1_at?,
            Integrity::Sha256 => self.seals.sha256_at?,
        });
        let (_, value) = Attributes::of(self.body().get(at..)?).next()?;
        Some((at, value))
    }

    fn body(&self) -> &'a [u8] {
        self.bytes.get(HEADER_LEN..).unwrap_or_default()
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.class, self.method, self.id)?;
        // Numbers and sizes only: values may be secrets, or somebody's attempt at a log file.
        f.debug_map().entries(self.attributes().map(|(kind, value)| (kind, value.len()))).finish()
    }
}

/// What is content, and where in the body stands what seals it.
#[derive(Clone, Copy)]
struct Seals<'a> {
    /// The attributes before the first seal.
    content: &'a [u8],
    sha1_at: Option<u16>,
    sha256_at: Option<u16>,
    /// Whether the body ends in a FINGERPRINT.
    fingerprint: bool,
}

impl<'a> Seals<'a> {
    /// The one pass over all attributes: sizes, number, and the order in which seals may come.
    #[inline(always)]
    fn find(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut seals = Self { content: body, sha1_at: None, sha256_at: None, fingerprint: false };
        let (mut rest, mut count) = (body, 0);
        while let Some((header, behind)) = rest.split_first_chunk() {
            let (kind, len) = kind_and_len(*header);
            let next = behind.get(padded(len)..).ok_or(DecodeError::Overrun(kind))?;
            if count == ATTRIBUTES_MAX {
                return Err(DecodeError::TooManyAttributes);
            }
            count += 1;
            let content_len = body.len().saturating_sub(rest.len());
            let at = u16::try_from(content_len).ok();
            rest = next;
            match kind {
                // rfc8489-9-1, rfc8489-9-2: of what follows an integrity attribute, only a stronger one counts.
                AttributeType::MESSAGE_INTEGRITY if seals.sha1_at.or(seals.sha256_at).is_none() => {
                    // rfc8489-14.5-2
                    well_sized(len == Integrity::Sha1.len(), kind)?;
                    seals.sha1_at = at;
                }
                AttributeType::MESSAGE_INTEGRITY_SHA256 if seals.sha256_at.is_none() => {
                    // rfc8489-14.6-1: a truncated HMAC is well formed.
                    well_sized(matches!(len, 16 | 20 | 24 | 28 | 32), kind)?;
                    seals.sha256_at = at;
                }
                AttributeType::FINGERPRINT => {
                    well_sized(len == fingerprint::LEN, kind)?;
                    // rfc8489-14.7-2
                    if !rest.is_empty() {
                        return Err(DecodeError::AfterFingerprint);
                    }
                    seals.fingerprint = true;
                }
                _ => continue,
            }
            seals.content = seals.content.get(..content_len).unwrap_or(seals.content);
        }
        Ok(seals)
    }
}

fn well_sized(well: bool, kind: AttributeType) -> Result<(), DecodeError> {
    if well { Ok(()) } else { Err(DecodeError::Value(kind)) }
}

/// Walks attributes, up to the end or to one that runs past it.
pub(super) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(super) const fn of(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// The value of the first attribute of a type. Steps over the others by their lengths alone.
    fn find_value(self, kind: AttributeType) -> Option<&'a [u8]> {
        let mut rest = self.rest;
        while let Some((header, behind)) = rest.split_first_chunk() {
            let (found, len) = kind_and_len(*header);
            if found == kind {
                return behind.get(..len);
            }
            rest = behind.get(padded(len)..)?;
        }
        None
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (AttributeType, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.rest.split_first_chunk()?;
        let (kind, len) = kind_and_len(*header);
        let (padded, rest) = rest.split_at_checked(padded(len))?;
        self.rest = rest;
        Some((kind, padded.get(..len)?))
    }
}

fn kind_and_len([t0, t1, l0, l1]: [u8; ATTRIBUTE_HEADER_LEN]) -> (AttributeType, usize) {
    (AttributeType::new(u16::from_be_bytes([t0, t1])), usize::from(u16::from_be_bytes([l0, l1])))
}

/// How much room a value of `len` bytes takes. rfc8489-14-1, rfc8489-14-2: the length counts no padding; what the padding
/// holds does not matter. The body being a multiple of four, padding cannot run past its end when the value does not.
pub(super) const fn padded(len: usize) -> usize {
    len.saturating_add(3) & !3
}

/// Attributes walked per message: far above what any protocol over STUN sends, and low enough that the worst datagram
/// costs little more than a plain one.
const ATTRIBUTES_MAX: usize = 64;

/// Type and length, two bytes each.
pub(super) const ATTRIBUTE_HEADER_LEN: usize = 4;

#[cfg(test)]
mod tests;
