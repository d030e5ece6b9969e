//! Requests: what each is for, and what it says.

use super::terms::Terms;
use super::{
    AdditionalAddressFamily, AddressFamily, ChannelNumber, DontFragment, EvenPort, Families, Lifetime,
    MobilityTicket, Relayed, RequestedAddressFamily, RequestedTransport, XorPeerAddress,
};
use crate::stun::{Builder, Method, Sealing, Software};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// A request that is under way.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) purpose: Purpose,
    pub(super) sealing: Sealing,
}

/// What a request is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// An allocation.
    Allocate,
    /// More time.
    Refresh,
    /// The same, from another 5-tuple.
    Migrate,
    /// The end of an allocation.
    Release,
    /// The end of an allocation that is in the way of a new one.
    Evict,
    /// The end of one of two relayed addresses.
    ReleaseFamily(AddressFamily),
    /// Permissions for these peers.
    Permit(Vec<IpAddr>),
    /// A channel.
    Bind(ChannelNumber, SocketAddr),
}

impl Purpose {
    pub(super) const fn method(&self) -> Method {
        match self {
            Self::Allocate => Method::ALLOCATE,
            Self::Refresh | Self::Migrate | Self::Release | Self::Evict | Self::ReleaseFamily(_) => {
                Method::REFRESH
            }
            Self::Permit(_) => Method::CREATE_PERMISSION,
            Self::Bind(..) => Method::CHANNEL_BIND,
        }
    }

    /// Whether the request ends an allocation: what comes after may have to wait for it.
    pub(super) const fn is_release(&self) -> bool {
        matches!(self, Self::Release | Self::Evict)
    }

    /// Writes what the request asks for, all but the credentials.
    pub(super) fn write<'b>(
        &self,
        request: Builder<'b>,
        terms: &Terms,
        ticket: Option<&[u8]>,
    ) -> Builder<'b> {
        match self {
            Self::Allocate => software(allocate(request, terms), terms),
            Self::Refresh => software(lifetime(request, terms), terms),
            Self::Migrate => {
                // rfc8016-3.2.1-1, rfc8016-3.2.1-2: here, and in no other Refresh.
                let request = request.attribute(&MobilityTicket(ticket.unwrap_or_default()));
                software(lifetime(request, terms), terms)
            }
            // rfc8656-8.1-1
            Self::Release | Self::Evict => software(request.attribute(&Lifetime(0)), terms),
            // rfc8656-8.1-2
            Self::ReleaseFamily(family) => {
                let request = request.attribute(&Lifetime(0)).attribute(&RequestedAddressFamily(*family));
                software(request, terms)
            }
            // rfc8656-10.1-1, rfc8656-10.1-2: the port means nothing.
            Self::Permit(peers) => peers
                .iter()
                .fold(request, |request, peer| request.attribute(&XorPeerAddress(SocketAddr::new(*peer, 0)))),
            // rfc8656-12.1-1
            Self::Bind(number, peer) => request.attribute(number).attribute(&XorPeerAddress(*peer)),
        }
    }
}

fn allocate<'b>(request: Builder<'b>, terms: &Terms) -> Builder<'b> {
    // rfc8656-7.1-2
    let mut request = lifetime(request.attribute(&RequestedTransport::UDP), terms);
    let relayed = terms.relayed();
    request = match relayed {
        // rfc8656-7.1-5: a token goes with nothing else.
        Relayed::Reserved(token) => request.attribute(&token),
        _ => match relayed.families() {
            Families::V4 => request,
            // rfc8656-7.1-3
            Families::V6 => request.attribute(&RequestedAddressFamily(AddressFamily::Ipv6)),
            // rfc8656-7.1-4
            Families::Both => request.attribute(&AdditionalAddressFamily),
        },
    };
    request = match relayed {
        Relayed::EvenPort(_) => request.attribute(&EvenPort { reserve: false }),
        Relayed::PortPair(_) => request.attribute(&EvenPort { reserve: true }),
        Relayed::Any(_) | Relayed::Reserved(_) => request,
    };
    // rfc8656-7.1-8
    if terms.dont_fragment {
        request = request.attribute(&DontFragment);
    }
    // rfc8016-3.1.1-1
    if terms.mobility {
        request = request.attribute(&MobilityTicket(&[]));
    }
    request
}

fn lifetime<'b>(request: Builder<'b>, terms: &Terms) -> Builder<'b> {
    match terms.lifetime {
        Some(seconds) => request.attribute(&Lifetime(seconds)),
        None => request,
    }
}

/// rfc8656-5-5
fn software<'b>(request: Builder<'b>, terms: &Terms) -> Builder<'b> {
    match terms.software.as_deref().map(Software::new) {
        Some(Ok(software)) => request.attribute(&software),
        _ => request,
    }
}
