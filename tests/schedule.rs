//! Which check leaves when: initial states, turns, triggered checks, Ta and RTO (RFC 8445 sections 6.1.2.6, 6.1.4 and
//! 14).

mod harness;

use std::collections::BTreeSet;

use floe::ice::{PairState, Role, StreamId};
use floe::stun::{ErrorCode, Rto};
use floe::{Base, CheckRto, Config, Remote, Server, Timestamp};
use harness::{Bench, Fed, LOCAL, REMOTE, Sent, address, at, host, manual, ms, remote_credentials, typed};

/// An agent that knows its peer and this many of its candidates, each with a foundation of its own.
fn with_pairs(config: Config, count: u32) -> Bench {
    let mut bench = Bench::bare(config, Role::Controlling);
    bench.base(LOCAL);
    bench.remote();
    for n in 1..=count {
        bench.trickle(typed(&n.to_string(), "host", 10_000 - n, &remote(n)));
    }
    bench
}

fn remote(n: u32) -> String {
    format!("198.51.100.{n}:2000")
}

/// Adds a stream with one base that knows its peer, and pairs with these foundations, the first the best.
///
/// The remote port of a pair is the number of its foundation.
fn add_stream(bench: &mut Bench, number: u16, foundations: &[u16]) -> StreamId {
    let stream = if number == 1 { bench.stream } else { bench.agent.add_stream(1).unwrap() };
    let base = Base::udp(address(&format!("192.0.2.1:{number}")));
    bench.agent.add_base(bench.now, stream.component(1), base).unwrap();
    bench.agent.set_remote(bench.now, stream, Remote::new(remote_credentials())).unwrap();
    for foundation in foundations {
        let line = host(&foundation.to_string(), 1, &format!("198.51.100.{foundation}:{foundation}"));
        bench.agent.add_remote_candidate(bench.now, stream, line).unwrap();
    }
    bench.drain();
    stream
}

/// The foundations whose pairs are in this state, as `m1f1`.
fn in_state(bench: &Bench, streams: &[StreamId], wanted: fn(PairState) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (number, stream) in (1..).zip(streams) {
        let pairs = bench.agent.pairs(*stream).filter(|pair| wanted(pair.state()));
        found.extend(pairs.map(|pair| format!("m{number}f{}", pair.path().remote().port())));
    }
    found.sort();
    found
}

/// What was checked when, as `0 m1f1`.
fn timetable(bench: &Bench) -> Vec<String> {
    let entry = |check: Sent| {
        let (stream, foundation) = (check.path.local().port(), check.path.remote().port());
        format!("{} m{stream}f{foundation}", check.at.since_epoch().as_millis())
    };
    bench.checks().into_iter().map(entry).collect()
}

fn instants(sent: &[Sent]) -> Vec<Timestamp> {
    sent.iter().map(|check| check.at).collect()
}

/// Proves: rfc8445-6.1.2.6-2, rfc8445-6.1.4.2-1, rfc8445-6.1.4.2-3, rfc8445-6.1.4.2-4, rfc8445-7.2.5.3.3-2
/// Scenario: S-08
#[test]
fn three_streams_wait_and_take_turns_as_in_the_table_of_the_rfc() {
    let mut bench = Bench::bare(manual(), Role::Controlling);
    let streams = [
        add_stream(&mut bench, 1, &[1, 2, 3]),
        add_stream(&mut bench, 2, &[1, 2, 3, 4]),
        add_stream(&mut bench, 3, &[1, 5]),
    ];
    let waiting = |bench: &Bench| in_state(bench, &streams, |it| it == PairState::Waiting);
    assert_eq!(waiting(&bench), ["m1f1", "m1f2", "m1f3", "m2f4", "m3f5"]);
    bench.run_until(at(499));
    // The second and third stream have no more pairs whose foundation is not being checked.
    assert_eq!(timetable(&bench), ["0 m1f1", "50 m2f4", "100 m3f5", "150 m1f2", "200 m1f3"]);
    let first = bench.checks()[0].clone();
    assert_eq!(bench.answer(&first), Fed::Control);
    assert_eq!(waiting(&bench), ["m2f1", "m3f1"]);
    bench.run_until(at(700));
    let after = timetable(&bench).split_off(5);
    assert_eq!(after, ["499 m2f1", "549 m3f1"]);
}

