//! What happened, in two lanes: alice's and bob's.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use floe::sim::{Dropped, Entry, Event as Wire};
use floe::stun::{AttributeType, Class, Message, Method, TransactionId};
use floe::turn::{ChannelData, Data, XorPeerAddress};
use floe::{Event, StreamState, Timestamp};

use crate::description::{self, Help};
use crate::lab::Lab;
use crate::style::Tone;

/// A line of the timeline.
#[derive(Debug)]
pub struct Line {
    pub at: Timestamp,
    pub lanes: [Cell; 2],
}

#[derive(Debug, Default)]
pub struct Cell {
    pub text: String,
    pub tone: Tone,
}

/// How much there was of it.
#[derive(Debug, Default)]
pub struct Counts {
    pub checks: [usize; 2],
    pub repetitions: [usize; 2],
}

/// A check on its way, once or several times.
struct Check {
    end: usize,
    to: SocketAddr,
    relayed: bool,
    nominates: bool,
    transmissions: Vec<(Timestamp, Fate)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Arrived(SocketAddr),
    Dropped(Dropped),
    /// Nobody knows: it went to a relay that did not pass it on.
    Unknown,
}

/// All lines in order; with `full` also what was asked of servers, and checks that say nothing new.
pub fn lines(lab: &Lab, full: bool) -> (Vec<Line>, Counts) {
    let mut lines = Vec::new();
    let (checks, counts) = checks(lab);
    for (at, event) in &lab.happened {
        let (end, text) = match event {
            description::Event::Unplug(end, network) => {
                (*end, format!("unplugged{}", from(network.as_deref())))
            }
            description::Event::Plug(end, network) => {
                (*end, format!("plugged in again{}", from(network.as_deref())))
            }
            description::Event::Restart(end) => (*end, "restarts".to_owned()),
            description::Event::Reboot(network) => {
                let text = format!("{network} reboots");
                lines.push(line(*at, 0, text.clone(), Tone::Strong));
                (1, text)
            }
        };
        lines.push(line(*at, end, text, Tone::Strong));
    }
    for end in [0, 1] {
        for (at, event) in lab.world.node(lab.ids[end]).events() {
            if let Some((text, tone)) = describe(event) {
                lines.push(line(*at, end, text, tone));
            }
        }
    }
    for (at, end, row) in &lab.found {
        let text = format!("works: {} {} – {} {}", row.local.0, row.local.1, row.remote.0, row.remote.1);
        lines.push(line(*at, *end, text, Tone::Good));
    }
    check_lines(&checks, full, &mut lines);
    if full {
        server_lines(lab, &mut lines);
    }
    lines.sort_by_key(|line| line.at);
    (side_by_side(lines), counts)
}

/// What happens to both ends at one instant stands in one line, where neither lane is taken.
fn side_by_side(lines: Vec<Line>) -> Vec<Line> {
    let mut merged: Vec<Line> = Vec::new();
    for mut line in lines {
        let free = |cell: &Cell| cell.text.is_empty();
        let lane = usize::from(free(&line.lanes[0]));
        let alone = free(&line.lanes[1 - lane]);
        // The first line of this instant, after all that the lane has already, with room in it.
        let from = merged.iter().rposition(|known| known.at != line.at || !free(&known.lanes[lane]));
        match merged.get_mut(from.map_or(0, |at| at + 1)) {
            Some(known) if alone => known.lanes[lane] = core::mem::take(&mut line.lanes[lane]),
            _ => merged.push(line),
        }
    }
    merged
}

fn from(network: Option<&str>) -> String {
    network.map_or_else(String::new, |network| format!(", {network}"))
}

fn line(at: Timestamp, end: usize, text: String, tone: Tone) -> Line {
    let mut lanes = [Cell::default(), Cell::default()];
    lanes[end] = Cell { text, tone };
    Line { at, lanes }
}

