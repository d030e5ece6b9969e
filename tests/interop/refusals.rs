//! What the server refuses, and what becomes of it.

use std::time::Duration;

use floe::turn::{Event, Failure, PeerError, State};

use super::client::{Client, Peer, config, config_of};
use super::coturn::{Coturn, PASSWORD, USER, V4};
use super::link::Way;

#[test]
fn a_wrong_password_gets_no_address_and_the_right_one_does() {
    let Some(server) = Coturn::start(&[]) else { return };
    for way in Way::ALL {
        let mut client = Client::connect(&server, way, V4, config_of(USER, "another password"));
        client.turn.allocate(client.now()).unwrap();
        assert_eq!(client.event(), Event::Failed(Failure::Credentials), "{way:?}");
        assert_eq!(client.turn.state(), State::Idle);
        client.turn.set_credentials(client.now(), USER, PASSWORD).unwrap();
        assert_eq!(client.allocate().relayed.ip(), V4, "{way:?}");
    }
}

/// coturn remembers the user of a 5-tuple, and answers another one with a 437 that is signed with the wrong key. Such an
/// answer is worth no more than a forged one.
#[test]
fn an_unknown_user_gets_no_address_and_needs_another_port_to_become_a_known_one() {
    let Some(server) = Coturn::start(&[]) else { return };
    let mut client = Client::connect(&server, Way::Udp, V4, config_of("nobody", PASSWORD));
    client.turn.allocate(client.now()).unwrap();
    assert_eq!(client.event(), Event::Failed(Failure::Credentials));
    client.turn.set_credentials(client.now(), USER, PASSWORD).unwrap();
    client.turn.allocate(client.now()).unwrap();
    while client.turn.state() == State::Allocating {
        client.settle();
        client.skip(Duration::from_secs(5));
    }
    assert_eq!(client.event(), Event::Failed(Failure::IntegrityViolated));
    Client::allocated(&server, Way::Udp, V4);
}

#[test]
fn a_user_beyond_its_quota_gets_no_address() {
    let Some(server) = Coturn::start(&["--user-quota=1"]) else { return };
    let (_first, _) = Client::allocated(&server, Way::Udp, V4);
    for way in [Way::Udp, Way::Tcp] {
        let mut second = Client::connect(&server, way, V4, config(V4));
        second.turn.allocate(second.now()).unwrap();
        assert_eq!(second.event(), Event::Failed(Failure::Refused(486)), "{way:?}");
    }
}

#[test]
fn a_forbidden_peer_is_refused_and_the_others_are_not() {
    let Some(server) = Coturn::start(&["--denied-peer-ip=127.0.0.9"]) else { return };
    let (mut client, allocated) = Client::allocated(&server, Way::Udp, V4);
    let (forbidden, peer) = ("127.0.0.9".parse().unwrap(), Peer::at(V4));
    client.turn.permit(client.now(), forbidden).unwrap();
    assert_eq!(client.event(), Event::Refused { peer: forbidden, error: PeerError::Refused(403) });
    assert!(client.turn.route((forbidden, 9).into()).is_none());
    client.permit(V4);
    client.send(peer.address, b"allowed");
    assert_eq!(peer.receive(), (allocated.relayed, b"allowed".to_vec()));
}
