//! A plan made into a world with two ends in it.

use core::net::{Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use floe::ice::Nomination;
use floe::sim::{
    Deviation, Fault, Host, Link, Nat, NetworkId, NodeId, Peer, Ports, Signalling, StunServer, TurnServer,
    World,
};
use floe::stun::Method;
use floe::{Base, Config, Profile, Server, Timestamp};

use super::actor::Actor;
use super::plan::{Gateway, Hostile, Line, Plan, Setting, Shared, Use};

/// The user of every TURN server.
const USER: &str = "alice";
const PASSWORD: &str = "wonderland";

/// A world, and what is where in it.
pub struct Session {
    pub world: World<Actor>,
    pub ends: [NodeId; 2],
    pub servers: Vec<NodeId>,
    /// Of each end and interface: its innermost network and its addresses.
    pub places: [Vec<Placed>; 2],
}

#[derive(Clone, Debug)]
pub struct Placed {
    pub network: NetworkId,
    pub addresses: Vec<SocketAddr>,
}

/// Makes the world of a plan; nobody has called yet.
pub fn build(plan: &Plan) -> Session {
    let mut world = World::<Actor>::new(plan.seed);
    let servers: Vec<NodeId> =
        (0..).zip(&plan.servers).map(|(n, server)| add_server(&mut world, n, server)).collect();
    let addresses: Vec<Vec<SocketAddr>> = servers.iter().map(|id| world.addresses(*id).to_vec()).collect();
    let mut shared = None;
    let [alice, bob] = [0, 1].map(|end| {
        let hosts = plan.ends[end].interfaces.iter().enumerate();
        let networks: Vec<NetworkId> = hosts
            .map(|(index, interface)| match (index, plan.shared) {
                (0, Shared::Gateway | Shared::Network) => attach_shared(&mut world, plan, end, &mut shared),
                _ => attach(&mut world, NetworkId::PUBLIC, &interface.gateways),
            })
            .collect();
        let asked: Vec<(SocketAddr, bool)> = match plan.ends[end].uses {
            Use::Nothing => Vec::new(),
            wanted => {
                let relays = |n: usize| wanted == Use::Turn && plan.servers[n].relays;
                let all = addresses.iter().enumerate();
                all.flat_map(|(n, of)| of.iter().map(move |address| (*address, relays(n)))).collect()
            }
        };
        add_end(&mut world, plan, end, &networks, &asked)
    });
    let ends = [alice.0, bob.0];
    for (end, id) in ends.into_iter().enumerate() {
        for (interface, placed) in plan.ends[end].interfaces.iter().zip([&alice.1, &bob.1][end]) {
            for address in &placed.addresses {
                world.set_link((id, address.ip()), link(&interface.link));
            }
        }
    }
    let signal = plan.signalling;
    let signalling = Signalling::new(signal.delay).jitter(signal.jitter);
    world.set_signalling(if signal.ordered { signalling } else { signalling.unordered() });
    world.set_lateness(plan.lateness);
    world.set_nudging(plan.nudging);
    // Whoever has drawn the plan says by which number.
    world.set_silent(true);
    Session { world, ends, servers, places: [alice.1, bob.1] }
}

/// The gateways of an interface, from the outermost inwards; returns the innermost network.
fn attach(world: &mut World<Actor>, outside: NetworkId, gateways: &[Gateway]) -> NetworkId {
    gateways.iter().fold(outside, |outside, gateway| world.add_network(outside, nat(gateway)))
}

/// The first interfaces of both are behind the outermost gateway, or on the network, of the first end's.
fn attach_shared(
    world: &mut World<Actor>,
    plan: &Plan,
    end: usize,
    shared: &mut Option<NetworkId>,
) -> NetworkId {
    let gateways = &plan.ends[0].interfaces[0].gateways;
    let (outer, inner) = gateways.split_at(gateways.len().min(1));
    match plan.shared {
        Shared::Network => *shared.get_or_insert_with(|| attach(world, NetworkId::PUBLIC, gateways)),
        _ => {
            let outside = *shared.get_or_insert_with(|| attach(world, NetworkId::PUBLIC, outer));
            let own = &plan.ends[end].interfaces[0].gateways;
            attach(world, outside, if end == 0 { inner } else { own.get(1..).unwrap_or_default() })
        }
    }
}

fn add_end(
    world: &mut World<Actor>,
    plan: &Plan,
    end: usize,
    networks: &[NetworkId],
    asked: &[(SocketAddr, bool)],
) -> (NodeId, Vec<Placed>) {
    let this = &plan.ends[end];
    let (mut host, mut counts) = (Host::new(), Vec::new());
    for (index, (interface, network)) in this.interfaces.iter().zip(networks).enumerate() {
        let mut count = 0;
        if interface.families.has(true) {
            host = host.on(*network);
            count += 1;
        }
        if interface.families.has(false) {
            host = host.address(*network, ipv6(end, index));
            count += 1;
        }
        counts.push(count);
    }
    let seed = world.seed_for(end as u64);
    let rogue = matches!(plan.hostile, Some(Hostile::Rogue(_))) && end == 1;
    let id = world.add_node(host, |_, now, addresses| {
        let mut peer = Peer::with_components(now, config(&this.setting), this.role, seed, this.components);
        for (address, relays) in asked {
            let server =
                if *relays { Server::turn(*address, USER, PASSWORD) } else { Server::stun(*address) };
            // A lite agent asks nobody.
            let _ = peer.agent_mut().add_server(now, server);
        }
        let mut bases = Vec::new();
        for component in 0..u16::from(this.components) {
            for address in addresses {
                let base = Base::udp(SocketAddr::new(address.ip(), address.port() + component));
                let component = peer.stream().component(component + 1);
                if let Ok(base) = peer.agent_mut().add_base(now, component, base) {
                    bases.push((address.ip(), base));
                }
            }
        }
        let peer = if this.trickles { peer } else { peer.without_trickle() };
        if rogue { Actor::rogue(peer, bases, plan) } else { Actor::honest(peer, bases) }
    });
    let mut addresses = world.addresses(id).to_vec().into_iter();
    let placed = counts.iter().zip(networks).map(|(count, network)| Placed {
        network: *network,
        addresses: addresses.by_ref().take(*count).collect(),
    });
    let placed = placed.collect();
    (id, placed)
}

fn ipv6(end: usize, interface: usize) -> SocketAddr {
    let (end, interface) = (end as u16 + 1, interface as u16 + 1);
    SocketAddr::new(Ipv6Addr::new(0x2001, 0xdb8, end, interface, 0, 0, 0, 2).into(), 4_000)
}

fn add_server(world: &mut World<Actor>, number: u16, server: &super::plan::Server) -> NodeId {
    let v6 = SocketAddr::new(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, number, 0, 0, 0, 1).into(), 3_478);
    let host = Host::new().on(NetworkId::PUBLIC).address(NetworkId::PUBLIC, v6);
    if !server.relays {
        let stun = if server.dead { StunServer::dead() } else { StunServer::new().slow(server.slow) };
        return world.add_server(host, stun);
    }
    let (least, most) = server.lifetimes;
    let turn = TurnServer::new("example.org").user(USER, PASSWORD).slow(server.slow).lifetimes(least, most);
    let turn = match server.nonces {
        Some(lifetime) => turn.nonce_lifetime(lifetime),
        None => turn,
    };
    let turn = match server.fault {
        Some(number) => turn.faulty(fault(number)),
        None => turn,
    };
    let id = world.add_turn_server(host, turn);
    if server.dead {
        world.with_turn_server(id, |server, _| server.vanish());
    }
    id
}

