//! Sessions over lines that lose, in virtual time: how long until a pair works, and until one is selected.

use core::time::Duration;

use floe::ice::Role;
use floe::sim::{Host, Link, NetworkId, NodeId, Peer, World};
use floe::{Config, Event, StreamState, Timestamp};

/// A cell of the grid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cell {
    /// Of datagrams from one end to the other, in percent, either way.
    pub loss: u32,
    /// In milliseconds.
    pub rtt: u64,
    /// Of each end.
    pub interfaces: usize,
}

/// From the call until both ends have a pair that works, and until both have selected one; `None` if they do not within two
/// minutes.
pub fn session(cell: Cell, seed: u64) -> [Option<Duration>; 2] {
    let mut world = World::new(seed);
    world.set_entries_kept(0);
    let seeds = [world.seed_for(0), world.seed_for(1)];
    let host = || (0..cell.interfaces).fold(Host::new(), |host, _| host.on(NetworkId::PUBLIC));
    let ends = [Role::Controlling, Role::Controlled].map(|role| {
        let seed = seeds[usize::from(role == Role::Controlled)].clone();
        world.add_node(host(), |_, now, addresses| Peer::new(now, Config::new(), role, seed, addresses))
    });
    for id in ends {
        world.set_link(id, cell.link());
    }
    for (this, other) in [(0, 1), (1, 0)] {
        world.with(ends[this], |peer, now| peer.call(now, ends[other]));
    }
    let is_over = |world: &World<Peer>, id: NodeId| {
        matches!(world.node(id).state(), StreamState::Completed | StreamState::Failed(_))
    };
    let _ = world.run_until(Duration::from_secs(120), |world| ends.iter().all(|id| is_over(world, *id)));
    let usable = |event: &Event| matches!(event, Event::Route { .. });
    let selected = |event: &Event| matches!(event, Event::State { state: StreamState::Completed, .. });
    [both(&world, ends, usable), both(&world, ends, selected)]
}

impl Cell {
    /// A datagram crosses two such links, there and back four.
    fn link(self) -> Link {
        let arrives = 1.0 - f64::from(self.loss) / 100.0;
        Link::new(Duration::from_millis(self.rtt) / 4).loss(1.0 - arrives.sqrt())
    }
}

/// When both ends had seen such an event.
fn both(world: &World<Peer>, ends: [NodeId; 2], wanted: impl Fn(&Event) -> bool) -> Option<Duration> {
    let first = |id| world.node(id).events().iter().find(|(_, event)| wanted(event)).map(|(at, _)| *at);
    let [alice, bob] = ends.map(first);
    Some(alice?.max(bob?).saturating_since(Timestamp::ZERO))
}
