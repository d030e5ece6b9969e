//! The allocation: what the server has granted, and the states on the way there and back (RFC 8656 sections 6 to 8).

use super::error::Failure;
use super::event::{Allocated, State};
use super::lease::Lease;
use super::{AddressErrorCode, AddressFamily, Lifetime, MobilityTicket, ReservationToken, XorRelayedAddress};
use crate::net::{Path, canonical, is_sendable, unscoped};
use crate::stun::{Message, Sealing, TransactionId, XorMappedAddress};
use crate::time::{Deadline, Timestamp};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// Where a client stands: what [`State`] shows, with what belongs to it.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    Idle,
    /// An Allocate is to leave once `not_before` has come, nothing is being released on the 5-tuple, and if need be a slot
    /// is `granted`. It may be one that the server wants repeated.
    Waiting {
        not_before: Timestamp,
        granted: bool,
        repeats: Option<Sealing>,
    },
    Allocating,
    Allocated(Box<Allocation>),
    Closing,
    Closed,
}

impl Phase {
    pub(super) const fn state(&self) -> State {
        match self {
            Self::Idle => State::Idle,
            Self::Waiting { .. } => State::Waiting,
            Self::Allocating => State::Allocating,
            Self::Allocated(_) => State::Allocated,
            Self::Closing => State::Closing,
            Self::Closed => State::Closed,
        }
    }

    /// A wish for an allocation.
    pub(super) const fn waiting(not_before: Timestamp, repeats: Option<Sealing>) -> Self {
        Self::Waiting { not_before, granted: false, repeats }
    }
}

/// An allocation as the client knows it.
#[derive(Clone, Debug)]
pub(super) struct Allocation {
    /// One or two, of different families.
    relayed: Vec<SocketAddr>,
    pub(super) mapped: SocketAddr,
    pub(super) lease: Lease,
    /// The lease has run out while nobody looked at the clock: one last request asks whether the server has been more
    /// patient. Until it is answered nothing is sent.
    pub(super) overdue: bool,
    /// As what the end of the lease would be reported: the server's credentials may have become others.
    pub(super) trouble: Failure,
    /// Of this length at the latest grant.
    pub(super) lifetime: Duration,
    /// The latest ticket (RFC 8016).
    pub(super) ticket: Option<Vec<u8>>,
    /// The path that the allocation is being moved to.
    pub(super) moving_to: Option<Path>,
    pub(super) moved_from: Option<Left>,
    /// For Send indications: nothing answers them.
    pub(super) indication: TransactionId,
}

/// The path that an allocation was moved from, on which the server sends until data of ours has come to it on the new one
/// (RFC 8016 section 3.2.2). Who only listens is sent to there for as long as that takes. What comes on the new one proves
/// nothing, as it is signed by nobody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    path: Path,
    /// Once data has left on the new path: what comes from the server until then may have been on its way, or the data lost.
    heard_until: Option<Timestamp>,
}

impl Left {
    pub(super) const fn new(path: Path) -> Self {
        Self { path, heard_until: None }
    }

    /// Whether what comes on this path may be the server's.
    pub(super) fn hears(&self, now: Timestamp, path: &Path) -> bool {
        self.path == *path && self.heard_until.is_none_or(|until| now < until)
    }

    /// Data has left on the new path.
    pub(super) fn spoken_elsewhere(&mut self, now: Timestamp) {
        self.heard_until = self.heard_until.or(Some(now + HEARD_AFTER_MOVE));
    }
}

/// What has become of an allocation as time passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Passage {
    /// Nothing that matters.
    Fine,
    /// It has run out while the server was being asked for more time, and for this reason.
    Expired(Failure),
}

impl Allocation {
    pub(super) fn new(now: Timestamp, asked_at: Timestamp, grant: Grant, indication: TransactionId) -> Self {
        Self {
            relayed: grant.relayed,
            mapped: grant.mapped,
            lease: Lease::granted(now, asked_at, grant.lifetime),
            overdue: false,
            trouble: Failure::Expired,
            lifetime: grant.lifetime,
            ticket: grant.ticket,
            moving_to: None,
            moved_from: None,
            indication,
        }
    }

    /// The relayed addresses, IPv4 first.
    pub(super) fn relayed(&self) -> &[SocketAddr] {
        &self.relayed
    }

