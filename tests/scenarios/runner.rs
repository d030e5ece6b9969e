//! Runs a row and measures what came of it.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeSet;

use floe::ice::{BaseId, CandidateKind, Role};
use floe::sim::{self, Host, Link, NetworkId, NodeId, Peer, Signalling, StunServer, TurnServer, World};
use floe::stun::{Class, Message, Method};
use floe::{Base, Event, Security, Server, StreamState, Timestamp, Transport};

use crate::row::{Behind, Interface, Row, Servers, Step};
use crate::session::{PASSWORD, USER, ms, secs};

/// A row under way.
pub struct Run {
    pub world: World<Peer>,
    pub ids: [NodeId; 2],
    interfaces: [Vec<Attached>; 2],
    called_at: Timestamp,
    /// A translator shows another address than before. An end whose pair goes on as it is need not know that (RFC 8445 section
    /// 7.3.1.4).
    rebooted: bool,
}

/// An interface in its world.
#[derive(Clone, Copy, Debug)]
struct Attached {
    interface: Interface,
    /// Behind a translator.
    network: Option<NetworkId>,
    address: SocketAddr,
    /// Once it is declared.
    base: Option<BaseId>,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub first: [String; 2],
    pub last: [String; 2],
    pub kinds: [CandidateKind; 2],
    pub usable: Duration,
    pub completed: Duration,
    pub moves: usize,
    pub silence: Duration,
    pub packets: u64,
}

impl Run {
    pub fn new(row: &Row, seed: u64) -> Self {
        let mut world = World::new(seed);
        let stun = world.add_server(NetworkId::PUBLIC, StunServer::new());
        let turn = TurnServer::new("example.org").user(USER, PASSWORD);
        let turn = world.add_turn_server(turn_host(), turn);
        let (stun, turns) = (world.address(stun), world.addresses(turn).to_vec());
        let mut servers = Vec::new();
        if row.servers != Servers::None {
            servers.push(Server::stun(stun));
        }
        let turns = || turns.iter().map(|turn| Server::turn(*turn, USER, PASSWORD));
        if matches!(row.servers, Servers::StunAndTurn | Servers::All) {
            servers.extend(turns());
        }
        if row.servers == Servers::All {
            servers.extend(turns().map(|server| server.over(Transport::Tcp, Security::Plain)));
        }
        let mut interfaces = [Vec::new(), Vec::new()];
        let ids = [0, 1].map(|end| {
            let host = place(&mut world, end, row.ends[end].0, &mut interfaces[end]);
            let seed = world.seed_for(u64::try_from(end).unwrap());
            let role = if end == 0 || row.conflict { Role::Controlling } else { Role::Controlled };
            let id = world.add_node(host, |_, now, addresses| {
                let mut peer = Peer::with_components(now, row.policy.config(end), role, seed, 1);
                for server in &servers {
                    peer.agent_mut().add_server(now, server.clone()).unwrap();
                }
                for (known, address) in interfaces[end].iter_mut().zip(addresses) {
                    known.address = *address;
                    if known.interface.declared {
                        declare(&mut peer, now, known);
                    }
                }
                peer
            });
            for known in &interfaces[end] {
                world.set_link((id, known.address.ip()), Link::new(known.interface.delay));
            }
            id
        });
        let called_at = world.now();
        for (this, other) in [(0, 1), (1, 0)] {
            world.with(ids[this], |peer, now| peer.call(now, ids[other]));
        }
        Self { world, ids, interfaces, called_at, rebooted: false }
    }

    /// Runs `row` from the beginning to the end.
    pub fn of(row: &Row, seed: u64) -> (Self, Outcome) {
        let mut run = Self::new(row, seed);
        let is_done = |world: &World<Peer>, id| world.node(id).state() == StreamState::Completed;
        let ids = run.ids;
        let completed = run.world.run_until(secs(60), |world| ids.iter().all(|id| is_done(world, *id)));
        assert!(completed.is_ok(), "{}: {:?}\n{}", row.id, run.states(), run.world.trace());
        run.world.run_for(secs(10));
        let (first, before) = (run.selected(), run.selections());
        let start = run.world.now();
        let silence = run.play(row, start);
        let outcome = Outcome {
            first,
            last: run.selected(),
            kinds: run.kinds(),
            usable: run.since_the_call(|event| matches!(event, Event::Route { .. })),
            completed: run
                .since_the_call(|event| matches!(event, Event::State { state: StreamState::Completed, .. })),
            moves: run.selections() - before,
            silence,
            packets: ids.iter().map(|id| run.world.node(*id).agent().stats().transmitted).max().unwrap(),
        };
        (run, outcome)
    }

