//! Two agents in a simulated network: who they are, what they reach, and whether they agree.
#![allow(dead_code, reason = "every test file uses a part of the session")]

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use floe::ice::{Candidate, CandidateKind, Nomination, Role, StreamId};
use floe::sim::oracle::{Forecast, Party};
use floe::sim::{self, Host, Link, NodeId, Peer, World};
use floe::stun::{
    AttributeType, Class, ErrorCode, IceControlled, IceControlling, Message, Method, Priority, TransactionId,
};
use floe::{
    Config, Event, Pair, Path, Profile, Remote, Security, Seed, Server, StreamState, Timestamp, Transport,
};

/// Milliseconds.
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Seconds.
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An address from its text.
pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The user of every TURN server.
pub const USER: &str = "alice";
pub const PASSWORD: &str = "wonderland";

/// Nominates the best pair once every check is over, or has gone without an answer for so long after the first one of use.
pub fn settled(patience: Duration) -> Config {
    Config::new().policy(Arc::new(Profile::Rfc8445)).nomination(Nomination::Regular { patience })
}

/// One end of a session before it is there.
pub struct End {
    host: Host,
    role: Role,
    config: Config,
    components: u8,
    /// On so many of its addresses it has bases.
    bases: usize,
    trickles: bool,
    /// With how the oracle is told of them.
    servers: Vec<(Server, Tell)>,
    relays_only: bool,
    seed: Option<Seed>,
}

impl End {
    /// An end with one component and a base on every address of its host.
    pub fn new(host: impl Into<Host>, role: Role) -> Self {
        Self {
            host: host.into(),
            role,
            config: Config::new(),
            components: 1,
            bases: usize::MAX,
            trickles: true,
            servers: Vec::new(),
            relays_only: false,
            seed: None,
        }
    }

    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// So many components, each with a base on every address: component 2 on the next port, and so on.
    pub fn components(mut self, components: u8) -> Self {
        self.components = components;
        self
    }

    /// Bases on the first `count` addresses alone.
    pub fn bases(mut self, count: usize) -> Self {
        self.bases = count;
        self
    }

    pub fn without_trickle(mut self) -> Self {
        self.trickles = false;
        self
    }

    pub fn asks(self, server: SocketAddr) -> Self {
        self.uses(Server::stun(server), Party::asks)
    }

    /// Relays through a server of which it is a user, besides those it has.
    pub fn relays(self, server: SocketAddr) -> Self {
        self.uses(Server::turn(server, USER, PASSWORD), Party::relays)
    }

    /// The same within TLS.
    pub fn relays_over_tls(self, server: SocketAddr) -> Self {
        let server = Server::turn(server, USER, PASSWORD).over(Transport::Tcp, Security::Tls);
        self.uses(server, Party::relays_over_tcp)
    }

    fn uses(mut self, server: Server, tell: Tell) -> Self {
        self.servers.push((server, tell));
        self
    }

    /// Shows its peer relayed candidates alone.
    pub fn relays_only(mut self) -> Self {
        self.relays_only = true;
        self.config = self.config.relay_only(true);
        self
    }

    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Joins a world. What the oracle has to know of it comes along.
    fn join(self, world: &mut World<Peer>) -> (NodeId, Party) {
        let servers: Vec<(SocketAddr, Tell)> =
            self.servers.iter().map(|(server, tell)| (server.address(), *tell)).collect();
        let (bases, relays_only) = (self.bases, self.relays_only);
        let id = self.enter(world);
        let peer = world.node(id);
        // Local preferences are the agent's own affair, whatever the oracle.
        let preference = |address: &SocketAddr| {
            let mut hosts = peer.agent().local_candidates(peer.stream()).map(|(_, candidate)| candidate);
            let host = hosts.find(|it| it.kind() == CandidateKind::Host && it.ip() == Some(*address));
            host.map_or(u16::MAX, |host| host.priority().local_preference())
        };
        let party = world
            .addresses(id)
            .iter()
            .take(bases)
            .fold(Party::new(id), |party, address| party.base_preferred(*address, preference(address)));
        let party = servers.into_iter().fold(party, |party, (server, tell)| tell(party, server));
        (id, party.relay_only(relays_only))
    }

    fn enter(self, world: &mut World<Peer>) -> NodeId {
        let drawn = world.seed_for(u64::from(self.role == Role::Controlled));
        let seed = self.seed.unwrap_or(drawn);
        world.add_node(self.host, |_, now, addresses| {
            let mut peer = Peer::with_components(now, self.config, self.role, seed, self.components);
            for (server, _) in self.servers {
                peer.agent_mut().add_server(now, server).unwrap();
            }
            for (component, address) in (0..u16::from(self.components))
                .flat_map(|n| addresses.iter().take(self.bases).map(move |a| (n, *a)))
            {
                let base = SocketAddr::new(address.ip(), address.port() + component);
                assert!(peer.add_base(now, component + 1, base));
            }
            if self.trickles { peer } else { peer.without_trickle() }
        })
    }
}

