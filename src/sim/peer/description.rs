//! What peers signal to one another: lines of SDP.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::ice::Candidate;
use crate::sdp::Line;

/// What one signalled message says.
#[derive(Debug, Default)]
pub(super) struct Description {
    pub(super) ufrag: String,
    pub(super) password: String,
    pub(super) pacing: Option<core::time::Duration>,
    pub(super) options: String,
    pub(super) lite: bool,
    pub(super) candidates: Vec<Candidate>,
    pub(super) ended: bool,
    pub(super) answers: Option<String>,
}

impl Description {
    pub(super) fn read(text: &str) -> Self {
        let mut description = Self::default();
        for line in text.lines() {
            if let Some(ours) = line.strip_prefix(ANSWERS) {
                description.answers = Some(ours.to_string());
            }
            match Line::parse(line) {
                Ok(Some(Line::Ufrag(ufrag))) => description.ufrag = ufrag.to_string(),
                Ok(Some(Line::Password(password))) => description.password = password.as_str().to_string(),
                Ok(Some(Line::Options(options))) => description.options = options.to_string(),
                Ok(Some(Line::Lite)) => description.lite = true,
                Ok(Some(Line::Pacing(ta))) => description.pacing = Some(ta),
                Ok(Some(Line::Candidate(candidate))) => description.candidates.push(*candidate),
                Ok(Some(Line::EndOfCandidates)) => description.ended = true,
                // What does not concern us, or cannot be read, does no harm.
                _ => {}
            }
        }
        description
    }
}

/// A line of our own: which fragment of the other end the message answers, so that restarts that cross do not make the ends
/// restart each other without end ([`Remote::answering`](crate::Remote::answering)).
pub(super) const ANSWERS: &str = "a=x-answers:";
