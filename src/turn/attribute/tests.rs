use super::*;
use crate::stun::{Builder, Class, Message, Method};
use crate::turn::ChannelNumber;
use alloc::vec;
use core::fmt::Debug;

const ID: [u8; 12] = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11, 10];

fn encoded<'a>(attribute: &impl Attribute<'a>) -> Vec<u8> {
    let mut out = Vec::new();
    attribute.encode(&ID.into(), &mut out);
    out
}

fn decoded<'a, A: Attribute<'a>>(value: &'a [u8]) -> Result<A, DecodeError> {
    A::decode(value, &ID.into())
}

/// Proves: rfc8656-18-1
#[test]
fn attribute_types_have_their_numbers() {
    let table = [
        (ChannelNumber::TYPE, 0x000c),
        (Lifetime::TYPE, 0x000d),
        (XorPeerAddress::TYPE, 0x0012),
        (Data::TYPE, 0x0013),
        (XorRelayedAddress::TYPE, 0x0016),
        (RequestedAddressFamily::TYPE, 0x0017),
        (EvenPort::TYPE, 0x0018),
        (RequestedTransport::TYPE, 0x0019),
        (DontFragment::TYPE, 0x001a),
        (ReservationToken::TYPE, 0x0022),
        (AdditionalAddressFamily::TYPE, 0x8000),
        (AddressErrorCode::TYPE, 0x8001),
        (Icmp::TYPE, 0x8004),
        (MobilityTicket::TYPE, 0x8030),
    ];
    for (kind, number) in table {
        assert_eq!(kind.as_u16(), number);
    }
}

/// Proves: rfc8656-18-1
#[test]
fn one_message_can_have_them_all() {
    fn holds<'a, A: Attribute<'a> + Debug + PartialEq>(message: &Message<'a>, attribute: &A) {
        assert_eq!(message.get::<A>().unwrap().as_ref(), Ok(attribute));
    }

    let (number, peer) = (ChannelNumber::MIN, XorPeerAddress("192.0.2.1:3478".parse().unwrap()));
    let relayed = XorRelayedAddress("[2001:db8::1]:49152".parse().unwrap());
    let (family, even) = (RequestedAddressFamily(AddressFamily::Ipv6), EvenPort { reserve: true });
    let error = AddressErrorCode { family: AddressFamily::Ipv4, error: ErrorCode::INSUFFICIENT_CAPACITY };
    let icmp = Icmp { kind: 3, code: 4, data: 1400 };
    let mut out = Vec::new();
    Builder::request(&mut out, Method::ALLOCATE, ID.into())
        .attribute(&number)
        .attribute(&Lifetime(600))
        .attribute(&peer)
        .attribute(&Data(b"abc"))
        .attribute(&relayed)
        .attribute(&family)
        .attribute(&even)
        .attribute(&RequestedTransport::UDP)
        .attribute(&DontFragment)
        .attribute(&ReservationToken(*b"reserved"))
        .attribute(&AdditionalAddressFamily)
        .attribute(&error)
        .attribute(&icmp)
        .attribute(&MobilityTicket(b"ticket"))
        .fingerprint();
    let message = Message::parse(&out).unwrap();
    holds(&message, &number);
    holds(&message, &Lifetime(600));
    holds(&message, &peer);
    holds(&message, &Data(b"abc"));
    holds(&message, &relayed);
    holds(&message, &family);
    holds(&message, &even);
    holds(&message, &RequestedTransport::UDP);
    holds(&message, &DontFragment);
    holds(&message, &ReservationToken(*b"reserved"));
    holds(&message, &AdditionalAddressFamily);
    holds(&message, &error);
    holds(&message, &icmp);
    holds(&message, &MobilityTicket(b"ticket"));
}

