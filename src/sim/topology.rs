//! Networks, who is on them, and the way of a datagram through them.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::chance::{Chance, Purpose};
use super::gateway::{Gateway, Kind};
use super::host::{Attachment, Host, Interfaces};
use super::link::Lane;
use super::nat::{Hairpin, Nat};
use super::node::NodeId;
use super::oracle::{self, plan::Gate, plan::Plan};
use super::trace::Dropped;
use crate::Timestamp;

/// The name of a network in its world.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NetworkId(u32);

impl NetworkId {
    /// The network that all others are behind.
    pub const PUBLIC: Self = Self(0);
}

/// One address of a node on one network, and the link to it.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) node: NodeId,
    pub(super) up: Lane,
    pub(super) down: Lane,
    pub(super) plugged: bool,
    network: NetworkId,
    ip: IpAddr,
}

/// A datagram between two networks' worth of gateways: out of the sender's, not yet into the receiver's.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) kind: Kind,
    network: NetworkId,
    /// The networks it has left through their gateways, and its source there: to enter one again is hairpinning.
    left: Vec<(NetworkId, SocketAddr)>,
}

impl Packet {
    /// A packet on the public network: whoever sends from elsewhere has it [ascend](Topology::ascend).
    pub(super) const fn new(kind: Kind, source: SocketAddr, destination: SocketAddr) -> Self {
        Self { source, destination, kind, network: NetworkId::PUBLIC, left: Vec::new() }
    }
}

/// Where a packet ends, and the gateways on the way in with the outer endpoint at each.
#[derive(Debug)]
pub(super) struct Descent {
    pub(super) interface: usize,
    pub(super) destination: SocketAddr,
    gateways: Vec<(NetworkId, SocketAddr)>,
}

/// All networks and interfaces. A tree: every network but the public one is behind a gateway.
#[derive(Debug)]
pub(super) struct Topology {
    seed: u64,
    networks: Vec<Network>,
    interfaces: Vec<Interface>,
}

#[derive(Debug)]
struct Network {
    gateway: Option<Gateway>,
    /// Addresses given out here.
    assigned: u32,
}

enum Next {
    Host(usize),
    Gateway(NetworkId),
}

