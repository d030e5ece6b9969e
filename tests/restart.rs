//! ICE restarts (RFC 8445 section 9): a new generation finds its path while the old one carries the data.

mod harness;

use core::time::Duration;

use floe::ice::{Credentials, Generation, Role};
use floe::sim::{Nat, NodeId, Peer, World};
use floe::stun::{Class, Key};
use floe::{Config, Error, Event, Ignored, Reason, Remote, RemoteChange, StreamState};
use harness::{Bench, Fed, PeerCheck, REMOTE, REMOTE_PASSWORD, address, at, host, ms};

fn connected(seed: u64, nats: [Nat; 2]) -> (World<Peer>, [NodeId; 2]) {
    let (mut world, ids) = called(seed, nats);
    settle(&mut world, ids);
    (world, ids)
}

fn called(seed: u64, nats: [Nat; 2]) -> (World<Peer>, [NodeId; 2]) {
    let mut world = World::new(seed);
    let mut add = |nat: Nat, role: Role, n: u64| {
        let own = world.seed_for(n);
        world.add_node(nat, |_, now, addresses| Peer::new(now, Config::new(), role, own, addresses))
    };
    let [left, right] = nats;
    let ids = [add(left, Role::Controlling, 0), add(right, Role::Controlled, 1)];
    for (this, other) in [(0, 1), (1, 0)] {
        world.with(ids[this], |peer, now| peer.call(now, ids[other]));
    }
    (world, ids)
}

fn settle(world: &mut World<Peer>, ids: [NodeId; 2]) {
    let done = world.run_until(Duration::from_secs(20), |world| {
        ids.iter().all(|id| world.node(*id).state() == StreamState::Completed)
    });
    assert!(done.is_ok(), "{:?}", ids.map(|id| world.node(id).state()));
}

/// Either side restarts; data flows throughout, roles stay, and both credentials change on both sides.
///
/// Scenario: S-31
/// Scenario: S-32
/// Proves: rfc8445-9-1, rfc8445-9-2, rfc8445-9-3, rfc8445-9-7, rfc8445-6.1.1-4
#[test]
fn data_flows_while_a_new_generation_is_found() {
    for restarter in [0, 1] {
        let (mut world, ids) = connected(3, [Nat::port_restricted(), Nat::none()]);
        let credentials =
            ids.map(|id| world.node(id).agent().local_credentials(world.node(id).stream()).unwrap().clone());
        let roles = ids.map(|id| world.node(id).agent().role());
        world.with(ids[restarter], |peer, now| peer.restart(now));
        let mut sent = 0;
        for _ in 0..40 {
            for id in ids {
                assert!(world.with(id, |peer, _| peer.send(1, b"data")), "no route at {:?}", world.now());
            }
            sent += 1;
            world.run_for(Duration::from_millis(10));
        }
        settle(&mut world, ids);
        world.run_for(Duration::from_millis(100));
        for (n, id) in ids.iter().enumerate() {
            let peer = world.node(*id);
            assert_eq!(peer.received().len(), sent, "of side {n}");
            let now = peer.agent().local_credentials(peer.stream()).unwrap();
            assert_ne!(now.ufrag(), credentials[n].ufrag());
            assert_ne!(now.password(), credentials[n].password());
            let selected =
                peer.events().iter().filter(|(_, event)| matches!(event, Event::Selected { .. })).count();
            assert_eq!(selected, 2, "one for each generation");
        }
        assert_eq!(ids.map(|id| world.node(id).agent().role()), roles);
    }
}

fn restart(bench: &mut Bench) -> Generation {
    let generation = bench.agent.restart(bench.now, bench.stream).unwrap();
    bench.drain();
    generation
}

fn next_credentials() -> Credentials {
    Credentials::new("next", "thenextpasswordofthepeer").unwrap()
}

fn set_remote(bench: &mut Bench, credentials: Credentials) -> RemoteChange {
    let change = bench.agent.set_remote(bench.now, bench.stream, Remote::new(credentials)).unwrap();
    bench.drain();
    change
}

