//! Relays: one base at one TURN server, from the question to the release (RFC 8445 section 5.1.1.2, RFC 8656).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use crate::ice::{BaseId, ComponentId, ConnectId, ServerId};
use crate::list::Rare;
use crate::net::Path;
use crate::time::{Deadline, Timestamp};
use crate::turn::{Client, Output, State};

/// Never reused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RelayId(NonZeroU32);

/// One base at one TURN server.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) id: RelayId,
    /// The socket that it is asked from, or whose address its connection starts from.
    pub(crate) base: BaseId,
    pub(crate) component: ComponentId,
    pub(crate) server: ServerId,
    /// From the socket of the base, or its address, to the server.
    pub(crate) socket_path: Path,
    pub(crate) state: RelayState,
    /// The server is reached by a connection of its own, which is the caller's to close, rather than from the socket of the
    /// base.
    pub(crate) connected: bool,
    /// Gathering waits for it until then, and not once it has its answer.
    pub(crate) awaited_until: Option<Timestamp>,
    /// When the server last granted an allocation.
    pub(crate) granted_at: Option<Timestamp>,
    /// How often in a row its connection was lost, or could not be opened again.
    pub(crate) losses: u8,
    /// How often a path was given up because the server takes it for somebody else's.
    pub(crate) moves: u8,
    /// Nobody needs it any more, and it is released then.
    pub(crate) release_at: Option<Timestamp>,
}

/// How far a relay has come.
///
/// ```text
/// (Resting --time--> Queued)
///
/// Queued --slot--> Connecting --connection--> Open --no more use--> Releasing --answer--> (gone)
///    |                  \---no connection---> (gone)
///    '----slot, where the socket of the base will do----> Open
/// ```
///
/// `Open` leads back to `Queued` when the server takes the path for somebody else's, and when a connection that has served
/// does no more, and to `Resting` when such a connection is closed; any other failure ends it.
#[derive(Debug)]
pub(crate) enum RelayState {
    /// Its connection was lost, and another one is asked for at this instant.
    Resting { until: Timestamp },
    /// Waits for its slot to ask for a connection.
    Queued,
    /// The caller is opening a connection.
    Connecting(ConnectId),
    /// There is a path to the server, and the client does the rest.
    Open(Box<Client>),
    /// The stream has no more use for it; the client waits for its leave.
    Releasing(Box<Client>),
}

impl Relay {
    /// The client, while the relay is wanted.
    pub(crate) fn client(&self) -> Option<&Client> {
        match &self.state {
            RelayState::Open(client) => Some(client),
            RelayState::Resting { .. }
            | RelayState::Queued
            | RelayState::Connecting(_)
            | RelayState::Releasing(_) => None,
        }
    }

    pub(crate) fn client_mut(&mut self) -> Option<&mut Client> {
        match &mut self.state {
            RelayState::Open(client) => Some(client),
            RelayState::Resting { .. }
            | RelayState::Queued
            | RelayState::Connecting(_)
            | RelayState::Releasing(_) => None,
        }
    }

    /// The client, wanted or on its way out.
    pub(crate) fn any_client(&self) -> Option<&Client> {
        match &self.state {
            RelayState::Open(client) | RelayState::Releasing(client) => Some(client),
            RelayState::Resting { .. } | RelayState::Queued | RelayState::Connecting(_) => None,
        }
    }

    pub(crate) fn any_client_mut(&mut self) -> Option<&mut Client> {
        match &mut self.state {
            RelayState::Open(client) | RelayState::Releasing(client) => Some(client),
            RelayState::Resting { .. } | RelayState::Queued | RelayState::Connecting(_) => None,
        }
    }

    /// Whether there is an allocation, and it is wanted.
    pub(crate) fn is_allocated(&self) -> bool {
        self.client().is_some_and(|client| client.state() == State::Allocated)
    }

