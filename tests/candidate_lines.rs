//! Candidate lines as peers write them, broken ones, and what becomes of each.

use core::net::{IpAddr, SocketAddr};
use floe::Transport;
use floe::ice::{Candidate, CandidateAddress, CandidateKind, Foundation, MdnsName, Priority, TcpType};
use floe::sdp::ParseErrorKind::{self, *};
use floe::sdp::{CandidateLine, parse_candidate};
use proptest::prelude::*;

fn written(line: &str) -> String {
    let candidate = parse_candidate(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    CandidateLine(&candidate).to_string()
}

fn host(fields: &str) -> String {
    format!("candidate:1 1 UDP 2130706431 {fields}")
}

/// Proves: rfc8839-5.1-1, rfc8839-5.1-2, rfc8839-5.1-5, rfc8839-5.1-14, rfc6544-4.5-1
#[test]
fn lines_of_browsers_and_phones_are_read_and_written_in_one_form() {
    for (line, expected) in LINES {
        assert_eq!(written(line), expected);
        assert_eq!(written(expected), expected, "what floe writes stays as it is");
    }
}

#[test]
fn every_field_of_a_line_arrives() {
    let candidate = parse_candidate(
        "candidate:4 2 tcp 847249407 192.0.2.3 9 typ srflx raddr 10.0.0.1 rport 8998 tcptype active ufrag 8hhY network-id 1 network-cost 10",
    )
    .unwrap();
    assert_eq!(candidate.foundation().as_str(), "4");
    assert_eq!(candidate.component(), 2);
    assert_eq!(candidate.transport(), Transport::Tcp);
    assert_eq!(candidate.priority().get(), 847249407);
    assert_eq!(candidate.ip(), Some("192.0.2.3:9".parse().unwrap()));
    assert_eq!(candidate.kind(), CandidateKind::ServerReflexive);
    assert_eq!(candidate.related(), Some("10.0.0.1:8998".parse().unwrap()));
    assert_eq!(candidate.tcp_type(), Some(TcpType::Active));
    assert_eq!(candidate.ufrag(), Some("8hhY"));
    assert!(candidate.extensions().eq([("network-id", "1"), ("network-cost", "10")]));
}

/// Proves: rfc8839-5.1-3, rfc8839-5.1-4, rfc8839-5.1-6, rfc8839-5.1-9, rfc8839-5.1-15, rfc8839-5.4-1, rfc8445-5.1.2.1-5
#[test]
fn broken_lines_say_what_is_wrong_and_where() {
    let longest = "c".repeat(33);
    // What is sound so far, what comes next, and what is wrong with it.
    let table: &[(&str, &str, ParseErrorKind)] = &[
        ("", "", NotCandidate),
        ("", "a=candidate", NotCandidate),
        ("", "candidates:1 1 UDP 1 192.0.2.1 1 typ host", NotCandidate),
        ("", "a=a=candidate:1 1 UDP 1 192.0.2.1 1 typ host", NotCandidate),
        ("candidate:", "", Foundation),
        ("candidate:", " 1 UDP 1 192.0.2.1 1 typ host", Foundation),
        ("candidate:", "- 1 UDP 1 192.0.2.1 1 typ host", Foundation),
        ("candidate:", &longest, Foundation),
        ("candidate:1", "", Truncated),
        ("a=candidate:1", "\r\n", Truncated),
        ("candidate:1 ", "0 UDP 1 192.0.2.1 1 typ host", Component),
        ("candidate:1 ", "257 UDP 1 192.0.2.1 1 typ host", Component),
        ("candidate:1 ", "1000 UDP 1 192.0.2.1 1 typ host", Component),
        ("candidate:1 ", "+1 UDP 1 192.0.2.1 1 typ host", Component),
        ("candidate:1 ", " UDP 1 192.0.2.1 1 typ host", Component),
        ("candidate:1 1 UDP ", "4294967296 192.0.2.1 1 typ host", Priority),
        ("candidate:1 1 UDP ", "99999999999 192.0.2.1 1 typ host", Priority),
        ("candidate:1 1 UDP ", "-1 192.0.2.1 1 typ host", Priority),
        ("candidate:1 1 UDP 1 ", "::z 1 typ host", Address),
        ("candidate:1 1 UDP 1 ", "[2001:db8::1] 1 typ host", Address),
        ("candidate:1 1 UDP 1 ", " 1 typ host", Address),
        ("candidate:1 1 UDP 1 192.0.2.1 ", "65536 typ host", Port),
        ("candidate:1 1 UDP 1 192.0.2.1 ", "-1 typ host", Port),
        ("candidate:1 1 UDP 1 a.local ", "x typ host", Port),
        ("candidate:1 1 UDP 1 192.0.2.1", "", Truncated),
        ("candidate:1 1 UDP 1 192.0.2.1 1", "", Truncated),
        ("candidate:1 1 UDP 1 192.0.2.1 1 ", "host", Typ),
        ("candidate:1 1 UDP 1 192.0.2.1 1 typ", "", Truncated),
        ("candidate:1 1 UDP 1 192.0.2.1 1 typ srflx raddr ", "::z rport 1", RelatedAddress),
        ("candidate:1 1 UDP 1 192.0.2.1 1 typ srflx raddr 192.0.2.2 rport ", "65536", RelatedPort),
        ("candidate:1 1 UDP 1 192.0.2.1 1 typ srflx raddr 192.0.2.2 rport", "", Truncated),
        ("candidate:1 1 UDP 1 192.0.2.1 1 typ host generation", "", Truncated),
        ("candidate:1 1 UDP 1 192.0.2.1 1 typ host ", " generation 0", Extension),
        ("candidate:1 1 UDP 1 192.0.2.1 1 typ host ", "caf\u{e9} 0", Extension),
        ("candidate:1 1 UDP 1 192.0.2.1 1 typ host ufrag ", "abc", Ufrag),
        ("candidate:1 1 UDP 1 192.0.2.1 1 typ host ufrag ", "ab-d generation 0", Ufrag),
        ("candidate:1 1 TCP 1 192.0.2.1 9 typ host tcptype ", "both", TcpType),
        ("candidate:1 1 TCP 1 192.0.2.1 9 typ host", "", TcpType),
    ];
    for (sound, rest, kind) in table {
        let line = format!("{sound}{rest}");
        let error = parse_candidate(&line).expect_err(&line);
        assert_eq!((error.kind, error.at), (*kind, sound.len()), "{line:?}");
        assert!(!kind.is_unsupported());
    }
    let long = format!("candidate:1 1 UDP 1 192.0.2.1 1 typ host x {}", "y".repeat(981));
    assert_eq!(long.len(), 1024);
    assert!(parse_candidate(&long).is_ok());
    let error = parse_candidate(&format!("{long}y")).unwrap_err();
    assert_eq!((error.kind, error.at), (TooLong, 1024));
    assert_eq!(error.to_string(), "line too long at byte 1024");
}

/// Proves: rfc8839-5.1-5, rfc8839-5.1-8, rfc8839-5.1-10
#[test]
fn lines_about_something_else_are_told_from_broken_ones() {
    let table = [
        ("candidate:1 1 ssltcp 1 192.0.2.1 1 typ host", UnsupportedTransport),
        ("candidate:1 1 TCP-PASS 1 192.0.2.1 1 typ host", UnsupportedTransport),
        ("candidate:1 1 DCCP 1 192.0.2.1 1 typ host", UnsupportedTransport),
        ("candidate:1 1 UDP 1 host.example 1 typ host", UnsupportedAddress),
        ("candidate:1 1 UDP 1 a.b.local 1 typ host", UnsupportedAddress),
        ("candidate:1 1 UDP 1 192.0.2 1 typ host", UnsupportedAddress),
        ("candidate:1 1 UDP 1 192.0.2.1 1 typ nat", UnsupportedKind),
    ];
    for (line, kind) in table {
        let error = parse_candidate(line).expect_err(line);
        assert_eq!(error.kind, kind, "{line}");
        assert!(error.kind.is_unsupported());
    }
}

#[test]
fn a_multicast_dns_name_stands_where_the_address_would() {
    let line = host("1f4712db-ea17-4bcf-a596-105139dfd8bf.local 4000 typ host");
    let candidate = parse_candidate(&line).unwrap();
    let name = MdnsName::new("1F4712DB-EA17-4BCF-A596-105139DFD8BF.local").unwrap();
    assert_eq!(candidate.address(), &CandidateAddress::Name(name, 4000));
    assert_eq!(CandidateLine(&candidate).to_string(), line);
}

/// Proves: rfc8445-5.1.2-2, rfc8839-5.1-6
/// Lesson: L-67
#[test]
fn any_priority_of_thirty_two_bits_is_read_as_the_nearest_legal_one() {
    for (signalled, read) in
        [(0, 1), (1, 1), (2147483647, 2147483647), (2147483648, 2147483647), (u32::MAX, 2147483647)]
    {
        let line = format!("candidate:1 1 UDP {signalled} 192.0.2.1 1 typ host");
        assert_eq!(parse_candidate(&line).unwrap().priority().get(), read);
    }
}

/// Proves: rfc8839-5.1-7
/// Lesson: L-40
#[test]
fn a_zone_is_neither_read_nor_written() {
    let line = host("fe80::1%eth0 4000 typ srflx raddr fe80::2%7 rport 5000");
    let candidate = parse_candidate(&line).unwrap();
    assert_eq!(candidate.ip(), Some("[fe80::1]:4000".parse().unwrap()));
    let zoned: SocketAddr = "[fe80::1%3]:4000".parse().unwrap();
    let foundation = candidate.foundation();
    let local = Candidate::new(
        CandidateKind::PeerReflexive,
        1,
        Transport::Udp,
        zoned,
        candidate.priority(),
        foundation,
    )
    .with_related("[fe80::2%3]:5000".parse().unwrap());
    for candidate in [candidate, local] {
        assert!(!CandidateLine(&candidate).to_string().contains('%'));
        assert_eq!(candidate.related(), Some("[fe80::2]:5000".parse().unwrap()));
    }
}

/// Proves: rfc8839-5.1-9
#[test]
fn ports_that_cannot_be_used_are_read_all_the_same() {
    for port in [0, 9, 65535] {
        let candidate = parse_candidate(&host(&format!("192.0.2.1 {port} typ host"))).unwrap();
        assert_eq!(candidate.address().port(), port);
    }
}

/// Proves: rfc8839-5.1-11
#[test]
fn a_related_address_is_written_for_all_but_host_candidates() {
    let priority = Priority::MAX;
    let foundation = Foundation::new("1").unwrap();
    let (address, related): (SocketAddr, SocketAddr) =
        ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
    for (kind, tail) in [
        (CandidateKind::Host, "typ host"),
        (CandidateKind::ServerReflexive, "typ srflx raddr 192.0.2.2 rport 2"),
        (CandidateKind::PeerReflexive, "typ prflx raddr 192.0.2.2 rport 2"),
        (CandidateKind::Relayed, "typ relay raddr 192.0.2.2 rport 2"),
    ] {
        let candidate =
            Candidate::new(kind, 1, Transport::Udp, address, priority, foundation).with_related(related);
        assert_eq!(
            CandidateLine(&candidate).to_string(),
            format!("candidate:1 1 UDP 2147483647 192.0.2.1 1 {tail}")
        );
    }
    assert_eq!(written(&host("192.0.2.1 1 typ host raddr 192.0.2.2 rport 2")), host("192.0.2.1 1 typ host"));
}

/// Proves: rfc8839-5.1-12, rfc8839-9.1-1, rfc8445-5.3-4
/// Lesson: R-41
#[test]
fn a_related_address_that_is_withheld_is_unspecified_with_port_nine() {
    for (address, unspecified) in [("192.0.2.1", "0.0.0.0"), ("2001:db8::1", "::")] {
        for kind in ["srflx", "prflx", "relay"] {
            let withheld = host(&format!("{address} 1 typ {kind} raddr {unspecified} rport 9"));
            assert_eq!(written(&host(&format!("{address} 1 typ {kind}"))), withheld);
            assert_eq!(written(&withheld), withheld);
            assert_eq!(parse_candidate(&withheld).unwrap().related(), None);
        }
        // Nothing to withhold.
        assert_eq!(written(&host(&format!("{address} 1 typ host"))), host(&format!("{address} 1 typ host")));
    }
}

/// Proves: rfc8839-5.1-13, rfc8445-5.3-4
#[test]
fn half_a_related_address_is_none_and_no_error() {
    for tail in ["", " raddr 10.0.0.1", " rport 5000", " raddr hidden.example rport 5000"] {
        let candidate = parse_candidate(&host(&format!("192.0.2.1 1 typ srflx{tail}"))).unwrap();
        assert_eq!(candidate.related(), None, "{tail}");
    }
}

/// Proves: rfc8839-5.1-14
#[test]
fn unknown_extensions_change_nothing_but_are_kept() {
    let bare = parse_candidate(&host("192.0.2.1 1 typ host")).unwrap();
    let line = host("192.0.2.1 1 typ host generation 0 ufrag abcd network-id 1 network-cost 10");
    let extended = parse_candidate(&line).unwrap();
    assert_eq!((bare.ufrag(), extended.ufrag()), (None, Some("abcd")));
    let expected = [("generation", "0"), ("network-id", "1"), ("network-cost", "10")]
        .into_iter()
        .try_fold(bare.with_ufrag("abcd").unwrap(), |candidate, (name, value)| {
            candidate.with_extension(name, value)
        });
    assert_eq!(Ok(extended), expected);
}

#[test]
fn the_first_of_each_extension_and_the_first_sixteen_count() {
    let twice = "192.0.2.1 1 typ host ufrag abcd ufrag efgh tcptype none";
    assert_eq!(written(&host(twice)), host("192.0.2.1 1 typ host ufrag abcd"));
    let many: String = (0..20).map(|n| format!(" x{n} {n}")).collect();
    let candidate = parse_candidate(&host(&format!("192.0.2.1 1 typ host{many} ufrag abcd"))).unwrap();
    assert_eq!(candidate.extensions().count(), Candidate::EXTENSIONS_MAX);
    assert_eq!((candidate.extension("x15"), candidate.extension("x16")), (Some("15"), None));
    assert_eq!(candidate.ufrag(), Some("abcd"), "its place does not matter");
}

fn any_address() -> impl Strategy<Value = CandidateAddress> {
    let ip = any::<(IpAddr, u16)>().prop_map(|(ip, port)| SocketAddr::new(ip, port).into());
    let name = ("[a-z0-9-]{1,20}", any::<u16>()).prop_map(|(label, port)| {
        CandidateAddress::Name(MdnsName::new(&format!("{label}.local")).unwrap(), port)
    });
    prop_oneof![4 => ip, 1 => name]
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    use CandidateKind::{Host, PeerReflexive, Relayed, ServerReflexive};
    use TcpType::{Active, Passive, SimultaneousOpen};
    let identity = ("[a-zA-Z0-9+/]{1,32}", 1..=256_u16, 1..=Priority::MAX.get());
    let kind = prop::sample::select(vec![Host, ServerReflexive, PeerReflexive, Relayed]);
    let tcp_type = prop::option::of(prop::sample::select(vec![Active, Passive, SimultaneousOpen]));
    let related = prop::option::of(any::<(IpAddr, u16)>());
    let ufrag = prop::option::of("[a-zA-Z0-9+/]{4,32}");
    let extensions = prop::collection::vec(("x[!-~]{0,8}", "[!-~]{0,8}"), 0..=16);
    (identity, any_address(), kind, tcp_type, related, ufrag, extensions).prop_map(
        |((foundation, component, priority), address, kind, tcp_type, related, ufrag, extensions)| {
            let foundation = Foundation::new(&foundation).unwrap();
            let transport = if tcp_type.is_some() { Transport::Tcp } else { Transport::Udp };
            let priority = Priority::new(priority).unwrap();
            let mut candidate = Candidate::new(kind, component, transport, address, priority, foundation);
            if let Some(tcp_type) = tcp_type {
                candidate = candidate.with_tcp_type(tcp_type);
            }
            if let Some((ip, port)) = related {
                candidate = candidate.with_related(SocketAddr::new(ip, port));
            }
            if let Some(ufrag) = ufrag {
                candidate = candidate.with_ufrag(&ufrag).unwrap();
            }
            extensions
                .into_iter()
                .fold(candidate, |candidate, (name, value)| candidate.with_extension(&name, &value).unwrap())
        },
    )
}

proptest! {
    /// Proves: rfc8839-5.1-1
    #[test]
    fn a_candidate_survives_being_signalled(candidate in any_candidate()) {
        let line = CandidateLine(&candidate).to_string();
        prop_assert_eq!(parse_candidate(&line), Ok(candidate.clone()), "{}", &line);
        prop_assert_eq!(parse_candidate(&format!("a={line}\r\n")), Ok(candidate));
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place_within_it(text in "\\PC{0,60}", sound in 0_usize..60) {
        let line = "candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ srflx raddr ::1 rport 1";
        for text in [text.clone(), format!("candidate:{text}"), format!("{}{text}", &line[..sound])] {
            match parse_candidate(&text) {
                Ok(candidate) => {
                    let line = CandidateLine(&candidate).to_string();
                    prop_assert_eq!(parse_candidate(&line), Ok(candidate));
                }
                Err(error) => prop_assert!(error.at <= text.len()),
            }
        }
    }

    #[test]
    fn every_cut_of_a_line_is_read_or_refused(candidate in any_candidate(), cut: prop::sample::Index) {
        let line = CandidateLine(&candidate).to_string();
        let cut = &line[..cut.index(line.len())];
        if let Err(error) = parse_candidate(cut) {
            prop_assert!(error.at <= cut.len());
        }
    }
}

/// Each line as it comes, and as floe writes it.
const LINES: [(&str, &str); 18] = [
    // As RFC 8839 prints it.
    (
        "a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998\r\n",
        "candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
    ),
    // Chromium: lower case, extensions behind.
    (
        "candidate:842163049 1 udp 1677729535 198.51.100.7 46154 typ srflx raddr 10.0.17.1 rport 46154 generation 0 ufrag EEtu network-id 3 network-cost 10",
        "candidate:842163049 1 UDP 1677729535 198.51.100.7 46154 typ srflx raddr 10.0.17.1 rport 46154 ufrag EEtu generation 0 network-id 3 network-cost 10",
    ),
    (
        "candidate:3885250869 1 udp 2113937151 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54596 typ host generation 0 ufrag Cr3q network-cost 999",
        "candidate:3885250869 1 UDP 2113937151 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54596 typ host ufrag Cr3q generation 0 network-cost 999",
    ),
    (
        "candidate:1302982778 1 tcp 1518214911 172.18.0.1 9 typ host tcptype active generation 0 ufrag EEtu network-id 1",
        "candidate:1302982778 1 TCP 1518214911 172.18.0.1 9 typ host tcptype active ufrag EEtu generation 0 network-id 1",
    ),
    (
        "candidate:3745641921 1 udp 41885439 198.51.100.9 54321 typ relay raddr 203.0.113.4 rport 46154 generation 0",
        "candidate:3745641921 1 UDP 41885439 198.51.100.9 54321 typ relay raddr 203.0.113.4 rport 46154 generation 0",
    ),
    (
        "candidate:7001 1 udp 2122262783 2001:db8:85a3::8a2e:370:7334 58061 typ host generation 0",
        "candidate:7001 1 UDP 2122262783 2001:db8:85a3::8a2e:370:7334 58061 typ host generation 0",
    ),
    // Gecko: upper case, a related address withheld with port 0.
    (
        "candidate:0 1 UDP 2122252543 192.168.1.4 57232 typ host",
        "candidate:0 1 UDP 2122252543 192.168.1.4 57232 typ host",
    ),
    (
        "candidate:1 1 UDP 1686052863 203.0.113.8 61022 typ srflx raddr 0.0.0.0 rport 0",
        "candidate:1 1 UDP 1686052863 203.0.113.8 61022 typ srflx raddr 0.0.0.0 rport 9",
    ),
    (
        "candidate:2 2 TCP 2105524478 192.168.1.4 9 typ host tcptype active",
        "candidate:2 2 TCP 2105524478 192.168.1.4 9 typ host tcptype active",
    ),
    // WebKit: a name for the related address.
    (
        "candidate:77 1 udp 1677729535 203.0.113.8 61022 typ srflx raddr 5f4712db-ea17-4bcf-a596-105139dfd8bf.local rport 61022 generation 0",
        "candidate:77 1 UDP 1677729535 203.0.113.8 61022 typ srflx raddr 0.0.0.0 rport 9 generation 0",
    ),
    // libnice: all three kinds of TCP, link-local addresses.
    (
        "a=candidate:1 1 UDP 2013266431 fe80::6676:baff:fe9c:ee4a 54321 typ host",
        "candidate:1 1 UDP 2013266431 fe80::6676:baff:fe9c:ee4a 54321 typ host",
    ),
    (
        "a=candidate:10 1 TCP 1010828287 192.168.1.10 51000 typ host tcptype passive",
        "candidate:10 1 TCP 1010828287 192.168.1.10 51000 typ host tcptype passive",
    ),
    (
        "a=candidate:12 1 TCP 847249407 203.0.113.10 51001 typ srflx raddr 192.168.1.10 rport 51001 tcptype so",
        "candidate:12 1 TCP 847249407 203.0.113.10 51001 typ srflx raddr 192.168.1.10 rport 51001 tcptype so",
    ),
    // PJSIP and Asterisk: letters in the foundation.
    (
        "a=candidate:Hc0a80166 1 UDP 2130706431 192.168.1.102 4000 typ host",
        "candidate:Hc0a80166 1 UDP 2130706431 192.168.1.102 4000 typ host",
    ),
    (
        "a=candidate:Sc0a80166 2 UDP 1694498814 203.0.113.5 50001 typ srflx raddr 192.168.1.102 rport 4001\r\n",
        "candidate:Sc0a80166 2 UDP 1694498814 203.0.113.5 50001 typ srflx raddr 192.168.1.102 rport 4001",
    ),
    (
        "a=candidate:Rcb007105 1 UDP 16777215 203.0.113.5 60000 typ relay raddr 198.51.100.1 rport 50000\n",
        "candidate:Rcb007105 1 UDP 16777215 203.0.113.5 60000 typ relay raddr 198.51.100.1 rport 50000",
    ),
    // A zone, words in odd case, leading zeros, a space too many at the end.
    ("candidate:1 01 Udp 0001 fe80::1%eth0 4000 TYP Host ", "candidate:1 1 UDP 1 fe80::1 4000 typ host"),
    // An extension without a value, in the middle and at the end.
    ("candidate:1 1 UDP 1 192.0.2.1 1 typ host x  y ", "candidate:1 1 UDP 1 192.0.2.1 1 typ host x  y "),
];
