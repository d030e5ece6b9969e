//! RFC 4787, one behaviour a test.

use core::net::SocketAddr;
use core::time::Duration;

use floe::sim::{Dependence, Dropped, Host, Nat, NetworkId, NodeId, Ports, World};

use super::probe::{Probe, address, probe, public, send, send_from};

const ALL: [Dependence; 3] =
    [Dependence::EndpointIndependent, Dependence::AddressDependent, Dependence::AddressAndPortDependent];

/// Two hosts outside, the first with two ports.
struct Outside {
    one: NodeId,
    two: NodeId,
}

const ONE: &str = "198.51.100.1:1000";
const ONE_OTHER_PORT: &str = "198.51.100.1:2000";
const TWO: &str = "198.51.100.2:1000";

fn outside(world: &mut World<Probe>) -> Outside {
    Outside { one: public(world, ONE), two: public(world, TWO) }
}

#[test]
fn mappings_differ_as_far_as_they_depend_on_the_destination() {
    let seen: Vec<[bool; 2]> = ALL
        .into_iter()
        .map(|mapping| {
            let mut world = World::new(1);
            let Outside { one, two } = outside(&mut world);
            let inside = probe(&mut world, Nat::new(mapping, Dependence::EndpointIndependent));
            for destination in [ONE, ONE_OTHER_PORT, TWO, ONE] {
                send(&mut world, inside, address(destination), b"?");
            }
            let (ones, twos) = (world.node(one).sources(), world.node(two).sources());
            assert_eq!(ones[0], ones[2], "one destination, one mapping");
            assert_ne!(ones[0].ip(), world.address(inside).ip());
            [ones[0] == ones[1], ones[0] == twos[0]]
        })
        .collect();
    // The same mapping for another port of the first host; for the second host.
    assert_eq!(seen, [[true, true], [true, false], [false, false]]);
}

#[test]
fn filters_let_in_whom_the_inner_host_has_sent_to() {
    let seen: Vec<Vec<&str>> = ALL
        .into_iter()
        .map(|filtering| {
            let mut world = World::new(1);
            let Outside { one, two } = outside(&mut world);
            let inside = probe(&mut world, Nat::new(Dependence::EndpointIndependent, filtering));
            send(&mut world, inside, address(ONE), b"?");
            let mapped = world.node(one).sources()[0];
            for (from, local) in [(one, ONE), (one, ONE_OTHER_PORT), (two, TWO)] {
                send_from(&mut world, from, address(local), mapped, local.as_bytes());
            }
            let heard = world.node(inside).heard();
            assert_eq!(world.dropped(Dropped::Filtered), 3 - heard.len() as u64);
            [ONE, ONE_OTHER_PORT, TWO].into_iter().filter(|name| heard.contains(&name.as_bytes())).collect()
        })
        .collect();
    assert_eq!(seen, [vec![ONE, ONE_OTHER_PORT, TWO], vec![ONE, ONE_OTHER_PORT], vec![ONE]]);
}

#[test]
fn nothing_comes_in_to_a_host_that_has_sent_nothing() {
    for filtering in ALL {
        let mut world = World::new(1);
        let Outside { one, .. } = outside(&mut world);
        let lan = world.add_network(NetworkId::PUBLIC, Nat::new(Dependence::EndpointIndependent, filtering));
        let inside = probe(&mut world, lan);
        let guess = SocketAddr::new(world.outer_address(lan).unwrap(), world.address(inside).port());
        send(&mut world, one, guess, b"!");
        assert!(world.node(inside).datagrams.is_empty());
        assert_eq!(world.dropped(Dropped::NoMapping), 1);
    }
}

#[test]
fn hairpinning_carries_the_outer_source_and_is_off_unless_asked_for() {
    for hairpinning in [false, true] {
        let mut world = World::new(1);
        let Outside { one, .. } = outside(&mut world);
        let lan = world.add_network(NetworkId::PUBLIC, Nat::full_cone().hairpinning(hairpinning));
        let (alice, bob) = (probe(&mut world, lan), probe(&mut world, lan));
        send(&mut world, alice, address(ONE), b"?");
        send(&mut world, bob, address(ONE), b"?");
        let [of_alice, of_bob] = world.node(one).sources()[..] else { panic!("both were heard") };
        send(&mut world, alice, of_bob, b"around");
        let sources = world.node(bob).sources();
        if hairpinning {
            assert_eq!(sources, [of_alice]);
        } else {
            assert_eq!((sources, world.dropped(Dropped::NoHairpin)), (vec![], 1));
        }
    }
}

