//! Relays at work: TURN servers are asked, their answers become candidates, and datagrams go by way of them (RFC 8445
//! sections 5.1.1.2 and 7.2.1, RFC 8656).

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::agent::stream::Stream;
use crate::agent::{Agent, Ignored, Output, Received, ServerError, StreamState, stream_of};
use crate::entropy::{Purpose, Seed};
use crate::gather::{Account, BaseEntry, Origin, Relay, RelayId, RelayState};
use crate::ice::checklist::CheckList;
use crate::ice::elsewhere::Elsewhere;
use crate::ice::local::LocalCandidate;
use crate::ice::{
    BaseId, Candidate, CandidateKind, ComponentId, FoundationKey, PairId, Priority, StreamId, TypePreferences,
};
use crate::net::{Path, Transport, canonical, is_sendable, unscoped};
use crate::turn::{self, Allocated, Client};

impl Agent {
    /// Uses the slot that a relay has waited for: to ask for its connection, or for its allocation.
    pub(super) fn serve_relay(&mut self, id: RelayId) -> bool {
        let now = self.now;
        let Some(relay) = self.gatherer.relays.get_mut(id) else { return false };
        if let Some(client) = relay.client_mut() {
            client.grant(now);
            return true;
        }
        let (moved, server, path) = (relay.moves > 0, relay.server, relay.socket_path);
        let Some(server) = self.gatherer.server(server) else { return false };
        // A server that was added twice, or that another agent asks from the same socket, would take the second allocation
        // for the first one.
        let taken = self.gatherer.shares_sockets || self.gatherer.relays.on(&path).is_some();
        if server.wants_connection() || moved || taken {
            self.ask_for_connection(id, path)
        } else {
            self.open_relay(id, path) && self.serve_relay(id)
        }
    }

    /// There is a path to the server: the client takes over.
    pub(super) fn open_relay(&mut self, id: RelayId, path: Path) -> bool {
        let now = self.now;
        let seed = Seed::from(self.entropy.bytes(Purpose::Relays));
        let Some(server) = self.gatherer.relays.get(id).and_then(|relay| self.gatherer.server(relay.server))
        else {
            return false;
        };
        let Some(Ok(credential)) = server.account().map(Account::credential) else { return false };
        let config = turn::Config::new(credential).families(turn::Families::Both);
        let mut client = Client::new(config.rto(self.gathering_rto()).paced(true), path, seed);
        // Nothing has gone wrong with this client yet.
        let _ = client.allocate(now);
        if let Some(relay) = self.gatherer.relays.get_mut(id) {
            relay.state = RelayState::Open(client.into());
        }
        true
    }

    /// Takes what the relays have to say.
    pub(super) fn serve_relays(&mut self) {
        if self.gatherer.relays.is_empty() {
            return;
        }
        let ids: Vec<RelayId> = self.gatherer.relays.iter().map(|relay| relay.id).collect();
        for id in ids {
            while let Some(output) = self.gatherer.relays.get_mut(id).and_then(Relay::poll_output) {
                match output {
                    turn::Output::Transmit(transmit) => {
                        self.stats.transmitted += 1;
                        self.outputs.push_back(Output::Transmit(transmit));
                    }
                    turn::Output::Event(event) => self.handle_relay_event(id, event),
                }
            }
        }
    }

    fn handle_relay_event(&mut self, id: RelayId, event: turn::Event) {
        match event {
            turn::Event::Allocated(allocated) => self.add_relayed(id, &allocated),
            // The server still knows it: gathering need not wait for another one.
            turn::Event::Refreshed { .. } => {
                self.gatherer.relays.get_mut(id).into_iter().for_each(|relay| relay.awaited_until = None);
            }
            turn::Event::Refused { peer, .. } => self.drop_refused(id, peer),
            turn::Event::Failed(failure) => self.end_relay(id, failure),
            turn::Event::Lost(failure) => self.lose_relay(id, failure),
            turn::Event::Released => self.forget_relay(id),
            // A permission lets the checks go that have waited for it, and a channel makes another route; the rest changes
            // nothing for ICE.
            _ => {}
        }
    }

