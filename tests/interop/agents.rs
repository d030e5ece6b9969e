//! Two agents, carried by the driver of the examples, that reveal nothing but relayed addresses.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use floe::ice::{Candidate, CandidateKind, Credentials, Role, StreamId};
use floe::{Agent, Config, Event, Path, Remote, RemoteChange, Seed, Server, StreamState};

use super::client::Peer;
use super::coturn::{Coturn, PASSWORD, USER, V4, addresses};
use super::link::{PATIENCE, Way};
use crate::driver::connection::Trust;
use crate::driver::{Driver, Happening, Mailbox};

const DATAGRAMS: usize = 20;

#[test]
fn agents_connect_through_their_relays_over_every_transport() {
    for way in Way::ALL {
        let Some(server) = Coturn::start(&[]) else { return };
        let (alice, bob) = connect(&server, way, way);
        for side in [&alice, &bob] {
            assert!(side.candidates.iter().all(|one| one.kind() == CandidateKind::Relayed), "{way:?}");
            let path = side.path.expect("a path");
            assert_eq!(
                (path.transport(), path.remote()),
                (way.transport(), way.address_of(&server, V4)),
                "{way:?}"
            );
        }
    }
}

#[test]
fn agents_connect_through_relays_of_different_kinds() {
    let Some(server) = Coturn::start(&[]) else { return };
    connect(&server, Way::Tls, Way::Udp);
}

#[test]
fn an_agent_that_takes_leave_gives_its_relayed_addresses_back() {
    for way in [Way::Udp, Way::Tls] {
        let Some(server) = Coturn::start(&[]) else { return };
        let (alice, bob) = connect(&server, way, way);
        for candidate in alice.candidates.iter().chain(&bob.candidates) {
            assert!(Peer::at(V4).finds_nobody(candidate.ip().unwrap()), "{way:?}");
        }
    }
}

/// Nothing but the server's own answers says that it has forgotten both.
#[test]
fn a_session_goes_on_after_its_server_has_restarted() {
    for way in [Way::Udp, Way::Tls] {
        let Some(mut server) = Coturn::start(&[]) else { return };
        let mut alice = Side::new(&server, way, Role::Controlling, &server.trust);
        let mut bob = Side::new(&server, way, Role::Controlled, &server.trust);
        let (to_alice, to_bob) = (alice.driver.mailbox(), bob.driver.mailbox());
        give_up_after(PATIENCE * 3, [&to_alice, &to_bob]);
        let (say, hear) = mpsc::channel();
        let bob = thread::spawn(move || {
            bob.introduce(&to_alice);
            bob.talk(&to_alice);
            say.send(()).unwrap();
            bob.talk(&to_alice);
            bob.driver.close();
        });
        alice.introduce(&to_bob);
        alice.talk(&to_bob);
        hear.recv().unwrap();
        server.restart();
        alice.driver.agent.restart(alice.driver.now(), alice.stream).unwrap();
        alice.introduce(&to_bob);
        alice.talk(&to_bob);
        bob.join().unwrap();
        alice.driver.close();
    }
}

#[test]
fn a_server_that_cannot_prove_who_it_is_is_not_used() {
    let Some(server) = Coturn::start(&[]) else { return };
    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let trust = Trust::new(vec![stranger.cert.der().clone()]).unwrap();
    for way in [Way::Tls, Way::Dtls] {
        let mut side = Side::new(&server, way, Role::Controlling, &trust);
        let started = Instant::now();
        while !side.gathered {
            match side.driver.next() {
                Happening::Event(event) => side.handle_event(event, None),
                _ => panic!("nobody speaks to it"),
            }
        }
        assert_eq!(side.candidates, [], "{way:?}");
        assert!(started.elapsed() < PATIENCE, "{way:?}");
    }
}

/// What goes from one side to the other outside of ICE.
enum Signal {
    Credentials(Credentials),
    Candidate(Candidate),
    EndOfCandidates,
    GiveUp,
}

/// An agent and what became of it.
struct Side {
    driver: Driver<Signal>,
    stream: StreamId,
    candidates: Vec<Candidate>,
    gathered: bool,
    connected: bool,
    heard: Vec<Vec<u8>>,
    path: Option<Path>,
}

/// What a side has to tell in the end.
struct Story {
    candidates: Vec<Candidate>,
    path: Option<Path>,
}

