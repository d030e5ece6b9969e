//! Connections to TURN servers: asked for, opened, lost (RFC 8656 sections 3.1, 7.1 and 7.4).

mod harness;

use core::net::SocketAddr;
use core::time::Duration;

use floe::framing::Framing;
use floe::ice::{CandidateKind, ConnectId, Credentials, Role, ServerId};
use floe::sim::{Deviation, Fault, Node, TurnServer};
use floe::stun::{Message, Method};
use floe::{
    Config, Connect, Endpoint, Error, Event, Path, Remote, Security, Server, ServerError, StreamState,
    Timestamp, Transport,
};
use harness::{Bench, address, at, host, ms};

const SERVER: &str = "203.0.113.1:5349";
/// Where the caller's connections come from.
const CONNECTED: &str = "192.0.2.1:50001";

/// An agent with one base and one server, and the server.
struct Relaying {
    bench: Bench,
    server: TurnServer,
    /// How much of `bench.sent` the server has seen.
    seen: usize,
}

impl Relaying {
    fn over(transport: Transport, security: Security) -> Self {
        Self::with_role(transport, security, Role::Controlling)
    }

    fn with_role(transport: Transport, security: Security, role: Role) -> Self {
        let server = Server::turn(address(SERVER), "alice", "secret").over(transport, security);
        let mut bench = Bench::bare(Config::new(), role);
        bench.agent.add_server(bench.now, server.named("turn.example.org")).unwrap();
        bench.base(harness::LOCAL);
        let server = TurnServer::new("example.org").user("alice", "secret").at(&[address(SERVER)]);
        Self { bench, server, seen: 0 }
    }

    /// Lets time pass, and the server answer what has left for it.
    fn run_until(&mut self, until: Timestamp) {
        self.run_in_steps(ms(1), until);
    }

    /// The same with a server that looks at what has come in from time to time.
    fn run_in_steps(&mut self, step: Duration, until: Timestamp) {
        while self.bench.now < until {
            self.bench.run_for(step);
            for (now, sent) in self.bench.sent.split_off(self.seen) {
                let path = Path::new(sent.path.transport(), sent.path.remote(), sent.path.local());
                self.server.handle_datagram(now, path, &sent.payload);
                self.bench.sent.push((now, sent));
            }
            self.seen = self.bench.sent.len();
            while let Some(floe::sim::Output::Transmit(path, answer)) = self.server.poll_output() {
                let path = Path::new(path.transport(), path.remote(), path.local());
                self.bench.feed_path(path, &answer);
            }
        }
    }

    /// The one connection that is wanted, as asked for so far.
    fn wanted(&mut self) -> Connect {
        let [(_, connect)] = self.bench.wanted[..] else { panic!("{:?}", self.bench.wanted) };
        self.bench.wanted.clear();
        connect
    }

    fn connected(&mut self, connect: Connect, local: &str) -> Path {
        let path = self.bench.agent.handle_connect(self.bench.now, connect.id, Some(address(local)));
        self.bench.drain();
        path.unwrap()
    }

    fn relayed(&self) -> Vec<SocketAddr> {
        let relayed = self.bench.announced().into_iter().filter(|it| it.kind() == CandidateKind::Relayed);
        relayed.filter_map(|candidate| candidate.ip()).collect()
    }

    fn failures(&self) -> Vec<ServerError> {
        let failed = self.bench.events.iter().filter_map(|(_, event)| match event {
            Event::ServerFailed { error, .. } => Some(*error),
            _ => None,
        });
        failed.collect()
    }
}

const KINDS: [(Transport, Security); 3] =
    [(Transport::Tcp, Security::Plain), (Transport::Tcp, Security::Tls), (Transport::Udp, Security::Tls)];

