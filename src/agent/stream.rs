//! What an agent knows of one data stream.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::agent::component::Component;
use crate::agent::error::{Error, Reason};
use crate::agent::event::StreamState;
use crate::agent::restart::Previous;
use crate::agent::sides::{LocalSide, RemoteSide};
use crate::ice::authenticated::AuthenticatedPaths;
use crate::ice::consent::Standing;
use crate::ice::early::EarlyRequests;
use crate::ice::lite::Implementation;
use crate::ice::local::LocalCandidates;
use crate::ice::nomination::Nominated;
use crate::ice::remote::{RemoteCandidate, RemoteCandidates};
use crate::ice::renomination::Renomination;
use crate::ice::unresolved::UnresolvedCandidates;
use crate::ice::valid::{ValidList, ValidPair};
use crate::ice::{
    Candidate, CandidateId, CandidateKind, ComponentId, Credentials, Generation, Role, StreamId,
};
use crate::list::{Few, Rare};
use crate::net::Path;
use crate::time::Timestamp;

/// What the peer has signalled about itself and a stream: all but the candidates that it trickles.
///
/// A description without `trickle` among its ice-options is complete (RFC 8838 section 5): say so with
/// [`complete`](Self::complete).
#[derive(Clone, Debug)]
pub struct Remote {
    pub(crate) credentials: Credentials,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) pacing: Option<Duration>,
    pub(crate) trickle: bool,
    pub(crate) renomination: Option<Renomination>,
    pub(crate) implementation: Implementation,
    pub(crate) continual: bool,
    pub(crate) answers: Option<Box<str>>,
    pub(crate) standard: Standard,
}

/// By which RFC the peer goes, which says how it nominates.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standard {
    /// A pair of its choice.
    Rfc8445,
    /// Perhaps the first pair that works.
    Rfc5245,
}

impl Remote {
    /// A peer with these credentials, which trickles its candidates and proposes no pacing.
    #[must_use]
    pub const fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            candidates: Vec::new(),
            pacing: None,
            trickle: true,
            renomination: None,
            implementation: Implementation::Full,
            continual: false,
            answers: None,
            standard: Standard::Rfc8445,
        }
    }

    /// The description answers one of ours with this user-name fragment. If we have restarted since, it is about a generation
    /// that is no more, and [`Agent::set_remote`](crate::Agent::set_remote) takes nothing from it.
    ///
    /// For signalling that can be overtaken by a second restart: taken as the answer to that one, an earlier answer makes two
    /// agents restart each other without end.
    #[must_use]
    pub fn answering(mut self, our_ufrag: &str) -> Self {
        self.answers = Some(our_ufrag.into());
        self
    }

    /// The candidates that came with the description.
    #[must_use]
    pub fn candidates(mut self, candidates: impl IntoIterator<Item = Candidate>) -> Self {
        self.candidates.extend(candidates);
        self
    }

    /// The Ta that the peer proposes (`ice-pacing`).
    #[must_use]
    pub const fn pacing(mut self, ta: Duration) -> Self {
        self.pacing = Some(ta);
        self
    }

    /// The ice-options that the peer announced, separated by spaces: `trickle`, `renomination`, `renomination2`, `continual`
    /// and `ice2` are understood. Without `trickle` the description is complete, without `ice2` the peer is
    /// [of RFC 5245](Self::of_rfc5245).
    #[must_use]
    pub fn options(mut self, options: &str) -> Self {
        let has = |wanted: &str| options.split_ascii_whitespace().any(|option| option == wanted);
        self.trickle = has("trickle");
        self.renomination = Renomination::among(has);
        self.continual = has("continual");
        self.standard = if has("ice2") { Standard::Rfc8445 } else { Standard::Rfc5245 };
        self
    }

    /// The peer does not announce `ice2`: it may nominate whichever pair works first (RFC 5245 section 8.1.1.2). While it
    /// controls, our relays open to it with our own checks, which come after those of better pairs, and not before.
    #[must_use]
    pub const fn of_rfc5245(mut self) -> Self {
        self.standard = Standard::Rfc5245;
        self
    }

    /// The peer gathers continually: it may have more candidates after their end, and expects the same of us
    /// ([`Config::continual_gathering`](crate::Config::continual_gathering)).
    #[must_use]
    pub const fn continual(mut self) -> Self {
        self.continual = true;
        self
    }

    /// The peer does not trickle: these candidates are all it has.
    #[must_use]
    pub const fn complete(mut self) -> Self {
        self.trickle = false;
        self
    }

    /// The peer is a lite agent (`ice-lite`): it answers checks, sends none, and never controls.
    #[must_use]
    pub const fn lite(mut self) -> Self {
        self.implementation = Implementation::Lite;
        self
    }
}

