//! Where no direct path exists: relayed candidates, and what becomes of them (RFC 8445, RFC 8656).

#[path = "harness/session.rs"]
mod session;

use core::net::SocketAddr;
use core::time::Duration;

use floe::ice::{Candidate, CandidateKind, PairState};
use floe::sim::{self, Deviation, Fault, Host, Nat, NetworkId, NodeId, Peer, TurnServer, World};
use floe::stun::Method;
use floe::{Config, Event, ServerError, StreamState, Timestamp};
use session::{PASSWORD, Session, USER, controlled, controlling, ms, secs, settled};

/// A world with a TURN server in it.
fn world(server: TurnServer) -> (World<Peer>, NodeId) {
    let mut world = World::new(1);
    let id = world.add_turn_server(NetworkId::PUBLIC, server);
    (world, id)
}

fn turn_server() -> TurnServer {
    TurnServer::new("example.org").user(USER, PASSWORD)
}

/// Two ends behind these translators, both with one server.
fn between(alice: impl Into<Host>, bob: impl Into<Host>, server: TurnServer) -> (Session, NodeId) {
    let (world, server) = world(server);
    let address = world.address(server);
    (Session::new(world, controlling(alice).relays(address), controlled(bob).relays(address)), server)
}

fn assert_no_violations(session: &Session, server: NodeId) {
    assert_eq!(session.world.turn_server(server).violations(), [], "{}", session.world.trace());
}

#[test]
fn behind_symmetric_translators_both_ends_meet_over_relays() {
    let (mut session, server) = between(Nat::symmetric(), Nat::symmetric(), turn_server());
    session.connect();
    session.assert_relayed();
    assert_no_violations(&session, server);
}

/// The candidates of these kinds that an end has signalled.
fn signalled(session: &Session, of: NodeId, kind: CandidateKind) -> Vec<Candidate> {
    session.candidates(of).into_iter().filter(|candidate| candidate.kind() == kind).collect()
}

fn answered(session: &Session, server: NodeId, method: Method) -> u64 {
    session.world.turn_server(server).answered(method, None)
}

/// One allocation shows both addresses: no Binding request is needed for the second.
///
/// Proves: rfc8445-5.1.1.2-5, rfc8445-5.1.1.2-7
/// Lesson: R-18
#[test]
fn one_authenticated_allocation_yields_a_relayed_and_a_reflexive_candidate() {
    let (mut session, server) = between(Nat::port_restricted(), NetworkId::PUBLIC, turn_server());
    session.end_bases();
    session.world.run_for(secs(1));
    let relayed = signalled(&session, session.alice, CandidateKind::Relayed);
    let reflexive = signalled(&session, session.alice, CandidateKind::ServerReflexive);
    let ([relayed], [reflexive]) = (&relayed[..], &reflexive[..]) else {
        panic!("{relayed:?} {reflexive:?}")
    };
    assert_eq!(relayed.related(), reflexive.ip(), "the related address is the mapped one");
    assert_eq!(answered(&session, server, Method::BINDING), 0);
    assert_eq!(session.world.turn_server(server).answered(Method::ALLOCATE, Some(401)), 2);
    assert_no_violations(&session, server);
}

/// Proves: rfc8445-5.1.1.2-8
#[test]
fn a_server_without_room_is_asked_for_the_mapped_address_instead() {
    let (mut session, server) = between(Nat::port_restricted(), NetworkId::PUBLIC, turn_server().quota(0));
    session.end_bases();
    session.world.run_for(secs(1));
    assert_eq!(signalled(&session, session.alice, CandidateKind::Relayed), []);
    assert_eq!(signalled(&session, session.alice, CandidateKind::ServerReflexive).len(), 1);
    let failed =
        |event: &Event| matches!(event, Event::ServerFailed { error: ServerError::Rejected(486), .. });
    assert!(session.when(session.alice, failed).is_some());
    assert!(answered(&session, server, Method::BINDING) > 0);
}

