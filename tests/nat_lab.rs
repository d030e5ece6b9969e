//! The example `nat_lab`: what it understands, and that its agents come to what the network permits.
#![allow(dead_code, reason = "the pages of the example are not printed here")]

#[path = "../examples/nat_lab/description.rs"]
mod description;
#[path = "../examples/nat_lab/lab.rs"]
mod lab;

use description::{Description, Policy};
use floe::{Profile, StreamState};
use lab::{Lab, PACKETS};

/// Runs a description. Returns whether there is a way, and whether both ends have found it.
fn run(text: &str) -> [bool; 2] {
    let description = Description::parse(text).unwrap();
    let mut lab = Lab::new(&description);
    lab.run(&description);
    let found = [0, 1].map(|end| lab.state(end) == StreamState::Completed);
    assert_eq!(found[0], found[1]);
    assert_eq!(lab.data, if found[0] { [PACKETS; 2] } else { [0; 2] });
    [lab.forecast().is_feasible(), found[0]]
}

#[test]
fn described_networks_are_crossed_where_they_can_be() {
    assert_eq!(run("alice: symmetric\nbob: port-restricted\nserver stun"), [false; 2]);
    assert_eq!(run("alice: symmetric\nbob: port-restricted\nserver turn"), [true; 2]);
    assert_eq!(run("alice: no-udp, tcp-ports 443\nbob: open\nserver turn, tcp, port 443"), [true; 2]);
    let roaming = "
        network wifi: restricted     # at home
        network cell: behind carrier, full-cone
        alice: wifi, cost 10; cell, cost 900, delay 30 ms
        bob: open, ipv6
        server stun
        policy mobile
        at 2 s: unplug alice wifi
        for 20 s
    ";
    let carrier = "network carrier: map address, filter port, ports random, lifetime 30 s";
    assert_eq!(run(&format!("{carrier}\n{roaming}")), [true; 2]);
}

#[test]
fn a_description_says_what_it_lacks_and_where() {
    let cases = [
        ("alice: open", "where is bob? Write \"bob: open\", for example"),
        ("alice: symetric\nbob: open", "there is no network \"symetric\", and no translator is called so"),
        ("alice: open, loss 5\nbob: open", "line 1: \"loss 5\": write \"loss 5 %\""),
        ("\nseed x", "line 2: a seed is a whole number"),
        ("at 5 parsecs: plug bob", "line 1: \"5parsecs\" is no time; write 20 ms, 5 s or 2 min"),
        ("at 5 s: eat bob", "line 1: \"eat bob\": write unplug, plug, restart or reboot, and whom"),
        (
            "alice: a\nbob: open\nnetwork a: behind b\nnetwork b: open",
            "\"b\" has to be described before what is behind it",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(Description::parse(text).unwrap_err().to_string(), wanted);
    }
}

/// Every line that the help shows as an example.
#[test]
fn what_the_help_shows_is_understood() {
    let examples = description::HELP.lines().filter(|line| line.starts_with("  ")).take(13);
    let description = Description::parse(&examples.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(description.networks.len(), 3);
    assert_eq!(description.servers.len(), 3);
    assert_eq!((description.policy, description.seed), (Policy::Settled, 7));
    assert_ne!(Policy::Settled, Policy::Profile(Profile::Rfc8445));
}
