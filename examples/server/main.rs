//! An echo server for thousands of ICE-lite sessions on one UDP port, and as many full agents that keep it busy.
//!
//! ```text
//! cargo run --release --example server -- --sessions 10000 --rate 1000
//! ```
//!
//! The server is one thread with one socket and one [`floe::Mux`]. The clients are another thread, in which each session has
//! an agent of its own with an address of its own (127.64.0.1 and up), as if it were a machine of its own. Credentials and
//! candidates go through a channel, as they would through a signalling server. Once all sessions have been nominated each
//! client sends a datagram a second, or less often where that would be more than ten thousand, and waits for its echo. Nothing
//! leaves this machine, and all ends by itself.

mod clients;
mod report;
mod serve;
mod socket;

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use floe::ice::{Candidate, Credentials};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

/// What a client signals to the server.
enum Offer {
    /// There is a session, under these credentials of the client's.
    Session(u64, Credentials),
    /// No more will come: what follows is data, and checks that keep consent.
    Complete,
}

/// What the server signals to a client: its credentials, and where it is.
struct Answer {
    session: u64,
    credentials: Credentials,
    candidate: Candidate,
}

/// What the command line asks for.
#[derive(Clone, Copy)]
struct Options {
    sessions: usize,
    /// How many sessions begin in a second.
    rate: u32,
    /// How long the sessions last once all are there.
    hold: Duration,
}

/// The time between two checks of a client, which both sides have to agree on.
const TA: Duration = Duration::from_millis(5);

const USAGE: &str = "usage: server [--sessions 1000 (up to 100000)] [--rate 500 (a second, up to 20000)] [--seconds 10 (up to 600)]";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = options()?;
    let epoch = Instant::now();
    let (to_server, offers) = mpsc::unbounded_channel();
    let (to_clients, answers) = mpsc::unbounded_channel();
    let server = thread::Builder::new().name("server".into()).spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        serve::run(&runtime, epoch, offers, to_clients)
    })?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let clients = runtime.block_on(clients::run(options, epoch, to_server, answers))?;
    let server = server.join().map_err(|_| "the server panicked")??;
    report::print(&clients, &server);
    let all = clients.connected() == options.sessions;
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn options() -> Result<Options, Box<dyn Error>> {
    use lexopt::{Arg, Parser, ValueExt};

    let mut options = Options { sessions: 1_000, rate: 500, hold: Duration::from_secs(10) };
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("sessions") => options.sessions = parser.value()?.parse::<usize>()?.clamp(1, 100_000),
            Arg::Long("rate") => options.rate = parser.value()?.parse::<u32>()?.clamp(1, 20_000),
            Arg::Long("seconds") => {
                options.hold = Duration::from_secs(parser.value()?.parse::<u64>()?.clamp(1, 600));
            }
            _ => return Err(USAGE.into()),
        }
    }
    Ok(options)
}
