//! Each rule about what an agent shows speaks where it is broken, and is silent where it is kept. What no agent shows is put
//! together from what several show, or one at several times.

use core::time::Duration;

use super::*;
use crate::ice::{Foundation, Nomination, Priority};
use crate::sim::watch::bench::{Bench, address, at, path};
use crate::stun::{
    self, Builder, ErrorCode, IceControlling, Integrity, Key, Method, TransactionId, UseCandidate, Username,
};
use crate::{Config, Path, Seed, Transport};

const MS: Duration = Duration::from_millis(1);
const LOCAL: &str = "192.0.2.1:1000";
const REMOTES: [&str; 2] = ["198.51.100.1:2000", "198.51.100.2:2000"];

fn first() -> Path {
    path(LOCAL, REMOTES[0])
}

fn second() -> Path {
    path(LOCAL, REMOTES[1])
}

fn bench(config: Config, role: Role, foundations: [&str; 2]) -> Bench {
    let mut bench = Bench::new(config.nomination(Nomination::Manual), role, 1);
    bench.base(1, LOCAL);
    bench.remote("trickle ice2");
    for (foundation, remote) in foundations.into_iter().zip(REMOTES) {
        bench.trickle(foundation, 1, address(remote));
    }
    bench
}

/// Nothing has left yet, and the second pair is frozen behind the first.
fn frozen() -> Bench {
    let bench = bench(Config::new(), Role::Controlling, ["1", "1"]);
    assert_eq!((bench.state(first()), bench.state(second())), (PairState::Waiting, PairState::Frozen));
    bench
}

/// Both pairs are in progress.
fn asked() -> Bench {
    let mut bench = bench(Config::new(), Role::Controlling, ["1", "2"]);
    bench.run_until(at(200));
    for path in [first(), second()] {
        assert!(matches!(bench.state(path), PairState::InProgress(_)));
    }
    bench
}

/// The check on that path has just been answered.
fn answered(path: Path) -> Bench {
    let mut bench = asked();
    bench.answer(bench.check_on(path));
    assert!(bench.pair(path).is_valid() && bench.violation().is_none());
    bench
}

/// The first pair is selected.
fn selected() -> Bench {
    let mut bench = answered(first());
    nominate(&mut bench, first());
    bench
}

fn nominate(bench: &mut Bench, path: Path) {
    let pair = bench.pair(path).id();
    bench.command(|agent, now, _| agent.nominate(now, pair).unwrap());
    bench.run_until(bench.now + 200 * MS);
    bench.answer(bench.check_on(path));
    assert!(bench.pair(path).is_selected() && bench.violation().is_none());
}

fn wire(bench: &Bench) -> &Wire {
    &bench.watch.wire
}

fn limits() -> Limits {
    Limits::default()
}

#[track_caller]
fn breaks(told: Result<(), String>, rule: &str) {
    assert!(told.as_ref().is_err_and(|told| told.starts_with(rule)), "{told:?}");
}

#[test]
fn no_counter_may_fall() {
    let all: [fn(&mut Stats); 25] = [
        |stats| stats.transmitted = 1,
        |stats| stats.data_received = 1,
        |stats| stats.checks_sent = 1,
        |stats| stats.consent_checks_sent = 1,
        |stats| stats.retransmissions = 1,
        |stats| stats.checks_withheld = 1,
        |stats| stats.pairs_dropped = 1,
        |stats| stats.peer_reflexive_refused = 1,
        |stats| stats.early_requests_dropped = 1,
        |stats| stats.names_unresolved = 1,
        |stats| stats.servers_failed = 1,
        |stats| stats.ignored.unknown_base = 1,
        |stats| stats.ignored.source = 1,
        |stats| stats.ignored.malformed = 1,
        |stats| stats.ignored.fingerprint = 1,
        |stats| stats.ignored.unexpected = 1,
        |stats| stats.ignored.unknown_transaction = 1,
        |stats| stats.ignored.bad_integrity = 1,
        |stats| stats.ignored.unauthenticated = 1,
        |stats| stats.ignored.refused = 1,
        |stats| stats.ignored.indication = 1,
        |stats| stats.ignored.relay = 1,
        |stats| stats.ignored.direct = 1,
        |stats| stats.ignored.unverified = 1,
        |stats| stats.ignored.closed = 1,
    ];
    for count in all {
        let (less, mut more) = (Stats::default(), Stats::default());
        count(&mut more);
        assert_ne!(less, more);
        breaks(counters(&less, &more), "INV-33");
        assert_eq!(counters(&more, &less), Ok(()));
        assert_eq!(counters(&more, &more), Ok(()));
    }
    let bench = asked();
    let sent = bench.agent.stats();
    let told = inspect(&frozen().agent, &limits(), wire(&bench), at(0), &sent);
    breaks(told, "INV-33");
}

