//! As many random worlds as are asked for, on all cores: two agents in each, and everything that has to hold is looked at
//! after every step.
//!
//!     cargo run --release --features sim --example soak -- --sessions 100000 --seed 1
//!
//! With `--hostile` somebody in each world wishes the session no good. World N of seed S is world 0 of seed S + N, so a
//! world that fails is made again by its own number. With `--seconds` it stops then, wherever it is; what the sessions up
//! to there have in common is still one hash, but another number of them. With `--keep-going` it stops for nothing that
//! fails, and lists it all.

#[path = "../../tests/worlds/mod.rs"]
mod worlds;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use worlds::Plan;
use worlds::dice::mix;
use worlds::run::{Outcome, Report};
use worlds::shrink::shrink;

thread_local! {
    /// What the last panic on this thread said.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!(
                "{error}\n\nsoak [--sessions N] [--seed S] [--hostile] [--seconds T] [--threads N] [--keep-going] [--plan]"
            );
            return ExitCode::from(2);
        }
    };
    panic::set_hook(Box::new(|info| SAID.set(info.to_string())));
    if arguments.shows_plan {
        println!("{:#?}", Plan::new(arguments.seed, arguments.hostile));
    }
    let run = Run::default();
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..arguments.threads {
            scope.spawn(|| run.work(&arguments, started));
        }
        if std::io::stderr().is_terminal() {
            run.show_progress(&arguments, started);
        }
    });
    run.summarize(&arguments, started.elapsed())
}

/// What is asked for.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct Arguments {
    sessions: u64,
    seed: u64,
    hostile: bool,
    seconds: Option<u64>,
    threads: usize,
    keeps_going: bool,
    shows_plan: bool,
}

impl Arguments {
    fn read() -> Result<Self, lexopt::Error> {
        use lexopt::prelude::*;
        let mut wanted = Self {
            sessions: 10_000,
            seed: 1,
            hostile: false,
            seconds: None,
            threads: thread::available_parallelism().map_or(1, usize::from),
            keeps_going: false,
            shows_plan: false,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("sessions") => wanted.sessions = parser.value()?.parse()?,
                Long("seed") => wanted.seed = parser.value()?.parse()?,
                Long("hostile") => wanted.hostile = true,
                Long("seconds") => wanted.seconds = Some(parser.value()?.parse()?),
                Long("threads") => wanted.threads = parser.value()?.parse()?,
                Long("keep-going") => wanted.keeps_going = true,
                Long("plan") => wanted.shows_plan = true,
                other => return Err(other.unexpected()),
            }
        }
        Ok(wanted)
    }
}

/// Sessions under way, and what came of those that are over.
#[derive(Default)]
struct Run {
    next: AtomicU64,
    over: AtomicU64,
    stopped: AtomicBool,
    results: Mutex<Results>,
}

#[derive(Default)]
struct Results {
    outcomes: BTreeMap<Outcome, u64>,
    /// Of all sessions, in whatever order they ended.
    hash: u64,
    recorded: u64,
    /// By number, with what each said.
    violations: BTreeMap<u64, String>,
}

impl Results {
    fn add(&mut self, seed: u64, report: &Report) {
        *self.outcomes.entry(report.outcome).or_default() += 1;
        self.hash = self.hash.wrapping_add(mix(report.hash ^ mix(seed)));
        self.recorded += report.recorded;
    }
}

