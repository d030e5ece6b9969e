//! Datagrams from whoever does not know the password: no state, no event, no randomness, no timer is moved by them.

mod harness;

use floe::ice::{Credentials, PairState, Role};
use floe::stun::{
    AttributeType, Builder, ErrorCode, Integrity, Key, Method, TransactionId, UseCandidate, Username,
    XorMappedAddress,
};
use floe::{Config, Ignored, IgnoredStats, Provenance, Remote, StreamState};
use harness::{Bench, Fed, LOCAL, PeerCheck, REMOTE, address, at, fingerprinted, host, manual, ms, typed};

const OTHER: &str = "198.51.100.1:2002";
const UNKNOWN: &str = "198.51.100.9:9000";
const NOT_OURS: &str = "192.0.2.77:1000";
const WRONG: &str = "neither of the two passwords";

/// All that an outsider could try against the bench in its present state: nothing here is authentic.
fn forgeries(bench: &mut Bench) -> Vec<Vec<u8>> {
    let good = PeerCheck { use_candidate: true, ..bench.peer_check() };
    let wrong = PeerCheck { password: WRONG.into(), ..good.clone() };
    let conflict = PeerCheck { role: Some((bench.agent.role(), u64::MAX)), ..wrong.clone() };
    let unknown = PeerCheck { extra: vec![(AttributeType::new(0x7f00), vec![0; 4])], ..wrong.clone() };
    let requests = [
        wrong,
        conflict,
        unknown,
        PeerCheck { integrity: None, ..good.clone() },
        PeerCheck { username: None, ..good.clone() },
        PeerCheck { username: Some("a:b".into()), ..good.clone() },
        PeerCheck { fingerprint: false, ..good.clone() },
        PeerCheck { integrity: None, fingerprint: false, ..good.clone() },
    ];
    let mut datagrams: Vec<Vec<u8>> = requests.iter().map(PeerCheck::encode).collect();
    let truth = good.encode();
    // Every truncation, and every byte changed.
    datagrams.extend((0..truth.len()).map(|end| truth[..end].to_vec()));
    datagrams.extend((0..truth.len()).map(|at| {
        let mut changed = truth.clone();
        changed[at] ^= 0x10;
        changed
    }));
    // A change that comes with a new fingerprint, as whoever is on the path can make it.
    let signed = PeerCheck { fingerprint: false, ..good }.encode();
    datagrams.extend((20..signed.len()).map(|at| {
        let mut changed = signed.clone();
        changed[at] ^= 0x10;
        fingerprinted(&changed)
    }));
    // Answers to whatever has been asked, and to what has not.
    let wrong = Key::short_term(WRONG.as_bytes());
    let asked = bench.checks().into_iter().map(|check| check.id);
    for id in asked.chain([TransactionId::from([0xdd; 12])]) {
        datagrams.extend(forged_answers(id, &wrong));
    }
    // All first bytes, nothing at all, and as much as there can be.
    datagrams.extend((0..=u8::MAX).map(|first| vec![first; 32]));
    datagrams.extend([vec![], vec![0; 65_507], vec![0x80; 65_507]]);
    datagrams.extend(indications(bench));
    datagrams
}

fn forged_answers(id: TransactionId, key: &Key) -> Vec<Vec<u8>> {
    let mapped = XorMappedAddress(address("203.0.113.66:6666"));
    let mut answers = vec![Vec::new(); 6];
    let mut outs = answers.iter_mut();
    let mut out = || outs.next().unwrap();
    Builder::success(out(), Method::BINDING, id).attribute(&mapped).fingerprint();
    Builder::success(out(), Method::BINDING, id)
        .attribute(&mapped)
        .integrity(key, Integrity::Sha1)
        .fingerprint();
    Builder::success(out(), Method::BINDING, id).attribute(&mapped).both_integrities(key).fingerprint();
    for code in [ErrorCode::BAD_REQUEST, ErrorCode::UNAUTHENTICATED, ErrorCode::ROLE_CONFLICT] {
        Builder::error(out(), Method::BINDING, id, &code).integrity(key, Integrity::Sha1).fingerprint();
    }
    answers
}

