//! Virtual-clock network for two agents (C) and for a crowd of them (B, D).
use crate::data::*;
use crate::traits::*;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

pub const LATENCY: Duration = Duration::from_millis(5);
pub const EPOCH: Duration = Duration::from_secs(1000);

struct Pkt {
    at: Duration,
    to_b: bool,
    local: SocketAddr,
    remote: SocketAddr,
    buf: Vec<u8>,
}

/// Datagram queue whose buffers are recycled, so that the harness itself does not allocate
/// once warm (the pool survives between handshakes).
#[derive(Default)]
pub struct Net {
    q: VecDeque<Pkt>,
    pool: Vec<Vec<u8>>,
    pub sent: u64,
    pub bytes: u64,
    pub dropped: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    All,
    /// only last local of A <-> last local of B
    OnlyLast,
}
impl Net {
    pub fn warm(&mut self, n: usize) {
        while self.pool.len() < n {
            self.pool.push(Vec::with_capacity(256));
        }
        self.q.reserve(n);
    }
    fn send(&mut self, now: Duration, to_b: bool, src: SocketAddr, dst: SocketAddr, d: &[u8], ok: bool) {
        self.sent += 1;
        self.bytes += d.len() as u64;
        if !ok {
            self.dropped += 1;
            return;
        }
        let mut buf = self.pool.pop().unwrap_or_default();
        buf.clear();
        buf.extend_from_slice(d);
        self.q.push_back(Pkt { at: now + LATENCY, to_b, local: dst, remote: src, buf });
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    pub ok: bool,
    /// virtual ms until A, until both had a selected pair
    pub virt_a: f64,
    pub virt_both: f64,
    pub datagrams: u64,
    pub bytes: u64,
    pub wakeups: u64,
}

pub struct Pair<A> {
    pub a: A,
    pub b: A,
    pub now: Duration,
}

pub fn addrs(n: usize) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    ((0..n).map(|i| host_addr(0, i)).collect(), (0..n).map(|i| host_addr(1, i)).collect())
}

pub fn new_pair<A: IceAgent>(la: &[SocketAddr], lb: &[SocketAddr]) -> Pair<A> {
    let a = A::new(
        EPOCH,
        &AgentCfg {
            controlling: true,
            ufrag: LUFRAG,
            pwd: LPWD,
            remote_ufrag: RUFRAG,
            remote_pwd: RPWD,
            locals: la,
            remotes: lb,
        },
    );
    let b = A::new(
        EPOCH,
        &AgentCfg {
            controlling: false,
            ufrag: RUFRAG,
            pwd: RPWD,
            remote_ufrag: LUFRAG,
            remote_pwd: LPWD,
            locals: lb,
            remotes: la,
        },
    );
    Pair { a, b, now: EPOCH }
}

/// Runs until `stop` says so or until `limit` of virtual time has passed.
pub fn run<A: IceAgent>(
    p: &mut Pair<A>,
    net: &mut Net,
    reach: Reach,
    la: &[SocketAddr],
    lb: &[SocketAddr],
    limit: Duration,
    until_selected: bool,
) -> Stats {
    let mut s = Stats::default();
    let t0 = p.now;
    let end = p.now + limit;
    let (last_a, last_b) = (*la.last().unwrap(), *lb.last().unwrap());
    let (s0, b0) = (net.sent, net.bytes);
    let mut same = 0u32;
    macro_rules! drain {
        ($which:ident, $to_b:expr) => {{
            let now = p.now;
            p.$which.drain(now, &mut |src, dst, d| {
                let ok = match reach {
                    Reach::All => true,
                    Reach::OnlyLast => {
                        if $to_b {
                            src == last_a && dst == last_b
                        } else {
                            src == last_b && dst == last_a
                        }
                    }
                };
                net.send(now, $to_b, src, dst, d, ok);
            });
        }};
    }
    drain!(a, true);
    drain!(b, false);
    loop {
        if s.virt_a == 0.0 && p.a.selected().is_some() {
            s.virt_a = (p.now - t0).as_secs_f64() * 1e3;
        }
        if until_selected && p.a.selected().is_some() && p.b.selected().is_some() {
            s.ok = true;
            s.virt_both = (p.now - t0).as_secs_f64() * 1e3;
            break;
        }
        let ta = p.a.next_timeout(p.now);
        let tb = p.b.next_timeout(p.now);
        let tn = net.q.front().map(|x| x.at);
        let Some(t) = [ta, tb, tn].into_iter().flatten().min() else { break };
        let t = t.max(p.now);
        if t > end {
            p.now = end;
            break;
        }
        if t == p.now {
            same += 1;
            if same > 100_000 {
                break;
            }
        } else {
            same = 0;
        }
        // An implementation that keeps asking for "now" without progress is nudged by 1 ms.
        p.now = if same > 64 && tn != Some(t) { t + Duration::from_millis(1) } else { t };
        let mut got_a = false;
        let mut got_b = false;
        while net.q.front().is_some_and(|x| x.at <= p.now) {
            let pk = net.q.pop_front().unwrap();
            if pk.to_b {
                p.b.input(p.now, pk.local, pk.remote, &pk.buf);
                drain!(b, false);
                got_b = true;
            } else {
                p.a.input(p.now, pk.local, pk.remote, &pk.buf);
                drain!(a, true);
                got_a = true;
            }
            net.pool.push(pk.buf);
        }
        if ta.is_some_and(|x| x <= p.now) || (got_a && p.a.next_timeout(p.now).is_some_and(|x| x <= p.now)) {
            s.wakeups += 1;
            p.a.on_timeout(p.now);
            drain!(a, true);
        }
        if tb.is_some_and(|x| x <= p.now) || (got_b && p.b.next_timeout(p.now).is_some_and(|x| x <= p.now)) {
            s.wakeups += 1;
            p.b.on_timeout(p.now);
            drain!(b, false);
        }
    }
    s.datagrams = net.sent - s0;
    s.bytes = net.bytes - b0;
    s
}

