//! Pairs that are kept beside the selected one, so that another can take over at once (draft-thatcher-tsvwg-renomination).
//!
//! Each has consent of its own (renom-v2-6), and is given up with it. All other pairs whose checks are over leave the check
//! list.

use alloc::vec::Vec;

use crate::agent::component::Mobility;
use crate::agent::freshness::Upkeep;
use crate::agent::{Agent, Owner, StreamState};
use crate::ice::consent::{self, Consent, EXPIRY, Standing};
use crate::ice::pair::CandidatePair;
use crate::ice::valid::ValidPair;
use crate::ice::{ComponentId, PairId};
use crate::list::Rare;
use crate::stun::Transaction;
use crate::time::Timestamp;

impl Agent {
    /// Decides anew which pairs are kept, and drops what is not.
    pub(super) fn tend_backups(&mut self, id: ComponentId) {
        if self.stream(id.stream()).is_none_or(|stream| stream.backups() == 0) {
            return;
        }
        let Some(views) = self.views(id.stream()) else { return };
        let stream = views.stream;
        let wanted = !matches!(stream.state, StreamState::Failed(_));
        let Some((selected, component)) =
            stream.valid.selected(id).zip(stream.component(id)).filter(|_| wanted)
        else {
            return;
        };
        let is_known = |pair: PairId| component.backups().iter().any(|backup| backup.pair == pair);
        let legal = |pair: &ValidPair| {
            pair.component == id
                && pair.path != selected.path
                && views.list.pair(pair.checked).is_some()
                && (pair.answered_at + EXPIRY > self.now || is_known(pair.id))
        };
        let kept = views.kept(&*self.config.policy, selected, stream.backups(), legal);
        let needed = |pair: &CandidatePair| {
            pair.state.is_open()
                || component.nomination.nominated() == Some(pair.id)
                || kept
                    .iter()
                    .copied()
                    .chain([selected])
                    .any(|kept| kept.checked == pair.id || kept.id == pair.id)
        };
        let gone: Vec<PairId> = views
            .list
            .pairs()
            .iter()
            .filter(|pair| pair.component == id && !needed(pair))
            .map(|pair| pair.id)
            .collect();
        let consented_at = |pair: &ValidPair| stream.valid.consented_at(pair.path);
        let kept: Vec<_> = kept.into_iter().map(|pair| (pair.id, consented_at(pair))).collect();
        if !gone.is_empty() {
            self.drop_pairs(id.stream(), |pair| gone.contains(&pair.id));
        }
        self.keep(id, &kept);
    }

    /// Consent for exactly these pairs.
    fn keep(&mut self, id: ComponentId, kept: &[(PairId, Option<Timestamp>)]) {
        let is_kept = |backup: &Consent| kept.iter().any(|(pair, _)| *pair == backup.pair);
        self.change_backups(id, |known| known.retain(is_kept));
        for (pair, consented_at) in kept {
            let is_new = |known: &mut Rare<Consent>| known.iter().all(|backup| backup.pair != *pair);
            if self.change_backups(id, is_new).unwrap_or_default() {
                let consent = self.consent_for(id.stream(), *pair, *consented_at);
                self.change_backups(id, |known| known.push(consent));
            }
        }
    }

    /// rfc7675-5.1-17: what is lost is not asked again under these credentials.
    pub(super) fn give_up_lost_backups(&mut self, id: ComponentId) {
        if !self.has_backups(id) {
            return;
        }
        let is_lost = |backup: &Consent| matches!(backup.standing(), Standing::Lost(_));
        let lost = self.change_backups(id, |known| known.extract(is_lost)).unwrap_or_default();
        for pair in lost.into_iter().map(|backup| backup.pair) {
            let Ok(stream) = self.stream_mut(id.stream()) else { return };
            let Some(path) = stream.valid.get(pair).map(|pair| pair.path) else { continue };
            if !stream.lost.contains(&path) {
                stream.lost.push(path);
            }
            stream.valid.remove(|valid| valid.id == pair);
            self.transactions.retain(|owner| !owner.is_consent_of(pair));
            self.drop_pairs(id.stream(), |listed| listed.path == path);
        }
    }

