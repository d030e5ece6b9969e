//! What costs no memory: counted, not promised.

use floe::stun::{
    Builder, Fingerprint, IceControlling, Integrity, Key, Message, Method, Priority, UseCandidate, Username,
    authenticate,
};

fn key() -> Key {
    Key::short_term(b"VOkJxbRl1RmTxUk/WvJxBt")
}

fn check(out: &mut Vec<u8>, key: &Key) {
    Builder::request(out, Method::BINDING, [7; 12].into())
        .attribute(&Username::new("evtj:h6vY").unwrap())
        .attribute(&Priority(0x6e00_01ff))
        .attribute(&IceControlling(1))
        .attribute(&UseCandidate)
        .integrity(key, Integrity::Sha1)
        .fingerprint();
}

fn allocations(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1_u8; 10]))), 1);
}

#[test]
fn reading_and_verifying_a_check_allocates_nothing() {
    let key = key();
    let mut bytes = Vec::new();
    check(&mut bytes, &key);
    let count = allocations(|| {
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.fingerprint(), Fingerprint::Valid);
        let (verified, _) = authenticate(&message, |name| (name == "evtj:h6vY").then_some(&key)).unwrap();
        assert_eq!(verified.get::<Priority>(), Some(Ok(Priority(0x6e00_01ff))));
        assert!(verified.get::<UseCandidate>().is_some());
        assert_eq!(verified.unknown_required(|kind| kind.as_u16() <= 0x0025).count(), 0);
    });
    assert_eq!(count, 0);
}

#[test]
fn turning_down_what_is_not_authentic_allocates_nothing() {
    let (key, other) = (key(), Key::short_term(b"other"));
    let mut forged = Vec::new();
    check(&mut forged, &other);
    let count = allocations(|| {
        let message = Message::parse(&forged).unwrap();
        assert!(message.verify(&key).is_err());
        assert!(Message::parse(&forged[..forged.len() - 1]).is_err());
    });
    assert_eq!(count, 0);
}

#[test]
fn building_into_a_vector_with_room_allocates_nothing() {
    let key = key();
    let mut out = Vec::with_capacity(128);
    assert_eq!(allocations(|| check(&mut out, &key)), 0);
    assert!(Message::parse(&out).unwrap().verify(&key).is_ok());
}
