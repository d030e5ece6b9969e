//! When to call whom.

use alloc::collections::BTreeSet;

use crate::agent::mux::PlaceId;
use crate::agent::mux::rows::{Row, Rows};
use crate::time::Timestamp;

/// The timers of all agents, one each, the earliest first.
///
/// Most timers are put off long before they run out: that costs nothing here until they would be the first. The first one
/// is always exact.
#[derive(Debug)]
pub(super) struct Timers {
    /// Invariant: each timer has one entry, at its time or before; the first entry is at its time.
    entries: BTreeSet<(Timestamp, PlaceId)>,
    /// A copy of the first entry.
    first: (Timestamp, PlaceId),
}

/// One of them, in the row of its agent. Both are [`Timestamp::MAX`] where there is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    at: Timestamp,
    entry: Timestamp,
}

impl Timers {
    /// Sets the timer of an agent; [`Timestamp::MAX`] is never.
    pub(super) fn set(&mut self, rows: &mut Rows, place: PlaceId, at: Timestamp) {
        let Some(Row { timer, .. }) = rows.get_mut(place) else { return };
        timer.at = at;
        if at < timer.entry {
            self.entries.remove(&(timer.entry, place));
            self.entries.insert((at, place));
            timer.entry = at;
            self.first = self.first.min((at, place));
        }
        if self.first.1 == place {
            self.correct_first(rows);
        }
    }

    /// Forgets an agent, at once.
    pub(super) fn remove(&mut self, rows: &mut Rows, place: PlaceId) {
        let Some(Row { timer, .. }) = rows.get_mut(place) else { return };
        self.entries.remove(&(timer.entry, place));
        *timer = Timer::NONE;
        if self.first.1 == place {
            self.correct_first(rows);
        }
    }

    /// When the first one runs out; [`Timestamp::MAX`] if there is none.
    pub(super) const fn first_at(&self) -> Timestamp {
        self.first.0
    }

    /// Takes out the first timer that has run out.
    pub(super) fn next_due(&mut self, rows: &mut Rows, now: Timestamp) -> Option<PlaceId> {
        let (at, place) = self.first;
        if at > now || at == Timestamp::MAX {
            return None;
        }
        self.remove(rows, place);
        Some(place)
    }

    fn correct_first(&mut self, rows: &mut Rows) {
        while let Some(&(entry, place)) = self.entries.first() {
            let timer = rows.get_mut(place).map(|row| &mut row.timer);
            let at = timer.as_ref().map_or(Timestamp::MAX, |timer| timer.at);
            if at <= entry {
                self.first = (entry, place);
                return;
            }
            self.entries.pop_first();
            if at < Timestamp::MAX {
                self.entries.insert((at, place));
            }
            if let Some(timer) = timer {
                timer.entry = at;
            }
        }
        self.first = NOBODY;
    }
}

impl Timer {
    pub(super) const fn at(self) -> Timestamp {
        self.at
    }

    pub(super) const NONE: Self = Self { at: Timestamp::MAX, entry: Timestamp::MAX };
}

impl Default for Timers {
    fn default() -> Self {
        Self { entries: BTreeSet::new(), first: NOBODY }
    }
}

const NOBODY: (Timestamp, PlaceId) = (Timestamp::MAX, PlaceId::SEVERAL);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    proptest! {
        /// Against a map in which the earliest is looked for.
        #[test]
        fn the_first_timer_is_that_of_a_plain_map(
            steps in prop::collection::vec((0_u8..4, 0_u32..6, 1_u64..50), 0..300),
        ) {
            let (mut timers, mut rows, mut map) = (Timers::default(), Rows::of(6), BTreeMap::new());
            for (what, place, at) in steps {
                let (place, at) = (PlaceId(place), Timestamp::from_nanos(at));
                match what {
                    0 => {
                        timers.remove(&mut rows, place);
                        map.remove(&place);
                    }
                    1 => {
                        let earliest = map.iter().map(|(place, at)| (*at, *place)).min();
                        let due = earliest.filter(|(due, _)| *due <= at).map(|(_, place)| place);
                        prop_assert_eq!(timers.next_due(&mut rows, at), due);
                        if let Some(place) = due {
                            map.remove(&place);
                        }
                    }
                    _ => {
                        timers.set(&mut rows, place, at);
                        map.insert(place, at);
                    }
                }
                let first = map.values().min().copied().unwrap_or(Timestamp::MAX);
                prop_assert_eq!(timers.first_at(), first);
                prop_assert_eq!(timers.entries.len(), map.len());
            }
        }
    }

    #[test]
    fn a_timer_that_is_put_off_is_moved_only_once_it_would_be_the_first() {
        let (mut timers, mut rows, at) = (Timers::default(), Rows::of(2), Timestamp::from_millis);
        timers.set(&mut rows, PlaceId(0), at(1));
        timers.set(&mut rows, PlaceId(1), at(2));
        timers.set(&mut rows, PlaceId(1), at(9));
        assert!(timers.entries.contains(&(at(2), PlaceId(1))));
        timers.set(&mut rows, PlaceId(0), at(8));
        assert_eq!(timers.first_at(), at(8));
        assert!(timers.entries.contains(&(at(9), PlaceId(1))));
    }
}
