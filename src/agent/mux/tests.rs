//! Random sessions, in which a `Mux` and a plain list of the same agents are told the same.

mod model;

use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::agent::{Base, Config, Remote, StreamState};
use crate::entropy::Seed;
use crate::ice::{Credentials, Role, StreamId};
use crate::stun::{
    Builder, IceControlling, Integrity, Key, Method, Priority, TransactionId, UseCandidate, Username,
    XorMappedAddress,
};
use model::Model;

/// What the application, the peers and strangers do. Agents, addresses and fragments are few, so that they meet.
#[derive(Clone, Copy, Debug)]
enum Op {
    Insert {
        key: u8,
        ufrag: u8,
        kind: Kind,
    },
    Remove {
        key: u8,
    },
    Restart {
        key: u8,
        ufrag: u8,
    },
    /// The peer is known, with a candidate at this address.
    Peer {
        key: u8,
        at: u8,
    },
    /// A check for an agent, right or wrong, that may nominate.
    Check {
        key: u8,
        from: u8,
        authentic: bool,
        nominates: bool,
    },
    /// The latest check of an agent is answered, from where it went or from elsewhere.
    Answer {
        key: u8,
        authentic: bool,
        elsewhere: bool,
    },
    Data {
        from: u8,
    },
    Garbage {
        from: u8,
        seed: u8,
    },
    /// A command that is given past the verbs, and whose guard is perhaps forgotten.
    Close {
        key: u8,
        forgets: bool,
    },
    Wait {
        millis: u16,
    },
    Timeout,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Lite,
    Full,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (key, ufrag, from) = (0_u8..6, 0_u8..4, 0_u8..5);
    let kind = prop_oneof![Just(Kind::Lite), Just(Kind::Full)];
    let op = prop_oneof![
        3 => (key.clone(), ufrag.clone(), kind).prop_map(|(key, ufrag, kind)| Op::Insert { key, ufrag, kind }),
        1 => key.clone().prop_map(|key| Op::Remove { key }),
        1 => (key.clone(), ufrag).prop_map(|(key, ufrag)| Op::Restart { key, ufrag }),
        4 => (key.clone(), from.clone()).prop_map(|(key, at)| Op::Peer { key, at }),
        8 => (key.clone(), from.clone(), prop::bool::weighted(0.8), any::<bool>())
            .prop_map(|(key, from, authentic, nominates)| Op::Check { key, from, authentic, nominates }),
        8 => (key.clone(), prop::bool::weighted(0.8), prop::bool::weighted(0.1))
            .prop_map(|(key, authentic, elsewhere)| Op::Answer { key, authentic, elsewhere }),
        4 => from.clone().prop_map(|from| Op::Data { from }),
        2 => (from, any::<u8>()).prop_map(|(from, seed)| Op::Garbage { from, seed }),
        1 => (key, any::<bool>()).prop_map(|(key, forgets)| Op::Close { key, forgets }),
        3 => prop_oneof![1_u16..20, 1_u16..2_000, Just(31_000)].prop_map(|millis| Op::Wait { millis }),
        12 => Just(Op::Timeout),
    ];
    prop::collection::vec(op, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// The same agents in a plain list, where everything is looked for, say the same at the same time. On the way the
    /// invariants of every machine are held against the `Mux`: INV-01 to 04, 06, 07.
    ///
    /// Proves: rfc8445-14.2-3
    #[test]
    fn a_mux_does_what_a_list_of_its_agents_does(ops in ops()) {
        let mut session = Session::new();
        for op in ops {
            session.apply(op);
            session.compare();
        }
        for key in session.mux.keys().collect::<Vec<_>>() {
            session.apply(Op::Remove { key });
            session.compare();
        }
        prop_assert_eq!(session.mux.deadline(), None);
        prop_assert!(session.mux.ledger.claims.all().is_empty());
        prop_assert!(session.mux.places.is_empty());
    }
}

/// A `Mux`, its model, and what their agents have last asked.
struct Session {
    mux: Mux<u8>,
    model: Model,
    now: Timestamp,
    agents: u8,
    checks: BTreeMap<u8, (Path, TransactionId)>,
}

impl Session {
    fn new() -> Self {
        let now = Timestamp::from_millis(1_000);
        Self { mux: Mux::new(), model: Model::default(), now, agents: 0, checks: BTreeMap::new() }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Insert { key, ufrag, kind } => {
                self.agents = self.agents.wrapping_add(1);
                let [mine, twin] = [(); 2].map(|()| agent(self.now, self.agents, ufrag, kind));
                assert_eq!(self.mux.insert(key, mine).is_some(), self.model.insert(key, twin));
            }
            Op::Remove { key } => assert_eq!(self.mux.remove(key).is_some(), self.model.remove(key)),
            Op::Restart { key, ufrag } => {
                self.agents = self.agents.wrapping_add(1);
                let (now, credentials) = (self.now, credentials(self.agents, ufrag));
                self.command(key, false, |agent| {
                    let _ = agent.restart_with(now, STREAM, credentials.clone());
                });
            }
            Op::Peer { key, at } => {
                let (now, remote) = (self.now, peer(at));
                self.command(key, false, |agent| {
                    let _ = agent.set_remote(now, STREAM, Remote::new(peer_credentials()));
                    let _ = agent.add_remote_candidate(now, STREAM, remote.clone());
                });
            }
            Op::Check { key, from, authentic, nominates } => {
                let Some(agent) = self.mux.get(key) else { return };
                let Some(local) = agent.local_credentials(STREAM) else { return };
                let password = if authentic { local.password() } else { "wrong" };
                let check = check(local, password, nominates);
                self.feed(Path::udp(local_address(), address(from)), &check);
            }
            Op::Answer { key, authentic, elsewhere } => {
                let Some((path, id)) = self.checks.get(&key).copied() else { return };
                let from = if elsewhere { address(0) } else { path.remote() };
                self.feed(Path::udp(path.local(), from), &answer(id, path.local(), authentic));
            }
            Op::Data { from } => self.feed(Path::udp(local_address(), address(from)), b"\x80data"),
            Op::Garbage { from, seed } => {
                let mut bytes = check(&credentials(seed, seed % 4), "wrong", false);
                let at = usize::from(seed) % bytes.len();
                bytes[at] ^= seed;
                self.feed(Path::udp(local_address(), address(from)), &bytes);
            }
            Op::Close { key, forgets } => {
                let now = self.now;
                self.command(key, forgets, |agent| agent.close(now));
            }
            Op::Wait { millis } => self.now += Duration::from_millis(millis.into()),
            Op::Timeout => self.timeout(),
        }
    }

