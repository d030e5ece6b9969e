//! TURN messages of other programs, read attribute by attribute.

use floe::stun::{Attribute, Message, Method, Realm};
use floe::turn::{ChannelData, ChannelNumber, RequestedTransport, ReservationToken, XorPeerAddress};
use std::fmt::Debug;
use std::fs;
use std::path::Path;

fn file(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/stun").join(name)).unwrap()
}

fn value<'a, A: Attribute<'a> + Debug>(message: &Message<'a>) -> A {
    message.get::<A>().unwrap().unwrap()
}

#[test]
fn a_messenger_allocates() {
    for name in
        ["ndpi-telegram_videocall-stun-010bc59fd2f1.bin", "ndpi-telegram_videocall-stun-16672c0eb158.bin"]
    {
        let bytes = file(name);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.method(), Method::ALLOCATE);
        assert_eq!(value::<RequestedTransport>(&message), RequestedTransport::UDP);
    }
}

#[test]
fn a_messenger_binds_a_channel() {
    let bytes = file("ndpi-viber-stun-0eee5f3b82e0.bin");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.method(), Method::CHANNEL_BIND);
    assert_eq!(value::<ChannelNumber>(&message), ChannelNumber::MIN);
    assert_eq!(value::<XorPeerAddress>(&message).0, "18.195.4.121:61359".parse().unwrap());
    assert_eq!(value::<Realm<'_>>(&message).as_bytes(), b"viber.com");
}

#[test]
fn a_server_hands_out_a_token() {
    let bytes = file("coturn-server-seed_reservation_token.raw");
    let message = Message::parse(&bytes).unwrap();
    let token = ReservationToken([0xde, 0xad, 0xbe, 0xef, 0xca, 0xfe, 0xba, 0xbe]);
    assert_eq!(value::<ReservationToken>(&message), token);
}

/// Proves: rfc8656-12.4-1
#[test]
fn media_travels_in_channels() {
    for (name, len) in [("ndpi-stun-chan-23f66c8252f0.bin", 50), ("ndpi-stun-chan-e5906a6aee09.bin", 22)] {
        let bytes = file(name);
        let message = ChannelData::parse(&bytes).unwrap();
        assert_eq!(message.number().as_u16(), 0x4003);
        assert_eq!(message.payload(), &bytes[4..4 + len]);
        // A feedback packet of RTCP.
        assert_eq!(message.payload()[..2], [0x80, 0xc9]);
    }
}
