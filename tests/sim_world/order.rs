//! Time, determinism, the trace, and what no node may do.

use core::time::Duration;

use floe::sim::{Host, Link, Nat, NetworkId, Node, NodeId, Output, World};
use floe::{Path, Timestamp};

use super::probe::{Probe, probe, send};

const MS: Duration = Duration::from_millis(1);

/// A busy quarter of a second on bad links.
fn story(seed: u64) -> World<Probe> {
    let mut world = World::new(seed);
    let bad = Link::new(3 * MS).jitter(9 * MS).loss(0.2).duplication(0.1);
    let server = probe(&mut world, NetworkId::PUBLIC);
    let hosts = [Nat::full_cone(), Nat::symmetric(), Nat::none()].map(|nat| probe(&mut world, nat));
    let to = world.address(server);
    for host in hosts {
        world.set_link(host, bad);
    }
    for number in 0..80 {
        let host = hosts[usize::from(number) % hosts.len()];
        let from = world.address(host);
        world.with(host, |probe, now| {
            probe.send(from, to, &[number]);
            probe.wake_at = Some(now + 5 * MS);
            probe.outputs.push_back(Output::Signal(server, vec![number].into()));
        });
        world.run_for(3 * MS);
    }
    world.run_for(Duration::from_secs(1));
    world
}

#[test]
fn one_seed_makes_one_world() {
    let (one, same, other) = (story(1), story(1), story(2));
    assert_eq!(one.trace().hash(), same.trace().hash());
    assert_eq!(one.trace().to_string(), same.trace().to_string());
    assert_ne!(one.trace().hash(), other.trace().hash());
}

/// On every platform, with every compiler.
#[test]
fn a_known_world_has_a_known_hash() {
    assert_eq!(format!("{:#018x}", story(1).trace().hash()), "0x5819e4a9ef2c0e54");
}

