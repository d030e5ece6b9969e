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
pub(crate) fn local_preference(ip: IpAddr, cost: u16, taken: impl Iterator<Item = u16>) -> Option<u16> {
    let (mut free, mut is_alone) = ([u64::MAX; ROWS as usize], true);
    for place in taken.map(|preference| (u16::MAX - preference) / STEP) {
        is_alone = false;
        if let Some(row) = free.get_mut(usize::from(place / PLACES_PER_ROW)) {
            *row &= !(1 << (place % PLACES_PER_ROW));
        }
    }
    if is_alone && cost == 0 {
        return Some(preference(0));
    }
    let first_free = |row: u16, of: u64| {
        let free = free.get(usize::from(row))? & of;
        let place = u16::try_from(free.trailing_zeros()).ok().filter(|_| free != 0)?;
        Some(preference(row * PLACES_PER_ROW + place))
    };
    let first = tier(cost) * ROWS_PER_TIER;
    let of_family = (first..)
        .zip(IPV4_PLACES)
        .find_map(|(row, ipv4)| first_free(row, if ip.is_ipv4() { ipv4 } else { !ipv4 }));
    // Where a tier is full, what is left below it is better than nothing.
    of_family.or_else(|| (first..ROWS).find_map(|row| first_free(row, u64::MAX)))
}

/// Which row of places a cost belongs to: 0 for none, 1 to 7 for costs from 1, 4, 16, 64, 256, 1024 and 4096 on.
fn tier(cost: u16) -> u16 {
    let magnitude = (u16::BITS - cost.leading_zeros()).div_ceil(2);
    u16::try_from(magnitude).unwrap_or(u16::MAX).min(7)
}

const fn preference(place: u16) -> u16 {
    u16::MAX - place * STEP
}

/// Between two bases: room for one reflexive candidate of every server.
const STEP: u16 = 64;

/// How many IPv6 bases go before one of IPv4 (Hi of RFC 8421 section 4), which bounds what a broken IPv6 costs.
const HEAD_START: u16 = 4;

/// The places of a row are the bits of a number, the first the lowest.
const PLACES_PER_ROW: u16 = 64;
const ROWS_PER_TIER: u16 = 2;
const ROWS: u16 = 8 * ROWS_PER_TIER;

/// Which places of a tier are for IPv4.
const IPV4_PLACES: [u64; ROWS_PER_TIER as usize] = {
    let (mut places, mut place) = (0_u128, HEAD_START);
    while place < ROWS_PER_TIER * PLACES_PER_ROW {
        places |= 1 << place;
        place += HEAD_START + 1;
    }
    [places as u64, (places >> PLACES_PER_ROW) as u64]
};

#[cfg(test)]
mod tests;
