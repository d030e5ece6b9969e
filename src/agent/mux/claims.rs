//! What makes a datagram an agent's.

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::agent::Agent;
use crate::agent::mux::PlaceId;
use crate::agent::mux::hash::HashKey;
use crate::agent::mux::index::{Claimants, Index};
use crate::agent::route::Announced;
use crate::agent::stream::Stream;
use crate::net::{Path, Transport};
use crate::stun::text::six_bits;
use crate::stun::{Message, TransactionId, Username};

/// One thing by which an agent is found. Packed into integers, which are compared in a third of the time of addresses.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Claim {
    /// A user-name fragment under which it answers.
    Ufrag(UfragKey),
    /// A path that it sends on.
    Route(PathKey),
    /// A path on which it has authenticated somebody.
    Path(PathKey),
    /// A request that it waits for the answer to.
    Transaction(u128),
}

/// A fragment of up to 21 characters, or what is left of a longer one: different ones may share a key, and are told apart
/// like two agents that have drawn the same.
pub(super) type UfragKey = u128;

/// A 5-tuple.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum PathKey {
    /// Of IPv4.
    Narrow(u128),
    /// Of IPv6.
    Wide([u128; 3]),
}

/// The agents by what they claim.
#[derive(Debug)]
pub(super) struct Claims {
    ufrags: Index<UfragKey>,
    routes: Paths,
    paths: Paths,
    transactions: Index<u128>,
}

#[derive(Debug)]
struct Paths {
    narrow: Index<u128>,
    wide: Index<[u128; 3]>,
}

impl Claims {
    pub(super) fn new(hash_key: HashKey) -> Self {
        let paths = || Paths { narrow: Index::new(hash_key), wide: Index::new(hash_key) };
        Self {
            ufrags: Index::new(hash_key),
            routes: paths(),
            paths: paths(),
            transactions: Index::new(hash_key),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        let no_paths = self.routes.is_empty() && self.paths.is_empty();
        no_paths && self.ufrags.is_empty() && self.transactions.is_empty()
    }

    pub(super) fn insert(&mut self, claim: Claim, place: PlaceId) {
        match claim {
            Claim::Ufrag(key) => self.ufrags.insert(key, place),
            Claim::Route(key) => self.routes.insert(key, place),
            Claim::Path(key) => self.paths.insert(key, place),
            Claim::Transaction(key) => self.transactions.insert(key, place),
        }
    }

    pub(super) fn remove(&mut self, claim: Claim, place: PlaceId) {
        match claim {
            Claim::Ufrag(key) => self.ufrags.remove(key, place),
            Claim::Route(key) => self.routes.remove(key, place),
            Claim::Path(key) => self.paths.remove(key, place),
            Claim::Transaction(key) => self.transactions.remove(key, place),
        }
    }

    /// Whose path it is.
    ///
    /// Several agents can have authenticated somebody on one 5-tuple: two sessions between the same two sockets, or one of
    /// whose peers claims another's address. The agent that sends there has it, the first of several, so that nobody takes
    /// over a path in use by knowing the password of another session.
    pub(super) fn on_path(&self, path: Path) -> Option<PlaceId> {
        let key = PathKey::of(path);
        self.routes.first(key).or_else(|| self.paths.first(key))
    }

    /// Who waits for the answer to a request.
    pub(super) fn asked(&self, id: TransactionId) -> Option<PlaceId> {
        self.transactions.first(transaction_key(id))
    }

    /// Who answers under a fragment.
    pub(super) fn named(&self, ufrag: &[u8]) -> Option<Claimants<impl Iterator<Item = PlaceId>>> {
        self.ufrags.get(ufrag_key(ufrag)?)
    }

    /// Everything in it.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<(Claim, PlaceId)> {
        let paths = |paths: &Paths, claim: fn(PathKey) -> Claim| -> Vec<_> {
            let narrow = paths.narrow.iter().map(|(key, place)| (PathKey::Narrow(key), place));
            let wide = paths.wide.iter().map(|(key, place)| (PathKey::Wide(key), place));
            narrow.chain(wide).map(|(key, place)| (claim(key), place)).collect()
        };
        let mut all: Vec<_> = self.ufrags.iter().map(|(key, place)| (Claim::Ufrag(key), place)).collect();
        all.extend(paths(&self.routes, Claim::Route));
        all.extend(paths(&self.paths, Claim::Path));
        all.extend(self.transactions.iter().map(|(key, place)| (Claim::Transaction(key), place)));
        all
    }
}

