//! Allocations come, stay, and go.

use std::time::{Duration, Instant};

use floe::turn::{Error, Event, Failure, Families, State};

use super::client::{Client, Peer, config};
use super::coturn::{Coturn, V4, V6, addresses, has_ipv6};
use super::link::Way;

#[test]
fn addresses_are_allocated_over_every_transport_and_from_both_families() {
    let Some(server) = Coturn::start(&[]) else { return };
    for (way, ip) in Way::ALL.into_iter().flat_map(|way| addresses().map(move |ip| (way, ip))) {
        let (client, allocated) = Client::allocated(&server, way, ip);
        assert_eq!(allocated.relayed.ip(), ip, "{way:?}");
        assert_eq!(allocated.mapped, client.link.local, "{way:?}");
        assert_eq!((allocated.second, allocated.lifetime), (None, Duration::from_secs(600)), "{way:?}");
    }
}

#[test]
fn an_ipv4_client_has_an_ipv6_address_relayed_and_the_other_way_round() {
    let Some(server) = Coturn::start(&[]).filter(|_| has_ipv6()) else { return };
    for (own, relayed) in [(V4, V6), (V6, V4)] {
        let mut client = Client::connect(&server, Way::Udp, own, config(relayed));
        assert_eq!(client.allocate().relayed.ip(), relayed);
    }
}

/// coturn (4.6) knows ADDITIONAL-ADDRESS-FAMILY by the number that a draft gave it: it grants the family that it grants
/// to whoever does not say which.
#[test]
fn where_both_families_are_asked_for_the_one_that_is_granted_is_used() {
    let Some(server) = Coturn::start(&[]) else { return };
    let mut client = Client::connect(&server, Way::Udp, V4, config(V4).families(Families::Both));
    let (allocated, peer) = (client.allocate(), Peer::at(V4));
    assert_eq!((allocated.relayed.ip(), allocated.second), (V4, None));
    assert_eq!(client.turn.permit(client.now(), V6), Err(Error::Family));
    client.permit(V4);
    client.send(peer.address, b"out");
    assert_eq!(peer.receive(), (allocated.relayed, b"out".to_vec()));
}

/// The client's clock is an hour ahead at the end: allocation, permission and channel were refreshed on the way.
#[test]
fn what_is_refreshed_lasts() {
    let Some(server) = Coturn::start(&[]) else { return };
    for way in [Way::Udp, Way::Tls] {
        let (mut client, allocated) = Client::allocated(&server, way, V4);
        let (peer, other) = (Peer::at(V4), Peer::at("127.0.0.2".parse().unwrap()));
        client.bind(peer.address);
        client.permit(other.address.ip());
        for _ in 0..60 {
            client.skip(Duration::from_secs(60));
            client.settle();
        }
        assert_eq!(client.turn.state(), State::Allocated, "{way:?}");
        for peer in [peer, other] {
            client.send(peer.address, b"after an hour");
            assert_eq!(peer.receive(), (allocated.relayed, b"after an hour".to_vec()), "{way:?}");
        }
    }
}

#[test]
fn a_nonce_that_has_become_stale_is_replaced() {
    let Some(server) = Coturn::start(&["--stale-nonce=1"]) else { return };
    let (mut client, allocated) = Client::allocated(&server, Way::Udp, V4);
    // The server's clock has to pass, in whole seconds.
    client.run(Instant::now() + Duration::from_millis(2100), |_| false);
    let peer = Peer::at(V4);
    client.permit(V4);
    client.send(peer.address, b"with a new nonce");
    assert_eq!(peer.receive(), (allocated.relayed, b"with a new nonce".to_vec()));
}

#[test]
fn a_released_address_is_nobodys() {
    let Some(server) = Coturn::start(&[]) else { return };
    let mut released = Vec::new();
    for way in Way::ALL {
        let (mut client, allocated) = Client::allocated(&server, way, V4);
        let peer = Peer::at(V4);
        client.permit(V4);
        peer.send(allocated.relayed, b"still there");
        assert_eq!(client.data().1, b"still there", "{way:?}");
        client.turn.close(client.now());
        assert_eq!(client.event(), Event::Released, "{way:?}");
        assert_eq!(client.turn.state(), State::Closed, "{way:?}");
        released.push((way, client, peer, allocated.relayed));
    }
    // coturn lets a second pass before it closes the sockets.
    for (way, _client, peer, relayed) in released {
        assert!(peer.finds_nobody(relayed), "{way:?}");
    }
}

#[test]
fn an_allocation_is_lost_when_the_server_forgets_it_and_another_one_takes_its_place() {
    let Some(mut server) = Coturn::start(&[]) else { return };
    let (mut client, _) = Client::allocated(&server, Way::Udp, V4);
    server.restart();
    // Nothing tells of it before the next request.
    client.skip(Duration::from_secs(550));
    assert_eq!(client.event(), Event::Lost(Failure::Mismatch));
    let allocated = client.allocate();
    let peer = Peer::at(V4);
    client.permit(V4);
    client.send(peer.address, b"again");
    assert_eq!(peer.receive(), (allocated.relayed, b"again".to_vec()));
}

#[test]
fn a_connection_ends_with_its_server() {
    let Some(mut server) = Coturn::start(&[]) else { return };
    let mut clients: Vec<_> = [Way::Tcp, Way::Tls, Way::Dtls]
        .into_iter()
        .map(|way| (way, Client::allocated(&server, way, V4).0))
        .collect();
    server.stop();
    for (way, client) in &mut clients {
        if *way == Way::Dtls {
            // The network tells whoever sends something.
            client.skip(Duration::from_secs(550));
        }
        assert!(client.is_cut_off(), "{way:?}");
    }
}
