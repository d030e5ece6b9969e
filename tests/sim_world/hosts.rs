//! Hosts: interfaces that come and go, tunnels, zones, names.

use core::net::SocketAddr;
use core::time::Duration;

use floe::sim::{
    Attachment, Connect, Dropped, Ended, Host, Link, LocalAddress, Nat, NetworkId, NodeId, Output,
    Resolution, World,
};
use floe::{Path, Timestamp};

use super::probe::{Probe, address, probe, public, send, send_from};

const MS: Duration = Duration::from_millis(1);
const SERVER: &str = "198.51.100.1:1000";

#[test]
fn a_node_is_told_of_all_its_addresses_when_one_comes_or_goes() {
    let mut world = World::new(1);
    let server = public(&mut world, SERVER);
    let host = Attachment::at(NetworkId::PUBLIC, address("192.0.2.1:4000")).network(1, 10);
    let alice = probe(&mut world, host);
    assert_eq!(world.node(alice).addresses, [], "at first it is told when it is built");

    world.run_for(MS);
    let other = Attachment::at(NetworkId::PUBLIC, address("192.0.2.2:4000")).network(2, 900);
    let added = world.add_interface(alice, other);
    assert_eq!(added, address("192.0.2.2:4000"));
    send_from(&mut world, alice, added, address(SERVER), b"from the new one");
    world.remove_interface((alice, address("192.0.2.1:0").ip()));
    send_from(&mut world, alice, address("192.0.2.1:4000"), address(SERVER), b"from the old one");
    send(&mut world, server, address("192.0.2.1:4000"), b"to the old one");

    type Told = Vec<(SocketAddr, Option<(u16, u16)>)>;
    let told = |world: &World<Probe>| -> Vec<Told> {
        let lists = world.node(alice).addresses.iter();
        lists.map(|(_, list)| list.iter().map(|local| (local.address, local.network)).collect()).collect()
    };
    let (one, two) =
        ((address("192.0.2.1:4000"), Some((1, 10))), (address("192.0.2.2:4000"), Some((2, 900))));
    assert_eq!(told(&world), [vec![one, two], vec![two]]);
    assert_eq!(world.node(alice).addresses[0].0, Timestamp::from_millis(1));
    assert_eq!(world.addresses(alice), [added]);
    assert_eq!(world.node(server).heard(), [b"from the new one"]);
    assert_eq!((world.dropped(Dropped::NotLocal), world.dropped(Dropped::NoRoute)), (1, 1));

    world.remove_interface(alice);
    assert_eq!(told(&world)[2], []);
}

#[test]
fn what_is_under_way_to_an_interface_that_goes_gets_lost_and_another_node_may_have_its_address() {
    let mut world = World::new(1);
    let server = public(&mut world, SERVER);
    let alice = public(&mut world, "192.0.2.1:4000");
    world.with(server, |probe, _| probe.send(address(SERVER), address("192.0.2.1:4000"), b"late"));
    world.remove_interface(alice);
    world.run_for(Duration::from_secs(1));
    assert!(world.node(alice).datagrams.is_empty());
    let heir = public(&mut world, "192.0.2.1:4000");
    send(&mut world, server, address("192.0.2.1:4000"), b"to the heir");
    assert_eq!((world.node(alice).heard(), world.node(heir).heard()), (vec![], vec![&b"to the heir"[..]]));
}

#[test]
fn a_connection_over_an_interface_that_goes_ends_for_want_of_an_answer() {
    let mut world = World::new(1);
    let (server, alice) = (public(&mut world, SERVER), public(&mut world, "192.0.2.1:0"));
    world.with(server, |probe, _| probe.outputs.push_back(Output::Listen(address(SERVER))));
    let connect = Connect::new(1, address("192.0.2.1:0"), address(SERVER));
    world.with(alice, |probe, _| probe.outputs.push_back(Output::Connect(connect)));
    world.run_for(Duration::from_secs(1));
    let path = world.node(alice).connected[0].2.unwrap();
    world.remove_interface(alice);
    world.with(alice, |probe, _| probe.outputs.push_back(Output::Write(path, "?".into())));
    world.run_for(Duration::from_secs(300));
    assert!(matches!(world.node(alice).lost[..], [(_, _, Ended::TimedOut)]));
    assert_eq!(world.node(server).lost, [], "it has not heard of it");
}

