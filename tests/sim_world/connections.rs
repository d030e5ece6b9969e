//! Connections over TCP: opened or not, reliable and in order, cut anywhere, ended in every way.

use core::cell::RefCell;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;
use std::rc::Rc;

use floe::sim::{
    Connect, ConnectError, Dropped, Ended, Host, Link, LocalAddress, Nat, NetworkId, Node, NodeId, Output,
    World,
};
use floe::{Path, Timestamp, Transport};

use super::probe::{Probe, address, probe, public};

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SERVER: &str = "198.51.100.1:443";

/// A server that listens, and somebody who does not know it yet. Every way takes 10 ms.
pub(super) fn world(client: impl Into<Host>) -> (World<Probe>, NodeId, NodeId) {
    let mut world = World::new(3);
    let server = public(&mut world, SERVER);
    let client = probe(&mut world, client);
    world.with(server, |probe, _| probe.outputs.push_back(Output::Listen(address(SERVER))));
    (world, client, server)
}

pub(super) fn connect(world: &mut World<Probe>, from: NodeId, to: &str) {
    let local = SocketAddr::new(world.address(from).ip(), 0);
    let connect = Connect::new(7, local, address(to));
    world.with(from, |probe, _| probe.outputs.push_back(Output::Connect(connect)));
}

/// Connects, and returns the path as the client and as the server see it.
pub(super) fn connected(world: &mut World<Probe>, client: NodeId, server: NodeId) -> (Path, Path) {
    connect(world, client, SERVER);
    world.run_for(20 * MS + 20 * MS);
    let outcome = world.node(client).connected.last().expect("an outcome").2;
    (outcome.expect("a connection"), world.node(server).accepted.last().expect("accepted").1)
}

pub(super) fn write(world: &mut World<Probe>, from: NodeId, path: Path, bytes: &[u8]) {
    world.with(from, |probe, _| probe.outputs.push_back(Output::Write(path, bytes.to_vec().into())));
}

fn disconnect(world: &mut World<Probe>, from: NodeId, path: Path) {
    world.with(from, |probe, _| probe.outputs.push_back(Output::Disconnect(path)));
}

#[test]
fn a_connection_is_there_after_a_round_trip_and_at_the_far_end_after_another_half() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    connect(&mut world, client, SERVER);
    world.run_for(Duration::from_secs(1));
    let (at, id, outcome) = world.node(client).connected[0];
    let path = outcome.unwrap();
    assert_eq!((at, id), (Timestamp::from_millis(20), 7));
    assert_eq!((path.transport(), path.remote()), (Transport::Tcp, address(SERVER)));
    assert_eq!(path.local().ip(), world.address(client).ip());
    assert_ne!(path.local().port(), 0);
    let mirrored = Path::new(Transport::Tcp, path.remote(), path.local());
    assert_eq!(world.node(server).accepted, [(Timestamp::from_millis(30), mirrored)]);

    // What is written at once arrives right behind the last packet of the handshake.
    world.set_read_splitting(false);
    write(&mut world, client, path, b"hello");
    write(&mut world, server, mirrored, b"welcome");
    world.run_for(Duration::from_secs(1));
    let at = Timestamp::from_millis(1_010);
    assert_eq!(world.node(server).reads, [(at, mirrored, b"hello".to_vec())]);
    assert_eq!(world.node(client).reads, [(at, path, b"welcome".to_vec())]);
}

#[test]
fn two_connections_have_two_ports_and_one_path_is_connected_once() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    let (one, _) = connected(&mut world, client, server);
    let (two, _) = connected(&mut world, client, server);
    assert_ne!(one.local(), two.local());
    let again = Connect::new(9, one.local(), one.remote());
    world.with(client, |probe, _| probe.outputs.push_back(Output::Connect(again)));
    world.run_for(MS);
    assert_eq!(world.node(client).connected[2].2, Err(ConnectError::Unreachable));
}

#[test]
fn where_nobody_listens_a_connection_is_refused_after_a_round_trip() {
    let (mut world, client, _) = world(NetworkId::PUBLIC);
    connect(&mut world, client, "198.51.100.1:80");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.node(client).connected, [(Timestamp::from_millis(20), 7, Err(ConnectError::Refused))]);
}

