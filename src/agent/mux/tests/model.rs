//! A list of agents that is searched from one end to the other, and a common pace.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::agent::mux::claims::{Claim, PathKey, transaction_key, ufrag_key};
use crate::agent::mux::{Mux, PlaceId};
use crate::agent::{Agent, Output, Received};
use crate::net::Path;
use crate::stun::{Class, Message, Peek};
use crate::time::Timestamp;
use core::time::Duration;

#[derive(Default)]
pub(super) struct Model {
    agents: BTreeMap<u8, Agent>,
    /// In the order in which they were made.
    claims: Vec<(Claim, u8)>,
    /// Since when who waits for leave to send something new.
    wants: BTreeMap<u8, Timestamp>,
    next_at: Timestamp,
    now: Timestamp,
}

impl Model {
    pub(super) fn insert(&mut self, key: u8, mut agent: Agent) -> bool {
        agent.gatherer.shares_sockets = true;
        let replaced = self.remove(key);
        self.agents.insert(key, agent);
        self.look_around();
        replaced
    }

    pub(super) fn remove(&mut self, key: u8) -> bool {
        let removed = self.agents.remove(&key).is_some();
        self.look_around();
        removed
    }

    pub(super) fn command(&mut self, key: u8, command: impl Fn(&mut Agent)) -> bool {
        let known = self.agents.get_mut(&key).map(command).is_some();
        self.look_around();
        known
    }

    pub(super) fn handle_datagram<'d>(
        &mut self,
        now: Timestamp,
        path: Path,
        datagram: &'d [u8],
    ) -> Option<(u8, Received<'d>)> {
        self.now = self.now.max(now);
        let key = self.find(path, datagram)?;
        let received = self.agents.get_mut(&key)?.handle_datagram(self.now, path, datagram);
        self.look_around();
        Some((key, received))
    }

    /// Of agents that are due at one instant, the order is that of their places.
    pub(super) fn handle_timeout(&mut self, now: Timestamp, mux: &Mux<u8>) {
        self.now = self.now.max(now);
        let now = self.now;
        let place = |key: &u8| mux.keys[key];
        let mut due: Vec<(Timestamp, PlaceId, u8)> =
            self.agents.iter().map(|(key, agent)| (agent.waits.timer_at, place(key), *key)).collect();
        due.retain(|(at, ..)| *at <= now);
        due.sort_unstable();
        for (_, _, key) in due {
            self.agents.get_mut(&key).unwrap().handle_timeout_with(now, false);
            self.look_around();
        }
        let mut turns: Vec<(Timestamp, PlaceId, u8)> =
            self.wants.iter().map(|(key, at)| (*at, place(key), *key)).collect();
        turns.sort_unstable();
        for (at, _, key) in turns {
            if self.next_at > now || at > now {
                break;
            }
            self.wants.remove(&key);
            if self.agents.get_mut(&key).unwrap().handle_timeout_with(now, true) {
                self.next_at = now + Duration::from_millis(5);
            }
            self.look_around();
        }
    }

    pub(super) fn outputs(&mut self) -> BTreeMap<u8, Vec<Output>> {
        let said = self
            .agents
            .iter_mut()
            .map(|(key, agent)| (*key, core::iter::from_fn(|| agent.poll_output()).collect::<Vec<_>>()));
        said.filter(|(_, outputs)| !outputs.is_empty()).collect()
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let timers = self.agents.values().map(|agent| agent.waits.timer_at);
        let turns = self.wants.values().map(|at| self.next_at.max(*at));
        timers.chain(turns).min().filter(|at| *at < Timestamp::MAX)
    }

    pub(super) fn claims(&self, mux: &Mux<u8>) -> Vec<(Claim, PlaceId)> {
        self.claims.iter().map(|(claim, key)| (*claim, mux.keys[key])).collect()
    }

    /// Sees what all agents claim and want now.
    fn look_around(&mut self) {
        let (mut now, mut out) = (Vec::new(), Vec::new());
        for (key, agent) in &self.agents {
            agent.claims(&mut out);
            out.sort_unstable();
            out.dedup();
            now.extend(out.iter().map(|claim| (*claim, *key)));
            self.now = self.now.max(agent.now);
        }
        self.claims.retain(|claim| now.contains(claim));
        for claim in now {
            if !self.claims.contains(&claim) {
                self.claims.push(claim);
            }
        }
        let agents = &self.agents;
        self.wants.retain(|key, _| agents.get(key).is_some_and(|agent| agent.waits.slot_at < Timestamp::MAX));
        for (key, agent) in agents.iter().filter(|(_, agent)| agent.waits.slot_at < Timestamp::MAX) {
            let wanted_at = self.wants.entry(*key).or_insert(agent.waits.slot_at);
            if agent.waits.slot_at > self.now {
                *wanted_at = agent.waits.slot_at;
            }
        }
    }

    fn find(&self, path: Path, datagram: &[u8]) -> Option<u8> {
        let owners = |wanted: Claim| {
            self.claims.iter().filter(move |(claim, _)| *claim == wanted).map(|(_, key)| *key)
        };
        let (route, on_path) = (Claim::Route(PathKey::of(path)), Claim::Path(PathKey::of(path)));
        let on_path = || owners(route).chain(owners(on_path)).next();
        let Some(peek) = Peek::at(datagram) else { return on_path() };
        match (peek.class, peek.username()) {
            (Class::Request, Some(username)) => {
                let ufrag = username.split(|byte| *byte == b':').next()?;
                let named: Vec<u8> = owners(Claim::Ufrag(ufrag_key(ufrag)?)).collect();
                let message = Message::parse(datagram).ok().filter(|_| named.len() > 1);
                let authentic =
                    |key: &&u8| message.is_some_and(|message| self.agents[key].is_asked_by(&message));
                named.iter().find(authentic).or_else(|| named.first()).copied()
            }
            (Class::Request | Class::Indication, _) => on_path(),
            (Class::Success | Class::Error, _) => {
                owners(Claim::Transaction(transaction_key(peek.id))).next().or_else(on_path)
            }
        }
    }
}
