//! Our own candidates: of which addresses, with which foundations and priorities, and how they go (RFC 8445 section
//! 5.1).

mod harness;

use core::net::SocketAddr;
use std::collections::BTreeSet;

use floe::ice::{AddressError, Candidate, CandidateKind, Nomination, Role};
use floe::{Base, Config, Error, Event, Ignored, Server, StreamState};
use harness::{Bench, Fed, PeerCheck, address, at, host, ms};

const SERVER: &str = "203.0.113.1:3478";
const OTHER_SERVER: &str = "203.0.113.2:3478";

fn add_server(bench: &mut Bench, server: &str) {
    bench.agent.add_server(bench.now, Server::stun(address(server))).unwrap();
}

fn add_base(bench: &mut Bench, base: Base) -> Result<(), Error> {
    let added = bench.agent.add_base(bench.now, bench.stream.component(1), base).map(drop);
    bench.drain();
    added
}

/// Every server answers every question with the address that `mapped` makes of it.
fn serve_all(bench: &mut Bench, mapped: impl Fn(SocketAddr, SocketAddr) -> String) {
    bench.run_for(ms(2_000));
    for question in bench.questions() {
        let mapped = mapped(question.path.local(), question.path.remote());
        assert_eq!(bench.serve(&question, &mapped), Fed::Control);
    }
}

fn addresses(candidates: &[Candidate]) -> Vec<SocketAddr> {
    candidates.iter().map(|it| it.ip().unwrap()).collect()
}

fn local_preference(candidate: &Candidate) -> u32 {
    (candidate.priority().get() >> 8) & 0xffff
}

/// Proves: rfc8445-5.1.1.1-1, rfc8445-5.1.1.1-2, rfc8445-5.1.1.1-10
#[test]
fn every_address_is_a_host_candidate_of_every_component() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    for (component, port) in [(1, 1_000), (2, 1_001)] {
        for host in 1..=3 {
            bench.base_of(component, &format!("192.0.2.{host}:{port}"));
        }
    }
    let announced = bench.announced();
    let of = |number: u16| announced.iter().filter(move |it| it.component() == number).count();
    assert_eq!((announced.len(), of(1), of(2)), (6, 3, 3));
    assert!(announced.iter().all(|it| it.kind() == CandidateKind::Host));
}

/// Proves: rfc8445-5.1.1.1-3, rfc8445-5.1.2.1-5
#[test]
fn components_are_counted_from_one_without_gaps() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    for number in [0, 3, 256, 257, u16::MAX] {
        let component = bench.stream.component(number);
        let base = Base::udp(address(harness::LOCAL));
        assert_eq!(bench.agent.add_base(bench.now, component, base), Err(Error::UnknownComponent));
    }
    bench.drain();
    assert!(bench.announced().is_empty());
}

/// Proves: rfc8445-5.1.1.1-4
#[test]
fn a_component_that_is_dropped_is_neither_checked_nor_waited_for() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    bench.base_of(1, "192.0.2.1:1000");
    bench.base_of(2, "192.0.2.1:1001");
    bench.agent.remove_component(bench.now, bench.stream.component(2)).unwrap();
    bench.remote();
    bench.trickle(host("1", 1, "198.51.100.1:2000"));
    let refused =
        bench.agent.add_remote_candidate(bench.now, bench.stream, host("1", 2, "198.51.100.1:2001"));
    assert_eq!(refused, Err(Error::CandidateComponent));
    bench.end_of_candidates();
    bench.run_answering(at(2_000), |_| Some(ms(10)));
    assert_eq!(bench.states().last(), Some(&StreamState::Completed));
    assert!(bench.sent.iter().all(|(_, transmit)| transmit.path.local() == address("192.0.2.1:1000")));
}

