//! Who has something to say.

use core::mem;

use crate::agent::mux::PlaceId;
use crate::agent::mux::rows::Rows;

/// The agents that have outputs, in the order in which they came to have some: a chain through their rows.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    ends: Option<Ends>,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    first: PlaceId,
    last: PlaceId,
}

/// Who speaks before and after an agent: at an end of the chain, the agent itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Turn {
    before: PlaceId,
    after: PlaceId,
}

impl Speakers {
    /// Takes note of whether an agent has outputs; one that had some already keeps its turn.
    pub(super) fn set(&mut self, rows: &mut Rows, place: PlaceId, has_outputs: bool) {
        let Some(row) = rows.get_mut(place) else { return };
        match (row.turn == Turn::NONE, has_outputs) {
            (true, true) => {
                let last = self.ends.map_or(place, |ends| ends.last);
                row.turn = Turn { before: last, after: place };
                self.append(rows, last, place);
            }
            (false, false) => {
                let turn = mem::replace(&mut row.turn, Turn::NONE);
                self.unlink(rows, turn, place);
            }
            (true, false) | (false, true) => {}
        }
    }

    /// Who has had outputs for the longest time.
    pub(super) fn first(&self) -> Option<PlaceId> {
        self.ends.map(|ends| ends.first)
    }

    fn append(&mut self, rows: &mut Rows, last: PlaceId, place: PlaceId) {
        let first = self.ends.map_or(place, |ends| ends.first);
        self.ends = Some(Ends { first, last: place });
        if let Some(row) = rows.get_mut(last) {
            row.turn.after = place;
        }
    }

    fn unlink(&mut self, rows: &mut Rows, Turn { before, after }: Turn, place: PlaceId) {
        let (is_first, is_last) = (before == place, after == place);
        let Some(ends) = self.ends.as_mut().filter(|_| !(is_first && is_last)) else {
            self.ends = None;
            return;
        };
        if is_first {
            ends.first = after;
        } else if let Some(row) = rows.get_mut(before) {
            row.turn.after = if is_last { before } else { after };
        }
        if is_last {
            ends.last = before;
        } else if let Some(row) = rows.get_mut(after) {
            row.turn.before = if is_first { after } else { before };
        }
    }
}

impl Turn {
    /// That of an agent that has nothing to say.
    pub(super) const NONE: Self = Self { before: PlaceId::NOBODY, after: PlaceId::NOBODY };
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        /// Against a plain list.
        #[test]
        fn agents_speak_in_the_order_in_which_they_came_to_have_outputs(
            steps in prop::collection::vec((0_u32..5, any::<bool>()), 0..100),
        ) {
            let (mut speakers, mut rows, mut list) = (Speakers::default(), Rows::of(5), Vec::new());
            for (place, has_outputs) in steps.into_iter().map(|(place, has)| (PlaceId(place), has)) {
                speakers.set(&mut rows, place, has_outputs);
                if !has_outputs {
                    list.retain(|speaker| *speaker != place);
                } else if !list.contains(&place) {
                    list.push(place);
                }
                prop_assert_eq!(speakers.first(), list.first().copied());
            }
            for speaker in list {
                prop_assert_eq!(speakers.first(), Some(speaker));
                speakers.set(&mut rows, speaker, false);
            }
            prop_assert_eq!(speakers.first(), None);
        }
    }
}
