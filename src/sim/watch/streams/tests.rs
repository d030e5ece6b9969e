//! Which generations count, for how long, and which states may follow one another.

use super::*;
use crate::ice::Role;
use crate::sim::watch::bench::{Bench, at, path};
use crate::sim::watch::decode::Packet;
use crate::stun::{Builder, Integrity, Key, Method, TransactionId};
use crate::{Config, Reason, Seed};

/// One stream, and what its generations came to: whether they have connected, and when they were complete.
fn streams(generations: &[(bool, Option<u64>)]) -> Streams {
    let mut known = Known {
        generations: Vec::new(),
        state: StreamState::New,
        restarted: false,
        complete: BTreeSet::new(),
    };
    for (number, (connected, completed)) in generations.iter().enumerate() {
        let (ufrag, password) = (format!("ufrag{number}"), format!("a password of generation {number}"));
        let key = Password::new(&password);
        let completed = completed.map(at);
        known.generations.push(OneGeneration { ufrag, password, key, connected: *connected, completed });
    }
    Streams { known: [known].into(), all_closed: false, served_at: at(1_000_000) }
}

fn place(generation: usize) -> Place {
    Place { stream: StreamId::from_raw(0), generation }
}

/// The generations that may authenticate then.
fn counting(streams: &Streams, now: u64) -> Vec<usize> {
    let all = 0..streams.known[0].generations.len();
    all.filter(|generation| streams.counts(place(*generation), at(now))).collect()
}

const CONNECTED: (bool, Option<u64>) = (true, None);
const NOTHING: (bool, Option<u64>) = (false, None);

/// As the agent has it (`HEARD_AFTER_HANDOVER` in `agent::restart`).
const TEN_SECONDS: u64 = 10_000;

#[test]
fn the_current_generation_counts_and_the_one_before_and_none_that_came_to_nothing() {
    let all = streams(&[NOTHING; 4]);
    assert_eq!(counting(&all, 0), [2, 3]);
    assert!(!all.counts(Place { stream: StreamId::from_raw(1), ..place(3) }, at(0)), "of no stream");
}

#[test]
fn what_has_connected_counts_until_one_after_it_has_completed() {
    let all = streams(&[CONNECTED, NOTHING, CONNECTED, NOTHING, NOTHING]);
    assert_eq!(counting(&all, 1_000_000), [0, 2, 3, 4], "each of several may carry the data");
    let all = streams(&[(true, Some(0)), NOTHING, CONNECTED, NOTHING, NOTHING]);
    assert_eq!(counting(&all, 1_000_000), [0, 2, 3, 4], "its own completion is not its end");
}

/// World 156616 with an enemy: two restarts within the ten seconds.
#[test]
fn a_slow_peer_is_heard_for_ten_seconds_after_a_later_generation_has_completed() {
    let all = streams(&[CONNECTED, (true, Some(5_000)), NOTHING, NOTHING]);
    assert_eq!(counting(&all, 5_000), [0, 1, 2, 3]);
    assert_eq!(counting(&all, 5_000 + TEN_SECONDS), [0, 1, 2, 3]);
    assert_eq!(counting(&all, 5_001 + TEN_SECONDS), [1, 2, 3]);
    // The last one that has its ten seconds behind it is the first that counts.
    let all = streams(&[CONNECTED, (true, Some(5_000)), (true, Some(20_000)), NOTHING, NOTHING]);
    assert_eq!(counting(&all, 20_000 + TEN_SECONDS), [1, 2, 3, 4]);
    assert_eq!(counting(&all, 20_001 + TEN_SECONDS), [2, 3, 4]);
}

#[test]
fn the_current_generation_ends_what_has_connected_as_well() {
    let all = streams(&[CONNECTED, NOTHING, (true, Some(5_000))]);
    assert_eq!(counting(&all, 5_000 + TEN_SECONDS), [0, 1, 2]);
    assert_eq!(counting(&all, 5_001 + TEN_SECONDS), [1, 2]);
}

#[test]
fn an_agent_that_was_not_told_that_the_ten_seconds_are_over_hears_on() {
    let mut all = streams(&[CONNECTED, NOTHING, (true, Some(5_000))]);
    all.served_at = at(5_000 + TEN_SECONDS);
    assert_eq!(counting(&all, 20_000), [0, 1, 2]);
    // Its time is that at which nothing is due.
    let mut bench = bench();
    let due = bench.agent.deadline().unwrap();
    let known = |all: &mut Streams, bench: &Bench, now: Timestamp| {
        all.sync(&bench.agent, now).unwrap();
        all.served_at
    };
    let (mut all, before) = (Streams::default(), bench.now);
    assert_eq!(known(&mut all, &bench, before), before);
    assert_eq!(known(&mut all, &bench, due), before);
    bench.run_until(due);
    assert_eq!(known(&mut all, &bench, due), due);
    bench.command(|agent, now, _| agent.close(now));
    assert_eq!((bench.agent.deadline(), known(&mut all, &bench, at(90_000))), (None, at(90_000)));
}

