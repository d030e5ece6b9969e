use super::*;
use crate::ice::Role;
use alloc::vec::Vec;
use proptest::prelude::*;

const KINDS: [CandidateKind; 4] = [
    CandidateKind::Host,
    CandidateKind::PeerReflexive,
    CandidateKind::ServerReflexive,
    CandidateKind::Relayed,
];

fn any_priority() -> impl Strategy<Value = Priority> {
    // Small values meet often, so that equal priorities are seen.
    prop_oneof![1..=4_u32, 1..=Priority::MAX.get(), Priority::MAX.get() - 3..=Priority::MAX.get()]
        .prop_map(|raw| Priority::new(raw).unwrap())
}

/// Proves: rfc8445-5.1.2-3, rfc8445-5.1.2.2-1
#[test]
fn the_only_address_has_the_recommended_priorities() {
    let preferences = TypePreferences::default();
    let table = KINDS.map(|kind| (preferences.of(kind), Priority::of(preferences.of(kind), 65535, 1).get()));
    assert_eq!(table, [(126, 2130706431), (110, 1862270975), (100, 1694498815), (0, 16777215)]);
}

/// Proves: rfc8445-5.1.2-4
#[test]
fn the_lowest_corner_of_the_formula_is_raised_to_one() {
    assert_eq!(Priority::of(0, 0, 256), Priority::MIN);
    assert_eq!(Priority::of(0, 0, 255).get(), 1);
    assert_eq!(Priority::of(0, 1, 256).get(), 256);
}

/// Proves: rfc8445-5.1.2-2
/// Lesson: L-67
#[test]
fn a_peer_may_signal_any_priority() {
    let table = [0, 1, 2147483647, 2147483648, 4294967295].map(|raw| Priority::clamped(raw).get());
    assert_eq!(table, [1, 1, 2147483647, 2147483647, 2147483647]);
    assert_eq!([0, 1 << 31].map(Priority::new), [None, None]);
}

/// Proves: rfc8445-5.1.2.1-2
#[test]
fn type_preferences_are_distinct_and_rank_peer_reflexive_first() {
    let refused = [
        ((127, 110, 100, 0), TypePreferencesError::TooLarge),
        ((126, 110, 100, 255), TypePreferencesError::TooLarge),
        ((126, 100, 100, 0), TypePreferencesError::PeerReflexive),
        ((126, 99, 100, 0), TypePreferencesError::PeerReflexive),
        ((110, 110, 100, 0), TypePreferencesError::Equal),
        ((100, 110, 100, 0), TypePreferencesError::Equal),
        ((126, 110, 100, 126), TypePreferencesError::Equal),
        ((126, 110, 100, 110), TypePreferencesError::Equal),
        ((126, 110, 100, 100), TypePreferencesError::Equal),
    ];
    for ((host, prflx, srflx, relay), error) in refused {
        let result = TypePreferences::new(host, prflx, srflx, relay);
        assert_eq!(result, Err(error), "{host} {prflx} {srflx} {relay}");
    }
    // A service that would rather relay.
    let relay_first = TypePreferences::new(1, 3, 2, 126).unwrap();
    assert_eq!(KINDS.map(|kind| relay_first.of(kind)), [1, 3, 2, 126]);
    assert_eq!(TypePreferences::new(126, 110, 100, 0), Ok(TypePreferences::default()));
}

/// Proves: rfc6544-4.2-2, rfc6544-4.2-3
#[test]
fn the_direction_of_a_tcp_candidate_outweighs_its_address() {
    let types = [TcpType::Active, TcpType::Passive, TcpType::SimultaneousOpen];
    let table = KINDS.map(|kind| types.map(|tcp_type| tcp_type.local_preference(kind, 8191) >> 13));
    assert_eq!(table, [[6, 4, 2], [4, 2, 6], [4, 2, 6], [6, 4, 2]]);
    assert_eq!(TcpType::Active.local_preference(CandidateKind::Host, 5), 6 * 8192 + 5);
    assert_eq!(TcpType::Active.local_preference(CandidateKind::Host, u16::MAX), 6 * 8192 + 8191);
}

/// Proves: rfc8445-6.1.2.3-1
#[test]
fn the_pair_of_a_controlling_host_and_a_server_reflexive_candidate() {
    let (host, reflexive) = (Priority::of(126, 65535, 1), Priority::of(100, 65535, 1));
    assert_eq!(PairPriority::of(host, reflexive).get(), 7277816997797167103);
    assert_eq!(PairPriority::of(reflexive, host).get(), 7277816997797167102);
    assert_eq!(PairPriority::of(Priority::MAX, Priority::MAX).get(), (0x7fff_ffff << 32) + 0xffff_fffe);
}

