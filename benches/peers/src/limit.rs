//! E: the bare cost of the crypto over the same bytes.
use crate::cases::Case;
use crate::data;
use std::hint::black_box;

/// HMAC-SHA1 with both keyed states cached, straight on the compression function.
#[derive(Clone)]
pub struct Cached {
    i: [u32; 5],
    o: [u32; 5],
}
const IV: [u32; 5] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
impl Cached {
    pub fn new(key: &[u8]) -> Self {
        let mut b = [0u8; 64];
        b[..key.len()].copy_from_slice(key);
        let ip: [u8; 64] = std::array::from_fn(|x| b[x] ^ 0x36);
        let op: [u8; 64] = std::array::from_fn(|x| b[x] ^ 0x5c);
        let (mut i, mut o) = (IV, IV);
        sha1::compress(&mut i, &[ip.into()]);
        sha1::compress(&mut o, &[op.into()]);
        Cached { i, o }
    }
    #[inline]
    pub fn mac(&self, msg: &[u8]) -> [u8; 20] {
        let mut s = self.i;
        let mut chunks = msg.chunks_exact(64);
        for c in &mut chunks {
            sha1::compress(&mut s, &[*sha1::digest::generic_array::GenericArray::from_slice(c)]);
        }
        let rest = chunks.remainder();
        let mut last = [[0u8; 64]; 2];
        let flat = last.as_flattened_mut();
        flat[..rest.len()].copy_from_slice(rest);
        flat[rest.len()] = 0x80;
        let nb = if rest.len() + 9 <= 64 { 1 } else { 2 };
        flat[nb * 64 - 8..nb * 64].copy_from_slice(&(((64 + msg.len()) as u64) * 8).to_be_bytes());
        let blocks: [_; 2] = [last[0].into(), last[1].into()];
        sha1::compress(&mut s, &blocks[..nb]);
        let mut b = [0u8; 64];
        for k in 0..5 {
            b[k * 4..k * 4 + 4].copy_from_slice(&s[k].to_be_bytes());
        }
        b[20] = 0x80;
        b[56..].copy_from_slice(&((64 + 20) * 8u64).to_be_bytes());
        let mut s = self.o;
        sha1::compress(&mut s, &[b.into()]);
        let mut out = [0u8; 20];
        for k in 0..5 {
            out[k * 4..k * 4 + 4].copy_from_slice(&s[k].to_be_bytes());
        }
        out
    }
}

fn rc10(k: &[u8], m: &[u8]) -> [u8; 20] {
    use hmac::{Hmac, Mac};
    let mut h = Hmac::<sha1::Sha1>::new_from_slice(k).unwrap();
    h.update(m);
    h.finalize().into_bytes().into()
}
fn rc11(k: &[u8], m: &[u8]) -> [u8; 20] {
    use hmac_13::{Hmac, KeyInit, Mac};
    let mut h = Hmac::<sha1_11::Sha1>::new_from_slice(k).unwrap();
    h.update(m);
    h.finalize().into_bytes().into()
}

