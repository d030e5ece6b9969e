//! `is` 0.12 (the ICE agent of str0m).
use crate::data;
use crate::traits::*;
use is::stun::{StunMessage, StunMessageBuilder, StunPacket, TransId};
use is::{
    Candidate, DefaultSha1HmacProvider, IceAgent as Inner, IceAgentEvent, IceCreds, Protocol,
    Sha1HmacProvider,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

fn hmac(k: &[u8], p: &[&[u8]]) -> [u8; 20] {
    DefaultSha1HmacProvider.sha1_hmac(k, p)
}

pub struct IsCodec {
    pwd: Vec<u8>,
    tx: TransId,
}
impl Codec for IsCodec {
    const NAME: &'static str = "is";
    const BACKEND: &'static str = "RustCrypto hmac 0.13/sha1 0.11 (SHA-NI), crc 3 (table built per call)";
    const UNSUPPORTED: &'static [(&'static str, &'static str)] = &[
        ("A5", "no classifier in the crate (str0m has it outside)"),
        ("A6a", "no ChannelData"),
        ("A6b", "no ChannelData"),
    ];
    const NOTES: &'static [(&'static str, &'static str)] = &[
        ("A2", "never verifies FINGERPRINT: only MESSAGE-INTEGRITY is checked"),
        ("A6c", "always appends FINGERPRINT, so it also pays a CRC over 1.2 kB"),
    ];
    fn new(password: &str) -> Self {
        let m = data::ice_request();
        IsCodec { pwd: password.as_bytes().to_vec(), tx: StunMessage::parse(&m).unwrap().trans_id() }
    }
    fn parse(&mut self, msg: &[u8]) -> Option<Parsed> {
        let m = StunMessage::parse(msg).ok()?;
        Some(Parsed {
            username_len: m.username()?.len(),
            priority: m.prio()?,
            tie_breaker: m.ice_controlling()?,
            use_candidate: m.use_candidate(),
        })
    }
    fn parse_verify(&mut self, msg: &[u8]) -> bool {
        let Ok(m) = StunMessage::parse(msg) else { return false };
        m.prio().is_some() && m.ice_controlling().is_some() && m.verify(&self.pwd, hmac)
    }
    fn build_request(&mut self, out: &mut Vec<u8>) {
        out.resize(256, 0);
        let m = StunMessage::binding_request(data::USERNAME, self.tx, true, data::TIE, data::PRIORITY, true);
        let n = m.to_bytes(Some(&self.pwd), out, hmac).unwrap();
        out.truncate(n);
    }
    fn build_response(&mut self, out: &mut Vec<u8>) {
        out.resize(256, 0);
        let n =
            StunMessage::binding_reply(self.tx, data::mapped()).to_bytes(Some(&self.pwd), out, hmac).unwrap();
        out.truncate(n);
    }
    fn wrap_send(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        out.resize(payload.len() + 64, 0);
        let m = StunMessageBuilder::new()
            .send()
            .indication()
            .xor_peer_address(data::peer())
            .data(payload)
            .build(self.tx);
        let n = m.to_bytes(None, out, hmac).unwrap();
        out.truncate(n);
    }
    fn unwrap_data(&mut self, pkt: &[u8]) -> Option<(SocketAddr, usize, u8)> {
        let m = StunMessage::parse(pkt).ok()?;
        let d = m.data()?;
        Some((m.xor_peer_address()?, d.len(), d[0]))
    }
}

thread_local!(static BASE: Instant = Instant::now());
pub fn inst(d: Duration) -> Instant {
    BASE.with(|b| *b + d)
}
pub fn dur(i: Instant) -> Duration {
    BASE.with(|b| i.saturating_duration_since(*b))
}

/// `MAX` = candidate pair limit (0 keeps the default of 100).
pub struct IsAgent<const MAX: usize> {
    a: Inner,
    sel: Option<(SocketAddr, SocketAddr)>,
}
impl<const MAX: usize> IceAgent for IsAgent<MAX> {
    const NAME: &'static str = if MAX == 0 { "is" } else { "is (limit 10k)" };
    const BACKEND: &'static str = IsCodec::BACKEND;
    const NOTES: &'static [(&'static str, &'static str)] = &[
        ("C", "keeps at most 100 pairs by default (set_max_candidate_pairs)"),
        (
            "C1",
            "nominates only inside handle_timeout and poll_timeout does not ask for one: 250 ms with the documented loop, 15 ms if handle_timeout is called after every packet",
        ),
        ("D", "keeps checking every surviving pair, not only the nominated one"),
    ];
    fn new(_now: Duration, c: &AgentCfg) -> Self {
        let mut a = Inner::new(IceCreds { ufrag: c.ufrag.into(), pass: c.pwd.into() });
        if MAX > 0 {
            a.set_max_candidate_pairs(MAX);
        }
        a.set_controlling(c.controlling);
        a.set_remote_credentials(IceCreds { ufrag: c.remote_ufrag.into(), pass: c.remote_pwd.into() });
        for l in c.locals {
            a.add_local_candidate(Candidate::host(*l, "udp").unwrap());
        }
        for r in c.remotes {
            a.add_remote_candidate(Candidate::host(*r, "udp").unwrap());
        }
        let mut s = IsAgent { a, sel: None };
        s.a.handle_timeout(inst(_now));
        s
    }
    fn input(&mut self, now: Duration, local: SocketAddr, remote: SocketAddr, data: &[u8]) {
        if let Ok(message) = StunMessage::parse(data) {
            self.a.handle_packet(
                inst(now),
                StunPacket { proto: Protocol::Udp, source: remote, destination: local, message },
            );
        }
    }
    fn on_timeout(&mut self, now: Duration) {
        self.a.handle_timeout(inst(now));
    }
    fn drain(&mut self, _now: Duration, sink: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8])) {
        while let Some(e) = self.a.poll_event() {
            if let IceAgentEvent::NominatedSend { source, destination, .. } = e {
                self.sel = Some((source, destination));
            }
        }
        while let Some(t) = self.a.poll_transmit() {
            sink(t.source, t.destination, &t.contents);
        }
    }
    fn next_timeout(&mut self, _now: Duration) -> Option<Duration> {
        self.a.poll_timeout().map(dur)
    }
    fn selected(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.sel
    }
}
