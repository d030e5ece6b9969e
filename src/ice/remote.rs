//! The peer's candidates of one generation: signalled, or learned from its checks.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::ice::elsewhere::Elsewhere;
use crate::ice::{
    BaseId, Candidate, CandidateAddress, CandidateId, CandidateKind, ComponentId, Foundation, MdnsName,
    Priority,
};
use crate::list::{Few, Rare};
use crate::net::{Transport, canonical};

/// A candidate of the peer with an address that can be sent to. What was signalled with a name keeps it: the address that
/// it hides is nobody else's business (mdns-privacy-3).
#[derive(Clone, Debug)]
pub(crate) struct RemoteCandidate {
    pub(crate) id: CandidateId,
    pub(crate) component: ComponentId,
    /// What was signalled first, or what was learned.
    pub(crate) candidate: Candidate,
    /// Where it is, if `candidate` does not say so itself.
    elsewhere: Elsewhere,
    /// The first of the peer's candidates with the same foundation.
    pub(crate) kin: CandidateId,
    /// The id under which the peer's candidate is known, or `None` if it was learned.
    signalled: Option<CandidateId>,
    /// What else the peer has signalled with this address, each under an id of its own: a host and its server-reflexive
    /// candidate are one where there is no NAT. The peer may withdraw the one and keep the other.
    others: Rare<(CandidateId, Candidate)>,
    /// The base of ours where its check came in, if it was learned.
    heard_on: Option<BaseId>,
    /// The peer has withdrawn it while its pair is selected: it goes as soon as another one is.
    pub(crate) withdrawn: bool,
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
    /// Nothing new: the same candidate again, or another with an address that is known.
    Known(CandidateId),
    /// The peer's check was here first; the candidate now is what was signalled (rfc8445-7.3.1.3-3).
    Replaced(CandidateId),
    /// Another with the address of one that a name has hidden until now.
    Revealed {
        id: CandidateId,
        hidden: CandidateId,
    },
}

/// One more than the limits allow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TooMany;

/// The peer's candidates, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct RemoteCandidates {
    candidates: Few<RemoteCandidate>,
    /// How many are signalled, and not withdrawn.
    live: u32,
    accepted: u32,
    learned: u32,
}

impl RemoteCandidates {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &RemoteCandidate> {
        self.candidates.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.candidates.len()
    }

    pub(crate) fn get(&self, id: CandidateId) -> Option<&RemoteCandidate> {
        // Mostly in the order of their ids.
        let sorted = self.candidates.binary_search_by_key(&id, |candidate| candidate.id).ok();
        let at = sorted.or_else(|| self.candidates.iter().position(|candidate| candidate.id == id))?;
        self.candidates.get(at)
    }

    pub(crate) fn at(
        &self,
        component: ComponentId,
        transport: Transport,
        address: SocketAddr,
    ) -> Option<&RemoteCandidate> {
        self.candidates.iter().find(|known| known.is_at(component, transport, address))
    }

    /// Who stands for the foundation of a candidate, if another one has it.
    pub(crate) fn kin(&self, candidate: &Candidate) -> Option<CandidateId> {
        self.candidates.iter().find(|known| known.candidate.is_kin_of(candidate)).map(|known| known.kin)
    }

    /// What this name was resolved to.
    pub(crate) fn address_of(&self, name: &MdnsName) -> Option<IpAddr> {
        let is_named = |known: &&RemoteCandidate| matches!(known.candidate.address(), CandidateAddress::Name(other, _) if other == name);
        self.candidates.iter().find(is_named).map(|known| known.address().ip())
    }

    /// Gives a candidate another id.
    pub(crate) fn rename(&mut self, old: CandidateId, new: CandidateId) {
        if let Some(known) = self.candidates.iter_mut().find(|known| known.id == old) {
            known.id = new;
        }
    }

    /// Makes room for the first candidates, as far as they are taken.
    pub(crate) fn reserve_first(&mut self, candidates: usize, limits: &RemoteLimits) {
        self.candidates.reserve_first(candidates.min(limits.live));
    }

