//! Whole sessions over relays, from the first permission to the last farewell (RFC 8445, RFC 8656).

#[path = "harness/session.rs"]
mod session;

use core::net::{IpAddr, SocketAddr};
use std::collections::{BTreeMap, BTreeSet};

use floe::ice::{BaseId, Candidate, CandidateAddress, CandidateKind, ComponentId, MdnsName};
use floe::sim::{self, Deviation, Fault, Host, Nat, NetworkId, NodeId, TurnServer, World};
use floe::stun::{Class, Message, Method};
use floe::turn::XorPeerAddress;
use floe::{Base, Config, Event, Profile, ServerError, StreamState, Timestamp};
use session::{End, PASSWORD, Session, USER, address, controlled, controlling, secs};

fn turn_server() -> TurnServer {
    TurnServer::new("example.org").user(USER, PASSWORD)
}

/// Two ends that both relay through one server.
fn between(alice: End, bob: End, server: TurnServer) -> (Session, NodeId) {
    let mut world = World::new(1);
    let id = world.add_turn_server(NetworkId::PUBLIC, server);
    let at = world.address(id);
    (Session::new(world, alice.relays(at), bob.relays(at)), id)
}

fn assert_no_violations(session: &Session, server: NodeId) {
    assert_eq!(session.world.turn_server(server).violations(), [], "{}", session.world.trace());
}

/// The kinds of the candidates that an end has signalled.
fn kinds(session: &Session, of: NodeId) -> Vec<CandidateKind> {
    session.candidates(of).iter().map(Candidate::kind).collect()
}

fn answered(session: &Session, server: NodeId, method: Method) -> u64 {
    session.world.turn_server(server).answered(method, None)
}

/// What an end has sent, and what has come back, in order.
fn talk(session: &Session, of: NodeId) -> Vec<(Timestamp, bool, floe::Path, Vec<u8>)> {
    let entries = session.world.trace().entries();
    let talk = entries.filter_map(|entry| match &entry.event {
        sim::Event::Sent { node, path, payload } if *node == of => {
            Some((entry.at, true, *path, payload.to_vec()))
        }
        sim::Event::Delivered { node, path, payload } if *node == of => {
            Some((entry.at, false, *path, payload.to_vec()))
        }
        _ => None,
    });
    talk.collect()
}

fn peers(message: &Message<'_>) -> Vec<IpAddr> {
    message.all::<XorPeerAddress>().map(|peer| peer.unwrap().0.ip()).collect()
}

/// Proves: rfc8445-7.2.1-1, rfc8656-12-7
/// Scenario: S-46
#[test]
fn of_two_ends_with_relays_alone_each_asks_permission_first_and_a_channel_last() {
    let config = || Config::new().relay_only(true);
    let alice = controlling(NetworkId::PUBLIC).config(config());
    let bob = controlled(NetworkId::PUBLIC).config(config());
    let (mut session, server) = between(alice, bob, turn_server());
    session.connect();
    session.world.run_for(secs(2));
    assert_eq!(session.assert_mirrored(1).kinds, [CandidateKind::Relayed; 2]);
    for id in session.ends() {
        assert!(kinds(&session, id).iter().all(|kind| *kind == CandidateKind::Relayed));
        let selected_at = session.when(id, |event| matches!(event, Event::Selected { .. })).unwrap();
        let (mut asked, mut permitted) = (BTreeMap::new(), BTreeSet::new());
        let (mut indications, mut bound) = (0, false);
        for (at, sent, _, bytes) in talk(&session, id) {
            let Ok(message) = Message::parse(&bytes) else {
                assert!(bound, "data on a channel that was not confirmed");
                continue;
            };
            match (message.method(), message.class(), sent) {
                (Method::CREATE_PERMISSION, Class::Request, _) => {
                    asked.insert(message.transaction_id(), peers(&message));
                }
                (Method::CREATE_PERMISSION, Class::Success, _) => {
                    permitted.extend(asked.remove(&message.transaction_id()).unwrap());
                }
                (Method::SEND, _, _) => {
                    indications += 1;
                    assert!(peers(&message).iter().all(|peer| permitted.contains(peer)));
                }
                (Method::CHANNEL_BIND, Class::Request, _) => assert!(at >= selected_at),
                (Method::CHANNEL_BIND, Class::Success, _) => bound = true,
                (Method::BINDING, _, _) => panic!("{id} has spoken to its peer past the relay"),
                _ => {}
            }
        }
        assert!(indications > 0 && bound);
    }
    let before = session.world.turn_server(server).traffic().by_channel;
    session.assert_data_flows(1);
    assert!(session.world.turn_server(server).traffic().by_channel >= before + 2);
    assert_no_violations(&session, server);
}

