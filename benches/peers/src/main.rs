#![allow(dead_code)]
mod cases;
mod data;
mod impls;
mod limit;
mod measure;
mod sim;
mod traits;

use cases::*;
use measure::*;
use std::io::Write;

#[global_allocator]
static A: Counting = Counting;

fn selected(filter: &str) -> Vec<Case> {
    let mut v = vec![];
    impls::all(&mut v);
    let pats: Vec<&str> = filter.split(',').filter(|x| !x.is_empty()).collect();
    v.retain(|c| pats.is_empty() || pats.iter().any(|p| c.workload.starts_with(p)));
    if std::env::var_os("FULL").is_none() {
        v.retain(|c| !TOO_SLOW.contains(&(c.workload, c.imp)));
    }
    if let Ok(only) = std::env::var("ONLY") {
        v.retain(|c| c.imp.starts_with(&only) || c.imp == "LIMIT");
    }
    v.sort_by_key(|c| c.workload);
    v
}
/// (workload, implementation) that take minutes natively; measured once by hand, see README.
const TOO_SLOW: &[(&str, &str)] = &[("C5", "rice-proto")];
/// More than a few seconds under valgrind.
const TOO_SLOW_CG: &[(&str, &str)] = &[("C4", "rice-proto"), ("C5", "rtc-ice"), ("C5", "is (limit 10k)")];
fn skip_cg(c: &Case) -> bool {
    TOO_SLOW_CG.contains(&(c.workload, c.imp)) && std::env::var_os("FULL").is_none()
}

fn median(x: &mut [f64]) -> f64 {
    x.sort_by(|a, b| a.total_cmp(b));
    x[x.len() / 2]
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let cmd = args.get(1).map(|s| s.as_str()).unwrap_or("");
    let filter = args.get(2).cloned().unwrap_or_default();
    let out = std::io::stdout();
    match cmd {
        // workload \t impl \t min ns \t median ns \t allocs \t alloc bytes \t retained bytes \t extras
        "wall" => {
            let cs = selected(&filter);
            let mut i = 0;
            while i < cs.len() {
                let w = cs[i].workload;
                let j = (i..cs.len()).find(|&k| cs[k].workload != w).unwrap_or(cs.len());
                let group = &cs[i..j];
                let mut st: Vec<_> = group.iter().map(|c| (c.make)()).collect();
                // calibrate to ~0.4 ms per batch, then interleave; a case whose first iteration takes
                // more than 2.5 s is measured once and not repeated
                let mut iters = vec![];
                let mut once: Vec<Option<(f64, Heap, Heap)>> = vec![];
                for (k, s) in st.iter_mut().enumerate() {
                    let h0 = heap();
                    let first = time(|| (s.0)(1));
                    let h1 = heap();
                    once.push((first > 2.5e9).then_some((first, h0, h1)));
                    let mut n = 1usize;
                    if !group[k].heavy {
                        loop {
                            let t = time(|| (s.0)(n));
                            if t > 4e5 || n > 1 << 22 {
                                break;
                            }
                            n = if t < 1e4 { n * 16 } else { (n as f64 * 4.5e5 / t) as usize + 1 };
                        }
                    }
                    iters.push(n);
                }
                let live: Vec<usize> = (0..st.len()).filter(|k| once[*k].is_none()).collect();
                let one: f64 = live
                    .iter()
                    .map(|&k| {
                        let n = iters[k];
                        time(|| (st[k].0)(n))
                    })
                    .sum();
                let rounds = ((2.5e9 / one) as usize).clamp(4, 300);
                let mut t: Vec<Vec<f64>> = vec![vec![]; st.len()];
                for _ in 0..rounds {
                    for &k in &live {
                        let n = iters[k];
                        let f = &mut st[k].0;
                        t[k].push(time(|| f(n)) / n as f64);
                    }
                }
                for (k, s) in st.iter_mut().enumerate() {
                    let n = if group[k].heavy { 1 } else { 64 };
                    let (h0, h1) = if let Some((ns, h0, h1)) = once[k] {
                        t[k].push(ns);
                        (h0, h1)
                    } else {
                        let h0 = heap();
                        (s.0)(n);
                        (h0, heap())
                    };
                    let ex: Vec<String> = s.1.borrow().iter().map(|(a, b)| format!("{a}={b:.1}")).collect();
                    let min = t[k].iter().cloned().fold(f64::MAX, f64::min);
                    writeln!(
                        &out,
                        "{}\t{}\t{:.1}\t{:.1}\t{:.2}\t{:.1}\t{:.1}\t{}",
                        w,
                        group[k].imp,
                        min,
                        median(&mut t[k]),
                        (h1.allocs - h0.allocs) as f64 / n as f64,
                        (h1.bytes - h0.bytes) as f64 / n as f64,
                        (h1.live as f64 - h0.live as f64) / n as f64,
                        ex.join("; ")
                    )
                    .unwrap();
                }
                i = j;
            }
        }
        // under valgrind --tool=callgrind --instr-atstart=no
        "cg" => {
            for c in selected(&filter) {
                if skip_cg(&c) {
                    continue;
                }
                let (mut run, _) = (c.make)();
                let n = if c.heavy { 1 } else { 50 };
                if !c.heavy {
                    run(20);
                }
                cg_start();
                cg_zero();
                run(n);
                cg_dump(&format!("{}|{}|{}", c.workload, c.imp, n));
                cg_stop();
            }
        }
        "crowd" => {
            let n: usize = filter.parse().unwrap_or(10_000);
            let only = args.get(3).cloned().unwrap_or_default();
            for (name, f) in impls::crowds() {
                if !only.is_empty() && only != name {
                    continue;
                }
                let r = f(n);
                writeln!(
                    &out,
                    "D1\t{name}\t{}\t{:.0}\t{}\t{:.1}\t{:.0}\t{:.1}\t{:.1}\t{:.1}\t{:.1}",
                    r.agents,
                    r.heap_per_agent,
                    r.inline,
                    r.setup_s,
                    r.ns_per_agent_min,
                    r.allocs,
                    r.datagrams,
                    r.wakeups,
                    r.grown
                )
                .unwrap();
            }
        }
        "info" => impls::info(),
        "list" => {
            for c in selected(&filter) {
                writeln!(&out, "{}\t{}", c.workload, c.imp).unwrap();
            }
        }
        // one case in a plain loop, for perf/valgrind by hand: icebench one A2 is 100000
        "one" => {
            let n: usize = args.get(4).and_then(|x| x.parse().ok()).unwrap_or(1000);
            unsafe { std::env::set_var("FULL", "1") };
            let c = selected(&filter)
                .into_iter()
                .find(|c| c.workload == filter && c.imp == args[3])
                .expect("no such case");
            let (mut run, ex) = (c.make)();
            let t = time(|| run(n));
            println!("{:.1} ns/op {:?}", t / n as f64, ex.borrow());
        }
        _ => eprintln!("usage: icebench wall|cg|crowd|list|info [filter] | one WORKLOAD IMPL N"),
    }
}
