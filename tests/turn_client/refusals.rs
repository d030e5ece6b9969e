//! What the client makes of each error of the server (RFC 8656 section 7.4, RFC 8489 section 9.2.5).

use floe::stun::{
    AlternateServer, AttributeType, Builder, ErrorCode, MappedAddress, UnknownAttributes, XorMappedAddress,
};
use floe::turn::{
    AddressErrorCode, AddressFamily, Client, Config, Error, Event, Failure, Families, Lifetime, Received,
    Relayed, ReservationToken, State, XorRelayedAddress,
};
use floe::{Path, Seed};

use crate::bench::{
    Asked, Bench, MAPPED, RELAYED, RELAYED_V6, SERVER, address, config, ms, path, secs, tcp_path,
};

const EVEN_PORT: u16 = 0x0018;
const DONT_FRAGMENT: u16 = 0x001a;
const RESERVATION_TOKEN: u16 = 0x0022;
const ADDITIONAL_FAMILY: u16 = 0x8000;
const TICKET: u16 = 0x8030;

/// A client whose Allocate with credentials was refused with this code.
fn refused(config: Config, code: u16) -> Bench {
    let mut bench = Bench::with(config);
    let asked = bench.challenged();
    bench.refuse(&asked, code);
    bench
}

/// What leaves once the client is told again to allocate, and when.
fn retried_after(bench: &mut Bench) -> u64 {
    let start = bench.now;
    bench.client.allocate(bench.now).unwrap();
    let asked = bench.await_request(secs(1_000));
    asked.at.saturating_since(start).as_secs()
}

/// Proves: rfc8656-7.4-3, rfc8656-7.4-5, rfc8656-7.4-9, rfc8656-7.4-10, rfc8656-7.4-11
#[test]
fn some_refusals_are_for_good() {
    for code in [400, 403, 440, 441, 442, 446, 447, 477, 487] {
        let mut bench = refused(config(), code);
        assert_eq!(bench.events(), [Event::Failed(Failure::Refused(code))]);
        assert_eq!((bench.client.state(), bench.client.deadline()), (State::Idle, None));
        assert_eq!(bench.client.allocate(bench.now), Err(Error::Refused(Failure::Refused(code))));
        bench.run_for(secs(600));
        assert!(bench.requests().is_empty(), "{code}");
    }
}

/// Proves: rfc8656-19-1
#[test]
fn refusals_have_names() {
    for (code, name) in [
        (403, "Forbidden"),
        (437, "Allocation Mismatch"),
        (440, "Address Family not Supported"),
        (441, "Wrong Credentials"),
        (442, "Unsupported Transport Protocol"),
        (443, "Peer Address Family Mismatch"),
        (486, "Allocation Quota Reached"),
        (508, "Insufficient Capacity"),
    ] {
        assert_eq!(Failure::Refused(code).to_string(), format!("the server answered {code}, {name}"));
    }
}

/// Proves: rfc8656-7.4-4
/// Lesson: R-24
#[test]
fn a_second_401_is_the_end_and_leaves_no_timer() {
    let mut bench = Bench::new();
    let asked = bench.challenged();
    bench.challenge(&asked, 401);
    assert_eq!(bench.events(), [Event::Failed(Failure::Credentials)]);
    assert_eq!(bench.client.deadline(), None);
    assert_eq!(bench.client.allocate(bench.now), Err(Error::Refused(Failure::Credentials)));
    bench.run_for(secs(600));
    assert!(bench.requests().is_empty());
    // Other credentials are another matter.
    bench.client.set_credentials(bench.now, "bob", "battery staple").unwrap();
    bench.client.allocate(bench.now).unwrap();
    assert!(!bench.next_request().has(0x0006));
}

/// Proves: rfc8489-9.2.5-11
#[test]
fn an_unsigned_400_ends_nothing() {
    let mut bench = Bench::new();
    let asked = bench.challenged();
    let mut out = Vec::new();
    Builder::error(&mut out, asked.method, asked.id, &ErrorCode::BAD_REQUEST).fingerprint();
    assert!(matches!(bench.feed(&out), Received::Ignored(_)));
    assert_eq!(bench.client.state(), State::Allocating);
    bench.grant(&asked, 600);
    assert_eq!(bench.client.state(), State::Allocated);
}

