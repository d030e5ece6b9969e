//! What goes over the wire: what an agent sends, and what it is to believe.

mod pace;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;

use super::decode::{
    ALLOCATE, BINDING, CHANNEL_BIND, CHANNEL_NUMBER, Class, DATA, DATA_VALUE, FINGERPRINT, ICE_CONTROLLED,
    ICE_CONTROLLING, MESSAGE_INTEGRITY, PRIORITY, Packet, Password, SEND, SOFTWARE, Stun, USE_CANDIDATE,
    USERNAME, XOR_MAPPED_ADDRESS, XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS,
};
use super::streams::{Place, Streams};
use crate::ice::{Credentials, StreamId};
use crate::{Agent, Path, Provenance, Timestamp};

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
    /// Where a check of ours was ever answered.
    proven: BTreeSet<Path>,
    /// By which address of ours a peer at which address has seen a check of ours, as it says.
    seen_at: BTreeSet<(SocketAddr, SocketAddr)>,
    relays: Relays,
    /// Who has ever answered, were it to refuse.
    responders: BTreeSet<IpAddr>,
    /// By IP address: what was sent to it before it first answered.
    unanswered: BTreeMap<IpAddr, Vec<Timestamp>>,
    /// No new transaction before.
    next_at: Timestamp,
    /// Of the last consent check in a generation, with the pairs that it may have been for.
    consent_at: BTreeMap<(Path, usize), pace::Asked>,
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
    answered: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// To a peer, whose password has this place, if it is known.
    Check(Place, Option<usize>),
    /// Binding to a server.
    Server,
    Turn,
}

/// What is known of allocations, by the path to the server.
#[derive(Debug, Default)]
struct Relays {
    relayed: BTreeMap<Path, Vec<SocketAddr>>,
    /// What the last input has named.
    claimed: Vec<(Path, SocketAddr)>,
    channels: BTreeMap<(Path, u16), SocketAddr>,
}

impl Relays {
    /// What the agent has not taken was nobody's answer.
    fn quiet(&mut self, agent: &Agent) {
        if self.claimed.is_empty() {
            return;
        }
        let ours = || crate::sim::watch::streams(agent).flat_map(|stream| agent.local_candidates(stream));
        for (path, address) in core::mem::take(&mut self.claimed) {
            let is_ours = ours().any(|(_, candidate)| candidate.ip() == Some(address));
            if !is_ours && let Some(known) = self.relayed.get_mut(&path) {
                known.retain(|known| *known != address);
            }
        }
    }

    /// The path to `peer` that begins at the relayed address of its family.
    fn inner(&self, server: Path, peer: SocketAddr) -> Option<Path> {
        let mut relayed = self.relayed.get(&server)?.iter().rev();
        let local = relayed.find(|relayed| relayed.is_ipv4() == peer.is_ipv4())?;
        Some(Path::udp(*local, peer))
    }
}

/// What was sent, on which path as ICE sees it, by way of a relay or not.
#[derive(Clone, Copy, Debug)]
struct Leg {
    path: Option<Path>,
    relayed: bool,
}

/// What comes in.
impl Wire {
    pub(super) fn meet(&mut self, credentials: &Credentials) {
        if let Some(key) = super::password(credentials).filter(|_| self.peer(credentials.ufrag()).is_none()) {
            self.peers.push((credentials.ufrag().to_string(), key));
        }
    }

    /// What a datagram is, before the agent has seen it. What it proves is taken note of.
    pub(super) fn judge(
        &mut self,
        streams: &Streams,
        now: Timestamp,
        path: Path,
        datagram: &[u8],
    ) -> Verdict {
        match Packet::read(datagram) {
            Ok(Packet::Channel(number, payload)) => match self.relays.channels.get(&(path, number)) {
                Some(peer) => {
                    let leg = Leg { path: self.relays.inner(path, *peer), relayed: true };
                    self.judge_inner(streams, now, leg, payload)
                }
                // INV-50
                None if self.relays.relayed.contains_key(&path) && !self.heard.contains_key(&path) => {
                    Verdict::Forged("data on a channel that was never bound")
                }
                None => Verdict::Unknown,
            },
            Ok(Packet::Stun(message)) if message.method == BINDING => {
                self.judge_binding(streams, now, Leg { path: Some(path), relayed: false }, &message)
            }
            Ok(Packet::Stun(message)) => self.judge_turn(streams, now, path, &message),
            Err(_) if matches!(datagram, [0..=3, _, _, _, 0x21, 0x12, 0xa4, 0x42, ..]) => {
                Verdict::Forged("malformed")
            }
            Err(_) => Verdict::Unknown,
        }
    }

