//! Many agents on one socket: whose a datagram is, what it may cost, and how often they may speak.

#[path = "mux/crowd.rs"]
mod crowd;
mod harness;
#[path = "mux/pace.rs"]
mod pace;

use core::net::SocketAddr;

use floe::ice::{Credentials, Role, UfragPrefix};
use floe::stun::{Class, Message, Username};
use floe::{
    Agent, Base, Config, Endpoint, Ignored, IgnoredStats, Mux, Output, Path, Received, Remote, Seed, Server,
    Timestamp, Transport,
};

use crowd::{Crowd, STREAM, check, credentials, lite, path, signed};
use harness::{address, at, ms};

#[test]
fn a_thousand_sessions_on_one_socket_get_what_is_theirs_and_nothing_else() {
    let mut crowd = Crowd::of(1_000);
    for session in 0..1_000_usize {
        let payload = session.to_be_bytes();
        let data = [&[0x80], &payload[..]].concat();
        let received = crowd.mux.handle_datagram(at(0), path(session), &data);
        let Some((key, Received::Data { payload: theirs, .. })) = received else { panic!("{received:?}") };
        assert_eq!((key, &theirs[1..]), (session, &payload[..]));
        // The neighbour's password is of no use, and neither is the neighbour's name.
        let forged = signed(session, credentials(session + 1).password());
        let received = crowd.mux.handle_datagram(at(0), path(session), &forged);
        assert_eq!(received, Some((session, Received::Ignored(Ignored::Unauthenticated))));
    }
    for session in 0..1_000 {
        let stats = crowd.mux.get(session).unwrap().stats();
        let mut ignored = IgnoredStats::default();
        ignored.unauthenticated = 1;
        assert_eq!((stats.data_received, stats.ignored), (1, ignored), "{session}");
    }
}

#[test]
fn what_is_nobodys_comes_back_and_is_noticed_by_no_agent() {
    let mut crowd = Crowd::of(10);
    let deadline = crowd.mux.deadline();
    let elsewhere = Path::udp(address("192.0.2.1:3478"), address("203.0.113.9:9"));
    let known = path(3);
    for (path, datagram) in [
        (elsewhere, check("nobody++", "whatever password it may be")),
        (elsewhere, check("no", "whatever password it may be")),
        // Also where the address is known: it may be a session that is still to be made.
        (known, check("nobody++", "whatever password it may be")),
        (elsewhere, b"\x80data".to_vec()),
        (elsewhere, Vec::new()),
        (elsewhere, answer_to_nothing()),
    ] {
        assert_eq!(crowd.mux.handle_datagram(at(0), path, &datagram), None, "{datagram:?}");
    }
    assert_eq!((crowd.mux.poll_output(), crowd.mux.deadline()), (None, deadline));
    for session in 0..10 {
        assert_eq!(crowd.mux.get(session).unwrap().stats().ignored, IgnoredStats::default());
    }
}

/// Whoever has no password gets nothing into the memory, however many addresses speak.
#[test]
fn a_flood_of_strangers_takes_no_memory() {
    let mut crowd = Crowd::of(20);
    let forged: Vec<Vec<u8>> =
        (0..20).map(|session| signed(session, "not the password of anybody")).collect();
    let unknown = check("nobody++", "whatever password it may be");
    let flood = |crowd: &mut Crowd, from: u32| {
        let source = SocketAddr::from((from.to_be_bytes(), 4_000));
        let path = Path::udp(address("192.0.2.1:3478"), source);
        let session = from as usize % 20;
        assert!(matches!(
            crowd.mux.handle_datagram(at(0), path, &forged[session]),
            Some((_, Received::Ignored(Ignored::Unauthenticated)))
        ));
        assert_eq!(crowd.mux.handle_datagram(at(0), path, &unknown), None);
        assert_eq!(crowd.mux.handle_datagram(at(0), path, b"\x80data"), None);
        while crowd.mux.poll_output().is_some() {}
    };
    let first = u32::from_be_bytes([20, 0, 0, 0]);
    // The leave to answer strangers is used up at first.
    (first..first + 1_000).for_each(|from| flood(&mut crowd, from));
    let memory = allocation_counter::measure(|| {
        (first + 1_000..first + 4_000).for_each(|from| flood(&mut crowd, from))
    });
    assert_eq!((memory.bytes_current, memory.bytes_max), (0, 0));
}

