//! What is printed: the network, the timeline, the pairs, and how it compares with what the network permits.

use core::fmt::Write;
use core::time::Duration;

use floe::ice::{CandidateKind, PairState, Role};
use floe::sim::oracle::{FAILURE_BY, FAILURE_NOT_BEFORE, FeasiblePair, Forecast};
use floe::{Event, StreamState, Timestamp};

use crate::description::{Description, Help, Line};
use crate::lab::{Lab, PACKETS, Row};
use crate::style::{Style, Tone};
use crate::timeline::{At, lines, server, state_in_words};

const NAMES: [&str; 2] = ["alice", "bob"];
const LANE: usize = 50;

/// The network as it was described.
pub fn network(lab: &Lab, description: &Description, style: Style) -> String {
    let mut page = heading("The network", style);
    for (end, name) in NAMES.into_iter().enumerate() {
        for attached in &lab.interfaces[end] {
            let mut way = String::new();
            for network in &attached.chain {
                let Some((name, _, edge)) = lab.networks.iter().find(|(_, id, _)| id == network) else {
                    continue;
                };
                let outer = lab.world.outer_address(*network).map(|ip| ip.to_string()).unwrap_or_default();
                let title =
                    if name.is_empty() { edge.name.clone() } else { format!("{name}: {}", edge.name) };
                let _ = write!(way, " ──┤ {title}, {outer} ├");
            }
            let interface = &description.ends[end].interfaces[attached.index];
            let cost = if interface.cost > 0 { format!(", cost {}", interface.cost) } else { String::new() };
            let line = format!("{}{cost}", conditions(interface.line));
            let _ = writeln!(
                page,
                "  {} {}{way}── public  {}",
                style.paint(Tone::Strong, name, 6),
                attached.address,
                style.paint(Tone::Faint, &line, 0)
            );
        }
    }
    for ((help, address), described) in lab.servers.iter().zip(&description.servers) {
        let (kind, tcp) = (server(*help), if *help == Help::TurnOverTcp { "over TCP, " } else { "" });
        let line = format!("{tcp}{}", conditions(described.line));
        let line = line.trim_end_matches(", ");
        let _ = writeln!(
            page,
            "  {} {address} ── public  {}",
            style.paint(Tone::Strong, kind, 6),
            style.paint(Tone::Faint, line, 0)
        );
    }
    let _ = writeln!(page, "  policy {}, seed {}", description.policy, description.seed);
    page
}

fn conditions(line: Line) -> String {
    let mut text = String::new();
    if let Some(delay) = line.delay {
        let _ = write!(text, "{} ms", delay.as_millis());
    }
    if line.jitter > Duration::ZERO {
        let _ = write!(text, ", jitter {} ms", line.jitter.as_millis());
    }
    if line.loss > 0.0 {
        let _ = write!(text, ", loss {} %", line.loss * 100.0);
    }
    text.trim_start_matches(", ").to_owned()
}

/// What happened, in two lanes.
pub fn timeline(lab: &Lab, full: bool, style: Style) -> String {
    let (lines, counts) = lines(lab, full);
    let mut page = heading("What happened", style);
    let [alice, bob] = [0, 1].map(|end| {
        let role = match lab.world.node(lab.ids[end]).agent().role() {
            Role::Controlling => "controlling",
            Role::Controlled => "controlled",
        };
        format!("{} ({role})", NAMES[end])
    });
    let _ = writeln!(
        page,
        "  {}  {} {}",
        style.paint(Tone::Faint, "       s", 8),
        style.paint(Tone::Strong, &alice, LANE),
        style.paint(Tone::Strong, &bob, 0)
    );
    let mut last = None;
    for line in &lines {
        let time = At(line.at).to_string();
        let shown = if last == Some(line.at) { String::new() } else { time };
        last = Some(line.at);
        let [ours, theirs] = &line.lanes;
        let _ = writeln!(
            page,
            "  {}  {} {}",
            style.paint(Tone::Faint, &shown, 8),
            style.paint(ours.tone, &ours.text, LANE),
            style.paint(theirs.tone, &theirs.text, 0).trim_end()
        );
    }
    let [ours, theirs] = [0, 1].map(|end| {
        let (checks, again) = (counts.checks[end], counts.repetitions[end]);
        format!("{checks} checks, repeated {again} times")
    });
    let _ = writeln!(
        page,
        "  {:8}  {} {}",
        "in all",
        style.paint(Tone::Faint, &ours, LANE),
        style.paint(Tone::Faint, &theirs, 0)
    );
    page
}

