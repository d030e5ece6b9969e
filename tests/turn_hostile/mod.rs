//! A TURN server that means no good and knows the password, and an application with odd wishes, against a client: what
//! holds after each step.
//!
//! Shared by the property tests and by the fuzz target `turn_client`: any eight bytes are a step.

use std::collections::VecDeque;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use floe::stun::{
    AlternateServer, AttributeType, Builder, Class, ErrorCode, Integrity, Key, LongTerm, Message, Method,
    Token, TransactionId, UnknownAttributes, XorMappedAddress,
};
use floe::turn::{
    AddressErrorCode, AddressFamily, ChannelNumber, Client, Config, Data, Event, Families, Icmp, Lifetime,
    MobilityTicket, Output, Received, Relayed, ReservationToken, State, XorPeerAddress, XorRelayedAddress,
};
use floe::{Path, Seed, Timestamp, Transport};

const USERNAME: &[u8] = b"alice";
const PASSWORD: &[u8] = b"secret";
/// What tokens are under.
const KID: &str = "kid";
const REALMS: [&[u8]; 3] = [b"example.org", b"example.net", b""];
const NONCES: [&[u8]; 6] =
    [b"nonce", b"obMatJos2gAAA1", b"obMatJos2wAAA1", b"obMatJos2AAAA2", b"obMatJos2", b""];
/// Values of PASSWORD-ALGORITHMS; the first one stands for none.
const ALGORITHMS: [&[u8]; 5] = [&[], &[0, 2, 0, 0, 0, 1, 0, 0], &[0, 1, 0, 0], &[0, 9, 0, 0], &[0, 2, 0]];
const CODES: [u16; 16] = [0, 0, 0, 0, 300, 400, 401, 403, 420, 437, 438, 441, 442, 486, 500, 508];
const LIFETIMES: [u32; 8] = [0, 1, 2, 30, 119, 600, 3600, u32::MAX];
/// What the server may say is the relayed or mapped address: the last five cannot be.
const ADDRESSES: [&str; 8] = [
    "198.51.100.1:50000",
    "[2001:db8::1]:50000",
    "198.51.100.1:3478",
    "0.0.0.0:50000",
    "198.51.100.1:0",
    "224.0.0.1:50000",
    "[ff02::1]:50000",
    "[::]:1",
];
const PEERS: [&str; 8] = [
    "192.0.2.10:1",
    "192.0.2.10:2",
    "192.0.2.11:1",
    "192.0.2.12:1",
    "192.0.2.13:1",
    "[2001:db8::10]:1",
    "198.51.100.1:50000",
    "0.0.0.0:1",
];
/// Where the client may be; the server is at the first of the addresses above, at the port of TURN.
const LOCALS: [&str; 3] = ["203.0.113.1:1000", "203.0.113.1:1001", "203.0.113.2:1000"];
const SERVER: &str = "198.51.100.1:3478";
const PERMISSIONS: usize = 3;
const CHANNELS: usize = 2;
/// What one step may make the client say: all that waits, and all that is under way.
const OUTPUTS_MAX: usize = 64;

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct Step(pub [u8; 8]);

/// A client, and what surrounds it.
pub struct Subject {
    client: Client,
    now: Timestamp,
    /// The last requests, the newest first.
    asked: VecDeque<(Path, Vec<u8>)>,
    /// The last answers, the newest first.
    told: VecDeque<(Path, Vec<u8>)>,
    /// Addresses that the application has wanted.
    wanted: Vec<IpAddr>,
    closed: bool,
    /// Whether there has been an allocation.
    pub allocated: bool,
    /// Of the last token.
    token_key: u8,
}

/// What of a client can be seen from outside.
#[derive(Debug, PartialEq)]
struct Snapshot {
    state: State,
    relayed: Vec<SocketAddr>,
    mapped: Option<SocketAddr>,
    lifetime: Option<Duration>,
    permitted: Vec<IpAddr>,
    bound: Vec<(SocketAddr, ChannelNumber)>,
    path: Path,
    deadline: Option<Timestamp>,
}

