//! The walk of a datagram: is it from the server, what is it, is it authentic; only then what does it change.

use super::allocation::Allocation;
use super::client::Client;
use super::error::Ignored;
use super::event::{Event, Received};
use super::response::Answer;
use super::{ChannelData, Data, Icmp, XorPeerAddress};
use crate::net::{Path, Transport, canonical, is_sendable, unscoped};
use crate::stun::{
    AttributeType, Class, Discarded, ErrorCode, Fingerprint, Kind, Message, Method, Verdict, Verified,
};
use crate::time::Timestamp;
use core::net::SocketAddr;

impl Client {
    /// Feeds one datagram that came in on `path`, or one frame of a connection; never fails.
    ///
    /// What a peer has sent comes back as [`Received::Data`], borrowed from `datagram`. Everything else is the client's own,
    /// or is ignored without a trace.
    pub fn handle_datagram<'d>(&mut self, now: Timestamp, path: Path, datagram: &'d [u8]) -> Received<'d> {
        if self.begin(now).is_err() {
            return Received::Ignored(Ignored::Closed);
        }
        let read = match Kind::of(datagram) {
            Kind::Stun => self.handle_message(path, datagram),
            // rfc8656-12-2, rfc8656-5-9
            _ if !self.is_from_server(&path) => Err(Ignored::Stranger),
            Kind::Channel => {
                self.unwrap(self.now, datagram).map(|(peer, payload)| Received::Data { peer: *peer, payload })
            }
            _ => Err(Ignored::Foreign),
        };
        read.unwrap_or_else(Received::Ignored)
    }

    /// Whether relayed data may come on this path: the one to the server, one that the allocation moves to, or the one that it
    /// has moved from.
    fn is_from_server(&self, path: &Path) -> bool {
        let moves = |allocation: &Allocation| {
            let left = allocation.moved_from.is_some_and(|left| left.hears(self.now, path));
            allocation.moving_to.as_ref() == Some(path) || left
        };
        self.is_on(path) || self.allocation().is_some_and(moves)
    }

    /// rfc8016-3.2.2-2: data has left on the path to the server, which will leave the one before with it.
    pub(super) fn leave_old_path(&mut self) {
        let now = self.now;
        if let Some(left) = self.allocation_mut().and_then(|allocation| allocation.moved_from.as_mut()) {
            left.spoken_elsewhere(now);
        }
    }

    /// What ChannelData from the server delivers, and who has sent it: the way of nearly all data, by which nothing changes.
    #[inline]
    pub(crate) fn unwrap<'d>(
        &self,
        now: Timestamp,
        datagram: &'d [u8],
    ) -> Result<(&SocketAddr, &'d [u8]), Ignored> {
        let data = ChannelData::parse(datagram).map_err(Ignored::Channel)?;
        // rfc8656-12.6-2
        let (peer, was_asked) = self.bindings.peer(now, data.number()).ok_or(Ignored::Unbound)?;
        // rfc8656-12.6-3; of a channel that is being asked for the server knows more than we do (rfc8656-12-6).
        if was_asked && !self.permissions.is_granted(now, peer.ip()) {
            return Err(Ignored::NotPermitted);
        }
        Ok((peer, data.payload()))
    }

    fn handle_message<'d>(&mut self, path: Path, datagram: &'d [u8]) -> Result<Received<'d>, Ignored> {
        let message = Message::parse(datagram).map_err(Ignored::Malformed)?;
        match message.class() {
            Class::Success | Class::Error => self.handle_response(path, &message).map(|()| Received::Control),
            _ if !self.is_from_server(&path) => Err(Ignored::Stranger),
            Class::Indication if message.method() == Method::DATA => self.handle_data(&message),
            Class::Indication | Class::Request => Err(Ignored::Unexpected),
        }
    }

    /// A Data indication (RFC 8656 sections 11.4 and 11.6).
    fn handle_data<'d>(&mut self, message: &Message<'d>) -> Result<Received<'d>, Ignored> {
        // One walk over the attributes: this is the way of most of the data there is.
        let (mut peer, mut data, mut icmp) = (None, None, None);
        for (kind, _) in message.attributes() {
            match kind {
                AttributeType::XOR_PEER_ADDRESS => peer = peer.or_else(|| message.get::<XorPeerAddress>()),
                AttributeType::DATA => data = data.or_else(|| message.get::<Data<'_>>()),
                AttributeType::ICMP => icmp = icmp.or_else(|| message.get::<Icmp>()),
                _ if kind.is_comprehension_required() => return Err(Ignored::Unexpected),
                _ => {}
            }
        }
        // rfc8656-11.4-1
        let Some(Ok(XorPeerAddress(peer))) = peer else { return Err(Ignored::Unexpected) };
        let peer: SocketAddr = unscoped(canonical(peer));
        // rfc8656-11.4-2
        if !self.permissions.is_granted(self.now, peer.ip()) {
            return Err(Ignored::NotPermitted);
        }
        match (data, icmp) {
            // rfc8656-11.6-1
            (None, Some(Ok(icmp))) => {
                self.emit(Event::Icmp { peer, icmp });
                Ok(Received::Control)
            }
            // rfc8656-11.4-4: an answer goes to where this came from, which has to be an address.
            (Some(Ok(Data(payload))), _) if is_sendable(peer) => Ok(Received::Data { peer, payload }),
            // rfc8656-11.4-3
            _ => Err(Ignored::Unexpected),
        }
    }

    fn handle_response(&mut self, path: Path, response: &Message<'_>) -> Result<(), Ignored> {
        let id = response.transaction_id();
        let transaction = self.transactions.get(id).ok_or(Ignored::Unasked)?;
        if transaction.path() != path {
            return Err(Ignored::Stranger);
        }
        let request = transaction.owner();
        if response.method() != request.purpose.method() || response.fingerprint() == Fingerprint::Wrong {
            return Err(Ignored::Unexpected);
        }
        let (sealing, allocates) = (request.sealing, request.purpose.method() == Method::ALLOCATE);
        let answer = match self.credential.handle_response(response, sealing) {
            Verdict::Authentic(verified) => Answer::authentic(verified),
            // A redirection before the server has asked for credentials; nothing else is believed without integrity (L-56).
            Verdict::Unprotected if allocates && error_code(response) == Some(TRY_ALTERNATE) => {
                Answer::Error { code: TRY_ALTERNATE, response: *response }
            }
            Verdict::Unprotected | Verdict::Forged(_) => {
                // Over a connection that ends the request (rfc8489-9.1.4-3).
                if let Some(request) = self.transactions.note_forged(id) {
                    self.answered(request, self.now, Answer::Failed(super::Failure::IntegrityViolated));
                    self.pump();
                }
                return Err(Ignored::Unauthenticated);
            }
            Verdict::Discarded(reason) => {
                // rfc8489-9.2.5-11: it changes nothing, but the failure in the end may name it. Over a connection it would be one.
                if reason == Discarded::BadRequest && path.transport() == Transport::Udp {
                    self.transactions.note_forged(id);
                }
                return Err(Ignored::Unauthenticated);
            }
            Verdict::Refused(refusal) => Answer::Failed(refusal.into()),
            Verdict::Retry => {
                if let Some(finished) = self.transactions.finish(self.now, id) {
                    self.repeat(finished.owner, path);
                    self.pump();
                }
                return Ok(());
            }
        };
        if let Some(finished) = self.transactions.finish(self.now, id) {
            self.answered(finished.owner, finished.started_at, answer);
            self.pump();
        }
        Ok(())
    }
}

