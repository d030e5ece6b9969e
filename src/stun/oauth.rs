//! Third-party authorization (RFC 7635): a token from an authorization server takes the place of a password.

use super::attribute::{Attribute, AttributeType, EncodeError, Unit};
use super::header::TransactionId;
use super::integrity::Key;
use super::message::DecodeError;
use super::text::{RECEIVED_MAX, Username, at_most};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use core::{fmt, str};
use zeroize::Zeroizing;

/// THIRD-PARTY-AUTHORIZATION: the server accepts tokens, made for the server of this name (RFC 7635 section 6.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct ThirdPartyAuthorization<'a>(pub &'a str);

impl<'a> Attribute<'a> for ThirdPartyAuthorization<'a> {
    const TYPE: AttributeType = AttributeType::THIRD_PARTY_AUTHORIZATION;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, DecodeError> {
        at_most(RECEIVED_MAX, value, Self::TYPE)?;
        str::from_utf8(value).map(Self).map_err(|_| DecodeError::Value(Self::TYPE))
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

/// ACCESS-TOKEN: what the authorization server has written for the server, and the client cannot read
/// (RFC 7635 section 6.2).
#[derive(Clone, Copy, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the value is all there is to it")]
pub struct AccessToken<'a>(pub &'a [u8]);

impl<'a> Attribute<'a> for AccessToken<'a> {
    const TYPE: AttributeType = AttributeType::ACCESS_TOKEN;

    fn decode(value: &'a [u8], _: &TransactionId) -> Result<Self, DecodeError> {
        Ok(Self(value))
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }
}

impl fmt::Debug for AccessToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessToken({} bytes)", self.0.len())
    }
}

/// What an authorization server hands to a client: a token, the name of the key that it was encrypted with, and the
/// key for integrity that the token holds.
///
/// To be given to [`LongTerm::set_token`](super::LongTerm::set_token). Nothing of it is printed.
#[derive(Clone)]
pub struct Token {
    kid: String,
    token: Zeroizing<Vec<u8>>,
    key: Key,
    lifetime: Option<Duration>,
}

impl Token {
    /// A token under the key `kid`, with the session key `mac_key`. The bytes as they are to travel, base64 undone.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`] if `kid` exceeds a USERNAME (508 bytes), or the token 1,024 bytes: a request with a
    /// longer one would not fit into a datagram that every path carries, whatever else it holds.
    pub fn new(kid: &str, token: &[u8], mac_key: &[u8]) -> Result<Self, EncodeError> {
        Username::new(kid)?;
        // rfc7635-6.2-2
        if token.len() > TOKEN_MAX {
            let attribute = AttributeType::ACCESS_TOKEN;
            return Err(EncodeError::TooLong { attribute, limit: TOKEN_MAX, unit: Unit::Bytes });
        }
        // rfc7635-5-1: the key as it is, without a hash of names around it.
        Ok(Self {
            kid: kid.into(),
            token: token.to_vec().into(),
            key: Key::short_term(mac_key),
            lifetime: None,
        })
    }

    /// For how long the token is good, as the authorization server says (`expires_in`): for good, unless it is said.
    #[must_use]
    pub fn expires_in(self, lifetime: Duration) -> Self {
        Self { lifetime: Some(lifetime), ..self }
    }

    pub(crate) const fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn token(&self) -> AccessToken<'_> {
        AccessToken(&self.token)
    }

    pub(super) const fn key(&self) -> &Key {
        &self.key
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// Leaves room in 1,200 bytes for USERNAME, REALM, NONCE and integrity as they usually are.
const TOKEN_MAX: usize = 1024;
