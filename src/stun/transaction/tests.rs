use super::*;
use alloc::vec;
use core::num::NonZeroU8;

const UDP: Transport = Transport::Udp;
const TCP: Transport = Transport::Tcp;

fn id(n: u8) -> TransactionId {
    TransactionId::from([n; 12])
}

fn path(transport: Transport) -> Path {
    Path::new(transport, "192.0.2.1:4000".parse().unwrap(), "198.51.100.1:3478".parse().unwrap())
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A table with transactions of these ids, owned by their number, begun at zero.
fn table(transport: Transport, ids: &[u8], rto: Rto) -> Transactions<u8> {
    let mut table = Transactions::new();
    for &n in ids {
        assert_eq!(table.start(at(0), id(n), path(transport), vec![n; 4].into(), rto, n), None);
    }
    table
}

/// Plays a punctual caller until nothing is left: what happened, and when in milliseconds.
fn play(table: &mut Transactions<u8>) -> Vec<(u128, Due<u8>)> {
    let mut log = Vec::new();
    while let Some(now) = table.deadline() {
        while let Some(due) = table.next_due(now) {
            log.push((now.since_epoch().as_millis(), due));
        }
    }
    log
}

fn times(log: &[(u128, Due<u8>)]) -> Vec<u128> {
    log.iter().map(|(at, _)| *at).collect()
}

/// Proves: rfc8489-6.2.1-1, rfc8489-6.2.1-3, rfc8489-6.2.1-4, rfc8489-5-8
#[test]
fn a_black_hole_gets_seven_equal_transmissions_and_fails_after_39500_ms() {
    let log = play(&mut table(UDP, &[1], Rto::default()));
    assert_eq!(times(&log), [500, 1500, 3500, 7500, 15500, 31500, 39500]);
    let (last, retransmissions) = log.split_last().unwrap();
    for (_, due) in retransmissions {
        let payload = Bytes::from(vec![1; 4]);
        assert_eq!(*due, Due::Retransmit { id: id(1), path: path(UDP), payload });
    }
    let expired =
        Due::Expired { id: id(1), path: path(UDP), owner: 1, reason: Failure::Timeout, silent: false };
    assert_eq!(last.1, expired);
}

/// Proves: rfc8489-6.2.1-2, rfc8489-6.2.1-3
#[test]
fn rto_rc_and_rm_can_be_set() {
    let rto = Rto::new(Duration::from_millis(601)).with_rc(NonZeroU8::new(3).unwrap());
    assert_eq!(times(&play(&mut table(UDP, &[1], rto))), [601, 1803, 1803 + 16 * 601]);
    let once = Rto::default().with_rc(NonZeroU8::MIN).with_rm(NonZeroU8::new(10).unwrap());
    assert_eq!(times(&play(&mut table(UDP, &[1], once))), [5000]);
}

/// Proves: rfc8489-6.2.2-1
#[test]
fn over_tcp_a_request_is_sent_once_and_fails_after_ti() {
    let log = play(&mut table(TCP, &[1], Rto::default()));
    assert_eq!(times(&log), [39500]);
    assert!(matches!(log[0].1, Due::Expired { reason: Failure::Timeout, .. }));
    let short = Rto::default().with_ti(Duration::from_secs(5));
    assert_eq!(times(&play(&mut table(TCP, &[1], short))), [5000]);
}

/// Proves: rfc8489-6.2.2-2, rfc8489-6.2.1-8
#[test]
fn a_path_that_fails_takes_its_transactions_with_it() {
    for transport in [UDP, TCP] {
        let mut table = table(transport, &[2, 1], Rto::default());
        let other =
            Path::new(transport, "192.0.2.1:4000".parse().unwrap(), "198.51.100.2:3478".parse().unwrap());
        table.start(at(0), id(3), other, Bytes::new(), Rto::default(), 3);
        assert_eq!(table.fail_path(path(transport)), [1, 2]);
        assert_eq!((table.len(), table.get(id(3)).is_some()), (1, true));
        assert!(table.deadline().is_some());
        assert_eq!(table.fail_path(other), [3]);
        assert_eq!(table.deadline(), None);
    }
}

/// Proves: rfc8489-6.2.1-10, rfc8489-6.2.1-9
#[test]
fn a_second_response_and_one_after_failure_find_nothing() {
    let mut table = table(UDP, &[1, 2], Rto::default());
    let finished = table.finish(at(30), id(1)).unwrap();
    assert_eq!((finished.owner, finished.path, finished.transmissions), (1, path(UDP), 1));
    assert_eq!(table.finish(at(30), id(1)), None);
    play(&mut table);
    assert_eq!(table.finish(at(39_501), id(2)), None);
    assert!(table.is_empty());
}

/// Proves: rfc8489-6.2.1-5
#[test]
fn a_round_trip_is_measured_unless_the_request_was_sent_twice() {
    let mut table = table(UDP, &[1, 2], Rto::default());
    assert_eq!(table.finish(at(120), id(1)).unwrap().rtt, Some(Duration::from_millis(120)));
    table.next_due(at(500));
    let late = table.finish(at(510), id(2)).unwrap();
    assert_eq!((late.rtt, late.transmissions), (None, 2));
}

/// Proves: rfc8489-6.2.2-5
#[test]
fn responses_may_come_in_any_order() {
    let mut table = table(TCP, &[1, 2, 3], Rto::default());
    let owners = [3, 1, 2].map(|n| table.finish(at(10), id(n)).unwrap().owner);
    assert_eq!(owners, [3, 1, 2]);
    assert_eq!(table.deadline(), None);
}

/// Proves: rfc8489-9.1.4-2
#[test]
fn forged_responses_over_udp_change_nothing_but_the_reason_of_failure() {
    let mut table = table(UDP, &[1], Rto::default());
    let mut log = Vec::new();
    while let Some(now) = table.deadline() {
        assert_eq!(table.note_forged(id(1)), None);
        assert_eq!(table.deadline(), Some(now));
        log.extend(table.next_due(now).map(|due| (now.since_epoch().as_millis(), due)));
    }
    assert_eq!(times(&log), [500, 1500, 3500, 7500, 15500, 31500, 39500]);
    assert!(matches!(log[6].1, Due::Expired { reason: Failure::IntegrityViolated, .. }));
}

/// Proves: rfc8489-9.1.4-2
#[test]
fn an_authentic_response_after_a_forged_one_is_still_accepted() {
    let mut table = table(UDP, &[1], Rto::default());
    assert_eq!(table.note_forged(id(1)), None);
    assert_eq!(table.finish(at(40), id(1)).unwrap().owner, 1);
}

/// Proves: rfc8489-9.1.4-3
#[test]
fn a_forged_response_over_tcp_ends_the_transaction() {
    let mut table = table(TCP, &[1], Rto::default());
    assert_eq!(table.note_forged(id(1)), Some(1));
    assert_eq!((table.len(), table.deadline()), (0, None));
}

/// Proves: rfc8489-6.2.1-9
#[test]
fn a_silent_transaction_sends_no_more_and_waits_for_its_regular_timeout() {
    for silent_from in [0, 500, 3499, 31_500, 39_499] {
        let mut table = table(UDP, &[1, 2], Rto::default());
        while table.deadline().is_some_and(|due| due <= at(silent_from)) {
            let due = table.deadline().unwrap();
            table.next_due(due);
        }
        table.silence(id(1));
        table.silence(id(1));
        assert!(table.get(id(1)).unwrap().is_silent());
        let log = play(&mut table);
        let mine: Vec<_> = log.iter().filter(|(_, due)| !matches!(due, Due::Retransmit { id: other, .. } | Due::Expired { id: other, .. } if *other == id(2))).collect();
        let expired =
            Due::Expired { id: id(1), path: path(UDP), owner: 1, reason: Failure::Timeout, silent: true };
        assert_eq!(mine, [&(39_500, expired)], "silent from {silent_from}");
    }
    let mut table = table(UDP, &[1], Rto::default());
    table.silence(id(1));
    let finished = table.finish(at(39_499), id(1)).unwrap();
    assert_eq!((finished.owner, finished.silent), (1, true));
}

#[test]
fn a_late_caller_sends_once_and_waits_the_full_interval_from_then() {
    let mut table = table(UDP, &[1, 2], Rto::default());
    let late = at(20_000);
    let sent: Vec<_> = core::iter::from_fn(|| table.next_due(late)).collect();
    assert!(matches!(sent[..], [Due::Retransmit { .. }, Due::Retransmit { .. }]), "{sent:?}");
    assert_eq!(table.deadline(), Some(late + Duration::from_secs(1)));
    assert_eq!(table.get(id(1)).unwrap().transmissions(), 2);
}

#[test]
fn nothing_is_due_before_its_time() {
    let mut table = table(UDP, &[1], Rto::default());
    assert_eq!(table.next_due(Timestamp::from_nanos(499_999_999)), None);
    assert!(table.next_due(at(500)).is_some());
    assert_eq!(table.next_due(at(500)), None);
}

#[test]
fn what_is_due_first_comes_first() {
    let mut table = Transactions::new();
    for (n, start) in [(9, 20), (5, 0), (7, 10), (1, 10)] {
        table.start(at(start), id(n), path(UDP), Bytes::new(), Rto::default(), n);
    }
    let order: Vec<_> = core::iter::from_fn(|| table.next_due(at(520)))
        .map(|due| match due {
            Due::Retransmit { id, .. } | Due::Expired { id, .. } => id.as_bytes()[0],
        })
        .collect();
    assert_eq!(order, [5, 1, 7, 9]);
}

#[test]
fn cancelled_and_unwanted_transactions_are_gone() {
    let mut table = table(UDP, &[1, 2, 3, 4], Rto::default());
    assert_eq!(table.cancel(id(3)), Some(3));
    assert_eq!(table.cancel(id(3)), None);
    table.retain(|owner| owner % 2 == 0);
    let left: Vec<_> = table.iter().map(|transaction| *transaction.owner()).collect();
    assert_eq!(left, [2, 4]);
    assert_eq!(play(&mut table).len(), 14);
}

#[test]
fn an_id_used_twice_returns_the_first_owner() {
    let mut table = table(UDP, &[1], Rto::default());
    assert_eq!(table.start(at(100), id(1), path(UDP), Bytes::new(), Rto::default(), 8), Some(1));
    assert_eq!((table.len(), table.deadline()), (1, Some(at(600))));
    assert_eq!(table.get(id(1)).unwrap().started_at(), at(100));
}