/// With and without a user name, and authentic ones: indications are nobody's business (RFC 8445 section 11).
fn indications(bench: &Bench) -> Vec<Vec<u8>> {
    let local = bench.agent.local_credentials(bench.stream).unwrap();
    let (name, key) = (format!("{}:peer", local.ufrag()), Key::short_term(local.password().as_bytes()));
    let id = TransactionId::from([0xee; 12]);
    let mut all = vec![Vec::new(); 4];
    Builder::indication(&mut all[0], Method::BINDING, id).fingerprint();
    Builder::indication(&mut all[1], Method::BINDING, id)
        .raw(AttributeType::new(0x7f00), &[0; 4])
        .fingerprint();
    Builder::indication(&mut all[2], Method::BINDING, id)
        .attribute(&Username::new("a:b").unwrap())
        .integrity(&Key::short_term(b"some other password, as long"), Integrity::Sha1)
        .fingerprint();
    Builder::indication(&mut all[3], Method::BINDING, id)
        .attribute(&Username::new(&name).unwrap())
        .attribute(&UseCandidate)
        .integrity(&key, Integrity::Sha1)
        .fingerprint();
    all
}

/// Where an agent is when the datagrams come.
type Moment = fn() -> Bench;

const MOMENTS: [(&str, Moment); 7] = [
    ("fresh", || Bench::bare(Config::new(), Role::Controlled)),
    ("before the peer is known", || {
        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        bench.base(LOCAL);
        bench
    }),
    ("before the first check", || Bench::new(Role::Controlled)),
    ("checking", || {
        let mut bench = Bench::new(Role::Controlling);
        bench.trickle(typed("2", "host", 77, OTHER));
        bench.next_check();
        bench
    }),
    ("connected", || {
        let mut bench = Bench::new(Role::Controlled);
        bench.trickle(typed("2", "host", 77, OTHER));
        bench.run_answering(at(20), |_| Some(ms(0)));
        bench
    }),
    ("completed", || {
        let mut bench = Bench::new(Role::Controlling);
        bench.end_of_candidates();
        bench.run_answering(at(1_000), |_| Some(ms(0)));
        bench
    }),
    ("failed", || {
        let mut bench = Bench::new(Role::Controlling);
        bench.end_of_candidates();
        bench.run_until(at(40_000));
        bench
    }),
];

/// What can be seen of an agent, but for the counters of what it ignored and of what it sent.
fn seen(bench: &Bench) -> String {
    let mut counters = bench.agent.stats();
    counters.ignored = IgnoredStats::default();
    counters.transmitted = 0;
    let pairs: Vec<_> = bench.agent.pairs(bench.stream).collect();
    let locals: Vec<_> = bench.agent.local_candidates(bench.stream).collect();
    let remotes: Vec<_> = bench.agent.remote_candidates(bench.stream).collect();
    let (role, state) = (bench.agent.role(), bench.agent.state(bench.stream));
    let (route, deadline) = (bench.agent.route(bench.component()), bench.agent.deadline());
    format!(
        "{counters:?} {pairs:?} {locals:?} {remotes:?} {role} {state:?} {route:?} {deadline:?} {:?}",
        bench.events
    )
}

fn is_unsigned_error(sent: &[u8]) -> bool {
    sent.len() == 36 && sent[..2] == [0x01, 0x11]
}