#[test]
fn no_two_listed_pairs_are_on_one_path() {
    let bench = asked();
    let [one, other] = [first(), second()].map(|path| bench.pair(path));
    breaks(list(Role::Controlling, &[one, other, other]), "INV-37");
    assert_eq!(list(Role::Controlling, &[one, other]), Ok(()));
}

/// The one was checked, and the other is valid under the address that the peer has seen.
#[test]
fn a_pair_that_is_only_valid_may_be_on_the_path_of_a_listed_one() {
    let mut bench = asked();
    bench.answer_as(bench.check_on(first()), address("203.0.113.1:3000"));
    let pairs: Vec<_> = bench.agent.pairs(bench.stream).collect();
    assert_eq!(pairs.iter().filter(|pair| pair.path() == first()).count(), 2);
    assert_eq!(list(Role::Controlling, &pairs), Ok(()));
    assert_eq!(bench.violation(), None);
}

/// One base, of less worth than the peer's candidate, or of more.
fn of_unequal_worth(role: Role, theirs: u32) -> Bench {
    let mut bench = Bench::new(Config::new(), role, 1);
    bench.base(1, LOCAL);
    bench.remote("trickle ice2");
    let line = format!("candidate:1 1 udp {theirs} 198.51.100.1 2000 typ host");
    let candidate = crate::sdp::parse_candidate(&line).unwrap();
    bench.command(|agent, now, stream| agent.add_remote_candidate(now, stream, candidate).unwrap());
    assert_ne!(bench.pair(first()).local().priority(), bench.pair(first()).remote().priority());
    bench
}

#[test]
fn a_pair_has_the_priority_that_its_candidates_and_the_role_give_it() {
    for theirs in [1, u32::MAX >> 1] {
        for (role, other) in [(Role::Controlling, Role::Controlled), (Role::Controlled, Role::Controlling)] {
            let bench = of_unequal_worth(role, theirs);
            assert_eq!(list(role, &[bench.pair(first())]), Ok(()));
            breaks(list(other, &[bench.pair(first())]), "INV-38");
        }
    }
}

#[test]
fn pairs_are_in_the_order_of_their_priorities() {
    let (low, high) =
        (of_unequal_worth(Role::Controlling, 1), of_unequal_worth(Role::Controlling, u32::MAX >> 1));
    let bench = asked();
    let (low, mid, high) = (low.pair(first()), bench.pair(second()), high.pair(first()));
    assert!(low.priority() < mid.priority() && mid.priority() < high.priority());
    breaks(list(Role::Controlling, &[mid, high]), "INV-38");
    breaks(list(Role::Controlling, &[low, mid]), "INV-38");
    assert_eq!(list(Role::Controlling, &[high, mid]), Ok(()));
    assert_eq!(list(Role::Controlling, &[mid, low]), Ok(()));
    assert_eq!(list(Role::Controlling, &[bench.pair(first()), mid]), Ok(()), "as good as each other");
}

#[test]
fn a_success_leaves_nothing_frozen_that_shares_its_foundation() {
    let (behind, mut before) = (frozen(), frozen());
    before.run_until(at(0));
    let pairs = |bench: &Bench| list(Role::Controlling, &[bench.pair(first()), behind.pair(second())]);
    assert!(matches!(before.state(first()), PairState::InProgress(_)));
    assert_eq!(pairs(&before), Ok(()), "nothing has succeeded");
    before.answer(before.check_on(first()));
    assert_eq!(before.state(first()), PairState::Succeeded);
    breaks(pairs(&before), "INV-39");
    assert_eq!(before.violation(), None, "the agent has thawed it");
    // Of another foundation it may have succeeded.
    let mut another = bench(Config::new(), Role::Controlling, ["2", "1"]);
    another.run_until(at(0));
    another.answer(another.check_on(first()));
    assert_eq!(another.state(first()), PairState::Succeeded);
    assert_eq!(pairs(&another), Ok(()));
}

