//! What has to come of a session, by the plan and by what the network permits.

use core::time::Duration;

use floe::ice::{PairState, Role};
use floe::sim::Dropped;
use floe::{Event, Pair, Profile, Reason, StreamState};

use super::expectation;
use super::plan::{Happening, Hostile, Use};
use super::replay::Command;
use super::run::Play;

/// What has to have come of the first search, before anything has happened.
pub fn of_the_search(play: &Play<'_>) {
    if play.plan.hostile.is_some() {
        return;
    }
    expectation::compare(play);
    if !play.plan.is_faithful() {
        return;
    }
    let states = play.states();
    // Who waits for longer than the other end tries may get its answers when that has given up.
    let is_slow = |state: &StreamState| matches!(state, StreamState::Checking | StreamState::Connected);
    let literal = states.iter().any(is_slow) && is_literal(play);
    let alike = matches!(
        states,
        [StreamState::Completed, StreamState::Completed] | [StreamState::Failed(_), StreamState::Failed(_)]
    );
    // Where all candidates of a component were overtaken, one end knows of no such component, and the other has no pair for it. Or
    // it knows what it learns from checks, of which there is an end: behind one translator that has a port for each destination
    // each check of either makes a candidate at the other.
    let refuses = |end: usize| play.session.peer(end).agent().stats().peer_reflexive_refused > 0;
    let overtaken = play.plan.may_overtake() && (play.plan.ends[0].components > 1 || (0..2).any(refuses));
    // Over a connection a request is sent once: one that a server ignores is given up when the other end may have given up as well.
    let ignored = has_faulty_relays(play) && play.plan.ends.iter().any(|end| end.reach.has(true));
    assert!(
        literal || alike || was_taken_back(play) || overtaken || ignored,
        "INV-12: {states:?} over a network that loses nothing\n{}",
        tail(play)
    );
}

/// Even a pair that was selected goes when a server takes its relay back, also where another component has none yet.
pub fn was_taken_back(play: &Play<'_>) -> bool {
    let has_left = |end: usize| {
        let events = play.session.peer(end).events().iter();
        let states = events.filter_map(|(_, event)| match event {
            Event::State { state, .. } => Some(*state),
            _ => None,
        });
        let mut since_completed = states.clone().skip_while(|state| *state != StreamState::Completed);
        let is_taken = |state| state == StreamState::Lost(Reason::BaseRemoved);
        since_completed.nth(1).is_some() || states.clone().any(is_taken)
    };
    has_faulty_relays(play) && (0..2).any(has_left)
}

/// Whether a server of relays does now and then what it should not.
pub fn has_faulty_relays(play: &Play<'_>) -> bool {
    let relayed = play.plan.ends.iter().any(|end| end.uses == Use::Turn);
    relayed && play.plan.servers.iter().any(|server| server.fault.is_some())
}

/// What has to hold when everything has happened.
pub fn at_the_end(play: &mut Play<'_>) {
    let rogue = matches!(play.plan.hostile, Some(Hostile::Rogue(_)));
    // INV-19. The segments of a connection whose interface has gone are the system's, not the agent's.
    let over_tcp = play.plan.ends.iter().any(|end| end.reach.has(true));
    let roams = play.plan.events.iter().any(|(_, it)| matches!(it, Happening::Roam(..)));
    let lost = play.session.world.dropped(Dropped::NotLocal);
    assert!(
        lost == play.orphaned || over_tcp && roams,
        "INV-19: {lost} datagrams from an address of nobody\n{}",
        tail(play)
    );
    for id in 0..play.session.servers.len() {
        if play.plan.servers[id].relays && play.plan.hostile.is_none() {
            let server = play.session.world.turn_server(play.session.servers[id]);
            assert_eq!(server.violations(), [], "INV-47 to INV-49\n{}", tail(play));
        }
    }
    if rogue {
        return;
    }
    let states = play.states();
    silence(play, states);
    lasts(play, states);
    let lossless =
        play.plan.is_faithful() && !play.plan.events.iter().any(|(_, it)| matches!(it, Happening::Worse(..)));
    let consent = play.plan.ends.iter().all(|end| end.setting.consent);
    if states == [StreamState::Completed; 2] && lossless && consent && play.plan.hostile.is_none() {
        // INV-17
        let roles = [0, 1].map(|end| play.session.peer(end).agent().role());
        let lite = play.plan.ends.iter().any(|end| end.setting.lite);
        assert!(roles[0] != roles[1] || lite, "INV-17: both are {:?}\n{}", roles[0], tail(play));
        flows(play);
    }
}

