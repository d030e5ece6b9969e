//! Two families, several interfaces: which candidate comes first (RFC 8421).

mod harness;

use core::net::SocketAddr;
use core::time::Duration;
use floe::ice::{Candidate, CheckOrder, Role};
use floe::sim::{Host, NetworkId, Peer, Verdict, World};
use floe::{Agent, Base, Config, Event, Output, Path, Profile, Remote, Seed, StreamState, Timestamp};
use harness::{Bench, REMOTE, Sent, address, at, ms, typed};

const REMOTE_V6: &str = "[2001:db8:ffff::1]:2000";

/// The `n`th address of a family.
fn own(family: char, n: usize, port: u16) -> String {
    if family == '4' { format!("192.0.2.{n}:{port}") } else { format!("[2001:db8:0:{n}::1]:{port}") }
}

/// Bases of the families that `order` names, on one port, for one component.
fn add_bases(bench: &mut Bench, component: u16, order: &str) {
    for (n, family) in order.chars().enumerate() {
        bench.base_of(component, &own(family, n + 1, 1000 + component));
    }
}

/// The candidates handed over for signalling, by falling priority.
fn ranked(bench: &Bench) -> Vec<Candidate> {
    let candidates = bench.events.iter().filter_map(|(_, event)| match event {
        Event::LocalCandidate { candidate, .. } => Some(candidate.clone()),
        _ => None,
    });
    let mut candidates: Vec<Candidate> = candidates.collect();
    candidates.sort_by_key(|candidate| core::cmp::Reverse(candidate.priority()));
    candidates
}

fn families(candidates: &[Candidate]) -> String {
    candidates.iter().map(|it| if it.ip().unwrap().is_ipv4() { '4' } else { '6' }).collect()
}

/// An agent with bases in this order and a peer with an address of each family, as such a peer ranks them.
fn dual_stack(order: &str) -> Bench {
    let config = Config::new().consent(false).check_order(CheckOrder::Priority);
    let mut bench = Bench::bare(config, Role::Controlling);
    add_bases(&mut bench, 1, order);
    bench.remote();
    bench.trickle(typed("1", "host", 2_130_706_431, REMOTE_V6));
    bench.trickle(typed("2", "host", 2_130_706_431 - ((4 * 64) << 8), REMOTE));
    bench
}

/// Proves: rfc8421-4-1, rfc8421-4-2, rfc8445-5.1.2.2-3
#[test]
fn ipv4_follows_four_of_ipv6_in_what_is_signalled() {
    for order in ["66666644", "64646666"] {
        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        add_bases(&mut bench, 1, order);
        assert_eq!(families(&ranked(&bench)), "66664664", "{order}");
    }
}

/// Proves: rfc8421-5-1, rfc8421-5-4
#[test]
fn local_preferences_are_distinct_within_a_component_and_alike_across_components() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    add_bases(&mut bench, 1, "66666644");
    add_bases(&mut bench, 2, "66666644");
    let all = ranked(&bench);
    assert_eq!(all.len(), 16);
    for pair in all.chunks(2) {
        assert_eq!(pair[0].priority().get() - pair[1].priority().get(), 1, "{pair:?}");
        assert_eq!(pair[0].ip().unwrap().ip(), pair[1].ip().unwrap().ip());
    }
    let mut preferences: Vec<u16> = all.iter().map(|it| it.priority().local_preference()).collect();
    preferences.dedup();
    assert_eq!(preferences.len(), 8);
}

/// Scenario: S-61
/// Proves: rfc8421-5-3
#[test]
fn an_interface_that_appears_gets_a_preference_of_its_own_and_changes_no_other() {
    let mut bench = dual_stack("66644");
    let before: Vec<Candidate> = ranked(&bench);
    bench.run_until(at(120));
    let pairs = bench.agent.pairs(bench.stream).count();
    bench.base("[2001:db8:0:9::1]:1001");
    bench.base("192.0.2.99:1001");
    let after = ranked(&bench);
    assert!(before.iter().all(|old| after.contains(old)), "{after:?}");
    let mut preferences: Vec<u16> = after.iter().map(|it| it.priority().local_preference()).collect();
    preferences.dedup();
    assert_eq!(preferences.len(), 7);
    assert_eq!(families(&after), "6666444");
    assert_eq!(bench.agent.pairs(bench.stream).count(), pairs + 2, "one peer address for each");
}

/// Scenario: S-60
/// Proves: rfc8421-4-1
#[test]
fn a_broken_ipv6_costs_four_checks_and_not_their_timeouts() {
    let mut bench = dual_stack("66666644");
    bench.run_answering(at(3_000), |check: &Sent| check.path.remote().is_ipv4().then_some(ms(10)));
    let first = bench.checks().iter().position(|check| check.path.remote().is_ipv4());
    assert_eq!(first, Some(4));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    assert_eq!(bench.selections(), [address(REMOTE)]);
    let completed = bench.events.iter().find(|(_, event)| matches!(event, Event::Selected { .. }));
    assert!(completed.unwrap().0 < at(1_000));
}

