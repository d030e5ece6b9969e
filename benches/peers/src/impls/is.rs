//! The messages of `is` 0.12 (the ICE agent of str0m).
use crate::data;
use crate::traits::{Codec, Parsed};
use is::stun::{StunMessage, StunMessageBuilder, TransId};
use is::{DefaultSha1HmacProvider, Sha1HmacProvider};
use std::net::SocketAddr;

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    DefaultSha1HmacProvider.sha1_hmac(key, parts)
}

pub struct IsCodec {
    password: Vec<u8>,
    id: TransId,
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
        let request = data::ice_request();
        let id = StunMessage::parse(&request).unwrap().trans_id();
        Self { password: password.as_bytes().to_vec(), id }
    }
    fn parse(&mut self, message: &[u8]) -> Option<Parsed> {
        let message = StunMessage::parse(message).ok()?;
        Some(Parsed {
            username_len: message.username()?.len(),
            priority: message.prio()?,
            tie_breaker: message.ice_controlling()?,
            use_candidate: message.use_candidate(),
        })
    }
    fn parse_verify(&mut self, message: &[u8]) -> bool {
        let Ok(message) = StunMessage::parse(message) else { return false };
        message.prio().is_some()
            && message.ice_controlling().is_some()
            && message.verify(&self.password, hmac)
    }
    fn build_request(&mut self, out: &mut Vec<u8>) {
        out.resize(256, 0);
        let message =
            StunMessage::binding_request(data::USERNAME, self.id, true, data::TIE, data::PRIORITY, true);
        let len = message.to_bytes(Some(&self.password), out, hmac).unwrap();
        out.truncate(len);
    }
    fn build_response(&mut self, out: &mut Vec<u8>) {
        out.resize(256, 0);
        let len = StunMessage::binding_reply(self.id, data::mapped())
            .to_bytes(Some(&self.password), out, hmac)
            .unwrap();
        out.truncate(len);
    }
    fn wrap_send(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        out.resize(payload.len() + 64, 0);
        let message = StunMessageBuilder::new()
            .send()
            .indication()
            .xor_peer_address(data::peer())
            .data(payload)
            .build(self.id);
        let len = message.to_bytes(None, out, hmac).unwrap();
        out.truncate(len);
    }
    fn unwrap_data(&mut self, datagram: &[u8]) -> Option<(SocketAddr, usize, u8)> {
        let message = StunMessage::parse(datagram).ok()?;
        let payload = message.data()?;
        Some((message.xor_peer_address()?, payload.len(), payload[0]))
    }
}
