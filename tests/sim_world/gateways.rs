//! Connections over TCP through translators and firewalls.

use core::net::SocketAddr;
use core::time::Duration;

use floe::Timestamp;
use floe::sim::{Connect, ConnectError, Dependence, Ended, Nat, NetworkId, Output, World};

use super::connections::{SERVER, connect, connected, world, write};
use super::probe::{Probe, address, probe, public};

#[test]
fn a_firewall_that_has_forgotten_a_connection_does_not_take_another_for_it() {
    let nat = Nat::firewall(Dependence::AddressDependent).tcp_lifetime(Duration::from_secs(60));
    let (mut world, client, server) = world(nat);
    let own = SocketAddr::new(world.address(client).ip(), 5000);
    let second: SocketAddr = address("198.51.100.1:444");
    world.with(server, |probe, _| probe.outputs.push_back(Output::Listen(second)));
    let mut paths = Vec::new();
    for remote in [address(SERVER), second] {
        world.run_for(Duration::from_secs(50));
        world.with(client, |probe, _| {
            probe.outputs.push_back(Output::Connect(Connect::new(1, own, remote)));
        });
        world.run_for(Duration::from_secs(1));
        paths.push(world.node(server).accepted.last().unwrap().1);
    }
    // Of the two from one port the first was last used 71 s ago.
    world.run_for(Duration::from_secs(20));
    paths.iter().for_each(|path| write(&mut world, server, *path, b"?"));
    world.run_for(Duration::from_secs(200));
    let read: Vec<_> = world.node(client).reads.iter().map(|(_, path, _)| path.remote()).collect();
    assert_eq!(read, [second]);
    assert!(matches!(world.node(server).lost[..], [(_, path, Ended::TimedOut)] if path == paths[0]));
}

#[test]
fn connections_pass_translators_and_nobody_else_gets_in_there() {
    let carrier = |world: &mut World<Probe>| {
        let carrier = world.add_network(NetworkId::PUBLIC, Nat::symmetric());
        world.add_network(carrier, Nat::port_restricted())
    };
    let mut world = World::new(3);
    let server = public(&mut world, SERVER);
    world.with(server, |probe, _| probe.outputs.push_back(Output::Listen(address(SERVER))));
    let home = carrier(&mut world);
    let client = probe(&mut world, home);
    let (path, mirrored) = connected(&mut world, client, server);
    assert_ne!(mirrored.remote().ip(), path.local().ip());
    write(&mut world, client, path, b"hello");
    write(&mut world, server, mirrored, b"welcome");
    world.run_for(Duration::from_secs(1));
    assert_eq!(
        (world.node(server).stream(), world.node(client).stream()),
        (b"hello".to_vec(), b"welcome".to_vec())
    );

    let stranger = public(&mut world, "198.51.100.2:1");
    let mapped = mirrored.remote().to_string();
    world.with(client, |probe, _| probe.outputs.push_back(Output::Listen(path.local())));
    connect(&mut world, stranger, &mapped);
    world.run_for(Duration::from_secs(200));
    assert_eq!(world.node(stranger).connected[0].2, Err(ConnectError::TimedOut));
    assert_eq!(world.node(client).accepted, []);
}

#[test]
fn a_connection_does_not_outlive_the_mapping_that_it_passes() {
    let mut silence = Vec::new();
    for (nat, idle) in [
        (Nat::port_restricted(), 3600),
        (Nat::port_restricted().tcp_lifetime(Duration::from_secs(60)), 3600),
        (Nat::firewall(Dependence::EndpointIndependent).tcp_lifetime(Duration::from_secs(60)), 3600),
        (Nat::port_restricted().tcp_lifetime(Duration::from_secs(60)), 50),
    ] {
        let (mut world, client, server) = world(nat);
        let (path, _) = connected(&mut world, client, server);
        world.run_for(Duration::from_secs(idle));
        write(&mut world, client, path, b"still there?");
        world.run_for(Duration::from_secs(200));
        silence.push((world.node(server).stream().len(), world.node(client).lost.first().map(|lost| lost.2)));
    }
    let (heard, lost) = ((12, None), (0, Some(Ended::TimedOut)));
    assert_eq!(silence, [heard, lost, lost, heard]);
}

