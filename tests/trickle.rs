//! Candidates that come one by one, ours and the peer's, and their end (RFC 8838).

mod harness;

use core::net::SocketAddr;
use floe::ice::{Candidate, CandidateKind, CheckListState, Generation, Role};
use floe::stun::{Builder, Method, XorMappedAddress};
use floe::{Base, Config, Error, Event, Remote, Server, StreamState, Timestamp};
use harness::{
    Bench, Fed, LOCAL, REMOTE, REMOTE_UFRAG, Sent, address, at, candidate, host, ms, no_delay,
    remote_credentials, typed,
};

const SERVER: &str = "203.0.113.1:3478";
const SILENT: &str = "203.0.113.2:3478";
const MAPPED: &str = "203.0.113.77:4000";
const OTHER: &str = "198.51.100.2:2000";

fn add_server(bench: &mut Bench, server: &str) {
    bench.agent.add_server(bench.now, Server::stun(address(server))).unwrap();
    bench.drain();
}

/// What was last asked of a server.
fn question(bench: &Bench, server: &str) -> Sent {
    bench.requests().into_iter().rfind(|request| request.path.remote() == address(server)).expect("asked")
}

/// The server answers a question.
fn tell(bench: &mut Bench, question: &Sent, mapped: &str) -> Fed {
    let mut out = Vec::new();
    Builder::success(&mut out, Method::BINDING, question.id)
        .attribute(&XorMappedAddress(address(mapped)))
        .fingerprint();
    bench.feed_path(question.path, &out)
}

/// The addresses of the candidates handed over for signalling, in order.
fn signalled(bench: &Bench) -> Vec<SocketAddr> {
    let candidates = bench.events.iter().filter_map(|(_, event)| match event {
        Event::LocalCandidate { candidate, .. } => candidate.ip(),
        _ => None,
    });
    candidates.collect()
}

fn gathered_at(bench: &Bench) -> Option<Timestamp> {
    let complete = |event: &Event| matches!(event, Event::GatheringComplete { .. });
    bench.events.iter().find(|(_, event)| complete(event)).map(|(at, _)| *at)
}

fn try_trickle(bench: &mut Bench, candidate: Candidate) -> Result<(), Error> {
    let added = bench.agent.add_remote_candidate(bench.now, bench.stream, candidate).map(drop);
    bench.drain();
    added
}

/// The remote addresses of the listed pairs, in the order of the list.
fn paired(bench: &Bench) -> Vec<SocketAddr> {
    bench.pair_states().into_iter().map(|(remote, _)| remote).collect()
}

/// Proves: rfc8838-3-2, rfc8838-5-1
#[test]
fn a_peer_that_does_not_trickle_needs_the_complete_set_and_has_sent_its_own() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    assert_eq!(bench.agent.may_trickle(bench.stream), None);
    let remote = Remote::new(remote_credentials()).candidates([host("1", 1, REMOTE)]).complete();
    bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
    bench.base(LOCAL);
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    assert_eq!(bench.agent.may_trickle(bench.stream), Some(false));
    assert_eq!(try_trickle(&mut bench, host("2", 1, OTHER)), Err(Error::EndOfCandidates));
    // Its set is complete, so that the stream can fail.
    bench.run_for(ms(39_500));
    assert!(matches!(bench.agent.state(bench.stream), Some(StreamState::Failed(_))));

    let mut trickling = Bench::new(Role::Controlling);
    assert_eq!(trickling.agent.may_trickle(trickling.stream), Some(true));
    trickling.agent.end_of_bases(trickling.now, trickling.stream).unwrap();
    trickling.run_for(ms(39_500));
    assert_eq!(trickling.agent.state(trickling.stream), Some(StreamState::Checking));
}

