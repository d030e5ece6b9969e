use proptest::prelude::*;

use super::*;
use crate::ice::StreamId;

fn choice() -> impl Strategy<Value = Choice> {
    let kind = prop::sample::select(&[CandidateKind::Host, CandidateKind::Relayed][..]);
    // Few values, so that pairs are alike in some and differ in others.
    let rtt = prop::option::of(0..60_u64).prop_map(|rtt| rtt.map(|rtt| Duration::from_millis(3 * rtt)));
    (kind, prop::sample::select(&[0_u32, 10, 900][..]), rtt).prop_map(|(local, cost, rtt)| Choice {
        id: PairId::from_raw(0),
        component: StreamId::from_raw(0).component(1),
        path: Path::udp(([192, 0, 2, 1], 1).into(), ([192, 0, 2, 2], 1).into()),
        local,
        remote: CandidateKind::Host,
        priority: PairPriority::of(crate::ice::Priority::MIN, crate::ice::Priority::MIN),
        cost,
        rtt,
        health: Health::Sound,
    })
}

proptest! {
    /// Of two pairs that work, at most one is an improvement on the other; and whoever follows every improvement that is offered
    /// comes to rest, never where he has been before.
    ///
    /// Lesson: L-07, L-19
    #[test]
    fn no_sequence_of_improvements_leads_back(
        mut pairs in prop::collection::vec(choice(), 2..8),
        start: prop::sample::Index,
    ) {
        for (n, pair) in (0..).zip(&mut pairs) {
            pair.id = PairId::from_raw(n);
        }
        let better = |selected: &Choice, among: &[Choice]| {
            let at = |n: usize| Some(Some(*among.get(n)?).filter(|other| other.id != selected.id));
            improvement(selected, Choices::new(&at))
        };
        for (one, other) in pairs.iter().flat_map(|one| pairs.iter().map(move |other| (one, other))) {
            let both = [(one, other), (other, one)].map(|(from, to)| better(from, core::slice::from_ref(to)).is_some());
            prop_assert!(both != [true, true], "{one:?} {other:?}");
        }
        let mut selected = pairs[start.index(pairs.len())];
        let mut been = alloc::vec![selected.id];
        while let Some(next) = better(&selected, &pairs) {
            prop_assert!(!been.contains(&next), "{pairs:?}");
            been.push(next);
            selected = *pairs.iter().find(|pair| pair.id == next).unwrap();
        }
    }
}
