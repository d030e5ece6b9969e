//! What the answers of the server change.

use super::allocation::{Allocation, Grant, Left, Phase, ticket};
use super::client::Client;
use super::error::{Failure, PeerError};
use super::event::Event;
use super::permission::Change;
use super::request::{Purpose, Request};
use super::terms::Remedy;
use super::{AddressFamily, ChannelNumber, Lifetime};
use crate::net::{Path, Transport, canonical, is_sendable, unscoped};
use crate::stun::{AlternateServer, AttributeType, Message, UnknownAttributes, Verified};
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer<'a> {
    /// It was granted.
    Success(Verified<'a>),
    /// It was refused. The response is authentic, unless it redirects a first request.
    Error { code: u16, response: Message<'a> },
    /// There was no answer, or none that can be used.
    Failed(Failure),
}

impl Answer<'_> {
    const fn failure(&self) -> Failure {
        match self {
            Self::Success(_) => Failure::Unusable,
            Self::Error { code: MISMATCH, .. } => Failure::Mismatch,
            Self::Error { code, .. } => Failure::Refused(*code),
            Self::Failed(failure) => *failure,
        }
    }
}

impl Client {
    /// Makes a request again, as a new transaction, with what the server has just asked for.
    pub(super) fn repeat(&mut self, request: Request, path: Path) {
        let Request { purpose, sealing } = request;
        if purpose == Purpose::Allocate {
            if matches!(self.phase, Phase::Allocating) {
                self.phase = Phase::waiting(self.now, Some(sealing));
            } else {
                self.finish_closing();
            }
        } else {
            self.ask(path, purpose, Some(sealing));
        }
    }

    /// A request has ended. The only place where answers change anything.
    pub(super) fn answered(&mut self, request: Request, asked_at: Timestamp, answer: Answer<'_>) {
        match request.purpose {
            Purpose::Allocate => self.allocate_answered(asked_at, answer),
            Purpose::Refresh => self.refresh_answered(asked_at, answer),
            Purpose::Migrate => self.migrate_answered(asked_at, answer),
            Purpose::Evict => self.evict_answered(answer),
            Purpose::Permit(peers) => self.permit_answered(asked_at, &peers, answer),
            Purpose::Bind(number, peer) => self.bind_answered(asked_at, number, peer, answer),
            // rfc8656-8.3-4: whatever the answer, there is nothing left to be done.
            Purpose::Release | Purpose::ReleaseFamily(_) => {}
        }
        self.finish_closing();
    }

    /// RFC 8656 sections 7.3 and 7.4.
    fn allocate_answered(&mut self, asked_at: Timestamp, answer: Answer<'_>) {
        let allocating = matches!(self.phase, Phase::Allocating);
        match answer {
            Answer::Success(response) => {
                let terms = &self.terms;
                let grant = Grant::read(&response, |family| terms.wants(family));
                match grant {
                    Some(grant) if allocating && !grant.lifetime.is_zero() => self.allocated(asked_at, grant),
                    // rfc8656-8-2: granted for no time at all.
                    Some(_) if allocating => self.fail(Failure::Expired),
                    // rfc8656-7.3-1, rfc8656-7.3-3; or nobody wants it any more.
                    _ => {
                        self.ask(self.path, Purpose::Release, None);
                        if allocating {
                            self.fail(Failure::Unusable);
                        }
                    }
                }
            }
            _ if !allocating => {}
            Answer::Error { code: 300, response } => self.redirected(&response),
            // rfc8656-7.4-7. It may be our own, from an earlier life, and then we can end it.
            Answer::Error { code: MISMATCH, .. } if self.terms.may_evict() => {
                self.ask(self.path, Purpose::Evict, None);
                self.phase = Phase::waiting(self.now, None);
            }
            Answer::Error { code: MISMATCH, .. } => self.mismatched(),
            Answer::Error { code, response } => {
                match self.terms.refused(code, names_dont_fragment(&response)) {
                    Remedy::Again(pause) => self.phase = Phase::waiting(self.now + pause, None),
                    Remedy::Fail => self.fail(Failure::Refused(code)),
                }
            }
            Answer::Failed(failure) => {
                // A success response of which we do not know what it means.
                if failure == Failure::Unusable {
                    self.ask(self.path, Purpose::Release, None);
                }
                self.fail(failure);
            }
        }
    }

    fn allocated(&mut self, asked_at: Timestamp, grant: Grant) {
        self.terms.granted(self.now);
        let (allocated, refused) = (grant.allocated(), grant.refused);
        let indication = self.draw_indication();
        let allocation = Allocation::new(self.now, asked_at, grant, indication);
        self.phase = Phase::Allocated(Box::new(allocation));
        if let Some(allocated) = allocated {
            self.emit(Event::Allocated(allocated));
        }
        if let Some((family, code)) = refused {
            self.terms.family_refused(self.now, family, code);
            self.emit(Event::FamilyRefused { family, code });
        }
        // Peers that were wanted before it was known of which families the relay has addresses.
        let Phase::Allocated(allocation) = &self.phase else { return };
        let impossible = self.permissions.extract(|peer| !allocation.has(AddressFamily::of(peer)));
        for peer in impossible {
            self.bindings.forget(peer);
            self.emit(Event::Refused { peer, error: PeerError::Family });
        }
    }

