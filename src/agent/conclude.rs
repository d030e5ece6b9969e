//! What follows from what has changed: nominations, selected pairs, routes, states (RFC 8445 sections 8 and 7.2.5.4).

use crate::agent::freshness::Upkeep;
use crate::agent::stream::Stream;
use crate::agent::{Agent, Error, Event, Reason, StreamState};
use crate::ice::checklist::{CheckList, CheckListState};
use crate::ice::consent::{Loss, Standing};
use crate::ice::lite::Meeting;
use crate::ice::nomination::{self, Nomination, Progress, Rivals, Verdict};
use crate::ice::valid::{ValidList, ValidPair};
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
        self.release_bindings();
        self.compute_deadline(patience);
    }

    fn conclude(&mut self, index: usize, patience: &mut Deadline) {
        let Some(stream) = self.streams.get(index).filter(|stream| !is_over(stream)) else { return };
        let (id, components, knows_peer) = (stream.id, stream.component_ids(), stream.remote.is_some());
        self.pair_both_lite(id);
        for component in components {
            self.consider_nomination(component, patience);
            self.announce_selection(component);
            // Also while a restart waits for its answer: the paths of the generation before can be lost meanwhile.
            self.announce_route(component);
            self.consider_reopening(component);
        }
        if knows_peer {
            self.announce_state(id, patience);
        }
    }

    /// The controlling side makes up its mind about a component (RFC 8445 section 8.1.1).
    fn consider_nomination(&mut self, id: ComponentId, patience: &mut Deadline) {
        let Nomination::Regular { patience: waits } = self.config.nomination else { return };
        let (now, role) = (self.now, self.claim.role);
        let Some(list) = self.lists.list_mut(id.stream()) else { return };
        let Some(stream) = self.streams.get_mut(usize::from(id.stream().to_raw())) else { return };
        if role != Role::Controlling || stream.is_lite() {
            return;
        }
        if stream.is_concluded(id) {
            return self.consider_failover(id);
        }
        if stream.is_abandoned(id) {
            return;
        }
        let (more_expected, renominates) = (stream.expects_candidates(), stream.renominates());
        let kind = |stream: &Stream, best: &ValidPair| {
            let local = stream.locals.get(best.local).map(|local| local.candidate.kind());
            let remote = stream.remotes.get(best.remote).map(|remote| remote.candidate.kind());
            local.zip(remote).map(|(local, remote)| [local, remote])
        };
        let Some(best) = stream.valid.best(id).cloned() else { return };
        let Some(kinds) = kind(stream, &best) else { return };
        let Some(component) = stream.component_mut(id) else { return };
        let since = match component.nomination {
            Progress::Nominating(pair) if list.pair(pair).is_some() => return,
            Progress::Valid(since) => since,
            // The pair under nomination may have gone with its candidate.
            Progress::Nominating(_) | Progress::Nothing => now,
        };
        match nomination::decide(now, since, waits, &best, Rivals::of(&best, kinds, list, more_expected)) {
            Verdict::Nominate(pair) => {
                component.nomination = Progress::Nominating(pair);
                component.nominations.0 += u32::from(renominates);
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
        let nominates = self.config.nomination == Nomination::Manual && !self.is_lite();
        if !nominates || self.claim.role != Role::Controlling {
            return Err(Error::CannotNominate);
        }
        let valid = |stream: &Stream| stream.valid.pairs().iter().find(|pair| pair.id == id).cloned();
        let pair = self.streams.iter().find_map(valid).ok_or(Error::UnknownPair)?;
        let stream = self.stream_mut(pair.component.stream())?;
        // rfc8445-8.1.1-2: one nomination for a component.
        let concluded = stream.is_concluded(pair.component);
        let component = stream.component_mut(pair.component).ok_or(Error::UnknownComponent)?.nomination;
        let list = self.lists.list_mut(pair.component.stream()).ok_or(Error::UnknownStream)?;
        if concluded || matches!(component, Progress::Nominating(pair) if list.pair(pair).is_some()) {
            return Err(Error::CannotNominate);
        }
        list.queue(pair.checked);
        let stream = self.stream_mut(pair.component.stream())?;
        if let Some(component) = stream.component_mut(pair.component) {
            component.nomination = Progress::Nominating(pair.checked);
        }
        Ok(())
    }

    /// A selected pair is announced once, and with the first one the component's other pairs leave the check list
    /// (RFC 8445 section 8.1.2).
    fn announce_selection(&mut self, id: ComponentId) {
        let Ok(stream) = self.stream_mut(id.stream()) else { return };
        if !stream.is_ready() {
            return;
        }
        let Some(selected) = stream.valid.selected(id).map(|pair| (pair.id, pair.checked)) else { return };
        let Some(component) = stream.component_mut(id) else { return };
        if component.selected.replace(selected.0) == Some(selected.0) {
            return;
        }
        component.reopened = false;
        component.base_lost = false;
        // What the peer has nominated besides, as one of RFC 5245 may, is still checked: the best of them is selected.
        self.drop_pairs(id.stream(), |pair| {
            let kept = pair.id == selected.0
                || pair.id == selected.1
                || (pair.nominated_by_peer.is_some() && pair.state.is_open());
            pair.component == id && !kept
        });
        self.emit(Event::Selected { component: id, pair: selected.0 });
    }

    fn announce_route(&mut self, id: ComponentId) {
        self.follow_route(id);
        let Ok(stream) = self.stream_mut(id.stream()) else { return };
        let route = stream.route(id).map(|pair| (pair.id, pair.path));
        let Some(component) = stream.component_mut(id) else { return };
        if core::mem::replace(&mut component.route, route) != route {
            self.emit(Event::Route { component: id });
        }
    }

    /// The states of the check list and of the stream (RFC 8445 section 7.2.5.4).
    fn announce_state(&mut self, id: StreamId, patience: &mut Deadline) {
        let Some((stream, list)) = self.stream(id).zip(self.lists.list(id)) else { return };
        let (state, until) = judge(stream, list, self.now);
        patience.at(until);
        // Pairs that a peer of RFC 5245 nominates after the first are checked although the component has one, and so is the
        // pair that is to take over from the one that is selected.
        let pending = list.has_triggered() || list.pairs().iter().any(|pair| pair.state.is_open());
        let concluded =
            !pending && stream.needed_components().all(|component| stream.is_concluded(component));
        if let Some(list) = self.lists.list_mut(id) {
            list.state = match state {
                StreamState::Failed(_) => CheckListState::Failed,
                StreamState::New | StreamState::Checking => CheckListState::Running,
                _ if concluded => CheckListState::Completed,
                _ => CheckListState::Running,
            };
        }
        if matches!(state, StreamState::Failed(_)) {
            // rfc8445-12.1-6: also for components that have a valid pair, or are having one nominated.
            self.close_routes(id);
            self.hand_over(id);
            self.transactions.retain(|owner| !owner.is_check_for(id));
        }
        if state == StreamState::Completed {
            self.hand_over(id);
        }
        self.enter_state(id, state);
    }

    pub(super) fn enter_state(&mut self, id: StreamId, state: StreamState) {
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
        self.transactions.retain(|owner| !owner.is_consent_for(id));
        self.close_routes(id);
        let Ok(stream) = self.stream_mut(id) else { return };
        stream.close();
        self.withdraw_questions();
        if let Some(list) = self.lists.list_mut(id) {
            list.state = CheckListState::Failed;
        }
        self.enter_state(id, StreamState::Closed);
    }

    /// Tells the application that there is no way to send any more.
    fn close_routes(&mut self, id: StreamId) {
        let Ok(stream) = self.stream_mut(id) else { return };
        for component in stream.take_routes() {
            self.emit(Event::Route { component });
        }
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
        self.upkeep_deadlines(&mut deadline);
        self.previous_deadlines(&mut deadline);
        self.name_deadlines(&mut deadline);
        if self.gatherer.next().is_some() || self.has_check() {
            deadline.at(self.pacer.next_at().max(self.now));
        }
        self.deadline = deadline.earliest();
    }
}

fn is_over(stream: &Stream) -> bool {
    matches!(stream.state, StreamState::Failed(_) | StreamState::Closed)
}

/// The state of a stream that knows its peer, and until when it would have failed but for patience.
fn judge(stream: &Stream, list: &CheckList, now: Timestamp) -> (StreamState, Option<Timestamp>) {
    let all = |has: fn(&ValidList, ComponentId) -> bool| {
        let mut needed = stream.needed_components().peekable();
        needed.peek().is_some() && needed.all(|component| has(&stream.valid, component))
    };
    let abandoned = stream.needed_components().any(|component| stream.is_abandoned(component));
    if !abandoned && all(|valid, component| valid.best(component).is_some()) {
        let concluded = all(|valid, component| valid.selected(component).is_some());
        let sound = if concluded { StreamState::Completed } else { StreamState::Connected };
        return (soundness(stream).unwrap_or(sound), None);
    }
    if stream.needed_components().any(|component| stream.has_lost_base(component)) && was_connected(stream) {
        return (StreamState::Lost(Reason::BaseRemoved), None);
    }
    // rfc8445-7.2.5.4-1, rfc8838-8-3: nothing is left to check, and nothing more is to come.
    let exhausted = !stream.expects_candidates() && list.pairs().iter().all(|pair| !pair.state.is_open());
    match &stream.remote {
        // rfc8863-4-3: the peer's own checks may still bring a candidate.
        Some(remote) if exhausted && now < remote.patient_until && stream.meeting() != Meeting::BothLite => {
            (StreamState::Checking, Some(remote.patient_until))
        }
        // rfc8863-4-4
        Some(_) if exhausted => {
            let failure = stream.last_failure.unwrap_or(Reason::Timeout);
            let reason = match stream.meeting() {
                Meeting::LiteSelf => Reason::NotNominated,
                _ if list.pairs().is_empty() => Reason::NoPairs,
                _ => failure,
            };
            (StreamState::Failed(reason), None)
        }
        _ => (StreamState::Checking, None),
    }
}

const fn was_connected(stream: &Stream) -> bool {
    !matches!(stream.state, StreamState::New | StreamState::Checking)
}

/// What is wrong with the paths in use: the worst of it.
fn soundness(stream: &Stream) -> Option<StreamState> {
    let standings =
        || stream.components().filter_map(|component| component.upkeep.as_ref()).map(Upkeep::standing);
    let has = |wanted: Standing| standings().any(|standing| standing == wanted);
    if has(Standing::Lost(Loss::Revoked)) {
        Some(StreamState::Lost(Reason::ConsentRevoked))
    } else if has(Standing::Lost(Loss::Expired)) {
        Some(StreamState::Lost(Reason::ConsentExpired))
    } else if has(Standing::Held) {
        Some(StreamState::Unconfirmed(Reason::ClockJumped))
    } else if has(Standing::Overdue) {
        Some(StreamState::Unconfirmed(Reason::AnswerOverdue))
    } else {
        None
    }
}
