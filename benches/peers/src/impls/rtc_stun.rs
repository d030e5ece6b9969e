//! The messages of webrtc-rs without I/O: rtc-stun and rtc-turn 0.21.
use crate::data;
use crate::traits::{Codec, Parsed, count};
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::{AwsLcRsProvider, RingProvider};
use rtc_ice::attributes::{
    control::AttrControlling, priority::PriorityAttr, use_candidate::UseCandidateAttr,
};
use rtc_stun::attributes::*;
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::*;
use rtc_stun::textattrs::Username;
use rtc_stun::xoraddr::XorMappedAddress;
use rtc_turn::proto::{chandata::ChannelData, channum::ChannelNumber, data::Data, peeraddr::PeerAddress};
use std::net::SocketAddr;
use std::sync::Arc;

/// Where the crypto comes from.
pub fn provider(aws: bool) -> Arc<dyn RTCCryptoProvider> {
    if aws { Arc::new(AwsLcRsProvider::new()) } else { Arc::new(RingProvider::new()) }
}

pub struct RtcCodec<const AWS: bool> {
    message: Message,
    password: String,
    provider: Arc<dyn RTCCryptoProvider>,
    channel_data: ChannelData,
    id: TransactionId,
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
        Self {
            message: Message::new(),
            password: password.into(),
            provider: provider(AWS),
            channel_data: ChannelData::default(),
            id: TransactionId(data::TXID),
        }
    }
    fn parse(&mut self, message: &[u8]) -> Option<Parsed> {
        self.message.unmarshal_binary(message).ok()?;
        let message = &self.message;
        let username = Username::get_from_as(message, ATTR_USERNAME).ok()?;
        let (mut priority, mut controlling) = (PriorityAttr::default(), AttrControlling::default());
        priority.get_from(message).ok()?;
        controlling.get_from(message).ok()?;
        Some(Parsed {
            username_len: username.text.len(),
            priority: priority.0,
            tie_breaker: controlling.0,
            use_candidate: UseCandidateAttr::is_set(message),
        })
    }
    fn parse_verify(&mut self, message: &[u8]) -> bool {
        if self.message.unmarshal_binary(message).is_err() {
            return false;
        }
        let (mut priority, mut controlling) = (PriorityAttr::default(), AttrControlling::default());
        priority.get_from(&self.message).is_ok()
            && controlling.get_from(&self.message).is_ok()
            && FINGERPRINT.check(&self.message).is_ok()
            && MessageIntegrity::check(&mut self.message, self.password.as_bytes(), self.provider.crypto())
                .is_ok()
    }
    fn build_request(&mut self, out: &mut Vec<u8>) {
        self.message.reset();
        self.message
            .build(&[
                Box::new(BINDING_REQUEST),
                Box::new(self.id),
                Box::new(Username::new(ATTR_USERNAME, data::USERNAME.to_owned())),
                Box::new(PriorityAttr(data::PRIORITY)),
                Box::new(AttrControlling(data::TIE)),
                Box::<UseCandidateAttr>::default(),
                Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                    self.password.clone(),
                    self.provider.crypto(),
                )),
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
                Box::new(self.id),
                Box::new(XorMappedAddress { ip: mapped.ip(), port: mapped.port() }),
                Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                    self.password.clone(),
                    self.provider.crypto(),
                )),
                Box::new(FINGERPRINT),
            ])
            .unwrap();
        out.clear();
        out.extend_from_slice(&self.message.raw);
    }
    fn classify(&mut self, datagrams: &[Vec<u8>]) -> (u32, u32, u32) {
        count(datagrams, is_stun_message, ChannelData::is_channel_data)
    }
    fn wrap_channel(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        self.channel_data.data.clear();
        self.channel_data.data.extend_from_slice(payload);
        self.channel_data.number = ChannelNumber(data::CHANNEL);
        std::mem::swap(&mut self.channel_data.raw, out);
        self.channel_data.encode();
        std::mem::swap(&mut self.channel_data.raw, out);
    }
    fn unwrap_channel(&mut self, datagram: &[u8]) -> Option<(u16, usize, u8)> {
        self.channel_data.raw.clear();
        self.channel_data.raw.extend_from_slice(datagram);
        self.channel_data.decode().ok()?;
        Some((self.channel_data.number.0, self.channel_data.data.len(), self.channel_data.data[0]))
    }
    fn wrap_send(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        let peer = data::peer();
        self.message.reset();
        self.message
            .build(&[
                Box::new(self.id),
                Box::new(MessageType::new(METHOD_SEND, CLASS_INDICATION)),
                Box::new(PeerAddress { ip: peer.ip(), port: peer.port() }),
                Box::new(Data(payload.to_vec())),
            ])
            .unwrap();
        out.clear();
        out.extend_from_slice(&self.message.raw);
    }
    fn unwrap_data(&mut self, datagram: &[u8]) -> Option<(SocketAddr, usize, u8)> {
        self.message.unmarshal_binary(datagram).ok()?;
        let (mut peer, mut payload) = (PeerAddress::default(), Data::default());
        peer.get_from(&self.message).ok()?;
        payload.get_from(&self.message).ok()?;
        Some((SocketAddr::new(peer.ip, peer.port), payload.0.len(), payload.0[0]))
    }
}
