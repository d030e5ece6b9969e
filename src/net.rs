//! Transports, 5-tuples, and the classes of addresses that ICE treats differently.

use bytes::Bytes;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

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
    ends: Ends,
    local_port: u16,
    remote_port: u16,
}

/// The IP addresses of a path, in two thirds of the room of two addresses that know nothing of each other: paths are kept and
/// compared everywhere.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Ends {
    V4 {
        local: Ipv4Addr,
        remote: Ipv4Addr,
    },
    /// At least one of them. The other would be IPv4-mapped, as canonical addresses are for no other reason.
    V6 {
        local: Ipv6Addr,
        /// The link that a link-local `local` is on, and with it a link-local `remote`. In bytes, which fit anywhere.
        zone: [u8; 4],
        remote: Ipv6Addr,
    },
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
        match (local, remote) {
            (SocketAddr::V4(local), SocketAddr::V4(remote)) => {
                let ends = Ends::V4 { local: *local.ip(), remote: *remote.ip() };
                Self { transport, ends, local_port: local.port(), remote_port: remote.port() }
            }
            _ => Self::canonical(transport, canonical(local), canonical(remote)),
        }
    }

    fn canonical(transport: Transport, local: SocketAddr, remote: SocketAddr) -> Self {
        let ends = match (local, remote) {
            (SocketAddr::V4(local), SocketAddr::V4(remote)) => {
                Ends::V4 { local: *local.ip(), remote: *remote.ip() }
            }
            _ => Ends::V6 {
                local: mapped(local.ip()),
                zone: if let SocketAddr::V6(local) = local { local.scope_id() } else { 0 }.to_be_bytes(),
                remote: mapped(remote.ip()),
            },
        };
        Self { transport, ends, local_port: local.port(), remote_port: remote.port() }
    }

    /// UDP or TCP.
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The caller's own address: names the socket.
    #[inline]
    pub const fn local(&self) -> SocketAddr {
        match self.ends {
            Ends::V4 { local, .. } => SocketAddr::V4(SocketAddrV4::new(local, self.local_port)),
            Ends::V6 { local, zone, .. } => unmapped(local, self.local_port, zone),
        }
    }

    /// The far end. A link-local one lies on the link of `local`: a zone is never signalled (L-40).
    #[inline]
    pub const fn remote(&self) -> SocketAddr {
        match self.ends {
            Ends::V4 { remote, .. } => SocketAddr::V4(SocketAddrV4::new(remote, self.remote_port)),
            Ends::V6 { remote, zone, .. } => unmapped(remote, self.remote_port, zone),
        }
    }

    /// Whether it begins at this socket: `local` compared where it stands.
    #[inline]
    pub(crate) fn is_from(&self, transport: Transport, local: &SocketAddr) -> bool {
        let is_it = match (&self.ends, local) {
            (Ends::V4 { local: ours, .. }, SocketAddr::V4(v4)) => {
                ours == v4.ip() && self.local_port == v4.port()
            }
            (Ends::V4 { .. }, SocketAddr::V6(_)) => false,
            (Ends::V6 { .. }, _) => self.local() == *local,
        };
        is_it && self.transport == transport
    }

    /// Whether it leads to this socket.
    #[inline]
    pub(crate) fn is_to(&self, transport: Transport, remote: &SocketAddr) -> bool {
        let is_it = match (&self.ends, remote) {
            (Ends::V4 { remote: theirs, .. }, SocketAddr::V4(v4)) => {
                theirs == v4.ip() && self.remote_port == v4.port()
            }
            (Ends::V4 { .. }, SocketAddr::V6(_)) => false,
            (Ends::V6 { .. }, _) => self.remote() == *remote,
        };
        is_it && self.transport == transport
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} -> {}", self.transport, self.local(), self.remote())
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
    let is_one = match address.ip() {
        IpAddr::V4(v4) => v4.octets()[0] != 0 && !v4.is_multicast() && !v4.is_broadcast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    };
    is_one && address.port() != 0
}

/// The IP address of 16 bytes that stands for this one.
const fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The address that is meant by such an IP address; the zone counts for a link-local one.
const fn unmapped(address: Ipv6Addr, port: u16, zone: [u8; 4]) -> SocketAddr {
    match address.to_ipv4_mapped() {
        Some(v4) => SocketAddr::V4(SocketAddrV4::new(v4, port)),
        None => {
            let zone = if address.is_unicast_link_local() { u32::from_be_bytes(zone) } else { 0 };
            SocketAddr::V6(SocketAddrV6::new(address, port, 0, zone))
        }
    }
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
    fn a_path_takes_42_bytes() {
        assert_eq!(size_of::<Path>(), 42);
    }

    #[test]
    fn a_path_between_families_keeps_both_addresses() {
        let path = Path::udp(address("192.0.2.1:1"), address("[2001:db8::2]:2"));
        assert_eq!((path.local(), path.remote()), (address("192.0.2.1:1"), address("[2001:db8::2]:2")));
        let path = Path::udp(address("[fe80::1%7]:1"), address("192.0.2.1:1"));
        assert_eq!((path.local(), path.remote()), (address("[fe80::1%7]:1"), address("192.0.2.1:1")));
    }

    #[test]
    fn a_path_is_from_and_to_its_own_ends_and_no_others() {
        let addresses =
            ["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "[2001:db8::1]:1", "[fe80::1%7]:1", "[fe80::1]:1"];
        let addresses = addresses.map(address);
        for (local, remote) in addresses.into_iter().flat_map(|one| addresses.map(|other| (one, other))) {
            let path = Path::udp(local, remote);
            for end in addresses {
                assert_eq!(path.is_from(Transport::Udp, &end), path.local() == end, "{path:?}, {end}");
                assert_eq!(path.is_to(Transport::Udp, &end), path.remote() == end, "{path:?}, {end}");
            }
            assert!(
                !path.is_from(Transport::Tcp, &path.local()) && !path.is_to(Transport::Tcp, &path.remote())
            );
        }
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
