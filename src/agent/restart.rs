//! ICE restarts: a new generation, while the old one carries the data (RFC 8445 section 9).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::agent::checks::check_priority;
use crate::agent::freshness::{ConsentOwner, Upkeep};
use crate::agent::sides::{LocalSide, RemoteSide};
use crate::agent::stream::{Gathering, Provided, RemoteGathering, Search, Stream};
use crate::agent::{Agent, Error, Event, Output, Owner, Remote, RemoteChange, StreamState};
use crate::ice::authenticated::AuthenticatedPaths;
use crate::ice::consent::Standing;
use crate::ice::early::EarlyRequests;
use crate::ice::local::LocalCandidate;
use crate::ice::unresolved::UnresolvedCandidates;
use crate::ice::valid::ValidPair;
use crate::ice::{Candidate, ComponentId, Credentials, Generation, PairId, Priority, StreamId};
use crate::list::Rare;
use crate::net::Path;
use crate::time::{Deadline, Timestamp};

/// What lives on of the generation that a restart has ended, until the next one has selected: its credentials, and the
/// paths that carry data.
#[derive(Debug)]
pub(crate) struct Previous {
    pub(crate) local: LocalSide,
    pub(crate) remote: RemoteSide,
    pub(crate) paths: Vec<PreviousPath>,
    pub(crate) authenticated: AuthenticatedPaths,
    /// Once the next generation has selected: how long a peer that is slower to move is still heard.
    pub(crate) heard_until: Option<Timestamp>,
}

/// The path of one component.
#[derive(Debug)]
pub(crate) struct PreviousPath {
    pub(crate) valid: ValidPair,
    pub(crate) local: Candidate,
    pub(crate) remote: Candidate,
    /// In checks.
    pub(crate) priority: Priority,
    pub(crate) upkeep: Option<Upkeep>,
}

impl Previous {
    /// The path of a component, if the peer still consents to data on it (rfc8445-9-3, rfc7675-5.1-14).
    pub(crate) fn route(&self, component: ComponentId) -> Option<&ValidPair> {
        let path = self.paths.iter().find(|path| path.valid.component == component)?;
        let standing = path.upkeep.as_ref()?.standing();
        matches!(standing, Standing::Fresh | Standing::Overdue).then_some(&path.valid)
    }

    /// Whether data still depends on it.
    fn is_in_use(&self) -> bool {
        self.heard_until.is_none() && self.paths.iter().any(|path| self.route(path.valid.component).is_some())
    }

    pub(crate) fn path(&self, pair: PairId) -> Option<&PreviousPath> {
        self.paths.iter().find(|path| path.valid.id == pair)
    }
}

impl Agent {
    /// Restarts a stream from the bases it has: new credentials, and all candidates are signalled again under them. Until
    /// the new generation has selected, the old one carries the data, answers checks, and keeps consent.
    ///
    /// The peer's answer goes in through [`set_remote`](Self::set_remote). Only the answer to the last restart counts; to
    /// tell it from an answer to an earlier one, which was on its way, say what it answers
    /// ([`Remote::answering`](crate::Remote::answering)). Otherwise each change of credentials is a restart of the peer to the
    /// agent, which it follows.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownStream`], [`Error::Closed`].
    pub fn restart(&mut self, now: Timestamp, stream: StreamId) -> Result<Generation, Error> {
        let credentials = Credentials::generate(&mut self.entropy, self.config.ufrag_prefix);
        self.restart_with(now, stream, credentials)
    }

    /// The same with credentials of the application's making.
    ///
    /// # Errors
    ///
    /// As [`restart`](Self::restart), and [`Error::SameCredentials`] unless fragment and password are both new.
    pub fn restart_with(
        &mut self,
        now: Timestamp,
        stream: StreamId,
        credentials: Credentials,
    ) -> Result<Generation, Error> {
        self.begin(now)?;
        let old = &self.stream_mut(stream)?.local.credentials;
        // rfc8445-9-1
        if old.ufrag() == credentials.ufrag() || old.password() == credentials.password() {
            return Err(Error::SameCredentials);
        }
        self.begin_generation(stream, credentials);
        self.settle();
        self.stream(stream).map(|stream| stream.generation).ok_or(Error::UnknownStream)
    }