/// Proves: rfc8445-9-6
#[test]
fn a_restarted_agent_is_found_under_both_fragments_until_the_old_one_is_over() {
    let mut crowd = Crowd::of(3);
    crowd.mux.get_mut(1).unwrap().restart_with(at(0), STREAM, credentials(77)).unwrap();
    crowd.drain();
    for known in [credentials(1), credentials(77)] {
        let request = check(known.ufrag(), known.password());
        let received = crowd.mux.handle_datagram(at(1), path(1), &request);
        assert_eq!(received, Some((1, Received::Control)), "{}", known.ufrag());
        assert_eq!(crowd.answers(), 1);
    }
    // The new generation is nominated, and the old one heard for ten seconds.
    let peer = Credentials::new("peer2", "anotherpasswordofthepeer").unwrap();
    crowd.mux.get_mut(1).unwrap().set_remote(at(1), STREAM, Remote::new(peer).complete()).unwrap();
    let new = credentials(77);
    let nomination = crowd::check_by("peer2", new.ufrag(), new.password());
    assert_eq!(crowd.mux.handle_datagram(at(2), path(1), &nomination), Some((1, Received::Control)));
    crowd.run_until(at(9_000));
    assert!(crowd.mux.handle_datagram(at(9_000), path(1), &signed(1, credentials(1).password())).is_some());
    crowd.run_until(at(10_100));
    assert_eq!(crowd.mux.handle_datagram(at(10_100), path(1), &signed(1, credentials(1).password())), None);
    assert!(crowd.mux.handle_datagram(at(10_100), path(1), &nomination).is_some());
}

#[test]
fn agents_that_are_removed_leave_nothing_behind() {
    let mut mux = Mux::new();
    let memory = allocation_counter::measure(|| {
        let mut crowd = Crowd::with(std::mem::take(&mut mux), 50);
        for session in 0..50 {
            crowd.mux.get_mut(session).unwrap().restart(at(0), STREAM).unwrap();
        }
        for session in 0..50 {
            assert!(crowd.mux.remove(session).is_some());
            assert_eq!(crowd.mux.handle_datagram(at(0), path(session), b"\x80data"), None);
            let check = signed(session, credentials(session).password());
            assert_eq!(crowd.mux.handle_datagram(at(0), path(session), &check), None);
        }
        assert_eq!((crowd.mux.poll_output(), crowd.mux.deadline()), (None, None));
        mux = std::mem::take(&mut crowd.mux);
    });
    assert_eq!(memory.bytes_current, 0);
    assert!(mux.is_empty());
}

#[test]
fn agents_with_one_fragment_are_told_apart_by_their_passwords() {
    let mut mux = Mux::new();
    let password = |session: usize| format!("{session:x>24}");
    for session in 0..5 {
        mux.insert(session, lite(&Credentials::new("same", &password(session)).unwrap()));
    }
    for session in [3, 0, 4, 1, 2] {
        let request = check("same", &password(session));
        assert_eq!(mux.handle_datagram(at(0), path(session), &request), Some((session, Received::Control)));
    }
    mux.remove(0);
    mux.remove(3);
    let check_of = |session| check("same", &password(session));
    assert_eq!(mux.handle_datagram(at(0), path(9), &check_of(4)), Some((4, Received::Control)));
    let refused = Some((1, Received::Ignored(Ignored::Unauthenticated)));
    assert_eq!(mux.handle_datagram(at(0), path(9), &check_of(3)), refused);
}

/// A peer that knows its own password and another session's address takes nothing from that session; when the session is gone,
/// the address is free.
#[test]
fn a_path_in_use_is_not_taken_over_by_another_session() {
    let mut crowd = Crowd::of(2);
    let whose = |crowd: &mut Crowd| {
        let received = crowd.mux.handle_datagram(at(1), path(0), b"\x80data");
        received.map(|(key, _)| key)
    };
    let (own, nominates) = (credentials(1), signed(1, credentials(1).password()));
    for intruder in [crowd::plain_check("peer", own.ufrag(), own.password()), nominates] {
        assert_eq!(crowd.mux.handle_datagram(at(0), path(0), &intruder), Some((1, Received::Control)));
        crowd.drain();
        assert_eq!(whose(&mut crowd), Some(0));
    }
    // Requests still find their own.
    let check = signed(0, credentials(0).password());
    assert_eq!(crowd.mux.handle_datagram(at(0), path(0), &check), Some((0, Received::Control)));
    crowd.mux.remove(0);
    assert_eq!(whose(&mut crowd), Some(1));
    crowd.mux.remove(1);
    assert_eq!(whose(&mut crowd), None);
}

