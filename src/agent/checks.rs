//! Connectivity checks: sending them, and applying what their answers say (RFC 8445 section 7.2).

use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;

use crate::agent::allowance::Allowed;
use crate::agent::choices::Views;
use crate::agent::stats::count;
use crate::agent::{Agent, CheckRto, Event, Owner, Reason};
use crate::entropy::Purpose;
use crate::ice::authenticated::AuthenticatedPath;
use crate::ice::check::{Check, CheckError, Outcome};
use crate::ice::checklist::CheckList;
use crate::ice::local::{LocalCandidate, LocalCandidates, Reflexive};
use crate::ice::nomination::{Nominated, Progress};
use crate::ice::pair::{CandidatePair, PairEvent, PairState};
use crate::ice::renomination::Renomination;
use crate::ice::valid::ValidPair;
use crate::ice::{
    Candidate, CandidateId, CandidateKind, FoundationKey, PairId, Priority, Role, StreamId, TieBreaker,
    TypePreferences,
};
use crate::list::Few;
use crate::net::{Path, unscoped};
use crate::stun::{ErrorCode, Failure, Rto, Transaction, TransactionId};
use crate::time::Measured;

/// The transaction of a check, and what it was sent with.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckOwner {
    pub(super) stream: StreamId,
    pub(super) pair: PairId,
    /// The role that it claimed.
    pub(super) role: Role,
    /// The priority that a peer-reflexive candidate found by it has.
    pub(super) priority: Priority,
    /// Whether it carried USE-CANDIDATE.
    pub(super) nominates: Option<Nominated>,
}

impl Owner {
    pub(super) fn is_check_of(&self, pair: PairId) -> bool {
        matches!(self, Self::Check(owner) if owner.pair == pair)
    }

    pub(super) fn is_consent_of(&self, pair: PairId) -> bool {
        matches!(self, Self::Consent(owner) if owner.pair == pair)
    }

    pub(super) fn is_consent_for(&self, stream: StreamId) -> bool {
        matches!(self, Self::Consent(owner) if owner.component.stream() == stream)
    }

    pub(super) fn is_check_for(&self, stream: StreamId) -> bool {
        matches!(self, Self::Check(owner) if owner.stream == stream)
    }
}

impl Agent {
    /// Whether a check is waiting for a slot.
    pub(super) fn has_check(&self) -> bool {
        self.lists.has_next(|stream| self.can_check(stream))
    }

    /// Without the peer's credentials there is nothing to sign a check with (rfc8445-6.1.4.2-8).
    fn can_check(&self, stream: StreamId) -> bool {
        self.stream(stream).is_some_and(|stream| stream.remote.is_some())
    }

    /// Sends the check whose turn it is, if there is one.
    pub(super) fn send_check(&mut self) -> bool {
        loop {
            let (streams, transactions, now) = (&self.streams, &self.transactions, self.now);
            let known = |id: StreamId| streams.get(usize::from(id.to_raw()));
            let ready = |id: StreamId| known(id).is_some_and(|stream| stream.remote.is_some());
            let (policy, order, role) = (&*self.config.policy, self.config.check_order, self.claim.role);
            let wish = |id: StreamId, list: &CheckList| {
                let stream = known(id)?;
                let spares_relays = stream.may_nominate_first(role);
                Views { stream, list, transactions, now, spares_relays }.check(policy, order)
            };
            let Some((stream, pair)) = self.lists.next(ready, wish) else { return false };
            if self.start_check(stream, pair).is_some() {
                return true;
            }
        }
    }

