//! What the oracle says of a random world: whether its two ends can meet, by which pair, and until when.

use core::net::SocketAddr;
use core::time::Duration;

use floe::ice::{CandidateKind, Role};
use floe::sim::Dependence;
use floe::sim::oracle::{Bound, FAILURE_BY, FAILURE_NOT_BEFORE, FeasiblePair, Forecast, Party};
use floe::{Event, Profile, StreamState, Timestamp};

use super::build::WEB;
use super::plan::{Families, Gateway, Plan, Reach, Server, Shared, Use};
use super::run::Play;
use super::verdict::{has_faulty_relays, tail, was_taken_back};

/// INV-12, INV-13, INV-14, INV-16: the first search comes to what the network permits.
///
/// | in a world without an enemy | what has to hold |
/// |---|---|
/// | where there is no way | nobody has connected |
/// | where there is no way, and nothing is lost, late by chance, doubled or overtaken | both fail in time |
/// | where nothing is lost, and there is a [sure](Possible::at_least) way | both complete |
/// | ... and deadlines are served at once, and candidates come while the first checks are sent | they do so within the bound |
/// | ... and both ends wait for the end of the search | they select the best pair |
pub fn compare(play: &Play<'_>) {
    let world = Possible::of(play);
    if !world.at_most.is_feasible() {
        let connected = (0..2).find(|end| entered(play, *end, is_connected).is_some());
        assert_eq!(connected, None, "INV-14: an end has connected where there is no way\n{}", tail(play));
    }
    if !play.plan.is_faithful() {
        return;
    }
    if !world.at_most.is_feasible() {
        (0..2).for_each(|end| fails_in_time(play, end));
    }
    if !world.at_least.is_feasible() || world.is_in_doubt {
        return;
    }
    assert_eq!(
        play.states(),
        [StreamState::Completed; 2],
        "INV-12: there is a way: {}\n{}",
        world.at_least.pairs()[0],
        tail(play)
    );
    connects_in_time(play, &world);
    if play.plan.ends.iter().all(|end| end.setting.settled) {
        selects_the_best(play, &world);
    }
}

/// What a network permits, at most and at least.
struct Possible {
    /// With every server that answers at all, and with all that the order of events may make possible.
    at_most: Forecast,
    /// With servers alone that do as they should, and without what may wait too long for other checks: pairs of relayed
    /// candidates of one foundation.
    at_least: Forecast,
    /// Who controls, first.
    order: [usize; 2],
    /// All servers do as they should, at once.
    is_sure: bool,
    /// The oracle does not know enough: of what is beyond the limits of agents (section 3 of the threat model); of a lite agent
    /// behind a gateway, which never opens it; of candidates that are overtaken by their own end, and so are none (RFC 8838
    /// section 9); of a relay that its server has taken back; of names, which neighbours alone can resolve; of a component that waits for the other one, while the filter that it needs is opened in vain.
    is_in_doubt: bool,
}

impl Possible {
    fn of(play: &Play<'_>) -> Self {
        let roles = [0, 1].map(|end| play.session.peer(end).agent().role());
        let order = if roles[0] == Role::Controlling { [0, 1] } else { [1, 0] };
        let plan = play.plan;
        let forecast = |all: bool| {
            let [controlling, controlled] = order.map(|end| party(play, end, all));
            play.session.world.forecast(&controlling, &controlled)
        };
        let is_used = plan.ends.iter().any(|end| end.uses != Use::Nothing);
        let is_sure = !is_used || plan.servers.iter().all(Server::is_sound);
        let (at_most, at_least) = (forecast(true), forecast(false));
        let lite = plan.ends.iter().any(|end| end.setting.lite);
        // A firewall that translates nothing has an address that can be sent to before it has been opened.
        let filters = |gateway: &Gateway| {
            gateway.filtering != Dependence::EndpointIndependent || gateway.mapping.is_none()
        };
        let mut interfaces = plan.ends.iter().flat_map(|end| &end.interfaces);
        let is_filtered = interfaces.any(|interface| interface.gateways.iter().any(filters));
        let components = u32::from(plan.ends[0].components);
        let pairs = at_most.bound().map_or(0, |bound| bound.pairs) * components;
        let exceeded = [0, 1].map(|end| play.session.peer(end).agent().stats());
        let exceeded = exceeded.map(|stats| stats.peer_reflexive_refused + stats.checks_withheld);
        Self {
            at_most,
            at_least,
            order,
            is_sure,
            is_in_doubt: pairs > PAIRS_MAX
                || exceeded != [0; 2]
                || lite && plan.shared != Shared::Nothing
                || plan.may_overtake()
                || was_taken_back(play)
                || plan.ends.iter().any(|end| end.hides)
                || components > 1 && is_filtered,
        }
    }