/// A second time does not begin the ten seconds anew.
#[test]
fn a_generation_completes_once() {
    use StreamState::{Completed, Connected, Unconfirmed};
    let (mut all, stream) = (streams(&[CONNECTED, CONNECTED]), StreamId::from_raw(0));
    all.known[0].state = StreamState::Checking;
    let trouble = Unconfirmed(Reason::AnswerOverdue);
    for (state, millis) in [(Connected, 500), (Completed, 1_000), (trouble, 2_000), (Completed, 3_000)] {
        all.enter(stream, state, at(millis)).unwrap();
    }
    let completed = all.known[0].generations.iter().map(|known| known.completed);
    assert_eq!(completed.collect::<Vec<_>>(), [None, Some(at(1_000))]);
}

#[test]
fn names_and_signatures_are_those_of_the_generations_that_count() {
    let all = streams(&[NOTHING, NOTHING, NOTHING]);
    for generation in [0, 1, 2] {
        let (ufrag, password) =
            (format!("ufrag{generation}"), format!("a password of generation {generation}"));
        assert_eq!(all.named(ufrag.as_bytes()), Some(place(generation)));
        assert_eq!(all.is_current(place(generation)), generation == 2);
        let mut bytes = Vec::new();
        let _ = Builder::success(&mut bytes, Method::BINDING, TransactionId::from([7; 12]))
            .integrity(&Key::short_term(password.as_bytes()), Integrity::Sha1);
        let Ok(Packet::Stun(message)) = Packet::read(&bytes) else { panic!("no message") };
        assert!(all.has_signed(place(generation), &message));
        assert!(!all.has_signed(place((generation + 1) % 3), &message));
        assert_eq!(all.has_signed_any(&message, at(0)), generation > 0);
    }
    assert_eq!(all.named(b"ufrag"), None);
}

/// Which state may come after which. The same with another reason is another one.
const GRAPH: &str = "\
before      New Che Con Com Unc Los Fai Clo
New          .   x   x   x   .   .   x   x
Checking     .   .   x   x   x   x   x   x
Connected    .   x   .   x   x   x   x   x
Completed    .   x   x   .   x   x   x   x
Unconfirmed  .   x   x   x   x   x   x   x
Lost         .   x   x   x   x   x   x   x
Failed       .   .   .   .   .   .   .   x
Closed       .   .   .   .   .   .   .   .
";

#[test]
fn states_follow_their_graph_and_none_follows_itself() {
    let states = |reason: Reason| {
        use StreamState::{Checking, Closed, Completed, Connected, Failed, Lost, New, Unconfirmed};
        [New, Checking, Connected, Completed, Unconfirmed(reason), Lost(reason), Failed(reason), Closed]
    };
    let mut graph = String::from("before      New Che Con Com Unc Los Fai Clo\n");
    for before in states(Reason::Timeout) {
        let name: String = format!("{before:?}").chars().take_while(|it| it.is_alphabetic()).collect();
        graph += &format!("{name:<12}");
        for after in states(Reason::ConsentRevoked) {
            let (mut all, stream) = (streams(&[NOTHING]), StreamId::from_raw(0));
            all.known[0].state = before;
            let told = all.enter(stream, after, at(0));
            assert!(told.as_ref().err().is_none_or(|told| told.starts_with("INV-11")));
            graph += if told.is_ok() { " x  " } else { " .  " };
        }
        graph.truncate(graph.trim_end().len());
        graph += "\n";
        let (mut all, stream) = (streams(&[NOTHING]), StreamId::from_raw(0));
        all.known[0].state = before;
        assert!(all.enter(stream, before, at(0)).is_err(), "{before:?} twice");
    }
    assert_eq!(graph, GRAPH);
}

/// An agent that looks for its peer.
fn bench() -> Bench {
    let mut bench = Bench::new(Config::new(), Role::Controlling, 1);
    bench.base(1, "192.0.2.1:1000");
    bench.remote("trickle ice2");
    bench.trickle("1", 1, path("192.0.2.1:1000", "198.51.100.1:2000").remote());
    bench.run_until(at(100));
    assert_eq!((bench.agent.state(bench.stream), bench.violation()), (Some(StreamState::Checking), None));
    bench
}

/// What is known of an agent by now.
fn synced(bench: &Bench) -> Streams {
    let mut all = Streams::default();
    all.sync(&bench.agent, bench.now).unwrap();
    all
}

