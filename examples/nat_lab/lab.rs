//! The described network at work, and what was to be seen of it.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;

use floe::ice::{CandidateKind, PairPriority, PairState, Role};
use floe::sim::oracle::{Forecast, Party};
use floe::sim::{Attachment, Host, NetworkId, NodeId, Peer, StunServer, TurnServer, World};
use floe::{Security, Server, StreamState, Timestamp, Transport};

use crate::description::{Description, Edge, Event, Help, Interface, Place};

/// Two agents, and everything about them that the pages show.
pub struct Lab {
    pub world: World<Peer>,
    pub ids: [NodeId; 2],
    /// By name, in the order of the description.
    pub networks: Vec<(String, NetworkId, Edge)>,
    pub interfaces: [Vec<Attached>; 2],
    pub servers: Vec<(Help, SocketAddr)>,
    /// The pairs of each end, as they were last seen.
    pub pairs: [BTreeMap<(SocketAddr, SocketAddr), Row>; 2],
    /// When a pair of an end first worked, in order.
    pub found: Vec<(Timestamp, usize, Row)>,
    /// What the description has made happen.
    pub happened: Vec<(Timestamp, Event)>,
    /// How many datagrams arrived at each end in the end, of [`PACKETS`].
    pub data: [usize; 2],
    parties: [Party; 2],
}

/// An interface in its world.
pub struct Attached {
    pub address: SocketAddr,
    /// The networks up to the public one, innermost first.
    pub chain: Vec<NetworkId>,
    /// In the description.
    pub index: usize,
}

/// A pair as an end sees it.
#[derive(Clone, Debug)]
pub struct Row {
    pub local: (CandidateKind, SocketAddr),
    pub remote: (CandidateKind, SocketAddr),
    pub base: SocketAddr,
    pub priority: PairPriority,
    pub state: PairState,
    pub valid: bool,
    pub rtt: Option<Duration>,
}

impl Lab {
    pub fn new(description: &Description) -> Self {
        let mut world = World::new(description.seed);
        let mut servers = Vec::new();
        for (number, server) in (1..).zip(&description.servers) {
            let address = SocketAddr::from(([203, 0, 113, number], server.port));
            let host = Attachment::at(NetworkId::PUBLIC, address).link(server.line.link());
            match server.help {
                Help::Stun => world.add_server(host, StunServer::new()),
                Help::Turn | Help::TurnOverTcp => {
                    world.add_turn_server(host, TurnServer::new("nat.lab").user(USER, PASSWORD))
                }
            };
            servers.push((server.help, address));
        }
        let mut networks: Vec<(String, NetworkId, Edge)> = Vec::new();
        let mut behind: BTreeMap<NetworkId, NetworkId> = BTreeMap::new();
        for network in &description.networks {
            let outside = network.behind.as_ref().and_then(|name| find(&networks, name));
            let outside = outside.unwrap_or(NetworkId::PUBLIC);
            let id = world.add_network(outside, network.edge.nat.clone());
            behind.insert(id, outside);
            networks.push((network.name.clone(), id, network.edge.clone()));
        }
        let mut interfaces = [Vec::new(), Vec::new()];
        let built = [0, 1].map(|end| {
            let mut places = Vec::new();
            for interface in &description.ends[end].interfaces {
                places.push(match &interface.place {
                    Place::Named(name) => find(&networks, name).unwrap_or(NetworkId::PUBLIC),
                    Place::Own(edge) if edge.name == "open" => NetworkId::PUBLIC,
                    Place::Own(edge) => {
                        let id = world.add_network(NetworkId::PUBLIC, edge.nat.clone());
                        behind.insert(id, NetworkId::PUBLIC);
                        networks.push((String::new(), id, edge.clone()));
                        id
                    }
                });
            }
            let attach = (0..).zip(description.ends[end].interfaces.iter().zip(&places));
            let all = attach.flat_map(|(index, (interface, place))| attachments(index, interface, *place));
            let (indices, host) = all.fold((Vec::new(), Host::new()), |(mut indices, host), (index, it)| {
                indices.push(index);
                (indices, host.attach(it))
            });
            let (id, party) = join(&mut world, end, host, description, &servers);
            for (index, local) in indices.into_iter().zip(world.local_addresses(id)) {
                let chain = chain(&behind, places[index]);
                interfaces[end].push(Attached { address: local.address, chain, index });
            }
            (id, party)
        });
        let [(alice, ours), (bob, theirs)] = built;
        Self {
            world,
            ids: [alice, bob],
            networks,
            interfaces,
            servers,
            pairs: Default::default(),
            found: Vec::new(),
            happened: Vec::new(),
            data: [0; 2],
            parties: [ours, theirs],
        }
    }

