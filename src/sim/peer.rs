//! An agent as a node: one end of a session, which signals to the other end as a program would, in lines of SDP.

mod connections;
mod description;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem;
use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use description::{ANSWERS, Description};

use crate::framing::Deframer;
use crate::ice::{BaseId, CandidateId, ComponentId, Credentials, Generation, Role, StreamId};
use crate::sdp::{CandidateLine, Line};
use crate::sim::{ConnectError, Ended, LocalAddress, Node, NodeId, Output, Watch};
use crate::{
    Agent, Base, Config, Event, Path, Provenance, Received, Remote, RemoteChange, Seed, Timestamp, Transport,
};

/// An [`Agent`] in a world, with what it has seen and received.
///
/// It signals to the other end from [`call`](Self::call) on: its credentials, its candidates as they come, and that there
/// are no more; what the other end signals goes into the agent. Commands reach the agent through
/// [`World::with`](crate::sim::World::with) and [`agent_mut`](Self::agent_mut). It opens the connections that the agent
/// asks for, in plain text where that wants TLS, has names resolved by the world, and follows it when interfaces come and
/// go, unless its bases are declared [one by one](Self::add_base). A [`Watch`] looks at everything that the
/// agent does, and the world ends when a rule is broken.
///
/// ```
/// use core::time::Duration;
/// use floe::ice::Role;
/// use floe::sim::{Nat, Peer, World};
/// use floe::{Config, StreamState};
///
/// let mut world = World::new(7);
/// let seeds = [world.seed_for(0), world.seed_for(1)];
/// let [alice, bob] = [(Nat::none(), Role::Controlling), (Nat::none(), Role::Controlled)].map(|(nat, role)| {
///     let seed = seeds[usize::from(role == Role::Controlled)].clone();
///     world.add_node(nat, |_, now, addresses| Peer::new(now, Config::new(), role, seed, addresses))
/// });
/// world.with(alice, |peer, now| peer.call(now, bob));
/// world.with(bob, |peer, now| peer.call(now, alice));
/// let connected = world.run_until(Duration::from_secs(5), |world| {
///     [alice, bob].iter().all(|id| world.node(*id).state() == StreamState::Completed)
/// });
/// assert!(connected.is_ok());
/// ```
#[derive(Debug)]
pub struct Peer {
    agent: Agent,
    stream: StreamId,
    partner: Option<NodeId>,
    /// Lines that wait for [`call`](Self::call), or for the end of gathering where the peer does not trickle.
    unsaid: Vec<String>,
    /// The peer's fragment that our credentials answer, if they do: a restart of its.
    answers: Option<String>,
    trickle: bool,
    /// Of the candidates that came last, and of those that are complete.
    generations: [Option<Generation>; 2],
    outputs: VecDeque<Output>,
    now: Timestamp,
    events: Vec<(Timestamp, Event)>,
    received: Vec<Delivery>,
    watch: Watch,
    /// Whether the agent had nothing more to say and nothing was done to it since.
    quiet: bool,
    /// The bases that come and go with the addresses of the host, unless they are declared one by one.
    bases: Option<Vec<(SocketAddr, BaseId)>>,
    /// The connections over TCP, each with what has come of a frame.
    deframers: BTreeMap<Path, Deframer>,
    /// Of the next socket of its own for a server.
    next_port: u16,
}

/// Application data that has arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// When.
    pub at: Timestamp,
    /// For which component.
    pub component: ComponentId,
    /// Who vouches for its sender.
    pub provenance: Provenance,
    /// What.
    pub payload: Vec<u8>,
}

impl Peer {
    /// An agent with one stream of one component, and a base on each of `addresses`, which are those of its host. When the
    /// world says that there are other ones, bases come and go.
    pub fn new<A: Copy + Into<LocalAddress>>(
        now: Timestamp,
        config: Config,
        role: Role,
        seed: Seed,
        addresses: &[A],
    ) -> Self {
        let mut peer = Self::with_components(now, config, role, seed, 1);
        peer.bases = Some(Vec::new());
        for address in addresses {
            peer.follow(now, (*address).into());
        }
        peer
    }

    /// An agent with one stream of so many components, and no bases yet.
    pub fn with_components(now: Timestamp, config: Config, role: Role, seed: Seed, components: u8) -> Self {
        let mut agent = Agent::new(config, role, seed);
        // Only a stream of no components could be refused here.
        let stream = agent.add_stream(components.max(1)).unwrap_or(StreamId::from_raw(0));
        Self {
            agent,
            stream,
            partner: None,
            unsaid: Vec::new(),
            answers: None,
            trickle: true,
            generations: [None; 2],
            outputs: VecDeque::new(),
            now,
            events: Vec::new(),
            received: Vec::new(),
            watch: Watch::new(),
            quiet: false,
            bases: None,
            deframers: BTreeMap::new(),
            next_port: FIRST_PORT,
        }
    }

    /// Declares a socket of a component; `false` if the agent refuses it.
    pub fn add_base(&mut self, now: Timestamp, component: u16, address: SocketAddr) -> bool {
        self.touch(now);
        self.agent.add_base(now, self.stream.component(component), Base::udp(address)).is_ok()
    }

