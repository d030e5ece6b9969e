//! What a piece of work costs: memory counted, time by the way. Instructions are counted from outside, see
//! `benches/README.md`.

use std::env;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Runs the cases that the command line names, all if it names none, and prints a table.
#[derive(Debug)]
pub struct Table {
    /// Parts of names.
    wanted: Vec<String>,
    mode: Mode,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    /// Everything, in a table.
    Table,
    /// Memory alone, a line for each case: what is the same in every run.
    Memory,
    /// One round, without a clock or a word.
    Once,
}

impl Table {
    /// `--once` for one round without a clock, `--memory` for memory alone; anything else that is not an option is a part of
    /// a name.
    pub fn from_args() -> Self {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let has = |option: &str| arguments.iter().any(|argument| argument == option);
        let mode = match (has("--once"), has("--memory")) {
            (true, _) => Mode::Once,
            (false, true) => Mode::Memory,
            (false, false) => Mode::Table,
        };
        let wanted = arguments.into_iter().filter(|argument| !argument.starts_with('-')).collect();
        if mode == Mode::Table {
            println!("{:<44} {:>12} {:>10} {:>12}", "", "ns (min)", "allocs", "alloc bytes");
        }
        Self { wanted, mode }
    }

    /// Whether the command line names a case.
    #[allow(dead_code, reason = "not every program has cases that are dear to set up")]
    pub fn wants(&self, name: &str) -> bool {
        self.wanted.is_empty() || self.wanted.iter().any(|part| name.contains(part.as_str()))
    }

    /// Prints what was found by other means.
    #[allow(dead_code, reason = "not every program finds anything by other means")]
    pub fn value(&self, name: &str, unit: &str, value: f64) {
        if self.mode == Mode::Table && self.wants(name) {
            println!("{name:<44} {value:>12.1} {unit}");
        }
    }

    /// Measures `work` that goes round among `size` things, in batches of many things each: the time that half of them stay below,
    /// and a tenth. Programs that run beside this one interrupt few batches, where they would slow down every whole round.
    #[allow(dead_code, reason = "not every program has many things")]
    pub fn spread<T>(&self, name: &str, size: usize, mut work: impl FnMut() -> T) {
        if !self.wants(name) {
            return;
        }
        if self.mode == Mode::Once {
            return self.case(name, work);
        }
        let pieces = size * 100_000_usize.div_ceil(size);
        let mut batches = |pieces: usize| -> Vec<f64> {
            let batch = |_| {
                let started = Instant::now();
                for _ in 0..BATCH_PIECES {
                    black_box(work());
                }
                started.elapsed().as_secs_f64() * 1e9 / BATCH_PIECES as f64
            };
            (0..pieces.div_ceil(BATCH_PIECES)).map(batch).collect()
        };
        batches(pieces);
        let memory = allocation_counter::measure(|| drop(batches(pieces)));
        let mut nanos = batches(ROUNDS * pieces);
        nanos.sort_unstable_by(f64::total_cmp);
        let [half, tenth] = [2, 10].map(|part| nanos[nanos.len() / part]);
        let [count, bytes] =
            [memory.count_total, memory.bytes_total].map(|total| total as f64 / pieces as f64);
        println!("{name:<44} {half:>12.1} {count:>10.2} {bytes:>12.1} {tenth:>12.1} in a tenth");
    }

    /// Measures `work`, which is to leave everything as it has found it, but for what has grown.
    pub fn case<T>(&self, name: &str, mut work: impl FnMut() -> T) {
        if !self.wants(name) {
            return;
        }
        for _ in 0..WARM_UP {
            black_box(work());
        }
        if self.mode == Mode::Once {
            measured(&mut || drop(black_box(work())));
            return;
        }
        let memory = allocation_counter::measure(|| drop(black_box(work())));
        if self.mode == Mode::Memory {
            println!("{name}\t{}\t{}\t{}", memory.count_total, memory.bytes_total, memory.bytes_current);
            return;
        }
        let nanos = fastest(|| drop(black_box(work())));
        println!("{name:<44} {nanos:>12.1} {:>10} {:>12}", memory.count_total, memory.bytes_total);
    }
}

/// One round. Has a name of its own and is never inlined: this is where a profiler starts to count.
#[inline(never)]
pub fn measured(work: &mut dyn FnMut()) {
    work();
}

/// The time of a round in the fastest of many batches, in nanoseconds: what other programs do only adds to it.
fn fastest(mut work: impl FnMut()) -> f64 {
    let started = Instant::now();
    work();
    let once = started.elapsed().max(Duration::from_nanos(10));
    let rounds = u32::try_from(BATCH.as_nanos() / once.as_nanos()).unwrap_or(u32::MAX).clamp(1, 100_000);
    let batch = |_| {
        let started = Instant::now();
        for _ in 0..rounds {
            work();
        }
        started.elapsed()
    };
    let best = (0..BATCHES).map(batch).min().unwrap_or_default();
    best.as_secs_f64() * 1e9 / f64::from(rounds)
}

/// Enough for queues to have grown.
const WARM_UP: u32 = 3;
const BATCH: Duration = Duration::from_micros(400);
const BATCHES: u32 = 300;
const ROUNDS: usize = 10;
const BATCH_PIECES: usize = 500;
