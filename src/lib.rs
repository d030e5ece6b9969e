//! ICE as a sans-IO state machine.
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
mod gather;
pub mod ice;
mod net;
pub mod sdp;
#[cfg(feature = "sim")]
pub mod sim;
pub mod stun;
mod time;

pub use agent::{
    Agent, Base, CheckRto, Config, Error, Event, Ignored, IgnoredStats, Limits, Output, Pair, Provenance,
    Reason, Received, Remote, RemoteChange, Route, Server, ServerError, Stats, StreamState, Transmit,
};
pub use entropy::Seed;
pub use net::{Path, Transport};
pub use time::Timestamp;
