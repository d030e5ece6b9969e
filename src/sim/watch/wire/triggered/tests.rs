//! INV-40 speaks where a triggered check is missing, late or overtaken, and is silent where it is right that there is none.

use core::time::Duration;

use super::*;
use crate::ice::{Credentials, Nomination, Role};
use crate::sim::watch::bench::{Bench, address, at, path};
use crate::sim::watch::wire::CONSENT;
use crate::stun::ErrorCode;
use crate::{Config, Limits, Received};

const MS: Duration = Duration::from_millis(1);
const LOCAL: &str = "192.0.2.1:1000";

/// The pair that comes first in the list.
fn first() -> Path {
    path(LOCAL, "198.51.100.1:2000")
}

/// That which the peer checks.
fn second() -> Path {
    path(LOCAL, "198.51.100.1:2001")
}

/// Nominates nothing unless the test does.
fn manual() -> Config {
    Config::new().nomination(Nomination::Manual)
}

/// The two pairs, with these foundations, of an agent that begins now.
fn two(now: Timestamp, config: Config, foundations: [&str; 2]) -> Bench {
    let mut bench = Bench::new(config, Role::Controlling, 1);
    bench.now = now;
    bench.base(1, LOCAL);
    bench.remote("trickle ice2 renomination");
    for (foundation, path) in foundations.into_iter().zip([first(), second()]) {
        bench.trickle(foundation, 1, path.remote());
    }
    bench
}

/// The second pair is frozen behind the first.
fn frozen() -> Bench {
    frozen_at(Timestamp::ZERO)
}

fn frozen_at(now: Timestamp) -> Bench {
    let bench = two(now, manual(), ["1", "1"]);
    assert_eq!(bench.state(second()), PairState::Frozen);
    bench
}

fn waiting() -> Bench {
    let bench = two(Timestamp::ZERO, manual(), ["1", "2"]);
    assert_eq!(bench.state(second()), PairState::Waiting);
    bench
}

fn in_progress() -> Bench {
    let mut bench = waiting();
    bench.run_until(at(200));
    assert!(matches!(bench.state(second()), PairState::InProgress(_)));
    bench
}

fn failed() -> Bench {
    let mut bench = in_progress();
    bench.refuse(bench.check_on(second()), &ErrorCode::BAD_REQUEST);
    assert_eq!(bench.state(second()), PairState::Failed);
    bench
}

fn succeeded() -> Bench {
    let mut bench = in_progress();
    bench.answer(bench.check_on(second()));
    assert_eq!(bench.state(second()), PairState::Succeeded);
    bench
}

/// The peer checks the second pair, and the agent knows nothing of it.
fn miss(bench: &mut Bench) {
    let (request, answer) = bench.peer_check();
    bench.pretend(second(), &request, Some(answer));
}

fn is_missed(mut bench: Bench) -> bool {
    assert_eq!(bench.violation(), None);
    miss(&mut bench);
    bench.broke("INV-40: a check on")
}

fn count_on(bench: &Bench, path: Path) -> usize {
    bench.checks().iter().filter(|check| check.path == path).count()
}

#[test]
fn a_check_triggers_one_on_a_pair_in_whatever_state_but_succeeded() {
    for (mut bench, more) in [(frozen(), 1), (in_progress(), 1), (failed(), 1), (succeeded(), 0)] {
        let (before, (request, _)) = (count_on(&bench, second()), bench.peer_check());
        bench.hear(second(), &request);
        bench.run_until(bench.now + 200 * MS);
        assert_eq!(count_on(&bench, second()), before + more);
        assert_eq!(bench.violation(), None);
    }
}

#[test]
fn a_check_that_triggers_none_is_reported_unless_one_waits_or_has_succeeded() {
    assert!(is_missed(frozen()) && is_missed(in_progress()) && is_missed(failed()));
    assert!(!is_missed(waiting()) && !is_missed(succeeded()));
}

