//! The peer withdraws candidates, selected or not.

mod harness;

use core::time::Duration;
use floe::ice::{Candidate, Role};
use floe::{Config, Remote, StreamState};
use harness::{Bench, Fed, LOCAL, REMOTE, Sent, address, at, host, ms, no_delay, remote_credentials, typed};

const OTHER: &str = "198.51.100.2:2000";

/// An agent with a base whose peer has announced these ice-options and one candidate.
fn bench(config: Config, role: Role, options: &str) -> Bench {
    let mut bench = Bench::bare(config, role);
    bench.base(LOCAL);
    let remote = Remote::new(remote_credentials()).options(options);
    bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
    bench.drain();
    bench.trickle(host("1", 1, REMOTE));
    bench
}

/// Proves: rfc8445-9-4
/// Lesson: R-11
#[test]
fn withdrawing_the_reflexive_candidate_of_a_host_leaves_the_path_to_the_host_alone() {
    let mut bench =
        bench(Config::new().consent(false).continual_gathering(true), Role::Controlling, "trickle continual");
    let reflexive = typed("2", "srflx", 1_694_498_815, OTHER);
    let reflexive = bench.agent.add_remote_candidate(bench.now, bench.stream, reflexive).unwrap();
    bench.run_answering(at(2_000), no_delay);
    let route = bench.agent.route(bench.component());
    assert_eq!(route.unwrap().path().remote(), address(REMOTE));
    bench.agent.remove_remote_candidate(bench.now, bench.stream, reflexive).unwrap();
    bench.run_for(Duration::from_secs(60));
    assert_eq!(bench.agent.route(bench.component()), route);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// Without a NAT a host and its reflexive candidate are one address, signalled twice. Whichever is withdrawn, the other one
/// keeps its pair; when both are, it goes, and either can be signalled again.
///
/// Proves: rfc8838-9-5
/// Lesson: L-35, R-10
#[test]
fn of_two_candidates_with_one_address_either_can_be_withdrawn_alone() {
    for first in [0, 1] {
        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        bench.base(LOCAL);
        bench.remote();
        let candidates = [host("1", 1, REMOTE), typed("2", "srflx", 1_694_498_815, REMOTE)];
        let add = |bench: &mut Bench, n: usize| {
            bench.agent.add_remote_candidate(bench.now, bench.stream, candidates[n].clone()).unwrap()
        };
        let ids = [0, 1].map(|n| add(&mut bench, n));
        assert_ne!(ids[0], ids[1]);
        assert_eq!([0, 1].map(|n| add(&mut bench, n)), ids, "sent again, each is the one that it was");
        assert_eq!(bench.pair_states().len(), 1);
        bench.agent.remove_remote_candidate(bench.now, bench.stream, ids[first]).unwrap();
        assert_eq!(bench.pair_states().len(), 1);
        let left: Vec<_> = bench.agent.remote_candidates(bench.stream).collect();
        assert_eq!(left, [(ids[1 - first], &candidates[1 - first])]);
        let pair = bench.agent.pairs(bench.stream).next().unwrap();
        let [ours, theirs] = [pair.local(), &candidates[1 - first]].map(Candidate::priority);
        assert_eq!(pair.priority(), Role::Controlling.pair_priority(ours, theirs));
        bench.agent.remove_remote_candidate(bench.now, bench.stream, ids[1 - first]).unwrap();
        assert_eq!(bench.pair_states().len(), 0);
        assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 0);
        let again = add(&mut bench, first);
        assert!(!ids.contains(&again), "an id is never used again");
        bench.run_answering(at(2_000), no_delay);
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    }
}