/// Proves: rfc8445-6.1.2.6-1, rfc8445-6.1.2.6-2
#[test]
fn a_foundation_is_that_of_both_candidates() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base("192.0.2.1:1");
    bench.base("192.0.2.2:1");
    bench.remote();
    for (n, foundation) in [(1, "a"), (2, "a"), (3, "b"), (4, "b")] {
        bench.trickle(typed(foundation, "host", 1_000 - n, &remote(n)));
    }
    let waiting: BTreeSet<_> = bench
        .agent
        .pairs(bench.stream)
        .filter(|pair| pair.state() == PairState::Waiting)
        .map(|pair| (pair.path().local(), pair.path().remote()))
        .collect();
    let pair = |local: u32, n: u32| (address(&format!("192.0.2.{local}:1")), address(&remote(n)));
    assert_eq!(waiting, BTreeSet::from([pair(1, 1), pair(1, 3), pair(2, 1), pair(2, 3)]));
    assert_eq!(bench.pair_states().len(), 8);
}

/// Proves: rfc8445-6.1.2.6-2
#[test]
fn the_lowest_component_waits_although_another_has_the_better_pair() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    bench.base_of(2, "192.0.2.1:2");
    bench.base_of(1, "192.0.2.1:1");
    bench.remote();
    bench.trickle(host("1", 2, "198.51.100.1:2"));
    bench.trickle(typed("1", "host", 99, "198.51.100.1:1"));
    let check = bench.next_check();
    assert_eq!(check.path.remote(), address("198.51.100.1:1"));
    assert!(bench.pair_states().contains(&(address("198.51.100.1:2"), PairState::Frozen)));
}

/// Proves: rfc8445-6.1.4.2-3
/// Scenario: S-09
#[test]
fn a_failed_foundation_thaws_when_nothing_else_waits() {
    let mut bench = Bench::bare(manual(), Role::Controlling);
    bench.base(LOCAL);
    bench.remote();
    for (n, foundation) in [(1, "a"), (2, "a"), (3, "b")] {
        bench.trickle(typed(foundation, "host", 1_000 - n, &remote(n)));
    }
    let check = bench.next_check();
    let error = bench.error(&check, ErrorCode::BAD_REQUEST);
    assert_eq!(bench.feed_path(check.path, &error), Fed::Control);
    let states: Vec<_> = bench.pair_states().into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [PairState::Failed, PairState::Frozen, PairState::Waiting]);
    bench.run_until(at(100));
    let order: Vec<_> = bench.checks().iter().map(|check| check.path.remote()).collect();
    assert_eq!(order, [1, 3, 2].map(|n| address(&remote(n))));
    assert_eq!(instants(&bench.checks()), [0, 50, 100].map(at));
}

/// The answer to the check that a triggered one replaces comes before that has left: there is nothing to wake up for.
#[test]
fn a_triggered_check_that_an_answer_has_overtaken_wakes_nobody() {
    let mut bench = Bench::new(Role::Controlled);
    bench.end_of_candidates();
    let check = bench.next_check();
    let slot = check.at + ms(50);
    bench.peer_checks(false);
    assert_eq!(bench.agent.deadline(), Some(slot));
    bench.answer(&check);
    assert!(bench.agent.deadline().is_none_or(|due| due > slot), "{:?}", bench.agent.deadline());
    bench.run_for(ms(5_000));
    assert_eq!(bench.checks().len(), 1);
}

