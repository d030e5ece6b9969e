//! A peer that is heard from another address: when it is followed there, and when it is not.

mod harness;

use core::net::SocketAddr;
use core::time::Duration;

use floe::ice::Role;
use floe::stun::AttributeType;
use floe::{Config, Event, Remote, StreamState};
use harness::{Bench, Fed, LOCAL, PeerCheck, REMOTE, Sent, address, at, host, ms, remote_credentials};

const ELSEWHERE: &str = "198.51.100.9:9000";

/// NOMINATION as the older draft is deployed.
const NOMINATION: AttributeType = AttributeType::new(0xc001);

/// A controlling agent that has selected its only pair, and has heard the peer there since.
fn selected(options: &str) -> Bench {
    selected_at_pace(ms(50), options)
}

fn selected_at_pace(ta: Duration, options: &str) -> Bench {
    let mut bench = Bench::bare(Config::new().pacing(ta), Role::Controlling);
    bench.base(LOCAL);
    let remote = Remote::new(remote_credentials()).pacing(ta).options(options);
    bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
    bench.trickle(host("1", 1, REMOTE));
    bench.run_answering(at(2_000), |_| Some(ms(20)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    assert_eq!(bench.peer_checks(false), Fed::Control);
    bench.run_answering(at(3_000), |_| Some(ms(20)));
    bench
}

/// The peer checks from elsewhere, by a base that its checks name so; then these answer for a second.
fn heard_elsewhere(bench: &mut Bench, priority_differs_by: u32, alive: &[&str]) {
    let check = bench.peer_check();
    let priority = check.priority.map(|priority| priority - priority_differs_by);
    let check = PeerCheck { priority, ..check };
    assert_eq!(bench.feed_on(LOCAL, ELSEWHERE, &check.encode()), Fed::Control);
    bench.run_answering(bench.now + ms(1_000), only(alive));
}

fn only(alive: &[&str]) -> impl Fn(&Sent) -> Option<Duration> + use<> {
    let alive: Vec<SocketAddr> = alive.iter().map(|it| address(it)).collect();
    move |check| alive.contains(&check.path.remote()).then_some(ms(20))
}

fn route(bench: &Bench) -> SocketAddr {
    bench.agent.route(bench.component()).unwrap().path().remote()
}

/// Both addresses are asked at once. The new one answers after 20 ms, and has the nomination after two round trips more and 50 ms
/// in which the old one has not answered.
///
/// Proves: renom-v2-10
/// Lesson: L-27
#[test]
fn a_peer_is_followed_when_the_new_address_answers_and_the_old_one_does_not() {
    let mut bench = selected("trickle renomination");
    let heard = bench.now;
    heard_elsewhere(&mut bench, 0, &[ELSEWHERE]);
    assert_eq!((route(&bench), bench.selections().len()), (address(ELSEWHERE), 2));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    let moved = bench.checks().into_iter().rfind(|check| check.use_candidate).unwrap();
    assert_eq!(moved.path.remote(), address(ELSEWHERE));
    assert!(moved.at <= heard + ms(50 + 2 * 20 + 50 + 50), "{:?}", moved.at.saturating_since(heard));
    assert!(bench.states().iter().all(|state| !matches!(state, StreamState::Unconfirmed(_))));
}

/// It may have another interface, or somebody repeats its checks from where he is: as long as the selected pair answers it stays
/// selected, and so it does if nobody answers from elsewhere.
#[test]
fn a_peer_that_still_answers_where_it_was_is_not_followed() {
    for alive in [&[REMOTE, ELSEWHERE][..], &[REMOTE], &[]] {
        let mut bench = selected("trickle renomination");
        heard_elsewhere(&mut bench, 0, alive);
        assert_eq!((route(&bench), bench.selections().len()), (address(REMOTE), 1), "{alive:?}");
        if alive.contains(&REMOTE) {
            bench.run_answering(bench.now + ms(60_000), only(alive));
            assert_eq!((route(&bench), bench.selections().len()), (address(REMOTE), 1), "{alive:?}");
            assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
            // When nobody answers any more, what was heard from elsewhere once is no place to go to.
            bench.run_answering(bench.now + ms(20_000), only(&[]));
            let nominated = bench.checks().into_iter().filter(|check| check.use_candidate);
            assert!(nominated.into_iter().all(|check| check.path.remote() == address(REMOTE)), "{alive:?}");
        }
    }
}

/// Another base of the peer is another way to it, and no sign that it has left this one: that takes an overdue answer, and a
/// second.
#[test]
fn another_base_of_the_peer_is_not_taken_for_the_one_in_use() {
    let mut bench = selected("trickle renomination");
    heard_elsewhere(&mut bench, 256, &[ELSEWHERE]);
    assert_eq!((route(&bench), bench.selections().len()), (address(REMOTE), 1));
    bench.run_answering(bench.now + ms(9_000), only(&[ELSEWHERE]));
    assert_eq!((route(&bench), bench.selections().len()), (address(ELSEWHERE), 2));
}

/// One nomination there is, where the peer has not announced that it would follow another.
///
/// Proves: rfc8445-8.1.1-2
#[test]
fn without_renomination_a_peer_is_not_followed() {
    let mut bench = selected("trickle");
    heard_elsewhere(&mut bench, 0, &[ELSEWHERE]);
    bench.run_answering(at(29_000), only(&[ELSEWHERE]));
    assert_eq!((route(&bench), bench.selections().len()), (address(REMOTE), 1));
}

/// A peer that is somewhere else at every moment, and answers nowhere but there.
#[test]
fn a_peer_that_hops_about_is_followed_ten_times_a_second_at_most() {
    let mut bench = selected_at_pace(ms(5), "trickle renomination");
    for n in 10..26 {
        bench.run_for(ms(1));
        let before = route(&bench);
        let there = format!("198.51.100.{n}:9000");
        for from in [before.to_string(), there.clone()] {
            let check = bench.peer_check().encode();
            assert_eq!(bench.feed_on(LOCAL, &from, &check), Fed::Control);
        }
        let until = bench.now + ms(300);
        while route(&bench) == before && bench.now < until {
            bench.run_answering(bench.now + ms(1), |check| {
                (check.path.remote() == address(&there)).then_some(Duration::ZERO)
            });
        }
    }
    let selections = bench.events.iter().filter(|(_, event)| matches!(event, Event::Selected { .. }));
    let selections: Vec<_> = selections.map(|(at, _)| *at).collect();
    assert!(selections.windows(2).all(|two| two[1].saturating_since(two[0]) >= ms(100)), "{selections:?}");
    assert!(selections.len() > 10, "it is followed: {selections:?}");
}

/// The peer sees us at another address than before, so that the pair is nominated anew, and then answers nothing more: there is
/// one nomination, and a check that is made because an answer is overdue repeats it.
#[test]
fn a_nomination_after_a_rebinding_that_nobody_answers_is_followed_by_no_other() {
    let mut bench = selected("trickle renomination");
    let consent = bench.next_check();
    let answer = bench.success(&consent, address("203.0.113.7:7777"));
    bench.feed_path(consent.path, &answer);
    let before = bench.checks().len();
    bench.run_for(Duration::from_secs(25));
    let checks = bench.checks().split_off(before);
    let nominations = checks.iter().filter(|check| check.use_candidate).map(|check| {
        let message = check.message();
        let mut all = message.attributes();
        all.find(|(kind, _)| *kind == NOMINATION).map(|(_, value)| value.to_vec())
    });
    let nominations: Vec<_> = nominations.collect();
    assert_eq!(nominations, [Some(vec![0, 0, 0, 2]), Some(vec![0, 0, 0, 2])]);
    // The others are for consent.
    assert!(checks.len() <= 7, "{} checks in 25 s", checks.len());
}
