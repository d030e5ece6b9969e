//! No order of calls, authentic messages and odd times breaks an agent.
//!
//! `cargo +nightly fuzz run agent_ops`
#![no_main]

#[path = "../../tests/agent_ops/mod.rs"]
mod agent_ops;

use agent_ops::{Model, Op, Setting};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| {
    let Some((first, rest)) = script.split_first() else { return };
    let mut model = Model::new(Setting::from(*first));
    let (ops, _) = rest.as_chunks::<4>();
    for op in ops.iter().take(128) {
        model.apply(Op::from(*op));
    }
    model.finish();
});
