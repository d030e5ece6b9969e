//! The network as the oracle sees it: who is where, what stands between them, and what RFC 4787 says becomes of a datagram.
//!
//! A second reading of the rules, beside the gateways of the world: nothing here expires, and a port that a translator
//! gives out is a name, not a number.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::Transport;
use crate::sim::gateway::Kind;
use crate::sim::nat::{Dependence, Hairpin, Nat};
use crate::sim::node::NodeId;

/// An address whose port need not be known.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Spot {
    pub(super) ip: IpAddr,
    pub(super) port: Port,
}

/// A port, by number or by whoever gives it out.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Port {
    Number(u16),
    /// Of the mapping of this number, as long as the world is as it is.
    Mapping(usize),
    /// Of a relayed address: the base of this number, of the end of this number.
    Relay(usize, usize),
}

impl Spot {
    pub(super) const fn relayed(ip: IpAddr, end: usize, base: usize) -> Self {
        Self { ip, port: Port::Relay(end, base) }
    }

    /// The port, where it is known beforehand.
    pub(super) const fn number(self) -> Option<u16> {
        match self.port {
            Port::Number(number) => Some(number),
            Port::Mapping(_) | Port::Relay(..) => None,
        }
    }
}

impl From<SocketAddr> for Spot {
    fn from(address: SocketAddr) -> Self {
        Self { ip: address.ip(), port: Port::Number(address.port()) }
    }
}

/// An address of a node on a network, and what passes there at all.
#[derive(Clone, Copy, Debug)]
pub(in crate::sim) struct Interface {
    pub(in crate::sim) node: NodeId,
    pub(in crate::sim) network: usize,
    pub(in crate::sim) ip: IpAddr,
    pub(in crate::sim) sends: bool,
    pub(in crate::sim) receives: bool,
}

/// What stands between a network and the one outside it.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Gate {
    pub(in crate::sim) nat: Nat,
    pub(in crate::sim) outside: usize,
    pub(in crate::sim) address: IpAddr,
}

impl Gate {
    /// IPv6 is never translated.
    fn translates(&self, ip: IpAddr) -> bool {
        self.nat.mapping.is_some() && ip.is_ipv4()
    }
}

/// All networks with their gates (the first has none), and all interfaces.
#[derive(Debug, Default)]
pub(in crate::sim) struct Plan {
    pub(in crate::sim) networks: Vec<Option<Gate>>,
    pub(in crate::sim) interfaces: Vec<Interface>,
    /// From whom nothing gets to whom.
    pub(in crate::sim) blocked: BTreeSet<(NodeId, NodeId)>,
}

/// The plan with all that has passed through it so far.
#[derive(Debug)]
pub(super) struct Network {
    plan: Plan,
    mappings: Vec<Mapping>,
}

/// An inner address, what it looks like outside, and whom it has spoken to through this gate.
#[derive(Debug)]
struct Mapping {
    gate: usize,
    transport: Transport,
    internal: Spot,
    external: Spot,
    /// Whom it was made for, which matters as far as mappings depend on it.
    towards: Spot,
    spoken_to: Vec<Spot>,
}

/// Where a datagram has come in, under which addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) interface: usize,
    pub(super) source: Spot,
    pub(super) destination: Spot,
}

enum Step {
    Host(usize),
    Gate(usize),
}

impl Network {
    pub(super) const fn new(plan: Plan) -> Self {
        Self { plan, mappings: Vec::new() }
    }

    /// The interface of `node` with this address.
    pub(super) fn interface_of(&self, node: NodeId, ip: IpAddr) -> Option<usize> {
        self.plan.interfaces.iter().position(|interface| interface.node == node && interface.ip == ip)
    }

    pub(super) fn node_at(&self, interface: usize) -> Option<NodeId> {
        self.plan.interfaces.get(interface).map(|interface| interface.node)
    }

