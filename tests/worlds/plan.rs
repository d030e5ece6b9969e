//! The description of a world and of what happens in it: plain values, drawn by chance, and made simpler step by step.

use core::time::Duration;

use floe::Profile;
use floe::ice::Role;
use floe::sim::Dependence;

use super::dice::{Dice, mix};
use super::extras::extend;

/// A world, two ends, and what befalls them.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Of the world: losses, delays, the agents' own chance.
    pub seed: u64,
    pub ends: [End; 2],
    pub servers: Vec<Server>,
    pub shared: Shared,
    pub signalling: Signal,
    /// What happens, so long after the session was first settled.
    pub events: Vec<(Duration, Happening)>,
    /// How late deadlines are served.
    pub lateness: Duration,
    /// Whether timeouts are handled that are not due.
    pub nudging: bool,
    /// How long it goes on once nothing happens any more.
    pub steady: Duration,
    pub hostile: Option<Hostile>,
}

/// One end.
#[derive(Clone, Debug, PartialEq)]
pub struct End {
    pub role: Role,
    pub interfaces: Vec<Interface>,
    pub setting: Setting,
    pub trickles: bool,
    pub components: u8,
    /// When it begins to signal.
    pub calls_after: Duration,
    /// Whether it uses the servers, and as what.
    pub uses: Use,
    /// How it reaches those that relay.
    pub reach: Reach,
    /// Whether its host candidates are names (mDNS).
    pub hides: bool,
}

/// A host's way to the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// Translators and firewalls, from the outermost inwards.
    pub gateways: Vec<Gateway>,
    pub families: Families,
    pub link: Line,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Families {
    V4,
    V6,
    Both,
}

impl Families {
    pub fn has(self, v4: bool) -> bool {
        self == Self::Both || (self == Self::V4) == v4
    }
}

#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gateway {
    /// `None`: a firewall.
    pub mapping: Option<Dependence>,
    pub filtering: Dependence,
    pub hairpins: bool,
    pub sequential: bool,
    pub lifetime: Duration,
    pub inbound_refresh: bool,
    pub passes: Passes,
}

/// What a gateway lets pass at all, whoever has spoken to whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Passes {
    All,
    /// No UDP.
    Tcp,
    /// Connections to port 443 alone.
    Web,
}

/// Both directions of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub latency: Duration,
    pub jitter: Duration,
    /// In thousandths.
    pub loss: u32,
    pub duplication: u32,
    pub reordering: u32,
}

impl Line {
    pub const PLAIN: Self = Self {
        latency: Duration::from_millis(5),
        jitter: Duration::ZERO,
        loss: 0,
        duplication: 0,
        reordering: 0,
    };

    /// Whether everything arrives once and in order.
    pub fn is_faithful(&self) -> bool {
        self.loss == 0 && self.jitter.is_zero() && self.duplication == 0 && self.reordering == 0
    }
}

/// How the two ends share a network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shared {
    Nothing,
    /// Their first interfaces are behind one outermost gateway: a carrier's, or a home's.
    Gateway,
    /// Their first interfaces are on one network.
    Network,
    /// The same, with link-local addresses beside the others.
    Link,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    pub relays: bool,
    /// Does not answer.
    pub dead: bool,
    pub slow: Duration,
    /// Of allocations, in seconds: the least and the most.
    pub lifetimes: (u32, u32),
    /// Nonces are stale after so long.
    pub nonces: Option<Duration>,
    /// By number: see `build`.
    pub fault: Option<u8>,
}

impl Server {
    pub fn is_sound(&self) -> bool {
        !self.dead && self.fault.is_none() && self.slow.is_zero()
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Use {
    Nothing,
    Stun,
    Turn,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    Udp,
    /// At port 443.
    Tcp,
    Both,
}

impl Reach {
    pub fn has(self, tcp: bool) -> bool {
        self == Self::Both || (self == Self::Tcp) == tcp
    }
}

/// How an agent is configured.
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    pub profile: Profile,
    pub lite: bool,
    pub consent: bool,
    pub renomination: Option<bool>,
    pub continual: Option<bool>,
    pub relay_only: bool,
    pub pacing: u64,
    pub patience: u64,
    pub backups: Option<usize>,
    pub presumes_end: bool,
    /// Answers a second to whoever has no password.
    pub answers: u32,
    /// Nominates the best pair when the search is over.
    pub settled: bool,
    /// The application nominates.
    pub manual: bool,
}

impl Setting {
    /// Whether candidates may come after their end, if the other end agrees.
    pub fn gathers_continually(&self) -> bool {
        self.continual.unwrap_or(self.profile == Profile::Mobile)
    }

