//! The first example that a reader meets.

const README: &str = include_str!("../README.md");

/// It compiles, too: see `Readme` in the crate.
///
/// Lesson: R-18
#[test]
fn the_first_example_gathers_through_a_relay_in_fewer_than_forty_lines() {
    let (_, example) = README.split_once("```rust,no_run\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    for step in ["Server::turn(", "add_base(", "poll_output()", "handle_datagram(", "handle_timeout("] {
        assert!(example.contains(step), "{step}");
    }
    assert!(example.lines().count() < 40, "{}", example.lines().count());
}

/// What an embedder has to do is one enum, whose every kind the example carries out without a wildcard: a further one
/// would keep it from compiling.
///
/// Lesson: R-45
#[test]
fn the_first_example_carries_out_every_kind_of_output() {
    let (_, matched) = README.split_once("match output {").unwrap();
    let (arms, _) = matched.split_once("        }\n").unwrap();
    for kind in ["Transmit", "Connect", "Disconnect", "Event"] {
        assert!(arms.contains(&format!("Output::{kind}(")), "{kind}");
    }
    assert!(!arms.contains(" _ =>"));
}
