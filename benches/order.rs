//! What the order of the checks is worth on a mix of networks: the tables of `ORDER.md`, in virtual time.
//!
//! ```text
//! cargo bench --bench order > benches/ORDER.md
//! ```

use core::net::SocketAddr;
use core::time::Duration;

use floe::ice::{CheckOrder, Role};
use floe::sim::{Host, Link, Nat, NetworkId, NodeId, Peer, StunServer, TurnServer, Verdict, World};
use floe::{Config, Event, Server, Timestamp};

/// Of a network.
const SESSIONS: u64 = 1_000;

const ORDERS: [CheckOrder; 2] = [CheckOrder::Priority, CheckOrder::Coverage];

/// What lies between two agents.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Network {
    Open,
    Lossy,
    DeadIpv6,
    DeadInterfaces,
    BlockedRemote,
    OnePair,
    OneInFive,
    LastOfAHundred,
    Translated,
    RelayOnly,
    LastBesideRelay,
}

/// With the interfaces of each end.
const NETWORKS: [(Network, usize, &str); 11] = [
    (Network::Open, 3, "three, all open"),
    (Network::Lossy, 3, "three, a tenth of the datagrams lost each way"),
    (Network::DeadIpv6, 2, "two with both families, IPv6 dead"),
    (Network::DeadInterfaces, 4, "four, the first two dead (tunnels, bridges)"),
    (Network::BlockedRemote, 4, "four, the first three of the controlled end out of reach"),
    (Network::OnePair, 5, "five, one of 25 pairs works"),
    (Network::OneInFive, 5, "five, each pair works with a chance of one in five"),
    (Network::LastOfAHundred, 10, "ten, the last of 100 pairs works"),
    (Network::Translated, 3, "three, each behind a translator of its own"),
    (Network::RelayOnly, 3, "three, nothing arrives but by a relay"),
    (Network::LastBesideRelay, 3, "three, the last pair works, and so does a relay"),
];

/// When both ends had a pair that works, and when both had selected one.
type Times = [Vec<Option<Duration>>; 2];

fn main() {
    println!("{HEAD}");
    let times = NETWORKS.map(|network| ORDERS.map(|order| times(network, order)));
    let titles = ["Until a pair works at both ends", "Until a pair is selected at both ends"];
    for (which, title) in titles.into_iter().enumerate() {
        println!("\n## {title}\n\n| interfaces of each end | by priority | coverage |\n|---|---|---|");
        for ((_, _, name), orders) in NETWORKS.iter().zip(&times) {
            let cell = |times: &Times| {
                format!(" {} / {} |", percentile(&times[which], 50), percentile(&times[which], 95))
            };
            println!("| {name} |{}", orders.iter().map(cell).collect::<String>());
        }
    }
}

fn times((network, interfaces, _): (Network, usize, &str), order: CheckOrder) -> Times {
    let mut times: Times = [Vec::new(), Vec::new()];
    for seed in 0..SESSIONS {
        let [usable, selected] = session(network, interfaces, order, seed);
        times[0].push(usable);
        times[1].push(selected);
    }
    for times in &mut times {
        times.sort_by_key(|time| time.unwrap_or(Duration::MAX));
    }
    times
}

fn session(network: Network, interfaces: usize, order: CheckOrder, seed: u64) -> [Option<Duration>; 2] {
    let mut world = World::new(seed);
    world.set_entries_kept(0);
    let server = network.server(&mut world);
    let ends = [Role::Controlling, Role::Controlled].map(|role| {
        let seed = world.seed_for(u64::from(role == Role::Controlling));
        let host = network.host(&mut world, interfaces);
        world.add_node(host, |_, now, addresses| {
            let mut peer = Peer::new(now, Config::new().check_order(order), role, seed, addresses);
            if let Some((_, server)) = &server {
                peer.agent_mut().add_server(now, server.clone()).unwrap();
            }
            peer
        })
    });
    let loss = if network == Network::Lossy { 0.051 } else { 0.0 };
    for id in ends {
        // A datagram crosses two such links.
        let link = Link::new(Duration::from_millis(10)).jitter(Duration::from_millis(2)).loss(loss);
        world.set_link(id, link);
    }
    let addresses = ends.map(|id| world.addresses(id).to_vec());
    let reach = Reach { network, seed, addresses, server: server.map(|(address, _)| address) };
    world.filter(move |datagram| match reach.lets(datagram.source, datagram.path.remote()) {
        true => Verdict::Deliver,
        false => Verdict::Drop,
    });
    for (this, other) in [(0, 1), (1, 0)] {
        world.with(ends[this], |peer, now| peer.call(now, ends[other]));
    }
    let usable = |event: &Event| matches!(event, Event::Route { .. });
    let selected = |event: &Event| matches!(event, Event::Selected { .. });
    let is_over = |world: &World<Peer>| both(world, ends, selected).is_some();
    let _ = world.run_until(Duration::from_secs(60), is_over);
    [both(&world, ends, usable), both(&world, ends, selected)]
}

