//! What an agent shows of itself, in little room: whether it has changed is to be told by comparing.

use crate::ice::{PairState, Role};
use crate::{Agent, StreamState, Timestamp};

/// All that a forgery must not change, in little room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Digest {
    /// One that has passed means: at once.
    deadline: Option<Timestamp>,
    role: Role,
    hash: u64,
}

impl Digest {
    pub(super) fn of(agent: &Agent, now: Timestamp) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |number: u64| hash = (hash ^ number).wrapping_mul(0x0100_0000_01b3);
        for stream in super::streams(agent) {
            add(state_number(agent.state(stream)));
            add(count(agent.remote_candidates(stream)));
            add(count(agent.local_candidates(stream)));
            for pair in agent.pairs(stream) {
                add(u64::from(pair.id().to_raw()));
                add(pair.priority().get());
                add(pair_number(pair.state()));
                let flags = [pair.is_listed(), pair.is_valid(), pair.is_nominated(), pair.is_selected()];
                add(flags.into_iter().fold(0, |all, flag| all << 1 | u64::from(flag)));
            }
        }
        Self { deadline: agent.deadline().map(|due| due.max(now)), role: agent.role(), hash }
    }
}

fn count(all: impl Iterator) -> u64 {
    u64::try_from(all.count()).unwrap_or(u64::MAX)
}

const fn state_number(state: Option<StreamState>) -> u64 {
    match state {
        None => 0,
        Some(StreamState::New) => 1,
        Some(StreamState::Checking) => 2,
        Some(StreamState::Connected) => 3,
        Some(StreamState::Completed) => 4,
        Some(StreamState::Unconfirmed(_)) => 5,
        Some(StreamState::Lost(_)) => 6,
        Some(StreamState::Failed(_)) => 7,
        Some(StreamState::Closed) => 8,
    }
}

const fn pair_number(state: PairState) -> u64 {
    match state {
        PairState::Frozen => 1,
        PairState::Waiting => 2,
        PairState::InProgress(_) => 3,
        PairState::Succeeded => 4,
        PairState::Failed => 5,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::time::Duration;

    use super::*;
    use crate::ice::Nomination;
    use crate::sim::watch::bench::{Bench, address, at, path};
    use crate::stun::{ErrorCode, TransactionId};
    use crate::{Config, Path, Reason};

    const MS: Duration = Duration::from_millis(1);

    fn to(remote: usize) -> Path {
        path("192.0.2.1:1000", ["198.51.100.1:2000", "198.51.100.2:2000"][remote])
    }

    /// One pair waits, and the other is frozen behind it.
    fn waiting(role: Role) -> Bench {
        let mut bench = Bench::new(Config::new().nomination(Nomination::Manual), role, 1);
        bench.base(1, "192.0.2.1:1000");
        bench.remote("trickle ice2");
        for way in [to(0), to(1)] {
            bench.trickle("1", 1, way.remote());
        }
        bench
    }

    fn asked() -> Bench {
        let mut bench = waiting(Role::Controlling);
        bench.run_until(at(0));
        bench
    }

    fn answered() -> Bench {
        let mut bench = asked();
        bench.answer(bench.check_on(to(0)));
        bench
    }

    #[test]
    fn agents_that_show_something_else_have_another_digest() {
        let hash = |bench: &Bench| Digest::of(&bench.agent, bench.now).hash;
        let (mut failed, mut nominated, mut more, mut closed) = (asked(), answered(), asked(), asked());
        failed.refuse(failed.check_on(to(0)), &ErrorCode::BAD_REQUEST);
        let pair = nominated.pair(to(0)).id();
        nominated.command(|agent, now, _| agent.nominate(now, pair).unwrap());
        nominated.run_until(at(200));
        nominated.answer(nominated.check_on(to(0)));
        assert!(nominated.pair(to(0)).is_selected());
        more.trickle("1", 1, address("198.51.100.3:2000"));
        closed.command(|agent, now, stream| agent.close_stream(now, stream).unwrap());
        let all = [waiting(Role::Controlling), asked(), answered(), nominated, failed, more, closed];
        for (place, one) in all.iter().enumerate() {
            for other in &all[place + 1..] {
                assert_ne!(hash(one), hash(other), "{place}");
            }
        }
        assert_eq!(hash(&asked()), hash(&asked()));
    }

    /// One thing at a time, where there is hardly anything else.
    #[test]
    fn each_thing_that_is_new_makes_another_digest() {
        let bare = || Bench::new(Config::new(), Role::Controlling, 1);
        let hash = |bench: &Bench| Digest::of(&bench.agent, bench.now).hash;
        let (mut closed, mut based, mut heard) = (bare(), bare(), bare());
        closed.command(|agent, now, stream| agent.close_stream(now, stream).unwrap());
        based.base(1, "192.0.2.1:1000");
        heard.remote("trickle ice2");
        let before = hash(&heard);
        heard.trickle("1", 1, address("198.51.100.1:2000"));
        assert_eq!(heard.agent.pairs(heard.stream).count(), 0);
        assert!(hash(&closed) != hash(&bare()) && hash(&based) != hash(&bare()) && hash(&heard) != before);
        // Another pair of the same kind, and one of another worth.
        let paired = |lines: &[&str]| {
            let mut bench = bare();
            bench.base(1, "192.0.2.1:1000");
            bench.remote("trickle ice2");
            for line in lines {
                bench.command(|agent, now, stream| {
                    let known = agent.remote_candidates(stream).map(|(id, _)| id).next();
                    known.into_iter().for_each(|id| agent.remove_remote_candidate(now, stream, id).unwrap());
                    let candidate = crate::sdp::parse_candidate(line).unwrap();
                    agent.add_remote_candidate(now, stream, candidate).unwrap();
                });
            }
            assert_eq!(bench.agent.pairs(bench.stream).count(), 1);
            hash(&bench)
        };
        let (one, other) = (
            "candidate:1 1 udp 7 198.51.100.1 2000 typ host",
            "candidate:1 1 udp 8 198.51.100.1 2000 typ host",
        );
        assert_eq!(paired(&[one]), paired(&[one]));
        assert!(paired(&[one]) != paired(&[other]) && paired(&[one]) != paired(&[one, one]));
    }

    #[test]
    fn a_digest_has_the_role_and_the_deadline_and_one_that_has_passed_is_now() {
        let (one, other) = (waiting(Role::Controlling), waiting(Role::Controlled));
        assert_ne!(Digest::of(&one.agent, at(0)).role, Digest::of(&other.agent, at(0)).role);
        let asked = asked();
        let due = asked.agent.deadline().unwrap();
        assert_eq!(Digest::of(&asked.agent, asked.now).deadline, Some(due));
        assert_eq!(Digest::of(&asked.agent, due + MS).deadline, Some(due + MS));
    }

    #[test]
    fn a_digest_tells_states_apart() {
        use StreamState::{Checking, Closed, Completed, Connected, Failed, Lost, New, Unconfirmed};
        let reason = Reason::Unreachable;
        let states =
            [New, Checking, Connected, Completed, Unconfirmed(reason), Lost(reason), Failed(reason), Closed];
        let numbers: Vec<_> = states.map(Some).into_iter().chain([None]).map(state_number).collect();
        let pairs = [
            PairState::Frozen,
            PairState::Waiting,
            PairState::InProgress(TransactionId::from([7; 12])),
            PairState::Succeeded,
            PairState::Failed,
        ];
        for mut numbers in [numbers, pairs.map(pair_number).into()] {
            let count = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), count);
        }
    }
}
