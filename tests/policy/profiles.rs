//! The profiles and their timers.

use core::time::Duration;

use floe::ice::Role;
use floe::stun::Message;
use floe::{Agent, Config, Profile, Remote, Seed, Server, StreamState, Timestamp};

use crate::Call;
use crate::harness::{Bench, Sent, address, at, ms, remote_credentials, typed};
use crate::session::secs;

const PROFILES: [Profile; 4] = [Profile::Rfc8445, Profile::Webrtc, Profile::ServerIdle, Profile::Mobile];

fn config(profile: Profile) -> Config {
    Config::new().profile(profile)
}

fn promptly(_: &Sent) -> Option<Duration> {
    Some(ms(20))
}

/// An agent with one base and so many remote candidates.
fn bench(config: Config, pairs: u32) -> Bench {
    let mut bench = Bench::bare(config, Role::Controlling);
    bench.base("192.0.2.1:1000");
    let remote = Remote::new(remote_credentials()).options("ice2 trickle renomination continual");
    bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
    for n in 1..=pairs {
        bench.trickle(typed(&n.to_string(), "host", 2_000_000_000 - n, &format!("198.51.100.{n}:2000")));
    }
    bench.end_of_candidates();
    bench
}

#[test]
fn the_default_is_what_browsers_expect() {
    let [default, webrtc] = [Config::new(), config(Profile::Webrtc)].map(|config| format!("{config:?}"));
    assert_eq!(default, webrtc);
}

#[test]
fn a_profile_leaves_nothing_of_the_one_before() {
    for (first, second) in PROFILES.iter().flat_map(|first| PROFILES.map(|second| (*first, second))) {
        let [once, twice] = [config(second), config(first).profile(second)].map(|it| format!("{it:?}"));
        assert_eq!(once, twice, "{second:?} after {first:?}");
    }
}

#[test]
fn checks_leave_every_fifty_milliseconds_in_every_profile() {
    for profile in PROFILES {
        let mut bench = bench(config(profile), 5);
        bench.run_for(ms(400));
        let times: Vec<_> = bench.checks().iter().map(|check| check.at).collect();
        assert_eq!(times, [0, 50, 100, 150, 200].map(at), "{profile:?}");
        assert_eq!(bench.agent.local_pacing(), None);
    }
}

/// Four checks to be made, four that wait or are under way: 50 ms * 4 * 4.
///
/// Proves: rfc8445-14.3-2
#[test]
fn the_first_repetition_comes_after_half_a_second_or_by_the_letter_later_with_many_pairs() {
    let repeated = |profile| {
        let mut bench = bench(config(profile), 4);
        bench.run_for(ms(2_000));
        let first = bench.checks()[0].id;
        bench.requests().iter().filter(|check| check.id == first).nth(1).unwrap().at
    };
    assert_eq!(PROFILES.map(repeated), [800, 500, 500, 500].map(at));
}

/// The better pair has been checked and is silent; the other one is valid after 20 ms. Three times that are over by then,
/// and it is nominated in the next slot.
#[test]
fn nomination_gives_a_silent_better_pair_half_a_second_by_the_letter_and_three_round_trips_otherwise() {
    let nominated = |profile| {
        let mut bench = bench(config(profile), 2);
        bench.run_answering(at(2_000), |check| {
            (check.path.remote() == address("198.51.100.2:2000")).then_some(ms(20))
        });
        bench.checks().iter().find(|check| check.use_candidate).unwrap().at
    };
    assert_eq!(PROFILES.map(nominated), [570, 100, 100, 100].map(at));
}

/// The better pair is of two hosts, the other one leads to a translated address: its path may be the shorter by far.
#[test]
fn nomination_gives_a_silent_better_pair_of_another_kind_200_ms() {
    let mut bench = Bench::bare(config(Profile::Webrtc), Role::Controlling);
    bench.base("192.0.2.1:1000");
    bench.remote();
    bench.trickle(typed("1", "host", 2_000_000_000, "198.51.100.1:2000"));
    bench.trickle(typed("2", "srflx", 1_000, "198.51.100.2:2000"));
    bench.end_of_candidates();
    bench.run_answering(at(2_000), |check| {
        (check.path.remote() == address("198.51.100.2:2000")).then_some(ms(20))
    });
    assert_eq!(bench.checks().iter().find(|check| check.use_candidate).unwrap().at, at(200));
}

/// The better pair comes once the other one is valid. Until it is checked it has half a second; its check makes that the time of
/// an answer, counted from when it left, and nothing else happens that would bring it to mind.
///
/// Proves: rfc8445-8.1.1-6
#[test]
fn a_silent_better_pair_is_waited_for_three_round_trips_from_its_check_and_200_ms_at_least() {
    let nominated_after = |round_trip| {
        let mut bench = Bench::bare(config(Profile::Webrtc), Role::Controlling);
        bench.base("192.0.2.1:1000");
        bench.remote();
        bench.trickle(typed("1", "srflx", 1_000, "198.51.100.1:2000"));
        let delay =
            |check: &Sent| (check.path.remote() == address("198.51.100.1:2000")).then_some(ms(round_trip));
        bench.run_answering(at(200), delay);
        assert!(bench.agent.route(bench.component()).is_some() && bench.checks().len() == 1);
        bench.trickle(typed("2", "host", 2_000_000_000, "198.51.100.2:2000"));
        bench.end_of_candidates();
        bench.run_answering(at(2_000), delay);
        let checks = bench.checks();
        assert_eq!(checks[1].path.remote(), address("198.51.100.2:2000"));
        let nominating = checks.iter().find(|check| check.use_candidate).unwrap();
        nominating.at.saturating_since(checks[1].at)
    };
    assert_eq!([20, 80, 100].map(nominated_after), [200, 240, 300].map(ms));
}

