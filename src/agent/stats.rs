//! Counters: what an agent has sent, and what it has not acted upon.

use crate::agent::Ignored;

/// What an agent has done so far. Counters never decrease.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams handed out to be sent: requests, retransmissions, answers.
    pub transmitted: u64,
    /// Connectivity checks, retransmissions apart.
    pub checks_sent: u64,
    /// Consent checks.
    pub consent_checks_sent: u64,
    /// Requests sent again.
    pub retransmissions: u64,
    /// Checks, first or repeated, that were not sent since their destination has had enough of them
    /// ([`Limits::unanswered_packets`](crate::Limits::unanswered_packets)).
    pub checks_withheld: u64,
    /// Application datagrams handed up.
    pub data_received: u64,
    /// Pairs that gave way to better ones, or found no room. Of candidates that come together the pairs behind the first that
    /// finds none are not looked at, but counted: also the few that could not have been made, or are there already.
    pub pairs_dropped: u64,
    /// Authentic checks from new addresses that taught nothing, since there were too many.
    pub peer_reflexive_refused: u64,
    /// Early requests that gave way to newer ones.
    pub early_requests_dropped: u64,
    /// Remote candidates whose names came to nothing: not resolved in time, or to no address of use.
    pub names_unresolved: u64,
    /// Attempts at servers that came to nothing.
    pub servers_failed: u64,
    /// Datagrams that were ignored, by reason.
    pub ignored: IgnoredStats,
}

/// How many datagrams were ignored, by reason: see [`Ignored`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each field is named after the variant of `Ignored` that it counts")]
pub struct IgnoredStats {
    pub unknown_base: u64,
    pub source: u64,
    pub malformed: u64,
    pub fingerprint: u64,
    pub unexpected: u64,
    pub unknown_transaction: u64,
    pub bad_integrity: u64,
    pub unauthenticated: u64,
    pub refused: u64,
    pub indication: u64,
    pub relay: u64,
    pub direct: u64,
    pub unverified: u64,
    pub closed: u64,
}

impl Stats {
    pub(super) fn count_ignored(&mut self, reason: Ignored) {
        let counters = &mut self.ignored;
        let counter = match reason {
            Ignored::UnknownBase => &mut counters.unknown_base,
            Ignored::Source => &mut counters.source,
            Ignored::Malformed(_) => &mut counters.malformed,
            Ignored::Fingerprint => &mut counters.fingerprint,
            Ignored::Unexpected => &mut counters.unexpected,
            Ignored::UnknownTransaction => &mut counters.unknown_transaction,
            Ignored::BadIntegrity => &mut counters.bad_integrity,
            Ignored::Unauthenticated => &mut counters.unauthenticated,
            Ignored::Refused => &mut counters.refused,
            Ignored::Indication => &mut counters.indication,
            Ignored::Relay => &mut counters.relay,
            Ignored::Direct => &mut counters.direct,
            Ignored::Unverified => &mut counters.unverified,
            Ignored::Closed => &mut counters.closed,
        };
        *counter = counter.saturating_add(1);
    }
}
