//! Requests: who asks, what is asked, and the answer (RFC 8656 sections 5, 7.2, 8.2, 10.2 and 12.2).

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;

use super::allocation::{Allocation, Obstacle};
use super::credentials::{Denied, Identity, Mechanism, inspect_bare};
use super::fault::Deviation;
use super::reply::Reply;
use super::{Answered, TurnServer, Violation};
use crate::Path;
use crate::stun::{
    AlternateServer, AttributeType, ErrorCode, Fingerprint, Message, Method, UnknownAttributes,
    XorMappedAddress,
};
use crate::turn::{
    AdditionalAddressFamily, AddressErrorCode, AddressFamily, ChannelNumber, EvenPort, Lifetime,
    MobilityTicket, RequestedAddressFamily, RequestedTransport, ReservationToken, XorPeerAddress,
    XorRelayedAddress,
};

/// What an Allocate request asks for.
#[derive(Clone, Copy, Debug)]
struct Wish {
    first: AddressFamily,
    second: bool,
    even: Option<EvenPort>,
    token: Option<ReservationToken>,
}

impl TurnServer {
    pub(super) fn handle_request(&mut self, path: Path, request: &Message<'_>) {
        if request.fingerprint() == Fingerprint::Wrong {
            return self.report(Violation::Fingerprint);
        }
        if self.answer_again(path, request) {
            return;
        }
        let bare = request.integrity_kind().is_none() || request.method() == Method::BINDING;
        let identity = match bare {
            true => {
                inspect_bare(request, |violation| self.report(violation));
                Ok(None)
            }
            false => self.authenticate(path, request).map(Some),
        };
        let method = request.method();
        let (authenticated, deviation) = match &identity {
            Ok(identity) => (identity.is_some(), self.faults.draw(method, identity.is_some())),
            Err(Denied::Stale(_)) => (true, self.faults.draw_again(method, true)),
            Err(Denied::Incomplete | Denied::Unauthenticated) => (false, None),
        };
        if deviation == Some(Deviation::Ignore) {
            return;
        }
        let mut reply = match identity {
            Err(Denied::Incomplete) => Reply::error(request, 400),
            Err(Denied::Unauthenticated) => self.challenge(path, Reply::error(request, 401)),
            Err(Denied::Stale(identity)) => {
                self.challenge(path, Reply::error(request, 438)).sealed_for(Some(&identity))
            }
            Ok(identity) => {
                self.decide(path, request, identity.as_ref(), deviation).sealed_for(identity.as_ref())
            }
        };
        if matches!(deviation, Some(Deviation::RefuseUnsigned(_) | Deviation::RedirectUnsigned(_))) {
            reply.unseal();
        }
        let key = (reply.method().as_u16(), reply.code().unwrap_or_default());
        *self.record.answers.entry(key).or_default() += 1;
        self.answers.push_back(Answered {
            at: self.now,
            path,
            id: request.transaction_id(),
            request: Bytes::copy_from_slice(request.as_bytes()),
            reply: reply.clone(),
            authenticated,
        });
        self.give(path, reply, deviation);
    }

    /// Answers a request that was answered before as it was then. Returns whether it was.
    fn answer_again(&mut self, path: Path, request: &Message<'_>) -> bool {
        let id = request.transaction_id();
        let Some(before) = self.answers.iter().find(|answered| answered.path == path && answered.id == id)
        else {
            return false;
        };
        if before.request != request.as_bytes() {
            self.report(Violation::TransactionReused);
            return true;
        }
        let (reply, authenticated) = (before.reply.clone(), before.authenticated);
        self.record.retransmissions += 1;
        let deviation = self.faults.draw_again(request.method(), authenticated);
        self.give(path, reply, deviation);
        true
    }

    fn authenticate(&mut self, path: Path, request: &Message<'_>) -> Result<Identity, Denied> {
        let mut violations = Vec::new();
        let identity = self.credentials.authenticate(self.now, path.remote(), request, |violation| {
            violations.push(violation);
        });
        violations.into_iter().for_each(|violation| self.report(violation));
        identity
    }