impl Subject {
    /// A client of a kind that `settings` says.
    pub fn new(settings: u8) -> Self {
        let transport = if settings & 1 == 0 { Transport::Udp } else { Transport::Tcp };
        let families = [Families::V4, Families::V6, Families::Both][usize::from(settings >> 1 & 3) % 3];
        let relayed = match settings >> 3 & 3 {
            0 | 1 => Relayed::Any(families),
            2 => Relayed::PortPair(AddressFamily::Ipv4),
            _ => Relayed::Reserved(ReservationToken([7; 8])),
        };
        let config = Config::new(LongTerm::new("alice", "secret").unwrap())
            .relayed(relayed)
            .mobility(settings & 32 != 0)
            .follow_alternate(settings & 64 != 0)
            .dont_fragment(settings & 128 != 0)
            .permissions(PERMISSIONS)
            .channels(CHANNELS)
            .held(4);
        let path = Path::new(transport, socket(LOCALS[0]), socket(SERVER));
        Self {
            client: Client::new(config, path, Seed::from([settings; 32])),
            now: Timestamp::from_millis(1),
            asked: VecDeque::new(),
            told: VecDeque::new(),
            wanted: Vec::new(),
            closed: false,
            allocated: false,
            token_key: 0,
        }
    }

    /// Gets the allocation as from a server that means well.
    pub fn allocate(&mut self) {
        // A challenge; then a lifetime, a relayed address, a mapped address.
        for step in [[0, 0, 0, 0, 0, 0, 0, 0], [10, 0, 6, 0, 0, 0, 0, 0], [10, 0, 0, 0, 0b1011, 5, 0, 0]] {
            self.take(Step(step));
        }
    }

