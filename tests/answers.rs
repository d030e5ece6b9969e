//! The peer's checks are answered (RFC 8445 section 7.3), and what the answer does not say they change.

mod harness;

use floe::ice::{CandidateKind, PairState, Role};
use floe::stun::{AttributeType, Fingerprint, Integrity, TransactionId};
use floe::{Config, Ignored};
use harness::{Bench, Fed, LOCAL, PeerCheck, REMOTE, Sent, address, at, fingerprinted, manual, ms, typed};

const SECOND_LOCAL: &str = "192.0.2.2:1000";
const UNKNOWN: &str = "198.51.100.9:9000";

/// Feeds a check and returns what was sent at once in answer, if anything was.
fn ask(bench: &mut Bench, check: &PeerCheck) -> (Fed, Option<Sent>) {
    let before = bench.sent.len();
    let fed = bench.feed(&check.encode());
    assert!(bench.sent.len() <= before + 1, "one answer at most");
    let answered = bench.sent.len() > before;
    (fed, answered.then(|| bench.last_answer().unwrap()))
}

fn local_password(bench: &Bench) -> String {
    bench.agent.local_credentials(bench.stream).unwrap().password().into()
}

fn state(bench: &Bench) -> PairState {
    bench.pair_states()[0].1
}

/// Proves: rfc8445-7.3-4, rfc8445-7.2.2-2, rfc8489-6.3.1.2-1, rfc8489-5-9, rfc8489-6.3.1.1-2, rfc8489-9.1.3-5
#[test]
fn a_check_is_answered_at_once_from_where_it_went_to_where_it_came_from() {
    let mut bench = Bench::new(Role::Controlled);
    bench.base(SECOND_LOCAL);
    bench.base("[2001:db8::1]:1000");
    let password = local_password(&bench);
    for (to, from) in [(LOCAL, REMOTE), (SECOND_LOCAL, UNKNOWN), ("[2001:db8::1]:1000", "[2001:db8::9]:1234")]
    {
        let check = bench.peer_check();
        assert_eq!(bench.feed_on(to, from, &check.encode()), Fed::Control);
        let answer = bench.last_answer().unwrap();
        assert_eq!((answer.path.local(), answer.path.remote()), (address(to), address(from)));
        assert_eq!((answer.id, answer.mapped), (check.id, Some(address(from))));
        assert_eq!(
            answer.attributes,
            [AttributeType::XOR_MAPPED_ADDRESS, AttributeType::MESSAGE_INTEGRITY, AttributeType::FINGERPRINT]
        );
        assert_eq!(answer.fingerprint, Fingerprint::Valid);
        assert!(answer.is_signed_with(&password));
    }
}

/// Proves: rfc8489-9.1.3-5
#[test]
fn an_answer_has_the_integrity_that_its_request_had() {
    let mut bench = Bench::new(Role::Controlled);
    for (integrity, kind) in [
        (Integrity::Sha1, AttributeType::MESSAGE_INTEGRITY),
        (Integrity::Sha256, AttributeType::MESSAGE_INTEGRITY_SHA256),
    ] {
        let check = PeerCheck { integrity: Some(integrity), ..bench.peer_check() };
        let (_, answer) = ask(&mut bench, &check);
        let kinds = answer.unwrap().attributes;
        assert_eq!(kinds, [AttributeType::XOR_MAPPED_ADDRESS, kind, AttributeType::FINGERPRINT]);
    }
}

/// Proves: rfc8445-7.3.1.2-2
#[test]
fn a_source_that_a_dual_stack_socket_maps_is_reported_as_ipv4() {
    let mut bench = Bench::new(Role::Controlled);
    let check = bench.peer_check();
    assert_eq!(
        bench.feed_on("[::ffff:192.0.2.1]:1000", "[::ffff:192.0.2.9]:7", &check.encode()),
        Fed::Control
    );
    assert_eq!(bench.last_answer().unwrap().mapped, Some(address("192.0.2.9:7")));
}

