use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;
use std::format;

use super::*;
use crate::sim::{Dependence, Host, Link, Nat, NetworkId, Output, StunServer, TurnServer};
use crate::{Path, Timestamp};

/// Somebody who says nothing: the oracle asks the network, not the nodes.
struct Nobody;

impl Node for Nobody {
    fn handle_datagram(&mut self, _: Timestamp, _: Path, _: &[u8]) {}
    fn handle_timeout(&mut self, _: Timestamp) {}
    fn poll_output(&mut self) -> Option<Output> {
        None
    }
    fn deadline(&self) -> Option<Timestamp> {
        None
    }
}

/// A world with a STUN server and a TURN server on the public network.
struct Scene {
    world: World<Nobody>,
    stun: SocketAddr,
    turn: SocketAddr,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new(1);
        let stun = world.add_server(NetworkId::PUBLIC, StunServer::new());
        let turn = world.add_turn_server(NetworkId::PUBLIC, TurnServer::new("example.org"));
        let [stun, turn] = [stun, turn].map(|id| world.address(id));
        Self { world, stun, turn }
    }

    fn node(&mut self, host: impl Into<Host>) -> NodeId {
        self.world.add_node(host, |_, _, _| Nobody)
    }

    /// Both ask the STUN server.
    fn reflexive(&mut self, alice: impl Into<Host>, bob: impl Into<Host>) -> [Party; 2] {
        let ends = [self.node(alice), self.node(bob)];
        ends.map(|id| Party::with_all_addresses(&self.world, id).asks(self.stun))
    }

    /// Both use the TURN server as well.
    fn relayed(&mut self, alice: impl Into<Host>, bob: impl Into<Host>) -> [Party; 2] {
        let turn = self.turn;
        self.reflexive(alice, bob).map(|party| party.relays(turn))
    }

    fn best(&self, [alice, bob]: &[Party; 2]) -> String {
        self.world.forecast(alice, bob).best_kinds().map_or_else(
            || "-".to_string(),
            |kinds| {
                let [ours, theirs] = kinds.map(|kind| kind.to_string());
                format!("{ours}/{theirs}")
            },
        )
    }

    /// All pairs that work, as text, best first.
    fn all(&self, [alice, bob]: &[Party; 2]) -> Vec<String> {
        self.world.forecast(alice, bob).pairs().iter().map(ToString::to_string).collect()
    }
}

fn between(alice: Nat, bob: Nat) -> String {
    let mut scene = Scene::new();
    let parties = scene.reflexive(alice, bob);
    scene.best(&parties)
}

#[test]
fn mapping_and_filtering_decide_who_meets_whom() {
    assert_eq!(between(Nat::none(), Nat::none()), "host/host");
    assert_eq!(between(Nat::none(), Nat::symmetric()), "host/prflx");
    assert_eq!(between(Nat::port_restricted(), Nat::port_restricted()), "srflx/srflx");
    assert_eq!(between(Nat::symmetric(), Nat::restricted()), "prflx/srflx");
    assert_eq!(between(Nat::symmetric(), Nat::port_restricted()), "-");
    assert_eq!(between(Nat::symmetric(), Nat::symmetric()), "-");
}

/// Both let everybody in, and neither is ever where it was spoken to.
#[test]
fn two_translators_that_show_a_new_port_to_every_port_chase_each_other() {
    let chase = || Nat::new(Dependence::AddressAndPortDependent, Dependence::EndpointIndependent);
    assert_eq!(between(chase(), chase()), "-");
    let by_address = Nat::new(Dependence::AddressDependent, Dependence::EndpointIndependent);
    assert_eq!(between(chase(), by_address.clone()), "prflx/prflx");
    assert_eq!(between(by_address.clone(), by_address), "prflx/prflx");
}

#[test]
fn all_ways_are_listed_best_first_with_the_controlling_end_breaking_ties() {
    let mut scene = Scene::new();
    let parties = scene.relayed(Nat::symmetric(), Nat::symmetric());
    let all = scene.all(&parties);
    let [ours, theirs] = ["198.18.0.3:*", "198.18.0.4:*"];
    assert_eq!(
        all,
        [
            format!("prflx {ours} - relay 198.18.0.2:*"),
            format!("relay 198.18.0.2:* - prflx {theirs}"),
            "relay 198.18.0.2:* - relay 198.18.0.2:*".to_string(),
        ]
    );
    let swapped: [Party; 2] = [parties[1].clone(), parties[0].clone()];
    assert_eq!(scene.best(&swapped), "prflx/relay");
}