#[test]
fn only_what_was_granted_triggers() {
    let mut bench = frozen();
    let (request, _) = bench.peer_check();
    bench.pretend(second(), &request, None);
    let (_, of_another) = bench.peer_check();
    let (request, answer) = bench.peer_check();
    bench.pretend(second(), &request, Some(of_another));
    assert_eq!(bench.violation(), None);
    bench.pretend(second(), &request, Some(bench.refusal(&answer)));
    assert_eq!(bench.violation(), None);
    bench.pretend(second(), &request, Some(answer));
    assert!(bench.broke("INV-40: a check on"));
}

/// World 3075679 with an enemy: one read of a stream has brought two requests under one id, of which the first was granted, and
/// was not the peer's.
#[test]
fn of_two_requests_under_one_id_it_is_not_known_which_was_granted() {
    for twice in [false, true] {
        let mut bench = frozen();
        let (request, answer) = bench.peer_check();
        for _ in 0..usize::from(twice) {
            bench.watch.datagram(&bench.agent, bench.now, second(), &request);
            bench.watch.received(second(), &Received::Control);
        }
        bench.pretend(second(), &request, Some(answer));
        assert_eq!(bench.broke("INV-40: a check on"), !twice);
    }
}

#[test]
fn a_generation_of_the_peers_that_is_over_or_to_come_triggers_none() {
    let mut bench = frozen();
    let (request, answer) = bench.peer_check_by("another");
    bench.pretend(second(), &request, Some(answer));
    assert_eq!(bench.violation(), None);
}

#[test]
fn a_generation_of_ours_that_is_over_triggers_none() {
    let mut bench = frozen();
    let (request, answer) = bench.peer_check_by("again");
    bench.command(|agent, now, stream| agent.restart(now, stream).unwrap());
    bench.peer = Credentials::new("again", "anotherpasswordofthepeer").unwrap();
    bench.remote("trickle ice2");
    for path in [first(), second()] {
        bench.trickle("1", 1, path.remote());
    }
    assert_eq!(
        (bench.state(second()), bench.agent.remote_ufrag(bench.stream)),
        (PairState::Frozen, Some("again"))
    );
    bench.pretend(second(), &request, Some(answer));
    assert_eq!(bench.violation(), None);
    assert!(is_missed(bench));
}

#[test]
fn a_path_that_no_listed_pair_is_on_is_none_to_be_checked() {
    let mut bench = frozen();
    let (request, answer) = bench.peer_check();
    bench.pretend(path(LOCAL, "198.51.100.1:2009"), &request, Some(answer));
    assert_eq!(bench.violation(), None);
}

#[test]
fn a_stream_that_has_failed_checks_no_more() {
    let mut bench = two(Timestamp::ZERO, manual().patience_for_checks(Duration::ZERO), ["1", "2"]);
    bench.command(|agent, now, stream| {
        agent.end_of_bases(now, stream).unwrap();
        agent.end_of_remote_candidates(now, stream).unwrap();
    });
    bench.run_until(at(200));
    for path in [first(), second()] {
        assert!(!matches!(bench.agent.state(bench.stream), Some(StreamState::Failed(_))));
        bench.refuse(bench.check_on(path), &ErrorCode::BAD_REQUEST);
    }
    assert!(matches!(bench.agent.state(bench.stream), Some(StreamState::Failed(_))));
    assert_eq!(bench.state(second()), PairState::Failed);
    assert!(!is_missed(bench));
}

#[test]
fn a_component_that_has_its_pair_checks_no_more_and_another_does() {
    let selected_for = |component: u16| {
        let mut bench = Bench::new(manual(), Role::Controlling, 2);
        bench.base(1, LOCAL);
        bench.base(2, "192.0.2.1:1001");
        bench.remote("trickle ice2 renomination");
        let selected = match component {
            1 => path(LOCAL, "198.51.100.1:2002"),
            _ => path("192.0.2.1:1001", "198.51.100.1:2002"),
        };
        bench.trickle("1", component, selected.remote());
        bench.run_until(at(200));
        bench.answer(bench.check_on(selected));
        let pair = bench.pair(selected).id();
        bench.command(|agent, now, _| agent.nominate(now, pair).unwrap());
        bench.run_until(at(400));
        bench.answer(bench.check_on(selected));
        assert!(bench.pair(selected).is_selected());
        // Whoever has moved is followed up: a check of his own is triggered.
        let (request, _) = bench.peer_check();
        bench.hear(second(), &request);
        bench.run_until(at(600));
        assert!(matches!(bench.state(second()), PairState::InProgress(_)));
        bench
    };
    assert!(!is_missed(selected_for(1)));
    assert!(is_missed(selected_for(2)));
}

