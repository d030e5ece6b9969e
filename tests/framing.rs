//! Properties of streams: however the network cuts them, the frames are the same.

use floe::Transport;
use floe::framing::{Deframer, FrameError, Framing};
use floe::stun::{AttributeType, Builder, Method};
use floe::turn::{ChannelData, ChannelNumber};
use proptest::collection::vec;
use proptest::prelude::*;

/// A message as a TURN server sends it.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let value = || vec(any::<u8>(), 0..60);
    let stun = (any::<[u8; 12]>(), any::<u16>(), value()).prop_map(|(id, kind, value)| {
        let mut out = Vec::new();
        Builder::indication(&mut out, Method::DATA, id.into())
            .raw(AttributeType::new(kind), &value)
            .fingerprint();
        out
    });
    let channel_data = (0x4000..0x5000_u16, value()).prop_map(|(number, payload)| {
        let mut out = Vec::new();
        let number = ChannelNumber::new(number).unwrap();
        ChannelData::new(number, &payload).unwrap().encode(Transport::Tcp, &mut out);
        out
    });
    prop_oneof![stun, channel_data]
}

/// What comes out of `stream`, read in parts of these lengths, and how it ended. Also that reading makes progress, and
/// that whatever is not handed out was taken.
fn deframed(framing: Framing, mut stream: &[u8], parts: &[usize]) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let (mut deframer, mut frames, mut parts) = (Deframer::new(), Vec::new(), parts.iter().cycle());
    while !stream.is_empty() {
        let len = parts.next().copied().unwrap_or(usize::MAX).clamp(1, stream.len());
        let (mut read, rest) = stream.split_at(len);
        loop {
            let before = read.len();
            match deframer.next(framing, &mut read) {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(deframer.next(framing, &mut read), Err(error));
                    return (frames, Some(error));
                }
            }
            assert!(read.len() < before, "each frame ends in what was read last");
        }
        assert!(read.is_empty());
        stream = rest;
    }
    (frames, None)
}

proptest! {
    /// Proves: rfc8489-6.2.2-4, rfc8656-12.5-2
    #[test]
    fn messages_come_out_as_they_went_in(messages in vec(message(), 0..8), parts in vec(1..90_usize, 1..8)) {
        prop_assert_eq!(deframed(Framing::Turn, &messages.concat(), &parts), (messages, None));
    }

    /// Proves: rfc4571-2-1, rfc4571-2-3, rfc4571-2-4
    #[test]
    fn packets_come_out_as_they_went_in(
        packets in vec(vec(any::<u8>(), 1..100), 0..8),
        parts in vec(1..90_usize, 1..8),
    ) {
        let mut stream = Vec::new();
        for packet in &packets {
            Framing::Rfc4571.encode(packet, &mut stream).unwrap();
        }
        prop_assert_eq!(deframed(Framing::Rfc4571, &stream, &parts), (packets, None));
    }

    #[test]
    fn any_bytes_mean_the_same_however_they_are_cut(
        bytes in vec(prop_oneof![Just(0), Just(0x40), Just(0x21), any::<u8>()], 0..300),
        parts in vec(1..40_usize, 1..8),
    ) {
        for framing in [Framing::Turn, Framing::Rfc4571] {
            prop_assert_eq!(deframed(framing, &bytes, &parts), deframed(framing, &bytes, &[]));
        }
    }
}
