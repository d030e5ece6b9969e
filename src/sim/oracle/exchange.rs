//! Who learns which address of whom: gathering, then everything sent to everything that is known, until nobody learns
//! anything new.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::plan::{Arrival, Network, Spot, is_link_local};
use super::{Help, Party};
use crate::ice::CandidateKind;
use crate::sim::gateway::Kind;
use crate::sim::node::NodeId;

/// A server as the oracle sees it.
#[derive(Clone, Debug)]
pub(in crate::sim) struct ServerPlan {
    pub(in crate::sim) node: NodeId,
    /// Where it can relay, if it does: one address of a family.
    pub(in crate::sim) relays_on: Vec<IpAddr>,
    /// To whom it does not relay.
    pub(in crate::sim) forbids: BTreeSet<IpAddr>,
}

/// One end: what it sends from, what it has signalled, and which addresses of the other end it knows.
#[derive(Debug)]
pub(super) struct End {
    number: usize,
    pub(super) bases: Vec<Base>,
    pub(super) signalled: Vec<Signalled>,
    known: Vec<Known>,
    pairs_widely: bool,
}

/// An address of the other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Known {
    spot: Spot,
    /// The base that has heard from it, if nobody has signalled it: no other is paired with it (RFC 8445 section 7.3.1.3).
    heard_at: Option<usize>,
}

/// Where an end sends from: a socket, or a relayed address.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) kind: CandidateKind,
    pub(super) spot: Spot,
    pub(super) preference: u16,
    /// Of the node itself, or of the server.
    interface: usize,
    /// Whom the server does not relay to; nobody for a socket.
    forbids: BTreeSet<IpAddr>,
}

/// A candidate as the peer is told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signalled {
    pub(super) spot: Spot,
    pub(super) base: usize,
    pub(super) kind: CandidateKind,
    pub(super) preference: u16,
}

/// Something that was sent from a base of one end and came in at a base of the other.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Flow {
    pub(super) from: (usize, usize),
    pub(super) sent_to: Spot,
    pub(super) to: (usize, usize),
    pub(super) seen_from: Spot,
}

impl End {
    /// An end with what its servers tell it and lend it (RFC 8445 section 5.1.1).
    pub(super) fn gather(
        number: usize,
        party: &Party,
        servers: &[ServerPlan],
        network: &mut Network,
    ) -> Self {
        let (bases, signalled, known) = (Vec::new(), Vec::new(), Vec::new());
        let mut end = Self { number, bases, signalled, known, pairs_widely: party.pairs_widely };
        for (address, preference) in &party.bases {
            let Some(interface) = network.interface_of(party.node, address.ip()) else { continue };
            let (kind, spot, forbids) = (CandidateKind::Host, (*address).into(), BTreeSet::new());
            end.signalled.push(Signalled { spot, base: end.bases.len(), kind, preference: *preference });
            end.bases.push(Base { kind, spot, preference: *preference, interface, forbids });
        }
        for base in 0..end.bases.len() {
            for (rank, (server, help)) in (0_u16..).zip(&party.servers) {
                end.ask(base, (rank, *server), *help, servers, network);
            }
        }
        if party.relay_only {
            end.signalled.retain(|candidate| candidate.kind == CandidateKind::Relayed);
        }
        end
    }

    /// Asks one server from one base.
    fn ask(
        &mut self,
        index: usize,
        (rank, server): (u16, SocketAddr),
        help: Help,
        servers: &[ServerPlan],
        network: &mut Network,
    ) {
        let Some(base) = self.bases.get(index).cloned() else { return };
        if !may_meet(base.spot.ip, server.ip()) {
            return;
        }
        let (there, back) = match help {
            Help::RelayOverTcp => (Kind::Opening, Kind::Segment),
            Help::MappedAddress | Help::Relay => (Kind::Datagram, Kind::Datagram),
        };
        let Some(there) = network.send(there, base.interface, base.spot, server.into()) else { return };
        let known = |known: &&ServerPlan| Some(known.node) == network.node_at(there.interface);
        let Some(plan) = servers.iter().find(known).cloned() else { return };
        let back = network.send(back, there.interface, there.destination, there.source);
        let answered = back.is_some_and(|back| {
            (back.interface, back.destination, back.source) == (base.interface, base.spot, server.into())
        });
        if !answered {
            return;
        }
        let mapped = there.source;
        // RFC 8445 section 5.1.3: same base, same address. What a connection shows is no address of the socket.
        let is_known = self.signalled.iter().any(|known| known.base == index && known.spot == mapped);
        if !is_known && help != Help::RelayOverTcp {
            let kind = CandidateKind::ServerReflexive;
            let preference = base.preference.saturating_sub(rank);
            self.signalled.push(Signalled { spot: mapped, base: index, kind, preference });
        }
        if help != Help::MappedAddress {
            self.relay((rank, server), &plan, network);
        }
    }