#[test]
fn what_comes_by_way_of_a_relay_may_have_failed_on_one_path_of_many() {
    let relayed = |mut bench: Bench| {
        let server = path("192.0.2.1:4000", "198.51.100.7:3478");
        bench.watch.wire.relays.relayed.insert(server, [address(LOCAL)].into());
        bench
    };
    assert!(!is_missed(relayed(failed())));
    assert!(is_missed(relayed(frozen())));
}

/// The peer has checked this path until so many checks of ours were there, none of which was answered.
fn asked(times: usize, path: Path) -> Bench {
    let mut bench = in_progress();
    while count_on(&bench, path) < times {
        let (request, _) = bench.peer_check();
        bench.hear(path, &request);
        bench.run_until(bench.now + 200 * MS);
    }
    assert_eq!(bench.violation(), None);
    bench
}

#[test]
fn six_checks_in_vain_on_its_path_are_enough() {
    assert!(is_missed(asked(5, second())));
    assert!(is_missed(asked(6, first())), "on another path");
    let mut bench = asked(6, second());
    let (request, _) = bench.peer_check();
    bench.hear(second(), &request);
    bench.run_until(bench.now + 200 * MS);
    assert_eq!((count_on(&bench, second()), bench.violation()), (6, None));
}

#[test]
fn a_check_that_was_answered_was_not_in_vain() {
    let mut bench = asked(6, second());
    let request = bench.watch.wire.requests.get_mut(&bench.check_on(second()).id).unwrap();
    request.answered = Some(Answer::Failure);
    assert!(!is_missed(bench));
    let mut bench = asked(6, second());
    let request = bench.watch.wire.requests.get_mut(&bench.check_on(second()).id).unwrap();
    request.answered = Some(Answer::Success);
    assert!(is_missed(bench));
}

#[test]
fn what_an_allowance_has_held_back_was_in_vain_for_all_that_is_known() {
    let limits = Limits { unanswered_packets: 1, ..Limits::default() };
    let mut bench = two(Timestamp::ZERO, manual().limits(limits), ["1", "2"]);
    bench.run_until(at(200));
    assert!(matches!(bench.state(second()), PairState::InProgress(_)));
    assert_eq!(bench.agent.stats().checks_withheld, 1);
    assert!(!is_missed(bench));
}

#[test]
fn where_the_peer_has_taken_its_consent_back_only_a_restart_leads() {
    let mut bench = in_progress();
    bench.refuse(bench.check_on(second()), &ErrorCode::FORBIDDEN);
    assert_eq!(bench.state(second()), PairState::Failed);
    assert!(!is_missed(bench));
    // That of another generation says nothing of this one.
    let mut bench = frozen();
    bench.watch.wire.revoked.insert((second(), 1));
    assert!(is_missed(bench));
}

#[test]
fn where_no_answer_has_come_for_thirty_seconds_only_a_restart_leads() {
    let answered = |ago: Duration, generation: usize| {
        let mut bench = frozen_at(at(40_000));
        let at = bench.now.saturating_since(Timestamp::ZERO + ago);
        bench.watch.wire.proven.insert(second());
        bench.watch.wire.answered.insert((second(), generation), Timestamp::ZERO + at);
        bench
    };
    assert!(!is_missed(answered(CONSENT, 0)));
    assert!(is_missed(answered(CONSENT - MS, 0)));
    assert!(!is_missed(answered(Duration::ZERO, 1)), "under another generation");
}