fn has_route(bench: &Bench) -> bool {
    bench.agent.route(bench.component()).is_some()
}

/// While the answer to a restart is awaited, the old path is asked under the old credentials, its answers count, the peer's
/// checks under them are answered under them, and none of it touches what is new.
///
/// Scenario: S-31
/// Proves: rfc7675-5.1-14, rfc8445-9-3, rfc8445-9-6, rfc8445-12.1-5
#[test]
fn the_old_path_keeps_its_consent_under_the_old_credentials() {
    let mut bench = Bench::completed(Role::Controlling);
    let old = bench.agent.local_credentials(bench.stream).unwrap().clone();
    let route = bench.agent.route(bench.component());
    let old_check = bench.peer_check();
    restart(&mut bench);
    let name = format!("{}:{}", harness::REMOTE_UFRAG, old.ufrag());
    for _ in 0..20 {
        let check = bench.next_check();
        assert_eq!(check.username.as_deref(), Some(&*name));
        assert!(check.is_signed_with(REMOTE_PASSWORD));
        assert_eq!(check.path.remote(), address(REMOTE));
        assert_eq!(bench.answer(&check), Fed::Control);
        assert_eq!(bench.agent.route(bench.component()), route);
    }
    let nominating = PeerCheck { use_candidate: true, ..old_check };
    assert_eq!(bench.feed(&nominating.encode()), Fed::Control);
    let answer = bench.last_answer().unwrap();
    assert_eq!(answer.class, Class::Success);
    assert!(answer.is_signed_with(old.password()));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::New));
    assert_eq!(bench.agent.pairs(bench.stream).count(), 0);
}

/// When the old path goes silent meanwhile, its data stops at thirty seconds as ever, and the application is told.
///
/// Proves: rfc7675-5.1-14, rfc7675-5.1-4
#[test]
fn the_old_path_is_lost_like_any_other_while_the_answer_to_a_restart_is_awaited() {
    let mut bench = Bench::completed(Role::Controlling);
    let check = bench.next_check();
    bench.answer(&check);
    restart(&mut bench);
    let (events, component) = (bench.events.len(), bench.component());
    bench.run_until(check.at + ms(29_999));
    assert!(has_route(&bench));
    bench.run_until(check.at + ms(30_000));
    assert!(!has_route(&bench));
    assert_eq!(
        bench.events[events..].iter().map(|(_, event)| event).collect::<Vec<_>>(),
        [&Event::Route { component }]
    );
    bench.run_for(Duration::from_secs(60));
    assert_eq!(bench.agent.deadline(), None);
}

/// An answer to a check of the generation before finds nothing to change.
///
/// Proves: rfc8445-9-2
#[test]
fn late_answers_to_checks_of_the_old_generation_are_ignored() {
    let mut bench = Bench::with(Config::new(), Role::Controlling);
    let check = bench.next_check();
    restart(&mut bench);
    assert_eq!(bench.answer(&check), Fed::Ignored(Ignored::UnknownTransaction));
    set_remote(&mut bench, next_credentials());
    bench.trickle(host("1", 1, REMOTE));
    assert_eq!(bench.answer(&check), Fed::Ignored(Ignored::UnknownTransaction));
    assert!(bench.agent.pairs(bench.stream).all(|pair| !pair.is_valid()));
}