/// Proves: rfc8656-5-8, rfc8656-7.4-1
#[test]
fn a_silent_server_is_asked_seven_times() {
    let mut bench = Bench::new();
    bench.client.allocate(bench.now).unwrap();
    assert_eq!(bench.run_out(), ms(39_500));
    let times: Vec<u128> = bench.sent.iter().map(|(at, _)| at.since_epoch().as_millis() - 1_000).collect();
    assert_eq!(times, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert!(bench.sent.iter().all(|(_, it)| it.payload == bench.sent[0].1.payload));
    assert_eq!(bench.events(), [Event::Failed(Failure::Timeout)]);
}

/// Proves: rfc8656-7.4-12
#[test]
fn a_full_quota_is_respected_for_a_minute() {
    let mut bench = refused(config(), 486);
    assert_eq!(bench.events(), [Event::Failed(Failure::Refused(486))]);
    assert_eq!(retried_after(&mut bench), 60);
}

/// Proves: rfc8656-7.4-13
#[test]
fn a_server_without_capacity_is_left_alone_unless_the_port_was_the_trouble() {
    let mut bench = refused(config(), 508);
    assert_eq!(retried_after(&mut bench), 60);
    let token = ReservationToken(*b"12345678");
    for (relayed, kind) in [
        (Relayed::EvenPort(Families::V4), EVEN_PORT),
        (Relayed::PortPair(AddressFamily::Ipv4), EVEN_PORT),
        (Relayed::Reserved(token), RESERVATION_TOKEN),
    ] {
        let mut bench = Bench::with(config().relayed(relayed));
        let asked = bench.challenged();
        assert!(asked.has(kind), "{relayed:?}");
        bench.refuse(&asked, 508);
        let again = bench.next_request();
        assert_eq!(again.at, asked.at);
        assert!(!again.has(kind), "{relayed:?}");
        bench.refuse(&again, 508);
        assert_eq!(bench.events(), [Event::Failed(Failure::Refused(508))]);
    }
}

/// Proves: rfc8656-7.4-14
#[test]
fn a_temporary_error_is_tried_four_times_more() {
    let mut bench = refused(config(), 599);
    let mut times = Vec::new();
    while bench.client.deadline().is_some() {
        let asked = bench.await_request(secs(60));
        times.push(asked.at.since_epoch().as_secs());
        bench.refuse(&asked, 599);
    }
    assert_eq!(times, [2, 4, 8, 16]);
    assert_eq!(bench.events(), [Event::Failed(Failure::Refused(599))]);
}

/// Proves: rfc8656-7.4-6, rfc8656-7.1-8
#[test]
fn a_server_that_cannot_forbid_fragments_is_asked_without() {
    let mut bench = Bench::with(config().dont_fragment(true));
    bench.client.allocate(bench.now).unwrap();
    let bare = bench.next_request();
    assert_eq!(bare.raw(DONT_FRAGMENT), Some(vec![]));
    bench.challenge(&bare, 401);
    let asked = bench.next_request();
    assert_eq!(asked.raw(DONT_FRAGMENT), Some(vec![]));
    let unknown: UnknownAttributes = [AttributeType::new(DONT_FRAGMENT)].into_iter().collect();
    bench.refuse_with(&asked, 420, |response| response.attribute(&unknown));
    let again = bench.next_request();
    assert!(!again.has(DONT_FRAGMENT));
    bench.grant(&again, 600);
    // A 420 for anything else is no use repeating.
    let mut bench = Bench::with(config().dont_fragment(true));
    let asked = bench.challenged();
    bench.refuse(&asked, 420);
    assert_eq!(bench.events(), [Event::Failed(Failure::Refused(420))]);
}

/// Proves: rfc8016-3.1.4-1, rfc8016-3.1.1-1
#[test]
fn a_server_that_moves_nothing_is_asked_without_a_ticket() {
    let mut bench = Bench::with(config().mobility(true));
    bench.client.allocate(bench.now).unwrap();
    let bare = bench.next_request();
    assert_eq!(bare.raw(TICKET), Some(vec![]));
    bench.challenge(&bare, 401);
    let asked = bench.next_request();
    assert_eq!(asked.raw(TICKET), Some(vec![]));
    bench.refuse(&asked, 405);
    assert!(!bench.next_request().has(TICKET));
}

/// Proves: rfc8656-7.4-7
/// Lesson: L-50, R-23
#[test]
fn an_allocation_in_the_way_is_ended_and_then_other_ports_are_tried() {
    // It is ours, from an earlier life.
    let mut bench = refused(config(), 437);
    let release = bench.next_request();
    assert_eq!(release.lifetime(), Some(0));
    bench.succeed(&release, |response| response.attribute(&Lifetime(0)));
    let asked = bench.next_request();
    bench.grant(&asked, 600);
    assert_eq!(bench.client.state(), State::Allocated);

    // It is somebody else's: three 5-tuples, then a pause of two minutes.
    let mut bench = refused(config(), 437);
    for port in [4_000_u16, 4_001, 4_002] {
        let release = bench.next_request();
        assert_eq!((release.lifetime(), release.path.local().port()), (Some(0), port));
        bench.refuse(&release, 441);
        assert_eq!(bench.last_event(), Some(Event::Failed(Failure::Mismatch)));
        assert!(bench.requests().is_empty());
        if port < 4_002 {
            let local = std::net::SocketAddr::new(path().local().ip(), port + 1);
            bench.client.migrate(bench.now, Path::udp(local, address(SERVER))).unwrap();
            bench.client.allocate(bench.now).unwrap();
            let asked = bench.next_request();
            assert!(asked.is_sealed_with(&bench.key), "the server has told what it wants");
            bench.refuse(&asked, 437);
        }
    }
    assert_eq!(retried_after(&mut bench), 120);
}

/// Proves: rfc8489-9.2.5-9
/// Lesson: L-48
#[test]
fn a_server_that_never_likes_its_own_nonces_is_given_up() {
    let mut bench = Bench::new();
    let mut asked = bench.challenged();
    let mut requests = 2;
    while bench.client.state() == State::Allocating {
        bench.challenge(&asked, 438);
        match bench.requests().pop() {
            Some(next) => asked = next,
            None => break,
        }
        requests += 1;
        assert!(requests <= 6);
    }
    assert!(matches!(bench.last_event(), Some(Event::Failed(_))));
    assert_eq!(bench.client.deadline(), None);
}

/// The 300 of a server that sends us elsewhere.
fn redirect(bench: &mut Bench, asked: &Asked, to: &[&str]) {
    let mut out = Vec::new();
    let mut response = Builder::error(&mut out, asked.method, asked.id, &ErrorCode::TRY_ALTERNATE);
    for server in to {
        response = response.attribute(&AlternateServer(address(server)));
    }
    response.fingerprint();
    assert_eq!(bench.feed(&out), Received::Control);
}

/// Proves: rfc8656-7.4-2, rfc8489-10-1, rfc8489-10-4
/// Lesson: L-57
#[test]
fn a_redirection_is_reported_and_followed_only_on_demand() {
    let to = "203.0.113.2:3478";
    let mut bench = Bench::new();
    bench.client.allocate(bench.now).unwrap();
    let asked = bench.next_request();
    redirect(&mut bench, &asked, &[to]);
    let redirected = Event::Redirected { to: address(to) };
    assert_eq!(bench.events(), [redirected, Event::Failed(Failure::Redirected(address(to)))]);
    assert!(bench.requests().is_empty());

    let mut bench = Bench::with(config().follow_alternate(true));
    bench.client.allocate(bench.now).unwrap();
    let asked = bench.next_request();
    redirect(&mut bench, &asked, &["[2001:db8::9]:3478", to]);
    let asked = bench.next_request();
    assert_eq!(asked.path, Path::udp(path().local(), address(to)));
    assert_eq!(bench.client.path(), asked.path);
    assert!(!asked.has(0x0006));
    // Once is enough.
    redirect(&mut bench, &asked, &["203.0.113.3:3478"]);
    let last = Event::Failed(Failure::Redirected(address("203.0.113.3:3478")));
    assert_eq!(bench.last_event(), Some(last));
    assert!(bench.requests().is_empty());
}

/// Lesson: L-57
#[test]
fn no_redirection_leads_into_this_machine_or_to_an_odd_port() {
    for to in ["127.0.0.1:3478", "203.0.113.2:25", "0.0.0.0:3478", "224.0.0.1:3478", "203.0.113.2:0", SERVER]
    {
        let mut bench = Bench::with(config().follow_alternate(true));
        bench.client.allocate(bench.now).unwrap();
        let asked = bench.next_request();
        redirect(&mut bench, &asked, &[to]);
        assert_eq!(bench.last_event(), Some(Event::Failed(Failure::Redirected(address(to)))), "{to}");
        assert!(bench.requests().is_empty(), "{to}");
    }
    for to in ["203.0.113.2:443", "203.0.113.2:80", "203.0.113.2:53", "203.0.113.2:1024"] {
        let mut bench = Bench::with(config().follow_alternate(true));
        bench.client.allocate(bench.now).unwrap();
        let asked = bench.next_request();
        redirect(&mut bench, &asked, &[to]);
        assert_eq!(bench.next_request().path.remote(), address(to));
    }
}

/// The server that we were sent to sends us back, once in the same breath and once more whenever it is asked again.
///
/// Proves: rfc8489-10-3
/// Scenario: S-49
#[test]
fn two_servers_that_send_us_to_each_other_are_asked_no_more_for_five_minutes() {
    let other = "203.0.113.2:3478";
    let mut bench = Bench::with(config().follow_alternate(true));
    bench.client.allocate(bench.now).unwrap();
    let asked = bench.next_request();
    let start = bench.now;
    redirect(&mut bench, &asked, &[other]);
    let mut asked = bench.next_request();
    for wait in [0, 100, 199] {
        assert_eq!(asked.path.remote(), address(other));
        redirect(&mut bench, &asked, &[SERVER]);
        assert_eq!(bench.last_event(), Some(Event::Failed(Failure::Redirected(address(SERVER)))));
        assert!(bench.requests().is_empty(), "there is no third request");
        bench.run_for(secs(wait));
        bench.client.allocate(bench.now).unwrap();
        asked = bench.await_request(secs(60));
    }
    assert!(bench.now.saturating_since(start) < secs(300));
    bench.run_for((start + secs(300)).saturating_since(bench.now));
    redirect(&mut bench, &asked, &[SERVER]);
    let asked = bench.next_request();
    assert_eq!(asked.path, path());
    bench.challenge(&asked, 401);
    let asked = bench.next_request();
    bench.grant(&asked, 600);
    assert_eq!(bench.client.state(), State::Allocated);
}

/// A redirection that nobody has signed means nothing once there are credentials to sign it with.
///
/// Proves: rfc8489-10-2
#[test]
fn after_the_challenge_a_redirection_has_to_be_signed() {
    let mut bench = Bench::with(config().follow_alternate(true));
    let asked = bench.challenged();
    let mut out = Vec::new();
    Builder::error(&mut out, asked.method, asked.id, &ErrorCode::TRY_ALTERNATE)
        .attribute(&AlternateServer(address("203.0.113.2:3478")))
        .fingerprint();
    assert!(matches!(bench.feed(&out), Received::Ignored(_)));
    assert_eq!(bench.client.path(), path());
    bench.refuse_with(&asked, 300, |response| {
        response.attribute(&AlternateServer(address("203.0.113.2:3478")))
    });
    let asked = bench.next_request();
    assert_eq!(asked.path.remote(), address("203.0.113.2:3478"));
    // The same user, of whom the new server knows nothing so far.
    bench.challenge(&asked, 401);
    assert!(bench.next_request().is_sealed_with(&bench.key));
}

/// Proves: rfc8656-7.3-1, rfc8656-7.3-3
#[test]
fn a_grant_that_cannot_be_used_is_given_back() {
    let relayed = XorRelayedAddress(address(RELAYED));
    let mapped = XorMappedAddress(address(MAPPED));
    type Write = fn(Builder<'_>, XorRelayedAddress, XorMappedAddress) -> Builder<'_>;
    let grants: [Write; 7] = [
        |response, _, mapped| response.attribute(&mapped).attribute(&Lifetime(600)),
        |response, relayed, mapped| response.attribute(&relayed).attribute(&mapped),
        |response, relayed, _| response.attribute(&relayed).attribute(&Lifetime(600)),
        |response, _, mapped| {
            let v6 = XorRelayedAddress(address(RELAYED_V6));
            response.attribute(&v6).attribute(&mapped).attribute(&Lifetime(600))
        },
        |response, _, mapped| {
            let nobody = XorRelayedAddress(address("0.0.0.0:50000"));
            response.attribute(&nobody).attribute(&mapped).attribute(&Lifetime(600))
        },
        |response, relayed, mapped| {
            response.attribute(&relayed).attribute(&relayed).attribute(&mapped).attribute(&Lifetime(600))
        },
        |response, relayed, mapped| {
            let response = response.attribute(&relayed).attribute(&mapped).attribute(&Lifetime(600));
            response.raw(AttributeType::new(0x7777), b"must be understood")
        },
    ];
    for (n, grant) in grants.into_iter().enumerate() {
        let mut bench = Bench::new();
        let asked = bench.challenged();
        bench.succeed(&asked, |response| grant(response, relayed, mapped));
        assert_eq!(bench.events(), [Event::Failed(Failure::Unusable)], "{n}");
        let release = bench.next_request();
        assert_eq!(release.lifetime(), Some(0), "{n}");
        bench.succeed(&release, |response| response.attribute(&Lifetime(0)));
        assert_eq!(bench.client.allocate(bench.now), Err(Error::Refused(Failure::Unusable)), "{n}");
        assert_eq!(bench.client.deadline(), None, "{n}");
    }
}

/// Proves: rfc8656-7.3-4, rfc8656-7.3-5
#[test]
fn a_family_that_was_not_granted_is_not_asked_for_again() {
    for (code, wait, asks_again) in [(440, 100_000, false), (508, 59, false), (508, 61, true)] {
        let mut bench = Bench::with(config().families(Families::Both));
        let asked = bench.challenged();
        let family = AddressFamily::Ipv6;
        bench.succeed(&asked, |response| {
            response
                .attribute(&XorRelayedAddress(address(RELAYED)))
                .attribute(&AddressErrorCode { family, error: ErrorCode::new(code).unwrap() })
                .attribute(&XorMappedAddress(address(MAPPED)))
                .attribute(&Lifetime(u32::MAX))
        });
        assert_eq!(bench.last_event(), Some(Event::FamilyRefused { family, code }));
        bench.now += secs(wait);
        let peer = "198.51.100.1".parse().unwrap();
        bench.client.permit(bench.now, peer).unwrap();
        let permit = bench.next_request();
        bench.refuse(&permit, 437);
        bench.client.allocate(bench.now).unwrap();
        assert_eq!(bench.next_request().has(ADDITIONAL_FAMILY), asks_again, "{code} after {wait} s");
    }
}

/// Proves: rfc8656-7.1-3, rfc8656-7.1-5, rfc8656-7.1-6, rfc8656-7.1-7, rfc8656-7.1-9
#[test]
fn what_does_not_go_together_cannot_be_asked_for() {
    let allocate = |config: Config| {
        let mut bench = Bench::with(config);
        bench.client.allocate(bench.now).unwrap();
        bench.next_request()
    };
    let asked = allocate(config().families(Families::V6).lifetime(secs(3_600)));
    assert_eq!(asked.raw(0x0017), Some(vec![2, 0, 0, 0]));
    assert_eq!(asked.lifetime(), Some(3_600));
    let asked = allocate(config().relayed(Relayed::PortPair(AddressFamily::Ipv4)));
    assert_eq!(asked.raw(EVEN_PORT), Some(vec![0x80]));
    assert!(!asked.has(ADDITIONAL_FAMILY));
    let asked = allocate(config().relayed(Relayed::EvenPort(Families::Both)));
    assert_eq!((asked.raw(EVEN_PORT), asked.has(ADDITIONAL_FAMILY)), (Some(vec![0]), true));
    let asked = allocate(config().relayed(Relayed::Reserved(ReservationToken(*b"reserved"))));
    assert_eq!(asked.raw(RESERVATION_TOKEN), Some(b"reserved".to_vec()));
    for absent in [0x0017, EVEN_PORT, ADDITIONAL_FAMILY] {
        assert!(!asked.has(absent));
    }
}

/// Over a connection a forged answer ends the request: whoever forges there can do worse.
/// Proves: rfc8489-9.2.5-12
#[test]
fn over_tcp_an_unsigned_answer_fails_at_once() {
    let mut bench = Bench::on(config(), tcp_path());
    let asked = bench.challenged();
    let mut out = Vec::new();
    Builder::success(&mut out, asked.method, asked.id).attribute(&MappedAddress(address(MAPPED)));
    assert!(matches!(bench.feed(&out), Received::Ignored(_)));
    assert_eq!(bench.events(), [Event::Failed(Failure::IntegrityViolated)]);
    assert_eq!(bench.client.deadline(), None);
}

/// Lesson: R-21
#[test]
fn after_a_network_that_was_gone_an_allocation_comes_about_at_once() {
    let mut bench = Bench::new();
    bench.client.allocate(bench.now).unwrap();
    bench.run_out();
    assert_eq!(bench.last_event(), Some(Event::Failed(Failure::Timeout)));
    bench.requests();
    let asked = bench.challenged();
    assert_eq!(asked.at, bench.now);
    bench.grant(&asked, 600);
    assert_eq!(bench.client.state(), State::Allocated);
}

/// A socket that cannot send ends the attempt, and the next one waits a little longer each time.
#[test]
fn attempts_that_fail_at_once_are_spaced() {
    let mut client = Client::new(config(), path(), Seed::from([1; 32]));
    let (mut now, mut waits) = (floe::Timestamp::ZERO, Vec::new());
    for _ in 0..9 {
        let start = now;
        client.allocate(now).unwrap();
        if client.state() == State::Waiting {
            now = client.deadline().unwrap();
            client.handle_timeout(now);
        }
        waits.push(now.saturating_since(start).as_secs());
        client.handle_transmit_error(now, path());
        while client.poll_output().is_some() {}
    }
    assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 60]);
}
