//! What an agent is told once: timers, limits, and its place among what the RFCs leave open.

use alloc::sync::Arc;
use core::time::Duration;

use crate::agent::pacer::Rate;
use crate::ice::lite::Implementation;
use crate::ice::{CheckOrder, Nomination, Policy, Profile, UfragPrefix};
use crate::stun::Rto;

/// The settings of an agent. One configuration, behind an `Arc`, serves any number of agents.
///
/// Every setter takes the value that is wanted and returns the configuration; values outside their range are moved to
/// its nearest end, as each setter says, so a configuration cannot be invalid.
///
/// ```
/// use core::time::Duration;
/// use floe::Config;
///
/// let config = Config::new().pacing(Duration::from_millis(20)).loopback(true);
/// # let _ = config;
/// ```
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own, behind a setter with a name"
)]
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) pacing: Duration,
    pub(crate) rto: Rto,
    pub(crate) check_rto: CheckRto,
    pub(crate) check_order: CheckOrder,
    pub(crate) nomination: Nomination,
    pub(crate) patience_for_checks: Duration,
    pub(crate) checking_limit: Duration,
    pub(crate) gathering_limit: Duration,
    pub(crate) server_keepalive: Duration,
    pub(crate) limits: Limits,
    pub(crate) unauthenticated_answers: Rate,
    pub(crate) loopback: bool,
    pub(crate) relay_only: bool,
    pub(crate) heed_transmit_errors: bool,
    pub(crate) consent: bool,
    pub(crate) renomination: bool,
    pub(crate) continual_gathering: bool,
    pub(crate) backups: u8,
    pub(crate) dampening: Duration,
    pub(crate) keepalive: Duration,
    pub(crate) policy: Arc<dyn Policy>,
    pub(crate) implementation: Implementation,
    pub(crate) nominate_in_consent: NominateInConsent,
    pub(crate) presume_end_of_candidates: bool,
    pub(crate) ufrag_prefix: UfragPrefix,
}

/// Which consent checks of a controlling agent repeat the nomination of the selected pair (USE-CANDIDATE).
///
/// RFC 7675 asks for none, and after a nomination RFC 8445 needs none; but there are lite agents that take no notice of a
/// check without one, and on which a healthy call would die.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum NominateInConsent {
    /// None.
    Never,
    /// Those to a lite peer.
    #[default]
    WithLitePeer,
    /// All.
    Always,
}

/// How long a check waits for its answer before it is sent again (RFC 8445 section 14.3).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum CheckRto {
    /// The initial RTO of the configuration, 500 ms unless set otherwise: RFC 8445 allows other mechanisms than its
    /// formula, and this one finds a lossy path in seconds.
    #[default]
    Constant,
    /// `max(500 ms, Ta * N * (waiting + in progress))`, as the RFC writes it. With a hundred pairs that is minutes.
    Formula,
}

/// The bounds of an agent's memory and of what a peer can make it do.
///
/// Beyond a bound the newest is refused, with an error or a counter of [`Stats`](crate::Stats), as each field says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Candidate pairs over all streams (RFC 8445 section 6.1.2.5): 100. The worst pair gives way. At most 1,024.
    pub pairs: usize,
    /// Signalled remote candidates of a stream: 64 at a time.
    pub remote_candidates: usize,
    /// Signalled remote candidates of a stream over a generation, removed ones included: 256.
    pub remote_candidates_total: u32,
    /// Remote candidates on one IP address, for one component: 16.
    pub remote_candidates_per_address: usize,
    /// Names of a stream's remote candidates that the application is asked for: 8 at a time. A candidate with one more is
    /// refused.
    pub names: usize,
    /// Peer-reflexive remote candidates of a stream: 16 at a time. Further checks are answered and nothing is learned, but that a
    /// nomination takes the room of a candidate all of whose checks have failed. Where there are relays, a quarter is left to
    /// what is heard by way of them, and where there are several sockets, another to those that have heard little; so it is of
    /// the total. Nominations may have all of it.
    pub peer_reflexive: usize,
    /// Peer-reflexive remote candidates of a stream over a generation: 32.
    pub peer_reflexive_total: u32,
    /// Local candidates of a stream: 64. Of them as many are peer-reflexive as the peer may have of its own.
    pub local_candidates: usize,
    /// Authenticated requests that came before the peer's credentials, the newest of each 5-tuple, and those first that nominate:
    /// 16.
    pub early_requests: usize,
    /// Checks sent in a minute to an IP address from which none was ever answered, however many candidates the peer names
    /// there and however often it restarts: 128. Those beyond it are lost, so to speak.
    pub unanswered_packets: u32,
    /// The same in bytes: 24 KiB.
    pub unanswered_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pairs: 100,
            remote_candidates: 64,
            remote_candidates_total: 256,
            remote_candidates_per_address: 16,
            names: 8,
            peer_reflexive: 16,
            peer_reflexive_total: 32,
            local_candidates: 64,
            early_requests: 16,
            unanswered_packets: 128,
            unanswered_bytes: 24 * 1_024,
        }
    }
}

