//! Clocks, and what they are good for.

use core::time::Duration;

use floe::sim::{Deviation, Dropped, Fault, Link, Nat, Verdict};
use floe::stun::Method;
use floe::turn::{Failure, State};

use crate::turn_world::{Relay, config, server};

/// Proves: rfc8656-8-1, rfc8656-9-1, rfc8656-12-4
/// Lesson: L-26
#[test]
fn an_idle_hour_behind_any_translator_loses_no_relay() {
    for (seconds, inbound) in [30, 60, 120, 300].into_iter().flat_map(|s| [(s, false), (s, true)]) {
        let nat = Nat::symmetric().lifetime(Duration::from_secs(seconds)).inbound_refresh(inbound);
        let mut relay = Relay::on(1, nat, config(), server());
        relay.allocate();
        relay.bind(0);
        relay.run(3600);
        assert_eq!(relay.failures(), [], "{seconds} s");
        let before = relay.user().received.len();
        relay.peer_sends(0, b"are you there?");
        relay.run(1);
        assert_eq!(relay.user().received.len(), before + 1, "{seconds} s");
        let expired = relay.turn_server().expired();
        assert_eq!((expired.allocations, expired.permissions, expired.channels), (0, 0, 0), "{seconds} s");
        relay.assert_clean();
    }
}

/// The indications that keep the mapping alive get lost, every one, while data flows; nobody takes the relay for dead.
///
/// Proves: rfc8489-6.2.1-7
/// Lesson: L-25
#[test]
fn a_relay_whose_keepalives_are_lost_lives_as_long_as_data_flows() {
    let mut relay = Relay::on(1, Nat::symmetric().lifetime(Duration::from_secs(30)), config(), server());
    relay.allocate();
    relay.bind(0);
    relay.run(1);
    relay.world.filter(|datagram| match datagram.payload[..2] {
        [0x00, 0x11] => Verdict::Drop,
        _ => Verdict::Deliver,
    });
    for _ in 0..360 {
        assert!(relay.is_open(0), "{}", relay.world.trace());
        relay.run(10);
    }
    assert!(relay.world.dropped(Dropped::Vetoed) > 100);
    assert_eq!(relay.failures(), []);
    relay.assert_clean();
}

/// Lesson: R-22
#[test]
fn a_mapping_that_lasts_thirty_seconds_stays_open_for_an_idle_hour() {
    for nat in [Nat::port_restricted(), Nat::symmetric()] {
        let nat = nat.lifetime(Duration::from_secs(30));
        let mut relay = Relay::on(1, nat, config(), server());
        relay.allocate();
        relay.bind(0);
        relay.run(1);
        for _ in 0..60 {
            relay.run(60);
            let before = relay.user().received.len();
            relay.peer_sends(0, b"are you there?");
            relay.run(1);
            assert_eq!(relay.user().received.len(), before + 1);
        }
        assert_eq!(relay.failures(), []);
        relay.assert_clean();
    }
}

/// Lesson: R-30
#[test]
fn an_idle_hour_takes_few_datagrams_and_few_wakes() {
    let mut relay = Relay::allocated(2, config(), server());
    relay.bind(0);
    relay.run(1);
    let (sent, woken) = (relay.sent(), relay.woken());
    relay.run(3600);
    // 144 keepalives, 15 permissions, 7 channels, 7 refreshes; some of them do for a keepalive.
    assert!(relay.sent() - sent <= 175, "{}", relay.sent() - sent);
    assert!(relay.woken() - woken <= 220, "{}", relay.woken() - woken);
}

/// Lesson: R-33
#[test]
fn lifetimes_of_nothing_a_second_and_for_ever_neither_spin_nor_freeze() {
    for (seconds, failed) in [(0, true), (1, false), (u32::MAX, false)] {
        for method in [Method::ALLOCATE, Method::REFRESH] {
            let fault = Fault::new(Deviation::Lifetime(seconds)).on(method);
            let mut relay = Relay::new(3, config(), server().faulty(fault));
            relay.ask_to_allocate();
            relay.run(3);
            let (sent, woken) = (relay.sent(), relay.woken());
            relay.run(1200);
            // A lease of a second is renewed each half of it; nothing is done more often.
            assert!(relay.sent() - sent <= 1200 * 5, "{seconds} {method:?}: {}", relay.sent() - sent);
            assert!(relay.woken() - woken <= 1200 * 8, "{seconds} {method:?}: {}", relay.woken() - woken);
            if failed {
                assert_eq!(relay.failures(), [Failure::Expired], "{seconds} {method:?}");
                assert_eq!(relay.user().client.deadline(), None, "{seconds} {method:?}");
            } else {
                assert_eq!(
                    (relay.failures(), relay.state()),
                    (vec![], State::Allocated),
                    "{seconds} {method:?}"
                );
            }
            relay.assert_clean();
        }
    }
}

/// Lesson: R-35
#[test]
fn a_machine_that_slept_asks_once_and_catches_up() {
    for slept in [100, 400, 1000, 100_000] {
        let mut relay = Relay::allocated(4, config(), server());
        relay.bind(0);
        relay.permit(1);
        relay.run(10);
        relay.command(|user, _| user.asleep = true);
        relay.run(slept);
        let sent = relay.sent();
        relay.command(|user, now| {
            user.asleep = false;
            user.client.handle_timeout(now);
            assert!(user.client.deadline().is_none_or(|deadline| deadline > now));
        });
        assert!(relay.sent() - sent <= 5, "after {slept} s: {}", relay.sent() - sent);
        relay.run(5);
        if slept < 590 {
            assert!(relay.is_open(0) && relay.is_open(1), "after {slept} s");
            assert_eq!(relay.failures(), []);
        } else {
            assert_eq!(relay.failures().len(), 1, "after {slept} s");
            relay.allocate();
        }
        assert_eq!(relay.violations(), []);
        let before = relay.sent();
        relay.run(60);
        assert!(relay.sent() - before < 20);
    }
}

#[test]
fn losses_copies_and_reordering_do_no_harm_for_an_hour() {
    for seed in 0..4 {
        let mut relay = Relay::new(seed, config(), server().nonce_requests(7));
        let bad =
            Link::new(Duration::from_millis(40)).jitter(Duration::from_millis(60)).loss(0.2).duplication(0.2);
        relay.world.set_link(relay.user, bad);
        relay.allocate();
        relay.bind(0);
        relay.permit(1);
        relay.run(20);
        relay.world.set_lateness(Duration::from_millis(300));
        relay.run(3600);
        relay.world.set_link(relay.user, Link::default());
        relay.run(20);
        assert!(relay.is_open(0) && relay.is_open(1), "seed {seed}");
        assert_eq!((relay.failures(), relay.violations()), (vec![], vec![]), "seed {seed}");
    }
}