/// What a call of [`Agent::set_remote`](crate::Agent::set_remote) has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RemoteChange {
    /// The peer is known now.
    Set,
    /// It was known already, by the same credentials; or these are those of the generation that a restart has ended, or an
    /// answer to it.
    Unchanged,
    /// The peer has restarted; the local credentials are new as well.
    Restarted,
}

/// A data stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    /// Whether our agent is full or lite.
    pub(crate) implementation: Implementation,
    pub(crate) state: StreamState,
    pub(crate) generation: Generation,
    /// Component `n` stands at `n - 1`; a removed one leaves a gap.
    pub(crate) components: Few<Option<Component>>,
    pub(crate) local: LocalSide,
    pub(crate) remote: Option<RemoteSide>,
    /// The generation before, while its paths are in use.
    pub(crate) previous: Option<Box<Previous>>,
    /// The peer's credentials before the last restart: what still arrives under them is late.
    pub(crate) superseded: Option<Box<Credentials>>,
    /// What was signalled under credentials of the peer that are not known yet.
    pub(crate) coming: Option<Box<Coming>>,
    pub(crate) locals: LocalCandidates,
    pub(crate) remotes: RemoteCandidates,
    /// Signalled with names that have not been resolved.
    pub(crate) unresolved: UnresolvedCandidates,
    pub(crate) valid: ValidList,
    pub(crate) authenticated: AuthenticatedPaths,
    /// Where the peer has consented no longer: not to be tried again by this generation (rfc7675-5.1-17).
    pub(crate) lost: Rare<Path>,
    /// Where the peer says that it has seen checks from, and answers none: it is not believed again in this generation.
    pub(crate) disproven: Rare<Path>,
    pub(crate) early: EarlyRequests,
    pub(crate) gathering: Gathering,
    pub(crate) provided: Provided,
    pub(crate) remote_gathering: RemoteGathering,
    /// Why the last check failed: the reason if all of them do.
    pub(crate) last_failure: Option<Reason>,
    pub(crate) search: Search,
    /// A pair of this generation was dropped for want of room, and the application knows.
    pub(crate) is_crowded: bool,
}

/// What was signalled of a generation of the peer before its credentials.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coming {
    pub(crate) candidates: Vec<(CandidateId, Candidate)>,
    /// The fragment under which their end was signalled.
    pub(crate) end: Option<Box<str>>,
}

/// Since when a stream looks for a path without having one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Search {
    pub(crate) since: Option<Timestamp>,
    /// Since when no more candidates are to come.
    pub(crate) complete_since: Option<Timestamp>,
}

/// The highest component that candidates of ours were signalled for, or 0.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Provided {
    pub(crate) so_far: u16,
    /// When we have last said that there are no more.
    pub(crate) in_the_end: u16,
}

impl Provided {
    /// How many components there are on our side.
    const fn ours(self) -> u16 {
        if self.in_the_end > 0 { self.in_the_end } else { u16::MAX }
    }
}

/// How far the gathering of a stream has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Gathering {
    /// The caller may still declare bases.
    #[default]
    Open,
    /// No more bases; servers are still being asked.
    BasesKnown,
    /// Over, and announced (RFC 8838 section 13). A base that comes later, where both sides gather continually, leads back.
    Complete,
}

/// What the peer has said of the end of its candidates (RFC 8838 section 14).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum RemoteGathering {
    /// Nothing yet.
    #[default]
    Open,
    /// There are no more; where both sides gather continually, none for now.
    Complete,
    /// One has come since, and its end is still to be said again.
    Reopened,
}

