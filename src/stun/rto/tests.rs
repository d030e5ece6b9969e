use super::*;
use alloc::vec;

/// The instants of all transmissions, and of failure, in milliseconds.
fn schedule(rto: Rto) -> Vec<u128> {
    let mut at = vec![0];
    (1..=rto.rc()).for_each(|n| at.push(at[at.len() - 1] + rto.wait_after(n).as_millis()));
    at
}

/// Proves: rfc8489-6.2.1-1, rfc8489-6.2.1-2, rfc8489-6.2.1-4
#[test]
fn the_default_schedule_is_that_of_the_rfc() {
    assert_eq!(schedule(Rto::default()), [0, 500, 1500, 3500, 7500, 15500, 31500, 39500]);
    assert_eq!(Rto::default().total(), Duration::from_millis(39_500));
}

#[test]
fn the_schedule_follows_its_parameters() {
    let [two, three] = [2, 3].map(|n| NonZeroU8::new(n).unwrap());
    let rto = Rto::new(Duration::from_millis(100)).with_rc(three).with_rm(two);
    assert_eq!(schedule(rto), [0, 100, 300, 500]);
    assert_eq!(rto.total(), Duration::from_millis(500));
    assert_eq!(rto.with_rc(NonZeroU8::MIN).total(), Duration::from_millis(200));
    assert_eq!(schedule(rto.with_rc(NonZeroU8::MIN)), [0, 200]);
}

#[test]
fn what_is_left_of_a_schedule_is_the_sum_of_its_waits() {
    for [rc, rm] in [[1, 1], [1, 16], [2, 1], [7, 16], [12, 255]] {
        let [rc, rm] = [rc, rm].map(|n| NonZeroU8::new(n).unwrap());
        let rto = Rto::new(Duration::from_millis(3)).with_rc(rc).with_rm(rm);
        for transmission in 1..=rc.get() {
            let sum: Duration = (transmission..=rc.get()).map(|n| rto.wait_after(n)).sum();
            assert_eq!(rto.rest_from(transmission), sum, "{rto:?} from {transmission}");
        }
    }
}

#[test]
fn no_parameter_makes_a_wait_of_nothing_or_overflows() {
    assert_eq!(Rto::new(Duration::ZERO).initial(), SHORTEST);
    assert_eq!(Rto::default().with_ti(Duration::ZERO).ti(), SHORTEST);
    let longest = Rto::new(Duration::MAX).with_rc(NonZeroU8::MAX).with_rm(NonZeroU8::MAX);
    assert_eq!(longest.total(), Duration::MAX);
}

#[test]
fn the_estimate_follows_rfc_6298() {
    let ms = Duration::from_millis;
    let first = RttEstimate::new(ms(800));
    assert_eq!(first.rto(), ms(800 + 4 * 400));
    let second = first.updated(ms(1600));
    assert_eq!(second.smoothed(), ms(900));
    assert_eq!(second.rto(), ms(900 + 4 * 500));
    assert_eq!(RttEstimate::new(ms(3)).rto(), ms(500));
    assert_eq!(RttEstimate::new(Duration::MAX).rto(), LONGEST);
}

/// Proves: rfc8489-6.2.1-5, rfc8489-6.2.1-6
#[test]
fn an_estimate_is_used_for_ten_minutes_after_the_last_transaction() {
    let server = IpAddr::from([192, 0, 2, 1]);
    let other = IpAddr::from([192, 0, 2, 2]);
    let at = |seconds| Timestamp::ZERO + Duration::from_secs(seconds);
    let mut cache = RttCache::default();
    assert_eq!(cache.rto(at(0), server), Rto::default());

    cache.finished(at(1), server, Some(Duration::from_secs(1)));
    let learnt = Rto::new(Duration::from_secs(3));
    assert_eq!(cache.rto(at(2), server), learnt);
    assert_eq!(cache.rto(at(2), other), Rto::default());
    cache.finished(at(3), server, None); // answered after a retransmission: nothing learnt
    assert_eq!(cache.rto(at(602), server), learnt);
    assert_eq!(cache.rto(at(602 + 599), server), learnt);
    assert_eq!(cache.rto(at(602 + 599 + 600), server), Rto::default());
}

#[test]
fn the_cache_forgets_the_server_unused_for_longest() {
    let server = |n| IpAddr::from([192, 0, 2, n]);
    let mut cache = RttCache::default();
    for n in 0..=16 {
        cache.finished(Timestamp::from_millis(u64::from(n)), server(n), Some(Duration::from_secs(1)));
    }
    let now = Timestamp::from_millis(20);
    assert_eq!(cache.rto(now, server(0)), Rto::default());
    assert_ne!(cache.rto(now, server(1)), Rto::default());
    assert_ne!(cache.rto(now, server(16)), Rto::default());
}
