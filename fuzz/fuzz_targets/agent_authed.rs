//! Messages of any content, signed as they should be, break no rule that is known of agents.
//!
//! `cargo +nightly fuzz run agent_authed`
#![no_main]

#[path = "../../tests/agent_authed/mod.rs"]
mod agent_authed;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| agent_authed::run(script));