impl Stream {
    pub(crate) fn new(id: StreamId, components: u8, credentials: Credentials) -> Self {
        Self {
            id,
            implementation: Implementation::Full,
            state: StreamState::New,
            generation: Generation::FIRST,
            components: (0..components).map(|_| Some(Component::default())).collect(),
            local: LocalSide::new(credentials),
            remote: None,
            previous: None,
            superseded: None,
            coming: None,
            locals: LocalCandidates::default(),
            remotes: RemoteCandidates::default(),
            unresolved: UnresolvedCandidates::default(),
            valid: ValidList::default(),
            authenticated: AuthenticatedPaths::default(),
            lost: Rare::new(),
            disproven: Rare::new(),
            early: EarlyRequests::default(),
            gathering: Gathering::default(),
            provided: Provided::default(),
            remote_gathering: RemoteGathering::default(),
            last_failure: None,
            search: Search::default(),
            is_crowded: false,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == StreamState::Closed
    }

    pub(crate) fn component(&self, id: ComponentId) -> Option<&Component> {
        self.components.get(usize::from(id.number()).checked_sub(1)?)?.as_ref()
    }

    pub(crate) fn component_mut(&mut self, id: ComponentId) -> Option<&mut Component> {
        self.components.get_mut(usize::from(id.number()).checked_sub(1)?)?.as_mut()
    }

    pub(crate) fn components(&self) -> impl Iterator<Item = &Component> {
        self.components.iter().flatten()
    }

    pub(crate) fn components_mut(&mut self) -> impl Iterator<Item = &mut Component> {
        self.components.iter_mut().flatten()
    }

    /// Forgets all that could still cause something.
    pub(crate) fn close(&mut self) {
        self.valid = ValidList::default();
        self.authenticated = AuthenticatedPaths::default();
        self.early = EarlyRequests::default();
        self.remote = None;
        self.previous = None;
        self.coming = None;
        self.unresolved = UnresolvedCandidates::default();
        self.lost = Rare::new();
        self.disproven = Rare::new();
        for component in self.components_mut() {
            *component = Component::default();
        }
    }

    /// The components that had a route, which they lose.
    pub(crate) fn take_routes(&mut self) -> Vec<ComponentId> {
        let stream = self.id;
        let routed = |component: &mut Option<Component>| {
            component.as_mut().is_some_and(|component| {
                component.upkeep = None;
                component.route.take().is_some()
            })
        };
        let numbered =
            (1..).zip(&mut self.components).filter_map(|(number, it)| routed(it).then_some(number));
        numbered.map(|number| stream.component(number)).collect()
    }

    /// The valid pairs of a component on paths that are lost, but for the selected one, are valid no longer.
    pub(crate) fn forget_lost_pairs(&mut self, component: ComponentId) {
        let selected = self.valid.selected(component).map(|pair| pair.id);
        let lost = &self.lost;
        self.valid.remove(|pair| {
            pair.component == component && Some(pair.id) != selected && lost.contains(&pair.path)
        });
    }

    /// The component is not used after all.
    pub(crate) fn remove_component(&mut self, id: ComponentId) -> Option<Component> {
        self.components.get_mut(usize::from(id.number()).checked_sub(1)?)?.take()
    }

    /// The components that a pair is needed for: up to the highest that either side has signalled candidates for, once it has
    /// said that these are all (rfc8445-6.1.2.2-2). Where we have signalled none, that is no agreement on fewer.
    pub(crate) fn needed_components(&self) -> impl Iterator<Item = ComponentId> + Clone + use<'_> {
        let theirs = || {
            let signalled =
                |remote: &&RemoteCandidate| remote.candidate.kind() != CandidateKind::PeerReflexive;
            let named = self.unresolved.iter().map(|named| named.component);
            let all = self.remotes.iter().filter(signalled).map(|remote| remote.component).chain(named);
            all.map(ComponentId::number).max().filter(|_| self.remote_gathering != RemoteGathering::Open)
        };
        // Of one component there is nothing to agree on.
        let is_in_doubt = self.components.len() > 1;
        let theirs = is_in_doubt.then(theirs).flatten().unwrap_or(u16::MAX);
        let count = usize::from(self.provided.ours().min(theirs));
        let numbered = (1..).zip(&self.components).take(count);
        numbered.filter(|(_, ours)| ours.is_some()).map(|(number, _)| self.id.component(number))
    }

    /// All components that the stream ever had.
    pub(crate) fn component_ids(&self) -> impl Iterator<Item = ComponentId> + use<> {
        let (stream, count) = (self.id, u16::try_from(self.components.len()).unwrap_or(u16::MAX));
        (0..count).map(move |before| stream.component(before + 1))
    }

    /// Whether either side may still come up with candidates.
    pub(crate) fn expects_candidates(&self) -> bool {
        self.gathering != Gathering::Complete
            || self.remote_gathering != RemoteGathering::Complete
            || self.unresolved.is_waiting()
    }

    /// When a peer that does not say that it has no more candidates is taken to have said so, if ever.
    pub(crate) fn presumed_end(&self) -> Option<Timestamp> {
        let remote = self.remote.as_ref().filter(|remote| remote.presumes_end)?;
        let open = self.gathering == Gathering::Complete && self.remote_gathering == RemoteGathering::Open;
        open.then_some(remote.patient_until)
    }

    /// The pair that data may use: the selected one; before there is one, that of the generation before a restart, or the
    /// best valid one (RFC 8445 sections 9 and 12.1). Any of them only as long as the peer consents (rfc7675-5.1-1).
    pub(crate) fn route(&self, component: ComponentId) -> Option<&ValidPair> {
        // rfc8445-12.1-6
        if matches!(self.state, StreamState::Failed(_)) {
            return None;
        }
        let upkeep = self.component(component)?.upkeep;
        let consented = |pair: &&ValidPair| {
            let standing = upkeep.filter(|upkeep| upkeep.pair() == pair.id).map(|upkeep| upkeep.standing());
            self.is_ready() && matches!(standing, Some(Standing::Fresh | Standing::Overdue))
        };
        let previous = || self.previous.as_ref()?.route(component);
        let selected = self.valid.selected(component).filter(consented);
        let best = || self.valid.route(component).filter(|_| !self.is_abandoned(component));
        selected.or_else(previous).or_else(|| best().filter(consented))
    }

