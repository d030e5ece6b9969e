//! The client: its commands, and what it can be asked.

use super::allocation::{Allocation, Phase};
use super::binding::Bindings;
use super::error::Error;
use super::event::{Event, Output, State};
use super::held::Held;
use super::permission::{Permissions, WantError};
use super::request::{Purpose, Request};
use super::route::Route;
use super::terms::Terms;
use super::token::TokenClock;
use super::{AddressFamily, ChannelNumber, Config};
use crate::entropy::{Entropy, Purpose as Draw, Seed};
use crate::net::{Path, Transmit, Transport, canonical, is_sendable, unscoped};
use crate::stun::{Builder, LongTerm, Method, Rto, Sealing, Token, TransactionId, Transactions};
use crate::time::{Deadline, Timestamp};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::num::NonZeroU8;
use core::time::Duration;

/// A client of one TURN server, with at most one allocation at a time, on one 5-tuple.
///
/// It asks for the allocation, keeps it, its permissions and its channels alive, wraps what goes to peers and unwraps
/// what comes from them. Like all machines of this crate it has no socket and no clock: it is given datagrams (or the
/// frames of a connection, cut by `framing`) and timestamps, and returns what to send and what has happened
/// ([`poll_output`](Self::poll_output)), and when to be woken ([`deadline`](Self::deadline)).
///
/// Responses count only if they are authentic; everything else changes nothing (RFC 8489 section 9.2.5). Data of peers
/// is handed up only if it came from the server, from a peer that was permitted or on a channel that was bound. Who can
/// forge the server's address can forge such data, too: what is in it has to protect itself, as ICE's checks and DTLS do
/// (rfc8656-21.1.4-1).
///
/// When time stands still nothing is refreshed: call [`handle_timeout`](Self::handle_timeout) first thing after a
/// suspend. If the allocation should have ended in the meantime, the server is asked once whether it has.
#[derive(Debug)]
pub struct Client {
    pub(super) config: Config,
    pub(super) credential: LongTerm,
    /// Of the token, if it ends.
    pub(super) token: Option<TokenClock>,
    /// For the next allocation: the present one lives and dies with the credentials that made it (rfc8656-5-3).
    renewed: Option<LongTerm>,
    pub(super) terms: Terms,
    pub(super) path: Path,
    pub(super) now: Timestamp,
    entropy: Entropy,
    pub(super) phase: Phase,
    pub(super) permissions: Permissions,
    pub(super) bindings: Bindings,
    pub(super) held: Held,
    pub(super) transactions: Transactions<Request>,
    outputs: VecDeque<Output>,
    /// When something has last gone to the server.
    sent_at: Timestamp,
}

impl Client {
    /// A client that asks nothing yet.
    ///
    /// `path` is the 5-tuple to the server, which no other client may use at the same time (rfc8656-7.1-1). Its transport
    /// says whether requests are repeated and ChannelData is padded: TLS counts as TCP, DTLS as UDP.
    #[must_use]
    pub fn new(config: Config, path: Path, seed: Seed) -> Self {
        Self {
            credential: config.credential.clone(),
            token: None,
            renewed: None,
            terms: Terms::new(&config),
            path,
            now: Timestamp::ZERO,
            entropy: Entropy::new(seed),
            phase: Phase::Idle,
            permissions: Permissions::new(config.permissions),
            bindings: Bindings::new(config.channels, config.rto.total()),
            held: Held::new(config.held),
            transactions: Transactions::new(),
            outputs: VecDeque::new(),
            sent_at: Timestamp::ZERO,
            config,
        }
    }

    /// Asks for an allocation, unless there is one or one is being asked for.
    ///
    /// After a failure it leaves when the time of [`Failure::retry_after`](super::Failure::retry_after) is over; after
    /// several in a row, in 1, 2, 4 and up to 60 s.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the server would refuse again, [`Error::Closed`].
    pub fn allocate(&mut self, now: Timestamp) -> Result<(), Error> {
        self.begin(now)?;
        if matches!(self.phase, Phase::Idle) {
            if self.token.is_none() {
                self.start_token();
            }
            let not_before = self.terms.not_before().map_err(Error::Refused)?.max(self.now);
            self.terms.begin(not_before, self.config.relayed);
            self.phase = Phase::waiting(not_before, None);
            self.tend_token();
            self.pump();
        }
        Ok(())
    }

    /// Other credentials, for the next allocation; the present one keeps those that it was made with (rfc8656-5-3).
    ///
    /// # Errors
    ///
    /// [`Error::Credentials`] if they cannot be used, [`Error::Closed`].
    pub fn set_credentials(&mut self, now: Timestamp, username: &str, password: &str) -> Result<(), Error> {
        self.begin(now)?;
        self.renewed = Some(LongTerm::new(username, password)?);
        self.terms.pardon();
        Ok(())
    }