    /// Takes a signalled candidate whose address is `address`; `kin` stands for its foundation.
    pub(crate) fn add(
        &mut self,
        (id, kin): (CandidateId, CandidateId),
        component: ComponentId,
        address: SocketAddr,
        candidate: Candidate,
        limits: &RemoteLimits,
    ) -> Result<Added, TooMany> {
        let address = canonical(address);
        let (on_address, here) = self.beside(component, candidate.transport(), address);
        if let Some(known) = here.and_then(|at| self.candidates.get_mut(at))
            && let Some(same) = known.signalled_as(&candidate)
        {
            known.withdrawn = false;
            return Ok(Added::Known(same));
        }
        let live = usize::try_from(self.live).unwrap_or(usize::MAX);
        let full = live >= limits.live || self.accepted >= limits.accepted;
        if let Some(learned) =
            here.and_then(|at| self.candidates.get_mut(at)).filter(|known| known.is_learned())
        {
            // It is a signalled one from here on, and makes room for another that is learned.
            if full {
                return Err(TooMany);
            }
            (self.accepted, self.live) = (self.accepted + 1, self.live + 1);
            learned.signalled = Some(learned.id);
            learned.become_known_as(candidate);
            learned.kin = kin;
            return Ok(Added::Replaced(learned.id));
        }
        if full || on_address >= limits.per_address {
            return Err(TooMany);
        }
        (self.accepted, self.live) = (self.accepted + 1, self.live + 1);
        // rfc8838-9-5
        if let Some(known) = here.and_then(|at| self.candidates.get_mut(at)) {
            let was_hidden = known.is_hidden();
            known.others.push((id, candidate));
            return Ok(match was_hidden && !known.is_hidden() {
                true => Added::Revealed { id, hidden: known.id },
                false => Added::Known(id),
            });
        }
        self.push(RemoteCandidate {
            id,
            component,
            elsewhere: Elsewhere::new(&candidate, address),
            candidate,
            kin,
            signalled: Some(id),
            others: Rare::new(),
            heard_on: None,
            withdrawn: false,
        });
        Ok(Added::New(id))
    }

    /// How many of a component are signalled with the IP address of `address`, and where the candidate at the address itself stands.
    fn beside(
        &self,
        component: ComponentId,
        transport: Transport,
        address: SocketAddr,
    ) -> (usize, Option<usize>) {
        let (mut count, mut here) = (0, None);
        for (at, known) in self.candidates.iter().enumerate() {
            if is_same_host(known.place(), &address) && known.component == component {
                count += 1 + known.others.len();
                if known.is_at(component, transport, address) {
                    here = Some(at);
                }
            }
        }
        (count, here)
    }

    /// How many were learned from checks that came in on a base of ours.
    pub(crate) fn heard_on(&self, base: BaseId) -> usize {
        self.candidates.iter().filter(|known| known.is_learned() && known.heard_on == Some(base)).count()
    }

    /// The candidates that checks of the peer have told of, and nothing else.
    pub(crate) fn learned(&self) -> impl Iterator<Item = CandidateId> + Clone {
        let is_learned = |known: &&RemoteCandidate| known.candidate.kind() == CandidateKind::PeerReflexive;
        self.candidates.iter().filter(is_learned).map(|known| known.id)
    }

    /// Makes a peer-reflexive candidate of the source of a check that came in on `base` (RFC 8445 section 7.3.1.3), within the
    /// limits.
    pub(crate) fn learn(
        &mut self,
        id: CandidateId,
        (component, base): (ComponentId, BaseId),
        (transport, address): (Transport, SocketAddr),
        priority: Priority,
        limits: &RemoteLimits,
    ) -> Option<CandidateId> {
        let live = self.learned().count();
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
        self.push(RemoteCandidate {
            id,
            component,
            elsewhere: Elsewhere::new(&candidate, address),
            candidate,
            kin: id,
            signalled: None,
            others: Rare::new(),
            heard_on: Some(base),
            withdrawn: false,
        });
        Some(id)
    }

    /// The candidate that the peer knows by this id, if it goes when the peer withdraws it: no other one has its address.
    pub(crate) fn goes_with(&self, id: CandidateId) -> Option<CandidateId> {
        let known = self.candidates.iter().find(|known| known.is_known_as(id))?;
        known.others.is_empty().then_some(known.id)
    }

