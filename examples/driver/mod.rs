//! How a program carries an agent: its sockets, its clock, and the one loop between them.
//!
//! The agent decides, this moves bytes. Each socket has a thread that reads it, and each connection to a server has
//! threads that open and serve it ([`connection`]); everything that can happen, datagrams and what the program's own
//! threads have to say, arrives in one channel; and the loop sleeps on that channel until something comes or the agent
//! wants to be woken. A program with an event loop of its own (mio, tokio) needs the loop in [`Driver::next`] and
//! nothing else.
#![allow(dead_code, reason = "no example uses everything")]

pub(crate) mod connection;
pub(crate) mod servers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use connection::{Connection, Report, Request, Trust};
use floe::framing::Deframer;
use floe::ice::{CandidateId, ComponentId, ConnectId, MdnsName};
use floe::{Agent, Base, Connect, Endpoint, Event, Output, Path, Received, Security, Timestamp, Transport};

/// What may wait for the loop. Datagrams beyond it are lost, as on the way here; connections and the program's own
/// threads have to wait.
const INBOX: usize = 4096;
/// How long servers are given to confirm that what they lent is released.
const FAREWELL: Duration = Duration::from_millis(500);

/// An agent with sockets. `M` is what the program's other threads tell it.
pub(crate) struct Driver<M> {
    pub(crate) agent: Agent,
    epoch: Instant,
    /// By local address: a path names the socket that its datagrams leave from.
    sockets: BTreeMap<SocketAddr, UdpSocket>,
    /// To servers that are not reached from one of the sockets.
    connections: BTreeMap<ConnectId, Wire>,
    /// Those that are closed, and may still be sending what they were given.
    closing: BTreeSet<ConnectId>,
    /// Whose certificates are trusted; looked up when the first one is shown.
    trust: Option<Arc<Trust>>,
    /// From one piece of a stream, as there may be several frames in it.
    data: VecDeque<(ComponentId, Vec<u8>)>,
    inbox: Receiver<Input<M>>,
    mailbox: Mailbox<M>,
    /// Is shown every datagram that the agent sends.
    pub(crate) onlooker: Option<Onlooker>,
}

/// Looks at what leaves, and by which path.
pub(crate) type Onlooker = Box<dyn Fn(Path, &[u8]) + Send>;

/// What [`Driver::next`] returns.
pub(crate) enum Happening<M> {
    /// The agent has something to tell.
    Event(Event),
    /// The peer sent application data.
    Data { component: ComponentId, payload: Vec<u8> },
    /// Another thread of this program left a message.
    Message(M),
}

/// Leaves messages for a driver; one for every thread that wants to.
pub(crate) struct Mailbox<M>(SyncSender<Input<M>>);

enum Input<M> {
    Datagram { path: Path, bytes: Vec<u8> },
    Connection(ConnectId, Report),
    Resolved(CandidateId, Option<IpAddr>),
    Message(M),
}

/// A connection, and what the agent knows it by once it is open.
struct Wire {
    connection: Connection,
    path: Option<Path>,
    deframer: Deframer,
    remote: SocketAddr,
}

