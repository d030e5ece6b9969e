use super::*;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

/// Adds bases of the families named by `order`, one at a time.
fn add(order: &str) -> Vec<(char, u16)> {
    let mut placed: Vec<(char, u16)> = Vec::new();
    for family in order.chars() {
        let taken = placed.iter().map(|(_, preference)| *preference);
        let ip = if family == '4' { V4 } else { V6 };
        let preference = local_preference(ip, 0, taken).unwrap();
        placed.push((family, preference));
    }
    placed
}

/// The families by falling preference.
fn ranked(order: &str) -> String {
    let mut placed = add(order);
    placed.sort_by_key(|(_, preference)| core::cmp::Reverse(*preference));
    placed.into_iter().map(|(family, _)| family).collect()
}

/// Proves: rfc8421-4-1, rfc8421-4-2
#[test]
fn an_ipv4_base_follows_every_four_of_ipv6_in_whatever_order_they_come() {
    for order in ["66666644", "64666646", "64466666", "66644666"] {
        assert_eq!(ranked(order), "66664664", "{order}");
    }
    assert_eq!(["64", "664", "6464", "6666666644"].map(ranked), ["64", "664", "6644", "6666466664"]);
}

/// Proves: rfc8421-4-3
#[test]
fn bases_of_one_family_have_falling_preferences_from_the_top() {
    for order in ["66666", "44444"] {
        let preferences: Vec<u16> = add(order).into_iter().map(|(_, preference)| preference).collect();
        assert_eq!(preferences.first(), Some(&65535), "{order}");
        assert!(preferences.is_sorted_by(|higher, lower| higher > lower), "{order}: {preferences:?}");
    }
}

#[test]
fn ipv6_is_second_where_ipv4_came_first_and_was_alone() {
    assert_eq!(ranked("4666666"), "4666666");
    assert_eq!(ranked("46666664"), "46664666");
}

/// Proves: rfc8421-3-1, rfc8421-3-2
#[test]
fn costly_bases_come_last_and_the_costliest_at_the_end() {
    let mut placed: Vec<(u16, u16)> = Vec::new();
    for cost in [900, 0, 50, 10, 0, 1, 900, u16::MAX, 250] {
        let taken = placed.iter().map(|(_, preference)| *preference);
        let preference = local_preference(V4, cost, taken).unwrap();
        placed.push((cost, preference));
    }
    placed.sort_by_key(|(_, preference)| core::cmp::Reverse(*preference));
    let costs: Vec<u16> = placed.into_iter().map(|(cost, _)| cost).collect();
    assert_eq!(costs, [0, 0, 1, 10, 50, 250, 900, 900, u16::MAX]);
}

#[test]
fn a_place_that_was_left_is_taken_again() {
    let mut taken: Vec<u16> = add("6644").into_iter().map(|(_, preference)| preference).collect();
    let left = taken.remove(1);
    assert_eq!(local_preference(V6, 0, taken.into_iter()), Some(left));
}

proptest! {
    /// Proves: rfc8421-5-1, rfc8421-5-3
    #[test]
    fn no_two_bases_share_a_preference_and_between_two_there_is_room(
        bases in proptest::collection::vec((any::<bool>(), prop_oneof![Just(0), any::<u16>()]), 0..100)
    ) {
        let mut taken: Vec<u16> = Vec::new();
        for (v4, cost) in bases {
            let ip = if v4 { V4 } else { V6 };
            let Some(preference) = local_preference(ip, cost, taken.iter().copied()) else { continue };
            prop_assert!(preference >= STEP - 1);
            prop_assert!(taken.iter().all(|other| other.abs_diff(preference) >= STEP));
            taken.push(preference);
        }
    }
}
