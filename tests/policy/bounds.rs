//! How soon a session connects under the default profile.

use floe::ice::{CheckOrder, Role};
use floe::sim::{Host, Link, NetworkId, Verdict, World};
use floe::{Config, Event, StreamState, Timestamp};

use crate::harness::{Bench, Fed, at, typed};
use crate::session::{Session, address, controlled, controlling, ms};

const TA: u64 = 50;

/// Two public hosts with so many addresses each, `rtt` milliseconds apart.
fn apart(rtt: u64, addresses: usize) -> Session {
    apart_with(&Config::new(), rtt, addresses)
}

fn apart_with(config: &Config, rtt: u64, addresses: usize) -> Session {
    let host = |net: u8| {
        let address = |n| address(&format!("198.51.{net}.{}:4000", n + 1));
        (0..addresses).fold(Host::new(), |host, n| host.address(NetworkId::PUBLIC, address(n)))
    };
    let [alice, bob] = [controlling(host(100)), controlled(host(101))].map(|end| end.config(config.clone()));
    let mut session = Session::new(World::new(rtt), alice, bob);
    for id in session.ends() {
        session.world.set_link(id, Link::new(ms(rtt) / 4));
    }
    session
}

/// When both ends could send, and when both had selected.
fn milestones(session: &mut Session) -> [Timestamp; 2] {
    session.exchange();
    session.world.run_for(ms(30_000));
    assert_eq!(session.states(), [StreamState::Completed; 2]);
    session.assert_mirrored(1);
    let wanted: [fn(&Event) -> bool; 2] =
        [|event| matches!(event, Event::Route { .. }), |event| matches!(event, Event::Selected { .. })];
    wanted.map(|wanted| session.ends().map(|id| session.when(id, wanted).unwrap()).into_iter().max().unwrap())
}

#[test]
fn when_the_best_pair_works_data_flows_after_one_round_trip_and_it_is_nominated_after_two_and_a_slot() {
    for rtt in [4, 20, 48, 100, 300] {
        for addresses in [1, 2, 5] {
            let [data, nominated] = milestones(&mut apart(rtt, addresses));
            assert_eq!(data, at(rtt), "{addresses} addresses");
            assert!(nominated <= at(2 * rtt + TA), "{nominated:?} with {addresses} addresses, {rtt} ms");
        }
    }
}

/// Ten addresses each, of which only the last two reach each other: when data flows, and when the pair is nominated.
fn last_of_a_hundred(rtt: u64, ta: u64, order: CheckOrder) -> [Timestamp; 2] {
    let config = Config::new().pacing(ms(ta)).check_order(order);
    let mut session = apart_with(&config, rtt, 10);
    session.end_bases();
    let stream = session.world.node(session.bob).stream();
    session.describe(session.bob, stream);
    let pairs: Vec<_> =
        session.world.node(session.bob).agent().pairs(stream).map(|pair| pair.path()).collect();
    assert_eq!(pairs.len(), 100);
    let last = *pairs.last().unwrap();
    let ends = [last.local(), last.remote()];
    session.world.filter(move |datagram| {
        let passes = ends.contains(&datagram.source) && ends.contains(&datagram.path.remote());
        if passes { Verdict::Deliver } else { Verdict::Drop }
    });
    let milestones = milestones(&mut session);
    assert_eq!(session.selected(session.bob, 1).unwrap().local, last.local());
    milestones
}

/// The hundredth check leaves at 99 Ta. The pair before it has been checked one Ta sooner, and has three round trips to
/// answer, but no more than 500 ms after the last one has; no other one of the 99 has as much time left.
#[test]
fn when_only_the_last_of_a_hundred_pairs_works_it_takes_no_longer_than_pacing_demands() {
    for (rtt, ta) in [(4, TA), (100, TA), (300, TA), (10, 5)] {
        let [data, nominated] = last_of_a_hundred(rtt, ta, CheckOrder::Priority);
        assert_eq!(data, at(99 * ta + rtt));
        let given_up = (98 * ta + 3 * rtt).min(99 * ta + rtt + 500);
        assert_eq!(nominated, at((99 * ta + rtt).max(given_up).max(100 * ta) + rtt), "{rtt} ms");
        assert!(nominated <= at(100 * ta + 4 * rtt));
    }
}

/// Coverage comes to the last pair in the tenth slot. Data flows on it while better ones are checked, for half a second at
/// most; with a short Ta that is enough for all of them.
#[test]
fn coverage_comes_to_the_last_of_a_hundred_pairs_in_the_tenth_slot() {
    for (rtt, ta) in [(4, TA), (300, TA), (10, 5)] {
        let [data, nominated] = last_of_a_hundred(rtt, ta, CheckOrder::Coverage);
        assert_eq!(data, at(9 * ta + rtt));
        assert!(nominated <= at(9 * ta + 2 * rtt + 500 + ta), "{nominated:?} with {rtt} ms and Ta {ta}");
        assert!(nominated <= at(100 * ta + 4 * rtt), "{nominated:?} with {rtt} ms and Ta {ta}");
    }
}

