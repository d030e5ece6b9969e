//! Nomination: which pair, when, how often, and what follows (RFC 8445 sections 7.2.5.3.4, 7.3.1.5 and 8.1).

mod harness;

use core::time::Duration;
use floe::ice::{CandidateKind, CheckListState, Nomination, PairState, Role};
use floe::stun::{AttributeType, ErrorCode};
use floe::{Config, Event, Ignored, Reason, Remote, StreamState};
use harness::{Bench, Fed, LOCAL, PeerCheck, REMOTE, Sent, address, at, host, manual, ms, no_delay, typed};

const LOW: &str = "198.51.100.1:2001";
const MIDDLE: &str = "198.51.100.1:2002";
const HIGH: &str = "198.51.100.1:2003";

/// An agent with one base and three remote candidates, each of its own foundation.
fn three_pairs(config: Config, role: Role) -> Bench {
    three_pairs_in_order(config, role, [0, 1, 2])
}

/// The same with the candidates signalled in this order.
fn three_pairs_in_order(config: Config, role: Role, order: [usize; 3]) -> Bench {
    let mut bench = Bench::bare(config, role);
    bench.base(LOCAL);
    bench.remote();
    for index in order {
        let (foundation, priority, remote) = [("1", 100, LOW), ("2", 200, MIDDLE), ("3", 300, HIGH)][index];
        bench.trickle(typed(foundation, "host", priority, remote));
    }
    bench
}

/// An agent of two components with a base and a remote host candidate each: ports 1000 and 1001, 2000 and 3001.
fn two_components(config: Config, role: Role) -> Bench {
    let mut bench = Bench::with_components(config, role, 2);
    for (component, local) in [(1, LOCAL), (2, "192.0.2.1:1001")] {
        bench.base_of(component, local);
    }
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.trickle(host("1", 2, "198.51.100.1:3001"));
    bench
}

/// The destinations of all nominating requests, each once.
fn nominated(bench: &Bench) -> Vec<core::net::SocketAddr> {
    let nominating = bench.checks().into_iter().filter(|check| check.use_candidate);
    nominating.map(|check| check.path.remote()).collect()
}

fn is_selected(event: &Event) -> bool {
    matches!(event, Event::Selected { .. })
}

/// Proves: rfc8445-8.1.1-1, rfc8445-7.1.2-1, rfc8445-7.2.5.3.4-1, rfc8445-8.1.1-3
/// Lesson: L-13
#[test]
fn the_controlling_agent_repeats_the_check_with_use_candidate_and_selects_upon_the_answer() {
    let mut bench = Bench::new(Role::Controlling);
    let check = bench.next_check();
    assert!(!check.use_candidate);
    bench.answer(&check);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Connected));
    let nominating = bench.next_check();
    assert!(nominating.use_candidate);
    assert!(nominating.bytes.windows(4).any(|bytes| bytes == [0x00, 0x25, 0, 0]));
    assert_eq!(nominating.path, check.path);
    assert_ne!(nominating.id, check.id);
    assert!(bench.agent.pairs(bench.stream).all(|pair| !pair.is_nominated()));
    assert!(!bench.saw(is_selected));
    bench.answer(&nominating);
    assert!(bench.agent.pairs(bench.stream).all(|pair| pair.is_nominated() && pair.is_selected()));
    assert_eq!(bench.selections(), [address(REMOTE)]);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// Proves: rfc8445-8.1.1-2
