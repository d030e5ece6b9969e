//! Consent freshness (RFC 7675): asked for, renewed, overdue, lost, revoked.

mod harness;

use core::time::Duration;

use floe::ice::Role;
use floe::stun::{Builder, Class, ErrorCode, Fingerprint, Integrity, Key, Method};
use floe::{Config, Event, Ignored, Reason, Remote, Server, StreamState, Timestamp};
use harness::{
    Bench, Fed, LOCAL, REMOTE, REMOTE_PASSWORD, REMOTE_UFRAG, Sent, address, at, host, ms, remote_credentials,
};

fn has_route(bench: &Bench) -> bool {
    bench.agent.route(bench.component()).is_some()
}

/// The pair in use has the address that the second server has seen, which is worth something else than that of the base: a check for
/// consent has the priority that all checks from this base have, by which the peer knows the base.
///
/// Proves: rfc8445-7.1.1-1
#[test]
fn a_consent_check_has_the_priority_of_its_base() {
    const MAPPED: &str = "203.0.113.1:4000";
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    for server in ["203.0.113.8:3478", "203.0.113.9:3478"] {
        bench.agent.add_server(bench.now, Server::stun(address(server))).unwrap();
    }
    bench.base(LOCAL);
    bench.run_for(ms(50));
    for (question, mapped) in bench.questions().iter().zip(["203.0.113.1:3999", MAPPED]) {
        bench.serve(question, mapped);
    }
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    let mut checks = Vec::new();
    for _ in 0..4 {
        let check = bench.next_check();
        let answer = bench.success(&check, address(MAPPED));
        bench.feed_path(check.path, &answer);
        checks.push((check.use_candidate, check.priority));
    }
    let [base, reflexive] = [0, 2].map(|n| bench.announced()[n].priority().local_preference());
    assert_ne!(base, reflexive);
    let all = Some(1_862_270_975);
    assert_eq!(checks, [(false, all), (true, all), (false, all), (false, all)]);
}

/// Runs until the next consent check, and answers no other.
fn consent_check(bench: &mut Bench) -> Sent {
    bench.next_check()
}

/// When the last answer came: that is what the thirty seconds are counted from.
fn renewed(bench: &mut Bench) -> Timestamp {
    let check = consent_check(bench);
    bench.run_for(ms(20));
    assert_eq!(bench.answer(&check), Fed::Control);
    bench.now
}

/// An hour of idling: requests alone, four to six seconds apart, never evenly, each with an id of its own and never
/// repeated; wake-ups for nothing else, no event, and nothing else is sent.
///
/// Scenario: S-41
/// Proves: rfc7675-4-1, rfc7675-4-2, rfc7675-5.1-6, rfc7675-5.1-9, rfc7675-8-1
/// Lesson, L-20
#[test]
fn an_idle_hour_costs_one_transaction_per_interval_and_nothing_else() {
    for rtt in [1, 10, 100, 1_000] {
        let mut bench = Bench::completed(Role::Controlling);
        bench.run_answering(at(10_000), |_| Some(ms(rtt)));
        let events = bench.events.len();
        let (mut wakes, mut idle) = (0, Vec::new());
        bench.sent.clear();
        while bench.now < at(3_610_000) {
            let deadline = bench.agent.deadline().unwrap();
            bench.run_until(deadline);
            wakes += 1;
            let requests = bench.requests();
            assert_eq!(requests.len(), bench.sent.len(), "requests alone");
            bench.sent.clear();
            for check in requests {
                bench.run_for(ms(rtt));
                bench.answer(&check);
                idle.push(check);
            }
        }
        assert_eq!(bench.events.len(), events, "{:?}", &bench.events[events..]);
        let requests = idle;
        assert!((600..=900).contains(&requests.len()), "{}", requests.len());
        assert_eq!(wakes, requests.len(), "awake for nothing else");
        let mut gaps: Vec<Duration> =
            requests.windows(2).map(|two| two[1].at.saturating_since(two[0].at)).collect();
        assert!(gaps.iter().all(|gap| (ms(4_000)..=ms(6_000)).contains(gap)), "{gaps:?}");
        gaps.sort_unstable();
        gaps.dedup();
        assert!(gaps.len() > requests.len() - 10, "drawn anew for each");
        assert!(gaps[0] < ms(4_200) && gaps[gaps.len() - 1] > ms(5_800), "over the whole range");
        let mut ids: Vec<_> = requests.iter().map(|it| it.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), requests.len());
        for byte in 0..12 {
            let ones = ids.iter().fold(0, |seen, id| seen | id.as_bytes()[byte]);
            let zeros = ids.iter().fold(0, |seen, id| seen | !id.as_bytes()[byte]);
            assert_eq!((ones, zeros), (0xff, 0xff), "a bit that never changes in byte {byte}");
        }
    }
}

