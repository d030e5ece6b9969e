//! Scenarios as data: who is where, what happens when, and what has to come of it.
//!
//! Each row is run from several seeds; a failure shows all that a row did not come up to.

#[path = "scenarios/early.rs"]
mod early;
#[path = "scenarios/row.rs"]
mod row;
#[path = "scenarios/runner.rs"]
mod runner;
#[path = "harness/session.rs"]
mod session;

use floe::Profile;
use row::{Behind, CELL, ETHERNET, Expect, Interface, PLAIN, Policy, Row, Servers, Site, Step, WIFI};
use runner::{Outcome, Run};
use session::{ms, secs};

/// Runs a row from some seeds.
fn run(row: &Row, seeds: u64) -> Vec<(Run, Outcome)> {
    let outcomes: Vec<(Run, Outcome)> = (1..=seeds).map(|seed| Run::of(row, seed)).collect();
    let mut faults = Vec::new();
    for (seed, (_, outcome)) in (1..).zip(&outcomes) {
        println!("{} seed {seed}: {outcome:?}", row.id);
        faults.extend(outcome.faults(row).into_iter().map(|fault| format!("{fault} (seed {seed})")));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    outcomes
}

/// A phone with Wi-Fi and a cellular network.
const PHONE: Site = Site(&[WIFI, CELL]);

/// Until a session has left a dead network for another one that it has kept: the next consent check may be 6 s away, its
/// answer is overdue 2.5 s later, the trouble has to last 1 s, and the nomination takes a round trip.
const FAILOVER: core::time::Duration = ms(6_000 + 2_500 + 1_000 + 200);

/// On a costly network consent is asked for half as often.
const FAILOVER_OF_COSTLY: core::time::Duration = ms(12_000 + 2_500 + 1_000 + 200);

const MOBILE: Row = Row {
    policy: Policy::Profile(Profile::Mobile),
    expect: Expect { silence: FAILOVER, completed_within: secs(2), packets: 400, ..PLAIN.expect },
    ..PLAIN
};

/// F-01, F-02.
///
/// Lesson: L-44
#[test]
fn a_phone_whose_wifi_is_cut_goes_on_over_its_cellular_network_at_either_end() {
    let controlled = Row {
        id: "F-01",
        ends: [Site(&[ETHERNET]), PHONE],
        timeline: &[(5_000, Step::Down(1, "wifi"))],
        expect: Expect {
            first: ["ethernet", "wifi"],
            last: ["ethernet", "cell"],
            moves: [1, 1],
            ..MOBILE.expect
        },
        ..MOBILE
    };
    let controlling = Row {
        id: "F-02",
        ends: [PHONE, Site(&[ETHERNET])],
        timeline: &[(5_000, Step::Down(0, "wifi"))],
        expect: Expect { first: ["wifi", "ethernet"], last: ["cell", "ethernet"], ..controlled.expect },
        ..controlled
    };
    run(&controlled, 4);
    run(&controlling, 4);
}

/// F-01 with both families. The other pair of the dead network has been heard of later than the selected one, perhaps; but only
/// what answers once there is trouble is a way out.
///
/// Lesson: L-44
#[test]
fn a_failover_passes_over_the_other_family_of_the_dead_network() {
    const ETHERNET6: Interface = Interface { name: "ethernet6", behind: Behind::OpenIpv6, ..ETHERNET };
    const WIFI6: Interface = Interface { name: "wifi6", behind: Behind::OpenIpv6, ..WIFI };
    let row = Row {
        id: "F-01 in both families",
        ends: [Site(&[WIFI6, WIFI, CELL]), Site(&[ETHERNET6, ETHERNET])],
        timeline: &[(3_000, Step::Down(0, "wifi6")), (3_000, Step::Down(0, "wifi"))],
        lasts: secs(15),
        expect: Expect {
            first: ["wifi6", "ethernet6"],
            last: ["cell", "ethernet"],
            moves: [1, 1],
            ..MOBILE.expect
        },
        ..MOBILE
    };
    for (run, _) in run(&row, 6) {
        let took = run.time_to_leave(0);
        assert!(took <= ms(1_200), "{took:?} after trouble was known");
    }
}

/// F-03. Every outage lasts 10 ms longer than an answer may take, and trouble has to last for a second to be acted on.
///
/// Lesson: L-07
#[test]
fn a_network_that_is_back_as_soon_as_it_is_missed_is_not_left() {
    const OUTAGES: &[(u64, Step)] = &{
        let mut outages = [(0, Step::Down(0, "wifi")); 24];
        let mut n = 0;
        while n < 12 {
            let begins = 9_700 * (n as u64 + 1);
            outages[2 * n] = (begins, Step::Down(0, "wifi"));
            outages[2 * n + 1] = (begins + 2_510, Step::Up(0, "wifi"));
            n += 1;
        }
        outages
    };
    let row = Row {
        id: "F-03",
        ends: [PHONE, Site(&[ETHERNET])],
        timeline: OUTAGES,
        expect: Expect {
            first: ["wifi", "ethernet"],
            last: ["wifi", "ethernet"],
            silence: ms(2_510 + 200),
            packets: 600,
            ..MOBILE.expect
        },
        ..MOBILE
    };
    run(&row, 4);
}

/// F-04.
#[test]
fn two_failovers_in_a_row_and_one_at_both_ends_at_once_converge() {
    let in_a_row = Row {
        id: "F-04 in a row",
        ends: [PHONE, Site(&[ETHERNET])],
        timeline: &[
            (5_000, Step::Down(0, "wifi")),
            (20_000, Step::Up(0, "wifi")),
            (40_000, Step::Down(0, "cell")),
            (41_000, Step::Down(0, "wifi")),
            (43_000, Step::Up(0, "cell")),
        ],
        expect: Expect {
            first: ["wifi", "ethernet"],
            last: ["cell", "ethernet"],
            moves: [3, 3],
            packets: 600,
            ..MOBILE.expect
        },
        ..MOBILE
    };
    let at_both_ends = Row {
        id: "F-04 at both ends",
        ends: [PHONE; 2],
        timeline: &[(5_000, Step::Down(0, "wifi")), (5_000, Step::Down(1, "wifi"))],
        expect: Expect { first: ["wifi"; 2], last: ["cell"; 2], moves: [1, 1], ..in_a_row.expect },
        ..in_a_row
    };
    run(&in_a_row, 4);
    run(&at_both_ends, 4);
}

/// F-05. Two families, two networks, and relays over UDP and TCP for each: more than ten pairs, of which most are gone.
///
/// Lesson: L-46
#[test]
fn a_failover_succeeds_among_many_pairs() {
    const WIFI6: Interface = Interface { name: "wifi6", behind: Behind::OpenIpv6, ..WIFI };
    const CELL6: Interface = Interface { name: "cell6", behind: Behind::OpenIpv6, ..CELL };
    const ONE: Site = Site(&[WIFI6, CELL6]);
    const OTHER: Site = Site(&[WIFI6, CELL6, WIFI]);
    let row = Row {
        id: "F-05",
        ends: [ONE, OTHER],
        servers: Servers::All,
        timeline: &[(0, Step::Down(1, "wifi")), (0, Step::Down(1, "wifi6"))],
        lasts: secs(12),
        data_every: Some(ms(500)),
        expect: Expect {
            first: ["wifi6", "wifi6"],
            last: ["wifi6", "cell6"],
            moves: [1, 1],
            packets: 600,
            silence: FAILOVER + ms(500),
            ..MOBILE.expect
        },
        ..MOBILE
    };
    for (run, _) in run(&row, 1) {
        let checked = run.checked_pairs(0);
        assert!(checked > 10, "{checked}");
    }
}

/// F-06.
#[test]
fn of_two_phones_the_pair_of_the_lowest_summed_cost_is_selected() {
    let row = Row {
        id: "F-06",
        ends: [PHONE; 2],
        timeline: &[],
        expect: Expect { first: ["wifi"; 2], last: ["wifi"; 2], silence: ms(150), ..MOBILE.expect },
        ..MOBILE
    };
    let one = Row {
        timeline: &[(5_000, Step::Down(1, "wifi"))],
        expect: Expect { last: ["wifi", "cell"], moves: [1, 1], silence: FAILOVER, ..row.expect },
        ..row
    };
    let both = Row {
        timeline: &[(5_000, Step::Down(1, "wifi")), (25_000, Step::Down(0, "wifi"))],
        expect: Expect { last: ["cell"; 2], moves: [2, 2], silence: FAILOVER_OF_COSTLY, ..one.expect },
        ..one
    };
    for row in [row, one, both] {
        run(&row, 3);
    }
}

/// F-07. Consent of the kept pair is asked for less often than that of the selected one, since its network is costly; nobody
/// takes it for dead on that account, nor the selected one.
///
/// Proves: renom-v2-6, rfc7675-5.1-6
#[test]
fn a_kept_pair_on_a_costly_network_is_asked_seldom_and_stays_alive() {
    let row = Row {
        id: "F-07",
        ends: [PHONE, Site(&[ETHERNET])],
        lasts: secs(600),
        data_every: None,
        expect: Expect { first: ["wifi", "ethernet"], last: ["wifi", "ethernet"], ..MOBILE.expect },
        ..MOBILE
    };
    for (run, _) in run(&row, 2) {
        let start = floe::Timestamp::ZERO + secs(10);
        for (name, [least, most]) in [("wifi", [4, 6]), ("cell", [8, 12])] {
            let gaps = run.gaps_of_checks(0, name, start);
            assert!(gaps.len() > 40, "{name} {gaps:?}");
            assert!(gaps.iter().all(|gap| (secs(least)..=secs(most)).contains(gap)), "{name} {gaps:?}");
        }
    }
}

/// F-09. A tunnel over the Wi-Fi: what a user may want of it is said by its cost, and by whether it is declared at all.
#[test]
fn a_tunnel_is_used_as_its_cost_says_or_not_at_all() {
    const VPN: Interface = Interface { name: "vpn", network: 4, delay: ms(14), ..ETHERNET };
    const DEFAULT: Site = Site(&[WIFI, Interface { cost: WIFI.cost + 1, ..VPN }]);
    const PREFERRED: Site = Site(&[WIFI, Interface { cost: 0, ..VPN }]);
    const AVOIDED: Site = Site(&[WIFI, Interface { cost: 2_000, ..VPN }]);
    const ONLY: Site = Site(&[Interface { declared: false, ..WIFI }, VPN]);
    const NEVER: Site = Site(&[WIFI, Interface { declared: false, ..VPN }]);
    let cases = [
        ("F-09 default", DEFAULT, "wifi"),
        ("F-09 preferred", PREFERRED, "vpn"),
        ("F-09 avoided", AVOIDED, "wifi"),
        ("F-09 only", ONLY, "vpn"),
        ("F-09 never", NEVER, "wifi"),
    ];
    for (id, site, wanted) in cases {
        let expect = Expect { first: [wanted, "ethernet"], last: [wanted, "ethernet"], ..MOBILE.expect };
        let row = Row {
            id,
            ends: [site, Site(&[ETHERNET])],
            lasts: secs(20),
            expect: Expect { silence: ms(150), ..expect },
            ..MOBILE
        };
        run(&row, 2);
    }
    // What is avoided is still better than nothing.
    let row = Row {
        id: "F-09 avoided, without Wi-Fi",
        ends: [AVOIDED, Site(&[ETHERNET])],
        timeline: &[(1_000, Step::Down(0, "wifi"))],
        lasts: secs(15),
        expect: Expect {
            first: ["wifi", "ethernet"],
            last: ["vpn", "ethernet"],
            moves: [1, 1],
            ..MOBILE.expect
        },
        ..MOBILE
    };
    run(&row, 2);
}

const SYMMETRIC: Site = Site(&[Interface { behind: Behind::Symmetric, ..ETHERNET }]);

/// Both are behind symmetric translators, so a relay carries the data, before, meanwhile and afterwards; nothing of
/// the generation before is left.
///
/// Proves: rfc8445-9-6, rfc8445-9-7
#[test]
fn a_restart_over_relays_interrupts_nothing_and_leaves_nothing_behind() {
    for end in [0, 1] {
        let timeline: &'static [(u64, Step)] =
            if end == 0 { &[(2_000, Step::Restart(0))] } else { &[(2_000, Step::Restart(1))] };
        let row = Row {
            id: "R-01",
            ends: [SYMMETRIC; 2],
            servers: Servers::StunAndTurn,
            policy: Policy::Settled,
            timeline,
            lasts: secs(20),
            expect: Expect {
                first: ["ethernet", "relay"],
                last: ["ethernet", "relay"],
                completed_within: secs(5),
                moves: [1, 1],
                ..PLAIN.expect
            },
            ..PLAIN
        };
        for (run, outcome) in run(&row, 2) {
            use floe::ice::CandidateKind::{PeerReflexive, Relayed};
            assert_eq!(outcome.kinds, [PeerReflexive, Relayed]);
            run.assert_nothing_is_left_of_the_generation_before();
        }
    }
}

/// T-02. Relays alone, and both begin as controlling: a check by way of a relay settles the conflict, and what is selected is
/// the peer-reflexive candidate that the relay shows.
///
/// Proves: rfc8445-7.3.1.1-1, rfc8445-7.3.1.1-6
#[test]
fn a_role_conflict_over_relays_is_settled_and_a_peer_reflexive_candidate_selected() {
    let row = Row {
        id: "T-02",
        ends: [SYMMETRIC; 2],
        servers: Servers::StunAndTurn,
        policy: Policy::Settled,
        conflict: true,
        lasts: secs(5),
        expect: Expect {
            first: ["ethernet", "relay"],
            last: ["ethernet", "relay"],
            usable_within: ms(1_200),
            completed_within: secs(5),
            ..PLAIN.expect
        },
        ..PLAIN
    };
    // Which end keeps the role is up to the tie-breakers.
    for seed in 1..5 {
        let (run, outcome) = Run::of(&row, seed);
        let controls = run.roles().map(|role| role == floe::ice::Role::Controlling);
        let wanted = if controls[0] { ["ethernet", "relay"] } else { ["relay", "ethernet"] };
        let row = Row { expect: Expect { first: wanted, last: wanted, ..row.expect }, ..row };
        assert_eq!(controls.iter().filter(|controls| **controls).count(), 1);
        assert_eq!(outcome.faults(&row), [""; 0], "seed {seed}");
    }
}

/// G-01. A network comes when the session has completed: only where both ends gather continually is a candidate signalled.
///
/// Proves: rfc8838-13-3, rfc8838-13-5
#[test]
fn a_network_that_comes_late_is_gathered_from_only_if_both_ends_do_so_continually() {
    const LATE: Site = Site(&[ETHERNET, Interface { declared: false, ..WIFI }]);
    for (continual, count) in [([true, true], 1), ([true, false], 0), ([false, true], 0), ([false, false], 0)]
    {
        let row = Row {
            id: "G-01",
            ends: [LATE, Site(&[ETHERNET])],
            policy: Policy::Continual(continual),
            timeline: &[(2_000, Step::Declare(0, "wifi"))],
            lasts: secs(10),
            ..PLAIN
        };
        for (run, _) in run(&row, 1) {
            assert_eq!(run.candidates_signalled_after(0, secs(11)), count, "{continual:?}");
        }
    }
}

/// N-01. An hour without a byte of data: what keeps the mappings is the agents' own.
///
/// Proves: rfc8445-11-1
#[test]
fn an_idle_hour_behind_forgetful_translators_loses_nothing() {
    const fn behind(seconds: u64, refreshed: bool) -> [Interface; 1] {
        [Interface { behind: Behind::Forgetful(seconds, refreshed), ..ETHERNET }]
    }
    const SITES: [Site; 8] = [
        Site(&const { behind(30, false) }),
        Site(&const { behind(30, true) }),
        Site(&const { behind(60, false) }),
        Site(&const { behind(60, true) }),
        Site(&const { behind(120, false) }),
        Site(&const { behind(120, true) }),
        Site(&const { behind(300, false) }),
        Site(&const { behind(300, true) }),
    ];
    // Consent checks every five seconds do as much for all; keepalives alone come every fifteen.
    let keepalives = SITES.map(|site| (site, Policy::WithoutConsent));
    for (end, policy) in keepalives.into_iter().chain([(SITES[0], Policy::Profile(Profile::Webrtc))]) {
        let row = Row {
            id: "N-01",
            ends: [end; 2],
            servers: Servers::Stun,
            policy,
            lasts: secs(3_600),
            data_every: None,
            expect: Expect { usable_within: ms(1_000), packets: 2_500, ..PLAIN.expect },
            ..PLAIN
        };
        for (mut run, _) in run(&row, 1) {
            run.assert_data_flows();
        }
    }
}

/// N-02. The translator of one end forgets everything and has a new address: the other end learns it from the next consent
/// check, as a peer-reflexive candidate.
///
/// Lesson: L-27
#[test]
fn a_translator_that_reboots_costs_a_consent_interval() {
    const HOME: Site = Site(&[Interface { behind: Behind::Port, ..ETHERNET }]);
    let controlling = Row {
        id: "N-02",
        ends: [HOME, Site(&[ETHERNET])],
        servers: Servers::Stun,
        policy: Policy::Continual([true; 2]),
        timeline: &[(3_000, Step::Reboot(0, "ethernet"))],
        lasts: secs(20),
        expect: Expect { moves: [1, 1], silence: ms(6_000 + 2 * 20 + 150), ..PLAIN.expect },
        ..PLAIN
    };
    // The end that controls does not move before the old address is known to be dead.
    let controlled = Row {
        id: "N-02 behind the controlled end",
        ends: [Site(&[ETHERNET]), HOME],
        timeline: &[(3_000, Step::Reboot(1, "ethernet"))],
        expect: Expect { silence: FAILOVER, ..controlling.expect },
        ..controlling
    };
    run(&controlling, 4);
    run(&controlled, 4);
}

/// N-03. Roaming: nothing for a while, then a new network with a new address, of which the peer hears later still. Both are
/// behind translators, so without being told neither gets through. Who changes at once says that the old network is gone; who
/// does not has noticed by then.
///
/// Lesson: L-44
#[test]
fn a_host_that_roams_is_back_as_soon_as_its_new_candidates_are_known() {
    const OLD: Interface = Interface { behind: Behind::Port, ..WIFI };
    const NEW: Interface = Interface { behind: Behind::Port, declared: false, ..CELL };
    const HOME: Site = Site(&[Interface { behind: Behind::Port, ..ETHERNET }]);
    const TIMELINES: [&[(u64, Step)]; 3] = [
        &[
            (1_000, Step::Down(0, "wifi")),
            (1_000, Step::Declare(0, "cell")),
            (2_500, Step::Withdraw(0, "wifi")),
        ],
        &[(1_000, Step::SignalIn(5_000)), (1_000, Step::Down(0, "wifi")), (6_000, Step::Declare(0, "cell"))],
        &[
            (1_000, Step::SignalIn(10_000)),
            (1_000, Step::Down(0, "wifi")),
            (11_000, Step::Declare(0, "cell")),
        ],
    ];
    for (timeline, dark) in TIMELINES.into_iter().zip([50, 10_000, 20_000]) {
        let row = Row {
            id: "N-03",
            ends: [Site(&[OLD, NEW]), HOME],
            servers: Servers::Stun,
            policy: Policy::Profile(Profile::Mobile),
            timeline,
            lasts: secs(30),
            expect: Expect {
                first: ["wifi", "ethernet"],
                last: ["cell", "ethernet"],
                moves: [1, 1],
                silence: ms(dark) + secs(2),
                ..PLAIN.expect
            },
            ..PLAIN
        };
        for (run, _) in run(&row, 3) {
            assert!(!run.has_lost_the_session());
        }
    }
}
