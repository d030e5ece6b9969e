//! How candidates that come one by one become pairs, and in which state (RFC 8838 sections 9 to 12).

mod harness;

use core::net::SocketAddr;
use core::time::Duration;
use floe::ice::{CandidateKind, Credentials, PairState, Role, StreamId};
use floe::stun::ErrorCode;
use floe::{Base, Config, Event, Limits, Output, Path, Remote, StreamState, Timestamp};
use harness::{Bench, LOCAL, REMOTE, address, at, host, manual, ms, no_delay, remote_credentials, typed};

const OTHER: &str = "198.51.100.2:2000";

/// The remote addresses of the listed pairs, in the order of the list.
fn paired(bench: &Bench) -> Vec<SocketAddr> {
    bench.pair_states().into_iter().map(|(remote, _)| remote).collect()
}

/// The first letter of the state of the pair with this remote address, a space if there is none.
fn letter(bench: &Bench, stream: StreamId, remote: &str) -> char {
    let pair =
        bench.agent.pairs(stream).find(|pair| pair.is_listed() && pair.path().remote() == address(remote));
    pair.map_or(' ', |pair| match pair.state() {
        PairState::Frozen => 'F',
        PairState::Waiting => 'W',
        PairState::InProgress(_) => 'P',
        PairState::Succeeded => 'S',
        _ => 'X',
    })
}

/// Proves: rfc8838-9-5, rfc8838-10-5
#[test]
fn the_same_candidate_again_leaves_pairs_in_every_state_as_they_are() {
    let mut bench = Bench::without_candidates(manual(), Role::Controlling);
    let remotes: Vec<String> = (1..=5).map(|n| format!("198.51.100.{n}:2000")).collect();
    for (n, remote) in remotes.iter().enumerate() {
        // The last two share a foundation, so that one of them is frozen.
        bench.trickle(typed(&n.min(3).to_string(), "host", 500 - u32::try_from(n).unwrap(), remote));
    }
    let first = bench.next_check();
    bench.answer(&first);
    let second = bench.next_check();
    let error = bench.error(&second, ErrorCode::BAD_REQUEST);
    bench.feed_path(second.path, &error);
    bench.next_check();
    let states: String = remotes.iter().map(|remote| letter(&bench, bench.stream, remote)).collect();
    assert_eq!(states, "SXPWF");
    let before: Vec<_> =
        bench.agent.pairs(bench.stream).map(|pair| (pair.id(), pair.state(), pair.priority())).collect();
    for remote in &remotes {
        bench.trickle(typed("9", "host", 9_999, remote));
    }
    let after: Vec<_> =
        bench.agent.pairs(bench.stream).map(|pair| (pair.id(), pair.state(), pair.priority())).collect();
    assert_eq!(after, before);
}

/// Nobody can be checked from a candidate that the peer may not hear of: outputs are polled in order, and the pair is
/// made when the candidate is queued.
///
/// Proves: rfc8838-10-1
#[test]
fn a_candidate_is_handed_over_before_any_check_leaves_from_it() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.agent.add_base(bench.now, bench.component(), Base::udp(address(LOCAL))).unwrap();
    bench.agent.handle_timeout(bench.now);
    let outputs: Vec<Output> = core::iter::from_fn(|| bench.agent.poll_output()).collect();
    let handed =
        outputs.iter().position(|it| matches!(it, Output::Event(Event::LocalCandidate { .. }))).unwrap();
    let checked = outputs.iter().position(|it| matches!(it, Output::Transmit(_))).unwrap();
    assert!(handed < checked);
}

/// Proves: rfc8838-10-2, rfc8838-10-3, rfc8838-11-1, rfc8838-11-2
#[test]
fn candidates_are_stored_until_their_counterpart_comes_and_paired_then() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.remote();
    bench.base(LOCAL);
    assert_eq!(bench.agent.local_candidates(bench.stream).count(), 1);
    assert_eq!(bench.agent.pairs(bench.stream).count(), 0);
    bench.base("192.0.2.1:1001");
    bench.trickle(host("1", 1, REMOTE));
    assert_eq!(bench.agent.pairs(bench.stream).count(), 2);

    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    assert_eq!(bench.agent.remote_candidates(bench.stream).count(), 1);
    assert_eq!(bench.agent.pairs(bench.stream).count(), 0);
    bench.base(LOCAL);
    assert_eq!(bench.pair_states(), [(address(REMOTE), PairState::Waiting)]);
}

