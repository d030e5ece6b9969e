//! Who has something to say.

use alloc::collections::BTreeMap;

use crate::agent::mux::PlaceId;
use crate::agent::mux::rows::{Row, Rows};

/// The agents that have outputs, in the order in which they came to have some.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    queue: BTreeMap<u64, PlaceId>,
    last_number: u64,
}

impl Speakers {
    pub(super) fn set(&mut self, rows: &mut Rows, place: PlaceId, has_outputs: bool) {
        let Some(Row { turn, .. }) = rows.get_mut(place) else { return };
        if has_outputs == (*turn > 0) {
            return;
        }
        if has_outputs {
            self.last_number = self.last_number.wrapping_add(1);
            *turn = self.last_number;
            self.queue.insert(*turn, place);
        } else {
            self.queue.remove(turn);
            *turn = 0;
        }
    }

    /// Who has had outputs for the longest time.
    pub(super) fn first(&self) -> Option<PlaceId> {
        self.queue.first_key_value().map(|(_, place)| *place)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