/// Before it is reported nothing is sent: a caller that verifies the name of the server does so in between.
///
/// Proves: rfc8489-6.2.3-1, rfc8656-4.1-1
#[test]
fn a_connection_is_asked_for_once_and_an_allocation_over_it_in_a_later_slot() {
    for (transport, security) in KINDS {
        let mut relaying = Relaying::over(transport, security);
        relaying.run_until(at(60));
        let connect = relaying.wanted();
        assert_eq!((connect.transport, connect.security), (transport, security));
        assert_eq!((connect.local, connect.remote), (address("192.0.2.1:0"), address(SERVER)));
        let Endpoint::Server(server) = connect.to else { panic!("{connect:?}") };
        assert_eq!(relaying.bench.agent.server(server).unwrap().name(), Some("turn.example.org"));
        assert_eq!(connect.give_up_at, at(10_000));
        relaying.run_until(at(500));
        assert!(relaying.bench.sent.is_empty(), "nobody is connected");
        let path = relaying.connected(connect, CONNECTED);
        assert_eq!(path, Path::new(transport, address(CONNECTED), address(SERVER)));
        assert_eq!(relaying.bench.agent.framing(path), Some(Framing::Turn));
        assert!(relaying.bench.sent.is_empty(), "not before its slot");
        relaying.run_until(at(1_000));
        assert_eq!(relaying.relayed().len(), 1);
        assert!(relaying.bench.announced().iter().all(|it| it.kind() != CandidateKind::ServerReflexive));
        assert!(relaying.bench.sent.iter().all(|(_, sent)| sent.path == path));
        assert_eq!(relaying.server.violations(), []);
        assert!(relaying.bench.wanted.is_empty() && relaying.failures().is_empty());
    }
}

/// Proves: rfc8656-3.1-1
/// Lesson: L-59
#[test]
fn whatever_leads_to_the_server_a_relayed_candidate_is_one_of_udp() {
    for (transport, security) in KINDS {
        let mut relaying = Relaying::over(transport, security);
        relaying.run_until(at(60));
        let connect = relaying.wanted();
        relaying.connected(connect, CONNECTED);
        relaying.run_until(at(500));
        let announced = relaying.bench.announced();
        assert!(announced.iter().all(|candidate| candidate.transport() == Transport::Udp));
        assert_eq!(announced.len(), 2);
    }
}

#[test]
fn requests_over_a_stream_are_sent_once() {
    let mut relaying = Relaying::over(Transport::Tcp, Security::Plain);
    relaying.server.vanish();
    relaying.run_until(at(60));
    let connect = relaying.wanted();
    relaying.connected(connect, CONNECTED);
    relaying.run_until(at(11_000));
    assert_eq!(relaying.bench.sent.len(), 1);
    assert_eq!(relaying.failures(), [ServerError::Timeout]);
    assert_eq!(relaying.bench.closed.len(), 1, "the connection is of no use any more");
}

/// Proves: rfc8489-6.2.2-6
#[test]
fn a_connection_is_kept_for_as_long_as_the_relayed_address_is() {
    let mut relaying = Relaying::over(Transport::Tcp, Security::Plain);
    relaying.run_until(at(60));
    let connect = relaying.wanted();
    relaying.connected(connect, CONNECTED);
    relaying.run_in_steps(ms(50), at(3_600_000));
    assert_eq!((relaying.relayed().len(), relaying.server.allocations().count()), (1, 1));
    assert_eq!((relaying.bench.closed.len(), relaying.bench.wanted.len()), (0, 0));
    assert_eq!(relaying.failures(), []);
}

/// Nobody says that it is gone; what is asked on it stays unanswered.
///
/// Proves: rfc8489-6.2.2-7
#[test]
fn a_connection_that_serves_no_more_is_closed_and_another_asked_for_once() {
    for comes_back in [true, false] {
        let mut relaying = Relaying::over(Transport::Tcp, Security::Tls);
        relaying.run_until(at(60));
        let connect = relaying.wanted();
        let path = relaying.connected(connect, CONNECTED);
        relaying.run_until(at(500));
        relaying.server.vanish();
        while relaying.bench.wanted.is_empty() {
            assert!(relaying.bench.now < at(800_000));
            relaying.bench.run_for(ms(100));
        }
        assert_eq!(relaying.failures(), [ServerError::AllocationLost]);
        assert_eq!(relaying.bench.closed.iter().map(|(_, path)| *path).collect::<Vec<_>>(), [path]);
        let again = relaying.wanted();
        assert_ne!(again.id, connect.id);
        if comes_back {
            relaying.server.reappear();
            relaying.server.restart();
            relaying.connected(again, "192.0.2.1:50002");
            relaying.run_until(relaying.bench.now + ms(1_000));
            assert_eq!((relaying.relayed().len(), relaying.server.allocations().count()), (2, 1));
        }
        relaying.bench.run_for(Duration::from_secs(60));
        let expected = [ServerError::AllocationLost, ServerError::Timeout];
        assert_eq!(relaying.failures(), expected[..if comes_back { 1 } else { 2 }]);
        assert!(relaying.bench.wanted.is_empty());
    }
}

