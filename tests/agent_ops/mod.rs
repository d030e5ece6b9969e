//! Calls of an application and datagrams of its peer, in any order and at odd times: what holds after each.
//!
//! Shared by the property tests and by the fuzz target of the same name: any four bytes are an operation.

use core::net::SocketAddr;
use core::time::Duration;

use floe::ice::{BaseId, ComponentId, Credentials, Nomination, PairState, Role, ServerId, StreamId};
use floe::stun::{
    Builder, Class, ErrorCode, IceControlled, IceControlling, Integrity, Key, Message, Method, Priority,
    TransactionId, UseCandidate, Username, XorMappedAddress,
};
use floe::{
    Agent, Base, Config, Event, Limits, Output, Path, Remote, Seed, Server, StreamState, Timestamp, Transmit,
};

/// What may be declared as a base; the last two may not.
const LOCALS: [&str; 8] = [
    "192.0.2.1:1",
    "192.0.2.1:2",
    "192.0.2.2:3",
    "[2001:db8::1]:4",
    "[fe80::1%1]:5",
    "10.0.0.1:6",
    "0.0.0.0:7",
    "224.0.0.1:8",
];
/// Where the peer says it is: the last three cannot be sent to, and one before them is ours.
const REMOTES: [&str; 8] = [
    "198.51.100.1:1",
    "198.51.100.1:2",
    "198.51.100.2:3",
    "[2001:db8::2]:4",
    "192.0.2.1:1",
    "255.255.255.255:6",
    "198.51.100.1:0",
    "[ff02::1]:8",
];
const SERVERS: [&str; 2] = ["203.0.113.1:3478", "[2001:db8::3]:3478"];
/// Six pairs of one foundation, 39.5 s each, and as much again for nominations.
const PATIENCE: Duration = Duration::from_secs(600);
const STREAMS_MAX: usize = 3;

/// Small enough to be reached.
pub fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.pairs = 6;
    limits.remote_candidates = 3;
    limits.remote_candidates_total = 8;
    limits.remote_candidates_per_address = 2;
    limits.peer_reflexive = 2;
    limits.peer_reflexive_total = 4;
    limits.local_candidates = 4;
    limits.early_requests = 2;
    limits
}

/// One operation; numbers are places in a table, taken modulo its length.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    AddStream(u8),
    CloseStream(u8),
    RemoveComponent(u8, u8),
    AddBase(u8, u8, u8),
    RemoveBase(u8),
    EndOfBases(u8),
    AddServer(u8),
    RemoveServer(u8),
    SetRemote(u8, bool),
    Restart(u8),
    /// The peer restarts, and its description arrives.
    RestartOfPeer(u8),
    AddRemote(u8, u8, u8),
    RemoveRemote(u8, u8),
    EndOfRemote(u8),
    Nominate(u8),
    TransmitError(u8),
    /// An authentic check of the peer: to a base, from a remote address; whether it nominates, in our own role, and under the
    /// credentials of the generation before.
    Check(u8, u8, u8),
    /// An authentic answer to one of the last requests.
    Answer(u8, u8),
    Pass(u16),
    /// A timeout that comes too early, too late by hours, or with a time long past.
    OddTimeout(u8),
    Close,
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        match kind % 40 {
            0 => Self::AddStream(a),
            1 if b < 64 => Self::CloseStream(a),
            2 if c < 64 => Self::RemoveComponent(a, b),
            3..=7 => Self::AddBase(a, b, c),
            8 => Self::RemoveBase(a),
            9 => Self::EndOfBases(a),
            10 => Self::AddServer(a),
            11 => Self::RemoveServer(a),
            12..=14 => Self::SetRemote(a, b < 64),
            15..=19 => Self::AddRemote(a, b, c),
            20 => Self::RemoveRemote(a, b),
            21 => Self::EndOfRemote(a),
            22 => Self::Nominate(a),
            23 => Self::TransmitError(a),
            24..=27 => Self::Check(a, b, c),
            28..=33 => Self::Answer(a, b),
            34 => Self::OddTimeout(a),
            35 if a == 0 => Self::Close,
            36 if c < 128 => Self::Restart(a),
            37 if c < 64 => Self::RestartOfPeer(a),
            _ => Self::Pass(u16::from_be_bytes([b, c]) % 4_000),
        }
    }
}

/// A request that the agent has sent.
#[derive(Clone, Copy)]
struct Asked {
    id: TransactionId,
    path: Path,
    /// Of the peer that it was meant for: see [`credentials`].
    generation: u32,
}

