//! What an agent has signalled for it, and what signalling can tell it.

mod harness;

use floe::ice::Role;
use floe::sdp::{DefaultFamily, Description, Media, Options, default_candidate};
use floe::{Agent, Config, Remote, Seed, Server, StreamState, Timestamp};
use harness::{Bench, LOCAL, address, candidate, host, ms};

/// The options are the agent's, not a stream's: what one stream announces all announce.
///
/// Proves: rfc8445-10-1, rfc8838-3-1
#[test]
fn every_stream_announces_ice2_and_trickle() {
    let mut agent = Agent::new(Config::new(), Role::Controlling, Seed::from([1; 32]));
    let streams = [1, 2, 1].map(|components| agent.add_stream(components).unwrap());
    for stream in streams {
        let credentials = agent.local_credentials(stream).unwrap().clone();
        let media = Media::new(credentials).with_options(Options::new(agent.local_options()).unwrap());
        let text: Vec<String> = media.lines().map(|line| line.to_string()).collect();
        let options = text.iter().find_map(|line| line.strip_prefix("a=ice-options:")).unwrap();
        for option in ["ice2", "trickle"] {
            assert!(options.split(' ').any(|it| it == option), "{options}");
        }
    }
}

/// Proves: rfc8839-4.2.5-5, rfc8445-5.4-1
#[test]
fn a_mismatch_ends_ice_for_its_stream_alone() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 1);
    let second = bench.agent.add_stream(1).unwrap();
    let streams = [bench.stream, second];
    bench.base(LOCAL);
    let base = floe::Base::udp(address("192.0.2.1:1001"));
    bench.agent.add_base(bench.now, second.component(1), base).unwrap();
    let answer = "v=0\r\n\
        m=audio 2000 RTP/AVP 0\r\na=ice-ufrag:peer\r\na=ice-pwd:passwordofthepeer/1234567\r\n\
        m=video 3000 RTP/AVP 99\r\na=ice-mismatch\r\n";
    let answer = Description::parse(answer).unwrap();
    for (media, stream) in answer.media().iter().zip(streams) {
        match media.credentials() {
            Some(credentials) if !media.is_mismatch() => {
                let remote = Remote::new(credentials.clone());
                bench.agent.set_remote(bench.now, stream, remote).unwrap();
            }
            _ => bench.agent.close_stream(bench.now, stream).unwrap(),
        }
    }
    bench.trickle(host("1", 1, harness::REMOTE));
    bench.drain();
    assert_eq!(bench.agent.state(second), Some(StreamState::Closed));
    let check = bench.next_check();
    bench.answer(&check);
    bench.run_for(ms(5_000));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Connected));
    assert!(bench.checks().iter().all(|check| check.path.local() == address(LOCAL)));
    // With a mismatch on all of them the session is over.
    bench.agent.close_stream(bench.now, bench.stream).unwrap();
    bench.drain();
    assert_eq!(bench.agent.deadline(), None);
}

/// A name with addresses of both families is a server for each of them.
///
/// Proves: rfc8489-8.1-3
#[test]
fn all_addresses_of_a_server_are_asked() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    for server in ["203.0.113.10:3478", "203.0.113.11:3478", "[2001:db8::10]:3478"] {
        let server = Server::stun(address(server)).named("stun.example.org");
        let id = bench.agent.add_server(Timestamp::ZERO, server).unwrap();
        assert_eq!(bench.agent.server(id).unwrap().name(), Some("stun.example.org"));
    }
    bench.base(LOCAL);
    bench.base("[2001:db8::1]:1000");
    bench.run_for(ms(1_000));
    let asked: Vec<_> = bench.questions().iter().map(|question| question.path).collect();
    let expected = [
        (LOCAL, "203.0.113.10:3478"),
        (LOCAL, "203.0.113.11:3478"),
        ("[2001:db8::1]:1000", "[2001:db8::10]:3478"),
    ];
    assert_eq!(asked, expected.map(|(local, server)| floe::Path::udp(address(local), address(server))));
}

#[test]
fn a_description_that_is_sent_again_may_bring_new_candidates() {
    let mut bench = Bench::new(Role::Controlling);
    let again = Remote::new(harness::remote_credentials())
        .candidates([host("1", 1, harness::REMOTE), host("2", 1, "198.51.100.7:2000")]);
    let change = bench.agent.set_remote(bench.now, bench.stream, again).unwrap();
    assert_eq!(change, floe::RemoteChange::Unchanged);
    let paired: Vec<_> = bench.pair_states().into_iter().map(|(remote, _)| remote).collect();
    assert_eq!(paired, [address(harness::REMOTE), address("198.51.100.7:2000")]);
}

/// Proves: rfc8445-5.2-7
#[test]
fn a_lite_agent_of_both_families_names_the_one_that_is_configured_as_its_default() {
    let mut bench = Bench::with_components(Config::new().lite(true), Role::Controlled, 2);
    for component in [1, 2] {
        for ip in ["[2001:db8::7]", "198.51.100.7", "[fe80::7%3]"] {
            bench.base_of(component, &format!("{ip}:{}", 4_000 + component));
        }
    }
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    let candidates: Vec<_> = bench.agent.local_candidates(bench.stream).map(|(_, it)| it.clone()).collect();
    assert_eq!(candidates.len(), 6);
    let default =
        |component, family| default_candidate(&candidates, component, family).unwrap().ip().unwrap();
    for component in [1, 2] {
        let port = 4_000 + component;
        let expected = ["198.51.100.7", "[2001:db8::7]"].map(|ip| address(&format!("{ip}:{port}")));
        assert_eq!([DefaultFamily::Ipv4, DefaultFamily::Ipv6].map(|it| default(component, it)), expected);
    }
    assert!(default_candidate(&candidates, 3, DefaultFamily::Ipv4).is_none());
}

/// What is behind more walls comes later: a relay can be sent to by anybody, a host perhaps by nobody.
#[test]
fn the_default_is_what_most_peers_can_send_to() {
    let lines = [
        "1 1 udp 2130706431 fe80::7 4000 typ host",
        "2 1 udp 2130706175 2001:db8::7 4000 typ host",
        "3 1 udp 2130705919 10.0.0.7 4000 typ host",
        "4 1 udp 2130705663 203.0.113.7 4000 typ host",
        "5 1 udp 1694498815 198.51.100.7 4001 typ srflx raddr 10.0.0.7 rport 4000",
        "6 1 udp 16777215 198.51.100.9 5000 typ relay raddr 198.51.100.7 rport 4001",
        "7 2 udp 2130706430 203.0.113.7 4001 typ host",
        "8 1 udp 2130706431 8a1c9a5e-53a2-4f0c-9b8a-0a4d4bfbca51.local 4000 typ host",
    ];
    let mut candidates: Vec<_> = lines.map(|line| candidate(&format!("candidate:{line}"))).into();
    let mut chosen = Vec::new();
    while let Some(default) = default_candidate(&candidates, 1, DefaultFamily::Ipv4).cloned() {
        chosen.push(default.foundation().to_string());
        candidates.retain(|it| *it != default);
    }
    assert_eq!(chosen, ["6", "5", "4", "3", "2", "1"]);
}
