//! The peer's candidates of one generation: signalled, or learned from its checks.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::ice::{
    Candidate, CandidateAddress, CandidateId, CandidateKind, ComponentId, Foundation, MdnsName, Priority,
};
use crate::net::{Transport, canonical};

/// A candidate of the peer with an address that can be sent to. What was signalled with a name keeps it: the address that
/// it hides is nobody else's business (mdns-privacy-3).
#[derive(Clone, Debug)]
pub(crate) struct RemoteCandidate {
    pub(crate) id: CandidateId,
    pub(crate) component: ComponentId,
    pub(crate) address: SocketAddr,
    pub(crate) candidate: Candidate,
}

/// How many candidates of a peer are taken, counted over a generation: what is removed does not make room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RemoteLimits {
    pub(crate) live: usize,
    pub(crate) accepted: u32,
    pub(crate) per_address: usize,
    pub(crate) peer_reflexive_live: usize,
    pub(crate) peer_reflexive_accepted: u32,
}

/// What became of a signalled candidate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Added {
    New(CandidateId),
    /// Nothing new: the same candidate again, or one with an address that is known and a lower priority.
    Known(CandidateId),
    /// The peer's check was here first; the candidate now is what was signalled (rfc8445-7.3.1.3-3).
    Replaced(CandidateId),
}

/// One more than the limits allow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TooMany;

/// The peer's candidates, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct RemoteCandidates {
    candidates: Vec<RemoteCandidate>,
    accepted: u32,
    learned: u32,
}

impl RemoteCandidates {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &RemoteCandidate> {
        self.candidates.iter()
    }

    pub(crate) fn get(&self, id: CandidateId) -> Option<&RemoteCandidate> {
        self.candidates.iter().find(|candidate| candidate.id == id)
    }

    pub(crate) fn at(
        &self,
        component: ComponentId,
        transport: Transport,
        address: SocketAddr,
    ) -> Option<&RemoteCandidate> {
        self.candidates.iter().find(|known| known.is_at(component, transport, address))
    }

    /// What this name was resolved to.
    pub(crate) fn address_of(&self, name: &MdnsName) -> Option<IpAddr> {
        let is_named = |known: &&RemoteCandidate| matches!(known.candidate.address(), CandidateAddress::Name(other, _) if other == name);
        self.candidates.iter().find(is_named).map(|known| known.address.ip())
    }

    /// Gives a candidate another id.
    pub(crate) fn rename(&mut self, old: CandidateId, new: CandidateId) {
        if let Some(known) = self.candidates.iter_mut().find(|known| known.id == old) {
            known.id = new;
        }
    }

    /// Takes a signalled candidate whose address is `address`.
    pub(crate) fn add(
        &mut self,
        id: CandidateId,
        component: ComponentId,
        address: SocketAddr,
        candidate: Candidate,
        limits: &RemoteLimits,
    ) -> Result<Added, TooMany> {
        let address = canonical(address);
        if let Some(known) =
            self.candidates.iter_mut().find(|known| known.is_at(component, candidate.transport(), address))
        {
            if known.candidate.kind() == CandidateKind::PeerReflexive {
                known.candidate = candidate;
                return Ok(Added::Replaced(known.id));
            }
            // rfc8838-9-5
            return Ok(Added::Known(known.id));
        }
        let on_address = self
            .candidates
            .iter()
            .filter(|other| other.component == component && other.address.ip() == address.ip());
        let live = self
            .candidates
            .iter()
            .filter(|other| other.candidate.kind() != CandidateKind::PeerReflexive)
            .count();
        if live >= limits.live || self.accepted >= limits.accepted || on_address.count() >= limits.per_address
        {
            return Err(TooMany);
        }
        self.accepted += 1;
        self.candidates.push(RemoteCandidate { id, component, address, candidate });
        Ok(Added::New(id))
    }

    /// Makes a peer-reflexive candidate of the source of a check (RFC 8445 section 7.3.1.3), within the limits.
    pub(crate) fn learn(
        &mut self,
        id: CandidateId,
        component: ComponentId,
        (transport, address): (Transport, SocketAddr),
        priority: Priority,
        limits: &RemoteLimits,
    ) -> Option<CandidateId> {
        let live = self
            .candidates
            .iter()
            .filter(|other| other.candidate.kind() == CandidateKind::PeerReflexive)
            .count();
        if live >= limits.peer_reflexive_live || self.learned >= limits.peer_reflexive_accepted {
            return None;
        }
        self.learned += 1;
        // rfc8445-7.3.1.3-1: a foundation that no other candidate of the peer has.
        let foundation =
            Foundation::distinct_from(self.candidates.iter().map(|other| other.candidate.foundation()));
        let candidate = Candidate::new(
            CandidateKind::PeerReflexive,
            component.number(),
            transport,
            address,
            priority,
            foundation,
        );
        self.candidates.push(RemoteCandidate { id, component, address, candidate });
        Some(id)
    }

    /// Takes a candidate away.
    pub(crate) fn remove(&mut self, id: CandidateId) -> Option<RemoteCandidate> {
        let position = self.candidates.iter().position(|candidate| candidate.id == id)?;
        Some(self.candidates.remove(position))
    }
}

impl RemoteCandidate {
    fn is_at(&self, component: ComponentId, transport: Transport, address: SocketAddr) -> bool {
        self.component == component && self.candidate.transport() == transport && self.address == address
    }
}
