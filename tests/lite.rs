//! ICE lite (RFC 8445 sections 5.2, 7.3.2 and 8.2): an agent that answers, and two of the kind.

mod harness;

use core::time::Duration;

use floe::ice::{CheckListState, Credentials, Role, StreamId};
use floe::sdp::{Description, Line, Media};
use floe::stun::{AttributeType, Integrity};
use floe::{
    Agent, Base, Config, Error, Event, Output, Path, Provenance, Reason, Remote, Seed, Server, StreamState,
    Timestamp,
};
use harness::{Bench, Fed, LOCAL, PeerCheck, REMOTE, address, at, ms};

/// Another address of the peer.
const ELSEWHERE: &str = "198.51.100.1:2222";

/// A lite agent with these addresses, one component, and its candidates announced.
fn lite_at(addresses: &[&str]) -> Bench {
    let mut bench = Bench::bare(Config::new().lite(true), Role::Controlling);
    for address in addresses {
        bench.base(address);
    }
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.drain();
    bench
}

/// A lite agent that knows its full peer.
fn lite() -> Bench {
    let mut bench = lite_at(&[LOCAL]);
    bench.remote();
    bench
}

/// Everything that a bench has sent is an answer.
fn only_answers(bench: &Bench) -> bool {
    bench.requests().is_empty()
        && bench
            .sent
            .iter()
            .all(|(_, it)| matches!(it.payload.first(), Some(1)) && it.path.local() == address(LOCAL))
}

/// The peer checks from `from` with this PRIORITY.
fn checked_from(bench: &mut Bench, from: &str, priority: u32, use_candidate: bool) -> Fed {
    let check = PeerCheck { priority: Some(priority), use_candidate, ..bench.peer_check() };
    bench.feed_on(LOCAL, from, &check.encode())
}

fn is_routed(bench: &Bench) -> bool {
    bench.agent.route(bench.component()).is_some()
}

/// Its candidates are ranked together, once.
#[test]
fn a_lite_agent_takes_no_base_after_the_last_one() {
    let mut bench = lite();
    let late = Base::udp(address("192.0.2.2:1000"));
    let refused = bench.agent.add_base(bench.now, bench.component(), late);
    assert_eq!(refused, Err(Error::EndOfBases));
}

/// Proves: rfc8445-5.2-1
#[test]
fn a_lite_agent_refuses_servers() {
    let mut agent = Agent::new(Config::new().lite(true), Role::Controlled, Seed::from([1; 32]));
    let server = Server::stun(address("198.51.100.9:3478"));
    assert_eq!(agent.add_server(at(0), server), Err(Error::LiteServer));
}

/// Proves: rfc8445-5.2-2, rfc8445-5.2-4, rfc8445-5.2-6
#[test]
fn a_lite_agent_has_one_candidate_for_an_address_and_component() {
    let mut bench = Bench::with_components(Config::new().lite(true), Role::Controlled, 2);
    bench.base_of(1, "192.0.2.1:1000");
    bench.base_of(2, "192.0.2.1:1001");
    let again = bench.agent.add_base(bench.now, bench.component(), Base::udp(address("192.0.2.1:1002")));
    assert_eq!(again, Err(Error::LiteAddress));
    bench.base_of(1, "[2001:db8::1]:1000");
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    let of = |component: u16, v4: bool| {
        let mut all = bench.agent.local_candidates(bench.stream).map(|(_, candidate)| candidate);
        all.find(|it| it.component() == component && it.ip().unwrap().is_ipv4() == v4).cloned().unwrap()
    };
    assert_eq!(bench.agent.local_candidates(bench.stream).count(), 3);
    assert_eq!(of(1, true).foundation(), of(2, true).foundation());
    assert_ne!(of(1, true).foundation(), of(1, false).foundation());
}

