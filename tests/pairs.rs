//! Which pairs there are, in which order, how many, and what becomes of a list of them (RFC 8445 section 6.1.2).

mod harness;

use core::net::SocketAddr;
use std::collections::BTreeSet;

use floe::ice::{
    CandidateKind, CheckListState, Nomination, PairPriority, PairState, Priority, Role, StreamId,
};
use floe::stun::{AttributeType, Class, ErrorCode};
use floe::{Base, Config, Limits, Reason, Remote, Server, StreamState};
use harness::{Bench, Fed, LOCAL, REMOTE, Sent, address, at, candidate, host, ms, remote_credentials, typed};

/// Local and remote address of every listed pair of the first stream, in the order of the list.
fn listed(bench: &Bench) -> Vec<(String, String)> {
    let listed = bench.agent.pairs(bench.stream).filter(|pair| pair.is_listed());
    listed.map(|pair| (pair.path().local().to_string(), pair.path().remote().to_string())).collect()
}

fn priorities(bench: &Bench, stream: StreamId) -> Vec<PairPriority> {
    bench.agent.pairs(stream).filter(|pair| pair.is_listed()).map(|pair| pair.priority()).collect()
}

fn answer_at_once(_: &Sent) -> Option<core::time::Duration> {
    Some(ms(0))
}

/// Limits that let this many candidates of a peer in.
fn roomy(candidates: usize) -> Limits {
    let mut limits = Limits::default();
    limits.remote_candidates = candidates;
    limits.remote_candidates_total = u32::try_from(candidates).unwrap();
    limits
}

/// Proves: rfc8445-6.1.2.2-1
#[test]
fn candidates_pair_within_a_component_and_a_family() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    bench.remote();
    for (component, local) in [(1, "192.0.2.1:1"), (1, "[2001:db8::1]:1"), (2, "192.0.2.1:2")] {
        bench.base_of(component, local);
    }
    for (component, remote) in [(1, "198.51.100.1:1"), (2, "198.51.100.1:2"), (2, "[2001:db8::2]:2")] {
        bench.trickle(host("1", component, remote));
    }
    let pair = |local: &str, remote: &str| (local.to_string(), remote.to_string());
    assert_eq!(
        listed(&bench),
        [pair("192.0.2.1:1", "198.51.100.1:1"), pair("192.0.2.1:2", "198.51.100.1:2")]
    );
    let tcp = candidate("candidate:1 1 tcp 99 198.51.100.9 9 typ host tcptype active");
    assert_eq!(
        bench.agent.add_remote_candidate(bench.now, bench.stream, tcp),
        Err(floe::Error::CandidateTransport)
    );
}

/// Proves: rfc8445-6.1.2.2-2
/// Scenario: S-06
#[test]
fn a_component_that_the_peer_does_not_have_is_not_waited_for() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    bench.base_of(1, "192.0.2.1:1");
    bench.base_of(2, "192.0.2.1:2");
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.run_answering(at(1_000), answer_at_once);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Checking));
    bench.end_of_candidates();
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    assert_eq!(listed(&bench).len(), 1);
    assert!(bench.sent.iter().all(|(_, transmit)| transmit.path.local() == address("192.0.2.1:1")));
}

/// World 272926: a server was too slow for the second component of one end, which failed, while the other had completed without
/// it.
///
/// Proves: rfc8445-6.1.2.2-2
#[test]
fn a_component_that_we_have_no_candidate_for_is_not_waited_for() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    bench.base_of(1, "192.0.2.1:1");
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.trickle(host("1", 2, "198.51.100.1:2"));
    bench.agent.end_of_remote_candidates(bench.now, bench.stream).unwrap();
    bench.run_answering(at(1_000), answer_at_once);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Checking), "there may be one to come");
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.drain();
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    // What has been signalled is needed, also when it is gone.
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    bench.base_of(1, "192.0.2.1:1");
    let second = bench.base_of(2, "192.0.2.1:2");
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.agent.remove_base(bench.now, second).unwrap();
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.trickle(host("1", 2, "198.51.100.1:2"));
    bench.end_of_candidates();
    bench.run_answering(at(1_000), answer_at_once);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Checking));
}

