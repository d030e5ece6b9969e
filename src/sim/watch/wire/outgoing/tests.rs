//! Each rule about what is sent speaks where it is broken, and is silent where it is kept: the watch hears of messages that
//! no agent would send.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::*;
use crate::ice::Nomination;
use crate::sim::watch::Watch;
use crate::sim::watch::bench::{Bench, address, at, path};
use crate::sim::watch::wire::Answer;
use crate::sim::watch::wire::pace::UNANSWERED_MAX;
use crate::stun::{
    AttributeType, Builder, ErrorCode, IceControlled, IceControlling, Integrity, Key, Method, Priority,
    Software, TransactionId, UseCandidate, Username, XorMappedAddress,
};
use crate::turn::{ChannelNumber, Data, Lifetime, XorPeerAddress, XorRelayedAddress};
use crate::{Config, Output, Transmit};

const MS: Duration = Duration::from_millis(1);
const LOCAL: &str = "192.0.2.1:1000";
const PEER: &str = "203.0.113.9:5000";
const RELAYED: &str = "198.51.100.9:49152";

fn way() -> Path {
    path(LOCAL, "198.51.100.1:2000")
}

fn server() -> Path {
    path(LOCAL, "198.51.100.9:3478")
}

/// It knows the peer, and has sent nothing.
fn bench() -> Bench {
    let mut bench = Bench::new(Config::new().nomination(Nomination::Manual), Role::Controlling, 1);
    bench.now = at(100_000);
    bench.base(1, LOCAL);
    bench.remote("trickle ice2");
    bench
}

/// The watch hears that this was sent.
fn send(bench: &mut Bench, path: Path, payload: &[u8]) -> Result<(), String> {
    let Watch { wire, streams, .. } = &mut bench.watch;
    wire.sent(Moment { now: bench.now, streams }, path, &Bytes::copy_from_slice(payload))
}

#[track_caller]
fn breaks(told: Result<(), String>, rule: &str) {
    assert!(told.as_ref().is_err_and(|told| told.starts_with(rule)), "{told:?}");
}

/// Says of the first that it breaks the rule, and of the second nothing, each by itself.
#[track_caller]
fn tells(rule: &str, wrong: &[u8], right: &[u8]) {
    breaks(send(&mut bench(), way(), wrong), rule);
    assert_eq!(send(&mut bench(), way(), right), Ok(()));
}

fn id(number: u8) -> TransactionId {
    TransactionId::from([number; 12])
}

fn key(password: &str) -> Key {
    Key::short_term(password.as_bytes())
}

fn build(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    fill(&mut out);
    out
}

/// A check, as it should be unless it is said otherwise.
#[derive(Clone)]
struct Ask {
    id: u8,
    name: String,
    password: String,
    priority: Option<u32>,
    roles: &'static [Role],
    nominates: bool,
}

impl Ask {
    fn new(bench: &Bench) -> Self {
        let name = format!("{}:{}", bench.peer.ufrag(), bench.ours().ufrag());
        let (priority, roles) = (Some(110 << 24 | 7), &[Role::Controlling][..]);
        Self { id: 1, name, password: bench.peer.password().into(), priority, roles, nominates: false }
    }

    /// All of it but what ends it.
    fn begin<'o>(&self, out: &'o mut Vec<u8>) -> Builder<'o> {
        let mut builder = Builder::request(out, Method::BINDING, id(self.id))
            .attribute(&Username::new(&self.name).unwrap());
        if let Some(priority) = self.priority {
            builder = builder.attribute(&Priority(priority));
        }
        for role in self.roles {
            builder = match role {
                Role::Controlling => builder.attribute(&IceControlling(7)),
                Role::Controlled => builder.attribute(&IceControlled(7)),
            };
        }
        if self.nominates { builder.attribute(&UseCandidate) } else { builder }
    }

    fn encode(&self) -> Vec<u8> {
        build(|out| self.begin(out).integrity(&key(&self.password), Integrity::Sha1).fingerprint())
    }
}

/// To a server, for a mapped address.
fn question(number: u8) -> Vec<u8> {
    build(|out| _ = Builder::request(out, Method::BINDING, id(number)))
}

