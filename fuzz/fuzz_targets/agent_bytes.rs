//! No datagram without valid credentials changes an agent, whatever it has in it and whenever it comes.
//!
//! `cargo +nightly fuzz run agent_bytes`
#![no_main]

#[path = "../../tests/agent_bytes/mod.rs"]
mod agent_bytes;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| agent_bytes::run(script));
