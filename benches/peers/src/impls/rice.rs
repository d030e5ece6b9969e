//! librice: stun-types 2.0 + turn-types 0.7 (codec) and rice-proto 0.4.3 (agent).
use crate::data;
use crate::traits::*;
use rice_proto::agent::{Agent, AgentPoll};
use rice_proto::candidate::{Candidate, CandidateType, TransportType};
use rice_stun_types::attribute::{IceControlling, Priority, UseCandidate};
use std::net::SocketAddr;
use std::time::Duration;
use stun_proto::Instant;
use stun_proto::agent::Transmit;
use stun_types::attribute::*;
use stun_types::message::*;
use turn_client_proto::types::attribute::{Data as DataAttr, XorPeerAddress};
use turn_client_proto::types::channel::ChannelData;
use turn_client_proto::types::message::{DATA, SEND};

pub struct StunTypes {
    key: IntegrityKey,
    tx: TransactionId,
}
impl Codec for StunTypes {
    const NAME: &'static str = "stun-types";
    const BACKEND: &'static str =
        "RustCrypto hmac 0.12/sha1 0.10 (SHA-NI), cached key behind Arc<Mutex>, crc 3 (const table)";
    const NOTES: &'static [(&'static str, &'static str)] = &[
        ("A1", "from_bytes always verifies FINGERPRINT, so A1 includes one CRC32"),
        ("A2", "uses the cached IntegrityKey (validate_integrity_with_key)"),
    ];
    fn new(password: &str) -> Self {
        StunTypes {
            key: ShortTermCredentials::new(password.into()).make_key(),
            tx: u128::from_be_bytes({
                let mut b = [0u8; 16];
                b[4..].copy_from_slice(&data::TXID);
                b
            })
            .into(),
        }
    }
    fn parse(&mut self, msg: &[u8]) -> Option<Parsed> {
        let m = Message::from_bytes(msg).ok()?;
        let u = m.attribute::<Username>().ok()?;
        let p = m.attribute::<Priority>().ok()?;
        let c = m.attribute::<IceControlling>().ok()?;
        Some(Parsed {
            username_len: u.username().len(),
            priority: p.priority(),
            tie_breaker: c.tie_breaker(),
            use_candidate: m.has_attribute(UseCandidate::TYPE),
        })
    }
    fn parse_verify(&mut self, msg: &[u8]) -> bool {
        let Ok(m) = Message::from_bytes(msg) else { return false };
        m.attribute::<Priority>().is_ok()
            && m.attribute::<IceControlling>().is_ok()
            && m.validate_integrity_with_key(&self.key).is_ok()
    }
    fn build_request(&mut self, out: &mut Vec<u8>) {
        out.resize(256, 0);
        let mut w = Message::builder(
            MessageType::from_class_method(MessageClass::Request, BINDING),
            self.tx,
            MessageWriteMutSlice::new(out),
        );
        w.add_attribute(&Username::new(data::USERNAME).unwrap()).unwrap();
        w.add_attribute(&Priority::new(data::PRIORITY)).unwrap();
        w.add_attribute(&IceControlling::new(data::TIE)).unwrap();
        w.add_attribute(&UseCandidate::new()).unwrap();
        w.add_message_integrity_with_key(&self.key, IntegrityAlgorithm::Sha1).unwrap();
        w.add_fingerprint().unwrap();
        let n = w.finish();
        out.truncate(n);
    }
    fn build_response(&mut self, out: &mut Vec<u8>) {
        out.resize(256, 0);
        let mut w = Message::builder(
            MessageType::from_class_method(MessageClass::Success, BINDING),
            self.tx,
            MessageWriteMutSlice::new(out),
        );
        w.add_attribute(&XorMappedAddress::new(data::mapped(), self.tx)).unwrap();
        w.add_message_integrity_with_key(&self.key, IntegrityAlgorithm::Sha1).unwrap();
        w.add_fingerprint().unwrap();
        let n = w.finish();
        out.truncate(n);
    }
    fn classify(&mut self, pkts: &[Vec<u8>]) -> (u32, u32, u32) {
        let mut r = (0, 0, 0);
        for p in pkts {
            if MessageHeader::from_bytes(p).is_ok() {
                r.0 += 1
            } else if ChannelData::parse_header(p).is_ok_and(|(id, l)| id < 0x8000 && l + 4 <= p.len()) {
                r.1 += 1
            } else {
                r.2 += 1
            }
        }
        r
    }
    fn wrap_channel(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        out.resize(payload.len() + 4, 0);
        ChannelData::new(data::CHANNEL, payload).write_into_unchecked(out);
    }
    fn unwrap_channel(&mut self, pkt: &[u8]) -> Option<(u16, usize, u8)> {
        let c = ChannelData::parse(pkt).ok()?;
        Some((c.id(), c.data().len(), c.data()[0]))
    }
    fn wrap_send(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        out.resize(payload.len() + 64, 0);
        let mut w = Message::builder(
            MessageType::from_class_method(MessageClass::Indication, SEND),
            self.tx,
            MessageWriteMutSlice::new(out),
        );
        w.add_attribute(&XorPeerAddress::new(data::peer(), self.tx)).unwrap();
        w.add_attribute(&DataAttr::new(payload)).unwrap();
        let n = w.finish();
        out.truncate(n);
    }
    fn unwrap_data(&mut self, pkt: &[u8]) -> Option<(SocketAddr, usize, u8)> {
        let m = Message::from_bytes(pkt).ok()?;
        if !m.has_method(DATA) {
            return None;
        }
        let a = m.attribute::<XorPeerAddress>().ok()?;
        let d = m.attribute::<DataAttr>().ok()?;
        Some((a.addr(m.transaction_id()), d.data().len(), d.data()[0]))
    }
}

