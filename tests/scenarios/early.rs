//! P-01: checks come before the candidates that they come from are signalled.

use core::net::SocketAddr;

use floe::ice::{CandidateAddress, CandidateKind, MdnsName};
use floe::sim::{Host, Nat, NetworkId, Peer, StunServer, World};
use floe::{Base, Config, Event, StreamState};

use crate::session::{Session, controlled, controlling, ms, secs};

/// What varies: where Bob is, and whether it is about a restart.
#[derive(Clone, Copy, Debug)]
struct Row {
    bob: Place,
    restart: bool,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Open,
    /// His address has a name in its place.
    Named,
    BehindNat,
    NamedBehindNat,
}

impl Place {
    const fn is_named(self) -> bool {
        matches!(self, Self::Named | Self::NamedBehindNat)
    }

    const fn is_behind_nat(self) -> bool {
        matches!(self, Self::BehindNat | Self::NamedBehindNat)
    }
}

const ROWS: [Row; 8] = [
    Row { bob: Place::Open, restart: false },
    Row { bob: Place::Open, restart: true },
    Row { bob: Place::Named, restart: false },
    Row { bob: Place::Named, restart: true },
    Row { bob: Place::BehindNat, restart: false },
    Row { bob: Place::BehindNat, restart: true },
    Row { bob: Place::NamedBehindNat, restart: false },
    Row { bob: Place::NamedBehindNat, restart: true },
];

/// Bob knows all about Alice, she of him no more than his credentials.
fn session(row: Row) -> Session {
    let mut world = World::new(1);
    let stun = world.add_server(NetworkId::PUBLIC, StunServer::new());
    let stun = world.address(stun);
    let bob: Host =
        if row.bob.is_behind_nat() { Nat::port_restricted().into() } else { NetworkId::PUBLIC.into() };
    let config = Config::new().renomination(false);
    let bob = controlled(bob).config(config.clone()).bases(0);
    // Without a translator the server would only show the address that a name is to hide.
    let bob = if row.bob.is_behind_nat() { bob.asks(stun) } else { bob };
    let mut session = Session::new(world, controlling(NetworkId::PUBLIC).config(config), bob);
    let local = session.world.address(session.bob);
    session.world.with(session.bob, |peer, now| {
        let component = peer.stream().component(1);
        let name = MdnsName::new("1f4712db-ea17-4bcf-a596-105139dfd8bf.local").unwrap();
        let base = Base::udp(local);
        let base = if row.bob.is_named() { base.named(name) } else { base };
        peer.agent_mut().add_base(now, component, base).unwrap();
    });
    session.end_bases();
    session.world.run_for(secs(1));
    session
}

/// Alice's selected pair, with the type of Bob's candidate and what is known of its address.
fn selected(session: &Session) -> Option<(floe::ice::PairId, CandidateKind, CandidateAddress)> {
    let peer: &Peer = session.world.node(session.alice);
    let pair = peer.agent().pairs(peer.stream()).find(|pair| pair.is_selected())?;
    Some((pair.id(), pair.remote().kind(), pair.remote().address().clone()))
}

/// Tells Alice of Bob's candidates, and where his name leads, when she asks.
fn signal_candidates(session: &mut Session, address: SocketAddr) {
    for candidate in session.candidates(session.bob) {
        session.trickle(session.alice, candidate);
    }
    session.end_candidates(session.alice);
    let asks = session.world.node(session.alice).events().iter().filter_map(|(_, event)| match event {
        Event::Resolve { id, .. } => Some(*id),
        _ => None,
    });
    for id in asks.collect::<Vec<_>>() {
        session
            .world
            .with(session.alice, |peer, now| peer.agent_mut().handle_resolved(now, id, Some(address.ip())));
    }
}

/// The pair is there before its candidate is, and survives it; the type becomes the signalled one, and of an address that a
/// name hides nothing is shown but the name.
///
/// Proves: rfc8445-7.3.1.3-1, rfc8445-7.3.1.3-3, rfc8838-11-4
#[test]
fn a_pair_that_checks_have_made_survives_the_signalling_of_its_candidate() {
    for row in ROWS {
        let mut session = session(row);
        let stream = session.world.node(session.bob).stream();
        if row.restart {
            session.describe(session.bob, stream);
            session.introduce(session.alice);
            session.world.run_for(secs(1));
            let address = session.world.address(session.bob);
            signal_candidates(&mut session, address);
            session.world.run_for(secs(2));
            assert_eq!(session.states(), [StreamState::Completed; 2], "{row:?}");
            session.world.with(session.alice, |peer, now| {
                let stream = peer.stream();
                peer.agent_mut().restart(now, stream).unwrap();
            });
            session.world.run_for(secs(1));
        }
        let before = session.switches_of_pair();
        session.describe(session.bob, stream);
        session.introduce(session.alice);
        session.world.run_for(secs(2));
        let (pair, kind, _) = selected(&session).unwrap_or_else(|| panic!("{row:?}"));
        assert_eq!(kind, CandidateKind::PeerReflexive, "{row:?}");
        assert_eq!(session.switches_of_pair(), before + 1, "{row:?}");

        let address = session.world.address(session.bob);
        signal_candidates(&mut session, address);
        session.world.run_for(ms(200));
        let (same, kind, address) = selected(&session).unwrap();
        let wanted =
            if row.bob.is_behind_nat() { CandidateKind::ServerReflexive } else { CandidateKind::Host };
        assert_eq!((same, kind), (pair, wanted), "{row:?}");
        assert_eq!(matches!(address, CandidateAddress::Name(..)), matches!(row.bob, Place::Named), "{row:?}");
        assert_eq!(session.switches_of_pair(), before + 1, "nothing else is selected: {row:?}");
        session.assert_data_flows(1);
    }
}