/// Proves: rfc8445-7.3-1, rfc8445-7.3-8, rfc8489-9.1.3-1, rfc8489-9.1.3-2, rfc8489-9.1.3-3, rfc8489-6.3-3
#[test]
fn a_check_without_our_credentials_is_told_so_unsigned_and_changes_nothing() {
    let mut bench = Bench::new(Role::Controlled);
    let ufrag = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
    let good = bench.peer_check();
    let named = |name: String| PeerCheck { username: Some(name), ..good.clone() };
    let unknown_attribute = vec![(AttributeType::new(0x7f00), vec![0; 4])];
    let refused = [
        (PeerCheck { integrity: None, ..good.clone() }, 400),
        (PeerCheck { username: None, ..good.clone() }, 400),
        (PeerCheck { password: "not the password, not at all".into(), ..good.clone() }, 401),
        (PeerCheck { integrity: None, extra: unknown_attribute.clone(), ..good.clone() }, 400),
        (PeerCheck { password: "n".repeat(24), extra: unknown_attribute, ..good.clone() }, 401),
        (named("other:peer".into()), 401),
        (named(format!("peer:{ufrag}")), 401),
        (named(ufrag.clone()), 401),
        (named(format!(":{ufrag}")), 401),
        (named(format!("{ufrag}:")), 401),
        (named(format!("{ufrag}:a:b")), 401),
        (named(":".into()), 401),
        (named(format!("{}:peer", &ufrag[1..])), 401),
        (named(format!("{ufrag}x:peer")), 401),
    ];
    for (check, code) in refused {
        let (states, events) = (bench.pair_states(), bench.events.len());
        let before = bench.sent.len();
        let fed = bench.feed_on(LOCAL, UNKNOWN, &check.encode());
        assert_eq!(fed, Fed::Ignored(Ignored::Unauthenticated), "{check:?}");
        assert_eq!(bench.sent.len(), before + 1);
        let answer = bench.last_answer().unwrap();
        assert_eq!((answer.error, answer.id), (Some(code), check.id), "{check:?}");
        assert_eq!(answer.attributes, [AttributeType::ERROR_CODE, AttributeType::FINGERPRINT]);
        assert_eq!((bench.pair_states(), bench.events.len()), (states, events));
    }
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 1);
    assert_eq!(ask(&mut bench, &good).0, Fed::Control, "it was not for want of anything else");
}

/// Proves: rfc8445-B.4-1
/// Scenario: S-65
#[test]
fn an_answer_from_the_wrong_host_is_no_connectivity() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    let check = bench.next_check();
    // Another agent behind the address that we took for the peer's.
    let mut other = Bench::bare(Config::new(), Role::Controlled);
    other.base(REMOTE);
    assert_eq!(other.feed_on(REMOTE, LOCAL, &check.bytes), Fed::Ignored(Ignored::Unauthenticated));
    let rejection = other.last_answer().unwrap();
    assert_eq!(rejection.error, Some(401));
    assert_eq!(other.agent.remote_candidates(other.stream).count(), 0);
    assert_eq!(bench.feed(&rejection.bytes), Fed::Ignored(Ignored::BadIntegrity));
    assert_eq!(state(&bench), PairState::InProgress(check.id));
    assert!(bench.agent.pairs(bench.stream).all(|pair| !pair.is_valid()));
    bench.trickle(typed("2", "srflx", 77, UNKNOWN));
    let right = bench.next_check();
    bench.answer(&right);
    let valid = bench.agent.pairs(bench.stream).filter(|pair| pair.is_valid());
    assert_eq!(valid.map(|pair| pair.path().remote()).collect::<Vec<_>>(), [address(UNKNOWN)]);
}

/// Proves: rfc8445-7.3-5, rfc8445-7.3-6, rfc8489-6.3-2
#[test]
fn a_check_without_cookie_or_fingerprint_is_not_answered() {
    let mut bench = Bench::new(Role::Controlled);
    let good = bench.peer_check();
    let mut classic = good.encode();
    classic[4] ^= 0x80;
    let mut flipped = good.encode();
    *flipped.last_mut().unwrap() ^= 1;
    let bare = PeerCheck { fingerprint: false, ..good.clone() }.encode();
    for (datagram, reason) in
        [(classic, Ignored::Unverified), (flipped, Ignored::Fingerprint), (bare, Ignored::Fingerprint)]
    {
        assert_eq!(bench.feed(&datagram), Fed::Ignored(reason));
        assert_eq!(bench.sent, []);
        assert_eq!(state(&bench), PairState::Waiting);
    }
    assert!(ask(&mut bench, &good).1.is_some());
}

/// Proves: rfc8445-7.3-7
#[test]
fn a_check_of_another_peer_is_answered_and_causes_none_of_ours() {
    let mut bench = Bench::with(manual(), Role::Controlled);
    let first = bench.next_check();
    bench.answer(&first);
    let ufrag = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
    let forked =
        PeerCheck { username: Some(format!("{ufrag}:fork")), use_candidate: true, ..bench.peer_check() };
    for from in [REMOTE, UNKNOWN] {
        assert_eq!(bench.feed_on(LOCAL, from, &forked.encode()), Fed::Control);
        assert_eq!(bench.last_answer().unwrap().error, None);
    }
    assert_eq!(bench.selections(), []);
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 1);
    bench.run_for(ms(5_000));
    assert_eq!(bench.checks().len(), 1);
}

