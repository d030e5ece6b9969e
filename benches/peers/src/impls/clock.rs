//! Virtual time for those who take the time from the operating system.
use std::time::{Duration, Instant};

thread_local!(static EPOCH: Instant = Instant::now());

pub fn instant(since_epoch: Duration) -> Instant {
    EPOCH.with(|epoch| *epoch + since_epoch)
}

pub fn since_epoch(instant: Instant) -> Duration {
    EPOCH.with(|epoch| instant.saturating_duration_since(*epoch))
}