/// Proves: rfc8445-5.2-3, rfc8445-5.2-5
#[test]
fn priorities_follow_the_families_of_all_addresses_and_are_unique() {
    let preferences = |addresses: &[&str]| -> Vec<u16> {
        let bench = lite_at(addresses);
        let candidates = bench.agent.local_candidates(bench.stream);
        candidates
            .map(|(_, it)| {
                assert_eq!(it.priority().get() >> 24, 126);
                it.priority().local_preference()
            })
            .collect()
    };
    assert_eq!(preferences(&["192.0.2.1:1"]), [65_535]);
    // Whichever comes first.
    assert_eq!(preferences(&["192.0.2.1:1", "[2001:db8::1]:1"]), [35, 40]);
    assert_eq!(preferences(&["[2001:db8::1]:1", "192.0.2.1:1"]), [40, 35]);
    // Against the RFC's advice, and in order all the same.
    assert_eq!(preferences(&["192.0.2.1:1", "192.0.2.2:1"]), [65_535, 65_534]);
    assert_eq!(preferences(&["[2001:db8::1]:1", "[2001:db8::2]:1", "192.0.2.2:1"]), [40, 39, 35]);
}

/// Proves: lite-lite-10
#[test]
fn a_lite_agent_has_all_its_candidates_at_once() {
    let bench = lite_at(&[LOCAL, "[2001:db8::1]:1"]);
    let kinds: Vec<&str> = bench
        .events
        .iter()
        .map(|(when, event)| {
            assert_eq!(*when, Timestamp::ZERO);
            match event {
                Event::LocalCandidate { .. } => "candidate",
                Event::GatheringComplete { .. } => "complete",
                _ => "other",
            }
        })
        .collect();
    assert_eq!(kinds, ["candidate", "candidate", "complete"]);
}

/// A check without a nomination is answered; the first one with it selects, and data may go.
///
/// Proves: rfc8445-7.3.2-1, rfc8445-7.3.2-2, rfc8445-6.2-1, lite-lite-1, lite-lite-4, lite-lite-6, lite-lite-13
#[test]
fn a_nomination_selects_the_pair_on_which_it_came() {
    let mut bench = lite();
    bench.peer_checks(false);
    assert!(bench.last_answer().is_some_and(|answer| answer.mapped == Some(address(REMOTE))));
    assert!(!is_routed(&bench));
    assert_eq!(bench.agent.pairs(bench.stream).count(), 0);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Checking));
    bench.peer_checks(true);
    assert_eq!(bench.selections(), [address(REMOTE)]);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    let route = bench.agent.route(bench.component()).unwrap();
    assert_eq!(route.path(), Path::udp(address(LOCAL), address(REMOTE)));
    let pair = bench.agent.pair(route.pair()).unwrap();
    assert!(pair.is_nominated() && pair.is_selected() && !pair.is_listed());
    bench.run_for(Duration::from_secs(20));
    assert!(only_answers(&bench));
}

/// Proves: rfc8445-8.2-1, rfc8445-12.1.1-1
#[test]
fn nothing_is_selected_or_sent_before_every_component_has_its_pair() {
    let mut bench = Bench::with_components(Config::new().lite(true), Role::Controlled, 2);
    bench.base_of(1, LOCAL);
    bench.base_of(2, "192.0.2.1:1001");
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.remote();
    // The peer trickles nothing, as it may to a lite agent: its checks tell where it is.
    bench.end_of_candidates();
    bench.peer_checks(true);
    let components = [1, 2].map(|number| bench.stream.component(number));
    assert!(bench.agent.pairs(bench.stream).any(|pair| pair.is_nominated()));
    assert!(bench.selections().is_empty() && !is_routed(&bench));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Checking));
    let check = PeerCheck { use_candidate: true, ..bench.peer_check() };
    bench.feed_on("192.0.2.1:1001", ELSEWHERE, &check.encode());
    assert_eq!(bench.selections(), [address(REMOTE), address(ELSEWHERE)]);
    assert!(components.iter().all(|component| bench.agent.route(*component).is_some()));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    assert_eq!(bench.agent.session_state(), CheckListState::Completed);
}

