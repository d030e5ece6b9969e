//! Addresses that are not what they seem.

use floe::ice::{CandidateKind, Role};
use floe::sim::{Host, Nat, NetworkId, NodeId, Peer, StunServer, World};
use floe::{Config, StreamState};

use super::session::{Session, address, controlled, controlling, ms, secs};
use super::{host, manual};

/// The remote candidates of an end that were learned from checks: address, priority, and how many pairs each is in.
fn learned(session: &Session, id: NodeId) -> Vec<(core::net::SocketAddr, u32, usize)> {
    let peer = session.world.node(id);
    let learned = peer.agent().remote_candidates(peer.stream());
    let learned = learned.filter(|(_, it)| it.kind() == CandidateKind::PeerReflexive);
    let described = learned.map(|(_, it)| {
        let pairs = peer.agent().pairs(peer.stream()).filter(|pair| pair.remote() == it).count();
        (it.ip().unwrap(), it.priority().get(), pairs)
    });
    described.collect()
}

/// Bob has two addresses, and Alice's translator shows each of them another port.
///
/// Proves: rfc8445-7.3.1.3-1, rfc8445-7.3.1.3-2, rfc8445-7.3.1.4-5, rfc8445-7.1.1-1
/// Scenario: S-28
#[test]
fn what_a_check_through_a_symmetric_translator_teaches_is_paired_where_it_came_in() {
    let alice = controlling(Nat::symmetric()).config(manual());
    let bob = controlled(host(&["198.51.100.1:4000", "198.51.100.2:4000"]));
    let mut session = Session::new(World::new(1), alice, bob).twenty_milliseconds();
    session.call();
    session.world.run_for(secs(3));
    assert_eq!(session.states(), [StreamState::Connected; 2]);
    let check = session.requests(session.alice)[0];
    let (bob, wanted) = (session.bob, (110 << 24) | (0xffff << 8) | 0xff);
    assert_eq!(check.priority, Some(wanted));
    let learned = learned(&session, bob);
    assert_eq!(learned.len(), 2);
    assert_ne!(learned[0].0, learned[1].0);
    for (_, priority, pairs) in learned {
        assert_eq!((priority, pairs), (wanted, 1));
    }
    let peer = session.world.node(session.alice);
    let pair = peer.agent().pairs(peer.stream()).find(|pair| pair.is_valid()).unwrap().id();
    session.world.with(session.alice, |peer, now| peer.agent_mut().nominate(now, pair)).unwrap();
    assert!(session.settle(secs(1)));
    let selected = session.assert_mirrored(1);
    assert_eq!(selected.kinds, [CandidateKind::PeerReflexive, CandidateKind::Host]);
    session.assert_data_flows(1);
}

/// A third agent on Alice's own network has the private address that Bob has signalled.
///
/// Proves: rfc8445-B.4-1, rfc8489-9.1.3-2
/// Scenario: S-65
#[test]
fn the_wrong_host_refuses_the_check_and_the_right_one_is_found_elsewhere() {
    const PRIVATE: &str = "192.168.0.2:4000";
    let mut world = World::new(1);
    let server = world.add_server(NetworkId::PUBLIC, StunServer::new());
    let server = world.address(server);
    let [here, there] = [(); 2].map(|()| world.add_network(NetworkId::PUBLIC, Nat::port_restricted()));
    let seed = world.seed_for(9);
    let stranger = world.add_node(Host::new().address(here, address(PRIVATE)), |_, now, addresses| {
        Peer::new(now, Config::new(), Role::Controlled, seed, addresses)
    });
    let alice = Host::new().address(here, address("192.168.0.3:4000"));
    let bob = Host::new().address(there, address(PRIVATE));
    let mut session = Session::new(world, controlling(alice).asks(server), controlled(bob).asks(server));
    session.connect();
    session.world.run_for(ms(200));
    assert_eq!(session.assert_mirrored(1).kinds, [CandidateKind::ServerReflexive; 2]);
    session.assert_data_flows(1);
    let answers = session.sent(stranger);
    assert!(!answers.is_empty());
    assert!(answers.iter().all(|answer| answer.error == Some(401)), "{answers:?}");
    assert_eq!(session.world.node(stranger).state(), StreamState::New);
    assert!(session.world.node(stranger).received().is_empty());
}