#[test]
fn every_kind_of_event_counts_for_the_hash() {
    let hash = |act: fn(&mut World<Probe>, NodeId)| {
        let mut world = World::new(1);
        let alice = probe(&mut world, NetworkId::PUBLIC);
        act(&mut world, alice);
        world.run_for(Duration::from_secs(1));
        world.trace().hash()
    };
    let mut hashes = vec![
        hash(|_, _| {}),
        hash(|world, alice| world.with(alice, |_, _| ())),
        hash(|world, alice| world.with(alice, |probe, now| probe.wake_at = Some(now))),
        hash(|world, alice| world.with(alice, |probe, now| probe.wake_at = Some(now + MS))),
        hash(|world, alice| send(world, alice, "192.0.2.1:1".parse().unwrap(), b"?")),
        hash(|world, alice| send(world, alice, "192.0.2.1:2".parse().unwrap(), b"?")),
        hash(|world, alice| send(world, alice, "192.0.2.1:1".parse().unwrap(), b"!")),
        hash(|world, alice| send(world, alice, "[2001:db8::1]:1".parse().unwrap(), b"!")),
    ];
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn the_trace_reads_as_text() {
    let mut world = World::new(1);
    let server = world.add_server(NetworkId::PUBLIC, floe::sim::StunServer::new());
    let alice = probe(&mut world, Nat::full_cone());
    let to = world.address(server);
    let mut request = Vec::new();
    let id = floe::stun::TransactionId::from([0xab; 12]);
    floe::stun::Builder::request(&mut request, floe::stun::Method::BINDING, id).fingerprint();
    send(&mut world, alice, to, &request);
    send(&mut world, alice, "203.0.113.99:9".parse().unwrap(), b"hello");
    let text = world.trace().to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let expected = [
        "0.000000 n0 command",
        "0.000000 n1 command",
        "0.000000 n1 command",
        "0.000000 n1 10.0.1.1:4000 -> 198.18.0.1:4000 Binding Request abababab",
        "0.010000 n0 198.18.0.1:4000 <- 198.18.0.2:4000 Binding Request abababab",
        "0.010000 n0 198.18.0.1:4000 -> 198.18.0.2:4000 Binding Success abababab",
        "0.020000 n1 10.0.1.1:4000 <- 198.18.0.1:4000 Binding Success abababab",
        "0.020000 n1 command",
        "0.020000 n1 10.0.1.1:4000 -> 203.0.113.99:9 5 bytes",
        "0.020000    10.0.1.1:4000 -x 203.0.113.99:9 5 bytes NoRoute",
    ];
    assert_eq!(lines, expected);
    assert_eq!(world.trace().recorded(), lines.len() as u64);
    assert_eq!(world.trace().entries().len(), lines.len());
}

#[test]
fn two_traces_are_compared_and_the_first_difference_is_named() {
    let (one, same, other) = (story(1), story(1), story(2));
    assert_eq!(one.trace().first_difference(same.trace()), None);
    let difference = one.trace().first_difference(other.trace()).unwrap();
    let (here, there) = (difference.here.unwrap(), difference.there.unwrap());
    let number = difference.number as usize;
    let (ours, theirs) = (one.trace(), other.trace());
    assert!(ours.entries().take(number).eq(theirs.entries().take(number)));
    assert_eq!((ours.entries().nth(number), theirs.entries().nth(number)), (Some(here), Some(there)));
    assert_eq!(difference.to_string(), format!("- {number} {here}\n+ {number} {there}\n"));
}

#[test]
fn a_trace_that_goes_on_differs_from_one_that_ends() {
    let (one, mut longer) = (story(1), story(1));
    let end = one.trace().recorded();
    let node = first(&longer);
    longer.with(node, |_, _| ());
    let difference = one.trace().first_difference(longer.trace()).unwrap();
    assert_eq!((difference.number, difference.here), (end, None));
    assert!(difference.there.is_some_and(|entry| entry.to_string().ends_with("n0 command")));
}

/// The first node of a world.
fn first(world: &World<Probe>) -> NodeId {
    let entry = world.trace().entries().next().unwrap();
    let floe::sim::Event::Command { node } = entry.event else { panic!("{entry}") };
    node
}

#[test]
fn a_trace_keeps_as_many_entries_as_asked_and_hashes_all() {
    let kept = |entries| {
        let mut world = World::new(1);
        world.set_entries_kept(entries);
        let (alice, bob) = (probe(&mut world, NetworkId::PUBLIC), probe(&mut world, NetworkId::PUBLIC));
        let to = world.address(bob);
        (0..10).for_each(|number| send(&mut world, alice, to, &[number]));
        world
    };
    let (all, some, none) = (kept(1_000), kept(7), kept(0));
    // Two nodes; ten times a command, what was sent and what arrived.
    for (world, entries) in [(&all, 32), (&some, 7), (&none, 0)] {
        assert_eq!((world.trace().entries().len(), world.trace().recorded()), (entries, 32));
        assert_eq!(world.trace().hash(), all.trace().hash());
        assert_eq!(all.trace().first_difference(world.trace()), None);
    }
    assert!(some.trace().entries().eq(all.trace().entries().skip(25)));

    // What was not kept is told by the hash.
    let mut other = World::new(1);
    probe(&mut other, NetworkId::PUBLIC);
    other.run_for(MS);
    probe(&mut other, NetworkId::PUBLIC);
    other.set_entries_kept(0);
    let mut like = World::new(1);
    (0..2).for_each(|_| _ = probe(&mut like, NetworkId::PUBLIC));
    like.set_entries_kept(0);
    let difference = other.trace().first_difference(like.trace()).unwrap();
    assert_eq!((difference.number, difference.here, difference.there), (2, None, None));
}

#[test]
fn counters_count() {
    let mut world = World::new(1);
    let (alice, bob) = (probe(&mut world, NetworkId::PUBLIC), probe(&mut world, NetworkId::PUBLIC));
    let to = world.address(bob);
    send(&mut world, alice, to, b"four");
    send(&mut world, alice, "192.0.2.1:1".parse().unwrap(), b"nowhere");
    let (sender, receiver) = (world.counters(alice), world.counters(bob));
    assert_eq!((sender.sent, sender.sent_bytes, sender.dropped), (2, 11, 1));
    assert_eq!((receiver.received, receiver.received_bytes, receiver.sent), (1, 4, 0));
}

#[test]
fn deadlines_are_served_when_due_or_late_by_as_much_as_asked() {
    for lateness in [Duration::ZERO, 7 * MS] {
        let mut world = World::new(1);
        world.set_lateness(lateness);
        let alice = probe(&mut world, NetworkId::PUBLIC);
        world.with(alice, |probe, now| probe.wake_at = Some(now + 30 * MS));
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.node(alice).woken, [Timestamp::from_millis(30) + lateness]);
        assert_eq!(world.counters(alice).timeouts, 1);
        // One that has passed is served at once, however late the world is otherwise.
        world.with(alice, |probe, _| probe.wake_at = Some(Timestamp::ZERO));
        world.run_for(Duration::ZERO);
        assert_eq!(world.node(alice).woken[1], Timestamp::from_millis(1_000));
    }
}

#[test]
fn arrivals_of_an_instant_come_before_its_deadlines() {
    let mut world = World::new(1);
    let (alice, bob) = (probe(&mut world, NetworkId::PUBLIC), probe(&mut world, NetworkId::PUBLIC));
    let (from, to) = (world.address(alice), world.address(bob));
    world.with(bob, |probe, now| probe.wake_at = Some(now + 10 * MS));
    world.with(alice, |probe, _| probe.send(from, to, b"at ten"));
    assert_eq!(world.step(), Some(Timestamp::from_millis(10)));
    assert_eq!((world.node(bob).datagrams.len(), world.node(bob).woken.len()), (1, 0));
    assert_eq!(world.step(), Some(Timestamp::from_millis(10)));
    assert_eq!(world.node(bob).woken.len(), 1);
    assert_eq!(world.step(), None);
}

