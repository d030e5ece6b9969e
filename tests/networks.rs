//! Networks come and go: bases and candidates that are added late, withdrawn, and added again.

mod harness;

use core::net::SocketAddr;
use core::time::Duration;
use floe::ice::{BaseId, Role};
use floe::stun::AttributeType;
use floe::{Base, Config, Error, Event, Pair, Path, Reason, Remote, Server, StreamState};
use harness::{
    Bench, Fed, LOCAL, REMOTE, address, at, host, manual, ms, no_delay, remote_credentials, typed,
};

const SECOND: &str = "192.0.2.2:1000";
const THIRD: &str = "192.0.2.3:1000";
const OTHER: &str = "198.51.100.2:2000";

fn continual() -> Config {
    Config::new().consent(false).continual_gathering(true)
}

/// An agent with a base whose peer has announced these ice-options and one candidate.
fn bench(config: Config, role: Role, options: &str) -> (Bench, BaseId) {
    let mut bench = Bench::bare(config, role);
    let base = bench.base(LOCAL);
    announce(&mut bench, options);
    bench.trickle(host("1", 1, REMOTE));
    (bench, base)
}

fn announce(bench: &mut Bench, options: &str) {
    let remote = Remote::new(remote_credentials()).options(options);
    bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
    bench.drain();
}

fn try_base(bench: &mut Bench, local: &str) -> Result<BaseId, Error> {
    let added = bench.agent.add_base(bench.now, bench.component(), Base::udp(address(local)));
    bench.drain();
    added
}

fn remove_base(bench: &mut Bench, base: BaseId) {
    bench.agent.remove_base(bench.now, base).unwrap();
    bench.drain();
}

fn state(bench: &Bench) -> StreamState {
    bench.agent.state(bench.stream).unwrap()
}

fn completions(bench: &Bench) -> usize {
    bench.events.iter().filter(|(_, event)| matches!(event, Event::GatheringComplete { .. })).count()
}

/// The addresses handed over for signalling, in order.
fn signalled(bench: &Bench) -> Vec<SocketAddr> {
    let candidates = bench.events.iter().filter_map(|(_, event)| match event {
        Event::LocalCandidate { candidate, .. } => candidate.ip(),
        _ => None,
    });
    candidates.collect()
}

fn withdrawals(bench: &Bench) -> usize {
    bench.events.iter().filter(|(_, event)| matches!(event, Event::LocalCandidateRemoved { .. })).count()
}

fn routes(bench: &Bench) -> usize {
    bench.events.iter().filter(|(_, event)| matches!(event, Event::Route { .. })).count()
}

/// Proves: rfc8838-13-3, rfc8838-14-2
#[test]
fn unless_both_sides_gather_continually_nothing_comes_after_the_end() {
    let cases = [
        (Config::new(), "trickle continual"),
        (Config::new().continual_gathering(true), "trickle"),
        (Config::new().continual_gathering(true), "trickle continual"),
    ];
    let late = cases.map(|(config, options)| {
        let (mut bench, _) = bench(config, Role::Controlling, options);
        bench.end_of_candidates();
        let ours = try_base(&mut bench, SECOND).map(drop);
        let theirs = bench.agent.add_remote_candidate(bench.now, bench.stream, host("2", 1, OTHER)).map(drop);
        bench.drain();
        (ours, theirs, signalled(&bench).len(), completions(&bench))
    });
    let nothing = (Ok(()), Err(Error::EndOfCandidates), 1, 1);
    assert_eq!(late, [nothing, nothing, (Ok(()), Ok(()), 2, 2)]);
}

