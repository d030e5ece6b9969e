//! Permissions and channels.

use core::net::SocketAddr;
use core::time::Duration;

use floe::Path;
use floe::sim::{Deviation, Fault, Link};
use floe::stun::Method;
use floe::turn::{Event, PeerError, State};

use crate::turn_world::{Relay, config, server};

/// Lesson: L-53
#[test]
fn three_of_four_peers_are_forbidden_and_the_fourth_is_reached() {
    let forbidden: Vec<SocketAddr> =
        ["192.0.2.10:1", "192.0.2.11:1", "192.0.2.12:1"].map(|text| text.parse().unwrap()).into();
    for bound in [false, true] {
        let server = forbidden.iter().fold(server(), |server, peer| server.forbid(peer.ip()));
        let mut relay = Relay::allocated(1, config(), server);
        for peer in 0..4 {
            if bound { relay.bind(peer) } else { relay.permit(peer) }
        }
        relay.run(5);
        assert!(relay.is_open(3), "{}", relay.world.trace());
        let mut refused: Vec<_> = relay
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Refused { peer, error: PeerError::Refused(403) } => Some(peer),
                _ => None,
            })
            .collect();
        refused.sort();
        assert_eq!(refused, forbidden.iter().map(SocketAddr::ip).collect::<Vec<_>>());
        let before = relay.turn_server().answered(Method::CREATE_PERMISSION, Some(403));
        relay.run(1800);
        assert!(relay.is_open(3));
        assert_eq!(relay.failures(), []);
        // Nobody asks again and again.
        assert_eq!(relay.turn_server().answered(Method::CREATE_PERMISSION, Some(403)), before);
        assert!(before <= 7, "{before}");
        relay.assert_clean();
    }
}

/// Proves: rfc8656-9-2
/// Lesson: L-54
#[test]
fn a_permission_is_for_all_ports_of_a_peer() {
    let mut relay = Relay::allocated(2, config(), server());
    relay.permit(0);
    relay.run(1);
    let from = SocketAddr::new(relay.address(0).ip(), 61_234);
    relay.peer_sends_on(0, Path::udp(from, relay.relayed()), b"from another port");
    relay.run(1);
    let received: Vec<_> = relay.user().received.iter().map(|(_, peer, data)| (*peer, &data[..])).collect();
    assert_eq!(received, [(from, &b"from another port"[..])]);
    // And back to it.
    assert!(relay.command(|user, _| user.send_by_route(from, b"back")));
    relay.run(1);
    assert_eq!(relay.peer(0).received[0].1.local(), from);
    relay.assert_clean();
}

/// Lesson: L-51, R-26
#[test]
fn what_is_sent_before_the_server_has_agreed_arrives() {
    for (bind_first, slow) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut server = server();
        if slow {
            server = server.slow(Duration::from_millis(700));
        }
        let mut relay = Relay::new(3, config(), server);
        relay.world.set_link(relay.user, Link::new(Duration::from_millis(120)));
        relay.allocate();
        if bind_first {
            relay.bind(0);
        }
        relay.send(0, b"check 1");
        relay.send(0, b"check 2");
        relay.bind(0);
        relay.run(4);
        relay.send(0, b"check 3");
        relay.run(2);
        let received: Vec<&[u8]> = relay.peer(0).received.iter().map(|(.., data)| &data[..]).collect();
        assert_eq!(received, [b"check 1", b"check 2", b"check 3"], "{bind_first} {slow}");
        relay.assert_clean();
    }
}

/// Lesson: L-51
#[test]
fn data_goes_on_in_indications_where_a_channel_cannot_be_had() {
    for code in [403, 443, 508] {
        let server = server().faulty(Fault::new(Deviation::Refuse(code)).on(Method::CHANNEL_BIND));
        let mut relay = Relay::allocated(4, config(), server);
        relay.bind(0);
        relay.run(5);
        assert!(relay.is_open(0), "{code}");
        relay.run(1200);
        assert!(relay.is_open(0), "{code}");
        assert_eq!((relay.failures(), relay.turn_server().traffic().by_channel), (vec![], 0), "{code}");
        assert!(relay.turn_server().answered(Method::CHANNEL_BIND, Some(code)) < 300, "{code}");
        relay.assert_clean();
    }
}

/// Lesson: R-20
#[test]
fn a_channel_and_its_peer_stay_together_until_fifteen_minutes_after_they_were_last_bound() {
    for (pause, expected) in [(590, "same"), (600, "same"), (899, "same"), (901, "any"), (1200, "any")] {
        let mut relay = Relay::allocated(5, config(), server().lifetimes(3600, 3600));
        relay.bind(0);
        relay.run(1);
        let numbers = |relay: &Relay| relay.user().client.bound().collect::<Vec<_>>();
        let first = numbers(&relay)[0];
        let ip = relay.address(0).ip();
        relay.command(|user, now| user.client.forget(now, ip));
        relay.run(pause - 1);
        // Another peer comes first, and must not get the number.
        relay.bind(1);
        relay.bind(0);
        relay.run(1);
        let bound = numbers(&relay);
        assert_eq!(bound.len(), 2, "{pause}: {bound:?}");
        if expected == "same" {
            assert!(bound.contains(&first), "{pause}: {bound:?}");
        }
        assert!(relay.is_open(0) && relay.is_open(1), "{pause}");
        relay.assert_clean();
    }
}

/// Lesson: R-20
#[test]
fn peers_that_come_and_go_for_an_hour_never_meet_on_a_number() {
    let mut relay = Relay::allocated(6, config().channels(3), server().lifetimes(3600, 3600));
    for round in 0..60 {
        let peer = round % 4;
        let address = relay.address(peer);
        // At the limit it is refused, which is no rule broken.
        let _ = relay.command(|user, now| user.client.bind(now, address));
        relay.run(30);
        relay.command(|user, now| user.client.forget(now, address.ip()));
        relay.run(31 * (u64::try_from(round).unwrap() % 5));
    }
    assert_eq!(relay.state(), State::Allocated);
    assert!(relay.turn_server().answered(Method::CHANNEL_BIND, None) > 20);
    relay.assert_clean();
}
