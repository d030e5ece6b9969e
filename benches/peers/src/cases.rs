use crate::data::{self, Role};
use crate::measure::*;
use crate::sim::{self, Net, Reach};
use crate::traits::*;
use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

/// Extra figures a case reports besides time/instructions/allocations.
pub type Extra = Rc<RefCell<Vec<(&'static str, f64)>>>;
type Run = Box<dyn FnMut(usize)>;

pub struct Case {
    pub workload: &'static str,
    pub imp: &'static str,
    /// Builds the state; called just before the case is measured.
    pub make: Box<dyn Fn() -> (Run, Extra)>,
    /// heavy: one iteration is a whole handshake
    pub heavy: bool,
}
impl Case {
    pub fn simple(workload: &'static str, imp: &'static str, run: Run) -> Self {
        let cell = RefCell::new(Some(run));
        Case {
            workload,
            imp,
            heavy: false,
            make: Box::new(move || (cell.borrow_mut().take().expect("made once"), Extra::default())),
        }
    }
}

pub fn codec_cases<C: Codec + 'static>(v: &mut Vec<Case>) {
    let has = |w: &str| !C::UNSUPPORTED.iter().any(|(x, _)| *x == w);
    // A1
    if has("A1") {
        v.push(mk::<C, _>("A1", data::ice_request(), |c, m| {
            let p = c.parse(black_box(m)).unwrap();
            assert!(
                p.priority == data::PRIORITY
                    && p.tie_breaker == data::TIE
                    && p.use_candidate
                    && p.username_len == 9
            );
            black_box(p);
        }));
    }
    if has("A2") {
        v.push(mk::<C, _>("A2", data::ice_request(), |c, m| {
            assert!(c.parse_verify(black_box(m)));
        }));
    }
    if has("A3") {
        check::<C>("A3", &|c, o| c.build_request(o), &data::ice_request());
        v.push(mk::<C, _>("A3", Vec::with_capacity(2048), |c, o| {
            c.build_request(o);
            black_box(&o);
        }));
    }
    if has("A4") {
        check::<C>("A4", &|c, o| c.build_response(o), &data::ice_response());
        v.push(mk::<C, _>("A4", Vec::with_capacity(2048), |c, o| {
            c.build_response(o);
            black_box(&o);
        }));
    }
    if has("A5") {
        v.push(mk::<C, _>("A5", data::traffic(), |c, t| {
            assert_eq!(c.classify(black_box(t)), (2, 1, 13));
        }));
    }
    if has("A6a") {
        check::<C>("A6a", &|c, o| c.wrap_channel(&data::payload(), o), &data::channel_data());
        v.push(mk::<C, _>("A6a", (data::payload(), Vec::with_capacity(2048)), |c, (p, o)| {
            c.wrap_channel(black_box(p), o);
            black_box(&o);
        }));
    }
    if has("A6b") {
        v.push(mk::<C, _>("A6b", data::channel_data(), |c, p| {
            assert_eq!(black_box(c.unwrap_channel(black_box(p))), Some((data::CHANNEL, data::PAYLOAD, 3)));
        }));
    }
    if has("A6c") {
        check::<C>("A6c", &|c, o| c.wrap_send(&data::payload(), o), &data::indication(0x0016));
        v.push(mk::<C, _>("A6c", (data::payload(), Vec::with_capacity(2048)), |c, (p, o)| {
            c.wrap_send(black_box(p), o);
            black_box(&o);
        }));
    }
    if has("A6d") {
        v.push(mk::<C, _>("A6d", data::indication(0x0017), |c, p| {
            assert_eq!(black_box(c.unwrap_data(black_box(p))), Some((data::peer(), data::PAYLOAD, 3)));
        }));
    }
    // attack: verification must fail on a flipped bit
    if has("A2") {
        let mut c = C::new(data::LPWD);
        let mut bad = data::request(
            data::USERNAME,
            data::LPWD,
            Role::Controlling,
            data::TIE,
            data::PRIORITY,
            true,
            data::TXID,
            true,
        );
        assert!(!c.parse_verify(&bad), "{} accepts a bad MESSAGE-INTEGRITY", C::NAME);
        bad = data::ice_request();
        let n = bad.len();
        bad[n - 1] ^= 1;
        if c.parse_verify(&bad) && std::env::args().nth(1).as_deref() == Some("wall") {
            eprintln!("note: {} accepts a wrong FINGERPRINT", C::NAME);
        }
    }
}
fn check<C: Codec>(w: &str, f: &dyn Fn(&mut C, &mut Vec<u8>), want: &[u8]) {
    let mut c = C::new(data::LPWD);
    for _ in 0..2 {
        let mut o = vec![0xAA; 7];
        f(&mut c, &mut o);
        if o != want && std::env::args().nth(1).as_deref() == Some("wall") {
            eprintln!(
                "note: {} {w}: bytes differ from the reference (len {} vs {})",
                C::NAME,
                o.len(),
                want.len()
            );
            return;
        }
    }
}
fn mk<C: Codec + 'static, S: Clone + 'static>(w: &'static str, s: S, f: fn(&mut C, &mut S)) -> Case {
    Case {
        workload: w,
        imp: C::NAME,
        heavy: false,
        make: Box::new(move || {
            let mut c = C::new(data::LPWD);
            let mut s = s.clone();
            (
                Box::new(move |n| {
                    for _ in 0..n {
                        f(&mut c, &mut s)
                    }
                }),
                Extra::default(),
            )
        }),
    }
}

