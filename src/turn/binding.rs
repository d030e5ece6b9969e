//! Channels: numbers of four bytes in place of addresses (RFC 8656 sections 12 to 12.3).

use super::channel::ChannelNumber;
use super::lease::Lease;
use crate::time::{Deadline, Timestamp};
use alloc::collections::BTreeMap;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// The channels of one allocation.
///
/// Invariant: a number stands for one peer and a peer for one number, until five minutes after the server can have
/// forgotten the two (rfc8656-12-3, rfc8656-12-5).
#[derive(Clone, Debug)]
pub(super) struct Bindings {
    by_number: BTreeMap<ChannelNumber, Binding>,
    by_peer: BTreeMap<SocketAddr, ChannelNumber>,
    /// Where to look for a free number: numbers are used in turn, so that the freed ones rest for longest.
    next: ChannelNumber,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Binding {
    peer: SocketAddr,
    state: State,
    /// Until then the server may know the channel, whatever we have heard of it.
    forgotten_at: Timestamp,
}

/// The states of a channel.
///
/// ```text
/// Wanted --ask--> Asked --success--> Bound --time is up--> Resting --five minutes--> (gone)
///    ^              '-- refused, unanswered --------------^   |
///    '---------------------------------------------------- want
/// ```
#[derive(Clone, Copy, Debug)]
enum State {
    /// To be asked for as soon as there is room.
    Wanted,
    /// The first request is under way: ChannelData may come in, and does not go out (rfc8656-12-6, rfc8656-12-7).
    Asked,
    /// ChannelData flows both ways.
    Bound(Lease),
    /// Not used, and for a while not to be used for anything else.
    Resting,
}

/// There is no room for another channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Full;

impl Bindings {
    pub(super) const fn new(limit: usize) -> Self {
        Self { by_number: BTreeMap::new(), by_peer: BTreeMap::new(), next: ChannelNumber::MIN, limit }
    }

    /// Takes note that a channel for `peer` is wanted; one that it had before is taken up again.
    pub(super) fn want(&mut self, now: Timestamp, peer: SocketAddr) -> Result<(), Full> {
        let live = self.by_number.values().filter(|binding| !binding.is_resting()).count();
        if let Some(binding) = self.by_peer.get(&peer).and_then(|number| self.by_number.get_mut(number)) {
            match &mut binding.state {
                State::Wanted | State::Asked => {}
                State::Bound(lease) => lease.keep(),
                State::Resting if live >= self.limit => return Err(Full),
                State::Resting => binding.state = State::Wanted,
            }
            return Ok(());
        }
        if live >= self.limit {
            return Err(Full);
        }
        let number = self.free_number().ok_or(Full)?;
        self.next = successor(number);
        self.by_number.insert(number, Binding { peer, state: State::Wanted, forgotten_at: now });
        self.by_peer.insert(peer, number);
        Ok(())
    }

    /// Channels to this IP address are no longer wanted: they run out.
    pub(super) fn forget(&mut self, peer: IpAddr) {
        let range = SocketAddr::new(peer, 0)..=SocketAddr::new(peer, u16::MAX);
        for (_, number) in self.by_peer.range(range) {
            match self.by_number.get_mut(number) {
                Some(Binding { state: State::Bound(lease), .. }) => lease.abandon(),
                Some(binding) => binding.state = State::Resting,
                None => {}
            }
        }
    }

    /// The channel to ask for next, marked as asked for.
    pub(super) fn next_request(&mut self, now: Timestamp) -> Option<(ChannelNumber, SocketAddr)> {
        let (number, binding) = self.by_number.iter_mut().find(|(_, binding)| match &binding.state {
            State::Wanted => true,
            State::Bound(lease) => lease.is_due(),
            State::Asked | State::Resting => false,
        })?;
        match &mut binding.state {
            State::Bound(lease) => lease.asked(),
            other => *other = State::Asked,
        }
        // Whether it is answered or not, the last transmission of the request may reach the server.
        binding.forgotten_at = now + IN_TRANSIT + LIFETIME;
        Some((*number, binding.peer))
    }

    /// The server has bound the channel, or goes on to. Whether it is new.
    pub(super) fn bound(&mut self, now: Timestamp, asked_at: Timestamp, number: ChannelNumber) -> bool {
        let Some(binding) = self.by_number.get_mut(&number) else { return false };
        let mut granted = Lease::granted(now, asked_at, LIFETIME);
        let new = match &binding.state {
            State::Bound(lease) => {
                if !lease.is_kept() {
                    granted.abandon();
                }
                false
            }
            State::Wanted | State::Asked => true,
            // It was forgotten while the request was under way.
            State::Resting => return false,
        };
        binding.state = State::Bound(granted);
        binding.forgotten_at = now + LIFETIME;
        new
    }

