//! What an application knows of its agent and the [`Watch`](floe::sim::Watch) does not: which bases, servers and connections
//! there are, which names were asked for, that data may go by way of a relay alone, and that the agent was closed.

use core::net::SocketAddr;

use floe::ice::{ComponentId, StreamId};
use floe::stun::{Class, Message, Username};
use floe::{Event, Output, Path, StreamState, Transmit};

use super::relays::is_server;
use super::{Asked, Model, SERVERS, address};

impl Model {
    /// Polls everything, and looks at what comes.
    pub(super) fn drain(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            self.watch.output(&self.agent, self.now, &output);
            assert_eq!(self.watch.violation(), None, "at {:?}", self.now);
            match output {
                Output::Transmit(transmit) => self.look_at_datagram(&transmit),
                Output::Connect(connect) => self.relays.connect(connect, self.now),
                Output::Disconnect(path) => self.relays.disconnect(path),
                Output::Event(Event::Resolve { id, .. }) => {
                    assert!(!self.names.contains(&id), "{id:?} again");
                    self.names.push(id);
                }
                Output::Event(_) => {}
            }
        }
        self.watch.quiet(&self.agent, self.now);
        assert_eq!(self.watch.violation(), None, "at {:?}", self.now);
    }

    /// INV-19, INV-51: from a base that is there, to somewhere that can be, and to servers that are there.
    fn look_at_datagram(&mut self, transmit: &Transmit) {
        let (local, remote) = (transmit.path.local(), transmit.path.remote());
        let connected = self.relays.connections.contains(&transmit.path);
        // A relay takes its leave as its stream is closed, and never after.
        let leaving = is_server(remote) && self.bases.iter().any(|(.., base)| *base == local);
        assert!(connected || leaving || self.has_base(local), "{transmit:?} from no base");
        if is_server(remote) {
            return self.relays.take(self.now, transmit);
        }
        let to_server = SERVERS.iter().any(|server| address(server) == remote);
        assert!(!to_server || self.servers.iter().any(|(_, server)| *server == remote), "{transmit:?}");
        assert!(to_server || !self.setting.relay_only, "{transmit:?} past the relay");
        self.note_request(transmit.path, &transmit.payload);
    }

    /// What may be answered.
    pub(super) fn note_request(&mut self, path: Path, datagram: &[u8]) {
        let message = Message::parse(datagram).unwrap();
        if message.class() == Class::Request {
            let name = message.get::<Username<'_>>().and_then(Result::ok);
            let theirs = name.as_ref().and_then(|name| name.to_str().ok()?.split(':').next());
            let generation = theirs.and_then(|ufrag| ufrag.strip_prefix("peer")?.parse().ok());
            let id = message.transaction_id();
            self.asked.push(Asked { id, path, generation: generation.unwrap_or_default() });
        }
    }

    /// Whether datagrams of a pair can leave from there: a base, or a relayed address of ours.
    fn is_ours(&self, local: SocketAddr) -> bool {
        self.has_base(local) || self.relayed().any(|(_, relayed)| relayed == local)
    }

    /// A route leads along a valid pair, for a relayed one to the server, from a base or a connection that is there.
    fn look_at_route(&self, component: ComponentId) {
        let Some(route) = self.agent.route(component) else { return };
        let (path, pair) = (route.path(), self.agent.pair(route.pair()).expect("a pair for the route"));
        assert!(pair.is_valid() && pair.component() == component, "{pair:?}");
        if self.has_base(pair.path().local()) {
            assert_eq!(path, pair.path());
            assert_eq!(route.overhead(), 0);
            return;
        }
        assert!(self.is_ours(pair.path().local()), "{:?} leads from nowhere", pair.path());
        assert!(is_server(path.remote()) && route.overhead() > 0, "{route:?} for {:?}", pair.path());
        assert!(self.relays.connections.contains(&path) || self.has_base(path.local()), "{route:?}");
    }

    /// Whether a base is there: declared, not removed, its component and stream neither.
    pub(super) fn has_base(&self, local: SocketAddr) -> bool {
        let live = |component: ComponentId| self.agent.state(component.stream()) != Some(StreamState::Closed);
        self.bases.iter().any(|(_, component, base)| *base == local && live(*component))
    }

    pub(super) fn inspect(&self) {
        let is_closed = |stream: &StreamId| self.agent.state(*stream) == Some(StreamState::Closed);
        for stream in &self.streams {
            for pair in self.agent.pairs(*stream).filter(|pair| pair.is_listed()) {
                // INV-51
                assert!(self.is_ours(pair.path().local()), "{:?} without a base", pair.path());
            }
            (1..=3).for_each(|number| self.look_at_route(stream.component(number)));
        }
        let all_closed = self.streams.iter().all(is_closed);
        assert!(!self.closed || all_closed, "INV-10");
        assert!(!all_closed || self.relays.connections.is_empty(), "{:?} open", self.relays.connections);
    }
}
