//! A full agent that faces a lite one (RFC 8445 section 6.1.1), in a network and on the bench.

mod harness;

use core::time::Duration;
use std::collections::BTreeSet;

use floe::ice::{CandidateKind, Credentials, Nomination, Role};
use floe::sim::{Nat, NodeId, Peer, World};
use floe::stun::ErrorCode;
use floe::{Config, Event, NominateInConsent, Reason, Remote, StreamState, Timestamp};
use harness::{Bench, LOCAL, PeerCheck, REMOTE, address, at, host, ms, remote_credentials};

/// Another address of the peer.
const ELSEWHERE: &str = "198.51.100.1:2222";

/// A full agent, and a lite one with a public address. `initiator`: who began in the controlling role.
fn with_lite_peer(nat: Nat, initiator: usize) -> (World<Peer>, [NodeId; 2]) {
    let mut world = World::new(58);
    let mut ids = Vec::new();
    for (n, (nat, lite)) in [(nat, false), (Nat::none(), true)].into_iter().enumerate() {
        let seed = world.seed_for(n as u64);
        let role = if n == initiator { Role::Controlling } else { Role::Controlled };
        let config = Config::new().lite(lite);
        ids.push(world.add_node(nat, |_, now, addresses| Peer::new(now, config, role, seed, addresses)));
    }
    for (this, other) in [(0, 1), (1, 0)] {
        world.with(ids[this], |peer, now| peer.call(now, ids[other]));
    }
    (world, [ids[0], ids[1]])
}

fn complete(world: &mut World<Peer>, ids: [NodeId; 2]) {
    let done = world.run_until(Duration::from_secs(5), |world| {
        ids.iter().all(|id| world.node(*id).state() == StreamState::Completed)
    });
    assert!(done.is_ok(), "{:?}", ids.map(|id| world.node(id).state()));
}

/// Scenario: S-58
/// Proves: rfc8445-6.1.1-2, rfc8445-7-1, rfc8445-A-1, lite-lite-1, lite-lite-7, lite-lite-12
#[test]
fn a_full_agent_behind_a_nat_controls_a_lite_one_for_an_hour() {
    for initiator in [0, 1] {
        for nat in [Nat::port_restricted(), Nat::symmetric()] {
            let (mut world, ids) = with_lite_peer(nat, initiator);
            let [full, lite] = ids;
            complete(&mut world, ids);
            assert!(world.now() < at(500), "nothing waits for checks of the peer: {:?}", world.now());
            world.run_for(Duration::from_secs(3_600));
            assert_eq!(world.node(full).agent().role(), Role::Controlling);
            assert_eq!(world.node(lite).agent().role(), Role::Controlled);
            for id in ids {
                assert_eq!(world.node(id).state(), StreamState::Completed);
                assert!(world.with(id, |peer, _| peer.send(1, b"data")));
            }
            world.run_for(Duration::from_secs(1));
            assert!(ids.iter().all(|id| world.node(*id).received().len() == 1));
            let stats = world.node(lite).agent().stats();
            assert_eq!((stats.checks_sent, stats.consent_checks_sent, stats.retransmissions), (0, 0, 0));
            let asked = world.node(full).agent().stats();
            assert!(asked.consent_checks_sent > 600);
            assert_eq!(
                stats.transmitted,
                u64::from(asked.checks_sent + asked.consent_checks_sent),
                "an answer for each"
            );
        }
    }
}

/// A lite agent loses a peer that has gone away.
///
///
/// Proves: lite-lite-8
/// Lesson: R-07
#[test]
fn a_lite_agent_notices_that_its_peer_is_gone() {
    let (mut world, ids) = with_lite_peer(Nat::port_restricted(), 0);
    complete(&mut world, ids);
    world.with(ids[0], |peer, now| peer.agent_mut().close(now));
    world.run_for(Duration::from_secs(31));
    assert_eq!(world.node(ids[1]).state(), StreamState::Lost(Reason::ConsentExpired));
}

