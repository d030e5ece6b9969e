//! One description, answered by several peers (a forked call): an agent for each, on the same socket and under the same credentials.

mod harness;

use floe::ice::{Credentials, Role};
use floe::{Config, Server, StreamState};
use harness::{Bench, Fed, at, host, ms};

const SERVER: &str = "203.0.113.1:3478";
const MAPPED: &str = "203.0.113.9:4000";

/// An agent under the credentials that all branches share, with a host and a reflexive candidate; its peer is at this address.
fn branch(remote: &str) -> Bench {
    let mut bench = Bench::bare(Config::new(), Role::Controlling);
    let shared = Credentials::new("shared", "thepasswordofallbranches").unwrap();
    bench.stream = bench.agent.add_stream_with(1, shared).unwrap();
    bench.agent.add_server(bench.now, Server::stun(harness::address(SERVER))).unwrap();
    bench.base(harness::LOCAL);
    bench.agent.end_of_bases(bench.now, bench.stream).unwrap();
    bench.run_for(ms(10));
    let question = bench.questions().pop().unwrap();
    bench.serve(&question, MAPPED);
    bench.remote();
    bench.trickle(host("1", 1, remote));
    bench
}

/// Lets so much time pass while the server answers.
fn served(bench: &mut Bench, millis: u64) -> usize {
    let before = bench.questions().len();
    let until = bench.now + ms(millis);
    while bench.now < until {
        let known = bench.questions().len();
        bench.run_for(ms(100));
        for question in bench.questions().split_off(known) {
            bench.serve(&question, MAPPED);
        }
    }
    bench.questions().len() - before
}

/// One branch is answered, completes and ends. What it gives up is its own share: the socket is the caller's, and the mapping at
/// the server is kept by the branch that has not come to its end, whose peer reaches both candidates; when that has completed as
/// well nobody asks the server any more.
///
/// Proves: rfc8445-8.3.1-2
#[test]
fn what_branches_share_lasts_until_the_last_of_them_needs_it_no_more() {
    let (mut one, mut other) = (branch("198.51.100.1:2000"), branch("198.51.100.2:2000"));
    assert_eq!(one.announced().len(), 2);
    assert_eq!(
        one.announced().iter().map(|it| it.ip()).collect::<Vec<_>>(),
        other.announced().iter().map(|it| it.ip()).collect::<Vec<_>>()
    );
    one.run_answering(at(2_000), |_| Some(ms(20)));
    assert_eq!(one.agent.state(one.stream), Some(StreamState::Completed));
    assert_eq!(served(&mut one, 60_000), 0, "it has its pair");
    let sent = one.sent.len();
    one.agent.close(one.now);
    one.drain();
    assert_eq!(
        (one.sent.len(), one.closed.len()),
        (sent, 0),
        "nothing is said to the server or about the socket"
    );
    assert!((3..=5).contains(&served(&mut other, 60_000)), "a question every 15 s");
    assert_eq!(other.peer_checks(false), Fed::Control);
    let until = other.now + ms(5_000);
    other.run_answering(until, |_| Some(ms(20)));
    assert_eq!(other.agent.state(other.stream), Some(StreamState::Completed));
    assert_eq!(served(&mut other, 60_000), 0, "the last one has ended");
}
