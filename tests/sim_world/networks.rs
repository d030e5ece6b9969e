//! Networks behind networks, several hosts on one, both families.

use core::time::Duration;

use floe::sim::{Dependence, Dropped, Host, Nat, NetworkId, NodeId, StunServer, World};
use floe::stun::{Builder, Message, Method, TransactionId, XorMappedAddress};

use super::probe::{Probe, address, probe, public, send, send_from};

const SERVER: &str = "198.51.100.1:1000";

#[test]
fn hosts_of_one_network_meet_by_their_private_addresses() {
    let mut world = World::new(1);
    let lan = world.add_network(NetworkId::PUBLIC, Nat::symmetric());
    let (alice, bob) = (probe(&mut world, lan), probe(&mut world, lan));
    let (from, to) = (world.address(alice), world.address(bob));
    send(&mut world, alice, to, b"hello");
    assert_eq!(world.node(bob).sources(), [from]);
}

#[test]
fn private_addresses_are_unknown_elsewhere() {
    let mut world = World::new(1);
    let (alice, bob) = (probe(&mut world, Nat::full_cone()), probe(&mut world, Nat::full_cone()));
    let outside = public(&mut world, SERVER);
    let to = world.address(bob);
    send(&mut world, alice, to, b"hello");
    send(&mut world, outside, to, b"hello");
    assert!(world.node(bob).datagrams.is_empty());
    assert_eq!(world.dropped(Dropped::NoRoute), 2);
}

#[test]
fn networks_may_use_the_same_addresses() {
    let mut world = World::new(1);
    let server = public(&mut world, SERVER);
    let [first, second] = [(); 2].map(|()| world.add_network(NetworkId::PUBLIC, Nat::full_cone()));
    let on = |network, at| Host::new().address(network, address(at));
    let alice = probe(&mut world, on(first, "192.168.1.2:4000"));
    let bob = probe(&mut world, on(second, "192.168.1.2:4000"));
    let neighbour = probe(&mut world, on(second, "192.168.1.3:4000"));
    send(&mut world, alice, address(SERVER), b"alice");
    send(&mut world, bob, address(SERVER), b"bob");
    let [of_alice, of_bob] = world.node(server).sources()[..] else { panic!("both were heard") };
    assert_ne!(of_alice.ip(), of_bob.ip());
    send(&mut world, server, of_bob, b"to bob");
    assert_eq!((world.node(alice).heard(), world.node(bob).heard()), (vec![], vec![&b"to bob"[..]]));

    send(&mut world, alice, address("192.168.1.3:4000"), b"not on my network");
    assert!(world.node(neighbour).datagrams.is_empty());
    send(&mut world, bob, address("192.168.1.3:4000"), b"on my network");
    assert_eq!(world.node(neighbour).heard(), [b"on my network"]);
}

/// Two home networks behind the translator of one carrier.
fn behind_one_carrier(carrier: Nat) -> (World<Probe>, [NodeId; 3]) {
    let mut world = World::new(1);
    let server = public(&mut world, SERVER);
    let carrier = world.add_network(NetworkId::PUBLIC, carrier);
    let [alice, bob] = [(); 2].map(|()| {
        let home = world.add_network(carrier, Nat::full_cone());
        probe(&mut world, home)
    });
    let outer = world.outer_address(carrier).unwrap();
    for node in [alice, bob] {
        send(&mut world, node, address(SERVER), b"?");
    }
    assert!(world.node(server).sources().iter().all(|source| source.ip() == outer));
    (world, [alice, bob, server])
}

#[test]
fn a_datagram_crosses_two_translators_and_comes_back() {
    let (mut world, [alice, _, server]) = behind_one_carrier(Nat::symmetric());
    let of_alice = world.node(server).sources()[0];
    send(&mut world, server, of_alice, b"answer");
    assert_eq!(world.node(alice).heard(), [b"answer"]);
    assert_eq!(world.node(alice).sources(), [address(SERVER)]);
}

#[test]
fn two_cones_behind_one_cone_meet_only_if_it_hairpins() {
    for hairpinning in [false, true] {
        let (mut world, [alice, bob, server]) = behind_one_carrier(Nat::full_cone().hairpinning(hairpinning));
        let of_bob = world.node(server).sources()[1];
        send(&mut world, alice, of_bob, b"hello");
        assert_eq!(world.node(bob).datagrams.len(), usize::from(hairpinning));
        assert_eq!(world.dropped(Dropped::NoHairpin), u64::from(!hairpinning));
    }
}

