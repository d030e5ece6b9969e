//! Channels (RFC 8656 section 12).

use floe::stun::Method;
use floe::turn::{
    ChannelDataError, Error, Event, Failure, Ignored, Lifetime, Received, State, XorPeerAddress,
};

use crate::bench::{Bench, address, config, ip, ms, secs, tcp_path};
use crate::peers::{
    OTHER, PEER, PEER_IP, SAME_IP, channel_data, is_bind, is_permit, number, serve_for, unwrapped,
};

/// Proves: rfc8656-12.1-1, rfc8656-12-7, rfc8656-12-6, rfc8656-12.3-1, rfc8656-9-4, rfc8656-12.5-1
/// Lesson: L-51
#[test]
fn a_channel_carries_data_both_ways_once_it_is_bound() {
    let mut bench = Bench::allocated();
    bench.permitted(PEER_IP);
    bench.run_for(secs(100));
    bench.client.bind(bench.now, address(PEER)).unwrap();
    let asked = bench.next_request();
    assert_eq!(asked.raw(0x000c), Some(vec![0x40, 0, 0, 0]));
    assert_eq!(asked.get::<XorPeerAddress>(), Some(XorPeerAddress(address(PEER))));
    // The server may be ahead of its answer; we are not.
    let peer = address(PEER);
    assert_eq!(bench.feed(&channel_data(0x4000, b"early")), Received::Data { peer, payload: b"early" });
    assert!(!bench.client.route(peer).unwrap().is_channel());
    bench.client.send(bench.now, peer, b"meanwhile").unwrap();
    bench.run_for(ms(10));
    let meanwhile = bench.data_sent().iter().filter(|it| it.len() > 30).map(|it| unwrapped(it).1).next();
    assert_eq!(meanwhile, Some(b"meanwhile".to_vec()));
    bench.succeed(&asked, |response| response);
    assert_eq!(bench.last_event(), Some(Event::Bound { peer }));
    let route = bench.client.route(peer).unwrap();
    assert!(route.is_channel());
    bench.client.send(bench.now, peer, b"hello").unwrap();
    assert_eq!(bench.data_sent(), [b"\x40\x00\x00\x05hello"]);
    assert_eq!((route.header(5).as_ref(), route.padding(5)), (&b"\x40\x00\x00\x05"[..], 0));
    // The permission counts from there.
    let renewal = bench.await_request(secs(400));
    assert_eq!((is_permit(&renewal), renewal.at.saturating_since(asked.at)), (true, secs(240)));
}

/// Proves: rfc8656-12.5-1, rfc8656-3.1-1
#[test]
fn over_a_connection_channel_data_is_padded() {
    let mut bench = Bench::on(config(), tcp_path());
    bench.allocate_for(600);
    bench.bound(PEER);
    bench.client.send(bench.now, address(PEER), b"hello").unwrap();
    assert_eq!(bench.data_sent(), [b"\x40\x00\x00\x05hello\0\0\0"]);
    assert_eq!(bench.client.route(address(PEER)).unwrap().padding(5), 3);
    let frame = b"\x40\x00\x00\x05hello\0\0\0";
    assert_eq!(bench.feed(frame), Received::Data { peer: address(PEER), payload: b"hello" });
}

/// Proves: rfc8656-12.4-2, rfc8656-12.6-1, rfc8656-12.6-2, rfc8656-12.6-4
#[test]
fn channel_data_has_to_be_of_a_bound_channel_and_complete() {
    let mut bench = Bench::allocated();
    bench.bound(PEER);
    let peer = address(PEER);
    assert_eq!(bench.feed(b"\x40\x00\x00\x00"), Received::Data { peer, payload: b"" });
    assert_eq!(bench.feed(b"\x40\x00\x00\x02abpad"), Received::Data { peer, payload: b"ab" });
    let short = ChannelDataError::Length { declared: 10, actual: 9 };
    assert_eq!(bench.feed(b"\x40\x00\x00\x0a123456789"), Received::Ignored(Ignored::Channel(short)));
    assert_eq!(bench.feed(&channel_data(0x4abc, b"x")), Received::Ignored(Ignored::Unbound));
    for number in [0x5000, 0x7fff, 0xffff] {
        assert_eq!(bench.feed(&channel_data(number, b"x")), Received::Ignored(Ignored::Foreign));
    }
}