/// The peer is known by its checks alone, from an address that it has not signalled: it withdraws all that it had signalled,
/// signals the new one, and withdraws that as well, and the stream knows of no trouble.
///
/// Proves: rfc8445-7.3.1.3-1
/// Lesson: R-08
#[test]
fn a_selected_pair_whose_candidate_was_never_signalled_outlives_all_that_were() {
    let moved = "198.51.100.9:9000";
    for role in [Role::Controlling, Role::Controlled] {
        let mut bench = bench(Config::new(), role, "trickle");
        bench.trickle(host("2", 1, OTHER));
        let check = harness::PeerCheck { use_candidate: role == Role::Controlled, ..bench.peer_check() };
        assert_eq!(bench.feed_on(LOCAL, moved, &check.encode()), Fed::Control);
        let from_there = |check: &Sent| (check.path.remote() == address(moved)).then_some(ms(20));
        bench.run_answering(at(2_000), from_there);
        let (states, route) = (bench.states(), bench.agent.route(bench.component()));
        assert_eq!(route.unwrap().path().remote(), address(moved));
        let withdraw = |bench: &mut Bench, moved_too: bool| {
            let all = bench.agent.remote_candidates(bench.stream);
            let gone = all.filter(|(_, it)| moved_too || it.ip() != Some(address(moved)));
            for id in gone.map(|(id, _)| id).collect::<Vec<_>>() {
                bench.agent.remove_remote_candidate(bench.now, bench.stream, id).unwrap();
            }
            bench.run_answering(bench.now + Duration::from_secs(60), from_there);
        };
        withdraw(&mut bench, false);
        bench.trickle(typed("3", "srflx", 1_694_498_815, moved));
        withdraw(&mut bench, true);
        assert_eq!((bench.states(), bench.agent.route(bench.component())), (states, route), "{role}");
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    }
}

/// Where nominations may follow one another, the selected pair is left for another one when the peer withdraws its candidate,
/// and goes then; there is a route at every moment. Without them it stays what it is.
#[test]
fn a_selected_pair_whose_candidate_is_withdrawn_gives_way_to_another_one() {
    for options in ["trickle renomination", "trickle"] {
        let mut bench = bench(Config::new(), Role::Controlling, options);
        bench.trickle(typed("2", "host", 1_000, OTHER));
        bench.run_answering(at(2_000), no_delay);
        let remote = |bench: &Bench| bench.agent.route(bench.component()).unwrap().path().remote();
        assert_eq!(remote(&bench), address(REMOTE));
        let mut known = bench.agent.remote_candidates(bench.stream);
        let id = known.find(|(_, candidate)| candidate.ip() == Some(address(REMOTE))).unwrap().0;
        drop(known);
        bench.agent.remove_remote_candidate(bench.now, bench.stream, id).unwrap();
        for _ in 0..100 {
            bench.run_answering(bench.now + ms(50), no_delay);
            remote(&bench);
        }
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
        let known: Vec<_> =
            bench.agent.remote_candidates(bench.stream).map(|(_, it)| it.ip().unwrap()).collect();
        if options == "trickle" {
            assert_eq!((remote(&bench), known.len()), (address(REMOTE), 2));
        } else {
            assert_eq!((remote(&bench), known), (address(OTHER), vec![address(OTHER)]));
            assert!(bench.agent.pairs(bench.stream).all(|pair| pair.path().remote() == address(OTHER)));
        }
    }
}

/// What the peer has withdrawn while it is selected still carries data, and joins no new pair.
#[test]
fn a_new_base_is_not_paired_with_a_candidate_that_is_withdrawn() {
    const NEW: &str = "192.0.2.77:1000";
    let mut bench = bench(Config::new(), Role::Controlling, "trickle renomination");
    bench.trickle(typed("2", "host", 1_000, OTHER));
    bench.run_answering(at(2_000), no_delay);
    let mut known = bench.agent.remote_candidates(bench.stream);
    let id = known.find(|(_, candidate)| candidate.ip() == Some(address(REMOTE))).unwrap().0;
    drop(known);
    bench.agent.remove_remote_candidate(bench.now, bench.stream, id).unwrap();
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 2);
    bench.base(NEW);
    let paths = bench.agent.pairs(bench.stream).map(|pair| pair.path());
    let new: Vec<_> = paths.filter(|path| path.local() == address(NEW)).map(|path| path.remote()).collect();
    assert_eq!(new, [address(OTHER)]);
}