    /// The answer to a request whose sender is known, or who need not be.
    fn decide(
        &mut self,
        path: Path,
        request: &Message<'_>,
        identity: Option<&Identity>,
        deviation: Option<Deviation>,
    ) -> Reply {
        match deviation {
            Some(Deviation::Refuse(code) | Deviation::RefuseUnsigned(code)) => {
                let reply = Reply::error(request, code);
                return if matches!(code, 401 | 438) { self.challenge(path, reply) } else { reply };
            }
            Some(Deviation::Redirect(to) | Deviation::RedirectUnsigned(to)) => {
                return Reply::error(request, 300).with(&AlternateServer(to));
            }
            Some(Deviation::StaleNonce) => {
                self.credentials.renew(self.now, path.remote());
                return self.challenge(path, Reply::error(request, 438));
            }
            _ => {}
        }
        let unknown: UnknownAttributes = request.unknown_required(|kind| self.knows(kind)).collect();
        if !unknown.is_empty() {
            for kind in unknown.as_slice() {
                if *kind != AttributeType::DONT_FRAGMENT {
                    self.report(Violation::UnknownAttribute(*kind));
                }
            }
            return Reply::error(request, 420).with(&unknown);
        }
        let mapped = XorMappedAddress(path.remote());
        let granted = match (request.method(), identity) {
            (Method::BINDING, _) => Ok(Reply::success(request).with(&mapped)),
            (_, None) => return self.challenge(path, Reply::error(request, 401)),
            (Method::ALLOCATE, Some(identity)) => self.allocate(path, request, identity, deviation),
            (Method::REFRESH, Some(identity)) => self.refresh(path, request, identity, deviation),
            (Method::CREATE_PERMISSION, Some(identity)) => self.create_permission(path, request, identity),
            (Method::CHANNEL_BIND, Some(identity)) => self.bind_channel(path, request, identity),
            (method, Some(_)) => {
                self.report(Violation::Unexpected(method));
                Err(400)
            }
        };
        let mut reply = granted.unwrap_or_else(|code| Reply::error(request, code));
        match deviation {
            Some(Deviation::Relayed(address)) => reply.replace(&XorRelayedAddress(address)),
            Some(Deviation::Mapped(address)) => reply.replace(&XorMappedAddress(address)),
            _ => {}
        }
        reply
    }

    /// Adds to an error what the client needs for another try.
    fn challenge(&mut self, path: Path, reply: Reply) -> Reply {
        let nonce = self.credentials.challenge(self.now, path.remote());
        let reply = reply
            .with_raw(AttributeType::REALM, self.credentials.realm.as_bytes())
            .with_raw(AttributeType::NONCE, nonce.as_bytes());
        let reply = match &self.credentials.authorization_server {
            Some(name) => reply.with_raw(AttributeType::THIRD_PARTY_AUTHORIZATION, name.as_bytes()),
            None => reply,
        };
        match self.credentials.mechanism.algorithms() {
            Some(algorithms) => reply.with_raw(AttributeType::PASSWORD_ALGORITHMS, algorithms),
            None => reply,
        }
    }

