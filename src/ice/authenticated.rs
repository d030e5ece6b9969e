//! The 5-tuples from which an authentic message has come: data is taken from no other (rfc8445-12.2-1).

use crate::ice::{ComponentId, PairId};
use crate::list::Few;
use crate::net::Path;

/// A 5-tuple that has authenticated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuthenticatedPath {
    pub(crate) path: Path,
    pub(crate) component: ComponentId,
    /// The pair of the path, in the check list or in the valid list.
    pub(crate) pair: PairId,
    /// Whether our own check on it was answered, beyond the peer's having been received.
    pub(crate) valid: bool,
}

/// The paths of one stream, sorted. They outlive their pairs in the check list: data on a pair that was not nominated
/// is still the peer's. Every path was paired once, so the limits on pairs and candidates bound this list as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuthenticatedPaths {
    paths: Few<AuthenticatedPath>,
}

impl AuthenticatedPaths {
    pub(crate) fn get(&self, path: &Path) -> Option<&AuthenticatedPath> {
        // Every datagram asks, and of most streams there are few paths: whether two are alike costs a fifth of which comes first.
        self.paths.iter().find(|known| known.path == *path)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &AuthenticatedPath> {
        self.paths.iter()
    }

    /// The path on which data is said to come on this pair.
    pub(crate) fn of_pair(&self, id: PairId) -> Option<&AuthenticatedPath> {
        self.paths.iter().find(|known| known.pair == id)
    }

    pub(crate) fn insert(&mut self, news: AuthenticatedPath) {
        match self.paths.binary_search_by_key(&news.path, |known| known.path) {
            Ok(at) => {
                if let Some(known) = self.paths.get_mut(at) {
                    *known = AuthenticatedPath { valid: known.valid || news.valid, ..news };
                }
            }
            Err(at) => self.paths.insert(at, news),
        }
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&AuthenticatedPath) -> bool) {
        self.paths.retain(keep);
    }
}
