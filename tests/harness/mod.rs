//! One agent on a bench: time goes where the test says, and the peer does exactly what the test says.
//!
//! For two agents and a network between them there is `floe::sim`.
#![allow(dead_code, reason = "every test file uses a part of the bench")]

use core::net::SocketAddr;
use core::time::Duration;

use floe::ice::{Candidate, ComponentId, Credentials, Nomination, PairState, Role, StreamId};
use floe::stun::{
    AttributeType, Builder, Class, ErrorCode, Fingerprint, IceControlled, IceControlling, Integrity, Key,
    Message, Method, Priority, TransactionId, UseCandidate, Username, XorMappedAddress,
};
use floe::{Agent, Base, Config, Connect, Event, Output, Path, Received, Remote, Seed, Timestamp, Transmit};

/// The agent's own address, unless a test wants others.
pub const LOCAL: &str = "192.0.2.1:1000";
/// The peer's.
pub const REMOTE: &str = "198.51.100.1:2000";
/// Its credentials.
pub const REMOTE_UFRAG: &str = "peer";
/// Its password.
pub const REMOTE_PASSWORD: &str = "passwordofthepeer/1234567";

/// Nominates nothing unless the test does.
pub fn manual() -> Config {
    Config::new().nomination(Nomination::Manual)
}

/// For [`Bench::run_answering`]: every request is answered at once.
pub fn no_delay(_: &Sent) -> Option<Duration> {
    Some(ms(0))
}

/// Milliseconds since the start.
pub fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Milliseconds.
pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An address from its text.
pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A remote candidate from its line.
pub fn candidate(line: &str) -> Candidate {
    floe::sdp::parse_candidate(line).unwrap()
}

/// A remote host candidate: component 1, the usual priority, a foundation of its own unless told otherwise.
pub fn host(foundation: &str, component: u16, address: &str) -> Candidate {
    let address: SocketAddr = address.parse().unwrap();
    let priority = 2_130_706_432 - u32::from(component);
    candidate(&format!(
        "candidate:{foundation} {component} udp {priority} {} {} typ host",
        address.ip(),
        address.port()
    ))
}

/// A remote candidate for component 1 of this kind (`host`, `srflx`, `relay`) and priority, with the foundation given.
pub fn typed(foundation: &str, kind: &str, priority: u32, address: &str) -> Candidate {
    let address: SocketAddr = address.parse().unwrap();
    let related = if kind == "host" { "" } else { " raddr 0.0.0.0 rport 0" };
    let (ip, port) = (address.ip(), address.port());
    candidate(&format!("candidate:{foundation} 1 udp {priority} {ip} {port} typ {kind}{related}"))
}

/// The peer's credentials.
pub fn remote_credentials() -> Credentials {
    Credentials::new(REMOTE_UFRAG, REMOTE_PASSWORD).unwrap()
}

/// An agent, its clock, and all it has said so far.
#[derive(Debug)]
pub struct Bench {
    pub agent: Agent,
    pub stream: StreamId,
    pub now: Timestamp,
    /// Every datagram that was to be sent, in order.
    pub sent: Vec<(Timestamp, Transmit)>,
    /// Every event, in order.
    pub events: Vec<(Timestamp, Event)>,
    /// Every connection that was to be opened, in order.
    pub wanted: Vec<(Timestamp, Connect)>,
    /// Every connection that was to be closed, in order.
    pub closed: Vec<(Timestamp, Path)>,
    next_id: u8,
    /// How much of `sent` the peer of `run_answering` has looked at.
    seen: usize,
    /// What it will answer, and when.
    answers: Vec<(Timestamp, Sent)>,
}

impl Bench {
    /// An agent with one stream of one component and nothing else.
    pub fn bare(config: Config, role: Role) -> Self {
        Self::with_components(config, role, 1)
    }

