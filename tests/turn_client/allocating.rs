//! From the first request to an allocation (RFC 8656 sections 5 to 7).

use floe::stun::{Builder, Integrity, Method, XorMappedAddress};
use floe::turn::{Event, Families, Lifetime, Received, State, XorRelayedAddress};

use crate::bench::{Bench, LOCAL, MAPPED, RELAYED, RELAYED_V6, address, config, secs};

/// Proves: rfc8656-7.1-2, rfc8489-9.2.3.1-1, rfc8656-5-5
/// Lesson: L-58
#[test]
fn the_first_allocate_says_what_is_wanted_and_not_by_whom() {
    let mut bench = Bench::new();
    bench.client.allocate(bench.now).unwrap();
    let asked = bench.next_request();
    assert_eq!(asked.method, Method::ALLOCATE);
    assert_eq!(asked.raw(0x0019), Some(vec![17, 0, 0, 0]));
    for absent in [0x0006, 0x001e, 0x0014, 0x0015, 0x0008, 0x001c, 0x000d, 0x0017, 0x0018, 0x001a, 0x8022] {
        assert!(!asked.has(absent), "{absent:#06x}");
    }
    assert_eq!(bench.client.state(), State::Allocating);
}

/// Proves: rfc8656-5-1, rfc8656-6-1, rfc8656-7.3-6
#[test]
fn an_allocation_comes_about_in_two_round_trips() {
    let mut bench = Bench::new();
    let asked = bench.challenged();
    assert!(asked.is_sealed_with(&bench.key));
    assert_eq!(asked.raw(0x0006), Some(b"alice".to_vec()));
    bench.grant(&asked, 600);
    let Some(Event::Allocated(allocated)) = bench.last_event() else { panic!("{:?}", bench.events) };
    assert_eq!((allocated.relayed, allocated.second), (address(RELAYED), None));
    assert_eq!((allocated.mapped, allocated.lifetime), (address(MAPPED), secs(600)));
    assert_eq!(bench.client.relayed().collect::<Vec<_>>(), [address(RELAYED)]);
    assert_eq!(bench.client.mapped(), Some(address(MAPPED)));
    assert_eq!(bench.client.path().local(), address(LOCAL));
    assert_eq!(bench.client.state(), State::Allocated);
}

/// Proves: rfc8656-7.1-4, rfc8656-7.3-7, rfc8656-18.11-1
#[test]
fn both_families_come_from_one_allocation() {
    let mut bench = Bench::with(config().families(Families::Both));
    let asked = bench.challenged();
    assert_eq!(asked.raw(0x8000), Some(vec![2, 0, 0, 0]));
    assert!(!asked.has(0x0017));
    bench.succeed(&asked, |response| {
        response
            .attribute(&XorRelayedAddress(address(RELAYED_V6)))
            .attribute(&XorRelayedAddress(address(RELAYED)))
            .attribute(&XorMappedAddress(address(MAPPED)))
            .attribute(&Lifetime(600))
    });
    assert_eq!(bench.client.relayed().collect::<Vec<_>>(), [address(RELAYED), address(RELAYED_V6)]);
    let refresh = bench.await_request(secs(600));
    assert_eq!(refresh.method, Method::REFRESH);
    assert!(!refresh.has(0x0017));
}

/// Proves: rfc8489-9.2.5-12
/// Lesson: L-56
#[test]
fn an_unsigned_or_forged_grant_changes_nothing() {
    let mut bench = Bench::new();
    let asked = bench.challenged();
    let write = |response: Builder<'_>, seal: Option<&floe::stun::Key>| {
        let response = response
            .attribute(&XorRelayedAddress(address(RELAYED)))
            .attribute(&XorMappedAddress(address(MAPPED)))
            .attribute(&Lifetime(600));
        if let Some(key) = seal {
            response.integrity(key, Integrity::Sha1);
        }
    };
    let (mut bare, mut forged) = (Vec::new(), Vec::new());
    write(Builder::success(&mut bare, asked.method, asked.id), None);
    let other = floe::stun::Key::short_term(b"other");
    write(Builder::success(&mut forged, asked.method, asked.id), Some(&other));
    let deadline = bench.client.deadline();
    for forgery in [&bare, &forged] {
        assert!(matches!(bench.feed(forgery), Received::Ignored(_)));
        assert_eq!(bench.client.deadline(), deadline);
    }
    assert_eq!(bench.events, []);
    bench.grant(&asked, 600);
    assert_eq!(bench.client.state(), State::Allocated);
}
