//! What may be sent to an address that has never answered: little, so that nobody can have a third party flooded by naming
//! it among his candidates (RFC 8445 section 19.5.1).

use alloc::boxed::Box;
use core::net::IpAddr;
use core::time::Duration;

use crate::list::Few;
use crate::time::Timestamp;

/// What has been sent lately to each IP address that checks go to. It is the agent's, so that neither restarts nor streams
/// nor ports make more of it.
#[derive(Debug, Default)]
pub(crate) struct Allowances {
    /// Sorted by address.
    known: Few<Allowance>,
}

/// How much may be sent in a minute.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Allowed {
    pub(crate) packets: u32,
    pub(crate) bytes: u32,
}

#[derive(Debug)]
struct Allowance {
    ip: IpAddr,
    /// The number of the latest slot since the clock's epoch.
    slot: u32,
    /// By slot, the latest last. `None` once an authentic answer to one of our checks has come from there: it is the peer's,
    /// and wants to be asked.
    sent: Option<Box<[Sent; SLOTS]>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    packets: u32,
    bytes: u32,
}

impl Allowances {
    /// Whether a request of this length may go to `ip` now, which it then counts as doing.
    pub(crate) fn take(&mut self, now: Timestamp, ip: IpAddr, bytes: usize, allowed: Allowed) -> bool {
        let (slot, known) = (slot_of(now), self.known.binary_search_by_key(&ip, |known| known.ip));
        let Some(at) = known.ok().or_else(|| self.add(ip, slot)) else { return false };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.known.get_mut(at).is_none_or(|known| known.take(slot, bytes, allowed))
    }

    /// An authentic answer has come from where its request went. A check that comes from there would not do: whoever knows our
    /// password can send one under any address.
    pub(crate) fn answered(&mut self, ip: IpAddr) {
        if let Ok(at) = self.known.binary_search_by_key(&ip, |known| known.ip)
            && let Some(known) = self.known.get_mut(at)
        {
            known.sent = None;
        }
    }

    /// Makes room for an address; `None` if that would take another's account of the last minute.
    fn add(&mut self, ip: IpAddr, slot: u32) -> Option<usize> {
        if self.known.len() >= ADDRESSES_MAX {
            let oldest =
                (0..self.known.len()).min_by_key(|at| self.known.get(*at).map(|known| known.slot))?;
            self.known.get(oldest).filter(|known| known.sent.is_none() || known.is_over(slot))?;
            self.known.remove(oldest);
        }
        let at = self.known.partition_point(|known| known.ip < ip);
        self.known.insert(at, Allowance { ip, slot: 0, sent: Some(Box::default()) });
        Some(at)
    }
}

impl Allowance {
    fn take(&mut self, slot: u32, bytes: u32, allowed: Allowed) -> bool {
        self.forget(slot);
        let Some(slots) = &mut self.sent else { return true };
        let total = slots.iter().fold(Sent { packets: 1, bytes }, |sum, sent| sum.plus(*sent));
        let may = total.packets <= allowed.packets && total.bytes <= allowed.bytes;
        if may && let [.., latest] = &mut **slots {
            *latest = latest.plus(Sent { packets: 1, bytes });
        }
        may
    }

    /// Whether everything that was sent is older than a minute.
    fn is_over(&self, slot: u32) -> bool {
        usize::try_from(slot.saturating_sub(self.slot)).is_ok_and(|passed| passed >= SLOTS)
    }

    /// Moves on to a slot: what is older than a minute falls out.
    fn forget(&mut self, slot: u32) {
        let passed = usize::try_from(slot.saturating_sub(self.slot)).unwrap_or(SLOTS).min(SLOTS);
        if let Some(slots) = &mut self.sent {
            slots.rotate_left(passed);
            slots.iter_mut().rev().take(passed).for_each(|sent| *sent = Sent::default());
        }
        self.slot = self.slot.max(slot);
    }
}

impl Sent {
    const fn plus(self, other: Self) -> Self {
        Self {
            packets: self.packets.saturating_add(other.packets),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// Enough of them for a thousand years.
fn slot_of(now: Timestamp) -> u32 {
    u32::try_from(now.since_epoch().as_secs() / SLOT.as_secs()).unwrap_or(u32::MAX)
}

/// How finely a minute is divided.
const SLOT: Duration = Duration::from_secs(10);

/// A minute touches so many.
const SLOTS: usize = 7;

/// Beyond it the address that was sent to least recently is forgotten, once that is a minute ago; until then nothing goes to
/// further ones. Otherwise a peer could name so many that the account of the first is forgotten, in 13 s at the default Ta.
const ADDRESSES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: Allowed = Allowed { packets: 10, bytes: 1_000 };

    fn ip(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    /// How many packets of this length get through at an instant.
    fn burst(allowances: &mut Allowances, seconds: u64, ip: IpAddr, bytes: usize) -> usize {
        (0..100)
            .filter(|_| allowances.take(Timestamp::from_millis(seconds * 1_000), ip, bytes, ALLOWED))
            .count()
    }

    #[test]
    fn in_no_minute_more_goes_to_a_silent_address_than_is_allowed() {
        let mut allowances = Allowances::default();
        assert_eq!(burst(&mut allowances, 9, ip(1), 10), 10);
        assert_eq!(burst(&mut allowances, 69, ip(1), 10), 0);
        assert_eq!(burst(&mut allowances, 70, ip(1), 10), 10);
        assert_eq!(burst(&mut allowances, 1_000, ip(1), 300), 3, "bytes count as well");
        assert_eq!(burst(&mut allowances, 1_000, ip(2), 10), 10, "each address has its own");
    }

    #[test]
    fn an_address_that_has_answered_is_asked_as_often_as_need_be() {
        let mut allowances = Allowances::default();
        allowances.answered(ip(1));
        assert_eq!(burst(&mut allowances, 0, ip(1), 10), 10, "nothing was asked yet");
        allowances.answered(ip(1));
        assert_eq!(burst(&mut allowances, 0, ip(1), 10), 100);
    }

    #[test]
    fn many_addresses_cost_a_bounded_table_that_forgets_the_oldest() {
        let mut allowances = Allowances::default();
        for n in 0..10_000 {
            assert!(allowances.take(Timestamp::from_millis(u64::from(n) * 1_000), ip(n), 10, ALLOWED));
        }
        assert_eq!(allowances.known.len(), ADDRESSES_MAX);
        assert!(allowances.known.windows(2).all(|two| two[0].ip < two[1].ip));
        assert!(allowances.known.iter().all(|known| known.ip >= ip(10_000 - 256 - 10)));
    }

    #[test]
    fn no_number_of_other_addresses_makes_more_of_what_one_may_get() {
        let mut allowances = Allowances::default();
        assert_eq!(burst(&mut allowances, 9, ip(0), 10), 10);
        let others = (1..1_000).filter(|n| burst(&mut allowances, 15, ip(*n), 10) > 0).count();
        assert_eq!(others, ADDRESSES_MAX - 1);
        assert_eq!(burst(&mut allowances, 69, ip(0), 10), 0);
        assert!(burst(&mut allowances, 90, ip(2_000), 10) > 0, "the minute is over");
    }
}