    /// Lets the timeline happen, with data both ways. Returns the longest silence at an end.
    fn play(&mut self, row: &Row, start: Timestamp) -> Duration {
        let until = start + row.timeline.last().map_or(Duration::ZERO, |(at, _)| ms(*at)) + row.lasts;
        let mut steps = row.timeline.iter().peekable();
        let mut send_at = row.data_every.map(|_| start);
        while self.world.now() < until {
            let now = self.world.now();
            while let Some((_, step)) = steps.next_if(|(at, _)| start + ms(*at) <= now) {
                self.happen(*step);
            }
            if send_at.is_some_and(|at| at <= now) {
                for id in self.ids {
                    let _ = self.world.with(id, |peer, _| peer.send(1, b"data"));
                }
                send_at = row.data_every.map(|every| now + every);
            }
            let next_step = steps.peek().map(|(at, _)| start + ms(*at));
            let next = [next_step, send_at].into_iter().flatten().min().unwrap_or(until).min(until);
            self.world.run_for(next.saturating_since(now));
        }
        if row.data_every.is_none() {
            return Duration::ZERO;
        }
        self.ids.map(|id| self.silence(id, start, until)).into_iter().max().unwrap()
    }

    fn silence(&self, id: NodeId, start: Timestamp, until: Timestamp) -> Duration {
        let arrivals = self.world.node(id).received().iter().map(|delivery| delivery.at);
        let moments: Vec<Timestamp> =
            [start].into_iter().chain(arrivals.filter(|at| *at >= start)).chain([until]).collect();
        moments.windows(2).map(|two| two[1].saturating_since(two[0])).max().unwrap()
    }

    pub fn happen(&mut self, step: Step) {
        match step {
            Step::Down(end, name) => {
                self.world.unplug((self.ids[end], self.attached(end, name).address.ip()))
            }
            Step::Up(end, name) => self.world.plug((self.ids[end], self.attached(end, name).address.ip())),
            Step::Declare(end, name) => {
                let mut interfaces = self.interfaces[end].iter_mut();
                let known = interfaces.find(|known| known.interface.name == name).unwrap();
                self.world.with(self.ids[end], |peer, now| declare(peer, now, known));
            }
            Step::Withdraw(end, name) => {
                let base = self.attached(end, name).base.unwrap();
                self.world.with(self.ids[end], |peer, now| peer.agent_mut().remove_base(now, base).unwrap());
            }
            Step::Restart(end) => self.world.with(self.ids[end], |peer, now| peer.restart(now)),
            Step::Reboot(end, name) => {
                self.rebooted = true;
                self.world.reboot(self.attached(end, name).network.unwrap());
            }
            Step::SignalIn(millis) => self.world.set_signalling(Signalling::new(ms(millis))),
        }
    }

    fn attached(&self, end: usize, name: &str) -> Attached {
        *self.interfaces[end].iter().find(|known| known.interface.name == name).unwrap()
    }

    pub fn states(&self) -> [StreamState; 2] {
        self.ids.map(|id| self.world.node(id).state())
    }

    /// Where the selected pair leaves either end. Both ends agree on it.
    pub fn selected(&self) -> [String; 2] {
        let pair = |id| {
            let peer: &Peer = self.world.node(id);
            let pair = peer.agent().pairs(peer.stream()).find(|pair| pair.is_selected());
            pair.map(|pair| (pair.path().local(), pair.local().ip(), pair.remote().ip()))
        };
        let [ours, theirs] = self.ids.map(pair);
        let agree = ours.zip(theirs).is_none_or(|(ours, theirs)| (ours.1, ours.2) == (theirs.2, theirs.1));
        assert!(agree || self.rebooted, "{ours:?} {theirs:?}");
        let name = |end: usize, base: SocketAddr| {
            let own = self.interfaces[end].iter().find(|known| known.address == base);
            own.map_or("relay", |known| known.interface.name)
        };
        let name_of =
            |end, pair: Option<(SocketAddr, _, _)>| pair.map_or("nothing", |pair| name(end, pair.0));
        [name_of(0, ours), name_of(1, theirs)].map(str::to_owned)
    }