/// How the oracle is told of a server.
type Tell = fn(Party, SocketAddr) -> Party;

/// An [`End`] that begins as controlling.
pub fn controlling(host: impl Into<Host>) -> End {
    End::new(host, Role::Controlling)
}

/// An [`End`] that begins as controlled.
pub fn controlled(host: impl Into<Host>) -> End {
    End::new(host, Role::Controlled)
}

/// Alice, Bob and the network between them.
pub struct Session {
    pub world: World<Peer>,
    pub alice: NodeId,
    pub bob: NodeId,
    /// What the oracle has to know of them.
    pub parties: [Party; 2],
}

impl Session {
    /// Both ends are there; neither has signalled anything.
    pub fn new(mut world: World<Peer>, alice: End, bob: End) -> Self {
        let bob = if alice.role == bob.role && bob.seed.is_none() {
            let seed = world.seed_for(2);
            bob.seed(seed)
        } else {
            bob
        };
        let ((alice, ours), (bob, theirs)) = (alice.join(&mut world), bob.join(&mut world));
        Self { world, alice, bob, parties: [ours, theirs] }
    }

    /// Both ends, Alice first.
    pub fn ends(&self) -> [NodeId; 2] {
        [self.alice, self.bob]
    }

    /// What the network permits them, whoever is controlling now.
    pub fn forecast(&self) -> Forecast {
        let [alice, bob] = &self.parties;
        match self.roles()[0] {
            Role::Controlling => self.world.forecast(alice, bob),
            Role::Controlled => self.world.forecast(bob, alice),
        }
    }

    /// The types that the oracle expects to be selected: Alice's candidate and Bob's.
    pub fn expected(&self) -> Option<[CandidateKind; 2]> {
        let [ours, theirs] = self.forecast().best_kinds()?;
        Some(if self.roles()[0] == Role::Controlling { [ours, theirs] } else { [theirs, ours] })
    }

    /// Whether what both ends have selected is what a forecast says is best.
    pub fn is_best(&self, forecast: &Forecast) -> bool {
        let side = |id| {
            let peer = self.world.node(id);
            let pair = peer.agent().pairs(peer.stream()).find(|pair| pair.is_selected()).unwrap();
            (pair.local().kind(), pair.path().local())
        };
        let [alice, bob] = self.ends().map(side);
        let sides = if self.roles()[0] == Role::Controlling { [alice, bob] } else { [bob, alice] };
        forecast.find(sides).is_some_and(|found| forecast.best().contains(found))
    }

    /// The other end.
    pub fn partner(&self, id: NodeId) -> NodeId {
        if id == self.alice { self.bob } else { self.alice }
    }

    /// Lets both begin to signal, Alice first.
    pub fn call(&mut self) {
        for id in self.ends() {
            let partner = self.partner(id);
            self.world.with(id, |peer, now| peer.call(now, partner));
        }
    }

    /// Calls, and waits until both have completed. Returns when that was.
    pub fn connect(&mut self) -> Timestamp {
        self.call();
        self.settle(secs(120));
        assert_eq!(self.states(), [StreamState::Completed; 2], "{}", self.world.trace());
        self.world.now()
    }

    /// Waits until both have completed or failed, or `limit` has passed. Returns whether they have.
    pub fn settle(&mut self, limit: Duration) -> bool {
        let ends = self.ends();
        let is_over =
            |state| matches!(state, StreamState::Completed | StreamState::Failed(_) | StreamState::Closed);
        let over = |world: &World<Peer>| ends.iter().all(|id| is_over(world.node(*id).state()));
        self.world.run_until(limit, over).is_ok()
    }

    pub fn states(&self) -> [StreamState; 2] {
        self.ends().map(|id| self.world.node(id).state())
    }

    pub fn roles(&self) -> [Role; 2] {
        self.ends().map(|id| self.world.node(id).agent().role())
    }

    /// Hands an end the credentials of the other, as signalling would, now.
    pub fn introduce(&mut self, to: NodeId) {
        let partner = self.world.node(self.partner(to));
        let credentials = partner.agent().local_credentials(partner.stream()).unwrap().clone();
        self.world.with(to, |peer, now| {
            let stream = peer.stream();
            peer.agent_mut().set_remote(now, stream, Remote::new(credentials)).unwrap();
        });
    }