#[test]
fn a_carrier_network_reaches_the_home_translators_on_it() {
    let mut world = World::new(1);
    let server = public(&mut world, SERVER);
    let carrier = world.add_network(NetworkId::PUBLIC, Nat::symmetric());
    let home = world.add_network(carrier, Nat::full_cone());
    let (inner, neighbour) = (probe(&mut world, home), probe(&mut world, carrier));
    let to_neighbour = world.address(neighbour);
    send(&mut world, inner, to_neighbour, b"out");
    let seen = world.node(neighbour).sources()[0];
    assert_eq!(Some(seen.ip()), world.outer_address(home));
    send(&mut world, neighbour, seen, b"in");
    assert_eq!(world.node(inner).heard(), [b"in"]);
    assert!(world.node(server).datagrams.is_empty());
}

const INSIDE_4: &str = "10.1.1.1:4000";
const INSIDE_6: &str = "[2001:db8:1::1]:4000";
const OUTSIDE_6: &str = "[2001:db8:2::1]:4000";

#[test]
fn ipv6_keeps_its_address_and_answers_pass_the_firewall() {
    let mut world = World::new(1);
    let lan = world.add_network(NetworkId::PUBLIC, Nat::port_restricted());
    let host = Host::new().address(lan, address(INSIDE_4)).address(lan, address(INSIDE_6));
    let inside = probe(&mut world, host);
    let on = |at| (NetworkId::PUBLIC, address(at));
    let (v4, v6) = (on(SERVER), on(OUTSIDE_6));
    let outside = probe(&mut world, Host::new().address(v4.0, v4.1).address(v6.0, v6.1));

    send_from(&mut world, outside, v6.1, address(INSIDE_6), b"uninvited");
    assert_eq!(world.dropped(Dropped::NoMapping), 1);
    send_from(&mut world, inside, address(INSIDE_6), v6.1, b"out");
    send_from(&mut world, inside, address(INSIDE_4), v4.1, b"out");
    let sources = world.node(outside).sources();
    assert_eq!(sources[0], address(INSIDE_6));
    assert_eq!(Some(sources[1].ip()), world.outer_address(lan));

    send_from(&mut world, outside, v6.1, address(INSIDE_6), b"in");
    send_from(&mut world, outside, address("[2001:db8:2::1]:9"), address(INSIDE_6), b"other port");
    send_from(&mut world, outside, v4.1, sources[1], b"in");
    assert_eq!(world.node(inside).heard(), [b"in", b"in"]);
    assert_eq!(world.dropped(Dropped::Filtered), 1);
}

#[test]
fn ipv6_can_be_let_in_while_ipv4_is_not() {
    let mut world = World::new(1);
    let lan = world.add_network(NetworkId::PUBLIC, Nat::symmetric().ipv6(None));
    let inside = probe(&mut world, Host::new().address(lan, address(INSIDE_6)));
    let outside = public(&mut world, OUTSIDE_6);
    send(&mut world, outside, address(INSIDE_6), b"uninvited");
    assert_eq!(world.node(inside).heard(), [b"uninvited"]);
}

#[test]
fn a_firewall_translates_nothing_and_lets_in_answers_alone() {
    let mut world = World::new(1);
    let inside = probe(&mut world, Nat::firewall(Dependence::AddressAndPortDependent));
    let server = public(&mut world, SERVER);
    let own = world.address(inside);
    send(&mut world, server, own, b"uninvited");
    send(&mut world, inside, address(SERVER), b"out");
    send(&mut world, server, own, b"in");
    assert_eq!(world.node(server).sources(), [own]);
    assert_eq!(world.node(inside).heard(), [b"in"]);
}

#[test]
fn link_local_addresses_stay_on_their_network() {
    let mut world = World::new(1);
    let lan = world.add_network(NetworkId::PUBLIC, Nat::none());
    let on = |network, at| Host::new().address(network, address(at));
    let alice = probe(&mut world, on(lan, "[fe80::1]:1"));
    let bob = probe(&mut world, on(lan, "[fe80::2]:2"));
    let stranger = probe(&mut world, on(NetworkId::PUBLIC, "[fe80::3]:3"));
    send(&mut world, alice, address("[fe80::2]:2"), b"near");
    send(&mut world, alice, address("[fe80::3]:3"), b"far");
    send(&mut world, stranger, address("[fe80::1]:1"), b"far");
    assert_eq!(world.node(bob).heard(), [b"near"]);
    assert!(world.node(stranger).datagrams.is_empty() && world.node(alice).datagrams.is_empty());
}

#[test]
fn one_interface_of_two_can_be_unplugged() {
    let mut world = World::new(1);
    let server = public(&mut world, SERVER);
    let (wifi, cell) = (
        world.add_network(NetworkId::PUBLIC, Nat::restricted()),
        world.add_network(NetworkId::PUBLIC, Nat::symmetric()),
    );
    let phone = probe(&mut world, Host::new().on(wifi).on(cell));
    let [by_wifi, by_cell] = world.addresses(phone)[..] else { panic!("it has two addresses") };
    world.unplug((phone, by_wifi.ip()));
    send_from(&mut world, phone, by_wifi, address(SERVER), b"wifi");
    send_from(&mut world, phone, by_cell, address(SERVER), b"cell");
    world.plug(phone);
    send_from(&mut world, phone, by_wifi, address(SERVER), b"wifi again");
    assert_eq!(world.node(server).heard(), [&b"cell"[..], b"wifi again"]);
    assert_eq!(world.dropped(Dropped::Unplugged), 1);
}

