//! The valid list of a stream, and the pair selected for each component (RFC 8445 sections 7.2.5.3.2 and 8.1.1).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::ice::nomination::Nominated;
use crate::ice::{CandidateId, ComponentId, PairId, PairPriority};
use crate::list::Few;
use crate::net::Path;
use crate::time::{Measured, Timestamp};

/// A pair over which a check went through and was answered: the address that the peer saw, and the peer.
#[derive(Clone, Debug)]
pub(crate) struct ValidPair {
    /// The checked pair's own id if both are one, that of another pair of the list, or a new one.
    pub(crate) id: PairId,
    /// The pair whose check produced this one: what a nomination checks again.
    pub(crate) checked: PairId,
    pub(crate) component: ComponentId,
    /// Possibly reflexive.
    pub(crate) local: CandidateId,
    pub(crate) remote: CandidateId,
    /// From the base of `local` to `remote`.
    pub(crate) path: Path,
    /// In the role that we have now.
    pub(crate) priority: PairPriority,
    pub(crate) nominated: Option<Nominated>,
    /// The last authentic answer to a check on this path, or the first to say that there is such a pair.
    pub(crate) answered_at: Timestamp,
    /// Nothing was asked on this path yet: the peer has seen the check of another base come from this one's address (RFC
    /// 8445 section 7.2.5.3.2). That is no consent to data from here.
    pub(crate) is_hearsay: bool,
    /// The last check for consent on this path.
    pub(crate) asked_at: Option<Timestamp>,
    /// Round-trip time, smoothed.
    pub(crate) rtt: Measured,
    /// Where the peer has seen the last consent check come from, if that is not the address of `local`.
    pub(crate) seen_at: Option<Box<SocketAddr>>,
    /// That is not where the peer has heard of its nomination from.
    pub(crate) is_nominated_elsewhere: bool,
}

impl ValidPair {
    /// When the peer has last consented to data on the path of this pair, if it has.
    pub(crate) fn consented_at(&self) -> Option<Timestamp> {
        Some(self.answered_at).filter(|_| !self.is_hearsay)
    }

    /// A request that was sent once has been answered after `rtt`. A quarter of each new value counts, so that neither one
    /// late answer nor an old one says much.
    pub(crate) fn note_rtt(&mut self, rtt: Duration) {
        let known = self.rtt.get();
        self.rtt = Some(known.map_or(rtt, |known| known.saturating_mul(3).saturating_add(rtt) / 4)).into();
    }
}

/// The valid pairs of a stream, highest priority first.
///
/// Which pair is selected is a function of what is nominated and of the priorities, never of the order in which answers
/// came (L-06).
#[derive(Clone, Debug, Default)]
pub(crate) struct ValidList {
    pairs: Few<ValidPair>,
}

impl ValidList {
    pub(crate) fn pairs(&self) -> &[ValidPair] {
        &self.pairs
    }

    pub(crate) fn pairs_mut(&mut self) -> impl Iterator<Item = &mut ValidPair> {
        self.pairs.iter_mut()
    }

    /// Adds a pair unless it is there already, and returns the id under which it is (rfc8445-7.2.5.3.2-4).
    pub(crate) fn insert(&mut self, pair: ValidPair) -> PairId {
        let same = |other: &&mut ValidPair| other.local == pair.local && other.remote == pair.remote;
        if let Some(known) = self.pairs.iter_mut().find(same) {
            // The pair that was checked then may have left the check list since.
            known.checked = pair.checked;
            if known.is_hearsay || !pair.is_hearsay {
                (known.answered_at, known.is_hearsay) = (pair.answered_at, pair.is_hearsay);
            }
            return known.id;
        }
        let id = pair.id;
        self.pairs.push(pair);
        self.sort();
        id
    }

    /// When the peer has last consented to data on a path, whichever pair is valid there: consent is that of a 5-tuple (RFC 7675
    /// section 5.1).
    pub(crate) fn consented_at(&self, path: Path) -> Option<Timestamp> {
        self.pairs.iter().filter(|pair| pair.path == path).filter_map(ValidPair::consented_at).max()
    }

    pub(crate) fn get(&self, id: PairId) -> Option<&ValidPair> {
        self.pairs.iter().find(|pair| pair.id == id)
    }

    /// Sets the nominated flag of a pair; `false` if it was set so before.
    pub(crate) fn nominate(&mut self, id: PairId, how: Nominated) -> bool {
        let Some(pair) = self.pairs.iter_mut().find(|pair| pair.id == id) else { return false };
        let after = pair.nominated.max(Some(how));
        core::mem::replace(&mut pair.nominated, after) != after
    }

    /// The other side numbers from now on, and knows nothing of how far this one has come: what is selected stays so until the
    /// first nomination.
    pub(crate) fn begin_numbers(&mut self, component: ComponentId) {
        let numbered = self.selected(component).filter(|pair| pair.nominated > Some(Nominated::default()));
        let Some(selected) = numbered.map(|pair| pair.id) else { return };
        for pair in self.pairs.iter_mut().filter(|pair| pair.component == component) {
            pair.nominated = (pair.id == selected).then_some(Nominated::default());
        }
    }

    /// Takes out the pairs that `gone` picks. Consent is that of a 5-tuple: what is left on the path of one takes over what the
    /// peer has given it.
    pub(crate) fn remove(&mut self, gone: impl Fn(&ValidPair) -> bool) {
        let removed = self.pairs.iter().filter(|pair| gone(pair));
        let given: Vec<_> = removed.filter_map(|pair| Some((pair.path, pair.consented_at()?))).collect();
        self.pairs.retain(|pair| !gone(pair));
        for (path, at) in given {
            for pair in self.pairs.iter_mut().filter(|pair| pair.path == path) {
                (pair.answered_at, pair.is_hearsay) =
                    (pair.consented_at().map_or(at, |own| own.max(at)), false);
            }
        }
    }

    /// The best valid pair of a component, nominated or not.
    pub(crate) fn best(&self, component: ComponentId) -> Option<&ValidPair> {
        self.pairs.iter().find(|pair| pair.component == component)
    }

    /// The nominated pair of a component. Of several the one nominated last, where nominations are numbered; otherwise, as a
    /// peer of RFC 5245 nominates them, the best (rfc8445-8.1.1-4), and of equals the one found last: a peer whose NAT has
    /// given it another address nominates that in its turn, and is not at the old one any more (L-08).
    pub(crate) fn selected(&self, component: ComponentId) -> Option<&ValidPair> {
        let nominated =
            self.pairs.iter().filter(|pair| pair.component == component && pair.nominated.is_some());
        nominated.max_by_key(|pair| (pair.nominated, pair.priority, pair.id))
    }

    /// What application data uses: the selected pair, before that the best valid one (RFC 8445 section 12.1).
    pub(crate) fn route(&self, component: ComponentId) -> Option<&ValidPair> {
        self.selected(component).or_else(|| self.best(component))
    }

    /// Changes the priorities of pairs (RFC 8445 section 6.1.2.3).
    pub(crate) fn reprioritise(&mut self, change: impl FnMut(&mut ValidPair)) {
        self.pairs.iter_mut().for_each(change);
        self.sort();
    }

    fn sort(&mut self) {
        self.pairs.sort_by_key(|pair| (core::cmp::Reverse(pair.priority), pair.id));
    }
}
