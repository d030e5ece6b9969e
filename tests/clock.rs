//! The caller's clock: it jumps, it stands still, it goes back.

mod harness;

use core::time::Duration;

use floe::ice::Role;
use floe::{Config, Reason, StreamState, Timestamp};
use harness::{Bench, Fed, Sent, at, ms};

const JUMP: Duration = Duration::from_secs(8 * 3_600);

fn completed() -> Bench {
    let mut bench = Bench::with(Config::new(), Role::Controlling);
    bench.end_of_candidates();
    bench.run_answering(at(1_000), |_| Some(ms(20)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    bench
}

fn has_route(bench: &Bench) -> bool {
    bench.agent.route(bench.component()).is_some()
}

/// One timeout at the present instant, after which the agent must not want another at once.
fn tick(bench: &mut Bench) {
    bench.agent.handle_timeout(bench.now);
    bench.drain();
    assert!(bench.agent.deadline().is_none_or(|deadline| deadline > bench.now));
}

/// After a suspend data is held at once and one check is sent; its answer brings the route back, and an hour of missed
/// timers is not made up for.
///
/// Scenario: S-70
/// Proves: rfc7675-5.1-16
/// Lesson: L-23, R-06, R-35
#[test]
fn a_suspend_holds_data_and_one_answer_brings_it_back() {
    let mut bench = completed();
    bench.now += JUMP;
    let sent = bench.sent.len();
    tick(&mut bench);
    assert!(!has_route(&bench));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Unconfirmed(Reason::ClockJumped)));
    assert_eq!(bench.sent.len(), sent + 1, "one check, no history");
    let probe = bench.checks().pop().unwrap();
    bench.run_for(ms(20));
    bench.answer(&probe);
    assert!(has_route(&bench));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// Without that answer consent is lost when it is overdue, and not before.
///
/// Scenario: S-70
/// Proves: rfc7675-5.1-4
/// Lesson: L-23
#[test]
fn a_suspend_whose_probe_stays_unanswered_is_a_loss() {
    let mut bench = completed();
    bench.now += JUMP;
    tick(&mut bench);
    bench.run_for(ms(2_499));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Unconfirmed(Reason::ClockJumped)));
    bench.run_for(ms(1));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Lost(Reason::ConsentExpired)));
    assert_eq!(bench.agent.deadline(), None);
}

/// The same when the machine falls asleep with an answer overdue, and while a restart waits for its answer: the path of the old
/// generation is held as well, and is back with the answer to its own check.
///
/// Proves: rfc7675-5.1-14, rfc7675-5.1-16
/// Lesson: L-23
#[test]
fn a_suspend_in_trouble_or_during_a_restart_holds_data_and_one_answer_brings_it_back() {
    for restarting in [false, true] {
        let mut bench = completed();
        let asked = bench.next_check();
        bench.run_until(asked.at + ms(2_500));
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Unconfirmed(Reason::AnswerOverdue)));
        if restarting {
            bench.agent.restart(bench.now, bench.stream).unwrap();
            bench.drain();
        }
        assert!(has_route(&bench));
        bench.now += JUMP;
        let sent = bench.sent.len();
        tick(&mut bench);
        assert!(!has_route(&bench), "{restarting}");
        assert_eq!(bench.sent.len(), sent + 1, "one check, no history");
        let probe = bench.checks().pop().unwrap();
        assert_eq!(bench.answer(&asked), Fed::Ignored(floe::Ignored::UnknownTransaction), "too late");
        assert!(!has_route(&bench), "{restarting}");
        bench.run_for(ms(20));
        bench.answer(&probe);
        assert!(has_route(&bench), "{restarting}");
        let state = if restarting { StreamState::New } else { StreamState::Completed };
        assert_eq!(bench.agent.state(bench.stream), Some(state));
    }
}

/// What was asked before the suspend says nothing about the peer afterwards: its answer may have waited in a socket for
/// hours. It does not matter whether the timeout or the datagram is handed over first.
///
/// Proves: rfc7675-5.1-5, rfc7675-5.1-12
#[test]
fn an_answer_from_before_the_suspend_does_not_count() {
    for timeout_first in [false, true] {
        let mut bench = completed();
        let asked = bench.next_check();
        bench.now += JUMP;
        if timeout_first {
            tick(&mut bench);
        }
        bench.answer(&asked);
        tick(&mut bench);
        assert!(!has_route(&bench), "{timeout_first}");
        let probe = bench.checks().pop().unwrap();
        assert_eq!(probe.at, bench.now, "{timeout_first}");
        bench.answer(&probe);
        assert!(has_route(&bench));
    }
}

