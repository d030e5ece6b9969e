//! Both ends begin in the same role (RFC 8445 sections 7.2.5.1 and 7.3.1.1).

use core::time::Duration;

use bytes::Bytes;
use floe::Event;
use floe::ice::{CandidateKind, Role};
use floe::sim::{Nat, NodeId, Verdict, World};
use floe::stun::{AttributeType, Builder, Class, IceControlled, IceControlling, Integrity, Key, Message};

use super::session::{End, Sent, Session, ms, secs};

/// Who is told of the other first. The other is told so much later.
#[derive(Clone, Copy, Debug)]
enum Order {
    AliceFirst(Duration),
    BobFirst(Duration),
}

const ORDERS: [Order; 5] = [
    Order::AliceFirst(Duration::ZERO),
    Order::AliceFirst(Duration::from_millis(30)),
    Order::AliceFirst(Duration::from_secs(1)),
    Order::BobFirst(Duration::from_millis(30)),
    Order::BobFirst(Duration::from_secs(1)),
];

/// Two public hosts that begin in one role, described to each other in this order.
fn conflict(seed: u64, role: Role, order: Order) -> Session {
    let [alice, bob] = [(); 2].map(|()| End::new(Nat::none(), role));
    let mut session = Session::new(World::new(seed), alice, bob).twenty_milliseconds();
    settle(&mut session, order);
    session
}

fn settle(session: &mut Session, order: Order) {
    session.end_bases();
    let (first, second, after) = match order {
        Order::AliceFirst(after) => (session.alice, session.bob, after),
        Order::BobFirst(after) => (session.bob, session.alice, after),
    };
    let stream = session.world.node(first).stream();
    session.describe(first, stream);
    session.world.run_for(after);
    session.describe(second, stream);
    assert!(session.settle(secs(10)), "{}", session.world.trace());
}

/// The end whose first check has the larger tie-breaker.
fn winner(session: &Session) -> NodeId {
    let first = |id| session.requests(id).into_iter().find_map(|request| request.claim).map(|(_, tie)| tie);
    if first(session.alice) > first(session.bob) { session.alice } else { session.bob }
}

/// The ends have different roles and one pair, nominated once, by the one that controls.
fn assert_settled(session: &Session) {
    session.assert_opposite_roles();
    session.assert_mirrored(1);
    let accepted = session.ends().map(|id| {
        let answers = session.sent(session.partner(id));
        let is_accepted = |check: &Sent| {
            answers.iter().any(|answer| answer.id == check.id && answer.class == Class::Success)
        };
        session.checks(id).into_iter().filter(|check| check.nominates && is_accepted(check)).count()
    });
    let controls = session.roles().map(|role| usize::from(role == Role::Controlling));
    assert_eq!(accepted, controls, "{}", session.world.trace());
}

/// Whether an end has answered a check with 487.
fn has_refused(session: &Session, id: NodeId) -> bool {
    session.sent(id).iter().any(|sent| sent.error == Some(487))
}

/// Proves: rfc8445-7.3.1.1-1, rfc8445-7.3.1.1-2, rfc8839-C-1
/// Scenario: S-23
#[test]
fn of_two_controlling_ends_the_one_with_the_larger_tie_breaker_stays_so() {
    for (seed, order) in (1..9).flat_map(|seed| ORDERS.map(|order| (seed, order))) {
        let mut session = conflict(seed, Role::Controlling, order);
        assert_settled(&session);
        let winner = winner(&session);
        let loser = session.partner(winner);
        assert_eq!(session.world.node(winner).agent().role(), Role::Controlling, "{seed} {order:?}");
        assert_eq!((session.switches(winner), session.switches(loser)), (0, 1), "{seed} {order:?}");
        session.assert_data_flows(1);
    }
}

/// Proves: rfc8445-7.3.1.1-3, rfc8445-7.3.1.1-4
/// Scenario: S-24
#[test]
fn of_two_controlled_ends_the_one_with_the_larger_tie_breaker_becomes_controlling() {
    for (seed, order) in (1..9).flat_map(|seed| ORDERS.map(|order| (seed, order))) {
        let mut session = conflict(seed, Role::Controlled, order);
        assert_settled(&session);
        let winner = winner(&session);
        let loser = session.partner(winner);
        assert_eq!(session.world.node(winner).agent().role(), Role::Controlling, "{seed} {order:?}");
        assert_eq!((session.switches(winner), session.switches(loser)), (1, 0), "{seed} {order:?}");
        session.assert_data_flows(1);
    }
}

/// Proves: rfc8445-7.2.5.1-1, rfc8445-7.2.5.1-2, rfc8445-7.2.5.1-3
#[test]
fn an_end_that_is_told_of_the_conflict_changes_role_and_tie_breaker_and_checks_again() {
    let mut told = 0;
    for (seed, order) in (1..9).flat_map(|seed| [ORDERS[2], ORDERS[4]].map(|order| (seed, order))) {
        let session = conflict(seed, Role::Controlling, order);
        let winner = winner(&session);
        let loser = session.partner(winner);
        if !has_refused(&session, winner) {
            continue;
        }
        told += 1;
        let checks = session.checks(loser);
        let claims: Vec<_> = checks.iter().map(|check| check.claim.unwrap()).collect();
        let (before, after) = (claims[0], claims[1]);
        assert_eq!((before.0, after.0), (Role::Controlling, Role::Controlled));
        assert_ne!(before.1, after.1);
        assert_eq!(checks[0].path, checks[1].path);
        let switched_at = session.when(loser, |event| matches!(event, Event::Role(_))).unwrap();
        assert!(checks[1].at.saturating_since(switched_at) <= ms(50), "in the next slot");
    }
    assert!(told > 3, "the loser was first in half of the cases");
}