#[test]
fn one_pair_is_nominated_and_never_another() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(LOCAL);
    bench.remote();
    for n in 1..=6_u32 {
        let remote = format!("198.51.100.{n}:2000");
        bench.trickle(typed(&n.to_string(), "host", 100 * n, &remote));
    }
    // The better the pair, the longer its answer takes.
    let delay = |check: &Sent| match check.path.remote().ip() {
        core::net::IpAddr::V4(ip) => Some(ms(70 * u64::from(ip.octets()[3]))),
        core::net::IpAddr::V6(_) => None,
    };
    bench.run_answering(at(5_000), delay);
    assert_eq!(nominated(&bench).len(), 1, "{:?}", nominated(&bench));
    let winner = bench.selections();
    // A better pair shows up: signalled, and checked by the peer.
    let check = bench.peer_check();
    bench.feed_on(LOCAL, "198.51.100.77:2000", &check.encode());
    let _ = bench.agent.add_remote_candidate(
        bench.now,
        bench.stream,
        typed("9", "host", 9_999, "198.51.100.9:1"),
    );
    bench.drain();
    bench.run_answering(at(60_000), delay);
    assert_eq!(nominated(&bench).len(), 1);
    assert_eq!(bench.selections(), winner);
}

/// Proves: rfc8445-8.1.1-6
#[test]
fn by_the_letter_a_better_pair_that_stays_silent_holds_nomination_up_for_the_patience_configured() {
    let patient = Nomination::Regular { patience: ms(800) };
    let config = Config::new().profile(floe::Profile::Rfc8445).nomination(patient);
    let mut bench = three_pairs(config, Role::Controlling);
    bench.run_answering(at(5_000), |check| (check.path.remote() == address(LOW)).then_some(ms(0)));
    let valid_at = bench.checks().iter().find(|check| check.path.remote() == address(LOW)).unwrap().at;
    let nominating = bench.checks().into_iter().find(|check| check.use_candidate).unwrap();
    assert_eq!(nominating.path.remote(), address(LOW));
    let waited = nominating.at.saturating_since(valid_at);
    assert!((ms(800)..=ms(850)).contains(&waited), "{waited:?}");
    assert_eq!(bench.selections(), [address(LOW)]);
}

/// Proves: rfc8863-4-7
#[test]
fn a_pair_that_is_not_the_direct_one_is_nominated_at_once_only_when_nothing_better_can_come() {
    let nominated_after = |ended: bool| {
        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        bench.base(LOCAL);
        bench.remote();
        bench.trickle(typed("1", "relay", 100, REMOTE));
        if ended {
            bench.end_of_candidates();
        }
        bench.run_answering(at(5_000), no_delay);
        bench.checks().iter().find(|check| check.use_candidate).unwrap().at
    };
    assert_eq!(nominated_after(true), at(50));
    assert_eq!(nominated_after(false), at(500));
}

/// Proves: rfc8445-12.1-1
/// Lesson: L-17
#[test]
fn the_direct_pair_wins_over_a_relay_that_answers_sooner_and_the_relay_carries_data_until_then() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(LOCAL);
    bench.remote();
    bench.trickle(typed("1", "relay", 100, LOW));
    bench.run_answering(at(20), |_| Some(ms(20)));
    let relay = bench.agent.route(bench.component()).expect("data can flow through the relay");
    assert_eq!(relay.path().remote(), address(LOW));
    bench.trickle(typed("2", "host", 2_000_000_000, HIGH));
    bench.run_answering(at(3_000), |check| {
        Some(if check.path.remote() == address(HIGH) { ms(100) } else { ms(20) })
    });
    assert_eq!(bench.selections(), [address(HIGH)]);
    assert_eq!(nominated(&bench), [address(HIGH)]);
}

/// Proves: rfc8445-7.2.5.4-2
#[test]
fn a_list_with_valid_pairs_and_no_nomination_stays_running() {
    let mut bench = three_pairs(manual(), Role::Controlling);
    bench.end_of_candidates();
    bench.run_answering(at(120_000), |check| (check.path.remote() == address(MIDDLE)).then_some(ms(5)));
    let mut states = bench.pair_states();
    states.sort_by_key(|(remote, _)| *remote);
    let states: Vec<PairState> = states.into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [PairState::Failed, PairState::Succeeded, PairState::Failed]);
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Running));
    assert_eq!(bench.states(), [StreamState::Checking, StreamState::Connected]);
}

