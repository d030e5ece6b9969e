use super::*;
use crate::stun::*;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

const ID: [u8; 12] = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11, 10];

fn encoded<'a>(attribute: &impl Attribute<'a>) -> Vec<u8> {
    let mut out = Vec::new();
    attribute.encode(&ID.into(), &mut out);
    out
}

fn decoded<'a, A: Attribute<'a>>(value: &'a [u8]) -> Result<A, DecodeError> {
    A::decode(value, &ID.into())
}

fn too_long<T>(result: Result<T, EncodeError>) -> bool {
    matches!(result, Err(EncodeError::TooLong { .. }))
}

/// Proves: rfc8489-18.3-1
#[test]
fn attribute_types_have_their_numbers() {
    type T = AttributeType;
    let table = [
        (T::MAPPED_ADDRESS, 0x0001),
        (T::USERNAME, 0x0006),
        (T::MESSAGE_INTEGRITY, 0x0008),
        (T::ERROR_CODE, 0x0009),
        (T::UNKNOWN_ATTRIBUTES, 0x000a),
        (T::REALM, 0x0014),
        (T::NONCE, 0x0015),
        (T::MESSAGE_INTEGRITY_SHA256, 0x001c),
        (T::PASSWORD_ALGORITHM, 0x001d),
        (T::USERHASH, 0x001e),
        (T::XOR_MAPPED_ADDRESS, 0x0020),
        (T::PRIORITY, 0x0024),
        (T::USE_CANDIDATE, 0x0025),
        (T::PASSWORD_ALGORITHMS, 0x8002),
        (T::ALTERNATE_DOMAIN, 0x8003),
        (T::SOFTWARE, 0x8022),
        (T::ALTERNATE_SERVER, 0x8023),
        (T::FINGERPRINT, 0x8028),
        (T::ICE_CONTROLLED, 0x8029),
        (T::ICE_CONTROLLING, 0x802a),
    ];
    for (kind, number) in table {
        assert_eq!(kind.as_u16(), number);
        assert_eq!(kind.is_comprehension_required(), number < 0x8000);
    }
}

#[test]
fn numbers_and_flags_come_in_one_size() {
    assert_eq!(decoded::<Priority>(&[0x6e, 0, 1, 0xff]), Ok(Priority(0x6e00_01ff)));
    assert_eq!(encoded(&IceControlled(0x0102_0304_0506_0708)), [1, 2, 3, 4, 5, 6, 7, 8]);
    for len in 0..=40 {
        let value = vec![0; len];
        assert_eq!(decoded::<Priority>(&value).is_ok(), len == 4);
        assert_eq!(decoded::<UseCandidate>(&value).is_ok(), len == 0);
        assert_eq!(decoded::<IceControlling>(&value).is_ok(), len == 8);
        assert_eq!(decoded::<IceControlled>(&value).is_ok(), len == 8);
        assert_eq!(decoded::<Userhash>(&value).is_ok(), len == 32);
    }
}

/// Proves: rfc8489-14.1-1
#[test]
fn the_family_of_an_address_decides_its_length() {
    for len in 0..=24 {
        for (family, right) in [(1, 8), (2, 20)] {
            let mut value = vec![0xff; len];
            value.iter_mut().skip(1).take(1).for_each(|byte| *byte = family);
            assert_eq!(decoded::<MappedAddress>(&value).is_ok(), len == right, "{len}");
            assert_eq!(decoded::<XorMappedAddress>(&value).is_ok(), len == right, "{len}");
        }
    }
    for family in [0, 3, 255] {
        let expected = Err(DecodeError::AddressFamily(family));
        assert_eq!(decoded::<XorMappedAddress>(&[0, family, 0, 0, 0, 0, 0, 0]), expected);
    }
}

/// Proves: rfc8489-14.2-1, rfc8489-14.15-1
#[test]
fn xored_addresses_are_xored_and_plain_ones_are_not() {
    let v4 = "192.0.2.1:3478".parse().unwrap();
    let v6 = "[2001:db8::1]:3478".parse().unwrap();
    assert_eq!(encoded(&AlternateServer(v4)), [0, 1, 0x0d, 0x96, 192, 0, 2, 1]);
    assert_eq!(encoded(&AlternateServer(v6))[..8], [0, 2, 0x0d, 0x96, 0x20, 0x01, 0x0d, 0xb8]);
    assert_eq!(encoded(&XorMappedAddress(v4)), [0, 1, 0x2c, 0x84, 192 ^ 0x21, 0x12, 2 ^ 0xa4, 1 ^ 0x42]);
    let xored = encoded(&XorMappedAddress(v6));
    assert_eq!(xored[..8], [0, 2, 0x2c, 0x84, 0x20 ^ 0x21, 0x01 ^ 0x12, 0x0d ^ 0xa4, 0xb8 ^ 0x42]);
    assert_eq!(xored[8..19], ID[..11]);
    assert_eq!(xored[19], ID[11] ^ 1);
    for address in [v4, v6] {
        assert_eq!(decoded(&encoded(&AlternateServer(address))), Ok(AlternateServer(address)));
        assert_eq!(decoded(&encoded(&XorMappedAddress(address))), Ok(XorMappedAddress(address)));
    }
}

