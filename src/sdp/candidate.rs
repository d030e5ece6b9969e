//! The candidate line (RFC 8839 section 5.1, with RFC 6544 section 4.5 for TCP).

use super::fields::{Field, Fields, Host, attribute};
use super::{ParseError, ParseErrorKind};
use crate::ice::{Candidate, CandidateAddress, CandidateKind, Foundation, MdnsName, Priority, TcpType};
use crate::net::Transport;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Reads a candidate line of at most 1,024 bytes, with or without `a=` in front and an end of line behind.
///
/// Read generously: words in any case, a priority of zero or beyond 2^31 - 1 (the nearest legal one is taken), a related
/// address that is missing, half missing or a name (there is none then), a zone behind an address (it means nothing
/// here). Unknown extension attributes are kept, the first 16 of them; of one that may stand only once the first counts.
///
/// Port 0 and addresses that nobody can send to are no errors: the candidate is of no use, and the agent says so.
///
/// # Errors
///
/// [`ParseError`] says what is wrong and where. Where [`is_unsupported`](ParseErrorKind::is_unsupported), the line is
/// well formed.
///
/// ```
/// use floe::sdp::{CandidateLine, parse_candidate};
///
/// let line = "candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998";
/// let candidate = parse_candidate(line)?;
/// assert_eq!(candidate.ip(), Some("192.0.2.3:45664".parse().unwrap()));
/// assert_eq!(CandidateLine(&candidate).to_string(), line);
/// # Ok::<(), floe::sdp::ParseError>(())
/// ```
pub fn parse_candidate(line: &str) -> Result<Candidate, ParseError> {
    if line.len() > LINE_MAX {
        return Err(ParseErrorKind::TooLong.at(LINE_MAX));
    }
    match attribute(line) {
        (name, Some(value)) if name.eq_ignore_ascii_case("candidate") => parse_value(value),
        _ => Err(ParseErrorKind::NotCandidate.at(0)),
    }
}

/// A candidate as it is signalled: `candidate:` and its fields, without `a=` and end of line.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it only says how to write what is in it")]
pub struct CandidateLine<'a>(pub &'a Candidate);

impl fmt::Display for CandidateLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let candidate = self.0;
        write!(f, "candidate:{} {} ", candidate.foundation(), candidate.component())?;
        f.write_str(match candidate.transport() {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        })?;
        write!(f, " {} ", candidate.priority())?;
        match candidate.address() {
            // An `IpAddr` has no zone, so none is printed (L-40).
            CandidateAddress::Ip(address) => write!(f, "{} {}", address.ip(), address.port())?,
            CandidateAddress::Name(name, port) => write!(f, "{name} {port}")?,
        }
        write!(f, " typ {}", candidate.kind())?;
        if candidate.kind() != CandidateKind::Host {
            let related = candidate.related().unwrap_or_else(|| withheld(candidate));
            write!(f, " raddr {} rport {}", related.ip(), related.port())?;
        }
        if let Some(tcp_type) = candidate.tcp_type() {
            write!(f, " tcptype {tcp_type}")?;
        }
        if let Some(ufrag) = candidate.ufrag() {
            write!(f, " ufrag {ufrag}")?;
        }
        candidate.extensions().try_for_each(|(name, value)| write!(f, " {name} {value}"))
    }
}

/// The candidate behind `candidate:`.
pub(super) fn parse_value(value: Field<'_>) -> Result<Candidate, ParseError> {
    let mut fields = Fields::new(value);
    let field = fields.expect()?;
    let foundation = Foundation::new(field.text).map_err(|_| field.wrong(ParseErrorKind::Foundation))?;
    let component = fields.expect()?.component()?;
    let transport = parse_transport(fields.expect()?)?;
    let priority = parse_priority(fields.expect()?)?;
    let address = parse_address(fields.expect()?, fields.expect()?)?;
    let field = fields.expect()?;
    if !field.is("typ") {
        return Err(field.wrong(ParseErrorKind::Typ));
    }
    let kind = parse_kind(fields.expect()?)?;
    let candidate = Candidate::new(kind, component, transport, address, priority, foundation);
    parse_extensions(candidate, fields)
}

fn parse_transport(field: Field<'_>) -> Result<Transport, ParseError> {
    // rfc8839-5.1-5
    if field.is("udp") {
        Ok(Transport::Udp)
    } else if field.is("tcp") {
        Ok(Transport::Tcp)
    } else {
        Err(field.wrong(ParseErrorKind::UnsupportedTransport))
    }
}

