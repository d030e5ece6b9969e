//! The generations of each stream, and the states that it was said to be in.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::decode::{Password, Stun};
use crate::ice::{Generation, StreamId};
use crate::{Agent, StreamState, Timestamp};

/// All streams of an agent.
#[derive(Debug, Default)]
pub(super) struct Streams {
    known: Vec<Known>,
    all_closed: bool,
    /// When nothing was due that the agent had not been told of.
    served_at: Timestamp,
}

#[derive(Debug)]
struct Known {
    generations: Vec<OneGeneration>,
    state: StreamState,
    /// Whether the stream may be new again.
    restarted: bool,
    complete: BTreeSet<Generation>,
}

/// The credentials of a generation, and whether it came to anything.
#[derive(Debug)]
struct OneGeneration {
    ufrag: String,
    password: String,
    key: Option<Password>,
    /// Whether it ever had a valid pair.
    connected: bool,
    /// When it was first complete.
    completed: Option<Timestamp>,
}

/// A generation of a stream, by number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place {
    pub(super) stream: StreamId,
    pub(super) generation: usize,
}

impl Streams {
    /// Takes note of streams and credentials that are new.
    pub(super) fn sync(&mut self, agent: &Agent, now: Timestamp) -> Result<(), String> {
        let mut told = Ok(());
        if agent.deadline().is_none_or(|due| due > now) {
            self.served_at = now;
        }
        for (index, stream) in super::streams(agent).enumerate() {
            let Some(credentials) = agent.local_credentials(stream) else { continue };
            if self.known.len() <= index {
                self.all_closed = false;
                self.known.push(Known {
                    generations: Vec::new(),
                    state: StreamState::New,
                    restarted: false,
                    complete: BTreeSet::new(),
                });
            }
            let Some(known) = self.known.get_mut(index) else { continue };
            let is_known = |last: &OneGeneration| {
                last.ufrag == credentials.ufrag() && last.password == credentials.password()
            };
            if known.generations.last().is_some_and(is_known) {
                continue;
            }
            // INV-31
            let same = |old: &OneGeneration| {
                old.ufrag == credentials.ufrag() || old.password == credentials.password()
            };
            if known.generations.iter().any(same) {
                told = Err(format!("INV-31: {stream} was restarted with a half of old credentials"));
            }
            known.restarted = !known.generations.is_empty();
            known.generations.push(OneGeneration {
                ufrag: credentials.ufrag().to_string(),
                password: credentials.password().to_string(),
                key: super::password(credentials),
                connected: false,
                completed: None,
            });
        }
        told
    }

    /// Whether everything had come to its end at the last quiet point.
    pub(super) fn all_closed_before(&self) -> bool {
        self.all_closed
    }

    pub(super) fn quiet(&mut self, agent: &Agent) {
        let closed = |stream| agent.state(stream) == Some(StreamState::Closed);
        self.all_closed = !self.known.is_empty() && super::streams(agent).all(closed);
        for (known, stream) in self.known.iter_mut().zip(super::streams(agent)) {
            known.restarted = false;
            if let Some(current) = known.generations.last_mut().filter(|current| !current.connected) {
                current.connected = agent.pairs(stream).any(|pair| pair.is_valid());
            }
        }
    }

    /// INV-11
    pub(super) fn enter(
        &mut self,
        stream: StreamId,
        state: StreamState,
        now: Timestamp,
    ) -> Result<(), String> {
        let Some(known) = self.known.get_mut(usize::from(stream.to_raw())) else { return Ok(()) };
        let before = core::mem::replace(&mut known.state, state);
        let anew = known.restarted && state == StreamState::New && before != StreamState::Closed;
        if let Some(current) = known.generations.last_mut().filter(|_| state == StreamState::Completed) {
            current.completed.get_or_insert(now);
        }
        match anew || may_follow(before, state) {
            true => Ok(()),
            false => Err(format!("INV-11: {stream} went from {before:?} to {state:?}")),
        }
    }

