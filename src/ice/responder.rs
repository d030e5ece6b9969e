//! The server side of a connectivity check: who may ask, and the answer (RFC 8445 section 7.3, RFC 8489 section 9.1.3).

use alloc::borrow::Cow;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::SocketAddr;

use crate::ice::check::is_known;
use crate::ice::nomination::Nominated;
use crate::ice::renomination::{NOMINATION, NOMINATION_DRAFT};
use crate::ice::{Priority, Role, RoleClaim, TieBreaker};
use crate::stun::{
    self, AttributeType, Builder, ErrorCode, IceControlled, IceControlling, Integrity, Key, Message, Method,
    TransactionId, Unauthenticated, UnknownAttributes, UseCandidate, Verified, XorMappedAddress,
};

/// A request whose integrity has been verified, in the terms of ICE.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) id: TransactionId,
    /// The integrity to answer with (rfc8489-9.1.3-5).
    pub(crate) integrity: Integrity,
    /// Whose check this is: the second part of the user name.
    pub(crate) remote_ufrag: &'a [u8],
    pub(crate) priority: Priority,
    pub(crate) claim: Option<RoleClaim>,
    pub(crate) use_candidate: Option<Nominated>,
}

/// Why a request goes no further.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// Nobody we know: an answer, if there is one, is not signed and changes nothing.
    Unauthenticated(Unauthenticated),
    /// 420: these attributes have to be understood and are not.
    UnknownAttributes(Vec<AttributeType>, Integrity),
    /// 400: a check without what every check has.
    BadRequest(Integrity),
}

/// Authenticates a Binding request against the local credentials and reads what ICE needs of it.
///
/// Nothing is looked at, and no unknown attribute complained about, before the integrity holds (rfc8489-6.3-3).
pub(crate) fn admit<'a, 'k>(
    message: &Message<'a>,
    local_ufrag: &str,
    key: impl FnOnce() -> Cow<'k, Key>,
) -> Result<Request<'a>, Refusal> {
    let (mut remote_ufrag, mut made) = (None, None);
    // A key may have to be made, which nobody is worth who does not know the fragment.
    let (peer, made) = (&mut remote_ufrag, &mut made);
    let key_of = move |username| {
        *peer = peer_of(username, local_ufrag);
        peer.and_then(|_| Some(&**made.insert(key())))
    };
    let (verified, _) = stun::authenticate(message, key_of).map_err(Refusal::Unauthenticated)?;
    let integrity = verified.integrity();
    if verified.unknown_required(is_known).next().is_some() {
        let unknown = verified.unknown_required(is_known).collect();
        return Err(Refusal::UnknownAttributes(unknown, integrity));
    }
    remote_ufrag.and_then(|peer| read(&verified, peer)).ok_or(Refusal::BadRequest(integrity))
}

fn read<'a>(verified: &Verified<'_>, remote_ufrag: &'a [u8]) -> Option<Request<'a>> {
    // rfc8445-7.3.1.3-4: without PRIORITY there is no candidate to learn; such a check is refused.
    let stun::Priority(priority) = verified.get::<stun::Priority>()?.ok()?;
    Some(Request {
        id: verified.transaction_id(),
        integrity: verified.integrity(),
        remote_ufrag,
        priority: Priority::clamped(priority),
        claim: claim(verified)?,
        use_candidate: nomination(verified)?,
    })
}

/// The role that the peer claims: `Some(None)` where it claims none, `None` where the claim cannot be read.
fn claim(verified: &Verified<'_>) -> Option<Option<RoleClaim>> {
    let claim = |role, value| RoleClaim { role, tie_breaker: TieBreaker::from_raw(value) };
    match (verified.get::<IceControlling>(), verified.get::<IceControlled>()) {
        (Some(Ok(IceControlling(value))), None) => Some(Some(claim(Role::Controlling, value))),
        (None, Some(Ok(IceControlled(value)))) => Some(Some(claim(Role::Controlled, value))),
        // rfc8445-7.3.1.1-5: no claim, no conflict.
        (None, None) => Some(None),
        _ => None,
    }
}

/// The nomination that a check makes, with the value beside USE-CANDIDATE, 0 if there is none or it cannot be read:
/// `Some(None)` where it makes none, `None` where the flag is malformed.
fn nomination(verified: &Verified<'_>) -> Option<Option<Nominated>> {
    // rfc8445-16.1-1: a flag has no value.
    let Some(UseCandidate) = verified.get::<UseCandidate>().transpose().ok()? else { return Some(None) };
    let numbered = |kind| [NOMINATION, NOMINATION_DRAFT].contains(&kind);
    let value = verified.attributes().find(|(kind, _)| numbered(*kind)).map(|(_, value)| value);
    let value = value.and_then(|value| value.try_into().ok()).map_or(0, u32::from_be_bytes);
    Some(Some(Nominated(value)))
}

/// The peer's part of a user name: it has two, neither empty, and one colon (rfc8445-7.3-1, rfc8445-7.3-8). `None` if the
/// first one is not ours.
fn peer_of<'a>(username: &'a [u8], local_ufrag: &str) -> Option<&'a [u8]> {
    let remote = username.strip_prefix(local_ufrag.as_bytes())?.strip_prefix(b":")?;
    (!local_ufrag.is_empty() && !remote.is_empty() && !remote.contains(&b':')).then_some(remote)
}

/// The success response: where the request came from, signed like the request.
pub(crate) fn success(request: &Request<'_>, source: SocketAddr, key: &Key) -> Bytes {
    // Exactly as long as it gets, so that the vector becomes the datagram without being copied.
    let address = if source.is_ipv4() { 12 } else { 24 };
    let integrity = if request.integrity == Integrity::Sha1 { 24 } else { 36 };
    let mut out = Vec::with_capacity(20 + address + integrity + 8);
    Builder::success(&mut out, Method::BINDING, request.id)
        .attribute(&XorMappedAddress(source))
        .integrity(key, request.integrity)
        .fingerprint();
    Bytes::from(out)
}

/// An error response to an authenticated request, signed like it (rfc8489-6.3.1.1-3).
pub(crate) fn signed_error(
    id: TransactionId,
    error: ErrorCode<'_>,
    unknown: &[AttributeType],
    with: (&Key, Integrity),
) -> Bytes {
    let mut out = Vec::with_capacity(SIGNED_ERROR_LEN_TYPICAL);
    let mut builder = Builder::error(&mut out, Method::BINDING, id, &error);
    if !unknown.is_empty() {
        builder = builder.attribute(&unknown.iter().copied().collect::<UnknownAttributes>());
    }
    builder.integrity(with.0, with.1).fingerprint();
    Bytes::from(out)
}

/// The answer to a request that nobody signed as it should: without integrity, reason and user name, 36 bytes
/// (rfc8489-9.1.3-1 to -3).
pub(crate) fn unsigned_error(id: TransactionId, error: ErrorCode<'_>) -> Bytes {
    let mut out = Vec::with_capacity(UNSIGNED_ERROR_LEN);
    Builder::error(&mut out, Method::BINDING, id, &error).fingerprint();
    Bytes::from(out)
}

/// Header, ERROR-CODE without a reason, FINGERPRINT.
pub(crate) const UNSIGNED_ERROR_LEN: usize = 36;

/// A reason, some unknown attributes, SHA-256.
const SIGNED_ERROR_LEN_TYPICAL: usize = 100;
