//! A peer for interoperability tests: an agent that is told what to do by one JSON object a line, and answers so.
//!
//! The line protocol is described in `tests/interop/README.md`.

mod driver;

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use driver::{Driver, Happening, Mailbox, servers};
use floe::ice::{Credentials, PairId, Role, StreamId};
use floe::sdp::{CandidateLine, parse_candidate};
use floe::{Agent, Config, Event, Remote, RemoteChange, Seed, Server, StreamState};
use serde_json::{Value, json};

/// The time between two checks that floe proposes. Both sides use the larger of what they propose, where 50 ms stands
/// for no proposal (RFC 8445 section 14.2).
const PACING: Duration = Duration::from_millis(10);

/// The other side may wait for all candidates before it looks at any, so a silent server must not hold them up.
const GATHERING_LIMIT: Duration = Duration::from_secs(2);

/// A line from standard input, or `None` at its end.
type Command = Option<Value>;

fn main() -> Result<(), Box<dyn Error>> {
    // The first command makes the agent, so it is read before there is a driver to wait with.
    let mut first = String::new();
    io::stdin().read_line(&mut first)?;
    let mut peer = Peer::start(&serde_json::from_str(&first)?)?;
    let mailbox = peer.driver.mailbox();
    thread::spawn(move || read_commands(&mailbox));
    loop {
        match peer.driver.next() {
            Happening::Event(event) => peer.handle_event(event),
            Happening::Data { component, payload } => {
                let data = BASE64_STANDARD.encode(payload);
                emit(json!({"ev": "data", "component": component.number(), "data": data}));
            }
            Happening::Message(None) => return Ok(()),
            Happening::Message(Some(command)) if command["op"] == "close" => {
                peer.driver.close();
                emit(json!({"ev": "state", "state": "closed"}));
                return Ok(());
            }
            Happening::Message(Some(command)) => {
                if let Err(error) = peer.handle_command(&command) {
                    emit(json!({"ev": "error", "message": format!("{}: {error}", command["op"])}));
                }
            }
        }
    }
}

struct Peer {
    driver: Driver<Command>,
    stream: StreamId,
}

impl Peer {
    /// Makes the agent that a `start` command describes, and tells its credentials before anything else.
    fn start(command: &Value) -> Result<Self, Box<dyn Error>> {
        if command["lite"] == true {
            emit(json!({"ev": "unsupported", "op": "start", "message": "lite agent"}));
        }
        let mut addresses = Vec::new();
        for address in strings(&command["bind"]) {
            addresses.push(address.parse::<IpAddr>()?);
        }
        if addresses.is_empty() {
            addresses = driver::addresses()?;
        }
        let role = if command["role"] == "controlled" { Role::Controlled } else { Role::Controlling };
        let loopback = addresses.iter().any(IpAddr::is_loopback);
        let config = Config::new()
            .pacing(PACING)
            .gathering_limit(GATHERING_LIMIT)
            .loopback(loopback)
            .relay_only(command["policy"] == "relay")
            .continual_gathering(true);
        let mut driver = Driver::new(Agent::new(config, role, Seed::from_os()), Instant::now());
        let components = command["components"].as_u64().unwrap_or(1).try_into()?;
        let stream = driver.agent.add_stream(components)?;
        emit_credentials(&driver.agent, stream);
        for server in strings(&command["stun"]) {
            driver.agent.add_server(driver.now(), Server::stun(server.parse()?))?;
        }
        for server in command["turn"].as_array().into_iter().flatten() {
            if let Err(error) = add_turn_server(&mut driver, server) {
                emit(json!({"ev": "unsupported", "op": "start", "message": format!("{server}: {error}")}));
            }
        }
        for component in 1..=components {
            for &address in &addresses {
                driver.open(stream.component(component.into()), address)?;
            }
        }
        driver.agent.end_of_bases(driver.now(), stream)?;
        Ok(Self { driver, stream })
    }

