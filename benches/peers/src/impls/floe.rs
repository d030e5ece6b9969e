//! floe.

use crate::data;
use crate::traits::{AgentCfg, Codec, IceAgent, Parsed};
use floe::ice::{
    Candidate, CandidateKind, Credentials, Foundation, Priority as CandidatePriority, Role, StreamId,
};
use floe::stun::{
    Builder, Fingerprint, IceControlling, Integrity, Key, Kind, Message, Method, Priority, TransactionId,
    UseCandidate, Username, XorMappedAddress, authenticate,
};
use floe::turn::{ChannelData, ChannelNumber, Data, XorPeerAddress};
use floe::{Agent, Base, Config, Event, Limits, Output, Path, Remote, Seed, Timestamp, Transport};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub struct FloeCodec {
    key: Key,
    id: TransactionId,
}

impl Codec for FloeCodec {
    const NAME: &'static str = "floe";
    const BACKEND: &'static str = "RustCrypto sha1 0.11 (SHA-NI), both keyed states kept; crc32fast";

    fn new(password: &str) -> Self {
        Self { key: Key::short_term(password.as_bytes()), id: data::TXID.into() }
    }

    fn parse(&mut self, msg: &[u8]) -> Option<Parsed> {
        parsed(&Message::parse(msg).ok()?)
    }

    fn parse_verify(&mut self, msg: &[u8]) -> bool {
        let Ok(message) = Message::parse(msg) else { return false };
        message.fingerprint() == Fingerprint::Valid
            && authenticate(&message, |name| (name == data::USERNAME.as_bytes()).then_some(&self.key))
                .is_ok_and(|(verified, _)| parsed(&verified).is_some())
    }

    fn build_request(&mut self, out: &mut Vec<u8>) {
        out.clear();
        let Ok(username) = Username::new(data::USERNAME) else { return };
        Builder::request(out, Method::BINDING, self.id)
            .attribute(&username)
            .attribute(&Priority(data::PRIORITY))
            .attribute(&IceControlling(data::TIE))
            .attribute(&UseCandidate)
            .integrity(&self.key, Integrity::Sha1)
            .fingerprint();
    }

    fn build_response(&mut self, out: &mut Vec<u8>) {
        out.clear();
        Builder::success(out, Method::BINDING, self.id)
            .attribute(&XorMappedAddress(data::mapped()))
            .integrity(&self.key, Integrity::Sha1)
            .fingerprint();
    }

    fn classify(&mut self, pkts: &[Vec<u8>]) -> (u32, u32, u32) {
        let mut found = (0, 0, 0);
        for packet in pkts {
            match Kind::of(packet) {
                Kind::Stun => found.0 += 1,
                Kind::Channel => found.1 += 1,
                _ => found.2 += 1,
            }
        }
        found
    }

    fn wrap_channel(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let number = ChannelNumber::new(data::CHANNEL);
        if let Some(message) = number.and_then(|number| ChannelData::new(number, payload)) {
            message.encode(Transport::Udp, out);
        }
    }

    fn unwrap_channel(&mut self, pkt: &[u8]) -> Option<(u16, usize, u8)> {
        let message = ChannelData::parse(pkt).ok()?;
        Some((message.number().as_u16(), message.payload().len(), *message.payload().first()?))
    }

    fn wrap_send(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        out.clear();
        Builder::indication(out, Method::SEND, self.id)
            .attribute(&XorPeerAddress(data::peer()))
            .attribute(&Data(payload));
    }

    fn unwrap_data(&mut self, pkt: &[u8]) -> Option<(SocketAddr, usize, u8)> {
        let message = Message::parse(pkt).ok()?;
        let XorPeerAddress(peer) = message.get()?.ok()?;
        let Data(payload) = message.get()?.ok()?;
        Some((peer, payload.len(), *payload.first()?))
    }
}

