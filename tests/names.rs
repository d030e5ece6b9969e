//! Candidates with names instead of addresses: the peer's, and ours (draft-ietf-mmusic-mdns-ice-candidates).

mod harness;

use core::net::IpAddr;
use floe::ice::{Candidate, CandidateAddress, CandidateId, MdnsName, PairState, Role};
use floe::{Base, Config, Error, Event, Limits, Reason, Remote, Server, StreamState, Timestamp};
use harness::{Bench, LOCAL, PeerCheck, REMOTE, Sent, address, at, candidate, host, ms, remote_credentials};

const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";
const OTHER: &str = "9b36eaac-bb2e-49bb-bb78-21c41c499900.local";
const SERVER: &str = "203.0.113.1:3478";
const MAPPED: &str = "203.0.113.77:4000";

/// A remote host candidate at port 2000 of a name.
fn named(component: u16, name: &str) -> Candidate {
    at_port(component, name, 2000)
}

fn at_port(component: u16, name: &str, port: u16) -> Candidate {
    let priority = 2_130_706_432 - u32::from(component);
    candidate(&format!("candidate:1 {component} udp {priority} {name} {port} typ host"))
}

/// The `n`th of many names.
fn nth(n: usize) -> String {
    format!("00000000-0000-4000-8000-{n:012}.local")
}

/// An agent with one base that knows its peer, but no candidate of it.
fn bench(role: Role) -> Bench {
    let mut bench = Bench::bare(Config::new().consent(false), role);
    bench.base(LOCAL);
    bench.remote();
    bench
}

fn add(bench: &mut Bench, candidate: Candidate) -> Result<CandidateId, Error> {
    let added = bench.agent.add_remote_candidate(bench.now, bench.stream, candidate);
    bench.drain();
    added
}

/// The names asked for so far, each with its id.
fn asked(bench: &Bench) -> Vec<(CandidateId, String)> {
    let asked = bench.events.iter().filter_map(|(_, event)| match event {
        Event::Resolve { id, name } => Some((*id, name.to_string())),
        _ => None,
    });
    asked.collect()
}

fn resolve(bench: &mut Bench, id: CandidateId, ip: Option<&str>) {
    let ip = ip.map(|ip| ip.parse::<IpAddr>().unwrap());
    bench.agent.handle_resolved(bench.now, id, ip);
    bench.drain();
}

/// The usual address of the peer, without its port.
fn remote_ip() -> &'static str {
    REMOTE.split(':').next().unwrap()
}

/// What the agent shows of its peer's candidates.
fn shown(bench: &Bench) -> Vec<(CandidateId, CandidateAddress)> {
    let shown = bench.agent.remote_candidates(bench.stream);
    shown.map(|(id, candidate)| (id, candidate.address().clone())).collect()
}

fn name(text: &str, port: u16) -> CandidateAddress {
    CandidateAddress::Name(MdnsName::new(text).unwrap(), port)
}

/// The paths of the pairs that are listed or valid.
fn pairs(bench: &Bench) -> usize {
    bench.agent.pairs(bench.stream).count()
}

