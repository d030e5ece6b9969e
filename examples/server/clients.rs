//! The clients: as many full agents as there are sessions, each with an address of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use floe::ice::{Role, StreamId};
use floe::{Agent, Base, Config, Event, Output, Path, Received, Remote, Seed, StreamState, Timestamp};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::sleep_until;

use crate::report::{ClientReport, Progress};
use crate::socket::Socket;
use crate::{Answer, Offer, Options, TA};

/// Runs all sessions from beginning to end.
pub async fn run(
    options: Options,
    epoch: Instant,
    offers: UnboundedSender<Offer>,
    answers: UnboundedReceiver<Answer>,
) -> Result<ClientReport, Box<dyn Error>> {
    // A socket that hears every address of this machine, and sends from any.
    let socket = Socket::bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
    std::net::UdpSocket::bind((address(0), 0)).map_err(
        |_| "this machine has one loopback address; the clients need all of 127.0.0.0/8, as on Linux",
    )?;
    let mut clients = Clients {
        options,
        socket,
        epoch,
        config: Config::new().loopback(true).pacing(TA).into(),
        seed: Seed::from_os(),
        offers,
        clients: Vec::new(),
        wakes: BinaryHeap::new(),
        report: ClientReport::default(),
        complete_at: None,
    };
    clients.run(answers).await?;
    Ok(clients.report)
}

struct Clients {
    options: Options,
    socket: Socket,
    epoch: Instant,
    config: Arc<Config>,
    seed: Seed,
    offers: UnboundedSender<Offer>,
    /// By session, as far as they have begun.
    clients: Vec<Client>,
    /// When to look after whom; one that is late is looked after more than once.
    wakes: BinaryHeap<Reverse<(Timestamp, usize)>>,
    report: ClientReport,
    /// When the last session had come to a result.
    complete_at: Option<Timestamp>,
}

struct Client {
    agent: Agent,
    stream: StreamId,
    began_at: Timestamp,
    ended: bool,
    pings_at: Option<Timestamp>,
    wakes_at: Timestamp,
}

impl Clients {
    async fn run(&mut self, mut answers: UnboundedReceiver<Answer>) -> io::Result<()> {
        let mut progress = Progress::new(self.options.sessions);
        while !self.is_over() {
            let next = self.next_at().min(self.now() + TICK);
            let timer = sleep_until((self.epoch + next.since_epoch()).into());
            tokio::select! {
                ready = self.socket.readable() => {
                    ready?;
                    self.receive()?;
                }
                answer = answers.recv() => match answer {
                    Some(answer) => self.take(answer),
                    None => break,
                },
                () = timer => {}
            }
            self.begin_due();
            self.wake_due();
            self.complete();
            progress.show(self.now(), &self.report, self.complete_at.is_some());
        }
        progress.end();
        Ok(())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from(self.epoch.elapsed())
    }

    fn is_over(&self) -> bool {
        // A machine that cannot keep up with the rate may take twice as long.
        let limit = self.begins_at(2 * self.options.sessions) + PATIENCE;
        match self.complete_at {
            Some(at) if self.report.all_echoed() => self.now() >= at + self.options.hold,
            // What was sent last is still on its way.
            Some(at) => self.now() >= at + self.options.hold + ECHO_PATIENCE,
            None => self.now() >= limit,
        }
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.complete_at.is_none_or(|at| now < at + self.options.hold)
    }

    fn begins_at(&self, session: usize) -> Timestamp {
        let nanos = session as u64 * 1_000_000_000 / u64::from(self.options.rate);
        Timestamp::from_nanos(nanos)
    }

    /// A second, or longer where that would be more than ten thousand datagrams in it.
    fn ping_interval(&self) -> Duration {
        Duration::from_secs(1).max(Duration::from_micros(100 * self.options.sessions as u64))
    }

    fn next_at(&self) -> Timestamp {
        let wake = self.wakes.peek().map_or(Timestamp::MAX, |Reverse((at, _))| *at);
        let next = self.clients.len();
        let full = next >= self.report.connected() + self.report.failed + UNDER_WAY_MAX;
        if full || next == self.options.sessions { wake } else { wake.min(self.begins_at(next)) }
    }

    fn begin_due(&mut self) {
        while self.clients.len() < self.options.sessions
            && self.begins_at(self.clients.len()) <= self.now()
            && self.clients.len() < self.report.connected() + self.report.failed + UNDER_WAY_MAX
        {
            let (now, session) = (self.now(), self.clients.len());
            let mut agent =
                Agent::new(self.config.clone(), Role::Controlling, self.seed.child(session as u64));
            let local = SocketAddr::from((address(session), self.socket.port()));
            let made = agent.add_stream(1).and_then(|stream| {
                agent.add_base(now, stream.component(1), Base::udp(local))?;
                agent.end_of_bases(now, stream)?;
                Ok(stream)
            });
            let Ok(stream) = made else { unreachable!("an address of 127.0.0.0/8 is a base") };
            if let Some(credentials) = agent.local_credentials(stream) {
                drop(self.offers.send(Offer::Session(session as u64, credentials.clone())));
            }
            self.report.began_at.get_or_insert(now);
            let wakes_at = Timestamp::MAX;
            self.clients.push(Client {
                agent,
                stream,
                began_at: now,
                ended: false,
                pings_at: None,
                wakes_at,
            });
            self.tend(session);
        }
    }