    /// The pair that both ends have selected, each as it sees it; and, where a check was faster than a server, so that a mapped
    /// address is a peer-reflexive candidate where a server-reflexive one was to be expected, the higher priority that it has.
    fn selected(&self, play: &Play<'_>) -> Option<(FeasiblePair, Option<u64>)> {
        let sides = self.order.map(|end| {
            let peer = play.session.peer(end);
            let mut pairs = peer.agent().pairs(peer.stream());
            let pair = pairs.find(|pair| pair.is_selected() && pair.component().number() == 1)?;
            Some((pair.local().kind(), pair.path().local(), pair.priority().get()))
        });
        let [Some(controlling), Some(controlled)] = sides else { return None };
        let found = *self.at_most.find([controlling, controlled].map(|(kind, base, _)| (kind, base)))?;
        let is_early = found.kinds() != [controlling.0, controlled.0];
        Some((found, is_early.then_some(controlling.2)))
    }
}

/// INV-16
fn selects_the_best(play: &Play<'_>, world: &Possible) {
    let (best, plan) = (world.at_most.best(), play.plan);
    let is_relayed = |pair: &FeasiblePair| pair.kinds().contains(&CandidateKind::Relayed);
    let may_wait = (0..2).any(|end| shares_relays(plan, end)) && best.iter().any(is_relayed);
    // What comes first decides.
    let may_differ = world.at_least.best() != best;
    if !world.is_sure || may_wait || may_differ {
        return;
    }
    let selected = world.selected(play);
    // With a pair of two hosts nobody waits for more to be signalled, which may be of the other family.
    let trickles = !plan.signalling.jitter.is_zero() && plan.ends.iter().any(|end| end.trickles);
    let is_direct = selected.is_some_and(|(selected, _)| selected.kinds() == [CandidateKind::Host; 2]);
    assert!(
        trickles && is_direct
            || selected.is_some_and(|(selected, early)| match early {
                Some(priority) => priority >= best[0].priority,
                None => best.contains(&selected) || differ_by_server(&best[0], &selected),
            }),
        "INV-16: {selected:?} was selected, not {}\n{}\n{}",
        best[0],
        pairs(play),
        tail(play)
    );
}

/// Whether nothing but servers tells two pairs apart: a mapped address has the preference of that server which has told of it
/// first, and which is the fastest the oracle does not know.
fn differ_by_server(best: &FeasiblePair, selected: &FeasiblePair) -> bool {
    let is_mapped = [best, selected].iter().all(|it| it.kinds().contains(&CandidateKind::ServerReflexive));
    is_mapped && best.priority - selected.priority < OTHER_BASE
}

/// What both ends think of their pairs.
fn pairs(play: &Play<'_>) -> String {
    let peers = [0, 1].map(|end| play.session.peer(end));
    let pairs = peers.iter().flat_map(|peer| {
        let agent = peer.agent();
        agent.pairs(peer.stream()).map(|pair| format!("{:?} {pair:?}\n", agent.role()))
    });
    pairs.collect()
}

