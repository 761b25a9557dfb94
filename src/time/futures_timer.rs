use std::time::{Duration, Instant};

use futures_timer::Delay;

use super::{Timer, origin};

/// Sleeps with the `futures-timer` crate, on any executor.
#[derive(Clone, Copy, Debug, Default)]
pub struct FuturesTimer;

impl Timer for FuturesTimer {
    type Sleep = Delay;

    fn now(&self) -> Duration {
        origin::since(Instant::now())
    }

    fn sleep(&self, wait: Duration) -> Delay {
        Delay::new(wait)
    }
}
