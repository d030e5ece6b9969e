//! Many agents on one socket.

mod chunks;
mod claims;
mod hash;
mod index;
mod ledger;
mod pace;
mod places;
mod rows;
mod speakers;
mod table;
mod timers;

use alloc::collections::BTreeMap;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::time::Duration;

use crate::agent::mux::index::Claimants;
use crate::agent::mux::ledger::Ledger;
use crate::agent::mux::places::{Places, Resident};
use crate::agent::{Agent, Output, Received};
use crate::net::Path;
use crate::stun::{Class, Message, Peek};
use crate::time::Timestamp;

/// Many agents that share a socket, a thread, and a pace; each has a key of the application's choice.
///
/// A `Mux` has the four verbs of every machine of this crate, with the key beside what they return. What comes in on the
/// socket goes in through [`handle_datagram`](Self::handle_datagram), whoever it is for; commands go to one agent, through
/// [`get_mut`](Self::get_mut).
///
/// ```no_run
/// use std::{io, net::UdpSocket, time::{Duration, Instant}};
/// use floe::{Agent, Event, Mux, Output, Path, Received, StreamState, Timestamp};
///
/// /// Echoes what the peers of all agents send.
/// fn serve(socket: &UdpSocket, mut mux: Mux<u64>, epoch: Instant) -> io::Result<()> {
///     let (local, now) = (socket.local_addr()?, || Timestamp::from(epoch.elapsed()));
///     let (mut buffer, mut out) = ([0; 2048], Vec::new());
///     loop {
///         while let Some((session, output)) = mux.poll_output() {
///             match output {
///                 Output::Transmit(t) => drop(socket.send_to(&t.payload, t.path.remote())),
///                 Output::Event(Event::State { state: StreamState::Failed(_) | StreamState::Lost(_), .. }) => {
///                     drop(mux.remove(session));
///                 }
///                 Output::Connect(c) => if let Some(mut agent) = mux.get_mut(session) {
///                     drop(agent.handle_connect(now(), c.id, None)); // no relays here
///                 },
///                 Output::Event(_) | Output::Disconnect(_) => {}
///             }
///         }
///         let wait = mux.deadline().map(|at| at.saturating_since(now()).max(Duration::from_millis(1)));
///         socket.set_read_timeout(wait)?;
///         match socket.recv_from(&mut buffer) {
///             Ok((n, remote)) => match mux.handle_datagram(now(), Path::udp(local, remote), &buffer[..n]) {
///                 Some((session, Received::Data { component, payload, .. })) => {
///                     if let Some(route) = mux.get(session).and_then(|agent| agent.route(component)) {
///                         out.clear();
///                         route.encode(payload, &mut out);
///                         drop(socket.send_to(&out, route.path().remote()));
///                     }
///                 }
///                 Some((_, Received::Control | Received::Ignored(_))) => {}
///                 None => {} // nobody's: see below
///             },
///             Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
///             Err(e) => return Err(e),
///         }
///         mux.handle_timeout(now());
///     }
/// }
/// ```
///
/// # Whose datagram it is
///
/// A request is for the agent whose local fragment it names, an answer for the agent that has asked, everything else for the
/// agent that has authenticated its 5-tuple. What is nobody's comes back as `None`, before any password was hashed and
/// without a trace, however much of it comes: nothing is learned from a datagram before an agent has verified it.
///
/// The application may find out what it was, make an agent for it, and feed it again:
///
/// ```
/// # use std::sync::Arc;
/// # use floe::ice::{Credentials, Role};
/// # use floe::stun::{Message, Username};
/// # use floe::{Agent, Base, Config, Error, Mux, Path, Seed, Timestamp};
/// /// Makes an agent for a peer that has chosen the credentials of both sides.
/// fn welcome(mux: &mut Mux<u64>, config: &Arc<Config>, now: Timestamp, path: Path, datagram: &[u8]) -> Option<u64> {
///     let message = Message::parse(datagram).ok()?;
///     let username = message.get::<Username<'_>>()?.ok()?;
///     let (ufrag, _) = username.to_str().ok()?.split_once(':')?;
///     let (session, password) = expected(ufrag)?; // as was signalled
///     let mut agent = Agent::new(config.clone(), Role::Controlled, Seed::from_os());
///     let stream = agent.add_stream_with(1, Credentials::new(ufrag, password).ok()?).ok()?;
///     agent.add_base(now, stream.component(1), Base::udp(path.local())).ok()?;
///     agent.end_of_bases(now, stream).ok()?;
///     mux.insert(session, agent);
///     mux.handle_datagram(now, path, datagram).map(|(session, _)| session)
/// }
/// # fn expected(ufrag: &str) -> Option<(u64, &'static str)> {
/// #     (ufrag == "evtj").then_some((7, "VOkJxbRl1RmTxUk/WvJxBt"))
/// # }
/// # use floe::stun::{Builder, IceControlling, Integrity, Key, Method, Priority};
/// # let mut check = Vec::new();
/// # Builder::request(&mut check, Method::BINDING, [7; 12].into()).attribute(&Username::new("evtj:h6vY")?)
/// #     .attribute(&Priority(1)).attribute(&IceControlling(1))
/// #     .integrity(&Key::short_term(b"VOkJxbRl1RmTxUk/WvJxBt"), Integrity::Sha1).fingerprint();
/// # let (mut mux, config) = (Mux::new(), Arc::new(Config::new()));
/// # let path = Path::udp("192.0.2.1:3478".parse()?, "198.51.100.1:50000".parse()?);
/// # assert_eq!(mux.handle_datagram(Timestamp::ZERO, path, &check), None);
/// # assert_eq!(welcome(&mut mux, &config, Timestamp::ZERO, path, &check), Some(7));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// Two agents may have the same fragment: a request is then for the one whose password it was made with, and costs an HMAC
/// for each of them. Several agents may have authenticated the same 5-tuple: requests and answers find theirs all the same,
/// data is for the agent that sends there, the first of several. Sessions that are to exchange data at the same time need
/// 5-tuples of their own.
///
/// # One pace
///
/// All transactions of all agents together are to be sent no more often than every 5 ms (RFC 8445 section 14.2). The agents
/// of a `Mux` take turns: who has waited longest for leave to send something new goes first. A few agents are as fast as each
/// would be alone; of many, each is slower: full agents that need two checks each connect at a hundred a second. Lite agents,
/// consent and retransmissions have nothing to wait for.
///
/// # Relays
///
/// A TURN server knows an allocation by its 5-tuple, so no two agents may ask the same server from one socket: an agent in a
/// `Mux` has a socket of its own opened for each relay, by [`Output::Connect`], also for one over UDP. Whoever opens none
/// answers with [`Agent::handle_connect`] and `None`, and the relay fails.
///
/// # What it costs
///
/// Finding an agent, adding and removing one take a time logarithmic in their number; [`deadline`](Self::deadline) takes none.
/// `benches/README.md` has the figures. A `Mux` belongs to one thread; several threads have one each, with a pace that is
/// as many times as long ([`with_pace`](Self::with_pace)). Which of them has the agent a
/// [`UfragPrefix`](crate::ice::UfragPrefix) can say.
pub struct Mux<K> {
    keys: BTreeMap<K, PlaceId>,
    places: Places<K>,
    ledger: Ledger,
}

