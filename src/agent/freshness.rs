//! Keeping a path in use: consent (RFC 7675), or keepalives where consent is off (RFC 8445 section 11).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;

use crate::agent::checks::{CheckOwner, check_priority};
use crate::agent::component::Component;
use crate::agent::sides::{LocalSide, RemoteSide};
use crate::agent::stats::count;
use crate::agent::stream::Stream;
use crate::agent::{Agent, Error, NominateInConsent, Owner};
use crate::ice::check::{Check, CheckError, Outcome};
use crate::ice::consent::{self, Consent, Standing};
use crate::ice::lite::{Heard, Implementation};
use crate::ice::local::LocalCandidate;
use crate::ice::nomination::Progress;
use crate::ice::pair::{PairEvent, PairState};
use crate::ice::valid::ValidPair;
use crate::ice::{CONSENT_INTERVAL, ComponentId, Health, PairId, Priority, Role, StreamId};
use crate::net::{Path, unscoped};
use crate::stun::{Builder, ErrorCode, Method, Rto, TransactionId};
use crate::time::{Deadline, Timestamp};

/// The transaction of a consent check.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConsentOwner {
    pub(super) component: ComponentId,
    /// In the valid list.
    pub(super) pair: PairId,
    role: Role,
    /// It nominates the pair.
    renews: bool,
}

impl ConsentOwner {
    /// A check that a restart has overtaken, or whose pair has left the check list, on the path of a pair that carries data, or
    /// may come to.
    pub(super) fn of_check(check: &CheckOwner, valid: &ValidPair) -> Self {
        Self { component: valid.component, pair: valid.id, role: check.role, renews: false }
    }
}

impl Agent {
    /// Consent goes with the pair that data uses.
    pub(super) fn follow_route(&mut self, id: ComponentId) {
        let Some(stream) = self.stream(id.stream()) else { return };
        let usable = stream.valid.route(id).filter(|_| !stream.is_abandoned(id));
        let Some(component) = stream.component(id) else { return };
        if component.upkeep.as_ref().map(Upkeep::pair) == usable.map(|pair| pair.id) {
            return;
        }
        let route = usable.map(|pair| (pair.id, stream.valid.consented_at(pair.path)));
        let kept = self.exchange_backup(id, route.map(|(pair, _)| pair));
        let upkeep = kept
            .map(Upkeep::Consent)
            .or_else(|| route.map(|(pair, consented_at)| self.upkeep_for(id.stream(), pair, consented_at)));
        if let Some(component) = self.stream_mut(id.stream()).ok().and_then(|stream| stream.component_mut(id))
        {
            component.upkeep = upkeep;
        }
    }

    /// Does what is due for the paths in use; `true` if one of them stands otherwise now.
    pub(super) fn serve_upkeep(&mut self) -> bool {
        let mut changed = false;
        for index in 0..self.streams.len() {
            let Some(components) = self.streams.get(index).map(|stream| stream.component_ids()) else {
                break;
            };
            for component in components {
                changed |= self.serve_component(component);
                changed |= self.serve_backups(component);
            }
        }
        changed
    }

    fn serve_component(&mut self, id: ComponentId) -> bool {
        let (now, tr) = (self.now, self.config.keepalive);
        let mut changed = false;
        for which in [Which::Current, Which::Previous] {
            let entropy = &mut self.entropy;
            let stream = self.streams.get_mut(usize::from(id.stream().to_raw()));
            let Some(upkeep) = stream.and_then(|stream| which.upkeep(stream, id)) else { continue };
            let pair = upkeep.pair();
            match upkeep {
                Upkeep::Consent(consent) => {
                    let basic = consent.basic();
                    let before = consent.standing();
                    let check = consent.handle_timeout(now, || consent::draw(entropy, basic));
                    let after = consent.standing();
                    changed |= before != after;
                    if before != after && after == Standing::Overdue {
                        self.doubt_relay_of(id, pair);
                    }
                    if before != after && matches!(after, Standing::Held(_)) {
                        // rfc7675-5.1-12: only the answer to a check that is yet to be sent can say that the peer is there.
                        self.transactions.retain(|owner| !owner.is_consent_of(pair));
                    }
                    if let Some(check) = check {
                        self.send_consent_check(id, pair, check);
                    }
                    if before != after && matches!(after, Standing::Lost(_)) {
                        self.lose(id, pair);
                    }
                }
                Upkeep::Heard(heard) => {
                    let before = heard.standing();
                    let lost = heard.handle_timeout(now);
                    changed |= before != heard.standing();
                    if lost {
                        self.fall_back(id, pair);
                    }
                }
                Upkeep::Keepalive { at, .. } => {
                    if *at <= now {
                        *at = now + tr;
                        self.send_keepalive(id, pair);
                    }
                }
            }
        }
        changed
    }

