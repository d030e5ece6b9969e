//! What clients must not do is seen.

use floe::sim::{Mechanism, Node, Violation};
use floe::stun::{
    AttributeType, Builder, Integrity, Method, PasswordAlgorithm, Realm, TransactionId, Username,
};
use floe::turn::{
    AdditionalAddressFamily, AddressFamily, ChannelNumber, EvenPort, RequestedAddressFamily,
    RequestedTransport, ReservationToken, XorPeerAddress,
};

use crate::client::{Dialogue, REALM, server, socket};

/// The violations so far, without their times; forgets nothing.
fn seen(dialogue: &Dialogue) -> Vec<Violation> {
    dialogue.server.violations().iter().map(|(_, violation)| *violation).collect()
}

#[test]
fn datagrams_that_no_client_sends() {
    let mut dialogue = Dialogue::allocated(server());
    dialogue.server.handle_datagram(dialogue.now, dialogue.path, b"hello");
    dialogue.server.handle_datagram(dialogue.now, dialogue.path, &[0x50, 0, 0, 0]);
    let mut spoilt = dialogue.request(Method::REFRESH, |builder| builder);
    *spoilt.last_mut().unwrap() ^= 1;
    dialogue.server.handle_datagram(dialogue.now, dialogue.path, &spoilt);
    let mut data = Vec::new();
    let _ = Builder::indication(&mut data, Method::DATA, TransactionId::from([9; 12]));
    dialogue.server.handle_datagram(dialogue.now, dialogue.path, &data);
    let mut send = Vec::new();
    let _ = Builder::indication(&mut send, Method::SEND, TransactionId::from([9; 12]));
    dialogue.server.handle_datagram(dialogue.now, dialogue.path, &send);
    assert_eq!(
        seen(&dialogue),
        [
            Violation::Unreadable,
            Violation::Unreadable,
            Violation::Fingerprint,
            Violation::Unexpected(Method::DATA),
            Violation::Malformed(Method::SEND),
        ]
    );
}

#[test]
fn credentials_left_out_or_told_too_early() {
    let mut dialogue = Dialogue::allocated(server());
    assert_eq!(dialogue.bare(Method::REFRESH).unwrap().code(), Some(401));
    let mut early = Vec::new();
    let _ = Builder::request(&mut early, Method::ALLOCATE, TransactionId::from([9; 12]))
        .attribute(&Username::new("alice").unwrap());
    assert_eq!(dialogue.exchange(&early).unwrap().code(), Some(401));
    let (mut anonymous, key) = (Vec::new(), dialogue.key());
    let _ = Builder::request(&mut anonymous, Method::ALLOCATE, TransactionId::from([8; 12]))
        .attribute(&Realm::new(REALM).unwrap())
        .integrity(&key, Integrity::Sha1);
    assert_eq!(dialogue.exchange(&anonymous).unwrap().code(), Some(400));
    assert_eq!(
        seen(&dialogue),
        [
            Violation::Unauthenticated(Method::REFRESH),
            Violation::Disclosed(AttributeType::USERNAME),
            Violation::Incomplete(AttributeType::USERNAME),
            Violation::Incomplete(AttributeType::NONCE),
        ]
    );
}

#[test]
fn nonces_that_were_never_given_and_ids_that_were_used_before() {
    let mut dialogue = Dialogue::allocated(server());
    dialogue.nonce = b"nonce00000000000000ff".to_vec();
    assert_eq!(dialogue.ask(Method::REFRESH, |builder| builder).code(), Some(438));
    let mut again = Vec::new();
    let mut id = [0; 12];
    id[11] = 1;
    let _ = Builder::request(&mut again, Method::BINDING, TransactionId::from(id));
    assert!(dialogue.exchange(&again).is_none());
    assert_eq!(seen(&dialogue), [Violation::Invented(AttributeType::NONCE), Violation::TransactionReused]);
}

