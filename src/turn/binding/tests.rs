use super::*;

const NUMBER: ChannelNumber = ChannelNumber::MIN;

fn peer() -> SocketAddr {
    "198.51.100.77:9000".parse().unwrap()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(seconds)
}

/// One channel, bound at zero.
fn bound() -> Bindings {
    let mut bindings = Bindings::new(1, Duration::from_secs(40));
    bindings.want(at(0), peer());
    assert_eq!(bindings.next_request(at(0)), Some((NUMBER, peer())));
    assert!(bindings.bound(at(0), at(0), NUMBER));
    bindings
}

/// Whether the number has been given up by then.
fn is_free(bindings: &mut Bindings, now: Timestamp) -> bool {
    bindings.handle_timeout(now);
    bindings.by_peer.is_empty()
}

#[test]
fn a_number_rests_for_five_minutes_after_the_server_can_have_forgotten_it() {
    let mut bindings = bound();
    bindings.forget(peer().ip());
    assert_eq!(bindings.number(at(599), peer()), Some(NUMBER));
    assert_eq!(bindings.number(at(600), peer()), None);
    assert_eq!((is_free(&mut bindings, at(899)), is_free(&mut bindings, at(900))), (false, true));
}

#[test]
fn a_renewal_that_nobody_answered_may_have_reached_the_server() {
    let mut bindings = bound();
    bindings.handle_timeout(at(540));
    assert_eq!(bindings.next_request(at(540)), Some((NUMBER, peer())));
    bindings.forget(peer().ip());
    // 540 s, 40 s on the way, ten minutes at the server, five minutes of rest.
    assert_eq!((is_free(&mut bindings, at(1_479)), is_free(&mut bindings, at(1_480))), (false, true));
}

#[test]
fn a_channel_that_rests_is_taken_up_again_by_its_peer_and_makes_room_for_others() {
    let other = "198.51.100.78:9000".parse().unwrap();
    let mut bindings = bound();
    assert!(!bindings.has_room(other) && bindings.has_room(peer()));
    bindings.forget(peer().ip());
    bindings.handle_timeout(at(600));
    assert!(bindings.has_room(other) && bindings.has_room(peer()));
    bindings.want(at(600), peer());
    assert_eq!(bindings.next_request(at(600)), Some((NUMBER, peer())));
    assert!(!bindings.has_room(other));
}

/// Whoever has slept through the end of a channel hears nobody on it, even before time has been told.
#[test]
fn a_channel_ends_with_its_time_whether_or_not_somebody_watches() {
    let bindings = bound();
    assert_eq!(bindings.peer(at(599), NUMBER), Some((&peer(), true)));
    assert_eq!((bindings.peer(at(600), NUMBER), bindings.number(at(600), peer())), (None, None));
}

#[test]
fn a_channel_forgotten_while_it_was_asked_for_is_not_bound() {
    let mut bindings = Bindings::new(1, Duration::from_secs(40));
    bindings.want(at(0), peer());
    bindings.next_request(at(0));
    assert_eq!(bindings.peer(at(0), NUMBER), Some((&peer(), false)));
    bindings.forget(peer().ip());
    assert!(!bindings.bound(at(1), at(0), NUMBER));
    assert_eq!((bindings.peer(at(1), NUMBER), bindings.number(at(1), peer())), (None, None));
}

/// World 3872022: the answer to a request over a connection was lost, and what the server sent by the channel was ignored from the
/// end of the transaction on.
#[test]
fn a_channel_whose_request_nobody_has_answered_may_be_bound() {
    for is_answered in [false, true] {
        let mut bindings = Bindings::new(1, Duration::from_secs(40));
        bindings.want(at(0), peer());
        bindings.next_request(at(0));
        match is_answered {
            true => bindings.refused(at(40), NUMBER, true),
            false => bindings.unanswered(at(40), NUMBER),
        }
        assert_eq!(bindings.number(at(40), peer()), None);
        let heard = [40, 639, 640].map(|second| bindings.peer(at(second), NUMBER).is_some());
        assert_eq!(heard, [!is_answered, !is_answered, false]);
    }
}
