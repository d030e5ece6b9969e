//! Checks that come too soon or too often are reported, and those of which that cannot be told are not.

use super::*;
use crate::ice::{Nomination, Role};
use crate::sim::watch::bench::{Bench, Check, at, path};
use crate::{Config, Limits, Output, Path, StreamState, Transmit};

const LOCAL: &str = "192.0.2.1:1000";
const MS: Duration = Duration::from_millis(1);

/// To one of the peer's addresses.
fn to(remote: usize) -> Path {
    path(LOCAL, ["198.51.100.1:2000", "198.51.100.2:2000"][remote])
}

fn manual() -> Config {
    Config::new().nomination(Nomination::Manual)
}

/// Two pairs that wait, and nothing sent.
fn bench() -> Bench {
    let mut bench = Bench::new(manual(), Role::Controlling, 1);
    bench.now = at(1_000);
    bench.base(1, LOCAL);
    bench.remote("trickle ice2");
    for (foundation, path) in [("1", to(0)), ("2", to(1))] {
        bench.trickle(foundation, 1, path.remote());
    }
    assert!(bench.checks().is_empty());
    bench
}

/// The agent is told that it is then, and the watch that it is `bench.now`.
fn serve(bench: &mut Bench, then: Timestamp) {
    bench.watch.timeout(&bench.agent, bench.now);
    bench.agent.handle_timeout(then);
    bench.poll();
}

fn quiet(bench: &mut Bench) {
    bench.watch.quiet(&bench.agent, bench.now);
}

/// Both checks leave before the watch hears that the agent is quiet, having learned of something else.
fn is_reported_at_once(learn: impl FnOnce(&mut Wire, [u8; 12])) -> bool {
    let mut bench = bench();
    serve(&mut bench, at(1_000));
    serve(&mut bench, at(1_050));
    let [first, _] = *bench.checks() else { panic!("{:?}", bench.checks()) };
    learn(&mut bench.watch.wire, first.id);
    quiet(&mut bench);
    bench.broke("INV-34: 2 new checks at once")
}

#[test]
fn two_checks_at_once_are_reported_unless_a_relay_may_have_held_one_back() {
    assert!(is_reported_at_once(|_, _| {}));
    assert!(!is_reported_at_once(|wire, first| wire.requests.get_mut(&first).unwrap().relayed = true));
}

/// What the agent has counted and what has left are not the same: one of them was not seen.
#[test]
fn checks_that_were_not_all_seen_are_not_judged() {
    assert!(!is_reported_at_once(|wire, _| wire.fresh.truncate(1)));
}

/// Which one an allowance holds back is not to be seen either.
#[test]
fn once_a_check_was_withheld_none_is_judged() {
    for (unanswered_packets, is_reported) in [(2, true), (1, false)] {
        let limits = Limits { unanswered_packets, ..Limits::default() };
        let mut bench = Bench::new(manual().limits(limits), Role::Controlling, 1);
        bench.base(1, LOCAL);
        bench.remote("trickle ice2");
        bench.trickle("1", 1, to(0).remote());
        bench.trickle("2", 1, path(LOCAL, "198.51.100.1:2001").remote());
        bench.run_until(at(120));
        assert_eq!((bench.agent.stats().checks_withheld == 0, bench.violation()), (is_reported, None));
        bench.trickle("3", 1, to(1).remote());
        bench.trickle("4", 1, path(LOCAL, "198.51.100.3:2000").remote());
        let known = bench.checks().len();
        for _ in 0..2 {
            let due = bench.agent.deadline().unwrap();
            serve(&mut bench, due);
        }
        quiet(&mut bench);
        assert_eq!((bench.checks().len(), bench.broke("INV-34: 2 new checks")), (known + 2, is_reported));
    }
}

#[test]
fn a_check_leaves_no_sooner_than_a_slot_after_the_one_before() {
    for (millis, is_reported) in [(1_050, false), (1_049, true)] {
        let mut bench = bench();
        serve(&mut bench, at(1_000));
        quiet(&mut bench);
        bench.now = at(millis);
        serve(&mut bench, at(1_050));
        quiet(&mut bench);
        assert_eq!((bench.checks().len(), bench.broke("INV-34: a new check at")), (2, is_reported));
    }
}

