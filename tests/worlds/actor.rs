//! An end of a session: a peer as it should be, or one that has the right credentials and does as it likes.

use core::net::IpAddr;
use std::collections::VecDeque;

use bytes::Bytes;
use floe::ice::{BaseId, PairId, Role};
use floe::sim::{ConnectError, Ended, LocalAddress, Node, NodeId, Output, Peer};
use floe::stun::{
    AttributeType, Builder, Class, ErrorCode, Integrity, Key, Message, Method, UseCandidate, XorMappedAddress,
};
use floe::{Base, Path, Timestamp};

use super::dice::Dice;
use super::plan::{End, Hostile, Plan};
use super::replay::{Command, Input, Recording};

/// A peer, and how it misbehaves.
#[derive(Debug)]
pub struct Actor {
    peer: Peer,
    bases: Vec<(IpAddr, BaseId)>,
    components: u16,
    /// Nominates as the application, since the agent does not.
    nominates: bool,
    now: Timestamp,
    rogue: Option<Rogue>,
    recording: Option<Recording>,
    /// Takes the candidates of a message from the last to the first.
    reverses: bool,
}

#[derive(Debug)]
struct Rogue {
    dice: Dice<'static>,
    every: u32,
    /// The passwords of the other end, by its fragments.
    theirs: Vec<(String, Key)>,
    /// The last request of the other end, to be answered again.
    pending: VecDeque<Output>,
}

impl Actor {
    pub fn honest(peer: Peer, bases: Vec<(IpAddr, BaseId)>, end: &End) -> Self {
        let (components, nominates) = (end.components.into(), end.setting.manual);
        let now = Timestamp::ZERO;
        Self { peer, bases, components, nominates, now, rogue: None, recording: None, reverses: false }
    }

    pub fn rogue(self, plan: &Plan) -> Self {
        let every = match plan.hostile {
            Some(Hostile::Rogue(every)) => every,
            _ => 1,
        };
        let dice = Dice::new(plan.seed ^ 0x0bad);
        Self { rogue: Some(Rogue { dice, every, theirs: Vec::new(), pending: VecDeque::new() }), ..self }
    }

    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Keeps a record from now on.
    pub fn record(self) -> Self {
        Self { recording: Some(Recording::default()), ..self }
    }

    pub fn recording(&self) -> Option<&Recording> {
        self.recording.as_ref()
    }

    pub fn reverse_candidates(&mut self) {
        self.reverses = true;
    }

    /// Does what the application wants; `false` if there was data to send and no route.
    pub fn command(&mut self, now: Timestamp, command: Command) -> bool {
        self.take(now, || Input::Command(command.clone()));
        match command {
            Command::Call(partner) => self.peer.call(now, partner),
            Command::Restart => self.peer.restart(now),
            Command::Revoke => {
                let stream = self.peer.stream();
                // What was closed has nothing to revoke.
                let _ = self.peer.agent_mut().revoke_consent(now, stream);
            }
            Command::Close => self.peer.agent_mut().close(now),
            Command::Send(component, payload) => return self.peer.send(component, &payload),
            Command::RemoveBases(ips) => ips.into_iter().for_each(|ip| self.remove_bases(now, ip)),
        }
        true
    }

    /// Something is about to be done.
    fn take(&mut self, now: Timestamp, input: impl FnOnce() -> Input) {
        self.now = now;
        if let Some(recording) = &mut self.recording {
            recording.inputs.push((now, input()));
        }
    }

    /// The sockets on an address are gone.
    fn remove_bases(&mut self, now: Timestamp, ip: IpAddr) {
        for (_, base) in self.bases.extract_if(.., |(known, _)| *known == ip) {
            // An agent that was closed has none any more.
            let _ = self.peer.agent_mut().remove_base(now, base);
        }
    }
}

impl Actor {
    /// What is to be said, with what the application makes of it.
    fn poll(&mut self) -> Option<Output> {
        loop {
            match self.peer.poll_output() {
                None if self.nominate() => {}
                output => return output,
            }
        }
    }

