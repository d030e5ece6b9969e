//! A TURN client against a server that is played by the test: what it asks, what it makes of the answers.

mod allocating;
mod bench;
mod channels;
mod costs;
mod dialogues;
mod lifetimes;
mod mobility;
mod peers;
mod refusals;
mod scenarios;
mod streams;
