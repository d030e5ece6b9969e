//! `stun_codec` 0.4 (bytecodec based), which has no agent.
use crate::data;
use crate::traits::{Codec, Parsed};
use bytecodec::{DecodeExt, EncodeExt};
use std::net::SocketAddr;
use stun_codec::rfc5245::attributes::{IceControlling, Priority, UseCandidate};
use stun_codec::rfc5389::attributes::{Fingerprint, MessageIntegrity, Username, XorMappedAddress};
use stun_codec::rfc5389::methods::BINDING;
use stun_codec::rfc5766::attributes::{Data, XorPeerAddress};
use stun_codec::rfc5766::methods::SEND;
use stun_codec::{Message, MessageClass, MessageDecoder, MessageEncoder, TransactionId};

stun_codec::define_attribute_enums!(
    Attr,
    AttrDecoder,
    AttrEncoder,
    [
        Username,
        Priority,
        IceControlling,
        UseCandidate,
        MessageIntegrity,
        Fingerprint,
        XorMappedAddress,
        XorPeerAddress,
        Data
    ]
);
pub struct StunCodec {
    decoder: MessageDecoder<Attr>,
    password: String,
}
impl StunCodec {
    fn finish(&self, mut message: Message<Attr>, out: &mut Vec<u8>) {
        let integrity = MessageIntegrity::new_short_term_credential(&message, &self.password).unwrap();
        message.add_attribute(integrity);
        let fingerprint = Fingerprint::new(&message).unwrap();
        message.add_attribute(fingerprint);
        *out = MessageEncoder::new().encode_into_bytes(message).unwrap();
    }
}
impl Codec for StunCodec {
    const NAME: &'static str = "stun_codec";
    const BACKEND: &'static str = "RustCrypto hmac 0.12/sha1 0.10 (SHA-NI), crc 3 (table built per call)";
    const UNSUPPORTED: &'static [(&'static str, &'static str)] =
        &[("A5", "no classifier"), ("A6a", "no ChannelData"), ("A6b", "no ChannelData")];
    const NOTES: &'static [(&'static str, &'static str)] = &[
        (
            "A1",
            "decoding always re-encodes the message to verify FINGERPRINT and to keep the bytes for MESSAGE-INTEGRITY",
        ),
        ("A2", "MAC comparison is not constant time"),
    ];
    fn new(password: &str) -> Self {
        Self { decoder: MessageDecoder::new(), password: password.into() }
    }
    fn parse(&mut self, message: &[u8]) -> Option<Parsed> {
        let message = self.decoder.decode_from_bytes(message).ok()?.ok()?;
        Some(Parsed {
            username_len: message.get_attribute::<Username>()?.name().len(),
            priority: message.get_attribute::<Priority>()?.prio(),
            tie_breaker: message.get_attribute::<IceControlling>()?.prio(),
            use_candidate: message.get_attribute::<UseCandidate>().is_some(),
        })
    }
    fn parse_verify(&mut self, message: &[u8]) -> bool {
        let Ok(Ok(message)) = self.decoder.decode_from_bytes(message) else { return false };
        message.get_attribute::<Priority>().is_some()
            && message.get_attribute::<IceControlling>().is_some()
            && message.get_attribute::<Fingerprint>().is_some()
            && message
                .get_attribute::<MessageIntegrity>()
                .is_some_and(|integrity| integrity.check_short_term_credential(&self.password).is_ok())
    }
    fn build_request(&mut self, out: &mut Vec<u8>) {
        let mut message: Message<Attr> =
            Message::new(MessageClass::Request, BINDING, TransactionId::new(data::TXID));
        message.add_attribute(Username::new(data::USERNAME.to_owned()).unwrap());
        message.add_attribute(Priority::new(data::PRIORITY));
        message.add_attribute(IceControlling::new(data::TIE));
        message.add_attribute(UseCandidate::new());
        self.finish(message, out);
    }
    fn build_response(&mut self, out: &mut Vec<u8>) {
        let mut message: Message<Attr> =
            Message::new(MessageClass::SuccessResponse, BINDING, TransactionId::new(data::TXID));
        message.add_attribute(XorMappedAddress::new(data::mapped()));
        self.finish(message, out);
    }
    fn wrap_send(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        let mut message: Message<Attr> =
            Message::new(MessageClass::Indication, SEND, TransactionId::new(data::TXID));
        message.add_attribute(XorPeerAddress::new(data::peer()));
        message.add_attribute(Data::new(payload.to_vec()).unwrap());
        *out = MessageEncoder::new().encode_into_bytes(message).unwrap();
    }
    fn unwrap_data(&mut self, datagram: &[u8]) -> Option<(SocketAddr, usize, u8)> {
        let message = self.decoder.decode_from_bytes(datagram).ok()?.ok()?;
        let payload = message.get_attribute::<Data>()?;
        Some((message.get_attribute::<XorPeerAddress>()?.address(), payload.data().len(), payload.data()[0]))
    }
}
