//! Policies that mean ill: whatever they answer, the protocol holds.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use floe::ice::{Choice, Choices, PairId, Policy, Prospects, Role, Verdict};
use floe::{Config, Path, Profile, StreamState};

use crate::Call;
use crate::harness::{Bench, at, ms, typed};

/// Names pairs that are not there.
#[derive(Debug)]
struct Liar;

impl Policy for Liar {
    fn check(&self, _: Choices<'_>) -> Option<PairId> {
        Some(PairId::from_raw(u32::MAX))
    }

    fn nominate(&self, _: &Prospects<'_>) -> Verdict {
        Verdict::Nominate(PairId::from_raw(u32::MAX))
    }

    fn successor(&self, _: &Choice, _: Choices<'_>) -> Option<PairId> {
        Some(PairId::from_raw(u32::MAX))
    }

    fn consent_interval(&self, _: &Choice) -> Duration {
        Duration::ZERO
    }
}

/// Wants the worst, wants to be elsewhere, and never asks the peer.
#[derive(Debug)]
struct Restless;

impl Policy for Restless {
    fn check(&self, waiting: Choices<'_>) -> Option<PairId> {
        waiting.iter().last().map(|pair| pair.id)
    }

    fn nominate(&self, prospects: &Prospects<'_>) -> Verdict {
        Verdict::Nominate(prospects.valid.iter().last().unwrap().id)
    }

    fn successor(&self, _: &Choice, others: Choices<'_>) -> Option<PairId> {
        others.iter().last().map(|pair| pair.id)
    }

    fn consent_interval(&self, _: &Choice) -> Duration {
        Duration::MAX
    }
}

/// Never makes up its mind.
#[derive(Debug)]
struct Waverer(Duration);

impl Policy for Waverer {
    fn nominate(&self, _: &Prospects<'_>) -> Verdict {
        Verdict::Wait(self.0)
    }
}

/// Answers otherwise each time.
#[derive(Debug, Default)]
struct Moody(AtomicU32);

impl Moody {
    fn mood(&self) -> u32 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(2_654_435_761) >> 16
    }

    fn any(&self, choices: Choices<'_>) -> Option<PairId> {
        let count = u32::try_from(choices.iter().count()).unwrap();
        choices.iter().nth(usize::try_from(self.mood() % (count + 1)).unwrap()).map(|pair| pair.id)
    }
}

impl Policy for Moody {
    fn check(&self, waiting: Choices<'_>) -> Option<PairId> {
        self.any(waiting)
    }

    fn nominate(&self, prospects: &Prospects<'_>) -> Verdict {
        match self.any(prospects.valid) {
            Some(pair) => Verdict::Nominate(pair),
            None => Verdict::Wait(Duration::from_nanos(1)),
        }
    }

    fn accepts_nomination(&self, _: Path) -> bool {
        !self.mood().is_multiple_of(8)
    }

    fn successor(&self, _: &Choice, others: Choices<'_>) -> Option<PairId> {
        self.any(others)
    }

    fn keeps(&self, _: &Choice) -> bool {
        !self.mood().is_multiple_of(8)
    }

    fn consent_interval(&self, _: &Choice) -> Duration {
        Duration::from_secs(self.mood().into())
    }
}

fn policies() -> [Arc<dyn Policy>; 4] {
    [Arc::new(Liar), Arc::new(Restless), Arc::new(Waverer(Duration::MAX)), Arc::new(Moody::default())]
}

/// Two minutes with three interfaces, as little dampening as there can be, and moves whenever another pair has answered where
/// the policy is restless.
#[test]
fn sessions_complete_agree_and_move_ten_times_a_second_at_most_whatever_the_policy_says() {
    for (seed, policy) in (1..5).flat_map(|seed| policies().map(|policy| (seed, policy))) {
        let config = || {
            let mobile = Config::new().profile(Profile::Mobile).dampening(Duration::ZERO);
            mobile.policy(Arc::clone(&policy))
        };
        let interfaces = [(10, ms(10)), (900, ms(30)), (0, ms(50))];
        let mut call = Call::new(seed, &config(), &interfaces);
        call.call();
        let mut broken = Duration::ZERO;
        for _ in 0..1_200 {
            call.world.run_for(ms(100));
            let routes = call.ids.map(|id| {
                let peer = call.world.node(id);
                peer.agent().route(peer.stream().component(1)).is_some()
            });
            broken += if routes == [true; 2] { Duration::ZERO } else { ms(100) };
        }
        assert!(broken <= ms(500), "{policy:?}: without a route for {broken:?}");
        let selections = call.selections();
        assert!(selections.windows(2).all(|two| two[1].saturating_since(two[0]) >= ms(100)), "{policy:?}");
        assert!(selections.len() <= 40, "{policy:?} moved {} times in two minutes", selections.len());
        let is_restless = format!("{policy:?}") == "Restless";
        assert!(!is_restless || selections.len() >= 5, "{}", selections.len());
        assert!(call.states().iter().all(|state| *state == StreamState::Completed), "{policy:?}");
        for id in call.ids {
            let requests = call.requests(id, floe::Timestamp::ZERO).len();
            assert!(requests <= 400, "{policy:?}: {requests} requests");
        }
        call.assert_data_flows();
    }
}

/// Proves: rfc8445-8.1.1-6
#[test]
fn a_policy_that_never_nominates_is_overruled_after_five_seconds() {
    for wait in [Duration::MAX, Duration::from_secs(1), Duration::from_nanos(1), Duration::ZERO] {
        let config = Config::new().consent(false).policy(Arc::new(Waverer(wait)));
        let mut bench = Bench::with(config, Role::Controlling);
        bench.end_of_candidates();
        bench.run_answering(at(10_000), |_| Some(ms(20)));
        let nominating = bench.checks().into_iter().find(|check| check.use_candidate).unwrap();
        let expected = if wait.is_zero() { at(50) } else { at(5_020) };
        assert_eq!(nominating.at, expected, "waiting {wait:?}");
    }
}

/// Sends, in every slot, the check that the policy wants, if it may have it.
#[test]
fn the_order_of_ordinary_checks_is_up_to_the_policy_and_no_slot_is_lost() {
    let order = |policy: Arc<dyn Policy>| {
        let mut bench = Bench::bare(Config::new().policy(policy), Role::Controlling);
        bench.base("192.0.2.1:1000");
        bench.remote();
        for n in 1..=4_u32 {
            bench.trickle(typed(&n.to_string(), "host", 2_000_000_000 - n, &format!("198.51.100.{n}:2000")));
        }
        bench.run_for(ms(300));
        let checks = bench.checks();
        assert_eq!(checks.iter().map(|check| check.at).collect::<Vec<_>>(), [0, 50, 100, 150].map(at));
        checks
            .iter()
            .map(|check| check.path.remote().to_string()[11..12].parse().unwrap())
            .collect::<Vec<u32>>()
    };
    assert_eq!(order(Arc::new(Profile::Webrtc)), [1, 2, 3, 4]);
    assert_eq!(order(Arc::new(Liar)), [1, 2, 3, 4]);
    assert_eq!(order(Arc::new(Restless)), [4, 3, 2, 1]);
}