/// A list of ten pairs: one Succeeded, three Failed, one In-Progress, five Waiting with priorities 101 to 105.
fn crowded() -> Bench {
    let mut limits = Limits::default();
    limits.pairs = 10;
    let mut bench = Bench::without_candidates(manual().limits(limits), Role::Controlling);
    for n in 1..=10_u32 {
        bench.trickle(typed(&n.to_string(), "host", 111 - n, &format!("198.51.100.{n}:2000")));
    }
    for n in 1..=5 {
        let check = bench.next_check();
        match n {
            1 => drop(bench.answer(&check)),
            2..=4 => bench.agent.handle_transmit_error(bench.now, check.path),
            _ => {}
        }
    }
    assert_eq!(letters(&bench, 1..=10), "SXXXPWWWWW");
    bench
}

fn letters(bench: &Bench, hosts: core::ops::RangeInclusive<u32>) -> String {
    hosts.map(|n| letter(bench, bench.stream, &format!("198.51.100.{n}:2000"))).collect()
}

/// Proves: rfc8838-10-6, rfc8838-11-5
/// Scenario: S-40
#[test]
fn a_full_list_makes_room_by_failed_pairs_first_and_the_worst_waiting_one_then() {
    let mut bench = crowded();
    let better = |n: u32| typed(&n.to_string(), "host", 1_000 + n, &format!("198.51.100.{n}:2000"));
    for (n, left) in [(11, "SXX PWWWWWW"), (12, "SX  PWWWWWWW"), (13, "S   PWWWWWWWW")] {
        bench.trickle(better(n));
        assert_eq!(letters(&bench, 1..=n), left);
    }
    bench.trickle(better(14));
    assert_eq!(letters(&bench, 1..=14), "S   PWWWW WWWW", "the worst of those that wait has gone");
    // What is worse than everything there finds no room.
    bench.trickle(typed("15", "host", 1, "198.51.100.15:2000"));
    assert_eq!(letters(&bench, 14..=15), "W ");
    assert_eq!(bench.agent.pairs(bench.stream).filter(|pair| pair.is_listed()).count(), 10);
}

/// Proves: rfc8838-10-6
#[test]
fn a_new_base_makes_room_for_its_pairs_in_the_same_way() {
    let mut bench = crowded();
    let pairs = |bench: &Bench, local| {
        bench.agent.pairs(bench.stream).filter(|it| it.path().local() == address(local)).count()
    };
    bench.base("192.0.2.1:1001");
    // Three take the places of those that failed; each of the others is worse than what waits on the first base.
    assert_eq!(letters(&bench, 1..=1), "S");
    assert_eq!(letters(&bench, 5..=5), "P");
    assert!(pairs(&bench, "192.0.2.1:1001") >= 3);
    let failed = bench.agent.pairs(bench.stream).filter(|pair| pair.state() == PairState::Failed).count();
    assert_eq!(failed, 0);
    assert_eq!(bench.agent.pairs(bench.stream).filter(|pair| pair.is_listed()).count(), 10);
}

/// Proves: rfc8838-11-4
#[test]
fn a_candidate_signalled_after_its_check_takes_over_the_pair_with_state_and_transaction() {
    let mut bench = Bench::without_candidates(manual(), Role::Controlling);
    bench.trickle(typed("1", "host", 500, OTHER));
    bench.peer_checks(false);
    let check = bench.next_check();
    assert_eq!(check.path.remote(), address(REMOTE));
    assert_eq!(paired(&bench), [REMOTE, OTHER].map(address));
    let id = bench.agent.pairs(bench.stream).next().unwrap().id();
    bench.trickle(typed("2", "host", 100, REMOTE));
    assert_eq!(paired(&bench), [OTHER, REMOTE].map(address), "the list is sorted anew");
    let pair = bench.agent.pair(id).unwrap();
    assert_eq!(pair.state(), PairState::InProgress(check.id));
    assert_eq!((pair.remote().kind(), pair.remote().priority().get()), (CandidateKind::Host, 100));
    bench.answer(&check);
    bench.run_answering(at(2_000), no_delay);
    assert_eq!(bench.checks().iter().filter(|check| check.path.remote() == address(REMOTE)).count(), 1);
}

