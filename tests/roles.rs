//! Role conflicts: who gives way, and what that changes (RFC 8445 sections 7.2.5.1 and 7.3.1.1).

mod harness;

use floe::ice::{Credentials, PairState, Role, StreamId};
use floe::stun::ErrorCode;
use floe::{
    Agent, Base, Config, Event, Ignored, Output, Path, Reason, Received, Remote, Seed, StreamState, Timestamp,
};
use harness::{Bench, Fed, LOCAL, PeerCheck, REMOTE, Sent, address, at, host, manual, ms, typed};

const OTHER: &str = "198.51.100.1:2002";
const UNKNOWN: &str = "198.51.100.9:9000";
const ROLES: [Role; 2] = [Role::Controlling, Role::Controlled];

/// The role and tie-breaker that a check claims.
fn claim(check: &Sent) -> (Role, u64) {
    match (check.controlling, check.controlled) {
        (Some(tie_breaker), None) => (Role::Controlling, tie_breaker),
        (None, Some(tie_breaker)) => (Role::Controlled, tie_breaker),
        both => panic!("{both:?}"),
    }
}

fn conflict(bench: &mut Bench, check: &Sent) -> Fed {
    let answer = bench.error(check, ErrorCode::ROLE_CONFLICT);
    bench.feed_path(check.path, &answer)
}

/// An agent whose first check has been sent, so that its tie-breaker is known.
fn checking(role: Role) -> (Bench, Sent) {
    let mut bench = Bench::with(manual(), role);
    let check = bench.next_check();
    (bench, check)
}

/// Proves: rfc8445-7.2.5.1-1, rfc8445-7.2.5.1-2, rfc8445-7.2.5.1-3
#[test]
fn after_a_487_the_agent_takes_the_other_role_and_repeats_the_check_with_a_new_tie_breaker() {
    for role in ROLES {
        let mut bench = Bench::with(manual(), role);
        bench.trickle(typed("2", "host", 77, OTHER));
        let first = bench.next_check();
        assert_eq!(conflict(&mut bench, &first), Fed::Control);
        assert_eq!(bench.agent.role(), role.other());
        assert!(bench.saw(|event| *event == Event::Role(role.other())));
        assert_eq!(bench.pair_states()[0], (address(REMOTE), PairState::Waiting));
        let again = bench.next_check();
        assert_eq!(again.path, first.path, "before the pair that has been waiting");
        assert_eq!(claim(&again).0, role.other());
        assert_ne!(claim(&again).1, claim(&first).1);
        assert_eq!(claim(&bench.next_check()), claim(&again));
    }
}

/// Proves: rfc8445-7.2.5.1-4
/// Lesson: L-03, L-05
#[test]
fn after_a_487_priorities_are_of_the_new_role_and_a_nomination_on_its_way_is_void() {
    let mut bench = Bench::new(Role::Controlling);
    bench.trickle(typed("2", "host", 2_130_706_175, OTHER));
    let first = bench.next_check();
    let other = bench.next_check();
    bench.answer(&first);
    let nominating = bench.next_check();
    assert!(nominating.use_candidate);
    conflict(&mut bench, &other);
    assert_eq!(bench.agent.role(), Role::Controlled);
    let mut asymmetric = false;
    for pair in bench.agent.pairs(bench.stream) {
        let (local, remote) = (pair.local().priority(), pair.remote().priority());
        assert_eq!(pair.priority(), Role::Controlled.pair_priority(local, remote));
        asymmetric |= pair.priority() != Role::Controlling.pair_priority(local, remote);
    }
    assert!(asymmetric, "the role makes a difference");
    // The answer to the nomination still comes, and selects nothing.
    bench.answer(&nominating);
    bench.run_answering(at(5_000), |_| Some(ms(10)));
    assert_eq!(bench.selections(), []);
    assert!(bench.requests().iter().all(|it| !it.use_candidate || it.id == nominating.id));
    let later: Vec<_> = bench.checks().into_iter().filter(|it| it.at > nominating.at).collect();
    assert!(!later.is_empty() && later.iter().all(|it| claim(it).0 == Role::Controlled));
    bench.peer_checks(true);
    assert_eq!(bench.selections(), [address(REMOTE)], "the peer nominates now");
}

