//! What the peer's checks teach about where it is (RFC 8445 sections 7.3.1.3 and 7.3.1.4).

mod harness;

use floe::ice::{CandidateKind, PairState, Role};
use floe::stun::{AttributeType, Message};
use floe::{Config, Error, Ignored, Limits};
use harness::{Bench, Fed, LOCAL, PeerCheck, REMOTE, address, at, host, manual, ms, typed};

const SECOND_LOCAL: &str = "192.0.2.2:1000";
const UNKNOWN: &str = "198.51.100.9:9000";

/// The peer checks our usual address from `from`.
fn check_from(bench: &mut Bench, from: &str) -> Fed {
    let check = bench.peer_check();
    bench.feed_on(LOCAL, from, &check.encode())
}

/// The states of the pairs that end there.
fn states_of(bench: &Bench, remote: &str) -> Vec<PairState> {
    let found = bench.pair_states().into_iter().filter(|(known, _)| *known == address(remote));
    found.map(|(_, state)| state).collect()
}

/// Proves: rfc8445-7.3.1.3-1, rfc8445-7.3.1.3-2, rfc8445-7.3.1.4-5
/// Scenario: S-28
#[test]
fn a_check_from_an_unknown_address_makes_one_candidate_and_one_pair_which_is_checked_next() {
    let mut bench = Bench::with_components(manual(), Role::Controlled, 2);
    bench.base(LOCAL);
    bench.base_of(2, SECOND_LOCAL);
    bench.base("192.0.2.3:1000");
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    let (before, learned_priority) = (bench.pair_states().len(), 1_862_270_974);
    let check = PeerCheck { priority: Some(learned_priority), ..bench.peer_check() };
    bench.feed_on(SECOND_LOCAL, UNKNOWN, &check.encode());
    let remotes: Vec<_> = bench.agent.remote_candidates(bench.stream).map(|(_, it)| it.clone()).collect();
    let [signalled, learned] = &remotes[..] else { panic!("{remotes:?}") };
    assert_eq!(learned.kind(), CandidateKind::PeerReflexive);
    assert_eq!((learned.ip(), learned.component()), (Some(address(UNKNOWN)), 2));
    assert_eq!(learned.priority().get(), learned_priority);
    assert_ne!(learned.foundation(), signalled.foundation());
    let pairs: Vec<_> = bench.agent.pairs(bench.stream).collect();
    assert_eq!(pairs.len(), before + 1);
    assert!(pairs.windows(2).all(|two| two[0].priority() >= two[1].priority()));
    assert_eq!(states_of(&bench, UNKNOWN), [PairState::Waiting]);
    let triggered = bench.next_check();
    assert_eq!((triggered.path.local(), triggered.path.remote()), (address(SECOND_LOCAL), address(UNKNOWN)));
}

/// Proves: rfc8445-7.3.1.3-2
#[test]
fn a_learned_candidate_is_not_paired_with_the_other_bases_of_its_component() {
    let mut bench = Bench::with(manual(), Role::Controlled);
    bench.base(SECOND_LOCAL);
    check_from(&mut bench, UNKNOWN);
    let learned = bench.agent.pairs(bench.stream).filter(|pair| pair.path().remote() == address(UNKNOWN));
    let locals: Vec<_> = learned.map(|pair| pair.path().local()).collect();
    assert_eq!(locals, [address(LOCAL)]);
}

/// Scenario: S-28
#[test]
fn a_peer_behind_a_symmetric_nat_is_selected_at_the_address_that_its_checks_come_from() {
    let mut bench = Bench::new(Role::Controlling);
    bench.end_of_candidates();
    check_from(&mut bench, UNKNOWN);
    bench.run_answering(at(3_000), |check| (check.path.remote() == address(UNKNOWN)).then_some(ms(20)));
    assert_eq!(bench.selections(), [address(UNKNOWN)]);
    assert_eq!(bench.feed_on(LOCAL, UNKNOWN, b"\x80"), Fed::Data(floe::Provenance::Valid, vec![0x80]));
}