/// Asks a server for the address of a host behind a translator, and returns when the answer came and what it says.
fn ask(server: StunServer) -> (World<Probe>, NodeId) {
    let mut world = World::new(1);
    let server = world.add_server(NetworkId::PUBLIC, server);
    let inside = probe(&mut world, Nat::full_cone());
    let mut request = Vec::new();
    Builder::request(&mut request, Method::BINDING, TransactionId::from([7; 12])).fingerprint();
    let to = world.address(server);
    send(&mut world, inside, to, &request);
    world.run_for(Duration::from_secs(10));
    (world, inside)
}

#[test]
fn a_stun_server_says_which_address_it_sees() {
    for (server, answered_after) in [
        (StunServer::new(), Some(20)),
        (StunServer::new().slow(Duration::from_millis(300)), Some(320)),
        (StunServer::dead(), None),
    ] {
        let (world, inside) = ask(server);
        let answers = &world.node(inside).datagrams;
        assert_eq!(answers.first().map(|(at, ..)| at.as_nanos() / 1_000_000), answered_after);
        for (_, _, payload) in answers {
            let response = Message::parse(payload).unwrap();
            assert_eq!(response.transaction_id(), TransactionId::from([7; 12]));
            let mapped = response.get::<XorMappedAddress>().unwrap().unwrap().0;
            assert_eq!(mapped.port(), world.address(inside).port());
            assert_ne!(mapped.ip(), world.address(inside).ip());
        }
    }
}

/// What of a beat every second comes in through a firewall, in seconds since the only datagram out.
fn beats_through(firewall: Nat, inside: &str, outside: &str) -> usize {
    let mut world = World::new(1);
    let server = public(&mut world, outside);
    let lan = world.add_network(NetworkId::PUBLIC, firewall);
    let own = probe(&mut world, Host::new().address(lan, address(inside)));
    send(&mut world, own, address(outside), b"?");
    assert_eq!(world.node(server).sources(), [address(inside)], "nothing is translated");
    for _ in 0..60 {
        world.run_for(Duration::from_millis(980));
        send(&mut world, server, address(inside), b"beat");
    }
    world.node(own).datagrams.len()
}

#[test]
fn the_state_of_a_firewall_expires_in_both_families() {
    for (inside, outside) in [("203.0.113.7:4000", SERVER), (INSIDE_6, OUTSIDE_6)] {
        let firewall = Nat::firewall(Dependence::AddressAndPortDependent).lifetime(Duration::from_secs(30));
        assert_eq!(beats_through(firewall.clone(), inside, outside), 29);
        assert_eq!(beats_through(firewall.inbound_refresh(true), inside, outside), 60);
    }
}

#[test]
fn a_firewall_stands_in_a_chain_with_translators() {
    // A host behind a cone behind a firewall: the cone would let a stranger in, the firewall does not.
    for (firewall, heard) in [(Nat::none(), 2), (Nat::firewall(Dependence::AddressAndPortDependent), 1)] {
        let mut world = World::new(1);
        let (server, stranger) = (public(&mut world, SERVER), public(&mut world, "198.51.100.2:1"));
        let site = world.add_network(NetworkId::PUBLIC, firewall);
        let home = world.add_network(site, Nat::full_cone());
        let inside = probe(&mut world, home);
        send(&mut world, inside, address(SERVER), b"?");
        let mapped = world.node(server).sources()[0];
        assert_eq!(Some(mapped.ip()), world.outer_address(home));
        send(&mut world, server, mapped, b"answer");
        send(&mut world, stranger, mapped, b"stranger");
        assert_eq!(world.node(inside).datagrams.len(), heard);
        assert_eq!(world.dropped(Dropped::Filtered), 2 - heard as u64);
    }
}

#[test]
fn a_port_restricted_carrier_filters_what_a_full_cone_at_home_would_let_in() {
    let (mut world, [alice, _, server]) = behind_one_carrier(Nat::port_restricted());
    let stranger = public(&mut world, "198.51.100.2:1");
    let of_alice = world.node(server).sources()[0];
    send(&mut world, stranger, of_alice, b"stranger");
    send(&mut world, server, of_alice, b"answer");
    assert_eq!(world.node(alice).heard(), [b"answer"]);
    assert_eq!(world.dropped(Dropped::Filtered), 1);
}
