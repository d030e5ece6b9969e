//! The time of an access token (RFC 7635).

use crate::time::{Deadline, Timestamp};
use core::time::Duration;

/// When the token in hand ends, and when another one is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenClock {
    expires_at: Timestamp,
    /// Until it has been.
    ask_at: Option<Timestamp>,
}

impl TokenClock {
    /// Of a token that is good for so long from now on. Another one is asked for a minute ahead, or at half of a short time.
    pub(super) fn start(now: Timestamp, lifetime: Duration) -> Self {
        let ask_after = lifetime.saturating_sub(MARGIN).max(lifetime / 2);
        Self { expires_at: now + lifetime, ask_at: Some(now + ask_after) }
    }

    /// Whether the server would refuse it.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }

    /// Lets time pass; whether another one is to be asked for, which is so once.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) -> bool {
        self.ask_at.take_if(|at| *at <= now).is_some()
    }

    pub(super) fn deadlines(&self, deadline: &mut Deadline) {
        deadline.at(self.ask_at);
    }
}

/// As for what is refreshed (RFC 8656 section 8): time to ask the authorization server.
const MARGIN: Duration = Duration::from_secs(60);