#[test]
fn no_connection_ends_gathering_at_once() {
    let mut relaying = Relaying::over(Transport::Tcp, Security::Tls);
    relaying.bench.agent.end_of_bases(relaying.bench.now, relaying.bench.stream).unwrap();
    relaying.run_until(at(60));
    let connect = relaying.wanted();
    assert_eq!(relaying.bench.agent.handle_connect(relaying.bench.now, connect.id, None), None);
    relaying.bench.drain();
    assert_eq!(relaying.failures(), [ServerError::Unreachable]);
    assert!(relaying.bench.saw(|event| matches!(event, Event::GatheringComplete { .. })));
    assert_eq!(relaying.bench.closed, []);
}

#[test]
fn a_connection_that_nobody_wants_any_more_is_turned_down() {
    let mut relaying = Relaying::over(Transport::Tcp, Security::Tls);
    relaying.run_until(at(60));
    let connect = relaying.wanted();
    let Endpoint::Server(server) = connect.to else { panic!("{connect:?}") };
    let bench = &mut relaying.bench;
    bench.agent.remove_server(bench.now, server).unwrap();
    for id in [connect.id, ConnectId::from_raw(77)] {
        assert_eq!(bench.agent.handle_connect(bench.now, id, Some(address(CONNECTED))), None);
    }
    let path = Path::new(Transport::Tcp, address(CONNECTED), address(SERVER));
    assert_eq!(bench.agent.framing(path), None);
    bench.agent.handle_disconnect(bench.now, path);
    bench.drain();
    assert_eq!(relaying.failures(), []);
}

#[test]
fn the_candidates_of_a_connection_go_with_it() {
    let mut relaying = Relaying::over(Transport::Tcp, Security::Tls);
    relaying.run_until(at(60));
    let connect = relaying.wanted();
    let path = relaying.connected(connect, CONNECTED);
    relaying.run_until(at(500));
    let sent = relaying.bench.sent.len();
    relaying.bench.agent.handle_disconnect(relaying.bench.now, path);
    relaying.bench.drain();
    assert_eq!(relaying.failures(), [ServerError::Disconnected]);
    assert!(relaying.bench.saw(|event| matches!(event, Event::LocalCandidateRemoved { .. })));
    relaying.run_until(at(5_000));
    assert_eq!(relaying.bench.sent.len(), sent, "nothing is sent on what is gone");
    assert_eq!(relaying.bench.agent.framing(path), None);
}

/// As when its server restarts: the first try comes too early, and what comes of the last one is lost again at once.
///
/// Lesson: L-49
#[test]
fn a_connection_that_is_lost_is_asked_for_again_less_and_less_often() {
    let mut relaying = Relaying::over(Transport::Tcp, Security::Tls);
    relaying.run_until(at(60));
    let connect = relaying.wanted();
    let mut path = relaying.connected(connect, CONNECTED);
    relaying.run_until(at(500));
    let (mut pauses, mut port) = (Vec::new(), 50_010);
    loop {
        relaying.server.restart();
        relaying.bench.agent.handle_disconnect(relaying.bench.now, path);
        relaying.bench.drain();
        let lost_at = relaying.bench.now;
        while relaying.bench.wanted.is_empty() && relaying.bench.now < lost_at + ms(30_000) {
            relaying.bench.run_for(ms(10));
        }
        if relaying.bench.wanted.is_empty() {
            break;
        }
        pauses.push(relaying.bench.now.saturating_since(lost_at).as_millis() / 500 * 500);
        let connect = relaying.wanted();
        if pauses.len() == 1 {
            assert_eq!(relaying.bench.agent.handle_connect(relaying.bench.now, connect.id, None), None);
            relaying.bench.drain();
            continue;
        }
        port += 1;
        path = relaying.connected(connect, &format!("192.0.2.1:{port}"));
        relaying.run_until(relaying.bench.now + ms(200));
        assert_eq!(relaying.server.allocations().count(), 1);
    }
    // Gathering does not wait for a sixth.
    assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000]);
    assert_eq!(relaying.bench.agent.framing(path), None);
    assert_eq!(relaying.bench.agent.local_candidates(relaying.bench.stream).count(), 1);
}