    fn judge_inner(&mut self, streams: &Streams, now: Timestamp, leg: Leg, payload: &[u8]) -> Verdict {
        match Packet::read(payload) {
            Ok(Packet::Stun(message)) if message.method == BINDING => {
                // A forgery that a relay has brought may keep a lease of the relay busy.
                match self.judge_binding(streams, now, leg, &message) {
                    Verdict::Authentic => Verdict::Authentic,
                    Verdict::Forged(_) | Verdict::Unknown => Verdict::Unknown,
                }
            }
            _ => Verdict::Unknown,
        }
    }

    fn judge_turn(&mut self, streams: &Streams, now: Timestamp, path: Path, message: &Stun<'_>) -> Verdict {
        match (message.class, message.method) {
            (Class::Success, ALLOCATE)
                if self.requests.get(&message.id).is_some_and(|it| it.path == Some(path)) =>
            {
                let relayed = message.attributes().filter(|it| it.kind == XOR_RELAYED_ADDRESS);
                let known = self.relays.relayed.entry(path).or_default();
                for address in relayed.filter_map(|it| message.uncovered(it)) {
                    if !known.contains(&address) {
                        known.push(address);
                        self.relays.claimed.push((path, address));
                    }
                }
            }
            (Class::Indication, DATA) => {
                let Some(peer) = message.xor_address(XOR_PEER_ADDRESS) else { return Verdict::Unknown };
                let leg = Leg { path: self.relays.inner(path, peer), relayed: true };
                let payload = message.attribute(DATA_VALUE).map(|data| data.value).unwrap_or_default();
                return self.judge_inner(streams, now, leg, payload);
            }
            _ => {}
        }
        Verdict::Unknown
    }

    fn judge_binding(&mut self, streams: &Streams, now: Timestamp, leg: Leg, message: &Stun<'_>) -> Verdict {
        match message.class {
            Class::Indication => Verdict::Forged("an indication"),
            Class::Request => self.judge_request(streams, leg, message),
            Class::Success | Class::Error => self.judge_answer(now, leg, message),
        }
    }

    fn judge_request(&mut self, streams: &Streams, leg: Leg, message: &Stun<'_>) -> Verdict {
        let Some((ours, _)) = message.username() else { return Verdict::Forged("a request of nobody") };
        let Some(place) = streams.named(ours.as_bytes()).filter(|place| streams.counts(*place)) else {
            return Verdict::Forged("under a name that is not ours");
        };
        if !message.has(MESSAGE_INTEGRITY) && message.has(MESSAGE_INTEGRITY_SHA256) {
            return Verdict::Unknown;
        }
        if !streams.has_signed(place, message) || !message.has_right_fingerprint() {
            return Verdict::Forged("a request with a wrong signature");
        }
        if let Some(path) = leg.path {
            self.heard.entry(path).or_default().insert(place);
        }
        Verdict::Authentic
    }

    fn judge_answer(&mut self, now: Timestamp, leg: Leg, message: &Stun<'_>) -> Verdict {
        let Some(request) = self.requests.get_mut(&message.id) else {
            return Verdict::Forged("an answer to nothing");
        };
        let Kind::Check(place, peer) = request.kind else { return Verdict::Unknown };
        if request.answered {
            return Verdict::Forged("a second answer");
        }
        let known = peer.and_then(|peer| self.peers.get(peer));
        let signed = known.map(|(_, key)| message.is_signed_with(key));
        if signed == Some(false) || !message.has_right_fingerprint() {
            return Verdict::Forged("an answer with a wrong signature");
        }
        // What comes in where no socket is was not received.
        let is_received = leg.path.map(|path| path.local()) == request.path.map(|path| path.local());
        request.answered = signed.is_some() && is_received;
        let Some(path) = leg.path.filter(|_| leg.path == request.path || request.path.is_none()) else {
            return Verdict::Authentic;
        };
        if message.class == Class::Success {
            self.answered.insert((path, place.generation), now);
            self.proven.insert(path);
            self.seen_at.extend(message.xor_address(XOR_MAPPED_ADDRESS).map(|seen| (seen, path.remote())));
            self.heard.entry(path).or_default().insert(place);
        } else if message.error_code() == Some(403) && message.attributes().all(|it| is_known(it.kind)) {
            // Each generation has a consent of its own.
            self.answered.remove(&(path, place.generation));
        }
        self.unanswered.remove(&path.remote().ip());
        self.responders.insert(path.remote().ip());
        if signed.is_some() { Verdict::Authentic } else { Verdict::Unknown }
    }

