//! Client transactions: when to send a request again and when to give up (RFC 8489 section 6.2).

use super::header::TransactionId;
use super::rto::Rto;
use crate::net::{Path, Transport};
use crate::time::Timestamp;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// The requests that wait for a response, each with an owner of type `O` by which the caller knows what it was for.
///
/// The caller sends the first transmission itself and tells the table with [`start`](Self::start). From then on it
/// calls [`next_due`](Self::next_due) until that returns `None`, whenever the clock reaches
/// [`deadline`](Self::deadline), and [`finish`](Self::finish) once a response has proven authentic. Responses are found
/// by transaction id alone: whether one came from where its request went is for the caller to judge, by
/// [`Transaction::path`]. Requests that others send never meet this table (rfc8489-5-10).
///
/// Over TCP a request is sent once and waits for [`Rto::ti`].
///
/// ```
/// use core::time::Duration;
/// use floe::stun::{Due, Rto, TransactionId, Transactions};
/// use floe::{Path, Timestamp};
///
/// let mut transactions = Transactions::new();
/// let path = Path::udp("192.0.2.1:4000".parse()?, "198.51.100.1:3478".parse()?);
/// let start = Timestamp::ZERO;
/// transactions.start(start, TransactionId::from([7; 12]), path, "request".into(), Rto::default(), "who I am?");
///
/// let at = transactions.deadline().unwrap();
/// assert_eq!(at, start + Duration::from_millis(500));
/// assert!(matches!(transactions.next_due(at), Some(Due::Retransmit { .. })));
/// assert!(transactions.next_due(at).is_none());
/// # Ok::<(), core::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Transactions<O> {
    /// Sorted by id.
    pending: Vec<Transaction<O>>,
    /// Invariant: the earliest `due_at` of all.
    next_at: Option<Timestamp>,
}

/// One request that waits for its response.
#[derive(Clone, Debug)]
pub struct Transaction<O> {
    id: TransactionId,
    path: Path,
    payload: Bytes,
    owner: O,
    rto: Rto,
    started_at: Timestamp,
    /// When to send again, or to give up if there is nothing left to send.
    due_at: Timestamp,
    transmissions: u8,
    /// Sends no more, and its timeout is no failure.
    silent: bool,
    /// A response came whose integrity was absent or wrong.
    forged: bool,
}

/// What has become due.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a caller has to do something about either")]
pub enum Due<O> {
    /// The request is to be sent again, byte for byte.
    Retransmit {
        /// Which transaction.
        id: TransactionId,
        /// Where it goes.
        path: Path,
        /// The same bytes as the first time (rfc8489-5-8).
        payload: Bytes,
    },
    /// No authentic response came in time. The transaction is gone.
    Expired {
        /// Which transaction it was.
        id: TransactionId,
        /// Where it went.
        path: Path,
        /// What it was for.
        owner: O,
        /// What to tell the owner.
        reason: Failure,
        /// Whether it had been silenced, so that this is no failure.
        silent: bool,
    },
}

/// Why a transaction ended without a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing came.
    #[error("no response")]
    Timeout,
    /// Only responses came whose integrity was absent or wrong (RFC 8489 section 9.1.4).
    #[error("only responses without valid integrity")]
    IntegrityViolated,
}

/// A transaction that was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Finished<O> {
    /// What it was for.
    pub owner: O,
    /// Where the request went.
    pub path: Path,
    /// When the request was first sent.
    pub started_at: Timestamp,
    /// How often it was sent.
    pub transmissions: u8,
    /// Time from request to response; `None` after a retransmission, when it is not known which transmission was
    /// answered (Karn's rule, rfc8489-6.2.1-5).
    pub rtt: Option<Duration>,
    /// Whether it had been silenced.
    pub silent: bool,
}

