//! Datagrams without valid credentials, thrown at an agent in every state: what may come of them, and what may not.
//!
//! Shared by the property tests and by the fuzz target of the same name: [`run`] reads a script from bytes, so that
//! any bytes are one, and panics where an agent does what it must not.
#![allow(dead_code, reason = "each of its users uses a part")]

use core::net::SocketAddr;
use core::time::Duration;

use floe::ice::{
    CandidateId, CheckListState, ComponentId, Credentials, Nomination, PairId, PairState, Role, StreamId,
};
use floe::stun::{
    Builder, Class, ErrorCode, IceControlling, Integrity, Key, Message, Method, Priority, TransactionId,
    UseCandidate, Username, XorMappedAddress,
};
use floe::{
    Agent, Base, Config, Ignored, Output, Path, Received, Remote, Route, Seed, Server, Stats, StreamState,
    Timestamp,
};

/// Local sockets: both components of the first stream, the second stream, and one that was never declared.
const LOCALS: [&str; 4] = ["192.0.2.1:1000", "192.0.2.1:1001", "192.0.2.1:1002", "192.0.2.1:1003"];
/// The peer's candidates for them, the server, and a stranger.
const REMOTES: [&str; 5] =
    ["198.51.100.1:2000", "198.51.100.1:2001", "198.51.100.1:2002", "203.0.113.1:3478", "203.0.113.66:6666"];
const SERVER: usize = 3;
/// The components, as places in `LOCALS` and `REMOTES`: stream and number.
const COMPONENTS: [(usize, u16); 3] = [(0, 1), (0, 2), (1, 1)];
const PASSWORD: &str = "passwordofthepeer/1234567";

/// How far an agent has come before the datagrams arrive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    New,
    Gathering,
    Checking,
    Connected,
    Completed,
    Failed,
    Closed,
}

/// All of them.
pub const PHASES: [Phase; 7] = [
    Phase::New,
    Phase::Gathering,
    Phase::Checking,
    Phase::Connected,
    Phase::Completed,
    Phase::Failed,
    Phase::Closed,
];

/// Reads a script and carries it out: a byte for the state, then steps.
pub fn run(script: &[u8]) {
    let Some((phase, mut rest)) = script.split_first() else { return };
    let phase = PHASES[usize::from(*phase) % PHASES.len()];
    let mut subject = Subject::in_phase(phase);
    for _ in 0..STEPS_MAX {
        let Some((step, after)) = Step::read(rest) else { return };
        subject.take(&step);
        rest = after;
    }
}

/// One datagram and the time before it.
#[derive(Clone, Debug)]
pub struct Step {
    /// In tens of milliseconds; the largest value goes back in time.
    pub wait: u8,
    /// Places in `LOCALS` and `REMOTES`.
    pub path: u8,
    /// What the datagram is made from.
    pub template: u8,
    /// The datagram itself or, for a template, pairs of an offset and of what is changed there.
    pub bytes: Vec<u8>,
}