pub fn clear(net: &mut Net) {
    while let Some(p) = net.q.pop_front() {
        net.pool.push(p.buf);
    }
}

pub fn handshake<A: IceAgent>(net: &mut Net, n: usize, reach: Reach) -> (Pair<A>, Stats) {
    let (la, lb) = addrs(n);
    clear(net);
    let mut p = new_pair::<A>(&la, &lb);
    let s = run(&mut p, net, reach, &la, &lb, Duration::from_secs(120), true);
    (p, s)
}

/// A pair that has been connected for `settle` of virtual time.
pub fn established<A: IceAgent>(n: usize, settle: Duration) -> (Pair<A>, Stats) {
    let mut net = Net::default();
    let (mut p, s) = handshake::<A>(&mut net, n, Reach::All);
    let (la, lb) = addrs(n);
    run(&mut p, &mut net, Reach::All, &la, &lb, settle, false);
    (p, s)
}

/// D: many established agents under one timer heap, zero latency, peers 2k <-> 2k+1.
pub struct Crowd<A> {
    pub agents: Vec<A>,
    now: Duration,
    heap: BinaryHeap<Reverse<(Duration, u32)>>,
    armed: Vec<Option<Duration>>,
    scratch: Net,
}
impl<A: IceAgent> Crowd<A> {
    pub fn new(pairs: usize) -> Self {
        let mut agents = Vec::with_capacity(pairs * 2);
        let (la, lb) = addrs(1);
        let mut net = Net::default();
        for _ in 0..pairs {
            clear(&mut net);
            let mut p = new_pair::<A>(&la, &lb);
            let s = run(&mut p, &mut net, Reach::All, &la, &lb, Duration::from_secs(30), true);
            assert!(s.ok);
            let left = EPOCH + Duration::from_secs(20) - p.now;
            run(&mut p, &mut net, Reach::All, &la, &lb, left, false);
            agents.push(p.a);
            agents.push(p.b);
        }
        let n = agents.len();
        Crowd {
            agents,
            now: EPOCH + Duration::from_secs(20),
            heap: BinaryHeap::with_capacity(n * 2),
            armed: vec![None; n],
            scratch: net,
        }
    }
    /// One virtual minute for everyone. Returns (datagrams, wakeups).
    pub fn minute(&mut self) -> (u64, u64) {
        let end = self.now + Duration::from_secs(60);
        let (mut sent, mut wake) = (0, 0);
        self.heap.clear();
        for i in 0..self.agents.len() {
            self.armed[i] = None;
            self.arm(i);
        }
        while let Some(Reverse((t, i))) = self.heap.pop() {
            let i = i as usize;
            if self.armed[i] != Some(t) {
                continue;
            }
            if t > end {
                break;
            }
            self.armed[i] = None;
            self.now = self.now.max(t);
            wake += 1;
            self.agents[i].on_timeout(self.now);
            self.exchange(i, &mut sent);
            self.arm(i);
            self.arm(i ^ 1);
        }
        self.now = end;
        (sent, wake)
    }
    fn arm(&mut self, i: usize) {
        // 1 ms minimum step so that an agent asking for "now" forever cannot stall the run
        if let Some(t) = self.agents[i].next_timeout(self.now) {
            let t = t.max(self.now + Duration::from_millis(1));
            if self.armed[i] != Some(t) {
                self.armed[i] = Some(t);
                self.heap.push(Reverse((t, i as u32)));
            }
        } else {
            self.armed[i] = None;
        }
    }
    fn exchange(&mut self, i: usize, sent: &mut u64) {
        let now = self.now;
        let base = i & !1;
        clear(&mut self.scratch);
        let mut which = i;
        let mut idle = 0;
        while idle < 2 {
            let to_b = which == base;
            let net = &mut self.scratch;
            self.agents[which].drain(now, &mut |s, d, b| {
                *sent += 1;
                net.send(now, to_b, s, d, b, true)
            });
            let mut any = false;
            while let Some(pk) = self.scratch.q.pop_front() {
                any = true;
                let dst = if pk.to_b { base + 1 } else { base };
                self.agents[dst].input(now, pk.local, pk.remote, &pk.buf);
                self.scratch.pool.push(pk.buf);
            }
            if any {
                idle = 0
            } else {
                idle += 1
            }
            which ^= 1;
        }
    }
}
