//! What applications and tests may look at.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::agent::restart::PreviousPath;
use crate::agent::stream::{Gathering, Stream};
use crate::agent::{Agent, Limits, Server, Stats, StreamState};
use crate::ice::pair::CandidatePair;
use crate::ice::valid::ValidPair;
use crate::ice::{
    Candidate, CandidateId, CheckListState, ComponentId, Credentials, PairId, PairPriority, PairState, Role,
    ServerId, StreamId,
};
use crate::net::{Path, unscoped};

/// A candidate pair, of the check list or of the valid list.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    id: PairId,
    component: ComponentId,
    path: Path,
    priority: PairPriority,
    local: &'a Candidate,
    remote: &'a Candidate,
    listed: Option<&'a CandidatePair>,
    valid: Option<&'a ValidPair>,
    selected: bool,
}

impl<'a> Pair<'a> {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> PairId {
        self.id
    }

    /// The component that it is for.
    #[must_use]
    pub const fn component(&self) -> ComponentId {
        self.component
    }

    /// From the base of the local candidate to the remote one.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.path
    }

    /// Our candidate: for a pair that is only in the valid list, the one that the peer has seen.
    #[must_use]
    pub const fn local(&self) -> &'a Candidate {
        self.local
    }

    /// The peer's candidate.
    #[must_use]
    pub const fn remote(&self) -> &'a Candidate {
        self.remote
    }

    /// Its state. A pair that is in no check list is there because a check has succeeded, or else only because the peer's
    /// checks come that way, and is Frozen: none of ours will follow.
    #[must_use]
    pub fn state(&self) -> PairState {
        match (self.listed, self.valid) {
            (Some(pair), _) => pair.state,
            (None, Some(_)) => PairState::Succeeded,
            (None, None) => PairState::Frozen,
        }
    }

    /// Its priority (RFC 8445 section 6.1.2.3).
    #[must_use]
    pub const fn priority(&self) -> PairPriority {
        self.priority
    }

    /// Whether it is in a check list, and not only in the valid list.
    #[must_use]
    pub const fn is_listed(&self) -> bool {
        self.listed.is_some()
    }

    /// Whether it is in the valid list: data can be sent on it.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        self.valid.is_some()
    }

    /// Whether it has been nominated.
    #[must_use]
    pub fn is_nominated(&self) -> bool {
        self.valid.is_some_and(|pair| pair.nominated.is_some())
    }

    /// Whether it is the selected pair of its component.
    #[must_use]
    pub const fn is_selected(&self) -> bool {
        self.selected
    }

    /// Round-trip time of the last check that was answered without a retransmission.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.listed.and_then(|pair| pair.rtt.get())
    }

    /// The same, as if it were selected: what no agent does, and whoever watches over one has to notice.
    #[cfg(all(test, feature = "sim"))]
    pub(crate) const fn as_selected(self) -> Self {
        Self { selected: true, ..self }
    }
}

impl Agent {
    /// The role as it is now.
    #[must_use]
    pub fn role(&self) -> Role {
        self.claim.role
    }

    /// The state of a stream.
    #[must_use]
    pub fn state(&self, stream: StreamId) -> Option<StreamState> {
        self.stream(stream).map(|stream| stream.state)
    }

    /// The state of a stream's check list (RFC 8445 section 6.1.2.1).
    #[must_use]
    pub fn check_list_state(&self, stream: StreamId) -> Option<CheckListState> {
        self.lists.list(stream).map(|list| list.state)
    }

    /// The state of ICE as a whole: Completed if all streams are, Failed if all are, otherwise Running (RFC 8445 section
    /// 6.1.3). Closed streams do not count.
    #[must_use]
    pub fn session_state(&self) -> CheckListState {
        let open = || self.streams.iter().filter(|stream| !stream.is_closed());
        let all =
            |wanted: fn(StreamState) -> bool| open().count() > 0 && open().all(|stream| wanted(stream.state));
        if all(|state| state == StreamState::Completed) {
            CheckListState::Completed
        } else if all(|state| matches!(state, StreamState::Failed(_))) {
            CheckListState::Failed
        } else {
            CheckListState::Running
        }
    }

