//! Delay, loss, copies, order; and what a test may do to a datagram.

use core::time::Duration;

use floe::sim::{Datagram, Dropped, Link, Nat, NetworkId, NodeId, Signalling, Verdict, World};
use floe::{Path, Timestamp};

use super::probe::{Probe, address, probe, public, send};

const MS: Duration = Duration::from_millis(1);

fn pair() -> (World<Probe>, NodeId, NodeId) {
    let mut world = World::new(5);
    let (alice, bob) = (probe(&mut world, NetworkId::PUBLIC), probe(&mut world, NetworkId::PUBLIC));
    (world, alice, bob)
}

/// Sends numbered datagrams a millisecond apart and lets them arrive.
fn send_numbers(world: &mut World<Probe>, from: NodeId, to: NodeId, count: u32) {
    let (local, remote) = (world.address(from), world.address(to));
    for number in 0..count {
        world.with(from, |probe, _| probe.send(local, remote, &number.to_be_bytes()));
        world.run_for(MS);
    }
    world.run_for(Duration::from_secs(1));
}

fn numbers(world: &World<Probe>, of: NodeId) -> Vec<u32> {
    world.node(of).heard().iter().map(|bytes| u32::from_be_bytes((*bytes).try_into().unwrap())).collect()
}

#[test]
fn latencies_of_both_links_add() {
    let (mut world, alice, bob) = pair();
    world.set_uplink(alice, Link::new(7 * MS));
    world.set_downlink(bob, Link::new(30 * MS));
    let (from, to) = (world.address(alice), world.address(bob));
    world.with(alice, |probe, _| probe.send(from, to, b"over"));
    world.with(bob, |probe, _| probe.send(to, from, b"back"));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.node(bob).datagrams[0].0, Timestamp::from_millis(37));
    assert_eq!(world.node(alice).datagrams[0].0, Timestamp::from_millis(10));
}

#[test]
fn a_link_loses_its_share_in_one_direction() {
    let (mut world, alice, bob) = pair();
    world.set_uplink(alice, Link::default().loss(0.1));
    send_numbers(&mut world, alice, bob, 10_000);
    send_numbers(&mut world, bob, alice, 1_000);
    let lost = 10_000 - world.node(bob).datagrams.len() as u64;
    // Five standard deviations.
    assert!((850..=1_150).contains(&lost), "{lost}");
    assert_eq!(world.counters(alice).dropped, lost);
    assert_eq!(world.dropped(Dropped::Lost), lost);
    assert_eq!(world.node(alice).datagrams.len(), 1_000);
}

#[test]
fn losses_of_both_links_multiply() {
    let (mut world, alice, bob) = pair();
    world.set_link(alice, Link::default().loss(0.5));
    world.set_link(bob, Link::default().loss(0.5));
    send_numbers(&mut world, alice, bob, 10_000);
    let heard = world.node(bob).datagrams.len();
    assert!((2_280..=2_720).contains(&heard), "{heard}");
}

#[test]
fn a_link_doubles_its_share() {
    let (mut world, alice, bob) = pair();
    world.set_downlink(bob, Link::default().duplication(0.2));
    send_numbers(&mut world, alice, bob, 10_000);
    let copies = world.node(bob).datagrams.len() - 10_000;
    assert!((1_800..=2_200).contains(&copies), "{copies}");
}

#[test]
fn jitter_reorders_and_stays_within_its_bounds() {
    let (mut world, alice, bob) = pair();
    send_numbers(&mut world, alice, bob, 1_000);
    assert!(numbers(&world, bob).is_sorted(), "no jitter, no reordering");

    let (mut world, alice, bob) = pair();
    world.set_uplink(alice, Link::new(5 * MS).jitter(20 * MS));
    send_numbers(&mut world, alice, bob, 1_000);
    let mut heard = numbers(&world, bob);
    assert!(!heard.is_sorted());
    let delays = world
        .node(bob)
        .datagrams
        .iter()
        .zip(&heard)
        .map(|((at, ..), number)| at.saturating_since(Timestamp::from_millis(u64::from(*number))));
    let (least, most) = (delays.clone().min().unwrap(), delays.max().unwrap());
    assert!(least >= 10 * MS && least < 11 * MS && most < 30 * MS && most > 29 * MS, "{least:?} {most:?}");
    heard.sort_unstable();
    assert!(heard.into_iter().eq(0..1_000), "nothing lost, nothing doubled");
}

