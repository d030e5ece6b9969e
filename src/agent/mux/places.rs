//! Where agents stand.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::agent::Agent;
use crate::agent::mux::PlaceId;

/// The agents, each at a place that is its own as long as it stays.
///
/// A few stand side by side, so that what leads to them is small and mostly in the cache, and none is moved when others come.
#[derive(Debug)]
pub(super) struct Places<K> {
    /// Invariant: of `NEIGHBOURS` places each, behind the last of which that is taken there may be none; one in which nobody
    /// stands takes no room.
    groups: Vec<Vec<Option<Resident<K>>>>,
    /// Places without an agent. The first one is taken first: after a rush, groups become empty again.
    vacant: BTreeSet<PlaceId>,
    len: usize,
}

/// An agent and its name outside.
#[derive(Debug)]
pub(super) struct Resident<K> {
    pub(super) key: K,
    pub(super) agent: Agent,
}

impl<K> Places<K> {
    pub(super) fn insert(&mut self, key: K, agent: Agent) -> PlaceId {
        let place = self.vacant.pop_first().unwrap_or_else(|| {
            let place = PlaceId(u32::try_from(self.len).unwrap_or(u32::MAX));
            self.len = self.len.saturating_add(1);
            place
        });
        let (group, at) = position(place);
        if self.groups.len() <= group {
            self.groups.push(Vec::new());
        }
        if let Some(residents) = self.groups.get_mut(group) {
            // Few agents take no room for others.
            if residents.capacity() == 0 && group > 0 {
                residents.reserve_exact(NEIGHBOURS);
            }
            if residents.len() <= at {
                residents.resize_with(at.saturating_add(1), || None);
            }
            if let Some(vacant) = residents.get_mut(at) {
                *vacant = Some(Resident { key, agent });
            }
        }
        place
    }

    pub(super) fn remove(&mut self, place: PlaceId) -> Option<Agent> {
        let (group, at) = position(place);
        let residents = self.groups.get_mut(group)?;
        let gone = residents.get_mut(at)?.take()?;
        if residents.iter().all(Option::is_none) {
            *residents = Vec::new();
        }
        self.vacant.insert(place);
        Some(gone.agent)
    }

    #[inline]
    pub(super) fn get(&self, place: PlaceId) -> Option<&Resident<K>> {
        let (group, at) = position(place);
        self.groups.get(group)?.get(at)?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: PlaceId) -> Option<&mut Resident<K>> {
        let (group, at) = position(place);
        self.groups.get_mut(group)?.get_mut(at)?.as_mut()
    }

    /// Whether there is no place at all.
    #[cfg(test)]
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<K> Default for Places<K> {
    fn default() -> Self {
        Self { groups: Vec::new(), vacant: BTreeSet::new(), len: 0 }
    }
}

/// The group, and where in it.
const fn position(place: PlaceId) -> (usize, usize) {
    (place.index() / NEIGHBOURS, place.index() % NEIGHBOURS)
}

const NEIGHBOURS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::Config;
    use crate::entropy::Seed;
    use crate::ice::Role;

    fn agent() -> Agent {
        Agent::new(Config::new(), Role::Controlled, Seed::from([1; 32]))
    }

    #[test]
    fn a_place_is_somebodys_until_he_goes_and_the_first_vacant_one_is_taken_next() {
        let mut places = Places::default();
        let taken: Vec<_> = (0..20).map(|key| places.insert(key, agent())).collect();
        for (key, place) in taken.iter().enumerate() {
            assert_eq!(places.get(*place).map(|resident| resident.key), Some(key));
        }
        for gone in [17, 3, 9] {
            assert!(places.remove(taken[gone]).is_some());
            assert!(places.remove(taken[gone]).is_none() && places.get(taken[gone]).is_none());
        }
        let next = [20, 21, 22, 23].map(|key| places.insert(key, agent()).0);
        assert_eq!(next, [3, 9, 17, 20]);
        assert_eq!([3, 9, 17, 20].map(|place| places.get_mut(PlaceId(place)).unwrap().key), [20, 21, 22, 23]);
    }

    #[test]
    fn a_group_in_which_nobody_stands_takes_no_room() {
        let mut places = Places::default();
        assert!((0..24).all(|key| places.insert(key, agent()) == PlaceId(key)));
        let room = |places: &Places<u32>| places.groups.iter().map(Vec::capacity).collect::<Vec<_>>();
        (8..16).for_each(|place| drop(places.remove(PlaceId(place))));
        assert_eq!(room(&places), [8, 0, 8]);
        // The last of a group that is taken first.
        places.vacant.retain(|place| *place == PlaceId(15));
        assert_eq!(places.insert(99, agent()), PlaceId(15));
        assert_eq!(places.get(PlaceId(15)).map(|resident| resident.key), Some(99));
        assert!(places.get(PlaceId(8)).is_none());
    }

    #[test]
    fn one_agent_takes_the_room_of_one() {
        let mut places = Places::default();
        places.insert((), agent());
        assert_eq!(places.groups[0].capacity(), 1);
    }
}