/// Proves: rfc8838-4-1, rfc8838-7-1
#[test]
fn streams_without_candidates_are_running_and_no_timer_spins() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    let second = bench.agent.add_stream(1).unwrap();
    for stream in [bench.stream, second] {
        bench.agent.set_remote(bench.now, stream, Remote::new(remote_credentials())).unwrap();
    }
    bench.run_for(ms(100_000));
    for stream in [bench.stream, second] {
        assert_eq!(bench.agent.check_list_state(stream), Some(CheckListState::Running));
        assert_eq!(bench.agent.state(stream), Some(StreamState::Checking));
    }
    assert_eq!(bench.agent.deadline(), None);
}

/// Proves: rfc8838-5-2
#[test]
fn a_responder_may_know_its_peer_before_it_gathers() {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.run_until(at(500));
    add_server(&mut bench, SERVER);
    bench.base(LOCAL);
    bench.peer_checks(true);
    bench.run_answering(at(1_000), no_delay);
    assert_eq!(bench.agent.is_gathering_complete(bench.stream), Some(false));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// Proves: rfc8838-8-2
#[test]
fn an_empty_list_costs_no_slot() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    let second = bench.agent.add_stream(1).unwrap();
    bench.agent.add_base(bench.now, second.component(1), Base::udp(address(LOCAL))).unwrap();
    for stream in [bench.stream, second] {
        bench.agent.set_remote(bench.now, stream, Remote::new(remote_credentials())).unwrap();
    }
    for n in 1..=5 {
        let remote = host(&n.to_string(), 1, &format!("198.51.100.{n}:2000"));
        bench.agent.add_remote_candidate(bench.now, second, remote).unwrap();
    }
    bench.run_until(at(400));
    let left: Vec<Timestamp> = bench.checks().iter().map(|check| check.at).collect();
    assert_eq!(left, [at(0), at(50), at(100), at(150), at(200)]);
}

/// Proves: rfc8838-9-1, rfc8838-9-2, rfc8838-10-4, rfc8838-17-1
#[test]
fn every_candidate_is_handed_over_once_in_the_order_found_and_then_the_end() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    add_server(&mut bench, SERVER);
    // The second component is declared first, and asks first of nobody all the same.
    bench.base_of(2, "192.0.2.1:1001");
    bench.base_of(1, LOCAL);
    bench.base_of(1, "192.0.2.2:1000");
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.run_until(at(200));
    let questions = bench.requests();
    let asking: Vec<String> = questions.iter().map(|question| question.path.local().to_string()).collect();
    assert_eq!(asking, [LOCAL, "192.0.2.2:1000", "192.0.2.1:1001"]);
    tell(&mut bench, &questions[0], MAPPED);
    // The second base is not behind a NAT: what the server sees is the host candidate.
    tell(&mut bench, &questions[1], "192.0.2.2:1000");
    assert_eq!(gathered_at(&bench), None);
    tell(&mut bench, &questions[2], "203.0.113.77:4001");
    let found = ["192.0.2.1:1001", LOCAL, "192.0.2.2:1000", MAPPED, "203.0.113.77:4001"].map(address);
    assert_eq!(signalled(&bench), found);
    assert!(matches!(bench.events.last(), Some((_, Event::GatheringComplete { .. }))));
    // A second answer, and time, change nothing.
    tell(&mut bench, &questions[0], "203.0.113.78:9");
    bench.run_for(ms(60_000));
    assert_eq!(signalled(&bench), found);
}

/// Proves: rfc8838-9-3, rfc8838-9-4
#[test]
fn a_candidate_of_another_generation_is_passed_over_and_one_without_a_tag_is_taken() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(LOCAL);
    let tagged = |address, ufrag| host("1", 1, address).with_ufrag(ufrag).unwrap();
    // Before the peer's credentials nobody can tell; what turns out foreign goes.
    bench.trickle(tagged("198.51.100.3:2000", "gone"));
    bench.trickle(tagged("198.51.100.4:2000", REMOTE_UFRAG));
    bench.remote();
    let events = bench.events.len();
    // It may belong to a generation that is still to come, so it is kept, and nothing else.
    assert_eq!(try_trickle(&mut bench, tagged("198.51.100.5:2000", "gone")), Ok(()));
    bench.trickle(tagged(OTHER, REMOTE_UFRAG));
    bench.trickle(host("1", 1, REMOTE));
    assert_eq!(paired(&bench), ["198.51.100.4:2000", OTHER, REMOTE].map(address));
    assert_eq!(bench.events.len(), events);
}

