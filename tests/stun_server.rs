//! A STUN server and a STUN client made of nothing but `floe::stun`, in the form the module documentation shows.

use core::net::SocketAddr;
use floe::stun::{
    AttributeType, Builder, Class, Due, ErrorCode, Failure, Fingerprint, Integrity, Key, Message, Method,
    Rto, Sent, TransactionId, Transactions, UnknownAttributes, Username, XorMappedAddress, authenticate,
    verify_response,
};
use floe::{Path, Timestamp};

/// Returns what to send back to `source`, from the socket that the datagram came in on.
fn answer(datagram: &[u8], source: SocketAddr, user: &str, key: &Key) -> Option<Vec<u8>> {
    let message = Message::parse(datagram).ok()?;
    if message.class() != Class::Request || message.method() != Method::BINDING {
        return None; // indications are not answered, and nobody was asked anything
    }
    if message.fingerprint() == Fingerprint::Wrong {
        return None;
    }
    let (method, id) = (message.method(), message.transaction_id());
    let mut out = Vec::new();
    let (request, key) = match authenticate(&message, |name| (name == user.as_bytes()).then_some(key)) {
        Ok(authenticated) => authenticated,
        Err(reason) => {
            Builder::error(&mut out, method, id, &reason.error_code()).fingerprint();
            return Some(out);
        }
    };
    let unknown: UnknownAttributes =
        request.unknown_required(|kind| kind == AttributeType::USERNAME).collect();
    let response = if unknown.is_empty() {
        Builder::success(&mut out, method, id).attribute(&XorMappedAddress(source))
    } else {
        Builder::error(&mut out, method, id, &ErrorCode::UNKNOWN_ATTRIBUTE).attribute(&unknown)
    };
    response.integrity(key, request.integrity()).fingerprint();
    Some(out)
}

/// What became of a datagram at the client.
#[derive(Debug, PartialEq)]
enum Outcome {
    Ignored,
    Mapped(SocketAddr),
    Refused(u16),
    Failed,
}

struct Client {
    transactions: Transactions<()>,
    key: Key,
}

impl Client {
    /// A client that has asked at time zero.
    fn asking() -> Self {
        let mut transactions = Transactions::new();
        let request = request(|builder| builder.integrity(&key(), Integrity::Sha1).fingerprint());
        transactions.start(Timestamp::ZERO, ID.into(), path(), request.into(), Rto::default(), ());
        Self { transactions, key: key() }
    }

    fn handle_datagram(&mut self, now: Timestamp, from: Path, datagram: &[u8]) -> Outcome {
        let Ok(message) = Message::parse(datagram) else { return Outcome::Ignored };
        let id = message.transaction_id();
        let answers = matches!(message.class(), Class::Success | Class::Error);
        if !answers || self.transactions.get(id).is_none_or(|transaction| transaction.path() != from) {
            return Outcome::Ignored;
        }
        if message.fingerprint() != Fingerprint::Valid {
            return Outcome::Ignored;
        }
        let Ok(response) = verify_response(&message, &self.key, Sent::Only(Integrity::Sha1)) else {
            self.transactions.note_forged(id);
            return Outcome::Ignored;
        };
        self.transactions.finish(now, id);
        let known = [AttributeType::XOR_MAPPED_ADDRESS, AttributeType::ERROR_CODE];
        if response.unknown_required(|kind| known.contains(&kind)).next().is_some() {
            return Outcome::Failed;
        }
        match (response.class(), response.get::<XorMappedAddress>(), response.get::<ErrorCode<'_>>()) {
            (Class::Success, Some(Ok(mapped)), _) => Outcome::Mapped(mapped.0),
            (Class::Error, _, Some(Ok(code))) => Outcome::Refused(code.code()),
            _ => Outcome::Failed,
        }
    }
}

const ID: [u8; 12] = [7; 12];

fn key() -> Key {
    Key::short_term(b"VOkJxbRl1RmTxUk/WvJxBt")
}

fn path() -> Path {
    Path::udp("203.0.113.9:50000".parse().unwrap(), "198.51.100.1:3478".parse().unwrap())
}

