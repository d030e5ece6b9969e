//! What relayed data costs: no memory, in and out.

use floe::stun::{Builder, Method};
use floe::turn::{Data, Received, XorPeerAddress};

use crate::bench::{Bench, address, path};

const PEER: &str = "198.51.100.77:9000";
const STRANGER: &str = "198.51.100.99:9000";

fn allocations(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).count_total
}

/// A client with many peers, one of which has a channel.
fn busy() -> Bench {
    let mut bench = Bench::allocated();
    for n in 1..=60 {
        bench.client.permit(bench.now, format!("198.51.100.{n}").parse().unwrap()).unwrap();
    }
    loop {
        let asked = bench.requests();
        if asked.is_empty() {
            return bench;
        }
        for asked in asked {
            bench.succeed(&asked, |response| response);
        }
    }
}

fn data_indication(peer: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Builder::indication(&mut out, Method::DATA, [9; 12].into())
        .attribute(&XorPeerAddress(address(peer)))
        .attribute(&Data(payload));
    out
}

#[test]
fn relayed_data_is_handed_up_without_an_allocation() {
    let mut bench = busy();
    bench.bound(PEER);
    let payload = [0x80; 1_200];
    let mut channel = b"\x40\x00\x04\xb0".to_vec();
    channel.extend_from_slice(&payload);
    for datagram in [channel, data_indication(PEER, &payload)] {
        let (now, mut handed_up) = (bench.now, 0);
        let count = allocations(|| {
            let received = bench.client.handle_datagram(now, path(), &datagram);
            if let Received::Data { payload, .. } = received {
                handed_up = payload.len();
            }
            assert!(bench.client.poll_output().is_none() && bench.client.deadline() > Some(now));
        });
        assert_eq!((count, handed_up), (0, 1_200));
    }
}

#[test]
fn relayed_data_is_sent_without_an_allocation() {
    let mut bench = busy();
    bench.permitted("198.51.100.77");
    let (payload, mut frame) = ([0x80; 1_200], [0; 1_300]);
    let mut out = Vec::with_capacity(1_300);
    for channel in [false, true] {
        if channel {
            bench.bound(PEER);
        }
        let count = allocations(|| {
            let route = bench.client.route(address(PEER)).unwrap();
            assert_eq!(route.is_channel(), channel);
            let header = route.header(payload.len());
            let (head, rest) = frame.split_at_mut(header.as_ref().len());
            head.copy_from_slice(header.as_ref());
            rest[..payload.len()].copy_from_slice(&payload);
            out.clear();
            route.encode(&payload, &mut out);
            assert_eq!(out, frame[..header.as_ref().len() + payload.len() + route.padding(payload.len())]);
        });
        assert_eq!(count, 0);
    }
}

#[test]
fn what_is_not_for_us_costs_nothing() {
    let mut bench = busy();
    bench.bound(PEER);
    let mut forged = Vec::new();
    Builder::success(&mut forged, Method::REFRESH, [3; 12].into());
    let garbage: [&[u8]; 4] = [b"\x4a\xbc\x00\x01x", b"\x40\x00\xff\xffx", b"\x80", &forged];
    let stranger = data_indication(STRANGER, b"data");
    for datagram in garbage.into_iter().chain([&stranger[..]]) {
        let now = bench.now;
        let count = allocations(|| {
            assert!(matches!(bench.client.handle_datagram(now, path(), datagram), Received::Ignored(_)));
        });
        assert_eq!(count, 0);
    }
}

#[test]
fn a_timeout_before_the_deadline_costs_nothing() {
    let mut bench = busy();
    let now = bench.now;
    let before = bench.client.deadline();
    assert_eq!(allocations(|| bench.client.handle_timeout(now)), 0);
    assert_eq!((bench.client.deadline(), bench.client.poll_output()), (before, None));
}
