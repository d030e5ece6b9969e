//! Interactive Connectivity Establishment as a pure state machine.
//!
//! floe finds a path between two endpoints across NATs and firewalls (ICE, [RFC 8445]): it gathers candidates, pairs
//! them with the peer's, checks the pairs, nominates one, and says where the application's data goes. It opens no
//! socket, reads no clock, starts no thread. An [`Agent`] is given timestamps and datagrams, and returns what to send,
//! when to be woken, and what has happened; it fits into any event loop, and into none: a simulator, a fuzzer.
//!
//! # The loop
//!
//! Everything that an agent wants done comes out of [`Agent::poll_output`], in the order of its causes. Drain it, wait
//! for a datagram or for [`Agent::deadline`], feed what came, let time pass:
//!
//! ```no_run
//! use std::{io, net::UdpSocket, time::{Duration, Instant}};
//! use floe::{Agent, Base, Config, Event, Output, Path, Received, Remote, Seed, Server, Timestamp, ice::Role};
//! # mod signalling {
//! #     use floe::{Event, Remote};
//! #     pub fn receive() -> Remote { unimplemented!() }
//! #     pub fn send(_: &Event) {}
//! # }
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let (socket, epoch) = (UdpSocket::bind("192.0.2.7:0")?, Instant::now());
//! let (local, now) = (socket.local_addr()?, || Timestamp::from(epoch.elapsed()));
//! let mut agent = Agent::new(Config::new(), Role::Controlling, Seed::from_os());
//! agent.add_server(now(), Server::turn("198.51.100.1:3478".parse()?, "alice", "secret"))?;
//! let stream = agent.add_stream(1)?; // signal agent.local_credentials(stream)
//! agent.add_base(now(), stream.component(1), Base::udp(local))?;
//! agent.end_of_bases(now(), stream)?;
//! agent.set_remote(now(), stream, signalling::receive())?;
//! let mut buffer = [0; 2048];
//! loop {
//!     while let Some(output) = agent.poll_output() {
//!         match output {
//!             Output::Transmit(t) => if socket.send_to(&t.payload, t.path.remote()).is_err() {
//!                 agent.handle_transmit_error(now(), t.path);
//!             },
//!             Output::Connect(c) => drop(agent.handle_connect(now(), c.id, None)), // UDP only here
//!             Output::Disconnect(_) => {}
//!             Output::Event(event) => signalling::send(&event), // LocalCandidate, GatheringComplete; and State, Route
//!         }
//!     }
//!     let wait = agent.deadline().map(|at| at.saturating_since(now()).max(Duration::from_millis(1)));
//!     socket.set_read_timeout(wait)?;
//!     match socket.recv_from(&mut buffer) {
//!         Ok((n, remote)) => match agent.handle_datagram(now(), Path::udp(local, remote), &buffer[..n]) {
//!             Received::Data { payload, .. } => println!("{} bytes for the application", payload.len()),
//!             Received::Control | Received::Ignored(_) => {}
//!         },
//!         Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
//!         Err(e) => return Err(e.into()),
//!     }
//!     agent.handle_timeout(now());
//! }
//! # }
//! ```
//!
//! What the peer signals goes in through [`Agent::set_remote`], [`Agent::add_remote_candidate`] and
//! [`Agent::end_of_remote_candidates`]; [`sdp`] reads and writes the lines. Data goes out by [`Agent::route`].
//!
//! In an asynchronous program one task drives the agent, and the tasks that send hold a copy of the route:
//!
//! ```no_run
//! use std::{future::pending, io, sync::Arc, time::Instant};
//! use floe::{Agent, Event, Output, Path, Received, Route, Timestamp, ice::{Candidate, StreamId}};
//! use tokio::{net::UdpSocket, sync::{mpsc, watch}, time::sleep_until};
//!
//! async fn drive(
//!     mut agent: Agent, stream: StreamId, socket: Arc<UdpSocket>, epoch: Instant,
//!     mut remote_candidates: mpsc::Receiver<Candidate>, local_candidates: mpsc::UnboundedSender<Candidate>,
//!     route: watch::Sender<Option<Route>>, application: mpsc::Sender<Vec<u8>>,
//! ) -> io::Result<()> {
//!     let (local, now) = (socket.local_addr()?, || Timestamp::from(epoch.elapsed()));
//!     let mut buffer = [0; 2048];
//!     loop {
//!         while let Some(output) = agent.poll_output() {
//!             match output {
//!                 Output::Transmit(t) => if socket.send_to(&t.payload, t.path.remote()).await.is_err() {
//!                     agent.handle_transmit_error(now(), t.path);
//!                 },
//!                 Output::Event(Event::LocalCandidate { candidate, .. }) => drop(local_candidates.send(candidate)),
//!                 Output::Event(Event::Route { component }) => drop(route.send_replace(agent.route(component))),
//!                 Output::Connect(c) => drop(agent.handle_connect(now(), c.id, None)), // UDP only here
//!                 Output::Disconnect(_) | Output::Event(_) => {}
//!             }
//!         }
//!         let deadline = agent.deadline().map(|at| epoch + at.since_epoch());
//!         let timer = async { match deadline { Some(at) => sleep_until(at.into()).await, None => pending().await } };
//!         tokio::select! {
//!             read = socket.recv_from(&mut buffer) => if let Ok((n, remote)) = read {
//!                 let path = Path::udp(local, remote);
//!                 if let Received::Data { payload, .. } = agent.handle_datagram(now(), path, &buffer[..n]) {
//!                     drop(application.try_send(payload.to_vec()));
//!                 }
//!             },
//!             Some(candidate) = remote_candidates.recv() => {
//!                 drop(agent.add_remote_candidate(now(), stream, candidate));
//!             }
//!             () = timer => agent.handle_timeout(now()),
//!         }
//!     }
//! }
//!
//! async fn speak(socket: Arc<UdpSocket>, route: watch::Receiver<Option<Route>>, payload: &[u8]) -> io::Result<()> {
//!     let Some(route) = *route.borrow() else { return Ok(()) };
//!     let mut datagram = Vec::new();
//!     route.encode(payload, &mut datagram);
//!     socket.send_to(&datagram, route.path().remote()).await.map(drop)
//! }
//! ```
//!
//! # What an embedder relies on
//!
//! * **A path finds the socket.** `Path::local` names one of the declared [`Base`]s. A base has a concrete address: a
//!   wildcard socket is declared once per address, its datagrams sorted by the address that they were sent to.
//! * **Nothing is authentic before its integrity was verified.** Until then a datagram changes nothing but counters in
//!   [`Stats`], and draws at most a few small error answers a second. Application data is handed up only from a 5-tuple
//!   that has authenticated.
//! * **Order.** Calls may come in any order that makes sense; the pairs are the same. Events are in the order of their
//!   causes, and [`Agent::route`] is `Some` when `StreamState::Connected` is polled.
//! * **Marks.** All that concerns a component, its checks, their answers, consent and data, leaves by the component's own bases
//!   (or their ways to a TURN server): a DSCP set on those sockets marks all of it alike (RFC 8445 section 7.2.3).
//! * **Determinism.** The same [`Seed`] and the same inputs give the same bytes in the same order.
//! * **Bounds.** Every queue and table has a limit in [`Limits`], and a counter of what went beyond.
//! * **First bytes.** STUN is what has the first byte, the length and the cookie of STUN; ChannelData counts from a TURN
//!   server only; all else is data.
//!
//! # Connections to TURN servers
//!
//! A server that is reached over TCP, TLS or DTLS ([`Server::over`]) needs a connection, which the agent asks for with
//! [`Output::Connect`] and the caller opens and encrypts; [`Agent::handle_connect`] gives it its [`Path`]. What is sent on
//! the path is written whole and in order, and what comes in is cut into frames:
//!
//! ```
//! # use floe::framing::Deframer;
//! # use floe::{Agent, Path, Received, Timestamp};
//! # fn application(_: &[u8]) {}
//! # fn close(_: Path) {}
//! # fn came_in(agent: &mut Agent, now: Timestamp, path: Path, deframer: &mut Deframer, bytes: &[u8]) {
//! let mut rest = bytes;
//! while let Some(framing) = agent.framing(path) {
//!     match deframer.next(framing, &mut rest) {
//!         Ok(Some(frame)) => {
//!             if let Received::Data { payload, .. } = agent.handle_datagram(now, path, frame) {
//!                 application(payload);
//!             }
//!         }
//!         Ok(None) => break,
//!         Err(_) => {
//!             agent.handle_disconnect(now, path);
//!             close(path);
//!             break;
//!         }
//!     }
//! }
//! # }
//! ```
//!
//! Over UDP the datagrams of a connection (DTLS) are frames already. `examples/driver` has all of it, with TLS and DTLS.
//!
//! # Profiles
//!
//! What the RFCs leave open (which pair to check next, when to nominate, when to move, how often to ask) is up to an
//! [`ice::Policy`]. Four come with the crate, as a [`Profile`] that also sets the timers: by the letter of the RFC, like a
//! browser (the default), for servers with many idle agents, for devices with several networks.
//!
//! ```
//! use floe::{Config, Profile};
//!
//! let phone = Config::new().profile(Profile::Mobile);
//! # let _ = phone;
//! ```
//!
//! # The parts
//!
//! | module | what it is | stands alone |
//! |---|---|---|
//! | [`stun`] | messages, integrity, transactions (RFC 8489) | yes |
//! | [`ice`] | the values of ICE: candidates, priorities, credentials, states | values |
//! | [`sdp`] | candidate lines and attributes (RFC 8839) | yes |
//! | [`turn`] | a client of TURN servers (RFC 8656), their messages and URIs | yes |
//! | [`framing`] | streams of bytes cut into frames (RFC 4571, TURN over TCP) | yes |
//! | [`Agent`] | gathering, checks, nomination, in one object | the whole |
//! | [`Mux`] | many agents on one socket, with one deadline and one pace | the whole, for servers |
//! | `sim` (feature `sim`) | a deterministic network in virtual time, for tests of any sans-IO machine | yes |
//!
//! Layers import downwards only: `list`, `time`, `entropy`, `net`; then `stun` and `framing`; then `turn` and `ice`; then `sdp`
//! and `gather`; then `agent`; then `sim`, which uses the public API alone.
//!
//! [RFC 8445]: https://www.rfc-editor.org/rfc/rfc8445
#![no_std]
#![warn(
    clippy::exhaustive_enums,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::unwrap_in_result,
    clippy::unwrap_used,
    missing_debug_implementations,
    missing_docs,
    unnameable_types,
    unreachable_pub
)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod agent;
mod entropy;
pub mod framing;
mod gather;
pub mod ice;
mod list;
mod net;
pub mod sdp;
#[cfg(feature = "sim")]
pub mod sim;
pub mod stun;
mod time;
pub mod turn;

pub use agent::{
    Agent, AgentMut, Base, CheckRto, Config, Connect, Endpoint, Error, Event, Ignored, IgnoredStats, Limits,
    Mux, NominateInConsent, Output, Pair, Provenance, Reason, Received, Remote, RemoteChange, Route, Server,
    ServerError, Stats, StreamState,
};
pub use entropy::Seed;
pub use ice::Profile;
pub use net::{Path, Security, Transmit, Transport};
pub use time::Timestamp;

/// The program of the README is compiled like the examples of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[expect(missing_debug_implementations, reason = "exists for the documentation test alone")]
struct Readme;
