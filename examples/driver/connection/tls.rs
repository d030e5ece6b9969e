//! TLS: a stream within a stream.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection};

use super::trust::{self, Trust, invalid};
use super::{Layer, Step};

pub(super) struct Tls {
    connection: ClientConnection,
    received: Vec<u8>,
    handshaking: bool,
    /// Told once the server has been told.
    failure: Option<io::Error>,
}

impl Tls {
    pub(super) fn new(trust: &Arc<Trust>, name: &str) -> io::Result<Self> {
        let config = ClientConfig::builder_with_provider(trust::provider())
            .with_safe_default_protocol_versions()
            .map_err(invalid)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(trust) as Arc<_>)
            .with_no_client_auth();
        let connection =
            ClientConnection::new(Arc::new(config), trust::server_name(name)?).map_err(invalid)?;
        Ok(Self { connection, received: Vec::new(), handshaking: true, failure: None })
    }
}

impl Layer for Tls {
    fn handle_input(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() && self.failure.is_none() {
            self.connection.read_tls(&mut bytes)?;
            if let Err(error) = self.connection.process_new_packets() {
                self.failure = Some(invalid(error));
            }
            match self.connection.reader().read_to_end(&mut self.received) {
                // The server has said goodbye.
                Ok(_) => self.failure = Some(ErrorKind::ConnectionAborted.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.connection.writer().write_all(frame)
    }

    fn close(&mut self) {
        self.connection.send_close_notify();
    }

    fn poll(&mut self) -> io::Result<Option<Step>> {
        if self.connection.wants_write() {
            let mut wire = Vec::new();
            self.connection.write_tls(&mut wire)?;
            return Ok(Some(Step::Wire(wire)));
        }
        if self.handshaking && !self.connection.is_handshaking() {
            self.handshaking = false;
            return Ok(Some(Step::Ready));
        }
        if !self.received.is_empty() {
            return Ok(Some(Step::Data(mem::take(&mut self.received))));
        }
        self.failure.take().map_or(Ok(None), Err)
    }
}
