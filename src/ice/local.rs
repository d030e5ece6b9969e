//! Our own candidates of one stream.

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::ice::elsewhere::Elsewhere;
use crate::ice::{
    BaseId, Candidate, CandidateAddress, CandidateId, CandidateKind, ComponentId, Foundation, Priority,
    StreamId,
};
use crate::list::Few;
use crate::net::{Transport, canonical, unscoped};

/// A candidate of ours, and the base that its datagrams leave from.
#[derive(Clone, Debug)]
pub(crate) struct LocalCandidate {
    pub(crate) id: CandidateId,
    pub(crate) stream: StreamId,
    pub(crate) base: BaseId,
    /// Where the base is: where the candidate is, for host and relayed candidates.
    pub(crate) base_at: Elsewhere,
    pub(crate) candidate: Candidate,
    /// The number of its foundation ([`Foundations`](crate::ice::Foundations)), where pairs are made with it.
    pub(crate) kin: u32,
    /// Whether the application was told.
    pub(crate) signalled: bool,
}

impl LocalCandidate {
    /// Whether pairs are made with it: a reflexive candidate is replaced by its base, which is there already
    /// (rfc8445-6.1.2.4-1, rfc8838-10-4).
    pub(crate) fn is_paired(&self) -> bool {
        matches!(self.candidate.kind(), CandidateKind::Host | CandidateKind::Relayed)
    }

    pub(crate) fn component(&self) -> ComponentId {
        self.stream.component(self.candidate.component())
    }

    /// The address of the base.
    pub(crate) fn base_address(&self) -> SocketAddr {
        *self.base_at.address(&self.candidate)
    }

    /// Where it is, also if it is signalled with a name: that is the name of its base.
    pub(crate) fn address(&self) -> SocketAddr {
        self.candidate.ip().unwrap_or_else(|| unscoped(self.base_address()))
    }
}

/// Our candidates, in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub(crate) struct LocalCandidates {
    /// Sorted by id, as ids are given out in that order.
    candidates: Few<LocalCandidate>,
}

impl LocalCandidates {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &LocalCandidate> {
        self.candidates.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.candidates.len()
    }

    pub(crate) fn get(&self, id: CandidateId) -> Option<&LocalCandidate> {
        let at = self.candidates.binary_search_by_key(&id, |candidate| candidate.id).ok()?;
        self.candidates.get(at)
    }

    /// The candidate that pairs of this base are made with.
    pub(crate) fn of_base(&self, base: BaseId) -> Option<&LocalCandidate> {
        self.candidates.iter().find(|candidate| candidate.base == base && candidate.is_paired())
    }

    /// The candidate that a mapped address names: preferably one of the same base (two bases may be seen as one
    /// address).
    pub(crate) fn at(
        &self,
        component: ComponentId,
        mapped: SocketAddr,
        base: BaseId,
    ) -> Option<&LocalCandidate> {
        let named = || {
            self.candidates.iter().filter(|known| known.component() == component && known.address() == mapped)
        };
        named().find(|known| known.base == base).or_else(|| named().next())
    }

    /// Whether a candidate would be redundant: same address and same base (RFC 8445 section 5.1.3). To the peer a name is
    /// another address (mdns-private-2).
    pub(crate) fn is_redundant(&self, base: BaseId, address: SocketAddr) -> bool {
        self.candidates.iter().any(|known| known.base == base && known.candidate.ip() == Some(address))
    }

    /// The highest local preference up to `highest` that no candidate of this type has (rfc8445-5.1.2.1-3): a server may
    /// have come in the place of another whose candidates are still there.
    pub(crate) fn free_preference(&self, component: ComponentId, kind: CandidateKind, highest: u16) -> u16 {
        let is_taken = |preference: u16| {
            let mut same = self.candidates.iter().filter(|known| known.component() == component);
            same.any(|known| {
                known.candidate.kind() == kind && known.candidate.priority().local_preference() == preference
            })
        };
        (0..=highest).rev().find(|preference| !is_taken(*preference)).unwrap_or(0)
    }

    pub(crate) fn push(&mut self, candidate: LocalCandidate) {
        self.candidates.push(candidate);
    }

    /// Takes out the candidates of a base, or of a component, or whatever else `gone` picks.
    pub(crate) fn remove(&mut self, gone: impl Fn(&LocalCandidate) -> bool) -> Vec<LocalCandidate> {
        self.candidates.extract(gone)
    }
}

/// What a reflexive candidate is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reflexive {
    pub(crate) id: CandidateId,
    pub(crate) kind: CandidateKind,
    pub(crate) mapped: SocketAddr,
    pub(crate) foundation: Foundation,
    pub(crate) priority: Priority,
}

impl Reflexive {
    /// The candidate seen from `host`, whose base it shares (rfc8445-4-1, rfc8445-4-2).
    pub(crate) fn of(self, host: &LocalCandidate) -> LocalCandidate {
        let address = canonical(self.mapped);
        let candidate = Candidate::new(
            self.kind,
            host.candidate.component(),
            Transport::Udp,
            address,
            self.priority,
            self.foundation,
        );
        // mdns-private-1: what a name hides is not to be told here.
        let candidate = match host.candidate.address() {
            CandidateAddress::Ip(_) => candidate.with_related(host.base_address()),
            CandidateAddress::Name(..) => candidate,
        };
        LocalCandidate {
            id: self.id,
            stream: host.stream,
            base: host.base,
            base_at: Elsewhere::new(&candidate, host.base_address()),
            candidate,
            // It is never paired.
            kin: 0,
            signalled: false,
        }
    }
}
