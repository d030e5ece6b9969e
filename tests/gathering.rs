//! Gathering: who is asked, when, what their answers become (RFC 8445 section 5.1.1.2, RFC 8489 sections 6.2 and 6.3).

mod harness;

use core::net::SocketAddr;
use core::num::NonZeroU8;

use floe::ice::{CandidateKind, Role, ServerId};
use floe::stun::{
    AttributeType, Builder, ErrorCode, Fingerprint, MappedAddress, Method, Rto, XorMappedAddress,
};
use floe::{Config, Event, Ignored, Server, ServerError};
use harness::{Bench, Fed, Sent, address, at, host, ms};

const SERVER: &str = "203.0.113.1:3478";
const OTHER_SERVER: &str = "203.0.113.2:3478";
const MAPPED: &str = "198.51.100.9:7000";

/// An agent with one base and one server.
fn asking() -> Bench {
    asking_with(Config::new())
}

fn asking_with(config: Config) -> Bench {
    let mut bench = Bench::bare(config, Role::Controlling);
    add_server(&mut bench, SERVER);
    bench.base(harness::LOCAL);
    bench
}

fn add_server(bench: &mut Bench, server: &str) -> ServerId {
    bench.agent.add_server(bench.now, Server::stun(address(server))).unwrap()
}

/// Runs up to now, and returns the one request that has left.
fn question(bench: &mut Bench) -> Sent {
    bench.run_for(ms(0));
    let questions = bench.questions();
    assert_eq!(questions.len(), 1);
    questions[0].clone()
}

/// The mapped addresses announced so far.
fn reflexive(bench: &Bench) -> Vec<SocketAddr> {
    let announced = bench.announced();
    let reflexive = announced.iter().filter(|it| it.kind() == CandidateKind::ServerReflexive);
    reflexive.map(|it| it.ip().unwrap()).collect()
}

/// How the servers have failed so far.
fn failures(bench: &Bench) -> Vec<ServerError> {
    let failed = bench.events.iter().filter_map(|(_, event)| match event {
        Event::ServerFailed { error, .. } => Some(*error),
        _ => None,
    });
    failed.collect()
}

fn sent_at(bench: &Bench) -> Vec<u128> {
    bench.requests().iter().map(|request| request.at.since_epoch().as_millis()).collect()
}

/// A success answer with these attributes.
fn success(question: &Sent, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = Builder::success(&mut out, Method::BINDING, question.id);
    for (kind, value) in attributes {
        builder = builder.raw(AttributeType::new(*kind), value);
    }
    builder.fingerprint();
    out
}

fn error(question: &Sent, code: ErrorCode<'_>, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = Builder::error(&mut out, Method::BINDING, question.id, &code);
    for (kind, value) in attributes {
        builder = builder.raw(AttributeType::new(*kind), value);
    }
    builder.fingerprint();
    out
}

/// Proves: rfc8445-5.1.1-1
#[test]
fn a_responder_gathers_as_soon_as_it_knows_its_peer() {
    let mut bench = Bench::bare(Config::new(), Role::Controlled);
    bench.run_until(at(1_000));
    bench.remote();
    add_server(&mut bench, SERVER);
    bench.base(harness::LOCAL);
    assert_eq!(question(&mut bench).at, at(1_000));
}

/// Proves: rfc8445-5.1.1.2-1, rfc8445-5.1.1.2-6
/// Lesson: R-37
#[test]
fn every_base_asks_every_server_of_its_family_one_in_a_ta() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    let bases = ["192.0.2.1:1000", "192.0.2.2:1000", "[2001:db8::1]:1000"];
    for base in bases {
        bench.base(base);
    }
    let servers = [SERVER, OTHER_SERVER, "[2001:db8::99]:3478"];
    for server in servers {
        add_server(&mut bench, server);
    }
    bench.run_until(at(400));
    let mut asked: Vec<(String, String)> = Vec::new();
    for question in bench.questions() {
        asked.push((question.path.local().to_string(), question.path.remote().to_string()));
    }
    asked.sort();
    let pair = |base: usize, server: usize| (bases[base].to_string(), servers[server].to_string());
    let mut expected = vec![pair(0, 0), pair(0, 1), pair(1, 0), pair(1, 1), pair(2, 2)];
    expected.sort();
    assert_eq!(asked, expected);
    assert_eq!(sent_at(&bench), [0, 50, 100, 150, 200]);
}

