//! Any text is read without a panic; what is read is written so that it reads the same.
#![no_main]

use floe::sdp::{CandidateLine, Description, Line, parse_candidate};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match parse_candidate(text) {
        Ok(candidate) => {
            let line = CandidateLine(&candidate).to_string();
            assert_eq!(parse_candidate(&line).as_ref(), Ok(&candidate), "{line}");
            assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{line:?}");
        }
        Err(error) => assert!(error.at <= text.len()),
    }
    match Line::parse(text) {
        Ok(Some(line)) => {
            let written = line.to_string();
            assert_eq!(Line::parse(&written), Ok(Some(line)));
        }
        Ok(None) => {}
        Err(error) => assert!(error.at <= text.len()),
    }
    if let Ok(description) = Description::parse(text) {
        for line in description.media().iter().flat_map(|media| media.lines()) {
            let written = line.to_string();
            assert_eq!(Line::parse(&written), Ok(Some(line)));
        }
    }
});