/// The more pairs were found the less they cost afterwards: only the selected one is asked.
///
///
/// Proves: rfc7675-5.1-2
/// Lesson: R-15, L-29
#[test]
fn the_budget_of_an_idle_session_does_not_grow_with_its_pairs() {
    let mut bench = Bench::with(Config::new(), Role::Controlling);
    for n in 3..13 {
        bench.trickle(host(&n.to_string(), 1, &format!("198.51.100.{n}:2000")));
    }
    bench.end_of_candidates();
    bench.run_answering(at(20_000), |_| Some(ms(20)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    let sent = bench.sent.len();
    bench.run_answering(at(620_000), |_| Some(ms(20)));
    let idle = &bench.sent[sent..];
    assert!((100..=151).contains(&idle.len()), "{}", idle.len());
    let route = bench.agent.route(bench.component()).unwrap().path();
    assert!(idle.iter().all(|(_, transmit)| transmit.path == route), "on the way of the data");
}

/// A consent check is a check like any other, without a nomination.
///
/// Proves: rfc7675-5.1-2
/// Lesson: L-14
#[test]
fn a_consent_check_is_a_check_on_the_selected_pair_that_nominates_nothing() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut bench = Bench::completed(role);
        let check = consent_check(&mut bench);
        let local = bench.agent.local_credentials(bench.stream).unwrap();
        assert_eq!(check.class, Class::Request);
        assert_eq!(check.username, Some(format!("{REMOTE_UFRAG}:{}", local.ufrag())));
        assert!(check.is_signed_with(REMOTE_PASSWORD));
        assert_eq!(check.fingerprint, Fingerprint::Valid);
        assert_eq!(check.controlling.is_some(), role == Role::Controlling);
        assert_eq!(check.controlled.is_some(), role == Role::Controlled);
        assert!(check.priority.is_some());
        assert!(!check.use_candidate);
        assert_eq!((check.path.local(), check.path.remote()), (address(LOCAL), address(REMOTE)));
    }
}

/// Before the first answer nothing but checks may go, and no data has a way.
///
/// Proves: rfc7675-5.1-1
#[test]
fn there_is_no_route_before_the_first_answer() {
    let mut bench = Bench::with(Config::new(), Role::Controlled);
    bench.peer_checks(false);
    let check = bench.next_check();
    assert!(!has_route(&bench));
    bench.answer(&check);
    assert!(has_route(&bench));
}

/// Thirty seconds after the last answer came, to the instant: the route goes, an event says why, and what arrives later
/// turns nothing back, be it an answer or a check of the peer. Only a restart does.
///
/// Scenario: S-42
/// Proves: rfc7675-5-1, rfc7675-5.1-4, rfc7675-5.1-5, rfc7675-5.1-11, rfc7675-5.1-12, rfc7675-5.1-17, rfc7675-5.1-18
/// Lesson: R-05
#[test]
fn consent_expires_thirty_seconds_after_the_last_answer_came_and_stays_lost() {
    let mut bench = Bench::completed(Role::Controlling);
    let renewed = renewed(&mut bench);
    let late = consent_check(&mut bench);
    for _ in 0..20 {
        bench.run_for(ms(1_000));
        assert_eq!(bench.peer_checks(false), Fed::Control, "it still asks, and is answered");
    }
    bench.run_until(Timestamp::from_nanos((renewed + Duration::from_secs(30)).as_nanos() - 1));
    assert!(has_route(&bench), "one instant before");
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Unconfirmed(Reason::AnswerOverdue)));
    bench.run_until(renewed + Duration::from_secs(30));
    assert!(!has_route(&bench));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Lost(Reason::ConsentExpired)));
    let component = bench.component();
    assert!(matches!(bench.events[bench.events.len() - 2..],
        [(_, Event::Route { component: of }), (_, Event::State { state: StreamState::Lost(_), .. })] if of == component));
    let sent = bench.sent.len();
    assert_eq!(bench.answer(&late), Fed::Ignored(Ignored::UnknownTransaction));
    bench.peer_checks(false);
    bench.run_for(Duration::from_secs(120));
    assert!(!has_route(&bench));
    assert_eq!(bench.sent.len(), sent + 1, "the peer's check was answered, and nothing asked");
    assert_eq!(bench.agent.deadline(), None, "nothing is waited for");
}