#[test]
fn where_nobody_is_a_connection_times_out_when_its_opener_has_no_more_patience() {
    let (mut world, client, _) = world(NetworkId::PUBLIC);
    connect(&mut world, client, "198.51.100.99:80");
    let local = SocketAddr::new(world.address(client).ip(), 0);
    let hasty = Connect::new(8, local, address("198.51.100.99:80")).give_up_at(Timestamp::from_millis(5_000));
    world.with(client, |probe, _| probe.outputs.push_back(Output::Connect(hasty)));
    world.run_for(Duration::from_secs(200));
    let timed_out = |at, id| (Timestamp::from_millis(at), id, Err(ConnectError::TimedOut));
    assert_eq!(world.node(client).connected, [timed_out(5_000, 8), timed_out(127_000, 7)]);
}

#[test]
fn from_an_address_that_is_not_its_own_or_unplugged_a_node_connects_to_nobody() {
    let (mut world, client, _) = world(NetworkId::PUBLIC);
    let foreign = Connect::new(1, address("192.0.2.99:0"), address(SERVER));
    world.with(client, |probe, _| probe.outputs.push_back(Output::Connect(foreign)));
    world.unplug(client);
    connect(&mut world, client, SERVER);
    world.run_for(MS);
    let unreachable = |id| (Timestamp::ZERO, id, Err(ConnectError::Unreachable));
    assert_eq!(world.node(client).connected, [unreachable(1), unreachable(7)]);
}

#[test]
fn a_lost_opening_packet_is_sent_again_after_one_second_and_then_two() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    world.unplug(server);
    connect(&mut world, client, SERVER);
    world.run_for(2_500 * MS);
    assert_eq!(world.dropped(Dropped::Unplugged), 2, "at 10 ms and at 1020 ms");
    world.plug(server);
    world.run_for(Duration::from_secs(1));
    // Tried at 0, at 10 + 1000, and 10 ms after that plus 2000; a round trip later it is there.
    assert_eq!(world.node(client).connected[0].0, Timestamp::from_millis(3_020 + 20));
}

/// What arrives of 200 numbers that are written a millisecond apart, and when the last one does.
fn numbers(client: Link) -> (Vec<u8>, Timestamp) {
    let (mut world, opener, server) = world(NetworkId::PUBLIC);
    let (path, _) = connected(&mut world, opener, server);
    world.set_link(opener, client);
    for number in 0..200 {
        write(&mut world, opener, path, &[number]);
        world.run_for(MS);
    }
    world.run_for(Duration::from_secs(60));
    (world.node(server).stream(), world.node(server).reads.last().unwrap().0)
}

#[test]
fn whatever_links_lose_double_and_reorder_the_stream_arrives_whole_and_in_order() {
    let all: Vec<u8> = (0..200).collect();
    let (clean, clean_at) = numbers(Link::new(5 * MS));
    let bad = Link::new(5 * MS).jitter(30 * MS).loss(0.2).duplication(0.2).reordering(0.1, 50 * MS);
    let (torn, torn_at) = numbers(bad);
    assert_eq!((clean, torn), (all.clone(), all));
    // Connected at 40 ms; the last is written 199 ms later; of one in five, the loss costs 200 ms or more.
    assert!(clean_at <= Timestamp::from_millis(239 + 10 + 1), "{clean_at:?}");
    assert!(torn_at >= Timestamp::from_millis(239 + 10 + 100), "{torn_at:?}");
}

#[test]
fn reads_end_anywhere_and_are_the_same_for_the_same_seed() {
    let reads = |splitting| {
        let (mut world, client, server) = world(NetworkId::PUBLIC);
        world.set_read_splitting(splitting);
        let (path, _) = connected(&mut world, client, server);
        for number in 0..100 {
            write(&mut world, client, path, &[number; 10]);
            world.run_for(Duration::from_micros(300));
        }
        world.run_for(Duration::from_secs(1));
        assert!(world.node(server).stream().chunks(10).eq((0..100).map(|number| [number; 10])));
        world.node(server).reads.iter().map(|(_, _, bytes)| bytes.len()).collect::<Vec<_>>()
    };
    assert_eq!(reads(false), [10; 100]);
    let split = reads(true);
    assert!(split.iter().any(|len| *len < 10), "cut");
    assert!(split.iter().any(|len| *len > 10), "joined");
    assert_eq!(split, reads(true));
}