/// Proves: mdns-process-3
/// Lesson: L-62
#[test]
fn a_name_is_asked_for_once_and_its_candidate_checked_when_it_is_resolved() {
    let mut bench = bench(Role::Controlling);
    let id = add(&mut bench, named(1, NAME)).unwrap();
    assert_eq!(asked(&bench), [(id, NAME.into())]);
    bench.run_until(at(3_000));
    assert!(bench.checks().is_empty(), "there is no address yet");
    assert_eq!(asked(&bench).len(), 1, "asked once, however long it takes");
    resolve(&mut bench, id, Some(remote_ip()));
    let check = bench.next_check();
    assert_eq!(check.path.remote(), address(REMOTE));
    bench.answer(&check);
    bench.run_answering(at(5_000), |_: &Sent| Some(ms(10)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// Proves: mdns-process-3, mdns-process-4
#[test]
fn a_name_without_an_address_of_use_is_ignored() {
    // None stands for several addresses as well.
    for useless in [None, Some("0.0.0.0"), Some("224.0.0.251"), Some("::")] {
        let mut bench = bench(Role::Controlling);
        let id = add(&mut bench, named(1, NAME)).unwrap();
        resolve(&mut bench, id, useless);
        bench.run_until(at(6_000));
        assert_eq!(pairs(&bench), 0, "{useless:?}");
        assert_eq!(bench.agent.stats().names_unresolved, 1, "{useless:?}");
        resolve(&mut bench, id, Some(remote_ip()));
        assert_eq!(pairs(&bench), 0, "there is one answer to a question");
        assert_eq!(shown(&bench), [(id, name(NAME, 2000))], "it was signalled all the same");
    }
}

/// Proves: mdns-process-1, mdns-process-5, rfc8839-5.1-8
#[test]
fn names_that_hide_no_address_are_refused() {
    let mut bench = bench(Role::Controlling);
    for refused in ["printer.local", "1f4712db-ea17-1bcf-a596-105139dfd8bf.local"] {
        assert_eq!(add(&mut bench, named(1, refused)), Err(Error::CandidateName), "{refused}");
    }
    for unreadable in ["a.b.local", "x.example"] {
        let line = format!("candidate:1 1 udp 2130706431 {unreadable} 2000 typ host");
        assert!(floe::sdp::parse_candidate(&line).is_err(), "{unreadable}");
    }
    let portless = add(&mut bench, at_port(1, NAME, 0));
    assert!(matches!(portless, Err(Error::Address(_))), "{portless:?}");
    assert!(asked(&bench).is_empty() && shown(&bench).is_empty());
}

/// Proves: mdns-process-8
/// Lesson: L-61
#[test]
fn a_check_before_during_or_after_resolution_leaves_one_candidate_and_one_pair() {
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Signal,
        Resolve,
        Check,
    }
    use Step::{Check, Resolve, Signal};
    for steps in [[Check, Signal, Resolve], [Signal, Check, Resolve], [Signal, Resolve, Check]] {
        let mut bench = bench(Role::Controlled);
        let (mut id, mut seen) = (None, Vec::new());
        for step in steps {
            match step {
                Signal => id = Some(add(&mut bench, named(1, NAME)).unwrap()),
                Resolve => resolve(&mut bench, id.unwrap(), Some(remote_ip())),
                Check => drop(bench.peer_checks(false)),
            }
            seen.extend(bench.agent.pairs(bench.stream).map(|pair| pair.id()));
            assert!(pairs(&bench) <= 1, "{steps:?}");
        }
        seen.dedup();
        assert_eq!(seen.len(), 1, "one pair throughout: {steps:?}");
        assert_eq!(shown(&bench), [(id.unwrap(), name(NAME, 2000))], "{steps:?}");
        let pair = bench.agent.pairs(bench.stream).next().unwrap();
        assert_eq!(pair.remote().priority(), named(1, NAME).priority(), "{steps:?}");
        // What was begun under the peer-reflexive candidate ends under the signalled one.
        bench.run_answering(at(2_000), |_: &Sent| Some(ms(10)));
        bench.peer_checks(true);
        assert_eq!(bench.selections(), [address(REMOTE)], "{steps:?}");
    }
}

/// Proves: mdns-process-8
/// Lesson: L-61
#[test]
fn a_valid_pair_goes_on_when_the_name_of_its_candidate_is_resolved() {
    let mut bench = bench(Role::Controlled);
    let id = add(&mut bench, named(1, NAME)).unwrap();
    bench.peer_checks(false);
    let check = bench.next_check();
    bench.answer(&check);
    bench.peer_checks(true);
    let selected = bench.agent.pairs(bench.stream).next().unwrap().id();
    resolve(&mut bench, id, Some(remote_ip()));
    let pair = bench.agent.pair(selected).expect("still there");
    assert!(pair.is_selected() && pair.state() == PairState::Succeeded);
    assert_eq!(pair.remote().address(), &name(NAME, 2000));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    assert_eq!(pairs(&bench), 1);
}

/// Proves: mdns-privacy-3
/// Lesson: L-63
#[test]
fn candidates_and_pairs_show_the_name_and_never_what_it_hides() {
    let mut bench = bench(Role::Controlling);
    let id = add(&mut bench, named(1, NAME)).unwrap();
    let before = shown(&bench);
    resolve(&mut bench, id, Some(remote_ip()));
    assert_eq!(shown(&bench), before, "nor whether it was resolved");
    let check = bench.next_check();
    bench.answer(&check);
    assert_eq!(shown(&bench), before);
    assert!(bench.agent.pairs(bench.stream).all(|pair| pair.remote().address() == &name(NAME, 2000)));
}

/// Lesson: L-62
#[test]
fn candidates_with_the_same_name_share_one_question() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    bench.base_of(1, LOCAL);
    bench.base_of(2, "192.0.2.1:1001");
    bench.remote();
    let first = add(&mut bench, named(1, NAME)).unwrap();
    let second = add(&mut bench, at_port(2, &NAME.to_uppercase().replace("LOCAL", "local"), 2001)).unwrap();
    assert_eq!(add(&mut bench, named(1, NAME)), Ok(first), "the same one again");
    assert_eq!(asked(&bench), [(first, NAME.into())]);
    // The question goes on for the other one.
    bench.agent.remove_remote_candidate(bench.now, bench.stream, first).unwrap();
    resolve(&mut bench, first, Some(remote_ip()));
    assert_eq!(shown(&bench), [(second, name(NAME, 2001))]);
    assert_eq!(pairs(&bench), 1);
    // What is known need not be asked for.
    add(&mut bench, at_port(1, NAME, 2002)).unwrap();
    assert_eq!((pairs(&bench), asked(&bench).len()), (2, 1));
    // Nor what has come to nothing.
    let other = add(&mut bench, named(1, OTHER)).unwrap();
    resolve(&mut bench, other, None);
    add(&mut bench, at_port(1, OTHER, 2003)).unwrap();
    assert_eq!((pairs(&bench), asked(&bench).len()), (2, 2));
}

/// Proves: mdns-process-7
/// Lesson: L-62
#[test]
fn a_flood_of_names_is_asked_for_up_to_the_limit() {
    let mut bench = bench(Role::Controlling);
    let limit = Limits::default().names;
    let refused = (0..1_000).filter(|n| add(&mut bench, named(1, &nth(*n))) == Err(Error::Limit)).count();
    assert_eq!((asked(&bench).len(), refused), (limit, 1_000 - limit));
    assert_eq!(shown(&bench).len(), limit);
    // An answer makes room for one.
    let (first, _) = asked(&bench).remove(0);
    resolve(&mut bench, first, Some(remote_ip()));
    assert!(add(&mut bench, named(1, OTHER)).is_ok());
    assert_eq!(add(&mut bench, named(1, NAME)), Err(Error::Limit));
    // One name for many candidates is no way around it.
    let many = (3_000..4_000).filter(|port| add(&mut bench, at_port(1, OTHER, *port)).is_ok()).count();
    assert!(many < Limits::default().remote_candidates, "{many}");
}

/// Proves: mdns-process-7
#[test]
fn names_that_come_and_go_are_counted_over_the_generation() {
    let mut bench = bench(Role::Controlling);
    for n in 0..1_000 {
        if let Ok(id) = add(&mut bench, named(1, &nth(n))) {
            bench.agent.remove_remote_candidate(bench.now, bench.stream, id).unwrap();
        }
    }
    assert_eq!(u32::try_from(asked(&bench).len()), Ok(Limits::default().remote_candidates_total));
}

fn failed_at(bench: &Bench) -> Option<Timestamp> {
    let failed = |event: &Event| matches!(event, Event::State { state: StreamState::Failed(_), .. });
    bench.events.iter().find(|(_, event)| failed(event)).map(|(at, _)| *at)
}

/// Lesson: L-62
#[test]
fn a_stream_fails_no_sooner_than_its_names_and_no_later() {
    let impatient = Config::new().patience_for_checks(ms(0));
    let mut bench = Bench::bare(impatient, Role::Controlling);
    bench.base(LOCAL);
    bench.remote();
    let id = add(&mut bench, named(1, NAME)).unwrap();
    bench.run_until(at(100));
    bench.end_of_candidates();
    bench.run_until(at(4_999));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Checking), "one may still come");
    bench.run_until(at(30_000));
    assert_eq!(failed_at(&bench), Some(at(5_000)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Failed(Reason::NoPairs)));
    assert_eq!(bench.agent.deadline(), None);
    // Late is never.
    resolve(&mut bench, id, Some(remote_ip()));
    assert_eq!(pairs(&bench), 0);
}