/// Two agents of one seed, one of which is attacked: from then on they say the same in the same words. So nothing was
/// drawn from the generators, and no timer was moved. What comes in at a socket that is not ours is like that though it be signed.
///
/// Proves: rfc8489-6.3-1, rfc8489-6.3.2-1, rfc7983-7-4, rfc7983-7-2
/// Scenario: S-62
/// Lesson: L-31, R-01, R-02, R-03, R-04
#[test]
fn what_is_not_authentic_changes_nothing_and_is_answered_within_the_rate() {
    for (moment, build) in MOMENTS {
        let (mut bench, mut spared) = (build(), build());
        let before = seen(&bench);
        let mut answers = 0;
        let authentic = PeerCheck { use_candidate: true, ..bench.peer_check() }.encode();
        let ignored = bench.agent.stats().ignored.unknown_base;
        assert_eq!(
            bench.feed_on(NOT_OURS, REMOTE, &authentic),
            Fed::Ignored(Ignored::UnknownBase),
            "{moment}"
        );
        assert_eq!(bench.agent.stats().ignored.unknown_base, ignored + 1);
        assert_eq!(seen(&bench), before, "{moment}");
        for datagram in forgeries(&mut bench) {
            for (to, from) in [(LOCAL, REMOTE), (LOCAL, UNKNOWN), (LOCAL, OTHER), (NOT_OURS, REMOTE)] {
                // Data from a path that has authenticated is the application's: not what this is about.
                if !floe::stun::is_stun(&datagram) && from != UNKNOWN {
                    continue;
                }
                let count = bench.sent.len();
                let fed = bench.feed_on(to, from, &datagram);
                assert!(matches!(fed, Fed::Ignored(_)), "{moment}: {fed:?} {datagram:02x?}");
                let answered = bench.sent.split_off(count);
                assert!(answered.len() <= 1);
                for (_, answer) in answered {
                    answers += 1;
                    assert!(is_unsigned_error(&answer.payload) && datagram.len() >= 36, "{moment}");
                    assert_eq!(answer.path.remote(), address(from));
                }
                assert_eq!(seen(&bench), before, "{moment}: {datagram:02x?}");
            }
        }
        assert!(answers <= 20, "{moment}: {answers} answers at one instant");
        for bench in [&mut bench, &mut spared] {
            bench.run_answering(bench.now + ms(3_000), |_| Some(ms(30)));
            // A failed or completed stream, or one without a base, has no use for it: the two agree on that as well.
            let late = typed("5", "host", 76, "198.51.100.1:2005");
            let _ = bench.agent.add_remote_candidate(bench.now, bench.stream, late);
            bench.drain();
            bench.run_for(ms(50_000));
        }
        assert_eq!(bench.sent, spared.sent, "{moment}");
        assert_eq!(bench.events, spared.events, "{moment}");
    }
}

/// Two a millisecond for a second, then silence for ten, then the same again.
#[test]
fn answers_to_strangers_are_ten_a_second_after_a_burst_of_twenty_and_may_be_switched_off() {
    for (per_second, expected) in [(10, [29, 29]), (0, [0, 0])] {
        let mut bench = Bench::with(manual().answers_unauthenticated(per_second), Role::Controlled);
        let check = PeerCheck { password: WRONG.into(), ..bench.peer_check() }.encode();
        let mut answers = [0, 0];
        for (start, answers) in [0, 11_000].into_iter().zip(&mut answers) {
            for millis in 0..1_000 {
                bench.now = at(start + millis);
                for _ in 0..2 {
                    assert_eq!(bench.feed_on(LOCAL, UNKNOWN, &check), Fed::Ignored(Ignored::Unauthenticated));
                }
            }
            *answers = bench.sent.drain(..).filter(|(_, sent)| is_unsigned_error(&sent.payload)).count();
        }
        assert_eq!(answers, expected);
    }
}

