//! Network address translators and stateful firewalls, in the terms of RFC 4787.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::gateway::Kind;
use super::trace::Dropped;

/// On how much of the far end a mapping or a filter depends (RFC 4787 sections 4.1 and 5).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Dependence {
    /// On nothing: one mapping for all destinations; whoever knows the mapping may send to it.
    EndpointIndependent,
    /// On the address of the far end.
    AddressDependent,
    /// On the address and port of the far end.
    AddressAndPortDependent,
}

impl Dependence {
    /// Whether `one` and `other` are the same far end as far as this goes.
    pub(super) fn same(self, one: SocketAddr, other: SocketAddr) -> bool {
        match self {
            Self::EndpointIndependent => true,
            Self::AddressDependent => one.ip() == other.ip(),
            Self::AddressAndPortDependent => one == other,
        }
    }
}

/// How a translator chooses the port of a new mapping (RFC 4787 section 4.2).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Ports {
    /// The port of the inner endpoint if nobody has it, else the next free one from 40000 on.
    Preserved,
    /// The next free one from 40000 on.
    Sequential,
    /// Any from 1024 on.
    Random,
}

/// What becomes of a packet to an outer address of the translator that it comes from (RFC 4787 section 6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hairpin {
    Dropped,
    /// It comes back from the outer address of its sender.
    OuterSource,
    /// It comes back from its sender's own.
    InnerSource,
}

/// What passes at all, whoever has spoken to whom before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Policy {
    udp: bool,
    /// The ports to which connections may be opened.
    tcp: Option<Vec<u16>>,
    incoming_tcp: bool,
    refusal: Dropped,
}

impl Policy {
    /// Whether a packet passes, on its way out to a port or on its way in.
    pub(super) fn admits(&self, kind: Kind, out_to: Option<u16>) -> Result<(), Dropped> {
        let admitted = match (kind, out_to) {
            (Kind::Datagram, _) => self.udp,
            (Kind::Opening, Some(port)) => self.tcp.as_ref().is_none_or(|ports| ports.contains(&port)),
            (Kind::Opening, None) => self.incoming_tcp,
            (Kind::Segment, _) => true,
        };
        if admitted { Ok(()) } else { Err(self.refusal) }
    }

    fn is_open(&self) -> bool {
        self.udp && self.tcp.is_none() && self.incoming_tcp
    }
}

/// What stands between a network and the one outside it.
///
/// IPv4 is translated, unless it is a [`firewall`](Self::firewall). IPv6 never is: it is let in by
/// [`ipv6`](Self::ipv6), as a home router does, which is at first the same rule as for IPv4. TCP has mappings and
/// filters of its own, by the same rules (RFC 5382), which last for as long as a connection is in use.
///
/// Some of what passes can be forbidden altogether, with or without a translator beside it.
///
/// ```
/// use core::time::Duration;
/// use floe::sim::{Dependence, Nat, Ports};
///
/// let home = Nat::port_restricted().lifetime(Duration::from_secs(30)).hairpinning(true);
/// let carrier = Nat::new(Dependence::AddressDependent, Dependence::AddressAndPortDependent)
///     .ports(Ports::Random)
///     .longest(Duration::from_secs(3600))
///     .inbound_refresh(true);
/// let firewall = Nat::firewall(Dependence::AddressAndPortDependent);
/// let office = Nat::symmetric().without_udp().tcp_ports(&[80, 443]);
/// let server_farm = Nat::none().without_incoming_tcp();
/// # let _ = (home, carrier, firewall, office, server_farm);
/// ```
///
/// Translators behind translators: a home behind a carrier, as two nodes on two networks see it.
///
/// ```
/// use floe::sim::{Nat, NetworkId, Peer, World};
///
/// let mut world = World::<Peer>::new(7);
/// let carrier = world.add_network(NetworkId::PUBLIC, Nat::symmetric());
/// let home = world.add_network(carrier, Nat::port_restricted());
/// // The home's outer address is one of the carrier's network, which nobody outside reaches.
/// assert_ne!(world.outer_address(home), world.outer_address(carrier));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nat {
    pub(super) mapping: Option<Dependence>,
    pub(super) filtering: Option<Dependence>,
    pub(super) ipv6: Option<Dependence>,
    pub(super) hairpin: Hairpin,
    pub(super) ports: Ports,
    pub(super) parity: bool,
    pub(super) lifetime: Duration,
    pub(super) longest: Duration,
    pub(super) inbound_refresh: bool,
    pub(super) tcp_lifetime: Duration,
    pub(super) policy: Policy,
}

impl Nat {
    /// A translator with this mapping and filtering behaviour, without hairpinning, whose ports are preserved where
    /// mappings are endpoint-independent and sequential otherwise, and whose mappings live for two minutes.
    pub fn new(mapping: Dependence, filtering: Dependence) -> Self {
        let ports = match mapping {
            Dependence::EndpointIndependent => Ports::Preserved,
            _ => Ports::Sequential,
        };
        Self { mapping: Some(mapping), ports, ..Self::firewall(filtering) }
    }

    /// Nothing: everything passes as it is. A host behind it is on the outer network.
    pub fn none() -> Self {
        Self { filtering: None, ipv6: None, ..Self::firewall(Dependence::EndpointIndependent) }
    }