    /// An allocation yields relayed candidates, and a server-reflexive one (rfc8445-5.1.1.2-7).
    fn add_relayed(&mut self, id: RelayId, allocated: &Allocated) {
        let (relayed, mapped) = ([Some(allocated.relayed), allocated.second], allocated.mapped);
        let Some(relay) = self.gatherer.relays.get_mut(id) else { return };
        (relay.awaited_until, relay.granted_at) = (None, Some(self.now));
        let (base, server, connected) = (relay.base, relay.server, relay.connected);
        let Some(entry) = self.gatherer.base(base).cloned() else { return };
        if !connected {
            self.add_server_reflexive(base, server, mapped);
        }
        for address in relayed.into_iter().flatten() {
            self.add_relayed_candidate(id, &entry, unscoped(canonical(address)), mapped);
        }
    }

    fn add_relayed_candidate(
        &mut self,
        id: RelayId,
        parent: &BaseEntry,
        relayed: SocketAddr,
        mapped: SocketAddr,
    ) {
        let (limit, component) = (self.config.limits.local_candidates, parent.component);
        let Some(relay) = self.gatherer.relays.get(id) else { return };
        let (Some(server), rank) =
            (self.gatherer.server(relay.server), self.gatherer.server_rank(relay.server))
        else {
            return;
        };
        let (address, transport, kind) = (server.address(), server.transport(), CandidateKind::Relayed);
        let Some(stream) = self.stream(component.stream()) else { return };
        // rfc8445-5.1.1.2-10
        let is_ours = self.gatherer.bases().any(|entry| entry.base.local() == relayed);
        if !is_sendable(relayed) || is_ours || stream.is_closed() || stream.locals.len() >= limit {
            return;
        }
        // rfc8445-5.1.2.2-2, L-60: in the order of the servers, of one server the family it is reached by first.
        let other_family = usize::from(relayed.is_ipv4() != address.is_ipv4());
        let below = u16::try_from(rank.saturating_mul(2).saturating_add(other_family)).unwrap_or(u16::MAX);
        let preference = stream.locals.free_preference(component, kind, TOP_PREFERENCE.saturating_sub(below));
        let key = FoundationKey { kind, base: relayed.ip(), server: Some(address.ip()), transport };
        let (kin, foundation) = self.foundations.of_paired(key);
        let base_id = BaseId::from_raw(self.ids.base);
        self.ids.base += 1;
        let base = parent.base.relayed(relayed);
        let priority = Priority::of(TypePreferences::default().of(kind), preference, component.number());
        // L-59: whatever leads to the server, peers are reached over UDP.
        let candidate =
            Candidate::new(kind, component.number(), Transport::Udp, relayed, priority, foundation);
        // Who wants relays only does not want it to be known where they are used from.
        let hides = self.config.relay_only || parent.base.is_hidden();
        let candidate = if hides { candidate } else { candidate.with_related(mapped) };
        let candidate = base.describe(candidate);
        self.gatherer.add_relayed(BaseEntry {
            id: base_id,
            component,
            base,
            origin: Origin::Relay(id),
            preference,
        });
        self.drop_pairs_with_ourselves();
        let id = self.next_candidate_id();
        let (base_at, signalled) = (Elsewhere::new(&candidate, relayed), false);
        self.announce(LocalCandidate {
            id,
            stream: component.stream(),
            base: base_id,
            base_at,
            candidate,
            kin,
            signalled,
        });
    }

    /// The server lets nobody talk to that peer: pairs with it are out of the question, and nothing else is (L-53).
    fn drop_refused(&mut self, id: RelayId, peer: IpAddr) {
        let Some(component) = self.gatherer.relays.get(id).map(|relay| relay.component) else { return };
        let ours: Vec<SocketAddr> = self.gatherer.relayed_by(id).map(|entry| entry.base.local()).collect();
        self.drop_pairs(component.stream(), |pair| {
            pair.valid.is_none() && pair.path.remote().ip() == peer && ours.contains(&pair.path.local())
        });
    }

