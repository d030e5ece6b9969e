//! Answers that are not to be believed.

use core::net::SocketAddr;

use floe::sim::{Deviation, Entry, Event as Traced, Fault};
use floe::stun::{Class, Fingerprint, Message, Method};
use floe::turn::{Event, Failure, State};

use crate::turn_world::{METHODS, Relay, config, dual_stack, server};

/// Proves: rfc8489-9.2.5-12
/// Lesson: L-56
#[test]
fn one_answer_that_is_not_authentic_is_waited_out() {
    for deviation in [
        Deviation::Unsigned,
        Deviation::WrongIntegrity,
        Deviation::WrongTransaction,
        Deviation::WrongSource,
        Deviation::Garbage,
        Deviation::Lose,
        Deviation::Twice,
        Deviation::Forestall(300),
        Deviation::Forestall(400),
        Deviation::Forestall(403),
        Deviation::Forestall(437),
        Deviation::Forestall(441),
        Deviation::Forestall(486),
        Deviation::Forestall(500),
        Deviation::Forestall(508),
    ] {
        for times in [1, u32::MAX] {
            if times > 1 && !matches!(deviation, Deviation::Forestall(_) | Deviation::Twice) {
                continue;
            }
            let what = format!("{deviation:?} {times} times");
            let fault = Fault::new(deviation);
            let server =
                METHODS.iter().fold(server(), |server, method| server.faulty(fault.on(*method).times(times)));
            let mut relay = Relay::allocated(1, config(), server);
            relay.bind(0);
            relay.permit(1);
            relay.run(5);
            assert!(relay.is_open(0) && relay.is_open(1), "{what}\n{}", relay.world.trace());
            relay.run(1200);
            assert!(relay.is_open(0) && relay.is_open(1), "{what}");
            assert_eq!(relay.failures(), [], "{what}");
            relay.assert_clean();
        }
    }
}

/// Lesson: L-56
#[test]
fn a_server_that_never_seals_its_answers_gives_nothing() {
    let attacker: SocketAddr = "203.0.113.66:666".parse().unwrap();
    for deviation in [Deviation::Unsigned, Deviation::WrongIntegrity, Deviation::RedirectUnsigned(attacker)] {
        let mut relay = Relay::new(2, config(), server().faulty(Fault::new(deviation)));
        relay.ask_to_allocate();
        relay.run(300);
        assert_eq!(relay.events(), [Event::Failed(Failure::IntegrityViolated)], "{deviation:?}");
        assert_eq!(relay.user().client.deadline(), None);
    }
}

/// What the user has sent to this address.
fn sent_to(relay: &Relay, to: SocketAddr) -> usize {
    let entries = relay.world.trace().entries();
    let to_it = |entry: &&Entry| matches!(&entry.event, Traced::Sent { node, path, .. } if *node == relay.user && path.remote() == to);
    entries.filter(to_it).count()
}

/// Lesson: L-57
#[test]
fn a_redirection_leads_nowhere_unless_it_may_be_followed() {
    let other: SocketAddr = "198.51.100.2:3478".parse().unwrap();
    for unauthenticated in [true, false] {
        for follow in [false, true] {
            let fault = Fault::new(Deviation::Redirect(other)).on(Method::ALLOCATE);
            let fault = if unauthenticated { fault.unauthenticated() } else { fault };
            let mut relay = Relay::new(3, config().follow_alternate(follow), server().faulty(fault));
            let second = relay.world.add_turn_server(dual_stack(2), server());
            relay.ask_to_allocate();
            relay.run(60);
            assert!(relay.events().contains(&Event::Redirected { to: other }));
            if follow {
                assert_eq!(relay.state(), State::Allocated, "{}", relay.world.trace());
                assert_eq!(relay.user().client.path().remote(), other);
                assert_eq!(relay.relayed().ip(), other.ip());
            } else {
                assert_eq!(relay.failures(), [Failure::Redirected(other)]);
                assert_eq!(sent_to(&relay, other), 0);
            }
            assert_eq!(relay.world.turn_server(second).violations(), []);
            relay.assert_clean();
        }
    }
}

/// Lesson: L-57
#[test]
fn a_redirection_into_this_machine_to_an_odd_port_or_in_a_circle_is_not_followed() {
    for to in ["127.0.0.1:3478", "198.51.100.2:25", "198.51.100.1:3478", "0.0.0.0:3478", "224.0.0.1:3478"] {
        let to: SocketAddr = to.parse().unwrap();
        let fault = Fault::new(Deviation::Redirect(to)).on(Method::ALLOCATE).unauthenticated();
        let mut relay = Relay::new(4, config().follow_alternate(true), server().faulty(fault));
        relay.ask_to_allocate();
        relay.run(60);
        assert_eq!(relay.failures(), [Failure::Redirected(to)]);
        assert_eq!(relay.sent(), 1, "{to}");
    }
    // Two servers that send to one another: one hop.
    let (first, second): (SocketAddr, SocketAddr) =
        ("198.51.100.1:3478".parse().unwrap(), "198.51.100.2:3478".parse().unwrap());
    let to = |address| Fault::new(Deviation::Redirect(address)).on(Method::ALLOCATE).unauthenticated();
    let mut relay = Relay::new(5, config().follow_alternate(true), server().faulty(to(second)));
    relay.world.add_turn_server(dual_stack(2), server().faulty(to(first)));
    relay.ask_to_allocate();
    relay.run(60);
    assert_eq!(relay.failures(), [Failure::Redirected(first)]);
    assert_eq!((sent_to(&relay, first), sent_to(&relay, second)), (1, 1));
}

/// Addresses that cannot be are no allocation.
#[test]
fn a_relayed_address_that_nobody_can_send_to_is_no_allocation() {
    for address in ["0.0.0.0:50000", "224.0.0.1:50000", "198.51.100.1:0", "[2001:db8::5]:50000"] {
        let address: SocketAddr = address.parse().unwrap();
        let fault = Fault::new(Deviation::Relayed(address)).on(Method::ALLOCATE);
        let mut relay = Relay::new(6, config(), server().faulty(fault));
        relay.ask_to_allocate();
        relay.run(60);
        assert_eq!(relay.events(), [Event::Failed(Failure::Unusable)], "{address}");
        assert_eq!(relay.turn_server().allocations().count(), 0, "it is given back: {address}");
        assert_eq!(relay.user().client.deadline(), None);
    }
}

/// Proves: rfc8656-5-6
#[test]
fn a_server_may_leave_fingerprints_out() {
    for (server, expected) in
        [(server(), Fingerprint::Valid), (server().without_fingerprints(), Fingerprint::Absent)]
    {
        let mut relay = Relay::allocated(7, config(), server);
        relay.bind(0);
        relay.run(1300);
        assert!(relay.is_open(0));
        let answers = relay.world.trace().entries().filter_map(|entry| match &entry.event {
            Traced::Delivered { node, payload, .. } if *node == relay.user => {
                let message = Message::parse(payload).ok()?;
                matches!(message.class(), Class::Success | Class::Error).then(|| message.fingerprint())
            }
            _ => None,
        });
        let answers: Vec<Fingerprint> = answers.collect();
        assert!(answers.len() > 10 && answers.iter().all(|fingerprint| *fingerprint == expected));
        assert_eq!(relay.failures(), []);
        relay.assert_clean();
    }
}
