//! Candidates: transport addresses at which an agent may be reached, and what is signalled of them.

use super::credentials::check_ufrag;
use super::{Credentials, Foundation, Priority};
use crate::net::{self, Transport};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str;

/// A transport address at which an agent may be reached, as it is signalled (RFC 8445 section 5.3).
///
/// `sdp` reads and writes candidates as lines of SDP; other ways to signal them make candidates with [`new`](Self::new)
/// and take them apart with the methods that read.
///
/// ```
/// use floe::Transport;
/// use floe::ice::{Candidate, CandidateKind, Foundation, Priority};
///
/// let address: core::net::SocketAddr = "192.0.2.3:45664".parse()?;
/// let foundation = Foundation::new("1")?;
/// let candidate =
///     Candidate::new(CandidateKind::Host, 1, Transport::Udp, address, Priority::of(126, 65535, 1), foundation);
/// assert_eq!(candidate.ip(), Some(address));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// [Packed](Foundation::packed); zero if it is longer and stands in `details`.
    foundation: u64,
    address: CandidateAddress,
    priority: Priority,
    component: u16,
    transport: Transport,
    kind: CandidateKind,
    /// Filled up with zeros; nothing but zeros if there is none, or if it is longer and stands in `details`.
    ufrag: [u8; UFRAG_KEPT],
    /// Invariant: nothing rather than empty ones.
    details: Option<Box<Details>>,
}

/// What many candidates go without.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Details {
    /// One that is long.
    foundation: Option<Foundation>,
    related: Option<SocketAddr>,
    tcp_type: Option<TcpType>,
    /// One that is long.
    ufrag: Option<Box<str>>,
    /// Invariant: at most `EXTENSIONS_MAX`; names and values are visible ASCII, names not empty.
    extensions: Vec<(Box<str>, Box<str>)>,
}

impl Candidate {
    /// The most extension attributes that a candidate carries.
    pub const EXTENSIONS_MAX: usize = 16;

    /// A candidate for `component` (1 to 256; an agent refuses one that its stream does not have).
    pub fn new(
        kind: CandidateKind,
        component: u16,
        transport: Transport,
        address: impl Into<CandidateAddress>,
        priority: Priority,
        foundation: Foundation,
    ) -> Self {
        let (short, address) = (foundation.packed(), address.into());
        let mut candidate = Self {
            foundation: short.unwrap_or(0),
            address,
            priority,
            component,
            transport,
            kind,
            ufrag: [0; UFRAG_KEPT],
            details: None,
        };
        if short.is_none() {
            candidate.describe(|details| details.foundation = Some(foundation));
        }
        candidate
    }

    /// The same with a related address: the base of a reflexive candidate, the mapped address of a relayed one.
    ///
    /// A host candidate has none, and an unspecified address or port 0 says no more than none at all.
    #[must_use]
    pub fn with_related(mut self, related: SocketAddr) -> Self {
        let related = net::unscoped(net::canonical(related));
        let says_something = !related.ip().is_unspecified() && related.port() != 0;
        // rfc8839-5.1-11
        let related = (says_something && self.kind != CandidateKind::Host).then_some(related);
        self.describe(|details| details.related = related);
        self
    }

    /// The same as a TCP candidate of this type. A UDP candidate has none.
    #[must_use]
    pub fn with_tcp_type(mut self, tcp_type: TcpType) -> Self {
        let tcp_type = (self.transport == Transport::Tcp).then_some(tcp_type);
        self.describe(|details| details.tcp_type = tcp_type);
        self
    }

    /// The same, marked as belonging to the generation that has these credentials.
    #[must_use]
    pub fn with_ufrag_of(mut self, credentials: &Credentials) -> Self {
        self.set_ufrag(credentials.ufrag());
        self
    }

    /// The same, marked as belonging to the generation with this username fragment.
    ///
    /// # Errors
    ///
    /// [`CandidateError::Ufrag`] unless it has 4 to 256 ice-chars.
    pub fn with_ufrag(mut self, ufrag: &str) -> Result<Self, CandidateError> {
        check_ufrag(ufrag).map_err(|_| CandidateError::Ufrag)?;
        self.set_ufrag(ufrag);
        Ok(self)
    }

    fn set_ufrag(&mut self, ufrag: &str) {
        let (short, long) = match ufrag.len() {
            ..=UFRAG_KEPT => (ufrag, None),
            _ => ("", Some(ufrag)),
        };
        self.ufrag = [0; UFRAG_KEPT];
        self.ufrag.iter_mut().zip(short.bytes()).for_each(|(place, byte)| *place = byte);
        if long.is_some() || self.details.is_some() {
            self.describe(|details| details.ufrag = long.map(Into::into));
        }
    }

