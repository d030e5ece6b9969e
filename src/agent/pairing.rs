//! Candidates become pairs (RFC 8445 section 6.1.2, RFC 8838 sections 9 to 12).

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::agent::ends::{Doubt, Far, Near};
use crate::agent::names::address_of;
use crate::agent::stats::count;
use crate::agent::stream::{Gathering, RemoteGathering};
use crate::agent::{Agent, Error, Event};
use crate::gather::{BaseEntry, RelayId};
use crate::ice::elsewhere::Elsewhere;
use crate::ice::local::LocalCandidate;
use crate::ice::pair::{CandidatePair, PairFoundation, PairState};
use crate::ice::remote::{Added, RemoteCandidate, RemoteLimits};
use crate::ice::schedule::Room;
use crate::ice::unresolved::NamedCandidate;
use crate::ice::{
    Candidate, CandidateId, CandidateKind, ComponentId, FoundationKey, PairId, PairPriority, Priority,
    StreamId, TypePreferences, admit_peer_address,
};
use crate::list::Few;
use crate::net::{Path, Transport, unscoped};
use crate::stun::{Transaction, TransactionId};
use crate::time::Measured;

impl Agent {
    /// A base's own candidate (RFC 8445 section 5.1.1.1).
    pub(super) fn add_host_candidate(&mut self, entry: &BaseEntry) {
        self.add_host_candidate_with(entry, entry.preference);
    }

    /// The same with this local preference.
    pub(super) fn add_host_candidate_with(&mut self, entry: &BaseEntry, preference: u16) {
        let local = entry.base.local();
        let key = FoundationKey {
            kind: CandidateKind::Host,
            base: local.ip(),
            server: None,
            transport: entry.base.transport,
        };
        let (kin, foundation) = self.foundations.of_paired(key);
        let priority = Priority::of(
            TypePreferences::default().of(CandidateKind::Host),
            preference,
            entry.component.number(),
        );
        let candidate = Candidate::new(
            CandidateKind::Host,
            entry.component.number(),
            entry.base.transport,
            entry.base.signalled_as(),
            priority,
            foundation,
        );
        let candidate = entry.base.describe(candidate);
        let id = self.next_candidate_id();
        let (component, base) = (entry.component, entry.id);
        self.announce(LocalCandidate {
            id,
            stream: component.stream(),
            base,
            base_at: Elsewhere::new(&candidate, local),
            candidate,
            kin,
            signalled: false,
        });
    }

    /// Takes a new candidate of ours: hands it over for signalling, then pairs it (rfc8838-10-1).
    pub(super) fn announce(&mut self, local: LocalCandidate) {
        let (id, component) = (local.id, local.component());
        let Ok(stream) = self.stream_mut(component.stream()) else { return };
        let candidate = local.candidate.clone().with_ufrag_of(&stream.local.credentials);
        let (generation, complete) = (stream.generation, stream.gathering == Gathering::Complete);
        // rfc8838-13-3, rfc8838-13-5: not after the end of candidates, not after a nomination, unless both sides have agreed
        // that there may be more at any time.
        let signalled = stream.is_continual() || (!complete && !stream.is_concluded(component));
        stream.locals.push(LocalCandidate { signalled, ..local });
        if signalled {
            stream.provided.so_far = stream.provided.so_far.max(component.number());
        }
        if signalled && complete {
            // The end of candidates meant "none for now", and is to be said again.
            stream.gathering = Gathering::BasesKnown;
        }
        if signalled {
            self.emit(Event::LocalCandidate { stream: component.stream(), generation, id, candidate });
        }
        let Some(stream) = self.stream(component.stream()) else { return };
        // rfc8445-8.1.2-1
        if stream.is_settled(component) {
            return;
        }
        self.form_all(component.stream(), |local| local.id == id, |_| true);
    }

    /// Takes the candidates of a description; what cannot be used does no harm (rfc8838-11-6).
    pub(super) fn accept_candidates(&mut self, stream: StreamId, candidates: Vec<Candidate>) {
        let limits = self.remote_limits();
        if let Ok(known) = self.stream_mut(stream) {
            known.remotes.reserve_first(candidates.len(), &limits);
        }
        let mut new = Few::new();
        new.reserve_first(candidates.len());
        for candidate in candidates {
            let id = self.next_candidate_id();
            let taken = self.take_candidate(stream, id, candidate).ok().and_then(Taken::unpaired);
            taken.into_iter().for_each(|id| new.push(id));
        }
        // What was learned before has an older id than what came with it.
        new.sort_unstable();
        // Together, so that no pair is made that a better one of the same description would send away.
        self.pair_remotes(stream, &new);
    }

