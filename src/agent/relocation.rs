//! The peer is heard from another address than before, at the same base of ours and with the priority of the same base of its
//! own: its NAT has given it a new address, which it need not have noticed. Where nominations may follow one another the
//! controlling side asks at both addresses at once, and moves when the new one answers and the old one does not, without waiting
//! until an answer is overdue.

use core::time::Duration;

use crate::agent::choices::Views;
use crate::agent::{Agent, Owner};
use crate::ice::early::Learned;
use crate::ice::valid::ValidPair;
use crate::ice::{ComponentId, PairId, Role};
use crate::net::unscoped;
use crate::time::Timestamp;

/// What is to be done about a peer that has moved.
pub(super) enum Relocation {
    /// This valid pair is where it is.
    Found(PairId),
    /// The old address has until then to answer.
    Wait(Timestamp),
    /// The old address has answered.
    Denied,
}

impl Agent {
    /// Takes note of the priority by which the peer's base on the selected pair is known; `true` for a check that comes from the
    /// same base by another address, of which nobody has heard.
    pub(super) fn is_relocated(&mut self, request: &Learned) -> bool {
        let controls = self.claim.role == Role::Controlling;
        let Ok(stream) = self.stream_mut(request.component.stream()) else { return false };
        let renominates = stream.renominates();
        let Some(selected) = stream.valid.selected(request.component).map(|pair| pair.path) else {
            return false;
        };
        let (transport, remote) = (request.path.transport(), unscoped(request.path.remote()));
        let is_known = stream.remotes.at(request.component, transport, remote).is_some();
        let Some(component) = stream.component_mut(request.component) else { return false };
        if request.path == selected {
            component.peer_priority = Some(request.priority);
            return false;
        }
        let same_bases =
            request.path.local() == selected.local() && component.peer_priority == Some(request.priority);
        controls && renominates && !is_known && same_bases
    }

    /// The peer is where it was.
    pub(super) fn stay(&mut self, id: ComponentId) {
        if let Some(component) = self.stream_mut(id.stream()).ok().and_then(|stream| stream.component_mut(id))
        {
            component.change_mobility(|it| it.relocated = None);
        }
    }

    /// Asks on the selected pair; the new one is asked because of the peer's check.
    pub(super) fn ask_at_both(&mut self, id: ComponentId, relocated: PairId) {
        let now = self.now;
        let Ok(stream) = self.stream_mut(id.stream()) else { return };
        let Some(selected) = stream.valid.selected(id).map(|pair| pair.checked) else { return };
        let Some(component) = stream.component_mut(id) else { return };
        component.change_mobility(|it| it.relocated = Some((relocated, now)));
        if let Some(list) = self.lists.list_mut(id.stream()) {
            list.queue(selected);
        }
    }
}

/// Whether the peer is to be followed, if it has been heard from elsewhere.
pub(super) fn relocation(views: &Views<'_>, id: ComponentId) -> Option<Relocation> {
    let component = views.stream.component(id)?;
    let (relocated, since) = component.mobility().relocated?;
    let selected = views.stream.valid.selected(id)?;
    let found = views.stream.valid.get(views.list.pair(relocated)?.valid?)?;
    if selected.answered_at >= since {
        return Some(Relocation::Denied);
    }
    if found.answered_at < since {
        return None;
    }
    let asked_at = asked_at(views, selected)?.max(since);
    let rtt = selected.rtt.get().or_else(|| found.rtt.get()).unwrap_or_default();
    let until = asked_at + rtt.saturating_mul(2) + GRACE;
    // A peer that is somewhere else all the time is followed ten times a second at most.
    let until = until.max(component.selected_at + MOVES_APART);
    Some(if until <= views.now { Relocation::Found(found.id) } else { Relocation::Wait(until) })
}

/// When the check under way on a valid pair has left.
fn asked_at(views: &Views<'_>, pair: &ValidPair) -> Option<Timestamp> {
    let is_of_pair = |owner: &Owner| owner.is_check_of(pair.checked);
    views.transactions.iter().filter(|check| is_of_pair(check.owner())).map(|check| check.started_at()).max()
}

/// How much longer than twice as long as usual an answer may take, and no packet has to be lost for it.
const GRACE: Duration = Duration::from_millis(50);

/// As the policies may move.
const MOVES_APART: Duration = Duration::from_millis(100);