    /// RFC 8489 section 10, within the bounds of [`Config::follow_alternate`](super::Config::follow_alternate).
    fn redirected(&mut self, response: &Message<'_>) {
        let family = AddressFamily::of(self.path.remote().ip());
        let mut alternates = response.all::<AlternateServer>().flatten();
        let alternate = alternates.find(|server| AddressFamily::of(canonical(server.0).ip()) == family);
        let Some(AlternateServer(to)) = alternate else { return self.fail(Failure::Refused(300)) };
        let to = unscoped(canonical(to));
        let fit = is_fit(to, self.path) && self.path.transport() == Transport::Udp;
        self.emit(Event::Redirected { to });
        if !(self.config.follow_alternate && fit && self.terms.may_follow(self.now, self.path.remote(), to)) {
            return self.fail(Failure::Redirected(to));
        }
        self.path = Path::new(Transport::Udp, self.path.local(), to);
        // Another server, another realm.
        self.credential.reset();
        self.phase = Phase::waiting(self.now, None);
    }

    /// RFC 8656 section 8.3.
    fn refresh_answered(&mut self, asked_at: Timestamp, answer: Answer<'_>) {
        let now = self.now;
        let lifetime = match &answer {
            Answer::Success(response) => response.get::<Lifetime>().and_then(Result::ok),
            Answer::Error { .. } | Answer::Failed(_) => None,
        };
        let Some(allocation) = self.allocation_mut() else { return };
        match (answer, lifetime) {
            (Answer::Success(_), Some(Lifetime(0))) => self.lose(Failure::Expired),
            (Answer::Success(_), Some(lifetime)) => {
                let lifetime = lifetime.duration();
                allocation.refreshed(now, asked_at, lifetime);
                self.terms.refreshed(self.now);
                self.emit(Event::Refreshed { lifetime });
                self.flush_held();
            }
            // rfc8656-8.3-5: what may pass is tried again while there is time; and so is what nobody has signed, like a 401.
            (answer @ (Answer::Failed(_) | Answer::Success(_)), _)
            | (answer @ Answer::Error { code: 408 | 486 | 500..=599, .. }, _) => {
                let trouble = match answer {
                    Answer::Failed(failure @ (Failure::Credentials | Failure::TokenWanted)) => failure,
                    _ => Failure::Expired,
                };
                allocation.trouble = trouble;
                match allocation.overdue {
                    true => self.lose(trouble),
                    false => allocation.lease.postpone(now),
                }
            }
            // rfc8656-8.3-2; 400 comes from servers that have forgotten who we are (L-49).
            (answer, _) => self.lose(answer.failure()),
        }
    }

    /// RFC 8016 section 3.2.
    fn migrate_answered(&mut self, asked_at: Timestamp, answer: Answer<'_>) {
        let (now, left) = (self.now, self.path);
        let Some(allocation) = self.allocation_mut() else { return };
        let Some(path) = allocation.moving_to.take() else { return };
        let failure = answer.failure();
        if let Answer::Success(response) = answer
            && let Some(Ok(lifetime @ Lifetime(1..))) = response.get::<Lifetime>()
        {
            allocation.refreshed(now, asked_at, lifetime.duration());
            // rfc8016-3.2.3-1
            allocation.ticket = ticket(&response).or_else(|| allocation.ticket.take());
            // rfc8016-3.2.2-2
            allocation.moved_from = Some(Left::new(left));
            self.path = path;
            self.terms.refreshed(self.now);
            self.emit(Event::Migrated { path });
            self.flush_held();
            return;
        }
        match failure {
            Failure::Timeout | Failure::IntegrityViolated | Failure::Unreachable => {
                allocation.lease.requeue();
                self.emit(Event::NotMigrated { path, failure });
            }
            // rfc8016-3.2.2-3
            failure => self.lose(failure),
        }
    }

    /// The allocation in the way is gone, or it is somebody else's.
    fn evict_answered(&mut self, answer: Answer<'_>) {
        let gone = matches!(answer, Answer::Success(_) | Answer::Error { code: MISMATCH, .. });
        // The Allocate that waits for this leaves as soon as nothing is being released.
        if !gone && matches!(self.phase, Phase::Waiting { .. }) {
            self.mismatched();
        }
    }

    /// RFC 8656 section 10.3.
    fn permit_answered(&mut self, asked_at: Timestamp, peers: &[IpAddr], answer: Answer<'_>) {
        if let Answer::Error { code: MISMATCH, .. } = answer {
            // rfc8656-5-4, rfc8656-10.3-3
            return self.lose(Failure::Mismatch);
        }
        let now = self.now;
        for &peer in peers {
            let change = match answer {
                Answer::Success(_) => self.permissions.granted(now, asked_at, peer),
                Answer::Error { .. } if peers.len() > 1 => {
                    self.permissions.refused_in_company(peer);
                    None
                }
                // rfc8656-10.3-4: what may pass does not end a permission that still holds.
                Answer::Error { code: code @ (408 | 486 | 500..=599), .. } => {
                    self.permissions.unanswered(now, peer, PeerError::Refused(code))
                }
                // rfc8656-10.3-2
                Answer::Error { code, .. } => self.permissions.refused(now, peer, PeerError::Refused(code)),
                Answer::Failed(failure) => {
                    self.permissions.unanswered(now, peer, PeerError::Unanswered(failure))
                }
            };
            self.permission_changed(peer, change);
        }
        self.flush_held();
    }