/// A session with a selected pair whose consent is asked for again in the next timeout; what was asked last.
fn before_consent() -> (Bench, Timestamp) {
    let mut bench = Bench::new(Config::new(), Role::Controlling, 1);
    bench.base(1, LOCAL);
    bench.remote("trickle ice2");
    bench.trickle("1", 1, to(0).remote());
    let mut answered = 0;
    loop {
        let new: Vec<Check> = bench.checks()[answered..].into();
        for check in new {
            bench.answer(check);
        }
        answered = bench.checks().len();
        let last = bench.watch.wire.consent_at.get(&(to(0), 0)).map(|(at, _)| *at);
        let due = bench.agent.deadline().unwrap();
        if let Some(last) = last.filter(|last| due.saturating_since(*last) >= CONSENT_MIN) {
            assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
            assert_eq!(bench.violation(), None);
            return (bench, last);
        }
        bench.run_until(due);
    }
}

/// Consent is asked for so long after it last was, having learned of something else.
fn is_reported_after(elapsed: Duration, learn: impl FnOnce(&mut Wire, &mut Asked, Timestamp)) -> bool {
    let (mut bench, _) = before_consent();
    let (due, before) = (bench.agent.deadline().unwrap(), bench.checks().len());
    let wire = &mut bench.watch.wire;
    let mut asked = wire.consent_at[&(to(0), 0)].clone();
    asked.0 = Timestamp::ZERO + due.saturating_since(Timestamp::ZERO + elapsed);
    learn(wire, &mut asked, due);
    wire.consent_at.insert((to(0), 0), asked);
    bench.run_until(due);
    assert_eq!(bench.checks().len(), before + 1, "it was for consent");
    bench.broke("INV-29: consent on")
}

#[test]
fn consent_is_asked_for_four_seconds_later_at_the_soonest() {
    assert!(!is_reported_after(CONSENT_MIN, |_, _, _| {}));
    assert!(is_reported_after(CONSENT_MIN - MS, |_, _, _| {}));
}

#[test]
fn another_pair_on_the_path_has_a_consent_of_its_own() {
    assert!(!is_reported_after(MS, |_, (_, pairs), _| pairs[0].1 = false));
    assert!(!is_reported_after(MS, |_, (_, pairs), _| pairs.push((PairId::from_raw(99), false))));
}

#[test]
fn a_caller_that_was_late_asks_for_consent_whenever_it_catches_up() {
    assert!(!is_reported_after(MS, |wire, _, due| wire.excuse_until(due + MS)));
    assert!(is_reported_after(MS, |wire, _, due| wire.excuse_until(due)));
}

#[test]
fn a_consent_check_is_sent_once() {
    let (mut bench, _) = before_consent();
    let due = bench.agent.deadline().unwrap();
    bench.run_until(due);
    let check = bench.check_on(to(0));
    let payload = bench.watch.wire.requests[&check.id].payload.clone();
    assert_eq!(bench.violation(), None);
    let again = Output::Transmit(Transmit { path: check.path, payload });
    bench.watch.output(&bench.agent, bench.now, &again);
    assert!(bench.broke("INV-29: a consent check on"));
}

#[test]
fn a_consent_check_takes_no_slot_and_an_ordinary_one_does() {
    let (mut bench, _) = before_consent();
    let (next_at, due) = (bench.watch.wire.next_at, bench.agent.deadline().unwrap());
    bench.watch.wire.next_at = due + 10 * MS;
    bench.run_until(due);
    assert_eq!((bench.violation(), bench.watch.wire.next_at), (None, due + 10 * MS));
    assert!(next_at < due);
}

/// To an address from which nothing has ever come.
fn spend(wire: &mut Wire, path: Path, now: Timestamp, packets: usize) -> bool {
    let leg = Leg { path: Some(path), relayed: false };
    let told: Vec<_> = (0..packets).map(|_| wire.spend(now, leg)).collect();
    told.iter().any(|told| told.as_ref().is_err_and(|told| told.starts_with("INV-32")))
}