/// Proves: rfc8445-7.3.1.3-4
#[test]
fn a_check_without_priority_is_a_bad_request_and_teaches_nothing() {
    let mut bench = Bench::new(Role::Controlled);
    let check = PeerCheck { priority: None, ..bench.peer_check() };
    assert_eq!(bench.feed_on(LOCAL, UNKNOWN, &check.encode()), Fed::Ignored(Ignored::Refused));
    let answer = bench.last_answer().unwrap();
    assert_eq!(answer.error, Some(400));
    assert!(answer.is_signed_with(&local_password(&bench)));
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 1);
}

/// Proves: rfc8489-6.3.1-1, rfc8489-6.3.1.1-1, rfc8489-6.3.1.1-3
#[test]
fn attributes_that_must_be_understood_are_listed_in_a_signed_420() {
    let mut bench = Bench::new(Role::Controlled);
    let unknown = [0x7f00, 0x7f01].map(|kind| (AttributeType::new(kind), vec![0; 4]));
    let check = PeerCheck { extra: unknown.to_vec(), ..bench.peer_check() };
    assert_eq!(bench.feed_on(LOCAL, UNKNOWN, &check.encode()), Fed::Ignored(Ignored::Refused));
    let answer = bench.last_answer().unwrap();
    assert_eq!(answer.error, Some(420));
    assert!(answer.is_signed_with(&local_password(&bench)));
    let listed = answer.message().get::<floe::stun::UnknownAttributes>().unwrap().unwrap();
    assert_eq!(listed.as_slice(), unknown.map(|(kind, _)| kind));
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 1);
}

/// Proves: rfc8489-6.3-4, rfc8489-6.3-5
#[test]
fn attributes_that_need_not_be_understood_or_mean_nothing_here_are_passed_over() {
    let mut bench = Bench::new(Role::Controlled);
    let extra =
        vec![(AttributeType::new(0xfffe), vec![1; 3]), (AttributeType::new(0x000d), vec![0, 0, 2, 88])];
    let check = PeerCheck { extra, ..bench.peer_check() };
    let (fed, answer) = ask(&mut bench, &check);
    assert_eq!((fed, answer.unwrap().error), (Fed::Control, None));
}

/// Proves: rfc8489-9-1
/// Lesson: L-66, R-46
#[test]
fn what_follows_the_integrity_is_not_read_and_does_no_harm() {
    let mut bench = Bench::with(manual(), Role::Controlled);
    let first = bench.next_check();
    bench.answer(&first);
    let signed = PeerCheck { fingerprint: false, ..bench.peer_check() }.encode();
    let appended = fingerprinted(&[&signed[..], &[0x00, 0x25, 0, 0], &[0x7f, 0, 0, 0]].concat());
    assert_eq!(bench.feed(&appended), Fed::Control);
    assert_eq!(bench.last_answer().unwrap().error, None);
    assert_eq!(bench.selections(), [], "USE-CANDIDATE was not covered");
    bench.peer_checks(true);
    assert_eq!(bench.selections(), [address(REMOTE)]);
}

/// Proves: rfc8489-5-10
#[test]
fn a_request_with_the_id_of_our_own_is_a_request_all_the_same() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    let own = bench.next_check();
    let check = PeerCheck { id: own.id, ..bench.peer_check() };
    assert_eq!(bench.feed_on(LOCAL, UNKNOWN, &check.encode()), Fed::Control);
    assert_eq!(bench.last_answer().unwrap().id, own.id);
    assert_eq!(state(&bench), PairState::InProgress(own.id));
    assert_eq!(bench.answer(&own), Fed::Control);
    assert_eq!(state(&bench), PairState::Succeeded);
}

/// Proves: rfc8489-6.3.1-2
#[test]
fn a_check_that_comes_twice_is_answered_twice_and_counts_once() {
    let mut bench = Bench::with(manual(), Role::Controlled);
    let check = bench.peer_check().encode();
    for _ in 0..2 {
        assert_eq!(bench.feed_on(LOCAL, UNKNOWN, &check), Fed::Control);
    }
    assert_eq!(bench.sent.len(), 2);
    assert_eq!(bench.sent[0].1, bench.sent[1].1);
    assert_eq!(bench.pair_states().len(), 2);
    let first = bench.next_check();
    assert_eq!(first.path.remote(), address(UNKNOWN));
    assert_eq!(bench.next_check().path.remote(), address(REMOTE), "one triggered check");
}