impl Paths {
    const fn is_empty(&self) -> bool {
        self.narrow.is_empty() && self.wide.is_empty()
    }

    fn first(&self, key: PathKey) -> Option<PlaceId> {
        match key {
            PathKey::Narrow(key) => self.narrow.first(key),
            PathKey::Wide(key) => self.wide.first(key),
        }
    }

    fn insert(&mut self, key: PathKey, place: PlaceId) {
        match key {
            PathKey::Narrow(key) => self.narrow.insert(key, place),
            PathKey::Wide(key) => self.wide.insert(key, place),
        }
    }

    fn remove(&mut self, key: PathKey, place: PlaceId) {
        match key {
            PathKey::Narrow(key) => self.narrow.remove(key, place),
            PathKey::Wide(key) => self.wide.remove(key, place),
        }
    }
}

impl Agent {
    /// Writes down what the agent claims, in an order that is its own. What is claimed twice stands there twice.
    ///
    /// Paths and transactions are those of authentic messages and of requests of our own: what strangers send claims nothing.
    pub(super) fn claims(&self, out: &mut Vec<Claim>) {
        out.clear();
        for stream in self.streams.iter().filter(|stream| !stream.is_closed()) {
            stream.claims(out);
        }
        // The path to a server that relays is nobody else's: an allocation is known by its 5-tuple.
        for path in self.gatherer.relays.iter().filter_map(|relay| relay.path()) {
            out.push(Claim::Route(PathKey::of(path)));
        }
        for transaction in self.transactions.iter() {
            out.push(Claim::Transaction(transaction_key(transaction.id())));
        }
    }

    /// Whether a request was made with the credentials of one of the streams. Costs an HMAC if it names one.
    pub(super) fn is_asked_by(&self, request: &Message<'_>) -> bool {
        let Some(Ok(username)) = request.get::<Username<'_>>() else { return false };
        let begins_with = |ufrag: &str| {
            let rest = username.as_bytes().strip_prefix(ufrag.as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b":"))
        };
        let locals = |stream: &'_ Stream| {
            let previous = stream.previous.as_ref().map(|previous| &previous.local);
            [Some(&stream.local), previous]
                .into_iter()
                .flatten()
                .any(|local| begins_with(local.credentials.ufrag()) && local.has_signed(request))
        };
        self.streams.iter().filter(|stream| !stream.is_closed()).any(locals)
    }
}

impl Stream {
    fn claims(&self, out: &mut Vec<Claim>) {
        let previous = self.previous.as_ref();
        for local in [Some(&self.local), previous.map(|previous| &previous.local)].into_iter().flatten() {
            out.extend(ufrag_key(local.credentials.ufrag().as_bytes()).map(Claim::Ufrag));
        }
        let routes = || self.components().filter_map(|component| self.path_of(component.route.as_ref()?));
        for path in routes() {
            out.push(Claim::Route(PathKey::of(path)));
        }
        let authenticated = [Some(&self.authenticated), previous.map(|it| &it.authenticated)];
        for known in authenticated.into_iter().flatten().flat_map(|known| known.iter()) {
            if !routes().any(|route| route == known.path) {
                out.push(Claim::Path(PathKey::of(known.path)));
            }
        }
    }
}

impl Stream {
    /// Where the bytes of a route go.
    fn path_of(&self, route: &Announced) -> Option<Path> {
        let current = || Some(self.valid.get(route.pair())?.path);
        let previous = || Some(self.previous.as_ref()?.path(route.pair())?.valid.path);
        route.relay_path().or_else(current).or_else(previous)
    }
}

