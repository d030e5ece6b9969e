//! What costs no memory: counted, not promised.

mod harness;

use floe::ice::{Nomination, PairState, Role};
use floe::sim::{Nat, NetworkId, NodeId, Peer, TurnServer, World};
use floe::stun::{
    Builder, Fingerprint, IceControlling, Integrity, Key, Message, Method, Priority, UseCandidate, Username,
    authenticate,
};
use floe::{Config, Ignored, Path, Received, Server, StreamState};
use harness::{Bench, LOCAL, PeerCheck, REMOTE, address, candidate, ms};

fn key() -> Key {
    Key::short_term(b"VOkJxbRl1RmTxUk/WvJxBt")
}

fn check(out: &mut Vec<u8>, key: &Key) {
    Builder::request(out, Method::BINDING, [7; 12].into())
        .attribute(&Username::new("evtj:h6vY").unwrap())
        .attribute(&Priority(0x6e00_01ff))
        .attribute(&IceControlling(1))
        .attribute(&UseCandidate)
        .integrity(key, Integrity::Sha1)
        .fingerprint();
}

fn allocations(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1_u8; 10]))), 1);
}

#[test]
fn reading_and_verifying_a_check_allocates_nothing() {
    let key = key();
    let mut bytes = Vec::new();
    check(&mut bytes, &key);
    let count = allocations(|| {
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.fingerprint(), Fingerprint::Valid);
        let (verified, _) = authenticate(&message, |name| (name == b"evtj:h6vY").then_some(&key)).unwrap();
        assert_eq!(verified.get::<Priority>(), Some(Ok(Priority(0x6e00_01ff))));
        assert!(verified.get::<UseCandidate>().is_some());
        assert_eq!(verified.unknown_required(|kind| kind.as_u16() <= 0x0025).count(), 0);
    });
    assert_eq!(count, 0);
}

#[test]
fn turning_down_what_is_not_authentic_allocates_nothing() {
    let (key, other) = (key(), Key::short_term(b"other"));
    let mut forged = Vec::new();
    check(&mut forged, &other);
    let count = allocations(|| {
        let message = Message::parse(&forged).unwrap();
        assert!(message.verify(&key).is_err());
        assert!(Message::parse(&forged[..forged.len() - 1]).is_err());
    });
    assert_eq!(count, 0);
}

#[test]
fn building_into_a_vector_with_room_allocates_nothing() {
    let key = key();
    let mut out = Vec::with_capacity(128);
    assert_eq!(allocations(|| check(&mut out, &key)), 0);
    assert!(Message::parse(&out).unwrap().verify(&key).is_ok());
}

/// An agent that has selected its one pair: its peer has answered, has checked and, if controlling, has nominated.
fn established(role: Role) -> Bench {
    let mut bench = Bench::new(role);
    bench.end_of_candidates();
    let check = bench.next_check();
    bench.answer(&check);
    bench.peer_checks(role == Role::Controlled);
    if role == Role::Controlling {
        let nomination = bench.next_check();
        bench.answer(&nomination);
    }
    bench.run_for(ms(1_000));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    bench
}

/// An agent with a valid pair and many others that are frozen behind a silent one.
fn crowded() -> Bench {
    let mut bench = Bench::with(Config::new().nomination(Nomination::Manual), Role::Controlling);
    let check = bench.next_check();
    bench.answer(&check);
    for number in 2..62_u32 {
        let priority = 2_130_706_431 - number;
        bench.trickle(candidate(&format!("candidate:2 1 udp {priority} 198.51.100.{number} 2000 typ host")));
    }
    bench.peer_checks(false);
    bench.next_check();
    let frozen = bench.pair_states().iter().filter(|(_, state)| *state == PairState::Frozen).count();
    assert!(frozen > 50, "{frozen} frozen pairs");
    bench
}