/// Ours counts as well as the peer's.
#[test]
fn a_foundation_is_of_both_candidates() {
    let mut other = Bench::new(Config::new().nomination(Nomination::Manual), Role::Controlling, 1);
    for local in ["192.0.2.7:1000", LOCAL] {
        other.base(1, local);
    }
    other.remote("trickle ice2");
    for remote in REMOTES {
        other.trickle("1", 1, address(remote));
    }
    let mut before = frozen();
    before.run_until(at(0));
    before.answer(before.check_on(first()));
    let (frozen, succeeded) = (other.pair(second()), before.pair(first()));
    assert_eq!(frozen.state(), PairState::Frozen);
    assert_eq!(frozen.remote().foundation(), succeeded.remote().foundation());
    assert_ne!(frozen.local().foundation(), succeeded.local().foundation());
    assert_eq!(list(Role::Controlling, &[succeeded, frozen]), Ok(()));
}

#[test]
fn one_pair_of_a_component_is_selected_and_it_is_valid_and_nominated() {
    let bench = selected();
    let asked = asked();
    let (this, that) = (bench.pair(first()), asked.pair(second()));
    assert_eq!(list(Role::Controlling, &[this, that]), Ok(()));
    assert!(!that.is_valid());
    breaks(list(Role::Controlling, &[this, that.as_selected()]), "INV-39");
    let not_nominated = answered(second());
    let not_nominated = not_nominated.pair(second());
    assert!(not_nominated.is_valid() && !not_nominated.is_nominated());
    breaks(list(Role::Controlling, &[not_nominated.as_selected()]), "INV-39");
    let mut elsewhere = answered(second());
    nominate(&mut elsewhere, second());
    let that = elsewhere.pair(second());
    assert_eq!(list(Role::Controlling, &[that]), Ok(()));
    breaks(list(Role::Controlling, &[this, that]), "INV-39");
}

#[test]
fn each_component_has_a_selected_pair_of_its_own() {
    let mut bench = Bench::new(Config::new(), Role::Controlling, 2);
    for (component, local, remote) in [(1, LOCAL, REMOTES[0]), (2, "192.0.2.1:1001", REMOTES[1])] {
        bench.base(component, local);
        if component == 1 {
            bench.remote("trickle ice2");
        }
        bench.trickle("1", component, address(remote));
    }
    let mut known = 0;
    while bench.now < at(2_000) {
        bench.run_until(bench.now + 10 * MS);
        let new: Vec<_> = bench.checks()[known..].into();
        known = bench.checks().len();
        new.into_iter().for_each(|check| bench.answer(check));
    }
    let pairs: Vec<_> = bench.agent.pairs(bench.stream).collect();
    assert_eq!(pairs.iter().filter(|pair| pair.is_selected()).count(), 2);
    assert_eq!(list(Role::Controlling, &pairs), Ok(()));
    assert_eq!(bench.violation(), None);
}

#[test]
fn a_pair_in_progress_was_asked_on_its_path() {
    let bench = asked();
    let look = |wire: &Wire| look_at(&bench.agent, wire, &bench.pair(first()));
    assert_eq!(look(wire(&bench)), Ok(()));
    breaks(look(&Wire::default()), "INV-39");
    // Nothing was asked of the one that waits.
    let waiting = frozen();
    assert_eq!(look_at(&waiting.agent, &Wire::default(), &waiting.pair(first())), Ok(()));
}

