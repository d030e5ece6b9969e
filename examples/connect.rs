//! Two agents find each other over this machine's real UDP sockets, and say hello.
//!
//! ```text
//! cargo run --release --example connect
//! cargo run --release --example connect -- --turn turn:turn.example.org --user me --password secret --relay
//! ```
//!
//! Alice and Bob run in a thread each. All that they know of each other came through the other's mailbox, as it would
//! through a signalling server: credentials first, then each candidate as it is found. A STUN server tells them how
//! they look from outside, which here is how they look from inside.

mod driver;

use std::cmp::Reverse;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use driver::servers::{self, Named};
use driver::{Driver, Happening, Mailbox};
use floe::ice::{Candidate, Credentials, PairId, PairPriority, PairState, Role, StreamId};
use floe::stun::{AttributeType, Builder, Class, Message, Method, XorMappedAddress};
use floe::{Agent, Config, Event, Pair, Remote, Seed, Server, StreamState};

/// The time between two checks, Ta. Both sides have to agree on anything but 50 ms (RFC 8445 section 14.2).
const PACING: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(10);

/// What goes through signalling, and what ends the wait.
enum Signal {
    Credentials(Credentials),
    Candidate(Candidate),
    EndOfCandidates,
    GiveUp,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (named, relay_only) = options()?;
    let addresses = driver::addresses()?;
    let stun = serve_stun(*addresses.first().ok_or("this machine has no address")?)?;
    println!("STUN server at {stun}\n");
    let servers = [vec![Server::stun(stun)], named.resolve()?].concat();
    let scene = Scene { addresses, servers, relay_only, epoch: Instant::now() };

    let mut alice = Peer::new("alice", Role::Controlling, &scene)?;
    let mut bob = Peer::new("bob", Role::Controlled, &scene)?;
    let (to_alice, to_bob) = (alice.driver.mailbox(), bob.driver.mailbox());
    for late in [to_alice.clone(), to_bob.clone()] {
        thread::spawn(move || {
            thread::sleep(PATIENCE);
            late.send(Signal::GiveUp)
        });
    }
    let bob = thread::spawn(move || {
        bob.run(&to_alice);
        bob
    });
    alice.run(&to_bob);
    let bob = bob.join().map_err(|_| "bob panicked")?;