/// Four answers that are wrong in one way each renew nothing; the right one does.
///
/// Proves: rfc7675-5.1-3, rfc7675-5.2-2
/// Lesson: L-31
#[test]
fn only_an_authentic_answer_from_the_right_address_renews_consent() {
    let forged = |class: Class, check: &Sent, key: &str| {
        let mut out = Vec::new();
        let builder = match class {
            Class::Success => Builder::success(&mut out, Method::BINDING, check.id)
                .attribute(&floe::stun::XorMappedAddress(check.path.local())),
            _ => Builder::error(&mut out, Method::BINDING, check.id, &ErrorCode::new(403).unwrap()),
        };
        builder.integrity(&Key::short_term(key.as_bytes()), Integrity::Sha1).fingerprint();
        out
    };
    let expires = |spoil: &dyn Fn(&mut Bench, &Sent)| {
        let mut bench = Bench::completed(Role::Controlling);
        let renewed = renewed(&mut bench);
        let check = consent_check(&mut bench);
        spoil(&mut bench, &check);
        assert!(has_route(&bench), "not at once");
        bench.run_until(Timestamp::from_nanos((renewed + Duration::from_secs(30)).as_nanos() - 1));
        let before = has_route(&bench);
        bench.run_until(renewed + Duration::from_secs(30));
        assert!(before, "not before its time");
        !has_route(&bench)
    };
    let wrong_key = "wrongwrongwrongwrongwrong";
    assert!(expires(&|bench, check| drop(bench.feed(&forged(Class::Success, check, wrong_key)))));
    assert!(
        expires(&|bench, check| drop(bench.feed(&forged(Class::Error, check, wrong_key)))),
        "unsigned 403"
    );
    assert!(expires(&|bench, check| {
        let other = Sent { id: floe::stun::TransactionId::from([9; 12]), ..check.clone() };
        bench.feed(&bench.success(&other, check.path.local()));
    }));
    assert!(expires(&|bench, check| {
        bench.feed_on(LOCAL, "198.51.100.9:2000", &bench.success(check, check.path.local()));
    }));
    assert!(expires(&|bench, check| {
        bench.feed(&bench.error(check, ErrorCode::new(500).unwrap()));
    }));
    // Nor do things that are the peer's, but no answer.
    assert!(expires(&|bench, _| {
        bench.peer_checks(false);
        bench.feed(b"\xff application data");
        let mut out = Vec::new();
        Builder::indication(&mut out, Method::BINDING, floe::stun::TransactionId::from([3; 12]))
            .fingerprint();
        bench.feed(&out);
    }));
    assert!(!expires(&|bench, check| drop(bench.answer(check))));
}

/// Of several outstanding checks the answer to any one counts, and misses alone count for nothing.
///
/// Scenario: S-43
/// Proves: rfc7675-5.1-8, rfc7675-5.1-10
/// Lesson: R-05
#[test]
fn an_answer_to_an_older_check_renews_consent() {
    let mut bench = Bench::completed(Role::Controlling);
    for _ in 0..20 {
        let checks: Vec<Sent> = (0..4).map(|_| consent_check(&mut bench)).collect();
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Unconfirmed(Reason::AnswerOverdue)));
        assert!(has_route(&bench), "overdue is a warning");
        bench.answer(&checks[2]);
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    }
}

/// Silence between two checks is nothing; a check without an answer for 2.5 s is told, and data still has its way.
///
/// Proves: rfc7675-5.1-19
/// Lesson: R-32, L-18
#[test]
fn an_overdue_answer_is_told_and_data_still_flows() {
    let mut bench = Bench::completed(Role::Controlling);
    let check = consent_check(&mut bench);
    bench.run_until(check.at + ms(2_499));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    bench.run_until(check.at + ms(2_500));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Unconfirmed(Reason::AnswerOverdue)));
    assert!(has_route(&bench));
}

