use super::*;
use crate::stun::{Message, Software, Username, XorMappedAddress};
use alloc::vec;

const ID: [u8; 12] = [7; 12];

/// Padding must not disclose memory.
#[test]
fn what_the_buffer_held_before_does_not_show() {
    let key = Key::short_term(b"password");
    let messages = [0xaa, 0x55].map(|fill| {
        let mut out = vec![fill; 1024];
        out.clear();
        Builder::error(
            &mut out,
            Method::BINDING,
            ID.into(),
            &ErrorCode::BAD_REQUEST.with_reason("no").unwrap(),
        )
        .attribute(&Username::new("a").unwrap())
        .attribute(&Software::new("abc").unwrap())
        .attribute(&XorMappedAddress("192.0.2.1:1".parse().unwrap()))
        .both_integrities(&key)
        .fingerprint();
        out
    });
    assert_eq!(messages[0], messages[1]);
}

/// Proves: rfc8489-14-1
#[test]
fn padding_is_zero() {
    let mut out = Vec::new();
    Builder::request(&mut out, Method::BINDING, ID.into()).raw(AttributeType::SOFTWARE, b"abcde");
    assert_eq!(out[20..], *b"\x80\x22\0\x05abcde\0\0\0");
}

#[test]
fn a_message_is_appended_to_what_is_there() {
    let key = Key::short_term(b"password");
    let build = |out: &mut Vec<u8>| {
        Builder::request(out, Method::BINDING, ID.into())
            .attribute(&Username::new("abc").unwrap())
            .integrity(&key, Integrity::Sha1)
            .fingerprint();
    };
    let mut alone = Vec::new();
    build(&mut alone);
    let mut appended = b"odd".to_vec();
    build(&mut appended);
    assert_eq!(appended[..3], *b"odd");
    assert_eq!(appended[3..], alone);
}

#[test]
fn every_step_leaves_a_whole_message() {
    let mut out = Vec::new();
    Builder::request(&mut out, Method::BINDING, ID.into());
    assert!(Message::parse(&out).is_ok());
    out.clear();
    Builder::request(&mut out, Method::BINDING, ID.into()).raw(AttributeType::SOFTWARE, b"abcde");
    assert_eq!(Message::parse(&out).unwrap().attributes().count(), 1);
}

#[test]
fn what_does_not_fit_is_left_out_and_seals_always_fit() {
    let key = Key::short_term(b"password");
    for (len, fits) in [(65_460, true), (65_461, false), (65_535, false), (65_536, false), (200_000, false)] {
        let mut out = Vec::new();
        Builder::request(&mut out, Method::BINDING, ID.into())
            .raw(AttributeType::SOFTWARE, &vec![b'x'; len])
            .both_integrities(&key)
            .fingerprint();
        let message = Message::parse(&out).unwrap();
        assert_eq!(message.contains(AttributeType::SOFTWARE), fits, "{len}");
        assert!(message.verify(&key).is_ok());
        assert_eq!(message.fingerprint(), crate::stun::Fingerprint::Valid);
    }
}

/// Proves: rfc8489-6.3.1.1-1
#[test]
fn an_error_has_its_code_first_and_an_unauthenticated_answer_fits_36_bytes() {
    for code in [ErrorCode::BAD_REQUEST, ErrorCode::UNAUTHENTICATED] {
        let mut out = Vec::new();
        Builder::error(&mut out, Method::BINDING, ID.into(), &code).fingerprint();
        assert_eq!(out.len(), 36);
        let message = Message::parse(&out).unwrap();
        assert_eq!(message.class(), Class::Error);
        assert_eq!(message.attributes().next().map(|(kind, _)| kind), Some(AttributeType::ERROR_CODE));
        assert_eq!(message.get::<ErrorCode<'_>>(), Some(Ok(code)));
    }
}

/// Proves: rfc8489-6.1-1, rfc8489-16.1.2-1
#[test]
fn software_is_sent_only_if_asked_for() {
    let mut out = Vec::new();
    Builder::request(&mut out, Method::BINDING, ID.into()).fingerprint();
    assert!(!Message::parse(&out).unwrap().contains(AttributeType::SOFTWARE));
    out.clear();
    Builder::request(&mut out, Method::BINDING, ID.into())
        .attribute(&Software::new("x").unwrap())
        .fingerprint();
    assert!(Message::parse(&out).unwrap().contains(AttributeType::SOFTWARE));
}