#[test]
fn a_server_that_is_removed_is_told_and_its_connection_closed() {
    let mut relaying = Relaying::over(Transport::Tcp, Security::Tls);
    relaying.run_until(at(60));
    let connect = relaying.wanted();
    let path = relaying.connected(connect, CONNECTED);
    relaying.run_until(at(500));
    assert_eq!(relaying.server.allocations().count(), 1);
    let Endpoint::Server(server) = connect.to else { panic!("{connect:?}") };
    relaying.bench.agent.remove_server(relaying.bench.now, server).unwrap();
    relaying.bench.drain();
    assert_eq!(relaying.bench.closed, [], "what is to be said has not been said");
    relaying.run_until(at(600));
    assert_eq!(relaying.server.allocations().count(), 0);
    assert_eq!(relaying.bench.closed.iter().map(|(_, path)| *path).collect::<Vec<_>>(), [path]);
}

/// Who is taken for somebody else asks from another port, twice, and then no more.
///
/// Proves: rfc8656-7.4-7
/// Lesson: L-50
#[test]
fn a_mismatch_leads_to_another_5_tuple_twice_and_then_to_failure() {
    let mut relaying = Relaying::over(Transport::Udp, Security::Plain);
    relaying.server.fault(Fault::new(Deviation::Refuse(437)).on(Method::ALLOCATE));
    for port in [50_001, 50_002] {
        relaying.run_until(relaying.bench.now + ms(2_000));
        let connect = relaying.wanted();
        assert_eq!((connect.transport, connect.security), (Transport::Udp, Security::Plain));
        relaying.connected(connect, &format!("192.0.2.1:{port}"));
    }
    relaying.run_until(relaying.bench.now + ms(2_000));
    assert_eq!(relaying.failures(), [ServerError::Rejected(437)]);
    assert!(relaying.bench.wanted.is_empty());
    assert_eq!(relaying.bench.closed.len(), 2);
}

/// Lesson: R-39
#[test]
fn a_server_that_cannot_be_sent_to_ends_gathering_at_once() {
    let mut relaying = Relaying::over(Transport::Udp, Security::Plain);
    relaying.server.vanish();
    relaying.bench.agent.end_of_bases(relaying.bench.now, relaying.bench.stream).unwrap();
    relaying.run_until(at(1));
    let path = relaying.bench.sent[0].1.path;
    assert_eq!(path.remote(), address(SERVER));
    relaying.bench.agent.handle_transmit_error(relaying.bench.now, path);
    relaying.bench.drain();
    assert_eq!(relaying.failures(), [ServerError::Unreachable]);
    assert!(relaying.bench.saw(|event| matches!(event, Event::GatheringComplete { .. })));
}

/// The peer's own checks come as soon as ours, and would find the relay closed.
///
/// Proves: rfc8445-7.2.1-1
#[test]
fn a_permission_is_asked_for_with_the_pair_and_not_with_its_check() {
    let mut relaying = Relaying::over(Transport::Udp, Security::Plain);
    relaying.run_until(at(500));
    assert_eq!(relaying.relayed().len(), 1);
    let bench = &mut relaying.bench;
    let before = bench.sent.len();
    bench.remote();
    bench.trickle(host("1", 1, harness::REMOTE));
    let methods: Vec<Method> = bench.sent[before..]
        .iter()
        .map(|(_, sent)| Message::parse(&sent.payload).unwrap().method())
        .collect();
    assert_eq!(methods, [Method::CREATE_PERMISSION]);
}

