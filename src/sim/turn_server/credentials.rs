//! Who may ask: the server's side of the long-term credential mechanism (RFC 8489 section 9.2.4).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use super::violation::Violation;
use crate::Timestamp;
use crate::stun::{
    AttributeType, Integrity, Key, Message, Method, Nonce, PasswordAlgorithm, Realm, Userhash, Username,
    userhash,
};

/// What a server makes of long-term credentials.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Mechanism {
    /// As before RFC 8489: MD5, MESSAGE-INTEGRITY, a nonce without meaning. What most servers are.
    #[default]
    Rfc5389,
    /// PASSWORD-ALGORITHMS with SHA-256 and MD5, in this order.
    Sha256,
    /// PASSWORD-ALGORITHMS with MD5 alone.
    Md5,
    /// As [`Sha256`](Self::Sha256), and user names are to come as USERHASH.
    Anonymous,
}

impl Mechanism {
    /// The value of PASSWORD-ALGORITHMS, if there is one.
    pub(super) const fn algorithms(self) -> Option<&'static [u8]> {
        match self {
            Self::Rfc5389 => None,
            Self::Sha256 | Self::Anonymous => Some(&[0, 2, 0, 0, 0, 1, 0, 0]),
            Self::Md5 => Some(&[0, 1, 0, 0]),
        }
    }

    /// How a nonce begins: the cookie and the security features (RFC 8489 section 9.2).
    const fn prefix(self) -> &'static str {
        match self {
            Self::Rfc5389 => "nonce",
            Self::Sha256 | Self::Md5 => "obMatJos2gAAA",
            Self::Anonymous => "obMatJos2wAAA",
        }
    }
}

/// Who has asked, and how the answer is sealed.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) username: String,
    pub(super) key: Key,
    pub(super) integrity: Integrity,
}

/// Why a request is refused before it is looked at.
#[derive(Clone, Debug)]
pub(super) enum Denied {
    /// 400
    Incomplete,
    /// 401: no credentials, or wrong ones.
    Unauthenticated,
    /// 438; the credentials are right, and seal the answer.
    Stale(Box<Identity>),
}

/// Users and nonces.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) mechanism: Mechanism,
    pub(super) realm: String,
    users: BTreeMap<String, String>,
    /// Access tokens and the session keys in them, by key identifier (RFC 7635).
    tokens: BTreeMap<String, (Vec<u8>, Key)>,
    pub(super) authorization_server: Option<String>,
    /// The nonce of each client that has one.
    nonces: BTreeMap<SocketAddr, Given>,
    /// Of the next nonce: none is given twice, not even by a server that has forgotten everything.
    serial: u64,
    pub(super) nonce_lifetime: Option<Duration>,
    pub(super) nonce_requests: Option<u32>,
}

/// A nonce that a client was given.
#[derive(Clone, Copy, Debug)]
struct Given {
    serial: u64,
    at: Timestamp,
    /// Requests that it has been good for.
    requests: u32,
}

impl Credentials {
    pub(super) fn new(realm: &str, mechanism: Mechanism) -> Self {
        Self {
            mechanism,
            realm: realm.into(),
            users: BTreeMap::new(),
            tokens: BTreeMap::new(),
            authorization_server: None,
            nonces: BTreeMap::new(),
            serial: 0,
            nonce_lifetime: None,
            nonce_requests: None,
        }
    }

    pub(super) fn set_user(&mut self, username: &str, password: &str) {
        self.users.insert(username.into(), password.into());
    }

    pub(super) fn remove_user(&mut self, username: &str) {
        self.users.remove(username);
    }

    pub(super) fn set_token(&mut self, kid: &str, token: &[u8], mac_key: &[u8]) {
        self.tokens.insert(kid.into(), (token.to_vec(), Key::short_term(mac_key)));
    }

    pub(super) fn knows_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Forgets all nonces: each that was given is stale.
    pub(super) fn forget(&mut self) {
        self.nonces.clear();
    }

    /// The nonce for a challenge to `client`: the one it has, or a new one if that is used up.
    pub(super) fn challenge(&mut self, now: Timestamp, client: SocketAddr) -> String {
        let current = self.nonces.get(&client).copied().filter(|given| self.is_good(now, given));
        let serial = current.map(|given| given.serial).unwrap_or_else(|| self.renew(now, client));
        self.text(serial)
    }

    /// Gives `client` a nonce that it has not seen.
    pub(super) fn renew(&mut self, now: Timestamp, client: SocketAddr) -> u64 {
        let serial = self.serial;
        self.serial += 1;
        self.nonces.insert(client, Given { serial, at: now, requests: 0 });
        serial
    }

