//! How requests to one server are signed: a name, a key, and what kind of integrity (RFC 8489 section 9.2.3).

use super::attribute::{AttributeType, EncodeError};
use super::builder::Builder;
use super::challenge::{Scheme, Terms};
use super::header::Method;
use super::integrity::{Integrity, IntegrityError, Key, Verified, userhash};
use super::message::Message;
use super::oauth::Token;
use super::text::{Userhash, Username};
use alloc::string::String;
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// A user name and the password that goes with it, both prepared.
#[derive(Clone)]
pub(super) struct Password {
    username: String,
    password: Zeroizing<Vec<u8>>,
}

impl Password {
    pub(super) fn new(username: &str, password: &[u8]) -> Result<Self, EncodeError> {
        Username::new(username)?;
        Ok(Self { username: username.into(), password: password.to_vec().into() })
    }
}

/// A secret as the terms of a server have it used.
#[derive(Clone)]
pub(super) struct Signer {
    /// Names the signer among those that there have been.
    pub(super) number: u32,
    name: Name,
    token: Option<Token>,
    key: Key,
    scheme: Scheme,
    integrity: Integrity,
}

/// By what a request says whose it is.
#[derive(Clone)]
enum Name {
    Plain(String),
    Hash(Userhash),
}

impl Signer {
    /// Signs with a password.
    pub(super) fn with_password(number: u32, secret: &Password, terms: &Terms) -> Self {
        let (username, realm) = (secret.username.as_bytes(), &*terms.realm);
        let key = match terms.scheme {
            // rfc8489-9.2.2-1
            Scheme::Legacy | Scheme::Md5 => Key::long_term_md5(username, realm, &secret.password),
            Scheme::Sha256 => Key::long_term_sha256(username, realm, &secret.password),
        };
        // rfc8489-9.2.5-3
        let name = if terms.anonymous {
            Name::Hash(userhash(username, realm))
        } else {
            Name::Plain(secret.username.clone())
        };
        Self { number, name, token: None, key, scheme: terms.scheme, integrity: terms.scheme.integrity() }
    }

    /// Signs with a token. USERNAME names a key, not a user, and is never hashed: the server finds the key by it.
    pub(super) fn with_token(number: u32, token: &Token, terms: &Terms) -> Self {
        Self {
            number,
            name: Name::Plain(token.kid().into()),
            key: token.key().clone(),
            token: Some(token.clone()),
            scheme: terms.scheme,
            integrity: terms.scheme.integrity(),
        }
    }

    /// Ends a request.
    pub(super) fn seal(&self, request: Builder<'_>, terms: &Terms) {
        let wants_token = takes_token(request.method());
        let mut request = match &self.name {
            Name::Plain(name) => request.raw(AttributeType::USERNAME, name.as_bytes()),
            Name::Hash(hash) => request.attribute(hash),
        };
        // rfc8489-9.2.5-4
        request = request.raw(AttributeType::REALM, &terms.realm).raw(AttributeType::NONCE, &terms.nonce);
        // rfc8489-9.2.5-5
        if let Some((algorithms, chosen)) = terms.algorithms.as_ref().zip(terms.scheme.algorithm()) {
            request = request.raw(AttributeType::PASSWORD_ALGORITHMS, algorithms).attribute(&chosen);
        }
        if let Some(token) = self.token.as_ref().filter(|_| wants_token) {
            request = request.attribute(&token.token());
        }
        request.integrity(&self.key, self.integrity).fingerprint();
    }

    /// Verifies a response, and learns by which attribute the server answers.
    ///
    /// A server that has agreed upon an algorithm has to answer by MESSAGE-INTEGRITY-SHA256 (rfc8489-9.2.4-1), and what
    /// comes under the other attribute is not its own. Without an agreement either will do, and after the first answer
    /// under SHA-256 requests have it too (rfc8489-9.2.3.2-1).
    pub(super) fn verify<'a>(&mut self, response: &Message<'a>) -> Result<Verified<'a>, IntegrityError> {
        let kind = response.integrity_kind().ok_or(IntegrityError::Absent)?;
        if self.scheme != Scheme::Legacy && kind != Integrity::Sha256 {
            return Err(IntegrityError::OtherKind);
        }
        let verified = response.verify(&self.key)?;
        // rfc8489-9.2.5-13
        if kind == Integrity::Sha256 || verified.contains(AttributeType::PASSWORD_ALGORITHMS) {
            self.integrity = Integrity::Sha256;
        }
        Ok(verified)
    }
}

/// Of the requests of TURN only these carry the token (rfc7635-9-1); the server keeps it with the allocation.
const fn takes_token(method: Method) -> bool {
    !matches!(
        method,
        Method::CREATE_PERMISSION | Method::CHANNEL_BIND | Method::CONNECT | Method::CONNECTION_BIND
    )
}