    /// Hands both ends the whole description of the other, now: no trickle, no delay.
    pub fn exchange(&mut self) {
        self.end_bases();
        for id in self.ends() {
            let stream = self.world.node(id).stream();
            self.describe(id, stream);
        }
    }

    /// Hands an end the whole description of the other for one stream.
    pub fn describe(&mut self, to: NodeId, stream: StreamId) {
        let partner = self.world.node(self.partner(to)).agent();
        let credentials = partner.local_credentials(stream).unwrap().clone();
        let candidates: Vec<_> = partner.local_candidates(stream).map(|(_, it)| it.clone()).collect();
        let remote = Remote::new(credentials).candidates(candidates).complete();
        let remote = match partner.local_pacing() {
            Some(ta) => remote.pacing(ta),
            None => remote,
        };
        self.world.with(to, |peer, now| peer.agent_mut().set_remote(now, stream, remote).unwrap());
    }

    /// The signalled candidates of an end.
    pub fn candidates(&self, of: NodeId) -> Vec<Candidate> {
        let peer = self.world.node(of);
        peer.agent().local_candidates(peer.stream()).map(|(_, it)| it.clone()).collect()
    }

    /// Hands an end one candidate of the other.
    pub fn trickle(&mut self, to: NodeId, candidate: Candidate) {
        self.world.with(to, |peer, now| {
            let stream = peer.stream();
            peer.agent_mut().add_remote_candidate(now, stream, candidate).unwrap();
        });
    }

    /// Tells an end that the other has no more candidates.
    pub fn end_candidates(&mut self, to: NodeId) {
        self.world.with(to, |peer, now| {
            let stream = peer.stream();
            peer.agent_mut().end_of_remote_candidates(now, stream).unwrap();
        });
    }

    /// Makes the way from host to host as long as scenarios have it: 20 ms.
    pub fn twenty_milliseconds(mut self) -> Self {
        for id in self.ends() {
            self.world.set_link(id, Link::new(ms(10)));
        }
        self
    }

    /// Ends the declaration of bases at both ends.
    pub fn end_bases(&mut self) {
        for id in self.ends() {
            self.world.with(id, |peer, now| {
                let stream = peer.stream();
                peer.agent_mut().end_of_bases(now, stream).unwrap();
            });
        }
    }

    /// The selected pair of a component as an end sees it: kinds and addresses, local and remote.
    pub fn selected(&self, id: NodeId, component: u16) -> Option<Selected> {
        let peer = self.world.node(id);
        self.selected_of(id, peer.stream(), component)
    }

    pub fn selected_of(&self, id: NodeId, stream: StreamId, component: u16) -> Option<Selected> {
        let component = stream.component(component);
        let mut pairs = self.world.node(id).agent().pairs(stream);
        pairs.find(|pair| pair.is_selected() && pair.component() == component).map(|pair| Selected::of(&pair))
    }

    /// Both ends have selected the same pair for a component, each seen from its side. Returns Alice's view.
    pub fn assert_mirrored(&self, component: u16) -> Selected {
        let [ours, theirs] =
            self.ends().map(|id| self.selected(id, component).unwrap_or_else(|| panic!("{id} has no pair")));
        assert_eq!(ours.addresses(), theirs.mirrored().addresses(), "{}", self.world.trace());
        ours
    }

    /// One is controlling, the other controlled.
    pub fn assert_opposite_roles(&self) {
        let [alice, bob] = self.roles();
        assert_eq!(alice.other(), bob);
    }

    /// From now on nothing passes from one end to the other but by a relay.
    pub fn cut_direct_path(&mut self) {
        let [alice, bob] = self.ends();
        self.world.block(alice, bob);
        self.world.block(bob, alice);
    }

    /// Both have selected one pair, it leads over a relay, and data passes.
    pub fn assert_relayed(&mut self) {
        let selected = self.assert_mirrored(1);
        assert!(selected.kinds.contains(&CandidateKind::Relayed), "{selected:?}");
        self.assert_data_flows(1);
    }

    /// Each end sends a datagram that arrives at the other.
    pub fn assert_data_flows(&mut self, component: u16) {
        for id in self.ends() {
            let partner = self.partner(id);
            let before = self.world.node(partner).received().len();
            let text = format!("from {id}");
            assert!(
                self.world.with(id, |peer, _| peer.send(component, text.as_bytes())),
                "{id} has no route"
            );
            self.world.run_for(secs(1));
            let received = &self.world.node(partner).received()[before..];
            let [delivery] = received else { panic!("{partner} received {received:?}") };
            assert_eq!((delivery.component.number(), &delivery.payload[..]), (component, text.as_bytes()));
        }
    }