/// In either order, and whatever of the two is signalled, and when.
///
/// Proves: lite-lite-5
/// Lesson: L-09
#[test]
fn of_several_nominations_the_highest_priority_in_the_checks_wins() {
    let signalled = || harness::typed("9", "srflx", 1_694_498_815, REMOTE);
    for when in 0..4 {
        let mut bench = lite();
        let maybe = |bench: &mut Bench, moment: usize| {
            if when == moment {
                bench.trickle(signalled());
            }
        };
        maybe(&mut bench, 0);
        checked_from(&mut bench, ELSEWHERE, 1_862_270_000, true);
        maybe(&mut bench, 1);
        checked_from(&mut bench, REMOTE, 1_862_270_975, true);
        maybe(&mut bench, 2);
        assert_eq!(bench.selections(), [address(ELSEWHERE), address(REMOTE)], "{when}");
        checked_from(&mut bench, ELSEWHERE, 1_862_270_000, true);
        assert_eq!(bench.selections().len(), 2, "no flapping");
    }
    // The only one nominated is followed, however low.
    let mut bench = lite();
    bench.trickle(signalled());
    checked_from(&mut bench, REMOTE, 1_862_270_975, false);
    checked_from(&mut bench, ELSEWHERE, 1_000, true);
    assert_eq!(bench.selections(), [address(ELSEWHERE)]);
}

/// Proves: lite-lite-3
#[test]
fn a_lite_agent_stays_controlled_and_answers_another_claim_with_a_role_conflict() {
    // Before the peer is signalled whoever checks is full: the role it began in does not count.
    for known in [false, true] {
        let mut bench = if known { lite() } else { lite_at(&[LOCAL]) };
        for tie_breaker in [0, u64::MAX] {
            let claim = |role| Some((role, tie_breaker));
            let wrong =
                PeerCheck { role: claim(Role::Controlled), use_candidate: true, ..bench.peer_check() };
            bench.feed(&wrong.encode());
            assert_eq!(bench.last_answer().unwrap().error, Some(487));
            let right = PeerCheck { role: claim(Role::Controlling), ..bench.peer_check() };
            bench.feed(&right.encode());
            assert_eq!(bench.last_answer().unwrap().error, None);
        }
        assert!(!is_routed(&bench), "what is answered with 487 nominates nothing");
        bench.remote();
        assert_eq!(bench.agent.role(), Role::Controlled);
    }
}

/// Every request gets from a lite agent what it gets from a full one.
///
/// Proves: lite-lite-2
#[test]
fn a_lite_agent_authenticates_as_a_full_one_does() {
    let mut lite = lite();
    let mut full = Bench::with(Config::new(), Role::Controlled);
    let unknown = (AttributeType::new(0x7ff0), vec![0; 4]);
    let requests = |bench: &mut Bench| -> Vec<(Fed, Option<u16>)> {
        let ok = PeerCheck { role: Some((Role::Controlling, 9)), ..bench.peer_check() };
        let name = ok.username.clone().unwrap();
        let variants = [
            ok.clone(),
            PeerCheck { integrity: Some(Integrity::Sha256), ..ok.clone() },
            PeerCheck { integrity: None, ..ok.clone() },
            PeerCheck { username: None, ..ok.clone() },
            PeerCheck { username: Some(format!("{name}:x")), ..ok.clone() },
            PeerCheck { username: Some("who:ever".into()), ..ok.clone() },
            PeerCheck { password: "another password of 22".into(), ..ok.clone() },
            PeerCheck { fingerprint: false, ..ok.clone() },
            PeerCheck { extra: vec![unknown.clone()], ..ok.clone() },
            PeerCheck { priority: None, ..ok },
        ];
        let each = variants.iter().map(|check| {
            bench.sent.clear();
            let fed = bench.feed(&check.encode());
            (fed, bench.last_answer().and_then(|answer| answer.error))
        });
        each.collect()
    };
    let answers = requests(&mut lite);
    assert_eq!(answers, requests(&mut full));
    let codes: Vec<Option<u16>> = answers.iter().map(|(_, error)| *error).collect();
    let expected =
        [None, None, Some(400), Some(400), Some(401), Some(401), Some(401), None, Some(420), Some(400)];
    assert_eq!(codes, expected);
    assert!(!is_routed(&lite));
}

