//! Servers that restart, vanish, and know more than the client.

use core::net::SocketAddr;
use core::time::Duration;

use floe::sim::{Deviation, Fault, Host, NetworkId, TurnServer};
use floe::stun::{LongTerm, Method};
use floe::turn::{ChannelData, ChannelNumber, Client, Config, Event, Failure, State};
use floe::{Path, Seed, Transport};

use crate::turn_world::{Member, Peer, Relay, add_user, config, server};

/// Lesson: L-49
#[test]
fn a_server_that_has_restarted_is_noticed_and_asked_again() {
    let mut relay = Relay::allocated(1, config(), server());
    relay.bind(0);
    relay.permit(1);
    relay.run(1);
    let before = relay.relayed();
    relay.on_server(TurnServer::restart);
    // The next request, of whatever kind, tells.
    assert!(relay.wait(560, |relay| relay.state() == State::Idle));
    assert_eq!(relay.failures(), [Failure::Mismatch]);
    assert_eq!(relay.user().client.relayed().count(), 0);
    relay.allocate();
    assert_ne!(relay.relayed(), before);
    relay.bind(0);
    relay.run(1);
    assert!(relay.is_open(0));
    assert_eq!(relay.violations(), []);
}

/// Lesson: L-49
#[test]
fn a_server_that_answers_400_for_ever_loses_the_allocation_once() {
    let mut relay = Relay::allocated(2, config(), server());
    relay.on_server(|server| server.fault(Fault::new(Deviation::Refuse(400)).on(Method::REFRESH)));
    relay.run(3600);
    assert_eq!(relay.failures(), [Failure::Refused(400)]);
    assert!(relay.turn_server().answered(Method::REFRESH, Some(400)) <= 3);
    assert_eq!(relay.user().client.deadline(), None);
}

/// Lesson: L-49
#[test]
fn a_server_that_restarts_all_the_time_is_asked_less_and_less_often() {
    let mut relay = Relay::allocated(3, config(), server());
    let mut allocations = 0;
    for _ in 0..600 {
        relay.on_server(TurnServer::restart);
        if relay.state() == State::Idle {
            relay.ask_to_allocate();
            allocations += 1;
        }
        if relay.state() == State::Allocated {
            relay.permit(0);
        }
        relay.run(1);
    }
    // In ten minutes: after 0, 1, 2, 4, .. 60 s.
    assert!((8..40).contains(&allocations), "{allocations}");
    assert!(relay.sent() < 200, "{}", relay.sent());
}

/// Lesson: L-50
#[test]
fn an_allocation_left_behind_on_the_5_tuple_is_removed_or_passed_by() {
    // The same user comes again, having forgotten everything.
    let mut relay = Relay::new(4, config(), server());
    relay.allocate();
    relay.command(|user, _| {
        user.client = Client::new(config(), user.client.path(), Seed::from([8; 32]));
        user.events.clear();
    });
    relay.ask_to_allocate();
    relay.run(60);
    assert_eq!(relay.state(), State::Allocated, "{}", relay.world.trace());
    assert!(relay.turn_server().answered(Method::ALLOCATE, Some(437)) <= 2);
    relay.assert_clean();

    // Another user has it.
    let mut relay = Relay::new(5, config(), server().user("bob", "secret"));
    relay.allocate();
    relay.command(|user, _| {
        let bob = Config::new(LongTerm::new("bob", "secret").unwrap());
        user.client = Client::new(bob, user.client.path(), Seed::from([8; 32]));
        user.events.clear();
    });
    relay.ask_to_allocate();
    relay.run(60);
    assert_eq!(relay.events(), [Event::Failed(Failure::Mismatch)]);
    assert!(relay.turn_server().answered(Method::ALLOCATE, Some(437)) <= 2);
    // From another port it works.
    relay.command(|user, now| {
        let (local, remote) = (user.client.path().local(), user.client.path().remote());
        let elsewhere = Path::udp(SocketAddr::new(local.ip(), local.port() + 1), remote);
        user.client.migrate(now, elsewhere).unwrap();
    });
    relay.allocate();
    assert_eq!(relay.violations(), []);
}

/// Lesson: L-52
#[test]
fn what_still_comes_from_a_server_that_was_left_is_not_data() {
    let mut relay = Relay::allocated(6, config(), server());
    relay.bind(0);
    relay.run(1);
    assert!(relay.is_open(0));
    let (_, number) = relay.user().client.bound().next().unwrap();
    let received = relay.user().received.len();
    let path = relay.user().client.path();
    relay.command(|user, now| user.client.close(now));
    relay.run(5);
    assert_eq!((relay.state(), relay.events().last()), (State::Closed, Some(&Event::Released)));
    let mut late = Vec::new();
    ChannelData::new(number, b"late").unwrap().encode(Transport::Udp, &mut late);
    relay.world.inject(relay.user, path, &late);
    assert_eq!(relay.user().received.len(), received);
    assert_eq!(relay.turn_server().allocations().count(), 0);
    assert!(relay.user().ignored > 0);
    relay.assert_clean();
}

