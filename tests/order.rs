//! The order of the checks: what is found soonest, and how soon at the latest (RFC 8445 section 6.1.4.2).

mod harness;

use core::net::SocketAddr;

use floe::ice::Role;
use floe::{Config, Profile, Remote};
use harness::{Bench, address, at, ms, remote_credentials, typed};

/// An agent with three bases and three candidates of the peer, the first the best of either.
fn three_by_three(config: Config, role: Role) -> Bench {
    let mut bench = Bench::bare(config, role);
    for base in 1..=3 {
        bench.base(&format!("192.0.2.{base}:1"));
    }
    bench.remote();
    for n in 1..=3_usize {
        // As ours, of which the first takes the top, the others places for IPv4.
        let place = [0, 4, 9][n - 1];
        let priority = (126 << 24) + ((65_535 - 64 * place) << 8) + 255;
        bench.trickle(typed(&n.to_string(), "host", priority, &format!("198.51.100.{n}:2000")));
    }
    bench
}

/// What was checked, as `21` for the second base and the peer's first address.
fn order(bench: &Bench) -> Vec<String> {
    let last = |address: SocketAddr| address.ip().to_string().chars().last().unwrap();
    let pair = |check: &harness::Sent| [last(check.path.local()), last(check.path.remote())].iter().collect();
    bench.checks().iter().map(pair).collect()
}

#[test]
fn every_base_and_every_address_is_tried_once_before_any_again() {
    let mut bench = three_by_three(Config::new(), Role::Controlling);
    bench.run_until(at(450));
    assert_eq!(order(&bench), ["11", "22", "33", "12", "21", "13", "31", "23", "32"]);
}

/// Proves: rfc8445-6.1.4.2-4
#[test]
fn with_the_profile_of_the_rfc_the_best_pair_is_checked_first() {
    let mut bench = three_by_three(Config::new().profile(Profile::Rfc8445), Role::Controlling);
    bench.run_until(at(450));
    assert_eq!(order(&bench), ["11", "12", "21", "22", "13", "31", "23", "32", "33"]);
}

#[test]
fn both_ends_check_the_pairs_in_the_same_order() {
    let mut bench = three_by_three(Config::new(), Role::Controlled);
    bench.run_until(at(450));
    let mirrored = order(&bench).iter().map(|pair| pair.chars().rev().collect()).collect::<Vec<String>>();
    assert_eq!(mirrored, ["11", "22", "33", "12", "21", "13", "31", "23", "32"]);
}

#[test]
fn with_a_valid_pair_the_better_ones_are_checked_by_priority() {
    let mut bench = three_by_three(Config::new(), Role::Controlling);
    bench.run_answering(at(400), |check| {
        (check.path.remote() == address("198.51.100.2:2000")
            && check.path.local().ip() == address("192.0.2.2:1").ip())
        .then_some(ms(10))
    });
    // The answer comes at 60 ms; what is better goes before the third base and the third address.
    assert_eq!(order(&bench)[..4], ["11", "22", "12", "21"]);
}

/// A peer of RFC 5245 that controls nominates what works first: a relay that is tried early would be it.
#[test]
fn relays_come_last_where_the_peer_may_nominate_what_works_first() {
    for (old, expected) in [(false, ["11", "22", "12", "21"]), (true, ["11", "21", "22", "12"])] {
        let mut bench = Bench::bare(Config::new(), Role::Controlled);
        bench.base("192.0.2.1:1");
        bench.base("192.0.2.2:1");
        let remote = Remote::new(remote_credentials());
        let remote = if old { remote.of_rfc5245() } else { remote };
        bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
        bench.trickle(typed("1", "host", (126 << 24) + 255, "198.51.100.1:2000"));
        bench.trickle(typed("2", "relay", 255, "198.51.100.2:2000"));
        bench.run_until(at(200));
        let order = order(&bench);
        let direct = |pair: &String| pair.ends_with('1');
        assert_eq!(order.iter().take(2).all(direct), old, "{order:?}");
        assert_eq!(order.len(), expected.len());
    }
}
