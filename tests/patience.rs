//! When a stream fails, and when it must not yet (RFC 8863, RFC 8838 sections 8 and 14), and what a socket's errors have
//! to do with it (RFC 8445 section 7.2.5.2.2).

mod harness;

use floe::ice::{CheckListState, Nomination, PairState, Role};
use floe::stun::{ErrorCode, Rto};
use floe::{Base, Config, Event, Path, Reason, Remote, Server, ServerError, StreamState, Timestamp};
use harness::{Bench, LOCAL, REMOTE, address, at, candidate, host, ms, no_delay, typed};

const OTHER: &str = "198.51.100.1:2002";

fn path(remote: &str) -> Path {
    Path::udp(address(LOCAL), address(remote))
}

fn is_failed(event: &Event) -> bool {
    matches!(event, Event::State { state: StreamState::Failed(_), .. })
}

fn failed_at(bench: &Bench) -> Option<Timestamp> {
    bench.events.iter().find(|(_, event)| is_failed(event)).map(|(at, _)| *at)
}

fn state_of(bench: &Bench, remote: &str) -> PairState {
    bench.pair_states().into_iter().find(|(address, _)| *address == harness::address(remote)).unwrap().1
}

/// The peer rejects the only check at once: nothing is left to check.
fn reject_the_check(bench: &mut Bench) {
    let check = bench.next_check();
    let error = bench.error(&check, ErrorCode::BAD_REQUEST);
    bench.feed_path(check.path, &error);
    assert_eq!(state_of(bench, REMOTE), PairState::Failed);
}

/// Proves: rfc8863-4-1, rfc8863-4-2, rfc8863-4-3, rfc8863-4-4, rfc8445-7.2.5.4-1
/// Lesson: L-18, L-13
#[test]
fn a_stream_with_nothing_left_fails_after_39500_ms_and_not_before() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(LOCAL);
    bench.run_for(ms(7_000));
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.end_of_candidates();
    reject_the_check(&mut bench);
    assert_eq!(bench.agent.deadline(), Some(at(46_500)), "39.5 s after the peer's credentials");
    bench.run_until(at(46_499));
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Running));
    assert_eq!(bench.states(), [StreamState::Checking]);
    bench.run_until(at(46_500));
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Failed));
    assert_eq!(bench.agent.session_state(), CheckListState::Failed);
    assert_eq!(failed_at(&bench), Some(at(46_500)));
}

/// Proves: rfc8863-4-2
#[test]
fn the_patience_of_a_stream_is_configurable() {
    let mut bench = Bench::with(Config::new().patience_for_checks(ms(5_000)), Role::Controlled);
    bench.end_of_candidates();
    reject_the_check(&mut bench);
    bench.run_for(ms(60_000));
    assert_eq!(failed_at(&bench), Some(at(5_000)));
}

/// Proves: rfc8863-4-1, rfc8863-3.1-1
#[test]
fn without_any_candidates_a_stream_waits_for_its_peer_all_the_same() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(LOCAL);
    bench
        .agent
        .set_remote(bench.now, bench.stream, Remote::new(harness::remote_credentials()).complete())
        .unwrap();
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.drain();
    bench.run_for(ms(60_000));
    assert_eq!(failed_at(&bench), Some(at(39_500)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Failed(Reason::NoPairs)));
}

/// Proves: rfc8838-8-1, rfc8838-8-3, rfc8838-14-1, rfc8863-5-1
/// Scenario: S-36
/// Lesson: L-18
#[test]
fn failure_comes_with_the_last_of_its_four_reasons_whatever_their_order() {
    #[derive(Clone, Copy, Debug)]
    enum Fact {
        Gathered,
        RemoteEnded,
        Patience,
    }
    use Fact::{Gathered, Patience, RemoteEnded};
    for order in [
        [Gathered, RemoteEnded, Patience],
        [Gathered, Patience, RemoteEnded],
        [RemoteEnded, Gathered, Patience],
        [RemoteEnded, Patience, Gathered],
        [Patience, Gathered, RemoteEnded],
        [Patience, RemoteEnded, Gathered],
    ] {
        let mut bench = Bench::new(Role::Controlling);
        reject_the_check(&mut bench);
        for (index, fact) in order.into_iter().enumerate() {
            bench.run_for(ms(1_000));
            assert_eq!(failed_at(&bench), None, "{order:?}, before fact {index}");
            assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Running));
            match fact {
                Gathered => bench.agent.end_of_bases(bench.now, bench.stream).unwrap(),
                RemoteEnded => bench.agent.end_of_remote_candidates(bench.now, bench.stream).unwrap(),
                Patience => bench.run_until(at(39_500)),
            }
            bench.drain();
        }
        assert_eq!(failed_at(&bench), Some(bench.now), "{order:?}");
    }
}

