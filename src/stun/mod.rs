//! STUN (RFC 8489): messages, integrity, transactions. Usable alone.

pub(crate) mod address;
pub(crate) mod attribute;
mod auth;
mod builder;
mod error_code;
mod fingerprint;
mod header;
mod integrity;
mod message;
mod password_algorithm;
mod rto;
mod text;
mod transaction;

pub use address::{AlternateServer, MappedAddress, XorMappedAddress};
pub use attribute::{
    Attribute, AttributeType, EncodeError, IceControlled, IceControlling, Priority, Unit, UseCandidate,
};
pub use auth::{Sent, ShortTerm, Unauthenticated, authenticate, verify_response};
pub use builder::{Builder, Sealed};
pub use error_code::{ErrorCode, UnknownAttributes};
pub use fingerprint::Fingerprint;
pub use header::{Class, Kind, Method, TransactionId, is_stun};
pub use integrity::{Integrity, IntegrityError, Key, Verified, opaque_string, userhash};
pub use message::{DecodeError, Message};
pub use password_algorithm::{PasswordAlgorithm, PasswordAlgorithms};
pub use rto::{Rto, RttCache, RttEstimate};
pub use text::{AlternateDomain, Nonce, Realm, SecurityFeatures, Software, Userhash, Username};
pub use transaction::{Due, Failure, Finished, Transaction, Transactions};