/// Proves: lite-lite-11
#[test]
fn checks_that_come_before_the_peer_is_known_are_answered_and_count_later() {
    let mut bench = lite_at(&[LOCAL]);
    let check = PeerCheck { role: Some((Role::Controlling, 7)), use_candidate: true, ..bench.peer_check() };
    bench.feed(&check.encode());
    assert_eq!(bench.last_answer().unwrap().error, None);
    assert!(!is_routed(&bench));
    bench.remote();
    assert_eq!(bench.selections(), [address(REMOTE)]);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// Proves: lite-lite-7, lite-lite-8
/// Lesson: R-07
#[test]
fn a_peer_that_stops_asking_is_lost_after_thirty_seconds() {
    let mut bench = lite();
    bench.peer_checks(true);
    for second in [5, 10, 15] {
        bench.run_until(at(second * 1_000));
        bench.peer_checks(false);
        assert_eq!(bench.last_answer().unwrap().at, bench.now);
    }
    bench.feed(b"data is no request");
    bench.run_until(at(44_999));
    assert!(is_routed(&bench));
    bench.run_until(at(45_000));
    assert!(!is_routed(&bench));
    let lost = StreamState::Lost(Reason::ConsentExpired);
    assert_eq!(bench.states(), [StreamState::Checking, StreamState::Completed, lost]);
    // It is answered still, and not revived.
    bench.peer_checks(true);
    assert_eq!(bench.last_answer().unwrap().at, bench.now);
    bench.run_for(Duration::from_secs(60));
    assert!(!is_routed(&bench) && only_answers(&bench));
    assert_eq!(bench.agent.deadline(), None);
}

/// Proves: lite-lite-8
#[test]
fn with_consent_off_a_silent_peer_stays() {
    let mut bench = Bench::bare(Config::new().lite(true).consent(false), Role::Controlled);
    bench.base(LOCAL);
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.remote();
    bench.peer_checks(true);
    bench.run_for(Duration::from_secs(3_600));
    assert!(is_routed(&bench) && only_answers(&bench));
    assert_eq!(bench.agent.deadline(), None);
}

#[test]
fn a_nominated_pair_on_which_the_peer_is_heard_takes_over_from_a_silent_one() {
    let mut bench = lite();
    checked_from(&mut bench, REMOTE, 1_862_270_975, true);
    for second in [5, 10, 15, 20, 25] {
        bench.run_until(at(second * 1_000));
        checked_from(&mut bench, ELSEWHERE, 1_862_270_000, true);
    }
    bench.run_until(at(29_999));
    assert_eq!(bench.selections(), [address(REMOTE)]);
    bench.run_until(at(30_000));
    assert_eq!(bench.agent.route(bench.component()).unwrap().path().remote(), address(ELSEWHERE));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    bench.run_until(at(55_000));
    assert!(!is_routed(&bench));
}

/// Lesson: R-06
#[test]
fn after_a_jump_of_the_clock_data_waits_for_the_next_request() {
    for asks in [false, true] {
        let mut bench = lite();
        bench.peer_checks(true);
        bench.now = at(3_600_000);
        bench.agent.handle_timeout(bench.now);
        bench.drain();
        assert!(!is_routed(&bench));
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Unconfirmed(Reason::ClockJumped)));
        bench.run_for(ms(5_999));
        if asks {
            bench.peer_checks(false);
        }
        bench.run_for(ms(1));
        assert_eq!(is_routed(&bench), asks);
    }
}

/// A nomination is worth waiting for as long as checks come; without any the stream fails.
#[test]
fn a_lite_agent_fails_when_nothing_is_nominated_and_no_check_comes() {
    let mut bench = lite();
    bench.end_of_candidates();
    bench.run_until(at(30_000));
    bench.peer_checks(false);
    bench.run_until(at(69_499));
    assert_eq!(bench.states(), [StreamState::Checking]);
    bench.run_until(at(69_500));
    assert_eq!(bench.states()[1..], [StreamState::Failed(Reason::NotNominated)]);
}

/// A peer that is slow to answer a restart asks on the old pair, under the old credentials, and is heard there.
#[test]
fn the_old_pair_is_kept_by_requests_under_the_old_credentials() {
    for asks in [true, false] {
        let mut bench = lite();
        bench.peer_checks(true);
        let old = bench.peer_check();
        bench.agent.restart(bench.now, bench.stream).unwrap();
        bench.drain();
        for n in 1..=9 {
            bench.run_until(at(n * 5_000));
            if asks {
                let id = floe::stun::TransactionId::from([100 + n as u8; 12]);
                bench.feed(&PeerCheck { id, ..old.clone() }.encode());
            }
        }
        assert_eq!(is_routed(&bench), asks);
    }
}

