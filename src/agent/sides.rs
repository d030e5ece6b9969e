//! What each side of a stream goes by in one generation: its credentials, and what is computed from them once.

use alloc::borrow::Cow;
use core::net::SocketAddr;

use bytes::Bytes;

use crate::agent::config::{PACING, PACING_MAX};
use crate::agent::error::Error;
use crate::agent::stream::{Remote, Standard};
use crate::ice::Credentials;
use crate::ice::lite::Implementation;
use crate::ice::renomination::Renomination;
use crate::ice::responder::{self, Refusal, Request};
use crate::stun::{AttributeType, ErrorCode, Integrity, Key, Message, TransactionId, Username};
use crate::time::Timestamp;

/// Our credentials and what is computed from them once.
#[derive(Debug)]
pub(crate) struct LocalSide {
    pub(crate) credentials: Credentials,
    /// For SHA-1 alone.
    key: Key,
    /// Checks under these credentials are answered with 403: only a restart leads to new consent (RFC 7675 section 5.2).
    pub(crate) consent_revoked: bool,
}

impl LocalSide {
    pub(crate) fn new(credentials: Credentials) -> Self {
        let key = Key::of_sha1(credentials.password().as_bytes());
        Self { credentials, key, consent_revoked: false }
    }

    /// The key by which a request is verified, and answered. Hardly anybody asks with SHA-256: its key is made when it is
    /// needed.
    fn key(&self, integrity: Integrity) -> Cow<'_, Key> {
        match integrity {
            Integrity::Sha1 => Cow::Borrowed(&self.key),
            Integrity::Sha256 => Cow::Owned(Key::short_term(self.credentials.password().as_bytes())),
        }
    }

    /// Authenticates a check.
    pub(crate) fn admit<'a>(&self, message: &Message<'a>) -> Result<Request<'a>, Refusal> {
        let integrity = message.integrity_kind().unwrap_or(Integrity::Sha1);
        responder::admit(message, self.credentials.ufrag(), || self.key(integrity))
    }

    /// The answer to a check that came from `source`.
    pub(crate) fn answer(&self, request: &Request<'_>, source: SocketAddr) -> Bytes {
        responder::success(request, source, &self.key(request.integrity))
    }

    /// The answer to a check that is authentic and not accepted.
    pub(crate) fn refusal(
        &self,
        id: TransactionId,
        error: ErrorCode<'_>,
        unknown: &[AttributeType],
        integrity: Integrity,
    ) -> Bytes {
        responder::signed_error(id, error, unknown, (&self.key(integrity), integrity))
    }

    /// Whether a request was made with the password.
    pub(crate) fn has_signed(&self, request: &Message<'_>) -> bool {
        let integrity = request.integrity_kind().unwrap_or(Integrity::Sha1);
        request.verify(&self.key(integrity)).is_ok()
    }
}

/// The peer's credentials and what is computed from them once.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of its own")]
pub(crate) struct RemoteSide {
    pub(crate) credentials: Credentials,
    /// For SHA-1 alone, which is all that checks use.
    pub(crate) key: Key,
    /// Its Ta in nanoseconds: a second at the most.
    pub(crate) pacing: u32,
    pub(crate) trickle: bool,
    /// By which both sides understand a nomination that follows another.
    pub(crate) renomination: Option<Renomination>,
    /// How many pairs may be kept beside the selected one.
    pub(crate) backups: u8,
    pub(crate) implementation: Implementation,
    /// Both sides gather continually.
    pub(crate) continual: bool,
    pub(crate) standard: Standard,
    /// Until then the peer's checks may still bring a candidate (the PAC timer, RFC 8863 section 4).
    pub(crate) patient_until: Timestamp,
    /// Whether the end of that stands in for the end of the peer's candidates (rfc8863-5-2).
    pub(crate) presumes_end: bool,
}

impl RemoteSide {
    pub(crate) fn new(remote: Remote, local_ufrag: &str, patient_until: Timestamp) -> Result<Self, Error> {
        // rfc8489-14.3-2: found here once, so that no check has to fail over it.
        if remote.credentials.ufrag().len() + ":".len() + local_ufrag.len() > Username::LEN_MAX {
            return Err(Error::UserNameLength);
        }
        let pacing = remote.pacing.unwrap_or(PACING).min(PACING_MAX);
        Ok(Self {
            key: Key::of_sha1(remote.credentials.password().as_bytes()),
            credentials: remote.credentials,
            pacing: u32::try_from(pacing.as_nanos()).unwrap_or(u32::MAX),
            trickle: remote.trickle,
            standard: remote.standard,
            renomination: remote.renomination,
            backups: 0,
            implementation: remote.implementation,
            continual: remote.continual,
            patient_until,
            presumes_end: false,
        })
    }
}