/// The same two interfaces reach each other by either family, and IPv6 is taken. Ten seconds later it swallows everything: IPv4
/// was not given up for it, and takes over, whether pairs are kept beside the selected one or formed again.
///
/// Proves: renom-v1-1
/// Lesson: L-46
#[test]
fn ipv4_is_still_there_when_an_ipv6_that_was_selected_goes_dark() {
    for (seed, profile) in (1..5).flat_map(|seed| [(seed, Profile::Webrtc), (seed, Profile::Mobile)]) {
        let mut world = World::new(seed);
        let host = |n: u8| {
            let host = Host::new().address(NetworkId::PUBLIC, address(&format!("[2001:db8::{n}]:4000")));
            host.address(NetworkId::PUBLIC, address(&format!("198.51.100.{n}:4000")))
        };
        let ids = [(Role::Controlling, 1), (Role::Controlled, 2)].map(|(role, n)| {
            let (seed, config) = (world.seed_for(u64::from(n)), Config::new().profile(profile));
            world.add_node(host(n), |_, now, addresses| Peer::new(now, config, role, seed, addresses))
        });
        for (this, other) in [(0, 1), (1, 0)] {
            world.with(ids[this], |peer, now| peer.call(now, ids[other]));
        }
        let on = |world: &World<Peer>, ipv6: bool| {
            let selected = ids.map(|id| world.node(id).selected(1));
            selected.iter().all(|path| path.is_some_and(|path| path.remote().is_ipv6() == ipv6))
        };
        world.run_for(Duration::from_secs(10));
        assert!(on(&world, true), "IPv6 comes first");
        world.filter(|datagram| match datagram.source {
            SocketAddr::V4(_) => Verdict::Deliver,
            SocketAddr::V6(_) => Verdict::Drop,
        });
        // To the next consent check, until its answer is overdue, and the time before a move.
        let limit = ms(6_000 + 2_500 + 1_000 + 100);
        assert!(world.run_until(limit, |world| on(world, false)).is_ok(), "{profile:?}, seed {seed}");
        for (from, to) in [(0, 1), (1, 0)] {
            assert!(world.with(ids[from], |peer, _| peer.send(1, b"data")));
            world.run_for(ms(200));
            assert_eq!(world.node(ids[to]).received().len(), 1);
        }
    }
}

/// Proves: rfc8421-4-4
#[test]
fn checks_leave_in_the_order_of_the_pair_priorities() {
    let mut bench = dual_stack("66666644");
    let listed: Vec<Path> = bench.agent.pairs(bench.stream).map(|pair| pair.path()).collect();
    let priorities: Vec<_> = bench.agent.pairs(bench.stream).map(|pair| pair.priority()).collect();
    assert!(priorities.is_sorted_by(|higher, lower| higher > lower));
    bench.run_until(at(450));
    let checked: Vec<Path> = bench.checks().iter().map(|check| check.path).collect();
    assert_eq!(checked, listed);
}

/// Proves: rfc8421-5-2
#[test]
fn agents_that_rank_their_addresses_differently_order_their_pairs_alike() {
    let agents = [("66644", Role::Controlling, 1), ("46466", Role::Controlled, 2)];
    let mut agents = agents.map(|(order, role, side)| {
        let mut agent = Agent::new(Config::new(), role, Seed::from([side; 32]));
        let stream = agent.add_stream(1).unwrap();
        let mut candidates = Vec::new();
        for (n, family) in order.chars().enumerate() {
            let local = address(&own(family, n + 10 * usize::from(side), 1000));
            agent.add_base(Timestamp::ZERO, stream.component(1), Base::udp(local)).unwrap();
        }
        while let Some(output) = agent.poll_output() {
            if let Output::Event(Event::LocalCandidate { candidate, .. }) = output {
                candidates.push(candidate);
            }
        }
        let credentials = agent.local_credentials(stream).unwrap().clone();
        (agent, stream, Remote::new(credentials).candidates(candidates))
    });
    let remotes = [agents[1].2.clone(), agents[0].2.clone()];
    let [ours, theirs] = [0, 1].map(|side| {
        let (agent, stream, _) = &mut agents[side];
        agent.set_remote(Timestamp::ZERO, *stream, remotes[side].clone()).unwrap();
        let paths = agent.pairs(*stream).map(|pair| pair.path());
        paths.map(|path| (path.local(), path.remote())).collect::<Vec<(SocketAddr, SocketAddr)>>()
    });
    assert_eq!(ours.len(), 13);
    assert_eq!(ours, theirs.into_iter().map(|(local, remote)| (remote, local)).collect::<Vec<_>>());
}

/// Proves: rfc8421-3-1, rfc8421-3-2
#[test]
fn a_costly_network_comes_last_and_says_what_it_is() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    let cellular = Base::udp(address("[2001:db8:0:7::1]:1000")).network(3, 900);
    let wired = Base::udp(address("[2001:db8:0:8::1]:1000")).network(1, 0);
    for base in [cellular, wired, Base::udp(address("192.0.2.1:1000"))] {
        bench.agent.add_base(bench.now, bench.component(), base).unwrap();
    }
    bench.drain();
    let ranked = ranked(&bench);
    let ports: Vec<String> = ranked.iter().map(|it| it.ip().unwrap().ip().to_string()).collect();
    assert_eq!(ports, ["2001:db8:0:8::1", "192.0.2.1", "2001:db8:0:7::1"]);
    let extensions = |n: usize| ["network-id", "network-cost"].map(|name| ranked[n].extension(name));
    assert_eq!([0, 1, 2].map(extensions), [[Some("1"), None], [None, None], [Some("3"), Some("900")]]);
}