    /// Nominates the best valid pair of a component that has none selected; `false` if there is nothing to nominate, or a
    /// nomination is under way.
    fn nominate(&mut self) -> bool {
        if !self.nominates || self.peer.agent().role() != Role::Controlling {
            return false;
        }
        let (agent, stream) = (self.peer.agent(), self.peer.stream());
        let concluded = |component| {
            let mut pairs = agent.pairs(stream).filter(|pair| pair.component() == component);
            pairs.any(|pair| pair.is_selected())
        };
        let components = (1..=self.components).map(|number| stream.component(number));
        let best: Vec<PairId> = components
            .filter(|component| !concluded(*component))
            .filter_map(|component| {
                let valid = agent.pairs(stream).filter(|it| it.component() == component && it.is_valid());
                valid.max_by_key(|pair| pair.priority()).map(|pair| pair.id())
            })
            .collect();
        let now = self.now;
        let nominated = best.into_iter().any(|pair| self.peer.agent_mut().nominate(now, pair).is_ok());
        if nominated {
            // The check may leave at once: it is for whoever has nominated to see that time passes.
            self.peer.handle_timeout(now);
        }
        nominated
    }
}

impl Node for Actor {
    fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        self.take(now, || Input::Datagram(path, datagram.to_vec()));
        self.peer.handle_datagram(now, path, datagram);
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.take(now, || Input::Timeout);
        self.peer.handle_timeout(now);
    }

    fn handle_addresses(&mut self, now: Timestamp, addresses: &[LocalAddress]) {
        self.take(now, || Input::Addresses(addresses.to_vec()));
        let is_there = |ip: IpAddr| addresses.iter().any(|local| local.address.ip() == ip);
        let gone: Vec<IpAddr> = self.bases.iter().map(|(ip, _)| *ip).filter(|ip| !is_there(*ip)).collect();
        gone.into_iter().for_each(|ip| self.remove_bases(now, ip));
        for local in addresses {
            if self.bases.iter().any(|(ip, _)| *ip == local.address.ip()) {
                continue;
            }
            for component in 0..self.components {
                let mut socket = local.address;
                socket.set_port(socket.port() + component);
                let component = self.peer.stream().component(component + 1);
                // A stream that was closed takes none.
                if let Ok(base) = self.peer.agent_mut().add_base(now, component, Base::udp(socket)) {
                    self.bases.push((socket.ip(), base));
                }
            }
        }
    }

    fn handle_connect(&mut self, now: Timestamp, id: u64, outcome: Result<Path, ConnectError>) {
        self.take(now, || Input::Connect(id, outcome));
        self.peer.handle_connect(now, id, outcome);
    }

    fn handle_bytes(&mut self, now: Timestamp, path: Path, bytes: &[u8]) {
        self.take(now, || Input::Bytes(path, bytes.to_vec()));
        self.peer.handle_bytes(now, path, bytes);
    }

    fn handle_disconnect(&mut self, now: Timestamp, path: Path, how: Ended) {
        self.take(now, || Input::Disconnect(path, how));
        self.peer.handle_disconnect(now, path, how);
    }

    fn handle_resolved(&mut self, now: Timestamp, id: u64, address: Option<IpAddr>) {
        self.take(now, || Input::Resolved(id, address));
        self.peer.handle_resolved(now, id, address);
    }

    fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.rogue.as_mut().and_then(|rogue| rogue.pending.pop_front()) {
            return Some(output);
        }
        let output = self.poll()?;
        if let Some(recording) = &mut self.recording {
            recording.said.push((recording.inputs.len(), output.clone()));
        }
        let Some(rogue) = &mut self.rogue else { return Some(output) };
        let agent = self.peer.agent();
        let ours = agent.local_credentials(self.peer.stream());
        let ours = ours.map(|ours| Key::short_term(ours.password().as_bytes()));
        Some(match (output, ours) {
            (Output::Transmit(path, payload), Some(ours)) => rogue.distort(path, payload, &ours),
            (output, _) => output,
        })
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.peer.deadline()
    }

    fn handle_signal(&mut self, now: Timestamp, from: NodeId, message: &[u8]) {
        if let Some(rogue) = &mut self.rogue {
            rogue.learn(&String::from_utf8_lossy(message));
        }
        self.take(now, || Input::Signal(from, message.to_vec()));
        match self.reverses {
            true => self.peer.handle_signal(now, from, reversed(message).as_bytes()),
            false => self.peer.handle_signal(now, from, message),
        }
    }

    fn violation(&self) -> Option<&str> {
        self.peer.violation()
    }
}

/// The lines of a message, with its candidates from the last to the first.
fn reversed(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let is_candidate = |line: &&str| line.starts_with("a=candidate:");
    let mut candidates = text.lines().rev().filter(is_candidate);
    let lines = text.lines().map(|line| match is_candidate(&line) {
        true => candidates.next().unwrap_or(line),
        false => line,
    });
    lines.map(|line| format!("{line}\r\n")).collect()
}

