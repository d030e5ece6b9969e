//! Channels: numbers of four bytes in place of addresses (RFC 8656 sections 12 to 12.3).

use super::channel::ChannelNumber;
use super::lease::Lease;
use crate::time::{Deadline, Timestamp};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// The channels of one allocation.
///
/// Invariant: a number stands for one peer and a peer for one number, until five minutes after the server can have
/// forgotten the two (rfc8656-12-3, rfc8656-12-5).
#[derive(Clone, Debug)]
pub(super) struct Bindings {
    /// Those in use, or about to be: at most `limit`.
    live: BTreeMap<ChannelNumber, Binding>,
    /// Those that are not used, and for a while not to be used for anything else.
    resting: BTreeMap<ChannelNumber, Rest>,
    /// The numbers of both.
    by_peer: BTreeMap<SocketAddr, ChannelNumber>,
    /// Where to look for a free number: numbers are used in turn, so that the freed ones rest for longest.
    next: ChannelNumber,
    limit: usize,
    /// For how long the transmissions of a request that nobody has answered may still arrive: as long as it is repeated.
    in_transit: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Binding {
    peer: SocketAddr,
    state: State,
    /// Until then the server may know the channel, whatever we have heard of it.
    forgotten_at: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    peer: SocketAddr,
    free_at: Timestamp,
    /// Nobody has said whether the server has bound it. Over a connection a request is sent once, and if its answer is lost the
    /// server sends by the channel all the same.
    is_in_doubt: bool,
}

/// The states of a channel.
///
/// ```text
/// Wanted --ask--> Asked --success--> Bound --time is up--> (rests) --five minutes--> (free)
///   ^               '-- refused, unanswered ------------------^ |
///   '------------------------ want -----------------------------'
/// ```
#[derive(Clone, Copy, Debug)]
enum State {
    /// To be asked for as soon as there is room.
    Wanted,
    /// The first request is under way: ChannelData may come in, and does not go out (rfc8656-12-6, rfc8656-12-7).
    Asked,
    /// ChannelData flows both ways.
    Bound(Lease),
}

impl Bindings {
    pub(super) const fn new(limit: usize, in_transit: Duration) -> Self {
        Self {
            live: BTreeMap::new(),
            resting: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            next: ChannelNumber::MIN,
            limit,
            in_transit,
        }
    }

    /// Takes note that a channel for `peer` is wanted, for which there is [room](Self::has_room); one that it had before is
    /// taken up again.
    pub(super) fn want(&mut self, now: Timestamp, peer: SocketAddr) {
        let known = self.by_peer.get(&peer).copied();
        if let Some(binding) = known.and_then(|number| self.live.get_mut(&number)) {
            if let State::Bound(lease) = &mut binding.state {
                lease.keep();
            }
            return;
        }
        let Some(number) = known.or_else(|| self.free_number()) else { return };
        if known.is_none() {
            self.next = successor(number);
        }
        let forgotten_at = self.resting.remove(&number).map_or(now, |rest| rest.free_at);
        self.live.insert(number, Binding { peer, state: State::Wanted, forgotten_at });
        self.by_peer.insert(peer, number);
    }

    /// Whether there is room for a channel to `peer`.
    pub(super) fn has_room(&self, peer: SocketAddr) -> bool {
        let known = self.by_peer.get(&peer);
        let live = known.is_some_and(|number| self.live.contains_key(number));
        live || self.live.len() < self.limit && (known.is_some() || self.free_number().is_some())
    }

    /// Channels to this IP address are no longer wanted: they run out.
    pub(super) fn forget(&mut self, peer: IpAddr) {
        let range = SocketAddr::new(peer, 0)..=SocketAddr::new(peer, u16::MAX);
        let numbers: Vec<ChannelNumber> = self.by_peer.range(range).map(|(_, number)| *number).collect();
        for number in numbers {
            match self.live.get_mut(&number) {
                Some(Binding { state: State::Bound(lease), .. }) => lease.abandon(),
                _ => self.rest(number),
            }
        }
    }

    /// The channel to ask for next, marked as asked for.
    pub(super) fn next_request(&mut self, now: Timestamp) -> Option<(ChannelNumber, SocketAddr)> {
        let (number, binding) = self.live.iter_mut().find(|(_, binding)| match &binding.state {
            State::Wanted => true,
            State::Asked => false,
            State::Bound(lease) => lease.is_due(),
        })?;
        match &mut binding.state {
            State::Bound(lease) => lease.asked(),
            other => *other = State::Asked,
        }
        // Whether it is answered or not, the last transmission of the request may reach the server.
        binding.forgotten_at = now + self.in_transit + LIFETIME;
        Some((*number, binding.peer))
    }

    /// The server has bound the channel, or goes on to. Whether it is new.
    pub(super) fn bound(&mut self, now: Timestamp, asked_at: Timestamp, number: ChannelNumber) -> bool {
        // If it is not there it was forgotten while the request was under way.
        let Some(binding) = self.live.get_mut(&number) else { return false };
        let mut granted = Lease::granted(now, asked_at, LIFETIME);
        let new = match &binding.state {
            State::Bound(lease) => {
                if !lease.is_kept() {
                    granted.abandon();
                }
                false
            }
            State::Wanted | State::Asked => true,
        };
        binding.state = State::Bound(granted);
        binding.forgotten_at = now + LIFETIME;
        new
    }