/// Each address of a name is a server of its own, in the order in which they are to be tried.
///
/// Proves: rfc8489-8.1-4, rfc8445-5.1.1.2-12
#[test]
fn the_next_address_of_a_server_is_asked_before_the_first_has_timed_out() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base(harness::LOCAL);
    for server in [SERVER, OTHER_SERVER] {
        let server = Server::stun(address(server)).named("stun.example.org");
        bench.agent.add_server(bench.now, server).unwrap();
    }
    bench.run_until(at(60));
    let asked: Vec<Sent> = bench.questions();
    assert_eq!(
        asked.iter().map(|it| it.path.remote()).collect::<Vec<_>>(),
        [SERVER, OTHER_SERVER].map(address)
    );
    assert_eq!(sent_at(&bench), [0, 50], "half a second before the first is repeated");
    assert_eq!(bench.serve(&asked[1], MAPPED), Fed::Control);
    let kinds: Vec<CandidateKind> = bench.announced().iter().map(|it| it.kind()).collect();
    assert_eq!(kinds, [CandidateKind::Host, CandidateKind::ServerReflexive]);
}

/// Proves: rfc8445-5.1.1.2-2
#[test]
fn a_question_carries_no_credentials() {
    let mut bench = asking();
    let question = question(&mut bench);
    assert_eq!(question.attributes, [AttributeType::FINGERPRINT]);
    assert_eq!(question.fingerprint, Fingerprint::Valid);
    assert_eq!(question.message().method(), Method::BINDING);
}

/// Proves: rfc8445-5.1.1.2-3, rfc8489-6.3.4-2
#[test]
fn a_server_that_redirects_is_not_followed() {
    let mut bench = asking();
    let question = question(&mut bench);
    let alternate = [0, 1, 0x0d, 0x96, 203, 0, 113, 77];
    let answer = error(&question, ErrorCode::TRY_ALTERNATE, &[(0x8023, &alternate)]);
    assert_eq!(bench.feed_path(question.path, &answer), Fed::Control);
    bench.end_of_candidates();
    bench.run_until(at(60_000));
    assert_eq!(failures(&bench), [ServerError::Rejected(300)]);
    assert_eq!(sent_at(&bench), [0]);
    assert!(reflexive(&bench).is_empty());
}

/// Proves: rfc8445-5.1.1.2-4
#[test]
fn a_server_of_rfc_3489_is_understood() {
    let mut bench = asking();
    let question = question(&mut bench);
    let plain = |last: u8| [0, 1, 0x1b, 0x58, 198, 51, 100, last];
    // MAPPED-ADDRESS, SOURCE-ADDRESS and CHANGED-ADDRESS, and no FINGERPRINT, as such a server answers.
    let mut out = Vec::new();
    let mut builder = Builder::success(&mut out, Method::BINDING, question.id);
    for (kind, value) in [(1, plain(9)), (4, plain(1)), (5, plain(2))] {
        builder = builder.raw(AttributeType::new(kind), &value);
    }
    let _ = builder;
    assert_eq!(bench.feed_path(question.path, &out), Fed::Control);
    assert_eq!(failures(&bench), []);
    assert_eq!(reflexive(&bench), [address(MAPPED)]);
}

/// Proves: rfc8489-6.3.3-2
#[test]
fn the_xored_address_counts_where_both_are_there() {
    let mut bench = asking();
    let question = question(&mut bench);
    let mut out = Vec::new();
    Builder::success(&mut out, Method::BINDING, question.id)
        .attribute(&MappedAddress(address("192.0.2.200:1")))
        .attribute(&XorMappedAddress(address(MAPPED)))
        .fingerprint();
    assert_eq!(bench.feed_path(question.path, &out), Fed::Control);
    assert_eq!(reflexive(&bench), [address(MAPPED)]);
}

