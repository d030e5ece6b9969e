use super::*;
use crate::sdp::ParseErrorKind;
use alloc::format;
use alloc::string::ToString;

const PASSWORD_A: &str = "aaaaaaaaaaaaaaaaaaaaaa";
const PASSWORD_B: &str = "bbbbbbbbbbbbbbbbbbbbbb";

fn parse(text: &str) -> Description {
    Description::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn ufrag(media: &Media) -> Option<&str> {
    media.credentials().map(Credentials::ufrag)
}

fn text(description: &Description, media: &[Media]) -> String {
    let mut text = String::from("v=0\r\n");
    let line = |line: Line<'_>| format!("{line}\r\n");
    text.extend(description.session_lines().map(line));
    for media in media {
        text += "m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n";
        text.extend(media.lines().map(line));
    }
    text
}

fn host() -> Candidate {
    crate::sdp::parse_candidate("candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host").unwrap()
}

fn media() -> Media {
    Media::new(Credentials::new("8hhY", PASSWORD_A).unwrap())
}

/// Proves: rfc8839-4.3.1-1, rfc8839-4.3.1-2, rfc8839-4.2.1.5-1, rfc8839-4.2.1.2-1, rfc8840-4.1-1, rfc8445-5.3-2
#[test]
fn an_offer_says_all_there_is_and_is_read_back() {
    let other =
        crate::sdp::parse_candidate("candidate:2 1 UDP 1 192.0.2.1 5000 typ srflx raddr 10.0.0.1 rport 9")
            .unwrap();
    let media =
        media().with_options(Options::new("trickle ice2").unwrap()).with_candidates([host(), other.clone()]);
    let written = text(&Description::full(Duration::from_millis(20)), &[media]);
    assert_eq!(
        written,
        "v=0\r\n\
         a=ice-pacing:20\r\n\
         m=audio 9 RTP/AVP 0\r\n\
         c=IN IP4 0.0.0.0\r\n\
         a=ice-ufrag:8hhY\r\n\
         a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaa\r\n\
         a=ice-options:ice2 trickle\r\n\
         a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host\r\n\
         a=candidate:2 1 UDP 1 192.0.2.1 5000 typ srflx raddr 10.0.0.1 rport 9\r\n"
    );
    let read = parse(&written);
    assert!(!read.is_lite());
    assert_eq!(read.pacing(), Duration::from_millis(20));
    let [audio] = read.media() else { panic!() };
    assert_eq!(audio.credentials(), Some(&Credentials::new("8hhY", PASSWORD_A).unwrap()));
    assert_eq!(audio.candidates(), [host(), other]);
    assert!(audio.has_option("ice2") && audio.has_option("trickle") && !audio.has_option("renomination"));
    assert!(!audio.is_end_of_candidates() && !audio.is_mismatch());
}

/// Proves: rfc8839-4.2.1.4-1, rfc8839-4.3.1-2, rfc8839-5.3-1
#[test]
fn only_a_lite_agent_says_so_and_only_in_the_session_part() {
    let lite = text(&Description::lite(), &[media()]);
    assert_eq!(lite.matches("a=ice-lite").count(), 1);
    assert!(lite.find("a=ice-lite") < lite.find("m="));
    assert!(!lite.contains("ice-pacing"));
    assert!(parse(&lite).is_lite());
    let full = text(&Description::full(Duration::from_millis(50)), &[media()]);
    assert!(!full.contains("ice-lite"));
    assert!(!parse(&format!("{full}a=ice-lite\r\n")).is_lite(), "at the wrong level");
    assert_eq!(parse(&format!("{lite}a=ice-pacing:7\r\n")).pacing(), Duration::from_millis(50));
}

/// Proves: rfc8839-4.2.5-1
#[test]
fn a_peer_does_ice_where_it_sends_credentials() {
    let neither = "v=0\r\nm=audio 9 RTP/AVP 0\r\na=candidate:1 1 UDP 1 192.0.2.1 1 typ host\r\n";
    assert_eq!(ufrag(&parse(neither).media()[0]), None);
    assert_eq!(ufrag(&parse(&format!("{neither}a=ice-ufrag:8hhY\r\n")).media()[0]), None);
    assert_eq!(ufrag(&parse(&format!("{neither}a=ice-pwd:{PASSWORD_A}\r\n")).media()[0]), None);
    // And no candidates are needed.
    let read = parse(&text(&Description::default(), &[media()]));
    assert_eq!(ufrag(&read.media()[0]), Some("8hhY"));
}

/// Proves: rfc8839-4.2.5-3, rfc8839-4.2.5-4, rfc8839-4.3.1-3
#[test]
fn a_default_destination_without_an_address_is_no_reason_against_ice() {
    for connection in ["IN IP4 0.0.0.0", "IN IP6 ::", "IN IP4 host.example"] {
        for candidates in [[].as_slice(), &[host()]] {
            let read = parse(
                &text(&Description::default(), &[media().with_candidates(candidates.iter().cloned())])
                    .replace("IN IP4 0.0.0.0", connection),
            );
            let [audio] = read.media() else { panic!() };
            assert_eq!((ufrag(audio), audio.is_mismatch()), (Some("8hhY"), false), "{connection}");
            assert_eq!(audio.candidates(), candidates);
        }
    }
}

/// Proves: rfc8839-5.4-2
#[test]
fn credentials_of_a_media_description_outrank_those_of_the_session() {
    let read = parse(&format!(
        "v=0\na=ice-ufrag:sess\na=ice-pwd:{PASSWORD_A}\na=ice-options:trickle\n\
         m=audio 9 RTP/AVP 0\n\
         m=video 9 RTP/AVP 96\na=ice-pwd:{PASSWORD_B}\na=ice-ufrag:medi\na=ice-options:ice2\n"
    ));
    let [audio, video] = read.media() else { panic!() };
    assert_eq!(audio.credentials(), Some(&Credentials::new("sess", PASSWORD_A).unwrap()));
    assert_eq!(video.credentials(), Some(&Credentials::new("medi", PASSWORD_B).unwrap()));
    assert!(audio.has_option("trickle") && !audio.has_option("ice2"));
    assert!(video.has_option("trickle") && video.has_option("ice2"));
}

/// Proves: rfc8839-5.4-3
#[test]
fn one_username_fragment_has_one_password() {
    let two = |ufrag: &str, password: &str| {
        Description::parse(&format!(
            "m=audio 9 RTP/AVP 0\na=ice-ufrag:8hhY\na=ice-pwd:{PASSWORD_A}\n\
             m=video 9 RTP/AVP 96\na=ice-ufrag:{ufrag}\na=ice-pwd:{password}\n"
        ))
        .map(drop)
    };
    assert_eq!(two("8hhY", PASSWORD_A), Ok(()));
    assert_eq!(two("8hhZ", PASSWORD_B), Ok(()));
    assert_eq!(two("8hhY", PASSWORD_B), Err(DescriptionError::Passwords));
}

/// Proves: rfc8840-8.2-1
#[test]
fn the_end_of_candidates_is_that_of_its_level() {
    let ends = |text: &str| {
        let read = parse(text);
        let [audio, video] = read.media() else { panic!() };
        (audio.is_end_of_candidates(), video.is_end_of_candidates())
    };
    assert_eq!(ends("m=audio 9 x\nm=video 9 x\n"), (false, false));
    assert_eq!(ends("m=audio 9 x\na=end-of-candidates\nm=video 9 x\n"), (true, false));
    assert_eq!(ends("a=end-of-candidates\nm=audio 9 x\nm=video 9 x\n"), (true, true));
    assert!(
        text(&Description::default(), &[media().with_end_of_candidates()])
            .ends_with("a=end-of-candidates\r\n")
    );
}

/// Proves: rfc8839-5.3-1
#[test]
fn a_mismatch_is_that_of_one_media_description() {
    let read = parse("a=ice-mismatch\nm=audio 9 x\nm=video 9 x\na=ice-mismatch\n");
    let [audio, video] = read.media() else { panic!() };
    assert!(!audio.is_mismatch() && video.is_mismatch());
}

/// Proves: rfc8839-5.2-1
#[test]
fn remote_candidates_come_on_one_line_or_several() {
    let expected = [(2, "192.0.2.3:45665".parse().unwrap()), (1, "192.0.2.3:45664".parse().unwrap())];
    let one = "m=audio 9 x\na=remote-candidates:2 192.0.2.3 45665 1 192.0.2.3 45664\n";
    let two = "m=audio 9 x\na=remote-candidates:2 192.0.2.3 45665\na=remote-candidates:1 192.0.2.3 45664\n";
    for text in [one, two] {
        assert_eq!(parse(text).media()[0].remote_candidates(), expected);
    }
    let written = media().with_remote_candidates(&RemoteCandidates::new(expected).unwrap());
    let last = written.lines().last().map(|line| line.to_string());
    assert_eq!(last.as_deref(), Some("a=remote-candidates:2 192.0.2.3 45665 1 192.0.2.3 45664"));
}

/// Proves: rfc8839-5.1-8, rfc8839-5.1-5, rfc8839-5.1-10, rfc8840-9.2-1
#[test]
fn a_candidate_of_no_use_takes_nothing_with_it() {
    let read = parse(
        "m=audio 9 x\r\n\
         a=candidate:1 1 UDP 1 host.example 1 typ host\r\n\
         a=candidate:1 1 ssltcp 1 192.0.2.1 1 typ host\r\n\
         a=candidate:1 1 UDP 1 192.0.2.1 1 typ foo\r\n\
         a=candidate:broken\r\n\
         a=unknown:thing\r\n\
         A=Candidate:1 1 udp 2130706431 192.0.2.1 4000 typ host\r\n\
         a=ice-options:ice2\r\n",
    );
    let [audio] = read.media() else { panic!() };
    assert_eq!(audio.candidates(), [host()]);
    assert!(audio.has_option("ice2"));
    let early = parse("a=candidate:1 1 UDP 1 192.0.2.1 1 typ host\nm=audio 9 x\n");
    assert_eq!(early.media()[0].candidates(), [], "at the wrong level");
}

#[test]
fn a_broken_line_that_is_no_candidate_is_named() {
    let error = Description::parse("v=0\r\nm=audio 9 x\r\na=ice-ufrag:abc\r\n").unwrap_err();
    assert_eq!(error, DescriptionError::Line { number: 3, error: ParseErrorKind::Ufrag.at(12) });
    assert_eq!(error.to_string(), "line 3: malformed username fragment at byte 12");
}

#[test]
fn no_more_candidates_are_read_than_an_agent_would_take() {
    let line = "a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host\n";
    let read = parse(&format!("m=audio 9 x\n{}", line.repeat(300)));
    assert_eq!(read.media()[0].candidates().len(), Media::CANDIDATES_MAX);
}

#[test]
fn what_is_read_has_a_bound() {
    let media = "m=audio 9 x\n";
    assert_eq!(parse(&media.repeat(1024)).media().len(), Description::MEDIA_MAX);
    let error = Description::parse(&media.repeat(1025)).map(drop);
    assert_eq!(error, Err(DescriptionError::TooManyMedia));
    let options: String = (0..1000).map(|n| format!("a=ice-options:option{n}\n")).collect();
    let read = parse(&format!("{options}{media}"));
    assert!(read.media()[0].has_option("option0") && !read.media()[0].has_option("option999"));
    let line = read.media()[0].lines().next().unwrap().to_string();
    assert!(matches!(Line::parse(&line), Ok(Some(Line::Options(_)))));
}