/// Proves: rfc8445-7.2.5.1-5, rfc8489-9.1.4-2
/// Scenario: S-27
#[test]
fn a_forged_487_changes_nothing() {
    let (mut bench, check) = checking(Role::Controlling);
    let mut unsigned = Vec::new();
    floe::stun::Builder::error(
        &mut unsigned,
        floe::stun::Method::BINDING,
        check.id,
        &ErrorCode::ROLE_CONFLICT,
    )
    .fingerprint();
    let mut other = Vec::new();
    let key = floe::stun::Key::short_term(b"not the password of the peer");
    floe::stun::Builder::error(&mut other, floe::stun::Method::BINDING, check.id, &ErrorCode::ROLE_CONFLICT)
        .integrity(&key, floe::stun::Integrity::Sha1)
        .fingerprint();
    let (events, deadline) = (bench.events.len(), bench.agent.deadline());
    for forged in [unsigned, other] {
        assert_eq!(bench.feed(&forged), Fed::Ignored(Ignored::BadIntegrity));
        assert_eq!(bench.agent.role(), Role::Controlling);
        assert_eq!(bench.pair_states()[0].1, PairState::InProgress(check.id));
        assert_eq!((bench.events.len(), bench.agent.deadline()), (events, deadline));
    }
}

/// Proves: rfc8445-7.2.5.1-1
/// Scenario: S-26
#[test]
fn two_487s_for_one_conflict_change_the_role_once() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    bench.trickle(typed("2", "host", 77, OTHER));
    let checks = [bench.next_check(), bench.next_check()];
    for check in &checks {
        conflict(&mut bench, check);
        assert_eq!(bench.agent.role(), Role::Controlled);
    }
    let repeated = [bench.next_check(), bench.next_check()];
    assert_eq!(repeated.each_ref().map(|it| it.path), checks.each_ref().map(|it| it.path));
    assert_eq!(claim(&repeated[0]), claim(&repeated[1]));
}

/// Proves: rfc8445-7.3.1.1-1, rfc8445-7.3.1.1-2, rfc8445-7.3.1.1-3, rfc8445-7.3.1.1-4, rfc8489-6.3.1.1-1, rfc8489-6.3.1.1-3
#[test]
fn the_larger_tie_breaker_controls_and_equal_ones_leave_it_to_the_receiver() {
    for (role, offset, keeps) in [
        (Role::Controlling, -1, Some(487)),
        (Role::Controlling, 0, Some(487)),
        (Role::Controlling, 1, None),
        (Role::Controlled, 1, Some(487)),
        (Role::Controlled, 0, None),
        (Role::Controlled, -1, None),
    ] {
        let (mut bench, first) = checking(role);
        let theirs = claim(&first).1.wrapping_add_signed(offset);
        let check = PeerCheck { role: Some((role, theirs)), ..bench.peer_check() };
        bench.feed(&check.encode());
        let answer = bench.last_answer().unwrap();
        assert_eq!(answer.error, keeps, "{role} {offset}");
        assert!(answer.is_signed_with(bench.agent.local_credentials(bench.stream).unwrap().password()));
        let expected = if keeps.is_some() { role } else { role.other() };
        assert_eq!(bench.agent.role(), expected);
        bench.trickle(typed("2", "host", 77, OTHER));
        let next = bench.next_check();
        assert_eq!(claim(&next), (expected, claim(&first).1), "the tie-breaker stays");
    }
}

/// Proves: rfc8445-7.3.1.1-5
#[test]
fn without_a_claim_or_with_the_other_role_there_is_no_conflict() {
    for role in ROLES {
        for claimed in [None, Some((role.other(), 0)), Some((role.other(), u64::MAX))] {
            let (mut bench, _) = checking(role);
            let check = PeerCheck { role: claimed, ..bench.peer_check() };
            assert_eq!(bench.feed(&check.encode()), Fed::Control);
            assert_eq!(bench.last_answer().unwrap().error, None);
            assert_eq!(bench.agent.role(), role);
        }
    }
}

/// Proves: rfc8445-7.3.1.1-6
#[test]
fn nothing_follows_from_a_check_that_is_answered_with_487() {
    let (mut bench, own) = checking(Role::Controlling);
    bench.answer(&own);
    let check = PeerCheck { role: Some((Role::Controlling, 0)), use_candidate: true, ..bench.peer_check() };
    for from in [REMOTE, UNKNOWN] {
        assert_eq!(bench.feed_on(LOCAL, from, &check.encode()), Fed::Ignored(Ignored::Refused));
        let answer = bench.last_answer().unwrap();
        assert_eq!((answer.error, answer.path.remote()), (Some(487), address(from)));
        assert!(answer.is_signed_with(bench.agent.local_credentials(bench.stream).unwrap().password()));
    }
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 1);
    assert_eq!(bench.selections(), []);
    bench.run_for(ms(5_000));
    assert_eq!(bench.checks().len(), 1);
}