/// Proves: rfc8489-6.3.3-2
#[test]
fn an_answer_without_an_address_of_a_known_family_fails() {
    for attributes in [&[][..], &[(0x0020, &[0, 3, 1, 2, 3, 4, 5, 6][..])]] {
        let mut bench = asking();
        let question = question(&mut bench);
        let answer = success(&question, attributes);
        assert_eq!(bench.feed_path(question.path, &answer), Fed::Control);
        assert_eq!(failures(&bench), [ServerError::NoMappedAddress]);
        assert!(reflexive(&bench).is_empty());
    }
}

/// Proves: rfc8489-6.3.3-1
#[test]
fn a_success_with_an_attribute_that_must_be_understood_fails() {
    let mut bench = asking();
    let question = question(&mut bench);
    let mapped = [0, 1, 0x1b, 0x58, 198, 51, 100, 9];
    let answer = success(&question, &[(0x0001, &mapped), (0x7f00, &[0; 4])]);
    assert_eq!(bench.feed_path(question.path, &answer), Fed::Control);
    assert_eq!(failures(&bench), [ServerError::UnknownAttribute]);
    assert!(reflexive(&bench).is_empty());
}

/// Proves: rfc8489-6.3.4-1
#[test]
fn an_error_without_a_code_or_with_an_unknown_attribute_fails_at_once() {
    let mut bench = asking();
    let asked = question(&mut bench);
    let mut answer = error(&asked, ErrorCode::BAD_REQUEST, &[(0x7f00, &[0; 4])]);
    assert_eq!(bench.feed_path(asked.path, &answer), Fed::Control);
    assert_eq!(failures(&bench), [ServerError::UnknownAttribute]);

    let mut bench = asking();
    let asked = question(&mut bench);
    answer.clear();
    // A success, turned into an error: nothing says what is wrong.
    Builder::success(&mut answer, Method::BINDING, asked.id).raw(AttributeType::new(0x8022), b"none");
    answer[..2].copy_from_slice(&[0x01, 0x11]);
    assert_eq!(bench.feed_path(asked.path, &answer), Fed::Control);
    assert_eq!(failures(&bench), [ServerError::Rejected(0)]);
    bench.run_until(at(60_000));
    assert_eq!(sent_at(&bench), [0]);
}

/// Proves: rfc8489-6.3.4-5
#[test]
fn every_other_error_ends_the_question_with_its_code() {
    for code in [400, 403, 420, 442, 499, 600, 699] {
        let mut bench = asking();
        let question = question(&mut bench);
        let answer = error(&question, ErrorCode::new(code).unwrap(), &[]);
        assert_eq!(bench.feed_path(question.path, &answer), Fed::Control);
        assert_eq!(failures(&bench), [ServerError::Rejected(code)]);
        bench.run_until(at(60_000));
        assert_eq!(sent_at(&bench), [0], "after {code}");
    }
    let mut bench = asking();
    let asked = question(&mut bench);
    let mut answer = Vec::new();
    // Class 2, number 0.
    let code = [0, 0, 2, 0];
    Builder::success(&mut answer, Method::BINDING, asked.id).raw(AttributeType::ERROR_CODE, &code);
    answer[..2].copy_from_slice(&[0x01, 0x11]);
    assert_eq!(bench.feed_path(asked.path, &answer), Fed::Control);
    assert_eq!(failures(&bench).len(), 1);
}

/// Proves: rfc8489-6.3.4-4
#[test]
fn a_server_in_trouble_is_asked_at_most_four_times_more() {
    let mut bench = asking();
    let mut answered = 0;
    while let Some(question) = bench.questions().get(answered).cloned().or_else(|| {
        bench.run_for(ms(1_000));
        bench.questions().get(answered).cloned()
    }) {
        answered += 1;
        let answer = error(&question, ErrorCode::SERVER_ERROR, &[]);
        assert_eq!(bench.feed_path(question.path, &answer), Fed::Control);
    }
    assert!((1..=5).contains(&answered), "asked {answered} times");
    assert_eq!(failures(&bench), [ServerError::Rejected(500)]);
}