/// Proves: rfc8656-8-1, rfc8656-9-1, rfc8656-12-4
/// Scenario: S-47
#[test]
fn steady_data_over_relays_meets_no_gap_in_an_hour() {
    let server = turn_server().nonce_lifetime(secs(3_600));
    let (mut session, server) = between(controlling(Nat::symmetric()), controlled(Nat::symmetric()), server);
    session.connect();
    session.world.run_for(secs(2));
    let before = session.ends().map(|id| session.world.node(id).received().len());
    let sends = 65 * 6_u16;
    for n in 0..sends {
        for id in session.ends() {
            assert!(session.world.with(id, |peer, _| peer.send(1, &n.to_be_bytes())), "{n}");
        }
        session.world.run_for(secs(10));
    }
    for (id, before) in session.ends().into_iter().zip(before) {
        let received = session.world.node(id).received()[before..].iter();
        let received: Vec<Vec<u8>> = received.map(|delivery| delivery.payload.clone()).collect();
        assert_eq!(received, (0..sends).map(|n| n.to_be_bytes().to_vec()).collect::<Vec<_>>());
    }
    let state = session.world.turn_server(server);
    let expired = state.expired();
    // Those of the pairs that were not selected are not renewed, one at each end.
    assert_eq!((expired.allocations, expired.permissions, expired.channels), (0, 2, 0));
    let stale: u64 = [Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND]
        .iter()
        .map(|method| state.answered(*method, Some(438)))
        .sum();
    assert!((1..=8).contains(&stale), "{stale} stale nonces");
    let traffic = state.traffic();
    assert_eq!((traffic.without_permission, traffic.without_channel, traffic.without_allocation), (0, 0, 0));
    assert_no_violations(&session, server);
}

/// Only one end has a relay, which the server may refuse: the other can be reached directly.
///
/// Proves: rfc8656-7.4-15
/// Scenario: S-49
#[test]
fn whatever_a_server_refuses_gathering_ends_and_the_session_goes_on() {
    let elsewhere = address("198.51.100.200:3478");
    for code in [300, 403, 437, 440, 442, 486, 508] {
        let deviation = if code == 300 { Deviation::Redirect(elsewhere) } else { Deviation::Refuse(code) };
        let mut world = World::new(1);
        let server = turn_server().faulty(Fault::new(deviation).on(Method::ALLOCATE));
        let server = world.add_turn_server(NetworkId::PUBLIC, server);
        let alice = controlling(Nat::port_restricted()).relays(world.address(server));
        let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC));
        session.end_bases();
        session.world.run_for(secs(1));
        session.connect();
        session.world.run_for(secs(30));
        let alice = session.alice;
        let expected = ServerError::Rejected(code);
        let failed = |event: &Event| matches!(event, Event::ServerFailed { error, .. } if *error == expected);
        assert!(session.when(alice, failed).is_some(), "{code}: {:?}", session.world.node(alice).events());
        let complete = |event: &Event| matches!(event, Event::GatheringComplete { .. });
        let complete = session.when(alice, complete);
        assert!(complete.is_some_and(|at| at < Timestamp::from_millis(3_000)), "{code}: {complete:?}");
        // rfc8445-5.1.1.2-8
        let mapped = kinds(&session, alice).contains(&CandidateKind::ServerReflexive);
        assert_eq!(mapped, matches!(code, 486 | 508), "{code}");
        assert_eq!(answered(&session, server, Method::BINDING) > 0, mapped, "{code}");
        assert!(!kinds(&session, alice).contains(&CandidateKind::Relayed), "{code}");
        assert!(talk(&session, alice).iter().all(|(_, _, path, _)| path.remote() != elsewhere));
        let refused = session.world.turn_server(server).answered(Method::ALLOCATE, Some(code));
        // After 437 on two more 5-tuples as well.
        let most = if code == 437 { 6 } else { 2 };
        assert!((most / 2..=most).contains(&refused), "{code} was heard {refused} times");
        session.assert_data_flows(1);
    }
}

