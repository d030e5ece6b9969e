//! Application data: where it goes, whence it is taken, and what a stream that fails means for it and for the others
//! (RFC 8445 sections 6.1.3, 8.1.2 and 12).

mod harness;

use floe::ice::{CheckListState, Role, StreamId};
use floe::{Base, Error, Event, Ignored, Provenance, Reason, Remote, StreamState};
use harness::{Bench, Fed, LOCAL, REMOTE, Sent, address, at, host, manual, ms, no_delay, typed};

const OTHER: &str = "198.51.100.1:2002";
const DATA: &[u8] = b"\x80 not STUN";

/// The remote end of the route of component 1.
fn route(bench: &Bench) -> Option<core::net::SocketAddr> {
    bench.agent.route(bench.component()).map(|route| route.path().remote())
}

/// One more stream: a base, the peer's credentials and a host candidate of it, of this foundation.
fn add_stream(bench: &mut Bench, local: &str, foundation: &str, remote: &str) -> StreamId {
    let stream = bench.agent.add_stream(1).unwrap();
    bench.agent.add_base(bench.now, stream.component(1), Base::udp(address(local))).unwrap();
    bench.agent.set_remote(bench.now, stream, Remote::new(harness::remote_credentials())).unwrap();
    bench.agent.add_remote_candidate(bench.now, stream, host(foundation, 1, remote)).unwrap();
    bench.agent.end_of_bases(bench.now, stream).unwrap();
    bench.agent.end_of_remote_candidates(bench.now, stream).unwrap();
    bench.drain();
    stream
}

/// Proves: rfc8445-12.1-1, rfc8445-12.1-5
#[test]
fn before_the_selection_data_goes_over_the_best_valid_pair() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    bench.trickle(typed("2", "host", 77, OTHER));
    assert_eq!(route(&bench), None);
    bench.run_answering(at(200), |check| (check.path.remote() == address(OTHER)).then_some(ms(0)));
    assert_eq!(route(&bench), Some(address(OTHER)));
    bench.run_answering(at(2_000), no_delay);
    assert_eq!(route(&bench), Some(address(REMOTE)), "a better pair is valid now");
    assert!(bench.agent.pairs(bench.stream).all(|pair| pair.is_valid() && !pair.is_selected()));
    let routes = bench.events.iter().filter(|(_, event)| matches!(event, Event::Route { .. }));
    assert_eq!(routes.count(), 2);
}

/// Proves: rfc8445-12.1-2
#[test]
fn after_the_selection_data_goes_over_the_selected_pair_only() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    bench.trickle(typed("2", "host", 77, OTHER));
    bench.run_answering(at(1_000), no_delay);
    assert_eq!(route(&bench), Some(address(REMOTE)));
    let worse =
        bench.agent.pairs(bench.stream).find(|pair| pair.path().remote() == address(OTHER)).unwrap().id();
    bench.agent.nominate(bench.now, worse).unwrap();
    bench.run_answering(at(2_000), no_delay);
    for _ in 0..100 {
        let route = bench.agent.route(bench.component()).unwrap();
        assert_eq!((route.path().local(), route.path().remote()), (address(LOCAL), address(OTHER)));
        let mut out = Vec::new();
        route.encode(DATA, &mut out);
        assert_eq!(out, DATA);
        bench.run_answering(bench.now + ms(40), no_delay);
    }
}

/// Proves: rfc8445-12.2-1
#[test]
fn data_is_taken_from_every_pair_that_has_authenticated_and_from_no_other() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    bench.trickle(typed("2", "host", 77, OTHER));
    assert_eq!(bench.feed(DATA), Fed::Ignored(Ignored::Unverified));
    let check = bench.peer_check();
    bench.feed_on(LOCAL, OTHER, &check.encode());
    assert_eq!(bench.feed_on(LOCAL, OTHER, DATA), Fed::Data(Provenance::Authenticated, DATA.into()));
    bench.run_answering(at(1_000), no_delay);
    let best =
        bench.agent.pairs(bench.stream).find(|pair| pair.path().remote() == address(REMOTE)).unwrap().id();
    bench.agent.nominate(bench.now, best).unwrap();
    bench.run_answering(at(2_000), no_delay);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    for remote in [REMOTE, OTHER] {
        assert_eq!(bench.feed_on(LOCAL, remote, DATA), Fed::Data(Provenance::Valid, DATA.into()));
    }
    assert_eq!(bench.feed_on(LOCAL, "198.51.100.1:2003", DATA), Fed::Ignored(Ignored::Unverified));
}

/// Until the nomination reaches it, the peer may send on any pair that our answer has made valid for it.
///
/// Proves: rfc8445-12.2-1
#[test]
fn data_is_taken_from_a_pair_that_the_peer_checks_after_our_selection() {
    let mut bench = Bench::new(Role::Controlling);
    bench.run_answering(at(1_000), no_delay);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    let before = bench.checks().len();
    let check = bench.peer_check();
    bench.feed_on(LOCAL, OTHER, &check.encode());
    assert_eq!(bench.feed_on(LOCAL, OTHER, DATA), Fed::Data(Provenance::Authenticated, DATA.into()));
    bench.run_answering(at(5_000), no_delay);
    assert_eq!(bench.checks().len(), before, "and that is all that follows from it");
    assert_eq!(route(&bench), Some(address(REMOTE)));
    // A peer that shows a thousand addresses is believed a few of them.
    let data = |port: u16| {
        let from = format!("198.51.100.1:{port}");
        let check = bench.peer_check();
        bench.feed_on(LOCAL, &from, &check.encode());
        bench.feed_on(LOCAL, &from, DATA)
    };
    let taken = (3_000..4_000).map(data).filter(|fed| matches!(fed, Fed::Data(..))).count();
    assert_eq!(taken, 15, "peer-reflexive candidates are limited to sixteen");
}