    /// What the peer has signalled, each under the id of its own, and what was learned.
    pub(crate) fn signalled(&self) -> impl Iterator<Item = (CandidateId, &Candidate)> {
        self.candidates.iter().flat_map(|known| {
            let learned = known.is_learned().then_some((known.id, &known.candidate));
            known.signalled().chain(learned)
        })
    }

    /// Takes note that a candidate is to go as soon as it can.
    pub(crate) fn withdraw_later(&mut self, id: CandidateId) {
        for known in self.candidates.iter_mut().filter(|known| known.id == id) {
            known.withdrawn = true;
        }
    }

    /// Those that are to go, each under an id by which the peer's candidate is known.
    pub(crate) fn withdrawn(&self) -> Vec<CandidateId> {
        let withdrawn = self.candidates.iter().filter(|known| known.withdrawn);
        withdrawn.map(|known| known.signalled.unwrap_or(known.id)).collect()
    }

    /// Takes a candidate away, or one of several with its address. If it was that which gave its pairs their priority, another
    /// one does from then on: that of the id which is returned.
    pub(crate) fn withdraw(&mut self, id: CandidateId) -> Option<CandidateId> {
        let at = self.candidates.iter().position(|known| known.is_known_as(id))?;
        let known = self.candidates.get_mut(at)?;
        self.live -= u32::from(!known.is_learned());
        if known.signalled.is_some_and(|signalled| signalled != id) {
            known.others.retain(|(other, _)| *other != id);
            return None;
        }
        let Some((id, candidate)) = known.others.remove(0) else {
            self.candidates.remove(at);
            return None;
        };
        let kin = self.kin(&candidate).unwrap_or(id);
        let known = self.candidates.get_mut(at)?;
        known.become_known_as(candidate);
        (known.signalled, known.kin) = (Some(id), kin);
        Some(known.id)
    }

    fn push(&mut self, candidate: RemoteCandidate) {
        self.candidates.push(candidate);
    }
}

impl RemoteCandidate {
    /// Whether a check of the peer has told of it, and nothing else.
    const fn is_learned(&self) -> bool {
        self.signalled.is_none()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        *self.place()
    }

    fn place(&self) -> &SocketAddr {
        self.elsewhere.address(&self.candidate)
    }

    /// Whether the peer makes a secret of the address: it has signalled a name, and nothing else that is there.
    pub(crate) fn is_hidden(&self) -> bool {
        let mut others = self.others.iter().map(|(_, other)| other);
        self.candidate.ip().is_none() && others.all(|other| other.ip().is_none())
    }

    /// It is another candidate with the same address.
    fn become_known_as(&mut self, candidate: Candidate) {
        self.elsewhere = Elsewhere::new(&candidate, self.address());
        self.candidate = candidate;
    }

    /// What the peer has signalled, the first first.
    fn signalled(&self) -> impl Iterator<Item = (CandidateId, &Candidate)> {
        let first = self.signalled.map(|id| (id, &self.candidate));
        first.into_iter().chain(self.others.iter().map(|(id, candidate)| (*id, candidate)))
    }

    fn signalled_as(&self, candidate: &Candidate) -> Option<CandidateId> {
        self.signalled().find(|(_, other)| *other == candidate).map(|(id, _)| id)
    }

    fn is_known_as(&self, id: CandidateId) -> bool {
        match self.signalled {
            None => self.id == id,
            Some(_) => self.signalled().any(|(signalled, _)| signalled == id),
        }
    }

    fn is_at(&self, component: ComponentId, transport: Transport, address: SocketAddr) -> bool {
        self.component == component && self.candidate.transport() == transport && *self.place() == address
    }
}

/// Whether two addresses differ in their ports at most, or in the link.
fn is_same_host(one: &SocketAddr, other: &SocketAddr) -> bool {
    match (one, other) {
        (SocketAddr::V4(one), SocketAddr::V4(other)) => one.ip() == other.ip(),
        (SocketAddr::V6(one), SocketAddr::V6(other)) => one.ip() == other.ip(),
        (SocketAddr::V4(_), SocketAddr::V6(_)) | (SocketAddr::V6(_), SocketAddr::V4(_)) => false,
    }
}