/// Proves: rfc8656-5-4, rfc8656-10.3-3
/// Scenario: S-50
#[test]
fn a_server_that_has_forgotten_an_allocation_is_left_the_moment_it_says_so() {
    let mut world = World::new(1);
    let server = world.add_turn_server(NetworkId::PUBLIC, turn_server());
    let config = || Config::new().consent(false);
    let alice =
        controlling(NetworkId::PUBLIC).relays(world.address(server)).config(config().relay_only(true));
    let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC).config(config()));
    session.connect();
    session.world.run_for(secs(10));
    let alice = session.alice;
    let client = session.world.address(alice);
    session.world.with_turn_server(server, |server, _| server.forget(client));
    session.world.run_for(secs(300));
    let lost = session.when(alice, |event| matches!(event, Event::ServerFailed { .. })).unwrap();
    let refused = talk(&session, alice).into_iter().find(|(_, sent, _, bytes)| {
        !sent
            && Message::parse(bytes).is_ok_and(|message| message.class() == Class::Error)
            && bytes.windows(4).any(|window| window == [0, 0, 4, 37])
    });
    assert_eq!(refused.map(|(at, ..)| at), Some(lost));
    let agent = session.world.node(alice).agent();
    let stream = session.world.node(alice).stream();
    assert_eq!((agent.pairs(stream).count(), agent.local_candidates(stream).count()), (0, 0));
    assert!(agent.route(stream.component(1)).is_none());
    assert!(matches!(session.world.node(alice).state(), StreamState::Lost(_)));
    let later = talk(&session, alice).into_iter().filter(|(at, sent, ..)| *sent && *at > lost);
    assert_eq!(later.count(), 0);
}

/// What the server forbids are private addresses, most often, and the peer has others.
///
/// Proves: rfc8656-10.3-2
/// Lesson: L-53
#[test]
fn of_four_addresses_of_the_peer_three_are_forbidden_and_the_fourth_is_reached() {
    let addresses = [10, 11, 12, 13].map(|n| address(&format!("192.0.2.{n}:4000")));
    let server = addresses[..3].iter().fold(turn_server(), |server, peer| server.forbid(peer.ip()));
    let mut world = World::new(1);
    let server = world.add_turn_server(NetworkId::PUBLIC, server);
    let host = addresses.iter().fold(Host::new(), |host, at| host.address(NetworkId::PUBLIC, *at));
    let alice = controlling(NetworkId::PUBLIC).relays(world.address(server));
    let alice = alice.config(Config::new().relay_only(true));
    let mut session = Session::new(world, alice, controlled(host));
    session.connect();
    assert_eq!(session.selected(session.alice, 1).unwrap().remote, addresses[3]);
    session.assert_data_flows(1);
    session.world.run_for(secs(600));
    let refused = session.world.turn_server(server).answered(Method::CREATE_PERMISSION, Some(403));
    // Together, and each for itself; never again.
    assert!((3..=5).contains(&refused), "{refused}");
    assert_eq!(session.world.turn_server(server).allocations().count(), 1);
    assert_no_violations(&session, server);
}

/// The server knows nothing of the 5-tuple that it sees now. Nobody has to wait for the next refresh to learn that.
///
/// Proves: rfc8656-5-4
/// Lesson: R-22
#[test]
fn a_relay_whose_translator_has_taken_another_port_is_replaced_in_seconds() {
    let config = || Config::new().continual_gathering(true).relay_only(true);
    let alice = controlling(Nat::symmetric()).config(config());
    let (mut session, server) = between(alice, controlled(Nat::symmetric()).config(config()), turn_server());
    session.connect();
    session.world.run_for(secs(30));
    let network = session.world.network(session.alice);
    let before = session.selected(session.alice, 1).unwrap().local;
    session.world.reboot(network);
    let rebooted_at = session.world.now();
    session.world.run_for(secs(12));
    let lost_at = session.when(session.alice, |event| matches!(event, Event::ServerFailed { .. })).unwrap();
    assert!((rebooted_at..rebooted_at + secs(9)).contains(&lost_at), "{lost_at:?} {rebooted_at:?}");
    assert_ne!(session.assert_mirrored(1).local, before);
    session.assert_data_flows(1);
    assert_no_violations(&session, server);
}