/// Proves: rfc8445-5.1.2.2-2
#[test]
fn relayed_candidates_rank_in_the_order_of_their_servers_and_below_everything_else() {
    let mut world = World::new(1);
    let servers = [0, 1, 2].map(|_| world.add_turn_server(NetworkId::PUBLIC, turn_server()));
    let addresses = servers.map(|id| world.address(id));
    let alice = addresses.into_iter().fold(controlling(Nat::symmetric()), |end, server| end.relays(server));
    let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC));
    session.connect();
    let relayed = signalled(&session, session.alice, CandidateKind::Relayed);
    let preference = |at: &SocketAddr| {
        let of_server = |it: &&Candidate| it.ip().map(|ip| ip.ip()) == Some(at.ip());
        relayed.iter().find(of_server).unwrap().priority().local_preference()
    };
    let preferences: Vec<u16> = addresses.iter().map(preference).collect();
    assert!(preferences.is_sorted_by(|a, b| a > b), "{preferences:?}");
    let lowest_host = signalled(&session, session.alice, CandidateKind::Host);
    assert!(lowest_host.iter().all(|host| host.priority().local_preference() > preferences[0]));
}

/// A permission comes before every check that goes by a relay, is kept while checks go on, and a channel is bound for the
/// selected pair, once it is selected.
///
/// Proves: rfc8445-7.2.1-1, rfc8445-7.2.1-2, rfc8445-12.1-3, rfc8445-12.1-4
#[test]
fn checks_go_in_indications_under_permissions_and_data_on_a_channel_once_selected() {
    let (mut session, server) = between(Nat::symmetric(), Nat::symmetric(), turn_server());
    session.call();
    let ends = session.ends();
    let selected = |world: &World<Peer>| ends.iter().any(|id| world.node(*id).selected(1).is_some());
    while !selected(&session.world) {
        assert_eq!(answered(&session, server, Method::CHANNEL_BIND), 0, "before one was selected");
        session.world.run_for(ms(1));
    }
    assert!(answered(&session, server, Method::CREATE_PERMISSION) > 0);
    session.world.run_for(secs(2));
    assert!(answered(&session, server, Method::CHANNEL_BIND) > 0);
    let before = session.world.turn_server(server).traffic().by_channel;
    session.assert_data_flows(1);
    assert!(session.world.turn_server(server).traffic().by_channel > before);
    assert_eq!(session.world.turn_server(server).traffic().without_permission, 0);
    assert_no_violations(&session, server);
}

/// What the peer is told about its address is what the server has seen, not the server's own.
///
/// Proves: rfc8445-7.3.1.2-1
#[test]
fn a_check_that_came_by_a_relay_is_answered_with_the_address_of_its_sender() {
    let (mut session, _) = between(Nat::symmetric(), Nat::symmetric(), turn_server());
    session.connect();
    let selected = session.assert_mirrored(1);
    // Both sides agree on who is where, which they could not if one had taken the server for its peer.
    for id in session.ends() {
        let candidates = session.world.node(id).agent();
        let known: Vec<SocketAddr> = candidates
            .remote_candidates(session.world.node(id).stream())
            .filter_map(|(_, it)| it.ip())
            .collect();
        let view = session.selected(id, 1).unwrap();
        assert!(known.contains(&view.remote), "{known:?} {selected:?}");
    }
}

/// Proves: rfc8445-5.1.1.4-2, rfc8445-7.2.1-3
#[test]
fn while_the_peer_takes_half_an_hour_allocations_and_permissions_are_kept() {
    let (world, server) = world(turn_server());
    let address = world.address(server);
    let alice = controlling(Nat::symmetric()).relays(address);
    let bob = controlled(Nat::symmetric()).relays(address);
    let mut session = Session::new(world, alice, bob);
    session.end_bases();
    session.world.run_for(secs(30 * 60));
    assert_eq!(session.world.turn_server(server).allocations().count(), 2);
    assert_eq!(session.world.turn_server(server).expired().allocations, 0);
    session.exchange();
    assert!(session.settle(secs(60)), "{}", session.world.trace());
    session.assert_mirrored(1);
    session.world.run_for(secs(20 * 60));
    session.assert_data_flows(1);
    assert_eq!(session.world.turn_server(server).traffic().without_permission, 0);
    assert_no_violations(&session, server);
}