/// Proves: rfc8863-4-5
#[test]
fn failure_waits_for_the_checks_under_way_when_patience_ends() {
    let config = Config::new().rto(Rto::new(ms(2_000)));
    let mut bench = Bench::with(config, Role::Controlling);
    bench.end_of_candidates();
    bench.run_for(ms(200_000));
    assert_eq!(failed_at(&bench), Some(at(4 * 39_500)));
}

/// Proves: rfc8863-4-6
#[test]
fn patience_means_nothing_to_a_stream_that_has_its_pair() {
    for nomination in [Nomination::default(), Nomination::Manual] {
        let mut bench = Bench::with(Config::new().nomination(nomination), Role::Controlling);
        bench.end_of_candidates();
        bench.run_answering(at(1_000), no_delay);
        let states = bench.states();
        assert_ne!(bench.agent.deadline(), Some(at(39_500)));
        bench.run_answering(at(60_000), no_delay);
        assert_eq!(bench.states(), states, "{nomination:?}");
    }
}

/// Proves: rfc8863-3.1-1
/// Scenario: S-37
#[test]
fn a_peer_without_candidates_is_found_by_its_checks() {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    bench.base(LOCAL);
    bench.remote();
    bench.end_of_candidates();
    bench.run_until(at(10_000));
    assert_eq!(bench.states(), [StreamState::Checking]);
    bench.peer_checks(true);
    bench.run_answering(at(11_000), no_delay);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    assert_eq!(bench.selections(), [address(REMOTE)]);
}

/// Proves: rfc8863-3.2-1
#[test]
fn a_peer_with_useless_candidates_is_found_by_its_checks() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(LOCAL);
    bench.remote();
    bench.trickle(typed("1", "host", 100, "[2001:db8::1]:2000"));
    bench.end_of_candidates();
    bench.run_until(at(30_000));
    assert!(bench.pair_states().is_empty());
    assert_eq!(bench.states(), [StreamState::Checking]);
    bench.peer_checks(false);
    bench.run_answering(at(31_000), no_delay);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// Proves: rfc8863-3.3-1, rfc8445-7.2.5.2.2-1