impl<M: Send + 'static> Driver<M> {
    /// Carries `agent`, whose clock starts at `epoch`.
    pub(crate) fn new(agent: Agent, epoch: Instant) -> Self {
        let (sender, inbox) = mpsc::sync_channel(INBOX);
        Self {
            agent,
            epoch,
            sockets: BTreeMap::new(),
            connections: BTreeMap::new(),
            closing: BTreeSet::new(),
            trust: None,
            data: VecDeque::new(),
            inbox,
            mailbox: Mailbox(sender),
            onlooker: None,
        }
    }

    /// The time, as the agent counts it.
    pub(crate) fn now(&self) -> Timestamp {
        self.epoch.elapsed().into()
    }

    /// How other threads reach this driver.
    pub(crate) fn mailbox(&self) -> Mailbox<M> {
        self.mailbox.clone()
    }

    /// Takes the word of these certificates, instead of those that the environment names.
    pub(crate) fn trust(&mut self, trust: Arc<Trust>) {
        self.trust = Some(trust);
    }

    /// Opens a socket for `component` at `address`, on a port of the system's choice, and declares it to the agent.
    pub(crate) fn open(&mut self, component: ComponentId, address: IpAddr) -> io::Result<()> {
        let socket = UdpSocket::bind((address, 0))?;
        let local = socket.local_addr()?;
        self.agent.add_base(self.now(), component, Base::udp(local)).map_err(io::Error::other)?;
        let (reader, mailbox) = (socket.try_clone()?, self.mailbox());
        thread::spawn(move || read(&reader, local, &mailbox));
        self.sockets.insert(local, socket);
        Ok(())
    }

    /// Waits for the next thing that concerns the program, and does meanwhile what the agent asks for.
    pub(crate) fn next(&mut self) -> Happening<M> {
        loop {
            if let Some(event) = self.carry_out() {
                return Happening::Event(event);
            }
            if let Some((component, payload)) = self.data.pop_front() {
                return Happening::Data { component, payload };
            }
            let input = self.wait();
            if let Some(message) = self.take(input) {
                return Happening::Message(message);
            }
        }
    }

    /// Sends application data along the best path there is; whether there is one.
    pub(crate) fn send(&mut self, component: ComponentId, payload: &[u8]) -> bool {
        let Some(route) = self.agent.route(component) else { return false };
        let mut datagram = Vec::new();
        route.encode(payload, &mut datagram);
        self.transmit(route.path(), &datagram);
        true
    }

    /// Takes leave: the agent releases what it holds on servers, and they are given a moment to confirm it. What was to be
    /// sent has been sent then, so a program may end.
    pub(crate) fn close(mut self) {
        self.agent.close(self.now());
        let until = Instant::now() + FAREWELL;
        loop {
            while self.carry_out().is_some() {}
            let patience = until.saturating_duration_since(Instant::now());
            let idle = self.agent.deadline().is_none()
                && self.closing.is_empty()
                && self.connections.values().all(|wire| wire.path.is_none());
            if idle || patience.is_zero() {
                return;
            }
            let due = self.agent.deadline().map_or(patience, |at| at.saturating_since(self.now()));
            let input = self.inbox.recv_timeout(due.min(patience)).ok();
            self.take(input);
        }
    }

    /// Does what the agent asks for, up to the next event.
    fn carry_out(&mut self) -> Option<Event> {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    if let Some(look) = &self.onlooker {
                        look(transmit.path, &transmit.payload);
                    }
                    self.transmit(transmit.path, &transmit.payload);
                }
                Output::Connect(connect) => self.connect(connect),
                // Dropped, it sends what it was given before it closes.
                Output::Disconnect(path) => {
                    let closed = self.connections.iter().filter(|(_, wire)| wire.path == Some(path));
                    self.closing.extend(closed.map(|(id, _)| *id));
                    self.connections.retain(|id, _| !self.closing.contains(id));
                }
                Output::Event(Event::Resolve { id, name }) => self.resolve(id, name),
                Output::Event(event) => return Some(event),
            }
        }
        None
    }

    /// Gives the agent what came, or lets its time pass; returns what was for the program.
    fn take(&mut self, input: Option<Input<M>>) -> Option<M> {
        match input {
            None => self.agent.handle_timeout(self.now()),
            Some(Input::Message(message)) => return Some(message),
            Some(Input::Datagram { path, bytes }) => self.hear(path, &bytes),
            Some(Input::Connection(id, report)) => {
                if matches!(report, Report::Ended(_)) {
                    self.closing.remove(&id);
                }
                self.handle_report(id, report);
            }
            Some(Input::Resolved(id, address)) => self.agent.handle_resolved(self.now(), id, address),
        }
        None
    }

    /// Gives the agent a datagram, or a frame.
    fn hear(&mut self, path: Path, datagram: &[u8]) {
        if let Received::Data { component, payload, .. } =
            self.agent.handle_datagram(self.now(), path, datagram)
        {
            self.data.push_back((component, payload.to_vec()));
        }
    }

    /// The next input, or `None` once the agent's deadline has come. Time goes before datagrams, so a flood of them
    /// cannot hold up the agent's timers.
    fn wait(&self) -> Option<Input<M>> {
        // The driver holds a sender itself, so the channel never closes.
        let Some(deadline) = self.agent.deadline() else { return self.inbox.recv().ok() };
        let patience = deadline.saturating_since(self.now());
        if patience.is_zero() { None } else { self.inbox.recv_timeout(patience).ok() }
    }

    /// Asks the system for the address that a name of the peer's hides, in the background.
    fn resolve(&self, id: CandidateId, name: MdnsName) {
        let mailbox = self.mailbox();
        thread::spawn(move || {
            let found = (name.as_str(), 0).to_socket_addrs().into_iter().flatten();
            let mut found: BTreeSet<IpAddr> = found.map(|address| address.ip()).collect();
            // Of several nobody knows which one is meant.
            let address = found.pop_first();
            mailbox.0.send(Input::Resolved(id, address.filter(|_| found.is_empty())))
        });
    }

    /// Opens a connection in the background.
    fn connect(&mut self, connect: Connect) {
        let protection = match self.protection(&connect) {
            Ok(protection) => protection,
            Err(error) => {
                complain(connect.remote, &error);
                self.agent.handle_connect(self.now(), connect.id, None);
                return;
            }
        };
        let request = Request {
            transport: connect.transport,
            protection,
            local: connect.local.ip(),
            remote: connect.remote,
            give_up_at: self.epoch + connect.give_up_at.since_epoch(),
        };
        let (id, mailbox) = (connect.id, self.mailbox());
        let connection =
            connection::open(request, move |report| mailbox.0.send(Input::Connection(id, report)).is_ok());
        let wire = Wire { connection, path: None, deframer: Deframer::default(), remote: connect.remote };
        self.connections.insert(id, wire);
    }

    /// What protects a connection, and whose name its server has to prove.
    fn protection(&mut self, connect: &Connect) -> io::Result<connection::Protection> {
        if connect.security == Security::Plain {
            return Ok(connection::Protection::Plain);
        }
        let trust = match &self.trust {
            Some(trust) => Arc::clone(trust),
            None => Arc::clone(self.trust.insert(Trust::from_env()?)),
        };
        let server = match connect.to {
            Endpoint::Server(id) => self.agent.server(id),
            _ => None,
        };
        let name = server.and_then(floe::Server::name).map(str::to_owned);
        Ok(connection::Protection::Tls {
            trust,
            name: name.unwrap_or_else(|| connect.remote.ip().to_string()),
        })
    }

    fn handle_report(&mut self, id: ConnectId, report: Report) {
        let now = self.now();
        // Closed by the agent; the last reports were still on their way.
        let Some(wire) = self.connections.get_mut(&id) else { return };
        match report {
            Report::Connected(local) => {
                wire.path = self.agent.handle_connect(now, id, Some(local));
                if wire.path.is_none() {
                    self.connections.remove(&id);
                }
            }
            Report::Bytes(bytes) => self.hear_connection(id, &bytes),
            Report::Ended(outcome) => {
                if let Err(error) = outcome {
                    complain(wire.remote, &error);
                }
                match self.connections.remove(&id).and_then(|wire| wire.path) {
                    Some(path) => self.agent.handle_disconnect(now, path),
                    None => drop(self.agent.handle_connect(now, id, None)),
                }
            }
        }
    }

    /// Cuts what came over a connection into frames.
    fn hear_connection(&mut self, id: ConnectId, mut bytes: &[u8]) {
        loop {
            let Some(wire) = self.connections.get_mut(&id) else { return };
            let Some(path) = wire.path else { return };
            if path.transport() == Transport::Udp {
                return self.hear(path, bytes);
            }
            let Some(framing) = self.agent.framing(path) else { return };
            match wire.deframer.next(framing, &mut bytes) {
                Ok(None) => return,
                Ok(Some(frame)) => {
                    let now = self.epoch.elapsed().into();
                    if let Received::Data { component, payload, .. } =
                        self.agent.handle_datagram(now, path, frame)
                    {
                        self.data.push_back((component, payload.to_vec()));
                    }
                }
                Err(_) => {
                    self.connections.remove(&id);
                    return self.agent.handle_disconnect(self.now(), path);
                }
            }
        }
    }

    fn transmit(&mut self, path: Path, datagram: &[u8]) {
        if let Some(wire) = self.connections.values().find(|wire| wire.path == Some(path)) {
            return wire.connection.send(datagram);
        }
        let Some(socket) = self.sockets.get(&path.local()) else { return };
        match socket.send_to(datagram, path.remote()) {
            Ok(_) => {}
            // No room is as good as lost on the way: the agent will try again by itself.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.agent.handle_transmit_error(self.now(), path),
        }
    }
}