/// An open relay would work before the holes in translators are there, and be nominated for it.
#[test]
fn to_a_peer_that_may_nominate_what_works_first_a_relay_opens_with_our_own_check() {
    for (role, options, early) in [
        (Role::Controlled, "trickle", false),
        (Role::Controlled, "ice2 trickle", true),
        (Role::Controlling, "trickle", true),
    ] {
        let mut relaying = Relaying::with_role(Transport::Udp, Security::Plain, role);
        relaying.run_until(at(500));
        let bench = &mut relaying.bench;
        let before = bench.sent.len();
        let credentials = Credentials::new(harness::REMOTE_UFRAG, harness::REMOTE_PASSWORD).unwrap();
        let remote = Remote::new(credentials).options(options);
        bench.agent.set_remote(bench.now, bench.stream, remote).unwrap();
        bench.trickle(host("1", 1, harness::REMOTE));
        relaying.run_until(at(1_000));
        let sent: Vec<(Method, bool)> = relaying.bench.sent[before..]
            .iter()
            .map(|(_, sent)| {
                let method = Message::parse(&sent.payload).unwrap().method();
                (method, sent.path.remote() == address(harness::REMOTE))
            })
            .collect();
        let asked = sent.iter().position(|(method, _)| *method == Method::CREATE_PERMISSION).unwrap();
        let checked = sent.iter().position(|it| *it == (Method::BINDING, true)).unwrap();
        assert_eq!(asked < checked, early, "{role:?} {options}: {sent:?}");
        // Nothing is lost by that.
        assert!(sent[asked..].iter().any(|(method, _)| *method == Method::SEND), "{sent:?}");
    }
}

/// A password that has expired is turned down; the next one leads to the allocation.
#[test]
fn new_credentials_are_tried_where_the_old_ones_were_turned_down() {
    let mut relaying = Relaying::over(Transport::Udp, Security::Plain);
    relaying.server.set_user("alice", "the next password");
    relaying.run_until(at(1_000));
    assert_eq!((relaying.failures(), relaying.relayed().len()), (vec![ServerError::Credentials], 0));
    let bench = &mut relaying.bench;
    let server = ServerId::from_raw(0);
    bench.agent.set_server_credentials(bench.now, server, "alice", "the next password").unwrap();
    relaying.run_until(at(2_000));
    assert_eq!((relaying.failures().len(), relaying.relayed().len()), (1, 1));
    let bench = &mut relaying.bench;
    let of_stun = bench.agent.add_server(bench.now, Server::stun(address(SERVER))).unwrap();
    let refused = bench.agent.set_server_credentials(bench.now, of_stun, "alice", "secret");
    assert_eq!(refused, Err(Error::UnknownServer));
}

