//! The simulator's TURN server, asked by hand.

#[path = "turn_server/client.rs"]
mod client;
#[path = "turn_server/faults.rs"]
mod faults;
#[path = "turn_server/policy.rs"]
mod policy;
#[path = "turn_server/relaying.rs"]
mod relaying;
#[path = "turn_server/violations.rs"]
mod violations;
