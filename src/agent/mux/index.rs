//! Who claims what: fragments, paths, transactions.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;

use crate::agent::mux::PlaceId;

/// A table from keys to the agents that claim them: mostly one, now and then several, in the order in which they came.
///
/// Finding, adding and removing take a time logarithmic in the number of claims, however many share a key.
#[derive(Debug)]
pub(super) struct Index<Key> {
    /// The claimant, or [`PlaceId::SEVERAL`].
    claimants: BTreeMap<Key, PlaceId>,
    /// Those of the keys that have several. Invariant: at least two of a key.
    shared: BTreeMap<(Key, Arrival), PlaceId>,
    /// When each of those came.
    arrivals: BTreeMap<(Key, PlaceId), Arrival>,
    next_arrival: Arrival,
}

/// Who claims a key.
pub(super) enum Claimants<I> {
    One(PlaceId),
    /// At least two, the oldest first.
    Several(I),
}

/// Counts the claims to keys that have a claimant already.
type Arrival = u64;

impl<Key: Copy + Ord> Index<Key> {
    /// The oldest claimant.
    pub(super) fn first(&self, key: Key) -> Option<PlaceId> {
        match self.claimants.get(&key) {
            Some(&PlaceId::SEVERAL) => self.sharers(key).next(),
            claimant => claimant.copied(),
        }
    }

    /// All claimants, if there is any.
    pub(super) fn get(&self, key: Key) -> Option<Claimants<impl Iterator<Item = PlaceId>>> {
        Some(match *self.claimants.get(&key)? {
            PlaceId::SEVERAL => Claimants::Several(self.sharers(key)),
            place => Claimants::One(place),
        })
    }

    /// All claimants of a key that has several, the oldest first; none if it has one.
    fn sharers(&self, key: Key) -> impl Iterator<Item = PlaceId> {
        self.shared.range((key, Arrival::MIN)..=(key, Arrival::MAX)).map(|(_, place)| *place)
    }

    /// Takes note of a claim; one that is known already keeps its rank.
    pub(super) fn insert(&mut self, key: Key, place: PlaceId) {
        match self.claimants.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(place);
            }
            Entry::Occupied(claimant) if *claimant.get() == place => {}
            Entry::Occupied(mut claimant) => {
                let first = claimant.insert(PlaceId::SEVERAL);
                if first != PlaceId::SEVERAL {
                    self.share(key, first);
                }
                self.share(key, place);
            }
        }
    }

    /// Forgets a claim.
    pub(super) fn remove(&mut self, key: Key, place: PlaceId) {
        let Entry::Occupied(mut claimant) = self.claimants.entry(key) else { return };
        if *claimant.get() == place {
            claimant.remove();
        } else if let Some(arrival) = self.arrivals.remove(&(key, place)) {
            self.shared.remove(&(key, arrival));
            let mut rest = self.shared.range((key, Arrival::MIN)..=(key, Arrival::MAX));
            if let (Some((&last, &place)), None) = (rest.next(), rest.next()) {
                claimant.insert(place);
                self.shared.remove(&last);
                self.arrivals.remove(&(key, place));
            }
        }
    }

    fn share(&mut self, key: Key, place: PlaceId) {
        if let Entry::Vacant(arrival) = self.arrivals.entry((key, place)) {
            arrival.insert(self.next_arrival);
            self.shared.insert((key, self.next_arrival), place);
            self.next_arrival = self.next_arrival.wrapping_add(1);
        }
    }

    /// Every claim, in the order of the keys.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, PlaceId)> {
        self.claimants.iter().flat_map(|(key, claimant)| {
            let one = (*claimant != PlaceId::SEVERAL).then_some(*claimant);
            one.into_iter().chain(self.sharers(*key)).map(|place| (*key, place))
        })
    }
}

impl<Key> Default for Index<Key> {
    fn default() -> Self {
        Self {
            claimants: BTreeMap::new(),
            shared: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            next_arrival: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        /// Against a list in which everything is looked for.
        #[test]
        fn claimants_are_those_of_a_plain_list(
            steps in prop::collection::vec((any::<bool>(), 0_u8..4, 0_u32..5), 0..200),
        ) {
            let (mut index, mut list) = (Index::default(), Vec::<(u8, PlaceId)>::new());
            for (adds, key, place) in steps {
                let claim = (key, PlaceId(place));
                let known = list.contains(&claim);
                if adds {
                    index.insert(key, PlaceId(place));
                    if !known {
                        list.push(claim);
                    }
                } else {
                    index.remove(key, PlaceId(place));
                    list.retain(|known| *known != claim);
                }
                for key in 0..4 {
                    let claimants: Vec<_> =
                        list.iter().filter(|claim| claim.0 == key).map(|claim| claim.1).collect();
                    prop_assert_eq!(index.first(key), claimants.first().copied());
                    let sharers = if claimants.len() > 1 { claimants } else { Vec::new() };
                    prop_assert_eq!(index.sharers(key).collect::<Vec<_>>(), sharers);
                }
            }
            for (key, place) in list {
                index.remove(key, place);
            }
            prop_assert!(index.claimants.is_empty() && index.shared.is_empty() && index.arrivals.is_empty());
        }
    }
}
