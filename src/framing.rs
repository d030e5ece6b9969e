//! Where one message ends and the next one begins in a stream of bytes.
//!
//! A connection to a STUN or TURN server carries messages that say themselves how long they are (RFC 8489 section
//! 6.2.2, RFC 8656 section 12.5). One between two peers carries anything, each packet behind its length (RFC 4571, as
//! ICE over TCP uses it). [`Deframer`] cuts either into frames; [`Framing::encode`] writes them.
//!
//! ```
//! use floe::framing::{Deframer, Framing};
//!
//! let mut stream = Vec::new();
//! Framing::Rfc4571.encode(b"hello", &mut stream)?;
//! Framing::Rfc4571.encode(b"world", &mut stream)?;
//!
//! let (mut deframer, mut frames) = (Deframer::new(), Vec::new());
//! for mut read in stream.chunks(3) {
//!     while let Some(frame) = deframer.next(Framing::Rfc4571, &mut read)? {
//!         frames.push(frame.to_vec());
//!     }
//! }
//! assert_eq!(frames, [b"hello", b"world"]);
//! # Ok::<(), floe::framing::FrameError>(())
//! ```

use alloc::vec::Vec;

/// How a stream is cut into frames.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Framing {
    /// STUN and ChannelData messages one after the other, each a multiple of four bytes: a connection to a server. A
    /// frame is a whole message, ChannelData with its padding.
    Turn,
    /// Two bytes of length before each packet: a connection between peers. A frame is the packet.
    Rfc4571,
}

/// Why a stream cannot be cut, or a frame not be written.
///
/// After an error of [`Deframer::next`] nobody knows where the next frame begins: the connection is to be closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// What begins here is neither STUN nor ChannelData.
    #[error("neither a STUN nor a ChannelData message")]
    NotTurn,
    /// The length of a STUN message is not a multiple of four.
    #[error("length field of a STUN message is {0}, not a multiple of four")]
    Unaligned(u16),
    /// The frame exceeds what is held at most, or what a length field can say.
    #[error("frame of {len} bytes, at most {limit} are allowed")]
    TooLong {
        /// Length of the frame with its header, in bytes.
        len: usize,
        /// How much is allowed.
        limit: usize,
    },
    /// More than 32 packets of RFC 4571 in a row were empty: somebody keeps a connection busy with nothing.
    #[error("too many empty packets in a row")]
    EmptyPackets,
}

impl Framing {
    /// Appends a frame as it travels: with its length before it, or with the padding that makes it a multiple of four.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLong`] if there is no length field for it: 65,535 bytes are the most for RFC 4571, 65,552 for
    /// TURN. Nothing is written then.
    pub fn encode(self, frame: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        match self {
            Self::Rfc4571 => {
                // rfc4571-2-5
                let too_long = FrameError::TooLong { len: frame.len(), limit: LENGTH_MAX };
                let length = u16::try_from(frame.len()).map_err(|_| too_long)?;
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(frame);
            }
            Self::Turn => {
                if frame.len() > FRAME_MAX {
                    return Err(FrameError::TooLong { len: frame.len(), limit: FRAME_MAX });
                }
                out.extend_from_slice(frame);
                out.resize(out.len().saturating_add(frame.len().wrapping_neg() % 4), 0);
            }
        }
        Ok(())
    }

    /// How many bytes there have to be before more can be said: the whole frame with its header, once `bytes` tell.
    fn needed(self, bytes: &[u8]) -> Result<usize, FrameError> {
        match self {
            Self::Rfc4571 => match bytes {
                // rfc4571-2-1
                &[l0, l1, ..] => Ok(LENGTH_LEN.saturating_add(u16::from_be_bytes([l0, l1]).into())),
                _ => Ok(LENGTH_LEN),
            },
            Self::Turn => needed_by_message(bytes),
        }
    }

    /// How much of a whole frame is not handed out.
    const fn header_len(self) -> usize {
        match self {
            Self::Rfc4571 => LENGTH_LEN,
            Self::Turn => 0,
        }
    }
}

/// Cuts a stream of bytes into frames, however the network has cut it.
///
/// A frame that has come whole is a slice of what was read. Of a frame that has not, as much as has come is held back,
/// and never more than that frame: a length that is announced takes up no memory.
#[derive(Clone, Debug)]
pub struct Deframer {
    /// What has come of a frame; or a whole frame that was handed out and is to be dropped.
    buffer: Vec<u8>,
    /// How the frame in `buffer` is cut.
    framing: Framing,
    /// The frame in `buffer` was handed out.
    delivered: bool,
    limit: usize,
    /// Empty packets since the last one that was not.
    empty: u8,
    failed: Option<FrameError>,
}

/// Where the next frame is.
enum Found<'i> {
    /// In what was read.
    Read(&'i [u8]),
    /// In the buffer.
    Held,
    /// Not yet anywhere.
    Nowhere,
}