/// Proves: rfc8445-6.1.2.2-3
/// Scenario: S-07
#[test]
fn link_local_pairs_with_link_local_and_mapped_ipv4_is_ipv4() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    for local in ["[fe80::1%3]:1", "[2001:db8::1]:1", "192.0.2.1:1"] {
        bench.base(local);
    }
    bench.remote();
    for remote in ["[fe80::2]:2", "[2001:db8::2]:2", "[::ffff:192.0.2.9]:2"] {
        bench.trickle(host("1", 1, remote));
    }
    let pairs: BTreeSet<_> = listed(&bench).into_iter().collect();
    let pair = |local: &str, remote: &str| (local.to_string(), remote.to_string());
    assert_eq!(
        pairs,
        BTreeSet::from([
            pair("[fe80::1%3]:1", "[fe80::2%3]:2"),
            pair("[2001:db8::1]:1", "[2001:db8::2]:2"),
            pair("192.0.2.1:1", "192.0.2.9:2"),
        ])
    );
}

/// Lesson: L-40
#[test]
fn each_link_has_its_own_pair_with_a_link_local_candidate() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base("[fe80::1%3]:1");
    bench.base("[fe80::1%4]:1");
    bench.remote();
    bench.trickle(candidate("candidate:1 1 udp 99 fe80::2%9 2 typ host"));
    let pair = |zone: u8| (format!("[fe80::1%{zone}]:1"), format!("[fe80::2%{zone}]:2"));
    assert_eq!(listed(&bench), [pair(3), pair(4)]);
}

/// Proves: rfc8445-6.1.2-1, rfc8445-6.1.2.3-3
#[test]
fn every_list_is_sorted_by_falling_priority_whatever_comes_when() {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    let second = bench.agent.add_stream(1).unwrap();
    bench.agent.add_base(bench.now, second.component(1), Base::udp(address("192.0.2.3:1"))).unwrap();
    bench.agent.set_remote(bench.now, second, Remote::new(remote_credentials())).unwrap();
    bench.base(LOCAL);
    bench.remote();
    for (n, priority) in [(1, 500), (2, 900), (3, 100), (4, 700)] {
        let candidate = typed("1", "host", priority, &format!("198.51.100.{n}:2"));
        bench.trickle(candidate.clone());
        bench.agent.add_remote_candidate(bench.now, second, candidate).unwrap();
    }
    bench.base("192.0.2.2:1000");
    // The peer's check from elsewhere comes with the priority of a peer-reflexive candidate.
    let check = bench.peer_check();
    assert_eq!(bench.feed_on(LOCAL, "198.51.100.8:2", &check.encode()), Fed::Control);
    for (stream, count) in [(bench.stream, 9), (second, 4)] {
        let priorities = priorities(&bench, stream);
        assert_eq!(priorities.len(), count);
        assert!(priorities.is_sorted_by(|a, b| a >= b), "{priorities:?}");
    }
    let learned = bench.agent.pairs(bench.stream).next().unwrap();
    assert_eq!(learned.remote().kind(), CandidateKind::PeerReflexive);
}

/// Proves: rfc8445-6.1.2.3-4
#[test]
fn a_change_of_role_gives_the_priorities_of_the_new_role() {
    let three = |role: Role| {
        let mut bench = Bench::with(Config::new().nomination(Nomination::Manual), role);
        bench.trickle(typed("2", "host", 2_130_706_431, "198.51.100.2:2000"));
        bench.trickle(typed("3", "srflx", 1_694_498_815, "198.51.100.3:2000"));
        bench
    };
    let mut switched = three(Role::Controlling);
    let before = priorities(&switched, switched.stream);
    let check = switched.next_check();
    let conflict = switched.error(&check, ErrorCode::ROLE_CONFLICT);
    assert_eq!(switched.feed_path(check.path, &conflict), Fed::Control);
    assert_eq!(switched.agent.role(), Role::Controlled);
    let fresh = three(Role::Controlled);
    assert_eq!(priorities(&switched, switched.stream), priorities(&fresh, fresh.stream));
    assert_ne!(priorities(&switched, switched.stream), before);
}

