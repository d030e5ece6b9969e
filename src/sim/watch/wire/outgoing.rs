//! What goes out: requests and their transmissions, answers, what relays are given.

use alloc::format;
use alloc::string::String;
use core::net::IpAddr;
use core::time::Duration;

use bytes::Bytes;

use super::relays::{Held, channel_number};
use super::{Kind, Leg, MINUTE, Moment, Request, Wire};
use crate::ice::Role;
use crate::sim::watch::decode::{
    BINDING, CHANNEL_BIND, Class, DATA_VALUE, FINGERPRINT, ICE_CONTROLLED, ICE_CONTROLLING,
    MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, PRIORITY, Packet, SEND, SOFTWARE, Stun, USE_CANDIDATE,
    USERNAME, XOR_PEER_ADDRESS,
};
use crate::{Path, Timestamp};

/// A message on its way out.
struct Sent<'a> {
    moment: Moment<'a>,
    leg: Leg,
    message: Stun<'a>,
    payload: &'a Bytes,
}

impl Wire {
    pub(in crate::sim::watch) fn excuse_until(&mut self, until: Timestamp) {
        self.excused_until = self.excused_until.max(until);
    }

    pub(in crate::sim::watch) fn set_role(&mut self, role: Role) {
        self.role = Some(role);
    }

    pub(in crate::sim::watch) fn set_timed(&mut self, timed: bool) {
        self.timed = timed;
    }

    /// A connection takes the slot of a Ta as its first request would (RFC 8445 section 14.2).
    pub(in crate::sim::watch) fn connects(&mut self) {
        self.transmitted += 1;
    }

    pub(in crate::sim::watch) fn sent(
        &mut self,
        moment: Moment<'_>,
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
        match read(payload)? {
            Packet::Stun(message) => {
                let leg = Leg { path: Some(path), relayed: false };
                let sent = Sent { moment, leg, message, payload };
                if message.method == BINDING { self.sent_binding(&sent) } else { self.sent_turn(path, &sent) }
            }
            Packet::Channel(number, inner) => {
                // INV-49
                let peer = self.relays.channels.get(&(path, number)).copied();
                let peer = peer.ok_or_else(|| format!("INV-49: channel {number:#x} was never bound"))?;
                self.relays.may_use(moment.now, path, Held::Channel(number))?;
                let leg = Leg { path: self.relays.inner(path, peer), relayed: true };
                self.sent_inner(moment, leg, inner)
            }
        }
    }

    fn sent_turn(&mut self, path: Path, sent: &Sent<'_>) -> Result<(), String> {
        let Sent { moment, message, .. } = sent;
        // INV-45
        if message.has(SOFTWARE) {
            return Err("INV-45: SOFTWARE to a server".into());
        }
        let peer = message.xor_address(XOR_PEER_ADDRESS);
        match (message.class, message.method) {
            (Class::Request, method) => {
                if let (CHANNEL_BIND, Some(peer), Some(number)) = (method, peer, channel_number(message)) {
                    let other = self.relays.channels.insert((path, number), peer);
                    if other.is_some_and(|other| other != peer) {
                        return Err(format!("INV-49: channel {number:#x} from {other:?} to {peer}"));
                    }
                }
                if !self.requests.contains_key(&message.id) {
                    self.relays.asked(path, message)?;
                }
                self.request(sent, Kind::Turn)
            }
            (Class::Indication, SEND) => {
                if let Some(peer) = peer {
                    self.relays.may_use(moment.now, path, Held::Permission(peer.ip()))?;
                }
                let leg = Leg { path: peer.and_then(|peer| self.relays.inner(path, peer)), relayed: true };
                let inner = message.attribute(DATA_VALUE).map(|data| data.value).unwrap_or_default();
                self.sent_inner(*moment, leg, inner)
            }
            (class, method) => Err(format!("INV-44: {class:?} of method {method} is nothing to send")),
        }
    }

    fn sent_inner(&mut self, moment: Moment<'_>, leg: Leg, inner: &[u8]) -> Result<(), String> {
        match read(inner)? {
            Packet::Stun(message) if message.method == BINDING => {
                let payload = &Bytes::copy_from_slice(inner);
                self.sent_binding(&Sent { moment, leg, message, payload })
            }
            _ => Err("INV-44: neither check nor answer to a peer".into()),
        }
    }

