//! Who gets what.

use floe::sim::{Mechanism, TurnServer};
use floe::stun::{
    AttributeType, Builder, ErrorCode, Integrity, Key, Method, Nonce, Realm, UnknownAttributes, Username,
    XorMappedAddress,
};
use floe::turn::{
    AdditionalAddressFamily, AddressErrorCode, AddressFamily, DontFragment, EvenPort, Lifetime,
    RequestedAddressFamily, RequestedTransport, ReservationToken,
};
use floe::{Path, Timestamp};

use crate::client::{CLIENT, Dialogue, PEER, REALM, server, socket};

#[test]
fn a_client_of_each_mechanism_gets_an_allocation_and_breaks_no_rule() {
    for (mechanism, integrity) in [
        (Mechanism::Rfc5389, Integrity::Sha1),
        (Mechanism::Sha256, Integrity::Sha256),
        (Mechanism::Md5, Integrity::Sha256),
        (Mechanism::Anonymous, Integrity::Sha256),
    ] {
        let mut dialogue = Dialogue::new(server(), mechanism);
        dialogue.take_challenge();
        let answer = dialogue.allocate(|builder| builder);
        assert_eq!(answer.code(), None, "{mechanism:?}");
        assert_eq!(answer.message().integrity_kind(), Some(integrity), "{mechanism:?}");
        assert_eq!(answer.get(), Some(XorMappedAddress(socket(CLIENT))));
        assert_eq!(answer.get(), Some(Lifetime(600)));
        assert_eq!(answer.relayed(), [socket("198.51.100.1:49152")]);
        assert_eq!(dialogue.server.violations(), [], "{mechanism:?}");
        let allocation = dialogue.server.allocation(socket(CLIENT)).unwrap();
        assert_eq!((allocation.username(), allocation.relayed()), ("alice", &answer.relayed()[..]));
    }
}

#[test]
fn wrong_names_and_passwords_are_challenged_again() {
    for mechanism in [Mechanism::Rfc5389, Mechanism::Sha256, Mechanism::Md5, Mechanism::Anonymous] {
        let mut dialogue = Dialogue::new(server(), mechanism);
        dialogue.take_challenge();
        for (username, password) in [("mallory", "secret"), ("alice", "hidden")] {
            (dialogue.username, dialogue.password) = (username, password);
            let answer = dialogue.allocate(|builder| builder);
            assert_eq!((answer.code(), answer.message().integrity_kind()), (Some(401), None));
        }
        assert_eq!(dialogue.server.allocations().count(), 0);
        assert_eq!(dialogue.server.violations(), []);
    }
}

#[test]
fn anybody_may_ask_for_an_own_address() {
    let mut dialogue = Dialogue::new(server(), Mechanism::Rfc5389);
    let answer = dialogue.bare(Method::BINDING).unwrap();
    assert_eq!(answer.get::<UnknownAttributes>().map(|unknown| unknown.as_slice().len()), None);
    assert_eq!(answer.get(), Some(XorMappedAddress(socket(CLIENT))));
    assert_eq!(dialogue.server.violations(), []);
}

#[test]
fn lifetimes_are_kept_within_bounds() {
    let mut dialogue = Dialogue::allocated(server().lifetimes(300, 1000));
    let mut refresh =
        |seconds| dialogue.ask(Method::REFRESH, |builder| builder.attribute(&Lifetime(seconds)));
    assert_eq!(refresh(1).get(), Some(Lifetime(300)));
    assert_eq!(refresh(700).get(), Some(Lifetime(700)));
    assert_eq!(refresh(u32::MAX).get(), Some(Lifetime(1000)));
    let expires_at = |dialogue: &Dialogue| dialogue.server.allocation(socket(CLIENT)).unwrap().expires_at();
    assert_eq!(expires_at(&dialogue), Timestamp::from_millis(1_000_000));
    dialogue.pass(999);
    assert_eq!(dialogue.server.allocations().count(), 1);
    dialogue.pass(1);
    assert_eq!(dialogue.server.allocations().count(), 0);
    assert_eq!(dialogue.server.expired().allocations, 1);
    assert_eq!(dialogue.ask(Method::REFRESH, |builder| builder).code(), Some(437));
}

