//! The caller's sockets.

use alloc::boxed::Box;
use alloc::string::ToString;
use core::net::SocketAddr;

use crate::ice::{Candidate, CandidateAddress, MdnsName};
use crate::net::{Transport, canonical, is_link_local, unscoped};

/// A local socket that the caller has opened: a base of candidates (RFC 8445 section 4).
///
/// The address is a concrete one: a wildcard socket is declared once for each address, its datagrams sorted by the
/// address they were sent to.
///
/// IPv6 is preferred to IPv4, one IPv4 base following every four of IPv6 (RFC 8421); of one family, what was declared
/// first. A base that is declared alone is put at the top, so declare IPv6 before IPv4. Costly networks come last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Base {
    pub(crate) transport: Transport,
    pub(crate) local: SocketAddr,
    pub(crate) temporary: bool,
    /// Invariant: nothing rather than [`Details::default`].
    details: Option<Box<Details>>,
}

/// What of most bases nobody knows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Details {
    network: Option<Network>,
    name: Option<MdnsName>,
}

/// The network that a base is on, as far as the caller knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Network {
    id: u16,
    cost: u16,
}

impl Base {
    /// A UDP socket bound to `local`.
    #[must_use]
    pub fn udp(local: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local: canonical(local), temporary: false, details: None }
    }

    /// The address is a temporary IPv6 address (RFC 8981), which resists tracking: neither its stable neighbours of the
    /// same prefix nor link-local IPv6 addresses are then made candidates (RFC 8445 section 5.1.1.1).
    #[must_use]
    pub fn temporary(mut self) -> Self {
        self.temporary = true;
        self
    }

    /// The network that the socket is on, by a number of the caller's choice, and what its use costs: 0 for none, to 65535.
    ///
    /// Candidates of a costly network, such as a cellular one or a tunnel, stand behind all others of their type (RFC 8421
    /// section 3). Browsers count 10 for Wi-Fi, 50 for what they do not know, 900 for a cellular network. Candidates
    /// carry both numbers as the extensions `network-id` and `network-cost`, unless they are 0.
    #[must_use]
    pub fn network(mut self, id: u16, cost: u16) -> Self {
        self.details.get_or_insert_default().network = Some(Network { id, cost });
        self
    }

    /// A relayed address, on the network from which its server is reached.
    pub(crate) fn relayed(&self, address: SocketAddr) -> Self {
        let details =
            self.known_network().map(|network| Box::new(Details { network: Some(network), name: None }));
        Self { details, ..Self::udp(address) }
    }

    /// The address is not to be signalled: the host candidate has this name instead, and the server-reflexive ones do not
    /// tell what they are related to (draft-ietf-mmusic-mdns-ice-candidates section 3.1). A relay or a STUN server still
    /// sees where packets come from, and so does the peer that they reach.
    ///
    /// The name is a random version 4 UUID and `.local`, one for each address, and the same whenever the address is a base
    /// again. The caller answers for it by multicast DNS; the candidate is signalled whether that works or not.
    #[must_use]
    pub fn named(mut self, name: MdnsName) -> Self {
        self.details.get_or_insert_default().name = Some(name);
        self
    }

    /// The address that the socket is bound to.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn cost(&self) -> u16 {
        self.known_network().map_or(0, |network| network.cost)
    }

    fn known_network(&self) -> Option<Network> {
        self.details.as_ref()?.network
    }

    /// The name that stands for the address.
    pub(crate) fn name(&self) -> Option<&MdnsName> {
        self.details.as_ref()?.name.as_ref()
    }

    /// What the host candidate is signalled with.
    pub(crate) fn signalled_as(&self) -> CandidateAddress {
        match self.name() {
            // mdns-encode-1
            Some(name) => CandidateAddress::Name(name.clone(), self.local.port()),
            None => CandidateAddress::Ip(unscoped(self.local)),
        }
    }

    /// Whether its address is not to be signalled.
    pub(crate) fn is_hidden(&self) -> bool {
        self.name().is_some()
    }

    /// Whether the name of this base is that of another address, too (mdns-gather-2).
    pub(crate) fn shares_name_with(&self, other: &Self) -> bool {
        self.is_hidden() && self.name() == other.name() && self.local.ip() != other.local.ip()
    }

    /// The candidate with what is known about the network.
    pub(crate) fn describe(&self, candidate: Candidate) -> Candidate {
        let Some(Network { id, cost }) = self.known_network() else { return candidate };
        [("network-id", id), ("network-cost", cost)].into_iter().filter(|(_, value)| *value > 0).fold(
            candidate,
            |candidate, (name, value)| {
                // A new candidate has room for two more extensions, and these are legal ones.
                candidate.clone().with_extension(name, &value.to_string()).unwrap_or(candidate)
            },
        )
    }

    /// Whether candidates of this base would give away the host that `temporary` hides.
    pub(crate) fn betrays(&self, temporary: &Self) -> bool {
        if self.temporary || !temporary.temporary {
            return false;
        }
        let (SocketAddr::V6(ours), SocketAddr::V6(theirs)) = (self.local, temporary.local) else {
            return false;
        };
        let same_prefix = ours.ip().segments().iter().take(4).eq(theirs.ip().segments().iter().take(4));
        same_prefix || is_link_local(self.local.ip())
    }
}
