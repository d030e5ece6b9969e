//! HMAC-SHA1 with both keyed states kept, straight on the compression function: the least that a MAC can cost.
use sha1::digest::generic_array::GenericArray;

pub struct Keyed {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl Keyed {
    /// `key` has at most 64 bytes.
    pub fn new(key: &[u8]) -> Self {
        let mut block = [0; BLOCK_LEN];
        block[..key.len()].copy_from_slice(key);
        let after = |pad: u8| {
            let mut state = INITIAL;
            sha1::compress(&mut state, &[block.map(|byte| byte ^ pad).into()]);
            state
        };
        Self { inner: after(0x36), outer: after(0x5c) }
    }

    #[inline]
    pub fn mac(&self, message: &[u8]) -> [u8; 20] {
        let mut state = self.inner;
        let mut blocks = message.chunks_exact(BLOCK_LEN);
        for block in &mut blocks {
            sha1::compress(&mut state, &[*GenericArray::from_slice(block)]);
        }
        let rest = blocks.remainder();
        let mut last = [[0; BLOCK_LEN]; 2];
        let flat = last.as_flattened_mut();
        flat[..rest.len()].copy_from_slice(rest);
        flat[rest.len()] = 0x80;
        let count = if rest.len() + 9 <= BLOCK_LEN { 1 } else { 2 };
        let end = count * BLOCK_LEN;
        flat[end - 8..end].copy_from_slice(&bits(message.len()));
        sha1::compress(&mut state, &last.map(Into::into)[..count]);

        let mut block = [0; BLOCK_LEN];
        block[..20].copy_from_slice(&bytes(state));
        block[20] = 0x80;
        block[56..].copy_from_slice(&bits(20));
        let mut state = self.outer;
        sha1::compress(&mut state, &[block.into()]);
        bytes(state)
    }
}

/// The length that a hash ends in: the key's block counts.
fn bits(message_len: usize) -> [u8; 8] {
    ((BLOCK_LEN + message_len) as u64 * 8).to_be_bytes()
}

fn bytes(state: [u32; 5]) -> [u8; 20] {
    let mut bytes = [0; 20];
    for (to, word) in bytes.chunks_exact_mut(4).zip(state) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

pub const INITIAL: [u32; 5] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
const BLOCK_LEN: usize = 64;
