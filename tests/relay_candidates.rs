//! Relayed candidates: what they stand for, whom they reach, and who can be mistaken for whom (RFC 8445 sections 4 to 6,
//! RFC 8656 sections 3 and 21).

#[path = "harness/session.rs"]
mod session;

use core::net::SocketAddr;

use floe::ice::{Candidate, CandidateKind, PairState};
use floe::sim::{self, Deviation, Fault, Host, Nat, NetworkId, NodeId, StunServer, TurnServer, World};
use floe::stun::{
    Attribute, Builder, Class, IceControlled, Integrity, Key, Message, Method, Priority, TransactionId,
    Username,
};
use floe::turn::{Data, XorPeerAddress};
use floe::{Config, Path, StreamState};
use session::{PASSWORD, Session, USER, address, controlled, controlling, ms, secs};

fn turn_server() -> TurnServer {
    TurnServer::new("example.org").user(USER, PASSWORD)
}

/// A host on the public network with an address of each family, by number.
fn dual_stack(number: u8) -> Host {
    let [ipv4, ipv6] = both(number);
    Host::new().address(NetworkId::PUBLIC, ipv4).address(NetworkId::PUBLIC, ipv6)
}

fn both(number: u8) -> [SocketAddr; 2] {
    let ipv4 = SocketAddr::new([198, 51, 100, number].into(), 3478);
    [ipv4, SocketAddr::new([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number)].into(), 3478)]
}

fn relayed(session: &Session, of: NodeId) -> Vec<Candidate> {
    let mut candidates = session.candidates(of);
    candidates.retain(|candidate| candidate.kind() == CandidateKind::Relayed);
    candidates
}

/// Proves: rfc8445-4-1
#[test]
fn checks_leave_from_the_socket_or_from_the_relayed_address_itself() {
    let mut world = World::new(1);
    let turn = world.add_turn_server(NetworkId::PUBLIC, turn_server());
    let stun = world.add_server(NetworkId::PUBLIC, StunServer::new());
    let alice = controlling(Nat::symmetric()).asks(world.address(stun)).relays(world.address(turn));
    let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC));
    let alice = session.alice;
    session.end_bases();
    session.world.run_for(secs(1));
    let host = session.world.address(alice);
    let mut kinds = Vec::new();
    for candidate in session.candidates(alice) {
        kinds.push(candidate.kind());
        if candidate.kind() == CandidateKind::ServerReflexive {
            assert_eq!(candidate.related(), Some(host));
        }
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    session.call();
    // Pairs come and go on the way to the one that is selected.
    let mut pairs: Vec<(CandidateKind, Path, Option<SocketAddr>)> = Vec::new();
    while session.world.node(alice).state() != StreamState::Completed {
        session.world.run_for(ms(1));
        let peer = session.world.node(alice);
        let known = peer.agent().pairs(peer.stream());
        pairs.extend(known.map(|pair| (pair.local().kind(), pair.path(), pair.local().ip())));
    }
    for (kind, path, at) in &pairs {
        let base = if *kind == CandidateKind::Relayed { *at } else { Some(host) };
        assert_eq!(Some(path.local()), base, "{kind:?}");
    }
    for kind in [CandidateKind::PeerReflexive, CandidateKind::Relayed] {
        assert!(pairs.iter().any(|(known, ..)| *known == kind), "{pairs:?}");
    }
}

/// Proves: rfc8445-5.1.1.2-10
#[test]
fn a_relayed_address_that_is_our_own_is_no_candidate() {
    for own in [true, false] {
        let host = address("192.0.2.50:4000");
        let named = if own { host } else { address("192.0.2.50:4001") };
        let mut world = World::new(1);
        let fault = Fault::new(Deviation::Relayed(named)).on(Method::ALLOCATE);
        let server = world.add_turn_server(NetworkId::PUBLIC, turn_server().faulty(fault));
        let alice = controlling(Host::new().address(NetworkId::PUBLIC, host)).relays(world.address(server));
        let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC));
        session.end_bases();
        session.world.run_for(secs(1));
        assert_eq!(session.world.turn_server(server).answered(Method::ALLOCATE, None), 1);
        assert_eq!(relayed(&session, session.alice).len(), usize::from(!own));
        session.connect();
    }
}

