//! A connectivity check: what is in it, when it is repeated, what its answer does (RFC 8445 section 7.2).

mod harness;

use floe::ice::{CandidateKind, CheckError, Credentials, PairState, Role};
use floe::stun::{
    AttributeType, Builder, ErrorCode, Fingerprint, Integrity, Key, Method, TransactionId, XorMappedAddress,
};
use floe::{
    Agent, Base, Config, Error, Event, Ignored, Path, Reason, Remote, Seed, Server, StreamState, Timestamp,
};
use harness::{Bench, Fed, LOCAL, REMOTE, Sent, address, at, fingerprinted, host, manual, ms, typed};

/// Proves: rfc8445-7.1.1-1, rfc8445-7.1.3-1, rfc8445-7.2.2-1, rfc8445-7.2.4-1, rfc8445-7.2.4-2
#[test]
fn a_check_has_what_it_must_have_and_nothing_else() {
    let mut bench = Bench::new(Role::Controlling);
    let check = bench.next_check();
    let names: Vec<String> = check.attributes.iter().map(|kind| format!("{:#06x}", kind.as_u16())).collect();
    assert_eq!(names, ["0x0006", "0x0024", "0x802a", "0x0008", "0x8028"]);
    let ufrag = bench.agent.local_credentials(bench.stream).unwrap().ufrag();
    assert_eq!(check.username, Some(format!("{}:{ufrag}", harness::REMOTE_UFRAG)));
    assert_eq!(check.priority, Some(0x6eff_ffff));
    assert!(check.is_signed_with(harness::REMOTE_PASSWORD));
    assert_eq!(check.fingerprint, Fingerprint::Valid);
    assert_eq!((check.path.local(), check.path.remote()), (address(LOCAL), address(REMOTE)));
}

/// The names of both sides are in every check. Ours is short, so that whatever the peer may choose finds room.
///
/// Proves: rfc8489-14.3-2, rfc8489-6.1-2
#[test]
fn the_longest_name_of_a_peer_fits_into_a_check_and_a_check_into_any_packet() {
    let longest = Credentials::new(&"u".repeat(256), &"p".repeat(256)).unwrap();
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(LOCAL);
    bench.agent.set_remote(bench.now, bench.stream, Remote::new(longest.clone())).unwrap();
    bench.trickle(host("1", 1, REMOTE));
    let ours = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
    assert!(ours.len() <= Credentials::OWN_UFRAG_MAX);
    let check = bench.next_check();
    assert_eq!(check.username, Some(format!("{}:{ours}", longest.ufrag())));
    // A nomination is longer by USE-CANDIDATE and NOMINATION.
    assert!(check.bytes.len() + 4 + 8 <= 548, "{}", check.bytes.len());

    // Whoever chooses a long one, too, is told.
    let mut agent = Agent::new(Config::new(), Role::Controlling, Seed::from([1; 32]));
    let stream = agent.add_stream_with(1, longest.clone()).unwrap();
    let both = agent.set_remote(Timestamp::ZERO, stream, Remote::new(longest));
    assert_eq!(both, Err(Error::UserNameLength));
}

