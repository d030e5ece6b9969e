//! The checks that the peer's own have triggered (RFC 8445 section 7.3.1.4): queued for the pair, and sent before any
//! ordinary check of the list.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Answer, CONSENT, Kind, Wire};
use crate::ice::{PairId, PairState, StreamId};
use crate::sim::watch::decode::{Class, Stun};
use crate::sim::watch::streams::Place;
use crate::{Agent, Pair, Path, StreamState, Timestamp};

/// What has been triggered and was not sent yet.
#[derive(Debug, Default)]
pub(super) struct Triggered {
    request: Option<Request>,
    /// The requests since the last quiet point: a stream may bring several at once.
    came: Vec<[u8; 12]>,
    waiting: Vec<Waiting>,
}

/// The authentic request of the last input.
#[derive(Clone, Debug)]
struct Request {
    id: [u8; 12],
    path: Path,
    place: Place,
    /// By which name the peer calls itself.
    caller: Vec<u8>,
    /// Of the pair on its path, before.
    before: Option<PairState>,
    is_answered: bool,
}

/// A pair that waits for a triggered check.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    stream: StreamId,
    pair: PairId,
    since: Timestamp,
    /// How many requests had left by then, and connections were asked for.
    transmitted: u64,
}

impl Triggered {
    pub(super) fn begin(&mut self) {
        self.request = None;
    }

    /// Which of two requests under one id is answered is not to be told.
    pub(super) fn came(&mut self, id: [u8; 12], path: Path, place: Place, caller: &[u8]) {
        let (caller, is_first) = (caller.to_vec(), !self.came.contains(&id));
        let request = Request { id, path, place, caller, before: None, is_answered: false };
        self.request = Some(request).filter(|_| is_first);
        self.came.push(id);
    }

    /// A success leaves.
    pub(super) fn answered(&mut self, answer: &Stun<'_>) {
        if let Some(request) = &mut self.request {
            request.is_answered |= answer.class == Class::Success && answer.id == request.id;
        }
    }
}

impl Wire {
    /// Takes note of what a request finds, before the agent has seen it.
    pub(in crate::sim::watch) fn before(&mut self, agent: &Agent) {
        if let Some(request) = &mut self.triggered.request {
            request.before = on_path(agent, request).map(|pair| pair.state());
        }
    }

    /// INV-40: `ordinary` are the checks that have left since the last quiet point, if that is known.
    pub(super) fn check_triggered(
        &mut self,
        agent: &Agent,
        now: Timestamp,
        ordinary: &[[u8; 12]],
    ) -> Result<(), String> {
        self.triggered.came.clear();
        let is_waiting = |it: &Waiting| {
            let pair = agent.pair(it.pair).filter(|_| !is_over(agent, it.stream));
            pair.is_some_and(|pair| pair.state() == PairState::Waiting)
        };
        for id in ordinary {
            let Some((path, place)) = self.requests.get(id).and_then(|request| match request.kind {
                Kind::Check(place, _) => Some((request.path?, place)),
                _ => None,
            }) else {
                continue;
            };
            let asked = |it: &&super::Request| {
                it.path == Some(path) && matches!(it.kind, Kind::Check(at, _) if at == place)
            };
            // What the peer has asked on, or we before: a nomination, or a check that has to be repeated.
            let is_first =
                self.requests.values().filter(asked).count() == 1 && !self.heard.contains_key(&path);
            let overtaken =
                self.triggered.waiting.iter().find(|it| it.stream == place.stream && is_waiting(it));
            if let Some(overtaken) = overtaken.filter(|_| is_first) {
                return Err(format!(
                    "INV-40: an ordinary check on {path:?} before the triggered one of {overtaken:?}"
                ));
            }
        }
        self.triggered.waiting.retain(is_waiting);
        let is_idle = |it: &&Waiting| {
            let slots = u32::try_from(self.transmitted - it.transmitted).unwrap_or(u32::MAX);
            now.saturating_since(it.since) > self.pacing.saturating_mul(slots.saturating_add(2))
        };
        // Nobody has told the agent yet what time it is.
        let is_behind = now < self.excused_until || agent.deadline().is_some_and(|due| due <= now);
        if let Some(idle) = self.triggered.waiting.iter().find(is_idle).filter(|_| !is_behind) {
            return Err(format!("INV-40: slots go by at {now:?}, and a triggered check waits: {idle:?}"));
        }
        self.trigger(agent, now)
    }

