use super::*;
use crate::ice::Credentials;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use proptest::prelude::*;

const PASSWORD: &str = "asd88fgpdd777uzjYhagZg";

fn parse(line: &str) -> Option<Line<'_>> {
    Line::parse(line).unwrap()
}

fn error(line: &str) -> (ParseErrorKind, usize) {
    let error = Line::parse(line).unwrap_err();
    (error.kind, error.at)
}

fn lines() -> Vec<(&'static str, Line<'static>)> {
    let to = |text: &str| text.parse().unwrap();
    let one = RemoteCandidates::new([(1, to("192.0.2.3:45664"))]).unwrap();
    let two = RemoteCandidates::new([(2, to("192.0.2.3:45665")), (1, to("[2001:db8::1]:9"))]).unwrap();
    Vec::from([
        ("a=ice-ufrag:8hhY", Line::Ufrag("8hhY")),
        ("a=ice-pwd:asd88fgpdd777uzjYhagZg", Line::Password(Password::new(PASSWORD).unwrap())),
        ("a=ice-options:ice2 rtp+ecn", Line::Options(Options::new("ice2 rtp+ecn").unwrap())),
        ("a=ice-pacing:50", Line::Pacing(Duration::from_millis(50))),
        ("a=ice-lite", Line::Lite),
        ("a=ice-mismatch", Line::Mismatch),
        ("a=end-of-candidates", Line::EndOfCandidates),
        ("a=remote-candidates:1 192.0.2.3 45664", Line::RemoteCandidates(one)),
        ("a=remote-candidates:2 192.0.2.3 45665 1 2001:db8::1 9", Line::RemoteCandidates(two)),
    ])
}

/// Proves: rfc8839-5.2-1, rfc8839-5.6-1
#[test]
fn every_line_reads_and_writes_as_the_rfc_prints_it() {
    for (text, line) in lines() {
        assert_eq!(parse(text).as_ref(), Some(&line), "{text}");
        assert_eq!(line.to_string(), text);
    }
    let text = "a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host";
    assert_eq!(parse(text).map(|line| line.to_string()).as_deref(), Some(text));
}

/// Proves: rfc8840-9.2-1
#[test]
fn names_are_read_in_any_case_and_unknown_ones_ignored() {
    for (text, line) in lines() {
        let (name, value) = text.split_at(text.find(':').unwrap_or(text.len()));
        let shouted = format!("{}{value}\r\n", name.to_ascii_uppercase());
        assert_eq!(parse(&shouted).as_ref(), Some(&line), "{shouted}");
        assert_eq!(parse(&text[2..]).as_ref(), Some(&line), "without a=");
    }
    let shouted = "A=Candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host";
    assert!(matches!(parse(shouted), Some(Line::Candidate(_))));
    for text in
        ["", "a=", "a=foo:bar", "v=0", "m=audio 9 RTP/AVP 0", "a=ice-", "a=ice-ufragx:abcd", "\u{e9}=:"]
    {
        assert_eq!(parse(text), None, "{text:?}");
    }
    let unknown = format!("a=fmtp:96 {}", "x".repeat(2000));
    assert_eq!(parse(&unknown), None, "long, and nobody's concern here");
}

/// Proves: rfc8839-5.4-1
#[test]
fn credentials_have_the_lengths_of_the_grammar() {
    let of = |name: &str, length: usize| format!("a={name}:{}", "a".repeat(length));
    for length in [0, 3, 257] {
        assert_eq!(error(&of("ice-ufrag", length)), (ParseErrorKind::Ufrag, 12), "{length}");
    }
    for length in [0, 21, 257] {
        assert_eq!(error(&of("ice-pwd", length)), (ParseErrorKind::Password, 10), "{length}");
    }
    for length in [4, 22, 256] {
        assert!(matches!(parse(&of("ice-ufrag", length)), Some(Line::Ufrag(text)) if text.len() == length));
    }
    for length in [22, 256] {
        assert!(
            matches!(parse(&of("ice-pwd", length)), Some(Line::Password(text)) if text.as_str().len() == length)
        );
    }
    assert_eq!(error("a=ice-ufrag:ab-d"), (ParseErrorKind::Ufrag, 12));
    assert_eq!(error("a=ice-ufrag"), (ParseErrorKind::Ufrag, 11));
    assert_eq!(error("ice-pwd:asd88fgpdd777uzjYhagZ:"), (ParseErrorKind::Password, 8));
}

