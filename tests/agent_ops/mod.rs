//! Calls of an application and datagrams of its peer, in any order and at odd times: what holds after each.
//!
//! Shared by the property tests and by the fuzz target of the same name: any four bytes are an operation. What holds of any
//! agent is what [`Watch`] knows; `inspect.rs` adds what only its application can.

mod inspect;
mod op;
mod relays;

use core::net::SocketAddr;
use core::time::Duration;

use floe::ice::{
    BaseId, CandidateId, CandidateKind, ComponentId, ConnectId, Credentials, Nomination, PairState, Role,
    ServerId, StreamId,
};
use floe::sim::Watch;
use floe::stun::{
    Builder, ErrorCode, IceControlled, IceControlling, Integrity, Key, Method, Priority, TransactionId,
    UseCandidate, Username, XorMappedAddress,
};
use floe::{Agent, Base, Config, Limits, Path, Profile, Remote, Seed, Server, StreamState, Timestamp};
pub use op::{Op, Setting};
use relays::{Delivery, Relays, is_server};

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
const NAMES: [&str; 2] = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"];
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
    watch: Watch,
    now: Timestamp,
    streams: Vec<StreamId>,
    bases: Vec<(BaseId, ComponentId, SocketAddr)>,
    servers: Vec<(ServerId, SocketAddr)>,
    relays: Relays,
    /// The candidates that the agent wants resolved.
    names: Vec<CandidateId>,
    asked: Vec<Asked>,
    peers: Vec<PeerSide>,
    setting: Setting,
    closed: bool,
}

impl Model {
    /// An agent with one stream.
    pub fn new(setting: Setting) -> Self {
        let nomination = if setting.manual { Nomination::Manual } else { Nomination::default() };
        let profile = if setting.mobile { Profile::Mobile } else { Profile::default() };
        let config = Config::new().profile(profile).limits(limits()).nomination(nomination);
        let config = config.relay_only(setting.relay_only);
        let agent = Agent::new(config, setting.role, Seed::from([3; 32]));
        let mut model = Self {
            agent,
            watch: Watch::new(),
            now: Timestamp::ZERO,
            streams: Vec::new(),
            bases: Vec::new(),
            servers: Vec::new(),
            relays: Relays::default(),
            names: Vec::new(),
            asked: Vec::new(),
            peers: Vec::new(),
            setting,
            closed: false,
        };
        model.watch.meet(&credentials(0));
        model.apply(Op::AddStream(0));
        model
    }

