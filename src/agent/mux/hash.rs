//! Numbers made of keys, which nobody can foresee who does not know what they are made with.

/// What keys are hashed with: random, so that no peer can look for addresses that all end in one line of a table. One who did
/// would win little: what finds no room in its line stands in a tree.
///
/// The words `w` become the upper half of `h[0] + (h[1] + w[0]) * (h[2] + w[1]) + (h[3] + w[2]) * ..`, modulo 2^64: any two keys
/// that were chosen without knowing `h` agree in `n` given bits of it with a probability of 2^-n (Lemire and Kaser, "Strongly
/// universal string hashing is fast": multilinear hashing with half of the multiplications).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HashKey {
    start: u64,
    /// Four for each part of a key.
    factors: [[u64; 4]; PARTS_MAX],
}

/// What can be hashed, and has its least value for a default.
pub(super) trait Hashed: Copy + Default + Ord {
    fn hash(self, key: &HashKey) -> u32;
}

impl HashKey {
    pub(super) fn new(random: [u8; Self::LEN]) -> Self {
        let mut words = random.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let mut next = || words.next().unwrap_or_default();
        Self { start: next(), factors: [(); PARTS_MAX].map(|()| [(); 4].map(|()| next())) }
    }

    /// How many random bytes it takes.
    pub(super) const LEN: usize = 8 * (1 + 4 * PARTS_MAX);

    /// One with which so many keys have the same hash whose second words come one after the other, in powers of two.
    #[cfg(test)]
    pub(super) fn coarse(bits: u32) -> Self {
        let mut key = Self::default();
        key.factors[0][0] = 1 << (32 - bits);
        key
    }

    #[inline]
    fn hash(&self, parts: impl IntoIterator<Item = u128>) -> u32 {
        let product = |a: u64, v: u64, b: u64, w: u64| a.wrapping_add(v).wrapping_mul(b.wrapping_add(w));
        let sum = parts.into_iter().zip(&self.factors).fold(self.start, |sum, (part, [a, b, c, d])| {
            let [w, x, y, z] = [96, 64, 32, 0].map(|shift| (part >> shift) as u64 & u64::from(u32::MAX));
            sum.wrapping_add(product(*a, w, *b, x)).wrapping_add(product(*c, y, *d, z))
        });
        scatter((sum >> 32) as u32)
    }
}

/// Takes apart what comes in series: of ports one after the other each sum is as far from the next, and lines would be met
/// many times or never. Every number has another one for a result, so that nothing is lost.
#[inline]
const fn scatter(mut bits: u32) -> u32 {
    bits = (bits ^ bits >> 16).wrapping_mul(0x9e37_79b9);
    bits = (bits ^ bits >> 15).wrapping_mul(0x6a09_e667);
    bits ^ bits >> 16
}

impl Hashed for u128 {
    #[inline]
    fn hash(self, key: &HashKey) -> u32 {
        key.hash([self])
    }
}

impl Hashed for [u128; PARTS_MAX] {
    #[inline]
    fn hash(self, key: &HashKey) -> u32 {
        key.hash(self)
    }
}

/// The parts of the longest key, a path of IPv6.
const PARTS_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{Entropy, Seed};
    use alloc::collections::BTreeSet;

    fn hash_key(seed: u8) -> HashKey {
        HashKey::new(Entropy::new(Seed::from([seed; 32])).apart())
    }

    /// As if the lines had been drawn: of 1,024, as many keys meet 647.
    #[test]
    fn keys_that_differ_in_any_ten_bits_are_spread_over_the_lines() {
        let lines =
            |hash: &dyn Fn(u128) -> u32| (0..1_024).map(|n| hash(n) & 1_023).collect::<BTreeSet<_>>().len();
        for (seed, shift) in (1..4).flat_map(|seed| (0..=118).step_by(2).map(move |shift| (seed, shift))) {
            let key = hash_key(seed);
            let narrow = lines(&|n| (n << shift).hash(&key));
            assert!((580..720).contains(&narrow), "{seed} {shift}: {narrow}");
            for part in 0..PARTS_MAX {
                let wide = lines(&|n| {
                    let mut parts = [7; PARTS_MAX];
                    parts[part] = n << shift;
                    parts.hash(&key)
                });
                assert!((580..720).contains(&wide), "{seed} {part} {shift}: {wide}");
            }
        }
    }

    #[test]
    fn keys_that_meet_under_one_hash_key_part_under_another() {
        let (this, other) = (hash_key(1), hash_key(2));
        let line = 5_u128.hash(&this) & 1_023;
        let meeting: BTreeSet<_> = (0..400_000).filter(|n: &u128| n.hash(&this) & 1_023 == line).collect();
        let apart: BTreeSet<_> = meeting.iter().map(|n| n.hash(&other) & 1_023).collect();
        assert!(meeting.len() > 100 && apart.len() > 100, "{} {}", meeting.len(), apart.len());
    }
}