    /// The peer has no more candidates under this user-name fragment: like
    /// [`end_of_remote_candidates`](Self::end_of_remote_candidates), but what ends is the generation of the fragment. The one
    /// before the current one has ended already, and one that is still to come ends once its credentials are known.
    ///
    /// # Errors
    ///
    /// [`Error::CandidateGeneration`] for the generation that a restart has ended; [`Error::UnknownStream`],
    /// [`Error::Closed`].
    pub fn end_of_remote_candidates_under(
        &mut self,
        now: Timestamp,
        stream: StreamId,
        ufrag: &str,
    ) -> Result<(), Error> {
        self.begin(now)?;
        let known = self.stream_mut(stream)?;
        // rfc8838-14-3
        if known.superseded.as_ref().is_some_and(|old| old.ufrag() == ufrag) {
            return Err(Error::CandidateGeneration);
        }
        match &known.remote {
            Some(remote) if remote.credentials.ufrag() == ufrag => {
                known.remote_gathering = RemoteGathering::Complete;
            }
            _ => known.coming.get_or_insert_default().end = Some(ufrag.into()),
        }
        self.settle();
        Ok(())
    }

    /// What the peer's credentials mean for a stream.
    pub(super) fn remote_change(&self, stream: StreamId, remote: &Remote) -> Result<RemoteChange, Error> {
        let stream = self.stream(stream).filter(|stream| !stream.is_closed()).ok_or(Error::UnknownStream)?;
        let theirs = &remote.credentials;
        if remote.answers.as_deref().is_some_and(|ours| ours != stream.local.credentials.ufrag()) {
            return Ok(RemoteChange::Unchanged);
        }
        let Some(known) = &stream.remote else {
            // An answer that was on its way when we restarted is about the generation before.
            let stale = stream.superseded.as_deref() == Some(theirs);
            return Ok(if stale { RemoteChange::Unchanged } else { RemoteChange::Set });
        };
        let current = &known.credentials;
        match (current.ufrag() == theirs.ufrag(), current.password() == theirs.password()) {
            (true, true) => Ok(RemoteChange::Unchanged),
            (false, false) => Ok(RemoteChange::Restarted),
            _ => Err(Error::SameCredentials),
        }
    }

    /// Takes up the candidates that came before the credentials they belong to.
    pub(super) fn take_coming(&mut self, stream: StreamId) {
        let Ok(known) = self.stream_mut(stream) else { return };
        let Some(coming) = &mut known.coming else { return };
        let mut coming = core::mem::take(&mut coming.candidates);
        let ufrag = known.remote.as_ref().map(|remote| remote.credentials.ufrag());
        coming.retain(|(_, candidate)| candidate.ufrag() == ufrag);
        for (id, candidate) in coming {
            // What cannot be used does no harm.
            let _ = self.accept_candidate_as(stream, id, candidate);
        }
    }

    /// Flushes everything of a stream but its role, its bases, and the paths in use (rfc8445-9-2).
    pub(super) fn begin_generation(&mut self, id: StreamId, credentials: Credentials) {
        let give_up_at = self.now + self.config.gathering_limit;
        self.role_switches = 0;
        let Ok(stream) = self.stream_mut(id) else { return };
        stream.next_generation(LocalSide::new(credentials));
        let current = stream.generation;
        let hosts: Vec<LocalCandidate> = stream.locals.iter().cloned().collect();
        self.lists.restart(id);
        self.keep_asking_on_previous(id);
        self.forget_consent_without_pair(id);
        self.transactions.retain(|owner| !owner.is_check_for(id));
        self.forget_held_checks(id);
        // What is still queued would be signalled under credentials that are gone (L-32).
        self.outputs.retain(|output| !is_of_older_generation(output, id, current));
        self.withdraw_questions();
        let transactions = self.gatherer.regather(|component| component.stream() == id, give_up_at);
        self.cancel(transactions);
        self.doubt_relays_of(id);
        self.enter_state(id, StreamState::New);
        for host in hosts {
            if let Ok(stream) = self.stream_mut(id) {
                stream.locals.remove(|known| known.id == host.id);
            }
            self.announce(host);
        }
    }

    /// A check that is under way where data goes may be answered yet, and say that the peer consents no longer (rfc7675-5.2-1).
    fn keep_asking_on_previous(&mut self, id: StreamId) {
        let Some(stream) = self.stream(id) else { return };
        let ended = |previous: &&Previous| stream.superseded.as_deref() == Some(&previous.remote.credentials);
        let Some(previous) = stream.previous.as_deref().filter(ended) else { return };
        let on = |path: Path| previous.paths.iter().find(|known| known.valid.path == path);
        let checks = self.transactions.iter().filter_map(|check| match check.owner() {
            Owner::Check(owner) if owner.stream == id => {
                Some((check.id(), ConsentOwner::of_check(owner, &on(check.path())?.valid)))
            }
            Owner::Check(_) | Owner::Consent(_) | Owner::Gather(_) => None,
        });
        for (check, owner) in checks.collect::<Vec<_>>() {
            self.hand_to_consent(check, owner);
        }
    }