#[test]
fn running_stops_at_the_limit_or_when_it_is_done() {
    let mut world = World::new(1);
    let alice = probe(&mut world, NetworkId::PUBLIC);
    world.with(alice, |probe, now| probe.wake_at = Some(now + 30 * MS));
    let woken = |world: &World<Probe>| !world.node(alice).woken.is_empty();
    assert_eq!(world.run_until(29 * MS, woken), Err(Timestamp::from_millis(29)));
    assert_eq!(world.run_until(29 * MS, woken), Ok(Timestamp::from_millis(30)));
    world.run_for(5 * MS);
    assert_eq!(world.now(), Timestamp::from_millis(35));
}

#[test]
fn a_world_carries_nodes_of_any_kind() {
    let mut world: World<Box<dyn Node>> = World::new(1);
    let alice = world.add_node(NetworkId::PUBLIC, |_, _, _| Box::new(Probe::default()));
    let other = world.add_node(NetworkId::PUBLIC, |_, _, _| Box::new(Broken::Asleep));
    world.with(alice, |node, now| node.handle_signal(now, other, b"hello"));
    world.run_for(MS);
    assert_eq!(world.now(), Timestamp::from_millis(1));
}

/// Nodes that do what no node may do.
enum Broken {
    /// Nothing wrong with this one.
    Asleep,
    /// Its deadline stays in the past.
    Stuck,
    /// Has something to say after it had nothing to say.
    Hesitant(u32),
    /// Speaks at every timeout, due or not.
    Eager { path: Path, outputs: u32 },
    /// Says the same for ever.
    Endless(Path),
    /// Wakes, sends to itself, and wants to be woken for the answer.
    Restless { path: Path, wake_at: Option<Timestamp>, says: bool },
}

impl Node for Broken {
    fn handle_datagram(&mut self, now: Timestamp, _: Path, _: &[u8]) {
        if let Self::Restless { wake_at, .. } = self {
            *wake_at = Some(now);
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        match self {
            Self::Restless { wake_at: at @ Some(_), says, .. } if *at <= Some(now) => {
                (*at, *says) = (None, true)
            }
            Self::Eager { outputs, .. } => *outputs += 1,
            _ => {}
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        match self {
            Self::Asleep | Self::Stuck => None,
            Self::Hesitant(polls) => {
                *polls += 1;
                let path = Path::udp("192.0.2.1:1".parse().unwrap(), "192.0.2.2:1".parse().unwrap());
                polls.is_multiple_of(2).then_some(Output::Transmit(path, "well".into()))
            }
            Self::Eager { path, outputs } => {
                *outputs = outputs.checked_sub(1)?;
                Some(Output::Transmit(*path, "now".into()))
            }
            Self::Endless(path) => Some(Output::Transmit(*path, "and".into())),
            Self::Restless { path, says, .. } => {
                core::mem::take(says).then_some(Output::Transmit(*path, "me".into()))
            }
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Stuck => Some(Timestamp::ZERO),
            Self::Restless { wake_at, .. } => *wake_at,
            _ => None,
        }
    }
}

#[test]
#[should_panic(expected = "n1 is given an address that another has")]
fn an_address_belongs_to_one_node() {
    let mut world = World::new(1);
    for _ in 0..2 {
        let host = Host::new().address(NetworkId::PUBLIC, "192.0.2.1:1".parse().unwrap());
        probe(&mut world, host);
    }
}

/// Runs one node, on a link without delay, for a second.
fn run(build: fn(Timestamp, Path) -> Broken) {
    let mut world = World::new(77);
    let id = world.add_node(NetworkId::PUBLIC, |_, now, own| build(now, Path::udp(own[0], own[0])));
    world.set_link(id, Link::new(Duration::ZERO));
    world.set_nudging(true);
    world.inject(id, Path::udp(world.address(id), "192.0.2.1:1".parse().unwrap()), b"an input");
    world.run_for(Duration::from_secs(1));
}

#[test]
#[should_panic(
    expected = "n0 has a deadline that has passed, right after its timeout was handled, at 0ns in World::new(77)"
)]
fn a_deadline_that_stays_in_the_past_ends_the_world() {
    run(|_, _| Broken::Stuck);
}

#[test]
#[should_panic(expected = "n0 INV-02")]
fn an_output_after_the_last_ends_the_world() {
    run(|_, _| Broken::Hesitant(0));
}

#[test]
#[should_panic(expected = "n0 INV-03")]
fn an_output_before_the_deadline_ends_the_world() {
    run(|_, path| Broken::Eager { path, outputs: 0 });
}

#[test]
fn a_node_that_breaks_no_rule_is_left_alone() {
    run(|_, _| Broken::Asleep);
}

#[test]
#[should_panic(expected = "n0 does not stop to have something to say")]
fn outputs_without_end_end_the_world() {
    run(|_, path| Broken::Endless(path));
}

#[test]
#[should_panic(expected = "n0 wants to be woken again and again at one instant")]
fn a_busy_loop_ends_the_world() {
    run(|now, path| Broken::Restless { path, wake_at: Some(now), says: false });
}