/// Proves: rfc8838-10-4, rfc8838-11-3
#[test]
fn a_reflexive_candidate_makes_no_pair_beside_that_of_its_base() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    add_server(&mut bench, SERVER);
    bench.base(LOCAL);
    bench.run_until(at(40));
    let asked = question(&bench, SERVER);
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    tell(&mut bench, &asked, MAPPED);
    assert_eq!(signalled(&bench), [LOCAL, MAPPED].map(address));
    bench.trickle(host("1", 1, OTHER));
    let locals: Vec<_> = bench.agent.pairs(bench.stream).map(|pair| pair.local().kind()).collect();
    assert_eq!(locals, [CandidateKind::Host; 2]);
    assert_eq!(paired(&bench), [REMOTE, OTHER].map(address));
}

/// Proves: rfc8838-11-6
#[test]
fn candidates_that_cannot_be_used_leave_the_others_alone() {
    let mut bench = Bench::without_candidates(Config::new(), Role::Controlling);
    let name = candidate("candidate:3 1 udp 5 printer.local 2000 typ host");
    let tcp = candidate("candidate:4 1 tcp 5 198.51.100.9 2000 typ host tcptype passive");
    bench.trickle(typed("2", "host", 5, "[2001:db8::1]:2000"));
    assert_eq!(try_trickle(&mut bench, name), Err(Error::CandidateName));
    assert_eq!(try_trickle(&mut bench, tcp), Err(Error::CandidateTransport));
    assert_eq!(try_trickle(&mut bench, host("5", 2, OTHER)), Err(Error::CandidateComponent));
    assert!(matches!(
        try_trickle(&mut bench, typed("6", "host", 5, "224.0.0.1:2000")),
        Err(Error::Address(_))
    ));
    assert_eq!(bench.states(), [StreamState::Checking]);
    bench.trickle(host("1", 1, REMOTE));
    assert_eq!(paired(&bench), [address(REMOTE)]);
    bench.run_answering(at(1_000), no_delay);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// Proves: rfc8838-13-1, rfc8838-13-3, rfc8445-5.1.1.2-12
/// Scenario: S-38
#[test]
fn a_silent_server_delays_the_end_of_candidates_and_nothing_else() {
    let config = Config::new().gathering_limit(ms(60_000));
    let mut bench = Bench::bare(config, Role::Controlling);
    add_server(&mut bench, SILENT);
    add_server(&mut bench, SERVER);
    bench.base(LOCAL);
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    assert_eq!(signalled(&bench), [address(LOCAL)]);
    bench.run_until(at(70));
    let asked = question(&bench, SERVER);
    tell(&mut bench, &asked, MAPPED);
    assert_eq!(signalled(&bench), [LOCAL, MAPPED].map(address));
    bench.run_until(at(39_499));
    assert_eq!(gathered_at(&bench), None);
    bench.run_until(at(39_500));
    assert_eq!(gathered_at(&bench), Some(at(39_500)), "when the transaction fails");
    // Candidates and end are of the same generation, whose user-name fragment the candidates carry.
    let stream = bench.stream;
    let generation = bench.events.iter().find_map(|(_, event)| match event {
        Event::GatheringComplete { generation, .. } => Some(*generation),
        _ => None,
    });
    assert_eq!(generation, Some(Generation::FIRST));
    let ufrag = bench.agent.local_credentials(stream).unwrap().ufrag().to_owned();
    assert!(bench.saw(|event| matches!(event, Event::LocalCandidate { generation, candidate, .. }
        if *generation == Generation::FIRST && candidate.ufrag() == Some(&ufrag))));
    // An answer after the end is too late.
    let asked = question(&bench, SILENT);
    tell(&mut bench, &asked, "203.0.113.78:4000");
    assert_eq!(signalled(&bench).len(), 2);
}

/// Proves: rfc8838-13-4, rfc8838-13-3
/// Scenario: S-38
/// Lesson: R-39
#[test]
fn gathering_ends_at_its_limit_and_what_comes_later_is_not_signalled() {
    let config = Config::new().gathering_limit(ms(2_000));
    let mut bench = Bench::bare(config, Role::Controlling);
    add_server(&mut bench, SILENT);
    bench.base(LOCAL);
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.run_until(at(1_999));
    assert_eq!(gathered_at(&bench), None);
    let asked = question(&bench, SILENT);
    bench.run_until(at(2_000));
    assert_eq!(gathered_at(&bench), Some(at(2_000)));
    tell(&mut bench, &asked, MAPPED);
    bench.run_until(at(60_000));
    assert_eq!(signalled(&bench), [address(LOCAL)]);
    bench.base("192.0.2.1:1001");
    bench.run_until(at(120_000));
    assert_eq!(signalled(&bench), [address(LOCAL)]);
}

/// Proves: rfc8838-13-3
#[test]
fn a_binding_that_moves_after_the_end_of_candidates_is_not_signalled() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    add_server(&mut bench, SERVER);
    bench.base(LOCAL);
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.run_until(at(10));
    let asked = question(&bench, SERVER);
    tell(&mut bench, &asked, MAPPED);
    assert_eq!(gathered_at(&bench), Some(at(10)));
    bench.run_until(at(16_000));
    let again = question(&bench, SERVER);
    assert_ne!(again.id, asked.id, "the binding is refreshed");
    tell(&mut bench, &again, "203.0.113.78:4000");
    assert_eq!(signalled(&bench), [LOCAL, MAPPED].map(address));
}