    pub const PLAIN: Self = Self {
        profile: Profile::Webrtc,
        lite: false,
        consent: true,
        renomination: None,
        continual: None,
        relay_only: false,
        pacing: 50,
        patience: 500,
        backups: None,
        presumes_end: false,
        answers: 10,
        settled: false,
        manual: false,
    };

    /// Longer than three checks take that wait for one another.
    pub const SETTLED: Self = Self { settled: true, patience: 130_000, ..Self::PLAIN };
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    pub delay: Duration,
    pub jitter: Duration,
    pub ordered: bool,
}

/// What happens, to which end and interface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Happening {
    Unplug(usize, usize),
    Plug(usize, usize),
    /// The gateway of an interface restarts under another address, or only forgets.
    Reboot(usize, usize, bool),
    Restart(usize),
    RemoveBase(usize, usize),
    /// Nobody serves deadlines for so long.
    Suspend(Duration),
    Revoke(usize),
    Close(usize),
    /// A server forgets everything, or no longer answers.
    ServerRestart(usize),
    ServerVanish(usize),
    Data(usize),
    Worse(usize, Line),
    /// Another interface instead of this one, behind another gateway, or none.
    Roam(usize, usize, Option<Gateway>),
    /// The clock of an end is put back.
    SetBack(usize, Duration),
    /// An end is suspended for so long, and its clock stands still meanwhile, or goes on.
    Sleep(usize, Duration, bool),
}

/// Who is there besides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hostile {
    /// Knows addresses and sees nothing; so many datagrams at a time.
    Sprayer(u32),
    /// Sees everything and sends it again, from where it came or from elsewhere.
    Replayer(u32),
    /// The second end has the right credentials and does as it likes, every so many messages.
    Rogue(u32),
}

impl Plan {
    /// The plan that goes with a number.
    pub fn new(seed: u64, hostile: bool) -> Self {
        let number = seed ^ u64::from(hostile) << 63;
        let mut plan = Self::draw(seed, &mut Dice::new(number), hostile);
        extend(&mut plan, &mut Dice::new(mix(number)));
        plan
    }

    /// A plan by these choices.
    pub fn draw(seed: u64, dice: &mut Dice<'_>, hostile: bool) -> Self {
        let calm = dice.percent(50);
        let roles = match dice.below(10) {
            0 => [Role::Controlling; 2],
            1 => [Role::Controlled; 2],
            2..6 => [Role::Controlled, Role::Controlling],
            _ => [Role::Controlling, Role::Controlled],
        };
        let components = if dice.percent(10) { 2 } else { 1 };
        let mut ends = roles.map(|role| end(dice, role, calm, components));
        if dice.percent(6) {
            let lite = dice.below(2) as usize;
            ends[lite] = lite_end(&ends[lite], dice);
        }
        let shared = match dice.below(12) {
            0 => Shared::Gateway,
            1 => Shared::Network,
            _ => Shared::Nothing,
        };
        let servers = (0..dice.pick(&[1, 1, 1, 2])).map(|_| server(dice)).collect();
        let signalling = Signal {
            delay: dice.millis(0, 300),
            jitter: if dice.percent(30) { dice.millis(0, 500) } else { Duration::ZERO },
            ordered: dice.percent(90),
        };
        let events = events(dice, &ends);
        // Messages that overtake one another cannot tell a restart from the state before.
        let restarts = events.iter().any(|(_, happening)| matches!(happening, Happening::Restart(_)));
        // Nor can the end of candidates be told from one that is to come, where another may follow (RFC 8838 section 9 has
        // signalling keep the order).
        let continual = ends.iter().all(|end| end.setting.gathers_continually());
        let signalling = Signal { ordered: signalling.ordered || restarts || continual, ..signalling };
        let lateness = if dice.percent(5) { dice.millis(1, 400) } else { Duration::ZERO };
        let nudging = dice.percent(20);
        let steady = dice.pick(&[0, 0, 0, 0, 0, 0, 0, 7, 40, 120]);
        let hostile = hostile.then(|| match dice.below(3) {
            0 => Hostile::Sprayer(1 + dice.below(8) as u32),
            1 => Hostile::Replayer(1 + dice.below(6) as u32),
            _ => Hostile::Rogue(1 + dice.below(8) as u32),
        });
        if let Some(Hostile::Sprayer(_)) = hostile {
            // An answer to a stranger takes a draw of the line, and would make another run of it.
            ends.iter_mut().for_each(|end| end.setting.answers = 0);
        }
        let steady = Duration::from_secs(steady);
        Self { seed, ends, servers, shared, signalling, events, lateness, nudging, steady, hostile }
    }

