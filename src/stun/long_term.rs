//! The long-term credential mechanism (RFC 8489 section 9.2), client side: what a server has asked for, and how requests
//! to it are made and its responses judged.

use super::attribute::EncodeError;
use super::builder::Builder;
use super::challenge::{Terms, lacks_algorithms};
use super::error_code::ErrorCode;
use super::header::Class;
use super::integrity::{IntegrityError, Verified, opaque_string};
use super::message::Message;
use super::oauth::Token;
use super::signer::{Password, Signer};
use core::fmt;
use core::time::Duration;

/// A long-term credential as a client uses it with one server.
///
/// A first request goes out bare. The server refuses it with a challenge (401), and the request is made once more, with
/// the answer to it; so are all later ones, until the server wants another nonce (438). This type says how to end a
/// request and what to do about a response. It knows no transactions and no clock: a request that is to be repeated is
/// a new transaction with a new id.
///
/// What is learnt from an unauthenticated 401 or 438 is never less than what was learnt before: a challenge that takes
/// back PASSWORD-ALGORITHMS, SHA-256 or the anonymity of the user name is not followed, nor is one for another realm
/// once an authentic response has come.
///
/// ```
/// use floe::stun::{Builder, ErrorCode, LongTerm, Message, Method, Nonce, Realm, TransactionId, Verdict};
///
/// let mut credential = LongTerm::new("alice", "correct horse")?;
/// let (mut request, mut refusal, mut retry) = (Vec::new(), Vec::new(), Vec::new());
/// let (first, second) = (TransactionId::from([1; 12]), TransactionId::from([2; 12]));
///
/// let sent = credential.seal(Builder::request(&mut request, Method::ALLOCATE, first), None);
///
/// // The server answers:
/// Builder::error(&mut refusal, Method::ALLOCATE, first, &ErrorCode::UNAUTHENTICATED)
///     .attribute(&Realm::new("example.org")?)
///     .attribute(&Nonce::new(b"f//499k954d6OL34oL9FSTvy64sA")?)
///     .fingerprint();
/// let verdict = credential.handle_response(&Message::parse(&refusal)?, sent);
/// assert!(matches!(verdict, Verdict::Retry));
///
/// credential.seal(Builder::request(&mut retry, Method::ALLOCATE, second), Some(sent));
/// assert!(Message::parse(&retry)?.integrity_kind().is_some());
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct LongTerm {
    password: Option<Password>,
    token: Option<Token>,
    /// Counts the user names, passwords, tokens and realms there have been.
    identity: u32,
    /// What the server asks for.
    terms: Option<Terms>,
    /// The key for that, if there is a password or a token to make one of.
    signer: Option<Signer>,
    /// The one before, for responses to requests that were under way when the key changed.
    previous: Option<Signer>,
    /// How many keys there have been.
    signers: u32,
    /// An authentic response has come: the server knows the secret, and the realm is its own.
    authentic: bool,
}

/// How a request left; to be kept with its transaction, for [`LongTerm::handle_response`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sealing {
    /// The number of the key that it has, `None` if it went out bare.
    signer: Option<u32>,
    identity: u32,
    /// How many requests it repeats, one after the other.
    retries: u8,
}

/// What to do about a response.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "all of them have to be handled")]
pub enum Verdict<'a> {
    /// It is the server's: success, or an error that means what it says.
    Authentic(Verified<'a>),
    /// It answers a request that went out bare, and is no challenge: nothing vouches for it. A server without users
    /// grants what was asked for, and others redirect or refuse before they ask for credentials.
    Unprotected,
    /// A challenge that can be answered: the request is to be made again, with a new transaction.
    Retry,
    /// The request has failed, and cannot be repeated with these credentials.
    Refused(Refusal),
    /// Without integrity, or with a wrong one: for [`Transactions::note_forged`](super::Transactions::note_forged).
    Forged(IntegrityError),
    /// To be treated as if it had never come, over TCP as well.
    Discarded(Discarded),
}

/// Why a request cannot be repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// 401 to a request that had credentials. A token may have expired.
    #[error("the server does not accept the user name and password, or the token")]
    Credentials,
    /// A challenge without realm or nonce, or with malformed ones.
    #[error("the server's challenge is incomplete or malformed")]
    Challenge,
    /// The nonce announces PASSWORD-ALGORITHMS that the response does not have: somebody has taken them out.
    #[error("the server's challenge has been tampered with")]
    BidDown,
    /// None of the server's password algorithms is MD5 or SHA-256.
    #[error("the server asks for password algorithms that are not known here")]
    Algorithms,
    /// Challenge upon challenge.
    #[error("the server has challenged the same request too often")]
    TooManyChallenges,
    /// The server asks for a user name and password.
    #[error("the server asks for a user name and a password, and there are none")]
    PasswordWanted,
    /// The server asks for a token (RFC 7635), see [`LongTerm::third_party_server`].
    #[error("the server asks for an access token, and there is none")]
    TokenWanted,
}