impl Topology {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, networks: [Network { gateway: None, assigned: 0 }].into(), interfaces: Vec::new() }
    }

    pub(super) fn add_network(&mut self, outside: NetworkId, nat: Nat) -> NetworkId {
        let id = NetworkId(number(self.networks.len()));
        let address = self.assign(outside);
        let chance = Chance::new(self.seed, Purpose::Gateway(id.0));
        let gateway = Some(Gateway::new(nat, outside, address, chance));
        self.networks.push(Network { gateway, assigned: 0 });
        id
    }

    /// Attaches `node` as `host` says. Returns its addresses, or `None` if another has one of them.
    pub(super) fn attach(&mut self, node: NodeId, host: Host) -> Option<Vec<SocketAddr>> {
        host.attachments
            .into_iter()
            .map(|attachment| {
                let (network, address) = match attachment {
                    Attachment::Address(network, address) => (network, address),
                    Attachment::Network(network) => (network, self.assign_socket(network)),
                    Attachment::Nat(nat) if nat.is_none() => {
                        (NetworkId::PUBLIC, self.assign_socket(NetworkId::PUBLIC))
                    }
                    Attachment::Nat(nat) => {
                        let network = self.add_network(NetworkId::PUBLIC, nat);
                        (network, self.assign_socket(network))
                    }
                };
                self.add_interface(node, network, address.ip())?;
                Some(address)
            })
            .collect()
    }

    pub(super) fn reboot(&mut self, network: NetworkId) {
        let Some(outside) = self.gateway(network).map(Gateway::outside) else { return };
        let address = self.assign(outside);
        if let Some(gateway) = self.gateway_mut(network) {
            gateway.reboot(address);
        }
    }

    /// Has the gateway of `network` forget all mappings.
    pub(super) fn forget_mappings(&mut self, network: NetworkId) {
        if let Some(gateway) = self.gateway_mut(network) {
            gateway.reboot(gateway.address());
        }
    }

    /// Makes the gateway of `network` another one, with the mappings that there are.
    pub(super) fn set_nat(&mut self, network: NetworkId, nat: Nat) {
        if let Some(gateway) = self.gateway_mut(network) {
            gateway.set(nat);
        }
    }

    /// Takes a packet of `interface` out as far as it needs to go.
    pub(super) fn ascend(
        &mut self,
        now: Timestamp,
        interface: usize,
        mut packet: Packet,
    ) -> Result<Packet, Dropped> {
        packet.network = self.interfaces.get(interface).ok_or(Dropped::NotLocal)?.network;
        let destination = packet.destination;
        while self.next(packet.network, destination.ip()).is_none() {
            if is_link_local(destination.ip()) {
                return Err(Dropped::NoRoute);
            }
            let leaving = packet.network;
            let Some(gateway) = self.gateway_mut(leaving) else { return Err(Dropped::NoRoute) };
            let inner = packet.source;
            packet.source = gateway.depart(now, packet.kind, inner, destination)?;
            packet.network = gateway.outside();
            packet.left.push((leaving, inner));
        }
        Ok(packet)
    }

    /// Where `packet` would end if nothing were filtered.
    pub(super) fn descend(&self, now: Timestamp, packet: &Packet) -> Result<Descent, Dropped> {
        let (mut network, mut destination, mut gateways) = (packet.network, packet.destination, Vec::new());
        loop {
            match self.next(network, destination.ip()).ok_or(Dropped::NoRoute)? {
                Next::Host(interface) => return Ok(Descent { interface, destination, gateways }),
                Next::Gateway(entered) => {
                    gateways.push((entered, destination));
                    let gateway = self.gateway(entered).ok_or(Dropped::NoRoute)?;
                    destination = gateway.inside(now, packet.kind, destination).ok_or(Dropped::NoMapping)?;
                    network = entered;
                }
            }
        }
    }

    /// Takes `packet` in through the gateways of `descent`, outermost first. Returns its source as seen inside.
    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        packet: &Packet,
        descent: &Descent,
    ) -> Result<SocketAddr, Dropped> {
        let mut source = packet.source;
        for &(entered, external) in &descent.gateways {
            let Some(gateway) = self.gateway_mut(entered) else { return Err(Dropped::NoRoute) };
            let left = packet.left.iter().find(|(left, _)| *left == entered);
            if left.is_some() && gateway.hairpin() == Hairpin::Dropped {
                return Err(Dropped::NoHairpin);
            }
            gateway.admit(now, packet.kind, source, external)?;
            if let Some((_, inner)) = left
                && gateway.hairpin() == Hairpin::InnerSource
            {
                source = *inner;
            }
        }
        Ok(source)
    }

    /// The interface of `node` with the address `ip`.
    pub(super) fn interface_of(&self, node: NodeId, ip: IpAddr) -> Option<usize> {
        self.interfaces.iter().position(|interface| interface.node == node && interface.ip == ip)
    }

    pub(super) fn interface(&mut self, index: usize) -> Option<&mut Interface> {
        self.interfaces.get_mut(index)
    }

    pub(super) fn select(&mut self, selected: Interfaces) -> impl Iterator<Item = &mut Interface> {
        self.interfaces.iter_mut().filter(move |interface| {
            interface.node == selected.node && selected.ip.is_none_or(|ip| ip == interface.ip)
        })
    }

    /// The network of the interface of `node` with the address `ip`.
    pub(super) fn network_of(&self, node: NodeId, ip: IpAddr) -> Option<NetworkId> {
        Some(self.interfaces.get(self.interface_of(node, ip)?)?.network)
    }

    /// How it all hangs together.
    pub(super) fn plan(&self) -> Plan {
        let networks = self.networks.iter().map(|network| {
            let gateway = network.gateway.as_ref()?;
            let (nat, outside, address) =
                (gateway.nat().clone(), index(gateway.outside()), gateway.address());
            Some(Gate { nat, outside, address })
        });
        let interfaces = self.interfaces.iter().map(|interface| oracle::plan::Interface {
            node: interface.node,
            network: index(interface.network),
            ip: interface.ip,
            sends: interface.plugged && !interface.up.loses_everything(),
            receives: interface.plugged && !interface.down.loses_everything(),
        });
        Plan { networks: networks.collect(), interfaces: interfaces.collect(), ..Plan::default() }
    }

    pub(super) fn outer_address(&self, network: NetworkId) -> Option<IpAddr> {
        self.gateway(network).map(Gateway::address)
    }

    fn add_interface(&mut self, node: NodeId, network: NetworkId, ip: IpAddr) -> Option<()> {
        let mut others = self.interfaces.iter();
        if let Some(other) = others.find(|other| other.network == network && other.ip == ip) {
            return (other.node == node).then_some(()); // another port of the same address
        }
        let index = number(self.interfaces.len());
        self.interfaces.push(Interface {
            node,
            up: Lane::new(self.seed, Purpose::Up(index), Purpose::UpOrder(index)),
            down: Lane::new(self.seed, Purpose::Down(index), Purpose::DownOrder(index)),
            plugged: true,
            network,
            ip,
        });
        Some(())
    }

    /// The next step downwards from `network` to `ip`: a host on it, or the gateway of a network behind it.
    fn next(&self, network: NetworkId, ip: IpAddr) -> Option<Next> {
        let on_it = |interface: &Interface| interface.network == network && interface.ip == ip;
        if let Some(host) = self.interfaces.iter().position(on_it) {
            return Some(Next::Host(host));
        }
        self.inner(network).find_map(|(inner, gateway)| {
            let leads = match gateway.translates(ip) {
                true => gateway.address() == ip,
                false => !is_link_local(ip) && self.next(inner, ip).is_some(),
            };
            leads.then_some(Next::Gateway(inner))
        })
    }

    /// The networks right behind `network`.
    fn inner(&self, network: NetworkId) -> impl Iterator<Item = (NetworkId, &Gateway)> {
        (0..).zip(&self.networks).filter_map(move |(id, inner)| {
            let gateway = inner.gateway.as_ref()?;
            (gateway.outside() == network).then_some((NetworkId(id), gateway))
        })
    }

    fn gateway(&self, network: NetworkId) -> Option<&Gateway> {
        self.networks.get(index(network))?.gateway.as_ref()
    }

    fn gateway_mut(&mut self, network: NetworkId) -> Option<&mut Gateway> {
        self.networks.get_mut(index(network))?.gateway.as_mut()
    }

    /// An address for a host on `network`; one from outside where nothing would translate it.
    fn assign_socket(&mut self, network: NetworkId) -> SocketAddr {
        let mut addressed = network;
        while let Some(gateway) = self.gateway(addressed) {
            if gateway.translates(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) {
                break;
            }
            addressed = gateway.outside();
        }
        SocketAddr::new(self.assign(addressed), PORT)
    }

    /// The next address of `network`: 198.18.0.1 and on in public, 10.x.y.1 and on behind a gateway.
    fn assign(&mut self, network: NetworkId) -> IpAddr {
        let prefix = match network {
            NetworkId::PUBLIC => PUBLIC_PREFIX,
            NetworkId(inner) => PRIVATE_PREFIX.wrapping_add(inner << 8),
        };
        loop {
            let Some(entry) = self.networks.get_mut(index(network)) else {
                return IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            };
            entry.assigned = entry.assigned.wrapping_add(1);
            let ip = IpAddr::V4(Ipv4Addr::from_bits(prefix.wrapping_add(entry.assigned)));
            if self.next(network, ip).is_none() {
                return ip;
            }
        }
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn index(network: NetworkId) -> usize {
    usize::try_from(network.0).unwrap_or(usize::MAX)
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The network for benchmarks of RFC 2544: nobody's, and not private either.
const PUBLIC_PREFIX: u32 = Ipv4Addr::new(198, 18, 0, 0).to_bits();

const PRIVATE_PREFIX: u32 = Ipv4Addr::new(10, 0, 0, 0).to_bits();

/// The port of hosts whose address is of the world's choice.
const PORT: u16 = 4000;