/// Proves: rfc8445-7.3.1.3-3, rfc8838-11-4, rfc8445-7.3.1.4-2
/// Scenario: S-29
/// Lesson: R-12, L-12
#[test]
fn a_candidate_that_is_signalled_after_its_check_changes_nothing_but_its_name_at_any_moment() {
    let signalled = || typed("7", "srflx", 1_694_498_815, UNKNOWN);
    // Learned; checked; answered; nominated; selected.
    let steps: [fn(&mut Bench); 4] = [
        |bench| drop(bench.next_check()),
        |bench| {
            let check = bench.checks().last().unwrap().clone();
            assert_eq!(bench.answer(&check), Fed::Control);
        },
        |bench| {
            let check = PeerCheck { use_candidate: true, ..bench.peer_check() };
            assert_eq!(bench.feed_on(LOCAL, UNKNOWN, &check.encode()), Fed::Control);
        },
        |bench| bench.run_for(ms(5_000)),
    ];
    for arrives_after in 0..=steps.len() {
        let mut bench = Bench::bare(Config::new(), Role::Controlled);
        bench.base(LOCAL);
        bench.remote();
        check_from(&mut bench, UNKNOWN);
        let pair = bench.agent.pairs(bench.stream).next().unwrap().id();
        for step in 0..=steps.len() {
            if step == arrives_after {
                let (before, events) = (bench.agent.pair(pair).unwrap().state(), bench.events.len());
                let deadline = bench.agent.deadline();
                bench.trickle(signalled());
                assert_eq!(bench.agent.pair(pair).unwrap().state(), before);
                assert_eq!((bench.events.len(), bench.agent.deadline()), (events, deadline), "after {step}");
                let pairs: Vec<_> = bench.agent.pairs(bench.stream).collect();
                let [only] = &pairs[..] else { panic!("{pairs:?}") };
                let (id, remote) = (only.id(), only.remote());
                assert_eq!((id, remote.kind()), (pair, CandidateKind::ServerReflexive));
                assert_eq!(remote.foundation(), signalled().foundation());
                assert_eq!(remote.priority(), signalled().priority());
                let expected = Role::Controlled.pair_priority(only.local().priority(), remote.priority());
                assert_eq!(only.priority(), expected);
            }
            if let Some(step) = steps.get(step) {
                step(&mut bench);
            }
        }
        assert_eq!(bench.selections(), [address(UNKNOWN)], "signalled after step {arrives_after}");
        assert_eq!(bench.checks().len(), 1, "one check was enough");
    }
}

/// A candidate that is signalled is paired with the other bases as well, which what was learned was not.
///
/// Proves: rfc8445-7.3.1.3-3
#[test]
fn a_learned_candidate_that_is_signalled_is_paired_as_any_other_and_never_twice() {
    let mut bench = Bench::bare(manual(), Role::Controlled);
    bench.base(LOCAL);
    bench.base(SECOND_LOCAL);
    bench.remote();
    check_from(&mut bench, UNKNOWN);
    for _ in 0..2 {
        bench.trickle(typed("7", "host", 2_113_937_151, UNKNOWN));
        let mut locals: Vec<_> = bench.agent.pairs(bench.stream).map(|pair| pair.path().local()).collect();
        locals.sort();
        assert_eq!(locals, [address(LOCAL), address(SECOND_LOCAL)]);
        assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 1);
    }
}

/// World 99280: the check came first and was answered, then the candidate was signalled: what has its foundation stayed frozen.
///
/// Proves: rfc8838-11-4, rfc8445-7.2.5.3.3-2
#[test]
fn what_has_worked_before_it_was_signalled_thaws_the_pairs_of_its_foundation() {
    let frozen = "198.51.100.2:2000";
    let mut bench = Bench::bare(manual(), Role::Controlled);
    bench.base(LOCAL);
    bench.remote();
    bench.trickle(host("7", 1, REMOTE));
    bench.trickle(host("7", 1, frozen));
    bench.next_check();
    check_from(&mut bench, UNKNOWN);
    let triggered = bench.next_check();
    assert_eq!(triggered.path.remote(), address(UNKNOWN));
    bench.answer(&triggered);
    assert_eq!(states_of(&bench, frozen), [PairState::Frozen]);
    bench.trickle(typed("7", "srflx", 1_694_498_815, UNKNOWN));
    assert_eq!(states_of(&bench, frozen), [PairState::Waiting]);
}

