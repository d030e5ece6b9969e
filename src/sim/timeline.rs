//! What is to happen in a world, and when.

use core::net::IpAddr;
use core::time::Duration;

use super::host::{Attachment, Interfaces};
use super::link::Link;
use super::nat::Nat;
use super::node::{Node, NodeId};
use super::topology::NetworkId;
use super::trace::Event;
use super::world::{Due, World};
use crate::Timestamp;

/// Something that can be done to a world at a time of its own ([`World::at`]).
///
/// ```
/// use core::time::Duration;
/// use floe::sim::{Action, Attachment, Nat, Peer, World};
///
/// let mut world = World::<Peer>::new(7);
/// # let seed = world.seed_for(0);
/// let phone = world.add_node(Nat::symmetric(), |_, now, addresses| {
///     Peer::new(now, floe::Config::new(), floe::ice::Role::Controlling, seed, addresses)
/// });
/// let second = Duration::from_secs(1);
/// world.at(5 * second, Action::LinkDown(phone.into()));
/// world.at(6 * second, Action::LinkUp(phone.into()));
/// // Off the wireless network; two seconds later on the cellular one.
/// world.at(9 * second, Action::Roam { node: phone, to: Attachment::from(Nat::symmetric()), gap: 2 * second });
/// world.at(60 * second, Action::Suspend(phone, 3600 * second));
/// world.run_for(4000 * second);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// As [`World::unplug`].
    LinkDown(Interfaces),
    /// As [`World::plug`].
    LinkUp(Interfaces),
    /// As [`World::set_link`].
    SetLink(Interfaces, Link),
    /// As [`World::set_uplink`].
    SetUplink(Interfaces, Link),
    /// As [`World::set_downlink`].
    SetDownlink(Interfaces, Link),
    /// As [`World::add_interface`].
    AddInterface(NodeId, Attachment),
    /// As [`World::remove_interface`].
    RemoveInterface(NodeId, IpAddr),
    /// The node loses all interfaces, and some time later has this one instead.
    Roam {
        /// Who.
        node: NodeId,
        /// Where to.
        to: Attachment,
        /// How long it is nowhere.
        gap: Duration,
    },
    /// As [`World::reboot`].
    Rebind(NetworkId),
    /// As [`World::forget_mappings`].
    ForgetMappings(NetworkId),
    /// As [`World::set_nat`].
    SetNat(NetworkId, Nat),
    /// As [`World::suspend`].
    Suspend(NodeId, Duration),
    /// As [`World::advance_clock`].
    AdvanceClock(NodeId, Duration),
    /// As [`World::set_back_clock`].
    SetBackClock(NodeId, Duration),
    /// As [`World::stop_server`].
    ServerDown(NodeId),
    /// As [`World::resume_server`].
    ServerUp(NodeId),
    /// As [`TurnServer::restart`](super::TurnServer::restart).
    ServerRestart(NodeId),
    /// As [`World::reset_connections`].
    ResetConnections(NodeId),
    /// As [`World::forget_connections`].
    ForgetConnections(NodeId),
    /// As [`World::block`], from the first to the second.
    Block(NodeId, NodeId),
    /// As [`World::unblock`].
    Unblock(NodeId, NodeId),
}

impl Action {
    /// What the trace says of it, and whom it is about.
    const fn name(&self) -> (&'static str, Option<NodeId>) {
        match self {
            Self::LinkDown(interfaces) => ("link down", Some(interfaces.node)),
            Self::LinkUp(interfaces) => ("link up", Some(interfaces.node)),
            Self::SetLink(interfaces, _) => ("another link", Some(interfaces.node)),
            Self::SetUplink(interfaces, _) => ("another uplink", Some(interfaces.node)),
            Self::SetDownlink(interfaces, _) => ("another downlink", Some(interfaces.node)),
            Self::AddInterface(node, _) => ("another interface", Some(*node)),
            Self::RemoveInterface(node, _) => ("interface gone", Some(*node)),
            Self::Roam { node, .. } => ("roams", Some(*node)),
            Self::Rebind(_) => ("translator rebooted", None),
            Self::ForgetMappings(_) => ("mappings forgotten", None),
            Self::SetNat(..) => ("another translator", None),
            Self::Suspend(node, _) => ("suspended", Some(*node)),
            Self::AdvanceClock(node, _) => ("clock advanced", Some(*node)),
            Self::SetBackClock(node, _) => ("clock set back", Some(*node)),
            Self::ServerDown(node) => ("server down", Some(*node)),
            Self::ServerUp(node) => ("server up", Some(*node)),
            Self::ServerRestart(node) => ("server restarted", Some(*node)),
            Self::ResetConnections(node) => ("connections reset", Some(*node)),
            Self::ForgetConnections(node) => ("connections forgotten", Some(*node)),
            Self::Block(node, _) => ("blocked", Some(*node)),
            Self::Unblock(node, _) => ("unblocked", Some(*node)),
        }
    }
}

impl<N: Node> World<N> {
    /// Does something at a time of the world's clock, before the deadlines of that instant; now if it has passed.
    pub fn at(&mut self, at: impl Into<Timestamp>, action: Action) {
        let at = at.into().max(self.now);
        self.schedule(at, Due::Action(action));
    }

    /// Does something now.
    ///
    /// # Panics
    ///
    /// If it is about a node that is not of this world, or gives a node an address that another has.
    pub fn act(&mut self, action: Action) {
        let (name, node) = action.name();
        self.trace.record(self.now, Event::Acted { action: name, node });
        match action {
            Action::LinkDown(interfaces) => self.unplug(interfaces),
            Action::LinkUp(interfaces) => self.plug(interfaces),
            Action::SetLink(interfaces, link) => self.set_link(interfaces, link),
            Action::SetUplink(interfaces, link) => self.set_uplink(interfaces, link),
            Action::SetDownlink(interfaces, link) => self.set_downlink(interfaces, link),
            Action::AddInterface(node, attachment) => {
                self.add_interface(node, attachment);
            }
            Action::RemoveInterface(node, ip) => self.remove_interface((node, ip)),
            Action::Roam { node, to, gap } => {
                self.remove_interface(node);
                self.at(self.now + gap, Action::AddInterface(node, to));
            }
            Action::Rebind(network) => self.reboot(network),
            Action::ForgetMappings(network) => self.forget_mappings(network),
            Action::SetNat(network, nat) => self.set_nat(network, nat),
            Action::Suspend(node, duration) => self.suspend(node, duration),
            Action::AdvanceClock(node, duration) => self.advance_clock(node, duration),
            Action::SetBackClock(node, duration) => self.set_back_clock(node, duration),
            Action::ServerDown(node) => self.stop_server(node),
            Action::ServerUp(node) => self.resume_server(node),
            Action::ServerRestart(node) => self.with_turn_server(node, |server, _| server.restart()),
            Action::ResetConnections(node) => self.reset_connections(node),
            Action::ForgetConnections(node) => self.forget_connections(node),
            Action::Block(from, to) => self.block(from, to),
            Action::Unblock(from, to) => self.unblock(from, to),
        }
    }
}