/// Scenario: S-68
#[test]
fn errors_of_the_socket_on_every_pair_do_not_fail_the_stream_before_its_patience_ends() {
    let mut bench = Bench::new(Role::Controlling);
    bench.trickle(typed("2", "host", 77, OTHER));
    bench.end_of_candidates();
    for _ in 0..2 {
        let check = bench.next_check();
        bench.agent.handle_transmit_error(bench.now, check.path);
        bench.drain();
    }
    assert!(bench.pair_states().iter().all(|(_, state)| *state == PairState::Failed));
    bench.run_until(at(20_000));
    assert_eq!(bench.states(), [StreamState::Checking]);
    // The peer's check revives a pair.
    let check = bench.peer_check();
    bench.feed_on(LOCAL, OTHER, &check.encode());
    bench.run_answering(at(21_000), no_delay);
    assert_eq!(bench.selections(), [address(OTHER)]);
    // A port unreachable that somebody made up harms nothing.
    bench.agent.handle_transmit_error(bench.now, path(OTHER));
    bench.drain();
    bench.run_answering(at(60_000), no_delay);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// Proves: rfc8445-7.2.5.2.2-1
/// Scenario: S-68
#[test]
fn errors_of_the_socket_may_be_ignored_altogether() {
    let mut bench = Bench::with(Config::new().heed_transmit_errors(false), Role::Controlling);
    let check = bench.next_check();
    bench.agent.handle_transmit_error(bench.now, check.path);
    bench.drain();
    assert_eq!(state_of(&bench, REMOTE), PairState::InProgress(check.id));
}

/// Proves: rfc8838-A-1
#[test]
fn an_error_on_the_only_pair_does_not_fail_a_stream_that_expects_more() {
    let mut bench = Bench::new(Role::Controlling);
    let check = bench.next_check();
    bench.agent.handle_transmit_error(bench.now, check.path);
    bench.run_until(at(120_000));
    assert_eq!(state_of(&bench, REMOTE), PairState::Failed);
    assert_eq!(bench.states(), [StreamState::Checking]);
    bench.trickle(typed("2", "host", 77, OTHER));
    bench.run_answering(at(121_000), no_delay);
    assert_eq!(bench.selections(), [address(OTHER)]);
}

/// Proves: rfc8445-7.2.5.2.2-1, rfc8445-7.2.5.2.2-2
/// Lesson: L-16
#[test]
fn an_error_on_one_path_fails_its_pair_alone_and_the_others_keep_their_schedules() {
    let run = |error: bool| {
        let mut bench = Bench::new(Role::Controlling);
        bench.trickle(typed("2", "host", 77, OTHER));
        bench.run_until(at(100));
        if error {
            bench.agent.handle_transmit_error(bench.now, path(OTHER));
        }
        bench.run_until(at(39_000));
        let to_first = bench.requests().into_iter().filter(|it| it.path.remote() == address(REMOTE));
        let schedule: Vec<Timestamp> = to_first.map(|request| request.at).collect();
        let to_other = bench.requests().into_iter().filter(|it| it.path.remote() == address(OTHER)).count();
        (schedule, to_other, state_of(&bench, OTHER) == PairState::Failed)
    };
    let (schedule, silent, failed) = run(false);
    assert_eq!((schedule.len(), silent, failed), (7, 7, false));
    assert_eq!(run(true), (schedule, 1, true));
}

/// Lesson: L-18
#[test]
fn a_failure_is_final() {
    let mut bench = Bench::new(Role::Controlling);
    bench.end_of_candidates();
    reject_the_check(&mut bench);
    bench.run_until(at(40_000));
    assert!(failed_at(&bench).is_some());
    let events = bench.events.len();
    bench.peer_checks(false);
    bench.run_answering(at(60_000), no_delay);
    assert_eq!(bench.events.len(), events);
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Failed));
}

/// Proves: rfc8445-6.1.4.2-5
/// Lesson: R-34, L-21
#[test]
fn a_stream_that_has_failed_waits_for_nothing() {
    // One component has a pair whose nomination is under way when the stream fails for want of the other.
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    bench.base_of(1, LOCAL);
    bench.base_of(2, "192.0.2.1:1001");
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.trickle(host("2", 2, "198.51.100.1:3001"));
    bench.run_answering(at(38_000), |_| None);
    bench.end_of_candidates();
    bench.peer_checks(false);
    bench.run_answering(at(39_400), |check| (!check.use_candidate).then_some(ms(0)));
    bench.run_answering(at(39_600), |_| None);
    assert!(failed_at(&bench).is_some(), "{:?}", bench.states());
    assert_eq!(bench.agent.deadline(), None);
    let sent = bench.sent.len();
    bench.run_for(ms(120_000));
    assert_eq!(bench.sent.len(), sent);
}

/// Proves: rfc8838-8-1, rfc8838-11-1
/// Lesson: R-13
#[test]
fn a_stream_without_local_candidates_keeps_checking_until_they_come() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.run_until(at(10_000));
    assert_eq!(bench.states(), [StreamState::Checking]);
    bench.base(LOCAL);
    bench.run_answering(at(11_000), no_delay);
    assert_eq!(bench.states(), [StreamState::Checking, StreamState::Connected, StreamState::Completed]);
}

