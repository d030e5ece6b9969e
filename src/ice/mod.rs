//! ICE (RFC 8445): candidates, pairs, check lists.

mod candidate;
mod credentials;
mod foundation;
mod id;
mod priority;
mod role;

pub use candidate::{
    AddressError, Candidate, CandidateAddress, CandidateError, CandidateKind, MdnsName, TcpType,
    admit_host_address, admit_peer_address,
};
pub use credentials::{Credentials, CredentialsError};
pub(crate) use credentials::{check_password, check_ufrag};
pub use foundation::{Foundation, FoundationError, FoundationKey, Foundations};
pub use id::{BaseId, CandidateId, ComponentId, Generation, PairId, ServerId, StreamId};
pub use priority::{PairPriority, Priority, TypePreferences, TypePreferencesError};
pub use role::{Resolution, Role, RoleClaim, TieBreaker};

/// Whether `text` consists of ice-chars: letters, digits, `+` and `/` (RFC 8839 section 5.1).
pub(crate) fn is_ice_chars(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}