/// A machine that falls asleep again before the answer could come gets another chance.
///
/// Lesson: L-23
#[test]
fn a_second_suspend_while_data_is_held_is_not_a_loss() {
    let mut bench = completed();
    for _ in 0..3 {
        bench.now += JUMP;
        let sent = bench.sent.len();
        tick(&mut bench);
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Unconfirmed(Reason::ClockJumped)));
        assert_eq!(bench.sent.len(), sent + 1);
    }
    let probe = bench.checks().pop().unwrap();
    bench.answer(&probe);
    assert!(has_route(&bench));
}

/// A caller that was starved for twelve seconds asks first; it has lost nothing. Whether the answer to the check before has
/// waited in the socket as long, or that check is still to be sent, and in whatever order the caller then turns to its socket
/// and to its timer: what is due is sent before anything expires, and thirty seconds count from when the answer was taken.
///
/// Proves: rfc7675-5.1-10, rfc7675-5.1-11
/// Lesson: L-30
#[test]
fn a_late_caller_asks_and_goes_on() {
    for asked_before in [false, true] {
        for socket_first in [false, true] {
            let mut bench = completed();
            let asked = bench.next_check();
            if !asked_before {
                bench.answer(&asked);
            }
            bench.now += Duration::from_secs(12);
            let sent = bench.sent.len();
            if asked_before && socket_first {
                bench.answer(&asked);
            }
            tick(&mut bench);
            assert_eq!(bench.sent.len(), sent + 1, "what is due is sent");
            assert!(has_route(&bench), "and nothing has expired");
            if asked_before && !socket_first {
                bench.answer(&asked);
            }
            assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
            let late = bench.checks().pop().unwrap();
            assert_eq!(late.at, bench.now);
            bench.run_for(ms(20));
            bench.answer(&late);
            let renewed = bench.now;
            bench.run_until(renewed + ms(29_999));
            assert!(has_route(&bench));
            bench.run_until(renewed + ms(30_000));
            assert!(!has_route(&bench));
        }
    }
}

/// In whatever state the jump comes: at most one slot's worth of transactions, a deadline in the future,
/// and a peer that answers from then on is connected to, unless the time to find it was over.
///
/// Scenario: S-70
/// Proves: rfc8445-14.2-3
/// Lesson: L-23, R-34
#[test]
fn a_jump_in_any_state_sends_no_burst() {
    // The instants are those of a session whose checks all take 120 ms.
    for instant in (0..1_200).step_by(10) {
        let mut bench = Bench::with(Config::new(), Role::Controlling);
        for n in 3..7 {
            bench.trickle(harness::host(&n.to_string(), 1, &format!("198.51.100.{n}:2000")));
        }
        bench.end_of_candidates();
        bench.run_answering(at(instant), |_| Some(ms(120)));
        bench.now += JUMP;
        let (sent, known) = (bench.sent.len(), bench.checks().len());
        tick(&mut bench);
        let new = bench.checks().len() - known;
        assert!(new <= 2, "{instant} ms: a slot's check, a consent check, and {new}");
        assert!(bench.sent.len() - sent - new <= 4, "{instant} ms: retransmissions of one Ta");
        let until = bench.now + Duration::from_secs(20);
        let resumed = bench.now;
        bench.run_answering(until, |check| (check.at >= resumed).then_some(ms(120)));
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed), "{instant} ms");
        assert!(has_route(&bench));
    }
}

/// Time that goes back counts as standing still: nothing panics, nothing is sent or expires for it, and the session goes on;
/// and when the peer falls silent, thirty seconds are thirty seconds of the latest time there was.
///
/// Proves: rfc7675-5.1-4
/// Lesson: L-24, R-06
#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut bench = completed();
    let back_and_forth = |bench: &mut Bench| {
        let (there, sent, events) = (bench.now, bench.sent.len(), bench.events.len());
        for back in [there, at(500), Timestamp::ZERO, at(999), Timestamp::ZERO] {
            bench.agent.handle_timeout(back);
            bench.drain();
            assert_eq!((bench.sent.len(), bench.events.len()), (sent, events));
            assert!(bench.agent.deadline().is_some_and(|deadline| deadline > there));
        }
    };
    back_and_forth(&mut bench);
    bench.run_answering(at(120_000), |_| Some(ms(20)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    let check = bench.next_check();
    bench.answer(&check);
    for second in 1..30 {
        bench.run_until(check.at + ms(1_000 * second));
        back_and_forth(&mut bench);
    }
    bench.run_until(check.at + ms(29_999));
    assert!(has_route(&bench));
    bench.run_until(check.at + ms(30_000));
    assert!(!has_route(&bench));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Lost(Reason::ConsentExpired)));
}

