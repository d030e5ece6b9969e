//! A selected path dies or moves, and another takes over without a restart (renomination).

use core::time::Duration;

use floe::ice::Role;
use floe::sim::{Host, Nat, NetworkId, NodeId, Peer, StunServer, World};
use floe::{Config, Event, NominateInConsent, Server, StreamState, Timestamp};

fn pair_of(world: &mut World<Peer>, hosts: [Host; 2]) -> [NodeId; 2] {
    pair_with(world, hosts, &Config::new().continual_gathering(true))
}

fn pair_with(world: &mut World<Peer>, hosts: [Host; 2], config: &Config) -> [NodeId; 2] {
    let server = world.add_server(NetworkId::PUBLIC, StunServer::new());
    let server = world.address(server);
    let [left, right] = hosts;
    let mut add = |host: Host, role: Role, n: u64| {
        let seed = world.seed_for(n);
        world.add_node(host, |_, now, addresses| {
            let config = config.clone();
            let mut peer = Peer::with_components(now, config, role, seed, 1);
            peer.agent_mut().add_server(now, Server::stun(server)).unwrap();
            for address in addresses {
                assert!(peer.add_base(now, 1, *address));
            }
            peer
        })
    };
    let ids = [add(left, Role::Controlling, 0), add(right, Role::Controlled, 1)];
    for (this, other) in [(0, 1), (1, 0)] {
        world.with(ids[this], |peer, now| peer.call(now, ids[other]));
    }
    settle(world, ids, Duration::from_secs(20));
    world.run_for(Duration::from_secs(45));
    ids
}

fn settle(world: &mut World<Peer>, ids: [NodeId; 2], within: Duration) {
    let done = world
        .run_until(within, |world| ids.iter().all(|id| world.node(*id).state() == StreamState::Completed));
    assert!(done.is_ok(), "{:?}", ids.map(|id| world.node(id).state()));
}

/// Sends both ways every 50 ms until both sides hear the other again, and returns how long that took.
fn recovery(world: &mut World<Peer>, ids: [NodeId; 2]) -> Duration {
    let start = world.now();
    let heard = |world: &World<Peer>, since: Timestamp| {
        ids.iter().all(|id| world.node(*id).received().last().is_some_and(|last| last.at > since))
    };
    // What was on its way at the start does not count.
    world.run_for(Duration::from_millis(200));
    let from = world.now();
    while !heard(world, from) {
        for id in ids {
            world.with(id, |peer, _| peer.send(1, b"data"));
        }
        world.run_for(Duration::from_millis(50));
        assert!(
            world.now().saturating_since(start) < Duration::from_secs(60),
            "{:?}",
            ids.map(|id| world.node(id).state())
        );
    }
    world.now().saturating_since(start)
}

/// Lesson: L-27
#[test]
fn a_nat_that_reboots_does_not_end_the_session() {
    for (seed, behind) in (1..9).flat_map(|seed| [(seed, 0), (seed, 1)]) {
        let mut world = World::new(seed);
        let network = world.add_network(NetworkId::PUBLIC, Nat::port_restricted());
        let mut hosts = [Host::from(NetworkId::PUBLIC), Host::from(NetworkId::PUBLIC)];
        hosts[behind] = Host::from(network);
        let ids = pair_of(&mut world, hosts);
        world.reboot(network);
        let took = recovery(&mut world, ids);
        assert!(took <= Duration::from_secs(12), "{took:?} with side {behind} behind the NAT");
        settle(&mut world, ids, Duration::from_secs(5));
    }
}