    /// Consent on a pair where the peer has last answered at `consented_at`, asked for as often as the policy says.
    pub(super) fn consent_for(
        &self,
        stream: StreamId,
        pair: PairId,
        consented_at: Option<Timestamp>,
    ) -> Consent {
        let basic = self.consent_interval(stream, pair).unwrap_or(CONSENT_INTERVAL);
        let first = consent::interval(basic, consent::first_random(self.claim.tie_breaker, pair));
        // rfc7675-5.1-6: a pair that was in use before, or whose path was, may have been asked and not have answered yet.
        let valid = &self.stream(stream).map(|stream| &stream.valid);
        let path = valid.and_then(|valid| valid.get(pair)).map(|pair| pair.path);
        let on_path = valid.iter().flat_map(|valid| valid.pairs()).filter(|pair| Some(pair.path) == path);
        let asked_at = on_path.filter_map(|pair| pair.asked_at).max();
        let consent = Consent::new(pair, consented_at, self.now, first).every(basic);
        asked_at.map_or(consent, |at| consent.not_before(at + first))
    }

    fn consent_interval(&self, stream: StreamId, pair: PairId) -> Option<Duration> {
        let views = self.views(stream)?;
        let choice = views.valid(views.stream.valid.get(pair)?, Health::Sound)?;
        Some(self.config.policy.consent_interval(&choice))
    }

    /// rfc7675-5.1-2, rfc7675-5.1-9: a check like any other, sent once, in no slot; it nominates where the peer may need it
    /// ([`NominateInConsent`]).
    pub(super) fn send_consent_check(
        &mut self,
        component: ComponentId,
        pair: PairId,
        transaction: TransactionId,
    ) -> Option<()> {
        let stream = self.stream(component.stream())?;
        let Target { valid, local, remote, priority } = stream.upkeep_target(pair)?;
        let path = valid.path;
        let backups = stream.component(component).map_or(&[][..], Component::backups);
        let is_backup = backups.iter().any(|backup| backup.pair == pair);
        let repeats = match self.config.nominate_in_consent {
            NominateInConsent::Never => false,
            NominateInConsent::WithLitePeer => remote.implementation == Implementation::Lite,
            NominateInConsent::Always => true,
        };
        let check = Check {
            id: transaction,
            remote_ufrag: remote.credentials.ufrag(),
            local_ufrag: local.credentials.ufrag(),
            key: &remote.key,
            priority,
            claim: self.claim,
            use_candidate: valid
                .nominated
                .filter(|_| (repeats || valid.is_nominated_elsewhere) && !is_backup),
            renomination: remote.renomination,
        };
        let renews = check.use_candidate.is_some();
        let (payload, role) = (check.encode(), self.claim.role);
        let one = core::num::NonZeroU8::MIN;
        let once = Rto::new(consent::EXPIRY).with_rc(one).with_rm(one);
        let owner = Owner::Consent(ConsentOwner { component, pair, role, renews });
        // Sent once, it is nothing to keep.
        self.transactions.start(self.now, transaction, path, Bytes::new(), once, owner);
        count(&mut self.stats.consent_checks_sent);
        let now = self.now;
        if let Ok(stream) = self.stream_mut(component.stream()) {
            stream
                .valid
                .pairs_mut()
                .filter(|valid| valid.id == pair)
                .for_each(|valid| valid.asked_at = Some(now));
        }
        self.transmit(path, payload);
        Some(())
    }

