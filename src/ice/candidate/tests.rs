use super::*;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use proptest::prelude::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn candidate(kind: CandidateKind, transport: Transport) -> Candidate {
    let foundation = Foundation::new("1").unwrap();
    Candidate::new(kind, 1, transport, address("192.0.2.1:4000"), Priority::MAX, foundation)
}

#[test]
fn what_goes_into_a_candidate_comes_out_of_it() {
    let credentials = Credentials::new("8hhY", "asd88fgpdd777uzjYhagZg").unwrap();
    let candidate = candidate(CandidateKind::ServerReflexive, Transport::Tcp)
        .with_related(address("192.0.2.9:5000"))
        .with_tcp_type(TcpType::Passive)
        .with_ufrag_of(&credentials)
        .with_extension("network-id", "1")
        .and_then(|candidate| candidate.with_extension("network-cost", "10"))
        .unwrap();
    assert_eq!(candidate.related(), Some(address("192.0.2.9:5000")));
    assert_eq!(candidate.tcp_type(), Some(TcpType::Passive));
    assert_eq!(candidate.ufrag(), Some("8hhY"));
    assert_eq!(candidate.extension("network-cost"), Some("10"));
    assert_eq!(candidate.extension("generation"), None);
    assert!(candidate.extensions().eq([("network-id", "1"), ("network-cost", "10")]));
    assert_eq!(candidate.clone().at(address("[2001:db8::1]:1")).ip(), Some(address("[2001:db8::1]:1")));
    let name = MdnsName::new("a.local").unwrap();
    assert_eq!(candidate.at(CandidateAddress::Name(name, 7)).ip(), None);
}

/// Short ones stand in the candidate itself.
#[test]
fn a_fragment_takes_the_place_of_another_whatever_their_lengths() {
    let plain = candidate(CandidateKind::Host, Transport::Udp);
    for one in ["8hhY", "8hhY8hhY", "8hhY8hhY8"] {
        let marked = plain.clone().with_ufrag(one).unwrap();
        assert_eq!(marked.ufrag(), Some(one));
        for other in ["9hhZ", "9hhZ9hhZ", "9hhZ9hhZ9"] {
            let again = marked.clone().with_ufrag(other).unwrap();
            assert_eq!(again.ufrag(), Some(other));
            assert_eq!(again, plain.clone().with_ufrag(other).unwrap());
        }
    }
    assert_eq!(size_of::<Candidate>(), 64);
}

#[test]
fn what_a_candidate_cannot_have_is_left_out() {
    let host = candidate(CandidateKind::Host, Transport::Udp);
    assert_eq!(host.clone().with_related(address("192.0.2.9:1")).related(), None);
    assert_eq!(host.with_tcp_type(TcpType::Active).tcp_type(), None);
    let relayed = candidate(CandidateKind::Relayed, Transport::Udp);
    for text in ["0.0.0.0:9", "[::]:9", "192.0.2.9:0"] {
        assert_eq!(relayed.clone().with_related(address(text)).related(), None, "{text}");
    }
    assert_eq!(relayed.with_related(address("[fe80::1%3]:9")).related(), Some(address("[fe80::1]:9")));
}

#[test]
fn nothing_that_would_break_a_line_gets_into_a_candidate() {
    let host = candidate(CandidateKind::Host, Transport::Udp);
    for (name, value) in [
        ("", "x"),
        ("a b", "x"),
        ("a", "b c"),
        ("a", "b\r\na=c"),
        ("\u{e9}", "x"),
        ("ufrag", "abcd"),
        ("RADDR", "::"),
    ] {
        let result = host.clone().with_extension(name, value);
        assert_eq!(result, Err(CandidateError::Extension), "{name:?} {value:?}");
    }
    for ufrag in ["abc", "ab d", "abcd\r\n"] {
        assert_eq!(host.clone().with_ufrag(ufrag), Err(CandidateError::Ufrag), "{ufrag:?}");
    }
    let full = (0..16).try_fold(host, |host, n| host.with_extension(&format!("x{n}"), "")).unwrap();
    assert_eq!(full.with_extension("x16", ""), Err(CandidateError::TooManyExtensions));
}

/// Proves: rfc6544-6.2-1
#[test]
fn tcp_types_pair_with_what_answers_them() {
    let types = [TcpType::Active, TcpType::Passive, TcpType::SimultaneousOpen];
    let table = types.map(|local| types.map(|remote| local.pairs_with(remote)));
    assert_eq!(table, [[false, true, false], [true, false, false], [false, false, true]]);
}

#[test]
fn a_name_is_one_label_and_local() {
    let longest = format!("{}.local", "a".repeat(63));
    for text in ["a.local", "PRINTER-7.Local", "_x.local", &longest] {
        assert_eq!(MdnsName::new(text).unwrap().to_string(), text.to_ascii_lowercase());
    }
    let too_long = format!("{}.local", "a".repeat(64));
    for text in
        ["", "local", ".local", "a.b.local", "a.local.", "a.example", "a b.local", "\u{e9}.local", &too_long]
    {
        assert_eq!(MdnsName::new(text), None, "{text:?}");
    }
}