#[test]
fn neighbours_need_hairpinning_only_for_their_outer_addresses() {
    for (hairpinning, wanted) in [(false, 1), (true, 2)] {
        let mut scene = Scene::new();
        let home = scene.world.add_network(NetworkId::PUBLIC, Nat::full_cone().hairpinning(hairpinning));
        let parties = scene.reflexive(home, home);
        assert_eq!(scene.best(&parties), "host/host");
        assert_eq!(scene.all(&parties).len(), wanted, "{:?}", scene.all(&parties));
    }
    let behind = |carrier: Nat, home: Nat| {
        let mut scene = Scene::new();
        let carrier = scene.world.add_network(NetworkId::PUBLIC, carrier);
        let homes = [(); 2].map(|()| scene.world.add_network(carrier, home.clone()));
        let parties = scene.reflexive(homes[0], homes[1]);
        scene.best(&parties)
    };
    assert_eq!(behind(Nat::full_cone(), Nat::port_restricted()), "-");
    assert_eq!(behind(Nat::full_cone().hairpinning(true), Nat::port_restricted()), "srflx/srflx");
    // The carrier shows the homes each other's addresses on its own network, and there they meet.
    let inner_source = Nat::full_cone().hairpinning_with_inner_source();
    assert_eq!(behind(inner_source.clone(), Nat::full_cone()), "prflx/prflx");
    assert_eq!(behind(inner_source, Nat::port_restricted()), "-");
}

#[test]
fn where_udp_is_blocked_a_relay_over_tcp_is_left() {
    let with = |office: Nat, port: u16, over_tcp: bool| {
        let mut scene = Scene::new();
        let host = Host::new().address(NetworkId::PUBLIC, SocketAddr::from(([203, 0, 113, 9], port)));
        let turn = scene.world.add_turn_server(host, TurnServer::new("example.org"));
        let turn = scene.world.address(turn);
        let [alice, bob] = scene.reflexive(office, Nat::symmetric());
        let alice = if over_tcp { alice.relays_over_tcp(turn) } else { alice.relays(turn) };
        scene.best(&[alice, bob])
    };
    let office = || Nat::symmetric().without_udp().tcp_ports(&[443]);
    assert_eq!(with(office(), 443, false), "-");
    assert_eq!(with(office(), 3478, true), "-");
    assert_eq!(with(office(), 443, true), "relay/prflx");
    assert_eq!(with(Nat::none().without_udp(), 3478, true), "relay/prflx");
    assert_eq!(with(Nat::firewall(Dependence::AddressDependent).tcp_ports(&[]), 443, true), "host/prflx");
}

#[test]
fn of_two_translators_in_a_row_the_stricter_decides() {
    let behind_two = |carrier, home, other| {
        let mut scene = Scene::new();
        let carrier = scene.world.add_network(NetworkId::PUBLIC, carrier);
        let home = scene.world.add_network(carrier, home);
        let parties = scene.reflexive(home, Host::from(other));
        scene.best(&parties)
    };
    let symmetric = Nat::symmetric;
    assert_eq!(behind_two(symmetric(), Nat::full_cone(), Nat::restricted()), "prflx/srflx");
    assert_eq!(behind_two(Nat::full_cone(), symmetric(), Nat::restricted()), "prflx/srflx");
    assert_eq!(behind_two(Nat::full_cone(), symmetric(), Nat::port_restricted()), "-");
    assert_eq!(behind_two(Nat::port_restricted(), Nat::full_cone(), Nat::port_restricted()), "srflx/srflx");
}

/// A carrier that translates IPv4 for all, and homes whose IPv6 is behind a firewall.
#[test]
fn behind_firewalls_ipv6_needs_both_to_speak_and_link_local_addresses_stay_at_home() {
    let mut scene = Scene::new();
    let homes = [1, 2].map(|home| {
        let network = scene.world.add_network(NetworkId::PUBLIC, Nat::symmetric());
        Host::new()
            .address(network, format!("[2001:db8:{home}::1]:4000").parse().unwrap())
            .address(network, "[fe80::1]:4000".parse().unwrap())
            .address(network, "192.168.0.2:4000".parse().unwrap())
    });
    let [alice, bob] = homes;
    let parties = scene.reflexive(alice, bob);
    assert_eq!(scene.all(&parties), ["host [2001:db8:1::1]:4000 - host [2001:db8:2::1]:4000"]);
}

