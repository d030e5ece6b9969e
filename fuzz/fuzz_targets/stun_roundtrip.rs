//! A message that was read and is written again reads the same, and its integrity holds.
//!
//! `cargo +nightly fuzz run stun_roundtrip fuzz/corpus/stun_roundtrip tests/corpus/stun`
#![no_main]

use floe::stun::{Builder, Class, ErrorCode, Fingerprint, Integrity, Key, Message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = Message::parse(bytes) else { return };
    // Leaves room for ERROR-CODE and two seals within the limits of the parser.
    if bytes.len() > 65_000 || read.attributes().count() > 61 {
        return;
    }
    let (method, id) = (read.method(), read.transaction_id());
    let key = Key::short_term(b"password");
    let integrity = read.integrity_kind().unwrap_or(Integrity::Sha1);
    let mut out = Vec::new();
    let mut skip = 0;
    let builder = match read.class() {
        Class::Request => Builder::request(&mut out, method, id),
        Class::Indication => Builder::indication(&mut out, method, id),
        Class::Success => Builder::success(&mut out, method, id),
        Class::Error => {
            skip = 1;
            Builder::error(&mut out, method, id, &ErrorCode::BAD_REQUEST)
        }
    };
    read.attributes()
        .fold(builder, |builder, (kind, value)| builder.raw(kind, value))
        .integrity(&key, integrity)
        .fingerprint();

    let written = Message::parse(&out).expect("what was built is a message");
    assert_eq!((written.class(), written.method(), written.transaction_id()), (read.class(), method, id));
    assert!(written.attributes().skip(skip).eq(read.attributes()));
    assert_eq!(written.fingerprint(), Fingerprint::Valid);
    assert_eq!(written.verify(&key).expect("integrity was just made").integrity(), integrity);
});
