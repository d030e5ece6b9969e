//! `stun` 0.17 (webrtc-rs, async generation), whose agent lives in tokio.
use crate::data;
use crate::traits::{Codec, Parsed, count};
use stun::agent::TransactionId;
use stun::attributes::*;
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::*;
use stun::textattrs::Username;
use stun::xoraddr::XorMappedAddress;

pub struct WebrtcStun {
    message: Message,
    password: String,
    integrity: MessageIntegrity,
}

/// An attribute as bytes.
struct Raw(AttrType, Vec<u8>);
impl Setter for Raw {
    fn add_to(&self, message: &mut Message) -> Result<(), stun::Error> {
        message.add(self.0, &self.1);
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
        Self {
            message: Message::new(),
            password: password.into(),
            integrity: MessageIntegrity::new_short_term_integrity(password.into()),
        }
    }
    fn parse(&mut self, message: &[u8]) -> Option<Parsed> {
        self.message.unmarshal_binary(message).ok()?;
        let username = Username::get_from_as(&self.message, ATTR_USERNAME).ok()?;
        let priority = self.message.get(ATTR_PRIORITY).ok()?;
        let tie_breaker = self.message.get(ATTR_ICE_CONTROLLING).ok()?;
        Some(Parsed {
            username_len: username.text.len(),
            priority: u32::from_be_bytes(priority[..].try_into().ok()?),
            tie_breaker: u64::from_be_bytes(tie_breaker[..].try_into().ok()?),
            use_candidate: self.message.contains(ATTR_USE_CANDIDATE),
        })
    }
    fn parse_verify(&mut self, message: &[u8]) -> bool {
        if self.message.unmarshal_binary(message).is_err() {
            return false;
        }
        self.message.get(ATTR_PRIORITY).is_ok()
            && self.message.get(ATTR_ICE_CONTROLLING).is_ok()
            && FINGERPRINT.check(&self.message).is_ok()
            && self.integrity.check(&mut self.message).is_ok()
    }
    fn build_request(&mut self, out: &mut Vec<u8>) {
        self.message.reset();
        self.message
            .build(&[
                Box::new(BINDING_REQUEST),
                Box::new(TransactionId(data::TXID)),
                Box::new(Username::new(ATTR_USERNAME, data::USERNAME.to_owned())),
                Box::new(Raw(ATTR_PRIORITY, data::PRIORITY.to_be_bytes().to_vec())),
                Box::new(Raw(ATTR_ICE_CONTROLLING, data::TIE.to_be_bytes().to_vec())),
                Box::new(Raw(ATTR_USE_CANDIDATE, vec![])),
                Box::new(MessageIntegrity::new_short_term_integrity(self.password.clone())),
                Box::new(FINGERPRINT),
            ])
            .unwrap();
        out.clear();
        out.extend_from_slice(&self.message.raw);
    }
    fn build_response(&mut self, out: &mut Vec<u8>) {
        let mapped = data::mapped();
        self.message.reset();
        self.message
            .build(&[
                Box::new(BINDING_SUCCESS),
                Box::new(TransactionId(data::TXID)),
                Box::new(XorMappedAddress { ip: mapped.ip(), port: mapped.port() }),
                Box::new(MessageIntegrity::new_short_term_integrity(self.password.clone())),
                Box::new(FINGERPRINT),
            ])
            .unwrap();
        out.clear();
        out.extend_from_slice(&self.message.raw);
    }
    fn classify(&mut self, datagrams: &[Vec<u8>]) -> (u32, u32, u32) {
        // No ChannelData in this crate: what begins like it is counted as such.
        count(datagrams, is_message, |datagram| datagram[0] & 0xc0 == 0x40)
    }
}
