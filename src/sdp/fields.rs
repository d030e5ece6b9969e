//! The fields of a line, each with the place where it begins.

use super::{ParseError, ParseErrorKind};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One field of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl Field<'_> {
    /// The error of this field.
    pub(super) const fn wrong(&self, kind: ParseErrorKind) -> ParseError {
        kind.at(self.at)
    }

    /// Whether it reads `word`, in any case.
    pub(super) fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    /// The number of `digits` decimal digits at most.
    pub(super) fn number(&self, digits: usize) -> Option<u64> {
        let fits = (1..=digits).contains(&self.text.len());
        // `parse` alone would take a sign.
        if fits && self.text.bytes().all(|byte| byte.is_ascii_digit()) {
            self.text.parse().ok()
        } else {
            None
        }
    }

    /// A component id, or the error that there is none.
    pub(super) fn component(&self) -> Result<u16, ParseError> {
        // rfc8839-5.1-4
        let number = self.number(3).and_then(|number| u16::try_from(number).ok());
        number
            .filter(|number| (1..=256).contains(number))
            .ok_or_else(|| self.wrong(ParseErrorKind::Component))
    }

    /// A port.
    pub(super) fn port(&self) -> Option<u16> {
        self.number(5).and_then(|number| u16::try_from(number).ok())
    }

    /// An address, or a name.
    pub(super) fn host(&self) -> Option<Host> {
        // rfc8839-5.1-7: the colon tells IPv6 from the rest.
        if self.text.contains(':') {
            // A zone means something on the machine of the peer at most (L-40).
            let address = self.text.split_once('%').map_or(self.text, |(address, _)| address);
            address.parse::<Ipv6Addr>().ok().map(|address| Host::Ip(address.into()))
        } else if let Ok(address) = self.text.parse::<Ipv4Addr>() {
            Some(Host::Ip(address.into()))
        } else {
            (!self.text.is_empty()).then_some(Host::Name)
        }
    }
}

/// What a connection-address can be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Host {
    Ip(IpAddr),
    /// The text of the field, whatever it is.
    Name,
}

/// The fields of a value, parted by one space each.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    /// `None` once the last field was taken.
    rest: Option<&'a str>,
    at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of `value`.
    pub(super) const fn new(value: Field<'a>) -> Self {
        Self { rest: Some(value.text), at: value.at }
    }

    /// Where the line ends.
    pub(super) fn end(&self) -> usize {
        self.rest.map_or_else(|| self.at.saturating_sub(1), |rest| self.at + rest.len())
    }

    /// The next field, or the error that the line ends too soon.
    pub(super) fn expect(&mut self) -> Result<Field<'a>, ParseError> {
        let end = self.end();
        self.next().ok_or_else(|| ParseErrorKind::Truncated.at(end))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let (text, rest) = match rest.split_once(' ') {
            Some((text, rest)) => (text, Some(rest)),
            None => (rest, None),
        };
        let at = self.at;
        self.rest = rest;
        self.at += text.len() + 1;
        Some(Field { text, at })
    }
}

/// Splits a line into the name of its attribute and the value, if it has one. `a=` and the end of the line may be
/// missing.
pub(super) fn attribute(line: &str) -> (&str, Option<Field<'_>>) {
    let text = line.trim_end_matches(['\r', '\n']);
    // rfc8839-5.1-2
    let (text, at) = match text.get(..2) {
        Some(prefix) if prefix.eq_ignore_ascii_case("a=") => (text.get(2..).unwrap_or_default(), 2),
        _ => (text, 0),
    };
    match text.split_once(':') {
        Some((name, value)) => (name, Some(Field { text: value, at: at + name.len() + 1 })),
        None => (text, None),
    }
}
