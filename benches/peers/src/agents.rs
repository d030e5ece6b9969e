//! B, C, D2 and D3: checks that are answered, handshakes, and agents at rest.
use crate::cases::{Case, Extra, Run};
use crate::data::{self, Check, Role};
use crate::measure::heap;
use crate::sim::{self, Net, Reach};
use crate::traits::IceAgent;
use std::hint::black_box;
use std::time::Duration;

pub fn cases<A: IceAgent + 'static>() -> Vec<Case> {
    let checks = [
        Asked { workload: "B1", by: Role::Controlled, nominates: false, forged: false, stranger: false },
        Asked { workload: "B1c", by: Role::Controlling, nominates: true, forged: false, stranger: false },
        Asked { workload: "B1p", by: Role::Controlling, nominates: false, forged: false, stranger: false },
        Asked { workload: "B2", by: Role::Controlled, nominates: false, forged: true, stranger: false },
        Asked { workload: "B3", by: Role::Controlled, nominates: false, forged: true, stranger: true },
    ];
    let handshakes = [
        ("C1", 1, Reach::All),
        ("C2", 4, Reach::All),
        ("C3", 10, Reach::All),
        ("C4", 30, Reach::All),
        ("C5", 100, Reach::All),
        ("C6", 4, Reach::OnlyLast),
        ("C7", 10, Reach::OnlyLast),
    ];
    let mut cases: Vec<Case> = Vec::new();
    cases.extend(checks.map(answer::<A>));
    cases.extend(handshakes.map(handshake::<A>));
    cases.extend([("D2", 1), ("D2x10", 10)].map(deadline::<A>));
    cases.extend([("D3", 1), ("D3x4", 4), ("D3x10", 10)].map(minute::<A>));
    cases.retain(|case| match A::ONLY {
        [] => !A::UNSUPPORTED.iter().any(|(unsupported, _)| *unsupported == case.workload),
        only => only.contains(&case.workload),
    });
    cases
}

fn case<A: IceAgent>(workload: &'static str, heavy: bool, make: impl Fn() -> (Run, Extra) + 'static) -> Case {
    Case { workload, implementation: A::NAME, heavy, make: Box::new(make) }
}

/// Without an allocation, once there are figures.
fn report<const N: usize>(figures: &Extra, found: [(&'static str, f64); N]) {
    let mut figures = figures.borrow_mut();
    figures.clear();
    figures.extend(found);
}

/// A check that comes in on an established pair.
#[derive(Clone, Copy)]
struct Asked {
    workload: &'static str,
    /// The role that the check claims; the agent that is measured has the other one.
    by: Role,
    nominates: bool,
    /// The MESSAGE-INTEGRITY is wrong.
    forged: bool,
    /// The fragment is nobody's.
    stranger: bool,
}

fn answer<A: IceAgent + 'static>(asked: Asked) -> Case {
    case::<A>(asked.workload, false, move || {
        let pair = sim::established::<A>(1, Duration::from_secs(1));
        let (ours, theirs) = sim::addresses(1);
        let (mut agent, local, remote, ufrag, password, peer) = match asked.by {
            Role::Controlled => {
                (pair.controlling, ours[0], theirs[0], data::LUFRAG, data::LPWD, data::RUFRAG)
            }
            Role::Controlling => {
                (pair.controlled, theirs[0], ours[0], data::RUFRAG, data::RPWD, data::LUFRAG)
            }
        };
        let ufrag = if asked.stranger { "zzzz" } else { ufrag };
        let username = format!("{ufrag}:{peer}");
        let requests: Vec<Vec<u8>> =
            (0..16).map(|number| asked.request(&username, password, number)).collect();
        let (mut now, extra) = (pair.now, Extra::default());
        let (mut asked_for, mut sent, mut answers, mut bytes) = (0_usize, 0_u64, 0_u64, 0_u64);
        let figures = extra.clone();
        let run = move |times| {
            for _ in 0..times {
                asked_for += 1;
                // So that nothing times out within a batch.
                now += Duration::from_micros(20);
                agent.input(now, local, remote, black_box(&requests[asked_for % 16]));
                agent.drain(now, &mut |_, _, datagram| {
                    sent += 1;
                    bytes += datagram.len() as u64;
                    answers += u64::from(datagram[0] == 1);
                    black_box(datagram);
                });
                black_box(agent.next_timeout(now));
            }
            assert!(asked.forged || answers >= asked_for as u64, "{answers} answers to {asked_for} requests");
            let each = |count: u64| count as f64 / asked_for as f64;
            report(&figures, [("datagrams out", each(sent)), ("bytes out", each(bytes))]);
        };
        (Box::new(run), extra)
    })
}

impl Asked {
    fn request(&self, username: &str, password: &str, number: u8) -> Vec<u8> {
        let mut id = data::TXID;
        id[3] = number;
        data::request(&Check {
            username,
            password,
            role: self.by,
            tie_breaker: 5,
            nominates: self.nominates,
            id,
            forged: self.forged,
        })
    }
}

fn handshake<A: IceAgent + 'static>((workload, candidates, reach): (&'static str, usize, Reach)) -> Case {
    case::<A>(workload, true, move || {
        let mut net = Net::with_buffers(if candidates >= 30 { 40_000 } else { 2_000 });
        let extra = Extra::default();
        let figures = extra.clone();
        let run = move |times| {
            for _ in 0..times {
                let (pair, found) = sim::handshake::<A>(&mut net, candidates, reach);
                black_box(&pair);
                let found = [
                    ("ok", f64::from(u8::from(found.selected_after.is_some()))),
                    ("virtual ms", found.selected_after.unwrap_or_default().as_secs_f64() * 1e3),
                    ("datagrams", found.datagrams as f64),
                    ("bytes on wire", found.bytes as f64),
                    ("wakeups", found.wakeups as f64),
                ];
                report(&figures, found);
            }
        };
        (Box::new(run), extra)
    })
}

/// What it takes to ask an idle agent when it wants to be woken.
fn deadline<A: IceAgent + 'static>((workload, candidates): (&'static str, usize)) -> Case {
    case::<A>(workload, false, move || {
        let pair = sim::established::<A>(candidates, Duration::from_secs(30));
        let (mut agent, now) = (pair.controlling, pair.now);
        agent.on_timeout(now);
        agent.drain(now, &mut |_, _, _| {});
        let run = move |times| {
            for _ in 0..times {
                if A::DEADLINE_COMES_BY_DRAINING {
                    agent.drain(now, &mut |_, _, _| {});
                }
                black_box(agent.next_timeout(now));
            }
        };
        (Box::new(run), Extra::default())
    })
}

/// A minute of a pair of agents after a handshake.
fn minute<A: IceAgent + 'static>((workload, candidates): (&'static str, usize)) -> Case {
    case::<A>(workload, true, move || {
        let before = heap().live;
        let mut pair = sim::established::<A>(candidates, Duration::from_secs(60));
        let kept = (heap().live - before) as f64 / 2.0 + size_of::<A>() as f64;
        let mut net = Net::with_buffers(2000);
        let extra = Extra::default();
        let figures = extra.clone();
        let run = move |times| {
            for _ in 0..times {
                let found = sim::run(&mut pair, &mut net, Reach::All, Duration::from_secs(60), false);
                let found = [
                    ("heap+struct B/agent", kept),
                    ("datagrams", found.datagrams as f64),
                    ("bytes on wire", found.bytes as f64),
                    ("wakeups", found.wakeups as f64),
                ];
                report(&figures, found);
            }
        };
        (Box::new(run), extra)
    })
}
