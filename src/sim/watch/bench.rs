//! An agent and its watch on a bench: the peer does exactly what the test says, and the watch may hear of more than the agent.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::Watch;
use super::decode::{Class, Packet, Stun, USE_CANDIDATE, USERNAME};
use crate::ice::{BaseId, Candidate, CandidateId, Credentials, PairState, Role, StreamId};
use crate::stun::{
    Builder, ErrorCode, IceControlled, IceControlling, Integrity, Key, Method, Priority, TransactionId,
    Username, XorMappedAddress,
};
use crate::{Agent, Base, Config, Output, Pair, Path, Received, Remote, Seed, Timestamp, Transmit};

/// One agent with one stream, and what it has sent.
pub(super) struct Bench {
    pub(super) agent: Agent,
    pub(super) watch: Watch,
    pub(super) stream: StreamId,
    pub(super) now: Timestamp,
    /// Its credentials.
    pub(super) peer: Credentials,
    checks: Vec<Check>,
    next_id: u8,
}

/// A check of the agent's, at its first transmission.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Check {
    pub(super) id: [u8; 12],
    pub(super) path: Path,
    pub(super) nominates: bool,
}

impl Bench {
    pub(super) fn new(config: Config, role: Role, components: u8) -> Self {
        let mut agent = Agent::new(config, role, Seed::from([42; 32]));
        let stream = agent.add_stream(components).unwrap();
        let (watch, peer) = (Watch::new(), Credentials::new("peer", "passwordofthepeer/1234567").unwrap());
        Self { agent, watch, stream, now: Timestamp::ZERO, peer, checks: Vec::new(), next_id: 0 }
    }

    /// The application or the signalling says something.
    pub(super) fn command<T>(&mut self, say: impl FnOnce(&mut Agent, Timestamp, StreamId) -> T) -> T {
        self.watch.command(&self.agent, self.now);
        let said = say(&mut self.agent, self.now, self.stream);
        self.settle();
        said
    }

    pub(super) fn base(&mut self, component: u16, local: &str) -> BaseId {
        let base = Base::udp(address(local));
        self.command(|agent, now, stream| agent.add_base(now, stream.component(component), base).unwrap())
    }

    /// The peer's credentials come, with these options.
    pub(super) fn remote(&mut self, options: &str) {
        let remote = Remote::new(self.peer.clone()).options(options);
        self.watch.meet(&self.peer);
        self.command(|agent, now, stream| agent.set_remote(now, stream, remote).unwrap());
    }

    /// A host candidate of the peer comes, the same priority for all.
    pub(super) fn trickle(&mut self, foundation: &str, component: u16, remote: SocketAddr) -> CandidateId {
        let line = alloc::format!(
            "candidate:{foundation} {component} udp 2130706431 {} {} typ host",
            remote.ip(),
            remote.port()
        );
        let candidate: Candidate = crate::sdp::parse_candidate(&line).unwrap();
        self.command(|agent, now, stream| agent.add_remote_candidate(now, stream, candidate).unwrap())
    }

