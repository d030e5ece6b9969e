//! Keepalives where consent is off (RFC 8445 section 11).

mod harness;

use core::time::Duration;

use floe::ice::Role;
use floe::stun::{Builder, Class, Message, Method, TransactionId};
use floe::{Config, Ignored, StreamState, Timestamp, Transmit};
use harness::{Bench, Fed, LOCAL, REMOTE, at, host, ms};

const MINUTE: Duration = Duration::from_secs(60);

/// Consent off, eleven pairs, one of them selected.
fn completed(config: Config) -> Bench {
    let mut bench = Bench::with(config.consent(false), Role::Controlling);
    for n in 3..13 {
        bench.trickle(host(&n.to_string(), 1, &format!("198.51.100.{n}:2000")));
    }
    bench.end_of_candidates();
    bench.run_answering(at(5_000), |_| Some(ms(20)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    bench
}

fn indications(bench: &Bench) -> Vec<&(Timestamp, Transmit)> {
    let is_indication = |transmit: &Transmit| {
        Message::parse(&transmit.payload).is_ok_and(|message| message.class() == Class::Indication)
    };
    bench.sent.iter().filter(|(_, transmit)| is_indication(transmit)).collect()
}

/// Every Tr, and never sooner, on the selected pair alone, however many others were found; that is all an idle session
/// costs.
///
/// Scenario: S-45
/// Proves: rfc8445-11-1, rfc8445-11-2, rfc8445-11-3
/// Lesson: L-29
#[test]
fn indications_leave_every_fifteen_seconds_on_the_selected_pair_alone() {
    for (asked, kept) in [(15, 15), (1, 15), (20, 20)] {
        let mut bench = completed(Config::new().keepalive(Duration::from_secs(asked)));
        let route = bench.agent.route(bench.component()).unwrap().path();
        let (before, last) = (bench.sent.len(), bench.sent.last().unwrap().0);
        bench.run_for(MINUTE * 10);
        let found = indications(&bench);
        assert_eq!(found.len(), bench.sent.len() - before, "nothing else is sent");
        assert!(found.iter().all(|(_, transmit)| transmit.path == route));
        let tr = Duration::from_secs(kept);
        assert_eq!(found[0].0, last + tr, "since the last packet on the pair");
        assert!(found.windows(2).all(|two| two[1].0 == two[0].0 + tr));
        assert_eq!(
            bench.agent.state(bench.stream),
            Some(StreamState::Completed),
            "nothing is asked of the peer"
        );
    }
}

/// A header and a fingerprint: no name, no signature, nothing that an observer could use.
///
/// Scenario: S-45
/// Proves: rfc8445-11-5
#[test]
fn an_indication_carries_a_fingerprint_and_nothing_else() {
    let mut bench = completed(Config::new());
    bench.run_for(MINUTE);
    for (_, transmit) in indications(&bench) {
        assert_eq!(transmit.payload.len(), 28);
        assert_eq!(transmit.payload[..2], [0x00, 0x11]);
        assert_eq!(transmit.payload[20..22], [0x80, 0x28]);
        let message = Message::parse(&transmit.payload).unwrap();
        assert_eq!(message.fingerprint(), floe::stun::Fingerprint::Valid);
    }
}

/// Before there is a selected pair the one that data uses is kept alive.
///
/// Proves: rfc8445-11-3
#[test]
fn the_pair_in_use_is_kept_alive_before_it_is_nominated() {
    let mut bench = Bench::new(Role::Controlled);
    bench.end_of_candidates();
    bench.run_answering(at(1_000), |_| Some(ms(20)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Connected));
    bench.run_for(MINUTE);
    assert!(indications(&bench).len() >= 3);
}

/// Scenario: S-45
/// Proves: rfc8445-11-4
#[test]
fn keepalives_end_with_the_stream_and_with_the_session() {
    for whole_session in [false, true] {
        let mut bench = completed(Config::new());
        if whole_session {
            bench.agent.close(bench.now);
        } else {
            bench.agent.close_stream(bench.now, bench.stream).unwrap();
        }
        bench.drain();
        let sent = bench.sent.len();
        assert_eq!(bench.agent.deadline(), None);
        bench.agent.handle_timeout(bench.now + MINUTE);
        bench.drain();
        assert_eq!(bench.sent.len(), sent);
    }
}

/// Proves: rfc8445-11-6
/// Lesson: L-31
#[test]
fn an_indication_is_not_answered_and_changes_nothing() {
    let mut bench = completed(Config::new());
    let (sent, events) = (bench.sent.len(), bench.events.len());
    let deadline = bench.agent.deadline();
    for fingerprint in [false, true] {
        let mut out = Vec::new();
        let builder = Builder::indication(&mut out, Method::BINDING, TransactionId::from([7; 12]));
        if fingerprint {
            builder.fingerprint();
        }
        assert_eq!(bench.feed_on(LOCAL, REMOTE, &out), Fed::Ignored(Ignored::Indication));
    }
    assert_eq!((bench.sent.len(), bench.events.len()), (sent, events));
    assert_eq!(bench.agent.deadline(), deadline);
}

/// With consent on as with consent off, the peer's checks on the selected pair are answered, and that is all.
///
/// Proves: rfc8445-11-7
/// Lesson: L-20
#[test]
fn the_peers_checks_after_completion_are_answered_and_change_nothing() {
    for consent in [false, true] {
        for role in [Role::Controlling, Role::Controlled] {
            let mut bench = Bench::with(Config::new().consent(consent), role);
            bench.end_of_candidates();
            bench.peer_checks(role == Role::Controlled);
            bench.run_answering(at(1_000), |_| Some(ms(20)));
            assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
            let (mut sent, events) = (bench.sent.len(), bench.events.len());
            for round in 0..100 {
                bench.peer_checks(round % 2 == 0);
                sent += 1;
                bench.run_for(ms(10));
                assert_eq!((bench.sent.len(), bench.events.len()), (sent, events), "round {round}");
                assert_eq!(bench.last_answer().unwrap().class, Class::Success);
            }
        }
    }
}

/// With consent on there are no indications besides.
///
/// Proves: rfc7675-4-1
#[test]
fn consent_checks_are_the_keepalives() {
    let mut bench = Bench::with(Config::new(), Role::Controlling);
    bench.end_of_candidates();
    bench.run_answering(at(300_000), |_| Some(ms(20)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    assert_eq!(indications(&bench).len(), 0);
}

/// Missed keepalives are not made up for.
///
/// Lesson: R-35
#[test]
fn a_suspend_costs_one_indication() {
    let mut bench = completed(Config::new());
    let sent = bench.sent.len();
    bench.now += MINUTE * 480;
    bench.agent.handle_timeout(bench.now);
    bench.drain();
    assert_eq!(bench.sent.len(), sent + 1);
    assert_eq!(bench.agent.deadline(), Some(bench.now + Duration::from_secs(15)));
}
