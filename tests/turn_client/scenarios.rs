//! What servers ask for and answer with, one after the other; and what a client says once.

use floe::stun::{
    AttributeType, Builder, ErrorCode, Integrity, Key, LongTerm, Method, Nonce, PasswordAlgorithm, Realm,
    XorMappedAddress,
};
use floe::turn::{Config, Event, Failure, Families, Lifetime, Received, State, XorRelayedAddress};

use crate::bench::{Asked, Bench, MAPPED, REALM, RELAYED, address, config, ip, ms, secs};

const PEER: &str = "198.51.100.77:9000";
const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const SHA256: u16 = 0x001c;
const ALGORITHM: u16 = 0x001d;
const USERHASH: u16 = 0x001e;
/// Password algorithms: the first bit of the feature set; without a wish for anonymity.
const WITH_ALGORITHMS: &[u8] = b"obMatJos2gAAAdl7W7PeDU4hKE72jda";

/// A server of today that wants to know the name.
fn of_today_by_name(config: Config) -> Bench {
    let mut bench = Bench::of_today(config);
    bench.nonce = WITH_ALGORITHMS;
    bench
}

fn has(asked: &Asked, kinds: [u16; 5]) -> [bool; 5] {
    kinds.map(|kind| asked.has(kind))
}

/// Proves: rfc8489-9.2.5-3, rfc8489-9.2.5-5
/// Scenario: S-48
#[test]
fn three_kinds_of_servers_get_the_credentials_that_they_ask_for() {
    let kinds = [USERNAME, USERHASH, INTEGRITY, SHA256, ALGORITHM];
    for (mut bench, expected) in [
        (Bench::new(), [true, false, true, false, false]),
        (of_today_by_name(config()), [true, false, false, true, true]),
        (Bench::of_today(config()), [false, true, false, true, true]),
    ] {
        let asked = bench.challenged();
        assert_eq!(has(&asked, kinds), expected);
        assert!(asked.is_sealed_with(&bench.key));
        let algorithm = asked.get::<PasswordAlgorithm<'_>>().map(|algorithm| algorithm.number());
        assert_eq!(algorithm, expected[4].then_some(2));
        bench.grant(&asked, 600);
        assert_eq!(bench.client.state(), State::Allocated);
    }
}

/// Somebody on the path has taken out what the nonce says was there.
///
/// Proves: rfc8489-9.2.5-1
/// Scenario: S-48
#[test]
fn a_challenge_that_was_weakened_is_not_answered() {
    let mut bench = Bench::new();
    bench.client.allocate(bench.now).unwrap();
    let bare = bench.next_request();
    let mut out = Vec::new();
    Builder::error(&mut out, bare.method, bare.id, &ErrorCode::new(401).unwrap())
        .attribute(&Realm::new(REALM).unwrap())
        .attribute(&Nonce::new(WITH_ALGORITHMS).unwrap())
        .fingerprint();
    let _ = bench.feed(&out);
    bench.run_out();
    assert!(bench.requests().is_empty(), "no password was risked");
    assert_eq!(bench.events(), [Event::Failed(Failure::Credentials)]);
}

/// Proves: rfc8489-9.2.5-7, rfc8489-9.2.5-9, rfc8489-9.2.5-11
/// Scenario: S-48
#[test]
fn servers_that_cannot_be_pleased_are_left_in_time_and_for_the_right_reason() {
    // The password is wrong.
    let mut bench = Bench::new();
    let asked = bench.challenged();
    bench.challenge(&asked, 401);
    assert_eq!(bench.events(), [Event::Failed(Failure::Credentials)]);
    assert_eq!((bench.requests().len(), bench.client.deadline()), (0, None));

    // Every nonce is stale.
    let mut bench = Bench::new();
    let mut asked = bench.challenged();
    for _ in 0..10 {
        bench.challenge(&asked, 438);
        match bench.requests().pop() {
            Some(next) => asked = next,
            None => break,
        }
    }
    bench.run_out();
    assert_eq!(bench.events(), [Event::Failed(Failure::Credentials)]);

    // Nobody has signed the 400, and nothing else comes.
    let mut bench = Bench::new();
    let asked = bench.challenged();
    let mut out = Vec::new();
    Builder::error(&mut out, asked.method, asked.id, &ErrorCode::BAD_REQUEST).fingerprint();
    assert!(matches!(bench.feed(&out), Received::Ignored(_)));
    assert!(bench.run_out() <= ms(39_500));
    assert_eq!(bench.events(), [Event::Failed(Failure::IntegrityViolated)]);
}