/// Proves: rfc7983-7-5, rfc7983-7-6
#[test]
fn data_is_taken_only_from_a_path_that_has_authenticated_and_as_it_came() {
    let mut bench = Bench::with(manual(), Role::Controlled);
    let (dtls, rtp, channel) = ([22, 254, 253, 0], [0x80, 96, 0, 1], [0x40, 0, 0, 0]);
    for port in 0..100 {
        for data in [dtls, rtp, channel] {
            let from = format!("198.51.100.1:{}", 1_950 + port);
            assert_eq!(bench.feed_on(LOCAL, &from, &data), Fed::Ignored(Ignored::Unverified));
        }
    }
    assert_eq!(bench.agent.stats().data_received, 0);
    bench.peer_checks(false);
    assert_eq!(bench.feed(&dtls), Fed::Data(Provenance::Authenticated, dtls.to_vec()));
    let check = bench.next_check();
    bench.answer(&check);
    for data in [dtls, rtp, channel] {
        assert_eq!(bench.feed(&data), Fed::Data(Provenance::Valid, data.to_vec()));
        assert_eq!(bench.feed_on(LOCAL, UNKNOWN, &data), Fed::Ignored(Ignored::Unverified));
    }
    let path = floe::Path::udp(address(LOCAL), address(REMOTE));
    let floe::Received::Data { payload, pair, .. } = bench.agent.handle_datagram(bench.now, path, &rtp)
    else {
        panic!("data")
    };
    assert_eq!(payload.as_ptr(), rtp.as_ptr(), "the same bytes in the same place");
    assert_eq!(bench.agent.pair(pair).unwrap().path(), path);
}

/// Lesson: R-03
#[test]
fn a_datagram_for_a_socket_that_is_not_ours_is_nobodys() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    let own = bench.next_check();
    let (check, before) = (bench.peer_check().encode(), bench.sent.len());
    for datagram in [check, vec![0x80; 20], vec![]] {
        assert_eq!(bench.feed_on(NOT_OURS, REMOTE, &datagram), Fed::Ignored(Ignored::UnknownBase));
    }
    assert_eq!(bench.agent.stats().ignored.unknown_base, 3);
    assert_eq!(bench.sent.len(), before);
    assert_eq!(bench.pair_states(), [(address(REMOTE), PairState::InProgress(own.id))]);
}

/// Agents on one socket, every one of which sees all that comes in: only the one that is meant answers as one who knows.
#[test]
fn a_check_means_something_to_the_agent_alone_whose_credentials_it_has() {
    let mut agents: Vec<_> = (0..100_u8)
        .map(|n| {
            let mut agent = floe::Agent::new(manual(), Role::Controlled, floe::Seed::from([n; 32]));
            let stream = agent.add_stream(1).unwrap();
            agent.add_base(at(0), stream.component(1), floe::Base::udp(address(LOCAL))).unwrap();
            agent.set_remote(at(0), stream, Remote::new(harness::remote_credentials())).unwrap();
            (agent, stream)
        })
        .collect();
    let (agent, stream) = &agents[42];
    let meant = agent.local_credentials(*stream).unwrap().clone();
    let template = Bench::new(Role::Controlled).peer_check();
    let check = PeerCheck {
        username: Some(format!("{}:peer", meant.ufrag())),
        password: meant.password().into(),
        ..template
    }
    .encode();
    let path = floe::Path::udp(address(LOCAL), address(UNKNOWN));
    for (n, (agent, stream)) in agents.iter_mut().enumerate() {
        let received = agent.handle_datagram(at(1), path, &check);
        let expected =
            if n == 42 { floe::Received::Control } else { floe::Received::Ignored(Ignored::Unauthenticated) };
        assert_eq!(received, expected);
        assert_eq!(agent.pairs(*stream).count(), usize::from(n == 42));
        assert_eq!(agent.state(*stream), Some(StreamState::Checking));
    }
}

