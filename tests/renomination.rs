//! Renomination: where both sides know it, the selected pair may change without a restart
//! (draft-thatcher-ice-renomination).

mod harness;

use core::net::SocketAddr;
use core::time::Duration;

use floe::ice::{Credentials, Nomination, Role};
use floe::sim::{Host, NetworkId, NodeId, Peer, World};
use floe::stun::{AttributeType, Builder, ErrorCode, Integrity, Key, Method, XorMappedAddress};
use floe::{Config, Error, Event, Limits, Remote, StreamState};
use harness::{
    Bench, Fed, LOCAL, PeerCheck, REMOTE_UFRAG, Sent, address, at, host, ms, remote_credentials, typed,
};

const LOW: &str = "198.51.100.1:2001";
const MIDDLE: &str = "198.51.100.1:2002";
const HIGH: &str = "198.51.100.1:2003";

/// NOMINATION as the older draft is deployed.
const NOMINATION: AttributeType = AttributeType::new(0xc001);
/// NOMINATION of the newer draft.
const NOMINATION_OF_V2: AttributeType = AttributeType::new(0x0030);

const BOTH: &str = "ice2 trickle renomination";
const SECOND: &str = "ice2 trickle renomination renomination2";
const PLAIN: &str = "ice2 trickle";

/// An agent with one base and three remote candidates, each of its own foundation; the peer announces these options.
fn three_pairs(config: Config, role: Role, options: &str) -> Bench {
    let mut bench = Bench::bare(config, role);
    bench.base(LOCAL);
    know(&mut bench, remote_credentials(), options);
    for (foundation, priority, remote) in [("1", 100, LOW), ("2", 200, MIDDLE), ("3", 300, HIGH)] {
        bench.trickle(typed(foundation, "host", priority, remote));
    }
    bench
}

/// The same, controlled, with all three pairs valid and none nominated.
fn controlled(options: &str) -> Bench {
    let mut bench = three_pairs(Config::new().consent(false), Role::Controlled, options);
    bench.run_answering(at(1_000), promptly);
    assert!(bench.selections().is_empty());
    assert_eq!(bench.agent.pairs(bench.stream).filter(|pair| pair.is_valid()).count(), 3);
    bench
}

fn know(bench: &mut Bench, credentials: Credentials, options: &str) {
    let remote = Remote::new(credentials).options(options);
    bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
    bench.drain();
}

fn promptly(_: &Sent) -> Option<Duration> {
    Some(ms(5))
}

/// Answers whatever does not go to `silent`.
fn all_but(silent: &'static str) -> impl Fn(&Sent) -> Option<Duration> {
    move |check| (check.path.remote() != address(silent)).then_some(ms(5))
}

/// The nominating checks, each once.
fn nominating(bench: &Bench) -> Vec<Sent> {
    bench.checks().into_iter().filter(|check| check.use_candidate).collect()
}

/// The value of NOMINATION in a request, as bytes.
fn nomination(check: &Sent) -> Option<Vec<u8>> {
    let message = check.message();
    let mut all = message.attributes();
    all.find(|(kind, _)| *kind == NOMINATION).map(|(_, value)| value.to_vec())
}

/// What the nominating checks say beside USE-CANDIDATE, for the component at this local address.
fn values(bench: &Bench, local: &str) -> Vec<Option<u32>> {
    let checks = nominating(bench).into_iter().filter(|check| check.path.local() == address(local));
    checks
        .map(|check| nomination(&check).map(|value| u32::from_be_bytes(value.try_into().unwrap())))
        .collect()
}

/// The peer nominates the pair with `remote`, with a number beside USE-CANDIDATE or without, and is answered.
fn nominates(bench: &mut Bench, remote: &str, number: Option<(AttributeType, u32)>) {
    let extra = number.map(|(kind, value)| (kind, value.to_be_bytes().to_vec())).into_iter().collect();
    let check = PeerCheck { use_candidate: true, extra, ..bench.peer_check() };
    assert_eq!(bench.feed_on(LOCAL, remote, &check.encode()), Fed::Control);
    let answer = bench.last_answer().unwrap();
    assert_eq!((answer.id, answer.mapped, answer.error), (check.id, Some(address(remote)), None));
}