/// Proves: rfc8863-4-1
/// Lesson: R-16
#[test]
fn every_change_of_what_is_waited_for_shows_in_the_deadline_at_once() {
    let mut bench = Bench::bare(Config::new().gathering_limit(ms(3_000)), Role::Controlling);
    assert_eq!(bench.agent.deadline(), None);
    bench.agent.add_server(bench.now, Server::stun(address("203.0.113.1:3478"))).unwrap();
    let base = bench.base(LOCAL);
    assert_eq!(bench.agent.deadline(), Some(at(0)), "a server is to be asked");
    bench.run_until(at(10));
    assert_eq!(bench.agent.deadline(), Some(at(500)), "and asked again");
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    assert_eq!(bench.agent.deadline(), Some(at(50)), "a check may leave in the next slot");
    bench.run_until(at(3_500));
    bench.agent.remove_base(bench.now, base).unwrap();
    bench.drain();
    assert_eq!(bench.agent.deadline(), None, "what was repeated has gone");
    bench.end_of_candidates();
    assert_eq!(bench.agent.deadline(), Some(at(39_510)), "the stream is to fail");
    bench.agent.close_stream(bench.now, bench.stream).unwrap();
    bench.drain();
    assert_eq!(bench.agent.deadline(), None);
}

/// Proves: rfc8489-6.2.1-8
/// Lesson: R-39
#[test]
fn a_server_that_cannot_be_sent_to_ends_at_once_and_gathering_with_it() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    let server = bench.agent.add_server(bench.now, Server::stun(address("[2001:db8::53]:3478"))).unwrap();
    let component = bench.component();
    let local = address("[2001:db8::1]:1000");
    bench.agent.add_base(bench.now, component, Base::udp(local)).unwrap();
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.run_until(at(10));
    assert_eq!(bench.agent.is_gathering_complete(bench.stream), Some(false));
    bench.agent.handle_transmit_error(bench.now, Path::udp(local, address("[2001:db8::53]:3478")));
    bench.drain();
    assert!(bench.saw(|event| matches!(
        event,
        Event::ServerFailed { server: failed, error: ServerError::Unreachable, .. } if *failed == server
    )));
    assert_eq!(bench.agent.is_gathering_complete(bench.stream), Some(true));
    assert!(bench.saw(|event| matches!(event, Event::GatheringComplete { .. })));
    assert_eq!(bench.agent.deadline(), None);
}

/// Proves: rfc8445-6.1.4.2-5
/// Lesson: R-27
#[test]
fn a_silent_peer_costs_a_bounded_number_of_wakeups() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(LOCAL);
    bench.remote();
    for n in 1..=20 {
        bench.trickle(candidate(&format!("candidate:{n} 1 udp {n} 198.51.100.{n} 2000 typ host")));
    }
    bench.end_of_candidates();
    let mut wakeups = 0;
    while let Some(deadline) = bench.agent.deadline() {
        // `run_until` asserts that every timeout leaves a deadline in the future.
        bench.run_until(deadline);
        wakeups += 1;
        assert!(wakeups <= 400, "more wakeups than transmissions, timeouts and slots");
    }
    assert!(failed_at(&bench).is_some());
}

/// A peer that trickles and never says that it has no more candidates keeps a stream waiting, unless the end of patience
/// stands in for the end of candidates; a candidate that came before it is still checked to the end.
///
/// Proves: rfc8863-5-2
#[test]
fn the_end_of_patience_may_stand_in_for_the_end_of_candidates() {
    for (presumed, late) in [(false, false), (true, false), (true, true)] {
        let config = Config::new().presume_end_of_candidates(presumed);
        let mut bench = Bench::with(config, Role::Controlling);
        bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
        if late {
            bench.run_until(at(20_000));
            bench.trickle(host("2", 1, "198.51.100.2:2000"));
        }
        bench.run_until(at(39_499));
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Checking));
        bench.run_until(at(39_500));
        let failed = Some(StreamState::Failed(Reason::Timeout));
        assert_eq!(bench.agent.state(bench.stream) == failed, presumed && !late);
        bench.run_until(at(60_000));
        assert_eq!(bench.agent.state(bench.stream) == failed, presumed);
    }
}

/// With nothing under way the end of patience is a deadline of its own.
///
/// Proves: rfc8863-5-2
#[test]
fn a_stream_without_pairs_wakes_up_for_the_end_that_it_presumes() {
    let mut bench = Bench::bare(Config::new().presume_end_of_candidates(true), Role::Controlling);
    bench.base(LOCAL);
    bench.remote();
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.drain();
    assert_eq!(bench.agent.deadline(), Some(at(39_500)));
    bench.run_until(at(39_500));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Failed(Reason::NoPairs)));
}
