//! One Ta for all: who may send something new, and when (RFC 8445 section 14.2).

use alloc::collections::BTreeSet;
use core::time::Duration;

use crate::agent::mux::PlaceId;
use crate::agent::mux::rows::{Row, Rows};
use crate::time::Timestamp;

/// The queue of the agents that have something new to send: who has waited longest goes first. Each keeps to its own Ta
/// besides, so an agent that was served comes back behind all that wait by then.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    /// Nobody sends anything new before.
    next_at: Timestamp,
    /// Those that wait, each since it wants to send something, or from when on.
    queue: BTreeSet<(Timestamp, PlaceId)>,
}

impl Pace {
    pub(super) fn new(interval: Duration) -> Self {
        let interval = interval.max(INTERVAL_MIN);
        Self { interval, next_at: Timestamp::ZERO, queue: BTreeSet::new() }
    }

    /// An agent wants to send something new from `at` on; [`Timestamp::MAX`] if it does not. One that waits already keeps
    /// its turn.
    pub(super) fn want(&mut self, rows: &mut Rows, now: Timestamp, place: PlaceId, at: Timestamp) {
        if at == Timestamp::MAX {
            return self.remove(rows, place);
        }
        let Some(Row { wanted_at, .. }) = rows.get_mut(place) else { return };
        // An agent that could go at once says so anew with each input.
        let keeps_turn = *wanted_at <= at && at <= now;
        if !keeps_turn && *wanted_at != at {
            self.queue.remove(&(*wanted_at, place));
            self.queue.insert((at, place));
            *wanted_at = at;
        }
    }

    pub(super) fn remove(&mut self, rows: &mut Rows, place: PlaceId) {
        let Some(Row { wanted_at, .. }) = rows.get_mut(place) else { return };
        if *wanted_at < Timestamp::MAX {
            self.queue.remove(&(*wanted_at, place));
            *wanted_at = Timestamp::MAX;
        }
    }

    /// Takes out the agent whose turn it is, if anybody may send something new at `now`.
    pub(super) fn next(&mut self, rows: &mut Rows, now: Timestamp) -> Option<PlaceId> {
        let &(at, place) = self.queue.first().filter(|_| self.next_at <= now)?;
        if at > now {
            return None;
        }
        self.remove(rows, place);
        Some(place)
    }

    /// Something new has left. Slots that a late caller has missed are lost.
    pub(super) fn sent(&mut self, now: Timestamp) {
        self.next_at = now + self.interval;
    }

    /// When the next one may go; [`Timestamp::MAX`] if nobody wants to.
    pub(super) fn deadline(&self) -> Timestamp {
        self.queue.first().map_or(Timestamp::MAX, |(at, _)| self.next_at.max(*at))
    }

    /// Nobody wants to send any more; the pace goes on.
    pub(super) fn clear(&mut self) {
        self.queue = BTreeSet::new();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}

/// RFC 8445 section 14.2: what all agents of a process together keep to.
pub(super) const INTERVAL_MIN: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const AT: fn(u64) -> Timestamp = Timestamp::from_millis;

    fn pace(wants: &[(u32, u64)]) -> (Pace, Rows) {
        let (mut pace, mut rows) = (Pace::new(Duration::ZERO), Rows::of(3));
        for (place, at) in wants {
            pace.want(&mut rows, AT(0), PlaceId(*place), AT(*at));
        }
        (pace, rows)
    }

    /// Proves: rfc8445-14.2-3
    #[test]
    fn nobody_sends_within_five_milliseconds_of_another() {
        let (mut pace, mut rows) = pace(&[(0, 0), (1, 0)]);
        assert_eq!(pace.next(&mut rows, AT(0)), Some(PlaceId(0)));
        pace.sent(AT(0));
        assert_eq!((pace.next(&mut rows, AT(4)), pace.deadline()), (None, AT(5)));
        assert_eq!(pace.next(&mut rows, AT(5)), Some(PlaceId(1)));
        assert_eq!(pace.deadline(), Timestamp::MAX);
    }

    #[test]
    fn who_has_waited_longest_goes_first() {
        let (mut pace, mut rows) = pace(&[(0, 3), (1, 2), (2, 1)]);
        let order = [(); 3].map(|()| pace.next(&mut rows, AT(9)).unwrap().0);
        assert_eq!(order, [2, 1, 0]);
    }

    #[test]
    fn an_agent_that_says_again_that_it_waits_keeps_its_turn() {
        let (mut pace, mut rows) = pace(&[(0, 0), (1, 1)]);
        pace.want(&mut rows, AT(2), PlaceId(0), AT(2));
        assert_eq!(pace.next(&mut rows, AT(2)), Some(PlaceId(0)));
    }

    #[test]
    fn an_agent_that_has_to_wait_for_its_own_ta_goes_then() {
        let (mut pace, mut rows) = pace(&[(0, 0), (1, 1)]);
        pace.want(&mut rows, AT(2), PlaceId(0), AT(52));
        let served =
            vec![pace.next(&mut rows, AT(51)), pace.next(&mut rows, AT(51)), pace.next(&mut rows, AT(52))];
        assert_eq!(served, [Some(PlaceId(1)), None, Some(PlaceId(0))]);
    }
}