/// The pairs of an end, best first, and which of them the network permits.
pub fn pairs(lab: &Lab, end: usize, forecast: &Forecast, style: Style) -> String {
    let mut page = heading(
        &format!("The pairs of {}, best first, and the network as it is in the end", NAMES[end]),
        style,
    );
    let head = ["its candidate", "the other's", "rtt", "it found", "the network"];
    let _ = writeln!(page, "    {}", style.paint(Tone::Faint, &columns(head), 0));
    let selected = lab.selected(end);
    let mut rows: Vec<&Row> = lab.pairs[end].values().collect();
    rows.sort_by_key(|row| core::cmp::Reverse(row.priority));
    for row in rows {
        let is_selected =
            selected.as_ref().is_some_and(|it| (it.base, it.remote.1) == (row.base, row.remote.1));
        let (found, tone) = match row.state {
            _ if is_selected => ("selected", Tone::Strong),
            _ if row.valid || row.state == PairState::Succeeded => ("works", Tone::Good),
            PairState::Failed => ("failed", Tone::Bad),
            PairState::InProgress(_) => ("no answer", Tone::Bad),
            _ => ("not checked", Tone::Faint),
        };
        let (permits, permits_tone) = permitted(lab, end, row, forecast);
        let rtt = row.rtt.map_or_else(|| "-".to_owned(), |rtt| format!("{} ms", rtt.as_millis()));
        let candidate =
            |(kind, address): (CandidateKind, core::net::SocketAddr)| format!("{kind:<5} {address}");
        let mark = if is_selected { "▸" } else { " " };
        let _ = writeln!(
            page,
            "  {mark} {:<34}{:<34}{rtt:<9}{} {}",
            candidate(row.local),
            candidate(row.remote),
            style.paint(tone, found, 12),
            style.paint(permits_tone, permits, 0)
        );
    }
    page
}

fn columns([local, remote, rtt, found, permits]: [&str; 5]) -> String {
    format!("{local:<34}{remote:<34}{rtt:<9}{found:<12} {permits}")
}

/// What the oracle says of a pair of an end.
fn permitted(lab: &Lab, end: usize, row: &Row, forecast: &Forecast) -> (&'static str, Tone) {
    let ours = match lab.world.node(lab.ids[end]).agent().role() {
        Role::Controlling => 0,
        Role::Controlled => 1,
    };
    let is_direct = |kind| matches!(kind, CandidateKind::Host | CandidateKind::Relayed);
    let is_it = |pair: &&FeasiblePair| {
        let (own, other) = (pair.sides[ours], pair.sides[1 - ours]);
        let kind = other.kind == row.remote.0 || !(is_direct(other.kind) || is_direct(row.remote.0));
        own.base.is(row.base) && other.candidate.is(row.remote.1) && kind
    };
    match forecast.pairs().iter().find(is_it) {
        Some(pair) if forecast.best().contains(pair) => ("best way", Tone::Good),
        Some(_) => ("a way", Tone::Good),
        None => ("no way", Tone::Faint),
    }
}

/// What would help two ends that have no way to each other.
fn advice(description: &Description) -> Option<&'static str> {
    let helps = [
        (Help::Stun, 3478, "A server stun would show them a way."),
        (Help::Turn, 3478, "A server turn would be a way."),
        (Help::TurnOverTcp, 443, "A server turn, tcp, port 443 would be a way."),
    ];
    let is_a_way = |help, port| Lab::new(&description.with_server(help, port)).forecast().is_feasible();
    helps.into_iter().find(|(help, port, _)| is_a_way(*help, *port)).map(|(.., advice)| advice)
}

