//! Turns an `Instant` into the time since a moment that is fixed for the process.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The origin's own reading: far from zero, since a paused clock may stand before the origin.
const READING: Duration = Duration::from_secs(1 << 32);

pub(super) fn since(instant: Instant) -> Duration {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let origin = *ORIGIN.get_or_init(Instant::now);
    match instant.checked_duration_since(origin) {
        Some(after) => READING.saturating_add(after),
        None => READING.saturating_sub(origin.duration_since(instant)),
    }
}
