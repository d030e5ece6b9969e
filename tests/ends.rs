//! What is left of a path, a base, a generation or an agent after its end: nothing that waits, sends or is sent to.

mod harness;

use floe::ice::{Credentials, Nomination, Role};
use floe::stun::AttributeType;
use floe::{Base, Config, Error, Event, Ignored, Remote, StreamState};

use harness::{
    Bench, Fed, LOCAL, PeerCheck, REMOTE, REMOTE_PASSWORD, REMOTE_UFRAG, address, at, host, ms,
    remote_credentials,
};

const OTHER_BASE: &str = "192.0.2.2:4000";

/// A controlling agent that has selected its only pair and keeps consent.
fn completed() -> Bench {
    let mut bench = Bench::with(Config::new(), Role::Controlling);
    bench.end_of_candidates();
    bench.run_answering(at(3_000), |_| Some(ms(20)));
    assert_eq!(bench.states().last(), Some(&StreamState::Completed));
    bench
}

/// The same with a consent check under way.
fn waiting_for_consent() -> Bench {
    let mut bench = completed();
    let check = bench.next_check();
    assert!(check.at >= at(4_000), "the check at {:?} keeps consent", check.at);
    bench
}

fn routes_announced(bench: &Bench) -> usize {
    bench.events.iter().filter(|(_, event)| matches!(event, Event::Route { .. })).count()
}

#[test]
fn a_closed_agent_waits_for_nothing_even_with_a_consent_check_under_way() {
    let mut bench = waiting_for_consent();
    bench.agent.close(bench.now);
    bench.drain();
    assert_eq!(bench.agent.deadline(), None);
}

#[test]
fn a_removed_base_takes_its_consent_check_along() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    let base = bench.base(LOCAL);
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.end_of_candidates();
    bench.run_answering(at(3_000), |_| Some(ms(20)));
    bench.next_check();
    bench.agent.remove_base(bench.now, base).unwrap();
    bench.drain();
    // With its selected pair the stream is lost, and waits for nothing.
    assert_eq!(bench.agent.deadline(), None);
}

/// Proves: rfc7675-5.1-14
#[test]
fn a_path_that_is_lost_during_a_restart_is_no_route_any_more_and_says_so() {
    let mut bench = completed();
    bench.agent.restart(bench.now, bench.stream).unwrap();
    bench.drain();
    assert!(bench.agent.route(bench.component()).is_some(), "the old path carries the data");
    let before = routes_announced(&bench);
    bench.run_until(at(40_000));
    assert!(bench.agent.route(bench.component()).is_none());
    assert_eq!(routes_announced(&bench), before + 1);
}

#[test]
fn a_base_removed_during_a_restart_is_sent_from_no_more() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    let base = bench.base(LOCAL);
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.run_answering(at(3_000), |_| Some(ms(20)));
    bench.agent.add_base(bench.now, bench.component(), Base::udp(address(OTHER_BASE))).unwrap();
    bench.agent.restart(bench.now, bench.stream).unwrap();
    bench.agent.remove_base(bench.now, base).unwrap();
    bench.drain();
    assert!(bench.agent.route(bench.component()).is_none(), "its socket is gone");
    let before = bench.sent.len();
    bench.run_until(at(40_000));
    assert_eq!(bench.sent.len(), before, "consent checks from a socket that is gone");
}

#[test]
fn a_removed_component_announces_that_its_route_is_gone() {
    let mut bench = completed();
    let before = routes_announced(&bench);
    bench.agent.remove_component(bench.now, bench.component()).unwrap();
    bench.drain();
    assert_eq!(routes_announced(&bench), before + 1);
}

