//! Whole conversations: the example of RFC 8656, nonces that wear out, and somebody who listens in.

use floe::stun::{
    Attribute, Builder, ErrorCode, Integrity, Key, Method, Nonce, PasswordAlgorithm, PasswordAlgorithms,
    Realm, XorMappedAddress,
};
use floe::turn::{
    ChannelNumber, Data, Event, Failure, Ignored, Lifetime, Received, State, XorPeerAddress,
    XorRelayedAddress,
};

use crate::bench::{Asked, Bench, MAPPED, RELAYED, address, config, ip, secs};

const PEER_A: &str = "192.0.2.150:32102";
const PEER_B: &str = "192.0.2.210:49191";

/// PASSWORD-ALGORITHMS with MD5 and SHA-256.
const ALGORITHMS: [u8; 8] = [0, 1, 0, 0, 0, 2, 0, 0];

/// Proves: rfc8656-20-1, rfc8656-6-2, rfc8656-21.1.6-1, rfc8656-17-1
#[test]
fn the_example_of_section_20_runs_to_its_end() {
    let mut bench = Bench::with(config().lifetime(secs(3_600)).software("Example client").unwrap());
    bench.key = Key::long_term_sha256(b"alice", b"example.com", b"correct horse");
    let challenge = |bench: &mut Bench, asked: &Asked, code: u16, nonce: &[u8]| {
        let mut out = Vec::new();
        let id = asked.id;
        Builder::error(&mut out, asked.method, id, &ErrorCode::new(code).unwrap())
            .attribute(&Realm::new("example.com").unwrap())
            .attribute(&Nonce::new(nonce).unwrap())
            .attribute(&PasswordAlgorithms::decode(&ALGORITHMS, &id).unwrap())
            .fingerprint();
        assert_eq!(bench.feed(&out), Received::Control);
    };
    let seal = |bench: &mut Bench, asked: &Asked, write: &dyn Fn(Builder<'_>) -> Builder<'_>| {
        let mut out = Vec::new();
        write(Builder::success(&mut out, asked.method, asked.id)).integrity(&bench.key, Integrity::Sha256);
        assert_eq!(bench.feed(&out), Received::Control);
    };

    bench.client.allocate(bench.now).unwrap();
    let bare = bench.next_request();
    assert_eq!(
        (bare.method, bare.lifetime(), bare.raw(0x0019)),
        (Method::ALLOCATE, Some(3_600), Some(vec![17, 0, 0, 0]))
    );
    assert_eq!(bare.raw(0x8022), Some(b"Example client".to_vec()));
    // Password algorithms and anonymity: bits 0 and 1.
    let nonce = b"obMatJos2wAAAadl7W7PeDU4hKE72jda";
    challenge(&mut bench, &bare, 401, nonce);

    let asked = bench.next_request();
    assert_ne!(asked.id, bare.id);
    assert_eq!((asked.lifetime(), asked.nonce()), (Some(3_600), Some(nonce.to_vec())));
    assert_eq!(asked.raw(0x0014), Some(b"example.com".to_vec()));
    assert_eq!(asked.raw(0x8002), Some(ALGORITHMS.to_vec()));
    assert_eq!(asked.get::<PasswordAlgorithm<'_>>().unwrap().number(), 2);
    assert!(asked.has(0x001e) && !asked.has(0x0006), "the user is not named");
    assert!(asked.has(0x001c) && !asked.has(0x0008));
    assert!(asked.is_sealed_with(&bench.key));
    seal(&mut bench, &asked, &|response| {
        response
            .attribute(&Lifetime(1_200))
            .attribute(&XorRelayedAddress(address(RELAYED)))
            .attribute(&XorMappedAddress(address(MAPPED)))
    });
    assert_eq!(bench.client.lifetime(), Some(secs(1_200)));

    bench.client.send(bench.now, address(PEER_A), b"to A").unwrap();
    let asked = bench.next_request();
    assert_eq!((asked.method, asked.peers()), (Method::CREATE_PERMISSION, vec![address(PEER_A).ip()]));
    assert!(asked.has(0x001c) && !asked.has(0x0008));
    seal(&mut bench, &asked, &|response| response);
    assert_eq!(bench.data_sent().len(), 1);
    assert_eq!(bench.relay(PEER_A, b"from A"), Ok(b"from A".to_vec()));

    bench.client.bind(bench.now, address(PEER_B)).unwrap();
    for asked in bench.requests() {
        if asked.method == Method::CHANNEL_BIND {
            assert_eq!(asked.get::<ChannelNumber>(), Some(ChannelNumber::MIN));
            assert_eq!(asked.get::<XorPeerAddress>(), Some(XorPeerAddress(address(PEER_B))));
        }
        seal(&mut bench, &asked, &|response| response);
    }
    bench.client.send(bench.now, address(PEER_B), b"to B").unwrap();
    assert_eq!(bench.data_sent(), [b"\x40\x00\x00\x04to B"]);
    let peer = address(PEER_B);
    assert_eq!(bench.feed(b"\x40\x00\x00\x06from B"), Received::Data { peer, payload: b"from B" });

    let refresh = loop {
        let deadline = bench.client.deadline().unwrap();
        bench.now = deadline;
        bench.tick();
        let mut refresh = None;
        for asked in bench.requests() {
            match asked.method {
                Method::REFRESH => refresh = Some(asked),
                _ => seal(&mut bench, &asked, &|response| response),
            }
        }
        if let Some(refresh) = refresh {
            break refresh;
        }
    };
    let nonce = b"obMatJos2wAAAnpSw1Xw239bBwGYhjNW";
    challenge(&mut bench, &refresh, 438, nonce);
    let refresh = bench.next_request();
    assert_eq!((refresh.lifetime(), refresh.nonce()), (Some(3_600), Some(nonce.to_vec())));
    assert_eq!(refresh.raw(0x8022), Some(b"Example client".to_vec()));
    seal(&mut bench, &refresh, &|response| response.attribute(&Lifetime(600)));
    assert_eq!(bench.client.state(), State::Allocated);
    assert_eq!(bench.client.bound().collect::<Vec<_>>(), [(peer, ChannelNumber::MIN)]);
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
    let _ = Data(b"");
}
