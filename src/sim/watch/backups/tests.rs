//! INV-20 speaks where a pair is given up for one that is worse, and is silent where another reason can be told.

use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use super::*;
use crate::Config;
use crate::ice::{Candidate, CandidateId, Choice, Credentials, Nomination, Policy, Role};
use crate::sim::watch::bench::{Bench, Check, address, at, path};
use crate::stun::ErrorCode;

const OURS: [&str; 3] = ["192.0.2.1:1000", "192.0.2.2:1000", "192.0.2.3:1000"];
const THEIRS: [&str; 3] = ["198.51.100.1:2000", "198.51.100.2:2000", "198.51.100.3:2000"];

/// From one of our addresses to one of the peer's.
fn on(ours: usize, theirs: usize) -> Path {
    path(OURS[ours], THEIRS[theirs])
}

/// Finds nothing but these worth keeping.
#[derive(Debug)]
struct Keeps(Vec<Path>);

impl Policy for Keeps {
    fn keeps(&self, pair: &Choice) -> bool {
        self.0.contains(&pair.path)
    }
}

/// What the peer sees of a check.
type Seen = fn(Check) -> SocketAddr;

fn as_sent(check: Check) -> SocketAddr {
    check.path.local()
}

/// Answers everything until then.
fn run(bench: &mut Bench, until: Timestamp, seen: Seen) {
    while bench.now < until {
        let known = bench.checks().len();
        bench.run_until(bench.now + Duration::from_millis(10));
        let new: Vec<Check> = bench.checks()[known..].into();
        for check in new {
            bench.answer_as(check, seen(check));
        }
    }
}

/// All nine pairs are valid, and none is selected.
fn valid(config: Config, seen: Seen) -> Bench {
    let mut bench = Bench::new(config.nomination(Nomination::Manual), Role::Controlling, 1);
    for ours in OURS {
        bench.base(1, ours);
    }
    bench.remote("trickle ice2 renomination");
    for (foundation, theirs) in ["1", "2", "3"].into_iter().zip(THEIRS) {
        bench.trickle(foundation, 1, address(theirs));
    }
    run(&mut bench, at(1_000), seen);
    bench
}

/// The first pair becomes the selected one.
fn select(bench: &mut Bench, seen: Seen) {
    let pair =
        bench.agent.pairs(bench.stream).find(|pair| pair.is_valid() && pair.path() == on(0, 0)).unwrap().id();
    bench.command(|agent, now, _| agent.nominate(now, pair).unwrap());
    let until = bench.now + Duration::from_millis(200);
    run(bench, until, seen);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    let selected = bench.agent.pairs(bench.stream).find(|pair| pair.is_selected());
    assert_eq!(selected.map(|pair| pair.path()), Some(on(0, 0)));
}

/// The first pair is selected, these are kept, and the one that shares nothing with either is not: an agent, and what was given up.
fn given_up(kept: &[Path]) -> (Bench, Spare) {
    given_up_as(kept, as_sent)
}

fn given_up_as(kept: &[Path], seen: Seen) -> (Bench, Spare) {
    let policy = Arc::new(Keeps(kept.to_vec()));
    let mut bench = valid(Config::new().backups(kept.len()).policy(policy), seen);
    let gone = Spare::of(&bench.pair(on(2, 2)));
    select(&mut bench, seen);
    let left: Vec<Path> =
        bench.agent.pairs(bench.stream).filter(Pair::is_listed).map(|pair| pair.path()).collect();
    assert!(left.len() == 1 + kept.len() && kept.iter().all(|kept| left.contains(kept)), "{left:?}");
    (bench, gone)
}

/// Whether the agent has given this up for what is worse.
fn is_reported(bench: &Bench, gone: Spare) -> bool {
    let told = Backups { valid: [gone].into() }.quiet(&bench.agent, &bench.watch.wire, bench.now);
    told.is_err_and(|told| told.starts_with("INV-20"))
}

