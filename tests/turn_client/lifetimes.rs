//! How an allocation is kept, lost and given back (RFC 8656 sections 5 and 8).

use floe::Timestamp;
use floe::stun::{Class, Message, Method};
use floe::turn::{AddressFamily, Error, Event, Failure, Families, Ignored, Lifetime, Received, State};
use floe::turn::{Data, XorRelayedAddress};

use crate::bench::{Bench, MAPPED, RELAYED, RELAYED_V6, address, config, ip, ms, path, secs, tcp_path};

const PEER: &str = "198.51.100.77:9000";
const PEER_IP: &str = "198.51.100.77";

/// When the next Refresh leaves, in seconds after `since`, and the request.
fn next_refresh(bench: &mut Bench, since: Timestamp) -> (f64, crate::bench::Asked) {
    let refresh = bench.await_refresh();
    (refresh.at.saturating_since(since).as_secs_f64(), refresh)
}

/// Proves: rfc8656-8-1, rfc8656-7.3-2, rfc8656-7.2-1, rfc8656-8-2, rfc8656-6-3
/// Lesson: R-33
#[test]
fn a_refresh_leaves_a_minute_ahead_or_at_half_of_a_short_life() {
    for (granted, after) in [
        (600, 540.0),
        (3_600, 3_540.0),
        (120, 60.0),
        (119, 59.5),
        (30, 15.0),
        (1, 0.5),
        (u32::MAX, f64::from(u32::MAX) - 60.0),
    ] {
        let mut bench = Bench::with(config().keepalive(secs(10_000_000_000)).lifetime(secs(600)));
        bench.allocate_for(granted);
        let start = bench.now;
        let (at, refresh) = next_refresh(&mut bench, start);
        assert_eq!(at, after, "granted {granted}");
        assert!(refresh.is_sealed_with(&bench.key));
        assert_eq!(refresh.lifetime(), Some(600));
    }
}

/// Lesson: R-33
#[test]
fn an_allocation_for_no_time_at_all_is_none() {
    let mut bench = Bench::new();
    let asked = bench.challenged();
    bench.grant(&asked, 0);
    assert_eq!(bench.events(), [Event::Failed(Failure::Expired)]);
    assert_eq!(bench.client.deadline(), None);
}

/// Proves: rfc8656-8.3-1, rfc8656-18.2-1, rfc8489-9.2.3.2-1
#[test]
fn each_refresh_counts_from_its_own_answer() {
    let mut bench = Bench::allocated();
    let start = bench.now;
    let (at, refresh) = next_refresh(&mut bench, start);
    assert_eq!(at, 540.0);
    assert!(refresh.has(0x0006) && refresh.nonce() == Some(bench.nonce.to_vec()));
    assert!(!refresh.has(0x8030), "no ticket in an ordinary refresh");
    bench.succeed(&refresh, |response| response.attribute(&Lifetime(1_200)));
    let (at, refresh) = next_refresh(&mut bench, start);
    assert_eq!(at, 540.0 + 1_140.0);
    bench.succeed(&refresh, |response| response.attribute(&Lifetime(10)));
    let (at, _) = next_refresh(&mut bench, start);
    assert_eq!(at, 540.0 + 1_140.0 + 5.0);
}

/// Proves: rfc8656-6-4
#[test]
fn data_keeps_nothing_alive() {
    let mut bench = Bench::allocated();
    bench.permitted(PEER_IP);
    let start = bench.now;
    for _ in 0..53 {
        bench.run_for(secs(10));
        bench.client.send(bench.now, address(PEER), b"data").unwrap();
        assert_eq!(bench.relay(PEER, b"data"), Ok(b"data".to_vec()));
        for permit in bench.requests() {
            assert_eq!(permit.method, Method::CREATE_PERMISSION);
            bench.succeed(&permit, |response| response);
        }
    }
    let (at, _) = next_refresh(&mut bench, start);
    assert_eq!(at, 540.0);
}

