//! A peer that is slower to move than we are: browsers stay on the pair of the generation before for seconds.

mod harness;

use floe::ice::{Credentials, Role};
use floe::stun::{Builder, Class, Integrity, Key, Method, XorMappedAddress};
use floe::{Config, Event, Ignored, Provenance, Remote, StreamState};
use harness::{Bench, Fed, LOCAL, PeerCheck, REMOTE, Sent, address, at, host, ms};

const NEXT: &str = "198.51.100.9:9000";
const DATA: &[u8] = b"\x80 data";

fn next_credentials() -> Credentials {
    Credentials::new("next", "thenextpasswordofthepeer").unwrap()
}

fn answer(bench: &mut Bench, check: &Sent) {
    let mut out = Vec::new();
    Builder::success(&mut out, Method::BINDING, check.id)
        .attribute(&XorMappedAddress(check.path.local()))
        .integrity(&Key::short_term(next_credentials().password().as_bytes()), Integrity::Sha1)
        .fingerprint();
    assert_eq!(bench.feed_path(check.path, &out), Fed::Control);
}

/// The new generation has selected, on another path; the peer still checks the old one under the old credentials, and sends its
/// data there. For ten seconds it is answered, under the same credentials, and its data is taken; nothing moves for it. Then the
/// old credentials are nobody's.
///
/// Proves: rfc8445-9-6, rfc8445-12.2-1
#[test]
fn a_peer_that_stays_on_the_old_pair_is_served_for_ten_seconds() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut bench = Bench::with(Config::new(), role);
        if role == Role::Controlled {
            bench.peer_checks(true);
        }
        bench.run_answering(at(2_000), |_| Some(ms(20)));
        assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
        let old = PeerCheck { use_candidate: role == Role::Controlled, ..bench.peer_check() };
        bench.agent.restart(bench.now, bench.stream).unwrap();
        bench.agent.set_remote(bench.now, bench.stream, Remote::new(next_credentials())).unwrap();
        bench.trickle(host("1", 1, NEXT));
        if role == Role::Controlled {
            let ours = bench.agent.local_credentials(bench.stream).unwrap().ufrag().to_owned();
            let username = Some(format!("{ours}:{}", next_credentials().ufrag()));
            let check = PeerCheck { username, use_candidate: true, ..bench.peer_check() };
            bench.feed_on(LOCAL, NEXT, &check.encode());
        }
        while bench.agent.state(bench.stream) != Some(StreamState::Completed) {
            let check = bench.next_check();
            if check.path.remote() == address(NEXT) {
                answer(&mut bench, &check);
            }
        }
        let (selected_at, events) = (bench.now, bench.events.len());
        let route = bench.agent.route(bench.component());
        assert_eq!(route.unwrap().path().remote(), address(NEXT));
        for _ in 0..9 {
            assert_eq!(bench.feed(&old.encode()), Fed::Control, "{role}");
            let answered = bench.last_answer().unwrap();
            assert_eq!((answered.class, answered.mapped), (Class::Success, Some(address(REMOTE))));
            assert!(answered.is_signed_with(&old.password));
            assert_eq!(bench.feed(DATA), Fed::Data(Provenance::Valid, DATA.to_vec()), "{role}");
            let until = bench.now + ms(1_000);
            while bench.agent.deadline().is_some_and(|deadline| deadline <= until) {
                let check = bench.next_check();
                assert_eq!(check.path.remote(), address(NEXT), "nothing is asked on the old path");
                answer(&mut bench, &check);
            }
            bench.run_until(until);
        }
        assert_eq!(bench.agent.route(bench.component()), route);
        assert_eq!(bench.events.len(), events, "{role}: {:?}", &bench.events[events..]);
        bench.run_until(selected_at + ms(10_000));
        assert_eq!(bench.feed(&old.encode()), Fed::Ignored(Ignored::Unauthenticated), "{role}");
        assert_eq!(bench.feed(DATA), Fed::Ignored(Ignored::Unverified), "{role}");
    }
}

/// World 87016: once the new generation has selected, the old path of a component that the peer now does without is not used any
/// more, and that is said at once.
///
/// Proves: rfc8445-9-3
#[test]
fn a_component_that_the_peer_does_without_loses_its_old_path_when_the_others_have_theirs() {
    let mut bench = Bench::with_components(Config::new(), Role::Controlling, 2);
    bench.base(LOCAL);
    bench.base_of(2, "192.0.2.1:1001");
    bench.remote();
    bench.trickle(host("1", 1, REMOTE));
    bench.trickle(host("1", 2, "198.51.100.1:2001"));
    bench.end_of_candidates();
    bench.run_answering(at(1_000), |_| Some(ms(20)));
    assert_eq!(bench.agent.state(bench.stream), Some(StreamState::Completed));
    bench.agent.restart(bench.now, bench.stream).unwrap();
    bench.agent.set_remote(bench.now, bench.stream, Remote::new(next_credentials())).unwrap();
    bench.trickle(host("1", 1, REMOTE));
    bench.end_of_candidates();
    let component = bench.stream.component(2);
    while bench.agent.state(bench.stream) != Some(StreamState::Completed) {
        assert!(bench.agent.route(component).is_some());
        let check = bench.next_check();
        answer(&mut bench, &check);
    }
    assert_eq!(bench.agent.route(component), None);
    let said = bench.events.iter().rfind(|(_, event)| *event == Event::Route { component }).unwrap();
    assert_eq!(Some(said.0), bench.events.last().map(|(at, _)| *at));
}
