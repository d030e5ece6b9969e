//! The messages of librice: stun-types 2.0 and turn-types 0.7.
use crate::data;
use crate::traits::{Codec, Parsed, count};
use rice_stun_types::attribute::{IceControlling, Priority, UseCandidate};
use std::net::SocketAddr;
use stun_types::attribute::*;
use stun_types::message::*;
use turn_client_proto::types::attribute::{Data as DataAttr, XorPeerAddress};
use turn_client_proto::types::channel::ChannelData;
use turn_client_proto::types::message::{DATA, SEND};

pub struct StunTypes {
    key: IntegrityKey,
    id: TransactionId,
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
        let mut id = [0; 16];
        id[4..].copy_from_slice(&data::TXID);
        let key = ShortTermCredentials::new(password.into()).make_key();
        Self { key, id: u128::from_be_bytes(id).into() }
    }
    fn parse(&mut self, message: &[u8]) -> Option<Parsed> {
        let message = Message::from_bytes(message).ok()?;
        let username = message.attribute::<Username>().ok()?;
        let priority = message.attribute::<Priority>().ok()?;
        let controlling = message.attribute::<IceControlling>().ok()?;
        Some(Parsed {
            username_len: username.username().len(),
            priority: priority.priority(),
            tie_breaker: controlling.tie_breaker(),
            use_candidate: message.has_attribute(UseCandidate::TYPE),
        })
    }
    fn parse_verify(&mut self, message: &[u8]) -> bool {
        let Ok(message) = Message::from_bytes(message) else { return false };
        message.attribute::<Priority>().is_ok()
            && message.attribute::<IceControlling>().is_ok()
            && message.validate_integrity_with_key(&self.key).is_ok()
    }
    fn build_request(&mut self, out: &mut Vec<u8>) {
        out.resize(256, 0);
        let mut writer = Message::builder(
            MessageType::from_class_method(MessageClass::Request, BINDING),
            self.id,
            MessageWriteMutSlice::new(out),
        );
        writer.add_attribute(&Username::new(data::USERNAME).unwrap()).unwrap();
        writer.add_attribute(&Priority::new(data::PRIORITY)).unwrap();
        writer.add_attribute(&IceControlling::new(data::TIE)).unwrap();
        writer.add_attribute(&UseCandidate::new()).unwrap();
        writer.add_message_integrity_with_key(&self.key, IntegrityAlgorithm::Sha1).unwrap();
        writer.add_fingerprint().unwrap();
        let len = writer.finish();
        out.truncate(len);
    }
    fn build_response(&mut self, out: &mut Vec<u8>) {
        out.resize(256, 0);
        let mut writer = Message::builder(
            MessageType::from_class_method(MessageClass::Success, BINDING),
            self.id,
            MessageWriteMutSlice::new(out),
        );
        writer.add_attribute(&XorMappedAddress::new(data::mapped(), self.id)).unwrap();
        writer.add_message_integrity_with_key(&self.key, IntegrityAlgorithm::Sha1).unwrap();
        writer.add_fingerprint().unwrap();
        let len = writer.finish();
        out.truncate(len);
    }
    fn classify(&mut self, datagrams: &[Vec<u8>]) -> (u32, u32, u32) {
        let is_stun = |datagram: &[u8]| MessageHeader::from_bytes(datagram).is_ok();
        count(datagrams, is_stun, |datagram| {
            ChannelData::parse_header(datagram)
                .is_ok_and(|(id, len)| id < 0x8000 && len + 4 <= datagram.len())
        })
    }
    fn wrap_channel(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        out.resize(payload.len() + 4, 0);
        ChannelData::new(data::CHANNEL, payload).write_into_unchecked(out);
    }
    fn unwrap_channel(&mut self, datagram: &[u8]) -> Option<(u16, usize, u8)> {
        let message = ChannelData::parse(datagram).ok()?;
        Some((message.id(), message.data().len(), message.data()[0]))
    }
    fn wrap_send(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        out.resize(payload.len() + 64, 0);
        let mut writer = Message::builder(
            MessageType::from_class_method(MessageClass::Indication, SEND),
            self.id,
            MessageWriteMutSlice::new(out),
        );
        writer.add_attribute(&XorPeerAddress::new(data::peer(), self.id)).unwrap();
        writer.add_attribute(&DataAttr::new(payload)).unwrap();
        let len = writer.finish();
        out.truncate(len);
    }
    fn unwrap_data(&mut self, datagram: &[u8]) -> Option<(SocketAddr, usize, u8)> {
        let message = Message::from_bytes(datagram).ok()?;
        if !message.has_method(DATA) {
            return None;
        }
        let peer = message.attribute::<XorPeerAddress>().ok()?;
        let payload = message.attribute::<DataAttr>().ok()?;
        Some((peer.addr(message.transaction_id()), payload.data().len(), payload.data()[0]))
    }
}
