//! What a server asks for in a 401 or 438 (RFC 8489 section 9.2.4), as the client reads it.

use super::attribute::AttributeType;
use super::integrity::Integrity;
use super::long_term::Refusal;
use super::message::Message;
use super::oauth::ThirdPartyAuthorization;
use super::password_algorithm::{PasswordAlgorithm, PasswordAlgorithms};
use super::text::{Nonce, Realm};
use alloc::string::String;
use alloc::vec::Vec;

/// How key and integrity are made, the weakest first: a server that has offered one is never believed to offer less.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Scheme {
    /// No PASSWORD-ALGORITHMS: MD5 as in RFC 5389, and MESSAGE-INTEGRITY.
    Legacy,
    /// MD5 by agreement, and MESSAGE-INTEGRITY-SHA256.
    Md5,
    /// SHA-256 by agreement, and MESSAGE-INTEGRITY-SHA256.
    Sha256,
}

impl Scheme {
    /// PASSWORD-ALGORITHM, if it is to be sent.
    pub(super) const fn algorithm(self) -> Option<PasswordAlgorithm<'static>> {
        match self {
            Self::Legacy => None,
            Self::Md5 => Some(PasswordAlgorithm::MD5),
            Self::Sha256 => Some(PasswordAlgorithm::SHA256),
        }
    }

    /// How a request is protected before an answer has said more.
    pub(super) const fn integrity(self) -> Integrity {
        // rfc8489-9.2.5-13: with PASSWORD-ALGORITHMS SHA-256 only. Without, the server is to answer by
        // MESSAGE-INTEGRITY (rfc8489-9.2.4-1); one of RFC 5389 would refuse a second attribute that it does not know.
        match self {
            Self::Legacy => Integrity::Sha1,
            Self::Md5 | Self::Sha256 => Integrity::Sha256,
        }
    }

    /// SHA-256 if it is listed, else MD5: RFC 8656 section 6 leaves no choice where RFC 8489 goes by the order of the
    /// list (rfc8489-9.2.5-5). Entries with parameters are not those that are known here.
    fn best(offered: PasswordAlgorithms<'_>) -> Option<Self> {
        let offers = |algorithm: PasswordAlgorithm<'_>| offered.iter().any(|entry| entry == algorithm);
        if offers(PasswordAlgorithm::SHA256) {
            Some(Self::Sha256)
        } else if offers(PasswordAlgorithm::MD5) {
            Some(Self::Md5)
        } else {
            None
        }
    }
}

/// What a server asks for: a challenge that can be answered.
#[derive(Clone)]
pub(super) struct Terms {
    /// REALM and NONCE as received, byte for byte (rfc8489-9.2.5-4).
    pub(super) realm: Vec<u8>,
    pub(super) nonce: Vec<u8>,
    /// PASSWORD-ALGORITHMS as received, to be echoed (rfc8489-9.2.5-5).
    pub(super) algorithms: Option<Vec<u8>>,
    pub(super) scheme: Scheme,
    /// The user name is to be sent as USERHASH.
    pub(super) anonymous: bool,
    /// The name of the server, if it takes tokens (RFC 7635).
    pub(super) third_party: Option<String>,
}

impl Terms {
    /// Reads a 401 or 438. `realm` is what a 438 without REALM goes on with.
    pub(super) fn read(response: &Message<'_>, realm: Option<&[u8]>) -> Result<Self, Refusal> {
        let Some(Ok(nonce)) = response.get::<Nonce<'_>>() else { return Err(Refusal::Challenge) };
        let realm = match (response.get::<Realm<'_>>(), realm) {
            (Some(Ok(realm)), _) => realm.as_bytes(),
            (None, Some(realm)) => realm,
            _ => return Err(Refusal::Challenge),
        };
        let algorithms = match response.get::<PasswordAlgorithms<'_>>() {
            Some(Ok(algorithms)) if algorithms.as_bytes().len() <= ALGORITHMS_MAX => Some(algorithms),
            Some(_) => return Err(Refusal::Challenge),
            None => None,
        };
        let features = nonce.security_features();
        let scheme = match algorithms {
            // rfc8489-9.2.5-6
            Some(offered) => Scheme::best(offered).ok_or(Refusal::Algorithms)?,
            // rfc8489-9.2.5-1
            None if features.password_algorithms => return Err(Refusal::BidDown),
            None => Scheme::Legacy,
        };
        let third_party = response.get::<ThirdPartyAuthorization<'_>>().and_then(Result::ok);
        Ok(Self {
            realm: realm.to_vec(),
            nonce: nonce.as_bytes().to_vec(),
            algorithms: algorithms.map(|algorithms| algorithms.as_bytes().to_vec()),
            scheme,
            anonymous: features.username_anonymity,
            third_party: third_party.map(|name| name.0.into()),
        })
    }

    /// Whether less is asked for than before: an algorithm is gone, or the user name is to be seen.
    pub(super) fn is_weaker_than(&self, before: &Self) -> bool {
        self.scheme < before.scheme || (before.anonymous && !self.anonymous)
    }

    /// Whether name and key of a request are the same under both, and only the nonce is new.
    pub(super) fn signs_like(&self, other: &Self) -> bool {
        let inputs = |terms: &Self| (terms.scheme, terms.anonymous, terms.third_party.is_some());
        self.realm == other.realm && inputs(self) == inputs(other)
    }
}

/// Whether a response claims by its nonce to have had PASSWORD-ALGORITHMS, and has not.
pub(super) fn lacks_algorithms(response: &Message<'_>) -> bool {
    let nonce = response.get::<Nonce<'_>>().and_then(Result::ok);
    nonce.is_some_and(|nonce| nonce.security_features().password_algorithms)
        && !response.contains(AttributeType::PASSWORD_ALGORITHMS)
}

/// The longest PASSWORD-ALGORITHMS kept and echoed, in bytes: a dozen times what there are algorithms.
const ALGORITHMS_MAX: usize = 509;
