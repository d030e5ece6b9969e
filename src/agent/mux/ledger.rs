//! What has to be known of the agents without asking them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::agent::Agent;
use crate::agent::mux::PlaceId;
use crate::agent::mux::claims::{Claim, Claims};
use crate::agent::mux::hash::HashKey;
use crate::agent::mux::pace::Pace;
use crate::agent::mux::timers::Timers;
use crate::time::Timestamp;

/// Who claims what, when to call whom, whose turn it is, who has something to say.
///
/// All of it follows from the agents. An agent is lent before anything can change it, and taken back afterwards: the
/// difference of its claims is entered, the rest is copied. Invariant: while none is lent, the claims are those of all
/// agents together.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The latest instant that any input has named.
    pub(super) now: Timestamp,
    pub(super) claims: Claims,
    pub(super) pace: Pace,
    timers: Timers,
    speakers: Speakers,
    /// Whose timers have just run out; kept for its memory.
    due: Vec<PlaceId>,
    /// Who is lent, and what it claimed then.
    lent: Option<PlaceId>,
    before: Vec<Claim>,
    after: Vec<Claim>,
}

impl Ledger {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            now: Timestamp::ZERO,
            claims: Claims::new(HashKey::default()),
            pace: Pace::new(interval),
            timers: Timers::default(),
            speakers: Speakers::default(),
            due: Vec::new(),
            lent: None,
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// An agent has come.
    pub(super) fn admit(&mut self, place: PlaceId, agent: &Agent) {
        if self.claims.is_empty() {
            // Drawn by whoever is first: a `Mux` has no randomness of its own.
            self.claims = Claims::new(HashKey::new(agent.entropy.apart()));
        }
        self.lent = Some(place);
        self.before.clear();
        self.take_back(agent);
    }

    /// An agent has gone.
    pub(super) fn dismiss(&mut self, place: PlaceId, agent: &Agent) {
        agent.claims(&mut self.before);
        for claim in &self.before {
            self.claims.remove(*claim, place);
        }
        self.timers.remove(place);
        self.pace.remove(place);
        self.speakers.set(place, false);
    }

    /// Nobody is left: nothing is kept but the time and the pace.
    pub(super) fn clear(&mut self) {
        self.claims = Claims::new(HashKey::default());
        self.timers = Timers::default();
        self.pace.clear();
        self.speakers = Speakers::default();
        (self.due, self.before, self.after) = (Vec::new(), Vec::new(), Vec::new());
    }

    /// An agent may change from now on.
    pub(super) fn lend(&mut self, place: PlaceId, agent: &Agent) {
        self.lent = Some(place);
        agent.claims(&mut self.before);
    }

    /// Who is lent.
    pub(super) const fn lent(&self) -> Option<PlaceId> {
        self.lent
    }

    /// The agent that is lent changes no more.
    pub(super) fn take_back(&mut self, agent: &Agent) {
        let Some(place) = self.lent.take() else { return };
        agent.claims(&mut self.after);
        if self.before != self.after {
            self.enter_difference(place);
        }
        self.now = self.now.max(agent.now);
        self.timers.set(place, agent.waits.timer_at);
        self.pace.want(self.now, place, agent.waits.slot_at);
        self.speakers.set(place, !agent.outputs.is_empty());
    }

    /// Takes out all whose timers have run out. Each is served once, whatever it says of its next timer.
    pub(super) fn take_due(&mut self) -> Vec<PlaceId> {
        let (timers, now, mut due) = (&mut self.timers, self.now, core::mem::take(&mut self.due));
        due.extend(core::iter::from_fn(|| timers.next_due(now)));
        due
    }

    /// Gives the vector of [`take_due`](Self::take_due) back.
    pub(super) fn put_back_due(&mut self, mut due: Vec<PlaceId>) {
        due.clear();
        self.due = due;
    }

    /// Who has had outputs for the longest time.
    pub(super) fn speaker(&self) -> Option<PlaceId> {
        self.speakers.queue.first_key_value().map(|(_, place)| *place)
    }

    /// An output has been taken from an agent.
    pub(super) fn has_spoken(&mut self, place: PlaceId, agent: &Agent) {
        self.speakers.set(place, !agent.outputs.is_empty());
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let at = self.timers.first_at().min(self.pace.deadline());
        if self.speakers.queue.is_empty() { (at < Timestamp::MAX).then_some(at) } else { Some(self.now) }
    }

    fn enter_difference(&mut self, place: PlaceId) {
        for claims in [&mut self.before, &mut self.after] {
            claims.sort_unstable();
            claims.dedup();
        }
        let (before, after) = (&self.before, &self.after);
        for gone in before.iter().filter(|claim| after.binary_search(claim).is_err()) {
            self.claims.remove(*gone, place);
        }
        for new in after.iter().filter(|claim| before.binary_search(claim).is_err()) {
            self.claims.insert(*new, place);
        }
    }
}

/// The agents that have outputs, in the order in which they came to have some.
#[derive(Debug, Default)]
struct Speakers {
    queue: BTreeMap<u64, PlaceId>,
    /// By place: its number in the queue, 0 if it has nothing to say.
    numbers: Vec<u64>,
    last_number: u64,
}

impl Speakers {
    fn set(&mut self, place: PlaceId, has_outputs: bool) {
        if self.numbers.len() <= place.index() {
            self.numbers.resize(place.index().saturating_add(1), 0);
        }
        let Some(number) = self.numbers.get_mut(place.index()) else { return };
        if has_outputs == (*number > 0) {
            return;
        }
        if has_outputs {
            self.last_number = self.last_number.wrapping_add(1);
            *number = self.last_number;
            self.queue.insert(*number, place);
        } else {
            self.queue.remove(number);
            *number = 0;
        }
    }
}
