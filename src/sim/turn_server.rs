//! A TURN server, and STUN server at once, with all that one in life may do to its clients.

mod allocation;
mod connections;
mod credentials;
mod fault;
mod mobility;
mod ports;
mod relay;
mod reply;
mod request;
mod violation;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;

pub use allocation::Allocation;
use connections::Connections;
use credentials::Credentials;
pub use credentials::Mechanism;
use fault::Faults;
pub use fault::{Deviation, Fault};
use mobility::Mobility;
use ports::Ports;
use reply::Reply;
pub use violation::{Expired, Traffic, Violation};

use super::connection::Ended;
use super::node::{Node, Output};
use crate::stun::{Class, Kind, Message, Method, TransactionId};
use crate::turn::{AddressFamily, ChannelData};
use crate::{Path, Timestamp};

/// A TURN server (RFC 8656) over UDP and TCP with long-term credentials, that answers Binding requests as well.
///
/// TLS is a connection to another port, in plain text: a server whose host has the same address with the ports 3478 and
/// 443 listens on both. In a world it hears the connections of both; whoever drives it without one, and cuts the streams
/// himself, hands it the frames as datagrams on a path of TCP.
///
/// It gives out relayed addresses on the addresses of its host, keeps permissions for 300 seconds, channels for 600 and
/// allocations for as long as it has promised, all to the nanosecond. It reads what its clients send as strictly as
/// the RFCs allow, and keeps a list of what they must not do ([`violations`](Self::violations)): a test of a client
/// ends with the assertion that it is empty. What it does wrong itself is told to it ([`fault`](Self::fault)).
///
/// [`World::add_turn_server`](super::World::add_turn_server) places one; as a [`Node`] it can also be part of another,
/// or be driven without a world. It draws nothing by chance: the same datagrams at the same times get the same answers.
///
/// ```
/// use floe::sim::{NetworkId, Peer, TurnServer, World};
///
/// let mut world = World::<Peer>::new(7);
/// let server = world.add_turn_server(NetworkId::PUBLIC, TurnServer::new("example.org").user("alice", "secret"));
/// let address = world.address(server); // give it to a client
///
/// world.with_turn_server(server, |server, _now| server.restart());
/// assert_eq!(world.turn_server(server).allocations().count(), 0);
/// assert_eq!(world.turn_server(server).violations(), []);
/// # let _ = address;
/// ```
#[derive(Debug)]
pub struct TurnServer {
    policy: Policy,
    credentials: Credentials,
    faults: Faults,
    present: bool,
    fingerprints: bool,
    /// By 5-tuple, as the server sees it: its own address is the local one.
    allocations: BTreeMap<Path, Allocation>,
    ports: Ports,
    mobility: Mobility,
    /// The answers of late, for requests that come again.
    answers: VecDeque<Answered>,
    connections: Connections,
    /// Datagrams to send, by time and order.
    outgoing: BTreeMap<(Timestamp, u64), (Path, Bytes)>,
    /// Of the next datagram.
    sequence: u64,
    now: Timestamp,
    record: Record,
}

/// What a server allows.
#[derive(Debug)]
struct Policy {
    /// Where it listens.
    addresses: Vec<SocketAddr>,
    /// Families that it gives no relayed addresses of.
    refused_families: BTreeSet<AddressFamily>,
    forbidden: BTreeSet<IpAddr>,
    lifetime: u32,
    lifetime_max: u32,
    quota: usize,
    capacity: usize,
    delay: Duration,
    knows_dont_fragment: bool,
    mobility: bool,
}

/// What a server remembers for those who look at it.
#[derive(Debug, Default)]
struct Record {
    violations: Vec<(Timestamp, Violation)>,
    /// By number of the method and error code, 0 for a success.
    answers: BTreeMap<(u16, u16), u64>,
    retransmissions: u64,
    traffic: Traffic,
    expired: Expired,
}

/// A request that was answered, and the answer.
#[derive(Debug)]
struct Answered {
    at: Timestamp,
    path: Path,
    id: TransactionId,
    request: Bytes,
    reply: Reply,
    authenticated: bool,
}

