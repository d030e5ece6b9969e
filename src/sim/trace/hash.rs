//! A trace as one number.

use core::net::{IpAddr, SocketAddr};

use super::{Entry, Event};
use crate::sim::{ConnectError, Ended, NodeId};
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
            Event::Connecting { node, local, remote } => {
                self.nodes(8, *node, *node);
                self.address(*local);
                self.address(*remote);
            }
            Event::Connected { node, outcome: Ok(path) } => self.datagram(9, *node, path, &[]),
            Event::Connected { node, outcome: Err(error) } => {
                self.nodes(10, *node, *node);
                self.number(match error {
                    ConnectError::Unreachable => 1,
                    ConnectError::Refused => 2,
                    ConnectError::TimedOut => 3,
                });
            }
            Event::Accepted { node, path } => self.datagram(11, *node, path, &[]),
            Event::Written { node, path, payload } => self.datagram(12, *node, path, payload),
            Event::Read { node, path, payload } => self.datagram(13, *node, path, payload),
            Event::Stalled { node, path, reason } => {
                self.datagram(14, *node, path, &[]);
                self.number(reason.number());
            }
            Event::Disconnecting { node, path } => self.datagram(15, *node, path, &[]),
            Event::Disconnected { node, path, how } => {
                self.datagram(16, *node, path, &[]);
                self.number(match how {
                    Ended::Closed => 1,
                    Ended::Reset => 2,
                    Ended::TimedOut => 3,
                });
            }
            Event::Resolving { node, name } => {
                self.nodes(17, *node, *node);
                self.payload(name.as_bytes());
            }
            Event::Resolved { node, address } => {
                self.nodes(18, *node, *node);
                address.iter().for_each(|ip| self.address(SocketAddr::new(*ip, 0)));
            }
            Event::Addresses { node, addresses } => {
                self.nodes(19, *node, *node);
                addresses.iter().for_each(|address| self.address(*address));
            }
            Event::Acted { action, node } => {
                self.number(20);
                self.payload(action.as_bytes());
                self.number(node.map_or(u64::MAX, |node| node.as_u32().into()));
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
