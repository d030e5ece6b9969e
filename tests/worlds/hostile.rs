//! Who is there besides the two ends, and wishes them no good.

use core::cell::RefCell;
use core::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use floe::sim::{Datagram, Verdict};
use floe::stun::{
    AttributeType, Builder, ErrorCode, IceControlling, Integrity, Key, Message, Method, Priority,
    TransactionId, UseCandidate, Username, XorMappedAddress,
};
use floe::{Path, Timestamp};

use super::build::Session;
use super::dice::Dice;
use super::plan::Hostile;

/// What was seen on the wire: from where, to where, what.
type Seen = Rc<RefCell<Vec<(SocketAddr, SocketAddr, Bytes)>>>;

/// An attack under way.
pub struct Attack {
    hostile: Hostile,
    dice: Dice<'static>,
    next_at: Timestamp,
    strikes: u32,
    seen: Seen,
    key: Key,
}

impl Attack {
    /// `None` where the enemy is one of the two ends.
    pub fn new(hostile: Hostile, seed: u64, session: &mut Session) -> Option<Self> {
        let seen = Seen::default();
        match hostile {
            Hostile::Rogue(_) => return None,
            Hostile::Sprayer(_) => {}
            Hostile::Replayer(_) => {
                let all = Rc::clone(&seen);
                session.world.filter(move |datagram: &Datagram| {
                    let mut all = all.borrow_mut();
                    if all.len() < SEEN_MAX {
                        all.push((datagram.source, datagram.path.remote(), datagram.payload.clone()));
                    }
                    Verdict::Deliver
                });
            }
        }
        let key = Key::short_term(b"not the password of anybody");
        Some(Self {
            hostile,
            dice: Dice::new(seed ^ 0xbad),
            next_at: Timestamp::from_millis(1),
            strikes: 0,
            seen,
            key,
        })
    }

    /// When it strikes next, if it does.
    pub fn next_at(&self) -> Option<Timestamp> {
        (self.strikes < STRIKES_MAX).then_some(self.next_at)
    }

    pub fn strike(&mut self, session: &mut Session) {
        self.strikes += 1;
        self.next_at = session.world.now() + self.dice.millis(1, if self.strikes < 60 { 90 } else { 4_000 });
        match self.hostile {
            Hostile::Sprayer(count) => (0..count * 4).for_each(|_| self.spray(session)),
            Hostile::Replayer(count) => (0..count).for_each(|_| self.replay(session)),
            Hostile::Rogue(_) => {}
        }
    }

    /// Right under the nose of an end: a forgery of whatever kind, from wherever.
    fn spray(&mut self, session: &mut Session) {
        let end = self.dice.below(2) as usize;
        let local = {
            let addresses = session.world.addresses(session.ends[end]);
            self.dice.pick(addresses)
        };
        let remote = match self.dice.below(3) {
            // The peer's own address, as the agent knows it.
            0 => {
                let peer = session.peer(end);
                let known: Vec<SocketAddr> =
                    peer.agent().remote_candidates(peer.stream()).filter_map(|(_, it)| it.ip()).collect();
                if known.is_empty() { stranger(local) } else { self.dice.pick(&known) }
            }
            1 => self.dice.pick(session.world.addresses(session.ends[1 - end])),
            _ => stranger(local),
        };
        let forged = self.forgery(session, end, local);
        if remote.is_ipv4() == local.is_ipv4() && is_stun(&forged) {
            session.world.inject(session.ends[end], Path::udp(local, remote), &forged);
        }
    }

    fn forgery(&mut self, session: &Session, end: usize, mapped: SocketAddr) -> Vec<u8> {
        let mut id = [0; 12];
        id.iter_mut().for_each(|byte| *byte = self.dice.below(256) as u8);
        let mut id = TransactionId::from(id);
        // It may know the transaction, as one does who watches.
        if self.dice.percent(60)
            && let Some(known) = last_request(session, end)
        {
            id = known;
        }
        let [ours, theirs] = [end, 1 - end].map(|end| {
            let peer = session.peer(end);
            peer.agent().local_credentials(peer.stream()).map(|it| it.ufrag().to_string()).unwrap_or_default()
        });
        let mut out = Vec::new();
        let signed = self.dice.percent(50);
        let builder = match self.dice.below(6) {
            0 | 1 => Builder::success(&mut out, Method::BINDING, id).attribute(&XorMappedAddress(mapped)),
            2 => Builder::error(&mut out, Method::BINDING, id, &ErrorCode::ROLE_CONFLICT),
            3 => Builder::error(&mut out, Method::BINDING, id, &ErrorCode::FORBIDDEN),
            4 => Builder::indication(&mut out, Method::BINDING, id),
            _ => {
                let name = format!("{ours}:{theirs}");
                Builder::request(&mut out, Method::BINDING, id)
                    .attribute(&Username::new(&name).unwrap())
                    .attribute(&Priority(u32::MAX >> 1))
                    .attribute(&IceControlling(u64::MAX))
                    .attribute(&UseCandidate)
            }
        };
        match signed {
            true => builder.integrity(&self.key, Integrity::Sha1).fingerprint(),
            false => builder.fingerprint(),
        }
        if self.dice.percent(5) {
            let at = self.dice.below(out.len() as u64) as usize;
            out[at] ^= 1 << self.dice.below(8);
        }
        out
    }

    /// Something that was seen comes again.
    fn replay(&mut self, session: &mut Session) {
        let picked = {
            let seen = self.seen.borrow();
            if seen.is_empty() {
                return;
            }
            self.dice.pick(&seen)
        };
        let (source, destination, payload) = picked;
        let mut bytes = payload.to_vec();
        if self.dice.percent(15) && !bytes.is_empty() {
            let at = self.dice.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << self.dice.below(8);
        }
        let source = match self.dice.below(3) {
            0 => SocketAddr::new(source.ip(), source.port() ^ self.dice.below(8) as u16),
            1 => stranger(source),
            _ => source,
        };
        session.world.spoof(source, destination, &bytes);
    }
}

/// Somebody who has no part in the session.
fn stranger(like: SocketAddr) -> SocketAddr {
    let text = if like.is_ipv4() { "203.0.113.66:6666" } else { "[2001:db8:bad::66]:6666" };
    text.parse().unwrap()
}

/// The transaction of the last request that an end has sent to its peer.
fn last_request(session: &Session, end: usize) -> Option<TransactionId> {
    session.world.trace().entries().rev().take(64).find_map(|entry| match &entry.event {
        floe::sim::Event::Sent { node, payload, .. } if *node == session.ends[end] => {
            let message = Message::parse(payload).ok()?;
            message.contains(AttributeType::PRIORITY).then(|| message.transaction_id())
        }
        _ => None,
    })
}

/// What is not would be data, which nobody can authenticate here.
fn is_stun(bytes: &[u8]) -> bool {
    floe::stun::is_stun(bytes)
}

const STRIKES_MAX: u32 = 400;

const SEEN_MAX: usize = 4_096;