    /// Decides who sends `request`, which has an integrity attribute, in the order of RFC 8489 section 9.2.4. Reports
    /// what no client should send.
    pub(super) fn authenticate(
        &mut self,
        now: Timestamp,
        client: SocketAddr,
        request: &Message<'_>,
        mut report: impl FnMut(Violation),
    ) -> Result<Identity, Denied> {
        let Some((name, realm, nonce)) = Claim::read(request, &mut report) else {
            return Err(Denied::Incomplete);
        };
        let serial = self.serial_of(nonce.as_bytes());
        if serial.is_none() {
            report(Violation::Invented(AttributeType::NONCE));
        }
        if realm.as_bytes() != self.realm.as_bytes() {
            report(Violation::Invented(AttributeType::REALM));
            return Err(Denied::Unauthenticated);
        }
        let identity = match self.token(name, request) {
            Some(identity) => identity,
            None => self.password(name, request, &mut report)?,
        };
        let verified = match (self.mechanism, identity.integrity) {
            // A server of that time does not know the other attribute, and stops reading before it.
            (Mechanism::Rfc5389, Integrity::Sha1) => sha1_part(request.as_bytes())
                .and_then(|part| Message::parse(&part).ok()?.verify(&identity.key).ok().map(|_| ()))
                .is_some(),
            _ => request.verify(&identity.key).is_ok(),
        };
        if !verified {
            return Err(Denied::Unauthenticated);
        }
        match serial {
            Some(serial) if self.use_nonce(now, client, serial) => Ok(identity),
            _ => Err(Denied::Stale(Box::new(identity))),
        }
    }

    /// Who has the access token of a request.
    fn token(&self, name: Name<'_>, request: &Message<'_>) -> Option<Identity> {
        let (_, given) = request.attributes().find(|(kind, _)| *kind == AttributeType::ACCESS_TOKEN)?;
        let Name::Plain(kid) = name else { return None };
        let (_, key) = self.tokens.get(kid).filter(|(token, _)| token == given)?;
        Some(Identity { username: kid.into(), key: key.clone(), integrity: request.integrity_kind()? })
    }

    /// Who has the password that a request should have been sealed with.
    fn password(
        &self,
        name: Name<'_>,
        request: &Message<'_>,
        report: &mut impl FnMut(Violation),
    ) -> Result<Identity, Denied> {
        let algorithm = self.algorithm(request, report).ok_or(Denied::Incomplete)?;
        let (username, password) = self.user(name, report).ok_or(Denied::Unauthenticated)?;
        let key = algorithm.key(username, &self.realm, password);
        Ok(Identity { username: username.into(), key, integrity: algorithm.integrity() })
    }

    /// Takes one request from what the nonce is good for; `false` if it is stale.
    fn use_nonce(&mut self, now: Timestamp, client: SocketAddr, serial: u64) -> bool {
        let good =
            self.nonces.get(&client).is_some_and(|given| given.serial == serial && self.is_good(now, given));
        if let Some(given) = self.nonces.get_mut(&client).filter(|_| good) {
            given.requests += 1;
        }
        good
    }

    fn is_good(&self, now: Timestamp, given: &Given) -> bool {
        self.nonce_lifetime.is_none_or(|lifetime| given.at + lifetime > now)
            && self.nonce_requests.is_none_or(|requests| given.requests < requests)
    }

    fn text(&self, serial: u64) -> String {
        format!("{}{serial:016x}", self.mechanism.prefix())
    }

    /// Which of the nonces ever given this is.
    fn serial_of(&self, nonce: &[u8]) -> Option<u64> {
        let digits = nonce.strip_prefix(self.mechanism.prefix().as_bytes())?;
        let serial = u64::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?;
        (serial < self.serial && self.text(serial).as_bytes() == nonce).then_some(serial)
    }

    /// How the key of a request is made; `None` if it does not say so properly.
    fn algorithm(&self, request: &Message<'_>, report: &mut impl FnMut(Violation)) -> Option<Algorithm> {
        let Some(offered) = self.mechanism.algorithms() else { return Some(Algorithm::Implied) };
        if request.contains(AttributeType::MESSAGE_INTEGRITY) {
            report(Violation::Weakened);
        }
        let echoed = request.attributes().find(|(kind, _)| *kind == AttributeType::PASSWORD_ALGORITHMS);
        let chosen = request.get::<PasswordAlgorithm<'_>>();
        if echoed.is_none() && chosen.is_none() {
            report(Violation::Algorithms);
            return Some(Algorithm::Implied);
        }
        // rfc8489-9.2.5-5: the first of the list that the client supports, and every client is to support both.
        let first = offered.get(1).copied().map(u16::from);
        match (echoed, chosen) {
            (Some((_, echoed)), Some(Ok(chosen))) if echoed == offered && Some(chosen.number()) == first => {
                Some(if chosen == PasswordAlgorithm::SHA256 { Algorithm::Sha256 } else { Algorithm::Md5 })
            }
            _ => {
                report(Violation::Algorithms);
                None
            }
        }
    }

