//! A vector that grows without moving what it holds.

use alloc::vec::Vec;

/// Items in pieces of `N`: a thing more, or one less, costs no more than a piece, however many there are. Few items lie in one
/// piece that grows as vectors do.
#[derive(Debug)]
pub(super) struct Chunks<T, const N: usize> {
    /// Invariant: all but the last have `N` items, and that has one at least.
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T, const N: usize> Chunks<T, N> {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / N)?.get(at % N)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.chunks.get_mut(at / N)?.get_mut(at % N)
    }

    pub(super) fn push(&mut self, item: T) {
        let has_room = self.chunks.last().is_some_and(|last| last.len() < N);
        if !has_room {
            let room = if self.chunks.is_empty() { 0 } else { N };
            self.chunks.push(Vec::with_capacity(room));
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(item);
            self.len = self.len.saturating_add(1);
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let last = self.chunks.last_mut()?;
        let item = last.pop()?;
        self.len = self.len.saturating_sub(1);
        if last.is_empty() {
            self.chunks.pop();
        }
        if self.chunks.is_empty() {
            self.chunks = Vec::new();
        }
        Some(item)
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }
}

impl<T, const N: usize> Default for Chunks<T, N> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stand_where_they_were_pushed_and_leave_nothing_behind() {
        let mut chunks = Chunks::<usize, 4>::default();
        for len in 0..21 {
            assert_eq!((chunks.len(), chunks.get(len)), (len, None));
            chunks.push(len);
            assert!((0..=len).all(|at| chunks.get(at) == Some(&at)));
        }
        for at in (0..21).rev() {
            assert_eq!(chunks.pop(), Some(at));
            assert_eq!((chunks.len(), chunks.get_mut(at)), (at, None));
        }
        assert_eq!((chunks.pop(), chunks.chunks.capacity()), (None, 0));
    }

    #[test]
    fn a_full_piece_is_moved_no_more() {
        let mut chunks = Chunks::<usize, 4>::default();
        (0..4).for_each(|item| chunks.push(item));
        let first: *const usize = chunks.get(0).unwrap();
        (4..100).for_each(|item| chunks.push(item));
        assert_eq!(first, core::ptr::from_ref(chunks.get(0).unwrap()));
    }
}
