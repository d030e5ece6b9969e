//! `stun_codec` 0.4 (bytecodec based). Codec only.
use crate::data;
use crate::traits::*;
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
    d: MessageDecoder<Attr>,
    pwd: String,
}
impl StunCodec {
    fn finish(&self, mut m: Message<Attr>, out: &mut Vec<u8>) {
        let mi = MessageIntegrity::new_short_term_credential(&m, &self.pwd).unwrap();
        m.add_attribute(mi);
        let fp = Fingerprint::new(&m).unwrap();
        m.add_attribute(fp);
        *out = MessageEncoder::new().encode_into_bytes(m).unwrap();
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
        StunCodec { d: MessageDecoder::new(), pwd: password.into() }
    }
    fn parse(&mut self, msg: &[u8]) -> Option<Parsed> {
        let m = self.d.decode_from_bytes(msg).ok()?.ok()?;
        Some(Parsed {
            username_len: m.get_attribute::<Username>()?.name().len(),
            priority: m.get_attribute::<Priority>()?.prio(),
            tie_breaker: m.get_attribute::<IceControlling>()?.prio(),
            use_candidate: m.get_attribute::<UseCandidate>().is_some(),
        })
    }
    fn parse_verify(&mut self, msg: &[u8]) -> bool {
        let Ok(Ok(m)) = self.d.decode_from_bytes(msg) else { return false };
        m.get_attribute::<Priority>().is_some()
            && m.get_attribute::<IceControlling>().is_some()
            && m.get_attribute::<Fingerprint>().is_some()
            && m.get_attribute::<MessageIntegrity>()
                .is_some_and(|i| i.check_short_term_credential(&self.pwd).is_ok())
    }
    fn build_request(&mut self, out: &mut Vec<u8>) {
        let mut m: Message<Attr> =
            Message::new(MessageClass::Request, BINDING, TransactionId::new(data::TXID));
        m.add_attribute(Username::new(data::USERNAME.to_owned()).unwrap());
        m.add_attribute(Priority::new(data::PRIORITY));
        m.add_attribute(IceControlling::new(data::TIE));
        m.add_attribute(UseCandidate::new());
        self.finish(m, out);
    }
    fn build_response(&mut self, out: &mut Vec<u8>) {
        let mut m: Message<Attr> =
            Message::new(MessageClass::SuccessResponse, BINDING, TransactionId::new(data::TXID));
        m.add_attribute(XorMappedAddress::new(data::mapped()));
        self.finish(m, out);
    }
    fn wrap_send(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        let mut m: Message<Attr> =
            Message::new(MessageClass::Indication, SEND, TransactionId::new(data::TXID));
        m.add_attribute(XorPeerAddress::new(data::peer()));
        m.add_attribute(Data::new(payload.to_vec()).unwrap());
        *out = MessageEncoder::new().encode_into_bytes(m).unwrap();
    }
    fn unwrap_data(&mut self, pkt: &[u8]) -> Option<(SocketAddr, usize, u8)> {
        let m = self.d.decode_from_bytes(pkt).ok()?.ok()?;
        let d = m.get_attribute::<Data>()?;
        Some((m.get_attribute::<XorPeerAddress>()?.address(), d.data().len(), d.data()[0]))
    }
}
