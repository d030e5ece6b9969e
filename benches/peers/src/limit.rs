//! E, and the rows "LIMIT" and "memcpy 1200": the bare cost of the crypto and of the copies over the same bytes.
use crate::cases::Case;
use crate::data;
use crate::keyed::{INITIAL, Keyed};
use std::hint::black_box;

pub fn cases(cases: &mut Vec<Case>) {
    let (request, response) = (data::ice_request(), data::ice_response());
    // What MESSAGE-INTEGRITY and FINGERPRINT cover of them.
    let (sealed, summed) = (&request[..60], &request[..84]);
    let (answer_sealed, answer_summed) = (&response[..32], &response[..56]);
    compare_with_hmac(&[sealed, answer_sealed, &data::payload()]);

    cases.extend(macs(sealed));
    cases.extend(checksums(summed));
    for (workload, sealed, summed) in [
        ("A2", sealed, summed),
        ("A3", sealed, summed),
        ("A4", answer_sealed, answer_summed),
        ("B2", sealed, summed),
    ] {
        let message = seal(sealed, summed);
        cases.push(case(workload, LIMIT, message));
    }
    for workload in ["B1", "B1c"] {
        let (mut verify, mut answer) = (seal(sealed, summed), seal(answer_sealed, answer_summed));
        cases.push(case(workload, LIMIT, move || {
            verify();
            answer();
        }));
    }
    for workload in ["A6a", "A6c"] {
        let (payload, mut out) = (data::payload(), Vec::with_capacity(1300));
        cases.push(case(workload, MEMCPY, move || {
            out.clear();
            out.extend_from_slice(black_box(&payload));
            black_box(&out);
        }));
    }
}

/// What one message costs that is verified or written: a MAC with a key at hand, and a checksum.
fn seal(sealed: &[u8], summed: &[u8]) -> impl FnMut() + use<> {
    let (key, sealed, summed) = (Keyed::new(KEY), sealed.to_vec(), summed.to_vec());
    move || {
        black_box(black_box(&key).mac(black_box(&sealed)));
        black_box(crc32fast::hash(black_box(&summed)));
    }
}

/// E1: HMAC-SHA1 over what the MESSAGE-INTEGRITY of a check covers.
fn macs(sealed: &[u8]) -> Vec<Case> {
    let message = || black_box(sealed.to_vec());
    let mut cases = Vec::new();
    let sealed = message();
    cases.push(case("E1", "RustCrypto 0.10/hmac 0.12, key each time", move || {
        black_box(mac_of_0_12(black_box(KEY), black_box(&sealed)));
    }));
    let sealed = message();
    cases.push(case("E1", "RustCrypto 0.11/hmac 0.13, key each time", move || {
        use hmac_13::{Hmac, KeyInit, Mac};
        let keyed = Hmac::<sha1_11::Sha1>::new_from_slice(black_box(KEY)).unwrap();
        black_box(keyed.chain_update(black_box(&sealed)).finalize().into_bytes());
    }));
    let (keyed, sealed) = (<hmac::Hmac<sha1::Sha1> as hmac::Mac>::new_from_slice(KEY).unwrap(), message());
    cases.push(case("E1", "RustCrypto 0.10/hmac 0.12, cloned keyed state", move || {
        use hmac::Mac;
        black_box(black_box(&keyed).clone().chain_update(black_box(&sealed)).finalize().into_bytes());
    }));
    let keyed = <hmac_13::Hmac<sha1_11::Sha1> as hmac_13::KeyInit>::new_from_slice(KEY).unwrap();
    let sealed = message();
    cases.push(case("E1", "RustCrypto 0.11/hmac 0.13, cloned keyed state", move || {
        use hmac_13::Mac;
        black_box(black_box(&keyed).clone().chain_update(black_box(&sealed)).finalize().into_bytes());
    }));
    let (keyed, sealed) = (Keyed::new(KEY), message());
    cases.push(case("E1", "RustCrypto 0.10 compress(), cached i/o states", move || {
        black_box(black_box(&keyed).mac(black_box(&sealed)));
    }));
    let sealed = message();
    cases.push(case("E1", "ring, key each time", move || {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, black_box(KEY));
        black_box(ring::hmac::sign(&key, black_box(&sealed)));
    }));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, KEY);
    let sealed = message();
    cases.push(case("E1", "ring, key kept", move || {
        black_box(ring::hmac::sign(black_box(&key), black_box(&sealed)));
    }));
    let sealed = message();
    cases.push(case("E1", "aws-lc-rs, key each time", move || {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, black_box(KEY));
        black_box(aws_lc_rs::hmac::sign(&key, black_box(&sealed)));
    }));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, KEY);
    let sealed = message();
    cases.push(case("E1", "aws-lc-rs, key kept", move || {
        black_box(aws_lc_rs::hmac::sign(black_box(&key), black_box(&sealed)));
    }));
    let (mut state, block): (_, [u8; 64]) = (INITIAL, std::array::from_fn(|n| n as u8));
    cases.push(case("E1", BLOCK, move || {
        sha1::compress(black_box(&mut state), &[(*black_box(&block)).into()]);
    }));
    cases
}

/// E2: CRC-32 over what the FINGERPRINT of a check covers.
fn checksums(summed: &[u8]) -> Vec<Case> {
    static ONE_LANE: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    static SIXTEEN_LANES: crc::Crc<u32, crc::Table<16>> =
        crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISO_HDLC);
    let sums: [(&'static str, fn(&[u8]) -> u32); 4] = [
        ("crc32fast", crc32fast::hash),
        ("crc 3, static Table<1>", |bytes| ONE_LANE.checksum(bytes)),
        ("crc 3, static Table<16>", |bytes| SIXTEEN_LANES.checksum(bytes)),
        ("crc 3, Crc::new per call", |bytes| crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes)),
    ];
    let of = |(name, sum): (&'static str, fn(&[u8]) -> u32)| {
        let summed = summed.to_vec();
        case("E2", name, move || {
            black_box(sum(black_box(&summed)));
        })
    };
    sums.map(of).into()
}

fn case(workload: &'static str, name: &'static str, mut once: impl FnMut() + 'static) -> Case {
    let run = move |times: usize| (0..times).for_each(|_| once());
    Case::simple(workload, name, Box::new(run))
}

/// What the limits are computed with is right.
fn compare_with_hmac(messages: &[&[u8]]) {
    for message in messages {
        assert_eq!(Keyed::new(KEY).mac(message), mac_of_0_12(KEY, message));
    }
}

fn mac_of_0_12(key: &[u8], message: &[u8]) -> [u8; 20] {
    use hmac::{Hmac, Mac};
    let keyed = Hmac::<sha1::Sha1>::new_from_slice(key).unwrap();
    keyed.chain_update(message).finalize().into_bytes().into()
}

pub const LIMIT: &str = "LIMIT";
const MEMCPY: &str = "memcpy 1200";
const BLOCK: &str = "one compress() block";
const KEY: &[u8] = data::LPWD.as_bytes();
