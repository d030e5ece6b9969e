//! ICE restarts (RFC 8445 section 9): a new generation finds its path while the old one carries the data.

use core::time::Duration;

use floe::ice::Role;
use floe::sim::{Nat, NodeId, Peer, World};
use floe::{Config, Event, StreamState};

fn connected(seed: u64, nats: [Nat; 2]) -> (World<Peer>, [NodeId; 2]) {
    let mut world = World::new(seed);
    let mut add = |nat: Nat, role: Role, n: u64| {
        let own = world.seed_for(n);
        world.add_node(nat, |_, now, addresses| Peer::new(now, Config::new(), role, own, addresses))
    };
    let [left, right] = nats;
    let ids = [add(left, Role::Controlling, 0), add(right, Role::Controlled, 1)];
    for (this, other) in [(0, 1), (1, 0)] {
        world.with(ids[this], |peer, now| peer.call(now, ids[other]));
    }
    settle(&mut world, ids);
    (world, ids)
}

fn settle(world: &mut World<Peer>, ids: [NodeId; 2]) {
    let done = world.run_until(Duration::from_secs(20), |world| {
        ids.iter().all(|id| world.node(*id).state() == StreamState::Completed)
    });
    assert!(done.is_ok(), "{:?}", ids.map(|id| world.node(id).state()));
}

/// Either side restarts; data flows throughout, roles stay, and both credentials change on both sides.
///
/// Scenario: S-31
/// Scenario: S-32
/// Proves: rfc8445-9-1, rfc8445-9-2, rfc8445-9-3, rfc8445-9-7, rfc8445-6.1.1-4
#[test]
fn data_flows_while_a_new_generation_is_found() {
    for restarter in [0, 1] {
        let (mut world, ids) = connected(3, [Nat::port_restricted(), Nat::none()]);
        let credentials =
            ids.map(|id| world.node(id).agent().local_credentials(world.node(id).stream()).unwrap().clone());
        let roles = ids.map(|id| world.node(id).agent().role());
        world.with(ids[restarter], |peer, now| peer.restart(now));
        let mut sent = 0;
        for _ in 0..40 {
            for id in ids {
                assert!(world.with(id, |peer, _| peer.send(1, b"data")), "no route at {:?}", world.now());
            }
            sent += 1;
            world.run_for(Duration::from_millis(10));
        }
        settle(&mut world, ids);
        world.run_for(Duration::from_millis(100));
        for (n, id) in ids.iter().enumerate() {
            let peer = world.node(*id);
            assert_eq!(peer.received().len(), sent, "of side {n}");
            let now = peer.agent().local_credentials(peer.stream()).unwrap();
            assert_ne!(now.ufrag(), credentials[n].ufrag());
            assert_ne!(now.password(), credentials[n].password());
            let selected =
                peer.events().iter().filter(|(_, event)| matches!(event, Event::Selected { .. })).count();
            assert_eq!(selected, 2, "one for each generation");
        }
        assert_eq!(ids.map(|id| world.node(id).agent().role()), roles);
    }
}