/// What the old generation had is gone, and what it still says about itself is passed over; the end of its candidates is
/// not the end of the new ones'.
///
/// Scenario: S-33
/// Proves: rfc8445-9-2, rfc8838-9-3, rfc8838-15-1
#[test]
fn signalling_of_the_old_generation_is_ignored_and_new_candidates_count() {
    let mut bench = Bench::completed(Role::Controlling);
    let error = bench.agent.add_remote_candidate(bench.now, bench.stream, host("2", 1, "198.51.100.2:2000"));
    assert_eq!(error, Err(Error::EndOfCandidates));
    restart(&mut bench);
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 0);
    assert_eq!(set_remote(&mut bench, harness::remote_credentials()), RemoteChange::Unchanged);
    assert_eq!(bench.agent.remote_ufrag(bench.stream), None);
    assert_eq!(set_remote(&mut bench, next_credentials()), RemoteChange::Set);
    let old = host("2", 1, "198.51.100.2:2000").with_ufrag_of(&harness::remote_credentials());
    let refused = bench.agent.add_remote_candidate(bench.now, bench.stream, old);
    assert_eq!(refused, Err(Error::CandidateGeneration));
    bench.trickle(host("3", 1, "198.51.100.3:2000"));
    let paired: Vec<_> = bench.agent.pairs(bench.stream).map(|pair| pair.path().remote()).collect();
    assert_eq!(paired, [address("198.51.100.3:2000")]);
}

/// Candidates of the peer's next generation may overtake its credentials.
///
/// Lesson: L-47
#[test]
fn candidates_that_overtake_their_credentials_are_paired_when_those_come() {
    let news = next_credentials();
    let mut bench = Bench::with(Config::new(), Role::Controlling);
    bench.run_answering(at(1_000), |_| Some(ms(20)));
    bench.trickle(host("2", 1, "198.51.100.2:2000").with_ufrag_of(&news));
    assert_eq!(bench.selections(), [address(REMOTE)]);
    assert_eq!(set_remote(&mut bench, news), RemoteChange::Restarted);
    let paired: Vec<_> = bench.agent.pairs(bench.stream).map(|pair| pair.path().remote()).collect();
    assert_eq!(paired, [address("198.51.100.2:2000")]);
}