/// Proves: rfc8445-6.1.2.2-4
#[test]
fn a_host_of_one_family_meets_one_of_the_other_over_a_relay() {
    for role in [0, 1] {
        let mut world = World::new(1);
        let server = world.add_turn_server(dual_stack(1), turn_server());
        let [_, by_ipv6] = both(1);
        let [ipv4, ipv6] = [both(2)[0], both(3)[1]].map(|at| Host::new().address(NetworkId::PUBLIC, at));
        let (alice, bob) = match role {
            0 => (controlling(ipv6).relays(by_ipv6), controlled(ipv4)),
            _ => (controlling(ipv4), controlled(ipv6).relays(by_ipv6)),
        };
        let mut session = Session::new(world, alice, bob);
        session.connect();
        let selected = session.assert_mirrored(1);
        assert!(selected.addresses().iter().all(SocketAddr::is_ipv4), "{selected:?}");
        assert!(selected.kinds.contains(&CandidateKind::Relayed));
        session.assert_data_flows(1);
        assert_eq!(session.world.turn_server(server).violations(), []);
    }
}

/// Behind NAT64 (RFC 6146) the caller writes the prefix before the server's address (RFC 6052), as getaddrinfo does by itself;
/// what the server says of addresses is about IPv4 all the same.
///
/// Proves: rfc8445-5.1.1.2-11
#[test]
fn a_host_of_ipv6_alone_has_candidates_of_ipv4_from_a_server_behind_nat64() {
    let [synthesised, ours] = ["[64:ff9b::c633:6401]:3478", "[2001:db8::2]:4000"].map(address);
    let [ipv4, mapped] = ["198.51.100.1:3478", "192.0.2.64:1024"].map(address);
    let mut world = World::new(1);
    let fault = Fault::new(Deviation::Mapped(mapped)).on(Method::ALLOCATE);
    let server = Host::new().address(NetworkId::PUBLIC, ipv4).address(NetworkId::PUBLIC, synthesised);
    let server = world.add_turn_server(server, turn_server().faulty(fault));
    let alice = controlling(Host::new().address(NetworkId::PUBLIC, ours)).relays(synthesised);
    let bob = controlled(Host::new().address(NetworkId::PUBLIC, both(3)[0]));
    let mut session = Session::new(world, alice, bob);
    session.connect();
    let told: Vec<(CandidateKind, bool)> = session
        .candidates(session.alice)
        .iter()
        .map(|candidate| (candidate.kind(), candidate.ip().unwrap().is_ipv4()))
        .collect();
    for expected in [(CandidateKind::ServerReflexive, true), (CandidateKind::Relayed, true)] {
        assert!(told.contains(&expected), "{told:?}");
    }
    assert_eq!(session.assert_mirrored(1).kinds, [CandidateKind::Relayed, CandidateKind::Host]);
    session.assert_data_flows(1);
    assert_eq!(session.world.turn_server(server).violations(), []);
}

