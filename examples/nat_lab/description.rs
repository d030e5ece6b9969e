//! A network in words, a line for each thing.

use core::fmt;
use core::time::Duration;

use floe::sim::{Dependence, Link, Nat, Ports};
use floe::{Config, Profile};

/// How to write one; what `--help` says.
pub const HELP: &str = "\
A description has a line for each thing; what follows # is a comment:

  alice: symmetric                         # what is between her and the public network
  bob: port-restricted, delay 40 ms, jitter 10 ms, loss 5 %
  bob: wifi; cell, cost 900, delay 30 ms   # more interfaces, on networks that have names
  network carrier: map address, filter port, ports random, lifetime 30 s
  network cell: behind carrier, full-cone  # one translator behind another
  network wifi: restricted, hairpin
  server stun                              # on the public network, for both
  server turn, delay 80 ms
  server turn, tcp, port 443               # a relay that is reached over TCP
  policy settled                           # or webrtc (which is usual), rfc8445, mobile, server-idle
  at 5 s: unplug bob wifi                  # counted from the call; or plug, restart alice, reboot wifi
  for 20 s                                 # how long it goes on: else until both ends have a result
  seed 7                                   # another number is another chance

Between a host or a network and the one outside it:

  open             nothing
  full-cone        one outer address for all, anybody may use it      (map any, filter any)
  restricted       one for all, for those who have been spoken to     (map any, filter address)
  port-restricted  the same, and from the port that was spoken to     (map any, filter port)
  symmetric        a new port for everybody                           (map port, filter port)
  firewall         no translation, lets in answers alone
  no-udp           with any of the others: drops all UDP
  tcp-ports N ...  with any of the others: lets connections out to these ports alone

  hairpin, inner-hairpin, lifetime TIME, ports preserved|sequential|random, map X, filter X
  with X one of any, address, port

An interface can also have: ipv6, cost N, delay TIME, jitter TIME, loss N %. An end can be relay-only.
";

/// All of it.
#[derive(Clone, Debug)]
pub struct Description {
    pub seed: u64,
    pub policy: Policy,
    pub networks: Vec<Network>,
    pub ends: [End; 2],
    pub servers: Vec<Server>,
    pub events: Vec<(Duration, Event)>,
    pub duration: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct Network {
    pub name: String,
    pub behind: Option<String>,
    pub edge: Edge,
}

#[derive(Clone, Debug, Default)]
pub struct End {
    pub interfaces: Vec<Interface>,
    pub relay_only: bool,
}

#[derive(Clone, Debug)]
pub struct Interface {
    pub place: Place,
    pub ipv6: bool,
    pub cost: u16,
    pub line: Line,
}

/// Where an interface is.
#[derive(Clone, Debug)]
pub enum Place {
    Named(String),
    Own(Edge),
}

/// What is between a network and the one outside.
#[derive(Clone, Debug)]
pub struct Edge {
    /// As it was called.
    pub name: String,
    pub nat: Nat,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Line {
    pub delay: Option<Duration>,
    pub jitter: Duration,
    /// From 0 to 1.
    pub loss: f64,
}

#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub help: Help,
    pub port: u16,
    pub line: Line,
}

/// What a server is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Help {
    Stun,
    Turn,
    TurnOverTcp,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    Settled,
    Profile(Profile),
}

#[derive(Clone, Debug)]
pub enum Event {
    /// An end, and the network of an interface, or all of them.
    Unplug(usize, Option<String>),
    Plug(usize, Option<String>),
    Restart(usize),
    Reboot(String),
}

/// What cannot be understood, and in which line.
#[derive(Debug)]
pub struct Error {
    line: usize,
    what: String,
}

impl core::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.what),
            line => write!(f, "line {line}: {}", self.what),
        }
    }
}

type Understood<T> = Result<T, String>;