/// Proves: rfc8445-7.3.1.3-1, rfc8445-7.2.5.2.3-1
/// Scenario: S-63
#[test]
fn a_check_replayed_from_a_false_source_costs_a_check_and_no_more() {
    let mut bench = Bench::with(manual(), Role::Controlled);
    let own = bench.next_check();
    bench.answer(&own);
    let replayed = bench.peer_check().encode();
    bench.feed(&replayed);
    assert_eq!(bench.feed_on(LOCAL, UNKNOWN, &replayed), Fed::Control);
    let triggered = bench.next_check();
    assert_eq!(triggered.path.remote(), address(UNKNOWN));
    // What the attacker can do: bring the check to the peer, and the peer's answer back from its true address.
    let answer = bench.success(&triggered, address(LOCAL));
    assert_eq!(bench.feed(&answer), Fed::Control);
    assert_eq!(states_of(&bench, UNKNOWN), [PairState::Failed]);
    assert_eq!(states_of(&bench, REMOTE), [PairState::Succeeded]);
    let valid = bench.agent.pairs(bench.stream).filter(|pair| pair.is_valid());
    assert_eq!(valid.map(|pair| pair.path().remote()).collect::<Vec<_>>(), [address(REMOTE)]);
    let route = bench.agent.route(bench.component()).unwrap();
    assert_eq!(route.path().remote(), address(REMOTE));
}

/// Proves: rfc8445-7.3.1.4-7
/// Scenario: S-64
#[test]
fn a_flood_of_authentic_checks_stays_within_the_limits_and_spares_what_works() {
    let mut bench = Bench::with(manual().consent(false), Role::Controlled);
    let own = bench.next_check();
    bench.answer(&own);
    for n in 0..10_000_u16 {
        let check = PeerCheck { priority: Some(u32::MAX >> 1), ..bench.peer_check() };
        let from = format!("198.51.{}.{}:{}", 101 + n / 5_000, n % 250, 10_000 + n);
        assert_eq!(bench.feed_on(LOCAL, &from, &check.encode()), Fed::Control);
        assert!(bench.pair_states().len() <= 100);
        assert!(bench.agent.remote_candidates(bench.stream).count() <= 17);
        if n % 500 == 0 {
            bench.run_for(ms(40_000));
        }
    }
    assert!(bench.agent.stats().peer_reflexive_refused > 9_000);
    assert_eq!(states_of(&bench, REMOTE), [PairState::Succeeded]);
    for port in 0..10_000_u16 {
        let more = host("9", 1, &format!("203.0.113.{}:{}", port % 250, 20_000 + port));
        let _ = bench.agent.add_remote_candidate(bench.now, bench.stream, more);
        assert!(bench.agent.pairs(bench.stream).count() <= 100);
    }
    bench.drain();
    assert!(bench.agent.remote_candidates(bench.stream).count() <= 64 + 16);
    assert_eq!(states_of(&bench, REMOTE), [PairState::Succeeded]);
}

/// World 133805: of two NATs each check made a new candidate of the other end, and the one that worked, on another socket, was
/// one too many.
///
/// Proves: rfc8445-7.3.1.4-7
#[test]
fn what_one_socket_hears_leaves_room_for_what_another_one_hears() {
    let mut bench = Bench::bare(manual(), Role::Controlled);
    let locals = [LOCAL, SECOND_LOCAL, "192.0.2.3:1000"];
    for local in locals {
        bench.base(local);
    }
    bench.remote();
    let mut ports = 9_000..;
    let mut heard = |local: &str| {
        for port in ports.by_ref().take(30) {
            let check = bench.peer_check().encode();
            assert_eq!(bench.feed_on(local, &format!("198.51.100.9:{port}"), &check), Fed::Control);
        }
        let pairs = bench.agent.pairs(bench.stream);
        pairs.filter(|pair| pair.path().local() == address(local)).count()
    };
    // Those that come first get most, and nobody gets nothing.
    assert_eq!(locals.map(&mut heard), [12, 2, 2]);
}