/// The peer can take its consent back at once, if it signs that.
///
/// Scenario: S-44
/// Proves: rfc7675-5.2-1
#[test]
fn a_signed_403_ends_consent_at_once() {
    let mut bench = Bench::completed(Role::Controlling);
    let check = consent_check(&mut bench);
    bench.feed(&bench.error(&check, ErrorCode::new(403).unwrap()));
    assert!(!has_route(&bench));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Lost(Reason::ConsentRevoked)));
    assert!(
        bench.saw(|event| matches!(
            event,
            Event::State { state: StreamState::Lost(Reason::ConsentRevoked), .. }
        ))
    );
    let sent = bench.sent.len();
    bench.run_for(Duration::from_secs(60));
    assert_eq!(bench.sent.len(), sent, "nothing is asked any more");
}

/// The nomination of a pair in use fails, and the pair is valid no longer, while a check for consent is under way: its answer is
/// the peer's all the same, and a 403 holds when the pair works again.
///
/// Proves: rfc7675-5.2-1
#[test]
fn a_consent_check_is_answered_also_when_its_pair_has_gone() {
    for refuses in [false, true] {
        let mut bench = Bench::with(Config::new(), Role::Controlling);
        let check = bench.next_check();
        bench.answer(&check);
        let nomination = bench.next_check();
        assert!(nomination.use_candidate && has_route(&bench));
        let consent = consent_check(&mut bench);
        assert!(!consent.use_candidate);
        bench.feed(&bench.error(&nomination, ErrorCode::BAD_REQUEST));
        assert!(!has_route(&bench));
        let answer = match refuses {
            true => bench.error(&consent, ErrorCode::FORBIDDEN),
            false => bench.success(&consent, address(LOCAL)),
        };
        assert_eq!(bench.feed(&answer), Fed::Control);
        assert_eq!(bench.feed(&answer), Fed::Ignored(Ignored::UnknownTransaction));
        bench.peer_checks(false);
        bench.run_answering(bench.now + ms(200), |_| Some(ms(20)));
        assert_eq!(has_route(&bench), !refuses, "{refuses}");
    }
}

/// And so can we.
///
/// Proves: rfc7675-5.2-3
#[test]
fn revoking_our_consent_answers_the_peers_checks_with_403() {
    let mut bench = Bench::completed(Role::Controlling);
    bench.agent.revoke_consent(bench.now, bench.stream).unwrap();
    bench.peer_checks(false);
    let answer = bench.last_answer().unwrap();
    assert_eq!((answer.class, answer.error), (Class::Error, Some(403)));
    let password = bench.agent.local_credentials(bench.stream).unwrap().password().to_owned();
    assert!(answer.is_signed_with(&password));
}

/// While a stream is paused its consent goes on, and once it is gone data waits for new consent, which is a restart's.
///
/// Proves: rfc7675-5.1-16
#[test]
fn a_pause_in_which_the_peer_vanished_leaves_no_route_to_go_on_with() {
    let mut bench = Bench::completed(Role::Controlling);
    bench.run_for(Duration::from_secs(40));
    assert!(!has_route(&bench));
    bench.agent.restart(bench.now, bench.stream).unwrap();
    bench.drain();
    assert!(!has_route(&bench), "a restart alone gives none");
}

/// No configuration makes the interval shorter than four seconds, however short a keepalive or a pacing is asked for.
///
/// Proves: rfc7675-5.1-7
#[test]
fn no_configuration_makes_intervals_shorter_than_four_seconds() {
    let config = Config::new().keepalive(ms(1)).pacing(ms(1)).server_keepalive(ms(1));
    let mut bench = Bench::with(config, Role::Controlling);
    bench.end_of_candidates();
    bench.run_answering(at(300_000), |_| Some(ms(5)));
    let checks: Vec<Sent> = bench.checks().into_iter().filter(|it| it.at > at(3_000)).collect();
    assert!(checks.len() > 45);
    assert!(checks.windows(2).all(|two| two[1].at.saturating_since(two[0].at) >= ms(4_000)));
}

/// What the agent tells about itself has no id of a consent check in it until the check has left.
///
/// Proves: rfc7675-5.1-13
#[test]
fn ids_of_consent_checks_are_seen_on_the_wire_alone() {
    let mut bench = Bench::completed(Role::Controlling);
    let told: Vec<String> = bench.events.iter().map(|(_, event)| format!("{event:?}")).collect();
    let check = consent_check(&mut bench);
    let id = format!("{:?}", check.id);
    let pairs: Vec<String> = bench.agent.pairs(bench.stream).map(|pair| format!("{pair:?}")).collect();
    assert!(told.iter().chain(&pairs).all(|text| !text.contains(&id)));
}

