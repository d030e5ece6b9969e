use super::*;
use crate::stun::{AttributeType, Method};
use alloc::vec::Vec;
use core::cell::Cell;

const ID: [u8; 12] = [7; 12];

fn key() -> Key {
    Key::short_term(b"VOkJxbRl1RmTxUk/WvJxBt")
}

fn message(username: Option<&str>, seal: impl FnOnce(Builder<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = Builder::request(&mut out, Method::BINDING, ID.into());
    if let Some(username) = username {
        builder = builder.attribute(&Username::new(username).unwrap());
    }
    seal(builder);
    out
}

fn response(seal: impl FnOnce(Builder<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    seal(Builder::success(&mut out, Method::BINDING, ID.into()));
    out
}

/// The verdict about a message when only "alice" is known, and whether her key was asked for.
fn verdict(bytes: &[u8]) -> (Result<Integrity, Unauthenticated>, bool) {
    let (alice, asked) = (key(), Cell::new(false));
    let key_of = |name: &[u8]| {
        asked.set(true);
        (name == b"alice").then_some(&alice)
    };
    let message = Message::parse(bytes).unwrap();
    (authenticate(&message, key_of).map(|(verified, _)| verified.integrity()), asked.get())
}

/// Proves: rfc8489-9.1.3-1
#[test]
fn without_credentials_the_answer_is_400_and_nobody_is_looked_up() {
    let no_integrity = message(Some("alice"), |builder| builder.fingerprint());
    let no_username = message(None, |builder| {
        builder.integrity(&key(), Integrity::Sha1);
    });
    let malformed = message(None, |builder| {
        builder.raw(AttributeType::USERNAME, &[b'a'; 764]).integrity(&key(), Integrity::Sha1);
    });
    for bytes in [no_integrity, no_username, malformed] {
        assert_eq!(verdict(&bytes), (Err(Unauthenticated::NoCredentials), false));
    }
    assert_eq!(Unauthenticated::NoCredentials.error_code().code(), 400);
}

/// Proves: rfc8489-9.1.3-2
#[test]
fn an_unknown_user_gets_401() {
    let mallory = message(Some("mallory"), |builder| {
        builder.integrity(&key(), Integrity::Sha1);
    });
    let no_text = message(None, |builder| {
        builder.raw(AttributeType::USERNAME, b"\xff").integrity(&key(), Integrity::Sha1);
    });
    for bytes in [mallory, no_text] {
        assert_eq!(verdict(&bytes), (Err(Unauthenticated::UnknownUser), true));
    }
    assert_eq!(Unauthenticated::UnknownUser.error_code().code(), 401);
}

/// Proves: rfc8489-9.1.3-3
#[test]
fn a_wrong_password_gets_401() {
    let wrong = Key::short_term(b"wrong");
    for integrity in [Integrity::Sha1, Integrity::Sha256] {
        let bytes = message(Some("alice"), |builder| {
            builder.integrity(&wrong, integrity);
        });
        assert_eq!(verdict(&bytes), (Err(Unauthenticated::WrongIntegrity), true));
    }
    assert_eq!(Unauthenticated::WrongIntegrity.error_code().code(), 401);
}

/// Proves: rfc8489-9.1.3-4
#[test]
fn sha256_is_the_integrity_that_is_verified_where_there_is_one() {
    let both = message(Some("alice"), |builder| {
        builder.both_integrities(&key());
    });
    assert_eq!(verdict(&both).0, Ok(Integrity::Sha256));
    let mut bad_sha256 = both;
    *bad_sha256.last_mut().unwrap() ^= 1;
    assert_eq!(verdict(&bad_sha256).0, Err(Unauthenticated::WrongIntegrity));
    let sha1 = message(Some("alice"), |builder| {
        builder.integrity(&key(), Integrity::Sha1);
    });
    assert_eq!(verdict(&sha1).0, Ok(Integrity::Sha1));
}

/// Proves: rfc8489-9.1.4-1
#[test]
fn a_response_of_another_kind_than_the_request_is_turned_down() {
    for (sent, came) in [(Integrity::Sha1, Integrity::Sha256), (Integrity::Sha256, Integrity::Sha1)] {
        let bytes = response(|builder| {
            builder.integrity(&key(), came);
        });
        let message = Message::parse(&bytes).unwrap();
        let verdict = |sent| verify_response(&message, &key(), sent).map(|verified| verified.integrity());
        assert_eq!(verdict(Sent::Only(sent)), Err(IntegrityError::OtherKind));
        assert_eq!(verdict(Sent::Only(came)), Ok(came));
        assert_eq!(verdict(Sent::Both), Ok(came));
    }
}

/// Proves: rfc8489-14.8-2
/// Lesson: L-64
#[test]
fn a_response_without_right_integrity_is_turned_down() {
    let mut unsigned = Vec::new();
    Builder::error(&mut unsigned, Method::BINDING, ID.into(), &ErrorCode::BAD_REQUEST).fingerprint();
    let wrong = response(|builder| {
        builder.integrity(&Key::short_term(b"wrong"), Integrity::Sha1);
    });
    let verdict = |bytes: &[u8]| {
        let message = Message::parse(bytes).unwrap();
        verify_response(&message, &key(), Sent::Only(Integrity::Sha1)).map(|_| ())
    };
    assert_eq!(verdict(&unsigned), Err(IntegrityError::Absent));
    assert_eq!(verdict(&wrong), Err(IntegrityError::Wrong));
}

/// Proves: rfc8489-9.1.2-1, rfc8489-9.1.2-2
#[test]
fn a_client_without_knowledge_of_the_server_sends_both_integrities() {
    let bytes = message(Some("alice"), |builder| {
        ShortTerm::new(key()).seal(builder);
    });
    let request = Message::parse(&bytes).unwrap();
    assert!(request.contains(AttributeType::MESSAGE_INTEGRITY));
    assert!(request.contains(AttributeType::MESSAGE_INTEGRITY_SHA256));
    assert!(request.contains(AttributeType::USERNAME));
    for agreed in [Integrity::Sha1, Integrity::Sha256] {
        let bytes = message(Some("alice"), |builder| {
            ShortTerm::agreed(key(), agreed).seal(builder);
        });
        let request = Message::parse(&bytes).unwrap();
        assert_eq!(request.contains(AttributeType::MESSAGE_INTEGRITY), agreed == Integrity::Sha1);
        assert_eq!(request.contains(AttributeType::MESSAGE_INTEGRITY_SHA256), agreed == Integrity::Sha256);
    }
}

/// Proves: rfc8489-9.1.5-1
#[test]
fn the_first_authentic_response_settles_the_kind_of_later_requests() {
    for kind in [Integrity::Sha1, Integrity::Sha256] {
        let mut credential = ShortTerm::new(key());
        let forged = response(|builder| {
            builder.integrity(&Key::short_term(b"wrong"), kind);
        });
        assert!(credential.verify(&Message::parse(&forged).unwrap(), Sent::Both).is_err());
        assert_eq!(credential.sent(), Sent::Both);

        let authentic = response(|builder| {
            builder.integrity(&key(), kind);
        });
        assert!(credential.verify(&Message::parse(&authentic).unwrap(), Sent::Both).is_ok());
        assert_eq!(credential.sent(), Sent::Only(kind));
        let later = message(Some("alice"), |builder| {
            credential.seal(builder);
        });
        let later = Message::parse(&later).unwrap();
        assert_eq!(later.contains(AttributeType::MESSAGE_INTEGRITY), kind == Integrity::Sha1);
        assert_eq!(later.contains(AttributeType::MESSAGE_INTEGRITY_SHA256), kind == Integrity::Sha256);
    }
}