/// INV-20, INV-48: what nothing befalls lasts, with every lease that it needs: of mappings, allocations, permissions, channels.
fn lasts(play: &Play<'_>, states: [StreamState; 2]) {
    let plan = play.plan;
    let used = plan.ends.iter().any(|end| end.uses != Use::Nothing);
    // A server may be slow.
    let sound = !used || plan.servers.iter().all(|server| !server.dead && server.fault.is_none());
    let consent = plan.ends.iter().all(|end| end.setting.consent);
    let calm = plan.events.is_empty() && plan.hostile.is_none() && plan.is_faithful();
    if calm && sound && consent && play.has_connected() {
        assert_eq!(states, [StreamState::Completed; 2], "INV-48: a session has not lasted\n{}", tail(play));
    }
}

/// INV-13: nobody looks for a path for ever.
fn silence(play: &Play<'_>, states: [StreamState; 2]) {
    for (end, state) in states.into_iter().enumerate() {
        let peer = play.session.peer(end);
        let waits = peer.agent().role() == Role::Controlled || peer.agent().is_lite();
        let over = match state {
            StreamState::New | StreamState::Checking => false,
            // It is for the other end to nominate, and that may have given up.
            StreamState::Connected => waits && states[1 - end] != StreamState::Completed,
            _ => true,
        };
        // By the formula of RFC 8445 a nomination that is lost is sent again after a minute, and nobody gives up meanwhile.
        let over =
            over || is_literal(play) && matches!(state, StreamState::Checking | StreamState::Connected);
        let abandoned = matches!(states[1 - end], StreamState::Closed);
        // A check is signed for a stream, and says nothing of a component: sent again from elsewhere it may lead to a nomination
        // that arrives at another one. And an answer that comes again from elsewhere, before the true one, fails a pair that the
        // other end has nominated (RFC 8445 section 7.2.5.2.1).
        let misled = matches!(play.plan.hostile, Some(Hostile::Replayer(_)))
            && state == StreamState::Connected
            && (play.plan.ends[end].components > 1 || has_failed_where_the_other_selects(play, end));
        // Who asks for no consent does not notice that a socket or a relay of the other end is gone, and moves to no other pair.
        let unnoticed = state == StreamState::Connected
            && !play.plan.ends[1 - end].setting.consent
            && (had_completed(play, end)
                || play.plan.events.iter().any(|(_, it)| match it {
                    Happening::RemoveBase(at, _) | Happening::Roam(at, ..) => *at == end,
                    // Nor that its own network is.
                    Happening::Unplug(at, _) => *at != end,
                    _ => false,
                }));
        // An application that nominates once does not follow an end to another address, which a NAT gives it that has forgotten
        // the first one, while everybody slept or as it started again: what was to select the pair came too late.
        let outrun = state == StreamState::Connected
            && play.plan.ends[1 - end].setting.manual
            && play
                .plan
                .events
                .iter()
                .any(|(_, it)| matches!(it, Happening::Suspend(_) | Happening::Reboot(..)));
        // rfc7675-5.2-3: whom the other end wants nothing more from has no check answered but with 403, and can follow no nomination.
        let refused = state == StreamState::Connected
            && play.plan.events.iter().any(|(_, it)| *it == Happening::Revoke(1 - end));
        assert!(
            over || abandoned || misled || unnoticed || refused || outrun,
            "INV-13: end {end} is {state:?}, the other {:?}\n{}",
            states[1 - end],
            tail(play)
        );
    }
}