    /// The next generation has selected, or failed: the previous one is heard a little longer, and speaks no more. `false` if
    /// that was so before.
    pub(super) fn hand_over(&mut self, id: StreamId) -> bool {
        let heard_until = self.now + HEARD_AFTER_HANDOVER;
        let Ok(stream) = self.stream_mut(id) else { return false };
        let Some(previous) = stream.previous.as_mut().filter(|previous| previous.heard_until.is_none())
        else {
            return false;
        };
        previous.heard_until = Some(heard_until);
        let pairs: Vec<PairId> = previous.paths.iter().map(|path| path.valid.id).collect();
        for path in &mut previous.paths {
            path.upkeep = None;
        }
        self.transactions.retain(|owner| !pairs.iter().any(|pair| owner.is_consent_of(*pair)));
        true
    }

    /// Lets go of previous generations whose time is over.
    pub(super) fn forget_previous(&mut self) {
        let now = self.now;
        for stream in &mut self.streams {
            let over = |previous: &Previous| previous.heard_until.is_some_and(|until| until <= now);
            if stream.previous.as_deref().is_some_and(over) {
                stream.previous = None;
            }
        }
    }

    pub(super) fn previous_deadlines(&self, deadline: &mut Deadline) {
        for previous in self.streams.iter().filter_map(|stream| stream.previous.as_ref()) {
            deadline.at(previous.heard_until);
        }
    }
}

impl Stream {
    /// Replaces everything that belongs to one generation. Of two restarts in a row, before the first has selected, the
    /// paths in use are those of the generation before both.
    fn next_generation(&mut self, local: LocalSide) {
        let in_use = self.is_ready();
        self.generation = self.generation.next();
        let local = core::mem::replace(&mut self.local, local);
        let remote = self.remote.take();
        if let Some(remote) = &remote {
            self.superseded = Some(Box::new(remote.credentials.clone()));
        }
        let valid = core::mem::take(&mut self.valid);
        let remotes = core::mem::take(&mut self.remotes);
        self.unresolved = UnresolvedCandidates::default();
        let authenticated = core::mem::take(&mut self.authenticated);
        let mut paths = Vec::new();
        let locals = &self.locals;
        for component in self.components.iter_mut().flatten() {
            let upkeep = component.begin_generation().filter(|_| in_use);
            let Some(pair) = upkeep.and_then(|upkeep| valid.get(upkeep.pair())) else { continue };
            let (Some(ours), Some(theirs)) = (locals.get(pair.local), remotes.get(pair.remote)) else {
                continue;
            };
            let priority = check_priority(locals, ours);
            let (local, remote) = (ours.candidate.clone(), theirs.candidate.clone());
            paths.push(PreviousPath { valid: pair.clone(), local, remote, priority, upkeep });
        }
        // Data stays where it is until a generation has selected, however many restarts that takes.
        let in_use = self.previous.as_deref().is_some_and(Previous::is_in_use);
        if let (Some(remote), false, false) = (remote, paths.is_empty(), in_use) {
            let previous = Previous { local, remote, paths, authenticated, heard_until: None };
            self.previous = Some(Box::new(previous));
        }
        // Sockets and allocations outlive it.
        self.locals.remove(|known| !known.is_paired());
        self.lost = Rare::new();
        self.disproven = Rare::new();
        self.is_crowded = false;
        self.early = EarlyRequests::default();
        // rfc8838-15-1
        self.remote_gathering = RemoteGathering::Open;
        self.last_failure = None;
        self.search = Search::default();
        self.provided = Provided::default();
        if self.gathering == Gathering::Complete {
            self.gathering = Gathering::BasesKnown;
        }
    }

    /// Whether a description is one of the peer that is known already, sent again.
    pub(super) fn is_from_peer(&self, remote: &Remote) -> bool {
        self.remote.as_ref().is_some_and(|known| known.credentials == remote.credentials)
    }

    /// The socket at `local` is gone, and with it the paths that the generation before used from there.
    pub(super) fn forget_previous_on(&mut self, local: SocketAddr) {
        if let Some(previous) = &mut self.previous {
            previous.paths.retain(|path| path.valid.path.local() != local);
        }
        // Without a path it has nothing to carry, and nobody to answer for.
        self.previous.take_if(|previous| previous.paths.is_empty());
    }
}

fn is_of_older_generation(output: &Output, id: StreamId, current: Generation) -> bool {
    match output {
        Output::Event(
            Event::LocalCandidate { stream, generation, .. }
            | Event::LocalCandidateRemoved { stream, generation, .. }
            | Event::GatheringComplete { stream, generation },
        ) => *stream == id && *generation < current,
        Output::Event(_) | Output::Transmit(_) | Output::Connect(_) | Output::Disconnect(_) => false,
    }
}

/// Browsers stay on the old pair for seconds after the new one was nominated.
const HEARD_AFTER_HANDOVER: Duration = Duration::from_secs(10);
