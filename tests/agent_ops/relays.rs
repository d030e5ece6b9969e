//! TURN servers for the model: one that answers, well or badly or not at all, over datagrams and over connections.

use std::collections::BTreeSet;

use core::net::SocketAddr;
use core::time::Duration;

use floe::ice::ConnectId;
use floe::sim::{Deviation, Fault, Node, Output, TurnServer};
use floe::stun::Method;
use floe::{Connect, Path, Security, Server, Timestamp, Transmit, Transport};

/// Where it listens: for datagrams, for connections, and for datagrams of another family. The first stands there twice.
pub const SERVERS: [(&str, Transport, Security); 5] = [
    ("203.0.113.9:3478", Transport::Udp, Security::Plain),
    ("203.0.113.9:3478", Transport::Udp, Security::Plain),
    ("203.0.113.9:3479", Transport::Tcp, Security::Plain),
    ("203.0.113.9:5349", Transport::Udp, Security::Tls),
    ("[2001:db8::9]:3478", Transport::Udp, Security::Plain),
];
const USERS: [(&str, &str); 3] = [("alice", "secret"), ("bob", "other"), ("alice", "wrong")];
const METHODS: [Method; 4] =
    [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND];

/// What the agent's relays have done, as their server and their caller see it.
pub struct Relays {
    server: TurnServer,
    /// Whether anything is heard of the server.
    attentive: bool,
    /// Every connection that was ever asked for.
    wanted: BTreeSet<ConnectId>,
    /// Those that wait for an answer, and those that were answered last.
    pub connecting: Vec<Connect>,
    pub answered: Vec<ConnectId>,
    /// The connections that the agent has, and has to close.
    pub connections: Vec<Path>,
    port: u16,
}

impl Default for Relays {
    fn default() -> Self {
        let addresses = SERVERS.map(|(address, ..)| address.parse().unwrap());
        let server = USERS
            .iter()
            .take(2)
            .fold(TurnServer::new("example.org").at(&addresses), |server, user| server.user(user.0, user.1));
        Self {
            server,
            attentive: true,
            wanted: BTreeSet::new(),
            connecting: Vec::new(),
            answered: Vec::new(),
            connections: Vec::new(),
            port: 20_000,
        }
    }
}

/// What has come out of the server.
pub enum Delivery {
    /// To the agent, on this path of it.
    ToAgent(Path, Vec<u8>),
    /// To a peer, from a relayed address.
    ToPeer(Path, Vec<u8>),
}

pub fn is_server(address: SocketAddr) -> bool {
    SERVERS.iter().any(|(server, ..)| server.parse() == Ok(address))
}

/// One of the ways to reach it, with good or bad credentials.
pub fn server(place: u8) -> Server {
    let (address, transport, security) = SERVERS[usize::from(place) % SERVERS.len()];
    let (user, password) = user(place / 8);
    Server::turn(address.parse().unwrap(), user, password).over(transport, security)
}

pub fn user(place: u8) -> (&'static str, &'static str) {
    USERS[usize::from(place) % USERS.len()]
}

impl Relays {
    /// The server changes its mind: it falls silent, comes back, forgets everything, or does something wrong for a while.
    pub fn change_mood(&mut self, mood: u8, detail: u8) {
        let method = METHODS[usize::from(detail) % METHODS.len()];
        let deviation = match mood % 16 {
            0 => return self.attentive = false,
            1..=5 => {
                self.server.mend();
                return self.attentive = true;
            }
            6 => return self.server.restart(),
            7 => Deviation::Refuse(437),
            8 => Deviation::Refuse(403),
            9 => Deviation::Refuse(486),
            10 => Deviation::Refuse(500),
            11 => Deviation::StaleNonce,
            12 => Deviation::Lifetime(u32::from(detail) % 90),
            13 => Deviation::Lose,
            14 => Deviation::Relayed("192.0.2.1:1".parse().unwrap()),
            _ => Deviation::WrongIntegrity,
        };
        self.server.fault(Fault::new(deviation).on(method).times(u32::from(detail) % 3 + 1));
    }

    /// Takes a datagram of the agent.
    pub fn take(&mut self, now: Timestamp, transmit: &Transmit) {
        let Transmit { path, payload, .. } = transmit;
        if self.attentive {
            // The server knows datagrams only; its addresses tell them from connections.
            self.server.handle_datagram(now, Path::udp(path.remote(), path.local()), payload);
        }
    }

    /// A peer sends to a relayed address.
    pub fn take_from_peer(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        if self.attentive {
            self.server.handle_datagram(now, Path::udp(path.local(), path.remote()), datagram);
        }
    }

    /// The next thing that the server has sent.
    pub fn poll(&mut self, now: Timestamp) -> Option<Delivery> {
        self.server.handle_timeout(now);
        let Output::Transmit(path, datagram) = self.server.poll_output()? else { return None };
        if !is_server(path.local()) {
            return Some(Delivery::ToPeer(path, datagram.to_vec()));
        }
        let transport = SERVERS.iter().find(|(server, ..)| server.parse() == Ok(path.local())).unwrap().1;
        let path = Path::new(transport, path.remote(), path.local());
        Some(Delivery::ToAgent(path, datagram.to_vec()))
    }

    /// The agent asks for a connection.
    pub fn connect(&mut self, connect: Connect, now: Timestamp) {
        assert!(self.wanted.insert(connect.id), "{connect:?} again");
        assert!(is_server(connect.remote) && connect.local.port() == 0, "{connect:?}");
        assert!(
            connect.give_up_at > now && connect.give_up_at <= now + Duration::from_secs(60),
            "{connect:?}"
        );
        self.connecting.push(connect);
    }

    /// The agent gives a connection up.
    pub fn disconnect(&mut self, path: Path) {
        let known = self.connections.iter().position(|known| *known == path);
        self.connections.remove(known.unwrap_or_else(|| panic!("{path:?} is no connection")));
    }

    /// An address that nobody has had.
    pub fn fresh_port(&mut self) -> u16 {
        self.port += 1;
        self.port
    }
}