    fn start_check(&mut self, stream: StreamId, id: PairId) -> Option<()> {
        let rto = self.check_rto();
        let known = self.streams.get(usize::from(stream.to_raw()))?;
        let pair = self.lists.list_mut(stream)?.pair_mut(id)?;
        let component = known.component(pair.component)?;
        let wanted = self.claim.role == Role::Controlling && component.nomination.nominated() == Some(id);
        let nominates = wanted.then_some(component.nominations);
        if pair.state == PairState::Succeeded && nominates.is_none() && !component.is_in_doubt() {
            return None;
        }
        let (remote, local) = (known.remote.as_ref()?, known.locals.get(pair.local)?);
        let priority = peer_reflexive_priority(&local.candidate);
        let transaction = TransactionId::from(self.entropy.bytes(Purpose::Transactions));
        let check = Check {
            id: transaction,
            remote_ufrag: remote.credentials.ufrag(),
            local_ufrag: known.local.credentials.ufrag(),
            key: &remote.key,
            priority,
            claim: self.claim,
            use_candidate: nominates,
            renomination: remote.renomination,
        };
        let payload = check.encode();
        pair.apply(PairEvent::Send(transaction));
        pair.unanswered = pair.unanswered.saturating_add(1);
        let path = pair.path;
        let owner = CheckOwner { stream, pair: id, role: self.claim.role, priority, nominates };
        self.transactions.start(self.now, transaction, path, payload.clone(), rto, Owner::Check(owner));
        count(&mut self.stats.checks_sent);
        if !self.transmit_check(path, payload) {
            self.acquit(stream, id);
        }
        self.postpone_keepalive(path);
        Some(())
    }

    /// A check that nobody was sent says nothing against its pair: the peer's next one has it checked anew, when more may go there.
    fn acquit(&mut self, stream: StreamId, id: PairId) {
        if let Some(pair) = self.lists.list_mut(stream).and_then(|list| list.pair_mut(id)) {
            pair.unanswered = pair.unanswered.saturating_sub(1);
        }
    }

    /// Sends a check, or sends it again, if its destination may have more of them. To the check it is as if the network had
    /// lost it; `false` then.
    pub(super) fn transmit_check(&mut self, path: Path, payload: Bytes) -> bool {
        let limits = &self.config.limits;
        let allowed = Allowed { packets: limits.unanswered_packets, bytes: limits.unanswered_bytes };
        let is_allowed = self.allowances.take(self.now, path.remote().ip(), payload.len(), allowed);
        if is_allowed {
            self.transmit(path, payload);
        } else {
            count(&mut self.stats.others().checks_withheld);
        }
        is_allowed
    }

    /// RFC 8445 section 14.3.
    fn check_rto(&self) -> Rto {
        let rto = self.config.rto;
        match self.config.check_rto {
            CheckRto::Constant => rto,
            CheckRto::Formula => {
                let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                let product = count(self.lists.len()).saturating_mul(count(self.lists.active()));
                rto.at_least(self.ta().saturating_mul(product))
            }
        }
    }

    /// Applies what an authentic answer to a check says.
    pub(super) fn apply_check(
        &mut self,
        owner: CheckOwner,
        id: TransactionId,
        outcome: Outcome,
        rtt: Option<Duration>,
    ) {
        match outcome {
            Outcome::Success { mapped } => self.succeed(owner, mapped, rtt),
            Outcome::RoleConflict => self.give_way(owner, id),
            Outcome::Failure(CheckError::Rejected(UNKNOWN_ATTRIBUTE)) if self.nominate_plainly(owner) => {}
            Outcome::Failure(error) => self.fail_check(owner, id, Reason::Check(error)),
        }
    }

    /// A check was not answered in time.
    pub(super) fn expire_check(&mut self, owner: CheckOwner, id: TransactionId, failure: Failure) {
        let reason = match failure {
            Failure::IntegrityViolated => Reason::IntegrityViolated,
            Failure::Timeout => Reason::Timeout,
        };
        self.fail_check(owner, id, reason);
    }

    /// renom-v2-12: to a peer that does not know NOMINATION after all, which the second draft wants to be understood,
    /// nominations go without, and none follows another. `false` if it was not about that.
    fn nominate_plainly(&mut self, owner: CheckOwner) -> bool {
        let Some(remote) = self.stream_mut(owner.stream).ok().and_then(|stream| stream.remote.as_mut())
        else {
            return false;
        };
        let numbered = owner.nominates.is_some() && remote.renomination == Some(Renomination::Second);
        if numbered {
            remote.renomination = None;
            if let Some(list) = self.lists.list_mut(owner.stream) {
                list.trigger(owner.pair);
                list.queue(owner.pair);
            }
        }
        numbered
    }

