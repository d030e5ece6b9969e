//! Candidates that come one by one, late, in any order, or not at all (RFC 8838, RFC 8863).

use floe::ice::{Candidate, CandidateKind, PairState, Role};
use floe::sim::{Nat, NetworkId, NodeId, Signalling, StunServer, World};
use floe::{Reason, StreamState};

use super::session::{End, Selected, Session, address, controlled, controlling, ms, secs};
use super::{host, manual, two_hosts};

/// Three addresses each, of which only the last works: one pair of nine is possible.
fn mostly_dead(seed: u64) -> Session {
    let alice = controlling(host(&["192.0.2.1:4000", "192.0.2.2:4000", "192.0.2.3:4000"]));
    let bob = controlled(host(&["198.51.100.1:4000", "198.51.100.2:4000", "198.51.100.3:4000"]));
    let mut session = Session::new(World::new(seed), alice, bob);
    for text in ["192.0.2.1:4000", "192.0.2.2:4000", "198.51.100.1:4000", "198.51.100.2:4000"] {
        let end = if text.starts_with("192") { session.alice } else { session.bob };
        session.world.unplug((end, address(text).ip()));
    }
    session
}

/// The candidates of both ends with whom they are for, shuffled.
fn shuffled(session: &Session, seed: u64) -> Vec<(NodeId, Candidate)> {
    let of = |id| session.candidates(id).into_iter().map(move |candidate| (session.partner(id), candidate));
    let mut all: Vec<_> = of(session.alice).chain(of(session.bob)).collect();
    let mut state = seed;
    for last in (1..all.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.swap(last, usize::try_from(state >> 33).unwrap() % (last + 1));
    }
    all
}

/// Proves: rfc8838-4-1, rfc8838-7-1, rfc8838-8-1
/// Scenario: S-35
#[test]
fn candidates_trickled_in_any_order_end_where_all_at_once_end() {
    let mut at_once = mostly_dead(0);
    at_once.exchange();
    assert!(at_once.settle(secs(30)));
    let wanted = at_once.assert_mirrored(1);
    assert_eq!(wanted.addresses(), ["192.0.2.3:4000", "198.51.100.3:4000"].map(address));
    for seed in 1..20 {
        let mut session = mostly_dead(seed);
        session.end_bases();
        for id in session.ends() {
            session.introduce(id);
        }
        session.world.run_for(ms(700));
        assert_eq!(session.states(), [StreamState::Checking; 2], "empty, and running");
        for (to, candidate) in shuffled(&session, seed) {
            session.trickle(to, candidate);
            session.world.run_for(ms(seed * 60));
            assert!(!session.states().iter().any(|state| matches!(state, StreamState::Failed(_))));
        }
        for id in session.ends() {
            session.end_candidates(id);
        }
        assert!(session.settle(secs(30)), "{}", session.world.trace());
        assert_eq!(session.assert_mirrored(1), wanted);
        session.assert_data_flows(1);
    }
}

/// An end that trickles and one that does not: all four, behind translators, with a server to be asked.
#[test]
fn ends_that_trickle_and_ends_that_do_not_connect() {
    for (alice_trickles, bob_trickles) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut world = World::new(1);
        let server = world.add_server(NetworkId::PUBLIC, StunServer::new().slow(ms(300)));
        let server = world.address(server);
        let end = |role, trickles| {
            let end = End::new(Nat::port_restricted(), role).asks(server);
            if trickles { end } else { end.without_trickle() }
        };
        let (alice, bob) = (end(Role::Controlling, alice_trickles), end(Role::Controlled, bob_trickles));
        let mut session = Session::new(world, alice, bob);
        session.connect();
        assert_eq!(session.assert_mirrored(1).kinds, [CandidateKind::ServerReflexive; 2]);
        session.assert_data_flows(1);
    }
}

/// RFC 8838 asks for a channel in order: what comes after the end of candidates is not looked at. So some of these
/// sessions find nothing, but then both ends say so.
#[test]
fn signalling_that_overtakes_itself_leaves_both_ends_of_one_mind() {
    let mut connected = 0;
    for seed in 1..40 {
        let hosts = [["192.0.2.1:4000", "192.0.2.2:4000"], ["198.51.100.1:4000", "198.51.100.2:4000"]];
        let mut world = World::new(seed);
        world.set_signalling(Signalling::new(ms(10)).jitter(ms(900)).unordered());
        let mut session = Session::new(world, controlling(host(&hosts[0])), controlled(host(&hosts[1])));
        session.call();
        assert!(session.settle(secs(50)), "{}", session.world.trace());
        if session.states() == [StreamState::Completed; 2] {
            session.assert_mirrored(1);
            session.assert_data_flows(1);
            connected += 1;
        } else {
            assert_eq!(session.states(), [StreamState::Failed(Reason::NoPairs); 2]);
        }
    }
    assert!((30..39).contains(&connected), "{connected}");
}

