//! What a whole session description says about ICE: which line counts at which level (RFC 8839 sections 4 and 5).

use super::fields::attribute;
use super::{Line, Options, ParseError, Password, RemoteCandidates};
use crate::ice::{Candidate, Credentials};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// What a session description says about ICE, media description by media description.
///
/// Everything else in it belongs to the application: it hands over the text that it received, and puts
/// [`session_lines`](Self::session_lines) and [`Media::lines`] into the text that it sends.
///
/// ```
/// use floe::sdp::Description;
///
/// let text = "v=0\r\n\
///     a=ice-options:ice2\r\n\
///     m=audio 9 RTP/AVP 0\r\n\
///     a=ice-ufrag:8hhY\r\n\
///     a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n\
///     a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host\r\n";
/// let offer = Description::parse(text)?;
/// let [audio] = offer.media() else { panic!("one m= line") };
/// assert!(!offer.is_lite() && audio.has_option("ice2"));
/// assert_eq!(audio.credentials().map(|it| it.ufrag()), Some("8hhY"));
/// assert_eq!(audio.candidates().len(), 1);
/// # Ok::<(), floe::sdp::DescriptionError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Description {
    lite: bool,
    pacing: Option<Duration>,
    media: Vec<Media>,
}

impl Description {
    /// The most media descriptions that are read.
    ///
    /// A short `m=` line costs as much as all that the session says for it, so without a limit a text of a megabyte
    /// would take hundreds.
    pub const MEDIA_MAX: usize = 1024;

    /// The description of a full agent that wants its transactions `pacing` apart.
    pub const fn full(pacing: Duration) -> Self {
        Self { lite: false, pacing: Some(pacing), media: Vec::new() }
    }

    /// The description of a lite agent, which paces nothing.
    pub const fn lite() -> Self {
        Self { lite: true, pacing: None, media: Vec::new() }
    }

    /// Reads a description. Candidates that do not parse, or that floe does not support, are skipped; so is a line at a
    /// level where it means nothing, and what is not about ICE.
    ///
    /// # Errors
    ///
    /// [`DescriptionError`] if another line about ICE does not parse, if two media descriptions share a username fragment
    /// and not the password, and beyond [`MEDIA_MAX`](Self::MEDIA_MAX) media descriptions.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        let mut description = Self::default();
        let mut session = Section::default();
        let mut sections: Vec<Section<'_>> = Vec::new();
        for (index, text) in text.lines().enumerate() {
            if text.starts_with("m=") {
                if sections.len() == Self::MEDIA_MAX {
                    return Err(DescriptionError::TooManyMedia);
                }
                sections.push(Section::default());
                continue;
            }
            let line = match Line::parse(text) {
                Ok(Some(line)) => line,
                Ok(None) => continue,
                // rfc8839-5.1-8: a candidate that is of no use takes nothing else with it.
                Err(error) if error.kind.is_unsupported() || is_candidate(text) => continue,
                Err(error) => return Err(DescriptionError::Line { number: index + 1, error }),
            };
            match (sections.last_mut(), line) {
                // rfc8839-5.3-1, rfc8839-5.5-1: of the session alone.
                (None, Line::Lite) => description.lite = true,
                (None, Line::Pacing(pacing)) => description.pacing = Some(pacing),
                (None, line) => session.take_either(line),
                (Some(section), line) => section.take(line),
            }
        }
        description.media = sections.into_iter().map(|section| section.finish(&session)).collect();
        description.check_passwords()?;
        Ok(description)
    }

    /// The lines of the session part.
    pub fn session_lines(&self) -> impl Iterator<Item = Line<'static>> {
        // rfc8839-4.2.1.4-1, rfc8839-4.3.1-2
        let pacing = self.pacing.filter(|_| !self.lite).map(Line::Pacing);
        self.lite.then_some(Line::Lite).into_iter().chain(pacing)
    }

    /// Whether it is from a lite agent.
    pub const fn is_lite(&self) -> bool {
        self.lite
    }

    /// The Ta that its agent wants, as it is written; 50 ms if it does not say.
    pub fn pacing(&self) -> Duration {
        self.pacing.unwrap_or(PACING_DEFAULT)
    }

    /// The media descriptions, in order.
    pub fn media(&self) -> &[Media] {
        &self.media
    }

    /// rfc8839-5.4-3
    fn check_passwords(&self) -> Result<(), DescriptionError> {
        let all = || self.media.iter().filter_map(Media::credentials);
        let differ = |a: &Credentials| all().any(|b| a.ufrag() == b.ufrag() && a != b);
        if all().any(differ) { Err(DescriptionError::Passwords) } else { Ok(()) }
    }
}

/// What one media description says about ICE, that of the session included.
#[derive(Clone, Debug, Default)]
pub struct Media {
    credentials: Option<Credentials>,
    /// Tags with a space between them.
    options: String,
    candidates: Vec<Candidate>,
    remote_candidates: Vec<(u16, SocketAddr)>,
    end_of_candidates: bool,
    mismatch: bool,
}

impl Media {
    /// The most candidates that are read from one media description; the rest is skipped.
    pub const CANDIDATES_MAX: usize = 256;

    /// What an agent with these credentials says: the option `ice2`, and no candidates yet.
    pub fn new(credentials: Credentials) -> Self {
        // rfc8839-4.2.1.5-1
        Self { credentials: Some(credentials), options: "ice2".into(), ..Self::default() }
    }