    /// INV-46
    pub(super) fn complete(
        &mut self,
        stream: StreamId,
        generation: Generation,
        continual: bool,
    ) -> Result<(), String> {
        let Some(known) = self.known.get_mut(usize::from(stream.to_raw())) else { return Ok(()) };
        match known.complete.insert(generation) || continual {
            true => Ok(()),
            false => Err(format!("INV-46: the end of candidates of {stream} came twice in {generation}")),
        }
    }

    /// Whether this generation may still authenticate: the current one, the one before, and that which carries the data. That
    /// is one which has connected, be it for one component alone, until one after it has completed and the peer had its time to
    /// follow; of several the first that the peer still consents to data on. An agent that nobody has told that the time is over
    /// hears on.
    pub(super) fn counts(&self, place: Place, now: Timestamp) -> bool {
        let Some(known) = self.known.get(usize::from(place.stream.to_raw())) else { return false };
        let last = known.generations.len().saturating_sub(1);
        let has_taken_over = |old: &OneGeneration| {
            old.completed
                .is_some_and(|at| now.min(self.served_at).saturating_since(at) > HEARD_AFTER_HANDOVER)
        };
        let completed = known.generations.iter().rposition(has_taken_over);
        let connected = known.generations.get(place.generation).is_some_and(|old| old.connected);
        place.generation + 1 >= last || connected && Some(place.generation) >= completed
    }

    /// Whether no generation has come after this one.
    pub(super) fn is_current(&self, place: Place) -> bool {
        let known = self.known.get(usize::from(place.stream.to_raw()));
        known.is_some_and(|known| known.generations.len() == place.generation + 1)
    }

    /// The generation of this user-name fragment of ours.
    pub(super) fn named(&self, ufrag: &[u8]) -> Option<Place> {
        (0..).zip(&self.known).find_map(|(number, known)| {
            let generation = known.generations.iter().position(|known| known.ufrag.as_bytes() == ufrag)?;
            Some(Place { stream: StreamId::from_raw(number), generation })
        })
    }

    /// Whether a message is signed with our password of that generation.
    pub(super) fn has_signed(&self, place: Place, message: &Stun<'_>) -> bool {
        let known = self.known.get(usize::from(place.stream.to_raw()));
        let generation = known.and_then(|known| known.generations.get(place.generation));
        let key = generation.and_then(|generation| generation.key.as_ref());
        key.is_some_and(|key| message.is_signed_with(key))
    }

    /// Whether a message is signed with a password of ours that counts.
    pub(super) fn has_signed_any(&self, message: &Stun<'_>, now: Timestamp) -> bool {
        (0..).zip(&self.known).any(|(number, known)| {
            let stream = StreamId::from_raw(number);
            let mut places =
                (0..known.generations.len()).rev().map(|generation| Place { stream, generation });
            places.any(|place| self.counts(place, now) && self.has_signed(place, message))
        })
    }
}

/// Whoever is slow to move is heard for so long on the generation before.
const HEARD_AFTER_HANDOVER: Duration = Duration::from_secs(10);

/// The graph of [`StreamState`].
fn may_follow(before: StreamState, after: StreamState) -> bool {
    use StreamState::{Checking, Closed, Completed, Connected, Failed, Lost, New, Unconfirmed};
    match (before, after) {
        (before, after) if before == after => false,
        (Closed, _) => false,
        (_, Closed) | (New, Checking) | (Connected, Checking) => true,
        (New | Checking, Connected | Completed | Failed(_)) => true,
        (Connected, Completed | Failed(_)) | (Completed, Checking | Connected | Failed(_)) => true,
        // From Checking too: the last component finds its pair, or is removed, while another one is in trouble.
        (Checking | Connected | Completed | Unconfirmed(_) | Lost(_), Unconfirmed(_) | Lost(_)) => true,
        (Unconfirmed(_) | Lost(_), Checking | Connected | Completed | Failed(_)) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