/// All that an embedder has to do comes in four kinds, and the bench carries them out without knowing what for. Whatever ends a
/// connection, a stream that fails among it, the embedder is told once, and hears no more of it.
///
/// Proves: rfc8489-6.2.2-6, rfc8656-8-3
/// Lesson
#[test]
fn a_connection_that_was_opened_is_closed_once_however_it_comes_to_its_end() {
    type Ending = fn(&mut Bench, ServerId, floe::ice::BaseId);
    let endings: [(&str, Ending); 5] = [
        ("the agent closes", |bench, _, _| bench.agent.close(bench.now)),
        ("the stream closes", |bench, _, _| bench.agent.close_stream(bench.now, bench.stream).unwrap()),
        ("the component goes", |bench, _, _| {
            bench.agent.remove_component(bench.now, bench.component()).unwrap();
        }),
        ("the server goes", |bench, server, _| bench.agent.remove_server(bench.now, server).unwrap()),
        ("the base goes", |bench, _, base| bench.agent.remove_base(bench.now, base).unwrap()),
    ];
    for ((name, ending), failed) in endings.into_iter().flat_map(|ending| [(ending, false), (ending, true)]) {
        let mut relaying = Relaying::over(Transport::Tcp, Security::Tls);
        relaying.run_until(at(60));
        let connect = relaying.wanted();
        let path = relaying.connected(connect, CONNECTED);
        relaying.run_until(at(500));
        assert_eq!((relaying.relayed().len(), relaying.server.allocations().count()), (1, 1));
        if failed {
            relaying.bench.remote();
            relaying.bench.end_of_candidates();
            relaying.run_in_steps(ms(50), at(60_000));
            let state = relaying.bench.agent.state(relaying.bench.stream);
            assert!(matches!(state, Some(StreamState::Failed(_))), "{state:?}");
        }
        let base = floe::ice::BaseId::from_raw(0);
        ending(&mut relaying.bench, ServerId::from_raw(0), base);
        relaying.bench.drain();
        let until = relaying.bench.now + ms(120_000);
        relaying.run_in_steps(ms(50), until);
        // With its socket nothing can be said any more: the server is told by the end of the connection.
        let given_back = usize::from(name == "the base goes" && !failed);
        assert_eq!(relaying.server.allocations().count(), given_back, "{name}, {failed}");
        let closed: Vec<Path> = relaying.bench.closed.iter().map(|(_, path)| *path).collect();
        assert_eq!(closed, [path], "{name}, {failed}");
        let when = relaying.bench.closed[0].0;
        assert!(relaying.bench.sent.iter().all(|(at, sent)| sent.path != path || *at <= when), "{name}");
        assert_eq!(relaying.bench.agent.framing(path), None, "{name}");
        assert!(relaying.bench.wanted.is_empty(), "{name}");
    }
}

#[test]
fn servers_that_cannot_be_asked_are_refused() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    let mut add = |server: Server| bench.agent.add_server(bench.now, server).map(drop);
    let stun = Server::stun(address(SERVER)).over(Transport::Tcp, Security::Tls);
    assert_eq!(add(stun), Err(Error::ServerTransport));
    assert_eq!(add(Server::turn(address(SERVER), &"x".repeat(600), "secret")), Err(Error::ServerCredentials));
    assert!(matches!(add(Server::turn(address("0.0.0.0:3478"), "alice", "secret")), Err(Error::Address(_))));
    assert_eq!(add(Server::turn(address(SERVER), "alice", "secret")), Ok(()));
}

#[test]
fn a_socket_that_goes_is_no_connection_to_be_closed() {
    let mut relaying = Relaying::over(Transport::Udp, Security::Plain);
    let base = relaying.bench.base("192.0.2.1:1001");
    relaying.run_until(at(500));
    assert_eq!(relaying.relayed().len(), 2);
    relaying.bench.agent.remove_base(relaying.bench.now, base).unwrap();
    let sent = relaying.bench.sent.len();
    relaying.run_until(at(5_000));
    assert_eq!(relaying.bench.closed, []);
    assert!(
        relaying.bench.sent[sent..].iter().all(|(_, sent)| sent.path.local() != address("192.0.2.1:1001"))
    );
}

/// Two allocations on one 5-tuple there cannot be, nor two readers of what comes on it.
#[test]
fn a_server_that_was_added_twice_is_reached_over_two_5_tuples() {
    let mut relaying = Relaying::over(Transport::Udp, Security::Plain);
    let again = Server::turn(address(SERVER), "alice", "secret");
    relaying.bench.agent.add_server(relaying.bench.now, again).unwrap();
    relaying.run_until(at(500));
    let connect = relaying.wanted();
    relaying.connected(connect, CONNECTED);
    relaying.run_until(at(1_000));
    assert_eq!((relaying.relayed().len(), relaying.failures()), (2, vec![]));
    assert_eq!(relaying.server.answered(Method::ALLOCATE, Some(437)), 0);
}