/// Proves: rfc8445-5.1.1.1-5
#[test]
fn a_loopback_address_needs_permission() {
    for loopback in ["127.0.0.1:1000", "127.9.9.9:1000", "[::1]:1000"] {
        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        assert_eq!(add_base(&mut bench, Base::udp(address(loopback))), Err(Error::Loopback));
        assert!(bench.announced().is_empty());
        let mut bench = Bench::bare(Config::new().loopback(true), Role::Controlling);
        assert_eq!(add_base(&mut bench, Base::udp(address(loopback))), Ok(()));
        assert_eq!(addresses(&bench.announced()), [address(loopback)]);
    }
}

/// Proves: rfc8445-5.1.1.1-6
#[test]
fn deprecated_ipv6_addresses_are_refused() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    for deprecated in ["[::192.0.2.1]:1000", "[fec0::1]:1000"] {
        let refused = Err(Error::Address(AddressError::Deprecated));
        assert_eq!(add_base(&mut bench, Base::udp(address(deprecated))), refused);
    }
    assert!(bench.announced().is_empty());
}

/// Proves: rfc8445-5.1.1.1-7
#[test]
fn an_ipv4_mapped_address_is_no_ipv6_candidate() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    assert_eq!(add_base(&mut bench, Base::udp(address("[::ffff:192.0.2.1]:1000"))), Ok(()));
    assert_eq!(addresses(&bench.announced()), [address("192.0.2.1:1000")]);
}

/// Proves: rfc8445-5.1.1.1-8, rfc8445-5.1.1.1-9
#[test]
fn a_temporary_address_hides_what_would_betray_it_in_any_order() {
    let temporary = || Base::udp(address("[2001:db8::aaaa]:1000")).temporary();
    for other in ["[2001:db8::1]:1000", "[fe80::1%3]:1000"] {
        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        assert_eq!(add_base(&mut bench, temporary()), Ok(()));
        assert_eq!(add_base(&mut bench, Base::udp(address(other))), Err(Error::Trackable));
        assert_eq!(addresses(&bench.announced()), [address("[2001:db8::aaaa]:1000")]);

        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        assert_eq!(add_base(&mut bench, Base::udp(address(other))), Ok(()));
        assert_eq!(add_base(&mut bench, temporary()), Ok(()));
        let left: Vec<_> =
            bench.agent.local_candidates(bench.stream).map(|(_, it)| it.ip().unwrap()).collect();
        assert_eq!(left, [address("[2001:db8::aaaa]:1000")]);
        assert!(bench.saw(|event| matches!(event, Event::LocalCandidateRemoved { .. })));
    }
    // Another prefix, and IPv4, give nothing away.
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    assert_eq!(add_base(&mut bench, temporary()), Ok(()));
    assert_eq!(add_base(&mut bench, Base::udp(address("[2001:db8:0:1::1]:1000"))), Ok(()));
    assert_eq!(add_base(&mut bench, Base::udp(address("192.0.2.1:1000"))), Ok(()));
}

/// Proves: rfc8445-5.1.1.3-1, rfc8445-5.1.1.3-2, rfc8445-5.1.1.3-3
#[test]
fn foundations_are_equal_where_type_base_and_server_are() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    // Two ports of one server, and another server that has a name.
    let servers = ["203.0.113.1:3478", "203.0.113.1:3479", OTHER_SERVER];
    let bases = [(1, "192.0.2.1:1000"), (2, "192.0.2.1:1001"), (1, "192.0.2.2:1000")];
    for server in servers {
        let server = Server::stun(address(server)).named(server);
        bench.agent.add_server(bench.now, server).unwrap();
    }
    for (component, local) in bases {
        bench.base_of(component, local);
    }
    // The mapped port says who asked whom.
    serve_all(&mut bench, |local, server| {
        let base = bases.iter().position(|(_, base)| address(base) == local).unwrap();
        let server = servers.iter().position(|it| address(it) == server).unwrap();
        format!("198.51.100.9:{}", 3_000 + 10 * base + server)
    });
    let announced = bench.announced();
    assert_eq!(announced.len(), 3 + 9);
    let key = |it: &Candidate| {
        let server = (it.kind() == CandidateKind::ServerReflexive)
            .then(|| address(servers[usize::from(it.ip().unwrap().port() % 10)]).ip());
        (it.kind(), it.related().or_else(|| it.ip()).unwrap().ip(), server)
    };
    for one in &announced {
        for other in &announced {
            assert_eq!(key(one) == key(other), one.foundation() == other.foundation(), "{one:?} {other:?}");
        }
    }
}

