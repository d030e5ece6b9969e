//! When the nomination moves to another pair, and when it does not.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use floe::sim::Verdict;
use floe::{Config, Event, Profile, StreamState};

use crate::Call;
use crate::session::{ms, secs};

const WIFI: (u16, Duration) = (10, Duration::from_millis(10));
const CELLULAR: (u16, Duration) = (900, Duration::from_millis(20));

fn mobile() -> Config {
    Config::new().profile(Profile::Mobile)
}

/// An outage of 10 ms costs one packet; the worst it can cost is a consent check, or the answer to one. Neither end moves, and
/// no other pair is ever nominated.
///
/// Proves: rfc8445-8.1.1-2
/// Lesson: L-07
#[test]
fn an_outage_of_ten_milliseconds_moves_nothing() {
    let profiles = [Profile::Rfc8445, Profile::Webrtc, Profile::Mobile];
    for (seed, profile) in (1..7).flat_map(|seed| profiles.map(|profile| (seed, profile))) {
        let mut call = Call::new(seed, &Config::new().profile(profile), &[WIFI, CELLULAR]).connected();
        let armed = Rc::new(Cell::new(false));
        let fires = Rc::clone(&armed);
        let wifi = call.interfaces[0];
        call.world.filter(move |datagram| {
            let on_wifi = datagram.source == wifi || datagram.path.remote() == wifi;
            if on_wifi && fires.replace(false) { Verdict::Drop } else { Verdict::Deliver }
        });
        for _ in 0..30 {
            armed.set(true);
            call.world.run_for(ms(7_300));
            assert!(!armed.get(), "something was lost");
        }
        assert_eq!(call.selected(), Some(1), "{profile:?}, seed {seed}");
        for id in call.ids {
            let events = call.world.node(id).events().iter();
            let selections = events.filter(|(_, event)| matches!(event, Event::Selected { .. })).count();
            assert_eq!(selections, 1, "{profile:?}, seed {seed}");
        }
        assert_eq!(call.nominated(), [wifi], "{profile:?}, seed {seed}");
    }
}

/// A consent check may be 6 s away; its answer is overdue 2.5 s later; the trouble lasts 1 s; the nomination takes a round
/// trip.
///
///
/// Proves: renom-v2-10
/// Lesson: L-44
#[test]
fn off_a_silent_network_onto_a_costlier_one_and_back_when_it_is_heard_again() {
    for seed in 1..9 {
        let mut call = Call::new(seed, &mobile(), &[WIFI, CELLULAR]).connected();
        assert_eq!(call.selected(), Some(1));
        let wifi = (call.ids[0], call.interface(1));
        call.world.unplug(wifi);
        let took = call.until_selected(2, secs(12));
        assert!((ms(3_500)..=ms(9_600)).contains(&took), "{took:?}");
        call.assert_data_flows();
        call.world.run_for(secs(4));
        call.world.plug(wifi);
        let took = call.until_selected(1, secs(12));
        assert!((ms(1_000)..=ms(7_100)).contains(&took), "heard within 6 s, for 1 s: {took:?}");
        call.assert_data_flows();
        call.world.run_for(secs(60));
        assert_eq!(call.selections().len(), 3);
    }
}

/// Lesson: L-44
#[test]
fn a_lossy_network_is_better_than_a_costly_one_that_is_silent() {
    for seed in 1..5 {
        let mut call = Call::new(seed, &mobile(), &[WIFI, CELLULAR]).connected();
        let (alice, [wifi, cellular]) = (call.ids[0], [1, 2].map(|n| call.interface(n)));
        call.world.unplug((alice, cellular));
        call.world.set_link((alice, wifi), floe::sim::Link::new(WIFI.1).loss(0.15));
        call.world.run_for(secs(60));
        assert_eq!((call.selected(), call.selections().len()), (Some(1), 1), "seed {seed}");
    }
}

/// One way, in milliseconds, on either interface: moves if it is worth 10 ms and a fifth.
#[test]
fn a_faster_pair_is_worth_moving_to_for_ten_milliseconds_and_a_fifth_of_the_round_trip() {
    for (slow, fast, moves) in [
        (20, 14, true),
        (20, 16, false),
        (50, 41, false),
        (50, 39, true),
        (100, 85, false),
        (100, 79, true),
        (8, 4, false),
    ] {
        let call = Call::new(7, &mobile(), &[(10, ms(slow)), (10, ms(fast))]).connected();
        let expected = if moves { (Some(2), 2) } else { (Some(1), 1) };
        assert_eq!((call.selected(), call.selections().len()), expected, "from {slow} to {fast}");
    }
}

#[test]
fn a_costly_pair_is_not_worth_moving_to_however_fast() {
    let call = Call::new(3, &mobile(), &[(10, ms(90)), (900, ms(2))]).connected();
    assert_eq!((call.selected(), call.selections().len()), (Some(1), 1));
}

#[test]
fn a_faster_pair_has_to_be_faster_for_a_second_before_the_session_moves() {
    for (seconds, least) in [(1, 1), (7, 7)] {
        let config = mobile().dampening(secs(seconds));
        let call = Call::new(5, &config, &[(10, ms(50)), (10, ms(5))]).connected();
        let [first, second] = call.selections()[..] else { panic!("{:?}", call.selections()) };
        let apart = second.saturating_since(first);
        // It counts from the first answer after the selection.
        assert!((secs(4 + least)..=secs(6 + least) + ms(200)).contains(&apart), "{apart:?}");
    }
}

/// Lesson: L-46
#[test]
fn when_the_selected_pair_goes_dark_a_kept_one_takes_over_at_once() {
    for seed in 1..9 {
        let mut call = Call::new(seed, &mobile(), &[(0, ms(10)), (0, ms(11))]).connected();
        assert_eq!(call.selected(), Some(1));
        let dead = (call.ids[0], call.interface(1));
        call.world.unplug(dead);
        let took = call.until_selected(2, secs(12));
        assert!(took <= secs(6) + ms(2_500) + secs(1) + ms(60), "{took:?}");
        call.assert_data_flows();
    }
}

/// The pair that was to take over dies as it is nominated: the next one does not wait for 39.5 s, the end of that check.
#[test]
fn a_nomination_that_nobody_answers_gives_way_to_another_pair() {
    for seed in 1..5 {
        let networks = [(10, ms(10)), (20, ms(12)), (30, ms(14))];
        let mut call = Call::new(seed, &mobile(), &networks).connected();
        let (alice, [first, second]) = (call.ids[0], [1, 2].map(|n| call.interface(n)));
        assert_eq!(call.selected(), Some(1));
        call.world.unplug((alice, first));
        while call.states()[0] == StreamState::Completed {
            call.world.run_for(ms(10));
        }
        call.world.unplug((alice, second));
        let took = call.until_selected(3, secs(30));
        assert!(took <= secs(1) + ms(3_500) + secs(1), "seed {seed}: {took:?}");
        call.assert_data_flows();
    }
}

/// Nobody announces what only one side knows.
///
/// Proves: renom-v1-2
#[test]
fn without_renomination_nothing_is_kept_and_nothing_moves() {
    let mut call = Call::new(5, &mobile().renomination(false), &[(10, ms(50)), (10, ms(5))]).connected();
    assert_eq!((call.selected(), call.selections().len()), (Some(1), 1));
    let since = call.world.now();
    call.world.run_for(secs(60));
    let selected = call.world.node(call.ids[0]).selected(1).unwrap();
    assert!(call.requests(call.ids[0], since).iter().all(|(_, path)| *path == selected));
}
