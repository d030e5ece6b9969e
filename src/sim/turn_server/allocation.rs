//! What the server keeps of a client: the allocation, its permissions and its channels.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::violation::Expired;
use crate::Timestamp;
use crate::turn::{AddressFamily, ChannelNumber};

/// An allocation as the server has it, to look at.
#[derive(Clone, Debug)]
pub struct Allocation {
    client: SocketAddr,
    username: String,
    /// One, or one of each family.
    relayed: Vec<SocketAddr>,
    expires_at: Timestamp,
    permissions: BTreeMap<IpAddr, Timestamp>,
    channels: BTreeMap<ChannelNumber, Channel>,
    /// Bindings that have expired, for as long as they may not be replaced.
    past: Vec<(ChannelNumber, Channel)>,
}

/// A channel binding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Channel {
    peer: SocketAddr,
    expires_at: Timestamp,
}

/// What stands in the way of a channel binding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Obstacle {
    /// Number or peer is bound otherwise.
    Taken,
    /// Number or peer was bound otherwise until less than five minutes ago. The binding is made all the same.
    Hasty,
}

impl Allocation {
    pub(super) fn new(
        client: SocketAddr,
        username: &str,
        relayed: Vec<SocketAddr>,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            client,
            username: username.into(),
            relayed,
            expires_at,
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
            past: Vec::new(),
        }
    }

    /// The address of the client as the server sees it.
    #[must_use]
    pub const fn client(&self) -> SocketAddr {
        self.client
    }

    /// Whose it is.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The relayed addresses: one, or one of each family.
    #[must_use]
    pub fn relayed(&self) -> &[SocketAddr] {
        &self.relayed
    }

    /// When it ends unless refreshed.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The peers that have a permission, and until when.
    pub fn permissions(&self) -> impl Iterator<Item = (IpAddr, Timestamp)> {
        self.permissions.iter().map(|(peer, expires_at)| (*peer, *expires_at))
    }

    /// The channels that are bound, to whom, and until when.
    pub fn channels(&self) -> impl Iterator<Item = (ChannelNumber, SocketAddr, Timestamp)> {
        self.channels.iter().map(|(number, channel)| (*number, channel.peer, channel.expires_at))
    }

    /// Whether datagrams from and to this address are relayed.
    #[must_use]
    pub fn permits(&self, peer: IpAddr) -> bool {
        self.permissions.contains_key(&peer)
    }

    /// The channel of this peer.
    #[must_use]
    pub fn channel_of(&self, peer: SocketAddr) -> Option<ChannelNumber> {
        self.channels.iter().find(|(_, channel)| channel.peer == peer).map(|(number, _)| *number)
    }

    /// The peer of this channel.
    #[must_use]
    pub fn peer_of(&self, number: ChannelNumber) -> Option<SocketAddr> {
        self.channels.get(&number).map(|channel| channel.peer)
    }

    /// The relayed address from which a peer of this family is spoken to.
    pub(super) fn relayed_for(&self, peer: IpAddr) -> Option<SocketAddr> {
        let family = AddressFamily::of(peer);
        self.relayed.iter().copied().find(|relayed| AddressFamily::of(relayed.ip()) == family)
    }

    pub(super) fn refresh(&mut self, expires_at: Timestamp) {
        self.expires_at = expires_at;
    }

    /// Gives up the relayed address of one family. Returns whether another is left.
    pub(super) fn give_up(&mut self, family: AddressFamily) -> bool {
        self.relayed.retain(|relayed| AddressFamily::of(relayed.ip()) != family);
        self.permissions.retain(|peer, _| AddressFamily::of(*peer) != family);
        self.channels.retain(|_, channel| AddressFamily::of(channel.peer.ip()) != family);
        !self.relayed.is_empty()
    }

    pub(super) fn move_to(&mut self, client: SocketAddr) {
        self.client = client;
    }

    pub(super) fn permit(&mut self, now: Timestamp, peer: IpAddr) {
        self.permissions.insert(peer, now + PERMISSION_LIFETIME);
    }

    /// What keeps `number` from being bound to `peer`.
    pub(super) fn obstacle(&self, number: ChannelNumber, peer: SocketAddr) -> Option<Obstacle> {
        let differs = |other: ChannelNumber, to: SocketAddr| (other == number) != (to == peer);
        if self.channels.iter().any(|(other, channel)| differs(*other, channel.peer)) {
            return Some(Obstacle::Taken);
        }
        self.past.iter().any(|(other, channel)| differs(*other, channel.peer)).then_some(Obstacle::Hasty)
    }

    /// Binds, or refreshes, the channel and the permission that goes with it.
    pub(super) fn bind(&mut self, now: Timestamp, number: ChannelNumber, peer: SocketAddr) {
        self.channels.insert(number, Channel { peer, expires_at: now + CHANNEL_LIFETIME });
        self.permit(now, peer.ip());
    }

    /// Ends what is over at `now`.
    pub(super) fn expire(&mut self, now: Timestamp, expired: &mut Expired) {
        self.permissions.retain(|_, expires_at| {
            let over = *expires_at <= now;
            expired.permissions += u64::from(over);
            !over
        });
        let past = &mut self.past;
        self.channels.retain(|number, channel| {
            let over = channel.expires_at <= now;
            if over {
                expired.channels += 1;
                past.push((*number, *channel));
            }
            !over
        });
        past.retain(|(_, channel)| channel.expires_at + QUARANTINE > now);
    }

    /// The next time at which something is over.
    pub(super) fn next_end(&self) -> Timestamp {
        let permissions = self.permissions.values().copied();
        let channels = self.channels.values().map(|channel| channel.expires_at);
        permissions.chain(channels).fold(self.expires_at, Timestamp::min)
    }
}

/// RFC 8656 section 9.
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// RFC 8656 section 12.
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// RFC 8656 section 12: how long a client waits after a binding has expired before it uses number or peer otherwise.
const QUARANTINE: Duration = Duration::from_secs(300);