/// In an hour nothing but keepalives goes to the server, which the translator would else forget a hundred times.
///
/// Proves: rfc8656-8-1
/// Lesson: L-25, L-26, R-22
#[test]
fn a_relay_that_has_been_idle_for_an_hour_takes_over_when_the_direct_path_dies() {
    let config = || Config::new().continual_gathering(true);
    let nat = || Nat::port_restricted().lifetime(secs(30)).inbound_refresh(false);
    let alice = controlling(nat()).config(config());
    let (mut session, server) = between(alice, controlled(nat()).config(config()), turn_server());
    session.connect();
    assert!(!session.assert_mirrored(1).kinds.contains(&CandidateKind::Relayed));
    session.world.run_for(secs(3_600));
    let expired = session.world.turn_server(server).expired();
    assert_eq!(expired.allocations, 0);
    session.cut_direct_path();
    session.world.run_for(secs(25));
    session.assert_relayed();
    assert_no_violations(&session, server);
}

/// Proves: rfc8656-8-3, rfc8656-8-4
/// Scenario: S-51
#[test]
fn closing_takes_leave_of_every_server_and_waits_for_none() {
    let mut world = World::new(1);
    let servers = [0, 1, 2].map(|_| world.add_turn_server(NetworkId::PUBLIC, turn_server()));
    let addresses = servers.map(|id| world.address(id));
    let alice = addresses.into_iter().fold(controlling(NetworkId::PUBLIC), End::relays);
    let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC));
    session.connect();
    session.world.run_for(secs(1));
    let (alice, [well, forgetful, silent]) = (session.alice, servers);
    for server in servers {
        assert_eq!(session.world.turn_server(server).allocations().count(), 1);
    }
    let client = session.world.address(alice);
    session.world.with_turn_server(forgetful, |server, _| server.forget(client));
    session.world.with_turn_server(silent, |server, _| server.vanish());
    let closed_at = session.world.now();
    session.world.with(alice, |peer, now| peer.agent_mut().close(now));
    session.world.run_for(secs(5));
    assert_eq!(session.world.node(alice).agent().deadline(), None, "nothing is waited for any more");
    assert_eq!(session.world.turn_server(well).allocations().count(), 0);
    assert_eq!(session.world.turn_server(forgetful).answered(Method::REFRESH, Some(437)), 1);
    let farewells = addresses.map(|server| {
        let talk = talk(&session, alice).into_iter();
        talk.filter(|(at, sent, path, _)| *sent && *at >= closed_at && path.remote() == server).count()
    });
    assert_eq!(farewells, [1, 1, 1], "told once, whatever is answered");
    assert_no_violations(&session, well);
}

/// Declares one more base of an end.
fn add_base(session: &mut Session, to: NodeId, base: Base) -> BaseId {
    session.world.with(to, |peer, now| {
        let component: ComponentId = peer.stream().component(1);
        peer.agent_mut().add_base(now, component, base).unwrap()
    })
}

/// Proves: rfc8445-5.1.1.4-3, rfc8445-8.3.1-3
/// Scenario: S-34
#[test]
fn a_restart_from_a_new_interface_gives_its_allocation_back_once_that_is_idle() {
    let [old, new] = ["192.0.2.50:4000", "198.51.100.50:4000"].map(address);
    let host = Host::new().address(NetworkId::PUBLIC, old).address(NetworkId::PUBLIC, new);
    let config = || Config::new().renomination(false);
    let mut world = World::new(1);
    let server = world.add_turn_server(NetworkId::PUBLIC, turn_server());
    let alice = controlling(host).bases(0).relays(world.address(server)).config(config());
    let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC).config(config()));
    let (alice, bob) = (session.alice, session.bob);
    let base = add_base(&mut session, alice, Base::udp(old));
    session.cut_direct_path();
    session.connect();
    assert_eq!(session.assert_mirrored(1).kinds[0], CandidateKind::Relayed);
    session.world.run_for(secs(10));
    assert_eq!(session.world.turn_server(server).allocations().count(), 1, "it is in use");

    session.world.unblock(alice, bob);
    session.world.unblock(bob, alice);
    let removed_at = session.world.now();
    session.world.with(alice, |peer, now| peer.agent_mut().remove_base(now, base).unwrap());
    add_base(&mut session, alice, Base::udp(new));
    session.world.with(alice, |peer, now| peer.restart(now));
    session.world.run_for(secs(2));
    assert_eq!(session.states(), [StreamState::Completed; 2], "{}", session.world.trace());
    let selected = session.assert_mirrored(1);
    assert_eq!((selected.kinds, selected.local), ([CandidateKind::Host; 2], new));
    assert!(session.candidates(alice).iter().all(|ours| ours.ip() != Some(old)));
    session.world.run_for(secs(4));
    let clients: Vec<SocketAddr> =
        session.world.turn_server(server).allocations().map(sim::Allocation::client).collect();
    assert_eq!(clients, [old], "the new one was given back; from the old interface nothing leaves any more");
    let from_old = |(at, sent, path, _): &(Timestamp, bool, floe::Path, Vec<u8>)| {
        *sent && *at > removed_at && path.local() == old
    };
    assert_eq!(talk(&session, alice).into_iter().filter(from_old).count(), 0);
    session.world.run_for(secs(600));
    assert_eq!(session.world.turn_server(server).allocations().count(), 0);
    session.assert_data_flows(1);
    assert_no_violations(&session, server);
}

