//! A plan carried out: what happens when, and what is looked at in between.

use core::time::Duration;

use floe::ice::CandidateKind;
use floe::sim::{self, Action, Attachment, Dropped, NetworkId, NodeId};
use floe::stun::{AttributeType, Class, Message};
use floe::turn::ChannelData;
use floe::{Reason, StreamState, Timestamp};

use super::build::{Placed, Session, build, link, nat};
use super::differential;
use super::hostile::Attack;
use super::plan::{Gateway, Happening, Hostile, Plan};
use super::replay::Command;
use super::verdict;

/// What became of a session.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Outcome {
    Direct,
    Reflexive,
    Relayed,
    /// Connected, but not any more at the end.
    Lost,
    Failed,
    /// One end was closed.
    Closed,
    /// Only one end thinks so: chance or the peer has kept the other from it.
    Divided,
}

/// The outcome of a session, and a number for all that happened in it.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    pub outcome: Outcome,
    pub hash: u64,
    /// Datagrams sent, and lines of the trace.
    pub recorded: u64,
}

/// Carries out a plan.
///
/// # Panics
///
/// If anything does not hold that has to.
pub fn run(plan: &Plan) -> Report {
    let mut play = Play::new(plan);
    play.play();
    let account = matches!(plan.hostile, Some(Hostile::Sprayer(_))).then(|| play.account());
    verdict::at_the_end(&mut play);
    if let Some(account) = account {
        differential::spare(&play, &account);
    }
    if differential::is_recorded(plan) {
        differential::keeps_secrets(&play);
        differential::replay(&play);
        differential::reorder(&play);
    }
    play.report()
}

/// A session under way.
pub struct Play<'p> {
    pub plan: &'p Plan,
    pub session: Session,
    attack: Option<Attack>,
    /// Datagrams that had to be sent, or dropped, from where the interface had gone a moment ago.
    pub orphaned: u64,
    /// When both ends had come to an end of checking.
    pub settled_at: Option<Timestamp>,
    first: Outcome,
}

impl<'p> Play<'p> {
    pub fn new(plan: &'p Plan) -> Self {
        let mut session = build(plan);
        let attack = plan.hostile.and_then(|hostile| Attack::new(hostile, plan.seed, &mut session));
        Self { plan, session, attack, orphaned: 0, settled_at: None, first: Outcome::Divided }
    }

    /// Both ends take the candidates of each message from the last to the first.
    pub fn reverse_candidates(&mut self) {
        for id in self.session.ends {
            self.session.world.with(id, |actor, _| actor.reverse_candidates());
        }
    }

    /// All of it.
    pub fn play(&mut self) {
        self.search();
        let mut start = self.session.world.now();
        for (after, happening) in &self.plan.events {
            self.run_until(start + *after);
            if let Happening::Suspend(time) | Happening::Sleep(_, time, _) = happening {
                start += *time;
            }
            self.befall(*happening);
        }
        if !self.plan.events.is_empty() {
            self.run_for(AFTERMATH);
            self.settle();
        }
        self.run_for(self.plan.steady);
        if !self.plan.steady.is_zero() {
            // A server may have taken a relay back meanwhile, which the other end takes its time to notice.
            self.settle();
        }
        self.data();
    }

    /// Until both ends have found a pair or given up, or long enough.
    pub fn search(&mut self) {
        let mut calls: Vec<(Duration, usize)> =
            vec![(self.plan.ends[0].calls_after, 0), (self.plan.ends[1].calls_after, 1)];
        calls.sort();
        for (at, end) in calls {
            self.run_until(Timestamp::from(at));
            self.session.call(end);
        }
        self.settle();
        self.first = self.outcome();
        verdict::of_the_search(self);
    }

    /// Waits until both ends have found a pair or given up, or long enough.
    fn settle(&mut self) {
        let until = self.session.world.now() + PATIENCE;
        while !self.is_settled() && self.session.world.now() < until {
            let slice = self.session.world.now() + SLICE;
            self.run_until(slice.min(until));
        }
        self.settled_at = self.is_settled().then(|| self.session.world.now());
    }

    pub fn is_settled(&self) -> bool {
        self.states().iter().all(|state| {
            matches!(
                state,
                StreamState::Completed | StreamState::Failed(_) | StreamState::Closed | StreamState::Lost(_)
            )
        })
    }

    /// Whether both had completed before anything happened.
    pub fn has_connected(&self) -> bool {
        self.first < Outcome::Lost
    }

    pub fn states(&self) -> [StreamState; 2] {
        [0, 1].map(|end| self.session.peer(end).state())
    }