    /// Takes a candidate that the peer has signalled.
    pub(super) fn accept_candidate(
        &mut self,
        stream: StreamId,
        candidate: Candidate,
    ) -> Result<CandidateId, Error> {
        let id = self.next_candidate_id();
        self.accept_candidate_as(stream, id, candidate)
    }

    /// The same under an id that was given out already.
    pub(super) fn accept_candidate_as(
        &mut self,
        stream: StreamId,
        id: CandidateId,
        candidate: Candidate,
    ) -> Result<CandidateId, Error> {
        let taken = self.take_candidate(stream, id, candidate)?;
        self.pair_remotes(stream, taken.unpaired().as_slice());
        Ok(taken.id())
    }

    /// Takes a candidate that the peer has signalled, without pairing it.
    fn take_candidate(
        &mut self,
        stream: StreamId,
        id: CandidateId,
        candidate: Candidate,
    ) -> Result<Taken, Error> {
        let limits = self.remote_limits();
        let known = self.stream_mut(stream)?;
        // rfc8838-9-3, rfc8838-9-4
        if known.is_of_previous(&candidate) {
            return Err(Error::CandidateGeneration);
        }
        if let (Some(remote), Some(ufrag)) = (&known.remote, candidate.ufrag())
            && remote.credentials.ufrag() != ufrag
        {
            return known.keep_for_later(id, candidate, limits.live).map(Taken::Known);
        }
        // rfc8838-14-2: the end was that of this generation.
        let ended = known.remote_gathering == RemoteGathering::Complete;
        if ended && !known.is_continual() {
            return Err(Error::EndOfCandidates);
        }
        let component = stream.component(candidate.component());
        known.component(component).ok_or(Error::CandidateComponent)?;
        if candidate.transport() != Transport::Udp {
            return Err(Error::CandidateTransport);
        }
        let address = match address_of(&known.remotes, candidate.address()) {
            Ok(address) => address,
            Err(name) => {
                let named = NamedCandidate { id, component, candidate };
                return self.accept_named(stream, named, name).map(Taken::Known);
            }
        };
        let address = admit_peer_address(address).map_err(Error::Address)?;
        let kin = self.kin_of(id, &candidate);
        let known = self.stream_mut(stream)?;
        let added =
            known.remotes.add((id, kin), component, address, candidate, &limits).map_err(|_| Error::Limit)?;
        if ended && !matches!(added, Added::Known(_)) {
            // Its end will be said again.
            known.remote_gathering = RemoteGathering::Reopened;
        }
        match added {
            Added::New(id) => Ok(Taken::Unpaired(id)),
            Added::Replaced(id) => {
                self.refresh_remote(stream, id);
                Ok(Taken::Unpaired(id))
            }
            Added::Revealed { id, hidden } => Ok(Taken::Revealed { id, hidden }),
            Added::Known(id) => Ok(Taken::Known(id)),
        }
    }

    /// Who stands for the foundation of a candidate of the peer: in whatever stream it is, for streams that share a network
    /// thaw one another's pairs.
    pub(super) fn kin_of(&self, id: CandidateId, candidate: &Candidate) -> CandidateId {
        let kin = self.streams.iter().find_map(|stream| stream.remotes.kin(candidate));
        kin.unwrap_or(id)
    }

    pub(super) fn remote_limits(&self) -> RemoteLimits {
        let limits = &self.config.limits;
        RemoteLimits {
            live: limits.remote_candidates,
            accepted: limits.remote_candidates_total,
            per_address: limits.remote_candidates_per_address,
            peer_reflexive_live: limits.peer_reflexive,
            peer_reflexive_accepted: limits.peer_reflexive_total,
        }
    }

    /// Pairs remote candidates, which are named by rising ids.
    pub(super) fn pair_remotes(&mut self, stream: StreamId, remotes: &[CandidateId]) {
        let Some(known) = self.stream(stream) else { return };
        // rfc8445-8.1.2-1: what has concluded is taken up again by the peer's nomination only.
        let settled: Vec<ComponentId> =
            known.component_ids().filter(|component| known.is_settled(*component)).collect();
        let wanted = |remote: &RemoteCandidate| {
            remotes.binary_search(&remote.id).is_ok() && !settled.contains(&remote.component)
        };
        self.form_all(stream, |_| true, wanted);
    }

