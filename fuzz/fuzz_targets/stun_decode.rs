//! No bytes make the parser, or any attribute, panic.
//!
//! `cargo +nightly fuzz run stun_decode fuzz/corpus/stun_decode tests/corpus/stun`
#![no_main]

use floe::stun::{
    AccessToken, AlternateDomain, AlternateServer, Attribute, ErrorCode, IceControlled, IceControlling, Key,
    Kind, MappedAddress, Message, Nonce, PasswordAlgorithm, PasswordAlgorithms, Priority, Realm, Software,
    ThirdPartyAuthorization, UnknownAttributes, UseCandidate, Userhash, Username, XorMappedAddress,
    authenticate, is_stun,
};
use floe::turn::{
    AdditionalAddressFamily, AddressErrorCode, ChannelData, ChannelNumber, Data, DontFragment, EvenPort,
    Icmp, Lifetime, MobilityTicket, RequestedAddressFamily, RequestedTransport, ReservationToken,
    XorPeerAddress, XorRelayedAddress,
};
use libfuzzer_sys::fuzz_target;
use std::fmt::Debug;

fn read<'a, A: Attribute<'a> + Debug>(message: &Message<'a>) {
    for attribute in message.all::<A>().flatten() {
        let _ = format!("{attribute:?}");
        attribute.encode(&message.transaction_id(), &mut Vec::new());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let _ = Kind::of(bytes);
    let _ = format!("{:?}", ChannelData::parse(bytes));
    let looks_like_stun = is_stun(bytes);
    let Ok(message) = Message::parse(bytes) else { return };
    assert!(looks_like_stun || bytes[0] > 3);
    let key = Key::short_term(b"password");
    let _ = format!("{message:?} {:?}", message.fingerprint());
    let _ = message.verify(&key);
    let _ = authenticate(&message, |_| Some(&key));
    assert!(message.unknown_required(|_| false).count() <= message.attributes().count());
    read::<AccessToken<'_>>(&message);
    read::<AdditionalAddressFamily>(&message);
    read::<AddressErrorCode<'_>>(&message);
    read::<AlternateDomain<'_>>(&message);
    read::<AlternateServer>(&message);
    read::<ChannelNumber>(&message);
    read::<Data<'_>>(&message);
    read::<DontFragment>(&message);
    read::<ErrorCode<'_>>(&message);
    read::<EvenPort>(&message);
    read::<IceControlled>(&message);
    read::<IceControlling>(&message);
    read::<Icmp>(&message);
    read::<Lifetime>(&message);
    read::<MappedAddress>(&message);
    read::<MobilityTicket<'_>>(&message);
    read::<Nonce<'_>>(&message);
    read::<PasswordAlgorithm<'_>>(&message);
    read::<PasswordAlgorithms<'_>>(&message);
    read::<Priority>(&message);
    read::<Realm<'_>>(&message);
    read::<RequestedAddressFamily>(&message);
    read::<RequestedTransport>(&message);
    read::<ReservationToken>(&message);
    read::<Software<'_>>(&message);
    read::<ThirdPartyAuthorization<'_>>(&message);
    read::<UnknownAttributes>(&message);
    read::<UseCandidate>(&message);
    read::<Userhash>(&message);
    read::<Username<'_>>(&message);
    read::<XorMappedAddress>(&message);
    read::<XorPeerAddress>(&message);
    read::<XorRelayedAddress>(&message);
});
