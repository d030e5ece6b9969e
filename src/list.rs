//! Lists of which it is known how many items they mostly hold: one, or none. Most sessions have one stream of one component,
//! one candidate a side, one pair; what they say of it lies together then, and not in a dozen places of the heap.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;
use core::ops::{Deref, DerefMut};
use core::slice;

/// A list that mostly holds one item, which then stands in it. Others are in the heap, all of them.
#[derive(Clone, Debug)]
pub(crate) enum Few<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Few<T> {
    pub(crate) const fn new() -> Self {
        Self::Many(Vec::new())
    }

    /// Makes room for the first items, of which so many are to come.
    pub(crate) fn reserve_first(&mut self, items: usize) {
        match self {
            Self::Many(list) if list.is_empty() && items > 1 => list.reserve_exact(items),
            Self::Many(_) | Self::One(_) => {}
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        match self {
            Self::Many(list) if list.capacity() > 0 => list.push(item),
            Self::Many(_) | Self::One(_) => self.insert(usize::MAX, item),
        }
    }

    /// Puts an item at this place, or at the end if there is no such place.
    pub(crate) fn insert(&mut self, at: usize, item: T) {
        match self {
            Self::Many(list) if list.capacity() == 0 => *self = Self::One(item),
            Self::Many(list) => list.insert(at.min(list.len()), item),
            Self::One(_) => self.change(|list| list.insert(at.min(list.len()), item)),
        }
    }

    pub(crate) fn remove(&mut self, at: usize) -> Option<T> {
        match self {
            Self::One(_) if at > 0 => None,
            Self::One(_) => match mem::take(self) {
                Self::One(item) => Some(item),
                Self::Many(_) => None,
            },
            Self::Many(list) if at >= list.len() => None,
            Self::Many(_) => self.change(|list| Some(list.remove(at))),
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        match self {
            Self::One(item) if keep(item) => {}
            Self::One(_) => *self = Self::new(),
            Self::Many(_) => self.change(|list| list.retain(keep)),
        }
    }

    /// Takes out the items that `gone` picks.
    pub(crate) fn extract(&mut self, gone: impl Fn(&T) -> bool) -> Vec<T> {
        match self.iter().any(&gone) {
            true => self.change(|list| list.extract_if(.., |item| gone(item)).collect()),
            false => Vec::new(),
        }
    }

    /// Gives back room that is not used.
    pub(crate) fn shrink(&mut self) {
        if let Self::Many(list) = self {
            *self = Self::from(mem::take(list));
        }
        if let Self::Many(list) = self {
            list.shrink_to_fit();
        }
    }

    fn change<R>(&mut self, change: impl FnOnce(&mut Vec<T>) -> R) -> R {
        let mut list = match mem::take(self) {
            Self::Many(list) => list,
            Self::One(item) => {
                let mut list = Vec::with_capacity(4);
                list.push(item);
                list
            }
        };
        let result = change(&mut list);
        *self = Self::from(list);
        result
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(mut list: Vec<T>) -> Self {
        match list.len() {
            0 => Self::new(),
            1 => list.pop().map_or(Self::new(), Self::One),
            _ => Self::Many(list),
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut list = Self::new();
        items.into_iter().for_each(|item| list.push(item));
        list
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(item) => slice::from_ref(item),
            Self::Many(list) => list,
        }
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::One(item) => slice::from_mut(item),
            Self::Many(list) => list,
        }
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut Few<T> {
    type Item = &'a mut T;
    type IntoIter = slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

/// A queue that mostly holds one item, if any, which then stands in it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Queue<T> {
    #[default]
    Empty,
    One(T),
    Many(VecDeque<T>),
}

impl<T> Queue<T> {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::One(_) => false,
            Self::Many(items) => items.is_empty(),
        }
    }

    pub(crate) fn push_back(&mut self, item: T) {
        match self {
            Self::Empty => *self = Self::One(item),
            Self::Many(items) => items.push_back(item),
            Self::One(_) => {
                let mut items = VecDeque::with_capacity(QUEUED);
                items.extend(self.pop_front());
                items.push_back(item);
                *self = Self::Many(items);
            }
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        match self {
            // As mostly, and then nothing is moved.
            Self::Empty => None,
            Self::Many(items) => items.pop_front(),
            Self::One(_) => match mem::take(self) {
                Self::One(item) => Some(item),
                Self::Empty | Self::Many(_) => None,
            },
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        match self {
            Self::Many(items) => items.retain(keep),
            Self::One(item) if !keep(item) => *self = Self::Empty,
            Self::Empty | Self::One(_) => {}
        }
    }

    /// Gives back the room of a queue that is empty.
    pub(crate) fn shrink(&mut self) {
        if matches!(self, Self::Many(items) if items.is_empty()) {
            *self = Self::Empty;
        }
    }
}

/// So many items of a queue find room once there are several: a session that begins says a few things at a time.
const QUEUED: usize = 8;

/// A list that mostly holds nothing, and is one word then.
#[expect(clippy::box_collection, reason = "a vector is three words, also when there is nothing in it")]
#[derive(Clone, Debug)]
pub(crate) struct Rare<T>(
    /// Invariant: nothing rather than an empty list.
    Option<Box<Vec<T>>>,
);

impl<T> Rare<T> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    pub(crate) fn push(&mut self, item: T) {
        self.0.get_or_insert_default().push(item);
    }

    pub(crate) fn remove(&mut self, at: usize) -> Option<T> {
        self.change(|list| (at < list.len()).then(|| list.remove(at)))
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.change(|list| list.retain(keep));
    }

    /// Takes out the items that `gone` picks.
    pub(crate) fn extract(&mut self, gone: impl Fn(&T) -> bool) -> Vec<T> {
        self.change(|list| list.extract_if(.., |item| gone(item)).collect())
    }

    /// Takes out everything.
    pub(crate) fn take(&mut self) -> Vec<T> {
        self.0.take().map(|list| *list).unwrap_or_default()
    }

    fn change<R: Default>(&mut self, change: impl FnOnce(&mut Vec<T>) -> R) -> R {
        let result = self.0.as_mut().map(|list| change(list)).unwrap_or_default();
        self.0.take_if(|list| list.is_empty());
        result
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for Rare<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |list| list)
    }
}

impl<T> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.0.as_mut().map_or(&mut [], |list| list)
    }
}

