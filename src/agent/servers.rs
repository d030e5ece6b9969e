//! The servers that the caller knows, and the connections to them: asked for, opened, lost (RFC 8656 sections 3.1 and 7.1).

use core::net::SocketAddr;
use core::time::Duration;

use crate::agent::relaying::is_over;
use crate::agent::stream::Gathering;
use crate::agent::{Agent, Connect, Endpoint, Error, Output, ServerError, stream_of};
use crate::framing::Framing;
use crate::gather::{Account, Origin, Relay, RelayId, RelayState, Server};
use crate::ice::{ComponentId, ConnectId, ServerId, admit_peer_address};
use crate::net::Path;
use crate::time::Timestamp;

impl Agent {
    /// Adds a STUN or TURN server: every base asks it, present and future ones, while their stream is gathering.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] if the address cannot be sent to, [`Error::ServerTransport`] if it cannot be asked over this
    /// transport, [`Error::ServerCredentials`], [`Error::LiteServer`], [`Error::Closed`], [`Error::Limit`].
    pub fn add_server(&mut self, now: Timestamp, server: Server) -> Result<ServerId, Error> {
        self.begin(now)?;
        // rfc8445-5.2-1
        if self.is_lite() {
            return Err(Error::LiteServer);
        }
        Self::admit_server(&server)?;
        let id = ServerId::from_raw(self.ids.server);
        self.ids.server = self.ids.server.checked_add(1).ok_or(Error::Limit)?;
        self.gatherer.add_server(id, server);
        self.ask_from_all(id);
        self.settle();
        Ok(id)
    }

    /// The server is no longer wanted: what it was asked is forgotten, the reflexive candidates it has shown stay, its
    /// relays go.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownServer`], [`Error::Closed`].
    pub fn remove_server(&mut self, now: Timestamp, server: ServerId) -> Result<(), Error> {
        self.begin(now)?;
        self.gatherer.server(server).ok_or(Error::UnknownServer)?;
        self.release_relays_where(|relay| relay.server == server);
        let transactions = self.gatherer.remove_server(server).ok_or(Error::UnknownServer)?;
        self.cancel(transactions);
        self.settle();
        Ok(())
    }

    /// The next allocations at a TURN server are asked for with these, as passwords that were made for an hour expire during a
    /// long call; also where the server has turned down the ones before, while candidates may still be signalled. An
    /// allocation that there is keeps the credentials that it was made with (RFC 8656 section 5).
    ///
    /// # Errors
    ///
    /// [`Error::ServerCredentials`] if they cannot be credentials, [`Error::UnknownServer`] also for a server of STUN alone,
    /// [`Error::Closed`].
    pub fn set_server_credentials(
        &mut self,
        now: Timestamp,
        server: ServerId,
        username: &str,
        password: &str,
    ) -> Result<(), Error> {
        self.begin(now)?;
        let account = Account::new(username, password);
        account.credential().map_err(|_| Error::ServerCredentials)?;
        let known = self.gatherer.server_mut(server).filter(|known| known.account().is_some());
        known.ok_or(Error::UnknownServer)?.set_account(account);
        let now = self.now;
        for relay in self.gatherer.relays.iter_mut().filter(|relay| relay.server == server) {
            if let Some(client) = relay.any_client_mut() {
                client.set_credentials(now, username, password).map_err(|_| Error::ServerCredentials)?;
            }
        }
        self.ask_from_all(server);
        self.settle();
        Ok(())
    }

    /// Answers [`Output::Connect`]: the local address of the connection, or `None` if there is none.
    ///
    /// Returns the path of the connection, under which its frames go in and out; `None` if it is not wanted any more: close
    /// it.
    pub fn handle_connect(
        &mut self,
        now: Timestamp,
        id: ConnectId,
        local: Option<SocketAddr>,
    ) -> Option<Path> {
        self.begin(now).ok()?;
        let relay = self.gatherer.relays.connecting(id)?;
        let (id, server, base) = (relay.id, relay.server, relay.base);
        let known = self.gatherer.server(server)?;
        let path = local.map(|local| Path::new(known.transport(), local, known.address()));
        // Two connections cannot be told apart by one path.
        let path = path
            .filter(|path| self.gatherer.relays.on(path).is_none() && self.gatherer.base_of(path).is_none());
        match path {
            Some(path) => {
                self.open_relay(id, path);
                self.gatherer.relays.get_mut(id).into_iter().for_each(|relay| relay.connected = true);
            }
            None => {
                if !self.reconnect_later(id) {
                    self.forget_relay(id);
                }
                self.fail_server(server, base, ServerError::Unreachable);
            }
        }
        self.settle();
        path
    }

