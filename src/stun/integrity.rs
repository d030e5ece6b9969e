//! MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 (RFC 8489 sections 14.5 and 14.6): keys, tags, and what has passed.

use super::attribute::EncodeError;
use super::header::HEADER_LEN;
use super::hmac::{Block, Keyed};
use super::message::{ATTRIBUTE_HEADER_LEN, Message};
use super::text::Userhash;
use alloc::boxed::Box;
use core::fmt;
use core::ops::Deref;
use md5::Md5;
use sha2::digest::Output;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Which of the two integrity attributes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "a third would be a change of protocol")]
pub enum Integrity {
    /// MESSAGE-INTEGRITY: HMAC-SHA1, 20 bytes. What ICE uses.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256: HMAC-SHA256, 32 bytes; shorter ones are well formed and never accepted.
    Sha256,
}

impl Integrity {
    /// Length of the value as this crate sends it.
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// Why a message is not authentic.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IntegrityError {
    /// It has no integrity attribute.
    #[error("no integrity attribute")]
    Absent,
    /// The integrity attribute was made with another key or over other bytes.
    #[error("integrity attribute does not match")]
    Wrong,
    /// MESSAGE-INTEGRITY-SHA256 has fewer than 32 bytes, which no usage known here allows.
    #[error("integrity attribute is truncated")]
    Truncated,
    /// A response is protected otherwise than its request was (RFC 8489 section 9.1.4).
    #[error("integrity attribute is of another kind than the request's")]
    OtherKind,
}

/// The secret that two ends share, ready for use: HMAC-SHA1 has been keyed once, each message costs only itself.
/// HMAC-SHA256, which few use and no check of ours does, is keyed when it is asked for.
///
/// Nothing of it can be printed or compared, and it is wiped when dropped.
#[derive(Clone)]
pub struct Key {
    sha1: Keyed<[u32; 5]>,
    /// What HMAC-SHA256 is keyed with. Missing from a key that is for HMAC-SHA1 alone.
    secret: Option<Box<Block>>,
}

impl Key {
    /// The key of a short-term credential: the password itself (RFC 8489 section 9.1.1).
    ///
    /// The bytes are taken as prepared. ICE passwords are by their grammar; for text of other origin see
    /// [`opaque_string`].
    #[must_use]
    pub fn short_term(password: &[u8]) -> Self {
        Self { secret: Some(Box::new(Block::of::<Sha256>(password))), ..Self::of_sha1(password) }
    }

    /// The same for HMAC-SHA1 alone, in less than half the room: with the other no message matches it.
    pub(crate) fn of_sha1(password: &[u8]) -> Self {
        Self { sha1: Keyed::new(password), secret: None }
    }

    /// The key of a long-term credential under MD5, which is also the one of RFC 5389 (RFC 8489 section 9.2.2).
    ///
    /// `username` and `realm` as they stand in their attributes; `password` prepared.
    #[must_use]
    pub fn long_term_md5(username: &[u8], realm: &[u8], password: &[u8]) -> Self {
        Self::from_digest(joined::<Md5>(&[stripped(username), stripped(realm), without_nulls(password)]))
    }

    /// The key of a long-term credential under the password algorithm SHA-256 (RFC 8489 section 18.5.1.2).
    ///
    /// `username` and `realm` as they stand in their attributes; `password` prepared.
    #[must_use]
    pub fn long_term_sha256(username: &[u8], realm: &[u8], password: &[u8]) -> Self {
        Self::from_digest(joined::<Sha256>(&[stripped(username), stripped(realm), without_nulls(password)]))
    }

    fn from_digest(mut digest: impl AsMut<[u8]>) -> Self {
        let key = Self::short_term(digest.as_mut());
        digest.as_mut().zeroize();
        key
    }

    /// The tag of HMAC-SHA1 over a message, which begins with `start`.
    pub(super) fn sha1(&self, start: [u8; 4], rest: &[u8]) -> [u8; 20] {
        self.sha1.tag(start, rest)
    }