impl<'a, T> IntoIterator for &'a Rare<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut Rare<T> {
    type Item = &'a mut T;
    type IntoIter = slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a vector, through every number of items and back.
        #[test]
        fn a_list_is_like_a_vector(steps in prop::collection::vec((0_u8..5, 0_usize..4, 0_u8..4), 0..40)) {
            let (mut few, mut rare, mut plain) = (Few::new(), Rare::new(), Vec::new());
            for (step, at, item) in steps {
                match step {
                    0 | 1 => {
                        let at = at.min(plain.len());
                        plain.insert(at, item);
                        few.insert(at, item);
                        rare.push(item);
                        rare[at..].rotate_right(1);
                    }
                    2 => {
                        let removed = (at < plain.len()).then(|| plain.remove(at));
                        prop_assert_eq!((few.remove(at), rare.remove(at)), (removed, removed));
                    }
                    3 => {
                        let gone: Vec<u8> = plain.extract_if(.., |known| *known == item).collect();
                        prop_assert_eq!((few.extract(|known| *known == item), &gone), (gone.clone(), &gone));
                        prop_assert_eq!(rare.extract(|known| *known == item), gone);
                    }
                    _ => {
                        plain.retain(|known| *known != item);
                        few.retain(|known| *known != item);
                        rare.retain(|known| *known != item);
                    }
                }
                prop_assert_eq!((&*few, &*rare), (&*plain, &*plain));
                prop_assert_eq!(rare.0.is_some(), !plain.is_empty());
                prop_assert_eq!(matches!(few, Few::One(_)), plain.len() == 1);
            }
            prop_assert_eq!(rare.take(), plain);
        }
    }

    #[test]
    fn a_queue_hands_out_what_came_first() {
        let mut queue = Queue::default();
        for count in [1, 2, 3, 1] {
            (0..count).for_each(|item| queue.push_back(item));
            assert!(!queue.is_empty());
            assert_eq!(
                core::iter::from_fn(|| queue.pop_front()).collect::<Vec<_>>(),
                Vec::from_iter(0..count)
            );
            queue.shrink();
        }
        queue.push_back(7);
        assert!(matches!(queue, Queue::One(7)));
        queue.retain(|item| *item != 7);
        assert!(queue.is_empty());
    }

    #[test]
    fn room_that_was_made_is_used_and_given_back() {
        let mut few = Few::new();
        few.reserve_first(3);
        few.push(1);
        assert!(matches!(&few, Few::Many(list) if list.capacity() == 3));
        few.shrink();
        assert!(matches!(few, Few::One(1)));
    }

    #[test]
    fn what_mostly_holds_nothing_is_a_word() {
        assert_eq!(size_of::<Rare<[u8; 100]>>(), size_of::<usize>());
    }
}