#[test]
fn hairpinned_datagrams_are_filtered_like_all_others() {
    let mut world = World::new(1);
    let Outside { one, .. } = outside(&mut world);
    let lan = world.add_network(NetworkId::PUBLIC, Nat::port_restricted().hairpinning(true));
    let (alice, bob) = (probe(&mut world, lan), probe(&mut world, lan));
    send(&mut world, alice, address(ONE), b"?");
    send(&mut world, bob, address(ONE), b"?");
    let [of_alice, of_bob] = world.node(one).sources()[..] else { panic!("both were heard") };
    send(&mut world, alice, of_bob, b"too early");
    send(&mut world, bob, of_alice, b"opens");
    send(&mut world, alice, of_bob, b"open");
    assert_eq!(world.node(bob).heard(), [b"open"]);
    assert_eq!(world.node(alice).heard(), [b"opens"]);
}

/// What of a beat every second still comes in, in seconds since the only outbound datagram.
fn inbound_beats(nat: Nat) -> u64 {
    let mut world = World::new(1);
    let Outside { one, .. } = outside(&mut world);
    let inside = probe(&mut world, nat);
    send(&mut world, inside, address(ONE), b"?");
    let mapped = world.node(one).sources()[0];
    for _ in 0..60 {
        world.run_for(Duration::from_millis(980));
        send(&mut world, one, mapped, b"beat");
    }
    world.node(inside).datagrams.len() as u64
}

#[test]
fn mappings_expire_unless_inbound_datagrams_prolong_them() {
    let nat = Nat::full_cone().lifetime(Duration::from_secs(30));
    assert_eq!(inbound_beats(nat.clone()), 29);
    assert_eq!(inbound_beats(nat.inbound_refresh(true)), 60);
    let filtered = Nat::port_restricted().lifetime(Duration::from_secs(30));
    assert_eq!(inbound_beats(filtered.clone()), 29);
    assert_eq!(inbound_beats(filtered.inbound_refresh(true)), 60);
}

#[test]
fn outbound_datagrams_prolong_a_mapping_and_an_expired_one_is_made_anew() {
    let mut world = World::new(1);
    let Outside { one, .. } = outside(&mut world);
    let inside = probe(&mut world, Nat::symmetric().lifetime(Duration::from_secs(30)));
    for wait in [29, 29, 31] {
        send(&mut world, inside, address(ONE), b"?");
        world.run_for(Duration::from_secs(wait));
    }
    send(&mut world, inside, address(ONE), b"?");
    let sources = world.node(one).sources();
    assert_eq!((sources[0], sources[0]), (sources[1], sources[2]));
    assert_ne!(sources[2], sources[3]);
}

/// To whom an inner host has once sent is let in only as long as it sends there.
#[test]
fn a_filter_forgets_a_destination_though_the_mapping_lives() {
    let mut world = World::new(1);
    let Outside { one, two } = outside(&mut world);
    let inside = probe(&mut world, Nat::restricted().lifetime(Duration::from_secs(30)));
    send(&mut world, inside, address(TWO), b"?");
    for wait in [15, 16] {
        send(&mut world, inside, address(ONE), b"?");
        world.run_for(Duration::from_secs(wait));
    }
    let mapped = world.node(two).sources()[0];
    assert_eq!(world.node(one).sources(), [mapped; 2]);
    send(&mut world, two, mapped, b"forgotten");
    send(&mut world, one, mapped, b"known");
    assert_eq!(world.node(inside).heard(), [b"known"]);
}

#[test]
fn ports_are_preserved_where_free_and_never_shared() {
    let ports = |nat: Nat| {
        let mut world = World::new(1);
        let Outside { one, .. } = outside(&mut world);
        let lan = world.add_network(NetworkId::PUBLIC, nat);
        for host in ["10.0.0.1:5000", "10.0.0.2:5000", "10.0.0.3:6000"] {
            let inside = probe(&mut world, Host::new().address(lan, address(host)));
            send(&mut world, inside, address(ONE), b"?");
        }
        world.node(one).sources().iter().map(SocketAddr::port).collect::<Vec<_>>()
    };
    assert_eq!(ports(Nat::full_cone().ports(Ports::Preserved)), [5000, 40_000, 6000]);
    assert_eq!(ports(Nat::full_cone().ports(Ports::Sequential)), [40_000, 40_001, 40_002]);
}

