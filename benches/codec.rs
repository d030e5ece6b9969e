//! Messages: reading, verifying, building, telling apart.

mod support;

use floe::stun::{
    AttributeType, Builder, Fingerprint, IceControlling, Integrity, Key, Kind, Message, Method, Priority,
    UseCandidate, Username, XorMappedAddress, authenticate,
};
use std::hint::black_box;
use support::Table;

fn main() {
    let (table, key, other) = (Table::from_args(), key(), Key::short_term(b"somebody else's password"));
    let (mut check, mut out) = (Vec::new(), Vec::with_capacity(2_048));
    build_check(&mut check, &key);

    table.case("parse a check, read its attributes", || read(&check));
    table.case("parse and verify a check", || verify(&check, &key));
    table.case("turn down a forged check", || verify(&check, &other));
    table.case("build a check", || {
        out.clear();
        build_check(&mut out, &key);
    });
    table.case("build an answer", || {
        out.clear();
        build_answer(&mut out, &key);
    });
    let traffic = traffic(&check);
    table.case("classify 16 datagrams", || {
        traffic.iter().filter(|datagram| matches!(Kind::of(black_box(datagram)), Kind::Stun)).count()
    });
    // The most attributes that a message may have, each of them unknown, and as much to hash as there is room for.
    for length in [512, 2_048] {
        let worst = worst(length, &other);
        table.case(&format!("turn down the worst {length} bytes"), || {
            let message = Message::parse(black_box(&worst)).unwrap();
            let name = message.get::<Username<'_>>();
            (
                message.fingerprint(),
                name,
                message.verify(&key).is_err(),
                message.unknown_required(|_| false).count(),
            )
        });
    }
}

fn key() -> Key {
    Key::short_term(b"l0calPassw0rdOf24Chars+/")
}

fn build_check(out: &mut Vec<u8>, key: &Key) {
    Builder::request(out, Method::BINDING, [7; 12].into())
        .attribute(&Username::new("aB3d:Xy7Z").unwrap())
        .attribute(&Priority(1_862_270_975))
        .attribute(&IceControlling(0x932f_f9b1_5126_3b36))
        .attribute(&UseCandidate)
        .integrity(key, Integrity::Sha1)
        .fingerprint();
}

fn build_answer(out: &mut Vec<u8>, key: &Key) {
    Builder::success(out, Method::BINDING, [7; 12].into())
        .attribute(&XorMappedAddress("192.0.2.1:32853".parse().unwrap()))
        .integrity(key, Integrity::Sha1)
        .fingerprint();
}

fn read(datagram: &[u8]) -> (usize, u32, u64, bool) {
    let message = Message::parse(black_box(datagram)).unwrap();
    let name = message.get::<Username<'_>>().unwrap().unwrap().as_bytes().len();
    let priority = message.get::<Priority>().unwrap().unwrap().0;
    let tie_breaker = message.get::<IceControlling>().unwrap().unwrap().0;
    (name, priority, tie_breaker, message.contains(AttributeType::USE_CANDIDATE))
}

fn verify(datagram: &[u8], key: &Key) -> Option<u32> {
    let message = Message::parse(black_box(datagram)).unwrap();
    assert_eq!(message.fingerprint(), Fingerprint::Valid);
    let (verified, _) = authenticate(&message, |name| (name == b"aB3d:Xy7Z").then_some(key)).ok()?;
    verified.get::<Priority>().and_then(Result::ok).map(|priority| priority.0)
}

/// A signed request of exactly `length` bytes with 64 attributes.
fn worst(length: usize, key: &Key) -> Vec<u8> {
    let mut out = Vec::new();
    let unknown = AttributeType::new(0x7fff);
    let mut builder = Builder::request(&mut out, Method::BINDING, [7; 12].into());
    for _ in 0..61 {
        builder = builder.raw(unknown, &[]);
    }
    let rest = length - 20 - 61 * 4 - 4 - 24 - 8;
    builder.raw(unknown, &vec![0; rest]).integrity(key, Integrity::Sha1).fingerprint();
    assert_eq!((out.len(), Message::parse(&out).unwrap().attributes().count() + 2), (length, 64));
    out
}

/// What a socket of a video call sees: ten packets of RTP, two of RTCP, one of DTLS, two of STUN, one of ChannelData.
fn traffic(check: &[u8]) -> Vec<Vec<u8>> {
    let mut answer = Vec::new();
    build_answer(&mut answer, &key());
    let rtp = |length| vec![0x80; length];
    let lengths = [1_100, 1_100, 120, 1_100, 60, 1_100, 900, 120, 1_100, 60, 1_100, 120];
    let mut traffic: Vec<Vec<u8>> = lengths.into_iter().map(rtp).collect();
    traffic.insert(2, check.to_vec());
    traffic.insert(6, [&[0x40, 1, 4, 0xb0][..], &[0; 1_200]].concat());
    traffic.insert(9, [&[22, 0xfe, 0xfd][..], &[0; 110]].concat());
    traffic.insert(11, answer);
    traffic
}