/// Proves: rfc8445-8.3.1-3
#[test]
fn a_relay_that_nothing_leads_back_to_is_given_back_three_seconds_after_completion() {
    let config = || Config::new().renomination(false);
    let (world, server) = world(turn_server());
    let address = world.address(server);
    let alice = controlling(NetworkId::PUBLIC).relays(address).config(config());
    let bob = controlled(NetworkId::PUBLIC).relays(address).config(config());
    let mut session = Session::new(world, alice, bob);
    session.connect();
    session.world.run_for(ms(2_500));
    assert_eq!(session.world.turn_server(server).allocations().count(), 2);
    session.world.run_for(secs(1));
    assert_eq!(session.world.turn_server(server).allocations().count(), 0);
    session.assert_data_flows(1);
    assert_no_violations(&session, server);
}

/// The server takes so long that the relay is there five seconds after the direct path was selected: it is kept and signalled all
/// the same, and both ends move to it when the direct path dies.
///
/// Proves: renom-v1-1
/// Lesson: L-33
#[test]
fn a_relay_outlives_the_direct_path_and_takes_over_when_that_dies() {
    let (world, server) = world(turn_server().slow(ms(2_500)));
    let address = world.address(server);
    let alice =
        controlling(NetworkId::PUBLIC).relays(address).config(Config::new().continual_gathering(true));
    let bob = controlled(NetworkId::PUBLIC).relays(address).config(Config::new().continual_gathering(true));
    let mut session = Session::new(world, alice, bob);
    let connected = session.connect();
    assert_eq!(session.assert_mirrored(1).kinds, [CandidateKind::Host; 2]);
    session.world.run_for(secs(60));
    for id in session.ends() {
        let relayed = |event: &Event| matches!(event, Event::LocalCandidate { candidate, .. } if candidate.kind() == CandidateKind::Relayed);
        let late = session.when(id, relayed).unwrap().saturating_since(connected);
        assert!((ms(4_500)..secs(8)).contains(&late), "{late:?}");
    }
    session.cut_direct_path();
    session.world.run_for(secs(25));
    session.assert_relayed();
    assert_no_violations(&session, server);
}

/// Both can reach relays alone: no datagram passes between the two hosts, nor from a host to the other's relay.
///
/// Proves: rfc8445-6.1.2.4-2
/// Lesson: L-55
#[test]
fn relay_to_relay_is_selected_where_nothing_else_works() {
    let mut world = World::new(1);
    let servers = [0, 1].map(|_| world.add_turn_server(NetworkId::PUBLIC, turn_server()));
    let [near, far] = servers.map(|id| world.address(id));
    let alice = controlling(NetworkId::PUBLIC).relays(near);
    let bob = controlled(NetworkId::PUBLIC).relays(far);
    let mut session = Session::new(world, alice, bob);
    for (one, other) in [(session.alice, session.bob), (session.alice, servers[1]), (session.bob, servers[0])]
    {
        session.world.block(one, other);
        session.world.block(other, one);
    }
    session.call();
    session.world.run_for(ms(300));
    // Only what leaves from the same base for the same address is redundant.
    let alice = session.world.node(session.alice);
    let formed: Vec<[CandidateKind; 2]> =
        alice.agent().pairs(alice.stream()).map(|pair| [pair.local().kind(), pair.remote().kind()]).collect();
    for local in [CandidateKind::Host, CandidateKind::Relayed] {
        for remote in [CandidateKind::Host, CandidateKind::Relayed] {
            assert_eq!(formed.iter().filter(|kinds| **kinds == [local, remote]).count(), 1, "{formed:?}");
        }
    }
    session.settle(secs(60));
    assert_eq!(session.assert_mirrored(1).kinds, [CandidateKind::Relayed; 2]);
    session.assert_data_flows(1);
    for server in servers {
        assert_no_violations(&session, server);
    }
}

