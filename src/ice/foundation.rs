//! Foundations: equal for candidates that are likely to share their fate (RFC 8445 section 5.1.1.3).

use super::credentials::ice_char;
use super::{CandidateKind, is_ice_chars};
use crate::list::Few;
use crate::net::Transport;
use crate::stun::text::six_bits;
use core::cmp::Ordering;
use core::fmt;
use core::net::IpAddr;
use core::str;

/// 1 to 32 ice-chars that group candidates: a check that succeeded makes others of its foundation pair worth a try.
///
/// Only equality means something. Both sides choose their own; a peer's are never compared with ours.
///
/// ```
/// use floe::ice::Foundation;
///
/// assert_eq!(Foundation::new("Hc0a80001")?.as_str(), "Hc0a80001");
/// assert!(Foundation::new("").is_err());
/// # Ok::<(), floe::ice::FoundationError>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Foundation {
    /// Invariant: the first `len` bytes are ice-chars, the others zero, so that derived comparison is that of text.
    chars: [u8; Self::MAX],
    len: u8,
}

impl Foundation {
    /// The longest foundation (RFC 8445 section 5.3).
    pub const MAX: usize = 32;

    /// The foundation that reads `text`.
    ///
    /// # Errors
    ///
    /// [`FoundationError`] unless `text` is 1 to 32 ice-chars (letters, digits, `+`, `/`).
    pub fn new(text: &str) -> Result<Self, FoundationError> {
        if !is_ice_chars(text) {
            return Err(FoundationError::Character);
        }
        // rfc8839-5.1-3
        if text.is_empty() || text.len() > Self::MAX {
            return Err(FoundationError::Length);
        }
        Ok(Self::of_ice_chars(text))
    }

    /// A foundation different from all `others`, for a peer-reflexive remote candidate (RFC 8445 section 7.3.1.3).
    pub fn distinct_from(others: impl Iterator<Item = Self> + Clone) -> Self {
        let mut number = 0;
        loop {
            let foundation = Self::numbered("prflx", number);
            // Ends after at most as many rounds as there are others.
            if others.clone().all(|other| other != foundation) {
                return foundation;
            }
            number += 1;
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let chars = self.chars.get(..usize::from(self.len)).unwrap_or_default();
        str::from_utf8(chars).unwrap_or_default()
    }

    /// The characters of one that is short, in six bits each, and below them how many they are: never zero. A number of 32 bits
    /// has ten digits.
    pub(super) fn packed(&self) -> Option<u64> {
        let chars = self.chars.get(..usize::from(self.len)).filter(|chars| chars.len() <= PACKED_MAX)?;
        let number = |byte: &u8| six_bits(*byte).map_or(0, u64::from);
        let bits = chars.iter().rev().fold(0, |bits, byte| bits << 6 | number(byte));
        Some(bits << 4 | u64::from(self.len))
    }

    /// What [`packed`](Self::packed) has made so.
    pub(super) fn from_packed(packed: u64) -> Self {
        let mut foundation = Self { chars: [0; Self::MAX], len: 0 };
        for at in 0..packed & 0xf {
            foundation.push(ice_char((packed >> (4 + 6 * at) & 0x3f) as u8) as u8);
        }
        foundation
    }

    fn numbered(prefix: &str, number: u32) -> Self {
        let mut foundation = Self::of_ice_chars(prefix);
        // Every candidate of ours has such a text: it is written in place, the first digit first.
        for power in (0..=number.checked_ilog10().unwrap_or(0)).rev() {
            let digit = number / 10_u32.pow(power) % 10;
            foundation.push(b'0' + u8::try_from(digit).unwrap_or_default());
        }
        foundation
    }

    /// The first 32 bytes of `text`.
    fn of_ice_chars(text: &str) -> Self {
        let mut foundation = Self { chars: [0; Self::MAX], len: 0 };
        text.bytes().for_each(|byte| foundation.push(byte));
        foundation
    }

    /// Appends an ice-char, if there is room.
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.chars.get_mut(usize::from(self.len)) {
            *place = byte;
            self.len += 1;
        }
    }
}

impl fmt::Display for Foundation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Foundation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Foundation({})", self.as_str())
    }
}