    /// Does it, and looks at everything.
    pub fn apply(&mut self, op: Op) {
        self.carry_out(op);
        self.drain();
        let agent = &self.agent;
        let closed = |component: ComponentId| agent.state(component.stream()) == Some(StreamState::Closed);
        self.bases.retain(|(_, component, _)| !closed(*component));
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
            let waits_for_peer = self.setting.manual || self.agent.role() == Role::Controlled;
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
        self.watch.command(&self.agent, now);
        match op {
            Op::AddStream(components) if self.streams.len() < STREAMS_MAX => {
                if let Ok(stream) = self.agent.add_stream(components % 3 + 1) {
                    self.streams.push(stream);
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
                self.drain();
                self.closed = true;
            }
            Op::Pass(millis) => self.pass(Duration::from_millis(u64::from(millis))),
            Op::OddTimeout(kind) => self.odd_timeout(kind),
            Op::TransmitError(place) => {
                if let Some(Asked { path, .. }) = pick(&self.asked, place) {
                    self.agent.handle_transmit_error(now, path);
                }
            }
            _ => self.carry_out_for_relays(op),
        }
    }

    /// The operations that servers that relay, connections and names have a part in.
    fn carry_out_for_relays(&mut self, op: Op) {
        let now = self.now;
        match op {
            Op::AddRelay(place) => {
                let server = relays::server(place);
                let address = server.address();
                if let Ok(server) = self.agent.add_server(now, server) {
                    self.servers.push((server, address));
                }
            }
            Op::SetServerCredentials(place, who) => {
                if let Some((server, _)) = pick(&self.servers, place) {
                    let (user, password) = relays::user(who);
                    let _ = self.agent.set_server_credentials(now, server, user, password);
                }
            }
            Op::Mood(mood, detail) => self.relays.change_mood(mood, detail),
            Op::Connect(place, kind) => self.connect(place, kind),
            Op::Disconnect(place) => {
                if let Some(path) = pick(&self.relays.connections, place) {
                    self.relays.connections.retain(|known| *known != path);
                    self.agent.handle_disconnect(now, path);
                } else if let Some(Asked { path, .. }) = pick(&self.asked, place) {
                    self.agent.handle_disconnect(now, path);
                }
            }
            Op::Resolve(place, kind) => {
                let id = pick(&self.names, place).unwrap_or_else(|| CandidateId::from_raw(u32::from(place)));
                let address = if kind < 64 { None } else { Some(remote(kind).ip()) };
                self.agent.handle_resolved(now, id, address);
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
            Op::AddRemote(stream, number, place) | Op::AddNamed(stream, number, place) => {
                let (component, address) = (self.component(stream, number), remote(place));
                let name = NAMES[usize::from(place) % NAMES.len()];
                let host = match op {
                    Op::AddNamed(..) => format!("{name}.local"),
                    _ => address.ip().to_string(),
                };
                let priority = 2_130_706_431 - 256 * u32::from(place) - u32::from(number);
                let line = format!(
                    "candidate:{} {} udp {priority} {host} {} typ host",
                    place % 3 + 1,
                    component.number(),
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
        self.watch.meet(&credentials(peer.generation));
    }

    fn set_remote(&mut self, stream: StreamId, complete: bool) {
        let Some(peer) = self.peers.get(usize::from(stream.to_raw())) else { return };
        let remote = Remote::new(credentials(peer.generation));
        let remote =
            if self.setting.mobile { remote.options("trickle renomination continual") } else { remote };
        let remote = if complete { remote.complete() } else { remote };
        let _ = self.agent.set_remote(self.now, stream, remote);
    }

    fn connect(&mut self, place: u8, kind: u8) {
        let now = self.now;
        let stale = pick(&self.relays.answered, place).filter(|_| kind % 16 == 1);
        let unknown = (kind % 16 == 2).then_some(ConnectId::from_raw(u32::from(place) + 1_000));
        if let Some(id) = stale.or(unknown) {
            assert_eq!(
                self.agent.handle_connect(now, id, Some(local(kind))),
                None,
                "nobody asked for {id:?}"
            );
            return;
        }
        let Some(connect) = pick(&self.relays.connecting, place) else { return };
        self.relays.connecting.retain(|known| known.id != connect.id);
        self.relays.answered.push(connect.id);
        // Now and then from the very address of another connection, or of a socket.
        let fresh = SocketAddr::new(connect.local.ip(), self.relays.fresh_port());
        let address = match kind % 16 {
            3 => None,
            4 => self.relays.connections.first().map(|path| path.local()),
            5 => pick(&self.bases, place).map(|(.., local)| local),
            _ => Some(fresh),
        };
        let path = self.agent.handle_connect(now, connect.id, address);
        if let Some(path) = path {
            assert_eq!(Some(path), address.map(|local| Path::new(connect.transport, local, connect.remote)));
            assert!(!self.relays.connections.contains(&path), "{path:?} twice");
            self.relays.connections.push(path);
            assert!(self.agent.framing(path).is_some());
        }
    }

    fn odd_timeout(&mut self, kind: u8) {
        let now = match kind % 4 {
            0 => self.now,
            1 => Timestamp::from_nanos(self.now.as_nanos() / 3),
            2 => self.now + Duration::from_nanos(u64::from(kind)),
            _ => self.now + Duration::from_secs(60 * u64::from(kind)),
        };
        self.now = self.now.max(now);
        self.wake(now);
        self.awaits_something_later();
        self.settle();
    }

    fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(deadline) = self.agent.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.wake(self.now);
            self.awaits_something_later();
            self.settle();
        }
        self.now = until;
    }

    fn wake(&mut self, now: Timestamp) {
        self.watch.timeout(&self.agent, now);
        self.agent.handle_timeout(now);
        self.drain();
    }

    fn take(&mut self, path: Path, datagram: &[u8]) {
        self.watch.datagram(&self.agent, self.now, path, datagram);
        let received = self.agent.handle_datagram(self.now, path, datagram);
        self.watch.received(path, &received);
        self.drain();
    }

    /// INV-01.
    fn awaits_something_later(&self) {
        let deadline = self.agent.deadline();
        assert!(deadline.is_none_or(|next| next > self.now), "{deadline:?} at {:?}", self.now);
    }

    fn peer_checks(&mut self, place: u8, from: u8, flags: u8) {
        let Some((component, local)) = pick(&self.ends(), place) else { return };
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
            self.peer_sends(path, &out);
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
        self.peer_sends(path, &out);
    }

    /// A datagram of the peer arrives, or goes to the relay that its destination belongs to.
    fn peer_sends(&mut self, path: Path, datagram: &[u8]) {
        if is_server(SocketAddr::new(path.local().ip(), 3478)) {
            self.relays.take_from_peer(self.now, path, datagram);
        } else {
            self.take(path, datagram);
        }
    }

    /// Where the peer may send to: our sockets, and our relayed addresses.
    fn ends(&self) -> Vec<(ComponentId, SocketAddr)> {
        let sockets = self.bases.iter().map(|(_, component, local)| (*component, *local));
        sockets.chain(self.relayed()).collect()
    }

    fn relayed(&self) -> impl Iterator<Item = (ComponentId, SocketAddr)> {
        self.streams.iter().flat_map(|stream| {
            let candidates = self.agent.local_candidates(*stream).map(|(_, candidate)| candidate);
            let relayed = candidates.filter(|candidate| candidate.kind() == CandidateKind::Relayed);
            relayed.filter_map(|relayed| Some((stream.component(relayed.component()), relayed.ip()?)))
        })
    }

    /// Polls everything, brings it to where it goes, and what comes of that back.
    fn settle(&mut self) {
        self.drain();
        let mut rounds = 0;
        while let Some(delivery) = self.relays.poll(self.now) {
            rounds += 1;
            assert!(rounds < 1_000, "the agent and its server never stop talking");
            match delivery {
                Delivery::ToAgent(path, datagram) => self.take(path, &datagram),
                Delivery::ToPeer(path, datagram) => self.note_request(path, &datagram),
            }
        }
    }

    fn stream(&self, place: u8) -> StreamId {
        pick(&self.streams, place).unwrap_or(StreamId::from_raw(0))
    }

    fn component(&self, stream: u8, number: u8) -> ComponentId {
        self.stream(stream).component(u16::from(number % 3) + 1)
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
