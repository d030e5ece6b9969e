//! Writes a message into the caller's vector.

use super::attribute::{Attribute, AttributeType};
use super::error_code::ErrorCode;
use super::fingerprint;
use super::header::{COOKIE, Class, HEADER_LEN, Header, Method, TransactionId, message_type};
use super::integrity::{Integrity, Key};
use super::message::{ATTRIBUTE_HEADER_LEN, padded};
use alloc::vec::Vec;
use core::fmt;

/// A message being written behind whatever the vector already holds.
///
/// Writing cannot fail, and what has been written so far is a whole message at any time: the length field follows
/// every attribute, padding is zero. An attribute that would take the body beyond 65,464 bytes, which leaves room
/// for the seals, is left out.
///
/// ```
/// use floe::stun::{Builder, Integrity, Key, Message, Method, Priority, TransactionId, UseCandidate, Username};
///
/// let key = Key::short_term(b"VOkJxbRl1RmTxUk/WvJxBt");
/// let mut out = Vec::new();
/// Builder::request(&mut out, Method::BINDING, TransactionId::from([7; 12]))
///     .attribute(&Username::new("evtj:h6vY")?)
///     .attribute(&Priority(0x6e00_01ff))
///     .attribute(&UseCandidate)
///     .integrity(&key, Integrity::Sha1) // from here on only a fingerprint can follow
///     .fingerprint();
/// assert!(Message::parse(&out)?.verify(&key).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Builder<'b> {
    out: &'b mut Vec<u8>,
    /// Where the message begins in `out`.
    start: usize,
    class: Class,
    method: Method,
    id: TransactionId,
}

impl<'b> Builder<'b> {
    /// Begins a request.
    #[inline]
    pub fn request(out: &'b mut Vec<u8>, method: Method, id: TransactionId) -> Self {
        Self::new(out, Class::Request, method, id)
    }

    /// Begins an indication.
    #[inline]
    pub fn indication(out: &'b mut Vec<u8>, method: Method, id: TransactionId) -> Self {
        Self::new(out, Class::Indication, method, id)
    }

    /// Begins the success response to a request of this method and id.
    #[inline]
    pub fn success(out: &'b mut Vec<u8>, method: Method, id: TransactionId) -> Self {
        Self::new(out, Class::Success, method, id)
    }

    /// Begins the error response to a request of this method and id; ERROR-CODE is its first attribute.
    pub fn error(out: &'b mut Vec<u8>, method: Method, id: TransactionId, code: &ErrorCode<'_>) -> Self {
        // rfc8489-6.3.1.1-1
        Self::new(out, Class::Error, method, id).attribute(code)
    }

    #[inline]
    pub(super) fn new(out: &'b mut Vec<u8>, class: Class, method: Method, id: TransactionId) -> Self {
        debug_assert!(method.allows(class), "{method:?} is not defined for {class:?}");
        let start = out.len();
        out.extend_from_slice(
            &Header { kind: message_type(class, method), length: 0, cookie: COOKIE, id }.bytes(),
        );
        Self { out, start, class, method, id }
    }

    /// Appends an attribute.
    #[inline]
    pub fn attribute<'a, A: Attribute<'a>>(self, attribute: &A) -> Self {
        let id = self.id;
        append(self.out, self.start, A::TYPE, |out| attribute.encode(&id, out));
        self
    }

    /// Appends an attribute of which only number and bytes are known, as when a message is passed on.
    pub fn raw(self, attribute: AttributeType, value: &[u8]) -> Self {
        append(self.out, self.start, attribute, |out| out.extend_from_slice(value));
        self
    }

    /// Appends the USERNAME of a check: the peer's fragment, a colon, our own (rfc8445-7.2.2-1). The two together have at most
    /// [`Username::LEN_MAX`](super::Username::LEN_MAX) bytes, the colon included.
    pub(crate) fn fragments(self, theirs: &str, ours: &str) -> Self {
        append(self.out, self.start, AttributeType::USERNAME, |out| {
            out.extend_from_slice(theirs.as_bytes());
            out.push(b':');
            out.extend_from_slice(ours.as_bytes());
        });
        self
    }