/// Half a restart is none.
///
/// Proves: rfc8445-9-1
#[test]
fn a_change_of_the_fragment_or_of_the_password_alone_is_refused() {
    let mut bench = Bench::completed(Role::Controlling);
    for (ufrag, password) in [("next", REMOTE_PASSWORD), (harness::REMOTE_UFRAG, "thenextpasswordofthepeer")]
    {
        let remote = Remote::new(Credentials::new(ufrag, password).unwrap());
        let answer = bench.agent.set_remote(bench.now, bench.stream, remote);
        assert_eq!(answer, Err(Error::SameCredentials));
        let own = bench.agent.local_credentials(bench.stream).unwrap().clone();
        for ours in [Credentials::new(own.ufrag(), password), Credentials::new("ours", own.password())] {
            let answer = bench.agent.restart_with(bench.now, bench.stream, ours.unwrap());
            assert_eq!(answer, Err(Error::SameCredentials));
        }
    }
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// Once a pair is selected, no other nomination and no other candidate moves the data: that takes a restart.
///
/// Proves: rfc8445-9-4
#[test]
fn another_destination_takes_a_restart() {
    let config = Config::new().nomination(floe::ice::Nomination::Manual);
    let mut bench = Bench::with(config, Role::Controlling);
    bench.trickle(host("2", 1, "198.51.100.2:2000"));
    bench.end_of_candidates();
    bench.run_answering(at(1_000), |_| Some(ms(20)));
    let valid: Vec<_> =
        bench.agent.pairs(bench.stream).filter(floe::Pair::is_valid).map(|it| it.id()).collect();
    bench.agent.nominate(bench.now, valid[0]).unwrap();
    bench.run_answering(at(2_000), |_| Some(ms(20)));
    let route = bench.agent.route(bench.component());
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    assert!(bench.agent.nominate(bench.now, valid[1]).is_err());
    let again = bench.agent.add_remote_candidate(bench.now, bench.stream, host("3", 1, "198.51.100.3:2000"));
    assert_eq!(again, Err(Error::EndOfCandidates));
    bench.run_answering(at(60_000), |_| Some(ms(20)));
    assert_eq!(bench.agent.route(bench.component()), route);
}

/// The sockets stay, and their candidates are signalled anew with the same addresses and foundations.
///
/// Proves: rfc8445-9-5
#[test]
fn bases_are_used_again() {
    let mut bench = Bench::completed(Role::Controlling);
    let events = bench.events.len();
    let before: Vec<_> =
        bench.agent.local_candidates(bench.stream).map(|(_, it)| it.address().clone()).collect();
    let generation = restart(&mut bench);
    let signalled: Vec<_> = bench.events[events..]
        .iter()
        .filter_map(|(_, event)| match event {
            Event::LocalCandidate { generation: of, candidate, .. } => {
                assert_eq!(*of, generation);
                Some(candidate.address().clone())
            }
            _ => None,
        })
        .collect();
    assert_eq!(signalled, before);
    assert!(bench.events[events..].iter().any(|(_, event)| matches!(event, Event::GatheringComplete { .. })));
}

/// Nothing that a restart made void is handed over after it: neither what was queued before, nor, where gathering goes on for
/// ever, what the questions of the old generation still bring.
///
/// Proves: rfc8445-9-2
/// Lesson: L-32
#[test]
fn no_candidate_of_an_older_generation_comes_after_a_restart() {
    for questions_are_under_way in [false, true] {
        let mut bench = Bench::bare(Config::new().continual_gathering(true), Role::Controlling);
        let server = floe::Server::stun(address("203.0.113.1:3478"));
        bench.agent.add_server(bench.now, server).unwrap();
        bench.base(harness::LOCAL);
        let options = Remote::new(harness::remote_credentials()).options("trickle continual");
        bench.agent.set_remote(bench.now, bench.stream, options).unwrap();
        bench.run_for(ms(200));
        let asked = bench.questions();
        assert_eq!(asked.len(), 1);
        if !questions_are_under_way {
            bench.serve(&asked[0], "203.0.113.9:1111");
        }
        let generation = restart(&mut bench);
        let own = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
        let before = bench.events.len();
        bench.serve(&asked[0], "203.0.113.9:2222");
        assert_eq!(bench.events.len(), before, "that was the old generation's question");
        bench.run_for(ms(200));
        let anew = bench.questions().pop().unwrap();
        assert_ne!(anew.id, asked[0].id);
        bench.serve(&anew, "203.0.113.9:3333");
        let late = bench.events[before..].iter().filter_map(|(_, event)| match event {
            Event::LocalCandidate { generation, candidate, .. } => Some((*generation, candidate.clone())),
            _ => None,
        });
        let late: Vec<_> = late.collect();
        assert_eq!(late.len(), 1);
        assert_eq!((late[0].0, late[0].1.ufrag()), (generation, Some(&*own)));
        assert_eq!(late[0].1.ip(), Some(address("203.0.113.9:3333")));
    }
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.agent.add_base(bench.now, bench.component(), floe::Base::udp(address(harness::LOCAL))).unwrap();
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    let generation = bench.agent.restart(bench.now, bench.stream).unwrap();
    let own = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
    bench.drain();
    let mut candidates = 0;
    for (_, event) in &bench.events {
        match event {
            Event::LocalCandidate { generation: of, candidate, .. } => {
                assert_eq!((*of, candidate.ufrag()), (generation, Some(&*own)));
                candidates += 1;
            }
            Event::GatheringComplete { generation: of, .. } => assert_eq!(*of, generation),
            _ => {}
        }
    }
    assert_eq!(candidates, 1);
}

/// Patience begins anew with the peer's new credentials.
///
/// Proves: rfc8863-4-8
#[test]
fn a_restart_has_a_patience_of_its_own() {
    let mut bench = Bench::completed(Role::Controlling);
    bench.run_until(at(60_000));
    restart(&mut bench);
    set_remote(&mut bench, next_credentials());
    bench.agent.end_of_remote_candidates(bench.now, bench.stream).unwrap();
    bench.run_until(at(99_499));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Checking));
    bench.run_until(at(99_500));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Failed(Reason::NoPairs)));
    assert!(!has_route(&bench));
    bench.run_for(Duration::from_secs(11));
    assert_eq!(bench.agent.deadline(), None, "the old path is not asked any more");
}

