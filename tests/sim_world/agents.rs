//! Agents as nodes that use all of a network: connections to servers, interfaces that change, names.

use core::time::Duration;

use floe::ice::{CandidateKind, MdnsName, Role};
use floe::sim::{
    Action, Attachment, Dropped, Host, Link, Nat, NetworkId, NodeId, Peer, Resolution, TurnServer, World,
};
use floe::{Base, Config, Event, Reason, Security, Server, StreamState, Transport};

use super::probe::address;

const SECOND: Duration = Duration::from_secs(1);
const IP: &str = "203.0.113.1";

/// Two peers, and a server that listens on the ports 3478 and 443.
struct Call {
    world: World<Peer>,
    server: NodeId,
    alice: NodeId,
    bob: NodeId,
}

impl Call {
    fn new(alice: impl Into<Host>, bob: impl Into<Host>) -> Self {
        Self::with(Config::new(), alice, bob)
    }

    fn with(config: Config, alice: impl Into<Host>, bob: impl Into<Host>) -> Self {
        let mut world = World::new(11);
        let host = Host::new()
            .address(NetworkId::PUBLIC, address(&format!("{IP}:3478")))
            .address(NetworkId::PUBLIC, address(&format!("{IP}:443")));
        let server = world.add_turn_server(host, TurnServer::new("example.org").user("alice", "secret"));
        let [alice, bob] =
            [(alice.into(), Role::Controlling), (bob.into(), Role::Controlled)].map(|(host, role)| {
                let seed = world.seed_for(if role == Role::Controlling { 0 } else { 1 });
                let config = config.clone();
                world.add_host(host, |_, now, locals| Peer::new(now, config, role, seed, locals))
            });
        Self { world, server, alice, bob }
    }

    /// Names the server to an agent.
    fn serve(&mut self, node: NodeId, port: u16, transport: Transport, security: Security) {
        let server =
            Server::turn(address(&format!("{IP}:{port}")), "alice", "secret").over(transport, security);
        self.world.with(node, |peer, now| {
            peer.agent_mut().add_server(now, server.named("turn.example.org")).unwrap()
        });
    }

    fn call(&mut self) {
        let (alice, bob) = (self.alice, self.bob);
        self.world.with(alice, |peer, now| peer.call(now, bob));
        self.world.with(bob, |peer, now| peer.call(now, alice));
    }

    fn is_complete(world: &World<Peer>, ids: [NodeId; 2]) -> bool {
        ids.iter().all(|id| world.node(*id).state() == StreamState::Completed)
    }

    /// Waits until both ends have selected.
    fn completes_within(&mut self, limit: Duration) {
        let ids = [self.alice, self.bob];
        let done = self.world.run_until(limit, |world| Self::is_complete(world, ids));
        assert!(done.is_ok(), "{}", self.world.trace());
    }

    /// Sends from one end; returns whether it arrives within a second.
    fn arrives(&mut self, from: NodeId, to: NodeId, payload: &[u8]) -> bool {
        let before = self.world.node(to).received().len();
        assert!(self.world.with(from, |peer, _| peer.send(1, payload)), "there is a route");
        self.world.run_for(SECOND);
        let received = &self.world.node(to).received()[before..];
        received.iter().any(|delivery| delivery.payload == payload)
    }

    fn assert_data_flows(&mut self) {
        let (alice, bob) = (self.alice, self.bob);
        assert!(self.arrives(alice, bob, b"from alice") && self.arrives(bob, alice, b"from bob"));
        assert_eq!(self.world.turn_server(self.server).violations(), []);
    }

    /// The kinds of the ends of the selected pair, as an end sees it.
    fn selected_kinds(&self, of: NodeId) -> [CandidateKind; 2] {
        let peer = self.world.node(of);
        let pair =
            peer.agent().pairs(peer.stream()).find(|pair| pair.is_selected()).expect("a selected pair");
        [pair.local().kind(), pair.remote().kind()]
    }
}

fn tcp_only() -> Nat {
    Nat::symmetric().without_udp()
}