    /// What the network permits as it is now.
    pub fn forecast(&self) -> Forecast {
        let [alice, bob] = &self.parties;
        match self.world.node(self.ids[0]).agent().role() {
            Role::Controlling => self.world.forecast(alice, bob),
            Role::Controlled => self.world.forecast(bob, alice),
        }
    }

    /// Lets both call each other, and all happen that is to happen.
    pub fn run(&mut self, description: &Description) {
        for (this, other) in [(0, 1), (1, 0)] {
            let other = self.ids[other];
            self.world.with(self.ids[this], |peer, now| peer.call(now, other));
        }
        for (at, event) in &description.events {
            self.watch_until(Timestamp::ZERO + *at, false);
            self.happen(description, event);
        }
        match description.duration {
            Some(duration) => self.watch_until(Timestamp::ZERO + duration, false),
            None => {
                self.watch_until(self.world.now() + PATIENCE, true);
                // What is still on its way.
                self.watch_until(self.world.now() + Duration::from_millis(500), false);
            }
        }
        self.exchange_data();
    }

    /// Runs until then, or until both ends have a result.
    fn watch_until(&mut self, until: Timestamp, or_result: bool) {
        let (ids, pairs, found) = (self.ids, &mut self.pairs, &mut self.found);
        let has_result = |world: &World<Peer>, id| {
            matches!(world.node(id).state(), StreamState::Completed | StreamState::Failed(_))
        };
        let _ = self.world.run_until(until.saturating_since(self.world.now()), |world| {
            for (end, id) in ids.into_iter().enumerate() {
                look(world, id, &mut pairs[end], |row| found.push((world.now(), end, row)));
            }
            or_result && ids.iter().all(|id| has_result(world, *id))
        });
    }

    fn happen(&mut self, description: &Description, event: &Event) {
        self.happened.push((self.world.now(), event.clone()));
        match event {
            Event::Unplug(end, network) => {
                for ip in self.addresses(description, *end, network.as_deref()) {
                    self.world.unplug((self.ids[*end], ip));
                }
            }
            Event::Plug(end, network) => {
                for ip in self.addresses(description, *end, network.as_deref()) {
                    self.world.plug((self.ids[*end], ip));
                }
            }
            Event::Restart(end) => self.world.with(self.ids[*end], |peer, now| peer.restart(now)),
            Event::Reboot(name) => {
                if let Some(network) = find(&self.networks, name) {
                    self.world.reboot(network);
                }
            }
        }
    }

    fn addresses(&self, description: &Description, end: usize, network: Option<&str>) -> Vec<IpAddr> {
        let is_meant = |attached: &&Attached| match &description.ends[end].interfaces[attached.index].place {
            Place::Named(name) => network.is_none_or(|network| network == name),
            Place::Own(_) => network.is_none(),
        };
        self.interfaces[end].iter().filter(is_meant).map(|attached| attached.address.ip()).collect()
    }

    /// Each end sends some datagrams.
    fn exchange_data(&mut self) {
        let before = self.ids.map(|id| self.world.node(id).received().len());
        for _ in 0..PACKETS {
            for id in self.ids {
                self.world.with(id, |peer, _| peer.send(1, b"nat_lab"));
            }
            self.world.run_for(Duration::from_millis(20));
        }
        self.world.run_for(Duration::from_secs(1));
        self.data = [0, 1].map(|end| self.world.node(self.ids[end]).received().len() - before[end]);
    }

    pub fn state(&self, end: usize) -> StreamState {
        self.world.node(self.ids[end]).state()
    }

    /// The selected pair of an end.
    pub fn selected(&self, end: usize) -> Option<Row> {
        let peer = self.world.node(self.ids[end]);
        peer.agent().pairs(peer.stream()).find(|pair| pair.is_selected()).and_then(|pair| Row::of(&pair))
    }
}

impl Row {
    fn of(pair: &floe::Pair<'_>) -> Option<Self> {
        Some(Self {
            local: (pair.local().kind(), pair.local().ip()?),
            remote: (pair.remote().kind(), pair.remote().ip()?),
            base: pair.path().local(),
            priority: pair.priority(),
            state: pair.state(),
            valid: pair.is_valid(),
            rtt: pair.rtt(),
        })
    }
}

