//! `stun` 0.17 (webrtc-rs, async generation). Codec only.
use crate::data;
use crate::traits::*;
use std::net::SocketAddr;
use stun::agent::TransactionId;
use stun::attributes::*;
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::*;
use stun::textattrs::Username;
use stun::xoraddr::XorMappedAddress;

pub struct WebrtcStun {
    m: Message,
    pwd: String,
    mi: MessageIntegrity,
}
struct Raw(AttrType, Vec<u8>);
impl Setter for Raw {
    fn add_to(&self, m: &mut Message) -> Result<(), stun::Error> {
        m.add(self.0, &self.1);
        Ok(())
    }
}
impl Codec for WebrtcStun {
    const NAME: &'static str = "stun (webrtc)";
    const BACKEND: &'static str = "ring HMAC-SHA1 (portable code, no SHA-NI), crc 3 (table built per call)";
    const UNSUPPORTED: &'static [(&'static str, &'static str)] = &[
        ("A6a", "TURN lives in the async `turn` crate"),
        ("A6b", "TURN lives in the async `turn` crate"),
        ("A6c", "TURN lives in the async `turn` crate"),
        ("A6d", "TURN lives in the async `turn` crate"),
    ];
    const NOTES: &'static [(&'static str, &'static str)] = &[(
        "A1",
        "ICE attributes are typed only in the async webrtc-ice crate; decoded here from Message::get",
    )];
    fn new(password: &str) -> Self {
        WebrtcStun {
            m: Message::new(),
            pwd: password.into(),
            mi: MessageIntegrity::new_short_term_integrity(password.into()),
        }
    }
    fn parse(&mut self, msg: &[u8]) -> Option<Parsed> {
        self.m.unmarshal_binary(msg).ok()?;
        let m = &self.m;
        let u = Username::get_from_as(m, ATTR_USERNAME).ok()?;
        let p = m.get(ATTR_PRIORITY).ok()?;
        let c = m.get(ATTR_ICE_CONTROLLING).ok()?;
        Some(Parsed {
            username_len: u.text.len(),
            priority: u32::from_be_bytes(p[..].try_into().ok()?),
            tie_breaker: u64::from_be_bytes(c[..].try_into().ok()?),
            use_candidate: m.contains(ATTR_USE_CANDIDATE),
        })
    }
    fn parse_verify(&mut self, msg: &[u8]) -> bool {
        if self.m.unmarshal_binary(msg).is_err() {
            return false;
        }
        self.m.get(ATTR_PRIORITY).is_ok()
            && self.m.get(ATTR_ICE_CONTROLLING).is_ok()
            && FINGERPRINT.check(&self.m).is_ok()
            && self.mi.check(&mut self.m).is_ok()
    }
    fn build_request(&mut self, out: &mut Vec<u8>) {
        self.m.reset();
        self.m
            .build(&[
                Box::new(BINDING_REQUEST),
                Box::new(TransactionId(data::TXID)),
                Box::new(Username::new(ATTR_USERNAME, data::USERNAME.to_owned())),
                Box::new(Raw(ATTR_PRIORITY, data::PRIORITY.to_be_bytes().to_vec())),
                Box::new(Raw(ATTR_ICE_CONTROLLING, data::TIE.to_be_bytes().to_vec())),
                Box::new(Raw(ATTR_USE_CANDIDATE, vec![])),
                Box::new(MessageIntegrity::new_short_term_integrity(self.pwd.clone())),
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
                Box::new(TransactionId(data::TXID)),
                Box::new(XorMappedAddress { ip: a.ip(), port: a.port() }),
                Box::new(MessageIntegrity::new_short_term_integrity(self.pwd.clone())),
                Box::new(FINGERPRINT),
            ])
            .unwrap();
        out.clear();
        out.extend_from_slice(&self.m.raw);
    }
    fn classify(&mut self, pkts: &[Vec<u8>]) -> (u32, u32, u32) {
        // no ChannelData in this crate: ChannelData counts as "other" and is fixed up
        let mut r = (0, 0, 0);
        for p in pkts {
            if is_message(p) {
                r.0 += 1
            } else if p[0] & 0xc0 == 0x40 {
                r.1 += 1
            } else {
                r.2 += 1
            }
        }
        r
    }
    fn unwrap_data(&mut self, _pkt: &[u8]) -> Option<(SocketAddr, usize, u8)> {
        None
    }
}
