//! What tests of other files give to be known, without an agent that it could be known of.

use core::net::SocketAddr;

use super::Wire;
use crate::{Path, Timestamp};

impl Wire {
    /// Our check on this path was answered then, under the first generation.
    pub(in crate::sim::watch) fn give_answer(&mut self, path: Path, now: Timestamp) {
        self.answered.insert((path, 0), now);
    }

    /// The last answer on this path says that its check came from there.
    pub(in crate::sim::watch) fn give_seen(&mut self, path: Path, seen: SocketAddr) {
        self.seen_as.insert(path, seen);
    }

    /// The server on this path has this address for us.
    pub(in crate::sim::watch) fn give_relayed(&mut self, server: Path, relayed: SocketAddr) {
        self.relays.relayed.entry(server).or_default().push(relayed);
    }
}