/// Where no data could go before a restart, none goes after it.
///
/// Proves: rfc8445-12.1.1-1
#[test]
fn a_restart_before_every_component_has_its_pair_leaves_no_way_to_send() {
    let mut bench = Bench::with_components(Config::new().lite(true), Role::Controlled, 2);
    bench.base_of(1, LOCAL);
    bench.base_of(2, "192.0.2.1:1001");
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.remote();
    bench.peer_checks(true);
    bench.agent.restart(bench.now, bench.stream).unwrap();
    bench.drain();
    assert!(!is_routed(&bench));
}

/// What was not selected may go as soon as ICE has completed.
///
/// Proves: rfc8445-8.3.2-1
#[test]
fn a_lite_agent_can_free_what_was_not_selected_at_once() {
    let mut bench = Bench::bare(Config::new().lite(true), Role::Controlled);
    bench.base(LOCAL);
    let unused = bench.base("[2001:db8::1]:1000");
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.remote();
    bench.peer_checks(true);
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    bench.agent.remove_base(bench.now, unused).unwrap();
    bench.drain();
    assert!(bench.saw(|event| matches!(event, Event::LocalCandidateRemoved { .. })));
    assert_eq!(bench.states(), [StreamState::Checking, StreamState::Completed]);
    assert!(is_routed(&bench));
}

/// Two lite agents that have exchanged candidates, the first of which is the initiator.
struct Two {
    agents: [Agent; 2],
    streams: [StreamId; 2],
    events: [Vec<Event>; 2],
    /// Every datagram that was to be sent.
    sent: usize,
}

impl Two {
    fn new(addresses: [&[&str]; 2]) -> Self {
        let roles = [Role::Controlling, Role::Controlled];
        let mut agents = [1, 2]
            .map(|n| Agent::new(Config::new().lite(true), roles[usize::from(n == 2)], Seed::from([n; 32])));
        let streams = [0, 1].map(|n: usize| {
            let agent = &mut agents[n];
            let stream = agent.add_stream(1).unwrap();
            for local in addresses[n] {
                agent.add_base(at(0), stream.component(1), Base::udp(address(local))).unwrap();
            }
            agent.end_of_bases(at(0), stream).unwrap();
            stream
        });
        let descriptions = [0, 1].map(|n: usize| {
            let credentials = agents[n].local_credentials(streams[n]).unwrap().clone();
            let candidates: Vec<_> =
                agents[n].local_candidates(streams[n]).map(|(_, it)| it.clone()).collect();
            Remote::new(credentials).candidates(candidates).complete().lite()
        });
        let [first, second] = descriptions;
        agents[0].set_remote(at(0), streams[0], second).unwrap();
        agents[1].set_remote(at(0), streams[1], first).unwrap();
        let mut two = Self { agents, streams, events: [Vec::new(), Vec::new()], sent: 0 };
        two.drain();
        two
    }

    fn drain(&mut self) {
        for (agent, events) in self.agents.iter_mut().zip(&mut self.events) {
            while let Some(output) = agent.poll_output() {
                match output {
                    Output::Event(event) => events.push(event),
                    Output::Transmit(_) => self.sent += 1,
                    Output::Connect(_) | Output::Disconnect(_) => {
                        unreachable!("a lite agent asks no servers")
                    }
                }
            }
        }
    }

    fn states(&self) -> [StreamState; 2] {
        [0, 1].map(|n| self.agents[n].state(self.streams[n]).unwrap())
    }

    fn path(&self, n: usize) -> Option<Path> {
        self.agents[n].route(self.streams[n].component(1)).map(|route| route.path())
    }

    fn asks_to_reconcile(&self, n: usize) -> bool {
        self.events[n].iter().any(|event| matches!(event, Event::Reconcile { .. }))
    }
}

