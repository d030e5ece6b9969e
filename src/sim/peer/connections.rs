//! The connections of a peer: opened as its agent asks, and their bytes cut into frames, as every embedder does.

use core::mem;
use core::net::SocketAddr;

use super::{FIRST_PORT, Peer};
use crate::framing::Deframer;
use crate::ice::ConnectId;
use crate::sim::{Connect, ConnectError, Output};
use crate::{Path, Transport};

impl Peer {
    /// Does what an agent wants by [`Output::Connect`](crate::Output::Connect): over UDP that is a socket of its own.
    pub(super) fn connect(&mut self, connect: crate::Connect) {
        match connect.transport {
            Transport::Udp => {
                let local = SocketAddr::new(connect.local.ip(), self.next_port);
                self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
                // What is not wanted any more leaves nothing to close.
                let _ = self.agent.handle_connect(self.now, connect.id, Some(local));
            }
            Transport::Tcp => {
                let id = connect.id.to_raw().into();
                let wanted = Connect::new(id, connect.local, connect.remote).give_up_at(connect.give_up_at);
                self.outputs.push_back(Output::Connect(wanted));
            }
        }
    }

    pub(super) fn connected(&mut self, id: u64, outcome: Result<Path, ConnectError>) {
        let Ok(id) = u32::try_from(id) else { return };
        let local = outcome.ok().map(|path| path.local());
        match (self.agent.handle_connect(self.now, ConnectId::from_raw(id), local), outcome) {
            (Some(path), _) => {
                self.deframers.insert(path, Deframer::new());
            }
            (None, Ok(path)) => self.outputs.push_back(Output::Disconnect(path)),
            (None, Err(_)) => {}
        }
    }

    /// Cuts what was read into frames. How they are cut is asked before each.
    pub(super) fn take_bytes(&mut self, path: Path, mut bytes: &[u8]) {
        let Some(deframer) = self.deframers.get_mut(&path) else { return };
        // Taken out while the agent works, since that is of this peer as well.
        let mut deframer = mem::take(deframer);
        while let Some(framing) = self.agent.framing(path) {
            match deframer.next(framing, &mut bytes) {
                Ok(Some(frame)) => self.take(path, frame),
                Ok(None) => {
                    self.deframers.insert(path, deframer);
                    return;
                }
                Err(_) => {
                    self.agent.handle_disconnect(self.now, path);
                    break;
                }
            }
        }
        self.deframers.remove(&path);
        self.outputs.push_back(Output::Disconnect(path));
    }
}