/// Proves: rfc8445-6.1.4.1-1, rfc8445-6.1.4.2-2
#[test]
fn triggered_checks_come_first_in_their_order_and_once_each() {
    let mut bench = with_pairs(manual(), 6);
    // Those of the lowest priority.
    for n in [5, 6, 5] {
        let check = bench.peer_check();
        assert_eq!(bench.feed_on(LOCAL, &remote(n), &check.encode()), Fed::Control);
    }
    let first = bench.next_check();
    assert_eq!(first.path.remote(), address(&remote(5)));
    let in_progress = |bench: &Bench| {
        let states = bench.pair_states();
        states.iter().filter(|(_, state)| matches!(state, PairState::InProgress(_))).count()
    };
    assert_eq!(in_progress(&bench), 1);
    bench.run_until(at(400));
    let order: Vec<_> = bench.checks().iter().map(|check| check.path.remote()).collect();
    assert_eq!(order, [5, 6, 1, 2, 3, 4].map(|n| address(&remote(n))));
}

/// Proves: rfc8445-6.1.4.2-1, rfc8445-6.1.4.2-4, rfc8445-14.2-1
#[test]
fn the_first_check_leaves_at_once_and_one_in_every_ta() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    add_stream(&mut bench, 1, &[1, 2, 3]);
    add_stream(&mut bench, 2, &[4, 5, 6]);
    bench.run_until(at(400));
    // Of equal priority, those that came first.
    assert_eq!(timetable(&bench), ["0 m1f1", "50 m2f4", "100 m1f2", "150 m2f5", "200 m1f3", "250 m2f6"]);
}

/// Proves: rfc8445-6.1.4.2-5
#[test]
fn a_list_without_work_costs_no_slot_and_no_wakeups() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    add_stream(&mut bench, 1, &[]);
    assert_eq!(bench.agent.deadline().filter(|deadline| *deadline <= bench.now), None);
    add_stream(&mut bench, 2, &[1, 2]);
    add_stream(&mut bench, 3, &[]);
    bench.run_until(at(300));
    assert_eq!(timetable(&bench), ["0 m2f1", "50 m2f2"]);
    // All are under way: what comes next is the first retransmission.
    assert_eq!(bench.agent.deadline(), Some(at(500)));
}

/// Proves: rfc8445-6.1.4.2-6
/// Lesson: R-37
#[test]
fn every_check_leaves_from_a_base_even_when_a_nat_has_shown_another_address() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    let bases = ["192.0.2.1:1", "192.0.2.2:1"];
    bench.agent.add_server(bench.now, Server::stun(address("203.0.113.1:3478"))).unwrap();
    for base in bases {
        bench.base(base);
    }
    bench.run_until(at(100));
    for (n, question) in (1..).zip(bench.questions()) {
        assert_eq!(bench.serve(&question, &format!("203.0.113.9:{n}")), Fed::Control);
    }
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.trickle(host("2", 1, "198.51.100.2:2000"));
    for _ in 0..4 {
        let check = bench.next_check();
        let answer = bench.success(&check, address("203.0.113.9:1"));
        assert_eq!(bench.feed_path(check.path, &answer), Fed::Control);
    }
    bench.run_for(ms(2_000));
    let bases = bases.map(address);
    assert!(bench.sent.iter().all(|(_, transmit)| bases.contains(&transmit.path.local())));
    let remotes = [address(REMOTE), address("198.51.100.2:2000")];
    assert!(bench.checks().iter().all(|check| remotes.contains(&check.path.remote())));
}

/// Proves: rfc8445-6.1.4.2-8
#[test]
fn no_check_leaves_before_the_credentials_of_the_peer_are_known() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(LOCAL);
    bench.trickle(host("1", 1, REMOTE));
    assert_eq!(bench.peer_checks(false), Fed::Control);
    bench.run_until(at(10_000));
    assert!(bench.requests().is_empty());
    bench.remote();
    assert_eq!(bench.next_check().at, at(10_000));
}

