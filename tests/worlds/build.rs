//! A plan made into a world with two ends in it.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use core::time::Duration;
use std::sync::Arc;

use floe::ice::{MdnsName, Nomination};
use floe::sim::{
    Deviation, Fault, Host, Link, Nat, NetworkId, NodeId, Peer, Ports, Signalling, StunServer, TurnServer,
    World,
};
use floe::stun::Method;
use floe::{Base, Config, Profile, Security, Seed, Server, Timestamp, Transport};

use super::actor::Actor;
use super::dice::mix;
use super::differential;
use super::plan::{End, Gateway, Hostile, Line, Passes, Plan, Setting, Shared, Use};
use super::replay::Command;

/// The user of every TURN server.
const USER: &str = "alice";
pub const PASSWORD: &str = "wonderland";

/// Where servers are reached over TCP.
pub const WEB: u16 = 443;

/// A world, and what is where in it.
pub struct Session {
    pub world: World<Actor>,
    pub ends: [NodeId; 2],
    pub servers: Vec<NodeId>,
    /// Of each end and interface: its innermost network and its addresses.
    pub places: [Vec<Placed>; 2],
    pub births: [Birth; 2],
}

/// What an end begins with.
#[derive(Clone, Debug)]
pub struct Birth {
    seed: Seed,
    asked: Vec<Server>,
    now: Timestamp,
    addresses: Vec<SocketAddr>,
}

#[derive(Clone, Debug)]
pub struct Placed {
    pub network: NetworkId,
    pub addresses: Vec<SocketAddr>,
}

/// Makes the world of a plan; nobody has called yet.
pub fn build(plan: &Plan) -> Session {
    let mut world = World::<Actor>::new(plan.seed);
    let over_tcp = plan.ends.iter().any(|end| end.reach.has(true));
    let servers: Vec<NodeId> =
        (0..).zip(&plan.servers).map(|(n, server)| add_server(&mut world, n, server, over_tcp)).collect();
    let addresses: Vec<Vec<SocketAddr>> = servers.iter().map(|id| world.addresses(*id).to_vec()).collect();
    let mut shared = None;
    let [alice, bob] = [0, 1].map(|end| {
        let hosts = plan.ends[end].interfaces.iter().enumerate();
        let networks: Vec<NetworkId> = hosts
            .map(|(index, interface)| match (index, plan.shared) {
                (0, Shared::Gateway | Shared::Network | Shared::Link) => {
                    attach_shared(&mut world, plan, end, &mut shared)
                }
                _ => attach(&mut world, NetworkId::PUBLIC, &interface.gateways),
            })
            .collect();
        let asked = asked(plan, end, &addresses);
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
    Session { world, ends, servers, places: [alice.1, bob.1], births: [alice.2, bob.2] }
}

/// The servers that an end asks, by each of their addresses.
fn asked(plan: &Plan, end: usize, addresses: &[Vec<SocketAddr>]) -> Vec<Server> {
    let this = &plan.ends[end];
    let mut asked = Vec::new();
    for (server, addresses) in plan.servers.iter().zip(addresses).filter(|_| this.uses != Use::Nothing) {
        let relays = this.uses == Use::Turn && server.relays;
        for address in addresses {
            let over_tcp = address.port() == WEB;
            match (over_tcp, relays) {
                (true, true) if this.reach.has(true) => {
                    asked.push(Server::turn(*address, USER, PASSWORD).over(Transport::Tcp, Security::Plain));
                }
                (false, true) if this.reach.has(false) => {
                    asked.push(Server::turn(*address, USER, PASSWORD));
                }
                (false, false) => asked.push(Server::stun(*address)),
                _ => {}
            }
        }
    }
    asked
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
        Shared::Network | Shared::Link => {
            *shared.get_or_insert_with(|| attach(world, NetworkId::PUBLIC, gateways))
        }
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
    asked: &[Server],
) -> (NodeId, Vec<Placed>, Birth) {
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
        if (index, plan.shared) == (0, Shared::Link) {
            host = host.address(*network, link_local(end));
            count += 1;
        }
        counts.push(count);
    }
    let mut birth = Birth {
        seed: world.seed_for(end as u64),
        asked: asked.to_vec(),
        now: world.now(),
        addresses: Vec::new(),
    };
    let id = world.add_node(host, |_, now, addresses| {
        birth = Birth { now, addresses: addresses.to_vec(), ..birth.clone() };
        let actor = actor(plan, end, &birth);
        match plan.hostile {
            Some(Hostile::Rogue(_)) if end == 1 => actor.rogue(plan),
            _ if differential::is_recorded(plan) => actor.record(),
            _ => actor,
        }
    });
    let addresses = world.addresses(id).to_vec();
    for address in addresses.iter().filter(|_| this.hides) {
        world.publish(id, &name(end, address.ip()), address.ip());
    }
    let mut addresses = addresses.into_iter();
    let placed = counts.iter().zip(networks).map(|(count, network)| Placed {
        network: *network,
        addresses: addresses.by_ref().take(*count).collect(),
    });
    let placed = placed.collect();
    (id, placed, birth)
}

/// An end as it is at first.
pub fn actor(plan: &Plan, end: usize, birth: &Birth) -> Actor {
    let (this, now) = (&plan.ends[end], birth.now);
    let config = config(&this.setting);
    let mut peer = Peer::with_components(now, config, this.role, birth.seed.clone(), this.components);
    for server in &birth.asked {
        // A lite agent asks nobody.
        let _ = peer.agent_mut().add_server(now, server.clone());
    }
    let mut bases = Vec::new();
    for component in 0..u16::from(this.components) {
        for address in &birth.addresses {
            let base = base(this, end, *address, component);
            let component = peer.stream().component(component + 1);
            if let Ok(base) = peer.agent_mut().add_base(now, component, base) {
                bases.push((address.ip(), base));
            }
        }
    }
    let peer = if this.trickles { peer } else { peer.without_trickle() };
    Actor::honest(peer, bases, this)
}

/// The socket of a component at an address.
fn base(this: &End, end: usize, address: SocketAddr, component: u16) -> Base {
    let mut socket = address;
    socket.set_port(address.port() + component);
    match MdnsName::new(&name(end, address.ip())).filter(|_| this.hides) {
        Some(name) => Base::udp(socket).named(name),
        None => Base::udp(socket),
    }
}

/// The name that hides an address.
fn name(end: usize, ip: IpAddr) -> String {
    let low = match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => mix(ip.to_bits() as u64 ^ (ip.to_bits() >> 64) as u64) >> 16,
    };
    format!("{end:08x}-0000-4000-8000-{low:012x}.local")
}

