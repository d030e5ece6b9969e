//! What an agent knows of one data stream.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use crate::agent::error::{Error, Reason};
use crate::agent::event::StreamState;
use crate::ice::authenticated::AuthenticatedPaths;
use crate::ice::early::EarlyRequests;
use crate::ice::local::LocalCandidates;
use crate::ice::nomination::Progress;
use crate::ice::remote::RemoteCandidates;
use crate::ice::valid::ValidList;
use crate::ice::{Candidate, ComponentId, Credentials, Generation, PairId, StreamId};
use crate::net::Path;
use crate::stun::{Key, Username};
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
}

impl Remote {
    /// A peer with these credentials, which trickles its candidates and proposes no pacing.
    #[must_use]
    pub const fn new(credentials: Credentials) -> Self {
        Self { credentials, candidates: Vec::new(), pacing: None, trickle: true }
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

    /// The peer does not trickle: these candidates are all it has.
    #[must_use]
    pub const fn complete(mut self) -> Self {
        self.trickle = false;
        self
    }
}

/// What a call of [`Agent::set_remote`](crate::Agent::set_remote) has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RemoteChange {
    /// The peer is known now.
    Set,
    /// It was known already, by the same credentials.
    Unchanged,
}

/// A data stream.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) state: StreamState,
    pub(crate) generation: Generation,
    /// Component `n` stands at `n - 1`; a removed one leaves a gap.
    components: Vec<Option<Component>>,
    pub(crate) local: LocalSide,
    pub(crate) remote: Option<RemoteSide>,
    pub(crate) locals: LocalCandidates,
    pub(crate) remotes: RemoteCandidates,
    pub(crate) valid: ValidList,
    pub(crate) authenticated: AuthenticatedPaths,
    pub(crate) early: EarlyRequests,
    pub(crate) gathering: Gathering,
    /// The peer has no more candidates (RFC 8838 section 14).
    pub(crate) remote_ended: bool,
    /// Why the last check failed: the reason if all of them do.
    pub(crate) last_failure: Option<Reason>,
}

/// Our credentials and what is computed from them once.
#[derive(Debug)]
pub(crate) struct LocalSide {
    pub(crate) credentials: Credentials,
    pub(crate) key: Key,
}

impl LocalSide {
    pub(crate) fn new(credentials: Credentials) -> Self {
        let key = Key::short_term(credentials.password().as_bytes());
        Self { credentials, key }
    }
}

/// The peer's credentials and what is computed from them once.
#[derive(Debug)]
pub(crate) struct RemoteSide {
    pub(crate) credentials: Credentials,
    pub(crate) key: Key,
    /// The peer's fragment, a colon, ours (rfc8445-7.2.2-1).
    pub(crate) username: Box<str>,
    pub(crate) pacing: Option<Duration>,
    pub(crate) trickle: bool,
    /// Until then the peer's checks may still bring a candidate (the PAC timer, RFC 8863 section 4).
    pub(crate) patient_until: Timestamp,
}

impl RemoteSide {
    pub(crate) fn new(remote: &Remote, local_ufrag: &str, patient_until: Timestamp) -> Result<Self, Error> {
        let username = format!("{}:{local_ufrag}", remote.credentials.ufrag()).into_boxed_str();
        // rfc8489-14.3-2: found here once, so that no check has to fail over it.
        Username::new(&username).map_err(|_| Error::UserNameLength)?;
        Ok(Self {
            key: Key::short_term(remote.credentials.password().as_bytes()),
            credentials: remote.credentials.clone(),
            username,
            pacing: remote.pacing,
            trickle: remote.trickle,
            patient_until,
        })
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
    /// Over, and announced (RFC 8838 section 13).
    Complete,
}

/// One component of a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Component {
    pub(crate) nomination: Progress,
    /// How many bases it has had: the next one's rank.
    pub(crate) bases: u16,
    /// As announced.
    pub(crate) selected: Option<PairId>,
    /// As announced.
    pub(crate) route: Option<(PairId, Path)>,
}

impl Stream {
    pub(crate) fn new(id: StreamId, components: u8, credentials: Credentials) -> Self {
        Self {
            id,
            state: StreamState::New,
            generation: Generation::FIRST,
            components: (0..components).map(|_| Some(Component::default())).collect(),
            local: LocalSide::new(credentials),
            remote: None,
            locals: LocalCandidates::default(),
            remotes: RemoteCandidates::default(),
            valid: ValidList::default(),
            authenticated: AuthenticatedPaths::default(),
            early: EarlyRequests::default(),
            gathering: Gathering::default(),
            remote_ended: false,
            last_failure: None,
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

    pub(crate) fn components_mut(&mut self) -> impl Iterator<Item = &mut Component> {
        self.components.iter_mut().flatten()
    }

    /// Forgets all that could still cause something.
    pub(crate) fn close(&mut self) {
        self.valid = ValidList::default();
        self.authenticated = AuthenticatedPaths::default();
        self.early = EarlyRequests::default();
        self.remote = None;
        for component in self.components_mut() {
            *component = Component::default();
        }
    }

    /// The components that had a route, which they lose.
    pub(crate) fn take_routes(&mut self) -> Vec<ComponentId> {
        let stream = self.id;
        let routed = |component: &mut Option<Component>| {
            component.as_mut().is_some_and(|component| component.route.take().is_some())
        };
        let numbered =
            (1..).zip(&mut self.components).filter_map(|(number, it)| routed(it).then_some(number));
        numbered.map(|number| stream.component(number)).collect()
    }

    /// The component is not used after all.
    pub(crate) fn remove_component(&mut self, id: ComponentId) -> Option<Component> {
        self.components.get_mut(usize::from(id.number()).checked_sub(1)?)?.take()
    }

    /// The components that a pair is needed for: ours, up to the highest that the peer has candidates for, once it has
    /// said that it has no more (rfc8445-6.1.2.2-2).
    pub(crate) fn needed_components(&self) -> impl Iterator<Item = ComponentId> + use<'_> {
        let theirs = self.remotes.iter().map(|remote| remote.component.number()).max();
        let highest = theirs.filter(|_| self.remote_ended).unwrap_or(u16::MAX);
        let numbered = (1..=highest).zip(&self.components);
        numbered.filter(|(_, ours)| ours.is_some()).map(|(number, _)| self.id.component(number))
    }

    /// All components that the stream ever had.
    pub(crate) fn component_ids(&self) -> impl Iterator<Item = ComponentId> + use<> {
        let (stream, count) = (self.id, u16::try_from(self.components.len()).unwrap_or(u16::MAX));
        (1..=count).map(move |number| stream.component(number))
    }

    /// Whether either side may still come up with candidates.
    pub(crate) fn expects_candidates(&self) -> bool {
        self.gathering != Gathering::Complete || !self.remote_ended
    }

    /// Whether ICE has concluded for a component (RFC 8445 section 8.1.2).
    pub(crate) fn is_concluded(&self, component: ComponentId) -> bool {
        self.valid.selected(component).is_some()
    }
}