    /// Takes the relayed addresses that a server lends.
    fn relay(&mut self, (rank, server): (u16, SocketAddr), plan: &ServerPlan, network: &Network) {
        for ip in &plan.relays_on {
            let Some(interface) = network.interface_of(plan.node, *ip) else { continue };
            let (kind, base) = (CandidateKind::Relayed, self.bases.len());
            let spot = Spot::relayed(*ip, self.number, base);
            let other_family = u16::from(ip.is_ipv4() != server.is_ipv4());
            let preference = u16::MAX.saturating_sub(rank.saturating_mul(2).saturating_add(other_family));
            let forbids = plan.forbids.clone();
            self.signalled.push(Signalled { spot, base, kind, preference });
            self.bases.push(Base { kind, spot, preference, interface, forbids });
        }
    }

    /// Whether pairs are made of this base and an address of the peer.
    fn may_check(&self, base: &Base, remote: Spot) -> bool {
        let is_used = self.signalled.iter().any(|known| known.spot == base.spot);
        is_used
            && may_meet(base.spot.ip, remote.ip)
            && base.spot != remote
            && !base.forbids.contains(&remote.ip)
    }

    /// The base that takes what has come in there, if it may: a relayed address lets in those that its client has asked a
    /// permission for (RFC 8656 section 9), and that are all that the client knows of.
    fn base_at(&self, arrival: Arrival) -> Option<usize> {
        let index = self
            .bases
            .iter()
            .position(|base| (base.interface, base.spot) == (arrival.interface, arrival.destination))?;
        let base = self.bases.get(index)?;
        let permits = |known: Spot| known.ip == arrival.source.ip && self.may_check(base, known);
        let takes = match base.kind {
            CandidateKind::Relayed => self.known_to(index).any(permits),
            _ => self.may_check(base, arrival.source),
        };
        takes.then_some(index)
    }

    /// The signalled candidate at this address: preferably one of this base.
    pub(super) fn candidate_at(&self, base: usize, spot: Spot) -> Option<&Signalled> {
        let named = || self.signalled.iter().filter(move |known| known.spot == spot);
        named().find(|known| known.base == base).or_else(|| named().next())
    }

    /// Pairs of a base and an address of the peer.
    pub(super) fn pairs(&self) -> usize {
        let of_base =
            |(index, base)| self.known_to(index).filter(|remote| self.may_check(base, *remote)).count();
        self.bases.iter().enumerate().map(of_base).sum()
    }

    /// The addresses of the other end that a base is paired with.
    fn known_to(&self, base: usize) -> impl Iterator<Item = Spot> {
        let known =
            self.known.iter().filter(move |known| known.heard_at.is_none_or(|heard_at| heard_at == base));
        known.map(|known| known.spot)
    }

    /// The signalled addresses of the other end are known.
    fn learn(&mut self, signalled: &[Signalled]) {
        self.known = signalled.iter().map(|it| Known { spot: it.spot, heard_at: None }).collect();
    }

    /// A base has heard from an address.
    fn hear(&mut self, base: usize, spot: Spot) {
        if self.known_to(base).all(|known| known != spot) && self.known.len() < KNOWN_MAX {
            let heard_at = (!self.pairs_widely).then_some(base);
            self.known.push(Known { spot, heard_at });
        }
    }
}

/// Lets both ends send to all that they know of the other until nobody hears anything new.
///
/// Two translators that show a new port to every new port would go on for ever, so there is an end to it. It comes long after
/// the last thing of use: a path needs one end to know an address, the other to learn one from what it hears there, and
/// perhaps the first to learn another from the reply.
pub(super) fn exchange(ends: &mut [End; 2], network: &mut Network) -> BTreeSet<Flow> {
    let [alice, bob] = ends;
    alice.learn(&bob.signalled);
    bob.learn(&alice.signalled);
    let (mut flows, mut silent) = (BTreeSet::new(), 0);
    for _ in 0..ROUNDS {
        let before = (flows.len(), ends.iter().map(|end| end.known.len()).sum::<usize>());
        for sender in 0..2 {
            send_all(ends, sender, network, &mut flows);
        }
        let after = (flows.len(), ends.iter().map(|end| end.known.len()).sum());
        // What a round changes in filters alone shows in the next one.
        silent = if before == after { silent + 1 } else { 0 };
        if silent == 2 {
            break;
        }
    }
    flows
}

/// One round of one end.
fn send_all(ends: &mut [End; 2], sender: usize, network: &mut Network, flows: &mut BTreeSet<Flow>) {
    let (from, to) = match ends {
        [from, to] if sender == 0 => (from, to),
        [to, from] => (from, to),
    };
    for (index, base) in from.bases.iter().enumerate() {
        for remote in from.known_to(index).filter(|remote| from.may_check(base, *remote)) {
            let Some(arrival) = network.send(Kind::Datagram, base.interface, base.spot, remote) else {
                continue;
            };
            let Some(taken_by) = to.base_at(arrival) else { continue };
            let (sent_to, seen_from) = (remote, arrival.source);
            flows.insert(Flow { from: (from.number, index), sent_to, to: (to.number, taken_by), seen_from });
            to.hear(taken_by, seen_from);
        }
    }
}

/// Same family, and link-local only with link-local (RFC 8445 section 6.1.2.2).
fn may_meet(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4() && is_link_local(one) == is_link_local(other)
}

/// A path is found in three, or never.
const ROUNDS: usize = 8;

/// Addresses of the other end that one end keeps.
const KNOWN_MAX: usize = 96;