/// Before a nomination it is the pair that data uses that is asked, and losing it ends it.
#[test]
fn a_pair_in_use_is_asked_before_it_is_nominated() {
    let mut bench = Bench::with(Config::new(), Role::Controlled);
    bench.end_of_candidates();
    bench.run_answering(at(1_000), |_| Some(ms(20)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Connected));
    let checks = bench.checks().len();
    bench.run_answering(at(61_000), |_| Some(ms(20)));
    assert!((10..=16).contains(&(bench.checks().len() - checks)));
    assert!(has_route(&bench));
    bench.run_for(Duration::from_secs(40));
    assert!(!has_route(&bench));
    assert!(matches!(bench.agent.state(bench.stream), Some(StreamState::Failed(_))));
    assert_eq!(bench.agent.deadline(), None);
}

/// A pair that was valid for long before the peer nominates it is asked before data may use it.
#[test]
fn a_pair_nominated_long_after_its_check_is_asked_before_data_uses_it() {
    let mut bench = Bench::with(Config::new(), Role::Controlled);
    bench.trickle(host("2", 1, "198.51.100.2:2000"));
    bench.end_of_candidates();
    bench.run_answering(at(60_000), |_| Some(ms(20)));
    let used = bench.agent.route(bench.component()).unwrap().path().remote();
    let other = [REMOTE, "198.51.100.2:2000"].into_iter().find(|it| address(it) != used).unwrap();
    let check = harness::PeerCheck { use_candidate: true, ..bench.peer_check() };
    bench.feed_on(LOCAL, other, &check.encode());
    assert_eq!(bench.selections(), [address(other)]);
    assert!(!has_route(&bench), "its consent is a minute old");
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Unconfirmed(Reason::ConsentAwaited)));
    let asked = consent_check(&mut bench);
    assert_eq!((asked.path.remote(), asked.at), (address(other), bench.now));
    assert!(bench.now < at(60_200), "at once");
    bench.answer(&asked);
    assert_eq!(bench.agent.route(bench.component()).unwrap().path().remote(), address(other));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// What was revoked is given anew by a restart, whichever side began it; the old path stays refused.
///
/// Proves: rfc7675-5.2-3
#[test]
fn a_restart_gives_the_consent_anew_that_was_revoked() {
    let mut bench = Bench::completed(Role::Controlling);
    let old = bench.peer_check().encode();
    bench.agent.revoke_consent(bench.now, bench.stream).unwrap();
    assert_eq!(bench.peer_checks(false), Fed::Ignored(Ignored::Refused));
    bench.agent.restart(bench.now, bench.stream).unwrap();
    bench.drain();
    assert_eq!(bench.feed(&old), Fed::Ignored(Ignored::Refused));
    assert_eq!(bench.last_answer().unwrap().error, Some(403));
    assert_eq!(bench.peer_checks(false), Fed::Control);
    assert_eq!(bench.last_answer().unwrap().error, None);
}

/// World 52446 with an enemy: a check from one socket was said to be seen under the address of another one, and the consent checks
/// from there, in their turn, under that of the first: data went where no answer had come from for half a minute.
///
/// Proves: rfc7675-5.1-4
#[test]
fn what_a_peer_says_of_another_socket_renews_no_consent_there() {
    let second = "192.0.2.9:1000";
    let mut bench = Bench::bare(Config::new().nomination(floe::ice::Nomination::Manual), Role::Controlling);
    bench.base(LOCAL);
    let remote = Remote::new(remote_credentials()).options("ice2 trickle renomination");
    bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
    bench.trickle(host("1", 1, REMOTE));
    bench.base(second);
    let check = bench.next_check();
    assert_eq!(check.path.local(), address(LOCAL));
    let answer = bench.success(&check, address(second));
    bench.feed_path(check.path, &answer);
    let answered_at = bench.now;
    while bench.now < answered_at + ms(40_000) {
        let asked = bench.agent.stats().consent_checks_sent;
        let check = bench.next_check();
        let is_consent = bench.agent.stats().consent_checks_sent > asked;
        if is_consent && check.path.local() == address(second) {
            let seen = if bench.now < answered_at + ms(31_000) { second } else { LOCAL };
            let answer = bench.success(&check, address(seen));
            bench.feed_path(check.path, &answer);
        }
        let route = bench.agent.route(bench.component());
        assert!(route.is_none_or(|route| route.path().local() == address(second)), "{route:?}");
    }
    assert!(bench.agent.stats().consent_checks_sent > 5);
}