/// What the peer of a stream goes by.
#[derive(Default)]
struct PeerSide {
    generation: u32,
    /// Both sides' credentials before the last restart: ours, and the number of the peer's.
    before: Option<(Credentials, u32)>,
}

/// The peer's credentials in one of its generations.
fn credentials(generation: u32) -> Credentials {
    let password = format!("passwordofthepeer/1234567/{generation}");
    Credentials::new(&format!("peer{generation}"), &password).unwrap()
}

/// An agent, and what an application would remember of it.
pub struct Model {
    agent: Agent,
    now: Timestamp,
    streams: Vec<StreamId>,
    bases: Vec<(BaseId, ComponentId, SocketAddr)>,
    servers: Vec<(ServerId, SocketAddr)>,
    asked: Vec<Asked>,
    /// As announced.
    states: Vec<StreamState>,
    peers: Vec<PeerSide>,
    /// The stream that may be new again.
    restarting: Option<StreamId>,
    manual: bool,
    closed: bool,
}

impl Model {
    /// An agent with one stream that leaves nominations to its application or not.
    pub fn new(role: Role, manual: bool) -> Self {
        let nomination = if manual { Nomination::Manual } else { Nomination::default() };
        let config = Config::new().limits(limits()).nomination(nomination);
        let agent = Agent::new(config, role, Seed::from([3; 32]));
        let mut model = Self {
            agent,
            now: Timestamp::ZERO,
            streams: Vec::new(),
            bases: Vec::new(),
            servers: Vec::new(),
            asked: Vec::new(),
            states: Vec::new(),
            peers: Vec::new(),
            restarting: None,
            manual,
            closed: false,
        };
        model.apply(Op::AddStream(0));
        model
    }

    /// Does it, and looks at everything.
    pub fn apply(&mut self, op: Op) {
        self.carry_out(op);
        self.settle();
        self.inspect();
    }

    /// Nobody says anything any more: every stream comes to an end, or waits for a nomination; nothing is left under way.
    ///
    /// That takes a while, since the pairs of a foundation are checked, and time out, one after another.
    pub fn finish(&mut self) {
        for index in 0..self.streams.len() {
            self.apply(Op::EndOfBases(index as u8));
            self.apply(Op::SetRemote(index as u8, false));
            self.apply(Op::EndOfRemote(index as u8));
        }
        self.pass(PATIENCE);
        self.inspect();
        for stream in &self.streams {
            let state = self.agent.state(*stream).unwrap();
            assert!(!matches!(state, StreamState::New | StreamState::Checking), "{state:?} in silence");
            let waits_for_peer = self.manual || self.agent.role() == Role::Controlled;
            assert!(state != StreamState::Connected || waits_for_peer, "a nomination was forgotten");
            let open = |state| matches!(state, PairState::Waiting | PairState::InProgress(_));
            let left = self.agent.pairs(*stream).filter(|pair| open(pair.state())).count();
            assert!(
                left == 0 || matches!(state, StreamState::Failed(_)),
                "{left} checks under way in {state:?}"
            );
        }
    }

    fn carry_out(&mut self, op: Op) {
        let now = self.now;
        self.restarting = match op {
            Op::Restart(stream) | Op::RestartOfPeer(stream) => Some(self.stream(stream)),
            _ => None,
        };
        match op {
            Op::AddStream(components) if self.streams.len() < STREAMS_MAX => {
                if let Ok(stream) = self.agent.add_stream(components % 3 + 1) {
                    self.streams.push(stream);
                    self.states.push(StreamState::New);
                    self.peers.push(PeerSide::default());
                }
            }
            Op::AddStream(_) => {}
            Op::CloseStream(stream) => {
                let _ = self.agent.close_stream(now, self.stream(stream));
            }
            Op::RemoveComponent(stream, number) => {
                let _ = self.agent.remove_component(now, self.component(stream, number));
            }
            Op::AddBase(stream, number, place) => {
                let (component, local) = (self.component(stream, number), local(place));
                if let Ok(base) = self.agent.add_base(now, component, Base::udp(local)) {
                    self.bases.push((base, component, local));
                }
            }
            Op::RemoveBase(place) => {
                if let Some((base, ..)) = pick(&self.bases, place) {
                    let _ = self.agent.remove_base(now, base);
                    self.bases.retain(|(id, ..)| *id != base);
                }
            }
            Op::EndOfBases(stream) => {
                let _ = self.agent.end_of_bases(now, self.stream(stream));
            }
            Op::AddServer(place) => {
                let address = address(SERVERS[usize::from(place) % SERVERS.len()]);
                if let Ok(server) = self.agent.add_server(now, Server::stun(address)) {
                    self.servers.push((server, address));
                }
            }
            Op::RemoveServer(place) => {
                if let Some((server, _)) = pick(&self.servers, place) {
                    let _ = self.agent.remove_server(now, server);
                    self.servers.retain(|(id, _)| *id != server);
                }
            }
            Op::Close => {
                self.agent.close(now);
                self.closed = true;
            }
            Op::Pass(millis) => self.pass(Duration::from_millis(u64::from(millis))),
            Op::OddTimeout(kind) => self.odd_timeout(kind),
            Op::TransmitError(place) => {
                if let Some(Asked { path, .. }) = pick(&self.asked, place) {
                    self.agent.handle_transmit_error(now, path);
                }
            }
            _ => self.carry_out_for_peer(op),
        }
    }