impl Rogue {
    fn learn(&mut self, text: &str) {
        let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let (Some(ufrag), Some(password)) = (line("a=ice-ufrag:"), line("a=ice-pwd:")) else { return };
        if self.theirs.iter().all(|(known, _)| known != ufrag) {
            self.theirs.push((ufrag.into(), Key::short_term(password.as_bytes())));
        }
    }

    /// Now and then sends something else instead, or besides, with a right signature.
    fn distort(&mut self, path: Path, payload: Bytes, ours: &Key) -> Output {
        let strikes = self.dice.below(u64::from(self.every)) == 0;
        let Some(message) =
            Message::parse(&payload).ok().filter(|it| strikes && it.method() == Method::BINDING)
        else {
            return Output::Transmit(path, payload);
        };
        let is_check = message.contains(AttributeType::USERNAME);
        let changed = match message.class() {
            Class::Request if is_check => self.distort_check(&message),
            Class::Success | Class::Error => Some(self.distort_answer(&message, ours)),
            _ => None,
        };
        let changed = changed.map_or_else(|| payload.clone(), Bytes::from);
        match self.dice.below(8) {
            // The true one as well, later or again.
            0 => self.pending.push_back(Output::Transmit(path, payload)),
            1 => self.pending.push_back(Output::Transmit(path, changed.clone())),
            2 => {
                let burst = 1 + self.dice.below(30);
                self.pending.extend((0..burst).map(|_| Output::Transmit(path, changed.clone())));
            }
            _ => {}
        }
        Output::Transmit(path, changed)
    }

    fn distort_check(&mut self, check: &Message<'_>) -> Option<Vec<u8>> {
        let username = check.attributes().find(|(it, _)| *it == AttributeType::USERNAME)?.1;
        let theirs = core::str::from_utf8(username).ok()?.split(':').next()?;
        let key = self.theirs.iter().find(|(known, _)| known == theirs).map(|(_, key)| key.clone())?;
        let how = self.dice.below(9);
        let mut out = Vec::new();
        let mut builder = Builder::request(&mut out, Method::BINDING, check.transaction_id());
        for (attribute, value) in check.attributes() {
            builder = match attribute {
                AttributeType::MESSAGE_INTEGRITY | AttributeType::FINGERPRINT => builder,
                // The other role, or none.
                AttributeType::ICE_CONTROLLING if how == 0 => {
                    builder.raw(AttributeType::ICE_CONTROLLED, value)
                }
                AttributeType::ICE_CONTROLLED if how == 0 => {
                    builder.raw(AttributeType::ICE_CONTROLLING, value)
                }
                AttributeType::ICE_CONTROLLED | AttributeType::ICE_CONTROLLING if how == 1 => builder,
                AttributeType::PRIORITY if how == 2 => builder.raw(attribute, &[0xff; 4]),
                AttributeType::PRIORITY if how == 3 => builder,
                AttributeType::USERNAME if how == 4 => {
                    builder.raw(attribute, &[theirs.as_bytes(), b":?"].concat())
                }
                other => builder.raw(other, value),
            };
        }
        builder = match how {
            // Every pair is nominated, again and again.
            5..7 => builder.attribute(&UseCandidate),
            7 => builder.raw(AttributeType::new(0x7fff), &[1, 2, 3]),
            _ => builder,
        };
        builder.integrity(&key, Integrity::Sha1).fingerprint();
        Some(out)
    }

    fn distort_answer(&mut self, answer: &Message<'_>, ours: &Key) -> Vec<u8> {
        let (id, mut out) = (answer.transaction_id(), Vec::new());
        let code = match self.dice.below(10) {
            0 => Some(ErrorCode::ROLE_CONFLICT),
            1 => Some(ErrorCode::FORBIDDEN),
            2 => Some(ErrorCode::BAD_REQUEST),
            3 => Some(ErrorCode::UNKNOWN_ATTRIBUTE),
            4 => Some(ErrorCode::SERVER_ERROR),
            _ => None,
        };
        let builder = match code {
            Some(code) => Builder::error(&mut out, Method::BINDING, id, &code),
            None => {
                let builder = Builder::success(&mut out, Method::BINDING, id);
                let port = self.dice.below(65_536) as u16;
                match self.dice.below(4) {
                    0 => builder,
                    1 => builder.attribute(&XorMappedAddress(([203, 0, 113, port as u8], port).into())),
                    2 => builder.attribute(&XorMappedAddress(([0, 0, 0, 0], 0).into())),
                    _ => builder.raw(AttributeType::new(0x7ffe), &[]),
                }
            }
        };
        builder.integrity(ours, Integrity::Sha1).fingerprint();
        out
    }
}