/// Proves: rfc8445-7.3-2, rfc8445-7.3-3
/// Scenario: S-30
#[test]
fn checks_before_the_answer_are_answered_at_once_and_taken_up_when_the_peer_is_known() {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    bench.base(LOCAL);
    // The repetition without the flag does not take the nomination back.
    for (from, use_candidate) in [(UNKNOWN, true), (UNKNOWN, false), ("198.51.100.8:8000", false)] {
        let check = PeerCheck { use_candidate, ..bench.peer_check() };
        assert_eq!(bench.feed_on(LOCAL, from, &check.encode()), Fed::Control);
        let answer = bench.last_answer().unwrap();
        assert_eq!((answer.mapped, answer.error), (Some(address(from)), None));
        assert!(answer.is_signed_with(&local_password(&bench)));
        assert_eq!(bench.feed_on(LOCAL, from, b"\x80data"), Fed::Ignored(Ignored::Unverified));
    }
    bench.run_until(at(1_000));
    assert_eq!(bench.checks().len(), 0, "nothing to sign a check with");
    bench.trickle(harness::host("1", 1, REMOTE));
    bench.remote();
    let order: Vec<_> = (0..3).map(|_| bench.next_check()).collect();
    let targets: Vec<_> = order.iter().map(|check| check.path.remote()).collect();
    assert_eq!(targets, [UNKNOWN, "198.51.100.8:8000", REMOTE].map(address));
    bench.answer(&order[0]);
    assert_eq!(bench.selections(), [address(UNKNOWN)], "the early nomination is not lost");
}

/// Proves: rfc8445-7.3-3
#[test]
fn of_a_flood_before_the_answer_the_newest_sixteen_sources_are_kept() {
    let mut bench = Bench::bare(manual(), Role::Controlled);
    bench.base(LOCAL);
    let source = |n: u16| format!("198.51.100.9:{}", 10_000 + n);
    for n in 0..1_000 {
        let check = bench.peer_check();
        assert_eq!(bench.feed_on(LOCAL, &source(n), &check.encode()), Fed::Control);
    }
    assert_eq!(bench.agent.stats().early_requests_dropped, 1_000 - 16);
    bench.remote();
    let mut learned: Vec<_> = bench.pair_states().into_iter().map(|(remote, _)| remote).collect();
    learned.sort();
    assert_eq!(learned, (984..1_000).map(|n| address(&source(n))).collect::<Vec<_>>());
}

/// World 211798: an end that took ten seconds to gather and to answer had nominated among twenty checks of its own.
///
/// Proves: rfc8445-7.3-3, rfc8445-7.3.1.5-1
#[test]
fn a_nomination_before_the_answer_outlives_all_other_checks_before_it() {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    bench.base(LOCAL);
    for n in 0..40 {
        let check = PeerCheck { use_candidate: n == 2, ..bench.peer_check() };
        let from = if n == 2 { UNKNOWN.into() } else { format!("198.51.100.9:{}", 10_000 + n) };
        assert_eq!(bench.feed_on(LOCAL, &from, &check.encode()), Fed::Control);
    }
    assert_eq!(bench.agent.stats().early_requests_dropped, 40 - 16);
    bench.remote();
    let nominated = bench.next_check();
    assert_eq!(nominated.path.remote(), address(UNKNOWN));
    bench.answer(&nominated);
    assert_eq!(bench.selections(), [address(UNKNOWN)]);
}

/// Proves: rfc8445-7.3.1.4-2
#[test]
fn a_check_on_a_pair_that_succeeded_is_answered_and_that_is_all() {
    let mut bench = Bench::with(manual(), Role::Controlled);
    let own = bench.next_check();
    bench.answer(&own);
    bench.peer_checks(false);
    assert_eq!(state(&bench), PairState::Succeeded);
    bench.run_for(ms(5_000));
    assert_eq!(bench.checks().len(), 1);
}

/// Proves: rfc8445-7.3.1.4-3
/// Scenario: S-13
#[test]
fn a_triggered_check_replaces_the_one_under_way_whose_late_answer_still_counts() {
    for late in [true, false] {
        let mut bench = Bench::with(manual(), Role::Controlled);
        let first = bench.next_check();
        bench.run_until(at(100));
        bench.peer_checks(false);
        assert_eq!(state(&bench), PairState::Waiting);
        let second = bench.next_check();
        assert_eq!((second.path, second.at), (first.path, at(100)));
        assert_ne!(second.id, first.id);
        bench.run_until(at(if late { 39_499 } else { 39_550 }));
        assert!(bench.requests().iter().all(|it| it.id != first.id || it.at == first.at), "not repeated");
        // The end of the first one's time is no failure.
        assert_eq!(state(&bench), PairState::InProgress(second.id));
        assert_eq!(bench.answer(if late { &first } else { &second }), Fed::Control);
        assert_eq!(state(&bench), PairState::Succeeded);
        assert!(bench.agent.pairs(bench.stream).all(|pair| pair.is_valid()));
    }
}

