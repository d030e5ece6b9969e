//! Inputs determine outputs: a session over a bad line is recorded, and an agent that is given the same again says the
//! same again.

use core::iter;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;
use floe::ice::Role;
use floe::sim::{
    Delivery, Dropped, Host, Link, Nat, NetworkId, Node, NodeId, Output, Peer, StunServer, World,
};
use floe::{Config, Path, Seed, Server, StreamState, Timestamp};

/// What is done to a peer.
#[derive(Clone, Debug)]
enum Input {
    Datagram(Path, Vec<u8>),
    Timeout,
    Signal(NodeId, Vec<u8>),
    Call(NodeId),
    Data(Vec<u8>),
}

/// A peer that remembers what was done to it, and what it said.
struct Recorder {
    start: Start,
    peer: Peer,
    inputs: Vec<(Timestamp, Input)>,
    said: Vec<Output>,
}

/// What a peer begins with.
#[derive(Clone)]
struct Start {
    now: Timestamp,
    role: Role,
    seed: Seed,
    addresses: Vec<SocketAddr>,
    server: SocketAddr,
}

impl Start {
    fn peer(&self) -> Peer {
        let config = Config::new();
        let mut peer = Peer::new(self.now, config, self.role, self.seed.clone(), &self.addresses);
        peer.agent_mut().add_server(self.now, Server::stun(self.server)).unwrap();
        peer
    }
}

impl Recorder {
    fn new(start: Start) -> Self {
        Self { peer: start.peer(), start, inputs: Vec::new(), said: Vec::new() }
    }

    fn record(&mut self, now: Timestamp, input: Input) {
        apply(&mut self.peer, now, &input);
        self.inputs.push((now, input));
    }
}

fn apply(peer: &mut Peer, now: Timestamp, input: &Input) {
    match input {
        Input::Datagram(path, datagram) => peer.handle_datagram(now, *path, datagram),
        Input::Timeout => peer.handle_timeout(now),
        Input::Signal(from, message) => peer.handle_signal(now, *from, message),
        Input::Call(partner) => peer.call(now, *partner),
        Input::Data(payload) => drop(peer.send(1, payload)),
    }
}

impl Node for Recorder {
    fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        self.record(now, Input::Datagram(path, datagram.to_vec()));
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.record(now, Input::Timeout);
    }

    fn poll_output(&mut self) -> Option<Output> {
        let output = self.peer.poll_output()?;
        self.said.push(output.clone());
        Some(output)
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.peer.deadline()
    }

    fn handle_signal(&mut self, now: Timestamp, from: NodeId, message: &[u8]) {
        self.record(now, Input::Signal(from, message.to_vec()));
    }
}

/// Two peers behind NATs, three addresses each, on a line that loses, doubles and reorders; a STUN server; data.
fn session(seed: u64) -> (World<Recorder>, [NodeId; 2]) {
    let mut world = World::new(seed);
    let server = world.add_server(Nat::none(), StunServer::new());
    let server = world.address(server);
    let sides = [(Role::Controlling, Nat::port_restricted()), (Role::Controlled, Nat::full_cone())];
    let mut peers = sides.into_iter().zip([1, 2]).map(|((role, nat), purpose)| {
        let (seed, inside) = (world.seed_for(purpose), world.add_network(NetworkId::PUBLIC, nat));
        world.add_node(Host::new().on(inside).on(inside).on(inside), |_, now, addresses| {
            Recorder::new(Start { now, role, seed, addresses: addresses.to_vec(), server })
        })
    });
    let (alice, bob) = (peers.next().unwrap(), peers.next().unwrap());
    drop(peers);
    for id in [alice, bob] {
        let latency = Duration::from_millis(20);
        world.set_link(id, Link::new(latency).jitter(Duration::from_millis(60)).loss(0.15).duplication(0.1));
    }
    for (this, other) in [(alice, bob), (bob, alice)] {
        world.with(this, |recorder, now| recorder.record(now, Input::Call(other)));
    }
    for _ in 0..40 {
        world.run_for(Duration::from_millis(250));
        for id in [alice, bob] {
            world.with(id, |recorder, now| recorder.record(now, Input::Data(vec![0x80; 160])));
        }
    }
    for id in [alice, bob] {
        let recorder = world.node(id);
        // On such a line an answer to a consent check may be overdue at any moment.
        let state = recorder.peer.state();
        assert!(
            matches!(state, StreamState::Completed | StreamState::Unconfirmed(_)),
            "seed {seed}: {state:?}"
        );
        assert!(recorder.inputs.len() > 100 && !recorder.peer.received().is_empty(), "seed {seed}");
    }
    assert!(world.dropped(Dropped::Lost) > 10, "seed {seed}");
    (world, [alice, bob])
}

/// All that a peer has brought forth.
#[derive(Debug, Eq, PartialEq)]
struct Story {
    said: Vec<Output>,
    events: Vec<String>,
    received: Vec<Delivery>,
}

impl Story {
    fn of(peer: &Peer, said: Vec<Output>) -> Self {
        let events = peer.events().iter().map(|event| format!("{event:?}")).collect();
        Self { said, events, received: peer.received().to_vec() }
    }

    fn recorded(recorder: &Recorder) -> Self {
        Self::of(&recorder.peer, recorder.said.clone())
    }
}