    /// A peer-reflexive candidate has been signalled: its pairs keep state and transactions and take the priority and
    /// the foundation of what was signalled (rfc8445-7.3.1.3-3, rfc8838-11-4).
    pub(super) fn refresh_remote(&mut self, stream: StreamId, id: CandidateId) {
        let role = self.claim.role;
        let Some(remote) = self.stream(stream).and_then(|known| known.remotes.get(id)) else { return };
        let (priority, foundation) = (remote.candidate.priority(), remote.kin);
        if let Some(list) = self.lists.list_mut(stream) {
            list.reprioritise(|pair| {
                if pair.remote == id {
                    pair.priority = role.with_remote(pair.priority, priority);
                    pair.foundation.remote = foundation;
                }
            });
        }
        // Nobody of that foundation was asked, but what has succeeded counts for it as well (rfc8445-7.2.5.3.3-2).
        self.lists.catch_up(foundation);
        // A lite agent goes by what the checks say (L-09).
        if let Ok(known) = self.stream_mut(stream)
            && !known.is_lite()
        {
            known.valid.reprioritise(|pair| {
                if pair.remote == id {
                    pair.priority = role.with_remote(pair.priority, priority);
                }
            });
        }
    }

    /// A pair is dropped that nobody has tried: said once in a generation, since it may have been the one.
    fn report_dropped(&mut self, component: ComponentId, path: Path) {
        let Ok(stream) = self.stream_mut(component.stream()) else { return };
        if !core::mem::replace(&mut stream.is_crowded, true) {
            self.emit(Event::PairDropped { component, path });
        }
    }

    /// Makes a pair of two candidates unless they do not match, are paired already, or there is no room; returns the
    /// pair of their path.
    pub(super) fn form(
        &mut self,
        stream: StreamId,
        local: CandidateId,
        remote: CandidateId,
    ) -> Option<PairId> {
        self.form_once(stream, local, remote).ok()
    }

    /// The same, or why not.
    pub(super) fn form_once(
        &mut self,
        stream: StreamId,
        local: CandidateId,
        remote: CandidateId,
    ) -> Result<PairId, Unformed> {
        // rfc8445-6.1.2.4-2: one pair for a base and a remote candidate.
        match self.lists.list(stream).and_then(|list| list.of(local, remote)) {
            Some(pair) => Ok(pair.id),
            None => self.form_new(stream, local, remote),
        }
    }

    /// The same for candidates that are not paired.
    pub(super) fn form_new(
        &mut self,
        stream: StreamId,
        local: CandidateId,
        remote: CandidateId,
    ) -> Result<PairId, Unformed> {
        let known = self.stream(stream).ok_or(Unformed::Mismatch)?;
        let ends = known.locals.get(local).zip(known.remotes.get(remote)).ok_or(Unformed::Mismatch)?;
        // A lite agent has nothing to check.
        if known.is_lite() || !ends.0.is_paired() {
            return Err(Unformed::Mismatch);
        }
        let (ours, theirs) = (Near::of(ends.0), self.far(ends.1));
        self.form_between(&ours, &theirs)
    }

    /// The remote candidate as an end of pairs.
    pub(super) fn far(&self, remote: &RemoteCandidate) -> Far {
        Far::of(remote, self.gatherer.has_base_at(remote.address()))
    }

    /// The same for two ends that are not paired, of a full agent.
    pub(super) fn form_between(&mut self, ours: &Near, theirs: &Far) -> Result<PairId, Unformed> {
        let path = self.path_between(ours, theirs).ok_or(Unformed::Mismatch)?;
        let priority = self.claim.role.pair_priority(ours.priority, theirs.priority);
        if self.make_room(ours.component, path, priority) {
            Ok(self.add_pair(ours, theirs, path))
        } else {
            Err(Unformed::NoRoom)
        }
    }

    /// The path of the pair that two ends can make. Inlined, as is what follows, it is written once, to its place in the pair.
    #[inline(always)]
    pub(super) fn path_between(&self, ours: &Near, theirs: &Far) -> Option<Path> {
        let path = Path::new(ours.transport, ours.base_address, theirs.address);
        // Nor does an agent talk to itself across two of its sockets, of which the peer may have named one: where both are
        // behind NATs, their private addresses may well be the same.
        let is_void = match theirs.doubt {
            None => false,
            Some(Doubt::Withdrawn) => true,
            Some(Doubt::Ours) => self.gatherer.leads_to_a_base(&path),
        };
        let is_possible = !is_void && ours.matches(theirs);
        let known = self.stream(ours.component.stream()).filter(|_| is_possible)?;
        (!known.lost.contains(&path)).then_some(path)
    }

