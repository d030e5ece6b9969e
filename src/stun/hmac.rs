//! HMAC (RFC 2104) keyed once: of the key remain the two states that hashing it leads to, and a tag costs only what it
//! covers and one block more.
//!
//! Built on the compression functions: a message of one or two blocks, as checks are, costs a third less than with copies
//! of a hasher and its buffer.

use core::hint::black_box;
use core::slice;

use sha1::Sha1;
use sha1::block_api::compress;
use sha2::Sha256;
use sha2::block_api::compress256;
use sha2::digest::Digest;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A hash of 32-bit words and blocks of 64 bytes, as its state.
pub(super) trait Hash: Clone + Zeroize {
    /// What hashing begins with (FIPS 180-4 section 5.3).
    const INITIAL: Self;
    type Digest: Digest;
    type Tag: Default + AsMut<[u8]>;

    fn compress(&mut self, blocks: &[[u8; BLOCK_LEN]]);

    fn words(&self) -> &[u32];
}

impl Hash for [u32; 5] {
    const INITIAL: Self = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    type Digest = Sha1;
    type Tag = [u8; 20];

    fn compress(&mut self, blocks: &[[u8; BLOCK_LEN]]) {
        compress(self, blocks);
    }

    fn words(&self) -> &[u32] {
        self
    }
}

impl Hash for [u32; 8] {
    const INITIAL: Self = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    type Digest = Sha256;
    type Tag = [u8; 32];

    fn compress(&mut self, blocks: &[[u8; BLOCK_LEN]]) {
        compress256(self, blocks);
    }

    fn words(&self) -> &[u32] {
        self
    }
}

/// A key as HMAC takes it: a block of the hash. Wiped when dropped.
#[derive(Clone)]
pub(super) struct Block(Zeroizing<[u8; BLOCK_LEN]>);

impl Block {
    pub(super) fn of<D: Digest>(key: &[u8]) -> Self {
        let mut block = Zeroizing::new([0; BLOCK_LEN]);
        if key.len() <= BLOCK_LEN {
            block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        } else {
            // RFC 2104 section 3: a key longer than a block is hashed first.
            block.iter_mut().zip(D::digest(key)).for_each(|(to, from)| *to = from);
        }
        Self(block)
    }
}

/// The states after the first block, inside and outside. Wiped when dropped, as they are as good as the key.
#[derive(Clone)]
pub(super) struct Keyed<H: Hash> {
    inner: H,
    outer: H,
}

impl<H: Hash> Keyed<H> {
    pub(super) fn new(key: &[u8]) -> Self {
        Self::by(Block::of::<H::Digest>(key))
    }

    pub(super) fn by(mut key: Block) -> Self {
        let mut after = |pad: u8| {
            key.0.iter_mut().for_each(|byte| *byte ^= pad);
            let mut state = H::INITIAL;
            state.compress(slice::from_ref(&*key.0));
            state
        };
        // In the place of the key, and the second in that of the first.
        Self { inner: after(INNER_PAD), outer: after(INNER_PAD ^ OUTER_PAD) }
    }

    /// The tag of `start` and `rest`: a tag covers a header whose length field is not always the one that was received.
    pub(super) fn tag(&self, start: [u8; 4], rest: &[u8]) -> H::Tag {
        let mut tag = H::Tag::default();
        let words = self.state(start, rest);
        for (bytes, word) in tag.as_mut().as_chunks_mut().0.iter_mut().zip(words.words()) {
            *bytes = word.to_be_bytes();
        }
        tag
    }

    /// Whether `tag` is that of `start` and `rest`. Takes the same time wherever they differ.
    pub(super) fn matches(&self, start: [u8; 4], rest: &[u8], tag: &[u8]) -> bool {
        let (ours, theirs) = (self.state(start, rest), tag.as_chunks().0);
        let whole = tag.len() == size_of::<H>();
        let pairs = ours.words().iter().zip(theirs);
        let difference = pairs.fold(0, |sum, (our, their)| sum | (our ^ u32::from_be_bytes(*their)));
        whole && black_box(difference) == 0
    }

    /// The tag, as the state that it is read from.
    fn state(&self, start: [u8; 4], rest: &[u8]) -> Zeroizing<H> {
        let mut inner = Zeroizing::new(self.inner.clone());
        hash(&mut *inner, start, rest);
        let mut block = [[0; BLOCK_LEN]];
        for (bytes, word) in block.as_flattened_mut().as_chunks_mut().0.iter_mut().zip(inner.words()) {
            *bytes = word.to_be_bytes();
        }
        let mut outer = Zeroizing::new(self.outer.clone());
        finish(&mut *outer, &mut block, size_of::<H>(), size_of::<H>());
        outer
    }
}