/// The peer's process may be another one, which counts from the start.
#[test]
fn a_peer_may_number_its_nominations_anew_after_a_restart() {
    const NOMINATION: AttributeType = AttributeType::new(0xc001);
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    bench.base(LOCAL);
    for (ufrag, number) in [(REMOTE_UFRAG, 5_u32), ("renewed", 1)] {
        bench.agent.restart(bench.now, bench.stream).unwrap();
        let credentials = Credentials::new(ufrag, REMOTE_PASSWORD).unwrap();
        let remote = Remote::new(credentials).options("trickle renomination");
        bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
        let own = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
        let check = PeerCheck {
            username: Some(format!("{own}:{ufrag}")),
            use_candidate: true,
            extra: vec![(NOMINATION, number.to_be_bytes().to_vec())],
            ..bench.peer_check()
        };
        bench.feed(&check.encode());
        let triggered = bench.next_check();
        bench.answer(&triggered);
        let selected = bench.agent.pairs(bench.stream).filter(|pair| pair.is_selected());
        assert_eq!(selected.count(), 1, "nomination {number} of {ufrag}");
    }
}

/// Proves: rfc7675-5.2-3
#[test]
fn consent_is_revoked_on_the_path_of_the_generation_before_as_well() {
    let mut bench = completed();
    let check = bench.peer_check().encode();
    bench.agent.restart(bench.now, bench.stream).unwrap();
    bench.drain();
    assert_eq!(bench.feed(&check), Fed::Control);
    bench.agent.revoke_consent(bench.now, bench.stream).unwrap();
    assert_eq!(bench.feed(&check), Fed::Ignored(Ignored::Refused));
    assert_eq!(bench.last_answer().unwrap().error, Some(403));
}

#[test]
fn a_candidate_removed_before_its_generation_is_known_stays_away() {
    let mut bench = completed();
    let coming = host("2", 1, "203.0.113.9:9000").with_ufrag("renewed").unwrap();
    let id = bench.agent.add_remote_candidate(bench.now, bench.stream, coming);
    let id = id.expect("kept for the generation to come");
    bench.agent.remove_remote_candidate(bench.now, bench.stream, id).unwrap();
    let credentials = Credentials::new("renewed", "anotherpasswordofthepeer").unwrap();
    bench.agent.set_remote(bench.now, bench.stream, Remote::new(credentials)).unwrap();
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 0);
}

/// The peer restarts after it had come to the end of its candidates, and its new ones are faster than its credentials.
///
///
/// Proves: rfc8838-15-1
/// Lesson: L-47
#[test]
fn the_end_of_candidates_does_not_hold_for_the_generation_to_come() {
    let mut bench = completed();
    let coming = host("2", 1, "203.0.113.9:9000").with_ufrag("renewed").unwrap();
    bench.trickle(coming);
    let credentials = Credentials::new("renewed", "anotherpasswordofthepeer").unwrap();
    bench.agent.set_remote(bench.now, bench.stream, Remote::new(credentials)).unwrap();
    assert_eq!(bench.agent.pairs(bench.stream).filter(|pair| pair.is_listed()).count(), 1);
}

/// The peer may have noticed nothing, and checks on; the path comes back with new credentials only.
///
/// Proves: rfc7675-5.1-17
#[test]
fn a_path_whose_consent_is_lost_is_not_revived_by_a_check_of_the_peer() {
    for nominated in [false, true] {
        let mut bench = Bench::with(Config::new(), Role::Controlled);
        bench.run_answering(at(3_000), |_| Some(ms(20)));
        if nominated {
            bench.peer_checks(true);
        }
        assert!(bench.agent.route(bench.component()).is_some());
        bench.run_until(at(40_000));
        assert!(bench.agent.route(bench.component()).is_none(), "unanswered for 30 s");
        let sent = bench.checks().len();
        // Who has concluded on it is only answered, another nomination is refused.
        let came = if nominated { Fed::Control } else { Fed::Ignored(Ignored::Refused) };
        assert_eq!(bench.peer_checks(true), came);
        bench.run_for(ms(1_000));
        assert_eq!(bench.checks().len(), sent);
        assert!(bench.agent.route(bench.component()).is_none());
    }
}

