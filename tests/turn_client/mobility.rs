//! Allocations that move to another 5-tuple (RFC 8016).

use floe::Path;
use floe::stun::{Builder, Method, XorMappedAddress};
use floe::turn::{Error, Event, Failure, Lifetime, MobilityTicket, Received, State, XorRelayedAddress};

use crate::bench::{Asked, Bench, MAPPED, RELAYED, SERVER, address, config, ms, path};

const PEER: &str = "198.51.100.77:9000";
const TICKET: u16 = 0x8030;

fn elsewhere(port: u16) -> Path {
    Path::udp(std::net::SocketAddr::new(address("10.9.8.7:1").ip(), port), address(SERVER))
}

fn granted<'b>(response: Builder<'b>, ticket: &[u8]) -> Builder<'b> {
    response
        .attribute(&XorRelayedAddress(address(RELAYED)))
        .attribute(&XorMappedAddress(address(MAPPED)))
        .attribute(&Lifetime(600))
        .attribute(&MobilityTicket(ticket))
}

/// An allocation with a ticket, and a channel.
fn mobile(ticket: &[u8]) -> Bench {
    let mut bench = Bench::with(config().mobility(true));
    let asked = bench.challenged();
    bench.succeed(&asked, |response| granted(response, ticket));
    bench.bound(PEER);
    bench
}

fn migrating(bench: &mut Bench, to: Path) -> Asked {
    bench.client.migrate(bench.now, to).unwrap();
    let asked = bench.next_request();
    assert_eq!((asked.method, asked.path), (Method::REFRESH, to));
    asked
}

/// Proves: rfc8016-3.1.3-1, rfc8016-3.2.1-1, rfc8016-3.2.2-1, rfc8016-3.2.2-2, rfc8016-3.2.3-1, rfc8016-3.2.2-4
#[test]
fn an_allocation_moves_with_its_channels_and_gets_a_new_ticket() {
    let first = [1; 200];
    let mut bench = mobile(&first);
    let refresh = migrating(&mut bench, elsewhere(1));
    assert_eq!(refresh.raw(TICKET), Some(first.to_vec()));
    assert!(refresh.is_sealed_with(&bench.key));
    // Until the server has agreed data takes the old way.
    let peer = address(PEER);
    assert_eq!(bench.client.route(peer).unwrap().path(), path());
    bench.client.send(bench.now, peer, b"old way").unwrap();
    bench.drain();
    assert_eq!(bench.sent.last().unwrap().1.path, path());
    bench.succeed(&refresh, |response| {
        response.attribute(&Lifetime(600)).attribute(&MobilityTicket(b"second"))
    });
    assert_eq!(bench.last_event(), Some(Event::Migrated { path: elsewhere(1) }));
    let route = bench.client.route(peer).unwrap();
    assert_eq!((route.path(), route.is_channel()), (elsewhere(1), true));
    assert_eq!(bench.feed(b"\x40\x00\x00\x02hi"), Received::Data { peer, payload: b"hi" });
    assert!(bench.requests().is_empty(), "permissions and channels have moved along");
    assert_eq!(bench.client.relayed().collect::<Vec<_>>(), [address(RELAYED)]);
    // The second move has the second ticket.
    let refresh = migrating(&mut bench, elsewhere(2));
    assert_eq!(refresh.raw(TICKET), Some(b"second".to_vec()));
}

/// The server sends to the old address until it has data from the new one: who only listens is sent to there for long. What
/// comes to the new one changes nothing, as anybody may have sent it; what is under way when data of ours leaves is taken yet.
///
/// Proves: rfc8016-3.2.2-2
#[test]
fn what_still_comes_to_the_old_address_after_a_move_is_taken_until_we_have_spoken_on_the_new_one() {
    let (peer, data) = (address(PEER), b"\x40\x00\x00\x02hi");
    let taken = Received::Data { peer, payload: b"hi" };
    let says: [fn(&mut Bench); 2] = [
        |bench| bench.client.send(bench.now, address(PEER), b"here").unwrap(),
        |bench| bench.client.sent(bench.now),
    ];
    for say in says {
        let mut bench = mobile(b"ticket");
        let refresh = migrating(&mut bench, elsewhere(1));
        bench.succeed(&refresh, |response| {
            response.attribute(&Lifetime(600)).attribute(&MobilityTicket(b"2"))
        });
        for _ in 0..3 {
            bench.run_for(ms(10_000));
            assert_eq!(bench.feed_from(path(), data), taken);
            assert_eq!(bench.feed_from(elsewhere(1), data), taken);
            assert!(matches!(bench.feed_from(elsewhere(2), data), Received::Ignored(_)));
        }
        for _ in 0..2 {
            say(&mut bench);
            bench.run_for(ms(4_999));
            assert_eq!(bench.feed_from(path(), data), taken);
        }
        bench.run_for(ms(2));
        assert!(matches!(bench.feed_from(path(), data), Received::Ignored(_)));
        assert_eq!(bench.feed_from(elsewhere(1), data), taken);
    }
}