impl PathKey {
    pub(super) fn of(path: Path) -> Self {
        let (local, remote) = (path.local(), path.remote());
        let tcp = u128::from(path.transport() == Transport::Tcp);
        let ports = u128::from(local.port()) << 16 | u128::from(remote.port());
        match (local, remote) {
            (SocketAddr::V4(local), SocketAddr::V4(remote)) => {
                let [local, remote] = [local, remote].map(|address| u128::from(address.ip().to_bits()));
                Self::Narrow(remote << 96 | local << 64 | tcp << 32 | ports)
            }
            (local, remote) => {
                let scope = match local {
                    SocketAddr::V6(v6) => u128::from(v6.scope_id()),
                    SocketAddr::V4(_) => 0,
                };
                let [local, remote] = [local, remote].map(bits);
                Self::Wide([remote, local, scope << 64 | tcp << 32 | ports])
            }
        }
    }
}

fn bits(address: SocketAddr) -> u128 {
    match address {
        SocketAddr::V6(v6) => v6.ip().to_bits(),
        SocketAddr::V4(v4) => v4.ip().to_ipv6_mapped().to_bits(),
    }
}

/// Six bits for each character, the last ones in the lowest; `None` for what is no fragment.
pub(super) fn ufrag_key(ufrag: &[u8]) -> Option<UfragKey> {
    // The one in front keeps fragments of different lengths apart.
    let mut key: UfragKey = 1;
    for character in ufrag {
        let six_bits = SIX_BITS.get(usize::from(*character)).copied().filter(|six_bits| *six_bits < 64)?;
        key = key.rotate_left(6) ^ u128::from(six_bits);
    }
    Some(key)
}

pub(super) fn transaction_key(id: TransactionId) -> u128 {
    let mut bytes = [0; 16];
    if let Some(low) = bytes.last_chunk_mut::<12>() {
        *low = *id.as_bytes();
    }
    u128::from_be_bytes(bytes)
}

/// What each character stands for; 64 for what is none of a fragment's.
const SIX_BITS: [u8; 256] = {
    let (mut table, mut character) = ([64; 256], 0_u8);
    loop {
        if let Some(value) = six_bits(character) {
            table[character as usize] = value;
        }
        if character == u8::MAX {
            break table;
        }
        character += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn different_fragments_have_different_keys_up_to_21_characters() {
        let fragments = ["AAAA", "AAAAA", "aaaa", "0000", "++++", "////", "AAAB", "ABAA", "BAAA"];
        let long = ["AAAAAAAAAAAAAAAAAAAAA", "BAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAB"];
        let keys: BTreeSet<_> =
            fragments.iter().chain(&long).map(|ufrag| ufrag_key(ufrag.as_bytes()).unwrap()).collect();
        assert_eq!(keys.len(), fragments.len() + long.len());
        assert_eq!(ufrag_key(b"ab:cd"), None);
        assert_eq!(ufrag_key(b"ab\xff"), None);
    }

    #[test]
    fn longer_fragments_have_keys_as_well() {
        let long = "x".repeat(256);
        assert!(ufrag_key(long.as_bytes()).is_some());
    }

    #[test]
    fn each_part_of_a_path_tells_it_from_others() {
        let addresses = [
            "192.0.2.1:1",
            "192.0.2.1:2",
            "192.0.2.2:1",
            "[2001:db8::1]:1",
            "[2001:db8::1]:2",
            "[fe80::1%7]:1",
        ];
        let addresses = addresses.map(|text| text.parse::<SocketAddr>().unwrap());
        let (mut keys, mut paths) = (BTreeSet::new(), BTreeSet::new());
        for transport in [Transport::Udp, Transport::Tcp] {
            for local in addresses {
                for remote in addresses {
                    let path = Path::new(transport, local, remote);
                    keys.insert(PathKey::of(path));
                    paths.insert(path);
                }
            }
        }
        assert_eq!(keys.len(), paths.len());
    }
}
