//! The test vectors of RFC 5769 and of RFC 8489 appendix B.1.

use floe::stun::{
    Builder, Class, DecodeError, Fingerprint, IceControlled, Integrity, Key, Message, Method, Nonce,
    PasswordAlgorithm, Priority, Realm, Software, Userhash, Username, XorMappedAddress, userhash,
};

const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const MATRIX: &str = "マトリックス";

/// Proves: rfc5769-2.1-1, rfc8489-14.5-1, rfc8489-14.7-1, rfc8489-14-1, rfc8489-9.1.1-1
#[test]
fn the_sample_request_reads_as_printed() {
    let bytes = bytes(SAMPLE_REQUEST);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    assert_eq!(message.transaction_id().as_bytes()[..], bytes[8..20]);
    assert_eq!(message.fingerprint(), Fingerprint::Valid);
    assert_eq!(message.integrity_kind(), Some(Integrity::Sha1));
    let verified = message.verify(&Key::short_term(PASSWORD)).unwrap();
    assert_eq!(verified.get::<Software<'_>>().unwrap().unwrap().as_bytes(), b"STUN test client");
    assert_eq!(verified.get::<Priority>(), Some(Ok(Priority(0x6e00_01ff))));
    assert_eq!(verified.get::<IceControlled>(), Some(Ok(IceControlled(0x932f_f9b1_5126_3b36))));
    assert_eq!(verified.get::<Username<'_>>(), Some(Username::new("evtj:h6vY").map_err(|_| unreachable!())));
}

/// Proves: rfc5769-2.1-2
#[test]
fn zero_padding_changes_the_tags_of_the_sample_request_and_nothing_else() {
    let printed = bytes(SAMPLE_REQUEST);
    let printed = Message::parse(&printed).unwrap();
    let key = Key::short_term(PASSWORD);
    let mut again = Vec::new();
    let builder = Builder::request(&mut again, Method::BINDING, printed.transaction_id());
    printed
        .attributes()
        .fold(builder, |builder, (kind, value)| builder.raw(kind, value))
        .integrity(&key, Integrity::Sha1)
        .fingerprint();
    let message = Message::parse(&again).unwrap();
    assert!(message.attributes().eq(printed.attributes()));
    assert!(message.verify(&key).is_ok());
    assert_eq!(message.fingerprint(), Fingerprint::Valid);
    let at = again.len() - 32;
    assert_eq!(again[at..at + 4], printed.as_bytes()[at..at + 4]);
    assert_ne!(again[at + 4..at + 24], printed.as_bytes()[at + 4..at + 24]);
    assert_ne!(again[at + 28..], printed.as_bytes()[at + 28..]);
}

/// Proves: rfc5769-2.2-1, rfc8489-14.2-1
#[test]
fn the_ipv4_response_reads_as_printed() {
    response(SAMPLE_IPV4_RESPONSE, "192.0.2.1:32853");
}

/// Proves: rfc5769-2.3-1, rfc8489-14.2-1
#[test]
fn the_ipv6_response_reads_as_printed() {
    response(SAMPLE_IPV6_RESPONSE, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

fn response(hex: &str, mapped: &str) {
    let bytes = bytes(hex);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Success, Method::BINDING));
    assert_eq!(message.fingerprint(), Fingerprint::Valid);
    let verified = message.verify(&Key::short_term(PASSWORD)).unwrap();
    assert_eq!(verified.get::<XorMappedAddress>(), Some(Ok(XorMappedAddress(mapped.parse().unwrap()))));
    assert_eq!(verified.get::<Software<'_>>().unwrap().unwrap().as_bytes(), b"test vector");
}

/// Proves: rfc5769-2.4-1, rfc8489-9.2.2-1
#[test]
fn the_long_term_request_reads_as_printed() {
    let bytes = bytes(LONG_TERM_REQUEST);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.fingerprint(), Fingerprint::Absent);
    let username = message.get::<Username<'_>>().unwrap().unwrap();
    let realm = message.get::<Realm<'_>>().unwrap().unwrap();
    assert_eq!(username.to_str(), Ok(MATRIX));
    assert_eq!(realm.as_bytes(), b"example.org");
    assert_eq!(message.get::<Nonce<'_>>().unwrap().unwrap().as_bytes(), b"f//499k954d6OL34oL9FSTvy64sA");
    let key = Key::long_term_md5(username.as_bytes(), realm.as_bytes(), b"TheMatrIX");
    assert!(message.verify(&key).is_ok());
}

/// Proves: rfc5769-2.4-2
#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let short = Key::short_term(PASSWORD);
    let md5 = Key::long_term_md5(MATRIX.as_bytes(), b"example.org", b"TheMatrIX");
    let sha256 = Key::long_term_sha256(MATRIX.as_bytes(), b"example.org", b"TheMatrIX");
    for (hex, key) in [
        (SAMPLE_REQUEST, &short),
        (SAMPLE_IPV4_RESPONSE, &short),
        (SAMPLE_IPV6_RESPONSE, &short),
        (LONG_TERM_REQUEST, &md5),
        (RFC8489_B1_CORRECTED, &sha256),
    ] {
        let intact = bytes(hex);
        let fingerprinted = Message::parse(&intact).unwrap().fingerprint() == Fingerprint::Valid;
        for bit in 0..intact.len() * 8 {
            let mut flipped = intact.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let accepted = Message::parse(&flipped).is_ok_and(|message| {
                let sound = !fingerprinted || message.fingerprint() == Fingerprint::Valid;
                sound && message.verify(key).is_ok()
            });
            assert!(!accepted, "bit {bit} of {hex}");
        }
    }
}

/// Proves: rfc5769-8489-B.1-1, rfc8489-5-5
#[test]
fn appendix_b1_as_printed_has_the_wrong_length() {
    let bytes = bytes(RFC8489_B1_PRINTED);
    let error = Message::parse(&bytes).unwrap_err();
    assert_eq!(error, DecodeError::Length { declared: 0x9c, actual: 136 });
}

/// Proves: rfc5769-8489-B.1-2, rfc8489-14.4-1, rfc8489-18.5.1-1
#[test]
fn appendix_b1_as_corrected_verifies() {
    let bytes = bytes(RFC8489_B1_CORRECTED);
    let message = Message::parse(&bytes).unwrap();
    let hash = message.get::<Userhash>().unwrap().unwrap();
    assert_eq!(hash, userhash(MATRIX.as_bytes(), b"example.org"));
    assert_eq!(hash.as_bytes()[..4], [0x4a, 0x3c, 0xf3, 0x8f]);
    assert_eq!(message.get::<PasswordAlgorithm<'_>>(), Some(Ok(PasswordAlgorithm::SHA256)));
    let key = Key::long_term_sha256(MATRIX.as_bytes(), b"example.org", b"TheMatrIX");
    assert_eq!(message.verify(&key).unwrap().integrity(), Integrity::Sha256);
}

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

const SAMPLE_REQUEST: &str = "\
    000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff\
    80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249\
    c1b571a280280004e57a3bcf";

const SAMPLE_IPV4_RESPONSE: &str = "\
    0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643\
    000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";

const SAMPLE_IPV6_RESPONSE: &str = "\
    010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa\
    a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";

const LONG_TERM_REQUEST: &str = "\
    000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900000015001c\
    662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014\
    f67024656dd64a3e02b8e0712e85c9a28ca89666";

const RFC8489_B1_PRINTED: &str = "\
    0001009c2112a44278ad3433c6ad72c029da412e001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b2\
    05c46e41407f1704001500296f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c3946535476\
    79363473410000000014000b6578616d706c652e6f726700001c0020e4686c8f0edeb59013e07090010a93efccbccc54\
    4c0a45d9f830aa6d6f735a01";

const RFC8489_B1_CORRECTED: &str = "\
    000100902112a44278ad3433c6ad72c029da412e001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b2\
    05c46e41407f1704001500296f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c3946535476\
    79363473410000000014000b6578616d706c652e6f726700001d000400020000001c0020b5c7bf005b6c52a21c51c5e8\
    92f81924136296cb927c43149309278cc6518e65";
