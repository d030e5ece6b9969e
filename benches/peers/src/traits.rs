//! What an implementation has to provide. One file under `impls/` per implementation.
use std::net::SocketAddr;
use std::time::Duration;

/// What A1 has to produce: every attribute decoded into a typed value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parsed {
    pub username_len: usize,
    pub priority: u32,
    pub tie_breaker: u64,
    pub use_candidate: bool,
}

/// Stateless codec workloads A1..A6. `new` receives the password, so an implementation that can
/// cache HMAC state does it there (outside the measurement).
pub trait Codec {
    const NAME: &'static str;
    /// HMAC-SHA1 and CRC backends.
    const BACKEND: &'static str;
    /// (workload, reason) for workloads this implementation cannot do.
    const UNSUPPORTED: &'static [(&'static str, &'static str)] = &[];
    /// (workload, remark) printed under the table.
    const NOTES: &'static [(&'static str, &'static str)] = &[];

    fn new(password: &str) -> Self
    where
        Self: Sized;
    /// A1: parse to typed attributes, no verification.
    fn parse(&mut self, _message: &[u8]) -> Option<Parsed> {
        unimplemented!()
    }
    /// A2: parse, verify FINGERPRINT and MESSAGE-INTEGRITY. true = both are valid.
    fn parse_verify(&mut self, _message: &[u8]) -> bool {
        unimplemented!()
    }
    /// A3: build `data::ice_request()` into `out` (cleared by the callee). Transaction id given.
    fn build_request(&mut self, _out: &mut Vec<u8>) {
        unimplemented!()
    }
    /// A4: build `data::ice_response()` into `out`.
    fn build_response(&mut self, _out: &mut Vec<u8>) {
        unimplemented!()
    }
    /// A5: classify all datagrams, returning (stun, channel_data, other).
    fn classify(&mut self, _datagrams: &[Vec<u8>]) -> (u32, u32, u32) {
        unimplemented!()
    }
    /// A6a: wrap a payload into ChannelData.
    fn wrap_channel(&mut self, _payload: &[u8], _out: &mut Vec<u8>) {
        unimplemented!()
    }
    /// A6b: unwrap ChannelData; returns (channel, payload length, first payload byte).
    fn unwrap_channel(&mut self, _datagram: &[u8]) -> Option<(u16, usize, u8)> {
        unimplemented!()
    }
    /// A6c: build a Send indication (XOR-PEER-ADDRESS v4, DATA).
    fn wrap_send(&mut self, _payload: &[u8], _out: &mut Vec<u8>) {
        unimplemented!()
    }
    /// A6d: parse a Data indication; returns (peer, payload length, first payload byte).
    fn unwrap_data(&mut self, _datagram: &[u8]) -> Option<(SocketAddr, usize, u8)> {
        unimplemented!()
    }
}

/// What one side signals to the other.
pub struct Description<'a> {
    pub ufrag: &'a str,
    pub password: &'a str,
    pub candidates: &'a [SocketAddr],
}

/// A full agent, UDP host candidates, one component. Time is a `Duration` since a virtual epoch.
pub trait IceAgent: Sized {
    const NAME: &'static str;
    const BACKEND: &'static str;
    const UNSUPPORTED: &'static [(&'static str, &'static str)] = &[];
    const NOTES: &'static [(&'static str, &'static str)] = &[];
    /// The workloads that it is measured at, if not at all of them.
    const ONLY: &'static [&'static str] = &[];
    /// Whether the deadline is known only after events and datagrams have been taken.
    const DEADLINE_COMES_BY_DRAINING: bool = false;

    /// Everything up to and including "connectivity checks may start".
    fn new(now: Duration, controlling: bool, local: &Description<'_>, remote: &Description<'_>) -> Self;
    fn input(&mut self, now: Duration, local: SocketAddr, remote: SocketAddr, datagram: &[u8]);
    fn on_timeout(&mut self, now: Duration);
    /// Hands every pending event and datagram to the caller. `sink(local, remote, bytes)`.
    fn drain(&mut self, now: Duration, sink: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8]));
    fn next_timeout(&mut self, now: Duration) -> Option<Duration>;
    fn selected(&self) -> Option<(SocketAddr, SocketAddr)>;
}

/// A5 by two questions to a datagram: (stun, channel_data, other).
pub fn count(
    datagrams: &[Vec<u8>],
    is_stun: impl Fn(&[u8]) -> bool,
    is_channel_data: impl Fn(&[u8]) -> bool,
) -> (u32, u32, u32) {
    let (mut stun, mut channel_data, mut other) = (0, 0, 0);
    for datagram in datagrams {
        if is_stun(datagram) {
            stun += 1;
        } else if is_channel_data(datagram) {
            channel_data += 1;
        } else {
            other += 1;
        }
    }
    (stun, channel_data, other)
}