/// Scenario: S-59
/// Proves: rfc8445-6.1.1-3, rfc8445-8.2-2
#[test]
fn two_lite_agents_of_one_family_complete_without_a_packet() {
    let mut two = Two::new([&["192.0.2.1:1000"], &["198.51.100.1:2000"]]);
    assert_eq!(two.states(), [StreamState::Completed; 2]);
    assert_eq!(two.path(0), Some(Path::udp(address("192.0.2.1:1000"), address("198.51.100.1:2000"))));
    assert_eq!(two.path(1), Some(Path::udp(address("198.51.100.1:2000"), address("192.0.2.1:1000"))));
    assert_eq!([0, 1].map(|n| two.agents[n].role()), [Role::Controlling, Role::Controlled]);
    assert!(!two.asks_to_reconcile(0) && !two.asks_to_reconcile(1));
    // Nobody has authenticated the sender, and the application is told.
    let received = two.agents[1].handle_datagram(at(1), two.path(1).unwrap(), b"data");
    assert!(matches!(received, floe::Received::Data { provenance: Provenance::Signalled, .. }));
    for agent in &mut two.agents {
        assert_eq!(agent.deadline(), None);
        agent.handle_timeout(at(60_000));
    }
    two.drain();
    assert_eq!(two.sent, 0);
    assert_eq!(two.states(), [StreamState::Completed; 2]);
}

/// Data may go on the best pair at once; ICE is complete when both sides know that they chose the same.
///
/// Scenario: S-59
/// Proves: rfc8445-8.2-2, rfc8445-8.2-3
#[test]
fn two_lite_agents_with_a_choice_reconcile_before_they_complete() {
    let mut two =
        Two::new([&["192.0.2.1:1000", "[2001:db8::1]:1000"], &["198.51.100.1:2000", "[2001:db8::2]:2000"]]);
    assert_eq!(two.states(), [StreamState::Connected; 2]);
    let chosen = Path::udp(address("[2001:db8::1]:1000"), address("[2001:db8::2]:2000"));
    assert_eq!(two.path(0), Some(chosen));
    assert_eq!(two.path(1), Some(Path::udp(chosen.remote(), chosen.local())));
    assert!(two.asks_to_reconcile(0) && !two.asks_to_reconcile(1), "the controlling one asks");
    // The controlling side may have decided otherwise.
    let agreed = Path::udp(address("192.0.2.1:1000"), address("198.51.100.1:2000"));
    let strange = Path::udp(address("192.0.2.1:1000"), address("[2001:db8::2]:2000"));
    let components = [0, 1].map(|n: usize| two.streams[n].component(1));
    assert_eq!(two.agents[0].reconcile(at(1), components[0], strange), Err(Error::UnknownPair));
    two.agents[0].reconcile(at(1), components[0], agreed).unwrap();
    let mirrored = Path::udp(agreed.remote(), agreed.local());
    two.agents[1].reconcile(at(1), components[1], mirrored).unwrap();
    two.drain();
    assert_eq!(two.states(), [StreamState::Completed; 2]);
    assert_eq!([two.path(0), two.path(1)], [Some(agreed), Some(mirrored)]);
    assert_eq!(two.sent, 0);
}

#[test]
fn two_lite_agents_without_a_common_family_fail_at_once() {
    let two = Two::new([&["192.0.2.1:1000"], &["[2001:db8::2]:2000"]]);
    assert_eq!(two.states(), [StreamState::Failed(Reason::NoPairs); 2]);
}

/// Proves: lite-ice2-1, lite-ice2-4
#[test]
fn descriptions_of_both_kinds_announce_ice2_and_unknown_options_do_no_harm() {
    let credentials = Credentials::new("8hhY", "asd88fgpdd777uzjYhagZg").unwrap();
    for description in [Description::lite(), Description::full(ms(50))] {
        let mut text: String = description.session_lines().map(|line| format!("{line}\r\n")).collect();
        text += "m=audio 9 RTP/AVP 0\r\n";
        for line in Media::new(credentials.clone()).lines() {
            text += &format!("{line}\r\n");
        }
        text += "a=ice-options:foo bar+baz\r\n";
        let read = Description::parse(&text).unwrap();
        assert_eq!(read.is_lite(), description.is_lite());
        let [audio] = read.media() else { panic!("one m= line") };
        assert!(["ice2", "foo", "bar+baz"].iter().all(|option| audio.has_option(option)), "{text}");
    }
    assert_eq!(Line::Lite.to_string(), "a=ice-lite");
}