/// Proves: rfc8445-5.1.1.4-3
#[test]
fn a_lost_address_takes_its_candidates_pairs_and_route_with_it() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    let lost = bench.base("192.0.2.1:1000");
    bench.base("192.0.2.2:1000");
    bench.remote();
    bench.trickle(host("1", 1, harness::REMOTE));
    bench.run_answering(at(1_000), |_| Some(ms(10)));
    let component = bench.component();
    assert_eq!(bench.agent.route(component).unwrap().path().local(), address("192.0.2.1:1000"));
    let (removed, sent) = (bench.agent.local_candidates(bench.stream).next().unwrap().0, bench.sent.len());
    let events = bench.events.len();
    bench.agent.remove_base(bench.now, lost).unwrap();
    bench.drain();
    let after = &bench.events[events..];
    assert!(
        after.iter().any(|(_, it)| matches!(it, Event::LocalCandidateRemoved { id, .. } if *id == removed))
    );
    assert!(after.iter().any(|(_, it)| matches!(it, Event::Route { .. })));
    let by_lost = |path: floe::Path| path.local() == address("192.0.2.1:1000");
    assert!(bench.agent.route(component).is_none_or(|route| !by_lost(route.path())));
    assert!(bench.agent.pairs(bench.stream).all(|pair| !by_lost(pair.path())));
    bench.run_for(ms(60_000));
    assert!(bench.sent[sent..].iter().all(|(_, transmit)| !by_lost(transmit.path)));
}

/// Proves: rfc8445-5.1.1.4-4
#[test]
fn an_address_that_comes_up_later_is_announced_and_paired() {
    let mut bench = Bench::new(Role::Controlling);
    bench.run_until(at(5_000));
    bench.base("192.0.2.77:1000");
    assert_eq!(addresses(&bench.announced()), [address(harness::LOCAL), address("192.0.2.77:1000")]);
    let check = bench.next_check();
    assert_eq!(check.path.local(), address("192.0.2.77:1000"));
    assert_eq!(check.path.remote(), address(harness::REMOTE));
}

/// Proves: rfc8445-5.1.2-1, rfc8445-5.1.2.1-3, rfc8445-5.1.2.2-1
#[test]
fn no_two_candidates_of_a_stream_have_the_same_priority() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    for component in [1, 2] {
        for base in 1..=8 {
            bench.base_of(component, &format!("192.0.2.{base}:{}", 1_000 + component));
        }
    }
    add_server(&mut bench, SERVER);
    add_server(&mut bench, OTHER_SERVER);
    bench.run_for(ms(10));
    let mut served = 0;
    while let Some(question) = bench.questions().get(served).cloned() {
        served += 1;
        let mapped = format!("198.51.100.9:{}", 3_000 + served);
        assert_eq!(bench.serve(&question, &mapped), Fed::Control);
        bench.run_for(ms(50));
    }
    let announced = bench.announced();
    assert_eq!(announced.len(), 16 + 32);
    let priorities: BTreeSet<u32> = announced.iter().map(|it| it.priority().get()).collect();
    assert_eq!(priorities.len(), announced.len());
    assert!(priorities.iter().all(|it| (1..=0x7fff_ffff).contains(it)));
    let preferences: BTreeSet<(u16, CandidateKind, u32)> =
        announced.iter().map(|it| (it.component(), it.kind(), local_preference(it))).collect();
    assert_eq!(preferences.len(), announced.len());
    for candidate in &announced {
        let expected = if candidate.kind() == CandidateKind::Host { 126 } else { 100 };
        assert_eq!(candidate.priority().get() >> 24, expected);
    }
}