#[test]
fn closing_lets_everything_arrive_that_was_written() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    let (path, mirrored) = connected(&mut world, client, server);
    world.set_link(client, Link::new(5 * MS).loss(0.5));
    (0..20).for_each(|number| write(&mut world, client, path, &[number]));
    disconnect(&mut world, client, path);
    write(&mut world, client, path, b"too late");
    world.run_for(Duration::from_secs(60));
    assert!(world.node(server).stream().into_iter().eq(0..20));
    assert!(matches!(world.node(server).lost[..], [(_, lost, Ended::Closed)] if lost == mirrored));
    assert_eq!(world.node(client).lost, []);
    assert_eq!(world.dropped(Dropped::NotConnected), 1);
}

#[test]
fn connections_and_their_bytes_are_counted() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    connect(&mut world, client, SERVER);
    assert_eq!(world.connections(client).count(), 0, "not yet");
    world.run_for(25 * MS);
    let path = world.connections(client).next().expect("one");
    assert_eq!(world.connections(server).count(), 0, "not there yet");
    world.run_for(25 * MS);
    assert_eq!(world.connections(server).count(), 1);
    write(&mut world, client, path, b"hello");
    world.run_for(25 * MS);
    let counters = [client, server].map(|node| world.counters(node));
    assert_eq!(counters.map(|counted| (counted.written_bytes, counted.read_bytes)), [(5, 0), (0, 5)]);
    disconnect(&mut world, client, path);
    assert_eq!((world.connections(client).count(), world.connections(server).count()), (0, 1));
    world.run_for(25 * MS);
    assert_eq!(world.connections(server).count(), 0);
}

#[test]
fn a_reset_reaches_both_ends() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    let (path, mirrored) = connected(&mut world, client, server);
    let now = world.now();
    world.reset_connections(client);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.node(client).lost, [(now, path, Ended::Reset)]);
    assert_eq!(world.node(server).lost, [(now + 10 * MS, mirrored, Ended::Reset)]);
}

#[test]
fn a_peer_that_has_forgotten_a_connection_says_so_when_it_is_written_to() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    let (_, mirrored) = connected(&mut world, client, server);
    world.forget_connections(client);
    world.run_for(Duration::from_secs(3600));
    assert!(world.node(server).lost.is_empty(), "half open");
    let now = world.now();
    write(&mut world, server, mirrored, b"?");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.node(server).lost, [(now + 20 * MS, mirrored, Ended::Reset)]);
}

#[test]
fn a_peer_that_is_gone_without_a_word_is_noticed_by_who_writes_to_it() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    let (_, mirrored) = connected(&mut world, client, server);
    world.unplug(client);
    world.run_for(Duration::from_secs(3600));
    assert!(world.node(server).lost.is_empty(), "half open");
    write(&mut world, server, mirrored, b"?");
    world.run_for(Duration::from_secs(99));
    assert!(world.node(server).lost.is_empty());
    world.run_for(Duration::from_secs(60));
    // Turned away 10 ms after each try; the waits are 1, 2, 4, 8, 16, 32 and 60 s, and after the last 100 s are over.
    let (at, _, how) = world.node(server).lost[0];
    assert_eq!(how, Ended::TimedOut);
    assert_eq!(at.saturating_since(Timestamp::from_millis(3_600_040)), 123_000 * MS + 7 * 10 * MS);
}

#[test]
fn what_was_written_to_an_unplugged_peer_arrives_when_it_is_back() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    let (path, mirrored) = connected(&mut world, client, server);
    world.unplug(client);
    for number in 0..10 {
        write(&mut world, server, mirrored, &[number]);
        world.run_for(300 * MS);
    }
    world.plug(client);
    write(&mut world, client, path, b"back");
    world.run_for(Duration::from_secs(10));
    assert!(world.node(client).stream().into_iter().eq(0..10));
    assert_eq!(world.node(server).stream(), b"back");
    assert_eq!((world.node(client).lost.len(), world.node(server).lost.len()), (0, 0));
}

