//! The server: one socket, one `Mux`, one thread.

use std::future::pending;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use floe::ice::{ComponentId, Role};
use floe::{Agent, Base, Config, Event, Mux, Output, Received, Remote, Seed, StreamState, Timestamp};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::sleep_until;

use crate::report::{ServerReport, Work, thread_time};
use crate::socket::Socket;
use crate::{Answer, Offer, TA};

/// Serves until nobody can offer anything any more.
pub fn run(
    runtime: &Runtime,
    epoch: Instant,
    offers: UnboundedReceiver<Offer>,
    answers: UnboundedSender<Answer>,
) -> io::Result<ServerReport> {
    let socket = runtime.block_on(async { Socket::bind((Ipv4Addr::LOCALHOST, 0).into()) })?;
    let config = Config::new().lite(true).loopback(true).pacing(TA);
    let mut server = Server {
        socket,
        epoch,
        mux: Mux::new(),
        config: config.into(),
        seed: Seed::from_os(),
        answers,
        echoes: Vec::new(),
        work: Work::default(),
        set_up: None,
    };
    let mut served = Ok(());
    let memory = allocation_counter::measure(|| served = runtime.block_on(server.serve(offers)));
    served?;
    let set_up = server.set_up.unwrap_or(server.work);
    Ok(ServerReport {
        sessions: server.mux.len(),
        set_up,
        steady: server.work.since(set_up),
        memory: memory.bytes_current,
        batches: server.socket.batches,
        received: server.socket.received,
        dropped: server.socket.dropped,
    })
}

struct Server {
    socket: Socket,
    epoch: Instant,
    mux: Mux<u64>,
    config: Arc<Config>,
    seed: Seed,
    answers: UnboundedSender<Answer>,
    /// Data that is to go back, by whom it came for; its bytes, one after the other.
    echoes: Vec<(u64, ComponentId, Vec<u8>)>,
    work: Work,
    /// The work until all sessions were there.
    set_up: Option<Work>,
}

impl Server {
    async fn serve(&mut self, mut offers: UnboundedReceiver<Offer>) -> io::Result<()> {
        loop {
            self.send_all();
            let deadline = self.mux.deadline().map(|at| self.epoch + at.since_epoch());
            let timer = async {
                match deadline {
                    Some(at) => sleep_until(at.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                ready = self.socket.readable() => {
                    ready?;
                    self.receive()?;
                }
                offer = offers.recv() => match offer {
                    Some(Offer::Session(session, credentials)) => self.admit(session, Remote::new(credentials)),
                    Some(Offer::Complete) => {
                        self.work.time = thread_time();
                        self.set_up = Some(self.work);
                    }
                    None => break,
                },
                () = timer => {}
            }
            self.mux.handle_timeout(self.now());
        }
        self.work.time = thread_time();
        Ok(())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from(self.epoch.elapsed())
    }

    /// A client wants a session: an agent for it, and an answer.
    fn admit(&mut self, session: u64, remote: Remote) {
        let now = self.now();
        let mut agent = Agent::new(self.config.clone(), Role::Controlled, self.seed.child(session));
        let local = (Ipv4Addr::LOCALHOST, self.socket.port()).into();
        let made = agent.add_stream(1).and_then(|stream| {
            agent.add_base(now, stream.component(1), Base::udp(local))?;
            agent.end_of_bases(now, stream)?;
            agent.set_remote(now, stream, remote.pacing(TA).complete())?;
            Ok(stream)
        });
        let signalled = made.ok().and_then(|stream| {
            let credentials = agent.local_credentials(stream)?.clone();
            let candidate = agent.local_candidates(stream).next()?.1.clone();
            Some(Answer { session, credentials, candidate })
        });
        let Some(answer) = signalled else { return };
        self.mux.insert(session, agent);
        // A client that has gone needs no answer.
        drop(self.answers.send(answer));
    }

    fn receive(&mut self) -> io::Result<()> {
        // A few batches, then it is the turn of timers and signalling.
        for _ in 0..BATCHES_IN_A_ROW {
            let (now, mux, work, echoes) = (self.now(), &mut self.mux, &mut self.work, &mut self.echoes);
            let any =
                self.socket.receive(|path, datagram| match mux.handle_datagram(now, path, datagram) {
                    Some((_, Received::Control)) => work.checks += 1,
                    Some((session, Received::Data { component, payload, .. })) => {
                        work.data += 1;
                        echoes.push((session, component, payload.to_vec()));
                    }
                    Some((_, Received::Ignored(_))) | None => work.ignored += 1,
                })?;
            self.send_all();
            if !any {
                break;
            }
        }
        Ok(())
    }

    fn send_all(&mut self) {
        for (session, component, payload) in self.echoes.drain(..) {
            if let Some(route) = self.mux.get(session).and_then(|agent| agent.route(component)) {
                self.socket.send(route.path(), &payload);
            }
        }
        while let Some((session, output)) = self.mux.poll_output() {
            match output {
                Output::Transmit(transmit) => self.socket.send(transmit.path, &transmit.payload),
                Output::Event(Event::State {
                    state: StreamState::Failed(_) | StreamState::Lost(_), ..
                }) => {
                    self.mux.remove(session);
                }
                Output::Connect(connect) => {
                    // Nothing here asks for a connection.
                    if let Some(mut agent) = self.mux.get_mut(session) {
                        agent.handle_connect(Timestamp::from(self.epoch.elapsed()), connect.id, None);
                    }
                }
                Output::Event(_) | Output::Disconnect(_) => {}
            }
        }
    }
}

const BATCHES_IN_A_ROW: usize = 8;
