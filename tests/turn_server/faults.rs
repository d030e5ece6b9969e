//! What the server can be told to do wrong.

use core::time::Duration;

use floe::sim::{Deviation, Fault, Node, TurnServer};
use floe::stun::{AlternateServer, Class, Message, Method, Nonce, XorMappedAddress};
use floe::turn::{Lifetime, RequestedTransport, XorRelayedAddress};

use crate::client::{Answer, CLIENT, Dialogue, PEER, server, socket};

fn with(deviation: Deviation) -> TurnServer {
    server().faulty(Fault::new(deviation).on(Method::ALLOCATE))
}

fn answer(deviation: Deviation) -> (Dialogue, Option<Answer>) {
    let mut dialogue = Dialogue::challenged(with(deviation));
    let request = dialogue.request(Method::ALLOCATE, |builder| builder.attribute(&RequestedTransport::UDP));
    let answer = dialogue.exchange(&request);
    (dialogue, answer)
}

#[test]
fn requests_are_refused_as_told() {
    for code in [400, 401, 403, 437, 438, 441, 442, 486, 500, 508] {
        for (deviation, signed) in [(Deviation::Refuse(code), true), (Deviation::RefuseUnsigned(code), false)]
        {
            let (dialogue, answer) = answer(deviation);
            let answer = answer.unwrap();
            assert_eq!(answer.code(), Some(code));
            assert_eq!(answer.message().verify(&dialogue.key()).is_ok(), signed, "{deviation:?}");
            assert_eq!(answer.get::<Nonce<'_>>().is_some(), matches!(code, 401 | 438));
            assert_eq!(dialogue.server.allocations().count(), 0);
            assert_eq!(
                dialogue.server.answered(Method::ALLOCATE, Some(code)),
                if code == 401 { 2 } else { 1 }
            );
        }
    }
}

#[test]
fn a_redirection_names_the_other_server() {
    let to = socket("192.0.2.200:3478");
    for (deviation, signed) in [(Deviation::Redirect(to), true), (Deviation::RedirectUnsigned(to), false)] {
        let (dialogue, answer) = answer(deviation);
        let answer = answer.unwrap();
        assert_eq!((answer.code(), answer.get()), (Some(300), Some(AlternateServer(to))));
        assert_eq!(answer.message().verify(&dialogue.key()).is_ok(), signed);
    }
    let fault = Fault::new(Deviation::Redirect(to)).on(Method::ALLOCATE).unauthenticated();
    let mut dialogue = Dialogue::new(server().faulty(fault), floe::sim::Mechanism::Rfc5389);
    assert_eq!(dialogue.bare(Method::ALLOCATE).unwrap().code(), Some(300));
}

#[test]
fn a_nonce_that_is_called_stale_is_replaced() {
    let mut dialogue = Dialogue::allocated(server());
    dialogue.server.fault(Fault::new(Deviation::StaleNonce).every(2));
    assert_eq!(dialogue.permit(PEER).code(), None);
    let stale = dialogue.permit(PEER);
    assert_eq!(stale.code(), Some(438));
    let fresh = stale.get::<Nonce<'_>>().unwrap().as_bytes().to_vec();
    assert_ne!(fresh, dialogue.nonce);
    dialogue.nonce = fresh;
    assert_eq!(dialogue.permit(PEER).code(), None);
    dialogue.server.mend();
    assert_eq!(dialogue.permit(PEER).code(), None);
    assert_eq!(dialogue.permit(PEER).code(), None);
}

#[test]
fn lifetimes_and_addresses_are_what_they_are_said_to_be() {
    for seconds in [0, 1, u32::MAX] {
        let (mut dialogue, answer) = answer(Deviation::Lifetime(seconds));
        assert_eq!(answer.unwrap().get(), Some(Lifetime(seconds)));
        assert_eq!(dialogue.server.allocations().count(), usize::from(seconds > 0));
        dialogue.pass(1);
        assert_eq!(dialogue.server.allocations().count(), usize::from(seconds > 1));
    }
    let elsewhere = socket("192.0.2.200:9");
    let (_, relayed) = answer(Deviation::Relayed(elsewhere));
    assert_eq!(relayed.unwrap().get(), Some(XorRelayedAddress(elsewhere)));
    let (_, mapped) = answer(Deviation::Mapped(elsewhere));
    assert_eq!(mapped.unwrap().get(), Some(XorMappedAddress(elsewhere)));
}

#[test]
fn an_ignored_request_changes_nothing_and_a_lost_answer_does() {
    let (dialogue, answer_to_ignored) = answer(Deviation::Ignore);
    assert!(answer_to_ignored.is_none());
    assert_eq!(dialogue.server.allocations().count(), 0);
    let (dialogue, lost) = answer(Deviation::Lose);
    assert!(lost.is_none());
    assert_eq!(dialogue.server.allocations().count(), 1);
}

#[test]
fn answers_are_late_doubled_or_spoilt() {
    let (mut dialogue, late) = answer(Deviation::Delay(Duration::from_secs(3)));
    assert!(late.is_none());
    dialogue.pass(2);
    assert!(dialogue.next().is_none());
    dialogue.server.handle_timeout(dialogue.now + Duration::from_secs(1));
    assert_eq!(dialogue.next().unwrap().code(), None);

    let (mut dialogue, twice) = answer(Deviation::Twice);
    assert_eq!(twice.map(|answer| answer.bytes), dialogue.next().map(|answer| answer.bytes));

    let (_, unsigned) = answer(Deviation::Unsigned);
    let unsigned = unsigned.unwrap();
    assert_eq!((unsigned.code(), unsigned.message().integrity_kind()), (None, None));

    let (dialogue, forged) = answer(Deviation::WrongIntegrity);
    let forged = forged.unwrap();
    assert!(forged.message().integrity_kind().is_some() && forged.message().verify(&dialogue.key()).is_err());

    let (dialogue, other) = answer(Deviation::WrongTransaction);
    let other = other.unwrap();
    assert_eq!(other.message().class(), Class::Success);
    assert!(other.message().verify(&dialogue.key()).is_ok());
    assert_eq!(other.message().transaction_id().as_bytes()[..8], [2, 0, 0, 0, 0, 0, 0, 0]);

    let (dialogue, elsewhere) = answer(Deviation::WrongSource);
    assert_ne!(elsewhere.unwrap().from, dialogue.path.local());

    let (mut dialogue, forestalled) = answer(Deviation::Forestall(437));
    let forestalled = forestalled.unwrap();
    assert_eq!((forestalled.code(), forestalled.message().integrity_kind()), (Some(437), None));
    let right = dialogue.next().unwrap();
    assert!(right.code().is_none() && right.message().verify(&dialogue.key()).is_ok());

    let (_, garbage) = answer(Deviation::Garbage);
    assert!(Message::parse(&garbage.unwrap().bytes).is_err());
}

#[test]
fn a_request_that_comes_again_gets_the_same_answer() {
    let fault = Fault::new(Deviation::WrongIntegrity).on(Method::ALLOCATE).times(1);
    let mut dialogue = Dialogue::challenged(server().faulty(fault));
    let request = dialogue.request(Method::ALLOCATE, |builder| builder.attribute(&RequestedTransport::UDP));
    assert!(dialogue.exchange(&request).unwrap().message().verify(&dialogue.key()).is_err());
    let again = dialogue.exchange(&request).unwrap();
    assert!(again.message().verify(&dialogue.key()).is_ok());
    assert_eq!((again.code(), dialogue.server.allocations().count()), (None, 1));
    assert_eq!(dialogue.server.retransmissions(), 1);
    assert_eq!(dialogue.server.answered(Method::ALLOCATE, None), 1);
    // Long after, it is another request.
    dialogue.pass(40);
    assert_eq!(dialogue.exchange(&request).unwrap().code(), Some(437));
    assert_eq!(dialogue.server.violations(), []);
    assert!(dialogue.server.allocation(socket(CLIENT)).is_some());
}
