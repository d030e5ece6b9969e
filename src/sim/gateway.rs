//! A translator or firewall at work: its mappings, whom it has heard of, and what it lets pass.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::chance::Chance;
use super::nat::{Dependence, Hairpin, Nat, Ports};
use super::topology::NetworkId;
use super::trace::Dropped;
use crate::{Timestamp, Transport};

/// What a packet is to those who look at more than its addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// UDP.
    Datagram,
    /// The first of a TCP connection.
    Opening,
    /// Any other of a TCP connection.
    Segment,
}

impl Kind {
    pub(super) const fn transport(self) -> Transport {
        match self {
            Self::Datagram => Transport::Udp,
            Self::Opening | Self::Segment => Transport::Tcp,
        }
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
    chance: Chance,
}

/// An inner endpoint, what it looks like from outside, and whom it has spoken to.
#[derive(Debug)]
struct Binding {
    transport: Transport,
    internal: SocketAddr,
    external: SocketAddr,
    /// The destination that made it, which matters as far as mappings depend on it.
    towards: SocketAddr,
    expires_at: Timestamp,
    /// When it ends however busy it is.
    ends_at: Timestamp,
    sessions: Vec<Session>,
}

#[derive(Debug)]
struct Session {
    remote: SocketAddr,
    expires_at: Timestamp,
}

impl Gateway {
    pub(super) fn new(nat: Nat, outside: NetworkId, address: IpAddr, chance: Chance) -> Self {
        Self { nat, outside, address, bindings: Vec::new(), next_port: FIRST_PORT, chance }
    }

    /// Lets a packet out. Returns its source as seen from outside.
    pub(super) fn depart(
        &mut self,
        now: Timestamp,
        kind: Kind,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> Result<SocketAddr, Dropped> {
        self.nat.policy.admits(kind, Some(destination.port()))?;
        let translated = self.translates(source.ip());
        if !translated && self.nat.filter(source.ip()).is_none() {
            return Ok(source);
        }
        self.expire(now);
        let mapping = if translated { self.nat.mapping } else { None };
        let mapping = mapping.unwrap_or(Dependence::EndpointIndependent);
        let transport = kind.transport();
        let known = self.bindings.iter().position(|known| {
            known.transport == transport
                && known.internal == source
                && mapping.same(known.towards, destination)
        });
        let index = match known {
            Some(index) => index,
            None if kind == Kind::Segment => return Err(Dropped::NoMapping),
            None => self.bind(now, transport, source, destination)?,
        };
        let expires_at = now + self.lifetime(transport);
        let Some(binding) = self.bindings.get_mut(index) else { return Err(Dropped::NoMapping) };
        let expires_at = expires_at.min(binding.ends_at);
        match binding.sessions.iter_mut().find(|session| session.remote == destination) {
            Some(session) => session.expires_at = expires_at,
            // A connection that this gateway has not seen the beginning of.
            None if kind == Kind::Segment => return Err(Dropped::NoMapping),
            None => binding.sessions.push(Session { remote: destination, expires_at }),
        }
        binding.expires_at = expires_at;
        Ok(binding.external)
    }

    /// Lets in a packet from `source` to the outer endpoint `external`, unless it is filtered.
    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        kind: Kind,
        source: SocketAddr,
        external: SocketAddr,
    ) -> Result<(), Dropped> {
        self.nat.policy.admits(kind, None)?;
        let Some(filtering) = self.nat.filter(external.ip()) else { return Ok(()) };
        let transport = kind.transport();
        let lifetime = self.lifetime(transport);
        let refreshes = self.nat.inbound_refresh || transport == Transport::Tcp;
        let binding = self.bindings.iter_mut().find(|known| known.is(now, transport, external));
        let Some(binding) = binding else { return Err(Dropped::NoMapping) };
        let until = (now + lifetime).min(binding.ends_at);
        let mut live = binding.sessions.iter_mut().filter(|session| now < session.expires_at);
        let session = live.find(|session| match kind {
            Kind::Segment => session.remote == source,
            Kind::Datagram | Kind::Opening => filtering.same(session.remote, source),
        });
        if session.is_none() && (filtering != Dependence::EndpointIndependent || kind == Kind::Segment) {
            return Err(Dropped::Filtered);
        }
        if refreshes {
            binding.expires_at = binding.expires_at.max(until);
            if let Some(session) = session {
                session.expires_at = session.expires_at.max(until);
            }
        }
        if kind == Kind::Opening && binding.sessions.iter().all(|session| session.remote != source) {
            binding.sessions.push(Session { remote: source, expires_at: until });
        }
        Ok(())
    }