    /// What to signal to the peer.
    #[must_use]
    pub fn local_credentials(&self, stream: StreamId) -> Option<&Credentials> {
        self.stream(stream).map(|stream| &stream.local.credentials)
    }

    /// The peer's user-name fragment, by which to tell what belongs to the current generation.
    #[must_use]
    pub fn remote_ufrag(&self, stream: StreamId) -> Option<&str> {
        self.stream(stream)?.remote.as_ref().map(|remote| remote.credentials.ufrag())
    }

    /// The ice-options to signal (RFC 8839 section 5.6).
    #[must_use]
    pub fn local_options(&self) -> &'static str {
        match (self.config.renomination, self.config.continual_gathering) {
            (false, false) => "ice2 trickle",
            (true, false) => "ice2 trickle renomination renomination2",
            (false, true) => "ice2 trickle continual",
            (true, true) => "ice2 trickle renomination renomination2 continual",
        }
    }

    /// The Ta to signal (`ice-pacing`), where it is not the default of 50 ms (rfc8445-14.2-4).
    #[must_use]
    pub fn local_pacing(&self) -> Option<Duration> {
        (self.config.pacing != super::config::PACING).then_some(self.config.pacing)
    }

    /// Ta as it holds now, the larger of ours and that of every peer known so far (RFC 8445 section 14.2): no two new
    /// transactions are closer together.
    #[must_use]
    pub fn pacing(&self) -> Duration {
        self.ta()
    }

    /// The bounds that it keeps to.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.config.limits
    }

    /// Whether it keeps the peer's consent fresh ([`Config::consent`](crate::Config::consent)).
    #[must_use]
    pub fn asks_for_consent(&self) -> bool {
        self.config.consent
    }

    /// Whether candidates may be signalled one by one: `None` before the peer is known, `false` if it does not trickle and
    /// needs the complete set, once gathering has ended (RFC 8838 section 3).
    #[must_use]
    pub fn may_trickle(&self, stream: StreamId) -> Option<bool> {
        self.stream(stream)?.remote.as_ref().map(|remote| remote.trickle)
    }

    /// Whether all of our candidates are known.
    #[must_use]
    pub fn is_gathering_complete(&self, stream: StreamId) -> Option<bool> {
        self.stream(stream).map(|stream| stream.gathering == Gathering::Complete)
    }

    /// Our candidates so far, also those that are not signalled.
    pub fn local_candidates(&self, stream: StreamId) -> impl Iterator<Item = (CandidateId, &Candidate)> {
        let candidates = self.stream(stream).into_iter().flat_map(|stream| stream.locals.iter());
        candidates.map(|local| (local.id, &local.candidate))
    }

    /// The peer's candidates so far, also those that were learned from its checks.
    ///
    /// One that was signalled with a name shows the name, whatever became of it. The address of one that was learned may be
    /// what such a name hides: whoever shows candidates to strangers, as a browser does to a page, leaves out those that
    /// nobody has signalled (draft-ietf-mmusic-mdns-ice-candidates section 4.1).
    pub fn remote_candidates(&self, stream: StreamId) -> impl Iterator<Item = (CandidateId, &Candidate)> {
        let known = || self.stream(stream).into_iter();
        let named = known().flat_map(|stream| stream.unresolved.iter());
        let remotes = known().flat_map(|stream| stream.remotes.signalled());
        remotes.chain(named.map(|named| (named.id, &named.candidate)))
    }

    /// A server that was added.
    #[must_use]
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.gatherer.server(id)
    }

    /// A pair: of the current generation, or one that the generation before a restart still uses. Also one that is in no list,
    /// if data is taken from its path.
    #[must_use]
    pub fn pair(&self, id: PairId) -> Option<Pair<'_>> {
        let current =
            || self.streams.iter().find_map(|stream| self.pairs(stream.id).find(|pair| pair.id() == id));
        let previous = || {
            let path = self.streams.iter().find_map(|stream| stream.previous.as_ref()?.path(id))?;
            Some(previous_pair(path))
        };
        let heard = || self.streams.iter().find_map(|stream| heard_pair(stream, id, self.claim.role));
        current().or_else(previous).or_else(heard)
    }

    /// The pairs of a stream: those of its check list, highest priority first, then those that are only valid.
    pub fn pairs(&self, stream: StreamId) -> impl Iterator<Item = Pair<'_>> {
        let known = self.stream(stream);
        let listed = self.lists.list(stream).map_or(&[][..], |list| list.pairs());
        let valid = known.map_or(&[][..], |known| known.valid.pairs());
        let listed_ids: BTreeSet<PairId> = listed.iter().map(|pair| pair.id).collect();
        let valid_ids: BTreeMap<PairId, &ValidPair> = valid.iter().map(|pair| (pair.id, pair)).collect();
        let selected: BTreeSet<PairId> =
            known.into_iter().flat_map(Stream::selected_pairs).map(|pair| pair.id).collect();
        let listed =
            listed.iter().filter_map(move |pair| listed_pair(known?, pair, valid_ids.get(&pair.id).copied()));
        let only_valid = valid.iter().filter(move |pair| !listed_ids.contains(&pair.id));
        let pairs = listed.chain(only_valid.filter_map(move |pair| valid_pair(known?, pair)));
        pairs.map(move |pair| Pair { selected: selected.contains(&pair.id), ..pair })
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats.stats()
    }
}

