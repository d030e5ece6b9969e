//! How a world runs: the order of things, and what no node may do.

use alloc::format;
use core::time::Duration;

use bytes::Bytes;

use super::node::{Node, NodeId, Output};
use super::slot::{Occupant, Slot, Wakes};
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
                Some(Output::Connect(connect)) => self.connect(id, connect),
                Some(Output::Listen(address)) => {
                    self.connections.listeners.insert((id, address));
                }
                Some(Output::Write(path, payload)) => self.write(id, path, payload),
                Some(Output::Disconnect(path)) => self.disconnect(id, path),
                Some(Output::Resolve(number, name)) => self.resolve(id, number, name),
                None => {
                    slot.deadline = slot.occupant.deadline();
                    // INV-02
                    if let Some(what) = slot.speech() {
                        self.violation(id, &format!("INV-02: polled without an input, {what}"));
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
        let (now, nudging) = (self.clock_of(id), self.nudging);
        let Some(slot) = self.slot_mut(id) else { return };
        // INV-06: an earlier time than before counts as that.
        slot.told = slot.told.max(now);
        if nudging && slot.deadline.is_none_or(|deadline| deadline > slot.told) {
            slot.occupant.handle_timeout(now);
            // INV-03
            if let Some(what) = slot.speech() {
                self.violation(id, &format!("INV-03: at a timeout before its deadline, {what}"));
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
        let due = |slot: &Slot<N>| {
            let due_at = slot.due_at()? + self.lateness;
            Some(due_at.max(slot.resumes_at).max(self.now))
        };
        (0..).zip(&self.slots).filter_map(|(id, slot)| Some((due(slot)?, NodeId::new(id)))).min()
    }

    fn move_to(&mut self, at: Timestamp) {
        if at > self.now {
            (self.now, self.steps) = (at, 0);
        }
    }

    /// Lets the first of what is under way arrive.
    fn happen(&mut self) {
        let Some((_, due)) = self.queue.pop_first() else { return };
        if let Some(resumes_at) = self.waits_for(&due) {
            return self.schedule(resumes_at, due);
        }
        match due {
            Due::Datagram { from, packet, payload } => self.arrive(Some(from), packet, payload),
            Due::Queued { interface, further, from, packet, payload } => {
                self.enqueue(interface, further, from, packet, payload);
            }
            Due::Signal { from, to, message } => {
                if self.slot(to).is_none() {
                    self.violation(from, "has signalled to a node that is not there");
                }
                let event = Event::SignalDelivered { from, to, message: message.clone() };
                self.tell(to, event, |node, now| node.handle_signal(now, from, &message));
            }
            Due::Tcp(due) => self.happen_to_connection(due),
            Due::Answer { node, id, address } => {
                let event = Event::Resolved { node, address };
                self.tell(node, event, |node, now| node.handle_resolved(now, id, address));
            }
            Due::Addresses(id) => {
                let Some(slot) = self.slot(id) else { return };
                let (locals, addresses) = (slot.locals.clone(), slot.addresses.clone());
                let event = Event::Addresses { node: id, addresses };
                self.tell(id, event, |node, now| node.handle_addresses(now, &locals));
            }
            Due::Action(action) => self.act(action),
        }
    }

    /// When whoever is to be told of something is awake again, if he is suspended now.
    fn waits_for(&mut self, due: &Due) -> Option<Timestamp> {
        let node = match due {
            Due::Signal { to, .. } => *to,
            Due::Answer { node, .. } | Due::Addresses(node) => *node,
            Due::Tcp(due) => self.subject(due)?,
            Due::Datagram { .. } | Due::Queued { .. } | Due::Action(_) => return None,
        };
        self.slot(node).map(|slot| slot.resumes_at).filter(|resumes_at| *resumes_at > self.now)
    }

    /// Tells `id` what has happened, and takes what it has to say to that.
    pub(super) fn tell(
        &mut self,
        id: NodeId,
        event: Event,
        handle: impl FnOnce(&mut Occupant<N>, Timestamp),
    ) {
        self.trace.record(self.now, event);
        let now = self.clock_of(id);
        if let Some(slot) = self.slot_mut(id) {
            handle(&mut slot.occupant, now);
            self.drain(id);
        }
    }

    /// Serves the deadline of `id`.
    fn wake(&mut self, id: NodeId) {
        let now = self.clock_of(id);
        self.trace.record(self.now, Event::Timeout { node: id });
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
