//! Where the choices of a generated world come from: a number, or the bytes of a fuzzer.

use core::time::Duration;

/// A stream of choices.
#[derive(Clone, Debug)]
pub struct Dice<'a> {
    state: u64,
    bytes: Option<&'a [u8]>,
}

impl Dice<'static> {
    /// Choices that go with a number.
    pub fn new(seed: u64) -> Self {
        Self { state: mix(seed ^ 0x005e_ed0f_f10e), bytes: None }
    }
}

impl<'a> Dice<'a> {
    /// Choices by these bytes, one each; all the first one when they are used up.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { state: 0, bytes: Some(bytes) }
    }

    /// Whether there are choices left to be made.
    pub fn is_spent(&self) -> bool {
        self.bytes.is_some_and(<[u8]>::is_empty)
    }

    /// From 0 to just below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit.max(1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: u64) -> bool {
        // Spent bytes choose what is ordinary.
        99 - self.below(100) < chance
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let index = self.below(from.len() as u64);
        from[index as usize].clone()
    }

    /// A length of time, in whole milliseconds.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from + 1))
    }

    fn draw(&mut self) -> u64 {
        match &mut self.bytes {
            Some(bytes) => {
                let Some((first, rest)) = bytes.split_first() else { return 0 };
                *bytes = rest;
                u64::from(*first)
            }
            None => {
                self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                mix(self.state)
            }
        }
    }
}

/// The finalizer of SplitMix64: every bit depends on every other.
pub const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