    /// Makes room for a pair if there is none; `false` if there cannot be.
    fn make_room(&mut self, component: ComponentId, path: Path, priority: PairPriority) -> bool {
        match self.lists.room(component.stream(), priority, self.config.limits.pairs) {
            Room::Free => true,
            Room::After(crowded, worst) => {
                let known = self.lists.list(crowded).and_then(|list| list.pair(worst));
                if let Some(untried) = known.filter(|pair| pair.state != PairState::Failed) {
                    self.report_dropped(untried.component, untried.path);
                }
                count(&mut self.stats.others().pairs_dropped);
                self.drop_pairs(crowded, |pair| pair.id == worst);
                true
            }
            Room::None => {
                self.report_dropped(component, path);
                count(&mut self.stats.others().pairs_dropped);
                false
            }
        }
    }

    /// Adds the pair of two ends, for which there is room.
    pub(super) fn add_pair(&mut self, ours: &Near, theirs: &Far, path: Path) -> PairId {
        let pair = self.new_pair(ours, theirs, path);
        let id = pair.id;
        self.lists.insert(pair);
        id
    }

    /// The pair of two ends that is to be added.
    #[inline(always)]
    pub(super) fn new_pair(&mut self, ours: &Near, theirs: &Far, path: Path) -> CandidatePair {
        let (component, id) = (ours.component, self.next_pair_id());
        if !self.gatherer.relays.is_empty() && !self.may_nominate_first(component.stream()) {
            self.permit(path);
        }
        CandidatePair {
            id,
            component,
            local: ours.id,
            remote: theirs.id,
            path,
            foundation: PairFoundation { local: ours.kin, remote: theirs.kin },
            priority: self.claim.role.pair_priority(ours.priority, theirs.priority),
            state: PairState::Frozen,
            valid: None,
            nominated_by_peer: None,
            rtt: Measured::default(),
            place: None,
            unanswered: 0,
        }
    }

    /// Takes pairs out of a check list, with their transactions.
    pub(super) fn drop_pairs(&mut self, stream: StreamId, gone: impl Fn(&CandidatePair) -> bool) {
        let removed = self.lists.remove(stream, gone);
        if !removed.is_empty() {
            self.keep_asking(stream, &removed);
            self.transactions.retain(|owner| !removed.iter().any(|pair| owner.is_check_of(*pair)));
        }
    }

    /// Drops the pairs with an address that the peer has named as its own, and that is ours now.
    pub(super) fn drop_pairs_with_ourselves(&mut self) {
        if self.lists.len() == 0 {
            return;
        }
        let ours = |path: Path| self.gatherer.leads_to_a_base(&path);
        let pairs = self.streams.iter().filter_map(|stream| Some((stream.id, self.lists.list(stream.id)?)));
        let pairs = pairs.flat_map(|(id, list)| list.pairs().iter().map(move |pair| (id, pair)));
        let void: Vec<(StreamId, PairId)> =
            pairs.filter(|(_, pair)| ours(pair.path)).map(|(stream, pair)| (stream, pair.id)).collect();
        for (stream, id) in void {
            self.drop_pairs(stream, |pair| pair.id == id);
        }
    }

    /// Drops what was signalled, before the peer's credentials, for another generation of them.
    pub(super) fn drop_foreign_candidates(&mut self, stream: StreamId) {
        let Some(known) = self.stream(stream) else { return };
        let Some(remote) = &known.remote else { return };
        let foreign = |candidate: &Candidate| {
            candidate.ufrag().is_some_and(|ufrag| ufrag != remote.credentials.ufrag())
        };
        let remotes = known.remotes.signalled();
        let named = known.unresolved.iter().map(|named| (named.id, &named.candidate));
        let signalled = remotes.chain(named);
        let gone: Vec<CandidateId> =
            signalled.filter(|(_, candidate)| foreign(candidate)).map(|(id, _)| id).collect();
        for candidate in gone {
            self.forget_remote(stream, candidate);
        }
    }

    /// Removes a remote candidate and its pairs. One whose pair is selected goes when another pair is.
    pub(super) fn forget_remote(&mut self, stream: StreamId, id: CandidateId) {
        let Ok(known) = self.stream_mut(stream) else { return };
        known.coming.iter_mut().for_each(|all| all.candidates.retain(|(coming, _)| *coming != id));
        known.unresolved.remove(|named| named.id == id);
        self.withdraw_questions();
        let Ok(known) = self.stream_mut(stream) else { return };
        let Some(candidate) = known.remotes.goes_with(id) else {
            let heir = known.remotes.withdraw(id);
            return heir.into_iter().for_each(|heir| self.refresh_remote(stream, heir));
        };
        if known.selected_pairs().any(|pair| pair.remote == candidate) {
            return known.remotes.withdraw_later(candidate);
        }
        known.remotes.withdraw(id);
        known.valid.remove(|pair| pair.remote == candidate);
        self.drop_pairs(stream, |pair| pair.remote == candidate);
        self.forget_consent_without_pair(stream);
        self.forget_unpaired_paths(stream);
    }