/// A relay may hold it back, and an allowance may.
#[test]
fn what_may_have_been_held_back_is_not_missed() {
    let (asked, answered, mut relays) = (asked(), answered(first()), Wire::default());
    relays.give_relayed(path("192.0.2.9:1000", "198.51.100.9:3478"), address(LOCAL));
    let withholding = withholding();
    for bench in [&asked, &answered] {
        let pair = bench.pair(first());
        assert!(look_at(&bench.agent, &Wire::default(), &pair).is_err());
        assert_eq!(look_at(&bench.agent, &relays, &pair), Ok(()));
        assert_eq!(look_at(&withholding.agent, &Wire::default(), &pair), Ok(()));
    }
}

/// An agent that has withheld a check, and waits.
fn withholding() -> Bench {
    let config = Config::new().limits(Limits { unanswered_packets: 1, ..limits() });
    let mut bench = bench(config, Role::Controlling, ["1", "2"]);
    bench.trickle("3", 1, address("198.51.100.1:2001"));
    bench.run_until(at(1_000));
    assert!(bench.agent.stats().checks_withheld > 0 && bench.agent.deadline().is_some());
    assert_eq!(bench.violation(), None);
    bench
}

#[test]
fn somebody_waits_for_a_pair_in_progress() {
    let idle = Agent::new(Config::new(), Role::Controlling, Seed::from([42; 32]));
    assert_eq!(idle.deadline(), None);
    let (asked, answered) = (asked(), answered(first()));
    breaks(look_at(&idle, wire(&asked), &asked.pair(first())), "INV-39: nobody waits");
    assert_eq!(look_at(&idle, wire(&answered), &answered.pair(first())), Ok(()));
}

#[test]
fn a_pair_is_valid_by_an_answer_on_its_path() {
    let bench = answered(first());
    let look = |agent: &Agent, wire: &Wire| look_at(agent, wire, &bench.pair(first()));
    assert_eq!(look(&bench.agent, wire(&bench)), Ok(()));
    breaks(look(&bench.agent, wire(&answered(second()))), "INV-28");
    let lite = Agent::new(Config::new().lite(true), Role::Controlled, Seed::from([42; 32]));
    assert_eq!(look(&lite, &Wire::default()), Ok(()), "it asks nothing");
    // Of what is not valid nothing is to be shown.
    let mut failed = asked();
    failed.refuse(failed.check_on(first()), &ErrorCode::BAD_REQUEST);
    assert_eq!(look_at(&failed.agent, &Wire::default(), &failed.pair(first())), Ok(()));
}

/// RFC 8445 section 7.2.5.3.2: a check of the first base was seen under the address of the second.
#[test]
fn a_pair_is_valid_by_an_answer_that_names_its_base() {
    let mut bench = asked();
    let other = "192.0.2.2:1000";
    bench.base(1, other);
    bench.answer_as(bench.check_on(first()), address(other));
    let pair = bench.agent.pairs(bench.stream).find(Pair::is_valid).unwrap();
    assert_eq!(pair.path(), path(other, REMOTES[0]));
    assert_eq!(look_at(&bench.agent, wire(&bench), &pair), Ok(()));
    assert_eq!(bench.violation(), None);
    breaks(look_at(&bench.agent, wire(&answered(first())), &pair), "INV-28");
    // By another peer address it says nothing.
    let mut elsewhere = asked();
    elsewhere.base(1, other);
    elsewhere.answer_as(elsewhere.check_on(second()), address(other));
    breaks(look_at(&bench.agent, wire(&elsewhere), &pair), "INV-28");
}

fn route_of(bench: &Bench, wire: &Wire, now: Timestamp) -> Result<(), String> {
    assert!(bench.agent.route(bench.stream.component(1)).is_some());
    route(&bench.agent, wire, bench.stream.component(1), now)
}

#[test]
fn data_goes_where_an_answer_came_within_thirty_seconds() {
    let (bench, mut known) = (valid(Config::new()), Wire::default());
    assert_eq!(route_of(&bench, wire(&bench), bench.now), Ok(()));
    breaks(route_of(&bench, &known, bench.now), "INV-27");
    known.give_answer(second(), bench.now);
    breaks(route_of(&bench, &known, bench.now), "INV-27");
    known.give_answer(first(), at(70_000));
    assert_eq!(route_of(&bench, &known, bench.now), Ok(()));
    known.give_answer(first(), at(69_999));
    breaks(route_of(&bench, &known, bench.now), "INV-27");
}

