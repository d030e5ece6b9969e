//! The chance of a world: one stream per purpose, in whole numbers, so that every platform draws alike.

use alloc::boxed::Box;
use core::time::Duration;

use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};

/// A probability in steps of 2^-32.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Probability(u64);

impl Probability {
    /// Reads a number from 0 to 1; what lies outside is taken as the nearer end, and no number as 0.
    pub(super) fn new(probability: f64) -> Self {
        const CERTAIN: f64 = 4_294_967_296.0;
        Self((probability.clamp(0.0, 1.0) * CERTAIN) as u64)
    }
}

/// What a stream is drawn for. A new draw for one purpose does not shift the draws for another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// The link of the interface of this number, towards the network.
    Up(u32),
    /// The link of the interface of this number, from the network.
    Down(u32),
    /// The same, for what is held back.
    UpOrder(u32),
    /// The link of the interface of this number, from the network, for what is held back.
    DownOrder(u32),
    /// The translator in front of the network of this number.
    Gateway(u32),
    /// Where reads of connections end.
    Reads,
    /// The channel past the network.
    Signalling,
    /// A seed for a user of the world.
    Seed(u64),
}

/// One stream of chance. Its words are computed when one is wanted: most links do nothing by chance, and there are many.
#[derive(Debug)]
pub(super) struct Chance {
    key: [u8; 32],
    stream: u64,
    /// Words drawn and passed over.
    position: u64,
    words: Option<Box<ChaCha20Rng>>,
}

impl Chance {
    pub(super) fn new(seed: u64, purpose: Purpose) -> Self {
        let (stream, number) = match purpose {
            Purpose::Up(interface) => (0, u64::from(interface)),
            Purpose::Down(interface) => (1, u64::from(interface)),
            Purpose::Signalling => (2, 0),
            Purpose::Seed(number) => (3, number),
            Purpose::UpOrder(interface) => (4, u64::from(interface)),
            Purpose::DownOrder(interface) => (5, u64::from(interface)),
            Purpose::Gateway(network) => (6, u64::from(network)),
            Purpose::Reads => (7, 0),
        };
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&number.to_le_bytes());
        Self { key, stream, position: 0, words: None }
    }

    /// Whether something of this probability happens.
    pub(super) fn happens(&mut self, probability: Probability) -> bool {
        if probability == Probability::default() {
            self.pass_over(1);
            return false;
        }
        u64::from(self.word()) < probability.0
    }

    /// A number from `first` to `last`, each as likely as the others within one part in 2^16.
    pub(super) fn between(&mut self, first: u16, last: u16) -> u16 {
        let count = u32::from(last.saturating_sub(first)) + 1;
        let drawn = (u64::from(self.word()) * u64::from(count)) >> 32;
        first.saturating_add(u16::try_from(drawn).unwrap_or_default())
    }

    /// A length of time from zero to just below `limit`; one of more than 584 years counts as that.
    pub(super) fn up_to(&mut self, limit: Duration) -> Duration {
        if limit.is_zero() {
            self.pass_over(2);
            return Duration::ZERO;
        }
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let drawn = u64::from(self.word()) | u64::from(self.word()) << 32;
        let scaled = (u128::from(drawn) * u128::from(limit)) >> 64;
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    pub(super) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(4) {
            chunk.copy_from_slice(&self.word().to_le_bytes());
        }
        bytes
    }

    fn word(&mut self) -> u32 {
        self.position = self.position.wrapping_add(1);
        let words = self.words.get_or_insert_with(|| {
            let mut words = Box::new(ChaCha20Rng::from_seed(self.key));
            words.set_stream(self.stream);
            words.set_word_pos(u128::from(self.position.wrapping_sub(1)));
            words
        });
        words.next_u32()
    }

    /// Does as if so many words had been drawn.
    fn pass_over(&mut self, words: u64) {
        self.position = self.position.wrapping_add(words);
        if let Some(drawn) = &mut self.words {
            (0..words).for_each(|_| _ = drawn.next_u32());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certainty_and_impossibility_are_exact() {
        let mut chance = Chance::new(1, Purpose::Signalling);
        assert!((0..10_000).all(|_| chance.happens(Probability::new(1.0))));
        assert!((0..10_000).all(|_| !chance.happens(Probability::new(0.0))));
        assert_eq!(Probability::new(7.0), Probability::new(1.0));
        assert_eq!(Probability::new(f64::NAN), Probability::default());
    }

    /// What is passed over is what would have been drawn.
    #[test]
    fn a_change_of_odds_leaves_the_draws_after_it_as_they_were() {
        let draws = |skipped: usize| {
            let mut chance = Chance::new(9, Purpose::Up(3));
            for number in 0..40 {
                let (odds, limit) = if number < skipped { (0.0, 0) } else { (0.5, 1_000_000) };
                chance.happens(Probability::new(odds));
                chance.up_to(Duration::from_micros(limit));
            }
            chance.bytes()
        };
        assert!((1..=40).all(|skipped| draws(skipped) == draws(0)));

        let mut alternating = Chance::new(9, Purpose::Up(3));
        let mut steady = Chance::new(9, Purpose::Up(3));
        for number in 0..40 {
            let limit = Duration::from_millis(number % 2 * 50);
            let (one, other) = (alternating.up_to(limit), steady.up_to(Duration::from_millis(50)));
            assert!(limit.is_zero() || one == other);
        }
    }

    #[test]
    fn purposes_and_seeds_have_streams_of_their_own() {
        let drawn = [
            Chance::new(1, Purpose::Up(1)).bytes(),
            Chance::new(1, Purpose::Up(2)).bytes(),
            Chance::new(1, Purpose::Down(1)).bytes(),
            Chance::new(1, Purpose::Seed(1)).bytes(),
            Chance::new(2, Purpose::Up(1)).bytes(),
        ];
        for (n, bytes) in drawn.iter().enumerate() {
            assert!(!drawn[n + 1..].contains(bytes));
        }
        assert_eq!(drawn[0], Chance::new(1, Purpose::Up(1)).bytes());
    }
}