/// Of two restarts in a row, the path in use is that of the generation before both, even where the one between had found
/// a pair, and the credentials of the one between authenticate nothing.
#[test]
fn two_restarts_in_a_row_leave_data_where_it_was() {
    let mut bench = Bench::completed(Role::Controlling);
    let route = bench.agent.route(bench.component()).unwrap();
    restart(&mut bench);
    let between = bench.peer_check();
    set_remote(&mut bench, next_credentials());
    bench.trickle(host("2", 1, "198.51.100.2:2000"));
    let check = bench.next_check();
    let mut out = Vec::new();
    floe::stun::Builder::success(&mut out, floe::stun::Method::BINDING, check.id)
        .attribute(&floe::stun::XorMappedAddress(check.path.local()))
        .integrity(&Key::short_term(next_credentials().password().as_bytes()), floe::stun::Integrity::Sha1)
        .fingerprint();
    assert_eq!(bench.feed_path(check.path, &out), Fed::Control);
    assert!(bench.agent.pairs(bench.stream).any(|pair| pair.is_valid()));
    assert_eq!(bench.agent.route(bench.component()), Some(route));
    restart(&mut bench);
    assert_eq!(bench.agent.route(bench.component()), Some(route));
    assert_eq!(bench.feed(&between.encode()), Fed::Ignored(Ignored::Unauthenticated));
    bench.run_answering(bench.now + Duration::from_secs(60), |_| Some(ms(20)));
    assert_eq!(bench.agent.route(bench.component()), Some(route), "and its consent is kept");
}

/// A restart saves a stream whose consent is overdue, and one whose consent is lost.
///
/// Scenario: S-42
/// Proves: rfc7675-5.1-17
#[test]
fn a_restart_saves_a_stream_that_is_overdue_or_lost() {
    for silence in [8, 15, 40] {
        let (mut world, ids) = connected(5, [Nat::port_restricted(), Nat::none()]);
        world.unplug(ids[0]);
        world.run_for(Duration::from_secs(silence));
        let lost = matches!(world.node(ids[0]).state(), StreamState::Lost(_));
        assert_eq!(lost, silence > 36, "{:?}", world.node(ids[0]).state());
        world.plug(ids[0]);
        world.with(ids[1], |peer, now| peer.restart(now));
        world.run_for(ms(200));
        settle(&mut world, ids);
        assert_data_flows(&mut world, ids);
    }
}

fn assert_data_flows(world: &mut World<Peer>, ids: [NodeId; 2]) {
    let before = ids.map(|id| world.node(id).received().len());
    for id in ids {
        assert!(world.with(id, |peer, _| peer.send(1, b"data")));
    }
    world.run_for(ms(500));
    assert_eq!(ids.map(|id| world.node(id).received().len()), before.map(|count| count + 1));
}

/// Both sides may restart at once, and whatever crosses on the way, both end on the same generation.
#[test]
fn restarts_of_both_sides_that_cross_are_one_restart() {
    for (seed, apart) in [(11, 0), (12, 10), (13, 49), (14, 50), (15, 51), (16, 120)] {
        let (mut world, ids) = connected(seed, [Nat::port_restricted(), Nat::none()]);
        world.with(ids[0], |peer, now| peer.restart(now));
        world.run_for(ms(apart));
        world.with(ids[1], |peer, now| peer.restart(now));
        world.run_for(ms(300));
        settle(&mut world, ids);
        assert_same_generation(&world, ids);
        assert_data_flows(&mut world, ids);
    }
}

fn assert_same_generation(world: &World<Peer>, ids: [NodeId; 2]) {
    for (this, other) in [(0, 1), (1, 0)] {
        let (this, other) = (world.node(ids[this]), world.node(ids[other]));
        let theirs = other.agent().local_credentials(other.stream()).unwrap();
        assert_eq!(this.agent().remote_ufrag(this.stream()), Some(theirs.ufrag()));
    }
}