/// A peer names one of our own sockets as its address, before it is ours or afterwards; or somebody sends in its name.
#[test]
fn a_socket_of_ours_is_nobodys_candidate() {
    const OURS: &str = "192.0.2.2:1000";
    for known_before in [false, true] {
        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        bench.base(LOCAL);
        if known_before {
            bench.base(OURS);
        }
        bench.remote();
        bench.trickle(host("1", 1, OURS));
        assert_eq!(bench.pair_states().len(), usize::from(!known_before));
        if !known_before {
            bench.base(OURS);
        }
        assert_eq!(bench.pair_states(), []);
        let check = bench.peer_check().encode();
        assert_eq!(bench.feed_on(LOCAL, OURS, &check), Fed::Ignored(Ignored::Source));
        bench.run_for(ms(20_000));
        assert_eq!(bench.sent.len(), 0);
    }
}

/// A peer names a third party as its address, on all the ports it may, and restarts again and again; and it forges checks that
/// seem to come from there. In no minute the third party gets more than is allowed, of short fragments or of long ones.
#[test]
fn a_third_party_that_never_answers_is_not_flooded() {
    const VICTIM: &str = "203.0.113.66";
    for length in [4, 256] {
        let mut bench = Bench::bare(Config::new().pacing(ms(5)), Role::Controlling);
        for n in 0..4 {
            bench.base(&format!("192.0.2.{}:1000", n + 1));
        }
        for generation in 0..25_u16 {
            let ufrag = format!("{generation:0>length$}");
            let credentials =
                Credentials::new(&ufrag, &format!("passwordofthepeer/{generation:07}")).unwrap();
            let remote = Remote::new(credentials).pacing(ms(5));
            bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
            for port in 0..16 {
                bench.trickle(host(&port.to_string(), 1, &format!("{VICTIM}:{}", 4_000 + port)));
            }
            for _ in 0..30 {
                bench.run_for(ms(100));
                let own = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
                let check = PeerCheck { username: Some(format!("{own}:{ufrag}")), ..bench.peer_check() };
                bench.feed_on(LOCAL, &format!("{VICTIM}:4000"), &check.encode());
            }
        }
        assert!(bench.agent.stats().checks_withheld > 1_000);
        let sent: Vec<_> = bench.requests().into_iter().map(|sent| (sent.at, sent.bytes.len())).collect();
        assert!(sent.len() > 100);
        for (start, _) in &sent {
            let minute = sent.iter().filter(|(at, _)| (*start..*start + ms(60_000)).contains(at));
            let (packets, bytes) = minute.fold((0, 0), |(n, sum), (_, bytes)| (n + 1, sum + bytes));
            assert!(packets <= 128 && bytes <= 24 * 1_024, "{packets} packets, {bytes} bytes in a minute");
        }
    }
}

/// Once a check was answered from an address, all its ports may be asked.
#[test]
fn an_address_that_answers_is_asked_as_often_as_it_takes() {
    let mut limits = floe::Limits::default();
    limits.unanswered_packets = 3;
    let mut bench = Bench::bare(manual().limits(limits), Role::Controlling);
    bench.base(LOCAL);
    bench.remote();
    for port in 0..6 {
        bench.trickle(host(&port.to_string(), 1, &format!("198.51.100.1:{}", 4_000 + port)));
    }
    bench.run_for(ms(300));
    let sent = bench.requests();
    assert_eq!((sent.len(), bench.agent.stats().checks_withheld), (3, 3));
    bench.answer(&sent[0]);
    bench.run_for(ms(1_000));
    let asked: std::collections::BTreeSet<_> = bench.requests().iter().map(|sent| sent.path).collect();
    assert_eq!(asked.len(), 6, "what was withheld is repeated");
}

