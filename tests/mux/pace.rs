//! Full agents, which have something to send.

use std::collections::{BTreeMap, BTreeSet};

use floe::ice::{Credentials, Role};
use floe::stun::{Builder, Class, Integrity, Key, Message, Method, TransactionId, XorMappedAddress};
use floe::{Agent, Base, Config, Mux, Output, Path, Remote, Seed, StreamState, Timestamp, Transmit};

use crate::crowd::STREAM;
use crate::harness::{address, at, host, ms};

/// A controlling agent with so many candidates of its peer, and the Ta of both.
fn full(number: usize, candidates: usize, ta: u64) -> Agent {
    let config = Config::new().pacing(ms(ta));
    let mut agent = Agent::new(config, Role::Controlling, Seed::from([number as u8 + 1; 32]));
    let stream = agent.add_stream(1).unwrap();
    agent.add_base(at(0), stream.component(1), Base::udp(address("192.0.2.1:3478"))).unwrap();
    agent.end_of_bases(at(0), stream).unwrap();
    let peer = Credentials::new("peer", "passwordofthepeer/1234567").unwrap();
    let theirs =
        (0..candidates).map(|n| host(&n.to_string(), 1, &format!("198.51.100.{}:{}", number + 1, 2_000 + n)));
    agent.set_remote(at(0), stream, Remote::new(peer).pacing(ms(ta)).candidates(theirs).complete()).unwrap();
    agent
}

/// When each transaction was sent first, and by whom.
#[derive(Default)]
struct Transactions {
    known: BTreeSet<TransactionId>,
    first: Vec<(Timestamp, usize)>,
}

impl Transactions {
    fn note(&mut self, now: Timestamp, agent: usize, transmit: &Transmit) {
        let Ok(message) = Message::parse(&transmit.payload) else { return };
        if message.class() == Class::Request && self.known.insert(message.transaction_id()) {
            self.first.push((now, agent));
        }
    }
}

/// Thirty agents that would each send every 5 ms send as often together; each has its turn before any has another.
///
/// Proves: rfc8445-14.2-3
#[test]
fn all_agents_together_send_something_new_every_five_milliseconds_in_turn() {
    // So many that the first ones are repeated while others still wait for their turn.
    let (agents, candidates) = (30, 6);
    let mut mux = Mux::new();
    for number in 0..agents {
        mux.insert(number, full(number, candidates, 5));
    }
    let mut transactions = Transactions::default();
    let mut now = at(0);
    while transactions.first.len() < agents * candidates {
        while let Some((number, output)) = mux.poll_output() {
            if let Output::Transmit(transmit) = output {
                transactions.note(now, number, &transmit);
            }
        }
        now = now.max(mux.deadline().unwrap());
        mux.handle_timeout(now);
        assert!(now < at(2_000), "{} transactions", transactions.first.len());
    }
    let instants: Vec<_> = transactions.first.iter().map(|(at, _)| *at).collect();
    let expected: Vec<_> = (0..agents * candidates).map(|n| at(5 * n as u64)).collect();
    assert_eq!(instants, expected);
    for round in transactions.first.chunks(agents) {
        let turns: BTreeSet<_> = round.iter().map(|(_, number)| *number).collect();
        assert_eq!(turns.len(), agents);
    }
}

/// Lesson: L-23
#[test]
fn a_late_caller_does_not_make_up_for_the_turns_that_were_missed() {
    let mut mux = Mux::with_pace(ms(20));
    (0..5).for_each(|number| drop(mux.insert(number, full(number, 2, 50))));
    let mut transactions = Transactions::default();
    for now in [0, 400, 401, 419, 420].map(at) {
        mux.handle_timeout(now);
        while let Some((number, output)) = mux.poll_output() {
            if let Output::Transmit(transmit) = output {
                transactions.note(now, number, &transmit);
            }
        }
        assert!(mux.deadline().is_some_and(|deadline| deadline > now));
    }
    let instants: Vec<_> = transactions.first.iter().map(|(at, _)| *at).collect();
    assert_eq!(instants, [0, 400, 420].map(at));
}

/// Time that goes back stands still at the latest instant that any input has named, also one that was for nobody (INV-06).
#[test]
fn an_older_instant_counts_as_the_latest() {
    let mut mux = Mux::new();
    mux.insert(0, full(0, 2, 50));
    let mut transactions = Transactions::default();
    mux.handle_timeout(at(0));
    assert_eq!(
        mux.handle_datagram(at(60), Path::udp(address("192.0.2.1:3478"), address("203.0.113.9:9")), b"?"),
        None
    );
    mux.handle_timeout(at(10));
    while let Some((number, output)) = mux.poll_output() {
        if let Output::Transmit(transmit) = output {
            transactions.note(at(60), number, &transmit);
        }
    }
    assert_eq!(transactions.first.len(), 2);
    assert!(mux.deadline().is_some_and(|deadline| deadline > at(60)));
}

/// Either way to hold the same agents.
enum Host {
    Alone(Vec<Agent>),
    Together(Box<Mux<usize>>),
}