    /// Signals everything at once, when gathering is complete, instead of trickling.
    #[must_use]
    pub fn without_trickle(mut self) -> Self {
        self.trickle = false;
        self
    }

    /// Ends the declaration of bases and signals to `partner` from now on.
    pub fn call(&mut self, now: Timestamp, partner: NodeId) {
        self.touch(now);
        self.watch.command(&self.agent, self.now);
        self.partner = Some(partner);
        // A stream that was closed has nothing to gather.
        let _ = self.agent.end_of_bases(now, self.stream);
        if self.trickle {
            self.say(Vec::new());
        }
    }

    /// Restarts the session; what follows signals it. An end that owes the answer to a restart of the other's gives that
    /// first, as offer and answer demand: it has restarted just now.
    pub fn restart(&mut self, now: Timestamp) {
        let is_gathering = self.agent.is_gathering_complete(self.stream) == Some(false);
        if self.answers.is_some() && is_gathering && !self.trickle {
            return;
        }
        self.touch(now);
        self.watch.command(&self.agent, self.now);
        self.unsaid.clear();
        self.answers = None;
        // A stream that was closed has nothing to restart.
        let _ = self.agent.restart(now, self.stream);
        if self.trickle {
            self.say(Vec::new());
        }
    }

    /// Sends application data along the agent's route; `false` if there is none.
    pub fn send(&mut self, component: u16, payload: &[u8]) -> bool {
        let Some(route) = self.agent.route(self.stream.component(component)) else { return false };
        let mut datagram = Vec::new();
        route.encode(payload, &mut datagram);
        self.outputs.push_back(on(route.path(), Bytes::from(datagram)));
        true
    }

    /// The agent.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The agent, to be given commands.
    pub fn agent_mut(&mut self) -> &mut Agent {
        self.quiet = false;
        &mut self.agent
    }

    /// Its one stream.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// The state of the stream.
    pub fn state(&self) -> crate::StreamState {
        self.agent.state(self.stream).unwrap_or(crate::StreamState::Closed)
    }

    /// The path of the selected pair of a component.
    pub fn selected(&self, component: u16) -> Option<Path> {
        let component = self.stream.component(component);
        let mut pairs = self.agent.pairs(self.stream).filter(|pair| pair.is_selected());
        pairs.find(|pair| pair.component() == component).map(|pair| pair.path())
    }

    /// Every event so far.
    pub fn events(&self) -> &[(Timestamp, Event)] {
        &self.events
    }

    /// Everything that has arrived so far.
    pub fn received(&self) -> &[Delivery] {
        &self.received
    }

    /// Something is about to be done to the agent.
    fn touch(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.quiet = false;
    }

    /// Hands the agent a datagram, or a frame of a connection.
    fn take(&mut self, path: Path, datagram: &[u8]) {
        let now = self.now;
        self.watch.datagram(&self.agent, now, path, datagram);
        let received = self.agent.handle_datagram(now, path, datagram);
        self.watch.received(path, &received);
        if let Received::Data { component, provenance, payload, .. } = received {
            self.received.push(Delivery { at: now, component, provenance, payload: payload.to_vec() });
        }
    }

    fn follow(&mut self, now: Timestamp, local: LocalAddress) {
        if let Ok(base) = self.agent.add_base(now, self.stream.component(1), Base::from(local)) {
            self.bases.iter_mut().for_each(|bases| bases.push((local.address, base)));
        }
    }

    fn follow_all(&mut self, locals: &[LocalAddress]) {
        let Some(bases) = &self.bases else { return };
        let (now, known) = (self.now, bases.iter().map(|(address, _)| *address).collect::<Vec<_>>());
        for local in locals.iter().filter(|local| !known.contains(&local.address)) {
            self.follow(now, *local);
        }
        let stays = |address: SocketAddr| locals.iter().any(|local| local.address == address);
        let bases = self.bases.iter_mut().flatten();
        let gone: Vec<_> = bases.filter(|(address, _)| !stays(*address)).map(|(_, base)| *base).collect();
        for base in gone {
            // A base that the agent has given up itself is gone already.
            let _ = self.agent.remove_base(now, base);
        }
        self.bases.iter_mut().for_each(|bases| bases.retain(|(address, _)| stays(*address)));
    }

    /// Signals lines, or keeps them until it may.
    fn say(&mut self, lines: Vec<String>) {
        self.unsaid.extend(lines);
        // By what was polled: the agent is further than that.
        let [current, complete] = self.generations;
        let complete = complete.is_some() && current <= complete;
        let Some(partner) = self.partner.filter(|_| self.trickle || complete) else { return };
        let Some(credentials) = self.agent.local_credentials(self.stream) else { return };
        let mut text =
            format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", credentials.ufrag(), credentials.password());
        if let Some(pacing) = self.agent.local_pacing() {
            text += &format!("{}\r\n", Line::Pacing(pacing));
        }
        if self.agent.is_lite() {
            text += &format!("{}\r\n", Line::Lite);
        }
        let options =
            self.agent.local_options().split(' ').filter(|option| self.trickle || *option != "trickle");
        text += &format!("a=ice-options:{}\r\n", options.collect::<Vec<_>>().join(" "));
        if let Some(theirs) = &self.answers {
            text += &format!("{ANSWERS}{theirs}\r\n");
        }
        for line in self.unsaid.drain(..) {
            text += &line;
            text += "\r\n";
        }
        self.outputs.push_back(Output::Signal(partner, Bytes::from(text)));
    }

