//! The default destination of a media description: where a peer that knows nothing of ICE sends (RFC 8839 section 4.2.1.2).

use core::net::IpAddr;

use crate::ice::{Candidate, CandidateKind};
use crate::net::{Transport, is_link_local};

/// The family that a default candidate is chosen from, as far as there is a choice.
///
/// Which one is more likely to work for a peer without ICE is known to whoever knows the network (RFC 8445 section 5.2).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there are two")]
pub enum DefaultFamily {
    /// What most peers without ICE have.
    #[default]
    Ipv4,
    /// For networks where IPv6 comes first.
    Ipv6,
}

/// The candidate of a component that the `c=` and `m=` lines (or `a=rtcp`) name until a pair is selected; from then on it is
/// the local candidate of the selected pair. `None`: name `0.0.0.0` or `::` and port 9.
///
/// It is the one most likely to work for a peer that knows nothing of ICE: a relayed one, then a reflexive one, then a host, of
/// the family that is preferred if there is one. A link-local address, which means nothing to the peer, comes last.
///
/// ```
/// use floe::sdp::{DefaultFamily, default_candidate, parse_candidate};
///
/// let candidates = ["1 1 udp 2130706431 2001:db8::7 4000 typ host", "2 1 udp 2130706175 192.0.2.7 4000 typ host"];
/// let candidates = candidates.map(|line| parse_candidate(&format!("candidate:{line}")).unwrap());
/// let default = default_candidate(&candidates, 1, DefaultFamily::Ipv4).unwrap();
/// assert_eq!(default.ip(), Some("192.0.2.7:4000".parse().unwrap()));
/// ```
pub fn default_candidate<'c>(
    candidates: impl IntoIterator<Item = &'c Candidate>,
    component: u16,
    family: DefaultFamily,
) -> Option<&'c Candidate> {
    let usable = candidates
        .into_iter()
        .filter(|candidate| candidate.component() == component && candidate.transport() == Transport::Udp);
    let addressed = usable.filter_map(|candidate| Some((candidate.ip()?.ip(), candidate)));
    let best = addressed.max_by_key(|(ip, candidate)| {
        let preferred = ip.is_ipv4() == (family == DefaultFamily::Ipv4);
        (!is_link_local(*ip), preferred, reach(candidate.kind()), is_global(*ip), candidate.priority())
    });
    best.map(|(_, candidate)| candidate)
}

/// From how far away a candidate of this kind can be sent to.
const fn reach(kind: CandidateKind) -> u8 {
    match kind {
        CandidateKind::Relayed => 2,
        CandidateKind::ServerReflexive | CandidateKind::PeerReflexive => 1,
        CandidateKind::Host => 0,
    }
}

/// Whether an address means the same everywhere: not a private one (RFC 1918), nor a unique local one (RFC 4193).
const fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !v4.is_private(),
        IpAddr::V6(v6) => !v6.is_unique_local(),
    }
}