/// An end as the oracle is told of it: with all servers, or with those that are of use for sure.
fn party(play: &Play<'_>, end: usize, all: bool) -> Party {
    let (plan, session) = (play.plan, &play.session);
    let peer = session.peer(end);
    // Local preferences are the agent's own affair.
    let preference = |address: SocketAddr| {
        let mut ours = peer.agent().local_candidates(peer.stream()).map(|(_, candidate)| candidate);
        let is_there = |it: SocketAddr| (it.ip(), it.port()) == (address.ip(), address.port());
        let host = ours.find(|it| it.kind() == CandidateKind::Host && it.ip().is_some_and(is_there));
        host.map_or(u16::MAX, |host| host.priority().local_preference())
    };
    let addresses = session.world.addresses(session.ends[end]).iter();
    let sockets = addresses.fold(Party::new(session.ends[end]), |party, address| {
        party.base_preferred(*address, preference(*address))
    });
    let this = &plan.ends[end];
    let lends = all || !shares_relays(plan, end);
    let servers = plan.servers.iter().zip(&session.servers).filter(|_| this.uses != Use::Nothing);
    let servers = servers.filter(|(server, _)| all || server.is_sound());
    let party = servers.fold(sockets, |party, (server, id)| {
        let relays = this.uses == Use::Turn && server.relays;
        session.world.addresses(*id).iter().fold(party, |party, address| {
            let over_tcp = address.port() == WEB;
            match (over_tcp, relays) {
                (true, true) if lends && this.reach.has(true) => party.relays_over_tcp(*address),
                (false, true) if lends && this.reach.has(false) => party.relays(*address),
                (false, true) if this.reach.has(false) => party.asks(*address),
                (false, false) => party.asks(*address),
                _ => party,
            }
        })
    });
    party.relay_only(plan.ends[end].setting.relay_only).pairs_widely(all)
}

/// Whether an end has several relayed addresses on one server: of one foundation, so that the pairs of one are not checked
/// before those of another are done with, which may take longer than the other end tries.
fn shares_relays(plan: &Plan, end: usize) -> bool {
    let end = &plan.ends[end];
    let bases = |interface: &super::plan::Interface| match interface.families {
        Families::V4 | Families::V6 => 1,
        Families::Both => 2,
    };
    let several = end.interfaces.iter().map(bases).sum::<u32>() > 1;
    end.uses == Use::Turn && (several || end.reach == Reach::Both || plan.shared == Shared::Link)
}

/// INV-13
fn fails_in_time(play: &Play<'_>, end: usize) {
    let failed = |state: &StreamState| matches!(state, StreamState::Failed(_));
    let begun = entered(play, end, |state| *state == StreamState::Checking);
    let Some(over) = entered(play, end, failed) else {
        // By the letter of RFC 8445 nobody gives up before every pair was checked, which may take long.
        let literal = play.plan.ends.iter().any(|end| end.setting.profile == Profile::Rfc8445);
        assert!(literal, "INV-13: end {end} is {:?}\n{}", play.states()[end], tail(play));
        return;
    };
    let begun = begun.unwrap_or(over);
    let taken = over.saturating_since(begun);
    assert!(taken >= FAILURE_NOT_BEFORE, "INV-13: end {end} has given up after {taken:?}\n{}", tail(play));
    let literal = play.plan.ends[end].setting.profile == Profile::Rfc8445;
    let late = over.saturating_since(begun.max(last_candidate(play, over)));
    // While the caller slept, nothing could be found: that time does not count.
    let sleeps = !play.plan.lateness.is_zero();
    assert!(
        literal || sleeps || late <= FAILURE_BY,
        "INV-13: end {end} has given up after {late:?} only\n{}",
        tail(play)
    );
}