    /// The messages of STUN that an end has sent, servers apart.
    pub fn sent(&self, id: NodeId) -> Vec<Sent> {
        let entries = self.world.trace().entries();
        let sent = entries.filter_map(|entry| match &entry.event {
            sim::Event::Sent { node, path, payload } if *node == id => Sent::read(entry.at, *path, payload),
            _ => None,
        });
        sent.collect()
    }

    /// The requests that an end has sent to its peer, retransmissions included: they carry a priority.
    pub fn requests(&self, id: NodeId) -> Vec<Sent> {
        self.sent(id).into_iter().filter(|sent| sent.is_check).collect()
    }

    /// The first transmission of each check.
    pub fn checks(&self, id: NodeId) -> Vec<Sent> {
        let mut known = Vec::new();
        let mut is_new = |id: TransactionId| {
            !known.contains(&id) && {
                known.push(id);
                true
            }
        };
        self.requests(id).into_iter().filter(|sent| is_new(sent.id)).collect()
    }

    /// Whether a success has arrived in answer to a check of an end.
    pub fn has_answer(&self, id: NodeId, check: TransactionId) -> bool {
        self.world.trace().entries().any(|entry| match &entry.event {
            sim::Event::Delivered { node, path, payload } if *node == id => {
                Sent::read(entry.at, *path, payload)
                    .is_some_and(|answer| answer.id == check && answer.class == Class::Success)
            }
            _ => false,
        })
    }

    /// The destinations that an end has nominated, each once.
    pub fn nominated(&self, id: NodeId) -> Vec<Path> {
        let mut paths: Vec<Path> = Vec::new();
        for sent in self.requests(id).iter().filter(|sent| sent.nominates) {
            if !paths.contains(&sent.path) {
                paths.push(sent.path);
            }
        }
        paths
    }

    /// How often the role of an end has changed.
    pub fn switches(&self, id: NodeId) -> usize {
        self.world.node(id).events().iter().filter(|(_, event)| matches!(event, Event::Role(_))).count()
    }

    /// How often Alice has selected a pair.
    pub fn switches_of_pair(&self) -> usize {
        let events = self.world.node(self.alice).events().iter();
        events.filter(|(_, event)| matches!(event, Event::Selected { .. })).count()
    }

    /// When an event first came.
    pub fn when(&self, id: NodeId, wanted: impl Fn(&Event) -> bool) -> Option<Timestamp> {
        self.world.node(id).events().iter().find(|(_, event)| wanted(event)).map(|(at, _)| *at)
    }
}

/// A selected pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Selected {
    pub kinds: [CandidateKind; 2],
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

impl Selected {
    fn of(pair: &Pair<'_>) -> Self {
        Self {
            kinds: [pair.local().kind(), pair.remote().kind()],
            local: pair.local().ip().unwrap(),
            remote: pair.remote().ip().unwrap(),
        }
    }

    /// As the other end sees it.
    pub fn mirrored(self) -> Self {
        let [local, remote] = self.kinds;
        Self { kinds: [remote, local], local: self.remote, remote: self.local }
    }

    pub fn addresses(self) -> [SocketAddr; 2] {
        [self.local, self.remote]
    }
}

/// A message of STUN that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub at: Timestamp,
    pub path: Path,
    pub id: TransactionId,
    pub class: Class,
    pub is_check: bool,
    pub nominates: bool,
    /// The role and the tie-breaker that it claims.
    pub claim: Option<(Role, u64)>,
    pub error: Option<u16>,
    pub priority: Option<u32>,
}

impl Sent {
    fn read(at: Timestamp, path: Path, payload: &[u8]) -> Option<Self> {
        let message = Message::parse(payload).ok().filter(|message| message.method() == Method::BINDING)?;
        let controlling = message.get::<IceControlling>().and_then(Result::ok);
        let controlled = message.get::<IceControlled>().and_then(Result::ok);
        Some(Self {
            at,
            path,
            id: message.transaction_id(),
            class: message.class(),
            is_check: message.class() == Class::Request && message.contains(AttributeType::PRIORITY),
            nominates: message.contains(AttributeType::USE_CANDIDATE),
            claim: controlling
                .map(|it| (Role::Controlling, it.0))
                .or_else(|| controlled.map(|it| (Role::Controlled, it.0))),
            priority: message.get::<Priority>().and_then(Result::ok).map(|it| it.0),
            error: message.get::<ErrorCode<'_>>().and_then(Result::ok).map(|error| error.code()),
        })
    }
}