/// There is one pair, and it was answered at 100 s.
fn valid(config: Config) -> Bench {
    let mut bench = Bench::new(config.nomination(Nomination::Manual), Role::Controlling, 1);
    bench.now = at(100_000);
    bench.base(1, LOCAL);
    bench.remote("trickle ice2");
    bench.trickle("1", 1, address(REMOTES[0]));
    bench.run_until(at(100_000));
    bench.answer(bench.check_on(first()));
    assert_eq!(bench.violation(), None);
    bench
}

#[test]
fn an_agent_that_was_not_told_the_time_is_not_held_to_it() {
    let bench = valid(Config::new());
    let due = bench.agent.deadline().unwrap();
    let before = Timestamp::ZERO + due.saturating_since(Timestamp::ZERO + MS);
    breaks(route_of(&bench, &Wire::default(), before), "INV-27");
    assert_eq!(route_of(&bench, &Wire::default(), due), Ok(()));
}

#[test]
fn of_consent_nothing_is_said_where_nobody_asks_for_it_or_a_relay_does() {
    let bench = valid(Config::new().consent(false));
    assert_eq!(route_of(&bench, &Wire::default(), bench.now), Ok(()));
    let (bench, mut relays) = (valid(Config::new()), Wire::default());
    relays.give_relayed(path("192.0.2.9:1000", "198.51.100.9:3478"), address(LOCAL));
    assert_eq!(route_of(&bench, &relays, bench.now), Ok(()));
    let nobody = asked();
    assert_eq!(nobody.agent.route(nobody.stream.component(1)), None);
    assert_eq!(route(&nobody.agent, &Wire::default(), nobody.stream.component(1), nobody.now), Ok(()));
    // A lite agent is asked.
    let mut lite = Bench::new(Config::new().lite(true), Role::Controlled, 1);
    lite.base(1, LOCAL);
    lite.command(|agent, now, stream| agent.end_of_bases(now, stream).unwrap());
    lite.remote("trickle ice2");
    lite.trickle("1", 1, address(REMOTES[0]));
    let nomination = nomination(&lite);
    lite.hear(first(), &nomination);
    lite.run_until(at(1));
    assert!(lite.agent.deadline().is_none_or(|due| due > lite.now));
    assert_eq!(route_of(&lite, &Wire::default(), lite.now), Ok(()));
}

/// The peer nominates.
fn nomination(bench: &Bench) -> Vec<u8> {
    let (mut request, ours) = (Vec::new(), bench.ours());
    Builder::request(&mut request, Method::BINDING, TransactionId::from([7; 12]))
        .attribute(&Username::new(&format!("{}:{}", ours.ufrag(), bench.peer.ufrag())).unwrap())
        .attribute(&stun::Priority(1_862_270_975))
        .attribute(&IceControlling(7))
        .attribute(&UseCandidate)
        .integrity(&Key::short_term(ours.password().as_bytes()), Integrity::Sha1)
        .fingerprint();
    request
}

fn candidates_of(bench: &Bench, limits: Limits, wire: &Wire) -> Result<(), String> {
    candidates(&bench.agent, &limits, wire, bench.stream)
}

#[test]
fn a_peer_reflexive_candidate_has_checked_from_where_it_is() {
    let (mut bench, elsewhere) = (asked(), path(LOCAL, "198.51.100.3:2000"));
    assert_eq!(candidates_of(&bench, limits(), &Wire::default()), Ok(()), "they were signalled");
    let (request, _) = bench.peer_check();
    bench.hear(elsewhere, &request);
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 3);
    assert_eq!(candidates_of(&bench, limits(), wire(&bench)), Ok(()));
    breaks(candidates_of(&bench, limits(), &Wire::default()), "INV-25");
    let mut from_another = asked();
    let (request, _) = from_another.peer_check();
    from_another.hear(first(), &request);
    breaks(candidates_of(&bench, limits(), wire(&from_another)), "INV-25");
    // Where that was may be unclear behind relays.
    let mut relays = Wire::default();
    relays.give_relayed(path("192.0.2.9:1000", "198.51.100.9:3478"), address("198.51.100.9:49152"));
    assert_eq!(candidates_of(&bench, limits(), &relays), Ok(()));
}

