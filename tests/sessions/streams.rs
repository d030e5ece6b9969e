//! Several streams of one agent.

use floe::ice::{CheckListState, StreamId};
use floe::sim::{NodeId, World};
use floe::{Base, Event, StreamState};

use super::host;
use super::session::{Session, address, controlled, controlling, secs};

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
