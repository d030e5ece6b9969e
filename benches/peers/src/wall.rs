//! Time and allocations: all implementations of a workload in turn, batch by batch, so that a busy moment meets them all.
use crate::cases::{Case, Extra, Run};
use crate::measure::{Heap, heap, time};

/// Prints workload, implementation, least and median ns, allocations, bytes requested and kept, and further figures.
pub fn measure(cases: &[Case]) {
    for group in cases.chunk_by(|one, other| one.workload == other.workload) {
        let mut runners: Vec<Runner<'_>> = group.iter().map(Runner::new).collect();
        let round: f64 = runners.iter_mut().map(Runner::batch).sum();
        let rounds = ((TIME_A_WORKLOAD / round) as usize).clamp(4, 300);
        for _ in 0..rounds {
            runners.iter_mut().for_each(Runner::round);
        }
        runners.iter_mut().for_each(Runner::report);
    }
}

struct Runner<'c> {
    case: &'c Case,
    run: Run,
    extra: Extra,
    /// How often the case runs in one batch.
    times: usize,
    /// ns of one run in each batch.
    found: Vec<f64>,
    /// The heap before and after the only run of a case that takes long.
    only: Option<(Heap, Heap)>,
}

impl<'c> Runner<'c> {
    /// Sets a case up, and finds out how often it fits into a batch.
    fn new(case: &'c Case) -> Self {
        let (mut run, extra) = (case.make)();
        let before = heap();
        let first = time(|| run(1));
        let only = (first > ONCE_IF_ABOVE).then(|| (before, heap()));
        let mut times = 1;
        while !case.heavy {
            let batch = time(|| run(times));
            if batch > BATCH || times > 1 << 22 {
                break;
            }
            times =
                if batch < 1e4 { times * 16 } else { (times as f64 * 1.125 * BATCH / batch) as usize + 1 };
        }
        let found = only.map(|_| first).into_iter().collect();
        Self { case, run, extra, times, found, only }
    }

    fn batch(&mut self) -> f64 {
        if self.only.is_some() { 0.0 } else { time(|| (self.run)(self.times)) }
    }

    fn round(&mut self) {
        if self.only.is_none() {
            let batch = self.batch();
            self.found.push(batch / self.times as f64);
        }
    }

    fn report(&mut self) {
        let times = if self.case.heavy { 1 } else { 64 };
        let (before, after) = self.only.unwrap_or_else(|| {
            let before = heap();
            (self.run)(times);
            (before, heap())
        });
        let each = |more: f64| more / times as f64;
        let extra: Vec<_> =
            self.extra.borrow().iter().map(|(what, value)| format!("{what}={value:.1}")).collect();
        self.found.sort_by(f64::total_cmp);
        println!(
            "{}\t{}\t{:.1}\t{:.1}\t{:.2}\t{:.1}\t{:.1}\t{}",
            self.case.workload,
            self.case.implementation,
            self.found[0],
            self.found[self.found.len() / 2],
            each((after.allocations - before.allocations) as f64),
            each((after.bytes - before.bytes) as f64),
            each(after.live as f64 - before.live as f64),
            extra.join("; ")
        );
    }
}

/// ns of all batches of a workload together.
const TIME_A_WORKLOAD: f64 = 2.5e9;
/// ns of a batch.
const BATCH: f64 = 4e5;
/// ns from which on a case is run once and no more.
const ONCE_IF_ABOVE: f64 = 2.5e9;
