//! Data: from clients to peers and back (RFC 8656 sections 11 and 12).

use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;

use super::{TurnServer, Violation};
use crate::Path;
use crate::stun::{Builder, Message, Method, TransactionId};
use crate::turn::{ChannelData, Data, Icmp, XorPeerAddress};

impl TurnServer {
    /// Relays a Send indication.
    pub(super) fn relay_indication(&mut self, path: Path, message: &Message<'_>) {
        let (peer, data) = (message.get::<XorPeerAddress>(), message.get::<Data<'_>>());
        let (Some(Ok(XorPeerAddress(peer))), Some(Ok(Data(payload)))) = (peer, data) else {
            return self.report(Violation::Malformed(Method::SEND));
        };
        self.relay_outwards(path, peer, payload);
    }

    /// Relays ChannelData from a client.
    pub(super) fn relay_channel(&mut self, path: Path, message: &ChannelData<'_>) {
        let traffic = &mut self.record.traffic;
        let Some(allocation) = self.allocations.get(&self.mobility.current(path)) else {
            traffic.without_allocation += 1;
            return;
        };
        match allocation.peer_of(message.number()) {
            Some(peer) => self.relay_outwards(path, peer, message.payload()),
            None => traffic.without_channel += 1,
        }
    }

    fn relay_outwards(&mut self, path: Path, peer: SocketAddr, payload: &[u8]) {
        self.mobility.arrived(path);
        let traffic = &mut self.record.traffic;
        let Some(allocation) = self.allocations.get(&self.mobility.current(path)) else {
            traffic.without_allocation += 1;
            return;
        };
        match allocation.relayed_for(peer.ip()).filter(|_| allocation.permits(peer.ip())) {
            Some(relayed) => {
                traffic.to_peers += 1;
                self.send(Path::udp(relayed, peer), Bytes::copy_from_slice(payload));
            }
            None => traffic.without_permission += 1,
        }
    }

    /// Relays what came in on a relayed address.
    pub(super) fn relay_inwards(&mut self, path: Path, datagram: &[u8]) {
        let (relayed, peer) = (path.local(), path.remote());
        let mut allocations = self.allocations.iter();
        let found = allocations.find(|(_, allocation)| allocation.relayed().contains(&relayed));
        let traffic = &mut self.record.traffic;
        let Some((&path, allocation)) = found.filter(|(_, allocation)| allocation.permits(peer.ip())) else {
            traffic.unwanted += 1;
            return;
        };
        let path = self.mobility.way_back(path);
        traffic.to_clients += 1;
        let mut out = Vec::new();
        match allocation.channel_of(peer).and_then(|number| ChannelData::new(number, datagram)) {
            Some(message) => {
                traffic.by_channel += 1;
                message.encode(path.transport(), &mut out);
            }
            None => {
                let _ = Builder::indication(&mut out, Method::DATA, id(self.sequence))
                    .attribute(&XorPeerAddress(peer))
                    .attribute(&Data(datagram));
            }
        }
        self.send(path, out.into());
    }
}

/// The Data indication that tells of an ICMP message.
pub(super) fn icmp(sequence: u64, peer: SocketAddr, icmp: Icmp) -> Bytes {
    let mut out = Vec::new();
    let _ = Builder::indication(&mut out, Method::DATA, id(sequence))
        .attribute(&XorPeerAddress(peer))
        .attribute(&icmp);
    out.into()
}

/// A transaction id that this server uses once.
fn id(sequence: u64) -> TransactionId {
    let mut id = *b"data\0\0\0\0\0\0\0\0";
    if let Some(tail) = id.last_chunk_mut() {
        *tail = sequence.to_be_bytes();
    }
    TransactionId::from(id)
}