fn request(seal: impl FnOnce(Builder<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    seal(
        Builder::request(&mut out, Method::BINDING, TransactionId::from(ID))
            .attribute(&Username::new("alice").unwrap()),
    );
    out
}

fn answered(request: &[u8]) -> Vec<u8> {
    answer(request, path().local(), "alice", &key()).unwrap()
}

fn error_code(response: &[u8]) -> u16 {
    Message::parse(response).unwrap().get::<ErrorCode<'_>>().unwrap().unwrap().code()
}

/// Proves: rfc8489-6.3.1.1-2, rfc8489-5-9, rfc8489-6.3.1.1-3
#[test]
fn a_success_says_where_the_request_came_from() {
    for source in ["192.0.2.9:1234", "[2001:db8::9]:1234"] {
        let source = source.parse().unwrap();
        let request = request(|builder| builder.integrity(&key(), Integrity::Sha1).fingerprint());
        let response = answer(&request, source, "alice", &key()).unwrap();
        let response = Message::parse(&response).unwrap();
        assert_eq!((response.class(), response.transaction_id()), (Class::Success, ID.into()));
        let response = response.verify(&key()).unwrap();
        assert_eq!(response.get::<XorMappedAddress>(), Some(Ok(XorMappedAddress(source))));
    }
}

/// Proves: rfc8489-9.1.3-5
#[test]
fn a_response_has_the_integrity_of_its_request_and_no_username() {
    let sha1 = request(|builder| builder.integrity(&key(), Integrity::Sha1).fingerprint());
    let sha256 = request(|builder| builder.integrity(&key(), Integrity::Sha256).fingerprint());
    let both = request(|builder| builder.both_integrities(&key()).fingerprint());
    for (request, kind) in [(sha1, Integrity::Sha1), (sha256, Integrity::Sha256), (both, Integrity::Sha256)] {
        let response = answered(&request);
        let response = Message::parse(&response).unwrap();
        assert_eq!(response.contains(AttributeType::MESSAGE_INTEGRITY), kind == Integrity::Sha1);
        assert_eq!(response.contains(AttributeType::MESSAGE_INTEGRITY_SHA256), kind == Integrity::Sha256);
        assert!(!response.contains(AttributeType::USERNAME));
        assert_eq!(response.verify(&key()).unwrap().integrity(), kind);
    }
}

/// Proves: rfc8489-9.1.3-1, rfc8489-9.1.3-2, rfc8489-9.1.3-3, rfc8489-6.3.1.1-1, rfc8489-5-9
#[test]
fn a_request_that_is_not_authentic_gets_a_bare_error() {
    let other = Key::short_term(b"other");
    let absent = request(|builder| builder.fingerprint());
    let wrong = request(|builder| builder.integrity(&other, Integrity::Sha1).fingerprint());
    let good = request(|builder| builder.integrity(&key(), Integrity::Sha1).fingerprint());
    for (request, user, code) in [(absent, "alice", 400), (wrong, "alice", 401), (good, "bob", 401)] {
        let bytes = answer(&request, path().local(), user, &key()).unwrap();
        assert_eq!((error_code(&bytes), bytes.len()), (code, 36));
        let response = Message::parse(&bytes).unwrap();
        assert_eq!((response.class(), response.transaction_id()), (Class::Error, ID.into()));
        assert_eq!(response.integrity_kind(), None);
        assert!(!response.contains(AttributeType::USERNAME));
    }
}

/// Proves: rfc8489-9.1.3-1, rfc8489-6.3-1, rfc8489-6.3-2, rfc8489-6.3.2-1
#[test]
fn indications_responses_and_noise_get_no_answer() {
    let good = request(|builder| builder.integrity(&key(), Integrity::Sha1).fingerprint());
    let mut indication = Vec::new();
    Builder::indication(&mut indication, Method::BINDING, ID.into()).fingerprint();
    let mut wrong_fingerprint = good.clone();
    *wrong_fingerprint.last_mut().unwrap() ^= 1;
    for silent in
        [&indication, &answered(&good), &wrong_fingerprint, &good[..40].to_vec(), &b"noise".to_vec()]
    {
        assert_eq!(answer(silent, path().local(), "alice", &key()), None);
    }
}

/// Proves: rfc8489-6.3.1-1, rfc8489-6.3.1.1-3, rfc8489-6.3.1.1-1
#[test]
fn unknown_attributes_that_require_comprehension_get_a_signed_420_that_lists_them() {
    let unknown = [0x7f00, 0x7f01].map(AttributeType::new);
    let request = request(|builder| {
        let builder = unknown.iter().fold(builder, |builder, kind| builder.raw(*kind, b""));
        builder.integrity(&key(), Integrity::Sha1).fingerprint();
    });
    let response = answered(&request);
    assert_eq!(error_code(&response), 420);
    let response = Message::parse(&response).unwrap();
    let response = response.verify(&key()).unwrap();
    assert_eq!(response.get::<UnknownAttributes>().unwrap().unwrap().as_slice(), unknown);
}

/// Proves: rfc8489-6.3-3
#[test]
fn who_asks_comes_before_what_is_asked() {
    let other = Key::short_term(b"other");
    let unknown = AttributeType::new(0x7f00);
    let absent = request(|builder| builder.raw(unknown, b"").fingerprint());
    let wrong = request(|builder| builder.raw(unknown, b"").integrity(&other, Integrity::Sha1).fingerprint());
    assert_eq!([error_code(&answered(&absent)), error_code(&answered(&wrong))], [400, 401]);
}

/// Proves: rfc8489-6.3-4, rfc8489-9-1
#[test]
fn optional_attributes_and_those_after_integrity_are_no_obstacle() {
    let optional = request(|builder| {
        builder.raw(AttributeType::new(0xfffe), b"x").integrity(&key(), Integrity::Sha1).fingerprint();
    });
    assert_eq!(Message::parse(&answered(&optional)).unwrap().class(), Class::Success);
    let mut after = request(|builder| {
        builder.integrity(&key(), Integrity::Sha1);
    });
    after.extend_from_slice(&[0x7f, 0, 0, 0]);
    after[3] += 4;
    assert_eq!(Message::parse(&answered(&after)).unwrap().class(), Class::Success);
}

/// Proves: rfc8489-6.3.1-2
#[test]
fn a_retransmitted_request_gets_the_same_answer() {
    let request = request(|builder| builder.integrity(&key(), Integrity::Sha1).fingerprint());
    assert_eq!(answered(&request), answered(&request));
}

/// Proves: rfc8489-6.2.1-10, rfc8489-6.3.3-2
#[test]
fn the_client_takes_the_first_authentic_response() {
    let mut client = Client::asking();
    let response = answered(&request(|builder| builder.integrity(&key(), Integrity::Sha1).fingerprint()));
    let now = Timestamp::from_millis(40);
    assert_eq!(client.handle_datagram(now, path(), &response), Outcome::Mapped(path().local()));
    assert_eq!(client.handle_datagram(now, path(), &response), Outcome::Ignored);
    assert_eq!(client.transactions.deadline(), None);
}

/// Proves: rfc8489-5-10
#[test]
fn a_request_with_the_id_of_an_own_one_leaves_it_pending() {
    let mut client = Client::asking();
    let theirs = request(|builder| builder.integrity(&key(), Integrity::Sha1).fingerprint());
    assert_eq!(client.handle_datagram(Timestamp::ZERO, path(), &theirs), Outcome::Ignored);
    assert_eq!(Message::parse(&answered(&theirs)).unwrap().class(), Class::Success);
    assert_eq!(client.transactions.deadline(), Some(Timestamp::from_millis(500)));
}

/// Proves: rfc8489-9.1.4-2, rfc8489-14.8-2, rfc8489-6.3-2
#[test]
fn responses_that_prove_nothing_leave_the_schedule_alone() {
    let good = answered(&request(|builder| builder.integrity(&key(), Integrity::Sha1).fingerprint()));
    let mut bad_fingerprint = good;
    *bad_fingerprint.last_mut().unwrap() ^= 1;
    let forged = |class: fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        class(&mut out);
        out
    };
    let unsigned = forged(|out| {
        Builder::error(out, Method::BINDING, ID.into(), &ErrorCode::BAD_REQUEST).fingerprint();
    });
    let other_key = forged(|out| {
        let wrong = Key::short_term(b"wrong");
        Builder::success(out, Method::BINDING, ID.into()).integrity(&wrong, Integrity::Sha1).fingerprint();
    });
    let mut client = Client::asking();
    let mut sends = 1;
    let reason = loop {
        let now = client.transactions.deadline().unwrap();
        for response in [&bad_fingerprint, &unsigned, &other_key] {
            assert_eq!(client.handle_datagram(now, path(), response), Outcome::Ignored);
        }
        match client.transactions.next_due(now) {
            Some(Due::Retransmit { .. }) => sends += 1,
            Some(Due::Expired { reason, .. }) => break (now, reason),
            None => unreachable!(),
        }
    };
    assert_eq!(sends, 7);
    assert_eq!(reason, (Timestamp::from_millis(39_500), Failure::IntegrityViolated));
}

