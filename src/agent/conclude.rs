//! What follows from what has changed: nominations, selected pairs, routes, states (RFC 8445 sections 8 and 7.2.5.4).

use crate::agent::choices::PATIENCE_MAX;
use crate::agent::freshness::Upkeep;
use crate::agent::pacer::Waits;
use crate::agent::route::Announced;
use crate::agent::sides::RemoteSide;
use crate::agent::stream::Stream;
use crate::agent::{Agent, Config, Error, Event, Reason, StreamState};
use crate::ice::checklist::{CheckList, CheckListState};
use crate::ice::consent::{Hold, Loss, Standing};
use crate::ice::lite::Meeting;
use crate::ice::nomination::{Nomination, Progress, Wait};
use crate::ice::pair::{PairEvent, PairState};
use crate::ice::valid::ValidPair;
use crate::ice::{ComponentId, PairId, Role, StreamId, Verdict};
use crate::time::{Deadline, Timestamp};
use core::time::Duration;

impl Agent {
    /// Ends an input: draws the conclusions, and computes what to wait for.
    pub(super) fn settle(&mut self) {
        let (mut patience, asked_nobody) = (Deadline::default(), self.gatherer.is_idle());
        self.serve_relays();
        self.lists.set_initial_states();
        self.conclude_all(&mut patience);
        self.release_bindings();
        if self.release_idle_relays() {
            // With a relay its pairs have gone, and one of them may have been what the others waited for.
            patience = Deadline::default();
            self.conclude_all(&mut patience);
        }
        self.forget_unused_peers();
        if !asked_nobody || !self.gatherer.is_idle() {
            // What has been concluded may have made a relay send, or let it go.
            self.serve_relays();
            // A relay that is given up before it was there is not waited for any more.
            (0..self.streams.len()).for_each(|index| self.conclude_gathering(index));
        }
        let rests = |stream: &Stream| stream.is_closed() || stream.is_at_rest();
        self.at_rest = self.gatherer.is_idle() && self.streams.iter().all(rests);
        self.reconsider_at = patience.earliest();
        self.compute_deadline();
    }

    /// Ends an input that may have changed nothing but what to wait for: no news are that pairs came or went, which is known
    /// anyway, and what no conclusion is drawn from, as that a pair is being checked while none is valid.
    pub(super) fn settle_if(&mut self, news: bool) {
        if news || self.is_unsettled() {
            self.settle();
        } else {
            self.compute_deadline();
            #[cfg(test)]
            self.assert_settled();
        }
    }

    /// Ends a check of the peer's that was answered, before which the first of our own requests was `due`. At rest, and but for
    /// what a lite agent has heard, one that brings no news moves no instant: at the most it asks for a check, or has pairs make
    /// room.
    pub(super) fn settle_answered(&mut self, news: bool, due: Option<Timestamp>) {
        let moves_nothing = !news
            && self.at_rest
            && !self.is_lite()
            && self.waits.are_for_a_timer(self.now)
            && self.transactions.deadline() == due
            && !self.has_check();
        if !moves_nothing {
            return self.settle_if(news);
        }
        debug_assert_eq!(self.waits, self.found_waits(), "what to wait for has changed");
    }

    /// Whatever the simulator of the crate's own tests comes to: conclusions that are left out would have changed nothing.
    #[cfg(test)]
    fn assert_settled(&mut self) {
        if self.at_rest {
            return;
        }
        let found =
            |agent: &Self| alloc::format!("{:?} {:?} {:?}", agent.outputs, agent.streams, agent.waits);
        let before = found(self);
        self.settle();
        assert_eq!(found(self), before);
    }

    /// Whether conclusions have to be drawn although an input brings no news: pairs came or went, servers are asked, the caller
    /// is late, or the time has come at which the last conclusions would be others.
    pub(super) fn is_unsettled(&self) -> bool {
        let has_come = |at: Option<Timestamp>| at.is_some_and(|at| at <= self.now);
        let is_late = self.waits.deadline().is_some_and(|due| due < self.now);
        !self.at_rest
            && (self.lists.has_changed()
                || has_come(self.reconsider_at)
                || is_late
                || !self.gatherer.is_idle()
                || !self.streams.iter().all(Stream::is_steady))
    }

    fn conclude_all(&mut self, patience: &mut Deadline) {
        for index in 0..self.streams.len() {
            self.conclude_gathering(index);
            self.conclude(index, patience);
        }
    }

