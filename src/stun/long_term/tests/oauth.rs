//! Third-party authorization (RFC 7635).

use super::*;
use crate::stun::{AccessToken, Unit};

const SERVER: &[u8] = b"turn1@example.com";
const MAC_KEY: &[u8] = b"twenty bytes of key!";

fn token(bytes: &[u8]) -> Token {
    Token::new("22BIjxU93h/IgwEb", bytes, MAC_KEY).unwrap()
}

/// A 401 of a server that takes tokens.
fn offer() -> Vec<u8> {
    refusal(
        401,
        &[
            (AttributeType::REALM, REALM.as_bytes()),
            (AttributeType::NONCE, OLD),
            (AttributeType::THIRD_PARTY_AUTHORIZATION, SERVER),
        ],
    )
}

/// A credential that has been asked for a token, or for whatever it has.
fn asked(mut credential: LongTerm) -> (LongTerm, Is, Sealing) {
    let (_, bare) = request(&credential, Method::ALLOCATE, None);
    let verdict = verdict(&mut credential, &offer(), bare);
    (credential, verdict, bare)
}

fn with_token(bytes: &[u8]) -> LongTerm {
    let mut credential = LongTerm::third_party();
    credential.set_token(token(bytes));
    credential
}

/// Proves: rfc7635-4-1
#[test]
fn without_a_token_the_name_of_the_server_is_told_and_its_challenge_kept() {
    let (mut credential, verdict, bare) = asked(LongTerm::third_party());
    assert_eq!(verdict, Is::Refused(Refusal::TokenWanted));
    assert_eq!(credential.third_party_server(), Some("turn1@example.com"));
    assert_eq!(types(&request(&credential, Method::ALLOCATE, None).0), []);

    credential.set_token(token(b"token"));
    let (bytes, _) = request(&credential, Method::ALLOCATE, Some(bare));
    assert_eq!(value(&bytes, AttributeType::REALM).unwrap(), REALM.as_bytes());
    assert_eq!(value(&bytes, AttributeType::NONCE).unwrap(), OLD);
}

/// Proves: rfc7635-5-1, rfc7635-6.2-1
#[test]
fn a_token_travels_as_it_is_under_the_name_and_with_the_key_that_came_with_it() {
    let bytes: Vec<u8> = (100..200).collect();
    let (credential, verdict, bare) = asked(with_token(&bytes));
    assert_eq!(verdict, Is::Retry);
    let (request, _) = request(&credential, Method::ALLOCATE, Some(bare));
    assert_eq!(value(&request, AttributeType::USERNAME).unwrap(), b"22BIjxU93h/IgwEb");
    let message = Message::parse(&request).unwrap();
    assert_eq!(message.get(), Some(Ok(AccessToken(&bytes))));
    let verified = message.verify(&Key::short_term(MAC_KEY)).unwrap();
    assert_eq!(verified.integrity(), Integrity::Sha1);
}

/// Proves: rfc7635-6.1-1
#[test]
fn a_token_goes_before_a_password_where_tokens_are_taken() {
    let sent_token = |response: &[u8], mut credential: LongTerm| {
        let (_, bare) = request(&credential, Method::ALLOCATE, None);
        assert_eq!(verdict(&mut credential, response, bare), Is::Retry);
        let (bytes, _) = request(&credential, Method::ALLOCATE, Some(bare));
        value(&bytes, AttributeType::ACCESS_TOKEN).is_some()
    };
    let mut both = alice();
    both.set_token(token(b"token"));
    assert!(sent_token(&offer(), both.clone()));
    assert!(!sent_token(&challenge(401, OLD, None), both));
    assert!(!sent_token(&offer(), alice()), "no token to send");

    let (mut credential, bare) = (with_token(b"token"), request(&alice(), Method::ALLOCATE, None).1);
    let verdict = verdict(&mut credential, &challenge(401, OLD, None), bare);
    assert_eq!(verdict, Is::Refused(Refusal::PasswordWanted));
}

/// Proves: rfc7635-6.2-2
#[test]
fn a_token_that_fits_into_no_datagram_is_refused() {
    let attribute = AttributeType::ACCESS_TOKEN;
    assert!(Token::new("kid", &[0; 1024], MAC_KEY).is_ok());
    let error = Token::new("kid", &[0; 1025], MAC_KEY).unwrap_err();
    assert_eq!(error, EncodeError::TooLong { attribute, limit: 1024, unit: Unit::Bytes });
    assert!(Token::new(&"x".repeat(509), b"token", MAC_KEY).is_err());
}

/// Proves: rfc7635-8-1
#[test]
fn answers_without_the_key_of_the_token_are_forged() {
    let (mut credential, _, bare) = asked(with_token(b"token"));
    let (_, sent) = request(&credential, Method::ALLOCATE, Some(bare));
    let mut unsigned = Vec::new();
    Builder::success(&mut unsigned, Method::ALLOCATE, ID.into()).fingerprint();
    assert_eq!(verdict(&mut credential, &unsigned, sent), Is::Forged(IntegrityError::Absent));
    let wrong = success(&Key::short_term(b"another key"), Integrity::Sha1);
    assert_eq!(verdict(&mut credential, &wrong, sent), Is::Forged(IntegrityError::Wrong));
    let right = success(&Key::short_term(MAC_KEY), Integrity::Sha1);
    assert_eq!(verdict(&mut credential, &right, sent), Is::Authentic(Integrity::Sha1));
}

/// Proves: rfc7635-9-1
#[test]
fn only_allocate_and_refresh_carry_the_token() {
    let (credential, ..) = asked(with_token(b"token"));
    for (method, expected) in [
        (Method::ALLOCATE, true),
        (Method::REFRESH, true),
        (Method::CREATE_PERMISSION, false),
        (Method::CHANNEL_BIND, false),
        (Method::CONNECT, false),
        (Method::CONNECTION_BIND, false),
    ] {
        let (bytes, _) = request(&credential, method, None);
        assert_eq!(value(&bytes, AttributeType::ACCESS_TOKEN).is_some(), expected, "{method:?}");
        assert_eq!(seals(&bytes), (true, false));
    }
}

/// Proves: rfc7635-9-2
#[test]
fn a_new_token_goes_out_with_the_next_refresh() {
    let (mut credential, ..) = asked(with_token(b"first"));
    credential.set_token(Token::new("second kid", b"second", b"second key").unwrap());
    let (bytes, _) = request(&credential, Method::REFRESH, None);
    assert_eq!(value(&bytes, AttributeType::ACCESS_TOKEN).unwrap(), b"second");
    assert_eq!(value(&bytes, AttributeType::USERNAME).unwrap(), b"second kid");
    assert!(Message::parse(&bytes).unwrap().verify(&Key::short_term(b"second key")).is_ok());
}

#[test]
fn a_stale_nonce_does_not_make_the_token_forgotten() {
    let (mut credential, ..) = asked(with_token(b"token"));
    let (_, sent) = request(&credential, Method::REFRESH, None);
    assert_eq!(verdict(&mut credential, &challenge(438, b"fresh", None), sent), Is::Retry);
    let (bytes, _) = request(&credential, Method::REFRESH, Some(sent));
    assert_eq!(value(&bytes, AttributeType::ACCESS_TOKEN).unwrap(), b"token");
    assert_eq!(value(&bytes, AttributeType::NONCE).unwrap(), b"fresh");
}

#[test]
fn tokens_are_not_printed() {
    assert_eq!(
        alloc::format!("{:?} {:?}", token(b"token"), AccessToken(b"token")),
        "Token(***) AccessToken(5 bytes)"
    );
}