/// A socket that comes too late for its generation is neither signalled nor asked from; the next generation has it.
///
/// Proves: rfc8838-13-3
#[test]
fn a_socket_that_comes_after_the_end_is_in_the_next_generation() {
    let (mut bench, base) = bench(Config::new(), Role::Controlling, "trickle");
    bench.agent.add_server(bench.now, Server::stun(address("203.0.113.1:3478"))).unwrap();
    bench.run_answering(at(2_000), no_delay);
    bench.end_of_candidates();
    bench.run_answering(at(20_000), no_delay);
    assert_eq!((state(&bench), completions(&bench)), (StreamState::Completed, 1));
    try_base(&mut bench, SECOND).unwrap();
    bench.run_answering(at(60_000), no_delay);
    assert_eq!((signalled(&bench), completions(&bench)), (vec![address(LOCAL)], 1));
    assert!(bench.sent.iter().all(|(_, sent)| sent.path.local() == address(LOCAL)));
    remove_base(&mut bench, base);
    bench.agent.restart(bench.now, bench.stream).unwrap();
    bench.run_for(ms(1_000));
    assert_eq!(signalled(&bench), [LOCAL, SECOND].map(address));
    assert_eq!(bench.questions().last().unwrap().path.local(), address(SECOND), "the server is asked anew");
}

#[test]
fn a_server_that_is_added_late_is_asked_and_gathering_ends_once_more() {
    let (mut bench, _) = bench(continual(), Role::Controlling, "trickle continual");
    bench.end_of_candidates();
    bench.agent.add_server(bench.now, Server::stun(address("203.0.113.1:3478"))).unwrap();
    bench.drain();
    assert_eq!(bench.agent.is_gathering_complete(bench.stream), Some(false));
    bench.run_until(at(15_000));
    assert_eq!(completions(&bench), 2);
    assert_eq!(bench.agent.is_gathering_complete(bench.stream), Some(true));
}

/// Where both gather continually, a candidate is signalled although a pair is selected; otherwise it is not.
///
/// Proves: rfc8838-13-5
#[test]
fn after_a_nomination_candidates_are_signalled_only_by_agents_that_gather_continually() {
    let after = ["trickle", "trickle continual"].map(|options| {
        let (mut bench, _) = bench(continual(), Role::Controlling, options);
        bench.run_answering(at(2_000), no_delay);
        assert_eq!(state(&bench), StreamState::Completed);
        try_base(&mut bench, SECOND).unwrap();
        assert_eq!(state(&bench), StreamState::Completed);
        signalled(&bench).len()
    });
    assert_eq!(after, [1, 2]);
}

#[test]
fn the_end_of_candidates_that_a_later_one_reopens_does_not_let_a_stream_fail() {
    let (mut bench, _) = bench(continual(), Role::Controlling, "trickle continual");
    bench.end_of_candidates();
    bench.run_until(at(30_000));
    bench.trickle(host("2", 1, OTHER));
    bench.run_until(at(120_000));
    assert_eq!(state(&bench), StreamState::Checking, "the peer's end is still to come");
    bench.end_of_candidates();
    bench.run_for(ms(10));
    assert_eq!(state(&bench), StreamState::Failed(Reason::Timeout));
}

#[test]
fn a_stream_that_loses_the_base_of_its_selected_pair_says_so_at_once_and_falls_silent() {
    for role in [Role::Controlling, Role::Controlled] {
        let (mut bench, base) = bench(Config::new(), role, "trickle continual");
        bench.base(SECOND);
        if role == Role::Controlled {
            bench.peer_checks(true);
        }
        bench.run_answering(at(2_000), no_delay);
        assert_eq!(state(&bench), StreamState::Completed);
        let (before, sent) = (routes(&bench), bench.sent.len());
        remove_base(&mut bench, base);
        assert_eq!(state(&bench), StreamState::Lost(Reason::BaseRemoved));
        assert_eq!(bench.agent.route(bench.component()), None);
        assert_eq!((routes(&bench), withdrawals(&bench)), (before + 1, 1));
        bench.run_for(Duration::from_secs(120));
        assert_eq!(bench.sent.len(), sent, "one nomination there was, and another needs a restart");
        assert_eq!(state(&bench), StreamState::Lost(Reason::BaseRemoved));
    }
}

