//! A world of a TURN client, its server, and peers that can be told to speak.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::collections::VecDeque;

use core::net::SocketAddr;
use core::time::Duration;

use floe::sim::{Host, NetworkId, Node, NodeId, Output, TurnServer, Violation, World};
use floe::stun::{LongTerm, Method};
use floe::turn::{self, Client, Config, Event, Failure, Received, State};
use floe::{Path, Seed, Timestamp};

pub const REALM: &str = "example.org";
pub const USER: &str = "alice";
pub const PASSWORD: &str = "correct horse";

/// What a client asks for with credentials.
pub const METHODS: [Method; 4] =
    [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND];

/// Who is in the world.
pub enum Member {
    User(Box<User>),
    Peer(Peer),
}

/// A program that uses a relay.
pub struct User {
    pub client: Client,
    pub events: Vec<(Timestamp, Event)>,
    pub received: Vec<(Timestamp, SocketAddr, Vec<u8>)>,
    /// Datagrams that were ignored.
    pub ignored: u64,
    /// Neither hears nor wakes.
    pub asleep: bool,
    outputs: VecDeque<Output>,
    now: Timestamp,
}

/// A program that speaks with whoever relays.
#[derive(Default)]
pub struct Peer {
    pub received: Vec<(Timestamp, Path, Vec<u8>)>,
    /// Sends back what comes.
    pub echoes: bool,
    outputs: VecDeque<Output>,
}

impl User {
    pub fn new(client: Client, now: Timestamp) -> Self {
        Self {
            client,
            events: Vec::new(),
            received: Vec::new(),
            ignored: 0,
            asleep: false,
            outputs: VecDeque::new(),
            now,
        }
    }

    /// Sends by the route that there is; `false` without one.
    pub fn send_by_route(&mut self, peer: SocketAddr, payload: &[u8]) -> bool {
        let Some(route) = self.client.route(peer) else { return false };
        let mut datagram = Vec::new();
        route.encode(payload, &mut datagram);
        self.outputs.push_back(Output::Transmit(route.path(), datagram.into()));
        true
    }

    pub fn last_event(&self) -> Option<Event> {
        self.events.last().map(|(_, event)| *event)
    }
}

impl Node for Member {
    fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        match self {
            Self::User(user) if user.asleep => {}
            Self::User(user) => {
                user.now = now;
                match user.client.handle_datagram(now, path, datagram) {
                    Received::Data { peer, payload } => user.received.push((now, peer, payload.to_vec())),
                    Received::Control => {}
                    Received::Ignored(_) => user.ignored += 1,
                }
            }
            Self::Peer(peer) => {
                peer.received.push((now, path, datagram.to_vec()));
                if peer.echoes {
                    peer.outputs.push_back(Output::Transmit(path, datagram.to_vec().into()));
                }
            }
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        if let Self::User(user) = self
            && !user.asleep
        {
            user.now = now;
            user.client.handle_timeout(now);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        match self {
            Self::Peer(peer) => peer.outputs.pop_front(),
            Self::User(user) => loop {
                if let Some(output) = user.outputs.pop_front() {
                    return Some(output);
                }
                match user.client.poll_output()? {
                    turn::Output::Transmit(transmit) => {
                        return Some(Output::Transmit(transmit.path, transmit.payload));
                    }
                    turn::Output::Event(event) => user.events.push((user.now, event)),
                }
            },
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::User(user) if !user.asleep => user.client.deadline(),
            _ => None,
        }
    }
}

/// The world, and who is who in it.
pub struct Relay {
    pub world: World<Member>,
    pub server: NodeId,
    pub user: NodeId,
    pub peers: Vec<NodeId>,
}

/// The settings of most tests.
pub fn config() -> Config {
    Config::new(LongTerm::new(USER, PASSWORD).unwrap())
}

/// A server that knows the user.
pub fn server() -> TurnServer {
    TurnServer::new(REALM).user(USER, PASSWORD)
}

/// A host with an address of each family.
pub fn dual_stack(number: u8) -> Host {
    let ipv4 = SocketAddr::new([198, 51, 100, number].into(), 3478);
    let ipv6 = SocketAddr::new([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(number)].into(), 3478);
    Host::new().address(NetworkId::PUBLIC, ipv4).address(NetworkId::PUBLIC, ipv6)
}

impl Relay {
    /// A user with these settings on the public network, the server, and four peers.
    pub fn new(seed: u64, config: Config, server: TurnServer) -> Self {
        Self::on(seed, NetworkId::PUBLIC, config, server)
    }

    /// The same with the user on `host`.
    pub fn on(seed: u64, host: impl Into<Host>, config: Config, server: TurnServer) -> Self {
        let mut world = World::new(seed);
        let server = world.add_turn_server(dual_stack(1), server);
        let address = world.address(server);
        let user = add_user(&mut world, host, config, address);
        let peers = (0..4).map(|n| {
            let host =
                Host::new().address(NetworkId::PUBLIC, SocketAddr::new([192, 0, 2, 10 + n].into(), 5000));
            world.add_node(host, |_, _, _| Member::Peer(Peer::default()))
        });
        let peers = peers.collect();
        Self { world, server, user, peers }
    }

    /// Asks for an allocation and gets it.
    pub fn allocated(seed: u64, config: Config, server: TurnServer) -> Self {
        let mut relay = Self::new(seed, config, server);
        relay.allocate();
        relay
    }

    /// Asks for an allocation and waits for it.
    pub fn allocate(&mut self) {
        self.ask_to_allocate();
        let allocated = self.wait(60, |relay| relay.state() == State::Allocated);
        assert!(allocated, "{:?}\n{}", self.events(), self.world.trace());
    }

