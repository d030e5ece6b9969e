//! Permissions and channels of a TURN client, held against the server's own and against what an application remembers:
//! any order of wishes, data, mishaps and time.

mod turn_world;

use std::collections::{BTreeMap, BTreeSet};

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use floe::sim::{Deviation, Event as Traced, Fault, Link};
use floe::stun::{Builder, Class, ErrorCode, Message, TransactionId};
use floe::turn::{ChannelData, ChannelNumber, Data, Event, State, XorPeerAddress};
use floe::{Path, Timestamp, Transport, stun::Method};
use proptest::prelude::*;
use turn_world::{Relay, config, server};

/// One thing that happens. Peers are numbers from 0 to 7: four hosts of two ports each, of which the server forbids the
/// last one.
#[derive(Clone, Copy, Debug)]
enum Op {
    Permit(u8),
    Bind(u8),
    Forget(u8),
    /// Sends what may have to wait.
    Send(u8),
    /// Sends by the route that there is.
    Data(u8),
    PeerSends(u8),
    /// Somebody sends in the server's name: ChannelData, a Data indication, or an answer without integrity.
    Spoof(u8, u8),
    /// The server does something wrong, once.
    Mishap(u8),
    Restart,
    /// A peer that has a channel is forgotten, and comes back after so many seconds.
    Return(u8, u16),
    Pass(Duration),
}

fn op() -> impl Strategy<Value = Op> {
    let peer = 0..8_u8;
    prop_oneof![
        2 => peer.clone().prop_map(Op::Permit),
        3 => peer.clone().prop_map(Op::Bind),
        2 => peer.clone().prop_map(Op::Forget),
        2 => peer.clone().prop_map(Op::Send),
        4 => peer.clone().prop_map(Op::Data),
        3 => peer.clone().prop_map(Op::PeerSends),
        2 => (0..3_u8, peer.clone()).prop_map(|(kind, peer)| Op::Spoof(kind, peer)),
        2 => (0..5_u8).prop_map(Op::Mishap),
        1 => Just(Op::Restart),
        2 => (peer, 500..1000_u16).prop_map(|(peer, seconds)| Op::Return(peer, seconds)),
        6 => prop_oneof![
            (1..60_000_u64).prop_map(Duration::from_millis),
            (1..320_u64).prop_map(Duration::from_secs),
            prop::sample::select(&[240_u64, 299, 300, 301, 540, 600, 899, 901][..]).prop_map(Duration::from_secs),
        ].prop_map(Op::Pass),
    ]
}

/// What an application remembers of one peer's address.
#[derive(Clone, Copy, Debug, Default)]
struct Wish {
    /// Since when it is not wanted any more.
    forgotten_at: Option<Timestamp>,
}

struct Model {
    relay: Relay,
    lossy: bool,
    /// Addresses that were wanted since the allocation began.
    wishes: BTreeMap<IpAddr, Wish>,
    /// Peers of which a channel is wanted.
    channels: BTreeSet<SocketAddr>,
    /// What was sent to whom; the payload is the number.
    sent: BTreeMap<u64, SocketAddr>,
    /// When something has last happened that takes the client some time.
    disturbed_at: Timestamp,
    received: usize,
    events: usize,
    began_at: Timestamp,
    ops: u64,
}

const LIMIT: usize = 3;
/// The last host.
const FORBIDDEN: [u8; 4] = [192, 0, 2, 13];
/// For a few retransmissions, and the next request after a mishap.
const SETTLED_AFTER: Duration = Duration::from_secs(20);

impl Model {
    fn new(seed: u64, lossy: bool) -> Self {
        let config = config().permissions(LIMIT).channels(LIMIT);
        let mut relay = Relay::new(seed, config, server().forbid(FORBIDDEN.into()));
        relay.allocate();
        if lossy {
            let link = Link::new(Duration::from_millis(30)).jitter(Duration::from_millis(50));
            relay.world.set_link(relay.user, link.loss(0.2).duplication(0.1));
        }
        let began_at = relay.world.now();
        Self {
            relay,
            lossy,
            wishes: BTreeMap::new(),
            channels: BTreeSet::new(),
            sent: BTreeMap::new(),
            disturbed_at: began_at,
            received: 0,
            events: 0,
            began_at,
            ops: 0,
        }
    }

    fn address(&self, peer: u8) -> SocketAddr {
        let host = self.relay.address(usize::from(peer / 2));
        SocketAddr::new(host.ip(), host.port() + u16::from(peer % 2))
    }

    fn payload(&mut self, peer: SocketAddr) -> Vec<u8> {
        let number = self.sent.len() as u64;
        self.sent.insert(number, peer);
        number.to_be_bytes().to_vec()
    }

    fn want(&mut self, peer: IpAddr) {
        self.wishes.insert(peer, Wish::default());
        self.disturb();
    }

    fn disturb(&mut self) {
        self.disturbed_at = self.relay.world.now();
    }