/// The caller may let time pass before it polls.
#[test]
fn a_check_that_has_left_by_the_time_of_the_answer_was_triggered() {
    let mut bench = in_progress();
    let (before, (request, _)) = (bench.state(second()), bench.peer_check());
    bench.watch.datagram(&bench.agent, bench.now, second(), &request);
    let received = bench.agent.handle_datagram(bench.now, second(), &request);
    bench.watch.received(second(), &received);
    bench.run_until(bench.now);
    let after = bench.state(second());
    assert!(matches!(after, PairState::InProgress(_)) && after != before, "{after:?}");
    assert_eq!(bench.violation(), None);
}

fn third() -> Path {
    path(LOCAL, "198.51.100.1:2002")
}

/// The first pair is in progress, the others wait: the second one first.
fn three() -> Bench {
    three_at(Timestamp::ZERO)
}

fn three_at(now: Timestamp) -> Bench {
    let mut bench = two(now, manual(), ["1", "2"]);
    bench.trickle("3", 1, third().remote());
    bench.run_until(now + 20 * MS);
    assert!(matches!(bench.state(first()), PairState::InProgress(_)));
    assert_eq!([second(), third()].map(|path| bench.state(path)), [PairState::Waiting; 2]);
    bench
}

/// The peer checks the last of three, and the agent knows nothing of it.
fn missed_of_three() -> Bench {
    let mut bench = three();
    let (request, answer) = bench.peer_check();
    bench.pretend(third(), &request, Some(answer));
    assert_eq!(bench.violation(), None);
    bench
}

fn order(bench: &Bench) -> Vec<Path> {
    bench.checks().iter().map(|check| check.path).collect()
}

#[test]
fn a_triggered_check_leaves_before_an_ordinary_one() {
    let mut bench = three();
    let (request, _) = bench.peer_check();
    bench.hear(third(), &request);
    bench.run_until(at(200));
    assert_eq!(order(&bench), [first(), third(), second()]);
    assert_eq!(bench.violation(), None);
    let mut bench = missed_of_three();
    bench.run_until(at(200));
    assert_eq!(order(&bench), [first(), second(), third()]);
    assert!(bench.broke("INV-40: an ordinary check on"), "{:?}", bench.violation());
}

#[test]
fn of_two_triggered_checks_one_is_first() {
    let mut bench = three();
    for path in [second(), third()] {
        let (request, _) = bench.peer_check();
        bench.hear(path, &request);
    }
    bench.run_until(at(200));
    assert_eq!(order(&bench), [first(), second(), third()]);
    assert_eq!(bench.violation(), None);
}

#[test]
fn a_nomination_is_no_ordinary_check() {
    let mut bench = missed_of_three();
    bench.answer(bench.check_on(first()));
    let pair = bench.pair(first()).id();
    bench.command(|agent, now, _| agent.nominate(now, pair).unwrap());
    bench.run_until(at(60));
    assert_eq!(order(&bench), [first(), first()]);
    assert!(bench.check_on(first()).nominates);
    assert_eq!(bench.violation(), None);
}

#[test]
fn a_check_that_has_to_be_repeated_is_no_ordinary_one() {
    let mut bench = missed_of_three();
    bench.refuse(bench.check_on(first()), &ErrorCode::ROLE_CONFLICT);
    bench.run_until(at(60));
    assert_eq!(order(&bench), [first(), first()]);
    assert_eq!(bench.violation(), None);
}

#[test]
fn what_was_asked_under_credentials_before_is_asked_for_the_first_time() {
    let mut bench = three();
    bench.run_until(at(200));
    bench.command(|agent, now, stream| agent.restart(now, stream).unwrap());
    bench.peer = Credentials::new("again", "anotherpasswordofthepeer").unwrap();
    bench.remote("trickle ice2");
    for (foundation, path) in [("1", first()), ("2", second()), ("3", third())] {
        bench.trickle(foundation, 1, path.remote());
    }
    let (request, answer) = bench.peer_check();
    bench.pretend(third(), &request, Some(answer));
    assert_eq!((bench.state(third()), bench.violation()), (PairState::Waiting, None));
    bench.run_until(at(400));
    assert_eq!(order(&bench)[3..], [first(), second(), third()]);
    assert!(bench.broke("INV-40: an ordinary check on"));
}