    /// No allocation has come about.
    fn end_relay(&mut self, id: RelayId, failure: turn::Failure) {
        let limit = self.now + self.config.gathering_limit;
        let Some(relay) = self.gatherer.relays.get(id) else { return };
        // rfc8656-7.4-7
        let moves = failure == turn::Failure::Mismatch && relay.moves < MOVES_MAX;
        // rfc8489-6.2.2-7: a connection that has served and does no more; once, until the next one has served.
        let has_served = relay.awaited_until.is_none();
        let reconnects = failure == turn::Failure::Timeout && has_served && relay.connected;
        if moves || reconnects {
            self.disconnect_from(id);
            if let Some(relay) = self.gatherer.relays.get_mut(id) {
                (relay.state, relay.connected) = (RelayState::Queued, false);
                relay.moves += u8::from(moves);
                relay.awaited_until = relay.awaited_until.or(Some(limit));
            }
            return;
        }
        let (base, component, server) = (relay.base, relay.component, relay.server);
        self.forget_relay(id);
        self.fail_server(server, base, failure.into());
        // rfc8445-5.1.1.2-8: no room for an allocation, but a mapped address costs nothing.
        let path = self.gatherer.server(server).zip(self.gatherer.base(base)).and_then(|(server, entry)| {
            server.path_from(&entry.base).filter(|_| {
                matches!(failure, turn::Failure::Refused(486 | 508)) && !server.wants_connection()
            })
        });
        if let Some(path) = path {
            self.gatherer.ask_for_binding((base, component), server, path, limit);
        }
    }

    /// An allocation is gone, with its candidates and pairs. Where candidates may still be signalled, another is asked for.
    fn lose_relay(&mut self, id: RelayId, failure: turn::Failure) {
        let now = self.now;
        self.remove_bases_where(|entry| entry.origin == Origin::Relay(id));
        let Some(relay) = self.gatherer.relays.get(id) else { return };
        let (server, base, component) = (relay.server, relay.base, relay.component);
        self.fail_server(server, base, failure.into());
        let wanted =
            self.stream(component.stream()).is_some_and(|stream| stream.is_continual() || !is_over(stream));
        // The client takes its time, and refuses what would be refused.
        let client = self.gatherer.relays.get_mut(id).and_then(Relay::client_mut).filter(|_| wanted);
        if client.is_none_or(|client| client.allocate(now).is_err()) {
            self.forget_relay(id);
        }
    }

    /// Takes a relay out, with its candidates, and closes its connection.
    pub(super) fn forget_relay(&mut self, id: RelayId) {
        self.remove_bases_where(|entry| entry.origin == Origin::Relay(id));
        self.disconnect_from(id);
        self.gatherer.relays.remove(|relay| relay.id == id);
    }

    /// Lets go of the relays that `gone` picks: their candidates go at once, and the server is told. `false` if there are none.
    pub(super) fn release_relays_where(&mut self, gone: impl Fn(&Relay) -> bool) -> bool {
        let ids: Vec<RelayId> =
            self.gatherer.relays.iter().filter(|relay| gone(relay)).map(|relay| relay.id).collect();
        for id in &ids {
            self.remove_bases_where(|entry| entry.origin == Origin::Relay(*id));
            let now = self.now;
            let Some(relay) = self.gatherer.relays.get_mut(*id) else { continue };
            if !relay.release(now) {
                self.forget_relay(*id);
            }
        }
        !ids.is_empty()
    }

    /// Takes leave of the relays that `gone` picks while there still is a path to do so: the server is told once.
    pub(super) fn leave_relays_where(&mut self, gone: impl Fn(&Relay) -> bool) {
        self.release_relays_where(&gone);
        self.serve_relays();
        let ids: Vec<RelayId> =
            self.gatherer.relays.iter().filter(|relay| gone(relay)).map(|relay| relay.id).collect();
        for id in ids {
            self.forget_relay(id);
        }
    }

    /// rfc8445-8.3.1-1, rfc8445-8.3.1-3: a relay that nothing can lead back to is kept three seconds longer, and released.
    /// While the nomination may still move, or candidates may still be signalled, it is a backup (L-33). `false` if there is
    /// none.
    pub(super) fn release_idle_relays(&mut self) -> bool {
        if self.gatherer.relays.is_empty() {
            return false;
        }
        let (now, streams) = (self.now, &self.streams);
        let used: Vec<RelayId> = streams
            .iter()
            .flat_map(Stream::paths_in_use)
            .filter_map(|path| {
                let Origin::Relay(id) = self.gatherer.base_of(&path)?.origin else { return None };
                Some(id)
            })
            .collect();
        for relay in self.gatherer.relays.iter_mut() {
            let over = |stream: &Stream| is_over(stream) && !stream.renominates() && !stream.is_continual();
            let over = stream_of(streams, relay.component).is_none_or(over);
            let idle = over && relay.client().is_some() && !used.contains(&relay.id);
            relay.release_at = if idle { relay.release_at.or(Some(now + RELEASED_AFTER)) } else { None };
        }
        self.release_relays_where(|relay| relay.release_at.is_some_and(|at| at <= now))
    }

