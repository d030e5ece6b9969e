//! The agent of floe, with either pacing.
use super::floe::FloeCodec;
use crate::traits::{Codec, Description, IceAgent};
use floe::ice::{Candidate, CandidateKind, Credentials, Foundation, Priority, Role};
use floe::{Agent, Base, Config, Event, Limits, Output, Path, Remote, Seed, Timestamp, Transport};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// `TA` is the pacing that both agents propose, in milliseconds.
pub struct FloeAgent<const TA: u64> {
    agent: Agent,
    selected: Option<(SocketAddr, SocketAddr)>,
}

impl<const TA: u64> IceAgent for FloeAgent<TA> {
    const NAME: &'static str = if TA == 50 { "floe" } else { "floe (Ta 5 ms)" };
    const BACKEND: &'static str = FloeCodec::BACKEND;
    const NOTES: &'static [(&'static str, &'static str)] =
        &[("C5", "the limits of local and remote candidates raised to 100; 100 pairs as ever")];

    fn new(now: Duration, controlling: bool, local: &Description<'_>, remote: &Description<'_>) -> Self {
        let now = Timestamp::from(now);
        let role = if controlling { Role::Controlling } else { Role::Controlled };
        let mut agent = Agent::new(config::<TA>(), role, seed());
        let stream = agent.add_stream_with(1, credentials(local)).expect("a stream");
        for address in local.candidates {
            agent.add_base(now, stream.component(1), Base::udp(*address)).expect("a base");
        }
        agent.end_of_bases(now, stream).expect("a stream");
        let candidates = remote.candidates.iter().enumerate().map(|(number, address)| host(number, *address));
        let pacing = Duration::from_millis(TA);
        let remote = Remote::new(credentials(remote)).pacing(pacing).candidates(candidates).complete();
        agent.set_remote(now, stream, remote).expect("a description");
        Self { agent, selected: None }
    }

    fn input(&mut self, now: Duration, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) {
        let _ = self.agent.handle_datagram(Timestamp::from(now), Path::udp(local, remote), datagram);
    }

    fn on_timeout(&mut self, now: Duration) {
        self.agent.handle_timeout(Timestamp::from(now));
    }

    fn drain(&mut self, _now: Duration, sink: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8])) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    sink(transmit.path.local(), transmit.path.remote(), &transmit.payload)
                }
                Output::Event(Event::Selected { component, .. }) => {
                    let path = self.agent.route(component).map(|route| route.path());
                    self.selected = path.map(|path| (path.local(), path.remote()));
                }
                _ => {}
            }
        }
    }

    fn next_timeout(&mut self, _now: Duration) -> Option<Duration> {
        self.agent.deadline().map(Timestamp::since_epoch)
    }

    fn selected(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.selected
    }
}

fn credentials(of: &Description<'_>) -> Credentials {
    Credentials::new(of.ufrag, of.password).expect("credentials")
}

/// One for all agents.
fn config<const TA: u64>() -> Arc<Config> {
    static CONFIGS: [OnceLock<Arc<Config>>; 2] = [OnceLock::new(), OnceLock::new()];
    let made = CONFIGS[usize::from(TA == 50)].get_or_init(|| {
        let mut limits = Limits::default();
        (limits.local_candidates, limits.remote_candidates) = (100, 100);
        Arc::new(Config::new().pacing(Duration::from_millis(TA)).limits(limits))
    });
    made.clone()
}

/// Every agent has a seed of its own, the same in every run.
fn seed() -> Seed {
    thread_local!(static NEXT: Cell<u64> = const { Cell::new(0) });
    let number = NEXT.replace(NEXT.get() + 1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Seed::from(bytes)
}

fn host(number: usize, address: SocketAddr) -> Candidate {
    let priority = Priority::of(126, 65_535 - number as u16, 1);
    let foundation = Foundation::new(&(number + 1).to_string()).expect("a number");
    Candidate::new(CandidateKind::Host, 1, Transport::Udp, address, priority, foundation)
}
