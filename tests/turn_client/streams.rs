//! A client on a connection: what it says and hears is cut into messages by `framing` (RFC 8656 section 12.5).

use floe::framing::{Deframer, Framing};
use floe::stun::{Builder, Method};
use floe::turn::{ChannelData, ChannelNumber, Data, Received, XorPeerAddress};
use floe::{Transport, turn::Event};

use crate::bench::{Bench, address, config, ip, tcp_path};

const PEER: &str = "198.51.100.77:9000";
const OTHER: &str = "198.51.100.78:9000";

/// Data of the peer, as the server relays it in an indication.
fn indication(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Builder::indication(&mut out, Method::DATA, [9; 12].into())
        .attribute(&XorPeerAddress(address(PEER)))
        .attribute(&Data(payload))
        .fingerprint();
    out
}

/// The same on its channel.
fn on_channel(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ChannelData::new(ChannelNumber::MIN, payload).unwrap().encode(Transport::Tcp, &mut out);
    out
}

/// The first answer of the server is among the data, and so is what it permits meanwhile.
///
/// Proves: rfc8656-12.5-1, rfc8489-6.2.2-4
/// Scenario: S-54
/// Lesson: R-40
#[test]
fn data_of_every_kind_and_answers_come_out_of_a_stream_however_it_is_cut() {
    let payloads: Vec<Vec<u8>> = (0..9_u8).map(|n| vec![n; usize::from(n) * 3 + 1]).collect();
    for part in 1..=90 {
        let mut bench = Bench::on(config(), tcp_path());
        bench.allocate_for(600);
        bench.bound(PEER);
        bench.client.permit(bench.now, ip(OTHER.split(':').next().unwrap())).unwrap();
        let asked = bench.next_request();
        let mut stream = Vec::new();
        for (n, payload) in payloads.iter().enumerate() {
            stream.extend(if n % 2 == 0 { on_channel(payload) } else { indication(payload) });
            if n == 4 {
                stream.extend(bench.success(&asked, |response| response));
            }
        }
        let (mut deframer, mut received) = (Deframer::new(), Vec::new());
        for mut read in stream.chunks(part) {
            while let Some(frame) = deframer.next(Framing::Turn, &mut read).unwrap() {
                let frame = frame.to_vec();
                match bench.feed(&frame) {
                    Received::Data { peer, payload } => {
                        assert_eq!(peer, address(PEER));
                        received.push(payload.to_vec());
                        let permitted = bench.client.permitted().count();
                        assert_eq!(permitted, if received.len() > 5 { 2 } else { 1 });
                    }
                    Received::Control => assert_eq!(received.len(), 5, "in its place among the data"),
                    Received::Ignored(reason) => panic!("{reason}"),
                }
            }
        }
        assert_eq!(received, payloads, "in parts of {part}");
        assert_eq!(bench.last_event(), Some(Event::Permitted { peer: address(OTHER).ip() }));
    }
}

/// What goes to a peer over a connection is cut into the same messages by the server.
///
/// Proves: rfc8656-12.5-1
#[test]
fn what_is_sent_over_a_stream_can_be_cut_again() {
    let mut bench = Bench::on(config(), tcp_path());
    bench.allocate_for(600);
    bench.bound(PEER);
    let (mut stream, payloads) = (Vec::new(), [&b"1"[..], b"22", b"333", b"4444", b"55555"]);
    for payload in payloads {
        bench.client.route(address(PEER)).unwrap().encode(payload, &mut stream);
    }
    let (mut deframer, mut read, mut cut) = (Deframer::new(), &stream[..], Vec::new());
    while let Some(frame) = deframer.next(Framing::Turn, &mut read).unwrap() {
        cut.push(ChannelData::parse(frame).unwrap().payload().to_vec());
    }
    assert_eq!(cut, payloads);
}