/// Proves: rfc8445-7.2.5.2.3-1, rfc8445-14.3-4
/// Scenario: S-10
#[test]
fn an_unanswered_check_is_repeated_seven_times_and_fails_after_39500_ms() {
    let mut bench = Bench::new(Role::Controlling);
    bench.run_for(ms(39_499));
    let sent: Vec<u128> =
        bench.requests().iter().map(|request| request.at.since_epoch().as_millis()).collect();
    assert_eq!(sent, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert!(bench.requests().windows(2).all(|pair| pair[0].bytes == pair[1].bytes));
    assert!(matches!(bench.pair_states()[..], [(_, PairState::InProgress(_))]));
    bench.run_for(ms(1));
    assert!(matches!(bench.pair_states()[..], [(_, PairState::Failed)]));
}

const OTHER: &str = "198.51.100.1:2002";
const SECOND_LOCAL: &str = "192.0.2.2:1000";
/// What a NAT makes of the agent's address.
const MAPPED: &str = "203.0.113.7:4000";

/// The state of the pair of the check list that ends there.
fn state_of(bench: &Bench, remote: &str) -> PairState {
    let found = bench.pair_states().into_iter().find(|(known, _)| *known == address(remote));
    found.expect("a pair").1
}

/// An agent that neither nominates nor gives up, with two remote candidates of different foundations.
fn two_pairs() -> Bench {
    let mut bench = Bench::with(manual(), Role::Controlling);
    bench.trickle(typed("2", "host", 77, OTHER));
    bench
}

/// Proves: rfc8445-7.1.2-2
#[test]
fn a_controlled_agent_never_sends_use_candidate() {
    let mut bench = Bench::new(Role::Controlled);
    bench.trickle(typed("2", "host", 77, OTHER));
    bench.end_of_candidates();
    bench.run_answering(at(10_000), |_| Some(ms(20)));
    assert_eq!(bench.checks().len(), 2);
    assert!(bench.requests().iter().all(|it| it.controlled.is_some() && !it.use_candidate));
}

/// Proves: rfc8445-7.1-1, rfc8489-7-1
#[test]
fn only_checks_have_the_attributes_of_ice_and_every_message_to_the_peer_has_a_fingerprint() {
    let mut bench = Bench::new(Role::Controlling);
    let server = Server::stun(address("203.0.113.1:3478"));
    bench.agent.add_server(bench.now, server).unwrap();
    bench.drain();
    bench.peer_checks(false);
    bench.run_answering(at(2_000), |_| Some(ms(20)));
    let of_ice = [
        AttributeType::PRIORITY,
        AttributeType::USE_CANDIDATE,
        AttributeType::ICE_CONTROLLED,
        AttributeType::ICE_CONTROLLING,
    ];
    let is_to_server = |it: &&Sent| it.path.remote() == address("203.0.113.1:3478");
    let requests = bench.requests();
    let to_server: Vec<_> = requests.iter().filter(is_to_server).collect();
    assert!(!to_server.is_empty());
    let answer = bench.last_answer().unwrap();
    for message in to_server.into_iter().chain([&answer]) {
        assert!(message.attributes.iter().all(|kind| !of_ice.contains(kind)), "{message:?}");
    }
    for message in requests.iter().filter(|it| !is_to_server(it)).chain([&answer]) {
        assert_eq!(message.fingerprint, Fingerprint::Valid);
        assert_eq!(message.attributes.last(), Some(&AttributeType::FINGERPRINT));
    }
}

/// Proves: rfc8445-7.2.5-1
/// Lesson: L-64
#[test]
fn an_answer_to_nothing_that_was_asked_is_dropped() {
    let mut bench = Bench::new(Role::Controlling);
    let check = bench.next_check();
    let stranger = Sent { id: TransactionId::from([9; 12]), ..check };
    let (before, deadline) = (bench.sent.len(), bench.agent.deadline());
    assert_eq!(bench.answer(&stranger), Fed::Ignored(Ignored::UnknownTransaction));
    assert!(matches!(state_of(&bench, REMOTE), PairState::InProgress(_)));
    assert_eq!((bench.sent.len(), bench.agent.deadline()), (before, deadline));
}

/// Proves: rfc8445-7.2.5-2, rfc8489-9.1.4-2, rfc8489-6.3-2
/// Lesson: L-64
#[test]
fn a_forged_answer_leaves_the_check_as_it_was_until_the_true_one_comes() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    let check = bench.next_check();
    let mapped = XorMappedAddress(address(LOCAL));
    let key = Key::short_term(b"some other password, as long");
    let success = |key: Option<&Key>, fingerprint: bool| {
        let mut out = Vec::new();
        let builder = Builder::success(&mut out, Method::BINDING, check.id).attribute(&mapped);
        match (key, fingerprint) {
            (Some(key), true) => builder.integrity(key, Integrity::Sha1).fingerprint(),
            (Some(key), false) => drop(builder.integrity(key, Integrity::Sha1)),
            (None, true) => builder.fingerprint(),
            (None, false) => {}
        }
        out
    };
    let mut weaker = Vec::new();
    let right = Key::short_term(harness::REMOTE_PASSWORD.as_bytes());
    Builder::success(&mut weaker, Method::BINDING, check.id)
        .attribute(&mapped)
        .integrity(&right, Integrity::Sha256)
        .fingerprint();
    let (deadline, events) = (bench.agent.deadline(), bench.events.len());
    for forged in [success(Some(&key), true), success(None, true), weaker] {
        assert_eq!(bench.feed(&forged), Fed::Ignored(Ignored::BadIntegrity));
    }
    for unprotected in [success(Some(&right), false), success(None, false)] {
        assert_eq!(bench.feed(&unprotected), Fed::Ignored(Ignored::Fingerprint));
    }
    assert_eq!(state_of(&bench, REMOTE), PairState::InProgress(check.id));
    assert_eq!((bench.agent.deadline(), bench.events.len()), (deadline, events));
    bench.run_until(at(600));
    assert_eq!(bench.requests().len(), 2, "the schedule goes on");
    assert_eq!(bench.answer(&check), Fed::Control);
    assert_eq!(state_of(&bench, REMOTE), PairState::Succeeded);
}