/// The tables of the section, with a row for each component and a column for each foundation.
///
/// Proves: rfc8838-12-1, rfc8838-12-2, rfc8838-12-3
/// Lesson: L-15
#[test]
fn a_new_pair_waits_or_is_frozen_as_the_tables_of_the_rfc_say() {
    let mut bench = Bench::with_components(manual(), Role::Controlling, 2);
    let video = bench.agent.add_stream(2).unwrap();
    let rows = [bench.stream.component(1), bench.stream.component(2), video.component(1), video.component(2)];
    for (row, component) in (0..).zip(rows) {
        let local: SocketAddr = ([192, 0, 2, 1], 1_000 + row).into();
        bench.agent.add_base(bench.now, component, Base::udp(local)).unwrap();
    }
    for stream in [bench.stream, video] {
        bench.agent.set_remote(bench.now, stream, Remote::new(remote_credentials())).unwrap();
    }
    let place = |row: usize, column: usize| format!("198.51.100.{column}:{}", 2_001 + row);
    let add = |bench: &mut Bench, row: usize, column: usize| {
        let new = host(&column.to_string(), rows[row].number(), &place(row, column));
        bench.agent.add_remote_candidate(bench.now, rows[row].stream(), new).unwrap();
        bench.drain();
    };
    let table = |bench: &Bench| -> [String; 4] {
        core::array::from_fn(|row| {
            (1..=5).map(|column| letter(bench, rows[row].stream(), &place(row, column))).collect()
        })
    };
    for (row, columns) in [(0, 1..=3), (1, 1..=4), (2, 1..=1), (3, 1..=1)] {
        for column in columns {
            add(&mut bench, row, column);
        }
    }
    assert_eq!(table(&bench), ["WWW  ", "FFFW ", "F    ", "F    "], "table 2");
    let check = bench.next_check();
    assert_eq!(check.path.remote(), address(&place(0, 1)));
    bench.answer(&check);
    assert_eq!(table(&bench), ["SWW  ", "WFFW ", "W    ", "W    "], "table 3");
    add(&mut bench, 0, 5);
    assert_eq!(table(&bench), ["SWW W", "WFFW ", "W    ", "W    "], "table 4: rule 1");
    // In its turn it is checked, and the peer answers that check alone.
    let fifth = address(&place(0, 5));
    bench.run_answering(at(450), |check| (check.path.remote() == fifth).then_some(ms(0)));
    assert_eq!(table(&bench)[0].chars().last(), Some('S'));
    add(&mut bench, 1, 5);
    assert_eq!(letter(&bench, bench.stream, &place(1, 5)), 'W', "table 5: rule 2");
    add(&mut bench, 2, 5);
    assert_eq!(letter(&bench, video, &place(2, 5)), 'W', "the same in a list that had no such pair: rule 2");
    add(&mut bench, 2, 3);
    assert_eq!(letter(&bench, video, &place(2, 3)), 'F', "table 6: rule 3");
    // It thaws with the success of its foundation.
    let third =
        bench.checks().into_iter().find(|check| check.path.remote() == address(&place(0, 3))).unwrap();
    bench.answer(&third);
    assert_eq!(letter(&bench, video, &place(2, 3)), 'W');
}

/// Proves: rfc8838-12-4
#[test]
fn before_the_first_check_it_makes_no_difference_how_candidates_came() {
    let remotes = || {
        [("1", 300), ("1", 200), ("2", 100), ("2", 400), ("3", 50)].into_iter().zip(1..).map(
            |((foundation, priority), n): ((&str, u32), u8)| {
                typed(foundation, "host", priority, &format!("198.51.100.{n}:2000"))
            },
        )
    };
    let at_once = {
        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        bench.base(LOCAL);
        bench.base("192.0.2.1:1001");
        let remote = Remote::new(remote_credentials()).candidates(remotes());
        bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
        bench
    };
    let one_by_one = {
        let mut bench = Bench::bare(Config::new(), Role::Controlling);
        bench.base(LOCAL);
        remotes().take(2).for_each(|remote| bench.trickle(remote));
        bench.remote();
        bench.base("192.0.2.1:1001");
        remotes().skip(2).for_each(|remote| bench.trickle(remote));
        bench
    };
    let trace = |mut bench: Bench| -> Vec<(Timestamp, Path)> {
        bench.run_until(at(30_000));
        bench.requests().iter().map(|request| (request.at, request.path)).collect()
    };
    let trace_at_once = trace(at_once);
    assert!(trace_at_once.len() > 10);
    assert_eq!(trace(one_by_one), trace_at_once);
}

