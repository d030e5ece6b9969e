//! A controlled agent follows a peer that moves from pair to pair and has never announced that it would: browsers do so.

mod harness;

use core::net::SocketAddr;

use floe::ice::Role;
use floe::{Config, Event, Ignored, Provenance, Reason, StreamState, Timestamp};
use harness::{Bench, Fed, LOCAL, PeerCheck, Sent, address, at, ms, typed};

const HIGH: &str = "198.51.100.1:2003";
const MIDDLE: &str = "198.51.100.1:2002";
const LOW: &str = "198.51.100.1:2001";
const UNKNOWN: &str = "198.51.100.9:9000";

/// The peer nominates this path, as browsers do with every check on the pair that they use.
fn nominates(bench: &mut Bench, from: &str) {
    let check = PeerCheck { use_candidate: true, ..bench.peer_check() };
    assert_eq!(bench.feed_on(LOCAL, from, &check.encode()), Fed::Control, "{from}");
    assert_eq!(bench.last_answer().unwrap().error, None);
}

/// The best of three pairs was nominated, all three answer, and five seconds have passed.
fn on_the_best() -> Bench {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    bench.base(LOCAL);
    bench.remote();
    for (foundation, priority, remote) in
        [("1", 2_000_000_100, LOW), ("2", 2_000_000_200, MIDDLE), ("3", 2_000_000_300, HIGH)]
    {
        bench.trickle(typed(foundation, "host", priority, remote));
    }
    bench.end_of_candidates();
    bench.run_answering(at(1_000), |_| Some(ms(20)));
    nominates(&mut bench, HIGH);
    bench.run_answering(at(5_000), |_| Some(ms(20)));
    assert_eq!(route(&bench), Some(address(HIGH)));
    bench
}

fn route(bench: &Bench) -> Option<SocketAddr> {
    bench.agent.route(bench.component()).map(|route| route.path().remote())
}

fn state(bench: &Bench) -> StreamState {
    bench.agent.state(bench.stream).unwrap()
}

fn selections(bench: &Bench) -> usize {
    bench.events.iter().filter(|(_, event)| matches!(event, Event::Selected { .. })).count()
}

/// Only these answer.
fn only(alive: &[&str]) -> impl Fn(&Sent) -> Option<core::time::Duration> + use<> {
    let alive: Vec<SocketAddr> = alive.iter().map(|it| address(it)).collect();
    move |check| alive.contains(&check.path.remote()).then_some(ms(20))
}

/// The peer keeps to `to`, which it nominates again and again, from now until `until`; `alive` answer.
fn peer_stays_on(bench: &mut Bench, to: &str, until: Timestamp, alive: &[&str]) {
    while bench.now < until {
        nominates(bench, to);
        bench.run_answering(bench.now + ms(500), only(alive));
    }
}

/// As long as the best pair answers, nominations of others change nothing. Once an answer on it is overdue, the pair that the
/// peer has nominated besides is checked and taken, long before consent would be lost; there is a route all the time. The pair
/// may have been valid before, or be found by the peer's checks alone.
///
/// Proves: rfc8445-8.1.1-4, rfc7675-5.1-19
#[test]
fn a_lower_pair_that_the_peer_nominates_is_followed_once_the_best_one_does_not_answer() {
    for to in [LOW, UNKNOWN] {
        let mut bench = on_the_best();
        peer_stays_on(&mut bench, to, at(20_000), &[HIGH, MIDDLE, LOW, UNKNOWN]);
        assert_eq!((route(&bench), selections(&bench)), (Some(address(HIGH)), 1), "{to}");
        let silent = bench.now;
        while route(&bench) != Some(address(to)) {
            let before = bench.now;
            peer_stays_on(&mut bench, to, before + ms(500), &[to]);
            assert!(route(&bench).is_some(), "{to}: no route at {:?}", bench.now);
            // The next check of consent, the time for its answer, one slot, and the answer to the check that follows.
            assert!(bench.now <= silent + ms(6_000 + 2_500 + 50 + 20 + 500), "{to}");
        }
        peer_stays_on(&mut bench, to, silent + ms(90_000), &[to]);
        assert_eq!((state(&bench), route(&bench)), (StreamState::Completed, Some(address(to))));
        assert_eq!(selections(&bench), 2);
        assert!(bench.states().iter().all(|state| !matches!(state, StreamState::Lost(_))));
        // What still comes from where the peer was is the peer's.
        let late = bench.feed_on(LOCAL, HIGH, b"\x80 data");
        assert_eq!(late, Fed::Data(Provenance::Valid, b"\x80 data".to_vec()));
    }
}