/// What it costs to feed a datagram from the peer's address, to drop what comes of it, and to ask for the deadline.
fn cost_of(bench: &mut Bench, datagram: &[u8], expected: fn(Received<'_>) -> bool) -> u64 {
    let (now, path) = (bench.now, Path::udp(address(LOCAL), address(REMOTE)));
    allocations(|| {
        assert!(expected(bench.agent.handle_datagram(now, path, datagram)));
        while bench.agent.poll_output().is_some() {}
        assert!(bench.agent.deadline().is_none_or(|deadline| deadline >= now));
    })
}

/// Three forged checks: a password that is wrong, a user that is not ours, no integrity at all.
fn forgeries(bench: &mut Bench) -> [PeerCheck; 3] {
    let honest = bench.peer_check();
    [
        PeerCheck { password: "notthepasswordofthisagent".into(), ..honest.clone() },
        PeerCheck { username: Some("nobody:peer".into()), ..honest.clone() },
        PeerCheck { integrity: None, ..honest },
    ]
}

#[test]
fn an_agent_turns_down_forged_checks_without_an_allocation() {
    for mut bench in [established(Role::Controlling), established(Role::Controlled), crowded()] {
        let forgeries = forgeries(&mut bench).map(|check| check.encode());
        let unauthenticated =
            |received: Received<'_>| received == Received::Ignored(Ignored::Unauthenticated);
        // An answer is a datagram, and a datagram is memory: until the leave to answer strangers is used up.
        let answered = (0..30).filter(|_| cost_of(&mut bench, &forgeries[0], unauthenticated) > 0).count();
        assert_eq!(answered, 20);
        for forged in &forgeries {
            assert_eq!(cost_of(&mut bench, forged, unauthenticated), 0);
        }
    }
}

#[test]
fn an_agent_ignores_garbage_without_an_allocation() {
    let ignored = |received: Received<'_>| matches!(received, Received::Ignored(_));
    for mut bench in [established(Role::Controlling), established(Role::Controlled), crowded()] {
        let check = bench.peer_check();
        let honest = check.encode();
        let unsealed = PeerCheck { fingerprint: false, ..check }.encode();
        let mut flipped = honest.clone();
        flipped[30] ^= 1;
        let mut answer = Vec::new();
        Builder::success(&mut answer, Method::BINDING, [9; 12].into())
            .integrity(&key(), Integrity::Sha1)
            .fingerprint();
        let mut indication = Vec::new();
        Builder::indication(&mut indication, Method::BINDING, [9; 12].into()).fingerprint();
        let mut overrun = honest.clone();
        overrun[22..24].fill(0xff);
        // The first that is ignored makes room for the counters.
        assert!(cost_of(&mut bench, &unsealed, ignored) <= 1);
        for garbage in [&unsealed, &flipped, &answer, &indication, &overrun] {
            assert_eq!(cost_of(&mut bench, garbage, ignored), 0);
        }
        let (now, stranger) = (bench.now, Path::udp(address(LOCAL), address("203.0.113.9:9")));
        let elsewhere = Path::udp(address("192.0.2.200:1"), address(REMOTE));
        let count = allocations(|| {
            for path in [stranger, elsewhere] {
                assert!(ignored(bench.agent.handle_datagram(now, path, &[0x80; 1_200])));
            }
        });
        assert_eq!(count, 0, "data from where nobody has authenticated");
    }
}

#[test]
fn an_agent_hands_up_data_without_an_allocation() {
    let data =
        |received: Received<'_>| matches!(received, Received::Data { payload, .. } if payload.len() == 1_200);
    for mut bench in [established(Role::Controlling), established(Role::Controlled), crowded()] {
        assert_eq!(cost_of(&mut bench, &[0x80; 1_200], data), 0);
    }
}

#[test]
fn an_authentic_check_on_an_established_pair_costs_its_answer_and_nothing_else() {
    for (name, mut bench) in [
        ("controlling", established(Role::Controlling)),
        ("controlled", established(Role::Controlled)),
        ("crowded", crowded()),
    ] {
        for round in 0..3 {
            // A controlling peer goes on saying that it has nominated the pair.
            let use_candidate = bench.agent.role() == Role::Controlled;
            let check = PeerCheck { use_candidate, ..bench.peer_check() }.encode();
            let count = cost_of(&mut bench, &check, |received| received == Received::Control);
            if round > 0 {
                assert_eq!(count, 1, "{name}");
            }
        }
    }
}

#[test]
fn a_timeout_before_the_deadline_costs_nothing() {
    for mut bench in [established(Role::Controlling), established(Role::Controlled), crowded()] {
        let now = bench.now;
        assert_eq!(allocations(|| bench.agent.handle_timeout(now)), 0);
    }
}

/// Two ends that reach each other by a relay alone, with a channel bound.
fn relayed() -> (World<Peer>, NodeId) {
    let mut world = World::new(1);
    let server = TurnServer::new("example.org").user("alice", "secret");
    let server = world.add_turn_server(NetworkId::PUBLIC, server);
    let server = world.address(server);
    let [alice, bob] = [Role::Controlling, Role::Controlled].map(|role| {
        let seed = world.seed_for(u64::from(role == Role::Controlling));
        let config = Config::new().relay_only(role == Role::Controlling);
        world.add_node(Nat::none(), move |_, now, addresses| {
            let mut peer = Peer::with_components(now, config, role, seed, 1);
            peer.agent_mut().add_server(now, Server::turn(server, "alice", "secret")).unwrap();
            assert!(peer.add_base(now, 1, addresses[0]));
            peer
        })
    });
    world.with(alice, |peer, now| peer.call(now, bob));
    world.with(bob, |peer, now| peer.call(now, alice));
    world.run_for(core::time::Duration::from_secs(5));
    (world, alice)
}

#[test]
fn data_by_way_of_a_relay_costs_no_allocation_in_either_direction() {
    let (mut world, alice) = relayed();
    let payload = [0x80; 1_200];
    world.with(alice, |peer, now| {
        let component = peer.stream().component(1);
        let mut out = Vec::with_capacity(2_048);
        let sent = allocations(|| {
            let route = peer.agent().route(component).unwrap();
            assert_eq!((route.overhead(), route.header(payload.len()).as_ref().len()), (7, 4));
            route.encode(&payload, &mut out);
        });
        // The same channel leads back.
        let path = peer.agent().route(component).unwrap().path();
        let received = allocations(|| {
            let received = peer.agent_mut().handle_datagram(now, path, &out);
            assert!(matches!(received, Received::Data { payload: data, .. } if data == payload));
        });
        assert_eq!((sent, received), (0, 0));
    });
}