    /// Permissions for addresses that no pair leads to any more run out: of candidates that the peer has withdrawn, of pairs
    /// that another one was selected over, of a generation that has ended.
    pub(super) fn forget_unused_peers(&mut self) {
        let (now, gatherer) = (self.now, &self.gatherer);
        if gatherer.relays.iter().all(|relay| relay.client().is_none()) {
            return;
        }
        let listed = self.streams.iter().filter_map(|stream| self.lists.list(stream.id));
        let listed = listed.flat_map(CheckList::pairs).map(|pair| pair.path);
        let valid = self.streams.iter().flat_map(Stream::valid_paths);
        let used: Vec<(RelayId, IpAddr)> = listed
            .chain(valid)
            .filter_map(|path| match gatherer.base_of(&path)?.origin {
                Origin::Relay(id) => Some((id, unscoped(path.remote()).ip())),
                Origin::Socket => None,
            })
            .collect();
        for relay in self.gatherer.relays.iter_mut() {
            let id = relay.id;
            let Some(client) = relay.client_mut() else { continue };
            let unused: Vec<IpAddr> =
                client.permitted().filter(|peer| !used.contains(&(id, *peer))).collect();
            unused.into_iter().for_each(|peer| client.forget(now, peer));
        }
    }

    /// What the relays have to do as time passes.
    pub(super) fn handle_relay_timeout(&mut self) {
        let now = self.now;
        let mut late = Vec::new();
        for relay in self.gatherer.relays.iter_mut() {
            relay.handle_timeout(now);
            if relay.awaited_until.is_some_and(|until| until <= now) {
                // What has been granted is not given up for an answer that is late.
                match relay.is_allocated() {
                    true => relay.awaited_until = None,
                    false => late.push((relay.id, relay.server, relay.base)),
                }
            }
        }
        self.serve_relays();
        for (id, server, base) in late {
            // It may have answered at the last moment.
            if self.gatherer.relays.get(id).is_some_and(|relay| relay.awaited_until.is_some()) {
                self.forget_relay(id);
                self.fail_server(server, base, ServerError::Timeout);
            }
        }
    }

