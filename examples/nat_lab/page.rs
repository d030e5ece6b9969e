//! What is printed: the network, the timeline, the pairs, and how it compares with what the network permits.

use core::fmt::Write;
use core::time::Duration;

use floe::ice::{CandidateKind, PairState, Role};
use floe::sim::oracle::{FAILURE_BY, FAILURE_NOT_BEFORE, Forecast};
use floe::{Event, StreamState, Timestamp};

use crate::description::{Description, Line};
use crate::lab::{Lab, PACKETS, Row};
use crate::style::{Style, Tone};
use crate::timeline::{At, lines};

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
    for ((kind, address), server) in lab.servers.iter().zip(&description.servers) {
        let line = conditions(server.line);
        let _ = writeln!(
            page,
            "  {} {address} ── public  {}",
            style.paint(Tone::Strong, kind, 6),
            style.paint(Tone::Faint, &line, 0)
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
    let mut page = heading(&format!("The pairs of {}, best first", NAMES[end]), style);
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
    let is_it = |pair: &&floe::sim::oracle::FeasiblePair| {
        let (own, other) = (pair.sides[ours], pair.sides[1 - ours]);
        own.base.is(row.base) && other.candidate.is(row.remote.1) && other.kind == row.remote.0
    };
    match forecast.pairs().iter().find(is_it) {
        Some(pair) if forecast.best().contains(pair) => ("best way", Tone::Good),
        Some(_) => ("a way", Tone::Good),
        None => ("no way", Tone::Faint),
    }
}

/// What was to be expected and what came of it. Returns whether they agree.
pub fn verdict(lab: &Lab, forecast: &Forecast, style: Style) -> (String, bool) {
    let mut page = heading("Expected, and found", style);
    match forecast.pairs() {
        [] => page.push_str("  The network permits no pair at all.\n"),
        [best, others @ ..] => {
            let _ =
                writeln!(page, "  The network permits {} pairs; RFC 8445 prefers {best}.", others.len() + 1);
        }
    }
    let mut agrees = true;
    let mut say = |tone: Tone, text: String| {
        let mark = match tone {
            Tone::Good => "✓",
            Tone::Bad => "✗",
            _ => "!",
        };
        agrees &= tone != Tone::Bad;
        let _ = writeln!(page, "  {} {text}", style.paint(tone, mark, 1));
    };
    let states = [0, 1].map(|end| lab.state(end));
    let completed = states == [StreamState::Completed; 2];
    if !forecast.is_feasible() {
        let failed = states.iter().all(|state| matches!(state, StreamState::Failed(_)));
        let after = [0, 1]
            .map(|end| when(lab, end, |event| is_state(event, |it| matches!(it, StreamState::Failed(_)))));
        match (failed, after) {
            (true, [Some(alice), Some(bob)]) => {
                let in_time = [alice, bob].iter().all(|at| {
                    (FAILURE_NOT_BEFORE..=FAILURE_BY).contains(&at.saturating_since(Timestamp::ZERO))
                });
                let tone = if in_time { Tone::Good } else { Tone::Doubtful };
                say(tone, format!("Both say so, after {} s and {} s.", seconds(alice), seconds(bob)));
            }
            _ => say(Tone::Bad, format!("But the ends are {} and {}.", word(states[0]), word(states[1]))),
        }
    } else if !completed {
        say(Tone::Bad, format!("But the ends are {} and {}.", word(states[0]), word(states[1])));
    } else if let [Some(ours), Some(theirs)] = [lab.selected(0), lab.selected(1)] {
        let pair = format!("{} {} – {} {}", ours.local.0, ours.local.1, theirs.local.0, theirs.local.1);
        let took = |wanted: fn(&Event) -> bool| {
            [0, 1].into_iter().filter_map(|end| when(lab, end, wanted)).max().map(seconds).unwrap_or_default()
        };
        let first = took(|event| matches!(event, Event::Route { .. }));
        let done = took(|event| is_state(event, |state| state == StreamState::Completed));
        let sides = [(ours.local.0, ours.base), (theirs.local.0, theirs.base)];
        let sides = match lab.world.node(lab.ids[0]).agent().role() {
            Role::Controlling => sides,
            Role::Controlled => [sides[1], sides[0]],
        };
        let found = forecast.find(sides);
        let (tone, remark) = match found {
            Some(pair) if forecast.best().contains(pair) => (Tone::Good, "as RFC 8445 prefers"),
            Some(_) => (
                Tone::Doubtful,
                "which is not the best: the policy did not wait for all checks, or prefers otherwise",
            ),
            None => (Tone::Bad, "which the network does not permit"),
        };
        say(tone, format!("Both have selected {pair}, {remark}."));
        say(Tone::Good, format!("Data could flow after {first} s, and both were done after {done} s."));
    }
    if completed {
        let [alice, bob] = lab.data;
        let tone = if alice + bob > 0 { Tone::Good } else { Tone::Bad };
        let tone = if alice.min(bob) < PACKETS && tone == Tone::Good { Tone::Doubtful } else { tone };
        say(
            tone,
            format!(
                "Of {PACKETS} datagrams each way, {bob} have reached bob and {alice} have reached alice."
            ),
        );
    }
    (page, agrees)
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

fn word(state: StreamState) -> String {
    format!("{state:?}").to_lowercase()
}