    /// A peer that sees us elsewhere than before, and takes no second nomination, has the one that it took for an address that is
    /// ours no longer: it is told again, with the next consent check, or it would go on to send there.
    fn note_mapping(&mut self, owner: ConsentOwner, mapped: SocketAddr) {
        let controls = self.claim.role == Role::Controlling;
        let may_tell = controls && self.config.nominate_in_consent != NominateInConsent::Never;
        let Ok(stream) = self.stream_mut(owner.component.stream()) else { return };
        let known = stream.valid.get(owner.pair).and_then(|valid| stream.locals.get(valid.local));
        let Some(known) = known.map(LocalCandidate::address) else { return };
        for valid in stream.valid.pairs_mut().filter(|valid| valid.id == owner.pair) {
            let moved = valid.seen_at.as_deref().copied().unwrap_or(known) != mapped;
            if moved {
                valid.seen_at = (mapped != known).then(|| Box::new(mapped));
            }
            valid.is_nominated_elsewhere =
                may_tell && (moved || valid.is_nominated_elsewhere && !owner.renews);
        }
    }

    /// rfc8445-11-1: a check of ours keeps its path alive. What others can make us send changes nothing, and of application
    /// data the agent knows nothing.
    pub(super) fn postpone_keepalive(&mut self, path: Path) {
        if self.config.consent {
            return;
        }
        let next = self.now + self.config.keepalive;
        for stream in &mut self.streams {
            let valid = &stream.valid;
            for component in stream.components.iter_mut().flatten() {
                if let Some(Upkeep::Keepalive { pair, at }) = &mut component.upkeep
                    && valid.get(*pair).is_some_and(|pair| pair.path == path)
                {
                    *at = next;
                }
            }
        }
    }

    /// rfc8445-11-5
    fn send_keepalive(&mut self, component: ComponentId, pair: PairId) -> Option<()> {
        let transaction = self.next_transaction_id();
        let path = self.stream(component.stream())?.upkeep_target(pair)?.valid.path;
        let mut out = Vec::with_capacity(28);
        Builder::indication(&mut out, Method::BINDING, transaction).fingerprint();
        self.transmit(path, Bytes::from(out));
        Some(())
    }

    /// An authentic answer to a consent check; `false` if it says that all is as it was.
    pub(super) fn apply_consent(
        &mut self,
        owner: ConsentOwner,
        path: Path,
        outcome: Outcome,
        rtt: Option<Duration>,
    ) -> bool {
        match outcome {
            Outcome::Success { mapped } => {
                let now = self.now;
                if !self.notice_rebinding(owner.component, owner.pair, mapped) {
                    let news = self.renew_consent(owner.component, owner.pair, rtt);
                    self.note_mapping(owner, unscoped(mapped));
                    return news;
                } else if let Some(consent) = self.consent_mut(owner.component, owner.pair) {
                    consent.answered(now);
                }
            }
            Outcome::Failure(CheckError::Rejected(FORBIDDEN)) => {
                self.revoked(owner.component, owner.pair, path);
            }
            Outcome::RoleConflict => {
                self.yield_role(owner.role);
            }
            Outcome::Failure(_) => {}
        }
        true
    }

    /// Pairs leave the check list, and what is valid on their paths stays: a check that is under way there may be answered yet,
    /// and say that the peer consents no longer (rfc7675-5.2-1). It is not sent again (RFC 8445 section 8.1.2).
    pub(super) fn keep_asking(&mut self, stream: StreamId, removed: &[PairId]) {
        let Some(known) = self.stream(stream) else { return };
        let on = |path: Path| known.valid.pairs().iter().find(|valid| valid.path == path);
        let checks = self.transactions.iter().filter_map(|check| match check.owner() {
            Owner::Check(owner) if removed.contains(&owner.pair) => {
                Some((check.id(), ConsentOwner::of_check(owner, on(check.path())?)))
            }
            Owner::Check(_) | Owner::Consent(_) | Owner::Gather(_) => None,
        });
        for (check, owner) in checks.collect::<Vec<_>>() {
            self.hand_to_consent(check, owner);
        }
    }

