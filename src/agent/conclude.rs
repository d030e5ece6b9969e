//! What follows from what has changed: nominations, selected pairs, routes, states (RFC 8445 sections 8 and 7.2.5.4).

use alloc::vec::Vec;

use crate::agent::stream::{Gathering, Stream};
use crate::agent::{Agent, Error, Event, Reason, StreamState};
use crate::ice::checklist::{CheckList, CheckListState};
use crate::ice::nomination::{self, Nomination, Progress, Rivals, Verdict};
use crate::ice::{ComponentId, PairId, Role, StreamId};
use crate::time::{Deadline, Timestamp};

impl Agent {
    /// Ends every input: draws the conclusions, and computes what to wait for.
    pub(super) fn settle(&mut self) {
        let mut patience = Deadline::default();
        for index in 0..self.streams.len() {
            self.conclude_gathering(index);
            self.conclude(index, &mut patience);
        }
        self.compute_deadline(patience);
    }

    fn conclude(&mut self, index: usize, patience: &mut Deadline) {
        let Some(stream) = self.streams.get(index).filter(|stream| is_alive(stream)) else { return };
        let (id, needed) = (stream.id, stream.needed_components().collect::<Vec<_>>());
        for component in &needed {
            self.consider_nomination(*component, patience);
        }
        for component in &needed {
            self.announce_selection(*component);
            self.announce_route(*component);
        }
        self.announce_state(id, &needed, patience);
    }

    /// The controlling side makes up its mind about a component (RFC 8445 section 8.1.1).
    fn consider_nomination(&mut self, id: ComponentId, patience: &mut Deadline) {
        let Nomination::Regular { patience: waits } = self.config.nomination else { return };
        let (now, role) = (self.now, self.claim.role);
        let Some(list) = self.lists.list_mut(id.stream()) else { return };
        let Some(stream) = self.streams.get_mut(usize::from(id.stream().to_raw())) else { return };
        if role != Role::Controlling || stream.is_concluded(id) {
            return;
        }
        let more_expected = stream.expects_candidates();
        let kind = |stream: &Stream, best: &crate::ice::valid::ValidPair| {
            let local = stream.locals.get(best.local).map(|local| local.candidate.kind());
            let remote = stream.remotes.get(best.remote).map(|remote| remote.candidate.kind());
            local.zip(remote).map(|(local, remote)| [local, remote])
        };
        let Some(best) = stream.valid.best(id).cloned() else { return };
        let Some(kinds) = kind(stream, &best) else { return };
        let Some(component) = stream.component_mut(id) else { return };
        let since = match component.nomination {
            Progress::Nominating(_) => return,
            Progress::Valid(since) => since,
            Progress::Nothing => now,
        };
        match nomination::decide(now, since, waits, &best, Rivals::of(&best, kinds, list, more_expected)) {
            Verdict::Nominate(pair) => {
                component.nomination = Progress::Nominating(pair);
                list.queue(pair);
            }
            Verdict::WaitUntil(until) => {
                component.nomination = Progress::Valid(since);
                patience.at(until);
            }
        }
    }

    /// Nominates the valid pair that the application has chosen.
    pub(super) fn nominate_by_hand(&mut self, id: PairId) -> Result<(), Error> {
        if self.config.nomination != Nomination::Manual || self.claim.role != Role::Controlling {
            return Err(Error::CannotNominate);
        }
        let valid = |stream: &Stream| stream.valid.pairs().iter().find(|pair| pair.id == id).cloned();
        let pair = self.streams.iter().find_map(valid).ok_or(Error::UnknownPair)?;
        let stream = self.stream_mut(pair.component.stream())?;
        // rfc8445-8.1.1-2: one nomination for a component.
        let concluded = stream.is_concluded(pair.component);
        let component = stream.component_mut(pair.component).ok_or(Error::UnknownComponent)?;
        if concluded || matches!(component.nomination, Progress::Nominating(_)) {
            return Err(Error::CannotNominate);
        }
        component.nomination = Progress::Nominating(pair.checked);
        if let Some(list) = self.lists.list_mut(pair.component.stream()) {
            list.queue(pair.checked);
        }
        Ok(())
    }

    /// A selected pair is announced once, and with the first one the component's other pairs leave the check list
    /// (RFC 8445 section 8.1.2).
    fn announce_selection(&mut self, id: ComponentId) {
        let Ok(stream) = self.stream_mut(id.stream()) else { return };
        let Some(selected) = stream.valid.selected(id).map(|pair| (pair.id, pair.checked)) else { return };
        let Some(component) = stream.component_mut(id) else { return };
        if component.selected.replace(selected.0) == Some(selected.0) {
            return;
        }
        // What the peer has nominated besides, as one of RFC 5245 may, is still checked: the best of them is selected.
        self.drop_pairs(id.stream(), |pair| {
            let kept = pair.id == selected.0
                || pair.id == selected.1
                || (pair.nominated_by_peer && pair.state.is_open());
            pair.component == id && !kept
        });
        self.emit(Event::Selected { component: id, pair: selected.0 });
    }