#[test]
fn a_path_is_learned_from_a_check_that_is_authentic_and_not_before() {
    let mut crowd = Crowd::of(1);
    let whose =
        |crowd: &mut Crowd| crowd.mux.handle_datagram(at(0), path(9), b"\x80data").map(|(key, _)| key);
    assert_eq!(whose(&mut crowd), None);
    let refused = Some((0, Received::Ignored(Ignored::Unauthenticated)));
    let forged = signed(0, "not the password of anybody");
    assert_eq!(crowd.mux.handle_datagram(at(0), path(9), &forged), refused);
    assert_eq!(whose(&mut crowd), None);
    let check = signed(0, credentials(0).password());
    assert_eq!(crowd.mux.handle_datagram(at(0), path(9), &check), Some((0, Received::Control)));
    assert_eq!(whose(&mut crowd), Some(0));
}

/// That a candidate was signalled makes its address nobody's yet.
#[test]
fn the_path_of_a_candidate_is_learned_no_sooner() {
    let mut mux = Mux::new();
    let mut agent = Agent::new(Config::new(), Role::Controlling, Seed::from([7; 32]));
    let stream = agent.add_stream(1).unwrap();
    agent.add_base(at(0), stream.component(1), Base::udp(path(9).local())).unwrap();
    let peer = Credentials::new("peer", "passwordofthepeer/1234567").unwrap();
    let candidate = harness::host("1", 1, &path(9).remote().to_string());
    agent.set_remote(at(0), stream, Remote::new(peer).candidates([candidate])).unwrap();
    mux.insert(0, agent);
    mux.handle_timeout(at(0));
    assert!(
        core::iter::from_fn(|| mux.poll_output()).any(|(_, output)| matches!(output, Output::Transmit(_)))
    );
    assert_eq!(mux.handle_datagram(at(1), path(9), b"\x80data"), None);
}

#[test]
fn paths_of_ipv6_are_found_as_well() {
    let mut mux = Mux::new();
    let socket = address("[2001:db8::1]:3478");
    for session in 0..3_usize {
        let mut agent = Agent::new(Config::new().lite(true), Role::Controlled, Seed::from([7; 32]));
        agent.add_stream_with(1, credentials(session)).unwrap();
        agent.add_base(at(0), STREAM.component(1), Base::udp(socket)).unwrap();
        agent.end_of_bases(at(0), STREAM).unwrap();
        let peer = Credentials::new("peer", "passwordofthepeer/1234567").unwrap();
        agent.set_remote(at(0), STREAM, Remote::new(peer).complete()).unwrap();
        mux.insert(session, agent);
        let path = Path::udp(socket, address(&format!("[2001:db8:1::{session}]:2000")));
        let check = signed(session, credentials(session).password());
        assert_eq!(mux.handle_datagram(at(0), path, &check), Some((session, Received::Control)));
    }
    for session in 0..3_usize {
        let path = Path::udp(socket, address(&format!("[2001:db8:1::{session}]:2000")));
        let received = mux.handle_datagram(at(0), path, b"\x80data");
        assert!(matches!(received, Some((key, Received::Data { .. })) if key == session), "{received:?}");
    }
}

#[test]
fn a_guard_that_is_forgotten_is_put_right_by_the_next_call() {
    let mut crowd = Crowd::of(2);
    let mut guard = crowd.mux.get_mut(0).unwrap();
    guard.restart_with(at(0), STREAM, credentials(88)).unwrap();
    core::mem::forget(guard);
    let request = signed(88, credentials(88).password());
    let received = crowd.mux.handle_datagram(at(0), path(5), &request);
    assert_eq!(received, Some((0, Received::Control)));
    let mut guard = crowd.mux.get_mut(0).unwrap();
    guard.close(at(0));
    core::mem::forget(guard);
    crowd.drain();
    assert_eq!(crowd.mux.handle_datagram(at(0), path(0), b"\x80data"), None);
}

#[test]
fn an_agent_is_replaced_and_given_back_with_all_it_had_to_say() {
    let mut crowd = Crowd::of(1);
    crowd.mux.get_mut(0).unwrap().restart(at(0), STREAM).unwrap();
    let mut old = crowd.mux.insert(0, lite(&credentials(5))).unwrap();
    assert!(old.poll_output().is_some());
    assert_eq!(crowd.mux.handle_datagram(at(0), path(0), b"\x80data"), None);
    let request = signed(5, credentials(5).password());
    let received = crowd.mux.handle_datagram(at(0), path(0), &request);
    assert_eq!(received, Some((0, Received::Control)));
    assert_eq!(crowd.mux.keys().collect::<Vec<_>>(), [0]);
    assert_eq!(crowd.mux.len(), 1);
}

