//! A stream means the same however it is cut, takes no more memory than a frame, and never stands still.
//!
//! The first byte says how the stream is framed, the second how long its parts are.
#![no_main]

use floe::framing::{Deframer, FrameError, Framing};
use libfuzzer_sys::fuzz_target;

fn deframed(
    framing: Framing,
    stream: &[u8],
    part: usize,
    limit: usize,
) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let (mut deframer, mut frames, mut taken) = (Deframer::new(), Vec::new(), 0);
    deframer.set_limit(limit);
    for mut read in stream.chunks(part) {
        taken += read.len();
        loop {
            let before = read.len();
            match deframer.next(framing, &mut read) {
                Ok(Some(frame)) => {
                    assert!(!frame.is_empty() && frame.len() <= limit);
                    assert!(read.len() < before);
                    frames.push(frame.to_vec());
                }
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(read.is_empty());
        assert!(frames.iter().map(Vec::len).sum::<usize>() <= taken);
    }
    (frames, None)
}

fuzz_target!(|bytes: &[u8]| {
    let [how, part, stream @ ..] = bytes else { return };
    let framing = if how & 1 == 0 { Framing::Turn } else { Framing::Rfc4571 };
    let limit = if how & 2 == 0 { 65_552 } else { 256 };
    let whole = deframed(framing, stream, usize::MAX, limit);
    assert_eq!(whole, deframed(framing, stream, usize::from(*part).max(1), limit));
    assert_eq!(whole, deframed(framing, stream, 1, limit));

    // Whatever was cut can be put together again.
    let mut again = Vec::new();
    for frame in &whole.0 {
        framing.encode(frame, &mut again).expect("it has come out of such a stream");
    }
    assert_eq!(deframed(framing, &again, usize::MAX, limit), (whole.0, None));
});