    /// An agent with one stream of so many components and nothing else.
    pub fn with_components(config: Config, role: Role, components: u8) -> Self {
        let mut agent = Agent::new(config, role, Seed::from([42; 32]));
        let stream = agent.add_stream(components).unwrap();
        Self {
            agent,
            stream,
            now: Timestamp::ZERO,
            sent: Vec::new(),
            events: Vec::new(),
            wanted: Vec::new(),
            closed: Vec::new(),
            next_id: 0,
            seen: 0,
            answers: Vec::new(),
        }
    }

    /// An agent with one base that knows its peer and one host candidate of it; nothing has been sent yet.
    ///
    /// Consent is off, so that a test has to answer only what it asks for.
    pub fn new(role: Role) -> Self {
        Self::with(Config::new().consent(false), role)
    }

    /// The same with another configuration.
    pub fn with(config: Config, role: Role) -> Self {
        let mut bench = Self::bare(config, role);
        bench.base(LOCAL);
        bench.remote();
        bench.trickle(host("1", 1, REMOTE));
        bench
    }

    /// An agent with one base that knows its peer, but no candidate of it.
    pub fn without_candidates(config: Config, role: Role) -> Self {
        let mut bench = Self::bare(config, role);
        bench.base(LOCAL);
        bench.remote();
        bench
    }

    /// An idle session with consent: the pair is selected, and the checks that led there were answered within 20 ms.
    pub fn completed(role: Role) -> Self {
        let mut bench = Self::with(Config::new(), role);
        bench.end_of_candidates();
        if role == Role::Controlled {
            bench.peer_checks(true);
        }
        bench.run_answering(at(1_000), |_| Some(ms(20)));
        assert_eq!(bench.agent.state(bench.stream), Some(floe::StreamState::Completed));
        bench
    }

    pub fn component(&self) -> ComponentId {
        self.stream.component(1)
    }

    /// Adds a UDP base to component 1.
    pub fn base(&mut self, local: &str) -> floe::ice::BaseId {
        self.base_of(1, local)
    }

    /// Adds a UDP base to a component of the stream.
    pub fn base_of(&mut self, component: u16, local: &str) -> floe::ice::BaseId {
        let component = self.stream.component(component);
        let base = self.agent.add_base(self.now, component, Base::udp(address(local))).unwrap();
        self.drain();
        base
    }

    /// The peer's credentials become known.
    pub fn remote(&mut self) {
        self.agent.set_remote(self.now, self.stream, Remote::new(remote_credentials())).unwrap();
        self.drain();
    }

    /// A candidate of the peer becomes known.
    pub fn trickle(&mut self, candidate: Candidate) {
        self.agent.add_remote_candidate(self.now, self.stream, candidate).unwrap();
        self.drain();
    }

    /// Neither side has any more candidates.
    pub fn end_of_candidates(&mut self) {
        self.agent.end_of_bases(self.now, self.stream).unwrap();
        self.agent.end_of_remote_candidates(self.now, self.stream).unwrap();
        self.drain();
    }