fn inst(d: Duration) -> Instant {
    Instant::from_nanos(d.as_nanos() as i64)
}
fn dur(i: Instant) -> Duration {
    i.duration_since(Instant::ZERO)
}

pub struct RiceAgent {
    a: Agent,
    stream: usize,
    comp: usize,
    wait: Option<Duration>,
    sel: Option<(SocketAddr, SocketAddr)>,
}
fn cand(i: usize, a: SocketAddr) -> Candidate {
    Candidate::builder(1, CandidateType::Host, TransportType::Udp, &format!("{}", i + 1), a)
        .priority(Candidate::calculate_priority(
            CandidateType::Host,
            TransportType::Udp,
            None,
            8191 - i as u32,
            1,
        ))
        .base_address(a)
        .build()
}
impl IceAgent for RiceAgent {
    const NAME: &'static str = "rice-proto";
    const BACKEND: &'static str = StunTypes::BACKEND;
    const NOTES: &'static [(&'static str, &'static str)] = &[
        (
            "B2",
            "answers every unauthenticated request with an error response; B3: does not look at the ufrag before the HMAC",
        ),
        (
            "D",
            "sends nothing after selection: neither keepalives (RFC 8445 section 11) nor consent checks (RFC 7675)",
        ),
    ];
    fn new(now: Duration, c: &AgentCfg) -> Self {
        let mut a = Agent::builder().trickle_ice(false).controlling(c.controlling).build();
        let stream = a.add_stream();
        let mut s = a.mut_stream(stream).unwrap();
        let comp = s.add_component().unwrap();
        s.set_local_credentials(rice_proto::stream::Credentials::new(c.ufrag.into(), c.pwd.into()));
        s.set_remote_credentials(rice_proto::stream::Credentials::new(
            c.remote_ufrag.into(),
            c.remote_pwd.into(),
        ));
        for (i, l) in c.locals.iter().enumerate() {
            s.add_local_candidate(cand(i, *l));
        }
        s.end_of_local_candidates();
        for (i, l) in c.remotes.iter().enumerate() {
            s.add_remote_candidate(cand(i, *l));
        }
        s.end_of_remote_candidates();
        RiceAgent { a, stream, comp, wait: Some(now), sel: None }
    }
    fn input(&mut self, now: Duration, local: SocketAddr, remote: SocketAddr, data: &[u8]) {
        let mut s = self.a.mut_stream(self.stream).unwrap();
        s.handle_incoming_data(self.comp, Transmit::new(data, TransportType::Udp, remote, local), inst(now));
    }
    fn on_timeout(&mut self, _now: Duration) {} // time enters through poll() in drain()
    fn drain(&mut self, now: Duration, sink: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8])) {
        let t = inst(now);
        loop {
            let mut again = false;
            loop {
                match self.a.poll(t) {
                    AgentPoll::WaitUntil(w) => {
                        self.wait = Some(dur(w));
                        break;
                    }
                    AgentPoll::SelectedPair(p) => {
                        let c = p.selected.candidate_pair();
                        self.sel = Some((c.local.base_address, c.remote.address));
                    }
                    AgentPoll::Closed => {
                        self.wait = None;
                        break;
                    }
                    _ => {}
                }
            }
            while let Some(x) = self.a.poll_transmit(t) {
                sink(x.transmit.from, x.transmit.to, &x.transmit.data);
                again = true;
            }
            if !again {
                break;
            }
        }
    }
    fn next_timeout(&mut self, _now: Duration) -> Option<Duration> {
        self.wait
    }
    fn selected(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.sel
    }
}
