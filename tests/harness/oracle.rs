//! What kinds of translators two ends can be behind, and what becomes of them: decided from the rules of RFC 4787 alone.
#![allow(dead_code, reason = "every test file uses a part of the oracle")]

use floe::ice::CandidateKind;
use floe::sim::{Dependence, Nat};

/// What an end is behind: a mapping and a filter, or nothing.
pub type Edge = Option<(Dependence, Dependence)>;

/// How far a mapping or a filter depends on the other end, with a letter for it.
pub const DEPENDENCES: [(Dependence, char); 3] = [
    (Dependence::EndpointIndependent, 'e'),
    (Dependence::AddressDependent, 'a'),
    (Dependence::AddressAndPortDependent, 'p'),
];

/// The translator of an edge.
pub fn nat(edge: Edge) -> Nat {
    edge.map_or_else(Nat::none, |(mapping, filtering)| Nat::new(mapping, filtering))
}

/// What is to be selected: the oracle.
pub fn expected(alice: Edge, bob: Edge) -> Option<[CandidateKind; 2]> {
    let kind = |edge| match edge {
        None => CandidateKind::Host,
        Some((Dependence::EndpointIndependent, _)) => CandidateKind::ServerReflexive,
        Some(_) => CandidateKind::PeerReflexive,
    };
    let connects = |from, to| reaches(from, to) && returns(from, to);
    (connects(alice, bob) || connects(bob, alice)).then_some([kind(alice), kind(bob)])
}

/// Whether a first datagram of `from` gets in at the address that `to` has signalled.
fn reaches(from: Edge, to: Edge) -> bool {
    let is_predictable = from.is_none_or(|(mapping, _)| mapping == Dependence::EndpointIndependent);
    match to {
        None | Some((_, Dependence::EndpointIndependent)) => true,
        // The address was made for the server, and lets in nobody else.
        Some((Dependence::AddressDependent | Dependence::AddressAndPortDependent, _)) => false,
        Some((_, Dependence::AddressDependent)) => true,
        Some(_) => is_predictable,
    }
}

/// Whether `to`, having heard a datagram of `from`, gets back to it.
fn returns(from: Edge, to: Edge) -> bool {
    let mapping = |edge: Edge| edge.map_or(Dependence::EndpointIndependent, |(mapping, _)| mapping);
    let filters_ports = matches!(from, Some((_, Dependence::AddressAndPortDependent)));
    // The answer comes from an address that is new to the other side, and so may the next one, for ever.
    let chase = [from, to].map(mapping) == [Dependence::AddressAndPortDependent; 2];
    mapping(to) == Dependence::EndpointIndependent || !(filters_ports || chase)
}