    pub fn run_for(&mut self, duration: Duration) {
        self.run_until(self.session.world.now() + duration);
    }

    /// Lets time pass, and the attacker do its work.
    fn run_until(&mut self, until: Timestamp) {
        while let Some(attack) = &mut self.attack {
            let now = self.session.world.now();
            let Some(strike) = attack.next_at().filter(|at| *at < until) else { break };
            self.advance(strike.saturating_since(now));
            if let Some(attack) = &mut self.attack {
                attack.strike(&mut self.session);
            }
        }
        let now = self.session.world.now();
        self.advance(until.saturating_since(now));
    }

    fn advance(&mut self, duration: Duration) {
        // Where both are settled nothing new can be settled before the end of the slice.
        let ends = self.session.ends;
        let settled = self.is_settled();
        let over = |world: &sim::World<super::actor::Actor>, id: NodeId| {
            matches!(world.node(id).peer().state(), StreamState::Completed | StreamState::Failed(_))
        };
        if settled || duration > SLICE {
            return self.session.world.run_for(duration);
        }
        // To the instant, so that times can be compared with their bounds.
        let until = self.session.world.now() + duration;
        let done = self.session.world.run_until(duration, |world| ends.iter().all(|id| over(world, *id)));
        if done.is_ok() && self.settled_at.is_none() {
            self.settled_at = Some(self.session.world.now());
        }
        let now = self.session.world.now();
        self.session.world.run_for(until.saturating_since(now));
    }

    /// Lets the application of an end do something.
    fn command(&mut self, end: usize, command: Command) {
        self.session.world.with(self.session.ends[end], |actor, now| actor.command(now, command));
    }

    fn befall(&mut self, happening: Happening) {
        let place = |session: &Session, end: usize, index: usize| session.places[end].get(index).cloned();
        let ends = self.session.ends;
        match happening {
            Happening::Unplug(end, index) | Happening::Plug(end, index) => {
                let placed = place(&self.session, end, index);
                for address in placed.iter().flat_map(|placed| &placed.addresses) {
                    let interface = (ends[end], address.ip());
                    match happening {
                        Happening::Unplug(..) => self.session.world.unplug(interface),
                        _ => self.session.world.plug(interface),
                    }
                }
            }
            Happening::Reboot(end, index, renumbered) => {
                if let Some(placed) = place(&self.session, end, index) {
                    match renumbered {
                        true => self.session.world.reboot(placed.network),
                        false => self.session.world.forget_mappings(placed.network),
                    }
                }
            }
            Happening::Restart(end) => {
                self.command(end, Command::Restart);
            }
            Happening::RemoveBase(end, index) => self.remove_base(end, index),
            Happening::Suspend(time) => {
                self.session.world.set_lateness(time);
                self.session.world.run_for(time);
                self.session.world.set_lateness(self.plan.lateness);
            }
            Happening::Revoke(end) => self.command(end, Command::Revoke),
            Happening::Close(end) => self.command(end, Command::Close),
            Happening::ServerRestart(n) | Happening::ServerVanish(n) => {
                let relays = self.plan.servers.get(n).is_some_and(|server| server.relays);
                if let Some(id) = self.session.servers.get(n).filter(|_| relays) {
                    self.session.world.with_turn_server(*id, |server, _| match happening {
                        Happening::ServerRestart(_) => server.restart(),
                        _ => server.vanish(),
                    });
                }
            }
            Happening::Data(_) => self.data(),
            Happening::Roam(end, index, gateway) => self.roam(end, index, gateway.as_ref()),
            Happening::SetBack(end, time) => self.session.world.set_back_clock(ends[end], time),
            Happening::Sleep(end, time, stands_still) => {
                let resumes_at = self.session.world.now() + time;
                self.session.world.suspend(ends[end], time);
                if stands_still {
                    self.session.world.at(resumes_at, Action::SetBackClock(ends[end], time));
                }
                self.session.world.run_for(time);
            }
            Happening::Worse(end, line) => self.session.world.set_link(ends[end], link(&line)),
        }
    }