    /// Removes bases with all that hangs on them.
    pub(super) fn remove_bases_where(&mut self, gone: impl Fn(&BaseEntry) -> bool) {
        let (bases, transactions) = self.gatherer.remove_bases(gone);
        self.cancel(transactions);
        let relays =
            self.gatherer.relays.iter().filter(|relay| bases.iter().any(|entry| entry.id == relay.base));
        let relays: Vec<RelayId> = relays.map(|relay| relay.id).collect();
        for relay in relays {
            self.forget_relay(relay);
        }
        let removes = !bases.is_empty();
        for entry in bases {
            let local = entry.base.local();
            let asked = self.transactions.iter().filter(|transaction| transaction.path().local() == local);
            let asked: Vec<TransactionId> = asked.map(Transaction::id).collect();
            self.cancel(asked);
            let stream = entry.component.stream();
            let Ok(known) = self.stream_mut(stream) else { continue };
            let generation = known.generation;
            let removed = known.locals.remove(|local| local.base == entry.id);
            let lost = |id: CandidateId| removed.iter().any(|local| local.id == id);
            known.valid.remove(|pair| lost(pair.local));
            known.forget_previous_on(entry.base.local());
            self.drop_pairs(stream, |pair| lost(pair.local));
            self.consider_takeover(entry.component);
            self.forget_what_cannot_be_nominated(stream);
            self.forget_consent_without_pair(stream);
            for local in removed.iter().filter(|local| local.signalled) {
                self.emit(Event::LocalCandidateRemoved { stream, generation, id: local.id });
            }
            self.forget_unpaired_paths(stream);
        }
        if removes {
            // Of an agent that roams for days, or whose relays come and go.
            let locals = || self.streams.iter().flat_map(|stream| stream.locals.iter());
            self.foundations.retain(|known| locals().any(|local| local.candidate.foundation() == known));
        }
    }

    /// A nomination repeats the check of a pair of the list. A component that has lost its selected pair, or the pair
    /// whose check went out by a base and was seen under the address of another one, has nothing to go on with.
    fn forget_what_cannot_be_nominated(&mut self, stream: StreamId) {
        let Some(list) = self.lists.list(stream) else { return };
        let listed: Vec<PairId> = list.pairs().iter().map(|pair| pair.id).collect();
        let Ok(known) = self.stream_mut(stream) else { return };
        let concluded: Vec<ComponentId> =
            known.component_ids().filter(|component| known.is_concluded(*component)).collect();
        known.valid.remove(|pair| !concluded.contains(&pair.component) && !listed.contains(&pair.checked));
    }

    /// Data from a path whose pair was removed, rather than passed over, is nobody's any more.
    fn forget_unpaired_paths(&mut self, stream: StreamId) {
        let bases: Vec<SocketAddr> = self.gatherer.bases().map(|entry| entry.base.local()).collect();
        let Ok(known) = self.stream_mut(stream) else { return };
        let remotes: Vec<SocketAddr> = known.remotes.iter().map(|remote| remote.address()).collect();
        known.authenticated.retain(|known| {
            bases.contains(&known.path.local()) && remotes.contains(&unscoped(known.path.remote()))
        });
    }
}

/// What has become of a candidate of the peer.
#[derive(Clone, Copy, Debug)]
enum Taken {
    /// It wants to be paired.
    Unpaired(CandidateId),
    /// That one wants to, of which a relay may know by now.
    Revealed { id: CandidateId, hidden: CandidateId },
    /// There is nothing to be done about it, at least for now.
    Known(CandidateId),
}

impl Taken {
    const fn id(self) -> CandidateId {
        match self {
            Self::Unpaired(id) | Self::Revealed { id, .. } | Self::Known(id) => id,
        }
    }

    fn unpaired(self) -> Option<CandidateId> {
        match self {
            Self::Unpaired(id) | Self::Revealed { hidden: id, .. } => Some(id),
            Self::Known(_) => None,
        }
    }
}

/// Why two candidates make no pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unformed {
    Mismatch,
    /// Nor do others of a priority that is no higher.
    NoRoom,
}
