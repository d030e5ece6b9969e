//! The walk of a timer: what is repeated, what is given up, what is sent next.

use crate::agent::pacer::Slot;
use crate::agent::stats::count;
use crate::agent::stream::Stream;
use crate::agent::{Agent, Owner, Reason, ServerError};
use crate::gather::Relay;
use crate::ice::pair::{CandidatePair, PairState};
use crate::net::Path;
use crate::stun::{Due, Transaction, TransactionId};
use crate::time::Timestamp;

impl Agent {
    /// Lets time pass: repeats and gives up what is due, and sends at most one new request.
    ///
    /// Afterwards the next [`deadline`](Self::deadline) is later than `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.handle_timeout_with(now, true);
    }

    /// The same, but that nothing new is sent without leave: of agents that share a pace one has it at a time
    /// (rfc8445-14.2-3). `true` if it was made use of.
    pub(super) fn handle_timeout_with(&mut self, now: Timestamp, leave: bool) -> bool {
        if self.begin(now).is_err() {
            return false;
        }
        let unsettled = self.is_unsettled();
        let due = self.serve_transactions();
        if !self.at_rest {
            self.handle_gathering_timeout();
            self.handle_relay_timeout();
            self.give_up_names();
            self.forget_previous();
        }
        if due || unsettled {
            // What has just failed may leave room for a better pair, or be the last hope of a stream.
            self.settle();
        }
        while self.serve_upkeep() {
            // A path is in trouble, or lost: others are looked at, and the one that takes its place may want a check at once.
            // Each can be lost but once.
            self.settle();
        }
        let has_turn = leave && self.pacer.next_at() <= self.now;
        // At rest no server is asked, and mostly there is nothing to check.
        let sent = has_turn && (!self.at_rest || self.has_check()) && self.send_next();
        // That a pair is being checked matters where others are valid already.
        let has_valid = |stream: &Stream| !stream.valid.pairs().is_empty();
        self.settle_if(if self.at_rest { sent } else { has_turn && self.streams.iter().any(has_valid) });
        sent
    }

    /// Repeats and gives up requests; `true` if there were any to.
    fn serve_transactions(&mut self) -> bool {
        let mut any = false;
        while self.transactions.deadline().is_some_and(|due| due <= self.now) {
            let ta = self.ta();
            // A late caller finds many requests overdue; they are spread, not sent at once.
            if !self.pacer.may_retransmit(self.now, ta) {
                break;
            }
            let Some(due) = self.transactions.next_due(self.now) else { break };
            any = true;
            match due {
                Due::Retransmit { id, path, payload } => {
                    self.pacer.retransmitted(self.now, ta);
                    count(&mut self.stats.others().retransmissions);
                    match self.transactions.get(id).map(Transaction::owner) {
                        Some(Owner::Check(_)) => {
                            self.transmit_check(path, payload);
                        }
                        _ => self.transmit(path, payload),
                    }
                }
                // Consent has a clock of its own: one unanswered check means nothing.
                Due::Expired { silent: true, .. } | Due::Expired { owner: Owner::Consent(_), .. } => {}
                Due::Expired { id, owner: Owner::Check(owner), reason, .. } => {
                    self.expire_check(owner, id, reason)
                }
                Due::Expired { owner: Owner::Gather(owner), .. } => {
                    if let Some(attempt) = self.gatherer.attempt(owner.0).cloned() {
                        self.end_attempt(&attempt, ServerError::Timeout);
                    }
                }
            }
        }
        any
    }

    /// Uses the slot of this Ta: for gathering and for checks in turn (rfc8445-14.2-3).
    fn send_next(&mut self) -> bool {
        let next = self.last_slot.other();
        let sent = self.take_turn(next) || self.take_turn(next.other());
        if sent {
            self.pacer.sent(self.now, self.ta());
        }
        sent
    }

    fn take_turn(&mut self, slot: Slot) -> bool {
        let sent = match slot {
            Slot::Check => self.send_check(),
            Slot::Gathering => self.ask_server(),
        };
        if sent {
            self.last_slot = slot;
        }
        sent
    }

    /// The socket of `path` refused to send, other than for want of room.
    ///
    /// Advisory: ends at most the check or the server request under way on that path, never harms a pair that has
    /// succeeded, and has no effect with [`Config::heed_transmit_errors`](crate::Config::heed_transmit_errors) off.
    pub fn handle_transmit_error(&mut self, now: Timestamp, path: Path) {
        if self.begin(now).is_err() || !self.config.heed_transmit_errors {
            return;
        }
        let under_way: alloc::vec::Vec<(TransactionId, Owner)> = self
            .transactions
            .iter()
            .filter(|transaction| transaction.path() == path && !transaction.is_silent())
            .map(|transaction: &Transaction<Owner>| (transaction.id(), *transaction.owner()))
            .collect();
        for (id, owner) in under_way {
            match owner {
                // rfc7675-5.1-4: consent goes by the answers of the peer alone.
                Owner::Consent(_) => {}
                Owner::Check(check) => {
                    let pair = self.lists.list(check.stream).and_then(|list| list.pair(check.pair));
                    let unproven = |pair: &CandidatePair| {
                        pair.state == PairState::InProgress(id) && pair.valid.is_none()
                    };
                    if pair.is_some_and(unproven) {
                        self.transactions.cancel(id);
                        self.fail_check(check, id, Reason::Unreachable);
                    }
                }
                Owner::Gather(owner) => {
                    if let Some(attempt) = self.gatherer.attempt(owner.0).cloned() {
                        self.end_attempt(&attempt, ServerError::Unreachable);
                    }
                }
            }
        }
        let now = self.now;
        if let Some(client) = self.gatherer.relays.on_mut(&path).and_then(Relay::any_client_mut) {
            client.handle_transmit_error(now, path);
        }
        self.settle();
    }
}
