//! A name of the peer's is asked for, and resolved (draft-ietf-mmusic-mdns-ice-candidates section 3.2).

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::agent::ends::matches;
use crate::agent::stats::count;
use crate::agent::stream::RemoteGathering;
use crate::agent::{Agent, Error, Event, Output};
use crate::ice::local::LocalCandidate;
use crate::ice::pair::CandidatePair;
use crate::ice::remote::{Added, RemoteCandidates};
use crate::ice::unresolved::{NameLimits, Named, NamedCandidate};
use crate::ice::{
    AddressError, CandidateAddress, CandidateId, CandidateKind, MdnsName, StreamId, admit_peer_address,
};
use crate::net::Path;
use crate::time::{Deadline, Timestamp};

impl Agent {
    /// The answer to [`Event::Resolve`]: the one address of the name, or `None` if it has none, or several.
    ///
    /// The candidates with the name are paired then, as if they had been signalled with the address. An answer that is
    /// late (5 s), or that nobody waits for since the stream was restarted or closed or the candidate removed, changes
    /// nothing.
    pub fn handle_resolved(&mut self, now: Timestamp, id: CandidateId, address: Option<IpAddr>) {
        if self.begin(now).is_err() {
            return;
        }
        self.give_up_names();
        // mdns-process-6
        let asked = self.streams.iter_mut().find(|stream| stream.unresolved.asks(id));
        if let Some((stream, waiting)) = asked.map(|stream| (stream.id, stream.unresolved.answer(id))) {
            for named in waiting {
                self.resolve(stream, named, address);
            }
            self.withdraw_questions();
        }
        self.settle();
    }

    /// Takes a candidate with a name that is not known yet.
    pub(super) fn accept_named(
        &mut self,
        stream: StreamId,
        named: NamedCandidate,
        name: MdnsName,
    ) -> Result<CandidateId, Error> {
        // mdns-process-5: any other name may be that of a printer. mdns-process-2: a relay would learn what the name hides.
        if !name.is_uuid() || self.config.relay_only {
            return Err(Error::CandidateName);
        }
        if named.candidate.address().port() == 0 {
            return Err(Error::Address(AddressError::Port));
        }
        let (now, limits, id) = (self.now, &self.config.limits, named.id);
        let limits = NameLimits {
            live: limits.remote_candidates,
            accepted: limits.remote_candidates_total,
            asked: limits.names,
        };
        let known = self.stream_mut(stream)?;
        let added = known.unresolved.add(now, named, limits).map_err(|_| Error::Limit)?;
        if let Named::Known(known) = added {
            return Ok(known);
        }
        if known.remote_gathering == RemoteGathering::Complete {
            // Its end will be said again.
            known.remote_gathering = RemoteGathering::Reopened;
        }
        if added == Named::Asked {
            self.emit(Event::Resolve { id, name });
        }
        Ok(id)
    }

    /// A candidate whose name stands for `address` is one like any other, or of no use (mdns-process-3).
    fn resolve(&mut self, stream: StreamId, named: NamedCandidate, address: Option<IpAddr>) {
        let port = named.candidate.address().port();
        let address = address.and_then(|ip| admit_peer_address(SocketAddr::new(ip, port)).ok());
        let added = address.and_then(|address| self.add_resolved(stream, &named, address));
        match added {
            Some(Added::New(id)) => self.pair_remotes(stream, &[id]),
            Some(Added::Known(id)) if id == named.id => {}
            Some(Added::Replaced(id)) => {
                self.refresh_remote(stream, id);
                self.drop_unmatched(stream, id);
                self.pair_remotes(stream, &[id]);
            }
            // It was signalled with the address as well.
            Some(Added::Known(_) | Added::Revealed { .. }) => self.ignore_named(stream, named),
            None => {
                count(&mut self.stats.others().names_unresolved);
                self.ignore_named(stream, named);
            }
        }
    }

