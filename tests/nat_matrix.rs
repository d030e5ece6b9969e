//! Every kind of translator against every other: who connects, and over which candidates.
//!
//! There are no relays: where only one would help, both ends fail once patience is over.

#[path = "harness/edges.rs"]
mod edges;
#[path = "harness/session.rs"]
mod session;

use core::fmt::Write;

use edges::{DEPENDENCES, Edge, nat};
use floe::ice::CandidateKind;
use floe::sim::oracle::{FAILURE_BY, FAILURE_NOT_BEFORE};
use floe::sim::{Dependence, Host, Nat, NetworkId, Peer, StunServer, World};
use floe::{Event, Reason, StreamState, Timestamp};
use session::{Selected, Session, address, controlled, controlling, secs};

/// Two ends behind these edges, which both ask one server on the public network.
fn between(alice: impl Into<Host>, bob: impl Into<Host>, mut world: World<Peer>) -> Session {
    let server = world.add_server(NetworkId::PUBLIC, StunServer::new());
    let server = world.address(server);
    Session::new(world, controlling(alice).asks(server), controlled(bob).asks(server))
}

/// Runs a session to its end, and says what was selected: the kinds of Alice's pair, local and remote.
fn outcome(session: &mut Session) -> Option<[CandidateKind; 2]> {
    let expected = session.expected();
    let outcome = run_to_the_end(session);
    assert_eq!(outcome, expected, "the oracle says otherwise\n{}", session.world.trace());
    outcome
}

fn run_to_the_end(session: &mut Session) -> Option<[CandidateKind; 2]> {
    session.call();
    assert!(session.settle(secs(90)), "{}", session.world.trace());
    if session.states().contains(&StreamState::Completed) {
        assert_eq!(session.states(), [StreamState::Completed; 2], "{}", session.world.trace());
        let selected = session.assert_mirrored(1);
        session.assert_opposite_roles();
        session.assert_data_flows(1);
        // The kinds agree as well: what one has signalled the other knows by that name.
        let theirs = session.selected(session.bob, 1).map(Selected::mirrored);
        assert_eq!(theirs.map(|theirs| theirs.kinds), Some(selected.kinds));
        Some(selected.kinds)
    } else {
        assert_eq!(session.states(), [StreamState::Failed(Reason::Timeout); 2]);
        let taken = session.world.now().saturating_since(Timestamp::ZERO);
        assert!((FAILURE_NOT_BEFORE..=FAILURE_BY).contains(&taken), "{taken:?}");
        for id in session.ends() {
            assert!(
                !session
                    .world
                    .node(id)
                    .events()
                    .iter()
                    .any(|(_, event)| matches!(event, Event::Selected { .. }))
            );
        }
        None
    }
}

fn letter(kind: CandidateKind) -> char {
    match kind {
        CandidateKind::Host => 'L',
        CandidateKind::ServerReflexive => 'S',
        CandidateKind::PeerReflexive => 'P',
        CandidateKind::Relayed => 'R',
        _ => '?',
    }
}

fn cell(kinds: Option<[CandidateKind; 2]>) -> String {
    kinds.map_or_else(|| "  -  ".into(), |[local, remote]| format!(" {}/{} ", letter(local), letter(remote)))
}

/// A table with a row for each of Alice's edges and a column for each of Bob's.
fn table(
    edges: &[(&str, Edge)],
    mut cell_of: impl FnMut(Edge, Edge) -> Option<[CandidateKind; 2]>,
) -> String {
    let mut table = String::from("     ");
    for (name, _) in edges {
        write!(table, " {name:<4}").unwrap();
    }
    for (name, alice) in edges {
        write!(table, "\n{name:<5}").unwrap();
        for (_, bob) in edges {
            write!(table, "{}", cell(cell_of(*alice, *bob))).unwrap();
        }
    }
    table
}

fn run(alice: Edge, bob: Edge) -> Option<[CandidateKind; 2]> {
    run_to_the_end(&mut between(nat(alice), nat(bob), World::new(1)))
}

fn expected(alice: Edge, bob: Edge) -> Option<[CandidateKind; 2]> {
    between(nat(alice), nat(bob), World::new(1)).expected()
}

