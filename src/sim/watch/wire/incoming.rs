//! What comes in: whether an agent may believe it, and what it proves.

use alloc::string::ToString;
use core::net::SocketAddr;
use core::time::Duration;

use super::{Answer, CONSENT, Kind, Leg, Moment, Verdict, Wire};
use crate::ice::Credentials;
use crate::sim::watch::decode::{
    BINDING, Class, DATA, DATA_VALUE, MESSAGE_INTEGRITY_SHA256, Packet, Stun, USE_CANDIDATE,
    XOR_MAPPED_ADDRESS, XOR_PEER_ADDRESS,
};
use crate::sim::watch::streams::Place;
use crate::{Ignored, Path, Received, Timestamp};

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
        self.proof = None;
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
                // RFC 8656 section 11.4: discarded, so that whatever is in it proves nothing. Nobody signs an indication.
                if !self.relays.permits(moment.now, path, peer.ip()) {
                    return Verdict::Unknown;
                }
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
        // Checks carry MESSAGE-INTEGRITY alone, and an answer has to match (RFC 8489 section 9.1.4).
        let matches = !message.has(MESSAGE_INTEGRITY_SHA256);
        let signed = known.map(|(_, key)| matches && message.is_signed_with(key));
        if signed == Some(false) || !message.has_right_fingerprint() {
            self.is_attacked = true;
            return Verdict::Forged("an answer with a wrong signature");
        }
        // What comes in where no socket is was not received. Where it is another one of ours, the agent says whether it was.
        let is_received = leg.path.map(|path| path.local()) == request.path.map(|path| path.local());
        let is_understood = message.attributes().all(|it| is_known(it.kind));
        let seen = message.xor_address(XOR_MAPPED_ADDRESS);
        // A success that does not say where the check came from is none (RFC 8489 section 6.3.3), and no consent either.
        let is_success = message.class == Class::Success && is_understood && seen.is_some();
        let is_symmetric = leg.path == request.path;
        let is_usable = is_success && is_symmetric && seen.is_some_and(|seen| seen.port() != 0);
        let answer = if is_usable { Answer::Success } else { Answer::Failure };
        self.proof = Some(Proof {
            at: now,
            id: message.id,
            place,
            answer: signed.is_some().then_some(answer),
            is_received,
            path: leg.path.filter(|_| is_symmetric || request.path.is_none()),
            seen: seen.filter(|_| is_success),
            refusal: message.error_code().filter(|_| is_understood),
        });
        let is_ours = leg.path.is_none() || is_symmetric || request.path.is_none();
        if !is_ours || signed.is_some() { Verdict::Authentic } else { Verdict::Unknown }
    }

    /// The agent has said what it makes of an answer. One that comes when its transaction is over is nobody's, and proves
    /// nothing (RFC 8489 section 6.2.1). One that is taken ends its transaction, were it to come in at another base than that
    /// which has asked (RFC 8445 section 7.2.5.2.1): the one that goes the right way after it comes too late.
    pub(in crate::sim::watch) fn heard(&mut self, received: &Received<'_>) {
        let Some(proof) = &mut self.proof else { return };
        match received {
            Received::Control => proof.is_received = true,
            Received::Ignored(Ignored::UnknownTransaction) => {
                let asked_at = self.requests.get(&proof.id).map(|request| request.first_at);
                if asked_at.is_some_and(|asked_at| proof.at.saturating_since(asked_at) >= SHORTEST) {
                    self.proof = None;
                }
            }
            _ => {}
        }
    }

    /// Takes note of what the last answer has proven.
    pub(in crate::sim::watch) fn learn(&mut self) {
        let Some(proof) = self.proof.take() else { return };
        let Proof { at, id, place, path, seen, .. } = proof;
        let (mut nominates, mut for_consent) = (false, false);
        if let Some(request) = self.requests.get_mut(&id) {
            request.answered = proof.answer.filter(|_| proof.is_received);
            nominates =
                matches!(Packet::read(&request.payload), Ok(Packet::Stun(it)) if it.has(USE_CANDIDATE));
            for_consent = request.consent;
        }
        let Some(path) = path else { return };
        if seen.is_some() {
            self.refused.remove(&path);
            self.conflicted.remove(&path);
        } else if !for_consent {
            // Role conflicts end as well, and the last of them fails the pair as any other error does.
            if nominates || self.conflicted.contains(&path) {
                self.refused.insert(path);
            }
            if proof.refusal == Some(ROLE_CONFLICT) {
                self.conflicted.insert(path);
            }
        }
        if let Some(seen) = seen {
            // RFC 7675 section 5.1: an answer that comes later than that brings consent back no more than a 403 does.
            let before = self.answered.insert((path, place.generation), at);
            if before.is_some_and(|before| at.saturating_since(before) >= CONSENT) {
                self.revoked.insert((path, place.generation));
            }
            self.proven.insert(path);
            self.seen_at.insert((seen, path.remote()));
            self.seen_as.insert(path, seen);
            self.heard.entry(path).or_default().insert(place);
        } else if proof.refusal == Some(FORBIDDEN) {
            // Each generation has a consent of its own.
            self.answered.remove(&(path, place.generation));
            self.revoked.insert((path, place.generation));
        }
        self.unanswered.remove(&path.remote().ip());
        self.responders.insert(path.remote().ip());
    }
}

/// What an authentic answer proves, if anybody waits for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof {
    at: Timestamp,
    id: [u8; 12],
    place: Place,
    answer: Option<Answer>,
    is_received: bool,
    /// Where it came from, if it was asked there.
    path: Option<Path>,
    /// The address of ours that it names, if it is a success.
    seen: Option<SocketAddr>,
    /// The code of an error that is understood.
    refusal: Option<u16>,
}

/// Whether an answer may have this attribute. One with any other that has to be understood says nothing.
fn is_known(kind: u16) -> bool {
    kind >= 0x8000
        || matches!(kind, 0x0001 | 0x0006 | 0x0008..=0x000a | 0x0014 | 0x0015 | 0x001c..=0x001e | 0x0020 | 0x0024 | 0x0025)
}

/// RFC 7675 section 5.2 and RFC 8445 section 7.2.5.1.
const FORBIDDEN: u16 = 403;
const ROLE_CONFLICT: u16 = 487;

/// No request is given up sooner: a consent check, which is sent once, has half a minute (RFC 7675 section 5.1), and any other
/// 39.5 s at the least (RFC 8489 section 6.2.1).
const SHORTEST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