/// A host with an interface of 5 ms, and a tunnel over it of 20 ms more.
fn tunnelled() -> (World<Probe>, NodeId, NodeId, [SocketAddr; 2]) {
    let mut world = World::new(1);
    let vpn = Attachment::at(NetworkId::PUBLIC, address("203.0.113.80:4000"));
    let host = Host::new().attach(Nat::symmetric()).tunnel(vpn.link(Link::new(20 * MS).mtu(1_380)));
    let server = public(&mut world, SERVER);
    let alice = probe(&mut world, host);
    let addresses = [world.addresses(alice)[0], world.addresses(alice)[1]];
    (world, server, alice, addresses)
}

#[test]
fn a_tunnel_adds_its_latency_and_is_narrower_and_shows_its_own_address() {
    let (mut world, server, alice, [_, inner]) = tunnelled();
    for size in [1_380 - 28, 1_381 - 28] {
        send_from(&mut world, alice, inner, address(SERVER), &vec![0; size]);
    }
    world.run_for(20 * MS);
    send(&mut world, server, inner, b"back");
    world.run_for(20 * MS);
    let heard = &world.node(server).datagrams;
    assert_eq!(
        heard.iter().map(|(at, path, _)| (*at, path.remote())).collect::<Vec<_>>(),
        [(Timestamp::from_millis(20 + 5 + 5), inner)]
    );
    assert_eq!(world.dropped(Dropped::TooLong), 1);
    // Sent at 60 ms.
    assert_eq!(world.node(alice).datagrams[0].0, Timestamp::from_millis(60 + 30));
}

#[test]
fn a_tunnel_goes_down_with_what_carries_it_and_not_the_other_way_round() {
    let (mut world, server, alice, [outer, inner]) = tunnelled();
    world.unplug((alice, inner.ip()));
    send_from(&mut world, alice, inner, address(SERVER), b"?");
    send_from(&mut world, alice, outer, address(SERVER), b"!");
    world.plug((alice, inner.ip()));
    world.unplug((alice, outer.ip()));
    send_from(&mut world, alice, inner, address(SERVER), b"?");
    world.plug((alice, outer.ip()));
    send_from(&mut world, alice, inner, address(SERVER), b"!");
    world.remove_interface((alice, outer.ip()));
    send_from(&mut world, alice, inner, address(SERVER), b"?");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.dropped(Dropped::Unplugged), 3);
    assert_eq!(world.node(server).heard(), [b"!", b"!"]);
}

#[test]
fn losses_and_copies_of_both_links_of_a_tunnel_count() {
    let (mut world, server, alice, [outer, inner]) = tunnelled();
    world.set_uplink((alice, outer.ip()), Link::default().duplication(1.0));
    world.set_uplink((alice, inner.ip()), Link::default().duplication(1.0));
    send_from(&mut world, alice, inner, address(SERVER), b"four");
    assert_eq!(world.node(server).heard(), [b"four"; 4]);
    world.set_uplink((alice, outer.ip()), Link::default().loss(1.0));
    send_from(&mut world, alice, inner, address(SERVER), b"none");
    assert_eq!((world.node(server).datagrams.len(), world.dropped(Dropped::Lost)), (4, 1));
}

#[test]
fn each_host_knows_link_local_addresses_by_its_own_zone() {
    let mut world = World::new(1);
    let lan = world.add_network(NetworkId::PUBLIC, Nat::symmetric());
    let alice = probe(&mut world, Host::new().address(lan, address("[fe80::1%3]:1")));
    let bob = probe(&mut world, Host::new().address(lan, address("[fe80::2%8]:2")));
    send_from(&mut world, alice, address("[fe80::1%3]:1"), address("[fe80::2]:2"), b"hello");
    assert_eq!(world.node(bob).datagrams[0].1, Path::udp(address("[fe80::2%8]:2"), address("[fe80::1%8]:1")));
}

