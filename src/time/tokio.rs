use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::{Timer, origin};

/// Sleeps with `tokio::time::sleep`, and tells tokio's time, which a test can pause.
///
/// # Panics
///
/// As tokio does: a wait outside a tokio runtime, or in one without a time driver, panics.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTimer;

impl Timer for TokioTimer {
    type Sleep = Sleep;

    fn now(&self) -> Duration {
        origin::since(Instant::now().into_std())
    }

    fn sleep(&self, wait: Duration) -> Sleep {
        sleep(wait)
    }
}
