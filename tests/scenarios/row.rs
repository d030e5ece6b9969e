//! What a scenario is made of: constant data.

use core::time::Duration;

use floe::sim::Nat;
use floe::{Config, Profile};

use crate::session::{ms, secs, settled};

/// One scenario.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub id: &'static str,
    /// The controlling end, and the controlled one.
    pub ends: [Site; 2],
    pub servers: Servers,
    pub policy: Policy,
    /// Whether both ends begin as controlling.
    pub conflict: bool,
    /// What happens, in milliseconds after both have completed and ten seconds have passed.
    pub timeline: &'static [(u64, Step)],
    /// How long it goes on after that.
    pub lasts: Duration,
    /// How often both ends send data meanwhile.
    pub data_every: Option<Duration>,
    pub expect: Expect,
}

/// An end: its interfaces, most preferred first.
#[derive(Clone, Copy, Debug)]
pub struct Site(pub &'static [Interface]);

#[derive(Clone, Copy, Debug)]
pub struct Interface {
    pub name: &'static str,
    pub behind: Behind,
    /// The number of the network, which the interfaces of both families share.
    pub network: u16,
    pub cost: u16,
    /// One way.
    pub delay: Duration,
    /// Whether the agent is told of it from the beginning.
    pub declared: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Behind {
    Open,
    /// A second address, of the other family.
    OpenIpv6,
    Port,
    Symmetric,
    /// Filters by port, forgets after so many seconds, and may be kept from it by what comes in.
    Forgetful(u64, bool),
}

impl Behind {
    pub fn nat(self) -> Nat {
        match self {
            Self::Open | Self::OpenIpv6 => Nat::none(),
            Self::Port => Nat::port_restricted(),
            Self::Symmetric => Nat::symmetric(),
            Self::Forgetful(seconds, refreshed) => {
                Nat::port_restricted().lifetime(secs(seconds)).inbound_refresh(refreshed)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Servers {
    None,
    Stun,
    StunAndTurn,
    /// The TURN server over TCP as well.
    All,
}

/// What the agents go by.
#[derive(Clone, Copy, Debug)]
pub enum Policy {
    Profile(Profile),
    /// Waits for the best pair before it nominates.
    Settled,
    /// As a browser, with candidates that may come at any time: at both ends, or at one.
    Continual([bool; 2]),
    /// Without consent checks: only keepalives are sent.
    WithoutConsent,
}

impl Policy {
    pub fn config(self, end: usize) -> Config {
        match self {
            Self::Profile(profile) => Config::new().profile(profile),
            Self::Settled => settled(secs(3)),
            Self::Continual(ends) => Config::new().continual_gathering(ends[end]),
            Self::WithoutConsent => Config::new().consent(false),
        }
    }
}

/// Something that happens to an end, 0 or 1, often to one of its interfaces.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Nothing passes there any more.
    Down(usize, &'static str),
    Up(usize, &'static str),
    /// The agent is told of a socket there.
    Declare(usize, &'static str),
    /// The agent is told that the socket is gone.
    Withdraw(usize, &'static str),
    Restart(usize),
    /// The translator there forgets everything and gets a new address.
    Reboot(usize, &'static str),
    /// From now on signalling takes so many milliseconds.
    SignalIn(u64),
}

/// What has to come of it. Interfaces are named, and a relayed base is "relay".
#[derive(Clone, Copy, Debug)]
pub struct Expect {
    /// What is selected before anything happens.
    pub first: [&'static str; 2],
    /// What is selected in the end.
    pub last: [&'static str; 2],
    /// Until data can go both ways, from the call.
    pub usable_within: Duration,
    /// Until both ends have completed.
    pub completed_within: Duration,
    /// How often the selected pair changes after that, at least and at most.
    pub moves: [usize; 2],
    /// The longest time in which nothing arrives at an end to which data is sent.
    pub silence: Duration,
    /// Datagrams of an agent in all, data apart.
    pub packets: u64,
}

/// The default row: two open ends as browsers, half a minute of data.
pub const PLAIN: Row = Row {
    id: "",
    ends: [Site(&[ETHERNET]); 2],
    servers: Servers::None,
    policy: Policy::Profile(Profile::Webrtc),
    conflict: false,
    timeline: &[],
    lasts: secs(30),
    data_every: Some(ms(100)),
    expect: Expect {
        first: ["ethernet", "ethernet"],
        last: ["ethernet", "ethernet"],
        usable_within: ms(500),
        completed_within: ms(1_500),
        moves: [0, 0],
        silence: ms(150),
        packets: 200,
    },
};

pub const ETHERNET: Interface =
    Interface { name: "ethernet", behind: Behind::Open, network: 1, cost: 0, delay: ms(5), declared: true };
pub const WIFI: Interface = Interface { name: "wifi", network: 2, cost: 10, delay: ms(10), ..ETHERNET };
pub const CELL: Interface = Interface { name: "cell", network: 3, cost: 900, delay: ms(25), ..ETHERNET };
