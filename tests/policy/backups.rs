//! Pairs that are kept beside the selected one.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use floe::ice::{CandidateKind, Choice, PairState, Policy, Role};
use floe::stun::ErrorCode;
use floe::{Config, Event, Profile, Remote, StreamState};

use crate::Call;
use crate::harness::{Bench, Fed, LOCAL, PeerCheck, Sent, address, at, ms, remote_credentials, typed};
use crate::session::secs;

const DIRECT: &str = "198.51.100.1:2001";
const OTHERS: [&str; 3] = ["198.51.100.1:2002", "198.51.100.1:2003", "198.51.100.1:2004"];
const RELAY: &str = "203.0.113.50:5000";

/// An agent with one base and a peer that has four host candidates and a relayed one, and answers every check.
fn five_pairs(config: Config, role: Role) -> Bench {
    let mut bench = Bench::bare(config, role);
    bench.base(LOCAL);
    let remote = Remote::new(remote_credentials()).options("ice2 trickle renomination");
    bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
    for (n, remote) in (1_u32..).zip([DIRECT].into_iter().chain(OTHERS)) {
        bench.trickle(typed(&n.to_string(), "host", 2_000_000_000 - n, remote));
    }
    bench.trickle(typed("9", "relay", 100, RELAY));
    bench.end_of_candidates();
    bench
}

fn promptly(_: &Sent) -> Option<Duration> {
    Some(ms(20))
}

/// How often, and with which intervals at the least and the most, each destination was asked in ten minutes.
fn asked(bench: &mut Bench) -> Vec<(SocketAddr, [Duration; 2])> {
    let start = bench.now;
    bench.run_answering(start + secs(600), promptly);
    let mut times: Vec<(SocketAddr, Vec<floe::Timestamp>)> = Vec::new();
    for check in bench.checks().into_iter().filter(|check| check.at > start) {
        match times.iter_mut().find(|(remote, _)| *remote == check.path.remote()) {
            Some((_, times)) => times.push(check.at),
            None => times.push((check.path.remote(), vec![check.at])),
        }
    }
    times.sort();
    let apart = |times: &[floe::Timestamp]| {
        let gaps = times.windows(2).map(|two| two[1].saturating_since(two[0]));
        [gaps.clone().min().unwrap(), gaps.max().unwrap()]
    };
    times.iter().map(|(remote, times)| (*remote, apart(times))).collect()
}

/// Proves: renom-v2-6, renom-v2-9, rfc7675-5.1-6
/// Lesson: L-45
#[test]
fn pairs_beside_the_nominated_one_are_checked_to_the_end_kept_and_asked_for_consent() {
    let mut bench = five_pairs(Config::new().backups(8), Role::Controlling);
    bench.run_answering(at(75), promptly);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed), "nominated after two checks");
    assert_eq!(bench.pair_states().iter().filter(|(_, state)| *state == PairState::Waiting).count(), 4);
    bench.run_answering(at(2_000), promptly);
    assert_eq!(bench.pair_states().len(), 5);
    assert!(bench.pair_states().iter().all(|(_, state)| *state == PairState::Succeeded));
    let asked = asked(&mut bench);
    assert_eq!(asked.len(), 5);
    for (remote, [least, most]) in asked {
        assert!(least >= secs(4) && most <= secs(6), "{remote}: {least:?} to {most:?}");
    }
}

/// Keeps no relays.
#[derive(Debug)]
struct Direct;

impl Policy for Direct {
    fn keeps(&self, pair: &Choice) -> bool {
        pair.remote != CandidateKind::Relayed
    }
}

/// Proves: renom-v2-7
#[test]
fn as_many_pairs_are_kept_as_configured_and_none_that_the_policy_refuses() {
    for (config, kept) in [
        (Config::new().backups(2), &OTHERS[..2]),
        (Config::new().backups(8).policy(Arc::new(Direct)), &OTHERS[..]),
        (Config::new(), &[]),
        (Config::new().backups(2).renomination(false), &[]),
    ] {
        let mut bench = five_pairs(config, Role::Controlling);
        bench.run_answering(at(2_000), promptly);
        assert_eq!(bench.selections(), [address(DIRECT)]);
        let expected: Vec<_> = [DIRECT].iter().chain(kept).map(|text| address(text)).collect();
        assert_eq!(asked(&mut bench).into_iter().map(|(remote, _)| remote).collect::<Vec<_>>(), expected);
        assert_eq!(bench.pair_states().len(), expected.len(), "what is not kept is not listed");
    }
}