/// Proves: rfc8445-5.1.1.2-9, rfc8445-4-2
/// Lesson: R-41
#[test]
fn a_reflexive_candidate_is_based_on_the_host_that_asked() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base("192.0.2.1:1000");
    bench.base("192.0.2.2:2000");
    add_server(&mut bench, SERVER);
    bench.run_until(at(100));
    for question in bench.questions() {
        let mapped = SocketAddr::new(address(MAPPED).ip(), question.path.local().port() + 1);
        assert_eq!(bench.serve(&question, &mapped.to_string()), Fed::Control);
    }
    let related: Vec<_> =
        bench.announced().iter().map(|it| (it.kind(), it.ip().unwrap(), it.related())).collect();
    let srflx = CandidateKind::ServerReflexive;
    assert_eq!(
        related,
        [
            (CandidateKind::Host, address("192.0.2.1:1000"), None),
            (CandidateKind::Host, address("192.0.2.2:2000"), None),
            (srflx, address("198.51.100.9:1001"), Some(address("192.0.2.1:1000"))),
            (srflx, address("198.51.100.9:2001"), Some(address("192.0.2.2:2000"))),
        ]
    );
}

/// Proves: rfc8445-5.1.1.2-12
#[test]
fn a_silent_server_does_not_stop_the_others() {
    let mut bench = asking();
    add_server(&mut bench, OTHER_SERVER);
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.run_until(at(100));
    let question = bench.questions().into_iter().find(|it| it.path.remote() == address(OTHER_SERVER));
    assert_eq!(bench.serve(&question.unwrap(), MAPPED), Fed::Control);
    assert_eq!(reflexive(&bench), [address(MAPPED)]);
    let complete = |event: &Event| matches!(event, Event::GatheringComplete { .. });
    bench.run_until(at(9_999));
    assert!(!bench.saw(complete));
    bench.run_until(at(10_000));
    assert!(bench.saw(complete));
    assert_eq!(failures(&bench), [ServerError::Timeout]);
}

/// Proves: rfc8445-5.1.1.4-1
#[test]
fn a_binding_is_kept_alive_until_ice_has_completed() {
    let mut bench = asking();
    let question = question(&mut bench);
    assert_eq!(bench.serve(&question, MAPPED), Fed::Control);
    bench.remote();
    bench.trickle(host("1", 1, harness::REMOTE));
    let servers = |bench: &Bench| -> Vec<Sent> {
        let questions = bench.questions();
        questions.into_iter().filter(|it| it.path == question.path).collect()
    };
    bench.run_until(at(15_100));
    let refresh = servers(&bench)[1].clone();
    assert!(refresh.at >= at(15_000), "{:?}", refresh.at);
    assert_eq!(bench.serve(&refresh, MAPPED), Fed::Control);
    bench.run_until(at(31_000));
    assert_eq!(servers(&bench).len(), 3);
    let third = servers(&bench)[2].clone();
    assert_eq!(bench.serve(&third, MAPPED), Fed::Control);
    // Now the peer answers: the binding has done its part.
    bench.end_of_candidates();
    bench.run_answering(at(120_000), |_| Some(ms(10)));
    assert_eq!(bench.states().last(), Some(&floe::StreamState::Completed));
    assert_eq!(servers(&bench).len(), 3);
}

/// Proves: rfc8445-14.3-1
#[test]
fn twelve_candidates_in_the_making_wait_600_ms_for_their_server() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    for base in 1..=6 {
        bench.base(&format!("192.0.2.{base}:1000"));
    }
    add_server(&mut bench, SERVER);
    add_server(&mut bench, OTHER_SERVER);
    bench.run_until(at(2_000));
    for question in bench.questions() {
        let sent: Vec<_> = bench.requests().into_iter().filter(|it| it.id == question.id).collect();
        assert_eq!(sent[1].at, question.at + ms(600));
    }
    assert_eq!(bench.questions().len(), 12);
}

