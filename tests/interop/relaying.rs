//! Data through the relay, in both directions.

use floe::turn::Event;

use super::client::{Client, Peer};
use super::coturn::{Coturn, V4, addresses};
use super::link::Way;

/// Every padding, and what fits into a datagram on nearly every path.
const LENGTHS: [usize; 9] = [1, 2, 3, 4, 5, 100, 1001, 1199, 1200];

#[test]
fn data_passes_byte_for_byte_over_every_transport_and_both_families() {
    let Some(server) = Coturn::start(&[]) else { return };
    for (way, ip) in Way::ALL.into_iter().flat_map(|way| addresses().map(move |ip| (way, ip))) {
        let (mut client, allocated) = Client::allocated(&server, way, ip);
        let peer = Peer::at(ip);
        client.permit(ip);
        assert!(!client.turn.route(peer.address).unwrap().is_channel(), "in Send indications");
        exchange(&mut client, &peer, allocated.relayed);
        client.bind(peer.address);
        assert!(client.turn.route(peer.address).unwrap().is_channel(), "in ChannelData");
        exchange(&mut client, &peer, allocated.relayed);
    }
}

/// What is sent before there is a permission is held until there is one.
#[test]
fn what_is_sent_too_early_arrives() {
    let Some(server) = Coturn::start(&[]) else { return };
    for way in Way::ALL {
        let (mut client, allocated) = Client::allocated(&server, way, V4);
        let peer = Peer::at(V4);
        client.turn.send(client.now(), peer.address, b"early").unwrap();
        assert_eq!(client.event(), Event::Permitted { peer: V4 }, "{way:?}");
        assert_eq!(peer.receive(), (allocated.relayed, b"early".to_vec()), "{way:?}");
    }
}

#[test]
fn strangers_do_not_pass() {
    let Some(server) = Coturn::start(&[]) else { return };
    let (mut client, allocated) = Client::allocated(&server, Way::Udp, V4);
    let (peer, stranger) = (Peer::at(V4), Peer::at("127.0.0.2".parse().unwrap()));
    client.permit(V4);
    stranger.send(allocated.relayed, b"stranger");
    peer.send(allocated.relayed, b"peer");
    assert_eq!(client.data(), (peer.address, b"peer".to_vec()));
    assert_eq!(client.quiet().1, []);
}

#[test]
fn a_peer_with_a_channel_and_one_without_are_told_apart() {
    let Some(server) = Coturn::start(&[]) else { return };
    let (mut client, allocated) = Client::allocated(&server, Way::Tcp, V4);
    let (bound, other) = (Peer::at(V4), Peer::at(V4));
    client.bind(bound.address);
    for peer in [&bound, &other, &bound] {
        client.send(peer.address, b"out");
        assert_eq!(peer.receive(), (allocated.relayed, b"out".to_vec()));
        peer.send(allocated.relayed, b"in");
        assert_eq!(client.data(), (peer.address, b"in".to_vec()));
    }
}

/// Two clients of the server reach each other, each by the other's relayed address.
#[test]
fn relay_to_relay() {
    let Some(server) = Coturn::start(&[]) else { return };
    let (mut alice, at_alice) = Client::allocated(&server, Way::Tls, V4);
    let (mut bob, at_bob) = Client::allocated(&server, Way::Dtls, V4);
    alice.bind(at_bob.relayed);
    bob.bind(at_alice.relayed);
    alice.send(at_bob.relayed, b"hello bob");
    assert_eq!(bob.data(), (at_alice.relayed, b"hello bob".to_vec()));
    bob.send(at_alice.relayed, b"hello alice");
    assert_eq!(alice.data(), (at_bob.relayed, b"hello alice".to_vec()));
}

fn exchange(client: &mut Client, peer: &Peer, relayed: std::net::SocketAddr) {
    for length in LENGTHS {
        let payload: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
        client.send(peer.address, &payload);
        assert_eq!(peer.receive(), (relayed, payload.clone()), "{:?}: {length} bytes out", client.path);
        peer.send(relayed, &payload);
        assert_eq!(client.data(), (peer.address, payload), "{:?}: {length} bytes in", client.path);
    }
}
