//! A translator or firewall at work: its mappings, whom it has heard of, and what it lets pass.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::nat::{Dependence, Nat, Ports};
use super::topology::NetworkId;
use super::trace::Dropped;
use crate::Timestamp;

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

const FIRST_PORT: u16 = 40_000;
