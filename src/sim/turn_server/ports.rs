//! The ports of relayed addresses, and those that are held back.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::Timestamp;
use crate::turn::{EvenPort, ReservationToken};

/// Gives out ports one after the other, so that none is used again soon, not even by a server that has forgotten
/// everything.
#[derive(Debug)]
pub(super) struct Ports {
    next: u16,
    reservations: Vec<Reservation>,
    /// Of the next token.
    serial: u64,
}

/// A relayed address that is held back for whoever has the token.
#[derive(Clone, Copy, Debug)]
struct Reservation {
    token: ReservationToken,
    address: SocketAddr,
    until: Timestamp,
}

impl Ports {
    pub(super) const fn new() -> Self {
        Self { next: FIRST, reservations: Vec::new(), serial: 0 }
    }

    /// A port that passes `free`, an even one if it has to be, with a free one above it if that is to be reserved.
    pub(super) fn take(&mut self, even: Option<EvenPort>, free: impl Fn(u16) -> bool) -> Option<u16> {
        let pair = even.is_some_and(|even| even.reserve);
        for _ in FIRST..=u16::MAX {
            let port = self.next;
            self.next = port.checked_add(1).unwrap_or(FIRST);
            if even.is_some() && !port.is_multiple_of(2) {
                continue;
            }
            if free(port) && (!pair || port.checked_add(1).is_some_and(&free)) {
                return Some(port);
            }
        }
        None
    }

    /// Holds `address` back.
    pub(super) fn reserve(&mut self, now: Timestamp, address: SocketAddr) -> ReservationToken {
        self.serial += 1;
        let token = ReservationToken(self.serial.to_be_bytes());
        self.reservations.push(Reservation { token, address, until: now + RESERVATION_LIFETIME });
        token
    }

    /// The address that was held back for this token, which is good for once.
    pub(super) fn redeem(&mut self, token: ReservationToken) -> Option<SocketAddr> {
        let at = self.reservations.iter().position(|reservation| reservation.token == token)?;
        Some(self.reservations.remove(at).address)
    }

    /// The addresses that are held back.
    pub(super) fn reserved(&self) -> impl Iterator<Item = SocketAddr> {
        self.reservations.iter().map(|reservation| reservation.address)
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        self.reservations.retain(|reservation| reservation.until > now);
    }

    pub(super) fn forget(&mut self) {
        self.reservations.clear();
    }

    /// The next time at which a reservation is over.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.reservations.iter().map(|reservation| reservation.until).min()
    }
}

/// RFC 8656 section 7.2: the ports from here on.
const FIRST: u16 = 49_152;

/// RFC 8656 section 7.2: at least so long.
const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);