#[test]
fn a_server_that_is_added_again_is_asked_once_its_allocation_has_been_given_back() {
    let mut relaying = Relaying::over(Transport::Udp, Security::Plain);
    relaying.run_until(at(500));
    let (server, sent) = (ServerId::from_raw(0), relaying.bench.sent.len());
    relaying.server.fault(Fault::new(Deviation::Ignore).on(Method::REFRESH).times(1));
    relaying.bench.agent.remove_server(relaying.bench.now, server).unwrap();
    let again = Server::turn(address(SERVER), "alice", "secret");
    relaying.bench.agent.add_server(relaying.bench.now, again).unwrap();
    relaying.run_until(at(3_000));
    let methods =
        relaying.bench.sent[sent..].iter().map(|(_, sent)| Message::parse(&sent.payload).unwrap().method());
    let asked = [Method::REFRESH, Method::REFRESH, Method::ALLOCATE, Method::ALLOCATE];
    assert_eq!(methods.collect::<Vec<_>>(), asked);
    assert_eq!((relaying.relayed().len(), relaying.failures()), (2, vec![]));
    assert!(relaying.bench.wanted.is_empty());
}

/// A stream delivers what was sent: no other answer will come.
///
/// Proves: rfc8489-9.1.4-3
#[test]
fn a_forged_answer_over_a_connection_is_the_end_of_its_request_at_once() {
    let mut relaying = Relaying::over(Transport::Tcp, Security::Plain);
    relaying.server.fault(Fault::new(Deviation::WrongIntegrity).on(Method::ALLOCATE));
    relaying.run_until(at(60));
    let connect = relaying.wanted();
    relaying.connected(connect, CONNECTED);
    relaying.run_until(at(1_000));
    assert_eq!(relaying.failures().len(), 1);
    assert_eq!(relaying.bench.closed.len(), 1);
}

/// Proves: rfc8656-10.3-2
/// Lesson: L-53
#[test]
fn a_peer_that_the_server_forbids_costs_the_pairs_with_it_and_no_others() {
    let mut relaying = Relaying::over(Transport::Udp, Security::Plain);
    let [forbidden, other] = ["198.51.100.1:2000", "198.51.100.2:2000"];
    let server = TurnServer::new("example.org").user("alice", "secret").at(&[address(SERVER)]);
    relaying.server = server.forbid(address(forbidden).ip());
    relaying.run_until(at(500));
    let bench = &mut relaying.bench;
    bench.remote();
    for (n, peer) in [("1", forbidden), ("2", other)] {
        bench.trickle(host(n, 1, peer));
    }
    relaying.run_until(at(1_500));
    let relayed = relaying.relayed()[0];
    let bench = &relaying.bench;
    let mut pairs: Vec<(bool, SocketAddr)> = bench
        .agent
        .pairs(bench.stream)
        .map(|pair| (pair.path().local() == relayed, pair.path().remote()))
        .collect();
    pairs.sort();
    assert_eq!(pairs, [(false, address(forbidden)), (false, address(other)), (true, address(other))]);
}

/// Of two peers one withdraws its candidate: its permission is not renewed, that of the other is.
#[test]
fn a_permission_runs_out_when_no_pair_needs_it() {
    let mut relaying = Relaying::over(Transport::Udp, Security::Plain);
    relaying.run_until(at(500));
    let bench = &mut relaying.bench;
    bench.remote();
    let [stays, goes] = ["198.51.100.1:2000", "198.51.100.2:2000"];
    bench.trickle(host("1", 1, stays));
    let gone = host("2", 1, goes);
    let gone = bench.agent.add_remote_candidate(bench.now, bench.stream, gone).unwrap();
    relaying.run_until(at(60_000));
    let permitted = |relaying: &Relaying| {
        let allocation = relaying.server.allocations().next().unwrap();
        [stays, goes].map(|peer| allocation.permits(address(peer).ip()))
    };
    assert_eq!(permitted(&relaying), [true, true]);
    let bench = &mut relaying.bench;
    bench.agent.remove_remote_candidate(bench.now, bench.stream, gone).unwrap();
    relaying.run_until(at(700_000));
    assert_eq!(permitted(&relaying), [true, false]);
    assert_eq!(relaying.server.violations(), []);
}