    /// Protects all that was written so far. ICE uses [`Integrity::Sha1`]; a response has the kind of its request.
    pub fn integrity(self, key: &Key, integrity: Integrity) -> Sealed<'b> {
        seal(self.out, self.start, key, integrity);
        Sealed(self)
    }

    /// Protects all that was written so far with both attributes: for a first request to a server of which it is not
    /// known which one it understands (RFC 8489 section 9.1.2).
    pub fn both_integrities(self, key: &Key) -> Sealed<'b> {
        // rfc8489-9.1.2-2
        seal(self.out, self.start, key, Integrity::Sha1);
        seal(self.out, self.start, key, Integrity::Sha256);
        Sealed(self)
    }

    /// Ends the message with a FINGERPRINT.
    pub fn fingerprint(self) {
        // rfc8489-14.7-1
        announce(self.out, self.start, ATTRIBUTE_HEADER_LEN + fingerprint::LEN);
        let value = fingerprint::value(self.out.get(self.start..).unwrap_or_default());
        put(self.out, AttributeType::FINGERPRINT, &value);
    }

    pub(super) const fn class(&self) -> Class {
        self.class
    }

    pub(super) const fn method(&self) -> Method {
        self.method
    }
}

impl fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("id", &self.id)
            .field("len", &self.out.len().saturating_sub(self.start))
            .finish()
    }
}

/// A message to which nothing can be added but a FINGERPRINT.
#[derive(Debug)]
pub struct Sealed<'b>(Builder<'b>);

impl Sealed<'_> {
    /// Ends the message with a FINGERPRINT.
    pub fn fingerprint(self) {
        self.0.fingerprint();
    }
}

/// Writes one attribute with its padding behind a message that begins at `start`, or nothing if it does not fit.
///
/// What follows here is told where to write and no more: a builder that is handed on by value stays in registers.
#[inline]
fn append(out: &mut Vec<u8>, start: usize, kind: AttributeType, value: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&attribute_header(kind, 0));
    value(out);
    let len = out.len().saturating_sub(at).saturating_sub(ATTRIBUTE_HEADER_LEN);
    if !len.is_multiple_of(4) {
        pad(out, at, len);
    }
    let body = out.len().saturating_sub(start).saturating_sub(HEADER_LEN);
    match (u16::try_from(len), u16::try_from(body)) {
        (Ok(len), Ok(body)) if body <= CONTENT_MAX => {
            patch(out, at, len);
            patch(out, start, body);
        }
        _ => out.truncate(at),
    }
}

/// Rounds an attribute up that begins at `at`: four zeros and then as many less is quicker than as many as it takes.
fn pad(out: &mut Vec<u8>, at: usize, len: usize) {
    out.extend_from_slice(&[0; 4]);
    out.truncate(at.saturating_add(ATTRIBUTE_HEADER_LEN).saturating_add(padded(len)));
}

fn seal(out: &mut Vec<u8>, start: usize, key: &Key, integrity: Integrity) {
    // rfc8489-14.5-1
    announce(out, start, ATTRIBUTE_HEADER_LEN.saturating_add(integrity.len()));
    let Some((first, rest)) = out.get(start..).and_then(<[u8]>::split_first_chunk) else { return };
    match integrity {
        Integrity::Sha1 => {
            let tag = key.sha1(*first, rest);
            put(out, AttributeType::MESSAGE_INTEGRITY, &tag);
        }
        Integrity::Sha256 => {
            let tag = key.sha256(*first, rest);
            put(out, AttributeType::MESSAGE_INTEGRITY_SHA256, &tag);
        }
    }
}

/// Writes a seal, for which there is always room.
fn put(out: &mut Vec<u8>, kind: AttributeType, value: &[u8]) {
    let len = u16::try_from(value.len()).unwrap_or_default();
    out.extend_from_slice(&attribute_header(kind, len));
    out.extend_from_slice(value);
}

/// Sets the length field of the message that begins at `start` as if `more` bytes had been written already.
fn announce(out: &mut [u8], start: usize, more: usize) {
    let length = out.len().saturating_add(more).saturating_sub(start).saturating_sub(HEADER_LEN);
    patch(out, start, u16::try_from(length).unwrap_or(u16::MAX));
}

/// Writes a length: those of the header and of attributes stand in the same place, behind a type.
fn patch(out: &mut [u8], at: usize, length: u16) {
    if let Some([_, _, l0, l1, ..]) = out.get_mut(at..) {
        [*l0, *l1] = length.to_be_bytes();
    }
}

const fn attribute_header(kind: AttributeType, len: u16) -> [u8; ATTRIBUTE_HEADER_LEN] {
    let ([t0, t1], [l0, l1]) = (kind.as_u16().to_be_bytes(), len.to_be_bytes());
    [t0, t1, l0, l1]
}

/// The longest body before seals: 65,532 less MESSAGE-INTEGRITY (24), MESSAGE-INTEGRITY-SHA256 (36) and
/// FINGERPRINT (8).
const CONTENT_MAX: u16 = 65_464;

#[cfg(test)]
mod tests;
