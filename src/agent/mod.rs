//! The agent: what the application calls, and the walks of a datagram and of a timer through the machines below.
//!
//! | file | what happens there |
//! |---|---|
//! | `mod.rs` | the application's calls |
//! | `input.rs` | a datagram comes in: whose is it, is it authentic |
//! | `checks.rs` | a check is sent, or answered |
//! | `allowance.rs` | what may go to an address that never answers |
//! | `learn.rs` | the peer's check teaches something |
//! | `lite.rs` | a lite agent follows its peer |
//! | `gathering.rs` | a server is asked, or answers |
//! | `servers.rs` | servers are known, and connected to |
//! | `relaying.rs` | a server allocates a relay, and datagrams go by way of it |
//! | `pairing.rs` | a candidate is paired |
//! | `forming.rs` | many are, the best first |
//! | `names.rs` | a name of the peer's is asked for, or resolved |
//! | `freshness.rs` | a path in use is kept, or lost |
//! | `failover.rs` | a selected pair is in trouble, and others are looked at |
//! | `moving.rs` | the nomination moves to another pair |
//! | `backups.rs` | pairs are kept beside the selected one |
//! | `choices.rs` | a policy is asked |
//! | `restart.rs` | a new generation begins |
//! | `conclude.rs` | what follows: nomination, selected pairs, states |
//! | `timer.rs` | time passes |
//! | `mux.rs` | many agents share a socket and a pace |

mod allowance;
mod backups;
mod checks;
mod choices;
mod component;
mod conclude;
mod config;
mod ends;
mod error;
mod event;
mod failover;
mod forming;
mod freshness;
mod gathering;
mod input;
mod learn;
mod lite;
mod moving;
mod mux;
mod names;
mod pacer;
mod pairing;
mod relaying;
mod relocation;
mod restart;
mod route;
mod servers;
mod sides;
mod stats;
mod stream;
mod timer;
mod view;

use alloc::sync::Arc;
use core::time::Duration;

use crate::agent::allowance::Allowances;
use crate::agent::gathering::AttemptOwner;
use crate::agent::pacer::{Bucket, Pacer, Slot, Waits};
use crate::agent::sides::RemoteSide;
use crate::agent::stats::Counters;
use crate::agent::stream::{Gathering, RemoteGathering, Stream};
use crate::entropy::{Entropy, Purpose, Seed};
use crate::gather::{BaseEntry, Gatherer, Origin};
use crate::ice::preference::local_preference;
use crate::ice::schedule::CheckListSet;
use crate::ice::{
    BaseId, Candidate, CandidateId, ComponentId, Credentials, Foundations, PairId, Role, RoleClaim, StreamId,
    TieBreaker, admit_host_address,
};
use crate::list::{Few, Queue};
use crate::net::{Path, Transmit};
use crate::stun::{TransactionId, Transactions};
use crate::time::Timestamp;

pub use crate::gather::{Base, Server};
pub use config::{CheckRto, Config, Limits, NominateInConsent};
pub use error::{Error, Ignored, Reason, ServerError};
pub use event::{Connect, Endpoint, Event, Output, Provenance, Received, StreamState};
pub use mux::{AgentMut, Mux};
pub use route::Route;
pub use stats::{IgnoredStats, Stats};
pub use stream::{Remote, RemoteChange};
pub use view::Pair;

/// An ICE agent: one session with one peer.
///
/// **In** go commands, datagrams and the time; **out** come datagrams to send and events, through
/// [`poll_output`](Self::poll_output), one queue in the order of cause. The caller owns sockets and clock; nothing is
/// done, and nothing is asked of the operating system, but by calling a method.
///
/// After any call, drain `poll_output`; then wait until [`deadline`](Self::deadline) or a datagram, whichever is first.
/// Checks leave only in [`handle_timeout`](Self::handle_timeout), so candidates that are added together are looked at
/// together.
///
/// Time that stands still or goes back counts as the latest instant seen. A caller that is late loses the slots it
/// missed; nothing is sent in a burst to catch up.
///
/// The crate's front page has the whole loop.
#[derive(Debug)]
pub struct Agent {
    config: Arc<Config>,
    entropy: Entropy,
    /// The latest instant that any input has named.
    now: Timestamp,
    claim: RoleClaim,
    /// Changes of role since the last restart, each by an authentic conflict.
    role_switches: u8,
    transactions: Transactions<Owner>,
    pacer: Pacer,
    last_slot: Slot,
    allowances: Allowances,
    /// Leave to answer requests without valid credentials.
    answers: Bucket,
    gatherer: Gatherer,
    foundations: Foundations,
    lists: CheckListSet,
    /// A stream stands at its number; a closed one stays.
    streams: Few<Stream>,
    ids: Ids,
    outputs: Queue<Output>,
    stats: Counters,
    waits: Waits,
    /// Whether nothing is left to conclude: neither time nor the peer's saying again what it has said changes more than
    /// what to wait for. As the last conclusions have left it.
    at_rest: bool,
    /// When conclusions are to be drawn again though nothing has happened, as the last ones have found.
    reconsider_at: Option<Timestamp>,
    closed: bool,
}

