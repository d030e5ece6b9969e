//! What has gone wrong between TURN clients and servers elsewhere, played against the simulator's server.

mod turn_world;

#[path = "turn_lessons/agents.rs"]
mod agents;
#[path = "turn_lessons/credentials.rs"]
mod credentials;
#[path = "turn_lessons/endings.rs"]
mod endings;
#[path = "turn_lessons/forgeries.rs"]
mod forgeries;
#[path = "turn_lessons/moving.rs"]
mod moving;
#[path = "turn_lessons/peers.rs"]
mod peers;
#[path = "turn_lessons/time.rs"]
mod time;