#[test]
fn a_refresh_to_zero_ends_the_allocation() {
    let mut dialogue = Dialogue::allocated(server());
    let answer = dialogue.ask(Method::REFRESH, |builder| builder.attribute(&Lifetime(0)));
    assert_eq!(answer.get(), Some(Lifetime(0)));
    assert_eq!(dialogue.server.allocations().count(), 0);
    assert_eq!(dialogue.server.expired().allocations, 0);
    assert_eq!(dialogue.allocate(|builder| builder).relayed(), [socket("198.51.100.1:49153")]);
}

#[test]
fn quota_capacity_and_what_is_not_there_are_refused() {
    let code = |server: TurnServer, allocate: fn(Builder<'_>) -> Builder<'_>| {
        Dialogue::challenged(server).allocate(allocate).code()
    };
    let ipv6 = RequestedAddressFamily(AddressFamily::Ipv6);
    assert_eq!(code(server().quota(0), |builder| builder), Some(486));
    assert_eq!(code(server().capacity(0), |builder| builder), Some(508));
    assert_eq!(code(server().without_family(AddressFamily::Ipv4), |builder| builder), Some(440));
    assert_eq!(code(server(), |builder| builder.attribute(&ReservationToken([9; 8]))), Some(508));
    assert_eq!(code(server().without_dont_fragment(), |builder| builder.attribute(&DontFragment)), Some(420));
    assert_eq!(code(server(), |builder| builder.attribute(&DontFragment)), None);

    let mut dialogue = Dialogue::challenged(server().without_family(AddressFamily::Ipv6));
    assert_eq!(dialogue.allocate(|builder| builder.attribute(&ipv6)).code(), Some(440));
    let tcp = dialogue.ask(Method::ALLOCATE, |builder| builder.attribute(&RequestedTransport::TCP));
    assert_eq!(tcp.code(), Some(442));
    assert_eq!(dialogue.ask(Method::REFRESH, |builder| builder).code(), Some(437));
    assert_eq!(dialogue.permit(PEER).code(), Some(437));
    assert_eq!(dialogue.server.violations(), []);
}

#[test]
fn an_allocation_is_its_owners_alone() {
    let mut dialogue = Dialogue::allocated(server());
    assert_eq!(dialogue.allocate(|builder| builder).code(), Some(437));
    (dialogue.username, dialogue.password) = ("bob", "hidden");
    assert_eq!(dialogue.ask(Method::REFRESH, |builder| builder).code(), Some(441));
    assert_eq!(dialogue.permit(PEER).code(), Some(441));
    assert_eq!(dialogue.server.answered(Method::REFRESH, Some(441)), 1);
}

#[test]
fn peers_may_be_forbidden_or_of_another_family() {
    let mut dialogue = Dialogue::allocated(server().forbid(socket(PEER).ip()));
    assert_eq!(dialogue.permit(PEER).code(), Some(403));
    assert_eq!(dialogue.permit("[2001:db8::77]:1").code(), Some(443));
    assert_eq!(dialogue.permit("192.0.2.78:1").code(), None);
}

#[test]
fn both_families_come_in_one_allocation_and_can_be_given_up_one_by_one() {
    let mut dialogue = Dialogue::challenged(server());
    let answer = dialogue.allocate(|builder| builder.attribute(&AdditionalAddressFamily));
    assert_eq!(answer.relayed(), [socket("198.51.100.1:49152"), socket("[2001:db8::1]:49153")]);
    assert_eq!(dialogue.permit("[2001:db8::77]:1").code(), None);
    for (family, left) in [(AddressFamily::Ipv6, 1), (AddressFamily::Ipv4, 0)] {
        let request = dialogue.request(Method::REFRESH, |builder| {
            builder.attribute(&Lifetime(0)).attribute(&RequestedAddressFamily(family))
        });
        assert_eq!(dialogue.exchange(&request).unwrap().code(), None);
        assert_eq!(dialogue.server.allocations().flat_map(|allocation| allocation.relayed()).count(), left);
    }
    let mut dialogue = Dialogue::challenged(server().without_family(AddressFamily::Ipv6));
    let answer = dialogue.allocate(|builder| builder.attribute(&AdditionalAddressFamily));
    assert_eq!(answer.relayed().len(), 1);
    let refused = answer.get::<AddressErrorCode<'_>>().unwrap();
    assert_eq!(
        (refused.family, refused.error),
        (AddressFamily::Ipv6, ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED)
    );
}

#[test]
fn an_even_port_comes_with_the_next_one_for_whoever_has_the_token() {
    let mut dialogue = Dialogue::challenged(server());
    dialogue.allocate(|builder| builder);
    dialogue.path = Path::udp(dialogue.path.local(), socket("203.0.113.9:50001"));
    dialogue.take_challenge();
    let answer = dialogue.allocate(|builder| builder.attribute(&EvenPort { reserve: true }));
    assert_eq!(answer.relayed(), [socket("198.51.100.1:49154")]);
    let token: ReservationToken = answer.get().unwrap();
    // Nobody else gets the one that is held back.
    dialogue.path = Path::udp(dialogue.path.local(), socket("203.0.113.9:50002"));
    dialogue.take_challenge();
    assert_eq!(dialogue.allocate(|builder| builder).relayed(), [socket("198.51.100.1:49156")]);
    dialogue.path = Path::udp(dialogue.path.local(), socket("203.0.113.9:50003"));
    dialogue.take_challenge();
    dialogue.pass(29);
    assert_eq!(
        dialogue.allocate(|builder| builder.attribute(&token)).relayed(),
        [socket("198.51.100.1:49155")]
    );
    assert_eq!(dialogue.server.violations(), []);
}

#[test]
fn nonces_wear_out_by_time_and_by_use() {
    let mut dialogue = Dialogue::allocated(server().nonce_lifetime(core::time::Duration::from_secs(60)));
    dialogue.pass(59);
    assert_eq!(dialogue.ask(Method::REFRESH, |builder| builder).code(), None);
    dialogue.pass(1);
    assert_eq!(dialogue.ask(Method::REFRESH, |builder| builder).code(), Some(438));

    let mut dialogue = Dialogue::allocated(server().nonce_requests(2));
    assert_eq!(dialogue.permit(PEER).code(), None);
    let stale = dialogue.permit(PEER);
    assert_eq!(stale.code(), Some(438));
    dialogue.nonce = stale.get::<Nonce<'_>>().unwrap().as_bytes().to_vec();
    assert_eq!(dialogue.permit(PEER).code(), None);
    assert_eq!(dialogue.server.violations(), []);
}

#[test]
fn a_token_lets_in_whoever_has_it() {
    let server = server().authorization_server("auth.example.org").token("kid", b"sealed", b"mac key");
    let mut dialogue = Dialogue::new(server, Mechanism::Rfc5389);
    let challenge = dialogue.bare(Method::ALLOCATE).unwrap();
    assert!(challenge.message().contains(AttributeType::THIRD_PARTY_AUTHORIZATION));
    dialogue.nonce = challenge.get::<Nonce<'_>>().unwrap().as_bytes().to_vec();
    for (token, code) in [(b"forged", Some(401)), (b"sealed", None)] {
        let (mut request, id, key) = (Vec::new(), dialogue.id(), Key::short_term(b"mac key"));
        let _ = Builder::request(&mut request, Method::ALLOCATE, id)
            .attribute(&RequestedTransport::UDP)
            .attribute(&Username::new("kid").unwrap())
            .attribute(&Realm::new(REALM).unwrap())
            .raw(AttributeType::NONCE, &dialogue.nonce)
            .raw(AttributeType::ACCESS_TOKEN, token)
            .integrity(&key, Integrity::Sha1);
        let answer = dialogue.exchange(&request).unwrap();
        assert_eq!(answer.code(), code);
        assert_eq!(answer.message().verify(&key).is_ok(), code.is_none());
    }
}
