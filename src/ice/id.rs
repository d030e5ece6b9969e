//! Names of the things an agent holds: counters that are never reused, so an old name cannot mean a new thing.

use core::fmt;
use core::num::NonZero;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($raw:ty), $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name {
            /// The number and one: a name that may be missing takes no more room than one that is there.
            beyond: NonZero<$raw>,
        }

        impl $name {
            /// The id with this number, as [`to_raw`](Self::to_raw) gave it: for languages and logs that carry numbers. Nothing
            /// ever has the last number there is, which counts as the one before it.
            pub const fn from_raw(raw: $raw) -> Self {
                Self { beyond: NonZero::<$raw>::MIN.saturating_add(raw) }
            }

            /// The number behind the id.
            pub const fn to_raw(self) -> $raw {
                self.beyond.get().saturating_sub(1)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.to_raw()).finish()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($word, " {}"), self.to_raw())
            }
        }
    };
}

id! {
    /// A data stream of an agent, counted from zero in the order in which streams were added.
    StreamId(u16), "stream"
}

id! {
    /// A local or remote candidate.
    CandidateId(u32), "candidate"
}

id! {
    /// A candidate pair.
    PairId(u32), "pair"
}

id! {
    /// A local socket that was declared as a base.
    BaseId(u32), "base"
}

id! {
    /// A STUN or TURN server.
    ServerId(u16), "server"
}

id! {
    /// A connection that the caller was asked to open.
    ConnectId(u32), "connection"
}

id! {
    /// What lies between two restarts of a stream, counted from zero.
    Generation(u32), "generation"
}

impl StreamId {
    /// Component `number` of this stream: 1 for the first, at most 256 (RFC 8445 section 5.1.1.1). A number that the
    /// stream does not have names nothing, and what is asked of it is refused.
    pub const fn component(self, number: u16) -> ComponentId {
        ComponentId { stream: self, number }
    }
}

impl Generation {
    /// The first one.
    pub const FIRST: Self = Self::from_raw(0);

    /// The one after a restart.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::from_raw(self.to_raw().saturating_add(1))
    }
}

/// A component of a data stream.
///
/// ```
/// use floe::ice::StreamId;
///
/// let rtcp = StreamId::from_raw(0).component(2);
/// assert_eq!(rtcp.number(), 2);
/// assert_eq!(rtcp.to_string(), "stream 0 component 2");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ComponentId {
    stream: StreamId,
    number: u16,
}

impl ComponentId {
    /// The stream it belongs to.
    pub const fn stream(self) -> StreamId {
        self.stream
    }

    /// Its number within the stream, from 1.
    pub const fn number(self) -> u16 {
        self.number
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} component {}", self.stream, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn ids_are_numbers_with_a_name() {
        assert_eq!(PairId::from_raw(7).to_string(), "pair 7");
        assert_eq!(PairId::from_raw(7).to_raw(), 7);
        assert!(CandidateId::from_raw(1) < CandidateId::from_raw(2));
        assert_eq!(alloc::format!("{:?}", BaseId::from_raw(0)), "BaseId(0)");
    }

    #[test]
    fn an_id_that_may_be_missing_takes_no_more_room() {
        assert_eq!(size_of::<Option<PairId>>(), size_of::<u32>());
        assert_eq!(size_of::<Option<ComponentId>>(), 2 * size_of::<u16>());
    }

    #[test]
    fn a_component_knows_its_stream() {
        let stream = StreamId::from_raw(3);
        let component = stream.component(256);
        assert_eq!((component.stream(), component.number()), (stream, 256));
        assert!(stream.component(1) < component && component < StreamId::from_raw(4).component(1));
    }

    #[test]
    fn generations_count_restarts() {
        assert_eq!(Generation::FIRST.next(), Generation::from_raw(1));
        assert!(Generation::FIRST.next() < Generation::FIRST.next().next());
    }
}