#[test]
fn only_a_version_four_uuid_conceals_an_address() {
    let is_uuid = |text: &str| MdnsName::new(text).unwrap().is_uuid();
    assert!(is_uuid("1f4712db-ea17-4bcf-a596-105139dfd8bf.local"));
    assert!(is_uuid("1F4712DB-EA17-4BCF-B596-105139DFD8BF.local"));
    for text in [
        "printer.local",
        "1f4712db-ea17-1bcf-a596-105139dfd8bf.local",
        "1f4712db-ea17-4bcf-c596-105139dfd8bf.local",
        "1f4712dbxea17-4bcf-a596-105139dfd8bf.local",
        "1f4712db-ea17-4bcf-a596-105139dfd8b.local",
        "1f4712db-ea17-4bcf-a596-105139dfd8bg.local",
    ] {
        assert!(!is_uuid(text), "{text}");
    }
}

#[test]
fn addresses_that_a_peer_may_and_may_not_name() {
    use AddressError::{Multicast, Port, Unspecified};
    let table = [
        ("192.0.2.1:1", Ok("192.0.2.1:1")),
        ("192.0.2.1:65535", Ok("192.0.2.1:65535")),
        ("[::ffff:192.0.2.1]:1", Ok("192.0.2.1:1")),
        ("[2001:db8::1]:1", Ok("[2001:db8::1]:1")),
        ("[fe80::1%5]:1", Ok("[fe80::1]:1")),
        ("[64:ff9b::192.0.2.1]:1", Ok("[64:ff9b::c000:201]:1")),
        ("[2002:c000:201::1]:1", Ok("[2002:c000:201::1]:1")),
        ("[::1]:1", Ok("[::1]:1")),
        ("127.0.0.1:1", Ok("127.0.0.1:1")),
        ("192.0.2.1:0", Err(Port)),
        ("[2001:db8::1]:0", Err(Port)),
        ("0.0.0.0:9", Err(Unspecified)),
        ("0.1.2.3:9", Err(Unspecified)),
        ("[::]:9", Err(Unspecified)),
        ("[::ffff:0.0.0.0]:9", Err(Unspecified)),
        ("[64:ff9b::]:9", Err(Unspecified)),
        ("255.255.255.255:1", Err(Multicast)),
        ("[::ffff:255.255.255.255]:1", Err(Multicast)),
        ("[64:ff9b::255.255.255.255]:1", Err(Multicast)),
        ("[2002:e000:1::1]:1", Err(Multicast)),
        ("[::224.0.0.1]:1", Err(Multicast)),
        ("224.0.0.251:5353", Err(Multicast)),
        ("239.255.255.250:1900", Err(Multicast)),
        ("[ff02::fb]:5353", Err(Multicast)),
        ("[ff0e::1]:1", Err(Multicast)),
    ];
    for (text, expected) in table {
        assert_eq!(admit_peer_address(address(text)), expected.map(address), "{text}");
    }
}

/// Proves: rfc8445-5.1.1.1-6
#[test]
fn deprecated_addresses_become_no_host_candidates() {
    for text in ["[::192.0.2.1]:1", "[fec0::1]:1", "[feff::1]:1"] {
        assert_eq!(admit_host_address(address(text)), Err(AddressError::Deprecated), "{text}");
    }
    for text in ["192.0.2.1:1", "[2001:db8::1]:1", "[fe80::1%5]:1", "[::1]:1"] {
        assert_eq!(admit_host_address(address(text)), Ok(address(text)), "{text}");
    }
    assert_eq!(admit_host_address(address("0.0.0.0:1")), Err(AddressError::Unspecified));
    assert_eq!(admit_host_address(address("[::ffff:192.0.2.1]:1")), Ok(address("192.0.2.1:1")));
}

proptest! {
    #[test]
    fn an_address_and_its_ipv4_mapped_form_are_judged_alike(bits: u32, first in 0_u8..=255, port in 0_u16..3) {
        let [_, b, c, d] = bits.to_be_bytes();
        for v4 in [Ipv4Addr::from(bits), Ipv4Addr::new(first, b, c, d)] {
            let mapped = SocketAddr::from((v4.to_ipv6_mapped(), port));
            let plain = SocketAddr::from((v4, port));
            prop_assert_eq!(admit_peer_address(plain), admit_peer_address(mapped));
            prop_assert_eq!(admit_host_address(plain), admit_host_address(mapped));
        }
    }

    #[test]
    fn what_is_admitted_is_in_its_one_form(bits: u128, prefix in prop::sample::select(vec![0_u128, 0xffff, 0xfe80])) {
        for bits in [bits, (prefix << 112) | (bits >> 16), (prefix << 32) | (bits >> 96)] {
            let address = SocketAddr::from((Ipv6Addr::from(bits), 1));
            if let Ok(admitted) = admit_peer_address(address) {
                prop_assert_eq!(admit_peer_address(admitted), Ok(admitted));
                prop_assert!(net::is_sendable(admitted));
            }
        }
    }
}
