//! Permissions, and what is relayed (RFC 8656 sections 9 to 11).

use floe::stun::{AttributeType, Builder, Class, DecodeError, Message, Method};
use floe::turn::{
    ChannelNumber, Data, Error, Event, Failure, Families, Icmp, Ignored, Lifetime, PeerError, Received,
    State, XorPeerAddress,
};
use floe::{Path, Transport};

use crate::bench::{Asked, Bench, RELAYED, SERVER, address, config, ip, ms, path, secs};

pub const PEER: &str = "198.51.100.77:9000";
pub const PEER_IP: &str = "198.51.100.77";
pub const SAME_IP: &str = "198.51.100.77:9001";
pub const OTHER: &str = "198.51.100.78:9000";
const OTHER_IP: &str = "198.51.100.78";

/// The payload and the peer of a Send indication.
pub fn unwrapped(sent: &[u8]) -> (std::net::SocketAddr, Vec<u8>) {
    let message = Message::parse(sent).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::SEND));
    assert_eq!(message.integrity_kind(), None);
    let peer = message.get::<XorPeerAddress>().unwrap().unwrap().0;
    (peer, message.get::<Data<'_>>().unwrap().unwrap().0.to_vec())
}

pub fn is_permit(asked: &Asked) -> bool {
    asked.method == Method::CREATE_PERMISSION
}

pub fn is_bind(asked: &Asked) -> bool {
    asked.method == Method::CHANNEL_BIND
}

/// The number that a ChannelBind asks for.
pub fn number(asked: &Asked) -> ChannelNumber {
    asked.get().unwrap()
}

