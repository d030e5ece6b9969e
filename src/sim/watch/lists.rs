//! What an agent shows of itself when it is quiet: pairs, candidates, routes, counters.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::wire::Wire;
use crate::ice::{Candidate, CandidateKind, ComponentId, PairState, Role, StreamId};
use crate::{Agent, Limits, Pair, Stats, StreamState, Timestamp};

/// INV-05: more at once is no answer but a flood. A relay that is left says so to its server, and takes several candidates
/// along; a remote candidate may have a name to ask for.
pub(super) fn outputs_max(agent: &Agent) -> usize {
    let sum = |of: &dyn Fn(StreamId) -> usize| super::streams(agent).map(of).sum::<usize>();
    4 * sum(&|stream| agent.pairs(stream).count())
        + 12 * sum(&|stream| agent.local_candidates(stream).count())
        + sum(&|stream| agent.remote_candidates(stream).count())
        + 16
}

/// Everything that can be seen from outside at once, of an agent that is to keep to these limits.
pub(super) fn inspect(
    agent: &Agent,
    limits: &Limits,
    wire: &Wire,
    now: Timestamp,
    before: &Stats,
) -> Result<(), String> {
    counters(&agent.stats(), before)?;
    let (mut live, mut all_closed) = (0, true);
    for stream in super::streams(agent) {
        let pairs: Vec<Pair<'_>> = agent.pairs(stream).collect();
        live += pairs.iter().filter(|pair| pair.is_listed()).count();
        list(agent.role(), &pairs)?;
        for pair in &pairs {
            look_at(agent, wire, pair)?;
        }
        let mut component = None;
        for pair in pairs.iter().filter(|pair| component.replace(pair.component()) != Some(pair.component()))
        {
            route(agent, wire, pair.component(), now)?;
        }
        candidates(agent, limits, wire, stream)?;
        let state = agent.state(stream);
        left(state, &pairs)?;
        all_closed &= state == Some(StreamState::Closed);
    }
    // INV-32
    if live > limits.pairs {
        return Err(format!("INV-32: {live} live pairs, more than {}", limits.pairs));
    }
    over(all_closed, agent.deadline())
}

