//! What goes over the wire: what an agent sends, and what it is to believe.

#[cfg(test)]
mod given;
mod incoming;
mod outgoing;
mod pace;
mod relays;
mod triggered;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;

use super::decode::Password;
use super::streams::{Place, Streams};
use crate::ice::{Role, StreamId};
use crate::{Path, Provenance, Timestamp};
use incoming::Proof;
use relays::Relays;
use triggered::Triggered;

/// What a datagram is, as far as can be told from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Signed with the right password, or an answer of a server.
    Authentic,
    /// Not signed as it had to be, or an answer to nothing that was asked: which, in words.
    Forged(&'static str),
    /// Not for us to say.
    Unknown,
}

/// The requests of an agent, and what it was told in return.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// The passwords of peers, by their fragments.
    peers: Vec<(String, Password)>,
    requests: BTreeMap<[u8; 12], Request>,
    /// Checks that were first seen since the last quiet point.
    fresh: Vec<[u8; 12]>,
    /// Under which of our generations a path was heard from.
    heard: BTreeMap<Path, BTreeSet<Place>>,
    /// When our check on a path was last answered under a generation of ours, unless that was revoked since.
    answered: BTreeMap<(Path, usize), Timestamp>,
    /// Where consent has ended, under which of our generations: a check of ours was answered with 403, or for 30 s not at all.
    revoked: BTreeSet<(Path, usize)>,
    /// Where a nomination of ours was refused, or the check that a 487 had repeated, and nothing was granted since.
    refused: BTreeSet<Path>,
    /// Where a check of ours, other than for consent, was answered with 487, and none with a success since.
    conflicted: BTreeSet<Path>,
    /// Where a check of ours was ever answered.
    proven: BTreeSet<Path>,
    /// By which address of ours a peer at which address has seen a check of ours, as it says.
    seen_at: BTreeSet<(SocketAddr, SocketAddr)>,
    /// The same of the last answer on a path.
    seen_as: BTreeMap<Path, SocketAddr>,
    relays: Relays,
    triggered: Triggered,
    /// Of the last input, until the agent has said what it makes of it.
    proof: Option<Proof>,
    /// Who has ever answered, were it to refuse.
    responders: BTreeSet<IpAddr>,
    /// By IP address: what was sent to it before it first answered.
    unanswered: BTreeMap<IpAddr, Vec<Timestamp>>,
    /// Whether there were answers with a wrong signature.
    is_attacked: bool,
    /// Requests that have left, their repetitions included, and connections that were asked for.
    transmitted: u64,
    /// No new transaction before.
    next_at: Timestamp,
    /// Of the last consent check in a generation, with the pairs that it may have been for.
    consent_at: BTreeMap<(Path, usize), pace::Asked>,
    /// By path: how often it was nominated since when.
    nominations: BTreeMap<Path, (Timestamp, u32)>,
    /// The role of the agent, as it was at the last output.
    role: Option<Role>,
    /// Whether the time is known at which requests leave.
    timed: bool,
    /// Ta, as it was at the last quiet point.
    pacing: Duration,
    /// While a caller that was late catches up.
    excused_until: Timestamp,
}

/// A request, as it was first sent.
#[expect(clippy::struct_excessive_bools, reason = "each says something else about it")]
#[derive(Debug)]
struct Request {
    first_at: Timestamp,
    last_at: Timestamp,
    transmissions: u32,
    /// The RTO is no more than this, by the transmissions so far.
    rto_max: Duration,
    path: Option<Path>,
    payload: Bytes,
    kind: Kind,
    relayed: bool,
    /// Whether it is known when it was first sent.
    timed: bool,
    consent: bool,
    answered: Option<Answer>,
}

/// What an authentic answer came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    Success,
    /// An error, or a success that came from elsewhere.
    Failure,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// To a peer, whose password has this place, if it is known.
    Check(Place, Option<usize>),
    /// Binding to a server.
    Server,
    Turn,
}

/// When something is sent or received, and the generations that there are then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    pub(super) now: Timestamp,
    pub(super) streams: &'a Streams,
}