    /// An access token (RFC 7635): for all requests from now on, those of the present allocation included, since that is
    /// how a token that runs out is replaced.
    ///
    /// If it [ends](Token::expires_in), another one is asked for a minute ahead ([`Event::TokenWanted`]); without that no more
    /// requests leave once it has ended, and the allocation is lost with its lifetime.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`].
    pub fn set_token(&mut self, now: Timestamp, token: Token) -> Result<(), Error> {
        self.begin(now)?;
        self.credential.set_token(token);
        self.terms.pardon();
        self.start_token();
        self.pump();
        Ok(())
    }

    /// Wants datagrams to and from this address to pass: once there is an allocation, and until
    /// [`forget`](Self::forget) or its end. Idempotent.
    ///
    /// # Errors
    ///
    /// [`Error::Address`], [`Error::Family`], [`Error::Limit`], [`Error::Peer`] if the server has refused the address
    /// within the last minute, [`Error::Closed`].
    pub fn permit(&mut self, now: Timestamp, peer: IpAddr) -> Result<(), Error> {
        self.begin(now)?;
        // A permission has no port: any will do.
        let peer = self.peer(SocketAddr::new(peer, ANY_PORT))?.ip();
        self.want(peer)?;
        self.pump();
        Ok(())
    }

    /// Datagrams to and from this address, and channels to it, are no longer wanted: they are not renewed, and run out.
    pub fn forget(&mut self, now: Timestamp, peer: IpAddr) {
        if self.begin(now).is_ok() {
            let peer = unscoped(canonical(SocketAddr::new(peer, ANY_PORT))).ip();
            self.permissions.forget(peer);
            self.bindings.forget(peer);
            self.held.forget(peer);
        }
    }

    /// Wants a channel to the peer, and with it the permission for its address. Until it is bound data goes in Send
    /// indications, and it goes on to do so should the server refuse (rfc8656-12.3-3).
    ///
    /// # Errors
    ///
    /// As for [`permit`](Self::permit).
    pub fn bind(&mut self, now: Timestamp, peer: SocketAddr) -> Result<(), Error> {
        self.begin(now)?;
        let peer = self.peer(peer)?;
        if !self.bindings.has_room(peer) {
            return Err(Error::Limit);
        }
        self.want(peer.ip())?;
        self.bindings.want(self.now, peer);
        self.pump();
        Ok(())
    }

    /// Sends to a peer what may have to wait: at once if the address is permitted, and otherwise once it is. Of what
    /// waits the latest two messages for each peer are kept.
    ///
    /// This is for ICE's checks. Application data goes by [`route`](Self::route), without a copy.
    ///
    /// # Errors
    ///
    /// As for [`permit`](Self::permit); [`Error::NotAllocated`], [`Error::TooLong`].
    pub fn send(&mut self, now: Timestamp, peer: SocketAddr, payload: &[u8]) -> Result<(), Error> {
        self.begin(now)?;
        if self.allocation().is_none() {
            return Err(Error::NotAllocated);
        }
        if payload.len() > PAYLOAD_MAX {
            return Err(Error::TooLong);
        }
        let peer = self.peer(peer)?;
        match self.route(peer) {
            Some(route) => self.send_by(route, payload),
            None => {
                self.want(peer.ip())?;
                self.held.push(peer, payload);
                self.pump();
            }
        }
        Ok(())
    }

    /// Moves to another 5-tuple: the same server, seen from another local address.
    ///
    /// An allocation that has a ticket is taken along (RFC 8016): data goes on over the old path until the server has
    /// confirmed the new one ([`Event::Migrated`]). Without an allocation the next one is asked for on the new path, which
    /// is what to do after [`Failure::Mismatch`](super::Failure::Mismatch).
    ///
    /// # Errors
    ///
    /// [`Error::Immobile`] if there is an allocation and no ticket, [`Error::Path`] if the path does not lead to the
    /// server, [`Error::Closed`].
    pub fn migrate(&mut self, now: Timestamp, path: Path) -> Result<(), Error> {
        self.begin(now)?;
        if path.transport() != self.path.transport() || path.remote() != self.path.remote() {
            return Err(Error::Path);
        }
        match &mut self.phase {
            Phase::Allocated(allocation) => {
                if allocation.ticket.is_none() {
                    return Err(Error::Immobile);
                }
                allocation.moving_to = Some(path);
                allocation.lease.asked();
                // What is under way would reach the server from a 5-tuple that it may have left by then.
                self.transactions.retain(|_| false);
                self.permissions.requeue();
                self.bindings.requeue();
                self.ask(path, Purpose::Migrate, None);
            }
            Phase::Allocating => {
                self.transactions.retain(|request| request.purpose.is_release());
                self.phase = Phase::waiting(self.now, None);
                self.path = path;
                self.pump();
            }
            Phase::Idle | Phase::Waiting { .. } => self.path = path,
            Phase::Closing | Phase::Closed => return Err(Error::Closed),
        }
        Ok(())
    }