    fn conclude(&mut self, index: usize, patience: &mut Deadline) {
        let Some(stream) = self.streams.get(index).filter(|stream| !is_over(stream)) else { return };
        let (id, components, knows_peer) = (stream.id, stream.component_ids(), stream.remote.is_some());
        self.pair_both_lite(id);
        // There is nothing to select, to follow or to nominate before there is a pair that works.
        let has_paths = self.stream(id).is_some_and(Stream::has_paths);
        for component in components.filter(|_| has_paths) {
            self.give_up_lost_backups(component);
            self.follow_elsewhere(component);
            self.announce_selection(component);
            // Also while a restart waits for its answer: the paths of the generation before can be lost meanwhile.
            self.announce_route(component);
            self.consider_reopening(component);
            self.tend_backups(component);
            // Last, as it goes by what has been selected and kept just now.
            self.consider_nomination(component, patience);
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
            return self.consider_move(id, patience);
        }
        if stream.is_abandoned(id) {
            return;
        }
        let renominates = stream.renominates();
        let Some(best) = stream.valid.best(id).cloned() else { return };
        let Some(component) = stream.component_mut(id) else { return };
        let Wait { since, mut until, mut not_before } = match &component.nomination {
            Progress::Nominating(pair) if list.pair(*pair).is_some() => return,
            Progress::Valid(wait) => **wait,
            // The pair under nomination may have gone with its candidate.
            Progress::Nominating(_) | Progress::Nothing => {
                Wait { since: now, until: Timestamp::MAX, not_before: Timestamp::ZERO }
            }
        };
        let Some(views) = self.views(id.stream()) else { return };
        match views.nominate(&*self.config.policy, &best, since, waits) {
            Verdict::Nominate(pair) if views.stream.valid.get(pair).is_some() => {
                return self.nominate_valid(id, pair, renominates);
            }
            // There is no such pair.
            Verdict::Nominate(_) => {}
            Verdict::Wait(wait) => {
                // Nobody wakes up more often to wait; whoever is asked in between comes to the same instant.
                not_before = if until <= now { now + WAIT_MIN } else { not_before };
                until = not_before.max(now + wait).min(since + waits.max(PATIENCE_MAX));
                patience.at(until);
            }
        }
        if let Ok(stream) = self.stream_mut(id.stream())
            && let Some(component) = stream.component_mut(id)
        {
            component.nomination.wait(Wait { since, until, not_before });
        }
    }

    /// Repeats the check of a valid pair with USE-CANDIDATE.
    pub(super) fn nominate_valid(&mut self, id: ComponentId, pair: PairId, numbered: bool) {
        let Some(list) = self.lists.list_mut(id.stream()) else { return };
        let Some(stream) = self.streams.get_mut(usize::from(id.stream().to_raw())) else { return };
        let Some(checked) = stream.valid.get(pair).map(|pair| pair.checked) else { return };
        let Some(component) = stream.component_mut(id) else { return };
        component.nomination = Progress::Nominating(checked);
        component.nominations.0 += u32::from(numbered);
        list.queue(checked);
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
        // rfc8445-8.1.1-2: one nomination for a component, unless they may follow one another.
        let (selected, renominates) = (stream.valid.selected(pair.component), stream.renominates());
        let concluded = selected.is_some_and(|selected| !renominates || selected.id == id);
        let nominated =
            stream.component(pair.component).ok_or(Error::UnknownComponent)?.nomination.nominated();
        let list = self.lists.list_mut(pair.component.stream()).ok_or(Error::UnknownStream)?;
        let under_way = nominated.is_some_and(|pair| list.pair(pair).is_some());
        // A nomination repeats a check: what the one from another base has shown was never asked by itself.
        let unasked = pair.is_hearsay && list.pair(pair.checked).is_none();
        if concluded || under_way || unasked {
            return Err(Error::CannotNominate);
        }
        let checked = self.listed_again(&pair).ok_or(Error::UnknownPair)?;
        let stream = self.stream_mut(pair.component.stream())?;
        if let Some(component) = stream.component_mut(pair.component) {
            component.nomination = Progress::Nominating(checked);
            component.nominations.0 += u32::from(renominates);
        }
        Ok(())
    }

    /// Queues the pair of the check list that a nomination of a valid pair repeats: with the first nomination the others have
    /// left the list (RFC 8445 section 8.1.2).
    pub(super) fn listed_again(&mut self, valid: &ValidPair) -> Option<PairId> {
        let stream = valid.component.stream();
        let listed = self.lists.list(stream)?.pair(valid.checked).map(|pair| pair.id);
        let checked = listed.or_else(|| {
            let base = self.stream(stream)?.locals.get(valid.local)?.base;
            let local = self.stream(stream)?.locals.of_base(base)?.id;
            self.form(stream, local, valid.remote)
        })?;
        for known in self.stream_mut(stream).ok()?.valid.pairs_mut().filter(|known| known.id == valid.id) {
            known.checked = checked;
        }
        let list = self.lists.list_mut(stream)?;
        list.trigger(checked);
        list.queue(checked);
        Some(checked)
    }