/// Lesson: L-62
#[test]
fn an_answer_after_its_time_is_none_even_if_the_timer_is_late() {
    let mut bench = bench(Role::Controlling);
    let id = add(&mut bench, named(1, NAME)).unwrap();
    bench.now = at(5_000);
    resolve(&mut bench, id, Some(remote_ip()));
    assert_eq!((pairs(&bench), bench.agent.stats().names_unresolved), (0, 1));
}

/// Proves: mdns-process-3
#[test]
fn a_name_that_is_resolved_after_the_end_of_candidates_counts() {
    let mut bench = bench(Role::Controlling);
    let id = add(&mut bench, named(1, NAME)).unwrap();
    bench.end_of_candidates();
    resolve(&mut bench, id, Some(remote_ip()));
    bench.run_answering(at(2_000), |_: &Sent| Some(ms(10)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// Proves: mdns-process-6
/// Lesson: R-43
#[test]
fn after_a_restart_a_removal_or_a_close_a_name_is_neither_asked_for_nor_answered() {
    type End = fn(&mut Bench, CandidateId);
    let ends: [(&str, End); 5] = [
        ("restart", |bench, _| assert!(bench.agent.restart(bench.now, bench.stream).is_ok())),
        ("removal", |bench, id| bench.agent.remove_remote_candidate(bench.now, bench.stream, id).unwrap()),
        ("component", |bench, _| bench.agent.remove_component(bench.now, bench.component()).unwrap()),
        ("stream", |bench, _| bench.agent.close_stream(bench.now, bench.stream).unwrap()),
        ("agent", |bench, _| bench.agent.close(bench.now)),
    ];
    for (what, end) in ends {
        for polled in [false, true] {
            let mut bench = bench(Role::Controlling);
            let id = bench.agent.add_remote_candidate(bench.now, bench.stream, named(1, NAME)).unwrap();
            if polled {
                bench.drain();
            }
            end(&mut bench, id);
            bench.drain();
            assert_eq!(asked(&bench).len(), usize::from(polled), "{what}");
            resolve(&mut bench, id, Some(remote_ip()));
            assert_eq!((shown(&bench).len(), pairs(&bench)), (0, 0), "{what}");
            bench.run_until(at(1_000));
            assert!(bench.checks().is_empty(), "{what}");
            assert_eq!(bench.agent.stats().names_unresolved, 0, "{what}");
        }
    }
}

/// Proves: mdns-process-6
#[test]
fn the_next_generation_asks_anew() {
    let mut bench = bench(Role::Controlling);
    let old = add(&mut bench, named(1, NAME)).unwrap();
    bench.agent.restart(bench.now, bench.stream).unwrap();
    let new = add(&mut bench, named(1, NAME)).unwrap();
    resolve(&mut bench, old, Some("198.51.100.66"));
    assert_eq!(pairs(&bench), 0, "an answer to the question before");
    resolve(&mut bench, new, Some(remote_ip()));
    assert_eq!(pairs(&bench), 1);
}

/// Names of a generation whose credentials come later, or never.
#[test]
fn a_name_of_another_generation_of_the_peer_waits_for_its_credentials() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(LOCAL);
    let foreign = named(1, OTHER).with_ufrag("foreign").unwrap();
    add(&mut bench, foreign).unwrap();
    add(&mut bench, named(1, NAME)).unwrap();
    bench.remote();
    assert_eq!(shown(&bench).len(), 1, "the foreign one has gone");
    let next = named(1, OTHER).with_ufrag("next").unwrap();
    let id = add(&mut bench, next).unwrap();
    assert_eq!(asked(&bench).len(), 2, "not asked for yet");
    let credentials = floe::ice::Credentials::new("next", "anotherpasswordofthepeer").unwrap();
    bench.agent.set_remote(bench.now, bench.stream, Remote::new(credentials)).unwrap();
    bench.drain();
    assert_eq!(asked(&bench).pop(), Some((id, OTHER.into())));
}

/// A name in front of an address that was signalled in clear adds nothing to it.
#[test]
fn a_name_for_an_address_that_is_known_makes_no_second_pair() {
    let mut bench = Bench::new(Role::Controlling);
    let id = add(&mut bench, named(1, NAME)).unwrap();
    resolve(&mut bench, id, Some(remote_ip()));
    assert_eq!(pairs(&bench), 1);
    assert_eq!(bench.agent.pairs(bench.stream).next().unwrap().remote().ip(), Some(address(REMOTE)));
}

/// A peer that nominates before the name is resolved need not wait.
#[test]
fn a_pair_is_selected_while_a_name_is_still_open() {
    let mut bench = bench(Role::Controlling);
    add(&mut bench, host("2", 1, REMOTE)).unwrap();
    add(&mut bench, named(1, NAME)).unwrap();
    bench.end_of_candidates();
    bench.run_answering(at(4_000), |_: &Sent| Some(ms(10)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// An agent with a base behind `NAME`, a server, and what it has signalled.
fn hidden() -> Bench {
    let mut bench = Bench::bare(Config::new().consent(false), Role::Controlling);
    bench.agent.add_server(bench.now, Server::stun(address(SERVER))).unwrap();
    let base = Base::udp(address(LOCAL)).named(MdnsName::new(NAME).unwrap());
    bench.agent.add_base(bench.now, bench.component(), base).unwrap();
    bench.drain();
    bench
}

/// Whether anybody answers for the name makes no difference, and nobody is asked.
///
/// Proves: mdns-gather-1, mdns-gather-4, mdns-gather-5, mdns-encode-1
#[test]
fn a_hidden_host_is_signalled_with_its_name_at_once() {
    let bench = hidden();
    let [host] = &bench.announced()[..] else { panic!("one candidate") };
    assert_eq!(host.address(), &name(NAME, 1000));
    let line = floe::sdp::CandidateLine(host).to_string();
    assert!(line.contains(&format!(" {NAME} 1000 typ host")), "{line}");
}

/// Proves: mdns-gather-3
#[test]
fn a_restart_signals_the_same_name() {
    let mut bench = hidden();
    bench.agent.restart(bench.now, bench.stream).unwrap();
    bench.drain();
    let announced = bench.announced();
    assert_eq!(announced.len(), 2);
    assert!(announced.iter().all(|host| host.address() == &name(NAME, 1000)));
}

/// Proves: mdns-gather-1, mdns-gather-2
#[test]
fn a_name_hides_one_address_and_is_a_random_one() {
    let mut bench = hidden();
    let base = |local: &str, name: &str| Base::udp(address(local)).named(MdnsName::new(name).unwrap());
    let add = |bench: &mut Bench, base| bench.agent.add_base(bench.now, bench.component(), base).map(drop);
    assert_eq!(add(&mut bench, base("[2001:db8::1]:1000", NAME)), Err(Error::BaseName));
    assert_eq!(add(&mut bench, base("192.0.2.2:1000", "laptop.local")), Err(Error::BaseName));
    assert_eq!(add(&mut bench, base("192.0.2.1:1001", NAME)), Ok(()), "the same address again");
    assert_eq!(add(&mut bench, base("[2001:db8::1]:1000", OTHER)), Ok(()));
}

/// Proves: mdns-private-1, mdns-private-2, mdns-encode-2
#[test]
fn nothing_that_is_signalled_tells_a_hidden_address() {
    for (mapped, is_public) in [(MAPPED, false), (LOCAL, true)] {
        let mut bench = hidden();
        bench.run_until(at(100));
        let question = bench.questions().remove(0);
        bench.serve(&question, mapped);
        let announced = bench.announced();
        assert_eq!(announced.len(), 2, "the mapped address is no repetition of a name");
        let lines: Vec<String> =
            announced.iter().map(|ours| floe::sdp::CandidateLine(ours).to_string()).collect();
        assert!(lines[1].contains(" typ srflx raddr 0.0.0.0 rport 9"), "{lines:?}");
        assert_eq!(announced[1].related(), None);
        let told = format!("{:?} {lines:?}", bench.events).contains(address(LOCAL).ip().to_string().as_str());
        assert_eq!(told, is_public, "only what the server sees anyway");
    }
}

/// Proves: mdns-privacy-3
#[test]
fn our_hidden_candidates_are_shown_by_name_in_pairs_and_lists() {
    let mut bench = hidden();
    bench.agent.set_remote(bench.now, bench.stream, Remote::new(remote_credentials())).unwrap();
    add(&mut bench, host("1", 1, REMOTE)).unwrap();
    let check = bench.next_check();
    // The peer sees another address: a peer-reflexive candidate of ours.
    let answer = bench.success(&check, address(MAPPED));
    bench.feed_path(check.path, &answer);
    let hosts =
        bench.agent.local_candidates(bench.stream).filter(|(_, ours)| ours.ip() == Some(address(LOCAL)));
    assert_eq!(hosts.count(), 0);
    assert!(bench.agent.local_candidates(bench.stream).all(|(_, ours)| ours.related().is_none()));
    assert!(bench.agent.pairs(bench.stream).all(|pair| pair.local().ip() != Some(address(LOCAL))));
}

/// The peer's checks reach a hidden base like any other.
#[test]
fn a_hidden_base_connects() {
    let mut bench = hidden();
    bench.agent.set_remote(bench.now, bench.stream, Remote::new(remote_credentials())).unwrap();
    add(&mut bench, host("1", 1, REMOTE)).unwrap();
    let check = PeerCheck { ..bench.peer_check() };
    bench.feed(&check.encode());
    bench.end_of_candidates();
    bench.run_answering(at(15_000), |_: &Sent| Some(ms(10)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
}

/// A relay would learn by its permissions what the name hides.
///
/// Proves: mdns-process-2
#[test]
fn with_relays_only_no_name_is_asked_for() {
    let mut bench = Bench::bare(Config::new().relay_only(true), Role::Controlling);
    bench.base(LOCAL);
    bench.remote();
    let named = candidate(&format!("candidate:1 1 udp 2130706431 {NAME} 5000 typ host"));
    assert_eq!(bench.agent.add_remote_candidate(bench.now, bench.stream, named), Err(Error::CandidateName));
    bench.drain();
    assert!(!bench.saw(|event| matches!(event, Event::Resolve { .. })));
}
