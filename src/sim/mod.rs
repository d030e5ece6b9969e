//! A deterministic network in virtual time, for tests of this crate and of programs that embed it.
//!
//! A [`World`] holds nodes, each a machine that does no I/O of its own ([`Node`]), on hosts with one or several
//! addresses ([`Host`]), on the public network or behind translators and firewalls ([`Nat`]), behind links that delay,
//! lose, double and reorder, are slow or narrow ([`Link`]). It carries datagrams and connections over TCP, answers for
//! names, and does to all of it what is set for a time ([`Action`]). It moves time from event to event, so an hour takes
//! as long as what happens in it, and draws all chance from one number: the same number makes the same world, byte for
//! byte, on every platform ([`Trace::hash`]).
//!
//! The [guide] shows how to test a program of one's own in it, and the [oracle] says what a network permits.
//!
//! # Whole example
//!
//! Pings an echo service across a translator and a bad link until an answer comes.
//!
//! ```
//! use core::net::SocketAddr;
//! use core::time::Duration;
//! use std::collections::VecDeque;
//!
//! use floe::sim::{Link, Nat, NetworkId, Node, Output, World};
//! use floe::{Path, Timestamp};
//!
//! enum Program {
//!     Echo(VecDeque<Output>),
//!     Ping { path: Path, next_at: Option<Timestamp>, outputs: VecDeque<Output> },
//! }
//!
//! impl Program {
//!     fn echo() -> Self {
//!         Self::Echo(VecDeque::new())
//!     }
//!
//!     fn ping(now: Timestamp, local: SocketAddr, remote: SocketAddr) -> Self {
//!         Self::Ping { path: Path::udp(local, remote), next_at: Some(now), outputs: VecDeque::new() }
//!     }
//!
//!     fn is_answered(&self) -> bool {
//!         matches!(self, Self::Ping { next_at: None, .. })
//!     }
//! }
//!
//! impl Node for Program {
//!     fn handle_datagram(&mut self, _: Timestamp, path: Path, datagram: &[u8]) {
//!         match self {
//!             Self::Echo(outputs) => outputs.push_back(Output::Transmit(path, datagram.to_vec().into())),
//!             Self::Ping { next_at, .. } => *next_at = None,
//!         }
//!     }
//!
//!     fn handle_timeout(&mut self, now: Timestamp) {
//!         if let Self::Ping { path, next_at: Some(next_at), outputs } = self
//!             && *next_at <= now
//!         {
//!             *next_at = now + Duration::from_millis(100);
//!             outputs.push_back(Output::Transmit(*path, "ping".into()));
//!         }
//!     }
//!
//!     fn poll_output(&mut self) -> Option<Output> {
//!         let (Self::Echo(outputs) | Self::Ping { outputs, .. }) = self;
//!         outputs.pop_front()
//!     }
//!
//!     fn deadline(&self) -> Option<Timestamp> {
//!         match self {
//!             Self::Echo(_) => None,
//!             Self::Ping { next_at, .. } => *next_at,
//!         }
//!     }
//! }
//!
//! let mut world = World::new(7);
//! let echo = world.add_node(NetworkId::PUBLIC, |_, _, _| Program::echo());
//! let server = world.address(echo);
//! let ping = world.add_node(Nat::symmetric(), |_, now, own| Program::ping(now, own[0], server));
//! world.set_link(ping, Link::new(Duration::from_millis(20)).jitter(Duration::from_millis(5)).loss(0.3));
//!
//! let answered_at = world.run_until(Duration::from_secs(5), |world| world.node(ping).is_answered());
//! assert!(answered_at.is_ok(), "{}", world.trace());
//! ```
//!
//! # Servers
//!
//! [`World::add_server`] places a STUN server, [`World::add_turn_server`] one that relays as well ([`TurnServer`]). The
//! latter counts what clients do that they must not, and can be told to fail them in every way that is known from
//! practice ([`Fault`]).
//!
//! # Networks
//!
//! All networks form a tree. [`NetworkId::PUBLIC`] is its root; [`World::add_network`] puts one behind a gateway, on the
//! public network or on any other, so that translators stand behind translators and firewalls before them. A host has
//! [attachments](Attachment) to any of them, with addresses of either family, a cost, and a tunnel where one is wanted;
//! [`World::add_interface`] and [`World::remove_interface`] change them, and the node is told
//! ([`Node::handle_addresses`]).
//!
//! # Connections
//!
//! A node asks for a connection with [`Output::Connect`] and lets others in with [`Output::Listen`]. What it writes
//! arrives whole and in order, however much the links lose, if later than otherwise; reads end anywhere
//! ([`World::set_read_splitting`]). A connection passes gateways as datagrams do, by mappings of its own, and ends by being
//! closed, reset ([`World::reset_connections`]), or for want of an answer: whoever writes to a peer that is gone without a
//! word learns of it after a hundred seconds. There is no window: whatever is written leaves at once, at the rate of the
//! links.
//!
//! ```
//! use core::net::SocketAddr;
//! use core::time::Duration;
//! use std::collections::VecDeque;
//!
//! use floe::sim::{Connect, ConnectError, Nat, NetworkId, Node, Output, World};
//! use floe::{Path, Timestamp};
//!
//! /// Says what it has to say once it is connected, and keeps what it reads.
//! #[derive(Default)]
//! struct Talker {
//!     outputs: VecDeque<Output>,
//!     heard: Vec<u8>,
//! }
//!
//! impl Node for Talker {
//!     fn handle_connect(&mut self, _: Timestamp, _: u64, outcome: Result<Path, ConnectError>) {
//!         if let Ok(path) = outcome {
//!             self.outputs.push_back(Output::Write(path, "hello".into()));
//!             self.outputs.push_back(Output::Disconnect(path));
//!         }
//!     }
//!
//!     fn handle_bytes(&mut self, _: Timestamp, _: Path, bytes: &[u8]) {
//!         self.heard.extend_from_slice(bytes);
//!     }
//!
//!     fn poll_output(&mut self) -> Option<Output> {
//!         self.outputs.pop_front()
//!     }
//!
//!     fn handle_datagram(&mut self, _: Timestamp, _: Path, _: &[u8]) {}
//!     fn handle_timeout(&mut self, _: Timestamp) {}
//!     fn deadline(&self) -> Option<Timestamp> {
//!         None
//!     }
//! }
//!
//! let mut world = World::new(7);
//! let server = world.add_node(NetworkId::PUBLIC, |_, _, _| Talker::default());
//! let address = world.address(server);
//! world.with(server, |talker, _| talker.outputs.push_back(Output::Listen(address)));
//!
//! let client = world.add_node(Nat::symmetric().without_udp(), |_, _, own| {
//!     let connect = Connect::new(1, SocketAddr::new(own[0].ip(), 0), address);
//!     Talker { outputs: [Output::Connect(connect)].into(), ..Talker::default() }
//! });
//! world.run_for(Duration::from_secs(1));
//! assert_eq!(world.node(server).heard, b"hello");
//! # let _ = client;
//! ```
//!
//! # Time
//!
//! [`World::at`] sets an [`Action`] for a time: links that go down, hosts that roam, translators that reboot, machines that
//! sleep, clocks that jump, servers that are away. Every node has a clock of its own, which is the world's unless it was
//! [set otherwise](Host::clock) or has jumped; the trace has the world's.
//!
//! # Order
//!
//! [`World::step`] lets one thing happen. At one instant arrivals come first, in the order in which they were sent,
//! then deadlines, in the order of the nodes; a deadline in the past counts as one for now. After each input a node is
//! polled until it has nothing to say, then asked for its deadline. A deadline is served exactly when it is due, or
//! late by [`World::set_lateness`].
//!
//! # The way of a datagram
//!
//! When it is sent it passes the gateways of its sender, which note it; the [filter](World::filter) sees it; then both
//! links draw what becomes of it. When it arrives it passes the gateways of its receiver, in their state of that
//! moment, so that two datagrams that cross open both translators. Whatever is dropped is counted with its reason
//! ([`Dropped`]).
//!
//! # Traces
//!
//! [`World::trace`] is a text, an entry a line, and a [number](Trace::hash). Two that ought to be the same and are not are
//! compared with [`Trace::first_difference`]. Who makes many worlds and wants only the number keeps no entries
//! ([`World::set_entries_kept`]).
//!
//! # What no node may do
//!
//! After every input the world looks at the node and panics, with its number and the end of the trace, if
//!
//! * polling it a second time gives an output, or another deadline;
//! * a timeout that is not due gives an output, or another deadline ([`World::set_nudging`]);
//! * its deadline is not later than now although `handle_timeout(now)` has just been called;
//! * it has to be woken a thousand times at one instant, or its outputs do not end;
//! * it says itself that something is wrong ([`Node::violation`]): a [`Peer`] does so for every rule that a [`Watch`] knows.
//!
//! With the `std` feature, a test that fails for whatever reason while a world is alive also prints its number.

mod chance;
mod connection;
mod control;
mod gateway;
pub mod guide;
mod host;
mod link;
mod names;
mod nat;
mod node;
pub mod oracle;
mod peer;
mod run;
mod server;
mod signal;
mod slot;
mod tcp;
mod timeline;
mod topology;
mod trace;
mod turn_server;
mod watch;
mod wire;
mod world;

pub use connection::{Connect, ConnectError, Ended};
pub use host::{Attachment, Host, Interfaces, LocalAddress};
pub use link::Link;
pub use names::Resolution;
pub use nat::{Dependence, Nat, Ports};
pub use node::{Node, NodeId, Output};
pub use peer::{Delivery, Peer};
pub use server::StunServer;
pub use signal::Signalling;
pub use timeline::Action;
pub use topology::NetworkId;
pub use trace::{Difference, Dropped, Entry, Event, Trace};
pub use turn_server::{Allocation, Deviation, Expired, Fault, Mechanism, Traffic, TurnServer, Violation};
pub use watch::Watch;
pub use world::{Counters, Datagram, Verdict, World};