fn route(bench: &Bench) -> Option<SocketAddr> {
    bench.agent.route(bench.component()).map(|route| route.path().remote())
}

/// Proves: renom-v1-1, renom-v2-10
#[test]
fn the_controlled_side_follows_the_last_nomination_at_once_and_still_takes_data_from_the_old_path() {
    for (first, second) in [(HIGH, LOW), (LOW, HIGH)] {
        let mut bench = controlled(BOTH);
        nominates(&mut bench, first, Some((NOMINATION, 1)));
        assert_eq!((bench.selections(), route(&bench)), (vec![address(first)], Some(address(first))));
        bench.run_answering(at(2_000), promptly);
        nominates(&mut bench, second, Some((NOMINATION, 2)));
        assert_eq!(bench.selections(), [address(first), address(second)]);
        assert_eq!(route(&bench), Some(address(second)));
        let old =
            bench.agent.pairs(bench.stream).find(|pair| pair.path().remote() == address(first)).unwrap();
        assert!(old.is_valid() && !old.is_selected());
        let Fed::Data(_, payload) = bench.feed_on(LOCAL, first, b"\x80 on its way") else { panic!() };
        assert_eq!(payload, b"\x80 on its way");
        bench.run_answering(at(10_000), promptly);
        assert_eq!(route(&bench), Some(address(second)));
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    }
}

/// Once a number has been followed, a nomination without one moves nothing.
///
/// Proves: renom-v1-5, renom-v2-3, renom-v2-4
#[test]
fn the_largest_number_wins_and_any_number_beats_none() {
    for kind in [NOMINATION, NOMINATION_OF_V2] {
        let mut bench = controlled(BOTH);
        nominates(&mut bench, HIGH, None);
        assert_eq!(route(&bench), Some(address(HIGH)));
        nominates(&mut bench, LOW, Some((kind, 5)));
        assert_eq!(route(&bench), Some(address(LOW)));
        for ignored in [Some((kind, 3)), Some((kind, 5)), Some((kind, 0)), None] {
            nominates(&mut bench, MIDDLE, ignored);
            nominates(&mut bench, HIGH, ignored);
            bench.run_answering(bench.now + ms(500), promptly);
            assert_eq!(route(&bench), Some(address(LOW)), "{ignored:?}");
        }
        nominates(&mut bench, MIDDLE, Some((kind, 6)));
        assert_eq!(bench.selections(), [HIGH, LOW, MIDDLE].map(address));
        // All four bytes count.
        nominates(&mut bench, LOW, Some((kind, 0x0100_0000)));
        assert_eq!(route(&bench), Some(address(LOW)));
    }
}

/// Proves: renom-v2-3
#[test]
fn nominations_that_overtake_one_another_end_at_the_largest_number_whatever_is_answered_first() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut bench = three_pairs(Config::new().consent(false), Role::Controlled, BOTH);
        for (remote, number) in [(HIGH, 1), (LOW, 3), (MIDDLE, 2)] {
            nominates(&mut bench, remote, Some((NOMINATION_OF_V2, number)));
        }
        bench.run_for(ms(300));
        assert!(bench.selections().is_empty(), "none of our own checks has been answered");
        for index in order {
            let remote = address([LOW, MIDDLE, HIGH][index]);
            if let Some(check) = bench.checks().iter().rfind(|check| check.path.remote() == remote) {
                bench.answer(check);
            }
        }
        assert_eq!(route(&bench), Some(address(LOW)), "{order:?}");
        bench.run_answering(at(3_000), promptly);
        assert_eq!(bench.selections().last(), Some(&address(LOW)), "{order:?}");
    }
}

/// Proves: renom-v1-2
#[test]
fn a_second_nomination_is_sent_only_if_both_sides_announce_renomination() {
    for (ours, theirs) in [(true, BOTH), (true, PLAIN), (false, BOTH), (false, PLAIN)] {
        let mut bench = three_pairs(Config::new().renomination(ours), Role::Controlling, theirs);
        assert_eq!(bench.agent.local_options(), if ours { SECOND } else { PLAIN });
        bench.end_of_candidates();
        bench.run_answering(at(2_000), promptly);
        assert_eq!(bench.selections(), [address(HIGH)]);
        bench.run_answering(at(60_000), all_but(HIGH));
        let known = ours && theirs == BOTH;
        assert_eq!(nominating(&bench).len(), if known { 2 } else { 1 }, "{ours} {theirs}");
        assert_eq!(bench.selections().len(), if known { 2 } else { 1 }, "{ours} {theirs}");
        assert_eq!(bench.agent.state(bench.stream) == Some(StreamState::Completed), known);
    }
}