/// What was to be expected and what came of it. Returns whether they agree.
pub fn verdict(lab: &Lab, description: &Description, forecast: &Forecast, style: Style) -> (String, bool) {
    let mut page = heading("Expected, and found", style);
    match forecast.pairs() {
        [] => {
            // What has happened to it meanwhile no server can help.
            let advice = description.events.is_empty().then(|| advice(description)).flatten();
            let advice = advice.unwrap_or_default();
            let _ = writeln!(page, "  The network permits no pair at all. {advice}");
        }
        [best, others @ ..] => {
            let how_many = match others.len() {
                0 => "one pair".to_owned(),
                others => format!("{} pairs, and RFC 8445 prefers", others + 1),
            };
            let [ours, theirs] = best.sides;
            let best = format!("{} {} – {} {}", ours.kind, ours.candidate, theirs.kind, theirs.candidate);
            let _ = writeln!(page, "  The network permits {how_many}: {best}.");
        }
    }
    let states = [0, 1].map(|end| lab.state(end));
    let findings = match (forecast.is_feasible(), states) {
        (true, [StreamState::Completed, StreamState::Completed]) => success(lab, forecast),
        (false, [StreamState::Failed(_), StreamState::Failed(_)]) => failure(lab),
        (
            false,
            [StreamState::Failed(_) | StreamState::Lost(_), StreamState::Failed(_) | StreamState::Lost(_)],
        ) => {
            let [alice, bob] = states.map(state_in_words);
            [(Tone::Good, format!("Both say so: alice is {alice}, and bob {bob}."))].into()
        }
        (_, [alice, bob]) => {
            let [alice, bob] = [alice, bob].map(state_in_words);
            [(Tone::Bad, format!("But alice is {alice}, and bob {bob}."))].into()
        }
    };
    for (tone, text) in &findings {
        let mark = match tone {
            Tone::Good => "✓",
            Tone::Bad => "✗",
            _ => "!",
        };
        let _ = writeln!(page, "  {} {text}", style.paint(*tone, mark, 1));
    }
    (page, findings.iter().all(|(tone, _)| *tone != Tone::Bad))
}

type Findings = Vec<(Tone, String)>;

/// There is no way, and both ends have found that out: neither too soon nor too late.
fn failure(lab: &Lab) -> Findings {
    let is_failure = |event: &Event| is_state(event, |state| matches!(state, StreamState::Failed(_)));
    let after = [0, 1].map(|end| when(lab, end, is_failure).unwrap_or_default());
    let is_in_time =
        |at: &Timestamp| (FAILURE_NOT_BEFORE..=FAILURE_BY).contains(&at.saturating_since(Timestamp::ZERO));
    let tone = if after.iter().all(is_in_time) { Tone::Good } else { Tone::Doubtful };
    let [alice, bob] = after.map(seconds);
    [(tone, format!("Both say so, alice after {alice} s and bob after {bob} s."))].into()
}

/// Both ends have selected a pair.
fn success(lab: &Lab, forecast: &Forecast) -> Findings {
    let mut findings = Vec::new();
    if let [Some(ours), Some(theirs)] = [lab.selected(0), lab.selected(1)] {
        let sides = [(ours.local.0, ours.base), (theirs.local.0, theirs.base)];
        let sides = match lab.world.node(lab.ids[0]).agent().role() {
            Role::Controlling => sides,
            Role::Controlled => [sides[1], sides[0]],
        };
        let (tone, remark) = match forecast.find(sides) {
            Some(pair) if forecast.best().contains(pair) => (Tone::Good, ", as was to be expected"),
            Some(_) => (Tone::Doubtful, ": not the best one, as this policy does not wait for all checks"),
            None => (Tone::Bad, ", which the network does not permit"),
        };
        let [ours, theirs] = [ours.local, theirs.local];
        let pair = format!("{} {} – {} {}", ours.0, ours.1, theirs.0, theirs.1);
        findings.push((tone, format!("Both have selected {pair}{remark}.")));
    }
    let last = |wanted: fn(&Event) -> bool| {
        [0, 1].into_iter().filter_map(|end| when(lab, end, wanted)).max().map(seconds).unwrap_or_default()
    };
    let usable = last(|event| matches!(event, Event::Route { .. }));
    let completed = last(|event| is_state(event, |state| state == StreamState::Completed));
    findings.push((
        Tone::Good,
        format!("Data could flow after {usable} s, and both were done after {completed} s."),
    ));
    let [alice, bob] = lab.data;
    let tone = match alice.min(bob) {
        0 => Tone::Bad,
        PACKETS => Tone::Good,
        _ => Tone::Doubtful,
    };
    let arrived = format!("{bob} have reached bob, and {alice} alice");
    findings.push((tone, format!("Of {PACKETS} datagrams each way {arrived}.")));
    findings
}

fn heading(text: &str, style: Style) -> String {
    format!("\n{}\n\n", style.paint(Tone::Strong, text, 0))
}

fn is_state(event: &Event, wanted: impl Fn(StreamState) -> bool) -> bool {
    matches!(event, Event::State { state, .. } if wanted(*state))
}

/// When an end first saw such an event.
fn when(lab: &Lab, end: usize, wanted: impl Fn(&Event) -> bool) -> Option<Timestamp> {
    lab.world.node(lab.ids[end]).events().iter().find(|(_, event)| wanted(event)).map(|(at, _)| *at)
}

fn seconds(at: Timestamp) -> String {
    format!("{:.3}", at.saturating_since(Timestamp::ZERO).as_secs_f64())
}