/// Proves: rfc8838-13-2, rfc8838-13-5, rfc8838-13-6
/// Scenario: S-39
#[test]
fn after_the_nomination_nothing_is_signalled_but_the_end_of_candidates() {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    add_server(&mut bench, SERVER);
    bench.base(LOCAL);
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.peer_checks(true);
    bench.run_answering(at(300), no_delay);
    assert_eq!(
        bench.agent.state(bench.stream),
        Some(StreamState::Completed),
        "without any end of candidates"
    );
    assert_eq!(gathered_at(&bench), None);
    let asked = question(&bench, SERVER);
    tell(&mut bench, &asked, MAPPED);
    assert_eq!(signalled(&bench), [address(LOCAL)]);
    assert_eq!(gathered_at(&bench), Some(at(300)));
}

/// Proves: rfc8838-14-2
/// Scenario: S-39
#[test]
fn candidates_after_the_end_of_candidates_are_ignored() {
    let mut bench = Bench::new(Role::Controlling);
    bench.agent.end_of_remote_candidates(bench.now, bench.stream).unwrap();
    assert_eq!(try_trickle(&mut bench, host("2", 1, OTHER)), Err(Error::EndOfCandidates));
    assert_eq!(paired(&bench), [address(REMOTE)]);
    bench.run_until(at(1_000));
    assert!(bench.checks().iter().all(|check| check.path.remote() == address(REMOTE)));
}

/// Proves: rfc8838-16-1
#[test]
fn everything_can_be_gathered_before_the_peer_is_known() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    add_server(&mut bench, SERVER);
    bench.base(LOCAL);
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.run_until(at(100));
    assert_eq!(bench.agent.is_gathering_complete(bench.stream), Some(false));
    let asked = question(&bench, SERVER);
    tell(&mut bench, &asked, MAPPED);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::New));
    assert_eq!(bench.agent.is_gathering_complete(bench.stream), Some(true));
    let all: Vec<_> = bench.agent.local_candidates(bench.stream).filter_map(|(_, it)| it.ip()).collect();
    assert_eq!(all, [LOCAL, MAPPED].map(address));
}
