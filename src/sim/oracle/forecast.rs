//! What comes of it: the pairs that work, best first.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use super::exchange::{End, Flow, ServerPlan, exchange};
use super::plan::{Network, Plan, Spot};
use super::preference::{candidate_priority, pair_priority};
use super::{Bound, Party};
use crate::ice::CandidateKind;

/// What a network permits two ends.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// Best first.
    pairs: Vec<FeasiblePair>,
    formed: u32,
    asked: u32,
}

/// A candidate pair that works in both directions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct FeasiblePair {
    /// The candidate of the controlling end, and that of the controlled one.
    pub sides: [Side; 2],
    /// RFC 8445 section 6.1.2.3.
    pub priority: u64,
}

/// One candidate of a pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Side {
    /// Its type, to both ends alike.
    pub kind: CandidateKind,
    /// Its address, by which the other end knows it.
    pub candidate: Place,
    /// Its base: a socket, or a relayed address.
    pub base: Place,
}

/// An address whose port may be unknown: translators and TURN servers give out ports as they see fit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Place {
    /// The IP address.
    pub ip: IpAddr,
    /// The port, where it is known beforehand.
    pub port: Option<u16>,
}

impl Forecast {
    pub(super) fn of(plan: Plan, servers: &[ServerPlan], parties: [&Party; 2]) -> Self {
        let mut network = Network::new(plan);
        let [controlling, controlled] = parties;
        let mut ends = [
            End::gather(0, controlling, servers, &mut network),
            End::gather(1, controlled, servers, &mut network),
        ];
        let flows = exchange(&mut ends, &mut network);
        // RFC 8445 section 7.2.5.2.1: what goes there has to come back from there.
        let is_answered = |flow: &&Flow| {
            let Flow { from, sent_to, to, seen_from } = **flow;
            from.0 == 0
                && flows.contains(&Flow { from: to, sent_to: seen_from, to: from, seen_from: sent_to })
        };
        let mut pairs: Vec<FeasiblePair> =
            flows.iter().filter(is_answered).filter_map(|flow| FeasiblePair::of(&ends, flow)).collect();
        pairs.sort_by_key(|pair| Reverse(pair.priority));
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let asked = parties.map(|party| count(party.bases.len().saturating_mul(party.servers.len())));
        Self {
            pairs,
            formed: ends.iter().map(|end| count(end.pairs())).max().unwrap_or_default(),
            asked: asked.into_iter().max().unwrap_or_default(),
        }
    }

    /// Whether there is any way at all. If not, both ends have to say so, not before
    /// [`FAILURE_NOT_BEFORE`](super::FAILURE_NOT_BEFORE) and by [`FAILURE_BY`](super::FAILURE_BY).
    #[must_use]
    pub fn is_feasible(&self) -> bool {
        !self.pairs.is_empty()
    }

    /// All pairs that work, best first.
    #[must_use]
    pub fn pairs(&self) -> &[FeasiblePair] {
        &self.pairs
    }

    /// The pair of the highest priority: what both ends select if the controlling one waits for it. There are several if
    /// the local preferences that the forecast was given do not tell them apart, as those of relayed addresses that two
    /// sockets have of one server.
    #[must_use]
    pub fn best(&self) -> &[FeasiblePair] {
        let best = self.pairs.first().map(|pair| pair.priority);
        let alike = self.pairs.iter().take_while(|pair| Some(pair.priority) == best).count();
        self.pairs.get(..alike).unwrap_or_default()
    }

    /// The types of the best pair, controlling end first.
    #[must_use]
    pub fn best_kinds(&self) -> Option<[CandidateKind; 2]> {
        self.pairs.first().map(FeasiblePair::kinds)
    }

    /// The pair with these types and bases, controlling end first: what is to be compared with a selected pair. `None` if
    /// that cannot work.
    ///
    /// If there is none of exactly these types, a server-reflexive candidate passes for a peer-reflexive one and the other way
    /// round: which one a mapped address becomes is up to what comes first, the answer of a server or that of a check.
    #[must_use]
    pub fn find(&self, sides: [(CandidateKind, SocketAddr); 2]) -> Option<&FeasiblePair> {
        let matching = |same: fn(CandidateKind, CandidateKind) -> bool| {
            let is_it = |side: &Side, (kind, base)| same(side.kind, kind) && side.base.is(base);
            self.pairs.iter().find(|pair| pair.sides.iter().zip(sides).all(|(side, it)| is_it(side, it)))
        };
        matching(|one, other| one == other).or_else(|| matching(are_alike))
    }

    /// How long both ends may take to connect, on paths that lose nothing, with the default timers: `None` if they cannot. The
    /// other terms are for the caller to change.
    ///
    /// What passes filters passes them by its second transmission.
    #[must_use]
    pub fn bound(&self) -> Option<Bound> {
        let (pairs, gathering, transmissions) = (self.formed, self.asked, 2);
        self.is_feasible().then(|| Bound { pairs, gathering, transmissions, ..Bound::default() })
    }
}

/// Whether two types are one, but for the order of events.
const fn are_alike(one: CandidateKind, other: CandidateKind) -> bool {
    use CandidateKind::{Host, PeerReflexive, Relayed, ServerReflexive};
    matches!(
        (one, other),
        (Host, Host)
            | (Relayed, Relayed)
            | (ServerReflexive | PeerReflexive, ServerReflexive | PeerReflexive)
    )
}

impl FeasiblePair {
    /// The pair of a flow from the controlling end that is answered.
    fn of(ends: &[End; 2], flow: &Flow) -> Option<Self> {
        let [controlling, controlled] = ends;
        let (ours, our_priority) = side(controlling, flow.from.1, flow.seen_from)?;
        let (theirs, their_priority) = side(controlled, flow.to.1, flow.sent_to)?;
        Some(Self { sides: [ours, theirs], priority: pair_priority(our_priority, their_priority) })
    }

    /// The types, controlling end first.
    #[must_use]
    pub fn kinds(&self) -> [CandidateKind; 2] {
        self.sides.map(|side| side.kind)
    }
}

/// The candidate of a base that is seen at `spot`, and its priority: a signalled one, or else a peer-reflexive one with the
/// preference of its base (RFC 8445 sections 7.1.1 and 7.2.5.3.1).
fn side(end: &End, base: usize, spot: Spot) -> Option<(Side, u64)> {
    let known = end.candidate_at(base, spot);
    let sent_from = end.bases.get(base)?;
    let (kind, preference) = match known {
        Some(candidate) => (candidate.kind, candidate.preference),
        None => (CandidateKind::PeerReflexive, sent_from.preference),
    };
    let side = Side { kind, candidate: spot.into(), base: sent_from.spot.into() };
    Some((side, candidate_priority(kind, preference, 1)))
}

impl Place {
    /// Whether `address` is this one, as far as it is known.
    #[must_use]
    pub fn is(&self, address: SocketAddr) -> bool {
        self.ip == address.ip() && self.port.is_none_or(|port| port == address.port())
    }
}

impl From<Spot> for Place {
    fn from(spot: Spot) -> Self {
        Self { ip: spot.ip, port: spot.number() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ip, self.port) {
            (ip, Some(port)) => SocketAddr::new(ip, port).fmt(f),
            (IpAddr::V4(ip), None) => write!(f, "{ip}:*"),
            (IpAddr::V6(ip), None) => write!(f, "[{ip}]:*"),
        }
    }
}

impl fmt::Display for FeasiblePair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [ours, theirs] = &self.sides;
        write!(f, "{} {} - {} {}", ours.kind, ours.candidate, theirs.kind, theirs.candidate)
    }
}
