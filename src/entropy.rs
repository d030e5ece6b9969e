//! The only randomness: ChaCha12 from the caller's seed, one stream per purpose.
//!
//! Twelve rounds, as `StdRng` of `rand` has them: the best attack known reaches seven. Between two draws nothing is kept but the
//! seed and positions, as there are many agents and each draws seldom: a draw makes its block again, and costs the same
//! whether it is of one byte or of sixty.

use core::fmt;
use rand::rngs::ChaCha12Rng;
use rand::{Rng, SeedableRng};
use zeroize::Zeroize;

/// 256 bits from which a machine draws all its randomness.
///
/// The same seed and the same inputs give the same bytes. In production every agent gets a seed of its own from
/// [`Seed::from_os`] (or a [`child`](Seed::child) of one); a fixed seed is for tests, replays and simulations, where
/// passwords and transaction ids may be predictable. The seed is wiped when dropped, and its `Debug` shows nothing.
///
/// ```
/// use floe::Seed;
///
/// let fixed = Seed::from([7; 32]); // tests only
/// let (first, second) = (fixed.child(1), fixed.child(2));
/// # let _ = (first, second);
/// ```
#[derive(Clone)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed from the operating system's generator.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give: nothing that is to be secret can be made then.
    #[cfg(feature = "std")]
    #[expect(
        clippy::expect_used,
        reason = "without randomness there is no agent, and no caller can mend that"
    )]
    pub fn from_os() -> Self {
        use rand::TryRng;
        let mut bytes = [0; 32];
        rand::rngs::SysRng.try_fill_bytes(&mut bytes).expect("the operating system has randomness");
        Self(bytes)
    }

    /// The `n`th seed derived from this one; different `n` give unrelated seeds.
    pub fn child(&self, n: u64) -> Self {
        let mut rng = ChaCha12Rng::from_seed(self.0);
        rng.set_stream(CHILDREN | (n >> 32));
        rng.set_word_pos(u128::from(n & 0xffff_ffff) * 8);
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl From<[u8; 32]> for Seed {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(***)")
    }
}

/// What randomness is drawn for. Each purpose has a stream of its own, so that a new draw in one module does not
/// shift the draws of another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Credentials,
    Transactions,
    TieBreaker,
    /// The seeds of the clients of TURN servers.
    Relays,
}

/// Draws from a [`Seed`]: 32 bytes of seed and a position per purpose, a block computed when wanted.
#[derive(Debug)]
pub(crate) struct Entropy {
    seed: Seed,
    drawn: [u32; 4],
}

impl Entropy {
    pub(crate) const fn new(seed: Seed) -> Self {
        Self { seed, drawn: [0; 4] }
    }

    /// Fills `bytes` from the stream of `purpose`.
    pub(crate) fn fill(&mut self, purpose: Purpose, bytes: &mut [u8]) {
        let (stream, drawn) = match purpose {
            Purpose::Credentials => (0, &mut self.drawn[0]),
            Purpose::Transactions => (1, &mut self.drawn[1]),
            Purpose::TieBreaker => (2, &mut self.drawn[2]),
            Purpose::Relays => (3, &mut self.drawn[3]),
        };
        let mut rng = ChaCha12Rng::from_seed(self.seed.0);
        rng.set_stream(stream);
        rng.set_word_pos(u128::from(*drawn));
        rng.fill_bytes(bytes);
        // Positions count words of four bytes; a partly used word is not used again.
        let words = u32::try_from(bytes.len().div_ceil(4)).unwrap_or(u32::MAX);
        *drawn = drawn.wrapping_add(words);
    }

    /// `N` bytes that are always the same, and say nothing of all that is drawn: what tables are hashed with.
    pub(crate) fn apart<const N: usize>(&self) -> [u8; N] {
        let mut rng = ChaCha12Rng::from_seed(self.seed.0);
        rng.set_stream(APART);
        let mut bytes = [0; N];
        rng.fill_bytes(&mut bytes);
        bytes
    }

    /// `N` bytes from the stream of `purpose`.
    pub(crate) fn bytes<const N: usize>(&mut self, purpose: Purpose) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(purpose, &mut bytes);
        bytes
    }
}

/// The stream of [`Entropy::apart`].
const APART: u64 = 4;

/// Streams from here on belong to [`Seed::child`], those below to [`Purpose`].
const CHILDREN: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn purposes_do_not_shift_one_another() {
        let mut plain = Entropy::new(Seed::from([1; 32]));
        let first: [u8; 12] = plain.bytes(Purpose::Transactions);
        let second: [u8; 12] = plain.bytes(Purpose::Transactions);
        let mut mixed = Entropy::new(Seed::from([1; 32]));
        assert_eq!(mixed.bytes::<12>(Purpose::Transactions), first);
        mixed.bytes::<5>(Purpose::Credentials);
        mixed.bytes::<8>(Purpose::TieBreaker);
        assert_eq!(mixed.bytes::<12>(Purpose::Transactions), second);
        assert_ne!(first, second);
    }

    #[test]
    fn what_is_apart_is_the_same_whatever_was_drawn_and_in_no_stream() {
        let mut entropy = Entropy::new(Seed::from([4; 32]));
        let apart: [u8; 8] = entropy.apart();
        for purpose in [Purpose::Credentials, Purpose::Transactions, Purpose::TieBreaker] {
            assert_ne!(entropy.bytes(purpose), apart);
        }
        assert_ne!(entropy.bytes(Purpose::Relays), apart);
        assert_eq!(entropy.apart(), apart);
    }

    #[test]
    fn children_are_reproducible_and_differ() {
        let parent = Seed::from([2; 32]);
        assert_eq!(parent.child(1).0, parent.child(1).0);
        assert_ne!(parent.child(1).0, parent.child(2).0);
        assert_ne!(parent.child(1).0, parent.child(1 << 32).0);
        assert_ne!(parent.child(0).0, parent.0);
    }

    #[test]
    fn a_seed_does_not_show_itself() {
        assert_eq!(format!("{:?}", Seed::from([3; 32])), "Seed(***)");
    }
}