fn link_local(end: usize) -> SocketAddr {
    SocketAddrV6::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, end as u16 + 1), 4_000, 0, 1).into()
}

fn ipv6(end: usize, interface: usize) -> SocketAddr {
    let (end, interface) = (end as u16 + 1, interface as u16 + 1);
    SocketAddr::new(Ipv6Addr::new(0x2001, 0xdb8, end, interface, 0, 0, 0, 2).into(), 4_000)
}

fn add_server(world: &mut World<Actor>, number: u16, server: &super::plan::Server, over_tcp: bool) -> NodeId {
    let v6 = SocketAddr::new(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, number, 0, 0, 0, 1).into(), 3_478);
    let host = Host::new().on(NetworkId::PUBLIC).address(NetworkId::PUBLIC, v6);
    let host = if over_tcp && server.relays {
        let v4 = SocketAddr::new(Ipv4Addr::new(203, 0, 113, number as u8 + 1).into(), 3_478);
        let host = Host::new().address(NetworkId::PUBLIC, v4).address(NetworkId::PUBLIC, v6);
        let web = [v4, v6].map(|address| SocketAddr::new(address.ip(), WEB));
        web.into_iter().fold(host, |host, address| host.address(NetworkId::PUBLIC, address))
    } else {
        host
    };
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
    let nat = match gateway.passes {
        Passes::All => nat,
        Passes::Tcp => nat.without_udp(),
        Passes::Web => nat.without_udp().tcp_ports(&[WEB]),
    };
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
        .nomination(if setting.manual { Nomination::Manual } else { Nomination::Regular { patience } })
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
        self.world.with(self.ends[end], |actor, now| actor.command(now, Command::Call(partner)));
    }
}
