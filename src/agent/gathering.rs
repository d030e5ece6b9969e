//! Asking servers, and what their answers yield (RFC 8445 section 5.1.1.2).

use alloc::vec::Vec;
use bytes::Bytes;
use core::net::SocketAddr;

use crate::agent::stats::count;
use crate::agent::stream::Gathering;
use crate::agent::{Agent, Event, Ignored, Owner, Received, ServerError, StreamState};
use crate::gather::{Attempt, AttemptId, Turn};
use crate::ice::check::is_known;
use crate::ice::local::Reflexive;
use crate::ice::{BaseId, CandidateKind, FoundationKey, Priority, ServerId, TypePreferences};
use crate::net::{Path, canonical, is_sendable, unscoped};
use crate::stun::{
    AttributeType, Builder, Class, ErrorCode, Fingerprint, MappedAddress, Message, Method, Rto,
    XorMappedAddress,
};

/// The transaction of a gathering attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttemptOwner(pub(super) AttemptId);

impl Agent {
    /// Sends the next request to a server, if one is waiting.
    pub(super) fn ask_server(&mut self) -> bool {
        match self.gatherer.next() {
            Some(Turn::Attempt(id)) => self.ask_for_binding(id),
            Some(Turn::Relay(id)) => self.serve_relay(id),
            None => false,
        }
    }

    fn ask_for_binding(&mut self, id: AttemptId) -> bool {
        let Some(path) = self.gatherer.attempt(id).map(|attempt| attempt.path) else { return false };
        let transaction = self.next_transaction_id();
        let mut out = Vec::with_capacity(28);
        // rfc8445-5.1.1.2-2: no credentials, no role.
        Builder::request(&mut out, Method::BINDING, transaction).fingerprint();
        let payload = Bytes::from(out);
        let rto = self.gathering_rto();
        let owner = Owner::Gather(AttemptOwner(id));
        self.transactions.start(self.now, transaction, path, payload.clone(), rto, owner);
        self.gatherer.asked(id, transaction);
        self.transmit(path, payload);
        true
    }

    /// rfc8445-14.3-1
    pub(super) fn gathering_rto(&self) -> Rto {
        let gathered = u32::try_from(self.gatherer.unanswered()).unwrap_or(u32::MAX);
        self.config.rto.at_least(self.ta().saturating_mul(gathered))
    }