fn parse_priority(field: Field<'_>) -> Result<Priority, ParseError> {
    // rfc8839-5.1-6, L-67: any u32 is taken, the nearest legal priority counts.
    let number = field.number(10).and_then(|number| u32::try_from(number).ok());
    number.map(Priority::clamped).ok_or_else(|| field.wrong(ParseErrorKind::Priority))
}

fn parse_address(host: Field<'_>, port: Field<'_>) -> Result<CandidateAddress, ParseError> {
    let number = port.port().ok_or_else(|| port.wrong(ParseErrorKind::Port));
    match host.host() {
        Some(Host::Ip(ip)) => Ok(SocketAddr::new(ip, number?).into()),
        // rfc8839-5.1-8: host names are ignored, those of multicast DNS apart.
        Some(Host::Name) => match MdnsName::new(host.text) {
            Some(name) => Ok(CandidateAddress::Name(name, number?)),
            None => Err(host.wrong(ParseErrorKind::UnsupportedAddress)),
        },
        None => Err(host.wrong(ParseErrorKind::Address)),
    }
}

fn parse_kind(field: Field<'_>) -> Result<CandidateKind, ParseError> {
    // rfc8839-5.1-10
    KINDS
        .into_iter()
        .find(|kind| field.is(kind.as_str()))
        .ok_or_else(|| field.wrong(ParseErrorKind::UnsupportedKind))
}

/// Reads the pairs of name and value behind the type into `candidate`.
fn parse_extensions(mut candidate: Candidate, mut fields: Fields<'_>) -> Result<Candidate, ParseError> {
    let (mut related_host, mut related_port) = (None, None);
    let end = fields.end();
    while let Some(name) = fields.next() {
        // A space at the end of the line is forgiven.
        if name.text.is_empty() && name.at == end {
            break;
        }
        let value = fields.expect()?;
        if name.is("raddr") {
            let host = value.host().ok_or_else(|| value.wrong(ParseErrorKind::RelatedAddress))?;
            related_host.get_or_insert(host);
        } else if name.is("rport") {
            let port = value.port().ok_or_else(|| value.wrong(ParseErrorKind::RelatedPort))?;
            related_port.get_or_insert(port);
        } else if name.is("tcptype") {
            if candidate.transport() == Transport::Tcp && candidate.tcp_type().is_none() {
                candidate = candidate.with_tcp_type(parse_tcp_type(value)?);
            }
        } else if name.is("ufrag") {
            if candidate.ufrag().is_none() {
                candidate =
                    candidate.with_ufrag(value.text).map_err(|_| value.wrong(ParseErrorKind::Ufrag))?;
            }
        } else if candidate.extensions().count() < Candidate::EXTENSIONS_MAX {
            // rfc8839-5.1-14
            candidate = candidate
                .with_extension(name.text, value.text)
                .map_err(|_| name.wrong(ParseErrorKind::Extension))?;
        }
    }
    // rfc8839-5.1-13: diagnosis only, so half of one is none.
    if let (Some(Host::Ip(ip)), Some(port)) = (related_host, related_port) {
        candidate = candidate.with_related(SocketAddr::new(ip, port));
    }
    // rfc6544-4.5-1
    if candidate.transport() == Transport::Tcp && candidate.tcp_type().is_none() {
        return Err(ParseErrorKind::TcpType.at(end));
    }
    Ok(candidate)
}

fn parse_tcp_type(field: Field<'_>) -> Result<TcpType, ParseError> {
    TCP_TYPES
        .into_iter()
        .find(|tcp_type| field.is(tcp_type.as_str()))
        .ok_or_else(|| field.wrong(ParseErrorKind::TcpType))
}

/// What stands for a related address that is not told.
fn withheld(candidate: &Candidate) -> SocketAddr {
    // rfc8839-5.1-12
    match candidate.address() {
        CandidateAddress::Ip(SocketAddr::V6(_)) => (Ipv6Addr::UNSPECIFIED, 9).into(),
        CandidateAddress::Ip(SocketAddr::V4(_)) | CandidateAddress::Name(..) => {
            (Ipv4Addr::UNSPECIFIED, 9).into()
        }
    }
}

const KINDS: [CandidateKind; 4] = [
    CandidateKind::Host,
    CandidateKind::ServerReflexive,
    CandidateKind::PeerReflexive,
    CandidateKind::Relayed,
];

const TCP_TYPES: [TcpType; 3] = [TcpType::Active, TcpType::Passive, TcpType::SimultaneousOpen];

/// The longest line that is read, in bytes: the longest foundation, name and username fragment leave 500 for the rest.
pub(super) const LINE_MAX: usize = 1024;