fn parsed(message: &Message<'_>) -> Option<Parsed> {
    let username: Username<'_> = message.get()?.ok()?;
    let Priority(priority) = message.get()?.ok()?;
    let IceControlling(tie_breaker) = message.get()?.ok()?;
    let use_candidate = message.get::<UseCandidate>().is_some_and(|flag| flag.is_ok());
    Some(Parsed { username_len: username.as_bytes().len(), priority, tie_breaker, use_candidate })
}

/// `TA` is the pacing that both agents propose, in milliseconds.
pub struct FloeAgent<const TA: u64> {
    agent: Agent,
    stream: StreamId,
    selected: Option<(SocketAddr, SocketAddr)>,
}

impl<const TA: u64> IceAgent for FloeAgent<TA> {
    const NAME: &'static str = if TA == 50 { "floe" } else { "floe (Ta 5 ms)" };
    const BACKEND: &'static str = FloeCodec::BACKEND;
    const NOTES: &'static [(&'static str, &'static str)] =
        &[("C5", "the limits of local and remote candidates raised to 100; 100 pairs as ever")];

    fn new(now: Duration, cfg: &AgentCfg) -> Self {
        let now = Timestamp::from(now);
        let role = if cfg.controlling { Role::Controlling } else { Role::Controlled };
        let mut agent = Agent::new(config::<TA>(), role, seed());
        let credentials = Credentials::new(cfg.ufrag, cfg.pwd).expect("credentials");
        let stream = agent.add_stream_with(1, credentials).expect("a stream");
        for local in cfg.locals {
            agent.add_base(now, stream.component(1), Base::udp(*local)).expect("a base");
        }
        agent.end_of_bases(now, stream).expect("a stream");
        let theirs = Credentials::new(cfg.remote_ufrag, cfg.remote_pwd).expect("credentials");
        let remote = Remote::new(theirs)
            .pacing(Duration::from_millis(TA))
            .candidates(cfg.remotes.iter().enumerate().map(|(number, at)| host(number, *at)))
            .complete();
        agent.set_remote(now, stream, remote).expect("a description");
        Self { agent, stream, selected: None }
    }

    fn input(&mut self, now: Duration, local: SocketAddr, remote: SocketAddr, data: &[u8]) {
        let _ = self.agent.handle_datagram(Timestamp::from(now), Path::udp(local, remote), data);
    }

    fn on_timeout(&mut self, now: Duration) {
        self.agent.handle_timeout(Timestamp::from(now));
    }

    fn drain(&mut self, _now: Duration, sink: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8])) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    sink(transmit.path.local(), transmit.path.remote(), &transmit.payload)
                }
                Output::Event(Event::Selected { component, .. }) => {
                    let path = self.agent.route(component).map(|route| route.path());
                    self.selected = path.map(|path| (path.local(), path.remote()));
                }
                _ => {}
            }
        }
    }

    fn next_timeout(&mut self, _now: Duration) -> Option<Duration> {
        self.agent.deadline().map(Timestamp::since_epoch)
    }

    fn selected(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.selected
    }
}

/// One for all agents.
fn config<const TA: u64>() -> Arc<Config> {
    static CONFIGS: [OnceLock<Arc<Config>>; 2] = [OnceLock::new(), OnceLock::new()];
    let made = CONFIGS[usize::from(TA == 50)].get_or_init(|| {
        let mut limits = Limits::default();
        (limits.local_candidates, limits.remote_candidates) = (100, 100);
        Arc::new(Config::new().pacing(Duration::from_millis(TA)).limits(limits))
    });
    made.clone()
}

/// Every agent has a seed of its own, the same in every run.
fn seed() -> Seed {
    thread_local!(static NEXT: Cell<u64> = const { Cell::new(0) });
    let number = NEXT.replace(NEXT.get() + 1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Seed::from(bytes)
}

fn host(number: usize, address: SocketAddr) -> Candidate {
    let priority = CandidatePriority::of(126, 65_535 - number as u16, 1);
    let foundation = Foundation::new(&(number + 1).to_string()).expect("a number");
    Candidate::new(CandidateKind::Host, 1, Transport::Udp, address, priority, foundation)
}