impl Run {
    /// Takes one session after another until there are no more.
    fn work(&self, arguments: &Arguments, started: Instant) {
        let limit = arguments.seconds.map(Duration::from_secs);
        let mut own = Results::default();
        while !self.stopped.load(Ordering::Relaxed) && limit.is_none_or(|limit| started.elapsed() < limit) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= arguments.sessions {
                break;
            }
            let seed = arguments.seed.wrapping_add(number);
            match attempt(&Plan::new(seed, arguments.hostile)) {
                Ok(report) => own.add(seed, &report),
                Err(said) => {
                    self.stopped.fetch_or(!arguments.keeps_going, Ordering::Relaxed);
                    // A long run says at once what there is to look at.
                    eprintln!("\rworld {seed}: {}", gist(&said));
                    own.violations.insert(seed, said);
                }
            }
            self.over.fetch_add(1, Ordering::Relaxed);
        }
        let Ok(mut all) = self.results.lock() else { return };
        for (outcome, count) in own.outcomes {
            *all.outcomes.entry(outcome).or_default() += count;
        }
        all.hash = all.hash.wrapping_add(own.hash);
        all.recorded += own.recorded;
        all.violations.append(&mut own.violations);
    }

    /// A line that is written over until all is done.
    fn show_progress(&self, arguments: &Arguments, started: Instant) {
        const WIDTH: u64 = 40;
        loop {
            let over = self.over.load(Ordering::Relaxed);
            let share = (over * WIDTH / arguments.sessions.max(1)).min(WIDTH) as usize;
            let rate = over as f64 / started.elapsed().as_secs_f64().max(0.001);
            let bar = format!("{}{}", "#".repeat(share), ".".repeat(WIDTH as usize - share));
            eprint!("\r[{bar}] {over} of {}, {rate:.0} a second ", arguments.sessions);
            let _ = std::io::stderr().flush();
            let timed_out = arguments.seconds.is_some_and(|limit| started.elapsed().as_secs() >= limit);
            if over >= arguments.sessions || timed_out || self.stopped.load(Ordering::Relaxed) {
                eprintln!();
                return;
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn summarize(self, arguments: &Arguments, elapsed: Duration) -> ExitCode {
        let Ok(results) = self.results.into_inner() else { return ExitCode::FAILURE };
        let total: u64 = results.outcomes.values().sum();
        let rate = total as f64 / elapsed.as_secs_f64().max(0.001);
        println!(
            "{total} sessions in {:.1} s, {rate:.0} a second on {} threads; {} lines of trace",
            elapsed.as_secs_f64(),
            arguments.threads,
            results.recorded
        );
        for (outcome, count) in &results.outcomes {
            println!(
                "{:>12} {count:>9} {:>5.1} %",
                format!("{outcome:?}"),
                *count as f64 * 100.0 / total.max(1) as f64
            );
        }
        println!("hash {:016x}", results.hash);
        let Some((first, said)) = results.violations.first_key_value() else { return ExitCode::SUCCESS };
        for (seed, said) in results.violations.iter().skip(1) {
            println!("world {seed}: {}", gist(said));
        }
        println!("\nworld {first}: {said}");
        report_violation(arguments, *first);
        ExitCode::FAILURE
    }
}

/// The invariant that did not hold, of all that was said.
fn gist(said: &str) -> &str {
    let line = said.lines().find(|line| line.contains("INV-"));
    line.or_else(|| said.lines().next()).unwrap_or_default()
}

/// Says how to see a violation again, and makes the world simpler as long as it shows.
fn report_violation(arguments: &Arguments, seed: u64) {
    let hostile = if arguments.hostile { " --hostile" } else { "" };
    println!(
        "\nAgain: cargo run --release --features sim --example soak -- --sessions 1 --seed {seed}{hostile}"
    );
    let (plan, said) = shrink(&Plan::new(seed, arguments.hostile), |plan| attempt(plan).err());
    println!("\nWith as little in it as shows the same:\n{plan:?}\n{said}");
}

/// Carries out a plan; what it panics with is what went wrong. INV-52: what a world has allocated is gone with it.
fn attempt(plan: &Plan) -> Result<Report, String> {
    let mut attempted = None;
    let allocated = allocation_counter::measure(|| {
        attempted = Some(panic::catch_unwind(AssertUnwindSafe(|| worlds::run(plan))));
    });
    let left = (allocated.count_current, allocated.bytes_current);
    match attempted {
        Some(Ok(_)) if left != (0, 0) => {
            Err(format!("INV-52: {} allocations of {} bytes outlive their world", left.0, left.1))
        }
        Some(Ok(report)) => Ok(report),
        Some(Err(_)) | None => Err(SAID.take()),
    }
}