impl<H: Hash> Drop for Keyed<H> {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

impl<H: Hash> ZeroizeOnDrop for Keyed<H> {}

/// Hashes a message to its end, from the state to which the key has led.
fn hash<H: Hash>(state: &mut H, start: [u8; 4], rest: &[u8]) {
    let len = rest.len().saturating_add(start.len());
    let mut last = [[0; BLOCK_LEN]; 2];
    let (head, room) = last.as_flattened_mut().split_at_mut(start.len());
    head.copy_from_slice(&start);
    let filled = match rest.split_at_checked(BLOCK_LEN - start.len()) {
        Some((first, rest)) => {
            fill(room, first);
            let [block, _] = &mut last;
            state.compress(&[*block]);
            *block = [0; BLOCK_LEN];
            let (blocks, tail) = rest.as_chunks();
            state.compress(blocks);
            fill(block, tail);
            tail.len()
        }
        None => {
            fill(room, rest);
            len
        }
    };
    let [only, _] = &mut last;
    if filled < LENGTH_AT {
        finish(state, core::array::from_mut(only), filled, len);
    } else {
        finish(state, &mut last, filled, len);
    }
}

/// Pads the last blocks of a message of `len` bytes, of which `filled` are in them and the others zero (FIPS 180-4 section
/// 5.1.1). The key's block counts for the length.
#[inline]
fn finish<H: Hash, const N: usize>(
    state: &mut H,
    last: &mut [[u8; BLOCK_LEN]; N],
    filled: usize,
    len: usize,
) {
    let flat = last.as_flattened_mut();
    if let Some(end) = flat.get_mut(filled) {
        *end = 0x80;
    }
    let bits = u64::try_from(len.saturating_add(BLOCK_LEN)).unwrap_or(u64::MAX).saturating_mul(8);
    if let Some(length) = flat.last_chunk_mut() {
        *length = bits.to_be_bytes();
    }
    state.compress(last);
}

fn fill(to: &mut [u8], from: &[u8]) {
    if let Some(to) = to.get_mut(..from.len()) {
        to.copy_from_slice(from);
    }
}

/// RFC 2104 section 2.
const INNER_PAD: u8 = 0x36;
const OUTER_PAD: u8 = 0x5c;

/// Of SHA-1 and SHA-256 alike.
const BLOCK_LEN: usize = 64;

/// Where the length of the message stands in the last block.
const LENGTH_AT: usize = BLOCK_LEN - size_of::<u64>();

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, KeyInit, Mac};

    /// Keys and messages of every length around the ends of blocks, compared with another implementation.
    #[test]
    fn tags_are_those_of_hmac() {
        let text: [u8; 300] = core::array::from_fn(|n| (n * 7 + 3) as u8);
        for key_len in [0, 1, 20, 24, 63, 64, 65, 130] {
            let key = &text[..key_len];
            let (short, long) = (Keyed::<[u32; 5]>::new(key), Keyed::<[u32; 8]>::new(key));
            for len in 4..text.len() {
                let (start, rest) = text[..len].split_first_chunk().unwrap();
                let sha1 = Hmac::<Sha1>::new_from_slice(key).unwrap().chain_update(&text[..len]).finalize();
                assert_eq!(short.tag(*start, rest)[..], sha1.into_bytes()[..], "key {key_len}, text {len}");
                let sha256 =
                    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(&text[..len]).finalize();
                assert_eq!(long.tag(*start, rest)[..], sha256.into_bytes()[..], "key {key_len}, text {len}");
            }
        }
    }

    #[test]
    fn a_tag_matches_whole_and_to_the_bit() {
        let (keyed, start, rest) = (Keyed::<[u32; 5]>::new(b"key"), [1, 2, 3, 4], [5; 60]);
        let tag = keyed.tag(start, &rest);
        assert!(keyed.matches(start, &rest, &tag));
        assert!(!keyed.matches(start, &rest, &tag[..16]) && !keyed.matches(start, &rest, &[]));
        for bit in 0..160 {
            let mut wrong = tag;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!keyed.matches(start, &rest, &wrong), "bit {bit}");
        }
    }
}
