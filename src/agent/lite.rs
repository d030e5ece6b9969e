//! What a lite agent does in the place of checks: it follows the peer's nominations, or pairs what both have signalled
//! (RFC 8445 sections 5.2, 7.3.2 and 8.2).

use alloc::vec::Vec;

use crate::agent::ends::matches;
use crate::agent::freshness::Upkeep;
use crate::agent::stream::Stream;
use crate::agent::{Agent, Error, Event, StreamState};
use crate::gather::{Base, BaseEntry};
use crate::ice::authenticated::AuthenticatedPath;
use crate::ice::consent;
use crate::ice::early::Learned;
use crate::ice::lite::{Heard, Implementation, Meeting, local_preference};
use crate::ice::nomination::Nominated;
use crate::ice::responder::Request;
use crate::ice::valid::ValidPair;
use crate::ice::{ComponentId, PairId, Role, StreamId};
use crate::net::{Path, unscoped};
use crate::time::{Measured, Timestamp};

impl Agent {
    /// Whether this agent is lite (RFC 8445 section 2.5): to be signalled as `ice-lite`.
    #[must_use]
    pub fn is_lite(&self) -> bool {
        self.config.implementation == Implementation::Lite
    }

    /// Tells a lite agent with a lite peer which pair of a component the two have agreed on, by the updated exchange
    /// that [`Event::Reconcile`] asks for: the controlling one passes what it has signalled, the controlled one what
    /// it was told.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPair`] if no two candidates make a pair on this path, or if not both agents are lite;
    /// [`Error::UnknownStream`], [`Error::Closed`].
    pub fn reconcile(&mut self, now: Timestamp, component: ComponentId, path: Path) -> Result<(), Error> {
        self.begin(now)?;
        self.stream_mut(component.stream())?;
        let agreed = self.pairs_of_both(component).into_iter().find(|pair| pair.path == path);
        let agreed = agreed.ok_or(Error::UnknownPair)?;
        let stream = self.stream_mut(component.stream())?;
        stream.valid.remove(|pair| pair.component == component && pair.path != path);
        self.trust(agreed, true);
        self.settle();
        Ok(())
    }

    /// rfc8445-5.2-2: a lite agent has one candidate for an address and a component.
    pub(super) fn admit_lite_base(&self, component: ComponentId, base: &Base) -> Result<(), Error> {
        let same = |entry: &BaseEntry| {
            entry.component == component
                && entry.base.transport == base.transport
                && entry.base.local().ip() == base.local().ip()
        };
        let of_stream = |entry: &&BaseEntry| entry.component.stream() == component.stream();
        if !self.is_lite() {
            Ok(())
        } else if self.gatherer.bases().any(same) {
            Err(Error::LiteAddress)
        } else if self.gatherer.bases().filter(of_stream).count() >= self.config.limits.local_candidates {
            Err(Error::Limit)
        } else {
            Ok(())
        }
    }

    /// The candidates of a lite agent, once all its sockets are known: their priorities depend on one another
    /// (rfc8445-5.2-5).
    pub(super) fn add_lite_candidates(&mut self, stream: StreamId) {
        let entries = self.gatherer.bases_in_order(|entry| entry.component.stream() == stream);
        let only_ipv4 = entries.iter().all(|entry| entry.base.local().is_ipv4());
        let mut taken: Vec<(ComponentId, u16)> = Vec::new();
        for entry in entries {
            let mut preference = local_preference(entry.base.local().ip(), only_ipv4);
            // Several addresses of one kind are against the RFC's advice (rfc8445-5.2-3), and get a rank all the same.
            while preference > 0 && taken.contains(&(entry.component, preference)) {
                preference -= 1;
            }
            taken.push((entry.component, preference));
            self.add_host_candidate_with(&entry, preference);
        }
    }

    /// The roles follow from which of the two agents are lite (RFC 8445 section 6.1.1).
    pub(super) fn take_role_for(&mut self, stream: StreamId) {
        let Some(meeting) = self.stream(stream).map(Stream::meeting) else { return };
        if meeting.role(self.claim.role) != self.claim.role {
            self.take_other_role();
        }
    }

    /// Whether the nominations of the peer count.
    pub(super) fn follows(&self) -> bool {
        self.claim.role == Role::Controlled || self.is_lite()
    }

    /// Whether a stream has a lite peer, which cannot control (rfc8445-6.1.1-2).
    pub(super) fn is_bound_to_control(&self) -> bool {
        self.streams.iter().any(|stream| stream.meeting() == Meeting::LitePeer)
    }

