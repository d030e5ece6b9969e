//! What relays hold for an agent: allocations, permissions, channels, and when it has to ask for them again.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::sim::watch::decode::{
    ALLOCATE, CHANNEL_BIND, CHANNEL_NUMBER, CREATE_PERMISSION, LIFETIME, REFRESH, REQUESTED_ADDRESS_FAMILY,
    Stun, XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS,
};
use crate::{Agent, Pair, Path, Timestamp};

/// What is known of allocations, by the path to the server.
#[derive(Debug, Default)]
pub(super) struct Relays {
    pub(super) relayed: BTreeMap<Path, Vec<SocketAddr>>,
    /// What the last input has named.
    claimed: Vec<(Path, SocketAddr)>,
    pub(super) channels: BTreeMap<(Path, u16), SocketAddr>,
    leases: BTreeMap<(Path, Held), Lease>,
    /// What the last input has granted, for so long: it counts as soon as the agent has taken it.
    granted: Vec<((Path, Held), Lease)>,
    /// Where the last input has granted an allocation.
    allocated: Option<Path>,
    /// Where the last word was a release.
    released: BTreeSet<Path>,
}

/// Something that a server holds for a time.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Held {
    Allocation,
    Permission(IpAddr),
    Channel(u16),
}

/// For how long.
#[derive(Clone, Copy, Debug)]
struct Lease {
    ends_at: Timestamp,
    /// When it has to have been asked for again, unless it has been since it was granted.
    renew_by: Option<Timestamp>,
}

impl Lease {
    fn new(now: Timestamp, lifetime: Duration) -> Self {
        // INV-48
        let renew_by = now + lifetime.saturating_sub(MARGIN).max(lifetime / 2);
        Self { ends_at: now + lifetime, renew_by: Some(renew_by) }
    }
}

impl Relays {
    /// A request leaves for the first time.
    pub(super) fn asked(&mut self, path: Path, request: &Stun<'_>) -> Result<(), String> {
        let is_release = request.method == REFRESH && request.word(LIFETIME) == Some(0);
        if request.method == ALLOCATE {
            self.released.remove(&path);
        }
        // INV-48
        if self.released.contains(&path) && !is_release {
            return Err(format!("INV-48: method {} on {path:?} after a release", request.method));
        }
        if is_release && !request.has(REQUESTED_ADDRESS_FAMILY) {
            self.released.insert(path);
            self.leases.retain(|(known, _), _| *known != path);
        }
        for held in held(request) {
            if let Some(lease) = self.leases.get_mut(&(path, held)) {
                lease.renew_by = None;
            }
        }
        Ok(())
    }

    /// A success comes in for a request of ours.
    pub(super) fn answered(&mut self, now: Timestamp, path: Path, request: &Stun<'_>, answer: &Stun<'_>) {
        if answer.method == ALLOCATE {
            self.allocated = Some(path);
            let relayed = answer.attributes().filter(|it| it.kind == XOR_RELAYED_ADDRESS);
            self.claimed.extend(relayed.filter_map(|it| Some((path, answer.uncovered(it)?))));
        }
        self.granted.clear();
        let seconds = answer.word(LIFETIME).unwrap_or_default();
        for held in held(request) {
            let lifetime = match held {
                Held::Allocation => Duration::from_secs(seconds.into()),
                Held::Permission(_) => PERMISSION_LIFETIME,
                Held::Channel(_) => CHANNEL_LIFETIME,
            };
            self.granted.push(((path, held), Lease::new(now, lifetime)));
        }
    }

    /// Whatever was granted, the agent has not taken it yet.
    pub(super) fn begin(&mut self) {
        self.granted.clear();
        self.claimed.clear();
        self.allocated = None;
    }

    /// The agent has taken what was granted.
    pub(super) fn taken(&mut self) {
        // RFC 8656 section 7.2: a 5-tuple has one allocation at most, and what was granted for the one before went with it.
        if let Some(path) = self.allocated.take() {
            self.leases.retain(|(known, _), _| *known != path);
            self.channels.retain(|(known, _), _| *known != path);
        }
        self.claimed.retain(|(path, address)| {
            let known = self.relayed.entry(*path).or_default();
            let is_new = !known.contains(address);
            known.extend(is_new.then_some(*address));
            is_new
        });
        for (key, lease) in self.granted.drain(..) {
            if !self.released.contains(&key.0) {
                self.leases.insert(key, lease);
            }
        }
    }

    /// INV-47: whether data may be sent by this.
    pub(super) fn may_use(&self, now: Timestamp, path: Path, held: Held) -> Result<(), String> {
        let lease = self.leases.get(&(path, held));
        match lease.is_some_and(|lease| now <= lease.ends_at) {
            true => Ok(()),
            false => {
                Err(format!("INV-47: data to {path:?} by {held:?} at {now:?}, which is held as {lease:?}"))
            }
        }
    }

