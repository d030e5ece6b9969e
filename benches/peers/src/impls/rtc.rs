//! webrtc-rs sans-IO: rtc-stun / rtc-turn / rtc-ice 0.21.
use super::is::{dur, inst};
use crate::data;
use crate::traits::*;
use bytes::BytesMut;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::{AwsLcRsProvider, RingProvider};
use rtc_ice::agent::agent_config::AgentConfig;
use rtc_ice::agent::{Agent, Event};
use rtc_ice::attributes::{
    control::AttrControlling, priority::PriorityAttr, use_candidate::UseCandidateAttr,
};
use rtc_ice::candidate::{CandidateConfig, candidate_host::CandidateHostConfig};
use rtc_ice::mdns::MulticastDnsMode;
use rtc_shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use rtc_stun::attributes::*;
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::*;
use rtc_stun::textattrs::Username;
use rtc_stun::xoraddr::XorMappedAddress;
use rtc_turn::proto::{chandata::ChannelData, channum::ChannelNumber, data::Data, peeraddr::PeerAddress};
use sansio::Protocol as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

fn provider(aws: bool) -> Arc<dyn RTCCryptoProvider> {
    if aws { Arc::new(AwsLcRsProvider::new()) } else { Arc::new(RingProvider::new()) }
}

pub struct RtcCodec<const AWS: bool> {
    m: Message,
    pwd: String,
    p: Arc<dyn RTCCryptoProvider>,
    cd: ChannelData,
    tx: TransactionId,
}
impl<const AWS: bool> Codec for RtcCodec<AWS> {
    const NAME: &'static str = if AWS { "rtc-stun (aws-lc)" } else { "rtc-stun" };
    const BACKEND: &'static str = if AWS {
        "aws-lc-rs HMAC, crc 3 (static Table<16>)"
    } else {
        "default `crypto-ring` provider: RustCrypto HMAC-SHA1 (SHA-NI), crc 3 (static Table<16>)"
    };
    const UNSUPPORTED: &'static [(&'static str, &'static str)] = &[];
    const NOTES: &'static [(&'static str, &'static str)] = &[
        (
            "A1",
            "Message reused between calls (unmarshal_binary); the agent itself allocates a new one per packet",
        ),
        ("A6a", "payload must be owned by ChannelData: one extra copy"),
    ];
    fn new(password: &str) -> Self {
        RtcCodec {
            m: Message::new(),
            pwd: password.into(),
            p: provider(AWS),
            cd: ChannelData::default(),
            tx: TransactionId(data::TXID),
        }
    }
    fn parse(&mut self, msg: &[u8]) -> Option<Parsed> {
        self.m.unmarshal_binary(msg).ok()?;
        let m = &self.m;
        let u = Username::get_from_as(m, ATTR_USERNAME).ok()?;
        let mut p = PriorityAttr::default();
        p.get_from(m).ok()?;
        let mut c = AttrControlling::default();
        c.get_from(m).ok()?;
        Some(Parsed {
            username_len: u.text.len(),
            priority: p.0,
            tie_breaker: c.0,
            use_candidate: UseCandidateAttr::is_set(m),
        })
    }
    fn parse_verify(&mut self, msg: &[u8]) -> bool {
        if self.m.unmarshal_binary(msg).is_err() {
            return false;
        }
        let mut p = PriorityAttr::default();
        let mut c = AttrControlling::default();
        p.get_from(&self.m).is_ok()
            && c.get_from(&self.m).is_ok()
            && FINGERPRINT.check(&self.m).is_ok()
            && MessageIntegrity::check(&mut self.m, self.pwd.as_bytes(), self.p.crypto()).is_ok()
    }
    fn build_request(&mut self, out: &mut Vec<u8>) {
        self.m.reset();
        self.m
            .build(&[
                Box::new(BINDING_REQUEST),
                Box::new(self.tx),
                Box::new(Username::new(ATTR_USERNAME, data::USERNAME.to_owned())),
                Box::new(PriorityAttr(data::PRIORITY)),
                Box::new(AttrControlling(data::TIE)),
                Box::<UseCandidateAttr>::default(),
                Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                    self.pwd.clone(),
                    self.p.crypto(),
                )),
                Box::new(FINGERPRINT),
            ])
            .unwrap();
        out.clear();
        out.extend_from_slice(&self.m.raw);
    }
    fn build_response(&mut self, out: &mut Vec<u8>) {
        let a = data::mapped();
        self.m.reset();
        self.m
            .build(&[
                Box::new(BINDING_SUCCESS),
                Box::new(self.tx),
                Box::new(XorMappedAddress { ip: a.ip(), port: a.port() }),
                Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                    self.pwd.clone(),
                    self.p.crypto(),
                )),
                Box::new(FINGERPRINT),
            ])
            .unwrap();
        out.clear();
        out.extend_from_slice(&self.m.raw);
    }
    fn classify(&mut self, pkts: &[Vec<u8>]) -> (u32, u32, u32) {
        let mut r = (0, 0, 0);
        for p in pkts {
            if is_stun_message(p) {
                r.0 += 1
            } else if ChannelData::is_channel_data(p) {
                r.1 += 1
            } else {
                r.2 += 1
            }
        }
        r
    }
    fn wrap_channel(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        self.cd.data.clear();
        self.cd.data.extend_from_slice(payload);
        self.cd.number = ChannelNumber(data::CHANNEL);
        std::mem::swap(&mut self.cd.raw, out);
        self.cd.encode();
        std::mem::swap(&mut self.cd.raw, out);
    }
    fn unwrap_channel(&mut self, pkt: &[u8]) -> Option<(u16, usize, u8)> {
        self.cd.raw.clear();
        self.cd.raw.extend_from_slice(pkt);
        self.cd.decode().ok()?;
        Some((self.cd.number.0, self.cd.data.len(), self.cd.data[0]))
    }
    fn wrap_send(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        let a = data::peer();
        self.m.reset();
        self.m
            .build(&[
                Box::new(self.tx),
                Box::new(MessageType::new(METHOD_SEND, CLASS_INDICATION)),
                Box::new(PeerAddress { ip: a.ip(), port: a.port() }),
                Box::new(Data(payload.to_vec())),
            ])
            .unwrap();
        out.clear();
        out.extend_from_slice(&self.m.raw);
    }
    fn unwrap_data(&mut self, pkt: &[u8]) -> Option<(SocketAddr, usize, u8)> {
        self.m.unmarshal_binary(pkt).ok()?;
        let mut a = PeerAddress::default();
        a.get_from(&self.m).ok()?;
        let mut d = Data::default();
        d.get_from(&self.m).ok()?;
        Some((SocketAddr::new(a.ip, a.port), d.0.len(), d.0[0]))
    }
}

