//! TURN (RFC 8656): a relay that lends an address, for those whom no direct path reaches.
//!
//! * [`Client`] asks for an allocation, keeps it, its permissions and channels alive, and wraps and unwraps what is
//!   relayed. [`Route`] is what a task needs that only sends.
//! * The attributes of TURN are [`stun::Attribute`](crate::stun::Attribute)s like any other: [`Lifetime`],
//!   [`XorPeerAddress`], [`Data`], ..; its methods and error codes are constants of [`stun::Method`] and
//!   [`stun::ErrorCode`].
//! * [`ChannelData`] is the short form of what is relayed: four bytes in front of the payload.
//! * [`uri`] reads the URIs by which applications name servers.
//!
//! # Messages
//!
//! ```
//! use core::time::Duration;
//! use floe::stun::{Builder, Message, Method, TransactionId};
//! use floe::turn::{Lifetime, RequestedTransport};
//!
//! let mut request = Vec::new();
//! Builder::request(&mut request, Method::ALLOCATE, TransactionId::from([7; 12]))
//!     .attribute(&RequestedTransport::UDP)
//!     .attribute(&Lifetime(1200))
//!     .fingerprint();
//!
//! let message = Message::parse(&request)?;
//! let lifetime: Lifetime = message.get().ok_or("a lifetime")??;
//! assert_eq!(lifetime.duration(), Duration::from_secs(1200));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # A client
//!
//! Lends an address and answers whatever a peer sends to it. A peer has to be permitted before anything passes.
//!
//! ```no_run
//! use std::{io, net::UdpSocket, time::{Duration, Instant}};
//! use floe::stun::LongTerm;
//! use floe::turn::{Client, Config, Event, Output, Received};
//! use floe::{Path, Seed, Timestamp};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let (socket, epoch) = (UdpSocket::bind("192.0.2.7:0")?, Instant::now());
//! let (local, now) = (socket.local_addr()?, || Timestamp::from(epoch.elapsed()));
//! let config = Config::new(LongTerm::new("alice", "correct horse")?);
//! let path = Path::udp(local, "198.51.100.1:3478".parse()?);
//! let mut client = Client::new(config, path, Seed::from_os());
//! let peer = "203.0.113.9".parse()?;
//! client.permit(now(), peer)?;
//! client.allocate(now())?;
//! let mut buffer = [0; 2048];
//! loop {
//!     while let Some(output) = client.poll_output() {
//!         match output {
//!             Output::Transmit(t) => if socket.send_to(&t.payload, t.path.remote()).is_err() {
//!                 client.handle_transmit_error(now(), t.path);
//!             },
//!             Output::Event(Event::Allocated(allocated)) => println!("send to {}", allocated.relayed),
//!             Output::Event(Event::Lost(_)) => {
//!                 client.permit(now(), peer)?;
//!                 client.allocate(now())?; // waits by itself if it has to
//!             }
//!             Output::Event(Event::Failed(failure)) => return Err(failure.into()),
//!             Output::Event(event) => println!("{event:?}"),
//!         }
//!     }
//!     let wait = client.deadline().map(|at| at.saturating_since(now()).max(Duration::from_millis(1)));
//!     socket.set_read_timeout(wait)?;
//!     match socket.recv_from(&mut buffer) {
//!         Ok((n, from)) => match client.handle_datagram(now(), Path::udp(local, from), &buffer[..n]) {
//!             Received::Data { peer, payload } => if let Some(route) = client.route(peer) {
//!                 let mut answer = Vec::new();
//!                 route.encode(payload, &mut answer);
//!                 socket.send_to(&answer, route.path().remote())?;
//!             },
//!             Received::Control | Received::Ignored(_) => {}
//!         },
//!         Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
//!         Err(e) => return Err(e.into()),
//!     }
//!     client.handle_timeout(now());
//! }
//! # }
//! ```
//!
//! [`stun::Method`]: crate::stun::Method
//! [`stun::ErrorCode`]: crate::stun::ErrorCode

mod allocation;
mod attribute;
mod binding;
mod channel;
mod client;
mod config;
mod error;
mod event;
mod held;
mod lease;
mod permission;
mod receive;
mod request;
mod response;
mod route;
mod terms;
mod timer;
mod token;
pub mod uri;

pub use attribute::{
    AdditionalAddressFamily, AddressErrorCode, AddressFamily, Data, DontFragment, EvenPort, Icmp, Lifetime,
    MobilityTicket, RequestedAddressFamily, RequestedTransport, ReservationToken, XorPeerAddress,
    XorRelayedAddress,
};
pub use channel::{ChannelData, ChannelDataError, ChannelNumber};
pub use client::Client;
pub use config::{Config, Families, Relayed};
pub use error::{Error, Failure, Ignored, PeerError};
pub use event::{Allocated, Event, Output, Received, State};
pub use route::{Header, Route};