#[test]
fn there_are_no_more_candidates_and_pairs_than_may_be() {
    let mut bench = asked();
    bench.trickle("3", 1, address("198.51.100.3:2000"));
    bench.base(1, "192.0.2.2:1000");
    let with = |remote_candidates, peer_reflexive, local_candidates, pairs| {
        let limits =
            Limits { remote_candidates, peer_reflexive, local_candidates, pairs, ..Limits::default() };
        inspect(&bench.agent, &limits, wire(&bench), bench.now, &Stats::default())
    };
    assert_eq!(bench.agent.pairs(bench.stream).count(), 6);
    assert_eq!(with(1, 1, 2, 6), Ok(()));
    breaks(with(1, 0, 2, 6), "INV-32: 3 remote");
    assert_eq!(with(0, 3, 2, 6), Ok(()));
    assert_eq!(with(2, 0, 2, 6), Ok(()), "as many names");
    breaks(with(1, 1, 1, 6), "INV-32: 2 local");
    breaks(with(1, 1, 2, 5), "INV-32: 6 live");
}

#[test]
fn pairs_are_counted_over_all_streams() {
    let (mut bench, limits) = (asked(), Limits { pairs: 1, ..limits() });
    bench.command(|agent, _, _| agent.add_stream(1).unwrap());
    breaks(inspect(&bench.agent, &limits, wire(&bench), bench.now, &Stats::default()), "INV-32: 2 live");
}

/// The agent as it is, and what was learned of it otherwise.
#[test]
fn each_pair_and_each_route_is_looked_at() {
    let look =
        |bench: &Bench, wire: &Wire| inspect(&bench.agent, &limits(), wire, bench.now, &Stats::default());
    let mut bench = valid(Config::new());
    assert_eq!(look(&bench, wire(&bench)), Ok(()));
    breaks(look(&bench, &Wire::default()), "INV-28");
    bench.watch.wire.give_answer(first(), at(69_999));
    breaks(look(&bench, wire(&bench)), "INV-27");
}

/// A pair that is only valid takes no place in the list.
#[test]
fn what_is_only_valid_is_not_live() {
    let mut bench = asked();
    bench.answer_as(bench.check_on(first()), address("203.0.113.1:3000"));
    assert_eq!(bench.agent.pairs(bench.stream).count(), 3);
    let limits = Limits { pairs: 2, ..limits() };
    assert_eq!(inspect(&bench.agent, &limits, wire(&bench), bench.now, &Stats::default()), Ok(()));
}

fn candidate(kind: CandidateKind, ip: &str, foundation: &str) -> Candidate {
    let (foundation, priority) = (Foundation::new(foundation).unwrap(), Priority::new(1).unwrap());
    Candidate::new(kind, 1, Transport::Udp, address(ip), priority, foundation)
}

fn reflexive(ip: &str, base: &str) -> Candidate {
    candidate(CandidateKind::ServerReflexive, ip, "1").with_related(address(base))
}

#[test]
fn one_foundation_is_of_one_type_transport_and_base() {
    let host = |ip| candidate(CandidateKind::Host, ip, "1");
    assert_eq!(foundations(&[&host("192.0.2.1:1000"), &host("192.0.2.1:1001")]), Ok(()), "another port");
    breaks(foundations(&[&host("192.0.2.1:1000"), &host("192.0.2.2:1000")]), "INV-42: one");
    let relayed = |ip| candidate(CandidateKind::Relayed, ip, "1");
    breaks(foundations(&[&relayed("192.0.2.1:1000"), &relayed("192.0.2.2:1000")]), "INV-42: one");
    breaks(foundations(&[&host("192.0.2.1:1000"), &relayed("192.0.2.1:1000")]), "INV-42: one");
    let tcp = crate::sdp::parse_candidate("candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active").unwrap();
    breaks(foundations(&[&host("192.0.2.1:1000"), &tcp]), "INV-42: one");
    // Of the mapped addresses of one base each is another one.
    let (one, other) = ("203.0.113.1:3000", "203.0.113.2:3000");
    assert_eq!(foundations(&[&reflexive(one, LOCAL), &reflexive(other, LOCAL)]), Ok(()));
    breaks(foundations(&[&reflexive(one, LOCAL), &reflexive(one, "192.0.2.2:1000")]), "INV-42: one");
    // The third and the first.
    let between = candidate(CandidateKind::Host, "192.0.2.3:1000", "2");
    breaks(foundations(&[&host("192.0.2.1:1000"), &between, &host("192.0.2.2:1000")]), "INV-42: one");
}