    /// Whether the server may deliver what that address sends.
    pub(super) fn permits(&self, now: Timestamp, path: Path, peer: IpAddr) -> bool {
        let lease = self.leases.get(&(path, Held::Permission(peer)));
        lease.is_some_and(|lease| now <= lease.ends_at)
    }

    /// What the agent has not taken was nobody's answer; and what it needs it has asked for in time.
    pub(super) fn quiet(&mut self, agent: &Agent, now: Timestamp, is_excused: bool) -> Result<(), String> {
        let ours = || crate::sim::watch::streams(agent).flat_map(|stream| agent.local_candidates(stream));
        for (path, address) in core::mem::take(&mut self.claimed) {
            let is_ours = ours().any(|(_, candidate)| candidate.ip() == Some(address));
            if !is_ours && let Some(known) = self.relayed.get_mut(&path) {
                known.retain(|known| *known != address);
            }
        }
        self.forget_ended(now, |relays, path, held| relays.is_needed(agent, path, held));
        // Nobody has told the agent yet what time it is.
        if is_excused || agent.deadline().is_some_and(|due| due <= now) {
            return Ok(());
        }
        // INV-48
        let needed = self.overdue(now).find(|((path, held), _)| self.is_needed(agent, *path, *held));
        needed.map_or(Ok(()), |((path, held), lease)| {
            Err(format!("INV-48: {held:?} on {path:?} was not asked for again: {lease:?}, {now:?}"))
        })
    }

    /// What has ended while nothing was sent by it is over: should its peer be wanted again, it is held anew, or another channel is.
    fn forget_ended(&mut self, now: Timestamp, is_needed: impl Fn(&Self, Path, Held) -> bool) {
        let ended = self.leases.iter().filter(|(_, lease)| lease.ends_at < now).map(|(key, _)| *key);
        for (path, held) in ended.collect::<Vec<_>>() {
            if !is_needed(self, path, held) {
                self.leases.remove(&(path, held));
            }
        }
    }

    /// What should have been asked for again by now.
    fn overdue(&self, now: Timestamp) -> impl Iterator<Item = (&(Path, Held), &Lease)> {
        self.leases.iter().filter(move |(_, lease)| lease.renew_by.is_some_and(|by| by < now))
    }

    /// Whether a pair that data is sent on leads there. Without consent nothing is sent (RFC 7675 section 5.1), and nothing has to
    /// be kept.
    fn is_needed(&self, agent: &Agent, server: Path, held: Held) -> bool {
        let pairs = crate::sim::watch::streams(agent).flat_map(|stream| agent.pairs(stream));
        let carries =
            |pair: &Pair<'_>| agent.route(pair.component()).is_some_and(|it| it.pair() == pair.id());
        let mut paths = pairs.filter(|pair| pair.is_selected() && carries(pair)).map(|pair| pair.path());
        paths.any(|path| self.goes_by(path, server, held))
    }

    /// Whether what is sent on this path needs what that server holds.
    fn goes_by(&self, path: Path, server: Path, held: Held) -> bool {
        let begins = self.relayed.get(&server).is_some_and(|relayed| relayed.contains(&path.local()));
        begins
            && match held {
                Held::Allocation => true,
                Held::Permission(ip) => path.remote().ip() == ip,
                Held::Channel(number) => self.channels.get(&(server, number)) == Some(&path.remote()),
            }
    }

    /// The path to `peer` that begins at the relayed address of its family.
    pub(super) fn inner(&self, server: Path, peer: SocketAddr) -> Option<Path> {
        let mut relayed = self.relayed.get(&server)?.iter().rev();
        let local = relayed.find(|relayed| relayed.is_ipv4() == peer.is_ipv4())?;
        Some(Path::udp(*local, peer))
    }
}

/// What a request asks for. A channel comes with a permission.
fn held(request: &Stun<'_>) -> Vec<Held> {
    let peers = request.attributes().filter(|it| it.kind == XOR_PEER_ADDRESS);
    let permissions = peers.filter_map(|it| request.uncovered(it)).map(|peer| Held::Permission(peer.ip()));
    match request.method {
        ALLOCATE | REFRESH => [Held::Allocation].into(),
        CREATE_PERMISSION => permissions.collect(),
        CHANNEL_BIND => channel_number(request).map(Held::Channel).into_iter().chain(permissions).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn channel_number(message: &Stun<'_>) -> Option<u16> {
    message.word(CHANNEL_NUMBER).and_then(|word| u16::try_from(word >> 16).ok())
}

/// RFC 8656 section 8: asked for again so long before the end, or at half of it.
const MARGIN: Duration = Duration::from_secs(60);

/// RFC 8656 section 9.
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// RFC 8656 section 12.
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
