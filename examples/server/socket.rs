//! A UDP socket that is read in batches where the platform has them.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use floe::Path;
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

pub struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    port: u16,
    buffers: Vec<Vec<u8>>,
    metas: Vec<RecvMeta>,
    /// System calls that brought something, and datagrams.
    pub batches: u64,
    pub received: u64,
    /// What found no room to leave.
    pub dropped: u64,
}

impl Socket {
    /// To be called within a runtime.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new((&socket).into())?;
        // As much as the system gives: a thousand sessions may begin while the other side is not scheduled.
        drop(state.set_recv_buffer_size((&socket).into(), BUFFER));
        drop(state.set_send_buffer_size((&socket).into(), BUFFER));
        let port = socket.local_addr()?.port();
        let room = DATAGRAM_MAX * state.gro_segments().max(1);
        Ok(Self {
            io: UdpSocket::from_std(socket)?,
            state,
            port,
            buffers: vec![vec![0; room]; BATCH_SIZE],
            metas: vec![RecvMeta::default(); BATCH_SIZE],
            batches: 0,
            received: 0,
            dropped: 0,
        })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// Reads one batch, and hands over each datagram with its path; `false` if there was none.
    pub fn receive(&mut self, mut take: impl FnMut(Path, &[u8])) -> io::Result<bool> {
        let (state, io, metas) = (&self.state, &self.io, &mut self.metas);
        let mut slices: Vec<IoSliceMut<'_>> =
            self.buffers.iter_mut().map(|buffer| IoSliceMut::new(buffer)).collect();
        let count = match io.try_io(Interest::READABLE, || state.recv(io.into(), &mut slices, metas)) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        drop(slices);
        self.batches += 1;
        for (buffer, meta) in self.buffers.iter().zip(&self.metas).take(count) {
            let Some(local) = meta.dst_ip else { continue };
            let path = Path::udp(SocketAddr::new(local, self.port), meta.addr);
            // The system may have put several datagrams of one flow into one buffer.
            for datagram in buffer[..meta.len].chunks(meta.stride.max(1)) {
                self.received += 1;
                take(path, datagram);
            }
        }
        Ok(true)
    }

    /// Sends from the address of the path. What does not fit into the system's buffer is lost, as on any network.
    pub fn send(&mut self, path: Path, contents: &[u8]) {
        let src_ip: Option<IpAddr> = Some(path.local().ip());
        let transmit =
            Transmit { destination: path.remote(), ecn: None, contents, segment_size: None, src_ip };
        if self.state.try_send((&self.io).into(), &transmit).is_err() {
            self.dropped += 1;
        }
    }
}

const BUFFER: usize = 4 << 20;

const DATAGRAM_MAX: usize = 1_500;
