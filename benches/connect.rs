//! Agents: what an established one does for a datagram, and what it takes two of them to connect.

mod support;

use floe::ice::{CandidateKind, Credentials, Role, StreamId};
use floe::stun::{Builder, IceControlled, Integrity, Key, Method, Priority, Username};
use floe::{
    Agent, Base, Config, Event, Limits, Output, Path, Received, Remote, Seed, StreamState, Timestamp,
};
use std::hint::black_box;
use std::mem;
use std::net::SocketAddr;
use std::time::Duration;
use support::Table;

fn main() {
    let table = Table::from_args();
    let mut alice = established();
    let ours = alice.agent.local_credentials(alice.stream).unwrap().clone();
    let stranger = alice.check("Zz9Y", ours.password());
    let (check, forged) = (alice.check(ours.ufrag(), ours.password()), alice.check(ours.ufrag(), "wrong"));
    table.case("answer a check on an established pair", || alice.feed(&check));
    // The leave to answer strangers is used up in the rounds that warm up.
    for _ in 0..40 {
        alice.feed(&forged);
    }
    table.case("ignore a forged check", || alice.feed(&forged));
    table.case("ignore a check under another fragment", || alice.feed(&stranger));
    table.case("ignore data of a stranger", || {
        let path = Path::udp(alice.path.local(), "203.0.113.9:9".parse().unwrap());
        matches!(alice.agent.handle_datagram(alice.now, path, &[0x80; 1_200]), Received::Ignored(_))
    });
    table.case("hand up data", || alice.feed(&[0x80; 1_200]));
    table.case("ask for the deadline", || alice.agent.deadline());
    for candidates in [1, 4, 10, 30, 100] {
        let session = connect(candidates);
        let (millis, datagrams) = (session.now.since_epoch().as_millis(), session.datagrams);
        let name = format!("connect {candidates}x{candidates} ({millis} virtual ms, {datagrams} datagrams)");
        table.case(&name, || connect(candidates).now);
    }
    // What is kept is what two agents hold: it is forgotten, and never given back.
    table.case("hold two agents at rest", || mem::forget(black_box(Box::new(connect(1)))));
    let mut session = connect(1);
    table.case("a minute of two agents at rest", || session.pass(Duration::from_secs(60)));
}

/// An agent with a selected pair, and what its peer needs to check it.
struct Established {
    agent: Agent,
    stream: StreamId,
    now: Timestamp,
    path: Path,
}

impl Established {
    /// A check as the peer sends it, if these are our credentials.
    fn check(&self, ufrag: &str, password: &str) -> Vec<u8> {
        let key = Key::short_term(password.as_bytes());
        let mut out = Vec::new();
        Builder::request(&mut out, Method::BINDING, [7; 12].into())
            .attribute(&Username::new(&format!("{ufrag}:{}", credentials(1).ufrag())).unwrap())
            .attribute(&Priority(1_862_270_975))
            .attribute(&IceControlled(7))
            .integrity(&key, Integrity::Sha1)
            .fingerprint();
        out
    }

    /// What a driver does for a datagram.
    fn feed(&mut self, datagram: &[u8]) -> Option<Timestamp> {
        let _ = self.agent.handle_datagram(self.now, self.path, datagram);
        while self.agent.poll_output().is_some() {}
        self.agent.deadline()
    }
}

fn established() -> Established {
    let Session { agents: [agent, _], streams: [stream, _], now, .. } = connect(1);
    let path = agent.route(stream.component(1)).unwrap().path();
    Established { agent, stream, now, path }
}

/// Two agents that have connected.
struct Session {
    agents: [Agent; 2],
    streams: [StreamId; 2],
    now: Timestamp,
    datagrams: u32,
}

