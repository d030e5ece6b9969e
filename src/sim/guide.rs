//! Testing your own program in the simulator.
//!
//! A program that talks to a network goes wrong where the network does: an answer is lost, a translator forgets, an
//! address changes between two packets. In a [`World`] all of that is a line of a test, happens at the same instant in
//! every run, and takes no time. What it asks of the program is what floe asks of itself: that it does no I/O, and is told
//! the time.
//!
//! # The program
//!
//! Here is one that has nothing to do with ICE: a courier delivers letters to a desk, one after the other, each again and
//! again until the desk has confirmed it. As a [`Node`] it has the four verbs of every machine of this crate, and is told when
//! its addresses change; what it has no use for it leaves out. A real one would be driven by a socket and a clock in the same
//! way: [`Output::Transmit`] is a `send_to`, [`Node::deadline`] the timeout of a `recv_from`.
//!
//! ```
//! # use core::net::SocketAddr;
//! # use core::time::Duration;
//! # use std::collections::VecDeque;
//! use floe::sim::{Action, Attachment, Link, LocalAddress, Nat, NetworkId, Node, NodeId, Output, Verdict, World};
//! use floe::{Path, Timestamp};
//!
//! /// Has letters for the desk; the first is on its way.
//! struct Courier {
//!     own: Option<SocketAddr>,
//!     desk: SocketAddr,
//!     letters: VecDeque<u8>,
//!     next_at: Option<Timestamp>,
//!     outputs: VecDeque<Output>,
//! }
//!
//! /// Takes letters in order, and confirms what comes, also if it comes again.
//! #[derive(Default)]
//! struct Desk {
//!     taken: Vec<u8>,
//!     outputs: VecDeque<Output>,
//! }
//!
//! impl Courier {
//!     fn new(now: Timestamp, own: SocketAddr, desk: SocketAddr, letters: u8) -> Self {
//!         let (letters, outputs) = ((0..letters).collect(), VecDeque::new());
//!         Self { own: Some(own), desk, letters, next_at: Some(now), outputs }
//!     }
//!
//!     /// Sends the letter whose turn it is, and again after a while.
//!     fn send(&mut self, now: Timestamp) {
//!         let (Some(own), Some(letter)) = (self.own, self.letters.front()) else {
//!             self.next_at = None;
//!             return;
//!         };
//!         self.outputs.push_back(Output::Transmit(Path::udp(own, self.desk), vec![*letter].into()));
//!         self.next_at = Some(now + Duration::from_millis(200));
//!     }
//!
//!     fn handle_confirmation(&mut self, now: Timestamp, letter: u8) {
//!         // An old one, that was late or came twice, confirms nothing else.
//!         if self.letters.front() == Some(&letter) {
//!             self.letters.pop_front();
//!             self.send(now);
//!         }
//!     }
//! }
//!
//! impl Desk {
//!     fn handle_letter(&mut self, path: Path, letter: u8) {
//!         if usize::from(letter) == self.taken.len() {
//!             self.taken.push(letter);
//!         }
//!         self.outputs.push_back(Output::Transmit(path, vec![letter].into()));
//!     }
//! }
//!
//! /// A world has one type of node: an enum, or `Box<dyn Node>`.
//! enum Program {
//!     Courier(Courier),
//!     Desk(Desk),
//! }
//!
//! impl Node for Program {
//!     fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
//!         match (self, datagram) {
//!             (Self::Courier(courier), [letter]) => courier.handle_confirmation(now, *letter),
//!             (Self::Desk(desk), [letter]) => desk.handle_letter(path, *letter),
//!             _ => {}
//!         }
//!     }
//!
//!     fn handle_timeout(&mut self, now: Timestamp) {
//!         if let Self::Courier(courier) = self && courier.next_at.is_some_and(|at| at <= now) {
//!             courier.send(now);
//!         }
//!     }
//!
//!     fn poll_output(&mut self) -> Option<Output> {
//!         match self {
//!             Self::Courier(courier) => courier.outputs.pop_front(),
//!             Self::Desk(desk) => desk.outputs.pop_front(),
//!         }
//!     }
//!
//!     fn deadline(&self) -> Option<Timestamp> {
//!         match self {
//!             Self::Courier(courier) => courier.next_at,
//!             Self::Desk(_) => None,
//!         }
//!     }
//!
//!     fn handle_addresses(&mut self, now: Timestamp, addresses: &[LocalAddress]) {
//!         if let Self::Courier(courier) = self {
//!             courier.own = addresses.first().map(|local| local.address);
//!             courier.send(now);
//!         }
//!     }
//! }
//!
//! // The scene: a courier at home behind a translator, on a line that loses every fifth datagram and lets others overtake.
//! fn scene(seed: u64) -> (World<Program>, [NodeId; 2], NetworkId) {
//!     let mut world = World::new(seed);
//!     let home = world.add_network(NetworkId::PUBLIC, Nat::symmetric().lifetime(Duration::from_secs(30)));
//!     let desk = world.add_node(NetworkId::PUBLIC, |_, _, _| Program::Desk(Desk::default()));
//!     let address = world.address(desk);
//!     let courier =
//!         world.add_node(home, |_, now, own| Program::Courier(Courier::new(now, own[0], address, 20)));
//!     world.set_link(courier, Link::new(Duration::from_millis(20)).jitter(Duration::from_millis(300)).loss(0.2));
//!     (world, [courier, desk], home)
//! }
//!
//! /// All letters are there within a minute, each once and in order.
//! fn assert_all_arrive(world: &mut World<Program>, desk: NodeId) {
//!     let taken = |world: &World<Program>| match world.node(desk) {
//!         Program::Desk(desk) => desk.taken.clone(),
//!         Program::Courier(_) => Vec::new(),
//!     };
//!     let all = world.run_until(Duration::from_secs(60), |world| taken(world).len() == 20);
//!     assert!(all.is_ok(), "{:?} after\n{}", taken(world), world.trace());
//!     assert!(taken(world).into_iter().eq(0..20));
//! }
//!
//! // A bad line. Every number is another sequence of accidents; a test that fails says which one it was.
//! for seed in 0..20 {
//!     let (mut world, [_, desk], _) = scene(seed);
//!     assert_all_arrive(&mut world, desk);
//! }
//!
//! // A bad day: the plug is pulled, the translator loses power and has another address afterwards, and in the end the
//! // courier leaves the house and is nowhere for two seconds.
//! let (mut world, [courier, desk], home) = scene(7);
//! let second = Duration::from_secs(1);
//! world.at(1 * second, Action::LinkDown(courier.into()));
//! world.at(4 * second, Action::LinkUp(courier.into()));
//! world.at(5 * second, Action::Rebind(home));
//! world.at(6 * second, Action::Roam { node: courier, to: Attachment::from(Nat::restricted()), gap: 2 * second });
//! assert_all_arrive(&mut world, desk);
//!
//! // An adversary: every datagram towards the courier comes when it is too late, after the next one.
//! let (mut world, [_, desk], _) = scene(7);
//! world.filter(move |datagram| match datagram.from == desk {
//!     true => Verdict::Delay(Duration::from_millis(250)),
//!     false => Verdict::Deliver,
//! });
//! assert_all_arrive(&mut world, desk);
//!
//! // The same number, the same world: to the byte, on every machine.
//! let run = |seed| {
//!     let (mut world, [_, desk], _) = scene(seed);
//!     assert_all_arrive(&mut world, desk);
//!     world.trace().hash()
//! };
//! assert_eq!(run(3), run(3));
//! assert_ne!(run(3), run(4));
//! ```
//!
//! Take the line that looks at the front of the queue out of `handle_confirmation`: a confirmation that comes twice then
//! takes a letter for delivered that is not, and the first loop fails, with the number of the world, and with the trace of
//! what led to it.
//!
//! # What the world checks by itself
//!
//! A program that is never quiet, that is due and does nothing, or that acts before its time is told so by the world at once
//! ([rules](super#what-no-node-may-do)). [`World::set_nudging`] calls the program when there is nothing to do, and
//! [`World::set_lateness`] when it is late, as every event loop does sooner or later. Rules of your own go into
//! [`Node::violation`], which is asked after every input.
//!
//! # What to vary, and what to ask
//!
//! * The **number**: a loop over a hundred finds what ten do not. Keep the ones that have found something as tests of their
//!   own.
//! * The **line** ([`Link`]): 30 % loss both ways is a bad train, and 600 ms a satellite. What holds at 90 % holds.
//! * The **translator** ([`Nat`]): one that forgets after 30 s finds whoever has no keepalive, a symmetric one whoever
//!   believes what a server has told him of his own address.
//! * The **day** ([`Action`]): suspend for an hour, jump, roam, restart the server. Ask for the state afterwards, and for how
//!   many datagrams it took ([`World::counters`]).
//! * **Not how long it took** to a millisecond, unless that is what you promise; but that it ends
//!   ([`World::run_until`]), and that afterwards nothing is said any more ([`World::step`] returns `None` in the end).
//!
//! # With an agent of this crate in it
//!
//! A program that embeds an [`Agent`](crate::Agent) is a node like every other: what comes in is offered to the agent first, and
//! what the agent has to say goes out as [`Output::Transmit`]. [`Peer`] is such a program, small enough to copy from, and does
//! as the other end of yours. A [`Watch`] beside the agent names the first rule that it, or your way of driving it, breaks. And
//! what to expect of a network need not be worked out by hand: the [`oracle`](super::oracle) says which pairs work at all,
//! and which is best.
//!
//! ```
//! use core::time::Duration;
//! use floe::ice::{CandidateKind, Role};
//! use floe::sim::oracle::{FAILURE_BY, Party};
//! use floe::sim::{Nat, NetworkId, NodeId, Peer, StunServer, World};
//! use floe::{Config, Server, StreamState};
//!
//! /// Two ends behind these translators call each other.
//! fn call(nats: [Nat; 2]) -> (World<Peer>, [NodeId; 2], [Party; 2]) {
//!     let mut world = World::new(7);
//!     let server = world.add_server(NetworkId::PUBLIC, StunServer::new());
//!     let server = world.address(server);
//!     let seeds = [0, 1].map(|purpose| world.seed_for(purpose));
//!     let mut ends = nats.into_iter().zip(seeds).zip([Role::Controlling, Role::Controlled]);
//!     let ids = [(); 2].map(|()| {
//!         let ((nat, seed), role) = ends.next().unwrap();
//!         world.add_node(nat, |_, now, own| {
//!             let mut peer = Peer::new(now, Config::new(), role, seed, own);
//!             peer.agent_mut().add_server(now, Server::stun(server)).unwrap();
//!             peer
//!         })
//!     });
//!     let parties = ids.map(|id| Party::with_all_addresses(&world, id).asks(server));
//!     for (this, other) in [(0, 1), (1, 0)] {
//!         world.with(ids[this], |peer, now| peer.call(now, ids[other]));
//!     }
//!     (world, ids, parties)
//! }
//!
//! for nats in [[Nat::symmetric(), Nat::restricted()], [Nat::symmetric(), Nat::symmetric()]] {
//!     let (mut world, ids, [alice, bob]) = call(nats);
//!     let forecast = world.forecast(&alice, &bob);
//!     let over = |state| matches!(state, StreamState::Completed | StreamState::Failed(_));
//!     let ended = world.run_until(FAILURE_BY, |world| ids.iter().all(|id| over(world.node(*id).state())));
//!     assert!(ended.is_ok(), "{}", world.trace());
//!     for id in ids {
//!         let completed = world.node(id).state() == StreamState::Completed;
//!         assert_eq!(completed, forecast.is_feasible());
//!     }
//! }
//! ```
//!
//! `cargo run --features sim --example nat_lab -- --help` tries networks from a few lines of text.

#[expect(unused_imports, reason = "for the links of this page")]
use super::{Action, Link, Nat, Node, Output, Peer, Watch, World};