#[test]
fn loss_leaves_the_delays_of_the_rest_as_they_were() {
    let delays = |loss| {
        let (mut world, alice, bob) = pair();
        world.set_uplink(alice, Link::new(5 * MS).jitter(20 * MS).loss(loss));
        send_numbers(&mut world, alice, bob, 500);
        world.node(bob).datagrams.iter().map(|(at, _, payload)| (payload.clone(), *at)).collect::<Vec<_>>()
    };
    let (all, rest) = (delays(0.0), delays(0.4));
    assert!(rest.len() < 400 && rest.iter().all(|one| all.contains(one)));
}

#[test]
fn what_is_held_back_is_overtaken_and_nothing_else_changes() {
    let arrivals = |reordering| {
        let (mut world, alice, bob) = pair();
        let link = Link::new(5 * MS).jitter(Duration::from_micros(300)).loss(0.2);
        world.set_uplink(alice, link.reordering(reordering, 40 * MS));
        send_numbers(&mut world, alice, bob, 1_000);
        let arrivals = world.node(bob).datagrams.iter().map(|(at, _, payload)| (payload.clone(), *at));
        arrivals.collect::<std::collections::BTreeMap<_, _>>()
    };
    let (orderly, unruly, late) = (arrivals(0.0), arrivals(0.1), arrivals(1.0));
    assert!(orderly.keys().eq(unruly.keys()) && orderly.len() < 900, "the losses are the same");
    let held = orderly.iter().filter(|(number, at)| {
        let extra = unruly[*number].saturating_since(**at);
        assert!(extra == Duration::ZERO || extra == 40 * MS, "{extra:?}");
        extra > Duration::ZERO
    });
    let held = held.count();
    // Five standard deviations of 800 draws.
    assert!((38..=122).contains(&held), "{held}");
    assert!(orderly.iter().all(|(number, at)| late[number] == *at + 40 * MS));
}

/// When five datagrams of 97 bytes with their headers, arrive over a link of
/// 97,000 bytes (776,000 bits) a second: a millisecond each.
fn paced(set: fn(&mut World<Probe>, NodeId, NodeId)) -> (Vec<u64>, u64) {
    let (mut world, alice, bob) = pair();
    set(&mut world, alice, bob);
    let (from, to) = (world.address(alice), world.address(bob));
    world.with(alice, |probe, _| (0..5).for_each(|_| probe.send(from, to, &[0; 97 - 28])));
    world.run_for(Duration::from_secs(1));
    world.with(alice, |probe, _| probe.send(from, to, &[0; 97 - 28]));
    world.run_for(Duration::from_secs(1));
    let arrivals = world.node(bob).datagrams.iter().map(|(at, ..)| at.as_nanos() / 1_000);
    (arrivals.collect(), world.dropped(Dropped::Congested))
}

#[test]
fn a_rate_makes_datagrams_wait_and_drops_what_exceeds_the_queue() {
    let roomy = paced(|world, alice, _| world.set_uplink(alice, Link::new(5 * MS).rate(776_000, 10_000)));
    assert_eq!(roomy, (vec![11_000, 12_000, 13_000, 14_000, 15_000, 1_011_000], 0));
    // Three fit, and the one that comes when all have left.
    let tight = paced(|world, alice, _| world.set_uplink(alice, Link::new(5 * MS).rate(776_000, 3 * 97)));
    assert_eq!(tight, (vec![11_000, 12_000, 13_000, 1_011_000], 2));
    // One goes always, however small the queue.
    let none = paced(|world, alice, _| world.set_uplink(alice, Link::new(5 * MS).rate(776_000, 0)));
    assert_eq!(none, (vec![11_000, 1_011_000], 4));
}