/// How to make one.
impl TurnServer {
    /// A server for this realm that knows no users yet, and of RFC 5389 as most are.
    #[must_use]
    pub fn new(realm: &str) -> Self {
        Self {
            policy: Policy {
                addresses: Vec::new(),
                refused_families: BTreeSet::new(),
                forbidden: BTreeSet::new(),
                lifetime: LIFETIME,
                lifetime_max: LIFETIME_MAX,
                quota: usize::MAX,
                capacity: usize::MAX,
                delay: Duration::ZERO,
                knows_dont_fragment: true,
                mobility: false,
            },
            credentials: Credentials::new(realm, Mechanism::default()),
            faults: Faults::default(),
            present: true,
            fingerprints: true,
            allocations: BTreeMap::new(),
            ports: Ports::new(),
            mobility: Mobility::default(),
            answers: VecDeque::new(),
            connections: Connections::default(),
            outgoing: BTreeMap::new(),
            sequence: 0,
            now: Timestamp::ZERO,
            record: Record::default(),
        }
    }

    /// Lets this user in.
    #[must_use]
    pub fn user(mut self, username: &str, password: &str) -> Self {
        self.set_user(username, password);
        self
    }

    /// Lets in whoever has this access token (RFC 7635), which goes with the key identifier that is the user name. The
    /// session key in it is `mac_key`. A real server would have to decrypt the token to learn that.
    #[must_use]
    pub fn token(mut self, kid: &str, token: &[u8], mac_key: &[u8]) -> Self {
        self.credentials.set_token(kid, token, mac_key);
        self
    }

    /// Names an authorization server in its challenges (THIRD-PARTY-AUTHORIZATION, RFC 7635).
    #[must_use]
    pub fn authorization_server(mut self, name: &str) -> Self {
        self.credentials.authorization_server = Some(name.into());
        self
    }

    /// Which credentials it wants.
    #[must_use]
    pub fn mechanism(mut self, mechanism: Mechanism) -> Self {
        self.credentials.mechanism = mechanism;
        self
    }

    /// Declares each nonce stale when it is this old.
    #[must_use]
    pub fn nonce_lifetime(mut self, lifetime: Duration) -> Self {
        self.credentials.nonce_lifetime = Some(lifetime);
        self
    }

    /// Declares each nonce stale when it has been good for so many requests, one at least.
    #[must_use]
    pub fn nonce_requests(mut self, requests: u32) -> Self {
        self.credentials.nonce_requests = Some(requests.max(1));
        self
    }

    /// Grants at least `least` and at most `most` seconds, in place of 600 and 3600.
    #[must_use]
    pub fn lifetimes(mut self, least: u32, most: u32) -> Self {
        (self.policy.lifetime, self.policy.lifetime_max) = (least, most);
        self
    }

    /// Grants a user so many allocations at a time; more get 486.
    #[must_use]
    pub fn quota(mut self, allocations: usize) -> Self {
        self.policy.quota = allocations;
        self
    }

    /// Has room for so many allocations; more get 508.
    #[must_use]
    pub fn capacity(mut self, allocations: usize) -> Self {
        self.policy.capacity = allocations;
        self
    }

    /// Gives no relayed addresses of this family, as if it had no address of it: 440.
    #[must_use]
    pub fn without_family(mut self, family: AddressFamily) -> Self {
        self.policy.refused_families.insert(family);
        self
    }

    /// Does not know DONT-FRAGMENT: 420.
    #[must_use]
    pub fn without_dont_fragment(mut self) -> Self {
        self.policy.knows_dont_fragment = false;
        self
    }

    /// Lets allocations follow their clients to other 5-tuples (RFC 8016). Without this it knows nothing of tickets in
    /// Allocate, and refuses those in Refresh: 405.
    #[must_use]
    pub fn mobility(mut self) -> Self {
        self.policy.mobility = true;
        self
    }

    /// Ends no answer in FINGERPRINT, not even where the request did.
    #[must_use]
    pub fn without_fingerprints(mut self) -> Self {
        self.fingerprints = false;
        self
    }

    /// Refuses to relay to and from this address: 403.
    #[must_use]
    pub fn forbid(mut self, peer: IpAddr) -> Self {
        self.policy.forbidden.insert(peer);
        self
    }

    /// Thinks for `delay` before each answer. What it relays is not delayed.
    #[must_use]
    pub fn slow(mut self, delay: Duration) -> Self {
        self.policy.delay = delay;
        self
    }

    /// Adds a fault.
    #[must_use]
    pub fn faulty(mut self, fault: Fault) -> Self {
        self.fault(fault);
        self
    }

    /// Listens at these addresses, whose IP addresses are also the relayed ones. A world does this.
    #[must_use]
    pub fn at(mut self, addresses: &[SocketAddr]) -> Self {
        self.policy.addresses = addresses.to_vec();
        self
    }
}

/// What to do to it.
impl TurnServer {
    /// Adds a fault. If several befall a request, the first one counts.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Mends all faults.
    pub fn mend(&mut self) {
        self.faults.clear();
    }