/// Two agents that ask one TURN server ask from two sockets: it knows an allocation by its 5-tuple.
#[test]
fn a_relay_has_a_socket_of_its_own() {
    let mut mux = Mux::new();
    for session in 0..2_usize {
        let mut agent = Agent::new(Config::new(), Role::Controlling, Seed::from([session as u8; 32]));
        let stream = agent.add_stream(1).unwrap();
        let server = Server::turn(address("198.51.100.99:3478"), "alice", "correct horse");
        agent.add_server(at(0), server).unwrap();
        agent.add_base(at(0), stream.component(1), Base::udp(address("192.0.2.1:3478"))).unwrap();
        mux.insert(session, agent);
    }
    let (mut connects, mut asked) = (Vec::new(), Vec::new());
    for now in [0, 5, 60, 65, 120, 125].map(at) {
        mux.handle_timeout(now);
        while let Some((session, output)) = mux.poll_output() {
            match output {
                Output::Connect(connect) => connects.push((session, connect)),
                Output::Transmit(transmit) => asked.push((session, transmit.path)),
                Output::Event(_) | Output::Disconnect(_) => {}
            }
        }
        for (session, connect) in connects.iter().filter(|_| now == at(5)) {
            let is_server = matches!(connect.to, Endpoint::Server(_));
            assert!(is_server && connect.transport == Transport::Udp && connect.local.port() == 0);
            let local = address(&format!("192.0.2.1:{}", 50_000 + session));
            assert!(mux.get_mut(*session).unwrap().handle_connect(now, connect.id, Some(local)).is_some());
        }
    }
    assert_eq!(connects.iter().map(|(session, _)| *session).collect::<Vec<_>>(), [0, 1]);
    asked.sort();
    asked.dedup();
    let server = address("198.51.100.99:3478");
    let expected = [0, 1]
        .map(|session| (session, Path::udp(address(&format!("192.0.2.1:{}", 50_000 + session)), server)));
    assert_eq!(asked, expected);
    // What the server says on such a path is that agent's.
    let received = mux.handle_datagram(at(130), expected[1].1, &[0x40, 0, 0, 0]);
    assert!(matches!(received, Some((1, Received::Ignored(_)))), "{received:?}");
}

/// Proves: rfc8445-5.3-1
#[test]
fn fragments_begin_with_the_prefix_and_differ_behind_it() {
    let prefix = UfragPrefix::from_number(77, 3).unwrap();
    let config = std::sync::Arc::new(Config::new().ufrag_prefix(prefix));
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..50_u8 {
        let mut agent = Agent::new(config.clone(), Role::Controlled, Seed::from([seed; 32]));
        let stream = agent.add_stream(1).unwrap();
        for restart in 0..3 {
            let ufrag = agent.local_credentials(stream).unwrap().ufrag().to_owned();
            assert_eq!(UfragPrefix::number_in(&ufrag, 3), Some(77), "{ufrag}, restart {restart}");
            assert_eq!(ufrag.len(), 3 + 8);
            assert!(seen.insert(ufrag[3..].to_owned()));
            agent.restart(Timestamp::ZERO, stream).unwrap();
        }
    }
}

#[test]
fn a_mux_can_move_to_another_thread() {
    fn moves<T: Send + Sync>() {}
    moves::<Mux<u64>>();
}

fn answer_to_nothing() -> Vec<u8> {
    let mut bytes = check("nobody++", "whatever password it may be");
    bytes[0] = 1; // a success
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.class(), Class::Success);
    assert!(message.get::<Username<'_>>().is_some());
    bytes
}

#[test]
fn the_deadline_is_that_of_the_first_agent_and_follows_each() {
    let mut crowd = Crowd::of(3);
    crowd.run_until(at(100));
    let alone = |crowd: &Crowd| (0..3).filter_map(|key| crowd.mux.get(key).unwrap().deadline()).min();
    assert_eq!(crowd.mux.deadline(), alone(&crowd));
    // A check of one puts off when it would be given up; the others are first now.
    for session in [0, 2, 1] {
        crowd.now += ms(1_000);
        let check = signed(session, credentials(session).password());
        assert!(crowd.mux.handle_datagram(crowd.now, path(session), &check).is_some());
        crowd.drain();
        assert_eq!(crowd.mux.deadline(), alone(&crowd));
    }
}