/// Proves: rfc8445-12.1-6
#[test]
fn a_stream_that_fails_sends_no_data_for_any_of_its_components() {
    let mut bench = Bench::with_components(manual(), Role::Controlling, 2);
    bench.base_of(1, LOCAL);
    bench.base_of(2, "192.0.2.1:1001");
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.trickle(host("1", 2, OTHER));
    bench.end_of_candidates();
    bench.run_answering(at(39_000), |check| (check.path.remote() == address(REMOTE)).then_some(ms(0)));
    assert_eq!(route(&bench), Some(address(REMOTE)));
    bench.run_answering(at(60_000), |check| (check.path.remote() == address(REMOTE)).then_some(ms(0)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Failed(Reason::Timeout)));
    assert_eq!(route(&bench), None);
    let component = bench.component();
    let routes = bench.events.iter().filter(|(_, event)| *event == Event::Route { component });
    assert_eq!(routes.count(), 2, "the application is told that it has a route, and that it has none");
}

/// Proves: rfc8445-6.1.3-1, rfc8445-8.1.2-4, rfc8445-8.1.1-5
/// Scenario: S-69
#[test]
fn a_stream_that_fails_leaves_the_others_alone() {
    let mut bench = Bench::new(Role::Controlling);
    bench.end_of_candidates();
    let second = add_stream(&mut bench, "192.0.2.1:1001", "2", "198.51.100.2:2000");
    let reachable = |check: &Sent| (check.path.remote() == address(REMOTE)).then_some(ms(5));
    assert_eq!(bench.agent.session_state(), CheckListState::Running);
    bench.run_answering(at(1_000), reachable);
    assert_eq!(bench.agent.session_state(), CheckListState::Running, "one is Completed, one Running");
    bench.run_answering(at(50_000), reachable);
    assert_eq!(bench.agent.check_list_state(bench.stream), Some(CheckListState::Completed));
    assert_eq!(bench.agent.check_list_state(second), Some(CheckListState::Failed));
    assert!(
        bench
            .saw(|event| *event
                == Event::State { stream: second, state: StreamState::Failed(Reason::Timeout) })
    );
    assert_eq!(bench.agent.session_state(), CheckListState::Running, "one is Completed, one Failed");
    assert_eq!(route(&bench), Some(address(REMOTE)));
    assert_eq!(bench.feed(DATA), Fed::Data(Provenance::Valid, DATA.into()));
    assert_eq!(bench.agent.route(second.component(1)), None);
    // The application goes on without the stream that failed.
    bench.agent.close_stream(bench.now, second).unwrap();
    assert_eq!(bench.agent.session_state(), CheckListState::Completed);
}

/// Proves: rfc8445-6.1.3-1
#[test]
fn the_session_has_failed_when_every_stream_has() {
    let mut bench = Bench::new(Role::Controlling);
    bench.end_of_candidates();
    let streams = [
        bench.stream,
        add_stream(&mut bench, "192.0.2.1:1001", "2", "198.51.100.2:2000"),
        add_stream(&mut bench, "192.0.2.1:1002", "3", "198.51.100.3:2000"),
    ];
    bench.run_for(ms(39_500));
    let state = |bench: &Bench, stream| bench.agent.check_list_state(stream).unwrap();
    assert_eq!(state(&bench, streams[0]), CheckListState::Failed);
    assert_eq!(state(&bench, streams[2]), CheckListState::Running);
    assert_eq!(bench.agent.session_state(), CheckListState::Running);
    bench.run_for(ms(1_000));
    assert!(streams.iter().all(|stream| state(&bench, *stream) == CheckListState::Failed));
    assert_eq!(bench.agent.session_state(), CheckListState::Failed);
}

/// Nothing moves any more, and nothing is waited for.
///
/// Lesson: L-21
#[test]
fn a_closed_agent_has_no_route_and_no_deadline() {
    let mut bench = Bench::new(Role::Controlling);
    bench.run_answering(at(1_000), no_delay);
    bench.agent.close(bench.now);
    bench.drain();
    assert_eq!((route(&bench), bench.agent.deadline()), (None, None));
    assert_eq!(bench.feed(DATA), Fed::Ignored(Ignored::Closed));
    assert_eq!(bench.agent.end_of_bases(bench.now, bench.stream), Err(Error::Closed));
    assert_eq!(bench.states().last(), Some(&StreamState::Closed));
}

/// A peer that has not heard of the selection yet checks, and sends, on another path.
#[test]
fn data_on_a_path_that_is_in_no_list_names_a_pair_that_can_be_looked_at() {
    let mut bench = Bench::new(Role::Controlling);
    bench.end_of_candidates();
    bench.run_answering(at(1_000), |_| Some(ms(5)));
    assert_eq!(bench.selections(), [address(REMOTE)]);
    let check = bench.peer_check().encode();
    bench.feed_on(LOCAL, OTHER, &check);
    let path = floe::Path::udp(address(LOCAL), address(OTHER));
    let floe::Received::Data { pair, .. } = bench.agent.handle_datagram(bench.now, path, b"\x80data") else {
        panic!("data")
    };
    let pair = bench.agent.pair(pair).expect("a pair");
    assert_eq!((pair.path(), pair.state()), (path, floe::ice::PairState::Frozen));
    assert_eq!(pair.remote().ip(), Some(address(OTHER)));
    assert!(!pair.is_listed() && !pair.is_valid() && !pair.is_selected());
}
