//! The servers that the caller knows.

use alloc::boxed::Box;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use zeroize::Zeroizing;

use crate::gather::Base;
use crate::net::{Path, Security, Transport, canonical, is_link_local};
use crate::stun::{EncodeError, LongTerm};
use crate::turn::uri::{Host, Scheme, Uri};

/// A STUN or TURN server.
///
/// floe resolves no names: a server has an address, and each address of a name is a server of its own. The name stays with
/// it, for TLS to verify.
///
/// ```
/// use floe::{Security, Server, Transport};
///
/// let address = "198.51.100.1:5349".parse()?;
/// let server = Server::turn(address, "alice", "secret")
///     .over(Transport::Tcp, Security::Tls)
///     .named("turn.example.org");
/// assert_eq!(server.name(), Some("turn.example.org"));
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Server {
    address: SocketAddr,
    name: Option<Box<str>>,
    transport: Transport,
    security: Security,
    account: Option<Account>,
}

/// Who we are to a TURN server (RFC 8489 section 9.2).
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Account {
    username: Box<str>,
    password: Zeroizing<Box<str>>,
}

impl Server {
    /// A STUN server that is asked over UDP for the mapped address of every base of its family.
    #[must_use]
    pub fn stun(address: SocketAddr) -> Self {
        Self {
            address: canonical(address),
            name: None,
            transport: Transport::Udp,
            security: Security::Plain,
            account: None,
        }
    }

    /// A TURN server that is asked over UDP, by every base of its family, for relayed addresses of both families, and for
    /// the mapped address on the way (RFC 8656).
    #[must_use]
    pub fn turn(address: SocketAddr, username: &str, password: &str) -> Self {
        Self { account: Some(Account::new(username, password)), ..Self::stun(address) }
    }

    /// The server that a URI names (RFC 7064, RFC 7065), at one of the addresses that its host has been resolved to, over the
    /// first transport that it allows; the name stays with it. User name and password are for a TURN server.
    ///
    /// `None` where an agent does not ask: over a transport that floe does not have, and `stuns:`, since mapped addresses are
    /// those of its own sockets.
    ///
    /// ```
    /// use floe::{Security, Server, Transport};
    ///
    /// let uri = "turns:turn.example.org".parse()?;
    /// let server = Server::from_uri(&uri, "198.51.100.1".parse()?, "alice", "secret").ok_or("a transport of the future")?;
    /// assert_eq!(server.address(), "198.51.100.1:5349".parse()?);
    /// assert_eq!((server.transport(), server.security()), (Transport::Tcp, Security::Tls));
    /// assert_eq!(server.name(), Some("turn.example.org"));
    /// # Ok::<(), Box<dyn core::error::Error>>(())
    /// ```
    #[must_use]
    pub fn from_uri(uri: &Uri, ip: IpAddr, username: &str, password: &str) -> Option<Self> {
        let address = SocketAddr::new(ip, uri.port());
        let server = match (uri.scheme(), uri.transports().first()?) {
            (Scheme::Stun, _) => Self::stun(address),
            (Scheme::Stuns, _) => return None,
            (Scheme::Turn, transport) => {
                Self::turn(address, username, password).over(*transport, Security::Plain)
            }
            (Scheme::Turns, transport) => {
                Self::turn(address, username, password).over(*transport, Security::Tls)
            }
        };
        Some(match uri.host() {
            Host::Name(name) => server.named(name),
            Host::Address(_) => server,
        })
    }

    /// How a TURN server is reached instead: over TCP, or within TLS or DTLS. The agent then asks for a connection
    /// ([`Output::Connect`](crate::Output::Connect)).
    #[must_use]
    pub fn over(mut self, transport: Transport, security: Security) -> Self {
        (self.transport, self.security) = (transport, security);
        self
    }

    /// The name that the address was resolved from.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Where the server is asked.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name that the address was resolved from.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Over TCP or UDP.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// Within TLS or DTLS, or plain.
    #[must_use]
    pub const fn security(&self) -> Security {
        self.security
    }

    /// Who we are to it; `None` for a server that is asked for mapped addresses only.
    pub(crate) const fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }

    pub(crate) fn set_account(&mut self, account: Account) {
        self.account = Some(account);
    }

    /// Whether it is reached over a connection of its own, rather than from the socket of a base.
    pub(crate) fn wants_connection(&self) -> bool {
        self.transport == Transport::Tcp || self.security == Security::Tls
    }

    /// The path from the socket of a base to this server, or `None` where there can be none: another family, or another
    /// link. Over a connection of its own the path has another port.
    pub(crate) fn path_from(&self, base: &Base) -> Option<Path> {
        let same_family = base.local().is_ipv4() == self.address.is_ipv4();
        let same_link = is_link_local(base.local().ip()) == is_link_local(self.address.ip());
        let inside = base.local().ip().is_loopback() && !self.address.ip().is_loopback();
        (same_family && same_link && !inside).then(|| Path::new(self.transport, base.local(), self.address))
    }
}

impl Account {
    pub(crate) fn new(username: &str, password: &str) -> Self {
        Self { username: username.into(), password: Zeroizing::new(password.into()) }
    }

    /// What the client of the server authenticates with.
    pub(crate) fn credential(&self) -> Result<LongTerm, EncodeError> {
        LongTerm::new(&self.username, &self.password)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("username", &self.username).field("password", &"***").finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    /// Proves: rfc7064-3.2-1, rfc7064-3.2-2, rfc7065-3.2-1, rfc7065-3.2-2, rfc7065-3.2-3, rfc7065-3.1-2, rfc7065-4-1
    #[test]
    fn a_uri_and_an_address_make_a_server() {
        use Security::{Plain, Tls};
        use Transport::{Tcp, Udp};
        for (uri, expected) in [
            ("stun:a.example", Some((3478, Udp, Plain, Some("a.example"), false))),
            ("stun:192.0.2.1:7", Some((7, Udp, Plain, None, false))),
            ("turn:a.example", Some((3478, Udp, Plain, Some("a.example"), true))),
            ("turn:a.example:80?transport=tcp", Some((80, Tcp, Plain, Some("a.example"), true))),
            ("turns:a.example", Some((5349, Tcp, Tls, Some("a.example"), true))),
            ("turns:a.example?transport=udp", Some((5349, Udp, Tls, Some("a.example"), true))),
            ("turn:a.example?transport=sctp", None),
            ("stuns:a.example", None),
        ] {
            let parsed = uri.parse().unwrap();
            let server = Server::from_uri(&parsed, "192.0.2.1".parse().unwrap(), "alice", "secret");
            assert!(!format!("{server:?}").contains("secret"));
            let told = server.as_ref().map(|server| {
                assert_eq!(server.address().ip().to_string(), "192.0.2.1");
                let has_account = server.account().is_some();
                (server.address().port(), server.transport(), server.security(), server.name(), has_account)
            });
            assert_eq!(told, expected, "{uri}");
        }
    }
}