/// What an agent's own events say.
fn describe(event: &Event) -> Option<(String, Tone)> {
    Some(match event {
        Event::LocalCandidate { candidate, .. } => {
            let address = candidate.ip().map_or_else(|| "a name".to_owned(), |ip| ip.to_string());
            (format!("+ {} {address}", candidate.kind()), Tone::Faint)
        }
        Event::GatheringComplete { .. } => ("has all its candidates".to_owned(), Tone::Faint),
        Event::State { state, .. } => (state_in_words(*state), Tone::Strong),
        Event::Selected { .. } => ("selects a pair".to_owned(), Tone::Strong),
        Event::Role(role) => (format!("is {role:?} now").to_lowercase(), Tone::Strong),
        Event::ServerFailed { error, .. } => (format!("a server is of no use: {error}"), Tone::Bad),
        _ => return None,
    })
}

/// The checks of both ends, and what became of each transmission.
fn checks(lab: &Lab) -> (Vec<Check>, Counts) {
    let entries: Vec<&Entry> = lab.world.trace().entries().collect();
    let (mut checks, mut counts) = (Vec::<Check>::new(), Counts::default());
    let mut known: BTreeMap<TransactionId, usize> = BTreeMap::new();
    let mut used: BTreeSet<usize> = BTreeSet::new();
    for (at, entry) in entries.iter().enumerate() {
        let (Wire::Sent { node, path, payload } | Wire::Written { node, path, payload }) = &entry.event
        else {
            continue;
        };
        let Some(end) = lab.ids.iter().position(|id| id == node) else { continue };
        let (peer, core) = unwrap(payload);
        let Ok(message) = Message::parse(core) else { continue };
        let is_check = message.class() == Class::Request && message.contains(AttributeType::PRIORITY);
        if message.method() != Method::BINDING || !is_check {
            continue;
        }
        let fate = fate(lab, &entries, (at, core), 1 - end, &mut used);
        let index = *known.entry(message.transaction_id()).or_insert_with(|| {
            counts.checks[end] += 1;
            checks.push(Check {
                end,
                to: peer.unwrap_or_else(|| path.remote()),
                relayed: core.len() < payload.len(),
                nominates: message.contains(AttributeType::USE_CANDIDATE),
                transmissions: Vec::new(),
            });
            checks.len() - 1
        });
        if !checks[index].transmissions.is_empty() {
            counts.repetitions[end] += 1;
        }
        checks[index].transmissions.push((entry.at, fate));
    }
    (checks, counts)
}

/// What becomes of a message that is sent at one place of the trace, for the end that it is for.
fn fate(
    lab: &Lab,
    entries: &[&Entry],
    (sent, core): (usize, &[u8]),
    receiver: usize,
    used: &mut BTreeSet<usize>,
) -> Fate {
    for (at, entry) in entries.iter().enumerate().skip(sent + 1).take(LOOK_AHEAD) {
        let found = match &entry.event {
            Wire::Delivered { node, path, payload } | Wire::Read { node, path, payload }
                if *node == lab.ids[receiver] =>
            {
                let (peer, inner) = unwrap(payload);
                (inner == core).then(|| Fate::Arrived(peer.unwrap_or_else(|| path.remote())))
            }
            Wire::Dropped { reason, payload, .. } => {
                (unwrap(payload).1 == core).then_some(Fate::Dropped(*reason))
            }
            _ => None,
        };
        if let Some(fate) = found
            && used.insert(at)
        {
            return fate;
        }
    }
    Fate::Unknown
}

/// A message without what a relay wraps it in, and whom it is for or from, as the relay says.
fn unwrap(payload: &[u8]) -> (Option<SocketAddr>, &[u8]) {
    if let Ok(data) = ChannelData::parse(payload) {
        return (None, data.payload());
    }
    let Ok(message) = Message::parse(payload) else { return (None, payload) };
    let peer = message.get::<XorPeerAddress>().and_then(Result::ok).map(|XorPeerAddress(peer)| peer);
    match (message.class(), message.get::<Data<'_>>().and_then(Result::ok)) {
        (Class::Indication, Some(Data(inner))) => (peer, inner),
        _ => (None, payload),
    }
}

/// A check says something new the first time on its way, when it nominates, and when it fares otherwise than the last one.
fn check_lines(checks: &[Check], full: bool, lines: &mut Vec<Line>) {
    let mut last: BTreeMap<(usize, SocketAddr, bool), Fate> = BTreeMap::new();
    for check in checks {
        let way = (check.end, check.to, check.relayed);
        for (number, (at, fate)) in (1..).zip(&check.transmissions) {
            let is_new = last.get(&way).is_none_or(|before| !alike(*before, *fate));
            if full || is_new || (check.nominates && number == 1) {
                lines.push(check_line(check, number, *at, *fate));
            }
            last.insert(way, *fate);
        }
    }
}