/// Lets every check claim the tie-breaker of whom it is for, as long as its sender has its first one: to each of them the
/// two are equal. Such a check is one that its sender could have made.
fn equalize(session: &mut Session, ties: [u64; 2]) {
    let keys = session.ends().map(|id| {
        let peer = session.world.node(id);
        Key::short_term(peer.agent().local_credentials(peer.stream()).unwrap().password().as_bytes())
    });
    let alice = session.alice;
    session.world.filter(move |datagram| {
        let (own, other) = if datagram.from == alice { (0, 1) } else { (1, 0) };
        match Message::parse(&datagram.payload) {
            Ok(check) if check.class() == Class::Request => {
                let claimed = check.get::<IceControlling>().map(|it| it.unwrap().0);
                let claimed = claimed.or_else(|| check.get::<IceControlled>().map(|it| it.unwrap().0));
                match claimed == Some(ties[own]) {
                    true => Verdict::Replace(claim(&check, ties[other], &keys[other])),
                    false => Verdict::Deliver,
                }
            }
            _ => Verdict::Deliver,
        }
    });
}

/// The same check with another tie-breaker.
fn claim(check: &Message<'_>, tie_breaker: u64, key: &Key) -> Bytes {
    let mut out = Vec::new();
    let mut builder = Builder::request(&mut out, check.method(), check.transaction_id());
    for (attribute, value) in check.attributes() {
        builder = match attribute {
            AttributeType::MESSAGE_INTEGRITY | AttributeType::FINGERPRINT => builder,
            AttributeType::ICE_CONTROLLING => builder.attribute(&IceControlling(tie_breaker)),
            AttributeType::ICE_CONTROLLED => builder.attribute(&IceControlled(tie_breaker)),
            other => builder.raw(other, value),
        };
    }
    builder.integrity(key, Integrity::Sha1).fingerprint();
    out.into()
}

/// Proves: rfc8445-7.3.1.1-1, rfc8445-7.3.1.1-3, rfc8445-7.2.5.1-3
/// Scenario: S-25
#[test]
fn equal_tie_breakers_settle_in_bounded_time() {
    for (seed, order) in (1..9).flat_map(|seed| ORDERS.map(|order| (seed, order))) {
        for role in [Role::Controlling, Role::Controlled] {
            // The same seed makes the same tie-breakers, which a first run shows.
            let seen = conflict(seed, role, order);
            let ties = seen.ends().map(|id| seen.requests(id)[0].claim.unwrap().1);
            let [alice, bob] = [(); 2].map(|()| End::new(Nat::none(), role));
            let mut session = Session::new(World::new(seed), alice, bob).twenty_milliseconds();
            equalize(&mut session, ties);
            settle(&mut session, order);
            assert_settled(&session);
            let refusals = session.ends().map(|id| has_refused(&session, id));
            let first = match order {
                Order::AliceFirst(_) => session.alice,
                Order::BobFirst(_) => session.bob,
            };
            if role == Role::Controlling {
                assert!(
                    refusals[usize::from(first == session.alice)],
                    "equal is refused\n{}",
                    session.world.trace()
                );
            }
            let switches = session.switches(session.alice) + session.switches(session.bob);
            // At worst both take the other role, both are told to give it back, and one takes it again.
            assert!(switches % 2 == 1 && switches <= 5, "{switches}");
            session.assert_data_flows(1);
        }
    }
}

/// One end is behind a symmetric translator, so the other knows nobody at the address that the conflict comes from. The
/// check is answered all the same, one role changes, once, within two round trips of the first check, and the address is
/// learned.
///
/// Lesson: L-01
#[test]
fn a_conflict_that_comes_from_an_unknown_address_is_settled_in_two_round_trips() {
    let mut winners = [0, 0];
    for seed in 1..17 {
        let [alice, bob] = [Nat::symmetric(), Nat::none()].map(|nat| End::new(nat, Role::Controlling));
        let mut session = Session::new(World::new(seed), alice, bob).twenty_milliseconds();
        settle(&mut session, Order::AliceFirst(Duration::ZERO));
        assert_settled(&session);
        let learned = session.selected(session.bob, 1).unwrap();
        assert_eq!(learned.kinds[1], CandidateKind::PeerReflexive);
        let switches = session.ends().map(|id| session.switches(id));
        assert_eq!(switches.iter().sum::<usize>(), 1, "seed {seed}");
        winners[usize::from(switches[0] == 1)] += 1;
        let first = session.checks(session.alice)[0].at;
        let [ours, theirs] =
            session.ends().map(|id| session.when(id, |event| matches!(event, Event::Role(_))));
        let switched = ours.or(theirs).unwrap();
        assert!(switched.saturating_since(first) <= ms(80), "seed {seed}: {first:?} {switched:?}");
        session.assert_data_flows(1);
    }
    assert!(winners.iter().all(|count| *count > 2), "{winners:?}");
}