/// Whose transaction it is.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Check(checks::CheckOwner),
    Gather(AttemptOwner),
    Consent(freshness::ConsentOwner),
}

/// Counters of ids, which are never reused.
#[derive(Debug, Default)]
struct Ids {
    base: u32,
    server: u16,
    candidate: u32,
    pair: u32,
    connect: u32,
}

impl Agent {
    /// An agent in its initial role that draws all its randomness from `seed`; one `Arc<Config>` serves any number of
    /// agents.
    ///
    /// The side that starts the session takes [`Role::Controlling`]; if both do, or neither, the conflict is resolved
    /// (RFC 8445 section 6.1.1).
    #[must_use]
    pub fn new(config: impl Into<Arc<Config>>, role: Role, seed: Seed) -> Self {
        let mut entropy = Entropy::new(seed);
        let tie_breaker = TieBreaker::generate(&mut entropy);
        Self {
            config: config.into(),
            entropy,
            now: Timestamp::ZERO,
            claim: RoleClaim { role, tie_breaker },
            role_switches: 0,
            transactions: Transactions::new(),
            pacer: Pacer::default(),
            last_slot: Slot::Check,
            allowances: Allowances::default(),
            answers: Bucket::default(),
            gatherer: Gatherer::default(),
            foundations: Foundations::default(),
            lists: CheckListSet::default(),
            streams: Few::new(),
            ids: Ids::default(),
            outputs: Queue::default(),
            stats: Counters::default(),
            waits: Waits::default(),
            at_rest: false,
            reconsider_at: None,
            closed: false,
        }
    }

    /// Adds a data stream with components 1 to `components` and credentials of its own.
    ///
    /// # Errors
    ///
    /// [`Error::ComponentCount`] for none, [`Error::Closed`], [`Error::Limit`].
    pub fn add_stream(&mut self, components: u8) -> Result<StreamId, Error> {
        let credentials = Credentials::generate(&mut self.entropy, self.config.ufrag_prefix);
        self.add_stream_with(components, credentials)
    }