#[test]
fn patience_starts_anew_with_every_outage() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    let (_, mirrored) = connected(&mut world, client, server);
    for _ in 0..3 {
        world.unplug(client);
        write(&mut world, server, mirrored, b"?");
        world.run_for(Duration::from_secs(62));
        world.plug(client);
        world.run_for(Duration::from_secs(62));
    }
    assert_eq!((world.node(client).stream(), world.node(server).lost.len()), (b"???".to_vec(), 0));
}

#[test]
fn what_the_network_holds_back_is_read_before_the_end_is() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    for _ in 0..50 {
        let (path, _) = connected(&mut world, client, server);
        write(&mut world, client, path, b"the last words");
        disconnect(&mut world, client, path);
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.node(server).stream().len(), 50 * b"the last words".len());
    assert_eq!(world.node(server).lost.len(), 50);
}

#[test]
fn a_slow_link_carries_a_stream_at_its_rate() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    let (path, _) = connected(&mut world, client, server);
    world.set_read_splitting(false);
    // 40 bytes of headers and 960 of content in every millisecond.
    world.set_link(client, Link::new(5 * MS).rate(8_000_000, 0));
    let start = world.now();
    (0..5).for_each(|number| write(&mut world, client, path, &[number; 960]));
    world.run_for(Duration::from_secs(1));
    let arrivals: Vec<_> =
        world.node(server).reads.iter().map(|(at, ..)| at.saturating_since(start).as_millis()).collect();
    assert_eq!(arrivals, [11, 12, 13, 14, 15]);
}

#[test]
fn a_connection_shows_in_the_trace() {
    let (mut world, client, server) = world(NetworkId::PUBLIC);
    world.set_read_splitting(false);
    let (path, _) = connected(&mut world, client, server);
    write(&mut world, client, path, b"hello");
    disconnect(&mut world, client, path);
    world.run_for(Duration::from_secs(1));
    let text = world.trace().to_string();
    let lines: Vec<&str> =
        text.lines().map(str::trim_start).filter(|line| !line.ends_with("command")).collect();
    let expected = [
        "0.000000 n1 198.18.0.1:0 connects to 198.51.100.1:443",
        "0.020000 n1 198.18.0.1:32768 connected to 198.51.100.1:443",
        "0.030000 n0 198.51.100.1:443 accepts 198.18.0.1:32768",
        "0.040000 n1 198.18.0.1:32768 => 198.51.100.1:443 5 bytes",
        "0.040000 n1 198.18.0.1:32768 closes 198.51.100.1:443",
        "0.050000 n0 198.51.100.1:443 <= 198.18.0.1:32768 5 bytes",
        "0.050000 n0 198.51.100.1:443 lost 198.18.0.1:32768: Closed",
    ];
    assert_eq!(lines, expected);
}