/// Proves: rfc8656-12.6-3
#[test]
fn a_channel_without_a_permission_delivers_nothing() {
    let mut bench = Bench::allocated();
    bench.bound(PEER);
    // Every renewal of the permission is lost, the channel lives on.
    bench.run_for(secs(301));
    assert_eq!(bench.feed(&channel_data(0x4000, b"x")), Received::Ignored(Ignored::NotPermitted));
    assert_eq!(bench.client.route(address(PEER)), None);
}

/// Whatever the server does with the channel.
#[test]
fn a_refused_peer_is_not_heard_through_a_channel_that_was_asked_for() {
    let mut bench = Bench::allocated();
    bench.client.bind(bench.now, address(PEER)).unwrap();
    let asked = bench.requests();
    let (permit, bind) = (asked.iter().find(|it| is_permit(it)), asked.iter().find(|it| is_bind(it)));
    bench.refuse(permit.unwrap(), 403);
    assert_eq!(bench.feed(&channel_data(0x4000, b"x")), Received::Ignored(Ignored::Unbound));
    bench.succeed(bind.unwrap(), |response| response);
    assert_eq!(bench.client.route(address(PEER)).map(|route| route.is_channel()), None);
}

/// Proves: rfc8656-12-3, rfc8656-12-1
/// Lesson: R-20
#[test]
fn a_peer_has_one_channel_and_a_channel_one_peer() {
    let mut bench = Bench::allocated();
    bench.bound(PEER);
    bench.client.bind(bench.now, address(PEER)).unwrap();
    assert!(bench.requests().is_empty());
    bench.bound(SAME_IP);
    bench.bound(OTHER);
    let bound: Vec<_> = bench.client.bound().map(|(peer, number)| (peer, number.as_u16())).collect();
    assert_eq!(bound, [(address(PEER), 0x4000), (address(SAME_IP), 0x4001), (address(OTHER), 0x4002)]);
}

/// Proves: rfc8656-12-4
#[test]
fn channels_are_renewed_with_the_same_number() {
    let mut bench = Bench::allocated();
    bench.bound(PEER);
    let start = bench.now;
    let binds: Vec<_> = serve_for(&mut bench, secs(3_600)).into_iter().filter(is_bind).collect();
    let times: Vec<u64> = binds.iter().map(|asked| asked.at.saturating_since(start).as_secs()).collect();
    assert_eq!(times, [540, 1_080, 1_620, 2_160, 2_700, 3_240]);
    assert!(binds.iter().all(|asked| number(asked).as_u16() == 0x4000));
    assert!(bench.client.route(address(PEER)).unwrap().is_channel());
    assert_eq!(bench.events().iter().filter(|it| matches!(it, Event::Bound { .. })).count(), 1);
}

/// Binds `peer` at `bench.now + after` and returns the number it gets, with one channel forgotten at once.
fn number_after(after: u64, peer: &str) -> u16 {
    let mut bench = Bench::allocated_with(config().channels(4_096));
    bench.bound(PEER);
    bench.client.forget(bench.now, ip(PEER_IP));
    serve_for(&mut bench, secs(after));
    bench.client.bind(bench.now, address(peer)).unwrap();
    let asked = bench.requests().into_iter().find(is_bind).unwrap();
    number(&asked).as_u16()
}