/// The only pair of an end.
fn only_pair(session: &Session, id: NodeId) -> (PairState, CandidateKind, floe::ice::PairId, u32) {
    let peer = session.world.node(id);
    let pairs: Vec<_> = peer.agent().pairs(peer.stream()).collect();
    let [pair] = &pairs[..] else { panic!("{pairs:?}") };
    (pair.state(), pair.remote().kind(), pair.id(), pair.remote().priority().get())
}

/// Proves: rfc8445-7.3.1.3-3, rfc8838-11-4, rfc8445-7.3.1.4-2
/// Scenario: S-29
#[test]
fn a_candidate_that_is_signalled_after_its_check_changes_its_kind_and_nothing_else() {
    let alice = controlling(Nat::none()).config(manual());
    let mut session = Session::new(World::new(1), alice, controlled(Nat::none())).twenty_milliseconds();
    session.end_bases();
    let (alice, bob) = (session.alice, session.bob);
    session.introduce(alice);
    let stream = session.world.node(bob).stream();
    session.describe(bob, stream);
    session.world.run_for(ms(400));
    let (state, kind, id, _) = only_pair(&session, alice);
    assert_eq!((state, kind), (PairState::Succeeded, CandidateKind::PeerReflexive));
    let sent = session.requests(alice).len();
    let candidate = session.candidates(bob)[0].clone();
    let priority = candidate.priority().get();
    session.trickle(alice, candidate);
    assert_eq!(only_pair(&session, alice), (PairState::Succeeded, CandidateKind::Host, id, priority));
    session.world.run_for(secs(2));
    assert_eq!(session.requests(alice).len(), sent, "no second check");
    assert_eq!(session.states(), [StreamState::Connected; 2]);
}

/// Proves: rfc8445-7.3-2, rfc8445-7.3-3, rfc8445-5.3-3
/// Scenario: S-30
#[test]
fn checks_that_come_before_the_answer_are_answered_and_their_nomination_is_kept() {
    // The one that answers controls, so that its nomination is early too.
    let mut session = Session::new(World::new(1), controlled(Nat::none()), controlling(Nat::none()));
    session.end_bases();
    let (alice, bob) = (session.alice, session.bob);
    let stream = session.world.node(bob).stream();
    session.describe(bob, stream);
    session.world.run_for(secs(2));
    let [alice_state, bob_state] = session.states();
    assert_eq!((alice_state, bob_state), (StreamState::New, StreamState::Completed));
    assert!(session.requests(bob).iter().any(|request| request.nominates));
    assert!(session.requests(alice).is_empty(), "whom should it check");

    let answered_at = session.world.now();
    session.introduce(alice);
    assert!(session.settle(ms(200)), "{}", session.world.trace());
    assert_eq!(session.states(), [StreamState::Completed; 2]);
    let first = session.requests(alice)[0];
    assert_eq!((first.at, first.path.remote()), (answered_at, session.world.address(bob)));
    session.assert_mirrored(1);
    session.assert_data_flows(1);
}

/// Proves: rfc8863-3.1-1, rfc8863-4-3
/// Scenario: S-37
#[test]
fn a_peer_that_signals_no_candidates_connects_by_its_checks_ten_seconds_later() {
    let mut session = two_hosts();
    session.end_bases();
    let (alice, bob) = (session.alice, session.bob);
    session.introduce(alice);
    session.end_candidates(alice);
    session.world.run_for(secs(10));
    assert_eq!(session.states()[0], StreamState::Checking);
    let stream = session.world.node(bob).stream();
    session.describe(bob, stream);
    assert!(session.settle(secs(5)), "{}", session.world.trace());
    assert_eq!(session.states(), [StreamState::Completed; 2]);
    let selected: Selected = session.assert_mirrored(1);
    assert_eq!(selected.kinds, [CandidateKind::Host, CandidateKind::PeerReflexive]);
    session.assert_data_flows(1);
}
