//! A table of keys in which a look-up waits for memory once.

use alloc::collections::BTreeMap;
use core::mem;
use core::ops::RangeInclusive;

use crate::agent::mux::PlaceId;
use crate::agent::mux::chunks::Chunks;
use crate::agent::mux::hash::{HashKey, Hashed};

/// Places by key. A key stands in the line that its hash says; what finds no room there, one of ten or so, stands in a tree.
///
/// The lines become more, or fewer, one at a time (Litwin, "Linear hashing"): whatever is added or removed moves what is in two
/// lines, and takes a time logarithmic in the number of keys, whatever keys somebody has picked. Nothing goes through the table
/// from one end to the other, so that nobody ever sees an order that depends on hashes.
#[derive(Debug, Default)]
pub(super) struct Table<Key> {
    lines: Chunks<Line<Key>, 64>,
    /// What found no room, those of a line side by side: behind the hash of each, back to front. Invariant: their lines are full,
    /// and say so.
    spilled: BTreeMap<(u32, Key), PlaceId>,
    len: usize,
    hash_key: HashKey,
}

/// A few keys, in one line of the processor's cache if they are of 16 bytes.
#[derive(Debug)]
#[repr(align(64))]
struct Line<Key> {
    keys: [Key; SLOTS],
    /// [`PlaceId::NOBODY`] where there is no key.
    places: [PlaceId; SLOTS],
    /// Whether some that belong here have found no room.
    has_spilled: bool,
}

impl<Key: Hashed> Table<Key> {
    pub(super) fn new(hash_key: HashKey) -> Self {
        Self { hash_key, ..Self::default() }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(super) fn get(&self, key: Key) -> Option<PlaceId> {
        let hash = key.hash(&self.hash_key);
        let line = self.lines.get(self.line_of(hash))?;
        match line.slot(key) {
            Some(slot) => line.places.get(slot).copied(),
            None if line.has_spilled => self.spilled.get(&(rank(hash), key)).copied(),
            None => None,
        }
    }

    /// Puts `place` under a key, and returns what was there.
    pub(super) fn insert(&mut self, key: Key, place: PlaceId) -> Option<PlaceId> {
        let hash = key.hash(&self.hash_key);
        if let Some(known) = self.get_mut(hash, key) {
            return Some(mem::replace(known, place));
        }
        self.len = self.len.saturating_add(1);
        if self.len > self.lines.len().saturating_mul(KEYS_A_LINE_MAX) {
            self.add_line();
        }
        self.put(hash, key, place);
        None
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<PlaceId> {
        let hash = key.hash(&self.hash_key);
        let at = self.line_of(hash);
        let line = self.lines.get_mut(at)?;
        let had_spilled = line.has_spilled;
        let place = match line.slot(key) {
            Some(slot) => line.take(slot),
            None if had_spilled => self.spilled.remove(&(rank(hash), key)),
            None => None,
        }?;
        if had_spilled {
            self.refill(at);
        }
        self.len = self.len.saturating_sub(1);
        if self.len < self.lines.len().saturating_mul(KEYS_A_LINE_MIN) {
            self.remove_line();
        }
        Some(place)
    }

    /// One line more, for half of what belongs in another one.
    fn add_line(&mut self) {
        let new = self.lines.len();
        self.lines.push(Line::default());
        let Some(old) = parent(new) else { return };
        let Some(line) = self.lines.get_mut(old).map(mem::take) else { return };
        self.put_all(&line);
        if line.has_spilled {
            self.refill(old);
            self.refill(new);
        }
    }

    /// One line fewer: what belonged there does so where it came from.
    fn remove_line(&mut self) {
        let Some(line) = self.lines.pop() else { return };
        self.put_all(&line);
        if line.has_spilled
            && let Some(old) = parent(self.lines.len())
        {
            self.refill(old);
        }
    }

    fn put_all(&mut self, line: &Line<Key>) {
        for (key, place) in line.keys() {
            self.put(key.hash(&self.hash_key), key, place);
        }
    }

    fn put(&mut self, hash: u32, key: Key, place: PlaceId) {
        let at = self.line_of(hash);
        let Some(line) = self.lines.get_mut(at) else { return };
        if !line.push(key, place) {
            line.has_spilled = true;
            self.spilled.insert((rank(hash), key), place);
        }
    }

    /// Fills a line up with what had found no room.
    fn refill(&mut self, at: usize) {
        let ranks = self.ranks(at);
        let Some(line) = self.lines.get_mut(at) else { return };
        loop {
            let first = self.spilled.range((*ranks.start(), Key::default())..).next();
            let first = first.filter(|((rank, _), _)| ranks.contains(rank));
            line.has_spilled = first.is_some();
            let Some((&spilled, &place)) = first else { return };
            if !line.push(spilled.1, place) {
                return;
            }
            self.spilled.remove(&spilled);
        }
    }

    fn get_mut(&mut self, hash: u32, key: Key) -> Option<&mut PlaceId> {
        let at = self.line_of(hash);
        let line = self.lines.get_mut(at)?;
        match line.slot(key) {
            Some(slot) => line.places.get_mut(slot),
            None if line.has_spilled => self.spilled.get_mut(&(rank(hash), key)),
            None => None,
        }
    }

    /// The lowest bits of a hash, as many as there are lines for, or one bit less: lines that are still to come have all of
    /// theirs in the line that this names.
    #[inline]
    const fn line_of(&self, hash: u32) -> usize {
        let (lines, hash) = (self.lines.len(), hash as usize);
        let mask = lines.next_power_of_two() - 1;
        if hash & mask < lines { hash & mask } else { hash & (mask >> 1) }
    }

    /// The ranks of all keys that belong in a line.
    fn ranks(&self, line: usize) -> RangeInclusive<u32> {
        let lines = self.lines.len();
        let power = lines.next_power_of_two();
        let is_split = line | power >> 1 < lines;
        let bits = power.trailing_zeros() - u32::from(!is_split);
        let first = rank(line as u32);
        first..=first | u32::MAX.checked_shr(bits).unwrap_or(0)
    }

    /// Every key and its place, in no order.
    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, PlaceId)> {
        let spilled = self.spilled.iter().map(|((_, key), place)| (*key, *place));
        self.lines.iter().flat_map(Line::keys).chain(spilled)
    }
}

impl<Key: Hashed> Line<Key> {
    /// Whether there was room.
    fn push(&mut self, key: Key, place: PlaceId) -> bool {
        let mut slots = self.keys.iter_mut().zip(&mut self.places);
        let free = slots.find(|slot| *slot.1 == PlaceId::NOBODY);
        free.map(|slot| (*slot.0, *slot.1) = (key, place)).is_some()
    }