/// Proves: rfc8489-9.2.5-12
/// Scenario: S-48
#[test]
fn a_grant_that_was_forged_is_passed_over_for_the_real_one() {
    let mut bench = Bench::new();
    let asked = bench.challenged();
    let forged_keys = [None, Some(Key::long_term_md5(b"alice", REALM.as_bytes(), b"a guess"))];
    for key in forged_keys {
        let mut out = Vec::new();
        let response = Builder::success(&mut out, asked.method, asked.id)
            .attribute(&XorRelayedAddress(address("203.0.113.66:50000")))
            .attribute(&XorMappedAddress(address(MAPPED)))
            .attribute(&Lifetime(600));
        match key {
            Some(key) => drop(response.integrity(&key, Integrity::Sha1)),
            None => response.fingerprint(),
        }
        assert!(matches!(bench.feed(&out), Received::Ignored(_)));
        assert_eq!(bench.events(), []);
    }
    bench.grant(&asked, 600);
    assert_eq!(bench.client.relayed().collect::<Vec<_>>(), [address(RELAYED)]);
}

/// Proves: rfc8489-6.2.1-7
#[test]
fn an_indication_is_sent_once_and_waits_for_nothing() {
    let mut bench = Bench::allocated();
    bench.permitted(&ip("198.51.100.77").to_string());
    bench.drain();
    let (before, deadline) = (bench.sent.len(), bench.client.deadline());
    bench.client.send(bench.now, address(PEER), b"once").unwrap();
    bench.drain();
    assert_eq!(bench.sent.len(), before + 1);
    let sent = bench.sent[before].1.payload.clone();
    assert_eq!(&sent[..2], [0x00, 0x16], "a Send indication");
    // Only the keepalive waits for longer now.
    assert!(bench.client.deadline() >= deadline);
    bench.run_for(secs(60));
    let again = bench.sent.iter().filter(|(_, transmit)| transmit.payload == sent);
    assert_eq!(again.count(), 1);
    // The keepalives meanwhile were indications, too, each another one.
    let keepalives: Vec<_> = bench.sent[before + 1..]
        .iter()
        .filter(|(_, transmit)| transmit.payload[..2] == [0x00, 0x11])
        .map(|(_, transmit)| transmit.payload.clone())
        .collect();
    assert_eq!(keepalives.len(), 2);
    assert_ne!(keepalives[0], keepalives[1]);
}

/// Not counting what the server has chosen: its nonce and its realm may be long.
///
/// Proves: rfc8489-6.1-2
#[test]
fn a_request_with_all_that_can_be_asked_for_fits_into_any_packet() {
    let name = "u".repeat(127);
    let credential = LongTerm::new(&name, "correct horse").unwrap();
    let config = Config::new(credential)
        .families(Families::Both)
        .lifetime(secs(3_600))
        .dont_fragment(true)
        .mobility(true)
        .software(&"s".repeat(127))
        .unwrap();
    for mut bench in [Bench::with(config.clone()), of_today_by_name(config)] {
        let asked = bench.challenged();
        assert_eq!(asked.method, Method::ALLOCATE);
        assert!(asked.raw(AttributeType::SOFTWARE.as_u16()).is_some());
        assert!(asked.bytes.len() <= 548, "{}", asked.bytes.len());
    }
}
