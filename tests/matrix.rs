//! The matrix: seven kinds of network against each other, with a STUN server and a TURN server for both ends, under a policy
//! that waits until every check is over.
//!
//! What is to be selected stands here as a table, and the oracle says the same of every cell from the rules alone.

#[path = "harness/session.rs"]
mod session;

use std::fmt::Write;

use floe::ice::{CandidateKind, Role};
use floe::sim::oracle::{Bound, FAILURE_BY, FAILURE_NOT_BEFORE, Forecast};
use floe::sim::{Host, Nat, NetworkId, Peer, StunServer, TurnServer, Verdict, World};
use floe::{Event, StreamState, Timestamp};
use session::{End, PASSWORD, Session, USER, address, ms, secs, settled};

/// What an end is behind: translators, outermost first.
type Edge = Vec<Nat>;

/// Open, full cone, restricted by address, by port, symmetric; a cone behind a cone, a cone behind a symmetric one.
fn edges() -> [(&'static str, Edge); 7] {
    [
        ("OPEN", vec![]),
        ("CONE", vec![Nat::full_cone()]),
        ("ADDR", vec![Nat::restricted()]),
        ("PORT", vec![Nat::port_restricted()]),
        ("SYMM", vec![Nat::symmetric()]),
        ("2CON", vec![Nat::full_cone(), Nat::full_cone()]),
        ("SCON", vec![Nat::symmetric(), Nat::full_cone()]),
    ]
}

/// Two ends behind these edges, in these roles.
fn between(edges: [&Edge; 2], roles: [Role; 2]) -> Session {
    inside(&Vec::new(), edges, roles)
}

/// The same on a network behind the edge of a carrier.
fn inside(carrier: &Edge, edges: [&Edge; 2], roles: [Role; 2]) -> Session {
    let mut world = World::new(1);
    let stun = world.add_server(NetworkId::PUBLIC, StunServer::new());
    let turn = world.add_turn_server(NetworkId::PUBLIC, TurnServer::new("example.org").user(USER, PASSWORD));
    let (stun, turn) = (world.address(stun), world.address(turn));
    let carrier = behind(&mut world, NetworkId::PUBLIC, carrier);
    let mut end = |edge: &Edge, role| {
        let network = behind(&mut world, carrier, edge);
        End::new(network, role).config(settled(CONVERGENCE)).asks(stun).relays(turn)
    };
    let (alice, bob) = (end(edges[0], roles[0]), end(edges[1], roles[1]));
    let mut session = Session::new(world, alice, bob);
    // The direct way is the longer one, so that relays work first and whoever does not wait nominates them.
    let ends = session.ends();
    session.world.filter(move |datagram| {
        let direct = ends.contains(&datagram.from) && ![stun, turn].contains(&datagram.path.remote());
        if direct { Verdict::Delay(DETOUR) } else { Verdict::Deliver }
    });
    session
}

fn behind(world: &mut World<Peer>, outside: NetworkId, edge: &Edge) -> NetworkId {
    edge.iter().fold(outside, |outside, nat| world.add_network(outside, nat.clone()))
}

/// Calls, waits for the end of it, and returns what was selected: the types of Alice's candidate and Bob's. Both ends say the
/// same, it is the oracle's best pair, a pair was found in time, and data passes.
fn outcome(session: &mut Session) -> [CandidateKind; 2] {
    let forecast = session.forecast();
    session.call();
    assert!(session.settle(secs(60)), "{}", session.world.trace());
    assert_eq!(session.states(), [StreamState::Completed; 2], "{}", session.world.trace());
    let selected = session.assert_mirrored(1);
    assert_eq!(session.selected(session.bob, 1).map(|theirs| theirs.mirrored().kinds), Some(selected.kinds));
    assert!(session.is_best(&forecast), "{selected:?} is not the best of {:#?}", forecast.pairs());
    assert_found_in_time(session, &forecast);
    assert_ten_packets_pass_each_way(session);
    selected.kinds
}

/// INV-12: whatever the nomination waits for, a pair works soon after both ends know the last candidate.
fn assert_found_in_time(session: &Session, forecast: &Forecast) {
    let bound = forecast.bound().unwrap();
    let bound = Bound { patience: ms(0), rtt: bound.rtt + 2 * DETOUR, ..bound };
    // Two open ends are done before they have heard from their relays.
    let gathered = |id| session.when(id, |event| matches!(event, Event::GatheringComplete { .. }));
    let last_candidate =
        session.ends().into_iter().filter_map(gathered).max().unwrap_or_default() + SIGNALLING;
    for id in session.ends() {
        let routes = |event: &Event| matches!(event, Event::Route { .. });
        let taken = session.when(id, routes).unwrap().saturating_since(last_candidate);
        assert!(taken <= bound.duration(), "{id} took {taken:?}, more than {:?}", bound.duration());
    }
}

fn assert_ten_packets_pass_each_way(session: &mut Session) {
    for id in session.ends() {
        let partner = session.partner(id);
        for n in 0..10_u8 {
            assert!(session.world.with(id, |peer, _| peer.send(1, &[n])), "{id} has no route");
        }
        session.world.run_for(ms(500));
        let received = session.world.node(partner).received().iter().map(|delivery| delivery.payload[0]);
        assert_eq!(received.collect::<Vec<_>>(), Vec::from_iter(0..10), "{partner}");
    }
}

fn cell([local, remote]: [CandidateKind; 2]) -> String {
    let letter = |kind| match kind {
        CandidateKind::Host => 'L',
        CandidateKind::ServerReflexive => 'S',
        CandidateKind::PeerReflexive => 'P',
        CandidateKind::Relayed => 'R',
        _ => '?',
    };
    format!(" {}/{} ", letter(local), letter(remote))
}

/// A table with a row for each of Alice's edges and a column for each of Bob's.
fn table(mut cell_of: impl FnMut([&Edge; 2]) -> String) -> String {
    let edges = edges();
    let mut table = String::from("    ");
    for (name, _) in &edges {
        write!(table, " {name}").unwrap();
    }
    for (name, alice) in &edges {
        write!(table, "\n{name}").unwrap();
        for (_, bob) in &edges {
            write!(table, "{}", cell_of([alice, bob])).unwrap();
        }
    }
    table
}

/// Alice's candidate before Bob's: L host, S server-reflexive, P peer-reflexive, R relayed. Alice controls.
const CONTROLLING: &str = "     \
OPEN CONE ADDR PORT SYMM 2CON SCON
OPEN L/L  L/S  L/S  L/S  L/P  L/S  L/P 
CONE S/L  S/S  S/S  S/S  S/P  S/S  S/P 
ADDR S/L  S/S  S/S  S/S  S/P  S/S  S/P 
PORT S/L  S/S  S/S  S/S  R/P  S/S  R/P 
SYMM P/L  P/S  P/S  P/R  P/R  P/S  P/R 
2CON S/L  S/S  S/S  S/S  S/P  S/S  S/P 
SCON P/L  P/S  P/S  P/R  P/R  P/S  P/R ";

/// The same where Bob controls: of two ways over one relay his peer-reflexive candidate decides.
const CONTROLLED: &str = "     \
OPEN CONE ADDR PORT SYMM 2CON SCON
OPEN L/L  L/S  L/S  L/S  L/P  L/S  L/P 
CONE S/L  S/S  S/S  S/S  S/P  S/S  S/P 
ADDR S/L  S/S  S/S  S/S  S/P  S/S  S/P 
PORT S/L  S/S  S/S  S/S  R/P  S/S  R/P 
SYMM P/L  P/S  P/S  P/R  R/P  P/S  R/P 
2CON S/L  S/S  S/S  S/S  S/P  S/S  S/P 
SCON P/L  P/S  P/S  P/R  R/P  P/S  R/P ";

fn assert_matrix(roles: [Role; 2], wanted: &str) {
    let selected = table(|edges| cell(outcome(&mut between(edges, roles))));
    println!("{selected}");
    assert_eq!(selected, wanted, "\n{selected}");
    let foretold = table(|edges| between(edges, roles).expected().map_or_else(|| "  -  ".into(), cell));
    assert_eq!(foretold, wanted, "the oracle\n{foretold}");
}

/// M-00 to M-48.
///
/// Proves: rfc8445-6.1.2.3-1, rfc8445-7.3.1.3-1, rfc8445-7.2.5.3.1-1
#[test]
fn behind_every_kind_of_network_both_ends_select_what_the_oracle_prefers_as_controlling() {
    assert_matrix([Role::Controlling, Role::Controlled], CONTROLLING);
}

#[test]
fn behind_every_kind_of_network_both_ends_select_what_the_oracle_prefers_as_controlled() {
    assert_matrix([Role::Controlled, Role::Controlling], CONTROLLED);
}

/// M-49. With a carrier that shows the outer source, as RFC 4787 asks, each end is where the STUN server has seen it; with one
/// that shows the inner source the ends meet on the carrier's network, since an answer from elsewhere than its request went
/// to does not count (RFC 8445 section 7.2.5.2.1).
#[test]
fn two_cones_behind_one_cone_meet_by_hairpinning_or_over_a_relay() {
    let meet = |carrier: Nat, roles| {
        let home = vec![Nat::full_cone()];
        cell(outcome(&mut inside(&vec![carrier], [&home, &home], roles)))
    };
    let roles = [[Role::Controlling, Role::Controlled], [Role::Controlled, Role::Controlling]];
    let outer = Nat::full_cone().hairpinning(true);
    let inner = Nat::full_cone().hairpinning_with_inner_source();
    let cells =
        [outer, inner, Nat::full_cone()].map(|carrier| roles.map(|roles| meet(carrier.clone(), roles)));
    assert_eq!(cells, [[" S/S ", " S/S "], [" P/P ", " P/P "], [" S/R ", " R/S "]]);
}

/// M-56. Nothing but connections to port 443 gets out, and to nobody else: a relay that is reached over TLS there is the way.
#[test]
fn where_only_port_443_is_open_a_relay_over_tls_is_selected() {
    for roles in [[Role::Controlling, Role::Controlled], [Role::Controlled, Role::Controlling]] {
        let mut world = World::new(1);
        let host = Host::new().address(NetworkId::PUBLIC, address("203.0.113.1:443"));
        let turn = world.add_turn_server(host, TurnServer::new("example.org").user(USER, PASSWORD));
        let turn = world.address(turn);
        let office = world.add_network(NetworkId::PUBLIC, Nat::symmetric().without_udp().tcp_ports(&[443]));
        let alice = End::new(office, roles[0]).config(settled(CONVERGENCE)).relays_over_tls(turn);
        let bob = End::new(Nat::port_restricted(), roles[1]).config(settled(CONVERGENCE)).asks(turn);
        let mut session = Session::new(world, alice, bob);
        assert_eq!(cell(session.expected().unwrap()), " R/S ");
        assert_eq!(cell(outcome(&mut session)), " R/S ");
    }
}

/// His checks come from an address that nobody has told her of, so she cannot ask her server to let them in.
///
/// Proves: rfc8863-4-4
#[test]
fn a_relay_keeps_out_whom_its_client_does_not_know() {
    let mut world = World::new(1);
    let turn = world.add_turn_server(NetworkId::PUBLIC, TurnServer::new("example.org").user(USER, PASSWORD));
    let turn = world.address(turn);
    let alice = End::new(Nat::symmetric(), Role::Controlling).relays(turn).relays_only();
    let mut session = Session::new(world, alice, End::new(Nat::full_cone(), Role::Controlled));
    assert_eq!(session.expected(), None);
    session.call();
    assert!(session.settle(FAILURE_BY), "{}", session.world.trace());
    assert!(session.states().iter().all(|state| matches!(state, StreamState::Failed(_))));
    assert!(session.world.now().saturating_since(Timestamp::ZERO) >= FAILURE_NOT_BEFORE);
}

/// What the direct way is longer by, one way.
const DETOUR: core::time::Duration = ms(300);

/// On links that lose nothing, whatever works has shown it by then.
const CONVERGENCE: core::time::Duration = secs(3);

/// Time that signalling takes.
const SIGNALLING: core::time::Duration = ms(50);
