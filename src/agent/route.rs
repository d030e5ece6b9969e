//! How application data goes out: where to, and what is put around it.

use alloc::vec::Vec;

use crate::agent::stream::Stream;
use crate::agent::{Agent, StreamState};
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
    /// 12.1); `None` while there is no valid pair, and once the stream has failed.
    #[must_use]
    pub fn route(&self, component: ComponentId) -> Option<Route> {
        // rfc8445-12.1-6
        let alive = |stream: &&Stream| !matches!(stream.state, StreamState::Failed(_));
        let pair = self.stream(component.stream()).filter(alive)?.valid.route(component)?;
        Some(Route { path: pair.path, pair: pair.id })
    }
}
