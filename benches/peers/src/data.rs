//! Fixtures shared by every implementation, and an independent reference builder.
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::net::{Ipv4Addr, SocketAddr};

/// Of the agent that is measured, and of its peer.
pub const LUFRAG: &str = "aB3d";
pub const RUFRAG: &str = "Xy7Z";
/// USERNAME of a request *received* by the agent that owns LUFRAG.
pub const USERNAME: &str = "aB3d:Xy7Z";
pub const LPWD: &str = "l0calPassw0rdOf24Chars+/";
pub const RPWD: &str = "rem0tePassw0rdOf24Chars+";
pub const PRIORITY: u32 = (110 << 24) | (65_535 << 8) | 255;
pub const TIE: u64 = 0x932f_f9b1_5126_3b36;
pub const TXID: [u8; 12] = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
pub const PAYLOAD: usize = 1200;
pub const CHANNEL: u16 = 0x4001;

pub fn mapped() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 32853))
}
pub fn peer() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(203, 0, 113, 9), 40123))
}

#[derive(Clone, Copy)]
pub enum Role {
    Controlling,
    Controlled,
}

/// A Binding request of ICE.
#[derive(Clone, Copy)]
pub struct Check<'a> {
    pub username: &'a str,
    pub password: &'a str,
    pub role: Role,
    pub tie_breaker: u64,
    pub nominates: bool,
    pub id: [u8; 12],
    /// MESSAGE-INTEGRITY is wrong, FINGERPRINT is not.
    pub forged: bool,
}

/// The one of A1 and A2.
pub const CHECK: Check<'static> = Check {
    username: USERNAME,
    password: LPWD,
    role: Role::Controlling,
    tie_breaker: TIE,
    nominates: true,
    id: TXID,
    forged: false,
};

fn header(kind: u16, id: [u8; 12]) -> Vec<u8> {
    let mut message = Vec::with_capacity(160);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 0, 0x21, 0x12, 0xa4, 0x42]);
    message.extend_from_slice(&id);
    message
}

fn append(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&(value.len() as u16).to_be_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// Sets the length field as if so many bytes more had been written.
fn announce(message: &mut [u8], more: usize) {
    let length = (message.len() - 20 + more) as u16;
    message[2..4].copy_from_slice(&length.to_be_bytes());
}

fn seal(message: &mut Vec<u8>, password: &str, forged: bool) {
    announce(message, 24);
    let keyed = Hmac::<Sha1>::new_from_slice(password.as_bytes()).unwrap();
    let mut tag: [u8; 20] = keyed.chain_update(&message).finalize().into_bytes().into();
    tag[7] ^= if forged { 0x40 } else { 0 };
    append(message, 0x0008, &tag);
    announce(message, 8);
    let checksum = crc32fast::hash(message) ^ 0x5354_554e;
    append(message, 0x8028, &checksum.to_be_bytes());
}

pub fn request(check: &Check<'_>) -> Vec<u8> {
    let mut message = header(0x0001, check.id);
    append(&mut message, 0x0006, check.username.as_bytes());
    append(&mut message, 0x0024, &PRIORITY.to_be_bytes());
    let role = match check.role {
        Role::Controlling => 0x802a,
        Role::Controlled => 0x8029,
    };
    append(&mut message, role, &check.tie_breaker.to_be_bytes());
    if check.nominates {
        append(&mut message, 0x0025, &[]);
    }
    seal(&mut message, check.password, check.forged);
    message
}

/// The A1/A2 message: 92 bytes.
pub fn ice_request() -> Vec<u8> {
    request(&CHECK)
}

/// The A4 message: 64 bytes.
pub fn ice_response() -> Vec<u8> {
    let mut message = header(0x0101, TXID);
    append(&mut message, 0x0020, &xored(mapped()));
    seal(&mut message, LPWD, false);
    message
}

fn xored(address: SocketAddr) -> [u8; 8] {
    let SocketAddr::V4(address) = address else { unreachable!("all fixtures are IPv4") };
    let [p0, p1] = (address.port() ^ 0x2112).to_be_bytes();
    let [i0, i1, i2, i3] = (u32::from(*address.ip()) ^ 0x2112_a442).to_be_bytes();
    [0, 1, p0, p1, i0, i1, i2, i3]
}

pub fn payload() -> Vec<u8> {
    (0..PAYLOAD).map(|n| (n * 7 + 3) as u8).collect()
}
pub fn channel_data() -> Vec<u8> {
    let mut message = CHANNEL.to_be_bytes().to_vec();
    message.extend_from_slice(&(PAYLOAD as u16).to_be_bytes());
    message.extend_from_slice(&payload());
    message
}

/// Send (0x0016) or Data (0x0017) indication, XOR-PEER-ADDRESS then DATA, no integrity, no fingerprint.
pub fn indication(kind: u16) -> Vec<u8> {
    let mut message = header(kind, TXID);
    append(&mut message, 0x0012, &xored(peer()));
    append(&mut message, 0x0013, &payload());
    announce(&mut message, 0);
    message
}

/// 16 datagrams: 10 SRTP, 2 SRTCP, 1 DTLS, 2 STUN, 1 ChannelData.
pub fn traffic() -> Vec<Vec<u8>> {
    let rtp = |payload_type: u8, len: usize| {
        let mut packet = vec![0x80, payload_type];
        packet.extend((2..len).map(|n| (n * 13) as u8));
        packet
    };
    let mut dtls = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 100];
    dtls.extend(0..100);
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

pub fn host_address(side: u8, number: usize) -> SocketAddr {
    let (high, low) = ((number / 200) as u8, (number % 200 + 1) as u8);
    SocketAddr::from((Ipv4Addr::new(10, side, high, low), 5000 + number as u16))
}