#[test]
fn a_datagram_is_for_one_address_other_than_our_own() {
    for wrong in ["198.51.100.1:0", "224.0.0.1:2000", "0.0.0.0:2000", "255.255.255.255:2000", LOCAL] {
        breaks(send(&mut bench(), path(LOCAL, wrong), &question(1)), "INV-19");
    }
    for wrong in ["[ff02::1]:2000", "[::]:2000"] {
        breaks(send(&mut bench(), path("[2001:db8::1]:1000", wrong), &question(1)), "INV-19");
    }
    for right in ["198.51.100.1:1", "223.255.255.255:2000", "192.0.2.1:1001", "192.0.2.2:1000"] {
        assert_eq!(send(&mut bench(), path(LOCAL, right), &question(1)), Ok(()));
    }
}

#[test]
fn what_is_sent_is_a_message_to_the_last_byte_and_its_padding_is_zero() {
    let whole = build(|out| {
        _ = Builder::request(out, Method::BINDING, id(1)).raw(AttributeType::new(0xc001), b"odd");
    });
    let mut dirty = whole.clone();
    *dirty.last_mut().unwrap() = 1;
    tells("INV-44: padding", &dirty, &whole);
    tells("INV-44: a length", &whole[..whole.len() - 4], &whole);
    tells("INV-44: neither STUN", b"nothing", &whole);
}