impl Description {
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut description = Self {
            seed: 1,
            policy: Policy::Profile(Profile::Webrtc),
            networks: Vec::new(),
            ends: [End::default(), End::default()],
            servers: Vec::new(),
            events: Vec::new(),
            duration: None,
        };
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split('#').next().unwrap_or_default().trim();
            if !text.is_empty() {
                description.read(text).map_err(|what| Error { line, what })?;
            }
        }
        description.check().map_err(|what| Error { line: 0, what })?;
        description.events.sort_by_key(|(at, _)| *at);
        Ok(description)
    }

    fn read(&mut self, text: &str) -> Understood<()> {
        let (head, tail) = text.split_once(':').unwrap_or((text, ""));
        let items: Vec<&str> = head.split(',').map(str::trim).collect();
        let words: Vec<&str> = items[0].split_whitespace().collect();
        match words[..] {
            [end @ ("alice" | "bob")] => {
                let end = &mut self.ends[end_of(end)?];
                for interface in tail.split(';') {
                    end.read(interface)?;
                }
            }
            ["network", name] => {
                let (mut edge, mut behind) = (EdgeWords::default(), None);
                for item in items_of(tail) {
                    match item[..] {
                        ["behind", outside] => behind = Some(outside.to_owned()),
                        _ if edge.takes(&item)? => {}
                        _ => return Err(format!("\"{}\" says nothing about a network", item.join(" "))),
                    }
                }
                self.networks.push(Network { name: name.to_owned(), behind, edge: edge.edge() });
            }
            ["server", what @ ("stun" | "turn")] => {
                let help = if what == "turn" { Help::Turn } else { Help::Stun };
                let mut server = Server { help, port: 3478, line: Line::default() };
                for item in items_of(text).iter().skip(1) {
                    match item[..] {
                        ["tcp"] if help == Help::Turn => server.help = Help::TurnOverTcp,
                        ["port", number] => server.port = port(number)?,
                        _ if server.line.takes(item)? => {}
                        _ => return Err(format!("\"{}\" says nothing about a server", item.join(" "))),
                    }
                }
                self.servers.push(server);
            }
            ["policy", name] => self.policy = policy(name)?,
            ["seed", number] => {
                self.seed = number.parse().map_err(|_| "a seed is a whole number".to_owned())?
            }
            ["for", ..] => self.duration = Some(time(&words[1..])?),
            ["at", ..] => self.events.push((time(&words[1..])?, event(tail)?)),
            _ => return Err(format!("\"{text}\" is not understood; see --help")),
        }
        Ok(())
    }

    /// The same with one more server.
    pub fn with_server(&self, help: Help, port: u16) -> Self {
        let mut description = self.clone();
        description.servers.push(Server { help, port, line: Line::default() });
        description
    }

    /// Whether everything that is named is there.
    fn check(&self) -> Understood<()> {
        let known = |name: &String| match self.networks.iter().any(|network| network.name == *name) {
            true => Ok(()),
            false => Err(format!("there is no network \"{name}\", and no translator is called so")),
        };
        for (end, name) in self.ends.iter().zip(["alice", "bob"]) {
            if end.interfaces.is_empty() {
                return Err(format!("where is {name}? Write \"{name}: open\", for example"));
            }
        }
        for interface in self.ends.iter().flat_map(|end| &end.interfaces) {
            if let Place::Named(name) = &interface.place {
                known(name)?;
            }
        }
        for (at, network) in self.networks.iter().enumerate() {
            let Some(outside) = &network.behind else { continue };
            known(outside)?;
            if !self.networks[..at].iter().any(|before| before.name == *outside) {
                return Err(format!("\"{outside}\" has to be described before what is behind it"));
            }
        }
        for (_, event) in &self.events {
            match event {
                Event::Reboot(name) | Event::Unplug(_, Some(name)) | Event::Plug(_, Some(name)) => {
                    known(name)?
                }
                Event::Unplug(..) | Event::Plug(..) | Event::Restart(_) => {}
            }
        }
        Ok(())
    }
}

