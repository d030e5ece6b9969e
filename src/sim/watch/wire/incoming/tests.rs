//! What an answer proves, and which answers prove nothing.

use alloc::vec::Vec;

use super::*;
use crate::Config;
use crate::ice::{Nomination, Role};
use crate::sim::watch::Input;
use crate::sim::watch::bench::{Bench, Check, at, path};
use crate::stun::{
    AttributeType, Builder, ErrorCode, Integrity, Key, Method, TransactionId, XorMappedAddress,
};

const LOCAL: &str = "192.0.2.1:1000";
const MS: Duration = Duration::from_millis(1);

fn way() -> Path {
    path(LOCAL, "198.51.100.1:2000")
}

/// A check has just left.
fn asked() -> (Bench, Check) {
    let mut bench = Bench::new(Config::new().nomination(Nomination::Manual), Role::Controlling, 1);
    bench.now = at(100_000);
    bench.base(1, LOCAL);
    bench.remote("trickle ice2");
    bench.trickle("1", 1, way().remote());
    bench.run_until(at(100_000));
    let check = bench.check_on(way());
    (bench, check)
}

/// A datagram comes in, and the agent makes this of it; what it is.
fn tell(bench: &mut Bench, path: Path, datagram: &[u8], received: &Received<'_>) -> Verdict {
    bench.watch.datagram(&bench.agent, bench.now, path, datagram);
    let Input::Datagram(told) = bench.watch.input else { panic!("no datagram") };
    bench.watch.received(path, received);
    bench.watch.wire.learn();
    told.verdict
}

fn success(bench: &Bench, check: Check) -> Vec<u8> {
    bench.success(check, way().local())
}

const LATE: Received<'static> = Received::Ignored(Ignored::UnknownTransaction);

#[test]
fn a_success_proves_its_path_and_a_second_one_is_nobodys() {
    let (mut bench, check) = asked();
    let answer = success(&bench, check);
    assert_eq!(tell(&mut bench, way(), &answer, &Received::Control), Verdict::Authentic);
    let wire = &bench.watch.wire;
    assert!(wire.was_ever_answered(way()) && wire.is_sound(way(), bench.now));
    assert_eq!(wire.requests[&check.id].answered, Some(Answer::Success));
    assert_eq!(tell(&mut bench, way(), &answer, &LATE), Verdict::Forged("a second answer"));
    assert!(!bench.watch.wire.is_attacked());
}

#[test]
fn an_answer_that_comes_when_its_transaction_is_over_proves_nothing() {
    for (late, proves) in [(SHORTEST - MS, true), (SHORTEST, false)] {
        let (mut bench, check) = asked();
        let answer = success(&bench, check);
        bench.now += late;
        tell(&mut bench, way(), &answer, &LATE);
        assert_eq!(bench.watch.wire.was_ever_answered(way()), proves);
    }
    // Late as it is, the agent has waited for it.
    let (mut bench, check) = asked();
    let answer = success(&bench, check);
    bench.now += SHORTEST;
    tell(&mut bench, way(), &answer, &Received::Control);
    assert!(bench.watch.wire.was_ever_answered(way()));
}

#[test]
fn an_answer_with_another_signature_is_an_attack_and_proves_nothing() {
    let (mut bench, check) = asked();
    bench.peer = Credentials::new(bench.peer.ufrag(), "notthepasswordofthepeer").unwrap();
    let answer = success(&bench, check);
    let verdict = tell(&mut bench, way(), &answer, &LATE);
    assert_eq!(verdict, Verdict::Forged("an answer with a wrong signature"));
    let wire = &bench.watch.wire;
    assert!(wire.is_attacked() && !wire.was_ever_answered(way()));
    assert_eq!(wire.requests[&check.id].answered, None);
}

/// A check carries MESSAGE-INTEGRITY alone: an answer with the other tag, were it the right one, does not match.
///
/// Proves: rfc8489-9.1.4-1
#[test]
fn an_answer_that_is_sealed_in_another_way_than_its_check_is_an_attack() {
    let (mut bench, check) = asked();
    let mut answer = Vec::new();
    Builder::success(&mut answer, Method::BINDING, TransactionId::from(check.id))
        .attribute(&XorMappedAddress(way().local()))
        .integrity(&Key::short_term(bench.peer.password().as_bytes()), Integrity::Sha256)
        .fingerprint();
    tell(&mut bench, way(), &answer, &LATE);
    let wire = &bench.watch.wire;
    assert!(wire.is_attacked() && !wire.was_ever_answered(way()));
}

/// World 241912 with an enemy: a check was answered at another base than that which has sent it.
#[test]
fn an_answer_elsewhere_ends_its_transaction_only_if_the_agent_has_taken_it() {
    let elsewhere = path("192.0.2.2:1000", "198.51.100.1:2000");
    for (received, answered) in [(Received::Control, Some(Answer::Failure)), (LATE, None)] {
        let (mut bench, check) = asked();
        let answer = success(&bench, check);
        tell(&mut bench, elsewhere, &answer, &received);
        let wire = &bench.watch.wire;
        assert_eq!(wire.requests[&check.id].answered, answered);
        assert!(!wire.was_ever_answered(way()) && !wire.was_ever_answered(elsewhere));
    }
}

