use super::*;
use alloc::format;
use alloc::string::String;

/// Every state by every event. A changed edge shows as a changed line.
///
/// Proves: rfc8445-6.1.2.6-3, rfc8445-7.3.1.4-2
#[test]
fn the_transition_grid() {
    let (ours, other) = (TransactionId::from([1; 12]), TransactionId::from([2; 12]));
    let states = [
        PairState::Frozen,
        PairState::Waiting,
        PairState::InProgress(ours),
        PairState::Succeeded,
        PairState::Failed,
    ];
    let events = [
        PairEvent::Unfreeze,
        PairEvent::Trigger,
        PairEvent::Send(ours),
        PairEvent::Succeed,
        PairEvent::Fail(ours),
        PairEvent::Fail(other),
        PairEvent::NominationFailed,
        PairEvent::RoleRefused,
    ];
    let grid: String = states
        .iter()
        .map(|state| {
            let row: String =
                events.iter().map(|event| format!(" {:10}", name(state.after(*event)))).collect();
            format!("{:10} |{}\n", name(Some(*state)), row.trim_end())
        })
        .collect();
    let expected = "\
Frozen     | Waiting    Waiting    -          Succeeded  -          -          -          Waiting
Waiting    | -          Waiting    InProgress Succeeded  -          -          -          Waiting
InProgress | -          Waiting    -          Succeeded  Failed     -          -          Waiting
Succeeded  | -          -          -          Succeeded  -          -          Failed     Waiting
Failed     | -          Waiting    -          Succeeded  -          -          -          Waiting
";
    assert_eq!(grid, expected, "\n{grid}");
}

fn name(state: Option<PairState>) -> &'static str {
    match state {
        None => "-",
        Some(PairState::Frozen) => "Frozen",
        Some(PairState::Waiting) => "Waiting",
        Some(PairState::InProgress(_)) => "InProgress",
        Some(PairState::Succeeded) => "Succeeded",
        Some(PairState::Failed) => "Failed",
    }
}
