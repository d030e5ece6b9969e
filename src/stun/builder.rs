//! Writes a message into the caller's vector.

use super::attribute::{Attribute, AttributeType};
use super::error_code::ErrorCode;
use super::fingerprint;
use super::header::{COOKIE, Class, HEADER_LEN, Method, TransactionId, message_type};
use super::integrity::{Integrity, Key};
use super::message::ATTRIBUTE_HEADER_LEN;
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
    pub fn request(out: &'b mut Vec<u8>, method: Method, id: TransactionId) -> Self {
        Self::new(out, Class::Request, method, id)
    }

    /// Begins an indication.
    pub fn indication(out: &'b mut Vec<u8>, method: Method, id: TransactionId) -> Self {
        Self::new(out, Class::Indication, method, id)
    }

    /// Begins the success response to a request of this method and id.
    pub fn success(out: &'b mut Vec<u8>, method: Method, id: TransactionId) -> Self {
        Self::new(out, Class::Success, method, id)
    }

    /// Begins the error response to a request of this method and id; ERROR-CODE is its first attribute.
    pub fn error(out: &'b mut Vec<u8>, method: Method, id: TransactionId, code: &ErrorCode<'_>) -> Self {
        // rfc8489-6.3.1.1-1
        Self::new(out, Class::Error, method, id).attribute(code)
    }

    pub(super) fn new(out: &'b mut Vec<u8>, class: Class, method: Method, id: TransactionId) -> Self {
        debug_assert!(method.allows(class), "{method:?} is not defined for {class:?}");
        let start = out.len();
        out.extend_from_slice(&message_type(class, method).to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&COOKIE.to_be_bytes());
        out.extend_from_slice(id.as_bytes());
        Self { out, start, class, method, id }
    }

    /// Appends an attribute.
    pub fn attribute<'a, A: Attribute<'a>>(mut self, attribute: &A) -> Self {
        let id = self.id;
        self.write(A::TYPE, |out| attribute.encode(&id, out));
        self
    }

    /// Appends an attribute of which only number and bytes are known, as when a message is passed on.
    pub fn raw(mut self, attribute: AttributeType, value: &[u8]) -> Self {
        self.write(attribute, |out| out.extend_from_slice(value));
        self
    }

    /// Protects all that was written so far. ICE uses [`Integrity::Sha1`]; a response has the kind of its request.
    pub fn integrity(mut self, key: &Key, integrity: Integrity) -> Sealed<'b> {
        self.seal(key, integrity);
        Sealed(self)
    }

    /// Protects all that was written so far with both attributes: for a first request to a server of which it is not
    /// known which one it understands (RFC 8489 section 9.1.2).
    pub fn both_integrities(mut self, key: &Key) -> Sealed<'b> {
        // rfc8489-9.1.2-2
        self.seal(key, Integrity::Sha1);
        self.seal(key, Integrity::Sha256);
        Sealed(self)
    }

    /// Ends the message with a FINGERPRINT.
    pub fn fingerprint(mut self) {
        // rfc8489-14.7-1
        self.promise(fingerprint::LEN);
        let value = fingerprint::value(self.written());
        self.put(AttributeType::FINGERPRINT, &value);
    }
}

impl Builder<'_> {
    pub(super) const fn class(&self) -> Class {
        self.class
    }

    pub(super) const fn method(&self) -> Method {
        self.method
    }

    fn seal(&mut self, key: &Key, integrity: Integrity) {
        // rfc8489-14.5-1
        self.promise(integrity.len());
        let Some((start, rest)) = self.written().split_first_chunk() else { return };
        match integrity {
            Integrity::Sha1 => {
                let tag = key.sha1(*start, rest);
                self.put(AttributeType::MESSAGE_INTEGRITY, &tag);
            }
            Integrity::Sha256 => {
                let tag = key.sha256(*start, rest);
                self.put(AttributeType::MESSAGE_INTEGRITY_SHA256, &tag);
            }
        }
    }

    /// Writes one attribute and its padding, or nothing if it does not fit.
    fn write(&mut self, kind: AttributeType, value: impl FnOnce(&mut Vec<u8>)) {
        let at = self.out.len();
        self.out.extend_from_slice(&kind.as_u16().to_be_bytes());
        self.out.extend_from_slice(&[0, 0]);
        value(self.out);
        let len = self.out.len().saturating_sub(at).saturating_sub(ATTRIBUTE_HEADER_LEN);
        self.out.resize(at.saturating_add(ATTRIBUTE_HEADER_LEN).saturating_add(len.next_multiple_of(4)), 0);
        match u16::try_from(len) {
            Ok(len) if self.body_len() <= CONTENT_MAX => {
                self.patch(at, len);
                self.promise_body(0);
            }
            _ => self.out.truncate(at),
        }
    }

    /// Writes a seal, for which there is always room.
    fn put(&mut self, kind: AttributeType, value: &[u8]) {
        self.out.extend_from_slice(&kind.as_u16().to_be_bytes());
        self.out.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        self.out.extend_from_slice(value);
    }

    /// Sets the length field as if an attribute with a value of `len` bytes had been written already.
    fn promise(&mut self, len: usize) {
        self.promise_body(ATTRIBUTE_HEADER_LEN.saturating_add(len));
    }

    fn promise_body(&mut self, more: usize) {
        let length = u16::try_from(self.body_len().saturating_add(more)).unwrap_or(u16::MAX);
        self.patch(self.start, length);
    }

    /// Writes a length: those of the header and of attributes stand in the same place, behind a type.
    fn patch(&mut self, at: usize, length: u16) {
        if let Some([_, _, l0, l1, ..]) = self.out.get_mut(at..) {
            [*l0, *l1] = length.to_be_bytes();
        }
    }

    fn written(&self) -> &[u8] {
        self.out.get(self.start..).unwrap_or_default()
    }

    fn body_len(&self) -> usize {
        self.written().len().saturating_sub(HEADER_LEN)
    }
}

impl fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("id", &self.id).field("len", &self.written().len()).finish()
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

/// The longest body before seals: 65,532 less MESSAGE-INTEGRITY (24), MESSAGE-INTEGRITY-SHA256 (36) and
/// FINGERPRINT (8).
const CONTENT_MAX: usize = 65_464;

#[cfg(test)]
mod tests;
