//! A connection, and what came of it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use floe::{Security, Transport};

use super::coturn::Coturn;
use crate::driver::connection::{self, Connection, Protection, Report, Request, Trust};

/// How a test reaches a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    Udp,
    Tcp,
    Tls,
    Dtls,
}

impl Way {
    pub(super) const ALL: [Self; 4] = [Self::Udp, Self::Tcp, Self::Tls, Self::Dtls];

    pub(super) fn transport(self) -> Transport {
        match self {
            Self::Udp | Self::Dtls => Transport::Udp,
            Self::Tcp | Self::Tls => Transport::Tcp,
        }
    }

    pub(super) fn security(self) -> Security {
        if self.is_secure() { Security::Tls } else { Security::Plain }
    }

    /// Where the server is asked this way.
    pub(super) fn address_of(self, server: &Coturn, ip: IpAddr) -> SocketAddr {
        if self.is_secure() { server.secure(ip) } else { server.plain(ip) }
    }

    fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Dtls)
    }
}

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// A connection to a server.
pub(super) struct Link {
    pub(super) connection: Connection,
    pub(super) local: SocketAddr,
    reports: Receiver<Report>,
}

impl Link {
    /// Connects to one of the server's addresses over `way`; its certificate has to be for that address.
    pub(super) fn open_at(server: &Coturn, way: Way, ip: IpAddr) -> io::Result<Self> {
        Self::connect(way.address_of(server, ip), way, &server.trust, &ip.to_string())
    }

    /// Connects to whatever is at `remote` if it proves to be `name`.
    pub(super) fn connect(remote: SocketAddr, way: Way, trust: &Arc<Trust>, name: &str) -> io::Result<Self> {
        Self::connect_within(PATIENCE, remote, way, trust, name)
    }

    /// The same if it does not take longer than `patience`.
    pub(super) fn connect_within(
        patience: Duration,
        remote: SocketAddr,
        way: Way,
        trust: &Arc<Trust>,
        name: &str,
    ) -> io::Result<Self> {
        let secure = Protection::Tls { trust: Arc::clone(trust), name: name.into() };
        let request = Request {
            transport: way.transport(),
            protection: if way.is_secure() { secure } else { Protection::Plain },
            local: remote.ip(),
            remote,
            give_up_at: Instant::now() + patience,
        };
        let (sender, reports) = mpsc::channel();
        let connection = connection::open(request, move |report| sender.send(report).is_ok());
        match reports.recv_timeout(patience + Duration::from_millis(500)) {
            Ok(Report::Connected(local)) => Ok(Self { connection, local, reports }),
            Ok(Report::Ended(Err(error))) => Err(error),
            Ok(Report::Ended(Ok(()))) => Err(io::ErrorKind::ConnectionAborted.into()),
            Ok(Report::Bytes(_)) => panic!("bytes before the connection is there"),
            Err(_) => panic!("neither connected nor given up in time"),
        }
    }

    /// The bytes that come next; `Some(None)` once it has ended, `None` if nothing comes until `deadline`.
    pub(super) fn receive(&self, deadline: Instant) -> Option<Option<Vec<u8>>> {
        match self.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Report::Bytes(bytes)) => Some(Some(bytes)),
            Ok(Report::Ended(_)) => Some(None),
            Ok(Report::Connected(_)) => panic!("connected twice"),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the connection did not say that it ended"),
        }
    }
}
