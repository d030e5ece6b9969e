//! ICE (RFC 8445): candidates, pairs, check lists.

pub(crate) mod authenticated;
mod candidate;
pub(crate) mod check;
pub(crate) mod checklist;
pub(crate) mod consent;
mod credentials;
pub(crate) mod early;
pub(crate) mod elsewhere;
mod foundation;
mod id;
pub(crate) mod lite;
pub(crate) mod local;
pub(crate) mod nomination;
pub(crate) mod order;
pub(crate) mod pair;
mod policy;
pub(crate) mod preference;
mod priority;
pub(crate) mod remote;
pub(crate) mod renomination;
pub(crate) mod responder;
mod role;
pub(crate) mod schedule;
pub(crate) mod ufrag_prefix;
pub(crate) mod unresolved;
pub(crate) mod valid;

pub use candidate::{
    AddressError, Candidate, CandidateAddress, CandidateError, CandidateKind, MdnsName, TcpType,
    admit_host_address, admit_peer_address,
};
pub use check::CheckError;
pub use checklist::CheckListState;
pub use credentials::{Credentials, CredentialsError};
pub(crate) use credentials::{check_password, check_ufrag};
pub use foundation::{Foundation, FoundationError, FoundationKey, Foundations};
pub use id::{BaseId, CandidateId, ComponentId, ConnectId, Generation, PairId, ServerId, StreamId};
pub use nomination::Nomination;
pub use order::CheckOrder;
pub use pair::PairState;
pub(crate) use policy::{CONSENT_INTERVAL, CONSENT_INTERVAL_MAX};
pub use policy::{Choice, Choices, Health, Policy, Profile, Prospects, Verdict};
pub use priority::{PairPriority, Priority, TypePreferences, TypePreferencesError};
pub use role::{Resolution, Role, RoleClaim, TieBreaker};
pub use ufrag_prefix::UfragPrefix;

/// Whether `text` consists of ice-chars: letters, digits, `+` and `/` (RFC 8839 section 5.1).
#[expect(clippy::indexing_slicing, reason = "there is an entry for every byte")]
pub(crate) fn is_ice_chars(text: &str) -> bool {
    text.bytes().all(|byte| ICE_CHARS[usize::from(byte)])
}

const ICE_CHARS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        let char = byte as u8;
        table[byte] = char.is_ascii_alphanumeric() || char == b'+' || char == b'/';
        byte += 1;
    }
    table
};