/// Notes what an end's pairs look like now, and which ones have begun to work.
fn look(
    world: &World<Peer>,
    id: NodeId,
    known: &mut BTreeMap<(SocketAddr, SocketAddr), Row>,
    mut found: impl FnMut(Row),
) {
    let peer = world.node(id);
    for row in peer.agent().pairs(peer.stream()).filter_map(|pair| Row::of(&pair)) {
        let key = (row.base, row.remote.1);
        let before = known.get(&key);
        let was_valid = before.is_some_and(|before| before.valid);
        if row.valid && !was_valid {
            found(row.clone());
        }
        // A check list knows the base, the valid list what the peer has seen.
        if row.valid || !was_valid {
            let rtt = row.rtt.or_else(|| before.and_then(|before| before.rtt));
            known.insert(key, Row { rtt, ..row });
        }
    }
}

/// Adds an end to the world.
fn join(
    world: &mut World<Peer>,
    end: usize,
    host: Host,
    description: &Description,
    servers: &[(Help, SocketAddr)],
) -> (NodeId, Party) {
    let relay_only = description.ends[end].relay_only;
    let config = description.policy.config().relay_only(relay_only);
    let role = if end == 0 { Role::Controlling } else { Role::Controlled };
    let seed = world.seed_for(u64::from(end == 1));
    let id = world.add_host(host, |_, now, locals| {
        let mut peer = Peer::with_components(now, config, role, seed, 1);
        for (help, address) in servers {
            let server = match help {
                Help::Stun => Server::stun(*address),
                Help::Turn => Server::turn(*address, USER, PASSWORD),
                Help::TurnOverTcp => {
                    Server::turn(*address, USER, PASSWORD).over(Transport::Tcp, Security::Plain)
                }
            };
            // Fresh agents take servers and bases, as many as a description has.
            let _ = peer.agent_mut().add_server(now, server);
        }
        let component = peer.stream().component(1);
        for local in locals {
            let _ = peer.agent_mut().add_base(now, component, (*local).into());
        }
        peer
    });
    let peer = world.node(id);
    // How an agent likes its own interfaces is up to the agent, whatever the oracle.
    let preference = |address: SocketAddr| {
        let mut own = peer.agent().local_candidates(peer.stream()).map(|(_, candidate)| candidate);
        own.find(|it| it.ip() == Some(address)).map(|it| it.priority().local_preference())
    };
    let party =
        world.addresses(id).iter().fold(Party::new(id), |party, address| match preference(*address) {
            Some(preference) => party.base_preferred(*address, preference),
            None => party.base(*address),
        });
    let party = servers.iter().fold(party, |party, (help, address)| match help {
        Help::Stun => party.asks(*address),
        Help::Turn => party.relays(*address),
        Help::TurnOverTcp => party.relays_over_tcp(*address),
    });
    (id, party.relay_only(relay_only))
}

/// What a described interface attaches, IPv6 first, as agents like it.
fn attachments(
    index: usize,
    interface: &Interface,
    place: NetworkId,
) -> impl Iterator<Item = (usize, Attachment)> {
    let id = u16::try_from(index + 1).unwrap_or(u16::MAX);
    let (cost, link) = (interface.cost, interface.line.link());
    let ipv6 = interface.ipv6.then(|| Attachment::ipv6_on(place));
    let all = ipv6.into_iter().chain([Attachment::on(place)]);
    all.map(move |attachment| (index, attachment.network(id, cost).link(link)))
}

fn find(networks: &[(String, NetworkId, Edge)], name: &str) -> Option<NetworkId> {
    networks.iter().find(|(known, ..)| known == name).map(|(_, id, _)| *id)
}

fn chain(behind: &BTreeMap<NetworkId, NetworkId>, from: NetworkId) -> Vec<NetworkId> {
    core::iter::successors(Some(from), |network| behind.get(network).copied())
        .filter(|network| *network != NetworkId::PUBLIC)
        .collect()
}

/// Datagrams that each end sends when all is over.
pub const PACKETS: usize = 10;

/// By then every agent has a result, or will never have one.
const PATIENCE: Duration = Duration::from_secs(90);

const USER: &str = "lab";
const PASSWORD: &str = "rat";
