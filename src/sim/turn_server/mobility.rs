//! Allocations that follow their client to another 5-tuple (RFC 8016).

use alloc::collections::BTreeMap;

use super::credentials::Identity;
use super::{TurnServer, Violation};
use crate::Path;
use crate::stun::{AttributeType, ErrorCode, Message};
use crate::turn::MobilityTicket;

/// Tickets, and 5-tuples that allocations have left.
#[derive(Debug, Default)]
pub(super) struct Mobility {
    /// Of the next ticket: none is given twice.
    serial: u64,
    /// The allocation that each good ticket is for, by its 5-tuple.
    tickets: BTreeMap<u64, Path>,
    /// From the 5-tuple that was left to the new one, until there is data on the new one.
    left: BTreeMap<Path, Path>,
}

impl Mobility {
    /// A ticket for the allocation on `path`; earlier ones are no longer good.
    pub(super) fn ticket(&mut self, path: Path) -> [u8; 8] {
        let serial = self.serial;
        self.serial += 1;
        self.tickets.retain(|_, other| *other != path);
        self.tickets.insert(serial, path);
        serial.to_be_bytes()
    }

    /// Forgets all about 5-tuples that `keep` turns down.
    pub(super) fn retain(&mut self, keep: impl Fn(Path) -> bool) {
        self.tickets.retain(|_, path| keep(*path));
        self.left.retain(|_, path| keep(*path));
    }

    /// The 5-tuple of the allocation that is meant on this one.
    pub(super) fn current(&self, path: Path) -> Path {
        self.left.get(&path).copied().unwrap_or(path)
    }

    /// Where data for the client of the allocation on `path` goes.
    pub(super) fn way_back(&self, path: Path) -> Path {
        self.left.iter().find(|(_, new)| **new == path).map_or(path, |(old, _)| *old)
    }

    /// Data has come in on this 5-tuple: the one that was left for it is forgotten.
    pub(super) fn arrived(&mut self, path: Path) {
        self.left.retain(|_, new| *new != path);
    }

    fn moved(&mut self, old: Path, new: Path) {
        self.left.retain(|_, other| *other != old);
        self.left.insert(old, new);
        self.tickets.retain(|_, path| *path != old);
    }
}

impl TurnServer {
    /// Moves the allocation that the ticket of a Refresh is for to the 5-tuple that it came on, if it has one (RFC 8016
    /// section 3.2.2). Returns the new ticket.
    pub(super) fn follow(
        &mut self,
        path: Path,
        request: &Message<'_>,
        identity: &Identity,
    ) -> Result<Option<[u8; 8]>, u16> {
        let Some(ticket) = request.get::<MobilityTicket<'_>>().and_then(Result::ok) else { return Ok(None) };
        if !self.policy.mobility {
            return Err(ErrorCode::MOBILITY_FORBIDDEN.code());
        }
        let serial = ticket.0.try_into().map(u64::from_be_bytes).ok();
        let Some(serial) = serial.filter(|serial| *serial < self.mobility.serial) else {
            self.report(Violation::Invented(AttributeType::MOBILITY_TICKET));
            return Err(ErrorCode::BAD_REQUEST.code());
        };
        let old = *self.mobility.tickets.get(&serial).ok_or(ErrorCode::ALLOCATION_MISMATCH.code())?;
        if old == path {
            return Err(ErrorCode::BAD_REQUEST.code());
        }
        let allocation = self.allocations.get(&old).ok_or(ErrorCode::ALLOCATION_MISMATCH.code())?;
        if allocation.username() != identity.username {
            return Err(ErrorCode::WRONG_CREDENTIALS.code());
        }
        if self.allocations.contains_key(&path) {
            return Err(ErrorCode::ALLOCATION_MISMATCH.code());
        }
        if let Some(mut allocation) = self.allocations.remove(&old) {
            allocation.move_to(path.remote());
            self.allocations.insert(path, allocation);
        }
        self.mobility.moved(old, path);
        Ok(Some(self.mobility.ticket(path)))
    }
}