#[test]
fn a_rate_towards_the_receiver_counts_from_arrival_there() {
    let tight = paced(|world, _, bob| world.set_downlink(bob, Link::new(5 * MS).rate(776_000, 3 * 97)));
    assert_eq!(tight, (vec![11_000, 12_000, 13_000, 1_011_000], 2));

    // The one that was sent first is still far away when the other passes.
    let (mut world, alice, bob) = pair();
    let carol = probe(&mut world, NetworkId::PUBLIC);
    world.set_uplink(alice, Link::new(100 * MS));
    world.set_downlink(bob, Link::new(5 * MS).rate(776_000, 10_000));
    let to = world.address(bob);
    for from in [alice, carol] {
        let local = world.address(from);
        world.with(from, |probe, _| probe.send(local, to, &[0; 97 - 28]));
    }
    world.run_for(Duration::from_secs(1));
    let arrivals: Vec<_> = world.node(bob).datagrams.iter().map(|(at, ..)| at.as_nanos() / 1_000).collect();
    assert_eq!(arrivals, [11_000, 106_000]);
}

#[test]
fn datagrams_that_are_too_long_with_their_headers_are_dropped() {
    for (set, v6) in
        [(World::set_uplink as fn(&mut World<Probe>, NodeId, Link), false), (World::set_downlink, true)]
    {
        let mut world = World::new(1);
        let (alice, bob, headers) = match v6 {
            false => (public(&mut world, "192.0.2.1:1"), public(&mut world, "192.0.2.2:1"), 28),
            true => (public(&mut world, "[2001:db8::1]:1"), public(&mut world, "[2001:db8::2]:1"), 48),
        };
        set(&mut world, if v6 { bob } else { alice }, Link::default().mtu(1_280));
        let to = world.address(bob);
        send(&mut world, alice, to, &vec![0; 1_280 - headers]);
        send(&mut world, alice, to, &vec![0; 1_281 - headers]);
        assert_eq!((world.node(bob).datagrams.len(), world.dropped(Dropped::TooLong)), (1, 1));
    }
}

#[test]
fn unplugging_stops_what_is_under_way_and_what_is_sent() {
    let (mut world, alice, bob) = pair();
    let (from, to) = (world.address(alice), world.address(bob));
    world.with(alice, |probe, _| probe.send(from, to, b"under way"));
    world.unplug(bob);
    send(&mut world, bob, from, b"sent");
    assert_eq!(world.dropped(Dropped::Unplugged), 2);
    world.plug(bob);
    send(&mut world, alice, to, b"later");
    assert_eq!(world.node(bob).heard(), [b"later"]);
    assert!(world.node(alice).datagrams.is_empty());
}

#[test]
fn blocking_is_one_way() {
    let (mut world, alice, bob) = pair();
    let (of_alice, of_bob) = (world.address(alice), world.address(bob));
    world.block(alice, bob);
    send(&mut world, alice, of_bob, b"blocked");
    send(&mut world, bob, of_alice, b"open");
    world.unblock(alice, bob);
    send(&mut world, alice, of_bob, b"open");
    assert_eq!(
        (world.node(alice).heard(), world.node(bob).heard()),
        (vec![&b"open"[..]], vec![&b"open"[..]])
    );
    assert_eq!(world.dropped(Dropped::Blocked), 1);
}