    /// A server has answered.
    pub(super) fn handle_server_answer(
        &mut self,
        owner: AttemptOwner,
        message: &Message<'_>,
        path: Path,
    ) -> Received<'static> {
        let Some(attempt) = self.gatherer.attempt(owner.0).cloned() else {
            return self.ignore(Ignored::UnknownTransaction);
        };
        if attempt.path != path {
            return self.ignore(Ignored::UnknownTransaction);
        }
        // Optional from servers; but if it is there it has to be right.
        if message.fingerprint() == Fingerprint::Wrong {
            return self.ignore(Ignored::Fingerprint);
        }
        self.transactions.finish(self.now, message.transaction_id());
        match mapped_address(message) {
            Ok(mapped) => {
                self.gatherer.bound(owner.0, self.now + self.config.server_keepalive);
                self.add_server_reflexive(attempt.base, attempt.server, mapped);
            }
            Err(error) => self.end_attempt(&attempt, error),
        }
        self.settle();
        Received::Control
    }

    /// A mapped address becomes a candidate, unless it says nothing new (RFC 8445 section 5.1.3).
    pub(super) fn add_server_reflexive(&mut self, base: BaseId, server: ServerId, mapped: SocketAddr) {
        let rank = u16::try_from(self.gatherer.server_rank(server)).unwrap_or(u16::MAX);
        let Some(address) = self.gatherer.server(server).map(|server| server.address()) else { return };
        let Some(entry) = self.gatherer.base(base).cloned() else { return };
        let kind = CandidateKind::ServerReflexive;
        let key = FoundationKey {
            kind,
            base: entry.base.local().ip(),
            server: Some(address.ip()),
            transport: entry.base.transport,
        };
        let foundation = self.foundations.of(key);
        let (id, limit) = (self.next_candidate_id(), self.config.limits.local_candidates);
        let Some(stream) = self.stream(entry.component.stream()) else { return };
        let Some(host) = stream.locals.of_base(base) else { return };
        if stream.locals.is_redundant(base, mapped) || stream.locals.len() >= limit {
            return;
        }
        let highest = host.candidate.priority().local_preference().saturating_sub(rank);
        let preference = stream.locals.free_preference(entry.component, kind, highest);
        let priority =
            Priority::of(TypePreferences::default().of(kind), preference, entry.component.number());
        let mut local = Reflexive { id, kind, mapped, foundation, priority }.of(host);
        local.candidate = entry.base.describe(local.candidate);
        self.announce(local);
    }

    /// An attempt has come to nothing.
    pub(super) fn end_attempt(&mut self, attempt: &Attempt, error: ServerError) {
        let transactions = self.gatherer.remove_attempts(|other| other.id == attempt.id);
        self.cancel(transactions);
        self.fail_server(attempt.server, attempt.base, error);
    }

    /// A server is of no use to a base.
    pub(super) fn fail_server(&mut self, server: ServerId, base: BaseId, error: ServerError) {
        count(&mut self.stats.others().servers_failed);
        self.emit(Event::ServerFailed { server, base, error });
    }

    /// What gathering has to do as time passes.
    pub(super) fn handle_gathering_timeout(&mut self) {
        for attempt in self.gatherer.handle_timeout(self.now) {
            self.end_attempt(&attempt, ServerError::Timeout);
            self.cancel(attempt.state.transaction());
        }
    }

    /// Lets go of bindings that are not needed any more (rfc8445-5.1.1.4-1: they are kept while ICE has not completed).
    pub(super) fn release_bindings(&mut self) {
        let streams = &self.streams;
        self.gatherer.retain_bindings(|component| {
            super::stream_of(streams, component).is_some_and(|stream| {
                !matches!(stream.state, StreamState::Completed | StreamState::Failed(_) | StreamState::Closed)
            })
        });
    }

    /// Announces the end of gathering where it has come (RFC 8838 section 13).
    pub(super) fn conclude_gathering(&mut self, index: usize) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let id = stream.id;
        let is_gathering = self.gatherer.is_gathering(|component| component.stream() == id);
        if stream.gathering == Gathering::Complete && is_gathering && stream.is_continual() {
            stream.gathering = Gathering::BasesKnown;
        }
        if stream.gathering == Gathering::BasesKnown && !is_gathering {
            stream.gathering = Gathering::Complete;
            stream.provided.in_the_end = stream.provided.so_far;
            let generation = stream.generation;
            self.emit(Event::GatheringComplete { stream: id, generation });
        }
    }
}

/// What a server says our address is (RFC 8489 section 6.3.3; MAPPED-ADDRESS alone is what servers of RFC 3489 send).
fn mapped_address(message: &Message<'_>) -> Result<SocketAddr, ServerError> {
    let is_known = |attribute| is_known(attribute) || RFC_3489_ATTRIBUTES.contains(&attribute);
    if message.unknown_required(is_known).next().is_some() {
        return Err(ServerError::UnknownAttribute);
    }
    if message.class() != Class::Success {
        // rfc8445-5.1.1.2-3: redirections included; ALTERNATE-SERVER is not followed.
        let code = message.get::<ErrorCode<'_>>().and_then(Result::ok).map_or(0, |error| error.code());
        return Err(ServerError::Rejected(code));
    }
    let xored =
        message.get::<XorMappedAddress>().and_then(Result::ok).map(|XorMappedAddress(address)| address);
    let plain = || message.get::<MappedAddress>().and_then(Result::ok).map(|MappedAddress(address)| address);
    let mapped = xored.or_else(plain).map(|address| unscoped(canonical(address)));
    mapped.filter(|address| is_sendable(*address)).ok_or(ServerError::NoMappedAddress)
}

/// SOURCE-ADDRESS and CHANGED-ADDRESS: a server of RFC 3489 puts them into every answer, and they are of no interest
/// (rfc8445-5.1.1.2-4).
const RFC_3489_ATTRIBUTES: [AttributeType; 2] = [AttributeType::new(0x0004), AttributeType::new(0x0005)];
