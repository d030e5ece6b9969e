use super::*;
use crate::stun::{
    Attribute, AttributeType, Integrity, Key, Method, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm,
    userhash,
};
use alloc::vec::Vec;

mod forgeries;
mod oauth;

const ID: [u8; 12] = [7; 12];
const REALM: &str = "example.org";
/// What a server of RFC 5389 has for a nonce.
const OLD: &[u8] = b"f//499k954d6OL34oL9FSTvy64sA";
/// Nonces that announce no features, password algorithms, anonymity, both.
const PLAIN: &[u8] = b"obMatJos2AAAAf//4";
const ALGORITHMS: &[u8] = b"obMatJos2gAAAf//4";
const ANONYMOUS: &[u8] = b"obMatJos2QAAAf//4";
const BOTH: &[u8] = b"obMatJos2wAAAf//4";
/// Values of PASSWORD-ALGORITHMS.
const MD5: &[u8] = &[0, 1, 0, 0];
const SHA256: &[u8] = &[0, 2, 0, 0];
const MD5_AND_SHA256: &[u8] = &[0, 1, 0, 0, 0, 2, 0, 0];

fn alice() -> LongTerm {
    LongTerm::new("alice", "secret").unwrap()
}

fn legacy_key(password: &str) -> Key {
    Key::long_term_md5(b"alice", REALM.as_bytes(), password.as_bytes())
}

fn sha256_key() -> Key {
    Key::long_term_sha256(b"alice", REALM.as_bytes(), b"secret")
}

fn request(credential: &LongTerm, method: Method, repeats: Option<Sealing>) -> (Vec<u8>, Sealing) {
    let mut out = Vec::new();
    let sealing = credential.seal(Builder::request(&mut out, method, ID.into()), repeats);
    (out, sealing)
}