impl Deframer {
    /// A stream from its beginning.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            framing: Framing::Turn,
            delivered: false,
            limit: FRAME_MAX,
            empty: 0,
            failed: None,
        }
    }

    /// Refuses frames that are longer than `limit` bytes with their header, instead of 65,552: what a peer that has not
    /// authenticated may make this end hold.
    pub const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes the next frame off `input`. `None` says that all of `input` was taken and no frame is whole.
    ///
    /// To be called until then, with the rest that it leaves. A frame is cut as `framing` says when its first byte comes.
    /// Packets of RFC 4571 without content are skipped.
    ///
    /// # Errors
    ///
    /// A [`FrameError`], from then on always the same: the connection is to be closed.
    pub fn next<'f, 'i: 'f>(
        &'f mut self,
        framing: Framing,
        input: &mut &'i [u8],
    ) -> Result<Option<&'f [u8]>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.find(framing, input) {
            Ok(Found::Read(frame)) => Ok(Some(frame)),
            Ok(Found::Held) => Ok(self.buffer.get(self.framing.header_len()..)),
            Ok(Found::Nowhere) => Ok(None),
            Err(error) => {
                self.failed = Some(error);
                self.buffer = Vec::new();
                Err(error)
            }
        }
    }

    fn find<'i>(&mut self, framing: Framing, input: &mut &'i [u8]) -> Result<Found<'i>, FrameError> {
        if self.delivered {
            self.buffer.clear();
            self.delivered = false;
        }
        loop {
            let found = if self.buffer.is_empty() { self.cut(framing, input)? } else { self.collect(input)? };
            let (frame, header_len) = match &found {
                Found::Read(frame) => (*frame, 0),
                Found::Held => (&*self.buffer, self.framing.header_len()),
                Found::Nowhere => return Ok(found),
            };
            // rfc4571-2-2: an empty packet is no packet. An empty message there is not.
            if frame.len() > header_len {
                self.empty = 0;
                self.delivered = matches!(found, Found::Held);
                return Ok(found);
            }
            self.buffer.clear();
            self.empty = self.empty.saturating_add(1);
            if self.empty > EMPTY_MAX {
                return Err(FrameError::EmptyPackets);
            }
        }
    }

    /// Cuts a frame off `input`, or begins to collect one.
    fn cut<'i>(&mut self, framing: Framing, input: &mut &'i [u8]) -> Result<Found<'i>, FrameError> {
        let needed = self.needed(framing, input)?;
        match input.split_at_checked(needed) {
            Some((frame, rest)) => {
                *input = rest;
                Ok(Found::Read(frame.get(framing.header_len()..).unwrap_or_default()))
            }
            None => {
                self.framing = framing;
                self.hold(input, needed);
                Ok(Found::Nowhere)
            }
        }
    }

    /// Adds to the frame that is being collected what it lacks, and no more.
    fn collect<'i>(&mut self, input: &mut &'i [u8]) -> Result<Found<'i>, FrameError> {
        loop {
            let needed = self.needed(self.framing, &self.buffer)?;
            match needed.checked_sub(self.buffer.len()) {
                None | Some(0) => return Ok(Found::Held),
                Some(_) if input.is_empty() => return Ok(Found::Nowhere),
                Some(missing) => match input.split_at_checked(missing) {
                    Some((mut part, rest)) => {
                        self.hold(&mut part, needed);
                        *input = rest;
                    }
                    None => self.hold(input, needed),
                },
            }
        }
    }

    fn needed(&self, framing: Framing, bytes: &[u8]) -> Result<usize, FrameError> {
        match framing.needed(bytes)? {
            len if len > self.limit => Err(FrameError::TooLong { len, limit: self.limit }),
            len => Ok(len),
        }
    }

    /// Moves `bytes` into the buffer, which grows with what has come, and to no more than `needed`.
    fn hold(&mut self, bytes: &mut &[u8], needed: usize) {
        let len = self.buffer.len().saturating_add(bytes.len());
        if len > self.buffer.capacity() {
            let capacity = len.max(self.buffer.capacity().saturating_mul(2).min(needed));
            self.buffer.reserve_exact(capacity.saturating_sub(self.buffer.len()));
        }
        self.buffer.extend_from_slice(bytes);
        *bytes = &[];
    }
}

impl Default for Deframer {
    fn default() -> Self {
        Self::new()
    }
}

/// STUN begins with two zero bits, ChannelData with a channel number (rfc8656-12.5-2).
fn needed_by_message(bytes: &[u8]) -> Result<usize, FrameError> {
    match bytes {
        // rfc8489-6.2.2-4: what is neither cannot be skipped.
        [0x50..=0xff, ..] => Err(FrameError::NotTurn),
        &[0x40..=0x4f, _, l0, l1, ..] => {
            // rfc8656-12.5-1: the length does not count the padding.
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            Ok(CHANNEL_HEADER_LEN.saturating_add(length.next_multiple_of(4)))
        }
        &[_, _, l0, l1, c0, c1, c2, c3, ..] => match u16::from_be_bytes([l0, l1]) {
            _ if u32::from_be_bytes([c0, c1, c2, c3]) != COOKIE => Err(FrameError::NotTurn),
            length if length % 4 != 0 => Err(FrameError::Unaligned(length)),
            length => Ok(STUN_HEADER_LEN.saturating_add(length.into())),
        },
        [0x40..=0xff, ..] | [] => Ok(CHANNEL_HEADER_LEN),
        _ => Ok(8),
    }
}

/// Length field of RFC 4571.
const LENGTH_LEN: usize = 2;

const CHANNEL_HEADER_LEN: usize = 4;

const STUN_HEADER_LEN: usize = 20;

/// The magic cookie (RFC 8489 section 5).
const COOKIE: u32 = 0x2112_a442;

const LENGTH_MAX: usize = 0xffff;

/// The longest frame: a STUN message of 20 + 65,532 bytes.
const FRAME_MAX: usize = 65_552;

/// Empty packets are allowed, as a keepalive for one; these many in a row, without any other, are none.
const EMPTY_MAX: u8 = 32;

#[cfg(test)]
mod tests;