/// Proves: rfc8489-9.1.4-2
#[test]
fn a_check_that_only_forged_answers_met_ends_in_time_and_says_so() {
    let mut bench = Bench::new(Role::Controlling);
    bench.end_of_candidates();
    let check = bench.next_check();
    let mut forged = bench.success(&check, address(LOCAL));
    let end = forged.len() - 8;
    forged.truncate(end);
    forged[end - 1] ^= 1;
    let forged = fingerprinted(&forged);
    for millis in [100, 600, 1_600, 3_600, 7_600, 15_600, 31_600] {
        bench.run_until(at(millis));
        assert_eq!(bench.feed(&forged), Fed::Ignored(Ignored::BadIntegrity));
    }
    bench.run_until(at(39_499));
    assert_eq!(bench.requests().len(), 7);
    assert!(matches!(state_of(&bench, REMOTE), PairState::InProgress(_)));
    bench.run_until(at(39_500));
    assert_eq!(bench.states().last(), Some(&StreamState::Failed(Reason::IntegrityViolated)));
}

/// Proves: rfc8445-7.2.5.2.1-1, rfc8445-7.2.5.2.1-2
/// Scenario: S-15
/// Lesson: L-64
#[test]
fn an_answer_from_elsewhere_or_to_elsewhere_fails_its_pair_and_no_other() {
    for (to, from) in [(LOCAL, OTHER), (LOCAL, "198.51.100.9:2000"), (SECOND_LOCAL, REMOTE)] {
        let mut bench = two_pairs();
        bench.base(SECOND_LOCAL);
        let check = bench.next_check();
        assert_eq!((check.path.local(), check.path.remote()), (address(LOCAL), address(REMOTE)));
        let others = |bench: &Bench| -> Vec<_> {
            let others = bench.agent.pairs(bench.stream).filter(|pair| pair.path() != check.path);
            others.map(|pair| (pair.path(), pair.state(), pair.is_valid())).collect()
        };
        let before = others(&bench);
        let answer = bench.success(&check, address(LOCAL));
        assert_eq!(bench.feed_on(to, from, &answer), Fed::Control);
        assert_eq!(state_of_path(&bench, &check), PairState::Failed);
        assert_eq!(others(&bench), before);
        assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 2, "nothing is learned");
        assert!(bench.agent.pairs(bench.stream).all(|pair| !pair.is_valid()));
        assert_eq!(bench.feed_on(to, from, &[0x80; 20]), Fed::Ignored(Ignored::Unverified));
    }
}

fn state_of_path(bench: &Bench, check: &Sent) -> PairState {
    bench.agent.pairs(bench.stream).find(|pair| pair.path() == check.path).unwrap().state()
}