/// Proves: rfc8445-7.3.1.1-7
/// Lesson: L-01
#[test]
fn one_check_of_a_stranger_switches_the_role_is_answered_and_has_its_pair_checked() {
    let (mut bench, _) = checking(Role::Controlling);
    let check =
        PeerCheck { role: Some((Role::Controlling, u64::MAX)), use_candidate: true, ..bench.peer_check() };
    assert_eq!(bench.feed_on(LOCAL, UNKNOWN, &check.encode()), Fed::Control);
    assert_eq!(bench.agent.role(), Role::Controlled);
    assert_eq!(bench.last_answer().unwrap().mapped, Some(address(UNKNOWN)));
    for pair in bench.agent.pairs(bench.stream) {
        let (local, remote) = (pair.local().priority(), pair.remote().priority());
        assert_eq!(pair.priority(), Role::Controlled.pair_priority(local, remote));
    }
    let triggered = bench.next_check();
    assert_eq!((triggered.path.remote(), claim(&triggered).0), (address(UNKNOWN), Role::Controlled));
    bench.answer(&triggered);
    assert_eq!(bench.selections(), [address(UNKNOWN)], "the flag was heeded in the new role");
}

/// Proves: rfc8445-7.3.1.1-8
#[test]
fn one_tie_breaker_serves_all_checks_of_all_streams() {
    let mut bench = Bench::with(manual(), Role::Controlled);
    bench.trickle(typed("2", "host", 77, OTHER));
    let video = bench.agent.add_stream(1).unwrap();
    bench.agent.add_base(bench.now, video.component(1), Base::udp(address("192.0.2.1:1002"))).unwrap();
    bench.agent.set_remote(bench.now, video, Remote::new(harness::remote_credentials())).unwrap();
    bench.agent.add_remote_candidate(bench.now, video, host("9", 1, "198.51.100.1:3000")).unwrap();
    bench.drain();
    let checks: Vec<_> = (0..3).map(|_| bench.next_check()).collect();
    assert!(checks.iter().any(|it| it.path.remote() == address("198.51.100.1:3000")));
    assert!(checks.iter().all(|it| claim(it) == claim(&checks[0])));
    assert_ne!(claim(&checks[0]).1, 0);
}

/// A peer that claims our role again and again, each time with the tie-breaker that wins.
#[test]
fn a_peer_cannot_have_the_role_change_without_end() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    for _ in 0..100 {
        let role = bench.agent.role();
        let wins = if role == Role::Controlling { u64::MAX } else { 0 };
        let check = PeerCheck { role: Some((role, wins)), ..bench.peer_check() };
        bench.feed(&check.encode());
        bench.run_for(ms(100));
    }
    let switches = bench.events.iter().filter(|(_, event)| matches!(event, Event::Role(_))).count();
    assert_eq!(switches, 4);
    assert_eq!(bench.last_answer().unwrap().error, Some(487));
}

/// Two agents and a wire of 10 ms between them.
struct Two {
    agents: [Agent; 2],
    streams: [StreamId; 2],
    now: Timestamp,
    /// When, to whom, what.
    wire: Vec<(Timestamp, usize, Path, Vec<u8>)>,
    switches: [usize; 2],
    conflicts: usize,
}

impl Two {
    fn new(roles: [Role; 2], seeds: [u8; 2]) -> Self {
        let mut agents =
            [0, 1].map(|i: usize| Agent::new(Config::new(), roles[i], Seed::from([seeds[i]; 32])));
        let local = [LOCAL, REMOTE].map(address);
        let credentials = ["left", "rght"].map(|ufrag| Credentials::new(ufrag, &ufrag.repeat(6)).unwrap());
        let streams = [0, 1].map(|i| {
            let stream = agents[i].add_stream_with(1, credentials[i].clone()).unwrap();
            agents[i].add_base(Timestamp::ZERO, stream.component(1), Base::udp(local[i])).unwrap();
            agents[i].end_of_bases(Timestamp::ZERO, stream).unwrap();
            stream
        });
        for i in [0, 1] {
            let remote = Remote::new(credentials[1 - i].clone())
                .candidates([host("1", 1, &local[1 - i].to_string())])
                .complete();
            agents[i].set_remote(Timestamp::ZERO, streams[i], remote).unwrap();
        }
        Self { agents, streams, now: Timestamp::ZERO, wire: Vec::new(), switches: [0; 2], conflicts: 0 }
    }