    /// The peer's check may have been here first: then what it has taught is the candidate that the application knows, and
    /// its pairs stay (L-61, mdns-process-8).
    fn add_resolved(
        &mut self,
        stream: StreamId,
        named: &NamedCandidate,
        address: SocketAddr,
    ) -> Option<Added> {
        let (limits, transport) = (self.remote_limits(), named.candidate.transport());
        let known = self.stream_mut(stream).ok()?;
        let (component, id) = (named.component, named.id);
        let learned = known.remotes.at(component, transport, address);
        let learned = learned.filter(|known| known.candidate.kind() == CandidateKind::PeerReflexive);
        if let Some(old) = learned.map(|learned| learned.id) {
            known.remotes.rename(old, id);
            let valid = known.valid.pairs_mut().filter(|pair| pair.remote == old);
            valid.for_each(|pair| pair.remote = id);
            if let Some(list) = self.lists.list_mut(stream) {
                let listed = list.pairs_mut().filter(|pair| pair.remote == old);
                listed.for_each(|pair| pair.remote = id);
            }
        }
        let kin = self.kin_of(id, &named.candidate);
        let known = self.stream_mut(stream).ok()?;
        known.remotes.add((id, kin), component, address, named.candidate.clone(), &limits).ok()
    }

    /// Pairs that were made before it was known that a name hides the address (mdns-privacy-1). Where the peer's own check has
    /// come from, it has shown itself: that pair stays, for it may be the one that the peer has nominated.
    fn drop_unmatched(&mut self, stream: StreamId, id: CandidateId) {
        let Some(known) = self.stream(stream) else { return };
        let Some(theirs) = known.remotes.get(id).cloned() else { return };
        let is_match = |ours: &&LocalCandidate| matches(ours, &theirs);
        let matching: Vec<CandidateId> = known.locals.iter().filter(is_match).map(|ours| ours.id).collect();
        let heard: Vec<Path> = known.authenticated.iter().map(|known| known.path).collect();
        self.drop_pairs(stream, |pair: &CandidatePair| {
            pair.remote == id && !matching.contains(&pair.local) && !heard.contains(&pair.path)
        });
    }

    fn ignore_named(&mut self, stream: StreamId, named: NamedCandidate) {
        if let Ok(known) = self.stream_mut(stream) {
            known.unresolved.ignore(named);
        }
    }

    /// Gives up the names that nobody has resolved in time.
    pub(super) fn give_up_names(&mut self) {
        let now = self.now;
        let given_up: usize = self.streams.iter_mut().map(|stream| stream.unresolved.give_up(now)).sum();
        if given_up > 0 {
            let given_up = u32::try_from(given_up).unwrap_or(u32::MAX);
            let unresolved = &mut self.stats.others().names_unresolved;
            *unresolved = unresolved.saturating_add(given_up);
            self.withdraw_questions();
        }
    }

    /// A question that is still queued is not asked any more when nobody waits for the answer.
    pub(super) fn withdraw_questions(&mut self) {
        let streams = &self.streams;
        self.outputs.retain(|output| match output {
            Output::Event(Event::Resolve { id, .. }) => {
                streams.iter().any(|stream| stream.unresolved.asks(*id))
            }
            Output::Event(_) | Output::Transmit(_) | Output::Connect(_) | Output::Disconnect(_) => true,
        });
    }

    pub(super) fn name_deadlines(&self, deadline: &mut Deadline) {
        for stream in &self.streams {
            stream.unresolved.deadlines(deadline);
        }
    }
}

/// Where a candidate is: its address, or what its name was resolved to for another candidate.
pub(super) fn address_of(
    known: &RemoteCandidates,
    candidate: &CandidateAddress,
) -> Result<SocketAddr, MdnsName> {
    match candidate {
        CandidateAddress::Ip(address) => Ok(*address),
        CandidateAddress::Name(name, port) => {
            let resolved = known.address_of(name).ok_or_else(|| name.clone())?;
            Ok(SocketAddr::new(resolved, *port))
        }
    }
}