/// Why a text is no foundation.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FoundationError {
    /// Empty, or longer than 32 characters.
    #[error("a foundation has 1 to 32 characters")]
    Length,
    /// Something that is not an ice-char.
    #[error("a foundation has letters, digits, + and / only")]
    Character,
}

/// What makes two local candidates share a foundation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the four properties that RFC 8445 lists")]
pub struct FoundationKey {
    /// Their type.
    pub kind: CandidateKind,
    /// The IP address of the base, whatever its port; a relayed candidate is its own base.
    pub base: IpAddr,
    /// The IP address at which the server was asked, for reflexive and relayed candidates.
    pub server: Option<IpAddr>,
    /// The transport of the candidate, or for a relayed one the transport to its server.
    pub transport: Transport,
}

impl FoundationKey {
    /// An order for tables: most keys differ in the base.
    fn order(&self, other: &Self) -> Ordering {
        let rest = |key: &Self| (key.kind, key.transport, key.server);
        self.base.cmp(&other.base).then_with(|| rest(self).cmp(&rest(other)))
    }
}

/// The local foundations of an agent: a number per distinct key, in the order in which keys were first seen.
///
/// A table and not a hash, since two keys that collided would be unfrozen by each other's success. Numbers tell a
/// peer nothing about the addresses behind them.
#[derive(Clone, Debug, Default)]
pub struct Foundations {
    /// Sorted by key. Invariant: no key and no number twice.
    numbers: Few<(FoundationKey, u32)>,
    last: u32,
}

impl Foundations {
    /// No foundations yet.
    pub const fn new() -> Self {
        Self { numbers: Few::new(), last: 0 }
    }

    /// The foundation of candidates with `key`: equal for equal keys, and only for those.
    pub fn of(&mut self, key: FoundationKey) -> Foundation {
        Foundation::numbered("", self.number_of(key))
    }

    /// The same with the number, by which pairs are told apart.
    pub(crate) fn of_paired(&mut self, key: FoundationKey) -> (u32, Foundation) {
        let number = self.number_of(key);
        (number, Foundation::numbered("", number))
    }

    fn number_of(&mut self, key: FoundationKey) -> u32 {
        // rfc8445-5.1.1.3-1, rfc8445-5.1.1.3-2
        let at = match self.numbers.last() {
            // They mostly come in their order.
            Some((last, _)) if last.order(&key).is_lt() => Err(self.numbers.len()),
            _ => self.numbers.binary_search_by(|(known, _)| known.order(&key)),
        };
        match at {
            Ok(at) => self.numbers.get(at).map_or(0, |(_, number)| *number),
            Err(at) => {
                self.last = self.last.saturating_add(1);
                self.numbers.insert(at, (key, self.last));
                self.last
            }
        }
    }

    /// Forgets the keys whose foundation is no longer `used` by a candidate, so that an agent that roams for days
    /// holds no more than it has candidates. A forgotten key that comes back gets a new number.
    pub fn retain(&mut self, used: impl Fn(Foundation) -> bool) {
        self.numbers.retain(|(_, number)| used(Foundation::numbered("", *number)));
    }
}

