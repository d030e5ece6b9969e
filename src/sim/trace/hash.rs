//! A trace as one number.

use core::net::{IpAddr, SocketAddr};

use super::{Entry, Event};
use crate::sim::NodeId;
use crate::{Path, Transport};

/// FNV-1a over 64 bits, of an encoding of its own: `core::hash` promises no bytes that stay the same.
#[derive(Debug)]
pub(super) struct Fnv(u64);

impl Fnv {
    pub(super) const fn value(&self) -> u64 {
        self.0
    }

    pub(super) fn entry(&mut self, entry: &Entry) {
        self.number(entry.at.as_nanos());
        match &entry.event {
            Event::Sent { node, path, payload } => self.datagram(1, *node, path, payload),
            Event::Delivered { node, path, payload } => self.datagram(2, *node, path, payload),
            Event::Dropped { reason, source, destination, payload } => {
                self.number(3);
                self.number(reason.number());
                self.address(*source);
                self.address(*destination);
                self.payload(payload);
            }
            Event::Timeout { node } => self.nodes(4, *node, *node),
            Event::Command { node } => self.nodes(5, *node, *node),
            Event::Signal { from, to, message } => {
                self.nodes(6, *from, *to);
                self.payload(message);
            }
            Event::SignalDelivered { from, to, message } => {
                self.nodes(7, *from, *to);
                self.payload(message);
            }
        }
    }

    fn datagram(&mut self, kind: u64, node: NodeId, path: &Path, payload: &[u8]) {
        self.nodes(kind, node, node);
        self.number(match path.transport() {
            Transport::Udp => 0,
            Transport::Tcp => 1,
        });
        self.address(path.local());
        self.address(path.remote());
        self.payload(payload);
    }

    fn nodes(&mut self, kind: u64, from: NodeId, to: NodeId) {
        self.number(kind);
        self.number(from.as_u32().into());
        self.number(to.as_u32().into());
    }

    fn address(&mut self, address: SocketAddr) {
        match address.ip() {
            IpAddr::V4(ip) => self.payload(&ip.octets()),
            IpAddr::V6(ip) => self.payload(&ip.octets()),
        }
        self.number(address.port().into());
    }

    fn payload(&mut self, bytes: &[u8]) {
        self.number(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.bytes(bytes);
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}