/// Proves: renom-v1-4
#[test]
fn a_nomination_has_its_number_in_the_low_three_of_four_bytes_unless_one_side_does_not_announce_it() {
    for (ours, theirs) in [(true, BOTH), (true, PLAIN), (false, BOTH)] {
        let mut bench = three_pairs(Config::new().renomination(ours), Role::Controlling, theirs);
        bench.run_answering(at(2_000), promptly);
        let numbered = bench.checks().into_iter().filter(|check| nomination(check).is_some());
        let numbered: Vec<Sent> = numbered.collect();
        if !(ours && theirs == BOTH) {
            assert_eq!((numbered.len(), nominating(&bench).len()), (0, 1));
            continue;
        }
        assert!(numbered.len() == 1 && numbered[0].use_candidate);
        assert_eq!(nomination(&numbered[0]), Some(vec![0, 0, 0, 1]));
        let header = [0xc0, 0x01, 0, 4, 0, 0, 0, 1];
        assert!(numbered[0].bytes.windows(8).any(|bytes| bytes == header));
    }
}

/// Proves: renom-v2-2
#[test]
fn every_nomination_has_a_number_and_those_of_a_component_rise_on_their_own() {
    let other = "192.0.2.1:1001";
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    bench.base_of(1, LOCAL);
    bench.base_of(2, other);
    know(&mut bench, remote_credentials(), BOTH);
    for (component, remotes) in [(1, [LOW, HIGH]), (2, ["198.51.100.1:3001", "198.51.100.1:3002"])] {
        bench.trickle(host("1", component, remotes[0]));
        bench.trickle(host("2", component, remotes[1]));
    }
    bench.end_of_candidates();
    bench.run_answering(at(2_000), promptly);
    assert_eq!((values(&bench, LOCAL), values(&bench, other)), (vec![Some(1)], vec![Some(1)]));
    // Whatever the first component uses falls silent, twice.
    for n in 2..=3 {
        let silent = route(&bench).unwrap();
        bench.run_answering(bench.now + ms(20_000), |check| (check.path.remote() != silent).then_some(ms(5)));
        assert_ne!(route(&bench), Some(silent));
        assert_eq!(values(&bench, LOCAL), (1..=n).map(Some).collect::<Vec<_>>());
    }
    assert_eq!(values(&bench, other), [Some(1)]);
}

/// Proves: renom-v1-3
#[test]
fn a_renomination_is_repeated_until_it_is_answered() {
    let mut bench = three_pairs(Config::new(), Role::Controlling, BOTH);
    bench.end_of_candidates();
    bench.run_answering(at(2_000), promptly);
    bench.run_answering(at(12_000), |check| {
        (check.path.remote() != address(HIGH) && !check.use_candidate).then_some(ms(5))
    });
    let second = nominating(&bench).get(1).expect("a renomination").clone();
    let sent = |bench: &Bench| {
        let same = bench.requests().into_iter().filter(|request| request.id == second.id);
        same.map(|request| request.at.saturating_since(second.at)).collect::<Vec<_>>()
    };
    bench.run_until(second.at + ms(2_000));
    let times = sent(&bench);
    assert!(times.len() >= 3, "{times:?}");
    let waits: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.windows(2).all(|pair| pair[1] > pair[0]), "{waits:?}");
    assert_eq!(bench.selections(), [address(HIGH)], "nothing moves before the answer");
    bench.answer(&second);
    assert_eq!(bench.selections(), [address(HIGH), second.path.remote()]);
    bench.run_for(ms(3_000));
    assert_eq!(sent(&bench), times);
}