impl<O> Transactions<O> {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Self { pending: Vec::new(), next_at: None }
    }

    /// Takes over a request that the caller sends at `now` for the first time.
    ///
    /// Returns the owner of a transaction that had the same id and is now forgotten: `None`, unless ids are not drawn
    /// at random.
    #[expect(
        clippy::too_many_arguments,
        reason = "a transaction has that many parts, and each has a type of its own"
    )]
    pub fn start(
        &mut self,
        now: Timestamp,
        id: TransactionId,
        path: Path,
        payload: Bytes,
        rto: Rto,
        owner: O,
    ) -> Option<O> {
        let replaced = self.cancel(id);
        let due_at = now + rto.first_wait(path.transport());
        let transaction = Transaction {
            id,
            path,
            payload,
            owner,
            rto,
            started_at: now,
            due_at,
            transmissions: 1,
            silent: false,
            forged: false,
        };
        if let Err(at) = self.position(id) {
            if self.pending.is_empty() {
                // One at a time is what keeps a connected session going.
                self.pending.reserve_exact(1);
            }
            self.pending.insert(at, transaction);
            self.next_at = Some(self.next_at.map_or(due_at, |next| next.min(due_at)));
        }
        replaced
    }

    /// Gives back the memory of a table that is empty.
    pub(crate) fn shrink(&mut self) {
        if self.pending.is_empty() && self.pending.capacity() > 0 {
            self.pending = Vec::new();
        }
    }

    /// Ends a transaction because it was answered. `None` if there is none of this id (any more): the response is to
    /// be ignored (rfc8489-6.2.1-9, rfc8489-6.2.1-10).
    ///
    /// To be called once the response has proven authentic, not before.
    pub fn finish(&mut self, now: Timestamp, id: TransactionId) -> Option<Finished<O>> {
        let transaction = self.remove(id)?;
        let rtt = now.saturating_since(transaction.started_at);
        Some(Finished {
            owner: transaction.owner,
            path: transaction.path,
            started_at: transaction.started_at,
            transmissions: transaction.transmissions,
            rtt: (transaction.transmissions == 1).then_some(rtt),
            silent: transaction.silent,
        })
    }

    /// Stops retransmissions; a response is still accepted until the transaction would have timed out, and that it
    /// does not come is no failure: what RFC 8445 section 7.3.1.4 calls cancelled.
    pub fn silence(&mut self, id: TransactionId) {
        let Ok(transaction) = self.position(id).map(|at| self.pending.get_mut(at)) else { return };
        let Some(transaction) = transaction.filter(|transaction| !transaction.silent) else { return };
        transaction.silent = true;
        let expires_at = transaction.expires_at();
        self.reschedule(id, expires_at);
    }

    /// Forgets a transaction and returns its owner.
    pub fn cancel(&mut self, id: TransactionId) -> Option<O> {
        self.remove(id).map(|transaction| transaction.owner)
    }

    /// Forgets the transactions whose owners `keep` turns down.
    pub fn retain(&mut self, mut keep: impl FnMut(&O) -> bool) {
        let before = self.pending.len();
        self.pending.retain(|transaction| keep(&transaction.owner));
        if self.pending.len() < before {
            self.find_next();
        }
    }

    /// Takes note of a response whose integrity was absent or wrong.
    ///
    /// Over UDP anybody can have sent it: the schedule goes on as if it had not come, and only the reason of an
    /// eventual failure changes (rfc8489-9.1.4-2). Over TCP the transaction ends with [`Failure::IntegrityViolated`]
    /// and its owner is returned (rfc8489-9.1.4-3).
    pub fn note_forged(&mut self, id: TransactionId) -> Option<O> {
        let at = self.position(id).ok()?;
        let transaction = self.pending.get_mut(at)?;
        transaction.forged = true;
        match transaction.path.transport() {
            Transport::Udp => None,
            Transport::Tcp => self.cancel(id),
        }
    }

    /// Ends all transactions on a path: its connection is closed, or the network reports a hard error
    /// (rfc8489-6.2.2-2, rfc8489-6.2.1-8). Returns their owners, in the order of their ids.
    pub fn fail_path(&mut self, path: Path) -> Vec<O> {
        let failed: Vec<_> = self
            .pending
            .iter()
            .filter(|transaction| transaction.path == path)
            .map(|transaction| transaction.id)
            .collect();
        failed.into_iter().filter_map(|id| self.cancel(id)).collect()
    }

    /// The next thing to be done at `now`; to be called until it returns `None`.
    ///
    /// A transaction is sent at most once a round, however late the caller is, and waits its full interval from then:
    /// a process that was stopped for a while does not come back with a burst.
    pub fn next_due(&mut self, now: Timestamp) -> Option<Due<O>> {
        let next_at = self.next_at.filter(|at| *at <= now)?;
        let transaction = self.pending.iter_mut().find(|transaction| transaction.due_at == next_at)?;
        let id = transaction.id;
        let Some(wait) = transaction.wait_after_next() else { return self.expire(id) };
        transaction.transmissions = transaction.transmissions.saturating_add(1);
        let retransmit = Due::Retransmit { id, path: transaction.path, payload: transaction.payload.clone() };
        self.reschedule(id, now + wait);
        Some(retransmit)
    }

    /// When to call [`next_due`](Self::next_due); `None` if nothing is pending.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.next_at
    }

    /// The transaction of this id.
    #[must_use]
    pub fn get(&self, id: TransactionId) -> Option<&Transaction<O>> {
        self.pending.get(self.position(id).ok()?)
    }

    /// Whose a transaction is, to be given to another.
    pub(crate) fn owner_mut(&mut self, id: TransactionId) -> Option<&mut O> {
        let at = self.position(id).ok()?;
        self.pending.get_mut(at).map(|transaction| &mut transaction.owner)
    }

    /// All transactions, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Transaction<O>> {
        self.pending.iter()
    }

    /// How many transactions are pending, silenced ones included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing is pending.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn expire(&mut self, id: TransactionId) -> Option<Due<O>> {
        let Transaction { path, owner, silent, forged, .. } = self.remove(id)?;
        let reason = if forged { Failure::IntegrityViolated } else { Failure::Timeout };
        Some(Due::Expired { id, path, owner, reason, silent })
    }

    fn remove(&mut self, id: TransactionId) -> Option<Transaction<O>> {
        let transaction = self.pending.remove(self.position(id).ok()?);
        self.no_longer_due(transaction.due_at);
        Some(transaction)
    }

    fn reschedule(&mut self, id: TransactionId, due_at: Timestamp) {
        let Some(transaction) = self.position(id).ok().and_then(|at| self.pending.get_mut(at)) else {
            return;
        };
        let before = core::mem::replace(&mut transaction.due_at, due_at);
        self.next_at = self.next_at.map(|next| next.min(due_at));
        self.no_longer_due(before);
    }

    /// Of the transactions that are left another one may be the next.
    fn no_longer_due(&mut self, at: Timestamp) {
        if self.next_at == Some(at) {
            self.find_next();
        }
    }

    fn find_next(&mut self) {
        self.next_at = self.pending.iter().map(|transaction| transaction.due_at).min();
    }

    fn position(&self, id: TransactionId) -> Result<usize, usize> {
        self.pending.binary_search_by_key(&id, |transaction| transaction.id)
    }
}

