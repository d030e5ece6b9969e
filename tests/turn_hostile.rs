//! What holds for a TURN client whatever its server does.

#[path = "turn_hostile/mod.rs"]
mod subject;

use proptest::prelude::*;
use subject::{Step, Subject};

fn play(settings: u8, allocated: bool, steps: &[[u8; 8]]) -> bool {
    let mut subject = Subject::new(settings);
    if allocated {
        subject.allocate();
    }
    steps.iter().for_each(|step| subject.take(Step(*step)));
    let was_allocated = subject.allocated;
    subject.finish();
    was_allocated
}

/// Without this the properties below could hold for a client that never gets anywhere.
#[test]
fn an_allocation_is_within_reach() {
    for settings in (0..=255_u8).filter(|settings| settings >> 1 & 3 != 1) {
        assert!(play(settings, true, &[]), "{settings}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_server_makes_a_client_panic_spin_or_believe(
        settings in any::<u8>(), allocated in any::<bool>(), steps in prop::collection::vec(any::<[u8; 8]>(), 0..80)
    ) {
        play(settings, allocated, &steps);
    }
}
