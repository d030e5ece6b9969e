//! An agent as a node: one end of a session, which signals to the other end as a program would, in lines of SDP.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;

use crate::ice::{Candidate, ComponentId, Credentials, Role, StreamId};
use crate::sdp::{CandidateLine, Line};
use crate::sim::{Node, NodeId, Output, Watch};
use crate::{Agent, Base, Config, Event, Path, Provenance, Received, Remote, Seed, Timestamp};

/// An [`Agent`] in a world, with what it has seen and received.
///
/// It signals to the other end from [`call`](Self::call) on: its credentials, its candidates as they come, and that there
/// are no more; what the other end signals goes into the agent. Commands reach the agent through
/// [`World::with`](crate::sim::World::with) and [`agent_mut`](Self::agent_mut). A [`Watch`] looks at everything that the
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
    trickle: bool,
    outputs: VecDeque<Output>,
    now: Timestamp,
    events: Vec<(Timestamp, Event)>,
    received: Vec<Delivery>,
    watch: Watch,
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
    /// An agent with one stream of one component, and a base on each of `addresses`.
    pub fn new(now: Timestamp, config: Config, role: Role, seed: Seed, addresses: &[SocketAddr]) -> Self {
        let mut peer = Self::with_components(now, config, role, seed, 1);
        for address in addresses {
            peer.add_base(now, 1, *address);
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
            trickle: true,
            outputs: VecDeque::new(),
            now,
            events: Vec::new(),
            received: Vec::new(),
            watch: Watch::new(),
        }
    }

    /// Declares a socket of a component; `false` if the agent refuses it.
    pub fn add_base(&mut self, now: Timestamp, component: u16, address: SocketAddr) -> bool {
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
        self.now = self.now.max(now);
        self.partner = Some(partner);
        // A stream that was closed has nothing to gather.
        let _ = self.agent.end_of_bases(now, self.stream);
        if self.trickle {
            self.say(Vec::new());
        }
    }

    /// Restarts the session; what follows signals it.
    pub fn restart(&mut self, now: Timestamp) {
        self.unsaid.clear();
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
        self.outputs.push_back(Output::Transmit(route.path(), Bytes::from(datagram)));
        true
    }

    /// The agent.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The agent, to be given commands.
    pub fn agent_mut(&mut self) -> &mut Agent {
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

    /// Signals lines, or keeps them until it may.
    fn say(&mut self, lines: Vec<String>) {
        self.unsaid.extend(lines);
        let complete = self.agent.is_gathering_complete(self.stream) == Some(true);
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
        for line in self.unsaid.drain(..) {
            text += &line;
            text += "\r\n";
        }
        self.outputs.push_back(Output::Signal(partner, Bytes::from(text)));
    }

    fn note(&mut self, event: Event) {
        match &event {
            Event::LocalCandidate { candidate, .. } => {
                self.say([format!("a={}", CandidateLine(candidate))].into())
            }
            Event::GatheringComplete { .. } => self.say([Line::EndOfCandidates.to_string()].into()),
            _ => {}
        }
        self.events.push((self.now, event));
    }
}

/// What one signalled message says.
#[derive(Debug, Default)]
struct Description {
    ufrag: String,
    password: String,
    pacing: Option<core::time::Duration>,
    options: String,
    lite: bool,
    candidates: Vec<Candidate>,
    ended: bool,
}

impl Description {
    fn read(text: &str) -> Self {
        let mut description = Self::default();
        for line in text.lines() {
            match Line::parse(line) {
                Ok(Some(Line::Ufrag(ufrag))) => description.ufrag = ufrag.to_string(),
                Ok(Some(Line::Password(password))) => description.password = password.as_str().to_string(),
                Ok(Some(Line::Options(options))) => description.options = options.to_string(),
                Ok(Some(Line::Lite)) => description.lite = true,
                Ok(Some(Line::Pacing(ta))) => description.pacing = Some(ta),
                Ok(Some(Line::Candidate(candidate))) => description.candidates.push(*candidate),
                Ok(Some(Line::EndOfCandidates)) => description.ended = true,
                // What does not concern us, or cannot be read, does no harm.
                _ => {}
            }
        }
        description
    }
}

impl Node for Peer {
    fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        self.now = self.now.max(now);
        self.watch.datagram(&self.agent, self.now, path, datagram);
        let received = self.agent.handle_datagram(now, path, datagram);
        self.watch.received(path, &received);
        if let Received::Data { component, provenance, payload, .. } = received {
            self.received.push(Delivery { at: now, component, provenance, payload: payload.to_vec() });
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.watch.timeout(&self.agent, self.now);
        self.agent.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            let Some(output) = self.agent.poll_output() else {
                self.watch.quiet(&self.agent, self.now);
                return None;
            };
            self.watch.output(&self.agent, self.now, &output);
            match output {
                crate::Output::Transmit(transmit) => {
                    return Some(Output::Transmit(transmit.path, transmit.payload));
                }
                // A world has no connections yet, and its hosts no further sockets.
                crate::Output::Connect(connect) => {
                    let _ = self.agent.handle_connect(self.now, connect.id, None);
                }
                crate::Output::Disconnect(_) => {}
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
        self.now = self.now.max(now);
        let description = Description::read(&String::from_utf8_lossy(message));
        let Ok(credentials) = Credentials::new(&description.ufrag, &description.password) else { return };
        self.watch.meet(&credentials);
        let mut remote = Remote::new(credentials).options(&description.options);
        if let Some(pacing) = description.pacing {
            remote = remote.pacing(pacing);
        }
        if description.lite {
            remote = remote.lite();
        }
        if !description.options.split(' ').any(|option| option == "trickle") {
            remote = remote.candidates(description.candidates.iter().cloned());
        }
        // The same credentials again change nothing; other ones are a restart, and our new candidates say so.
        let _ = self.agent.set_remote(now, self.stream, remote);
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