    /// Lets a user in, or changes the password. Allocations stay.
    pub fn set_user(&mut self, username: &str, password: &str) {
        self.credentials.set_user(username, password);
    }

    /// Lets a user in no longer. Allocations stay.
    pub fn remove_user(&mut self, username: &str) {
        self.credentials.remove_user(username);
    }

    /// Forgets everything: allocations, reservations, nonces, what it was about to send; its connections are closed. Ports and nonces that it gave
    /// out before are not the next ones again.
    pub fn restart(&mut self) {
        self.allocations.clear();
        self.ports.forget();
        self.mobility.retain(|_| false);
        self.credentials.forget();
        self.answers.clear();
        self.outgoing.clear();
        self.connections.close_all();
    }

    /// Neither answers nor relays from now on, until [`reappear`](Self::reappear). Nothing is forgotten; time passes.
    pub fn vanish(&mut self) {
        self.present = false;
    }

    /// Undoes [`vanish`](Self::vanish).
    pub fn reappear(&mut self) {
        self.present = true;
    }

    /// Ends the allocation of this client, without a word.
    pub fn forget(&mut self, client: SocketAddr) {
        self.allocations.retain(|path, _| path.remote() != client);
    }

    /// Tells this client what the network has said about a datagram to `peer`, in ICMP (RFC 8656 section 11.5).
    pub fn send_icmp(&mut self, client: SocketAddr, peer: SocketAddr, icmp: crate::turn::Icmp) {
        let Some((path, _)) = self.allocation_of(client) else { return };
        let message = relay::icmp(self.sequence, peer, icmp);
        self.send(path, message);
    }
}

/// What to look at.
impl TurnServer {
    /// What its clients have done that they must not, and when; the first [`VIOLATIONS_MAX`](Self::VIOLATIONS_MAX).
    #[must_use]
    pub fn violations(&self) -> &[(Timestamp, Violation)] {
        &self.record.violations
    }

    /// The allocations, by the address that the client spoke to and the client's own.
    pub fn allocations(&self) -> impl Iterator<Item = &Allocation> {
        self.allocations.values()
    }

    /// The allocation of this client.
    #[must_use]
    pub fn allocation(&self, client: SocketAddr) -> Option<&Allocation> {
        self.allocation_of(client).map(|(_, allocation)| allocation)
    }

    /// How many requests of this method got this answer: an error code, or `None` for a success. Answers that were
    /// given again, or got lost, are counted once.
    #[must_use]
    pub fn answered(&self, method: Method, code: Option<u16>) -> u64 {
        self.record.answers.get(&(method.as_u16(), code.unwrap_or_default())).copied().unwrap_or_default()
    }

    /// How many requests came again and got the answer of the first time.
    #[must_use]
    pub const fn retransmissions(&self) -> u64 {
        self.record.retransmissions
    }

    /// What was relayed, and what not.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        self.record.traffic
    }

    /// What has ended without being refreshed.
    #[must_use]
    pub const fn expired(&self) -> Expired {
        self.record.expired
    }

    /// So many violations are kept.
    pub const VIOLATIONS_MAX: usize = 1024;
}

/// What the oracle has to know.
impl TurnServer {
    /// Whether it is there.
    pub(super) const fn is_present(&self) -> bool {
        self.present
    }

    /// The addresses on which it relays, one of a family.
    pub(super) fn relays_on(&self) -> impl Iterator<Item = IpAddr> {
        [AddressFamily::Ipv4, AddressFamily::Ipv6].into_iter().filter_map(|family| self.relay_ip(family).ok())
    }

    /// To whom it does not relay.
    pub(super) const fn forbidden(&self) -> &BTreeSet<IpAddr> {
        &self.policy.forbidden
    }
}

/// The way of a datagram.
impl TurnServer {
    fn allocation_of(&self, client: SocketAddr) -> Option<(Path, &Allocation)> {
        let mut allocations = self.allocations.iter();
        allocations.find(|(_, allocation)| allocation.client() == client).map(|(path, found)| (*path, found))
    }

    /// Takes what came in where it listens.
    fn handle_client(&mut self, path: Path, datagram: &[u8]) {
        if Kind::of(datagram) == Kind::Channel
            && let Ok(message) = ChannelData::parse(datagram)
        {
            return self.relay_channel(path, &message);
        }
        let Ok(message) = Message::parse(datagram) else { return self.report(Violation::Unreadable) };
        match (message.class(), message.method()) {
            (Class::Request, _) => self.handle_request(path, &message),
            (Class::Indication, Method::SEND) => self.relay_indication(path, &message),
            // What keeps a mapping alive.
            (Class::Indication, Method::BINDING) => {}
            // An answer to a check that somebody else has sent in the server's name: not the client's fault.
            (Class::Success | Class::Error, Method::BINDING) => {}
            (_, method) => self.report(Violation::Unexpected(method)),
        }
    }