/// Proves: rfc8445-7.3.1.5-1
#[test]
fn use_candidate_on_a_pair_that_succeeded_selects_it_at_once() {
    let mut bench = Bench::new(Role::Controlled);
    let check = bench.next_check();
    bench.answer(&check);
    bench.run_for(ms(1_000));
    assert!(!bench.saw(is_selected));
    let checks = bench.checks().len();
    bench.peer_checks(true);
    assert_eq!(bench.selections(), [address(REMOTE)]);
    assert_eq!(bench.checks().len(), checks);
}

/// Proves: rfc8445-7.3.1.5-2, rfc8445-7.2.5.3.4-3
/// Scenario: S-17
#[test]
fn use_candidate_before_our_own_success_is_remembered_until_then() {
    let mut bench = Bench::new(Role::Controlled);
    bench.peer_checks(true);
    let check = bench.next_check();
    // A later check without the flag takes nothing back.
    bench.peer_checks(false);
    bench.run_for(ms(300));
    assert!(!bench.saw(is_selected));
    assert!(bench.agent.route(bench.component()).is_none());
    bench.answer(&check);
    assert_eq!(bench.selections(), [address(REMOTE)]);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// Proves: rfc8445-7.2.5.3.4-4
/// Scenario: S-17
#[test]
fn a_nominated_pair_whose_own_check_is_lost_is_never_selected() {
    let mut bench = Bench::new(Role::Controlled);
    bench.end_of_candidates();
    bench.peer_checks(true);
    bench.run_for(ms(120_000));
    assert_eq!(bench.pair_states(), [(address(REMOTE), PairState::Failed)]);
    assert!(!bench.saw(is_selected));
    assert!(bench.agent.pairs(bench.stream).all(|pair| !pair.is_valid()));
    assert!(bench.agent.route(bench.component()).is_none());
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Failed));
}

/// Proves: rfc8445-7.3.1.5-4
#[test]
fn use_candidate_from_a_controlled_peer_means_nothing() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    let check = bench.next_check();
    bench.answer(&check);
    assert_eq!(bench.peer_checks(true), Fed::Control);
    bench.run_for(ms(1_000));
    assert_eq!(bench.agent.role(), Role::Controlling);
    assert!(!bench.saw(is_selected));
    assert!(bench.agent.pairs(bench.stream).all(|pair| pair.is_valid() && !pair.is_nominated()));
}

/// Proves: rfc8445-8.1.1-4
/// Scenario: S-19
/// Lesson: L-06
#[test]
fn of_several_aggressive_nominations_the_best_is_selected_whatever_the_order_of_the_answers() {
    let remotes = [LOW, MIDDLE, HIGH];
    const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (order, signalled) in ORDERS.into_iter().flat_map(|order| ORDERS.map(|signalled| (order, signalled)))
    {
        let mut bench = three_pairs_in_order(Config::new(), Role::Controlled, signalled);
        for remote in remotes {
            let check = PeerCheck { use_candidate: true, ..bench.peer_check() };
            bench.feed_on(LOCAL, remote, &check.encode());
        }
        bench.run_for(ms(200));
        for index in order {
            let checks = bench.checks();
            let check = checks.iter().rfind(|check| check.path.remote() == address(remotes[index])).unwrap();
            bench.answer(check);
        }
        assert_eq!(bench.selections().last(), Some(&address(HIGH)), "{order:?}");
        assert_eq!(bench.agent.route(bench.component()).unwrap().path().remote(), address(HIGH));
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
        // Every one of them is still answered.
        for millis in [1_000, 2_900] {
            bench.run_answering(at(200 + millis), no_delay);
            for remote in remotes {
                let check = PeerCheck { use_candidate: true, ..bench.peer_check() };
                assert_eq!(bench.feed_on(LOCAL, remote, &check.encode()), Fed::Control);
                assert_eq!(bench.last_answer().unwrap().mapped, Some(address(remote)));
            }
        }
        assert_eq!(bench.selections().last(), Some(&address(HIGH)), "{order:?}");
    }
}