impl End {
    fn read(&mut self, text: &str) -> Understood<()> {
        let (mut edge, mut place, mut ipv6, mut cost, mut line) =
            (EdgeWords::default(), None, false, 0, Line::default());
        for item in items_of(text) {
            match item[..] {
                ["ipv6"] => ipv6 = true,
                ["relay-only"] => self.relay_only = true,
                ["cost", number] => {
                    cost = number.parse().map_err(|_| "a cost is from 0 to 65535".to_owned())?
                }
                _ if line.takes(&item)? || edge.takes(&item)? => {}
                [name] if place.is_none() => place = Some(name.to_owned()),
                _ => return Err(format!("\"{}\" says nothing about an interface", item.join(" "))),
            }
        }
        let place = place.map_or_else(|| Place::Own(edge.edge()), Place::Named);
        self.interfaces.push(Interface { place, ipv6, cost, line });
        Ok(())
    }
}

impl Line {
    pub fn link(self) -> Link {
        Link::new(self.delay.unwrap_or(DELAY)).jitter(self.jitter).loss(self.loss)
    }

    /// Takes an item if it is about a line.
    fn takes(&mut self, item: &[&str]) -> Understood<bool> {
        match item {
            ["delay", rest @ ..] => self.delay = Some(time(rest)?),
            ["jitter", rest @ ..] => self.jitter = time(rest)?,
            ["loss", rest @ ..] => {
                let text = rest.concat();
                let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
                self.loss = number.ok_or_else(|| format!("\"loss {text}\": write \"loss 5 %\""))? / 100.0;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The words about an edge, collected.
#[derive(Default)]
struct EdgeWords {
    name: Option<&'static str>,
    map: Option<Dependence>,
    filter: Option<Dependence>,
    changes: Vec<Box<dyn FnOnce(Nat) -> Nat>>,
    no_udp: bool,
}

impl EdgeWords {
    /// Takes an item if it is about an edge.
    fn takes(&mut self, item: &[&str]) -> Understood<bool> {
        match item {
            [name] if NATS.iter().any(|(known, _)| known == name) => {
                self.name = NATS.iter().find(|(known, _)| known == name).map(|(known, _)| *known);
            }
            ["map", what] => self.map = Some(dependence(what)?),
            ["filter", what] => self.filter = Some(dependence(what)?),
            ["no-udp"] => self.no_udp = true,
            ["tcp-ports", ports @ ..] => {
                let ports = ports.iter().map(|text| port(text)).collect::<Understood<Vec<u16>>>()?;
                self.changes.push(Box::new(move |nat| nat.tcp_ports(&ports)));
            }
            ["hairpin"] => self.changes.push(Box::new(|nat| nat.hairpinning(true))),
            ["inner-hairpin"] => self.changes.push(Box::new(Nat::hairpinning_with_inner_source)),
            ["lifetime", rest @ ..] => {
                let lifetime = time(rest)?;
                self.changes.push(Box::new(move |nat| nat.lifetime(lifetime)));
            }
            ["ports", how] => {
                let ports = match *how {
                    "preserved" => Ports::Preserved,
                    "sequential" => Ports::Sequential,
                    "random" => Ports::Random,
                    other => {
                        return Err(format!("ports are preserved, sequential or random, not \"{other}\""));
                    }
                };
                self.changes.push(Box::new(move |nat| nat.ports(ports)));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn edge(self) -> Edge {
        let named = self.name.and_then(|name| NATS.iter().find(|(known, _)| *known == name));
        let (name, nat) = match (self.map, self.filter, named) {
            (None, None, Some((name, nat))) => ((*name).to_owned(), nat()),
            (None, None, None) => ("open".to_owned(), Nat::none()),
            (map, filter, _) => {
                let [map, filter] = [map, filter].map(|it| it.unwrap_or(Dependence::EndpointIndependent));
                (format!("map {}, filter {}", word(map), word(filter)), Nat::new(map, filter))
            }
        };
        let nat = self.changes.into_iter().fold(nat, |nat, change| change(nat));
        match self.no_udp {
            true => Edge { name: format!("{name} without UDP"), nat: nat.without_udp() },
            false => Edge { name, nat },
        }
    }
}

impl Policy {
    pub fn config(self) -> Config {
        match self {
            // The answers of the letter, with time for every check to come to its end.
            Self::Settled => {
                let patience = Duration::from_secs(60);
                Config::new()
                    .policy(std::sync::Arc::new(Profile::Rfc8445))
                    .nomination(floe::ice::Nomination::Regular { patience })
            }
            Self::Profile(profile) => Config::new().profile(profile),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(POLICIES.iter().find(|(_, policy)| policy == self).map_or("another", |(name, _)| name))
    }
}

fn policy(name: &str) -> Understood<Policy> {
    let known = POLICIES.iter().find(|(known, _)| *known == name);
    known.map(|(_, policy)| *policy).ok_or_else(|| {
        let names: Vec<&str> = POLICIES.iter().map(|(name, _)| *name).collect();
        format!("there is no policy \"{name}\"; there are {}", names.join(", "))
    })
}

fn event(text: &str) -> Understood<Event> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["unplug", end] => Ok(Event::Unplug(end_of(end)?, None)),
        ["unplug", end, network] => Ok(Event::Unplug(end_of(end)?, Some(network.to_owned()))),
        ["plug", end] => Ok(Event::Plug(end_of(end)?, None)),
        ["plug", end, network] => Ok(Event::Plug(end_of(end)?, Some(network.to_owned()))),
        ["restart", end] => Ok(Event::Restart(end_of(end)?)),
        ["reboot", network] => Ok(Event::Reboot(network.to_owned())),
        _ => Err(format!("\"{}\": write unplug, plug, restart or reboot, and whom", text.trim())),
    }
}

fn end_of(name: &str) -> Understood<usize> {
    match name {
        "alice" => Ok(0),
        "bob" => Ok(1),
        other => Err(format!("there are alice and bob, and no {other}")),
    }
}

fn dependence(text: &str) -> Understood<Dependence> {
    match text {
        "any" => Ok(Dependence::EndpointIndependent),
        "address" => Ok(Dependence::AddressDependent),
        "port" => Ok(Dependence::AddressAndPortDependent),
        other => Err(format!("\"{other}\": write any, address or port")),
    }
}

fn word(dependence: Dependence) -> &'static str {
    match dependence {
        Dependence::EndpointIndependent => "any",
        Dependence::AddressDependent => "address",
        _ => "port",
    }
}

fn port(text: &str) -> Understood<u16> {
    text.parse().map_err(|_| format!("\"{text}\" is no port"))
}

/// The items between commas, each in words.
fn items_of(text: &str) -> Vec<Vec<&str>> {
    let items = text.split(',').map(|item| item.split_whitespace().collect::<Vec<_>>());
    items.filter(|item| !item.is_empty()).collect()
}

/// `5 s`, `5s`, `20 ms`, `2 min`.
fn time(words: &[&str]) -> Understood<Duration> {
    let text = words.concat();
    let at = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "min" => 60.0,
        _ => return Err(format!("\"{text}\" is no time; write 20 ms, 5 s or 2 min")),
    };
    let number: f64 = number.parse().map_err(|_| format!("\"{number}\" is no number"))?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| format!("\"{text}\" is no time"))
}

type MakeNat = fn() -> Nat;

const NATS: [(&str, MakeNat); 6] = [
    ("open", Nat::none),
    ("full-cone", Nat::full_cone),
    ("restricted", Nat::restricted),
    ("port-restricted", Nat::port_restricted),
    ("symmetric", Nat::symmetric),
    ("firewall", || Nat::firewall(Dependence::AddressAndPortDependent)),
];

const POLICIES: [(&str, Policy); 5] = [
    ("settled", Policy::Settled),
    ("webrtc", Policy::Profile(Profile::Webrtc)),
    ("rfc8445", Policy::Profile(Profile::Rfc8445)),
    ("mobile", Policy::Profile(Profile::Mobile)),
    ("server-idle", Policy::Profile(Profile::ServerIdle)),
];

/// One way, where nothing is said.
const DELAY: Duration = Duration::from_millis(10);
