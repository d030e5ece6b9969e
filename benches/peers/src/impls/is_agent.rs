//! The agent of `is` 0.12, with its own limit of 100 pairs and with another.
use super::clock::{instant, since_epoch};
use super::is::IsCodec;
use crate::traits::{Codec, Description, IceAgent};
use is::stun::{StunMessage, StunPacket};
use is::{Candidate, IceAgent as Agent, IceAgentEvent, IceCreds, Protocol};
use std::net::SocketAddr;
use std::time::Duration;

/// `PAIRS` is the limit of candidate pairs, 0 the one that it has by default.
pub struct IsAgent<const PAIRS: usize> {
    agent: Agent,
    selected: Option<(SocketAddr, SocketAddr)>,
}

impl<const PAIRS: usize> IceAgent for IsAgent<PAIRS> {
    const NAME: &'static str = if PAIRS == 0 { "is" } else { "is (limit 10k)" };
    const BACKEND: &'static str = IsCodec::BACKEND;
    const NOTES: &'static [(&'static str, &'static str)] = &[
        ("C", "keeps at most 100 pairs by default (set_max_candidate_pairs)"),
        (
            "C1",
            "nominates only inside handle_timeout and poll_timeout does not ask for one: 250 ms with the documented loop, 15 ms if handle_timeout is called after every packet",
        ),
        ("D", "keeps checking every surviving pair, not only the nominated one"),
    ];
    const ONLY: &'static [&'static str] = if PAIRS == 0 { &[] } else { &["C4", "C5"] };

    fn new(now: Duration, controlling: bool, local: &Description<'_>, remote: &Description<'_>) -> Self {
        let mut agent = Agent::new(credentials(local));
        if PAIRS > 0 {
            agent.set_max_candidate_pairs(PAIRS);
        }
        agent.set_controlling(controlling);
        agent.set_remote_credentials(credentials(remote));
        for address in local.candidates {
            agent.add_local_candidate(Candidate::host(*address, "udp").unwrap());
        }
        for address in remote.candidates {
            agent.add_remote_candidate(Candidate::host(*address, "udp").unwrap());
        }
        agent.handle_timeout(instant(now));
        Self { agent, selected: None }
    }

    fn input(&mut self, now: Duration, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) {
        if let Ok(message) = StunMessage::parse(datagram) {
            let packet = StunPacket { proto: Protocol::Udp, source: remote, destination: local, message };
            self.agent.handle_packet(instant(now), packet);
        }
    }

    fn on_timeout(&mut self, now: Duration) {
        self.agent.handle_timeout(instant(now));
    }

    fn drain(&mut self, _now: Duration, sink: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8])) {
        while let Some(event) = self.agent.poll_event() {
            if let IceAgentEvent::NominatedSend { source, destination, .. } = event {
                self.selected = Some((source, destination));
            }
        }
        while let Some(transmit) = self.agent.poll_transmit() {
            sink(transmit.source, transmit.destination, &transmit.contents);
        }
    }

    fn next_timeout(&mut self, _now: Duration) -> Option<Duration> {
        self.agent.poll_timeout().map(since_epoch)
    }

    fn selected(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.selected
    }
}

fn credentials(of: &Description<'_>) -> IceCreds {
    IceCreds { ufrag: of.ufrag.into(), pass: of.password.into() }
}