/// Lesson: L-52
#[test]
fn a_peer_behind_the_port_of_turn_servers_is_a_peer_like_others() {
    let mut relay = Relay::allocated(7, config(), server());
    let address: SocketAddr = "192.0.2.99:3478".parse().unwrap();
    let peer = relay
        .world
        .add_node(Host::new().address(NetworkId::PUBLIC, address), |_, _, _| Member::Peer(Peer::default()));
    relay.peers[0] = peer;
    relay.bind(0);
    relay.run(1);
    assert!(relay.is_open(0));
    relay.assert_clean();
}

/// Lesson: R-21
#[test]
fn a_network_that_fails_while_allocating_costs_bounded_time() {
    for outage in [1, 5, 20, 60] {
        let mut relay = Relay::new(8, config(), server());
        relay.world.unplug(relay.user);
        relay.ask_to_allocate();
        relay.run(outage);
        relay.world.plug(relay.user);
        let began = relay.world.now();
        while relay.state() != State::Allocated {
            if relay.state() == State::Idle {
                relay.ask_to_allocate();
            }
            relay.run(1);
            assert!(relay.world.now().saturating_since(began) < Duration::from_secs(35), "after {outage} s");
        }
        relay.permit(0);
        relay.run(1);
        assert!(relay.is_open(0));
        relay.assert_clean();
    }
}

/// Proves: rfc8489-6.2.1-3, rfc8656-8.3-5
/// Lesson: R-21
#[test]
fn a_server_that_vanishes_is_lost_when_the_lifetime_is_over_and_found_again() {
    let mut relay = Relay::allocated(9, config(), server());
    relay.permit(0);
    relay.run(1);
    relay.on_server(TurnServer::vanish);
    relay.run(700);
    assert_eq!(relay.failures(), [Failure::Expired]);
    assert_eq!(relay.user().client.deadline(), None);
    let quiet = relay.sent();
    relay.ask_to_allocate();
    relay.run(60);
    assert_eq!(relay.failures(), [Failure::Expired, Failure::Timeout]);
    assert_eq!(relay.sent() - quiet, 7);
    relay.on_server(TurnServer::reappear);
    relay.allocate();
    relay.permit(0);
    relay.run(1);
    assert!(relay.is_open(0));
    relay.assert_clean();
}

/// A short outage is bridged by retransmissions and later renewals.
#[test]
fn an_outage_shorter_than_the_margin_is_not_noticed() {
    for outage in [10, 30, 50] {
        let mut relay = Relay::allocated(10, config(), server());
        relay.bind(0);
        relay.run(235);
        relay.on_server(TurnServer::vanish);
        relay.run(outage);
        relay.on_server(TurnServer::reappear);
        relay.run(30);
        assert!(relay.is_open(0), "{outage} s\n{}", relay.world.trace());
        assert_eq!(relay.failures(), []);
        relay.assert_clean();
    }
}

/// Two clients at one server do not meet: numbers of one mean nothing to the other (rfc8656-12-8).
///
/// Proves: rfc8656-12-8
#[test]
fn the_same_channel_number_serves_two_clients() {
    let mut relay = Relay::allocated(11, config(), server());
    let server = relay.world.address(relay.server);
    let other = add_user(&mut relay.world, NetworkId::PUBLIC, config(), server);
    let first = relay.user;
    relay.bind(0);
    relay.run(1);
    relay.user = other;
    relay.allocate();
    relay.bind(1);
    relay.run(1);
    let numbers: Vec<ChannelNumber> = relay
        .turn_server()
        .allocations()
        .flat_map(|allocation| allocation.channels())
        .map(|bound| bound.0)
        .collect();
    assert_eq!(numbers, [ChannelNumber::MIN; 2]);
    assert!(relay.is_open(1));
    relay.user = first;
    assert!(relay.is_open(0));
    relay.assert_clean();
}

#[test]
fn close_gives_the_allocation_back_even_if_the_answer_is_lost() {
    for deviation in [Deviation::Lose, Deviation::Ignore] {
        let mut relay = Relay::allocated(12, config(), server());
        relay.on_server(|server| server.fault(Fault::new(deviation).on(Method::REFRESH).times(1)));
        relay.command(|user, now| user.client.close(now));
        relay.run(30);
        assert_eq!(
            (relay.state(), relay.turn_server().allocations().count()),
            (State::Closed, 0),
            "{deviation:?}"
        );
        relay.assert_clean();
    }
    // Nobody answers at all: it ends nevertheless.
    let mut relay = Relay::allocated(13, config(), server());
    relay.on_server(TurnServer::vanish);
    let before = relay.sent();
    relay.command(|user, now| user.client.close(now));
    relay.run(30);
    assert_eq!((relay.state(), relay.sent() - before), (State::Closed, 2));
    assert_eq!(relay.user().client.deadline(), None);
}