/// Proves: rfc8489-14.3-1
#[test]
fn a_user_name_has_508_bytes_to_send_and_763_to_receive() {
    let text = "x".repeat(764);
    assert!(Username::new(&text[..508]).is_ok());
    assert!(too_long(Username::new(&text[..509])));
    assert_eq!(decoded::<Username<'_>>(&text.as_bytes()[..763]).unwrap().as_bytes().len(), 763);
    assert!(decoded::<Username<'_>>(text.as_bytes()).is_err());
    assert!(decoded::<Username<'_>>(b"\xff").unwrap().to_str().is_err());
}

/// Proves: rfc8489-14.9-1, rfc8489-14.14-1
#[test]
fn realm_and_software_have_127_characters_to_send_and_763_bytes_to_receive() {
    let (fits, exceeds) = ("ü".repeat(127), "ü".repeat(128));
    assert!(Realm::new(&fits).is_ok() && Software::new(&fits).is_ok());
    assert!(too_long(Realm::new(&exceeds)) && too_long(Software::new(&exceeds)));
    let bytes = [0xff; 764];
    assert_eq!(encoded(&decoded::<Realm<'_>>(&bytes[..763]).unwrap()), bytes[..763]);
    assert!(decoded::<Software<'_>>(&bytes[..763]).is_ok());
    assert!(decoded::<Realm<'_>>(&bytes).is_err() && decoded::<Software<'_>>(&bytes).is_err());
}

/// Proves: rfc8489-14.10-1
#[test]
fn a_nonce_has_509_bytes_to_send_and_763_to_receive_and_is_echoed_as_it_is() {
    let bytes = [0xff; 764];
    assert!(Nonce::new(&bytes[..509]).is_ok());
    assert!(too_long(Nonce::new(&bytes[..510])));
    assert!(too_long(Nonce::new(&[b'x'; 128])));
    assert!(decoded::<Nonce<'_>>(&bytes).is_err());
    for nonce in [&bytes[..763], b"\x80\0\xfe nonce", b""] {
        assert_eq!(encoded(&decoded::<Nonce<'_>>(nonce).unwrap()), nonce);
    }
}

/// Proves: rfc8489-9.2-1
#[test]
fn a_nonce_cookie_names_features_from_the_first_bit_on() {
    let features = |nonce: &[u8]| {
        let features = Nonce::new(nonce).unwrap().security_features();
        (features.password_algorithms, features.username_anonymity)
    };
    assert_eq!(features(b"obMatJos2gAAA"), (true, false));
    assert_eq!(features(b"obMatJos2QAAAf//499k"), (false, true));
    assert_eq!(features(b"obMatJos2wAAA"), (true, true));
    assert_eq!(features(b"obMatJos2AAAC"), (false, false));
    for none in [&b"obMatJos2g!AA"[..], b"obMatJos2gAA", b"obMatJos3wAAA", b""] {
        assert_eq!(features(none), (false, false));
    }
}

/// Proves: rfc8489-14.16-1
#[test]
fn an_alternate_domain_is_255_characters_of_ascii() {
    let text = "x".repeat(256);
    assert!(AlternateDomain::new(&text[..255]).is_ok());
    assert!(too_long(AlternateDomain::new(&text)));
    assert_eq!(AlternateDomain::new("bücher.example"), Err(EncodeError::NotAscii));
    assert_eq!(encoded(&AlternateDomain::new("turn.example").unwrap()), b"turn.example");
    assert_eq!(decoded::<AlternateDomain<'_>>(b"turn.example").unwrap().as_str(), "turn.example");
    assert!(decoded::<AlternateDomain<'_>>(text.as_bytes()).is_err());
    assert!(decoded::<AlternateDomain<'_>>(b"\xff").is_err());
}

/// Proves: rfc8489-14.8-1
#[test]
fn an_error_code_ranges_from_300_to_699() {
    let read = |class, number| decoded::<ErrorCode<'_>>(&[0xff, 0xff, class, number]).map(|code| code.code());
    for class in 0..=7 {
        for number in 0..=255 {
            let expected =
                (matches!(class, 3..=6) && number < 100).then(|| class as u16 * 100 + u16::from(number));
            assert_eq!(read(class, number).ok(), expected);
            assert_eq!(read(class | 0xf8, number).ok(), expected, "reserved bits");
        }
    }
    for code in [299, 700, 0, u16::MAX] {
        assert_eq!(ErrorCode::new(code), Err(EncodeError::ErrorCode(code)));
    }
    for code in 300..=699 {
        let written = encoded(&ErrorCode::new(code).unwrap());
        assert_eq!(decoded::<ErrorCode<'_>>(&written).unwrap().code(), code);
        assert_eq!(written[..2], [0, 0]);
    }
    for len in 0..4 {
        assert!(decoded::<ErrorCode<'_>>(&[0, 0, 4, 0][..len]).is_err());
    }
}

/// Proves: rfc8489-14.8-1
#[test]
fn a_bad_reason_does_not_spoil_the_code() {
    let code = decoded::<ErrorCode<'_>>(b"\0\0\x04\x01\xffno\0").unwrap();
    assert_eq!((code.code(), code.reason(), &*code.reason_lossy()), (401, &b"\xffno\0"[..], "\u{fffd}no\0"));
    assert_eq!(alloc::format!("{code:?}"), r#"401 "\xffno\x00""#);
    let long = [&[0, 0, 4, 1][..], &[b'x'; 764]].concat();
    assert!(decoded::<ErrorCode<'_>>(&long[..767]).is_ok());
    assert!(decoded::<ErrorCode<'_>>(&long).is_err());
    let reason = "ü".repeat(128);
    let bad_request = ErrorCode::BAD_REQUEST;
    assert!(bad_request.with_reason(reason.strip_suffix('ü').unwrap()).is_ok());
    assert!(too_long(bad_request.with_reason(&reason)));
}

/// Proves: rfc8489-14.13-1
#[test]
fn unknown_attributes_are_a_list_of_numbers() {
    for count in 0..=3_usize {
        let list: UnknownAttributes = (0..count).map(|n| AttributeType::new(0x7f00 + n as u16)).collect();
        let written = encoded(&list);
        assert_eq!(written, [0x7f, 0, 0x7f, 1, 0x7f, 2][..count * 2]);
        assert_eq!(decoded(&written), Ok(list));
    }
    assert!(decoded::<UnknownAttributes>(&[0x7f]).is_err());
    assert!(decoded::<UnknownAttributes>(&[0x7f, 0, 0]).is_err());
    assert!(decoded::<UnknownAttributes>(&[0; 128]).is_ok());
    assert!(decoded::<UnknownAttributes>(&[0; 130]).is_err());
}

/// Proves: rfc8489-14.12-1
#[test]
fn a_password_algorithm_is_one_entry() {
    assert_eq!(encoded(&PasswordAlgorithm::MD5), [0, 1, 0, 0]);
    assert_eq!(encoded(&PasswordAlgorithm::SHA256), [0, 2, 0, 0]);
    assert_eq!(decoded(&[0, 2, 0, 0]), Ok(PasswordAlgorithm::SHA256));
    let odd: PasswordAlgorithm<'_> = decoded(b"\x77\x77\0\x05param").unwrap();
    assert_eq!((odd.number(), odd.parameters()), (0x7777, &b"param"[..]));
    assert_eq!(encoded(&odd), b"\x77\x77\0\x05param");
    for wrong in [&b""[..], &[0, 1, 0], &[0, 1, 0, 1], &[0, 1, 0, 0, 0, 2, 0, 0]] {
        assert!(decoded::<PasswordAlgorithm<'_>>(wrong).is_err(), "{wrong:?}");
    }
}

/// Proves: rfc8489-14.11-1
#[test]
fn password_algorithms_are_a_list_and_echoed_as_they_are() {
    let list: PasswordAlgorithms<'_> =
        decoded(b"\0\x02\0\0\x77\x77\0\x05param\x20\x20\x20\0\x01\0\0").unwrap();
    let numbers: Vec<_> = list.iter().map(|entry| (entry.number(), entry.parameters())).collect();
    assert_eq!(numbers, [(2, &b""[..]), (0x7777, b"param"), (1, b"")]);
    assert_eq!(encoded(&list), b"\0\x02\0\0\x77\x77\0\x05param\x20\x20\x20\0\x01\0\0");
    assert_eq!(decoded::<PasswordAlgorithms<'_>>(b"").unwrap().iter().count(), 0);
    for truncated in [&b"\0\x02\0"[..], b"\0\x02\0\x01", b"\0\x02\0\0\0\x01", b"\0\x02\xff\xffabcd"] {
        assert!(decoded::<PasswordAlgorithms<'_>>(truncated).is_err(), "{truncated:?}");
    }
}

/// Lesson: L-65
#[test]
fn every_attribute_survives_every_length_and_byte() {
    fn all_of(value: &[u8]) {
        let _ = decoded::<MappedAddress>(value).map(|a| encoded(&a));
        let _ = decoded::<XorMappedAddress>(value).map(|a| encoded(&a));
        let _ = decoded::<Username<'_>>(value).map(|a| assert_eq!(encoded(&a), value));
        let _ = decoded::<Nonce<'_>>(value).map(|a| a.security_features());
        let _ = decoded::<ErrorCode<'_>>(value).map(|a| (encoded(&a), String::from(a.reason_lossy())));
        let _ = decoded::<UnknownAttributes>(value).map(|a| assert_eq!(encoded(&a), value));
        let _ = decoded::<PasswordAlgorithms<'_>>(value).map(|a| a.iter().count());
        let _ = decoded::<PasswordAlgorithm<'_>>(value).map(|a| encoded(&a));
        let _ = decoded::<AlternateDomain<'_>>(value).map(|a| assert_eq!(encoded(&a), value));
    }
    for byte in 0..=255 {
        (0..40).for_each(|len| all_of(&vec![byte; len]));
    }
}
