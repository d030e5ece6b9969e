//! How application data goes out: where to, and what is put around it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::agent::Agent;
use crate::gather::Origin;
use crate::ice::{ComponentId, PairId};
use crate::net::Path;
use crate::turn::{self, Header};

/// The way to send application data for a component.
///
/// A route is a copy, for the tasks that send; [`Event::Route`](crate::Event::Route) says when it has to be asked for
/// again. floe never holds application data.
///
/// By way of a relay a payload travels within a TURN message: [`header`](Self::header), the payload,
/// [`padding`](Self::padding). Who can write several buffers at once copies nothing; [`encode`](Self::encode) copies once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Route {
    path: Path,
    pair: PairId,
    relay: Option<turn::Route>,
}

impl Route {
    /// Where the bytes go: to the peer, or to the server that relays them.
    #[must_use]
    pub const fn path(&self) -> Path {
        match &self.relay {
            Some(relay) => relay.path(),
            None => self.path,
        }
    }

    /// The pair that carries them.
    #[must_use]
    pub const fn pair(&self) -> PairId {
        self.pair
    }

    /// The most bytes that are added to a payload: to be taken off the path's MTU.
    #[must_use]
    pub const fn overhead(&self) -> usize {
        match &self.relay {
            Some(relay) => relay.overhead(),
            None => 0,
        }
    }

    /// What goes in front of a payload of this many bytes.
    #[must_use]
    pub fn header(&self, payload_len: usize) -> Header {
        self.relay.map_or_else(Header::default, |relay| relay.header(payload_len))
    }

    /// How many zero bytes follow a payload of this many bytes.
    #[must_use]
    pub const fn padding(&self, payload_len: usize) -> usize {
        match &self.relay {
            Some(relay) => relay.padding(payload_len),
            None => 0,
        }
    }

    /// Appends to `out` what has to be sent on [`path`](Self::path) for `payload` to reach the peer.
    pub fn encode(&self, payload: &[u8], out: &mut Vec<u8>) {
        match &self.relay {
            Some(relay) => relay.encode(payload, out),
            None => out.extend_from_slice(payload),
        }
    }
}

/// What is remembered of a route that was announced. Of a pair the path is always the same.
#[derive(Clone, Debug)]
pub(crate) struct Announced {
    pair: PairId,
    relay: Option<Box<turn::Route>>,
}

impl Announced {
    /// The pair that carries the bytes.
    pub(super) const fn pair(&self) -> PairId {
        self.pair
    }

    /// Where the bytes go, if that is to a relay.
    pub(super) fn relay_path(&self) -> Option<Path> {
        self.relay.as_deref().map(turn::Route::path)
    }

    pub(super) fn is(&self, route: &Route) -> bool {
        self.pair == route.pair && self.relay.as_deref() == route.relay.as_ref()
    }
}

impl From<Route> for Announced {
    fn from(route: Route) -> Self {
        Self { pair: route.pair, relay: route.relay.map(Box::new) }
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
        let valid = self.stream(component.stream())?.route(component)?;
        let (path, pair) = (valid.path, valid.id);
        let Origin::Relay(id) = self.gatherer.base_of(&path)?.origin else {
            return Some(Route { path, pair, relay: None });
        };
        // rfc8445-12.1-3
        let relay = self.gatherer.relays.get(id)?.client()?.route(path.remote())?;
        Some(Route { path, pair, relay: Some(relay) })
    }
}