    pub fn take(&mut self, Step([kind, a, b, c, d, e, f, g]): Step) {
        let pick = |table: &[&'static str], n: u8| socket(table[usize::from(n) % table.len()]);
        let now = self.now;
        match kind % 32 {
            0 | 1 => drop(self.client.allocate(now)),
            2 | 3 => {
                let peer = pick(&PEERS, a);
                self.wanted.push(peer.ip());
                let _ = self.client.permit(now, peer.ip());
            }
            4 | 5 => {
                let peer = pick(&PEERS, a);
                self.wanted.push(peer.ip());
                let _ = self.client.bind(now, peer);
            }
            6 => self.client.forget(now, pick(&PEERS, a).ip()),
            7 => {
                let peer = pick(&PEERS, a);
                self.wanted.push(peer.ip());
                let _ = self.client.send(now, peer, &[b; 20][..usize::from(c) % 20]);
            }
            8 => {
                let (local, path) = (pick(&LOCALS, a), self.client.path());
                let _ = self.client.migrate(now, Path::new(path.transport(), local, path.remote()));
            }
            9 => self.odd(a, b),
            10..=19 => self.answer([a, b, c, d, e, f, g]),
            20 | 21 => self.relay_data(a, b, c),
            22 => self.relay_channel_data(a, b, c),
            23 => {
                if let Some((path, datagram)) = self.told.get(usize::from(a) % 4).cloned() {
                    let _ = self.hear(path, &datagram);
                }
            }
            24 => {
                let _ = self.hear(self.client.path(), &[a, b, c, d, e, f, g]);
            }
            _ => self.pass(Duration::from_millis(u64::from(b) * [1, 20, 500, 5000][usize::from(a) % 4])),
        }
        self.drain();
    }

    /// Commands that come seldom.
    fn odd(&mut self, what: u8, how: u8) {
        let (now, path) = (self.now, self.client.path());
        match what % 10 {
            0 if how == 0 => {
                self.closed = true;
                self.client.close(now);
            }
            1 => drop(self.client.set_credentials(now, "alice", "secret")),
            2 => drop(self.client.release(now, AddressFamily::Ipv4)),
            3 => drop(self.client.release(now, AddressFamily::Ipv6)),
            4 => self.client.handle_transmit_error(now, path),
            5 => self.client.grant(now),
            // A clock that runs backwards, or jumps by hours.
            6 => self.client.handle_timeout(Timestamp::from_millis(u64::from(how))),
            7 => self.client.refresh(now),
            8 => {
                let token = Token::new(KID, b"opaque", &[how; 32]).unwrap();
                let token = token.expires_in(Duration::from_secs(u64::from(how) * 10));
                let _ = self.client.set_token(now, token);
                self.token_key = how;
            }
            _ => self.pass(Duration::from_secs(u64::from(how) * 100)),
        }
    }

    /// Lets time pass in one leap, then sees that no deadline is left behind.
    fn pass(&mut self, duration: Duration) {
        self.now += duration;
        self.client.handle_timeout(self.now);
        let deadline = self.client.deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now), "{deadline:?} at {:?}", self.now);
        self.drain();
    }

    /// Answers one of the last requests.
    fn answer(&mut self, [which, code, seal, has, v1, v2, v3]: [u8; 7]) {
        let Some((path, request)) = self.asked.get(usize::from(which) % 4).cloned() else { return };
        let request = Message::parse(&request).expect("the client sends STUN messages");
        let mut out = Vec::new();
        let code = CODES[usize::from(code) % CODES.len()];
        let method = if has == 0xff { Method::BINDING } else { request.method() };
        let mut builder = match ErrorCode::new(code) {
            Err(_) => Builder::success(&mut out, method, request.transaction_id()),
            Ok(code) => Builder::error(&mut out, method, request.transaction_id(), &code),
        };
        if matches!(code, 401 | 438) {
            builder = builder
                .raw(AttributeType::REALM, REALMS[usize::from(v1) % REALMS.len()])
                .raw(AttributeType::NONCE, NONCES[usize::from(v2) % NONCES.len()]);
            if v1 & 0x80 != 0 {
                builder = builder.raw(AttributeType::THIRD_PARTY_AUTHORIZATION, b"turn.example.org");
            }
            let algorithms = ALGORITHMS[usize::from(v3) % ALGORITHMS.len()];
            if !algorithms.is_empty() {
                builder = builder.raw(AttributeType::PASSWORD_ALGORITHMS, algorithms);
            }
        }
        builder = attributes(builder, has, [v1, v2, v3]);
        if code == 420 {
            builder = builder.attribute(&UnknownAttributes::from_iter([AttributeType::DONT_FRAGMENT]));
        }
        if code == 300 {
            builder = builder.attribute(&AlternateServer(address(v3)));
        }
        let sealed = seal & 3 < 2 && request.integrity_kind().is_some();
        match seal & 3 {
            // Rightly, with another key, or not at all.
            0 | 1 if sealed => {
                builder.integrity(&key(&request, self.token_key), integrity(&request, seal));
            }
            2 => drop(builder.integrity(&Key::short_term(b"wrong"), integrity(&request, seal))),
            _ => {}
        }
        let believed =
            sealed || matches!(code, 401 | 438) || (code == 300 && request.integrity_kind().is_none());
        let before = self.snapshot();
        let received = self.hear(path, &out);
        assert!(!received, "an answer is no data");
        // Over a connection an answer that was spoilt ends the request: there will be no other.
        if !believed && path.transport() == Transport::Udp {
            let said = self.drain();
            assert_eq!((self.snapshot(), said), (before, 0), "an answer without integrity");
        }
        self.told.push_front((path, out));
        self.told.truncate(4);
    }

    /// A Data indication, from anybody.
    fn relay_data(&mut self, peer: u8, what: u8, where_from: u8) {
        let mut out = Vec::new();
        let mut builder = Builder::indication(&mut out, Method::DATA, TransactionId::from([what; 12]));
        if what & 1 == 0 {
            builder = builder.attribute(&XorPeerAddress(socket(PEERS[usize::from(peer) % PEERS.len()])));
        }
        if what & 2 == 0 {
            builder = builder.attribute(&Data(&[7; 30]));
        }
        if what & 4 != 0 {
            builder = builder.attribute(&Icmp { kind: what, code: peer, data: 9 });
        }
        if what & 8 != 0 {
            builder = builder.raw(AttributeType::new(0x7777), &[]);
        }
        let _ = builder;
        let _ = self.hear(self.path(where_from), &out);
    }

    fn relay_channel_data(&mut self, number: u8, length: u8, where_from: u8) {
        let out = [0x40 | (number & 0x10), number & 3, 0, length, 1, 2, 3, 4];
        let _ = self.hear(self.path(where_from), &out);
    }

    /// The path to the server, or one that looks like it.
    fn path(&self, n: u8) -> Path {
        let path = self.client.path();
        match n % 8 {
            0 => Path::new(path.transport(), socket(LOCALS[2]), path.remote()),
            1 => Path::new(path.transport(), path.local(), socket("198.51.100.2:3478")),
            _ => path,
        }
    }

    /// Hands the client a datagram. Returns whether it was data, which comes from a peer that was wanted.
    fn hear(&mut self, path: Path, datagram: &[u8]) -> bool {
        let (state, own) = (self.client.state(), self.client.path());
        let Received::Data { peer, payload } = self.client.handle_datagram(self.now, path, datagram) else {
            return false;
        };
        assert!(payload.len() <= datagram.len());
        assert_eq!(state, State::Allocated);
        assert!(self.wanted.contains(&peer.ip()), "{peer} was never wanted");
        assert_eq!(path.remote(), own.remote());
        true
    }

    /// Takes all that the client says, and looks at the client. Returns how much it was.
    fn drain(&mut self) -> usize {
        let mut said = 0;
        while let Some(output) = self.client.poll_output() {
            said += 1;
            match output {
                Output::Transmit(transmit) => {
                    assert!(LOCALS.iter().any(|local| socket(local) == transmit.path.local()));
                    assert!(!self.closed || self.client.state() != State::Closed || said < OUTPUTS_MAX);
                    let request = Message::parse(&transmit.payload).ok();
                    if request.is_some_and(|request| request.class() == Class::Request) {
                        self.asked.push_front((transmit.path, transmit.payload.to_vec()));
                        self.asked.truncate(4);
                    }
                }
                Output::Event(Event::Allocated(_)) => self.allocated = true,
                Output::Event(_) => {}
            }
        }
        assert!(said <= OUTPUTS_MAX, "{said} outputs of one step");
        let seen = self.snapshot();
        assert!(seen.permitted.len() <= PERMISSIONS && seen.bound.len() <= CHANNELS, "{seen:?}");
        assert!(seen.permitted.iter().all(|peer| self.wanted.contains(peer)), "{seen:?}");
        assert!(
            seen.relayed.len() <= 2 && seen.relayed.iter().all(|relayed| relayed.port() != 0),
            "{seen:?}"
        );
        assert!(
            !seen.relayed.iter().any(|relayed| relayed.ip().is_unspecified() || relayed.ip().is_multicast())
        );
        assert_eq!(seen.relayed.is_empty(), seen.state != State::Allocated, "{seen:?}");
        assert!(
            seen.state == State::Allocated || (seen.permitted.is_empty() && seen.bound.is_empty()),
            "{seen:?}"
        );
        said
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.client.state(),
            relayed: self.client.relayed().collect(),
            mapped: self.client.mapped(),
            lifetime: self.client.lifetime(),
            permitted: self.client.permitted().collect(),
            bound: self.client.bound().collect(),
            path: self.client.path(),
            deadline: self.client.deadline(),
        }
    }

    /// The server falls silent, and the application closes: all ends, after a bounded number of wakes.
    pub fn finish(mut self) {
        self.client.close(self.now);
        self.closed = true;
        self.drain();
        for _ in 0..64 {
            let Some(deadline) = self.client.deadline() else { break };
            self.pass(deadline.saturating_since(self.now));
        }
        assert_eq!((self.client.state(), self.client.deadline()), (State::Closed, None));
    }
}

