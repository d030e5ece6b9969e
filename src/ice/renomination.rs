//! The two drafts by which a nomination may follow another (draft-thatcher-ice-renomination and its successor).

use crate::stun::AttributeType;

/// What both sides know: the later one is used where there is a choice.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Renomination {
    /// `renomination`, with an attribute that need not be understood: what browsers do.
    First,
    /// `renomination2`, with one that has to be.
    Second,
}

impl Renomination {
    /// The ice-options to signal.
    pub(crate) const OPTIONS: [(&str, Self); 2] =
        [("renomination", Self::First), ("renomination2", Self::Second)];

    /// The latest among the ice-options of a peer.
    pub(crate) fn among(mut has: impl FnMut(&str) -> bool) -> Option<Self> {
        Self::OPTIONS.into_iter().filter(|(option, _)| has(option)).map(|(_, draft)| draft).max()
    }

    /// The attribute that numbers a nomination.
    pub(crate) const fn attribute(self) -> AttributeType {
        match self {
            Self::First => NOMINATION,
            Self::Second => NOMINATION_DRAFT,
        }
    }
}

/// NOMINATION as browsers send it (draft-thatcher-ice-renomination).
pub(crate) const NOMINATION: AttributeType = AttributeType::new(0xc001);

/// NOMINATION as its second draft numbers it.
pub(crate) const NOMINATION_DRAFT: AttributeType = AttributeType::new(0x0030);