    /// Polls everything, into `sent` and `events`.
    pub fn drain(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Transmit(transmit) => self.sent.push((self.now, transmit)),
                Output::Event(event) => self.events.push((self.now, event)),
                Output::Connect(connect) => self.wanted.push((self.now, connect)),
                Output::Disconnect(path) => self.closed.push((self.now, path)),
            }
        }
    }

    /// Lets time pass until `until`, serving every deadline on the way at its instant.
    ///
    /// Asserts that each timeout leaves a deadline in the future (INV-01), so nothing can spin.
    pub fn run_until(&mut self, until: Timestamp) {
        while let Some(deadline) = self.agent.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.agent.handle_timeout(self.now);
            self.drain();
            assert!(
                self.agent.deadline().is_none_or(|next| next > self.now),
                "a deadline that is not in the future"
            );
        }
        self.now = self.now.max(until);
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Lets time pass until `until`, while the peer answers every check after the delay that `delay` gives for it, or
    /// not at all.
    pub fn run_answering(&mut self, until: Timestamp, delay: impl Fn(&Sent) -> Option<Duration>) {
        loop {
            while let Some((at, transmit)) = self.sent.get(self.seen) {
                let check = Sent::decode(*at, transmit, Class::Request).filter(|it| it.username.is_some());
                self.seen += 1;
                if let Some((check, delay)) = check.and_then(|it| delay(&it).map(|delay| (it, delay))) {
                    self.answers.push((check.at + delay, check));
                }
            }
            let next = self.answers.iter().map(|(at, _)| *at).min().filter(|at| *at <= until);
            let deadline = self.agent.deadline().filter(|at| *at <= until);
            match (next, deadline) {
                (Some(answer), deadline) if deadline.is_none_or(|deadline| answer <= deadline) => {
                    self.now = self.now.max(answer);
                    let at = self.answers.iter().position(|(at, _)| *at == answer).unwrap();
                    let (_, check) = self.answers.remove(at);
                    self.answer(&check);
                }
                (_, Some(deadline)) => self.run_until(deadline),
                (_, None) => break,
            }
        }
        self.run_until(until);
    }

    /// Feeds a datagram from `from` to `to`, and returns what became of it, without the payload.
    pub fn feed_on(&mut self, to: &str, from: &str, datagram: &[u8]) -> Fed {
        self.feed_path(Path::udp(address(to), address(from)), datagram)
    }

    /// The same on a path, over whatever transport.
    pub fn feed_path(&mut self, path: Path, datagram: &[u8]) -> Fed {
        let received = self.agent.handle_datagram(self.now, path, datagram);
        let fed = match received {
            Received::Control => Fed::Control,
            Received::Data { provenance, payload, .. } => Fed::Data(provenance, payload.to_vec()),
            Received::Ignored(reason) => Fed::Ignored(reason),
        };
        self.drain();
        fed
    }

    /// Feeds a datagram from the peer's usual address.
    pub fn feed(&mut self, datagram: &[u8]) -> Fed {
        self.feed_on(LOCAL, REMOTE, datagram)
    }

    /// The requests sent so far, retransmissions included, decoded.
    pub fn requests(&self) -> Vec<Sent> {
        self.sent.iter().filter_map(|(at, transmit)| Sent::decode(*at, transmit, Class::Request)).collect()
    }

    /// The connectivity checks sent so far, each once.
    pub fn checks(&self) -> Vec<Sent> {
        let mut checks: Vec<Sent> = Vec::new();
        for request in self.requests().into_iter().filter(|request| request.username.is_some()) {
            if checks.iter().all(|known| known.id != request.id) {
                checks.push(request);
            }
        }
        checks
    }

    /// The requests to servers sent so far, each once.
    pub fn questions(&self) -> Vec<Sent> {
        let mut questions: Vec<Sent> = Vec::new();
        for request in self.requests().into_iter().filter(|request| request.username.is_none()) {
            if questions.iter().all(|known| known.id != request.id) {
                questions.push(request);
            }
        }
        questions
    }

    /// A server answers a question: this is the address it came from.
    pub fn serve(&mut self, question: &Sent, mapped: &str) -> Fed {
        let mut out = Vec::new();
        Builder::success(&mut out, Method::BINDING, question.id)
            .attribute(&XorMappedAddress(address(mapped)))
            .fingerprint();
        self.feed_path(question.path, &out)
    }

    /// The candidates announced so far, in order.
    pub fn announced(&self) -> Vec<Candidate> {
        let announced = self.events.iter().filter_map(|(_, event)| match event {
            Event::LocalCandidate { candidate, .. } => Some(candidate.clone()),
            _ => None,
        });
        announced.collect()
    }

    /// The last answer sent, decoded.
    pub fn last_answer(&self) -> Option<Sent> {
        let answer = |(at, transmit): &(Timestamp, Transmit)| {
            Sent::decode(*at, transmit, Class::Success).or_else(|| Sent::decode(*at, transmit, Class::Error))
        };
        self.sent.iter().rev().find_map(answer)
    }

    /// Runs until the next check has left, and returns it.
    pub fn next_check(&mut self) -> Sent {
        let before = self.checks().len();
        for _ in 0..1_000 {
            if let Some(check) = self.checks().get(before) {
                return check.clone();
            }
            let deadline = self.agent.deadline().expect("a check is to be sent");
            self.run_until(deadline);
        }
        panic!("no check was sent");
    }

    /// The peer answers a check as it should: from where it went, with the address it came from.
    pub fn answer(&mut self, check: &Sent) -> Fed {
        let (path, answer) = (check.path, self.success(check, check.path.local()));
        self.feed_path(path, &answer)
    }

    /// A success answer to a check, with a mapped address.
    pub fn success(&self, check: &Sent, mapped: SocketAddr) -> Vec<u8> {
        let mut out = Vec::new();
        Builder::success(&mut out, Method::BINDING, check.id)
            .attribute(&XorMappedAddress(mapped))
            .integrity(&remote_key(), Integrity::Sha1)
            .fingerprint();
        out
    }

    /// A signed error answer to a check.
    pub fn error(&self, check: &Sent, error: ErrorCode<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        Builder::error(&mut out, Method::BINDING, check.id, &error)
            .integrity(&remote_key(), Integrity::Sha1)
            .fingerprint();
        out
    }

    /// A check of the peer, in the role opposite to the agent's, to be changed as the test wants.
    pub fn peer_check(&mut self) -> PeerCheck {
        self.next_id = self.next_id.wrapping_add(1);
        let local = self.agent.local_credentials(self.stream).unwrap();
        PeerCheck {
            id: TransactionId::from([self.next_id; 12]),
            username: Some(format!("{}:{REMOTE_UFRAG}", local.ufrag())),
            password: local.password().into(),
            integrity: Some(Integrity::Sha1),
            priority: Some(1_862_270_975),
            role: Some((self.agent.role().other(), 7)),
            use_candidate: false,
            fingerprint: true,
            extra: Vec::new(),
        }
    }

    /// The peer checks the usual path with USE-CANDIDATE or without.
    pub fn peer_checks(&mut self, use_candidate: bool) -> Fed {
        let check = PeerCheck { use_candidate, ..self.peer_check() };
        self.feed(&check.encode())
    }

    /// The states of all pairs that are in the check list, with the remote address of each.
    pub fn pair_states(&self) -> Vec<(SocketAddr, PairState)> {
        let listed = self.agent.pairs(self.stream).filter(|pair| pair.is_listed());
        listed.map(|pair| (pair.path().remote(), pair.state())).collect()
    }

    /// The remote addresses of the pairs selected so far, in order.
    pub fn selections(&self) -> Vec<SocketAddr> {
        let selected = self.events.iter().filter_map(|(_, event)| match event {
            Event::Selected { pair, .. } => Some(*pair),
            _ => None,
        });
        selected.filter_map(|pair| self.agent.pair(pair)).map(|pair| pair.path().remote()).collect()
    }

    /// The states of the stream so far, in order.
    pub fn states(&self) -> Vec<floe::StreamState> {
        let states = self.events.iter().filter_map(|(_, event)| match event {
            Event::State { stream, state } if *stream == self.stream => Some(*state),
            _ => None,
        });
        states.collect()
    }

    /// Whether an event was seen.
    pub fn saw(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(|(_, event)| wanted(event))
    }
}

