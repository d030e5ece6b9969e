//! A plan that fails made as simple as it can be and still fail.

use super::Plan;

/// Tries plans with less in them, one after another, as long as one fails in the same way.
///
/// `failure` says what goes wrong in a plan, if anything does; two failures are the same if they have the same name, which
/// is what stands before their first colon.
pub fn shrink(plan: &Plan, failure: impl Fn(&Plan) -> Option<String>) -> (Plan, String) {
    let mut best = plan.clone();
    let mut what = failure(&best).unwrap_or_default();
    let mut tried = 0;
    'again: loop {
        for simpler in best.simpler() {
            tried += 1;
            if tried > TRIES_MAX {
                break 'again;
            }
            if let Some(text) = failure(&simpler)
                && name(&text) == name(&what)
            {
                (best, what) = (simpler, text);
                continue 'again;
            }
        }
        break;
    }
    (best, what)
}

/// The rule that was broken.
pub fn name(text: &str) -> &str {
    match text.find("INV-") {
        Some(at) => &text[at..(at + 6).min(text.len())],
        None => text.split([',', '\n']).next().unwrap_or_default(),
    }
}

const TRIES_MAX: usize = 2_000;