/// Does the same to a new peer. `meanwhile` may do something to it while it is quiet, before each input.
fn replay(
    start: &Start,
    inputs: &[(Timestamp, Input)],
    mut meanwhile: impl FnMut(&mut Peer, [Timestamp; 2]),
) -> Story {
    let (mut peer, mut said, mut last) = (start.peer(), Vec::new(), start.now);
    said.extend(iter::from_fn(|| peer.poll_output()));
    for (now, input) in inputs {
        meanwhile(&mut peer, [last, *now]);
        apply(&mut peer, *now, input);
        said.extend(iter::from_fn(|| peer.poll_output()));
        last = last.max(*now);
    }
    Story::of(&peer, said)
}

const SEEDS: core::ops::Range<u64> = 1..6;

#[test]
fn the_same_world_is_the_same_to_the_byte() {
    for seed in SEEDS {
        let ((first, _), (second, _)) = (session(seed), session(seed));
        assert!(first.trace().entries().eq(second.trace().entries()), "seed {seed}");
        assert_eq!(first.trace().hash(), second.trace().hash(), "seed {seed}");
    }
}

#[test]
fn the_same_inputs_make_the_same_outputs_without_the_network() {
    for seed in SEEDS {
        let (world, peers) = session(seed);
        for recorder in peers.map(|id| world.node(id)) {
            let story = replay(&recorder.start, &recorder.inputs, |_, _| {});
            assert_eq!(story, Story::recorded(recorder), "seed {seed}");
        }
    }
}

#[test]
fn another_seed_makes_other_credentials_and_transaction_ids() {
    let (world, [alice, _]) = session(1);
    let recorder = world.node(alice);
    let other = Start { seed: Seed::from([99; 32]), ..recorder.start.clone() };
    let (story, same) = (replay(&other, &recorder.inputs, |_, _| {}), Story::recorded(recorder));
    // Whatever it sends carries a transaction id that it has drawn or, in an answer, a key of its own.
    let datagrams = |story: &Story| -> Vec<Bytes> {
        let transmits = story.said.iter().filter_map(|output| match output {
            Output::Transmit(_, payload) if payload[0] < 4 => Some(payload.clone()),
            _ => None,
        });
        transmits.collect()
    };
    let (others, ours) = (datagrams(&story), datagrams(&same));
    assert!(!others.is_empty() && others.iter().all(|datagram| !ours.contains(datagram)));
    assert_ne!(story.said[0], same.said[0]);
}

/// INV-03, INV-07.
#[test]
fn timeouts_before_the_deadline_change_nothing() {
    for seed in SEEDS {
        let (world, peers) = session(seed);
        for recorder in peers.map(|id| world.node(id)) {
            let mut extra = 0;
            let story = replay(&recorder.start, &recorder.inputs, |peer, [last, next]| {
                let deadline = peer.deadline();
                let before = |now: &Timestamp| deadline.is_none_or(|deadline| *now < deadline);
                let third = next.saturating_since(last) / 3;
                for now in [last, last + third, last + 2 * third].iter().filter(|now| before(now)) {
                    peer.handle_timeout(*now);
                    assert_eq!(peer.poll_output(), None, "seed {seed}");
                    assert_eq!(peer.deadline(), deadline, "seed {seed}");
                    extra += 1;
                }
            });
            assert!(extra > 100, "{extra} extra timeouts");
            assert_eq!(story, Story::recorded(recorder), "seed {seed}");
        }
    }
}

/// INV-01, INV-04.
#[test]
fn a_timeout_at_the_deadline_gets_on() {
    for seed in SEEDS {
        let (world, peers) = session(seed);
        for recorder in peers.map(|id| world.node(id)) {
            let (mut peer, mut timeouts) = (recorder.start.peer(), 0);
            while peer.poll_output().is_some() {}
            for (now, input) in &recorder.inputs {
                apply(&mut peer, *now, input);
                while peer.poll_output().is_some() {}
                if matches!(input, Input::Timeout) {
                    assert!(peer.deadline().is_none_or(|next| next > *now), "seed {seed} at {now:?}");
                    timeouts += 1;
                }
            }
            assert!(timeouts > 20, "{timeouts} timeouts");
        }
    }
}

/// INV-02.
#[test]
fn polling_again_gives_nothing_and_moves_nothing() {
    let (world, peers) = session(1);
    for recorder in peers.map(|id| world.node(id)) {
        replay(&recorder.start, &recorder.inputs, |peer, _| {
            let deadline = peer.deadline();
            for _ in 0..3 {
                assert_eq!(peer.poll_output(), None);
                assert_eq!(peer.deadline(), deadline);
            }
        });
    }
}

/// INV-06.
#[test]
fn an_older_timestamp_counts_as_the_newest_seen() {
    for seed in SEEDS {
        let (world, peers) = session(seed);
        for recorder in peers.map(|id| world.node(id)) {
            // Every other datagram arrives with the time of the input before it, then with one from long ago.
            let (mut standing, mut running_back) = (recorder.inputs.clone(), recorder.inputs.clone());
            let (mut newest, mut changed) = (recorder.start.now, 0);
            for (index, (_, input)) in recorder.inputs.iter().enumerate() {
                if matches!(input, Input::Datagram(..)) && index % 2 == 0 {
                    standing[index].0 = newest;
                    running_back[index].0 = Timestamp::from_nanos(newest.as_nanos() / 2);
                    changed += 1;
                }
                newest = newest.max(standing[index].0);
            }
            assert!(changed > 10, "{changed} changed timestamps");
            let [standing, running_back] =
                [standing, running_back].map(|inputs| replay(&recorder.start, &inputs, |_, _| {}));
            assert!(standing.said.len() > 50);
            assert_eq!(standing.said, running_back.said, "seed {seed}");
        }
    }
}
