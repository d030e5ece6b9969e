//! A STUN server, to ask for one's address.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use super::node::{Node, Output};
use crate::stun::{Builder, Class, Message, Method, XorMappedAddress};
use crate::{Path, Timestamp};

/// Answers Binding requests with the address they came from. Wants no credentials, reads no attributes.
///
/// [`World::add_server`](super::World::add_server) places one; as a [`Node`] it can also be part of another.
#[derive(Debug, Default)]
pub struct StunServer {
    dead: bool,
    delay: Duration,
    now: Timestamp,
    /// Answers to give, the next one first: all wait equally long.
    answers: VecDeque<(Timestamp, Path, Bytes)>,
}

impl StunServer {
    /// A server that answers at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// A server that never answers.
    pub fn dead() -> Self {
        Self { dead: true, ..Self::default() }
    }

    pub(super) const fn is_dead(&self) -> bool {
        self.dead
    }

    /// Thinks for `delay` before each answer.
    #[must_use]
    pub fn slow(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl StunServer {
    pub(super) fn set_dead(&mut self, dead: bool) {
        self.dead = dead;
    }
}

impl Node for StunServer {
    fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        if let Some(answer) = answer(datagram, path.remote())
            && !self.dead
        {
            self.now = now;
            self.answers.push_back((now + self.delay, path, answer));
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.now = now;
    }

    fn poll_output(&mut self) -> Option<Output> {
        if self.deadline()? > self.now {
            return None;
        }
        let (_, path, answer) = self.answers.pop_front()?;
        Some(Output::Transmit(path, answer))
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.answers.front().map(|(due_at, ..)| *due_at)
    }
}

/// The answer to `datagram` from `source`, if it is a Binding request.
fn answer(datagram: &[u8], source: SocketAddr) -> Option<Bytes> {
    let request = Message::parse(datagram).ok()?;
    if request.class() != Class::Request || request.method() != Method::BINDING {
        return None;
    }
    let mut out = Vec::new();
    Builder::success(&mut out, Method::BINDING, request.transaction_id())
        .attribute(&XorMappedAddress(source))
        .fingerprint();
    Some(out.into())
}
