//! Puts the Rust implementations of ICE, STUN and TURN on the same work: see the README.
mod agents;
mod cases;
mod codecs;
mod crowd;
mod data;
mod impls;
mod keyed;
mod limit;
mod measure;
mod sim;
mod traits;
mod wall;

use cases::Case;
use std::env;

#[global_allocator]
static COUNTING: measure::Counting = measure::Counting;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["wall", ref filter @ ..] => wall::measure(&selected(filter, SLOW)),
        ["cg", ref filter @ ..] => {
            selected(filter, &[SLOW, SLOW_UNDER_VALGRIND].concat()).iter().for_each(count)
        }
        ["crowd", agents] => crowd(agents, ""),
        ["crowd", agents, only] => crowd(agents, only),
        ["info"] => impls::info(),
        ["list", ref filter @ ..] => {
            selected(filter, SLOW)
                .iter()
                .for_each(|case| println!("{}\t{}", case.workload, case.implementation));
        }
        ["one", workload, implementation, times] => one(workload, implementation, times),
        _ => eprintln!("usage: icebench wall|cg|list [FILTER] | crowd N [IMPL] | one WORKLOAD IMPL N | info"),
    }
}

/// The cases of the workloads that begin with one of the prefixes, a comma between them, sorted by workload. `FULL=1`: the slow
/// ones as well. `ONLY=floe`: floe and the limits alone.
fn selected(filter: &[&str], slow: &[(&str, &str)]) -> Vec<Case> {
    let prefixes: Vec<&str> =
        filter.iter().flat_map(|list| list.split(',')).filter(|prefix| !prefix.is_empty()).collect();
    let (full, only) = (env::var_os("FULL").is_some(), env::var("ONLY").unwrap_or_default());
    let mut cases = impls::all();
    cases.retain(|case| {
        let wanted = prefixes.is_empty() || prefixes.iter().any(|prefix| case.workload.starts_with(prefix));
        let quick = full || !slow.contains(&(case.workload, case.implementation));
        wanted && quick && (case.implementation.starts_with(&only) || case.implementation == limit::LIMIT)
    });
    cases.sort_by_key(|case| case.workload);
    cases
}

/// Runs a case under `valgrind --tool=callgrind --instr-atstart=no`.
fn count(case: &Case) {
    let (mut run, _) = (case.make)();
    let times = if case.heavy { 1 } else { 50 };
    if !case.heavy {
        run(20);
    }
    measure::instructions(&format!("{}|{}|{times}", case.workload, case.implementation), || run(times));
}

/// D1, for each implementation or for one.
fn crowd(agents: &str, only: &str) {
    let agents = agents.parse().expect("a number of agents");
    for (name, measure) in impls::crowds() {
        if only.is_empty() || only == name {
            println!("D1\t{name}\t{}", measure(agents));
        }
    }
}

/// One case in a plain loop, for a profiler.
fn one(workload: &str, implementation: &str, times: &str) {
    let times = times.parse().expect("how often");
    let cases = impls::all();
    let wanted = |case: &&Case| case.workload == workload && case.implementation == implementation;
    let (mut run, extra) = (cases.iter().find(wanted).expect("a case: see `list`").make)();
    let taken = measure::time(|| run(times));
    println!("{:.1} ns/op {:?}", taken / times as f64, extra.borrow());
}

/// Workload and implementation of what takes minutes.
const SLOW: &[(&str, &str)] = &[("C5", "rice-proto")];
/// And of what takes minutes under valgrind.
const SLOW_UNDER_VALGRIND: &[(&str, &str)] =
    &[("C4", "rice-proto"), ("C5", "rtc-ice"), ("C5", "is (limit 10k)")];