#[test]
fn consent_ends_with_a_403_and_with_thirty_seconds_of_silence() {
    for (error, ends) in [(ErrorCode::FORBIDDEN, true), (ErrorCode::BAD_REQUEST, false)] {
        let (mut bench, check) = asked();
        bench.watch.wire.give_answer(way(), bench.now);
        let answer = bench.error(check, &error);
        tell(&mut bench, way(), &answer, &Received::Control);
        assert_eq!(bench.watch.wire.is_sound(way(), bench.now), !ends);
        assert_eq!(bench.watch.wire.revoked.contains(&(way(), 0)), ends);
    }
    for (silence, ends) in [(CONSENT - MS, false), (CONSENT, true)] {
        let (mut bench, check) = asked();
        let answer = success(&bench, check);
        let before = Timestamp::ZERO + bench.now.saturating_since(Timestamp::ZERO + silence);
        bench.watch.wire.give_answer(way(), before);
        tell(&mut bench, way(), &answer, &Received::Control);
        assert_eq!(bench.watch.wire.revoked.contains(&(way(), 0)), ends, "an answer brings nothing back");
    }
}

/// Found by the fuzzer: 0x0007 was PASSWORD once, and is nothing now.
///
/// Proves: rfc8489-6.3.4-1
#[test]
fn an_error_with_what_is_not_understood_takes_no_consent_back() {
    for (kind, ends) in [(0x0007, false), (0x000c, false), (0x0006, true), (0x0009, true), (0x8007, true)] {
        let (mut bench, check) = asked();
        bench.watch.wire.give_answer(way(), bench.now);
        let mut answer = Vec::new();
        Builder::error(&mut answer, Method::BINDING, TransactionId::from(check.id), &ErrorCode::FORBIDDEN)
            .raw(AttributeType::new(kind), &[0; 4])
            .integrity(&Key::short_term(bench.peer.password().as_bytes()), Integrity::Sha1)
            .fingerprint();
        tell(&mut bench, way(), &answer, &Received::Control);
        assert_eq!(bench.watch.wire.is_sound(way(), bench.now), !ends, "{kind:#06x}");
    }
}

#[test]
fn a_nomination_that_is_refused_ends_the_pair_until_one_is_granted() {
    let (mut bench, check) = asked();
    let refusal = bench.error(check, &ErrorCode::BAD_REQUEST);
    tell(&mut bench, way(), &refusal, &Received::Control);
    assert!(!bench.watch.wire.refused.contains(&way()), "that was no nomination");
    let (mut bench, check) = asked();
    bench.answer(check);
    let pair = bench.pair(way()).id();
    bench.command(|agent, now, _| agent.nominate(now, pair).unwrap());
    bench.run_until(at(100_200));
    let nomination = bench.check_on(way());
    assert!(nomination.nominates && bench.watch.wire.is_sound(way(), bench.now));
    let refusal = bench.error(nomination, &ErrorCode::BAD_REQUEST);
    tell(&mut bench, way(), &refusal, &Received::Control);
    assert!(!bench.watch.wire.is_sound(way(), bench.now));
    bench.watch.wire.requests.get_mut(&nomination.id).unwrap().answered = None;
    let answer = success(&bench, nomination);
    tell(&mut bench, way(), &answer, &Received::Control);
    assert!(bench.watch.wire.is_sound(way(), bench.now));
}

/// World 457972 with an enemy: a pair that is checked anew after a 487 fails with that check, were it kept beside the selected one.
#[test]
fn a_refusal_of_the_check_that_a_487_has_repeated_ends_the_pair_until_one_is_granted() {
    for (error, is_consent, ends) in [
        (ErrorCode::BAD_REQUEST, false, true),
        (ErrorCode::ROLE_CONFLICT, false, true),
        (ErrorCode::BAD_REQUEST, true, false),
    ] {
        let (mut bench, check) = asked();
        bench.watch.wire.give_answer(way(), bench.now);
        bench.refuse(check, &ErrorCode::ROLE_CONFLICT);
        assert!(bench.watch.wire.is_sound(way(), bench.now), "a conflict is no refusal");
        bench.run_until(at(100_200));
        let again = bench.check_on(way());
        assert!(again != check && !again.nominates);
        bench.watch.wire.requests.get_mut(&again.id).unwrap().consent = is_consent;
        let refusal = bench.error(again, &error);
        tell(&mut bench, way(), &refusal, &Received::Control);
        assert_eq!(bench.watch.wire.is_sound(way(), bench.now), !ends);
        bench.watch.wire.requests.get_mut(&again.id).unwrap().answered = None;
        let answer = success(&bench, again);
        tell(&mut bench, way(), &answer, &Received::Control);
        assert!(bench.watch.wire.is_sound(way(), bench.now));
        assert!(!bench.watch.wire.conflicted.contains(&way()), "that conflict is over");
    }
}

#[test]
fn a_conflict_about_consent_repeats_no_check() {
    let (mut bench, check) = asked();
    bench.watch.wire.requests.get_mut(&check.id).unwrap().consent = true;
    let conflict = bench.error(check, &ErrorCode::ROLE_CONFLICT);
    tell(&mut bench, way(), &conflict, &Received::Control);
    assert!(!bench.watch.wire.conflicted.contains(&way()));
}