    pub(super) fn has(&self, family: AddressFamily) -> bool {
        self.relayed.iter().any(|relayed| AddressFamily::of(relayed.ip()) == family)
    }

    /// Gives up one of two relayed addresses; `false` if there are not two.
    pub(super) fn release(&mut self, family: AddressFamily) -> bool {
        let both = self.relayed.len() > 1;
        if both {
            self.relayed.retain(|relayed| AddressFamily::of(relayed.ip()) != family);
        }
        both
    }

    /// The server has granted more time.
    pub(super) fn refreshed(&mut self, now: Timestamp, asked_at: Timestamp, lifetime: Duration) {
        // rfc8656-8.3-1
        self.lease = Lease::granted(now, asked_at, lifetime);
        self.lifetime = lifetime;
        self.overdue = false;
        self.trouble = Failure::Expired;
    }

    /// Whether requests for permissions and channels make sense, and data can go out: the server is known to hold the
    /// allocation.
    pub(super) const fn is_held(&self) -> bool {
        !self.overdue
    }

    /// Lets time pass.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) -> Passage {
        self.lease.handle_timeout(now);
        if self.overdue || self.lease.is_live(now) {
            return Passage::Fine;
        }
        // Asked in time, and not answered: the end. Otherwise the caller has slept.
        if self.lease.is_under_way() && self.lease.has_just_ended(now) {
            return Passage::Expired(self.trouble);
        }
        self.overdue = true;
        self.lease.ask_anew();
        Passage::Fine
    }

    pub(super) fn deadlines(&self, deadline: &mut Deadline) {
        if !self.overdue {
            self.lease.deadlines(deadline);
        }
    }
}

/// What a success response to Allocate says.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) relayed: Vec<SocketAddr>,
    pub(super) mapped: SocketAddr,
    pub(super) lifetime: Duration,
    pub(super) reservation: Option<ReservationToken>,
    pub(super) ticket: Option<Vec<u8>>,
    /// A family that was not granted, and the code that says why.
    pub(super) refused: Option<(AddressFamily, u16)>,
}

impl Grant {
    /// Reads a response; `None` if there is no allocation in it that could be used: an attribute is missing or malformed, an
    /// address names no host, or there is one of a family that `wanted` turns down.
    pub(super) fn read(response: &Message<'_>, wanted: impl Fn(AddressFamily) -> bool) -> Option<Self> {
        // rfc8656-7.3-3
        let lifetime = response.get::<Lifetime>()?.ok()?;
        let mapped = unscoped(canonical(response.get::<XorMappedAddress>()?.ok()?.0));
        let mut relayed: Vec<SocketAddr> = Vec::new();
        for address in response.all::<XorRelayedAddress>() {
            let address = unscoped(canonical(address.ok()?.0));
            let family = AddressFamily::of(address.ip());
            let again = relayed.iter().any(|other| AddressFamily::of(other.ip()) == family);
            // rfc8656-7.3-1
            if again || !wanted(family) || !is_sendable(address) {
                return None;
            }
            relayed.push(address);
        }
        relayed.sort_unstable();
        if relayed.is_empty() || !is_sendable(mapped) {
            return None;
        }
        let refused = response.get::<AddressErrorCode<'_>>().and_then(Result::ok);
        Some(Self {
            relayed,
            mapped,
            lifetime: lifetime.duration(),
            reservation: response.get::<ReservationToken>().and_then(Result::ok),
            ticket: ticket(response),
            refused: refused.map(|refused| (refused.family, refused.error.code())),
        })
    }

    pub(super) fn allocated(&self) -> Option<Allocated> {
        let (relayed, second) = (*self.relayed.first()?, self.relayed.get(1).copied());
        let (mapped, lifetime, reservation) = (self.mapped, self.lifetime, self.reservation);
        Some(Allocated { relayed, second, mapped, lifetime, reservation })
    }
}

/// The ticket in a response, if there is one.
pub(super) fn ticket(response: &Message<'_>) -> Option<Vec<u8>> {
    let ticket = response.get::<MobilityTicket<'_>>()?.ok()?;
    (!ticket.0.is_empty()).then(|| ticket.0.to_vec())
}

/// Far more than a round trip, and time for another datagram where the first was lost.
const HEARD_AFTER_MOVE: Duration = Duration::from_secs(10);