    /// The tag of HMAC-SHA256 over a message, which begins with `start`.
    pub(super) fn sha256(&self, start: [u8; 4], rest: &[u8]) -> [u8; 32] {
        debug_assert!(self.secret.is_some(), "a key for SHA-1 alone");
        self.keyed_sha256().map(|keyed| keyed.tag(start, rest)).unwrap_or_default()
    }

    /// Whether `tag` is right for a message that begins with `start`. Takes the same time wherever they differ.
    fn matches(&self, integrity: Integrity, start: [u8; 4], rest: &[u8], tag: &[u8]) -> bool {
        match integrity {
            Integrity::Sha1 => self.sha1.matches(start, rest, tag),
            Integrity::Sha256 => self.keyed_sha256().is_some_and(|keyed| keyed.matches(start, rest, tag)),
        }
    }

    fn keyed_sha256(&self) -> Option<Keyed<[u32; 8]>> {
        self.secret.as_deref().cloned().map(Keyed::by)
    }
}

impl ZeroizeOnDrop for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// USERHASH for a user name that is not to be seen: SHA-256 of `username:realm` (RFC 8489 section 14.4).
#[must_use]
pub fn userhash(username: &[u8], realm: &[u8]) -> Userhash {
    Userhash(joined::<Sha256>(&[stripped(username), stripped(realm)]).into())
}

/// Prepares a user name, realm or password by the OpaqueString profile (RFC 8265), which leaves ASCII as it is.
///
/// # Errors
///
/// [`EncodeError::NotAscii`] for anything else, control characters included: preparing that takes the tables of
/// Unicode. A caller who has them passes the prepared bytes to [`Key`] directly.
pub fn opaque_string(text: &str) -> Result<&[u8], EncodeError> {
    let plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if plain { Ok(text.as_bytes()) } else { Err(EncodeError::NotAscii) }
}

/// A message whose integrity attribute was made with the right key.
///
/// It reads like the [`Message`] it was. [`Message::verify`] and what is built on it are the only ways to get one, so
/// a function that takes it cannot be called with less.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    message: Message<'a>,
    integrity: Integrity,
}

impl<'a> Verified<'a> {
    /// By which attribute the message was verified.
    #[must_use]
    pub const fn integrity(&self) -> Integrity {
        self.integrity
    }

    /// One HMAC, over the stronger attribute if there are two (rfc8489-9.1.3-4).
    #[inline]
    pub(super) fn check(message: Message<'a>, key: &Key) -> Result<Self, IntegrityError> {
        let integrity = message.integrity_kind().ok_or(IntegrityError::Absent)?;
        let (at, tag) = message.seal(integrity).ok_or(IntegrityError::Absent)?;
        // rfc8489-14.6-1
        if tag.len() < integrity.len() {
            return Err(IntegrityError::Truncated);
        }
        // rfc8489-14.5-1: the length field counts up to the end of this attribute, whatever follows it.
        let length = at.saturating_add(ATTRIBUTE_HEADER_LEN).saturating_add(integrity.len());
        let length = u16::try_from(length).map_err(|_| IntegrityError::Wrong)?.to_be_bytes();
        let Some(&[t0, t1, _, _]) = message.as_bytes().first_chunk() else {
            return Err(IntegrityError::Wrong);
        };
        let [l0, l1] = length;
        let rest = message.as_bytes().get(4..HEADER_LEN.saturating_add(at)).ok_or(IntegrityError::Wrong)?;
        if key.matches(integrity, [t0, t1, l0, l1], rest, tag) {
            Ok(Self { message, integrity })
        } else {
            Err(IntegrityError::Wrong)
        }
    }
}

impl<'a> Deref for Verified<'a> {
    type Target = Message<'a>;

    fn deref(&self) -> &Self::Target {
        &self.message
    }
}

/// The hash of `fields` with a colon between them.
fn joined<D: Digest>(fields: &[&[u8]]) -> Output<D> {
    let mut hash = D::new();
    for (n, field) in fields.iter().enumerate() {
        if n > 0 {
            hash.update(b":");
        }
        hash.update(field);
    }
    hash.finalize()
}

/// A user name or realm without quotes around it and nulls behind it (rfc8489-9.2.2-2).
fn stripped(text: &[u8]) -> &[u8] {
    let text = without_nulls(text);
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

fn without_nulls(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., 0] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests;
