//! Sessions of two agents: what both see, from the first check to the data.

#[path = "sessions/conflicts.rs"]
mod conflicts;
#[path = "sessions/nominations.rs"]
mod nominations;
#[path = "harness/session.rs"]
mod session;
#[path = "sessions/streams.rs"]
mod streams;
#[path = "sessions/surprises.rs"]
mod surprises;
#[path = "sessions/trickle.rs"]
mod trickle;

use core::time::Duration;

use floe::ice::{CandidateKind, Nomination, Role};
use floe::sim::{Host, Nat, NetworkId, World};
use floe::{Config, Provenance, StreamState, Timestamp};
use session::{Session, address, controlled, controlling, ms};

/// A host with these addresses on the public network.
fn host(addresses: &[&str]) -> Host {
    addresses.iter().fold(Host::new(), |host, text| host.address(NetworkId::PUBLIC, address(text)))
}

fn manual() -> Config {
    Config::new().nomination(Nomination::Manual)
}

/// Two public hosts 20 ms apart.
fn two_hosts() -> Session {
    Session::new(World::new(1), controlling(Nat::none()), controlled(Nat::none())).twenty_milliseconds()
}

/// Proves: rfc8445-6.1.4.2-1, rfc8445-8.1.2-2, rfc8445-8.1.1-3
/// Scenario: S-01
#[test]
fn two_public_hosts_complete_with_four_requests_at_most() {
    let mut session = two_hosts();
    session.exchange();
    let ends = session.ends();
    let are_valid = |world: &World<_>| {
        ends.iter().all(|id| {
            let peer: &floe::sim::Peer = world.node(*id);
            peer.agent().pairs(peer.stream()).any(|pair| pair.is_valid())
        })
    };
    let valid_at = session.world.run_until(ms(1_000), are_valid).unwrap();
    assert!(valid_at <= Timestamp::from_millis(80), "{valid_at:?}");
    assert!(session.settle(ms(1_000)));
    session.world.run_for(ms(2_000));
    assert_eq!(session.requests(session.alice)[0].at, Timestamp::ZERO);
    assert_eq!(session.states(), [StreamState::Completed; 2]);
    session.assert_mirrored(1);
    assert_eq!(session.roles(), [Role::Controlling, Role::Controlled]);
    let requests: usize = ends.iter().map(|id| session.requests(*id).len()).sum();
    assert!(requests <= 4, "{}", session.world.trace());
    assert_eq!(session.nominated(session.alice).len(), 1);
    session.assert_data_flows(1);
}

/// Proves: rfc8445-12.1-1
#[test]
fn data_flows_over_a_valid_pair_before_anything_is_nominated() {
    let alice = controlling(Nat::none()).config(manual());
    let mut session = Session::new(World::new(1), alice, controlled(Nat::none())).twenty_milliseconds();
    session.exchange();
    session.world.run_for(ms(300));
    assert_eq!(session.states(), [StreamState::Connected; 2]);
    session.assert_data_flows(1);
    assert_eq!(session.states(), [StreamState::Connected; 2]);
    for id in session.ends() {
        assert!(session.selected(id, 1).is_none());
        assert_eq!(session.world.node(id).received()[0].provenance, Provenance::Valid);
    }
}

#[test]
fn dual_stack_hosts_prefer_ipv6_and_do_without_it_where_it_is_broken() {
    let hosts = || [["192.0.2.1:4000", "[2001:db8::1]:4000"], ["198.51.100.1:4000", "[2001:db8::2]:4000"]];
    for ipv6_works in [true, false] {
        let [alice, bob] = hosts();
        let mut session = Session::new(
            World::new(1),
            controlling(host(&[alice[1], alice[0]])),
            controlled(host(&[bob[1], bob[0]])),
        );
        if !ipv6_works {
            session.world.unplug((session.bob, address(bob[1]).ip()));
        }
        let completed_at = session.connect();
        let expected = usize::from(ipv6_works);
        assert_eq!(session.assert_mirrored(1).addresses(), [alice[expected], bob[expected]].map(address));
        assert!(
            completed_at < Timestamp::from_millis(1_500),
            "{completed_at:?}: no waiting for the broken family"
        );
        session.assert_data_flows(1);
    }
}

#[test]
fn hosts_without_ipv4_connect() {
    let [alice, bob] = ["[2001:db8::1]:4000", "[2001:db8::2]:4000"];
    let mut session = Session::new(World::new(1), controlling(host(&[alice])), controlled(host(&[bob])));
    session.connect();
    assert_eq!(session.assert_mirrored(1).addresses(), [alice, bob].map(address));
    session.assert_data_flows(1);
}

/// A home router lets nobody in by IPv6 whom its host has not spoken to.
#[test]
fn firewalls_for_ipv6_at_both_ends_are_opened_from_within() {
    let mut world = World::new(1);
    let homes = [(); 2].map(|()| world.add_network(NetworkId::PUBLIC, Nat::port_restricted()));
    let texts = ["[2001:db8:1::2]:4000", "[2001:db8:2::2]:4000"];
    let [alice, bob] = [0, 1].map(|i| Host::new().address(homes[i], address(texts[i])));
    let mut session = Session::new(world, controlling(alice), controlled(bob));
    session.connect();
    assert_eq!(session.assert_mirrored(1).kinds, [CandidateKind::Host; 2]);
    session.assert_data_flows(1);
}

/// The shortest time between two new checks of an end.
fn shortest_gap(session: &Session, end: floe::sim::NodeId) -> Duration {
    let checks = session.checks(end);
    assert!(checks.len() > 5, "{}", session.world.trace());
    checks.windows(2).map(|two| two[1].at.saturating_since(two[0].at)).min().unwrap()
}

/// Proves: rfc8445-14.2-2, rfc8839-5.5-2
/// Scenario: S-12
#[test]
fn both_pace_their_checks_by_the_larger_of_the_two_proposals() {
    let fast = |millis| Config::new().pacing(ms(millis));
    let cases = [
        (fast(20), Config::new(), 50),
        (Config::new(), fast(20), 50),
        (fast(20), fast(30), 30),
        (fast(80), fast(30), 80),
        (Config::new(), Config::new(), 50),
    ];
    for (ours, theirs, wanted) in cases {
        let dead = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"];
        let alice = controlling(host(&dead)).config(ours);
        let bob = controlled(host(&["198.51.100.1:1", "198.51.100.2:1", "198.51.100.3:1"])).config(theirs);
        let mut session = Session::new(World::new(1), alice, bob);
        session.world.unplug(session.bob);
        session.call();
        session.world.run_for(ms(1_500));
        for id in session.ends() {
            assert_eq!(shortest_gap(&session, id), ms(wanted));
        }
    }
}
