//! What is set to happen at a time, and clocks of nodes.

use core::time::Duration;

use floe::Timestamp;
use floe::sim::{
    Action, Attachment, Connect, Dropped, Ended, Host, Link, Nat, NetworkId, Node, NodeId, Output,
    StunServer, TurnServer, World,
};
use floe::stun::{Builder, Method, TransactionId};

use super::probe::{Probe, address, probe, public};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const ALICE: &str = "198.51.100.1:1000";
const BOB: &str = "198.51.100.2:1000";

fn pair() -> (World<Probe>, NodeId, NodeId) {
    let mut world = World::new(5);
    let (alice, bob) = (public(&mut world, ALICE), public(&mut world, BOB));
    (world, alice, bob)
}

/// Sends a numbered datagram every second, from zero on, until `end`; returns the numbers that arrive.
fn beats(world: &mut World<Probe>, from: NodeId, to: NodeId, end: u8) -> Vec<u8> {
    for number in 0..end {
        let local = world.addresses(from).first().copied();
        if let (Some(local), false) = (local, world.is_suspended(from)) {
            let remote = world.addresses(to).first().copied().unwrap_or_else(|| address(BOB));
            world.with(from, |probe, _| probe.send(local, remote, &[number]));
        }
        world.run_for(SECOND);
    }
    world.node(to).heard().iter().map(|bytes| bytes[0]).collect()
}

#[test]
fn links_go_down_and_up_when_they_are_set_to() {
    let (mut world, alice, bob) = pair();
    world.at(3 * SECOND + 500 * MS, Action::LinkDown(bob.into()));
    world.at(6 * SECOND + 500 * MS, Action::LinkUp((bob, address(BOB).ip()).into()));
    assert_eq!(beats(&mut world, alice, bob, 10), [0, 1, 2, 3, 7, 8, 9]);
}

#[test]
fn an_action_comes_before_the_deadlines_of_its_instant_and_one_that_is_late_comes_now() {
    let (mut world, alice, bob) = pair();
    world.at(SECOND, Action::LinkDown(bob.into()));
    world.run_for(2 * SECOND);
    world.at(SECOND, Action::LinkUp(bob.into()));
    world.with(alice, |probe, now| {
        probe.wake_at = Some(now);
        probe.send(address(ALICE), address(BOB), b"later than the link is up");
    });
    world.run_for(SECOND);
    let lines: Vec<String> = world.trace().entries().map(ToString::to_string).collect();
    let acted = lines.iter().position(|line| line.contains("link up n1")).expect("the action shows");
    let woken = lines.iter().position(|line| line.contains("n0 timeout")).expect("so does the timeout");
    assert!(acted < woken && lines[acted].contains("2.000000"), "{lines:#?}");
    assert_eq!(world.node(bob).datagrams.len(), 1);
}

#[test]
fn a_link_becomes_another_one() {
    let (mut world, alice, bob) = pair();
    world.at(2 * SECOND + 500 * MS, Action::SetLink(alice.into(), Link::new(200 * MS)));
    world.at(3 * SECOND + 500 * MS, Action::SetUplink(alice.into(), Link::new(30 * MS)));
    world.at(4 * SECOND + 500 * MS, Action::SetDownlink(alice.into(), Link::new(900 * MS)));
    world.at(5 * SECOND + 500 * MS, Action::SetDownlink(bob.into(), Link::new(60 * MS)));
    beats(&mut world, alice, bob, 7);
    let delays: Vec<_> =
        world.node(bob).datagrams.iter().map(|(at, ..)| at.as_nanos() / 1_000_000 % 1_000).collect();
    assert_eq!(delays, [10, 10, 10, 205, 35, 35, 90]);
}