    fn note(&mut self, event: Event) {
        match &event {
            Event::LocalCandidate { candidate, generation, .. } => {
                self.generations[0] = Some(*generation);
                self.say([format!("a={}", CandidateLine(candidate))].into())
            }
            Event::GatheringComplete { generation, .. } => {
                self.generations[1] = Some(*generation);
                self.say([Line::EndOfCandidates.to_string()].into());
            }
            Event::Resolve { id, name } => {
                self.outputs.push_back(Output::Resolve(id.to_raw().into(), name.to_string()));
            }
            _ => {}
        }
        self.events.push((self.now, event));
    }
}

impl Node for Peer {
    fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        self.touch(now);
        self.take(path, datagram);
    }

    fn handle_addresses(&mut self, now: Timestamp, addresses: &[LocalAddress]) {
        self.touch(now);
        self.follow_all(addresses);
    }

    fn handle_connect(&mut self, now: Timestamp, id: u64, outcome: Result<Path, ConnectError>) {
        self.touch(now);
        self.connected(id, outcome);
    }

    fn handle_bytes(&mut self, now: Timestamp, path: Path, bytes: &[u8]) {
        self.touch(now);
        self.take_bytes(path, bytes);
    }

    fn handle_disconnect(&mut self, now: Timestamp, path: Path, _how: Ended) {
        self.touch(now);
        self.deframers.remove(&path);
        self.agent.handle_disconnect(now, path);
    }

    fn handle_resolved(&mut self, now: Timestamp, id: u64, address: Option<IpAddr>) {
        self.touch(now);
        if let Ok(id) = u32::try_from(id) {
            self.agent.handle_resolved(now, CandidateId::from_raw(id), address);
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.touch(now);
        self.watch.timeout(&self.agent, self.now);
        self.agent.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            let Some(output) = self.agent.poll_output() else {
                if !mem::replace(&mut self.quiet, true) {
                    self.watch.quiet(&self.agent, self.now);
                }
                return None;
            };
            self.quiet = false;
            self.watch.output(&self.agent, self.now, &output);
            match output {
                crate::Output::Transmit(transmit) => {
                    return Some(on(transmit.path, transmit.payload));
                }
                crate::Output::Connect(connect) => self.connect(connect),
                crate::Output::Disconnect(path) => {
                    if self.deframers.remove(&path).is_some() {
                        return Some(Output::Disconnect(path));
                    }
                }
                crate::Output::Event(event) => self.note(event),
            }
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        if self.outputs.is_empty() { self.agent.deadline() } else { Some(self.now) }
    }

    fn violation(&self) -> Option<&str> {
        self.watch.violation()
    }

    fn handle_signal(&mut self, now: Timestamp, _from: NodeId, message: &[u8]) {
        self.touch(now);
        let description = Description::read(&String::from_utf8_lossy(message));
        let Ok(credentials) = Credentials::new(&description.ufrag, &description.password) else { return };
        self.watch.command(&self.agent, self.now);
        self.watch.meet(&credentials);
        let mut remote = Remote::new(credentials).options(&description.options);
        if let Some(pacing) = description.pacing {
            remote = remote.pacing(pacing);
        }
        if description.lite {
            remote = remote.lite();
        }
        if let Some(ours) = &description.answers {
            remote = remote.answering(ours);
        }
        if !description.options.split(' ').any(|option| option == "trickle") {
            remote = remote.candidates(description.candidates.iter().cloned());
        }
        // The same credentials again change nothing; other ones are a restart, and our new candidates say so.
        if self.agent.set_remote(now, self.stream, remote) == Ok(RemoteChange::Restarted) {
            self.answers = Some(description.ufrag.clone());
        }
        for candidate in description.candidates {
            // A candidate that cannot be used does no harm, and says so to whoever looks at the agent's pairs.
            let _ = self.agent.add_remote_candidate(now, self.stream, candidate);
        }
        // rfc8838-14-3: the end of another generation's candidates is not the end of these.
        if description.ended && self.agent.remote_ufrag(self.stream) == Some(&description.ufrag) {
            let _ = self.agent.end_of_remote_candidates(now, self.stream);
        }
    }
}

/// How bytes leave on a path.
fn on(path: Path, bytes: Bytes) -> Output {
    match path.transport() {
        Transport::Udp => Output::Transmit(path, bytes),
        Transport::Tcp => Output::Write(path, bytes),
    }
}

/// Of the sockets beside the bases: those of the world are below.
const FIRST_PORT: u16 = 50_000;