    /// RFC 8656 section 7.2.
    fn allocate(
        &mut self,
        path: Path,
        request: &Message<'_>,
        identity: &Identity,
        deviation: Option<Deviation>,
    ) -> Result<Reply, u16> {
        if self.allocations.contains_key(&path) {
            return Err(ErrorCode::ALLOCATION_MISMATCH.code());
        }
        let wish = self.wish(request)?;
        let own = self.allocations.values().filter(|allocation| allocation.username() == identity.username);
        if own.count() >= self.policy.quota {
            return Err(ErrorCode::ALLOCATION_QUOTA_REACHED.code());
        }
        if self.allocations.len() >= self.policy.capacity {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY.code());
        }
        let mut reply = Reply::success(request);
        let mut relayed: Vec<SocketAddr> = self.relayed_address(wish).into_iter().collect();
        let first = *relayed.first().ok_or(ErrorCode::INSUFFICIENT_CAPACITY.code())?;
        if wish.second {
            match self.relay_ip(AddressFamily::Ipv6) {
                Ok(ip) => relayed.extend(self.free_address(ip, None)),
                Err(_) => {
                    let (family, error) = (AddressFamily::Ipv6, ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED);
                    reply = reply.with(&AddressErrorCode { family, error });
                }
            }
        }
        for address in &relayed {
            reply = reply.with(&XorRelayedAddress(*address));
        }
        let seconds = self.granted(lifetime(request)?.unwrap_or_default(), deviation);
        if wish.even.is_some_and(|even| even.reserve)
            && let Some(above) = first.port().checked_add(1)
        {
            reply = reply.with(&self.ports.reserve(self.now, SocketAddr::new(first.ip(), above)));
        }
        if request.contains(AttributeType::MOBILITY_TICKET) && self.policy.mobility {
            reply = reply.with(&MobilityTicket(&self.mobility.ticket(path)));
        }
        if seconds > 0 {
            let expires_at = self.now + Duration::from_secs(seconds.into());
            let allocation = Allocation::new(path.remote(), &identity.username, relayed, expires_at);
            self.allocations.insert(path, allocation);
        }
        Ok(reply.with(&Lifetime(seconds)).with(&XorMappedAddress(path.remote())))
    }

    /// Reads what is asked for, and whether there is such a thing.
    fn wish(&mut self, request: &Message<'_>) -> Result<Wish, u16> {
        let malformed = |server: &mut Self| {
            server.report(Violation::Malformed(Method::ALLOCATE));
            ErrorCode::BAD_REQUEST.code()
        };
        match request.get::<RequestedTransport>() {
            Some(Ok(RequestedTransport::UDP)) => {}
            Some(Ok(_)) => return Err(ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL.code()),
            _ => return Err(malformed(self)),
        }
        let families = (request.get::<RequestedAddressFamily>(), request.get::<AdditionalAddressFamily>());
        let ports = (request.get::<EvenPort>(), request.get::<ReservationToken>());
        let (first, second) = match families {
            (None, None) => (AddressFamily::Ipv4, false),
            (Some(Ok(RequestedAddressFamily(family))), None) => (family, false),
            (None, Some(Ok(_))) => (AddressFamily::Ipv4, true),
            _ => return Err(malformed(self)),
        };
        let (even, token) = match ports {
            (None, None) => (None, None),
            (Some(Ok(even)), None) if !(even.reserve && second) => (Some(even), None),
            (None, Some(Ok(token))) if matches!(families, (None, None)) => (None, Some(token)),
            _ => return Err(malformed(self)),
        };
        self.relay_ip(first)?;
        Ok(Wish { first, second, even, token })
    }

    /// The first relayed address.
    fn relayed_address(&mut self, wish: Wish) -> Option<SocketAddr> {
        if let Some(token) = wish.token {
            return self.ports.redeem(token);
        }
        let ip = self.relay_ip(wish.first).ok()?;
        self.free_address(ip, wish.even)
    }

    /// A relayed address on `ip` that nobody has.
    fn free_address(&mut self, ip: IpAddr, even: Option<EvenPort>) -> Option<SocketAddr> {
        let lent = self.allocations.values().flat_map(Allocation::relayed).copied();
        let taken: Vec<_> = lent.chain(self.ports.reserved()).chain(self.policy.addresses.clone()).collect();
        let port = self.ports.take(even, |port| !taken.contains(&SocketAddr::new(ip, port)))?;
        Some(SocketAddr::new(ip, port))
    }

    /// The address of this server on which it relays this family.
    pub(super) fn relay_ip(&self, family: AddressFamily) -> Result<IpAddr, u16> {
        let mut ips = self.policy.addresses.iter().map(SocketAddr::ip);
        ips.find(|ip| AddressFamily::of(*ip) == family)
            .filter(|_| !self.policy.refused_families.contains(&family))
            .ok_or(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED.code())
    }

    /// RFC 8656 section 8.2.
    fn refresh(
        &mut self,
        path: Path,
        request: &Message<'_>,
        identity: &Identity,
        deviation: Option<Deviation>,
    ) -> Result<Reply, u16> {
        let wanted = lifetime(request).inspect_err(|_| self.report(Violation::Malformed(Method::REFRESH)))?;
        let ticket = self.follow(path, request, identity)?;
        self.own(path, identity)?;
        let seconds = match wanted {
            Some(0) => 0,
            wanted => self.granted(wanted.unwrap_or_default(), deviation),
        };
        let mut reply = Reply::success(request).with(&Lifetime(seconds));
        if let Some(ticket) = ticket {
            reply = reply.with(&MobilityTicket(&ticket));
        }
        let family = request.get::<RequestedAddressFamily>().and_then(Result::ok);
        let expires_at = self.now + Duration::from_secs(seconds.into());
        let allocation = self.own(path, identity)?;
        if let Some(RequestedAddressFamily(family)) = family
            && !allocation.relayed().iter().any(|relayed| AddressFamily::of(relayed.ip()) == family)
        {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH.code());
        }
        let kept = match (seconds, family) {
            (0, Some(RequestedAddressFamily(family))) => allocation.give_up(family),
            (0, None) => false,
            _ => {
                allocation.refresh(expires_at);
                true
            }
        };
        if !kept {
            self.allocations.remove(&self.mobility.current(path));
        }
        Ok(reply)
    }

    /// RFC 8656 section 10.2.
    fn create_permission(
        &mut self,
        path: Path,
        request: &Message<'_>,
        identity: &Identity,
    ) -> Result<Reply, u16> {
        let peers: Result<Vec<IpAddr>, _> =
            request.all::<XorPeerAddress>().map(|peer| peer.map(|peer| peer.0.ip())).collect();
        let Some(peers) = peers.ok().filter(|peers| !peers.is_empty()) else {
            self.report(Violation::Malformed(Method::CREATE_PERMISSION));
            return Err(ErrorCode::BAD_REQUEST.code());
        };
        peers.iter().try_for_each(|peer| self.admit(path, identity, *peer))?;
        let now = self.now;
        let allocation = self.own(path, identity)?;
        peers.into_iter().for_each(|peer| allocation.permit(now, peer));
        Ok(Reply::success(request))
    }

    /// RFC 8656 section 12.2.
    fn bind_channel(&mut self, path: Path, request: &Message<'_>, identity: &Identity) -> Result<Reply, u16> {
        let asked = (request.get::<ChannelNumber>(), request.get::<XorPeerAddress>());
        let (Some(Ok(number)), Some(Ok(XorPeerAddress(peer)))) = asked else {
            self.report(Violation::Malformed(Method::CHANNEL_BIND));
            return Err(ErrorCode::BAD_REQUEST.code());
        };
        self.admit(path, identity, peer.ip())?;
        match self.own(path, identity)?.obstacle(number, peer) {
            Some(Obstacle::Taken) => {
                self.report(Violation::ChannelTaken(number));
                return Err(ErrorCode::BAD_REQUEST.code());
            }
            Some(Obstacle::Hasty) => self.report(Violation::ChannelHasty(number)),
            None => {}
        }
        let now = self.now;
        self.own(path, identity)?.bind(now, number, peer);
        Ok(Reply::success(request))
    }

    /// Whether a peer may be spoken to through this allocation.
    fn admit(&mut self, path: Path, identity: &Identity, peer: IpAddr) -> Result<(), u16> {
        if self.own(path, identity)?.relayed_for(peer).is_none() {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH.code());
        }
        let forbidden = self.policy.forbidden.contains(&peer);
        if forbidden { Err(ErrorCode::FORBIDDEN.code()) } else { Ok(()) }
    }

    /// The allocation of this 5-tuple, which has to be that of whoever asks.
    fn own(&mut self, path: Path, identity: &Identity) -> Result<&mut Allocation, u16> {
        let path = self.mobility.current(path);
        let allocation = self.allocations.get_mut(&path).ok_or(ErrorCode::ALLOCATION_MISMATCH.code())?;
        let own = allocation.username() == identity.username;
        if own { Ok(allocation) } else { Err(ErrorCode::WRONG_CREDENTIALS.code()) }
    }

    /// The lifetime for a client that wants so many seconds.
    fn granted(&self, wanted: u32, deviation: Option<Deviation>) -> u32 {
        match deviation {
            Some(Deviation::Lifetime(seconds)) => seconds,
            _ => wanted.min(self.policy.lifetime_max).max(self.policy.lifetime),
        }
    }

    /// Whether an attribute that has to be understood is.
    fn knows(&self, kind: AttributeType) -> bool {
        match kind {
            AttributeType::DONT_FRAGMENT => self.policy.knows_dont_fragment,
            AttributeType::PASSWORD_ALGORITHM | AttributeType::USERHASH => {
                self.credentials.mechanism != Mechanism::Rfc5389
            }
            AttributeType::ACCESS_TOKEN => self.credentials.knows_tokens(),
            _ => KNOWN.contains(&kind),
        }
    }
}

/// What LIFETIME says, if there is one.
fn lifetime(request: &Message<'_>) -> Result<Option<u32>, u16> {
    match request.get::<Lifetime>().transpose() {
        Ok(lifetime) => Ok(lifetime.map(|lifetime| lifetime.0)),
        Err(_) => Err(ErrorCode::BAD_REQUEST.code()),
    }
}

/// Attributes that have to be understood, and are.
const KNOWN: [AttributeType; 14] = [
    AttributeType::USERNAME,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::CHANNEL_NUMBER,
    AttributeType::LIFETIME,
    AttributeType::XOR_PEER_ADDRESS,
    AttributeType::DATA,
    AttributeType::REQUESTED_ADDRESS_FAMILY,
    AttributeType::EVEN_PORT,
    AttributeType::REQUESTED_TRANSPORT,
    AttributeType::RESERVATION_TOKEN,
    AttributeType::ADDITIONAL_ADDRESS_FAMILY,
    // A check of ICE that was sent to a server is answered like any other Binding request.
    AttributeType::PRIORITY,
    AttributeType::USE_CANDIDATE,
];