/// Proves: rfc8489-6.3.3-1, rfc8489-6.3.4-1, rfc8489-6.3.4-5, rfc8489-6.3.3-2
#[test]
fn an_authentic_response_that_cannot_be_understood_fails_the_transaction() {
    type Fill = for<'b> fn(Builder<'b>) -> Builder<'b>;
    let cases: [(Class, Fill, Outcome); 6] = [
        (Class::Success, |builder| builder, Outcome::Failed),
        (
            Class::Success,
            |builder| builder.raw(AttributeType::XOR_MAPPED_ADDRESS, &[0, 3, 0, 0, 0, 0, 0, 0]),
            Outcome::Failed,
        ),
        (
            Class::Success,
            |builder| {
                builder.attribute(&XorMappedAddress(path().local())).raw(AttributeType::new(0x7f00), b"")
            },
            Outcome::Failed,
        ),
        (Class::Error, |builder| builder.raw(AttributeType::new(0x7f00), b""), Outcome::Failed),
        (Class::Error, |builder| builder, Outcome::Refused(699)),
        (Class::Success, |builder| builder.raw(AttributeType::ERROR_CODE, &[0, 0, 2, 0]), Outcome::Failed),
    ];
    for (class, fill, outcome) in cases {
        let mut client = Client::asking();
        let mut out = Vec::new();
        let builder = match class {
            Class::Error => {
                Builder::error(&mut out, Method::BINDING, ID.into(), &ErrorCode::new(699).unwrap())
            }
            _ => Builder::success(&mut out, Method::BINDING, ID.into()),
        };
        fill(builder).integrity(&key(), Integrity::Sha1).fingerprint();
        assert_eq!(client.handle_datagram(Timestamp::ZERO, path(), &out), outcome);
        assert!(client.transactions.is_empty());
    }
}
