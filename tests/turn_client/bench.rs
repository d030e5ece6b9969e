//! A client, a clock, and the means to answer as a server would, or as none should.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeSet;

use floe::stun::{
    Attribute, AttributeType, Builder, Class, ErrorCode, Integrity, Key, LongTerm, Message, Method, Nonce,
    Realm, TransactionId, XorMappedAddress,
};
use floe::turn::{
    Client, Config, Data, Event, Ignored, Lifetime, Output, Received, XorPeerAddress, XorRelayedAddress,
};
use floe::{Path, Seed, Timestamp, Transmit, Transport};

pub const LOCAL: &str = "192.0.2.1:4000";
pub const SERVER: &str = "203.0.113.1:3478";
pub const MAPPED: &str = "198.51.100.9:7000";
pub const RELAYED: &str = "203.0.113.1:50000";
pub const RELAYED_V6: &str = "[2001:db8::1]:50000";
pub const REALM: &str = "example.org";
/// PASSWORD-ALGORITHMS with MD5 and SHA-256.
pub const ALGORITHMS: [u8; 8] = [0, 1, 0, 0, 0, 2, 0, 0];

pub struct Bench {
    pub client: Client,
    pub now: Timestamp,
    /// Everything sent, with its time.
    pub sent: Vec<(Timestamp, Transmit)>,
    pub events: Vec<(Timestamp, Event)>,
    /// Of what was sent the requests and the rest, each until it is looked at.
    asked: Vec<Asked>,
    other: Vec<Vec<u8>>,
    known: BTreeSet<TransactionId>,
    pub nonce: &'static [u8],
    pub key: Key,
    /// Of the server of today, which lists PASSWORD-ALGORITHMS, or of that of RFC 5389.
    pub integrity: Integrity,
}

/// A request as the server sees it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub at: Timestamp,
    pub path: Path,
    pub method: Method,
    pub id: TransactionId,
    pub bytes: Vec<u8>,
}

impl Asked {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).unwrap()
    }

    pub fn get<'a, A: Attribute<'a>>(&'a self) -> Option<A> {
        self.message().get::<A>().map(Result::unwrap)
    }

    pub fn has(&self, kind: u16) -> bool {
        self.message().contains(AttributeType::new(kind))
    }

    /// The value of an attribute, as it is on the wire.
    pub fn raw(&self, kind: u16) -> Option<Vec<u8>> {
        let kind = AttributeType::new(kind);
        self.message().attributes().find(|(it, _)| *it == kind).map(|(_, value)| value.to_vec())
    }

    pub fn lifetime(&self) -> Option<u32> {
        self.get::<Lifetime>().map(|lifetime| lifetime.0)
    }

    pub fn nonce(&self) -> Option<Vec<u8>> {
        self.raw(0x0015)
    }

    pub fn peers(&self) -> Vec<IpAddr> {
        let message = self.message();
        message.all::<XorPeerAddress>().map(|peer| peer.unwrap().0.ip()).collect()
    }

    pub fn is_sealed_with(&self, key: &Key) -> bool {
        self.message().verify(key).is_ok()
    }
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn path() -> Path {
    Path::udp(address(LOCAL), address(SERVER))
}

pub fn config() -> Config {
    Config::new(LongTerm::new("alice", "correct horse").unwrap())
}

