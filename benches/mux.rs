//! Many agents: what a datagram costs when it has to be found whose it is, and what an agent costs that does nothing.

mod support;

use std::env;
use std::net::SocketAddr;

use floe::ice::{Credentials, Role, StreamId};
use floe::stun::{Builder, IceControlling, Integrity, Key, Method, Priority, UseCandidate, Username};
use floe::{Agent, Base, Config, Mux, Output, Path, Received, Remote, Seed, StreamState, Timestamp};
use support::Table;

fn main() {
    let table = Table::from_args();
    let once = env::args().any(|argument| argument == "--once");
    // Under callgrind everything takes fifty times as long.
    let sizes: &[usize] = if once { &[1, 1_000, 10_000] } else { &[1, 1_000, 10_000, 100_000] };
    for &size in sizes {
        if size > 1 {
            alone(&table, size);
        }
        together(&table, size);
    }
    if !once {
        cache_miss(&table);
    }
}

/// The same agents in a vector, and the index of each known beforehand: what is left is the work of the agent, with its
/// memory as cold as that of one among many is.
fn alone(table: &Table, size: usize) {
    let names =
        [format!("check, {size} agents, found by index"), format!("data, {size} agents, found by index")];
    if !names.iter().any(|name| table.wants(name)) {
        return;
    }
    let (mut agents, traffic) = crowd(size);
    let (mut next, mut at) = (Order::of(size), Order::of(size));
    table.spread(&names[0], size, || {
        let (turn, number) = next.next();
        let agent = &mut agents[number];
        let _ = agent.handle_datagram(NOW, traffic.path(number), &traffic.checks[turn]);
        while agent.poll_output().is_some() {}
        agent.deadline()
    });
    table.spread(&names[1], size, || {
        let (_, number) = at.next();
        matches!(agents[number].handle_datagram(NOW, traffic.path(number), DATA), Received::Data { .. })
    });
}

fn together(table: &Table, size: usize) {
    let name = |what: &str| format!("{what}, mux of {size}");
    let all =
        ["check", "data", "unknown fragment", "unknown path", "deadline", "remove and insert", "memory"];
    if !all.iter().any(|what| table.wants(&name(what))) {
        return;
    }
    let mut traffic = None;
    let mut mux = Mux::new();
    let memory = allocation_counter::measure(|| {
        let (agents, sent) = crowd(size);
        for (number, agent) in agents.into_iter().enumerate() {
            mux.insert(number as u64, agent);
        }
        while mux.poll_output().is_some() {}
        traffic = Some(sent);
    });
    let traffic = traffic.unwrap();
    let (mut next, mut at, mut out) = (Order::of(size), Order::of(size), Order::of(size));
    table.spread(&name("check"), size, || {
        let (turn, number) = next.next();
        let received = mux.handle_datagram(NOW, traffic.path(number), &traffic.checks[turn]);
        while mux.poll_output().is_some() {}
        (received.is_some(), mux.deadline())
    });
    table.spread(&name("data"), size, || {
        let (_, number) = at.next();
        let received = mux.handle_datagram(NOW, traffic.path(number), DATA);
        matches!(received, Some((key, Received::Data { .. })) if key == number as u64)
    });
    let stranger = check("nobodys+", "password of nobody in the world");
    table.spread(&name("unknown fragment"), size, || mux.handle_datagram(NOW, traffic.path(0), &stranger));
    let elsewhere = Path::udp(local(), "203.0.113.9:9".parse().unwrap());
    table.spread(&name("unknown path"), size, || mux.handle_datagram(NOW, elsewhere, DATA));
    table.spread(&name("deadline"), size, || mux.deadline());
    table.spread(&name("remove and insert"), size, || {
        let (_, number) = out.next();
        let agent = mux.remove(number as u64).unwrap();
        mux.insert(number as u64, agent)
    });
    let agents = memory.bytes_current as f64 - traffic.bytes() as f64;
    table.value(&name("memory"), "bytes of an agent", agents / size as f64);
}

