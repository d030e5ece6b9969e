//! The bases of an agent, found by their addresses: every datagram asks for the one that it has come to, and every candidate of
//! the peer whether it is one.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::BaseEntry;
use crate::ice::BaseId;
use crate::list::Few;
use crate::net::{Path, Transport, unscoped};

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

    /// The base that a path begins at.
    pub(crate) fn from(&self, path: &Path) -> Option<&BaseEntry> {
        if self.entries.len() > HANDFUL {
            return self.at(path.transport(), path.local());
        }
        self.iter().find(|entry| path.is_from(entry.base.transport, &entry.base.local))
    }

    /// The base that a path leads to.
    pub(crate) fn to(&self, path: &Path) -> Option<&BaseEntry> {
        if self.entries.len() > HANDFUL {
            return self.at(path.transport(), path.remote());
        }
        self.iter().find(|entry| path.is_to(entry.base.transport, &entry.base.local))
    }

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
        // They mostly come in their order.
        if self.entries.last().is_none_or(|last| last.base.local < address) {
            return Err(self.entries.len());
        }
        let key = |entry: &BaseEntry| (entry.base.local, entry.base.transport);
        self.entries.binary_search_by_key(&(address, transport), key)
    }
}

/// So many are compared with a path sooner than two addresses are put in order.
const HANDFUL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::{Base, Origin};
    use crate::ice::StreamId;

    fn address(n: u16) -> SocketAddr {
        match n.is_multiple_of(2) {
            true => SocketAddr::from(([192, 0, 2, 1], n + 1)),
            false => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, n], 9)),
        }
    }

    /// Few are compared one by one, many are searched.
    #[test]
    fn a_path_finds_the_base_at_either_end_among_few_and_among_many() {
        for count in [1, 2, 8, 9, 40] {
            let mut bases = Bases::default();
            for n in (0..count).rev() {
                bases.insert(BaseEntry {
                    id: BaseId::from_raw(n.into()),
                    component: StreamId::from_raw(0).component(1),
                    base: Base::udp(address(n)),
                    origin: Origin::Socket,
                    preference: n,
                });
            }
            for n in 0..count {
                let stranger = if address(n).is_ipv4() { address(1_000) } else { address(1_001) };
                let (out, back) = (Path::udp(address(n), stranger), Path::udp(stranger, address(n)));
                let id = |entry: Option<&BaseEntry>| entry.map(|entry| entry.id);
                let expected = Some(BaseId::from_raw(n.into()));
                assert_eq!((id(bases.from(&out)), id(bases.to(&out))), (expected, None), "{n} of {count}");
                assert_eq!((id(bases.from(&back)), id(bases.to(&back))), (None, expected), "{n} of {count}");
                assert!(bases.from(&Path::new(Transport::Tcp, address(n), stranger)).is_none());
            }
        }
    }
}
