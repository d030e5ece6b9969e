//! What a policy is shown of pairs, and what becomes of its answers.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::net::IpAddr;
use core::time::Duration;

use crate::agent::stream::Stream;
use crate::agent::{Agent, Owner};
use crate::ice::checklist::CheckList;
use crate::ice::order::least_tried;
use crate::ice::pair::{CandidatePair, PairState};
use crate::ice::valid::ValidPair;
use crate::ice::{
    Candidate, CandidateId, CandidateKind, CheckOrder, Choice, Choices, Health, PairId, Policy, Prospects,
    StreamId, Verdict,
};
use crate::stun::Transactions;
use crate::time::Timestamp;

impl Agent {
    /// What a policy sees of a stream.
    pub(super) fn views(&self, id: StreamId) -> Option<Views<'_>> {
        let (stream, list) = self.stream(id).zip(self.lists.list(id))?;
        let spares_relays = stream.may_nominate_first(self.claim.role);
        Some(Views { stream, list, transactions: &self.transactions, now: self.now, spares_relays })
    }
}

/// One stream as far as policies are concerned.
#[derive(Clone, Copy)]
pub(super) struct Views<'a> {
    pub(super) stream: &'a Stream,
    pub(super) list: &'a CheckList,
    pub(super) transactions: &'a Transactions<Owner>,
    pub(super) now: Timestamp,
    /// The peer may nominate a relay as soon as one works, although it is not the best.
    pub(super) spares_relays: bool,
}