/// Worlds 776756 and 2501460: of all that the checks of a peer behind two translators had told of, the nomination came from where
/// there was no room left to learn of; it was affirmed, and not followed.
///
/// Proves: rfc8445-7.3.1.3-1, rfc8445-7.3.1.5-2
#[test]
fn a_nomination_from_elsewhere_takes_the_room_of_what_was_not_nominated() {
    let mut limits = Limits::default();
    limits.peer_reflexive = 2;
    let mut bench = Bench::bare(Config::new().limits(limits).consent(false), Role::Controlled);
    bench.base(LOCAL);
    bench.remote();
    let [works, dead, third, fourth, fifth] = [1, 2, 3, 4, 5].map(|port| format!("198.51.100.7:{port}"));
    for from in [&works, &dead] {
        assert_eq!(check_from(&mut bench, from), Fed::Control);
    }
    bench.run_answering(at(40_000), |check| {
        (check.path.remote() == address("198.51.100.7:1")).then_some(ms(20))
    });
    assert_eq!(states_of(&bench, &works), [PairState::Succeeded]);
    check_from(&mut bench, &third);
    assert_eq!(states_of(&bench, &third), [], "no nomination");
    let nominate = |bench: &mut Bench, from: &str| {
        let check = PeerCheck { use_candidate: true, ..bench.peer_check() };
        bench.feed_on(LOCAL, from, &check.encode());
        [&works, &dead, &third, &fourth, &fifth].map(|from| !states_of(bench, from).is_empty())
    };
    assert_eq!(nominate(&mut bench, &third), [true, false, true, false, false], "what has come to nothing");
    assert_eq!(nominate(&mut bench, &fourth), [false, false, true, true, false]);
    assert_eq!(nominate(&mut bench, &fifth), [false, false, true, true, false], "nothing that is nominated");
    bench.run_answering(at(41_000), |check| {
        (check.path.remote() == address("198.51.100.7:4")).then_some(ms(20))
    });
    assert_eq!(bench.selections(), [address(&fourth)]);
}

/// World 750004: the peer nominated a pair that had found no room among a hundred better ones; it was affirmed, and not followed.
///
/// Proves: rfc8445-7.3.1.5-2
#[test]
fn a_pair_that_is_nominated_finds_room_among_better_ones() {
    let mut limits = Limits::default();
    limits.pairs = 2;
    let mut bench = Bench::bare(Config::new().limits(limits).consent(false), Role::Controlled);
    bench.base(LOCAL);
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.trickle(host("2", 1, "198.51.100.2:2000"));
    bench.trickle(typed("3", "relay", 100, UNKNOWN));
    bench.run_answering(at(1_000), |_| Some(ms(20)));
    assert_eq!((bench.pair_states().len(), states_of(&bench, UNKNOWN)), (2, [].into()));
    check_from(&mut bench, UNKNOWN);
    assert_eq!(states_of(&bench, UNKNOWN), [], "no nomination");
    let check = PeerCheck { use_candidate: true, ..bench.peer_check() };
    bench.feed_on(LOCAL, UNKNOWN, &check.encode());
    assert_eq!((bench.pair_states().len(), states_of(&bench, UNKNOWN)), (2, [PairState::Waiting].into()));
    bench.run_answering(at(2_000), |_| Some(ms(20)));
    assert_eq!(bench.selections(), [address(UNKNOWN)]);
}

/// Proves: rfc8445-7.3.1.4-7
#[test]
fn with_every_pair_taken_a_check_from_elsewhere_displaces_the_worst_or_none() {
    let mut limits = Limits::default();
    limits.pairs = 3;
    for (priority, displaces) in [(u32::MAX >> 1, true), (1, false)] {
        let mut bench = Bench::bare(manual().limits(limits), Role::Controlled);
        bench.base(LOCAL);
        bench.remote();
        for port in 1..=3 {
            bench.trickle(typed(&port.to_string(), "host", 1_000 * port, &format!("198.51.100.1:{port}")));
        }
        let check = PeerCheck { priority: Some(priority), ..bench.peer_check() };
        assert_eq!(bench.feed_on(LOCAL, UNKNOWN, &check.encode()), Fed::Control);
        assert_eq!(bench.last_answer().unwrap().error, None);
        let remotes: Vec<_> = bench.pair_states().into_iter().map(|(remote, _)| remote).collect();
        assert_eq!(remotes.len(), 3);
        assert_eq!(remotes.contains(&address(UNKNOWN)), displaces);
        assert_eq!(remotes.contains(&address("198.51.100.1:1")), !displaces);
    }
}