    fn drain(&mut self) {
        for (i, agent) in self.agents.iter_mut().enumerate() {
            while let Some(output) = agent.poll_output() {
                match output {
                    Output::Transmit(sent) => {
                        let path = Path::udp(sent.path.remote(), sent.path.local());
                        self.wire.push((self.now + ms(10), 1 - i, path, sent.payload.to_vec()));
                    }
                    Output::Event(Event::Role(_)) => self.switches[i] += 1,
                    Output::Event(_) | Output::Connect(_) | Output::Disconnect(_) => {}
                }
            }
        }
    }

    /// Runs until both have completed, at most for so long, and says whether they have. The agent that is `late`
    /// misses the first 25 ms of timeouts.
    fn settles_within(&mut self, limit: Timestamp, late: Option<usize>) -> bool {
        self.drain();
        for _ in 0..10_000 {
            let starts = |i: usize| if late == Some(i) { at(25) } else { at(0) };
            let woken = (0..2).filter_map(|i| Some((self.agents[i].deadline()?.max(starts(i)), i))).min();
            let arrival = self.wire.iter().map(|(when, ..)| *when).min();
            let next = woken.map(|(when, _)| when).into_iter().chain(arrival).min();
            let Some(next) = next.filter(|next| *next <= limit) else { break };
            self.now = self.now.max(next);
            if let Some(k) = self.wire.iter().position(|(when, ..)| Some(*when) == arrival && *when <= next) {
                let (_, to, path, bytes) = self.wire.remove(k);
                let received = self.agents[to].handle_datagram(self.now, path, &bytes);
                self.conflicts += usize::from(received == Received::Ignored(Ignored::Refused));
            } else if let Some((_, i)) = woken {
                self.agents[i].handle_timeout(self.now);
            }
            self.drain();
        }
        let state = |i: usize| self.agents[i].state(self.streams[i]);
        (0..2).all(|i| state(i) == Some(StreamState::Completed))
    }

    fn roles(&self) -> [Role; 2] {
        self.agents.each_ref().map(Agent::role)
    }
}

/// Proves: rfc8445-7.3.1.1-1, rfc8445-7.3.1.1-3, rfc8445-7.2.5.1-1, rfc8445-7.2.5.1-3
/// Scenario: S-23
/// Scenario: S-24
/// Scenario: S-25
/// Lesson: L-02
#[test]
fn two_agents_settle_every_conflict_whatever_their_roles_tie_breakers_and_order() {
    let mut conflicts = 0;
    for roles in ROLES.map(|left| ROLES.map(|right| [left, right])).as_flattened() {
        // Equal seeds make equal tie-breakers; the others order them both ways.
        for seeds in [[1, 2], [2, 1], [3, 3]] {
            for late in [None, Some(0), Some(1)] {
                // Alike in everything, the two would mirror each other.
                if seeds == [3, 3] && late.is_none() && roles[0] == roles[1] {
                    continue;
                }
                let mut two = Two::new(*roles, seeds);
                let context = (roles, seeds, late);
                assert!(two.settles_within(at(1_000), late), "{context:?} {:?}", two.roles());
                assert_eq!(two.roles()[0], two.roles()[1].other(), "{context:?}");
                let expected = usize::from(roles[0] == roles[1]);
                let equal_tie_breakers = seeds == [3, 3];
                let switches = two.switches[0] + two.switches[1];
                assert!(
                    switches == expected || (equal_tie_breakers && switches % 2 == expected),
                    "{context:?} {:?}",
                    two.switches
                );
                assert!(two.switches.iter().all(|count| *count <= 2), "{context:?} {:?}", two.switches);
                conflicts += two.conflicts;
            }
        }
    }
    assert!(conflicts > 0, "487 was part of it");
}