/// Without answers the stream says so 2.5 s after a check and ends 30 s after the last answer.
#[test]
fn every_profile_asks_for_consent_every_four_to_six_seconds_and_notices_silence_alike() {
    for profile in PROFILES {
        let mut bench = bench(config(profile), 1);
        bench.run_answering(at(60_000), promptly);
        let checks = bench.checks();
        let gaps = checks.windows(2).skip(2).map(|two| two[1].at.saturating_since(two[0].at));
        assert!(gaps.clone().all(|gap| gap >= secs(4) && gap <= secs(6)), "{profile:?}");
        let last = checks.last().unwrap().at + ms(20);
        bench.run_for(secs(40));
        let silent = bench.checks().iter().find(|check| check.at > last).unwrap().at;
        let states: Vec<_> = bench
            .events
            .iter()
            .filter_map(|(at, event)| match event {
                floe::Event::State { state, .. } if *at > last => Some((*at, *state)),
                _ => None,
            })
            .collect();
        let [(overdue, StreamState::Unconfirmed(_)), (lost, StreamState::Lost(_))] = states[..] else {
            panic!("{states:?}")
        };
        assert_eq!((overdue, lost), (silent + ms(2_500), last + secs(30)), "{profile:?}");
    }
}

#[test]
fn an_idle_server_keeps_paths_and_bindings_alive_every_25_seconds_and_others_every_15() {
    let kept = |profile| {
        let mut bench = bench(config(profile).consent(false), 1);
        bench.run_answering(at(2_000), promptly);
        let before = bench.sent.last().unwrap().0;
        bench.run_for(secs(60));
        let (at, keepalive) = bench.sent.iter().find(|(at, _)| *at > before).unwrap();
        assert!(Message::parse(&keepalive.payload).is_ok());
        at.saturating_since(before)
    };
    assert_eq!(PROFILES.map(kept), [15, 15, 25, 15].map(secs));
    let refreshed = |profile| {
        let mut bench = Bench::bare(config(profile), Role::Controlling);
        bench.agent.add_server(bench.now, Server::stun(address("203.0.113.9:3478"))).unwrap();
        bench.base("192.0.2.1:1000");
        bench.run_for(ms(0));
        let question = bench.questions()[0].clone();
        bench.serve(&question, "203.0.113.1:7777");
        bench.run_for(secs(60));
        bench.sent.iter().find(|(at, _)| *at > Timestamp::ZERO).unwrap().0
    };
    assert_eq!(PROFILES.map(refreshed), [15_000, 15_000, 25_000, 15_000].map(at));
}

#[test]
fn the_options_announced_are_those_of_the_profile() {
    let options =
        |profile| Agent::new(config(profile), Role::Controlling, Seed::from([1; 32])).local_options();
    let expected = [
        "ice2 trickle",
        "ice2 trickle renomination renomination2",
        "ice2 trickle renomination renomination2",
        "ice2 trickle renomination renomination2 continual",
    ];
    assert_eq!(PROFILES.map(options), expected);
}

/// One request for each pair that is selected or kept, in a consent interval and on a side: all that an idle session costs.
#[test]
fn an_idle_session_costs_one_check_in_a_consent_interval_for_each_pair_it_keeps() {
    for (profile, pairs) in PROFILES.into_iter().zip([1, 1, 1, 2]) {
        let mut call = Call::new(6, &config(profile), &[(10, ms(10)), (10, ms(10))]).connected();
        let since = call.world.now();
        call.world.run_for(secs(600));
        for id in call.ids {
            let count = call.requests(id, since).len();
            assert!((99 * pairs..=151 * pairs).contains(&count), "{profile:?}: {count}");
        }
        assert_eq!(call.states(), [StreamState::Completed; 2]);
        assert_eq!(call.selections().len(), 1);
    }
}

/// Two interfaces, the second of which is dear.
#[test]
fn a_phone_asks_half_as_often_on_a_costly_network_that_it_does_not_use() {
    let mut call = Call::new(6, &config(Profile::Mobile), &[(10, ms(10)), (900, ms(10))]).connected();
    let since = call.world.now();
    call.world.run_for(secs(600));
    let dear = call.interface(2);
    for id in call.ids {
        let requests = call.requests(id, since);
        let on_dear = |path: &floe::Path| [path.local().ip(), path.remote().ip()].contains(&dear);
        let count = requests.iter().filter(|(_, path)| on_dear(path)).count();
        assert!((49..=76).contains(&count), "{count}");
        assert!((99..=151).contains(&(requests.len() - count)));
    }
}
