//! Who decides: roles, the tie-breaker, and what a role conflict leads to (RFC 8445 sections 6.1.1 and 7.3.1.1).

use super::{PairPriority, Priority};
use crate::entropy::{Entropy, Purpose};
use core::fmt;

/// Which of the two agents nominates.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "there are two agents, and RFC 8445 has two roles")]
pub enum Role {
    /// Nominates the pairs.
    Controlling,
    /// Follows the nominations of the peer.
    Controlled,
}

impl Role {
    /// The role of the peer.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }

    /// The priority of a pair as an agent in this role computes it: the same number on both sides.
    pub fn pair_priority(self, local: Priority, remote: Priority) -> PairPriority {
        match self {
            Self::Controlling => PairPriority::of(local, remote),
            Self::Controlled => PairPriority::of(remote, local),
        }
    }

    /// The priority of a pair, computed in this role, whose remote candidate has another priority now.
    pub(crate) fn with_remote(self, pair: PairPriority, remote: Priority) -> PairPriority {
        let (controlling, controlled) = pair.candidates();
        let local = if self == Self::Controlling { controlling } else { controlled };
        self.pair_priority(local, remote)
    }

    /// What an agent in this role, with tie-breaker `own`, does about the claim of a request.
    pub fn resolve(self, own: TieBreaker, theirs: RoleClaim) -> Resolution {
        // The larger tie-breaker controls; if they are equal, so does the agent that receives the request.
        match (self, theirs.role) {
            (Self::Controlling, Self::Controlled) | (Self::Controlled, Self::Controlling) => {
                Resolution::Agree
            }
            // rfc8445-7.3.1.1-1
            (Self::Controlling, Self::Controlling) if own >= theirs.tie_breaker => Resolution::Keep,
            // rfc8445-7.3.1.1-2
            (Self::Controlling, Self::Controlling) => Resolution::Switch,
            // rfc8445-7.3.1.1-3
            (Self::Controlled, Self::Controlled) if own >= theirs.tie_breaker => Resolution::Switch,
            // rfc8445-7.3.1.1-4
            (Self::Controlled, Self::Controlled) => Resolution::Keep,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Controlling => "controlling",
            Self::Controlled => "controlled",
        })
    }
}

/// The random number that settles a role conflict; every value is legal, zero included.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TieBreaker(
    /// As they are sent, in which order they compare as the number does.
    [u8; 8],
);

impl TieBreaker {
    /// A random tie-breaker.
    pub(crate) fn generate(entropy: &mut Entropy) -> Self {
        Self(entropy.bytes(Purpose::TieBreaker))
    }

    /// The tie-breaker with this value.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw.to_be_bytes())
    }

    /// The value, as it stands in ICE-CONTROLLING and ICE-CONTROLLED.
    pub const fn to_raw(self) -> u64 {
        u64::from_be_bytes(self.0)
    }
}

/// What a request says of its sender: ICE-CONTROLLING or ICE-CONTROLLED.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the attribute has a name and a number")]
pub struct RoleClaim {
    /// Which of the two attributes it is.
    pub role: Role,
    /// The number in it.
    pub tie_breaker: TieBreaker,
}

/// What is to be done about a request's claim of a role.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 8445 section 7.3.1.1 has these outcomes")]
pub enum Resolution {
    /// Opposite roles: the request is served.
    Agree,
    /// The role stays, and the answer is 487 (Role Conflict).
    Keep,
    /// The role changes, and the request is served.
    Switch,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Seed;
    use alloc::format;
    use alloc::string::String;

    /// Proves: rfc8445-7.3.1.1-1, rfc8445-7.3.1.1-2, rfc8445-7.3.1.1-3, rfc8445-7.3.1.1-4
    #[test]
    fn conflicts_are_settled_as_the_table_says() {
        let mut table = String::new();
        for ours in [Role::Controlling, Role::Controlled] {
            for theirs in [Role::Controlling, Role::Controlled] {
                for (own, received) in [(4, 5), (5, 5), (6, 5), (0, 0), (0, u64::MAX), (u64::MAX, 0)] {
                    let claim = RoleClaim { role: theirs, tie_breaker: TieBreaker::from_raw(received) };
                    let resolution = ours.resolve(TieBreaker::from_raw(own), claim);
                    let sign = match own.cmp(&received) {
                        core::cmp::Ordering::Less => '<',
                        core::cmp::Ordering::Equal => '=',
                        core::cmp::Ordering::Greater => '>',
                    };
                    table += &format!("{ours:<11} {sign} {theirs:<11} {resolution:?}\n");
                }
            }
        }
        assert_eq!(table, CONFLICTS);
    }

    #[test]
    fn two_agents_of_one_role_end_up_with_two_roles() {
        for role in [Role::Controlling, Role::Controlled] {
            for (a, b) in [(1, 2), (2, 1), (0, u64::MAX)] {
                let (a, b) = (TieBreaker::from_raw(a), TieBreaker::from_raw(b));
                let first = role.resolve(a, RoleClaim { role, tie_breaker: b });
                let second = role.resolve(b, RoleClaim { role, tie_breaker: a });
                assert!(matches!(
                    (first, second),
                    (Resolution::Keep, Resolution::Switch) | (Resolution::Switch, Resolution::Keep)
                ));
            }
        }
    }

    #[test]
    fn roles_are_opposites() {
        assert_eq!(Role::Controlling.other(), Role::Controlled);
        assert_eq!(Role::Controlled.other().other(), Role::Controlled);
    }

    #[test]
    fn tie_breakers_are_drawn_from_the_seed() {
        let draw = |seed| TieBreaker::generate(&mut Entropy::new(Seed::from([seed; 32])));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    /// Own role, own tie-breaker against the received one, claimed role, what follows.
    const CONFLICTS: &str = "\
controlling < controlling Switch
controlling = controlling Keep
controlling > controlling Keep
controlling = controlling Keep
controlling < controlling Switch
controlling > controlling Keep
controlling < controlled  Agree
controlling = controlled  Agree
controlling > controlled  Agree
controlling = controlled  Agree
controlling < controlled  Agree
controlling > controlled  Agree
controlled  < controlling Agree
controlled  = controlling Agree
controlled  > controlling Agree
controlled  = controlling Agree
controlled  < controlling Agree
controlled  > controlling Agree
controlled  < controlled  Keep
controlled  = controlled  Switch
controlled  > controlled  Switch
controlled  = controlled  Switch
controlled  < controlled  Keep
controlled  > controlled  Switch
";
}