#[test]
fn a_suspended_node_is_not_called_and_hears_only_signals_afterwards() {
    let (mut world, alice, bob) = pair();
    world.with(bob, |probe, now| probe.wake_at = Some(now + 5 * SECOND));
    world.at(3 * SECOND + 500 * MS, Action::Suspend(bob, 4 * SECOND));
    world.with(alice, |probe, _| probe.outputs.push_back(Output::Signal(bob, "at once".into())));
    let heard = {
        for number in 0..10 {
            world.with(alice, |probe, _| probe.send(address(ALICE), address(BOB), &[number]));
            if number == 4 {
                world.with(alice, |probe, _| probe.outputs.push_back(Output::Signal(bob, "waits".into())));
                assert!(world.is_suspended(bob));
            }
            world.run_for(SECOND);
        }
        world.node(bob).heard().iter().map(|bytes| bytes[0]).collect::<Vec<_>>()
    };
    assert_eq!(heard, [0, 1, 2, 3, 8, 9]);
    assert_eq!(world.dropped(Dropped::Suspended), 4);
    // The deadline of 5 s is served when the node is awake, and the clock has gone on.
    assert_eq!(world.node(bob).woken, [Timestamp::from_millis(7_500)]);
    let signals: Vec<_> = world.node(bob).signals.iter().map(|(at, ..)| at.as_nanos() / 1_000_000).collect();
    assert_eq!(signals, [50, 7_500]);
}

#[test]
#[should_panic(expected = "n1 is suspended and hears no command")]
fn a_suspended_node_cannot_be_commanded() {
    let (mut world, _, bob) = pair();
    world.suspend(bob, SECOND);
    world.with(bob, |_, _| ());
}

#[test]
fn a_stream_to_a_suspended_node_waits_for_it() {
    let (mut world, alice, bob) = pair();
    world.with(bob, |probe, _| probe.outputs.push_back(Output::Listen(address(BOB))));
    let connect = Connect::new(1, address("198.51.100.1:0"), address(BOB));
    world.with(alice, |probe, _| probe.outputs.push_back(Output::Connect(connect)));
    world.run_for(SECOND);
    let path = world.node(alice).connected[0].2.unwrap();
    world.suspend(bob, 30 * SECOND);
    for number in 0..20 {
        world.with(alice, |probe, _| probe.outputs.push_back(Output::Write(path, vec![number].into())));
        world.run_for(SECOND);
    }
    assert_eq!(world.node(bob).stream(), []);
    world.run_for(60 * SECOND);
    assert!(world.node(bob).stream().into_iter().eq(0..20));
    assert!(world.node(bob).reads.iter().all(|(at, ..)| *at >= Timestamp::from_millis(31_000)));
    // Longer than the sender's patience of 100 s.
    world.suspend(bob, 3600 * SECOND);
    world.with(alice, |probe, _| probe.outputs.push_back(Output::Write(path, "?".into())));
    world.run_for(200 * SECOND);
    assert!(matches!(world.node(alice).lost[..], [(_, _, Ended::TimedOut)]));
}

#[test]
fn a_node_goes_by_its_own_clock() {
    let mut world = World::new(5);
    let bob = public(&mut world, BOB);
    let ahead = Host::from(NetworkId::PUBLIC).clock(1_000 * SECOND);
    let mut built_at = None;
    let alice = world.add_node(ahead, |_, now, _| {
        built_at = Some(now);
        Probe::default()
    });
    assert_eq!(built_at, Some(Timestamp::from_millis(1_000_000)));
    let to = world.address(alice);
    world.with(alice, |probe, now| probe.wake_at = Some(now + 2 * SECOND));
    world.with(bob, |probe, _| probe.send(address(BOB), to, b"hello"));
    world.run_for(5 * SECOND);
    assert_eq!(world.node(alice).datagrams[0].0, Timestamp::from_millis(1_000_010));
    assert_eq!(world.node(alice).woken, [Timestamp::from_millis(1_002_000)]);
    assert_eq!(world.now(), Timestamp::from_millis(5_000));
    let timeout =
        world.trace().entries().find(|entry| matches!(entry.event, floe::sim::Event::Timeout { .. }));
    assert_eq!(
        timeout.map(|entry| entry.at),
        Some(Timestamp::from_millis(2_000)),
        "the trace has the world's"
    );
}