/// Agents in the middle of a session, and what their peers send, in the order in which they will.
fn crowd(size: usize) -> (Vec<Agent>, Traffic) {
    let config = std::sync::Arc::new(Config::new().lite(true));
    let mut agents = Vec::with_capacity(size);
    for number in 0..size {
        let (ufrag, password) = (ufrag(number), password(number));
        let mut agent =
            Agent::new(config.clone(), Role::Controlled, Seed::from([7; 32]).child(number as u64));
        let stream = agent.add_stream_with(1, Credentials::new(&ufrag, &password).unwrap()).unwrap();
        agent.add_base(NOW, stream.component(1), Base::udp(local())).unwrap();
        agent.end_of_bases(NOW, stream).unwrap();
        let peer = Credentials::new("peer", "passwordofthepeer/1234567").unwrap();
        agent.set_remote(NOW, stream, Remote::new(peer).complete()).unwrap();
        let _ = agent.handle_datagram(NOW, Path::udp(local(), remote(number)), &check(&ufrag, &password));
        while let Some(output) = agent.poll_output() {
            drop::<Output>(output);
        }
        assert_eq!(agent.state(StreamId::from_raw(0)), Some(StreamState::Completed));
        agents.push(agent);
    }
    let mut order = Order::of(size);
    let checks = (0..size).map(|_| order.next().1).map(|number| check(&ufrag(number), &password(number)));
    let checks = checks.collect();
    (agents, Traffic { checks })
}

struct Traffic {
    /// In the order of [`Order`].
    checks: Vec<Vec<u8>>,
}

impl Traffic {
    fn path(&self, number: usize) -> Path {
        Path::udp(local(), remote(number))
    }

    fn bytes(&self) -> usize {
        let heap = self.checks.iter().map(Vec::capacity).sum::<usize>();
        heap + self.checks.capacity() * size_of::<Vec<u8>>()
    }
}

/// All agents, each once in a round, one never beside the one before.
struct Order {
    turn: usize,
    number: usize,
    step: usize,
    size: usize,
}

impl Order {
    fn of(size: usize) -> Self {
        // Coprime to every size here, and about the golden section of it.
        let step = (size as f64 * 0.618) as usize;
        let step = (step..).find(|step| gcd(*step, size) == 1).unwrap_or(1);
        Self { turn: 0, number: 0, step, size }
    }

    fn next(&mut self) -> (usize, usize) {
        let now = (self.turn, self.number);
        self.turn = (self.turn + 1) % self.size;
        self.number = (self.number + self.step) % self.size;
        now
    }
}

const fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn ufrag(number: usize) -> String {
    // As spread as random ones: a step through all of 48 bits.
    let mut bits = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
    (0..8)
        .map(|_| {
            let character = ICE_CHARS[(bits & 0x3f) as usize];
            bits >>= 6;
            character as char
        })
        .collect()
}

fn password(number: usize) -> String {
    format!("{number:0>24}")
}

/// As the peer sends it while the session lasts, and at its beginning.
fn check(ufrag: &str, password: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Builder::request(&mut out, Method::BINDING, [7; 12].into())
        .attribute(&Username::new(&format!("{ufrag}:peer")).unwrap())
        .attribute(&Priority(1_862_270_975))
        .attribute(&IceControlling(7))
        .attribute(&UseCandidate)
        .integrity(&Key::short_term(password.as_bytes()), Integrity::Sha1)
        .fingerprint();
    out
}

fn local() -> SocketAddr {
    "192.0.2.1:3478".parse().unwrap()
}

/// Hosts of 50,000 ports each.
fn remote(number: usize) -> SocketAddr {
    let (host, port) = (number / 50_000, number % 50_000);
    SocketAddr::from(([198, 51, 100, host as u8 + 1], port as u16 + 10_000))
}

/// The time that a load takes which depends on the one before, in far more memory than there is cache.
fn cache_miss(table: &Table) {
    let name = "a load from memory, of 128 MiB";
    if !table.wants(name) {
        return;
    }
    let size = 32 << 20;
    // One cycle through all entries (Sattolo's algorithm).
    let mut successor: Vec<u32> = (0..size).collect();
    let mut random = 1_u64;
    for at in (1..successor.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        successor.swap(at, (random >> 33) as usize % at);
    }
    // One entry of every 64 bytes is in a cache line of its own with high probability; two loads seldom meet.
    let mut at = 0_u32;
    table.spread(name, 1, || {
        at = successor[at as usize];
        at
    });
}

const NOW: Timestamp = Timestamp::from_millis(1_000);

const DATA: &[u8] = &[0x80; 200];

const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