/// Credentials, valid list and selection are new; the pair in use carries the data meanwhile, and roles stay.
///
/// Proves: lite-lite-9
#[test]
fn a_full_peer_restarts_and_data_goes_on() {
    for restarter in [0, 1] {
        let (mut world, ids) = with_lite_peer(Nat::port_restricted(), 1);
        complete(&mut world, ids);
        let credentials =
            ids.map(|id| world.node(id).agent().local_credentials(world.node(id).stream()).unwrap().clone());
        world.with(ids[restarter], |peer, now| peer.restart(now));
        for _ in 0..30 {
            for id in ids {
                assert!(world.with(id, |peer, _| peer.send(1, b"data")), "no route at {:?}", world.now());
            }
            world.run_for(ms(10));
        }
        complete(&mut world, ids);
        world.run_for(ms(100));
        for (n, id) in ids.iter().enumerate() {
            let peer = world.node(*id);
            assert_eq!(peer.received().len(), 30);
            assert_ne!(
                peer.agent().local_credentials(peer.stream()).unwrap().ufrag(),
                credentials[n].ufrag()
            );
            let selected = |event: &&(Timestamp, Event)| matches!(event.1, Event::Selected { .. });
            assert_eq!(peer.events().iter().filter(selected).count(), 2, "one for each generation");
        }
        assert_eq!(world.node(ids[0]).agent().role(), Role::Controlling);
        assert_eq!(world.node(ids[1]).agent().stats().checks_sent, 0);
    }
}

/// Whether the consent checks of a full, controlling agent nominate.
fn nominates_in_consent(config: Config, remote: Remote) -> BTreeSet<bool> {
    let mut bench = Bench::bare(config, Role::Controlling);
    bench.base(LOCAL);
    bench.agent.set_remote(bench.now, bench.stream, remote.candidates([host("1", 1, REMOTE)])).unwrap();
    bench.run_answering(at(2_000), |_| Some(ms(20)));
    assert_eq!(bench.selections().len(), 1);
    let before = bench.checks().len();
    bench.run_answering(at(60_000), |_| Some(ms(20)));
    let consent = bench.checks().split_off(before);
    assert!(consent.len() >= 8);
    consent.iter().map(|check| check.use_candidate).collect()
}

/// Lesson: L-14
#[test]
fn consent_checks_nominate_where_the_configuration_says_so() {
    let remote = || Remote::new(remote_credentials());
    for (when, with_full, with_lite) in [
        (None, false, true),
        (Some(NominateInConsent::Never), false, false),
        (Some(NominateInConsent::WithLitePeer), false, true),
        (Some(NominateInConsent::Always), true, true),
    ] {
        let config = || when.map_or_else(Config::new, |when| Config::new().nominate_in_consent(when));
        assert_eq!(nominates_in_consent(config(), remote()), BTreeSet::from([with_full]), "{when:?}");
        assert_eq!(nominates_in_consent(config(), remote().lite()), BTreeSet::from([with_lite]), "{when:?}");
    }
}

/// A pair that is valid and not nominated is not nominated by a consent check.
#[test]
fn consent_checks_of_a_pair_that_is_not_nominated_do_not_nominate() {
    let config = Config::new().nomination(Nomination::Manual);
    let mut bench = Bench::bare(config.nominate_in_consent(NominateInConsent::Always), Role::Controlling);
    bench.base(LOCAL);
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.run_answering(at(30_000), |_| Some(ms(20)));
    assert!(bench.checks().len() > 4 && bench.checks().iter().all(|check| !check.use_candidate));
}

/// Whatever role it began in, and if a lite peer answers 487, which it has no reason to.
///
/// Proves: rfc8445-6.1.1-2
#[test]
fn a_full_agent_does_not_let_a_lite_peer_control() {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    bench.base(LOCAL);
    bench.agent.set_remote(bench.now, bench.stream, Remote::new(remote_credentials()).lite()).unwrap();
    bench.trickle(host("1", 1, REMOTE));
    assert_eq!(bench.agent.role(), Role::Controlling);
    let check = bench.next_check();
    assert!(check.controlling.is_some() && check.controlled.is_none());
    let conflict = bench.error(&check, ErrorCode::ROLE_CONFLICT);
    bench.feed(&conflict);
    assert_eq!(bench.agent.role(), Role::Controlling);
}