fn restart(bench: &mut Bench) {
    bench.command(|agent, now, stream| agent.restart(now, stream).unwrap());
}

#[test]
fn a_restart_leads_to_new_until_the_next_quiet_point() {
    let mut bench = bench();
    let (mut all, stream) = (synced(&bench), bench.stream);
    let leads_to_new = |all: &mut Streams, before: StreamState| {
        all.known[0].state = before;
        all.enter(stream, StreamState::New, at(0)).is_ok()
    };
    assert!(!leads_to_new(&mut all, StreamState::Checking));
    restart(&mut bench);
    all.sync(&bench.agent, bench.now).unwrap();
    assert!(leads_to_new(&mut all, StreamState::Checking));
    assert!(leads_to_new(&mut all, StreamState::Failed(Reason::Timeout)));
    assert!(!leads_to_new(&mut all, StreamState::Closed));
    all.quiet(&bench.agent);
    all.sync(&bench.agent, bench.now).unwrap();
    assert!(!leads_to_new(&mut all, StreamState::Checking));
}

#[test]
fn a_restart_changes_both_halves_of_the_credentials() {
    let known = |generation: &OneGeneration| (generation.ufrag.clone(), generation.password.clone());
    let mut bench = bench();
    let mut all = synced(&bench);
    restart(&mut bench);
    assert_eq!(all.sync(&bench.agent, bench.now), Ok(()));
    restart(&mut bench);
    let ours = bench.ours();
    // Of the last generation or of one before it, the one half or the other.
    for (generation, keeps_ufrag) in [(0, true), (0, false), (1, true), (1, false)] {
        let mut all = synced_as(&all);
        let old = &mut all.known[0].generations[generation];
        let half = if keeps_ufrag { &mut old.ufrag } else { &mut old.password };
        *half = if keeps_ufrag { ours.ufrag() } else { ours.password() }.to_string();
        let told = all.sync(&bench.agent, bench.now);
        assert!(told.is_err_and(|told| told.starts_with("INV-31")), "{generation}, {keeps_ufrag}");
    }
    assert_eq!(all.sync(&bench.agent, bench.now), Ok(()));
    assert_eq!(all.sync(&bench.agent, bench.now), Ok(()), "nothing is new");
    let all: BTreeSet<_> = all.known[0].generations.iter().map(known).collect();
    assert_eq!(all.len(), 3);
}

/// The same generations.
fn synced_as(all: &Streams) -> Streams {
    let mut same = streams(&[]);
    same.known[0].generations.extend(all.known[0].generations.iter().map(|known| OneGeneration {
        ufrag: known.ufrag.clone(),
        password: known.password.clone(),
        key: known.key.clone(),
        ..*known
    }));
    same
}

#[test]
fn a_generation_has_connected_once_it_has_had_a_valid_pair() {
    let mut bench = bench();
    let connected = |bench: &Bench| {
        let generations = bench.watch.streams.known[0].generations.iter();
        generations.map(|known| known.connected).collect::<Vec<_>>()
    };
    assert_eq!(connected(&bench), [false]);
    bench.answer(bench.checks()[0]);
    assert_eq!(connected(&bench), [true]);
    restart(&mut bench);
    assert_eq!(connected(&bench), [true, false]);
}

#[test]
fn everything_has_ended_until_there_is_another_stream() {
    let mut bench = bench();
    let mut all = synced(&bench);
    let mut has_ended = |bench: &Bench| {
        all.sync(&bench.agent, bench.now).unwrap();
        let before = all.all_closed_before();
        all.quiet(&bench.agent);
        (before, all.all_closed_before())
    };
    assert_eq!(has_ended(&bench), (false, false));
    bench.command(|agent, now, stream| agent.close_stream(now, stream).unwrap());
    assert_eq!(has_ended(&bench), (false, true), "its end has an output");
    assert_eq!(has_ended(&bench), (true, true));
    bench.command(|agent, _, _| agent.add_stream(1).unwrap());
    assert_eq!(has_ended(&bench), (false, false));
    let mut none = Streams::default();
    none.quiet(&Agent::new(Config::new(), Role::Controlling, Seed::from([7; 32])));
    assert!(!none.all_closed_before(), "what has not begun");
}

#[test]
fn the_end_of_candidates_comes_once_in_a_generation_unless_gathering_goes_on() {
    let (mut all, stream, first) = (streams(&[NOTHING]), StreamId::from_raw(0), Generation::FIRST);
    assert_eq!(all.complete(stream, first, false), Ok(()));
    assert!(all.complete(stream, first, false).is_err_and(|told| told.starts_with("INV-46")));
    assert_eq!(all.complete(stream, first, true), Ok(()));
    assert_eq!(all.complete(stream, first.next(), false), Ok(()));
}
