//! What comes in: whether an agent may believe it, and what it proves.

use alloc::string::ToString;

use super::{Answer, CONSENT, Kind, Leg, Moment, Verdict, Wire};
use crate::ice::Credentials;
use crate::sim::watch::decode::{
    BINDING, Class, DATA, DATA_VALUE, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, Packet, Stun,
    XOR_MAPPED_ADDRESS, XOR_PEER_ADDRESS,
};
use crate::{Path, Timestamp};

impl Wire {
    pub(in crate::sim::watch) fn meet(&mut self, credentials: &Credentials) {
        if let Some(key) =
            crate::sim::watch::password(credentials).filter(|_| self.peer(credentials.ufrag()).is_none())
        {
            self.peers.push((credentials.ufrag().to_string(), key));
        }
    }

    /// What a datagram is, before the agent has seen it. What it proves is taken note of.
    pub(in crate::sim::watch) fn judge(
        &mut self,
        moment: Moment<'_>,
        path: Path,
        datagram: &[u8],
    ) -> Verdict {
        self.relays.begin();
        self.triggered.begin();
        match Packet::read(datagram) {
            Ok(Packet::Channel(number, payload)) => match self.relays.channels.get(&(path, number)) {
                Some(peer) => {
                    let leg = Leg { path: self.relays.inner(path, *peer), relayed: true };
                    self.judge_inner(moment, leg, payload)
                }
                // INV-50
                None if self.relays.relayed.contains_key(&path) && !self.heard.contains_key(&path) => {
                    Verdict::Forged("data on a channel that was never bound")
                }
                None => Verdict::Unknown,
            },
            Ok(Packet::Stun(message)) if message.method == BINDING => {
                self.judge_binding(moment, Leg { path: Some(path), relayed: false }, &message)
            }
            Ok(Packet::Stun(message)) => self.judge_turn(moment, path, &message),
            Err(_) if matches!(datagram, [0..=3, _, _, _, 0x21, 0x12, 0xa4, 0x42, ..]) => {
                Verdict::Forged("malformed")
            }
            Err(_) => Verdict::Unknown,
        }
    }

    /// The agent has taken it.
    pub(in crate::sim::watch) fn taken(&mut self) {
        self.relays.taken();
    }

    fn judge_inner(&mut self, moment: Moment<'_>, leg: Leg, payload: &[u8]) -> Verdict {
        match Packet::read(payload) {
            Ok(Packet::Stun(message)) if message.method == BINDING => {
                // A forgery that a relay has brought may keep a lease of the relay busy.
                match self.judge_binding(moment, leg, &message) {
                    Verdict::Authentic => Verdict::Authentic,
                    Verdict::Forged(_) | Verdict::Unknown => Verdict::Unknown,
                }
            }
            _ => Verdict::Unknown,
        }
    }

    fn judge_turn(&mut self, moment: Moment<'_>, path: Path, message: &Stun<'_>) -> Verdict {
        match (message.class, message.method) {
            (Class::Success, _) => {
                let request = self.requests.get(&message.id).filter(|request| request.path == Some(path));
                if let Some(request) = request
                    && let Ok(Packet::Stun(asked)) = Packet::read(&request.payload)
                {
                    self.relays.answered(moment.now, path, &asked, message);
                }
            }
            (Class::Indication, DATA) => {
                let Some(peer) = message.xor_address(XOR_PEER_ADDRESS) else { return Verdict::Unknown };
                let leg = Leg { path: self.relays.inner(path, peer), relayed: true };
                let payload = message.attribute(DATA_VALUE).map(|data| data.value).unwrap_or_default();
                return self.judge_inner(moment, leg, payload);
            }
            _ => {}
        }
        Verdict::Unknown
    }

    fn judge_binding(&mut self, moment: Moment<'_>, leg: Leg, message: &Stun<'_>) -> Verdict {
        match message.class {
            Class::Indication => Verdict::Forged("an indication"),
            Class::Request => self.judge_request(moment, leg, message),
            Class::Success | Class::Error => self.judge_answer(moment.now, leg, message),
        }
    }

    fn judge_request(&mut self, moment: Moment<'_>, leg: Leg, message: &Stun<'_>) -> Verdict {
        let Some((ours, theirs)) = message.username() else { return Verdict::Forged("a request of nobody") };
        let Some(place) = moment.named(ours.as_bytes()) else {
            return Verdict::Forged("under a name that is not ours");
        };
        if !message.has(MESSAGE_INTEGRITY) && message.has(MESSAGE_INTEGRITY_SHA256) {
            return Verdict::Unknown;
        }
        if !moment.streams.has_signed(place, message) || !message.has_right_fingerprint() {
            return Verdict::Forged("a request with a wrong signature");
        }
        if let Some(path) = leg.path {
            self.heard.entry(path).or_default().insert(place);
            if moment.streams.is_current(place) {
                self.triggered.came(message.id, path, place, theirs);
            }
        }
        Verdict::Authentic
    }

    fn judge_answer(&mut self, now: Timestamp, leg: Leg, message: &Stun<'_>) -> Verdict {
        let Some(request) = self.requests.get_mut(&message.id) else {
            return Verdict::Forged("an answer to nothing");
        };
        let Kind::Check(place, peer) = request.kind else { return Verdict::Unknown };
        if request.answered.is_some() {
            return Verdict::Forged("a second answer");
        }
        let known = peer.and_then(|peer| self.peers.get(peer));
        let signed = known.map(|(_, key)| message.is_signed_with(key));
        if signed == Some(false) || !message.has_right_fingerprint() {
            self.is_attacked = true;
            return Verdict::Forged("an answer with a wrong signature");
        }
        // What comes in where no socket is was not received.
        let is_received = leg.path.map(|path| path.local()) == request.path.map(|path| path.local());
        let is_usable = message.attributes().all(|it| is_known(it.kind))
            && message.xor_address(XOR_MAPPED_ADDRESS).is_some_and(|seen| seen.port() != 0);
        let is_success = message.class == Class::Success && leg.path == request.path && is_usable;
        let answer = if is_success { Answer::Success } else { Answer::Failure };
        request.answered = (signed.is_some() && is_received).then_some(answer);
        let Some(path) = leg.path.filter(|_| leg.path == request.path || request.path.is_none()) else {
            return Verdict::Authentic;
        };
        if message.class == Class::Success {
            // RFC 7675 section 5.1: an answer that comes later than that brings consent back no more than a 403 does.
            let before = self.answered.insert((path, place.generation), now);
            if before.is_some_and(|before| now.saturating_since(before) >= CONSENT) {
                self.revoked.insert((path, place.generation));
            }
            self.proven.insert(path);
            if let Some(seen) = message.xor_address(XOR_MAPPED_ADDRESS) {
                self.seen_at.insert((seen, path.remote()));
                self.seen_as.insert(path, seen);
            }
            self.heard.entry(path).or_default().insert(place);
        } else if message.error_code() == Some(403) && message.attributes().all(|it| is_known(it.kind)) {
            // Each generation has a consent of its own.
            self.answered.remove(&(path, place.generation));
            self.revoked.insert((path, place.generation));
        }
        self.unanswered.remove(&path.remote().ip());
        self.responders.insert(path.remote().ip());
        if signed.is_some() { Verdict::Authentic } else { Verdict::Unknown }
    }
}

/// Whether an answer may have this attribute. One with any other that has to be understood says nothing.
fn is_known(kind: u16) -> bool {
    kind >= 0x8000
        || matches!(kind, 0x0001 | 0x0006..=0x000a | 0x0014 | 0x0015 | 0x001c..=0x001e | 0x0020 | 0x0024 | 0x0025)
}
