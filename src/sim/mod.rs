//! A deterministic network in virtual time.

mod chance;
mod link;
mod nat;
mod node;
mod peer;
mod run;
mod server;
mod signal;
mod topology;
mod trace;
mod world;

pub use link::Link;
pub use nat::{Dependence, Nat, Ports};
pub use node::{Node, NodeId, Output};
pub use peer::{Delivery, Peer};
pub use server::StunServer;
pub use signal::Signalling;
pub use topology::{Host, Interfaces, NetworkId};
pub use trace::{Dropped, Entry, Event, Trace};
pub use world::{Counters, Datagram, Verdict, World};
