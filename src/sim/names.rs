//! Names, and who answers for them.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::node::{Node, NodeId};
use super::trace::Event;
use super::world::{Due, World};

/// How names are answered for, as [`Output::Resolve`](super::Output::Resolve) asks.
///
/// A name that ends in `.local` is known to those who share a network with its host, and nobody answers for one that is
/// not known there, as it is with multicast DNS. All others are known everywhere, and of those that nobody has published
/// it is said that there is no address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Resolution {
    delay: Option<Duration>,
}

impl Resolution {
    /// Answers come after `delay`.
    pub const fn after(delay: Duration) -> Self {
        Self { delay: Some(delay) }
    }

    /// No answer comes ever.
    pub const fn never() -> Self {
        Self { delay: None }
    }
}

impl Default for Resolution {
    /// 20 ms: a name service close by, or a neighbour who is awake.
    fn default() -> Self {
        Self::after(Duration::from_millis(20))
    }
}

/// The names of a world.
#[derive(Debug, Default)]
pub(super) struct Names {
    published: Vec<Published>,
    pub(super) resolution: Resolution,
}

#[derive(Debug)]
struct Published {
    name: String,
    node: NodeId,
    address: IpAddr,
}

impl<N: Node> World<N> {
    /// Publishes a name for an address of `node`, in place of what it stood for.
    ///
    /// ```
    /// use core::time::Duration;
    /// use floe::sim::{NetworkId, Peer, Resolution, World};
    ///
    /// let mut world = World::<Peer>::new(7);
    /// # let seed = world.seed_for(0);
    /// let alice = world.add_node(NetworkId::PUBLIC, |_, now, addresses| {
    ///     Peer::new(now, floe::Config::new(), floe::ice::Role::Controlling, seed, addresses)
    /// });
    /// let ip = world.address(alice).ip();
    /// world.publish(alice, "f2fd1b2e-7a5d-4bb9-8d5c-4d1b0cf3c2b4.local", ip);
    /// world.set_resolution(Resolution::after(Duration::from_millis(300)));
    /// ```
    pub fn publish(&mut self, node: NodeId, name: &str, address: IpAddr) {
        self.withdraw(name);
        self.names.published.push(Published { name: name.into(), node, address });
    }

    /// Takes a name back.
    pub fn withdraw(&mut self, name: &str) {
        self.names.published.retain(|published| !published.name.eq_ignore_ascii_case(name));
    }

    /// How names are answered for, from now on.
    pub fn set_resolution(&mut self, resolution: Resolution) {
        self.names.resolution = resolution;
    }

    pub(super) fn resolve(&mut self, node: NodeId, id: u64, name: String) {
        let Some(delay) = self.names.resolution.delay else {
            return self.trace.record(self.now, Event::Resolving { node, name });
        };
        let local = is_local(&name);
        let mut published = self.names.published.iter();
        let found = published.find(|published| {
            published.name.eq_ignore_ascii_case(&name)
                && (!local || self.topology.are_neighbours(node, published.node))
        });
        let address = found.map(|published| published.address);
        self.trace.record(self.now, Event::Resolving { node, name });
        if address.is_some() || !local {
            self.schedule(self.now + delay, Due::Answer { node, id, address });
        }
    }
}

fn is_local(name: &str) -> bool {
    name.trim_end_matches('.').rsplit('.').next().is_some_and(|label| label.eq_ignore_ascii_case("local"))
}