/// Proves: rfc8445-7.3.1.5-1
/// Lesson: L-09
#[test]
fn a_controlled_agent_follows_the_nomination_of_a_pair_that_it_ranks_lower() {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    bench.base(LOCAL);
    bench.remote();
    bench.trickle(typed("1", "host", 2_000_000_000, HIGH));
    // The other path is known from the peer's check only, with the priority of a peer-reflexive candidate.
    bench.peer_checks(false);
    bench.run_answering(at(1_000), no_delay);
    assert_eq!(bench.agent.route(bench.component()).unwrap().path().remote(), address(HIGH));
    bench.peer_checks(true);
    assert_eq!(bench.selections(), [address(REMOTE)]);
    // Signalled at last, it is another kind of candidate with another priority; the selection stands.
    bench.trickle(typed("2", "srflx", 1, REMOTE));
    bench.run_answering(at(2_000), no_delay);
    assert_eq!(bench.selections(), [address(REMOTE)]);
    assert_eq!(bench.agent.route(bench.component()).unwrap().path().remote(), address(REMOTE));
}

/// Proves: rfc8445-7.3.1.3-3
/// Lesson: L-11
#[test]
fn a_selected_pair_keeps_its_place_when_its_candidate_is_signalled_late() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(LOCAL);
    bench.remote();
    bench.peer_checks(false);
    bench.run_answering(at(2_000), no_delay);
    assert_eq!(bench.selections(), [address(REMOTE)]);
    let (id, before) = {
        let pair = bench.agent.pairs(bench.stream).find(|pair| pair.is_selected()).unwrap();
        assert_eq!(pair.remote().kind(), CandidateKind::PeerReflexive);
        (pair.id(), pair.priority())
    };
    bench.trickle(typed("7", "srflx", 77, REMOTE));
    let pair = bench.agent.pair(id).unwrap();
    assert_eq!(pair.remote().kind(), CandidateKind::ServerReflexive);
    assert_ne!(pair.priority(), before);
    assert!(pair.is_selected() && pair.is_nominated() && pair.is_valid());
    assert_eq!((pair.remote().priority().get(), pair.remote().foundation().to_string()), (77, "7".into()));
    assert_eq!(bench.agent.pairs(bench.stream).count(), 1, "it is the same pair");
    bench.run_answering(at(4_000), no_delay);
    assert_eq!(bench.states().last(), Some(&StreamState::Completed));
    assert_eq!(bench.events.iter().filter(|(_, event)| is_selected(event)).count(), 1);
}

/// Proves: rfc8445-7.2.5.3.4-2, rfc8863-4-9
/// Scenario: S-20
#[test]
fn a_failed_nomination_ends_the_pair_and_the_stream_fails_once_its_patience_is_over() {
    let mut bench = Bench::new(Role::Controlling);
    bench.end_of_candidates();
    let check = bench.next_check();
    bench.answer(&check);
    let nominating = bench.next_check();
    let error = bench.error(&nominating, ErrorCode::BAD_REQUEST);
    bench.feed(&error);
    assert_eq!(bench.pair_states(), [(address(REMOTE), PairState::Failed)]);
    assert!(bench.agent.pairs(bench.stream).all(|pair| !pair.is_valid()));
    assert!(bench.agent.route(bench.component()).is_none());
    bench.run_until(at(39_499));
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Running));
    bench.run_until(at(39_500));
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Failed));
    assert!(matches!(bench.agent.state(bench.stream), Some(StreamState::Failed(Reason::Check(_)))));
}

/// Proves: rfc8445-7.2.5.3.4-2
/// Scenario: S-20
#[test]
fn after_a_nomination_that_nobody_answered_the_next_valid_pair_is_nominated() {
    let mut bench = three_pairs(Config::new(), Role::Controlling);
    bench.end_of_candidates();
    // The best path dies once it has been validated.
    bench.run_answering(at(120_000), |check| {
        (check.path.remote() != address(HIGH) || !check.use_candidate).then_some(ms(5))
    });
    assert_eq!(nominated(&bench), [address(HIGH), address(MIDDLE)]);
    assert_eq!(bench.selections(), [address(MIDDLE)]);
    assert!(
        bench.agent.pairs(bench.stream).all(|pair| pair.path().remote() != address(HIGH) || !pair.is_valid())
    );
}