/// Proves: rfc8445-14.1-1, rfc8445-14.3-2
#[test]
fn the_rto_of_the_formula_grows_with_the_checks_that_are_to_be_made() {
    let mut bench = with_pairs(manual().consent(false).check_rto(CheckRto::Formula), 20);
    bench.run_until(at(450));
    let early = bench.checks();
    assert_eq!(early.len(), 10);
    for check in &early {
        assert_eq!(bench.answer(check), Fed::Control);
    }
    bench.run_until(at(60_000));
    let checks = bench.checks();
    assert_eq!(instants(&checks), (0..20).map(|n| at(50 * n)).collect::<Vec<_>>());
    // The eleventh was sent when ten of twenty were waiting: 50 ms * 20 * 10.
    let sent: Vec<_> = bench.requests().into_iter().filter(|it| it.id == checks[10].id).collect();
    assert_eq!(sent[1].at, sent[0].at + ms(10_000));

    let mut bench = with_pairs(manual().consent(false).check_rto(CheckRto::Formula), 20);
    bench.run_until(at(30_000));
    let first = bench.checks()[0].clone();
    let sent: Vec<_> = bench.requests().into_iter().filter(|it| it.id == first.id).collect();
    assert_eq!(sent[1].at, at(20_000));
    let requests = bench.requests();
    let of = |bytes: &[u8]| requests.iter().position(|it| it.bytes == bytes).unwrap();
    let last_first = bench.checks().iter().map(|check| of(&check.bytes)).max().unwrap();
    assert_eq!(last_first, 19, "a retransmission before the first packet of a check");
}

/// Proves: rfc8445-14.1-1
#[test]
fn ten_checks_leave_before_the_first_of_them_is_repeated() {
    let mut bench = with_pairs(Config::new(), 10);
    bench.run_until(at(500));
    let ids: BTreeSet<_> = bench.requests()[..10].iter().map(|it| it.path.remote()).collect();
    assert_eq!(ids.len(), 10);
    assert_eq!(bench.requests()[10].at, at(500));
}

/// Proves: rfc8445-14.2-2, rfc8839-5.5-2
/// Scenario: S-12
#[test]
fn both_use_the_larger_ta() {
    let default = 50;
    for (ours, theirs, expected) in
        [(20, None, default), (20, Some(30), 30), (20, Some(100), 100), (80, Some(20), 80), (80, None, 80)]
    {
        let mut bench = Bench::bare(Config::new().pacing(ms(ours)), Role::Controlled);
        bench.base(LOCAL);
        let remote = Remote::new(remote_credentials());
        let remote = match theirs {
            Some(ta) => remote.pacing(ms(ta)),
            None => remote,
        };
        bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
        for n in 1..=4 {
            bench.trickle(host(&n.to_string(), 1, &format!("198.51.100.{n}:1")));
        }
        bench.run_until(at(450));
        assert_eq!(instants(&bench.checks()), [0, 1, 2, 3].map(|n| at(n * expected)), "{ours} {theirs:?}");
    }
}

/// Proves: rfc8445-14.2-3
#[test]
fn a_ta_below_5_ms_is_5_ms() {
    let mut bench = Bench::bare(Config::new().pacing(ms(1)), Role::Controlling);
    bench.base(LOCAL);
    let remote = Remote::new(remote_credentials()).pacing(ms(0));
    bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
    for n in 1..=3 {
        bench.trickle(host(&n.to_string(), 1, &format!("198.51.100.{n}:1")));
    }
    bench.run_until(at(100));
    assert_eq!(instants(&bench.checks()), [0, 5, 10].map(at));
}

/// Proves: rfc8445-14.2-4
#[test]
fn another_ta_than_50_ms_is_signalled() {
    let signalled = |config: Config| Bench::bare(config, Role::Controlling).agent.local_pacing();
    assert_eq!(signalled(Config::new().pacing(ms(20))), Some(ms(20)));
    assert_eq!(signalled(Config::new().pacing(ms(80))), Some(ms(80)));
    assert_eq!(signalled(Config::new().pacing(ms(50))), None);
}