    fn announce_route(&mut self, id: ComponentId) {
        let Ok(stream) = self.stream_mut(id.stream()) else { return };
        let route = stream.valid.route(id).map(|pair| (pair.id, pair.path));
        let Some(component) = stream.component_mut(id) else { return };
        if core::mem::replace(&mut component.route, route) != route {
            self.emit(Event::Route { component: id });
        }
    }

    /// The states of the check list and of the stream (RFC 8445 section 7.2.5.4).
    fn announce_state(&mut self, id: StreamId, needed: &[ComponentId], patience: &mut Deadline) {
        let (now, Some(stream), Some(list)) = (self.now, self.stream(id), self.lists.list(id)) else {
            return;
        };
        let Some(remote) = &stream.remote else { return };
        let valid = |component: &ComponentId| stream.valid.best(*component).is_some();
        let selected = |component: &ComponentId| stream.valid.selected(*component).is_some();
        let state = if needed.is_empty() {
            StreamState::Checking
        } else if needed.iter().all(selected) {
            StreamState::Completed
        } else if needed.iter().all(valid) {
            StreamState::Connected
        } else if is_exhausted(stream, list) {
            // rfc8863-4-3, rfc8863-4-4: not before the peer had the time to check us.
            match failure(stream, list, remote.patient_until, now) {
                Ok(reason) => StreamState::Failed(reason),
                Err(until) => {
                    patience.at(until);
                    StreamState::Checking
                }
            }
        } else {
            StreamState::Checking
        };
        // Pairs that a peer of RFC 5245 nominates after the first are checked although the component has one.
        let pending = list.pairs().iter().any(|pair| pair.state.is_open());
        let list_state = match state {
            StreamState::Completed if !pending => CheckListState::Completed,
            StreamState::Failed(_) => CheckListState::Failed,
            _ => CheckListState::Running,
        };
        if let Some(list) = self.lists.list_mut(id) {
            list.state = list_state;
        }
        self.enter_state(id, state);
    }

    fn enter_state(&mut self, id: StreamId, state: StreamState) {
        let Some(stream) = self.streams.get_mut(usize::from(id.to_raw())) else { return };
        if core::mem::replace(&mut stream.state, state) != state {
            self.emit(Event::State { stream: id, state });
        }
    }

    /// Ends a stream for good.
    pub(super) fn shut(&mut self, id: StreamId) {
        let (_, transactions) = self.gatherer.remove_bases(|entry| entry.component.stream() == id);
        self.cancel(transactions);
        self.drop_pairs(id, |_| true);
        let Ok(stream) = self.stream_mut(id) else { return };
        let routes: Vec<ComponentId> = stream.take_routes();
        stream.close();
        if let Some(list) = self.lists.list_mut(id) {
            list.state = CheckListState::Failed;
        }
        for component in routes {
            self.emit(Event::Route { component });
        }
        self.enter_state(id, StreamState::Closed);
    }

    fn compute_deadline(&mut self, patience: Deadline) {
        let mut deadline = patience;
        let ta = self.ta();
        if let Some(due) = self.transactions.deadline() {
            // What is overdue may have to wait for leave to retransmit.
            let leave = self.pacer.next_retransmission_at(ta);
            deadline.at(if due <= self.now { leave.max(due) } else { due });
        }
        self.gatherer.deadlines(&mut deadline);
        if self.gatherer.next().is_some() || self.has_check() {
            deadline.at(self.pacer.next_at().max(self.now));
        }
        self.deadline = deadline.earliest();
    }
}

fn is_alive(stream: &Stream) -> bool {
    stream.remote.is_some() && !matches!(stream.state, StreamState::Failed(_) | StreamState::Closed)
}

/// Whether nothing is left to check and nothing more is to come (rfc8445-7.2.5.4-1, rfc8838-8-3).
fn is_exhausted(stream: &Stream, list: &CheckList) -> bool {
    stream.gathering == Gathering::Complete
        && stream.remote_ended
        && list.pairs().iter().all(|pair| !pair.state.is_open())
}

/// Why a stream with nothing left has failed, or until when it has to wait for its peer (RFC 8863 section 4).
fn failure(
    stream: &Stream,
    list: &CheckList,
    patient_until: Timestamp,
    now: Timestamp,
) -> Result<Reason, Timestamp> {
    if now < patient_until {
        return Err(patient_until);
    }
    Ok(if list.pairs().is_empty() { Reason::NoPairs } else { stream.last_failure.unwrap_or(Reason::Timeout) })
}