/// Proves: rfc8445-6.1.2.4-1, rfc8445-6.1.2.4-2, rfc8445-6.1.2.4-3
/// Scenario: S-03
#[test]
fn a_reflexive_candidate_collapses_into_its_base_and_disturbs_nothing() {
    let mut bench = Bench::new(Role::Controlling);
    let check = bench.next_check();
    let running = bench.pair_states();
    assert!(matches!(running[..], [(_, PairState::InProgress(_))]));
    bench.agent.add_server(bench.now, Server::stun(address("203.0.113.1:3478"))).unwrap();
    bench.run_for(ms(100));
    let question = bench.questions()[0].clone();
    assert_eq!(bench.serve(&question, "198.51.100.9:7000"), Fed::Control);
    assert_eq!(bench.announced().len(), 2);
    assert_eq!(bench.pair_states(), running);
    let expected = PairPriority::of(Priority::new(2_130_706_431).unwrap(), host("1", 1, REMOTE).priority());
    assert_eq!(priorities(&bench, bench.stream), [expected]);
    // Seen from the other side these are two candidates.
    let mut other = Bench::new(Role::Controlled);
    other.trickle(typed("2", "srflx", 1_694_498_815, "198.51.100.9:7000"));
    assert_eq!(listed(&other).len(), 2);
    // And the check that was under way still counts.
    assert_eq!(bench.answer(&check), Fed::Control);
    assert_eq!(bench.pair_states()[0].1, PairState::Succeeded);
}

/// Proves: rfc8445-6.1.2.5-1, rfc8445-6.1.2.5-2
#[test]
fn the_worst_pairs_beyond_the_limit_are_left_out() {
    for limit in [100, 10] {
        let mut limits = roomy(200);
        limits.pairs = limit;
        let mut bench = Bench::bare(Config::new().limits(limits), Role::Controlling);
        bench.base(LOCAL);
        bench.remote();
        // The best come neither first nor last.
        for n in 0..200_u32 {
            let priority = 1_000 + (n * 77) % 200;
            bench.trickle(typed(&n.to_string(), "host", priority, &format!("198.51.100.{}:2", n + 1)));
        }
        let kept: Vec<u32> = bench
            .agent
            .pairs(bench.stream)
            .filter(|pair| pair.is_listed())
            .map(|pair| pair.remote().priority().get())
            .collect();
        let best: Vec<u32> = (0..u32::try_from(limit).unwrap()).map(|n| 1_199 - n).collect();
        assert_eq!(kept, best);
    }
}