    /// The same with more options, such as `trickle`: 1,000 characters in all, the rest is dropped.
    #[must_use]
    pub fn with_options(mut self, options: Options<'_>) -> Self {
        self.add_options(options);
        self
    }

    /// The same with these candidates.
    #[must_use]
    pub fn with_candidates(mut self, candidates: impl IntoIterator<Item = Candidate>) -> Self {
        self.candidates.extend(candidates);
        self
    }

    /// The same, saying that no more candidates will follow.
    #[must_use]
    pub const fn with_end_of_candidates(mut self) -> Self {
        self.end_of_candidates = true;
        self
    }

    /// The same with the nominated candidates of the peer: for the offers of a controlling agent that is done.
    #[must_use]
    pub fn with_remote_candidates(mut self, candidates: &RemoteCandidates) -> Self {
        self.remote_candidates.extend(candidates.iter());
        self
    }

    /// The lines of the media description.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let credentials = self.credentials.iter().flat_map(|credentials| {
            let password = Password::new(credentials.password()).map(Line::Password);
            [Some(Line::Ufrag(credentials.ufrag())), password].into_iter().flatten()
        });
        let options = Options::read(&self.options).map(Line::Options);
        let candidates = self.candidates.iter().map(|candidate| Line::Candidate(Box::new(candidate.clone())));
        let remote =
            RemoteCandidates::new(self.remote_candidates.iter().copied()).map(Line::RemoteCandidates);
        credentials
            .chain(options)
            .chain(candidates)
            .chain(self.end_of_candidates.then_some(Line::EndOfCandidates))
            .chain(remote)
            .chain(self.mismatch.then_some(Line::Mismatch))
    }

    /// The credentials; without them the peer does not do ICE here.
    pub const fn credentials(&self) -> Option<&Credentials> {
        // rfc8839-4.2.5-1
        self.credentials.as_ref()
    }

    /// Whether `option` is among the options, of this media description or of the session.
    pub fn has_option(&self, option: &str) -> bool {
        Options::read(&self.options).is_some_and(|options| options.contains(option))
    }

    /// The candidates, in order.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Where the peer, controlling and done, sends each component.
    pub fn remote_candidates(&self) -> &[(u16, SocketAddr)] {
        &self.remote_candidates
    }

    /// Whether no more candidates will follow.
    pub const fn is_end_of_candidates(&self) -> bool {
        self.end_of_candidates
    }

    /// Whether the peer cannot use ICE here, since somebody on the way changed the default destination.
    pub const fn is_mismatch(&self) -> bool {
        self.mismatch
    }

    fn add_options(&mut self, options: Options<'_>) {
        for tag in options.iter() {
            let fits = self.options.len() + tag.len() < OPTIONS_MAX;
            if fits && !self.has_option(tag) {
                let space = if self.options.is_empty() { "" } else { " " };
                self.options.extend([space, tag]);
            }
        }
    }
}

/// Why a description is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptionError {
    /// A line about ICE other than a candidate does not parse.
    #[error("line {number}: {error}")]
    Line {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        error: ParseError,
    },
    /// Two media descriptions have one username fragment and two passwords.
    #[error("two media descriptions share a username fragment and not the password")]
    Passwords,
    /// More than 1,024 media descriptions.
    #[error("more than 1,024 media descriptions")]
    TooManyMedia,
}

/// What was read of the session part or of a media description.
#[derive(Default)]
struct Section<'a> {
    ufrag: Option<&'a str>,
    password: Option<Password<'a>>,
    media: Media,
}

impl<'a> Section<'a> {
    /// Takes a line of a media description.
    fn take(&mut self, line: Line<'a>) {
        match line {
            Line::Candidate(candidate) => {
                if self.media.candidates.len() < Media::CANDIDATES_MAX {
                    self.media.candidates.push(*candidate);
                }
            }
            Line::RemoteCandidates(candidates) => self.media.remote_candidates.extend(candidates.iter()),
            Line::Mismatch => self.media.mismatch = true,
            line => self.take_either(line),
        }
    }

    /// Takes a line that may stand at either level; others mean nothing here.
    fn take_either(&mut self, line: Line<'a>) {
        match line {
            Line::Ufrag(ufrag) => self.ufrag = Some(ufrag),
            Line::Password(password) => self.password = Some(password),
            Line::Options(options) => self.media.add_options(options),
            Line::EndOfCandidates => self.media.end_of_candidates = true,
            Line::Candidate(_)
            | Line::Pacing(_)
            | Line::Lite
            | Line::Mismatch
            | Line::RemoteCandidates(_) => {}
        }
    }

    /// The media description with what the session says for all.
    fn finish(self, session: &Self) -> Media {
        let mut media = self.media;
        // rfc8839-5.4-2
        if let (Some(ufrag), Some(password)) =
            (self.ufrag.or(session.ufrag), self.password.or(session.password))
        {
            media.credentials = Credentials::new(ufrag, password.as_str()).ok();
        }
        if let Some(options) = Options::read(&session.media.options) {
            media.add_options(options);
        }
        // rfc8840-8.2-1
        media.end_of_candidates |= session.media.end_of_candidates;
        media
    }
}

fn is_candidate(line: &str) -> bool {
    attribute(line).0.eq_ignore_ascii_case("candidate")
}

/// Room for the options of one media description, so that what is written is a line that can be read.
const OPTIONS_MAX: usize = 1000;

/// RFC 8839 section 5.5.
const PACING_DEFAULT: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
