//! TURN (RFC 8656): a relay that lends an address, for those whom no direct path reaches.
//!
//! * The attributes of TURN are [`stun::Attribute`](crate::stun::Attribute)s like any other: [`Lifetime`],
//!   [`XorPeerAddress`], [`Data`], ..; its methods and error codes are constants of [`stun::Method`] and
//!   [`stun::ErrorCode`].
//! * [`ChannelData`] is the short form of what is relayed: four bytes in front of the payload.
//! * [`uri`] reads the URIs by which applications name servers.
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