impl Network {
    /// The server that both ends ask, and where it is.
    fn server(self, world: &mut World<Peer>) -> Option<(SocketAddr, Server)> {
        match self {
            Self::RelayOnly | Self::LastBesideRelay => {
                let turn = TurnServer::new("example.org").user("alice", "secret");
                let id = world.add_turn_server(NetworkId::PUBLIC, turn);
                let address = world.address(id);
                Some((address, Server::turn(address, "alice", "secret")))
            }
            Self::Translated => {
                let id = world.add_server(NetworkId::PUBLIC, StunServer::new());
                let address = world.address(id);
                Some((address, Server::stun(address)))
            }
            _ => None,
        }
    }

    fn host(self, world: &mut World<Peer>, interfaces: usize) -> Host {
        (0..interfaces).fold(Host::new(), |host, _| match self {
            Self::DeadIpv6 => host.ipv6_on(NetworkId::PUBLIC).on(NetworkId::PUBLIC),
            Self::Translated => host.on(world.add_network(NetworkId::PUBLIC, Nat::port_restricted())),
            _ => host.on(NetworkId::PUBLIC),
        })
    }
}

/// What arrives.
struct Reach {
    network: Network,
    seed: u64,
    addresses: [Vec<SocketAddr>; 2],
    server: Option<SocketAddr>,
}

impl Reach {
    fn lets(&self, source: SocketAddr, destination: SocketAddr) -> bool {
        let ends = [source, destination];
        // The numbers of the interfaces that the datagram is between.
        let [Some(one), Some(other)] =
            [0, 1].map(|side: usize| self.addresses[side].iter().position(|at| ends.contains(at)))
        else {
            return true;
        };
        let (count, pair) = (self.addresses[0].len(), (one * self.addresses[0].len() + other) as u64);
        match self.network {
            Network::Open | Network::Lossy | Network::Translated => true,
            Network::DeadIpv6 => source.is_ipv4(),
            Network::DeadInterfaces => one >= 2 && other >= 2,
            Network::BlockedRemote => other >= 3,
            Network::OnePair => pair == mixed(self.seed) % 25,
            Network::OneInFive => mixed(self.seed * 25 + pair).is_multiple_of(5),
            Network::LastOfAHundred | Network::LastBesideRelay => one + 1 == count && other + 1 == count,
            Network::RelayOnly => {
                self.server.is_some_and(|server| ends.iter().any(|at| at.ip() == server.ip()))
            }
        }
    }
}

/// SplitMix64.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// When both ends had seen such an event.
fn both(world: &World<Peer>, ends: [NodeId; 2], wanted: impl Fn(&Event) -> bool) -> Option<Duration> {
    let first = |id| world.node(id).events().iter().find(|(_, event)| wanted(event)).map(|(at, _)| *at);
    let [alice, bob] = ends.map(first);
    Some(alice?.max(bob?).saturating_since(Timestamp::ZERO))
}

/// The time in milliseconds that so many of a hundred sessions keep to.
fn percentile(times: &[Option<Duration>], percent: usize) -> String {
    let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(rank).copied().flatten().map_or_else(|| "–".to_owned(), |time| time.as_millis().to_string())
}

const HEAD: &str = "\
# What the order of the checks is worth

Two agents with their default configuration, 40 ms apart there and back, of whose pairs some do not work: with their checks
in the order of the priorities, and in the default order, coverage (`floe::ice::CheckOrder`). Time is virtual and counts from
the call: the first message reaches the other end after 50 ms of signalling. A thousand sessions a cell; milliseconds that
half of them and 95 of 100 keep to.

    cargo bench --bench order > benches/ORDER.md

Data flows as soon as a pair works, and there coverage gains wherever several bases or addresses lead nowhere: two dead
interfaces cost it two checks, by priority eight. Where everything works, or a single pair at random, there is nothing to
gain. It selects no sooner, and mostly a slot or a few later: what was found early waits half a second at most for the
better pairs that have not been checked yet. By priority these had had their turn before anything was found.";