impl Step {
    fn read(script: &[u8]) -> Option<(Self, &[u8])> {
        let ([wait, path, template, len], rest) = script.split_first_chunk()?;
        let (bytes, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        Some((Self { wait: *wait, path: *path, template: *template, bytes: bytes.to_vec() }, rest))
    }
}

/// An agent, and what it has asked so far.
pub struct Subject {
    agent: Agent,
    streams: [StreamId; 2],
    now: Timestamp,
    asked: Vec<(TransactionId, Path)>,
    /// The paths that have authenticated.
    vouched: Vec<Path>,
}

impl Subject {
    /// An agent of two streams, one with two components, brought to where `phase` says by honest means.
    pub fn in_phase(phase: Phase) -> Self {
        let mut config = Config::new();
        if phase == Phase::Connected {
            config = config.nomination(Nomination::Manual);
        }
        if phase == Phase::Failed {
            config = config.patience_for_checks(Duration::ZERO);
        }
        let mut agent = Agent::new(config, Role::Controlling, Seed::from([7; 32]));
        let streams = [2, 1].map(|components| agent.add_stream(components).unwrap());
        let mut subject =
            Self { agent, streams, now: Timestamp::ZERO, asked: Vec::new(), vouched: Vec::new() };
        if phase != Phase::New {
            subject.gather();
        }
        match phase {
            Phase::New | Phase::Gathering => {}
            Phase::Closed => {
                subject.agent.close(subject.now);
                subject.drain();
            }
            Phase::Failed => subject.give_up(),
            Phase::Checking => {
                subject.meet_peer();
                subject.pass(Duration::from_millis(400), |_, _| None);
            }
            Phase::Connected | Phase::Completed => {
                subject.meet_peer();
                subject.pass(Duration::from_secs(3), answer);
            }
        }
        let state = subject.agent.state(streams[0]).unwrap();
        let reached = match phase {
            Phase::New | Phase::Gathering => state == StreamState::New,
            Phase::Checking => state == StreamState::Checking,
            Phase::Connected => state == StreamState::Connected,
            Phase::Completed => state == StreamState::Completed,
            Phase::Failed => matches!(state, StreamState::Failed(_)),
            Phase::Closed => state == StreamState::Closed,
        };
        assert!(reached, "{state:?} instead of {phase:?}");
        subject
    }

    /// What it has ignored, and why.
    pub fn stats(&self) -> Stats {
        self.agent.stats()
    }

    fn component(&self, place: usize) -> ComponentId {
        let (stream, number) = COMPONENTS[place];
        self.streams[stream].component(number)
    }

    fn gather(&mut self) {
        self.agent.add_server(self.now, Server::stun(address(REMOTES[SERVER]))).unwrap();
        for (place, local) in LOCALS.iter().enumerate().take(COMPONENTS.len()) {
            self.agent.add_base(self.now, self.component(place), Base::udp(address(local))).unwrap();
        }
        self.drain();
    }

    fn meet_peer(&mut self) {
        for stream in self.streams {
            self.agent.set_remote(self.now, stream, remote()).unwrap();
        }
        for (place, peer) in REMOTES.iter().enumerate().take(COMPONENTS.len()) {
            let (stream, component) = COMPONENTS[place];
            let (peer, priority) = (address(peer), 2_130_706_432 - u32::from(component));
            let line =
                format!("candidate:1 {component} udp {priority} {} {} typ host", peer.ip(), peer.port());
            let candidate = floe::sdp::parse_candidate(&line).unwrap();
            self.agent.add_remote_candidate(self.now, self.streams[stream], candidate).unwrap();
        }
        self.drain();
    }

    fn give_up(&mut self) {
        for stream in self.streams {
            self.agent.set_remote(self.now, stream, remote().complete()).unwrap();
            self.agent.end_of_bases(self.now, stream).unwrap();
        }
        self.drain();
        self.pass(Duration::from_secs(15), |_, _| None);
    }

    /// Polls everything, and notes what was asked.
    fn drain(&mut self) -> Vec<Output> {
        let bound = 4 * self.pairs() + 16;
        let mut outputs = Vec::new();
        while let Some(output) = self.agent.poll_output() {
            if let Output::Transmit(transmit) = &output
                && let Ok(message) = Message::parse(&transmit.payload)
                && message.class() == Class::Request
            {
                self.asked.push((message.transaction_id(), transmit.path));
            }
            outputs.push(output);
            assert!(outputs.len() <= bound, "INV-05: {} outputs", outputs.len());
        }
        outputs
    }

    fn pairs(&self) -> usize {
        self.streams.iter().map(|stream| self.agent.pairs(*stream).count()).sum()
    }

