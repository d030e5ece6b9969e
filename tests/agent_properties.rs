//! What holds for an agent whatever is done to it.

mod agent_authed;
mod agent_bytes;
mod agent_ops;

use agent_bytes::{PHASES, Phase, Step, Subject};
use agent_ops::{Model, Op, Setting};
use floe::ice::Role;
use proptest::prelude::*;

fn phase() -> impl Strategy<Value = Phase> {
    prop::sample::select(&PHASES[..])
}

fn op() -> impl Strategy<Value = Op> {
    any::<[u8; 4]>().prop_map(Op::from)
}

fn setting() -> impl Strategy<Value = Setting> {
    any::<u8>().prop_map(Setting::from)
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        prop::collection::vec(any::<u8>(), 20..100),
        Just(Vec::new()),
    ];
    (any::<u8>(), any::<u8>(), any::<u8>(), bytes).prop_map(|(wait, path, template, bytes)| Step {
        wait,
        path,
        template,
        bytes,
    })
}

/// Every template on every path in every phase, as made and with its fingerprint made right after a change: and all the
/// reasons to ignore a datagram are met on the way.
#[test]
fn no_forgery_changes_anything_and_each_is_counted_with_its_reason() {
    let mut met = floe::IgnoredStats::default();
    for phase in PHASES {
        let mut subject = Subject::in_phase(phase);
        for template in (1..9).flat_map(|template| [template, template | 0x80]) {
            for path in (0..5).flat_map(|remote| (0..4).map(move |local| remote << 4 | local)) {
                let bytes = if template < 0x80 { vec![] } else { vec![25, 1] };
                subject.take(&Step { wait: path % 3, path, template, bytes });
            }
        }
        let reasons = subject.stats().ignored;
        met.unknown_base += reasons.unknown_base;
        met.fingerprint += reasons.fingerprint;
        met.unknown_transaction += reasons.unknown_transaction;
        met.bad_integrity += reasons.bad_integrity;
        met.unauthenticated += reasons.unauthenticated;
        met.indication += reasons.indication;
        met.unverified += reasons.unverified;
        met.closed += reasons.closed;
    }
    let reasons = [met.unknown_base, met.fingerprint, met.unknown_transaction, met.bad_integrity];
    assert!(reasons.iter().all(|count| *count > 10), "{met:?}");
    let reasons = [met.unauthenticated, met.indication, met.unverified, met.closed];
    assert!(reasons.iter().all(|count| *count > 10), "{met:?}");
}

/// Does all of it, then waits for the end.
fn play(role: Role, ops: &[Op]) {
    play_as(Setting { role, manual: false, relay_only: false, mobile: false }, ops);
}

fn play_as(setting: Setting, ops: &[Op]) {
    let mut model = Model::new(setting);
    for op in ops {
        model.apply(*op);
    }
    model.finish();
}

#[test]
fn a_nomination_whose_pair_is_removed_gives_way_to_the_next_one() {
    use Op::{AddBase, AddRemote, Answer, Check, OddTimeout, Pass, RemoveRemote, SetRemote};
    play(
        Role::Controlling,
        &[
            SetRemote(0, false),
            AddRemote(0, 0, 0),
            AddBase(0, 0, 0),
            OddTimeout(0),
            Answer(0, 4),
            Pass(300),
            Check(0, 1, 16),
            Pass(512),
            Answer(1, 4),
            RemoveRemote(0, 0),
        ],
    );
}

#[test]
fn a_valid_pair_goes_with_the_base_that_its_check_left_by() {
    use Op::{AddBase, AddRemote, AddServer, Answer, Check, OddTimeout, Pass, RemoveBase, SetRemote};
    // The second base is seen under the address that the server has shown to the first.
    play(
        Role::Controlled,
        &[
            AddServer(0),
            AddRemote(0, 0, 0),
            AddBase(0, 0, 0),
            OddTimeout(0),
            Answer(0, 1),
            AddBase(0, 0, 2),
            SetRemote(0, true),
            Pass(2_208),
            Check(1, 1, 124),
            OddTimeout(51),
            Answer(3, 1),
            Answer(2, 1),
            RemoveBase(1),
        ],
    );
}

/// The pair that is kept, and was nominated, goes with its consent; the next nomination has its slot at once.
#[test]
fn a_nominated_pair_that_is_lost_leaves_nothing_for_the_same_instant() {
    use Op::{AddBase, AddRemote, Answer, EndOfBases, Pass, SetRemote};
    play_as(
        Setting { role: Role::Controlling, manual: false, relay_only: false, mobile: true },
        &[
            AddRemote(0, 0, 224),
            Pass(384),
            AddBase(0, 54, 25),
            SetRemote(0, true),
            Pass(135),
            AddRemote(0, 96, 75),
            Answer(0, 164),
            EndOfBases(0),
            AddBase(0, 42, 171),
            Pass(1100),
            Pass(2503),
            Answer(31, 163),
        ],
    );
}

#[test]
fn a_check_from_nowhere_or_from_ourselves_is_not_answered() {
    use Op::{AddBase, Check, SetRemote};
    for from in [4, 5, 6] {
        play(Role::Controlled, &[AddBase(0, 0, 0), SetRemote(0, false), Check(0, from, 1)]);
    }
}

/// RFC 8445 section 7.3: who is called, and the signature, decide whether a check is answered. What stands behind the
/// colon need not even be text.
#[test]
fn a_signed_check_is_authentic_whatever_bytes_its_sender_calls_itself() {
    agent_authed::run(&[0, 114, 90, 191, 34, 191, 168]);
}

/// Found by the fuzzer: one bit has made an answer that carries a tag of each kind, of which the other one counts.
///
/// Proves: rfc8489-9.1.4-1
#[test]
fn an_answer_that_is_sealed_in_another_way_than_its_check_is_a_forgery() {
    agent_authed::run(&[0, 44, 0, 16, 1, 1, 17, 1, 172, 240, 152, 240, 48, 37, 241, 60, 165, 60, 255]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn no_script_of_bytes_changes_anything(script in prop::collection::vec(any::<u8>(), 0..400)) {
        agent_bytes::run(&script);
    }

    #[test]
    fn a_datagram_without_credentials_changes_nothing(
        phase in phase(),
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let mut subject = Subject::in_phase(phase);
        for step in &steps {
            subject.take(step);
        }
    }

    /// Proves: rfc8445-6.1.4.2-5, rfc8445-6.1.4.2-6
    /// Lesson: L-21, L-43, R-27, R-28, R-34, R-36, R-37
    #[test]
    fn no_order_of_calls_breaks_an_agent(
        setting in setting(),
        ops in prop::collection::vec(op(), 1..120),
    ) {
        let mut model = Model::new(setting);
        for op in ops {
            model.apply(op);
        }
        model.finish();
    }

    #[test]
    fn a_peer_with_the_right_password_may_say_anything(script in prop::collection::vec(any::<u8>(), 1..400)) {
        agent_authed::run(&script);
    }
}