#[test]
fn a_filter_drops_rewrites_and_holds_back() {
    let (mut world, alice, bob) = pair();
    world.filter(|datagram: &Datagram| match datagram.payload[..] {
        [1] => Verdict::Drop,
        [2] => Verdict::Replace("other".into()),
        [3] => Verdict::Delay(5 * MS),
        _ => Verdict::Deliver,
    });
    let to = world.address(bob);
    let from = world.address(alice);
    world.with(alice, |probe, _| (1..=4).for_each(|number| probe.send(from, to, &[number])));
    world.run_for(20 * MS);
    assert_eq!(world.node(bob).heard(), [&b"other"[..], &[4], &[3]]);
    assert_eq!(world.dropped(Dropped::Vetoed), 1);
    world.clear_filter();
    send(&mut world, alice, to, b"free");
    assert_eq!(world.node(bob).heard()[3], b"free");
}

#[test]
fn a_filter_sees_the_wire() {
    let mut world = World::new(1);
    let server = probe(&mut world, NetworkId::PUBLIC);
    let lan = world.add_network(NetworkId::PUBLIC, Nat::symmetric());
    let inside = probe(&mut world, lan);
    let (own, to, outer) = (world.address(inside), world.address(server), world.outer_address(lan).unwrap());
    world.filter(move |datagram| {
        assert_eq!((datagram.from, datagram.path), (inside, Path::udp(own, to)));
        assert_eq!(datagram.source.ip(), outer);
        Verdict::Deliver
    });
    send(&mut world, inside, to, b"?");
    assert_eq!(world.node(server).datagrams.len(), 1);
}

#[test]
fn a_node_sends_from_its_own_addresses_only() {
    let (mut world, alice, bob) = pair();
    let to = world.address(bob);
    world.with(alice, |probe, _| probe.send(address("203.0.113.200:1"), to, b"forged"));
    world.run_for(20 * MS);
    assert!(world.node(bob).datagrams.is_empty());
    assert_eq!(world.dropped(Dropped::NotLocal), 1);
}

#[test]
fn forged_datagrams_come_from_anywhere_but_pass_the_same_gateways() {
    let mut world = World::new(1);
    let server = probe(&mut world, NetworkId::PUBLIC);
    let inside = probe(&mut world, Nat::port_restricted());
    let (own, of_server) = (world.address(inside), world.address(server));
    send(&mut world, inside, of_server, b"?");
    let mapped = world.node(server).sources()[0];
    world.spoof(address("203.0.113.200:1"), mapped, b"stranger");
    world.spoof(of_server, mapped, b"as the server");
    world.inject(inside, Path::udp(own, address("203.0.113.200:1")), b"on the network");
    assert_eq!(world.node(inside).heard(), [&b"as the server"[..], b"on the network"]);
    assert_eq!(world.dropped(Dropped::Filtered), 1);
}

/// Sends twenty messages past the network, a millisecond apart; returns them in the order of arrival.
fn signalled(signalling: Signalling) -> (Vec<u8>, Timestamp) {
    let (mut world, alice, bob) = pair();
    world.set_signalling(Signalling::new(Duration::from_secs(9)));
    world.set_signalling_between(alice, bob, signalling);
    for number in 0..20 {
        world.with(alice, |probe, _| probe.outputs.push_back(signal(bob, number)));
        world.run_for(MS);
    }
    world.run_for(Duration::from_secs(1));
    assert!(world.node(bob).signals.iter().all(|(_, from, _)| *from == alice));
    let signals = &world.node(bob).signals;
    (signals.iter().map(|(_, _, message)| message[0]).collect(), signals[0].0)
}

fn signal(to: NodeId, number: u8) -> floe::sim::Output {
    floe::sim::Output::Signal(to, vec![number].into())
}

#[test]
fn signals_keep_their_order_unless_told_otherwise() {
    let (plain, first_at) = signalled(Signalling::new(80 * MS));
    assert_eq!((plain.len(), first_at), (20, Timestamp::from_millis(80)));
    assert!(plain.is_sorted());
    let (jittered, _) = signalled(Signalling::new(80 * MS).jitter(50 * MS));
    assert!(jittered.len() == 20 && jittered.is_sorted());
    let (unordered, _) = signalled(Signalling::new(80 * MS).jitter(50 * MS).unordered());
    assert!(unordered.len() == 20 && !unordered.is_sorted());
}
