//! What is wrong with a line, and where.

/// Why a line does not parse.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind} at byte {at}")]
#[non_exhaustive]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where the offending field begins, in bytes from the start of the line; its length if something is missing at
    /// the end.
    pub at: usize,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// More than 1,024 bytes.
    #[error("line too long")]
    TooLong,
    /// Something other than `candidate:`.
    #[error("not a candidate line")]
    NotCandidate,
    /// The line ends where a field is missing.
    #[error("line ends too soon")]
    Truncated,
    /// A foundation other than 1 to 32 ice-chars.
    #[error("malformed foundation")]
    Foundation,
    /// A component id other than 1 to 256.
    #[error("malformed component id")]
    Component,
    /// A transport other than UDP and TCP.
    #[error("unsupported transport")]
    UnsupportedTransport,
    /// A priority that is not a number of 32 bits.
    #[error("malformed priority")]
    Priority,
    /// Something with a colon that is no IPv6 address, or nothing at all.
    #[error("malformed address")]
    Address,
    /// A host name that is not a multicast DNS name of one label.
    #[error("unsupported host name")]
    UnsupportedAddress,
    /// A port that is not a number of 16 bits.
    #[error("malformed port")]
    Port,
    /// Something other than `typ` before the type.
    #[error("no typ")]
    Typ,
    /// A type other than `host`, `srflx`, `prflx` and `relay`.
    #[error("unsupported candidate type")]
    UnsupportedKind,
    /// A related address that is neither an IP address nor a name.
    #[error("malformed related address")]
    RelatedAddress,
    /// A related port that is not a number of 16 bits.
    #[error("malformed related port")]
    RelatedPort,
    /// A TCP candidate without `tcptype`, or with one other than `active`, `passive` and `so`.
    #[error("no tcptype that is known")]
    TcpType,
    /// A username fragment other than 4 to 256 ice-chars.
    #[error("malformed username fragment")]
    Ufrag,
    /// A password other than 22 to 256 ice-chars.
    #[error("malformed password")]
    Password,
    /// An extension attribute without a name, or with characters that are not visible ASCII.
    #[error("malformed extension attribute")]
    Extension,
    /// No option, or characters that are not visible ASCII.
    #[error("malformed ice-options")]
    Options,
    /// Pacing that is not a number of 1 to 10 digits.
    #[error("malformed ice-pacing")]
    Pacing,
    /// A value on an attribute that has none.
    #[error("a flag with a value")]
    Flag,
}

impl ParseErrorKind {
    /// Whether the line is well formed, and speaks of something that floe does not support: RFC 8839 asks to ignore
    /// such candidates.
    pub const fn is_unsupported(self) -> bool {
        matches!(self, Self::UnsupportedTransport | Self::UnsupportedAddress | Self::UnsupportedKind)
    }

    /// The error of this kind at byte `at`.
    pub(crate) const fn at(self, at: usize) -> ParseError {
        ParseError { kind: self, at }
    }
}