    fn take(&mut self, slot: usize) -> Option<PlaceId> {
        self.keys.get_mut(slot).map(mem::take);
        self.places.get_mut(slot).map(|place| mem::replace(place, PlaceId::NOBODY))
    }

    #[inline]
    fn slot(&self, key: Key) -> Option<usize> {
        self.keys.iter().zip(&self.places).position(|slot| *slot.0 == key && *slot.1 != PlaceId::NOBODY)
    }

    fn keys(&self) -> impl Iterator<Item = (Key, PlaceId)> {
        let slots = self.keys.iter().copied().zip(self.places.iter().copied());
        slots.filter(|(_, place)| *place != PlaceId::NOBODY)
    }
}

impl<Key: Hashed> Default for Line<Key> {
    fn default() -> Self {
        Self { keys: [Key::default(); SLOTS], places: [PlaceId::NOBODY; SLOTS], has_spilled: false }
    }
}

/// The line that had the keys of this one before there was this one.
fn parent(line: usize) -> Option<usize> {
    Some(line ^ 1 << line.checked_ilog2()?)
}

/// A hash from its lowest bit to its highest: the keys of a line have the same bits in front.
const fn rank(hash: u32) -> u32 {
    hash.reverse_bits()
}

const SLOTS: usize = 3;

const _: () = assert!(size_of::<Line<u128>>() == 64, "a line is one of the cache");

/// Lines are added when there are more keys on average, and removed when there are fewer; between the two, nothing changes
/// for those that come and go. Two of three slots taken leave one key in ten or so without room.
const KEYS_A_LINE_MAX: usize = 2;
const KEYS_A_LINE_MIN: usize = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{Entropy, Seed};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Some keys at once, so that tables get to a few dozen lines.
    #[derive(Clone, Debug)]
    struct Step {
        adds: bool,
        first: u16,
        count: u16,
        place: u32,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = (any::<bool>(), 0_u16..300, 1_u16..120, 0_u32..5);
        let step = step.prop_map(|(adds, first, count, place)| Step { adds, first, count, place });
        prop::collection::vec(step, 0..20)
    }

    /// Hashes as they should be, those that so many keys have in common, and one for all keys.
    fn hash_keys() -> impl Strategy<Value = HashKey> {
        let random = any::<u8>().prop_map(|seed| HashKey::new(Entropy::new(Seed::from([seed; 32])).apart()));
        let coarse = (0_u32..8).prop_map(HashKey::coarse);
        prop_oneof![random, coarse, Just(HashKey::default())]
    }

    fn key(number: u16) -> u128 {
        u128::from(number) << 64 | 7
    }

    fn assert_sound(table: &Table<u128>) {
        let full = |line: &Line<u128>| line.keys().count() == SLOTS;
        let mut spilled =
            table.spilled.keys().map(|(_, key)| table.line_of(key.hash(&table.hash_key))).collect::<Vec<_>>();
        spilled.dedup();
        for at in 0..table.lines.len() {
            let line = table.lines.get(at).unwrap();
            assert_eq!(line.has_spilled, spilled.contains(&at));
            assert!(full(line) || !line.has_spilled);
            assert!(line.keys().all(|(key, _)| table.line_of(key.hash(&table.hash_key)) == at));
        }
        // Those of a line are side by side, or a line would stand here twice.
        let lines = spilled.len();
        spilled.sort_unstable();
        spilled.dedup();
        assert_eq!(spilled.len(), lines);
        let lines = table.lines.len();
        assert!(
            table.len <= lines * KEYS_A_LINE_MAX && table.len >= lines.saturating_sub(1) * KEYS_A_LINE_MIN
        );
    }

    proptest! {
        #[test]
        fn a_table_holds_what_a_map_holds(hash_key in hash_keys(), steps in steps()) {
            let (mut table, mut map) = (Table::new(hash_key), BTreeMap::new());
            for Step { adds, first, count, place } in steps {
                for key in (first..first + count).map(key) {
                    if adds {
                        prop_assert_eq!(table.insert(key, PlaceId(place)), map.insert(key, PlaceId(place)));
                    } else {
                        prop_assert_eq!(table.remove(key), map.remove(&key));
                    }
                }
                assert_sound(&table);
                prop_assert_eq!(table.len, map.len());
                for key in (0..450).map(key) {
                    prop_assert_eq!(table.get(key), map.get(&key).copied());
                }
                prop_assert_eq!(table.iter().collect::<BTreeMap<_, _>>(), map.clone());
            }
            for key in map.into_keys() {
                prop_assert!(table.remove(key).is_some());
            }
            prop_assert!(table.is_empty() && table.lines.len() == 0 && table.spilled.is_empty());
        }
    }
}