impl Config {
    /// The defaults: [`Profile::Webrtc`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            pacing: PACING,
            rto: Rto::default(),
            check_rto: CheckRto::default(),
            check_order: CheckOrder::default(),
            nomination: Nomination::default(),
            patience_for_checks: Duration::from_millis(39_500),
            checking_limit: CHECKING_LIMIT,
            gathering_limit: Duration::from_secs(10),
            server_keepalive: Duration::from_secs(15),
            limits: Limits::default(),
            unauthenticated_answers: Rate::per_second(10),
            loopback: false,
            relay_only: false,
            heed_transmit_errors: true,
            consent: true,
            renomination: true,
            continual_gathering: false,
            backups: 0,
            dampening: DAMPENING,
            keepalive: KEEPALIVE_MIN,
            policy: Arc::new(Profile::default()),
            implementation: Implementation::Full,
            nominate_in_consent: NominateInConsent::default(),
            presume_end_of_candidates: false,
            ufrag_prefix: UfragPrefix::default(),
        }
    }

    /// Behaves as the profile says: takes its answers to the questions of [`Policy`], and its timers, which the table there
    /// lists. Other settings stay as they are; what is set afterwards goes before the profile.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        let (mobile, quiet) = (profile == Profile::Mobile, profile == Profile::ServerIdle);
        self.pacing = PACING;
        self.check_rto = if profile == Profile::Rfc8445 { CheckRto::Formula } else { CheckRto::Constant };
        self.check_order =
            if profile == Profile::Rfc8445 { CheckOrder::Priority } else { CheckOrder::Coverage };
        self.checking_limit = if profile == Profile::Rfc8445 { Duration::MAX } else { CHECKING_LIMIT };
        self.nomination = Nomination::default();
        self.renomination = profile != Profile::Rfc8445;
        self.continual_gathering = mobile;
        self.backups = if mobile { BACKUPS } else { 0 };
        self.dampening = DAMPENING;
        self.keepalive = if quiet { KEEPALIVE_QUIET } else { KEEPALIVE_MIN };
        self.server_keepalive = self.keepalive;
        self.policy = Arc::new(profile);
        self
    }

    /// Ta, the time between two new transactions: 50 ms, at least 5 ms (RFC 8445 section 14.2).
    ///
    /// A value other than 50 ms has to be signalled (`ice-pacing`). Gathering goes by it; checks go by the larger of it
    /// and the peer's, which is 50 ms where the peer names none.
    #[must_use]
    pub fn pacing(mut self, ta: Duration) -> Self {
        self.pacing = ta.max(PACING_MIN);
        self
    }

    /// The retransmission timer of every transaction (RFC 8489 section 6.2.1); an initial RTO below 500 ms is raised to
    /// that (rfc8445-14.3-3).
    #[must_use]
    pub fn rto(mut self, rto: Rto) -> Self {
        self.rto = rto.at_least(RTO_MIN);
        self
    }

    /// How the RTO of checks is computed.
    #[must_use]
    pub fn check_rto(mut self, rule: CheckRto) -> Self {
        self.check_rto = rule;
        self
    }

    /// In which order pairs are checked: [`CheckOrder::Coverage`], and with [`Profile::Rfc8445`] that of their priorities.
    #[must_use]
    pub fn check_order(mut self, order: CheckOrder) -> Self {
        self.check_order = order;
        self
    }

    /// Who nominates, and with how much patience.
    #[must_use]
    pub fn nomination(mut self, nomination: Nomination) -> Self {
        self.nomination = nomination;
        self
    }

    /// How long a stream waits for its peer's checks before it can fail (the PAC timer of RFC 8863): 39.5 s.
    #[must_use]
    pub fn patience_for_checks(mut self, duration: Duration) -> Self {
        self.patience_for_checks = duration;
        self
    }

    /// How long a stream looks for a path before it fails although there are pairs left to be checked: 60 s, with
    /// [`Profile::Rfc8445`] until all have been. Never while candidates may still come, nor in the time of the
    /// [patience](Self::patience_for_checks) after the last one.
    ///
    /// RFC 8445 checks the pairs of one foundation one after another as long as none succeeds, and each may take 39.5 s.
    #[must_use]
    pub fn checking_limit(mut self, duration: Duration) -> Self {
        self.checking_limit = duration;
        self
    }

    /// Whether a peer that has not said that it has no more candidates is taken to have said so once the patience for its
    /// checks is over (RFC 8863 section 5): no. A stream can then fail although its peer trickles and never comes to the end;
    /// without it, the stream waits for candidates as long as the application does.
    #[must_use]
    pub fn presume_end_of_candidates(mut self, on: bool) -> Self {
        self.presume_end_of_candidates = on;
        self
    }

    /// When gathering ends although servers have not answered: 10 s after the request was to be sent first.
    #[must_use]
    pub fn gathering_limit(mut self, duration: Duration) -> Self {
        self.gathering_limit = duration;
        self
    }

    /// How often a server-reflexive binding is refreshed while a stream has not completed (RFC 8445 section 5.1.1.4):
    /// every 15 s, at least 1 s.
    #[must_use]
    pub fn server_keepalive(mut self, interval: Duration) -> Self {
        self.server_keepalive = interval.max(Duration::from_secs(1));
        self
    }

    /// The bounds of memory.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Limits { pairs: limits.pairs.min(PAIRS_MAX), ..limits };
        self
    }

    /// How many requests without valid credentials are answered (400 or 401, unsigned, 36 bytes) in a second: 10, with
    /// a burst of twice that; zero is silence.
    #[must_use]
    pub fn answers_unauthenticated(mut self, per_second: u32) -> Self {
        self.unauthenticated_answers = Rate::per_second(per_second.min(1_000));
        self
    }

    /// Whether loopback addresses may be candidates (RFC 8445 section 5.1.1.1 forbids it): for simulations and for
    /// machines without a network.
    #[must_use]
    pub fn loopback(mut self, allowed: bool) -> Self {
        self.loopback = allowed;
        self
    }

    /// Whether only relayed candidates are used (RFC 8445 section 19.1): no. The peer then learns no address of ours but
    /// those that TURN servers have lent, and what does not come by way of them is ignored.
    #[must_use]
    pub fn relay_only(mut self, only: bool) -> Self {
        self.relay_only = only;
        self
    }

    /// Whether [`Agent::handle_transmit_error`](crate::Agent::handle_transmit_error) ends the check or the server
    /// request under way on its path (RFC 8445 section 7.2.5.2.2): yes.
    #[must_use]
    pub fn heed_transmit_errors(mut self, heed: bool) -> Self {
        self.heed_transmit_errors = heed;
        self
    }

    /// Who decides what the RFCs leave open.
    #[must_use]
    pub fn policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.policy = policy;
        self
    }

    /// Whether the peer's consent is kept fresh (RFC 7675): yes. Without it a lost peer goes unnoticed.
    #[must_use]
    pub fn consent(mut self, on: bool) -> Self {
        self.consent = on;
        self
    }

    /// Whether the selected pair may change without a restart (draft-thatcher-ice-renomination), if the peer announces
    /// `renomination` as well: yes. The agent then moves off a pair whose peer does not answer; where nomination is left to the
    /// application, it is for that to [`nominate`](crate::Agent::nominate) another one.
    #[must_use]
    pub fn renomination(mut self, on: bool) -> Self {
        self.renomination = on;
        self
    }

    /// Whether bases may come and go during the whole session, if the peer announces `continual` as well: no. The end of
    /// candidates then means that there are none for now, on both sides; without it no candidate follows the end, or a
    /// nomination (RFC 8838 sections 13 and 14).
    #[must_use]
    pub fn continual_gathering(mut self, on: bool) -> Self {
        self.continual_gathering = on;
        self
    }

    /// How many pairs of a component are kept beside the selected one, with consent checks on each, so that another can take
    /// over at once: none, or as many as given, at most 8. Only where both sides announce `renomination`; which of them is up
    /// to the [`Policy`].
    ///
    /// Those are kept first that share no network with the pairs before them, at either end: networks go by their numbers
    /// ([`Base::network`](crate::Base::network)), or else by their addresses. Pairs are checked that come after the nomination.
    #[must_use]
    pub fn backups(mut self, count: usize) -> Self {
        self.backups = u8::try_from(count).unwrap_or(u8::MAX).min(BACKUPS_MAX);
        self
    }

    /// How long another pair has to be better than the selected one, or the selected one in trouble, before the nomination
    /// moves, and how far apart two moves are: 1 s, at least 100 ms. Nobody waits for a pair that is lost.
    #[must_use]
    pub fn dampening(mut self, duration: Duration) -> Self {
        self.dampening = duration.max(DAMPENING_MIN);
        self
    }

    /// Tr, how often the path in use is kept alive where consent is off (RFC 8445 section 11): every 15 s, not less.
    #[must_use]
    pub fn keepalive(mut self, interval: Duration) -> Self {
        self.keepalive = interval.max(KEEPALIVE_MIN);
        self
    }

    /// Whether the agent is lite (RFC 8445 section 2.5): no. For servers with a public address, which answer checks and
    /// send none; whoever is behind a NAT has to be full.
    ///
    /// A lite agent has host candidates only, one for each address and component, preferably one of a family; they are
    /// signalled at [`Agent::end_of_bases`](crate::Agent::end_of_bases). It is controlled by a full peer, whatever role it
    /// began in, and selects what that nominates; of several nominated pairs the one whose checks name the highest
    /// PRIORITY. It sends data where an authentic request came from within the last 30 s, and when those cease, or 6 s
    /// after a clock that has jumped, the stream is lost; with [`consent`](Self::consent) off it never is.
    #[must_use]
    pub fn lite(mut self, lite: bool) -> Self {
        self.implementation = if lite { Implementation::Lite } else { Implementation::Full };
        self
    }

    /// What every fragment that an agent draws begins with: nothing. For a balancer in front of several machines, which finds
    /// by it the one that has the agent.
    #[must_use]
    pub fn ufrag_prefix(mut self, prefix: UfragPrefix) -> Self {
        self.ufrag_prefix = prefix;
        self
    }

    /// Which consent checks nominate the selected pair again: those to a lite peer.
    #[must_use]
    pub fn nominate_in_consent(mut self, when: NominateInConsent) -> Self {
        self.nominate_in_consent = when;
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// The patience for the peer's checks, and half as long again for pairs that were frozen behind others.
const CHECKING_LIMIT: Duration = Duration::from_secs(60);

/// RFC 8445 section 14.2.
pub(crate) const PACING: Duration = Duration::from_millis(50);

/// A peer may ask for patience, not for standstill.
pub(crate) const PACING_MAX: Duration = Duration::from_secs(1);

/// RFC 8445 section 14.2: what all agents of a process together keep to.
const PACING_MIN: Duration = Duration::from_millis(5);

/// RFC 8445 section 11.
const KEEPALIVE_MIN: Duration = Duration::from_secs(15);

/// What libraries for a server count on: translators keep bindings for 30 s at least (RFC 4787 section 4.3 asks for 2 min).
const KEEPALIVE_QUIET: Duration = Duration::from_secs(25);

/// Long enough for a radio to come back, short enough for a call.
const DAMPENING: Duration = Duration::from_secs(1);

/// Ten moves in a second are more than any path can tell apart.
const DAMPENING_MIN: Duration = Duration::from_millis(100);

/// A phone has two networks and a tunnel, each perhaps in two families.
const BACKUPS: u8 = 3;

/// Every backup costs a check in 5 s.
const BACKUPS_MAX: u8 = 8;

/// RFC 8445 section 14.3.
const RTO_MIN: Duration = Duration::from_millis(500);

/// Above this, looking a pair up would cost more than the pair is worth.
const PAIRS_MAX: usize = 1_024;
