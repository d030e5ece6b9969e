//! Sessions of lite agents on one socket, and what their peers send.

use core::net::SocketAddr;

use floe::ice::{Credentials, Role, StreamId};
use floe::stun::{
    Builder, Class, IceControlling, Integrity, Key, Message, Method, Priority, UseCandidate, Username,
};
use floe::{
    Agent, Base, Config, Mux, Output, Path, Received, Remote, Seed, StreamState, Timestamp, Transmit,
};

use crate::harness::{address, at};

pub const STREAM: StreamId = StreamId::from_raw(0);

/// A `Mux` and the time.
pub struct Crowd {
    pub mux: Mux<usize>,
    pub now: Timestamp,
    pub sent: Vec<Transmit>,
}

impl Crowd {
    /// So many sessions, each of them nominated.
    pub fn of(sessions: usize) -> Self {
        Self::with(Mux::new(), sessions)
    }

    /// The same in a `Mux` that there is.
    pub fn with(mux: Mux<usize>, sessions: usize) -> Self {
        let mut crowd = Self { mux, now: at(0), sent: Vec::new() };
        for session in 0..sessions {
            let mut agent = lite(&credentials(session));
            let peer = Credentials::new("peer", "passwordofthepeer/1234567").unwrap();
            agent.set_remote(at(0), STREAM, Remote::new(peer).complete()).unwrap();
            assert!(crowd.mux.insert(session, agent).is_none());
            let check = signed(session, credentials(session).password());
            let received = crowd.mux.handle_datagram(at(0), path(session), &check);
            assert_eq!(received, Some((session, Received::Control)));
            assert_eq!(crowd.answers(), 1);
            assert_eq!(crowd.mux.get(session).unwrap().state(STREAM), Some(StreamState::Completed));
        }
        crowd
    }

    pub fn drain(&mut self) {
        while let Some((_, output)) = self.mux.poll_output() {
            if let Output::Transmit(transmit) = output {
                self.sent.push(transmit);
            }
        }
    }

    /// How many requests have been answered since the last time.
    pub fn answers(&mut self) -> usize {
        self.drain();
        let is_answer = |transmit: &Transmit| {
            Message::parse(&transmit.payload).is_ok_and(|message| message.class() == Class::Success)
        };
        self.sent.drain(..).filter(is_answer).count()
    }

    pub fn run_until(&mut self, until: Timestamp) {
        while let Some(deadline) = self.mux.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.mux.handle_timeout(self.now);
            self.drain();
            assert!(self.mux.deadline().is_none_or(|next| next > self.now));
        }
        self.now = self.now.max(until);
    }
}

/// A lite agent that answers at the common socket.
pub fn lite(credentials: &Credentials) -> Agent {
    let mut agent = Agent::new(Config::new().lite(true), Role::Controlled, Seed::from([7; 32]));
    let stream = agent.add_stream_with(1, credentials.clone()).unwrap();
    agent.add_base(at(0), stream.component(1), Base::udp(address("192.0.2.1:3478"))).unwrap();
    agent.end_of_bases(at(0), stream).unwrap();
    while agent.poll_output().is_some() {}
    agent
}

pub fn credentials(session: usize) -> Credentials {
    Credentials::new(&format!("u{session:0>5}"), &format!("{session:p>24}")).unwrap()
}

/// The path of a session's peer.
pub fn path(session: usize) -> Path {
    let remote =
        SocketAddr::from(([198, 51, 100, (session % 250) as u8 + 1], 2_000 + (session / 250) as u16));
    Path::udp(address("192.0.2.1:3478"), remote)
}

/// A nominating check for a session, made with this password.
pub fn signed(session: usize, password: &str) -> Vec<u8> {
    check(credentials(session).ufrag(), password)
}

pub fn check(ufrag: &str, password: &str) -> Vec<u8> {
    check_by("peer", ufrag, password)
}

pub fn check_by(peer: &str, ufrag: &str, password: &str) -> Vec<u8> {
    encode(peer, ufrag, password, true)
}

/// One that nominates nothing.
pub fn plain_check(peer: &str, ufrag: &str, password: &str) -> Vec<u8> {
    encode(peer, ufrag, password, false)
}

fn encode(peer: &str, ufrag: &str, password: &str, nominates: bool) -> Vec<u8> {
    let (mut out, username) = (Vec::new(), format!("{ufrag}:{peer}"));
    let mut builder = Builder::request(&mut out, Method::BINDING, [7; 12].into())
        .attribute(&Username::new(&username).unwrap())
        .attribute(&Priority(1_862_270_975))
        .attribute(&IceControlling(7));
    if nominates {
        builder = builder.attribute(&UseCandidate);
    }
    builder.integrity(&Key::short_term(password.as_bytes()), Integrity::Sha1).fingerprint();
    out
}