    /// RFC 8445 section 7.2.5.3, in its order.
    fn succeed(&mut self, owner: CheckOwner, mapped: SocketAddr, rtt: Option<Duration>) {
        let Some(pair) = self.lists.list(owner.stream).and_then(|list| list.pair(owner.pair)).cloned() else {
            // The pair has gone while its check was under way: another one was nominated, or its base was removed.
            return;
        };
        let Some(local) = self.mapped_candidate(&pair, unscoped(mapped), owner.priority) else { return };
        let Some(valid) = self.validate(&pair, local) else { return };
        let known = self.streams.get(usize::from(owner.stream.to_raw()));
        let component = known.and_then(|stream| stream.component(pair.component));
        let is_wanted = |id: PairId| {
            component.is_some_and(|it| it.is_in_doubt() || it.nomination.nominated() == Some(id))
        };
        let Some(list) = self.lists.list_mut(owner.stream) else { return };
        // rfc8445-7.2.5.3.3-1: the pair that was checked, and the pair that it showed to be valid.
        for id in [pair.id, valid] {
            if let Some(pair) = list.pair_mut(id) {
                pair.apply(PairEvent::Succeed);
                pair.valid = Some(valid);
            }
            // The answer has overtaken the triggered check, for which nobody has to wake up.
            if !is_wanted(id) {
                list.unqueue(id);
            }
        }
        if let Some(pair) = list.pair_mut(pair.id) {
            pair.rtt = rtt.or_else(|| pair.rtt.get()).into();
            pair.unanswered = 0;
        }
        self.lists.unfreeze(pair.foundation);
        let is_asked = |known: &ValidPair| known.id == valid && known.path == pair.path;
        if self.stream(owner.stream).is_some_and(|stream| stream.valid.pairs().iter().any(is_asked)) {
            self.renew_consent(pair.component, valid, rtt);
        }
        let Ok(stream) = self.stream_mut(owner.stream) else { return };
        let (path, component) = (pair.path, pair.component);
        stream.authenticated.insert(AuthenticatedPath { path, component, pair: valid, valid: true });
        let nominated_by_us = owner.nominates.filter(|_| owner.role == Role::Controlling);
        // rfc8445-7.2.5.3.4-1, rfc8445-7.2.5.3.4-3
        let nominated = match self.claim.role {
            Role::Controlling => nominated_by_us,
            Role::Controlled => pair.nominated_by_peer,
        };
        let Ok(stream) = self.stream_mut(owner.stream) else { return };
        let Some(nominated) = nominated else { return };
        stream.valid.nominate(valid, nominated);
        if let Some(component) = stream.component_mut(component) {
            // The answer to a nomination that another one has replaced does not end that one.
            if component.nomination.nominated().is_none_or(|current| current == owner.pair) {
                component.nomination = Progress::Nothing;
            }
        }
    }

    /// The local candidate that the peer has seen: a known one, or a new peer-reflexive one, which is not paired
    /// (RFC 8445 section 7.2.5.3.1).
    pub(super) fn mapped_candidate(
        &mut self,
        pair: &CandidatePair,
        mapped: SocketAddr,
        priority: Priority,
    ) -> Option<CandidateId> {
        let stream = self.stream(pair.component.stream())?;
        let host = stream.locals.get(pair.local)?;
        // What the peer has seen of a path is of its family; whatever else it says would name a pair that cannot be.
        if mapped.is_ipv4() != pair.path.remote().is_ipv4() {
            return Some(host.id);
        }
        if let Some(known) = stream.locals.at(pair.component, mapped, host.base) {
            // rfc7675-5.1-17: where consent is lost, nobody comes back by the word of the peer about another path.
            let path = Path::new(pair.path.transport(), known.base_address(), pair.path.remote());
            let is_lost =
                known.base != host.base && (stream.lost.contains(&path) || stream.disproven.contains(&path));
            return Some(if is_lost { host.id } else { known.id });
        }
        let seen = |local: &&LocalCandidate| local.candidate.kind() == CandidateKind::PeerReflexive;
        let limits = &self.config.limits;
        // What the peer says that it has seen of us takes no place away from our sockets.
        if stream.locals.iter().filter(seen).count() >= limits.peer_reflexive
            || stream.locals.len() >= limits.local_candidates
        {
            // The path works all the same; it goes by the name of its base.
            return Some(host.id);
        }
        let host = host.clone();
        let kind = CandidateKind::PeerReflexive;
        let key = FoundationKey {
            kind,
            base: host.base_address().ip(),
            server: None,
            transport: host.candidate.transport(),
        };
        let (foundation, id) = (self.foundations.of(key), self.next_candidate_id());
        let found = Reflexive { id, kind, mapped, foundation, priority }.of(&host);
        self.stream_mut(pair.component.stream()).ok()?.locals.push(found);
        Some(id)
    }