/// Proves: rfc8445-6.1.2.5-1, rfc8445-6.1.2.5-3, rfc8445-19.5.1-1, rfc8445-19.5.1-2
/// Scenario: S-05
#[test]
fn two_lists_share_a_hundred_pairs_evenly_and_keep_their_best() {
    let mut bench = Bench::bare(Config::new().limits(roomy(250)), Role::Controlling);
    let second = bench.agent.add_stream(1).unwrap();
    bench.base(LOCAL);
    bench.agent.add_base(bench.now, second.component(1), Base::udp(address("192.0.2.3:1"))).unwrap();
    bench.remote();
    bench.agent.set_remote(bench.now, second, Remote::new(remote_credentials())).unwrap();
    // The first list is full before anything comes for the second.
    for stream in [bench.stream, second] {
        for n in 0..250_u32 {
            let remote = format!("198.51.{}.{}:2", n / 200, n % 200 + 1);
            let candidate = typed(&n.to_string(), "host", 1_000 + n, &remote);
            bench.agent.add_remote_candidate(bench.now, stream, candidate).unwrap();
        }
    }
    bench.drain();
    for stream in [bench.stream, second] {
        let kept: Vec<u32> = bench
            .agent
            .pairs(stream)
            .filter(|pair| pair.is_listed())
            .map(|pair| pair.remote().priority().get())
            .collect();
        assert_eq!(kept, (0..50).map(|n| 1_249 - n).collect::<Vec<u32>>());
    }
    bench.run_for(ms(120_000));
    let requests = bench.requests();
    assert_eq!((bench.checks().len(), requests.len()), (100, 700));
    let to_one = |n: u32| {
        let remote = address(&format!("198.51.1.{}:2", n + 1));
        requests.iter().filter(|it| it.path == floe::Path::udp(address(LOCAL), remote)).count()
    };
    assert!((0..50).all(|n| to_one(n) == 7));
}

/// Proves: rfc8445-19.5.1-1
/// Lesson: L-39
#[test]
fn ten_thousand_candidates_are_a_hundred_checks() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(LOCAL);
    bench.base("192.0.2.2:1000");
    bench.remote();
    let mut refused = 0;
    for n in 0..10_000_u32 {
        let candidate = typed("1", "host", 1_000 + n, &format!("198.{}.{}.1:2", 18 + n / 5_000, n % 250));
        let added = bench.agent.add_remote_candidate(bench.now, bench.stream, candidate);
        refused += u32::from(added == Err(floe::Error::Limit));
    }
    bench.drain();
    assert!(refused > 0);
    assert!(bench.agent.remote_candidates(bench.stream).count() <= 64);
    bench.run_for(ms(120_000));
    assert!(bench.checks().len() <= 100, "{}", bench.checks().len());
}

/// Lesson: L-39
#[test]
fn twenty_candidates_against_fifty_keep_the_best_hundred_pairs() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    for n in 1..=20 {
        bench.base(&format!("192.0.2.{n}:1000"));
    }
    bench.remote();
    let mut all = Vec::new();
    for n in 0..50_u32 {
        let remote = typed(&n.to_string(), "host", 1_000 + (n * 7) % 50, &format!("198.51.100.{}:2", n + 1));
        for local in bench.announced() {
            all.push(PairPriority::of(local.priority(), remote.priority()));
        }
        bench.trickle(remote);
    }
    all.sort_by_key(|priority| core::cmp::Reverse(*priority));
    assert_eq!(all.len(), 1_000);
    assert_eq!(priorities(&bench, bench.stream), all[..100]);
}

/// Lesson: L-67
#[test]
fn odd_priorities_and_empty_lists_do_no_harm() {
    for priority in [0_u64, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        bench.base(LOCAL);
        bench.remote();
        let line = format!("candidate:1 1 udp {priority} 198.51.100.1 2000 typ host");
        bench.trickle(candidate(&line));
        assert_eq!(listed(&bench).len(), 1, "{line}");
    }
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.remote();
    bench.end_of_candidates();
    bench.run_for(ms(60_000));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Failed(Reason::NoPairs)));
    assert_eq!(bench.agent.deadline(), None);
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base("[2001:db8::1]:1");
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.end_of_candidates();
    bench.run_for(ms(60_000));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Failed(Reason::NoPairs)));
    assert!(bench.sent.is_empty());
}

/// Proves: rfc8445-6.1.2.1-1, rfc8445-6.1.2.1-3
#[test]
fn a_list_fails_when_a_component_can_have_no_pair_any_more() {
    let mut bench = Bench::with_components(Config::new().patience_for_checks(ms(0)), Role::Controlled, 2);
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Running));
    bench.base_of(1, "192.0.2.1:1");
    bench.base_of(2, "192.0.2.1:2");
    bench.remote();
    bench.trickle(host("1", 1, "198.51.100.1:1"));
    bench.trickle(host("2", 2, "198.51.100.1:2"));
    bench.end_of_candidates();
    let only_first = |check: &Sent| (check.path.local().port() == 1).then_some(ms(10));
    bench.run_answering(at(39_549), only_first);
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Running));
    bench.run_answering(at(39_550), only_first);
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Failed));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Failed(Reason::Timeout)));
}