/// Proves: rfc8656-8.3-2, rfc8656-5-4
/// Lesson: L-49, R-38
#[test]
fn a_server_that_has_forgotten_us_ends_the_allocation_and_gives_a_new_one() {
    for (code, failure) in [
        (437, Failure::Mismatch),
        (400, Failure::Refused(400)),
        (403, Failure::Refused(403)),
        (441, Failure::Refused(441)),
    ] {
        let mut bench = Bench::allocated();
        bench.permitted(PEER_IP);
        bench.bound(PEER);
        let start = bench.now;
        let (at, refresh) = next_refresh(&mut bench, start);
        assert_eq!(at, 540.0);
        bench.refuse(&refresh, code);
        assert_eq!(bench.last_event(), Some(Event::Lost(failure)));
        assert_eq!((bench.client.state(), bench.client.deadline()), (State::Idle, None));
        assert_eq!(bench.client.route(address(PEER)), None);
        assert_eq!(bench.client.relayed().count() + bench.client.permitted().count(), 0);
        assert_eq!(bench.client.send(bench.now, address(PEER), b""), Err(Error::NotAllocated));
        let mark = bench.sent.len();
        bench.run_for(secs(1_000));
        assert_eq!(bench.sent_since(mark), 0);
        bench.events.clear();
        bench.allocate_for(600);
    }
}

/// Proves: rfc8656-8.3-3, rfc8489-9.2.5-8
#[test]
fn a_stale_nonce_costs_a_refresh_one_more_request() {
    let mut bench = Bench::allocated();
    let start = bench.now;
    let (_, refresh) = next_refresh(&mut bench, start);
    bench.nonce = b"nonce two";
    bench.challenge(&refresh, 438);
    let again = bench.next_request();
    assert_eq!((again.at, again.nonce()), (refresh.at, Some(b"nonce two".to_vec())));
    assert_ne!(again.id, refresh.id);
    bench.succeed(&again, |response| response.attribute(&Lifetime(600)));
    assert!(!bench.events().iter().any(|event| matches!(event, Event::Lost(_))));
}

/// Proves: rfc8656-8.3-5, rfc8656-9-3
#[test]
fn a_server_that_vanishes_is_asked_until_the_lifetime_is_over() {
    let mut bench = Bench::allocated();
    bench.permitted(PEER_IP);
    bench.bound(PEER);
    let granted_at = bench.now;
    bench.run_for(secs(700));
    let lost: Vec<_> = bench.events.iter().filter(|(_, it)| matches!(it, Event::Lost(_))).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].0.saturating_since(granted_at), secs(600));
    assert_eq!(lost[0].1, Event::Lost(Failure::Expired));
    let refreshes = bench.requests().into_iter().filter(|it| it.method == Method::REFRESH).count();
    assert_eq!(refreshes, 2);
    assert_eq!((bench.client.permitted().count(), bench.client.bound().count()), (0, 0));
    assert_eq!(bench.relay(PEER, b"late"), Err(Ignored::NotPermitted));
    assert_eq!(bench.client.deadline(), None);
}

/// A server that shortens the lifetime at a refresh, to nothing in the end.
#[test]
fn a_refresh_that_grants_nothing_is_a_loss() {
    let mut bench = Bench::allocated();
    let start = bench.now;
    let (_, refresh) = next_refresh(&mut bench, start);
    bench.succeed(&refresh, |response| response.attribute(&Lifetime(0)));
    assert_eq!(bench.last_event(), Some(Event::Lost(Failure::Expired)));
}

/// Whoever doubts the allocation need not wait for the ninth minute.
///
/// Proves: rfc8656-8.3-1
#[test]
fn a_doubt_is_settled_by_one_request_now() {
    let mut bench = Bench::allocated();
    bench.client.refresh(bench.now);
    let refresh = bench.next_request();
    assert_eq!((refresh.method, refresh.at, refresh.lifetime()), (Method::REFRESH, bench.now, None));
    bench.client.refresh(bench.now);
    assert!(bench.requests().is_empty(), "the server is being asked");
    bench.run_for(ms(400));
    let start = bench.now;
    bench.succeed(&refresh, |response| response.attribute(&Lifetime(300)));
    assert_eq!(bench.last_event(), Some(Event::Refreshed { lifetime: secs(300) }));
    assert_eq!(bench.client.lifetime(), Some(secs(300)));
    let (at, refresh) = next_refresh(&mut bench, start);
    assert!((239.0..240.1).contains(&at), "{at}");
    bench.refuse(&refresh, 437);
    // Without an allocation there is nothing to doubt.
    bench.client.refresh(bench.now);
    assert!(bench.requests().is_empty());
    assert_eq!(bench.client.deadline(), None);
}

/// A server in trouble is asked again while there is time.
#[test]
fn a_refresh_that_fails_for_now_is_repeated() {
    let mut bench = Bench::allocated();
    let start = bench.now;
    let (_, refresh) = next_refresh(&mut bench, start);
    bench.refuse(&refresh, 500);
    let (at, refresh) = next_refresh(&mut bench, start);
    assert_eq!(at, 555.0);
    bench.succeed(&refresh, |response| response);
    let (at, refresh) = next_refresh(&mut bench, start);
    assert_eq!(at, 570.0, "a success without a lifetime is none");
    bench.succeed(&refresh, |response| response.attribute(&Lifetime(600)));
    assert_eq!(bench.client.state(), State::Allocated);
}