/// Either side may end the checks of one stream, and the other stream goes on; but only who controls concludes.
///
/// Proves: rfc8445-6.1.4.2-7
#[test]
fn either_side_stops_the_checks_of_a_stream_and_the_controlling_one_alone_concludes() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut bench = Bench::with(Config::new().nomination(Nomination::Manual).consent(false), role);
        let other = bench.agent.add_stream(1).unwrap();
        bench.agent.add_base(bench.now, other.component(1), Base::udp(address("192.0.2.1:1002"))).unwrap();
        bench.agent.set_remote(bench.now, other, Remote::new(remote_credentials())).unwrap();
        for port in 0..10 {
            let candidate = host(&port.to_string(), 1, &format!("198.51.100.1:{}", 3_000 + port));
            bench.agent.add_remote_candidate(bench.now, other, candidate).unwrap();
        }
        let to_other = |bench: &Bench| {
            bench.requests().iter().filter(|sent| sent.path.local() == address("192.0.2.1:1002")).count()
        };
        bench.run_until(at(150));
        assert!(to_other(&bench) > 0);
        bench.agent.close_stream(bench.now, other).unwrap();
        let before = to_other(&bench);
        bench.run_answering(at(5_000), |_| Some(ms(5)));
        assert_eq!(to_other(&bench), before, "neither new checks nor repeated ones");
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Connected));
        let pair = bench.agent.pairs(bench.stream).find(|pair| pair.is_valid()).unwrap().id();
        let expected = if role == Role::Controlling { Ok(()) } else { Err(Error::CannotNominate) };
        assert_eq!(bench.agent.nominate(bench.now, pair), expected);
        bench.run_answering(at(6_000), |_| Some(ms(5)));
        let concluded = bench.agent.state(bench.stream) == Some(StreamState::Completed);
        assert_eq!(concluded, role == Role::Controlling);
    }
}

/// However a stream gives up its socket, another one may have it at once, and what comes in there is the other's.
///
///
/// Proves: rfc8839-4.4.3.1-1
/// Lesson: R-42
#[test]
fn a_socket_is_free_for_another_stream_once_its_own_has_ended() {
    type End = fn(&mut Bench, floe::ice::BaseId);
    let ends: [End; 4] = [
        |bench, _| bench.agent.close_stream(bench.now, bench.stream).unwrap(),
        |bench, _| bench.agent.remove_component(bench.now, bench.component()).unwrap(),
        |bench, base| bench.agent.remove_base(bench.now, base).unwrap(),
        |bench, _| {
            bench.end_of_candidates();
            bench.run_for(ms(120_000));
            assert!(matches!(bench.states().last(), Some(StreamState::Failed(_))));
            bench.agent.close_stream(bench.now, bench.stream).unwrap();
        },
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let mut bench = Bench::bare(Config::new(), Role::Controlled);
        let base = bench.base(LOCAL);
        bench.remote();
        bench.trickle(host("1", 1, REMOTE));
        bench.next_check();
        let old_check = bench.peer_check().encode();
        let other = bench.agent.add_stream(1).unwrap();
        let again = |bench: &mut Bench| {
            bench.agent.add_base(bench.now, other.component(1), Base::udp(address(LOCAL))).map(drop)
        };
        assert_eq!(again(&mut bench), Err(Error::BaseExists));
        end(&mut bench, base);
        assert_eq!(bench.feed(&old_check), Fed::Ignored(Ignored::UnknownBase), "{n}");
        assert_eq!(bench.agent.pairs(bench.stream).count(), 0, "{n}");
        let sent = bench.sent.len();
        bench.run_for(ms(60_000));
        assert_eq!(bench.sent.len(), sent, "{n}");
        assert_eq!(again(&mut bench), Ok(()), "{n}");
        bench.drain();
        let of_other = bench.agent.local_credentials(other).unwrap().clone();
        let check = PeerCheck {
            username: Some(format!("{}:{REMOTE_UFRAG}", of_other.ufrag())),
            password: of_other.password().into(),
            ..bench.peer_check()
        };
        assert_eq!(bench.feed(&check.encode()), Fed::Control, "{n}");
        assert_eq!(bench.feed(&old_check), Fed::Ignored(Ignored::Unauthenticated), "{n}");
    }
}
