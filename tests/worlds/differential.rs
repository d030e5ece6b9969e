//! One world more than once: what has to be the same however often, and however it comes about.

use floe::StreamState;

use super::build;
use super::plan::{Happening, Hostile, Plan, Use};
use super::run::Play;
use super::verdict::{has_faulty_relays, tail};

/// Whether what was done to the ends of this world is recorded, to be done again. One in fifty: it costs as much as the
/// world itself.
pub fn is_recorded(plan: &Plan) -> bool {
    plan.hostile.is_none() && plan.seed.is_multiple_of(50)
}

/// INV-09: both ends, each by itself, with the same done to it.
pub fn replay(play: &Play<'_>) {
    for end in 0..2 {
        let actor = play.session.world.node(play.session.ends[end]);
        if let Some(recording) = actor.recording() {
            recording.compare(build::actor(play.plan, end, &play.session.births[end]));
        }
    }
}

/// INV-52: what an end shows of itself, and has said to its application, has no password in it.
pub fn keeps_secrets(play: &Play<'_>) {
    let peers = [0, 1].map(|end| play.session.peer(end));
    let passwords = peers.iter().filter_map(|peer| peer.agent().local_credentials(peer.stream()));
    let passwords: Vec<&str> = passwords.map(|it| it.password()).chain([build::PASSWORD]).collect();
    for peer in peers {
        let shown = format!("{:?} {:?}", peer.agent(), peer.events());
        let told = passwords.iter().find(|password| shown.contains(**password));
        assert_eq!(told, None, "INV-52: a password is shown");
    }
}

/// INV-18: whoever meets with candidates as they come also meets with all of them at once, last ones first, and the other way
/// round.
pub fn reorder(play: &Play<'_>) {
    let mut plan = play.plan.clone();
    plan.ends.iter_mut().for_each(|end| end.trickles = !end.trickles);
    let mut otherwise = Play::new(&plan);
    otherwise.reverse_candidates();
    otherwise.search();
    // Who trickles now may do so by messages that overtake one another, which did no harm before; and of a server that fails
    // every third request it is others that come to nothing.
    let is_sure = plan.is_faithful() && plan.lateness.is_zero() && !plan.may_overtake();
    // RFC 8445 section 7.3.1.4: what a check has told of is paired with the base that it came to, and with what is gathered later.
    // Who asks no server has no other way to a relay but that the relay comes after its check.
    let meets_late =
        (0..2).any(|end| plan.ends[end].uses == Use::Turn && plan.ends[1 - end].uses == Use::Nothing);
    if play.has_connected() && is_sure && !meets_late && !has_faulty_relays(play) {
        assert_eq!(
            otherwise.states(),
            [StreamState::Completed; 2],
            "INV-18: not with candidates in another order\n{}",
            tail(&otherwise)
        );
    }
}

/// INV-21: a world with an enemy who knows no password is the same without. Not so where a clock is put back: an agent takes
/// the latest time that it was told for the present one until the clock is there again, and a forgery has told it one.
pub fn spare(play: &Play<'_>, account: &(u64, u64, String)) {
    let is_put_back = |(_, happening): &(_, Happening)| {
        matches!(happening, Happening::SetBack(..) | Happening::Sleep(_, _, true))
    };
    if !matches!(play.plan.hostile, Some(Hostile::Sprayer(_))) || play.plan.events.iter().any(is_put_back) {
        return;
    }
    let calm = Plan { hostile: None, ..play.plan.clone() };
    let mut without = Play::new(&calm);
    without.play();
    assert_eq!(*account, without.account(), "INV-21: forgeries have made a difference");
}
