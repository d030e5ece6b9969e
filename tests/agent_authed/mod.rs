//! A peer that has the right password and says anything: messages are changed at random, then signed as they should be.
//!
//! Shared by the property tests and by the fuzz target of the same name: any bytes are a script. What holds is what
//! [`Watch`] knows.
#![allow(dead_code, reason = "each of its users uses a part")]

use core::net::SocketAddr;
use core::time::Duration;

use floe::ice::{Credentials, Role, StreamId};
use floe::sdp::parse_candidate;
use floe::sim::Watch;
use floe::stun::{
    AttributeType, Builder, Class, ErrorCode, IceControlled, IceControlling, Integrity, Key, Message, Method,
    Priority, TransactionId, UseCandidate, Username, XorMappedAddress,
};
use floe::{Agent, Base, Config, Output, Path, Profile, Remote, Seed, Timestamp};

const LOCALS: [&str; 3] = ["192.0.2.1:1000", "192.0.2.1:1001", "[2001:db8::1]:1002"];
const REMOTES: [&str; 4] =
    ["198.51.100.1:2000", "198.51.100.2:2001", "[2001:db8::2]:2002", "203.0.113.66:6666"];
const PASSWORD: &str = "passwordofthepeer/1234567";

/// Reads a script and carries it out: a byte for the agent, then steps.
///
/// # Panics
///
/// If the agent breaks a rule.
pub fn run(script: &[u8]) {
    let Some((first, mut rest)) = script.split_first() else { return };
    let mut subject = Subject::new(*first);
    for _ in 0..STEPS_MAX {
        let Some(([wait, path, template, len], after)) = rest.split_first_chunk() else { break };
        let (changes, after) = after.split_at(after.len().min(usize::from(*len % 24)));
        subject.pass(Duration::from_millis(u64::from(*wait) * 10));
        subject.take(*path, *template, changes);
        rest = after;
    }
    // Whatever has come, the agent comes to rest, and closes.
    subject.pass(Duration::from_secs(200));
    subject.agent.close(subject.now);
    subject.drain();
    assert_eq!(subject.agent.deadline(), None, "INV-10");
}

/// An agent, and what it has asked.
struct Subject {
    agent: Agent,
    stream: StreamId,
    watch: Watch,
    now: Timestamp,
    asked: Vec<(TransactionId, Path)>,
    nonce: u8,
}

impl Subject {
    fn new(setting: u8) -> Self {
        let role = if setting & 1 == 0 { Role::Controlling } else { Role::Controlled };
        let profile = if setting & 2 == 0 { Profile::Webrtc } else { Profile::Mobile };
        let config = Config::new().profile(profile).lite(setting & 12 == 12);
        let mut agent = Agent::new(config, role, Seed::from([9; 32]));
        let stream = agent.add_stream(2).unwrap();
        let now = Timestamp::ZERO;
        for (local, component) in LOCALS.iter().zip([1, 2, 1]) {
            // A lite agent takes what it may have.
            let _ = agent.add_base(now, stream.component(component), Base::udp(local.parse().unwrap()));
        }
        agent.end_of_bases(now, stream).unwrap();
        let (mut watch, credentials) = (Watch::new(), Credentials::new("peer", PASSWORD).unwrap());
        watch.meet(&credentials);
        let candidates = REMOTES[..3].iter().zip([1, 2, 1]).map(|(remote, component)| {
            let remote: SocketAddr = remote.parse().unwrap();
            let (ip, port) = (remote.ip(), remote.port());
            parse_candidate(&format!("candidate:{component} {component} udp 2130706431 {ip} {port} typ host"))
        });
        let candidates: Vec<_> = candidates.map(Result::unwrap).collect();
        let remote =
            Remote::new(credentials).options("trickle renomination continual").candidates(candidates);
        let remote = if setting & 16 == 0 { remote.complete() } else { remote };
        let mut subject = Self { agent, stream, watch, now, asked: Vec::new(), nonce: 0 };
        subject.drain();
        if setting & 32 == 0 {
            subject.agent.set_remote(now, stream, remote).unwrap();
            subject.drain();
        }
        subject
    }

