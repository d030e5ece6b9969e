//! The messages of floe.
use crate::data;
use crate::traits::{Codec, Parsed};
use floe::Transport;
use floe::stun::{
    Builder, Fingerprint, IceControlling, Integrity, Key, Kind, Message, Method, Priority, TransactionId,
    UseCandidate, Username, XorMappedAddress, authenticate,
};
use floe::turn::{ChannelData, ChannelNumber, Data, XorPeerAddress};
use std::net::SocketAddr;

pub struct FloeCodec {
    key: Key,
    id: TransactionId,
}

impl Codec for FloeCodec {
    const NAME: &'static str = "floe";
    const BACKEND: &'static str = "RustCrypto sha1 0.11 (SHA-NI), both keyed states kept; crc32fast";

    fn new(password: &str) -> Self {
        Self { key: Key::short_term(password.as_bytes()), id: data::TXID.into() }
    }

    fn parse(&mut self, message: &[u8]) -> Option<Parsed> {
        parsed(&Message::parse(message).ok()?)
    }

    fn parse_verify(&mut self, message: &[u8]) -> bool {
        let Ok(message) = Message::parse(message) else { return false };
        message.fingerprint() == Fingerprint::Valid
            && authenticate(&message, |name| (name == data::USERNAME.as_bytes()).then_some(&self.key))
                .is_ok_and(|(verified, _)| parsed(&verified).is_some())
    }

    fn build_request(&mut self, out: &mut Vec<u8>) {
        out.clear();
        let Ok(username) = Username::new(data::USERNAME) else { return };
        Builder::request(out, Method::BINDING, self.id)
            .attribute(&username)
            .attribute(&Priority(data::PRIORITY))
            .attribute(&IceControlling(data::TIE))
            .attribute(&UseCandidate)
            .integrity(&self.key, Integrity::Sha1)
            .fingerprint();
    }

    fn build_response(&mut self, out: &mut Vec<u8>) {
        out.clear();
        Builder::success(out, Method::BINDING, self.id)
            .attribute(&XorMappedAddress(data::mapped()))
            .integrity(&self.key, Integrity::Sha1)
            .fingerprint();
    }

    fn classify(&mut self, datagrams: &[Vec<u8>]) -> (u32, u32, u32) {
        let (mut stun, mut channel) = (0, 0);
        for kind in datagrams.iter().map(|datagram| Kind::of(datagram)) {
            stun += u32::from(kind == Kind::Stun);
            channel += u32::from(kind == Kind::Channel);
        }
        (stun, channel, datagrams.len() as u32 - stun - channel)
    }

    fn wrap_channel(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let number = ChannelNumber::new(data::CHANNEL);
        if let Some(message) = number.and_then(|number| ChannelData::new(number, payload)) {
            message.encode(Transport::Udp, out);
        }
    }

    fn unwrap_channel(&mut self, datagram: &[u8]) -> Option<(u16, usize, u8)> {
        let message = ChannelData::parse(datagram).ok()?;
        Some((message.number().as_u16(), message.payload().len(), *message.payload().first()?))
    }

    fn wrap_send(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        out.clear();
        Builder::indication(out, Method::SEND, self.id)
            .attribute(&XorPeerAddress(data::peer()))
            .attribute(&Data(payload));
    }

    fn unwrap_data(&mut self, datagram: &[u8]) -> Option<(SocketAddr, usize, u8)> {
        let message = Message::parse(datagram).ok()?;
        let XorPeerAddress(peer) = message.get()?.ok()?;
        let Data(payload) = message.get()?.ok()?;
        Some((peer, payload.len(), *payload.first()?))
    }
}

fn parsed(message: &Message<'_>) -> Option<Parsed> {
    let username: Username<'_> = message.get()?.ok()?;
    let Priority(priority) = message.get()?.ok()?;
    let IceControlling(tie_breaker) = message.get()?.ok()?;
    let use_candidate = message.get::<UseCandidate>().is_some_and(|flag| flag.is_ok());
    Some(Parsed { username_len: username.as_bytes().len(), priority, tie_breaker, use_candidate })
}
