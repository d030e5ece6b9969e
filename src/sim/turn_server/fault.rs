//! Faults: what the server does wrong, to which requests, and how often.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use crate::stun::Method;

/// What becomes of a request, or of its answer, in place of what is right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Deviation {
    /// The request is ignored.
    Ignore,
    /// The request is refused with this error code, from 300 to 699; 401 and 438 come with a challenge as they should.
    /// The answer is authentic if the request was.
    Refuse(u16),
    /// The same without integrity.
    RefuseUnsigned(u16),
    /// The request is refused with 300 and this ALTERNATE-SERVER. The answer is authentic if the request was.
    Redirect(SocketAddr),
    /// The same without integrity.
    RedirectUnsigned(SocketAddr),
    /// The nonce is declared stale: 438 with a fresh one.
    StaleNonce,
    /// The request is granted for so many seconds, whatever it asked for; with 0 what was allocated is gone at once.
    Lifetime(u32),
    /// The request is granted, and the answer names this relayed address in place of the real one.
    Relayed(SocketAddr),
    /// The request is granted, and the answer names this mapped address in place of the real one.
    Mapped(SocketAddr),
    /// Somebody else is faster: an answer with this error code and without integrity comes first, then the right one.
    Forestall(u16),
    /// The request is dealt with, and its answer lost.
    Lose,
    /// The request is dealt with, and its answer takes so much longer.
    Delay(Duration),
    /// The right answer, twice.
    Twice,
    /// The right answer without integrity.
    Unsigned,
    /// The right answer, sealed with another key.
    WrongIntegrity,
    /// The right answer under another transaction id.
    WrongTransaction,
    /// The right answer from another port of the server.
    WrongSource,
    /// Bytes that are no STUN message in place of the answer.
    Garbage,
}

impl Deviation {
    /// Whether it leaves open what the answer is, and so can befall one that is given again.
    pub(super) const fn is_of_answer(self) -> bool {
        matches!(
            self,
            Self::Forestall(_)
                | Self::Lose
                | Self::Delay(_)
                | Self::Twice
                | Self::Unsigned
                | Self::WrongIntegrity
                | Self::WrongTransaction
                | Self::WrongSource
                | Self::Garbage
        )
    }
}

/// A [`Deviation`], and the requests that it befalls: by default all with valid credentials, of any method, for ever.
///
/// ```
/// use floe::sim::{Deviation, Fault};
/// use floe::stun::Method;
///
/// // Each third Refresh meets a stale nonce; the first answer to an Allocate without credentials is lost.
/// let stale = Fault::new(Deviation::StaleNonce).on(Method::REFRESH).every(3);
/// let lost = Fault::new(Deviation::Lose).on(Method::ALLOCATE).unauthenticated().times(1);
/// # let _ = (stale, lost);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fault {
    deviation: Deviation,
    method: Option<Method>,
    authenticated: bool,
    every: u32,
    skip: u32,
    times: u32,
    /// Requests met so far that it is about.
    met: u32,
}

impl Fault {
    /// This deviation for every request with valid credentials.
    #[must_use]
    pub const fn new(deviation: Deviation) -> Self {
        Self { deviation, method: None, authenticated: true, every: 1, skip: 0, times: u32::MAX, met: 0 }
    }

    /// For requests of this method only.
    #[must_use]
    pub const fn on(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// For requests that have no credentials yet, Binding requests among them, in place of those that have.
    #[must_use]
    pub const fn unauthenticated(mut self) -> Self {
        self.authenticated = false;
        self
    }

    /// For the `n`th, the 2`n`th and so on of these requests, not for those between. 0 counts as 1.
    #[must_use]
    pub const fn every(mut self, n: u32) -> Self {
        self.every = if n == 0 { 1 } else { n };
        self
    }

    /// Not for the first `n` of these requests.
    #[must_use]
    pub const fn after(mut self, n: u32) -> Self {
        self.skip = n;
        self
    }

    /// At most so many times.
    #[must_use]
    pub const fn times(mut self, n: u32) -> Self {
        self.times = n;
        self
    }

    /// Whether it befalls the request that has just come; counts it.
    fn befalls(&mut self, method: Method, authenticated: bool) -> bool {
        let about = self.method.is_none_or(|only| only == method) && self.authenticated == authenticated;
        if !about || self.times == 0 {
            return false;
        }
        self.met = self.met.saturating_add(1);
        let hit = self.met > self.skip && self.met.saturating_sub(self.skip).is_multiple_of(self.every);
        if hit && self.times != u32::MAX {
            self.times -= 1;
        }
        hit
    }
}

/// The faults of a server.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The deviation for a request that has just come: of the fault that was added first, if several befall it.
    pub(super) fn draw(&mut self, method: Method, authenticated: bool) -> Option<Deviation> {
        self.first(method, authenticated, |_| true)
    }

    /// The deviation for an answer that is given again.
    pub(super) fn draw_again(&mut self, method: Method, authenticated: bool) -> Option<Deviation> {
        self.first(method, authenticated, Deviation::is_of_answer)
    }

    fn first(
        &mut self,
        method: Method,
        authenticated: bool,
        wanted: impl Fn(Deviation) -> bool,
    ) -> Option<Deviation> {
        let mut faults = self.0.iter_mut().filter(|fault| wanted(fault.deviation));
        faults.find_map(|fault| fault.befalls(method, authenticated).then_some(fault.deviation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn hits(fault: Fault, requests: usize) -> Vec<bool> {
        let mut faults = Faults::default();
        faults.add(fault);
        (0..requests).map(|_| faults.draw(Method::REFRESH, true).is_some()).collect()
    }

    #[test]
    fn a_fault_befalls_the_requests_that_it_is_about() {
        let fault = Fault::new(Deviation::Ignore);
        assert_eq!(hits(fault, 3), [true, true, true]);
        assert_eq!(hits(fault.times(2), 3), [true, true, false]);
        assert_eq!(hits(fault.every(2), 5), [false, true, false, true, false]);
        assert_eq!(hits(fault.after(2), 4), [false, false, true, true]);
        assert_eq!(hits(fault.after(1).every(2).times(1), 6), [false, false, true, false, false, false]);
        assert_eq!(hits(fault.on(Method::ALLOCATE), 2), [false, false]);
        assert_eq!(hits(fault.unauthenticated(), 2), [false, false]);
    }

    #[test]
    fn an_answer_that_was_given_can_be_lost_and_not_taken_back() {
        let mut faults = Faults::default();
        faults.add(Fault::new(Deviation::Refuse(486)));
        faults.add(Fault::new(Deviation::Lose));
        assert_eq!(faults.draw_again(Method::REFRESH, true), Some(Deviation::Lose));
        assert_eq!(faults.draw(Method::REFRESH, true), Some(Deviation::Refuse(486)));
    }
}