/// Proves: rfc8656-9-2
/// Lesson: L-54
#[test]
fn one_relay_is_enough_between_two_symmetric_translators() {
    let (world, server) = world(turn_server());
    let address = world.address(server);
    for relayed_side in [0, 1] {
        let (mut alice, mut bob) = (controlling(Nat::symmetric()), controlled(Nat::symmetric()));
        match relayed_side {
            0 => (alice, bob) = (alice.relays(address), bob.asks(address)),
            _ => (alice, bob) = (alice.asks(address), bob.relays(address)),
        }
        let mut world = World::new(1);
        let server = world.add_turn_server(NetworkId::PUBLIC, turn_server());
        assert_eq!(world.address(server), address);
        let mut session = Session::new(world, alice, bob);
        session.connect();
        let kinds = session.assert_mirrored(1).kinds;
        // The end without a relay has another port towards the relay than was signalled for it.
        let reached = session.selected(session.ends()[relayed_side], 1).unwrap().remote;
        let [shown] =
            &signalled(&session, session.ends()[1 - relayed_side], CandidateKind::ServerReflexive)[..]
        else {
            panic!("one reflexive candidate")
        };
        let shown = shown.ip().unwrap();
        assert!(shown.ip() == reached.ip() && shown.port() != reached.port(), "{shown} {reached}");
        assert!(
            kinds.contains(&CandidateKind::Relayed) && kinds.contains(&CandidateKind::PeerReflexive),
            "{kinds:?}"
        );
        session.assert_data_flows(1);
        assert_no_violations(&session, server);
    }
}

/// Proves: rfc8445-19.1-1
/// Lesson: R-47
#[test]
fn with_relays_only_nothing_else_is_signalled_used_or_answered() {
    let (world, server) = world(turn_server());
    let address = world.address(server);
    let alice = controlling(NetworkId::PUBLIC).relays(address).config(Config::new().relay_only(true));
    let bob = controlled(NetworkId::PUBLIC);
    let mut session = Session::new(world, alice, bob);
    session.connect();
    let kinds: Vec<CandidateKind> = session.candidates(session.alice).iter().map(Candidate::kind).collect();
    assert_eq!(kinds, [CandidateKind::Relayed]);
    let related = session.candidates(session.alice)[0].related();
    assert!(
        related.is_none_or(|related| related.ip().is_unspecified()),
        "{related:?} gives our address away"
    );
    assert_eq!(session.assert_mirrored(1).kinds, [CandidateKind::Relayed, CandidateKind::Host]);
    let (theirs, ours) = (session.world.address(session.bob), session.world.address(session.alice));
    let direct = session.sent(session.alice).into_iter().filter(|sent| sent.path.remote() == theirs);
    assert_eq!(direct.count(), 0, "{ours} has spoken to {theirs}");
    session.assert_data_flows(1);
}

/// Two ends with relays, whose server restarts so long after they have met and knows nothing of them any more.
fn forgotten(config: impl Fn() -> Config, after: Duration) -> (Session, NodeId) {
    let (world, server) = world(turn_server());
    let address = world.address(server);
    let alice = controlling(Nat::symmetric()).relays(address).config(config());
    let bob = controlled(Nat::symmetric()).relays(address).config(config());
    let mut session = Session::new(world, alice, bob);
    session.connect();
    session.world.run_for(after);
    session.world.with_turn_server(server, |server, _| server.restart());
    (session, server)
}

#[test]
fn a_server_that_restarts_in_the_middle_costs_a_relay_and_not_the_session() {
    let (mut session, server) = forgotten(|| Config::new().continual_gathering(true), secs(30));
    session.world.run_for(secs(15 * 60));
    let lost = |event: &Event| matches!(event, Event::ServerFailed { .. });
    assert!(session.ends().iter().any(|id| session.when(*id, lost).is_some()));
    session.assert_mirrored(1);
    session.assert_data_flows(1);
    assert_no_violations(&session, server);
}