/// So many characters of six bits fit into 64 beside their number.
const PACKED_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn key(kind: CandidateKind, base: &str, server: Option<&str>, transport: Transport) -> FoundationKey {
        FoundationKey {
            kind,
            base: base.parse().unwrap(),
            server: server.map(|server| server.parse().unwrap()),
            transport,
        }
    }

    fn any_key() -> impl Strategy<Value = FoundationKey> {
        use CandidateKind::{Host, PeerReflexive, Relayed, ServerReflexive};
        let address = || prop::sample::select(vec!["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
        let kind = prop::sample::select(vec![Host, ServerReflexive, PeerReflexive, Relayed]);
        let transport = prop::sample::select(vec![Transport::Udp, Transport::Tcp]);
        (kind, address(), prop::option::of(address()), transport)
            .prop_map(|(kind, base, server, transport)| key(kind, base, server, transport))
    }

    proptest! {
        /// Proves: rfc8445-5.1.1.3-1, rfc8445-5.1.1.3-2
        #[test]
        fn foundations_are_equal_exactly_where_keys_are(keys in prop::collection::vec(any_key(), 2..40)) {
            let mut foundations = Foundations::new();
            let given: Vec<_> = keys.iter().map(|key| foundations.of(*key)).collect();
            for (i, a) in keys.iter().enumerate() {
                for (j, b) in keys.iter().enumerate() {
                    prop_assert_eq!(a == b, given[i] == given[j], "{:?} {:?}", a, b);
                }
                prop_assert_eq!(foundations.of(*a), given[i], "asked again");
            }
        }

        #[test]
        fn a_number_is_written_as_usual(number: u32) {
            prop_assert_eq!(Foundation::numbered("prflx", number).to_string(), alloc::format!("prflx{number}"));
        }

        /// What is as long as it may be to be packed, and what is longer.
        #[test]
        fn what_is_packed_comes_back(text in "[A-Za-z0-9+/]{1,32}") {
            let foundation = Foundation::new(&text).unwrap();
            prop_assert_eq!(foundation.packed().is_some(), text.len() <= 10);
            if let Some(packed) = foundation.packed() {
                prop_assert_ne!(packed, 0);
                prop_assert_eq!(Foundation::from_packed(packed), foundation);
            }
        }

        #[test]
        fn a_distinct_foundation_is_none_of_the_others(count in 0_usize..40) {
            let mut others = Vec::new();
            for _ in 0..count {
                let fresh = Foundation::distinct_from(others.iter().copied());
                prop_assert!(!others.contains(&fresh));
                others.push(fresh);
            }
        }
    }

    /// Proves: rfc8445-5.1.1.3-2, rfc8445-5.1.1.3-4, rfc8445-5.1.1.3-5
    #[test]
    fn each_of_the_four_properties_tells_foundations_apart() {
        use CandidateKind::{Host, Relayed, ServerReflexive};
        let mut foundations = Foundations::new();
        let keys = [
            key(Host, "192.0.2.1", None, Transport::Udp),
            key(Host, "192.0.2.2", None, Transport::Udp),
            key(Host, "192.0.2.1", None, Transport::Tcp),
            key(ServerReflexive, "192.0.2.1", Some("198.51.100.1"), Transport::Udp),
            key(ServerReflexive, "192.0.2.1", Some("198.51.100.2"), Transport::Udp),
            // Relayed candidates are their own base: two allocations at one server, then one over TCP.
            key(Relayed, "203.0.113.1", Some("198.51.100.1"), Transport::Udp),
            key(Relayed, "203.0.113.2", Some("198.51.100.1"), Transport::Udp),
            key(Relayed, "203.0.113.1", Some("198.51.100.1"), Transport::Tcp),
        ];
        let texts: Vec<_> = keys.map(|key| foundations.of(key).to_string()).into();
        assert_eq!(texts, ["1", "2", "3", "4", "5", "6", "7", "8"]);
    }

    #[test]
    fn what_is_forgotten_gets_a_new_number() {
        let mut foundations = Foundations::new();
        let (gone, stays) = (
            key(CandidateKind::Host, "192.0.2.1", None, Transport::Udp),
            key(CandidateKind::Host, "192.0.2.2", None, Transport::Udp),
        );
        let first = foundations.of(gone);
        let second = foundations.of(stays);
        foundations.retain(|foundation| foundation == second);
        assert_eq!(foundations.of(stays), second);
        let again = foundations.of(gone);
        assert!(again != first && again != second);
    }

    /// Proves: rfc8839-5.1-3
    #[test]
    fn a_foundation_has_one_to_thirty_two_ice_chars() {
        let longest = "azAZ09+/azAZ09+/azAZ09+/azAZ09+/";
        assert_eq!(Foundation::new(longest).unwrap().as_str(), longest);
        assert_eq!(Foundation::new("1").unwrap().as_str(), "1");
        assert_eq!(Foundation::new(""), Err(FoundationError::Length));
        assert_eq!(Foundation::new(&longest.replace("az", "azz")), Err(FoundationError::Length));
        for text in ["-", "a b", "a=", "\u{e9}", "a\r\n"] {
            assert_eq!(Foundation::new(text), Err(FoundationError::Character), "{text:?}");
        }
        assert!(Foundation::new("2").unwrap() > Foundation::new("10").unwrap(), "ordered as text");
    }
}