#[test]
fn agents_behind_firewalls_that_pass_only_tcp_meet_over_relays() {
    for (port, security, nat) in [
        (3478, Security::Plain, tcp_only()),
        (443, Security::Tls, tcp_only().tcp_ports(&[443])),
        (443, Security::Tls, tcp_only().tcp_ports(&[80, 443]).rejecting(true)),
    ] {
        let mut call = Call::new(nat.clone(), nat);
        for node in [call.alice, call.bob] {
            call.serve(node, port, Transport::Tcp, security);
        }
        call.call();
        call.completes_within(5 * SECOND);
        assert_eq!(call.selected_kinds(call.alice), [CandidateKind::Relayed; 2]);
        call.assert_data_flows();
        assert_eq!(call.world.turn_server(call.server).allocations().count(), 2);
        assert_eq!(call.world.dropped(Dropped::NotConnected), 0);
    }
}

#[test]
fn over_a_port_that_the_firewall_closes_there_is_no_relay_and_no_session() {
    let mut call = Call::new(tcp_only().tcp_ports(&[443]).rejecting(true), NetworkId::PUBLIC);
    let alice = call.alice;
    call.serve(alice, 3478, Transport::Tcp, Security::Plain);
    call.call();
    call.world.run_for(60 * SECOND);
    let failed = |event: &Event| matches!(event, Event::ServerFailed { .. });
    assert!(call.world.node(alice).events().iter().any(|(_, event)| failed(event)));
    assert!(matches!(call.world.node(alice).state(), StreamState::Failed(_)));
}

/// The stream of a relay is lossy, torn and cut anywhere; nothing of it is lost or out of order.
#[test]
fn a_relayed_stream_survives_a_bad_link() {
    let mut call = Call::new(tcp_only(), tcp_only());
    for node in [call.alice, call.bob] {
        call.serve(node, 3478, Transport::Tcp, Security::Plain);
        call.world
            .set_link(node, Link::new(Duration::from_millis(20)).jitter(Duration::from_millis(40)).loss(0.1));
    }
    call.call();
    call.completes_within(20 * SECOND);
    let (alice, bob) = (call.alice, call.bob);
    for number in 0..200_u32 {
        call.world.with(alice, |peer, _| peer.send(1, &number.to_be_bytes()));
    }
    call.world.run_for(30 * SECOND);
    let received = call.world.node(bob).received().iter().map(|delivery| delivery.payload.clone());
    assert!(received.eq((0..200_u32).map(|number| number.to_be_bytes().to_vec())));
}

#[test]
fn a_server_that_restarts_ends_the_connections_and_their_allocations() {
    let mut call = Call::new(tcp_only(), tcp_only());
    for node in [call.alice, call.bob] {
        call.serve(node, 3478, Transport::Tcp, Security::Plain);
    }
    call.call();
    call.completes_within(5 * SECOND);
    let server = call.server;
    call.world.act(Action::ServerRestart(server));
    assert_eq!(call.world.turn_server(server).allocations().count(), 0);
    call.world.run_for(SECOND);
    for node in [call.alice, call.bob] {
        let state = call.world.node(node).state();
        assert!(matches!(state, StreamState::Lost(_)), "{state:?}");
    }
}

#[test]
fn an_allocation_ends_with_its_connection() {
    let mut call = Call::new(tcp_only(), tcp_only());
    for node in [call.alice, call.bob] {
        call.serve(node, 3478, Transport::Tcp, Security::Plain);
    }
    call.call();
    call.completes_within(5 * SECOND);
    let clients = |call: &Call| -> Vec<_> {
        call.world.turn_server(call.server).allocations().map(|allocation| allocation.client()).collect()
    };
    let before = clients(&call);
    assert_eq!(before.len(), 2);
    let alice = call.alice;
    call.world.reset_connections(alice);
    call.world.run_for(SECOND);
    let still = clients(&call).into_iter().filter(|client| before.contains(client));
    assert_eq!(still.count(), 1);
}

#[test]
fn dtls_to_a_server_goes_from_a_socket_of_its_own() {
    let mut call = Call::with(Config::new().relay_only(true), Nat::symmetric(), Nat::symmetric());
    for node in [call.alice, call.bob] {
        call.serve(node, 443, Transport::Udp, Security::Tls);
    }
    call.call();
    call.completes_within(5 * SECOND);
    call.assert_data_flows();
}