#[test]
fn a_password_on_a_line_does_not_show_itself() {
    let shown = format!("{:?}", parse("a=ice-pwd:asd88fgpdd777uzjYhagZg"));
    assert_eq!(shown, "Some(Password(Password(***)))");
}

#[test]
fn lines_of_credentials_make_credentials() {
    let credentials = Credentials::new("8hhY", PASSWORD).unwrap();
    let line = Line::Password(Password::new(credentials.password()).unwrap()).to_string();
    assert_eq!(line, "a=ice-pwd:asd88fgpdd777uzjYhagZg");
}

/// Proves: rfc8839-5.5-1
#[test]
fn pacing_is_up_to_ten_digits_of_milliseconds() {
    let millis = |text| match parse(text) {
        Some(Line::Pacing(pacing)) => pacing.as_millis(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        ["a=ice-pacing:0", "a=ice-pacing:5", "a=ice-pacing:50", "a=ice-pacing:9999999999"].map(millis),
        [0, 5, 50, 9999999999]
    );
    for text in [
        "a=ice-pacing:",
        "a=ice-pacing:99999999999",
        "a=ice-pacing:+5",
        "a=ice-pacing:5ms",
        "a=ice-pacing:-1",
    ] {
        assert_eq!(error(text), (ParseErrorKind::Pacing, 13), "{text}");
    }
}

/// Proves: rfc8839-5.6-1
#[test]
fn options_are_words_between_spaces() {
    let Some(Line::Options(options)) = parse("a=ice-options:ice2 trickle renomination\r\n") else { panic!() };
    assert!(options.iter().eq(["ice2", "trickle", "renomination"]));
    assert!(options.contains("trickle") && !options.contains("trick"));
    // Read, though not to be written.
    let Some(Line::Options(odd)) = parse("a=ice-options:google-ice  trickle ") else { panic!() };
    assert!(odd.iter().eq(["google-ice", "trickle"]));
    for text in ["", " ", "google-ice", "ice2  trickle", " ice2"] {
        assert_eq!(Options::new(text), None, "{text:?}");
    }
    for text in ["a=ice-options:", "a=ice-options: ", "a=ice-options:a\u{e9}", "a=ice-options:a\tb"] {
        assert_eq!(error(text), (ParseErrorKind::Options, 14), "{text:?}");
    }
    assert_eq!(error("a=ice-options"), (ParseErrorKind::Options, 13));
}

#[test]
fn a_flag_has_no_value() {
    assert_eq!(error("a=ice-lite:1"), (ParseErrorKind::Flag, 11));
    assert_eq!(error("a=end-of-candidates:"), (ParseErrorKind::Flag, 20));
}

#[test]
fn remote_candidates_come_in_threes() {
    use ParseErrorKind::{Address, Component, Port, Truncated, UnsupportedAddress};
    let table = [
        ("a=remote-candidates:", Component, 20),
        ("a=remote-candidates", Component, 19),
        ("a=remote-candidates:0 192.0.2.3 1", Component, 20),
        ("a=remote-candidates:1 192.0.2.3", Truncated, 31),
        ("a=remote-candidates:1 192.0.2.3 65536", Port, 32),
        ("a=remote-candidates:1 ::z 1", Address, 22),
        ("a=remote-candidates:1 host.example 1", UnsupportedAddress, 22),
        ("a=remote-candidates:1 192.0.2.3 1 257 192.0.2.3 1", Component, 34),
    ];
    for (text, kind, at) in table {
        assert_eq!(error(text), (kind, at), "{text}");
    }
    assert_eq!(RemoteCandidates::new([]), None);
    assert_eq!(RemoteCandidates::new([(257, "192.0.2.1:1".parse().unwrap())]), None);
}

#[test]
fn a_line_about_ice_has_a_length() {
    let line = format!("a=ice-options:{}", "x".repeat(1010));
    assert_eq!(line.len(), 1024);
    assert!(parse(&line).is_some());
    assert_eq!(error(&format!("{line}x")), (ParseErrorKind::TooLong, 1024));
}

proptest! {
    #[test]
    fn lines_that_are_read_are_written_so_that_they_read_the_same(
        name in prop::sample::select(PARSERS.map(|(name, _)| name).to_vec()),
        value in "(:[0-9a-z:. +]{0,30})?",
    ) {
        let text = format!("a={name}{value}");
        match Line::parse(&text) {
            Ok(Some(line)) => {
                let written = line.to_string();
                prop_assert_eq!(Line::parse(&written), Ok(Some(line)));
            }
            Ok(None) => prop_assert!(false, "the name is known"),
            Err(error) => prop_assert!(error.at <= text.len()),
        }
    }
}