impl Moment<'_> {
    /// The generation of this user-name fragment of ours, if it may still authenticate.
    fn named(&self, ufrag: &[u8]) -> Option<Place> {
        self.streams.named(ufrag).filter(|place| self.streams.counts(*place, self.now))
    }
}

/// What was sent, on which path as ICE sees it, by way of a relay or not.
#[derive(Clone, Copy, Debug)]
struct Leg {
    path: Option<Path>,
    relayed: bool,
}

/// What is known by now.
impl Wire {
    /// Whether data from there may be handed up.
    pub(super) fn has_heard(
        &self,
        moment: Moment<'_>,
        stream: StreamId,
        path: Path,
        provenance: Provenance,
    ) -> bool {
        let counts = |place: &Place| place.stream == stream && moment.streams.counts(*place, moment.now);
        // By way of a relay the path is another one; two lite agents go by what was signalled.
        let heard = self.heard.get(&path).is_some_and(|under| under.iter().any(counts));
        self.relays.relayed.contains_key(&path) || provenance == Provenance::Signalled || heard
    }

    /// Whether an authentic check came from there, on whatever path.
    pub(super) fn has_heard_from(&self, remote: SocketAddr) -> bool {
        self.heard.keys().any(|path| same(path.remote(), remote))
    }

    /// When our check on this path was last answered, unless that was revoked since.
    pub(super) fn answered_at(&self, path: Path) -> Option<Timestamp> {
        self.answered.iter().filter(|((answered, _), _)| *answered == path).map(|(_, at)| *at).max()
    }

    /// Whether the peer consents to data on this path under the last generation of ours that it was asked under, and has not
    /// refused a nomination there since, which ends the pair (RFC 8445 section 7.2.5.3.4), nor a check that a 487 had repeated:
    /// that one is the pair's check anew (section 7.2.5.1), and the pair fails with it.
    pub(super) fn is_sound(&self, path: Path, now: Timestamp) -> bool {
        let answered = self.answered.iter().filter(|((known, _), _)| *known == path);
        let Some((generation, at)) = answered.map(|((_, generation), at)| (*generation, *at)).max() else {
            return false;
        };
        let is_over = self.revoked.iter().any(|(known, under)| *known == path && *under >= generation);
        !is_over && !self.refused.contains(&path) && now.saturating_since(at) < CONSENT
    }

    /// Whether our check on this path was ever answered.
    pub(super) fn was_ever_answered(&self, path: Path) -> bool {
        self.proven.contains(&path)
    }

    /// Whether the peer has said, in its answer to a check of whatever base, that the check came from this address.
    pub(super) fn was_seen_at(&self, ours: SocketAddr, remote: SocketAddr) -> bool {
        self.seen_at.iter().any(|(seen, by)| same(*seen, ours) && same(*by, remote))
    }

    /// Whether the last answer on this path has shown it to be that other one to the same address, as the check came from there.
    pub(super) fn stands_for(&self, path: Path, other: Path) -> bool {
        let seen = self.seen_as.get(&path).is_some_and(|seen| same(*seen, other.local()));
        seen && same(path.remote(), other.remote())
    }

    /// Whether a check of this id was sent on this path.
    pub(super) fn has_asked(&self, id: [u8; 12], path: Path) -> bool {
        self.requests.get(&id).is_some_and(|request| request.path.is_none_or(|asked| asked == path))
    }

    /// Whether answers with a wrong signature have come in.
    pub(super) fn is_attacked(&self) -> bool {
        self.is_attacked
    }

    /// Whether there are relays, whose paths may be unclear.
    pub(super) fn has_relays(&self) -> bool {
        !self.relays.relayed.is_empty()
    }

    /// Whether the path begins at a relay.
    pub(super) fn is_relayed(&self, path: Path) -> bool {
        self.relays.relayed.values().flatten().any(|relayed| *relayed == path.local())
    }

    fn peer(&self, ufrag: &str) -> Option<usize> {
        self.peers.iter().position(|(known, _)| known == ufrag)
    }
}

/// Zones mean nothing to a peer.
fn same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip() == other.ip()
}

/// RFC 7675 section 5.1.
const CONSENT: Duration = Duration::from_secs(30);

/// No request lives as long.
const MINUTE: Duration = Duration::from_secs(60);