    /// Serves every deadline until then.
    pub(super) fn run_until(&mut self, until: Timestamp) {
        while let Some(due) = self.agent.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.watch.timeout(&self.agent, self.now);
            self.agent.handle_timeout(self.now);
            self.settle();
        }
        self.now = self.now.max(until);
    }

    /// Both get a datagram.
    pub(super) fn hear(&mut self, path: Path, datagram: &[u8]) {
        self.watch.datagram(&self.agent, self.now, path, datagram);
        let received = self.agent.handle_datagram(self.now, path, datagram);
        self.watch.received(path, &received);
        self.settle();
    }

    /// The watch is told that the agent has taken a datagram and has said this, of which the agent knows nothing.
    pub(super) fn pretend(&mut self, path: Path, datagram: &[u8], said: Option<Vec<u8>>) {
        self.watch.datagram(&self.agent, self.now, path, datagram);
        self.watch.received(path, &Received::Control);
        if let Some(payload) = said {
            let transmit = Transmit { path, payload: payload.into() };
            self.watch.output(&self.agent, self.now, &Output::Transmit(transmit));
        }
        self.settle();
    }

    /// A check of the peer's, and our answer as it should be.
    pub(super) fn peer_check(&mut self) -> (Vec<u8>, Vec<u8>) {
        let caller = self.peer.clone();
        self.peer_check_by(caller.ufrag())
    }

    /// The same of one that calls itself so.
    pub(super) fn peer_check_by(&mut self, caller: &str) -> (Vec<u8>, Vec<u8>) {
        self.next_id += 1;
        let (id, ours) = (TransactionId::from([self.next_id; 12]), self.ours());
        let (mut request, mut answer) = (Vec::new(), Vec::new());
        let name = alloc::format!("{}:{caller}", ours.ufrag());
        let builder = Builder::request(&mut request, Method::BINDING, id)
            .attribute(&Username::new(&name).unwrap())
            .attribute(&Priority(1_862_270_975));
        let builder = match self.agent.role() {
            Role::Controlling => builder.attribute(&IceControlled(7)),
            Role::Controlled => builder.attribute(&IceControlling(7)),
        };
        builder.integrity(&key(ours.password()), Integrity::Sha1).fingerprint();
        Builder::success(&mut answer, Method::BINDING, id)
            .attribute(&XorMappedAddress(address("198.51.100.1:2000")))
            .integrity(&key(ours.password()), Integrity::Sha1)
            .fingerprint();
        (request, answer)
    }

    /// The error that refuses the same request.
    pub(super) fn refusal(&self, answer: &[u8]) -> Vec<u8> {
        let (mut refusal, ours) = (Vec::new(), self.ours());
        let id = TransactionId::from(stun(answer).unwrap().id);
        Builder::error(&mut refusal, Method::BINDING, id, &ErrorCode::BAD_REQUEST)
            .integrity(&key(ours.password()), Integrity::Sha1)
            .fingerprint();
        refusal
    }

    pub(super) fn ours(&self) -> Credentials {
        self.agent.local_credentials(self.stream).unwrap().clone()
    }

    /// The peer answers a check as it should.
    pub(super) fn answer(&mut self, check: Check) {
        self.answer_as(check, check.path.local());
    }

    /// The same of a check that has come from there.
    pub(super) fn answer_as(&mut self, check: Check, seen: SocketAddr) {
        let answer = self.success(check, seen);
        self.hear(check.path, &answer);
    }

    /// The success that says that a check has come from there.
    pub(super) fn success(&self, check: Check, seen: SocketAddr) -> Vec<u8> {
        let mut answer = Vec::new();
        Builder::success(&mut answer, Method::BINDING, TransactionId::from(check.id))
            .attribute(&XorMappedAddress(seen))
            .integrity(&key(self.peer.password()), Integrity::Sha1)
            .fingerprint();
        answer
    }

    /// The peer refuses a check.
    pub(super) fn refuse(&mut self, check: Check, error: &ErrorCode<'_>) {
        let answer = self.error(check, error);
        self.hear(check.path, &answer);
    }

    /// The error that refuses a check.
    pub(super) fn error(&self, check: Check, error: &ErrorCode<'_>) -> Vec<u8> {
        let mut answer = Vec::new();
        Builder::error(&mut answer, Method::BINDING, TransactionId::from(check.id), error)
            .integrity(&key(self.peer.password()), Integrity::Sha1)
            .fingerprint();
        answer
    }

    /// The checks that have left so far, each once.
    pub(super) fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The last check on this path.
    pub(super) fn check_on(&self, path: Path) -> Check {
        *self.checks.iter().rfind(|check| check.path == path).unwrap()
    }

    /// The listed pair of this path.
    pub(super) fn pair(&self, path: Path) -> Pair<'_> {
        self.agent.pairs(self.stream).find(|pair| pair.is_listed() && pair.path() == path).unwrap()
    }

    pub(super) fn state(&self, path: Path) -> PairState {
        self.pair(path).state()
    }

    pub(super) fn violation(&self) -> Option<&str> {
        self.watch.violation()
    }

    /// Whether a rule was broken, of which this is the number, with what the watch says of it.
    pub(super) fn broke(&self, rule: &str) -> bool {
        self.violation().is_some_and(|told| told.starts_with(rule))
    }

    fn settle(&mut self) {
        self.poll();
        self.watch.quiet(&self.agent, self.now);
    }

    /// The watch hears what the agent has to say.
    pub(super) fn poll(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            self.watch.output(&self.agent, self.now, &output);
            if let Output::Transmit(Transmit { path, payload, .. }) = &output {
                let check = stun(payload).filter(|it| it.class == Class::Request && it.has(USERNAME));
                let check =
                    check.map(|it| Check { id: it.id, path: *path, nominates: it.has(USE_CANDIDATE) });
                let is_new = |it: &Check| self.checks.iter().all(|known| known.id != it.id);
                let new = check.filter(is_new);
                self.checks.extend(new);
            }
        }
    }
}

fn stun(payload: &[u8]) -> Option<Stun<'_>> {
    match Packet::read(payload) {
        Ok(Packet::Stun(message)) => Some(message),
        _ => None,
    }
}

pub(super) fn path(local: &str, remote: &str) -> Path {
    Path::udp(address(local), address(remote))
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn key(password: &str) -> Key {
    Key::short_term(password.as_bytes())
}