/// What became of a datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fed {
    Control,
    Data(floe::Provenance, Vec<u8>),
    Ignored(floe::Ignored),
}

/// A STUN message that the agent has sent, decoded and with its fingerprint verified.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Timestamp,
    pub path: Path,
    pub bytes: Vec<u8>,
    pub class: Class,
    pub id: TransactionId,
    pub attributes: Vec<AttributeType>,
    pub username: Option<String>,
    pub priority: Option<u32>,
    pub controlling: Option<u64>,
    pub controlled: Option<u64>,
    pub use_candidate: bool,
    pub mapped: Option<SocketAddr>,
    pub error: Option<u16>,
    pub fingerprint: Fingerprint,
}

impl Sent {
    fn decode(at: Timestamp, transmit: &Transmit, class: Class) -> Option<Self> {
        let message = Message::parse(&transmit.payload).ok().filter(|message| message.class() == class)?;
        Some(Self {
            at,
            path: transmit.path,
            bytes: transmit.payload.to_vec(),
            class,
            id: message.transaction_id(),
            attributes: all_attributes(&transmit.payload),
            username: message.get::<Username<'_>>().map(|name| name.unwrap().to_str().unwrap().into()),
            priority: message.get::<Priority>().map(|priority| priority.unwrap().0),
            controlling: message.get::<IceControlling>().map(|value| value.unwrap().0),
            controlled: message.get::<IceControlled>().map(|value| value.unwrap().0),
            use_candidate: message.contains(AttributeType::USE_CANDIDATE),
            mapped: message.get::<XorMappedAddress>().map(|mapped| mapped.unwrap().0),
            error: message.get::<ErrorCode<'_>>().map(|error| error.unwrap().code()),
            fingerprint: message.fingerprint(),
        })
    }