#[test]
fn a_firewall_lets_in_answers_and_who_has_been_spoken_to() {
    for filtering in [Dependence::EndpointIndependent, Dependence::AddressAndPortDependent] {
        assert_eq!(between(Nat::firewall(filtering), Nat::firewall(filtering)), "host/host");
    }
    let port_filter = Nat::firewall(Dependence::AddressAndPortDependent);
    assert_eq!(between(port_filter, Nat::symmetric()), "-");
    assert_eq!(between(Nat::firewall(Dependence::AddressDependent), Nat::symmetric()), "host/prflx");
}

#[test]
fn what_is_unplugged_blocked_dead_or_deaf_is_no_way() {
    let mut scene = Scene::new();
    let ends = scene.relayed(NetworkId::PUBLIC, NetworkId::PUBLIC);
    let [alice, bob] = ends.each_ref().map(|party| party.node);
    assert_eq!(scene.best(&ends), "host/host");
    scene.world.block(bob, alice);
    assert_eq!(scene.best(&ends), "host/relay", "what Bob says has to come by another way");
    scene.world.unblock(bob, alice);
    scene.world.set_downlink(bob, Link::default().loss(1.0));
    assert_eq!(scene.best(&ends), "-");
    scene.world.set_link(bob, Link::default().loss(0.99).jitter(Duration::from_secs(1)));
    assert_eq!(scene.best(&ends), "host/host", "a chance is a chance");
    scene.world.unplug(alice);
    assert_eq!(scene.best(&ends), "-");

    let mut world = World::<Nobody>::new(1);
    let dead = world.add_server(NetworkId::PUBLIC, StunServer::dead());
    let dead = world.address(dead);
    let ends = [Nat::full_cone(), Nat::full_cone()].map(|nat| world.add_node(nat, |_, _, _| Nobody));
    let [alice, bob] = ends.map(|id| Party::with_all_addresses(&world, id).asks(dead));
    assert!(!world.forecast(&alice, &bob).is_feasible());
}

#[test]
fn a_tunnel_goes_with_what_carries_it_and_an_interface_that_is_gone_is_no_way() {
    let mut scene = Scene::new();
    let phone = Host::from(Nat::symmetric()).tunnel(NetworkId::PUBLIC);
    let ends = scene.reflexive(phone, Nat::port_restricted());
    assert_eq!(scene.best(&ends), "host/srflx");
    let [alice, bob] = ends.each_ref().map(|party| party.node);
    let (carrier, tunnel) = (ends[0].bases[0].0.ip(), ends[0].bases[1].0.ip());
    scene.world.unplug((alice, carrier));
    assert_eq!(scene.best(&ends), "-");
    scene.world.plug((alice, carrier));
    assert_eq!(scene.best(&ends), "host/srflx");
    scene.world.remove_interface((alice, tunnel));
    assert_eq!(scene.best(&ends), "-");
    scene.world.remove_interface(bob);
    assert_eq!(scene.best(&ends), "-");
}

#[test]
fn a_relay_speaks_to_whom_it_is_allowed_to_and_in_its_families() {
    let mut world = World::<Nobody>::new(1);
    let turn = TurnServer::new("example.org").forbid("198.51.100.2".parse().unwrap());
    let host = Host::new()
        .address(NetworkId::PUBLIC, "203.0.113.1:3478".parse().unwrap())
        .address(NetworkId::PUBLIC, "[2001:db8::1]:3478".parse().unwrap());
    let server = world.add_turn_server(host, turn);
    let server = world.address(server);
    let alice = world.add_node(Nat::symmetric(), |_, _, _| Nobody);
    let alice = Party::with_all_addresses(&world, alice).relays(server).relay_only(true);
    let with = |world: &mut World<Nobody>, address: &str| {
        let host = Host::new().address(NetworkId::PUBLIC, address.parse().unwrap());
        let bob = world.add_node(host, |_, _, _| Nobody);
        world.forecast(&alice, &Party::with_all_addresses(world, bob))
    };
    assert!(!with(&mut world, "198.51.100.2:4000").is_feasible());
    assert_eq!(with(&mut world, "198.51.100.3:4000").pairs().len(), 1);
    let by_ipv6 = with(&mut world, "[2001:db8::3]:4000");
    assert_eq!(by_ipv6.pairs()[0].to_string(), "relay [2001:db8::1]:* - host [2001:db8::3]:4000");
}

