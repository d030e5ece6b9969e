//! The two ends of a pair: what forming it takes from either candidate, found once for all pairs that have it.

use core::net::SocketAddr;

use crate::ice::local::LocalCandidate;
use crate::ice::remote::RemoteCandidate;
use crate::ice::{CandidateId, CandidateKind, ComponentId, Priority};
use crate::net::{Transport, is_link_local};

/// A local candidate as an end of pairs.
pub(super) struct Near {
    pub(super) id: CandidateId,
    pub(super) component: ComponentId,
    pub(super) kin: u32,
    pub(super) priority: Priority,
    pub(super) transport: Transport,
    pub(super) base_address: SocketAddr,
    pub(super) likeness: u64,
    address: SocketAddr,
    is_relayed: bool,
}

/// A remote candidate as an end of pairs.
pub(super) struct Far {
    pub(super) id: CandidateId,
    pub(super) kin: CandidateId,
    pub(super) priority: Priority,
    pub(super) address: SocketAddr,
    pub(super) doubt: Option<Doubt>,
    pub(super) likeness: u64,
    /// Whether a name hides the address.
    is_hidden: bool,
}

/// What speaks against pairs with a remote candidate.
#[derive(Clone, Copy)]
pub(super) enum Doubt {
    /// The peer has withdrawn it.
    Withdrawn,
    /// One of our own bases has its address, if only on another link.
    Ours,
}

impl Near {
    pub(super) fn of(local: &LocalCandidate) -> Self {
        let address = local.address();
        Self {
            id: local.id,
            component: local.component(),
            kin: local.kin,
            priority: local.candidate.priority(),
            transport: local.candidate.transport(),
            base_address: local.base_address(),
            likeness: likeness(local.component(), local.candidate.transport(), address),
            address,
            is_relayed: local.candidate.kind() == CandidateKind::Relayed,
        }
    }

    /// Whether the two can make a pair: same component, transport and family (rfc8445-6.1.2.2-1), link-local only with
    /// link-local (rfc8445-6.1.2.2-3), loopback only with loopback, no talking to oneself, and no telling a relay what a
    /// name hides (mdns-privacy-1, L-63).
    pub(super) fn matches(&self, theirs: &Far) -> bool {
        self.likeness == theirs.likeness
            && self.address != theirs.address
            && !(self.is_relayed && theirs.is_hidden)
    }
}

impl Far {
    pub(super) fn of(remote: &RemoteCandidate, is_ours: bool) -> Self {
        let doubt = match remote.withdrawn {
            true => Some(Doubt::Withdrawn),
            false => is_ours.then_some(Doubt::Ours),
        };
        Self {
            id: remote.id,
            kin: remote.kin,
            priority: remote.candidate.priority(),
            address: remote.address(),
            doubt,
            likeness: likeness(remote.component, remote.candidate.transport(), remote.address()),
            is_hidden: remote.is_hidden(),
        }
    }
}

/// Whether two candidates can make a pair.
pub(super) fn matches(ours: &LocalCandidate, theirs: &RemoteCandidate) -> bool {
    ours.is_paired() && Near::of(ours).matches(&Far::of(theirs, false))
}

