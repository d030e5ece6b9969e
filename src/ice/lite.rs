//! Lite agents: what follows from one side, or both, answering checks and sending none (RFC 8445 sections 2.5, 6.1.1
//! and 8.2).

use core::net::IpAddr;
use core::time::Duration;

use crate::ice::consent::{EXPIRY, Hold, Loss, Standing};
use crate::ice::{PairId, Role};
use crate::time::{Deadline, Timestamp};

/// The two kinds of agents (RFC 8445 section 2.5).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Implementation {
    #[default]
    Full,
    Lite,
}

/// Which of the two agents are lite.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Meeting {
    BothFull,
    /// We check and nominate; the peer sends no checks.
    LitePeer,
    /// We answer, and follow the nominations of the peer.
    LiteSelf,
    /// Nobody checks: the candidates decide.
    BothLite,
}

impl Meeting {
    pub(crate) const fn of(ours: Implementation, theirs: Implementation) -> Self {
        match (ours, theirs) {
            (Implementation::Full, Implementation::Full) => Self::BothFull,
            (Implementation::Full, Implementation::Lite) => Self::LitePeer,
            (Implementation::Lite, Implementation::Full) => Self::LiteSelf,
            (Implementation::Lite, Implementation::Lite) => Self::BothLite,
        }
    }

    /// The role that an agent takes which began in the role `initial`.
    pub(crate) const fn role(self, initial: Role) -> Role {
        match self {
            // rfc8445-6.1.1-2: whoever initiated.
            Self::LitePeer => Role::Controlling,
            Self::LiteSelf => Role::Controlled,
            // rfc8445-6.1.1-1, rfc8445-6.1.1-3
            Self::BothFull | Self::BothLite => initial,
        }
    }
}

/// The peer of a lite agent, as heard on one nominated pair: what a lite agent, which asks nothing, has in the place of
/// consent.
///
/// ```text
/// Fresh --30 s without a request--> Lost
///   |  ^                             ^
///   |  '---- request ---- Held ------'  6 s without a request
///   '--the clock has jumped-^
/// ```
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) pair: PairId,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Until then data may be sent; `None` where nobody asks anything.
    Fresh { until: Option<Timestamp> },
    /// The clock has jumped past the expiry: nothing is sent, and the peer has until then for its next request.
    Held { until: Timestamp },
    /// For good.
    Lost,
}

impl Heard {
    /// A pair on which the last authentic request came at `heard_at`.
    pub(crate) fn new(pair: PairId, heard_at: Timestamp) -> Self {
        Self { pair, state: State::Fresh { until: Some(heard_at + EXPIRY) } }
    }

    /// A pair on which nothing is expected to be heard: both agents are lite, or consent is off.
    pub(crate) const fn forever(pair: PairId) -> Self {
        Self { pair, state: State::Fresh { until: None } }
    }

    pub(crate) const fn standing(&self) -> Standing {
        match self.state {
            State::Fresh { .. } => Standing::Fresh,
            State::Held { .. } => Standing::Held(Hold::Jumped),
            State::Lost => Standing::Lost(Loss::Expired),
        }
    }

    /// An authentic request came on the pair.
    pub(crate) fn heard(&mut self, now: Timestamp) {
        match self.state {
            State::Fresh { until: Some(_) } | State::Held { .. } => {
                self.state = State::Fresh { until: Some(now + EXPIRY) };
            }
            State::Fresh { until: None } | State::Lost => {}
        }
    }

    /// Lets time pass; `true` if the pair is lost now.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) -> bool {
        self.state = match self.state {
            // A caller that comes this late has slept, and so may have what the peer has sent meanwhile.
            State::Fresh { until: Some(until) } if until + REQUESTS_APART_MAX <= now => {
                State::Held { until: now + REQUESTS_APART_MAX }
            }
            State::Fresh { until: Some(until) } | State::Held { until } if until <= now => State::Lost,
            State::Fresh { .. } | State::Held { .. } | State::Lost => return false,
        };
        self.state == State::Lost
    }

    /// Adds the instant at which [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(crate) fn deadlines(&self, deadline: &mut Deadline) {
        match self.state {
            State::Fresh { until } => deadline.at(until),
            State::Held { until } => deadline.at(until),
            State::Lost => {}
        }
    }
}

/// The local preference of the candidate of a lite agent: 65535 where all its addresses are IPv4, otherwise the
/// precedence that RFC 6724 section 2.1 gives its address (RFC 8445 section 5.2).
pub(crate) const fn local_preference(address: IpAddr, only_ipv4: bool) -> u16 {
    match address {
        IpAddr::V4(_) if only_ipv4 => u16::MAX,
        IpAddr::V4(_) => 35,
        IpAddr::V6(v6) => match v6.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => 50,
            [0x2002, ..] => 30,
            [0x2001, 0, ..] => 5,
            [0xfc00..=0xfdff, ..] => 3,
            [0xfec0..=0xfeff, ..] | [0x3ffe, ..] | [0, 0, 0, 0, 0, 0, ..] => 1,
            _ => 40,
        },
    }
}

/// A full agent asks for consent at least this often (RFC 7675 section 5.1).
const REQUESTS_APART_MAX: Duration = Duration::from_secs(6);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn heard() -> Heard {
        Heard::new(PairId::from_raw(1), Timestamp::ZERO)
    }

    #[test]
    fn a_peer_that_is_not_heard_for_thirty_seconds_is_lost_for_good() {
        let mut peer = heard();
        peer.heard(at(10_000));
        assert!(!peer.handle_timeout(at(39_999)));
        assert_eq!(peer.standing(), Standing::Fresh);
        assert!(peer.handle_timeout(at(40_000)));
        peer.heard(at(40_001));
        assert_eq!(peer.standing(), Standing::Lost(Loss::Expired));
    }

    #[test]
    fn a_jump_of_the_clock_holds_data_until_the_peer_had_time_to_ask() {
        let mut peer = heard();
        assert!(!peer.handle_timeout(at(3_600_000)));
        assert_eq!(peer.standing(), Standing::Held(Hold::Jumped));
        let mut asked = peer;
        asked.heard(at(3_605_999));
        assert_eq!(asked.standing(), Standing::Fresh);
        assert!(!peer.handle_timeout(at(3_605_999)));
        assert!(peer.handle_timeout(at(3_606_000)));
    }

    #[test]
    fn preferences_follow_the_table_of_rfc_6724() {
        let table = [
            ("192.0.2.1", 35),
            ("::1", 50),
            ("2001:db8::1", 40),
            ("2002:c000:201::1", 30),
            ("2001::1", 5),
            ("fd00::1", 3),
            ("3ffe::1", 1),
            ("fe80::1", 40),
        ];
        for (address, preference) in table {
            assert_eq!(local_preference(address.parse().unwrap(), false), preference, "{address}");
        }
        assert_eq!(local_preference("192.0.2.1".parse().unwrap(), true), u16::MAX);
    }
}