#[test]
fn a_clock_that_jumps_forward_brings_deadlines_closer_and_one_set_back_puts_them_off() {
    let woken = |action: fn(NodeId) -> Action| {
        let (mut world, alice, _) = pair();
        world.with(alice, |probe, now| probe.wake_at = Some(now + 10 * SECOND));
        world.at(4 * SECOND, action(alice));
        let woken = world.run_until(60 * SECOND, |world| !world.node(alice).woken.is_empty()).unwrap();
        (woken.as_nanos() / 1_000_000, world.node(alice).woken[0].as_nanos() / 1_000_000)
    };
    assert_eq!(woken(|node| Action::LinkUp(node.into())), (10_000, 10_000));
    assert_eq!(woken(|node| Action::AdvanceClock(node, 3 * SECOND)), (7_000, 10_000));
    assert_eq!(woken(|node| Action::AdvanceClock(node, 3600 * SECOND)), (4_000, 3_604_000));
    assert_eq!(woken(|node| Action::SetBackClock(node, 3 * SECOND)), (13_000, 10_000));
    // Not below zero: there the clock stands until the world has caught up.
    assert_eq!(woken(|node| Action::SetBackClock(node, 30 * SECOND)), (40_000, 10_000));
}

#[test]
fn a_clock_that_does_not_count_sleep_is_one_that_is_set_back() {
    let (mut world, alice, _) = pair();
    world.with(alice, |probe, now| probe.wake_at = Some(now + 10 * SECOND));
    world.at(4 * SECOND, Action::Suspend(alice, 100 * SECOND));
    world.at(4 * SECOND, Action::SetBackClock(alice, 100 * SECOND));
    world.run_for(200 * SECOND);
    assert_eq!(world.node(alice).woken, [Timestamp::from_millis(10_000)]);
    assert_eq!(world.clock_of(alice), Timestamp::from_millis(100_000));
}

#[test]
fn roaming_takes_all_interfaces_and_gives_another_after_a_gap() {
    let (mut world, alice, bob) = pair();
    let to = Attachment::from(Nat::symmetric()).network(2, 900);
    world.at(2 * SECOND + 500 * MS, Action::Roam { node: alice, to, gap: 3 * SECOND });
    assert_eq!(beats(&mut world, alice, bob, 8), [0, 1, 2, 6, 7]);
    let lists: Vec<_> = world.node(alice).addresses.iter().map(|(at, list)| (*at, list.len())).collect();
    assert_eq!(lists, [(Timestamp::from_millis(2_500), 0), (Timestamp::from_millis(5_500), 1)]);
    let sources = world.node(bob).sources();
    assert_eq!((sources[0], sources[2]), (address(ALICE), address(ALICE)));
    assert_eq!(Some(sources[3].ip()), world.outer_address(world.network(alice)));
}

#[test]
fn gateways_rebind_forget_and_change() {
    let (mut world, _, bob) = pair();
    let inside = probe(&mut world, Nat::symmetric());
    let lan = world.network(inside);
    world.at(500 * MS, Action::ForgetMappings(lan));
    world.at(1_500 * MS, Action::Rebind(lan));
    world.at(2_500 * MS, Action::SetNat(lan, Nat::none().without_udp()));
    assert_eq!(beats(&mut world, inside, bob, 4), [0, 1, 2]);
    let sources = world.node(bob).sources();
    assert_eq!((sources[0].ip(), sources[0].port() + 1), (sources[1].ip(), sources[1].port()));
    assert_ne!(sources[1].ip(), sources[2].ip());
}

#[test]
fn what_is_between_two_nodes_is_blocked_and_opened() {
    let (mut world, alice, bob) = pair();
    world.at(1_500 * MS, Action::Block(alice, bob));
    world.at(3_500 * MS, Action::Unblock(alice, bob));
    assert_eq!(beats(&mut world, alice, bob, 5), [0, 1, 4]);
}

