//! INV-21: a datagram without the right integrity changes nothing but counters, and draws at most one small answer.

use core::net::SocketAddr;

use bytes::Bytes;
use floe::ice::Role;
use floe::sim::{self, Link, NodeId, World};
use floe::stun::{
    AttributeType, Builder, Class, ErrorCode, IceControlling, Integrity, Key, Message, Method, Priority,
    TransactionId, UseCandidate, Username, XorMappedAddress,
};
use floe::{Config, Event, Path, StreamState, Timestamp};
use proptest::prelude::*;

use super::session::{End, Session, address, ms};

/// Whence forgeries come: from the peer's own address, or from a stranger's.
const STRANGER: &str = "203.0.113.66:6666";

/// How long a run takes: checks, nomination, and some silence.
const STEPS: u64 = 400;
const STEP: u64 = 5;

/// What somebody who sees the traffic, but not the passwords, sends to an end.
struct Forger {
    key: Key,
    sent: u64,
}

impl Forger {
    fn new() -> Self {
        Self { key: Key::short_term(b"not the password of anybody"), sent: 0 }
    }

    /// One forgery of each kind, on the paths of `to`.
    fn strike(&mut self, session: &mut Session, to: NodeId) {
        let local = session.world.address(to);
        let peer = session.world.address(session.partner(to));
        let (ours, theirs) = (ufrag(session, to), ufrag(session, session.partner(to)));
        let username = format!("{ours}:{theirs}");
        let last = last_request(session, to);
        for remote in [peer, address(STRANGER)] {
            let mut forged = vec![
                self.check(&username, true),
                self.check("some:body", true),
                self.check(&username, false),
            ];
            if let Some(id) = last {
                forged.extend(self.answers(id, local, remote));
            }
            // From the peer's address it would be data, which nobody can authenticate here.
            if remote != peer {
                forged.extend([vec![0xff; 40], vec![], b"hello".to_vec()]);
            }
            forged.extend([vec![0; 20], vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]]);
            for bytes in forged {
                // What would be data from the peer's address is left out.
                if remote == peer && !floe::stun::is_stun(&bytes) {
                    continue;
                }
                session.world.inject(to, Path::udp(local, remote), &bytes);
                self.sent += 1;
            }
        }
    }

    fn id(&self) -> TransactionId {
        let mut id = [0xab; 12];
        id[..8].copy_from_slice(&self.sent.to_be_bytes());
        TransactionId::from(id)
    }

    /// A check that nominates and claims a role, signed with a wrong key, or not at all.
    fn check(&self, username: &str, signed: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let builder = Builder::request(&mut out, Method::BINDING, self.id())
            .attribute(&Username::new(username).unwrap())
            .attribute(&Priority(u32::MAX >> 1))
            .attribute(&IceControlling(u64::MAX))
            .attribute(&UseCandidate);
        match signed {
            true => builder.integrity(&self.key, Integrity::Sha1).fingerprint(),
            false => builder.fingerprint(),
        }
        out
    }

    /// Answers to a request under way: success and errors, signed with a wrong key or not at all.
    fn answers(&self, id: TransactionId, local: SocketAddr, remote: SocketAddr) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for mapped in [local, remote] {
            let mut out = Vec::new();
            Builder::success(&mut out, Method::BINDING, id)
                .attribute(&XorMappedAddress(mapped))
                .integrity(&self.key, Integrity::Sha1)
                .fingerprint();
            all.push(out);
        }
        for (code, signed) in [
            (ErrorCode::ROLE_CONFLICT, true),
            (ErrorCode::ROLE_CONFLICT, false),
            (ErrorCode::BAD_REQUEST, false),
        ] {
            let mut out = Vec::new();
            let builder = Builder::error(&mut out, Method::BINDING, id, &code);
            match signed {
                true => builder.integrity(&self.key, Integrity::Sha1).fingerprint(),
                false => builder.fingerprint(),
            }
            all.push(out);
        }
        all
    }
}

fn ufrag(session: &Session, id: NodeId) -> String {
    let peer = session.world.node(id);
    peer.agent().local_credentials(peer.stream()).unwrap().ufrag().to_string()
}