    /// Whether everything that is sent arrives, once and in order.
    pub fn is_faithful(&self) -> bool {
        let mut interfaces = self.ends.iter().flat_map(|end| &end.interfaces);
        interfaces.all(|interface| interface.link.is_faithful())
    }

    /// Whether a candidate may be overtaken by the end of its own, and be none (RFC 8838 section 9).
    pub fn may_overtake(&self) -> bool {
        let signal = self.signalling;
        !signal.ordered && !signal.jitter.is_zero() && self.ends.iter().any(|end| end.trickles)
    }

    /// Plans with a little less in each.
    pub fn simpler(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let mut with = |change: &dyn Fn(&mut Self)| {
            let mut plan = self.clone();
            change(&mut plan);
            if plan != *self {
                all.push(plan);
            }
        };
        with(&|plan| plan.hostile = None);
        with(&|plan| plan.events.clear());
        (0..self.events.len()).for_each(|event| {
            with(&|plan| {
                plan.events.remove(event);
            })
        });
        with(&|plan| plan.servers.truncate(1));
        with(&|plan| plan.shared = Shared::Nothing);
        with(&|plan| plan.lateness = Duration::ZERO);
        with(&|plan| plan.nudging = false);
        with(&|plan| plan.steady = Duration::ZERO);
        let immediate = Signal { delay: Duration::ZERO, jitter: Duration::ZERO, ordered: true };
        with(&|plan| plan.signalling = immediate);
        for server in 0..self.servers.len() {
            with(&|plan| plan.servers[server].fault = None);
            with(&|plan| {
                let server = &mut plan.servers[server];
                (server.dead, server.slow, server.nonces) = (false, Duration::ZERO, None);
                server.lifetimes = (600, 3_600);
            });
        }
        for end in 0..2 {
            with(&|plan| plan.ends[end].setting = Setting::PLAIN);
            with(&|plan| plan.ends[end].calls_after = Duration::ZERO);
            with(&|plan| plan.ends[end].trickles = true);
            with(&|plan| plan.ends[end].uses = Use::Nothing);
            with(&|plan| plan.ends[end].reach = Reach::Udp);
            with(&|plan| plan.ends[end].hides = false);
            with(&|plan| plan.ends.iter_mut().for_each(|end| end.components = 1));
            for index in 0..self.ends[end].interfaces.len() {
                with(&|plan| plan.ends[end].interfaces[index].link = Line::PLAIN);
                with(&|plan| {
                    plan.ends[end].interfaces[index].gateways.pop();
                });
                with(&|plan| {
                    let gateways = plan.ends[end].interfaces[index].gateways.iter_mut();
                    gateways.for_each(|gateway| gateway.passes = Passes::All);
                });
                with(&|plan| plan.ends[end].interfaces[index].families = Families::V4);
                if self.ends[end].interfaces.len() > 1 {
                    with(&|plan| drop(plan.ends[end].interfaces.remove(index)));
                }
            }
        }
        all
    }
}

fn end(dice: &mut Dice<'_>, role: Role, calm: bool, components: u8) -> End {
    let count = dice.pick(&[1, 1, 1, 2, 2, 3]);
    End {
        role,
        interfaces: (0..count).map(|_| interface(dice, calm)).collect(),
        setting: setting(dice),
        trickles: dice.percent(80),
        components,
        calls_after: if dice.percent(30) { dice.millis(0, 2_000) } else { Duration::ZERO },
        uses: dice.pick(&[Use::Nothing, Use::Stun, Use::Stun, Use::Turn]),
        reach: Reach::Udp,
        hides: false,
    }
}

/// A lite agent is public, and alone with its one address.
fn lite_end(end: &End, dice: &mut Dice<'_>) -> End {
    let families = dice.pick(&[Families::V4, Families::V4, Families::V6, Families::Both]);
    let link = end.interfaces[0].link;
    let interfaces = [Interface { gateways: Vec::new(), families, link }].into();
    let setting = Setting { lite: true, relay_only: false, ..end.setting };
    End { interfaces, setting, uses: Use::Nothing, ..end.clone() }
}

fn interface(dice: &mut Dice<'_>, calm: bool) -> Interface {
    let depth = dice.pick(&[0, 0, 1, 1, 1, 1, 2]);
    Interface {
        gateways: (0..depth).map(|_| gateway(dice)).collect(),
        families: dice.pick(&[Families::V4, Families::V4, Families::V4, Families::V6, Families::Both]),
        link: line(dice, calm),
    }
}