/// Proves: rfc8445-5.1.2.1-3
#[test]
fn a_server_that_takes_the_place_of_another_does_not_take_its_preference() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(harness::LOCAL);
    let first = bench.agent.add_server(bench.now, Server::stun(address(SERVER))).unwrap();
    add_server(&mut bench, OTHER_SERVER);
    bench.run_for(ms(100));
    for (question, mapped) in bench.questions().iter().zip(["198.51.100.9:1", "198.51.100.9:2"]) {
        assert_eq!(bench.serve(question, mapped), Fed::Control);
    }
    bench.agent.remove_server(bench.now, first).unwrap();
    add_server(&mut bench, "203.0.113.3:3478");
    bench.run_for(ms(100));
    let question = bench.questions()[2].clone();
    assert_eq!(bench.serve(&question, "198.51.100.9:3"), Fed::Control);
    let reflexive: BTreeSet<u32> = bench.announced()[1..].iter().map(local_preference).collect();
    assert_eq!(reflexive.len(), 3);
}

/// Proves: rfc8445-5.1.2.1-4, rfc8445-5.1.2-3
#[test]
fn the_only_address_has_the_highest_local_preference() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(harness::LOCAL);
    add_server(&mut bench, SERVER);
    serve_all(&mut bench, |_, _| "198.51.100.9:7000".into());
    let priorities: Vec<u32> = bench.announced().iter().map(|it| it.priority().get()).collect();
    assert_eq!(priorities, [2_130_706_431, 1_694_498_815]);
}

/// Proves: rfc8445-5.1.3-1
#[test]
fn a_public_host_has_no_reflexive_candidate() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(harness::LOCAL);
    add_server(&mut bench, SERVER);
    serve_all(&mut bench, |local, _| local.to_string());
    let announced = bench.announced();
    assert_eq!(announced.len(), 1);
    assert_eq!(announced[0].kind(), CandidateKind::Host);
}

/// Proves: rfc8445-5.1.3-1, rfc8445-5.1.3-2
/// Scenario: S-04
#[test]
fn an_address_that_is_seen_of_another_base_is_a_candidate_of_its_own() {
    let (public, private) = ("10.0.1.100:2498", "192.168.1.100:3344");
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(public);
    bench.base(private);
    add_server(&mut bench, SERVER);
    // Appendix B.2: the other interface's NAT leads to the address of this one.
    serve_all(&mut bench, |_, _| public.into());
    let announced = bench.announced();
    assert_eq!(addresses(&announced), [address(public), address(private), address(public)]);
    assert_eq!(announced[2].kind(), CandidateKind::ServerReflexive);
    assert_eq!(announced[2].related(), Some(address(private)));
    bench.remote();
    bench.trickle(host("1", 1, "10.0.1.101:2000"));
    bench.end_of_candidates();
    let direct = |check: &harness::Sent| (check.path.local() == address(public)).then_some(ms(10));
    bench.run_answering(at(10_000), direct);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    assert_eq!(bench.agent.route(bench.component()).unwrap().path().local(), address(public));
}

/// Proves: rfc8445-5.1.3-3
#[test]
fn two_servers_that_show_the_same_address_make_one_candidate() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(harness::LOCAL);
    add_server(&mut bench, SERVER);
    add_server(&mut bench, OTHER_SERVER);
    serve_all(&mut bench, |_, _| "198.51.100.9:7000".into());
    assert_eq!(addresses(&bench.announced()), [address(harness::LOCAL), address("198.51.100.9:7000")]);
}