#[test]
fn what_is_kept_shares_as_little_as_can_be() {
    for count in 1..=3 {
        let mut bench = valid(Config::new().backups(count), as_sent);
        select(&mut bench, as_sent);
        assert_eq!(bench.violation(), None);
    }
}

#[test]
fn what_is_given_up_for_a_pair_with_an_end_of_the_selected_one_is_reported() {
    for alike in [on(1, 0), on(0, 1)] {
        let (bench, gone) = given_up(&[alike]);
        assert!(bench.broke("INV-20"), "{alike:?}: {:?}", bench.violation());
        assert!(is_reported(&bench, gone));
    }
}

#[test]
fn of_what_is_unlike_any_may_be_kept_or_none() {
    for kept in [&[on(1, 1)][..], &[]] {
        let (bench, gone) = given_up(kept);
        assert_eq!(bench.violation(), None);
        assert!(!is_reported(&bench, gone));
    }
}

#[test]
fn what_shares_an_end_with_any_pair_in_use_may_be_given_up() {
    let (bench, gone) = given_up(&[on(1, 0)]);
    for path in [on(0, 2), on(2, 0), on(1, 2)] {
        let sites = [Some(path.local().ip()), Some(path.remote().ip())];
        assert!(!is_reported(&bench, Spare { path, sites, ..gone }), "{path:?}");
    }
}

/// A relay hides where the peer is.
#[test]
fn what_leads_to_a_relay_of_the_peers_shares_who_knows_what() {
    let (mut bench, gone) = given_up(&[on(1, 0)]);
    assert_eq!(gone.sites, [Some(on(2, 2).local().ip()), Some(on(2, 2).remote().ip())]);
    assert!(!is_reported(&bench, Spare { sites: [gone.sites[0], None], ..gone }));
    let relay = "candidate:4 1 udp 16777215 198.51.100.4 2000 typ relay raddr 0.0.0.0 rport 0";
    let relay = crate::sdp::parse_candidate(relay).unwrap();
    bench.command(|agent, now, stream| {
        agent.restart(now, stream).unwrap();
        let peer = Credentials::new("again", "anotherpasswordofthepeer").unwrap();
        let remote = crate::Remote::new(peer).options("trickle ice2").candidates([relay]);
        agent.set_remote(now, stream, remote).unwrap();
    });
    let pair = bench.pair(path(OURS[0], "198.51.100.4:2000"));
    assert_eq!(Spare::of(&pair).sites, [Some(path(OURS[0], THEIRS[0]).local().ip()), None]);
}

#[test]
fn in_trouble_other_things_count() {
    let (mut bench, gone) = given_up(&[on(1, 0)]);
    let until = bench.now + Duration::from_secs(9);
    bench.run_until(until);
    assert!(matches!(bench.agent.state(bench.stream), Some(StreamState::Unconfirmed(_))));
    assert!(!is_reported(&bench, gone));
    assert!(bench.watch.wire.is_sound(gone.path, bench.now), "that is no reason");
}