/// Proves: renom-v1-6
#[test]
fn one_pair_is_nominated_at_a_time() {
    let mut bench = three_pairs(Config::new(), Role::Controlling, BOTH);
    bench.end_of_candidates();
    bench.run_answering(at(2_000), promptly);
    assert_eq!(nominating(&bench).len(), 1, "all three pairs are valid");
    let others =
        |check: &Sent| (check.path.remote() != address(HIGH) && !check.use_candidate).then_some(ms(5));
    // Both others answer, and are ready to take over once an answer is overdue: after 8.5 s at the latest. A nomination that is
    // not answered is given up after 3.5 s.
    while nominating(&bench).len() == 1 {
        bench.run_answering(bench.now + ms(100), others);
    }
    bench.run_answering(bench.now + ms(3_000), others);
    let mut open: Vec<SocketAddr> =
        nominating(&bench).iter().skip(1).map(|check| check.path.remote()).collect();
    open.dedup();
    assert_eq!(open.len(), 1, "{open:?}");
    bench.run_answering(at(40_000), all_but(HIGH));
    assert!(nominating(&bench).len() <= 3);
}

/// Proves: renom-v2-5
#[test]
fn a_nomination_that_comes_before_the_answer_counts_whatever_the_answer_announces() {
    for options in [BOTH, PLAIN] {
        let mut bench = Bench::bare(Config::new(), Role::Controlled);
        bench.base(LOCAL);
        nominates(&mut bench, LOW, None);
        bench.run_for(ms(200));
        assert!(bench.selections().is_empty());
        know(&mut bench, remote_credentials(), options);
        let check = bench.next_check();
        assert!(bench.selections().is_empty(), "not before our own success");
        bench.answer(&check);
        assert_eq!(bench.selections(), [address(LOW)], "{options}");
    }
}

/// Proves: renom-v2-8
#[test]
fn after_a_restart_the_smallest_number_is_followed_and_ours_still_rise() {
    const PASSWORD: &str = "passwordofthefirst/1234567";
    for role in [Role::Controlled, Role::Controlling] {
        let mut bench = Bench::bare(Config::new().consent(false), role);
        bench.base(LOCAL);
        know(&mut bench, Credentials::new("first", PASSWORD).unwrap(), BOTH);
        bench.trickle(host("1", 1, LOW));
        let answer = |bench: &mut Bench| {
            let check = bench.next_check();
            let mut out = Vec::new();
            Builder::success(&mut out, Method::BINDING, check.id)
                .attribute(&XorMappedAddress(check.path.local()))
                .integrity(&Key::short_term(PASSWORD.as_bytes()), Integrity::Sha1)
                .fingerprint();
            bench.feed_path(check.path, &out);
        };
        answer(&mut bench);
        if role == Role::Controlled {
            let username = bench.peer_check().username.map(|name| name.replace(REMOTE_UFRAG, "first"));
            let extra = vec![(NOMINATION, vec![0, 0, 0, 5])];
            let check = PeerCheck { username, extra, use_candidate: true, ..bench.peer_check() };
            bench.feed_on(LOCAL, LOW, &check.encode());
        } else {
            answer(&mut bench);
        }
        assert_eq!(bench.selections(), [address(LOW)]);
        bench.agent.restart(bench.now, bench.stream).unwrap();
        bench.drain();
        know(&mut bench, remote_credentials(), BOTH);
        let selected = |bench: &Bench| bench.events.iter().filter(|(_, it)| is_selected(it)).count();
        bench.trickle(host("1", 1, HIGH));
        bench.run_answering(at(3_000), promptly);
        if role == Role::Controlled {
            assert_eq!(selected(&bench), 1);
            nominates(&mut bench, HIGH, Some((NOMINATION, 1)));
        } else {
            assert_eq!(values(&bench, LOCAL), [Some(1), Some(2)]);
        }
        assert_eq!(selected(&bench), 2);
        assert_eq!(route(&bench), Some(address(HIGH)));
    }
}

