//! The agent of librice: rice-proto 0.4.3.
use super::stun_types::StunTypes;
use crate::traits::{Codec, Description, IceAgent};
use rice_proto::agent::{Agent, AgentPoll};
use rice_proto::candidate::{Candidate, CandidateType, TransportType};
use rice_proto::stream::Credentials;
use std::net::SocketAddr;
use std::time::Duration;
use stun_proto::Instant;
use stun_proto::agent::Transmit;

pub struct RiceAgent {
    agent: Agent,
    stream: usize,
    component: usize,
    deadline: Option<Duration>,
    selected: Option<(SocketAddr, SocketAddr)>,
}

impl IceAgent for RiceAgent {
    const NAME: &'static str = "rice-proto";
    const BACKEND: &'static str = StunTypes::BACKEND;
    const NOTES: &'static [(&'static str, &'static str)] = &[
        (
            "B2",
            "answers every unauthenticated request with an error response; B3: does not look at the ufrag before the HMAC",
        ),
        (
            "D",
            "sends nothing after selection: neither keepalives (RFC 8445 section 11) nor consent checks (RFC 7675)",
        ),
    ];
    const DEADLINE_COMES_BY_DRAINING: bool = true;

    fn new(now: Duration, controlling: bool, local: &Description<'_>, remote: &Description<'_>) -> Self {
        let mut agent = Agent::builder().trickle_ice(false).controlling(controlling).build();
        let id = agent.add_stream();
        let mut stream = agent.mut_stream(id).unwrap();
        let component = stream.add_component().unwrap();
        stream.set_local_credentials(credentials(local));
        stream.set_remote_credentials(credentials(remote));
        for (number, address) in local.candidates.iter().enumerate() {
            stream.add_local_candidate(host(number, *address));
        }
        stream.end_of_local_candidates();
        for (number, address) in remote.candidates.iter().enumerate() {
            stream.add_remote_candidate(host(number, *address));
        }
        stream.end_of_remote_candidates();
        Self { agent, stream: id, component, deadline: Some(now), selected: None }
    }

    fn input(&mut self, now: Duration, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) {
        let mut stream = self.agent.mut_stream(self.stream).unwrap();
        let transmit = Transmit::new(datagram, TransportType::Udp, remote, local);
        stream.handle_incoming_data(self.component, transmit, instant(now));
    }

    /// Time comes in by `drain`.
    fn on_timeout(&mut self, _now: Duration) {}

    fn drain(&mut self, now: Duration, sink: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8])) {
        let now = instant(now);
        let mut sent = true;
        while sent {
            sent = false;
            self.poll(now);
            while let Some(datagram) = self.agent.poll_transmit(now) {
                sink(datagram.transmit.from, datagram.transmit.to, &datagram.transmit.data);
                sent = true;
            }
        }
    }

    fn next_timeout(&mut self, _now: Duration) -> Option<Duration> {
        self.deadline
    }

    fn selected(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.selected
    }
}

impl RiceAgent {
    /// Takes events until there is none.
    fn poll(&mut self, now: Instant) {
        loop {
            match self.agent.poll(now) {
                AgentPoll::WaitUntil(at) => {
                    self.deadline = Some(at.duration_since(Instant::ZERO));
                    break;
                }
                AgentPoll::SelectedPair(event) => {
                    let pair = event.selected.candidate_pair();
                    self.selected = Some((pair.local.base_address, pair.remote.address));
                }
                AgentPoll::Closed => {
                    self.deadline = None;
                    break;
                }
                _ => {}
            }
        }
    }
}

fn instant(since_epoch: Duration) -> Instant {
    Instant::from_nanos(since_epoch.as_nanos() as i64)
}

fn credentials(of: &Description<'_>) -> Credentials {
    Credentials::new(of.ufrag.into(), of.password.into())
}

fn host(number: usize, address: SocketAddr) -> Candidate {
    let (host, udp, preference) = (CandidateType::Host, TransportType::Udp, 8191 - number as u32);
    Candidate::builder(1, host, udp, &(number + 1).to_string(), address)
        .priority(Candidate::calculate_priority(host, udp, None, preference, 1))
        .base_address(address)
        .build()
}
