//! D1: many established agents under one heap of timers, on a network without latency. Peers are neighbours.
use crate::measure::{cpu_time, heap};
use crate::sim::{EPOCH, Net, Reach, new_pair, run};
use crate::traits::IceAgent;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Holds so many agents for a minute. Returns the fields of a line: agents, heap and struct of one, seconds to set up, and per
/// agent the ns, allocations, datagrams and wakeups of the minute, and the bytes that the heap has grown by.
pub fn measure<A: IceAgent>(agents: usize) -> String {
    let (before, started) = (heap().live, std::time::Instant::now());
    let mut crowd = Crowd::<A>::new(agents / 2);
    let set_up = started.elapsed().as_secs_f64();
    let each = |count: f64| count / agents as f64;
    // The agents themselves count, where they are kept does not.
    let timers = agents * (size_of::<Option<Duration>>() + 2 * size_of::<(Duration, u32)>());
    let kept = each((heap().live - before).saturating_sub(timers as u64) as f64);
    if agents <= 20_000 {
        // Then the buffers have grown to what they will be.
        crowd.minute();
    }
    let (before, started) = (heap(), cpu_time());
    let (datagrams, wakeups) = crowd.minute();
    let (taken, after) = (cpu_time() - started, heap());
    format!(
        "{agents}\t{kept:.0}\t{}\t{set_up:.1}\t{:.0}\t{:.1}\t{:.1}\t{:.1}\t{:.1}",
        size_of::<A>(),
        each(taken),
        each((after.allocations - before.allocations) as f64),
        each(datagrams as f64),
        each(wakeups as f64),
        each(after.live as f64 - before.live as f64)
    )
}

struct Crowd<A> {
    agents: Vec<A>,
    now: Duration,
    timers: BinaryHeap<Reverse<(Duration, u32)>>,
    /// For when an agent has its timer; what else is in the heap is stale.
    armed: Vec<Option<Duration>>,
    net: Net,
}

impl<A: IceAgent> Crowd<A> {
    fn new(pairs: usize) -> Self {
        let (mut agents, mut net) = (Vec::with_capacity(pairs * 2), Net::default());
        let now = EPOCH + Duration::from_secs(20);
        for _ in 0..pairs {
            net.clear();
            let mut pair = new_pair::<A>(1);
            let found = run(&mut pair, &mut net, Reach::All, Duration::from_secs(30), true);
            assert!(found.selected_after.is_some());
            let left = now - pair.now;
            run(&mut pair, &mut net, Reach::All, left, false);
            agents.extend([pair.controlling, pair.controlled]);
        }
        let count = agents.len();
        Self { agents, now, timers: BinaryHeap::with_capacity(count * 2), armed: vec![None; count], net }
    }

    /// One virtual minute for everyone. Returns how many datagrams and wakeups there were.
    fn minute(&mut self) -> (u64, u64) {
        let end = self.now + Duration::from_secs(60);
        let (mut datagrams, mut wakeups) = (0, 0);
        self.timers.clear();
        for agent in 0..self.agents.len() {
            self.armed[agent] = None;
            self.arm(agent);
        }
        while let Some(Reverse((at, agent))) = self.timers.pop() {
            let agent = agent as usize;
            if self.armed[agent] != Some(at) {
                continue;
            }
            if at > end {
                break;
            }
            self.armed[agent] = None;
            self.now = self.now.max(at);
            wakeups += 1;
            self.agents[agent].on_timeout(self.now);
            datagrams += self.exchange(agent);
            self.arm(agent);
            self.arm(agent ^ 1);
        }
        self.now = end;
        (datagrams, wakeups)
    }

    fn arm(&mut self, agent: usize) {
        // A step of 1 ms at least, so that an agent that asks for "now" for ever cannot stall the run.
        let soonest = self.now + Duration::from_millis(1);
        let wanted = self.agents[agent].next_timeout(self.now).map(|at| at.max(soonest));
        if let Some(at) = wanted.filter(|_| self.armed[agent] != wanted) {
            self.timers.push(Reverse((at, agent as u32)));
        }
        self.armed[agent] = wanted;
    }

    /// Carries what an agent and its peer have to send, until neither has. Returns how many datagrams.
    fn exchange(&mut self, agent: usize) -> u64 {
        let (now, first) = (self.now, agent & !1);
        let (mut sender, mut idle, mut datagrams) = (agent, 0, 0);
        self.net.clear();
        while idle < 2 {
            let (to_controlled, net) = (sender == first, &mut self.net);
            self.agents[sender].drain(now, &mut |from, to, datagram| {
                datagrams += 1;
                net.send(now, to_controlled, from, to, datagram);
            });
            idle += 1;
            while let Some(datagram) = self.net.take() {
                idle = 0;
                let receiver = first + usize::from(datagram.to_controlled);
                self.agents[receiver].input(now, datagram.to, datagram.from, &datagram.bytes);
                self.net.recycle(datagram);
            }
            sender ^= 1;
        }
        datagrams
    }
}