/// A nomination that has nowhere to go any more must not stand in the way of the next one.
#[test]
fn when_the_pair_being_nominated_is_withdrawn_another_is_nominated() {
    let mut bench = three_pairs(Config::new(), Role::Controlling);
    bench.end_of_candidates();
    let answers = |check: &Sent| (!check.use_candidate).then_some(ms(5));
    bench.run_answering(at(1_000), answers);
    assert_eq!(nominated(&bench), [address(HIGH)]);
    let withdrawn = bench.agent.remote_candidates(bench.stream);
    let withdrawn =
        withdrawn.filter(|(_, it)| it.ip() == Some(address(HIGH))).map(|(id, _)| id).next().unwrap();
    bench.agent.remove_remote_candidate(bench.now, bench.stream, withdrawn).unwrap();
    bench.drain();
    bench.run_answering(at(2_000), no_delay);
    assert_eq!(bench.selections(), [address(MIDDLE)]);
}

/// Proves: rfc8445-8.1.1-7, rfc8445-8.1.2-2, rfc8445-6.1.2.1-2
/// Scenario: S-21
#[test]
fn a_stream_is_completed_by_the_nomination_of_its_last_component() {
    let mut bench = two_components(Config::new(), Role::Controlling);
    let second = address("198.51.100.1:3001");
    bench.run_answering(at(5_000), |check| {
        (check.path.remote() != second || !check.use_candidate).then_some(ms(5))
    });
    assert_eq!(nominated(&bench), [address(REMOTE), second]);
    assert_eq!(bench.selections(), [address(REMOTE)]);
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Running));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Connected));
    let nominating = bench.checks().into_iter().rfind(|check| check.use_candidate).unwrap();
    bench.answer(&nominating);
    assert_eq!(bench.selections(), [address(REMOTE), second]);
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Completed));
    assert_eq!(bench.agent.session_state(), CheckListState::Completed);
    assert_eq!(bench.states(), [StreamState::Checking, StreamState::Connected, StreamState::Completed]);
}

/// Proves: rfc8445-8.1.2-1, rfc8445-7.2.5.3.4-5
/// Scenario: S-21
#[test]
fn nomination_ends_the_other_pairs_of_its_component_and_late_answers_do_no_harm() {
    let mut bench = two_components(manual().consent(false), Role::Controlling);
    // Component 1 has two more pairs: one will be under way, one waiting for its triggered check.
    bench.trickle(typed("5", "host", 50, LOW));
    bench.trickle(typed("6", "host", 40, MIDDLE));
    bench.run_answering(at(1_000), |check| (check.path.remote() == address(REMOTE)).then_some(ms(5)));
    let late = bench.checks().into_iter().find(|check| check.path.remote() == address(LOW)).unwrap();
    let pair =
        bench.agent.pairs(bench.stream).find(|pair| pair.path().remote() == address(REMOTE)).unwrap().id();
    bench.agent.nominate(bench.now, pair).unwrap();
    let nominating = bench.next_check();
    assert!(nominating.use_candidate);
    let check = bench.peer_check();
    bench.feed_on(LOCAL, MIDDLE, &check.encode());
    bench.answer(&nominating);
    let listed = bench.pair_states().into_iter().map(|(remote, _)| remote).collect::<Vec<_>>();
    assert_eq!(listed, [address(REMOTE), address("198.51.100.1:3001")], "component 2 goes on");
    let (before, events) = (bench.requests().len(), bench.events.len());
    bench.answer(&late);
    bench.run_for(ms(60_000));
    let after = &bench.requests()[before..];
    assert!(after.iter().all(|request| request.path.remote() == address("198.51.100.1:3001")), "{after:?}");
    assert!(bench.events[events..].iter().all(|(_, event)| !is_selected(event)));
}