    alice.print_pairs();
    for peer in [&alice, &bob] {
        peer.print_times();
    }
    let heard = alice.heard.is_some() && bob.heard.is_some();
    alice.driver.close();
    bob.driver.close();
    Ok(if heard { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What both have in common.
struct Scene {
    addresses: Vec<IpAddr>,
    servers: Vec<Server>,
    relay_only: bool,
    epoch: Instant,
}

/// One of the two, and what there is to tell of it.
struct Peer {
    name: &'static str,
    driver: Driver<Signal>,
    stream: StreamId,
    epoch: Instant,
    selected: Option<PairId>,
    /// The check list when the first pair was valid: once one is selected, the others are no longer needed.
    pairs: Vec<Row>,
    connected_at: Option<Duration>,
    completed_at: Option<Duration>,
    heard: Option<String>,
}

impl Peer {
    fn new(name: &'static str, role: Role, scene: &Scene) -> Result<Self, Box<dyn Error>> {
        let epoch = scene.epoch;
        // Loopback candidates help nobody but a machine without a network, so the agent has to be asked for them.
        let loopback = scene.addresses.iter().all(IpAddr::is_loopback);
        let config = Config::new().pacing(PACING).loopback(loopback).relay_only(scene.relay_only);
        let mut driver = Driver::new(Agent::new(config, role, Seed::from_os()), epoch);
        driver.onlooker = Some(Box::new(move |path, datagram| {
            if let Some(what) = check_or_answer(datagram) {
                say(epoch, name, what, format_args!("{} -> {}", path.local(), path.remote()));
            }
        }));
        let stream = driver.agent.add_stream(1)?;
        for server in &scene.servers {
            driver.agent.add_server(driver.now(), server.clone())?;
        }
        for &address in &scene.addresses {
            driver.open(stream.component(1), address)?;
        }
        driver.agent.end_of_bases(driver.now(), stream)?;
        Ok(Self {
            name,
            driver,
            stream,
            epoch,
            selected: None,
            pairs: Vec::new(),
            connected_at: None,
            completed_at: None,
            heard: None,
        })
    }

    /// Runs until both have heard from each other, or it is too late.
    fn run(&mut self, other: &Mailbox<Signal>) {
        if let Some(credentials) = self.driver.agent.local_credentials(self.stream) {
            other.send(Signal::Credentials(credentials.clone()));
        }
        while self.completed_at.is_none() || self.heard.is_none() {
            match self.driver.next() {
                Happening::Event(event) => self.handle_event(event, other),
                Happening::Data { payload, .. } => {
                    let text = String::from_utf8_lossy(&payload).into_owned();
                    self.say("heard", format_args!("“{text}”"));
                    self.heard = Some(text);
                }
                Happening::Message(Signal::GiveUp) => {
                    self.say("gave up", format_args!("after {} s", PATIENCE.as_secs()));
                    return;
                }
                Happening::Message(signal) => self.handle_signal(signal),
            }
        }
    }

    fn handle_event(&mut self, event: Event, other: &Mailbox<Signal>) {
        match event {
            Event::LocalCandidate { candidate, .. } => {
                self.say("candidate", format_args!("{}", Short(&candidate)));
                other.send(Signal::Candidate(candidate));
            }
            Event::GatheringComplete { .. } => {
                self.say("gathered", format_args!("no more candidates"));
                other.send(Signal::EndOfCandidates);
            }
            Event::Selected { pair, .. } => {
                self.selected = Some(pair);
                if let Some(pair) = self.driver.agent.pair(pair) {
                    self.say("selected", format_args!("{} <> {}", Short(pair.local()), Short(pair.remote())));
                }
            }
            Event::State { state, .. } => {
                self.say("state", format_args!("{state:?}"));
                match state {
                    StreamState::Connected => {
                        self.connected_at = Some(self.epoch.elapsed());
                        self.pairs = self.driver.agent.pairs(self.stream).map(Row::of).collect();
                        self.pairs.sort_by_key(|row| Reverse(row.priority));
                    }
                    StreamState::Completed => {
                        self.completed_at = Some(self.epoch.elapsed());
                        let hello = format!("hello from {}", self.name);
                        self.driver.send(self.stream.component(1), hello.as_bytes());
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn handle_signal(&mut self, signal: Signal) {
        let (now, agent, stream) = (self.driver.now(), &mut self.driver.agent, self.stream);
        let taken = match signal {
            Signal::Credentials(credentials) => {
                agent.set_remote(now, stream, Remote::new(credentials).pacing(PACING)).map(drop)
            }
            Signal::Candidate(candidate) => agent.add_remote_candidate(now, stream, candidate).map(drop),
            Signal::EndOfCandidates => agent.end_of_remote_candidates(now, stream),
            Signal::GiveUp => Ok(()),
        };
        if let Err(error) = taken {
            self.say("refused", format_args!("{error}"));
        }
    }

    /// One line of the story: when, who, what.
    fn say(&self, what: &str, details: fmt::Arguments<'_>) {
        say(self.epoch, self.name, what, details);
    }

    /// Every pair, the best first, and why one of them was selected.
    fn print_pairs(&self) {
        println!("\n{}'s pairs when the first was valid\n", self.name);
        let width = self.pairs.iter().map(|row| row.local.len().max(row.remote.len())).max().unwrap_or(0);
        println!("  {:width$}  {:width$}  {:11}  {:>9}", "local", "remote", "state", "RTT");
        for row in &self.pairs {
            let mark = if Some(row.id) == self.selected { '*' } else { ' ' };
            let Row { local, remote, state, rtt, .. } = row;
            println!("{mark} {local:width$}  {remote:width$}  {state:11}  {:>9}", Millis(*rtt));
        }
        let why = match self.pairs.iter().position(|row| Some(row.id) == self.selected) {
            Some(0) => "selected: no other pair could have been better".into(),
            Some(better) => format!("selected: {better} better ones were not answered in time"),
            None => "the selected pair was found later".into(),
        };
        println!("\n* {why}\n");
    }

    fn print_times(&self) {
        let (valid, nominated) = (Millis(self.connected_at), Millis(self.completed_at));
        println!("{:5}  first valid pair {valid:>10}  nominated {nominated:>10}", self.name);
    }
}

/// The servers beside our own, and whether the addresses that they lend are the only ones to use.
fn options() -> Result<(Named, bool), Box<dyn Error>> {
    use lexopt::{Arg, Parser};

    let (mut named, mut relay_only, mut parser) = (Named::default(), false, Parser::from_env());
    while let Some(argument) = parser.next()? {
        let known = match argument {
            Arg::Long("relay") => {
                relay_only = true;
                true
            }
            Arg::Long(name) => {
                let name = name.to_owned();
                named.take(&name, &mut parser)?
            }
            _ => false,
        };
        if !known {
            let usage =
                "usage: connect [--stun HOST:PORT].. [--turn URI --user NAME --password SECRET].. [--relay]";
            return Err(format!("{usage}\n\n{}", servers::USAGE).into());
        }
    }
    Ok((named, relay_only))
}

fn say(epoch: Instant, name: &str, what: &str, details: fmt::Arguments<'_>) {
    println!("{:>12}  {name:5}  {what:9}  {details}", Millis(Some(epoch.elapsed())));
}

/// What a datagram of ICE is to the peer; `None` for what goes to a server, or was not made by an agent.
fn check_or_answer(datagram: &[u8]) -> Option<&'static str> {
    let message = Message::parse(datagram).ok()?;
    match message.class() {
        Class::Request if message.contains(AttributeType::USE_CANDIDATE) => Some("nominates"),
        Class::Request if message.contains(AttributeType::USERNAME) => Some("checks"),
        Class::Success => Some("answers"),
        Class::Error => Some("refuses"),
        Class::Request | Class::Indication => None,
    }
}

/// A candidate pair as it was at some time.
struct Row {
    id: PairId,
    priority: PairPriority,
    local: String,
    remote: String,
    state: &'static str,
    rtt: Option<Duration>,
}

impl Row {
    fn of(pair: Pair<'_>) -> Self {
        let [local, remote] = [pair.local(), pair.remote()].map(|candidate| Short(candidate).to_string());
        let state = match pair.state() {
            PairState::Frozen => "frozen",
            PairState::Waiting => "waiting",
            PairState::InProgress(_) => "in progress",
            PairState::Succeeded => "succeeded",
            PairState::Failed => "failed",
            _ => "?",
        };
        Self { id: pair.id(), priority: pair.priority(), local, remote, state, rtt: pair.rtt() }
    }
}

/// A candidate in a few words: what it is and where.
struct Short<'a>(&'a Candidate);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:5} ", self.0.kind().as_str())?;
        match self.0.ip() {
            Some(address) => address.fmt(f),
            None => f.write_str("(a name)"),
        }
    }
}

/// A time in milliseconds, if it came.
struct Millis(Option<Duration>);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => f.pad(&format!("{:.3} ms", time.as_secs_f64() * 1000.0)),
            None => f.pad("-"),
        }
    }
}

/// Answers Binding requests at `address` for as long as the program runs; returns where.
fn serve_stun(address: IpAddr) -> Result<SocketAddr, std::io::Error> {
    let socket = UdpSocket::bind((address, 0))?;
    let server = socket.local_addr()?;
    thread::spawn(move || {
        let (mut datagram, mut response) = ([0; 1500], Vec::new());
        while let Ok((length, source)) = socket.recv_from(&mut datagram) {
            let Ok(request) = Message::parse(&datagram[..length]) else { continue };
            if (request.class(), request.method()) != (Class::Request, Method::BINDING) {
                continue;
            }
            response.clear();
            Builder::success(&mut response, Method::BINDING, request.transaction_id())
                .attribute(&XorMappedAddress(source))
                .fingerprint();
            // A lost answer is asked for again.
            drop(socket.send_to(&response, source));
        }
    });
    Ok(server)
}