    /// A selected pair is announced once, and with the first one the component's other pairs leave the check list
    /// (RFC 8445 section 8.1.2).
    fn announce_selection(&mut self, id: ComponentId) {
        let now = self.now;
        let Ok(stream) = self.stream_mut(id.stream()) else { return };
        if !stream.is_ready() {
            return;
        }
        let Some(pair) = stream.valid.selected(id) else { return };
        let (selected, path) = ((pair.id, pair.checked), pair.path);
        let Some(component) = stream.component_mut(id) else { return };
        if component.selected.replace(selected.0) == Some(selected.0) {
            return;
        }
        component.change_mobility(|it| {
            (it.trouble, it.reopened) = (None, None);
            (it.rival, it.relocated) = (None, None);
        });
        component.peer_priority = None;
        component.selected_at = now;
        component.base_lost = false;
        // rfc7675-5.1-17: what is lost stays lost, also when the pair that took its place goes.
        stream.forget_lost_pairs(id);
        // renom-v2-9: the others may be needed, and are thinned out later.
        let keeps_others = stream.backups() > 0;
        // What the peer has nominated besides, as one of RFC 5245 may, is still checked: the best of them is selected.
        self.drop_pairs(id.stream(), |pair| {
            let kept = pair.id == selected.0
                || pair.id == selected.1
                || (pair.nominated_by_peer.is_some() && pair.state.is_open());
            pair.component == id && !kept && !keeps_others
        });
        self.bind_channel(path);
        self.emit(Event::Selected { component: id, pair: selected.0 });
        for withdrawn in self.stream(id.stream()).map(|stream| stream.remotes.withdrawn()).unwrap_or_default()
        {
            self.forget_remote(id.stream(), withdrawn);
        }
    }

    fn announce_route(&mut self, id: ComponentId) {
        self.follow_route(id);
        let route = self.route(id);
        let Ok(stream) = self.stream_mut(id.stream()) else { return };
        let Some(component) = stream.component_mut(id) else { return };
        let known = component.route.as_ref();
        let is_known = match &route {
            Some(route) => known.is_some_and(|known| known.is(route)),
            None => known.is_none(),
        };
        if !is_known {
            component.route = route.map(Announced::from);
            self.emit(Event::Route { component: id });
        }
    }

    /// The states of the check list and of the stream (RFC 8445 section 7.2.5.4).
    fn announce_state(&mut self, id: StreamId, patience: &mut Deadline) {
        self.note_search(id);
        let Some((stream, list)) = self.stream(id).zip(self.lists.list(id)) else { return };
        let (state, until) = judge(stream, list, self.now, &self.config);
        patience.at(until);
        if state != StreamState::Checking
            && let Ok(stream) = self.stream_mut(id)
        {
            stream.search.since = None;
        }
        let Some((stream, list)) = self.stream(id).zip(self.lists.list(id)) else { return };
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
            for pair in self.lists.list_mut(id).into_iter().flat_map(CheckList::pairs_mut) {
                if let PairState::InProgress(check) = pair.state {
                    pair.apply(PairEvent::Fail(check));
                }
            }
        }
        if state == StreamState::Completed
            && self.hand_over(id)
            && let Some(stream) = self.stream(id)
        {
            // A component that the peer does without has nothing selected that data could have moved to before.
            stream.component_ids().for_each(|component| self.announce_route(component));
        }
        self.enter_state(id, state);
    }

    /// Takes note of when a stream began to look for a path, and of when there was nothing more to come.
    fn note_search(&mut self, id: StreamId) {
        let now = self.now;
        // While the caller slept, nothing could be found.
        let late = self.waits.deadline().map_or(Duration::ZERO, |due| now.saturating_since(due));
        let Ok(stream) = self.stream_mut(id) else { return };
        let expects = stream.expects_candidates();
        let since = |known: Option<Timestamp>| Some(known.map_or(now, |since| since + late));
        stream.search.since = since(stream.search.since);
        stream.search.complete_since = since(stream.search.complete_since).filter(|_| !expects);
    }

    pub(super) fn enter_state(&mut self, id: StreamId, state: StreamState) {
        let Some(stream) = self.streams.get_mut(usize::from(id.to_raw())) else { return };
        if core::mem::replace(&mut stream.state, state) != state {
            self.emit(Event::State { stream: id, state });
        }
    }

    /// Ends a stream for good.
    pub(super) fn shut(&mut self, id: StreamId) {
        self.leave_relays_where(|relay| relay.component.stream() == id);
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

    pub(super) fn compute_deadline(&mut self) {
        self.waits = self.found_waits();
    }

    fn found_waits(&self) -> Waits {
        let mut deadline = Deadline::default();
        deadline.at(self.reconsider_at);
        if let Some(due) = self.transactions.deadline() {
            // What is overdue may have to wait for leave to retransmit.
            let leave = || self.pacer.next_retransmission_at(self.ta());
            deadline.at(if due <= self.now { leave().max(due) } else { due });
        }
        self.upkeep_deadlines(&mut deadline);
        if !self.at_rest {
            self.gatherer.deadlines(&mut deadline);
            self.previous_deadlines(&mut deadline);
            self.name_deadlines(&mut deadline);
        }
        let gathers = || !self.at_rest && self.gatherer.next().is_some();
        let wants_slot = gathers() || self.has_check();
        let slot_at = wants_slot.then(|| self.pacer.next_at().max(self.now));
        Waits::new(deadline.earliest(), slot_at)
    }
}