/// World 4146155: the worst of a hundred pairs was nominated, and gave way to a better one before it was checked.
///
/// Proves: rfc8445-7.3.1.5-2
#[test]
fn a_pair_that_is_nominated_gives_way_to_none_before_it_is_checked() {
    let mut limits = Limits::default();
    limits.pairs = 2;
    let mut bench = Bench::bare(Config::new().limits(limits).consent(false), Role::Controlled);
    bench.base(LOCAL);
    bench.remote();
    let [nominated, other, better] = [1, 2, 3].map(|port| format!("198.51.100.1:{port}"));
    bench.trickle(typed("1", "host", 1_000, &nominated));
    bench.trickle(typed("2", "host", 2_000, &other));
    let check = PeerCheck { use_candidate: true, ..bench.peer_check() };
    bench.feed_on(LOCAL, &nominated, &check.encode());
    bench.trickle(typed("3", "host", 3_000, &better));
    let remotes: Vec<_> = bench.pair_states().into_iter().map(|(remote, _)| remote).collect();
    assert_eq!(remotes, [address(&better), address(&nominated)]);
    bench.run_answering(at(1_000), |_| Some(ms(20)));
    assert_eq!(bench.selections(), [address(&nominated)]);
}

/// Nobody is at these addresses, and what is sent there reaches many or none.
#[test]
fn a_check_from_an_address_that_cannot_be_sent_to_is_not_answered() {
    for from in
        ["198.51.100.9:0", "224.0.0.1:9", "255.255.255.255:9", "0.0.0.0:9", "[ff02::1]:9", "[::]:9", LOCAL]
    {
        let mut bench = Bench::bare(manual(), Role::Controlled);
        bench.base(LOCAL);
        bench.base("[2001:db8::1]:1000");
        bench.remote();
        let to = if address(from).is_ipv4() { LOCAL } else { "[2001:db8::1]:1000" };
        let good = bench.peer_check();
        let unsigned = PeerCheck { integrity: None, ..good.clone() };
        for check in [unsigned, good] {
            assert!(matches!(bench.feed_on(to, from, &check.encode()), Fed::Ignored(_)), "{from}");
            bench.run_for(ms(1_000));
            assert_eq!(bench.sent, [], "{from}");
            assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 0);
        }
        assert_eq!(bench.feed_on(to, from, b"\x80"), Fed::Ignored(Ignored::Unverified));
    }
}

/// The controlling side learns, checks, is answered, nominates, and is answered again: whenever the candidate is signalled,
/// the outcome is the same, and so is every datagram on the way.
///
/// Lesson: R-12, L-12
#[test]
fn a_candidate_that_is_signalled_late_does_not_disturb_its_nomination_at_any_moment() {
    let run = |signalled_at: Option<u64>| {
        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        bench.base(LOCAL);
        bench.remote();
        check_from(&mut bench, UNKNOWN);
        let pair = bench.agent.pairs(bench.stream).next().unwrap().id();
        let answers = |_: &harness::Sent| Some(ms(20));
        if let Some(millis) = signalled_at {
            bench.run_answering(at(millis), answers);
            bench.trickle(typed("7", "srflx", 1_694_498_815, UNKNOWN));
        }
        bench.run_answering(at(20_000), answers);
        let only: Vec<_> =
            bench.agent.pairs(bench.stream).map(|pair| (pair.id(), pair.is_selected())).collect();
        assert_eq!(only, [(pair, true)], "signalled at {signalled_at:?}");
        let sent: Vec<_> = bench.sent.iter().map(|(at, it)| (*at, it.path, it.payload.clone())).collect();
        (sent, bench.states(), bench.selections())
    };
    let undisturbed = run(None);
    assert_eq!(undisturbed.2, [address(UNKNOWN)]);
    let nominates =
        |it: &(_, _, bytes::Bytes)| Message::parse(&it.2).unwrap().contains(AttributeType::USE_CANDIDATE);
    let nominated_at = undisturbed.0.iter().find(|it| nominates(it)).unwrap().0;
    assert!(nominated_at > at(100) && nominated_at < at(900), "{nominated_at:?}");
    // The patience with better candidates ends while this one is awaited, so the first 500 ms look alike.
    for millis in (0..nominated_at.as_nanos() / 1_000_000 + 100).step_by(5) {
        assert_eq!(run(Some(millis)), undisturbed, "signalled at {millis} ms");
    }
}

