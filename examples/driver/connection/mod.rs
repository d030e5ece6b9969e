//! Connections to servers: TCP, TLS over TCP, DTLS over UDP, or a UDP socket of their own.
//!
//! Each has two threads, so that neither a server that is slow to answer nor one that does not read holds up the
//! agent's loop. One reads the socket; the other carries what protects the bytes, a [`Layer`], between the socket and
//! the driver. What happens is told to the closure that [`open`] is given. A datagram for which there is no room is
//! dropped whole, as a network would, so a connection needs no more memory than its queue.

mod dtls;
mod tls;
mod trust;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use floe::Transport;
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

pub(crate) use trust::Trust;

/// What may wait in either direction: the frames to send and the pieces that were read.
const QUEUE: usize = 256;
/// How long a server may leave the bytes of a frame unread before it counts as gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
/// How long the reader of a datagram socket sleeps before it looks whether anybody still listens.
const READ_PATIENCE: Duration = Duration::from_millis(500);

/// Where to connect, and how.
pub(crate) struct Request {
    pub(crate) transport: Transport,
    pub(crate) protection: Protection,
    /// The address to connect from; the port is the system's choice.
    pub(crate) local: IpAddr,
    pub(crate) remote: SocketAddr,
    /// When the handshakes have to be over.
    pub(crate) give_up_at: Instant,
}

/// What keeps others from reading along.
#[derive(Clone)]
pub(crate) enum Protection {
    Plain,
    /// TLS over TCP, DTLS over UDP; the server has to show a certificate for `name`, a host name or an IP literal.
    Tls {
        trust: Arc<Trust>,
        name: String,
    },
}

/// What becomes of a connection: first `Connected`, then `Bytes`, at last and always `Ended`.
pub(crate) enum Report {
    /// Its handshakes are over; the local address.
    Connected(SocketAddr),
    /// A datagram, or a piece of a stream.
    Bytes(Vec<u8>),
    /// It is closed, by the server if not by us; or why it broke, or never came about.
    Ended(io::Result<()>),
}

/// A connection that is open or being opened. Dropped, it sends what it was given and closes.
pub(crate) struct Connection {
    outbox: SyncSender<Input>,
    closing: Arc<AtomicBool>,
}

/// What protects the bytes between the frames and the socket, without a socket of its own.
trait Layer {
    /// Takes what came from the server.
    fn handle_input(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Takes a frame to send.
    fn send(&mut self, frame: &[u8]) -> io::Result<()>;
    /// Says goodbye, if that is done.
    fn close(&mut self);
    /// What to do next.
    fn poll(&mut self) -> io::Result<Option<Step>>;
    /// When to call [`Layer::handle_timeout`].
    fn deadline(&self) -> Option<Instant> {
        None
    }
    fn handle_timeout(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a [`Layer`] wants done.
enum Step {
    /// The handshake is over.
    Ready,
    /// To the server: a datagram, or bytes of the stream.
    Wire(Vec<u8>),
    /// From the server.
    Data(Vec<u8>),
}

enum Input {
    Frame(Vec<u8>),
    Wire(Vec<u8>),
    /// Nothing more comes from the server.
    End(io::Result<()>),
    /// The connection's owner has gone.
    Close,
}

/// Opens a connection in the background. `report` returns whether anybody still listens.
pub(crate) fn open(request: Request, mut report: impl FnMut(Report) -> bool + Send + 'static) -> Connection {
    let (outbox, inbox) = mpsc::sync_channel(QUEUE);
    let closing = Arc::new(AtomicBool::new(false));
    let connection = Connection { outbox: outbox.clone(), closing: Arc::clone(&closing) };
    thread::spawn(move || {
        let outcome = carry(&request, outbox, &inbox, &closing, &mut report);
        report(Report::Ended(outcome));
    });
    connection
}

impl Connection {
    /// Sends a whole frame, unless too much is waiting already.
    pub(crate) fn send(&self, frame: &[u8]) {
        drop(self.outbox.try_send(Input::Frame(frame.to_vec())));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        // Wakes the thread if it sleeps; one that has too much to do will see the flag.
        drop(self.outbox.try_send(Input::Close));
    }
}

/// A connection's life.
fn carry(
    request: &Request,
    outbox: SyncSender<Input>,
    inbox: &Receiver<Input>,
    closing: &AtomicBool,
    report: &mut impl FnMut(Report) -> bool,
) -> io::Result<()> {
    let socket = Socket::connect(request)?;
    let (local, reader) = (socket.local_addr()?, socket.try_clone()?);
    let mut layer: Box<dyn Layer> = match &request.protection {
        Protection::Plain => Box::new(Plain(VecDeque::from([Step::Ready]))),
        Protection::Tls { trust, name } if request.transport == Transport::Tcp => {
            Box::new(tls::Tls::new(trust, name)?)
        }
        Protection::Tls { trust, name } => Box::new(dtls::Dtls::new(Arc::clone(trust), name)?),
    };
    let listens = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&listens);
    thread::spawn(move || read(reader, &outbox, &still));
    let outcome =
        exchange(&socket, &mut *layer, request.give_up_at, inbox, closing, &mut |what| match what {
            None => report(Report::Connected(local)),
            Some(bytes) => report(Report::Bytes(bytes)),
        });
    listens.store(false, Ordering::Release);
    socket.shutdown();
    outcome
}

/// Lets `layer` work until one side closes. `tell` hears of what the server sent, and with `None` that it can begin.
fn exchange(
    socket: &Socket,
    layer: &mut dyn Layer,
    give_up_at: Instant,
    inbox: &Receiver<Input>,
    closing: &AtomicBool,
    tell: &mut dyn FnMut(Option<Vec<u8>>) -> bool,
) -> io::Result<()> {
    let mut hurry = Some(give_up_at);
    loop {
        while let Some(step) = layer.poll()? {
            let heard = match step {
                Step::Wire(bytes) => socket.send(&bytes).map(|()| true)?,
                Step::Data(bytes) => tell(Some(bytes)),
                Step::Ready => {
                    hurry = None;
                    tell(None)
                }
            };
            if !heard {
                return Ok(());
            }
        }
        match wait(inbox, closing, hurry.into_iter().chain(layer.deadline()).min()) {
            Some(Input::Frame(frame)) => layer.send(&frame)?,
            Some(Input::Wire(bytes)) => layer.handle_input(&bytes)?,
            Some(Input::End(outcome)) => return outcome,
            Some(Input::Close) => {
                layer.close();
                while let Some(step) = layer.poll()? {
                    if let Step::Wire(bytes) = step {
                        socket.send(&bytes)?;
                    }
                }
                return Ok(());
            }
            None if hurry.is_some_and(|at| at <= Instant::now()) => return Err(ErrorKind::TimedOut.into()),
            None => layer.handle_timeout()?,
        }
    }
}

/// The next input, or `None` at `deadline`. What was to be sent before the owner went is sent.
fn wait(inbox: &Receiver<Input>, closing: &AtomicBool, deadline: Option<Instant>) -> Option<Input> {
    if closing.load(Ordering::Acquire) {
        return Some(inbox.try_recv().unwrap_or(Input::Close));
    }
    match deadline {
        None => Some(inbox.recv().unwrap_or(Input::Close)),
        Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())).ok(),
    }
}

