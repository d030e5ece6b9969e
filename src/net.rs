//! Transports, 5-tuples, and the classes of addresses that ICE treats differently.

use bytes::Bytes;
use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The transport protocol of a 5-tuple as floe sees it: TLS counts as TCP, DTLS as UDP.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to have a socket for each")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A connection, whose bytes are cut into frames.
    Tcp,
}

/// What protects a connection to a server. The encryption is the caller's: floe sees the plain text within.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a driver has to open a connection of each kind")]
pub enum Security {
    /// Nothing.
    #[default]
    Plain,
    /// TLS over TCP, DTLS over UDP; the far end has to prove the name of the server (RFC 8656 section 3.1).
    Tls,
}

/// A 5-tuple: where a datagram came in and from whom, or where it is to leave and to whom.
///
/// A path finds the caller's socket: `transport` and `local` name one of the sockets that the caller has declared.
/// Addresses are made canonical: an IPv4-mapped IPv6 address becomes IPv4 and the flow label is cleared, so one peer
/// has one address whatever kind of socket it was met on.
///
/// ```
/// use floe::Path;
///
/// let path = Path::udp("192.0.2.1:4000".parse()?, "[::ffff:198.51.100.1]:5000".parse()?);
/// assert_eq!(path.remote(), "198.51.100.1:5000".parse()?);
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Path {
    transport: Transport,
    local: SocketAddr,
    remote: SocketAddr,
}

impl Path {
    /// The path of datagrams between `local` and `remote`.
    #[inline]
    pub fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self::new(Transport::Udp, local, remote)
    }

    /// The path between `local` and `remote` over `transport`.
    #[inline]
    pub fn new(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        match local.is_ipv4() && remote.is_ipv4() {
            true => Self { transport, local, remote },
            false => Self::canonical(transport, local, remote),
        }
    }

    fn canonical(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        let local = canonical(local);
        Self { transport, local, remote: scoped(canonical(remote), local) }
    }

    /// UDP or TCP.
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The caller's own address: names the socket.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// The far end.
    pub const fn remote(&self) -> SocketAddr {
        self.remote
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} -> {}", self.transport, self.local, self.remote)
    }
}

/// A datagram: exactly what to write to the socket of `path`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Transmit {
    /// Whence and whither.
    pub path: Path,
    /// What.
    pub payload: Bytes,
}

/// The one form in which an address is compared: IPv4 where it is IPv4-mapped, without a flow label.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            None => SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, link_scope(&v6))),
        },
    }
}

/// A link-local `remote` seen from `local` lies on the link of `local`: a zone is never signalled (L-40).
pub(crate) fn scoped(remote: SocketAddr, local: SocketAddr) -> SocketAddr {
    match (remote, local) {
        (SocketAddr::V6(mut remote), SocketAddr::V6(local)) if is_link_local(IpAddr::V6(*remote.ip())) => {
            remote.set_scope_id(link_scope(&local));
            SocketAddr::V6(remote)
        }
        _ => remote,
    }
}

/// `address` without the zone, which means nothing on another machine.
pub(crate) fn unscoped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, 0)),
        SocketAddr::V4(_) => address,
    }
}

/// Whether `address` is valid on one link only (169.254.0.0/16, fe80::/10).
pub(crate) const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Whether `address` is a deprecated IPv4-compatible (::/96) or site-local (fec0::/10) IPv6 address
/// (RFC 8445 section 5.1.1.1).
pub(crate) fn is_deprecated(address: Ipv6Addr) -> bool {
    let compatible = address.segments()[..6] == [0; 6] && !address.is_loopback() && !address.is_unspecified();
    compatible || (address.segments()[0] & 0xffc0) == 0xfec0
}

/// Whether datagrams may be sent to `address` at all: unspecified, multicast and broadcast addresses and port 0 name
/// no peer, whatever a candidate line or a server says.
pub(crate) fn is_sendable(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0);
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// A scope id means something on a link-local address only.
fn link_scope(address: &SocketAddrV6) -> u32 {
    if is_link_local(IpAddr::V6(*address.ip())) { address.scope_id() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn mapped_addresses_and_flow_labels_disappear() {
        let path = Path::udp(address("[::ffff:192.0.2.1]:1"), address("[::ffff:192.0.2.2]:2"));
        assert_eq!(path, Path::udp(address("192.0.2.1:1"), address("192.0.2.2:2")));
        let flow = SocketAddr::V6(SocketAddrV6::new("2001:db8::1".parse().unwrap(), 9, 77, 3));
        assert_eq!(canonical(flow), address("[2001:db8::1]:9"));
    }

    #[test]
    fn a_link_local_remote_takes_the_zone_of_its_local_address() {
        let path = Path::udp(address("[fe80::1%7]:1"), address("[fe80::2]:2"));
        assert_eq!(path.remote(), address("[fe80::2%7]:2"));
        assert_eq!(unscoped(path.remote()), address("[fe80::2]:2"));
    }

    #[test]
    fn addresses_that_name_no_peer() {
        for text in [
            "0.0.0.0:1",
            "255.255.255.255:1",
            "224.0.0.1:1",
            "[::]:1",
            "[ff02::1]:1",
            "192.0.2.1:0",
            "0.1.2.3:1",
        ] {
            assert!(!is_sendable(address(text)), "{text}");
        }
        for text in ["192.0.2.1:1", "[2001:db8::1]:1", "[fe80::1]:9", "127.0.0.1:1"] {
            assert!(is_sendable(address(text)), "{text}");
        }
    }

    #[test]
    fn deprecated_ipv6_addresses() {
        for text in ["::192.0.2.1", "fec0::1", "feff::1"] {
            assert!(is_deprecated(text.parse().unwrap()), "{text}");
        }
        for text in ["::1", "2001:db8::1", "fe80::1", "::ffff:192.0.2.1"] {
            assert!(!is_deprecated(text.parse().unwrap()), "{text}");
        }
    }
}