/// A nomination that is answered with 487 is repeated.
fn check_again(bench: &mut Bench, again: Path) {
    let is_it = |pair: &Pair<'_>| pair.is_valid() && pair.path() == again;
    let pair = bench.agent.pairs(bench.stream).find(is_it).unwrap().id();
    let before = bench.checks().len();
    bench.command(|agent, now, _| agent.nominate(now, pair).unwrap());
    bench.run_until(bench.now + Duration::from_millis(100));
    let nomination = bench.checks()[before..].iter().find(|check| check.nominates && check.path == again);
    bench.refuse(*nomination.unwrap(), &ErrorCode::ROLE_CONFLICT);
    assert_ne!(bench.state(again), PairState::Succeeded);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

#[test]
fn a_pair_that_is_checked_again_is_neither_kept_nor_given_up() {
    let (mut bench, gone) = given_up(&[on(1, 0)]);
    let (again, left) = (on(1, 0), Spare { path: on(1, 0), ..gone });
    assert!(!is_reported(&bench, left), "its path is there");
    assert!(!is_reported(&bench, Spare { id: bench.pair(again).id(), ..gone }), "its pair is there");
    assert!(!is_reported(&bench, Spare { path: on(0, 0), ..gone }), "it is selected");
    assert!(is_reported(&bench, gone));
    check_again(&mut bench, again);
    assert!(bench.pair(again).is_valid() && !bench.pair(again).is_selected());
    assert!(!is_reported(&bench, gone));
}

#[test]
fn another_component_has_its_own_pairs() {
    let (bench, gone) = given_up(&[on(1, 0)]);
    assert!(!is_reported(&bench, Spare { component: bench.stream.component(2), ..gone }));
}

#[test]
fn a_pair_ends_with_its_candidates() {
    let (mut bench, gone) = given_up(&[on(1, 0)]);
    let is_it = |(_, it): &(CandidateId, &Candidate)| it.ip() == Some(gone.path.remote());
    let (theirs, _) = bench.agent.remote_candidates(bench.stream).find(is_it).unwrap();
    bench.command(|agent, now, stream| agent.remove_remote_candidate(now, stream, theirs).unwrap());
    assert!(!is_reported(&bench, gone));
    let (mut bench, gone) = given_up(&[on(1, 0)]);
    let base = bench.base(1, "192.0.2.4:1000");
    let path = path("192.0.2.4:1000", THEIRS[2]);
    bench.watch.wire.give_answer(path, bench.now);
    let of_it = Spare { path, sites: [Some(path.local().ip()), gone.sites[1]], ..gone };
    assert!(is_reported(&bench, of_it));
    bench.command(|agent, now, _| agent.remove_base(now, base).unwrap());
    assert!(!is_reported(&bench, of_it));
}

#[test]
fn a_pair_ends_with_consent() {
    let (bench, gone) = given_up(&[on(1, 0)]);
    let is_reported_at = |now: Timestamp| {
        let told = Backups { valid: [gone].into() }.quiet(&bench.agent, &bench.watch.wire, now);
        told.is_err()
    };
    let answered_at = bench.watch.wire.answered_at(gone.path).unwrap();
    assert!(is_reported_at(answered_at + Duration::from_millis(29_999)));
    assert!(!is_reported_at(answered_at + Duration::from_millis(30_000)));
}

/// A relay that is let go takes its pairs along, and what it brings may be on more than one path.
#[test]
fn of_relays_nothing_is_to_be_told() {
    for relayed in [on(2, 2), on(1, 0)] {
        let (mut bench, gone) = given_up(&[on(1, 0)]);
        bench.watch.wire.give_relayed(path("192.0.2.9:1000", "198.51.100.9:3478"), relayed.local());
        assert!(!is_reported(&bench, gone), "{relayed:?}");
    }
}

#[test]
fn a_pair_whose_check_has_shown_the_selected_one_is_no_backup_of_it() {
    let (mut bench, gone) = given_up(&[on(1, 0)]);
    bench.watch.wire.give_seen(on(1, 0), on(0, 0).local());
    assert!(!is_reported(&bench, gone));
    bench.watch.wire.give_seen(on(1, 0), on(2, 0).local());
    assert!(is_reported(&bench, gone));
    // To another address it is another one.
    let (mut bench, gone) = given_up(&[on(0, 1)]);
    bench.watch.wire.give_seen(on(0, 1), on(0, 0).local());
    assert!(is_reported(&bench, gone));
}

/// World 2303407: the pair that was checked stays in the list for what is valid under the address that the peer has seen.
#[test]
fn what_is_kept_by_its_check_is_kept() {
    let third = |check: Check| match check.path.local() {
        local if local == on(2, 0).local() => address("203.0.113.3:3000"),
        local => local,
    };
    let (mut bench, gone) = given_up_as(&[on(1, 0), on(2, 1)], third);
    assert!(!bench.pair(on(2, 1)).is_valid());
    assert!(!is_reported(&bench, gone));
    assert!(is_reported(&bench, Spare { sites: [Some([203, 0, 113, 9].into()); 2], ..gone }));
    check_again(&mut bench, on(2, 1));
    assert!(is_reported(&bench, gone), "what is checked again is not kept yet");
}
