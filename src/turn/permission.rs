//! Permissions: the IP addresses whose datagrams the relay lets through (RFC 8656 sections 9 and 10).

use super::error::PeerError;
use super::lease::Lease;
use crate::time::{Deadline, Timestamp};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::net::IpAddr;
use core::time::Duration;

/// The permissions of one allocation, by IP address: ports do not matter (rfc8656-9-2).
#[derive(Clone, Debug)]
pub(super) struct Permissions {
    /// Sorted, of which every datagram asks for one.
    entries: Vec<(IpAddr, Permission)>,
    limit: usize,
}

/// The states of a permission.
///
/// ```text
/// Wanted --ask--> Asked --success--> Granted --renewal fails, time is up--> Wanted
///    ^              |                   |  '--forget, time is up--> (gone)
///    '-- refused ---'---- refused ------'--> Refused --time is up--> (gone)
///     in company           alone
/// ```
#[derive(Clone, Copy, Debug)]
enum Permission {
    /// To be asked for as soon as there is room; `alone` after a request for several was refused for one of them.
    Wanted { alone: bool },
    /// The request is under way.
    Asked,
    /// The server lets datagrams through.
    Granted { lease: Lease, alone: bool },
    /// The server does not want it, and is not asked again before `until`.
    Refused { until: Timestamp, error: PeerError },
}

/// What has changed for a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// For the first time, or again after it had run out.
    Granted,
    Refused(PeerError),
}

impl Permissions {
    pub(super) const fn new(limit: usize) -> Self {
        Self { entries: Vec::new(), limit }
    }

    /// Takes note that a permission is wanted.
    pub(super) fn want(&mut self, now: Timestamp, peer: IpAddr) -> Result<(), WantError> {
        match self.get_mut(peer) {
            Some(Permission::Granted { lease, .. }) => lease.keep(),
            Some(Permission::Wanted { .. } | Permission::Asked) => {}
            Some(Permission::Refused { until, error }) if now < *until => {
                return Err(WantError::Refused(*error));
            }
            Some(refused @ Permission::Refused { .. }) => *refused = Permission::Wanted { alone: false },
            None => {
                if self.entries.len() >= self.limit {
                    self.drop_refused(now);
                }
                if self.entries.len() >= self.limit {
                    return Err(WantError::Limit);
                }
                if let Err(at) = self.position(peer) {
                    self.entries.insert(at, (peer, Permission::Wanted { alone: false }));
                }
            }
        }
        Ok(())
    }

    /// Takes note that a permission is no longer wanted: what was granted runs out, the rest is forgotten.
    pub(super) fn forget(&mut self, peer: IpAddr) {
        match self.get_mut(peer) {
            Some(Permission::Granted { lease, .. }) => lease.abandon(),
            // Should its request be granted, nobody waits for that any more.
            Some(Permission::Wanted { .. } | Permission::Asked) => {
                self.entries.retain(|(known, _)| *known != peer)
            }
            // The memory of a refusal outlives the wish.
            Some(Permission::Refused { .. }) | None => {}
        }
    }

    /// Whether datagrams to and from the peer pass.
    pub(super) fn is_granted(&self, now: Timestamp, peer: IpAddr) -> bool {
        matches!(self.get(peer), Some(Permission::Granted { lease, .. }) if lease.is_live(now))
    }

    /// The peers for which the next request asks, marked as asked for; empty if there is nothing to ask.
    ///
    /// One that was refused in company is asked for alone, so that it does not take the others down with it.
    pub(super) fn next_request(&mut self, now: Timestamp) -> Vec<IpAddr> {
        let urgent = |permission: &Permission| match permission {
            Permission::Wanted { alone } => Some(*alone),
            Permission::Granted { lease, alone } if lease.is_due() => Some(*alone),
            _ => None,
        };
        let mut peers = Vec::new();
        let Some((first, alone)) =
            self.entries.iter().find_map(|(peer, permission)| Some((*peer, urgent(permission)?)))
        else {
            return peers;
        };
        peers.push(first);
        if !alone {
            let joins = |permission: &Permission| match permission {
                Permission::Wanted { alone } => !alone,
                Permission::Granted { lease, alone } => !alone && lease.is_nearly_due(now),
                _ => false,
            };
            let others = self.entries.iter().filter(|(peer, permission)| *peer != first && joins(permission));
            peers.extend(others.map(|(peer, _)| *peer).take(BATCH_MAX - 1));
        }
        for peer in &peers {
            match self.get_mut(*peer) {
                Some(Permission::Granted { lease, .. }) => lease.asked(),
                Some(other) => *other = Permission::Asked,
                None => {}
            }
        }
        peers
    }

