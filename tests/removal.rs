//! Interfaces go: what is withdrawn with them, and how a session goes on with the next.

mod harness;
#[path = "harness/session.rs"]
mod session;

use core::net::SocketAddr;
use std::collections::BTreeSet;

use floe::ice::{BaseId, CandidateKind, Role};
use floe::sim::{Host, Nat, NetworkId, NodeId, Peer, StunServer, World};
use floe::{Config, Event, Reason, StreamState};
use session::{Session, address, controlled, controlling, ms, secs};

/// Two interfaces behind one NAT, so that no candidate has the address of another, each with a host and a reflexive candidate. One goes: its two candidates are withdrawn, by
/// their ids, and the two of the other interface stay, with the session on it. It comes back, and is as good as new.
///
/// Proves: rfc8445-5.1.1.4-3, rfc8445-5.1.1.4-4
/// Lesson: L-35, R-10
#[test]
fn an_interface_that_goes_takes_its_own_candidates_along_and_no_others() {
    for gone in [0, 1] {
        let mut world = World::new(35);
        let server = world.add_server(NetworkId::PUBLIC, StunServer::new());
        let server = world.address(server);
        let lan = world.add_network(NetworkId::PUBLIC, Nat::port_restricted());
        let config = || Config::new().continual_gathering(true);
        let alice = controlling(Host::new().on(lan).on(lan)).bases(2).asks(server).config(config());
        let bob = controlled(NetworkId::PUBLIC).config(config());
        let mut session = Session::new(world, alice, bob);
        session.connect();
        session.world.run_for(secs(5));
        let alice = session.alice;
        let of = |session: &Session, base: SocketAddr| -> BTreeSet<(CandidateKind, SocketAddr)> {
            let own = session
                .candidates(alice)
                .into_iter()
                .filter(|it| it.ip() == Some(base) || it.related() == Some(base));
            own.map(|it| (it.kind(), it.ip().unwrap())).collect()
        };
        let bases: Vec<SocketAddr> = {
            let candidates = session.candidates(alice);
            let hosts = candidates.iter().filter(|it| it.kind() == CandidateKind::Host);
            hosts.filter_map(|it| it.ip()).collect()
        };
        let before = [0, 1].map(|n| of(&session, bases[n]));
        assert!(before.iter().all(|own| own.len() == 2), "{before:?}");
        session.world.with(alice, |peer, now| {
            let base = BaseId::from_raw(u32::try_from(gone).unwrap());
            peer.agent_mut().remove_base(now, base).unwrap();
        });
        assert!(of(&session, bases[gone]).is_empty());
        assert_eq!(of(&session, bases[1 - gone]), before[1 - gone]);
        let withdrawn = |session: &Session| {
            let events = session.world.node(alice).events().iter();
            events.filter(|(_, event)| matches!(event, Event::LocalCandidateRemoved { .. })).count()
        };
        assert_eq!(withdrawn(&session), 2);
        session.world.run_for(secs(20));
        assert_eq!(session.states(), [StreamState::Completed; 2], "{gone}");
        assert_eq!(session.world.node(alice).selected(1).unwrap().local(), bases[1 - gone]);
        session.assert_data_flows(1);
        assert!(session.world.with(alice, |peer, now| peer.add_base(now, 1, bases[gone])));
        session.world.run_for(secs(2));
        assert_eq!(
            [0, 1].map(|n| of(&session, bases[n])),
            before,
            "the mapping is still there, and so are both"
        );
        assert_eq!(withdrawn(&session), 2);
        session.world.run_for(ms(20_000));
        session.assert_data_flows(1);
    }
}