/// Nobody signs a 401: the allocation is not given up for one, and not asked for over and over.
///
/// Lesson: R-24
#[test]
fn credentials_that_have_become_wrong_let_the_allocation_run_out() {
    let mut bench = Bench::allocated();
    bench.permitted(PEER_IP);
    let (start, mut refreshes) = (bench.now, 0);
    while bench.client.state() == State::Allocated {
        for asked in bench.requests() {
            refreshes += usize::from(asked.method == Method::REFRESH);
            bench.challenge(&asked, 401);
        }
        if let Some(deadline) = bench.client.deadline() {
            bench.now = deadline;
            bench.tick();
        }
    }
    assert_eq!(bench.now.saturating_since(start), secs(600));
    assert_eq!(bench.last_event(), Some(Event::Lost(Failure::Credentials)));
    assert!(refreshes <= 5, "{refreshes}");
    assert_eq!(bench.client.deadline(), None);
}

/// Proves: rfc8656-9-3
/// Lesson: R-35
#[test]
fn after_a_suspend_the_server_is_asked_once_whether_it_still_knows_us() {
    for still in [true, false] {
        let mut bench = Bench::allocated();
        bench.permitted(PEER_IP);
        bench.bound(PEER);
        bench.requests();
        bench.now += secs(1_000);
        bench.tick();
        // One refresh; no keepalives, permissions and channels of times gone by.
        let refresh = bench.next_request();
        assert_eq!((refresh.method, refresh.at), (Method::REFRESH, bench.now));
        assert_eq!(bench.data_sent(), Vec::<Vec<u8>>::new());
        assert_eq!(bench.client.route(address(PEER)), None);
        if !still {
            bench.refuse(&refresh, 437);
            assert_eq!(bench.last_event(), Some(Event::Lost(Failure::Mismatch)));
            assert_eq!(bench.client.deadline(), None);
            continue;
        }
        bench.client.send(bench.now, address(PEER), b"held").unwrap();
        assert!(bench.requests().is_empty());
        bench.succeed(&refresh, |response| response.attribute(&Lifetime(600)));
        // What had run out is asked for anew, once each.
        let mut asked = bench.requests();
        asked.sort_by_key(|it| it.method);
        let methods: Vec<_> = asked.iter().map(|it| it.method).collect();
        assert_eq!(methods, [Method::CREATE_PERMISSION, Method::CHANNEL_BIND]);
        for request in asked {
            bench.succeed(&request, |response| response);
        }
        assert!(bench.client.route(address(PEER)).is_some_and(|route| route.is_channel()));
        let held = bench.data_sent();
        assert_eq!(held.len(), 1);
        let data = Message::parse(&held[0]).unwrap().get::<Data<'_>>().unwrap().unwrap().0.to_vec();
        assert_eq!(data, b"held");
    }
}

#[test]
fn after_a_suspend_a_silent_server_means_loss() {
    let mut bench = Bench::allocated();
    bench.now += secs(100_000);
    bench.tick();
    assert_eq!(bench.run_out(), ms(39_500));
    assert_eq!(bench.last_event(), Some(Event::Lost(Failure::Expired)));
}

/// A clock that goes backwards stands still instead.
#[test]
fn time_does_not_run_backwards() {
    let mut bench = Bench::allocated();
    let deadline = bench.client.deadline();
    let mark = bench.sent.len();
    bench.client.handle_timeout(Timestamp::ZERO);
    assert_eq!((bench.client.deadline(), bench.sent_since(mark)), (deadline, 0));
    bench.client.permit(Timestamp::ZERO, ip(PEER_IP)).unwrap();
    assert!(bench.client.deadline() > Some(bench.now));
}

/// Proves: rfc8489-6.2.1-7
/// Lesson: R-22
#[test]
fn an_idle_allocation_keeps_its_mapping_alive() {
    let mut bench = Bench::allocated();
    bench.requests();
    let start = bench.now;
    bench.run_for(secs(101));
    let times: Vec<u64> =
        bench.sent.iter().map(|(at, _)| at.saturating_since(start).as_secs()).filter(|at| *at > 0).collect();
    assert_eq!(times, [25, 50, 75, 100]);
    let indication = bench.sent.last().unwrap().1.payload.clone();
    let indication = Message::parse(&indication).unwrap();
    assert_eq!((indication.class(), indication.method()), (Class::Indication, Method::BINDING));
    // What is sent anyway counts.
    bench.run_for(secs(10));
    bench.client.permit(bench.now, ip(PEER_IP)).unwrap();
    let asked = bench.next_request();
    bench.succeed(&asked, |response| response);
    let (mark, at) = (bench.sent.len(), bench.now);
    bench.run_for(secs(26));
    assert_eq!(bench.sent_since(mark), 1);
    assert_eq!(bench.sent.last().unwrap().0.saturating_since(at), secs(25));
}