/// A restart at any instant once both sides know each other, by either side, loses nothing: gathering completes, both sides
/// connect, and the generation is the same on both.
///
///
/// Proves: rfc8445-9-7
/// Lesson: L-34, R-36
#[test]
fn a_restart_at_any_instant_of_the_first_generation_connects() {
    for restarter in [0, 1] {
        for instant in (50..400).step_by(10) {
            let (mut world, ids) = called(21 + instant, [Nat::port_restricted(), Nat::none()]);
            world.run_for(ms(instant));
            world.with(ids[restarter], |peer, now| peer.restart(now));
            world.run_for(ms(150));
            settle(&mut world, ids);
            assert_same_generation(&world, ids);
            assert_data_flows(&mut world, ids);
            for id in ids {
                let peer = world.node(id);
                assert_eq!(peer.agent().is_gathering_complete(peer.stream()), Some(true), "at {instant} ms");
            }
        }
    }
}

/// Gathering that is cut short by a restart begins anew and ends, whether the server answers or not.
///
///
/// Proves: rfc8838-13-1
/// Lesson: L-34
#[test]
fn a_restart_at_any_instant_of_gathering_leaves_gathering_that_completes() {
    for answered in [false, true] {
        for instant in (0..12_000).step_by(250) {
            let mut bench = Bench::bare(Config::new(), Role::Controlling);
            let server = floe::Server::stun(address("203.0.113.1:3478"));
            bench.agent.add_server(bench.now, server).unwrap();
            bench.base(harness::LOCAL);
            bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
            bench.drain();
            bench.run_until(at(instant));
            let generation = restart(&mut bench);
            bench.run_for(ms(100));
            let question = bench.requests().pop();
            if let Some(question) = question.filter(|_| answered) {
                let mut out = Vec::new();
                floe::stun::Builder::success(&mut out, floe::stun::Method::BINDING, question.id)
                    .attribute(&floe::stun::XorMappedAddress(address("203.0.113.9:4000")))
                    .fingerprint();
                bench.feed_path(question.path, &out);
            }
            bench.run_for(Duration::from_secs(11));
            assert_eq!(bench.agent.is_gathering_complete(bench.stream), Some(true), "at {instant} ms");
            let complete = |event: &Event| matches!(event, Event::GatheringComplete { generation: of, .. } if *of == generation);
            assert_eq!(
                bench.events.iter().filter(|(_, event)| complete(event)).count(),
                1,
                "at {instant} ms"
            );
        }
    }
}

/// Our offer of a restart is answered by checks before it is by signalling, which candidates overtake as well: all of it is
/// kept, and counts once the peer's credentials come.
///
///
/// Proves: rfc8445-7.3-2, rfc8445-7.3-3
/// Lesson: L-47
#[test]
fn checks_and_candidates_that_overtake_the_answer_to_a_restart_count_when_it_comes() {
    let mut bench = Bench::completed(Role::Controlled);
    restart(&mut bench);
    let next = next_credentials();
    let ours = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
    let username = Some(format!("{ours}:{}", next.ufrag()));
    let check = PeerCheck { username, use_candidate: true, ..bench.peer_check() };
    assert_eq!(bench.feed_on(harness::LOCAL, "198.51.100.9:9000", &check.encode()), Fed::Control);
    assert_eq!(bench.last_answer().unwrap().error, None);
    bench.trickle(host("2", 1, "198.51.100.2:2000").with_ufrag_of(&next));
    bench.run_for(ms(1_000));
    assert!(
        bench.checks().iter().all(|check| check.path.remote() == address(REMOTE)),
        "nothing to sign with"
    );
    assert_eq!(set_remote(&mut bench, next), RemoteChange::Set);
    let mut paired: Vec<_> = bench.agent.pairs(bench.stream).map(|pair| pair.path().remote()).collect();
    paired.sort_unstable();
    assert_eq!(paired, ["198.51.100.2:2000", "198.51.100.9:9000"].map(address));
    let triggered = bench.next_check();
    assert_eq!(triggered.path.remote(), address("198.51.100.9:9000"), "before the other one");
    let mut out = Vec::new();
    floe::stun::Builder::success(&mut out, floe::stun::Method::BINDING, triggered.id)
        .attribute(&floe::stun::XorMappedAddress(triggered.path.local()))
        .integrity(&Key::short_term(next_credentials().password().as_bytes()), floe::stun::Integrity::Sha1)
        .fingerprint();
    assert_eq!(bench.feed_path(triggered.path, &out), Fed::Control);
    assert_eq!(bench.selections().last(), Some(&address("198.51.100.9:9000")), "the nomination was kept");
}

