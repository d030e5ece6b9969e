//! Clients over TCP (RFC 8656 sections 3.1 and 12.5).

use alloc::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::TurnServer;
use crate::framing::{Deframer, Framing};
use crate::sim::Output;
use crate::{Path, Transport};

/// The connections of a server.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// With what has come of a frame.
    open: BTreeMap<Path, Deframer>,
    /// Those that the server has ended.
    to_close: VecDeque<Path>,
}

impl Connections {
    pub(super) fn open(&mut self, path: Path) {
        self.open.insert(path, Deframer::new());
    }

    pub(super) fn forget(&mut self, path: Path) {
        self.open.remove(&path);
    }

    pub(super) fn close(&mut self, path: Path) {
        self.open.remove(&path);
        self.to_close.push_back(path);
    }

    pub(super) fn close_all(&mut self) {
        self.to_close.extend(core::mem::take(&mut self.open).into_keys());
    }

    pub(super) fn next_to_close(&mut self) -> Option<Path> {
        self.to_close.pop_front()
    }

    /// How a message leaves: to whoever speaks over a connection, on that.
    pub(super) fn output(&self, path: Path, message: Bytes) -> Output {
        match path.transport() {
            Transport::Tcp if self.open.contains_key(&path) => Output::Write(path, message),
            Transport::Tcp | Transport::Udp => Output::Transmit(path, message),
        }
    }
}

impl TurnServer {
    /// Takes what came in on a connection. After what is no message nobody knows where the next one begins.
    pub(super) fn take_bytes(&mut self, path: Path, mut bytes: &[u8]) {
        let Some(deframer) = self.connections.open.get_mut(&path) else { return };
        let mut deframer = core::mem::take(deframer);
        loop {
            match deframer.next(Framing::Turn, &mut bytes) {
                Ok(Some(frame)) => {
                    if self.present {
                        self.handle_client(path, frame);
                    }
                }
                Ok(None) => {
                    self.connections.open.insert(path, deframer);
                    return;
                }
                Err(_) => {
                    self.connections.close(path);
                    return self.end_with_connection(path);
                }
            }
        }
    }

    /// An allocation over a connection ends with it.
    pub(super) fn end_with_connection(&mut self, path: Path) {
        self.allocations.remove(&path);
    }
}