    /// Adds a data stream with credentials of the application's making.
    ///
    /// # Errors
    ///
    /// As [`add_stream`](Self::add_stream).
    pub fn add_stream_with(&mut self, components: u8, credentials: Credentials) -> Result<StreamId, Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        if components == 0 {
            return Err(Error::ComponentCount);
        }
        let raw = u16::try_from(self.streams.len()).ok().filter(|raw| *raw < u16::MAX).ok_or(Error::Limit)?;
        let id = StreamId::from_raw(raw);
        self.streams.push(Stream {
            implementation: self.config.implementation,
            ..Stream::new(id, components, credentials)
        });
        self.lists.add();
        Ok(id)
    }

    /// The component is not needed after all (the answer accepted rtcp-mux): its bases, candidates and pairs go.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownComponent`], [`Error::UnknownStream`], [`Error::Closed`].
    pub fn remove_component(&mut self, now: Timestamp, component: ComponentId) -> Result<(), Error> {
        self.begin(now)?;
        let stream = self.stream_mut(component.stream())?;
        let removed = stream.remove_component(component).ok_or(Error::UnknownComponent)?;
        stream.unresolved.remove(|named| named.component == component);
        self.withdraw_questions();
        self.leave_relays_where(|relay| relay.component == component);
        self.remove_bases_where(|entry| entry.component == component);
        if removed.route.is_some() {
            self.emit(Event::Route { component });
        }
        self.settle();
        Ok(())
    }

    /// The stream is not needed after all (its m-line was rejected or ended). The others go on.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownStream`], [`Error::Closed`].
    pub fn close_stream(&mut self, now: Timestamp, stream: StreamId) -> Result<(), Error> {
        self.begin(now)?;
        self.stream_mut(stream)?;
        self.shut(stream);
        self.settle();
        Ok(())
    }

    /// Declares a local socket: yields a host candidate, and asks the servers from it.
    ///
    /// Once [`Event::GatheringComplete`] has come, or a pair is selected, no further candidate is signalled (RFC 8838 section
    /// 13): those of a socket that comes later are with the next [`restart`](Self::restart), which it is to precede. With
    /// [`Config::continual_gathering`](crate::Config::continual_gathering) on both sides they are signalled at once, and
    /// [`Event::GatheringComplete`] comes once more. A lite agent takes none after [`end_of_bases`](Self::end_of_bases).
    ///
    /// Of several, IPv6 goes before IPv4, and those added first before those added later; see [`Base`].
    ///
    /// # Errors
    ///
    /// [`Error::Address`], [`Error::Trackable`], [`Error::Loopback`], [`Error::BaseExists`], [`Error::BaseName`],
    /// [`Error::EndOfBases`], [`Error::Limit`], [`Error::LiteAddress`],
    /// [`Error::UnknownStream`], [`Error::UnknownComponent`], [`Error::Closed`].
    pub fn add_base(&mut self, now: Timestamp, component: ComponentId, base: Base) -> Result<BaseId, Error> {
        self.begin(now)?;
        let limit = self.config.limits.local_candidates;
        let stream = self.stream_mut(component.stream())?;
        stream.component(component).ok_or(Error::UnknownComponent)?;
        let (ended, continual) = (stream.gathering != Gathering::Open, stream.is_continual());
        // Others may have to go, and gathering may not be over after all.
        let news = base.temporary || continual;
        let gathers = stream.gathering != Gathering::Complete || continual;
        if ended && stream.is_lite() {
            return Err(Error::EndOfBases);
        }
        if stream.locals.len() >= limit {
            return Err(Error::Limit);
        }
        self.admit_lite_base(component, &base)?;
        self.admit_base(&base)?;
        let taken = self.gatherer.sockets().filter(|entry| entry.component == component);
        let taken = taken.map(|entry| entry.preference);
        let preference = local_preference(base.local().ip(), base.cost(), taken).ok_or(Error::Limit)?;
        let id = BaseId::from_raw(self.ids.base);
        self.ids.base += 1;
        let entry = BaseEntry { id, component, base, origin: Origin::Socket, preference };
        self.gatherer.add_base(entry.clone(), gathers.then_some(self.now + self.config.gathering_limit));
        self.drop_pairs_with_ourselves();
        if let Ok(stream) = self.stream_mut(component.stream())
            && stream.gathering == Gathering::Complete
            && continual
        {
            // The end of candidates meant "none for now".
            stream.gathering = Gathering::BasesKnown;
        }
        // Those of a lite agent wait for the last base.
        if !self.is_lite() && !self.config.relay_only {
            self.add_host_candidate(&entry);
        }
        self.settle_if(news);
        Ok(id)
    }

    /// The socket is gone: its candidates and pairs go with it.
    ///
    /// A stream that loses a selected pair is [`StreamState::Lost`] at once, unless another pair can take over: one that the
    /// peer has nominated besides, or, where both sides know renomination, any that is valid. Where a new socket is known
    /// before the old one goes, [`add_base`](Self::add_base) comes first.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBase`], [`Error::Closed`].
    pub fn remove_base(&mut self, now: Timestamp, base: BaseId) -> Result<(), Error> {
        self.begin(now)?;
        self.gatherer.base(base).ok_or(Error::UnknownBase)?;
        self.remove_bases_where(|entry| entry.id == base);
        self.settle();
        Ok(())
    }

    /// No more local sockets: gathering completes when all servers have answered, or have had their time.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownStream`], [`Error::Closed`].
    pub fn end_of_bases(&mut self, now: Timestamp, stream: StreamId) -> Result<(), Error> {
        self.begin(now)?;
        let known = self.stream_mut(stream)?;
        if known.gathering == Gathering::Open {
            known.gathering = Gathering::BasesKnown;
            if known.is_lite() {
                self.add_lite_candidates(stream);
            }
        }
        self.settle();
        Ok(())
    }

    /// What the peer signalled: from here on its candidates are checked.
    ///
    /// Other credentials than before are the peer's restart, after which the local ones are new as well
    /// ([`RemoteChange::Restarted`]) and have to be signalled.
    ///
    /// # Errors
    ///
    /// [`Error::SameCredentials`] if only one of fragment and password is another than before, [`Error::UserNameLength`],
    /// [`Error::UnknownStream`], [`Error::Closed`]. Candidates of the description that cannot be used are passed over.
    pub fn set_remote(
        &mut self,
        now: Timestamp,
        stream: StreamId,
        mut remote: Remote,
    ) -> Result<RemoteChange, Error> {
        self.begin(now)?;
        let patient_until = self.now + self.config.patience_for_checks;
        let change = self.remote_change(stream, &remote)?;
        match change {
            RemoteChange::Unchanged => {
                // A description that is sent again may have candidates that are new; one of the generation before has none.
                if self.stream(stream).is_some_and(|known| known.is_from_peer(&remote)) {
                    self.accept_candidates(stream, remote.candidates);
                    self.settle();
                }
                return Ok(change);
            }
            RemoteChange::Set => {}
            // rfc8445-9-7: the peer restarts, and so do we.
            RemoteChange::Restarted => {
                let credentials = Credentials::generate(&mut self.entropy, self.config.ufrag_prefix);
                self.begin_generation(stream, credentials);
            }
        }
        let (renomination, continual) = (self.config.renomination, self.config.continual_gathering);
        let (is_lite, presumes_end) = (self.is_lite(), self.config.presume_end_of_candidates);
        let backups = if self.config.consent { self.config.backups } else { 0 };
        let known = self.stream_mut(stream)?;
        let (candidates, trickles) = (core::mem::take(&mut remote.candidates), remote.trickle);
        let mut side = RemoteSide::new(remote, known.local.credentials.ufrag(), patient_until)?;
        side.renomination = side.renomination.filter(|_| renomination);
        side.presumes_end = presumes_end;
        side.backups = if side.renomination.is_some() && !is_lite { backups } else { 0 };
        // The candidates of a lite agent are ranked together, once.
        side.continual &= continual && !is_lite;
        known.remote = Some(side);
        self.take_role_for(stream);
        self.drop_foreign_candidates(stream);
        self.take_coming(stream);
        self.accept_candidates(stream, candidates);
        let known = self.stream_mut(stream)?;
        if known.take_coming_end() || !trickles {
            known.remote_gathering = RemoteGathering::Complete;
        }
        self.catch_up(stream);
        self.settle();
        Ok(change)
    }

    /// Adds one remote candidate. Before [`set_remote`](Self::set_remote) it is kept, and checked from then on. One with a
    /// name waits for the answer to [`Event::Resolve`].
    ///
    /// # Errors
    ///
    /// Every candidate that is of no use says why: [`Error::EndOfCandidates`], [`Error::CandidateGeneration`],
    /// [`Error::CandidateComponent`], [`Error::CandidateTransport`], [`Error::CandidateName`],
    /// [`Error::Address`], [`Error::Limit`]; besides [`Error::UnknownStream`], [`Error::Closed`].
    pub fn add_remote_candidate(
        &mut self,
        now: Timestamp,
        stream: StreamId,
        candidate: Candidate,
    ) -> Result<CandidateId, Error> {
        self.begin(now)?;
        let added = self.accept_candidate(stream, candidate);
        self.settle();
        added
    }

    /// The peer withdrew a candidate: pairs that are not selected go with it, unless another candidate has its address. From a
    /// selected one the agent moves to another pair, where both sides know renomination, and then lets go of it.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownStream`], [`Error::Closed`]. An unknown candidate is gone already.
    pub fn remove_remote_candidate(
        &mut self,
        now: Timestamp,
        stream: StreamId,
        candidate: CandidateId,
    ) -> Result<(), Error> {
        self.begin(now)?;
        self.stream_mut(stream)?;
        self.forget_remote(stream, candidate);
        self.settle();
        Ok(())
    }

    /// The peer has no more candidates (RFC 8838 section 14); if both sides gather continually, none for now.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownStream`], [`Error::Closed`].
    pub fn end_of_remote_candidates(&mut self, now: Timestamp, stream: StreamId) -> Result<(), Error> {
        self.begin(now)?;
        self.stream_mut(stream)?.remote_gathering = RemoteGathering::Complete;
        self.settle();
        Ok(())
    }

    /// Nominates a valid pair, where that is left to the application
    /// ([`Nomination::Manual`](crate::ice::Nomination::Manual)). Where both sides know renomination, it may do so again.
    ///
    /// # Errors
    ///
    /// [`Error::CannotNominate`] in the controlled role, when the agent nominates by itself, while a nomination is under way,
    /// when the component has this pair, or its only one, or when the check that has shown the pair was another base's and is
    /// listed no more (RFC 8445 section 8.1.1: a nomination repeats a check); [`Error::UnknownPair`], [`Error::Closed`].
    pub fn nominate(&mut self, now: Timestamp, pair: PairId) -> Result<(), Error> {
        self.begin(now)?;
        self.nominate_by_hand(pair)?;
        self.settle();
        Ok(())
    }

    /// Closes the agent: every stream says so, and nothing else is sent or accepted.
    pub fn close(&mut self, now: Timestamp) {
        if self.begin(now).is_err() {
            return;
        }
        for index in 0..self.streams.len() {
            if let Some(stream) = self.streams.get(index).map(|stream| stream.id) {
                self.shut(stream);
            }
        }
        self.settle();
        self.closed = true;
    }

    /// The next thing to do, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        if !self.outputs.is_empty() {
            return self.outputs.pop_front();
        }
        if self.at_rest {
            // Room that connecting took: from now on the session says one thing at a time, and mostly waits for nothing.
            self.outputs.shrink();
            self.transactions.shrink();
        }
        None
    }

    /// When to call [`handle_timeout`](Self::handle_timeout): now or in the past while there is something to do, which
    /// includes outputs that wait to be polled; `None` if nothing is waited for.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        if self.outputs.is_empty() { self.waits.deadline() } else { Some(self.now) }
    }
}