/// Proves: rfc8445-7.2.5.1-2
/// Lesson: L-03
#[test]
fn after_a_487_to_a_nomination_the_check_is_repeated_without_it_and_the_peer_nominates() {
    let mut bench = Bench::new(Role::Controlling);
    bench.end_of_candidates();
    let first = bench.next_check();
    bench.answer(&first);
    let nominating = bench.next_check();
    assert!(nominating.use_candidate);
    assert_eq!(conflict(&mut bench, &nominating), Fed::Control);
    let again = bench.next_check();
    assert_eq!((again.path, again.use_candidate), (nominating.path, false));
    assert_eq!(claim(&again).0, Role::Controlled);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Connected), "the pair stays valid");
    bench.answer(&again);
    bench.run_for(ms(5_000));
    assert_eq!(bench.selections(), []);
    bench.peer_checks(true);
    assert_eq!(bench.selections(), [address(REMOTE)]);
}

/// Proves: rfc8445-7.2.5.1-2
#[test]
fn a_late_487_has_the_check_that_took_its_place_repeated_no_more() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    let first = bench.next_check();
    bench.run_until(at(100));
    bench.peer_checks(false);
    let second = bench.next_check();
    assert_eq!(second.path, first.path);
    conflict(&mut bench, &first);
    assert_eq!(bench.agent.role(), Role::Controlled);
    let third = bench.next_check();
    assert_eq!((third.path, claim(&third).0), (first.path, Role::Controlled));
    bench.run_until(at(30_000));
    let repeated = |check: &Sent| bench.requests().iter().filter(|it| it.id == check.id).count() > 1;
    assert!(repeated(&third) && !repeated(&second));
    assert_eq!(bench.pair_states()[0].1, PairState::InProgress(third.id));
    bench.answer(&second);
    assert_eq!(bench.pair_states()[0].1, PairState::Succeeded, "late as it is, it counts");
}

/// Proves: rfc8445-7.2.5.1-4
#[test]
fn an_agent_that_is_made_to_control_again_nominates_anew() {
    let mut bench = Bench::new(Role::Controlling);
    bench.end_of_candidates();
    let first = bench.next_check();
    bench.answer(&first);
    let nominating = bench.next_check();
    conflict(&mut bench, &nominating);
    let check = PeerCheck { role: Some((Role::Controlled, 0)), ..bench.peer_check() };
    bench.feed(&check.encode());
    assert_eq!(bench.agent.role(), Role::Controlling);
    let again = bench.next_check();
    assert!(again.use_candidate && again.id != nominating.id);
    bench.answer(&again);
    assert_eq!(bench.selections(), [address(REMOTE)]);
}

#[test]
fn a_valid_pair_whose_check_is_repeated_after_a_487_and_lost_is_valid_no_longer() {
    let mut bench = Bench::new(Role::Controlling);
    bench.end_of_candidates();
    let first = bench.next_check();
    bench.answer(&first);
    let nominating = bench.next_check();
    conflict(&mut bench, &nominating);
    let again = bench.next_check();
    bench.run_until(again.at + ms(39_499));
    assert!(bench.agent.route(bench.component()).is_some());
    bench.run_for(ms(1));
    assert_eq!(bench.pair_states(), [(address(REMOTE), PairState::Failed)]);
    assert!(bench.agent.route(bench.component()).is_none());
    assert_eq!(bench.states().last(), Some(&StreamState::Failed(Reason::Timeout)));
}

/// Whoever is told that we do not consent has no say in who controls.
#[test]
fn a_check_that_is_answered_with_403_does_not_change_the_role() {
    let (mut bench, _) = checking(Role::Controlling);
    bench.agent.revoke_consent(bench.now, bench.stream).unwrap();
    let check = PeerCheck { role: Some((Role::Controlling, u64::MAX)), ..bench.peer_check() };
    assert_eq!(bench.feed(&check.encode()), Fed::Ignored(Ignored::Refused));
    assert_eq!(bench.last_answer().unwrap().error, Some(403));
    assert_eq!(bench.agent.role(), Role::Controlling);
}

/// It knows our password, as the other branch of a forked call does, but it is not the peer that we have.
#[test]
fn a_check_under_another_fragment_than_the_peers_does_not_change_the_role() {
    let (mut bench, _) = checking(Role::Controlling);
    let own = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
    let other = Some(format!("{own}:other"));
    let check =
        PeerCheck { username: other, role: Some((Role::Controlling, u64::MAX)), ..bench.peer_check() };
    assert_eq!(bench.feed(&check.encode()), Fed::Control);
    assert_eq!(bench.last_answer().unwrap().error, None);
    assert_eq!(bench.agent.role(), Role::Controlling);
}