/// Notes what it is called with, for several to share.
struct Noting(Rc<RefCell<Vec<&'static str>>>, VecDeque<Output>);

impl Node for Noting {
    fn handle_datagram(&mut self, _: Timestamp, _: Path, _: &[u8]) {
        self.0.borrow_mut().push("datagram");
    }

    fn handle_timeout(&mut self, _: Timestamp) {}

    fn poll_output(&mut self) -> Option<Output> {
        self.1.pop_front()
    }

    fn deadline(&self) -> Option<Timestamp> {
        None
    }

    fn handle_addresses(&mut self, _: Timestamp, _: &[LocalAddress]) {
        self.0.borrow_mut().push("addresses");
    }

    fn handle_connect(&mut self, _: Timestamp, _: u64, outcome: Result<Path, ConnectError>) {
        self.0.borrow_mut().push("connect");
        self.1.push_back(Output::Write(outcome.unwrap(), "hello".into()));
    }

    fn handle_accept(&mut self, _: Timestamp, _: Path) {
        self.0.borrow_mut().push("accept");
    }

    fn handle_bytes(&mut self, _: Timestamp, path: Path, _: &[u8]) {
        self.0.borrow_mut().push("bytes");
        self.1.push_back(Output::Disconnect(path));
    }

    fn handle_disconnect(&mut self, _: Timestamp, _: Path, _: Ended) {
        self.0.borrow_mut().push("disconnect");
    }

    fn handle_resolved(&mut self, _: Timestamp, _: u64, _: Option<IpAddr>) {
        self.0.borrow_mut().push("resolved");
    }
}

#[test]
fn boxed_nodes_of_any_kind_have_all_of_a_network() {
    let notes = Rc::new(RefCell::new(Vec::new()));
    let mut world: World<Box<dyn Node>> = World::new(1);
    world.set_read_splitting(false);
    let node = |outputs: Vec<Output>| -> Box<dyn Node> { Box::new(Noting(notes.clone(), outputs.into())) };
    let host = |at| Host::new().address(NetworkId::PUBLIC, address(at));
    let server = world.add_node(host(SERVER), |_, _, _| node(vec![Output::Listen(address(SERVER))]));
    let connect = Connect::new(1, address("198.51.100.2:0"), address(SERVER));
    world.add_node(host("198.51.100.2:1"), |_, _, _| node(vec![Output::Connect(connect)]));
    world.run_for(Duration::from_secs(1));
    world.with(server, |_, _| ());
    world.add_interface(server, NetworkId::PUBLIC);
    let resolving = node(vec![Output::Resolve(1, "example.org".into())]);
    world.add_node(NetworkId::PUBLIC, |_, _, _| resolving);
    world.run_for(Duration::from_secs(1));
    assert_eq!(*notes.borrow(), ["connect", "accept", "bytes", "disconnect", "addresses", "resolved"]);
}

/// Forty worlds with bad links, outages, sleep and forgetful translators: what is read is what was written, from the
/// beginning and without a gap, and all of it unless an end was told that the connection is over.
#[test]
fn a_stream_is_whole_or_its_end_is_told() {
    let mut whole = 0;
    for seed in 0..40_u64 {
        let mut world = World::new(seed);
        let server = public(&mut world, SERVER);
        let nat = [Nat::none(), Nat::symmetric(), Nat::full_cone(), Nat::none().without_udp()]
            [seed as usize % 4]
            .clone();
        let client = probe(&mut world, nat);
        world.with(server, |probe, _| probe.outputs.push_back(Output::Listen(address(SERVER))));
        let (path, mirrored) = connected(&mut world, client, server);
        let mut draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut chance = |most: u64| {
            draw ^= draw << 13;
            draw ^= draw >> 7;
            draw ^= draw << 17;
            draw % most
        };
        let bad = Link::new(20 * MS).jitter(50 * MS).loss(chance(30) as f64 / 100.0).reordering(0.1, 90 * MS);
        world.set_link(client, if seed % 3 == 0 { bad.rate(40_000, 2_000) } else { bad });
        let (mut up, mut down) = (0_u8, 0_u8);
        for _ in 0..120 {
            match chance(24) {
                0 => world.unplug(client),
                1..=5 => world.plug(client),
                6 => world.suspend(server, Duration::from_millis(chance(40_000))),
                7 if chance(30) == 0 => world.forget_mappings(world.network(client)),
                8 if chance(30) == 0 && world.network(client) != NetworkId::PUBLIC => {
                    world.reboot(world.network(client));
                }
                9 if chance(30) == 0 => world.forget_connections(client),
                _ => {}
            }
            write(&mut world, client, path, &[up]);
            up += 1;
            if !world.is_suspended(server) {
                write(&mut world, server, mirrored, &[down]);
                down += 1;
            }
            world.run_for(Duration::from_millis(chance(3_000)));
        }
        world.plug(client);
        world.run_for(Duration::from_secs(200));
        // Whoever is forgotten learns of it when he writes.
        write(&mut world, client, path, &[up]);
        write(&mut world, server, mirrored, &[down]);
        world.run_for(Duration::from_secs(1_000));
        let (up, down) = (up + 1, down + 1);
        for (reader, written) in [(server, up), (client, down)] {
            let stream = world.node(reader).stream();
            assert!(stream.iter().copied().eq(0..stream.len() as u8), "{seed}: {stream:?}");
            let is_whole = stream.len() == usize::from(written);
            let told = [client, server].iter().any(|node| !world.node(*node).lost.is_empty());
            assert!(is_whole || told, "{seed}: {} of {written}", stream.len());
            whole += usize::from(is_whole && !told);
        }
    }
    assert!((20..70).contains(&whole), "both happen: {whole}");
}