/// Where an agent stands. Used again once the agent is gone.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct PlaceId(u32);

impl PlaceId {
    /// Stands for none in particular.
    const SEVERAL: Self = Self(u32::MAX);
    const NOBODY: Self = Self(u32::MAX - 1);

    const fn index(self) -> usize {
        self.0 as usize
    }
}

impl<K: Copy + Ord> Mux<K> {
    /// No agents, and a pace of 5 ms.
    #[must_use]
    pub fn new() -> Self {
        Self::with_pace(pace::INTERVAL_MIN)
    }

    /// The same with another pace: at least 5 ms between two new transactions of all agents together. Of several in a program
    /// each takes its share: with four threads 20 ms.
    #[must_use]
    pub fn with_pace(interval: Duration) -> Self {
        Self { keys: BTreeMap::new(), places: Places::default(), ledger: Ledger::new(interval) }
    }

    /// Takes over an agent, in whatever state it is; returns the one that had the key before.
    pub fn insert(&mut self, key: K, mut agent: Agent) -> Option<Agent> {
        let before = self.remove(key);
        agent.gatherer.shares_sockets = true;
        let place = self.places.insert(key, agent);
        self.keys.insert(key, place);
        if let Some(resident) = self.places.get(place) {
            self.ledger.admit(place, &resident.agent);
        }
        before
    }

    /// Lets go of an agent, and of all that led to it. Outputs that it still has are its own.
    pub fn remove(&mut self, key: K) -> Option<Agent> {
        self.take_back();
        let place = self.keys.remove(&key)?;
        let mut agent = self.places.remove(place)?;
        self.ledger.dismiss(place, &agent);
        agent.gatherer.shares_sockets = false;
        if self.keys.is_empty() {
            // A map that has become empty keeps a node.
            (self.keys, self.places) = (BTreeMap::new(), Places::default());
            self.ledger.clear();
        }
        Some(agent)
    }

    /// The agent of this key.
    #[must_use]
    pub fn get(&self, key: K) -> Option<&Agent> {
        let place = *self.keys.get(&key)?;
        Some(&self.places.get(place)?.agent)
    }