impl<M> Mailbox<M> {
    /// Hands over `message`; `false` once the driver is gone.
    pub(crate) fn send(&self, message: M) -> bool {
        self.0.send(Input::Message(message)).is_ok()
    }
}

impl<M> Clone for Mailbox<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// The addresses to offer, the preferred ones first: all that this machine has, but those that mean nothing beyond it
/// or beyond one link. A machine without any has its loopback addresses, which an agent takes only if its `Config`
/// says so.
pub(crate) fn addresses() -> io::Result<Vec<IpAddr>> {
    let mut every: Vec<_> = if_addrs::get_if_addrs()?.iter().map(if_addrs::Interface::ip).collect();
    every.sort_by_key(|ip| (preference(ip), *ip));
    every.dedup();
    let link_local = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let (loopback, others): (Vec<_>, Vec<_>) =
        every.into_iter().filter(|ip| !link_local(ip)).partition(IpAddr::is_loopback);
    Ok(if others.is_empty() { loopback } else { others })
}

/// IPv6 before IPv4, and both before what is only valid within a site (RFC 6724 section 2.1).
fn preference(address: &IpAddr) -> u8 {
    match address {
        IpAddr::V6(v6) if !v6.is_unique_local() => 0,
        IpAddr::V4(_) => 1,
        IpAddr::V6(_) => 2,
    }
}

/// Says why a server could not be reached, since the agent knows only that it could not.
fn complain(server: SocketAddr, error: &io::Error) {
    eprintln!("{server}: {error}");
}

/// Reads `socket` for as long as somebody listens.
fn read<M>(socket: &UdpSocket, local: SocketAddr, mailbox: &Mailbox<M>) {
    let mut buffer = vec![0; 65_535];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, remote)) => {
                let (path, bytes) = (Path::udp(local, remote), buffer[..length].to_vec());
                if let Err(TrySendError::Disconnected(_)) =
                    mailbox.0.try_send(Input::Datagram { path, bytes })
                {
                    return;
                }
            }
            // Some systems report here that an earlier datagram found nobody.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