#[test]
fn a_rebooted_translator_ends_the_connections_through_it() {
    let (mut world, client, server) = world(Nat::full_cone());
    let (path, mirrored) = connected(&mut world, client, server);
    world.reboot(world.network(client));
    write(&mut world, client, path, b"?");
    write(&mut world, server, mirrored, b"?");
    world.run_for(Duration::from_secs(200));
    for node in [client, server] {
        assert!(matches!(world.node(node).lost[..], [(_, _, Ended::TimedOut)]));
    }
}

/// What comes of a connection to the server's port 443 from behind `nat`, and of one to a host behind it.
fn through(nat: Nat) -> [Result<u64, ConnectError>; 2] {
    let (mut world, inside, outside) = world(nat);
    connect(&mut world, inside, SERVER);
    world.run_for(Duration::from_secs(200));
    let own = SocketAddr::new(world.address(inside).ip(), 443);
    world.with(inside, |probe, _| probe.outputs.push_back(Output::Listen(own)));
    let started = world.now();
    connect(&mut world, outside, &own.to_string());
    world.run_for(Duration::from_secs(200));
    let outcome = |node, since: Timestamp| {
        let (at, _, outcome) = world.node(node).connected[0];
        outcome.map(|_| at.saturating_since(since).as_millis() as u64)
    };
    [outcome(inside, Timestamp::ZERO), outcome(outside, started)]
}

#[test]
fn firewalls_let_connections_out_to_some_ports_and_none_in() {
    let (open, timed_out, refused) = (Ok(20), Err(ConnectError::TimedOut), Err(ConnectError::Refused));
    let table = [
        (Nat::none(), [open, open]),
        (Nat::none().without_udp(), [open, open]),
        (Nat::none().without_incoming_tcp(), [open, timed_out]),
        (Nat::none().without_incoming_tcp().rejecting(true), [open, refused]),
        (Nat::none().tcp_ports(&[443, 80]), [open, open]),
        (Nat::none().tcp_ports(&[80]), [timed_out, open]),
        (Nat::none().tcp_ports(&[]).rejecting(true), [refused, open]),
        (Nat::firewall(Dependence::AddressAndPortDependent), [open, timed_out]),
        (Nat::firewall(Dependence::AddressAndPortDependent).tcp_ports(&[443]), [open, timed_out]),
        (Nat::symmetric().tcp_ports(&[443]).without_udp(), [open, timed_out]),
        (Nat::symmetric().tcp_ports(&[80]).without_udp(), [timed_out, timed_out]),
    ];
    for (nat, expected) in table {
        assert_eq!(through(nat.clone()), expected, "{nat:?}");
    }
}

#[test]
fn an_address_dependent_firewall_lets_in_connections_from_whom_it_has_seen_spoken_to() {
    let (mut world, inside, outside) = world(Nat::firewall(Dependence::AddressDependent));
    let own = SocketAddr::new(world.address(inside).ip(), 5000);
    world.with(inside, |probe, _| {
        probe.outputs.push_back(Output::Listen(own));
        probe.outputs.push_back(Output::Connect(Connect::new(1, own, address(SERVER))));
    });
    world.run_for(Duration::from_secs(1));
    connect(&mut world, outside, &own.to_string());
    world.run_for(Duration::from_secs(1));
    assert!(world.node(outside).connected[0].2.is_ok());
    let [(_, path)] = world.node(inside).accepted[..] else { panic!("one connection came in") };
    write(&mut world, inside, path, b"back through what let it in");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.node(outside).stream(), b"back through what let it in");
}