    /// Asks for consent where it is due; `true` if a pair stands otherwise now.
    pub(super) fn serve_backups(&mut self, id: ComponentId) -> bool {
        if !self.has_backups(id) {
            return false;
        }
        let (now, mut changed) = (self.now, false);
        let (mut due, mut held) = (Vec::new(), Vec::new());
        let entropy = &mut self.entropy;
        let stream = self.streams.get_mut(usize::from(id.stream().to_raw()));
        let Some(component) = stream.and_then(|stream| stream.component_mut(id)) else { return false };
        for backup in component.backups_mut() {
            let (basic, before) = (backup.basic(), backup.standing());
            let check = backup.handle_timeout(now, || consent::draw(entropy, basic));
            due.extend(check.map(|check| (backup.pair, check)));
            if before != backup.standing() {
                changed = true;
                held.extend(matches!(backup.standing(), Standing::Held(_)).then_some(backup.pair));
            }
        }
        // rfc7675-5.1-12
        self.transactions.retain(|owner| !held.iter().any(|pair| owner.is_consent_of(*pair)));
        for (pair, check) in due {
            self.send_consent_check(id, pair, check);
        }
        changed
    }

    /// The pair in use changes: consent that was kept for `next`, or for another pair on its path, is handed out, and that of the
    /// pair before stays, with what is known of it, in case the pair is kept.
    pub(super) fn exchange_backup(&mut self, id: ComponentId, next: Option<PairId>) -> Option<Consent> {
        let stream = self.stream_mut(id.stream()).ok()?;
        // Only beside a selected pair are there others that are kept.
        let keeps = stream.backups() > 0 && stream.is_concluded(id) && next.is_some();
        if !keeps && stream.component(id)?.backups().is_empty() {
            return None;
        }
        let path = next.and_then(|next| stream.valid.get(next)).map(|next| next.path);
        let alike: Vec<PairId> =
            stream.valid.pairs().iter().filter(|pair| Some(pair.path) == path).map(|pair| pair.id).collect();
        let component = stream.component_mut(id)?;
        let before = component.upkeep.filter(|_| keeps);
        let consent = component.change_mobility(|Mobility { backups, .. }| {
            let handed = backups.iter().position(|backup| alike.contains(&backup.pair));
            let consent = handed.and_then(|at| backups.remove(at));
            if let Some(Upkeep::Consent(before)) = before {
                backups.push(before);
            }
            consent
        });
        consent.zip(next).map(|(consent, pair)| self.rename_consent(consent, pair))
    }

    /// Behind a translator that has changed its mind there are two pairs on one path: what is asked for the one is for the other.
    fn rename_consent(&mut self, mut consent: Consent, pair: PairId) -> Consent {
        let asked = self.transactions.iter().filter(|check| check.owner().is_consent_of(consent.pair));
        for check in asked.map(Transaction::id).collect::<Vec<_>>() {
            if let Some(Owner::Consent(owner)) = self.transactions.owner_mut(check) {
                owner.pair = pair;
            }
        }
        consent.pair = pair;
        consent
    }

    /// Whether pairs are kept beside the selected one, which is seldom.
    fn has_backups(&self, id: ComponentId) -> bool {
        let component = self.stream(id.stream()).and_then(|stream| stream.component(id));
        component.is_some_and(|component| !component.backups().is_empty())
    }

    fn change_backups<R>(
        &mut self,
        id: ComponentId,
        change: impl FnOnce(&mut Rare<Consent>) -> R,
    ) -> Option<R> {
        let component = self.stream_mut(id.stream()).ok()?.component_mut(id)?;
        Some(component.change_mobility(|mobility| change(&mut mobility.backups)))
    }
}