#[test]
fn a_reboot_forgets_all_mappings_and_changes_the_address() {
    let mut world = World::new(1);
    let Outside { one, .. } = outside(&mut world);
    let lan = world.add_network(NetworkId::PUBLIC, Nat::full_cone());
    let inside = probe(&mut world, lan);
    send(&mut world, inside, address(ONE), b"?");
    world.reboot(lan);
    let before = world.node(one).sources()[0];
    send(&mut world, one, before, b"!");
    send(&mut world, inside, address(ONE), b"?");
    let after = world.node(one).sources()[1];
    assert!(world.node(inside).datagrams.is_empty());
    assert_ne!(before.ip(), after.ip());
    assert_eq!(Some(after.ip()), world.outer_address(lan));
}

#[test]
fn two_port_restricted_hosts_open_their_translators_for_one_another() {
    let mut world = World::new(1);
    let Outside { one, .. } = outside(&mut world);
    let [alice, bob] = [(); 2].map(|()| probe(&mut world, Nat::port_restricted()));
    send(&mut world, alice, address(ONE), b"?");
    send(&mut world, bob, address(ONE), b"?");
    let [of_alice, of_bob] = world.node(one).sources()[..] else { panic!("both were heard") };
    // At once: each datagram is under way while the other opens the door to it.
    let (from_alice, from_bob) = (world.address(alice), world.address(bob));
    world.with(alice, |probe, _| probe.send(from_alice, of_bob, b"hello"));
    world.with(bob, |probe, _| probe.send(from_bob, of_alice, b"hello"));
    world.run_for(Duration::from_millis(20));
    assert_eq!(world.node(alice).sources(), [of_bob]);
    assert_eq!(world.node(bob).sources(), [of_alice]);
}

/// The ports that three inner hosts with ports 5001, 5002 and 5004 are mapped to, each towards two servers.
fn mapped_ports(nat: Nat) -> Vec<u16> {
    let mut world = World::new(1);
    let Outside { one, two } = outside(&mut world);
    let lan = world.add_network(NetworkId::PUBLIC, nat);
    for host in ["10.0.0.1:5001", "10.0.0.2:5002", "10.0.0.3:5004"] {
        let inside = probe(&mut world, Host::new().address(lan, address(host)));
        send(&mut world, inside, address(ONE), b"?");
        send(&mut world, inside, address(TWO), b"?");
    }
    let (ones, twos) = (world.node(one).sources(), world.node(two).sources());
    ones.iter().zip(&twos).flat_map(|(one, two)| [one.port(), two.port()]).collect()
}

#[test]
fn parity_is_preserved_where_asked_for() {
    let sequential = Nat::symmetric();
    assert_eq!(mapped_ports(sequential.clone()), [40_000, 40_001, 40_002, 40_003, 40_004, 40_005]);
    // 5001 is odd, the others are even.
    assert_eq!(mapped_ports(sequential.parity(true)), [40_001, 40_003, 40_004, 40_006, 40_008, 40_010]);
    let random = mapped_ports(Nat::symmetric().ports(Ports::Random).parity(true));
    assert_eq!(random.iter().map(|port| port % 2).collect::<Vec<_>>(), [1, 1, 0, 0, 0, 0]);
}

#[test]
fn random_ports_are_unrelated_and_above_the_well_known_ones() {
    let mut drawn: Vec<u16> =
        (0..50).flat_map(|_| mapped_ports(Nat::symmetric().ports(Ports::Random))).collect();
    assert_eq!(drawn[..6], drawn[6..12], "one seed, one world");
    assert!(drawn.iter().all(|port| *port >= 1024));
    drawn.truncate(6);
    let steps: Vec<_> = drawn.windows(2).map(|pair| pair[1].abs_diff(pair[0])).collect();
    assert!(steps.iter().all(|step| *step > 16), "{drawn:?}");
}

