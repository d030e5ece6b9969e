use super::*;
use alloc::vec;

/// What comes out of a stream that was read in these parts, and how it ended.
fn frames<'a>(
    deframer: &mut Deframer,
    framing: Framing,
    reads: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut frames = Vec::new();
    for mut read in reads {
        loop {
            match deframer.next(framing, &mut read) {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(read.is_empty(), "all was taken");
    }
    (frames, None)
}

fn whole(framing: Framing, stream: &[u8]) -> (Vec<Vec<u8>>, Option<FrameError>) {
    frames(&mut Deframer::new(), framing, [stream])
}

/// A STUN message with a body of this length.
fn stun(len: u16) -> Vec<u8> {
    let [l0, l1] = len.to_be_bytes();
    let header = [0, 1, l0, l1, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    [&header[..], &vec![0xee; len.into()]].concat()
}

/// A ChannelData message with a payload of this length, padded.
fn channel_data(len: usize) -> Vec<u8> {
    let [l0, l1] = (len as u16).to_be_bytes();
    let mut out = [&[0x4f, 0xff, l0, l1][..], &vec![0xdd; len]].concat();
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn packet(len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    Framing::Rfc4571.encode(&vec![0xcc; len], &mut out).unwrap();
    out
}

/// Proves: rfc4571-2-1, rfc4571-2-5
#[test]
fn a_packet_stands_behind_its_length() {
    for len in [1, 2, 1500, 65_535] {
        let stream = packet(len);
        assert_eq!(stream.len(), len + 2);
        assert_eq!(stream[..2], (len as u16).to_be_bytes());
        assert_eq!(whole(Framing::Rfc4571, &stream), (vec![vec![0xcc; len]], None));
    }
    let mut out = vec![1];
    let error = FrameError::TooLong { len: 65_536, limit: 65_535 };
    assert_eq!(Framing::Rfc4571.encode(&[0; 65_536], &mut out), Err(error));
    assert_eq!(out, [1]);
}

#[test]
fn messages_to_a_server_have_no_length_before_them_but_padding_behind() {
    let mut out = Vec::new();
    Framing::Turn.encode(&stun(8), &mut out).unwrap();
    Framing::Turn.encode(b"\x40\x00\x00\x05hello", &mut out).unwrap();
    assert_eq!(out, [&stun(8)[..], b"\x40\x00\x00\x05hello\0\0\0"].concat());
    let error = FrameError::TooLong { len: 65_553, limit: 65_552 };
    assert_eq!(Framing::Turn.encode(&[0; 65_553], &mut out), Err(error));
}

/// Proves: rfc4571-2-2
#[test]
fn empty_packets_are_skipped() {
    for split in 0..=8 {
        let stream = [0, 0, 0, 0, 0, 2, 7, 8];
        let (head, tail) = stream.split_at(split);
        let frames = frames(&mut Deframer::new(), Framing::Rfc4571, [head, tail]);
        assert_eq!(frames, (vec![vec![7, 8]], None), "{split}");
    }
}

#[test]
fn a_stream_of_nothing_but_empty_packets_ends() {
    assert_eq!(whole(Framing::Rfc4571, &[0; 64]), (vec![], None));
    assert_eq!(whole(Framing::Rfc4571, &[0; 66]), (vec![], Some(FrameError::EmptyPackets)));
    let mut stream = [0; 64].to_vec();
    stream.extend(packet(1));
    let twice = stream.repeat(2);
    assert_eq!(whole(Framing::Rfc4571, &twice), (vec![vec![0xcc]; 2], None), "not in a row");
}

/// Proves: rfc4571-2-3, rfc4571-2-4, rfc8489-6.2.2-3, rfc8489-6.2.2-4, rfc8656-12.5-2
///
/// Lesson: R-44
#[test]
fn every_split_of_every_length_gives_the_same_frames() {
    for len in 0..40_u16 {
        let messages = [stun(len * 4), channel_data(len.into()), stun(0), channel_data(0)];
        let packets = [packet(len.into()), packet(1), packet(39)];
        for (framing, frames) in [(Framing::Turn, &messages[..]), (Framing::Rfc4571, &packets)] {
            let stream = frames.concat();
            let skip = framing.header_len();
            let expected: Vec<_> =
                frames.iter().map(|frame| frame[skip..].to_vec()).filter(|frame| !frame.is_empty()).collect();
            assert_eq!(whole(framing, &stream), (expected.clone(), None));
            for split in 0..=stream.len() {
                let (head, tail) = stream.split_at(split);
                let result = self::frames(&mut Deframer::new(), framing, [head, tail]);
                assert_eq!(result, (expected.clone(), None), "{framing:?} of {len} at {split}");
            }
            for step in 1..=5 {
                let result = self::frames(&mut Deframer::new(), framing, stream.chunks(step));
                assert_eq!(result, (expected.clone(), None), "{framing:?} of {len} by {step}");
            }
        }
    }
}

/// Proves: rfc8489-6.2.2-4
#[test]
fn what_is_no_message_ends_the_stream() {
    let mut wrong_cookie = stun(0);
    wrong_cookie[7] = 0;
    let unaligned = [0, 1, 0, 3, 0x21, 0x12, 0xa4, 0x42];
    for (bytes, error) in [
        (&b"\x50"[..], FrameError::NotTurn),
        (b"\x80\0\0\0", FrameError::NotTurn),
        (b"\xff", FrameError::NotTurn),
        (&wrong_cookie, FrameError::NotTurn),
        (&unaligned, FrameError::Unaligned(3)),
    ] {
        let stream = [&stun(4)[..], bytes, &stun(0)].concat();
        assert_eq!(whole(Framing::Turn, &stream), (vec![stun(4)], Some(error)));
        let mut deframer = Deframer::new();
        assert_eq!(frames(&mut deframer, Framing::Turn, stream.chunks(1)), (vec![stun(4)], Some(error)));
        assert_eq!(deframer.next(Framing::Turn, &mut &stun(0)[..]), Err(error), "for good");
    }
}

/// Proves: rfc4571-2-8
#[test]
fn another_protocol_is_noticed_by_the_length_it_seems_to_have() {
    let mut deframer = Deframer::new();
    deframer.set_limit(2048);
    let error = FrameError::TooLong { len: 2 + 0x4745, limit: 2048 };
    let reads = b"GET / HTTP/1.1\r\n".chunks(1);
    assert_eq!(frames(&mut deframer, Framing::Rfc4571, reads), (vec![], Some(error)));
    assert_eq!(deframer.buffer.capacity(), 0);
}

#[test]
fn a_limit_is_for_whole_frames_as_well_as_for_parts() {
    for (framing, stream, limit) in [
        (Framing::Turn, stun(80), 100),
        (Framing::Turn, channel_data(95), 100),
        (Framing::Rfc4571, packet(98), 100),
    ] {
        let mut deframer = Deframer::new();
        deframer.set_limit(limit);
        assert_eq!(frames(&mut deframer, framing, [&*stream]).0.len(), 1);
        deframer.set_limit(limit - 1);
        let error = FrameError::TooLong { len: limit, limit: limit - 1 };
        assert_eq!(frames(&mut deframer, framing, [&*stream]), (vec![], Some(error)));
    }
}

/// Proves: rfc4571-2-7
#[test]
fn memory_grows_with_what_has_come_and_never_beyond_a_frame() {
    let stream = packet(65_535);
    let mut deframer = Deframer::new();
    for (n, read) in stream.chunks(1).enumerate() {
        assert!(deframer.buffer.capacity() <= 2 * n);
        let mut read = read;
        let whole = deframer.next(Framing::Rfc4571, &mut read).unwrap().is_some();
        assert_eq!(whole, n + 1 == stream.len());
        assert!(deframer.buffer.capacity() <= 65_537);
    }
    // Two frames and a half in one read: the half is held, and nothing else.
    let read = [packet(1000), packet(1000), packet(1000)[..500].to_vec()].concat();
    let mut deframer = Deframer::new();
    assert_eq!(frames(&mut deframer, Framing::Rfc4571, [&*read]).0.len(), 2);
    assert_eq!(deframer.buffer.len(), 500);
}

#[test]
fn a_whole_frame_is_not_copied() {
    let stream = [stun(4), channel_data(5)].concat();
    let (mut deframer, mut read) = (Deframer::new(), &*stream);
    for at in [0, 24] {
        let frame = deframer.next(Framing::Turn, &mut read).unwrap().unwrap();
        assert_eq!(frame.as_ptr(), stream[at..].as_ptr());
    }
    assert_eq!(deframer.buffer.capacity(), 0);
}

/// Proves: rfc4571-2-6
#[test]
fn half_a_frame_at_the_end_is_nothing() {
    let stream = packet(100);
    for len in 0..stream.len() {
        assert_eq!(whole(Framing::Rfc4571, &stream[..len]), (vec![], None));
    }
}

#[test]
fn the_framing_may_change_between_frames() {
    let stream = [stun(8), packet(10), channel_data(3)].concat();
    for split in 0..=stream.len() {
        let (mut deframer, mut found) = (Deframer::new(), Vec::new());
        let (head, tail) = stream.split_at(split);
        for mut read in [head, tail] {
            let framing = |n| if n == 1 { Framing::Rfc4571 } else { Framing::Turn };
            while let Some(frame) = deframer.next(framing(found.len()), &mut read).unwrap() {
                found.push(frame.to_vec());
            }
        }
        assert_eq!(found, [stun(8), vec![0xcc; 10], channel_data(3)], "{split}");
    }
}