/// A server that answers Binding requests, and one request every second for six; returns how many of them were answered.
fn answers(world: &mut World<Probe>, server: NodeId) -> usize {
    let client = probe(world, NetworkId::PUBLIC);
    let (from, to) = (world.address(client), world.address(server));
    for number in 0..6 {
        let mut request = Vec::new();
        Builder::request(&mut request, Method::BINDING, TransactionId::from([number; 12])).fingerprint();
        world.with(client, |probe, _| probe.send(from, to, &request));
        world.run_for(SECOND);
    }
    world.node(client).datagrams.len()
}

#[test]
fn servers_go_down_and_come_back() {
    for turn in [false, true] {
        let mut world = World::new(1);
        let server = match turn {
            false => world.add_server(NetworkId::PUBLIC, StunServer::new()),
            true => world.add_turn_server(NetworkId::PUBLIC, TurnServer::new("example.org")),
        };
        world.at(1_500 * MS, Action::ServerDown(server));
        world.at(3_500 * MS, Action::ServerUp(server));
        assert_eq!(answers(&mut world, server), 4);
    }
}

#[test]
fn connections_are_reset_and_forgotten() {
    let lost = |action: fn(NodeId) -> Action| {
        let (mut world, alice, bob) = pair();
        world.with(bob, |probe, _| probe.outputs.push_back(Output::Listen(address(BOB))));
        let connect = Connect::new(1, address("198.51.100.1:0"), address(BOB));
        world.with(alice, |probe, _| probe.outputs.push_back(Output::Connect(connect)));
        world.at(SECOND, action(bob));
        world.run_for(5 * SECOND);
        [alice, bob]
            .map(|node| world.node(node).lost.first().map(|(at, _, how)| (at.as_nanos() / 1_000_000, *how)))
    };
    assert_eq!(lost(Action::ResetConnections), [Some((1_010, Ended::Reset)), Some((1_000, Ended::Reset))]);
    assert_eq!(lost(Action::ForgetConnections), [None, None]);
}

/// Whoever is asleep when an interface comes is told when he is awake.
#[test]
fn a_suspended_node_learns_of_its_addresses_when_it_is_awake() {
    let (mut world, alice, _) = pair();
    world.at(SECOND, Action::Suspend(alice, 10 * SECOND));
    world.at(2 * SECOND, Action::AddInterface(alice, Attachment::on(NetworkId::PUBLIC)));
    world.at(3 * SECOND, Action::RemoveInterface(alice, address(ALICE).ip()));
    world.run_for(20 * SECOND);
    let told = &world.node(alice).addresses;
    assert!(
        told.iter().all(|(at, list)| *at == Timestamp::from_millis(11_000) && list.len() == 1),
        "{told:?}"
    );
    assert_eq!(told[0].1[0].address, world.address(alice));
}

#[test]
fn one_timeline_makes_one_trace() {
    let hash = |gap| {
        let (mut world, alice, bob) = pair();
        let to = Attachment::from(Nat::symmetric());
        world.at(2 * SECOND, Action::Roam { node: alice, to, gap });
        world.at(3 * SECOND, Action::Suspend(bob, SECOND));
        beats(&mut world, alice, bob, 6);
        world.trace().hash()
    };
    assert_eq!(hash(SECOND), hash(SECOND));
    assert_ne!(hash(SECOND), hash(2 * SECOND));
}

fn deadline(node: &impl Node) -> Option<Timestamp> {
    node.deadline()
}

#[test]
fn a_deadline_is_of_the_nodes_clock() {
    let mut world = World::new(5);
    let alice = probe(&mut world, Host::from(NetworkId::PUBLIC).clock(50 * SECOND));
    world.with(alice, |probe, now| probe.wake_at = Some(now + SECOND));
    assert_eq!(deadline(world.node(alice)), Some(Timestamp::from_millis(51_000)));
    assert_eq!(world.step(), Some(Timestamp::from_millis(1_000)));
}