fn listed_pair<'a>(
    stream: &'a Stream,
    pair: &'a CandidatePair,
    valid: Option<&'a ValidPair>,
) -> Option<Pair<'a>> {
    let (local, remote) = (stream.locals.get(pair.local)?, stream.remotes.get(pair.remote)?);
    Some(Pair {
        id: pair.id,
        component: pair.component,
        path: pair.path,
        priority: pair.priority,
        local: &local.candidate,
        remote: &remote.candidate,
        listed: Some(pair),
        valid,
        selected: false,
    })
}

fn valid_pair<'a>(stream: &'a Stream, pair: &'a ValidPair) -> Option<Pair<'a>> {
    let (local, remote) = (stream.locals.get(pair.local)?, stream.remotes.get(pair.remote)?);
    Some(unlisted_pair(pair, &local.candidate, &remote.candidate))
}

fn previous_pair(path: &PreviousPath) -> Pair<'_> {
    unlisted_pair(&path.valid, &path.local, &path.remote)
}

/// The pair of a path on which the peer's checks came when no more pairs were wanted.
fn heard_pair(stream: &Stream, id: PairId, role: Role) -> Option<Pair<'_>> {
    let known = stream.authenticated.of_pair(id)?;
    let (transport, source) = (known.path.transport(), unscoped(known.path.remote()));
    let local = stream.locals.iter().find(|it| it.is_paired() && it.base_address() == known.path.local())?;
    let remote = stream.remotes.at(known.component, transport, source)?;
    let (local, remote) = (&local.candidate, &remote.candidate);
    Some(Pair {
        id,
        component: known.component,
        path: known.path,
        priority: role.pair_priority(local.priority(), remote.priority()),
        local,
        remote,
        listed: None,
        valid: None,
        selected: false,
    })
}

fn unlisted_pair<'a>(pair: &'a ValidPair, local: &'a Candidate, remote: &'a Candidate) -> Pair<'a> {
    Pair {
        id: pair.id,
        component: pair.component,
        path: pair.path,
        priority: pair.priority,
        local,
        remote,
        listed: None,
        valid: Some(pair),
        selected: false,
    }
}
