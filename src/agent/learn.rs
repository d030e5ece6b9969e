//! The peer's check: the answer, and what is learned from it (RFC 8445 section 7.3.1).

use alloc::vec::Vec;

use crate::agent::stats::count;
use crate::agent::stream::Stream;
use crate::agent::{Agent, Ignored, Reason, StreamState};
use crate::gather::BaseEntry;
use crate::ice::authenticated::AuthenticatedPath;
use crate::ice::early::{EarlyRequest, Learned};
use crate::ice::lite::Meeting;
use crate::ice::nomination::Nominated;
use crate::ice::pair::{CandidatePair, PairState};
use crate::ice::remote::RemoteLimits;
use crate::ice::responder::{self, Refusal, Request};
use crate::ice::{CandidateId, ComponentId, PairId, Resolution, Role, StreamId, check_ufrag};
use crate::net::{Path, unscoped};
use crate::stun::{AttributeType, ErrorCode, Integrity, Message, TransactionId, Unauthenticated};

impl Agent {
    /// Authenticates a check, answers it, and takes from it what there is to take, in the RFC's order.
    pub(super) fn answer_request(
        &mut self,
        component: ComponentId,
        path: Path,
        message: &Message<'_>,
    ) -> Result<bool, Ignored> {
        let (id, role) = (component.stream(), self.claim.role);
        let stream = self.stream(id).filter(|stream| !stream.is_closed()).ok_or(Ignored::Closed)?;
        let request = match stream.local.admit(message) {
            Ok(request) => request,
            Err(Refusal::Unauthenticated(Unauthenticated::UnknownUser)) if stream.previous.is_some() => {
                return self.answer_on_previous(id, path, message);
            }
            Err(refusal) => return Err(self.refuse(id, path, message, &refusal)),
        };
        if let Some(error) = self.objection(id, path, &request) {
            self.send_signed_error(id, path, (request.id, error, &[]), request.integrity);
            return Err(Ignored::Refused);
        }
        let Some(stream) = self.stream(id) else { return Err(Ignored::Closed) };
        // rfc8445-7.3-2, rfc8445-7.3-4: at once, and back the way it came.
        let answer = stream.local.answer(&request, unscoped(path.remote()));
        let learned =
            Learned { path, component, priority: request.priority, use_candidate: request.use_candidate };
        self.transmit(path, answer);
        let news = self.learn_or_keep(learned, request.remote_ufrag);
        Ok(news || role != self.claim.role)
    }