/// The peer comes late: consent has been lost meanwhile. What is lost stays lost: a nomination there
/// is refused, and the pair that the peer is on now is taken.
///
/// Proves: rfc7675-5.1-17, rfc8445-7.3.1.5-3
#[test]
fn a_pair_nominated_after_consent_was_lost_brings_the_stream_back() {
    let mut bench = on_the_best();
    bench.run_answering(at(45_000), only(&[]));
    assert_eq!((state(&bench), route(&bench)), (StreamState::Lost(Reason::ConsentExpired), None));
    nominates(&mut bench, LOW);
    bench.run_answering(at(46_000), only(&[LOW]));
    assert_eq!((state(&bench), route(&bench)), (StreamState::Completed, Some(address(LOW))));
    let asked = bench.checks().len();
    let back = PeerCheck { use_candidate: true, ..bench.peer_check() };
    assert_eq!(bench.feed_on(LOCAL, HIGH, &back.encode()), Fed::Ignored(Ignored::Refused));
    assert_eq!(bench.last_answer().unwrap().error, Some(400), "we cannot follow there");
    // Without a nomination it is a check like any other.
    let check = bench.peer_check().encode();
    bench.feed_on(LOCAL, HIGH, &check);
    assert_eq!(bench.last_answer().unwrap().error, None);
    bench.run_answering(at(60_000), only(&[HIGH, LOW]));
    assert!(bench.checks()[asked..].iter().all(|check| check.path.remote() == address(LOW)));
    assert_eq!(route(&bench), Some(address(LOW)));
}

/// Our own address has changed as well, so that the check shows another one than before: it is what the peer has nominated all
/// the same, and it is asked for once.
#[test]
fn a_pair_is_followed_though_the_peer_sees_us_elsewhere_by_now() {
    let mut bench = on_the_best();
    nominates(&mut bench, LOW);
    let overdue = bench.next_check();
    // The time for its answer, and one slot.
    bench.run_until(overdue.at + ms(2_500 + 50));
    let asked = bench.checks().pop().unwrap();
    assert_eq!(asked.path.remote(), address(LOW));
    let answer = bench.success(&asked, address("203.0.113.7:7777"));
    bench.feed_path(asked.path, &answer);
    assert_eq!((state(&bench), route(&bench)), (StreamState::Completed, Some(address(LOW))));
    let checks = bench.checks().len();
    bench.run_for(ms(3_000));
    assert_eq!(bench.checks().len(), checks);
}

/// A peer of RFC 5245 has nominated all its pairs. The best of those that answer is selected, and one that does not answer is
/// not taken for the sake of its rank, nor taken again because the peer's checks still come from there; but when it answers.
///
/// Proves: rfc8445-8.1.1-4
#[test]
fn of_several_nominated_pairs_the_best_that_answers_takes_over_and_nothing_swings() {
    for silent in [10, 60] {
        let mut bench = on_the_best();
        for remote in [MIDDLE, LOW] {
            nominates(&mut bench, remote);
        }
        bench.run_answering(at(6_000), |_| Some(ms(20)));
        let second = |bench: &mut Bench, alive: &[&str]| {
            for remote in [HIGH, MIDDLE, LOW] {
                nominates(bench, remote);
            }
            bench.run_answering(bench.now + ms(1_000), only(alive));
        };
        (0..silent).for_each(|_| second(&mut bench, &[LOW]));
        assert_eq!((state(&bench), route(&bench)), (StreamState::Completed, Some(address(LOW))));
        assert_eq!(selections(&bench), 2);
        (0..10).for_each(|_| second(&mut bench, &[HIGH, LOW]));
        // Checks that nobody answers are not repeated for ever.
        let back = if silent == 10 { (HIGH, 3) } else { (LOW, 2) };
        assert_eq!((route(&bench), selections(&bench)), (Some(address(back.0)), back.1), "{silent} s");
        assert_eq!(state(&bench), StreamState::Completed);
    }
}

/// A single answer that is lost moves nothing where the peer stays where it is, and a pair that the peer has not nominated is
/// not followed.
#[test]
fn without_another_nomination_an_overdue_answer_moves_nothing() {
    let mut bench = on_the_best();
    for _ in 0..60 {
        let check = bench.peer_check().encode();
        bench.feed_on(LOCAL, LOW, &check);
        bench.run_answering(bench.now + ms(500), only(&[LOW]));
    }
    assert_eq!((route(&bench), selections(&bench)), (None, 1));
    assert_eq!(state(&bench), StreamState::Lost(Reason::ConsentExpired));
    assert!(bench.checks().iter().all(|check| check.at < at(5_000) || check.path.remote() == address(HIGH)));
}

/// A peer that takes its consent back does not mean us to go on elsewhere.
#[test]
fn a_pair_is_not_followed_after_consent_was_revoked() {
    let mut bench = on_the_best();
    nominates(&mut bench, LOW);
    let check = bench.next_check();
    let refusal = bench.error(&check, floe::stun::ErrorCode::FORBIDDEN);
    bench.feed_path(check.path, &refusal);
    assert_eq!(state(&bench), StreamState::Lost(Reason::ConsentRevoked));
    bench.run_answering(at(60_000), only(&[LOW]));
    assert_eq!((route(&bench), selections(&bench)), (None, 1));
}