/// A response without integrity.
fn refusal(code: u16, attributes: &[(AttributeType, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = Builder::error(&mut out, Method::ALLOCATE, ID.into(), &ErrorCode::new(code).unwrap());
    for (kind, value) in attributes {
        builder = builder.raw(*kind, value);
    }
    builder.fingerprint();
    out
}

fn challenge(code: u16, nonce: &[u8], algorithms: Option<&[u8]>) -> Vec<u8> {
    let realm = (AttributeType::REALM, REALM.as_bytes());
    let mut attributes = [realm, (AttributeType::NONCE, nonce)].to_vec();
    attributes.extend(algorithms.map(|list| (AttributeType::PASSWORD_ALGORITHMS, list)));
    refusal(code, &attributes)
}

fn success(key: &Key, integrity: Integrity) -> Vec<u8> {
    let mut out = Vec::new();
    Builder::success(&mut out, Method::ALLOCATE, ID.into()).integrity(key, integrity).fingerprint();
    out
}

/// The verdict in brief.
#[derive(Debug, PartialEq)]
enum Is {
    Authentic(Integrity),
    Unprotected,
    Retry,
    Refused(Refusal),
    Forged(IntegrityError),
    Discarded(Discarded),
}

fn verdict(credential: &mut LongTerm, response: &[u8], sent: Sealing) -> Is {
    match credential.handle_response(&Message::parse(response).unwrap(), sent) {
        Verdict::Authentic(verified) => Is::Authentic(verified.integrity()),
        Verdict::Unprotected => Is::Unprotected,
        Verdict::Retry => Is::Retry,
        Verdict::Refused(refusal) => Is::Refused(refusal),
        Verdict::Forged(error) => Is::Forged(error),
        Verdict::Discarded(reason) => Is::Discarded(reason),
    }
}

/// A credential that has met a challenge, and how its second request left.
fn challenged(nonce: &[u8], algorithms: Option<&[u8]>) -> (LongTerm, Vec<u8>, Sealing) {
    let mut credential = alice();
    let (_, bare) = request(&credential, Method::ALLOCATE, None);
    assert_eq!(verdict(&mut credential, &challenge(401, nonce, algorithms), bare), Is::Retry);
    let (bytes, sealing) = request(&credential, Method::ALLOCATE, Some(bare));
    (credential, bytes, sealing)
}

/// The same, after its second request was granted.
fn accepted(nonce: &[u8], algorithms: Option<&[u8]>) -> LongTerm {
    let (mut credential, _, sent) = challenged(nonce, algorithms);
    let response = match algorithms {
        Some(list) if list.contains(&2) => success(&sha256_key(), Integrity::Sha256),
        Some(_) => success(&legacy_key("secret"), Integrity::Sha256),
        None => success(&legacy_key("secret"), Integrity::Sha1),
    };
    assert!(matches!(verdict(&mut credential, &response, sent), Is::Authentic(_)));
    credential
}

fn types(message: &[u8]) -> Vec<AttributeType> {
    Message::parse(message).unwrap().attributes().map(|(kind, _)| kind).collect()
}

fn value(message: &[u8], kind: AttributeType) -> Option<Vec<u8>> {
    let message = Message::parse(message).unwrap();
    message.attributes().find(|(other, _)| *other == kind).map(|(_, value)| value.to_vec())
}

/// Which integrity attributes a message has.
fn seals(message: &[u8]) -> (bool, bool) {
    let message = Message::parse(message).unwrap();
    (
        message.contains(AttributeType::MESSAGE_INTEGRITY),
        message.contains(AttributeType::MESSAGE_INTEGRITY_SHA256),
    )
}

/// Proves: rfc8489-9.2.3.1-1
#[test]
fn the_first_request_goes_out_bare() {
    let (bytes, _) = request(&alice(), Method::ALLOCATE, None);
    assert_eq!(types(&bytes), []);
    assert_eq!(seals(&bytes), (false, false));
}

/// Proves: rfc8489-9.2-2
#[test]
fn indications_are_never_authenticated() {
    let credential = accepted(OLD, None);
    let mut out = Vec::new();
    credential.seal(Builder::indication(&mut out, Method::SEND, ID.into()), None);
    assert_eq!((types(&out), seals(&out)), (Vec::new(), (false, false)));
}

/// Proves: rfc8489-9.2.5-2, rfc8489-9.2.5-4, rfc8489-9.2.2-1
#[test]
fn a_challenge_of_an_old_server_is_answered_by_md5_and_sha1() {
    let (_, bytes, _) = challenged(OLD, None);
    type T = AttributeType;
    assert_eq!(types(&bytes), [T::USERNAME, T::REALM, T::NONCE]);
    assert_eq!(seals(&bytes), (true, false));
    assert_eq!(value(&bytes, T::NONCE).unwrap(), OLD);
    assert!(Message::parse(&bytes).unwrap().verify(&legacy_key("secret")).is_ok());
    assert!(Message::parse(&bytes).unwrap().verify(&sha256_key()).is_err());
}

/// Proves: rfc8489-9.2.5-5, rfc8489-9.2.5-13
#[test]
fn the_list_of_algorithms_is_echoed_and_sha256_chosen_where_it_is_on_it() {
    type T = AttributeType;
    let odd: &[u8] = &[0x77, 0x77, 0, 1, 0xff, 9, 9, 9, 0, 1, 0, 0];
    let parameters: &[u8] = &[0, 2, 0, 4, 1, 2, 3, 4, 0, 1, 0, 0];
    let table = [
        (MD5_AND_SHA256, SHA256),
        (&[0, 2, 0, 0, 0, 1, 0, 0], SHA256),
        (SHA256, SHA256),
        (MD5, MD5),
        (odd, MD5),
        (parameters, MD5),
    ];
    for (offered, chosen) in table {
        let (_, bytes, _) = challenged(ALGORITHMS, Some(offered));
        let expected = [T::USERNAME, T::REALM, T::NONCE, T::PASSWORD_ALGORITHMS, T::PASSWORD_ALGORITHM];
        assert_eq!(types(&bytes), expected);
        assert_eq!(value(&bytes, T::PASSWORD_ALGORITHMS).unwrap(), offered);
        assert_eq!(value(&bytes, T::PASSWORD_ALGORITHM).unwrap(), chosen);
        assert_eq!(seals(&bytes), (false, true), "SHA-256 only");
        let key = if chosen == SHA256 { sha256_key() } else { legacy_key("secret") };
        assert!(Message::parse(&bytes).unwrap().verify(&key).is_ok());
    }
}

/// Proves: rfc8489-9.2.5-6
#[test]
fn unknown_algorithms_are_not_answered() {
    for list in [&[0x77, 0x77, 0, 0][..], &[]] {
        let mut credential = alice();
        let (_, bare) = request(&credential, Method::ALLOCATE, None);
        let verdict = verdict(&mut credential, &challenge(401, ALGORITHMS, Some(list)), bare);
        assert_eq!(verdict, Is::Refused(Refusal::Algorithms));
        assert!(!credential.is_challenged());
    }
}

/// Proves: rfc8489-9.2.5-1
#[test]
fn a_challenge_that_lost_its_algorithms_is_not_answered() {
    for nonce in [ALGORITHMS, BOTH] {
        let mut credential = alice();
        let (_, bare) = request(&credential, Method::ALLOCATE, None);
        let response = challenge(401, nonce, None);
        assert_eq!(verdict(&mut credential, &response, bare), Is::Refused(Refusal::BidDown));
        assert!(!credential.is_challenged());

        let mut credential = accepted(OLD, None);
        let (before, sent) = request(&credential, Method::REFRESH, None);
        let response = challenge(438, nonce, None);
        assert_eq!(verdict(&mut credential, &response, sent), Is::Refused(Refusal::BidDown));
        assert_eq!(request(&credential, Method::REFRESH, None).0, before, "nothing was learnt");
    }
}

/// Proves: rfc8489-9.2.5-3
#[test]
fn the_user_name_is_hidden_from_the_first_request_on_if_the_server_can_look_it_up() {
    type T = AttributeType;
    for (nonce, algorithms, hidden) in [
        (ANONYMOUS, None, true),
        (BOTH, Some(MD5_AND_SHA256), true),
        (PLAIN, None, false),
        (ALGORITHMS, Some(SHA256), false),
        (OLD, None, false),
    ] {
        let (_, bytes, _) = challenged(nonce, algorithms);
        assert_eq!(types(&bytes)[0], if hidden { T::USERHASH } else { T::USERNAME });
        let hash = userhash(b"alice", REALM.as_bytes());
        assert_eq!(value(&bytes, T::USERHASH), hidden.then(|| hash.as_bytes().to_vec()));
        assert_eq!(value(&bytes, T::USERNAME), (!hidden).then(|| b"alice".to_vec()));
        assert_eq!(bytes.windows(5).any(|window| window == b"alice"), !hidden);
    }
}

/// Proves: rfc8489-9.2.5-4
#[test]
fn realm_and_nonce_are_copied_byte_for_byte() {
    type T = AttributeType;
    let (realm, nonce) = ([&b"\"\xff\xfe\0 \""[..], &[0x80; 500]].concat(), [0xe9; 508]);
    let mut credential = alice();
    let (_, bare) = request(&credential, Method::ALLOCATE, None);
    let response = refusal(401, &[(T::REALM, &realm), (T::NONCE, &nonce)]);
    assert_eq!(verdict(&mut credential, &response, bare), Is::Retry);
    let (bytes, _) = request(&credential, Method::ALLOCATE, Some(bare));
    assert_eq!(value(&bytes, T::REALM).unwrap(), realm);
    assert_eq!(value(&bytes, T::NONCE).unwrap(), nonce);
}

#[test]
fn an_incomplete_challenge_is_not_answered() {
    type T = AttributeType;
    let (realm, nonce) = ((T::REALM, REALM.as_bytes()), (T::NONCE, OLD));
    let long = [0; 764];
    let endless = [0, 1, 0, 0].repeat(128);
    for attributes in [
        &[][..],
        &[realm],
        &[nonce],
        &[realm, (T::NONCE, &long)],
        &[(T::REALM, &long), nonce],
        &[realm, nonce, (T::PASSWORD_ALGORITHMS, &[0, 1, 0])],
        &[realm, nonce, (T::PASSWORD_ALGORITHMS, &endless)],
    ] {
        let mut credential = alice();
        let (_, bare) = request(&credential, Method::ALLOCATE, None);
        let verdict = verdict(&mut credential, &refusal(401, attributes), bare);
        assert_eq!(verdict, Is::Refused(Refusal::Challenge));
    }
}

/// Proves: rfc8489-9.2.5-7
#[test]
fn a_second_401_is_final_until_the_password_changes() {
    let (mut credential, _, sent) = challenged(OLD, None);
    let again = challenge(401, b"another nonce", None);
    assert_eq!(verdict(&mut credential, &again, sent), Is::Refused(Refusal::Credentials));

    // Meanwhile there is another password, of which the server has not heard.
    credential.set_password("alice", "correct").unwrap();
    assert_eq!(verdict(&mut credential, &again, sent), Is::Retry);
    let (bytes, _) = request(&credential, Method::ALLOCATE, Some(sent));
    assert_eq!(value(&bytes, AttributeType::NONCE).unwrap(), b"another nonce");
    assert!(Message::parse(&bytes).unwrap().verify(&legacy_key("correct")).is_ok());
}

#[test]
fn another_realm_is_another_question_until_an_answer_was_accepted() {
    type T = AttributeType;
    let elsewhere = refusal(401, &[(T::REALM, b"elsewhere"), (T::NONCE, b"1")]);
    let (mut credential, _, sent) = challenged(OLD, None);
    assert_eq!(verdict(&mut credential, &elsewhere, sent), Is::Retry);

    let mut credential = accepted(OLD, None);
    let (before, sent) = request(&credential, Method::REFRESH, None);
    for code in [401, 438] {
        let elsewhere = refusal(code, &[(T::REALM, b"elsewhere"), (T::NONCE, b"1")]);
        let verdict = verdict(&mut credential, &elsewhere, sent);
        assert_eq!(verdict, Is::Discarded(Discarded::OtherRealm));
    }
    assert_eq!(request(&credential, Method::REFRESH, None).0, before, "nothing was learnt");
}

/// Proves: rfc8489-9.2.5-8
#[test]
fn a_stale_nonce_is_replaced_for_every_request_that_had_it() {
    let mut credential = accepted(OLD, None);
    let methods = [Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND];
    let in_flight = methods.map(|method| request(&credential, method, None).1);
    for (method, sent) in methods.into_iter().zip(in_flight) {
        assert_eq!(verdict(&mut credential, &challenge(438, b"fresh", None), sent), Is::Retry);
        let (bytes, _) = request(&credential, method, Some(sent));
        assert_eq!(types(&bytes), [AttributeType::USERNAME, AttributeType::REALM, AttributeType::NONCE]);
        assert_eq!(value(&bytes, AttributeType::NONCE).unwrap(), b"fresh");
        assert!(Message::parse(&bytes).unwrap().verify(&legacy_key("secret")).is_ok());
    }
    // What is new goes out with the new nonce at once.
    let (bytes, _) = request(&credential, Method::REFRESH, None);
    assert_eq!(value(&bytes, AttributeType::NONCE).unwrap(), b"fresh");
}

#[test]
fn a_438_without_a_realm_goes_on_with_the_one_there_is() {
    let mut credential = accepted(OLD, None);
    let (_, sent) = request(&credential, Method::REFRESH, None);
    let response = refusal(438, &[(AttributeType::NONCE, b"fresh")]);
    assert_eq!(verdict(&mut credential, &response, sent), Is::Retry);
    let (bytes, _) = request(&credential, Method::REFRESH, Some(sent));
    assert_eq!(value(&bytes, AttributeType::REALM).unwrap(), REALM.as_bytes());
}

/// Proves: rfc8489-9.2.5-8, rfc8489-9.2.5-5
#[test]
fn the_list_of_algorithms_is_that_of_the_last_nonce() {
    let mut credential = accepted(ALGORITHMS, Some(MD5_AND_SHA256));
    let (_, sent) = request(&credential, Method::REFRESH, None);
    assert_eq!(verdict(&mut credential, &challenge(438, ALGORITHMS, Some(SHA256)), sent), Is::Retry);
    let (bytes, _) = request(&credential, Method::REFRESH, Some(sent));
    assert_eq!(value(&bytes, AttributeType::PASSWORD_ALGORITHMS).unwrap(), SHA256);
}

/// Proves: rfc8489-9.2.5-9
#[test]
fn a_server_that_is_never_content_is_given_up_after_four_requests() {
    for (codes, reason) in [
        (&[438, 438, 438, 438][..], Refusal::TooManyChallenges),
        (&[401, 438, 438, 438], Refusal::TooManyChallenges),
        (&[401, 401], Refusal::Credentials),
    ] {
        let mut credential = if codes[0] == 438 { accepted(OLD, None) } else { alice() };
        let (mut requests, mut sent) = (0, None);
        for (n, code) in codes.iter().enumerate() {
            let (_, sealing) = request(&credential, Method::ALLOCATE, sent);
            (requests, sent) = (requests + 1, Some(sealing));
            let nonce = alloc::format!("nonce {n}");
            let verdict = verdict(&mut credential, &challenge(*code, nonce.as_bytes(), None), sealing);
            if n + 1 < codes.len() {
                assert_eq!(verdict, Is::Retry);
            } else {
                assert_eq!(verdict, Is::Refused(reason));
            }
        }
        assert_eq!(requests, codes.len());
        assert!(requests <= 4);
    }
}

/// Proves: rfc8489-9.2.3.2-1
#[test]
fn later_requests_are_made_like_the_one_that_was_granted() {
    type T = AttributeType;
    let methods = [Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND, Method::ALLOCATE];
    let old = accepted(OLD, None);
    let new = accepted(BOTH, Some(MD5_AND_SHA256));
    for method in methods {
        let (bytes, _) = request(&old, method, None);
        assert_eq!(
            (types(&bytes), seals(&bytes)),
            ([T::USERNAME, T::REALM, T::NONCE].to_vec(), (true, false))
        );
        let (bytes, _) = request(&new, method, None);
        assert_eq!(
            (types(&bytes), seals(&bytes)),
            (
                [T::USERHASH, T::REALM, T::NONCE, T::PASSWORD_ALGORITHMS, T::PASSWORD_ALGORITHM].to_vec(),
                (false, true)
            )
        );
    }
}

/// Proves: rfc8489-9.2.3.2-1
#[test]
fn an_answer_under_sha256_is_followed_by_requests_under_sha256() {
    let (mut credential, _, sent) = challenged(OLD, None);
    let response = success(&legacy_key("secret"), Integrity::Sha256);
    assert_eq!(verdict(&mut credential, &response, sent), Is::Authentic(Integrity::Sha256));
    assert_eq!(seals(&request(&credential, Method::REFRESH, None).0), (false, true));
}

/// Proves: rfc8489-9.2.5-13
#[test]
fn algorithms_in_a_granted_response_make_later_requests_sha256() {
    let (mut credential, _, sent) = challenged(PLAIN, None);
    let mut out = Vec::new();
    Builder::success(&mut out, Method::ALLOCATE, ID.into())
        .raw(AttributeType::PASSWORD_ALGORITHMS, MD5_AND_SHA256)
        .integrity(&legacy_key("secret"), Integrity::Sha1);
    assert_eq!(verdict(&mut credential, &out, sent), Is::Authentic(Integrity::Sha1));
    assert_eq!(seals(&request(&credential, Method::REFRESH, None).0), (false, true));
}

#[test]
fn a_bare_request_may_be_answered_without_integrity() {
    let (mut credential, bare) = (alice(), request(&alice(), Method::ALLOCATE, None).1);
    let mut granted = Vec::new();
    Builder::success(&mut granted, Method::ALLOCATE, ID.into()).fingerprint();
    for response in [granted, refusal(300, &[]), refusal(486, &[])] {
        assert_eq!(verdict(&mut credential, &response, bare), Is::Unprotected);
    }
    assert_eq!(verdict(&mut credential, &refusal(400, &[]), bare), Is::Discarded(Discarded::BadRequest));
}

#[test]
fn answers_to_requests_under_the_last_password_still_count() {
    let mut credential = accepted(OLD, None);
    let (_, sent) = request(&credential, Method::REFRESH, None);
    credential.set_password("alice", "new").unwrap();
    let response = success(&legacy_key("secret"), Integrity::Sha1);
    assert_eq!(verdict(&mut credential, &response, sent), Is::Authentic(Integrity::Sha1));
    credential.set_password("alice", "newer").unwrap();
    assert_eq!(verdict(&mut credential, &response, sent), Is::Discarded(Discarded::KeyGone));
}

#[test]
fn after_a_reset_all_begins_anew() {
    let mut credential = accepted(BOTH, Some(MD5_AND_SHA256));
    let (_, sent) = request(&credential, Method::REFRESH, None);
    credential.reset();
    let (bytes, bare) = request(&credential, Method::ALLOCATE, None);
    assert_eq!(types(&bytes), []);
    let response = success(&sha256_key(), Integrity::Sha256);
    assert_eq!(verdict(&mut credential, &response, sent), Is::Authentic(Integrity::Sha256));
    assert_eq!(verdict(&mut credential, &challenge(401, OLD, None), bare), Is::Retry);
}

/// Proves: rfc8489-9.2.4-1
#[test]
fn what_servers_answer_is_understood() {
    let mut signed_401 = Vec::new();
    Builder::error(&mut signed_401, Method::ALLOCATE, ID.into(), &ErrorCode::UNAUTHENTICATED)
        .attribute(&Realm::new(REALM).unwrap())
        .attribute(&Nonce::new(ALGORITHMS).unwrap())
        .attribute(&PasswordAlgorithms::decode(MD5_AND_SHA256, &ID.into()).unwrap())
        .integrity(&legacy_key("anything"), Integrity::Sha1);
    let script = [
        (refusal(400, &[]), Is::Discarded(Discarded::BadRequest)),
        (signed_401, Is::Retry),
        (challenge(438, BOTH, Some(MD5_AND_SHA256)), Is::Retry),
        (success(&sha256_key(), Integrity::Sha256), Is::Authentic(Integrity::Sha256)),
    ];
    let (mut credential, mut sent) = (alice(), None);
    for (response, expected) in script {
        let (_, sealing) = request(&credential, Method::ALLOCATE, sent);
        assert_eq!(verdict(&mut credential, &response, sealing), expected);
        sent = Some(sealing);
    }
    let (bytes, _) = request(&credential, Method::REFRESH, None);
    let chosen: PasswordAlgorithm<'_> = Message::parse(&bytes).unwrap().get().unwrap().unwrap();
    assert_eq!(chosen, PasswordAlgorithm::SHA256);
}

#[test]
fn what_is_no_response_is_discarded() {
    let (mut credential, bare) = (alice(), request(&alice(), Method::ALLOCATE, None).1);
    let (bytes, _) = request(&alice(), Method::ALLOCATE, None);
    assert_eq!(verdict(&mut credential, &bytes, bare), Is::Discarded(Discarded::NotAResponse));
    let mut nameless = Vec::new();
    Builder::new(&mut nameless, Class::Error, Method::ALLOCATE, ID.into()).fingerprint();
    assert_eq!(verdict(&mut credential, &nameless, bare), Is::Discarded(Discarded::NoErrorCode));
}

#[test]
fn names_that_would_have_to_be_prepared_are_refused() {
    assert!(matches!(LongTerm::new("jörg", "secret"), Err(EncodeError::NotAscii)));
    assert!(matches!(LongTerm::new("joerg", "gehe\u{ad}im"), Err(EncodeError::NotAscii)));
    assert!(LongTerm::prepared("jörg", "geheim".as_bytes()).is_ok());
    assert!(matches!(LongTerm::new(&"x".repeat(509), ""), Err(EncodeError::TooLong { .. })));
}

#[test]
fn names_and_secrets_are_not_printed() {
    let text = alloc::format!("{:?}", accepted(OLD, None));
    assert_eq!(text, "LongTerm { challenged: true, .. }");
}