#[test]
fn a_triggered_check_whose_pair_has_gone_is_not_waited_for() {
    let mut bench = missed_of_three();
    let gone = bench.pair(third()).remote().clone();
    let (id, _) = bench.agent.remote_candidates(bench.stream).find(|(_, it)| **it == gone).unwrap();
    bench.command(|agent, now, stream| agent.remove_remote_candidate(now, stream, id).unwrap());
    bench.run_until(at(200));
    assert_eq!(order(&bench), [first(), second()]);
    assert_eq!(bench.violation(), None);
}

#[test]
fn another_list_has_its_own_order() {
    let mut bench = missed_of_three();
    let elsewhere = path("192.0.2.1:1001", "198.51.100.1:2003");
    let stream = bench.stream;
    bench.stream = bench.command(|agent, _, _| agent.add_stream(1).unwrap());
    bench.base(1, "192.0.2.1:1001");
    bench.remote("trickle ice2");
    bench.trickle("4", 1, elsewhere.remote());
    bench.stream = stream;
    bench.run_until(at(60));
    assert_eq!(order(&bench), [first(), elsewhere]);
    assert_eq!(bench.violation(), None);
    bench.run_until(at(200));
    assert!(bench.broke("INV-40: an ordinary check on"));
}

/// Notes that the second pair has waited for so long, while so many requests have left; whether it should not have.
fn waits_too_long(bench: &mut Bench, waited: Duration, transmitted: u64) -> bool {
    let (now, wire) = (bench.now, &mut bench.watch.wire);
    let since = Timestamp::ZERO + now.saturating_since(Timestamp::ZERO + waited);
    wire.transmitted += transmitted;
    wire.triggered.waiting = [Waiting {
        stream: bench.stream,
        pair: bench.agent.pairs(bench.stream).find(|pair| pair.path() == second()).unwrap().id(),
        since,
        transmitted: wire.transmitted - transmitted,
    }]
    .into();
    let told = wire.check_triggered(&bench.agent, now, &[]);
    told.is_err_and(|told| told.starts_with("INV-40: slots go by"))
}

#[test]
fn a_triggered_check_waits_for_two_slots_at_most() {
    let mut bench = three_at(at(1_000));
    assert!(!waits_too_long(&mut bench, 100 * MS, 0));
    assert!(waits_too_long(&mut bench, 101 * MS, 0));
}

#[test]
fn what_has_left_since_has_taken_a_slot_each() {
    let mut bench = three_at(at(1_000));
    assert!(!waits_too_long(&mut bench, 250 * MS, 3));
    assert!(waits_too_long(&mut bench, 251 * MS, 3));
    // As a connection has.
    assert!(waits_too_long(&mut bench, 101 * MS, 0));
    bench.watch.wire.connects();
    let (now, wire) = (bench.now, &mut bench.watch.wire);
    assert_eq!(wire.check_triggered(&bench.agent, now, &[]), Ok(()));
}

#[test]
fn a_caller_that_is_late_is_waited_for() {
    let mut bench = three_at(at(1_000));
    bench.watch.wire.excuse_until(bench.now + MS);
    assert!(!waits_too_long(&mut bench, 101 * MS, 0));
    bench.now += MS;
    assert!(waits_too_long(&mut bench, 101 * MS, 0));
    bench.now = bench.agent.deadline().unwrap();
    assert!(!waits_too_long(&mut bench, 101 * MS, 0), "nobody has told it the time");
}

#[test]
fn what_is_triggered_again_has_waited_since_the_first_time() {
    let mut bench = three();
    let known = |bench: &Bench| {
        let waiting = bench.watch.wire.triggered.waiting.iter();
        waiting.map(|it| (it.pair, it.since)).collect::<Vec<_>>()
    };
    miss(&mut bench);
    let once = known(&bench);
    assert_eq!(once, [(bench.pair(second()).id(), at(20))]);
    bench.run_until(at(30));
    miss(&mut bench);
    assert_eq!(known(&bench), once);
}
