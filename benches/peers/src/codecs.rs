//! A: messages read, verified and written, and told from other datagrams.
use crate::cases::{Case, Extra};
use crate::data::{self, Check};
use crate::traits::{Codec, Parsed};
use std::hint::black_box;

/// The cases of A that a codec can do, after a look at whether it does them right.
pub fn cases<C: Codec + 'static>() -> Vec<Case> {
    compare::<C>("A3", C::build_request, &data::ice_request());
    compare::<C>("A4", C::build_response, &data::ice_response());
    compare::<C>("A6a", |codec, out| codec.wrap_channel(&data::payload(), out), &data::channel_data());
    compare::<C>("A6c", |codec, out| codec.wrap_send(&data::payload(), out), &data::indication(0x0016));
    try_to_forge::<C>();
    let room = Vec::with_capacity(2048);
    let mut cases = vec![
        case::<C, _>("A1", data::ice_request(), |codec, message| {
            assert_eq!(black_box(codec.parse(black_box(message))), Some(PARSED));
        }),
        case::<C, _>("A2", data::ice_request(), |codec, message| {
            assert!(codec.parse_verify(black_box(message)));
        }),
        case::<C, _>("A3", room.clone(), |codec, out| {
            codec.build_request(out);
            black_box(&out);
        }),
        case::<C, _>("A4", room.clone(), |codec, out| {
            codec.build_response(out);
            black_box(&out);
        }),
        case::<C, _>("A5", data::traffic(), |codec, datagrams| {
            assert_eq!(codec.classify(black_box(datagrams)), (2, 1, 13));
        }),
        case::<C, _>("A6a", (data::payload(), room.clone()), |codec, (payload, out)| {
            codec.wrap_channel(black_box(payload), out);
            black_box(&out);
        }),
        case::<C, _>("A6b", data::channel_data(), |codec, datagram| {
            let expected = Some((data::CHANNEL, data::PAYLOAD, 3));
            assert_eq!(black_box(codec.unwrap_channel(black_box(datagram))), expected);
        }),
        case::<C, _>("A6c", (data::payload(), room), |codec, (payload, out)| {
            codec.wrap_send(black_box(payload), out);
            black_box(&out);
        }),
        case::<C, _>("A6d", data::indication(0x0017), |codec, datagram| {
            let expected = Some((data::peer(), data::PAYLOAD, 3));
            assert_eq!(black_box(codec.unwrap_data(black_box(datagram))), expected);
        }),
    ];
    cases.retain(|case| can::<C>(case.workload));
    cases
}

fn case<C: Codec + 'static, S: Clone + 'static>(
    workload: &'static str,
    state: S,
    once: fn(&mut C, &mut S),
) -> Case {
    let make = move || {
        let (mut codec, mut state) = (C::new(data::LPWD), state.clone());
        let run = move |times: usize| (0..times).for_each(|_| once(&mut codec, &mut state));
        (Box::new(run) as Box<dyn FnMut(usize)>, Extra::default())
    };
    Case { workload, implementation: C::NAME, heavy: false, make: Box::new(make) }
}

fn can<C: Codec>(workload: &str) -> bool {
    !C::UNSUPPORTED.iter().any(|(unsupported, _)| *unsupported == workload)
}

/// Notes where what is built differs from the reference, also when the vector has been used before.
fn compare<C: Codec>(workload: &str, build: fn(&mut C, &mut Vec<u8>), reference: &[u8]) {
    if !can::<C>(workload) {
        return;
    }
    let mut codec = C::new(data::LPWD);
    for _ in 0..2 {
        let mut out = vec![0xAA; 7];
        build(&mut codec, &mut out);
        if out != reference {
            let (len, expected) = (out.len(), reference.len());
            note(&format!(
                "{} {workload}: bytes differ from the reference (len {len} vs {expected})",
                C::NAME
            ));
            return;
        }
    }
}

/// A wrong MESSAGE-INTEGRITY has to be refused; who takes a wrong FINGERPRINT is noted.
fn try_to_forge<C: Codec>() {
    let mut codec = C::new(data::LPWD);
    let forged = data::request(&Check { forged: true, ..data::CHECK });
    assert!(!codec.parse_verify(&forged), "{} accepts a bad MESSAGE-INTEGRITY", C::NAME);
    let mut garbled = data::ice_request();
    *garbled.last_mut().expect("a message") ^= 1;
    if codec.parse_verify(&garbled) {
        note(&format!("{} accepts a wrong FINGERPRINT", C::NAME));
    }
}

/// Once: in the run that measures time.
fn note(remark: &str) {
    if std::env::args().nth(1).as_deref() == Some("wall") {
        eprintln!("note: {remark}");
    }
}

const PARSED: Parsed =
    Parsed { username_len: 9, priority: data::PRIORITY, tie_breaker: data::TIE, use_candidate: true };