    /// The operations that the peer has a part in.
    fn carry_out_for_peer(&mut self, op: Op) {
        let now = self.now;
        match op {
            Op::SetRemote(stream, complete) => self.set_remote(self.stream(stream), complete),
            Op::Restart(stream) => {
                let stream = self.stream(stream);
                self.peer_restarts(stream);
                // The peer answers with credentials of its next generation, once it comes to that.
                if self.agent.restart(now, stream).is_ok() {
                    assert_eq!(self.agent.state(stream), Some(StreamState::New));
                    assert_eq!(self.agent.pairs(stream).count(), 0, "pairs of the generation before");
                    assert_eq!(self.agent.remote_candidates(stream).count(), 0);
                }
            }
            Op::RestartOfPeer(stream) => {
                let stream = self.stream(stream);
                self.peer_restarts(stream);
                self.set_remote(stream, false);
            }
            Op::AddRemote(stream, number, place) => {
                let (component, address) = (self.component(stream, number), remote(place));
                let priority = 2_130_706_431 - 256 * u32::from(place) - u32::from(number);
                let line = format!(
                    "candidate:{} {} udp {priority} {} {} typ host",
                    place % 3 + 1,
                    component.number(),
                    address.ip(),
                    address.port()
                );
                if let Ok(candidate) = floe::sdp::parse_candidate(&line) {
                    let _ = self.agent.add_remote_candidate(now, component.stream(), candidate);
                }
            }
            Op::RemoveRemote(stream, place) => {
                let stream = self.stream(stream);
                let candidates: Vec<_> = self.agent.remote_candidates(stream).map(|(id, _)| id).collect();
                if let Some(candidate) = pick(&candidates, place) {
                    let _ = self.agent.remove_remote_candidate(now, stream, candidate);
                }
            }
            Op::EndOfRemote(stream) => {
                let _ = self.agent.end_of_remote_candidates(now, self.stream(stream));
            }
            Op::Nominate(place) => {
                let pairs = self.streams.iter().flat_map(|stream| self.agent.pairs(*stream));
                let pairs: Vec<_> = pairs.map(|pair| pair.id()).collect();
                if let Some(pair) = pick(&pairs, place) {
                    let _ = self.agent.nominate(now, pair);
                }
            }
            Op::Check(place, from, flags) => self.peer_checks(place, from, flags),
            Op::Answer(place, kind) => self.peer_answers(place, kind),
            _ => {}
        }
    }

    fn peer_restarts(&mut self, stream: StreamId) {
        let ours = self.agent.local_credentials(stream).cloned();
        let Some(peer) = self.peers.get_mut(usize::from(stream.to_raw())) else { return };
        peer.before = ours.map(|ours| (ours, peer.generation));
        peer.generation += 1;
    }

    fn set_remote(&mut self, stream: StreamId, complete: bool) {
        let Some(peer) = self.peers.get(usize::from(stream.to_raw())) else { return };
        let remote = Remote::new(credentials(peer.generation));
        let remote = if complete { remote.complete() } else { remote };
        let _ = self.agent.set_remote(self.now, stream, remote);
    }

    fn odd_timeout(&mut self, kind: u8) {
        let now = match kind % 4 {
            0 => self.now,
            1 => Timestamp::from_nanos(self.now.as_nanos() / 3),
            2 => self.now + Duration::from_nanos(u64::from(kind)),
            _ => self.now + Duration::from_secs(60 * u64::from(kind)),
        };
        self.now = self.now.max(now);
        self.agent.handle_timeout(now);
        self.settle();
        self.awaits_something_later();
    }

    fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(deadline) = self.agent.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.agent.handle_timeout(self.now);
            self.settle();
            self.awaits_something_later();
        }
        self.now = until;
    }

    /// INV-01.
    fn awaits_something_later(&self) {
        let deadline = self.agent.deadline();
        assert!(deadline.is_none_or(|next| next > self.now), "{deadline:?} at {:?}", self.now);
    }

    fn peer_checks(&mut self, place: u8, from: u8, flags: u8) {
        let Some((_, component, local)) = pick(&self.bases, place) else { return };
        let Some(peer) = self.peers.get(usize::from(component.stream().to_raw())) else { return };
        let Some(ours) = self.agent.local_credentials(component.stream()).cloned() else { return };
        let current = (ours, peer.generation);
        let (ours, theirs) = peer.before.clone().filter(|_| flags & 0x22 == 0x22).unwrap_or(current);
        let (key, mut out) = (Key::short_term(ours.password().as_bytes()), Vec::new());
        let username = format!("{}:{}", ours.ufrag(), credentials(theirs).ufrag());
        let id = TransactionId::from([flags; 12]);
        let mut check = Builder::request(&mut out, Method::BINDING, id)
            .attribute(&Username::new(&username).unwrap())
            .attribute(&Priority(1_862_270_975));
        // Now and then a role that conflicts with ours.
        let theirs = if flags & 0x0c == 0x0c { self.agent.role() } else { self.agent.role().other() };
        check = match theirs {
            Role::Controlling => check.attribute(&IceControlling(u64::from(flags) << 56)),
            Role::Controlled => check.attribute(&IceControlled(u64::from(flags) << 56)),
        };
        if flags & 1 != 0 {
            check = check.attribute(&UseCandidate);
        }
        check.integrity(&key, Integrity::Sha1).fingerprint();
        let path = Path::udp(local, remote(from));
        if path.local().is_ipv4() == path.remote().is_ipv4() {
            let _ = self.agent.handle_datagram(self.now, path, &out);
        }
    }

    fn peer_answers(&mut self, place: u8, kind: u8) {
        let recent = self.asked.len().saturating_sub(4);
        let Some(Asked { id, path, generation }) = pick(&self.asked[recent..], place) else { return };
        let password = credentials(generation).password().to_owned();
        let (key, mut out) = (Key::short_term(password.as_bytes()), Vec::new());
        let mapped = if kind % 8 == 1 { address("203.0.113.50:50") } else { path.local() };
        match kind % 8 {
            0 => Builder::error(&mut out, Method::BINDING, id, &ErrorCode::ROLE_CONFLICT),
            2 => Builder::error(&mut out, Method::BINDING, id, &ErrorCode::BAD_REQUEST),
            _ => Builder::success(&mut out, Method::BINDING, id).attribute(&XorMappedAddress(mapped)),
        }
        .integrity(&key, Integrity::Sha1)
        .fingerprint();
        // An answer from where nobody was asked is no proof of a path.
        let path = if kind % 8 == 3 { Path::udp(path.local(), remote(kind)) } else { path };
        let _ = self.agent.handle_datagram(self.now, path, &out);
    }

    /// Polls everything, and looks at what comes.
    fn settle(&mut self) {
        let pairs: usize = self.streams.iter().map(|stream| self.agent.pairs(*stream).count()).sum();
        // Every base may give up every server at the same instant.
        let (bound, mut count) = (4 * pairs + 16 + self.bases.len() * self.servers.len(), 0);
        while let Some(output) = self.agent.poll_output() {
            count += 1;
            assert!(count <= bound, "INV-05: {count} outputs");
            match output {
                Output::Transmit(transmit) => self.look_at_datagram(&transmit),
                Output::Event(Event::State { stream, state }) => {
                    let index = usize::from(stream.to_raw());
                    let before = core::mem::replace(&mut self.states[index], state);
                    let anew = self.restarting == Some(stream) && state == StreamState::New;
                    let restarted = anew && before != StreamState::Closed;
                    assert!(restarted || may_follow(before, state), "INV-11: {before:?} to {state:?}");
                }
                Output::Connect(_) | Output::Disconnect(_) => unreachable!("all servers are asked over UDP"),
                Output::Event(_) => {}
            }
        }
    }

    /// INV-19, INV-51: from a base that is there, to somewhere that can be, and to servers that are there.
    fn look_at_datagram(&mut self, transmit: &Transmit) {
        let (local, remote) = (transmit.path.local(), transmit.path.remote());
        assert!(self.has_base(local), "{transmit:?} from no base");
        let ip = remote.ip();
        let broadcast = remote.is_ipv4() && ip == address("255.255.255.255:1").ip();
        assert!(remote.port() != 0 && remote != local, "{transmit:?}");
        assert!(!ip.is_multicast() && !ip.is_unspecified() && !broadcast, "{transmit:?}");
        let message = Message::parse(&transmit.payload).unwrap();
        if message.class() == Class::Request {
            let to_server = SERVERS.iter().any(|server| address(server) == remote);
            assert!(!to_server || self.servers.iter().any(|(_, server)| *server == remote), "{transmit:?}");
            let name = message.get::<Username<'_>>().and_then(Result::ok);
            let theirs = name.as_ref().and_then(|name| name.as_str().split(':').next());
            let generation = theirs.and_then(|ufrag| ufrag.strip_prefix("peer")?.parse().ok());
            let (id, path) = (message.transaction_id(), transmit.path);
            self.asked.push(Asked { id, path, generation: generation.unwrap_or_default() });
        }
    }

    /// Whether a base is there: declared, not removed, its component and stream neither.
    fn has_base(&self, local: SocketAddr) -> bool {
        let live = |component: ComponentId| self.agent.state(component.stream()) != Some(StreamState::Closed);
        self.bases.iter().any(|(_, component, base)| *base == local && live(*component))
    }

    fn inspect(&self) {
        let (limits, mut total) = (limits(), 0);
        for stream in &self.streams {
            let pairs: Vec<_> = self.agent.pairs(*stream).filter(|pair| pair.is_listed()).collect();
            total += pairs.len();
            for (index, pair) in pairs.iter().enumerate() {
                // INV-37
                let twin = |other: &floe::Pair<'_>| other.path() == pair.path();
                assert!(!pairs[index + 1..].iter().any(twin), "{:?} twice", pair.path());
                // INV-51
                assert!(self.has_base(pair.path().local()), "{:?} without a base", pair.path());
                // INV-39
                if let PairState::InProgress(id) = pair.state() {
                    let asked = self.asked.iter().any(|asked| asked.id == id && asked.path == pair.path());
                    assert!(asked, "{:?} was never asked", pair.path());
                    assert!(self.agent.deadline().is_some(), "nobody waits for {:?}", pair.path());
                }
            }
            // INV-32
            assert!(self.agent.local_candidates(*stream).count() <= limits.local_candidates);
            let remotes = self.agent.remote_candidates(*stream).count();
            assert!(
                remotes <= limits.remote_candidates + limits.peer_reflexive,
                "{remotes} remote candidates"
            );
            if self.agent.state(*stream) == Some(StreamState::Closed) {
                assert_eq!(self.agent.pairs(*stream).count(), 0, "INV-51");
                assert!((1..=3).all(|number| self.agent.route(stream.component(number)).is_none()));
            }
        }
        assert!(total <= limits.pairs, "{total} pairs");
        let all_closed =
            self.streams.iter().all(|stream| self.agent.state(*stream) == Some(StreamState::Closed));
        assert!(!all_closed || self.agent.deadline().is_none(), "INV-51: a timer of nobody");
        assert!(!self.closed || all_closed, "INV-10");
    }

    fn stream(&self, place: u8) -> StreamId {
        pick(&self.streams, place).unwrap_or(StreamId::from_raw(0))
    }

    fn component(&self, stream: u8, number: u8) -> ComponentId {
        self.stream(stream).component(u16::from(number % 3) + 1)
    }
}

/// INV-11: the graph of [`StreamState`].
fn may_follow(before: StreamState, after: StreamState) -> bool {
    use StreamState::{Checking, Closed, Completed, Connected, Failed, Lost, New, Unconfirmed};
    match (before, after) {
        (Closed, _) => false,
        (_, Closed) | (New, Checking) | (Connected, Checking) => true,
        (New | Checking, Connected | Completed | Failed(_)) => true,
        (Connected, Completed | Failed(_)) | (Completed, Checking | Connected | Failed(_)) => true,
        // From Checking too: the last component finds its pair, or is removed, while another one is in trouble.
        (Checking | Connected | Completed | Unconfirmed(_) | Lost(_), Unconfirmed(_) | Lost(_)) => true,
        (Unconfirmed(_) | Lost(_), Checking | Connected | Completed | Failed(_)) => true,
        _ => false,
    }
}

fn pick<T: Copy>(table: &[T], place: u8) -> Option<T> {
    table.get(usize::from(place).checked_rem(table.len())?).copied()
}

fn local(place: u8) -> SocketAddr {
    address(LOCALS[usize::from(place) % LOCALS.len()])
}

fn remote(place: u8) -> SocketAddr {
    address(REMOTES[usize::from(place) % REMOTES.len()])
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
