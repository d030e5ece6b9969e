//! The short-term credential mechanism (RFC 8489 section 9.1), both sides, as pure decisions.

use super::builder::{Builder, Sealed};
use super::error_code::ErrorCode;
use super::integrity::{Integrity, IntegrityError, Key, Verified};
use super::message::Message;
use super::text::Username;

/// Why a request or indication is not to be acted upon (RFC 8489 section 9.1.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unauthenticated {
    /// USERNAME or integrity is missing, or USERNAME is malformed.
    #[error("no user name or no integrity attribute")]
    NoCredentials,
    /// Nobody of that name. No HMAC was computed.
    #[error("the user name is unknown")]
    UnknownUser,
    /// The integrity attribute was not made with the key of that user.
    #[error("the integrity attribute does not match the user's password")]
    WrongIntegrity,
}

impl Unauthenticated {
    /// The code of the error response, which has neither USERNAME nor integrity. Indications get none.
    #[must_use]
    pub const fn error_code(self) -> ErrorCode<'static> {
        match self {
            // rfc8489-9.1.3-1
            Self::NoCredentials => ErrorCode::BAD_REQUEST,
            // rfc8489-9.1.3-2, rfc8489-9.1.3-3
            Self::UnknownUser | Self::WrongIntegrity => ErrorCode::UNAUTHENTICATED,
        }
    }
}

/// Decides whether a request or indication comes from a user: asks `key_of` for the key that belongs to its USERNAME
/// and verifies it. The key is returned for the answer, to be sealed with [`Verified::integrity`].
///
/// # Errors
///
/// An [`Unauthenticated`], whose [`error_code`](Unauthenticated::error_code) answers a request.
pub fn authenticate<'a, 'k>(
    message: &Message<'a>,
    key_of: impl FnOnce(&'a [u8]) -> Option<&'k Key>,
) -> Result<(Verified<'a>, &'k Key), Unauthenticated> {
    let Some((Ok(username), _)) = message.get::<Username<'_>>().zip(message.integrity_kind()) else {
        return Err(Unauthenticated::NoCredentials);
    };
    let key = key_of(username.as_bytes()).ok_or(Unauthenticated::UnknownUser)?;
    let verified = message.verify(key).map_err(|_| Unauthenticated::WrongIntegrity)?;
    Ok((verified, key))
}

/// Which integrity attributes a request carried, and so which one its response may carry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there are two attributes")]
pub enum Sent {
    /// One: agreed upon beforehand, as in ICE, or learnt from an earlier response.
    Only(Integrity),
    /// Both: the server chooses.
    Both,
}

/// Decides whether a response is the server's (RFC 8489 section 9.1.4).
///
/// # Errors
///
/// An [`IntegrityError`]. The response is then to be treated as if it had never come, except that the failure of the
/// transaction will be an integrity violation: [`Transactions::note_forged`](super::Transactions::note_forged).
pub fn verify_response<'a>(
    response: &Message<'a>,
    key: &Key,
    sent: Sent,
) -> Result<Verified<'a>, IntegrityError> {
    let kind = response.integrity_kind().ok_or(IntegrityError::Absent)?;
    // rfc8489-9.1.4-1: decided before any HMAC is run.
    match sent {
        Sent::Only(only) if only != kind => Err(IntegrityError::OtherKind),
        Sent::Only(_) | Sent::Both => response.verify(key),
    }
}

/// A short-term credential as a client uses it with one server.
///
/// Without knowledge of the server a request is protected in both ways; the first authentic response settles which
/// one is used from then on (RFC 8489 section 9.1.5).
#[derive(Clone, Debug)]
pub struct ShortTerm {
    key: Key,
    sent: Sent,
}

impl ShortTerm {
    /// A credential for a server of which nothing is known.
    #[must_use]
    pub const fn new(key: Key) -> Self {
        Self { key, sent: Sent::Both }
    }

    /// A credential for a server that is known to understand `integrity`.
    #[must_use]
    pub const fn agreed(key: Key, integrity: Integrity) -> Self {
        Self { key, sent: Sent::Only(integrity) }
    }

    /// How requests are protected at present.
    #[must_use]
    pub const fn sent(&self) -> Sent {
        self.sent
    }

    /// Protects a request, which the caller has given its USERNAME.
    pub fn seal<'b>(&self, request: Builder<'b>) -> Sealed<'b> {
        match self.sent {
            // rfc8489-9.1.2-1
            Sent::Only(integrity) => request.integrity(&self.key, integrity),
            Sent::Both => request.both_integrities(&self.key),
        }
    }

    /// Verifies a response to a request that was protected as `sent`, and learns from it.
    ///
    /// # Errors
    ///
    /// As [`verify_response`]; nothing is learnt then.
    pub fn verify<'a>(&mut self, response: &Message<'a>, sent: Sent) -> Result<Verified<'a>, IntegrityError> {
        let verified = verify_response(response, &self.key, sent)?;
        // rfc8489-9.1.5-1
        if self.sent == Sent::Both {
            self.sent = Sent::Only(verified.integrity());
        }
        Ok(verified)
    }
}

#[cfg(test)]
mod tests;
