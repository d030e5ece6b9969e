//! Random worlds: two agents in a network drawn by chance, with all that may befall them, and what has to hold.
//!
//! Shared by the example `soak`, the fuzz target `world` and the tests.
#![allow(dead_code, reason = "every program uses a part of it")]

pub mod actor;
pub mod build;
pub mod dice;
pub mod differential;
pub mod expectation;
pub mod extras;
pub mod hostile;
pub mod plan;
pub mod replay;
pub mod run;
pub mod shrink;
pub mod verdict;

pub use plan::Plan;
pub use run::run;
