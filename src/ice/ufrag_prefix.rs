//! Fragments that say which machine made them.

use core::fmt;

use super::credentials::ice_char;
use crate::stun::text::six_bits;

/// The characters that every fragment of an agent begins with: they tell a load balancer which machine has the agent.
///
/// The first thing that a peer sends to a server is a check, and its user name begins with the server's fragment. Where that
/// begins with the number of a machine, a balancer that knows nothing of any session sends the check to the right one:
///
/// ```
/// use floe::ice::UfragPrefix;
/// use floe::stun::{Message, Username};
///
/// /// The machine that has the agent which a check is for.
/// fn machine(datagram: &[u8]) -> Option<u64> {
///     let message = Message::parse(datagram).ok()?;
///     let username = message.get::<Username<'_>>()?.ok()?;
///     UfragPrefix::number_in(username.to_str().ok()?, 2)
/// }
///
/// // What each machine puts into its `Config`, by `Config::ufrag_prefix`.
/// let prefix = UfragPrefix::from_number(1_234, 2).unwrap();
/// assert_eq!(prefix.as_str(), "TS");
/// # use floe::stun::{Builder, Method};
/// # let mut check = Vec::new();
/// # Builder::request(&mut check, Method::BINDING, [7; 12].into()).attribute(&Username::new("TSaB3dEfGh:h6vY")?);
/// # assert_eq!(machine(&check), Some(1_234));
/// # Ok::<(), floe::stun::EncodeError>(())
/// ```
///
/// Only requests have user names. What else comes in on a 5-tuple goes where its last check went, which the balancer keeps in
/// a table that may be forgotten at any time: the peer checks again within 5 s or so (RFC 7675). Answers go out from the
/// machine; for a lite agent there are no others.
///
/// # How long
///
/// A character has six bits. The prefix comes before the eight random characters (48 bits) that a fragment has without it, so
/// the 24 bits that RFC 8445 section 5.3 asks for are there with any prefix, and 32 characters are not reached. With two
/// characters for the machine and one for the thread there are 4,096 machines of 64 threads; ten million sessions on a hundred
/// machines of ten threads are 10,000 in each [`Mux`](crate::Mux). At 8 kB for a session, as `benches/README.md` has it, that
/// is 0.8 GB of a machine.
///
/// Two agents that draw one fragment are told apart by their passwords, so it costs no more than an HMAC. Of n agents with one
/// prefix and b random bits, n (n - 1) / 2^(b + 1) pairs are to be expected:
///
/// | agents with one prefix | 48 bits | 24 bits, the RFC's minimum |
/// |---|---|---|
/// | 10,000 (a thread) | 0.0000002 | 3 |
/// | 100,000 (a machine) | 0.00002 | 298 |
/// | 10,000,000 (no prefix) | 0.18 | 2,980,232 |
///
/// Whoever sees a fragment sees the number. To hide how many machines there are, number them at random.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct UfragPrefix {
    characters: [u8; Self::LEN_MAX],
    len: u8,
}

impl UfragPrefix {
    /// The longest prefix: 48 bits.
    pub const LEN_MAX: usize = 8;

    /// The prefix of `len` characters for a number; `None` if it takes more than that, or `len` is more than
    /// [`LEN_MAX`](Self::LEN_MAX).
    #[must_use]
    pub fn from_number(number: u64, len: usize) -> Option<Self> {
        let mut prefix = Self { characters: [0; Self::LEN_MAX], len: u8::try_from(len).ok()? };
        let mut rest = number;
        for character in prefix.characters.get_mut(..len)?.iter_mut().rev() {
            *character = ice_char((rest & 0x3f) as u8) as u8;
            rest >>= 6;
        }
        (rest == 0).then_some(prefix)
    }

    /// The number of the prefix of `len` characters that a fragment, or a user name which begins with one, has; `None` if it has
    /// no such prefix.
    #[must_use]
    pub fn number_in(ufrag: &str, len: usize) -> Option<u64> {
        let prefix = ufrag.as_bytes().get(..len).filter(|_| len <= Self::LEN_MAX)?;
        prefix.iter().try_fold(0, |number, character| Some(number << 6 | u64::from(six_bits(*character)?)))
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let characters = self.characters.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(characters).unwrap_or_default()
    }
}

impl fmt::Debug for UfragPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UfragPrefix").field(&self.as_str()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_read_as_it_was_written(number in 0_u64..1 << 48, len in 0_usize..10) {
            let fits = len <= 8 && number < 1 << (6 * len);
            let prefix = UfragPrefix::from_number(number, len);
            prop_assert_eq!(prefix.is_some(), fits);
            if let Some(prefix) = prefix {
                prop_assert_eq!(prefix.as_str().len(), len);
                let ufrag = alloc::format!("{}h6vYAbCd", prefix.as_str());
                prop_assert_eq!(UfragPrefix::number_in(&ufrag, len), Some(number));
            }
        }
    }

    #[test]
    fn all_numbers_of_a_character_differ_and_come_back() {
        for number in 0..64 {
            assert_eq!(six_bits(ice_char(number) as u8), Some(number));
        }
        assert_eq!((0..=255).filter(|byte| six_bits(*byte).is_some()).count(), 64);
    }

    #[test]
    fn what_is_too_short_or_no_fragment_has_no_number() {
        assert_eq!(UfragPrefix::number_in("A", 2), None);
        assert_eq!(UfragPrefix::number_in("A:bcdefgh", 2), None);
        assert_eq!(UfragPrefix::number_in("abcdefghi", 9), None);
    }
}