    /// Asks for more time now rather than when it is due: for who has reason to doubt that the server still knows the
    /// allocation, as when nothing comes from any peer. If it does not, the allocation is [`Lost`](Event::Lost). Nothing is
    /// asked without an allocation, or while the server is being asked.
    pub fn refresh(&mut self, now: Timestamp) {
        if self.begin(now).is_ok()
            && let Some(allocation) = self.allocation_mut()
        {
            allocation.lease.ask_anew();
            self.pump();
        }
    }

    /// Gives up one of two relayed addresses, with the permissions and channels of its family.
    ///
    /// # Errors
    ///
    /// [`Error::NotAllocated`] without two addresses, [`Error::Closed`].
    pub fn release(&mut self, now: Timestamp, family: AddressFamily) -> Result<(), Error> {
        self.begin(now)?;
        if !self.allocation_mut().is_some_and(|allocation| allocation.release(family)) {
            return Err(Error::NotAllocated);
        }
        // rfc8656-8.1-3
        let of_family = |peer: IpAddr| AddressFamily::of(peer) == family;
        for peer in self.permissions.extract(of_family) {
            self.bindings.forget(peer);
            self.held.forget(peer);
        }
        self.ask(self.path, Purpose::ReleaseFamily(family), None);
        Ok(())
    }

    /// Gives the allocation back and ends: once the server has confirmed it, or has not answered two requests,
    /// [`Event::Released`] is the last output. An Allocate with credentials that is under way is waited for first, since it
    /// may yet be granted. Nothing else has an effect any more.
    pub fn close(&mut self, now: Timestamp) {
        if self.begin(now).is_err() || matches!(self.phase, Phase::Closing) {
            return;
        }
        let phase = core::mem::replace(&mut self.phase, Phase::Closing);
        self.forget_all();
        // rfc8656-8-3
        let silenced = self.transactions.iter().filter(|transaction| {
            matches!(transaction.owner().purpose, Purpose::Allocate) && self.credential.is_challenged()
        });
        let silenced: Vec<TransactionId> = silenced.map(|transaction| transaction.id()).collect();
        // An Allocate that may yet be granted is waited for, to be released.
        silenced.into_iter().for_each(|id| self.transactions.silence(id));
        self.transactions.retain(|request| match request.purpose {
            Purpose::Allocate => self.credential.is_challenged(),
            _ => request.purpose.is_release(),
        });
        if matches!(phase, Phase::Allocated(_)) && !self.lacks_token() {
            self.ask(self.path, Purpose::Release, None);
        }
        self.finish_closing();
    }

    /// Lets a paced Allocate leave: see [`Config::paced`].
    pub fn grant(&mut self, now: Timestamp) {
        if self.begin(now).is_ok() && self.is_waiting() {
            if let Phase::Waiting { granted, .. } = &mut self.phase {
                *granted = true;
            }
            self.pump();
        }
    }

