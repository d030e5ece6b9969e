//! What holds after each operation, and for everything that comes out.

use core::net::SocketAddr;

use floe::ice::{ComponentId, PairState};
use floe::stun::{Class, Message, Username};
use floe::{Event, Output, Path, StreamState, Transmit};

use super::relays::is_server;
use super::{Asked, Model, SERVERS, address, limits};

impl Model {
    /// Polls everything, and looks at what comes.
    pub(super) fn drain(&mut self) {
        let pairs: usize = self.streams.iter().map(|stream| self.agent.pairs(*stream).count()).sum();
        // Every base may give up every server at the same instant.
        let (bound, mut count) = (4 * pairs + 16 + 6 * self.bases.len() * self.servers.len(), 0);
        let closed = self.closed;
        while let Some(output) = self.agent.poll_output() {
            count += 1;
            assert!(count <= bound, "INV-05: {count} outputs");
            assert!(!closed, "INV-10: {output:?} after the end");
            match output {
                Output::Transmit(transmit) => self.look_at_datagram(&transmit),
                Output::Event(Event::State { stream, state }) => {
                    let index = usize::from(stream.to_raw());
                    let before = core::mem::replace(&mut self.states[index], state);
                    let anew = self.restarting == Some(stream) && state == StreamState::New;
                    let restarted = anew && before != StreamState::Closed;
                    assert!(restarted || may_follow(before, state), "INV-11: {before:?} to {state:?}");
                }
                Output::Connect(connect) => self.relays.connect(connect, self.now),
                Output::Disconnect(path) => self.relays.disconnect(path),
                Output::Event(Event::Resolve { id, .. }) => {
                    assert!(!self.names.contains(&id), "{id:?} again");
                    self.names.push(id);
                }
                Output::Event(_) => {}
            }
        }
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
        let ip = remote.ip();
        let broadcast = remote.is_ipv4() && ip == address("255.255.255.255:1").ip();
        assert!(remote.port() != 0 && remote != local, "{transmit:?}");
        assert!(!ip.is_multicast() && !ip.is_unspecified() && !broadcast, "{transmit:?}");
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
        let (limits, mut total) = (limits(), 0);
        for stream in &self.streams {
            let pairs: Vec<_> = self.agent.pairs(*stream).filter(|pair| pair.is_listed()).collect();
            total += pairs.len();
            for (index, pair) in pairs.iter().enumerate() {
                // INV-37
                let twin = |other: &floe::Pair<'_>| other.path() == pair.path();
                assert!(!pairs[index + 1..].iter().any(twin), "{:?} twice", pair.path());
                // INV-51
                assert!(self.is_ours(pair.path().local()), "{:?} without a base", pair.path());
                // INV-39
                if let PairState::InProgress(id) = pair.state() {
                    let asked = self.asked.iter().any(|asked| asked.id == id && asked.path == pair.path());
                    // By way of a relay it may wait for a permission, or be lost.
                    let asked = asked || !self.has_base(pair.path().local());
                    assert!(asked, "{:?} was never asked", pair.path());
                    assert!(self.agent.deadline().is_some(), "nobody waits for {:?}", pair.path());
                }
            }
            (1..=3).for_each(|number| self.look_at_route(stream.component(number)));
            // INV-32
            assert!(self.agent.local_candidates(*stream).count() <= limits.local_candidates);
            let remotes = self.agent.remote_candidates(*stream).count();
            assert!(
                // Those whose name nobody has resolved have as much room again.
                remotes <= 2 * limits.remote_candidates + limits.peer_reflexive,
                "{remotes} remote candidates"
            );
            if self.agent.state(*stream) == Some(StreamState::Closed) {
                assert_eq!(self.agent.pairs(*stream).count(), 0, "INV-51");
                assert!((1..=3).all(|number| self.agent.route(stream.component(number)).is_none()));
            }
        }
        assert!(total <= limits.pairs, "{total} pairs");
        let all_closed =
            self.streams.iter().all(|stream| self.agent.state(*stream) == Some(StreamState::Closed));
        assert!(!all_closed || self.agent.deadline().is_none(), "INV-51: a timer of nobody");
        assert!(!self.closed || all_closed, "INV-10");
        assert!(!all_closed || self.relays.connections.is_empty(), "{:?} open", self.relays.connections);
    }
}

/// INV-11: the graph of [`StreamState`].
fn may_follow(before: StreamState, after: StreamState) -> bool {
    use StreamState::{Checking, Closed, Completed, Connected, Failed, Lost, New, Unconfirmed};
    match (before, after) {
        (Closed, _) => false,
        (_, Closed) | (New, Checking) | (Connected, Checking) => true,
        (New | Checking, Connected | Completed | Failed(_)) => true,
        (Connected, Completed | Failed(_)) | (Completed, Checking | Connected | Failed(_)) => true,
        // From Checking too: the last component finds its pair, or is removed, while another one is in trouble.
        (Checking | Connected | Completed | Unconfirmed(_) | Lost(_), Unconfirmed(_) | Lost(_)) => true,
        (Unconfirmed(_) | Lost(_), Checking | Connected | Completed | Failed(_)) => true,
        _ => false,
    }
}