/// Proves: renom-v2-11
#[test]
fn a_lite_agent_follows_the_largest_number_and_not_the_highest_priority() {
    for (options, wanted) in [(BOTH, HIGH), (PLAIN, MIDDLE)] {
        let mut bench = Bench::bare(Config::new().lite(true), Role::Controlled);
        bench.base(LOCAL);
        bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
        bench.drain();
        know(&mut bench, remote_credentials(), options);
        for (remote, priority, number) in [(LOW, 200, 1), (HIGH, 100, 3), (MIDDLE, 300, 2)] {
            let extra = vec![(NOMINATION, u32::to_be_bytes(number).to_vec())];
            let check =
                PeerCheck { priority: Some(priority), extra, use_candidate: true, ..bench.peer_check() };
            assert_eq!(bench.feed_on(LOCAL, remote, &check.encode()), Fed::Control);
        }
        assert_eq!(route(&bench), Some(address(wanted)), "{options}");
    }
}

/// A renomination that is refused leaves what is selected where it is, and ends the pair it was for.
#[test]
fn a_renomination_that_is_refused_moves_nothing() {
    let mut bench = three_pairs(Config::new(), Role::Controlling, BOTH);
    bench.end_of_candidates();
    bench.run_answering(at(2_000), promptly);
    let before = nominating(&bench).len();
    let quiet =
        |check: &Sent| (check.path.remote() != address(HIGH) && !check.use_candidate).then_some(ms(5));
    while nominating(&bench).len() == before {
        bench.run_answering(bench.now + ms(100), quiet);
    }
    let second = nominating(&bench).pop().unwrap();
    let error = bench.error(&second, ErrorCode::BAD_REQUEST);
    bench.feed_path(second.path, &error);
    assert_eq!(bench.selections(), [address(HIGH)]);
    // The pair that is left is nominated next, with a number of its own.
    bench.run_answering(bench.now + ms(5_000), all_but(HIGH));
    assert_eq!(values(&bench, LOCAL), [Some(1), Some(2), Some(3)]);
    assert_ne!(route(&bench), Some(second.path.remote()));
    assert_ne!(route(&bench), Some(address(HIGH)));
}

fn is_selected(event: &Event) -> bool {
    matches!(event, Event::Selected { .. })
}

/// Two agents, the controlling one with two interfaces, the first of which goes down.
fn after_unplugging(seed: u64, renomination: [bool; 2]) -> (World<Peer>, [NodeId; 2]) {
    let mut world = World::new(seed);
    let hosts = [Host::new().on(NetworkId::PUBLIC).on(NetworkId::PUBLIC), Host::from(NetworkId::PUBLIC)];
    let mut n = 0;
    let ids = hosts.map(|host| {
        let role = if n == 0 { Role::Controlling } else { Role::Controlled };
        let (own, config) = (world.seed_for(n), Config::new().renomination(renomination[n as usize]));
        n += 1;
        world.add_node(host, |_, now, addresses| Peer::new(now, config, role, own, addresses))
    });
    for (this, other) in [(0, 1), (1, 0)] {
        world.with(ids[this], |peer, now| peer.call(now, ids[other]));
    }
    world.run_for(Duration::from_secs(20));
    assert!(ids.iter().all(|id| world.node(*id).state() == StreamState::Completed));
    let used = world.node(ids[0]).selected(1).unwrap().local().ip();
    world.unplug((ids[0], used));
    world.run_for(Duration::from_secs(20));
    (world, ids)
}

/// Proves: renom-v1-1, renom-v1-2
#[test]
fn both_sides_move_to_the_same_pair_only_if_both_announce_renomination() {
    for seed in 1..4 {
        for renomination in [[true, true], [true, false], [false, true], [false, false]] {
            let (world, ids) = after_unplugging(seed, renomination);
            let count = |id: NodeId| world.node(id).events().iter().filter(|(_, it)| is_selected(it)).count();
            let wanted = if renomination == [true; 2] { 2 } else { 1 };
            assert_eq!(ids.map(count), [wanted; 2], "{renomination:?}");
            if wanted == 2 {
                let [ours, theirs] = ids.map(|id| world.node(id).selected(1).unwrap());
                assert_eq!((ours.local(), ours.remote()), (theirs.remote(), theirs.local()));
            }
        }
    }
}

