//! Challenges, nonces, passwords.

use core::time::Duration;

use floe::sim::{Deviation, Event as Traced, Fault, Mechanism, TurnServer};
use floe::stun::Method;
use floe::turn::{Event, Failure, State};

use crate::turn_world::{METHODS, PASSWORD, REALM, Relay, USER, config, server};

/// Speaks with two peers for an hour, over a channel and in indications; the way is open each half minute.
fn an_hour_goes_well(mut relay: Relay, what: &str) -> Relay {
    relay.allocate();
    relay.bind(0);
    relay.permit(1);
    relay.run(5);
    for _ in 0..120 {
        assert!(relay.is_open(0) && relay.is_open(1), "{what}\n{}", relay.world.trace());
        relay.run(30);
    }
    assert_eq!(relay.failures(), [], "{what}");
    relay.assert_clean();
    let expired = relay.turn_server().expired();
    assert_eq!((expired.allocations, expired.permissions, expired.channels), (0, 0, 0), "{what}");
    relay
}

/// Lesson: L-48
#[test]
fn every_nth_nonce_of_each_method_is_stale_and_nothing_is_lost() {
    for n in 2..=4 {
        let server = METHODS.iter().fold(server(), |server, method| {
            server.faulty(Fault::new(Deviation::StaleNonce).on(*method).every(n))
        });
        let relay = an_hour_goes_well(Relay::new(1, config(), server), "every n-th");
        for method in METHODS {
            let (granted, stale) =
                (relay.turn_server().answered(method, None), relay.turn_server().answered(method, Some(438)));
            assert!(stale <= granted, "{method:?}: {stale} stale, {granted} granted");
            assert!(method == Method::ALLOCATE || stale > 0, "{method:?} was never stale");
        }
    }
}

/// Lesson: R-25
#[test]
fn a_nonce_that_is_good_for_a_few_requests_costs_one_retry_each_time() {
    for requests in 1..=10 {
        let what = format!("nonces good for {requests}");
        let relay = an_hour_goes_well(Relay::new(2, config(), server().nonce_requests(requests)), &what);
        let sum =
            |code| METHODS.iter().map(|method| relay.turn_server().answered(*method, code)).sum::<u64>();
        assert!(sum(Some(438)) <= sum(None) / u64::from(requests) + 4, "{what}");
        assert!(requests > 5 || sum(Some(438)) > 1, "{what}");
    }
}

/// Lesson: R-25
#[test]
fn a_nonce_that_ages_is_replaced_in_time() {
    for seconds in [1, 30, 300] {
        let server = server().nonce_lifetime(Duration::from_secs(seconds)).mechanism(Mechanism::Sha256);
        an_hour_goes_well(Relay::new(3, config(), server), "nonces that age");
    }
}

/// Lesson: L-48
#[test]
fn a_server_to_which_every_nonce_is_stale_is_given_up_after_a_few_requests() {
    for method in METHODS {
        let mut relay = Relay::new(4, config(), server());
        if method == Method::ALLOCATE {
            relay.on_server(|server| server.fault(Fault::new(Deviation::StaleNonce)));
            relay.ask_to_allocate();
        } else {
            relay.allocate();
            relay.on_server(|server| server.fault(Fault::new(Deviation::StaleNonce).on(method)));
            relay.bind(0);
            relay.permit(1);
        }
        relay.run(700);
        let stale = relay.turn_server().answered(method, Some(438));
        // Tries that lie minutes apart are not a loop.
        assert!((1..60).contains(&stale), "{method:?}: {stale}\n{}", relay.world.trace());
        relay.assert_clean();
    }
}

/// Lesson: R-24
#[test]
fn a_wrong_password_is_told_once_and_ends_it() {
    for mechanism in [Mechanism::Rfc5389, Mechanism::Sha256, Mechanism::Md5, Mechanism::Anonymous] {
        let server = TurnServer::new(REALM).user(USER, "another").mechanism(mechanism);
        let mut relay = Relay::new(5, config(), server);
        relay.ask_to_allocate();
        relay.run(3600);
        assert_eq!(relay.events(), [Event::Failed(Failure::Credentials)]);
        assert_eq!(relay.user().client.deadline(), None);
        assert_eq!((relay.sent(), relay.woken()), (2, 0));
        assert_eq!(relay.state(), State::Idle);
        relay.assert_clean();
    }
}

/// Lesson: R-24
#[test]
fn a_server_that_changes_its_mind_about_a_user_is_left_when_the_allocation_is_refused() {
    let mut relay = Relay::allocated(6, config(), server());
    relay.permit(0);
    relay.run(1);
    relay.on_server(|server| server.set_user(USER, "changed"));
    relay.run(3600);
    let refused = METHODS.iter().map(|method| relay.turn_server().answered(*method, Some(401))).sum::<u64>();
    // A permission that still holds is asked for each five seconds of its last minute.
    assert!(refused <= 20, "{refused} refusals\n{}", relay.world.trace());
    assert_eq!(relay.failures(), [Failure::Credentials]);
    assert_eq!(relay.user().client.deadline(), None);
}

/// Lesson: R-38
#[test]
fn credentials_that_are_replaced_serve_the_next_allocation() {
    let mut relay = Relay::allocated(7, config(), server());
    relay.on_server(|server| server.set_user("alice2", "newer"));
    relay.command(|user, now| user.client.set_credentials(now, "alice2", "newer")).unwrap();
    // The present one lives on with the credentials that it was made with.
    relay.run(1500);
    assert_eq!(relay.failures(), []);
    let allocation =
        |relay: &Relay| relay.turn_server().allocation(relay.user_address()).unwrap().username().to_owned();
    assert_eq!(allocation(&relay), USER);
    relay.on_server(TurnServer::restart);
    assert!(relay.wait(700, |relay| relay.state() == State::Idle));
    relay.allocate();
    assert_eq!(allocation(&relay), "alice2");
    assert_eq!(relay.turn_server().answered(Method::REFRESH, Some(441)), 0);
    relay.assert_clean();
}

/// Lesson: L-58
#[test]
fn nobody_learns_the_user_name_before_the_server_has_asked_for_it() {
    for (mechanism, shown) in
        [(Mechanism::Rfc5389, true), (Mechanism::Sha256, true), (Mechanism::Anonymous, false)]
    {
        let mut relay = Relay::allocated(8, config(), server().mechanism(mechanism));
        relay.bind(0);
        relay.run(2000);
        let sent: Vec<Vec<u8>> = relay
            .world
            .trace()
            .entries()
            .filter_map(|entry| match &entry.event {
                Traced::Sent { node, payload, .. } if *node == relay.user => Some(payload.to_vec()),
                _ => None,
            })
            .collect();
        let tells = |bytes: &[u8]| bytes.windows(USER.len()).any(|window| window == USER.as_bytes());
        assert!(!tells(&sent[0]));
        assert_eq!(sent.iter().any(|bytes| tells(bytes)), shown, "{mechanism:?}");
        assert!(!sent.iter().any(|bytes| bytes.windows(8).any(|window| window == &PASSWORD.as_bytes()[..8])));
        relay.assert_clean();
    }
}