    /// The request was refused or never answered. A channel that still holds is asked for again in a while if `again`;
    /// the others rest, since the server may have bound them all the same.
    pub(super) fn failed(&mut self, now: Timestamp, number: ChannelNumber, again: bool) {
        let Some(binding) = self.by_number.get_mut(&number) else { return };
        match &mut binding.state {
            State::Bound(lease) if again => lease.postpone(now),
            State::Bound(lease) => lease.abandon(),
            state => *state = State::Resting,
        }
    }

    /// All requests under way were withdrawn.
    pub(super) fn requeue(&mut self) {
        for binding in self.by_number.values_mut() {
            match &mut binding.state {
                State::Bound(lease) => lease.requeue(),
                state @ State::Asked => *state = State::Wanted,
                State::Wanted | State::Resting => {}
            }
        }
    }

    /// Lets time pass: channels run out, and are asked for anew or rest; those that have rested are free.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        let by_peer = &mut self.by_peer;
        self.by_number.retain(|_, binding| {
            binding.handle_timeout(now);
            let free = binding.is_resting() && binding.forgotten_at + RESTS_FOR <= now;
            if free {
                by_peer.remove(&binding.peer);
            }
            !free
        });
    }

    pub(super) fn clear(&mut self) {
        self.by_number.clear();
        self.by_peer.clear();
    }

    /// The channel over which data may be sent to the peer.
    pub(super) fn number(&self, now: Timestamp, peer: SocketAddr) -> Option<ChannelNumber> {
        let number = self.by_peer.get(&peer)?;
        let binding = self.by_number.get(number)?;
        matches!(&binding.state, State::Bound(lease) if lease.is_live(now)).then_some(*number)
    }

    /// The peer whose data comes over a channel, and whether the server has confirmed the channel.
    pub(super) fn peer(&self, now: Timestamp, number: ChannelNumber) -> Option<(SocketAddr, bool)> {
        let binding = self.by_number.get(&number)?;
        match &binding.state {
            State::Asked => Some((binding.peer, false)),
            State::Bound(lease) if lease.is_live(now) => Some((binding.peer, true)),
            State::Bound(_) | State::Wanted | State::Resting => None,
        }
    }

    /// The bound channels.
    pub(super) fn iter_bound(&self, now: Timestamp) -> impl Iterator<Item = (SocketAddr, ChannelNumber)> {
        let bound = self.by_peer.keys().copied();
        bound.filter_map(move |peer| Some((peer, self.number(now, peer)?)))
    }

    pub(super) fn deadlines(&self, deadline: &mut Deadline) {
        for binding in self.by_number.values() {
            // A channel that rests is freed when somebody looks.
            if let State::Bound(lease) = &binding.state {
                lease.deadlines(deadline);
            }
        }
    }

    /// The first number from `next` on, round the end, that stands for nobody.
    fn free_number(&self) -> Option<ChannelNumber> {
        let mut number = self.next;
        loop {
            if !self.by_number.contains_key(&number) {
                return Some(number);
            }
            number = successor(number);
            if number == self.next {
                return None;
            }
        }
    }
}

impl Binding {
    fn handle_timeout(&mut self, now: Timestamp) {
        let State::Bound(lease) = &mut self.state else { return };
        lease.handle_timeout(now);
        if !lease.is_live(now) {
            self.state = match (lease.is_kept(), lease.is_under_way()) {
                (true, true) => State::Asked,
                (true, false) => State::Wanted,
                (false, _) => State::Resting,
            };
        }
    }

    const fn is_resting(&self) -> bool {
        matches!(self.state, State::Resting)
    }
}

fn successor(number: ChannelNumber) -> ChannelNumber {
    ChannelNumber::new(number.as_u16().saturating_add(1)).unwrap_or(ChannelNumber::MIN)
}

/// rfc8656-12-4: ten minutes.
const LIFETIME: Duration = Duration::from_secs(600);
/// rfc8656-12-5: five minutes between two uses of a number or a peer.
const RESTS_FOR: Duration = Duration::from_secs(300);
/// For how long the transmissions of a request that nobody has answered may still arrive: as long as it is repeated.
const IN_TRANSIT: Duration = Duration::from_secs(40);