pub struct RtcAgent<const AWS: bool> {
    a: Agent,
    sel: Option<(SocketAddr, SocketAddr)>,
}
fn host(a: &SocketAddr) -> rtc_ice::candidate::Candidate {
    CandidateHostConfig {
        base_config: CandidateConfig {
            network: "udp".into(),
            address: a.ip().to_string(),
            port: a.port(),
            component: 1,
            ..Default::default()
        },
        ..Default::default()
    }
    .new_candidate_host()
    .unwrap()
}
impl<const AWS: bool> IceAgent for RtcAgent<AWS> {
    const NAME: &'static str = if AWS { "rtc-ice (aws-lc)" } else { "rtc-ice" };
    const BACKEND: &'static str = RtcCodec::<AWS>::BACKEND;
    const NOTES: &'static [(&'static str, &'static str)] = &[
        ("B1", "never verifies FINGERPRINT on receipt"),
        (
            "B1p",
            "the controlled side answers and also sends its own check for every request without USE-CANDIDATE, even when the pair is established; every send rebuilds the list of outstanding requests",
        ),
        ("C", "no pair limit, no pacing: one tick every 200 ms pings all pairs at once"),
    ];
    fn new(now: Duration, c: &AgentCfg) -> Self {
        let cfg = AgentConfig {
            local_ufrag: c.ufrag.into(),
            local_pwd: c.pwd.into(),
            is_controlling: c.controlling,
            multicast_dns_mode: MulticastDnsMode::Disabled,
            ..Default::default()
        };
        let mut a = Agent::new(inst(now), Arc::new(cfg), provider(AWS)).unwrap();
        for l in c.locals {
            a.add_local_candidate(host(l)).unwrap();
        }
        for r in c.remotes {
            a.add_remote_candidate(host(r)).unwrap();
        }
        a.start_connectivity_checks(inst(now), c.controlling, c.remote_ufrag.into(), c.remote_pwd.into())
            .unwrap();
        RtcAgent { a, sel: None }
    }
    fn input(&mut self, now: Duration, local: SocketAddr, remote: SocketAddr, data: &[u8]) {
        let _ = self.a.handle_read(TaggedBytesMut {
            now: inst(now),
            transport: TransportContext {
                local_addr: local,
                peer_addr: remote,
                transport_protocol: TransportProtocol::UDP,
                ecn: None,
            },
            message: BytesMut::from(data),
        });
    }
    fn on_timeout(&mut self, now: Duration) {
        let _ = self.a.handle_timeout(inst(now));
    }
    fn drain(&mut self, _now: Duration, sink: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8])) {
        while let Some(e) = self.a.poll_event() {
            if let Event::SelectedCandidatePairChange(l, r) = e.event {
                self.sel = Some((l.addr(), r.addr()));
            }
        }
        while let Some(t) = self.a.poll_write() {
            sink(t.transport.local_addr, t.transport.peer_addr, &t.message);
        }
    }
    fn next_timeout(&mut self, _now: Duration) -> Option<Duration> {
        self.a.poll_timeout().map(dur)
    }
    fn selected(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.sel
    }
}
