//! Two agents on one wire without a network in between.

use core::time::Duration;
use floe::ice::Role;
use floe::{Agent, Base, Config, Event, Output, Path, Received, Remote, Seed, StreamState, Timestamp};

/// Two public hosts, no delay.
#[test]
fn two_agents_connect_and_exchange_data() {
    let mut agents = [
        Agent::new(Config::new(), Role::Controlling, Seed::from([1; 32])),
        Agent::new(Config::new(), Role::Controlled, Seed::from([2; 32])),
    ];
    let addresses = ["192.0.2.1:1000".parse().unwrap(), "198.51.100.1:2000".parse().unwrap()];
    let mut now = Timestamp::ZERO;
    let mut streams = Vec::new();
    for (agent, address) in agents.iter_mut().zip(addresses) {
        let stream = agent.add_stream(1).unwrap();
        agent.add_base(now, stream.component(1), Base::udp(address)).unwrap();
        agent.end_of_bases(now, stream).unwrap();
        streams.push(stream);
    }
    for (this, other) in [(0, 1), (1, 0)] {
        let remote = Remote::new(agents[other].local_credentials(streams[other]).unwrap().clone());
        agents[this].set_remote(now, streams[this], remote).unwrap();
    }
    let mut sent = 0;
    for _ in 0..200 {
        for this in 0..2 {
            while let Some(output) = agents[this].poll_output() {
                match output {
                    Output::Transmit(t) => {
                        sent += 1;
                        let path = Path::udp(t.path.remote(), t.path.local());
                        assert!(!matches!(
                            agents[1 - this].handle_datagram(now, path, &t.payload),
                            Received::Ignored(_)
                        ));
                    }
                    Output::Event(Event::LocalCandidate { candidate, .. }) => {
                        agents[1 - this].add_remote_candidate(now, streams[1 - this], candidate).unwrap();
                    }
                    Output::Event(Event::GatheringComplete { .. }) => {
                        agents[1 - this].end_of_remote_candidates(now, streams[1 - this]).unwrap();
                    }
                    Output::Event(event) => println!("{:?} {this} {event:?}", now.since_epoch()),
                }
            }
        }
        let next = agents.iter().filter_map(Agent::deadline).min();
        let Some(next) = next else { break };
        now = now.max(next);
        for agent in &mut agents {
            agent.handle_timeout(now);
        }
    }
    for (agent, stream) in agents.iter().zip(&streams) {
        assert_eq!(agent.state(*stream), Some(StreamState::Completed));
    }
    assert!(now.since_epoch() <= Duration::from_millis(120), "{now:?}");
    println!("{sent} datagrams");
}