#[test]
fn hosts_that_are_alike_have_one_foundation() {
    let host = |ip, foundation| candidate(CandidateKind::Host, ip, foundation);
    breaks(foundations(&[&host("192.0.2.1:1000", "1"), &host("192.0.2.1:1001", "2")]), "INV-42: two");
    assert_eq!(foundations(&[&host("192.0.2.1:1000", "1"), &host("192.0.2.2:1000", "2")]), Ok(()));
    // Another server may have seen it.
    let other = candidate(CandidateKind::ServerReflexive, "203.0.113.1:3000", "2");
    let other = other.with_related(address(LOCAL));
    assert_eq!(foundations(&[&reflexive("203.0.113.1:3000", LOCAL), &other]), Ok(()));
    // Whose name is all that is shown may be anywhere.
    let name = |foundation| {
        let line =
            format!("candidate:{foundation} 1 udp 1 1f92d3ae-11b5-4b5b-9b6e-0a3f5a4c0d5e.local 9 typ host");
        crate::sdp::parse_candidate(&line).unwrap()
    };
    assert_eq!(foundations(&[&name("1"), &name("2")]), Ok(()));
}

#[test]
fn our_candidates_are_looked_at() {
    let mut bench = Bench::new(Config::new(), Role::Controlling, 2);
    for (component, local) in [(1, LOCAL), (2, "192.0.2.1:1001"), (1, "192.0.2.2:1000")] {
        bench.base(component, local);
    }
    let ours: Vec<_> = bench.agent.local_candidates(bench.stream).map(|(_, it)| it).collect();
    assert_eq!(ours.len(), 3);
    assert_eq!(ours[0].foundation(), ours[1].foundation());
    assert_ne!(ours[0].foundation(), ours[2].foundation());
    assert_eq!(candidates_of(&bench, limits(), wire(&bench)), Ok(()));
}

#[test]
fn nothing_is_left_of_a_stream_that_was_closed() {
    let mut bench = asked();
    let pairs = [bench.pair(first())];
    breaks(left(Some(StreamState::Closed), &pairs), "INV-51");
    assert_eq!(left(Some(StreamState::Checking), &pairs), Ok(()));
    bench.command(|agent, now, stream| agent.close_stream(now, stream).unwrap());
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Closed));
    assert_eq!(left(Some(StreamState::Closed), &[]), Ok(()));
    assert_eq!(bench.violation(), None);
}

#[test]
fn who_is_over_waits_for_nothing() {
    breaks(over(true, Some(at(1))), "INV-10");
    assert_eq!(over(false, Some(at(1))), Ok(()));
    assert_eq!(over(true, None), Ok(()));
}

#[test]
fn who_has_a_stream_left_may_wait() {
    let mut bench = asked();
    let other = bench.command(|agent, _, _| agent.add_stream(1).unwrap());
    bench.command(|agent, now, _| agent.close_stream(now, other).unwrap());
    assert!(bench.agent.deadline().is_some() && bench.violation().is_none());
}

#[test]
fn a_few_outputs_go_with_each_thing_that_an_agent_has() {
    let mut bench = Bench::new(Config::new(), Role::Controlling, 1);
    let alone = outputs_max(&bench.agent);
    bench.base(1, LOCAL);
    assert_eq!(outputs_max(&bench.agent), alone + 12);
    bench.remote("trickle ice2");
    bench.trickle("1", 1, address(REMOTES[0]));
    assert_eq!(outputs_max(&bench.agent), alone + 12 + 1 + 4);
    bench.trickle("1", 1, address(REMOTES[1]));
    assert_eq!(outputs_max(&bench.agent), alone + 12 + 2 * (1 + 4));
    assert_eq!(alone, 16);
}
