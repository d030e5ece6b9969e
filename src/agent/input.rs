//! The walk of a datagram: whose is it, is it well formed, is it authentic; only then what does it change.

use core::net::SocketAddr;

use crate::agent::{Agent, Ignored, Owner, Provenance, Received};
use crate::gather::RelayId;
use crate::ice::check::{CheckError, Outcome};
use crate::ice::lite::Meeting;
use crate::ice::{ComponentId, StreamId, admit_peer_address, check};
use crate::net::Path;
use crate::stun::{self, Class, ErrorCode, Fingerprint, Integrity, Kind, Message, Method, Sent};
use crate::time::Timestamp;

impl Agent {
    /// Feeds one datagram that came in on `path`; never fails.
    ///
    /// Application data comes back as [`Received::Data`], the payload borrowed from `datagram`, if it came from a
    /// 5-tuple that has authenticated. Everything else is the agent's own, or is ignored with a counted reason.
    pub fn handle_datagram<'d>(&mut self, now: Timestamp, path: Path, datagram: &'d [u8]) -> Received<'d> {
        if self.begin(now).is_err() {
            return self.ignore(Ignored::Closed);
        }
        let now = self.now;
        // rfc8656-5-9: no other path leads to the server.
        let relay = self.gatherer.relays.on(&path).and_then(|relay| Some((relay.id, relay.any_client()?)));
        match relay {
            Some((id, client)) if Kind::of(datagram) == Kind::Channel => match client.unwrap(now, datagram) {
                Ok((&peer, payload)) => self.handle_relayed(id, peer, payload),
                Err(_) => self.ignore(Ignored::Relay),
            },
            Some((id, _)) => self.handle_from_server(id, path, datagram),
            None => self.handle_direct(&path, datagram),
        }
    }

    pub(super) fn handle_direct<'d>(&mut self, path: &Path, datagram: &'d [u8]) -> Received<'d> {
        let Some(entry) = self.gatherer.base_of(path) else { return self.ignore(Ignored::UnknownBase) };
        // Of what comes directly only the answers of servers count then.
        let unwanted = self.config.relay_only && entry.is_socket();
        self.walk(entry.component, unwanted, path, datagram)
    }

    /// A peer has sent this to a relayed address of ours: once and no more, whatever it looks like.
    pub(super) fn handle_relayed<'d>(
        &mut self,
        id: RelayId,
        peer: SocketAddr,
        payload: &'d [u8],
    ) -> Received<'d> {
        let Some(entry) = self.gatherer.relayed_to(id, &peer) else {
            return self.ignore(Ignored::UnknownBase);
        };
        let (component, path) = (entry.component, Path::udp(entry.base.local, peer));
        self.walk(component, false, &path, payload)
    }

    fn walk<'d>(
        &mut self,
        component: ComponentId,
        unwanted: bool,
        path: &Path,
        datagram: &'d [u8],
    ) -> Received<'d> {
        match stun::is_stun(datagram) {
            true => self.handle_message(component, unwanted, *path, datagram),
            false if unwanted => self.ignore(Ignored::Direct),
            false => self.handle_data(path, component.stream(), datagram),
        }
    }

    fn handle_message<'d>(
        &mut self,
        component: ComponentId,
        unwanted: bool,
        path: Path,
        datagram: &'d [u8],
    ) -> Received<'d> {
        let message = match Message::parse(datagram) {
            Ok(message) => message,
            Err(error) => return self.ignore(Ignored::Malformed(error)),
        };
        if message.method() != Method::BINDING {
            return self.ignore(Ignored::Unexpected);
        }
        match message.class() {
            Class::Request if unwanted => self.ignore(Ignored::Direct),
            Class::Request => self.handle_request(component, path, &message),
            Class::Success | Class::Error => self.handle_answer(path, &message),
            // rfc8445-11-6
            Class::Indication => self.ignore(Ignored::Indication),
        }
    }

    /// rfc8445-12.2-1: data may come on any pair that has authenticated, selected or not; on no other path.
    fn handle_data<'d>(&mut self, path: &Path, stream: StreamId, payload: &'d [u8]) -> Received<'d> {
        let known = self.stream(stream).and_then(|stream| {
            let previous = || stream.previous.as_ref()?.authenticated.get(path);
            let known = stream.authenticated.get(path).or_else(previous)?;
            let provenance = match known.valid {
                true => Provenance::Valid,
                false if stream.meeting() == Meeting::BothLite => Provenance::Signalled,
                false => Provenance::Authenticated,
            };
            Some(Received::Data { component: known.component, pair: known.pair, provenance, payload })
        });
        let Some(data) = known else { return self.ignore(Ignored::Unverified) };
        self.stats.data_received += 1;
        data
    }

    /// An answer ends its transaction only when it is the one that was asked for.
    fn handle_answer(&mut self, path: Path, message: &Message<'_>) -> Received<'static> {
        let id = message.transaction_id();
        let Some(transaction) = self.transactions.get(id) else {
            return self.ignore(Ignored::UnknownTransaction);
        };
        let (owner, stream) = match *transaction.owner() {
            Owner::Gather(owner) => return self.handle_server_answer(owner, message, path),
            Owner::Check(check) => (Owner::Check(check), check.stream),
            Owner::Consent(consent) => (Owner::Consent(consent), consent.component.stream()),
        };
        let sent = transaction.path();
        // rfc8445-7.2.4-1, rfc8489-6.3-2
        if message.fingerprint() != Fingerprint::Valid {
            return self.ignore(Ignored::Fingerprint);
        }
        let remote = self.stream(stream).and_then(|stream| match owner {
            Owner::Consent(consent) => stream.remote_of(consent.pair),
            Owner::Check(_) | Owner::Gather(_) => stream.remote.as_ref(),
        });
        let Some(verified) = remote
            .and_then(|remote| stun::verify_response(message, &remote.key, Sent::Only(Integrity::Sha1)).ok())
        else {
            // rfc8489-9.1.4-2: the schedule goes on as if nothing had come.
            self.transactions.note_forged(id);
            return self.ignore(Ignored::BadIntegrity);
        };
        let outcome = check::interpret(&verified, sent, path);
        if sent == path {
            self.allowances.answered(path.remote().ip());
        }
        let rtt = self.transactions.finish(self.now, id).and_then(|finished| finished.rtt);
        let news = match owner {
            Owner::Check(check) => {
                if outcome == Outcome::Failure(CheckError::Rejected(ErrorCode::FORBIDDEN.code())) {
                    self.take_back_consent(stream, path);
                }
                self.apply_check(check, id, outcome, rtt);
                true
            }
            Owner::Consent(consent) => self.apply_consent(consent, path, outcome, rtt) || !self.at_rest,
            Owner::Gather(_) => true,
        };
        self.settle_if(news);
        Received::Control
    }

    fn handle_request(
        &mut self,
        component: ComponentId,
        path: Path,
        message: &Message<'_>,
    ) -> Received<'static> {
        // A forged source is neither answered nor learned if nothing may be sent there, to ourselves least of all.
        if admit_peer_address(path.remote()).is_err() || self.gatherer.leads_to_a_base(&path) {
            return self.ignore(Ignored::Source);
        }
        // rfc8445-7.3-6
        if message.fingerprint() != Fingerprint::Valid {
            return self.ignore(Ignored::Fingerprint);
        }
        let due = self.transactions.deadline();
        match self.answer_request(component, path, message) {
            Ok(news) => {
                self.settle_answered(news, due);
                Received::Control
            }
            Err(reason) => {
                // A refusal by way of a relay waits with its client.
                let may_be_relayed = !self.gatherer.relays.is_empty();
                if may_be_relayed && self.gatherer.base_of(&path).is_some_and(|entry| !entry.is_socket()) {
                    self.serve_relays();
                    self.compute_deadline();
                }
                self.ignore(reason)
            }
        }
    }

    pub(super) fn ignore<'d>(&mut self, reason: Ignored) -> Received<'d> {
        self.stats.count_ignored(reason);
        Received::Ignored(reason)
    }
}
