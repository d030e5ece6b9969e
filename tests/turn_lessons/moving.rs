//! Clients whose address changes (RFC 8016).

use core::net::SocketAddr;
use core::time::Duration;

use floe::sim::{Event as Traced, Host, NetworkId, Verdict};
use floe::stun::{Class, Message, Method};
use floe::turn::Event;
use floe::{Path, Timestamp};

use crate::turn_world::{Relay, config, server};

/// Every five seconds somebody asks the other side whether it still wants to hear from us, as consent checks do: no
/// longer than thirty seconds may pass without an answer.
///
/// Proves: rfc8016-3.2.1-1, rfc8016-3.2.2-1, rfc8016-3.2.2-2
/// Scenario: S-53
#[test]
fn a_client_that_moves_takes_its_relay_along_and_consent_holds() {
    let [old, new]: [SocketAddr; 2] = ["192.0.2.50:4000", "198.51.100.50:4000"].map(|it| it.parse().unwrap());
    let host = Host::new().address(NetworkId::PUBLIC, old).address(NetworkId::PUBLIC, new);
    let mut relay = Relay::on(1, host, config().mobility(true), server().mobility());
    relay.allocate();
    relay.bind(0);
    relay.permit(1);
    relay.echo(0);
    relay.run(1);
    let (relayed, bound) = (relay.relayed(), relay.user().client.bound().collect::<Vec<_>>());
    let server_address = relay.user().client.path().remote();
    let mut answered_at = relay.world.now();
    let mut moved_at = None;
    for second in 0..120 {
        if second == 60 {
            // The server takes its time.
            relay.world.filter(|datagram| match Message::parse(&datagram.payload) {
                Ok(message) if message.method() == Method::REFRESH => Verdict::Delay(Duration::from_secs(3)),
                _ => Verdict::Deliver,
            });
            moved_at = Some(relay.world.now());
            let path = Path::udp(new, server_address);
            relay.command(|user, now| user.client.migrate(now, path)).unwrap();
        }
        if second % 5 == 0 {
            let before = relay.user().received.len();
            let peer = relay.address(0);
            assert!(relay.command(|user, _| user.send_by_route(peer, b"may I?")));
            relay.run(1);
            if relay.user().received.len() > before {
                answered_at = relay.world.now();
            }
        } else {
            relay.run(1);
        }
        assert!(relay.world.now().saturating_since(answered_at) < Duration::from_secs(30));
    }
    assert!(relay.events().contains(&Event::Migrated { path: Path::udp(new, server_address) }));
    let moved_at = moved_at.unwrap();
    let confirmed_at =
        relay.user().events.iter().find(|(_, it)| matches!(it, Event::Migrated { .. })).unwrap().0;
    let before: Vec<Traced> = sent_from(&relay, new, moved_at, confirmed_at);
    let is_refresh = |event: &Traced| match event {
        Traced::Sent { payload, .. } => Message::parse(payload)
            .is_ok_and(|it| (it.method(), it.class()) == (Method::REFRESH, Class::Request)),
        _ => false,
    };
    assert!(!before.is_empty() && before.iter().all(is_refresh), "{before:?}");
    assert!(!sent_from(&relay, new, confirmed_at, Timestamp::MAX).is_empty());
    assert!(sent_from(&relay, old, confirmed_at, Timestamp::MAX).is_empty());
    assert_eq!((relay.relayed(), relay.user().client.bound().collect::<Vec<_>>()), (relayed, bound));
    assert_eq!(relay.user().client.permitted().count(), 2);
    let allocation = relay.turn_server().allocation(new).unwrap();
    assert!(allocation.permits(relay.address(1).ip()));
    assert_eq!(relay.turn_server().allocations().count(), 1);
    assert_eq!(relay.failures(), []);
    relay.assert_clean();
}

/// What left from an address, from `after` on and before `until`.
fn sent_from(relay: &Relay, local: SocketAddr, after: Timestamp, until: Timestamp) -> Vec<Traced> {
    let entries = relay.world.trace().entries().filter(|entry| entry.at >= after && entry.at < until);
    let sent = entries.filter(|entry| match &entry.event {
        Traced::Sent { node, path, .. } => *node == relay.user && path.local() == local,
        _ => false,
    });
    sent.map(|entry| entry.event.clone()).collect()
}
