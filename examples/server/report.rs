//! What is seen on the way, and what is said at the end.

use std::fs;
use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use floe::Timestamp;

/// What the clients have seen.
#[derive(Default)]
pub struct ClientReport {
    pub began_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    /// From the offer to the nominated pair.
    pub set_ups: Vec<Duration>,
    /// From a datagram to its echo.
    pub echoes: Vec<Duration>,
    pub pings: u64,
    pub failed: usize,
    /// Connected, and later given up.
    pub lost: usize,
    pub ignored: u64,
}

impl ClientReport {
    pub fn connected(&self) -> usize {
        self.set_ups.len()
    }

    pub fn all_echoed(&self) -> bool {
        self.echoes.len() as u64 >= self.pings
    }
}

/// What a server has done, and how much of a processor it took.
#[derive(Clone, Copy, Default)]
pub struct Work {
    pub checks: u64,
    pub data: u64,
    pub ignored: u64,
    pub time: Option<Duration>,
}

impl Work {
    pub fn since(self, before: Self) -> Self {
        Self {
            checks: self.checks - before.checks,
            data: self.data - before.data,
            ignored: self.ignored - before.ignored,
            time: self.time.zip(before.time).map(|(now, before)| now.saturating_sub(before)),
        }
    }
}

pub struct ServerReport {
    pub sessions: usize,
    pub set_up: Work,
    pub steady: Work,
    /// Bytes of heap that are still in use at the end.
    pub memory: i64,
    pub batches: u64,
    pub received: u64,
    pub dropped: u64,
}

/// How long this thread has been on a processor, where the system says so.
pub fn thread_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// A line that says how far it is: redrawn on a terminal, written now and then elsewhere.
pub struct Progress {
    sessions: usize,
    redraws: bool,
    next_at: Timestamp,
}

impl Progress {
    pub fn new(sessions: usize) -> Self {
        Self { sessions, redraws: stdout().is_terminal(), next_at: Timestamp::ZERO }
    }

    pub fn show(&mut self, now: Timestamp, report: &ClientReport, steady: bool) {
        if now < self.next_at {
            return;
        }
        self.next_at = now + Duration::from_millis(if self.redraws { 100 } else { 2_000 });
        let done = report.connected() + report.failed;
        let filled = WIDTH * done / self.sessions.max(1);
        let what = if steady { format!("{} echoes", report.echoes.len()) } else { "connecting".into() };
        let bar = format!("{}{}", "#".repeat(filled), ".".repeat(WIDTH.saturating_sub(filled)));
        let (start, end) = if self.redraws { ("\r", "   ") } else { ("", "\n") };
        print!("{start}[{bar}] {done}/{} sessions, {} failed, {what}{end}", self.sessions, report.failed);
        drop(stdout().flush());
    }

    pub fn end(&self) {
        println!();
    }
}

pub fn print(clients: &ClientReport, server: &ServerReport) {
    let took = clients.began_at.zip(clients.completed_at).map(|(began, ended)| ended.saturating_since(began));
    let took = took.unwrap_or_default().as_secs_f64().max(1e-9);
    let rate = clients.connected() as f64 / took;
    println!(
        "sessions     {} connected, {} failed, {} lost, in {took:.2} s: {rate:.0} a second",
        clients.connected(),
        clients.failed,
        clients.lost
    );
    print_work("set-up", &server.set_up);
    print_work("steady", &server.steady);
    let memory = server.memory as f64 / server.sessions.max(1) as f64;
    println!("memory       {memory:.0} bytes of heap a session in the server, {} sessions", server.sessions);
    let batch = server.received as f64 / server.batches.max(1) as f64;
    println!(
        "socket       {} datagrams, {batch:.1} a batch, {} lost for want of room",
        server.received, server.dropped
    );
    print_times("connected", &clients.set_ups);
    print_times("echo", &clients.echoes);
    let lost = clients.pings - (clients.echoes.len() as u64).min(clients.pings);
    println!("echoes       {} of {} came back", clients.pings - lost, clients.pings);
}

/// What one core can do, from what a part of it has done.
fn print_work(phase: &str, work: &Work) {
    let Work { checks, data, ignored, time } = *work;
    let share = match time {
        Some(time) if !time.is_zero() => {
            let seconds = time.as_secs_f64();
            let each = (checks + data) as f64 / seconds;
            format!(
                "{seconds:.2} s of a core: {:.0} checks, {each:.0} datagrams a second and core",
                checks as f64 / seconds
            )
        }
        _ => "in an unknown share of a core".into(),
    };
    println!("{phase:12} {checks} checks, {data} data, {ignored} ignored in {share}");
}

fn print_times(what: &str, times: &[Duration]) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    let [half, most, nearly, last] = [0.5, 0.9, 0.99, 1.0].map(at);
    println!(
        "{what:12} {half:.2} ms half, {most:.2} ms 90 %, {nearly:.2} ms 99 %, {last:.2} ms all of {}",
        sorted.len()
    );
}

const WIDTH: usize = 40;