/// Scenario: S-35
#[test]
fn whatever_the_order_in_which_candidates_trickle_in_the_outcome_is_the_same() {
    let remotes = [("1", 300), ("1", 200), ("2", 400)];
    let outcome = |order: &[usize], pause: Duration| {
        let mut bench = Bench::bare(manual(), Role::Controlling);
        bench.remote();
        for &step in order {
            match step {
                3 => drop(bench.base(LOCAL)),
                4 => drop(bench.base("192.0.2.9:1000")),
                n => {
                    bench.trickle(typed(remotes[n].0, "host", remotes[n].1, &format!("198.51.100.{n}:2000")))
                }
            }
            bench.run_answering(bench.now + pause, |_| Some(ms(20)));
        }
        bench.end_of_candidates();
        bench.run_answering(at(39_000), |_| Some(ms(20)));
        assert_eq!(bench.states(), [StreamState::Checking, StreamState::Connected], "{order:?}");
        let mut pairs: Vec<_> =
            bench.agent.pairs(bench.stream).map(|pair| (pair.path(), pair.state())).collect();
        pairs.sort_by_key(|(path, _)| *path);
        // Bases are preferred in the order in which they were declared, so only the peer's end is compared.
        (pairs, bench.agent.route(bench.component()).unwrap().path().remote())
    };
    let at_once = outcome(&[0, 1, 2, 3, 4], ms(0));
    assert_eq!(at_once.0.len(), 6);
    for order in [[3, 4, 2, 1, 0], [0, 3, 1, 4, 2], [3, 2, 4, 0, 1], [1, 3, 0, 2, 4], [4, 0, 3, 2, 1]] {
        assert_eq!(outcome(&order, ms(330)), at_once, "{order:?}");
    }
}

/// Proves: rfc8838-17-2
#[test]
fn candidates_of_equal_priority_are_paired_and_checked_in_the_order_received() {
    let mut bench = Bench::without_candidates(manual(), Role::Controlling);
    let order = ["198.51.100.7:2000", "198.51.100.3:2000", "198.51.100.5:2000"];
    for (n, remote) in (1..).zip(order) {
        bench.trickle(typed(&n.to_string(), "host", 100, remote));
        assert_eq!(paired(&bench).last(), Some(&address(remote)));
    }
    bench.run_answering(at(1_000), no_delay);
    let checked: Vec<_> = bench.checks().iter().map(|check| check.path.remote()).collect();
    assert_eq!(checked, order.map(address));
}

/// Of seven candidates three find room, in whatever order they come: each of the other four is counted once, and the first
/// is reported, in each generation anew.
///
///
/// Proves: rfc8445-6.1.2.5-2, rfc8838-11-5
/// Lesson: R-19
#[test]
fn every_pair_that_gives_way_or_finds_no_room_is_counted() {
    let mut limits = Limits::default();
    limits.pairs = 3;
    for order in [[1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1], [4, 1, 7, 2, 6, 3, 5]] {
        let mut bench = Bench::bare(Config::new().limits(limits), Role::Controlling);
        bench.base(LOCAL);
        bench.remote();
        for (count, n) in (1..).zip(order) {
            bench.trickle(typed(&n.to_string(), "host", 1_000 * n, &format!("198.51.100.{n}:2000")));
            let dropped = bench.agent.stats().pairs_dropped;
            assert_eq!(u64::from(dropped), count - bench.agent.pairs(bench.stream).count() as u64);
        }
        assert_eq!(bench.agent.stats().pairs_dropped, 4, "{order:?}");
        let kept: Vec<_> = bench.agent.pairs(bench.stream).map(|pair| pair.path().remote()).collect();
        assert_eq!(kept, ["198.51.100.7:2000", "198.51.100.6:2000", "198.51.100.5:2000"].map(address));
        let reported = |bench: &Bench| {
            let dropped = bench.events.iter().filter_map(|(_, event)| match event {
                Event::PairDropped { path, .. } => Some(path.remote().ip().to_string()),
                _ => None,
            });
            dropped.collect::<Vec<_>>()
        };
        let first = order[..4].iter().min().map(|n| format!("198.51.100.{n}"));
        assert_eq!(reported(&bench), Vec::from_iter(first), "{order:?}");
        bench.agent.restart(bench.now, bench.stream).unwrap();
        let next = Credentials::new("next", "thenextpasswordofthepeer").unwrap();
        bench.agent.set_remote(bench.now, bench.stream, Remote::new(next)).unwrap();
        for n in 1..=5 {
            bench.trickle(typed(&n.to_string(), "host", 1_000 * n, &format!("198.51.100.{n}:2000")));
        }
        assert_eq!(reported(&bench).len(), 2);
    }
}
