use super::*;
use crate::stun::LongTerm;
use UriError as E;
use alloc::string::ToString;
use alloc::vec::Vec;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Uri, UriError> {
    text.parse()
}

/// A URI taken apart: host, port, transports and whether TLS.
fn parts(text: &str) -> (String, u16, &'static [Transport], bool) {
    let uri = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    (uri.host().to_string(), uri.port(), uri.transports(), uri.is_secure())
}

const UDP: &[Transport] = &[Transport::Udp];
const TCP: &[Transport] = &[Transport::Tcp];
const BOTH: &[Transport] = &[Transport::Udp, Transport::Tcp];

/// Proves: rfc7064-3.1-1, rfc7064-3.2-1, rfc7064-3.2-2, rfc8489-8.1-2
#[test]
fn stun_servers() {
    let name = || "example.org".to_string();
    assert_eq!(parts("stun:example.org"), (name(), 3478, BOTH, false));
    assert_eq!(parts("stuns:example.org"), (name(), 5349, TCP, true));
    assert_eq!(parts("stun:example.org:8000"), (name(), 8000, BOTH, false));
    assert_eq!(parts("stuns:example.org:443"), (name(), 443, TCP, true));
    assert_eq!(parse("stun://example.org"), Err(E::Authority));
    assert_eq!(parse("stun:user@example.org"), Err(E::Userinfo));
    assert_eq!(parse("stun:example.org/path"), Err(E::Host));
    assert_eq!(parse("stun:example.org#fragment"), Err(E::Host));
    assert_eq!(parse("stun:example.org?transport=udp"), Err(E::Query));
    assert_eq!(parse("stun:example.org:80/path"), Err(E::Port));
}

/// Proves: rfc7065-3.1-1, rfc7065-3.2-1, rfc7065-3.2-2, rfc7065-3.2-3, rfc8656-4.1-1, rfc8656-7.1-10
#[test]
fn turn_servers() {
    let name = || "example.org".to_string();
    assert_eq!(parts("turn:example.org"), (name(), 3478, BOTH, false), "UDP first");
    assert_eq!(parts("turns:example.org"), (name(), 5349, TCP, true));
    assert_eq!(parts("turn:example.org:8000"), (name(), 8000, BOTH, false));
    assert_eq!(parts("turn:example.org?transport=udp"), (name(), 3478, UDP, false));
    assert_eq!(parts("turn:example.org?transport=tcp"), (name(), 3478, TCP, false));
    assert_eq!(parts("turns:example.org?transport=tcp"), (name(), 5349, TCP, true));
    assert_eq!(parts("turns:example.org?transport=udp"), (name(), 5349, UDP, true), "DTLS");
}

/// Proves: rfc7064-3.1-2, rfc7065-3.1-5
#[test]
fn schemes_and_transports_in_capitals_are_the_same() {
    for (shouted, said) in [
        ("STUN:h", "stun:h"),
        ("StUnS:h", "stuns:h"),
        ("TURN:h?transport=TCP", "turn:h?transport=tcp"),
        ("tUrNs:h?TRANSPORT=uDp", "turns:h?transport=udp"),
        ("turn:h?transport=SCTP", "turn:h?transport=sctp"),
    ] {
        assert_eq!(parse(shouted), parse(said));
        assert_eq!(parse(shouted).unwrap().to_string(), said);
    }
}

/// Proves: rfc7064-3.1-3
#[test]
fn ipv6_addresses_are_in_brackets() {
    let address = Host::Address("2001:db8::1".parse().unwrap());
    for (text, port) in
        [("stun:[2001:db8::1]:80", 80), ("stun:[2001:db8::1]", 3478), ("stun:[2001:db8::1]:", 3478)]
    {
        let uri = parse(text).unwrap();
        assert_eq!((uri.host(), uri.port()), (&address, port));
    }
    let wrong = [
        "2001:db8::1",
        "::1",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]80",
        "[192.0.2.1]",
        "[example.org]",
        "[v1.x]",
        "[fe80::1%25eth0]",
        "[]",
    ];
    for host in wrong {
        assert_eq!(parse(&alloc::format!("stun:{host}")), Err(E::Host), "{host}");
    }
}

/// Proves: rfc7064-3.1-4
#[test]
fn a_port_is_a_number_of_16_bits_or_nothing() {
    for (text, port) in
        [("stun:h:", 3478), ("stun:h:0", 0), ("stun:h:65535", 65535), ("turns:h:", 5349), ("stun:h:08", 8)]
    {
        assert_eq!(parse(text).unwrap().port(), port, "{text}");
    }
    for text in
        ["stun:h:65536", "stun:h:x", "stun:h:+80", "stun:h:-1", "stun:h: 80", "stun:h:99999999999999999999"]
    {
        assert_eq!(parse(text), Err(E::Port), "{text}");
    }
}

/// Proves: rfc7064-3.1-5
#[test]
fn there_is_no_uri_without_a_host() {
    for text in ["stun:", "stun::3478", "turn:?transport=udp", "turn::", "stun:."] {
        assert_eq!(parse(text), Err(E::Host), "{text}");
    }
    for text in ["", "stun", "example.org:3478", "http:example.org", "turnss:h", " stun:h", "stun :h"] {
        assert_eq!(parse(text), Err(E::Scheme), "{text}");
    }
    assert_eq!(parse(&alloc::format!("stun:{}", "x".repeat(1020))), Err(E::TooLong));
}

/// Proves: rfc7065-3.1-2
#[test]
fn a_transport_of_the_future_is_read_and_of_no_use() {
    let uri = parse("turn:h?transport=sctp").unwrap();
    assert_eq!(uri.transport(), Some(&UriTransport::Other("sctp".into())));
    assert_eq!(uri.transports(), []);
}

