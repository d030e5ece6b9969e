//! The agent of webrtc-rs without I/O: rtc-ice 0.21.
use super::clock::{instant, since_epoch};
use super::rtc_stun::{RtcCodec, provider};
use crate::traits::{Codec, Description, IceAgent};
use bytes::BytesMut;
use rtc_ice::agent::agent_config::AgentConfig;
use rtc_ice::agent::{Agent, Event};
use rtc_ice::candidate::{Candidate, CandidateConfig, candidate_host::CandidateHostConfig};
use rtc_ice::mdns::MulticastDnsMode;
use rtc_shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use sansio::Protocol as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub struct RtcAgent {
    agent: Agent,
    selected: Option<(SocketAddr, SocketAddr)>,
}

impl IceAgent for RtcAgent {
    const NAME: &'static str = "rtc-ice";
    const BACKEND: &'static str = RtcCodec::<false>::BACKEND;
    const NOTES: &'static [(&'static str, &'static str)] = &[
        ("B1", "never verifies FINGERPRINT on receipt"),
        (
            "B1p",
            "the controlled side answers and also sends its own check for every request without USE-CANDIDATE, even when the pair is established; every send rebuilds the list of outstanding requests",
        ),
        ("C", "no pair limit, no pacing: one tick every 200 ms pings all pairs at once"),
    ];

    fn new(now: Duration, controlling: bool, local: &Description<'_>, remote: &Description<'_>) -> Self {
        let config = AgentConfig {
            local_ufrag: local.ufrag.into(),
            local_pwd: local.password.into(),
            is_controlling: controlling,
            multicast_dns_mode: MulticastDnsMode::Disabled,
            ..Default::default()
        };
        let mut agent = Agent::new(instant(now), Arc::new(config), provider(false)).unwrap();
        for address in local.candidates {
            agent.add_local_candidate(host(address)).unwrap();
        }
        for address in remote.candidates {
            agent.add_remote_candidate(host(address)).unwrap();
        }
        let (ufrag, password) = (remote.ufrag.into(), remote.password.into());
        agent.start_connectivity_checks(instant(now), controlling, ufrag, password).unwrap();
        Self { agent, selected: None }
    }

    fn input(&mut self, now: Duration, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) {
        let transport = TransportContext {
            local_addr: local,
            peer_addr: remote,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        let message = BytesMut::from(datagram);
        let _ = self.agent.handle_read(TaggedBytesMut { now: instant(now), transport, message });
    }

    fn on_timeout(&mut self, now: Duration) {
        let _ = self.agent.handle_timeout(instant(now));
    }

    fn drain(&mut self, _now: Duration, sink: &mut dyn FnMut(SocketAddr, SocketAddr, &[u8])) {
        while let Some(event) = self.agent.poll_event() {
            if let Event::SelectedCandidatePairChange(local, remote) = event.event {
                self.selected = Some((local.addr(), remote.addr()));
            }
        }
        while let Some(datagram) = self.agent.poll_write() {
            sink(datagram.transport.local_addr, datagram.transport.peer_addr, &datagram.message);
        }
    }

    fn next_timeout(&mut self, _now: Duration) -> Option<Duration> {
        self.agent.poll_timeout().map(since_epoch)
    }

    fn selected(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.selected
    }
}

fn host(address: &SocketAddr) -> Candidate {
    let base_config = CandidateConfig {
        network: "udp".into(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        ..Default::default()
    };
    CandidateHostConfig { base_config, ..Default::default() }.new_candidate_host().unwrap()
}