/// What a server may do wrong.
fn fault(number: u8) -> Fault {
    let anywhere: SocketAddr = "198.51.100.200:3478".parse().unwrap();
    let deviation = match number % 12 {
        0 => Deviation::Ignore,
        1 => Deviation::Refuse(403),
        2 => Deviation::Refuse(437),
        3 => Deviation::Refuse(508),
        4 => Deviation::StaleNonce,
        5 => Deviation::Lifetime(45),
        6 => Deviation::Mapped(anywhere),
        7 => Deviation::Forestall(400),
        8 => Deviation::Lose,
        9 => Deviation::Twice,
        10 => Deviation::WrongIntegrity,
        _ => Deviation::Refuse(500),
    };
    let fault = Fault::new(deviation);
    let fault = if number.is_multiple_of(2) { fault.every(3) } else { fault.times(2) };
    match number % 5 {
        0 => fault.on(Method::ALLOCATE),
        1 => fault.on(Method::REFRESH),
        2 => fault.on(Method::CREATE_PERMISSION),
        3 => fault.on(Method::CHANNEL_BIND),
        _ => fault,
    }
}

pub fn nat(gateway: &Gateway) -> Nat {
    let nat = match gateway.mapping {
        Some(mapping) => Nat::new(mapping, gateway.filtering),
        None => Nat::firewall(gateway.filtering),
    };
    let nat = nat.hairpinning(gateway.hairpins).lifetime(gateway.lifetime);
    let nat = nat.inbound_refresh(gateway.inbound_refresh);
    if gateway.sequential { nat.ports(Ports::Sequential) } else { nat }
}

pub fn link(line: &Line) -> Link {
    let thousandths = |n: u32| f64::from(n) / 1_000.0;
    let link = Link::new(line.latency).jitter(line.jitter).loss(thousandths(line.loss));
    let link = link.duplication(thousandths(line.duplication));
    link.reordering(thousandths(line.reordering), Duration::from_millis(60))
}

pub fn config(setting: &Setting) -> Config {
    let patience = Duration::from_millis(setting.patience);
    let mut config = Config::new()
        .profile(setting.profile)
        .lite(setting.lite)
        .consent(setting.consent)
        .relay_only(setting.relay_only)
        .pacing(Duration::from_millis(setting.pacing))
        .nomination(Nomination::Regular { patience })
        .presume_end_of_candidates(setting.presumes_end)
        .answers_unauthenticated(setting.answers);
    if setting.settled {
        config = config.policy(Arc::new(Profile::Rfc8445));
    }
    if let Some(on) = setting.renomination {
        config = config.renomination(on);
    }
    if let Some(on) = setting.continual {
        config = config.continual_gathering(on);
    }
    if let Some(count) = setting.backups {
        config = config.backups(count);
    }
    config
}

impl Session {
    pub fn peer(&self, end: usize) -> &Peer {
        self.world.node(self.ends[end]).peer()
    }

    /// Lets an end begin to signal.
    pub fn call(&mut self, end: usize) {
        let partner = self.ends[1 - end];
        self.world.with(self.ends[end], |actor, now: Timestamp| actor.peer_mut().call(now, partner));
    }
}
