//! Who claims what: fragments, paths, transactions.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;

use crate::agent::mux::PlaceId;
use crate::agent::mux::hash::{HashKey, Hashed};
use crate::agent::mux::table::Table;

/// A table from keys to the agents that claim them: mostly one, now and then several, in the order in which they came.
///
/// Finding, adding and removing take a time logarithmic in the number of claims, however many share a key.
#[derive(Debug)]
pub(super) struct Index<Key> {
    /// The claimant, or [`PlaceId::SEVERAL`].
    claimants: Table<Key>,
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

impl<Key: Hashed> Index<Key> {
    pub(super) fn new(hash_key: HashKey) -> Self {
        Self {
            claimants: Table::new(hash_key),
            shared: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            next_arrival: 0,
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.claimants.is_empty()
    }

    /// The oldest claimant.
    pub(super) fn first(&self, key: Key) -> Option<PlaceId> {
        match self.claimants.get(key) {
            Some(PlaceId::SEVERAL) => self.sharers(key).next(),
            claimant => claimant,
        }
    }

    /// All claimants, if there is any.
    pub(super) fn get(&self, key: Key) -> Option<Claimants<impl Iterator<Item = PlaceId>>> {
        Some(match self.claimants.get(key)? {
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
        let first = match self.claimants.get(key) {
            Some(claimant) if claimant == place => return,
            claimant => claimant,
        };
        let Some(first) = first else {
            self.claimants.insert(key, place);
            return;
        };
        if first != PlaceId::SEVERAL {
            self.claimants.insert(key, PlaceId::SEVERAL);
            self.share(key, first);
        }
        self.share(key, place);
    }

    /// Forgets a claim.
    pub(super) fn remove(&mut self, key: Key, place: PlaceId) {
        if self.claimants.get(key) == Some(place) {
            self.claimants.remove(key);
        } else if let Some(arrival) = self.arrivals.remove(&(key, place)) {
            self.shared.remove(&(key, arrival));
            let mut rest = self.shared.range((key, Arrival::MIN)..=(key, Arrival::MAX));
            if let (Some((&last, &place)), None) = (rest.next(), rest.next()) {
                self.claimants.insert(key, place);
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

    /// Every claim, in no order.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, PlaceId)> {
        self.claimants.iter().flat_map(|(key, claimant)| {
            let one = (claimant != PlaceId::SEVERAL).then_some(claimant);
            one.into_iter().chain(self.sharers(key)).map(move |place| (key, place))
        })
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
            steps in prop::collection::vec((any::<bool>(), 0_u128..4, 0_u32..5), 0..200),
        ) {
            let (mut index, mut list) = (Index::new(HashKey::default()), Vec::<(u128, PlaceId)>::new());
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