/// The best of every socket first: those of one tend to fail together.
#[test]
fn of_two_interfaces_each_has_a_pair_that_is_kept() {
    let config = Config::new().profile(Profile::Mobile).backups(1);
    let mut bench = Bench::bare(config, Role::Controlling);
    bench.base(LOCAL);
    bench.base("192.0.2.9:1000");
    let remote = Remote::new(remote_credentials()).options("ice2 trickle renomination");
    bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
    for (n, remote) in (1_u32..).zip([DIRECT].into_iter().chain(OTHERS)) {
        bench.trickle(typed(&n.to_string(), "host", 2_000_000_000 - n, remote));
    }
    bench.end_of_candidates();
    bench.run_answering(at(2_000), promptly);
    let listed: Vec<_> =
        bench.agent.pairs(bench.stream).filter(|pair| pair.is_listed()).map(|it| it.path()).collect();
    let bases: Vec<_> = listed.iter().map(|path| path.local()).collect();
    assert_eq!(bases, [address(LOCAL), address("192.0.2.9:1000")], "{listed:?}");
}

/// Three minutes without an answer from the others: they are gone, and the selected pair is where it was.
///
/// Proves: rfc7675-5.1-17
#[test]
fn a_kept_pair_goes_with_its_consent_and_is_not_tried_again() {
    let mut bench = five_pairs(Config::new().profile(Profile::Mobile), Role::Controlling);
    bench.run_answering(at(2_000), promptly);
    let only = |check: &Sent| (check.path.remote() == address(DIRECT)).then_some(ms(20));
    bench.run_answering(at(40_000), only);
    let before = bench.requests().iter().filter(|check| check.path.remote() != address(DIRECT)).count();
    bench.run_answering(at(180_000), only);
    let after = bench.requests().iter().filter(|check| check.path.remote() != address(DIRECT)).count();
    assert_eq!(before, after, "30 s after the last answer nobody is asked");
    let check = bench.peer_check();
    assert_eq!(bench.feed_on(LOCAL, OTHERS[0], &check.encode()), Fed::Control);
    bench.run_answering(at(190_000), only);
    assert_eq!(bench.requests().iter().filter(|check| check.path.remote() != address(DIRECT)).count(), after);
    assert_eq!(
        bench.agent.pairs(bench.stream).filter(|pair| pair.is_valid()).count(),
        2,
        "one was never kept"
    );
    assert_eq!(
        (bench.selections(), bench.agent.state(bench.stream)),
        ([address(DIRECT)].into(), Some(StreamState::Completed))
    );
}

/// The peer wants no more data on the selected pair: nobody waits a second, and nobody asks there again.
///
/// Proves: rfc7675-5.2-1, rfc7675-5.1-17
#[test]
fn when_consent_is_revoked_on_the_selected_pair_a_kept_one_takes_over_without_delay() {
    let mut bench = five_pairs(Config::new().profile(Profile::Mobile), Role::Controlling);
    bench.run_answering(at(2_000), promptly);
    let to_direct = |bench: &Bench| {
        let checks = bench.checks().into_iter().filter(|check| check.path.remote() == address(DIRECT));
        checks.collect::<Vec<_>>()
    };
    let (known, others) =
        (to_direct(&bench).len(), |check: &Sent| (check.path.remote() != address(DIRECT)).then_some(ms(20)));
    // Until the others have answered since the selection, and the selected pair is asked for consent.
    while to_direct(&bench).len() == known {
        bench.run_answering(bench.now + ms(10), others);
    }
    let check = to_direct(&bench).pop().unwrap();
    let refusal = bench.error(&check, ErrorCode::FORBIDDEN);
    bench.feed_path(check.path, &refusal);
    let revoked = bench.now;
    assert!(bench.agent.route(bench.component()).is_none());
    let slowly = |check: &Sent| others(check).map(|_| ms(300));
    bench.run_answering(revoked + secs(60), slowly);
    // Another one may follow later, if it answers sooner.
    let mut selected = bench.events.iter().filter(|(_, event)| matches!(event, Event::Selected { .. }));
    let taken = selected.find(|(at, _)| *at > revoked).unwrap().0;
    assert!(taken.saturating_since(revoked) <= ms(350), "{taken:?}: one slot and one round trip");
    let route = bench.agent.route(bench.component()).unwrap();
    assert!(OTHERS.map(address).contains(&route.path().remote()));
    assert_eq!(to_direct(&bench).len(), known + 1, "asked again where consent was revoked");
}

