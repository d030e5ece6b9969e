//! What a client is told once.

use super::{AddressFamily, ReservationToken};
use crate::stun::{EncodeError, LongTerm, Rto, Software};
use alloc::string::String;
use core::time::Duration;

/// The settings of a client.
///
/// Every setter takes the value that is wanted and returns the configuration; values outside their range are moved to
/// its nearest end, as each setter says, so a configuration cannot be invalid.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own, behind a setter with a name"
)]
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) credential: LongTerm,
    pub(super) relayed: Relayed,
    pub(super) lifetime: Option<u32>,
    pub(super) dont_fragment: bool,
    pub(super) mobility: bool,
    pub(super) follow_alternate: bool,
    pub(super) paced: bool,
    pub(super) rto: Rto,
    pub(super) keepalive: Duration,
    pub(super) permissions: usize,
    pub(super) channels: usize,
    pub(super) held: usize,
    pub(super) software: Option<String>,
}

/// Which relayed address is asked for.
///
/// What RFC 8656 section 7.1 does not allow together cannot be said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "this is what a request can ask for")]
pub enum Relayed {
    /// Any port.
    Any(Families),
    /// A port with an even number (EVEN-PORT). Any port, should there be none.
    EvenPort(Families),
    /// A port with an even number, and the next one reserved (EVEN-PORT with the R bit): the token for it comes with the
    /// allocation. Any port, should there be no pair.
    PortPair(AddressFamily),
    /// The port that was reserved with another allocation (RESERVATION-TOKEN). Any IPv4 port, should it be gone.
    Reserved(ReservationToken),
}

/// The families of relayed addresses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there are two, and both")]
pub enum Families {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
    /// One of each from one allocation (ADDITIONAL-ADDRESS-FAMILY); one of them, if that is all that there is.
    Both,
}

impl Config {
    /// The defaults, and who asks: any IPv4 port, for as long as the server likes.
    #[must_use]
    pub fn new(credential: LongTerm) -> Self {
        Self {
            credential,
            relayed: Relayed::Any(Families::V4),
            lifetime: None,
            dont_fragment: false,
            mobility: false,
            follow_alternate: false,
            paced: false,
            rto: Rto::default(),
            keepalive: KEEPALIVE,
            permissions: PEERS_MAX,
            channels: PEERS_MAX,
            held: HELD_MAX,
            software: None,
        }
    }

    /// Which relayed address to ask for.
    #[must_use]
    pub fn relayed(self, relayed: Relayed) -> Self {
        Self { relayed, ..self }
    }

    /// Any relayed address of these families.
    #[must_use]
    pub fn families(self, families: Families) -> Self {
        self.relayed(Relayed::Any(families))
    }

    /// The lifetime to ask for, in whole seconds from 1 on; what the server grants may be more or less. Without a wish it
    /// is 600 s by RFC 8656.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX).max(1);
        Self { lifetime: Some(seconds), ..self }
    }

    /// Whether datagrams to peers carry the DF bit, if the server can do that (DONT-FRAGMENT): off by default. Data on a
    /// channel goes without.
    #[must_use]
    pub fn dont_fragment(self, dont_fragment: bool) -> Self {
        Self { dont_fragment, ..self }
    }

    /// Whether to ask for a ticket with which the allocation can be moved to another 5-tuple (RFC 8016): off by default.
    #[must_use]
    pub fn mobility(self, mobility: bool) -> Self {
        Self { mobility, ..self }
    }

    /// Whether a server may send us to another one (300, ALTERNATE-SERVER): off by default, since whoever can make up a
    /// first response can make up that one. At most once for each allocation that is asked for, over UDP, within the address
    /// family, and not to a loopback address, a port below 1024 other than 53, 80 and 443, or a server that has sent us
    /// away within the last five minutes.
    #[must_use]
    pub fn follow_alternate(self, follow: bool) -> Self {
        Self { follow_alternate: follow, ..self }
    }

    /// Whether a new Allocate waits for [`Client::grant`](super::Client::grant): off by default.
    #[must_use]
    pub fn paced(self, paced: bool) -> Self {
        Self { paced, ..self }
    }

    /// The schedule of requests.
    #[must_use]
    pub fn rto(self, rto: Rto) -> Self {
        Self { rto, ..self }
    }

    /// After what time without a datagram to the server a Binding indication keeps the mappings of NATs on the way alive:
    /// 25 s by default, at least 1 s. Over TCP none is sent.
    #[must_use]
    pub fn keepalive(self, keepalive: Duration) -> Self {
        Self { keepalive: keepalive.max(Duration::from_secs(1)), ..self }
    }

    /// How many peers, by IP address, may be known at a time: 128 by default, 1 to 4,096. The newest is refused.
    #[must_use]
    pub fn permissions(self, limit: usize) -> Self {
        Self { permissions: limit.clamp(1, 4_096), ..self }
    }

    /// How many channels there may be at a time: 128 by default, up to 1,024. The newest is refused.
    #[must_use]
    pub fn channels(self, limit: usize) -> Self {
        Self { channels: limit.min(1_024), ..self }
    }

    /// How many messages may wait for permissions altogether, of each peer the latest two: 256 by default. The oldest
    /// gives way.
    #[must_use]
    pub fn held(self, limit: usize) -> Self {
        Self { held: limit, ..self }
    }

    /// What Allocate and Refresh say of the program (SOFTWARE): nothing by default, since it helps whoever looks for weak
    /// ones.
    ///
    /// # Errors
    ///
    /// [`EncodeError::TooLong`] from 128 characters on.
    pub fn software(self, software: &str) -> Result<Self, EncodeError> {
        Software::new(software)?;
        Ok(Self { software: Some(software.into()), ..self })
    }
}

impl Families {
    pub(super) const fn contains(self, family: AddressFamily) -> bool {
        matches!(
            (self, family),
            (Self::V4 | Self::Both, AddressFamily::Ipv4) | (Self::V6 | Self::Both, AddressFamily::Ipv6)
        )
    }

    /// Without one of both.
    pub(super) const fn without(self, family: AddressFamily) -> Self {
        match (self, family) {
            (Self::Both, AddressFamily::Ipv4) => Self::V6,
            (Self::Both, AddressFamily::Ipv6) => Self::V4,
            (one, _) => one,
        }
    }
}

impl Relayed {
    pub(super) const fn families(self) -> Families {
        match self {
            Self::Any(families) | Self::EvenPort(families) => families,
            Self::PortPair(AddressFamily::Ipv4) | Self::Reserved(_) => Families::V4,
            Self::PortPair(AddressFamily::Ipv6) => Families::V6,
        }
    }

    /// Whether the server was asked for a certain port.
    pub(super) const fn is_choosy(self) -> bool {
        !matches!(self, Self::Any(_))
    }
}

/// RFC 8445 section 11 asks for 15 s at least; NATs that forget after 30 s are met.
const KEEPALIVE: Duration = Duration::from_secs(25);
/// As many peers as an agent has remote candidates at the default limits, twice.
const PEERS_MAX: usize = 128;
/// Twice the peers.
const HELD_MAX: usize = 256;
