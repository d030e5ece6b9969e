//! What a relay costs: data wrapped and unwrapped, beside the header alone.

mod support;

use core::time::Duration;
use std::hint::black_box;

use floe::ice::Role;
use floe::sim::{Nat, NetworkId, Peer, TurnServer, World};
use floe::turn::{ChannelData, ChannelNumber};
use floe::{Config, Received, Server, Transport};
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

    let (mut world, alice) = relayed();
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
}

fn framed(number: ChannelNumber) -> Vec<u8> {
    let mut out = Vec::new();
    ChannelData::new(number, &PAYLOAD).expect("short enough").encode(Transport::Udp, &mut out);
    out
}

/// Two ends that reach each other by a relay of Alice's alone, a channel bound.
fn relayed() -> (World<Peer>, floe::sim::NodeId) {
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
    (world, alice)
}