/// Whether an end has a pair that has failed, to where the other end has selected one.
fn has_failed_where_the_other_selects(play: &Play<'_>, end: usize) -> bool {
    let [own, other] = [end, 1 - end].map(|end| play.session.peer(end));
    let selected = other.agent().pairs(other.stream()).filter(Pair::is_selected);
    let sources: Vec<_> = selected.filter_map(|pair| pair.local().ip()).collect();
    let mut failed = own.agent().pairs(own.stream()).filter(|pair| pair.state() == PairState::Failed);
    failed.any(|pair| sources.contains(&pair.path().remote()))
}

/// Whether an end has selected pairs in the generation that it is in, which it still has unless a socket or a relay has gone.
fn had_completed(play: &Play<'_>, end: usize) -> bool {
    let states = play.session.peer(end).events().iter().rev().filter_map(|(_, event)| match event {
        Event::State { state, .. } => Some(*state),
        _ => None,
    });
    states.take_while(|state| *state != StreamState::New).any(|state| state == StreamState::Completed)
}

/// By the letter of RFC 8445 nobody gives up before every pair was checked, which may take long.
fn is_literal(play: &Play<'_>) -> bool {
    play.plan.ends.iter().any(|end| end.setting.profile == Profile::Rfc8445)
}

/// INV-14, INV-15: what one sends on its route the other gets.
fn flows(play: &mut Play<'_>) {
    let components = u16::from(play.plan.ends[0].components);
    // rfc8445-6.1.2.2-2: what a server was too slow for at one end, or what was overtaken, both do without.
    let provides = |end: usize, component: u16| {
        let mut events = play.session.peer(end).events().iter();
        events.any(|(_, event)| matches!(event, Event::LocalCandidate { candidate, .. } if candidate.component() == component))
    };
    let components = if play.plan.may_overtake() { 1 } else { components };
    let provided = (1..=components).filter(|component| provides(0, *component) && provides(1, *component));
    let provided: Vec<u16> = provided.collect();
    for end in 0..2 {
        let (from, to) = (play.session.ends[end], play.session.ends[1 - end]);
        for component in provided.iter().copied() {
            if has_faulty_relays(play) && play.states() != [StreamState::Completed; 2] {
                return;
            }
            let payload = format!("datagram of end {end} for component {component}");
            let before = play.session.world.node(to).peer().received().len();
            let sent = play.session.world.with(from, |actor, now| {
                actor.command(now, Command::Send(component, payload.clone().into_bytes()))
            });
            assert!(sent, "INV-27: end {end} has completed and has no route\n{}", tail(play));
            play.run_for(Duration::from_secs(2));
            let received = &play.session.world.node(to).peer().received()[before..];
            let arrived = received
                .iter()
                .any(|it| it.payload == payload.as_bytes() && it.component.number() == component);
            assert!(arrived, "INV-15: what end {end} sends does not arrive\n{}", tail(play));
        }
    }
}

/// Where both ends stand, and the last lines of what happened.
pub fn tail(play: &Play<'_>) -> String {
    let entries = play.session.world.trace().entries();
    let skipped = entries.len().saturating_sub(60);
    let happened = entries.skip(skipped).map(|entry| format!("{entry}\n"));
    (0..2).map(|end| standing(play, end)).chain(happened).collect()
}

/// An end: its state, its pairs, and how it came there.
fn standing(play: &Play<'_>, end: usize) -> String {
    let (peer, node) = (play.session.peer(end), play.session.ends[end]);
    let (agent, stream) = (peer.agent(), peer.stream());
    let list = agent.check_list_state(stream);
    let mut text = format!("{node}: {:?}, {:?}, {list:?}\n", agent.role(), peer.state());
    for pair in agent.pairs(stream) {
        let flags = [
            (pair.is_listed(), "listed"),
            (pair.is_valid(), "valid"),
            (pair.is_nominated(), "nominated"),
            (pair.is_selected(), "selected"),
        ];
        let flags: Vec<&str> = flags.iter().filter(|(holds, _)| *holds).map(|(_, name)| *name).collect();
        text += &format!("    {} {:?}, {:?}: {}\n", pair.id(), pair.path(), pair.state(), flags.join(", "));
    }
    for (at, event) in peer.events() {
        let is_turn = matches!(event, Event::State { .. } | Event::Selected { .. } | Event::Role(_));
        text += &if is_turn { format!("    {at:?} {event:?}\n") } else { String::new() };
    }
    text
}
