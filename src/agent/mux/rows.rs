//! What the queues keep of each agent, side by side.

use crate::agent::mux::PlaceId;
use crate::agent::mux::chunks::Chunks;
use crate::agent::mux::speakers::Turn;
use crate::agent::mux::timers::Timer;
use crate::time::Timestamp;

/// By place. A visit to an agent changes all of it, and waits for one line of the cache.
#[derive(Debug, Default)]
pub(super) struct Rows(Chunks<Row, 64>);

#[derive(Debug)]
#[repr(align(32))]
pub(super) struct Row {
    pub(super) timer: Timer,
    /// Since when, or from when on, it wants to send something new; [`Timestamp::MAX`] if it does not.
    pub(super) wanted_at: Timestamp,
    /// Its turn among those that have outputs.
    pub(super) turn: Turn,
}

impl Rows {
    /// Makes sure that there is a row for this place.
    pub(super) fn reserve(&mut self, place: PlaceId) {
        while self.0.len() <= place.index() {
            self.0.push(Row { timer: Timer::NONE, wanted_at: Timestamp::MAX, turn: Turn::NONE });
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: PlaceId) -> Option<&mut Row> {
        self.0.get_mut(place.index())
    }

    /// When the timer of an agent runs out.
    #[inline]
    pub(super) fn timer_at(&self, place: PlaceId) -> Timestamp {
        self.0.get(place.index()).map_or(Timestamp::MAX, |row| row.timer.at())
    }

    /// Rows for so many places.
    #[cfg(test)]
    pub(super) fn of(places: u32) -> Self {
        let mut rows = Self::default();
        (0..places).for_each(|place| rows.reserve(PlaceId(place)));
        rows
    }
}

const _: () = assert!(size_of::<Row>() == 32, "two of them in a line of the cache");
