//! Which pair RFC 8445 prefers, in arithmetic of its own.

use crate::ice::CandidateKind;

/// Section 5.1.2.1, with the type preferences of section 5.1.2.2:
/// `2^24 * type preference + 2^8 * local preference + 2^0 * (256 - component)`.
pub(super) fn candidate_priority(kind: CandidateKind, local_preference: u16, component: u16) -> u64 {
    (1 << 24) * type_preference(kind)
        + (1 << 8) * u64::from(local_preference)
        + (256 - u64::from(component.min(256)))
}

/// Section 6.1.2.3: `2^32 * MIN(G,D) + 2 * MAX(G,D) + (G > D ? 1 : 0)`, where G is the controlling agent's candidate.
pub(super) fn pair_priority(controlling: u64, controlled: u64) -> u64 {
    let (worse, better) =
        if controlling < controlled { (controlling, controlled) } else { (controlled, controlling) };
    (worse << 32) + 2 * better + u64::from(controlling > controlled)
}

/// Section 5.1.2.2.
const fn type_preference(kind: CandidateKind) -> u64 {
    match kind {
        CandidateKind::Host => 126,
        CandidateKind::PeerReflexive => 110,
        CandidateKind::ServerReflexive => 100,
        CandidateKind::Relayed => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a calculator says of the RFC's formulas.
    #[test]
    fn priorities_are_those_of_the_formulas() {
        use CandidateKind::{Host, PeerReflexive, Relayed, ServerReflexive};
        let priorities =
            [Host, PeerReflexive, ServerReflexive, Relayed].map(|kind| candidate_priority(kind, 65_535, 1));
        assert_eq!(priorities, [2_130_706_431, 1_862_270_975, 1_694_498_815, 16_777_215]);
        assert_eq!(candidate_priority(Host, 1, 256), 2_113_929_472);
        assert_eq!(pair_priority(2, 1), (1 << 32) + 5);
        assert_eq!(pair_priority(1, 2), (1 << 32) + 4);
        assert_eq!(pair_priority(3, 3), (3 << 32) + 6);
    }
}