pub fn cases(v: &mut Vec<Case>) {
    let key = data::LPWD.as_bytes();
    let req = data::ice_request();
    let res = data::ice_response();
    let (m60, m84) = (req[..60].to_vec(), req[..84].to_vec());
    let (r32, r56) = (res[..32].to_vec(), res[..56].to_vec());

    // self check of the cached variant
    assert_eq!(Cached::new(key).mac(&m60), rc10(key, &m60));
    assert_eq!(Cached::new(key).mac(&r32), rc10(key, &r32));
    let long = data::payload();
    assert_eq!(Cached::new(key).mac(&long), rc10(key, &long));

    macro_rules! case {
        ($w:expr, $i:expr, $body:expr) => {{
            let mut f = $body;
            v.push(Case::simple(
                $w,
                $i,
                Box::new(move |n| {
                    for _ in 0..n {
                        f();
                    }
                }),
            ));
        }};
    }

    // E1: HMAC-SHA1 over the 60 bytes before MESSAGE-INTEGRITY of the A1 message
    {
        let (k, m) = (key.to_vec(), m60.clone());
        case!("E1", "RustCrypto 0.10/hmac 0.12, key each time", move || {
            black_box(rc10(black_box(&k), black_box(&m)));
        });
    }
    {
        let (k, m) = (key.to_vec(), m60.clone());
        case!("E1", "RustCrypto 0.11/hmac 0.13, key each time", move || {
            black_box(rc11(black_box(&k), black_box(&m)));
        });
    }
    {
        use hmac::{Hmac, Mac};
        let h = Hmac::<sha1::Sha1>::new_from_slice(key).unwrap();
        let m = m60.clone();
        case!("E1", "RustCrypto 0.10/hmac 0.12, cloned keyed state", move || {
            let mut x = black_box(&h).clone();
            x.update(black_box(&m));
            black_box(x.finalize().into_bytes());
        });
    }
    {
        use hmac_13::{Hmac, KeyInit, Mac};
        let h = Hmac::<sha1_11::Sha1>::new_from_slice(key).unwrap();
        let m = m60.clone();
        case!("E1", "RustCrypto 0.11/hmac 0.13, cloned keyed state", move || {
            let mut x = black_box(&h).clone();
            x.update(black_box(&m));
            black_box(x.finalize().into_bytes());
        });
    }
    {
        let c = Cached::new(key);
        let m = m60.clone();
        case!("E1", "RustCrypto 0.10 compress(), cached i/o states", move || {
            black_box(black_box(&c).mac(black_box(&m)));
        });
    }
    {
        let (k, m) = (key.to_vec(), m60.clone());
        case!("E1", "ring, key each time", move || {
            let k = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, black_box(&k));
            black_box(ring::hmac::sign(&k, black_box(&m)));
        });
    }
    {
        let k = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        let m = m60.clone();
        case!("E1", "ring, key kept", move || {
            black_box(ring::hmac::sign(black_box(&k), black_box(&m)));
        });
    }
    {
        let (k, m) = (key.to_vec(), m60.clone());
        case!("E1", "aws-lc-rs, key each time", move || {
            let k = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, black_box(&k));
            black_box(aws_lc_rs::hmac::sign(&k, black_box(&m)));
        });
    }
    {
        let k = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        let m = m60.clone();
        case!("E1", "aws-lc-rs, key kept", move || {
            black_box(aws_lc_rs::hmac::sign(black_box(&k), black_box(&m)));
        });
    }
    {
        let mut s = IV;
        let b: [u8; 64] = std::array::from_fn(|i| i as u8);
        case!("E1", "one compress() block", move || {
            sha1::compress(black_box(&mut s), &[(*black_box(&b)).into()]);
        });
    }

    // E2: CRC-32 over the 84 bytes before FINGERPRINT
    {
        let m = m84.clone();
        case!("E2", "crc32fast", move || {
            black_box(crc32fast::hash(black_box(&m)));
        });
    }
    {
        let m = m84.clone();
        static C: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
        case!("E2", "crc 3, static Table<1>", move || {
            black_box(C.checksum(black_box(&m)));
        });
    }
    {
        let m = m84.clone();
        static C: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISO_HDLC);
        case!("E2", "crc 3, static Table<16>", move || {
            black_box(C.checksum(black_box(&m)));
        });
    }
    {
        let m = m84.clone();
        case!("E2", "crc 3, Crc::new per call", move || {
            black_box(crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(black_box(&m)));
        });
    }

    // the limit expressed on the A/B workloads: cached key, crc32fast
    const L: &str = "LIMIT";
    {
        let c = Cached::new(key);
        let (m, x) = (m60.clone(), m84.clone());
        case!("A2", L, move || {
            black_box(black_box(&c).mac(black_box(&m)));
            black_box(crc32fast::hash(black_box(&x)));
        });
    }
    {
        let c = Cached::new(key);
        let (m, x) = (m60.clone(), m84.clone());
        case!("A3", L, move || {
            black_box(black_box(&c).mac(black_box(&m)));
            black_box(crc32fast::hash(black_box(&x)));
        });
    }
    {
        let c = Cached::new(key);
        let (m, x) = (r32.clone(), r56.clone());
        case!("A4", L, move || {
            black_box(black_box(&c).mac(black_box(&m)));
            black_box(crc32fast::hash(black_box(&x)));
        });
    }
    for w in ["B1", "B1c"] {
        let c = Cached::new(key);
        let (m, x, r, y) = (m60.clone(), m84.clone(), r32.clone(), r56.clone());
        case!(w, L, move || {
            black_box(black_box(&c).mac(black_box(&m)));
            black_box(crc32fast::hash(black_box(&x)));
            black_box(black_box(&c).mac(black_box(&r)));
            black_box(crc32fast::hash(black_box(&y)));
        });
    }
    {
        let c = Cached::new(key);
        let (m, x) = (m60.clone(), m84.clone());
        case!("B2", L, move || {
            black_box(black_box(&c).mac(black_box(&m)));
            black_box(crc32fast::hash(black_box(&x)));
        });
    }
    {
        let p = data::payload();
        let mut o = Vec::with_capacity(1300);
        case!("A6a", "memcpy 1200", move || {
            o.clear();
            o.extend_from_slice(black_box(&p));
            black_box(&o);
        });
    }
    {
        let p = data::payload();
        let mut o = Vec::with_capacity(1300);
        case!("A6c", "memcpy 1200", move || {
            o.clear();
            o.extend_from_slice(black_box(&p));
            black_box(&o);
        });
    }
}
