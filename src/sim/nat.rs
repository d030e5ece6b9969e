//! Network address translators and stateful firewalls, in the terms of RFC 4787.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::topology::NetworkId;
use super::trace::Dropped;
use crate::Timestamp;

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
    fn same(self, one: SocketAddr, other: SocketAddr) -> bool {
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
    mapping: Option<Dependence>,
    filtering: Option<Dependence>,
    ipv6: Option<Dependence>,
    hairpinning: bool,
    ports: Ports,
    lifetime: Duration,
    inbound_refresh: bool,
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

    fn filter(&self, ip: IpAddr) -> Option<Dependence> {
        if ip.is_ipv4() { self.filtering } else { self.ipv6 }
    }
}

/// A [`Nat`] at work between two networks.
#[derive(Debug)]
pub(super) struct Gateway {
    nat: Nat,
    outside: NetworkId,
    address: IpAddr,
    bindings: Vec<Binding>,
    next_port: u16,
}

/// An inner endpoint, what it looks like from outside, and whom it has spoken to.
#[derive(Debug)]
struct Binding {
    internal: SocketAddr,
    external: SocketAddr,
    /// The destination that made it, which matters as far as mappings depend on it.
    towards: SocketAddr,
    expires_at: Timestamp,
    sessions: Vec<Session>,
}

#[derive(Debug)]
struct Session {
    remote: SocketAddr,
    expires_at: Timestamp,
}

impl Gateway {
    pub(super) fn new(nat: Nat, outside: NetworkId, address: IpAddr) -> Self {
        Self { nat, outside, address, bindings: Vec::new(), next_port: FIRST_PORT }
    }

    /// Lets a datagram out. Returns its source as seen from outside.
    pub(super) fn depart(
        &mut self,
        now: Timestamp,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Result<SocketAddr, Dropped> {
        let translated = self.translates(source.ip());
        if !translated && self.nat.filter(source.ip()).is_none() {
            return Ok(source);
        }
        self.expire(now);
        let expires_at = now + self.nat.lifetime;
        let mapping = if translated { self.nat.mapping } else { None };
        let mapping = mapping.unwrap_or(Dependence::EndpointIndependent);
        let known = self
            .bindings
            .iter()
            .position(|known| known.internal == source && mapping.same(known.towards, destination));
        let index = match known {
            Some(index) => index,
            None => {
                let external = if translated { self.allocate(source)? } else { source };
                let (internal, sessions) = (source, Vec::new());
                self.bindings.push(Binding {
                    internal,
                    external,
                    towards: destination,
                    expires_at,
                    sessions,
                });
                self.bindings.len() - 1
            }
        };
        let Some(binding) = self.bindings.get_mut(index) else { return Err(Dropped::NoMapping) };
        binding.expires_at = expires_at;
        match binding.sessions.iter_mut().find(|session| session.remote == destination) {
            Some(session) => session.expires_at = expires_at,
            None => binding.sessions.push(Session { remote: destination, expires_at }),
        }
        Ok(binding.external)
    }

    /// Lets in a datagram from `source` to the outer endpoint `external`, unless it is filtered.
    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        source: SocketAddr,
        external: SocketAddr,
    ) -> Result<(), Dropped> {
        let Some(filtering) = self.nat.filter(external.ip()) else { return Ok(()) };
        let until = self.nat.inbound_refresh.then(|| now + self.nat.lifetime);
        let mut bindings = self.bindings.iter_mut();
        let binding = bindings.find(|known| known.external == external && now < known.expires_at);
        let Some(binding) = binding else { return Err(Dropped::NoMapping) };
        let mut live = binding.sessions.iter_mut().filter(|session| now < session.expires_at);
        let session = live.find(|session| filtering.same(session.remote, source));
        if session.is_none() && filtering != Dependence::EndpointIndependent {
            return Err(Dropped::Filtered);
        }
        if let Some(until) = until {
            binding.expires_at = binding.expires_at.max(until);
            if let Some(session) = session {
                session.expires_at = session.expires_at.max(until);
            }
        }
        Ok(())
    }

    /// Forgets all mappings and goes by `address` from now on, as after a loss of power.
    pub(super) fn reboot(&mut self, address: IpAddr) {
        self.bindings.clear();
        self.address = address;
    }

    /// The inner endpoint behind `external`, if that is one at all.
    pub(super) fn inside(&self, now: Timestamp, external: SocketAddr) -> Option<SocketAddr> {
        if !self.translates(external.ip()) {
            return Some(external);
        }
        let mut bindings = self.bindings.iter();
        let binding = bindings.find(|known| known.external == external && now < known.expires_at)?;
        Some(binding.internal)
    }

    pub(super) fn translates(&self, ip: IpAddr) -> bool {
        self.nat.mapping.is_some() && ip.is_ipv4()
    }

    pub(super) fn hairpins(&self) -> bool {
        self.nat.hairpinning
    }

    pub(super) const fn outside(&self) -> NetworkId {
        self.outside
    }

    pub(super) const fn address(&self) -> IpAddr {
        self.address
    }

    fn expire(&mut self, now: Timestamp) {
        self.bindings.retain_mut(|binding| {
            binding.sessions.retain(|session| now < session.expires_at);
            now < binding.expires_at
        });
    }

    fn allocate(&mut self, source: SocketAddr) -> Result<SocketAddr, Dropped> {
        let outer = |port| SocketAddr::new(self.address, port);
        let is_free = |port| self.bindings.iter().all(|known| known.external != outer(port));
        if self.nat.ports == Ports::Preserved && is_free(source.port()) {
            return Ok(outer(source.port()));
        }
        let after = (self.next_port..=u16::MAX).chain(FIRST_PORT..self.next_port);
        let port = after.into_iter().find(|port| is_free(*port)).ok_or(Dropped::NoPort)?;
        let external = outer(port);
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        Ok(external)
    }
}

/// RFC 4787 section 4.3: no mapping may live for less, so many live for just that.
const LIFETIME: Duration = Duration::from_secs(120);

const FIRST_PORT: u16 = 40_000;
