//! The peer's candidates behind names that nobody has resolved yet (draft-ietf-mmusic-mdns-ice-candidates section 3.2).
//!
//! ```text
//! add --question open--> waits --answer--> resolved: an ordinary remote candidate, or ignored
//!   \                       \--give up--> ignored
//!    '--name has come to nothing before--> ignored
//! ```
//!
//! A candidate waits as long as there is a question for its name; one that is ignored stays, for it was signalled.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::ice::remote::TooMany;
use crate::ice::{Candidate, CandidateAddress, CandidateId, ComponentId, MdnsName};
use crate::time::{Deadline, Timestamp};

/// A candidate that was signalled with a name, and how many may be like it.
#[derive(Clone, Debug)]
pub(crate) struct NamedCandidate {
    pub(crate) id: CandidateId,
    pub(crate) component: ComponentId,
    pub(crate) candidate: Candidate,
}

/// How many named candidates are taken, and how many names may be asked for at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameLimits {
    pub(crate) live: usize,
    pub(crate) accepted: u32,
    pub(crate) asked: usize,
}

/// What became of a candidate with a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Named {
    /// Its name is to be asked for, under its id.
    Asked,
    /// It waits for a name that was asked for already, or is ignored, as others with its name were.
    Kept,
    /// The same candidate again.
    Known(CandidateId),
}

/// The candidates of one generation, once there was one: most peers use no names.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnresolvedCandidates(Option<Box<Unresolved>>);

/// In the order in which they came.
#[derive(Clone, Debug, Default)]
struct Unresolved {
    candidates: Vec<NamedCandidate>,
    /// Invariant: at most one for a name, and for each a candidate that waits.
    questions: Vec<Question>,
    accepted: u32,
}

/// A name that the application was asked for.
#[derive(Clone, Debug)]
struct Question {
    id: CandidateId,
    name: MdnsName,
    until: Timestamp,
}

impl UnresolvedCandidates {
    /// Takes a candidate, and asks for its name unless that was done before (L-62).
    pub(crate) fn add(
        &mut self,
        now: Timestamp,
        named: NamedCandidate,
        limits: NameLimits,
    ) -> Result<Named, TooMany> {
        if let Some(known) = self.iter().find(|known| known.is_same(&named)) {
            return Ok(Named::Known(known.id));
        }
        let Some(name) = named.name() else { return Err(TooMany) };
        let all = self.0.get_or_insert_default();
        let asked = all.candidates.iter().any(|known| known.name() == Some(name));
        // mdns-process-7
        if all.candidates.len() >= limits.live
            || all.accepted >= limits.accepted
            || (!asked && all.questions.len() >= limits.asked)
        {
            return Err(TooMany);
        }
        if !asked {
            let until = now + ANSWER_WITHIN;
            all.questions.push(Question { id: named.id, name: name.clone(), until });
        }
        all.accepted += 1;
        all.candidates.push(named);
        Ok(if asked { Named::Kept } else { Named::Asked })
    }

    /// Ends a question, and hands over the candidates that waited for it.
    pub(crate) fn answer(&mut self, id: CandidateId) -> Vec<NamedCandidate> {
        let Some(all) = &mut self.0 else { return Vec::new() };
        let Some(at) = all.questions.iter().position(|question| question.id == id) else { return Vec::new() };
        let Question { name, .. } = all.questions.remove(at);
        all.candidates.extract_if(.., |named| named.name() == Some(&name)).collect()
    }

    /// Puts back a candidate whose name was of no use.
    pub(crate) fn ignore(&mut self, named: NamedCandidate) {
        self.0.get_or_insert_default().candidates.push(named);
    }

    /// Ends the questions that nobody has answered in time; returns how many candidates have waited for them.
    pub(crate) fn give_up(&mut self, now: Timestamp) -> usize {
        let waited = self.waiting().count();
        self.0.iter_mut().for_each(|all| all.questions.retain(|question| question.until > now));
        waited - self.waiting().count()
    }

    /// Takes candidates away, and the questions that are then nobody's.
    pub(crate) fn remove(&mut self, gone: impl Fn(&NamedCandidate) -> bool) {
        let Some(Unresolved { candidates, questions, .. }) = self.0.as_deref_mut() else { return };
        candidates.retain(|named| !gone(named));
        questions.retain(|question| candidates.iter().any(|named| named.name() == Some(&question.name)));
    }

    /// All that were signalled, whether they wait or are ignored.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &NamedCandidate> {
        self.0.iter().flat_map(|all| &all.candidates)
    }

    /// Whether this question is still open.
    pub(crate) fn asks(&self, id: CandidateId) -> bool {
        self.questions().any(|question| question.id == id)
    }

    /// Whether candidates may still come of names.
    pub(crate) fn is_waiting(&self) -> bool {
        self.questions().next().is_some()
    }

    /// Adds the instants at which questions are given up.
    pub(crate) fn deadlines(&self, deadline: &mut Deadline) {
        for question in self.questions() {
            deadline.at(question.until);
        }
    }

    fn questions(&self) -> impl Iterator<Item = &Question> {
        self.0.iter().flat_map(|all| &all.questions)
    }

    fn waiting(&self) -> impl Iterator<Item = &NamedCandidate> {
        let asked = |name| self.questions().any(|question| Some(&question.name) == name);
        self.iter().filter(move |named| asked(named.name()))
    }
}

impl NamedCandidate {
    pub(crate) fn name(&self) -> Option<&MdnsName> {
        match self.candidate.address() {
            CandidateAddress::Name(name, _) => Some(name),
            CandidateAddress::Ip(_) => None,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.component == other.component && self.candidate.address() == other.candidate.address()
    }
}

/// How long a name can hold anything up (L-62): resolvers answer within one or two seconds on a local network, or not at
/// all.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
