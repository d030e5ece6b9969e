//! How a world runs: the order of things, and what no node may do.

use core::time::Duration;

use bytes::Bytes;

use super::node::{Node, NodeId, Output};
use super::slot::Wakes;
use super::trace::Event;
use super::world::{Due, World};
use crate::Timestamp;

impl<N: Node> World<N> {
    /// Lets the next thing happen, and returns its time: an arrival or a deadline, whichever is earlier. At one
    /// instant, arrivals come first, in the order of departure, then deadlines, in the order of nodes.
    ///
    /// Returns `None` if nothing will ever happen.
    ///
    /// # Panics
    ///
    /// If a node breaks a rule of the [module's page](super#what-no-node-may-do).
    pub fn step(&mut self) -> Option<Timestamp> {
        self.step_until(Timestamp::MAX).then_some(self.now)
    }

    /// Lets time pass for `duration`, with all that happens in it, its last instant included.
    ///
    /// # Panics
    ///
    /// As [`step`](Self::step).
    pub fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.step_until(until) {}
        self.move_to(until);
    }

    /// Lets time pass until `done`, which is asked before each step and after the last; `limit` from now at most.
    ///
    /// # Errors
    ///
    /// The time at which it gave up.
    ///
    /// # Panics
    ///
    /// As [`step`](Self::step).
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<Timestamp, Timestamp> {
        let until = self.now + limit;
        while !done(self) {
            if !self.step_until(until) {
                self.move_to(until);
                return if done(self) { Ok(until) } else { Err(until) };
            }
        }
        Ok(self.now)
    }

    /// Takes all that `id` has to say, and notes when it wants to be woken.
    pub(super) fn drain(&mut self, id: NodeId) {
        for _ in 0..OUTPUTS_MAX {
            let Some(slot) = self.slot_mut(id) else { return };
            match slot.occupant.poll_output() {
                Some(Output::Transmit(path, payload)) => self.transmit(id, path, payload),
                Some(Output::Signal(to, message)) => self.signal(id, to, message),
                None => {
                    slot.deadline = slot.occupant.deadline();
                    // INV-02
                    if slot.speaks() {
                        self.violation(id, "changed while it was polled without an input");
                    }
                    self.nudge(id);
                    return self.ask(id);
                }
            }
        }
        self.violation(id, "does not stop to have something to say");
    }

    /// Ends the run if the node says that something is wrong.
    fn ask(&self, id: NodeId) {
        if let Some(what) = self.slot(id).and_then(|slot| slot.occupant.violation()) {
            self.violation(id, what);
        }
    }

    /// Handles a timeout that is not due, if the world is to do so.
    fn nudge(&mut self, id: NodeId) {
        let (now, nudging) = (self.now, self.nudging);
        let Some(slot) = self.slot_mut(id) else { return };
        if nudging && slot.deadline.is_none_or(|deadline| deadline > now) {
            slot.occupant.handle_timeout(now);
            // INV-03
            if slot.speaks() {
                self.violation(id, "acts on a timeout before its deadline");
            }
        }
    }

    /// Ends the run: `id` has done what no node may do.
    #[expect(clippy::panic, reason = "a world is a test")]
    pub(super) fn violation(&self, id: NodeId, what: &str) -> ! {
        panic!(
            "{id} {what}, at {:?} in World::new({}), after\n{}",
            self.now.since_epoch(),
            self.seed(),
            self.trace.tail(TAIL)
        );
    }

    /// Lets the next thing happen if it happens by `limit`.
    fn step_until(&mut self, limit: Timestamp) -> bool {
        let arrival = self.queue.first_key_value().map(|((at, _), _)| *at);
        let timeout = self.next_timeout();
        match (arrival, timeout) {
            (Some(at), timeout) if at <= limit && timeout.is_none_or(|(due_at, _)| at <= due_at) => {
                self.move_to(at);
                self.happen();
            }
            (_, Some((at, id))) if at <= limit => {
                self.move_to(at);
                self.wake(id);
            }
            _ => return false,
        }
        self.steps += 1;
        if self.steps > STEPS_MAX {
            self.violation(NodeId::new(0), "or another keeps time from moving");
        }
        true
    }

    /// The deadline to be served next, and whose it is. One that has passed is served now.
    fn next_timeout(&self) -> Option<(Timestamp, NodeId)> {
        let due = |deadline: Timestamp| self.now.max(deadline + self.lateness);
        (0..).zip(&self.slots).filter_map(|(id, slot)| Some((due(slot.deadline?), NodeId::new(id)))).min()
    }

    fn move_to(&mut self, at: Timestamp) {
        if at > self.now {
            (self.now, self.steps) = (at, 0);
        }
    }

    /// Lets the first of what is under way arrive.
    fn happen(&mut self) {
        match self.queue.pop_first().map(|(_, due)| due) {
            Some(Due::Datagram { from, packet, payload }) => self.arrive(Some(from), packet, payload),
            Some(Due::Queued { interface, further, from, packet, payload }) => {
                self.enqueue(interface, further, from, packet, payload);
            }
            Some(Due::Signal { from, to, message }) => {
                let now = self.now;
                self.trace.record(now, Event::SignalDelivered { from, to, message: message.clone() });
                let Some(slot) = self.slot_mut(to) else {
                    self.violation(from, "has signalled to a node that is not there");
                };
                slot.occupant.handle_signal(now, from, &message);
                self.drain(to);
            }
            None => {}
        }
    }

    /// Serves the deadline of `id`.
    fn wake(&mut self, id: NodeId) {
        let now = self.now;
        self.trace.record(now, Event::Timeout { node: id });
        let Some(slot) = self.slot_mut(id) else { return };
        slot.counters.timeouts += 1;
        let count = if slot.wakes.at == now { slot.wakes.count + 1 } else { 1 };
        slot.wakes = Wakes { at: now, count };
        slot.occupant.handle_timeout(now);
        self.drain(id);
        if count > WAKES_MAX {
            self.violation(id, "wants to be woken again and again at one instant");
        }
        // INV-01
        if self.slot(id).and_then(|slot| slot.deadline).is_some_and(|deadline| deadline <= now) {
            self.violation(id, "has a deadline that has passed, right after its timeout was handled");
        }
    }

    fn signal(&mut self, from: NodeId, to: NodeId, message: Bytes) {
        self.trace.record(self.now, Event::Signal { from, to, message: message.clone() });
        let at = self.signals.arrival(self.now, from, to);
        self.schedule(at, Due::Signal { from, to, message });
    }

    pub(super) fn schedule(&mut self, at: Timestamp, due: Due) {
        self.queue.insert((at, self.sequence), due);
        self.sequence += 1;
    }
}

/// Outputs of one node after one input. The largest burst of an agent is two orders below.
const OUTPUTS_MAX: u32 = 100_000;

/// Timeouts of one node at one instant. More than a few are already strange.
const WAKES_MAX: u32 = 1_000;

/// Steps at one instant, of all nodes together.
const STEPS_MAX: u32 = 1_000_000;

/// Lines of the trace that a violation shows.
const TAIL: usize = 40;
