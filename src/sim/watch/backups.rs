//! The pairs that an agent keeps beside the selected one: each as unlike the others as can be.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::wire::Wire;
use crate::ice::{CandidateKind, ComponentId, PairId, PairState};
use crate::{Agent, Pair, Path, StreamState, Timestamp};

/// What was valid and not selected at the last quiet point.
#[derive(Debug, Default)]
pub(super) struct Backups {
    valid: Vec<Spare>,
}

#[derive(Clone, Copy, Debug)]
struct Spare {
    id: PairId,
    component: ComponentId,
    path: Path,
    /// Our end, and the peer's unless a relay hides where it is.
    sites: [Option<IpAddr>; 2],
}

impl Spare {
    fn of(pair: &Pair<'_>) -> Self {
        let path = pair.path();
        let theirs = (pair.remote().kind() != CandidateKind::Relayed).then(|| path.remote().ip());
        let sites = [Some(path.local().ip()), theirs];
        Self { id: pair.id(), component: pair.component(), path, sites }
    }

    /// Whether both fail if one place does, as far as is known.
    fn shares(&self, other: &Self) -> bool {
        let mut ends = self.sites.iter().zip(other.sites);
        ends.any(|(one, other)| one.is_none() || other.is_none() || *one == other)
    }
}

impl Backups {
    /// What shares nothing with the pairs in use is not given up for what does.
    pub(super) fn quiet(&mut self, agent: &Agent, wire: &Wire, now: Timestamp) -> Result<(), String> {
        let before = core::mem::take(&mut self.valid);
        for stream in super::streams(agent) {
            let listed = || agent.pairs(stream).filter(|pair| pair.is_valid() && pair.is_listed());
            self.valid.extend(listed().filter(|pair| !pair.is_selected()).map(|pair| Spare::of(&pair)));
            // In trouble other things count.
            if before.is_empty() || agent.state(stream) != Some(StreamState::Completed) {
                continue;
            }
            let (selected, kept): (Vec<Pair<'_>>, Vec<Pair<'_>>) = listed().partition(Pair::is_selected);
            for selected in selected {
                let component = selected.component();
                // One whose check is still under way is not kept yet.
                let is_over =
                    |pair: &&Pair<'_>| pair.component() == component && pair.state() == PairState::Succeeded;
                let kept = kept.iter().filter(is_over).map(Spare::of);
                let in_use: Vec<Spare> = [Spare::of(&selected)].into_iter().chain(kept).collect();
                // What is valid under the address that the peer has seen is in no check list (RFC 8445 section 7.2.5.3.2): the
                // pair that was checked is there for it, on the same path.
                let pairs = || agent.pairs(stream).filter(|pair| pair.component() == component);
                let found = |path: Path| {
                    let mut found = pairs().filter(|pair| pair.is_valid() && !pair.is_listed());
                    found.any(|pair| pair.path() == path && !pair.is_selected())
                };
                let checked = pairs().filter(|pair| pair.is_listed() && !pair.is_valid());
                let stands = |pair: &Pair<'_>| is_over(&pair) && found(pair.path());
                let standing: Vec<Spare> = checked.filter(stands).map(|pair| Spare::of(&pair)).collect();
                // One that is checked again, since a 487 came in, has been given up no more than it is kept yet.
                let is_gone = |spare: &&Spare| {
                    spare.component == component
                        && self.valid.iter().all(|left| left.id != spare.id && left.path != spare.path)
                        && in_use[0].path != spare.path
                        && is_still_good(agent, wire, spare, now)
                };
                // A pair by whose check the selected one was found is no backup of it; of relays that is not to be told.
                let is_alike = |kept: &&Spare| {
                    kept.shares(&in_use[0])
                        && !wire.stands_for(kept.path, in_use[0].path)
                        && !wire.is_relayed(kept.path)
                };
                let unlike = |spare: &&Spare| in_use.iter().chain(&standing).all(|kept| !kept.shares(spare));
                if let Some(alike) = in_use.iter().skip(1).find(is_alike)
                    && let Some(gone) = before.iter().filter(is_gone).find(unlike)
                {
                    return Err(format!(
                        "INV-20: {:?} was given up, and {:?} kept beside {:?}",
                        gone.path, alike.path, in_use[0].path
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Whether nothing is known that would end a pair by itself, as a relay would that is let go.
fn is_still_good(agent: &Agent, wire: &Wire, spare: &Spare, now: Timestamp) -> bool {
    let stream = spare.component.stream();
    let ours = agent.local_candidates(stream).any(|(_, it)| it.ip() == Some(spare.path.local()));
    let theirs = agent.remote_candidates(stream).any(|(_, it)| it.ip() == Some(spare.path.remote()));
    ours && theirs && !wire.is_relayed(spare.path) && wire.is_sound(spare.path, now)
}

#[cfg(test)]
mod tests;