/// Proves: rfc8656-12-5
/// Scenario: S-52
/// Lesson: R-20
#[test]
fn a_number_stays_with_its_peer_until_five_minutes_after_its_end() {
    for after in [0, 599, 601, 899] {
        assert_eq!(number_after(after, PEER), 0x4000, "after {after} s");
        assert_ne!(number_after(after, OTHER), 0x4000, "after {after} s");
    }
    // Free again, the number comes last: others have rested longer.
    assert_eq!(number_after(901, PEER), 0x4001);
}

/// With all numbers used or resting no channel is to be had, until the first of them are free again.
/// Proves: rfc8656-12-1
#[test]
fn numbers_are_not_reused_early_even_when_there_are_no_others() {
    let mut bench = Bench::allocated();
    let peer = |n: u16| std::net::SocketAddr::new(ip(PEER_IP), 1_000 + n);
    bench.permitted(PEER_IP);
    // A channel that was asked for may be bound, whatever we hear of it.
    for n in 0..4_096 {
        bench.client.bind(bench.now, peer(n)).unwrap();
        let asked = bench.next_request();
        assert_eq!(number(&asked).as_u16(), 0x4000 + n);
        bench.refuse(&asked, 508);
    }
    assert_eq!(bench.client.bind(bench.now, peer(4_096)), Err(Error::Limit));
    serve_for(&mut bench, ms(939_499));
    assert_eq!(bench.client.bind(bench.now, peer(4_096)), Err(Error::Limit));
    serve_for(&mut bench, ms(1));
    bench.client.bind(bench.now, peer(4_096)).unwrap();
}

/// Proves: rfc8656-12.3-3
#[test]
fn without_a_channel_there_are_send_indications() {
    for code in [403, 443, 508] {
        let mut bench = Bench::allocated();
        bench.permitted(PEER_IP);
        bench.client.bind(bench.now, address(PEER)).unwrap();
        let asked = bench.next_request();
        bench.refuse(&asked, code);
        let route = bench.client.route(address(PEER)).unwrap();
        assert!(!route.is_channel());
        let start = bench.now;
        let asked = serve_for(&mut bench, secs(300));
        assert!(!asked.iter().any(is_bind), "{code}");
        let renewed = asked.iter().find(|asked| is_permit(asked)).unwrap();
        assert_eq!(renewed.at.saturating_since(start), secs(240));
    }
    // A silent server is no other.
    let mut bench = Bench::allocated();
    bench.permitted(PEER_IP);
    bench.client.bind(bench.now, address(PEER)).unwrap();
    bench.run_for(secs(41));
    assert!(!bench.client.route(address(PEER)).unwrap().is_channel());
    assert_eq!(bench.client.state(), State::Allocated);
}

/// Proves: rfc8656-12.3-2
#[test]
fn a_server_that_disagrees_about_channels_is_left() {
    let mut bench = Bench::allocated();
    bench.permitted(PEER_IP);
    bench.client.bind(bench.now, address(PEER)).unwrap();
    let asked = bench.next_request();
    bench.refuse(&asked, 400);
    assert_eq!(bench.last_event(), Some(Event::Lost(Failure::Refused(400))));
    let release = bench.next_request();
    assert_eq!((release.method, release.lifetime()), (Method::REFRESH, Some(0)));
    // A new allocation waits until the old one is gone.
    bench.client.allocate(bench.now).unwrap();
    assert!(bench.requests().is_empty());
    bench.succeed(&release, |response| response.attribute(&Lifetime(0)));
    assert_eq!(bench.next_request().method, Method::ALLOCATE);
}

/// Proves: rfc8656-12-8
#[test]
fn two_allocations_have_their_own_channels() {
    let (mut one, mut two) = (Bench::allocated(), Bench::allocated());
    one.bound(PEER);
    two.bound(OTHER);
    let data = channel_data(0x4000, b"x");
    assert_eq!(one.feed(&data), Received::Data { peer: address(PEER), payload: b"x" });
    assert_eq!(two.feed(&data), Received::Data { peer: address(OTHER), payload: b"x" });
}