    /// Sends a packet, which changes what the gates on its way know, and says where it comes in, if it does.
    pub(super) fn send(
        &mut self,
        kind: Kind,
        interface: usize,
        source: Spot,
        destination: Spot,
    ) -> Option<Arrival> {
        let from = *self.plan.interfaces.get(interface).filter(|interface| interface.sends)?;
        let (mut network, mut source, mut left) = (from.network, source, Vec::new());
        while self.step(network, destination.ip).is_none() {
            if is_link_local(destination.ip) {
                return None;
            }
            let gate = self.plan.networks.get(network)?.clone()?;
            left.push((network, source));
            source = self.depart((network, &gate), kind, source, destination)?;
            network = gate.outside;
        }
        let mut destination = destination;
        loop {
            match self.step(network, destination.ip)? {
                Step::Host(interface) => {
                    let to = self.plan.interfaces.get(interface)?;
                    let passes = to.receives && !self.plan.blocked.contains(&(from.node, to.node));
                    return passes.then_some(Arrival { interface, source, destination });
                }
                Step::Gate(inner) => {
                    let gate = self.plan.networks.get(inner)?.clone()?;
                    let back = left.iter().find(|(left, _)| *left == inner).map(|(_, source)| *source);
                    if back.is_some() && gate.nat.hairpin == Hairpin::Dropped {
                        return None;
                    }
                    destination = self.admit((inner, &gate), kind, source, destination)?;
                    source = back.filter(|_| gate.nat.hairpin == Hairpin::InnerSource).unwrap_or(source);
                    network = inner;
                }
            }
        }
    }

    /// RFC 4787 section 4.1: the source as seen outside. What was said and to whom is remembered.
    fn depart(
        &mut self,
        (number, gate): (usize, &Gate),
        kind: Kind,
        internal: Spot,
        destination: Spot,
    ) -> Option<Spot> {
        gate.nat.policy.admits(kind, Some(destination.number().unwrap_or_default())).ok()?;
        let translation = gate.nat.mapping.filter(|_| gate.translates(internal.ip));
        if translation.is_none() && gate.nat.filter(internal.ip).is_none() {
            return Some(internal);
        }
        let (transport, dependence) =
            (kind.transport(), translation.unwrap_or(Dependence::EndpointIndependent));
        let known = self.mappings.iter().position(|known| {
            (known.gate, known.transport, known.internal) == (number, transport, internal)
                && is_one_end(dependence, known.towards, destination)
        });
        let index = known.unwrap_or_else(|| {
            let index = self.mappings.len();
            let external = match translation {
                Some(_) => Spot { ip: gate.address, port: Port::Mapping(index) },
                None => internal,
            };
            let (gate, towards, spoken_to) = (number, destination, Vec::new());
            self.mappings.push(Mapping { gate, transport, internal, external, towards, spoken_to });
            index
        });
        let mapping = self.mappings.get_mut(index)?;
        if !mapping.spoken_to.contains(&destination) {
            mapping.spoken_to.push(destination);
        }
        Some(mapping.external)
    }

    /// RFC 4787 section 5: the inner address behind `external`, if `source` may speak to it.
    fn admit(
        &mut self,
        (number, gate): (usize, &Gate),
        kind: Kind,
        source: Spot,
        external: Spot,
    ) -> Option<Spot> {
        gate.nat.policy.admits(kind, None).ok()?;
        let (translates, filtering) = (gate.translates(external.ip), gate.nat.filter(external.ip));
        if !translates && filtering.is_none() {
            return Some(external);
        }
        let filtering = match kind {
            Kind::Segment => Dependence::AddressAndPortDependent,
            Kind::Datagram | Kind::Opening => filtering.unwrap_or(Dependence::EndpointIndependent),
        };
        let mapping = self.mappings.iter_mut().find(|known| {
            (known.gate, known.transport, known.external) == (number, kind.transport(), external)
        })?;
        // Endpoint-independent as it is, it lets in whoever comes, once somebody has spoken.
        let is_expected = mapping.spoken_to.iter().any(|known| is_one_end(filtering, *known, source));
        if is_expected && kind == Kind::Opening {
            mapping.spoken_to.push(source);
        }
        is_expected.then_some(mapping.internal)
    }

    /// Where `ip` is, seen from above or on `network`: on it, or behind one of the gates right below.
    fn step(&self, network: usize, ip: IpAddr) -> Option<Step> {
        let on_it = |interface: &Interface| interface.network == network && interface.ip == ip;
        if let Some(host) = self.plan.interfaces.iter().position(on_it) {
            return Some(Step::Host(host));
        }
        let inner = self.plan.networks.iter().enumerate().find(|(inner, gate)| match gate {
            Some(gate) if gate.outside == network => {
                if gate.translates(ip) {
                    gate.address == ip
                } else {
                    !is_link_local(ip) && self.step(*inner, ip).is_some()
                }
            }
            _ => false,
        });
        inner.map(|(inner, _)| Step::Gate(inner))
    }
}

/// Whether two far ends are one as far as a mapping or a filter cares.
fn is_one_end(dependence: Dependence, one: Spot, other: Spot) -> bool {
    match dependence {
        Dependence::EndpointIndependent => true,
        Dependence::AddressDependent => one.ip == other.ip,
        Dependence::AddressAndPortDependent => one == other,
    }
}

pub(super) fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}