    /// A valid pair has gone, and checks for consent that were sent for it are under way. Consent is that of a path: another pair
    /// that is valid there stands for it.
    pub(super) fn hand_over_consent(&mut self, stream: StreamId, gone: PairId) {
        let Some(known) = self.stream(stream) else { return };
        let heir = |path: Path| known.valid.pairs().iter().find(|valid| valid.path == path);
        let checks = self.transactions.iter().filter_map(|check| match check.owner() {
            Owner::Consent(owner) if owner.pair == gone => {
                Some((check.id(), ConsentOwner { pair: heir(check.path())?.id, ..*owner }))
            }
            Owner::Check(_) | Owner::Consent(_) | Owner::Gather(_) => None,
        });
        for (check, owner) in checks.collect::<Vec<_>>() {
            if let Some(known) = self.transactions.owner_mut(check) {
                *known = Owner::Consent(owner);
            }
        }
    }

    /// From now on the check is one for consent.
    pub(super) fn hand_to_consent(&mut self, check: TransactionId, consent: ConsentOwner) {
        self.transactions.silence(check);
        if let Some(owner) = self.transactions.owner_mut(check) {
            *owner = Owner::Consent(consent);
        }
    }

    /// rfc7675-5.2-1: also where the check was not for consent, but for a nomination or since an answer was overdue, and its
    /// pair may have left the check list since.
    pub(super) fn take_back_consent(&mut self, stream: StreamId, path: Path) {
        let valid = self.stream(stream).into_iter().flat_map(|stream| stream.valid.pairs());
        let on_it = valid.filter(|known| known.path == path).map(|known| (known.component, known.id));
        if let Some((component, pair)) = on_it.into_iter().next() {
            self.revoked(component, pair, path);
        }
    }

    /// The peer has answered 403: that holds for whatever else is valid on the path, as behind a translator that has changed
    /// its mind.
    fn revoked(&mut self, component: ComponentId, pair: PairId, path: Path) {
        let Some(stream) = self.stream(component.stream()) else { return };
        // What the generation before has there is no business of the present one.
        let before = stream.previous.as_ref().is_some_and(|previous| previous.path(pair).is_some());
        let path = Some(path).filter(|_| !before);
        let alike = stream.valid.pairs().iter().filter(|known| known.id != pair && Some(known.path) == path);
        let pairs: Vec<PairId> = alike.map(|known| known.id).collect();
        self.revoke_one(component, pair, path);
        pairs.into_iter().for_each(|pair| self.revoke_one(component, pair, path));
    }

    /// A pair that is not in use, or valid no longer, is not to be used later either.
    fn revoke_one(&mut self, component: ComponentId, pair: PairId, path: Option<Path>) {
        if let Some(consent) = self.consent_mut(component, pair) {
            consent.revoke();
            return self.lose(component, pair);
        }
        let asks = self.config.consent;
        let Ok(stream) = self.stream_mut(component.stream()) else { return };
        let is_selected = stream.valid.selected(component).is_some_and(|selected| selected.id == pair);
        let Some(path) = path.filter(|_| asks && !is_selected) else { return };
        if !stream.lost.contains(&path) {
            stream.lost.push(path);
        }
        stream.valid.remove(|valid| valid.id == pair);
    }

    /// The peer has answered a request of ours on the path of a valid pair; `false` if its consent was fresh anyway.
    pub(super) fn renew_consent(
        &mut self,
        component: ComponentId,
        pair: PairId,
        rtt: Option<Duration>,
    ) -> bool {
        let (now, mut was_fresh) = (self.now, false);
        let holder = self.holder_of_consent(component, pair);
        if let Some(consent) = self.consent_mut(component, holder) {
            was_fresh = consent.standing() == Standing::Fresh;
            consent.answered(now);
        }
        if let Ok(stream) = self.stream_mut(component.stream()) {
            for valid in stream.valid.pairs_mut().filter(|valid| valid.id == pair) {
                (valid.answered_at, valid.is_hearsay) = (now, false);
                rtt.into_iter().for_each(|rtt| valid.note_rtt(rtt));
            }
        }
        !was_fresh
    }

