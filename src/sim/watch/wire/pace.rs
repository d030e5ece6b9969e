//! How often and how much: Ta, consent, and what goes to whoever never answers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Kind, Leg, MINUTE, Wire};
use crate::ice::{CandidateKind, PairId};
use crate::sim::watch::decode::{PRIORITY, Packet};
use crate::{Agent, Stats, Timestamp};

/// When consent was asked for, and the valid pairs of the path, with the selected one marked.
pub(super) type Asked = (Timestamp, Vec<(PairId, bool)>);

impl Wire {
    /// INV-32: what goes to somebody who has never answered.
    pub(super) fn spend(&mut self, now: Timestamp, leg: Leg) -> Result<(), String> {
        let Some(ip) = leg.path.map(|path| path.remote().ip()) else { return Ok(()) };
        if self.responders.contains(&ip) {
            return Ok(());
        }
        let sent = self.unanswered.entry(ip).or_default();
        sent.push(now);
        if sent.len() <= UNANSWERED_MAX {
            return Ok(());
        }
        sent.retain(|at| now.saturating_since(*at) < MINUTE);
        let count = sent.len();
        if count > UNANSWERED_MAX {
            Err(format!("INV-32: {count} packets to {ip} in a minute"))
        } else {
            Ok(())
        }
    }

    /// INV-41: a pair is nominated once, and again when the nomination has been elsewhere or the peer has refused: now and then,
    /// whatever the network does.
    pub(super) fn nominates(&mut self, now: Timestamp, leg: Leg) -> Result<(), String> {
        let Some(path) = leg.path else { return Ok(()) };
        let (since, count) = self.nominations.entry(path).or_insert((now, 0));
        if now.saturating_since(*since) >= NOMINATIONS_IN {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        match *count {
            0..=NOMINATIONS_MAX => Ok(()),
            count => Err(format!("INV-41: {count} nominations in {NOMINATIONS_IN:?}, on {path:?}")),
        }
    }

    /// Sorts the checks that were new since the last quiet point into ordinary ones and those for consent.
    pub(in crate::sim::watch) fn quiet(
        &mut self,
        agent: &Agent,
        now: Timestamp,
        before: &Stats,
    ) -> Result<(), String> {
        self.pacing = agent.pacing();
        self.relays.quiet(agent, now, now < self.excused_until)?;
        let fresh = core::mem::take(&mut self.fresh);
        self.priorities(agent, &fresh)?;
        let ordinary = self.pace(agent, now, before, &fresh)?;
        self.check_triggered(agent, now, ordinary)
    }

    /// INV-43: a check has the local preference and the component of a candidate of its base.
    fn priorities(&self, agent: &Agent, fresh: &[[u8; 12]]) -> Result<(), String> {
        for request in fresh.iter().filter_map(|id| self.requests.get(id)) {
            let (Some(path), Kind::Check(place, _)) = (request.path, request.kind) else { continue };
            let Ok(Packet::Stun(check)) = Packet::read(&request.payload) else { continue };
            let ours = agent.local_candidates(place.stream).map(|(_, candidate)| candidate);
            let of_base = ours.filter(|it| it.kind() == CandidateKind::Host && it.ip() == Some(path.local()));
            let mut priorities = of_base.map(|candidate| candidate.priority().get()).peekable();
            let Some(said) = check.word(PRIORITY).filter(|_| priorities.peek().is_some()) else { continue };
            if priorities.all(|priority| (priority ^ said) & BESIDES_TYPE != 0) {
                return Err(format!("INV-43: the priority {said:#x} on {path:?}"));
            }
        }
        Ok(())
    }

    /// Which of the checks that were new are ordinary, as far as that is to be told.
    fn pace<'f>(
        &mut self,
        agent: &Agent,
        now: Timestamp,
        before: &Stats,
        fresh: &'f [[u8; 12]],
    ) -> Result<&'f [[u8; 12]], String> {
        let stats = agent.stats();
        let count = |counter: fn(&Stats) -> u32| {
            usize::try_from(counter(&stats).saturating_sub(counter(before))).unwrap_or(usize::MAX)
        };
        let checks = count(|stats| stats.checks_sent);
        let consents = count(|stats| stats.consent_checks_sent);
        // Of which request a repetition was withheld is not to be seen: the next one of each may count for two.
        if stats.checks_withheld > before.checks_withheld {
            self.requests.values_mut().for_each(|request| request.timed = false);
        }
        // What a relay holds back, or an allowance, cannot be told apart.
        let relayed = fresh.iter().any(|id| self.requests.get(id).is_some_and(|request| request.relayed));
        if relayed || stats.checks_withheld > 0 || fresh.len() != checks + consents {
            return Ok(&[]);
        }
        // INV-34
        if checks > 1 {
            return Err(format!("INV-34: {checks} new checks at once"));
        }
        let (for_consent, ordinary) = fresh.split_at(consents);
        for id in for_consent {
            let Some(request) = self.requests.get_mut(id) else { continue };
            request.consent = true;
            let (Some(path), Kind::Check(place, _)) = (request.path, request.kind) else { continue };
            // Where another pair of the same path is selected, that has a consent of its own.
            let on_path = agent.pairs(place.stream).filter(|pair| pair.is_valid() && pair.path() == path);
            let pairs: Vec<_> = on_path.map(|pair| (pair.id(), pair.is_selected())).collect();
            let last = self.consent_at.insert((path, place.generation), (now, pairs.clone()));
            // INV-29
            let is_early =
                |(last, before): &Asked| *before == pairs && now.saturating_since(*last) < CONSENT_MIN;
            if let Some((last, _)) = last.filter(is_early)
                && now >= self.excused_until
            {
                return Err(format!("INV-29: consent on {path:?} asked for {last:?} and {now:?}"));
            }
        }
        if !ordinary.is_empty() {
            // INV-08, INV-34
            if now < self.next_at {
                return Err(format!("INV-34: a new check at {now:?}, not due before {:?}", self.next_at));
            }
            self.next_at = now + agent.pacing();
        }
        if self.requests.len() > REQUESTS_MAX {
            self.requests.retain(|_, request| now.saturating_since(request.last_at) < MINUTE);
        }
        Ok(ordinary)
    }
}

/// RFC 8445 section 5.1.2.1: all but the type preference.
const BESIDES_TYPE: u32 = 0x00ff_ffff;

/// RFC 7675 section 5.1: 0.8 times 5 s.
const CONSENT_MIN: Duration = Duration::from_secs(4);

pub(super) const UNANSWERED_MAX: usize = 128;

/// A nomination moves ten times a second at most, and comes back to a pair every other time.
const NOMINATIONS_MAX: u32 = 12;
const NOMINATIONS_IN: Duration = Duration::from_secs(2);

/// More than a session has under way; those of the last minute are kept whatever their number.
const REQUESTS_MAX: usize = 8_192;

#[cfg(test)]
mod tests;