/// We restart, and restart again before the answer to the first has come: the two answers come one after the other.
#[test]
fn an_answer_to_an_earlier_restart_is_told_from_the_answer_to_the_last_one() {
    let mut bench = Bench::completed(Role::Controlling);
    restart(&mut bench);
    let first = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
    restart(&mut bench);
    let second = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
    let stale = Remote::new(Credentials::new("stale", "anoldpasswordofthepeer/1").unwrap());
    let stale = stale.candidates([host("7", 1, "198.51.100.7:7000")]).answering(&first);
    assert_eq!(bench.agent.set_remote(bench.now, bench.stream, stale.clone()), Ok(RemoteChange::Unchanged));
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 0);
    let fresh = Remote::new(next_credentials()).answering(&second);
    assert_eq!(bench.agent.set_remote(bench.now, bench.stream, fresh), Ok(RemoteChange::Set));
    assert_eq!(bench.agent.set_remote(bench.now, bench.stream, stale), Ok(RemoteChange::Unchanged));
    let ours = bench.agent.local_credentials(bench.stream).unwrap();
    assert_eq!(ours.ufrag(), second, "nobody restarts because of it");
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 0);
}

/// The end of candidates that the peer signals under a fragment is the end of that generation and of no other: the one before
/// has no say any more, and the next one may announce its end before its credentials.
///
/// Proves: rfc8838-14-3
#[test]
fn the_end_of_candidates_is_that_of_the_generation_whose_fragment_it_names() {
    let mut bench = Bench::completed(Role::Controlling);
    bench.agent.restart(bench.now, bench.stream).unwrap();
    let end = |bench: &mut Bench, ufrag: &str| {
        bench.agent.end_of_remote_candidates_under(bench.now, bench.stream, ufrag)
    };
    let more = |bench: &mut Bench, port: u16| {
        let candidate = host(&port.to_string(), 1, &format!("198.51.100.9:{port}"));
        bench.agent.add_remote_candidate(bench.now, bench.stream, candidate).map(drop)
    };
    assert_eq!(end(&mut bench, harness::REMOTE_UFRAG), Err(Error::CandidateGeneration));
    set_remote(&mut bench, next_credentials());
    assert_eq!(end(&mut bench, harness::REMOTE_UFRAG), Err(Error::CandidateGeneration));
    assert_eq!(more(&mut bench, 1), Ok(()));
    assert_eq!(end(&mut bench, "third"), Ok(()));
    assert_eq!(more(&mut bench, 2), Ok(()), "that is not the end of this one");
    assert_eq!(end(&mut bench, next_credentials().ufrag()), Ok(()));
    assert_eq!(more(&mut bench, 3), Err(Error::EndOfCandidates));
    let third = Credentials::new("third", "thethirdpasswordofthepeer").unwrap();
    for announced in [false, true] {
        let mut bench = Bench::completed(Role::Controlling);
        if announced {
            assert_eq!(end(&mut bench, "third"), Ok(()));
        }
        set_remote(&mut bench, third.clone());
        assert_eq!(more(&mut bench, 4).is_err(), announced);
    }
}
