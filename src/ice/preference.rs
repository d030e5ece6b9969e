//! The local preferences of bases: IPv6 first, the families interleaved, costly networks last (RFC 8421).

use core::net::IpAddr;

/// The local preference of a base that joins others of its component: distinct from theirs, which stay as they are;
/// `None` if there is no place left.
///
/// RFC 8421 computes the head start of IPv6 from the numbers of all addresses. Bases come one at a time and keep the
/// preference that was signalled, so the places are fixed instead: of five in a row four are for IPv6 and the last is for
/// IPv4, and a base takes the first that is free for its family.
///
/// ```text
/// place    0 1 2 3 4 5 6 7 8 9 ..
/// family   6 6 6 6 4 6 6 6 6 4 ..
/// ```
///
/// So a host with six IPv6 addresses and two of IPv4 has `6666 4 66 4`, as the RFC has it, and where there are fewer of
/// IPv6 the order is that of the families. It is the same in whatever order bases come, but for one case: a base that is
/// alone takes the top, for it may remain the only one (rfc8445-5.1.2.1-4). Where IPv4 comes first, IPv6 is second.
///
/// Bases with a cost have places below all that have none, the costly below the cheap (rfc8421-3-2); costs of the same
/// magnitude, within a factor of four, are alike.
pub(crate) fn local_preference(ip: IpAddr, cost: u16, taken: &[u16]) -> Option<u16> {
    let mut is_taken = [false; PLACES as usize];
    for preference in taken {
        if let Some(place) = is_taken.get_mut(usize::from((u16::MAX - preference) / STEP)) {
            *place = true;
        }
    }
    let is_free = |place: &u16| is_taken.get(usize::from(*place)) == Some(&false);
    if taken.is_empty() && cost == 0 {
        return Some(preference(0));
    }
    let first = tier(cost) * PLACES_PER_TIER;
    let of_family = (first..first + PLACES_PER_TIER).filter(|place| is_ipv4_place(*place) == ip.is_ipv4());
    // Where a tier is full, what is left below it is better than nothing.
    let any = first..PLACES;
    of_family.chain(any).find(is_free).map(preference)
}

/// Which row of places a cost belongs to: 0 for none, 1 to 7 for costs from 1, 4, 16, 64, 256, 1024 and 4096 on.
fn tier(cost: u16) -> u16 {
    let magnitude = (u16::BITS - cost.leading_zeros()).div_ceil(2);
    u16::try_from(magnitude).unwrap_or(u16::MAX).min(7)
}

const fn is_ipv4_place(place: u16) -> bool {
    (place % PLACES_PER_TIER) % (HEAD_START + 1) == HEAD_START
}

const fn preference(place: u16) -> u16 {
    u16::MAX - place * STEP
}

/// Between two bases: room for one reflexive candidate of every server.
const STEP: u16 = 64;

/// How many IPv6 bases go before one of IPv4 (Hi of RFC 8421 section 4), which bounds what a broken IPv6 costs.
const HEAD_START: u16 = 4;

const PLACES: u16 = 1024;
const PLACES_PER_TIER: u16 = PLACES / 8;

#[cfg(test)]
mod tests;