pub fn agent_cases<A: IceAgent + 'static>(v: &mut Vec<Case>) {
    let only_c = A::NAME.contains("limit 10k");
    let has = |w: &str| !A::UNSUPPORTED.iter().any(|(x, _)| *x == w);
    if !only_c {
        // B1/B2: controlling agent under test, request carries ICE-CONTROLLED.
        // B1c: controlled agent under test, request carries ICE-CONTROLLING + USE-CANDIDATE.
        // B3: as B2, but the ufrag is unknown as well, so a good implementation stops before the HMAC.
        // B1p: controlled agent under test, ICE-CONTROLLING without USE-CANDIDATE (consent check).
        for (w, ctl, nominate, bad) in [
            ("B1", true, false, false),
            ("B1c", false, true, false),
            ("B1p", false, false, false),
            ("B2", true, false, true),
            ("B3", true, false, true),
        ] {
            if !has(w) {
                continue;
            }
            v.push(Case {
                workload: w,
                imp: A::NAME,
                heavy: false,
                make: Box::new(move || {
                    let (pair, _) = sim::established::<A>(1, Duration::from_secs(1));
                    let (la, lb) = sim::addrs(1);
                    let (mut agent, local, remote) =
                        if ctl { (pair.a, la[0], lb[0]) } else { (pair.b, lb[0], la[0]) };
                    let (user, pwd) = if ctl {
                        (format!("{}:{}", data::LUFRAG, data::RUFRAG), data::LPWD)
                    } else {
                        (format!("{}:{}", data::RUFRAG, data::LUFRAG), data::RPWD)
                    };
                    // B3: right length, unknown ufrag
                    let user = if w == "B3" { format!("zzzz:{}", &user[5..]) } else { user };
                    let reqs: Vec<Vec<u8>> = (0..16u8)
                        .map(|i| {
                            let mut tx = data::TXID;
                            tx[3] = i;
                            data::request(
                                &user,
                                pwd,
                                if ctl { Role::Controlled } else { Role::Controlling },
                                5,
                                data::PRIORITY,
                                nominate,
                                tx,
                                bad,
                            )
                        })
                        .collect();
                    let mut now = pair.now;
                    let extra = Extra::default();
                    let ex = extra.clone();
                    let mut i = 0usize;
                    let (mut out, mut resp, mut bytes) = (0u64, 0u64, 0u64);
                    (
                        Box::new(move |n| {
                            for _ in 0..n {
                                i += 1;
                                // 20 us of virtual time per request, so that nothing times out within a batch
                                now += Duration::from_micros(20);
                                agent.input(now, local, remote, black_box(&reqs[i & 15]));
                                agent.drain(now, &mut |_, _, d| {
                                    out += 1;
                                    bytes += d.len() as u64;
                                    if d[0] == 1 {
                                        resp += 1;
                                    }
                                    black_box(d);
                                });
                                black_box(agent.next_timeout(now));
                            }
                            if !bad {
                                assert!(resp >= i as u64, "no response: {resp} of {i}");
                            }
                            let mut e = ex.borrow_mut();
                            e.clear();
                            e.push(("datagrams out", out as f64 / i as f64));
                            e.push(("bytes out", bytes as f64 / i as f64));
                        }),
                        extra,
                    )
                }),
            });
        }
        for (w, n) in [("D2", 1usize), ("D2x10", 10)] {
            v.push(Case {
                workload: w,
                imp: A::NAME,
                heavy: false,
                make: Box::new(move || {
                    let (pair, _) = sim::established::<A>(n, Duration::from_secs(30));
                    let mut a = pair.a;
                    let now = pair.now;
                    a.on_timeout(now);
                    a.drain(now, &mut |_, _, _| {});
                    let rice = A::NAME == "rice-proto";
                    (
                        Box::new(move |n| {
                            for _ in 0..n {
                                // rice-proto has no separate poll_timeout: the deadline comes out of poll()
                                if rice {
                                    a.drain(now, &mut |_, _, _| {});
                                }
                                black_box(a.next_timeout(now));
                            }
                        }),
                        Extra::default(),
                    )
                }),
            });
        }
    }
    for (w, n, reach) in [
        ("C1", 1, Reach::All),
        ("C2", 4, Reach::All),
        ("C3", 10, Reach::All),
        ("C4", 30, Reach::All),
        ("C5", 100, Reach::All),
        ("C6", 4, Reach::OnlyLast),
        ("C7", 10, Reach::OnlyLast),
    ] {
        if !has(w) || (only_c && !matches!(w, "C4" | "C5")) {
            continue;
        }
        v.push(Case {
            workload: w,
            imp: A::NAME,
            heavy: true,
            make: Box::new(move || {
                let extra = Extra::default();
                let ex = extra.clone();
                let mut net = Net::default();
                net.warm(if n >= 30 { 40_000 } else { 2_000 });
                (
                    Box::new(move |k| {
                        for _ in 0..k {
                            let (p, s) = sim::handshake::<A>(&mut net, n, reach);
                            black_box(&p);
                            *ex.borrow_mut() = vec![
                                ("ok", s.ok as u8 as f64),
                                ("virtual ms", s.virt_both),
                                ("datagrams", s.datagrams as f64),
                                ("bytes on wire", s.bytes as f64),
                                ("wakeups", s.wakeups as f64),
                            ];
                        }
                    }),
                    extra,
                )
            }),
        });
    }
    // steady minute of a pair after a NxN handshake
    if !only_c {
        for (w, n) in [("D3", 1usize), ("D3x4", 4), ("D3x10", 10)] {
            v.push(Case {
                workload: w,
                imp: A::NAME,
                heavy: true,
                make: Box::new(move || {
                    let h0 = heap().live;
                    let (mut p, _) = sim::established::<A>(n, Duration::from_secs(60));
                    let per_agent = (heap().live - h0) as f64 / 2.0 + std::mem::size_of::<A>() as f64;
                    let (la, lb) = sim::addrs(n);
                    let mut net = Net::default();
                    net.warm(2000);
                    let extra = Extra::default();
                    let ex = extra.clone();
                    (
                        Box::new(move |k| {
                            for _ in 0..k {
                                let s = sim::run(
                                    &mut p,
                                    &mut net,
                                    Reach::All,
                                    &la,
                                    &lb,
                                    Duration::from_secs(60),
                                    false,
                                );
                                *ex.borrow_mut() = vec![
                                    ("heap+struct B/agent", per_agent),
                                    ("datagrams", s.datagrams as f64),
                                    ("bytes on wire", s.bytes as f64),
                                    ("wakeups", s.wakeups as f64),
                                ];
                            }
                        }),
                        extra,
                    )
                }),
            });
        }
    }
}