/// INV-12
fn connects_in_time(play: &Play<'_>, world: &Possible) {
    let plan = play.plan;
    let known = [0, 1].map(|end| all_known(play, end));
    // While one end has nothing to send to yet, the other's checks are filtered, and farther and farther apart.
    let behind = known[0].max(known[1]).saturating_since(known[0].min(known[1]));
    if plan.ends[0].components > 1 || !plan.lateness.is_zero() || behind > BEHIND_MAX {
        return;
    }
    let Some(bound) = world.at_most.bound() else { return };
    let settings = plan.ends.each_ref().map(|end| end.setting);
    let pacing = settings.map(|it| it.pacing).into_iter().max().unwrap_or_default();
    let pacing = Duration::from_millis(pacing);
    let latencies = plan
        .ends
        .each_ref()
        .map(|end| end.interfaces.iter().map(|interface| interface.link.latency).max().unwrap_or_default());
    let rtt = 2 * (latencies[0] + latencies[1] + SERVER_DETOUR);
    // The formula of RFC 8445 section 14.3.
    let literal = settings.iter().any(|it| it.profile == Profile::Rfc8445);
    let rto = if literal { bound.rto.max(pacing * bound.pairs) } else { bound.rto };
    // A relay is not nominated before twice as long.
    let patience = settings.map(|it| it.patience).into_iter().max().unwrap_or_default();
    let patience = 2 * Duration::from_millis(patience);
    let transmissions = TRANSMISSIONS;
    let bound = Bound { pacing, rtt, rto, patience, transmissions, ..bound };
    // Who nominates a pair whose relay was taken back meanwhile asks for it until it is known that nobody is there.
    let in_vain = if has_faulty_relays(play) { CONSENT } else { Duration::ZERO };
    let over = (0..2).filter_map(|end| entered(play, end, |state| *state == StreamState::Completed)).max();
    let taken = over.unwrap_or_default().saturating_since(known[0].max(known[1]));
    let longest = bound.duration() + in_vain;
    assert!(
        taken <= longest,
        "INV-12: connected after {taken:?}, more than {longest:?}: {bound:?}\n{}",
        tail(play)
    );
}

/// When the other end knew all candidates of this one.
fn all_known(play: &Play<'_>, end: usize) -> Timestamp {
    let signal = play.plan.signalling;
    let called = Timestamp::from(play.plan.ends[end].calls_after);
    let mut events = play.session.peer(end).events().iter();
    let gathered = events.find(|(_, event)| matches!(event, Event::GatheringComplete { .. }));
    gathered.map_or(called, |(at, _)| called.max(*at)) + signal.delay + signal.jitter
}

/// When both ends knew all candidates of each other that there were by then: a relay that its server has forgotten is asked for
/// again, and while that lasts more may come (RFC 8838 section 8).
fn last_candidate(play: &Play<'_>, by: Timestamp) -> Timestamp {
    let signal = play.plan.signalling;
    let gathered = |end: usize| {
        let events = play.session.peer(end).events().iter();
        let complete = events.filter(|(_, event)| matches!(event, Event::GatheringComplete { .. }));
        let known = complete.map(|(at, _)| *at + signal.delay + signal.jitter);
        known.filter(|at| *at <= by).max().unwrap_or_default()
    };
    [all_known(play, 0), all_known(play, 1), gathered(0), gathered(1)].into_iter().max().unwrap_or_default()
}

/// When an end first entered such a state.
fn entered(play: &Play<'_>, end: usize, wanted: impl Fn(&StreamState) -> bool) -> Option<Timestamp> {
    let events = play.session.peer(end).events().iter();
    let mut states = events.filter(|(_, event)| matches!(event, Event::State { state, .. } if wanted(state)));
    states.next().map(|(at, _)| *at)
}

fn is_connected(state: &StreamState) -> bool {
    matches!(state, StreamState::Connected | StreamState::Completed)
}

/// Pairs that an agent has room for: see [`floe::Limits`].
const PAIRS_MAX: u32 = 100;

/// A check that was filtered at first is repeated after 0.5, 1 and 2 s.
const BEHIND_MAX: Duration = Duration::from_millis(1_400);

/// By which all get through then.
const TRANSMISSIONS: u32 = 4;

/// After so long without an answer nobody is there (RFC 7675 section 5.1).
const CONSENT: Duration = Duration::from_secs(30);

/// From the public network to a server, and back.
const SERVER_DETOUR: Duration = Duration::from_millis(10);

/// What the priority of a pair changes by at least where its higher candidate is that of another base: 64 local preferences.
const OTHER_BASE: u64 = 64 * (1 << 8) * 2;
