use super::*;
use crate::stun::{Builder, Software, Unit, Username, XorMappedAddress};
use alloc::vec::Vec;
use alloc::{format, vec};

const ID: [u8; 12] = [7; 12];

/// A Binding request with these attributes, as they come: seals included, right or not.
fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let builder = Builder::request(&mut out, Method::BINDING, ID.into());
    attributes.iter().fold(builder, |builder, (kind, value)| builder.raw(AttributeType::new(*kind), value));
    out
}

fn kinds(bytes: &[u8]) -> Vec<u16> {
    Message::parse(bytes).unwrap().attributes().map(|(kind, _)| kind.as_u16()).collect()
}

/// Proves: rfc8489-5-1, rfc8489-14-3
#[test]
fn a_header_alone_is_a_message_and_less_is_not() {
    let bytes = request(&[]);
    assert_eq!(bytes.len(), 20);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    assert_eq!(message.transaction_id(), ID.into());
    assert_eq!(message.attributes().count(), 0);
    for len in 0..20 {
        assert_eq!(Message::parse(&bytes[..len]).unwrap_err(), DecodeError::Truncated, "{len}");
    }
}

/// Proves: rfc8489-5-2, rfc8489-5-3, rfc8489-6.3-1
#[test]
fn the_first_two_bits_and_the_cookie_have_to_be_right() {
    for first in [0x40, 0x80, 0xc0] {
        let mut bytes = request(&[]);
        bytes[0] |= first;
        assert_eq!(Message::parse(&bytes).unwrap_err(), DecodeError::NotStun);
    }
    for bit in 0..32 {
        let mut bytes = request(&[]);
        bytes[4 + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Message::parse(&bytes).unwrap_err(), DecodeError::NotStun);
    }
}

/// Proves: rfc8489-5-4
#[test]
fn a_length_that_is_no_multiple_of_four_is_an_error() {
    for length in [1, 2, 3, 5, 21] {
        let mut bytes = request(&[]);
        bytes.resize(20 + usize::from(length), 0);
        bytes[2..4].copy_from_slice(&u16::to_be_bytes(length));
        assert_eq!(Message::parse(&bytes).unwrap_err(), DecodeError::Unaligned(length));
    }
}

/// Proves: rfc8489-5-5
#[test]
fn the_length_has_to_be_that_of_the_datagram() {
    let sound = request(&[(0x8022, b"abcd")]);
    for wrong in [sound[..24].to_vec(), [&sound[..], &[0; 4]].concat(), [&sound[..], &[0]].concat()] {
        let expected = DecodeError::Length { declared: 8, actual: wrong.len() - 20 };
        assert_eq!(Message::parse(&wrong).unwrap_err(), expected);
    }
    for declared in [4_u16, 12, 65_516, 65_532] {
        let mut wrong = sound.clone();
        wrong[2..4].copy_from_slice(&declared.to_be_bytes());
        assert_eq!(Message::parse(&wrong).unwrap_err(), DecodeError::Length { declared, actual: 8 });
    }
}

/// Proves: rfc8489-14-2
#[test]
fn an_attribute_may_not_run_past_the_end() {
    for (kind, len) in
        [(0x8022, 5), (0x8022, 8), (0x0020, 65_532), (0x0006, 65_535), (0x0008, 20), (0x8028, 65_533)]
    {
        let mut bytes = request(&[(kind, b"abcd")]);
        bytes[22..24].copy_from_slice(&u16::to_be_bytes(len));
        assert_eq!(
            Message::parse(&bytes).unwrap_err(),
            DecodeError::Overrun(AttributeType::new(kind)),
            "{len}"
        );
    }
}

/// Proves: rfc8489-14-1
#[test]
fn padding_is_not_value_and_its_content_does_not_matter() {
    for len in 0..9 {
        let value = &b"abcdefgh"[..len];
        let mut bytes = request(&[(0x8022, value), (0x8022, b"next")]);
        let padded = len.next_multiple_of(4);
        assert_eq!(bytes.len(), 20 + 4 + padded + 8);
        assert!(bytes[24 + len..24 + padded].iter().all(|byte| *byte == 0));
        bytes[24 + len..24 + padded].fill(0x20);
        let message = Message::parse(&bytes).unwrap();
        let values: Vec<_> = message.attributes().map(|(_, value)| value).collect();
        assert_eq!(values, [value, b"next"]);
    }
}

/// Proves: rfc8489-14.7-2
#[test]
fn nothing_may_follow_a_fingerprint() {
    for after in [0x8022_u16, 0x0008, 0x001c, 0x8028] {
        let bytes = request(&[(0x8028, &[0; 4]), (after, &[0; 20])]);
        assert_eq!(Message::parse(&bytes).unwrap_err(), DecodeError::AfterFingerprint, "{after:#x}");
    }
    for len in [0, 3, 5, 8] {
        let bytes = request(&[(0x8028, &[0; 8][..len])]);
        assert_eq!(Message::parse(&bytes).unwrap_err(), DecodeError::Value(AttributeType::FINGERPRINT));
    }
}