/// A conflict that has changed the role too often is not changed a fifth time, and the stream that fails says why.
#[test]
fn a_role_conflict_without_end_is_the_reason_of_the_failure_that_follows() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    bench.end_of_candidates();
    for _ in 0..5 {
        let role = bench.agent.role();
        let wins = if role == Role::Controlling { u64::MAX } else { 0 };
        let check = PeerCheck { role: Some((role, wins)), ..bench.peer_check() };
        bench.feed(&check.encode());
        bench.run_for(ms(100));
    }
    bench.run_for(ms(80_000));
    assert_eq!(bench.states().last(), Some(&StreamState::Failed(Reason::RoleConflict)));
}

/// The peer's check has cancelled ours and had it repeated, in the role that the peer's has led to: that ours was in the
/// other role is no news.
#[test]
fn a_487_to_a_check_that_another_has_replaced_in_the_new_role_leads_to_no_third() {
    let mut bench = Bench::with(manual(), Role::Controlling);
    let first = bench.next_check();
    bench.run_until(at(100));
    let check = PeerCheck { role: Some((Role::Controlling, u64::MAX)), ..bench.peer_check() };
    bench.feed(&check.encode());
    let second = bench.next_check();
    assert_eq!((second.path, claim(&second).0), (first.path, Role::Controlled));
    conflict(&mut bench, &first);
    bench.run_for(ms(1_000));
    assert_eq!(bench.checks().len(), 2);
    assert_eq!(bench.pair_states()[0].1, PairState::InProgress(second.id));
}

/// A peer of RFC 5245 restarts as the offerer, and controls from then on; or believes so until we correct it. Either way the
/// conflict is resolved like any other, and the new generation finds its pair.
///
/// Proves: rfc8445-6.1.1-5
#[test]
fn a_peer_that_determines_the_roles_anew_at_its_restart_is_followed_or_corrected() {
    for tie_breaker in [0, u64::MAX] {
        let mut bench = Bench::bare(Config::new().consent(false), Role::Controlling);
        bench.base(LOCAL);
        let before = Credentials::new("before", "thepasswordbefore/1234567").unwrap();
        bench.agent.set_remote(bench.now, bench.stream, Remote::new(before)).unwrap();
        bench.run_until(at(1_000));
        let change = bench.agent.set_remote(
            bench.now,
            bench.stream,
            Remote::new(harness::remote_credentials()).candidates([host("1", 1, REMOTE)]).complete(),
        );
        assert_eq!(change, Ok(floe::RemoteChange::Restarted));
        bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
        let claims = |bench: &mut Bench, role| {
            let use_candidate = role == Role::Controlling;
            PeerCheck { role: Some((role, tie_breaker)), use_candidate, ..bench.peer_check() }.encode()
        };
        let check = claims(&mut bench, Role::Controlling);
        let fed = bench.feed(&check);
        if tie_breaker == 0 {
            assert_eq!(fed, Fed::Ignored(Ignored::Refused));
            assert_eq!(bench.last_answer().unwrap().error, Some(487));
            let check = claims(&mut bench, Role::Controlled);
            bench.feed(&check);
        }
        let ours = if tie_breaker == 0 { Role::Controlling } else { Role::Controlled };
        assert_eq!(bench.agent.role(), ours);
        bench.run_answering(at(3_000), |_| Some(ms(5)));
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed), "{tie_breaker}");
        assert_eq!(bench.selections(), [address(REMOTE)]);
    }
}

/// Nobody sets the role, and a restart by either side leaves it where a conflict has put it.
///
///
/// Proves: rfc8445-6.1.1-4
/// Lesson: L-04
#[test]
fn a_restart_leaves_the_role_where_a_conflict_has_put_it() {
    for (initial, peer_restarts) in ROLES.into_iter().flat_map(|role| [(role, false), (role, true)]) {
        let mut bench = Bench::new(initial);
        let check = bench.next_check();
        conflict(&mut bench, &check);
        assert_eq!(bench.agent.role(), initial.other());
        let roles = bench.events.len();
        if !peer_restarts {
            bench.agent.restart(bench.now, bench.stream).unwrap();
        }
        let next = Credentials::new("next", "thenextpasswordofthepeer").unwrap();
        bench.agent.set_remote(bench.now, bench.stream, Remote::new(next)).unwrap();
        bench.trickle(host("1", 1, REMOTE));
        assert_eq!(claim(&bench.next_check()).0, initial.other());
        assert_eq!(bench.agent.role(), initial.other());
        assert!(!bench.events[roles..].iter().any(|(_, event)| matches!(event, Event::Role(_))));
    }
}