    fn sent_binding(&mut self, sent: &Sent<'_>) -> Result<(), String> {
        let Sent { moment, leg, message, .. } = sent;
        // INV-45: a reason is for whoever has the password.
        let unsigned = !message.has(MESSAGE_INTEGRITY) && !message.has(MESSAGE_INTEGRITY_SHA256);
        if message.has(SOFTWARE) || unsigned && !message.reason().is_empty() {
            return Err(format!("INV-45: SOFTWARE or a reason, on {:?}", leg.path));
        }
        if !message.has(FINGERPRINT) && message.class == Class::Request && !message.has(USERNAME) {
            return self.request(sent, Kind::Server);
        }
        if !message.has_right_fingerprint() {
            return Err(format!("INV-45: no fingerprint, or a wrong one, on {:?}", leg.path));
        }
        match message.class {
            Class::Indication => Ok(()),
            Class::Request if message.has(USERNAME) => self.check(sent),
            Class::Request => self.request(sent, Kind::Server),
            Class::Error if unsigned => Ok(()),
            Class::Success | Class::Error => {
                let signed = moment.streams.has_signed_any(message, moment.now);
                self.triggered.answered(message);
                signed.then_some(()).ok_or_else(|| format!("INV-44: an answer is not signed, {:?}", leg.path))
            }
        }
    }

    fn check(&mut self, sent: &Sent<'_>) -> Result<(), String> {
        let Sent { moment, leg, message, payload } = sent;
        let known = self.requests.get(&message.id).filter(|known| known.payload == *payload);
        if let Some(kind) = known.map(|known| known.kind) {
            self.spend(moment.now, *leg)?;
            return self.request(sent, kind);
        }
        let (theirs, ours) = message.username().ok_or("INV-44: a user name without a colon")?;
        let over = || format!("INV-31: a check under {}, which is over", ours.escape_ascii());
        let place = moment.named(ours).ok_or_else(over)?;
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
            let controls = claims[0] && self.role != Some(Role::Controlled);
            if !controls || !works {
                return Err(format!("INV-41: USE-CANDIDATE, controlling {controls}, on {:?}", leg.path));
            }
            self.nominates(moment.now, *leg)?;
        }
        self.fresh.push(message.id);
        self.spend(moment.now, *leg)?;
        self.request(sent, Kind::Check(place, peer))
    }

    /// Takes note of a request, or compares it with the first transmission.
    fn request(&mut self, sent: &Sent<'_>, kind: Kind) -> Result<(), String> {
        let Sent { moment: Moment { now, .. }, leg, message, payload } = *sent;
        let excused_until = self.excused_until;
        self.transmitted += 1;
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
                answered: None,
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
        // INV-35
        if known.answered.is_some() && !known.relayed {
            return Err(format!("INV-35: a request on {:?} was sent again after its answer", leg.path));
        }
        known.transmissions += 1;
        known.last_at = now;
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
        if most < RTO_MIN {
            return Err(format!("INV-36: transmission {times} after {elapsed:?}, with an RTO of {most:?}"));
        }
        let wanted = most * multiple;
        if !excused && elapsed.saturating_sub(wanted) > self.spread(now) * times {
            return Err(format!(
                "INV-35: transmission {times} after {elapsed:?}, the RTO being {most:?} at most"
            ));
        }
        Ok(())
    }

    /// How late a transmission may be: four leave in a Ta, of all that are under way.
    fn spread(&self, now: Timestamp) -> Duration {
        let is_under_way =
            |request: &&Request| request.answered.is_none() && now.saturating_since(request.last_at) < MINUTE;
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

/// The type preference of peer-reflexive candidates (RFC 8445 section 5.1.2.2).
const PEER_REFLEXIVE: u32 = 110;

/// RFC 8489 section 6.2.1.
const TRANSMISSIONS_MAX: u32 = 7;

/// RFC 8445 section 14.3.
const RTO_MIN: Duration = Duration::from_millis(500);

/// How much a retransmission may be late however few are due at once.
const SPREAD: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