    /// Whether a candidate belongs to the generation that a restart has ended.
    pub(crate) fn is_of_previous(&self, candidate: &Candidate) -> bool {
        let old = self.superseded.as_ref().map(|old| old.ufrag());
        old.is_some() && old == candidate.ufrag()
    }

    /// Whether the end of the peer's candidates was signalled before the credentials that it came under, which are known now.
    pub(crate) fn take_coming_end(&mut self) -> bool {
        let ufrag = self.remote.as_ref().map(|remote| remote.credentials.ufrag());
        let end = self.coming.as_mut().and_then(|coming| coming.end.take());
        self.coming.take_if(|coming| coming.candidates.is_empty());
        end.is_some_and(|under| ufrag == Some(&*under))
    }

    /// Keeps a candidate of a generation that is not known yet: its credentials may be on their way (L-47).
    pub(crate) fn keep_for_later(
        &mut self,
        id: CandidateId,
        candidate: Candidate,
        limit: usize,
    ) -> Result<CandidateId, Error> {
        let coming = self.coming.get_or_insert_default();
        if coming.candidates.len() >= limit {
            return Err(Error::Limit);
        }
        coming.candidates.push((id, candidate));
        Ok(id)
    }

    /// The peer's nomination has found its pair: from now on only a larger number counts, where there are numbers.
    pub(crate) fn follow(&mut self, component: ComponentId, how: Nominated) {
        if self.renominates()
            && let Some(component) = self.component_mut(component)
        {
            component.change_mobility(|it| it.followed = it.followed.max(Some(how)));
        }
    }

    /// Whether the peer, if we have this role, may nominate whatever works first.
    pub(crate) fn may_nominate_first(&self, role: Role) -> bool {
        let is_old = |remote: &RemoteSide| remote.standard == Standard::Rfc5245;
        role == Role::Controlled && self.remote.as_ref().is_some_and(is_old)
    }

    /// Whether nominations may follow one another.
    pub(crate) fn renominates(&self) -> bool {
        self.remote.as_ref().is_some_and(|remote| remote.renomination.is_some())
    }

    /// How many pairs of a component may be kept beside the selected one.
    pub(crate) fn backups(&self) -> usize {
        self.remote.as_ref().map_or(0, |remote| usize::from(remote.backups))
    }

    /// Whether either side may come up with candidates after it has said that there are no more.
    pub(crate) fn is_continual(&self) -> bool {
        self.remote.as_ref().is_some_and(|remote| remote.continual)
    }

    /// Whether a component has lost its selected pair with the base and may not have another one without a restart: there
    /// is one nomination (rfc8445-8.1.1-2). A peer that nominates again all the same is followed.
    pub(crate) fn is_abandoned(&self, component: ComponentId) -> bool {
        self.has_lost_base(component) && !self.renominates()
    }

    pub(crate) fn has_lost_base(&self, component: ComponentId) -> bool {
        self.component(component).is_some_and(|component| component.base_lost)
    }

    /// Whether there are pairs, of this generation or of the one before, on which something may be sent.
    pub(crate) fn has_paths(&self) -> bool {
        let in_use = |component: &Component| component.route.is_some() || component.upkeep.is_some();
        self.previous.is_some() || !self.valid.pairs().is_empty() || self.components().any(in_use)
    }

    /// Whether no more pairs are wanted for a component.
    pub(crate) fn is_settled(&self, component: ComponentId) -> bool {
        let reopened =
            self.component(component).is_some_and(|component| component.mobility().reopened.is_some());
        self.is_concluded(component) && !reopened && self.backups() == 0
    }

    /// The pairs that are selected, of all components.
    pub(crate) fn selected_pairs(&self) -> impl Iterator<Item = &ValidPair> {
        self.component_ids().filter_map(|component| self.valid.selected(component))
    }

    /// Whether the peer has withdrawn its candidate of a pair.
    pub(crate) fn is_withdrawn(&self, pair: &ValidPair) -> bool {
        self.remotes.get(pair.remote).is_some_and(|remote| remote.withdrawn)
    }

    /// Whether ICE has concluded for a component (RFC 8445 section 8.1.2).
    pub(crate) fn is_concluded(&self, component: ComponentId) -> bool {
        self.valid.selected(component).is_some()
    }
}
