use super::*;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn renewal_after(asked_at: u64, answered_at: u64, lifetime: u64) -> Duration {
    let at = |seconds| Timestamp::ZERO + secs(seconds);
    let lease = Lease::granted(at(answered_at), at(asked_at), secs(lifetime));
    assert!(lease.is_live(at(answered_at + lifetime) + Duration::ZERO) == (lifetime == u64::MAX));
    let Renewal::At(at) = lease.renewal else { panic!("{lease:?}") };
    at.since_epoch()
}

#[test]
fn a_lease_is_renewed_a_minute_ahead_of_the_earliest_end() {
    // Asked at 10 s, answered after retransmissions at 40 s.
    assert_eq!(renewal_after(10, 40, 600), secs(550));
    assert_eq!(renewal_after(10, 40, 120), secs(70));
    // The answer took so long that half of the time would be over: at a quarter from now on.
    assert_eq!(renewal_after(10, 40, 40), secs(50));
    assert_eq!(renewal_after(0, 0, 1), Duration::from_millis(500));
}

#[test]
fn a_lease_is_due_once_and_then_under_way() {
    let mut lease = Lease::granted(Timestamp::ZERO, Timestamp::ZERO, secs(600));
    let mut seen = alloc::vec::Vec::new();
    for at in [539, 540, 541] {
        lease.handle_timeout(Timestamp::ZERO + secs(at));
        seen.push((lease.is_due(), lease.is_under_way()));
        if lease.is_due() {
            lease.asked();
        }
    }
    assert_eq!(seen, [(false, false), (true, false), (false, true)]);
    lease.requeue();
    assert!(lease.is_due());
    lease.abandon();
    lease.requeue();
    assert!(!lease.is_kept() && !lease.is_due());
    lease.keep();
    assert!(lease.is_due());
}