impl Agent {
    /// Takes note of the time; everything that begins here ends in [`settle`](Self::settle).
    fn begin(&mut self, now: Timestamp) -> Result<(), Error> {
        self.now = self.now.max(now);
        if self.closed { Err(Error::Closed) } else { Ok(()) }
    }

    fn stream(&self, id: StreamId) -> Option<&Stream> {
        self.streams.get(usize::from(id.to_raw()))
    }

    /// A stream that is not closed.
    fn stream_mut(&mut self, id: StreamId) -> Result<&mut Stream, Error> {
        let stream = self.streams.get_mut(usize::from(id.to_raw()));
        stream.filter(|stream| !stream.is_closed()).ok_or(Error::UnknownStream)
    }

    /// Whether a socket may become a base at all.
    fn admit_base(&mut self, base: &Base) -> Result<(), Error> {
        let local = base.local();
        admit_host_address(local).map_err(Error::Address)?;
        // rfc8445-5.1.1.1-5
        if local.ip().is_loopback() && !self.config.loopback {
            return Err(Error::Loopback);
        }
        if self.gatherer.has_base(base.transport, local) {
            return Err(Error::BaseExists);
        }
        // mdns-gather-1, mdns-gather-2
        if let Some(name) = base.name()
            && (!name.is_uuid() || self.gatherer.bases().any(|entry| base.shares_name_with(&entry.base)))
        {
            return Err(Error::BaseName);
        }
        // rfc8445-5.1.1.1-8, rfc8445-5.1.1.1-9: whichever was declared first, only the temporary one is a candidate.
        if local.is_ipv6() && self.gatherer.sockets().any(|entry| base.betrays(&entry.base)) {
            return Err(Error::Trackable);
        }
        if base.temporary {
            self.remove_bases_where(|entry| entry.is_socket() && entry.base.betrays(base));
        }
        Ok(())
    }

