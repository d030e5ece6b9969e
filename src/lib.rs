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
    clippy::unwrap_used
)]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod entropy;
pub mod ice;
mod net;
pub mod sdp;
#[cfg(feature = "sim")]
pub mod sim;
pub mod stun;
mod time;

pub use entropy::Seed;
pub use net::{Path, Transport};
pub use time::Timestamp;