/// What was learned counts as signalled once it is: a peer that is asked from everywhere, and signals each place afterwards,
/// does not get beyond the limits. Beyond them a candidate stays what it was.
///
/// Proves: rfc8445-7.3.1.4-7
#[test]
fn a_learned_candidate_that_is_signalled_counts_with_the_signalled_ones() {
    let mut limits = Limits::default();
    (limits.remote_candidates, limits.remote_candidates_total, limits.peer_reflexive) = (3, 4, 2);
    let mut bench = Bench::bare(manual().limits(limits), Role::Controlled);
    bench.base(LOCAL);
    bench.remote();
    let signal = |bench: &mut Bench, from: &str| {
        let added = bench.agent.add_remote_candidate(bench.now, bench.stream, typed("7", "srflx", 77, from));
        bench.drain();
        added
    };
    let place = |n: u16| format!("198.51.100.9:{}", 9_000 + n);
    for n in 0..10 {
        check_from(&mut bench, &place(n));
        assert_eq!(signal(&mut bench, &place(n)).is_ok(), n < 3, "{n}");
    }
    let kinds = |bench: &Bench| {
        let learned = |kind| kind == CandidateKind::PeerReflexive;
        bench.agent.remote_candidates(bench.stream).map(|(_, it)| learned(it.kind())).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&bench), [false, false, false, true, true]);
    // One that goes makes room for one; that was the last that a generation may have.
    let first = bench.agent.remote_candidates(bench.stream).next().unwrap().0;
    bench.agent.remove_remote_candidate(bench.now, bench.stream, first).unwrap();
    assert!(signal(&mut bench, &place(3)).is_ok());
    let second = bench.agent.remote_candidates(bench.stream).next().unwrap().0;
    bench.agent.remove_remote_candidate(bench.now, bench.stream, second).unwrap();
    assert_eq!(signal(&mut bench, &place(4)), Err(Error::Limit));
    assert_eq!(kinds(&bench), [false, false, true]);
}

/// What the peer has seen of us is a candidate like others, in our pairs: it can be signalled, and then the peer pairs it with
/// all of its own.
///
/// Proves: rfc8445-7.2.5.3.1-5
#[test]
fn an_address_that_the_peer_has_seen_can_be_signalled_and_is_paired_with_all_of_its_candidates() {
    let mut ours = Bench::with(manual(), Role::Controlling);
    let check = ours.next_check();
    let answer = ours.success(&check, address("203.0.113.9:9999"));
    ours.feed(&answer);
    let pair = ours.agent.pairs(ours.stream).find(|pair| pair.is_valid()).unwrap();
    assert_eq!(pair.local().kind(), CandidateKind::PeerReflexive);
    let line = floe::sdp::CandidateLine(pair.local()).to_string();
    assert!(line.contains("typ prflx raddr 192.0.2.1 rport 1000"), "{line}");
    let mut theirs = Bench::bare(manual(), Role::Controlled);
    theirs.base(LOCAL);
    theirs.base(SECOND_LOCAL);
    theirs.remote();
    theirs.trickle(harness::candidate(&line));
    assert_eq!(states_of(&theirs, "203.0.113.9:9999").len(), 2);
    assert!(theirs.pair_states().iter().all(|(remote, _)| *remote == address("203.0.113.9:9999")));
}