impl<'a> Answer<'a> {
    /// What an authentic response says.
    fn authentic(response: Verified<'a>) -> Self {
        match (response.class(), error_code(&response)) {
            // rfc8489-6.3.3-1: a success that cannot be understood is none.
            (Class::Success, _) if response.unknown_required(is_known).next().is_some() => {
                Self::Failed(super::Failure::Unusable)
            }
            (Class::Success, _) => Self::Success(response),
            (_, code) => Self::Error { code: code.unwrap_or_default(), response: *response },
        }
    }
}

fn error_code(response: &Message<'_>) -> Option<u16> {
    response.get::<ErrorCode<'_>>().and_then(Result::ok).map(|error| error.code())
}

/// The comprehension-required attributes that a success response may have.
fn is_known(kind: AttributeType) -> bool {
    const KNOWN: [AttributeType; 11] = [
        AttributeType::MAPPED_ADDRESS,
        AttributeType::USERNAME,
        AttributeType::REALM,
        AttributeType::NONCE,
        AttributeType::LIFETIME,
        AttributeType::XOR_PEER_ADDRESS,
        AttributeType::XOR_RELAYED_ADDRESS,
        AttributeType::XOR_MAPPED_ADDRESS,
        AttributeType::RESERVATION_TOKEN,
        AttributeType::CHANNEL_NUMBER,
        AttributeType::PASSWORD_ALGORITHM,
    ];
    KNOWN.contains(&kind)
}

const TRY_ALTERNATE: u16 = ErrorCode::TRY_ALTERNATE.code();
