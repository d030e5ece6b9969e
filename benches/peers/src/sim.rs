//! Two agents and a network in virtual time.
use crate::data::{LPWD, LUFRAG, RPWD, RUFRAG, host_address};
use crate::traits::{Description, IceAgent};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

pub const LATENCY: Duration = Duration::from_millis(5);
pub const EPOCH: Duration = Duration::from_secs(1000);

/// A datagram under way.
pub struct Datagram {
    arrives_at: Duration,
    pub to_controlled: bool,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// Datagrams under way. Their buffers are used again, also by the next handshake, so that the harness itself does not allocate.
#[derive(Default)]
pub struct Net {
    under_way: VecDeque<Datagram>,
    buffers: Vec<Vec<u8>>,
    sent: u64,
    bytes: u64,
}

impl Net {
    pub fn with_buffers(count: usize) -> Self {
        let buffers = (0..count).map(|_| Vec::with_capacity(256)).collect();
        Self { under_way: VecDeque::with_capacity(count), buffers, ..Self::default() }
    }

    pub fn send(
        &mut self,
        now: Duration,
        to_controlled: bool,
        from: SocketAddr,
        to: SocketAddr,
        datagram: &[u8],
    ) {
        self.lose(datagram);
        let mut bytes = self.buffers.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(datagram);
        self.under_way.push_back(Datagram { arrives_at: now + LATENCY, to_controlled, from, to, bytes });
    }

    /// Counts a datagram that does not arrive.
    fn lose(&mut self, datagram: &[u8]) {
        self.sent += 1;
        self.bytes += datagram.len() as u64;
    }

    /// The next datagram, whenever it arrives.
    pub fn take(&mut self) -> Option<Datagram> {
        self.under_way.pop_front()
    }

    fn take_until(&mut self, now: Duration) -> Option<Datagram> {
        self.under_way.pop_front_if(|datagram| datagram.arrives_at <= now)
    }

    pub fn recycle(&mut self, datagram: Datagram) {
        self.buffers.push(datagram.bytes);
    }

    pub fn clear(&mut self) {
        while let Some(datagram) = self.take() {
            self.recycle(datagram);
        }
    }
}

/// Which candidates of two agents reach one another.
#[derive(Clone, Copy)]
pub enum Reach {
    All,
    /// The last one of either side.
    OnlyLast,
}

/// What a run has come to.
#[derive(Clone, Copy, Default)]
pub struct Found {
    /// How long it took until both had selected a pair, if that was waited for.
    pub selected_after: Option<Duration>,
    pub datagrams: u64,
    pub bytes: u64,
    pub wakeups: u64,
}

pub struct Pair<A> {
    pub controlling: A,
    pub controlled: A,
    pub now: Duration,
    /// The last candidate of each.
    last: (SocketAddr, SocketAddr),
}

/// The candidates of both sides.
pub fn addresses(count: usize) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    let of = |side| (0..count).map(|number| host_address(side, number)).collect();
    (of(0), of(1))
}

pub fn new_pair<A: IceAgent>(candidates: usize) -> Pair<A> {
    let (ours, theirs) = addresses(candidates);
    let first = Description { ufrag: LUFRAG, password: LPWD, candidates: &ours };
    let second = Description { ufrag: RUFRAG, password: RPWD, candidates: &theirs };
    let last = (ours[candidates - 1], theirs[candidates - 1]);
    let (controlling, controlled) =
        (A::new(EPOCH, true, &first, &second), A::new(EPOCH, false, &second, &first));
    Pair { controlling, controlled, now: EPOCH, last }
}

impl<A: IceAgent> Pair<A> {
    fn agent(&mut self, controlled: bool) -> &mut A {
        if controlled { &mut self.controlled } else { &mut self.controlling }
    }

    fn is_selected(&self) -> bool {
        self.controlling.selected().is_some() && self.controlled.selected().is_some()
    }

    /// Hands what an agent has to send to the network.
    fn drain(&mut self, controlled: bool, net: &mut Net, reach: Reach) {
        let (now, last) = (self.now, self.last);
        let last = if controlled { (last.1, last.0) } else { last };
        self.agent(controlled).drain(now, &mut |from, to, datagram| match reach {
            Reach::OnlyLast if (from, to) != last => net.lose(datagram),
            Reach::OnlyLast | Reach::All => net.send(now, !controlled, from, to, datagram),
        });
    }

    /// Wakes an agent that wants to be woken: because its deadline has come, or because a datagram has made it ask for it.
    fn wake(
        &mut self,
        controlled: bool,
        deadline: Option<Duration>,
        heard: bool,
        net: &mut Net,
        reach: Reach,
    ) -> u64 {
        let now = self.now;
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let due = is_due(deadline) || (heard && is_due(self.agent(controlled).next_timeout(now)));
        if due {
            self.agent(controlled).on_timeout(now);
            self.drain(controlled, net, reach);
        }
        u64::from(due)
    }
}

/// Runs until `limit` of virtual time has passed, or until both have selected a pair.
pub fn run<A: IceAgent>(
    pair: &mut Pair<A>,
    net: &mut Net,
    reach: Reach,
    limit: Duration,
    until_selected: bool,
) -> Found {
    let mut found = Found::default();
    let (started, end) = (pair.now, pair.now + limit);
    let (sent_before, bytes_before) = (net.sent, net.bytes);
    let mut without_progress = 0;
    pair.drain(false, net, reach);
    pair.drain(true, net, reach);
    loop {
        if until_selected && pair.is_selected() {
            found.selected_after = Some(pair.now - started);
            break;
        }
        let deadlines = [false, true].map(|side| {
            let now = pair.now;
            pair.agent(side).next_timeout(now)
        });
        let arrival = net.under_way.front().map(|datagram| datagram.arrives_at);
        let Some(next) = deadlines.into_iter().chain([arrival]).flatten().min() else { break };
        let next = next.max(pair.now);
        if next > end {
            pair.now = end;
            break;
        }
        without_progress = if next == pair.now { without_progress + 1 } else { 0 };
        if without_progress > 100_000 {
            break;
        }
        // An implementation that asks for "now" again and again is nudged by 1 ms.
        let nudged = without_progress > 64 && arrival != Some(next);
        pair.now = if nudged { next + Duration::from_millis(1) } else { next };
        let mut heard = [false; 2];
        while let Some(datagram) = net.take_until(pair.now) {
            let (now, receiver) = (pair.now, datagram.to_controlled);
            pair.agent(receiver).input(now, datagram.to, datagram.from, &datagram.bytes);
            pair.drain(receiver, net, reach);
            heard[usize::from(receiver)] = true;
            net.recycle(datagram);
        }
        for side in [false, true] {
            let number = usize::from(side);
            found.wakeups += pair.wake(side, deadlines[number], heard[number], net, reach);
        }
    }
    found.datagrams = net.sent - sent_before;
    found.bytes = net.bytes - bytes_before;
    found
}

pub fn handshake<A: IceAgent>(net: &mut Net, candidates: usize, reach: Reach) -> (Pair<A>, Found) {
    net.clear();
    let mut pair = new_pair::<A>(candidates);
    let found = run(&mut pair, net, reach, Duration::from_secs(120), true);
    (pair, found)
}

/// A pair that has been connected for so long.
pub fn established<A: IceAgent>(candidates: usize, settled_for: Duration) -> Pair<A> {
    let mut net = Net::default();
    let (mut pair, _) = handshake::<A>(&mut net, candidates, Reach::All);
    run(&mut pair, &mut net, Reach::All, settled_for, false);
    pair
}