impl<O> Default for Transactions<O> {
    fn default() -> Self {
        Self::new()
    }
}

impl<O> Transaction<O> {
    /// The id of request and response.
    #[must_use]
    pub const fn id(&self) -> TransactionId {
        self.id
    }

    /// Where the request went.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.path
    }

    /// What it is for.
    #[must_use]
    pub const fn owner(&self) -> &O {
        &self.owner
    }

    /// The request.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// How often it has been sent.
    #[must_use]
    pub const fn transmissions(&self) -> u8 {
        self.transmissions
    }

    /// When it was first sent.
    #[must_use]
    pub const fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// Whether it sends no more and its timeout is no failure.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.silent
    }

    /// When it gives up, if the caller is never late from now on.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        match self.sends_again() {
            true => self.due_at + self.rto.rest_from(self.transmissions.saturating_add(1)),
            false => self.due_at,
        }
    }

    /// How long to wait after the transmission that is due next; `None` if none is.
    fn wait_after_next(&self) -> Option<Duration> {
        (self.sends_again() && !self.silent)
            .then(|| self.rto.wait_after(self.transmissions.saturating_add(1)))
    }

    fn sends_again(&self) -> bool {
        // rfc8489-6.2.2-1
        self.path.transport() == Transport::Udp && self.transmissions < self.rto.rc()
    }
}

#[cfg(test)]
mod tests;