/// Proves: rfc8489-9-1, rfc8489-9-2
/// Lesson: L-66, R-46
#[test]
fn what_follows_integrity_is_ignored_but_for_its_kind() {
    let after_sha1: &[(u16, &[u8])] = &[
        (0x8022, b"seen"),
        (0x0008, &[0; 20]),
        (0x0025, b""),
        (0x0008, b"short"),
        (0x001c, &[0; 32]),
        (0x0024, b"0000"),
        (0x8028, &[0; 4]),
    ];
    let bytes = request(after_sha1);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(kinds(&bytes), [0x8022]);
    assert_eq!(message.integrity_kind(), Some(Integrity::Sha256));
    assert!(message.contains(AttributeType::MESSAGE_INTEGRITY));
    assert!(message.contains(AttributeType::MESSAGE_INTEGRITY_SHA256));
    assert!(message.contains(AttributeType::FINGERPRINT));
    assert!(!message.contains(AttributeType::USE_CANDIDATE));
    assert_eq!(message.get::<crate::stun::UseCandidate>(), None);
    assert_eq!(message.unknown_required(|_| false).count(), 0);

    let after_sha256 = request(&[(0x001c, &[0; 32]), (0x0008, b"ignored"), (0x0024, b"0000")]);
    let message = Message::parse(&after_sha256).unwrap();
    assert_eq!(message.integrity_kind(), Some(Integrity::Sha256));
    assert!(!message.contains(AttributeType::MESSAGE_INTEGRITY));
    assert!(!message.contains(AttributeType::PRIORITY));
}

/// Proves: rfc8489-14.5-2, rfc8489-14.6-1
#[test]
fn integrity_attributes_come_in_their_sizes_only() {
    for len in 0..=40 {
        let value = &[0; 40][..len];
        let sha1 = Message::parse(&request(&[(0x0008, value)])).map(|_| ());
        let expected =
            if len == 20 { Ok(()) } else { Err(DecodeError::Value(AttributeType::MESSAGE_INTEGRITY)) };
        assert_eq!(sha1, expected, "{len}");
        let sha256 = Message::parse(&request(&[(0x001c, value)])).is_ok();
        assert_eq!(sha256, (16..=32).contains(&len) && len % 4 == 0, "{len}");
    }
}

/// Proves: rfc8489-6.3-6
#[test]
fn of_repeated_attributes_the_first_counts() {
    let [first, second] = ["192.0.2.1:1", "192.0.2.2:2"].map(|text| XorMappedAddress(text.parse().unwrap()));
    let mut bytes = Vec::new();
    Builder::success(&mut bytes, Method::BINDING, ID.into()).attribute(&first).attribute(&second);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.get::<XorMappedAddress>(), Some(Ok(first)));
    assert!(message.all::<XorMappedAddress>().eq([Ok(first), Ok(second)]));

    let malformed_first = request(&[(0x0020, b"?"), (0x0020, &[0, 1, 0, 0, 0, 0, 0, 0])]);
    let message = Message::parse(&malformed_first).unwrap();
    assert!(matches!(message.get::<XorMappedAddress>(), Some(Err(DecodeError::Value(_)))));
}

/// Proves: rfc8489-6.3-4, rfc8489-6.3-5
/// Lesson: L-65
#[test]
fn only_unknown_attributes_that_require_comprehension_are_complained_of() {
    let bytes = request(&[
        (0x8022, b"known"),
        (0xfffe, b"optional"),
        (0x7f01, b""),
        (0x000d, b"unexpected, but known"),
        (0x7f00, b""),
        (0x7f01, b"again"),
        (0x8000, b""),
        (0x7fff, b""),
    ]);
    let message = Message::parse(&bytes).unwrap();
    let unknown: Vec<_> =
        message.unknown_required(|kind| kind.as_u16() == 0x000d).map(AttributeType::as_u16).collect();
    assert_eq!(unknown, [0x7f01, 0x7f00, 0x7fff]);
    assert_eq!(message.get::<Software<'_>>().unwrap().unwrap().as_bytes(), b"known");
}

#[test]
fn the_sixty_fifth_attribute_is_one_too_many() {
    let many: Vec<(u16, &[u8])> = vec![(0x8022, b""); 65];
    assert_eq!(kinds(&request(&many[..64])).len(), 64);
    assert_eq!(Message::parse(&request(&many)).unwrap_err(), DecodeError::TooManyAttributes);
}

#[test]
fn the_longest_message_there_can_be_is_read() {
    let mut bytes = request(&[]);
    bytes.extend_from_slice(&[0x80, 0x22]);
    bytes.extend_from_slice(&65_528_u16.to_be_bytes());
    bytes.resize(20 + 65_532, 0);
    bytes[2..4].copy_from_slice(&65_532_u16.to_be_bytes());
    assert_eq!(kinds(&bytes), [0x8022]);
    bytes.resize(20 + 65_536, 0);
    assert!(Message::parse(&bytes).is_err());
}

/// Proves: rfc8489-14.7-1
#[test]
fn a_fingerprint_is_absent_wrong_or_valid() {
    let mut bytes = request(&[(0x8022, b"text")]);
    assert_eq!(Message::parse(&bytes).unwrap().fingerprint(), Fingerprint::Absent);
    bytes.clear();
    Builder::request(&mut bytes, Method::BINDING, ID.into())
        .raw(AttributeType::SOFTWARE, b"text")
        .fingerprint();
    assert_eq!(Message::parse(&bytes).unwrap().fingerprint(), Fingerprint::Valid);
    for at in (8..20).chain(24..28).chain(32..36) {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        assert_eq!(Message::parse(&wrong).unwrap().fingerprint(), Fingerprint::Wrong, "byte {at}");
    }
}

#[test]
fn debug_shows_no_values() {
    let mut bytes = Vec::new();
    Builder::request(&mut bytes, Method::BINDING, ID.into()).attribute(&Username::new("evtj:h6vY").unwrap());
    let text = format!("{:?}", Message::parse(&bytes).unwrap());
    assert!(text.contains("0x0006: 9") && !text.contains("evtj"), "{text}");
    assert_eq!(format!("{}", Unit::Bytes), "bytes");
}