    /// The pair that consent on the path of `pair` is kept for: behind a translator that has changed its mind there are two.
    fn holder_of_consent(&self, id: ComponentId, pair: PairId) -> PairId {
        let Some(stream) = self.stream(id.stream()) else { return pair };
        let path_of = |pair: PairId| stream.valid.get(pair).map(|valid| valid.path);
        let (Some(path), Some(component)) = (path_of(pair), stream.component(id)) else { return pair };
        let backups = component.backups().iter().map(|backup| backup.pair);
        let mut holders = component.upkeep.iter().map(Upkeep::pair).chain(backups);
        holders.find(|holder| path_of(*holder) == Some(path)).unwrap_or(pair)
    }

    fn consent_mut(&mut self, component: ComponentId, pair: PairId) -> Option<&mut Consent> {
        let stream = self.stream_mut(component.stream()).ok()?;
        let mut backups = stream.component(component)?.backups().iter();
        if let Some(at) = backups.position(|backup| backup.pair == pair) {
            return stream.component_mut(component)?.backups_mut().get_mut(at);
        }
        let which = if stream.valid.get(pair).is_some() { Which::Current } else { Which::Previous };
        match which.upkeep(stream, component)? {
            Upkeep::Consent(consent) if consent.pair == pair => Some(consent),
            Upkeep::Consent(_) | Upkeep::Keepalive { .. } | Upkeep::Heard(_) => None,
        }
    }

    /// Consent of a pair is gone, and its checks with it (rfc7675-5.1-12). A pair that was not nominated is valid no
    /// longer; a selected one stays, without data, for a restart to replace.
    fn lose(&mut self, component: ComponentId, pair: PairId) {
        self.transactions.retain(|owner| !owner.is_consent_of(pair));
        let Ok(stream) = self.stream_mut(component.stream()) else { return };
        let Some((path, is_hearsay)) = stream.valid.get(pair).map(|pair| (pair.path, pair.is_hearsay)) else {
            return;
        };
        let concluded = stream.is_concluded(component);
        // Where nobody has ever consented nothing was lost, but the word of the peer: its own checks may still open the path.
        let was_given = concluded || !is_hearsay;
        let known = if was_given { &mut stream.lost } else { &mut stream.disproven };
        if !known.contains(&path) {
            known.push(path);
        }
        if was_given {
            self.give_up_checks(component, path);
        }
        let Some(list) = self.lists.list_mut(component.stream()).filter(|_| !concluded) else { return };
        let (lost, hearsay): (Vec<_>, Vec<_>) = list
            .pairs_mut()
            .filter(|listed| listed.valid == Some(pair))
            .partition(|it| was_given && it.path == path);
        for listed in lost {
            listed.apply(PairEvent::NominationFailed);
        }
        // What has worked from another base, and was seen under the name of this one, has a name of its own, and so has this one.
        for listed in hearsay.into_iter().map(|listed| listed.id).collect::<Vec<_>>() {
            list.repeat(listed);
        }
        if let Ok(stream) = self.stream_mut(component.stream()) {
            stream.valid.remove(|valid| valid.id == pair);
        }
    }

    /// No check on this path is of interest any more, nor is a nomination by one.
    fn give_up_checks(&mut self, component: ComponentId, path: Path) {
        let Some(list) = self.lists.list_mut(component.stream()) else { return };
        let Some(id) = list.on_path(path).map(|pair| pair.id) else { return };
        if let Some(pair) = list.pair_mut(id)
            && let PairState::InProgress(check) = pair.state
        {
            pair.apply(PairEvent::Fail(check));
        }
        self.transactions.retain(|owner| !owner.is_check_of(id));
        if let Ok(stream) = self.stream_mut(component.stream())
            && let Some(component) = stream.component_mut(component)
            && component.nomination.nominated() == Some(id)
        {
            component.nomination = Progress::Nothing;
        }
    }

    /// Forgets consent checks on pairs that are gone.
    pub(super) fn forget_consent_without_pair(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(usize::from(id.to_raw())) else { return };
        let is_gone = |owner: &ConsentOwner| {
            owner.component.stream() == id && stream.upkeep_target(owner.pair).is_none()
        };
        self.transactions.retain(|owner| !matches!(owner, Owner::Consent(owner) if is_gone(owner)));
    }

