//! Permissions, channels and what is relayed (RFC 8656 sections 9 to 12).

use floe::turn::{Event, Ignored};

use crate::bench::{Bench, address, ip};

const PEER: &str = "198.51.100.77:9000";
const PEER_IP: &str = "198.51.100.77";

/// Proves: rfc8656-11.1-1, rfc8656-10.3-1
/// Lesson: R-26
#[test]
fn what_is_sent_before_the_permission_leaves_after_it() {
    let mut bench = Bench::allocated();
    bench.client.send(bench.now, address(PEER), b"check").unwrap();
    let asked = bench.next_request();
    assert_eq!(asked.peers(), [ip(PEER_IP)]);
    assert_eq!(bench.data_sent(), Vec::<Vec<u8>>::new());
    bench.succeed(&asked, |response| response);
    assert_eq!(bench.last_event(), Some(Event::Permitted { peer: ip(PEER_IP) }));
    let sent = bench.data_sent();
    assert_eq!(sent.len(), 1);
    let message = floe::stun::Message::parse(&sent[0]).unwrap();
    assert_eq!(message.get::<floe::turn::Data<'_>>().unwrap().unwrap().0, b"check");
}

/// Proves: rfc8656-11.4-2, rfc8656-11.4-4
#[test]
fn data_comes_from_permitted_peers_only() {
    let mut bench = Bench::allocated();
    assert_eq!(bench.relay(PEER, b"hello"), Err(Ignored::NotPermitted));
    bench.permitted(PEER_IP);
    assert_eq!(bench.relay(PEER, b"hello"), Ok(b"hello".to_vec()));
}