#[test]
fn one_link_local_address_on_two_networks_is_told_apart_by_its_zone() {
    let mut world = World::new(1);
    let [red, blue] = [(); 2].map(|()| world.add_network(NetworkId::PUBLIC, Nat::symmetric()));
    let host = Host::new().address(red, address("[fe80::1%1]:1")).address(blue, address("[fe80::1%2]:1"));
    let alice = probe(&mut world, host);
    let on = |network| Host::new().address(network, address("[fe80::9%5]:9"));
    let (on_red, on_blue) = (probe(&mut world, on(red)), probe(&mut world, on(blue)));
    send_from(&mut world, alice, address("[fe80::1%1]:1"), address("[fe80::9]:9"), b"red");
    send_from(&mut world, alice, address("[fe80::1%2]:1"), address("[fe80::9]:9"), b"blue");
    assert_eq!(world.node(on_red).heard(), [b"red"]);
    assert_eq!(world.node(on_blue).heard(), [b"blue"]);
}

#[test]
fn addresses_of_the_worlds_choice_come_in_both_families() {
    let mut world = World::new(1);
    let lan = world.add_network(NetworkId::PUBLIC, Nat::port_restricted());
    let dual = probe(&mut world, Host::new().on(lan).ipv6_on(lan));
    let v6_only = probe(&mut world, Host::new().ipv6_on(NetworkId::PUBLIC));
    let [v4, v6] = world.addresses(dual) else { panic!("one of each family") };
    let (v4, v6) = (*v4, *v6);
    assert!(v4.is_ipv4() && v6.is_ipv6());
    let to = world.address(v6_only);
    send_from(&mut world, dual, v6, to, b"hello");
    assert_eq!(world.node(v6_only).sources(), [v6]);
    send_from(&mut world, dual, v4, to, b"no way from one family to the other");
    assert_eq!(world.node(v6_only).datagrams.len(), 1);
}

fn resolve(world: &mut World<Probe>, node: NodeId, id: u64, name: &str) {
    world.with(node, |probe, _| probe.outputs.push_back(Output::Resolve(id, name.into())));
}

#[test]
fn names_of_neighbours_and_names_of_everybody() {
    let mut world = World::new(1);
    let lan = world.add_network(NetworkId::PUBLIC, Nat::symmetric());
    let (alice, bob) = (probe(&mut world, lan), probe(&mut world, lan));
    let stranger = public(&mut world, SERVER);
    let ip = world.address(bob).ip();
    world.publish(bob, "bob.local", ip);
    world.publish(stranger, "turn.example.org", address(SERVER).ip());
    for node in [alice, stranger] {
        for (id, name) in
            ["BOB.local", "turn.example.org", "nobody.local", "nobody.example.org"].iter().enumerate()
        {
            resolve(&mut world, node, id as u64, name);
        }
    }
    world.run_for(Duration::from_secs(60));
    let at = Timestamp::from_millis(20);
    let server = Some(address(SERVER).ip());
    assert_eq!(world.node(alice).resolved, [(at, 0, Some(ip)), (at, 1, server), (at, 3, None)]);
    assert_eq!(world.node(stranger).resolved, [(at, 1, server), (at, 3, None)]);
}

#[test]
fn answers_for_names_take_their_time_or_never_come() {
    let mut world = World::new(1);
    let alice = public(&mut world, SERVER);
    world.publish(alice, "alice.local", address(SERVER).ip());
    world.set_resolution(Resolution::after(700 * MS));
    resolve(&mut world, alice, 1, "alice.local");
    world.run_for(Duration::from_secs(1));
    world.set_resolution(Resolution::never());
    resolve(&mut world, alice, 2, "alice.local");
    world.run_for(Duration::from_secs(60));
    world.set_resolution(Resolution::default());
    world.withdraw("alice.local");
    resolve(&mut world, alice, 3, "alice.local");
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.node(alice).resolved, [(Timestamp::from_millis(700), 1, Some(address(SERVER).ip()))]);
}

#[test]
fn hosts_can_be_told_what_their_networks_cost_from_the_start() {
    let mut world: World<Probe> = World::new(1);
    let mut seen = Vec::new();
    let host = Host::new().attach(Attachment::on(NetworkId::PUBLIC).network(4, 50)).on(NetworkId::PUBLIC);
    let alice = world.add_host(host, |_, _, locals: &[LocalAddress]| {
        seen.extend(locals.iter().map(|local| local.network));
        Probe::default()
    });
    assert_eq!(seen, [Some((4, 50)), None]);
    assert_eq!(world.local_addresses(alice).len(), 2);
}