    /// How many pairs an end has checked.
    pub fn checked_pairs(&self, end: usize) -> usize {
        let entries = self.world.trace().entries();
        let checked = entries.filter_map(|entry| match &entry.event {
            sim::Event::Sent { node, path, payload } if *node == self.ids[end] => {
                let message = Message::parse(payload).ok()?;
                let is_check = message.class() == Class::Request && message.method() == Method::BINDING;
                is_check.then_some((path.local(), path.remote()))
            }
            _ => None,
        });
        checked.collect::<BTreeSet<_>>().len()
    }

    /// How far apart an end's requests from one of its interfaces to its peer are, from then on.
    pub fn gaps_of_checks(&self, end: usize, name: &str, since: Timestamp) -> Vec<Duration> {
        let from = self.attached(end, name).address;
        let entries = self.world.trace().entries().filter(|entry| entry.at >= since);
        let checks = entries.filter(|entry| match &entry.event {
            sim::Event::Sent { node, path, payload } if *node == self.ids[end] && path.local() == from => {
                Message::parse(payload).is_ok_and(|message| message.class() == Class::Request)
            }
            _ => false,
        });
        let times: Vec<Timestamp> = checks.map(|entry| entry.at).collect();
        times.windows(2).map(|two| two[1].saturating_since(two[0])).collect()
    }

    /// From when an end first missed an answer to when it next selected a pair.
    pub fn time_to_leave(&self, end: usize) -> Duration {
        let events = self.world.node(self.ids[end]).events();
        let is_trouble =
            |event: &Event| matches!(event, Event::State { state: StreamState::Unconfirmed(_), .. });
        let trouble = events.iter().position(|(_, event)| is_trouble(event)).unwrap();
        let selected = |(_, event): &&(Timestamp, Event)| matches!(event, Event::Selected { .. });
        let next = events[trouble..].iter().find(selected).unwrap();
        next.0.saturating_since(events[trouble].0)
    }

    pub fn roles(&self) -> [Role; 2] {
        self.ids.map(|id| self.world.node(id).agent().role())
    }

    /// Each end sends a datagram, and it arrives.
    pub fn assert_data_flows(&mut self) {
        let before = self.ids.map(|id| self.world.node(id).received().len());
        for id in self.ids {
            assert!(self.world.with(id, |peer, _| peer.send(1, b"data")), "{id} has no route");
        }
        self.world.run_for(ms(500));
        assert_eq!(self.ids.map(|id| self.world.node(id).received().len()), before.map(|count| count + 1));
    }

    /// What each end knows of the other is what the other has signalled last.
    pub fn assert_nothing_is_left_of_the_generation_before(&self) {
        for (this, other) in [(0, 1), (1, 0)] {
            let [this, other] = [this, other].map(|end| self.world.node(self.ids[end]));
            let signalled = other.agent().local_credentials(other.stream()).unwrap().ufrag();
            assert_eq!(this.agent().remote_ufrag(this.stream()), Some(signalled));
            let theirs: BTreeSet<_> =
                other.agent().local_candidates(other.stream()).filter_map(|(_, it)| it.ip()).collect();
            let known = this.agent().remote_candidates(this.stream());
            let known: BTreeSet<_> = known
                .filter(|(_, it)| it.kind() != CandidateKind::PeerReflexive)
                .filter_map(|(_, it)| it.ip())
                .collect();
            assert!(known.is_subset(&theirs), "{known:?} {theirs:?}");
        }
    }

    /// How many candidates an end has had to signal since so long after the call.
    pub fn candidates_signalled_after(&self, end: usize, after: Duration) -> usize {
        let events = self.world.node(self.ids[end]).events().iter();
        let late = events.filter(|(at, _)| at.saturating_since(self.called_at) > after);
        late.filter(|(_, event)| matches!(event, Event::LocalCandidate { .. })).count()
    }

