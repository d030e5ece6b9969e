use super::*;
use crate::entropy::{Entropy, Purpose, Seed};
use crate::stun::{Builder, DecodeError, Message};
use alloc::vec::Vec;

const CLASSES: [Class; 4] = [Class::Request, Class::Indication, Class::Success, Class::Error];

/// Proves: rfc8489-5-6
#[test]
fn every_class_and_method_has_a_type_of_its_own() {
    let mut seen = Vec::new();
    for number in 0..=METHOD_MAX {
        let method = Method::new(number).unwrap();
        for class in CLASSES {
            let packed = message_type(class, method);
            assert_eq!(packed & 0xc000, 0);
            assert_eq!(class_and_method(packed), (class, method));
            seen.push(packed);
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4096 * 4);
    assert_eq!(Method::new(0x1000), None);
    assert_eq!(CLASSES.map(|class| message_type(class, Method::BINDING)), [0x0001, 0x0011, 0x0101, 0x0111]);
    assert_eq!(message_type(Class::Error, Method(0xfff)), 0x3fff);
}

/// Proves: rfc8489-5-7
#[test]
fn a_hundred_thousand_ids_differ_and_depend_on_the_seed() {
    let draw = |seed: u8, count| -> Vec<_> {
        let mut entropy = Entropy::new(Seed::from([seed; 32]));
        (0..count).map(|_| TransactionId::from(entropy.bytes(Purpose::Transactions))).collect()
    };
    let mut ids = draw(1, 100_000);
    assert_eq!(ids[..10], draw(1, 10));
    assert_ne!(ids[..10], draw(2, 10));
    // Uniform: each of the 96 bits is set in half of them, give or take eight standard deviations.
    for bit in 0..96 {
        let set = ids[..10_000].iter().filter(|id| id.as_bytes()[bit / 8] & (1 << (bit % 8)) != 0).count();
        assert!(set.abs_diff(5_000) < 400, "bit {bit} is set {set} times");
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 100_000);
}

/// Proves: rfc7983-7-1, rfc7983-7-2, rfc7983-7-3
#[test]
fn the_first_byte_tells_the_protocol() {
    let ranges = [
        (0..=3, Kind::Stun),
        (4..=15, Kind::Unknown),
        (16..=19, Kind::Zrtp),
        (20..=63, Kind::Dtls),
        (64..=79, Kind::Channel),
        (80..=127, Kind::Unknown),
        (128..=191, Kind::Rtp),
        (192..=255, Kind::Unknown),
    ];
    let mut seen = 0;
    for (range, kind) in ranges {
        for byte in range {
            assert_eq!(Kind::of(&[byte, 0, 0, 0]), kind, "{byte}");
            assert_eq!(Kind::of(&[byte]), kind, "{byte}");
            seen += 1;
        }
    }
    assert_eq!(seen, 256);
    assert_eq!(Kind::of(&[]), Kind::Unknown);
}

/// Proves: rfc7983-7-4
#[test]
fn what_only_begins_like_stun_is_not_stun() {
    let mut message = Vec::new();
    Builder::indication(&mut message, Method::BINDING, TransactionId([7; 12])).fingerprint();
    assert!(is_stun(&message));
    assert!(!is_stun(&[]));
    assert!(!is_stun(&message[..19]));
    assert!(!is_stun(&message[..27]), "length");
    assert!(!is_stun(&[0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]), "noise");
    for byte in 0..8 {
        let mut flipped = message.clone();
        flipped[byte] ^= 0x40;
        assert_eq!(is_stun(&flipped), byte == 1, "byte {byte}");
    }
}

/// Proves: rfc7983-3-1, rfc8489-18.2-1
#[test]
fn a_method_above_0x0ff_is_no_stun_on_a_shared_socket() {
    for (number, shared) in [(0x0ff, true), (0x100, false), (0xfff, false)] {
        for class in CLASSES {
            let mut message = Vec::new();
            Builder::new(&mut message, class, Method::new(number).unwrap(), TransactionId([7; 12]))
                .fingerprint();
            assert_eq!(message[0] <= 3, shared, "{number:#x}");
            assert_eq!(is_stun(&message), shared, "{number:#x}");
            assert!(Message::parse(&message).is_ok(), "on a port of its own");
        }
    }
}

/// Proves: rfc8489-6.1-3
#[test]
fn methods_come_in_their_classes_only() {
    for method in [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
        assert_eq!(CLASSES.map(|class| method.allows(class)), [true, false, true, true], "{method:?}");
    }
    for method in [Method::SEND, Method::DATA] {
        assert_eq!(CLASSES.map(|class| method.allows(class)), [false, true, false, false], "{method:?}");
    }
    assert_eq!(CLASSES.map(|class| Method::BINDING.allows(class)), [true; 4]);

    let mut allocate = Vec::new();
    Builder::request(&mut allocate, Method::ALLOCATE, TransactionId([7; 12]));
    allocate[1] |= 0x10;
    let expected = DecodeError::Class { method: Method::ALLOCATE, class: Class::Indication };
    assert_eq!(Message::parse(&allocate).unwrap_err(), expected);
}