    /// The agent of this key, to be given commands. When the guard is dropped, everything is put right that they have changed.
    ///
    /// Time is for the `Mux` to tell: an agent whose [`handle_timeout`](Agent::handle_timeout) is called past it leaves the
    /// common pace.
    #[must_use]
    pub fn get_mut(&mut self, key: K) -> Option<AgentMut<'_>> {
        self.take_back();
        let place = *self.keys.get(&key)?;
        let resident = self.places.get_mut(place)?;
        self.ledger.lend(place, &resident.agent);
        Some(AgentMut { agent: &mut resident.agent, ledger: &mut self.ledger })
    }

    /// The keys of all agents, in order.
    pub fn keys(&self) -> impl Iterator<Item = K> {
        self.keys.keys().copied()
    }

    /// How many agents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Feeds one datagram, or one frame of a connection, to the agent that it is for, and returns what that makes of it;
    /// `None` if it is nobody's.
    pub fn handle_datagram<'d>(
        &mut self,
        now: Timestamp,
        path: Path,
        datagram: &'d [u8],
    ) -> Option<(K, Received<'d>)> {
        self.begin(now);
        let peek = Peek::at(datagram);
        let place = match &peek {
            Some(peek) => self.find(path, datagram, peek)?,
            None => self.ledger.claims.on_path(path)?,
        };
        let resident = self.places.get_mut(place)?;
        let (key, agent) = (resident.key, &mut resident.agent);
        // What a server relays may be anything within; other data changes nothing.
        if peek.is_none() && agent.gatherer.relays.is_empty() {
            return Some((key, agent.handle_datagram(now, path, datagram)));
        }
        self.ledger.lend(place, agent);
        let received = agent.handle_datagram(now, path, datagram);
        self.ledger.take_back(agent);
        Some((key, received))
    }

    /// Lets time pass for all agents: what is due is done, and at most one of them sends something new.
    ///
    /// Afterwards the next [`deadline`](Self::deadline) is later than `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.begin(now);
        let now = self.ledger.now;
        let due = self.ledger.take_due();
        for place in &due {
            self.advance(*place, now, false);
        }
        self.ledger.put_back_due(due);
        for _ in 0..self.ledger.waiting() {
            let Some(place) = self.ledger.next_in_turn(now) else { break };
            if self.advance(place, now, true) {
                self.ledger.has_sent(now);
            }
        }
    }

    /// The next thing to do for one of the agents, each agent's in the order of their causes. Agents that have nothing to say
    /// are not asked.
    pub fn poll_output(&mut self) -> Option<(K, Output)> {
        self.take_back();
        let place = self.ledger.speaker()?;
        let resident = self.places.get_mut(place)?;
        let output = resident.agent.poll_output();
        self.ledger.has_spoken(place, &resident.agent);
        Some((resident.key, output?))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout): now or in the past while there is something to do, which includes
    /// outputs that wait to be polled; `None` if nothing is waited for.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.ledger.deadline()
    }

    fn begin(&mut self, now: Timestamp) {
        self.take_back();
        self.ledger.now = self.ledger.now.max(now);
    }

    /// Whose message it is.
    fn find(&self, path: Path, datagram: &[u8], peek: &Peek<'_>) -> Option<PlaceId> {
        let claims = &self.ledger.claims;
        match (peek.class, peek.username()) {
            // A fragment that nobody has is somebody else's, also on a path that we know: peers may use one socket for many
            // sessions, one after another.
            (Class::Request, Some(username)) => {
                let ufrag = username.split(|byte| *byte == b':').next()?;
                match claims.named(ufrag)? {
                    Claimants::One(place) => Some(place),
                    Claimants::Several(sharers) => self.authentic(sharers, datagram),
                }
            }
            (Class::Request | Class::Indication, _) => claims.on_path(path),
            // The client of a TURN server keeps its requests to itself.
            (Class::Success | Class::Error, _) => claims.asked(peek.id).or_else(|| claims.on_path(path)),
        }
    }

    /// Which of the agents that share a fragment a request was made for: the first, if for none.
    fn authentic(&self, sharers: impl Iterator<Item = PlaceId>, datagram: &[u8]) -> Option<PlaceId> {
        let mut sharers = sharers.peekable();
        let first = sharers.peek().copied();
        let Ok(message) = Message::parse(datagram) else { return first };
        let is_asked = |resident: &Resident<K>| resident.agent.is_asked_by(&message);
        sharers.find(|place| self.places.get(*place).is_some_and(is_asked)).or(first)
    }

    fn advance(&mut self, place: PlaceId, now: Timestamp, leave: bool) -> bool {
        let Some(resident) = self.places.get_mut(place) else { return false };
        self.ledger.lend(place, &resident.agent);
        let sent = resident.agent.handle_timeout_with(now, leave);
        self.ledger.take_back(&resident.agent);
        sent
    }

    /// Takes back an agent whose guard was not dropped but forgotten.
    fn take_back(&mut self) {
        if let Some(place) = self.ledger.lent()
            && let Some(resident) = self.places.get_mut(place)
        {
            self.ledger.take_back(&resident.agent);
        }
    }
}

impl<K: Copy + Ord> Default for Mux<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug> fmt::Debug for Mux<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mux").field("keys", &self.keys.keys()).finish_non_exhaustive()
    }
}

/// An agent of a [`Mux`], to be given commands.
#[derive(Debug)]
pub struct AgentMut<'a> {
    agent: &'a mut Agent,
    ledger: &'a mut Ledger,
}

impl Deref for AgentMut<'_> {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        self.agent
    }
}

impl DerefMut for AgentMut<'_> {
    fn deref_mut(&mut self) -> &mut Agent {
        self.agent
    }
}

impl Drop for AgentMut<'_> {
    fn drop(&mut self) {
        self.ledger.take_back(self.agent);
    }
}

#[cfg(test)]
mod tests;