    /// The error that an authentic request is answered with, if it is; nothing else follows from it then.
    fn objection(
        &mut self,
        stream: StreamId,
        path: Path,
        request: &Request<'_>,
    ) -> Option<ErrorCode<'static>> {
        // rfc7675-5.2-3
        if self.stream(stream).is_some_and(|stream| stream.local.consent_revoked) {
            return Some(ErrorCode::FORBIDDEN);
        }
        // rfc8445-7.3.1.1-6
        if !self.settle_roles(stream, request) {
            return Some(ErrorCode::ROLE_CONFLICT);
        }
        // rfc8445-7.3.1.5-3: neither is a path wanted from where consent is gone, for we could not follow (rfc7675-5.1-17).
        let nominates = request.use_candidate.is_some() && self.follows();
        let unwanted =
            nominates && (!self.config.policy.accepts_nomination(path) || self.has_left(stream, path));
        unwanted.then_some(ErrorCode::BAD_REQUEST)
    }

    /// Whether the peer consents no longer on a path that is not that of the selected pair.
    fn has_left(&self, stream: StreamId, path: Path) -> bool {
        let Some(stream) = self.stream(stream) else { return false };
        stream.lost.contains(&path) && stream.selected_pairs().all(|pair| pair.path != path)
    }

    /// Before the peer's credentials are known a request waits for them (rfc8445-7.3-3); afterwards it counts at once,
    /// if it is from the peer that we know (rfc8445-7.3-7). `false` if it says nothing new.
    fn learn_or_keep(&mut self, learned: Learned, remote_ufrag: &[u8]) -> bool {
        let limit = self.config.limits.early_requests;
        let Ok(stream) = self.stream_mut(learned.component.stream()) else { return false };
        match &stream.remote {
            None => {
                // What is no fragment cannot turn out to be the peer's, and is not worth its memory.
                let remote_ufrag =
                    str::from_utf8(remote_ufrag).ok().filter(|ufrag| check_ufrag(ufrag).is_ok());
                if let Some(remote_ufrag) = remote_ufrag {
                    let request = EarlyRequest { learned, remote_ufrag: remote_ufrag.into() };
                    if !stream.early.keep(request, limit) {
                        count(&mut self.stats.others().early_requests_dropped);
                    }
                }
                false
            }
            Some(remote) if remote.credentials.ufrag().as_bytes() == remote_ufrag => self.learn(&learned),
            Some(_) => false,
        }
    }

    /// Takes up the requests that came before the peer's credentials.
    pub(super) fn catch_up(&mut self, stream: StreamId) {
        let Ok(known) = self.stream_mut(stream) else { return };
        for request in known.early.take() {
            self.learn_or_keep(request.learned, request.remote_ufrag.as_bytes());
        }
    }

    /// Resolves a role conflict; `false` if the peer has to give way (RFC 8445 section 7.3.1.1).
    fn settle_roles(&mut self, stream: StreamId, request: &Request<'_>) -> bool {
        if self.stream(stream).is_some_and(|stream| stream.meeting() == Meeting::LiteSelf) {
            return Self::is_role_in_order(request);
        }
        // rfc8445-7.3-7: with anybody but the peer that we know there is nothing to settle.
        let is_foreign = |known: &Stream| {
            let theirs = known.remote.as_ref().map(|remote| remote.credentials.ufrag().as_bytes());
            theirs.is_some_and(|ufrag| ufrag != request.remote_ufrag)
        };
        let Some(theirs) = request.claim.filter(|_| !self.stream(stream).is_some_and(is_foreign)) else {
            return true;
        };
        match self.claim.role.resolve(self.claim.tie_breaker, theirs) {
            Resolution::Agree => true,
            Resolution::Keep => false,
            Resolution::Switch if self.switch_role() => true,
            Resolution::Switch => {
                // Whatever its checks come to from now on, this is why.
                if let Ok(stream) = self.stream_mut(stream) {
                    stream.last_failure = Some(Reason::RoleConflict);
                }
                false
            }
        }
    }

    /// A check under the credentials of the generation before a restart is answered, and teaches nothing (rfc8445-9-6).
    fn answer_on_previous(
        &mut self,
        id: StreamId,
        path: Path,
        message: &Message<'_>,
    ) -> Result<bool, Ignored> {
        let Some(previous) = self.stream(id).and_then(|stream| stream.previous.as_ref()) else {
            return Err(Ignored::Unauthenticated);
        };
        let local = &previous.local;
        match local.admit(message) {
            Ok(request) if local.consent_revoked => {
                // rfc7675-5.2-3
                let answer = local.refusal(request.id, ErrorCode::FORBIDDEN, &[], request.integrity);
                self.transmit(path, answer);
                Err(Ignored::Refused)
            }
            Ok(request) => {
                let answer = local.answer(&request, unscoped(path.remote()));
                self.transmit(path, answer);
                self.hear_on_previous(id, path);
                Ok(true)
            }
            Err(refusal @ Refusal::Unauthenticated(_)) => Err(self.refuse(id, path, message, &refusal)),
            Err(Refusal::UnknownAttributes(..) | Refusal::BadRequest(_)) => Err(Ignored::Refused),
        }
    }

    fn refuse(&mut self, stream: StreamId, path: Path, message: &Message<'_>, refusal: &Refusal) -> Ignored {
        match refusal {
            Refusal::Unauthenticated(why) => {
                self.answer_unauthenticated(path, message, why.error_code());
                Ignored::Unauthenticated
            }
            // rfc8489-6.3.1-1
            Refusal::UnknownAttributes(unknown, integrity) => {
                let (id, error) = (message.transaction_id(), ErrorCode::UNKNOWN_ATTRIBUTE);
                self.send_signed_error(stream, path, (id, error, unknown), *integrity);
                Ignored::Refused
            }
            Refusal::BadRequest(integrity) => {
                let (id, error) = (message.transaction_id(), ErrorCode::BAD_REQUEST);
                self.send_signed_error(stream, path, (id, error, &[]), *integrity);
                Ignored::Refused
            }
        }
    }

    /// A few of those who have no credentials are told so; the rest is silence, and so is every answer that would be
    /// larger than its request.
    fn answer_unauthenticated(&mut self, path: Path, message: &Message<'_>, error: ErrorCode<'_>) {
        if message.as_bytes().len() >= responder::UNSIGNED_ERROR_LEN
            && self.answers.take_at(self.now, self.config.unauthenticated_answers)
        {
            self.transmit(path, responder::unsigned_error(message.transaction_id(), error));
        }
    }

    fn send_signed_error(
        &mut self,
        stream: StreamId,
        path: Path,
        (id, error, unknown): (TransactionId, ErrorCode<'_>, &[AttributeType]),
        integrity: Integrity,
    ) {
        if let Some(local) = self.stream(stream).map(|stream| &stream.local) {
            let answer = local.refusal(id, error, unknown, integrity);
            self.transmit(path, answer);
        }
    }

    /// RFC 8445 sections 7.3.1.3 to 7.3.1.5. `false` if nothing follows but that data is taken from there.
    fn learn(&mut self, request: &Learned) -> bool {
        let stream = request.component.stream();
        let Some(known) = self.stream(stream) else { return false };
        if matches!(known.state, StreamState::Failed(_) | StreamState::Closed) {
            return false;
        }
        if known.is_lite() {
            return self.follow(request);
        }
        // rfc7675-5.1-17: the peer may have noticed nothing, but only a restart leads back to this path.
        if known.lost.contains(&request.path) {
            return false;
        }
        let nominated = self.nomination_in(request);
        let Some(known) = self.stream(stream) else { return false };
        // A peer whose address has changed is known by its checks: where nominations can move, they are followed up.
        if known.is_concluded(request.component) && nominated.is_none() && !known.renominates() {
            self.vouch(request);
            return false;
        }
        // The pair has left the check list when another one was nominated, but it is still valid.
        let passed_over =
            known.valid.pairs().iter().find(|pair| pair.path == request.path).map(|pair| pair.id);
        let listed = self.lists.list(stream).is_some_and(|list| list.on_path(request.path).is_some());
        if let (Some(id), false) = (passed_over, listed) {
            let (Some(how), Ok(known)) = (nominated, self.stream_mut(stream)) else { return false };
            known.follow(request.component, how);
            return known.valid.nominate(id, how);
        }
        let relocated = self.is_relocated(request);
        let mut pair = self.pair_of(request);
        if pair.is_none() && nominated.is_some() && self.make_room_for_pair(stream) {
            pair = self.pair_of(request);
        }
        let Some(pair) = pair else { return true };
        if relocated {
            self.ask_at_both(request.component, pair);
        }
        self.trigger(stream, pair, request, nominated) || relocated
    }

    /// The nomination that a check makes, if it is one to follow: by the controlling peer, and where nominations are
    /// numbered by a larger number than before (renom-v1-5, renom-v2-3).
    pub(super) fn nomination_in(&self, request: &Learned) -> Option<Nominated> {
        let stream = self.stream(request.component.stream())?;
        let how = request.use_candidate.filter(|_| self.claim.role == Role::Controlled)?;
        if !stream.renominates() {
            return Some(Nominated::default());
        }
        let followed = stream.component(request.component)?.mobility().followed;
        // Somebody on the way may have sent it before from elsewhere: until a pair has been selected by it, it counts again.
        let is_open = || {
            let selected = stream.valid.selected(request.component);
            followed == Some(how) && selected.is_none_or(|selected| selected.nominated < Some(how))
        };
        (followed < Some(how) || is_open()).then_some(how)
    }

    /// Takes data from the path of a request that changes nothing else: until it learns of the selection, the peer sends
    /// on whatever pair our answers have made valid for it (rfc8445-12.2-1).
    pub(super) fn vouch(&mut self, request: &Learned) {
        let (stream, path) = (request.component.stream(), request.path);
        let is_known = |known: &Stream| known.authenticated.get(&path).is_some();
        // Only a candidate of the peer counts, so that the limits of those hold for paths as well.
        if self.stream(stream).is_none_or(is_known) || self.source_of(request).is_none() {
            return;
        }
        let listed = self.lists.list(stream).and_then(|list| list.on_path(path)).map(|pair| pair.id);
        let pair = listed.unwrap_or_else(|| self.next_pair_id());
        if let Ok(known) = self.stream_mut(stream) {
            let component = request.component;
            known.authenticated.insert(AuthenticatedPath { path, component, pair, valid: false });
        }
    }

    /// The pair on which a request came, made if it is not there (RFC 8445 sections 7.3.1.3 and 7.3.1.4).
    fn pair_of(&mut self, request: &Learned) -> Option<PairId> {
        let stream = request.component.stream();
        let base = self.gatherer.base_of(&request.path)?.id;
        let local = self.stream(stream)?.locals.of_base(base)?.id;
        let remote = self.source_of(request)?;
        self.form(stream, local, remote)
    }

    /// The candidate of the peer that a request has come from, a new one if need be.
    fn source_of(&mut self, request: &Learned) -> Option<CandidateId> {
        let (transport, address) = (request.path.transport(), unscoped(request.path.remote()));
        let known = self.stream(request.component.stream())?;
        if let Some(remote) = known.remotes.at(request.component, transport, address) {
            return Some(remote.id);
        }
        let base = self.gatherer.base_of(&request.path)?;
        let nominates = self.nomination_in(request).is_some();
        let limits = if nominates { self.remote_limits() } else { self.limits_on(base, known) };
        let base = base.id;
        if nominates {
            self.make_room_for_nominated(request.component.stream());
        }
        let id = self.next_candidate_id();
        let known = self.stream_mut(request.component.stream()).ok()?;
        let (heard_on, source) = ((request.component, base), (transport, address));
        let learned = known.remotes.learn(id, heard_on, source, request.priority, &limits);
        if learned.is_none() {
            count(&mut self.stats.others().peer_reflexive_refused);
        }
        learned
    }

    /// A nomination that is not followed leaves the peer alone with its selected pair: what was learned before gives way to it,
    /// what has come to nothing first, but nothing that the peer has nominated as well.
    fn make_room_for_nominated(&mut self, stream: StreamId) {
        let limit = self.config.limits.peer_reflexive;
        let Some((known, list)) = self.stream(stream).zip(self.lists.list(stream)) else { return };
        let listed = |id: CandidateId| list.pairs().iter().filter(move |pair| pair.remote == id);
        let valid = |id: CandidateId| known.valid.pairs().iter().filter(move |pair| pair.remote == id);
        let is_wanted = |id: CandidateId| {
            listed(id).any(|pair| pair.nominated_by_peer.is_some())
                || valid(id).any(|pair| pair.nominated.is_some())
                || known.selected_pairs().any(|pair| pair.remote == id)
        };
        let is_idle = |id: CandidateId| {
            listed(id).all(|pair| pair.state == PairState::Failed) && valid(id).next().is_none()
        };
        let worth = |id: CandidateId| {
            let priority = known.remotes.get(id).map(|learned| learned.candidate.priority());
            (!is_idle(id), priority)
        };
        let learned = known.remotes.learned();
        let least = learned.clone().filter(|id| !is_wanted(*id)).min_by_key(|id| worth(*id));
        let least = least.filter(|_| learned.count() >= limit);
        least.into_iter().for_each(|least| self.forget_remote(stream, least));
    }

    /// The same for its pair: the worst one that the peer has not nominated as well leaves the list. If it has succeeded it stays
    /// valid. `false` if there is none.
    fn make_room_for_pair(&mut self, stream: StreamId) -> bool {
        let Some((known, list)) = self.stream(stream).zip(self.lists.list(stream)) else { return false };
        let is_full = self.lists.len() >= self.config.limits.pairs;
        let selected: Vec<PairId> = known.selected_pairs().map(|pair| pair.checked).collect();
        let spare = |pair: &&CandidatePair| pair.nominated_by_peer.is_none() && !selected.contains(&pair.id);
        let worst = list.pairs().iter().rev().find(spare).map(|pair| pair.id).filter(|_| is_full);
        worst.into_iter().for_each(|worst| self.drop_pairs(stream, |pair| pair.id == worst));
        worst.is_some()
    }

    /// How many candidates may be learned. Of two NATs that map each destination to a port of its own every check from one makes
    /// a new candidate at the other: that goes on until there is no room. What leads out of it has a quarter left, once for
    /// relays, and once for sockets that have hardly heard of any.
    fn limits_on(&self, base: &BaseEntry, stream: &Stream) -> RemoteLimits {
        let limits = self.remote_limits();
        if !base.is_socket() {
            return limits;
        }
        let is_quiet = |base: &BaseEntry| stream.remotes.heard_on(base.id) < HEARD_AT_LEAST;
        let mut sockets = self.gatherer.sockets().filter(|other| other.component.stream() == stream.id);
        let yields_to_sockets = !is_quiet(base) && sockets.any(is_quiet);
        let yields_to_relays = self.gatherer.relays.iter().next().is_some();
        let quarters = u8::from(yields_to_relays) + u8::from(yields_to_sockets);
        let (live, accepted) = (limits.peer_reflexive_live, limits.peer_reflexive_accepted);
        RemoteLimits {
            peer_reflexive_live: live - live / 4 * usize::from(quarters),
            peer_reflexive_accepted: accepted - accepted / 4 * u32::from(quarters),
            ..limits
        }
    }

    /// RFC 8445 sections 7.3.1.4 and 7.3.1.5. `false` if nothing follows for now: the pair has succeeded, and is nominated if that is
    /// what was asked; or it was to be checked before, and no other one is valid.
    fn trigger(
        &mut self,
        stream: StreamId,
        id: PairId,
        request: &Learned,
        nominated: Option<Nominated>,
    ) -> bool {
        let Some(list) = self.lists.list_mut(stream) else { return true };
        let Some(pair) = list.pair_mut(id) else { return true };
        let (state, valid, worn_out) = (pair.state, pair.valid, pair.is_worn_out());
        pair.nominated_by_peer = pair.nominated_by_peer.max(nominated);
        match state {
            // rfc8445-7.3.1.4-2
            PairState::Succeeded => {}
            _ if worn_out => {}
            PairState::InProgress(transaction) => {
                // rfc8445-7.3.1.4-3: still answered, no longer repeated, and no failure.
                self.transactions.silence(transaction);
                list.trigger(id);
            }
            PairState::Frozen | PairState::Waiting | PairState::Failed => list.trigger(id),
        }
        let Ok(known) = self.stream_mut(stream) else { return true };
        let (path, component) = (request.path, request.component);
        if let Some(how) = nominated {
            known.follow(component, how);
        }
        known.authenticated.insert(AuthenticatedPath {
            path,
            component,
            pair: valid.unwrap_or(id),
            valid: false,
        });
        // rfc8445-7.3.1.5-1; before success it is remembered: rfc8445-7.3.1.5-2.
        match (nominated, state, valid) {
            (Some(how), PairState::Succeeded, Some(valid)) => known.valid.nominate(valid, how),
            _ if state.is_open() => !known.valid.pairs().is_empty(),
            _ => state == PairState::Failed,
        }
    }
}

/// As long as fewer candidates were learned on a socket, others leave it room.
const HEARD_AT_LEAST: usize = 2;