    /// Answers, as it is right or as `deviation` says.
    fn give(&mut self, path: Path, mut reply: Reply, deviation: Option<Deviation>) {
        let (mut from, mut delay) = (path, self.policy.delay);
        if !self.fingerprints {
            reply.end_without_fingerprint();
        }
        match deviation {
            Some(Deviation::Lose) => return,
            Some(Deviation::Delay(longer)) => delay = delay.saturating_add(longer),
            Some(Deviation::Unsigned) => reply.unseal(),
            Some(Deviation::Forestall(code)) => {
                let forged = reply.contradicted(code);
                self.send_after(delay, path, forged.encode());
            }
            Some(Deviation::WrongIntegrity) => reply.forge(),
            Some(Deviation::WrongTransaction) => reply.misdirect(),
            Some(Deviation::WrongSource) => {
                let other = SocketAddr::new(path.local().ip(), path.local().port().wrapping_add(1));
                from = Path::udp(other, path.remote());
            }
            Some(Deviation::Garbage) => {
                let garbage = Bytes::from_static(b"\0\x01 this is not a STUN message");
                return self.send_after(delay, path, garbage);
            }
            _ => {}
        }
        let bytes = reply.encode();
        if deviation == Some(Deviation::Twice) {
            self.send_after(delay, from, bytes.clone());
        }
        self.send_after(delay, from, bytes);
    }

    fn send(&mut self, path: Path, datagram: Bytes) {
        self.send_after(Duration::ZERO, path, datagram);
    }

    fn send_after(&mut self, delay: Duration, path: Path, datagram: Bytes) {
        self.outgoing.insert((self.now + delay, self.sequence), (path, datagram));
        self.sequence += 1;
    }

    fn report(&mut self, violation: Violation) {
        if self.record.violations.len() < Self::VIOLATIONS_MAX {
            self.record.violations.push((self.now, violation));
        }
    }

    /// Ends what is over.
    fn expire(&mut self) {
        let (now, expired) = (self.now, &mut self.record.expired);
        self.allocations.retain(|_, allocation| {
            let over = allocation.expires_at() <= now;
            if over {
                expired.allocations += 1;
            } else {
                allocation.expire(now, expired);
            }
            !over
        });
        self.mobility.retain(|path| self.allocations.contains_key(&path));
        self.ports.expire(now);
        while self.answers.front().is_some_and(|answered| answered.at + ANSWER_KEPT <= now) {
            self.answers.pop_front();
        }
    }
}

impl Node for TurnServer {
    fn handle_datagram(&mut self, now: Timestamp, path: Path, datagram: &[u8]) {
        self.handle_timeout(now);
        if !self.present {
            return;
        }
        if self.policy.addresses.contains(&path.local()) {
            self.handle_client(path, datagram);
        } else {
            self.relay_inwards(path, datagram);
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.expire();
    }

    fn handle_accept(&mut self, now: Timestamp, path: Path) {
        self.handle_timeout(now);
        self.connections.open(path);
    }

    fn handle_bytes(&mut self, now: Timestamp, path: Path, bytes: &[u8]) {
        self.handle_timeout(now);
        self.take_bytes(path, bytes);
    }

    fn handle_disconnect(&mut self, now: Timestamp, path: Path, _how: Ended) {
        self.handle_timeout(now);
        self.connections.forget(path);
        self.end_with_connection(path);
    }

    fn poll_output(&mut self) -> Option<Output> {
        loop {
            let now = self.now;
            let Some(entry) = self.outgoing.first_entry().filter(|entry| entry.key().0 <= now) else {
                return self.connections.next_to_close().map(Output::Disconnect);
            };
            let (path, datagram) = entry.remove();
            if self.present {
                return Some(self.connections.output(path, datagram));
            }
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        let outgoing = self.outgoing.first_key_value().map(|((at, _), _)| *at);
        let ends = self.allocations.values().map(Allocation::next_end);
        outgoing.into_iter().chain(ends).chain(self.ports.next_end()).min()
    }
}

/// RFC 8656 section 3.2.
const LIFETIME: u32 = 600;

/// RFC 8656 section 7.2.
const LIFETIME_MAX: u32 = 3600;

/// RFC 8489 section 6.3.1: for at least 40 seconds a request that comes again is known.
const ANSWER_KEPT: Duration = Duration::from_secs(40);
