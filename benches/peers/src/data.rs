//! Fixtures shared by every implementation, and an independent reference builder.
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

pub const LUFRAG: &str = "aB3d";
pub const RUFRAG: &str = "Xy7Z";
/// USERNAME of a request *received* by the agent that owns LUFRAG.
pub const USERNAME: &str = "aB3d:Xy7Z";
pub const LPWD: &str = "l0calPassw0rdOf24Chars+/";
pub const RPWD: &str = "rem0tePassw0rdOf24Chars+";
pub const PRIORITY: u32 = 1_862_270_975; // 110<<24 | 65535<<8 | 255
pub const TIE: u64 = 0x932f_f9b1_5126_3b36;
pub const TXID: [u8; 12] = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
pub const PAYLOAD: usize = 1200;
pub const CHANNEL: u16 = 0x4001;

pub fn mapped() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 32853)
}
pub fn peer() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)), 40123)
}

#[derive(Clone, Copy)]
pub enum Role {
    Controlling,
    Controlled,
}

pub fn attr(out: &mut Vec<u8>, t: u16, v: &[u8]) {
    out.extend_from_slice(&t.to_be_bytes());
    out.extend_from_slice(&(v.len() as u16).to_be_bytes());
    out.extend_from_slice(v);
    while out.len() % 4 != 0 {
        out.push(0);
    }
}
pub fn set_len(out: &mut [u8], extra: usize) {
    let l = (out.len() - 20 + extra) as u16;
    out[2..4].copy_from_slice(&l.to_be_bytes());
}
pub fn header(typ: u16, tx: [u8; 12]) -> Vec<u8> {
    let mut v = Vec::with_capacity(160);
    v.extend_from_slice(&typ.to_be_bytes());
    v.extend_from_slice(&[0, 0, 0x21, 0x12, 0xa4, 0x42]);
    v.extend_from_slice(&tx);
    v
}
pub fn seal(v: &mut Vec<u8>, pwd: &str, bad_mi: bool) {
    set_len(v, 24);
    let mut m = Hmac::<Sha1>::new_from_slice(pwd.as_bytes()).unwrap();
    m.update(v);
    let mut tag: [u8; 20] = m.finalize().into_bytes().into();
    if bad_mi {
        tag[7] ^= 0x40;
    }
    attr(v, 0x0008, &tag);
    set_len(v, 8);
    let c = crc32fast::hash(v) ^ 0x5354_554e;
    attr(v, 0x8028, &c.to_be_bytes());
}
pub fn request(
    user: &str,
    pwd: &str,
    role: Role,
    tie: u64,
    prio: u32,
    nominate: bool,
    tx: [u8; 12],
    bad_mi: bool,
) -> Vec<u8> {
    let mut v = header(0x0001, tx);
    attr(&mut v, 0x0006, user.as_bytes());
    attr(&mut v, 0x0024, &prio.to_be_bytes());
    match role {
        Role::Controlling => attr(&mut v, 0x802a, &tie.to_be_bytes()),
        Role::Controlled => attr(&mut v, 0x8029, &tie.to_be_bytes()),
    }
    if nominate {
        attr(&mut v, 0x0025, &[]);
    }
    seal(&mut v, pwd, bad_mi);
    v
}
/// The A1/A2 message: 92 bytes.
pub fn ice_request() -> Vec<u8> {
    request(USERNAME, LPWD, Role::Controlling, TIE, PRIORITY, true, TXID, false)
}
/// The A4 message: 64 bytes.
pub fn ice_response() -> Vec<u8> {
    let mut v = header(0x0101, TXID);
    attr(&mut v, 0x0020, &xor4(mapped()));
    seal(&mut v, LPWD, false);
    v
}
pub fn xor4(a: SocketAddr) -> [u8; 8] {
    let SocketAddr::V4(a) = a else { unreachable!() };
    let p = (a.port() ^ 0x2112).to_be_bytes();
    let i = (u32::from(*a.ip()) ^ 0x2112_a442).to_be_bytes();
    [0, 1, p[0], p[1], i[0], i[1], i[2], i[3]]
}
pub fn payload() -> Vec<u8> {
    (0..PAYLOAD).map(|i| (i * 7 + 3) as u8).collect()
}
pub fn channel_data() -> Vec<u8> {
    let mut v = CHANNEL.to_be_bytes().to_vec();
    v.extend_from_slice(&(PAYLOAD as u16).to_be_bytes());
    v.extend_from_slice(&payload());
    v
}
/// Send (0x0016) or Data (0x0017) indication, XOR-PEER-ADDRESS then DATA, no integrity, no fingerprint.
pub fn indication(typ: u16) -> Vec<u8> {
    let mut v = header(typ, TXID);
    attr(&mut v, 0x0012, &xor4(peer()));
    attr(&mut v, 0x0013, &payload());
    set_len(&mut v, 0);
    v
}
/// 16 datagrams: 10 SRTP, 2 SRTCP, 1 DTLS, 2 STUN, 1 ChannelData.
pub fn traffic() -> Vec<Vec<u8>> {
    let rtp = |pt: u8, n: usize| {
        let mut v = vec![0x80, pt];
        v.extend((2..n).map(|i| (i * 13) as u8));
        v
    };
    let mut dtls = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 100];
    dtls.extend((0..100).map(|i| i as u8));
    vec![
        rtp(96, 1100),
        rtp(96, 1100),
        ice_request(),
        rtp(111, 120),
        rtp(96, 1100),
        rtp(200, 60),
        channel_data(),
        rtp(96, 1100),
        rtp(96, 900),
        dtls,
        rtp(111, 120),
        ice_response(),
        rtp(96, 1100),
        rtp(201, 60),
        rtp(96, 1100),
        rtp(111, 120),
    ]
}
pub fn host_addr(side: u8, i: usize) -> SocketAddr {
    SocketAddr::new(
        IpAddr::V4(Ipv4Addr::new(10, side, (i / 200) as u8, (i % 200 + 1) as u8)),
        5000 + i as u16,
    )
}