/// Proves: rfc8445-7.2.5.2.4-1, rfc8489-6.3.4-3
#[test]
fn a_signed_error_fails_the_pair_at_once_and_the_stream_names_the_code() {
    for code in [400, 401, 403, 420, 438, 442, 499, 500, 699] {
        let mut bench = Bench::with(Config::new().patience_for_checks(ms(0)), Role::Controlling);
        bench.end_of_candidates();
        let check = bench.next_check();
        let error = bench.error(&check, ErrorCode::new(code).unwrap());
        assert_eq!(bench.feed(&error), Fed::Control);
        assert_eq!(state_of(&bench, REMOTE), PairState::Failed);
        let reason = Reason::Check(CheckError::Rejected(code));
        assert_eq!(bench.states().last(), Some(&StreamState::Failed(reason)));
        bench.run_for(ms(60_000));
        assert_eq!(bench.requests().len(), 1, "{code} is not asked again");
    }
}

/// Proves: rfc8445-7.2.5.2-1
#[test]
fn a_failed_check_does_not_thaw_the_other_pairs_of_its_foundation() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    bench.trickle(typed("1", "host", 77, OTHER));
    bench.trickle(typed("1", "host", 76, "198.51.100.1:2003"));
    let check = bench.next_check();
    let error = bench.error(&check, ErrorCode::BAD_REQUEST);
    bench.feed(&error);
    let states: Vec<_> = bench.pair_states().into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [PairState::Failed, PairState::Frozen, PairState::Frozen]);
    assert_eq!(bench.next_check().path.remote(), address(OTHER));
    assert_eq!(state_of(&bench, "198.51.100.1:2003"), PairState::Frozen);
}

/// Proves: rfc8445-7.2.5.3.3-2
#[test]
fn a_success_thaws_the_pairs_of_its_foundation_in_every_list() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    bench.trickle(typed("1", "host", 77, OTHER));
    let video = bench.agent.add_stream(1).unwrap();
    bench.agent.add_base(bench.now, video.component(1), Base::udp(address("192.0.2.1:1002"))).unwrap();
    bench.agent.set_remote(bench.now, video, Remote::new(harness::remote_credentials())).unwrap();
    bench.agent.add_remote_candidate(bench.now, video, host("1", 1, "198.51.100.1:3000")).unwrap();
    bench.drain();
    let states = |bench: &Bench| {
        let of = |stream| bench.agent.pairs(stream).map(|pair| pair.state()).collect::<Vec<_>>();
        (of(bench.stream), of(video))
    };
    let check = bench.next_check();
    let in_progress = PairState::InProgress(check.id);
    assert_eq!(states(&bench), (vec![in_progress, PairState::Frozen], vec![PairState::Frozen]));
    bench.answer(&check);
    assert_eq!(states(&bench), (vec![PairState::Succeeded, PairState::Waiting], vec![PairState::Waiting]));
}

/// Proves: rfc8445-7.2.5.2.2-2
#[test]
fn an_error_of_the_socket_on_a_path_without_a_pending_check_changes_nothing() {
    let mut bench = two_pairs();
    let check = bench.next_check();
    for remote in [OTHER, "198.51.100.77:7"] {
        let path = Path::udp(address(LOCAL), address(remote));
        bench.agent.handle_transmit_error(bench.now, path);
        bench.drain();
    }
    assert_eq!(state_of(&bench, REMOTE), PairState::InProgress(check.id));
    assert_eq!(state_of(&bench, OTHER), PairState::Waiting);
    bench.answer(&check);
    bench.agent.handle_transmit_error(bench.now, check.path);
    assert_eq!(state_of(&bench, REMOTE), PairState::Succeeded, "and none after success");
}

/// Proves: rfc8445-7.2.5.3.1-4
#[test]
fn a_success_without_a_mapped_address_is_a_failure() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    let check = bench.next_check();
    let mut out = Vec::new();
    let key = Key::short_term(harness::REMOTE_PASSWORD.as_bytes());
    Builder::success(&mut out, Method::BINDING, check.id).integrity(&key, Integrity::Sha1).fingerprint();
    assert_eq!(bench.feed(&out), Fed::Control);
    assert_eq!(state_of(&bench, REMOTE), PairState::Failed);
    assert!(bench.agent.pairs(bench.stream).all(|pair| !pair.is_valid()));
}

