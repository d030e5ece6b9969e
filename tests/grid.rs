//! How long it takes to connect: some cells of `benches/GRID.md`, which are exact, as time is virtual.

#[path = "../benches/support/grid.rs"]
mod cells;

use cells::{Cell, session};

/// Until a pair works at both ends, and until one is selected, in milliseconds.
fn millis(cell: Cell, seed: u64) -> [u128; 2] {
    session(cell, seed).map(|time| time.unwrap().as_millis())
}

/// Until a pair works it takes a round trip from when the candidates are known, and another one until it is selected, on its
/// turn.
#[test]
fn without_loss_a_session_takes_as_long_as_ever() {
    let cells = [(1, 1), (1, 2), (50, 1), (50, 2), (250, 1), (250, 2)];
    let times = cells.map(|(rtt, interfaces)| millis(Cell { loss: 0, rtt, interfaces }, 1));
    assert_eq!(times, [[51, 101], [51, 101], [100, 150], [100, 150], [300, 550], [300, 600]]);
}

/// The limits are what is recorded of a thousand sessions, with half as much on top.
#[test]
fn with_loss_most_sessions_take_no_longer_than_recorded() {
    for (cell, limits) in [
        (Cell { loss: 10, rtt: 50, interfaces: 1 }, [[150, 300], [225, 1_763]]),
        (Cell { loss: 25, rtt: 250, interfaces: 2 }, [[525, 750], [1_650, 6_825]]),
    ] {
        let sessions: Vec<[u128; 2]> = (100..120).map(|seed| millis(cell, seed)).collect();
        for (which, limits) in limits.into_iter().enumerate() {
            let mut times: Vec<u128> = sessions.iter().map(|times| times[which]).collect();
            times.sort_unstable();
            assert!(times[9] <= limits[0] && times[18] <= limits[1], "{cell:?}: {times:?}");
        }
    }
}