    fn permission_changed(&mut self, peer: IpAddr, change: Option<Change>) {
        match change {
            Some(Change::Granted) => self.emit(Event::Permitted { peer }),
            Some(Change::Refused(error)) => {
                self.held.forget(peer);
                // A channel that was asked for meanwhile is not to let through what the permission does not.
                self.bindings.forget(peer);
                self.emit(Event::Refused { peer, error });
            }
            None => {}
        }
    }

    /// RFC 8656 section 12.3.
    fn bind_answered(
        &mut self,
        asked_at: Timestamp,
        number: ChannelNumber,
        peer: SocketAddr,
        answer: Answer<'_>,
    ) {
        let now = self.now;
        match answer {
            Answer::Success(_) => {
                // rfc8656-12.3-1, rfc8656-9-4
                let new = self.bindings.bound(now, asked_at, number);
                let change = self.permissions.granted(now, asked_at, peer.ip());
                self.permission_changed(peer.ip(), change);
                if new {
                    self.emit(Event::Bound { peer });
                }
                self.flush_held();
            }
            Answer::Error { code: MISMATCH, .. } => self.lose(Failure::Mismatch),
            // rfc8656-12.3-2: we and the server disagree about a channel, and no one can tell about which others.
            Answer::Error { code: 400, .. } => {
                self.ask(self.path, Purpose::Release, None);
                self.lose(Failure::Refused(400));
            }
            // rfc8656-12.3-3: there are Send indications.
            Answer::Error { code: 408 | 486 | 500..=599, .. } => self.bindings.refused(now, number, true),
            Answer::Error { .. } => self.bindings.refused(now, number, false),
            Answer::Failed(_) => self.bindings.unanswered(now, number),
        }
    }

    /// No allocation came about.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.terms.failed(self.now, failure);
        self.end(Event::Failed(failure));
        if matches!(failure, Failure::Timeout | Failure::IntegrityViolated) {
            self.forget_server();
        }
    }

    /// A 5-tuple is of no use; another one may be.
    fn mismatched(&mut self) {
        self.terms.mismatched(self.now);
        self.end(Event::Failed(Failure::Mismatch));
    }

    /// The allocation is gone.
    pub(super) fn lose(&mut self, failure: Failure) {
        // Why an allocation was lost does not say that another one would be refused.
        self.terms.failed(self.now, Failure::Expired);
        self.end(Event::Lost(failure));
        self.forget_server();
    }

    fn end(&mut self, event: Event) {
        self.phase = Phase::Idle;
        self.transactions.retain(|request| request.purpose.is_release());
        // rfc8656-9-3
        self.forget_all();
        self.emit(event);
    }

    /// The next allocation is asked for as if nothing were known: the server may be another one by then, with another
    /// realm. What is still to be released is the old one's.
    fn forget_server(&mut self) {
        if self.transactions.is_empty() {
            self.credential.reset();
        }
    }

    /// What was held for permitted peers leaves.
    fn flush_held(&mut self) {
        if !self.allocation().is_some_and(Allocation::is_held) {
            return;
        }
        let (permissions, now) = (&self.permissions, self.now);
        let mut ready = Vec::new();
        while let Some(message) = self.held.pop(|peer| permissions.is_granted(now, peer)) {
            ready.push(message);
        }
        for (peer, payload) in ready {
            if let Some(route) = self.route(peer) {
                self.send_by(route, &payload);
            }
        }
    }

    /// The last step of [`close`](Self::close), once nothing is under way any more.
    pub(super) fn finish_closing(&mut self) {
        if matches!(self.phase, Phase::Closing) && self.transactions.is_empty() {
            self.phase = Phase::Closed;
            self.emit(Event::Released);
        }
    }
}

/// Whether a redirection may be followed: to a host and a port that a server may have, and not into this machine (L-57).
fn is_fit(to: SocketAddr, path: Path) -> bool {
    let loopback = to.ip().is_loopback() && !path.remote().ip().is_loopback();
    let odd = to.port() < 1024 && !matches!(to.port(), 53 | 80 | 443);
    is_sendable(to) && !loopback && !odd && to != path.remote() && to != path.local()
}

fn names_dont_fragment(response: &Message<'_>) -> bool {
    let unknown = response.get::<UnknownAttributes>().and_then(Result::ok).unwrap_or_default();
    unknown.as_slice().contains(&AttributeType::DONT_FRAGMENT)
}

/// 437 Allocation Mismatch.
const MISMATCH: u16 = 437;