    /// What the request of the last input has to have led to.
    fn trigger(&mut self, agent: &Agent, now: Timestamp) -> Result<(), String> {
        let Some(request) = self.triggered.request.take().filter(|request| request.is_answered) else {
            return Ok(());
        };
        let stream = request.place.stream;
        // Of a generation of the peer's that is over, or is to come.
        if agent.remote_ufrag(stream).is_none_or(|ufrag| ufrag.as_bytes() != request.caller) {
            return Ok(());
        }
        let wanted = !is_over(agent, stream) && !agent.is_lite();
        let Some(pair) = on_path(agent, &request).filter(|_| wanted) else {
            return Ok(());
        };
        // RFC 8445 section 8.3: with a pair selected there is nothing more to be found out.
        let concludes = |other: Pair<'_>| other.is_selected() && other.component() == pair.component();
        if agent.pairs(stream).any(concludes) {
            return Ok(());
        }
        match (pair.state(), request.before) {
            // A pair that was selected there may be listed still, and checked in its turn.
            _ if self.is_lost(now, &request) => Ok(()),
            (PairState::Waiting, _) => {
                if self.triggered.waiting.iter().all(|it| it.pair != pair.id()) {
                    self.triggered.waiting.push(Waiting {
                        stream,
                        pair: pair.id(),
                        since: now,
                        transmitted: self.transmitted,
                    });
                }
                Ok(())
            }
            (PairState::Succeeded, _) => Ok(()),
            // What a relay brings, and what it is told, may be on more than one path.
            (PairState::Failed, _) if self.is_relayed(request.path) => Ok(()),
            _ if self.is_worn_out(agent, &request) => Ok(()),
            (anew @ PairState::InProgress(_), before) if before != Some(anew) => Ok(()),
            (state, before) => Err(format!(
                "INV-40: a check on {:?} has triggered none: {state:?}, before {before:?}",
                request.path
            )),
        }
    }

    /// RFC 7675 section 5.1: whether consent was lost there, so that only a restart leads back.
    fn is_lost(&self, now: Timestamp, request: &Request) -> bool {
        let answered_at = self.answered.get(&(request.path, request.place.generation));
        let is_fresh = answered_at.is_some_and(|at| now.saturating_since(*at) < CONSENT);
        let is_revoked = self.revoked.contains(&(request.path, request.place.generation));
        is_revoked || self.proven.contains(&request.path) && !is_fresh
    }

    /// Whether so many checks were sent where the request came from, and none was answered, that it triggers no more.
    fn is_worn_out(&self, agent: &Agent, request: &Request) -> bool {
        let is_in_vain = |it: &&super::Request| {
            it.path == Some(request.path)
                && it.answered != Some(Answer::Success)
                && matches!(it.kind, Kind::Check(..))
        };
        let count = self.requests.values().filter(is_in_vain).count();
        count >= CHECKS_IN_VAIN || agent.stats().checks_withheld > 0
    }
}

/// Whether nothing is checked any more.
fn is_over(agent: &Agent, stream: StreamId) -> bool {
    matches!(agent.state(stream), None | Some(StreamState::Failed(_) | StreamState::Closed))
}

/// The listed pair that a request came on.
fn on_path<'a>(agent: &'a Agent, request: &Request) -> Option<Pair<'a>> {
    agent.pairs(request.place.stream).find(|pair| pair.is_listed() && pair.path() == request.path)
}

/// After so many checks without an answer an agent triggers no more.
const CHECKS_IN_VAIN: usize = 6;

#[cfg(test)]
mod tests;
