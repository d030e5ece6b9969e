//! What the RFCs leave open: the profiles, how soon they connect, when they move, and policies that mean ill.

#[path = "policy/backups.rs"]
mod backups;
#[path = "policy/bounds.rs"]
mod bounds;
mod harness;
#[path = "policy/hostile.rs"]
mod hostile;
#[path = "policy/moving.rs"]
mod moving;
#[path = "policy/profiles.rs"]
mod profiles;
#[path = "harness/session.rs"]
mod session;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeSet;

use floe::ice::Role;
use floe::sim::{self, Host, Link, NetworkId, NodeId, Peer, World};
use floe::stun::{AttributeType, Class, Message};
use floe::{Base, Config, Event, StreamState, Timestamp};
use session::{address, ms, secs};

/// Alice, with an interface of each cost, and Bob, with one.
struct Call {
    world: World<Peer>,
    ids: [NodeId; 2],
    interfaces: Vec<SocketAddr>,
}

impl Call {
    /// Alice's interface `n` has the address 198.51.100.n and the delay given, one way, as well as its cost.
    fn new(seed: u64, config: &Config, interfaces: &[(u16, Duration)]) -> Self {
        let mut world = World::new(seed);
        let addresses: Vec<SocketAddr> =
            (1..=interfaces.len()).map(|n| address(&format!("198.51.100.{n}:4000"))).collect();
        let alice = addresses.iter().fold(Host::new(), |host, it| host.address(NetworkId::PUBLIC, *it));
        let bob = Host::new().address(NetworkId::PUBLIC, address("203.0.113.1:4000"));
        let mut n = 0;
        let ids = [(alice, Role::Controlling), (bob, Role::Controlled)].map(|(host, role)| {
            let seed = world.seed_for(n);
            n += 1;
            world.add_node(host, |_, now, addresses| {
                let mut peer = Peer::with_components(now, config.clone(), role, seed, 1);
                let component = peer.stream().component(1);
                for (index, local) in addresses.iter().enumerate() {
                    let cost = if role == Role::Controlling { interfaces[index].0 } else { 0 };
                    let base = Base::udp(*local).network(u16::try_from(index + 1).unwrap(), cost);
                    peer.agent_mut().add_base(now, component, base).unwrap();
                }
                peer
            })
        });
        world.set_link(ids[1], Link::new(Duration::ZERO));
        for (address, (_, delay)) in addresses.iter().zip(interfaces) {
            world.set_link((ids[0], address.ip()), Link::new(*delay));
        }
        Self { world, ids, interfaces: addresses }
    }

    /// Connects, and lets a minute pass.
    fn connected(mut self) -> Self {
        self.call();
        self.world.run_for(secs(60));
        assert_eq!(self.states(), [StreamState::Completed; 2]);
        self
    }

    fn call(&mut self) {
        let [alice, bob] = self.ids;
        for (this, other) in [(alice, bob), (bob, alice)] {
            self.world.with(this, |peer, now| peer.call(now, other));
        }
    }

    fn states(&self) -> [StreamState; 2] {
        self.ids.map(|id| self.world.node(id).state())
    }

    /// The address of Alice's interface `n`, from 1.
    fn interface(&self, n: usize) -> IpAddr {
        self.interfaces[n - 1].ip()
    }

    /// The interface that both ends have selected, from 1.
    fn selected(&self) -> Option<usize> {
        let [ours, theirs] = self.ids.map(|id| self.world.node(id).selected(1));
        let ours = ours?.local();
        (ours == theirs?.remote()).then(|| self.interfaces.iter().position(|it| *it == ours).unwrap() + 1)
    }

    /// When Alice selected a pair, each time.
    fn selections(&self) -> Vec<Timestamp> {
        let events = self.world.node(self.ids[0]).events().iter();
        events.filter(|(_, event)| matches!(event, Event::Selected { .. })).map(|(at, _)| *at).collect()
    }

    /// Runs until both have selected interface `n`, and returns how long that took.
    fn until_selected(&mut self, n: usize, limit: Duration) -> Duration {
        let start = self.world.now();
        while self.selected() != Some(n) {
            assert!(self.world.now() < start + limit, "still on {:?}", self.selected());
            self.world.run_for(ms(10));
        }
        self.world.now().saturating_since(start)
    }

    /// The requests that an end has sent from then on, with their paths.
    fn requests(&self, id: NodeId, since: Timestamp) -> Vec<(Timestamp, floe::Path)> {
        let entries = self.world.trace().entries().filter(|entry| entry.at >= since);
        let requests = entries.filter_map(|entry| match &entry.event {
            sim::Event::Sent { node, path, payload } if *node == id => {
                let message = Message::parse(payload).ok()?;
                let asks = message.class() == Class::Request && message.contains(AttributeType::PRIORITY);
                asks.then_some((entry.at, *path))
            }
            _ => None,
        });
        requests.collect()
    }

    /// Alice's addresses from which she has nominated a pair, each once.
    fn nominated(&self) -> Vec<SocketAddr> {
        let nominating = self.world.trace().entries().filter_map(|entry| match &entry.event {
            sim::Event::Sent { node, path, payload } if *node == self.ids[0] => {
                let message = Message::parse(payload).ok()?;
                message.contains(AttributeType::USE_CANDIDATE).then_some(path.local())
            }
            _ => None,
        });
        nominating.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Each end sends a datagram that arrives.
    fn assert_data_flows(&mut self) {
        let before = self.ids.map(|id| self.world.node(id).received().len());
        for id in self.ids {
            assert!(self.world.with(id, |peer, _| peer.send(1, b"data")), "{id} has no route");
        }
        self.world.run_for(secs(1));
        assert_eq!(self.ids.map(|id| self.world.node(id).received().len()), before.map(|count| count + 1));
    }
}