/// The first instant may be any: zero, hours, or the last ones that there are.
///
///
/// Proves: rfc7675-5.1-4
/// Lesson: L-22, R-06, R-27
#[test]
fn the_clock_may_start_anywhere() {
    for start in [0, 1, 1 << 32, 1 << 62, 1 << 63, u64::MAX - 120_000_000_000] {
        let start = Timestamp::from_nanos(start);
        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        bench.now = start;
        bench.base(harness::LOCAL);
        bench.remote();
        bench.trickle(harness::host("1", 1, harness::REMOTE));
        bench.end_of_candidates();
        bench.run_answering(start + Duration::from_secs(90), |_| Some(ms(20)));
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed), "{start:?}");
        assert!(bench.checks().len() > 10);
        // What is left of time may be less than an answer is waited for.
        if start < Timestamp::from_nanos(u64::MAX - 120_000_000_000) {
            bench.run_for(Duration::from_secs(30));
            assert!(!has_route(&bench));
            let lost = StreamState::Lost(Reason::ConsentExpired);
            assert_eq!(bench.agent.state(bench.stream), Some(lost), "{start:?}");
        }
    }
    let mut bench = completed();
    for now in [Timestamp::from_nanos(u64::MAX - 1), Timestamp::MAX, Timestamp::MAX] {
        bench.agent.handle_timeout(now);
        bench.drain();
    }
    assert!(!has_route(&bench));
}

/// A stream that is over waits for nothing.
///
///
/// Proves: rfc8445-6.1.4.2-5
/// Lesson: R-34, L-21
#[test]
fn an_agent_whose_streams_are_over_has_no_deadline() {
    let mut failed = Bench::with(Config::new(), Role::Controlling);
    failed.end_of_candidates();
    failed.run_for(Duration::from_secs(120));
    assert!(matches!(failed.agent.state(failed.stream), Some(StreamState::Failed(_))));
    assert_eq!(failed.agent.deadline(), None);
    let mut closed = completed();
    closed.agent.close(closed.now);
    closed.drain();
    assert_eq!(closed.agent.deadline(), None);
}

/// A change of what is waited for shows in the deadline at once, without a timeout in between.
///
/// Lesson: R-16
#[test]
fn the_deadline_follows_every_input_at_once() {
    let mut bench = completed();
    let quiet: Vec<Sent> = bench.checks();
    assert!(bench.agent.deadline().is_some_and(|deadline| deadline >= bench.now + ms(2_000)));
    bench.agent.restart(bench.now, bench.stream).unwrap();
    bench.drain();
    let remote = floe::ice::Credentials::new("next", "thenextpasswordofthepeer").unwrap();
    bench.agent.set_remote(bench.now, bench.stream, floe::Remote::new(remote)).unwrap();
    bench.trickle(harness::host("1", 1, harness::REMOTE));
    assert!(bench.agent.deadline().is_some_and(|deadline| deadline <= bench.now + ms(50)));
    assert_eq!(bench.checks().len(), quiet.len());
    assert_eq!(bench.feed(b"\xffdata"), Fed::Data(floe::Provenance::Valid, b"\xffdata".to_vec()));
}

/// What waits to be polled is waited for: until it has been, the deadline is now, whatever else there is to wait for.
///
/// Lesson: L-21
#[test]
fn an_output_that_has_not_been_polled_shows_in_the_deadline() {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    let steps: [fn(&mut Bench); 5] = [
        // An event; an answer; a check that timed out; another event; the last ones of all.
        |bench| {
            let local = floe::Base::udp(harness::address(harness::LOCAL));
            bench.agent.add_base(bench.now, bench.component(), local).unwrap();
        },
        |bench| {
            let (check, path) = (bench.peer_check().encode(), (harness::LOCAL, harness::REMOTE));
            let path = floe::Path::udp(harness::address(path.0), harness::address(path.1));
            assert_eq!(bench.agent.handle_datagram(bench.now, path, &check), floe::Received::Control);
        },
        |bench| {
            bench.remote();
            bench.agent.handle_timeout(bench.now);
        },
        |bench| bench.agent.end_of_bases(bench.now, bench.stream).unwrap(),
        |bench| bench.agent.close(bench.now),
    ];
    for (n, step) in steps.into_iter().enumerate() {
        bench.run_for(ms(1_000));
        step(&mut bench);
        assert_eq!(bench.agent.deadline(), Some(bench.now), "{n}");
        let mut polled = 0;
        while bench.agent.deadline() == Some(bench.now) {
            assert!(bench.agent.poll_output().is_some(), "{n}: awake for nothing");
            polled += 1;
        }
        assert!(polled > 0);
        assert_eq!(bench.agent.poll_output(), None, "{n}: something was left");
        assert!(bench.agent.deadline().is_none_or(|deadline| deadline > bench.now), "{n}");
    }
    assert_eq!(bench.agent.deadline(), None);
}
