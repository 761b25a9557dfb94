use std::time::{Duration, Instant};

use super::{BlockingTimer, Stop, origin};

/// Sleeps with `std::thread::sleep`, and tells the time with `std::time::Instant`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadTimer;

impl BlockingTimer for ThreadTimer {
    fn now(&self) -> Duration {
        origin::since(Instant::now())
    }

    fn sleep(&self, wait: Duration) {
        std::thread::sleep(wait);
    }

    fn sleep_unless(&self, wait: Duration, stop: &Stop) {
        stop.block(wait);
    }
}