    fn take(&mut self, answer: Answer) {
        let (now, session) = (self.now(), answer.session as usize);
        let remote = Remote::new(answer.credentials).lite().complete().pacing(TA);
        let client = &mut self.clients[session];
        if client.agent.set_remote(now, client.stream, remote.candidates([answer.candidate])).is_err() {
            client.ended = true;
            self.report.failed += 1;
        }
        self.tend(session);
    }

    fn receive(&mut self) -> io::Result<()> {
        for _ in 0..BATCHES_IN_A_ROW {
            let (now, clients, report) =
                (Timestamp::from(self.epoch.elapsed()), &mut self.clients, &mut self.report);
            let mut heard = Vec::new();
            let any = self.socket.receive(|path, datagram| {
                let Some(session) = session_of(path) else { return };
                let Some(client) = clients.get_mut(session) else { return };
                match client.agent.handle_datagram(now, path, datagram) {
                    Received::Data { payload, .. } => {
                        if let Some(sent_at) = payload.get(1..9).and_then(|bytes| bytes.try_into().ok()) {
                            let sent_at = Timestamp::from_nanos(u64::from_be_bytes(sent_at));
                            report.echoes.push(now.saturating_since(sent_at));
                        }
                    }
                    Received::Control => heard.push(session),
                    Received::Ignored(_) => report.ignored += 1,
                }
            })?;
            for session in heard {
                self.tend(session);
            }
            if !any {
                break;
            }
        }
        Ok(())
    }

    fn wake_due(&mut self) {
        let ping_interval = self.ping_interval();
        while let Some(Reverse((at, session))) = self.wakes.peek().copied() {
            let now = self.now();
            let holds = self.holds(now);
            if at > now {
                break;
            }
            self.wakes.pop();
            let client = &mut self.clients[session];
            if client.wakes_at != at {
                continue; // put off, or done before
            }
            client.wakes_at = Timestamp::MAX;
            if client.agent.deadline().is_some_and(|deadline| deadline <= now) {
                client.agent.handle_timeout(now);
            }
            if client.pings_at.is_some_and(|pings_at| pings_at <= now) {
                client.pings_at = holds.then(|| now + ping_interval);
                if let Some(route) = client.agent.route(client.stream.component(1)).filter(|_| holds) {
                    let mut ping = [0x80; 100];
                    ping[1..9].copy_from_slice(&now.as_nanos().to_be_bytes());
                    self.socket.send(route.path(), &ping);
                    self.report.pings += 1;
                }
            }
            self.tend(session);
        }
    }

    /// Does what a client's agent wants, and looks when it wants to be called again.
    fn tend(&mut self, session: usize) {
        let now = self.now();
        let client = &mut self.clients[session];
        while let Some(output) = client.agent.poll_output() {
            match output {
                Output::Transmit(transmit) => self.socket.send(transmit.path, &transmit.payload),
                Output::Event(Event::State { state: StreamState::Completed, .. }) if !client.ended => {
                    client.ended = true;
                    self.report.completed_at = Some(now);
                    self.report.set_ups.push(now.saturating_since(client.began_at));
                }
                Output::Event(Event::State {
                    state: StreamState::Failed(_) | StreamState::Lost(_), ..
                }) => {
                    let count = if client.ended { &mut self.report.lost } else { &mut self.report.failed };
                    *count += 1;
                    client.ended = true;
                }
                Output::Event(_) | Output::Connect(_) | Output::Disconnect(_) => {}
            }
        }
        let wants = [client.agent.deadline(), client.pings_at].into_iter().flatten().min();
        if let Some(at) = wants.filter(|at| *at != client.wakes_at) {
            client.wakes_at = at;
            self.wakes.push(Reverse((at, session)));
        }
    }

    /// When every session has come to a result, the data begin.
    fn complete(&mut self) {
        let results = self.report.set_ups.len() + self.report.failed;
        if self.complete_at.is_some() || results < self.options.sessions {
            return;
        }
        let now = self.now();
        self.complete_at = Some(now);
        drop(self.offers.send(Offer::Complete));
        for session in 0..self.clients.len() {
            // Spread over the interval.
            let share = self.ping_interval().mul_f64(session as f64 / self.clients.len() as f64);
            self.clients[session].pings_at = Some(now + share);
            self.tend(session);
        }
    }
}

/// The address of a session's client, from 127.64.0.1 on.
fn address(session: usize) -> Ipv4Addr {
    Ipv4Addr::from(FIRST + session as u32)
}

fn session_of(path: Path) -> Option<usize> {
    let SocketAddr::V4(local) = path.local() else { return None };
    Some(local.ip().to_bits().checked_sub(FIRST)? as usize)
}

const FIRST: u32 = Ipv4Addr::new(127, 64, 0, 1).to_bits();

/// How many sessions may be on their way: whoever cannot keep up with the rate begins fewer.
const UNDER_WAY_MAX: usize = 500;

/// How long the slowest session may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the last echoes are waited for.
const ECHO_PATIENCE: Duration = Duration::from_secs(2);

/// How often the end is looked for.
const TICK: Duration = Duration::from_millis(100);

const BATCHES_IN_A_ROW: usize = 8;