/// Connects two agents through relays of `server`, has each send to the other, and closes them.
fn connect(server: &Coturn, alices: Way, bobs: Way) -> (Story, Story) {
    let alice = Side::new(server, alices, Role::Controlling, &server.trust);
    let bob = Side::new(server, bobs, Role::Controlled, &server.trust);
    let (to_alice, to_bob) = (alice.driver.mailbox(), bob.driver.mailbox());
    give_up_after(PATIENCE, [&to_alice, &to_bob]);
    let bob = thread::spawn(move || bob.run(&to_alice));
    (alice.run(&to_bob), bob.join().unwrap())
}

fn give_up_after(patience: Duration, both: [&Mailbox<Signal>; 2]) {
    for late in both.map(Mailbox::clone) {
        thread::spawn(move || {
            thread::sleep(patience);
            late.send(Signal::GiveUp)
        });
    }
}

impl Side {
    fn new(server: &Coturn, way: Way, role: Role, trust: &Arc<Trust>) -> Self {
        let config = Config::new().pacing(Duration::from_millis(10)).loopback(true).relay_only(true);
        let mut driver = Driver::new(Agent::new(config, role, Seed::from_os()), Instant::now());
        driver.trust(Arc::clone(trust));
        let stream = driver.agent.add_stream(1).unwrap();
        let turn =
            Server::turn(way.address_of(server, V4), USER, PASSWORD).over(way.transport(), way.security());
        driver.agent.add_server(driver.now(), turn).unwrap();
        for ip in addresses() {
            driver.open(stream.component(1), ip).unwrap();
        }
        driver.agent.end_of_bases(driver.now(), stream).unwrap();
        let (candidates, heard) = (Vec::new(), Vec::new());
        Self { driver, stream, candidates, gathered: false, connected: false, heard, path: None }
    }

    /// Signals, connects, sends, listens until the other side has said all, and closes.
    fn run(mut self, other: &Mailbox<Signal>) -> Story {
        self.introduce(other);
        self.talk(other);
        self.driver.close();
        Story { candidates: self.candidates, path: self.path }
    }

    fn introduce(&self, other: &Mailbox<Signal>) {
        let credentials = self.driver.agent.local_credentials(self.stream).unwrap().clone();
        other.send(Signal::Credentials(credentials));
    }

    /// Connects, and hears all that the other side has to say.
    fn talk(&mut self, other: &Mailbox<Signal>) {
        while !self.connected || self.heard.len() < DATAGRAMS {
            match self.driver.next() {
                Happening::Event(event) => self.handle_event(event, Some(other)),
                Happening::Data { payload, .. } => self.heard.push(payload),
                Happening::Message(signal) => self.handle_signal(signal, other),
            }
        }
        let expected: Vec<_> = (0..DATAGRAMS).map(datagram).collect();
        assert_eq!(core::mem::take(&mut self.heard), expected);
        self.connected = false;
    }

    fn handle_event(&mut self, event: Event, other: Option<&Mailbox<Signal>>) {
        let signal = match event {
            Event::LocalCandidate { candidate, .. } => {
                self.candidates.push(candidate.clone());
                Signal::Candidate(candidate)
            }
            Event::GatheringComplete { .. } => {
                self.gathered = true;
                Signal::EndOfCandidates
            }
            Event::State { state: StreamState::Completed, .. } => {
                self.connected = true;
                let component = self.stream.component(1);
                self.path = self.driver.agent.route(component).map(|route| route.path());
                for number in 0..DATAGRAMS {
                    assert!(self.driver.send(component, &datagram(number)));
                }
                return;
            }
            _ => return,
        };
        if let Some(other) = other {
            other.send(signal);
        }
    }

    fn handle_signal(&mut self, signal: Signal, other: &Mailbox<Signal>) {
        let (now, agent, stream) = (self.driver.now(), &mut self.driver.agent, self.stream);
        match signal {
            Signal::Credentials(credentials) => {
                if agent.set_remote(now, stream, Remote::new(credentials)).unwrap() == RemoteChange::Restarted
                {
                    self.introduce(other);
                }
            }
            Signal::Candidate(candidate) => drop(agent.add_remote_candidate(now, stream, candidate).unwrap()),
            Signal::EndOfCandidates => agent.end_of_remote_candidates(now, stream).unwrap(),
            Signal::GiveUp => panic!("not connected in time: {:?}", agent.state(stream)),
        }
    }
}

/// Up to 1200 bytes, every padding among them.
fn datagram(number: usize) -> Vec<u8> {
    let length = 1 + number * 1199 / (DATAGRAMS - 1);
    (0..length).map(|at| (at * 7 + number) as u8).collect()
}