    /// The same with one more extension attribute, such as `network-id` or `generation`.
    ///
    /// # Errors
    ///
    /// [`CandidateError`] beyond [`EXTENSIONS_MAX`](Self::EXTENSIONS_MAX) attributes, and where `name` or `value`
    /// would break a line of SDP: both are visible ASCII, and the name is neither empty nor one of `raddr`, `rport`,
    /// `tcptype` and `ufrag`, which have methods of their own.
    pub fn with_extension(mut self, name: &str, value: &str) -> Result<Self, CandidateError> {
        let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let taken =
            ["raddr", "rport", "tcptype", "ufrag"].iter().any(|known| known.eq_ignore_ascii_case(name));
        if name.is_empty() || taken || !visible(name) || !visible(value) {
            return Err(CandidateError::Extension);
        }
        if self.extensions().count() == Self::EXTENSIONS_MAX {
            return Err(CandidateError::TooManyExtensions);
        }
        self.describe(|details| details.extensions.push((name.into(), value.into())));
        Ok(self)
    }

    /// Groups candidates that are likely to share their fate.
    pub fn foundation(&self) -> Foundation {
        self.long_foundation().unwrap_or_else(|| Foundation::from_packed(self.foundation))
    }

    fn long_foundation(&self) -> Option<Foundation> {
        self.details.as_ref().and_then(|details| details.foundation)
    }

    /// Whether the two have one foundation.
    pub(crate) fn is_kin_of(&self, other: &Self) -> bool {
        self.foundation == other.foundation
            && (self.foundation > 0 || self.long_foundation() == other.long_foundation())
    }

    /// The component of the stream, from 1.
    pub const fn component(&self) -> u16 {
        self.component
    }

    /// UDP or TCP; for a relayed candidate, between the relay and the peer.
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The priority.
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// Where the agent may be reached.
    pub const fn address(&self) -> &CandidateAddress {
        &self.address
    }

    /// The transport address, unless there is a name that has not been resolved.
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self.address {
            CandidateAddress::Ip(address) => Some(address),
            CandidateAddress::Name(..) => None,
        }
    }

    /// How the address was obtained.
    pub const fn kind(&self) -> CandidateKind {
        self.kind
    }

    /// The related address: for diagnosis only, and often withheld.
    pub fn related(&self) -> Option<SocketAddr> {
        self.details.as_ref()?.related
    }

    /// Who opens the connection, for a TCP candidate.
    pub fn tcp_type(&self) -> Option<TcpType> {
        self.details.as_ref()?.tcp_type
    }

    /// The username fragment of the generation it belongs to, if it was signalled with the candidate.
    pub fn ufrag(&self) -> Option<&str> {
        let len = self.ufrag.iter().position(|byte| *byte == 0).unwrap_or(UFRAG_KEPT);
        let short = self.ufrag.get(..len).and_then(|bytes| str::from_utf8(bytes).ok());
        let long = || self.details.as_ref()?.ufrag.as_deref();
        short.filter(|ufrag| !ufrag.is_empty()).or_else(long)
    }

    /// The value of the first extension attribute with this name.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All extension attributes but `tcptype` and `ufrag`, in the order in which they were signalled.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &str)> {
        let extensions = self.details.iter().flat_map(|details| &details.extensions);
        extensions.map(|(name, value)| (&**name, &**value))
    }

    fn describe(&mut self, change: impl FnOnce(&mut Details)) {
        let mut details = self.details.take().unwrap_or_default();
        change(&mut details);
        self.details = (*details != Details::default()).then_some(details);
    }

    /// The same at `address`, which its name was resolved to or which a policy made of it.
    #[must_use]
    pub fn at(mut self, address: impl Into<CandidateAddress>) -> Self {
        self.address = address.into();
        self
    }
}

/// How a candidate's address was obtained.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum CandidateKind {
    /// An address of the host itself.
    Host,
    /// The address that a STUN or TURN server saw.
    ServerReflexive,
    /// The address that the peer saw in a connectivity check.
    PeerReflexive,
    /// An address of a TURN server.
    Relayed,
}

impl CandidateKind {
    /// The word for it in SDP: `host`, `srflx`, `prflx` or `relay`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        }
    }
}

impl fmt::Display for CandidateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who opens the connection of a TCP candidate (RFC 6544).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6544 has these three ways")]
pub enum TcpType {
    /// The agent connects; the port of the candidate (9) means nothing.
    Active,
    /// The agent accepts.
    Passive,
    /// Both agents connect at once.
    SimultaneousOpen,
}

impl TcpType {
    /// The word for it in SDP: `active`, `passive` or `so`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        }
    }

    /// Whether a candidate of this type can be paired with one of type `remote` (RFC 6544 section 6.2).
    pub const fn pairs_with(self, remote: Self) -> bool {
        // rfc6544-6.2-1
        matches!(
            (self, remote),
            (Self::Active, Self::Passive)
                | (Self::Passive, Self::Active)
                | (Self::SimultaneousOpen, Self::SimultaneousOpen)
        )
    }
}

impl fmt::Display for TcpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a candidate is: an address, or a multicast DNS name that hides one.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "RFC 8839 and the multicast DNS draft allow these two")]
pub enum CandidateAddress {
    /// IP address and port.
    Ip(SocketAddr),
    /// A name that only the caller can resolve, and the port.
    Name(MdnsName, u16),
}