/// Proves: rfc8445-8.1.2-1
#[test]
fn a_candidate_that_comes_after_the_nomination_is_not_checked() {
    let mut bench = Bench::new(Role::Controlling);
    bench.run_answering(at(1_000), no_delay);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    let _ = bench.agent.add_remote_candidate(bench.now, bench.stream, typed("9", "host", 9, HIGH));
    bench.base("192.0.2.1:1001");
    bench.run_answering(at(5_000), no_delay);
    let strayed = bench
        .checks()
        .into_iter()
        .filter(|check| check.path.remote() != address(REMOTE) || check.path.local() != address(LOCAL));
    assert_eq!(strayed.count(), 0);
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Completed));
}

/// Proves: rfc8445-8.1.2-3, rfc8445-8.3.1-1
#[test]
fn checks_are_answered_after_completion_on_every_pair() {
    let mut bench = three_pairs(Config::new(), Role::Controlling);
    bench.base("192.0.2.1:1001");
    bench.run_answering(at(1_000), no_delay);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    bench.run_answering(at(3_900), no_delay);
    for local in [LOCAL, "192.0.2.1:1001"] {
        for remote in [LOW, MIDDLE, HIGH, "198.51.100.44:4"] {
            let check = bench.peer_check();
            assert_eq!(bench.feed_on(local, remote, &check.encode()), Fed::Control);
            let answer = bench.last_answer().unwrap();
            assert_eq!((answer.id, answer.mapped), (check.id, Some(address(remote))));
        }
    }
}

/// Proves: rfc8445-7.2.5.3.1-1, rfc8445-7.2.5.3.2-1
/// Scenario: S-18
#[test]
fn behind_a_nat_the_pair_of_the_mapped_address_is_nominated_and_data_leaves_from_its_base() {
    let mut bench = Bench::new(Role::Controlling);
    let mapped = address("203.0.113.9:9999");
    for _ in 0..2 {
        let check = bench.next_check();
        let answer = bench.success(&check, mapped);
        bench.feed(&answer);
    }
    let pairs: Vec<_> = bench.agent.pairs(bench.stream).collect();
    let selected = pairs.iter().find(|pair| pair.is_selected()).unwrap();
    assert!(selected.is_nominated() && !selected.is_listed());
    assert_eq!(selected.local().kind(), CandidateKind::PeerReflexive);
    assert_eq!(selected.local().ip(), Some(mapped));
    let checked = pairs.iter().find(|pair| pair.is_listed()).unwrap();
    assert!(!checked.is_nominated() && !checked.is_valid());
    let route = bench.agent.route(bench.component()).unwrap();
    assert_eq!((route.path().local(), route.path().remote()), (address(LOCAL), address(REMOTE)));
}

/// Proves: rfc8445-7.3.1.4-2
/// Lesson: L-20
#[test]
fn the_checks_of_the_peer_cause_none_of_ours_once_a_pair_is_selected() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut bench = Bench::new(role);
        bench.peer_checks(role == Role::Controlled);
        bench.run_answering(at(1_000), no_delay);
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
        let before = bench.requests().len();
        for _ in 0..200 {
            bench.peer_checks(role == Role::Controlled);
            bench.run_answering(bench.now + Duration::from_micros(1_500), no_delay);
        }
        assert_eq!(bench.requests().len(), before, "{role}");
    }
}

/// Refuses every nomination.
#[derive(Debug)]
struct Never;

impl floe::ice::Policy for Never {
    fn accepts_nomination(&self, _: floe::Path) -> bool {
        false
    }
}

/// Proves: rfc8445-7.3.1.5-3
#[test]
fn a_nomination_that_the_policy_refuses_is_answered_with_a_signed_400() {
    let config = || Config::new().policy(std::sync::Arc::new(Never));
    let mut bench = Bench::with(config(), Role::Controlled);
    let check = bench.next_check();
    bench.answer(&check);
    assert_eq!(bench.peer_checks(true), Fed::Ignored(Ignored::Refused));
    let answer = bench.last_answer().unwrap();
    assert_eq!(answer.error, Some(400));
    let local = bench.agent.local_credentials(bench.stream).unwrap();
    assert!(answer.is_signed_with(local.password()));
    bench.run_for(ms(5_000));
    assert!(bench.selections().is_empty());
    // The same check without the nomination is as welcome as any.
    assert_eq!(bench.peer_checks(false), Fed::Control);
}