impl Bench {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: Config) -> Self {
        Self::on(config, path())
    }

    pub fn on(config: Config, path: Path) -> Self {
        Self {
            client: Client::new(config, path, Seed::from([7; 32])),
            now: Timestamp::from_millis(1_000),
            sent: Vec::new(),
            events: Vec::new(),
            asked: Vec::new(),
            other: Vec::new(),
            known: BTreeSet::new(),
            nonce: b"nonce one",
            key: Key::long_term_md5(b"alice", REALM.as_bytes(), b"correct horse"),
            integrity: Integrity::Sha1,
        }
    }

    /// With a server of today: SHA-256, and users who are not named in the clear.
    pub fn of_today(config: Config) -> Self {
        let key = Key::long_term_sha256(b"alice", REALM.as_bytes(), b"correct horse");
        // Password algorithms and anonymity: bits 0 and 1.
        let nonce = b"obMatJos2wAAAadl7W7PeDU4hKE72jda";
        Self { nonce, key, integrity: Integrity::Sha256, ..Self::with(config) }
    }

    /// A client with an allocation for ten minutes.
    pub fn allocated() -> Self {
        Self::allocated_with(config())
    }

    pub fn allocated_with(config: Config) -> Self {
        let mut bench = Self::with(config);
        bench.allocate_for(600);
        bench
    }

    /// Goes all the way to an allocation.
    pub fn allocate_for(&mut self, lifetime: u32) {
        let asked = self.challenged();
        self.grant(&asked, lifetime);
        let allocated = self.events.iter().any(|(_, event)| matches!(event, Event::Allocated(_)));
        assert!(allocated, "{:?}", self.events);
    }

    /// Asks, and is challenged: the Allocate that follows.
    pub fn challenged(&mut self) -> Asked {
        self.client.allocate(self.now).unwrap();
        let bare = self.next_request();
        assert_eq!(bare.method, Method::ALLOCATE);
        self.challenge(&bare, 401);
        self.next_request()
    }

    /// A 401 or 438 with realm and the nonce of the day.
    pub fn challenge(&mut self, asked: &Asked, code: u16) {
        let mut out = Vec::new();
        let mut response = Builder::error(&mut out, asked.method, asked.id, &ErrorCode::new(code).unwrap())
            .attribute(&Realm::new(REALM).unwrap())
            .attribute(&Nonce::new(self.nonce).unwrap());
        if self.integrity == Integrity::Sha256 {
            response = response.raw(AttributeType::PASSWORD_ALGORITHMS, &ALGORITHMS);
        }
        response.fingerprint();
        assert_eq!(self.feed_from(asked.path, &out), Received::Control);
    }

    /// The success response that grants an allocation.
    pub fn grant(&mut self, asked: &Asked, lifetime: u32) {
        self.succeed(asked, |response| {
            response
                .attribute(&XorRelayedAddress(address(RELAYED)))
                .attribute(&XorMappedAddress(address(MAPPED)))
                .attribute(&Lifetime(lifetime))
        });
    }

    /// A success response, sealed.
    pub fn succeed(&mut self, asked: &Asked, write: impl FnOnce(Builder<'_>) -> Builder<'_>) {
        let out = self.success(asked, write);
        assert_eq!(self.feed_from(asked.path, &out), Received::Control);
    }

    pub fn success(&self, asked: &Asked, write: impl FnOnce(Builder<'_>) -> Builder<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        write(Builder::success(&mut out, asked.method, asked.id)).integrity(&self.key, self.integrity);
        out
    }

    /// An error response, sealed.
    pub fn refuse(&mut self, asked: &Asked, code: u16) {
        self.refuse_with(asked, code, |response| response);
    }

    pub fn refuse_with(&mut self, asked: &Asked, code: u16, write: impl FnOnce(Builder<'_>) -> Builder<'_>) {
        let mut out = Vec::new();
        let code = ErrorCode::new(code).unwrap();
        write(Builder::error(&mut out, asked.method, asked.id, &code)).integrity(&self.key, self.integrity);
        assert_eq!(self.feed_from(asked.path, &out), Received::Control);
    }

    /// Feeds a datagram from the server.
    pub fn feed<'d>(&mut self, datagram: &'d [u8]) -> Received<'d> {
        self.feed_from(self.client.path(), datagram)
    }

    pub fn feed_from<'d>(&mut self, path: Path, datagram: &'d [u8]) -> Received<'d> {
        let received = self.client.handle_datagram(self.now, path, datagram);
        self.drain();
        received
    }

    /// Feeds a Data indication, and says what came of it.
    pub fn relay(&mut self, peer: &str, payload: &[u8]) -> Result<Vec<u8>, Ignored> {
        let mut out = Vec::new();
        Builder::indication(&mut out, Method::DATA, [9; 12].into())
            .attribute(&XorPeerAddress(address(peer)))
            .attribute(&Data(payload))
            .fingerprint();
        match self.feed(&out) {
            Received::Data { peer: from, payload } => {
                assert_eq!(from, address(peer));
                Ok(payload.to_vec())
            }
            Received::Ignored(reason) => Err(reason),
            Received::Control => panic!("data is not control"),
        }
    }

    /// Permits a peer all the way.
    pub fn permitted(&mut self, peer: &str) {
        self.client.permit(self.now, ip(peer)).unwrap();
        let asked = self.next_request();
        assert_eq!((asked.method, asked.peers()), (Method::CREATE_PERMISSION, vec![ip(peer)]));
        self.succeed(&asked, |response| response);
    }

    /// Binds a channel all the way.
    pub fn bound(&mut self, peer: &str) {
        self.client.bind(self.now, address(peer)).unwrap();
        for asked in self.requests() {
            self.succeed(&asked, |response| response);
        }
        assert!(self.client.bound().any(|(it, _)| it == address(peer)));
    }

    /// Lets time pass, and checks at every step that the client does not spin.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.drain();
        while let Some(at) = self.client.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.tick();
        }
        self.now = end;
        self.tick();
    }

    /// One call of `handle_timeout`.
    pub fn tick(&mut self) {
        self.client.handle_timeout(self.now);
        self.drain();
        assert!(self.client.deadline().is_none_or(|at| at > self.now), "at {:?}: spins", self.now);
        assert_eq!(self.client.poll_output(), None);
    }

    /// Runs without answers until there is nothing to wait for; how long that took.
    pub fn run_out(&mut self) -> Duration {
        let start = self.now;
        for _ in 0..10_000 {
            self.drain();
            let Some(at) = self.client.deadline() else { return self.now.saturating_since(start) };
            self.now = at;
            self.tick();
        }
        panic!("never comes to rest");
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    match request(self.now, &transmit) {
                        Some(asked) if self.known.insert(asked.id) => self.asked.push(asked),
                        Some(_) => {} // once more
                        None => self.other.push(transmit.payload.to_vec()),
                    }
                    self.sent.push((self.now, transmit));
                }
                Output::Event(event) => self.events.push((self.now, event)),
            }
        }
    }

    /// The requests that were not read so far, retransmissions left out.
    pub fn requests(&mut self) -> Vec<Asked> {
        self.drain();
        core::mem::take(&mut self.asked)
    }

    /// The one request that was not read so far.
    pub fn next_request(&mut self) -> Asked {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// Lets time pass until a request leaves.
    pub fn await_request(&mut self, within: Duration) -> Asked {
        let end = self.now + within;
        loop {
            let mut requests = self.requests();
            if !requests.is_empty() {
                assert_eq!(requests.len(), 1, "{requests:?}");
                return requests.remove(0);
            }
            let at = self.client.deadline().filter(|at| *at <= end).expect("a request in time");
            self.now = at;
            self.tick();
        }
    }

    /// Lets time pass until a Refresh leaves; other requests are granted as they come.
    pub fn await_refresh(&mut self) -> Asked {
        loop {
            for asked in self.requests() {
                if asked.method == Method::REFRESH {
                    return asked;
                }
                self.succeed(&asked, |response| response);
            }
            self.now = self.client.deadline().expect("a refresh in time");
            self.tick();
        }
    }

    /// What has left since the last look that is no request.
    pub fn data_sent(&mut self) -> Vec<Vec<u8>> {
        self.drain();
        core::mem::take(&mut self.other)
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.iter().map(|(_, event)| *event).collect()
    }

    pub fn last_event(&self) -> Option<Event> {
        self.events.last().map(|(_, event)| *event)
    }

    /// What was sent after `mark` datagrams.
    pub fn sent_since(&mut self, mark: usize) -> usize {
        self.drain();
        self.sent.len() - mark
    }
}

/// Reads what was sent as a request.
fn request(at: Timestamp, transmit: &Transmit) -> Option<Asked> {
    let message = Message::parse(&transmit.payload).ok().filter(|it| it.class() == Class::Request)?;
    let (method, id, path) = (message.method(), message.transaction_id(), transmit.path);
    Some(Asked { at, path, method, id, bytes: transmit.payload.to_vec() })
}

pub fn tcp_path() -> Path {
    Path::new(Transport::Tcp, address(LOCAL), address(SERVER))
}