#[test]
fn a_controlled_agent_whose_base_is_gone_follows_the_peers_next_nomination() {
    let (mut bench, base) = bench(Config::new().consent(false), Role::Controlled, "trickle");
    bench.base(SECOND);
    bench.peer_checks(true);
    bench.run_answering(at(2_000), no_delay);
    remove_base(&mut bench, base);
    assert_eq!(state(&bench), StreamState::Lost(Reason::BaseRemoved));
    let check = harness::PeerCheck { use_candidate: true, ..bench.peer_check() };
    bench.feed_on(SECOND, REMOTE, &check.encode());
    bench.run_answering(at(4_000), no_delay);
    assert_eq!(state(&bench), StreamState::Completed);
    assert_eq!(bench.agent.route(bench.component()).unwrap().path().local(), address(SECOND));
}

#[test]
fn another_valid_pair_takes_over_at_once_where_nominations_may_follow_one_another() {
    let (mut bench, base) = bench(Config::new(), Role::Controlling, "trickle renomination");
    bench.base(SECOND);
    // Both are valid before one of them is nominated.
    bench.run_answering(at(2_000), |check| {
        Some(ms(if check.path.local() == address(LOCAL) { 120 } else { 45 }))
    });
    assert_eq!(state(&bench), StreamState::Completed);
    assert_eq!(bench.agent.route(bench.component()).unwrap().path().local(), address(LOCAL));
    remove_base(&mut bench, base);
    assert_eq!(state(&bench), StreamState::Connected);
    assert_eq!(bench.agent.route(bench.component()).unwrap().path().local(), address(SECOND));
    bench.run_answering(at(3_000), no_delay);
    assert_eq!(state(&bench), StreamState::Completed);
    assert!(bench.states().iter().all(|state| !matches!(state, StreamState::Lost(_))));
    assert_eq!(bench.checks().iter().filter(|check| check.use_candidate).count(), 2);
}

/// The first check was seen under the address of the other base, whose own was never answered: no check can be repeated from there.
///
/// Proves: rfc8445-8.1.1-1
#[test]
fn a_pair_that_another_bases_check_has_shown_is_checked_before_it_takes_over() {
    let (mut bench, base) = bench(Config::new(), Role::Controlling, "trickle renomination");
    bench.base(SECOND);
    let check = bench.next_check();
    assert_eq!(check.path.local(), address(LOCAL));
    let seen = bench.success(&check, address(SECOND));
    assert_eq!(bench.feed_path(check.path, &seen), Fed::Control);
    bench.run_answering(at(2_000), |check| {
        Some(ms(5)).filter(|_| check.use_candidate && check.path.local() == address(LOCAL))
    });
    assert_eq!(state(&bench), StreamState::Completed);
    assert_eq!(bench.agent.route(bench.component()).unwrap().path().local(), address(LOCAL));
    let before = bench.checks().len();
    remove_base(&mut bench, base);
    let nominating = |bench: &Bench| -> Vec<bool> {
        bench.checks()[before..].iter().map(|check| check.use_candidate).collect()
    };
    bench.run_for(ms(100));
    assert_eq!(nominating(&bench), [false]);
    assert_eq!(state(&bench), StreamState::Lost(Reason::BaseRemoved));
    bench.run_answering(at(3_000), no_delay);
    assert_eq!(nominating(&bench), [false, true]);
    assert_eq!(bench.agent.route(bench.component()).unwrap().path().local(), address(SECOND));
    assert_eq!(state(&bench), StreamState::Completed);
}

