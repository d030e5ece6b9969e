//! Two agents driven directly: what both ends of a session have to agree on.

mod harness;

use floe::ice::{PairPriority, Role};
use floe::stun::{Class, ErrorCode};
use floe::{Config, Event, Remote, StreamState, Timestamp, Transmit};
use harness::{Bench, Fed, PeerCheck, at, ms};

/// Two agents that know each other; what they send is in flight for 20 ms.
struct TwoHosts {
    benches: [Bench; 2],
    in_flight: Vec<(Timestamp, usize, Transmit)>,
    seen: [usize; 2],
}

impl TwoHosts {
    /// The first is the initiator.
    fn new(bases: [&[&str]; 2]) -> Self {
        let mut benches = [Role::Controlling, Role::Controlled].map(|role| Bench::bare(Config::new(), role));
        for (bench, bases) in benches.iter_mut().zip(bases) {
            for base in bases {
                bench.base(base);
            }
            bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
            bench.drain();
        }
        let remotes = benches.each_ref().map(|bench| {
            let credentials = bench.agent.local_credentials(bench.stream).unwrap().clone();
            Remote::new(credentials).candidates(bench.announced()).complete()
        });
        for (bench, remote) in benches.iter_mut().rev().zip(remotes) {
            bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
            bench.drain();
        }
        Self { benches, in_flight: Vec::new(), seen: [0; 2] }
    }

    fn run_until(&mut self, until: Timestamp) {
        loop {
            for (this, bench) in self.benches.iter().enumerate() {
                for (sent_at, transmit) in &bench.sent[self.seen[this]..] {
                    self.in_flight.push((*sent_at + ms(20), 1 - this, transmit.clone()));
                }
                self.seen[this] = bench.sent.len();
            }
            let arrival = self.in_flight.iter().map(|(arrival, ..)| *arrival).min();
            let deadline = self.benches.iter().filter_map(|bench| bench.agent.deadline()).min();
            let Some(next) = arrival.into_iter().chain(deadline).min().filter(|next| *next <= until) else {
                break;
            };
            for bench in &mut self.benches {
                bench.run_until(next);
            }
            for (_, to, transmit) in self.in_flight.extract_if(.., |(arrival, ..)| *arrival <= next) {
                let (local, remote) = (transmit.path.remote(), transmit.path.local());
                let bench = &mut self.benches[to];
                assert_eq!(
                    bench.feed_on(&local.to_string(), &remote.to_string(), &transmit.payload),
                    Fed::Control
                );
            }
        }
    }

    /// Both candidates of every listed pair, those of the initiator first, with the priority of the pair.
    fn lists(&self) -> [Vec<(String, String, PairPriority)>; 2] {
        let list = |bench: &Bench, turned: bool| {
            let pairs = bench.agent.pairs(bench.stream).filter(|pair| pair.is_listed());
            let entry = |pair: floe::Pair<'_>| {
                let (ours, theirs) = (pair.path().local().to_string(), pair.path().remote().to_string());
                let (first, second) = if turned { (theirs, ours) } else { (ours, theirs) };
                (first, second, pair.priority())
            };
            pairs.map(entry).collect()
        };
        [list(&self.benches[0], false), list(&self.benches[1], true)]
    }
}

/// Proves: rfc8445-6.1.1-1, rfc8445-6.1.4.2-1, rfc8445-8.1.1-1
/// Scenario: S-01
#[test]
fn two_public_hosts_need_four_requests() {
    let mut hosts = TwoHosts::new([&["192.0.2.1:1000"], &["198.51.100.1:2000"]]);
    hosts.run_until(at(80));
    for bench in &hosts.benches {
        assert!(bench.agent.pairs(bench.stream).any(|pair| pair.is_valid()));
    }
    hosts.run_until(at(5_000));
    let [initiator, responder] = &hosts.benches;
    let checks = initiator.checks();
    assert_eq!(checks[0].at, at(0));
    assert!(checks.iter().all(|check| check.controlling.is_some() && check.controlled.is_none()));
    assert!(responder.checks().iter().all(|check| check.controlled.is_some() && check.controlling.is_none()));
    assert!(!responder.checks().is_empty());
    assert_eq!(checks.iter().filter(|check| check.use_candidate).count(), 1);
    assert!(responder.checks().iter().all(|check| !check.use_candidate));
    let selected = |bench: &Bench| {
        let events = bench.events.iter().filter(|(_, event)| matches!(event, Event::Selected { .. }));
        assert_eq!(events.count(), 1);
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
        bench.agent.route(bench.component()).unwrap().path()
    };
    let (ours, theirs) = (selected(initiator), selected(responder));
    assert_eq!((ours.local(), ours.remote()), (theirs.remote(), theirs.local()));
    let requests = initiator.requests().len() + responder.requests().len();
    assert!(requests <= 4, "{requests} requests");
}

/// Proves: rfc8445-6.1.2.3-2, rfc8445-6.1.2.3-4
/// Scenario: S-02
#[test]
fn both_ends_have_the_same_pairs_in_the_same_order_in_either_role() {
    let ours = ["192.0.2.1:1000", "192.0.2.2:1000", "192.0.2.3:1000"];
    let theirs = ["198.51.100.1:2000", "198.51.100.2:2000", "198.51.100.3:2000", "198.51.100.4:2000"];
    let mut hosts = TwoHosts::new([&ours, &theirs]);
    let [first, second] = hosts.lists();
    assert_eq!(first.len(), 12);
    assert_eq!(first, second);
    for list in [&first, &second] {
        assert!(list.is_sorted_by(|a, b| a.2 >= b.2));
    }

    // The initiator hears 487, the responder a check of its own role and a larger tie-breaker.
    let [initiator, responder] = &mut hosts.benches;
    let check = initiator.next_check();
    let password = responder.agent.local_credentials(responder.stream).unwrap().password().to_owned();
    let mut conflict = Vec::new();
    floe::stun::Builder::error(
        &mut conflict,
        floe::stun::Method::BINDING,
        check.id,
        &ErrorCode::ROLE_CONFLICT,
    )
    .integrity(&floe::stun::Key::short_term(password.as_bytes()), floe::stun::Integrity::Sha1)
    .fingerprint();
    assert_eq!(initiator.feed_path(check.path, &conflict), Fed::Control);
    let ufrag = initiator.agent.local_credentials(initiator.stream).unwrap().ufrag().to_owned();
    let claimed = responder.peer_check();
    let own = responder.agent.local_credentials(responder.stream).unwrap().ufrag();
    let username = Some(format!("{own}:{ufrag}"));
    let claimed = PeerCheck { username, role: Some((Role::Controlled, 0)), ..claimed };
    assert_eq!(responder.feed_on(theirs[0], ours[0], &claimed.encode()), Fed::Control);
    assert_eq!(responder.last_answer().map(|answer| answer.class), Some(Class::Success));
    assert_eq!((initiator.agent.role(), responder.agent.role()), (Role::Controlled, Role::Controlling));
    let [switched_first, switched_second] = hosts.lists();
    assert_eq!(switched_first, switched_second);
    assert_ne!(switched_first, first);
    for list in [&switched_first, &switched_second] {
        assert!(list.is_sorted_by(|a, b| a.2 >= b.2));
    }
}