const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";

/// Bob learns what the name stands for, as he would on the same link; his relay does not.
///
/// Proves: mdns-private-4, mdns-privacy-1, mdns-encode-2
/// Scenario: S-66
#[test]
fn the_address_of_a_hidden_host_is_told_to_no_peer_and_no_relay() {
    let alice = controlling(Nat::port_restricted()).bases(0);
    let (mut session, server) = between(alice, controlled(NetworkId::PUBLIC), turn_server());
    let (alice, bob) = (session.alice, session.bob);
    let local = session.world.address(alice);
    let hidden = local.ip().to_string();
    add_base(&mut session, alice, Base::udp(local).named(MdnsName::new(NAME).unwrap()));
    session.call();
    session.world.run_for(secs(1));
    let asked = session.world.node(bob).events().iter().find_map(|(_, event)| match event {
        Event::Resolve { id, .. } => Some(*id),
        _ => None,
    });
    session.world.with(bob, |peer, now| {
        peer.agent_mut().handle_resolved(now, asked.unwrap(), Some(local.ip()));
    });
    session.world.run_for(secs(5));
    assert_eq!(session.states(), [StreamState::Completed; 2]);
    let told: Vec<String> = session
        .world
        .trace()
        .entries()
        .filter_map(|entry| match &entry.event {
            sim::Event::Signal { from, message, .. } if *from == alice => {
                Some(String::from_utf8_lossy(message).into_owned())
            }
            _ => None,
        })
        .collect();
    let told = told.concat();
    assert!(!told.contains(&hidden), "{told}");
    assert!(told.contains(NAME));
    let relayed = told.lines().find(|line| line.contains(" typ relay")).unwrap();
    assert!(relayed.contains(" raddr 0.0.0.0 rport 9"), "{relayed}");
    let agent = session.world.node(alice).agent();
    let stream = session.world.node(alice).stream();
    let seen: Vec<Candidate> = agent.pairs(stream).map(|pair| pair.local().clone()).collect();
    let shown = format!("{:?} {seen:?} {:?}", session.candidates(alice), agent.stats());
    assert!(!shown.contains(&hidden), "{shown}");
    let theirs = session.world.node(bob);
    let named = |candidate: &Candidate| matches!(candidate.address(), CandidateAddress::Name(..));
    let by_relay = |kind| kind == CandidateKind::Relayed;
    let mut pairs = theirs.agent().pairs(theirs.stream());
    assert!(!pairs.any(|pair| by_relay(pair.local().kind()) && named(pair.remote())));
    let mut allocations = session.world.turn_server(server).allocations();
    assert!(!allocations.any(|allocation| allocation.permits(local.ip())));
}

/// Proves: rfc8838-13-1
#[test]
fn gathering_ends_with_the_relay_that_nobody_waits_for_any_more() {
    let world = World::new(1);
    // Nothing but the end of its gathering tells the other end of the first one.
    let alice = controlling(NetworkId::PUBLIC)
        .config(Config::new().profile(Profile::Rfc8445).consent(false))
        .relays(address("203.0.113.1:3478"))
        .without_trickle();
    let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC));
    session.call();
    assert!(session.settle(secs(15)), "{:?}\n{}", session.states(), session.world.trace());
}