    /// The user who is meant, with the password.
    fn user(&self, name: Name<'_>, report: &mut impl FnMut(Violation)) -> Option<(&str, &str)> {
        if matches!((name, self.mechanism), (Name::Plain(_), Mechanism::Anonymous)) {
            report(Violation::NameShown);
        }
        let mut users = self.users.iter().map(|(username, password)| (username.as_str(), password.as_str()));
        users.find(|(username, _)| match name {
            Name::Plain(name) => name == *username,
            Name::Hash(hash) => userhash(username.as_bytes(), self.realm.as_bytes()) == hash,
        })
    }
}

/// A user name as it comes.
#[derive(Clone, Copy, Debug)]
enum Name<'a> {
    Plain(&'a str),
    Hash(Userhash),
}

/// What a request says about its sender.
struct Claim;

impl Claim {
    fn read<'a>(
        request: &Message<'a>,
        report: &mut impl FnMut(Violation),
    ) -> Option<(Name<'a>, Realm<'a>, Nonce<'a>)> {
        let plain = request.get::<Username<'_>>().and_then(Result::ok);
        let plain = plain.and_then(|name| name.to_str().ok()).map(Name::Plain);
        let hash = request.get::<Userhash>().and_then(Result::ok).map(Name::Hash);
        let name = hash.or(plain);
        let (realm, nonce) = (request.get().and_then(Result::ok), request.get().and_then(Result::ok));
        for (kind, present) in [
            (AttributeType::USERNAME, name.is_some()),
            (AttributeType::REALM, realm.is_some()),
            (AttributeType::NONCE, nonce.is_some()),
        ] {
            if !present {
                report(Violation::Incomplete(kind));
            }
        }
        Some((name?, realm?, nonce?))
    }
}

/// How the key is made, and by that how answers are sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Algorithm {
    /// MD5, because the request names none.
    Implied,
    Md5,
    Sha256,
}

impl Algorithm {
    fn key(self, username: &str, realm: &str, password: &str) -> Key {
        let (username, realm, password) = (username.as_bytes(), realm.as_bytes(), password.as_bytes());
        match self {
            Self::Implied | Self::Md5 => Key::long_term_md5(username, realm, password),
            Self::Sha256 => Key::long_term_sha256(username, realm, password),
        }
    }

    const fn integrity(self) -> Integrity {
        match self {
            Self::Implied => Integrity::Sha1,
            Self::Md5 | Self::Sha256 => Integrity::Sha256,
        }
    }
}

/// Reports what a request without integrity should not have.
pub(super) fn inspect_bare(request: &Message<'_>, mut report: impl FnMut(Violation)) {
    if !matches!(request.method(), Method::ALLOCATE | Method::BINDING) {
        report(Violation::Unauthenticated(request.method()));
    }
    // A Binding request may be a check of ICE that went to the wrong place.
    let telling =
        [AttributeType::USERNAME, AttributeType::USERHASH, AttributeType::REALM, AttributeType::NONCE];
    for kind in telling.into_iter().filter(|_| request.method() != Method::BINDING) {
        if request.contains(kind) {
            report(Violation::Disclosed(kind));
        }
    }
}

/// The message up to MESSAGE-INTEGRITY, as if nothing followed; `None` if it has none.
fn sha1_part(message: &[u8]) -> Option<Vec<u8>> {
    let mut at = HEADER_LEN;
    loop {
        let (&[t0, t1, l0, l1], _) = message.get(at..)?.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1])).next_multiple_of(4);
        at = at.checked_add(4)?.checked_add(length)?;
        if AttributeType::new(u16::from_be_bytes([t0, t1])) == AttributeType::MESSAGE_INTEGRITY {
            break;
        }
    }
    let mut part = message.get(..at)?.to_vec();
    let length = u16::try_from(at.checked_sub(HEADER_LEN)?).ok()?;
    part.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
    Some(part)
}

const HEADER_LEN: usize = 20;