    fn drain(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            self.watch.output(&self.agent, self.now, &output);
            if let Output::Transmit(transmit) = output
                && let Ok(message) = Message::parse(&transmit.payload)
                && message.class() == Class::Request
            {
                self.asked.push((message.transaction_id(), transmit.path));
            }
        }
        self.watch.quiet(&self.agent, self.now);
        assert_eq!(self.watch.violation(), None, "at {:?}", self.now);
    }

    /// Serves every deadline on the way.
    fn pass(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(deadline) = self.agent.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.watch.timeout(&self.agent, self.now);
            self.agent.handle_timeout(self.now);
            self.drain();
            assert!(self.agent.deadline().is_none_or(|next| next > self.now), "INV-01 at {:?}", self.now);
        }
        self.now = until;
    }

    /// A message is made, changed, signed, and comes in.
    fn take(&mut self, path: u8, template: u8, changes: &[u8]) {
        let recent = self.asked.len().saturating_sub(6);
        let asked = self.asked.get(recent + usize::from(template >> 4) % 6).copied();
        let any = {
            let local: SocketAddr = LOCALS[usize::from(path & 15) % LOCALS.len()].parse().unwrap();
            let remote: SocketAddr = REMOTES[usize::from(path >> 4) % REMOTES.len()].parse().unwrap();
            (local.is_ipv4() == remote.is_ipv4()).then(|| Path::udp(local, remote))
        };
        let (is_answer, ours) = (template & 1 == 0, self.agent.local_credentials(self.stream).unwrap());
        let (ufrag, password) = (ours.ufrag().to_string(), ours.password().to_string());
        // Mostly from where it was asked, now and then from elsewhere.
        let on = match asked.filter(|_| is_answer && path & 7 != 7) {
            Some((_, path)) => Some(path),
            None => any,
        };
        let Some(on) = on else { return };
        let (body, error) = match is_answer {
            true => answer(asked.map(|(id, _)| id), on, template),
            false => (self.check(&ufrag, template), None),
        };
        let key = if is_answer { PASSWORD } else { &password };
        let signed = sign(body, error, changes, &Key::short_term(key.as_bytes()));
        self.watch.datagram(&self.agent, self.now, on, &signed);
        let received = self.agent.handle_datagram(self.now, on, &signed);
        self.watch.received(on, &received);
        self.drain();
    }

    fn check(&mut self, ufrag: &str, template: u8) -> Vec<u8> {
        self.nonce = self.nonce.wrapping_add(1);
        let mut out = Vec::new();
        let id = TransactionId::from([self.nonce; 12]);
        let builder = Builder::request(&mut out, Method::BINDING, id)
            .attribute(&Username::new(&format!("{ufrag}:peer")).unwrap())
            .attribute(&Priority(1_862_270_975));
        let builder = match template & 2 == 0 {
            true => builder.attribute(&IceControlled(u64::from(template) << 40)),
            false => builder.attribute(&IceControlling(u64::from(template) << 40)),
        };
        if template & 4 != 0 {
            builder.attribute(&UseCandidate);
        }
        out
    }
}

/// An answer without a signature, and its error.
fn answer(id: Option<TransactionId>, on: Path, template: u8) -> (Vec<u8>, Option<ErrorCode<'static>>) {
    let (id, mut out) = (id.unwrap_or_else(|| TransactionId::from([0; 12])), Vec::new());
    let error = match template & 14 {
        2 => Some(ErrorCode::ROLE_CONFLICT),
        4 => Some(ErrorCode::FORBIDDEN),
        6 => Some(ErrorCode::UNKNOWN_ATTRIBUTE),
        _ => None,
    };
    Builder::success(&mut out, Method::BINDING, id).attribute(&XorMappedAddress(on.local()));
    (out, error)
}

/// Changes bytes behind the header, reads what attributes that makes, and signs it all.
fn sign(mut body: Vec<u8>, error: Option<ErrorCode<'_>>, changes: &[u8], key: &Key) -> Vec<u8> {
    let message = Message::parse(&body).unwrap();
    let (class, id, len) = (message.class(), message.transaction_id(), body.len());
    let (pairs, _) = changes.as_chunks::<2>();
    for [at, change] in pairs {
        body[HEADER + usize::from(*at) % (len - HEADER)] ^= change;
    }
    let mut out = Vec::new();
    let mut builder = match (class, error) {
        (Class::Request, _) => Builder::request(&mut out, Method::BINDING, id),
        (_, Some(error)) => Builder::error(&mut out, Method::BINDING, id, &error),
        (_, None) => Builder::success(&mut out, Method::BINDING, id),
    };
    let mut rest = &body[HEADER..];
    while let Some(([a, b, c, d], after)) = rest.split_first_chunk() {
        let (kind, length) = (u16::from_be_bytes([*a, *b]), usize::from(u16::from_be_bytes([*c, *d])));
        builder = match AttributeType::new(kind) {
            AttributeType::MESSAGE_INTEGRITY | AttributeType::FINGERPRINT => builder,
            kind => builder.raw(kind, &after[..length.min(after.len())]),
        };
        rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    builder.integrity(key, Integrity::Sha1).fingerprint();
    out
}

const HEADER: usize = 20;

const STEPS_MAX: usize = 64;
