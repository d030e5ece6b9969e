//! The priorities of candidates (RFC 8445 section 5.1.2) and of pairs (section 6.1.2.3).

use super::{CandidateKind, TcpType};
use core::fmt;
use core::num::NonZeroU32;

/// The priority of a candidate: 1 to 2^31 - 1, the larger the better.
///
/// ```
/// use floe::ice::Priority;
///
/// let host = Priority::of(126, 65535, 1);
/// assert_eq!(host.get(), 2130706431);
/// assert_eq!(host.local_preference(), 65535);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Priority(NonZeroU32);

impl Priority {
    /// The lowest legal priority.
    pub const MIN: Self = Self(NonZeroU32::MIN);
    /// The highest legal priority.
    pub const MAX: Self = Self(NonZeroU32::MIN.saturating_add(0x7fff_fffe));

    /// The priority with this value; `None` for zero and beyond 2^31 - 1.
    pub const fn new(raw: u32) -> Option<Self> {
        match NonZeroU32::new(raw) {
            Some(raw) if raw.get() <= Self::MAX.get() => Some(Self(raw)),
            _ => None,
        }
    }

    /// The legal priority nearest to `raw`: peers are known to send zero and more than 2^31 - 1.
    pub fn clamped(raw: u32) -> Self {
        // rfc8445-5.1.2-2
        Self(NonZeroU32::new(raw).unwrap_or(NonZeroU32::MIN).min(Self::MAX.0))
    }

    /// The recommended formula: the type preference (0 to 126) weighs more than the local preference, and that more
    /// than the `component` (1 to 256). Zero, its lowest corner, is raised to 1; a type preference beyond 126 counts as
    /// 126, a component beyond 256 as 256.
    pub fn of(type_preference: u8, local_preference: u16, component: u16) -> Self {
        let type_preference = u32::from(type_preference.min(TypePreferences::MAX));
        let component = 256_u32.saturating_sub(u32::from(component)).min(0xff);
        // rfc8445-5.1.2-4: the result is illegal where every term is zero.
        Self::clamped((type_preference << 24) | (u32::from(local_preference) << 8) | component)
    }

    /// The value.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The type preference that the formula put in: 0 to 126, or 127 in a priority made otherwise.
    pub const fn type_preference(self) -> u8 {
        self.get().to_be_bytes()[0]
    }

    /// The local preference that the formula put in.
    pub const fn local_preference(self) -> u16 {
        let [_, high, low, _] = self.get().to_be_bytes();
        u16::from_be_bytes([high, low])
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How much an agent likes each type of candidate: the upper part of the formula (RFC 8445 section 5.1.2.1).
///
/// The default is the recommended one: host 126, peer-reflexive 110, server-reflexive 100, relayed 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TypePreferences {
    host: u8,
    peer_reflexive: u8,
    server_reflexive: u8,
    relayed: u8,
}

impl TypePreferences {
    /// The highest type preference.
    pub const MAX: u8 = 126;

    /// Preferences of 0 to 126.
    ///
    /// # Errors
    ///
    /// [`TypePreferencesError`] if one is larger, if two are equal, or if peer-reflexive is not above server-reflexive.
    pub const fn new(
        host: u8,
        peer_reflexive: u8,
        server_reflexive: u8,
        relayed: u8,
    ) -> Result<Self, TypePreferencesError> {
        if host > Self::MAX
            || peer_reflexive > Self::MAX
            || server_reflexive > Self::MAX
            || relayed > Self::MAX
        {
            return Err(TypePreferencesError::TooLarge);
        }
        // rfc8445-5.1.2.1-2
        if peer_reflexive <= server_reflexive {
            return Err(TypePreferencesError::PeerReflexive);
        }
        if host == peer_reflexive
            || host == server_reflexive
            || relayed == host
            || relayed == peer_reflexive
            || relayed == server_reflexive
        {
            return Err(TypePreferencesError::Equal);
        }
        Ok(Self { host, peer_reflexive, server_reflexive, relayed })
    }

    /// The preference of candidates of type `kind`.
    pub const fn of(&self, kind: CandidateKind) -> u8 {
        match kind {
            CandidateKind::Host => self.host,
            CandidateKind::PeerReflexive => self.peer_reflexive,
            CandidateKind::ServerReflexive => self.server_reflexive,
            CandidateKind::Relayed => self.relayed,
        }
    }
}

impl Default for TypePreferences {
    fn default() -> Self {
        // rfc8445-5.1.2.2-1
        Self { host: 126, peer_reflexive: 110, server_reflexive: 100, relayed: 0 }
    }
}

/// Why type preferences are refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TypePreferencesError {
    /// Above 126.
    #[error("a type preference is at most 126")]
    TooLarge,
    /// Two types with one preference.
    #[error("two types of candidate have the same preference")]
    Equal,
    /// Peer-reflexive at or below server-reflexive.
    #[error("peer-reflexive candidates must be preferred to server-reflexive ones")]
    PeerReflexive,
}

impl TcpType {
    /// The local preference of a TCP candidate: its direction above `other` (0 to 8191; more counts as 8191), which
    /// tells apart candidates of one type and direction (RFC 6544 section 4.2).
    pub fn local_preference(self, kind: CandidateKind, other: u16) -> u16 {
        // rfc6544-4.2-3: simultaneous open is the best way through a NAT and the worst without one.
        let direction: u16 = match (kind, self) {
            (CandidateKind::Host | CandidateKind::Relayed, Self::Active) => 6,
            (CandidateKind::Host | CandidateKind::Relayed, Self::Passive) => 4,
            (CandidateKind::Host | CandidateKind::Relayed, Self::SimultaneousOpen) => 2,
            (CandidateKind::ServerReflexive | CandidateKind::PeerReflexive, Self::SimultaneousOpen) => 6,
            (CandidateKind::ServerReflexive | CandidateKind::PeerReflexive, Self::Active) => 4,
            (CandidateKind::ServerReflexive | CandidateKind::PeerReflexive, Self::Passive) => 2,
        };
        (direction << 13) | other.min(0x1fff)
    }
}

/// The priority of a pair, the same on both sides: it depends on who controls, not on who looks.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PairPriority(u64);

impl PairPriority {
    /// The priority of the pair of a `controlling` and a `controlled` agent's candidates (RFC 8445 section 6.1.2.3).
    pub fn of(controlling: Priority, controlled: Priority) -> Self {
        let (low, high) = (controlling.min(controlled), controlling.max(controlled));
        // rfc8445-6.1.2.3-1: legal priorities have 31 bits, so the three terms do not meet.
        let tie = u64::from(controlling > controlled);
        Self((u64::from(low.get()) << 32) | (u64::from(high.get()) << 1) | tie)
    }

    /// The value.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The same pair once the agents have exchanged their roles.
    pub(crate) fn in_exchanged_roles(self) -> Self {
        let (controlling, controlled) = self.candidates();
        Self::of(controlled, controlling)
    }

    /// The priorities that it was made of: of the candidate of the controlling agent, and of the controlled one's.
    pub(crate) fn candidates(self) -> (Priority, Priority) {
        let [low, high] = [self.0 >> 32, (self.0 & u64::from(u32::MAX)) >> 1]
            .map(|half| Priority::clamped(u32::try_from(half).unwrap_or(u32::MAX)));
        if self.0 & 1 > 0 { (high, low) } else { (low, high) }
    }
}

impl fmt::Display for PairPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
