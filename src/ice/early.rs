//! Checks that arrive before the peer's credentials (RFC 8445 section 7.3).

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::ice::nomination::Nominated;
use crate::ice::{ComponentId, Priority};
use crate::list::Rare;
use crate::net::Path;

/// What a peer's authentic check tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Learned {
    pub(crate) path: Path,
    pub(crate) component: ComponentId,
    pub(crate) priority: Priority,
    pub(crate) use_candidate: Option<Nominated>,
}

/// What is kept of a request that was answered before the peer's credentials were known.
#[derive(Clone, Debug)]
pub(crate) struct EarlyRequest {
    pub(crate) learned: Learned,
    pub(crate) remote_ufrag: Box<str>,
}

/// Requests that wait for the peer's credentials. Each was answered at once; the newest of each 5-tuple is kept for its
/// triggered check, so a flood costs a bounded number of small records (rfc8445-7.3-3): their fragments are at most as long as
/// a peer's can be.
#[derive(Clone, Debug, Default)]
pub(crate) struct EarlyRequests {
    requests: Rare<EarlyRequest>,
}

impl EarlyRequests {
    /// Keeps a request; when there are more than `limit` the oldest gives way, those that nominate last, and then `false` comes
    /// back.
    pub(crate) fn keep(&mut self, mut request: EarlyRequest, limit: usize) -> bool {
        let path = request.learned.path;
        if let Some(known) = self.requests.iter().position(|known| known.learned.path == path)
            && let Some(known) = self.requests.remove(known)
        {
            // A nomination is not undone by a later check without the flag.
            if known.remote_ufrag == request.remote_ufrag {
                request.learned.use_candidate =
                    request.learned.use_candidate.max(known.learned.use_candidate);
            }
        }
        self.requests.push(request);
        let full = self.requests.len() > limit;
        if full {
            // rfc8445-7.3.1.5-1: the peer nominates once. What its other checks teach, checks of our own may show as well.
            let nominates = |known: &EarlyRequest| known.learned.use_candidate.is_some();
            let oldest = self.requests.iter().position(|known| !nominates(known));
            self.requests.remove(oldest.unwrap_or_default());
        }
        !full
    }

    /// Hands over what was kept, oldest first.
    pub(crate) fn take(&mut self) -> Vec<EarlyRequest> {
        self.requests.take()
    }
}
