//! Gathering: every base asks every server of its family for its mapped address, and TURN servers for a relayed one
//! (RFC 8445 section 5.1.1.2).
//!
//! The gatherer says whom to ask next and remembers how far each question has come; requests are sent, and candidates
//! made, by the agent.

mod base;
mod bases;
mod relay;
mod server;

use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::ice::{BaseId, ComponentId, ServerId};
use crate::list::Rare;
use crate::net::{Path, Transport};
use crate::stun::TransactionId;
use crate::time::{Deadline, Timestamp};

pub use base::Base;
use bases::Bases;
pub(crate) use relay::{Relay, RelayId, RelayState, Relays};
pub(crate) use server::Account;
pub use server::Server;

/// The bases, the servers, and what each base asks of each server.
#[derive(Debug, Default)]
pub(crate) struct Gatherer {
    bases: Bases,
    servers: Rare<(ServerId, Server)>,
    attempts: Rare<Attempt>,
    attempt_count: u32,
    pub(crate) relays: Relays,
    /// Other agents may use the same sockets.
    pub(crate) shares_sockets: bool,
}

/// Where datagrams can leave from: a socket of the caller, or a relayed address, which is a base of its own (RFC 8445
/// section 4).
#[derive(Clone, Debug)]
pub(crate) struct BaseEntry {
    pub(crate) id: BaseId,
    pub(crate) component: ComponentId,
    pub(crate) base: Base,
    pub(crate) origin: Origin,
    /// The local preference of its candidates. Invariant: of one component no two are alike.
    pub(crate) preference: u16,
}

/// Who has made a base.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Origin {
    /// The caller, by declaring a socket.
    Socket,
    /// A TURN server, by allocating an address.
    Relay(RelayId),
}

impl BaseEntry {
    /// Whether the caller has a socket for it.
    pub(crate) fn is_socket(&self) -> bool {
        self.origin == Origin::Socket
    }
}

/// Whose turn it is to ask a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    Attempt(AttemptId),
    Relay(RelayId),
}

/// Never reused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AttemptId(u32);

/// One base at one server.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) id: AttemptId,
    pub(crate) base: BaseId,
    pub(crate) component: ComponentId,
    pub(crate) server: ServerId,
    pub(crate) path: Path,
    pub(crate) state: AttemptState,
}

/// How far an attempt has come.
///
/// ```text
/// Queued --ask--> Asked --answer--> Bound --refresh--> Refreshing --ask--> Reasked --answer--> Bound
///    \---give up---/  \--fail--> (gone)                     \-------fail-------/--> (gone)
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AttemptState {
    /// Waits for its slot; gathering ends without it at this instant.
    Queued { give_up_at: Timestamp },
    /// The request is under way.
    Asked { transaction: TransactionId, give_up_at: Timestamp },
    /// The mapped address is known; the binding is refreshed at this instant.
    Bound { refresh_at: Timestamp },
    /// Waits for its slot to refresh the binding.
    Refreshing,
    /// The refreshing request is under way.
    Reasked { transaction: TransactionId },
}

impl AttemptState {
    const fn is_waiting(self) -> bool {
        matches!(self, Self::Queued { .. } | Self::Refreshing)
    }

    /// Whether the end of gathering waits for it.
    const fn is_unanswered(self) -> bool {
        matches!(self, Self::Queued { .. } | Self::Asked { .. })
    }

    /// The transaction under way.
    pub(crate) const fn transaction(self) -> Option<TransactionId> {
        match self {
            Self::Asked { transaction, .. } | Self::Reasked { transaction } => Some(transaction),
            Self::Queued { .. } | Self::Bound { .. } | Self::Refreshing => None,
        }
    }
}

impl Gatherer {
    pub(crate) fn base(&self, id: BaseId) -> Option<&BaseEntry> {
        self.bases.get(id)
    }

    pub(crate) fn bases(&self) -> impl Iterator<Item = &BaseEntry> {
        self.bases.iter()
    }

    /// Those that `wanted` picks, in the order in which they came.
    pub(crate) fn bases_in_order(&self, wanted: impl Fn(&BaseEntry) -> bool) -> Vec<BaseEntry> {
        self.bases.in_order(wanted)
    }