    /// Forgets all mappings, as after a loss of power, and goes by `address` from now on.
    pub(super) fn reboot(&mut self, address: IpAddr) {
        self.bindings.clear();
        self.address = address;
    }

    /// Treats what comes from now on as `nat` says. Mappings stay as they are.
    pub(super) fn set(&mut self, nat: Nat) {
        self.nat = nat;
    }

    /// The inner endpoint behind `external`, if that is one at all.
    pub(super) fn inside(&self, now: Timestamp, kind: Kind, external: SocketAddr) -> Option<SocketAddr> {
        if !self.translates(external.ip()) {
            return Some(external);
        }
        let mut bindings = self.bindings.iter();
        let binding = bindings.find(|known| known.is(now, kind.transport(), external))?;
        Some(binding.internal)
    }

    pub(super) fn translates(&self, ip: IpAddr) -> bool {
        self.nat.mapping.is_some() && ip.is_ipv4()
    }

    pub(super) fn hairpin(&self) -> Hairpin {
        self.nat.hairpin
    }

    pub(super) const fn nat(&self) -> &Nat {
        &self.nat
    }

    pub(super) const fn outside(&self) -> NetworkId {
        self.outside
    }

    pub(super) const fn address(&self) -> IpAddr {
        self.address
    }

    fn lifetime(&self, transport: Transport) -> Duration {
        match transport {
            Transport::Udp => self.nat.lifetime,
            Transport::Tcp => self.nat.tcp_lifetime,
        }
    }

    fn expire(&mut self, now: Timestamp) {
        self.bindings.retain_mut(|binding| {
            binding.sessions.retain(|session| now < session.expires_at);
            now < binding.expires_at
        });
    }

    /// Makes a mapping, to be refreshed at once. Returns where it is.
    fn bind(
        &mut self,
        now: Timestamp,
        transport: Transport,
        internal: SocketAddr,
        towards: SocketAddr,
    ) -> Result<usize, Dropped> {
        let external =
            if self.translates(internal.ip()) { self.allocate(transport, internal)? } else { internal };
        let ends_at = now + self.nat.longest;
        self.bindings.push(Binding {
            transport,
            internal,
            external,
            towards,
            expires_at: now,
            ends_at,
            sessions: Vec::new(),
        });
        Ok(self.bindings.len() - 1)
    }

    /// An outer endpoint that nobody has.
    fn allocate(&mut self, transport: Transport, source: SocketAddr) -> Result<SocketAddr, Dropped> {
        let (ports, parity) = (self.nat.ports, self.nat.parity);
        let first = match ports {
            Ports::Random => self.chance.between(FIRST_RANDOM_PORT, u16::MAX),
            Ports::Preserved | Ports::Sequential => self.next_port,
        };
        let outer = |port| SocketAddr::new(self.address, port);
        let is_free = |port| {
            let taken = |known: &Binding| known.transport == transport && known.external == outer(port);
            !self.bindings.iter().any(taken)
        };
        if ports == Ports::Preserved && is_free(source.port()) {
            return Ok(outer(source.port()));
        }
        let lowest = if ports == Ports::Random { FIRST_RANDOM_PORT } else { FIRST_PORT };
        let fits = |port: &u16| is_free(*port) && (!parity || (*port ^ source.port()).is_multiple_of(2));
        let mut candidates = (first..=u16::MAX).chain(lowest..first);
        let port = candidates.find(fits).ok_or(Dropped::NoPort)?;
        let external = outer(port);
        if ports != Ports::Random {
            self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        }
        Ok(external)
    }
}

impl Binding {
    fn is(&self, now: Timestamp, transport: Transport, external: SocketAddr) -> bool {
        self.transport == transport && self.external == external && now < self.expires_at
    }
}

/// The first of the ports that are given out in turn.
const FIRST_PORT: u16 = 40_000;

/// RFC 4787 section 4.2.1: well-known ports are left alone.
const FIRST_RANDOM_PORT: u16 = 1024;
