//! Network address translators and stateful firewalls, in the terms of RFC 4787.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

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
}

/// What stands between a network and the one outside it.
///
/// IPv4 is translated, unless it is a [`firewall`](Self::firewall). IPv6 never is: it is let in by
/// [`ipv6`](Self::ipv6), as a home router does, which is at first the same rule as for IPv4.
///
/// ```
/// use core::time::Duration;
/// use floe::sim::{Dependence, Nat, Ports};
///
/// let home = Nat::port_restricted().lifetime(Duration::from_secs(30)).hairpinning(true);
/// let carrier = Nat::new(Dependence::AddressDependent, Dependence::AddressAndPortDependent)
///     .ports(Ports::Sequential)
///     .inbound_refresh(true);
/// # let _ = (home, carrier);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nat {
    pub(super) mapping: Option<Dependence>,
    pub(super) filtering: Option<Dependence>,
    pub(super) ipv6: Option<Dependence>,
    pub(super) hairpinning: bool,
    pub(super) ports: Ports,
    pub(super) lifetime: Duration,
    pub(super) inbound_refresh: bool,
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
            hairpinning: false,
            ports: Ports::Preserved,
            lifetime: LIFETIME,
            inbound_refresh: false,
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
        self.hairpinning = on;
        self
    }

    /// How the ports of mappings are chosen.
    #[must_use]
    pub fn ports(mut self, ports: Ports) -> Self {
        self.ports = ports;
        self
    }

    /// How long a mapping and what it lets in outlive the last outbound datagram (RFC 4787 section 4.3).
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
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

    /// Whether this does nothing at all.
    pub(super) fn is_none(&self) -> bool {
        self.mapping.is_none() && self.filtering.is_none() && self.ipv6.is_none()
    }

    pub(super) fn filter(&self, ip: IpAddr) -> Option<Dependence> {
        if ip.is_ipv4() { self.filtering } else { self.ipv6 }
    }
}

/// RFC 4787 section 4.3: no mapping may live for less, so many live for just that.
const LIFETIME: Duration = Duration::from_secs(120);