/// A number that is the same for candidates that can make a pair: component, transport, family, and reach.
fn likeness(component: ComponentId, transport: Transport, address: SocketAddr) -> u64 {
    let ip = address.ip();
    let traits = [transport == Transport::Udp, ip.is_ipv4(), is_link_local(ip), ip.is_loopback()];
    let traits = traits.into_iter().fold(0, |bits, holds| bits << 1 | u64::from(holds));
    let (stream, number) = (component.stream().to_raw(), component.number());
    (u64::from(stream) << 16 | u64::from(number)) << 4 | traits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ice::elsewhere::Elsewhere;
    use crate::ice::remote::{Added, RemoteCandidates, RemoteLimits};
    use crate::ice::{BaseId, Candidate, CandidateAddress, Foundation, MdnsName, StreamId};

    const LIMITS: RemoteLimits = RemoteLimits {
        live: 2,
        accepted: 2,
        per_address: 2,
        peer_reflexive_live: 0,
        peer_reflexive_accepted: 0,
    };

    fn ours(kind: CandidateKind) -> LocalCandidate {
        let address = SocketAddr::from(([192, 0, 2, 1], 1000));
        let candidate = candidate(kind, address.into());
        LocalCandidate {
            id: CandidateId::from_raw(1),
            stream: StreamId::from_raw(0),
            base: BaseId::from_raw(0),
            base_at: Elsewhere::new(&candidate, address),
            candidate,
            kin: 1,
            signalled: true,
        }
    }

    fn theirs(address: CandidateAddress) -> RemoteCandidate {
        let (id, component) = (CandidateId::from_raw(2), StreamId::from_raw(0).component(1));
        let at = SocketAddr::from(([198, 51, 100, 1], 2000));
        let mut remotes = RemoteCandidates::default();
        remotes.add((id, id), component, at, candidate(CandidateKind::Host, address), &LIMITS).unwrap();
        remotes.get(id).unwrap().clone()
    }

    fn candidate(kind: CandidateKind, address: CandidateAddress) -> Candidate {
        let foundation = Foundation::new("1").unwrap();
        Candidate::new(kind, 1, Transport::Udp, address, Priority::of(126, 65535, 1), foundation)
    }

    /// Proves: mdns-privacy-1
    /// Lesson: L-63
    #[test]
    fn a_relay_is_not_told_the_address_that_a_name_hides() {
        let name = MdnsName::new("1f4712db-ea17-4bcf-a596-105139dfd8bf.local").unwrap();
        let hidden = theirs(CandidateAddress::Name(name, 2000));
        let clear = theirs(hidden.address().into());
        let matching =
            |theirs| [CandidateKind::Host, CandidateKind::Relayed].map(|kind| matches(&ours(kind), theirs));
        assert_eq!(matching(&clear), [true, true]);
        assert_eq!(matching(&hidden), [true, false]);
    }

    /// Proves: mdns-privacy-1
    #[test]
    fn what_is_signalled_as_an_address_too_is_no_secret() {
        let name = MdnsName::new("1f4712db-ea17-4bcf-a596-105139dfd8bf.local").unwrap();
        let at = SocketAddr::from(([198, 51, 100, 1], 2000));
        let component = StreamId::from_raw(0).component(1);
        let mut remotes = RemoteCandidates::default();
        let mut add = |id, kind, address| {
            let id = CandidateId::from_raw(id);
            remotes.add((id, id), component, at, candidate(kind, address), &LIMITS).unwrap()
        };
        let [host, mapped] = [2, 3].map(CandidateId::from_raw);
        assert_eq!(add(2, CandidateKind::Host, CandidateAddress::Name(name, 2000)), Added::New(host));
        let added = add(3, CandidateKind::ServerReflexive, at.into());
        assert_eq!(added, Added::Revealed { id: mapped, hidden: host });
        assert!(matches(&ours(CandidateKind::Relayed), remotes.get(host).unwrap()));
        // What has its name alone is one again.
        remotes.withdraw(mapped);
        assert!(!matches(&ours(CandidateKind::Relayed), remotes.get(host).unwrap()));
    }

    /// Proves: mdns-privacy-2
    #[test]
    fn a_hidden_host_is_paired_with_a_relayed_candidate_of_the_peer() {
        let mut hidden = ours(CandidateKind::Host);
        let name = MdnsName::new("1f4712db-ea17-4bcf-a596-105139dfd8bf.local").unwrap();
        hidden.candidate = hidden.candidate.at(CandidateAddress::Name(name, 1000));
        let mut relayed = theirs(SocketAddr::from(([198, 51, 100, 1], 2000)).into());
        relayed.candidate = candidate(CandidateKind::Relayed, relayed.address().into());
        assert!(matches(&hidden, &relayed));
    }
}
