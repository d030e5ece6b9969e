//! Where nodes are attached.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::nat::Nat;
use super::node::NodeId;
use super::topology::NetworkId;

/// Where a node is attached, and by which addresses.
///
/// Made from a [`NetworkId`] it has one IPv4 address there, of the world's choice; made from a [`Nat`] it has one on a
/// new network of its own behind it, or on the public network if that is [`Nat::none`].
///
/// All ports of an address belong to the node; the ones named here are what it is told when it is built.
///
/// ```
/// use floe::sim::{Host, Nat, NetworkId};
///
/// let alone = Host::from(Nat::symmetric());
/// let dual_stack = Host::new()
///     .address(NetworkId::PUBLIC, "198.51.100.1:4000".parse()?)
///     .address(NetworkId::PUBLIC, "[2001:db8::1]:4000".parse()?);
/// # let _ = (alone, dual_stack);
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Host {
    pub(super) attachments: Vec<Attachment>,
}

#[derive(Clone, Debug)]
pub(super) enum Attachment {
    Address(NetworkId, SocketAddr),
    Network(NetworkId),
    Nat(Nat),
}

impl Host {
    /// A host without an address yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `address` on `network`. Networks that do not know each other may use the same addresses.
    #[must_use]
    pub fn address(mut self, network: NetworkId, address: SocketAddr) -> Self {
        self.attachments.push(Attachment::Address(network, address));
        self
    }

    /// Adds an IPv4 address of the world's choice on `network`.
    #[must_use]
    pub fn on(mut self, network: NetworkId) -> Self {
        self.attachments.push(Attachment::Network(network));
        self
    }
}

impl From<NetworkId> for Host {
    fn from(network: NetworkId) -> Self {
        Self { attachments: [Attachment::Network(network)].into() }
    }
}

impl From<Nat> for Host {
    fn from(nat: Nat) -> Self {
        Self { attachments: [Attachment::Nat(nat)].into() }
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
