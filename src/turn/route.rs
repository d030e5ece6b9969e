//! How data goes out through the relay: what is put before it and behind it.

use super::{AddressFamily, ChannelData, ChannelNumber};
use crate::net::Path;
use crate::stun::address::xored;
use crate::stun::header::COOKIE;
use crate::stun::{AttributeType, Method, TransactionId};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// The way to send application data to a peer: on a channel, or in a Send indication.
///
/// A route is a copy, for the tasks that send. It holds until the client reports that something has changed for this
/// peer: [`Bound`](super::Event::Bound) (there is a shorter one), [`Refused`](super::Event::Refused),
/// [`Migrated`](super::Event::Migrated), [`Lost`](super::Event::Lost). The server drops what comes on a route that it does
/// not know any more; nobody else sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Route {
    path: Path,
    wrap: Wrap,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Wrap {
    Channel(ChannelNumber),
    /// Nothing answers an indication, so the id means nothing, and one does for all.
    Indication {
        peer: SocketAddr,
        id: TransactionId,
        dont_fragment: bool,
    },
}

impl Route {
    pub(super) const fn channel(path: Path, number: ChannelNumber) -> Self {
        Self { path, wrap: Wrap::Channel(number) }
    }

    pub(super) const fn indication(
        path: Path,
        peer: SocketAddr,
        id: TransactionId,
        dont_fragment: bool,
    ) -> Self {
        Self { path, wrap: Wrap::Indication { peer, id, dont_fragment } }
    }

    /// Where the bytes go: to the server.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.path
    }

    /// Whether data goes on a channel.
    #[must_use]
    pub const fn is_channel(&self) -> bool {
        matches!(self.wrap, Wrap::Channel(_))
    }

    /// The most bytes that are added to a payload: to be taken off the path's MTU.
    #[must_use]
    pub const fn overhead(&self) -> usize {
        PADDING_MAX + self.header_len()
    }

    /// What to send before a payload of this length. At most 65,535 bytes can be sent at all, and fewer in practice;
    /// beyond that the header is of no use.
    #[must_use]
    pub fn header(&self, payload_len: usize) -> Header {
        let mut header = Header { bytes: [0; Header::LEN_MAX], len: 0 };
        let length = u16::try_from(payload_len).unwrap_or(u16::MAX);
        match self.wrap {
            Wrap::Channel(number) => header.put(&number.header(length)),
            Wrap::Indication { peer, id, dont_fragment } => {
                let body = self.header_len().saturating_sub(STUN_HEADER_LEN);
                let body = body.saturating_add(payload_len.next_multiple_of(4));
                header.put(&SEND_INDICATION.to_be_bytes());
                header.put(&u16::try_from(body).unwrap_or(u16::MAX).to_be_bytes());
                header.put(&COOKIE.to_be_bytes());
                header.put(id.as_bytes());
                header.put_peer(peer, &id);
                if dont_fragment {
                    header.put_attribute(AttributeType::DONT_FRAGMENT, 0);
                }
                header.put_attribute(AttributeType::DATA, length);
            }
        }
        header
    }

    /// How many zero bytes to send behind a payload of this length.
    #[must_use]
    pub const fn padding(&self, payload_len: usize) -> usize {
        match self.wrap {
            Wrap::Channel(_) => ChannelData::padding(self.path.transport(), payload_len),
            Wrap::Indication { .. } => payload_len.wrapping_neg() % 4,
        }
    }

    /// Appends to `out` what has to be sent on [`path`](Self::path) for `payload` to reach the peer.
    pub fn encode(&self, payload: &[u8], out: &mut Vec<u8>) {
        match self.wrap {
            // Four bytes are not worth a detour by way of the longest header there is.
            Wrap::Channel(number) => {
                out.extend_from_slice(&number.header(u16::try_from(payload.len()).unwrap_or(u16::MAX)));
            }
            Wrap::Indication { .. } => out.extend_from_slice(self.header(payload.len()).as_ref()),
        }
        out.extend_from_slice(payload);
        out.resize(out.len().saturating_add(self.padding(payload.len())), 0);
    }

    const fn header_len(&self) -> usize {
        match self.wrap {
            Wrap::Channel(_) => ChannelData::HEADER_LEN,
            Wrap::Indication { peer, dont_fragment, .. } => {
                let address = if peer.is_ipv4() { 4 } else { 16 };
                let flag = if dont_fragment { ATTRIBUTE_HEADER_LEN } else { 0 };
                STUN_HEADER_LEN + ATTRIBUTE_HEADER_LEN + 4 + address + flag + ATTRIBUTE_HEADER_LEN
            }
        }
    }
}

/// What stands before a payload: up to 52 bytes, without an allocation.
#[derive(Clone, Copy)]
pub struct Header {
    bytes: [u8; Self::LEN_MAX],
    len: usize,
}

impl Default for Header {
    /// An empty one: nothing stands before the payload.
    fn default() -> Self {
        Self { bytes: [0; Self::LEN_MAX], len: 0 }
    }
}

impl Header {
    /// STUN header, XOR-PEER-ADDRESS with an IPv6 address, DONT-FRAGMENT, and the first four bytes of DATA.
    pub const LEN_MAX: usize = 52;

    fn put(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(to) = self.bytes.get_mut(self.len..end) {
            to.copy_from_slice(bytes);
            self.len = end;
        }
    }

    fn put_attribute(&mut self, kind: AttributeType, len: u16) {
        self.put(&kind.as_u16().to_be_bytes());
        self.put(&len.to_be_bytes());
    }

    fn put_peer(&mut self, peer: SocketAddr, id: &TransactionId) {
        let xored = xored(peer, id);
        let put_all = |header: &mut Self, family: AddressFamily, ip: &[u8], len: u16| {
            header.put_attribute(AttributeType::XOR_PEER_ADDRESS, len);
            header.put(&[0, family.encode()]);
            header.put(&xored.port().to_be_bytes());
            header.put(ip);
        };
        match xored.ip() {
            IpAddr::V4(ip) => put_all(self, AddressFamily::Ipv4, &ip.octets(), 8),
            IpAddr::V6(ip) => put_all(self, AddressFamily::Ipv6, &ip.octets(), 20),
        }
    }
}

impl AsRef<[u8]> for Header {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({} bytes)", self.len)
    }
}

/// RFC 8489 section 5: the class bits of an indication, and the method Send.
const SEND_INDICATION: u16 = 0x0010 | Method::SEND.as_u16();
const STUN_HEADER_LEN: usize = 20;
const ATTRIBUTE_HEADER_LEN: usize = 4;
/// Of one payload.
const PADDING_MAX: usize = 3;
