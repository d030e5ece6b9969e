//! A connectivity check: what is in it, when it is repeated, what its answer does (RFC 8445 section 7.2).

mod harness;

use floe::ice::{PairState, Role};
use harness::{Bench, address, ms};

/// Proves: rfc8445-7.1.1-1, rfc8445-7.1.3-1, rfc8445-7.2.2-1, rfc8445-7.2.4-1, rfc8445-7.2.4-2
#[test]
fn a_check_has_what_it_must_have_and_nothing_else() {
    let mut bench = Bench::new(Role::Controlling);
    let check = bench.next_check();
    let names: Vec<String> = check.attributes.iter().map(|kind| format!("{:#06x}", kind.as_u16())).collect();
    assert_eq!(names, ["0x0006", "0x0024", "0x802a", "0x0008", "0x8028"]);
    let ufrag = bench.agent.local_credentials(bench.stream).unwrap().ufrag();
    assert_eq!(check.username, Some(format!("{}:{ufrag}", harness::REMOTE_UFRAG)));
    assert_eq!(check.priority, Some(0x6eff_ffff));
    assert!(check.is_signed_with(harness::REMOTE_PASSWORD));
    assert_eq!(check.fingerprint, floe::stun::Fingerprint::Valid);
    assert_eq!(
        (check.path.local(), check.path.remote()),
        (address(harness::LOCAL), address(harness::REMOTE))
    );
}

/// Proves: rfc8445-7.2.5.2.3-1, rfc8445-14.3-4
/// Scenario: S-10
#[test]
fn an_unanswered_check_is_repeated_seven_times_and_fails_after_39500_ms() {
    let mut bench = Bench::new(Role::Controlling);
    bench.run_for(ms(39_499));
    let sent: Vec<u128> =
        bench.requests().iter().map(|request| request.at.since_epoch().as_millis()).collect();
    assert_eq!(sent, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert!(bench.requests().windows(2).all(|pair| pair[0].bytes == pair[1].bytes));
    assert!(matches!(bench.pair_states()[..], [(_, PairState::InProgress(_))]));
    bench.run_for(ms(1));
    assert!(matches!(bench.pair_states()[..], [(_, PairState::Failed)]));
}