    /// Puts the pair of the mapped address and the peer into the valid list and returns its id: that of the checked
    /// pair, of another pair of the list, or a new one (RFC 8445 section 7.2.5.3.2).
    pub(super) fn validate(&mut self, checked: &CandidatePair, local: CandidateId) -> Option<PairId> {
        let stream_id = checked.component.stream();
        let stream = self.stream(stream_id)?;
        let (ours, theirs) = (stream.locals.get(local)?, stream.remotes.get(checked.remote)?);
        let path = Path::new(checked.path.transport(), ours.base_address(), checked.path.remote());
        let role = self.claim.role;
        let priority = role.pair_priority(ours.candidate.priority(), theirs.candidate.priority());
        let listed = || Some(self.lists.list(stream_id)?.on_path(path)?.id);
        let id = match (local == checked.local, ours.is_paired()) {
            (true, _) => Some(checked.id),
            (false, true) => listed(),
            (false, false) => None,
        };
        let id = id.unwrap_or_else(|| self.next_pair_id());
        let now = self.now;
        let stream = self.stream_mut(stream_id).ok()?;
        Some(stream.valid.insert(ValidPair {
            id,
            checked: checked.id,
            component: checked.component,
            local,
            remote: checked.remote,
            path,
            priority,
            nominated: None,
            answered_at: now,
            is_hearsay: path != checked.path,
            asked_at: None,
            rtt: Measured::default(),
            seen_at: None,
            is_nominated_elsewhere: false,
        }))
    }

    /// 487: the peer keeps the role that this check claimed (RFC 8445 section 7.2.5.1).
    fn give_way(&mut self, owner: CheckOwner, id: TransactionId) {
        // Of two conflicts in flight the first settles the matter: the second was for a role that is ours no longer.
        let is_news = owner.role == self.claim.role;
        if !self.yield_role(owner.role) {
            return self.fail_check(owner, id, Reason::RoleConflict);
        }
        let Some(list) = self.lists.list_mut(owner.stream) else { return };
        // A check that another has replaced, in the role that holds or with a 487 of its own to come, is repeated already.
        let is_current = list.pair(owner.pair).is_some_and(|pair| pair.state == PairState::InProgress(id));
        if !is_news && !is_current {
            return;
        }
        if let Some(PairState::InProgress(current)) = list.pair(owner.pair).map(|pair| pair.state) {
            // A check that the peer's own has triggered meanwhile: as in rfc8445-7.3.1.4-3, it is not repeated.
            self.transactions.silence(current);
        }
        if is_news { list.repeat(owner.pair) } else { list.trigger(owner.pair) }
    }

    /// A request that claimed `claimed` was answered with 487; `false` if there were too many conflicts.
    pub(super) fn yield_role(&mut self, claimed: Role) -> bool {
        if claimed != self.claim.role {
            return true;
        }
        let switched = !self.is_bound_to_control() && self.switch_role();
        if switched {
            // rfc8445-7.2.5.1-3
            self.claim.tie_breaker = TieBreaker::generate(&mut self.entropy);
        }
        switched
    }

    /// Gives way in a role conflict; `false` if that has happened too often.
    pub(super) fn switch_role(&mut self) -> bool {
        if self.role_switches >= ROLE_SWITCHES_MAX {
            return false;
        }
        self.role_switches += 1;
        self.take_other_role();
        true
    }