/// The credentials that are known, with another kind of peer: no restart, no change.
///
/// Proves: lite-lite-14
#[test]
fn a_peer_becomes_lite_or_full_by_a_restart_alone() {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    bench.remote();
    let (now, stream) = (bench.now, bench.stream);
    bench.agent.set_remote(now, stream, Remote::new(remote_credentials()).lite()).unwrap();
    assert_eq!(bench.agent.role(), Role::Controlled);
    let next = Credentials::new("next", "passwordofthenextpeer/1234").unwrap();
    bench.agent.set_remote(now, stream, Remote::new(next).lite()).unwrap();
    assert_eq!(bench.agent.role(), Role::Controlling);
}

/// Against a peer of RFC 5245, which nominates with every check, and one of RFC 8445 that should not and does.
///
/// Proves: lite-ice2-2, lite-ice2-3
#[test]
fn a_full_controlled_agent_takes_a_second_nomination_only_if_it_is_of_higher_priority() {
    let (high, low) = (host("1", 1, REMOTE), harness::typed("2", "host", 2_130_000_000, ELSEWHERE));
    for first in [REMOTE, ELSEWHERE] {
        let mut bench = Bench::bare(Config::new(), Role::Controlled);
        bench.base(LOCAL);
        bench.remote();
        bench.trickle(high.clone());
        bench.trickle(low.clone());
        let second = if first == REMOTE { ELSEWHERE } else { REMOTE };
        for from in [first, second] {
            let check = PeerCheck { use_candidate: true, ..bench.peer_check() };
            bench.feed_on(LOCAL, from, &check.encode());
        }
        bench.run_answering(bench.now + ms(500), |_| Some(ms(20)));
        assert_eq!(bench.selections().last(), Some(&address(REMOTE)), "{first} first");
        let checks = bench.checks();
        assert!(checks.iter().all(|check| !check.use_candidate && check.controlled.is_some()));
    }
}

/// The lite agent learns from checks where its peer is, so nothing of the full one need be signalled but its credentials.
///
/// Proves: rfc8838-B-1
#[test]
fn a_full_agent_that_signals_no_candidate_connects_to_a_lite_one() {
    let mut world = World::new(59);
    let ids = [false, true].map(|lite| {
        let seed = world.seed_for(u64::from(lite));
        let (role, nat) = match lite {
            false => (Role::Controlling, Nat::port_restricted()),
            true => (Role::Controlled, Nat::none()),
        };
        let config = Config::new().lite(lite);
        world.add_node(nat, |_, now, addresses| Peer::new(now, config, role, seed, addresses))
    });
    let [full, lite] = ids.map(|id| world.node(id).stream());
    world.with(ids[1], |peer, now| peer.agent_mut().end_of_bases(now, lite).unwrap());
    let agent = world.node(ids[1]).agent();
    let candidates: Vec<_> = agent.local_candidates(lite).map(|(_, candidate)| candidate.clone()).collect();
    let signalled = Remote::new(agent.local_credentials(lite).unwrap().clone()).candidates(candidates);
    let own = world.node(ids[0]).agent().local_credentials(full).unwrap().clone();
    world.with(ids[1], |peer, now| peer.agent_mut().set_remote(now, lite, Remote::new(own)).unwrap());
    world.with(ids[0], |peer, now| {
        peer.agent_mut().set_remote(now, full, signalled.lite().complete()).unwrap();
    });
    complete(&mut world, ids);
    let mut learned = world.node(ids[1]).agent().remote_candidates(lite);
    assert!(learned.all(|(_, candidate)| candidate.kind() == CandidateKind::PeerReflexive));
}