    /// Whether an Allocate waits for [`grant`](Self::grant) and for nothing else.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.config.paced && self.may_allocate(true) && !self.may_allocate(false)
    }

    /// The next thing to do; `None` once all is said. To be drained after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` if nothing is waited for.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let mut deadline = Deadline::default();
        deadline.at(self.transactions.deadline());
        match &self.phase {
            Phase::Waiting { not_before, .. } if *not_before > self.now => deadline.at(*not_before),
            Phase::Allocated(allocation) => {
                allocation.deadlines(&mut deadline);
                deadline.at(self.keepalive_at());
            }
            _ => {}
        }
        if let Some(token) = self.token.filter(|_| self.needs_token()) {
            token.deadlines(&mut deadline);
        }
        self.permissions.deadlines(&mut deadline);
        self.bindings.deadlines(&mut deadline);
        deadline.earliest()
    }

    /// How to send application data to a peer now: on its channel, or else in Send indications; `None` if the address has
    /// no permission.
    #[must_use]
    pub fn route(&self, peer: SocketAddr) -> Option<Route> {
        let peer = unscoped(canonical(peer));
        let allocation = self.allocation().filter(|allocation| allocation.is_held())?;
        if !self.permissions.is_granted(self.now, peer.ip()) {
            return None;
        }
        Some(match self.bindings.number(self.now, peer) {
            Some(number) => Route::channel(self.path, number),
            // rfc8656-11.1-3
            None => Route::indication(self.path, peer, allocation.indication, self.terms.dont_fragment),
        })
    }

    /// Something has left by a [`route`](Self::route): the path to the server is in use, and needs no keepalive for a while.
    /// Where that is not said, an indication of 28 bytes now and then is sent for nothing, and a path that the allocation
    /// [was moved](Self::migrate) from is listened to for longer than it need be.
    pub fn sent(&mut self, now: Timestamp) {
        if self.begin(now).is_ok() {
            self.sent_at = self.now;
            self.leave_old_path();
        }
    }

    /// The relayed addresses: none, one, or an IPv4 and an IPv6 address.
    pub fn relayed(&self) -> impl Iterator<Item = SocketAddr> + use<'_> {
        self.allocation().map(Allocation::relayed).unwrap_or_default().iter().copied()
    }

    /// The address that the server saw us at when it granted the allocation.
    #[must_use]
    pub fn mapped(&self) -> Option<SocketAddr> {
        self.allocation().map(|allocation| allocation.mapped)
    }

    /// The lifetime that the server has granted last.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.allocation().map(|allocation| allocation.lifetime)
    }

    /// The addresses that have a permission.
    pub fn permitted(&self) -> impl Iterator<Item = IpAddr> + use<'_> {
        self.permissions.iter_granted(self.now)
    }

    /// The peers that have a channel.
    pub fn bound(&self) -> impl Iterator<Item = (SocketAddr, ChannelNumber)> + use<'_> {
        self.bindings.iter_bound(self.now)
    }

    /// The 5-tuple to the server.
    #[must_use]
    pub const fn path(&self) -> Path {
        self.path
    }

    /// Where the client stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.phase.state()
    }

    /// After [`Failure::TokenWanted`](super::Failure::TokenWanted): the name of the server as its authorization server
    /// knows it (RFC 7635).
    #[must_use]
    pub fn third_party_server(&self) -> Option<&str> {
        self.credential.third_party_server()
    }
}

impl Client {
    /// Every input begins here: time does not run backwards, and nothing happens after the end.
    pub(super) fn begin(&mut self, now: Timestamp) -> Result<(), Error> {
        self.now = self.now.max(now);
        match self.phase {
            Phase::Closed => Err(Error::Closed),
            _ => Ok(()),
        }
    }

    /// What waits for a permission has lost its meaning; the permissions are wanted all the same.
    pub(crate) fn forget_held(&mut self) {
        self.held.clear();
    }

    /// Whether the path is that of the client.
    pub(crate) fn is_on(&self, path: &Path) -> bool {
        self.path == *path
    }

    pub(super) fn allocation(&self) -> Option<&Allocation> {
        match &self.phase {
            Phase::Allocated(allocation) => Some(allocation),
            _ => None,
        }
    }

    pub(super) fn allocation_mut(&mut self) -> Option<&mut Allocation> {
        match &mut self.phase {
            Phase::Allocated(allocation) => Some(allocation),
            _ => None,
        }
    }

    /// The one form of an address that can be a peer's.
    fn peer(&self, peer: SocketAddr) -> Result<SocketAddr, Error> {
        if matches!(self.phase, Phase::Closing) {
            return Err(Error::Closed);
        }
        let peer = unscoped(canonical(peer));
        let relay = peer == self.path.remote() || self.relayed().any(|relayed| relayed == peer);
        // T10: a relay that sends to itself sends for ever.
        if !is_sendable(peer) || relay {
            return Err(Error::Address);
        }
        let family = AddressFamily::of(peer.ip());
        let possible = match self.allocation() {
            Some(allocation) => allocation.has(family),
            None => self.terms.wants(family),
        };
        if possible { Ok(peer) } else { Err(Error::Family) }
    }

    fn want(&mut self, peer: IpAddr) -> Result<(), Error> {
        self.permissions.want(self.now, peer).map_err(|error| match error {
            WantError::Limit => Error::Limit,
            WantError::Refused(error) => Error::Peer(error),
        })
    }

