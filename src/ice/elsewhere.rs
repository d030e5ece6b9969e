//! An address that goes with a candidate.

use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::ice::{Candidate, CandidateAddress};

/// An address, as far as the candidate that it goes with does not say it itself: that one mostly does.
#[derive(Clone, Debug)]
pub(crate) struct Elsewhere(Option<Box<SocketAddr>>);

impl Elsewhere {
    pub(crate) fn new(candidate: &Candidate, address: SocketAddr) -> Self {
        Self((candidate.ip() != Some(address)).then(|| Box::new(address)))
    }

    /// The address; `candidate` is that which it was told of.
    pub(crate) fn address<'a>(&'a self, candidate: &'a Candidate) -> &'a SocketAddr {
        match (&self.0, candidate.address()) {
            (Some(address), _) => address,
            (None, CandidateAddress::Ip(address)) => address,
            (None, CandidateAddress::Name(..)) => &NOWHERE,
        }
    }
}

/// No candidate is there: one with a name has its address from elsewhere.
static NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
