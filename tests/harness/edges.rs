//! What kinds of translators an end can be behind.

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