    /// The message, parsed.
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).unwrap()
    }

    /// Whether the message is signed with this password.
    pub fn is_signed_with(&self, password: &str) -> bool {
        self.message().verify(&Key::short_term(password.as_bytes())).is_ok()
    }
}

/// Every attribute in its order, read without the library's own parser.
fn all_attributes(bytes: &[u8]) -> Vec<AttributeType> {
    let (mut rest, mut found) = (&bytes[20..], Vec::new());
    while rest.len() >= 4 {
        found.push(AttributeType::new(u16::from_be_bytes([rest[0], rest[1]])));
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        rest = &rest[(4 + length.next_multiple_of(4)).min(rest.len())..];
    }
    found
}

/// A check as the peer sends it.
#[derive(Clone, Debug)]
pub struct PeerCheck {
    pub id: TransactionId,
    pub username: Option<String>,
    pub password: String,
    pub integrity: Option<Integrity>,
    pub priority: Option<u32>,
    pub role: Option<(Role, u64)>,
    pub use_candidate: bool,
    pub fingerprint: bool,
    /// Further attributes, before the integrity.
    pub extra: Vec<(AttributeType, Vec<u8>)>,
}

impl PeerCheck {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut builder = Builder::request(&mut out, Method::BINDING, self.id);
        if let Some(username) = &self.username {
            builder = builder.attribute(&Username::new(username).unwrap());
        }
        if let Some(priority) = self.priority {
            builder = builder.attribute(&Priority(priority));
        }
        builder = match self.role {
            Some((Role::Controlling, tie_breaker)) => builder.attribute(&IceControlling(tie_breaker)),
            Some((Role::Controlled, tie_breaker)) => builder.attribute(&IceControlled(tie_breaker)),
            None => builder,
        };
        if self.use_candidate {
            builder = builder.attribute(&UseCandidate);
        }
        for (kind, value) in &self.extra {
            builder = builder.raw(*kind, value);
        }
        let key = Key::short_term(self.password.as_bytes());
        match (self.integrity, self.fingerprint) {
            (Some(integrity), true) => builder.integrity(&key, integrity).fingerprint(),
            (Some(integrity), false) => drop(builder.integrity(&key, integrity)),
            (None, true) => builder.fingerprint(),
            (None, false) => {}
        }
        out
    }
}

/// A message without FINGERPRINT, with one: what anybody on the path can add to bytes of his choice.
pub fn fingerprinted(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let length = u16::try_from(bytes.len() - 20 + 8).unwrap();
    out[2..4].copy_from_slice(&length.to_be_bytes());
    let mut crc = !0_u32;
    for byte in &out {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    out.extend([0x80, 0x28, 0, 4]);
    out.extend((!crc ^ 0x5354_554e).to_be_bytes());
    out
}

fn remote_key() -> Key {
    Key::short_term(REMOTE_PASSWORD.as_bytes())
}
