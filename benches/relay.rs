//! What a relay costs: data wrapped and unwrapped, beside the header alone.

mod support;

use core::net::SocketAddr;
use core::time::Duration;
use std::hint::black_box;

use floe::ice::Role;
use floe::sim::{self, Nat, NetworkId, Node, Peer, TurnServer, World};
use floe::stun::{Builder, LongTerm, Method};
use floe::turn::{self, ChannelData, ChannelNumber, Client, Data, XorPeerAddress};
use floe::{Config, Path, Received, Seed, Server, Timestamp, Transport};
use support::Table;

const PAYLOAD: [u8; 1_200] = [0x80; 1_200];

fn main() {
    let table = Table::from_args();
    let mut out = Vec::with_capacity(2_048);
    let number = ChannelNumber::MIN;

    table.case("ChannelData: wrap, the header alone", || {
        out.clear();
        out.extend_from_slice(&number.header(1_200));
        out.extend_from_slice(black_box(&PAYLOAD));
    });
    let framed = framed(number);
    table.case("ChannelData: unwrap, the header alone", || {
        ChannelData::parse(black_box(&framed)).map(|data| data.payload().len())
    });

    let (mut client, peer) = allocated();
    let now = Timestamp::from_millis(1_000);
    let (path, route) = (client.path(), client.route(peer).expect("a permission"));
    let indication = indication(peer);
    table.case("client: wrap in a Send indication", || {
        out.clear();
        route.encode(black_box(&PAYLOAD), &mut out);
    });
    table.case("client: unwrap a Data indication", || {
        let received = client.handle_datagram(now, path, black_box(&indication));
        assert!(matches!(received, turn::Received::Data { payload, .. } if payload.len() == 1_200));
    });

    let (mut world, alice, bob) = relayed();
    world.with(alice, |peer, now| {
        let stream = peer.stream();
        let route = peer.agent().route(stream.component(1)).expect("a relayed pair");
        let header = route.header(PAYLOAD.len());
        let number: [u8; 2] = header.as_ref()[..2].try_into().expect("a channel");
        let framed = [&number[..], &1_200_u16.to_be_bytes(), &PAYLOAD].concat();
        table.case("agent: ask for the route", || peer.agent().route(stream.component(1)));
        table.case("agent: wrap 1200 bytes for the relay", || {
            out.clear();
            route.encode(black_box(&PAYLOAD), &mut out);
        });
        table.case("agent: unwrap 1200 bytes from the relay", || {
            let received = peer.agent_mut().handle_datagram(now, route.path(), black_box(&framed));
            assert!(matches!(received, Received::Data { payload, .. } if payload.len() == 1_200));
        });
    });
    world.with(bob, |peer, now| {
        let path = peer.agent().route(peer.stream().component(1)).expect("a pair").path();
        table.case("agent: hand up 1200 bytes that come directly", || {
            let received = peer.agent_mut().handle_datagram(now, path, black_box(&PAYLOAD));
            assert!(matches!(received, Received::Data { payload, .. } if payload.len() == 1_200));
        });
    });
}

fn framed(number: ChannelNumber) -> Vec<u8> {
    let mut out = Vec::new();
    ChannelData::new(number, &PAYLOAD).expect("short enough").encode(Transport::Udp, &mut out);
    out
}

/// A client with a permission for one peer, and no channel to it.
fn allocated() -> (Client, SocketAddr) {
    let (local, remote) = (address("192.0.2.1:1000"), address("203.0.113.1:3478"));
    let peer = address("198.51.100.1:2000");
    let mut server = TurnServer::new("example.org").user("alice", "secret").at(&[remote]);
    let credential = LongTerm::new("alice", "secret").expect("credentials");
    let path = Path::udp(local, remote);
    let mut client = Client::new(turn::Config::new(credential), path, Seed::from([1; 32]));
    client.allocate(Timestamp::ZERO).expect("a new client");
    client.permit(Timestamp::ZERO, peer.ip()).expect("an address");
    while let Some(output) = client.poll_output() {
        let turn::Output::Transmit(sent) = output else { continue };
        server.handle_datagram(Timestamp::ZERO, Path::udp(remote, local), &sent.payload);
        while let Some(sim::Output::Transmit(_, answer)) = server.poll_output() {
            let _ = client.handle_datagram(Timestamp::ZERO, path, &answer);
        }
    }
    (client, peer)
}

/// What the server makes of 1200 bytes of a peer.
fn indication(peer: SocketAddr) -> Vec<u8> {
    let mut out = Vec::new();
    Builder::indication(&mut out, Method::DATA, [7; 12].into())
        .attribute(&XorPeerAddress(peer))
        .attribute(&Data(&PAYLOAD));
    out
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Two ends that reach each other by a relay of Alice's alone, a channel bound.
fn relayed() -> (World<Peer>, sim::NodeId, sim::NodeId) {
    let mut world = World::new(1);
    let server =
        world.add_turn_server(NetworkId::PUBLIC, TurnServer::new("example.org").user("alice", "secret"));
    let server = world.address(server);
    let mut join = |role, config: Config, nat: Nat| {
        let seed = world.seed_for(u64::from(role == Role::Controlling));
        world.add_node(nat, move |_, now, addresses| {
            let mut peer = Peer::with_components(now, config, role, seed, 1);
            peer.agent_mut().add_server(now, Server::turn(server, "alice", "secret")).expect("a server");
            assert!(peer.add_base(now, 1, addresses[0]));
            peer
        })
    };
    let alice = join(Role::Controlling, Config::new().relay_only(true), Nat::none());
    let bob = join(Role::Controlled, Config::new(), Nat::none());
    world.with(alice, |peer, now| peer.call(now, bob));
    world.with(bob, |peer, now| peer.call(now, alice));
    world.run_for(Duration::from_secs(5));
    (world, alice, bob)
}
