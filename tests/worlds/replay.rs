//! What was done to an end and what it said: done to another one like it, the same comes of it.

use core::net::IpAddr;

use floe::Path;
use floe::Timestamp;
use floe::sim::{ConnectError, Ended, LocalAddress, Node, NodeId, Output};

use super::actor::Actor;

/// Something that is done to an end, by the network, the clock, or its application.
#[derive(Clone, Debug)]
pub enum Input {
    Datagram(Path, Vec<u8>),
    Timeout,
    Addresses(Vec<LocalAddress>),
    Connect(u64, Result<Path, ConnectError>),
    Bytes(Path, Vec<u8>),
    Disconnect(Path, Ended),
    Resolved(u64, Option<IpAddr>),
    Signal(NodeId, Vec<u8>),
    Command(Command),
}

/// What an application does.
#[derive(Clone, Debug)]
pub enum Command {
    Call(NodeId),
    Restart,
    Revoke,
    Close,
    /// Data for a component.
    Send(u16, Vec<u8>),
    /// The sockets on these addresses are gone.
    RemoveBases(Vec<IpAddr>),
}

/// All that was done to an end, and what it said, after how many inputs.
#[derive(Debug, Default)]
pub struct Recording {
    pub inputs: Vec<(Timestamp, Input)>,
    pub said: Vec<(usize, Output)>,
}

impl Recording {
    /// INV-09: without a network, and without the other end, an end of the same beginnings says the same to the byte.
    pub fn compare(&self, mut actor: Actor) {
        let mut said = self.said.iter();
        let mut listen = |actor: &mut Actor, done: usize| {
            while let Some(output) = actor.poll_output() {
                let wanted = said.next().filter(|(after, wanted)| *after == done && *wanted == output);
                assert!(wanted.is_some(), "INV-09: {output:?} after {done} inputs that were recorded");
            }
        };
        listen(&mut actor, 0);
        for (done, (now, input)) in (1..).zip(&self.inputs) {
            apply(&mut actor, *now, input);
            listen(&mut actor, done);
        }
        assert_eq!(said.next(), None, "INV-09: this was said once, and not again");
    }
}

fn apply(actor: &mut Actor, now: Timestamp, input: &Input) {
    match input {
        Input::Datagram(path, datagram) => actor.handle_datagram(now, *path, datagram),
        Input::Timeout => actor.handle_timeout(now),
        Input::Addresses(addresses) => actor.handle_addresses(now, addresses),
        Input::Connect(id, outcome) => actor.handle_connect(now, *id, *outcome),
        Input::Bytes(path, bytes) => actor.handle_bytes(now, *path, bytes),
        Input::Disconnect(path, how) => actor.handle_disconnect(now, *path, *how),
        Input::Resolved(id, address) => actor.handle_resolved(now, *id, *address),
        Input::Signal(from, message) => actor.handle_signal(now, *from, message),
        Input::Command(command) => drop(actor.command(now, command.clone())),
    }
}