#[derive(Debug)]
pub struct CrowdResult {
    pub agents: usize,
    pub heap_per_agent: f64,
    pub inline: usize,
    pub setup_s: f64,
    pub ns_per_agent_min: f64,
    pub allocs: f64,
    pub datagrams: f64,
    pub wakeups: f64,
    pub grown: f64,
}
pub fn crowd<A: IceAgent>(n: usize) -> CrowdResult {
    let h0 = heap();
    let t = std::time::Instant::now();
    let mut c = sim::Crowd::<A>::new(n / 2);
    let setup_s = t.elapsed().as_secs_f64();
    // heap held by the agents themselves: the vector's own inline storage is counted, harness heap is not
    let h1 = heap();
    let harness =
        (n * (std::mem::size_of::<Option<Duration>>() + 2 * std::mem::size_of::<(Duration, u32)>())) as u64;
    let per = (h1.live - h0.live).saturating_sub(harness) as f64 / n as f64;
    if n <= 20_000 {
        c.minute();
    } // warm: harness buffers, steady heap
    let h2 = heap();
    let r;
    let started = cpu_time();
    r = c.minute();
    let ns = cpu_time() - started;
    let h3 = heap();
    CrowdResult {
        agents: n,
        heap_per_agent: per,
        inline: std::mem::size_of::<A>(),
        setup_s,
        ns_per_agent_min: ns / n as f64,
        allocs: (h3.allocs - h2.allocs) as f64 / n as f64,
        datagrams: r.0 as f64 / n as f64,
        wakeups: r.1 as f64 / n as f64,
        grown: (h3.live as f64 - h2.live as f64) / n as f64,
    }
}