/// His checks come from an address that nobody has told her of, so she cannot ask her server to let them in.
#[test]
fn a_relay_keeps_out_whom_its_client_does_not_know() {
    let mut scene = Scene::new();
    let [alice, bob] = [Nat::symmetric(), Nat::full_cone()].map(|nat| scene.node(nat));
    let [alice, bob] = [alice, bob].map(|id| Party::with_all_addresses(&scene.world, id));
    let alice = alice.relays(scene.turn).relay_only(true);
    assert_eq!(scene.best(&[alice.clone(), bob.clone()]), "-");
    assert_eq!(scene.best(&[alice, bob.asks(scene.stun)]), "relay/srflx");
}

/// Both are at 192.168.0.2 of a network of their own: what one sends there reaches itself.
#[test]
fn private_addresses_that_are_the_same_are_not_the_same_host() {
    let mut scene = Scene::new();
    let homes = [(); 2].map(|()| scene.world.add_network(NetworkId::PUBLIC, Nat::port_restricted()));
    let [alice, bob] = homes.map(|home| Host::new().address(home, "192.168.0.2:4000".parse().unwrap()));
    let parties = scene.reflexive(alice, bob);
    assert_eq!(scene.all(&parties), ["srflx 198.18.0.3:* - srflx 198.18.0.4:*"]);
}

#[test]
fn a_pair_is_found_by_types_and_bases_and_the_bound_knows_the_size_of_the_session() {
    let mut scene = Scene::new();
    let parties = scene.relayed(Nat::port_restricted(), NetworkId::PUBLIC);
    let forecast = scene.world.forecast(&parties[0], &parties[1]);
    let [ours, theirs] = parties.each_ref().map(|party| party.bases[0].0);
    let relayed = SocketAddr::new(scene.turn.ip(), 50_000);
    let find = |ours, theirs| forecast.find([ours, theirs]).map(FeasiblePair::kinds);
    use crate::ice::CandidateKind::{Host, PeerReflexive, Relayed, ServerReflexive};
    assert_eq!(find((ServerReflexive, ours), (Host, theirs)), Some([ServerReflexive, Host]));
    assert_eq!(find((Relayed, relayed), (Relayed, relayed)), Some([Relayed, Relayed]));
    assert_eq!(find((Host, ours), (Host, theirs)), None);
    assert_eq!(
        find((PeerReflexive, ours), (Host, theirs)),
        Some([ServerReflexive, Host]),
        "if it comes first"
    );
    let bound = forecast.bound().unwrap();
    // Two bases and two candidates of the peer's there, two bases and three candidates here.
    assert_eq!((bound.pairs, bound.gathering), (6, 2));
    assert_eq!(bound.duration(), Duration::from_millis(16 * 50 + 4 * 20 + 2 * 500 + 500));
}

/// The firewall of Alice's first address lets Bob in once she has sent to him from there; but nobody has signalled the address
/// that she hears from at her second one, so she does not.
#[test]
fn what_one_base_has_heard_from_is_not_paired_with_another() {
    let mut scene = Scene::new();
    let guarded = scene.world.add_network(NetworkId::PUBLIC, Nat::firewall(Dependence::AddressDependent));
    let alice = scene.node(Host::new().on(guarded).on(NetworkId::PUBLIC));
    let bob = scene.node(Nat::new(Dependence::AddressDependent, Dependence::AddressDependent));
    let parties = [alice, bob].map(|id| Party::with_all_addresses(&scene.world, id));
    let [_, open] = scene.world.addresses(alice) else { panic!("two addresses") };
    let bases = |pairs: &[FeasiblePair]| pairs.iter().map(|pair| pair.sides[0].base.ip).collect::<Vec<_>>();
    let [ours, theirs] = &parties;
    assert_eq!(bases(scene.world.forecast(ours, theirs).pairs()), [open.ip()]);
    let widely = parties.map(|party| party.pairs_widely(true));
    let [ours, theirs] = &widely;
    assert_eq!(
        bases(scene.world.forecast(ours, theirs).pairs()).len(),
        2,
        "a base that comes later is paired with all"
    );
}