    /// Whether data from there may be handed up.
    pub(super) fn has_heard(
        &self,
        streams: &Streams,
        stream: StreamId,
        path: Path,
        provenance: Provenance,
    ) -> bool {
        let counts = |place: &Place| place.stream == stream && streams.counts(*place);
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

    /// Whether our check on this path was ever answered.
    pub(super) fn was_ever_answered(&self, path: Path) -> bool {
        self.proven.contains(&path)
    }

    /// Whether the peer has said, in its answer to a check of whatever base, that the check came from this address.
    pub(super) fn was_seen_at(&self, ours: SocketAddr, remote: SocketAddr) -> bool {
        self.seen_at.iter().any(|(seen, by)| same(*seen, ours) && same(*by, remote))
    }

    /// Whether a check of this id was sent on this path.
    pub(super) fn has_asked(&self, id: [u8; 12], path: Path) -> bool {
        self.requests.get(&id).is_some_and(|request| request.path.is_none_or(|asked| asked == path))
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

/// What goes out.
impl Wire {
    pub(super) fn excuse_until(&mut self, until: Timestamp) {
        self.excused_until = self.excused_until.max(until);
    }

    pub(super) fn set_timed(&mut self, timed: bool) {
        self.timed = timed;
    }

    pub(super) fn sent(
        &mut self,
        streams: &Streams,
        now: Timestamp,
        path: Path,
        payload: &Bytes,
    ) -> Result<(), String> {
        let (ip, port) = (path.remote().ip(), path.remote().port());
        let broadcast = path.remote().ip() == IpAddr::from([255; 4]);
        // INV-19
        if port == 0 || ip.is_multicast() || ip.is_unspecified() || broadcast || path.local() == path.remote()
        {
            return Err(format!("INV-19: a datagram for {}", path.remote()));
        }
        let packet = read(payload)?;
        let leg = Leg { path: Some(path), relayed: false };
        match packet {
            Packet::Stun(message) if message.method == BINDING => {
                self.sent_binding(streams, now, leg, &message, payload)
            }
            Packet::Stun(message) => self.sent_turn(streams, now, path, &message, payload),
            Packet::Channel(number, inner) => {
                // INV-49
                let peer = self.relays.channels.get(&(path, number)).copied();
                let peer = peer.ok_or_else(|| format!("INV-49: channel {number:#x} was never bound"))?;
                self.sent_inner(
                    streams,
                    now,
                    Leg { path: self.relays.inner(path, peer), relayed: true },
                    inner,
                )
            }
        }
    }

    fn sent_turn(
        &mut self,
        streams: &Streams,
        now: Timestamp,
        path: Path,
        message: &Stun<'_>,
        payload: &Bytes,
    ) -> Result<(), String> {
        // INV-45
        if message.has(SOFTWARE) {
            return Err("INV-45: SOFTWARE to a server".into());
        }
        let peer = message.xor_address(XOR_PEER_ADDRESS);
        match (message.class, message.method) {
            (Class::Request, method) => {
                if let (CHANNEL_BIND, Some(peer), Some(number)) = (method, peer, message.word(CHANNEL_NUMBER))
                {
                    let number = u16::try_from(number >> 16).unwrap_or_default();
                    let other = self.relays.channels.insert((path, number), peer);
                    if other.is_some_and(|other| other != peer) && !self.has_reallocated(path) {
                        return Err(format!("INV-49: channel {number:#x} from {other:?} to {peer}"));
                    }
                }
                self.request(now, Leg { path: Some(path), relayed: false }, message, payload, Kind::Turn)
            }
            (Class::Indication, SEND) => {
                let leg = Leg { path: peer.and_then(|peer| self.relays.inner(path, peer)), relayed: true };
                let inner = message.attribute(DATA_VALUE).map(|data| data.value).unwrap_or_default();
                self.sent_inner(streams, now, leg, inner)
            }
            (class, method) => Err(format!("INV-44: {class:?} of method {method} is nothing to send")),
        }
    }

    /// Whether there was more than one allocation on this path: numbers are free again with the next one.
    fn has_reallocated(&self, path: Path) -> bool {
        self.relays.relayed.get(&path).is_some_and(|relayed| relayed.len() > 1)
    }

    fn sent_inner(
        &mut self,
        streams: &Streams,
        now: Timestamp,
        leg: Leg,
        inner: &[u8],
    ) -> Result<(), String> {
        match read(inner)? {
            Packet::Stun(message) if message.method == BINDING => {
                self.sent_binding(streams, now, leg, &message, &Bytes::copy_from_slice(inner))
            }
            _ => Err("INV-44: neither check nor answer to a peer".into()),
        }
    }

    fn sent_binding(
        &mut self,
        streams: &Streams,
        now: Timestamp,
        leg: Leg,
        message: &Stun<'_>,
        payload: &Bytes,
    ) -> Result<(), String> {
        // INV-45: a reason is for whoever has the password.
        let unsigned = !message.has(MESSAGE_INTEGRITY) && !message.has(MESSAGE_INTEGRITY_SHA256);
        if message.has(SOFTWARE) || unsigned && !message.reason().is_empty() {
            return Err(format!("INV-45: SOFTWARE or a reason, on {:?}", leg.path));
        }
        if !message.has(FINGERPRINT) && message.class == Class::Request && !message.has(USERNAME) {
            return self.request(now, leg, message, payload, Kind::Server);
        }
        if !message.has_right_fingerprint() {
            return Err(format!("INV-45: no fingerprint, or a wrong one, on {:?}", leg.path));
        }
        match message.class {
            Class::Indication => Ok(()),
            Class::Request if message.has(USERNAME) => self.check(streams, now, leg, message, payload),
            Class::Request => self.request(now, leg, message, payload, Kind::Server),
            Class::Error if unsigned => Ok(()),
            Class::Success | Class::Error => {
                // What was asked with the other hash is answered with it.
                let signed = message.has(MESSAGE_INTEGRITY_SHA256) || streams.has_signed_any(message);
                signed.then_some(()).ok_or_else(|| format!("INV-44: an answer is not signed, {:?}", leg.path))
            }
        }
    }

    fn check(
        &mut self,
        streams: &Streams,
        now: Timestamp,
        leg: Leg,
        message: &Stun<'_>,
        payload: &Bytes,
    ) -> Result<(), String> {
        let known = self.requests.get(&message.id).filter(|known| known.payload == payload);
        if let Some(kind) = known.map(|known| known.kind) {
            self.spend(now, leg)?;
            return self.request(now, leg, message, payload, kind);
        }
        let (theirs, ours) = message.username().ok_or("INV-44: a user name without a colon")?;
        let over = || format!("INV-31: a check under {}, which is over", ours.escape_ascii());
        let place = streams.named(ours).filter(|place| streams.counts(*place)).ok_or_else(over)?;
        let peer = self.peer(theirs);
        if let Some((_, key)) = peer.and_then(|peer| self.peers.get(peer))
            && !message.is_signed_with(key)
        {
            return Err(format!("INV-44: a check for {theirs} is not signed with its password"));
        }
        let claims = [ICE_CONTROLLING, ICE_CONTROLLED].map(|kind| message.has(kind));
        if claims[0] == claims[1] {
            return Err("INV-44: a check claims one role".into());
        }
        // INV-43
        if message.word(PRIORITY).is_none_or(|priority| priority >> 24 != PEER_REFLEXIVE) {
            return Err(format!("INV-43: the priority {:?} in a check", message.word(PRIORITY)));
        }
        if message.has(USE_CANDIDATE) {
            let works = leg.path.is_none_or(|path| self.proven.contains(&path));
            if !claims[0] || !works {
                return Err(format!("INV-41: USE-CANDIDATE, controlling {}, on {:?}", claims[0], leg.path));
            }
        }
        self.fresh.push(message.id);
        self.spend(now, leg)?;
        self.request(now, leg, message, payload, Kind::Check(place, peer))
    }

    /// Takes note of a request, or compares it with the first transmission.
    fn request(
        &mut self,
        now: Timestamp,
        leg: Leg,
        message: &Stun<'_>,
        payload: &Bytes,
        kind: Kind,
    ) -> Result<(), String> {
        let excused_until = self.excused_until;
        let Some(known) = self.requests.get_mut(&message.id) else {
            let (path, relayed, payload) = (leg.path, leg.relayed, payload.clone());
            let request = Request {
                first_at: now,
                last_at: now,
                transmissions: 1,
                rto_max: Duration::MAX,
                path,
                payload,
                kind,
                relayed,
                timed: self.timed,
                consent: false,
                answered: false,
            };
            self.requests.insert(message.id, request);
            return Ok(());
        };
        // INV-24. By way of a relay the path is another one once there is another allocation.
        if known.payload != payload || (known.path != leg.path && !leg.relayed) {
            return Err(format!("INV-24: id {:02x?} was used twice, on {:?}", message.id, leg.path));
        }
        if known.consent {
            return Err(format!("INV-29: a consent check on {:?} was sent again", leg.path));
        }
        known.transmissions += 1;
        known.last_at = now;
        // INV-35
        if known.transmissions > TRANSMISSIONS_MAX {
            return Err(format!("INV-35: transmission {} on {:?}", known.transmissions, leg.path));
        }
        if known.relayed || !known.timed {
            return Ok(()); // what waits for a permission is late
        }
        let elapsed = now.saturating_since(known.first_at);
        let (times, multiple) = (known.transmissions, (1_u32 << (known.transmissions - 1)) - 1);
        // A transmission may be late, and is never early.
        known.rto_max = known.rto_max.min(elapsed / multiple);
        let (most, excused) = (known.rto_max, known.first_at < excused_until);
        // INV-36
        let wanted = most * multiple;
        if most < RTO_MIN || !excused && elapsed.saturating_sub(wanted) > self.spread(now) * times {
            return Err(format!(
                "INV-35: transmission {times} after {elapsed:?}, the RTO being {most:?} at most"
            ));
        }
        Ok(())
    }

    /// How late a transmission may be: four leave in a Ta, of all that are under way.
    fn spread(&self, now: Timestamp) -> Duration {
        let is_under_way =
            |request: &&Request| !request.answered && now.saturating_since(request.last_at) < MINUTE;
        let count = self.requests.values().filter(is_under_way).count();
        SPREAD.max(self.pacing / 4 * u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// Reads what was sent. With padding that is zero and lengths that meet it makes the same bytes again (INV-44).
fn read(bytes: &[u8]) -> Result<Packet<'_>, String> {
    match Packet::read(bytes) {
        Ok(Packet::Stun(message)) if !message.has_clean_padding() => {
            Err(format!("INV-44: padding that is not zero: {bytes:02x?}"))
        }
        Ok(packet) => Ok(packet),
        Err(what) => Err(format!("INV-44: {what}: {bytes:02x?}")),
    }
}

/// Whether an answer may have this attribute. One with any other that has to be understood says nothing.
fn is_known(kind: u16) -> bool {
    kind >= 0x8000
        || matches!(kind, 0x0001 | 0x0006..=0x000a | 0x0014 | 0x0015 | 0x001c..=0x001e | 0x0020 | 0x0024 | 0x0025)
}

/// Zones mean nothing to a peer.
fn same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip() == other.ip()
}

/// No request lives as long.
const MINUTE: Duration = Duration::from_secs(60);

const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;

/// The type preference of peer-reflexive candidates (RFC 8445 section 5.1.2.2).
const PEER_REFLEXIVE: u32 = 110;

/// RFC 8489 section 6.2.1.
const TRANSMISSIONS_MAX: u32 = 7;

/// RFC 8445 section 14.3.
const RTO_MIN: Duration = Duration::from_millis(500);

/// How much a retransmission may be late however few are due at once.
const SPREAD: Duration = Duration::from_millis(250);