    /// A datagram on the path to a server, other than ChannelData: a message of the server's, or one that shares the path.
    pub(super) fn handle_from_server<'d>(
        &mut self,
        id: RelayId,
        path: Path,
        datagram: &'d [u8],
    ) -> Received<'d> {
        let now = self.now;
        let Some(client) = self.gatherer.relays.get_mut(id).and_then(Relay::any_client_mut) else {
            return self.handle_direct(&path, datagram);
        };
        match client.handle_datagram(now, path, datagram) {
            turn::Received::Control => {
                self.settle();
                Received::Control
            }
            turn::Received::Data { peer, payload } => self.handle_relayed(id, peer, payload),
            // From this path may also come the answers of the same server to other questions.
            turn::Received::Ignored(
                turn::Ignored::Foreign | turn::Ignored::Unasked | turn::Ignored::Unexpected,
            ) => self.handle_direct(&path, datagram),
            turn::Received::Ignored(reason) => {
                // Over a connection a forged answer ends its request (rfc8489-9.1.4-3). Nothing else that is not the server's
                // has anything done, not even what is overdue.
                if reason == turn::Ignored::Unauthenticated && path.transport() == Transport::Tcp {
                    self.settle();
                }
                self.ignore(Ignored::Relay)
            }
        }
    }

    /// The client by which datagrams leave from `path`, if that begins at a relayed address.
    pub(super) fn relay_of(&mut self, path: Path) -> Option<&mut Client> {
        if self.gatherer.relays.is_empty() {
            return None;
        }
        let Origin::Relay(id) = self.gatherer.base_of(&path)?.origin else { return None };
        self.gatherer.relays.get_mut(id)?.client_mut()
    }

    /// A restart begins: why, is not known, and a relay that is no more would let all checks down in silence. Gathering waits
    /// for what the servers say, and for what is granted in its place.
    pub(super) fn doubt_relays_of(&mut self, stream: StreamId) {
        let limit = self.now + self.config.gathering_limit;
        for relay in self.gatherer.relays.iter_mut() {
            if relay.component.stream() == stream && !matches!(relay.state, RelayState::Releasing(_)) {
                relay.awaited_until = Some(limit);
            }
        }
        self.doubt_relays_where(|relay| relay.component.stream() == stream);
    }

    /// The checks of a generation that ends do not leave with the permissions that they have waited for (rfc8445-9-2).
    pub(super) fn forget_held_checks(&mut self, stream: StreamId) {
        let relays = self.gatherer.relays.iter_mut().filter(|relay| relay.component.stream() == stream);
        relays.filter_map(Relay::client_mut).for_each(Client::forget_held);
    }

    /// A check on this pair is overdue: if it leaves by a relay, that may be because the server knows nothing of the relay any
    /// more, which it says only when asked (L-49).
    pub(super) fn doubt_relay_of(&mut self, component: ComponentId, pair: PairId) {
        let target = self.stream(component.stream()).and_then(|stream| stream.upkeep_target(pair));
        let entry = target.and_then(|target| self.gatherer.base_of(&target.valid.path));
        if let Some(Origin::Relay(id)) = entry.map(|entry| entry.origin) {
            self.doubt_relays_where(|relay| relay.id == id);
        }
    }

    /// Asks the servers of the relays that `doubtful` picks whether they still are.
    fn doubt_relays_where(&mut self, doubtful: impl Fn(&Relay) -> bool) {
        let now = self.now;
        for relay in self.gatherer.relays.iter_mut().filter(|relay| doubtful(relay)) {
            if let Some(client) = relay.client_mut() {
                client.refresh(now);
            }
        }
    }

    /// Whether the peer controls and may take the first pair that works: a relay that is open before better pairs have had a
    /// check would be what it takes. The permission is then asked for with the check.
    pub(super) fn may_nominate_first(&self, stream: StreamId) -> bool {
        self.stream(stream).is_some_and(|stream| stream.may_nominate_first(self.role()))
    }

    /// rfc8445-7.2.1-1: a pair that leaves by a relay needs the server's permission for its peer.
    pub(super) fn permit(&mut self, path: Path) {
        let now = self.now;
        if let Some(client) = self.relay_of(path) {
            // Beyond its limit the client refuses; the check of the pair fails then like any other.
            let _ = client.permit(now, path.remote().ip());
        }
    }

    /// rfc8445-12.1-4, rfc8445-7.2.1-2: once selected, and not before, a pair gets a channel.
    pub(super) fn bind_channel(&mut self, path: Path) {
        let now = self.now;
        if let Some(client) = self.relay_of(path) {
            let _ = client.bind(now, path.remote());
        }
    }
}

impl Stream {
    /// The paths that carry data, or may at once.
    fn paths_in_use(&self) -> impl Iterator<Item = Path> {
        let current = self.component_ids().filter_map(|id| self.valid.route(id)).map(|pair| pair.path);
        let previous = self.previous.iter().flat_map(|previous| &previous.paths).map(|path| path.valid.path);
        current.chain(previous)
    }

    /// The paths of the valid pairs, and those that the generation before still uses.
    fn valid_paths(&self) -> impl Iterator<Item = Path> {
        let previous = self.previous.iter().flat_map(|previous| &previous.paths).map(|path| path.valid.path);
        self.valid.pairs().iter().map(|pair| pair.path).chain(previous)
    }
}

/// Whether ICE has concluded, one way or the other.
pub(super) fn is_over(stream: &Stream) -> bool {
    match stream.state {
        StreamState::New | StreamState::Checking | StreamState::Connected => false,
        // The best pair so far is in doubt: others are checked, and another one may be nominated.
        StreamState::Unconfirmed(_) => {
            stream.needed_components().all(|component| stream.is_concluded(component))
        }
        StreamState::Completed | StreamState::Lost(_) | StreamState::Failed(_) | StreamState::Closed => true,
    }
}

/// Below those of all sockets, so that what is seen by way of a relay ranks below what is seen directly (L-10).
const TOP_PREFERENCE: u16 = 62;

/// How often another path to a server is tried.
const MOVES_MAX: u8 = 2;

/// RFC 8445 section 8.3.1.
const RELEASED_AFTER: core::time::Duration = core::time::Duration::from_secs(3);
