//! Netcat across NATs: what goes into standard input here comes out of standard output there, over UDP.
//!
//! Start it on two machines and paste each one's description into the other:
//!
//! ```text
//! icecat --stun stun.example.org:3478
//! icecat --turn turns:turn.example.org --user me --password secret
//! ```
//!
//! Or let a directory that both can see carry the descriptions:
//!
//! ```text
//! icecat --write /shared/a --read /shared/b
//! icecat --write /shared/b --read /shared/a < notes.txt
//! ```
//!
//! As with `nc -u`, datagrams may be lost or arrive in another order, and everybody on the way can read them: it is
//! ICE that this shows, not a way to move files.

mod driver;

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use driver::servers::{self, Named};
use driver::{Driver, Happening, Mailbox};
use floe::ice::{Candidate, Role, StreamId};
use floe::sdp::{Description, Line, Media};
use floe::{Agent, Config, Event, Remote, Seed, StreamState};

const USAGE: &str = "usage: icecat [--stun HOST:PORT].. [--turn URI --user NAME --password SECRET].. [--write FILE] [--read FILE]

  --relay            reveal no address but those of the TURN servers
  --write FILE       where to leave the description of this side (default: standard error)
  --read FILE        where the other side's will appear (default: standard input)";

/// The time between two checks that this side proposes; the larger of both proposals holds.
const PACING: Duration = Duration::from_millis(10);
/// What fits into a datagram on nearly every path.
const CHUNK: usize = 1200;
/// An empty datagram says that its sender has no more to say. It is sent this often, as it may get lost.
const FAREWELLS: usize = 3;