/// The names of RFC 3489: open, full cone, restricted, port restricted, symmetric.
fn classic() -> [(&'static str, Edge); 5] {
    use Dependence::{
        AddressAndPortDependent as Port, AddressDependent as Address, EndpointIndependent as Any,
    };
    [
        ("OPEN", None),
        ("CONE", Some((Any, Any))),
        ("ADDR", Some((Any, Address))),
        ("PORT", Some((Any, Port))),
        ("SYMM", Some((Port, Port))),
    ]
}

/// Rows are the controlling end's, columns the controlled one's; L host, S server-reflexive, P peer-reflexive, local
/// before remote, - where only a relay would help.
///
/// Proves: rfc8445-7.3.1.3-1, rfc8445-7.2.5.3.1-1
/// Scenario: S-28
#[test]
fn translators_that_can_be_crossed_are_crossed_over_the_best_candidates() {
    let table = table(&classic(), run);
    println!("{table}");
    let wanted = "
      OPEN CONE ADDR PORT SYMM
OPEN  L/L  L/S  L/S  L/S  L/P 
CONE  S/L  S/S  S/S  S/S  S/P 
ADDR  S/L  S/S  S/S  S/S  S/P 
PORT  S/L  S/S  S/S  S/S   -  
SYMM  P/L  P/S  P/S   -    -  ";
    assert_eq!(table, wanted.trim_start_matches('\n'));
}

/// Mapping by filtering, all nine of RFC 4787, and no translator: a hundred sessions held against the oracle.
#[test]
fn every_mapping_and_filter_crosses_every_other_as_the_oracle_says() {
    let names: Vec<String> = DEPENDENCES
        .iter()
        .flat_map(|(_, m)| DEPENDENCES.iter().map(move |(_, f)| format!("{m}{f}")))
        .collect();
    let nats = DEPENDENCES
        .iter()
        .flat_map(|(mapping, _)| DEPENDENCES.iter().map(move |(filter, _)| Some((*mapping, *filter))));
    let edges: Vec<(&str, Edge)> =
        [("open", None)].into_iter().chain(names.iter().map(String::as_str).zip(nats)).collect();
    let (found, wanted) = (table(&edges, run), table(&edges, expected));
    assert_eq!(found, wanted, "\n{found}\n\nbut\n{wanted}");
}

/// Proves: rfc8863-4-4
#[test]
fn where_only_a_relay_would_help_both_fail_once_patience_is_over_and_not_before() {
    let mut session = between(Nat::symmetric(), Nat::port_restricted(), World::new(1));
    session.call();
    session.world.run_for(secs(39));
    assert_eq!(session.states(), [StreamState::Checking; 2]);
    // The peer's credentials came after 50 ms; the last pair was made, and given its time, a little later.
    session.world.run_for(secs(2));
    assert_eq!(session.states(), [StreamState::Failed(Reason::Timeout); 2]);
    let sent = session.ends().map(|id| session.world.counters(id).sent);
    session.world.run_for(secs(600));
    assert_eq!(session.ends().map(|id| session.world.counters(id).sent), sent, "not a word after that");
}

const HOST_HOST: Option<[CandidateKind; 2]> = Some([CandidateKind::Host; 2]);
const REFLEXIVE: Option<[CandidateKind; 2]> = Some([CandidateKind::ServerReflexive; 2]);

#[test]
fn neighbours_on_one_network_meet_there_and_not_at_their_translator() {
    for nat in [Nat::symmetric(), Nat::full_cone().hairpinning(true)] {
        let mut world = World::new(1);
        let lan = world.add_network(NetworkId::PUBLIC, nat);
        assert_eq!(outcome(&mut between(lan, lan, world)), HOST_HOST);
    }
}

/// Two homes behind the translator of one carrier.
fn behind_one_carrier(carrier: Nat, homes: [Nat; 2]) -> Session {
    let mut world = World::new(1);
    let carrier = world.add_network(NetworkId::PUBLIC, carrier);
    let [alice, bob] = homes.map(|home| world.add_network(carrier, home));
    between(alice, bob, world)
}

#[test]
fn two_homes_behind_one_carrier_meet_by_hairpinning_or_not_at_all() {
    let homes = || [Nat::full_cone(), Nat::full_cone()];
    assert_eq!(outcome(&mut behind_one_carrier(Nat::full_cone(), homes())), None);
    let hairpin = Nat::full_cone().hairpinning(true);
    assert_eq!(outcome(&mut behind_one_carrier(hairpin, homes())), REFLEXIVE);
    let hairpin = Nat::port_restricted().hairpinning(true);
    assert_eq!(
        outcome(&mut behind_one_carrier(hairpin, [Nat::port_restricted(), Nat::full_cone()])),
        REFLEXIVE
    );
    let hairpin = Nat::symmetric().hairpinning(true);
    assert_eq!(outcome(&mut behind_one_carrier(hairpin, homes())), None);
    // It shows the homes each other's addresses on its own network, and there they meet.
    let hairpin = Nat::full_cone().hairpinning_with_inner_source();
    let peer_reflexive = Some([CandidateKind::PeerReflexive; 2]);
    assert_eq!(outcome(&mut behind_one_carrier(hairpin, homes())), peer_reflexive);
}

/// A home and its carrier, each with a translator.
fn behind_two(carrier: Nat, home: Nat, other: Nat) -> Option<[CandidateKind; 2]> {
    let mut world = World::new(1);
    let carrier = world.add_network(NetworkId::PUBLIC, carrier);
    let home = world.add_network(carrier, home);
    outcome(&mut between(home, other, world))
}

#[test]
fn of_two_translators_in_a_row_the_stricter_decides() {
    let peer_reflexive = Some([CandidateKind::PeerReflexive, CandidateKind::ServerReflexive]);
    assert_eq!(behind_two(Nat::full_cone(), Nat::full_cone(), Nat::port_restricted()), REFLEXIVE);
    assert_eq!(behind_two(Nat::port_restricted(), Nat::full_cone(), Nat::port_restricted()), REFLEXIVE);
    assert_eq!(behind_two(Nat::symmetric(), Nat::full_cone(), Nat::restricted()), peer_reflexive);
    assert_eq!(behind_two(Nat::full_cone(), Nat::symmetric(), Nat::restricted()), peer_reflexive);
    assert_eq!(behind_two(Nat::symmetric(), Nat::full_cone(), Nat::port_restricted()), None);
    assert_eq!(behind_two(Nat::full_cone(), Nat::symmetric(), Nat::port_restricted()), None);
}

/// Both homes use 192.168.0.0/24, and even the same host.
#[test]
fn homes_with_the_same_private_addresses_do_not_mistake_their_own_hosts_for_the_other() {
    let mut world = World::new(1);
    let homes = [(); 2].map(|()| world.add_network(NetworkId::PUBLIC, Nat::port_restricted()));
    let [alice, bob] = homes.map(|home| Host::new().address(home, address("192.168.0.2:4000")));
    assert_eq!(outcome(&mut between(alice, bob, world)), REFLEXIVE);
}