    fn apply(&mut self, op: Op) {
        self.ops += 1;
        match op {
            Op::Permit(peer) => {
                let peer = self.address(peer).ip();
                if self.relay.command(|user, now| user.client.permit(now, peer)).is_ok() {
                    self.want(peer);
                }
            }
            Op::Bind(peer) => {
                let peer = self.address(peer);
                let bound = self.relay.command(|user, now| user.client.bind(now, peer));
                if bound.is_ok() {
                    self.want(peer.ip());
                    self.channels.insert(peer);
                }
            }
            Op::Forget(peer) => {
                let (peer, now) = (self.address(peer).ip(), self.relay.world.now());
                self.relay.command(|user, now| user.client.forget(now, peer));
                if let Some(wish) = self.wishes.get_mut(&peer) {
                    wish.forgotten_at = wish.forgotten_at.or(Some(now));
                }
                self.channels.retain(|channel| channel.ip() != peer);
            }
            Op::Send(peer) => {
                let peer = self.address(peer);
                let payload = self.payload(peer);
                let had_route = self.relay.user().client.route(peer).is_some();
                let sent = self.relay.command(|user, now| user.client.send(now, peer, &payload));
                // With a route it goes, and nothing more is wanted than before.
                if sent.is_ok() && !had_route {
                    self.want(peer.ip());
                }
            }
            Op::Data(peer) => {
                let peer = self.address(peer);
                let payload = self.payload(peer);
                self.relay.command(|user, _| user.send_by_route(peer, &payload));
            }
            Op::PeerSends(peer) => {
                let local = self.address(peer);
                if self.relay.state() == State::Allocated {
                    let path = Path::udp(local, self.relay.relayed());
                    self.relay.peer_sends_on(usize::from(peer / 2), path, b"from the peer");
                }
            }
            Op::Spoof(kind, peer) => self.spoof(kind, peer),
            Op::Mishap(kind) => {
                let deviation = match kind {
                    0 => Deviation::StaleNonce,
                    1 => Deviation::Lose,
                    2 => Deviation::Delay(Duration::from_millis(900)),
                    3 => Deviation::WrongIntegrity,
                    _ => Deviation::Forestall(437),
                };
                self.relay.on_server(|server| server.fault(Fault::new(deviation).times(1)));
            }
            Op::Restart => {
                self.relay.on_server(floe::sim::TurnServer::restart);
                self.disturb();
            }
            Op::Return(peer, seconds) => {
                self.apply(Op::Bind(peer));
                self.apply(Op::Forget(peer));
                self.apply(Op::Pass(Duration::from_secs(seconds.into())));
                self.apply(Op::Bind(peer));
            }
            Op::Pass(duration) => self.relay.world.run_for(duration),
        }
        self.relay.world.run_for(Duration::from_millis(200));
        self.look();
    }

    fn spoof(&mut self, kind: u8, peer: u8) {
        let peer = self.address(peer);
        let mut out = Vec::new();
        match kind {
            0 => {
                let number = ChannelNumber::new(0x4000 + peer.port() % 8).unwrap();
                ChannelData::new(number, b"spoofed").unwrap().encode(Transport::Udp, &mut out);
            }
            1 => {
                let _ = Builder::indication(&mut out, Method::DATA, TransactionId::from([1; 12]))
                    .attribute(&XorPeerAddress(peer))
                    .attribute(&Data(b"spoofed"));
            }
            _ => {
                let Some((method, id)) = self.last_request() else { return };
                let _ = match peer.port() % 2 {
                    0 => Builder::success(&mut out, method, id),
                    _ => Builder::error(&mut out, method, id, &ErrorCode::FORBIDDEN),
                };
            }
        }
        let (source, destination) = (self.relay.world.address(self.relay.server), self.relay.user_address());
        self.relay.world.spoof(source, destination, &out);
    }

    fn last_request(&self) -> Option<(Method, TransactionId)> {
        self.relay.world.trace().entries().rev().find_map(|entry| match &entry.event {
            Traced::Sent { node, payload, .. } if *node == self.relay.user => {
                let message = Message::parse(payload).ok()?;
                (message.class() == Class::Request).then(|| (message.method(), message.transaction_id()))
            }
            _ => None,
        })
    }

    /// What holds at any time.
    fn look(&mut self) {
        self.look_at_data();
        self.look_at_tables();
        if self.look_at_events() {
            self.look_at_server();
        }
        // The client breaks no rule: no number names two peers before its time, no peer has two numbers, ..
        assert_eq!(self.relay.violations(), [], "{}", self.relay.world.trace());
        let traffic = self.relay.turn_server().traffic();
        if !self.lossy {
            assert_eq!((traffic.without_permission, traffic.without_channel), (0, 0));
        }
        let seconds = self.relay.world.now().saturating_since(self.began_at).as_secs();
        assert!(
            self.relay.sent() < 100 + self.ops * 30 + seconds / 4,
            "{} in {seconds} s",
            self.relay.sent()
        );
    }