#[test]
fn whoever_has_never_answered_is_sent_little_in_a_minute() {
    let mut wire = Wire::default();
    assert!(!spend(&mut wire, to(0), at(0), UNANSWERED_MAX - 1));
    assert!(!spend(&mut wire, to(1), at(0), UNANSWERED_MAX), "another address");
    let port = path(LOCAL, "198.51.100.1:2001");
    assert!(!spend(&mut wire, port, at(59_999), 1));
    assert!(spend(&mut wire, port, at(59_999), 1), "another port of the same");
    let mut wire = Wire::default();
    assert!(!spend(&mut wire, to(0), at(0), UNANSWERED_MAX));
    assert!(!spend(&mut wire, to(0), at(60_000), UNANSWERED_MAX), "a minute later");
    assert!(spend(&mut wire, to(0), at(60_000), 1));
    let mut wire = Wire::default();
    assert!(!spend(&mut wire, to(0), at(0), 1) && !spend(&mut wire, to(0), at(30_000), UNANSWERED_MAX - 1));
    assert!(!spend(&mut wire, to(0), at(60_000), 1), "one for one");
}

#[test]
fn whoever_has_answered_may_be_asked_and_what_a_relay_hides_is_not_counted() {
    let mut wire = Wire::default();
    wire.responders.insert(to(0).remote().ip());
    assert!(!spend(&mut wire, to(0), at(0), 2 * UNANSWERED_MAX));
    let leg = Leg { path: None, relayed: true };
    assert!((0..2 * UNANSWERED_MAX).all(|_| wire.spend(at(0), leg).is_ok()));
}

/// World 1029892 with an enemy: a pair was nominated in every slot.
#[test]
fn a_path_is_nominated_a_dozen_times_in_two_seconds_at_most() {
    let mut bench = bench();
    let mut nominates = |remote: usize, at: Timestamp| {
        let leg = Leg { path: Some(to(remote)), relayed: false };
        bench.watch.wire.nominates(at, leg)
    };
    let start = at(5_000);
    for _ in 0..NOMINATIONS_MAX {
        assert_eq!(nominates(0, start), Ok(()));
        assert_eq!(nominates(1, start), Ok(()));
    }
    let told = nominates(0, start + (NOMINATIONS_IN - MS)).unwrap_err();
    assert!(told.starts_with("INV-41: 13 nominations"), "{told}");
    assert_eq!(nominates(1, start + NOMINATIONS_IN), Ok(()));
}

#[test]
fn a_check_with_another_priority_than_that_of_its_base_is_reported() {
    for (beside, reported) in [(0, false), (0x100, true), (1, true)] {
        let mut bench = bench();
        serve(&mut bench, at(1_000));
        let [check] = *bench.checks() else { panic!("{:?}", bench.checks()) };
        let request = bench.watch.wire.requests.get_mut(&check.id).unwrap();
        let mut payload = request.payload.to_vec();
        let at = payload.windows(4).position(|it| *it == [0, 0x24, 0, 4]).unwrap() + 4;
        let said = u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        payload[at..at + 4].copy_from_slice(&(said ^ beside).to_be_bytes());
        request.payload = payload.into();
        quiet(&mut bench);
        assert_eq!(bench.broke("INV-43: the priority"), reported, "{beside:#x}");
    }
}

/// World 8451033: while a machine was suspended its timers were not served, and a datagram was the first that its agent heard.
#[test]
fn a_caller_is_late_whatever_it_brings() {
    for (late, excused) in [(MS, false), (2 * MS, true)] {
        let mut bench = bench();
        assert_eq!(bench.agent.deadline(), Some(at(1_000)));
        bench.now += late;
        bench.hear(to(0), b"\xffdata");
        assert_eq!(bench.watch.wire.excused_until > bench.now, excused);
        bench.now = at(1_000) + 2 * late;
        bench.command(|_, _, _| ());
        assert!(bench.watch.wire.excused_until > bench.now);
    }
}
