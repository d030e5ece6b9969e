//! Bytes decide the networks, the timeline and the schedule of two agents: every rule that is known of agents and of
//! sessions holds.
//!
//! `cargo +nightly fuzz run world`
#![no_main]

#[path = "../../tests/worlds/mod.rs"]
mod worlds;

use libfuzzer_sys::fuzz_target;
use worlds::Plan;
use worlds::dice::Dice;
use worlds::extras::extend;

fuzz_target!(|bytes: &[u8]| {
    let [hostile, seed, choices @ ..] = bytes else { return };
    let mut dice = Dice::of(choices);
    let mut plan = Plan::draw(u64::from(*seed), &mut dice, hostile % 4 == 3);
    extend(&mut plan, &mut dice);
    worlds::run(&plan);
});
