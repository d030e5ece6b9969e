use super::*;
use crate::stun::{AttributeType, Builder, Fingerprint, Method, Priority, Username};
use alloc::format;
use alloc::vec::Vec;
use sha1::Sha1;

fn key() -> Key {
    Key::short_term(b"VOkJxbRl1RmTxUk/WvJxBt")
}

fn check(seal: impl FnOnce(Builder<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let builder = Builder::request(&mut out, Method::BINDING, [7; 12].into());
    seal(builder.attribute(&Username::new("evtj:h6vY").unwrap()).attribute(&Priority(1)));
    out
}

#[expect(clippy::unwrap_in_result, reason = "what the tests build is a message")]
fn verdict(bytes: &[u8], key: &Key) -> Result<Integrity, IntegrityError> {
    Message::parse(bytes).unwrap().verify(key).map(|verified| verified.integrity())
}

#[test]
fn absent_and_wrong_integrity_have_verdicts_of_their_own() {
    assert_eq!(verdict(&check(|builder| builder.fingerprint()), &key()), Err(IntegrityError::Absent));
    for integrity in [Integrity::Sha1, Integrity::Sha256] {
        let bytes = check(|builder| {
            builder.integrity(&key(), integrity);
        });
        assert_eq!(verdict(&bytes, &key()), Ok(integrity));
        assert_eq!(verdict(&bytes, &Key::short_term(b"another")), Err(IntegrityError::Wrong));
    }
}

/// Proves: rfc8489-14.5-1
#[test]
fn what_follows_integrity_is_not_covered_by_it() {
    for integrity in [Integrity::Sha1, Integrity::Sha256] {
        let plain = check(|builder| {
            builder.integrity(&key(), integrity);
        });
        let with_fingerprint = check(|builder| builder.integrity(&key(), integrity).fingerprint());
        assert_eq!(plain[20..], with_fingerprint[20..plain.len()]);
        assert_eq!(verdict(&with_fingerprint, &key()), Ok(integrity));
    }
}

/// Proves: rfc8489-9.1.2-2
#[test]
fn both_integrities_come_in_order_and_each_is_right() {
    let bytes = check(|builder| builder.both_integrities(&key()).fingerprint());
    let len = bytes.len();
    let kinds =
        [len - 8 - 36 - 24, len - 8 - 36, len - 8].map(|at| u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    assert_eq!(kinds, [0x0008, 0x001c, 0x8028]);
    assert_eq!(verdict(&bytes, &key()), Ok(Integrity::Sha256));
    assert_eq!(Message::parse(&bytes).unwrap().fingerprint(), Fingerprint::Valid);

    let mut sha1_alone = bytes[..len - 8 - 36].to_vec();
    let length = u16::try_from(sha1_alone.len() - 20).unwrap();
    sha1_alone[2..4].copy_from_slice(&length.to_be_bytes());
    assert_eq!(verdict(&sha1_alone, &key()), Ok(Integrity::Sha1));
}

/// Proves: rfc8489-9.1.3-4
#[test]
fn of_two_integrities_only_sha256_counts() {
    let bytes = check(|builder| {
        builder.both_integrities(&key());
    });
    let mut wrong = bytes;
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(verdict(&wrong, &key()), Err(IntegrityError::Wrong));
}

/// Proves: rfc8489-14.6-1
#[test]
fn a_truncated_tag_is_never_accepted() {
    let full = check(|builder| {
        builder.integrity(&key(), Integrity::Sha256);
    });
    let tag = full[full.len() - 32..].to_vec();
    for len in [16, 20, 24, 28] {
        let bytes = check(|builder| {
            builder.raw(AttributeType::MESSAGE_INTEGRITY_SHA256, &tag[..len]);
        });
        assert_eq!(verdict(&bytes, &key()), Err(IntegrityError::Truncated));
        // Nor one that was made for the shorter attribute.
        let mut header = bytes[..bytes.len() - len - 4].to_vec();
        let (start, rest) = header.split_first_chunk().unwrap();
        let own = key().sha256(*start, rest);
        header.extend_from_slice(&[0, 0x1c, 0, u8::try_from(len).unwrap()]);
        header.extend_from_slice(&own[..len]);
        assert_eq!(verdict(&header, &key()), Err(IntegrityError::Truncated));
    }
}

/// Proves: rfc8489-9.2.2-1, rfc8489-18.5.1-1
#[test]
fn long_term_keys_are_hashes_of_the_credential() {
    let md5 =
        [0x84, 0x93, 0xfb, 0xc5, 0x3b, 0xa5, 0x82, 0xfb, 0x4c, 0x04, 0x4c, 0x45, 0x6b, 0xdc, 0x40, 0xeb];
    same(&Key::long_term_md5(b"user", b"realm", b"pass"), &Key::short_term(&md5));
    let sha256 = Sha256::digest(b"user:realm:pass");
    same(&Key::long_term_sha256(b"user", b"realm", b"pass"), &Key::short_term(&sha256));
}

/// Proves: rfc8489-9.2.2-2
#[test]
fn quotes_and_trailing_nulls_are_no_part_of_a_credential() {
    same(
        &Key::long_term_md5(b"user", b"\"realm\"", b"pass"),
        &Key::long_term_md5(b"user", b"realm", b"pass"),
    );
    same(
        &Key::long_term_md5(b"\"user\"\0\0", b"realm\0", b"pass\0"),
        &Key::long_term_md5(b"user", b"realm", b"pass"),
    );
    assert_eq!(userhash(b"user\0", b"\"realm\""), userhash(b"user", b"realm"));
    assert_eq!(stripped(b"\""), b"\"");
    assert_eq!(stripped(b""), b"");
}

#[test]
fn a_key_longer_than_a_block_is_hashed() {
    let long = [b'x'; 65];
    let by_digest = |digest: &[u8]| Key::short_term(digest);
    let text = (*b"text", &b""[..]);
    let sha1 = by_digest(&Sha1::digest(long)).sha1(text.0, text.1);
    let sha256 = by_digest(&Sha256::digest(long)).sha256(text.0, text.1);
    assert_eq!(Key::short_term(&long).sha1(text.0, text.1), sha1);
    assert_eq!(Key::short_term(&long).sha256(text.0, text.1), sha256);
    same(&Key::short_term(&[b'x'; 64]), &Key::short_term(&[&[b'x'; 64][..], b""].concat()));
}

/// Proves: rfc8489-9.1.1-1
#[test]
fn plain_text_is_prepared_as_it_stands_and_other_text_is_refused() {
    assert_eq!(opaque_string("VOkJxbRl1RmTxUk/WvJxBt 1"), Ok(&b"VOkJxbRl1RmTxUk/WvJxBt 1"[..]));
    for text in ["pässword", "nul\0", "tab\t", "\u{7f}", "マトリックス"] {
        assert_eq!(opaque_string(text), Err(EncodeError::NotAscii), "{text}");
    }
}

#[test]
fn a_key_is_wiped_and_does_not_show_itself() {
    fn wiped<H: ZeroizeOnDrop>() {}
    wiped::<Keyed<[u32; 5]>>();
    wiped::<Keyed<[u32; 8]>>();
    wiped::<Md5>();
    assert!(core::mem::needs_drop::<Keyed<[u32; 5]>>() && core::mem::needs_drop::<Keyed<[u32; 8]>>());
    assert_eq!(format!("{:?}", key()), "Key(***)");
    assert!(size_of::<Key>() <= 104, "{} bytes", size_of::<Key>());
}

/// Whether two keys make the same tags.
fn same(one: &Key, other: &Key) {
    assert_eq!(one.sha1(*b"text", b"more"), other.sha1(*b"text", b"more"));
    assert_eq!(one.sha256(*b"text", b"more"), other.sha256(*b"text", b"more"));
}