/// Proves: rfc8016-3.2.1-2
#[test]
fn an_allocation_that_stays_shows_no_ticket() {
    let mut bench = mobile(b"ticket");
    let refresh = bench.await_refresh();
    assert!(!refresh.has(TICKET));
}

/// Proves: rfc8016-3.2.1-3
#[test]
fn a_stale_nonce_does_not_stop_a_move() {
    let mut bench = mobile(b"ticket");
    let refresh = migrating(&mut bench, elsewhere(1));
    bench.nonce = b"nonce two";
    bench.challenge(&refresh, 438);
    let again = bench.next_request();
    assert_eq!((again.path, again.raw(TICKET)), (elsewhere(1), Some(b"ticket".to_vec())));
    assert_eq!(again.nonce(), Some(b"nonce two".to_vec()));
    bench.succeed(&again, |response| response.attribute(&Lifetime(600)));
    assert_eq!(bench.client.path(), elsewhere(1));
}

/// Proves: rfc8016-3.2.2-3
#[test]
fn a_refused_move_is_the_end_of_the_allocation() {
    for (code, failure) in [
        (437, Failure::Mismatch),
        (400, Failure::Refused(400)),
        (441, Failure::Refused(441)),
        (405, Failure::Refused(405)),
    ] {
        let mut bench = mobile(b"ticket");
        let refresh = migrating(&mut bench, elsewhere(1));
        bench.refuse(&refresh, code);
        assert_eq!(bench.last_event(), Some(Event::Lost(failure)));
        assert_eq!(bench.client.deadline(), None);
    }
}

/// The new network may be of no use, and the old one still be there.
#[test]
fn a_move_that_nobody_answers_leaves_everything_where_it_was() {
    for refused in [true, false] {
        let mut bench = mobile(b"ticket");
        let _ = migrating(&mut bench, elsewhere(1));
        let failure = if refused {
            bench.client.handle_transmit_error(bench.now, elsewhere(1));
            bench.drain();
            Failure::Unreachable
        } else {
            bench.run_for(ms(39_500));
            Failure::Timeout
        };
        assert_eq!(bench.last_event(), Some(Event::NotMigrated { path: elsewhere(1), failure }));
        assert_eq!(bench.client.state(), State::Allocated);
        assert_eq!(bench.client.route(address(PEER)).unwrap().path(), path());
        // Where the server thinks that we are is best asked at once.
        let refresh = bench.await_refresh();
        assert_eq!((refresh.path, refresh.has(TICKET)), (path(), false));
    }
}

/// What was asked on the old path is asked again on the new one.
#[test]
fn requests_under_way_are_made_again_after_the_move() {
    let mut bench = mobile(b"ticket");
    bench.client.bind(bench.now, address("198.51.100.78:1")).unwrap();
    let before = bench.requests();
    assert_eq!(before.len(), 2);
    let refresh = migrating(&mut bench, elsewhere(1));
    bench.run_for(ms(400));
    assert!(bench.requests().is_empty());
    bench.succeed(&refresh, |response| response.attribute(&Lifetime(600)));
    let after = bench.requests();
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|asked| asked.path == elsewhere(1)));
    for asked in &after {
        bench.succeed(asked, |response| response);
    }
    assert_eq!(bench.client.bound().count(), 2);
}

#[test]
fn without_a_ticket_nothing_moves() {
    let mut bench = Bench::allocated();
    assert_eq!(bench.client.migrate(bench.now, elsewhere(1)), Err(Error::Immobile));
    let mut bench = mobile(b"ticket");
    let other_server = Path::udp(address("10.9.8.7:1"), address("203.0.113.2:3478"));
    assert_eq!(bench.client.migrate(bench.now, other_server), Err(Error::Path));
    bench.client.close(bench.now);
    assert_eq!(bench.client.migrate(bench.now, elsewhere(1)), Err(Error::Closed));
}

/// Proves: rfc8016-5-1
#[test]
fn an_allocation_that_nobody_vouches_for_is_none() {
    let mut bench = Bench::with(config().mobility(true));
    bench.client.allocate(bench.now).unwrap();
    let bare = bench.next_request();
    let mut out = Vec::new();
    granted(Builder::success(&mut out, bare.method, bare.id), b"ticket").fingerprint();
    assert!(matches!(bench.feed(&out), Received::Ignored(_)));
    assert_eq!(bench.client.migrate(bench.now, elsewhere(1)), Ok(()));
    assert_eq!(bench.next_request().raw(TICKET), Some(vec![]), "no ticket, but the wish for one");
}
