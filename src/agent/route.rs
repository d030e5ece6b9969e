//! How application data goes out: where to, and what is put around it.

use alloc::vec::Vec;

use crate::agent::Agent;
use crate::ice::{ComponentId, PairId};
use crate::net::Path;

/// The way to send application data for a component.
///
/// A route is a copy, for the tasks that send; [`Event::Route`](crate::Event::Route) says when it has to be asked for
/// again. floe never holds application data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Route {
    path: Path,
    pair: PairId,
}

impl Route {
    /// Where the bytes go.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.path
    }

    /// The pair that carries them.
    #[must_use]
    pub const fn pair(&self) -> PairId {
        self.pair
    }

    /// The most bytes that are added to a payload: to be taken off the path's MTU.
    #[must_use]
    pub const fn overhead(&self) -> usize {
        0
    }

    /// Appends to `out` what has to be sent on [`path`](Self::path) for `payload` to reach the peer.
    pub fn encode(&self, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(payload);
    }
}

impl Agent {
    /// How to send application data: over the selected pair, before that over the best valid one (RFC 8445 section
    /// 12.1); `None` while there is no valid pair or no consent, and once the stream has failed.
    ///
    /// After a suspend, call [`handle_timeout`](Self::handle_timeout) before this: only then does the agent know what time
    /// it is.
    #[must_use]
    pub fn route(&self, component: ComponentId) -> Option<Route> {
        let pair = self.stream(component.stream())?.route(component)?;
        Some(Route { path: pair.path, pair: pair.id })
    }
}