/// Nothing tells the two ends that their server has forgotten them, but that nothing comes any more.
///
/// Lesson: L-49
#[test]
fn a_server_that_has_forgotten_us_is_found_out_as_soon_as_the_peer_falls_silent() {
    let config = || Config::new().continual_gathering(true).relay_only(true);
    let (mut session, server) = forgotten(config, secs(30));
    let restarted_at = session.world.now();
    session.world.run_for(secs(12));
    for id in session.ends() {
        let lost_at = session.when(id, |event| matches!(event, Event::ServerFailed { .. }));
        // The next consent check, 2.5 s for its answer, and the question to the server.
        assert!(lost_at.is_some_and(|at| at < restarted_at + secs(9)), "{lost_at:?}");
    }
    session.assert_mirrored(1);
    session.assert_data_flows(1);
    assert_no_violations(&session, server);
}

/// Lesson: L-49
#[test]
fn a_restart_asks_the_server_whether_the_allocations_are_still_there() {
    let (mut session, server) = forgotten(|| Config::new().relay_only(true), secs(1));
    let alice = session.alice;
    session.world.with(alice, |peer, now| peer.restart(now));
    session.world.run_for(secs(5));
    assert_eq!(session.states(), [StreamState::Completed; 2]);
    session.assert_mirrored(1);
    session.assert_data_flows(1);
    assert_no_violations(&session, server);
}

/// World 69431: a check that waited for its permission left with it, under credentials that a restart had ended.
///
/// Proves: rfc8445-9-2
#[test]
fn a_check_that_waits_for_a_permission_does_not_outlive_its_generation() {
    let lost = Fault::new(Deviation::Lose).on(Method::CREATE_PERMISSION).times(1);
    let (world, server) = world(turn_server().faulty(lost));
    let address = world.address(server);
    let alice = controlling(NetworkId::PUBLIC).relays(address).config(Config::new().relay_only(true));
    let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC));
    let alice = session.alice;
    session.call();
    session.world.run_for(ms(400));
    let peer = session.world.node(alice);
    let is_checked = |pair: floe::Pair<'_>| matches!(pair.state(), PairState::InProgress(_));
    assert!(peer.agent().pairs(peer.stream()).any(is_checked));
    let old = peer.agent().local_credentials(peer.stream()).unwrap().clone();
    session.world.with(alice, |peer, now| peer.restart(now));
    session.connect();
    let names = |payload: &[u8]| payload.windows(old.ufrag().len()).any(|it| it == old.ufrag().as_bytes());
    let is_old = |event: &sim::Event| match event {
        sim::Event::Sent { node, payload, .. } => *node == alice && names(payload),
        _ => false,
    };
    assert!(!session.world.trace().entries().any(|entry| is_old(&entry.event)), "{}", session.world.trace());
}

/// World 246297: the best pair so far was silent for a moment, and before another one could be nominated the relays were given
/// back with their pairs.
///
/// Proves: rfc8445-8.3.1-1
#[test]
fn relays_are_kept_while_the_best_pair_is_in_doubt_and_none_is_selected() {
    let (world, server) = world(turn_server());
    let address = world.address(server);
    let alice = controlling(NetworkId::PUBLIC).relays(address).config(settled(secs(30)).renomination(false));
    let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC));
    let alice = session.alice;
    session.call();
    let dead = floe::sdp::parse_candidate("candidate:9 1 udp 2147483000 203.0.113.77 2000 typ host").unwrap();
    session.trickle(alice, dead);
    session.world.run_for(secs(1));
    assert_eq!(session.world.node(alice).state(), StreamState::Connected);
    session.cut_direct_path();
    let doubted =
        |session: &Session| matches!(session.world.node(session.alice).state(), StreamState::Unconfirmed(_));
    while !doubted(&session) {
        session.world.run_for(ms(100));
    }
    session.world.run_for(secs(5));
    assert!(doubted(&session), "{:?}", session.states());
    assert_eq!(session.world.turn_server(server).allocations().count(), 1);
}

#[test]
fn closing_gives_every_allocation_back() {
    let (mut session, server) = between(Nat::symmetric(), Nat::symmetric(), turn_server());
    session.connect();
    assert_eq!(session.world.turn_server(server).allocations().count(), 2);
    for id in session.ends() {
        session.world.with(id, |peer, now| peer.agent_mut().close(now));
    }
    session.world.run_for(secs(1));
    assert_eq!(session.world.turn_server(server).allocations().count(), 0);
    assert_no_violations(&session, server);
}