/// INV-51: what is left of a stream in this state.
fn left(state: Option<StreamState>, pairs: &[Pair<'_>]) -> Result<(), String> {
    match state == Some(StreamState::Closed) && !pairs.is_empty() {
        false => Ok(()),
        true => Err(format!("INV-51: {} pairs of a stream that was closed", pairs.len())),
    }
}

/// INV-10, INV-51: what an agent waits for.
fn over(all_closed: bool, deadline: Option<Timestamp>) -> Result<(), String> {
    match deadline.filter(|_| all_closed) {
        None => Ok(()),
        Some(due) => Err(format!("INV-10: a deadline after the end, {due:?}")),
    }
}

/// INV-33
fn counters(now: &Stats, before: &Stats) -> Result<(), String> {
    let all = |stats: &Stats| {
        let ignored = &stats.ignored;
        let narrow = [
            stats.checks_sent,
            stats.consent_checks_sent,
            stats.retransmissions,
            stats.checks_withheld,
            stats.pairs_dropped,
            stats.peer_reflexive_refused,
            stats.early_requests_dropped,
            stats.names_unresolved,
            stats.servers_failed,
            ignored.unknown_base,
            ignored.source,
            ignored.malformed,
            ignored.fingerprint,
            ignored.unexpected,
            ignored.unknown_transaction,
            ignored.bad_integrity,
            ignored.unauthenticated,
            ignored.refused,
            ignored.indication,
            ignored.relay,
            ignored.direct,
            ignored.unverified,
            ignored.closed,
        ];
        [stats.transmitted, stats.data_received].into_iter().chain(narrow.map(u64::from))
    };
    match all(now).zip(all(before)).all(|(now, before)| now >= before) {
        true => Ok(()),
        false => Err(format!("INV-33: a counter has fallen, from {before:?} to {now:?}")),
    }
}

/// INV-37, INV-38, INV-39: a check list as a whole.
fn list(role: Role, pairs: &[Pair<'_>]) -> Result<(), String> {
    let listed = || pairs.iter().filter(|pair| pair.is_listed());
    let mut last = u64::MAX;
    for (place, pair) in listed().enumerate() {
        if let Some(twin) = listed().skip(place + 1).find(|other| other.path() == pair.path()) {
            return Err(format!("INV-37: {} and {} on {:?}", pair.id(), twin.id(), pair.path()));
        }
        let [ours, theirs] = [pair.local(), pair.remote()].map(|it| u64::from(it.priority().get()));
        let (g, d) = if role == Role::Controlling { (ours, theirs) } else { (theirs, ours) };
        // RFC 8445 section 6.1.2.3
        let wanted = (g.min(d) << 32) + 2 * g.max(d) + u64::from(g > d);
        let priority = pair.priority().get();
        if priority != wanted || priority > last {
            let path = pair.path();
            return Err(format!("INV-38: priority {priority:#x} for {wanted:#x} after {last:#x}, {path:?}"));
        }
        last = priority;
    }
    // INV-39: a success thaws all that share its foundation.
    let foundation = |pair: &Pair<'_>| (pair.local().foundation(), pair.remote().foundation());
    for frozen in listed().filter(|pair| pair.state() == PairState::Frozen) {
        let thaws =
            |pair: &&Pair<'_>| pair.state() == PairState::Succeeded && foundation(pair) == foundation(frozen);
        if let Some(pair) = listed().find(thaws) {
            return Err(format!(
                "INV-39: {:?} is frozen although {:?} has succeeded",
                frozen.path(),
                pair.path()
            ));
        }
    }
    for pair in pairs.iter().filter(|pair| pair.is_selected()) {
        let twins = |other: &&Pair<'_>| other.is_selected() && other.component() == pair.component();
        if pairs.iter().filter(twins).count() > 1 || !pair.is_valid() || !pair.is_nominated() {
            return Err(format!("INV-39: {} is selected: {pair:?}", pair.id()));
        }
    }
    Ok(())
}

/// One pair by itself.
fn look_at(agent: &Agent, wire: &Wire, pair: &Pair<'_>) -> Result<(), String> {
    let (id, path) = (pair.id(), pair.path());
    // What an allowance holds back was never seen.
    let seen = agent.stats().checks_withheld == 0 && !wire.is_relayed(path);
    if let PairState::InProgress(check) = pair.state() {
        // INV-39
        if seen && !wire.has_asked(*check.as_bytes(), path) {
            return Err(format!("INV-39: {id} is in progress on {path:?} and was never asked"));
        }
        if agent.deadline().is_none() {
            return Err(format!("INV-39: nobody waits for {id}"));
        }
    }
    // INV-28: of a lite agent, which asks nothing, the peer's checks count. Where an answer says that a check was seen under the
    // address of another base, it is the pair of that one which becomes valid (RFC 8445 section 7.2.5.3.2); data has to wait for
    // an answer on its own path (INV-27).
    let answered = || {
        let ours = pair.local().ip().unwrap_or_else(|| path.local());
        wire.was_ever_answered(path) || wire.was_seen_at(ours, path.remote())
    };
    if pair.is_valid() && seen && !agent.is_lite() && !answered() {
        return Err(format!("INV-28: {id} is valid on {path:?} without an answer"));
    }
    Ok(())
}

/// INV-27, and INV-14 with it.
fn route(agent: &Agent, wire: &Wire, component: ComponentId, now: Timestamp) -> Result<(), String> {
    let Some(route) = agent.route(component) else { return Ok(()) };
    let Some(pair) = agent.pair(route.pair()) else {
        return Err(format!("INV-27: a route of {component} without a pair"));
    };
    let path = pair.path();
    // Nobody has told the agent yet what time it is.
    let behind = agent.deadline().is_some_and(|due| due <= now);
    if agent.is_lite() || !agent.asks_for_consent() || behind || wire.is_relayed(path) {
        return Ok(());
    }
    let age = wire.answered_at(path).map(|at| now.saturating_since(at));
    match age {
        Some(age) if age <= CONSENT => Ok(()),
        _ => Err(format!("INV-27: data may go out on {path:?}, last answered {age:?} ago")),
    }
}

/// INV-25, INV-32, INV-42
fn candidates(agent: &Agent, limits: &Limits, wire: &Wire, stream: StreamId) -> Result<(), String> {
    let mut remotes = 0;
    for (id, candidate) in agent.remote_candidates(stream) {
        remotes += 1;
        if let (CandidateKind::PeerReflexive, Some(address)) = (candidate.kind(), candidate.ip())
            && !wire.has_heard_from(address)
            && !wire.has_relays()
        {
            return Err(format!("INV-25: {id} at {address}, from where nobody has checked"));
        }
    }
    // Those whose name nobody has resolved have as much room again.
    if remotes > 2 * limits.remote_candidates + limits.peer_reflexive {
        return Err(format!("INV-32: {remotes} remote candidates"));
    }
    let ours: Vec<_> = agent.local_candidates(stream).map(|(_, candidate)| candidate).collect();
    if ours.len() > limits.local_candidates {
        return Err(format!("INV-32: {} local candidates", ours.len()));
    }
    foundations(&ours)
}

/// INV-42: what shares a foundation is of one type, by one transport and from one base; and hosts that are so share theirs. Of
/// others the server would have to be known, too.
fn foundations(ours: &[&Candidate]) -> Result<(), String> {
    let base = |it: &Candidate| match it.kind() {
        CandidateKind::Host | CandidateKind::Relayed => it.ip().map(|address| address.ip()),
        _ => it.related().map(|address| address.ip()),
    };
    for (place, one) in ours.iter().enumerate() {
        for other in ours.iter().skip(place + 1) {
            let is_one = one.foundation() == other.foundation();
            let is_alike = one.kind() == other.kind()
                && one.transport() == other.transport()
                && base(one) == base(other);
            if is_one && !is_alike {
                return Err(format!("INV-42: one foundation for {one:?} and {other:?}"));
            }
            if is_alike && !is_one && one.kind() == CandidateKind::Host && base(one).is_some() {
                return Err(format!("INV-42: two foundations for {one:?} and {other:?}"));
            }
        }
    }
    Ok(())
}

/// RFC 7675 section 5.1.
const CONSENT: core::time::Duration = core::time::Duration::from_secs(30);

#[cfg(test)]
mod tests;