/// A nomination that finds no room for its pair is not followed, so that its repetition is not the second of its number.
#[test]
fn a_nomination_without_a_pair_does_not_use_up_its_number() {
    let mut limits = Limits::default();
    limits.peer_reflexive = 0;
    let mut bench = three_pairs(Config::new().consent(false).limits(limits), Role::Controlled, BOTH);
    let late = "198.51.100.1:2009";
    nominates(&mut bench, late, Some((NOMINATION, 1)));
    bench.trickle(typed("9", "host", 50, late));
    nominates(&mut bench, late, Some((NOMINATION, 1)));
    bench.run_answering(at(2_000), promptly);
    assert_eq!(bench.selections(), [address(late)]);
}

/// An application that nominates by itself numbers its nominations as the agent would, and may move on; only one at a time.
///
/// Proves: renom-v2-2
#[test]
fn nominations_by_hand_are_numbered_and_may_follow_one_another_where_both_sides_know_it() {
    for options in [BOTH, PLAIN] {
        let config = Config::new().nomination(Nomination::Manual).consent(false);
        let mut bench = three_pairs(config, Role::Controlling, options);
        bench.end_of_candidates();
        bench.run_answering(at(2_000), promptly);
        let pair = |bench: &Bench, remote: &str| {
            let mut valid = bench.agent.pairs(bench.stream).filter(|pair| pair.is_valid());
            valid.find(|pair| pair.path().remote() == address(remote)).unwrap().id()
        };
        let (low, high) = (pair(&bench, LOW), pair(&bench, HIGH));
        bench.agent.nominate(bench.now, high).unwrap();
        assert_eq!(bench.agent.nominate(bench.now, low), Err(Error::CannotNominate), "one at a time");
        bench.run_answering(at(3_000), promptly);
        assert_eq!(route(&bench), Some(address(HIGH)));
        let again = bench.agent.nominate(bench.now, low);
        bench.run_answering(at(4_000), promptly);
        if options == BOTH {
            assert_eq!((again, route(&bench)), (Ok(()), Some(address(LOW))));
            assert_eq!(values(&bench, LOCAL), [Some(1), Some(2)]);
        } else {
            assert_eq!((again, route(&bench)), (Err(Error::CannotNominate), Some(address(HIGH))));
            assert_eq!(values(&bench, LOCAL), [None]);
        }
    }
}

/// Whether either option is announced by either side decides whether a nomination may follow another, and the latest that both
/// announce how it is numbered.
///
/// Proves: renom-v2-1, renom-v2-2
#[test]
fn nominations_are_numbered_as_the_latest_draft_wants_that_both_sides_announce() {
    for (ours, theirs, number) in [
        (true, SECOND, Some(NOMINATION_OF_V2)),
        (true, "trickle renomination2", Some(NOMINATION_OF_V2)),
        (true, BOTH, Some(NOMINATION)),
        (true, PLAIN, None),
        (false, SECOND, None),
        (false, PLAIN, None),
    ] {
        let mut bench = three_pairs(Config::new().renomination(ours), Role::Controlling, theirs);
        bench.end_of_candidates();
        bench.run_answering(at(2_000), promptly);
        bench.run_answering(at(30_000), all_but(HIGH));
        let numbers = nominating(&bench).into_iter().map(|check| {
            let message = check.message();
            let mut numbers =
                message.attributes().filter(|(it, _)| [NOMINATION, NOMINATION_OF_V2].contains(it));
            let number = numbers.next().map(|(kind, value)| (kind, value.to_vec()));
            assert_eq!(numbers.next(), None);
            number
        });
        let expected = match number {
            Some(kind) => vec![Some((kind, vec![0, 0, 0, 1])), Some((kind, vec![0, 0, 0, 2]))],
            None => vec![None],
        };
        assert_eq!(numbers.collect::<Vec<_>>(), expected, "{ours} {theirs}");
    }
}