fn alike(one: Fate, other: Fate) -> bool {
    matches!((one, other), (Fate::Arrived(_), Fate::Arrived(_))) || one == other
}

fn check_line(check: &Check, number: usize, at: Timestamp, fate: Fate) -> Line {
    let what = if check.nominates { "nominates" } else { "check" };
    let again = if number > 1 { format!(", try {number}") } else { String::new() };
    let relay = if check.relayed { " by relay" } else { "" };
    let arrow = if check.end == 0 { "→" } else { "←" };
    let sent = format!("{arrow} {what} {}{relay}{again}", check.to);
    let (text, tone) = match fate {
        Fate::Arrived(from) => (format!("✓ hears it from {from}"), Tone::Good),
        Fate::Dropped(reason) => (format!("✗ {}", why(reason)), Tone::Bad),
        Fate::Unknown => ("✗ the relay keeps it".to_owned(), Tone::Bad),
    };
    let mut lanes = [Cell::default(), Cell::default()];
    lanes[check.end] = Cell { text: sent, tone: Tone::Plain };
    lanes[1 - check.end] = Cell { text, tone };
    Line { at, lanes }
}

/// What was asked of servers, once each.
fn server_lines(lab: &Lab, lines: &mut Vec<Line>) {
    let mut known = BTreeSet::new();
    for entry in lab.world.trace().entries() {
        let (Wire::Sent { node, path, payload } | Wire::Written { node, path, payload }) = &entry.event
        else {
            continue;
        };
        let Some(end) = lab.ids.iter().position(|id| id == node) else { continue };
        let Some((help, _)) = lab.servers.iter().find(|(_, address)| *address == path.remote()) else {
            continue;
        };
        let Ok(message) = Message::parse(payload) else { continue };
        if message.class() == Class::Request && known.insert(message.transaction_id()) {
            let text = format!("asks {}: {}", server(*help), method(message.method()));
            lines.push(line(entry.at, end, text, Tone::Faint));
        }
    }
}

/// A state, and the reason for it.
pub fn state_in_words(state: StreamState) -> String {
    match state {
        StreamState::New => "knows nobody".to_owned(),
        StreamState::Checking => "checking".to_owned(),
        StreamState::Connected => "connected".to_owned(),
        StreamState::Completed => "completed".to_owned(),
        StreamState::Unconfirmed(reason) => format!("unconfirmed: {reason}"),
        StreamState::Lost(reason) => format!("lost: {reason}"),
        StreamState::Failed(reason) => format!("failed: {reason}"),
        StreamState::Closed => "closed".to_owned(),
        _ => "in some other state".to_owned(),
    }
}

/// What a server is called.
pub fn server(help: Help) -> &'static str {
    match help {
        Help::Stun => "stun",
        Help::Turn | Help::TurnOverTcp => "turn",
    }
}

fn method(method: Method) -> &'static str {
    match method {
        Method::BINDING => "what is my address?",
        Method::ALLOCATE => "lend me an address",
        Method::REFRESH => "lend it to me for longer",
        Method::CREATE_PERMISSION => "let in those peers",
        Method::CHANNEL_BIND => "bind a channel to a peer",
        _ => "something else",
    }
}

fn why(reason: Dropped) -> &'static str {
    match reason {
        Dropped::Lost => "lost on a link",
        Dropped::Unplugged => "unplugged",
        Dropped::NoRoute => "nobody has that address there",
        Dropped::NoMapping => "no such mapping at the translator",
        Dropped::Filtered => "filtered by the translator",
        Dropped::NoHairpin => "does not come back in (no hairpinning)",
        Dropped::Forbidden | Dropped::Rejected => "UDP does not pass",
        Dropped::NoPort => "no port left at the translator",
        _ => "dropped",
    }
}

/// Seconds and milliseconds since the call.
pub struct At(pub Timestamp);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since: Duration = self.0.saturating_since(Timestamp::ZERO);
        write!(f, "{:>8.3}", since.as_secs_f64())
    }
}

/// A datagram is where it goes within this many entries, or it has gone astray.
const LOOK_AHEAD: usize = 400;