/// Proves: rfc7065-3.1-3
#[test]
fn a_query_is_one_transport() {
    for query in [
        "",
        "foo=bar",
        "transport",
        "transport=",
        "transport=udp&transport=tcp",
        "transport=udp&foo=bar",
        "transport=udp?transport=tcp",
        "transport=u d",
        "transport=%75dp",
        "foo=bar&transport=udp",
    ] {
        assert_eq!(parse(&alloc::format!("turn:h?{query}")), Err(E::Query), "{query}");
    }
}

/// Proves: rfc7065-3.1-4, rfc7065-4-1
#[test]
fn credentials_are_not_part_of_a_uri_and_not_printed() {
    assert_eq!(parse("turn://h"), Err(E::Authority));
    for text in ["turn:u@h", "turn:u:secret@h", "turns:secret@h:443?transport=tcp"] {
        let error = parse(text).unwrap_err();
        assert_eq!(error, E::Userinfo);
        assert!(!alloc::format!("{error} {error:?}").contains("secret"));
    }
    let credential = LongTerm::new("user", "secret").unwrap();
    assert!(!alloc::format!("{credential:?}").contains("secret"));
}

/// Proves: rfc7065-3.1-6
#[test]
fn names_are_plain_ascii_and_no_numbers_in_disguise() {
    for name in [
        "example.org",
        "example.org.",
        "xn--bcher-kva.example",
        "a_b.c-d",
        "localhost",
        "1.example",
        "0xg",
        "1x",
    ] {
        assert_eq!(parse(&alloc::format!("turn:{name}")).unwrap().host(), &Host::Name(name.into()));
    }
    for name in [
        "ex%61mple.org",
        "bücher.example",
        "a b",
        "a..b",
        ".a",
        "a,b",
        "127.1",
        "2130706433",
        "0x7f000001",
        "192.0.2.256",
        "a.0x1",
        "0x",
        "example.1",
        "1.2.3.4.5",
        "*",
        "a\0",
    ] {
        assert_eq!(parse(&alloc::format!("turn:{name}")), Err(E::Host), "{name}");
    }
    let long = alloc::format!("turn:{}", "x".repeat(256));
    assert_eq!(parse(&long), Err(E::Host));
    assert!(parse(&long[..long.len() - 1]).is_ok());
}

/// Proves: rfc8489-8.1-1, rfc7064-4-1
#[test]
fn a_server_behind_tls_has_a_name_unless_the_caller_allows_otherwise() {
    for text in
        ["stuns:192.0.2.1", "stuns:[2001:db8::1]:443", "turns:192.0.2.1", "turns:[2001:db8::1]?transport=tcp"]
    {
        assert_eq!(parse(text), Err(E::AddressWithTls));
        let uri = Uri::parse_with_address(text).unwrap();
        assert!(uri.is_secure() && matches!(uri.host(), Host::Address(_)));
    }
    for text in ["stun:192.0.2.1", "turn:[2001:db8::1]"] {
        assert_eq!(parse(text), Uri::parse_with_address(text));
        assert!(parse(text).is_ok());
    }
}

/// Proves: rfc7064-3.2-3
#[test]
fn services_are_looked_up_for_names_without_a_port() {
    let services = |text| parse(text).unwrap().services().collect::<Vec<_>>();
    let service = |transport, name: &str| (transport, name.to_string());
    assert_eq!(services("stun:h.example"), [service(Transport::Udp, "_stun._udp.h.example")]);
    assert_eq!(services("stuns:h.example"), [service(Transport::Tcp, "_stuns._tcp.h.example")]);
    assert_eq!(
        services("turn:h.example"),
        [service(Transport::Udp, "_turn._udp.h.example"), service(Transport::Tcp, "_turn._tcp.h.example")]
    );
    assert_eq!(services("turns:h.example?transport=udp"), [service(Transport::Udp, "_turns._udp.h.example")]);
    for text in ["stun:h.example:3478", "turn:192.0.2.1", "turn:[::1]", "turn:h?transport=sctp"] {
        assert_eq!(services(text), []);
    }
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z][a-z0-9_-]{0,20}(\\.[a-z][a-z0-9-]{0,9}){0,3}\\.?".prop_map(Host::Name),
        any::<[u8; 4]>().prop_map(|ip| Host::Address(ip.into())),
        any::<[u8; 16]>().prop_map(|ip| Host::Address(ip.into())),
    ]
}

fn uri() -> impl Strategy<Value = Uri> {
    let scheme = prop::sample::select(Scheme::ALL.to_vec());
    let transport = prop::option::of("udp|tcp|[a-z0-9~._-]{1,9}".prop_map(|text| UriTransport::parse(&text)));
    (scheme, host(), any::<Option<u16>>(), transport).prop_map(|(scheme, host, port, transport)| {
        let is_turn = matches!(scheme, Scheme::Turn | Scheme::Turns);
        Uri { scheme, host, port, transport: transport.filter(|_| is_turn) }
    })
}

proptest! {
    /// Proves: rfc7064-3.1-6
    #[test]
    fn what_is_written_is_read(uri in uri()) {
        prop_assert_eq!(Uri::parse_with_address(&uri.to_string()), Ok(uri));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(stun|turn)s?:(\\PC|[:@/?.\\[\\]=0-9a-f]){0,30}") {
        if let Ok(uri) = Uri::parse_with_address(&text) {
            prop_assert_eq!(Uri::parse_with_address(&uri.to_string()), Ok(uri));
        }
    }
}