    /// Whether the claim of a request is in order for a lite agent. Whoever checks is full and has to control; one that
    /// does not is answered 487, upon which it will.
    pub(super) fn is_role_in_order(request: &Request<'_>) -> bool {
        request.claim.is_none_or(|claim| claim.role == Role::Controlling)
    }

    /// The check of a full peer: its nomination makes the pair valid and selects it (RFC 8445 section 7.3.2); without
    /// one nothing follows but that data is taken from there (rfc8445-7.3.2-2), and `false` comes back.
    pub(super) fn follow(&mut self, request: &Learned) -> bool {
        self.vouch(request);
        let (path, now) = (request.path, self.now);
        let patient_until = now + self.config.patience_for_checks;
        let Ok(stream) = self.stream_mut(request.component.stream()) else { return false };
        // What is lost, a restart can save.
        if stream.meeting() != Meeting::LiteSelf || matches!(stream.state, StreamState::Lost(_)) {
            return false;
        }
        stream.hear(request.component, path, now);
        if let Some(remote) = &mut stream.remote {
            // Its next check may be the nomination.
            remote.patient_until = patient_until;
        }
        self.nomination_in(request).and_then(|how| self.obey(request, how)).unwrap_or(false)
    }

    /// Puts the pair of a nomination into the valid list.
    ///
    /// Its priority is arbitrary to the RFC. What the checks say in PRIORITY orders several nominations, never what was
    /// signalled for some of the candidates (L-09).
    fn obey(&mut self, request: &Learned, how: Nominated) -> Option<bool> {
        let base = self.gatherer.base_of(&request.path)?.id;
        let (role, now) = (self.claim.role, self.now);
        let stream = self.stream_mut(request.component.stream()).ok()?;
        let local = stream.locals.of_base(base)?;
        let known = stream.authenticated.get(&request.path)?;
        let (transport, source) = (request.path.transport(), unscoped(request.path.remote()));
        let remote = stream.remotes.at(request.component, transport, source)?;
        let (component, path) = (known.component, known.path);
        let pair = ValidPair {
            id: known.pair,
            checked: known.pair,
            component,
            local: local.id,
            remote: remote.id,
            path,
            priority: role.pair_priority(local.candidate.priority(), request.priority),
            nominated: None,
            answered_at: now,
            is_hearsay: false,
            asked_at: None,
            rtt: Measured::default(),
            seen_at: None,
            is_nominated_elsewhere: false,
        };
        let valid = stream.valid.insert(pair);
        stream.follow(component, how);
        Some(stream.valid.nominate(valid, how))
    }

    /// A request under the credentials of the generation before a restart.
    pub(super) fn hear_on_previous(&mut self, stream: StreamId, path: Path) {
        let now = self.now;
        let Ok(stream) = self.stream_mut(stream) else { return };
        for known in stream.previous.iter_mut().flat_map(|previous| &mut previous.paths) {
            if known.valid.path == path
                && let Some(Upkeep::Heard(heard)) = &mut known.upkeep
            {
                heard.heard(now);
            }
        }
    }

    /// The peer has fallen silent on a pair. If it was heard lately on another one that it has nominated, that one
    /// takes over.
    pub(super) fn fall_back(&mut self, component: ComponentId, lost: PairId) {
        let now = self.now;
        let Ok(stream) = self.stream_mut(component.stream()) else { return };
        let is_alive = |pair: &ValidPair| {
            pair.component == component && pair.id != lost && pair.answered_at + consent::EXPIRY > now
        };
        if stream.valid.get(lost).is_some() && stream.valid.pairs().iter().any(is_alive) {
            stream.valid.remove(|pair| pair.component == component && !is_alive(pair));
        }
    }

    /// Two lite agents: once the candidates are exchanged each component gets its pair, without any check (RFC 8445
    /// section 8.2).
    pub(super) fn pair_both_lite(&mut self, id: StreamId) {
        let Some(stream) = self.stream(id) else { return };
        if stream.meeting() != Meeting::BothLite || stream.expects_candidates() || stream.is_ready() {
            return;
        }
        let components: Vec<ComponentId> = stream.needed_components().collect();
        let pairs: Vec<Vec<ValidPair>> =
            components.into_iter().map(|component| self.pairs_of_both(component)).collect();
        if pairs.iter().any(Vec::is_empty) {
            return;
        }
        // rfc8445-8.2-3: with a choice, both sides have to be told that they chose alike.
        let agreed = pairs.iter().all(|pairs| pairs.len() == 1);
        for pairs in pairs {
            if let Some(pair) = pairs.into_iter().max_by_key(|pair| (pair.priority, pair.path)) {
                self.trust(pair, agreed);
            }
        }
        if !agreed && self.claim.role == Role::Controlling {
            self.emit(Event::Reconcile { stream: id });
        }
    }