/// Why a response is treated as if it had never come.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Discarded {
    /// A request or an indication.
    #[error("not a response")]
    NotAResponse,
    /// An error response that does not say which error.
    #[error("an error response without an error code")]
    NoErrorCode,
    /// 400 without integrity, which anybody can send to end an attempt.
    #[error("bad request, without integrity")]
    BadRequest,
    /// Its nonce announces PASSWORD-ALGORITHMS that it does not have, or it asks for less protection than before.
    #[error("takes back what the server has offered")]
    BidDown,
    /// A challenge for another realm than the one in which authentic responses have come.
    #[error("challenge for another realm")]
    OtherRealm,
    /// The secret that its request was made with has been replaced more than once.
    #[error("answers a request whose key is gone")]
    KeyGone,
}

impl LongTerm {
    /// A user name and a password, in ASCII.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NotAscii`] for other text (see [`prepared`](Self::prepared)), [`EncodeError::TooLong`] if the
    /// user name exceeds 508 bytes.
    pub fn new(username: &str, password: &str) -> Result<Self, EncodeError> {
        opaque_string(username)?;
        Self::prepared(username, opaque_string(password)?)
    }

    /// A user name and a password that the caller has prepared by the OpaqueString profile (RFC 8265).
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`] if the user name exceeds 508 bytes.
    pub fn prepared(username: &str, password: &[u8]) -> Result<Self, EncodeError> {
        Ok(Self { password: Some(Password::new(username, password)?), ..Self::third_party() })
    }

    /// Neither: the server will say for whom it wants a token (RFC 7635), and [`set_token`](Self::set_token) supplies
    /// it, then or beforehand.
    #[must_use]
    pub const fn third_party() -> Self {
        Self {
            password: None,
            token: None,
            identity: 0,
            terms: None,
            signer: None,
            previous: None,
            signers: 0,
            authentic: false,
        }
    }

    /// Replaces user name and password, for requests from now on. The server is not asked again what it wants.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); nothing is changed then.
    pub fn set_password(&mut self, username: &str, password: &str) -> Result<(), EncodeError> {
        opaque_string(username)?;
        self.password = Some(Password::new(username, opaque_string(password)?)?);
        self.renew();
        Ok(())
    }

    /// Supplies a token, or replaces the one that expires (rfc7635-9-2). It goes before a password with servers that
    /// take tokens.
    pub fn set_token(&mut self, token: Token) {
        self.token = Some(token);
        self.renew();
    }

    /// For how long the token is good, if there is one, and the server has not said that it takes passwords alone.
    pub(crate) fn token_lifetime(&self) -> Option<Duration> {
        let may_serve = self.terms.as_ref().is_none_or(|terms| terms.third_party.is_some());
        self.token.as_ref().filter(|_| may_serve)?.lifetime()
    }

    /// Forgets what the server has said: the next request goes out bare, and any realm will do.
    pub fn reset(&mut self) {
        self.terms = None;
        self.replace(None);
        self.authentic = false;
    }

    /// The name of the server if it takes tokens, as its authorization server knows it: for whom to get one after
    /// [`Refusal::TokenWanted`], and the next one before the first expires.
    #[must_use]
    pub fn third_party_server(&self) -> Option<&str> {
        self.terms.as_ref()?.third_party.as_deref()
    }

    /// Whether requests are made with credentials: a challenge has come.
    #[must_use]
    pub const fn is_challenged(&self) -> bool {
        self.signer.is_some()
    }

    /// Ends a request: with credentials, integrity and FINGERPRINT, or with FINGERPRINT alone as long as the server has
    /// not asked. An indication never gets more than that.
    ///
    /// `repeats` is how the request left that this one repeats, after [`Verdict::Retry`].
    pub fn seal(&self, request: Builder<'_>, repeats: Option<Sealing>) -> Sealing {
        let retries = repeats.map_or(0, |sent| sent.retries.saturating_add(1));
        // rfc8489-9.2-2
        let is_request = request.class() == Class::Request;
        let number = match (&self.terms, &self.signer) {
            (Some(terms), Some(signer)) if is_request => {
                signer.seal(request, terms);
                Some(signer.number)
            }
            // rfc8489-9.2.3.1-1
            _ => {
                request.fingerprint();
                None
            }
        };
        Sealing { signer: number, identity: self.identity, retries }
    }

    /// Judges a response to the request that left as `sent`, and learns from it.
    ///
    /// That it answers that request, by transaction id and 5-tuple, is for the caller to have seen.
    pub fn handle_response<'a>(&mut self, response: &Message<'a>, sent: Sealing) -> Verdict<'a> {
        let error = match response.class() {
            Class::Success => None,
            Class::Error => match response.get::<ErrorCode<'_>>() {
                Some(Ok(error)) => Some(error.code()),
                _ => return Verdict::Discarded(Discarded::NoErrorCode),
            },
            Class::Request | Class::Indication => return Verdict::Discarded(Discarded::NotAResponse),
        };
        match error {
            Some(code @ (401 | 438)) => match self.meet(response, sent, code == 438) {
                Ok(()) => Verdict::Retry,
                Err(verdict) => verdict,
            },
            // rfc8489-9.2.5-10
            _ if lacks_algorithms(response) => Verdict::Discarded(Discarded::BidDown),
            // rfc8489-9.2.5-11
            Some(400) if response.integrity_kind().is_none() => Verdict::Discarded(Discarded::BadRequest),
            _ => match sent.signer {
                Some(number) => self.verify(response, number),
                None => Verdict::Unprotected,
            },
        }
    }

    /// Accepts the terms of a challenge, or says why not.
    fn meet(&mut self, response: &Message<'_>, sent: Sealing, stale: bool) -> Result<(), Verdict<'static>> {
        // rfc8489-9.2.5-9
        if sent.retries >= RETRIES_MAX {
            return Err(Verdict::Refused(Refusal::TooManyChallenges));
        }
        let before = self.terms.as_ref();
        let realm = before.filter(|_| stale).map(|terms| &*terms.realm);
        let mut terms = Terms::read(response, realm).map_err(Verdict::Refused)?;
        let same_realm = before.is_some_and(|before| before.realm == terms.realm);
        // rfc8489-9.2.5-7: nobody is asked the same question twice.
        let same_answer = sent.signer.is_some() && sent.identity == self.identity && same_realm;
        if same_answer && !stale {
            return Err(Verdict::Refused(Refusal::Credentials));
        }
        if self.authentic && !same_realm {
            return Err(Verdict::Discarded(Discarded::OtherRealm));
        }
        if before.is_some_and(|before| terms.is_weaker_than(before)) {
            return Err(Verdict::Discarded(Discarded::BidDown));
        }
        if stale {
            // A 438 is about the nonce alone; servers do not say again that they take tokens.
            terms.third_party = terms.third_party.or_else(|| before?.third_party.clone());
        }
        let same_signer = before.is_some_and(|before| terms.signs_like(before)) && self.signer.is_some();
        if !same_realm {
            self.identity = self.identity.wrapping_add(1);
        }
        self.terms = Some(terms);
        if !same_signer {
            self.sign();
        }
        match (&self.signer, &self.terms) {
            (Some(_), _) => Ok(()),
            // rfc7635-4-1
            (None, Some(Terms { third_party: Some(_), .. })) => Err(Verdict::Refused(Refusal::TokenWanted)),
            (None, _) => Err(Verdict::Refused(Refusal::PasswordWanted)),
        }
    }

    fn verify<'a>(&mut self, response: &Message<'a>, number: u32) -> Verdict<'a> {
        let is_current = self.signer.as_ref().is_some_and(|signer| signer.number == number);
        let signer = if is_current { &mut self.signer } else { &mut self.previous };
        let Some(signer) = signer.as_mut().filter(|signer| signer.number == number) else {
            return Verdict::Discarded(Discarded::KeyGone);
        };
        match signer.verify(response) {
            // rfc8489-9.2.5-12
            Err(error) => Verdict::Forged(error),
            Ok(verified) => {
                self.authentic |= is_current;
                Verdict::Authentic(verified)
            }
        }
    }

    /// The secret has changed.
    fn renew(&mut self) {
        self.identity = self.identity.wrapping_add(1);
        self.sign();
    }

    /// Makes the key for the terms there are.
    fn sign(&mut self) {
        let Some(terms) = &self.terms else { return };
        let number = self.signers.wrapping_add(1);
        let next = match (&terms.third_party, &self.token, &self.password) {
            // rfc7635-6.1-1
            (Some(_), Some(token), _) => Some(Signer::with_token(number, token, terms)),
            (_, _, Some(password)) => Some(Signer::with_password(number, password, terms)),
            _ => None,
        };
        self.signers = number;
        self.replace(next);
    }

    fn replace(&mut self, next: Option<Signer>) {
        if let Some(before) = core::mem::replace(&mut self.signer, next) {
            self.previous = Some(before);
        }
    }
}

impl fmt::Debug for LongTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither name nor secret, and nothing that a server may have put into a log.
        f.debug_struct("LongTerm").field("challenged", &self.is_challenged()).finish_non_exhaustive()
    }
}

/// How often a request is repeated: after 401 for the credentials, after 438 for a nonce that has run out meanwhile,
/// and once more. A server that is still not content will not be.
const RETRIES_MAX: u8 = 3;

#[cfg(test)]
mod tests;
