//! DTLS: each datagram protected by itself (RFC 7350).
//!
//! `dimpl` shows the certificate of the server alone, not those that lead to an authority: a server whose certificate
//! an intermediate authority has signed is trusted if `SSL_CERT_FILE` has that authority's. It takes ECDSA
//! certificates only.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Instant;

use dimpl::{Config, DtlsCertificate, Output};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::trust::{self, Trust, invalid};
use super::{Layer, Step};

/// What a record adds to its data, with room to spare: a frame of 1,300 bytes still fits into an Ethernet frame.
const MTU: usize = 1400;

pub(super) struct Dtls {
    session: dimpl::Dtls,
    trust: Arc<Trust>,
    name: ServerName<'static>,
    trusted: bool,
    wake_at: Instant,
    buffer: Vec<u8>,
}

impl Dtls {
    pub(super) fn new(trust: Arc<Trust>, name: &str) -> io::Result<Self> {
        // Servers of TURN do not ask for it, but the handshake wants to have one.
        let own = rcgen::generate_simple_self_signed([]).map_err(invalid)?;
        let certificate = DtlsCertificate {
            certificate: own.cert.der().to_vec(),
            private_key: own.signing_key.serialize_der(),
        };
        let config = Config::builder().mtu(MTU).build().map_err(invalid)?;
        let now = Instant::now();
        let mut session = dimpl::Dtls::new_auto(Arc::new(config), certificate, now);
        session.set_active(true);
        session.handle_timeout(now).map_err(invalid)?;
        Ok(Self {
            session,
            trust,
            name: trust::server_name(name)?,
            trusted: false,
            wake_at: now,
            buffer: vec![0; 2048],
        })
    }
}

impl Layer for Dtls {
    fn handle_input(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.session.handle_timeout(Instant::now()).map_err(invalid)?;
        self.session.handle_packet(bytes).map_err(invalid)
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.session.send_application_data(frame).map(drop).map_err(invalid)
    }

    fn close(&mut self) {
        // It is closed already, or there is nobody to tell.
        drop(self.session.close());
    }

    fn poll(&mut self) -> io::Result<Option<Step>> {
        loop {
            let needed = match self.session.poll_output(&mut self.buffer) {
                Output::Packet(bytes) => return Ok(Some(Step::Wire(bytes.to_vec()))),
                Output::PeerCert(certificate) => {
                    let certificate = CertificateDer::from(certificate);
                    self.trust.verify(&certificate, &[], &self.name, UnixTime::now()).map_err(invalid)?;
                    self.trusted = true;
                    continue;
                }
                Output::Connected if self.trusted => return Ok(Some(Step::Ready)),
                Output::ApplicationData(bytes) if self.trusted => {
                    return Ok(Some(Step::Data(bytes.to_vec())));
                }
                Output::Connected | Output::ApplicationData(_) => return Err(ErrorKind::InvalidData.into()),
                Output::CloseNotify => return Err(ErrorKind::ConnectionAborted.into()),
                Output::Timeout(at) => {
                    self.wake_at = at;
                    return Ok(None);
                }
                Output::BufferTooSmall { needed } => needed,
                _ => continue,
            };
            self.buffer.resize(needed, 0);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.wake_at)
    }

    fn handle_timeout(&mut self) -> io::Result<()> {
        self.session.handle_timeout(Instant::now()).map_err(invalid)
    }
}
