//! Where nodes are attached.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::link::Link;
use super::nat::Nat;
use super::node::NodeId;
use super::topology::NetworkId;
use crate::Base;

/// Where a node is attached, and by which addresses.
///
/// Made from a [`NetworkId`] it has one IPv4 address there, of the world's choice; made from a [`Nat`] it has one on a
/// new network of its own behind it, or on the public network if that is [`Nat::none`].
///
/// All ports of an address belong to the node; the ones named here are what it is told when it is built.
///
/// ```
/// use core::time::Duration;
/// use floe::sim::{Attachment, Host, Link, Nat, NetworkId};
///
/// let alone = Host::from(Nat::symmetric());
/// let dual_stack = Host::new()
///     .address(NetworkId::PUBLIC, "198.51.100.1:4000".parse()?)
///     .address(NetworkId::PUBLIC, "[2001:db8::1]:4000".parse()?);
/// // A phone on a wireless network (id 1, cost 10) and a cellular one (id 2, cost 900), with a VPN over the latter.
/// let vpn = Attachment::on(NetworkId::PUBLIC).link(Link::new(Duration::from_millis(30)).mtu(1_380));
/// let phone = Host::new()
///     .attach(Attachment::from(Nat::port_restricted()).network(1, 10))
///     .attach(Attachment::from(Nat::symmetric()).network(2, 900))
///     .tunnel(vpn.network(3, 901));
/// # let _ = (alone, dual_stack, phone);
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Host {
    pub(super) attachments: Vec<Attachment>,
    pub(super) clock: Duration,
}

impl Host {
    /// A host without an address yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `address` on `network`. Networks that do not know each other may use the same addresses.
    #[must_use]
    pub fn address(self, network: NetworkId, address: SocketAddr) -> Self {
        self.attach(Attachment::at(network, address))
    }

    /// Adds an IPv4 address of the world's choice on `network`.
    #[must_use]
    pub fn on(self, network: NetworkId) -> Self {
        self.attach(Attachment::on(network))
    }

    /// Adds an IPv6 address of the world's choice on `network`.
    #[must_use]
    pub fn ipv6_on(self, network: NetworkId) -> Self {
        self.attach(Attachment::ipv6_on(network))
    }

    /// Adds an interface.
    #[must_use]
    pub fn attach(mut self, attachment: impl Into<Attachment>) -> Self {
        self.attachments.push(attachment.into());
        self
    }

    /// Adds an interface whose packets travel over the one that was added last: a VPN. What they meet on the network of
    /// `attachment` they meet as if they came from there; before that they cross both links.
    #[must_use]
    pub fn tunnel(mut self, attachment: impl Into<Attachment>) -> Self {
        self.attachments.push(Attachment { tunnel: Tunnel::OverTheLast, ..attachment.into() });
        self
    }

    /// Sets the clock of the node so far ahead of the world's.
    #[must_use]
    pub fn clock(mut self, ahead: Duration) -> Self {
        self.clock = ahead;
        self
    }
}

impl<A: Into<Attachment>> From<A> for Host {
    fn from(attachment: A) -> Self {
        Self::new().attach(attachment)
    }
}

/// One address of a host, to be: on which network, and what is known about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attachment {
    pub(super) place: Place,
    pub(super) network: Option<(u16, u16)>,
    pub(super) tunnel: Tunnel,
    pub(super) link: Option<Link>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Address(NetworkId, SocketAddr),
    Ipv4(NetworkId),
    Ipv6(NetworkId),
    Nat(Nat),
}

/// What an interface sends its packets over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tunnel {
    None,
    OverTheLast,
    Over(IpAddr),
}

impl Attachment {
    /// `address` on `network`.
    pub const fn at(network: NetworkId, address: SocketAddr) -> Self {
        Self::new(Place::Address(network, address))
    }

    /// An IPv4 address of the world's choice on `network`.
    pub const fn on(network: NetworkId) -> Self {
        Self::new(Place::Ipv4(network))
    }

    /// An IPv6 address of the world's choice on `network`.
    pub const fn ipv6_on(network: NetworkId) -> Self {
        Self::new(Place::Ipv6(network))
    }

    /// What the node is told about the network: an id, and what it costs to use it.
    #[must_use]
    pub const fn network(mut self, id: u16, cost: u16) -> Self {
        self.network = Some((id, cost));
        self
    }

    /// Sends its packets over the interface of the same host that has the address `ip`: a VPN.
    #[must_use]
    pub const fn over(mut self, ip: IpAddr) -> Self {
        self.tunnel = Tunnel::Over(ip);
        self
    }

    /// Both directions of its link.
    #[must_use]
    pub const fn link(mut self, link: Link) -> Self {
        self.link = Some(link);
        self
    }

    const fn new(place: Place) -> Self {
        Self { place, network: None, tunnel: Tunnel::None, link: None }
    }
}

impl From<NetworkId> for Attachment {
    fn from(network: NetworkId) -> Self {
        Self::on(network)
    }
}

impl From<Nat> for Attachment {
    fn from(nat: Nat) -> Self {
        Self::new(Place::Nat(nat))
    }
}

/// An address as a node is told of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LocalAddress {
    /// The address, with the port that the node is to use.
    pub address: SocketAddr,
    /// The id and the cost of its network, if anything is known about it.
    pub network: Option<(u16, u16)>,
}

impl From<SocketAddr> for LocalAddress {
    fn from(address: SocketAddr) -> Self {
        Self { address, network: None }
    }
}

impl From<LocalAddress> for Base {
    fn from(local: LocalAddress) -> Self {
        let base = Self::udp(local.address);
        match local.network {
            Some((id, cost)) => base.network(id, cost),
            None => base,
        }
    }
}

/// Some interfaces of a node: all (from its [`NodeId`]) or the one with an address (from both).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Interfaces {
    pub(super) node: NodeId,
    pub(super) ip: Option<IpAddr>,
}

impl From<NodeId> for Interfaces {
    fn from(node: NodeId) -> Self {
        Self { node, ip: None }
    }
}

impl From<(NodeId, IpAddr)> for Interfaces {
    fn from((node, ip): (NodeId, IpAddr)) -> Self {
        Self { node, ip: Some(ip) }
    }
}