    /// All pairs of a component that two lite agents have between them.
    fn pairs_of_both(&mut self, component: ComponentId) -> Vec<ValidPair> {
        let (id, role, now) = (self.next_pair_id(), self.claim.role, self.now);
        let Some(stream) = self.stream(component.stream()) else { return Vec::new() };
        if stream.meeting() != Meeting::BothLite {
            return Vec::new();
        }
        let mut pairs = Vec::new();
        for local in stream.locals.iter().filter(|local| local.component() == component) {
            for remote in stream.remotes.iter().filter(|remote| matches(local, remote)) {
                let (ours, theirs) = (&local.candidate, &remote.candidate);
                pairs.push(ValidPair {
                    id,
                    checked: id,
                    component,
                    local: local.id,
                    remote: remote.id,
                    path: Path::new(ours.transport(), local.base_address(), remote.address()),
                    priority: role.pair_priority(ours.priority(), theirs.priority()),
                    nominated: None,
                    answered_at: now,
                    is_hearsay: false,
                    asked_at: None,
                    rtt: Measured::default(),
                    seen_at: None,
                    is_nominated_elsewhere: false,
                });
            }
        }
        pairs
    }

    /// A pair that the descriptions alone make valid, for data in both directions.
    fn trust(&mut self, pair: ValidPair, nominated: bool) {
        let Ok(stream) = self.stream_mut(pair.component.stream()) else { return };
        let (path, component) = (pair.path, pair.component);
        let id = stream.valid.insert(pair);
        stream.authenticated.insert(AuthenticatedPath { path, component, pair: id, valid: false });
        if nominated {
            stream.valid.nominate(id, Nominated::default());
        }
    }

    /// How the path of a pair is kept, on which the peer was last heard at `consented_at`.
    pub(super) fn upkeep_for(
        &self,
        stream: StreamId,
        pair: PairId,
        consented_at: Option<Timestamp>,
    ) -> Upkeep {
        let meeting = self.stream(stream).map_or(Meeting::BothFull, Stream::meeting);
        match (meeting, self.config.consent) {
            (Meeting::LiteSelf, true) => Upkeep::Heard(Heard::new(pair, consented_at.unwrap_or(self.now))),
            (Meeting::LiteSelf, false) | (Meeting::BothLite, _) => Upkeep::Heard(Heard::forever(pair)),
            (Meeting::BothFull | Meeting::LitePeer, true) => {
                Upkeep::Consent(self.consent_for(stream, pair, consented_at))
            }
            (Meeting::BothFull | Meeting::LitePeer, false) => {
                Upkeep::Keepalive { pair, at: self.now + self.config.keepalive }
            }
        }
    }
}

impl Stream {
    /// Which of the two agents are lite, as far as is known. A lite agent that hears from a peer before it was
    /// signalled hears from a full one.
    pub(crate) fn meeting(&self) -> Meeting {
        let theirs = self.remote.as_ref().map_or(Implementation::Full, |remote| remote.implementation);
        Meeting::of(self.implementation, theirs)
    }

    /// Whether our agent is lite.
    pub(crate) fn is_lite(&self) -> bool {
        self.implementation == Implementation::Lite
    }

    /// rfc8445-12.1.1-1, rfc8445-8.2-1: for a lite agent nothing is selected, and no data sent, before every component
    /// has its pair.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_lite() || self.needed_components().all(|component| self.valid.best(component).is_some())
    }

    /// The peer was heard on a path.
    fn hear(&mut self, component: ComponentId, path: Path, now: Timestamp) {
        let Some(pair) = self.valid.pairs_mut().find(|pair| pair.path == path) else { return };
        pair.answered_at = now;
        let id = pair.id;
        if let Some(Upkeep::Heard(heard)) = self.upkeep_mut(component)
            && heard.pair == id
        {
            heard.heard(now);
        }
    }

    fn upkeep_mut(&mut self, component: ComponentId) -> Option<&mut Upkeep> {
        self.component_mut(component)?.upkeep.as_mut()
    }
}