/// Proves: rfc8445-7.2.5.3.2-1, rfc8445-7.2.5.3.2-3
#[test]
fn without_a_nat_the_checked_pair_itself_is_valid_and_not_yet_nominated() {
    let mut bench = two_pairs();
    let check = bench.next_check();
    bench.answer(&check);
    let valid: Vec<_> = bench.agent.pairs(bench.stream).filter(|pair| pair.is_valid()).collect();
    assert_eq!(valid.len(), 1);
    assert!(valid[0].is_listed() && !valid[0].is_nominated());
    assert_eq!(valid[0].path(), check.path);
}

/// Proves: rfc8445-7.2.5.3.1-1, rfc8445-7.2.5.3.1-2, rfc8445-7.2.5.3.2-1, rfc8445-7.2.5.3.2-2, rfc8445-7.2.5.3.2-3, rfc8445-7.2.5.3.3-1
/// Lesson: L-10
#[test]
fn behind_a_nat_a_new_candidate_makes_a_new_valid_pair_and_no_other_pairs() {
    let mut bench = two_pairs();
    let check = bench.next_check();
    let listed = bench.pair_states().len();
    let answer = bench.success(&check, address(MAPPED));
    bench.feed(&answer);
    let found: Vec<_> = bench.agent.local_candidates(bench.stream).map(|(_, it)| it.clone()).collect();
    let [host, reflexive] = &found[..] else { panic!("{found:?}") };
    assert_eq!(reflexive.kind(), CandidateKind::PeerReflexive);
    assert_eq!(reflexive.priority().get(), check.priority.unwrap());
    assert_eq!(reflexive.related(), Some(address(LOCAL)), "its base");
    assert_ne!(reflexive.foundation(), host.foundation());
    assert_eq!(bench.pair_states().len(), listed, "it is not paired");
    assert_eq!(state_of(&bench, REMOTE), PairState::Succeeded);
    let valid: Vec<_> = bench.agent.pairs(bench.stream).filter(|pair| pair.is_valid()).collect();
    let [valid] = &valid[..] else { panic!("{valid:?}") };
    assert!(!valid.is_listed() && !valid.is_nominated());
    assert_eq!(valid.state(), PairState::Succeeded);
    assert_eq!(valid.local(), reflexive);
    let remote = host_priority();
    assert_eq!(valid.priority(), Role::Controlling.pair_priority(reflexive.priority(), remote));
}

/// The priority of the peer's first candidate, as it was signalled.
fn host_priority() -> floe::ice::Priority {
    host("1", 1, REMOTE).priority()
}

/// Proves: rfc8445-7.2.5.3.1-3
#[test]
fn what_a_symmetric_nat_makes_of_one_base_has_one_foundation() {
    let mut bench = two_pairs();
    for port in [4_000, 4_001] {
        let check = bench.next_check();
        let answer = bench.success(&check, address(&format!("203.0.113.7:{port}")));
        bench.feed_path(check.path, &answer);
    }
    let found = bench.agent.local_candidates(bench.stream);
    let reflexive: Vec<_> = found.filter(|(_, it)| it.kind() == CandidateKind::PeerReflexive).collect();
    assert_eq!(reflexive.len(), 2);
    assert_eq!(reflexive[0].1.foundation(), reflexive[1].1.foundation());
}

/// Proves: rfc8445-7.2.5.3.2-1, rfc8445-7.2.5.3.2-4, rfc8445-7.2.5.3.2-5, rfc8445-7.2.5.3.3-1
#[test]
fn a_check_that_the_peer_saw_come_from_another_base_validates_the_pair_of_that_base_once() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    bench.base(SECOND_LOCAL);
    let check = bench.next_check();
    assert_eq!(check.path.local(), address(LOCAL));
    let answer = bench.success(&check, address(SECOND_LOCAL));
    bench.feed_path(check.path, &answer);
    let is_valid_on_second = |bench: &Bench| {
        let pairs: Vec<_> = bench.agent.pairs(bench.stream).collect();
        assert_eq!(pairs.len(), 2);
        pairs
            .iter()
            .all(|pair| pair.is_listed() && pair.is_valid() == (pair.path().local() == address(SECOND_LOCAL)))
    };
    assert!(is_valid_on_second(&bench));
    assert!(bench.pair_states().iter().all(|(_, state)| *state == PairState::Succeeded));
    let asked = bench.next_check();
    assert_eq!(asked.path.local(), address(SECOND_LOCAL), "for consent");
    bench.answer(&asked);
    // Its nomination repeats the check, and so finds it again.
    let valid = bench.agent.pairs(bench.stream).find(|pair| pair.is_valid()).unwrap().id();
    bench.agent.nominate(bench.now, valid).unwrap();
    let again = bench.next_check();
    assert_eq!(again.path, check.path);
    let answer = bench.success(&again, address(SECOND_LOCAL));
    bench.feed_path(again.path, &answer);
    assert!(is_valid_on_second(&bench));
    assert_eq!(bench.agent.pairs(bench.stream).filter(|pair| pair.is_selected()).count(), 1);
}

