//! The lines of a description that are about ICE: candidates, credentials, options, pacing and flags.

use super::candidate::{CandidateLine, LINE_MAX, parse_value};
use super::fields::{Field, Fields, Host, attribute};
use super::{ParseError, ParseErrorKind};
use crate::ice::{Candidate, check_password, check_ufrag};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

/// A line of a session description that is about ICE. Written with `a=` and without an end of line.
///
/// ```
/// use floe::sdp::{Line, Options};
///
/// let line = Line::parse("a=ice-options:ice2 trickle\r\n")?;
/// assert_eq!(line, Some(Line::Options(Options::new("ice2 trickle").unwrap())));
/// assert_eq!(Line::EndOfCandidates.to_string(), "a=end-of-candidates");
/// # Ok::<(), floe::sdp::ParseError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Line<'a> {
    /// `candidate`, of a media description.
    Candidate(Box<Candidate>),
    /// `ice-ufrag`: 4 to 256 ice-chars. At most 32 are to be sent.
    Ufrag(&'a str),
    /// `ice-pwd`.
    Password(Password<'a>),
    /// `ice-options`.
    Options(Options<'a>),
    /// `ice-pacing`, of the session: the Ta that the peer asks for, as it is; the agent keeps it within bounds.
    /// Without the line it is 50 ms.
    Pacing(Duration),
    /// `ice-lite`, of the session.
    Lite,
    /// `ice-mismatch`, of a media description in an answer: ICE is not used for it.
    Mismatch,
    /// `end-of-candidates`: of this media description, or of all in the session part (RFC 8840 section 8.2).
    EndOfCandidates,
    /// `remote-candidates`, of a media description in an offer.
    RemoteCandidates(RemoteCandidates),
}

impl<'a> Line<'a> {
    /// Reads one line, with or without `a=` in front and an end of line behind; `None` if it is not about ICE.
    ///
    /// # Errors
    ///
    /// [`ParseError`] says what is wrong and where, in a line about ICE.
    pub fn parse(line: &'a str) -> Result<Option<Self>, ParseError> {
        // rfc8840-9.2-1: names are accepted in any case, as ABNF has them; unknown ones are nobody's mistake.
        let (name, value) = attribute(line);
        let Some(parse) =
            PARSERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, parse)| parse)
        else {
            return Ok(None);
        };
        if line.len() > LINE_MAX {
            return Err(ParseErrorKind::TooLong.at(LINE_MAX));
        }
        let end = Field { text: "", at: line.trim_end_matches(['\r', '\n']).len() };
        parse(value, end).map(Some)
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Candidate(candidate) => write!(f, "a={}", CandidateLine(candidate)),
            Self::Ufrag(ufrag) => write!(f, "a=ice-ufrag:{ufrag}"),
            Self::Password(password) => write!(f, "a=ice-pwd:{}", password.as_str()),
            Self::Options(options) => write!(f, "a=ice-options:{options}"),
            Self::Pacing(pacing) => write!(f, "a=ice-pacing:{}", pacing.as_millis()),
            Self::Lite => f.write_str("a=ice-lite"),
            Self::Mismatch => f.write_str("a=ice-mismatch"),
            Self::EndOfCandidates => f.write_str("a=end-of-candidates"),
            Self::RemoteCandidates(list) => write!(f, "a=remote-candidates:{list}"),
        }
    }
}

/// A password on a line; `Debug` does not show it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Password<'a>(&'a str);

impl<'a> Password<'a> {
    /// The password that reads `text`; `None` unless it is 22 to 256 ice-chars.
    pub fn new(text: &'a str) -> Option<Self> {
        check_password(text).ok().map(|()| Self(text))
    }

    /// The text.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// The tags of `ice-options`, such as `ice2`, `trickle` and `renomination`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options<'a>(&'a str);

impl<'a> Options<'a> {
    /// The options in `text`, parted by single spaces; `None` unless there is one, and all are ice-chars.
    pub fn new(text: &'a str) -> Option<Self> {
        // rfc8839-5.6-1
        let legal = |tag: &str| !tag.is_empty() && crate::ice::is_ice_chars(tag);
        text.split(' ').all(legal).then_some(Self(text))
    }

    /// The options in `text`, with any visible characters: `google-ice` is a tag that was seen, and does no harm.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let options = Self(text);
        (visible && options.iter().next().is_some()).then_some(options)
    }