proptest! {
    /// Proves: rfc8445-5.1.2.1-1
    #[test]
    fn priorities_follow_the_formula(kind in 0..=126_u8, local in any::<u16>(), component in 1..=256_u16) {
        let formula = (1_u64 << 24) * u64::from(kind) + (1 << 8) * u64::from(local) + (256 - u64::from(component));
        let priority = Priority::of(kind, local, component);
        prop_assert_eq!(u64::from(priority.get()), formula.max(1));
        prop_assert_eq!(Priority::new(priority.get()), Some(priority));
        prop_assert_eq!(priority.type_preference(), kind);
        prop_assert_eq!(priority.local_preference(), local);
    }

    #[test]
    fn priorities_are_legal_whatever_is_asked_for(kind: u8, local: u16, component: u16) {
        let priority = Priority::of(kind, local, component);
        prop_assert!(Priority::MIN <= priority && priority <= Priority::MAX);
    }

    #[test]
    fn distinct_local_preferences_are_all_it_takes_for_distinct_priorities(locals in prop::collection::btree_set(1_u16.., 1..9)) {
        let preferences = TypePreferences::default();
        let mut all = Vec::new();
        for kind in KINDS {
            for local in &locals {
                all.extend((1..=256).map(|component| Priority::of(preferences.of(kind), *local, component)));
            }
        }
        let count = all.len();
        all.sort();
        all.dedup();
        prop_assert_eq!(all.len(), count);
    }

    /// Lesson: L-10
    #[test]
    fn what_a_direct_base_shows_the_peer_outranks_every_relay(
        direct: (u16, u8), relayed: (u16, u8),
    ) {
        let preferences = TypePreferences::default();
        let of = |kind, (local, component): (u16, u8)| {
            Priority::of(preferences.of(kind), local, u16::from(component) + 1)
        };
        let relayed = of(CandidateKind::Relayed, relayed);
        for kind in [CandidateKind::Host, CandidateKind::PeerReflexive, CandidateKind::ServerReflexive] {
            prop_assert!(of(kind, direct) > relayed);
        }
    }

    /// Proves: rfc8445-6.1.2.3-1
    #[test]
    fn pair_priorities_follow_the_formula(g in any_priority(), d in any_priority()) {
        let (wide_g, wide_d) = (u128::from(g.get()), u128::from(d.get()));
        let formula = (1 << 32) * wide_g.min(wide_d) + 2 * wide_g.max(wide_d) + u128::from(wide_g > wide_d);
        prop_assert_eq!(u128::from(PairPriority::of(g, d).get()), formula);
    }

    /// Proves: rfc8445-6.1.2.3-2
    #[test]
    fn both_agents_compute_one_pair_priority(ours in any_priority(), theirs in any_priority()) {
        for role in [Role::Controlling, Role::Controlled] {
            prop_assert_eq!(role.pair_priority(ours, theirs), role.other().pair_priority(theirs, ours));
        }
    }

    #[test]
    fn a_pair_priority_says_what_it_was_made_of(ours in any_priority(), theirs in any_priority(), other in any_priority()) {
        prop_assert_eq!(PairPriority::of(ours, theirs).candidates(), (ours, theirs));
        for role in [Role::Controlling, Role::Controlled] {
            let pair = role.pair_priority(ours, theirs);
            prop_assert_eq!(pair.in_exchanged_roles(), role.other().pair_priority(ours, theirs));
            prop_assert_eq!(role.with_remote(pair, other), role.pair_priority(ours, other));
        }
    }

    /// Proves: rfc8445-6.1.2.3-1
    /// Lesson: L-19
    #[test]
    fn pairs_are_ordered_totally(a in any_priority(), b in any_priority(), c in any_priority(), d in any_priority()) {
        let (one, two) = (PairPriority::of(a, b), PairPriority::of(c, d));
        prop_assert_eq!(one == two, (a, b) == (c, d), "only the same candidates tie");
        prop_assert_eq!(one.cmp(&two), two.cmp(&one).reverse());
        prop_assert_eq!(one.cmp(&two), one.get().cmp(&two.get()));
        // The better of the worse candidates wins, whatever the others are.
        if a.min(b) > c.min(d) {
            prop_assert!(one > two);
        }
    }
}