#[test]
fn a_restart_uses_the_allocations_that_there_are() {
    let (mut session, server) = between(Nat::symmetric(), Nat::symmetric(), turn_server());
    session.connect();
    let before = session.world.turn_server(server).answered(Method::ALLOCATE, None);
    let alice = session.alice;
    session.world.with(alice, |peer, now| peer.restart(now));
    session.world.run_for(secs(10));
    assert_eq!(session.states(), [StreamState::Completed; 2]);
    session.assert_mirrored(1);
    session.assert_data_flows(1);
    assert_eq!(session.world.turn_server(server).answered(Method::ALLOCATE, None), before);
    assert_no_violations(&session, server);
}

#[test]
fn a_dead_server_ends_gathering_in_bounded_time_and_harms_nothing() {
    let (world, server) = world(turn_server());
    let address = world.address(server);
    let alice = controlling(NetworkId::PUBLIC).relays(address);
    let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC));
    session.world.with_turn_server(server, |server, _| server.vanish());
    session.connect();
    session.world.run_for(secs(15));
    let failed = |event: &Event| matches!(event, Event::ServerFailed { error: ServerError::Timeout, .. });
    let complete = |event: &Event| matches!(event, Event::GatheringComplete { .. });
    let at = session.when(session.alice, failed).unwrap();
    assert!(at <= Timestamp::from_millis(10_100), "{at:?}");
    assert_eq!(session.when(session.alice, complete), Some(at));
    session.assert_data_flows(1);
}

/// The route is a copy in the hands of whoever sends: that the server has withdrawn its permission is told at once, and not when
/// consent has run out half a minute later.
#[test]
fn a_permission_that_is_not_renewed_takes_the_route_with_it() {
    let (world, server) = world(turn_server());
    let address = world.address(server);
    let alice = controlling(NetworkId::PUBLIC).relays(address).config(Config::new().relay_only(true));
    let mut session = Session::new(world, alice, controlled(NetworkId::PUBLIC));
    session.connect();
    session.world.with_turn_server(server, |server, _| {
        server.fault(Fault::new(Deviation::Refuse(403)).on(Method::CREATE_PERMISSION));
        server.fault(Fault::new(Deviation::Refuse(403)).on(Method::CHANNEL_BIND));
    });
    let alice = session.alice;
    let has_route = |session: &Session| {
        let peer = session.world.node(alice);
        peer.agent().route(peer.stream().component(1)).is_some()
    };
    while has_route(&session) {
        assert!(session.world.now() < Timestamp::ZERO + secs(300), "renewed");
        session.world.run_for(ms(10));
    }
    let events = session.world.node(alice).events();
    let told = events.iter().rev().find(|(_, event)| matches!(event, Event::Route { .. })).map(|(at, _)| *at);
    assert!(told.is_some_and(|at| at + ms(10) >= session.world.now()), "{told:?}");
}

/// The peer's first check is lost at our filter, which our own has yet to open; its repetition half a second later gets
/// through. Data goes by the relay until then.
#[test]
fn a_direct_path_that_needs_a_check_to_be_repeated_is_preferred_to_a_relay() {
    let (mut session, server) = between(Nat::restricted(), Nat::symmetric(), turn_server());
    session.call();
    let connected = |world: &World<Peer>, id| {
        world.node(id).agent().route(world.node(id).stream().component(1)).is_some()
    };
    let ends = session.ends();
    session.world.run_until(secs(5), |world| ends.iter().all(|id| connected(world, *id))).unwrap();
    assert!(session.world.now() < Timestamp::from_millis(500), "{:?}", session.world.now());
    session.settle(secs(10));
    let selected = session.assert_mirrored(1);
    assert!(!selected.kinds.contains(&CandidateKind::Relayed), "{selected:?}");
    session.assert_data_flows(1);
    assert_no_violations(&session, server);
}