    /// Sends a request for the first time.
    pub(super) fn ask(&mut self, path: Path, purpose: Purpose, repeats: Option<Sealing>) {
        let id = TransactionId::from(self.entropy.bytes::<12>(Draw::Transactions));
        let mut out = Vec::with_capacity(REQUEST_LEN);
        let ticket = self.allocation().and_then(|allocation| allocation.ticket.as_deref());
        let request = Builder::request(&mut out, purpose.method(), id);
        let sealing = self.credential.seal(purpose.write(request, &self.terms, ticket), repeats);
        let payload = Bytes::from(out);
        let rto = if purpose.is_release() { farewell(self.config.rto) } else { self.config.rto };
        let request = Request { purpose, sealing };
        self.transactions.start(self.now, id, path, payload.clone(), rto, request);
        self.transmit(path, payload);
    }

    /// A Binding indication: nobody answers it.
    pub(super) fn keep_alive(&mut self) {
        let id = TransactionId::from(self.entropy.bytes::<12>(Draw::Transactions));
        let mut out = Vec::with_capacity(28);
        Builder::indication(&mut out, Method::BINDING, id).fingerprint();
        self.transmit(self.path, out.into());
    }

    /// When the next one leaves. What comes in does not count: NATs need not care for it (RFC 4787 section 4.3).
    pub(super) fn keepalive_at(&self) -> Option<Timestamp> {
        let held = self.allocation().is_some_and(Allocation::is_held);
        (held && self.path.transport() == Transport::Udp).then(|| self.sent_at + self.config.keepalive)
    }

    /// A number for the indications of an allocation.
    pub(super) fn draw_indication(&mut self) -> TransactionId {
        self.entropy.bytes::<12>(Draw::Transactions).into()
    }

    /// The clock of the token that there is.
    fn start_token(&mut self) {
        let lifetime = self.credential.token_lifetime();
        self.token = lifetime.map(|lifetime| TokenClock::start(self.now, lifetime));
    }

    /// Asks for another token when it is time.
    pub(super) fn tend_token(&mut self) {
        let (now, needs_token) = (self.now, self.needs_token());
        if self.token.as_mut().is_some_and(|token| needs_token && token.handle_timeout(now)) {
            self.emit(Event::TokenWanted);
        }
    }

    /// Whether there is a use for a token, and the one that there is ends some time.
    fn needs_token(&self) -> bool {
        let in_use = matches!(self.phase, Phase::Waiting { .. } | Phase::Allocating | Phase::Allocated(_));
        in_use && self.credential.token_lifetime().is_some()
    }

    /// rfc7635-8-2: requests wait until there is another token.
    pub(super) fn lacks_token(&self) -> bool {
        self.token.is_some_and(|token| token.is_over(self.now)) && self.credential.token_lifetime().is_some()
    }

    /// The credentials for a new allocation.
    pub(super) fn renew_credential(&mut self) {
        if let Some(renewed) = self.renewed.take() {
            self.credential = renewed;
        }
    }

    pub(super) fn send_by(&mut self, route: Route, payload: &[u8]) {
        let mut out = Vec::with_capacity(payload.len().saturating_add(route.overhead()));
        route.encode(payload, &mut out);
        self.transmit(route.path(), out.into());
        self.leave_old_path();
    }

    /// Forgets everything that belonged to an allocation.
    pub(super) fn forget_all(&mut self) {
        self.permissions.clear();
        self.bindings.clear();
        self.held.clear();
    }

    pub(super) fn transmit(&mut self, path: Path, payload: Bytes) {
        if path == self.path {
            self.sent_at = self.now;
        }
        // Whoever does not drain the outputs loses datagrams, as on any network.
        if self.outputs.len() < OUTPUTS_MAX {
            self.outputs.push_back(Output::Transmit(Transmit { path, payload }));
        }
    }

    pub(super) fn emit(&mut self, event: Event) {
        // What anybody can cause is not queued without end; all else is bounded by what the caller has asked for.
        if self.outputs.len() < OUTPUTS_MAX || !matches!(event, Event::Icmp { .. }) {
            self.outputs.push_back(Output::Event(event));
        }
    }
}

/// A release is worth two requests, no more: it may be the last thing that a program does.
fn farewell(rto: Rto) -> Rto {
    rto.with_rc(TWICE).with_rm(TWICE).with_ti(rto.ti().min(FAREWELL_MAX))
}

const TWICE: NonZeroU8 = NonZeroU8::MIN.saturating_add(1);
/// Over a connection, which repeats by itself.
const FAREWELL_MAX: Duration = Duration::from_secs(3);
/// Where only the IP address matters; RFC 863.
const ANY_PORT: u16 = 9;
/// What the length fields of ChannelData and DATA can say, and a Send indication can hold.
const PAYLOAD_MAX: usize = 65_400;
/// Most requests fit.
const REQUEST_LEN: usize = 256;
/// Far more than comes of one input.
const OUTPUTS_MAX: usize = 1_024;
