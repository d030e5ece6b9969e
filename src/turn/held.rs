//! Messages that wait for a permission.

use alloc::collections::VecDeque;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};

/// A few messages, the latest two of each peer: checks, which lose their meaning with time.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The oldest first.
    messages: VecDeque<(SocketAddr, Bytes)>,
    limit: usize,
}

impl Held {
    pub(super) const fn new(limit: usize) -> Self {
        Self { messages: VecDeque::new(), limit }
    }

    /// Holds a message; older ones of the same peer, then of any, make room.
    pub(super) fn push(&mut self, peer: SocketAddr, payload: &[u8]) {
        let of_peer = |(_, (to, _)): &(usize, &(SocketAddr, Bytes))| *to == peer;
        if self.messages.iter().enumerate().filter(of_peer).count() >= PER_PEER
            && let Some((at, _)) = self.messages.iter().enumerate().find(of_peer)
        {
            self.messages.remove(at);
        }
        if self.messages.len() >= self.limit {
            self.messages.pop_front();
        }
        if self.limit > 0 {
            self.messages.push_back((peer, Bytes::copy_from_slice(payload)));
        }
    }

    /// The next message for a peer that `may_go`.
    pub(super) fn pop(&mut self, may_go: impl Fn(IpAddr) -> bool) -> Option<(SocketAddr, Bytes)> {
        let at = self.messages.iter().position(|(peer, _)| may_go(peer.ip()))?;
        self.messages.remove(at)
    }

    /// Forgets what waits for this address.
    pub(super) fn forget(&mut self, peer: IpAddr) {
        self.messages.retain(|(to, _)| to.ip() != peer);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
    }
}

/// A check and the next one, should the first have been overtaken by events.
const PER_PEER: usize = 2;