    fn command(&mut self, key: u8, forgets: bool, command: impl Fn(&mut Agent)) {
        let known = self.mux.get_mut(key).map(|mut agent| {
            command(&mut agent);
            if forgets {
                core::mem::forget(agent);
            }
        });
        assert_eq!(known.is_some(), self.model.command(key, command));
        if forgets {
            // Whatever comes next puts it right, also what changes nothing.
            self.mux.remove(u8::MAX);
        }
    }

    fn feed(&mut self, path: Path, datagram: &[u8]) {
        let received = self.mux.handle_datagram(self.now, path, datagram);
        assert_eq!(received, self.model.handle_datagram(self.now, path, datagram));
    }

    /// Goes to the next deadline, if that is not too far away, and lets it pass.
    fn timeout(&mut self) {
        let Some(deadline) = self.mux.deadline() else { return };
        if deadline > self.now + Duration::from_secs(60) {
            return;
        }
        if deadline > self.now {
            // INV-03, INV-07: too early is nothing.
            self.mux.handle_timeout(Timestamp::from_nanos(deadline.as_nanos() - 1));
            assert_eq!((self.mux.poll_output(), self.mux.deadline()), (None, Some(deadline)));
            // INV-06: time that goes back stands still.
            self.mux.handle_timeout(Timestamp::ZERO);
            assert_eq!((self.mux.poll_output(), self.mux.deadline()), (None, Some(deadline)));
        }
        self.now = self.now.max(deadline);
        self.mux.handle_timeout(self.now);
        self.model.handle_timeout(self.now, &self.mux);
        // INV-04: something comes of it, or it is over.
        let after = self.mux.deadline();
        assert!(self.mux.ledger.speaker().is_some() || after.is_none_or(|after| after > deadline));
    }