/// Proves: rfc8445-4-3, rfc8445-4-4
#[test]
fn the_valid_pair_has_the_address_that_the_peer_has_seen() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    bench.base_of(1, "192.0.2.1:1");
    bench.base_of(2, "192.0.2.1:2");
    bench.remote();
    bench.trickle(host("1", 1, "198.51.100.1:1"));
    bench.trickle(host("2", 2, "198.51.100.1:2"));
    let mapped =
        |check: &Sent| SocketAddr::new(address("203.0.113.9:1").ip(), check.path.local().port() + 7_000);
    for _ in 0..4 {
        let check = bench.next_check();
        let answer = bench.success(&check, mapped(&check));
        assert_eq!(bench.feed_path(check.path, &answer), Fed::Control);
    }
    let selected: Vec<_> = bench.agent.pairs(bench.stream).filter(floe::Pair::is_selected).collect();
    assert_eq!(selected.len(), 2);
    assert_ne!(selected[0].component(), selected[1].component());
    for pair in &selected {
        let number = pair.component().number();
        assert_eq!(pair.local().kind(), CandidateKind::PeerReflexive);
        assert_eq!(pair.local().ip(), Some(SocketAddr::new(address("203.0.113.9:1").ip(), number + 7_000)));
        assert_eq!(pair.remote().ip(), Some(SocketAddr::new(address("198.51.100.1:1").ip(), number)));
        assert!(!pair.is_listed() && pair.is_valid());
    }
    let of = |number: u16| {
        let events = bench.events.iter().filter(|(_, event)| {
            matches!(event, floe::Event::Selected { component, .. } if component.number() == number)
        });
        events.count()
    };
    assert_eq!((of(1), of(2)), (1, 1));
}

/// Proves: rfc8445-16.2-1
#[test]
fn a_role_conflict_is_answered_with_487_and_its_reason() {
    let mut bench = Bench::new(Role::Controlling);
    let mut check = bench.peer_check();
    check.role = Some((Role::Controlling, 0));
    assert_eq!(bench.feed(&check.encode()), Fed::Ignored(floe::Ignored::Refused));
    let answer = bench.last_answer().unwrap();
    assert_eq!(answer.class, Class::Error);
    let value = answer.bytes.windows(4).position(|it| it == [0, 0, 4, 87]).expect("the code");
    assert!(answer.bytes[value + 4..].starts_with(b"Role Conflict"));
}

/// Proves: rfc8445-16.1-1
#[test]
fn attributes_of_the_wrong_length_are_refused() {
    for (kind, right) in [(0x0024, 4), (0x0025, 0), (0x802a, 8)] {
        for length in [0, 4, 8, 12] {
            let mut bench = Bench::new(Role::Controlled);
            let mut check = bench.peer_check();
            match kind {
                0x0024 => check.priority = None,
                0x802a => check.role = None,
                _ => {}
            }
            check.extra = vec![(AttributeType::new(kind), vec![0; length])];
            let fed = bench.feed(&check.encode());
            assert_eq!(fed == Fed::Control, length == right, "{kind:#06x} with {length} bytes: {fed:?}");
        }
    }
    let mut bench = Bench::new(Role::Controlling);
    let check = bench.next_check();
    let message = check.message();
    let length = |wanted: u16| {
        let mut attributes = message.attributes();
        attributes.find(|(kind, _)| kind.as_u16() == wanted).map(|(_, value)| value.len())
    };
    assert_eq!((length(0x0024), length(0x802a), length(0x8029)), (Some(4), Some(8), None));
}