/// Attributes of an answer: which, and of what values.
fn attributes<'b>(mut builder: Builder<'b>, has: u8, [v1, v2, v3]: [u8; 3]) -> Builder<'b> {
    if has & 1 != 0 {
        builder = builder.attribute(&Lifetime(LIFETIMES[usize::from(v1) % LIFETIMES.len()]));
    }
    if has & 2 != 0 {
        builder = builder.attribute(&XorRelayedAddress(address(v2)));
    }
    if has & 4 != 0 {
        builder = builder.attribute(&XorRelayedAddress(address(v3)));
    }
    if has & 8 != 0 {
        builder = builder.attribute(&XorMappedAddress(address(v3)));
    }
    if has & 16 != 0 {
        builder = builder.attribute(&ReservationToken([v1; 8]));
    }
    if has & 32 != 0 {
        builder = builder.attribute(&MobilityTicket(&[v1; 255][..usize::from(v2)]));
    }
    if has & 64 != 0 {
        let family = if v1 & 8 == 0 { AddressFamily::Ipv4 } else { AddressFamily::Ipv6 };
        builder = builder.attribute(&AddressErrorCode { family, error: ErrorCode::INSUFFICIENT_CAPACITY });
    }
    if has & 128 != 0 {
        builder = builder.raw(AttributeType::new(0x7700 | u16::from(v1)), &[v2]);
    }
    builder
}

/// The key that the request was sealed with.
fn key(request: &Message<'_>, token_key: u8) -> Key {
    let value = |wanted| request.attributes().find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let realm = value(AttributeType::REALM).unwrap_or_default();
    if value(AttributeType::USERNAME) == Some(KID.as_bytes()) {
        return Key::short_term(&[token_key; 32]);
    }
    match value(AttributeType::PASSWORD_ALGORITHM) {
        Some([0, 2, ..]) => Key::long_term_sha256(USERNAME, realm, PASSWORD),
        _ => Key::long_term_md5(USERNAME, realm, PASSWORD),
    }
}

/// The kind of the request, or if `seal` says so the other one.
fn integrity(request: &Message<'_>, seal: u8) -> Integrity {
    match (request.integrity_kind(), seal & 0xf0) {
        (Some(Integrity::Sha256), 0xf0) | (None, _) => Integrity::Sha1,
        (Some(Integrity::Sha1), 0xf0) => Integrity::Sha256,
        (Some(kind), _) => kind,
    }
}

fn address(n: u8) -> SocketAddr {
    socket(ADDRESSES[usize::from(n) % ADDRESSES.len()])
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