/// Two dual-stack hosts that reach each other over their server alone: whoever controls, what is relayed keeps the family in
/// which it came to the server.
///
/// Proves: rfc8445-5.1.2.2-2, rfc8656-7.3-7
/// Lesson: L-60, R-17
#[test]
fn a_relay_that_changes_the_family_is_the_last_resort() {
    for first in [0, 1] {
        let mut world = World::new(1);
        let server = world.add_turn_server(dual_stack(1), turn_server());
        let mut servers = both(1);
        servers.rotate_left(first);
        let config = || Config::new().relay_only(true);
        let [alice, bob] = [controlling(dual_stack(2)), controlled(dual_stack(3))]
            .map(|end| servers.into_iter().fold(end, session::End::relays).config(config()));
        let mut session = Session::new(world, alice, bob);
        session.connect();
        session.world.run_for(secs(10));
        let selected = session.assert_mirrored(1);
        let allocations: Vec<(SocketAddr, Vec<SocketAddr>)> = session
            .world
            .turn_server(server)
            .allocations()
            .map(|allocation| (allocation.client(), allocation.relayed().to_vec()))
            .collect();
        assert_eq!(allocations.len(), 4);
        let keeps_family = |relayed: SocketAddr| {
            let (client, _) = allocations.iter().find(|(_, ours)| ours.contains(&relayed)).unwrap();
            client.is_ipv4() == relayed.is_ipv4()
        };
        for relayed in selected.addresses() {
            assert!(keeps_family(relayed), "{selected:?} {allocations:?}");
        }
        // Of one server the peer is told so, by the priorities.
        for id in session.ends() {
            let ours = relayed(&session, id);
            assert_eq!(ours.len(), 4);
            let preferences: std::collections::BTreeSet<u16> =
                ours.iter().map(|candidate| candidate.priority().local_preference()).collect();
            assert_eq!(preferences.len(), 4);
            for (_, pair) in &allocations {
                let of_pair = |it: &&Candidate| it.ip().is_some_and(|relayed| pair.contains(&relayed));
                let mut both: Vec<&Candidate> = ours.iter().filter(of_pair).collect();
                both.sort_by_key(|candidate| candidate.priority());
                let kept: Vec<bool> = both.iter().map(|it| keeps_family(it.ip().unwrap())).collect();
                assert!(both.is_empty() || kept == [false, true], "{kept:?}");
            }
        }
    }
}

/// World 19846 with an enemy: the pairs of a relay that came first were all frozen until something else happened.
///
/// Proves: rfc8445-6.1.2.6-2
#[test]
fn the_first_pairs_of_a_relay_have_their_initial_states_at_once() {
    let mut world = World::new(1);
    let server = world.add_turn_server(NetworkId::PUBLIC, turn_server());
    let alice =
        controlling(NetworkId::PUBLIC).relays(world.address(server)).config(Config::new().relay_only(true));
    let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC));
    let alice = session.alice;
    session.introduce(alice);
    session.trickle(alice, session.candidates(session.bob)[0].clone());
    let states = |session: &Session| {
        let peer = session.world.node(alice);
        peer.agent().pairs(peer.stream()).map(|pair| pair.state()).collect::<Vec<_>>()
    };
    while states(&session).is_empty() {
        session.world.run_for(ms(1));
    }
    assert_eq!(states(&session), [PairState::Waiting]);
}

/// A session in which Alice, who controls, has a relay and has permitted Bob to use it.
fn relaying() -> (Session, NodeId, SocketAddr) {
    let mut world = World::new(1);
    let server = world.add_turn_server(NetworkId::PUBLIC, turn_server());
    let at = world.address(server);
    let alice = controlling(NetworkId::PUBLIC).relays(at);
    let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC));
    session.end_bases();
    session.world.run_for(secs(1));
    session.connect();
    session.world.run_for(secs(1));
    let bob = session.world.address(session.bob).ip();
    let allocation = session.world.turn_server(server).allocations().next().unwrap();
    assert!(allocation.permits(bob));
    (session, server, at)
}

/// A check as Bob would send it, or somebody who knows all but the password.
fn check(session: &Session, id: TransactionId, password: &str) -> Vec<u8> {
    let fragment = |end: NodeId| {
        let peer = session.world.node(end);
        peer.agent().local_credentials(peer.stream()).unwrap().ufrag().to_owned()
    };
    let name = format!("{}:{}", fragment(session.alice), fragment(session.bob));
    let mut out = Vec::new();
    Builder::request(&mut out, Method::BINDING, id)
        .attribute(&Username::new(&name).unwrap())
        .attribute(&Priority(1_845_501_695))
        .attribute(&IceControlled(1))
        .integrity(&Key::short_term(password.as_bytes()), Integrity::Sha1)
        .fingerprint();
    out
}

fn password(session: &Session) -> String {
    let peer = session.world.node(session.alice);
    peer.agent().local_credentials(peer.stream()).unwrap().password().to_owned()
}

/// The Data indication in which the server relays `payload` of `peer`.
fn indication(peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Builder::indication(&mut out, Method::DATA, [9; 12].into())
        .attribute(&XorPeerAddress(peer))
        .attribute(&Data(payload))
        .fingerprint();
    out
}