/// The same by hand, when another pair is selected and that first check has left the list.
///
/// Proves: rfc8445-8.1.1-1
#[test]
fn a_pair_that_another_bases_check_has_shown_is_not_nominated_by_hand() {
    let (mut bench, _) = bench(manual(), Role::Controlling, "trickle renomination");
    bench.base(SECOND);
    bench.trickle(host("2", 1, "198.51.100.2:2000"));
    let shown = bench.next_check();
    assert_eq!(shown.path.local(), address(LOCAL));
    let seen = bench.success(&shown, address(SECOND));
    assert_eq!(bench.feed_path(shown.path, &seen), Fed::Control);
    let pair_from = |bench: &Bench, local: &str, remote| {
        let is_it = |pair: &Pair<'_>| pair.path() == Path::udp(address(local), remote) && pair.is_valid();
        bench.agent.pairs(bench.stream).find(is_it).map(|pair| pair.id())
    };
    let hearsay = pair_from(&bench, SECOND, shown.path.remote()).unwrap();
    let mut other = bench.next_check();
    while other.path.local() != address(LOCAL) || other.path.remote() == shown.path.remote() {
        other = bench.next_check();
    }
    bench.answer(&other);
    let chosen = pair_from(&bench, LOCAL, other.path.remote()).unwrap();
    bench.agent.nominate(bench.now, chosen).unwrap();
    bench.run_answering(bench.now + ms(1_000), |check| Some(ms(5)).filter(|_| check.use_candidate));
    assert_eq!(bench.selections(), [other.path.remote()]);
    assert!(bench.agent.pairs(bench.stream).any(|pair| pair.id() == hearsay && pair.is_valid()));
    assert_eq!(bench.agent.nominate(bench.now, hearsay), Err(Error::CannotNominate));
}

/// Proves: rfc8445-5.1.1.4-4
/// Lesson: L-37
#[test]
fn an_address_that_comes_and_goes_a_hundred_times_is_as_good_as_new() {
    let (mut bench, mut base) = bench(continual(), Role::Controlling, "trickle continual");
    let mut theirs = None;
    for _ in 0..100 {
        remove_base(&mut bench, base);
        base = try_base(&mut bench, LOCAL).unwrap();
        if let Some(gone) = theirs {
            bench.agent.remove_remote_candidate(bench.now, bench.stream, gone).unwrap();
        }
        let added = bench.agent.add_remote_candidate(bench.now, bench.stream, host("2", 1, OTHER));
        theirs = Some(added.unwrap());
        bench.run_for(ms(70));
        assert_eq!(bench.agent.pairs(bench.stream).count(), 2);
        assert_eq!(bench.agent.local_candidates(bench.stream).count(), 1);
        assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 2);
    }
    let priority = bench.agent.local_candidates(bench.stream).next().unwrap().1.priority();
    assert_eq!(priority.local_preference(), 65535);
    let until = bench.now + ms(2_000);
    bench.run_answering(until, no_delay);
    assert_eq!(state(&bench), StreamState::Completed);
}

/// Proves: rfc8445-9-4
/// Lesson: R-09
#[test]
fn a_peer_that_replaces_all_its_candidates_at_once_does_not_disturb_the_selected_pair() {
    let (mut bench, _) = bench(continual(), Role::Controlling, "trickle continual");
    bench.run_answering(at(2_000), no_delay);
    let (states, route) = (bench.states(), bench.agent.route(bench.component()));
    let all: Vec<_> = bench.agent.remote_candidates(bench.stream).map(|(id, _)| id).collect();
    for candidate in all {
        bench.agent.remove_remote_candidate(bench.now, bench.stream, candidate).unwrap();
    }
    bench.trickle(host("1", 1, REMOTE));
    bench.trickle(host("2", 1, OTHER));
    bench.run_for(Duration::from_secs(60));
    assert_eq!((bench.states(), bench.agent.route(bench.component())), (states, route));
}

/// Proves: rfc8445-5.1.1.4-4
/// Lesson: L-36
#[test]
fn an_agent_without_any_candidate_waits_for_the_next() {
    let (mut bench, base) = bench(continual(), Role::Controlling, "trickle continual");
    bench.end_of_candidates();
    bench.run_until(at(200));
    remove_base(&mut bench, base);
    bench.run_until(at(2_100));
    assert_eq!(state(&bench), StreamState::Checking);
    try_base(&mut bench, SECOND).unwrap();
    bench.run_answering(at(4_000), no_delay);
    assert_eq!(bench.states(), [StreamState::Checking, StreamState::Connected, StreamState::Completed]);
}