fn is_over(stream: &Stream) -> bool {
    matches!(stream.state, StreamState::Failed(_) | StreamState::Closed)
}

impl Stream {
    /// Whether what there is to conclude changes with news alone, and at instants that are known.
    fn is_steady(&self) -> bool {
        let is_plain = match self.state {
            StreamState::Failed(_) | StreamState::Closed => return true,
            StreamState::Unconfirmed(_) | StreamState::Lost(_) => false,
            StreamState::New | StreamState::Checking | StreamState::Connected | StreamState::Completed => {
                true
            }
        };
        is_plain
            && !self.is_lite()
            && !self.renominates()
            && self.previous.is_none()
            && !self.unresolved.is_waiting()
    }

    /// Whether the stream has come to its end, and all is well with it.
    fn is_at_rest(&self) -> bool {
        self.state == StreamState::Completed
            && !self.renominates()
            && self.previous.is_none()
            && !self.unresolved.is_waiting()
    }
}

/// The state of a stream that knows its peer, and until when it would have failed but for patience.
fn judge(
    stream: &Stream,
    list: &CheckList,
    now: Timestamp,
    config: &Config,
) -> (StreamState, Option<Timestamp>) {
    let mut needed = stream.needed_components().peekable();
    let is_needed = needed.peek().is_some();
    let works = |component| stream.valid.best(component).is_some() && !stream.is_abandoned(component);
    if is_needed && needed.clone().all(works) {
        let concluded = needed.all(|component| stream.is_concluded(component));
        let sound = if concluded { StreamState::Completed } else { StreamState::Connected };
        return (soundness(stream).unwrap_or(sound), None);
    }
    if was_connected(stream) && needed.any(|component| stream.has_lost_base(component)) {
        return (StreamState::Lost(Reason::BaseRemoved), None);
    }
    // rfc8445-7.2.5.4-1, rfc8838-8-3: nothing is left to check, and nothing more is to come.
    let checked = list.pairs().iter().all(|pair| !pair.state.is_open());
    let end = stream.presumed_end().filter(|_| checked);
    let limit = if checked { None } else { search_limit(stream, config) };
    let exhausted = checked && (!stream.expects_candidates() || end.is_some_and(|end| end <= now))
        || limit.is_some_and(|limit| limit <= now);
    match &stream.remote {
        // rfc8863-4-3: the peer's own checks may still bring a candidate.
        Some(remote)
            if exhausted
                && now < patient_until(stream, remote, config)
                && stream.meeting() != Meeting::BothLite =>
        {
            (StreamState::Checking, Some(patient_until(stream, remote, config)))
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
        _ => (StreamState::Checking, end.or(limit)),
    }
}

/// When a stream gives up although pairs are still to be checked: those of one foundation are checked one after another, which
/// could take minutes. Candidates that came last have as long as the peer's checks have, and as their own may take.
fn search_limit(stream: &Stream, config: &Config) -> Option<Timestamp> {
    let search = stream.search;
    // A lite agent checks nothing.
    let (since, complete_since) = search.since.zip(search.complete_since).filter(|_| !stream.is_lite())?;
    let under_way = config.patience_for_checks.max(config.rto.total());
    Some((since + config.checking_limit).max(complete_since + under_way))
}

/// Until when a check of the peer may still bring a candidate. A lite agent waits as long as it is asked, but no longer than a
/// peer may take that keeps to the same limit: what asks may be a replay of what did.
fn patient_until(stream: &Stream, remote: &RemoteSide, config: &Config) -> Timestamp {
    let limit = config.checking_limit.saturating_add(config.patience_for_checks);
    let complete_since = stream.search.complete_since.filter(|_| stream.is_lite());
    complete_since.map_or(remote.patient_until, |since| remote.patient_until.min(since + limit))
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
    } else if has(Standing::Held(Hold::Jumped)) {
        Some(StreamState::Unconfirmed(Reason::ClockJumped))
    } else if has(Standing::Held(Hold::Unused)) {
        Some(StreamState::Unconfirmed(Reason::ConsentAwaited))
    } else if has(Standing::Overdue) {
        Some(StreamState::Unconfirmed(Reason::AnswerOverdue))
    } else {
        None
    }
}

/// Between two instants at which a policy goes on waiting.
const WAIT_MIN: Duration = Duration::from_millis(1);