    pub fn ask_to_allocate(&mut self) {
        self.command(|user, now| user.client.allocate(now)).unwrap();
    }

    pub fn command<R>(&mut self, command: impl FnOnce(&mut User, Timestamp) -> R) -> R {
        self.world.with(self.user, |member, now| match member {
            Member::User(user) => {
                user.now = now;
                command(user, now)
            }
            Member::Peer(_) => panic!("a peer"),
        })
    }

    pub fn on_server<R>(&mut self, command: impl FnOnce(&mut TurnServer) -> R) -> R {
        self.world.with_turn_server(self.server, |server, _| command(server))
    }

    pub fn turn_server(&self) -> &TurnServer {
        self.world.turn_server(self.server)
    }

    pub fn user(&self) -> &User {
        match self.world.node(self.user) {
            Member::User(user) => user,
            Member::Peer(_) => panic!("a peer"),
        }
    }

    pub fn state(&self) -> State {
        self.user().client.state()
    }

    pub fn events(&self) -> Vec<Event> {
        self.user().events.iter().map(|(_, event)| *event).collect()
    }

    pub fn failures(&self) -> Vec<Failure> {
        let failed = |event: Event| match event {
            Event::Failed(failure) | Event::Lost(failure) => Some(failure),
            _ => None,
        };
        self.events().into_iter().filter_map(failed).collect()
    }

    /// The address of a peer.
    pub fn address(&self, peer: usize) -> SocketAddr {
        self.world.address(self.peers[peer])
    }

    pub fn relayed(&self) -> SocketAddr {
        self.user().client.relayed().next().expect("an allocation")
    }

    /// The address of the user as the server sees it; the user is on the public network.
    pub fn user_address(&self) -> SocketAddr {
        self.world.address(self.user)
    }

    pub fn permit(&mut self, peer: usize) {
        let ip = self.address(peer).ip();
        self.command(|user, now| user.client.permit(now, ip)).unwrap();
    }

    pub fn bind(&mut self, peer: usize) {
        let address = self.address(peer);
        self.command(|user, now| user.client.bind(now, address)).unwrap();
    }

    /// Sends as ICE sends its checks.
    pub fn send(&mut self, peer: usize, payload: &[u8]) {
        let address = self.address(peer);
        self.command(|user, now| user.client.send(now, address, payload)).unwrap();
    }

    /// A peer sends to the relayed address.
    pub fn peer_sends(&mut self, peer: usize, payload: &[u8]) {
        let (local, relayed) = (self.address(peer), self.relayed());
        self.peer_sends_on(peer, Path::udp(local, relayed), payload);
    }

    pub fn peer_sends_on(&mut self, peer: usize, path: Path, payload: &[u8]) {
        let payload = payload.to_vec();
        self.world.with(self.peers[peer], |member, _| {
            if let Member::Peer(peer) = member {
                peer.outputs.push_back(Output::Transmit(path, payload.into()));
            }
        });
    }

    /// What a peer has received.
    pub fn peer(&self, peer: usize) -> &Peer {
        match self.world.node(self.peers[peer]) {
            Member::Peer(peer) => peer,
            Member::User(_) => panic!("the user"),
        }
    }

    pub fn echo(&mut self, peer: usize) {
        self.world.with(self.peers[peer], |member, _| {
            if let Member::Peer(peer) = member {
                peer.echoes = true;
            }
        });
    }

    /// Whether a datagram of the application gets to the peer, and one of the peer to the application, now.
    pub fn is_open(&mut self, peer: usize) -> bool {
        let address = self.address(peer);
        let (there, back) = (self.peer(peer).received.len(), self.user().received.len());
        if !self.command(|user, _| user.send_by_route(address, b"there")) {
            return false;
        }
        self.peer_sends(peer, b"back");
        self.world.run_for(Duration::from_millis(200));
        self.peer(peer).received.len() > there && self.user().received.len() > back
    }

    pub fn run(&mut self, seconds: u64) {
        self.world.run_for(Duration::from_secs(seconds));
    }

    /// Runs until `done`, for so many seconds at most; whether it was.
    pub fn wait(&mut self, seconds: u64, done: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..seconds * 20 {
            if done(self) {
                return true;
            }
            self.world.run_for(Duration::from_millis(50));
        }
        done(self)
    }

    /// Datagrams that the user has sent.
    pub fn sent(&self) -> u64 {
        self.world.counters(self.user).sent
    }

    /// How often the user was woken.
    pub fn woken(&self) -> u64 {
        self.world.counters(self.user).timeouts
    }

    pub fn violations(&self) -> Vec<Violation> {
        self.turn_server().violations().iter().map(|(_, violation)| *violation).collect()
    }

    /// The client has kept all rules, and has sent no data that the server could not relay.
    #[track_caller]
    pub fn assert_clean(&self) {
        let traffic = self.turn_server().traffic();
        assert_eq!(self.violations(), [], "{}", self.world.trace());
        assert_eq!((traffic.without_permission, traffic.without_channel), (0, 0), "{}", self.world.trace());
    }
}

/// Another user of a world.
pub fn add_user(
    world: &mut World<Member>,
    host: impl Into<Host>,
    config: Config,
    server: SocketAddr,
) -> NodeId {
    world.add_node(host, |id, now, addresses| {
        let local = addresses.iter().find(|local| local.is_ipv4() == server.is_ipv4()).unwrap();
        let mut seed = [7; 32];
        seed[0] = id.as_u32().to_le_bytes()[0];
        let client = Client::new(config, Path::udp(*local, server), Seed::from(seed));
        Member::User(Box::new(User::new(client, now)))
    })
}