    /// A stateful firewall: translates nothing, lets in what `filtering` takes for an answer.
    pub fn firewall(filtering: Dependence) -> Self {
        Self {
            mapping: None,
            filtering: Some(filtering),
            ipv6: Some(filtering),
            hairpin: Hairpin::Dropped,
            ports: Ports::Preserved,
            parity: false,
            lifetime: LIFETIME,
            longest: Duration::MAX,
            inbound_refresh: false,
            tcp_lifetime: TCP_LIFETIME,
            policy: Policy { udp: true, tcp: None, incoming_tcp: true, refusal: Dropped::Forbidden },
        }
    }

    /// Mapping and filtering endpoint-independent.
    pub fn full_cone() -> Self {
        Self::new(Dependence::EndpointIndependent, Dependence::EndpointIndependent)
    }

    /// Mapping endpoint-independent, filtering address-dependent.
    pub fn restricted() -> Self {
        Self::new(Dependence::EndpointIndependent, Dependence::AddressDependent)
    }

    /// Mapping endpoint-independent, filtering address- and port-dependent.
    pub fn port_restricted() -> Self {
        Self::new(Dependence::EndpointIndependent, Dependence::AddressAndPortDependent)
    }

    /// Mapping and filtering address- and port-dependent.
    pub fn symmetric() -> Self {
        Self::new(Dependence::AddressAndPortDependent, Dependence::AddressAndPortDependent)
    }

    /// Whether inner hosts reach one another by their outer addresses (RFC 4787 section 6). The source of what they
    /// send is then the outer one.
    #[must_use]
    pub fn hairpinning(mut self, on: bool) -> Self {
        self.hairpin = if on { Hairpin::OuterSource } else { Hairpin::Dropped };
        self
    }

    /// Lets inner hosts reach one another by their outer addresses, and shows their own as the source, which RFC 4787
    /// forbids.
    #[must_use]
    pub fn hairpinning_with_inner_source(mut self) -> Self {
        self.hairpin = Hairpin::InnerSource;
        self
    }

    /// How the ports of mappings are chosen.
    #[must_use]
    pub fn ports(mut self, ports: Ports) -> Self {
        self.ports = ports;
        self
    }

    /// Whether an even port is mapped to an even one, and an odd one to an odd one (RFC 4787 section 4.2.2).
    #[must_use]
    pub fn parity(mut self, on: bool) -> Self {
        self.parity = on;
        self
    }

    /// How long a mapping and what it lets in outlive the last outbound datagram (RFC 4787 section 4.3).
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How long a mapping lives at most, however busy it is; the next datagram makes another, with another port unless it
    /// is preserved. Some translators of carriers do this after hours.
    #[must_use]
    pub fn longest(mut self, lifetime: Duration) -> Self {
        self.longest = lifetime;
        self
    }

    /// Whether inbound datagrams prolong a mapping too.
    #[must_use]
    pub fn inbound_refresh(mut self, on: bool) -> Self {
        self.inbound_refresh = on;
        self
    }

    /// What lets IPv6 in; `None` is everything.
    #[must_use]
    pub fn ipv6(mut self, filtering: Option<Dependence>) -> Self {
        self.ipv6 = filtering;
        self
    }

    /// How long a connection over TCP may be silent: 2 h 4 min, unless set otherwise. Later, nothing of it passes.
    #[must_use]
    pub fn tcp_lifetime(mut self, lifetime: Duration) -> Self {
        self.tcp_lifetime = lifetime;
        self
    }

    /// Lets no UDP pass, in neither direction.
    #[must_use]
    pub fn without_udp(mut self) -> Self {
        self.policy.udp = false;
        self
    }

    /// Lets connections over TCP out to these ports only, or to none.
    #[must_use]
    pub fn tcp_ports(mut self, ports: &[u16]) -> Self {
        self.policy.tcp = Some(ports.to_vec());
        self
    }

    /// Lets no connection over TCP be opened from outside, as a translator does not anyway that has no mapping for it.
    #[must_use]
    pub fn without_incoming_tcp(mut self) -> Self {
        self.policy.incoming_tcp = false;
        self
    }

    /// Whether whoever opens a connection that is not allowed is told so at once. Without this he waits for an answer
    /// until he gives up.
    #[must_use]
    pub fn rejecting(mut self, on: bool) -> Self {
        self.policy.refusal = if on { Dropped::Rejected } else { Dropped::Forbidden };
        self
    }

    /// Whether this does nothing at all.
    pub(super) fn is_none(&self) -> bool {
        self.mapping.is_none() && self.filtering.is_none() && self.ipv6.is_none() && self.policy.is_open()
    }

    pub(super) fn filter(&self, ip: IpAddr) -> Option<Dependence> {
        if ip.is_ipv4() { self.filtering } else { self.ipv6 }
    }
}

/// RFC 4787 section 4.3: no mapping may live for less, so many live for just that.
const LIFETIME: Duration = Duration::from_secs(120);

/// RFC 5382 section 5: no established connection may be forgotten sooner.
const TCP_LIFETIME: Duration = Duration::from_secs(7440);