/// The transaction of the newest check of an end.
fn last_request(session: &Session, id: NodeId) -> Option<TransactionId> {
    session.world.trace().entries().rev().find_map(|entry| match &entry.event {
        sim::Event::Sent { node, payload, .. } if *node == id => {
            let message = Message::parse(payload).ok()?;
            (message.class() == Class::Request).then(|| message.transaction_id())
        }
        _ => None,
    })
}

/// All that an end has said and thought, but for its answers to strangers.
#[derive(Debug, PartialEq)]
struct Account {
    sent: Vec<(Timestamp, Path, Bytes)>,
    events: Vec<(Timestamp, Event)>,
    state: StreamState,
    role: Role,
    pairs: String,
    received: Vec<sim::Delivery>,
}

fn account(session: &Session, id: NodeId) -> Account {
    let peer = session.world.node(id);
    let sent = session.world.trace().entries().filter_map(|entry| match &entry.event {
        sim::Event::Sent { node, path, payload } if *node == id && !is_unsigned_error(payload) => {
            Some((entry.at, *path, payload.clone()))
        }
        _ => None,
    });
    Account {
        sent: sent.collect(),
        events: peer.events().to_vec(),
        state: peer.state(),
        role: peer.agent().role(),
        pairs: format!("{:?}", peer.agent().pairs(peer.stream()).collect::<Vec<_>>()),
        received: peer.received().to_vec(),
    }
}

fn is_unsigned_error(payload: &[u8]) -> bool {
    Message::parse(payload).is_ok_and(|message| {
        message.class() == Class::Error && !message.contains(AttributeType::MESSAGE_INTEGRITY)
    })
}

/// A session of two hosts, in which somebody forges at every step or nobody does; data at its end.
fn run(
    seed: u64,
    roles: [Role; 2],
    links: [Link; 2],
    answers: u32,
    mut forger: Option<&mut Forger>,
) -> Session {
    let config = Config::new().answers_unauthenticated(answers);
    let [alice, bob] = roles.map(|role| End::new(sim::Nat::none(), role).config(config.clone()));
    let mut session = Session::new(World::new(seed), alice, bob);
    for (id, link) in session.ends().into_iter().zip(links) {
        session.world.set_link(id, link);
    }
    session.call();
    for _ in 0..STEPS {
        for id in session.ends() {
            if let Some(forger) = &mut forger {
                forger.strike(&mut session, id);
            }
        }
        session.world.run_for(ms(STEP));
    }
    for id in session.ends() {
        session.world.with(id, |peer, _| peer.send(1, b"data"));
    }
    session.world.run_for(ms(500));
    session
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// Some ten thousand forgeries, and both ends do what they would have done without.
    ///
    /// Proves: rfc8489-9.1.4-2, rfc8445-7.2.5.1-5
    #[test]
    fn sessions_go_as_they_would_have_gone_without_ten_thousand_forgeries(
        seed: u64,
        alice_controls: bool,
        bob_controls: bool,
        lossy: bool,
    ) {
        let roles = [alice_controls, bob_controls]
            .map(|controls| if controls { Role::Controlling } else { Role::Controlled });
        // An answer to a stranger takes a draw of the line, so where lines draw there are none.
        let link = Link::new(ms(30));
        let (link, answers) = if lossy { (link.jitter(ms(60)).loss(0.1), 0) } else { (link, 10) };
        let mut forger = Forger::new();
        let forged = run(seed, roles, [link; 2], answers, Some(&mut forger));
        let clean = run(seed, roles, [link; 2], answers, None);
        prop_assert!(forger.sent > 10_000, "{}", forger.sent);
        for id in clean.ends() {
            let (with, without) = (account(&forged, id), account(&clean, id));
            prop_assert_eq!(with, without);
            let [with, without] = [&forged, &clean].map(|session| session.world.node(id).agent().stats());
            let told = with.transmitted - without.transmitted;
            // Ten a second and a burst of twenty, over two and a half seconds.
            prop_assert!(told <= if lossy { 0 } else { 45 }, "{told}");
            prop_assert!(lossy || told > 20, "{told}");
            prop_assert!(with.ignored.bad_integrity > 100, "{with:?}");
            prop_assert_eq!(without.ignored.bad_integrity, 0);
        }
        if !lossy {
            prop_assert_eq!(clean.states(), [StreamState::Completed; 2]);
        }
    }
}