    fn handle_command(&mut self, command: &Value) -> Result<(), Box<dyn Error>> {
        let (now, agent, stream) = (self.driver.now(), &mut self.driver.agent, self.stream);
        match text(&command["op"])? {
            "remote-credentials" => {
                let credentials = Credentials::new(text(&command["ufrag"])?, text(&command["pwd"])?)?;
                let mut remote = Remote::new(credentials);
                remote = match command["options"].as_str() {
                    Some(options) => remote.options(options),
                    None => remote.of_rfc5245(),
                };
                if let Some(pacing) = command["pacing"].as_u64() {
                    remote = remote.pacing(Duration::from_millis(pacing));
                }
                if agent.set_remote(now, stream, remote)? == RemoteChange::Restarted {
                    emit_credentials(agent, stream);
                }
            }
            "restart" => {
                agent.restart(now, stream)?;
                emit_credentials(agent, stream);
            }
            "remote-candidate" => match parse_candidate(text(&command["candidate"])?) {
                Ok(candidate) => drop(agent.add_remote_candidate(now, stream, candidate)?),
                // Of a kind that some other agent may have a use for.
                Err(error) if error.kind.is_unsupported() => {}
                Err(error) => return Err(error.into()),
            },
            "remote-end-of-candidates" => agent.end_of_remote_candidates(now, stream)?,
            "send" => {
                let component = stream.component(command["component"].as_u64().unwrap_or(1).try_into()?);
                let payload = BASE64_STANDARD.decode(text(&command["data"])?)?;
                if !self.driver.send(component, &payload) {
                    return Err("no way to send".into());
                }
            }
            other => emit(json!({"ev": "unsupported", "op": other})),
        }
        Ok(())
    }

    fn handle_event(&self, event: Event) {
        match event {
            Event::LocalCandidate { candidate, .. } => {
                emit(json!({"ev": "candidate", "candidate": CandidateLine(&candidate).to_string()}));
            }
            Event::GatheringComplete { .. } => emit(json!({"ev": "end-of-candidates"})),
            Event::Selected { component, pair } => self.emit_selected(component.number(), pair),
            Event::State { state, .. } => emit(json!({"ev": "state", "state": state_name(state)})),
            _ => {}
        }
    }

    fn emit_selected(&self, component: u16, pair: PairId) {
        if let Some(pair) = self.driver.agent.pair(pair) {
            let [local, remote] = [pair.local(), pair.remote()].map(|end| CandidateLine(end).to_string());
            emit(json!({"ev": "selected", "component": component, "local": local, "remote": remote}));
        }
    }
}

/// What the other side needs to know before any candidate; fields beyond the first two are for another floe.
fn emit_credentials(agent: &Agent, stream: StreamId) {
    let Some(credentials) = agent.local_credentials(stream) else { return };
    let pacing = agent.local_pacing().map(|ta| ta.as_millis() as u64);
    emit(json!({
        "ev": "credentials", "ufrag": credentials.ufrag(), "pwd": credentials.password(),
        "options": agent.local_options(), "pacing": pacing,
    }));
}

fn add_turn_server(driver: &mut Driver<Command>, server: &Value) -> Result<(), Box<dyn Error>> {
    let [url, user, password] = ["url", "username", "password"].map(|field| text(&server[field]));
    for server in servers::turn(url?, user?, password?)? {
        driver.agent.add_server(driver.now(), server)?;
    }
    Ok(())
}

fn state_name(state: StreamState) -> &'static str {
    match state {
        StreamState::Checking => "checking",
        StreamState::Connected => "connected",
        StreamState::Completed => "completed",
        StreamState::Unconfirmed(_) | StreamState::Lost(_) => "disconnected",
        StreamState::Failed(_) => "failed",
        StreamState::Closed => "closed",
        _ => "new",
    }
}

fn read_commands(mailbox: &Mailbox<Command>) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(command) => drop(mailbox.send(Some(command))),
            Err(error) => emit(json!({"ev": "error", "message": format!("not a command: {error}")})),
        }
    }
    mailbox.send(None);
}

fn emit(event: Value) {
    let mut stdout = io::stdout().lock();
    // Whoever started this program may have gone; standard input ends then as well.
    drop(writeln!(stdout, "{event}").and_then(|()| stdout.flush()));
}

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn text(value: &Value) -> Result<&str, &'static str> {
    value.as_str().ok_or("a field is missing or no text")
}
