//! Each rule of relays speaks where it is broken, and is silent where it is kept.

use super::*;
use crate::sim::watch::decode::Packet;
use crate::stun::{Builder, Method, TransactionId};
use crate::turn::{
    AddressFamily, ChannelNumber, Lifetime, RequestedAddressFamily, XorPeerAddress, XorRelayedAddress,
};

/// An exchange with the server: what is asked, and what is granted.
struct Exchange {
    request: Vec<u8>,
    success: Vec<u8>,
}

impl Exchange {
    fn new(
        method: Method,
        ask: impl FnOnce(Builder<'_>) -> Builder<'_>,
        grant: impl FnOnce(Builder<'_>) -> Builder<'_>,
    ) -> Self {
        let (mut request, mut success, id) = (Vec::new(), Vec::new(), TransactionId::from([7; 12]));
        let _ = ask(Builder::request(&mut request, method, id));
        let _ = grant(Builder::success(&mut success, method, id));
        Self { request, success }
    }

    fn allocate(relayed: SocketAddr, seconds: u32) -> Self {
        Self::new(
            Method::ALLOCATE,
            |ask| ask,
            |grant| grant.attribute(&XorRelayedAddress(relayed)).attribute(&Lifetime(seconds)),
        )
    }

    fn refresh(seconds: u32) -> Self {
        let lifetime = Lifetime(seconds);
        Self::new(Method::REFRESH, |ask| ask.attribute(&lifetime), |grant| grant.attribute(&lifetime))
    }

    fn permission(peer: SocketAddr) -> Self {
        Self::new(Method::CREATE_PERMISSION, |ask| ask.attribute(&XorPeerAddress(peer)), |grant| grant)
    }

    fn channel(number: u16, peer: SocketAddr) -> Self {
        let number = ChannelNumber::new(number).unwrap();
        Self::new(
            Method::CHANNEL_BIND,
            |ask| ask.attribute(&number).attribute(&XorPeerAddress(peer)),
            |grant| grant,
        )
    }

    fn ask(&self, relays: &mut Relays) -> Result<(), String> {
        relays.asked(server(), &stun(&self.request))
    }

    /// The answer comes in, and has not been taken yet.
    fn answer(&self, relays: &mut Relays, now: Timestamp) {
        relays.begin();
        relays.answered(now, server(), &stun(&self.request), &stun(&self.success));
    }

    fn succeed(&self, relays: &mut Relays, now: Timestamp) {
        self.ask(relays).unwrap();
        self.answer(relays, now);
        relays.taken();
    }
}

fn stun(bytes: &[u8]) -> Stun<'_> {
    match Packet::read(bytes) {
        Ok(Packet::Stun(stun)) => stun,
        other => panic!("{other:?}"),
    }
}

fn server() -> Path {
    Path::udp(address("10.0.0.1:4000"), address("198.51.100.1:3478"))
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from(Duration::from_secs(seconds))
}

const PEER: &str = "203.0.113.9:5000";
const RELAYED: &str = "198.51.100.1:49152";

fn overdue(relays: &Relays, now: u64) -> Vec<Held> {
    relays.overdue(at(now)).map(|((_, held), _)| *held).collect()
}

#[test]
fn data_needs_a_permission_that_the_agent_knows_of_and_that_has_not_ended() {
    let (mut relays, peer) = (Relays::default(), address(PEER));
    let may_use = |relays: &Relays, now| relays.may_use(at(now), server(), Held::Permission(peer.ip()));
    assert!(may_use(&relays, 0).is_err_and(|told| told.starts_with("INV-47")));
    let permission = Exchange::permission(peer);
    permission.ask(&mut relays).unwrap();
    assert!(may_use(&relays, 1).is_err(), "asked for, and not granted");
    permission.answer(&mut relays, at(1));
    assert!(may_use(&relays, 1).is_err(), "granted, and the answer was not taken");
    relays.taken();
    assert_eq!(may_use(&relays, 301), Ok(()));
    assert!(may_use(&relays, 302).is_err(), "over after five minutes");
}

#[test]
fn a_permission_is_for_all_ports_of_one_address_and_a_channel_brings_one() {
    let (mut relays, peer) = (Relays::default(), address(PEER));
    Exchange::channel(0x4000, peer).succeed(&mut relays, at(0));
    for held in [Held::Permission(peer.ip()), Held::Channel(0x4000)] {
        assert_eq!(relays.may_use(at(1), server(), held), Ok(()));
    }
    for held in [Held::Permission([203, 0, 113, 10].into()), Held::Channel(0x4001)] {
        assert!(relays.may_use(at(1), server(), held).is_err(), "{held:?}");
    }
    let channel = Held::Channel(0x4000);
    assert!(relays.may_use(at(1), Path::udp(address("10.0.0.2:4000"), address(PEER)), channel).is_err());
}

/// World 227420 with an enemy: one bit of a Data indication was flipped, and the answer in it seemed to come from another peer.
#[test]
fn a_server_delivers_only_what_a_permitted_address_sends() {
    let (mut relays, peer) = (Relays::default(), address(PEER));
    let permission = Exchange::permission(peer);
    permission.ask(&mut relays).unwrap();
    permission.answer(&mut relays, at(1));
    assert!(!relays.permits(at(1), server(), peer.ip()), "granted, and the answer was not taken");
    relays.taken();
    assert!(relays.permits(at(301), server(), peer.ip()));
    assert!(!relays.permits(at(302), server(), peer.ip()), "over after five minutes");
    assert!(!relays.permits(at(1), server(), [203, 0, 113, 10].into()));
}

#[test]
fn what_is_held_is_asked_for_again_a_minute_before_its_end() {
    let (mut relays, peer) = (Relays::default(), address(PEER));
    Exchange::allocate(address(RELAYED), 600).succeed(&mut relays, at(0));
    Exchange::channel(0x4000, peer).succeed(&mut relays, at(0));
    assert_eq!(overdue(&relays, 240), []);
    assert_eq!(overdue(&relays, 241), [Held::Permission(peer.ip())]);
    // Asking is what it takes; the answer may be lost.
    Exchange::permission(peer).ask(&mut relays).unwrap();
    assert_eq!(overdue(&relays, 540), []);
    assert_eq!(overdue(&relays, 541), [Held::Allocation, Held::Channel(0x4000)]);
    Exchange::refresh(600).ask(&mut relays).unwrap();
    assert_eq!(overdue(&relays, 541), [Held::Channel(0x4000)]);
    Exchange::channel(0x4000, peer).succeed(&mut relays, at(541));
    assert_eq!(overdue(&relays, 541 + 240), []);
}

/// World 5020490: a channel ended while another pair was in use, and its number was free again when its peer was.
#[test]
fn what_has_ended_while_nothing_was_sent_by_it_is_not_missed_later() {
    for was_needed in [true, false] {
        let mut relays = Relays::default();
        Exchange::allocate(address(RELAYED), 600).succeed(&mut relays, at(0));
        Exchange::channel(0x4000, address(PEER)).succeed(&mut relays, at(0));
        relays.forget_ended(at(600), |_, _, _| was_needed);
        assert!(overdue(&relays, 600).contains(&Held::Channel(0x4000)), "it has not ended yet");
        relays.forget_ended(at(601), |_, _, _| was_needed);
        assert_eq!(overdue(&relays, 601).contains(&Held::Channel(0x4000)), was_needed);
    }
}

#[test]
fn what_is_held_for_less_than_two_minutes_is_asked_for_again_at_half_of_it() {
    let mut relays = Relays::default();
    Exchange::allocate(address(RELAYED), 90).succeed(&mut relays, at(0));
    assert_eq!(overdue(&relays, 45), []);
    assert_eq!(overdue(&relays, 46), [Held::Allocation]);
    Exchange::refresh(600).succeed(&mut relays, at(46));
    assert_eq!(overdue(&relays, 46 + 540), []);
    assert_eq!(overdue(&relays, 46 + 541), [Held::Allocation]);
}

#[test]
fn nothing_is_asked_for_after_a_release_and_nothing_has_to_be_kept() {
    let (mut relays, peer) = (Relays::default(), address(PEER));
    Exchange::allocate(address(RELAYED), 600).succeed(&mut relays, at(0));
    Exchange::channel(0x4000, peer).ask(&mut relays).unwrap();
    Exchange::refresh(0).ask(&mut relays).unwrap();
    // What was under way is answered late.
    Exchange::channel(0x4000, peer).answer(&mut relays, at(1));
    relays.taken();
    assert_eq!(overdue(&relays, 10_000), []);
    for exchange in [Exchange::refresh(600), Exchange::permission(peer), Exchange::channel(0x4000, peer)] {
        assert!(exchange.ask(&mut relays).is_err_and(|told| told.starts_with("INV-48")));
    }
    assert_eq!(Exchange::refresh(0).ask(&mut relays), Ok(()), "again, since it may have been lost");
    Exchange::allocate(address(RELAYED), 600).succeed(&mut relays, at(2));
    assert_eq!(Exchange::permission(peer).ask(&mut relays), Ok(()));
}

#[test]
fn one_family_that_is_released_is_not_all() {
    let mut relays = Relays::default();
    Exchange::allocate(address(RELAYED), 600).succeed(&mut relays, at(0));
    let release = Exchange::new(
        Method::REFRESH,
        |ask| ask.attribute(&Lifetime(0)).attribute(&RequestedAddressFamily(AddressFamily::Ipv6)),
        |grant| grant.attribute(&Lifetime(0)),
    );
    release.ask(&mut relays).unwrap();
    assert_eq!(Exchange::permission(address(PEER)).ask(&mut relays), Ok(()));
}

/// World 112342: the NAT had rebooted, the server knew the agent no more, and what it had held before was to be kept.
#[test]
fn a_new_allocation_holds_nothing_of_the_one_before() {
    let (mut relays, peer) = (Relays::default(), address(PEER));
    Exchange::allocate(address(RELAYED), 600).succeed(&mut relays, at(0));
    Exchange::channel(0x4000, peer).succeed(&mut relays, at(0));
    relays.channels.insert((server(), 0x4000), peer);
    let anew = Exchange::allocate(address("198.51.100.1:49153"), 600);
    anew.ask(&mut relays).unwrap();
    anew.answer(&mut relays, at(100));
    assert_eq!(relays.may_use(at(100), server(), Held::Channel(0x4000)), Ok(()), "the answer was not taken");
    relays.taken();
    for held in [Held::Channel(0x4000), Held::Permission(peer.ip())] {
        assert!(relays.may_use(at(100), server(), held).is_err(), "{held:?}");
    }
    assert_eq!((relays.channels.len(), overdue(&relays, 640)), (0, Vec::new()));
    assert_eq!(overdue(&relays, 641), [Held::Allocation]);
}

#[test]
fn a_path_needs_its_own_allocation_permission_and_channel() {
    let (mut relays, peer) = (Relays::default(), address(PEER));
    Exchange::allocate(address(RELAYED), 600).succeed(&mut relays, at(0));
    relays.channels.insert((server(), 0x4000), peer);
    relays.channels.insert((server(), 0x4001), address("203.0.113.9:5001"));
    let by = |local: &str, held| relays.goes_by(Path::udp(address(local), peer), server(), held);
    for held in [Held::Allocation, Held::Permission(peer.ip()), Held::Channel(0x4000)] {
        assert!(by(RELAYED, held) && !by("10.0.0.1:4000", held), "{held:?}");
    }
    assert!(!by(RELAYED, Held::Channel(0x4001)));
    assert!(!by(RELAYED, Held::Permission([203, 0, 113, 10].into())));
}
