//! Agents whose base is a relayed address that a client of their own program lends them (RFC 8445 section 4, RFC 8016).

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;

use floe::ice::{CandidateKind, Role, StreamId};
use floe::sim::{Host, NetworkId, Node, NodeId, Output, Verdict, World};
use floe::turn::{self, Client};
use floe::{Agent, Base, Event, Path, Received, Remote, Seed, StreamState, Timestamp};

use crate::turn_world::{config, server};

/// A program with an agent, and perhaps with a relay that is its only base.
struct End {
    agent: Agent,
    stream: StreamId,
    relay: Option<Client>,
    events: Vec<Event>,
    moved: bool,
    received: Vec<(Timestamp, Vec<u8>)>,
    outputs: VecDeque<Output>,
    now: Timestamp,
}

impl End {
    fn new(role: Role, seed: u8, now: Timestamp) -> Self {
        let mut agent = Agent::new(floe::Config::new(), role, Seed::from([seed; 32]));
        let stream = agent.add_stream(1).unwrap();
        let (events, received, outputs) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { agent, stream, relay: None, events, moved: false, received, outputs, now }
    }

    fn add_base(&mut self, local: SocketAddr) {
        self.agent.add_base(self.now, self.stream.component(1), Base::udp(local)).unwrap();
        self.agent.end_of_bases(self.now, self.stream).unwrap();
    }

    /// Sends data by the agent's route, and that by the client's.
    fn send(&mut self, payload: &[u8]) {
        let route = self.agent.route(self.stream.component(1)).expect("a route");
        self.transmit(route.path(), payload);
    }

    fn transmit(&mut self, path: Path, payload: &[u8]) {
        match &mut self.relay {
            Some(client) => client.send(self.now, path.remote(), payload).unwrap(),
            None => self.outputs.push_back(Output::Transmit(path, payload.to_vec().into())),
        }
    }

    fn handle(&mut self, path: Path, datagram: &[u8]) {
        if let Received::Data { payload, .. } = self.agent.handle_datagram(self.now, path, datagram) {
            self.received.push((self.now, payload.to_vec()));
        }
    }

    /// Takes what agent and client have to say, until neither has anything.
    fn drain(&mut self) {
        loop {
            if let Some(output) = self.agent.poll_output() {
                match output {
                    floe::Output::Transmit(transmit) => self.transmit(transmit.path, &transmit.payload),
                    floe::Output::Event(event) => self.events.push(event),
                    floe::Output::Connect(_) | floe::Output::Disconnect(_) => {}
                }
            } else if let Some(output) = self.relay.as_mut().and_then(Client::poll_output) {
                match output {
                    turn::Output::Transmit(transmit) => {
                        self.outputs.push_back(Output::Transmit(transmit.path, transmit.payload));
                    }
                    turn::Output::Event(turn::Event::Allocated(allocated)) => {
                        self.add_base(allocated.relayed)
                    }
                    turn::Output::Event(turn::Event::Migrated { .. }) => self.moved = true,
                    turn::Output::Event(_) => {}
                }
            } else {
                return;
            }
        }
    }
}

impl Node for End {
    fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        self.now = now;
        match self.relay.as_mut().map(|client| client.handle_datagram(now, path, datagram)) {
            Some(turn::Received::Data { peer, payload }) => {
                let relayed = self.relay.as_ref().and_then(|client| client.relayed().next()).unwrap();
                self.handle(Path::udp(relayed, peer), payload);
            }
            Some(_) => {}
            None => self.handle(path, datagram),
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.now = now;
        self.agent.handle_timeout(now);
        if let Some(client) = &mut self.relay {
            client.handle_timeout(now);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.drain();
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Timestamp> {
        let relay = self.relay.as_ref().and_then(Client::deadline);
        self.agent.deadline().into_iter().chain(relay).min()
    }
}

/// Tells each end what the other has gathered.
fn introduce(world: &mut World<End>, ends: [NodeId; 2]) {
    let said = ends.map(|id| {
        let End { agent, stream, .. } = world.node(id);
        let candidates = agent.local_candidates(*stream).map(|(_, candidate)| candidate.clone());
        Remote::new(agent.local_credentials(*stream).unwrap().clone())
            .candidates(candidates.collect::<Vec<_>>())
            .complete()
    });
    for (id, remote) in ends.into_iter().rev().zip(said) {
        world.with(id, |end, now| {
            end.now = now;
            end.agent.set_remote(now, end.stream, remote).unwrap();
        });
    }
}

/// The client moves while its agent has a pair in use: to the agent nothing has changed, and its checks of consent are answered
/// by way of the new address.
///
/// Proves: rfc8016-5-2, rfc8016-3.2.2-1
#[test]
fn a_pair_at_a_relayed_address_survives_the_move_of_its_allocation() {
    let [old, new]: [SocketAddr; 2] = ["192.0.2.50:4000", "198.51.100.50:4000"].map(|it| it.parse().unwrap());
    let mut world = World::new(1);
    let server = world.add_turn_server(NetworkId::PUBLIC, server().mobility());
    let server = world.address(server);
    let host = Host::new().address(NetworkId::PUBLIC, old).address(NetworkId::PUBLIC, new);
    let alice = world.add_node(host, |_, now, _| {
        let client = Client::new(config().mobility(true), Path::udp(old, server), Seed::from([3; 32]));
        End { relay: Some(client), ..End::new(Role::Controlling, 1, now) }
    });
    let bob = world.add_node(NetworkId::PUBLIC, |_, now, addresses| {
        let mut end = End::new(Role::Controlled, 2, now);
        end.add_base(addresses[0]);
        end
    });
    world.with(alice, |end, now| end.relay.as_mut().unwrap().allocate(now)).unwrap();
    world.run_for(Duration::from_secs(1));
    introduce(&mut world, [alice, bob]);
    world.run_for(Duration::from_secs(5));
    let selected = |world: &World<End>| {
        let route = |end: &End| end.agent.route(end.stream.component(1)).expect("a route").pair();
        [alice, bob].map(|id| route(world.node(id)))
    };
    let (before, said) = (selected(&world), [alice, bob].map(|id| world.node(id).events.len()));

    world.with(alice, |end, now| end.relay.as_mut().unwrap().migrate(now, Path::udp(new, server))).unwrap();
    // The server uses the old address until something has come from the new one: a check, within six seconds.
    world.run_for(Duration::from_secs(7));
    assert!(world.node(alice).moved);
    // From here on the old address is of no use to anybody, and consent runs out after thirty seconds.
    world.filter(move |datagram| match [datagram.path.local(), datagram.path.remote()].contains(&old) {
        true => Verdict::Drop,
        false => Verdict::Deliver,
    });
    world.run_for(Duration::from_secs(120));
    assert_eq!(selected(&world), before);
    for (id, said) in [alice, bob].into_iter().zip(said) {
        assert_eq!(world.node(id).events[said..], [], "nothing has happened to {id}");
    }
    for (id, partner) in [(alice, bob), (bob, alice)] {
        assert_eq!(world.node(id).agent.state(world.node(id).stream), Some(StreamState::Completed));
        world.with(id, |end, now| {
            end.now = now;
            end.send(b"still here");
        });
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.node(partner).received.last().unwrap().1, b"still here");
    }
    let kinds = world.node(alice).agent.local_candidates(world.node(alice).stream);
    assert!(kinds.map(|(_, candidate)| candidate.kind()).eq([CandidateKind::Host]));
}