/// Proves: rfc8489-6.2-1
#[test]
fn no_more_than_ten_questions_to_a_server_are_open() {
    let mut bench = Bench::bare(Config::new().gathering_limit(ms(100_000)), Role::Controlling);
    add_server(&mut bench, SERVER);
    for base in 1..=30 {
        bench.base(&format!("192.0.2.{base}:1000"));
    }
    bench.run_until(at(3_000));
    let open = bench.questions();
    assert_eq!(open.len(), 10);
    assert_eq!(bench.serve(&open[0], MAPPED), Fed::Control);
    bench.run_until(at(3_100));
    assert_eq!(bench.questions().len(), 11);
}

/// Proves: rfc8489-6.2.1-1, rfc8489-6.2.1-2, rfc8489-6.2.1-3, rfc8489-6.2.1-4
#[test]
fn a_question_is_repeated_as_the_configuration_says() {
    let patient = || Config::new().gathering_limit(ms(600_000));
    let mut bench = asking_with(patient());
    bench.run_until(at(39_499));
    assert_eq!(sent_at(&bench), [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(failures(&bench), []);
    bench.run_until(at(39_500));
    assert_eq!(failures(&bench), [ServerError::Timeout]);

    let (three, four) = (NonZeroU8::new(3).unwrap(), NonZeroU8::new(4).unwrap());
    let rto = Rto::new(ms(701)).with_rc(three).with_rm(four);
    let mut bench = asking_with(patient().rto(rto));
    bench.run_until(at(701 * 7 - 1));
    assert_eq!(sent_at(&bench), [0, 701, 701 * 3]);
    assert_eq!(failures(&bench), []);
    bench.run_until(at(701 * 7));
    assert_eq!(failures(&bench), [ServerError::Timeout]);
}

/// Proves: rfc8489-6.2.1-8
#[test]
fn a_question_that_cannot_be_sent_fails_at_once() {
    let mut bench = asking();
    let question = question(&mut bench);
    bench.agent.handle_transmit_error(bench.now, question.path);
    bench.drain();
    assert_eq!(failures(&bench), [ServerError::Unreachable]);
    bench.run_until(at(60_000));
    assert_eq!(sent_at(&bench), [0]);
}

/// Proves: rfc8489-6.2.1-9
#[test]
fn an_answer_after_the_failure_is_ignored() {
    let mut bench = asking();
    let question = question(&mut bench);
    bench.run_until(at(10_000));
    assert_eq!(failures(&bench), [ServerError::Timeout]);
    bench.run_until(at(10_001));
    assert_eq!(bench.serve(&question, MAPPED), Fed::Ignored(Ignored::UnknownTransaction));
    assert!(reflexive(&bench).is_empty());
}

/// Proves: rfc8489-6.2.1-10
#[test]
fn only_the_first_of_two_equal_answers_counts() {
    let mut bench = asking();
    let question = question(&mut bench);
    assert_eq!(bench.serve(&question, MAPPED), Fed::Control);
    assert_eq!(bench.serve(&question, MAPPED), Fed::Ignored(Ignored::UnknownTransaction));
    assert_eq!(reflexive(&bench), [address(MAPPED)]);
}

/// Proves: rfc8489-6.3.3-3
#[test]
fn a_server_beyond_a_translator_may_show_an_address_of_the_other_family() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    bench.base("[2001:db8::1]:1000");
    add_server(&mut bench, "[64:ff9b::cb00:7101]:3478");
    let question = question(&mut bench);
    assert_eq!(bench.serve(&question, MAPPED), Fed::Control);
    assert_eq!(reflexive(&bench), [address(MAPPED)]);
}

/// What is known of networks that were left long ago takes no room.
#[test]
fn an_agent_that_roams_for_long_holds_no_more_than_it_has_candidates() {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    let mut roam = |networks: core::ops::Range<u16>| {
        for n in networks {
            let base = bench.base(&format!("10.{}.{}.1:1000", n >> 8, n & 255));
            bench.agent.remove_base(bench.now, base).unwrap();
            bench.drain();
        }
        format!("{:?}", bench.agent).len()
    };
    let few = roam(0..10);
    let many = roam(10..1_000);
    assert!(many < few + 100, "{few} characters to describe it, then {many}");
}