    /// Ta as it holds now: the larger of ours and that of every peer known so far (rfc8445-14.2-2).
    fn ta(&self) -> Duration {
        let theirs = self.streams.iter().filter_map(|stream| stream.remote.as_ref());
        theirs
            .map(|remote| Duration::from_nanos(u64::from(remote.pacing)))
            .fold(self.config.pacing, Duration::max)
    }

    fn next_candidate_id(&mut self) -> CandidateId {
        self.ids.candidate += 1;
        CandidateId::from_raw(self.ids.candidate)
    }

    fn next_pair_id(&mut self) -> PairId {
        self.ids.pair += 1;
        PairId::from_raw(self.ids.pair)
    }

    fn next_transaction_id(&mut self) -> TransactionId {
        TransactionId::from(self.entropy.bytes(Purpose::Transactions))
    }

    fn cancel(&mut self, transactions: impl IntoIterator<Item = TransactionId>) {
        for id in transactions {
            self.transactions.cancel(id);
        }
    }

    fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Sends a message of ICE, by way of a relay if the path begins at one.
    fn transmit(&mut self, path: Path, payload: bytes::Bytes) {
        let now = self.now;
        if let Some(client) = self.relay_of(path) {
            // A peer that the server refuses is as good as one that does not answer.
            let _ = client.send(now, path.remote(), &payload);
            return;
        }
        self.stats.transmitted += 1;
        self.outputs.push_back(Output::Transmit(Transmit { path, payload }));
    }
}

fn stream_of(streams: &[Stream], component: ComponentId) -> Option<&Stream> {
    streams.get(usize::from(component.stream().to_raw()))
}