    /// Takes the other role, with all that depends on it.
    pub(super) fn take_other_role(&mut self) {
        self.claim.role = self.claim.role.other();
        // rfc8445-6.1.2.3-4
        self.lists.exchange_roles();
        for stream in &mut self.streams {
            stream.valid.reprioritise(|pair| pair.priority = pair.priority.in_exchanged_roles());
            // A nomination on its way was ours to make in the other role only (L-03).
            for component in stream.components_mut() {
                component.nomination = Progress::Nothing;
            }
            for component in stream.component_ids() {
                stream.valid.begin_numbers(component);
            }
        }
        let void: alloc::vec::Vec<TransactionId> = self
            .transactions
            .iter()
            .filter(
                |transaction| matches!(transaction.owner(), Owner::Check(owner) if owner.nominates.is_some()),
            )
            .map(Transaction::id)
            .collect();
        for id in void {
            self.transactions.silence(id);
        }
        self.emit(Event::Role(self.claim.role));
    }

    /// A check has failed: its pair does, and no other (rfc8445-7.2.5.2-1).
    pub(super) fn fail_check(&mut self, owner: CheckOwner, id: TransactionId, reason: Reason) {
        let Some(pair) = self.lists.list_mut(owner.stream).and_then(|list| list.pair_mut(owner.pair)) else {
            return;
        };
        let nomination = owner.nominates.is_some() && owner.role == self.claim.role;
        let repeated = nomination && pair.state == PairState::Succeeded;
        let event = if repeated { PairEvent::NominationFailed } else { PairEvent::Fail(id) };
        // A pair may be valid by what was answered before it was listed anew: then it has failed, and is nominated all the same.
        let again = nomination && pair.state == PairState::Failed;
        if !pair.apply(event) && !again {
            return;
        }
        let (component, valid) = (pair.component, pair.valid.take());
        // Two bases behind one address share a valid pair: the other check still stands for it.
        let heir = self.lists.list(owner.stream).and_then(|list| {
            let shares = |pair: &&CandidatePair| valid.is_some() && pair.valid == valid;
            list.pairs().iter().find(shares).map(|pair| pair.id)
        });
        let Ok(stream) = self.stream_mut(owner.stream) else { return };
        // Both sides in one role explain every failure that follows.
        if stream.last_failure != Some(Reason::RoleConflict) {
            stream.last_failure = Some(reason);
        }
        // rfc8445-7.2.5.3.4-2, rfc8445-7.2.5.3.4-4: the pair is valid no longer, whether its nomination has failed or the
        // check that a 487 had repeated. The list goes on with the next valid one.
        match heir {
            Some(heir) => {
                stream
                    .valid
                    .pairs_mut()
                    .filter(|pair| Some(pair.id) == valid)
                    .for_each(|pair| pair.checked = heir);
            }
            // A pair that was formed again to be nominated had been found valid by another one.
            None => {
                let is_gone =
                    |pair: &ValidPair| Some(pair.id) == valid || nomination && pair.checked == owner.pair;
                let gone = stream.valid.pairs().iter().filter(|pair| is_gone(pair)).map(|pair| pair.id);
                let gone: Few<PairId> = gone.collect();
                stream.valid.remove(is_gone);
                gone.iter().for_each(|gone| self.hand_over_consent(owner.stream, *gone));
            }
        }
        let Ok(stream) = self.stream_mut(owner.stream) else { return };
        if let Some(component) = stream.component_mut(component)
            && component.nomination.nominated() == Some(owner.pair)
        {
            component.nomination = Progress::Nothing;
        }
    }
}

/// rfc8445-7.1.1-1: the preference of the base, with the type of what the check may discover.
pub(super) fn peer_reflexive_priority(local: &Candidate) -> Priority {
    let preference = TypePreferences::default().of(CandidateKind::PeerReflexive);
    Priority::of(preference, local.priority().local_preference(), local.component())
}

/// The same of a check from the base of a candidate, whichever of its candidates a pair is of: by it the peer knows the base.
pub(super) fn check_priority(locals: &LocalCandidates, candidate: &LocalCandidate) -> Priority {
    peer_reflexive_priority(&locals.of_base(candidate.base).unwrap_or(candidate).candidate)
}

/// A conflict is over after one change of role; two agents that correct each other at the same time need one more. What
/// goes beyond is a peer that plays games.
const ROLE_SWITCHES_MAX: u8 = 4;

/// RFC 8489 section 14.8.
const UNKNOWN_ATTRIBUTE: u16 = ErrorCode::UNKNOWN_ATTRIBUTE.code();