/// A request to the server, and the success that grants it.
fn granted(bench: &mut Bench, request: &[u8], grant: impl FnOnce(Builder<'_>) -> Builder<'_>) {
    let (Ok(Packet::Stun(asked)), now) = (Packet::read(request), bench.now) else { panic!("no request") };
    let method = if asked.method == CHANNEL_BIND { Method::CHANNEL_BIND } else { Method::CREATE_PERMISSION };
    let method = if asked.method == 3 { Method::ALLOCATE } else { method };
    let success = build(|out| _ = grant(Builder::success(out, method, TransactionId::from(asked.id))));
    let Ok(Packet::Stun(success)) = Packet::read(&success) else { panic!("no success") };
    let relays = &mut bench.watch.wire.relays;
    relays.begin();
    relays.answered(now, server(), &asked, &success);
    relays.taken();
}

fn allocate(number: u8) -> Vec<u8> {
    build(|out| _ = Builder::request(out, Method::ALLOCATE, id(number)))
}

fn bind(number: u8, channel: u16, peer: &str) -> Vec<u8> {
    build(|out| {
        let builder = Builder::request(out, Method::CHANNEL_BIND, id(number));
        _ = builder
            .attribute(&ChannelNumber::new(channel).unwrap())
            .attribute(&XorPeerAddress(address(peer)));
    })
}

fn permit(number: u8, peer: &str) -> Vec<u8> {
    build(|out| {
        let builder = Builder::request(out, Method::CREATE_PERMISSION, id(number));
        _ = builder.attribute(&XorPeerAddress(address(peer)));
    })
}

fn channel_data(channel: u16, inner: &[u8]) -> Vec<u8> {
    let length = u16::try_from(inner.len()).unwrap();
    [&channel.to_be_bytes()[..], &length.to_be_bytes(), inner].concat()
}

fn indication(peer: SocketAddr, inner: &[u8]) -> Vec<u8> {
    build(|out| {
        let builder = Builder::indication(out, Method::SEND, id(9));
        _ = builder.attribute(&XorPeerAddress(peer)).attribute(&Data(inner));
    })
}

/// It has an allocation.
fn allocated() -> Bench {
    let mut bench = bench();
    let request = allocate(201);
    assert_eq!(send(&mut bench, server(), &request), Ok(()));
    let relayed = XorRelayedAddress(address(RELAYED));
    granted(&mut bench, &request, |success| success.attribute(&relayed).attribute(&Lifetime(600)));
    bench
}

/// A check by way of the relay may leave once what it needs is granted, and not before.
fn waits_until_granted(bench: &mut Bench, request: &[u8], data: &[u8]) {
    assert_eq!(send(bench, server(), request), Ok(()));
    breaks(send(bench, server(), data), "INV-47");
    granted(bench, request, |success| success);
    assert_eq!(send(bench, server(), data), Ok(()));
    let check = &bench.watch.wire.requests[&[1; 12]];
    assert_eq!((check.path, check.relayed), (Some(path(RELAYED, PEER)), true));
}

#[test]
fn data_goes_by_a_channel_that_was_bound_and_granted() {
    let mut bench = allocated();
    let data = channel_data(0x4000, &Ask::new(&bench).encode());
    breaks(send(&mut bench, server(), &data), "INV-49: channel 0x4000 was never bound");
    waits_until_granted(&mut bench, &bind(2, 0x4000, PEER), &data);
    // With another allocation the same check begins at another address.
    bench.watch.wire.relays.relayed.insert(server(), [address("198.51.100.9:49153")].into());
    bench.now += 500 * MS;
    assert_eq!(send(&mut bench, server(), &data), Ok(()));
    let other = path(LOCAL, "198.51.100.8:3478");
    breaks(send(&mut bench, other, &data), "INV-49: channel 0x4000 was never bound");
}

#[test]
fn a_channel_leads_to_one_peer() {
    let mut bench = allocated();
    assert_eq!(send(&mut bench, server(), &bind(2, 0x4000, PEER)), Ok(()));
    assert_eq!(send(&mut bench, server(), &bind(3, 0x4000, PEER)), Ok(()), "bound again");
    assert_eq!(send(&mut bench, server(), &bind(4, 0x4001, "203.0.113.9:5001")), Ok(()));
    assert_eq!(send(&mut bench, path(LOCAL, "198.51.100.8:3478"), &bind(5, 0x4000, RELAYED)), Ok(()));
    breaks(send(&mut bench, server(), &bind(6, 0x4000, "203.0.113.9:5001")), "INV-49: channel 0x4000 from");
}

#[test]
fn data_goes_by_an_indication_to_whom_there_is_a_permission() {
    let mut bench = allocated();
    let data = indication(address(PEER), &Ask::new(&bench).encode());
    breaks(send(&mut bench, server(), &data), "INV-47");
    waits_until_granted(&mut bench, &permit(2, PEER), &data);
    let elsewhere = indication(address("203.0.113.10:5000"), &question(3));
    breaks(send(&mut bench, server(), &elsewhere), "INV-47");
}

#[test]
fn a_peer_is_sent_checks_and_answers_by_way_of_a_relay() {
    let mut bench = allocated();
    let request = bind(2, 0x4000, PEER);
    assert_eq!(send(&mut bench, server(), &request), Ok(()));
    granted(&mut bench, &request, |success| success);
    let (_, answer) = bench.peer_check();
    for inner in [&answer, &Ask::new(&bench).encode()] {
        assert_eq!(send(&mut bench, server(), &channel_data(0x4000, inner)), Ok(()));
        assert_eq!(send(&mut bench, server(), &indication(address(PEER), inner)), Ok(()));
    }
    for inner in [&allocate(3), &channel_data(0x4000, &answer)] {
        breaks(send(&mut bench, server(), &channel_data(0x4000, inner)), "INV-44: neither check");
        breaks(send(&mut bench, server(), &indication(address(PEER), inner)), "INV-44: neither check");
    }
    breaks(send(&mut bench, server(), &channel_data(0x4000, b"data")), "INV-44: neither STUN");
}

#[test]
fn a_server_is_sent_requests_and_send_indications_without_software() {
    let software = Software::new("seven").unwrap();
    let named = build(|out| {
        _ = Builder::request(out, Method::ALLOCATE, id(1)).attribute(&software);
    });
    tells("INV-45: SOFTWARE to a server", &named, &allocate(1));
    let success = build(|out| _ = Builder::success(out, Method::ALLOCATE, id(1)));
    tells("INV-44: Success of method 3", &success, &allocate(1));
    let data = build(|out| _ = Builder::indication(out, Method::DATA, id(1)));
    tells("INV-44: Indication of method 7", &data, &allocate(1));
}

#[test]
fn only_what_is_asked_anew_after_a_release_is_reported() {
    let mut bench = allocated();
    let before = permit(2, PEER);
    assert_eq!(send(&mut bench, server(), &before), Ok(()));
    let release = build(|out| {
        _ = Builder::request(out, Method::REFRESH, id(3)).attribute(&Lifetime(0));
    });
    assert_eq!(send(&mut bench, server(), &release), Ok(()));
    bench.now += 500 * MS;
    assert_eq!(send(&mut bench, server(), &before), Ok(()), "sent again");
    breaks(send(&mut bench, server(), &permit(4, PEER)), "INV-48");
}

/// An error that has this reason.
fn error(reason: &str, password: Option<&str>) -> Vec<u8> {
    build(|out| {
        let code = ErrorCode::BAD_REQUEST.with_reason(reason).unwrap();
        let builder = Builder::error(out, Method::BINDING, id(1), &code);
        match password {
            Some(password) => builder.integrity(&key(password), Integrity::Sha1).fingerprint(),
            None => builder.fingerprint(),
        }
    })
}

#[test]
fn a_reason_is_for_whoever_has_the_password_and_software_for_nobody() {
    tells("INV-45: SOFTWARE or a reason", &error("because", None), &error("", None));
    let mut bench = bench();
    for integrity in [Integrity::Sha1, Integrity::Sha256] {
        let signed = build(|out| {
            let code = ErrorCode::BAD_REQUEST.with_reason("because").unwrap();
            let builder = Builder::error(out, Method::BINDING, id(1), &code);
            builder.integrity(&key(bench.ours().password()), integrity).fingerprint();
        });
        assert_eq!(send(&mut bench, way(), &signed), Ok(()));
    }
    let ask = Ask::new(&bench);
    let named = build(|out| {
        let builder = ask.begin(out).attribute(&Software::new("seven").unwrap());
        builder.integrity(&key(&ask.password), Integrity::Sha1).fingerprint();
    });
    tells("INV-45: SOFTWARE or a reason", &named, &ask.encode());
}

#[test]
fn checks_answers_and_indications_have_a_right_fingerprint() {
    let ask = Ask::new(&bench());
    let bare = build(|out| _ = ask.begin(out).integrity(&key(&ask.password), Integrity::Sha1));
    tells("INV-45: no fingerprint", &bare, &ask.encode());
    let mut wrong = ask.encode();
    *wrong.last_mut().unwrap() ^= 1;
    tells("INV-45: no fingerprint", &wrong, &ask.encode());
    let bare = build(|out| _ = Builder::indication(out, Method::BINDING, id(1)));
    let whole = build(|out| Builder::indication(out, Method::BINDING, id(1)).fingerprint());
    tells("INV-45: no fingerprint", &bare, &whole);
    let bare = build(|out| _ = Builder::success(out, Method::BINDING, id(1)));
    tells("INV-45: no fingerprint", &bare, &error("", None));
    // A server wants none, and one that is there is right.
    let whole = build(|out| Builder::request(out, Method::BINDING, id(1)).fingerprint());
    assert_eq!(send(&mut bench(), way(), &question(1)), Ok(()));
    let mut wrong = whole.clone();
    *wrong.last_mut().unwrap() ^= 1;
    tells("INV-45: no fingerprint", &wrong, &whole);
}

#[test]
fn an_answer_is_signed_with_a_password_of_ours_unless_it_is_an_error_without_one() {
    let ours = bench().ours();
    let success = |password: &str| {
        build(|out| {
            let builder = Builder::success(out, Method::BINDING, id(1));
            let builder = builder.attribute(&XorMappedAddress(way().remote()));
            builder.integrity(&key(password), Integrity::Sha1).fingerprint();
        })
    };
    tells("INV-44: an answer", &success("another password entirely"), &success(ours.password()));
    let unsigned = build(|out| Builder::success(out, Method::BINDING, id(1)).fingerprint());
    tells("INV-44: an answer", &unsigned, &error("", None));
    let password = Some("another password entirely");
    tells("INV-44: an answer", &error("", password), &error("", Some(ours.password())));
}

#[test]
fn a_check_has_two_names_of_which_one_is_ours() {
    let right = Ask::new(&bench());
    let wrong = Ask { name: "nobody".into(), ..right.clone() };
    tells("INV-44: a user name", &wrong.encode(), &right.encode());
    let wrong = Ask { name: "peer:nobody".into(), ..right.clone() };
    tells("INV-31", &wrong.encode(), &right.encode());
    // A generation is over when two have come after it.
    let mut bench = bench();
    for (restarts, is_over) in [(1, false), (2, true)] {
        bench.command(|agent, now, stream| agent.restart(now, stream).unwrap());
        let check = Ask { id: restarts, ..right.clone() }.encode();
        assert_eq!(send(&mut bench, way(), &check).is_err_and(|told| told.starts_with("INV-31")), is_over);
    }
}

#[test]
fn a_check_is_signed_with_the_password_that_its_peer_is_known_to_have() {
    let right = Ask::new(&bench());
    let wrong = Ask { password: "another password entirely".into(), ..right.clone() };
    tells("INV-44: a check for peer", &wrong.encode(), &right.encode());
    let stranger = Ask { name: right.name.replace("peer", "stranger"), ..wrong };
    assert_eq!(send(&mut bench(), way(), &stranger.encode()), Ok(()));
}

#[test]
fn a_check_claims_one_role() {
    let right = Ask::new(&bench());
    for roles in [&[][..], &[Role::Controlling, Role::Controlled]] {
        tells("INV-44: a check claims", &Ask { roles, ..right.clone() }.encode(), &right.encode());
    }
    let controlled = Ask { roles: &[Role::Controlled], ..right };
    assert_eq!(send(&mut bench(), way(), &controlled.encode()), Ok(()));
}

#[test]
fn a_check_has_the_priority_of_a_peer_reflexive_candidate() {
    let right = Ask::new(&bench());
    for priority in [None, Some(109 << 24 | 0xff_ffff), Some(111 << 24), Some(126 << 24)] {
        tells("INV-43", &Ask { priority, ..right.clone() }.encode(), &right.encode());
    }
    for priority in [Some(110 << 24), Some(110 << 24 | 0xff_ffff)] {
        assert_eq!(send(&mut bench(), way(), &Ask { priority, ..right.clone() }.encode()), Ok(()));
    }
}

#[test]
fn the_controlling_side_nominates_what_has_worked() {
    let nomination = Ask { nominates: true, ..Ask::new(&bench()) };
    let controlled = Ask { roles: &[Role::Controlled], ..nomination.clone() };
    let proven = || {
        let mut bench = bench();
        bench.watch.wire.proven.insert(way());
        bench
    };
    assert_eq!(send(&mut proven(), way(), &nomination.encode()), Ok(()));
    breaks(send(&mut proven(), way(), &controlled.encode()), "INV-41");
    breaks(send(&mut bench(), way(), &nomination.encode()), "INV-41");
    breaks(send(&mut proven(), path(LOCAL, "198.51.100.1:2001"), &nomination.encode()), "INV-41");
    // Whatever it claims to be.
    for (role, is_told) in [(Role::Controlled, true), (Role::Controlling, false)] {
        let mut bench = proven();
        bench.watch.wire.set_role(role);
        assert_eq!(send(&mut bench, way(), &nomination.encode()).is_err(), is_told);
    }
    // By way of a relay that is not known the path is not to be seen.
    let (mut bench, payload) = (bench(), Bytes::from(nomination.encode()));
    let Ok(Packet::Stun(message)) = Packet::read(&payload) else { panic!("no message") };
    let Watch { wire, streams, .. } = &mut bench.watch;
    let leg = Leg { path: None, relayed: true };
    let sent = Sent { moment: Moment { now: bench.now, streams }, leg, message, payload: &payload };
    assert_eq!(wire.check(&sent), Ok(()));
}

/// The watch is told of outputs, and of the role with them.
#[test]
fn a_controlled_agent_that_nominates_is_found_out() {
    for (role, is_told) in [(Role::Controlled, true), (Role::Controlling, false)] {
        let mut bench = Bench::new(Config::new(), role, 1);
        bench.base(1, LOCAL);
        bench.remote("trickle ice2");
        bench.watch.wire.proven.insert(way());
        let payload = Ask { nominates: true, ..Ask::new(&bench) }.encode().into();
        let output = Output::Transmit(Transmit { path: way(), payload });
        bench.watch.output(&bench.agent, bench.now, &output);
        assert_eq!(bench.broke("INV-41"), is_told);
    }
}

#[test]
fn an_id_is_for_one_request_on_one_path() {
    let mut bench = bench();
    let ask = Ask::new(&bench);
    assert_eq!(send(&mut bench, way(), &ask.encode()), Ok(()));
    bench.now += 500 * MS;
    let other = Ask { priority: Some(110 << 24), ..ask.clone() };
    breaks(send(&mut bench, way(), &other.encode()), "INV-24");
    breaks(send(&mut bench, path(LOCAL, "198.51.100.1:2001"), &ask.encode()), "INV-24");
    assert_eq!(send(&mut bench, way(), &ask.encode()), Ok(()), "to the byte");
    assert_eq!(send(&mut bench, way(), &Ask { id: 2, ..other }.encode()), Ok(()));
    assert_eq!(bench.watch.wire.fresh[..1], [[1; 12]]);
}

/// A check leaves, and again so long after; what is told of the last one.
fn repeated(learn: impl FnOnce(&mut Wire), after: &[u64]) -> Result<(), String> {
    let mut bench = bench();
    bench.watch.wire.set_timed(true);
    let (ask, began_at) = (Ask::new(&bench).encode(), bench.now);
    assert_eq!(send(&mut bench, way(), &ask), Ok(()));
    learn(&mut bench.watch.wire);
    let mut told = Ok(());
    for millis in after {
        assert_eq!(told, Ok(()));
        bench.now = began_at + Duration::from_millis(*millis);
        told = send(&mut bench, way(), &ask);
    }
    told
}

fn first(wire: &mut Wire) -> &mut Request {
    wire.requests.get_mut(&[1; 12]).unwrap()
}

const SCHEDULE: [u64; 7] = [500, 1_500, 3_500, 7_500, 15_500, 31_500, 63_500];

#[test]
fn a_request_is_sent_seven_times() {
    assert_eq!(repeated(|_| {}, &SCHEDULE[..6]), Ok(()));
    breaks(repeated(|_| {}, &SCHEDULE), "INV-35: transmission 8");
}

#[test]
fn an_answer_ends_the_transmissions_and_consent_has_but_one() {
    for answer in [Answer::Success, Answer::Failure] {
        breaks(repeated(|wire| first(wire).answered = Some(answer), &[500]), "INV-35: a request on");
    }
    breaks(repeated(|wire| first(wire).consent = true, &[500]), "INV-29");
    let held_back = |it: &mut Request| (it.answered, it.relayed) = (Some(Answer::Success), true);
    assert_eq!(repeated(|wire| held_back(first(wire)), &[500]), Ok(()), "a relay may have held it back");
    assert_eq!(repeated(|_| {}, &[500]), Ok(()));
}

#[test]
fn an_rto_is_half_a_second_at_the_least() {
    breaks(repeated(|_| {}, &[499]), "INV-36");
    breaks(repeated(|_| {}, &[500, 1_499]), "INV-36");
    assert_eq!(repeated(|_| {}, &[500, 1_500]), Ok(()));
    assert_eq!(repeated(|_| {}, &[600, 1_800]), Ok(()), "and may be longer");
    assert_eq!(repeated(|_| {}, &[600, 1_500]), Ok(()), "the first was late");
}

#[test]
fn each_transmission_is_twice_as_far_from_the_one_before() {
    // As late as three of them may be, at a quarter of a second each.
    assert_eq!(repeated(|_| {}, &[500, 1_500 + 750]), Ok(()));
    breaks(repeated(|_| {}, &[500, 1_500 + 751]), "INV-35: transmission 3");
    // Those on the way are spread: forty of them take half a second, so that three are a second and a half late.
    let crowd = |count: u8, change: fn(&mut Request)| {
        move |wire: &mut Wire| {
            wire.pacing = 50 * MS;
            for number in 2..=count {
                let known = first(wire);
                let mut other = Request { payload: known.payload.clone(), ..*known };
                change(&mut other);
                wire.requests.insert([number; 12], other);
            }
        }
    };
    let late = |by: u64, learn: &dyn Fn(&mut Wire)| repeated(|wire| learn(wire), &[500, 1_500 + by]);
    assert_eq!(late(1_500, &crowd(40, |_| {})), Ok(()));
    breaks(late(1_501, &crowd(40, |_| {})), "INV-35: transmission 3");
    breaks(late(1_500, &crowd(39, |_| {})), "INV-35: transmission 3");
    // What was answered is not on the way, nor what was sent a minute ago.
    breaks(late(751, &crowd(40, |other| other.answered = Some(Answer::Success))), "INV-35");
    breaks(late(751, &crowd(40, |other| other.last_at = at(42_251))), "INV-35");
    assert_eq!(late(751, &crowd(40, |other| other.last_at = at(42_252))), Ok(()));
}

#[test]
fn what_was_late_for_a_reason_is_not_held_to_its_time() {
    let late = [500, 10_000];
    breaks(repeated(|_| {}, &late), "INV-35: transmission 3");
    assert_eq!(repeated(|wire| wire.excuse_until(at(100_001)), &late), Ok(()), "the caller was late");
    breaks(repeated(|wire| wire.excuse_until(at(100_000)), &late), "INV-35: transmission 3");
    breaks(repeated(|wire| wire.excuse_until(at(100_001)), &[499]), "INV-36");
    let twice = |wire: &mut Wire| [100_001, 1].map(at).into_iter().for_each(|until| wire.excuse_until(until));
    assert_eq!(repeated(twice, &late), Ok(()), "no excuse is taken back");
    for change in [|it: &mut Request| it.timed = false, |it: &mut Request| it.relayed = true] {
        assert_eq!(repeated(|wire| change(first(wire)), &late), Ok(()));
        assert_eq!(repeated(|wire| change(first(wire)), &[1]), Ok(()));
        breaks(repeated(|wire| change(first(wire)), &SCHEDULE), "INV-35: transmission 8");
    }
    // By way of a relay the path is another one once there is another allocation.
    let elsewhere = |wire: &mut Wire| first(wire).path = Some(path(RELAYED, PEER));
    breaks(repeated(elsewhere, &[500]), "INV-24");
}

#[test]
fn what_nobody_has_announced_is_not_held_to_its_time() {
    let mut bench = bench();
    let check = Ask::new(&bench).encode();
    bench.watch.wire.set_timed(false);
    assert_eq!(send(&mut bench, way(), &check), Ok(()));
    bench.watch.wire.set_timed(true);
    assert_eq!(send(&mut bench, way(), &check), Ok(()));
}

#[test]
fn checks_and_their_repetitions_count_for_whoever_has_never_answered() {
    let leg = Leg { path: Some(way()), relayed: false };
    for again in [true, false] {
        let (mut bench, now) = (bench(), at(100_000));
        let ask = Ask::new(&bench);
        assert_eq!(send(&mut bench, way(), &ask.encode()), Ok(()));
        for _ in 2..UNANSWERED_MAX {
            assert_eq!(bench.watch.wire.spend(now, leg), Ok(()));
        }
        bench.now += 500 * MS;
        let last = if again { ask.encode() } else { Ask { id: 2, ..ask.clone() }.encode() };
        assert_eq!(send(&mut bench, way(), &last), Ok(()));
        bench.now += 1_000 * MS;
        breaks(send(&mut bench, way(), &last), "INV-32");
        breaks(send(&mut bench, way(), &Ask { id: 3, ..ask }.encode()), "INV-32");
    }
}

#[test]
fn requests_are_counted_with_their_repetitions_and_connections() {
    let mut bench = bench();
    let ask = Ask::new(&bench);
    assert_eq!(send(&mut bench, way(), &ask.encode()), Ok(()));
    bench.now += 500 * MS;
    assert_eq!(send(&mut bench, way(), &ask.encode()), Ok(()));
    let (_, answer) = bench.peer_check();
    assert_eq!(send(&mut bench, way(), &answer), Ok(()));
    assert_eq!((bench.watch.wire.transmitted, &bench.watch.wire.fresh[..]), (2, &[[1; 12]][..]));
    bench.watch.wire.connects();
    assert_eq!(bench.watch.wire.transmitted, 3);
}
