//! What goes through, and for how long.

use floe::sim::Node;
use floe::stun::{Builder, Method, TransactionId};
use floe::turn::{ChannelData, ChannelNumber, Data, Icmp, MobilityTicket, XorPeerAddress};
use floe::{Path, Timestamp, Transport};

use crate::client::{CLIENT, Dialogue, PEER, server, socket};

fn send(dialogue: &mut Dialogue, payload: &[u8]) {
    let mut out = Vec::new();
    let _ = Builder::indication(&mut out, Method::SEND, TransactionId::from([9; 12]))
        .attribute(&XorPeerAddress(socket(PEER)))
        .attribute(&Data(payload));
    dialogue.server.handle_datagram(dialogue.now, dialogue.path, &out);
}

fn relayed() -> Path {
    Path::udp(socket("198.51.100.1:49152"), socket(PEER))
}

#[test]
fn nothing_is_relayed_without_a_permission_and_everything_with_one() {
    let mut dialogue = Dialogue::allocated(server());
    send(&mut dialogue, b"too early");
    dialogue.server.handle_datagram(dialogue.now, relayed(), b"unwanted");
    assert!(dialogue.next().is_none());
    let traffic = dialogue.server.traffic();
    assert_eq!((traffic.without_permission, traffic.unwanted), (1, 1));

    dialogue.permit(PEER);
    send(&mut dialogue, b"hello");
    assert_eq!(dialogue.next_to_peer(), Some((relayed(), b"hello".to_vec())));
    dialogue.server.handle_datagram(dialogue.now, relayed(), b"hello yourself");
    let data = dialogue.next().unwrap();
    assert_eq!(data.message().method(), Method::DATA);
    assert_eq!(data.get(), Some(XorPeerAddress(socket(PEER))));
    assert_eq!(data.get(), Some(Data(b"hello yourself")));
    // The port does not matter, the address does.
    let other_port = Path::udp(relayed().local(), socket("192.0.2.77:1"));
    dialogue.server.handle_datagram(dialogue.now, other_port, b"me too");
    assert!(dialogue.next().is_some());
}

#[test]
fn permissions_end_after_five_minutes_and_channels_after_ten() {
    let mut dialogue = Dialogue::allocated(server());
    let number = ChannelNumber::MIN;
    let bind = |dialogue: &mut Dialogue| {
        dialogue.ask(Method::CHANNEL_BIND, |builder| {
            builder.attribute(&number).attribute(&XorPeerAddress(socket(PEER)))
        })
    };
    assert_eq!(bind(&mut dialogue).code(), None);
    let mut frame = Vec::new();
    ChannelData::new(number, b"hello").unwrap().encode(Transport::Udp, &mut frame);
    dialogue.server.handle_datagram(dialogue.now, dialogue.path, &frame);
    assert_eq!(dialogue.next_to_peer(), Some((relayed(), b"hello".to_vec())));
    dialogue.server.handle_datagram(dialogue.now, relayed(), b"hello");
    assert_eq!(dialogue.next().map(|answer| answer.bytes), Some(frame.clone()));

    let allocation = |dialogue: &Dialogue| dialogue.server.allocation(socket(CLIENT)).unwrap().clone();
    dialogue.pass(299);
    assert!(allocation(&dialogue).permits(socket(PEER).ip()));
    dialogue.pass(1);
    assert!(!allocation(&dialogue).permits(socket(PEER).ip()));
    assert_eq!(allocation(&dialogue).channel_of(socket(PEER)), Some(number));
    dialogue.ask(Method::REFRESH, |builder| builder);
    dialogue.permit(PEER);
    dialogue.pass(299);
    assert_eq!(allocation(&dialogue).peer_of(number), Some(socket(PEER)));
    dialogue.pass(1);
    assert_eq!(allocation(&dialogue).peer_of(number), None);
    let expired = dialogue.server.expired();
    assert_eq!((expired.permissions, expired.channels, expired.allocations), (2, 1, 0));
    dialogue.server.handle_datagram(dialogue.now, dialogue.path, &frame);
    assert_eq!(dialogue.server.traffic().without_channel, 1);
    assert_eq!(dialogue.server.violations(), []);
}