/// Proves: rfc8656-17-1
#[test]
fn methods_have_their_numbers_and_their_classes() {
    let table = [
        (Method::ALLOCATE, 0x003, false),
        (Method::REFRESH, 0x004, false),
        (Method::SEND, 0x006, true),
        (Method::DATA, 0x007, true),
        (Method::CREATE_PERMISSION, 0x008, false),
        (Method::CHANNEL_BIND, 0x009, false),
    ];
    let classes =
        [(Class::Request, 0), (Class::Indication, 0x10), (Class::Success, 0x100), (Class::Error, 0x110)];
    for (method, number, is_indication) in table {
        assert_eq!(method.as_u16(), number);
        for (class, bits) in classes {
            let [t0, t1] = (number | bits).to_be_bytes();
            let bytes = [&[t0, t1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &ID].concat();
            let expected = if (class == Class::Indication) == is_indication {
                Ok((class, method))
            } else {
                Err(DecodeError::Class { method, class })
            };
            assert_eq!(Message::parse(&bytes).map(|m| (m.class(), m.method())), expected);
        }
    }
}

#[test]
fn error_codes_have_their_numbers() {
    let table = [
        (ErrorCode::FORBIDDEN, 403),
        (ErrorCode::MOBILITY_FORBIDDEN, 405),
        (ErrorCode::ALLOCATION_MISMATCH, 437),
        (ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED, 440),
        (ErrorCode::WRONG_CREDENTIALS, 441),
        (ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL, 442),
        (ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH, 443),
        (ErrorCode::ALLOCATION_QUOTA_REACHED, 486),
        (ErrorCode::INSUFFICIENT_CAPACITY, 508),
    ];
    for (error, number) in table {
        assert_eq!(error.code(), number);
    }
}

/// Proves: rfc8656-18.1-1
#[test]
fn a_channel_number_is_followed_by_zeros_that_nobody_reads() {
    assert_eq!(encoded(&ChannelNumber::MIN), [0x40, 0, 0, 0]);
    assert_eq!(decoded(&[0x40, 0, 0xff, 0xff]), Ok(ChannelNumber::MIN));
    assert_eq!(decoded(&[0x4f, 0xff, 0, 1]), Ok(ChannelNumber::MAX));
    for wrong in [&[0x3f, 0xff, 0, 0][..], &[0x50, 0, 0, 0], &[0x7f, 0xff, 0, 0], &[0x40, 0], &[]] {
        assert!(decoded::<ChannelNumber>(wrong).is_err(), "{wrong:?}");
    }
}

/// Proves: rfc8656-18.2-1
#[test]
fn a_lifetime_of_136_years_does_not_overflow() {
    for seconds in [0, 1, 600, u32::MAX] {
        assert_eq!(encoded(&Lifetime(seconds)), seconds.to_be_bytes());
        assert_eq!(decoded(&seconds.to_be_bytes()), Ok(Lifetime(seconds)));
        assert_eq!(Lifetime(seconds).duration().as_secs(), u64::from(seconds));
        let now = crate::Timestamp::from_nanos(u64::MAX - 1);
        assert!(now + Lifetime(seconds).duration() >= now);
    }
    assert!(decoded::<Lifetime>(&[0; 3]).is_err() && decoded::<Lifetime>(&[0; 5]).is_err());
}

#[test]
fn addresses_are_xored() {
    let v4 = "192.0.2.1:3478".parse().unwrap();
    let v6 = "[2001:db8::1]:3478".parse().unwrap();
    let xored = [0, 1, 0x2c, 0x84, 192 ^ 0x21, 0x12, 2 ^ 0xa4, 1 ^ 0x42];
    assert_eq!(encoded(&XorPeerAddress(v4)), xored);
    assert_eq!(encoded(&XorRelayedAddress(v4)), xored);
    for address in [v4, v6] {
        assert_eq!(decoded(&encoded(&XorPeerAddress(address))), Ok(XorPeerAddress(address)));
        assert_eq!(decoded(&encoded(&XorRelayedAddress(address))), Ok(XorRelayedAddress(address)));
    }
}

/// Proves: rfc8656-18.6-1
#[test]
fn a_requested_family_is_followed_by_zeros_that_nobody_reads() {
    for (family, number) in [(AddressFamily::Ipv4, 1), (AddressFamily::Ipv6, 2)] {
        assert_eq!(encoded(&RequestedAddressFamily(family)), [number, 0, 0, 0]);
        assert_eq!(decoded(&[number, 1, 2, 3]), Ok(RequestedAddressFamily(family)));
    }
    assert_eq!(decoded::<RequestedAddressFamily>(&[3, 0, 0, 0]), Err(DecodeError::AddressFamily(3)));
    let malformed = Err(DecodeError::Value(AttributeType::REQUESTED_ADDRESS_FAMILY));
    assert_eq!(decoded::<RequestedAddressFamily>(&[1]), malformed);
    assert_eq!(AddressFamily::of("192.0.2.1".parse().unwrap()), AddressFamily::Ipv4);
    assert_eq!(AddressFamily::of("2001:db8::1".parse().unwrap()), AddressFamily::Ipv6);
}

/// Proves: rfc8656-18.11-1
#[test]
fn the_additional_family_is_ipv6_and_no_other() {
    assert_eq!(encoded(&AdditionalAddressFamily), [2, 0, 0, 0]);
    assert_eq!(decoded(&[2, 9, 9, 9]), Ok(AdditionalAddressFamily));
    for wrong in [&[1, 0, 0, 0][..], &[3, 0, 0, 0], &[2], &[]] {
        assert!(decoded::<AdditionalAddressFamily>(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn bits_reserved_for_the_future_are_zero_and_ignored() {
    assert_eq!(encoded(&EvenPort { reserve: true }), [0x80]);
    assert_eq!(encoded(&EvenPort { reserve: false }), [0]);
    assert_eq!(decoded(&[0x7f]), Ok(EvenPort { reserve: false }));
    assert_eq!(decoded(&[0xff]), Ok(EvenPort { reserve: true }));
    assert_eq!(encoded(&RequestedTransport::UDP), [17, 0, 0, 0]);
    assert_eq!(decoded(&[6, 1, 2, 3]), Ok(RequestedTransport::TCP));
}

/// Proves: rfc8656-18.10-1
#[test]
fn a_reservation_token_is_eight_bytes_echoed() {
    assert_eq!(decoded(b"\x00tokens\xff"), Ok(ReservationToken(*b"\x00tokens\xff")));
    assert_eq!(encoded(&ReservationToken(*b"\x00tokens\xff")), b"\x00tokens\xff");
    assert!(decoded::<ReservationToken>(&[0; 7]).is_err() && decoded::<ReservationToken>(&[0; 9]).is_err());
}

/// Proves: rfc8656-18.12-1
#[test]
fn an_address_error_code_names_a_family_and_a_code() {
    let read = |value| decoded::<AddressErrorCode<'_>>(value).map(|e| (e.family, e.error.code()));
    assert_eq!(read(&[2, 0, 4, 40, b'x']), Ok((AddressFamily::Ipv6, 440)));
    assert_eq!(read(&[1, 0xff, 0xf8 | 5, 8]), Ok((AddressFamily::Ipv4, 508)));
    assert_eq!(read(&[3, 0, 5, 8]), Err(DecodeError::AddressFamily(3)));
    for wrong in [&[][..], &[1, 0, 5], &[1, 0, 5, 100], &[1, 0, 7, 0]] {
        assert_eq!(read(wrong), Err(DecodeError::Value(AttributeType::ADDRESS_ERROR_CODE)));
    }
    let error = ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED.with_reason("no").unwrap();
    assert_eq!(encoded(&AddressErrorCode { family: AddressFamily::Ipv6, error }), [2, 0, 4, 40, b'n', b'o']);
}

#[test]
fn icmp_has_types_and_codes_of_eight_bits() {
    let icmp = Icmp { kind: 0x83, code: 0x84, data: 1280 };
    assert_eq!(encoded(&icmp), [0, 0, 0x83, 0x84, 0, 0, 5, 0]);
    assert_eq!(decoded(&[0xff, 0xff, 0x83, 0x84, 0, 0, 5, 0]), Ok(icmp));
}

#[test]
fn what_is_relayed_and_what_opens_doors_is_not_printed() {
    assert_eq!(alloc::format!("{:?}", Data(b"secret")), "Data(6 bytes)");
    assert_eq!(alloc::format!("{:?}", MobilityTicket(b"")), "MobilityTicket(0 bytes)");
}

/// Lesson: L-65
#[test]
fn every_attribute_survives_every_length_and_byte() {
    fn survives<'a, A: Attribute<'a> + PartialEq + Debug>(value: &'a [u8], right: bool) {
        let attribute = decoded::<A>(value);
        assert!(right || attribute.is_err(), "{:?} of {} bytes", A::TYPE, value.len());
        let _ = attribute.map(|attribute| encoded(&attribute));
    }

    for byte in 0..=255 {
        for len in 0..40 {
            let value = vec![byte; len];
            survives::<AdditionalAddressFamily>(&value, len == 4);
            survives::<AddressErrorCode<'_>>(&value, len >= 4);
            survives::<ChannelNumber>(&value, len == 4);
            survives::<Data<'_>>(&value, true);
            survives::<DontFragment>(&value, len == 0);
            survives::<EvenPort>(&value, len == 1);
            survives::<Icmp>(&value, len == 8);
            survives::<Lifetime>(&value, len == 4);
            survives::<MobilityTicket<'_>>(&value, true);
            survives::<RequestedAddressFamily>(&value, len == 4);
            survives::<RequestedTransport>(&value, len == 4);
            survives::<ReservationToken>(&value, len == 8);
            survives::<XorPeerAddress>(&value, matches!(len, 8 | 20));
            survives::<XorRelayedAddress>(&value, matches!(len, 8 | 20));
        }
    }
}