    /// An end leaves a network for another one.
    fn roam(&mut self, end: usize, index: usize, gateway: Option<&Gateway>) {
        let (world, id) = (&mut self.session.world, self.session.ends[end]);
        let Some(place) = self.session.places[end].get_mut(index) else { return };
        let before = world.dropped(Dropped::NotLocal);
        for address in &place.addresses {
            world.remove_interface((id, address.ip()));
        }
        // An agent cannot know whether its last words, which release a relay, have a way out still.
        self.orphaned += world.dropped(Dropped::NotLocal) - before;
        let network = gateway.map(|gateway| world.add_network(NetworkId::PUBLIC, nat(gateway)));
        let network = network.unwrap_or(NetworkId::PUBLIC);
        let address = world.add_interface(id, Attachment::on(network));
        world.set_link((id, address.ip()), link(&self.plan.ends[end].interfaces[index].link));
        *place = Placed { network, addresses: vec![address] };
    }

    /// The sockets of an interface are gone.
    fn remove_base(&mut self, end: usize, index: usize) {
        let Some(placed) = self.session.places[end].get(index).cloned() else { return };
        let gone = placed.addresses.iter().map(|address| address.ip()).collect();
        self.command(end, Command::RemoveBases(gone));
    }

    /// Each end sends a little.
    fn data(&mut self) {
        for end in 0..2 {
            self.command(end, Command::Send(1, b"some data of the application".to_vec()));
        }
        self.run_for(Duration::from_millis(1));
    }

    pub fn outcome(&self) -> Outcome {
        let states = self.states();
        if states.contains(&StreamState::Closed) {
            return Outcome::Closed;
        }
        let lost = |state: &StreamState| matches!(state, StreamState::Lost(_) | StreamState::Unconfirmed(_));
        if states.iter().any(lost) {
            return Outcome::Lost;
        }
        match states {
            [StreamState::Completed, StreamState::Completed] => self.kind(),
            [StreamState::Failed(_), StreamState::Failed(_)] => Outcome::Failed,
            _ => Outcome::Divided,
        }
    }

    fn kind(&self) -> Outcome {
        let kinds = [0, 1].map(|end| {
            let peer = self.session.peer(end);
            let selected = peer.agent().pairs(peer.stream()).find(|pair| pair.is_selected());
            selected.map_or(CandidateKind::Host, |pair| pair.local().kind())
        });
        match kinds {
            [CandidateKind::Relayed, _] | [_, CandidateKind::Relayed] => Outcome::Relayed,
            [CandidateKind::Host, CandidateKind::Host] => Outcome::Direct,
            _ => Outcome::Reflexive,
        }
    }

    fn report(&self) -> Report {
        let trace = self.session.world.trace();
        let outcome = match (self.first, self.outcome()) {
            (first, Outcome::Failed | Outcome::Divided) if first < Outcome::Lost => Outcome::Lost,
            (_, now) => now,
        };
        Report { outcome, hash: trace.hash(), recorded: trace.recorded() }
    }

    /// All that both ends have said, and where they stand.
    pub fn account(&self) -> (u64, u64, String) {
        let (mut hash, mut count) = (0xcbf2_9ce4_8422_2325_u64, 0);
        let mut add = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for entry in self.session.world.trace().entries() {
            if let sim::Event::Sent { node, payload, .. } = &entry.event
                && !is_unsigned_error(payload)
            {
                count += 1;
                add(&entry.at.as_nanos().to_le_bytes());
                add(&node.as_u32().to_le_bytes());
                add(payload);
            }
        }
        let standing = [0, 1].map(|end| {
            let peer = self.session.peer(end);
            // INV-23: that answers were forged is said.
            let state = match peer.state() {
                StreamState::Failed(_) => StreamState::Failed(Reason::Timeout),
                state => state,
            };
            (state, peer.agent().role(), peer.agent().deadline(), peer.events().len())
        });
        (hash, count, format!("{standing:?}"))
    }
}

/// What somebody without a password is told, in the name of a relay too, which passes it on.
fn is_unsigned_error(payload: &[u8]) -> bool {
    Message::parse(carried(payload)).is_ok_and(|message| {
        message.class() == Class::Error && !message.contains(AttributeType::MESSAGE_INTEGRITY)
    })
}

/// What a relay is given or brings, or the datagram itself.
fn carried(payload: &[u8]) -> &[u8] {
    if let Ok(data) = ChannelData::parse(payload) {
        return data.payload();
    }
    let mut attributes = Message::parse(payload).into_iter().flat_map(|message| message.attributes());
    attributes.find(|(kind, _)| *kind == AttributeType::DATA).map_or(payload, |(_, data)| data)
}

/// How long it may take until both have found a pair or given up.
const PATIENCE: Duration = Duration::from_secs(300);

/// What has happened has its effect by then: consent is lost after 30 s.
const AFTERMATH: Duration = Duration::from_secs(45);

const SLICE: Duration = Duration::from_secs(10);