    /// Whether an end has ever said that the session is lost or has failed.
    pub fn has_lost_the_session(&self) -> bool {
        let is_lost = |event: &Event| match event {
            Event::State { state, .. } => matches!(state, StreamState::Lost(_) | StreamState::Failed(_)),
            _ => false,
        };
        self.ids.iter().any(|id| self.world.node(*id).events().iter().any(|(_, event)| is_lost(event)))
    }

    fn kinds(&self) -> [CandidateKind; 2] {
        self.ids.map(|id| {
            let peer = self.world.node(id);
            let pair = peer.agent().pairs(peer.stream()).find(|pair| pair.is_selected());
            pair.map_or(CandidateKind::Host, |pair| pair.local().kind())
        })
    }

    /// How often an end has selected a pair, at the end that did so more often.
    fn selections(&self) -> usize {
        let count = |id| {
            let events = self.world.node(id).events().iter();
            events.filter(|(_, event)| matches!(event, Event::Selected { .. })).count()
        };
        self.ids.map(count).into_iter().max().unwrap()
    }

    /// When both ends had seen such an event.
    fn since_the_call(&self, wanted: impl Fn(&Event) -> bool) -> Duration {
        let first = |id| {
            let found = self.world.node(id).events().iter().find(|(_, event)| wanted(event));
            found.unwrap().0.saturating_since(self.called_at)
        };
        self.ids.map(first).into_iter().max().unwrap()
    }
}

impl Outcome {
    /// What does not come up to what was expected.
    pub fn faults(&self, row: &Row) -> Vec<String> {
        let (expect, mut faults) = (&row.expect, Vec::new());
        let mut check = |holds: bool, what: String| {
            if !holds {
                faults.push(format!("{}: {what}", row.id));
            }
        };
        check(self.first == expect.first, format!("first {:?} instead of {:?}", self.first, expect.first));
        check(self.last == expect.last, format!("last {:?} instead of {:?}", self.last, expect.last));
        check(self.usable <= expect.usable_within, format!("usable after {:?}", self.usable));
        check(self.completed <= expect.completed_within, format!("completed after {:?}", self.completed));
        let [least, most] = expect.moves;
        check((least..=most).contains(&self.moves), format!("{} moves", self.moves));
        check(self.silence <= expect.silence, format!("silent for {:?}", self.silence));
        check(self.packets <= expect.packets, format!("{} packets", self.packets));
        faults
    }
}

/// A host with these interfaces, each behind what it is behind.
fn place(
    world: &mut World<Peer>,
    end: usize,
    interfaces: &[Interface],
    attached: &mut Vec<Attached>,
) -> Host {
    let end = u16::try_from(end).unwrap();
    interfaces.iter().zip(1_u16..).fold(Host::new(), |host, (interface, number)| {
        let (host, network) = match interface.behind {
            Behind::Open => (host.on(NetworkId::PUBLIC), None),
            Behind::OpenIpv6 => {
                let ip = IpAddr::from([0x2001, 0xdb8, end, number, 0, 0, 0, 1]);
                (host.address(NetworkId::PUBLIC, SocketAddr::new(ip, 4000)), None)
            }
            behind => {
                let network = world.add_network(NetworkId::PUBLIC, behind.nat());
                (host.on(network), Some(network))
            }
        };
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        attached.push(Attached { interface: *interface, network, address, base: None });
        host
    })
}

/// In both families.
fn turn_host() -> Host {
    Host::new()
        .on(NetworkId::PUBLIC)
        .address(NetworkId::PUBLIC, SocketAddr::new(IpAddr::from([0x2001, 0xdb8, 99, 0, 0, 0, 0, 1]), 3478))
}

/// Tells the agent of a socket.
fn declare(peer: &mut Peer, now: Timestamp, attached: &mut Attached) {
    let (component, interface) = (peer.stream().component(1), attached.interface);
    let base = Base::udp(attached.address).network(interface.network, interface.cost);
    attached.base = Some(peer.agent_mut().add_base(now, component, base).unwrap());
}
