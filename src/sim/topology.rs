//! Networks, who is on them, and the way of a datagram through them.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::chance::{Chance, Purpose};
use super::gateway::{Gateway, Kind};
use super::host::{Attachment, Interfaces, LocalAddress, Place, Tunnel};
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
    removed: bool,
    /// The interface of the same node that carries what is sent and received here.
    pub(super) over: Option<usize>,
    network: NetworkId,
    ip: IpAddr,
    /// The zone that the node knows a link-local address by.
    scope: u32,
}

impl Interface {
    fn is_of(&self, node: NodeId) -> bool {
        self.node == node && !self.removed
    }

    fn has(&self, address: SocketAddr) -> bool {
        self.ip == address.ip() && (scope(address) == 0 || scope(address) == self.scope)
    }

    /// `address` as the node knows it, if it is of this interface.
    pub(super) fn scoped(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V6(v6) if is_link_local(address.ip()) => {
                SocketAddr::V6(SocketAddrV6::new(*v6.ip(), v6.port(), 0, self.scope))
            }
            _ => address,
        }
    }
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

    /// Attaches `node`. Returns the address, or `None` if another node has it or there is nothing to tunnel it through.
    pub(super) fn attach(&mut self, node: NodeId, attachment: Attachment) -> Option<LocalAddress> {
        let (network, address) = match attachment.place {
            Place::Address(network, address) => (network, address),
            Place::Ipv4(network) => (network, self.assign_socket(network)),
            Place::Ipv6(network) => (network, SocketAddr::new(self.assign_ipv6(network), PORT)),
            Place::Nat(nat) if nat.is_none() => (NetworkId::PUBLIC, self.assign_socket(NetworkId::PUBLIC)),
            Place::Nat(nat) => {
                let network = self.add_network(NetworkId::PUBLIC, nat);
                (network, self.assign_socket(network))
            }
        };
        let over = match attachment.tunnel {
            Tunnel::None => None,
            Tunnel::Over(ip) => Some(self.interface_of(node, SocketAddr::new(ip, 0))?),
            Tunnel::OverTheLast => Some(self.interfaces.iter().rposition(|other| other.is_of(node))?),
        };
        let interface = self.add_interface(node, network, address)?;
        interface.over = over;
        if let Some(link) = attachment.link {
            interface.up.set(link);
            interface.down.set(link);
        }
        Some(LocalAddress { address, network: attachment.network })
    }

    /// Takes the interfaces of `node` with the address `ip` away, or all.
    pub(super) fn detach(&mut self, interfaces: Interfaces) {
        self.select(interfaces).for_each(|interface| interface.removed = true);
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
        if packet.source.is_ipv4() != destination.is_ipv4() {
            return Err(Dropped::NoRoute);
        }
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
        let mut gateways = Vec::new();
        let (interface, destination) = self.walk(now, packet, |entered| gateways.push(entered))?;
        Ok(Descent { interface, destination, gateways })
    }

    /// The interface at which `packet` would end.
    pub(super) fn receiver(&self, now: Timestamp, packet: &Packet) -> Option<usize> {
        self.walk(now, packet, |_| ()).ok().map(|(interface, _)| interface)
    }

    fn walk(
        &self,
        now: Timestamp,
        packet: &Packet,
        mut enter: impl FnMut((NetworkId, SocketAddr)),
    ) -> Result<(usize, SocketAddr), Dropped> {
        let (mut network, mut destination) = (packet.network, packet.destination);
        loop {
            match self.next(network, destination.ip()).ok_or(Dropped::NoRoute)? {
                Next::Host(interface) => return Ok((interface, destination)),
                Next::Gateway(entered) => {
                    enter((entered, destination));
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

    /// The interface of `node` with this address; the port does not matter.
    pub(super) fn interface_of(&self, node: NodeId, address: SocketAddr) -> Option<usize> {
        self.interfaces.iter().position(|interface| interface.is_of(node) && interface.has(address))
    }

    /// Whether packets can leave and reach this interface.
    pub(super) fn is_plugged(&self, interface: usize) -> bool {
        let Some(interface) = self.interfaces.get(interface) else { return false };
        interface.plugged && !interface.removed && interface.over.is_none_or(|under| self.is_plugged(under))
    }

    pub(super) fn interface(&mut self, index: usize) -> Option<&mut Interface> {
        self.interfaces.get_mut(index)
    }

    pub(super) fn select(&mut self, selected: Interfaces) -> impl Iterator<Item = &mut Interface> {
        self.interfaces.iter_mut().filter(move |interface| {
            interface.is_of(selected.node) && selected.ip.is_none_or(|ip| ip == interface.ip)
        })
    }

    /// Does something with each direction that a packet of this interface crosses, nearest to the node first.
    pub(super) fn cross_up(
        &mut self,
        interface: usize,
        mut act: impl FnMut(&mut Lane) -> Result<(), Dropped>,
    ) -> Result<(), Dropped> {
        let interface = self.interfaces.get_mut(interface).ok_or(Dropped::NotLocal)?;
        act(&mut interface.up)?;
        match interface.over {
            Some(under) => self.cross_up(under, act),
            None => Ok(()),
        }
    }

    /// The same on the way in, nearest to the node first.
    pub(super) fn cross_down(
        &mut self,
        interface: usize,
        mut act: impl FnMut(&mut Lane) -> Result<(), Dropped>,
    ) -> Result<(), Dropped> {
        let interface = self.interfaces.get_mut(interface).ok_or(Dropped::NoRoute)?;
        act(&mut interface.down)?;
        match interface.over {
            Some(under) => self.cross_down(under, act),
            None => Ok(()),
        }
    }

    /// The first interface of `node`.
    pub(super) fn first_of(&self, node: NodeId) -> Option<usize> {
        self.interfaces.iter().position(|interface| interface.is_of(node))
    }

    /// The network of the interface of `node` with this address.
    pub(super) fn network_of(&self, node: NodeId, address: SocketAddr) -> Option<NetworkId> {
        Some(self.interfaces.get(self.interface_of(node, address)?)?.network)
    }

    /// Whether two nodes have an interface on one network.
    pub(super) fn are_neighbours(&self, one: NodeId, other: NodeId) -> bool {
        let of = |node| self.interfaces.iter().filter(move |interface| interface.is_of(node));
        of(one).any(|first| of(other).any(|second| first.network == second.network))
    }

    /// How it all hangs together.
    pub(super) fn plan(&self) -> Plan {
        let networks = self.networks.iter().map(|network| {
            let gateway = network.gateway.as_ref()?;
            let (nat, outside, address) =
                (gateway.nat().clone(), index(gateway.outside()), gateway.address());
            Some(Gate { nat, outside, address })
        });
        let present = self.interfaces.iter().filter(|interface| !interface.removed);
        let interfaces = present.map(|interface| oracle::plan::Interface {
            node: interface.node,
            network: index(interface.network),
            ip: interface.ip,
            sends: self.carries(interface, |interface| &interface.up),
            receives: self.carries(interface, |interface| &interface.down),
        });
        Plan { networks: networks.collect(), interfaces: interfaces.collect(), ..Plan::default() }
    }

    /// Whether anything passes there at all. What a tunnel carries crosses the links of both interfaces.
    fn carries(&self, interface: &Interface, lane: fn(&Interface) -> &Lane) -> bool {
        let is_cut = !interface.plugged || interface.removed || lane(interface).loses_everything();
        let mut under = interface.over.into_iter().flat_map(|under| self.interfaces.get(under));
        !is_cut && under.all(|under| self.carries(under, lane))
    }

    pub(super) fn outer_address(&self, network: NetworkId) -> Option<IpAddr> {
        self.gateway(network).map(Gateway::address)
    }

    fn add_interface(
        &mut self,
        node: NodeId,
        network: NetworkId,
        address: SocketAddr,
    ) -> Option<&mut Interface> {
        let mut others = self.interfaces.iter();
        let other =
            others.position(|other| other.network == network && other.ip == address.ip() && !other.removed);
        let index = match other {
            // Another port of the same address.
            Some(other) => {
                Some(other).filter(|other| self.interfaces.get(*other).is_some_and(|it| it.node == node))?
            }
            None => {
                let number = number(self.interfaces.len());
                self.interfaces.push(Interface {
                    node,
                    up: Lane::new(self.seed, Purpose::Up(number), Purpose::UpOrder(number)),
                    down: Lane::new(self.seed, Purpose::Down(number), Purpose::DownOrder(number)),
                    plugged: true,
                    removed: false,
                    over: None,
                    network,
                    ip: address.ip(),
                    scope: scope(address),
                });
                self.interfaces.len() - 1
            }
        };
        self.interfaces.get_mut(index)
    }

    /// The next step downwards from `network` to `ip`: a host on it, or the gateway of a network behind it.
    fn next(&self, network: NetworkId, ip: IpAddr) -> Option<Next> {
        let on_it =
            |interface: &Interface| interface.network == network && interface.ip == ip && !interface.removed;
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
        self.next_free(network, |number| IpAddr::V4(Ipv4Addr::from_bits(prefix.wrapping_add(number))))
    }

    /// The next IPv6 address of `network`: 2001:db8:0:x::1 and on.
    fn assign_ipv6(&mut self, network: NetworkId) -> IpAddr {
        let prefix = IPV6_PREFIX | u128::from(network.0) << 64;
        self.next_free(network, |number| IpAddr::V6(Ipv6Addr::from_bits(prefix | u128::from(number))))
    }

    fn next_free(&mut self, network: NetworkId, address: impl Fn(u32) -> IpAddr) -> IpAddr {
        loop {
            let Some(entry) = self.networks.get_mut(index(network)) else { return address(0) };
            entry.assigned = entry.assigned.wrapping_add(1);
            let ip = address(entry.assigned);
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

fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V6(v6) if is_link_local(address.ip()) => v6.scope_id(),
        _ => 0,
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

/// The network for documentation of RFC 3849.
const IPV6_PREFIX: u128 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0).to_bits();

/// The port of hosts whose address is of the world's choice.
const PORT: u16 = 4000;
