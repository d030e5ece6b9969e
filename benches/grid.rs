//! How long sessions take to connect over lines that lose: the tables of `GRID.md`, in virtual time.
//!
//! ```text
//! cargo bench --bench grid > benches/GRID.md
//! ```

#[path = "support/grid.rs"]
mod cells;

use core::time::Duration;
use std::thread;

use cells::{Cell, session};

const LOSSES: [u32; 6] = [0, 5, 10, 15, 25, 50];
const RTTS: [u64; 3] = [1, 50, 250];
const INTERFACES: [usize; 2] = [1, 2];

/// Of a cell.
const SESSIONS: u64 = 1_000;

/// Sorted times of all sessions of a cell: usable, selected. Those that have failed are at the end.
type Times = [Vec<Option<Duration>>; 2];

fn main() {
    let rows: Vec<(u64, usize)> = RTTS.into_iter().flat_map(|rtt| INTERFACES.map(|it| (rtt, it))).collect();
    let cells = rows
        .iter()
        .flat_map(|(rtt, interfaces)| LOSSES.map(|loss| Cell { loss, rtt: *rtt, interfaces: *interfaces }));
    let times = measure(&cells.collect::<Vec<_>>());
    println!("{HEAD}");
    let titles = ["Until a pair works at both ends", "Until a pair is selected at both ends"];
    for (which, title) in titles.into_iter().enumerate() {
        println!("\n## {title}\n");
        table(&rows, |row, loss| {
            let times = &times[row * LOSSES.len() + loss][which];
            format!("{} / {}", percentile(times, 50), percentile(times, 95))
        });
    }
    println!("\n## Sessions of {SESSIONS} that did not come to that\n");
    table(&rows, |row, loss| {
        let times = &times[row * LOSSES.len() + loss][1];
        times.iter().filter(|time| time.is_none()).count().to_string()
    });
}

/// A row for each distance and number of interfaces, a column for each loss.
fn table(rows: &[(u64, usize)], cell: impl Fn(usize, usize) -> String) {
    let losses = LOSSES.map(|loss| format!(" {loss} % |"));
    println!("| round trip | interfaces |{}", losses.concat());
    println!("|---|---|{}", "---|".repeat(LOSSES.len()));
    for (row, (rtt, interfaces)) in rows.iter().enumerate() {
        let cells: String = (0..LOSSES.len()).map(|loss| format!(" {} |", cell(row, loss))).collect();
        println!("| {rtt} ms | {interfaces} |{cells}");
    }
}

/// The time in milliseconds that so many of a hundred sessions keep to.
fn percentile(times: &[Option<Duration>], percent: usize) -> String {
    let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(rank).copied().flatten().map_or_else(|| "–".to_owned(), |time| time.as_millis().to_string())
}

/// Runs all sessions of all cells, on all processors. The result does not depend on how many there are.
fn measure(cells: &[Cell]) -> Vec<Times> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let share = |worker: usize| {
        let own = cells.iter().copied().enumerate().filter(move |(n, _)| n % workers == worker);
        own.map(|(n, cell)| (n, times(cell))).collect::<Vec<_>>()
    };
    let mut all: Vec<(usize, Times)> = thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|worker| scope.spawn(move || share(worker))).collect();
        running.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    all.sort_by_key(|(n, _)| *n);
    all.into_iter().map(|(_, times)| times).collect()
}

fn times(cell: Cell) -> Times {
    let mut times: Times = [Vec::new(), Vec::new()];
    for seed in 0..SESSIONS {
        let [usable, selected] = session(cell, seed);
        times[0].push(usable);
        times[1].push(selected);
    }
    for times in &mut times {
        times.sort_by_key(|time| time.unwrap_or(Duration::MAX));
    }
    times
}

const HEAD: &str = "\
# How long it takes to connect

Two agents with their default configuration and host candidates, one or two interfaces each, on lines that lose so many of a
hundred datagrams each way. Time is virtual and counts from the call: the first message reaches the other end after 50 ms of
signalling, none of which is lost. A thousand sessions a cell; milliseconds that half of them and 95 of 100 keep to.

    cargo bench --bench grid > benches/GRID.md";