    /// The request was refused. A channel that still holds is asked for again in a while if `again`.
    pub(super) fn refused(&mut self, now: Timestamp, number: ChannelNumber, again: bool) {
        match self.live.get_mut(&number) {
            Some(Binding { state: State::Bound(lease), .. }) if again => lease.postpone(now),
            Some(Binding { state: State::Bound(lease), .. }) => lease.abandon(),
            _ => self.rest(number),
        }
    }

    /// The request was never answered. A channel that still holds is asked for again in a while.
    pub(super) fn unanswered(&mut self, now: Timestamp, number: ChannelNumber) {
        let was_asked = self.live.get(&number).is_some_and(|binding| matches!(binding.state, State::Asked));
        self.refused(now, number, true);
        if let Some(rest) = self.resting.get_mut(&number).filter(|_| was_asked) {
            rest.is_in_doubt = true;
        }
    }

    /// All requests under way were withdrawn.
    pub(super) fn requeue(&mut self) {
        for binding in self.live.values_mut() {
            match &mut binding.state {
                State::Bound(lease) => lease.requeue(),
                state => *state = State::Wanted,
            }
        }
    }

    /// Lets time pass: channels run out, and are asked for anew or rest; those that have rested are free.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        let mut ended = Vec::new();
        for (number, binding) in &mut self.live {
            let State::Bound(lease) = &mut binding.state else { continue };
            lease.handle_timeout(now);
            if !lease.is_live(now) {
                match (lease.is_kept(), lease.is_under_way()) {
                    (true, true) => binding.state = State::Asked,
                    (true, false) => binding.state = State::Wanted,
                    (false, _) => ended.push(*number),
                }
            }
        }
        ended.into_iter().for_each(|number| self.rest(number));
        let by_peer = &mut self.by_peer;
        self.resting.retain(|_, rest| {
            let free = rest.free_at <= now;
            if free {
                by_peer.remove(&rest.peer);
            }
            !free
        });
    }

    pub(super) fn clear(&mut self) {
        self.live.clear();
        self.resting.clear();
        self.by_peer.clear();
    }

    /// The channel over which data may be sent to the peer.
    pub(super) fn number(&self, now: Timestamp, peer: SocketAddr) -> Option<ChannelNumber> {
        let number = self.by_peer.get(&peer)?;
        match &self.live.get(number)?.state {
            State::Bound(lease) if lease.is_live(now) => Some(*number),
            State::Bound(_) | State::Wanted | State::Asked => None,
        }
    }

    /// The peer whose data comes over a channel, and whether the first request for it is over.
    #[inline]
    pub(super) fn peer(&self, now: Timestamp, number: ChannelNumber) -> Option<(&SocketAddr, bool)> {
        let Some(binding) = self.live.get(&number) else { return self.peer_in_doubt(now, number) };
        match &binding.state {
            State::Asked => Some((&binding.peer, false)),
            State::Bound(lease) if lease.is_live(now) => Some((&binding.peer, true)),
            State::Bound(_) | State::Wanted => None,
        }
    }

    /// The same of a channel that nobody has answered for.
    fn peer_in_doubt(&self, now: Timestamp, number: ChannelNumber) -> Option<(&SocketAddr, bool)> {
        let rest = self.resting.get(&number).filter(|rest| rest.is_in_doubt)?;
        (now + RESTS_FOR < rest.free_at).then_some((&rest.peer, true))
    }

    /// The bound channels.
    pub(super) fn iter_bound(&self, now: Timestamp) -> impl Iterator<Item = (SocketAddr, ChannelNumber)> {
        let bound = self.by_peer.keys().copied();
        bound.filter_map(move |peer| Some((peer, self.number(now, peer)?)))
    }

    /// A channel that rests is freed when somebody looks, so that nobody has to be woken for it.
    pub(super) fn deadlines(&self, deadline: &mut Deadline) {
        for binding in self.live.values() {
            if let State::Bound(lease) = &binding.state {
                lease.deadlines(deadline);
            }
        }
    }

    fn rest(&mut self, number: ChannelNumber) {
        if let Some(Binding { peer, forgotten_at, .. }) = self.live.remove(&number) {
            self.resting.insert(number, Rest { peer, free_at: forgotten_at + RESTS_FOR, is_in_doubt: false });
        }
    }

    /// The first number from `next` on, round the end, that stands for nobody.
    fn free_number(&self) -> Option<ChannelNumber> {
        let mut number = self.next;
        loop {
            if !self.live.contains_key(&number) && !self.resting.contains_key(&number) {
                return Some(number);
            }
            number = successor(number);
            if number == self.next {
                return None;
            }
        }
    }
}

fn successor(number: ChannelNumber) -> ChannelNumber {
    ChannelNumber::new(number.as_u16().saturating_add(1)).unwrap_or(ChannelNumber::MIN)
}

/// rfc8656-12-4: ten minutes.
const LIFETIME: Duration = Duration::from_secs(600);
/// rfc8656-12-5: five minutes between two uses of a number or a peer.
const RESTS_FOR: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