/// What leaves by a route does not pass the client, which can be told.
#[test]
fn data_that_leaves_by_a_route_counts_as_a_keepalive() {
    let mut bench = Bench::allocated();
    bench.run_for(secs(10));
    let mark = bench.sent.len();
    for _ in 0..20 {
        bench.client.sent(bench.now);
        bench.run_for(secs(10));
    }
    assert_eq!(bench.sent_since(mark), 0);
    bench.run_for(secs(16));
    assert_eq!(bench.sent_since(mark), 1);
}

#[test]
fn a_connection_needs_no_keepalive() {
    let mut bench = Bench::on(config(), tcp_path());
    bench.allocate_for(600);
    let mark = bench.sent.len();
    bench.run_for(secs(539));
    assert_eq!(bench.sent_since(mark), 0);
    bench.client.handle_transmit_error(bench.now, tcp_path());
    bench.drain();
    assert_eq!(bench.last_event(), Some(Event::Lost(Failure::Unreachable)));
    assert_eq!(bench.client.deadline(), None);
}

/// Proves: rfc8656-8-3, rfc8656-8.1-1, rfc8656-8-4
#[test]
fn closing_gives_the_allocation_back() {
    let mut bench = Bench::allocated();
    bench.permitted(PEER_IP);
    bench.client.close(bench.now);
    let release = bench.next_request();
    assert_eq!(release.raw(0x000d), Some(vec![0, 0, 0, 0]));
    assert_eq!(bench.client.state(), State::Closing);
    assert_eq!(bench.client.route(address(PEER)), None);
    assert_eq!(bench.relay(PEER, b"late"), Err(Ignored::NotPermitted));
    bench.succeed(&release, |response| response.attribute(&Lifetime(0)));
    assert_eq!(bench.last_event(), Some(Event::Released));
    assert_eq!((bench.client.state(), bench.client.deadline()), (State::Closed, None));
    // Nothing happens after the end.
    let (mark, events) = (bench.sent.len(), bench.events.len());
    bench.client.close(bench.now);
    assert_eq!(bench.client.allocate(bench.now), Err(Error::Closed));
    assert_eq!(bench.feed(b"\x40\x00\x00\x00"), Received::Ignored(Ignored::Closed));
    bench.run_for(secs(100));
    assert_eq!((bench.sent_since(mark), bench.events.len()), (0, events));
}

/// Proves: rfc8656-8.3-4, rfc8656-8-4
#[test]
fn closing_ends_whatever_the_server_does() {
    let mut bench = Bench::allocated();
    bench.client.close(bench.now);
    let release = bench.next_request();
    bench.refuse(&release, 437);
    assert_eq!(bench.last_event(), Some(Event::Released));

    let mut bench = Bench::allocated();
    bench.requests();
    bench.client.close(bench.now);
    let mark = bench.sent_since(0);
    assert_eq!(bench.run_out(), ms(1_500));
    assert_eq!(bench.sent_since(mark - 1), 2, "once more if unanswered");
    assert_eq!(bench.last_event(), Some(Event::Released));
}

#[test]
fn closing_early_leaves_no_allocation_behind() {
    // Nothing was asked.
    let mut bench = Bench::new();
    bench.client.close(bench.now);
    bench.drain();
    assert_eq!(bench.events(), [Event::Released]);
    // The server has not even asked who we are.
    let mut bench = Bench::new();
    bench.client.allocate(bench.now).unwrap();
    bench.client.close(bench.now);
    bench.drain();
    assert_eq!((bench.events(), bench.client.deadline()), (vec![Event::Released], None));
    // The grant crosses the farewell.
    let mut bench = Bench::new();
    let asked = bench.challenged();
    bench.client.close(bench.now);
    bench.grant(&asked, 600);
    let release = bench.next_request();
    assert_eq!(release.lifetime(), Some(0));
    bench.succeed(&release, |response| response.attribute(&Lifetime(0)));
    assert_eq!(bench.events(), [Event::Released]);
}

