//! `stun:`, `stuns:`, `turn:` and `turns:` URIs (RFC 7064, RFC 7065), as a configuration or a WebRTC application names
//! servers.
//!
//! Nothing is resolved here: a [`Uri`] says what to look up, over which transports the server may be asked, and whether
//! through TLS.

use crate::Transport;
use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// The URI of a STUN or TURN server. User name and password are no part of it.
///
/// ```
/// use floe::Transport;
/// use floe::turn::uri::{Host, Uri};
///
/// let uri: Uri = "turn:turn.example.org?transport=tcp".parse()?;
/// assert_eq!(uri.host(), &Host::Name("turn.example.org".into()));
/// assert_eq!((uri.port(), uri.is_secure()), (3478, false));
/// assert_eq!(uri.transports(), [Transport::Tcp]);
/// # Ok::<(), floe::turn::uri::UriError>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Uri {
    scheme: Scheme,
    host: Host,
    port: Option<u16>,
    transport: Option<UriTransport>,
}

/// What kind of server, and whether through TLS or DTLS.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 7064 and RFC 7065 define two each")]
pub enum Scheme {
    /// A STUN server.
    Stun,
    /// A STUN server behind TLS.
    Stuns,
    /// A TURN server.
    Turn,
    /// A TURN server behind TLS or DTLS.
    Turns,
}

/// Where a server is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a name or an address")]
pub enum Host {
    /// A name to be resolved, as it was written.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// `?transport=` of a TURN server's URI.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum UriTransport {
    /// `udp`
    Udp,
    /// `tcp`
    Tcp,
    /// A transport that floe does not have, in lower case.
    Other(String),
}

/// Why text is no URI of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// More than 1,024 bytes.
    #[error("longer than 1,024 bytes")]
    TooLong,
    /// Another scheme, or none.
    #[error("the scheme is none of stun, stuns, turn and turns")]
    Scheme,
    /// `//`, as URLs of other schemes have it.
    #[error("there is no // in such a URI")]
    Authority,
    /// A user name before an `@`.
    #[error("user names and passwords are no part of such a URI, give them apart")]
    Userinfo,
    /// Neither a name of letters, digits, hyphens and dots nor an IP address; IPv6 goes in brackets.
    #[error("the host is neither a name nor an address, write IPv6 in brackets")]
    Host,
    /// An address where a certificate is to be verified against a name.
    #[error("a server behind TLS has to be named, not numbered")]
    AddressWithTls,
    /// Not a number up to 65,535.
    #[error("the port is no number of 16 bits")]
    Port,
    /// Something other than one `?transport=` behind a TURN server, or anything behind a STUN server.
    #[error("only ?transport= can follow, once, and only for a TURN server")]
    Query,
}

impl Uri {
    /// Reads a URI in which a server behind TLS may have an IP address instead of a name.
    ///
    /// RFC 8489 section 8.1 forbids that for `stuns`: certificates carry names. Some carry addresses, and WebRTC
    /// applications do use them; [`parse`](str::parse) refuses both.
    ///
    /// # Errors
    ///
    /// A [`UriError`].
    pub fn parse_with_address(text: &str) -> Result<Self, UriError> {
        if text.len() > URI_MAX {
            return Err(UriError::TooLong);
        }
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        let scheme = Scheme::parse(scheme).ok_or(UriError::Scheme)?;
        let (server, query) = match rest.split_once('?') {
            Some((server, query)) => (server, Some(query)),
            None => (rest, None),
        };
        // rfc7064-3.1-1, rfc7065-3.1-4
        if server.starts_with("//") {
            return Err(UriError::Authority);
        }
        if server.contains('@') {
            return Err(UriError::Userinfo);
        }
        let (host, port) = Host::split(server)?;
        let port = match port {
            // rfc7064-3.1-4
            None | Some("") => None,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse().map_err(|_| UriError::Port)?)
            }
            Some(_) => return Err(UriError::Port),
        };
        let transport = query.map(|query| scheme.transport(query).ok_or(UriError::Query)).transpose()?;
        Ok(Self { scheme, host, port, transport })
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name to be resolved, and verified by TLS; or the address.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, 3478 or with TLS 5349 if none is given.
    #[must_use]
    pub const fn port(&self) -> u16 {
        // rfc7064-3.2-2, rfc7065-3.2-2, rfc8489-8.1-2
        match self.port {
            Some(port) => port,
            None if self.is_secure() => 5349,
            None => 3478,
        }
    }

    /// The transport that the URI asks for.
    #[must_use]
    pub const fn transport(&self) -> Option<&UriTransport> {
        self.transport.as_ref()
    }

    /// Over which transports to ask the server, the first choice first. None if the URI asks for one that floe does not
    /// have: such a server is of no use.
    ///
    /// With [`is_secure`](Self::is_secure) TCP stands for TLS, UDP for DTLS (RFC 7350).
    #[must_use]
    pub const fn transports(&self) -> &'static [Transport] {
        // rfc7064-3.2-1, rfc7065-3.2-1, rfc7065-3.2-3
        match (&self.transport, self.is_secure()) {
            (Some(UriTransport::Udp), _) => &[Transport::Udp],
            (Some(UriTransport::Tcp), _) | (None, true) => &[Transport::Tcp],
            (Some(UriTransport::Other(_)), _) => &[],
            (None, false) => &[Transport::Udp, Transport::Tcp],
        }
    }

    /// Whether the server is to be asked through TLS or DTLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        matches!(self.scheme, Scheme::Stuns | Scheme::Turns)
    }

    /// For which SRV records to ask, the first choice first, and what transport the servers found by it speak
    /// (RFC 8489 section 8.1, RFC 5928). None if the URI has a port or an address.
    pub fn services(&self) -> impl Iterator<Item = (Transport, String)> {
        let name = match &self.host {
            Host::Name(name) if self.port.is_none() => Some(name),
            _ => None,
        };
        name.into_iter().flat_map(move |name| {
            let transports = match self.scheme {
                // rfc7064-3.2-3
                Scheme::Stun => &[Transport::Udp],
                Scheme::Stuns | Scheme::Turn | Scheme::Turns => self.transports(),
            };
            transports.iter().map(move |&transport| {
                let protocol = match transport {
                    Transport::Udp => "udp",
                    Transport::Tcp => "tcp",
                };
                (transport, alloc::format!("_{}._{protocol}.{name}", self.scheme.as_str()))
            })
        })
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let uri = Self::parse_with_address(text)?;
        // rfc8489-8.1-1, rfc7064-4-1
        match uri.host {
            Host::Address(_) if uri.is_secure() => Err(UriError::AddressWithTls),
            _ => Ok(uri),
        }
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme.as_str(), self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match &self.transport {
            Some(transport) => write!(f, "?transport={}", transport.as_str()),
            None => Ok(()),
        }
    }
}