    /// The bases that are sockets of the caller.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &BaseEntry> {
        self.bases.iter().filter(|entry| entry.is_socket())
    }

    /// The bases that a relay has made.
    pub(crate) fn relayed_by(&self, id: RelayId) -> impl Iterator<Item = &BaseEntry> {
        self.bases.iter().filter(move |entry| entry.origin == Origin::Relay(id))
    }

    /// The base of a relay at which a peer's datagrams arrive: that of its family.
    pub(crate) fn relayed_to(&self, id: RelayId, peer: &SocketAddr) -> Option<&BaseEntry> {
        self.relayed_by(id).find(|entry| entry.base.local.is_ipv4() == peer.is_ipv4())
    }

    /// Adds a base that a relay has made: it asks nobody.
    pub(crate) fn add_relayed(&mut self, entry: BaseEntry) {
        self.bases.insert(entry);
    }

    /// Whether a path leads to one of our own sockets.
    pub(crate) fn leads_to_a_base(&self, path: &Path) -> bool {
        self.bases.to(path).is_some()
    }

    /// Whether there is a base at an address.
    pub(crate) fn has_base(&self, transport: Transport, address: SocketAddr) -> bool {
        self.bases.at(transport, address).is_some()
    }

    /// Whether one of our own sockets has this address, on whatever link: no path to another one leads to a base.
    pub(crate) fn has_base_at(&self, address: SocketAddr) -> bool {
        self.bases.has_unscoped(address)
    }

    /// The base that a path names.
    pub(crate) fn base_of(&self, path: &Path) -> Option<&BaseEntry> {
        self.bases.from(path)
    }

    pub(crate) fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.iter().find(|(known, _)| *known == id).map(|(_, server)| server)
    }

    pub(crate) fn server_mut(&mut self, id: ServerId) -> Option<&mut Server> {
        self.servers.iter_mut().find(|(known, _)| *known == id).map(|(_, server)| server)
    }

    /// The place of a server in the order in which they were added.
    pub(crate) fn server_rank(&self, id: ServerId) -> usize {
        self.servers.iter().position(|(known, _)| *known == id).unwrap_or(self.servers.len())
    }

    /// Adds a base, which asks every server that is known until `give_up_at`, or none for now.
    pub(crate) fn add_base(&mut self, entry: BaseEntry, give_up_at: Option<Timestamp>) {
        if let Some(give_up_at) = give_up_at {
            self.ask_everybody(&entry, give_up_at);
        }
        self.bases.insert(entry);
    }

    fn ask_everybody(&mut self, entry: &BaseEntry, give_up_at: Timestamp) {
        let servers: Vec<ServerId> = self.servers.iter().map(|(id, _)| *id).collect();
        for id in servers {
            self.ask(entry, id, give_up_at);
        }
    }

    /// Queues what a base has to ask of a server.
    fn ask(&mut self, entry: &BaseEntry, id: ServerId, give_up_at: Timestamp) {
        let Some(server) = self.server(id) else { return };
        let Some(path) = server.path_from(&entry.base) else { return };
        if server.account().is_none() {
            self.ask_for_binding((entry.id, entry.component), id, path, give_up_at);
        } else if !self.relays.is_at(entry.id, id) {
            // What a base has of a TURN server it keeps over a restart.
            self.relays.add((entry.id, entry.component), id, path, give_up_at);
        }
    }

    /// Queues a Binding request.
    pub(crate) fn ask_for_binding(
        &mut self,
        (base, component): (BaseId, ComponentId),
        server: ServerId,
        path: Path,
        give_up_at: Timestamp,
    ) {
        self.attempt_count += 1;
        let (id, state) = (AttemptId(self.attempt_count), AttemptState::Queued { give_up_at });
        self.attempts.push(Attempt { id, base, component, server, path, state });
    }

    /// Adds a server, which nobody asks yet.
    pub(crate) fn add_server(&mut self, id: ServerId, server: Server) {
        self.servers.push((id, server));
    }

    /// Has every base ask a server that `wants` new candidates, and has not asked it yet.
    pub(crate) fn ask_server(
        &mut self,
        id: ServerId,
        give_up_at: Timestamp,
        wants: impl Fn(ComponentId) -> bool,
    ) {
        let asking = self.bases_in_order(|entry| entry.is_socket() && wants(entry.component));
        for entry in asking {
            self.ask(&entry, id, give_up_at);
        }
    }

    /// Asks all servers again from the bases of these components, and returns the transactions that this replaces.
    pub(crate) fn regather(
        &mut self,
        of: impl Fn(ComponentId) -> bool,
        give_up_at: Timestamp,
    ) -> Vec<TransactionId> {
        let replaced = self.remove_attempts(|attempt| of(attempt.component));
        let asking = self.bases_in_order(|entry| entry.is_socket() && of(entry.component));
        for entry in asking {
            self.ask_everybody(&entry, give_up_at);
        }
        replaced
    }

    /// Takes out the bases that `gone` picks, and returns them with the transactions of their attempts.
    pub(crate) fn remove_bases(
        &mut self,
        gone: impl Fn(&BaseEntry) -> bool,
    ) -> (Vec<BaseEntry>, Vec<TransactionId>) {
        let bases = self.bases.remove(gone);
        let attempts = self.remove_attempts(|attempt| bases.iter().any(|entry| entry.id == attempt.base));
        (bases, attempts)
    }

    /// Takes out a server, and returns the transactions of its attempts; `None` if it is not there.
    pub(crate) fn remove_server(&mut self, id: ServerId) -> Option<Vec<TransactionId>> {
        let position = self.servers.iter().position(|(known, _)| *known == id)?;
        self.servers.remove(position);
        Some(self.remove_attempts(|attempt| attempt.server == id))
    }

    pub(crate) fn remove_attempts(&mut self, gone: impl Fn(&Attempt) -> bool) -> Vec<TransactionId> {
        let removed = self.attempts.extract(gone);
        removed.into_iter().filter_map(|attempt| attempt.state.transaction()).collect()
    }

    /// Whose turn it is: those of the lowest component first (rfc8838-17-1), of these the quick questions first.
    pub(crate) fn next(&self) -> Option<Turn> {
        let attempt = self.next_attempt().map(|it| (it.component.number(), Turn::Attempt(it.id)));
        let relay = self.relays.next().map(|it| (it.component.number(), Turn::Relay(it.id)));
        attempt.into_iter().chain(relay).min_by_key(|(component, _)| *component).map(|(_, turn)| turn)
    }

    /// Of attempts, in the order in which they were queued, no server asked more than it should be at once
    /// (rfc8489-6.2-1).
    fn next_attempt(&self) -> Option<&Attempt> {
        let under_way = |server| {
            let asks = |attempt: &&Attempt| attempt.server == server && attempt.state.transaction().is_some();
            self.attempts.iter().filter(asks).count()
        };
        let may_ask = |attempt: &&Attempt| {
            attempt.state.is_waiting() && under_way(attempt.server) < OUTSTANDING_PER_SERVER_MAX
        };
        self.attempts.iter().filter(may_ask).min_by_key(|attempt| attempt.component.number())
    }

    /// How many candidates are being gathered: what the RTO of RFC 8445 section 14.3 grows with.
    pub(crate) fn unanswered(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.state.is_unanswered()).count()
            + self.relays.awaited().count()
    }

    /// Whether no server is asked for anything, and no relay is held.
    pub(crate) fn is_idle(&self) -> bool {
        self.attempts.is_empty() && self.relays.is_empty()
    }

    /// Whether candidates of these components may still come.
    pub(crate) fn is_gathering(&self, of: impl Fn(ComponentId) -> bool) -> bool {
        self.attempts.iter().any(|attempt| attempt.state.is_unanswered() && of(attempt.component))
            || self.relays.awaited().any(|relay| of(relay.component))
    }

    pub(crate) fn attempt(&self, id: AttemptId) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.id == id)
    }

    /// The request of an attempt has left.
    pub(crate) fn asked(&mut self, id: AttemptId, transaction: TransactionId) {
        self.transition(id, |state| match state {
            AttemptState::Queued { give_up_at } => Some(AttemptState::Asked { transaction, give_up_at }),
            AttemptState::Refreshing => Some(AttemptState::Reasked { transaction }),
            AttemptState::Asked { .. } | AttemptState::Bound { .. } | AttemptState::Reasked { .. } => None,
        });
    }

    /// The server has answered, and the binding lives until it is refreshed.
    pub(crate) fn bound(&mut self, id: AttemptId, refresh_at: Timestamp) {
        self.transition(id, |state| state.transaction().map(|_| AttemptState::Bound { refresh_at }));
    }

    fn transition(&mut self, id: AttemptId, after: impl FnOnce(AttemptState) -> Option<AttemptState>) {
        if let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.id == id) {
            attempt.state = after(attempt.state).unwrap_or(attempt.state);
        }
    }

    /// Lets time pass: bindings that are due queue for a refresh; what should have been answered by now is returned.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) -> Vec<Attempt> {
        for attempt in &mut self.attempts {
            match attempt.state {
                AttemptState::Bound { refresh_at } if refresh_at <= now => {
                    attempt.state = AttemptState::Refreshing
                }
                _ => {}
            }
        }
        let late = |attempt: &Attempt| match attempt.state {
            AttemptState::Queued { give_up_at } | AttemptState::Asked { give_up_at, .. } => give_up_at <= now,
            AttemptState::Bound { .. } | AttemptState::Refreshing | AttemptState::Reasked { .. } => false,
        };
        self.attempts.extract(late)
    }

    /// Forgets the bindings of the components that `keep` turns down: they are refreshed no more.
    pub(crate) fn retain_bindings(&mut self, keep: impl Fn(ComponentId) -> bool) {
        self.attempts.retain(|attempt| match attempt.state {
            AttemptState::Bound { .. } | AttemptState::Refreshing => keep(attempt.component),
            AttemptState::Queued { .. } | AttemptState::Asked { .. } | AttemptState::Reasked { .. } => true,
        });
    }

    /// Adds the instants at which [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn deadlines(&self, deadline: &mut Deadline) {
        for attempt in &self.attempts {
            match attempt.state {
                AttemptState::Queued { give_up_at } | AttemptState::Asked { give_up_at, .. } => {
                    deadline.at(give_up_at)
                }
                AttemptState::Bound { refresh_at } => deadline.at(refresh_at),
                AttemptState::Refreshing | AttemptState::Reasked { .. } => {}
            }
        }
        self.relays.deadlines(deadline);
    }
}

/// RFC 8489 section 6.2.
const OUTSTANDING_PER_SERVER_MAX: usize = 10;
