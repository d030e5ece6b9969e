//! How a program carries an agent: its sockets, its clock, and the one loop between them.
//!
//! The agent decides, this moves bytes. Each socket has a thread that reads it; everything that can happen, datagrams
//! and what the program's own threads have to say, arrives in one channel; and the loop sleeps on that channel until
//! something comes or the agent wants to be woken. A program with an event loop of its own (mio, tokio) needs the loop
//! in [`Driver::next`] and nothing else.
#![allow(dead_code, reason = "no example uses everything")]

pub(crate) mod connection;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

use floe::ice::ComponentId;
use floe::{Agent, Base, Event, Output, Path, Received, Timestamp};

/// An agent with sockets. `M` is what the program's other threads tell it.
pub(crate) struct Driver<M> {
    pub(crate) agent: Agent,
    epoch: Instant,
    /// By local address: a path names the socket that its datagrams leave from.
    sockets: BTreeMap<SocketAddr, UdpSocket>,
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
pub(crate) struct Mailbox<M>(Sender<Input<M>>);

enum Input<M> {
    Datagram { path: Path, bytes: Vec<u8> },
    Message(M),
}

impl<M: Send + 'static> Driver<M> {
    /// Carries `agent`, whose clock starts at `epoch`.
    pub(crate) fn new(agent: Agent, epoch: Instant) -> Self {
        let (sender, inbox) = mpsc::channel();
        let mailbox = Mailbox(sender);
        Self { agent, epoch, sockets: BTreeMap::new(), inbox, mailbox, onlooker: None }
    }

    /// The time, as the agent counts it.
    pub(crate) fn now(&self) -> Timestamp {
        self.epoch.elapsed().into()
    }

    /// How other threads reach this driver.
    pub(crate) fn mailbox(&self) -> Mailbox<M> {
        self.mailbox.clone()
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
            match self.wait() {
                None => self.agent.handle_timeout(self.now()),
                Some(Input::Message(message)) => return Happening::Message(message),
                Some(Input::Datagram { path, bytes }) => {
                    if let Received::Data { component, payload, .. } =
                        self.agent.handle_datagram(self.now(), path, &bytes)
                    {
                        return Happening::Data { component, payload: payload.to_vec() };
                    }
                }
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

    /// Takes leave: the agent releases what it holds on servers.
    pub(crate) fn close(mut self) {
        self.agent.close(self.now());
        while self.carry_out().is_some() {}
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
                // UDP only here.
                Output::Connect(connect) => drop(self.agent.handle_connect(self.now(), connect.id, None)),
                Output::Disconnect(_) => {}
                Output::Event(event) => return Some(event),
            }
        }
        None
    }

    /// The next input, or `None` once the agent's deadline has come. Time goes before datagrams, so a flood of them
    /// cannot hold up the agent's timers.
    fn wait(&self) -> Option<Input<M>> {
        // The driver holds a sender itself, so the channel never closes.
        let Some(deadline) = self.agent.deadline() else { return self.inbox.recv().ok() };
        let patience = deadline.saturating_since(self.now());
        if patience.is_zero() { None } else { self.inbox.recv_timeout(patience).ok() }
    }

    fn transmit(&mut self, path: Path, datagram: &[u8]) {
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

/// Reads `socket` for as long as somebody listens.
fn read<M>(socket: &UdpSocket, local: SocketAddr, mailbox: &Mailbox<M>) {
    let mut buffer = vec![0; 65_535];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, remote)) => {
                let (path, bytes) = (Path::udp(local, remote), buffer[..length].to_vec());
                if mailbox.0.send(Input::Datagram { path, bytes }).is_err() {
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
