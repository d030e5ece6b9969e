//! The walk of a timer: what is repeated and given up, what has run out, what is asked for next.

use super::allocation::{Allocation, Passage, Phase};
use super::client::Client;
use super::error::Failure;
use super::event::Event;
use super::request::Purpose;
use super::response::Answer;
use crate::net::{Path, Transport};
use crate::stun::Due;
use crate::time::Timestamp;

impl Client {
    /// Lets time pass: repeats and gives up what is due, renews what runs out.
    ///
    /// Afterwards the next [`deadline`](Self::deadline) is later than `now`. A caller who is late by hours finds each thing
    /// done once, not once for each time that it was due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.begin(now).is_err() {
            return;
        }
        while let Some(due) = self.transactions.next_due(self.now) {
            match due {
                Due::Retransmit { path, payload, .. } => self.transmit(path, payload),
                Due::Expired { owner, reason, .. } => {
                    self.answered(owner, self.now, Answer::Failed(reason.into()));
                }
            }
        }
        let now = self.now;
        self.tend_token();
        let passage = self.allocation_mut().map(|allocation| allocation.handle_timeout(now));
        if let Some(Passage::Expired(failure)) = passage {
            self.lose(failure);
        } else if self.lacks_token() && self.allocation().is_some_and(|allocation| allocation.overdue) {
            self.lose(Failure::TokenWanted);
        }
        self.permissions.handle_timeout(now);
        self.bindings.handle_timeout(now);
        if self.keepalive_at().is_some_and(|at| at <= now) {
            self.keep_alive();
        }
        self.pump();
    }

    /// The socket of `path` refused to send, other than for want of room, or the connection is closed.
    ///
    /// Over TCP that is the end of the allocation. Over UDP it ends an attempt to allocate or to migrate on that path, and
    /// leaves an allocation alone: its lifetime decides (RFC 8489 section 6.2.1).
    pub fn handle_transmit_error(&mut self, now: Timestamp, path: Path) {
        if self.begin(now).is_err() {
            return;
        }
        let connected = path.transport() == Transport::Tcp;
        match &mut self.phase {
            Phase::Allocated(allocation) if allocation.moving_to == Some(path) => {
                allocation.moving_to = None;
                allocation.lease.requeue();
                self.transactions.retain(|request| request.purpose != Purpose::Migrate);
                self.emit(Event::NotMigrated { path, failure: Failure::Unreachable });
            }
            Phase::Allocated(_) if connected && path == self.path => {
                self.transactions.retain(|_| false);
                self.lose(Failure::Unreachable);
            }
            Phase::Allocating if path == self.path => self.fail(Failure::Unreachable),
            Phase::Closing if path == self.path => {
                self.transactions.retain(|_| false);
                self.finish_closing();
            }
            _ => {}
        }
        self.pump();
    }

    /// Sends what can be sent: the only place where requests begin.
    pub(super) fn pump(&mut self) {
        if self.lacks_token() {
            return;
        }
        if self.may_allocate(!self.config.paced) {
            let Phase::Waiting { repeats, .. } = self.phase else { return };
            if repeats.is_none() {
                self.renew_credential();
            }
            self.phase = Phase::Allocating;
            self.ask(self.path, Purpose::Allocate, repeats);
            return;
        }
        let Some(allocation) = self.allocation_mut() else { return };
        if allocation.moving_to.is_some() {
            return;
        }
        if allocation.lease.is_due() {
            allocation.lease.asked();
            self.ask(self.path, Purpose::Refresh, None);
        }
        if !self.allocation().is_some_and(Allocation::is_held) {
            return;
        }
        while self.under_way(|purpose| matches!(purpose, Purpose::Permit(_))) < PERMITS_UNDER_WAY_MAX {
            let peers = self.permissions.next_request(self.now);
            if peers.is_empty() {
                break;
            }
            self.ask(self.path, Purpose::Permit(peers), None);
        }
        while self.under_way(|purpose| matches!(purpose, Purpose::Bind(..))) < BINDS_UNDER_WAY_MAX {
            let Some((number, peer)) = self.bindings.next_request(self.now) else { break };
            self.ask(self.path, Purpose::Bind(number, peer), None);
        }
    }

    /// Whether the Allocate that is wanted can leave, if the owner has granted it a slot or `granted` says so.
    pub(super) fn may_allocate(&self, granted: bool) -> bool {
        let Phase::Waiting { not_before, granted: slot, .. } = self.phase else { return false };
        (slot || granted) && not_before <= self.now && self.under_way(Purpose::is_release) == 0
    }

    fn under_way(&self, of: impl Fn(&Purpose) -> bool) -> usize {
        self.transactions.iter().filter(|transaction| of(&transaction.owner().purpose)).count()
    }
}

/// Three requests for permissions at a time: while they are under way those that follow gather and share the next one.
const PERMITS_UNDER_WAY_MAX: usize = 3;
/// With a refresh and three requests for permissions under way that makes eight: RFC 8489 section 6.2 allows ten.
const BINDS_UNDER_WAY_MAX: usize = 4;