/// A peer that announces what it does not understand rejects the nomination for its number: it gets it without, once, and no
/// other one. If it rejects that as well, the pair has failed.
///
/// Proves: renom-v2-12
#[test]
fn a_peer_that_does_not_understand_the_number_is_nominated_to_without() {
    for understands in [true, false] {
        let mut bench = three_pairs(Config::new().consent(false), Role::Controlling, SECOND);
        bench.end_of_candidates();
        bench.run_answering(at(2_000), |check| (!check.use_candidate).then_some(ms(5)));
        let first = nominating(&bench).pop().unwrap();
        assert!(first.attributes.contains(&NOMINATION_OF_V2));
        let rejection = bench.error(&first, ErrorCode::UNKNOWN_ATTRIBUTE);
        bench.feed_path(first.path, &rejection);
        let second = bench.next_check();
        assert_eq!((second.path, second.use_candidate), (first.path, true));
        assert!(!second.attributes.contains(&NOMINATION_OF_V2) && nomination(&second).is_none());
        if understands {
            bench.answer(&second);
            assert_eq!(bench.selections(), [first.path.remote()]);
        } else {
            let rejection = bench.error(&second, ErrorCode::UNKNOWN_ATTRIBUTE);
            bench.feed_path(second.path, &rejection);
            let third = bench.next_check();
            assert!(third.use_candidate && third.path != first.path);
            assert!(!third.attributes.contains(&NOMINATION_OF_V2) && nomination(&third).is_none());
        }
    }
}

/// The second nomination overtakes the first; the third goes back to its pair.
///
/// Proves: renom-v2-1, renom-v2-6, renom-v2-9
/// Scenario: S-22
#[test]
fn nominations_there_and_back_move_both_sides_and_leave_the_other_pairs_alive() {
    let mut bench = controlled(SECOND);
    for (remote, number, selected) in [(MIDDLE, 2, MIDDLE), (HIGH, 1, MIDDLE), (HIGH, 3, HIGH)] {
        nominates(&mut bench, remote, Some((NOMINATION_OF_V2, number)));
        assert_eq!(route(&bench), Some(address(selected)), "number {number}");
    }
    for options in [SECOND, PLAIN] {
        let config = Config::new().nomination(Nomination::Manual).backups(2);
        let mut bench = three_pairs(config, Role::Controlling, options);
        bench.end_of_candidates();
        bench.run_answering(at(2_000), promptly);
        let results = [HIGH, MIDDLE, HIGH].map(|remote| {
            let valid = bench.agent.pairs(bench.stream).find(|pair| pair.path().remote() == address(remote));
            let result = match valid.map(|pair| pair.id()) {
                Some(pair) => bench.agent.nominate(bench.now, pair),
                None => Err(Error::UnknownPair),
            };
            bench.run_answering(bench.now + ms(2_000), promptly);
            result
        });
        assert_eq!(route(&bench), Some(address(HIGH)));
        let mark = bench.sent.len();
        bench.run_answering(bench.now + ms(60_000), promptly);
        let consent_checks = [LOW, MIDDLE].map(|remote| {
            let sent = bench.sent[mark..].iter();
            sent.filter(|(_, transmit)| transmit.path.remote() == address(remote)).count()
        });
        if options == SECOND {
            assert_eq!(results, [Ok(()); 3]);
            assert!(consent_checks.iter().all(|checks| (10..=15).contains(checks)), "{consent_checks:?}");
            assert_eq!(bench.agent.pairs(bench.stream).filter(|pair| pair.is_valid()).count(), 3);
        } else {
            assert!(results[0].is_ok() && results[1].is_err() && results[2].is_err(), "{results:?}");
            assert_eq!(consent_checks, [0, 0]);
        }
    }
}

/// A peer that has controlled, and has numbered its nominations high, claims the other role all at once, and is silent where it
/// was: ours begin anew, and one of them moves the session.
///
/// Proves: renom-v1-1
#[test]
fn whoever_comes_to_control_does_not_count_up_to_the_numbers_of_the_other_side() {
    let mut bench = three_pairs(Config::new(), Role::Controlled, BOTH);
    bench.run_answering(at(1_000), promptly);
    nominates(&mut bench, LOW, Some((NOMINATION, 1_000)));
    bench.run_answering(at(12_000), promptly);
    assert_eq!(route(&bench), Some(address(LOW)));
    let check = PeerCheck { role: Some((Role::Controlled, 0)), ..bench.peer_check() };
    bench.feed_on(LOCAL, LOW, &check.encode());
    assert_eq!((bench.agent.role(), route(&bench)), (Role::Controlling, Some(address(LOW))));
    bench.run_answering(at(40_000), all_but(LOW));
    assert_eq!(nominating(&bench).len(), 1);
    assert_eq!(route(&bench), Some(address(HIGH)));
}