/// Proves: rfc8445-7.3.1.4-4
/// Scenario: S-14
#[test]
fn a_failed_pair_is_checked_again_when_the_peer_checks_it() {
    let mut bench = Bench::with(manual(), Role::Controlled);
    bench.run_until(at(39_500));
    assert_eq!(state(&bench), PairState::Failed);
    bench.peer_checks(false);
    bench.peer_checks(false);
    assert_eq!(state(&bench), PairState::Waiting);
    let check = bench.next_check();
    assert_eq!(check.at, at(39_500));
    bench.answer(&check);
    assert_eq!(state(&bench), PairState::Succeeded);
    bench.run_for(ms(2_000));
    assert_eq!(bench.checks().len(), 2, "queued once");
}

/// Proves: rfc8445-7.3.1.4-4
#[test]
fn waiting_and_frozen_pairs_that_the_peer_checks_go_first() {
    let mut bench = Bench::with(manual(), Role::Controlled);
    for (priority, port) in [(77, 2_002), (76, 2_003)] {
        bench.trickle(typed("1", "host", priority, &format!("198.51.100.1:{port}")));
    }
    assert_eq!(bench.pair_states()[2], (address("198.51.100.1:2003"), PairState::Frozen));
    let check = bench.peer_check();
    bench.feed_on(LOCAL, "198.51.100.1:2003", &check.encode());
    assert_eq!(bench.pair_states()[2].1, PairState::Waiting);
    assert_eq!(bench.next_check().path.remote(), address("198.51.100.1:2003"));
    assert_eq!(bench.next_check().path.remote(), address(REMOTE));
}

/// Proves: rfc8445-7.3.1.4-1
#[test]
fn the_pair_of_a_check_has_the_candidate_that_datagrams_leave_from() {
    let mut bench = Bench::with(manual(), Role::Controlled);
    // Our own check has shown the address that a NAT gives us: the pair is the host candidate's all the same.
    let own = bench.next_check();
    let answer = bench.success(&own, address("203.0.113.7:4000"));
    bench.feed(&answer);
    let check = bench.peer_check();
    bench.feed_on(LOCAL, UNKNOWN, &check.encode());
    let pair = bench.agent.pairs(bench.stream).find(|pair| pair.path().remote() == address(UNKNOWN)).unwrap();
    assert_eq!(pair.local().kind(), CandidateKind::Host);
    assert_eq!(pair.path().local(), address(LOCAL));
}

/// Proves: rfc8445-7.3.1.4-6
#[test]
fn a_triggered_check_is_signed_for_the_peer_that_asked() {
    let mut bench = Bench::bare(manual(), Role::Controlled);
    bench.base(LOCAL);
    let ufrag = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
    let fork = PeerCheck { username: Some(format!("{ufrag}:fork")), ..bench.peer_check() };
    bench.feed_on(LOCAL, "198.51.100.8:8000", &fork.encode());
    let check = PeerCheck { id: TransactionId::from([99; 12]), ..bench.peer_check() };
    bench.feed_on(LOCAL, UNKNOWN, &check.encode());
    bench.remote();
    let triggered = bench.next_check();
    assert_eq!(triggered.path.remote(), address(UNKNOWN));
    assert_eq!(triggered.username, Some(format!("{}:{ufrag}", harness::REMOTE_UFRAG)));
    assert!(triggered.is_signed_with(harness::REMOTE_PASSWORD));
    assert_eq!(bench.pair_states().len(), 1, "the fork's address is not this peer's");
}

/// An answer would tell where we are, and so would data that is taken.
#[test]
fn with_relays_only_nothing_that_comes_directly_is_answered_or_taken() {
    let mut bench = Bench::with(Config::new().relay_only(true), Role::Controlled);
    let check = bench.peer_check().encode();
    assert_eq!(bench.feed(&check), Fed::Ignored(Ignored::Direct));
    assert_eq!(bench.feed(b"\x80data"), Fed::Ignored(Ignored::Direct));
    bench.run_for(ms(1_000));
    assert!(bench.sent.is_empty());
}