/// Proves: rfc8445-5.1.1.4-3
/// Lesson: R-28
#[test]
fn candidates_can_be_removed_at_any_moment() {
    for moment in 0..60 {
        for role in [Role::Controlling, Role::Controlled] {
            // A controlled agent leaves it to its peer, which nominates twice without further ado.
            let options = match role {
                Role::Controlling => "trickle renomination continual",
                Role::Controlled => "trickle continual",
            };
            let (mut bench, base) = bench(continual(), role, options);
            bench.base(SECOND);
            bench.trickle(host("2", 1, OTHER));
            if moment % 2 == 1 {
                bench.peer_checks(role == Role::Controlled);
            }
            bench.run_answering(at(10 * moment), |_| Some(ms(30)));
            remove_base(&mut bench, base);
            let all: Vec<_> = bench.agent.remote_candidates(bench.stream).map(|(id, _)| id).collect();
            for candidate in all {
                bench.agent.remove_remote_candidate(bench.now, bench.stream, candidate).unwrap();
            }
            try_base(&mut bench, THIRD).unwrap();
            bench.trickle(host("3", 1, "198.51.100.3:2000"));
            let check = harness::PeerCheck { use_candidate: role == Role::Controlled, ..bench.peer_check() };
            bench.feed_on(THIRD, "198.51.100.3:2000", &check.encode());
            bench.run_answering(at(10 * moment + 3_000), |_| Some(ms(30)));
            assert_eq!(state(&bench), StreamState::Completed, "at {moment} as {role:?}");
            let route = bench.agent.route(bench.component()).expect("a route");
            assert_ne!(route.path().local(), address(LOCAL), "at {moment} as {role:?}");
        }
    }
}

/// Lesson: L-34
#[test]
fn gathering_ends_whenever_it_is_interrupted_by_a_restart() {
    for moment in 0..40 {
        let mut bench = Bench::bare(Config::new().gathering_limit(ms(1_000)), Role::Controlling);
        bench.agent.add_server(bench.now, Server::stun(address("203.0.113.1:3478"))).unwrap();
        bench.base(LOCAL);
        bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
        bench.run_until(at(40 * moment));
        let generation = bench.agent.restart(bench.now, bench.stream).unwrap();
        bench.run_for(ms(1_500));
        let ended = |event: &Event| matches!(event, Event::GatheringComplete { generation: of, .. } if *of == generation);
        assert!(bench.saw(ended), "restarted after {} ms", 40 * moment);
    }
}

/// Lesson: L-39
#[test]
fn of_twenty_times_fifty_candidates_the_best_pairs_are_kept() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    for n in 1..=20 {
        bench.base(&format!("192.0.2.{n}:1000"));
    }
    announce(&mut bench, "trickle");
    for n in 1..=50_u32 {
        bench.trickle(typed(
            &n.to_string(),
            "host",
            2_130_706_431 - 1_000 * n,
            &format!("198.51.100.{n}:2000"),
        ));
    }
    assert_eq!(bench.agent.pairs(bench.stream).count(), 100);
    let best = bench.agent.pairs(bench.stream).next().unwrap();
    assert_eq!((best.path().local(), best.path().remote()), (address(LOCAL), address("198.51.100.1:2000")));
}

/// The selected path is lost, another one takes over, and then its base goes as well: what was lost is not asked again.
///
/// Proves: rfc7675-5.1-17
#[test]
fn a_lost_path_is_not_taken_up_again_when_the_one_that_replaced_it_goes() {
    let (mut bench, _) = bench(Config::new(), Role::Controlling, "trickle renomination");
    bench.run_answering(at(2_000), no_delay);
    assert_eq!(bench.agent.route(bench.component()).unwrap().path().local(), address(LOCAL));
    bench.run_for(Duration::from_secs(40));
    assert_eq!(state(&bench), StreamState::Lost(Reason::ConsentExpired));
    let second = bench.base(SECOND);
    bench.run_answering(at(50_000), |check| (check.path.local() == address(SECOND)).then_some(ms(1)));
    assert_eq!(state(&bench), StreamState::Completed);
    let before = bench.requests().len();
    remove_base(&mut bench, second);
    bench.run_answering(at(120_000), no_delay);
    assert_eq!(state(&bench), StreamState::Lost(Reason::BaseRemoved));
    assert!(bench.agent.route(bench.component()).is_none());
    assert_eq!(bench.requests().len(), before);
}