#[test]
fn hairpinning_can_carry_the_inner_source() {
    let mut world = World::new(1);
    let Outside { one, .. } = outside(&mut world);
    let lan = world.add_network(NetworkId::PUBLIC, Nat::full_cone().hairpinning_with_inner_source());
    let (alice, bob) = (probe(&mut world, lan), probe(&mut world, lan));
    let (of_alice, of_bob) = (world.address(alice), world.address(bob));
    send(&mut world, bob, address(ONE), b"?");
    let mapped = world.node(one).sources()[0];
    assert_ne!(mapped, of_bob);
    send(&mut world, alice, mapped, b"around");
    assert_eq!(world.node(bob).sources(), [of_alice]);
}

/// The sources that a server sees of a datagram every 10 s for a minute.
fn sources_of_a_minute(nat: Nat) -> Vec<u16> {
    let mut world = World::new(1);
    let Outside { one, .. } = outside(&mut world);
    let inside = probe(&mut world, nat);
    for _ in 0..6 {
        send(&mut world, inside, address(ONE), b"?");
        world.run_for(Duration::from_millis(9_980));
    }
    world.node(one).sources().iter().map(SocketAddr::port).collect()
}

#[test]
fn a_mapping_ends_after_its_longest_life_however_busy_it_is() {
    let nat = Nat::symmetric().lifetime(Duration::from_secs(30));
    assert_eq!(sources_of_a_minute(nat.clone()), [40_000; 6]);
    // Made at 0, 30 and so on: a mapping of 25 s is over at the datagram after 20 s.
    let limited = nat.longest(Duration::from_secs(25));
    assert_eq!(sources_of_a_minute(limited), [40_000, 40_000, 40_000, 40_001, 40_001, 40_001]);
}

#[test]
fn inbound_datagrams_do_not_prolong_the_longest_life() {
    let nat = Nat::full_cone().inbound_refresh(true);
    assert_eq!(inbound_beats(nat.clone()), 60);
    // The mapping is of time zero; the beats arrive 10 ms after 1 s, 2 s and so on.
    assert_eq!(inbound_beats(nat.longest(Duration::from_millis(20_500))), 20);
}

#[test]
fn a_translator_can_forget_its_mappings_and_keep_its_address() {
    let mut world = World::new(1);
    let Outside { one, .. } = outside(&mut world);
    let inside = probe(&mut world, Nat::symmetric());
    let lan = world.network(inside);
    send(&mut world, inside, address(ONE), b"?");
    world.forget_mappings(lan);
    let before = world.node(one).sources()[0];
    send(&mut world, one, before, b"!");
    send(&mut world, inside, address(ONE), b"?");
    let after = world.node(one).sources()[1];
    assert!(world.node(inside).datagrams.is_empty());
    assert_eq!((before.ip(), before.port() + 1), (after.ip(), after.port()));
}

#[test]
fn a_translator_can_be_replaced_and_its_mappings_stay() {
    let mut world = World::new(1);
    let Outside { one, two } = outside(&mut world);
    let inside = probe(&mut world, Nat::port_restricted());
    let lan = world.network(inside);
    send(&mut world, inside, address(ONE), b"?");
    let mapped = world.node(one).sources()[0];
    send(&mut world, two, mapped, b"filtered");
    world.set_nat(lan, Nat::full_cone());
    send(&mut world, two, mapped, b"let in");
    assert_eq!(world.node(inside).heard(), [b"let in"]);
}

#[test]
fn without_udp_nothing_passes_in_either_direction() {
    for nat in [Nat::none(), Nat::full_cone(), Nat::firewall(Dependence::EndpointIndependent)] {
        let mut world = World::new(1);
        let Outside { one, .. } = outside(&mut world);
        let lan = world.add_network(NetworkId::PUBLIC, nat.without_udp());
        let (alice, bob) = (probe(&mut world, lan), probe(&mut world, lan));
        let of_bob = world.address(bob);
        send(&mut world, alice, address(ONE), b"out");
        send(&mut world, alice, of_bob, b"within");
        assert_eq!((world.node(one).heard(), world.node(bob).heard()), (vec![], vec![&b"within"[..]]));
        assert_eq!(world.dropped(Dropped::Forbidden), 1);
    }
    let mut world = World::new(1);
    let Outside { one, .. } = outside(&mut world);
    let inside = probe(&mut world, Nat::none().without_udp());
    let to = world.address(inside);
    send(&mut world, one, to, b"in");
    assert!(world.node(inside).datagrams.is_empty());
    assert_eq!(world.dropped(Dropped::Forbidden), 1);
}
