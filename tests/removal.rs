//! What is withdrawn is withdrawn alone: with a NAT in the way, so that no candidate has the address of another.

mod harness;
#[path = "harness/session.rs"]
mod session;

use core::net::SocketAddr;
use std::collections::BTreeSet;

use floe::ice::{BaseId, CandidateKind};
use floe::sim::{Host, Nat, NetworkId, StunServer, World};
use floe::{Config, Event, StreamState};
use session::{Session, controlled, controlling, ms, secs};

/// Two interfaces behind one NAT, each with a host and a reflexive candidate. One goes: its two candidates are withdrawn, by
/// their ids, and the two of the other interface stay, with the session on it. It comes back, and is as good as new.
///
/// Proves: rfc8445-5.1.1.4-3, rfc8445-5.1.1.4-4
/// Lesson: L-35, R-10
#[test]
fn an_interface_that_goes_takes_its_own_candidates_along_and_no_others() {
    for gone in [0, 1] {
        let mut world = World::new(35);
        let server = world.add_server(NetworkId::PUBLIC, StunServer::new());
        let server = world.address(server);
        let lan = world.add_network(NetworkId::PUBLIC, Nat::port_restricted());
        let config = || Config::new().continual_gathering(true);
        let alice = controlling(Host::new().on(lan).on(lan)).bases(2).asks(server).config(config());
        let bob = controlled(NetworkId::PUBLIC).config(config());
        let mut session = Session::new(world, alice, bob);
        session.connect();
        session.world.run_for(secs(5));
        let alice = session.alice;
        let of = |session: &Session, base: SocketAddr| -> BTreeSet<(CandidateKind, SocketAddr)> {
            let own = session
                .candidates(alice)
                .into_iter()
                .filter(|it| it.ip() == Some(base) || it.related() == Some(base));
            own.map(|it| (it.kind(), it.ip().unwrap())).collect()
        };
        let bases: Vec<SocketAddr> = {
            let candidates = session.candidates(alice);
            let hosts = candidates.iter().filter(|it| it.kind() == CandidateKind::Host);
            hosts.filter_map(|it| it.ip()).collect()
        };
        let before = [0, 1].map(|n| of(&session, bases[n]));
        assert!(before.iter().all(|own| own.len() == 2), "{before:?}");
        session.world.with(alice, |peer, now| {
            let base = BaseId::from_raw(u32::try_from(gone).unwrap());
            peer.agent_mut().remove_base(now, base).unwrap();
        });
        assert!(of(&session, bases[gone]).is_empty());
        assert_eq!(of(&session, bases[1 - gone]), before[1 - gone]);
        let withdrawn = |session: &Session| {
            let events = session.world.node(alice).events().iter();
            events.filter(|(_, event)| matches!(event, Event::LocalCandidateRemoved { .. })).count()
        };
        assert_eq!(withdrawn(&session), 2);
        session.world.run_for(secs(20));
        assert_eq!(session.states(), [StreamState::Completed; 2], "{gone}");
        assert_eq!(session.world.node(alice).selected(1).unwrap().local(), bases[1 - gone]);
        session.assert_data_flows(1);
        assert!(session.world.with(alice, |peer, now| peer.add_base(now, 1, bases[gone])));
        session.world.run_for(secs(2));
        assert_eq!(
            [0, 1].map(|n| of(&session, bases[n])),
            before,
            "the mapping is still there, and so are both"
        );
        assert_eq!(withdrawn(&session), 2);
        session.world.run_for(ms(20_000));
        session.assert_data_flows(1);
    }
}