/// What Alice sends to the server from now on, until a second is over.
fn said_to(session: &mut Session, server: SocketAddr) -> Vec<Vec<u8>> {
    let start = session.world.trace().recorded();
    session.world.run_for(secs(1));
    let trace = session.world.trace();
    let new = usize::try_from(trace.recorded() - start).unwrap();
    let entries = trace.entries().rev().take(new + 8);
    let sent = entries.filter_map(|entry| match &entry.event {
        sim::Event::Sent { node, path, payload } if *node == session.alice && path.remote() == server => {
            Some(payload.to_vec())
        }
        _ => None,
    });
    sent.collect()
}

fn is_answer(bytes: &[u8], id: TransactionId) -> bool {
    Message::parse(bytes).is_ok_and(|it| it.class() == Class::Success && it.transaction_id() == id)
}

fn get<'a, A: Attribute<'a>>(message: &Message<'a>) -> Option<A> {
    message.get::<A>().and_then(Result::ok)
}

/// The server's own host may be the peer's as well: what is no message of TURN is a check like any other. And one that the
/// server relays is answered by way of the relay.
///
/// Proves: rfc8656-3.1-2
/// Lesson: R-31
#[test]
fn a_check_from_the_address_of_the_server_is_none_of_the_relay_and_a_relayed_one_is() {
    let (mut session, _, server) = relaying();
    let (alice, local) = (session.alice, session.world.address(session.alice));
    let path = Path::udp(local, server);
    let direct = TransactionId::from([1; 12]);
    let bytes = check(&session, direct, &password(&session));
    session.world.inject(alice, path, &bytes);
    let said = said_to(&mut session, server);
    assert_eq!(said.iter().filter(|bytes| is_answer(bytes, direct)).count(), 1);

    let relayed = TransactionId::from([2; 12]);
    let peer = SocketAddr::new(session.world.address(session.bob).ip(), 7_000);
    let bytes = indication(peer, &check(&session, relayed, &password(&session)));
    session.world.inject(alice, path, &bytes);
    let said = said_to(&mut session, server);
    assert!(!said.iter().any(|bytes| is_answer(bytes, relayed)), "past the relay");
    let wrapped = said.iter().filter(|bytes| {
        let Ok(message) = Message::parse(bytes) else { return false };
        message.method() == Method::SEND
            && get::<XorPeerAddress>(&message) == Some(XorPeerAddress(peer))
            && get::<Data<'_>>(&message).is_some_and(|data| is_answer(data.0, relayed))
    });
    assert_eq!(wrapped.count(), 1);
}

/// Who can send in the name of the server can make up what it relays; what that is, is still not believed.
///
/// Proves: rfc8656-21.1.4-1
#[test]
fn a_check_in_a_forged_indication_is_no_better_than_a_forged_check() {
    let (mut session, _, server) = relaying();
    let local = session.world.address(session.alice);
    let bob = session.world.address(session.bob);
    let id = TransactionId::from([3; 12]);
    let bytes = check(&session, id, "a guess of twenty-two ch");
    let view = |session: &Session| {
        let peer = session.world.node(session.alice);
        let (pairs, remotes) = (
            peer.agent().pairs(peer.stream()).count(),
            peer.agent().remote_candidates(peer.stream()).count(),
        );
        (pairs, remotes, peer.selected(1), peer.agent().stats())
    };
    let before = view(&session);
    session.world.spoof(server, local, &indication(SocketAddr::new(bob.ip(), 7_000), &bytes));
    session.world.spoof(server, local, &indication(address("198.51.100.99:7000"), &bytes));
    session.world.run_for(secs(1));
    let after = view(&session);
    assert_eq!((after.0, after.1, after.2), (before.0, before.1, before.2));
    let [then, now] = [before.3, after.3].map(|stats| (stats.ignored.unauthenticated, stats.ignored.relay));
    assert_eq!((now.0 - then.0, now.1 - then.1), (1, 1));
    assert_eq!(session.states(), [StreamState::Completed; 2]);
}