/// Five interfaces, five host candidates, none of which answers, and a relay 100 ms away: it carries data while the other pairs of
/// the hosts have their chance.
///
/// Proves: rfc8445-8.1.1-6
/// Lesson: R-14
#[test]
fn a_relay_behind_many_dead_pairs_is_nominated_once_their_time_is_up() {
    let relay = "203.0.113.50:5000";
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    for n in 1..=5 {
        bench.base(&format!("192.0.2.{n}:1000"));
    }
    bench.remote();
    for n in 1..=5 {
        bench.trickle(typed(&n.to_string(), "host", 2_000_000_000 + n, &format!("198.51.100.{n}:2000")));
    }
    bench.trickle(typed("6", "relay", 100, relay));
    bench.end_of_candidates();
    bench.run_answering(at(3_000), |check| (check.path.remote() == address(relay)).then_some(ms(100)));
    let checks = bench.checks();
    let first = checks.iter().find(|check| check.path.remote() == address(relay)).unwrap().at;
    assert_eq!(first, at(5 * TA), "once every base and every host of the peer has been tried");
    let nominated = checks.iter().find(|check| check.use_candidate).unwrap().at;
    assert!(
        nominated <= at(24 * TA + 500 + 300) + ms(TA),
        "{nominated:?}: three round trips after the check of the last host pair was repeated"
    );
    assert_eq!(bench.selections(), [address(relay)]);
}

/// One base of ours; the peer has its mapped address and its relay, and no more.
fn controlling_with_a_direct_path_and_a_relay(direct: &str, relay: &str) -> Bench {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base("192.0.2.1:1000");
    bench.remote();
    bench.trickle(typed("1", "srflx", 1_694_498_815, direct));
    bench.trickle(typed("2", "relay", 100, relay));
    bench.end_of_candidates();
    bench
}

/// The first check of the direct path is lost at the peer's filter, which the peer's own check has yet to open; half a second
/// later the next one gets through, and is waited for.
#[test]
fn a_direct_path_gets_the_time_of_one_repetition_before_a_relay_is_nominated() {
    let (direct, relay) = ("198.51.100.1:2000", "203.0.113.50:5000");
    let mut bench = controlling_with_a_direct_path_and_a_relay(direct, relay);
    bench.run_answering(at(3_000), |check| {
        (check.path.remote() == address(relay) || check.at >= at(500)).then_some(ms(20))
    });
    assert_eq!(bench.selections(), [address(direct)]);
}

/// The peer hears of us two seconds after we have heard of it, and its first check comes by its relay: that nothing has come by
/// the direct path until then says nothing about that path.
#[test]
fn a_peer_that_hears_of_us_late_is_waited_for_on_the_direct_path_although_its_relay_works_first() {
    let (direct, relay) = ("198.51.100.1:2000", "203.0.113.50:5000");
    let mut bench = controlling_with_a_direct_path_and_a_relay(direct, relay);
    bench.run_answering(at(2_000), |_| None);
    for (from, until) in [(relay, 2_100), (direct, 3_000)] {
        let check = bench.peer_check();
        assert_eq!(bench.feed_on("192.0.2.1:1000", from, &check.encode()), Fed::Control);
        bench.run_answering(at(until), |check| (check.at >= at(2_000)).then_some(ms(20)));
    }
    assert_eq!(bench.selections(), [address(direct)]);
}

/// Proves: rfc8863-4-7
/// Lesson: R-47
#[test]
fn a_relay_that_is_all_there_is_is_nominated_upon_its_first_success() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base("192.0.2.1:1000");
    bench.remote();
    bench.trickle(typed("1", "relay", 100, "203.0.113.50:5000"));
    bench.end_of_candidates();
    bench.run_answering(at(3_000), |_| Some(ms(80)));
    let nominating = bench.checks().into_iter().find(|check| check.use_candidate).unwrap();
    assert_eq!(nominating.at, at(80));
}

/// Proves: rfc8445-8.1.1-6, rfc8445-12.1-1
/// Lesson: L-17
#[test]
fn a_direct_pair_that_takes_six_times_as_long_as_the_relay_is_waited_for_while_the_relay_carries_data() {
    let (relay, direct) = ("203.0.113.50:5000", "198.51.100.1:2000");
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base("192.0.2.1:1000");
    bench.remote();
    bench.trickle(typed("1", "host", 2_000_000_000, direct));
    bench.trickle(typed("2", "relay", 100, relay));
    bench.end_of_candidates();
    let delay = |check: &crate::harness::Sent| {
        Some(if check.path.remote() == address(relay) { ms(20) } else { ms(120) })
    };
    bench.run_answering(at(TA + 20), delay);
    assert_eq!(
        bench.agent.route(bench.component()).unwrap().path().remote(),
        address(relay),
        "one slot and 20 ms"
    );
    bench.run_answering(at(3_000), delay);
    assert_eq!(bench.selections(), [address(direct)]);
}