    /// Lets time pass, serves every deadline on the way, and lets `reply` answer what is asked.
    fn pass(&mut self, duration: Duration, reply: impl Fn(&[u8], Path) -> Option<Vec<u8>>) {
        let until = self.now + duration;
        while let Some(deadline) = self.agent.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.agent.handle_timeout(self.now);
            for output in self.drain() {
                let Output::Transmit(transmit) = output else { continue };
                if let Some(answer) = reply(&transmit.payload, transmit.path) {
                    assert_eq!(
                        self.agent.handle_datagram(self.now, transmit.path, &answer),
                        Received::Control
                    );
                    self.vouched.push(transmit.path);
                    self.drain();
                }
            }
            assert!(self.agent.deadline().is_none_or(|next| next > self.now), "INV-01");
        }
        self.now = until;
    }

    /// Carries a step out, and looks at what has come of it.
    pub fn take(&mut self, step: &Step) {
        let now = match step.wait {
            u8::MAX => Timestamp::from_nanos(self.now.as_nanos() / 2),
            wait => {
                self.pass(Duration::from_millis(10 * u64::from(wait)), |_, _| None);
                self.now
            }
        };
        let path = self.path(step.path);
        let datagram = self.datagram(step, path);
        let before = self.snapshot();
        let received = self.agent.handle_datagram(now, path, &datagram);
        match received {
            // Servers of RFC 8489 sign nothing: their answers are known by transaction and path alone.
            Received::Control => {
                let message = Message::parse(&datagram).unwrap();
                let asked = self.asked.contains(&(message.transaction_id(), path));
                assert!(asked && path.remote() == address(REMOTES[SERVER]), "{message:?}");
                self.drain();
                return;
            }
            Received::Data { payload, .. } => {
                assert_eq!(payload, datagram);
                assert!(self.vouched.contains(&path), "data from {path:?}");
            }
            Received::Ignored(Ignored::Refused) => panic!("an authentic request?"),
            Received::Ignored(_) => {}
        }
        let outputs = self.drain();
        assert!(outputs.len() <= 1, "{outputs:?}");
        for output in outputs {
            let Output::Transmit(answer) = output else { panic!("{output:?}") };
            assert_eq!(answer.path, path);
            assert!(answer.payload.len() <= datagram.len().min(36), "{answer:?} to {datagram:?}");
        }
        assert_eq!(self.snapshot(), before);
    }

    fn path(&self, place: u8) -> Path {
        let (local, remote) = (usize::from(place & 0x0f), usize::from(place >> 4));
        Path::udp(address(LOCALS[local % LOCALS.len()]), address(REMOTES[remote % REMOTES.len()]))
    }

    fn datagram(&self, step: &Step, path: Path) -> Vec<u8> {
        let mut datagram = self.template(step.template, path);
        if datagram.is_empty() {
            return step.bytes.clone();
        }
        for edit in step.bytes.chunks_exact(2) {
            let at = usize::from(edit[0]) % datagram.len();
            datagram[at] ^= edit[1];
        }
        if step.template & RESEAL != 0 { reseal(&datagram) } else { datagram }
    }

    /// What a forger would send: it knows user names and transactions, but no password.
    fn template(&self, number: u8, path: Path) -> Vec<u8> {
        let mut out = Vec::new();
        let forged = Key::short_term(b"notthepassword/1234567890");
        let stream = self.streams[usize::from(path.local() == address(LOCALS[2]))];
        let ufrag = self.agent.local_credentials(stream).map_or("", Credentials::ufrag);
        let username = format!("{ufrag}:peer");
        let here = |(_, asked): &&(TransactionId, Path)| *asked == path;
        let asked = self.asked.iter().rev().find(here).or_else(|| self.asked.last());
        let id = asked.map_or_else(|| TransactionId::from([1; 12]), |(id, _)| *id);
        let request = |out| {
            Builder::request(out, Method::BINDING, TransactionId::from([number; 12]))
                .attribute(&Username::new(&username).unwrap())
                .attribute(&Priority(1_862_270_975))
                .attribute(&IceControlling(u64::MAX))
                .attribute(&UseCandidate)
        };
        match (number & !RESEAL) % 9 {
            1 => request(&mut out).integrity(&forged, Integrity::Sha1).fingerprint(),
            2 => request(&mut out).fingerprint(),
            3 => Builder::success(&mut out, Method::BINDING, id)
                .attribute(&XorMappedAddress(path.local()))
                .integrity(&forged, Integrity::Sha1)
                .fingerprint(),
            4 => Builder::error(&mut out, Method::BINDING, id, &ErrorCode::ROLE_CONFLICT).fingerprint(),
            5 => drop(
                Builder::success(&mut out, Method::BINDING, id).attribute(&XorMappedAddress(path.remote())),
            ),
            6 => Builder::indication(&mut out, Method::BINDING, id).fingerprint(),
            7 => out.extend_from_slice(&[0x80; 40]),
            // Shorter than any answer to it.
            8 => Builder::request(&mut out, Method::BINDING, id).fingerprint(),
            _ => {}
        }
        out
    }