/// A carrier's translator keeps no mapping longer than 50 s, whatever is sent (iroh#4424): a new address each time. The next
/// consent check from behind it, at most 6 s later, shows the new address; an end that controls moves along with it, and one
/// that does not is followed as soon as it answers there, and not where it was.
///
/// Proves: rfc8445-7.3.1.3-1, renom-v1-1
/// Lesson: L-27
#[test]
fn a_nat_with_a_new_address_every_fifty_seconds_costs_one_consent_interval_each_time() {
    // A consent interval; a slot, four round trips; the sampling of `recovery`, and what it lets pass before it looks.
    let limit = Duration::from_millis(6_000 + 50 + 4 * 40 + 50 + 200);
    for behind in [0, 1] {
        let mut world = World::new(5);
        let network = world.add_network(NetworkId::PUBLIC, Nat::port_restricted());
        let mut hosts = [Host::from(NetworkId::PUBLIC), Host::from(NetworkId::PUBLIC)];
        hosts[behind] = Host::from(network);
        let ids = pair_of(&mut world, hosts);
        for n in 1..=8 {
            world.run_for(Duration::from_secs(50));
            let before = world.node(ids[1 - behind]).selected(1).unwrap().remote();
            world.reboot(network);
            let took = recovery(&mut world, ids);
            assert!(took <= limit, "{took:?} the {n}th time, with side {behind} behind the NAT");
            settle(&mut world, ids, Duration::from_secs(5));
            assert_ne!(world.node(ids[1 - behind]).selected(1).unwrap().remote(), before);
        }
        for id in ids {
            let events = world.node(id).events().iter();
            let lost =
                events.filter(|(_, event)| matches!(event, Event::State { state: StreamState::Lost(_), .. }));
            assert_eq!(lost.count(), 0);
        }
    }
}

/// Neither end can tell the other's new address by its checks, which the other's translator drops: the servers are asked
/// again, and the answer is signalled.
#[test]
fn a_nat_that_reboots_between_two_nats_is_got_over_by_gathering_again() {
    for (seed, reboots) in (1..9).flat_map(|seed| [(seed, 0), (seed, 1)]) {
        let mut world = World::new(seed);
        let networks = [0, 1].map(|_| world.add_network(NetworkId::PUBLIC, Nat::port_restricted()));
        let ids = pair_of(&mut world, networks.map(Host::from));
        world.reboot(networks[reboots]);
        let took = recovery(&mut world, ids);
        assert!(took <= Duration::from_secs(15), "{took:?} after the NAT of side {reboots}");
        settle(&mut world, ids, Duration::from_secs(5));
    }
}

/// Lesson: L-44
#[test]
fn a_second_interface_takes_over_when_the_first_goes_down() {
    for (seed, two) in (1..9).flat_map(|seed| [(seed, 0), (seed, 1)]) {
        let mut world = World::new(seed);
        let mut hosts = [Host::from(NetworkId::PUBLIC), Host::from(NetworkId::PUBLIC)];
        hosts[two] = Host::new().on(NetworkId::PUBLIC).on(NetworkId::PUBLIC);
        let ids = pair_of(&mut world, hosts);
        let used = world.node(ids[two]).selected(1).unwrap().local().ip();
        world.unplug((ids[two], used));
        let took = recovery(&mut world, ids);
        assert!(took <= Duration::from_secs(12), "{took:?} with two interfaces at side {two}");
        settle(&mut world, ids, Duration::from_secs(5));
        assert_ne!(world.node(ids[two]).selected(1).unwrap().local().ip(), used);
    }
}

/// The peer takes one nomination, and has it for an address that is ours no longer: it is told again from the new one.
#[test]
fn a_nomination_follows_us_to_a_new_mapping_where_peers_take_no_second_one() {
    let rebooted = |nominate| {
        let mut world = World::new(5);
        let config = Config::new().renomination(false).nominate_in_consent(nominate);
        let hosts = [Nat::port_restricted().into(), NetworkId::PUBLIC.into()];
        let ids = pair_with(&mut world, hosts, &config);
        let network = world.network(ids[0]);
        world.reboot(network);
        (world, ids)
    };
    let (mut world, ids) = rebooted(NominateInConsent::WithLitePeer);
    let took = recovery(&mut world, ids);
    // Six seconds to the next consent check, and as many to the one after it.
    assert!(took < Duration::from_secs(13), "{took:?}");
    world.run_for(Duration::from_secs(60));
    assert!(recovery(&mut world, ids) < Duration::from_secs(1));

    let (mut world, ids) = rebooted(NominateInConsent::Never);
    world.run_for(Duration::from_secs(60));
    assert!(matches!(world.node(ids[1]).state(), StreamState::Lost(_)), "it is the nomination that does it");
}