#[test]
fn a_phone_moves_from_one_network_to_another_and_the_session_goes_with_it() {
    let config = Config::new().continual_gathering(true);
    let wifi = Attachment::from(Nat::port_restricted()).network(1, 10);
    let mut call = Call::with(config, wifi, NetworkId::PUBLIC);
    call.call();
    call.completes_within(5 * SECOND);
    let (alice, bob) = (call.alice, call.bob);
    let before = call.world.node(alice).selected(1).unwrap().local();
    let cellular = Attachment::from(Nat::symmetric()).network(2, 900);
    let at = call.world.now() + 5 * SECOND;
    call.world.at(at, Action::Roam { node: alice, to: cellular, gap: 2 * SECOND });
    call.world.run_for(6 * SECOND);
    assert_eq!(call.world.addresses(alice), [], "in between");
    let state = call.world.node(alice).state();
    assert!(matches!(state, StreamState::Lost(Reason::BaseRemoved)), "{state:?}");
    call.world.run_for(14 * SECOND);
    let [now_on] = call.world.addresses(alice) else { panic!("one address") };
    assert_ne!(before, *now_on);
    assert_eq!(call.world.node(alice).selected(1).unwrap().local(), *now_on);
    assert!(call.arrives(alice, bob, b"still here") && call.arrives(bob, alice, b"and here"));
}

#[test]
fn costs_of_interfaces_reach_the_agent() {
    let host = Host::new()
        .attach(Attachment::from(Nat::none()).network(7, 900))
        .attach(Attachment::from(Nat::none()).network(8, 10));
    let mut call = Call::new(host, NetworkId::PUBLIC);
    call.call();
    call.completes_within(5 * SECOND);
    let cheap = call.world.addresses(call.alice)[1];
    assert_eq!(call.world.node(call.alice).selected(1).unwrap().local(), cheap);
}

const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";

/// A session between two hosts of one network, of which one shows a name in place of its address.
fn named(resolution: Resolution, neighbours: bool) -> (Call, NodeId) {
    let lan = |world: &mut World<Peer>| world.add_network(NetworkId::PUBLIC, Nat::symmetric());
    let mut world = World::new(11);
    let (first, second) = (lan(&mut world), lan(&mut world));
    let networks = if neighbours { [first, first] } else { [first, second] };
    let seeds = [world.seed_for(0), world.seed_for(1)];
    let [alice, bob] = [0, 1].map(|end| {
        let (seed, role) = (seeds[end].clone(), [Role::Controlling, Role::Controlled][end]);
        world.add_node(networks[end], |_, now, addresses| match end {
            0 => Peer::new(now, Config::new(), role, seed, addresses),
            _ => {
                let mut peer = Peer::with_components(now, Config::new(), role, seed, 1);
                let (component, base) = (peer.stream().component(1), Base::udp(addresses[0]));
                let base = base.named(MdnsName::new(NAME).unwrap());
                peer.agent_mut().add_base(now, component, base).unwrap();
                peer
            }
        })
    });
    let ip = world.address(bob).ip();
    world.publish(bob, NAME, ip);
    world.set_resolution(resolution);
    // What the peer cannot be told by name it is not told at all: checks would show the address.
    world.block(bob, alice);
    let mut call = Call { world, server: alice, alice, bob };
    call.call();
    call.world.run_for(3 * SECOND);
    (call, alice)
}

/// When the first check of the one who had to resolve a name was sent, in milliseconds.
fn first_check(call: &Call, of: NodeId) -> Option<u64> {
    let sent =
        |entry: &&floe::sim::Entry| matches!(entry.event, floe::sim::Event::Sent { node, .. } if node == of);
    call.world.trace().entries().find(sent).map(|entry| entry.at.as_nanos() / 1_000_000)
}

#[test]
fn names_are_resolved_for_neighbours_after_a_while() {
    let (call, alice) = named(Resolution::after(300 * Duration::from_millis(1)), true);
    // The name is signalled within 50 ms.
    let at = first_check(&call, alice).expect("a check");
    assert!((350..=450).contains(&at), "{at}");
    let (call, alice) = named(Resolution::never(), true);
    assert_eq!(first_check(&call, alice), None);
    let (call, alice) = named(Resolution::default(), false);
    assert_eq!(first_check(&call, alice), None, "multicast does not leave its network");
}
