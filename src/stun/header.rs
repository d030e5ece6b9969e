//! The first twenty bytes: class, method, magic cookie, transaction id (RFC 8489 section 5), and what a first byte
//! says about a datagram (RFC 7983).

use core::fmt;

/// What a message is: the two class bits of its type (RFC 8489 section 5).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "two bits have four values")]
pub enum Class {
    /// Asks for a response.
    Request,
    /// Is sent once and never answered.
    Indication,
    /// Answers a request that was granted.
    Success,
    /// Answers a request that was refused.
    Error,
}

/// What a message is about: the twelve method bits of its type (RFC 8489 section 18.2).
///
/// Methods above 0x0FF give a first byte above 3, which RFC 7983 does not read as STUN: they cannot be used on a port
/// that carries anything else.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Method(u16);

impl Method {
    /// RFC 8489: request, response, indication.
    pub const BINDING: Self = Self(0x001);
    /// RFC 8656: request and response.
    pub const ALLOCATE: Self = Self(0x003);
    /// RFC 8656: request and response.
    pub const REFRESH: Self = Self(0x004);
    /// RFC 8656: indication only.
    pub const SEND: Self = Self(0x006);
    /// RFC 8656: indication only.
    pub const DATA: Self = Self(0x007);
    /// RFC 8656: request and response.
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// RFC 8656: request and response.
    pub const CHANNEL_BIND: Self = Self(0x009);
    /// RFC 6062: request and response.
    pub const CONNECT: Self = Self(0x00a);
    /// RFC 6062: request and response.
    pub const CONNECTION_BIND: Self = Self(0x00b);
    /// RFC 6062: indication only.
    pub const CONNECTION_ATTEMPT: Self = Self(0x00c);

    /// The method with this number, or `None` above 0xFFF.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number <= METHOD_MAX { Some(Self(number)) } else { None }
    }

    /// The number of the method.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether the method is defined for messages of `class`. Methods unknown to this crate are for all.
    #[must_use]
    pub const fn allows(self, class: Class) -> bool {
        match self {
            Self::SEND | Self::DATA | Self::CONNECTION_ATTEMPT => matches!(class, Class::Indication),
            Self::ALLOCATE
            | Self::REFRESH
            | Self::CREATE_PERMISSION
            | Self::CHANNEL_BIND
            | Self::CONNECT
            | Self::CONNECTION_BIND => !matches!(class, Class::Indication),
            _ => true,
        }
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Method({:#05x})", self.0)
    }
}

/// The 96 bits that tie a response to its request.
///
/// A client draws them from a cryptographic generator, anew for every transaction (RFC 8489 section 5): whoever can
/// guess one can answer in the server's place.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TransactionId([u8; 12]);

impl TransactionId {
    /// The bytes as they stand in the header.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

impl From<[u8; 12]> for TransactionId {
    fn from(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What shares a socket with STUN, by the first byte of a datagram (RFC 7983 section 7).
///
/// ```
/// use floe::stun::Kind;
///
/// assert_eq!(Kind::of(&[0x80, 0x60]), Kind::Rtp);
/// assert_eq!(Kind::of(&[]), Kind::Unknown);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// 0 to 3. Whether it is a STUN message is for [`is_stun`] and then the parser to say.
    Stun,
    /// 16 to 19.
    Zrtp,
    /// 20 to 63.
    Dtls,
    /// 64 to 79: TURN ChannelData if it comes from a TURN server, nothing otherwise.
    Channel,
    /// 128 to 191: RTP or RTCP.
    Rtp,
    /// Anything else, and the empty datagram. RFC 9443 gives 80 to 127 and 192 to 255 to QUIC.
    Unknown,
}

impl Kind {
    /// Classifies a datagram.
    #[inline]
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "there is an entry for every byte")]
    pub const fn of(datagram: &[u8]) -> Self {
        match datagram {
            [first, ..] => KINDS[*first as usize],
            [] => Self::Unknown,
        }
    }

    // rfc7983-7-1, rfc7983-7-2
    const fn of_first(byte: u8) -> Self {
        match byte {
            0..=3 => Self::Stun,
            16..=19 => Self::Zrtp,
            20..=63 => Self::Dtls,
            64..=79 => Self::Channel,
            128..=191 => Self::Rtp,
            _ => Self::Unknown,
        }
    }
}

/// Whether a datagram that shares its socket with other protocols looks like STUN: first byte 0 to 3, the magic
/// cookie, and a length field that agrees with the size of the datagram.
///
/// What is not goes to the application (rfc7983-7-4); what is may still turn out malformed.
#[must_use]
pub fn is_stun(datagram: &[u8]) -> bool {
    let Some((header, body)) = datagram.split_first_chunk::<HEADER_LEN>() else { return false };
    let header = Header::read(header);
    // rfc7983-3-1: methods above 0x0FF are not STUN here, though a port of its own may carry them.
    Kind::of(datagram) == Kind::Stun && header.cookie == COOKIE && usize::from(header.length) == body.len()
}

/// A header taken apart, not yet judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) kind: u16,
    pub(super) length: u16,
    pub(super) cookie: u32,
    pub(super) id: TransactionId,
}

impl Header {
    pub(super) fn read(bytes: &[u8; HEADER_LEN]) -> Self {
        let [t0, t1, l0, l1, c0, c1, c2, c3, id @ ..] = *bytes;
        Self {
            kind: u16::from_be_bytes([t0, t1]),
            length: u16::from_be_bytes([l0, l1]),
            cookie: u32::from_be_bytes([c0, c1, c2, c3]),
            id: TransactionId(id),
        }
    }

    pub(super) fn bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..2].copy_from_slice(&self.kind.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.length.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.cookie.to_be_bytes());
        bytes[8..].copy_from_slice(&self.id.0);
        bytes
    }
}

/// Packs class and method: M11-M7 C1 M6-M4 C0 M3-M0 (RFC 8489 figure 3).
pub(super) const fn message_type(class: Class, method: Method) -> u16 {
    let class = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    let method = method.0;
    class | (method & 0x00f) | ((method & 0x070) << 1) | ((method & 0xf80) << 2)
}

/// Unpacks a message type whose first two bits are zero.
pub(super) const fn class_and_method(message_type: u16) -> (Class, Method) {
    let class = match message_type & 0x0110 {
        0x0000 => Class::Request,
        0x0010 => Class::Indication,
        0x0100 => Class::Success,
        _ => Class::Error,
    };
    let method = (message_type & 0x000f) | ((message_type & 0x00e0) >> 1) | ((message_type & 0x3e00) >> 2);
    (class, Method(method))
}

/// What every first byte says. Looked up, the kinds of a mix of datagrams take no branch that could be foreseen wrongly.
const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Unknown; 256];
    let mut byte = 0;
    while byte < kinds.len() {
        kinds[byte] = Kind::of_first(byte as u8);
        byte += 1;
    }
    kinds
};

/// Length of the header in bytes; the length field counts what follows it.
pub(crate) const HEADER_LEN: usize = 20;

/// The magic cookie (RFC 8489 section 5).
pub(crate) const COOKIE: u32 = 0x2112_a442;

const METHOD_MAX: u16 = 0xfff;

#[cfg(test)]
mod tests;