/// The peer's word about another path of ours is enough for a valid pair, and not for data: that waits until the peer has
/// answered on this path. Where it does not answer, the check is repeated, and what it shows goes by the name of its own base.
///
/// Proves: rfc7675-5.1-1, rfc8445-7.2.5.3.2-5
#[test]
fn data_waits_for_an_answer_on_the_path_that_only_the_peer_has_seen() {
    for answers in [true, false] {
        let mut bench = Bench::with(manual(), Role::Controlling);
        bench.base(SECOND_LOCAL);
        let check = bench.next_check();
        let answer = bench.success(&check, address(SECOND_LOCAL));
        bench.feed_path(check.path, &answer);
        assert!(bench.agent.route(bench.component()).is_none());
        let asked = bench.next_check();
        assert_eq!(asked.path.local(), address(SECOND_LOCAL));
        if answers {
            bench.answer(&asked);
            let route = bench.agent.route(bench.component()).unwrap();
            assert_eq!(route.path().local(), address(SECOND_LOCAL));
            continue;
        }
        bench.run_for(ms(2_500));
        assert!(bench.agent.route(bench.component()).is_none());
        let again = bench.checks().into_iter().rfind(|it| it.path == check.path).unwrap();
        assert_ne!(again.id, check.id);
        let answer = bench.success(&again, address(SECOND_LOCAL));
        bench.feed_path(again.path, &answer);
        assert_eq!(bench.agent.route(bench.component()).unwrap().path(), check.path);
    }
}

/// One answer shows an address of ours that nobody knew, on a pair that the peer has nominated already. What follows needs what
/// comes before it: the candidate of that address, the valid pair with it, the state of the pair that was checked, and the
/// nomination, by which the valid pair is selected.
///
/// Proves: rfc8445-7.2.5.3-1
#[test]
fn an_answer_leads_to_a_candidate_a_valid_pair_a_state_and_a_nomination_in_this_order() {
    const SEEN: &str = "203.0.113.1:4000";
    let mut bench = Bench::new(Role::Controlled);
    bench.peer_checks(true);
    let check = bench.next_check();
    bench.events.clear();
    let answer = bench.success(&check, address(SEEN));
    bench.feed_path(check.path, &answer);
    let found = bench.agent.local_candidates(bench.stream).map(|(_, candidate)| candidate);
    let found: Vec<_> = found.map(|candidate| (candidate.kind(), candidate.ip())).collect();
    assert_eq!(found[1], (CandidateKind::PeerReflexive, Some(address(SEEN))));
    let pairs: Vec<_> = bench.agent.pairs(bench.stream).collect();
    let [checked, valid] = &pairs[..] else { panic!("{pairs:?}") };
    assert_eq!(
        (checked.state(), checked.is_valid(), checked.is_selected()),
        (PairState::Succeeded, false, false)
    );
    assert_eq!(valid.local().ip(), Some(address(SEEN)));
    assert!(valid.is_valid() && valid.is_nominated() && valid.is_selected());
    let [(_, first), (_, second), ..] = &bench.events[..] else { panic!("{:?}", bench.events) };
    assert_eq!(*first, Event::Selected { component: bench.component(), pair: valid.id() });
    assert_eq!(*second, Event::Route { component: bench.component() });
}
