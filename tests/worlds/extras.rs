//! More of a plan: what is drawn apart from the rest, so that most worlds stay what they were before it was there.

use core::time::Duration;

use floe::sim::Dependence;

use super::dice::Dice;
use super::plan::{End, Gateway, Happening, Passes, Plan, Reach, Setting, Shared, Use, gateway};

/// Now and then makes something else of a plan, or more.
pub fn extend(plan: &mut Plan, dice: &mut Dice<'_>) {
    if dice.percent(12) {
        settle(plan);
    } else if dice.percent(8) {
        plan.ends.iter_mut().for_each(|end| end.setting.manual = true);
    }
    let end = dice.below(2) as usize;
    if dice.percent(6) {
        close(&mut plan.ends[end], dice);
    } else if dice.percent(8) {
        plan.ends[end].reach = dice.pick(&[Reach::Tcp, Reach::Both]);
    }
    if dice.percent(5) {
        let full = plan.ends.iter_mut().filter(|end| !end.setting.lite);
        full.for_each(|end| end.hides = true);
    }
    if plan.shared == Shared::Network && dice.percent(40) {
        plan.shared = Shared::Link;
    }
    if plan.events.is_empty() && dice.percent(15) {
        plan.events = events(plan, dice);
        // As for other restarts.
        plan.signalling.ordered = true;
    }
    if dice.percent(1) {
        // Longer than permissions and channels live, and some allocations.
        plan.steady = Duration::from_secs(dice.pick(&[330, 330, 700, 1_300]));
        let relays = plan.ends.iter_mut().filter(|end| end.uses == Use::Turn);
        relays.take(1).for_each(|end| end.setting.relay_only = true);
    }
}

/// Both ends wait for the end of the search before they nominate.
fn settle(plan: &mut Plan) {
    for setting in plan.ends.iter_mut().map(|end| &mut end.setting) {
        let Setting { lite, relay_only, answers, .. } = *setting;
        *setting = Setting { lite, relay_only, answers, ..Setting::SETTLED };
    }
    // What works at first has to work still when the search is over.
    let interfaces = plan.ends.iter_mut().flat_map(|end| &mut end.interfaces);
    let gateways = interfaces.flat_map(|interface| &mut interface.gateways);
    gateways.for_each(|gateway| gateway.lifetime = Duration::from_secs(300));
}

/// Puts an end behind firewalls that pass no UDP, and mostly gives it a way out.
fn close(end: &mut End, dice: &mut Dice<'_>) {
    if end.setting.lite {
        return;
    }
    let passes = dice.pick(&[Passes::Tcp, Passes::Web]);
    for interface in &mut end.interfaces {
        match interface.gateways.first_mut() {
            Some(gateway) => gateway.passes = passes,
            None => interface.gateways.push(Gateway { passes, ..WALL }),
        }
    }
    if dice.percent(75) {
        end.uses = Use::Turn;
        end.reach = dice.pick(&[Reach::Tcp, Reach::Both]);
    }
}

/// Something that the other events are not.
fn events(plan: &Plan, dice: &mut Dice<'_>) -> Vec<(Duration, Happening)> {
    let end = dice.below(2) as usize;
    let interface = dice.below(plan.ends[end].interfaces.len() as u64) as usize;
    let at = dice.millis(0, 8_000);
    let soon = dice.millis(0, 3_000);
    match dice.below(8) {
        0..3 => {
            let to = dice.percent(75).then(|| gateway(dice));
            let roams = (at, Happening::Roam(end, interface, to));
            // An application that sees its address change restarts.
            let restarts = dice.percent(60).then_some((at + soon, Happening::Restart(end)));
            [Some(roams), restarts].into_iter().flatten().collect()
        }
        3 => vec![(at, Happening::SetBack(end, dice.millis(1, 20_000)))],
        4 | 5 => vec![(at, Happening::Sleep(end, dice.millis(100, 50_000), dice.percent(50)))],
        // One after another, of one end: those of both could cross.
        _ => vec![
            (at, Happening::Restart(end)),
            (at + soon, Happening::Restart(end)),
            (at + soon * 2, Happening::Restart(end)),
        ],
    }
}

/// A firewall that lets in whatever is let pass.
const WALL: Gateway = Gateway {
    mapping: None,
    filtering: Dependence::EndpointIndependent,
    hairpins: false,
    sequential: false,
    lifetime: Duration::from_secs(120),
    inbound_refresh: false,
    passes: Passes::All,
};
