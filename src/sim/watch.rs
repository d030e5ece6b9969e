//! What must hold for an agent after everything that is done to it, whatever the network and the peer are like.

mod backups;
#[cfg(test)]
mod bench;
mod decode;
mod digest;
mod lists;
mod streams;
mod wire;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use backups::Backups;
use decode::Password;
use digest::Digest;
use streams::Streams;
use wire::{Moment, Verdict, Wire};

use crate::ice::{BaseId, Credentials, ServerId, StreamId};
use crate::{Agent, Event, Output, Path, Reason, Received, ServerError, Stats, StreamState, Timestamp};

/// Looks over the shoulder of an [`Agent`] and remembers the first rule that it breaks.
///
/// It is told of every input before the agent is, of every output as it is polled, and of the end of outputs; it looks
/// at the agent through its public interface alone, and reads messages with a decoder of its own. A
/// [`Peer`](super::Peer) has one, and a [`World`](super::World) ends as soon as it complains. To watch an agent
/// elsewhere, call it from the loop that drives the agent:
///
/// ```
/// use floe::ice::Role;
/// use floe::sim::Watch;
/// use floe::{Agent, Config, Seed, Timestamp};
///
/// let (mut agent, mut watch) = (Agent::new(Config::new(), Role::Controlling, Seed::from([7; 32])), Watch::new());
/// agent.add_stream(1)?;
/// let now = Timestamp::ZERO;
/// watch.timeout(&agent, now);
/// agent.handle_timeout(now);
/// while let Some(output) = agent.poll_output() {
///     watch.output(&agent, now, &output);
/// }
/// watch.quiet(&agent, now);
/// assert_eq!(watch.violation(), None);
/// # Ok::<(), floe::Error>(())
/// ```
///
/// # What it looks at
///
/// Every invariant of the threat model, and where it is looked at: by the watch after every step, by the
/// [`World`](super::World) itself after every step, or by what runs random worlds (the example `soak`) when one is over.
///
/// | | what holds | where |
/// |---|---|---|
/// | INV-01 to INV-04 | deadlines lie ahead, nothing comes unasked, early timeouts change nothing | world; `tests/replay.rs` |
/// | INV-05 | few outputs for one input | watch |
/// | INV-06, INV-07 | older times and extra timeouts change nothing | world, where it nudges; `tests/replay.rs` |
/// | INV-08, INV-34 | a Ta between new transactions, also of a caller that was late | watch |
/// | INV-09 | the same inputs make the same outputs | soak: one world in fifty again; debug and release |
/// | INV-10, INV-11 | nothing after the end; states follow their graph | watch |
/// | INV-12, INV-13 | who can meet does in time, who cannot says so in time | soak, by the [oracle](super::oracle) |
/// | INV-14 | whoever is connected can be | watch, by the last answer; soak, by the oracle |
/// | INV-15 to INV-17 | both use one pair, the best if they have waited; one controls | soak |
/// | INV-18 | not the order of candidates decides | soak: one world in fifty again |
/// | INV-19 | from a base that is there to a unicast address | watch; soak |
/// | INV-20 | a backup takes over; what is kept shares as little as can be | soak; watch |
/// | INV-21, INV-22 | forgeries change nothing and draw one small answer | watch; soak: hostile worlds again without |
/// | INV-23 | forgeries are blamed where there were some, and only there | watch, the latter; `tests/checks.rs` |
/// | INV-24 | fresh ids; retransmissions to the byte | watch |
/// | INV-25 | peer-reflexive candidates come from authentic checks | watch |
/// | INV-26 | data comes from 5-tuples that have authenticated | watch |
/// | INV-27, INV-30 | data goes where an answer came within 30 s and no 403 since | watch |
/// | INV-28 | a valid pair was answered | watch |
/// | INV-29 | consent checks at least 4 s apart, each sent once | watch |
/// | INV-31 | old credentials are over; a restart changes both halves | watch |
/// | INV-32, INV-33 | bounds; counters only grow | watch |
/// | INV-35, INV-36 | seven transmissions, twice as far apart each time, from 500 ms | watch |
/// | INV-37 to INV-39 | no twins; priorities and order; states | watch |
/// | INV-40 | a check triggers one on its pair, which leaves before any ordinary one of its list, and in its slot | watch |
/// | INV-41 | USE-CANDIDATE from the controlling side alone, for pairs that work | watch |
/// | INV-42, INV-43 | foundations; PRIORITY in checks | watch |
/// | INV-44, INV-45 | messages hold together, are signed, have a fingerprint and nothing that is not wanted | watch |
/// | INV-46 | gathering ends, once | watch |
/// | INV-47 | nothing goes to a peer by a permission or channel that is not held | watch |
/// | INV-48 | what a server holds for the pair in use is asked for again a minute before its end; nothing after a release | watch; soak |
/// | INV-49, INV-50 | one channel, one peer; data on a channel that was never bound comes to nothing | watch; [`TurnServer`](super::TurnServer) |
/// | INV-51 | nothing is left of what was removed | watch |
/// | INV-52 | what was allocated is released; no password is shown | soak; the latter in one world in fifty |
///
/// Of what it was not told, such as the credentials of a peer, it says nothing.
pub struct Watch {
    violation: Option<String>,
    now: Timestamp,
    streams: Streams,
    wire: Wire,
    backups: Backups,
    stats: Stats,
    /// Of the input under way.
    input: Input,
    outputs: usize,
    /// How many outputs there may be, by what the agent had before the input and has after it.
    bound: usize,
    /// Servers that were given up, and for which base: each once.
    given_up: Vec<(ServerId, BaseId, ServerError)>,
}