    /// The options, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.split(' ').filter(|tag| !tag.is_empty())
    }

    /// Whether `option` is among them.
    pub fn contains(&self, option: &str) -> bool {
        self.iter().any(|tag| tag == option)
    }
}

impl fmt::Display for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Where a controlling agent that is done sends each component: `remote-candidates` (RFC 8839 section 5.2).
///
/// A description may have several such lines, each with some of the components.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RemoteCandidates(Vec<(u16, SocketAddr)>);

impl RemoteCandidates {
    /// One pair of component and address each; `None` if there is none, or a component is not 1 to 256.
    pub fn new(candidates: impl IntoIterator<Item = (u16, SocketAddr)>) -> Option<Self> {
        let candidates: Vec<_> = candidates.into_iter().collect();
        let legal = candidates.iter().all(|(component, _)| (1..=256).contains(component));
        (legal && !candidates.is_empty()).then_some(Self(candidates))
    }

    /// Component and address, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, SocketAddr)> + '_ {
        self.0.iter().copied()
    }
}

impl fmt::Display for RemoteCandidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().enumerate().try_for_each(|(at, (component, address))| {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{component} {} {}", address.ip(), address.port())
        })
    }
}

/// Reads the value of an attribute; the second field stands for one that is missing.
type Parser = for<'a> fn(Option<Field<'a>>, Field<'a>) -> Result<Line<'a>, ParseError>;

const PARSERS: [(&str, Parser); 9] = [
    ("candidate", |value, end| parse_value(value.unwrap_or(end)).map(|it| Line::Candidate(Box::new(it)))),
    ("ice-ufrag", |value, end| parse_ufrag(value.unwrap_or(end))),
    ("ice-pwd", |value, end| parse_password(value.unwrap_or(end))),
    ("ice-options", |value, end| parse_options(value.unwrap_or(end))),
    ("ice-pacing", |value, end| parse_pacing(value.unwrap_or(end))),
    ("ice-lite", |value, _| flag(value, Line::Lite)),
    ("ice-mismatch", |value, _| flag(value, Line::Mismatch)),
    ("end-of-candidates", |value, _| flag(value, Line::EndOfCandidates)),
    ("remote-candidates", |value, end| parse_remote_candidates(value.unwrap_or(end))),
];

fn parse_ufrag(value: Field<'_>) -> Result<Line<'_>, ParseError> {
    check_ufrag(value.text).map_err(|_| value.wrong(ParseErrorKind::Ufrag))?;
    Ok(Line::Ufrag(value.text))
}

fn parse_password(value: Field<'_>) -> Result<Line<'_>, ParseError> {
    let password = Password::new(value.text).ok_or_else(|| value.wrong(ParseErrorKind::Password))?;
    Ok(Line::Password(password))
}

fn parse_options(value: Field<'_>) -> Result<Line<'_>, ParseError> {
    let options = Options::read(value.text).ok_or_else(|| value.wrong(ParseErrorKind::Options))?;
    Ok(Line::Options(options))
}

fn parse_pacing(value: Field<'_>) -> Result<Line<'_>, ParseError> {
    let millis = value.number(10).ok_or_else(|| value.wrong(ParseErrorKind::Pacing))?;
    Ok(Line::Pacing(Duration::from_millis(millis)))
}

fn parse_remote_candidates(value: Field<'_>) -> Result<Line<'_>, ParseError> {
    let mut fields = Fields::new(value);
    let mut candidates = Vec::new();
    // At most 146 of them: the shortest takes seven bytes of a line.
    while let Some(field) = fields.next() {
        let component = field.component()?;
        let (host, port) = (fields.expect()?, fields.expect()?);
        let ip = match host.host() {
            Some(Host::Ip(ip)) => ip,
            Some(Host::Name) => return Err(host.wrong(ParseErrorKind::UnsupportedAddress)),
            None => return Err(host.wrong(ParseErrorKind::Address)),
        };
        let port = port.port().ok_or_else(|| port.wrong(ParseErrorKind::Port))?;
        candidates.push((component, SocketAddr::new(ip, port)));
    }
    Ok(Line::RemoteCandidates(RemoteCandidates(candidates)))
}

fn flag<'a>(value: Option<Field<'a>>, line: Line<'a>) -> Result<Line<'a>, ParseError> {
    match value {
        None => Ok(line),
        Some(value) => Err(value.wrong(ParseErrorKind::Flag)),
    }
}

#[cfg(test)]
mod tests;