/// Reads `socket` for as long as somebody listens.
fn read(mut socket: Socket, outbox: &SyncSender<Input>, listens: &AtomicBool) {
    let mut buffer = vec![0; 65_535];
    while listens.load(Ordering::Acquire) {
        let input = match socket.receive(&mut buffer) {
            Ok(0) if matches!(socket, Socket::Tcp(_)) => Input::End(Ok(())),
            Ok(length) => Input::Wire(buffer[..length].to_vec()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Input::End(Err(error)),
        };
        let ended = matches!(input, Input::End(_));
        let heard = match &socket {
            Socket::Tcp(_) => outbox.send(input).is_ok(),
            // A datagram that finds no room is lost.
            Socket::Udp(_) if ended => outbox.send(input).is_ok(),
            Socket::Udp(_) => !matches!(outbox.try_send(input), Err(mpsc::TrySendError::Disconnected(_))),
        };
        if ended || !heard {
            return;
        }
    }
}

enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Socket {
    fn connect(request: &Request) -> io::Result<Self> {
        let local = SocketAddr::new(request.local, 0);
        if request.transport == Transport::Udp {
            let socket = UdpSocket::bind(local)?;
            socket.connect(request.remote)?;
            socket.set_read_timeout(Some(READ_PATIENCE))?;
            return Ok(Self::Udp(socket));
        }
        let raw = RawSocket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP))?;
        raw.bind(&local.into())?;
        let patience = request.give_up_at.saturating_duration_since(Instant::now());
        if patience.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        raw.connect_timeout(&request.remote.into(), patience)?;
        let stream = TcpStream::from(raw);
        // A frame is sent for the sake of its moment: it does not wait for more.
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        Ok(Self::Tcp(stream))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr(),
            Self::Udp(socket) => socket.local_addr(),
        }
    }

    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            Self::Udp(socket) => socket.try_clone().map(Self::Udp),
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Udp(socket) => socket.recv(buffer),
        }
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&mut &*stream).write_all(bytes),
            Self::Udp(socket) => socket.send(bytes).map(drop),
        }
    }

    fn shutdown(&self) {
        if let Self::Tcp(stream) = self {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

/// Bytes as they are.
struct Plain(VecDeque<Step>);

impl Layer for Plain {
    fn handle_input(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.push_back(Step::Data(bytes.to_vec()));
        Ok(())
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.0.push_back(Step::Wire(frame.to_vec()));
        Ok(())
    }

    fn close(&mut self) {}

    fn poll(&mut self) -> io::Result<Option<Step>> {
        Ok(self.0.pop_front())
    }
}