#[test]
fn what_the_network_says_is_passed_on() {
    let mut dialogue = Dialogue::allocated(server());
    let icmp = Icmp { kind: 3, code: 4, data: 1200 };
    dialogue.server.send_icmp(socket(CLIENT), socket(PEER), icmp);
    let data = dialogue.next().unwrap();
    assert_eq!(data.message().method(), Method::DATA);
    assert_eq!((data.get(), data.get()), (Some(XorPeerAddress(socket(PEER))), Some(icmp)));
}

#[test]
fn a_server_that_restarts_knows_nobody() {
    let mut dialogue = Dialogue::allocated(server());
    dialogue.permit(PEER);
    dialogue.server.restart();
    send(&mut dialogue, b"hello?");
    assert_eq!(dialogue.server.traffic().without_allocation, 1);
    let stale = dialogue.ask(Method::REFRESH, |builder| builder);
    assert_eq!(stale.code(), Some(438));
    dialogue.nonce = stale.get::<floe::stun::Nonce<'_>>().unwrap().as_bytes().to_vec();
    assert_eq!(dialogue.ask(Method::REFRESH, |builder| builder).code(), Some(437));
    assert_eq!(dialogue.allocate(|builder| builder).relayed(), [socket("198.51.100.1:49153")]);
    assert_eq!(dialogue.server.violations(), []);
}

#[test]
fn a_server_that_has_vanished_says_nothing_and_keeps_its_clock() {
    let mut dialogue = Dialogue::allocated(server());
    dialogue.permit(PEER);
    dialogue.server.vanish();
    let request = dialogue.request(Method::REFRESH, |builder| builder);
    assert!(dialogue.exchange(&request).is_none());
    dialogue.server.handle_datagram(dialogue.now, relayed(), b"hello");
    assert!(dialogue.next().is_none());
    dialogue.pass(600);
    dialogue.server.reappear();
    assert_eq!(dialogue.now, Timestamp::from_millis(600_000));
    assert_eq!(dialogue.ask(Method::REFRESH, |builder| builder).code(), Some(437));
}

#[test]
fn an_allocation_follows_its_ticket_and_data_follows_data() {
    let mut dialogue = Dialogue::challenged(server().mobility());
    let ticket =
        |answer: &crate::client::Answer| answer.get::<MobilityTicket<'_>>().map(|ticket| ticket.0.to_vec());
    let answer = dialogue.allocate(|builder| builder.attribute(&MobilityTicket(&[])));
    let first = ticket(&answer).unwrap();
    dialogue.permit(PEER);
    // On the same 5-tuple it is of no use.
    let refresh = |dialogue: &mut Dialogue, ticket: &[u8]| {
        dialogue.ask(Method::REFRESH, |builder| builder.attribute(&MobilityTicket(ticket)))
    };
    assert_eq!(refresh(&mut dialogue, &first).code(), Some(400));

    let (old, new) = (dialogue.path, Path::udp(dialogue.path.local(), socket("203.0.113.99:1000")));
    dialogue.path = new;
    dialogue.take_challenge();
    let moved = refresh(&mut dialogue, &first);
    assert_eq!(moved.code(), None);
    assert_ne!(ticket(&moved), Some(first.clone()));
    assert_eq!(
        dialogue.server.allocations().map(|allocation| allocation.client()).collect::<Vec<_>>(),
        [new.remote()]
    );
    // Until there is data on the new one, the old one has it.
    dialogue.path = old;
    dialogue.server.handle_datagram(dialogue.now, relayed(), b"old");
    assert!(dialogue.next().is_some());
    send(&mut dialogue, b"still here");
    assert_eq!(dialogue.next_to_peer(), Some((relayed(), b"still here".to_vec())));
    dialogue.path = new;
    send(&mut dialogue, b"moved");
    assert_eq!(dialogue.next_to_peer(), Some((relayed(), b"moved".to_vec())));
    dialogue.server.handle_datagram(dialogue.now, relayed(), b"new");
    assert!(dialogue.next().is_some());
    // The first ticket is used up.
    dialogue.path = Path::udp(old.local(), socket("203.0.113.99:1001"));
    dialogue.take_challenge();
    assert_eq!(refresh(&mut dialogue, &first).code(), Some(437));
    assert_eq!(dialogue.server.violations(), []);
}
