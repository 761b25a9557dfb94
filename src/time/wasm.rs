use std::sync::OnceLock;
use std::time::Duration;

use gloo_timers::future::TimeoutFuture;
use web_time::Instant;

use super::Timer;

/// Sleeps with the browser's `setTimeout`, in whole milliseconds rounded up. Works only on `wasm32-unknown-unknown`.
#[derive(Clone, Copy, Debug, Default)]
pub struct WasmTimer;

impl Timer for WasmTimer {
    type Sleep = TimeoutFuture;

    fn now(&self) -> Duration {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        ORIGIN.get_or_init(Instant::now).elapsed()
    }

    fn sleep(&self, wait: Duration) -> TimeoutFuture {
        // `setTimeout` takes a signed 32-bit number, and a larger one ends at once.
        let millis = wait.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128);
        TimeoutFuture::new(millis as u32)
    }
}