impl Host {
    fn handle_datagram(&mut self, now: Timestamp, number: usize, path: Path, datagram: &[u8]) {
        match self {
            Self::Alone(agents) => assert!(matches!(
                agents[number].handle_datagram(now, path, datagram),
                floe::Received::Control
            )),
            Self::Together(mux) => {
                assert_eq!(mux.handle_datagram(now, path, datagram), Some((number, floe::Received::Control)));
            }
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        match self {
            Self::Alone(agents) => {
                let due = agents.iter_mut().filter(|agent| agent.deadline().is_some_and(|at| at <= now));
                due.for_each(|agent| agent.handle_timeout(now));
            }
            Self::Together(mux) => mux.handle_timeout(now),
        }
    }

    fn poll_output(&mut self) -> Option<(usize, Output)> {
        match self {
            Self::Alone(agents) => {
                agents.iter_mut().enumerate().find_map(|(number, agent)| Some((number, agent.poll_output()?)))
            }
            Self::Together(mux) => mux.poll_output(),
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Alone(agents) => agents.iter().filter_map(Agent::deadline).min(),
            Self::Together(mux) => mux.deadline(),
        }
    }

    fn agent(&self, number: usize) -> &Agent {
        match self {
            Self::Alone(agents) => &agents[number],
            Self::Together(mux) => mux.get(number).unwrap(),
        }
    }
}

/// Runs agents whose peers answer after 20 ms, but for every seventh request, and returns all they say.
fn run(mut host: Host, until: Timestamp) -> BTreeMap<usize, Vec<(Timestamp, Output)>> {
    let (mut said, mut answers) = (BTreeMap::<usize, Vec<_>>::new(), BTreeMap::new());
    let (mut now, mut requests) = (at(0), BTreeMap::<usize, usize>::new());
    loop {
        while let Some((number, output)) = host.poll_output() {
            if let Output::Transmit(transmit) = &output {
                let request = requests.entry(number).or_default();
                *request += 1;
                if *request % 7 != 3 {
                    answers.insert((now + ms(20), number, *request), (transmit.path, answer(transmit)));
                }
            }
            said.entry(number).or_default().push((now, output));
        }
        let next = answers.keys().map(|(at, ..)| *at).next();
        let Some(at) = host.deadline().into_iter().chain(next).min().filter(|at| *at <= until) else { break };
        now = now.max(at);
        while let Some(entry) = answers.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, number, _), (path, answer)) = entry.remove_entry();
            host.handle_datagram(now, number, path, &answer);
        }
        host.handle_timeout(now);
    }
    for number in 0..said.len() {
        assert_eq!(host.agent(number).state(STREAM), Some(StreamState::Completed), "{number}");
    }
    said
}

fn answer(transmit: &Transmit) -> Vec<u8> {
    let request = Message::parse(&transmit.payload).unwrap();
    let mut out = Vec::new();
    Builder::success(&mut out, Method::BINDING, request.transaction_id())
        .attribute(&XorMappedAddress(transmit.path.local()))
        .integrity(&Key::short_term(b"passwordofthepeer/1234567"), Integrity::Sha1)
        .fingerprint();
    out
}

/// Where no two agents have a turn at once, sharing a pace changes not a byte and not an instant: connecting, losing
/// answers, keeping consent for two minutes.
#[test]
fn agents_say_the_same_together_as_alone() {
    // Each begins 7 ms after the one before.
    let agents = || {
        (0..6).map(|number| {
            let mut agent = full(number, 1, 50);
            agent.handle_timeout(at(7 * number as u64));
            agent
        })
    };
    let mut together = Mux::new();
    agents().enumerate().for_each(|(number, agent)| drop(together.insert(number, agent)));
    let alone = run(Host::Alone(agents().collect()), at(120_000));
    let together = run(Host::Together(together.into()), at(120_000));
    assert_eq!(alone.len(), 6);
    for (number, said) in &alone {
        assert!(said.len() > 30, "{number} says {} things", said.len());
        assert_eq!(Some(said), together.get(number), "{number}");
    }
}

/// Twenty sessions between two sockets: all on one 5-tuple. Checks and answers find theirs, and every session connects.
#[test]
fn many_sessions_between_the_same_two_sockets_connect() {
    let sockets = ["192.0.2.1:3478", "198.51.100.1:3478"].map(address);
    let mut sides = [Role::Controlling, Role::Controlled].map(|role| {
        let mut mux = Mux::new();
        let seed = Seed::from([u8::from(role == Role::Controlling); 32]);
        for session in 0..20_usize {
            let mut agent = Agent::new(Config::new(), role, seed.child(session as u64));
            let stream = agent.add_stream(1).unwrap();
            let local = sockets[usize::from(role == Role::Controlled)];
            agent.add_base(at(0), stream.component(1), Base::udp(local)).unwrap();
            agent.end_of_bases(at(0), stream).unwrap();
            mux.insert(session, agent);
        }
        mux
    });
    for session in 0..20 {
        let credentials = [0, 1]
            .map(|side: usize| sides[side].get(session).unwrap().local_credentials(STREAM).unwrap().clone());
        for (side, theirs) in credentials.into_iter().rev().enumerate() {
            let candidate = host("1", 1, &sockets[1 - side].to_string());
            let remote = Remote::new(theirs).candidates([candidate]).complete();
            sides[side].get_mut(session).unwrap().set_remote(at(0), STREAM, remote).unwrap();
        }
    }
    let mut now = at(0);
    while now < at(2_000) {
        let mut quiet = false;
        while !quiet {
            quiet = true;
            for side in [0, 1] {
                while let Some((session, output)) = sides[side].poll_output() {
                    let Output::Transmit(transmit) = output else { continue };
                    let path = Path::udp(transmit.path.remote(), transmit.path.local());
                    let received = sides[1 - side].handle_datagram(now, path, &transmit.payload);
                    assert_eq!(received, Some((session, floe::Received::Control)));
                    quiet = false;
                }
            }
        }
        now = now.max(sides.iter().filter_map(Mux::deadline).min().unwrap());
        sides.iter_mut().for_each(|side| side.handle_timeout(now));
    }
    for (side, session) in (0..2).flat_map(|side| (0..20).map(move |session| (side, session))) {
        let state = sides[side].get(session).unwrap().state(STREAM);
        assert_eq!(state, Some(StreamState::Completed), "{side} {session}");
    }
}