pub fn gateway(dice: &mut Dice<'_>) -> Gateway {
    const KINDS: [Dependence; 3] =
        [Dependence::EndpointIndependent, Dependence::AddressDependent, Dependence::AddressAndPortDependent];
    let usual = dice.percent(50);
    let mapping = if usual { Dependence::EndpointIndependent } else { dice.pick(&KINDS) };
    Gateway {
        mapping: dice.percent(92).then_some(mapping),
        filtering: dice.pick(&KINDS),
        hairpins: dice.percent(40),
        sequential: dice.percent(30),
        lifetime: Duration::from_secs(dice.pick(&[120, 120, 120, 60, 30, 300])),
        inbound_refresh: dice.percent(40),
        passes: Passes::All,
    }
}

fn line(dice: &mut Dice<'_>, calm: bool) -> Line {
    let latency = dice.millis(0, 60);
    if calm {
        return Line { latency, ..Line::PLAIN };
    }
    Line {
        latency: if dice.percent(10) { dice.millis(60, 400) } else { latency },
        jitter: if dice.percent(50) { dice.millis(0, 80) } else { Duration::ZERO },
        loss: if dice.percent(60) { dice.below(120) as u32 } else { 0 },
        duplication: if dice.percent(30) { dice.below(80) as u32 } else { 0 },
        reordering: if dice.percent(30) { dice.below(80) as u32 } else { 0 },
    }
}

fn server(dice: &mut Dice<'_>) -> Server {
    Server {
        relays: dice.percent(60),
        dead: dice.percent(6),
        slow: if dice.percent(10) { dice.millis(1, 1_500) } else { Duration::ZERO },
        lifetimes: dice.pick(&[(600, 3_600), (600, 3_600), (60, 60), (120, 300)]),
        nonces: dice.percent(15).then(|| dice.millis(1_000, 60_000)),
        fault: dice.percent(12).then(|| dice.below(24) as u8),
    }
}

fn setting(dice: &mut Dice<'_>) -> Setting {
    if dice.percent(40) {
        return Setting::PLAIN;
    }
    Setting {
        profile: dice.pick(&[Profile::Webrtc, Profile::Rfc8445, Profile::ServerIdle, Profile::Mobile]),
        lite: false,
        consent: dice.percent(90),
        renomination: dice.percent(20).then(|| dice.percent(50)),
        continual: dice.percent(20).then(|| dice.percent(50)),
        relay_only: dice.percent(6),
        pacing: dice.pick(&[50, 50, 50, 5, 20, 100]),
        patience: dice.pick(&[500, 500, 500, 0, 2_000]),
        backups: dice.percent(20).then(|| dice.below(4) as usize),
        presumes_end: dice.percent(10),
        answers: dice.pick(&[10, 10, 0]),
        settled: false,
        manual: false,
    }
}

fn events(dice: &mut Dice<'_>, ends: &[End; 2]) -> Vec<(Duration, Happening)> {
    if dice.percent(65) {
        return Vec::new();
    }
    let (mut at, mut restarted_at) = (Duration::ZERO, Duration::ZERO);
    let count = 1 + dice.below(5);
    (0..count)
        .map(|_| {
            at += dice.pick(&[Duration::ZERO, dice.clone().millis(0, 900), dice.clone().millis(0, 20_000)]);
            let end = dice.below(2) as usize;
            let interface = dice.below(ends[end].interfaces.len() as u64) as usize;
            let happening = match dice.below(20) {
                0..3 => Happening::Unplug(end, interface),
                3..5 => Happening::Plug(end, interface),
                5..8 => Happening::Reboot(end, interface, dice.percent(50)),
                8..12 => Happening::Restart(end),
                12 => Happening::RemoveBase(end, interface),
                13 => Happening::Suspend(dice.millis(100, 60_000)),
                14 => Happening::Revoke(end),
                15 => Happening::Close(end),
                16 => Happening::ServerRestart(dice.below(2) as usize),
                17 => Happening::ServerVanish(dice.below(2) as usize),
                18 => Happening::Worse(end, line(dice, false)),
                _ => Happening::Data(end),
            };
            if matches!(happening, Happening::Restart(_)) {
                // Restarts that cross have to be sorted out by the signalling (rollback), which there is none of here.
                at = at.max(restarted_at);
                restarted_at = at + RESTARTS_APART;
            }
            (at, happening)
        })
        .collect()
}

/// Longer than it takes both ends to gather, one after the other, and to signal.
const RESTARTS_APART: Duration = Duration::from_secs(25);