#[test]
fn algorithms_not_echoed_or_weakened() {
    let mut dialogue = Dialogue::new(server(), Mechanism::Sha256);
    dialogue.take_challenge();
    let sealed = |dialogue: &mut Dialogue, algorithms: &[u8], integrity: Integrity| {
        let (mut out, key, id) = (Vec::new(), dialogue.key(), dialogue.id());
        let _ = Builder::request(&mut out, Method::ALLOCATE, id)
            .attribute(&Username::new("alice").unwrap())
            .attribute(&Realm::new(REALM).unwrap())
            .raw(AttributeType::NONCE, &dialogue.nonce)
            .raw(AttributeType::PASSWORD_ALGORITHMS, algorithms)
            .attribute(&PasswordAlgorithm::SHA256)
            .attribute(&RequestedTransport::UDP)
            .integrity(&key, integrity);
        dialogue.exchange(&out).unwrap().code()
    };
    assert_eq!(sealed(&mut dialogue, &[0, 2, 0, 0], Integrity::Sha256), Some(400));
    assert_eq!(sealed(&mut dialogue, &[0, 2, 0, 0, 0, 1, 0, 0], Integrity::Sha1), None);
    // As if the server were an old one.
    dialogue.mechanism = Mechanism::Rfc5389;
    assert_eq!(dialogue.ask(Method::REFRESH, |builder| builder).code(), None);
    assert_eq!(
        seen(&dialogue),
        [Violation::Algorithms, Violation::Weakened, Violation::Weakened, Violation::Algorithms]
    );

    let mut dialogue = Dialogue::new(server(), Mechanism::Anonymous);
    dialogue.take_challenge();
    dialogue.mechanism = Mechanism::Sha256;
    assert_eq!(dialogue.allocate(|builder| builder).code(), None);
    assert_eq!(seen(&dialogue), [Violation::NameShown]);
}

#[test]
fn attributes_missing_or_in_bad_company() {
    let mut dialogue = Dialogue::challenged(server());
    let reserve = EvenPort { reserve: true };
    let ipv6 = RequestedAddressFamily(AddressFamily::Ipv6);
    let codes = [
        dialogue.ask(Method::ALLOCATE, |builder| builder).code(),
        dialogue.allocate(|builder| builder.attribute(&ipv6).attribute(&AdditionalAddressFamily)).code(),
        dialogue.allocate(|builder| builder.attribute(&reserve).attribute(&AdditionalAddressFamily)).code(),
        dialogue.allocate(|builder| builder.attribute(&reserve).attribute(&ReservationToken([1; 8]))).code(),
        dialogue.allocate(|builder| builder.attribute(&ipv6).attribute(&ReservationToken([1; 8]))).code(),
        dialogue.ask(Method::CREATE_PERMISSION, |builder| builder).code(),
        dialogue.ask(Method::CHANNEL_BIND, |builder| builder.attribute(&ChannelNumber::MIN)).code(),
    ];
    assert_eq!(codes, [Some(400); 7]);
    let unknown = dialogue.ask(Method::REFRESH, |builder| builder.raw(AttributeType::new(0x7777), &[]));
    assert_eq!(unknown.code(), Some(420));
    let mut expected = vec![Violation::Malformed(Method::ALLOCATE); 5];
    expected.push(Violation::Malformed(Method::CREATE_PERMISSION));
    expected.push(Violation::Malformed(Method::CHANNEL_BIND));
    expected.push(Violation::UnknownAttribute(AttributeType::new(0x7777)));
    assert_eq!(seen(&dialogue), expected);
}

#[test]
fn channels_bound_twice_or_too_soon() {
    let mut dialogue = Dialogue::allocated(server().lifetimes(3600, 3600));
    let (first, second) = (ChannelNumber::MIN, ChannelNumber::MAX);
    let bind = |dialogue: &mut Dialogue, number: ChannelNumber, peer: &str| {
        let peer = XorPeerAddress(socket(peer));
        dialogue.ask(Method::CHANNEL_BIND, |builder| builder.attribute(&number).attribute(&peer)).code()
    };
    assert_eq!(bind(&mut dialogue, first, "192.0.2.1:1"), None);
    assert_eq!(bind(&mut dialogue, first, "192.0.2.1:1"), None);
    assert_eq!(bind(&mut dialogue, first, "192.0.2.1:2"), Some(400));
    assert_eq!(bind(&mut dialogue, second, "192.0.2.1:1"), Some(400));
    dialogue.pass(600);
    assert_eq!(bind(&mut dialogue, second, "192.0.2.1:1"), None);
    dialogue.pass(300);
    assert_eq!(bind(&mut dialogue, first, "192.0.2.1:2"), None);
    assert_eq!(
        seen(&dialogue),
        [Violation::ChannelTaken(first), Violation::ChannelTaken(second), Violation::ChannelHasty(second)]
    );
}