    /// From now on the peer's checks on this stream are answered with 403: it loses our consent at once (RFC 7675 section
    /// 5.2), and a restart gives it anew. Checks under the credentials before a restart are refused as well.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownStream`], [`Error::Closed`].
    pub fn revoke_consent(&mut self, now: Timestamp, stream: StreamId) -> Result<(), Error> {
        self.begin(now)?;
        let stream = self.stream_mut(stream)?;
        stream.local.consent_revoked = true;
        if let Some(previous) = &mut stream.previous {
            previous.local.consent_revoked = true;
        }
        self.settle();
        Ok(())
    }

    /// Adds the instants at which a path in use wants something.
    pub(super) fn upkeep_deadlines(&self, deadline: &mut Deadline) {
        for stream in &self.streams {
            for component in stream.components() {
                component.backups().iter().for_each(|backup| backup.deadlines(deadline));
                component.upkeep.iter().for_each(|upkeep| upkeep.deadlines(deadline));
            }
            let previous = stream.previous.iter().flat_map(|previous| &previous.paths);
            previous.filter_map(|path| path.upkeep.as_ref()).for_each(|upkeep| upkeep.deadlines(deadline));
        }
    }
}

/// What keeps the path of a component in use.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Upkeep {
    Consent(Consent),
    /// Indications, which nobody answers, at least every Tr.
    Keepalive {
        pair: PairId,
        at: Timestamp,
    },
    /// A lite agent waits to be asked.
    Heard(Heard),
}

impl Upkeep {
    pub(crate) const fn pair(&self) -> PairId {
        match self {
            Self::Consent(consent) => consent.pair,
            Self::Keepalive { pair, .. } => *pair,
            Self::Heard(heard) => heard.pair,
        }
    }

    pub(crate) const fn standing(&self) -> Standing {
        match self {
            Self::Consent(consent) => consent.standing(),
            Self::Keepalive { .. } => Standing::Fresh,
            Self::Heard(heard) => heard.standing(),
        }
    }

    fn deadlines(&self, deadline: &mut Deadline) {
        match self {
            Self::Consent(consent) => consent.deadlines(deadline),
            Self::Keepalive { at, .. } => deadline.at(*at),
            Self::Heard(heard) => heard.deadlines(deadline),
        }
    }
}

/// A pair in use, the credentials under which it is checked, and the priority that checks name.
pub(super) struct Target<'a> {
    pub(super) valid: &'a ValidPair,
    local: &'a LocalSide,
    remote: &'a RemoteSide,
    priority: Priority,
}

/// The generation whose path is meant.
#[derive(Clone, Copy, Debug)]
enum Which {
    Current,
    Previous,
}

impl Which {
    fn upkeep(self, stream: &mut Stream, id: ComponentId) -> Option<&mut Upkeep> {
        match self {
            Self::Current => stream.component_mut(id)?.upkeep.as_mut(),
            Self::Previous => {
                let paths = &mut stream.previous.as_mut()?.paths;
                paths.iter_mut().find(|path| path.valid.component == id)?.upkeep.as_mut()
            }
        }
    }
}

impl Stream {
    /// A pair in use and what it is checked with.
    pub(super) fn upkeep_target(&self, pair: PairId) -> Option<Target<'_>> {
        if let Some(valid) = self.valid.get(pair) {
            let (local, remote) = (&self.local, self.remote.as_ref()?);
            let priority = check_priority(&self.locals, self.locals.get(valid.local)?);
            return Some(Target { valid, local, remote, priority });
        }
        let previous = self.previous.as_ref()?;
        let path = previous.path(pair)?;
        let (local, remote) = (&previous.local, &previous.remote);
        Some(Target { valid: &path.valid, local, remote, priority: path.priority })
    }

    /// The peer's credentials under which consent was asked for: those of the generation before for what it still uses, and
    /// for all else the present ones, also where the pair was valid and is no longer.
    pub(super) fn remote_of(&self, pair: PairId) -> Option<&RemoteSide> {
        self.upkeep_target(pair).map(|target| target.remote).or(self.remote.as_ref())
    }
}

/// RFC 7675 section 5.2.
const FORBIDDEN: u16 = ErrorCode::FORBIDDEN.code();
