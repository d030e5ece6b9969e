//! A node that sends what it is told to and keeps what it gets.

use core::net::{IpAddr, SocketAddr};
use std::collections::VecDeque;

use bytes::Bytes;
use floe::sim::{ConnectError, Ended, Host, LocalAddress, NetworkId, Node, NodeId, Output, World};
use floe::{Path, Timestamp};

#[derive(Debug, Default)]
pub(crate) struct Probe {
    pub(crate) datagrams: Vec<(Timestamp, Path, Vec<u8>)>,
    pub(crate) signals: Vec<(Timestamp, NodeId, Vec<u8>)>,
    pub(crate) woken: Vec<Timestamp>,
    pub(crate) wake_at: Option<Timestamp>,
    pub(crate) outputs: VecDeque<Output>,
    /// What came of connections asked for, by the number given.
    pub(crate) connected: Vec<(Timestamp, u64, Result<Path, ConnectError>)>,
    pub(crate) accepted: Vec<(Timestamp, Path)>,
    pub(crate) reads: Vec<(Timestamp, Path, Vec<u8>)>,
    pub(crate) lost: Vec<(Timestamp, Path, Ended)>,
    pub(crate) addresses: Vec<(Timestamp, Vec<LocalAddress>)>,
    pub(crate) resolved: Vec<(Timestamp, u64, Option<IpAddr>)>,
}

impl Probe {
    pub(crate) fn send(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        self.outputs.push_back(Output::Transmit(Path::udp(from, to), Bytes::copy_from_slice(payload)));
    }

    /// The payloads that came, in order.
    pub(crate) fn heard(&self) -> Vec<&[u8]> {
        self.datagrams.iter().map(|(_, _, payload)| payload.as_slice()).collect()
    }

    /// All that was read, in one.
    pub(crate) fn stream(&self) -> Vec<u8> {
        self.reads.iter().flat_map(|(_, _, bytes)| bytes.clone()).collect()
    }

    /// The sources of what came, in order.
    pub(crate) fn sources(&self) -> Vec<SocketAddr> {
        self.datagrams.iter().map(|(_, path, _)| path.remote()).collect()
    }
}

impl Node for Probe {
    fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        self.datagrams.push((now, path, datagram.to_vec()));
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.woken.push(now);
        self.wake_at = self.wake_at.filter(|at| *at > now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.wake_at
    }

    fn handle_signal(&mut self, now: Timestamp, from: NodeId, message: &[u8]) {
        self.signals.push((now, from, message.to_vec()));
    }

    fn handle_addresses(&mut self, now: Timestamp, addresses: &[LocalAddress]) {
        self.addresses.push((now, addresses.to_vec()));
    }

    fn handle_connect(&mut self, now: Timestamp, id: u64, outcome: Result<Path, ConnectError>) {
        self.connected.push((now, id, outcome));
    }

    fn handle_accept(&mut self, now: Timestamp, path: Path) {
        self.accepted.push((now, path));
    }

    fn handle_bytes(&mut self, now: Timestamp, path: Path, bytes: &[u8]) {
        self.reads.push((now, path, bytes.to_vec()));
    }

    fn handle_disconnect(&mut self, now: Timestamp, path: Path, how: Ended) {
        self.lost.push((now, path, how));
    }

    fn handle_resolved(&mut self, now: Timestamp, id: u64, address: Option<IpAddr>) {
        self.resolved.push((now, id, address));
    }
}

/// Adds a probe.
pub(crate) fn probe(world: &mut World<Probe>, host: impl Into<Host>) -> NodeId {
    world.add_node(host, |_, _, _| Probe::default())
}

/// Adds a probe with one address on the public network.
pub(crate) fn public(world: &mut World<Probe>, at: &str) -> NodeId {
    probe(world, Host::new().address(NetworkId::PUBLIC, address(at)))
}

/// Sends one datagram from the first address of `from` and lets it arrive.
pub(crate) fn send(world: &mut World<Probe>, from: NodeId, to: SocketAddr, payload: &[u8]) {
    let local = world.address(from);
    send_from(world, from, local, to, payload);
}

/// Sends one datagram from `local` and lets it arrive.
pub(crate) fn send_from(
    world: &mut World<Probe>,
    from: NodeId,
    local: SocketAddr,
    to: SocketAddr,
    payload: &[u8],
) {
    world.with(from, |probe, _| probe.send(local, to, payload));
    world.run_for(core::time::Duration::from_millis(20));
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}
