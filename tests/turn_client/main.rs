//! A TURN client against a server that is played by the test: what it asks, what it makes of the answers.

mod allocating;
mod bench;
mod lifetimes;
mod peers;
mod refusals;
