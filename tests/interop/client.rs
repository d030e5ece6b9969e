//! A TURN client on a connection of its own, and a peer without any of it.

use std::collections::{BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use floe::framing::{Deframer, Framing};
use floe::stun::{Class, LongTerm, Message, TransactionId};
use floe::turn::{self, Allocated, Config, Event, Families, Output, Received};
use floe::{Path, Seed, Timestamp, Transport};

use super::coturn::{Coturn, PASSWORD, USER};
use super::link::{Link, PATIENCE, Way};

/// The configuration of the server's user: an address of the family of `ip`.
pub(super) fn config(ip: IpAddr) -> Config {
    config_of(USER, PASSWORD).families(if ip.is_ipv4() { Families::V4 } else { Families::V6 })
}

pub(super) fn config_of(user: &str, password: &str) -> Config {
    Config::new(LongTerm::new(user, password).unwrap())
}

/// A client and what it has to tell.
pub(super) struct Client {
    pub(super) turn: turn::Client,
    pub(super) link: Link,
    pub(super) path: Path,
    deframer: Deframer,
    epoch: Instant,
    /// How far the client's clock is ahead of that of the server.
    skipped: Duration,
    events: VecDeque<Event>,
    data: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Requests that are not answered yet.
    open: BTreeSet<TransactionId>,
    /// Whether the server has closed the connection.
    ended: bool,
}

impl Client {
    /// Connects, and asks for nothing yet.
    pub(super) fn connect(server: &Coturn, way: Way, ip: IpAddr, config: Config) -> Self {
        let link = Link::open_at(server, way, ip).unwrap();
        Self::on(link, way, way.address_of(server, ip), config)
    }

    /// On a connection that is there, with `remote` at its other end.
    pub(super) fn on(link: Link, way: Way, remote: SocketAddr, config: Config) -> Self {
        let path = Path::new(way.transport(), link.local, remote);
        Self {
            turn: turn::Client::new(config, path, Seed::from_os()),
            link,
            path,
            deframer: Deframer::default(),
            epoch: Instant::now(),
            skipped: Duration::ZERO,
            events: VecDeque::new(),
            data: VecDeque::new(),
            open: BTreeSet::new(),
            ended: false,
        }
    }

    /// Connects over `way` from the family of `ip`, and has an address of that family allocated.
    pub(super) fn allocated(server: &Coturn, way: Way, ip: IpAddr) -> (Self, Allocated) {
        let mut client = Self::connect(server, way, ip, config(ip));
        let allocated = client.allocate();
        (client, allocated)
    }

    pub(super) fn allocate(&mut self) -> Allocated {
        self.turn.allocate(self.now()).unwrap();
        match self.event() {
            Event::Allocated(allocated) => allocated,
            other => panic!("{other:?} instead of an allocation"),
        }
    }

    /// Has the peer's datagrams let through.
    pub(super) fn permit(&mut self, peer: IpAddr) {
        self.turn.permit(self.now(), peer).unwrap();
        assert_eq!(self.event(), Event::Permitted { peer });
    }

    /// Has a channel to the peer made.
    pub(super) fn bind(&mut self, peer: SocketAddr) {
        self.turn.bind(self.now(), peer).unwrap();
        while self.event() != (Event::Bound { peer }) {}
    }

    /// Sends application data by the route to `peer` that there is.
    pub(super) fn send(&mut self, peer: SocketAddr, payload: &[u8]) {
        let (route, mut bytes) = (self.turn.route(peer).expect("a route"), Vec::new());
        assert_eq!(route.path(), self.path);
        route.encode(payload, &mut bytes);
        self.link.connection.send(&bytes);
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from(self.epoch.elapsed() + self.skipped)
    }

    /// Moves the client's clock forward, so that what it would do in ten minutes is done now.
    pub(super) fn skip(&mut self, time: Duration) {
        self.skipped += time;
    }

    /// The next event.
    pub(super) fn event(&mut self) -> Event {
        self.until("an event", |client| client.events.pop_front())
    }

    /// The next datagram of a peer.
    pub(super) fn data(&mut self) -> (SocketAddr, Vec<u8>) {
        self.until("data", |client| client.data.pop_front())
    }

    /// Listens for a moment; what came is returned.
    pub(super) fn quiet(&mut self) -> (Vec<Event>, Vec<(SocketAddr, Vec<u8>)>) {
        self.run(Instant::now() + Duration::from_millis(200), |_| false);
        (self.events.drain(..).collect(), self.data.drain(..).collect())
    }

    /// Does what is due, and waits until all of it is answered.
    pub(super) fn settle(&mut self) {
        self.turn.handle_timeout(self.now());
        assert!(
            self.run(Instant::now() + PATIENCE, |client| client.open.is_empty()),
            "a request is not answered"
        );
    }

    /// Whether the server closes the connection in time.
    pub(super) fn is_cut_off(&mut self) -> bool {
        self.run(Instant::now() + PATIENCE, |client| client.ended)
    }

    fn until<T>(&mut self, what: &str, mut pick: impl FnMut(&mut Self) -> Option<T>) -> T {
        let mut picked = None;
        self.run(Instant::now() + PATIENCE, |client| {
            picked = pick(client);
            picked.is_some()
        });
        picked.unwrap_or_else(|| panic!("{what} did not come in time; the client is {:?}", self.turn.state()))
    }

    /// Carries the client until `done`, which is returned, or `limit`.
    pub(super) fn run(&mut self, limit: Instant, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        loop {
            while let Some(output) = self.turn.poll_output() {
                match output {
                    Output::Transmit(transmit) => {
                        assert_eq!(transmit.path, self.path);
                        if let Some((Class::Request, id)) = identify(&transmit.payload) {
                            self.open.insert(id);
                        }
                        self.link.connection.send(&transmit.payload);
                    }
                    Output::Event(event) => self.events.push_back(event),
                }
            }
            if done(self) {
                return true;
            }
            let (now, started) = (self.now(), Instant::now());
            if started >= limit || self.ended {
                return false;
            }
            let wake = self.turn.deadline().map(|at| started + at.saturating_since(now));
            match self.link.receive(wake.map_or(limit, |wake| wake.min(limit))) {
                Some(Some(bytes)) => self.handle_bytes(&bytes),
                Some(None) => self.ended = true,
                None => self.turn.handle_timeout(self.now()),
            }
        }
    }

    fn handle_bytes(&mut self, bytes: &[u8]) {
        let (now, path) = (self.now(), self.path);
        let mut take = |datagram: &[u8]| {
            if let Some((Class::Success | Class::Error, id)) = identify(datagram) {
                self.open.remove(&id);
            }
            if let Received::Data { peer, payload } = self.turn.handle_datagram(now, path, datagram) {
                self.data.push_back((peer, payload.to_vec()));
            }
        };
        if path.transport() == Transport::Udp {
            return take(bytes);
        }
        let mut rest = bytes;
        while let Some(frame) = self.deframer.next(Framing::Turn, &mut rest).unwrap() {
            take(frame);
        }
    }
}

fn identify(datagram: &[u8]) -> Option<(Class, TransactionId)> {
    Message::parse(datagram).ok().map(|message| (message.class(), message.transaction_id()))
}

/// Somebody with a UDP socket.
pub(super) struct Peer {
    socket: UdpSocket,
    pub(super) address: SocketAddr,
}

impl Peer {
    pub(super) fn at(ip: IpAddr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let address = socket.local_addr().unwrap();
        Self { socket, address }
    }

    pub(super) fn send(&self, to: SocketAddr, payload: &[u8]) {
        self.socket.send_to(payload, to).unwrap();
    }

    /// The next datagram and where it came from.
    pub(super) fn receive(&self) -> (SocketAddr, Vec<u8>) {
        let mut buffer = [0; 2048];
        let (length, from) = self.socket.recv_from(&mut buffer).expect("a datagram");
        (from, buffer[..length].to_vec())
    }

    /// Whether the network says in time that nobody listens at `there` any more.
    pub(super) fn finds_nobody(&self, there: SocketAddr) -> bool {
        let until = Instant::now() + PATIENCE;
        self.socket.connect(there).unwrap();
        self.socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        while Instant::now() < until {
            // The answer to one attempt may only be told at the next.
            let heard = self.socket.send(b"anybody?").and_then(|_| self.socket.recv(&mut [0; 2048]));
            if heard.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
                return true;
            }
        }
        false
    }
}
