//! No TURN server, not even one that knows the password, makes a client panic, spin, or believe what is not sealed.
//!
//! `cargo +nightly fuzz run turn_client`
#![no_main]

#[path = "../../tests/turn_hostile/mod.rs"]
mod turn_hostile;

use libfuzzer_sys::fuzz_target;
use turn_hostile::{Step, Subject};

fuzz_target!(|script: &[u8]| {
    let Some(([settings, begun], rest)) = script.split_first_chunk() else { return };
    let mut subject = Subject::new(*settings);
    if begun & 1 == 0 {
        subject.allocate();
    }
    let (steps, _) = rest.as_chunks::<8>();
    for step in steps.iter().take(128) {
        subject.take(Step(*step));
    }
    subject.finish();
});