    /// The server lets the peer through, from now on for five minutes.
    pub(super) fn granted(&mut self, now: Timestamp, asked_at: Timestamp, peer: IpAddr) -> Option<Change> {
        let permission = self.get_mut(peer)?;
        let mut granted = Lease::granted(now, asked_at, LIFETIME);
        let (alone, change) = match permission {
            Permission::Granted { lease, alone } => {
                if !lease.is_kept() {
                    granted.abandon();
                }
                (*alone, (!lease.is_live(now)).then_some(Change::Granted))
            }
            Permission::Wanted { alone } => (*alone, Some(Change::Granted)),
            Permission::Asked => (false, Some(Change::Granted)),
            // A ChannelBind that was under way says otherwise; the refusal has been reported, and stands.
            Permission::Refused { .. } => return None,
        };
        *permission = Permission::Granted { lease: granted, alone };
        change
    }

    /// The server refuses, and it is this peer that it means.
    pub(super) fn refused(&mut self, now: Timestamp, peer: IpAddr, error: PeerError) -> Option<Change> {
        let permission = self.get_mut(peer)?;
        *permission = Permission::Refused { until: now + REFUSED_FOR, error };
        Some(Change::Refused(error))
    }

    /// The server refuses one of several, and does not say which: each is asked for alone.
    pub(super) fn refused_in_company(&mut self, peer: IpAddr) {
        match self.get_mut(peer) {
            Some(permission @ Permission::Asked) => *permission = Permission::Wanted { alone: true },
            Some(Permission::Granted { lease, alone }) => {
                *alone = true;
                lease.requeue();
            }
            _ => {}
        }
    }

    /// No usable answer came. A permission that still holds is asked for again in a while, the others are given up.
    pub(super) fn unanswered(&mut self, now: Timestamp, peer: IpAddr, error: PeerError) -> Option<Change> {
        match self.get_mut(peer) {
            Some(Permission::Granted { lease, .. }) if lease.is_live(now) => {
                lease.postpone(now);
                None
            }
            Some(Permission::Asked) => self.refused(now, peer, error),
            _ => None,
        }
    }

    /// All requests under way were withdrawn.
    pub(super) fn requeue(&mut self) {
        for (_, permission) in &mut self.entries {
            match permission {
                Permission::Asked => *permission = Permission::Wanted { alone: false },
                Permission::Granted { lease, .. } => lease.requeue(),
                Permission::Wanted { .. } | Permission::Refused { .. } => {}
            }
        }
    }

    /// Lets time pass: what has run out is asked for anew if it is still wanted, and forgotten if not.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        self.entries.retain_mut(|(_, permission)| {
            let Permission::Granted { lease, alone } = permission else { return true };
            lease.handle_timeout(now);
            if lease.is_live(now) {
                return true;
            }
            let kept = lease.is_kept();
            *permission = match lease.is_under_way() {
                true => Permission::Asked,
                false => Permission::Wanted { alone: *alone },
            };
            kept
        });
    }

    /// Forgets all peers that are `unwanted`, and returns them.
    pub(super) fn extract(&mut self, unwanted: impl Fn(IpAddr) -> bool) -> Vec<IpAddr> {
        self.entries.extract_if(.., |(peer, _)| unwanted(*peer)).map(|(peer, _)| peer).collect()
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The peers whose datagrams pass.
    pub(super) fn iter_granted(&self, now: Timestamp) -> impl Iterator<Item = IpAddr> {
        self.entries.iter().map(|(peer, _)| *peer).filter(move |peer| self.is_granted(now, *peer))
    }

    pub(super) fn deadlines(&self, deadline: &mut Deadline) {
        for (_, permission) in &self.entries {
            if let Permission::Granted { lease, .. } = permission {
                lease.deadlines(deadline);
            }
        }
    }

    fn get(&self, peer: IpAddr) -> Option<&Permission> {
        self.entries.get(self.position(peer).ok()?).map(|(_, permission)| permission)
    }

    fn get_mut(&mut self, peer: IpAddr) -> Option<&mut Permission> {
        let at = self.position(peer).ok()?;
        self.entries.get_mut(at).map(|(_, permission)| permission)
    }

    #[inline]
    fn position(&self, peer: IpAddr) -> Result<usize, usize> {
        // Whether two addresses are alike costs less to say than which comes first.
        self.entries.binary_search_by(|(known, _)| match *known == peer {
            true => Ordering::Equal,
            false => known.cmp(&peer),
        })
    }

    fn drop_refused(&mut self, now: Timestamp) {
        self.entries.retain(
            |(_, permission)| !matches!(permission, Permission::Refused { until, .. } if *until <= now),
        );
    }
}

/// Why a permission cannot be wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum WantError {
    Limit,
    Refused(PeerError),
}

/// rfc8656-9-1: five minutes, whatever the lifetime of the allocation.
const LIFETIME: Duration = Duration::from_secs(300);
/// Peers of one CreatePermission request: with IPv6 addresses it is 500 bytes long, seals included.
const BATCH_MAX: usize = 16;
/// How long a refusal stands before the server may be asked again for the same peer.
const REFUSED_FOR: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