/// World 709094: the translator before a kept pair had changed its mind, so that two pairs were valid on one path; when the
/// selected pair went with its base, data moved to the one, and the other was still kept.
///
/// Proves: rfc7675-5.1-6
#[test]
fn a_path_on_which_two_pairs_are_valid_is_asked_for_consent_once() {
    let second = "192.0.2.9:1000";
    let mut bench = Bench::bare(Config::new().profile(Profile::Mobile), Role::Controlled);
    let first = bench.base(LOCAL);
    bench.base(second);
    let remote = Remote::new(remote_credentials()).options("ice2 trickle renomination");
    bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
    bench.trickle(typed("1", "host", 2_000_000_000, DIRECT));
    bench.end_of_candidates();
    let mut answered = 0;
    let mut answer_until = |bench: &mut Bench, until, mapped: &str| {
        while let Some(due) = bench.agent.deadline().filter(|due| *due <= until) {
            bench.run_until(due);
            for check in bench.checks().split_off(answered) {
                let seen =
                    if check.path.local() == address(second) { address(mapped) } else { address(LOCAL) };
                let answer = bench.success(&check, seen);
                bench.feed_path(check.path, &answer);
                answered += 1;
            }
        }
        bench.run_until(until);
    };
    let check = PeerCheck { use_candidate: true, ..bench.peer_check() };
    bench.feed_on(LOCAL, DIRECT, &check.encode());
    answer_until(&mut bench, at(3_000), "203.0.113.9:1");
    assert_eq!(bench.agent.route(bench.component()).map(|route| route.path().local()), Some(address(LOCAL)));
    answer_until(&mut bench, at(12_000), "203.0.113.9:2");
    let valid = |bench: &Bench| {
        let valid = bench.agent.pairs(bench.stream).filter(|pair| pair.is_valid());
        valid.filter(|pair| pair.path().local() == address(second)).count()
    };
    assert_eq!(valid(&bench), 2);
    bench.agent.remove_base(bench.now, first).unwrap();
    bench.drain();
    answer_until(&mut bench, at(14_000), "203.0.113.9:2");
    let before = bench.checks().len();
    answer_until(&mut bench, at(60_000), "203.0.113.9:2");
    let times: Vec<_> = bench.checks()[before..].iter().map(|check| check.at).collect();
    assert!(times.len() > 5, "{times:?}");
    assert!(times.windows(2).all(|two| two[1].saturating_since(two[0]) >= secs(4)), "{times:?}");
}

#[test]
fn the_controlled_side_keeps_pairs_too_and_uses_one_the_moment_it_is_nominated() {
    let mobile = Config::new().profile(Profile::Mobile);
    let mut call = Call::new(2, &mobile, &[(0, ms(10)), (0, ms(10))]).connected();
    let since = call.world.now();
    call.world.run_for(secs(60));
    for id in call.ids {
        let requests = call.requests(id, since);
        let mut paths: Vec<_> = requests.iter().map(|(_, path)| *path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 2, "{id}");
        assert!((20..=30).contains(&requests.len()), "{} in a minute, two pairs", requests.len());
    }
    let dead = (call.ids[0], call.interface(1));
    call.world.unplug(dead);
    call.until_selected(2, secs(12));
    let bob = call.world.node(call.ids[1]);
    assert!(bob.agent().route(bob.stream().component(1)).is_some(), "without asking first");
}

#[test]
fn what_an_interface_that_comes_later_can_do_is_found_out_and_used() {
    let mobile = Config::new().profile(Profile::Mobile);
    let mut call = Call::new(4, &mobile, &[(900, ms(20)), (10, ms(10))]);
    let late = call.interfaces[1];
    let early: Vec<_> = {
        let peer = call.world.node(call.ids[0]);
        peer.agent().local_candidates(peer.stream()).map(|(_, it)| it.ip().unwrap()).collect()
    };
    assert_eq!(early.len(), 2);
    // The network that is not there yet.
    let stream = call.world.node(call.ids[0]).stream();
    let base = floe::ice::BaseId::from_raw(1);
    call.world.with(call.ids[0], |peer, now| peer.agent_mut().remove_base(now, base).unwrap());
    let mut call = call.connected();
    assert_eq!(call.selected(), Some(1));
    call.world.with(call.ids[0], |peer, now| {
        let base = floe::Base::udp(late).network(2, 10);
        peer.agent_mut().add_base(now, stream.component(1), base).unwrap();
        peer.agent_mut().end_of_bases(now, stream).unwrap();
    });
    let took = call.until_selected(2, secs(10));
    assert!(took >= secs(1), "{took:?}");
    call.assert_data_flows();
}