/// World 310828: a peer behind two translators was asked so often in vain, and restarted, that it got nothing more for a minute.
/// What it nominated then was never checked, for none of the checks that were withheld had been answered.
#[test]
fn checks_that_were_withheld_do_not_wear_a_pair_out() {
    let mut limits = floe::Limits::default();
    limits.unanswered_packets = 3;
    let mut bench = Bench::bare(manual().limits(limits), Role::Controlled);
    bench.base(LOCAL);
    bench.remote();
    for port in 0..3 {
        bench.trickle(host(&port.to_string(), 1, &format!("198.51.100.1:{}", 4_000 + port)));
    }
    bench.run_for(ms(300));
    assert_eq!(bench.requests().len(), 3);
    let from = "198.51.100.1:5000";
    for second in 0..80 {
        let check = bench.peer_check().encode();
        bench.feed_on(LOCAL, from, &check);
        bench.run_for(ms(1_000));
        let asked = bench.requests().iter().filter(|sent| sent.path.remote() == address(from)).count();
        assert_eq!(asked > 0, second >= 70, "after {second} s");
    }
    let asked = bench.requests().into_iter().find(|sent| sent.path.remote() == address(from)).unwrap();
    bench.answer(&asked);
    assert!(bench.agent.pairs(bench.stream).any(|pair| pair.path() == asked.path && pair.is_valid()));
}

/// A check of the peer cancels ours and has it repeated; but a peer that never answers cannot have that without end, and what
/// was asked last is repeated as any other check.
#[test]
fn a_peer_that_checks_and_never_answers_does_not_keep_us_asking() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut bench = Bench::with(manual(), role);
        for _ in 0..1_200 {
            bench.peer_checks(role == Role::Controlled);
            bench.run_for(ms(50));
        }
        let checks = bench.checks();
        assert_eq!(checks.len(), 6);
        let last = checks.last().unwrap();
        assert_eq!(bench.requests().iter().filter(|sent| sent.id == last.id).count(), 7);
    }
}

/// Every class of every method, to an agent that has no peer yet, one that knows its peer and one that is closed; those of a
/// few methods that nobody knows are signed for it as well. Of all these a request of Binding alone means anything.
///
/// Lesson
#[test]
fn of_every_class_of_every_method_a_binding_request_alone_means_anything() {
    let closed: Moment = || {
        let mut bench = Bench::new(Role::Controlled);
        bench.agent.close(bench.now);
        bench.drain();
        bench
    };
    let (path, id) = (floe::Path::udp(address(LOCAL), address(REMOTE)), TransactionId::from([5; 12]));
    for (moment, build) in [MOMENTS[1], MOMENTS[2], ("closed", closed)] {
        let mut bench = build();
        let own = bench.peer_check();
        let (key, name) = (Key::short_term(own.password.as_bytes()), own.username.unwrap());
        let name = Username::new(&name).unwrap();
        let mut unsigned = Vec::new();
        let _ = Builder::request(&mut unsigned, Method::BINDING, id).attribute(&name);
        let mut datagrams: Vec<Vec<u8>> = (0..0x4000_u16)
            .map(|kind| fingerprinted(&[&kind.to_be_bytes()[..], &unsigned[2..]].concat()))
            .collect();
        for method in (0x20..0x40).map(|number| Method::new(number).unwrap()) {
            let mut signed = vec![Vec::new(); 4];
            let [request, indication, success, error] = &mut signed[..] else { unreachable!() };
            for builder in [
                Builder::request(request, method, id),
                Builder::indication(indication, method, id),
                Builder::success(success, method, id),
                Builder::error(error, method, id, &ErrorCode::BAD_REQUEST),
            ] {
                builder.attribute(&name).integrity(&key, Integrity::Sha1).fingerprint();
            }
            datagrams.extend(signed);
        }
        let before = seen(&bench);
        for datagram in &datagrams {
            let fed = bench.agent.handle_datagram(bench.now, path, datagram);
            assert!(matches!(fed, floe::Received::Ignored(_)), "{moment}: {fed:?} {datagram:02x?}");
        }
        bench.drain();
        assert_eq!(seen(&bench), before, "{moment}");
        assert!(bench.sent.iter().all(|(_, sent)| is_unsigned_error(&sent.payload)), "{moment}");
        assert!(bench.sent.len() <= 1, "{moment}: one was a request of Binding");
    }
}