    /// Data comes from peers that are wanted, or were until not long ago, and gets to those that it was sent to.
    fn look_at_data(&mut self) {
        for (at, peer, _) in &self.relay.user().received[self.received..] {
            let wish = self.wishes.get(&peer.ip());
            let wish =
                wish.unwrap_or_else(|| panic!("{peer} was never wanted\n{}", self.relay.world.trace()));
            let until = wish.forgotten_at.map_or(Timestamp::MAX, |at| at + Duration::from_secs(301));
            assert!(*at <= until, "{peer} was forgotten\n{}", self.relay.world.trace());
            // While the answer to a ChannelBind is lost, what is spoofed on the channel passes (rfc8656-12-6).
            assert!(self.lossy || peer.ip() != IpAddr::from(FORBIDDEN), "the server has forbidden {peer}");
        }
        self.received = self.relay.user().received.len();
        for host in 0..4 {
            let mut seen = BTreeSet::new();
            for (_, path, payload) in &self.relay.peer(host).received {
                let number = u64::from_be_bytes(payload[..].try_into().unwrap());
                assert_eq!(self.sent.get(&number), Some(&path.local()));
                assert!(seen.insert(number) || self.lossy, "{number} came twice");
            }
        }
    }

    fn look_at_tables(&self) {
        let client = &self.relay.user().client;
        assert!(client.permitted().count() <= LIMIT);
        let bound: Vec<_> = client.bound().collect();
        assert!(bound.len() <= LIMIT, "{bound:?}");
        let peers: BTreeSet<_> = bound.iter().map(|(peer, _)| peer).collect();
        let numbers: BTreeSet<_> = bound.iter().map(|(_, number)| number).collect();
        assert_eq!((peers.len(), numbers.len()), (bound.len(), bound.len()), "{bound:?}");
    }

    /// Notes what the client reports; asks for another allocation where one was lost. Whether all was quiet.
    fn look_at_events(&mut self) -> bool {
        let events = self.relay.events().split_off(self.events);
        self.events += events.len();
        let quiet = events.is_empty();
        for event in events {
            match event {
                Event::Refused { peer, .. } => {
                    assert!(self.lossy || peer == IpAddr::from(FORBIDDEN), "{peer}");
                    self.wishes.remove(&peer);
                    self.channels.retain(|channel| channel.ip() != peer);
                }
                Event::Lost(_) | Event::Failed(_) => {
                    self.wishes.clear();
                    self.channels.clear();
                    self.disturb();
                }
                _ => {}
            }
        }
        if self.relay.state() == State::Idle {
            self.relay.ask_to_allocate();
            self.disturb();
        }
        quiet
    }

    /// What the client believes, the server knows; and what is wanted is there.
    fn look_at_server(&self) {
        let now = self.relay.world.now();
        let Some(allocation) = self.relay.turn_server().allocation(self.relay.user_address()) else { return };
        let client = &self.relay.user().client;
        if self.lossy
            || client.state() != State::Allocated
            || client.relayed().ne(allocation.relayed().iter().copied())
        {
            return;
        }
        let settled = now.saturating_since(self.disturbed_at) > SETTLED_AFTER;
        for (peer, _) in self.wishes.iter().filter(|(_, wish)| wish.forgotten_at.is_none()) {
            let held = client.permitted().any(|permitted| permitted == *peer);
            assert!(!held || allocation.permits(*peer), "{peer}\n{}", self.relay.world.trace());
        }
        for peer in &self.channels {
            let route = client.route(*peer);
            if route.is_some_and(|route| route.is_channel()) {
                assert!(allocation.channel_of(*peer).is_some(), "{peer}\n{}", self.relay.world.trace());
            }
            if settled {
                assert!(
                    route.is_some_and(|route| route.is_channel()),
                    "{peer}\n{}",
                    self.relay.world.trace()
                );
            }
        }
    }

    /// All ends well: once the server is whole and the network as well, everything that is wanted is there.
    fn finish(mut self) {
        self.relay.on_server(floe::sim::TurnServer::mend);
        self.relay.world.set_link(self.relay.user, Link::default());
        self.relay.command(|user, now| user.client.close(now));
        self.relay.world.run_for(Duration::from_secs(60));
        assert_eq!(self.relay.state(), State::Closed);
        assert_eq!(self.relay.user().client.deadline(), None);
        assert_eq!(self.relay.events().last(), Some(&Event::Released));
        assert_eq!(self.relay.violations(), []);
    }
}

fn play(seed: u64, lossy: bool, ops: &[Op]) {
    let mut model = Model::new(seed, lossy);
    ops.iter().for_each(|op| model.apply(*op));
    model.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn client_server_and_application_agree_about_permissions_and_channels(
        seed in any::<u64>(), ops in prop::collection::vec(op(), 1..60)
    ) {
        play(seed, false, &ops);
    }

    #[test]
    fn a_bad_network_leads_to_no_rule_broken_and_no_stranger_heard(
        seed in any::<u64>(), ops in prop::collection::vec(op(), 1..40)
    ) {
        play(seed, true, &ops);
    }
}
