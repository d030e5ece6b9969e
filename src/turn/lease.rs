//! What a server holds for a time and forgets unless it is asked again: allocations, permissions, channels.

use crate::time::{Deadline, Timestamp};
use core::time::Duration;

/// How long something is still held by the server, and what is done to keep it.
///
/// It is renewed a minute before it ends, or at half of its time where that is shorter than two minutes, early enough
/// for a request to go through all its transmissions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    expires_at: Timestamp,
    renewal: Renewal,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Renewal {
    /// Not yet.
    At(Timestamp),
    /// As soon as there is room for a request.
    Due,
    /// The request is under way.
    UnderWay,
    /// It may end.
    Never,
}

impl Lease {
    /// Granted by a response that came at `now` to a request first sent at `asked_at`.
    ///
    /// The server counts from somewhere between the two. We renew as if it were the earlier, and believe in what we hold
    /// until the later.
    pub(super) fn granted(now: Timestamp, asked_at: Timestamp, lifetime: Duration) -> Self {
        // rfc8656-8-1, rfc8656-8-2
        let renew_after = lifetime.saturating_sub(MARGIN).max(lifetime / 2);
        let renew_at = (asked_at + renew_after).max(now + lifetime / 4);
        Self { expires_at: now + lifetime, renewal: Renewal::At(renew_at) }
    }

    /// Whether the server still holds it, as far as we know.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Whether it is time to ask.
    pub(super) fn is_due(&self) -> bool {
        self.renewal == Renewal::Due
    }

    /// Whether a request of the near future may as well ask for this one, too.
    pub(super) fn is_nearly_due(&self, now: Timestamp) -> bool {
        self.is_due() || matches!(self.renewal, Renewal::At(at) if at <= now + NEAR)
    }

    /// Whether a request is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.renewal == Renewal::UnderWay
    }

    /// Whether it has ended a moment ago, so that whoever looks at the clock has not slept.
    pub(super) fn has_just_ended(&self, now: Timestamp) -> bool {
        now.saturating_since(self.expires_at) <= MOMENT
    }

    /// It is asked for whether it is time or not, or even too late, unless a request is under way.
    pub(super) fn ask_anew(&mut self) {
        if !self.is_under_way() {
            self.renewal = Renewal::Due;
        }
    }

    /// Whether it is kept at all.
    pub(super) fn is_kept(&self) -> bool {
        self.renewal != Renewal::Never
    }

    /// Lets time pass.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        if matches!(self.renewal, Renewal::At(at) if at <= now) {
            self.renewal = Renewal::Due;
        }
    }

    /// The request has left.
    pub(super) fn asked(&mut self) {
        self.renewal = Renewal::UnderWay;
    }

    /// The request came to nothing for now: again in a while, if it is still wanted.
    pub(super) fn postpone(&mut self, now: Timestamp) {
        if self.is_kept() {
            self.renewal = Renewal::At(now + AGAIN_AFTER);
        }
    }

    /// The request was withdrawn: again as soon as there is room.
    pub(super) fn requeue(&mut self) {
        if self.is_under_way() {
            self.renewal = Renewal::Due;
        }
    }

    /// It is no longer wanted.
    pub(super) fn abandon(&mut self) {
        self.renewal = Renewal::Never;
    }

    /// It is wanted again.
    pub(super) fn keep(&mut self) {
        if !self.is_kept() {
            self.renewal = Renewal::Due;
        }
    }

    /// Adds the instants at which something changes.
    pub(super) fn deadlines(&self, deadline: &mut Deadline) {
        deadline.at(self.expires_at);
        if let Renewal::At(at) = self.renewal {
            deadline.at(at);
        }
    }
}

/// RFC 8656 section 8: refresh roughly one minute before the end.
const MARGIN: Duration = Duration::from_secs(60);
/// What is due within this time travels with what is due now: requests of a busy relay are few and long rather than
/// many and short.
const NEAR: Duration = Duration::from_secs(20);
/// A renewal that failed, for a reason that may pass, is tried again so much later: a few times before the end.
const AGAIN_AFTER: Duration = Duration::from_secs(15);
/// How late a timer may be before it is taken for that of a machine that has slept.
const MOMENT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
