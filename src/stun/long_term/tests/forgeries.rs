//! What somebody on the way can send, and what comes of it.

use super::*;
use crate::stun::{Due, Failure, Rto, TransactionId, Transactions};
use crate::{Path, Timestamp, Transport};

/// Proves: rfc8489-9.2.5-12
#[test]
fn nothing_but_the_right_integrity_makes_a_response_authentic() {
    let forged = |bytes: &[u8]| {
        let (mut credential, before, sent) = challenged(OLD, None);
        let verdict = verdict(&mut credential, bytes, sent);
        assert_eq!(request(&credential, Method::ALLOCATE, None).0, before, "nothing was learnt");
        verdict
    };
    let mut unsigned = Vec::new();
    Builder::success(&mut unsigned, Method::ALLOCATE, ID.into()).fingerprint();
    assert_eq!(forged(&unsigned), Is::Forged(IntegrityError::Absent));
    for code in [300, 403, 420, 437, 486, 500, 508] {
        assert_eq!(forged(&refusal(code, &[])), Is::Forged(IntegrityError::Absent));
    }
    for integrity in [Integrity::Sha1, Integrity::Sha256] {
        assert_eq!(forged(&success(&legacy_key("guess"), integrity)), Is::Forged(IntegrityError::Wrong));
    }

    let (mut credential, _, sent) = challenged(OLD, None);
    let response = success(&legacy_key("secret"), Integrity::Sha1);
    assert_eq!(verdict(&mut credential, &response, sent), Is::Authentic(Integrity::Sha1));
}

#[test]
fn a_server_that_knows_sha256_does_not_answer_by_sha1() {
    for (algorithms, key) in [(MD5_AND_SHA256, sha256_key()), (MD5, legacy_key("secret"))] {
        let (mut credential, _, sent) = challenged(ALGORITHMS, Some(algorithms));
        let response = success(&key, Integrity::Sha1);
        assert_eq!(verdict(&mut credential, &response, sent), Is::Forged(IntegrityError::OtherKind));
        let response = success(&key, Integrity::Sha256);
        assert_eq!(verdict(&mut credential, &response, sent), Is::Authentic(Integrity::Sha256));
    }
}

/// A request under way to a server, over UDP or TCP, that is answered by `response` 100 ms after each transmission.
/// How many were sent, when it failed, and why.
fn fate(transport: Transport, response: &[u8]) -> (usize, Timestamp, Option<Failure>) {
    let (mut credential, bytes, sent) = challenged(OLD, None);
    let address = "192.0.2.1:3478".parse().unwrap();
    let path = Path::new(transport, address, address);
    let (mut transactions, id) = (Transactions::new(), TransactionId::from(ID));
    transactions.start(Timestamp::ZERO, id, path, bytes.into(), Rto::default(), sent);
    let (mut transmissions, mut now) = (1, Timestamp::ZERO);
    while let Some(deadline) = transactions.deadline() {
        now += Duration::from_millis(100);
        match credential.handle_response(&Message::parse(response).unwrap(), sent) {
            Verdict::Forged(_) => {
                if transactions.note_forged(id).is_some() {
                    return (transmissions, now, Some(Failure::IntegrityViolated));
                }
            }
            Verdict::Discarded(_) => {}
            verdict => panic!("{verdict:?}"),
        }
        now = deadline;
        while let Some(due) = transactions.next_due(now) {
            match due {
                Due::Retransmit { .. } => transmissions += 1,
                Due::Expired { reason, .. } => return (transmissions, now, Some(reason)),
            }
        }
    }
    (transmissions, now, None)
}

/// Proves: rfc8489-9.2.5-12
#[test]
fn forged_answers_do_not_stop_retransmissions_but_end_a_stream() {
    let mut unsigned = Vec::new();
    Builder::success(&mut unsigned, Method::ALLOCATE, ID.into()).fingerprint();
    for forged in [unsigned, success(&legacy_key("guess"), Integrity::Sha1)] {
        let end = Timestamp::from_millis(39_500);
        assert_eq!(fate(Transport::Udp, &forged), (7, end, Some(Failure::IntegrityViolated)));
        let at_once = Timestamp::from_millis(100);
        assert_eq!(fate(Transport::Tcp, &forged), (1, at_once, Some(Failure::IntegrityViolated)));
    }
}

/// Proves: rfc8489-9.2.5-11
#[test]
fn an_unsigned_400_does_not_stop_retransmissions() {
    let (transmissions, at, reason) = fate(Transport::Udp, &refusal(400, &[]));
    assert_eq!((transmissions, at), (7, Timestamp::from_millis(39_500)));
    assert_eq!(reason, Some(Failure::Timeout));

    let (mut credential, _, sent) = challenged(OLD, None);
    let mut signed = Vec::new();
    Builder::error(&mut signed, Method::ALLOCATE, ID.into(), &ErrorCode::BAD_REQUEST)
        .integrity(&legacy_key("secret"), Integrity::Sha1);
    assert_eq!(verdict(&mut credential, &signed, sent), Is::Authentic(Integrity::Sha1));
}

/// Proves: rfc8489-9.2.5-10
#[test]
fn a_response_that_lost_its_algorithms_is_ignored() {
    let mut out = Vec::new();
    Builder::success(&mut out, Method::ALLOCATE, ID.into())
        .raw(AttributeType::NONCE, ALGORITHMS)
        .integrity(&sha256_key(), Integrity::Sha256);
    let (mut credential, _, sent) = challenged(ALGORITHMS, Some(SHA256));
    assert_eq!(verdict(&mut credential, &out, sent), Is::Discarded(Discarded::BidDown));

    let (mut credential, bare) = (alice(), request(&alice(), Method::ALLOCATE, None).1);
    let redirect = refusal(300, &[(AttributeType::NONCE, ALGORITHMS)]);
    assert_eq!(verdict(&mut credential, &redirect, bare), Is::Discarded(Discarded::BidDown));
}

#[test]
fn a_server_never_offers_less_than_before() {
    type Offer<'a> = (&'a [u8], Option<&'a [u8]>);
    let offers: [Offer<'_>; 6] = [
        (OLD, None),
        (ALGORITHMS, Some(MD5)),
        (ALGORITHMS, Some(SHA256)),
        (ANONYMOUS, None),
        (BOTH, Some(MD5)),
        (BOTH, Some(MD5_AND_SHA256)),
    ];
    // Rows: what was offered first; columns: what a 438 offers.
    let table = ["++++++", ".++.++", "..+..+", "...+++", "....++", ".....+"];
    for (before, row) in offers.into_iter().zip(table) {
        for (after, expected) in offers.into_iter().zip(row.chars()) {
            let mut credential = accepted(before.0, before.1);
            let (bytes, sent) = request(&credential, Method::REFRESH, None);
            let verdict = verdict(&mut credential, &challenge(438, after.0, after.1), sent);
            if expected == '+' {
                assert_eq!(verdict, Is::Retry, "{before:?} {after:?}");
            } else {
                assert_eq!(verdict, Is::Discarded(Discarded::BidDown), "{before:?} {after:?}");
                assert_eq!(request(&credential, Method::REFRESH, None).0, bytes, "nothing was learnt");
            }
        }
    }
}
