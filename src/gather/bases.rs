//! The bases of an agent, found by their addresses: every datagram asks for the one that it has come to, and every candidate of
//! the peer whether it is one.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::BaseEntry;
use crate::ice::BaseId;
use crate::list::Few;
use crate::net::{Transport, unscoped};

#[derive(Debug, Default)]
pub(crate) struct Bases {
    /// Sorted by address, then by transport. Invariant: no two are alike in both.
    entries: Few<BaseEntry>,
}

impl Bases {
    /// In the order of their addresses.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &BaseEntry> {
        self.entries.iter()
    }

    /// Those that `wanted` picks, in the order in which they came.
    pub(crate) fn in_order(&self, wanted: impl Fn(&BaseEntry) -> bool) -> Vec<BaseEntry> {
        let mut picked: Vec<BaseEntry> = self.iter().filter(|entry| wanted(entry)).cloned().collect();
        picked.sort_unstable_by_key(|entry| entry.id);
        picked
    }

    pub(crate) fn get(&self, id: BaseId) -> Option<&BaseEntry> {
        self.iter().find(|entry| entry.id == id)
    }

    /// The base whose socket has this address.
    pub(crate) fn at(&self, transport: Transport, address: SocketAddr) -> Option<&BaseEntry> {
        self.entries.get(self.position(transport, address).ok()?)
    }

    /// Whether a base has this address, on whatever link.
    pub(crate) fn has_unscoped(&self, address: SocketAddr) -> bool {
        let address = unscoped(address);
        let first = self.entries.partition_point(|entry| entry.base.local < address);
        self.entries.get(first).is_some_and(|entry| unscoped(entry.base.local) == address)
    }

    pub(crate) fn insert(&mut self, entry: BaseEntry) {
        let (Ok(at) | Err(at)) = self.position(entry.base.transport, entry.base.local);
        self.entries.insert(at, entry);
    }

    /// Takes out those that `gone` picks, in the order in which they came.
    pub(crate) fn remove(&mut self, gone: impl Fn(&BaseEntry) -> bool) -> Vec<BaseEntry> {
        let mut removed = self.entries.extract(gone);
        removed.sort_unstable_by_key(|entry| entry.id);
        removed
    }

    fn position(&self, transport: Transport, address: SocketAddr) -> Result<usize, usize> {
        let key = |entry: &BaseEntry| (entry.base.local, entry.base.transport);
        self.entries.binary_search_by_key(&(address, transport), key)
    }
}