    /// The next thing that the client has to say.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.any_client_mut()?.poll_output()
    }

    /// Has the client take its leave; `false` if there is nothing to take leave of.
    pub(crate) fn release(&mut self, now: Timestamp) -> bool {
        match core::mem::replace(&mut self.state, RelayState::Queued) {
            RelayState::Open(mut client) | RelayState::Releasing(mut client) => {
                client.close(now);
                self.state = RelayState::Releasing(client);
                (self.awaited_until, self.release_at) = (None, None);
                true
            }
            RelayState::Resting { .. } | RelayState::Queued | RelayState::Connecting(_) => false,
        }
    }

    /// Whether the path leads to the server.
    fn is_on(&self, path: &Path) -> bool {
        self.any_client().is_some_and(|client| client.is_on(path))
    }

    /// The path to the server.
    pub(crate) fn path(&self) -> Option<Path> {
        self.any_client().map(Client::path)
    }

    /// Whether it waits for a slot of the agent's pace.
    fn is_waiting(&self) -> bool {
        match &self.state {
            RelayState::Queued => true,
            RelayState::Open(client) => client.is_waiting(),
            RelayState::Resting { .. } | RelayState::Connecting(_) | RelayState::Releasing(_) => false,
        }
    }

    /// Lets time pass.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        if matches!(self.state, RelayState::Resting { until } if until <= now) {
            self.state = RelayState::Queued;
        }
        if let Some(client) = self.any_client_mut() {
            client.handle_timeout(now);
        }
    }

    fn deadlines(&self, deadline: &mut Deadline) {
        if let RelayState::Resting { until } = self.state {
            deadline.at(until);
        }
        deadline.at(self.awaited_until);
        deadline.at(self.release_at);
        deadline.at(self.any_client().and_then(Client::deadline));
    }
}

/// The relays of an agent, in the order in which they were queued.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    relays: Rare<Relay>,
    count: u32,
}

impl Relays {
    pub(crate) fn is_empty(&self) -> bool {
        self.relays.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Relay> {
        self.relays.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Relay> {
        self.relays.iter_mut()
    }

    pub(crate) fn get(&self, id: RelayId) -> Option<&Relay> {
        self.relays.iter().find(|relay| relay.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: RelayId) -> Option<&mut Relay> {
        self.relays.iter_mut().find(|relay| relay.id == id)
    }

    /// The relay whose server a path leads to.
    pub(crate) fn on(&self, path: &Path) -> Option<&Relay> {
        self.relays.iter().find(|relay| relay.is_on(path))
    }

    pub(crate) fn on_mut(&mut self, path: &Path) -> Option<&mut Relay> {
        self.relays.iter_mut().find(|relay| relay.is_on(path))
    }

    /// The relay that a connection is being opened for.
    pub(crate) fn connecting(&mut self, id: ConnectId) -> Option<&mut Relay> {
        let is_meant =
            |relay: &&mut Relay| matches!(relay.state, RelayState::Connecting(known) if known == id);
        self.relays.iter_mut().find(is_meant)
    }

    /// Queues a relay.
    pub(super) fn add(
        &mut self,
        (base, component): (BaseId, ComponentId),
        server: ServerId,
        socket_path: Path,
        awaited_until: Timestamp,
    ) {
        let (id, state) = (RelayId(NonZeroU32::MIN.saturating_add(self.count)), RelayState::Queued);
        self.count += 1;
        self.relays.push(Relay {
            id,
            base,
            component,
            server,
            socket_path,
            state,
            connected: false,
            granted_at: None,
            losses: 0,
            awaited_until: Some(awaited_until),
            moves: 0,
            release_at: None,
        });
    }

    /// Takes out the relays that `gone` picks.
    pub(crate) fn remove(&mut self, gone: impl Fn(&Relay) -> bool) -> Vec<Relay> {
        self.relays.extract(gone)
    }

    /// The relay whose turn it is: of the lowest component, of these the first.
    pub(super) fn next(&self) -> Option<&Relay> {
        let ready = |relay: &&Relay| relay.is_waiting() && !self.has_to_wait(relay);
        self.relays.iter().filter(ready).min_by_key(|relay| relay.component.number())
    }

    /// Whether a relay would begin on a path that another one is taking its leave on: a 5-tuple has one allocation, and its
    /// server's answers one reader.
    fn has_to_wait(&self, relay: &Relay) -> bool {
        let leaving = |other: &Relay| matches!(other.state, RelayState::Releasing(_));
        matches!(relay.state, RelayState::Queued)
            && self.relays.iter().any(|other| leaving(other) && other.path() == Some(relay.socket_path))
    }

    /// Those that the end of gathering waits for.
    pub(super) fn awaited(&self) -> impl Iterator<Item = &Relay> {
        self.relays.iter().filter(|relay| relay.awaited_until.is_some())
    }

    /// Whether a base is at a server already.
    pub(super) fn is_at(&self, base: BaseId, server: ServerId) -> bool {
        self.relays.iter().any(|relay| {
            let releasing = matches!(relay.state, RelayState::Releasing(_));
            relay.base == base && relay.server == server && !releasing
        })
    }

    pub(super) fn deadlines(&self, deadline: &mut Deadline) {
        for relay in &self.relays {
            relay.deadlines(deadline);
        }
    }
}