/// Pairs are made with the base, so the reflexive candidate makes none of its own; the peer needs it all the same.
///
///
/// Proves: rfc8838-9-2, rfc8838-10-4
/// Lesson: L-38
#[test]
fn a_reflexive_candidate_that_is_redundant_for_pairing_is_signalled() {
    let mut bench = Bench::new(Role::Controlling);
    add_server(&mut bench, SERVER);
    serve_all(&mut bench, |_, _| "198.51.100.9:7000".into());
    let both = [address(harness::LOCAL), address("198.51.100.9:7000")];
    assert_eq!(addresses(&bench.announced()), both);
    assert_eq!(bench.pair_states().len(), 1);
    // It is the next generation's as well.
    bench.agent.restart(bench.now, bench.stream).unwrap();
    bench.run_for(ms(2_000));
    let asked = bench.questions().pop().unwrap();
    assert_eq!(bench.serve(&asked, "198.51.100.9:7000"), Fed::Control);
    let again = bench.announced().split_off(2);
    assert_eq!(addresses(&again), both);
    let own = bench.agent.local_credentials(bench.stream).unwrap().ufrag();
    assert!(again.iter().all(|candidate| candidate.ufrag() == Some(own)));
}

/// Lesson: L-40
#[test]
fn the_zone_of_an_address_is_not_signalled() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base("[fe80::1%7]:1000");
    let candidate = &bench.announced()[0];
    assert_eq!(candidate.ip(), Some(address("[fe80::1]:1000")));
    assert!(!floe::sdp::CandidateLine(candidate).to_string().contains('%'));
}

/// Proves: rfc8445-5.3-3
#[test]
fn checks_are_answered_before_the_peer_is_known() {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    bench.base(harness::LOCAL);
    assert_eq!(bench.peer_checks(false), Fed::Control);
    let answer = bench.last_answer().unwrap();
    assert_eq!(answer.class, floe::stun::Class::Success);
    assert_eq!(answer.mapped, Some(address(harness::REMOTE)));
}

/// Proves: rfc8445-5.4-1
#[test]
fn a_stream_without_ice_ends_and_the_others_go_on() {
    let mut bench = Bench::new(Role::Controlling);
    let other = bench.agent.add_stream(1).unwrap();
    bench.agent.add_base(bench.now, other.component(1), Base::udp(address("192.0.2.1:1001"))).unwrap();
    bench.agent.close_stream(bench.now, other).unwrap();
    bench.end_of_candidates();
    bench.run_answering(at(2_000), |_| Some(ms(10)));
    assert_eq!(bench.agent.state(other), Some(StreamState::Closed));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    assert!(bench.sent.iter().all(|(_, transmit)| transmit.path.local() == address(harness::LOCAL)));
}

/// Proves: rfc8445-B.4-1
#[test]
fn a_check_for_somebody_else_at_this_address_leads_to_nothing() {
    let mut bench = Bench::new(Role::Controlled);
    let check = bench.peer_check();
    let stray = PeerCheck { username: Some(format!("elsewhere:{}", harness::REMOTE_UFRAG)), ..check };
    let (from, pairs) = ("198.51.100.77:4000", bench.pair_states());
    assert_eq!(bench.feed_on(harness::LOCAL, from, &stray.encode()), Fed::Ignored(Ignored::Unauthenticated));
    assert_eq!(bench.last_answer().and_then(|it| it.error), Some(401));
    assert_eq!(bench.pair_states(), pairs);
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 1);
    assert!(matches!(bench.feed_on(harness::LOCAL, from, b"\x80data"), Fed::Ignored(_)));
}

#[test]
fn addresses_that_the_peer_has_seen_take_no_place_from_sockets() {
    let config = Config::new().consent(false).nomination(Nomination::Manual);
    let mut bench = Bench::with(config, Role::Controlling);
    for n in 0..63_u16 {
        bench.trickle(host(&format!("f{n}"), 1, &format!("198.51.100.{}:3000", n + 2)));
    }
    for n in 0..64_u16 {
        let check = bench.next_check();
        let answer = bench.success(&check, address(&format!("203.0.113.{n}:4000")));
        bench.feed_path(check.path, &answer);
    }
    assert_eq!(bench.agent.local_candidates(bench.stream).count(), 17);
    bench.base("192.0.2.2:1000");
}
