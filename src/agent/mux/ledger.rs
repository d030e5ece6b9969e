//! What has to be known of the agents without asking them.

use alloc::vec::Vec;
use core::time::Duration;

use crate::agent::Agent;
use crate::agent::mux::PlaceId;
use crate::agent::mux::claims::{Claim, Claims};
use crate::agent::mux::hash::HashKey;
use crate::agent::mux::pace::Pace;
use crate::agent::mux::rows::Rows;
use crate::agent::mux::speakers::Speakers;
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
    pace: Pace,
    rows: Rows,
    timers: Timers,
    speakers: Speakers,
    /// Whose timers have just run out; kept for its memory.
    due: Vec<PlaceId>,
    /// Who is lent, and its timer and its claims then.
    lent: Option<PlaceId>,
    timer_at: Timestamp,
    before: Vec<Claim>,
    after: Vec<Claim>,
}

impl Ledger {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            now: Timestamp::ZERO,
            claims: Claims::new(HashKey::default()),
            pace: Pace::new(interval),
            rows: Rows::default(),
            timers: Timers::default(),
            speakers: Speakers::default(),
            due: Vec::new(),
            lent: None,
            timer_at: Timestamp::MAX,
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
        self.rows.reserve(place);
        self.lent = Some(place);
        self.timer_at = Timestamp::MAX;
        self.before.clear();
        self.take_back(agent);
    }

    /// An agent has gone.
    pub(super) fn dismiss(&mut self, place: PlaceId, agent: &Agent) {
        agent.claims(&mut self.before);
        for claim in &self.before {
            self.claims.remove(*claim, place);
        }
        self.timers.remove(&mut self.rows, place);
        self.pace.remove(&mut self.rows, place);
        self.speakers.set(&mut self.rows, place, false);
    }

    /// Nobody is left: nothing is kept but the time and the pace.
    pub(super) fn clear(&mut self) {
        self.claims = Claims::new(HashKey::default());
        self.timers = Timers::default();
        self.pace.clear();
        self.speakers = Speakers::default();
        self.rows = Rows::default();
        (self.due, self.before, self.after) = (Vec::new(), Vec::new(), Vec::new());
    }

    /// An agent may change from now on.
    pub(super) fn lend(&mut self, place: PlaceId, agent: &Agent) {
        self.lent = Some(place);
        // Asked for now, the row comes while the agent does.
        self.timer_at = self.rows.timer_at(place);
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
        if self.timer_at != agent.waits.timer_at {
            self.timers.set(&mut self.rows, place, agent.waits.timer_at);
        }
        self.pace.want(&mut self.rows, self.now, place, agent.waits.slot_at);
        self.speakers.set(&mut self.rows, place, !agent.outputs.is_empty());
    }

    /// Takes out all whose timers have run out. Each is served once, whatever it says of its next timer.
    pub(super) fn take_due(&mut self) -> Vec<PlaceId> {
        let mut due = core::mem::take(&mut self.due);
        due.extend(core::iter::from_fn(|| self.timers.next_due(&mut self.rows, self.now)));
        due
    }

    /// Gives the vector of [`take_due`](Self::take_due) back.
    pub(super) fn put_back_due(&mut self, mut due: Vec<PlaceId>) {
        due.clear();
        self.due = due;
    }

    /// Who has had outputs for the longest time.
    pub(super) fn speaker(&self) -> Option<PlaceId> {
        self.speakers.first()
    }

    /// An output has been taken from an agent.
    pub(super) fn has_spoken(&mut self, place: PlaceId, agent: &Agent) {
        self.speakers.set(&mut self.rows, place, !agent.outputs.is_empty());
    }

    /// How many agents wait for leave to send something new.
    pub(super) fn waiting(&self) -> usize {
        self.pace.len()
    }

    /// Takes out the agent whose turn it is to send something new, if anybody may.
    pub(super) fn next_in_turn(&mut self, now: Timestamp) -> Option<PlaceId> {
        self.pace.next(&mut self.rows, now)
    }

    /// Something new has been sent.
    pub(super) fn has_sent(&mut self, now: Timestamp) {
        self.pace.sent(now);
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let at = self.timers.first_at().min(self.pace.deadline());
        if self.speakers.first().is_none() { (at < Timestamp::MAX).then_some(at) } else { Some(self.now) }
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
