use super::*;
use alloc::string::String;
use core::fmt::Write;

const ERROR: PeerError = PeerError::Refused(403);

fn peer() -> IpAddr {
    "198.51.100.77".parse().unwrap()
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(seconds)
}

/// What is known of the peer, in a word.
fn word(permissions: &Permissions) -> &'static str {
    match permissions.get(peer()) {
        None => "-",
        Some(Permission::Wanted { alone: false }) => "wanted",
        Some(Permission::Wanted { alone: true }) => "alone",
        Some(Permission::Asked) => "asked",
        Some(Permission::Granted { lease, .. }) if !lease.is_kept() => "ending",
        Some(Permission::Granted { lease, .. }) if lease.is_under_way() => "renewing",
        Some(Permission::Granted { .. }) => "granted",
        Some(Permission::Refused { .. }) => "refused",
    }
}

type Step = fn(&mut Permissions);

/// Each state and the way there, all within the first four minutes and a bit.
const STATES: [(&str, &[Step]); 8] = [
    ("-", &[]),
    ("wanted", &[want]),
    ("alone", &[want, ask, company]),
    ("asked", &[want, ask]),
    ("granted", &[want, ask, grant]),
    ("renewing", &[want, ask, grant, due, ask]),
    ("ending", &[want, ask, grant, forget]),
    ("refused", &[want, ask, refuse]),
];

const EVENTS: [(&str, Step); 10] = [
    ("want", want),
    ("forget", forget),
    ("ask", ask),
    ("grant", grant),
    ("refuse", refuse),
    ("company", company),
    ("silence", silence),
    ("requeue", Permissions::requeue),
    ("240 s", due),
    ("300 s", over),
];

fn want(permissions: &mut Permissions) {
    let _ = permissions.want(at(250), peer());
}

fn forget(permissions: &mut Permissions) {
    permissions.forget(peer());
}

fn ask(permissions: &mut Permissions) {
    permissions.next_request(at(250));
}

fn grant(permissions: &mut Permissions) {
    let _ = permissions.granted(at(0), at(0), peer());
}

fn refuse(permissions: &mut Permissions) {
    let _ = permissions.refused(at(200), peer(), ERROR);
}

fn company(permissions: &mut Permissions) {
    permissions.refused_in_company(peer());
}

fn silence(permissions: &mut Permissions) {
    let _ = permissions.unanswered(at(250), peer(), ERROR);
}

fn due(permissions: &mut Permissions) {
    permissions.handle_timeout(at(250));
}

fn over(permissions: &mut Permissions) {
    permissions.handle_timeout(at(300));
}

#[test]
fn the_whole_grid() {
    let mut grid = String::new();
    for (state, way) in STATES {
        write!(grid, "{state:>8}:").unwrap();
        for (name, event) in EVENTS {
            let mut permissions = Permissions::new(1);
            way.iter().for_each(|step| step(&mut permissions));
            assert_eq!(word(&permissions), state);
            event(&mut permissions);
            if word(&permissions) != state {
                write!(grid, " {name}={}", word(&permissions)).unwrap();
            }
        }
        grid.push('\n');
    }
    assert_eq!(grid, GRID);
}

const GRID: &str = "       -: want=wanted
  wanted: forget=- ask=asked grant=granted refuse=refused
   alone: forget=- ask=asked grant=granted refuse=refused
   asked: forget=- grant=granted refuse=refused company=alone silence=refused requeue=wanted
 granted: forget=ending refuse=refused 300 s=wanted
renewing: forget=ending grant=granted refuse=refused company=granted silence=granted requeue=granted 300 s=asked
  ending: want=granted refuse=refused 300 s=-
 refused:
";

#[test]
fn one_that_was_refused_in_company_is_renewed_alone() {
    let other: IpAddr = "198.51.100.78".parse().unwrap();
    let mut permissions = Permissions::new(2);
    for peer in [peer(), other] {
        permissions.want(at(0), peer).unwrap();
    }
    assert_eq!(permissions.next_request(at(0)), [peer(), other]);
    for peer in [peer(), other] {
        permissions.refused_in_company(peer);
    }
    for peer in [peer(), other] {
        assert_eq!(permissions.next_request(at(0)), [peer]);
        assert_eq!(permissions.granted(at(0), at(0), peer), Some(Change::Granted));
    }
}

#[test]
fn what_is_nearly_due_travels_with_what_is_due() {
    let other: IpAddr = "198.51.100.78".parse().unwrap();
    let mut permissions = Permissions::new(2);
    for (peer, now) in [(peer(), 0), (other, 15)] {
        permissions.want(at(now), peer).unwrap();
        permissions.next_request(at(now));
        assert_eq!(permissions.granted(at(now), at(now), peer), Some(Change::Granted));
    }
    permissions.handle_timeout(at(239));
    assert!(permissions.next_request(at(239)).is_empty());
    permissions.handle_timeout(at(240));
    assert_eq!(permissions.next_request(at(240)), [peer(), other]);
}