impl Scheme {
    const ALL: [Self; 4] = [Self::Stun, Self::Stuns, Self::Turn, Self::Turns];

    /// The scheme in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Stuns => "stuns",
            Self::Turn => "turn",
            Self::Turns => "turns",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        // rfc7064-3.1-2, rfc7065-3.1-5
        Self::ALL.into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme.as_str()))
    }

    /// Reads what follows the question mark (rfc7065-3.1-3).
    fn transport(self, query: &str) -> Option<UriTransport> {
        let (key, transport) = query.split_once('=')?;
        let is_turn = matches!(self, Self::Turn | Self::Turns);
        let known = is_turn && key.eq_ignore_ascii_case("transport") && !transport.is_empty();
        (known && transport.bytes().all(is_unreserved)).then(|| UriTransport::parse(transport))
    }
}

impl UriTransport {
    fn parse(text: &str) -> Self {
        let transport = text.to_ascii_lowercase();
        match &*transport {
            "udp" => Self::Udp,
            "tcp" => Self::Tcp,
            _ => Self::Other(transport),
        }
    }

    /// The transport as it stands in a URI.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Other(transport) => transport.as_str(),
        }
    }
}

impl Host {
    /// Reads a host and leaves the port behind the colon.
    fn split(text: &str) -> Result<(Self, Option<&str>), UriError> {
        // rfc7064-3.1-3
        if let Some(text) = text.strip_prefix('[') {
            let (address, port) = text.split_once(']').ok_or(UriError::Host)?;
            let address: Ipv6Addr = address.parse().map_err(|_| UriError::Host)?;
            let port = match port.strip_prefix(':') {
                None if !port.is_empty() => return Err(UriError::Host),
                port => port,
            };
            return Ok((Self::Address(address.into()), port));
        }
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        // An IPv6 address without brackets.
        if port.is_some_and(|port| port.contains(':')) {
            return Err(UriError::Host);
        }
        let host = match host.parse::<Ipv4Addr>() {
            Ok(address) => Self::Address(address.into()),
            Err(_) if is_name(host) => Self::Name(host.into()),
            Err(_) => return Err(UriError::Host),
        };
        Ok((host, port))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Whether a resolver can take this for a name: labels of letters, digits, hyphens and underscores, up to 255 bytes.
///
/// Of what RFC 3986 has besides, escapes (rfc7065-3.1-6) are refused; a name in another script comes as its ASCII form.
/// So are names that end in a number, like `127.1` and `0x7f000001`, by which many resolvers mean an address.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= NAME_MAX && name.split('.').all(label) && !is_number(last)
}

fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => label.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// More than any name and transport take.
const URI_MAX: usize = 1024;

/// RFC 1035 section 2.3.4.
const NAME_MAX: usize = 255;

#[cfg(test)]
mod tests;