impl Views<'_> {
    /// A pair of the check list.
    fn listed(&self, pair: &CandidatePair) -> Option<Choice> {
        let health = match pair.state {
            PairState::InProgress(id) => {
                let since = self.transactions.get(id).map_or(self.now, |check| check.started_at());
                Health::Checking(self.now.saturating_since(since))
            }
            PairState::Succeeded => Health::Sound,
            PairState::Frozen | PairState::Waiting | PairState::Failed => Health::Unchecked,
        };
        let (local, remote, cost) = self.ends(pair.local, pair.remote)?;
        Some(Choice {
            id: pair.id,
            component: pair.component,
            path: pair.path,
            local,
            remote,
            priority: pair.priority,
            cost,
            rtt: pair.rtt.get(),
            health,
        })
    }

    /// A pair of the valid list.
    pub(super) fn valid(&self, pair: &ValidPair, health: Health) -> Option<Choice> {
        let (local, remote, cost) = self.ends(pair.local, pair.remote)?;
        Some(Choice {
            id: pair.id,
            component: pair.component,
            path: pair.path,
            local,
            remote,
            priority: pair.priority,
            cost,
            rtt: pair.rtt.get(),
            health,
        })
    }

    /// The kinds of both candidates, and what their networks cost together.
    fn ends(&self, local: CandidateId, remote: CandidateId) -> Option<(CandidateKind, CandidateKind, u32)> {
        let local = self.stream.locals.get(local)?;
        let remote = &self.stream.remotes.get(remote)?.candidate;
        // A candidate that only the peer has seen is on the network of its base.
        let base = self.stream.locals.of_base(local.base).unwrap_or(local);
        Some((local.candidate.kind(), remote.kind(), cost(&base.candidate) + cost(remote)))
    }

    /// The pair to be checked in this slot: as the policy wishes, or in the order that is configured. `None` for the best.
    pub(super) fn check(&self, policy: &dyn Policy, order: CheckOrder) -> Option<PairId> {
        let pairs = self.list.pairs();
        let at = |n: usize| {
            let pair = pairs.get(n)?;
            Some((pair.state == PairState::Waiting).then(|| self.listed(pair)).flatten())
        };
        let waiting = Choices::new(&at);
        let wish = policy.check(waiting).filter(|id| waiting.contains(*id));
        wish.or_else(|| match order {
            CheckOrder::Priority => None,
            CheckOrder::Coverage => {
                let has_valid = |component| self.stream.valid.best(component).is_some();
                least_tried(pairs, has_valid, |pair| self.spares_relays && self.is_relayed(pair))
            }
        })
    }

    /// Whether data would go through a relay.
    fn is_relayed(&self, pair: &CandidatePair) -> bool {
        let ours = self.stream.locals.get(pair.local).map(|local| local.candidate.kind());
        let theirs = self.stream.remotes.get(pair.remote).map(|remote| remote.candidate.kind());
        [ours, theirs].contains(&Some(CandidateKind::Relayed))
    }

    /// What the controlling side does about a component whose best valid pair is `best`, the first one having been found at
    /// `since`. A verdict to wait ends in time.
    pub(super) fn nominate(
        &self,
        policy: &dyn Policy,
        best: &ValidPair,
        since: Timestamp,
        patience: Duration,
    ) -> Verdict {
        let pairs = self.stream.valid.pairs();
        let valid_at = |n: usize| {
            let pair = pairs.get(n)?;
            let is_of_component = pair.component == best.component;
            Some(is_of_component.then(|| self.valid(pair, Health::Sound)).flatten())
        };
        let listed = self.list.pairs();
        let rival_at = |n: usize| {
            let pair = listed.get(n)?;
            let is_rival = pair.component == best.component
                && pair.id != best.checked
                && pair.state.is_open()
                && pair.priority > best.priority;
            Some(is_rival.then(|| self.listed(pair)).flatten())
        };
        let valid = Choices::new(&valid_at);
        let is_direct = self
            .ends(best.local, best.remote)
            .is_some_and(|(local, remote, _)| [local, remote] == [CandidateKind::Host; 2]);
        let prospects = Prospects {
            valid,
            rivals: Choices::new(&rival_at),
            more_expected: self.stream.expects_candidates() && !is_direct,
            waited: self.now.saturating_since(since),
            patience,
        };
        // rfc8445-8.1.1-6: the criterion is local, and it ends.
        let left = patience.max(PATIENCE_MAX).saturating_sub(prospects.waited);
        match policy.nominate(&prospects) {
            Verdict::Nominate(id) if valid.contains(id) => Verdict::Nominate(id),
            Verdict::Wait(wait) if !wait.min(left).is_zero() => Verdict::Wait(wait.min(left)),
            Verdict::Nominate(_) | Verdict::Wait(_) => Verdict::Nominate(best.id),
        }
    }

    /// The pair that the policy would move to from `selected`, among those that are `legal`; the best of them if it names
    /// another one while the selected pair is in trouble.
    pub(super) fn successor(
        &self,
        policy: &dyn Policy,
        selected: &ValidPair,
        troubled: bool,
        legal: impl Fn(&ValidPair) -> bool,
    ) -> Option<PairId> {
        let pairs = self.stream.valid.pairs();
        let at = |n: usize| {
            let pair = pairs.get(n)?;
            Some(self.valid(pair, Health::Sound).filter(|_| legal(pair)))
        };
        let (health, others) = (if troubled { Health::Troubled } else { Health::Sound }, Choices::new(&at));
        others.best()?;
        let answer = policy.successor(&self.valid(selected, health)?, others)?;
        let fallback = || others.best().filter(|_| troubled);
        Some(answer).filter(|id| others.contains(*id)).or_else(fallback)
    }

    /// Which valid pairs are kept beside `selected`, at most `room` of them, one after the other: each as unlike as can be to
    /// the ones before, since what shares a network at one end fails together, and of those alike the best.
    pub(super) fn kept<'p>(
        &'p self,
        policy: &dyn Policy,
        selected: &ValidPair,
        room: usize,
        legal: impl Fn(&ValidPair) -> bool,
    ) -> Vec<&'p ValidPair> {
        let is_kept = |pair: &&ValidPair| {
            legal(pair) && self.valid(pair, Health::Sound).is_some_and(|choice| policy.keeps(&choice))
        };
        let in_use = self.sites(selected);
        let legal: Vec<&ValidPair> = self.stream.valid.pairs().iter().filter(is_kept).collect();
        // Behind a translator that has changed its mind there are two for one path: it has one consent, as the later.
        let is_latest = |pair: &&ValidPair| {
            let mut alike = legal.iter().filter(|other| other.path == pair.path);
            alike.all(|other| (other.answered_at, other.id) <= (pair.answered_at, pair.id))
        };
        let latest = legal.iter().copied().filter(is_latest);
        let mut left: Vec<(&ValidPair, Option<Sites>)> =
            latest.map(|pair| (pair, self.sites(pair))).collect();
        let mut kept: Vec<(&ValidPair, Option<Sites>)> = Vec::new();
        while kept.len() < room {
            let rank = |(pair, sites): &(&ValidPair, Option<Sites>)| {
                let others = kept.iter().map(|(_, other)| *other).chain([in_use]);
                let in_common = others.map(|other| shared(*sites, other));
                (in_common.clone().max(), in_common.sum::<usize>(), Reverse(pair.priority), pair.id)
            };
            let Some(next) = (0..left.len()).min_by_key(|at| left.get(*at).map(rank)) else { break };
            kept.push(left.remove(next));
        }
        kept.into_iter().map(|(pair, _)| pair).collect()
    }

    /// The networks at both ends of a pair.
    fn sites(&self, pair: &ValidPair) -> Option<Sites> {
        let (local, remote) = (self.stream.locals.get(pair.local)?, self.stream.remotes.get(pair.remote)?);
        let ours = Some(network(&local.candidate).unwrap_or_else(|| Site::Address(pair.path.local().ip())));
        let theirs = network(&remote.candidate).or_else(|| {
            // From where a relay is used, its address does not say.
            let is_own = remote.candidate.kind() != CandidateKind::Relayed;
            is_own.then(|| Site::Address(pair.path.remote().ip()))
        });
        Some([ours, theirs])
    }
}

/// Where a candidate is, as far as it is known: what is in one place fails together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Site {
    /// A network by the number that its owner has given it.
    Network(u16),
    Address(IpAddr),
}

/// Of our end and of the peer's.
type Sites = [Option<Site>; 2];

/// At how many ends two pairs are in one place. What is not known is in doubt the same.
fn shared(one: Option<Sites>, other: Option<Sites>) -> usize {
    let (Some(one), Some(other)) = (one, other) else { return 2 };
    let ends = one.iter().zip(other);
    ends.filter(|(one, other)| one.is_none() || other.is_none() || *one == other).count()
}

/// The network of a candidate, as whoever has it says.
fn network(candidate: &Candidate) -> Option<Site> {
    let id = candidate.extension("network-id").and_then(|text| text.parse::<u16>().ok());
    id.filter(|id| *id > 0).map(Site::Network)
}

/// What the use of a candidate's network costs, as whoever has it says.
fn cost(candidate: &Candidate) -> u32 {
    let cost = candidate.extension("network-cost").and_then(|text| text.parse::<u16>().ok());
    u32::from(cost.unwrap_or_default())
}

/// As long as this a policy may hold nomination up, if it is not configured to have more patience.
pub(super) const PATIENCE_MAX: Duration = Duration::from_secs(5);