/// Proves: rfc8656-5-3
/// Lesson: R-38
#[test]
fn new_credentials_are_for_the_next_allocation() {
    let mut bench = Bench::allocated();
    bench.client.set_credentials(bench.now, "bob", "battery staple").unwrap();
    let start = bench.now;
    let (_, refresh) = next_refresh(&mut bench, start);
    assert_eq!(refresh.raw(0x0006), Some(b"alice".to_vec()));
    bench.refuse(&refresh, 437);
    bench.client.allocate(bench.now).unwrap();
    let bare = bench.next_request();
    bench.challenge(&bare, 401);
    assert_eq!(bench.next_request().raw(0x0006), Some(b"bob".to_vec()));
}

/// Proves: rfc8656-5-5
#[test]
fn the_program_is_named_on_demand() {
    let mut bench = Bench::allocated_with(config().software("floe").unwrap());
    assert!(bench.sent.iter().all(|(_, it)| it.payload.windows(4).any(|four| four == b"floe")));
    let start = bench.now;
    let (_, refresh) = next_refresh(&mut bench, start);
    assert_eq!(refresh.raw(0x8022), Some(b"floe".to_vec()));
}

/// Proves: rfc8656-8.1-2, rfc8656-8.1-3
#[test]
fn one_of_two_families_can_be_given_back() {
    let mut bench = Bench::with(config().families(Families::Both));
    let asked = bench.challenged();
    bench.succeed(&asked, |response| {
        response
            .attribute(&XorRelayedAddress(address(RELAYED)))
            .attribute(&XorRelayedAddress(address(RELAYED_V6)))
            .attribute(&floe::stun::XorMappedAddress(address(MAPPED)))
            .attribute(&Lifetime(600))
    });
    bench.permitted(PEER_IP);
    bench.permitted("2001:db8::77");
    bench.client.release(bench.now, AddressFamily::Ipv6).unwrap();
    let release = bench.next_request();
    assert_eq!((release.lifetime(), release.raw(0x0017)), (Some(0), Some(vec![2, 0, 0, 0])));
    bench.succeed(&release, |response| response.attribute(&Lifetime(0)));
    assert_eq!(bench.client.permitted().collect::<Vec<_>>(), [ip(PEER_IP)]);
    assert_eq!(bench.relay(PEER, b"still"), Ok(b"still".to_vec()));
    assert_eq!(bench.client.permit(bench.now, ip("2001:db8::77")), Err(Error::Family));
    assert_eq!(bench.client.release(bench.now, AddressFamily::Ipv4), Err(Error::NotAllocated));
    let start = bench.now;
    let (_, refresh) = next_refresh(&mut bench, start);
    assert!(!refresh.has(0x0017));
}

/// Proves: rfc8656-7.2-2
#[test]
fn a_grant_that_comes_twice_counts_once() {
    let mut bench = Bench::new();
    let asked = bench.challenged();
    let grant = bench.success(&asked, |response| {
        response
            .attribute(&XorRelayedAddress(address(RELAYED)))
            .attribute(&floe::stun::XorMappedAddress(address(MAPPED)))
            .attribute(&Lifetime(600))
    });
    assert_eq!(bench.feed(&grant), Received::Control);
    assert_eq!(bench.feed(&grant), Received::Ignored(Ignored::Unasked));
    let allocated = bench.events().iter().filter(|event| matches!(event, Event::Allocated(_))).count();
    assert_eq!(allocated, 1);
}

/// Proves: rfc8656-7.1-1
#[test]
fn a_second_wish_changes_nothing() {
    let mut bench = Bench::allocated();
    let mark = bench.sent.len();
    bench.client.allocate(bench.now).unwrap();
    assert_eq!(bench.sent_since(mark), 0);
    assert_eq!(bench.client.path(), path());
}

/// With pacing an Allocate waits for its slot, the first as well as the one with credentials; nothing else does.
#[test]
fn a_paced_client_waits_for_its_slots() {
    let mut bench = Bench::with(config().paced(true));
    bench.client.allocate(bench.now).unwrap();
    bench.run_for(secs(5));
    assert!(bench.requests().is_empty());
    assert_eq!((bench.client.is_waiting(), bench.client.deadline()), (true, None));
    bench.client.grant(bench.now);
    let bare = bench.next_request();
    assert!(!bench.client.is_waiting());
    bench.challenge(&bare, 401);
    assert!(bench.requests().is_empty() && bench.client.is_waiting());
    bench.client.grant(bench.now);
    let asked = bench.next_request();
    assert!(asked.is_sealed_with(&bench.key));
    bench.grant(&asked, 600);
    bench.permitted(PEER_IP);
}