impl CandidateAddress {
    /// The port, which a name does not hide.
    pub const fn port(&self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }
}

impl From<SocketAddr> for CandidateAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

/// A multicast DNS name of one label: `1f4712db-ea17-4bcf-a596-105139dfd8bf.local`.
///
/// Names are compared in lower case, as DNS does; a name keeps no capital letters.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MdnsName(Box<str>);

impl MdnsName {
    /// The name that reads `text`, or `None` if it is not one label of 1 to 63 letters, digits, `-` and `_`, and
    /// `.local`.
    pub fn new(text: &str) -> Option<Self> {
        let name = text.to_ascii_lowercase();
        // mdns-process-1
        let label = name.strip_suffix(".local")?;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        ((1..=63).contains(&label.len()) && label.bytes().all(legal)).then(|| Self(name.into()))
    }

    /// The text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the label is a version 4 UUID, as agents make them that conceal an address; any other name may be
    /// that of a printer, and asking for it tells the local network that somebody did.
    pub fn is_uuid(&self) -> bool {
        // mdns-process-5
        let label = self.0.strip_suffix(".local").unwrap_or_default();
        label.len() == 36
            && label.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                14 => byte == b'4',
                19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
                _ => byte.is_ascii_hexdigit(),
            })
    }
}

impl fmt::Display for MdnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a candidate cannot be made so.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CandidateError {
    /// The username fragment is none.
    #[error("a username fragment has 4 to 256 letters, digits, + and /")]
    Ufrag,
    /// An extension attribute that a line cannot carry.
    #[error("an extension attribute has visible ASCII only, and a name of its own")]
    Extension,
    /// More than 16 extension attributes.
    #[error("a candidate has at most 16 extension attributes")]
    TooManyExtensions,
}

/// The one form of a candidate's address that a peer or a server named, if anything may be sent there at all.
///
/// A zone is dropped, since it means nothing on this machine, and an IPv4-mapped address becomes IPv4. Whether the
/// address is too near (loopback, private, link-local) is for the agent to say, who knows its own.
///
/// # Errors
///
/// [`AddressError`] if the address or one embedded in it (IPv4-mapped, NAT64, 6to4) names no single host, or the port
/// is 0.
pub fn admit_peer_address(address: SocketAddr) -> Result<SocketAddr, AddressError> {
    if address.is_ipv4() {
        // Canonical as it is, which every datagram that is a check is glad of.
        return admit(address).map(|()| address);
    }
    let address = net::unscoped(net::canonical(address));
    admit(address)?;
    if let IpAddr::V6(v6) = address.ip()
        && let Some(v4) = embedded(v6)
    {
        admit(SocketAddr::from((v4, address.port())))?;
    }
    Ok(address)
}

/// The one form of a local address that is to become a host candidate (RFC 8445 section 5.1.1.1). The zone stays: it
/// tells links apart here, and is never signalled.
///
/// # Errors
///
/// [`AddressError`] as for [`admit_peer_address`], and for deprecated IPv6 addresses.
pub fn admit_host_address(address: SocketAddr) -> Result<SocketAddr, AddressError> {
    let address = net::canonical(address);
    admit(address)?;
    match address.ip() {
        // rfc8445-5.1.1.1-6
        IpAddr::V6(v6) if net::is_deprecated(v6) => Err(AddressError::Deprecated),
        _ => Ok(address),
    }
}

/// Why an address cannot be that of a candidate.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Port 0.
    #[error("port 0 cannot be sent to")]
    Port,
    /// `0.0.0.0/8` or `::`.
    #[error("the address is unspecified, declare each concrete address instead")]
    Unspecified,
    /// Multicast or broadcast.
    #[error("the address names more than one host")]
    Multicast,
    /// IPv4-compatible (`::/96`) or site-local (`fec0::/10`).
    #[error("IPv4-compatible and site-local IPv6 addresses are deprecated")]
    Deprecated,
}

fn admit(address: SocketAddr) -> Result<(), AddressError> {
    if net::is_sendable(address) {
        return Ok(());
    }
    let ip = address.ip();
    if address.port() == 0 {
        Err(AddressError::Port)
    } else if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Err(AddressError::Multicast)
    } else {
        Err(AddressError::Unspecified)
    }
}

/// The IPv4 address that a packet to `address` ends up at: NAT64 (RFC 6052), 6to4 (RFC 3056), IPv4-compatible.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b) {
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => Some(of(g, h)),
        (0x2002, _) => Some(of(b, c)),
        (0, 0) if [c, d, e, f] == [0; 4] && !address.is_loopback() => Some(of(g, h)),
        _ => None,
    }
}

/// Fragments are mostly no longer than this: 48 random bits are eight ice-chars.
const UFRAG_KEPT: usize = 8;

#[cfg(test)]
mod tests;
