//! floe's TURN client and its agents with coturn, over the connections of the examples: UDP, TCP, TLS and DTLS.
//!
//! Each test has a server of its own on loopback. Without coturn (`turnserver` in the path) they say so and pass,
//! unless `FLOE_REQUIRE_COTURN` is set.

#[path = "../examples/driver/mod.rs"]
mod driver;

mod interop {
    mod agents;
    mod allocations;
    mod certificates;
    mod client;
    mod connections;
    mod coturn;
    mod link;
    mod refusals;
    mod relaying;
    mod wire;
}