/// A ChannelData message.
pub fn channel_data(number: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = number.to_be_bytes().to_vec();
    out.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// Answers all that is asked for so long, and returns it.
pub fn serve_for(bench: &mut Bench, duration: core::time::Duration) -> Vec<Asked> {
    let (end, mut seen) = (bench.now + duration, Vec::new());
    loop {
        for asked in bench.requests() {
            bench.succeed(&asked, |response| match asked.method {
                Method::REFRESH => response.attribute(&Lifetime(600)),
                _ => response,
            });
            seen.push(asked);
        }
        let Some(at) = bench.client.deadline().filter(|at| *at <= end) else { break };
        bench.now = at;
        bench.tick();
    }
    bench.now = end;
    bench.tick();
    seen
}

/// Proves: rfc8656-11.1-1, rfc8656-10.3-1
/// Lesson: R-26
#[test]
fn what_is_sent_before_the_permission_leaves_after_it() {
    let mut bench = Bench::allocated();
    for check in [b"first", b"again", b"third"] {
        bench.client.send(bench.now, address(PEER), check).unwrap();
    }
    let asked = bench.next_request();
    assert_eq!(asked.peers(), [ip(PEER_IP)]);
    bench.run_for(ms(300));
    assert_eq!(bench.data_sent(), Vec::<Vec<u8>>::new());
    bench.succeed(&asked, |response| response);
    assert_eq!(bench.last_event(), Some(Event::Permitted { peer: ip(PEER_IP) }));
    let sent: Vec<_> = bench.data_sent().iter().map(|it| unwrapped(it)).collect();
    assert_eq!(sent, [(address(PEER), b"again".to_vec()), (address(PEER), b"third".to_vec())]);
}

/// Proves: rfc8656-11.1-2, rfc8656-5-2, rfc8489-9.2-2
#[test]
fn a_permitted_peer_is_sent_to_at_once() {
    for (peer, peer_ip) in [(PEER, PEER_IP), ("[2001:db8::77]:9", "2001:db8::77")] {
        let families = if address(peer).is_ipv4() { Families::V4 } else { Families::V6 };
        let mut bench = Bench::with(config().families(families));
        let asked = bench.challenged();
        bench.succeed(&asked, |response| {
            let relayed = if families == Families::V4 { RELAYED } else { "[2001:db8::1]:5" };
            response
                .attribute(&floe::turn::XorRelayedAddress(address(relayed)))
                .attribute(&floe::stun::XorMappedAddress(address("198.51.100.9:7000")))
                .attribute(&Lifetime(600))
        });
        bench.permitted(peer_ip);
        for len in [0, 1, 3, 4, 1_200] {
            let payload = vec![7; len];
            bench.client.send(bench.now, address(peer), &payload).unwrap();
            let sent = bench.data_sent();
            assert_eq!(sent.len(), 1);
            assert_eq!(unwrapped(&sent[0]), (address(peer), payload.clone()));
            // A route says the same.
            let route = bench.client.route(address(peer)).unwrap();
            let mut out = Vec::new();
            route.encode(&payload, &mut out);
            assert_eq!(out, sent[0]);
            assert_eq!(route.header(len).as_ref(), &out[..out.len() - len - route.padding(len)]);
            assert!(out.len() <= len + route.overhead());
            assert_eq!(route.path(), path());
        }
    }
    let mut bench = Bench::allocated();
    bench.permitted(PEER_IP);
    assert_eq!(bench.client.send(bench.now, address(PEER), &[0; 65_535]), Err(Error::TooLong));
}

/// Proves: rfc8656-11.1-3
#[test]
fn fragments_are_forbidden_where_the_server_can() {
    let mut bench = Bench::allocated_with(config().dont_fragment(true));
    bench.permitted(PEER_IP);
    bench.client.send(bench.now, address(PEER), b"data").unwrap();
    let sent = bench.data_sent();
    assert!(Message::parse(&sent[0]).unwrap().contains(AttributeType::DONT_FRAGMENT));
    assert_eq!(unwrapped(&sent[0]).1, b"data");
}

/// Proves: rfc8656-9-2, rfc8656-10.1-2
#[test]
fn a_permission_is_for_an_address_with_all_its_ports() {
    let mut bench = Bench::allocated();
    bench.client.send(bench.now, address(PEER), b"one").unwrap();
    bench.client.send(bench.now, address(SAME_IP), b"two").unwrap();
    bench.client.permit(bench.now, ip(PEER_IP)).unwrap();
    let asked = bench.next_request();
    bench.succeed(&asked, |response| response);
    let peers: Vec<_> = bench.data_sent().iter().map(|it| unwrapped(it).0).collect();
    assert_eq!(peers, [address(PEER), address(SAME_IP)]);
    assert_eq!(bench.relay(SAME_IP, b"x"), Ok(b"x".to_vec()));
}

/// Proves: rfc8656-9-1
#[test]
fn permissions_are_renewed_every_four_minutes() {
    let mut bench = Bench::allocated();
    bench.permitted(PEER_IP);
    let start = bench.now;
    let permits = serve_for(&mut bench, secs(1_000));
    let times: Vec<u64> = permits
        .iter()
        .filter(|asked| is_permit(asked))
        .map(|asked| asked.at.saturating_since(start).as_secs())
        .collect();
    assert_eq!(times, [240, 480, 720, 960]);
    let permitted = bench.events().iter().filter(|it| matches!(it, Event::Permitted { .. })).count();
    assert_eq!(permitted, 1);
}

/// Proves: rfc8656-10.1-1, rfc8656-11.1-4
#[test]
fn many_peers_share_few_requests() {
    let mut bench = Bench::allocated();
    let peers: Vec<_> = (1..=50).map(|n| ip(&format!("198.51.100.{n}"))).collect();
    for peer in &peers {
        bench.client.permit(bench.now, *peer).unwrap();
    }
    let mut asked = bench.requests();
    assert_eq!(asked.len(), 3);
    let (mut requests, mut permitted) = (0, Vec::new());
    while let Some(request) = asked.pop() {
        requests += 1;
        assert!(request.bytes.len() < 600);
        permitted.extend(request.peers());
        bench.succeed(&request, |response| response);
        asked.extend(bench.requests());
    }
    permitted.sort_unstable();
    assert_eq!(permitted, peers);
    assert_eq!(requests, 6);
    // And when they run out, even fewer.
    let renewals: Vec<_> = serve_for(&mut bench, secs(250)).into_iter().filter(is_permit).collect();
    assert_eq!(renewals.len(), 4);
}

/// Wishes from before the allocation leave with it, in one request.
#[test]
fn peers_may_be_wanted_before_there_is_an_allocation() {
    let mut bench = Bench::with(config().families(Families::Both));
    for peer in [PEER_IP, OTHER_IP, "2001:db8::7"] {
        bench.client.permit(bench.now, ip(peer)).unwrap();
    }
    bench.allocate_for(600);
    let asked = bench.next_request();
    assert_eq!(asked.peers(), [ip(PEER_IP), ip(OTHER_IP)]);
    // There is no address of the third one's family.
    let refused = Event::Refused { peer: ip("2001:db8::7"), error: PeerError::Family };
    assert!(bench.events().contains(&refused));
}

/// Proves: rfc8656-10.3-2
/// Lesson: L-53
#[test]
fn one_refused_peer_takes_nobody_down_with_it() {
    let mut bench = Bench::new();
    let peers: Vec<_> = ["10.0.0.1", "10.0.0.2", PEER_IP, "192.168.0.1"].iter().map(|it| ip(it)).collect();
    for peer in &peers {
        bench.client.permit(bench.now, *peer).unwrap();
    }
    bench.allocate_for(600);
    for (peer, payload) in [(PEER, b"good"), ("10.0.0.1:1", b"evil")] {
        bench.client.send(bench.now, address(peer), payload).unwrap();
    }
    let together = bench.next_request();
    assert_eq!(together.peers().len(), 4);
    bench.refuse(&together, 403);
    let mut alone = bench.requests();
    while let Some(asked) = alone.pop() {
        let [peer] = asked.peers()[..] else { panic!("{asked:?}") };
        if peer == ip(PEER_IP) {
            bench.succeed(&asked, |response| response);
        } else {
            bench.refuse(&asked, 403);
        }
        alone.extend(bench.requests());
    }
    let refused = bench.events().iter().filter(|it| matches!(it, Event::Refused { .. })).count();
    assert_eq!(refused, 3);
    assert_eq!(bench.client.permitted().collect::<Vec<_>>(), [ip(PEER_IP)]);
    assert_eq!(bench.client.state(), State::Allocated);
    let sent: Vec<_> = bench.data_sent().iter().map(|it| unwrapped(it).1).collect();
    assert_eq!(sent, [b"good"]);
    // The refused are not asked for again, whoever wants them.
    let again = bench.client.send(bench.now, address("10.0.0.1:1"), b"evil");
    assert_eq!(again, Err(Error::Peer(PeerError::Refused(403))));
    let asked = serve_for(&mut bench, secs(600));
    assert!(asked.iter().all(|asked| asked.peers().iter().all(|peer| *peer == ip(PEER_IP))));
    // After a minute a new wish may try its luck.
    bench.client.permit(bench.now, ip("10.0.0.1")).unwrap();
    assert_eq!(bench.next_request().peers(), [ip("10.0.0.1")]);
}

/// Proves: rfc8656-10.3-3, rfc8656-5-4
#[test]
fn a_mismatch_on_any_request_is_the_end_of_the_allocation() {
    let mut bench = Bench::allocated();
    bench.client.permit(bench.now, ip(PEER_IP)).unwrap();
    let asked = bench.next_request();
    bench.refuse(&asked, 437);
    assert_eq!(bench.last_event(), Some(Event::Lost(Failure::Mismatch)));
    assert_eq!(bench.client.deadline(), None);
    let mut bench = Bench::allocated();
    bench.permitted(PEER_IP);
    bench.client.bind(bench.now, address(PEER)).unwrap();
    let asked = bench.next_request();
    bench.refuse(&asked, 437);
    assert_eq!(bench.last_event(), Some(Event::Lost(Failure::Mismatch)));
}

/// Proves: rfc8656-10.3-4
#[test]
fn an_unanswered_permission_is_given_up_and_no_other() {
    let mut bench = Bench::allocated();
    bench.client.send(bench.now, address(PEER), b"held").unwrap();
    bench.run_for(secs(40));
    let refused = Event::Refused { peer: ip(PEER_IP), error: PeerError::Unanswered(Failure::Timeout) };
    assert_eq!(bench.last_event(), Some(refused));
    assert_eq!(bench.client.route(address(PEER)), None);
    bench.requests();
    bench.run_for(secs(60));
    bench.permitted(OTHER_IP);
    assert_eq!(bench.data_sent().iter().filter(|it| it.len() > 28).count(), 0, "nothing is held any more");
}

/// A renewal that is not answered is repeated while the permission lasts; once it has ended nothing passes.
#[test]
fn a_permission_that_cannot_be_renewed_ends() {
    let mut bench = Bench::allocated();
    bench.permitted(PEER_IP);
    let start = bench.now;
    bench.run_for(secs(299));
    assert!(bench.client.route(address(PEER)).is_some());
    assert!(bench.requests().iter().filter(|asked| is_permit(asked)).count() >= 2);
    bench.run_for(secs(1));
    assert_eq!(bench.now.saturating_since(start), secs(300));
    assert_eq!(bench.client.route(address(PEER)), None);
    assert_eq!(bench.relay(PEER, b"x"), Err(Ignored::NotPermitted));
    bench.run_for(secs(100));
    let refused = bench.events().iter().filter(|it| matches!(it, Event::Refused { .. })).count();
    assert_eq!(refused, 1);
    assert_eq!(bench.client.state(), State::Allocated);
}

/// Proves: rfc8656-10.1-3
/// Lesson: L-48, R-25
#[test]
fn every_request_with_an_old_nonce_gets_one_more_chance() {
    let mut bench = Bench::allocated();
    for peer in [PEER_IP, OTHER_IP] {
        bench.client.permit(bench.now, ip(peer)).unwrap();
    }
    bench.client.bind(bench.now, address("198.51.100.79:1")).unwrap();
    let asked = bench.requests();
    assert_eq!(asked.len(), 4);
    bench.nonce = b"nonce two";
    for request in &asked {
        bench.challenge(request, 438);
    }
    let again = bench.requests();
    assert_eq!(again.len(), 4);
    for (request, before) in again.iter().zip(&asked) {
        assert_eq!((request.method, request.peers()), (before.method, before.peers()));
        assert_eq!(request.nonce(), Some(b"nonce two".to_vec()));
        bench.succeed(request, |response| response);
    }
    assert_eq!(bench.client.permitted().count(), 3);
    assert_eq!(bench.client.bound().count(), 1);
}

/// Proves: rfc8656-11.4-2, rfc8656-11.4-4, rfc8656-11.4-1, rfc8656-11.4-3, rfc8656-5-2
#[test]
fn data_comes_from_permitted_peers_only_and_whole() {
    let mut bench = Bench::allocated();
    assert_eq!(bench.relay(PEER, b"hello"), Err(Ignored::NotPermitted));
    bench.permitted(PEER_IP);
    assert_eq!(bench.relay(PEER, b"hello"), Ok(b"hello".to_vec()));
    assert_eq!(bench.relay(PEER, b""), Ok(Vec::new()));
    assert_eq!(bench.relay(OTHER, b"hello"), Err(Ignored::NotPermitted));
    assert_eq!(bench.relay("198.51.100.77:0", b"hello"), Err(Ignored::Unexpected));
    let indication = |write: fn(Builder<'_>) -> Builder<'_>| {
        let mut out = Vec::new();
        write(Builder::indication(&mut out, Method::DATA, [9; 12].into()));
        out
    };
    let peer_only = indication(|it| it.attribute(&XorPeerAddress(address(PEER))));
    let data_only = indication(|it| it.attribute(&Data(b"x")));
    let demanding = indication(|it| {
        let it = it.attribute(&XorPeerAddress(address(PEER))).attribute(&Data(b"x"));
        it.raw(AttributeType::new(0x7777), b"")
    });
    for bad in [&peer_only, &data_only, &demanding] {
        assert_eq!(bench.feed(bad), Received::Ignored(Ignored::Unexpected));
    }
    // An integrity attribute that nobody can check means nothing.
    let mut sealed = Vec::new();
    Builder::indication(&mut sealed, Method::DATA, [9; 12].into())
        .attribute(&XorPeerAddress(address(PEER)))
        .attribute(&Data(b"sealed"))
        .integrity(&floe::stun::Key::short_term(b"random"), floe::stun::Integrity::Sha1);
    assert_eq!(bench.feed(&sealed), Received::Data { peer: address(PEER), payload: b"sealed" });
}

/// Proves: rfc8656-5-9, rfc8656-5-7, rfc8656-12-2, rfc8656-12.6-4
/// Lesson: L-52
#[test]
fn what_is_not_from_the_server_or_not_turn_is_ignored() {
    let mut bench = Bench::allocated();
    bench.bound(PEER);
    let data = channel_data(0x4000, b"x");
    assert!(matches!(bench.feed(&data), Received::Data { .. }));
    let elsewhere = [
        Path::udp(path().local(), address("203.0.113.1:3479")),
        Path::udp(address("192.0.2.2:4000"), address(SERVER)),
        Path::new(Transport::Tcp, path().local(), address(SERVER)),
    ];
    for path in elsewhere {
        assert_eq!(bench.feed_from(path, &data), Received::Ignored(Ignored::Stranger));
        assert_eq!(bench.feed_from(path, b"\x80data"), Received::Ignored(Ignored::Stranger));
    }
    for first in (0x04..=0x3f).chain(0x50..=0xff) {
        let datagram = [first, 0, 0, 1, 9];
        assert_eq!(bench.feed(&datagram), Received::Ignored(Ignored::Foreign), "{first:#04x}");
    }
    let mut old = Vec::new();
    Builder::indication(&mut old, Method::DATA, [9; 12].into())
        .attribute(&XorPeerAddress(address(PEER)))
        .attribute(&Data(b"x"));
    old[4] ^= 1; // RFC 3489 had no cookie
    assert_eq!(bench.feed(&old), Received::Ignored(Ignored::Malformed(DecodeError::NotStun)));
    let mut request = Vec::new();
    Builder::request(&mut request, Method::BINDING, [9; 12].into());
    assert_eq!(bench.feed(&request), Received::Ignored(Ignored::Unexpected));
}

/// Proves: rfc8656-11.6-1
#[test]
fn the_network_s_complaints_are_passed_on() {
    let mut bench = Bench::allocated();
    let icmp = Icmp { kind: 3, code: 4, data: 1_400 };
    let mut out = Vec::new();
    Builder::indication(&mut out, Method::DATA, [9; 12].into())
        .attribute(&XorPeerAddress(address(PEER)))
        .attribute(&icmp);
    assert_eq!(bench.feed(&out), Received::Ignored(Ignored::NotPermitted));
    bench.permitted(PEER_IP);
    assert_eq!(bench.feed(&out), Received::Control);
    assert_eq!(bench.last_event(), Some(Event::Icmp { peer: address(PEER), icmp }));
}

#[test]
fn what_is_forgotten_runs_out() {
    let mut bench = Bench::allocated();
    bench.bound(PEER);
    bench.client.forget(bench.now, ip(PEER_IP));
    bench.run_for(secs(299));
    assert_eq!(bench.relay(PEER, b"still"), Ok(b"still".to_vec()));
    bench.run_for(secs(2));
    assert_eq!(bench.relay(PEER, b"gone"), Err(Ignored::NotPermitted));
    assert!(bench.requests().iter().all(|asked| !is_permit(asked) && !is_bind(asked)));
    // And can be wanted again.
    bench.bound(PEER);
    assert!(bench.client.route(address(PEER)).unwrap().is_channel());
}

#[test]
fn addresses_that_are_no_peers() {
    let mut bench = Bench::allocated();
    for peer in ["0.0.0.0:1", "224.0.0.1:1", "198.51.100.77:0", SERVER, RELAYED] {
        assert_eq!(bench.client.send(bench.now, address(peer), b"x"), Err(Error::Address), "{peer}");
        assert_eq!(bench.client.bind(bench.now, address(peer)), Err(Error::Address), "{peer}");
    }
    let v6 = bench.client.permit(bench.now, ip("2001:db8::7"));
    assert_eq!(v6, Err(Error::Family));
    // A peer that has a relayed address of the same server is a peer like any other.
    bench.client.send(bench.now, address("203.0.113.1:50002"), b"x").unwrap();
    // The mapped form of an address is that address.
    bench.client.permit(bench.now, ip("::ffff:203.0.113.1")).unwrap();
    assert_eq!(bench.next_request().peers(), [ip("203.0.113.1")]);
}

#[test]
fn limits_hold() {
    let mut bench = Bench::allocated_with(config().permissions(2).channels(1).held(3));
    bench.client.permit(bench.now, ip(PEER_IP)).unwrap();
    bench.client.permit(bench.now, ip(OTHER_IP)).unwrap();
    assert_eq!(bench.client.permit(bench.now, ip("198.51.100.79")), Err(Error::Limit));
    bench.client.bind(bench.now, address(PEER)).unwrap();
    assert_eq!(bench.client.bind(bench.now, address(OTHER)), Err(Error::Limit));
    // An error changes nothing.
    bench.client.forget(bench.now, ip(OTHER_IP));
    assert_eq!(bench.client.bind(bench.now, address(OTHER)), Err(Error::Limit));
    bench.client.permit(bench.now, ip("198.51.100.79")).unwrap();
    bench.client.forget(bench.now, ip("198.51.100.79"));
    for peer in [PEER, PEER, SAME_IP, OTHER, OTHER] {
        bench.client.send(bench.now, address(peer), b"held").unwrap();
    }
    for asked in bench.requests() {
        bench.succeed(&asked, |response| response);
    }
    assert_eq!(bench.data_sent().len(), 3);
    // What is refused makes room after its time, what is forgotten at once.
    let mut bench = Bench::allocated_with(config().permissions(1));
    bench.client.permit(bench.now, ip(PEER_IP)).unwrap();
    bench.client.forget(bench.now, ip(PEER_IP));
    bench.client.permit(bench.now, ip(OTHER_IP)).unwrap();
    let asked = bench.requests().pop().unwrap();
    bench.refuse(&asked, 403);
    assert_eq!(bench.client.permit(bench.now, ip(PEER_IP)), Err(Error::Limit));
    bench.now += secs(60);
    bench.client.permit(bench.now, ip(PEER_IP)).unwrap();
}

/// The same seed and the same inputs give the same bytes.
#[test]
fn a_client_is_deterministic() {
    let run = || {
        let mut bench = Bench::allocated();
        bench.bound(PEER);
        serve_for(&mut bench, secs(2_000));
        bench.sent
    };
    assert_eq!(run(), run());
    assert!(run().len() > 20);
}
