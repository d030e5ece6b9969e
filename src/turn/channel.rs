//! Channels: the number that stands for a peer, and the four bytes that carry it (RFC 8656 section 12).

use crate::Transport;
use crate::stun::attribute::number;
use crate::stun::{Attribute, AttributeType, DecodeError, TransactionId};
use alloc::vec::Vec;
use core::fmt;

/// The number of a channel, 0x4000 to 0x4FFF; also the attribute CHANNEL-NUMBER.
///
/// RFC 5766 went up to 0x7FFF. What is above 0x4FFF is refused by servers of today, and looks like something else on
/// a socket that is shared (RFC 7983).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    /// The lowest number.
    pub const MIN: Self = Self(0x4000);
    /// The highest number.
    pub const MAX: Self = Self(0x4fff);

    /// The channel of this number, or `None` outside 0x4000 to 0x4FFF.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match number {
            0x4000..=0x4fff => Some(Self(number)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// What stands before a payload of this length.
    #[must_use]
    pub const fn header(self, payload_len: u16) -> [u8; ChannelData::HEADER_LEN] {
        let ([n0, n1], [l0, l1]) = (self.0.to_be_bytes(), payload_len.to_be_bytes());
        [n0, n1, l0, l1]
    }
}

impl Attribute<'_> for ChannelNumber {
    const TYPE: AttributeType = AttributeType::CHANNEL_NUMBER;

    fn decode(value: &[u8], _: &TransactionId) -> Result<Self, DecodeError> {
        // rfc8656-18.1-1: the last two bytes mean nothing.
        let [n0, n1, _, _] = number(value, Self::TYPE)?;
        Self::new(u16::from_be_bytes([n0, n1])).ok_or(DecodeError::Value(Self::TYPE))
    }

    fn encode(&self, _: &TransactionId, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.header(0));
    }
}

impl fmt::Debug for ChannelNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelNumber({:#06x})", self.0)
    }
}

/// Why bytes are no ChannelData message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelDataError {
    /// Fewer than four bytes.
    #[error("shorter than the header of a ChannelData message")]
    Truncated,
    /// It begins with something other than a channel number.
    #[error("{0:#06x} is no channel number")]
    Number(u16),
    /// The length field announces more than there is.
    #[error("length field says {declared} bytes, {actual} follow the header")]
    Length {
        /// What the header says.
        declared: u16,
        /// What follows the header.
        actual: usize,
    },
}

/// A ChannelData message: application data for the peer that the channel is bound to, or from it.
///
/// ```
/// use floe::Transport;
/// use floe::turn::{ChannelData, ChannelNumber};
///
/// let message = ChannelData::new(ChannelNumber::MIN, b"hello").ok_or("too long")?;
/// let mut frame = Vec::new();
/// message.encode(Transport::Tcp, &mut frame);
/// assert_eq!(frame, b"\x40\x00\x00\x05hello\0\0\0");
/// assert_eq!(ChannelData::parse(&frame)?.payload(), b"hello");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct ChannelData<'a> {
    number: ChannelNumber,
    /// Invariant: at most 65,535 bytes.
    payload: &'a [u8],
}

impl<'a> ChannelData<'a> {
    /// Length of the header in bytes.
    pub const HEADER_LEN: usize = 4;

    /// A message to send, or `None` if the payload has more than 65,535 bytes.
    #[must_use]
    pub const fn new(number: ChannelNumber, payload: &'a [u8]) -> Option<Self> {
        if payload.len() <= LENGTH_MAX { Some(Self { number, payload }) } else { None }
    }

    /// Reads a datagram, or a frame of a stream. What stands behind the payload is padding, of any length.
    ///
    /// # Errors
    ///
    /// A [`ChannelDataError`]; the message is then to be dropped.
    pub const fn parse(bytes: &'a [u8]) -> Result<Self, ChannelDataError> {
        let Some((&[n0, n1, l0, l1], rest)) = bytes.split_first_chunk() else {
            return Err(ChannelDataError::Truncated);
        };
        // rfc8656-12.6-4
        let number = u16::from_be_bytes([n0, n1]);
        let Some(number) = ChannelNumber::new(number) else { return Err(ChannelDataError::Number(number)) };
        // rfc8656-12.6-1: a datagram that is too short is dropped, one that is too long has been padded.
        let declared = u16::from_be_bytes([l0, l1]);
        match rest.split_at_checked(declared as usize) {
            Some((payload, _)) => Ok(Self { number, payload }),
            None => Err(ChannelDataError::Length { declared, actual: rest.len() }),
        }
    }

    /// The channel.
    #[must_use]
    pub const fn number(&self) -> ChannelNumber {
        self.number
    }

    /// The application data.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Appends the message as it travels over `transport`.
    pub fn encode(&self, transport: Transport, out: &mut Vec<u8>) {
        let length = u16::try_from(self.payload.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&self.number.header(length));
        out.extend_from_slice(self.payload);
        let padding = Self::padding(transport, self.payload.len());
        if padding > 0 {
            out.resize(out.len().saturating_add(padding), 0);
        }
    }

    /// How many zero bytes follow a payload of this length: over a stream as many as make a multiple of four, over
    /// datagrams none.
    #[must_use]
    pub const fn padding(transport: Transport, payload_len: usize) -> usize {
        // rfc8656-12.5-1
        match transport {
            Transport::Tcp => payload_len.wrapping_neg() % 4,
            Transport::Udp => 0,
        }
    }
}

impl fmt::Debug for ChannelData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelData({:#06x}, {} bytes)", self.number.0, self.payload.len())
    }
}

/// What a length field of two bytes can say.
const LENGTH_MAX: usize = 0xffff;

#[cfg(test)]
mod tests;