/// Two hosts of two interfaces each, of which they use the first.
fn connected(config: &Config) -> (World<Peer>, [NodeId; 2], [[SocketAddr; 2]; 2]) {
    let mut world = World::new(7);
    let addresses = [["198.51.100.1:4000", "203.0.113.1:4000"], ["198.51.100.2:4000", "203.0.113.2:4000"]]
        .map(|texts| texts.map(address));
    let ids = [0, 1].map(|side| {
        let (seed, [first, second]) = (world.seed_for(side), addresses[usize::from(side == 1)]);
        let role = if side == 0 { Role::Controlling } else { Role::Controlled };
        let host = Host::new().address(NetworkId::PUBLIC, first).address(NetworkId::PUBLIC, second);
        world.add_node(host, |_, now, addresses| Peer::new(now, config.clone(), role, seed, &addresses[..1]))
    });
    for (this, other) in [(0, 1), (1, 0)] {
        world.with(ids[this], |peer, now| peer.call(now, ids[other]));
    }
    assert!(completed(&mut world, ids));
    world.run_for(secs(2));
    (world, ids, addresses)
}

fn completed(world: &mut World<Peer>, ids: [NodeId; 2]) -> bool {
    let done = |world: &World<Peer>| ids.iter().all(|id| world.node(*id).state() == StreamState::Completed);
    world.run_until(secs(30), done).is_ok()
}

fn leave(peer: &mut Peer, now: floe::Timestamp, base: u32) {
    peer.agent_mut().remove_base(now, BaseId::from_raw(base)).unwrap();
}

/// Proves: rfc8445-5.1.1.4-3, rfc8445-5.1.1.4-4
/// Lesson: L-36
#[test]
fn either_side_may_lose_its_network_and_go_on_with_the_next() {
    let config = Config::new().continual_gathering(true);
    for mover in [0, 1] {
        let (mut world, ids, addresses) = connected(&config);
        world.with(ids[mover], |peer, now| leave(peer, now, 0));
        world.run_for(ms(1_900));
        assert_eq!(world.node(ids[mover]).state(), StreamState::Lost(Reason::BaseRemoved));
        let second = addresses[mover][1];
        assert!(world.with(ids[mover], |peer, now| peer.add_base(now, 1, second)));
        world.run_for(secs(10));
        assert!(completed(&mut world, ids), "{:?}", ids.map(|id| world.node(id).state()));
        assert_eq!(world.node(ids[mover]).selected(1).unwrap().local(), second);
        assert_eq!(world.node(ids[1 - mover]).selected(1).unwrap().remote(), second);
        for (from, to) in [(0, 1), (1, 0)] {
            let before = world.node(ids[to]).received().len();
            assert!(world.with(ids[from], |peer, _| peer.send(1, b"data")));
            world.run_for(ms(200));
            assert_eq!(world.node(ids[to]).received().len(), before + 1, "side {mover} moved");
        }
    }
}

/// An interface is gone and another one is there. It takes a restart to signal it; where nominations may follow one another
/// the peer learns of it by the checks that come from there.
#[test]
fn another_network_is_reached_by_a_restart_or_by_checks_alone() {
    for (renomination, restarts) in [(false, true), (true, true), (true, false), (false, false)] {
        let (mut world, ids, addresses) = connected(&Config::new().renomination(renomination));
        world.with(ids[0], |peer, now| {
            assert!(peer.add_base(now, 1, addresses[0][1]));
            leave(peer, now, 0);
        });
        if restarts {
            world.with(ids[0], |peer, now| peer.restart(now));
        }
        world.run_for(ms(500));
        let moved =
            completed(&mut world, ids) && world.node(ids[1]).selected(1).unwrap().remote() == addresses[0][1];
        assert_eq!(moved, renomination || restarts, "{renomination} {restarts}");
        if moved {
            for (from, to) in [(0, 1), (1, 0)] {
                assert!(world.with(ids[from], |peer, _| peer.send(1, b"data")));
                world.run_for(ms(200));
                assert_eq!(world.node(ids[to]).received().len(), 1);
            }
            assert_eq!(world.node(ids[0]).selected(1).unwrap().local(), addresses[0][1]);
        }
    }
}