/// The address that a session uses expires: it is withdrawn, the next temporary one takes over, and what both hide is not
/// shown on the way.
///
/// Proves: rfc8445-5.1.1.1-8, rfc8445-5.1.1.4-3
/// Lesson: L-41
#[test]
fn a_temporary_address_that_expires_gives_way_to_the_next_one() {
    let [old, new, hidden] = ["[2001:db8::aaaa]:1000", "[2001:db8::bbbb]:1000", "[2001:db8::1]:1000"];
    for role in [Role::Controlling, Role::Controlled] {
        let mut bench = Bench::bare(continual(), role);
        announce(&mut bench, "trickle renomination continual");
        bench.trickle(host("1", 1, "[2001:db8:ffff::1]:2000"));
        let temporary = |bench: &mut Bench, local: &str| {
            let base = Base::udp(address(local)).temporary();
            let id = bench.agent.add_base(bench.now, bench.component(), base).unwrap();
            bench.drain();
            id
        };
        let base = temporary(&mut bench, old);
        let nominate = |bench: &mut Bench, local: &str, number: u8| {
            let extra = vec![(AttributeType::new(0xc001), vec![0, 0, 0, number])];
            let check = harness::PeerCheck { use_candidate: true, extra, ..bench.peer_check() };
            assert_eq!(bench.feed_on(local, "[2001:db8:ffff::1]:2000", &check.encode()), Fed::Control);
        };
        if role == Role::Controlled {
            nominate(&mut bench, old, 1);
        }
        bench.run_answering(at(2_000), no_delay);
        assert_eq!(state(&bench), StreamState::Completed);
        temporary(&mut bench, new);
        remove_base(&mut bench, base);
        assert_eq!(withdrawals(&bench), 1);
        assert_eq!(try_base(&mut bench, hidden), Err(Error::Trackable));
        if role == Role::Controlled {
            nominate(&mut bench, new, 2);
        }
        bench.run_answering(at(4_000), no_delay);
        assert_eq!(state(&bench), StreamState::Completed, "{role}");
        assert_eq!(bench.agent.route(bench.component()).unwrap().path().local(), address(new));
        assert_eq!(signalled(&bench), [old, new].map(address));
    }
}

/// However many networks there are, of whatever kind, none is left out: the only one that works may be any.
///
/// Proves: rfc8445-5.1.1.1-1
/// Lesson: L-42
#[test]
fn of_eight_networks_the_only_one_that_works_is_found() {
    let local = |n: u16| address(&format!("[2001:db8:0:{n}::1]:1000"));
    for works in 1..=8 {
        let mut bench = Bench::bare(Config::new().consent(false), Role::Controlling);
        for n in 1..=8 {
            let base = Base::udp(local(n)).network(n, [0, 10, 50, 900][usize::from(n) % 4]);
            bench.agent.add_base(bench.now, bench.component(), base).unwrap();
        }
        bench.drain();
        assert_eq!(signalled(&bench).len(), 8);
        announce(&mut bench, "trickle");
        bench.trickle(host("1", 1, "[2001:db8:ffff::1]:2000"));
        bench.run_answering(at(3_000), |check| (check.path.local() == local(works)).then_some(ms(100)));
        assert_eq!(state(&bench), StreamState::Completed, "network {works}");
        assert_eq!(bench.agent.route(bench.component()).unwrap().path().local(), local(works));
    }
}