    fn snapshot(&self) -> Snapshot {
        let agent = &self.agent;
        let streams = self.streams.map(|stream| StreamView {
            state: agent.state(stream),
            list: agent.check_list_state(stream),
            locals: agent.local_candidates(stream).map(|(id, _)| id).collect(),
            remotes: agent.remote_candidates(stream).map(|(id, _)| id).collect(),
            pairs: agent
                .pairs(stream)
                .map(|pair| (pair.id(), pair.path(), pair.state(), pair.is_valid(), pair.is_nominated()))
                .collect(),
        });
        let routes = [0, 1, 2].map(|place| agent.route(self.component(place)));
        Snapshot { role: agent.role(), deadline: agent.deadline(), streams, routes }
    }
}

/// All that a datagram without credentials must leave as it was.
#[derive(Debug, PartialEq)]
struct Snapshot {
    role: Role,
    deadline: Option<Timestamp>,
    streams: [StreamView; 2],
    routes: [Option<Route>; 3],
}

#[derive(Debug, PartialEq)]
struct StreamView {
    state: Option<StreamState>,
    list: Option<CheckListState>,
    locals: Vec<CandidateId>,
    remotes: Vec<CandidateId>,
    pairs: Vec<(PairId, Path, PairState, bool, bool)>,
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn remote() -> Remote {
    Remote::new(Credentials::new("peer", PASSWORD).unwrap())
}

/// The honest answer of the peer to a check.
fn answer(request: &[u8], path: Path) -> Option<Vec<u8>> {
    let message = Message::parse(request).ok().filter(|message| message.class() == Class::Request)?;
    message.get::<Username<'_>>()?.ok()?;
    let mut out = Vec::new();
    Builder::success(&mut out, Method::BINDING, message.transaction_id())
        .attribute(&XorMappedAddress(path.local()))
        .integrity(&Key::short_term(PASSWORD.as_bytes()), Integrity::Sha1)
        .fingerprint();
    Some(out)
}

/// The same message with a fingerprint that is right again; what does not parse stays as it is.
fn reseal(datagram: &[u8]) -> Vec<u8> {
    let Ok(message) = Message::parse(datagram) else { return datagram.to_vec() };
    let (method, id, mut out) = (message.method(), message.transaction_id(), Vec::new());
    let builder = match message.class() {
        Class::Request => Builder::request(&mut out, method, id),
        Class::Indication => Builder::indication(&mut out, method, id),
        Class::Success => Builder::success(&mut out, method, id),
        Class::Error => Builder::error(&mut out, method, id, &ErrorCode::BAD_REQUEST),
    };
    let builder = message.attributes().fold(builder, |builder, (kind, value)| builder.raw(kind, value));
    match message.integrity_kind() {
        Some(integrity) => builder.integrity(&Key::short_term(b"forged"), integrity).fingerprint(),
        None => builder.fingerprint(),
    }
    out
}

/// In a step's template: the fingerprint is made right after the changes.
const RESEAL: u8 = 0x80;

/// Longer scripts are cut: what matters happens within a few steps.
const STEPS_MAX: usize = 32;
