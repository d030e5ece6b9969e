//! Counters: what an agent has sent, and what it has not acted upon.

use alloc::boxed::Box;

use crate::agent::Ignored;

/// What an agent has done so far. Counters never decrease; those of 32 bits stop at the largest number.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams handed out to be sent: requests, retransmissions, answers.
    pub transmitted: u64,
    /// Connectivity checks, retransmissions apart.
    pub checks_sent: u32,
    /// Consent checks.
    pub consent_checks_sent: u32,
    /// Requests sent again.
    pub retransmissions: u32,
    /// Checks, first or repeated, that were not sent since their destination has had enough of them
    /// ([`Limits::unanswered_packets`](crate::Limits::unanswered_packets)).
    pub checks_withheld: u32,
    /// Application datagrams handed up.
    pub data_received: u64,
    /// Pairs that gave way to better ones, or found no room. Of candidates that come together the pairs behind the first that
    /// finds none are not looked at, but counted: also the few that could not have been made, or are there already.
    pub pairs_dropped: u32,
    /// Authentic checks from new addresses that taught nothing, since there were too many.
    pub peer_reflexive_refused: u32,
    /// Early requests that gave way to newer ones.
    pub early_requests_dropped: u32,
    /// Remote candidates whose names came to nothing: not resolved in time, or to no address of use.
    pub names_unresolved: u32,
    /// Attempts at servers that came to nothing.
    pub servers_failed: u32,
    /// Datagrams that were ignored, by reason.
    pub ignored: IgnoredStats,
}

/// How many datagrams were ignored, by reason: see [`Ignored`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each field is named after the variant of `Ignored` that it counts")]
pub struct IgnoredStats {
    pub unknown_base: u32,
    pub source: u32,
    pub malformed: u32,
    pub fingerprint: u32,
    pub unexpected: u32,
    pub unknown_transaction: u32,
    pub bad_integrity: u32,
    pub unauthenticated: u32,
    pub refused: u32,
    pub indication: u32,
    pub relay: u32,
    pub direct: u32,
    pub unverified: u32,
    pub closed: u32,
}

/// The counters as an agent keeps them: most of them never count anything.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) transmitted: u64,
    pub(super) data_received: u64,
    pub(super) checks_sent: u32,
    pub(super) consent_checks_sent: u32,
    /// All others, once there is something to count.
    others: Option<Box<Stats>>,
}

impl Counters {
    /// The counters that have none of their own here.
    pub(super) fn others(&mut self) -> &mut Stats {
        self.others.get_or_insert_default()
    }

    pub(super) fn stats(&self) -> Stats {
        let others = self.others.as_deref().copied().unwrap_or_default();
        let Self { transmitted, data_received, checks_sent, consent_checks_sent, .. } = *self;
        Stats { transmitted, data_received, checks_sent, consent_checks_sent, ..others }
    }

    pub(super) fn count_ignored(&mut self, reason: Ignored) {
        let counters = &mut self.others().ignored;
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
        count(counter);
    }
}

/// One more.
pub(super) fn count(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}