/// What the reading threads have to tell.
enum Message {
    /// The other side's description.
    Remote(io::Result<String>),
    Outgoing(Vec<u8>),
    EndOfInput,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            status_end(&format!("icecat: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::parse()?;
    let addresses = driver::addresses()?;
    let config = Config::new()
        .pacing(PACING)
        .relay_only(options.relay)
        .loopback(addresses.iter().all(IpAddr::is_loopback));
    // Both sides begin in this role; the check that meets the conflict settles it (RFC 8445 section 7.3.1.1).
    let agent = Agent::new(config, Role::Controlling, Seed::from_os());
    let mut driver = Driver::new(agent, Instant::now());
    let stream = driver.agent.add_stream(1)?;
    for server in options.servers.resolve()? {
        driver.agent.add_server(driver.now(), server)?;
    }
    for address in addresses {
        driver.open(stream.component(1), address)?;
    }
    driver.agent.end_of_bases(driver.now(), stream)?;

    let mut cat = Cat { driver, stream, write: options.write, input: Input::Waiting, heard_all: false };
    let mailbox = cat.driver.mailbox();
    thread::spawn(move || read_description(options.read.as_deref(), &mailbox));
    status("gathering candidates");
    while !(cat.input == Input::Ended && cat.heard_all) {
        cat.step()?;
    }
    cat.driver.close();
    status_end("both sides are done");
    Ok(())
}

struct Cat {
    driver: Driver<Message>,
    stream: StreamId,
    write: Option<PathBuf>,
    input: Input,
    /// Whether the peer has no more to say.
    heard_all: bool,
}

/// What becomes of standard input: nothing before there is somebody to send it to.
#[derive(PartialEq)]
enum Input {
    Waiting,
    Reading,
    Ended,
}

impl Cat {
    fn step(&mut self) -> Result<(), Box<dyn Error>> {
        let component = self.stream.component(1);
        match self.driver.next() {
            Happening::Event(event) => self.handle_event(&event)?,
            Happening::Data { payload, .. } if payload.is_empty() => self.heard_all = true,
            Happening::Data { payload, .. } => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(&payload)?;
                stdout.flush()?;
            }
            Happening::Message(Message::Outgoing(payload)) => drop(self.driver.send(component, &payload)),
            Happening::Message(Message::EndOfInput) => {
                for _ in 0..FAREWELLS {
                    self.driver.send(component, &[]);
                }
                self.input = Input::Ended;
            }
            Happening::Message(Message::Remote(description)) => self.meet(&description?)?,
        }
        Ok(())
    }

    fn handle_event(&mut self, event: &Event) -> Result<(), Box<dyn Error>> {
        match event {
            Event::GatheringComplete { .. } => self.publish()?,
            Event::Selected { pair, .. } => {
                if let Some(pair) = self.driver.agent.pair(*pair) {
                    let [local, remote] = [pair.local(), pair.remote()].map(describe);
                    status_end(&format!("connected: {local} <> {remote}"));
                }
            }
            Event::State { state, .. } => match state {
                StreamState::Checking => status("looking for a path"),
                StreamState::Completed if self.input == Input::Waiting => {
                    self.input = Input::Reading;
                    let mailbox = self.driver.mailbox();
                    thread::spawn(move || read_input(&mailbox));
                }
                StreamState::Failed(reason) => return Err(format!("no path: {reason}").into()),
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    /// Leaves the description of this side where the other will find it.
    fn publish(&self) -> Result<(), Box<dyn Error>> {
        let agent = &self.driver.agent;
        let credentials = agent.local_credentials(self.stream).ok_or("a stream without credentials")?.clone();
        let candidates = agent.local_candidates(self.stream).map(|(_, candidate)| candidate.clone());
        let media = Media::new(credentials).with_candidates(candidates).with_end_of_candidates();
        let session = Description::full(PACING);
        // The text of a session description, as far as it is about ICE (RFC 8839).
        let lines: String = session
            .session_lines()
            .map(|line| format!("{line}\n"))
            .chain(["m=application 9 UDP icecat\n".into()])
            .chain(media.lines().map(|line| format!("{line}\n")))
            .collect();
        let Some(file) = &self.write else {
            status_end("paste this into the other side, and the other's here:");
            eprintln!("\n{lines}");
            return Ok(());
        };
        // Moved into place, so that nobody reads one half of it.
        let draft = file.with_extension("part");
        fs::write(&draft, lines)?;
        fs::rename(&draft, file)?;
        status("waiting for the other side");
        Ok(())
    }

    fn meet(&mut self, description: &str) -> Result<(), Box<dyn Error>> {
        let session = Description::parse(description)?;
        let media = session.media().first().ok_or("no m= line in the other side's description")?;
        let credentials = media.credentials().ok_or("no credentials in the other side's description")?;
        // Nothing will follow, so the description is complete.
        let remote = Remote::new(credentials.clone())
            .candidates(media.candidates().iter().cloned())
            .pacing(session.pacing())
            .complete();
        self.driver.agent.set_remote(self.driver.now(), self.stream, remote)?;
        Ok(())
    }
}

/// Reads the lines of a description, up to the one that says there are no more candidates.
fn read_lines(lines: impl Iterator<Item = io::Result<String>>) -> io::Result<String> {
    let mut text = String::new();
    for line in lines {
        let line = line?;
        let line = line.trim();
        text.extend([line, "\r\n"]);
        if Line::parse(line) == Ok(Some(Line::EndOfCandidates)) {
            return Ok(text);
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other side's description has no end"))
}

/// Waits for the other side's description, in a file that is yet to appear or on standard input.
fn read_description(file: Option<&Path>, mailbox: &Mailbox<Message>) {
    let text = match file {
        None => read_lines(io::stdin().lock().lines()),
        Some(file) => {
            while !file.exists() {
                thread::sleep(Duration::from_millis(50));
            }
            fs::File::open(file).and_then(|file| read_lines(io::BufReader::new(file).lines()))
        }
    };
    mailbox.send(Message::Remote(text));
}

/// Cuts standard input into datagrams.
fn read_input(mailbox: &Mailbox<Message>) {
    let (mut stdin, mut chunk) = (io::stdin().lock(), [0; CHUNK]);
    while let Ok(length @ 1..) = stdin.read(&mut chunk) {
        if !mailbox.send(Message::Outgoing(chunk[..length].to_vec())) {
            return;
        }
    }
    mailbox.send(Message::EndOfInput);
}

#[derive(Default)]
struct Options {
    servers: Named,
    relay: bool,
    write: Option<PathBuf>,
    read: Option<PathBuf>,
}

impl Options {
    fn parse() -> Result<Self, Box<dyn Error>> {
        use lexopt::{Arg, Parser};

        let (mut options, mut parser) = (Self::default(), Parser::from_env());
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("relay") => options.relay = true,
                Arg::Long("write") => options.write = Some(parser.value()?.into()),
                Arg::Long("read") => options.read = Some(parser.value()?.into()),
                Arg::Short('h') | Arg::Long("help") => {
                    println!("{}", usage());
                    std::process::exit(0);
                }
                Arg::Long(name) => {
                    let name = name.to_owned();
                    if !options.servers.take(&name, &mut parser)? {
                        return Err(format!("there is no option --{name}\n\n{}", usage()).into());
                    }
                }
                other => return Err(format!("{}\n\n{}", other.unexpected(), usage()).into()),
            }
        }
        Ok(options)
    }
}

fn usage() -> String {
    format!("{USAGE}\n{}", servers::USAGE)
}

fn describe(candidate: &Candidate) -> String {
    match candidate.ip() {
        Some(address) => format!("{address} ({})", candidate.kind()),
        None => candidate.kind().to_string(),
    }
}

/// Says on standard error what is going on; on a terminal, in place of what was said before.
fn status(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text} ..");
    } else {
        eprintln!("{text}");
    }
}

/// The same, for good.
fn status_end(text: &str) {
    eprintln!("{}{text}", if io::stderr().is_terminal() { "\r\x1b[K" } else { "" });
}
