//! The nomination moves to another pair, where both sides know renomination: off one that does not answer, and to one that the
//! policy prefers, once that has lasted.

use core::time::Duration;

use crate::agent::Agent;
use crate::agent::choices::Views;
use crate::ice::consent::Standing;
use crate::ice::nomination::Progress;
use crate::ice::valid::ValidPair;
use crate::ice::{ComponentId, PairId};
use crate::time::{Deadline, Timestamp};

impl Agent {
    /// The controlling side moves the nomination: along with the address under which the peer sees us, if that has changed; or
    /// to the pair that the policy names, once it has named it for long enough.
    pub(super) fn consider_move(&mut self, id: ComponentId, patience: &mut Deadline) {
        let now = self.now;
        let Some(views) = self.views(id.stream()).filter(|views| views.stream.renominates()) else { return };
        let Some(component) = views.stream.component(id) else { return };
        let (selected_at, rival, trouble) = (component.selected_at, component.rival, component.trouble);
        if matches!(component.nomination, Progress::Nominating(pair) if views.list.pair(pair).is_some()) {
            return;
        }
        if let Some(newer) = rebound(&views, id) {
            return self.nominate_valid(id, newer, true);
        }
        let Some((pair, urgent)) = self.preferred(&views, id) else { return self.await_rival(id, None) };
        let since = match rival {
            _ if trouble.is_some() => trouble.unwrap_or(now),
            Some((known, since)) if known == pair => since,
            _ => now,
        };
        let wait = if urgent { Duration::ZERO } else { self.config.dampening };
        let due = since.max(selected_at) + wait;
        if due > now {
            patience.at(due);
            return self.await_rival(id, Some((pair, since)));
        }
        self.await_rival(id, None);
        self.nominate_valid(id, pair, true);
    }

    fn await_rival(&mut self, id: ComponentId, rival: Option<(PairId, Timestamp)>) {
        if let Some(component) = self.stream_mut(id.stream()).ok().and_then(|stream| stream.component_mut(id))
        {
            component.rival = rival;
        }
    }

    /// The pair that the policy would move to, and whether there is nothing left to lose.
    fn preferred(&self, views: &Views<'_>, id: ComponentId) -> Option<(PairId, bool)> {
        let stream = views.stream;
        let (selected, component) = (stream.valid.selected(id)?, stream.component(id)?);
        let standing = component.upkeep.map(|upkeep| upkeep.standing())?;
        let withdrawn = stream.is_withdrawn(selected);
        let troubled = standing != Standing::Fresh || withdrawn;
        let is_fresh = |pair: &ValidPair| {
            let mut backups = component.backups.iter();
            // What the peer has answered before the last move says nothing about now.
            backups.any(|backup| backup.pair == pair.id && backup.standing() == Standing::Fresh)
                && pair.answered_at > component.selected_at
        };
        let legal = |pair: &ValidPair| {
            pair.component == id
                && pair.id != selected.id
                && !stream.is_withdrawn(pair)
                && views.list.pair(pair.checked).is_some()
                && if troubled { pair.answered_at > selected.answered_at } else { is_fresh(pair) }
        };
        let pair = views.successor(&*self.config.policy, selected, troubled, legal)?;
        Some((pair, withdrawn || matches!(standing, Standing::Lost(_))))
    }
}

/// After a rebinding two valid pairs share the path, and what was found last is what holds.
fn rebound(views: &Views<'_>, id: ComponentId) -> Option<PairId> {
    let selected = views.stream.valid.selected(id)?;
    let mut others = views.stream.valid.pairs().iter().filter(|pair| pair.id != selected.id);
    let newer = others.find(|pair| pair.path == selected.path && pair.answered_at > selected.answered_at)?;
    views.list.pair(newer.checked).map(|_| newer.id)
}
