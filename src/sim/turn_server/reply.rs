//! The answer to a request, before it is bytes: what may still be done to it, rightly or wrongly.

use alloc::vec::Vec;

use bytes::Bytes;

use super::credentials::Identity;
use crate::stun::{
    Attribute, AttributeType, Builder, ErrorCode, Fingerprint, Integrity, Key, Message, Method, TransactionId,
};

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    method: Method,
    id: TransactionId,
    /// The error code, or none for a success.
    error: Option<u16>,
    attributes: Vec<(AttributeType, Vec<u8>)>,
    seal: Option<(Key, Integrity)>,
    fingerprint: bool,
}

impl Reply {
    /// Grants `request`.
    pub(super) fn success(request: &Message<'_>) -> Self {
        Self {
            method: request.method(),
            id: request.transaction_id(),
            error: None,
            attributes: Vec::new(),
            seal: None,
            fingerprint: request.fingerprint() != Fingerprint::Absent,
        }
    }

    /// Refuses `request`.
    pub(super) fn error(request: &Message<'_>, code: u16) -> Self {
        Self { error: Some(code), ..Self::success(request) }
    }

    /// Adds an attribute.
    pub(super) fn with<'a, A: Attribute<'a>>(mut self, attribute: &A) -> Self {
        let mut value = Vec::new();
        attribute.encode(&self.id, &mut value);
        self.attributes.push((A::TYPE, value));
        self
    }

    /// Adds an attribute of which only the bytes are known.
    pub(super) fn with_raw(mut self, kind: AttributeType, value: &[u8]) -> Self {
        self.attributes.push((kind, value.to_vec()));
        self
    }

    /// Puts `attribute` in the place of the first one of its type, if there is one.
    pub(super) fn replace<'a, A: Attribute<'a>>(&mut self, attribute: &A) {
        let mut value = Vec::new();
        attribute.encode(&self.id, &mut value);
        if let Some((_, old)) = self.attributes.iter_mut().find(|(kind, _)| *kind == A::TYPE) {
            *old = value;
        }
    }

    /// Seals it as whoever asked can verify.
    pub(super) fn sealed_for(mut self, identity: Option<&Identity>) -> Self {
        self.seal = identity.map(|identity| (identity.key.clone(), identity.integrity));
        self
    }

    /// What somebody else would say in its place.
    pub(super) fn contradicted(&self, code: u16) -> Self {
        let (error, attributes) = (Some(code), Vec::new());
        Self { error, attributes, seal: None, ..self.clone() }
    }

    /// Leaves FINGERPRINT out.
    pub(super) fn end_without_fingerprint(&mut self) {
        self.fingerprint = false;
    }

    /// Takes the seal away.
    pub(super) fn unseal(&mut self) {
        self.seal = None;
    }

    /// Seals it with a key that is not the client's.
    pub(super) fn forge(&mut self) {
        let integrity = self.seal.as_ref().map_or(Integrity::Sha1, |(_, integrity)| *integrity);
        self.seal = Some((Key::short_term(b"another"), integrity));
    }

    /// Gives it another transaction id. Addresses become wrong by that as well: they are XORed with it.
    pub(super) fn misdirect(&mut self) {
        let mut id = *self.id.as_bytes();
        id.reverse();
        self.id = TransactionId::from(id);
    }

    /// What it answers.
    pub(super) const fn method(&self) -> Method {
        self.method
    }

    /// The error code, or none for a success.
    pub(super) const fn code(&self) -> Option<u16> {
        self.error
    }

    /// The bytes.
    pub(super) fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        let builder = match self.error.map(|code| ErrorCode::new(code).unwrap_or(ErrorCode::SERVER_ERROR)) {
            None => Builder::success(&mut out, self.method, self.id),
            Some(code) => Builder::error(&mut out, self.method, self.id, &code),
        };
        let builder =
            self.attributes.iter().fold(builder, |builder, (kind, value)| builder.raw(*kind, value));
        match (&self.seal, self.fingerprint) {
            (Some((key, integrity)), true) => builder.integrity(key, *integrity).fingerprint(),
            (Some((key, integrity)), false) => {
                let _ = builder.integrity(key, *integrity);
            }
            (None, true) => builder.fingerprint(),
            (None, false) => {}
        }
        out.into()
    }
}