    /// Both say the same, and keep the same.
    fn compare(&mut self) {
        let mut said = BTreeMap::<u8, Vec<Output>>::new();
        while let Some((key, output)) = self.mux.poll_output() {
            if let Output::Transmit(transmit) = &output
                && let Some(peek) = Peek::at(&transmit.payload)
                && peek.class == Class::Request
            {
                self.checks.insert(key, (transmit.path, peek.id));
            }
            said.entry(key).or_default().push(output);
        }
        assert_eq!(said, self.model.outputs());
        // INV-02, and INV-01 for what is due at all.
        assert_eq!(self.mux.poll_output(), None);
        assert_eq!(self.mux.deadline(), self.model.deadline());
        let (mut entered, mut claimed) = (self.mux.ledger.claims.all(), self.model.claims(&self.mux));
        entered.sort_unstable();
        claimed.sort_unstable();
        assert_eq!(entered, claimed);
    }
}

/// An agent that has its bases, and perhaps the fragment of another.
fn agent(now: Timestamp, number: u8, ufrag: u8, kind: Kind) -> Agent {
    let config = Config::new().lite(matches!(kind, Kind::Lite));
    let mut agent = Agent::new(config, Role::Controlled, Seed::from([number; 32]));
    let stream = agent.add_stream_with(1, credentials(number, ufrag)).unwrap();
    agent.add_base(now, stream.component(1), Base::udp(local_address())).unwrap();
    agent.end_of_bases(now, stream).unwrap();
    agent
}

/// Few fragments, and a password for every number.
fn credentials(number: u8, ufrag: u8) -> Credentials {
    Credentials::new(&alloc::format!("own{ufrag}"), &alloc::format!("{number:0>24}")).unwrap()
}

fn peer_credentials() -> Credentials {
    Credentials::new("peer", "passwordofthepeer/1234567").unwrap()
}

fn peer(at: u8) -> crate::ice::Candidate {
    let address = address(at);
    let line = alloc::format!("candidate:{at} 1 udp 2130706431 {} {} typ host", address.ip(), address.port());
    crate::sdp::parse_candidate(&line).unwrap()
}

fn local_address() -> SocketAddr {
    "192.0.2.1:3478".parse().unwrap()
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, number + 1], 2_000))
}

fn check(local: &Credentials, password: &str, nominates: bool) -> Vec<u8> {
    let key = Key::short_term(password.as_bytes());
    let (mut out, name) = (Vec::new(), alloc::format!("{}:peer", local.ufrag()));
    let mut builder = Builder::request(&mut out, Method::BINDING, [7; 12].into())
        .attribute(&Username::new(&name).unwrap())
        .attribute(&Priority(1_845_501_695))
        .attribute(&IceControlling(9));
    if nominates {
        builder = builder.attribute(&UseCandidate);
    }
    builder.integrity(&key, Integrity::Sha1).fingerprint();
    out
}

fn answer(id: TransactionId, mapped: SocketAddr, authentic: bool) -> Vec<u8> {
    let peer = peer_credentials();
    let key = Key::short_term(if authentic { peer.password() } else { "wrong" }.as_bytes());
    let mut out = Vec::new();
    Builder::success(&mut out, Method::BINDING, id)
        .attribute(&XorMappedAddress(mapped))
        .integrity(&key, Integrity::Sha1)
        .fingerprint();
    out
}

const STREAM: StreamId = StreamId::from_raw(0);

/// The random sessions get somewhere.
#[test]
fn the_sessions_of_the_model_connect() {
    let mut session = Session::new();
    for kind in [Kind::Lite, Kind::Full] {
        session.apply(Op::Insert { key: 1, ufrag: 1, kind });
        session.apply(Op::Peer { key: 1, at: 1 });
        for _ in 0..4 {
            session.apply(Op::Check { key: 1, from: 1, authentic: true, nominates: true });
            session.compare();
            if session.mux.deadline().is_some_and(|at| at < session.now + Duration::from_secs(1)) {
                session.apply(Op::Timeout);
            }
            session.compare();
            session.apply(Op::Answer { key: 1, authentic: true, elsewhere: false });
            session.compare();
        }
        let state = session.mux.get(1).unwrap().state(STREAM);
        // An agent of which the end of candidates is not known goes on.
        assert!(matches!(state, Some(StreamState::Completed | StreamState::Connected)), "{kind:?} {state:?}");
        assert!(matches!(session.mux.get(1).unwrap().route(STREAM.component(1)), Some(route)
            if route.path().remote() == address(1)));
    }
}