/// What the agent was last given.
#[derive(Clone, Copy, Debug)]
enum Input {
    /// Something that was not announced.
    Unknown,
    Command,
    Timeout,
    Datagram(Datagram),
}

/// A datagram, and what the agent was like before.
#[derive(Clone, Copy, Debug)]
struct Datagram {
    verdict: Verdict,
    length: usize,
    before: Option<Digest>,
    answers: usize,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

impl Watch {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            violation: None,
            now: Timestamp::ZERO,
            streams: Streams::default(),
            wire: Wire::default(),
            backups: Backups::default(),
            stats: Stats::default(),
            input: Input::Unknown,
            outputs: 0,
            bound: 0,
            given_up: Vec::new(),
        }
    }

    /// The first rule that was broken, by its number in the threat model, and how.
    #[must_use]
    pub fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// The peer goes by these credentials, or will.
    pub fn meet(&mut self, credentials: &Credentials) {
        self.wire.meet(credentials);
    }

    /// The agent is about to be given a datagram.
    pub fn datagram(&mut self, agent: &Agent, now: Timestamp, path: Path, datagram: &[u8]) {
        self.begin(agent, now);
        self.excuse(agent, now);
        self.allow(agent);
        let verdict = self.wire.judge(Moment { now: self.now, streams: &self.streams }, path, datagram);
        self.wire.before(agent);
        let before = matches!(verdict, Verdict::Forged(_)).then(|| Digest::of(agent, self.now));
        self.input = Input::Datagram(Datagram { verdict, length: datagram.len(), before, answers: 0 });
    }

    /// What became of it.
    pub fn received(&mut self, path: Path, received: &Received<'_>) {
        let Input::Datagram(datagram) = self.input else { return };
        if matches!(received, Received::Control) {
            self.wire.taken();
        }
        self.wire.heard(received);
        if let Received::Data { component, provenance, .. } = received {
            // INV-26
            let moment = Moment { now: self.now, streams: &self.streams };
            if !self.wire.has_heard(moment, component.stream(), path, *provenance) {
                self.fail(format_args!("INV-26: data from {path:?}, which nobody has vouched for"));
            }
        }
        if let (Received::Control, Verdict::Forged(what)) = (received, datagram.verdict) {
            self.fail(format_args!("INV-21: {what} from {path:?} was taken for the peer's"));
        }
    }

    /// The agent is about to be told the time.
    pub fn timeout(&mut self, agent: &Agent, now: Timestamp) {
        self.begin(agent, now);
        self.excuse(agent, now);
        self.allow(agent);
        self.input = Input::Timeout;
    }

    /// The agent is about to be told something else: by its application, or by the peer past the network. What comes of a
    /// command that was not announced is not held to its time.
    pub fn command(&mut self, agent: &Agent, now: Timestamp) {
        self.begin(agent, now);
        self.excuse(agent, now);
        self.allow(agent);
        self.input = Input::Command;
    }

    /// The agent has said something.
    pub fn output(&mut self, agent: &Agent, now: Timestamp, output: &Output) {
        self.begin(agent, now);
        self.outputs += usize::from(!matches!(output, Output::Event(Event::ServerFailed { .. })));
        if self.outputs > self.bound && !matches!(self.input, Input::Unknown) {
            // What is new says so as well.
            self.allow(agent);
            // INV-05
            if self.outputs > self.bound {
                let (outputs, bound) = (self.outputs, self.bound);
                self.fail(format_args!("INV-05: {outputs} outputs at once, more than {bound}"));
            }
        }
        if self.streams.all_closed_before() && !matches!(output, Output::Disconnect(_)) {
            self.fail(format_args!("INV-10: {output:?} after the end"));
        }
        match output {
            Output::Transmit(transmit) => {
                if let Input::Datagram(datagram) = &mut self.input {
                    datagram.answers += 1;
                    if matches!(datagram.verdict, Verdict::Forged(_))
                        && transmit.payload.len() > datagram.length
                    {
                        let (answer, length) = (transmit.payload.len(), datagram.length);
                        self.fail(format_args!("INV-21: {answer} bytes in answer to {length} forged ones"));
                    }
                }
                self.wire.set_role(agent.role());
                self.wire.set_timed(!matches!(self.input, Input::Unknown));
                let told = self.wire.sent(
                    Moment { now: self.now, streams: &self.streams },
                    transmit.path,
                    &transmit.payload,
                );
                self.note(told);
            }
            Output::Event(event) => {
                if let Input::Datagram(Datagram { verdict: Verdict::Forged(what), .. }) = self.input {
                    self.fail(format_args!("INV-21: {event:?} because of {what}"));
                }
                self.event(agent, event);
            }
            Output::Connect(_) => self.wire.connects(),
            Output::Disconnect(_) => {}
        }
    }

    /// The agent has nothing more to say for now.
    pub fn quiet(&mut self, agent: &Agent, now: Timestamp) {
        self.begin(agent, now);
        (self.outputs, self.bound) = (0, 0);
        self.given_up.clear();
        if let Input::Datagram(Datagram { before: Some(before), answers, verdict, .. }) = self.input {
            let after = Digest::of(agent, self.now);
            if after != before || answers > 1 {
                self.fail(format_args!(
                    "INV-21: {verdict:?} has made {after:?} of {before:?}, {answers} answers"
                ));
            }
        }
        self.input = Input::Unknown;
        let told = lists::inspect(agent, &agent.limits(), &self.wire, self.now, &self.stats);
        self.note(told);
        let told = self.wire.quiet(agent, self.now, &self.stats);
        self.note(told);
        let told = self.backups.quiet(agent, &self.wire, self.now);
        self.note(told);
        self.stats = agent.stats();
        self.streams.quiet(agent);
    }

    fn begin(&mut self, agent: &Agent, now: Timestamp) {
        self.now = self.now.max(now);
        self.wire.learn();
        let told = self.streams.sync(agent, self.now);
        self.note(told);
    }

    /// A caller that is late makes the agent late, whatever it tells it of next.
    fn excuse(&mut self, agent: &Agent, now: Timestamp) {
        if agent.deadline().is_some_and(|due| due + LATENESS < now) {
            self.wire.excuse_until(now + EXCUSED_FOR);
        }
    }

    /// There may be as many outputs as go with what the agent has.
    fn allow(&mut self, agent: &Agent) {
        self.bound = self.bound.max(lists::outputs_max(agent));
    }

    fn event(&mut self, agent: &Agent, event: &Event) {
        let told = match event {
            Event::State { stream, state } => {
                let told = self.streams.enter(*stream, *state, self.now);
                // INV-23
                let is_invented =
                    *state == StreamState::Failed(Reason::IntegrityViolated) && !self.wire.is_attacked();
                told.and_then(|()| match is_invented {
                    true => Err(alloc::format!("INV-23: {stream} blames forgeries, and there were none")),
                    false => Ok(()),
                })
            }
            Event::GatheringComplete { stream, generation } => {
                self.streams.complete(*stream, *generation, agent.local_options().contains("continual"))
            }
            // Every base may give up every server at the same instant, which is no flood.
            Event::ServerFailed { server, base, error } => {
                let failure = (*server, *base, *error);
                let again = self.given_up.contains(&failure);
                self.given_up.push(failure);
                (!again)
                    .then_some(())
                    .ok_or_else(|| alloc::format!("INV-46: {failure:?} was said twice at once"))
            }
            Event::Selected { pair, .. } if agent.pair(*pair).is_some_and(|pair| !pair.is_valid()) => {
                Err(alloc::format!("INV-41: {pair} was selected and is not valid"))
            }
            _ => Ok(()),
        };
        self.note(told);
    }

    fn note(&mut self, told: Result<(), String>) {
        if let Err(text) = told {
            self.fail(format_args!("{text}"));
        }
    }

    fn fail(&mut self, text: fmt::Arguments<'_>) {
        if self.violation.is_none() {
            self.violation = Some(alloc::format!("{text}"));
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("violation", &self.violation).finish_non_exhaustive()
    }
}

/// The streams of an agent.
fn streams(agent: &Agent) -> impl Iterator<Item = StreamId> {
    (0..).map(StreamId::from_raw).take_while(|stream| agent.state(*stream).is_some())
}

fn password(credentials: &Credentials) -> Option<Password> {
    Password::new(credentials.password())
}

/// A caller that is later than this is late: what it finds overdue is spread.
const LATENESS: core::time::Duration = core::time::Duration::from_millis(1);

/// As long as the longest schedule of a request.
const EXCUSED_FOR: core::time::Duration = core::time::Duration::from_secs(60);