/// Proves: rfc8445-14.3-3
#[test]
fn no_rto_is_below_500_ms() {
    for rule in [CheckRto::Constant, CheckRto::Formula] {
        let config = Config::new().rto(Rto::new(ms(200))).check_rto(rule);
        let mut bench = with_pairs(config.clone(), 1);
        bench.run_until(at(600));
        assert_eq!(instants(&bench.requests()), [0, 500].map(at));
        let mut bench = Bench::bare(config, Role::Controlling);
        bench.agent.add_server(bench.now, Server::stun(address("203.0.113.1:3478"))).unwrap();
        bench.base(LOCAL);
        bench.run_until(at(600));
        assert_eq!(instants(&bench.requests()), [0, 500].map(at));
    }
}

/// Proves: rfc8445-5.1.1.2-6, rfc8445-6.1.4.2-2
/// Scenario: S-11
#[test]
fn checks_and_questions_and_triggered_checks_share_the_slots() {
    let mut bench = with_pairs(manual(), 20);
    for n in 1..=12 {
        let server = Server::stun(address(&format!("203.0.113.{n}:3478")));
        bench.agent.add_server(bench.now, server).unwrap();
    }
    bench.run_until(at(225));
    let check = bench.peer_check();
    assert_eq!(bench.feed_on(LOCAL, &remote(20), &check.encode()), Fed::Control);
    bench.run_until(at(3_000));
    let (checks, questions) = (bench.checks(), bench.questions());
    assert_eq!((checks.len(), questions.len()), (20, 12));
    let mut all: Vec<_> = checks.iter().chain(&questions).map(|it| it.at).collect();
    all.sort();
    assert_eq!(all, (0..32).map(|n| at(50 * n)).collect::<Vec<_>>());
    // The triggered check had the next slot that was for a check.
    let triggered = checks.iter().find(|check| check.path.remote() == address(&remote(20))).unwrap();
    assert!(triggered.at <= at(300), "{:?}", triggered.at);
}

/// Proves: rfc8489-6.2.1-5
#[test]
fn a_check_that_was_repeated_says_nothing_about_the_round_trip() {
    let rtt = |delay: u64| {
        let mut bench = Bench::with(manual(), Role::Controlling);
        let check = bench.next_check();
        bench.run_for(ms(delay));
        assert_eq!(bench.answer(&check), Fed::Control);
        bench.agent.pairs(bench.stream).next().unwrap().rtt()
    };
    assert_eq!(rtt(40), Some(ms(40)));
    assert_eq!(rtt(540), None);
}

/// Two candidates alike in all but their address, one after the other, while checks are under way.
#[test]
fn of_two_pairs_with_one_priority_and_foundation_the_first_waits_and_the_other_is_frozen() {
    let mut bench = Bench::new(Role::Controlling);
    bench.next_check();
    bench.trickle(typed("9", "host", 900, "198.51.100.9:9001"));
    bench.trickle(typed("9", "host", 900, "198.51.100.9:9002"));
    let state = |remote: &str| bench.pair_states().iter().find(|(of, _)| *of == address(remote)).unwrap().1;
    assert_eq!(state("198.51.100.9:9001"), PairState::Waiting);
    assert_eq!(state("198.51.100.9:9002"), PairState::Frozen);
}

/// The order in which the candidates of the next generation come says nothing about which of a foundation is checked first.
///
/// Proves: rfc8445-6.1.2.6-2
#[test]
fn after_a_restart_the_initial_states_are_set_as_in_the_first_generation() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    bench.run_answering(at(1_000), |_| Some(ms(5)));
    bench.agent.restart(bench.now, bench.stream).unwrap();
    let credentials = floe::ice::Credentials::new("next", "thenextpasswordofthepeer").unwrap();
    bench.agent.set_remote(bench.now, bench.stream, Remote::new(credentials)).unwrap();
    for (priority, remote) in [(100, "198.51.100.9:9001"), (200, "198.51.100.9:9002")] {
        bench.trickle(typed("9", "host", priority, remote));
    }
    let states = [("198.51.100.9:9002", PairState::Waiting), ("198.51.100.9:9001", PairState::Frozen)];
    assert_eq!(bench.pair_states(), states.map(|(remote, state)| (address(remote), state)));
}