/// Two agents with so many host candidates each, all of them in reach, all signalled at once, no time on the wire.
fn connect(candidates: u16) -> Session {
    let now = Timestamp::ZERO;
    let mut agents = [(Role::Controlling, 1), (Role::Controlled, 2)]
        .map(|(role, seed)| Agent::new(config(candidates), role, Seed::from([seed; 32])));
    let mut side = 0;
    let streams = agents.each_mut().map(|agent| {
        let stream = agent.add_stream_with(1, credentials(side)).unwrap();
        for number in 0..candidates {
            agent.add_base(now, stream.component(1), Base::udp(address(side, number))).unwrap();
        }
        agent.end_of_bases(now, stream).unwrap();
        side += 1;
        stream
    });
    let mut session = Session { agents, streams, now, datagrams: 0 };
    let signalled = [0, 1].map(|side: usize| -> Vec<_> {
        let found = session.agents[side].local_candidates(session.streams[side]);
        found
            .map(|(_, candidate)| candidate.clone())
            .filter(|own| own.kind() == CandidateKind::Host)
            .collect()
    });
    for (side, theirs) in signalled.into_iter().rev().enumerate() {
        let remote = Remote::new(credentials(1 - side as u8)).candidates(theirs).complete();
        session.agents[side].set_remote(now, session.streams[side], remote).unwrap();
    }
    while !session.is_over() {
        session.exchange();
        let next = session.agents.iter().filter_map(Agent::deadline).min().unwrap();
        session.now = session.now.max(next);
        for agent in &mut session.agents {
            if agent.deadline().is_some_and(|deadline| deadline <= session.now) {
                agent.handle_timeout(session.now);
            }
        }
        session.exchange();
    }
    session
}

impl Session {
    /// Lets time pass for two agents that have connected.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.agents.iter().filter_map(Agent::deadline).min().filter(|at| *at <= until)
        {
            self.now = self.now.max(next);
            for agent in &mut self.agents {
                if agent.deadline().is_some_and(|deadline| deadline <= self.now) {
                    agent.handle_timeout(self.now);
                }
            }
            self.exchange();
        }
        self.now = until;
    }

    fn is_over(&self) -> bool {
        let done =
            |(agent, stream): (&Agent, &StreamId)| agent.state(*stream) == Some(StreamState::Completed);
        self.agents.iter().zip(&self.streams).all(done)
    }

    /// Carries datagrams to and fro until there are none.
    fn exchange(&mut self) {
        let mut quiet = 0;
        for side in [0, 1].into_iter().cycle() {
            if quiet == 2 {
                return;
            }
            quiet += 1;
            while let Some(output) = self.agents[side].poll_output() {
                match output {
                    Output::Transmit(transmit) => {
                        (quiet, self.datagrams) = (0, self.datagrams + 1);
                        let path = Path::udp(transmit.path.remote(), transmit.path.local());
                        let _ = self.agents[1 - side].handle_datagram(self.now, path, &transmit.payload);
                    }
                    Output::Event(Event::State { state: StreamState::Failed(reason), .. }) => {
                        panic!("{reason}")
                    }
                    Output::Event(_) | Output::Connect(_) | Output::Disconnect(_) => {}
                }
            }
        }
    }
}

/// The default, with room for so many candidates of either side; the pairs stay a hundred.
fn config(candidates: u16) -> Config {
    let mut limits = Limits::default();
    limits.local_candidates = limits.local_candidates.max(candidates.into());
    limits.remote_candidates = limits.remote_candidates.max(candidates.into());
    Config::new().limits(limits)
}

fn credentials(side: u8) -> Credentials {
    let [ufrag, password] =
        if side == 0 { ["aB3d", "l0calPassw0rdOf24Chars+/"] } else { ["Xy7Z", "rem0tePassw0rdOf24Chars+"] };
    Credentials::new(ufrag, password).unwrap()
}

fn address(side: u8, number: u16) -> SocketAddr {
    SocketAddr::from(([10, side, (number / 200) as u8, (number % 200 + 1) as u8], 5_000 + number))
}
