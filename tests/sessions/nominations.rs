//! What is nominated, and how often.

use floe::ice::{CandidateKind, CheckListState, PairId, Role};
use floe::sim::{Link, NodeId, World};
use floe::{Config, Error, StreamState};

use super::session::{Session, address, controlled, controlling, ms, secs};
use super::{host, manual};

const ALICE: [&str; 3] = ["192.0.2.1:4000", "192.0.2.2:4000", "192.0.2.3:4000"];
const BOB: [&str; 4] = ["198.51.100.1:4000", "198.51.100.2:4000", "198.51.100.3:4000", "198.51.100.4:4000"];

/// The check list of an end: local and remote address, and priority, in order; mirrored for Bob.
fn list(session: &Session, id: NodeId) -> Vec<(core::net::SocketAddr, core::net::SocketAddr, u64)> {
    let peer = session.world.node(id);
    let pairs = peer.agent().pairs(peer.stream()).filter(|pair| pair.is_listed());
    let seen = pairs.map(|pair| {
        let (local, remote) = (pair.local().ip().unwrap(), pair.remote().ip().unwrap());
        let [one, other] = if id == session.alice { [local, remote] } else { [remote, local] };
        (one, other, pair.priority().get())
    });
    seen.collect()
}

/// Proves: rfc8445-6.1.2.3-2, rfc8445-6.1.2.3-4
/// Scenario: S-02
#[test]
fn both_ends_order_their_pairs_alike_also_after_a_conflict_of_roles() {
    for bob_role in [Role::Controlled, Role::Controlling] {
        let bob = super::session::End::new(host(&BOB), bob_role);
        let alice = controlling(host(&ALICE)).config(manual());
        let mut session = Session::new(World::new(3), alice, bob.config(manual()));
        session.exchange();
        if bob_role == Role::Controlling {
            assert_ne!(
                list(&session, session.alice),
                list(&session, session.bob),
                "each thinks that it is G"
            );
            session.world.run_for(secs(3));
        }
        session.assert_opposite_roles();
        let alice = list(&session, session.alice);
        assert_eq!(alice.len(), 12);
        assert!(alice.is_sorted_by(|one, next| one.2 >= next.2));
        assert_eq!(alice, list(&session, session.bob));
    }
}

/// Proves: rfc8445-8.1.1-2, rfc8445-7.1.2-2, rfc8445-8.1.2-1
/// Scenario: S-16
#[test]
fn of_six_working_pairs_exactly_one_is_nominated_in_a_minute() {
    let mut session =
        Session::new(World::new(1), controlling(host(&ALICE[..2])), controlled(host(&BOB[..3])));
    for (index, text) in (1..).zip(&BOB[..3]) {
        session.world.set_link((session.bob, address(text).ip()), Link::new(ms(index * 37)));
    }
    session.call();
    session.world.run_for(secs(60));
    assert_eq!(session.states(), [StreamState::Completed; 2]);
    let selected = session.assert_mirrored(1);
    assert_eq!(session.nominated(session.alice).len(), 1);
    let nominating = session.checks(session.alice).into_iter().filter(|check| check.nominates);
    assert_eq!(nominating.map(|check| check.path.remote()).collect::<Vec<_>>(), [selected.remote]);
    assert!(session.requests(session.bob).iter().all(|request| !request.nominates));
    for id in session.ends() {
        let selections = session.world.node(id).events().iter();
        let selections = selections.filter(|(_, event)| matches!(event, floe::Event::Selected { .. }));
        assert_eq!(selections.count(), 1);
    }
}

/// The pairs of a component that an end has in its check list.
fn listed(session: &Session, id: NodeId, component: u16) -> usize {
    let peer = session.world.node(id);
    let pairs = peer.agent().pairs(peer.stream());
    pairs.filter(|pair| pair.is_listed() && pair.component().number() == component).count()
}

fn best_valid(session: &Session, component: u16) -> PairId {
    let peer = session.world.node(session.alice);
    let mut pairs = peer.agent().pairs(peer.stream());
    pairs.find(|pair| pair.is_valid() && pair.component().number() == component).unwrap().id()
}

/// Proves: rfc8445-6.1.2.1-2, rfc8445-8.1.2-1, rfc8445-8.1.1-7
/// Scenario: S-21
#[test]
fn a_stream_of_two_components_completes_with_the_second_nomination() {
    let alice = controlling(host(&ALICE[..2])).components(2).config(manual());
    let bob = controlled(host(&BOB[..2])).components(2);
    let mut session = Session::new(World::new(1), alice, bob).twenty_milliseconds();
    session.call();
    session.world.run_for(secs(5));
    assert_eq!(session.states(), [StreamState::Connected; 2]);
    let nominate = |session: &mut Session, component| {
        let pair = best_valid(session, component);
        session.world.with(session.alice, |peer, now| peer.agent_mut().nominate(now, pair)).unwrap();
        session.world.run_for(secs(1));
        pair
    };
    let first = nominate(&mut session, 1);
    assert_eq!(session.states(), [StreamState::Connected; 2]);
    for id in session.ends() {
        let peer = session.world.node(id);
        assert_eq!(peer.agent().check_list_state(peer.stream()), Some(CheckListState::Running));
        assert_eq!((listed(&session, id, 1), listed(&session, id, 2)), (1, 4));
        assert!(session.selected(id, 2).is_none());
    }
    let again = session.world.with(session.alice, |peer, now| peer.agent_mut().nominate(now, first));
    assert_eq!(again, Err(Error::CannotNominate));
    nominate(&mut session, 2);
    assert_eq!(session.states(), [StreamState::Completed; 2]);
    for component in [1, 2] {
        assert_eq!(session.assert_mirrored(component).kinds, [CandidateKind::Host; 2]);
        session.assert_data_flows(component);
        assert!(session.ends().iter().all(|id| listed(&session, *id, component) == 1));
    }
    let nominations = session.checks(session.alice).iter().filter(|check| check.nominates).count();
    assert_eq!(nominations, 2);
}

#[test]
fn two_components_complete_by_themselves_on_ports_of_their_own() {
    let alice = controlling(host(&ALICE[..1])).components(2);
    let bob = controlled(host(&BOB[..1])).components(2).config(Config::new());
    let mut session = Session::new(World::new(1), alice, bob);
    session.connect();
    assert_eq!(session.assert_mirrored(1).addresses(), [ALICE[0], BOB[0]].map(address));
    assert_eq!(session.assert_mirrored(2).addresses(), ["192.0.2.1:4001", "198.51.100.1:4001"].map(address));
    session.assert_data_flows(1);
    session.assert_data_flows(2);
}