/// Two bases whose checks were seen under one address have one valid pair between them. The nomination by one of them fails;
/// the check by the other one still stands.
#[test]
fn a_nomination_that_fails_leaves_a_valid_pair_that_another_check_has_found_as_well() {
    const SECOND: &str = "192.0.2.2:1000";
    let mut bench = Bench::new(Role::Controlling);
    bench.base(SECOND);
    let checks = [bench.next_check(), bench.next_check()];
    for check in &checks {
        let answer = bench.success(check, address("203.0.113.1:4000"));
        bench.feed_path(check.path, &answer);
    }
    assert_eq!(bench.agent.pairs(bench.stream).filter(|pair| pair.is_valid()).count(), 1);
    bench.end_of_candidates();
    let nominating = bench.next_check();
    assert!(nominating.use_candidate);
    bench.run_until(nominating.at + ms(39_600));
    assert!(bench.agent.route(bench.component()).is_some());
    let again = bench.checks().last().cloned().unwrap();
    assert!(again.use_candidate && again.path.local() != nominating.path.local());
    bench.answer(&again);
    assert_eq!(bench.selections(), [address(REMOTE)]);
}

/// A peer whose address has changed nominates the pair that it is found on now, which ranks as the one before does. Without
/// renomination it takes a better pair to move the selection, and of two that rank alike the one found last.
///
///
/// Proves: renom-v1-1
/// Lesson: L-08
#[test]
fn of_two_nominated_pairs_that_rank_alike_the_one_found_last_is_selected() {
    for (lite, announced) in [(false, "ice2"), (false, "ice2 renomination"), (true, "ice2")] {
        let mut bench = Bench::bare(Config::new().lite(lite), Role::Controlled);
        bench.base(LOCAL);
        bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
        let remote = Remote::new(harness::remote_credentials()).options(announced);
        bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
        for (n, from) in (1..).zip([MIDDLE, HIGH, LOW]) {
            let numbered = (AttributeType::new(0xc001), vec![0, 0, 0, n]);
            let check = PeerCheck { use_candidate: true, extra: vec![numbered], ..bench.peer_check() };
            assert_eq!(bench.feed_on(LOCAL, from, &check.encode()), Fed::Control);
            bench.run_answering(bench.now + ms(200), no_delay);
            assert_eq!(bench.agent.route(bench.component()).unwrap().path().remote(), address(from));
        }
        let pairs: Vec<_> = bench.agent.pairs(bench.stream).map(|pair| pair.priority()).collect();
        assert!(pairs.windows(2).all(|two| two[0] == two[1]), "{pairs:?}");
        assert_eq!(bench.selections(), [MIDDLE, HIGH, LOW].map(address), "{announced}");
    }
}

/// The pair that data uses dies with its nomination on the way. Once consent is lost the nomination is, too, and the next pair
/// has its turn; and nothing more is asked on a path that is lost.
///
/// Proves: rfc7675-5.1-17
#[test]
fn a_nomination_on_a_path_that_is_lost_gives_way_to_the_next_pair() {
    let mut bench = three_pairs(Config::new(), Role::Controlling);
    let dead = address(HIGH);
    bench.run_answering(at(60_000), |check| {
        (check.path.remote() != dead || (!check.use_candidate && check.at < at(300))).then_some(ms(20))
    });
    assert_eq!(nominated(&bench)[0], dead);
    let late =
        bench.requests().into_iter().filter(|it| it.path.remote() == dead && it.at > at(30_400)).count();
    assert_eq!(late, 0, "asked on a path that is lost");
    let selected = bench.events.iter().find(|(_, event)| is_selected(event)).map(|(at, _)| *at);
    assert!(selected.is_some_and(|when| when < at(32_000)), "{selected:?}");
    assert_eq!(bench.selections(), [address(MIDDLE)]);
}
