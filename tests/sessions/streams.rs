//! Several streams of one agent.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

use floe::ice::{CheckListState, StreamId};
use floe::sim::{self, NodeId, World};
use floe::stun::{Class, Message, Priority, TransactionId};
use floe::{Base, Event, StreamState, Timestamp};

use super::host;
use super::session::{End, Session, address, controlled, controlling, secs};

const ALICE: [&str; 2] = ["192.0.2.1:4000", "192.0.2.2:5000"];
const BOB: [&str; 2] = ["198.51.100.1:4000", "198.51.100.2:5000"];

/// Two ends with two streams, each on an address of its own.
fn two_streams() -> (Session, [StreamId; 2]) {
    let (alice, bob) = (controlling(host(&ALICE)).bases(1), controlled(host(&BOB)).bases(1));
    let mut session = Session::new(World::new(1), alice, bob);
    let second = [(session.alice, ALICE[1]), (session.bob, BOB[1])].map(|(id, base)| {
        session.world.with(id, |peer, now| {
            let agent = peer.agent_mut();
            let stream = agent.add_stream(1).unwrap();
            agent.add_base(now, stream.component(1), Base::udp(address(base))).unwrap();
            agent.end_of_bases(now, stream).unwrap();
            stream
        })
    });
    assert_eq!(second[0], second[1]);
    session.exchange();
    for id in session.ends() {
        session.describe(id, second[0]);
    }
    let first = session.world.node(session.alice).stream();
    (session, [first, second[0]])
}

fn states(session: &Session, id: NodeId, streams: [StreamId; 2]) -> [Option<StreamState>; 2] {
    streams.map(|stream| session.world.node(id).agent().state(stream))
}

/// Proves: rfc8445-6.1.3-1, rfc8445-8.1.2-2
#[test]
fn two_streams_complete_and_so_does_the_session() {
    let (mut session, streams) = two_streams();
    session.world.run_for(secs(3));
    for id in session.ends() {
        assert_eq!(states(&session, id, streams), [Some(StreamState::Completed); 2]);
        assert_eq!(session.world.node(id).agent().session_state(), CheckListState::Completed);
    }
    for (index, stream) in streams.into_iter().enumerate() {
        let [ours, theirs] = session.ends().map(|id| session.selected_of(id, stream, 1).unwrap());
        assert_eq!(ours.addresses(), [ALICE[index], BOB[index]].map(address));
        assert_eq!(ours, theirs.mirrored());
    }
    let credentials = session.world.node(session.alice).agent();
    let [first, second] = streams.map(|stream| credentials.local_credentials(stream).unwrap());
    assert_ne!(first, second);
}

/// Proves: rfc8445-6.1.3-1, rfc8445-8.1.2-4, rfc8445-12.1-6
/// Scenario: S-69
#[test]
fn a_stream_that_fails_leaves_the_other_as_it_was() {
    let (mut session, streams) = two_streams();
    session.world.unplug((session.bob, address(BOB[1]).ip()));
    session.world.run_for(secs(60));
    for id in session.ends() {
        let agent = session.world.node(id).agent();
        let [first, second] = states(&session, id, streams);
        assert_eq!(first, Some(StreamState::Completed));
        assert!(matches!(second, Some(StreamState::Failed(_))), "{second:?}");
        assert_eq!(agent.session_state(), CheckListState::Running, "neither has all of it");
        assert!(agent.route(streams[1].component(1)).is_none());
        let failed = |event: &Event| matches!(event, Event::State { stream, state: StreamState::Failed(_) } if *stream == streams[1]);
        assert!(session.when(id, failed).is_some());
    }
    session.assert_data_flows(1);
}

/// A caller that marks what leaves by a socket (DSCP) marks all of its component: checks and their answers, consent checks and
/// data. Which component a message is about is told by the priority that its request names.
///
/// Proves: rfc8445-7.2.3-1, rfc7675-6-1
#[test]
fn checks_answers_consent_and_data_of_a_component_leave_by_its_sockets_and_share_their_mark() {
    let ends = |end: End| end.components(2);
    let alice = ends(controlling(host(&["192.0.2.1:4000", "192.0.2.7:4000"])));
    let bob = ends(controlled(host(&["198.51.100.1:5000"])));
    let mut session = Session::new(World::new(3), alice, bob);
    // The marks of the sockets: component 2 has the next port.
    let mark = |local: SocketAddr| ["EF", "AF41"][usize::from(local.port() % 2)];
    session.connect();
    session.world.run_for(secs(60));
    for component in [1, 2] {
        session.assert_data_flows(component);
    }
    let mut seen = BTreeSet::new();
    let mut components: BTreeMap<TransactionId, u8> = BTreeMap::new();
    for entry in session.world.trace().entries() {
        let sim::Event::Sent { path, payload, .. } = &entry.event else { continue };
        let (what, component) = match Message::parse(payload) {
            Ok(message) if message.class() == Class::Request => {
                let priority = message.get::<Priority>().unwrap().unwrap().0;
                let component = u8::try_from(256 - (priority & 0xff)).unwrap();
                components.insert(message.transaction_id(), component);
                (if entry.at > Timestamp::from_millis(3_000) { "consent" } else { "check" }, component)
            }
            Ok(message) => ("answer", components[&message.transaction_id()]),
            Err(_) => {
                // The socket that it arrives at is of the same component: it was asserted above.
                ("data", u8::try_from(path.remote().port() % 2 + 1).unwrap())
            }
        };
        assert_eq!(mark(path.local()), ["EF", "AF41"][usize::from(component - 1)], "{what} {path:?}");
        seen.insert((what, component));
    }
    let kinds = ["answer", "check", "consent", "data"];
    assert_eq!(seen, kinds.into_iter().flat_map(|what| [(what, 1), (what, 2)]).collect());
}