    /// A connection has ended, or its bytes could not be cut into frames. What hung on it is gone; a path that nobody knows
    /// is no harm.
    pub fn handle_disconnect(&mut self, now: Timestamp, path: Path) {
        if self.begin(now).is_err() {
            return;
        }
        let Some(relay) = self.gatherer.relays.on(&path).filter(|relay| relay.connected) else {
            return;
        };
        let (id, server, base) = (relay.id, relay.server, relay.base);
        let releasing = matches!(relay.state, RelayState::Releasing(_));
        self.remove_bases_where(|entry| entry.origin == Origin::Relay(id));
        if !releasing {
            self.fail_server(server, base, ServerError::Disconnected);
        }
        if releasing || !self.reconnect_later(id) {
            self.gatherer.relays.remove(|relay| relay.id == id);
        }
        self.settle();
    }

    /// A connection that has served is lost, or cannot be opened again yet, as happens when a server restarts: another one is
    /// asked for in a while, where candidates may still be signalled: six times in half a minute, or until gathering ends.
    fn reconnect_later(&mut self, id: RelayId) -> bool {
        let (now, limit) = (self.now, self.now + self.config.gathering_limit);
        let Some(component) = self.gatherer.relays.get(id).map(|relay| relay.component) else { return false };
        let Some(stream) = self.stream(component.stream()) else { return false };
        let complete = stream.gathering == Gathering::Complete;
        let wanted = stream.is_continual() || !(complete || is_over(stream));
        let Some(relay) = self.gatherer.relays.get_mut(id) else { return false };
        let Some(granted_at) = relay.granted_at.filter(|_| wanted) else { return false };
        if relay.connected && granted_at + PROVEN_AFTER <= now {
            relay.losses = 0;
        }
        if relay.losses >= LOSSES_MAX {
            return false;
        }
        relay.state = RelayState::Resting { until: now + FIRST_PAUSE.saturating_mul(1 << relay.losses) };
        relay.losses += 1;
        relay.connected = false;
        // What has been signalled as complete is not so any more only where that is foreseen.
        relay.awaited_until = if complete { None } else { Some(limit) };
        true
    }

    /// How to cut the bytes of a connection into frames; `None` if it is none of this agent's: close it.
    #[must_use]
    pub fn framing(&self, path: Path) -> Option<Framing> {
        self.gatherer.relays.on(&path).map(|_| Framing::Turn)
    }

    /// Whether a server can be asked at all.
    fn admit_server(server: &Server) -> Result<(), Error> {
        admit_peer_address(server.address()).map_err(Error::Address)?;
        match server.account() {
            Some(account) => account.credential().map(drop).map_err(|_| Error::ServerCredentials),
            None if server.wants_connection() => Err(Error::ServerTransport),
            None => Ok(()),
        }
    }

    /// Has every base ask a server whose stream may still signal candidates.
    fn ask_from_all(&mut self, server: ServerId) {
        let (streams, give_up_at) = (&self.streams, self.now + self.config.gathering_limit);
        let wants = |component: ComponentId| {
            stream_of(streams, component)
                .is_some_and(|stream| stream.gathering != Gathering::Complete || stream.is_continual())
        };
        self.gatherer.ask_server(server, give_up_at, wants);
    }

    /// Asks the caller for a connection to the server of a relay, from the address of `path`.
    pub(super) fn ask_for_connection(&mut self, id: RelayId, path: Path) -> bool {
        let connect = ConnectId::from_raw(self.ids.connect);
        let Some(relay) = self.gatherer.relays.get_mut(id) else { return false };
        let (component, server, until) = (relay.component, relay.server, relay.awaited_until);
        relay.state = RelayState::Connecting(connect);
        let Some(server) = self.gatherer.server(server).map(|known| (server, known.security())) else {
            return false;
        };
        self.ids.connect += 1;
        self.outputs.push_back(Output::Connect(Connect {
            id: connect,
            component,
            to: Endpoint::Server(server.0),
            transport: path.transport(),
            security: server.1,
            local: SocketAddr::new(path.local().ip(), 0),
            remote: path.remote(),
            give_up_at: until.unwrap_or(self.now + self.config.gathering_limit),
        }));
        true
    }

    /// Has the caller close the connection of a relay, if it is reached by one.
    pub(super) fn disconnect_from(&mut self, id: RelayId) {
        let connection = self.gatherer.relays.get(id).filter(|relay| relay.connected);
        let path = connection.and_then(Relay::path);
        path.into_iter().for_each(|path| self.outputs.push_back(Output::Disconnect(path)));
    }
}

/// Half a second, one, two, .. 16: as long as servers take to restart.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LOSSES_MAX: u8 = 6;
/// How long a connection has to serve for the losses before it to be forgotten.
const PROVEN_AFTER: Duration = Duration::from_secs(60);
