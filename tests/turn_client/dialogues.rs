//! Whole conversations: the example of RFC 8656, nonces that wear out, and somebody who listens in.

use floe::stun::{
    AttributeType, Builder, ErrorCode, Integrity, Key, LongTerm, Method, Nonce, PasswordAlgorithm, Realm,
    Token, XorMappedAddress,
};
use floe::turn::{
    ChannelNumber, Config, Error, Event, Failure, Ignored, Lifetime, Received, State, XorPeerAddress,
    XorRelayedAddress,
};

use crate::bench::{ALGORITHMS, Asked, Bench, MAPPED, REALM, RELAYED, address, config, ip, secs};

const PEER_A: &str = "192.0.2.150:32102";
const PEER_B: &str = "192.0.2.210:49191";

/// What a request to a server of today has for its protection.
fn assert_protected(bench: &Bench, asked: &Asked) {
    assert_eq!(asked.nonce(), Some(bench.nonce.to_vec()));
    assert_eq!(asked.raw(0x0014), Some(REALM.as_bytes().to_vec()));
    assert_eq!(asked.raw(0x8002), Some(ALGORITHMS.to_vec()));
    assert_eq!(asked.get::<PasswordAlgorithm<'_>>().unwrap().number(), 2);
    assert!(asked.has(0x001e) && !asked.has(0x0006), "the user is not named");
    assert!(asked.has(0x001c) && !asked.has(0x0008));
    assert!(asked.is_sealed_with(&bench.key));
}

/// Proves: rfc8656-20-1, rfc8656-6-2, rfc8656-21.1.6-1, rfc8656-17-1
#[test]
fn the_example_of_section_20_runs_to_its_end() {
    let mut bench = Bench::of_today(config().lifetime(secs(3_600)).software("Example client").unwrap());
    bench.client.allocate(bench.now).unwrap();
    let bare = bench.next_request();
    assert_eq!((bare.method, bare.lifetime()), (Method::ALLOCATE, Some(3_600)));
    assert_eq!(bare.raw(0x0019), Some(vec![17, 0, 0, 0]));
    assert_eq!(bare.raw(0x8022), Some(b"Example client".to_vec()));
    bench.challenge(&bare, 401);
    let asked = bench.next_request();
    assert_ne!(asked.id, bare.id);
    assert_eq!(asked.lifetime(), Some(3_600));
    assert_protected(&bench, &asked);
    bench.grant(&asked, 1_200);
    assert_eq!(bench.client.lifetime(), Some(secs(1_200)));

    bench.client.send(bench.now, address(PEER_A), b"to A").unwrap();
    let asked = bench.next_request();
    assert_eq!((asked.method, asked.peers()), (Method::CREATE_PERMISSION, vec![address(PEER_A).ip()]));
    assert_protected(&bench, &asked);
    bench.succeed(&asked, |response| response);
    assert_eq!(bench.data_sent().len(), 1);
    assert_eq!(bench.relay(PEER_A, b"from A"), Ok(b"from A".to_vec()));

    bench.client.bind(bench.now, address(PEER_B)).unwrap();
    let asked = bench.requests();
    let bind = asked.iter().find(|asked| asked.method == Method::CHANNEL_BIND).unwrap();
    assert_eq!(bind.get::<ChannelNumber>(), Some(ChannelNumber::MIN));
    assert_eq!(bind.get::<XorPeerAddress>(), Some(XorPeerAddress(address(PEER_B))));
    assert_protected(&bench, bind);
    for asked in &asked {
        bench.succeed(asked, |response| response);
    }
    bench.client.send(bench.now, address(PEER_B), b"to B").unwrap();
    assert_eq!(bench.data_sent(), [b"\x40\x00\x00\x04to B"]);
    let peer = address(PEER_B);
    assert_eq!(bench.feed(b"\x40\x00\x00\x06from B"), Received::Data { peer, payload: b"from B" });

    let refresh = bench.await_refresh();
    bench.nonce = b"obMatJos2wAAAnpSw1Xw239bBwGYhjNW";
    bench.challenge(&refresh, 438);
    let refresh = bench.next_request();
    assert_eq!(refresh.lifetime(), Some(3_600));
    assert_eq!(refresh.raw(0x8022), Some(b"Example client".to_vec()));
    assert_protected(&bench, &refresh);
    bench.succeed(&refresh, |response| response.attribute(&Lifetime(600)));
    assert_eq!(bench.client.state(), State::Allocated);
    assert_eq!(bench.client.bound().collect::<Vec<_>>(), [(peer, ChannelNumber::MIN)]);
}

/// Proves: rfc8656-5-6
#[test]
fn a_fingerprint_is_welcome_and_not_required_but_has_to_be_right() {
    for (fingerprint, right) in [(false, true), (true, true), (true, false)] {
        let mut bench = Bench::new();
        let asked = bench.challenged();
        let mut out = Vec::new();
        let response = Builder::success(&mut out, asked.method, asked.id)
            .attribute(&XorRelayedAddress(address(RELAYED)))
            .attribute(&XorMappedAddress(address(MAPPED)))
            .attribute(&Lifetime(600))
            .integrity(&bench.key, Integrity::Sha1);
        if fingerprint {
            response.fingerprint();
        }
        if !right {
            *out.last_mut().unwrap() ^= 1;
        }
        let _ = bench.feed(&out);
        assert_eq!(bench.client.state() == State::Allocated, right);
    }
}

/// What a server of RFC 7635 answers to a bare request.
fn challenge_for_token(bench: &mut Bench, bare: &Asked) {
    let mut out = Vec::new();
    Builder::error(&mut out, bare.method, bare.id, &ErrorCode::UNAUTHENTICATED)
        .attribute(&Realm::new(REALM).unwrap())
        .attribute(&Nonce::new(bench.nonce).unwrap())
        .raw(AttributeType::THIRD_PARTY_AUTHORIZATION, b"turn1.example.org")
        .fingerprint();
    assert_eq!(bench.feed(&out), Received::Control);
}

fn token(kid: &str) -> Token {
    Token::new(kid, b"opaque", &[7; 32]).unwrap()
}

/// An allocation for ten minutes by a token for 400 seconds.
fn allocated_by_token() -> Bench {
    let mut bench = Bench::with(Config::new(LongTerm::third_party()));
    bench.key = Key::short_term(&[7; 32]);
    bench.client.set_token(bench.now, token("first").expires_in(secs(400))).unwrap();
    bench.client.allocate(bench.now).unwrap();
    let bare = bench.next_request();
    challenge_for_token(&mut bench, &bare);
    let asked = bench.next_request();
    bench.grant(&asked, 600);
    bench.permitted("192.0.2.150");
    bench
}

/// Proves: rfc7635-8-2
#[test]
fn once_a_token_has_ended_no_request_leaves_before_there_is_another_one() {
    for renewed in [true, false] {
        let mut bench = allocated_by_token();
        let start = bench.now;
        for _ in 0..339 {
            bench.run_for(secs(1));
            for permit in bench.requests() {
                bench.succeed(&permit, |response| response);
            }
        }
        assert!(!bench.events().contains(&Event::TokenWanted));
        bench.run_for(secs(1));
        assert_eq!(bench.last_event(), Some(Event::TokenWanted));
        // The permission is due at 480 s or so, and the allocation at 540 s.
        bench.run_for(secs(230));
        assert!(bench.requests().is_empty());
        assert_eq!(bench.client.state(), State::Allocated);
        if renewed {
            bench.client.set_token(bench.now, token("second")).unwrap();
            let mut asked = bench.requests();
            asked.sort_by_key(|it| it.method);
            let methods: Vec<_> = asked.iter().map(|it| it.method).collect();
            assert_eq!(methods, [Method::REFRESH, Method::CREATE_PERMISSION]);
            assert!(asked.iter().all(|it| it.at == bench.now && it.raw(0x0006) == Some(b"second".to_vec())));
            continue;
        }
        bench.run_for(secs(60));
        assert!(bench.requests().is_empty());
        let (at, lost) = *bench.events.last().unwrap();
        assert_eq!((at.saturating_since(start), lost), (secs(600), Event::Lost(Failure::TokenWanted)));
        assert_eq!(bench.client.deadline(), None);
        assert_eq!(bench.events().iter().filter(|event| **event == Event::TokenWanted).count(), 1);
        bench.client.allocate(bench.now).unwrap();
        bench.drain();
        assert_eq!((bench.requests().len(), bench.client.deadline()), (0, None));
        bench.client.set_token(bench.now, token("third")).unwrap();
        assert_eq!(bench.requests().len(), 1);
    }
}

/// Nor is the server told: it would not believe that it is us.
#[test]
fn closing_with_a_token_that_has_ended_says_nothing() {
    let mut bench = allocated_by_token();
    bench.run_for(secs(401));
    bench.requests();
    bench.client.close(bench.now);
    bench.drain();
    assert_eq!(bench.last_event(), Some(Event::Released));
    assert_eq!((bench.requests().len(), bench.client.deadline()), (0, None));
}

/// A token that is replaced in time is used by the allocation that the old one has made.
#[test]
fn a_new_token_is_used_from_the_next_request_on() {
    let mut bench = Bench::with(Config::new(LongTerm::third_party()));
    bench.key = Key::short_term(&[7; 32]);
    bench.client.allocate(bench.now).unwrap();
    let bare = bench.next_request();
    challenge_for_token(&mut bench, &bare);
    assert_eq!(bench.events(), [Event::Failed(Failure::TokenWanted)]);
    assert_eq!(bench.client.third_party_server(), Some("turn1.example.org"));
    assert_eq!(bench.client.allocate(bench.now), Err(Error::Refused(Failure::TokenWanted)));
    bench.client.set_token(bench.now, token("first")).unwrap();
    bench.client.allocate(bench.now).unwrap();
    let mut asked = bench.next_request();
    if asked.nonce().is_none() {
        challenge_for_token(&mut bench, &asked);
        asked = bench.next_request();
    }
    assert_eq!(asked.raw(0x0006), Some(b"first".to_vec()));
    bench.grant(&asked, 600);
    bench.client.set_token(bench.now, token("second")).unwrap();
    let refresh = bench.await_refresh();
    assert_eq!(refresh.raw(0x0006), Some(b"second".to_vec()));
}

/// A server whose nonces are good for so many requests.
/// Proves: rfc8656-7.4-8
/// Lesson: R-25, L-48
#[test]
fn nonces_that_wear_out_cost_one_repetition_each() {
    const NONCES: [&[u8]; 16] = [
        b"n0", b"n1", b"n2", b"n3", b"n4", b"n5", b"n6", b"n7", b"n8", b"n9", b"n10", b"n11", b"n12", b"n13",
        b"n14", b"n15",
    ];
    for good_for in 1..=10_usize {
        let mut bench = Bench::new();
        let (mut nonce, mut used, mut refused) = (0, 0, Vec::new());
        bench.client.allocate(bench.now).unwrap();
        let (mut methods, mut queue) = (Vec::new(), Vec::new());
        let end = bench.now + secs(700);
        bench.client.bind(bench.now, address(PEER_A)).unwrap();
        while bench.now < end {
            queue.extend(bench.requests());
            for asked in core::mem::take(&mut queue) {
                bench.nonce = NONCES[nonce % NONCES.len()];
                let fresh = asked.nonce().as_deref() == Some(bench.nonce);
                if asked.nonce().is_none() {
                    bench.challenge(&asked, 401);
                } else if fresh && used < good_for {
                    used += 1;
                    methods.push(asked.method);
                    match asked.method {
                        Method::ALLOCATE => bench.grant(&asked, 600),
                        Method::REFRESH => bench.succeed(&asked, |it| it.attribute(&Lifetime(600))),
                        _ => bench.succeed(&asked, |it| it),
                    }
                } else {
                    if fresh {
                        (nonce, used) = (nonce + 1, 0);
                    }
                    bench.nonce = NONCES[nonce % NONCES.len()];
                    refused.push((asked.method, asked.at));
                    bench.challenge(&asked, 438);
                }
            }
            queue.extend(bench.requests());
            if queue.is_empty() {
                bench.now = bench.client.deadline().unwrap();
                bench.tick();
            }
        }
        assert_eq!(bench.client.state(), State::Allocated, "good for {good_for}");
        assert!(!bench.events().iter().any(|it| matches!(it, Event::Refused { .. } | Event::Lost(_))));
        assert!(methods.contains(&Method::CHANNEL_BIND) && methods.contains(&Method::REFRESH));
        // No request is turned down more often than a nonce can wear out under it.
        for it in &refused {
            let times = refused.iter().filter(|other| *other == it).count();
            assert!(times <= 2, "good for {good_for}: {it:?} refused {times} times");
        }
    }
}

/// Somebody who sees the requests and answers each with a challenge draws four requests at most.
#[test]
fn a_storm_of_forged_challenges_ends() {
    let mut bench = Bench::new();
    bench.client.allocate(bench.now).unwrap();
    let mut requests = 0;
    while let Some(asked) = bench.requests().pop() {
        requests += 1;
        bench.nonce = if requests % 2 == 0 { b"forged one" } else { b"forged two" };
        bench.challenge(&asked, if requests == 1 { 401 } else { 438 });
    }
    assert!(requests <= 4, "{requests} requests");
    assert_eq!(bench.events(), [Event::Failed(Failure::Credentials)]);
    assert_eq!(bench.client.deadline(), None);
}

/// A response that cannot be believed changes nothing, whatever the request.
///
/// Lesson: L-56
#[test]
fn forgeries_change_nothing() {
    let mut bench = Bench::allocated();
    bench.client.permit(bench.now, ip("192.0.2.150")).unwrap();
    bench.client.bind(bench.now, address(PEER_B)).unwrap();
    let pending = bench.requests();
    assert_eq!(pending.len(), 3);
    let other = Key::long_term_md5(b"alice", b"example.org", b"wrong horse");
    let state = (bench.client.deadline(), bench.events.len(), bench.sent.len());
    for asked in &pending {
        for code in [None, Some(400), Some(403), Some(437), Some(441), Some(486), Some(508), Some(300)] {
            for key in [None, Some(&other)] {
                let mut out = Vec::new();
                let response = match code {
                    None => Builder::success(&mut out, asked.method, asked.id),
                    Some(code) => {
                        let code = ErrorCode::new(code).unwrap();
                        Builder::error(&mut out, asked.method, asked.id, &code)
                    }
                };
                if let Some(key) = key {
                    response.integrity(key, Integrity::Sha1);
                }
                assert!(matches!(bench.feed(&out), Received::Ignored(_)));
            }
        }
        // A true answer to another question, or from another place.
        let genuine = bench.success(asked, |response| response);
        let mut other_id = genuine.clone();
        other_id[19] ^= 1;
        assert_eq!(bench.feed(&other_id), Received::Ignored(Ignored::Unasked));
        let elsewhere = floe::Path::udp(asked.path.local(), address("203.0.113.9:3478"));
        assert_eq!(bench.feed_from(elsewhere, &genuine), Received::Ignored(Ignored::Stranger));
        let wrong = Asked { method: Method::ALLOCATE, ..asked.clone() };
        let wrong_method = bench.success(&wrong, |response| response);
        assert_eq!(bench.feed(&wrong_method), Received::Ignored(Ignored::Unexpected));
    }
    assert_eq!((bench.client.deadline(), bench.events.len(), bench.sent.len()), state);
    for asked in &pending {
        bench.succeed(asked, |response| response);
    }
    assert_eq!(bench.client.permitted().count(), 2);
}
