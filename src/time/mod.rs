//! Timers: where a door gets the time, and what it waits with.

use core::future::Future;
use core::time::Duration;

pub(crate) mod entropy;
#[cfg(feature = "futures-timer")]
mod futures_timer;
pub(crate) mod nanos;
#[cfg(feature = "std")]
mod origin;
#[cfg(feature = "std")]
mod stop;
#[cfg(feature = "std")]
mod thread;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "http")]
mod wall;
#[cfg(feature = "wasm")]
mod wasm;
#[cfg(any(feature = "reqwest", feature = "stream", feature = "tower"))]
mod yielding;

#[cfg(feature = "futures-timer")]
pub use self::futures_timer::FuturesTimer;
#[cfg(feature = "std")]
pub use self::stop::{Stop, Stopped};
#[cfg(feature = "std")]
pub use self::thread::ThreadTimer;
#[cfg(feature = "tokio")]
pub use self::tokio::TokioTimer;
#[cfg(feature = "http")]
pub(crate) use self::wall::wall;
#[cfg(feature = "wasm")]
pub use self::wasm::WasmTimer;
#[cfg(any(feature = "reqwest", feature = "stream", feature = "tower"))]
pub(crate) use self::yielding::Yield;

/// Tells the time and sleeps, for async doors. Name one with [`timer`](crate::Retry::timer), or implement your own.
///
/// The default is tokio's (feature `tokio`). A wait of zero never reaches a timer.
///
/// ```
/// use persevere::time::Timer;
/// use std::time::Duration;
///
/// /// Counts the waits and ends them at once.
/// #[derive(Default)]
/// struct Counting(std::cell::Cell<u32>);
///
/// impl Timer for Counting {
///     type Sleep = std::future::Ready<()>;
///     fn now(&self) -> Duration {
///         Duration::ZERO
///     }
///     fn sleep(&self, _: Duration) -> Self::Sleep {
///         self.0.set(self.0.get() + 1);
///         std::future::ready(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a timer for async runs",
    label = "no async timer",
    note = "turn on persevere's feature `tokio` for the default timer, or name one: `.timer(persevere::time::FuturesTimer)`"
)]
pub trait Timer {
    /// Ends when the time asked for has passed; dropping it ends the sleep.
    type Sleep: Future<Output = ()>;

    /// Tells the time since any fixed moment, on a clock that never goes back.
    fn now(&self) -> Duration;

    /// Starts to sleep.
    fn sleep(&self, wait: Duration) -> Self::Sleep;
}

/// Tells the time and sleeps, for blocking doors. The default, with `std`, is the thread's own sleep.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a timer for blocking runs",
    label = "no blocking timer",
    note = "turn on persevere's feature `std` for the default timer, or name one with `.timer(..)`"
)]
pub trait BlockingTimer {
    /// Tells the time since any fixed moment, on a clock that never goes back.
    fn now(&self) -> Duration;

    /// Sleeps this long.
    fn sleep(&self, wait: Duration);

    /// Sleeps this long, or until `stop` is stopped.
    ///
    /// Unless a timer has a better way, it sleeps in slices of 20 ms and looks in between. The thread's own sleep ends at
    /// once.
    #[cfg(feature = "std")]
    fn sleep_unless(&self, wait: Duration, stop: &Stop) {
        in_slices(wait, || stop.is_stopped(), |slice| self.sleep(slice));
    }
}

/// Sleeps in slices, and looks in between whether to stop.
#[cfg(feature = "std")]
pub(crate) fn in_slices(wait: Duration, is_stopped: impl Fn() -> bool, sleep: impl Fn(Duration)) {
    const SLICE: Duration = Duration::from_millis(20);
    let mut left = wait;
    while !left.is_zero() && !is_stopped() {
        let slice = left.min(SLICE);
        sleep(slice);
        left = left.saturating_sub(slice);
    }
}

impl<T: Timer + ?Sized> Timer for &T {
    type Sleep = T::Sleep;

    fn now(&self) -> Duration {
        (**self).now()
    }

    fn sleep(&self, wait: Duration) -> T::Sleep {
        (**self).sleep(wait)
    }
}

impl<T: BlockingTimer + ?Sized> BlockingTimer for &T {
    fn now(&self) -> Duration {
        (**self).now()
    }

    fn sleep(&self, wait: Duration) {
        (**self).sleep(wait);
    }

    #[cfg(feature = "std")]
    fn sleep_unless(&self, wait: Duration, stop: &Stop) {
        (**self).sleep_unless(wait, stop);
    }
}

/// The timer of a run that names none: the thread's for blocking doors, tokio's for async ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultTimer;

#[cfg(feature = "std")]
impl BlockingTimer for DefaultTimer {
    #[inline]
    fn now(&self) -> Duration {
        BlockingTimer::now(&ThreadTimer)
    }

    #[inline]
    fn sleep(&self, wait: Duration) {
        BlockingTimer::sleep(&ThreadTimer, wait);
    }

    #[inline]
    fn sleep_unless(&self, wait: Duration, stop: &Stop) {
        BlockingTimer::sleep_unless(&ThreadTimer, wait, stop);
    }
}

#[cfg(feature = "tokio")]
impl Timer for DefaultTimer {
    type Sleep = <TokioTimer as Timer>::Sleep;

    #[inline]
    fn now(&self) -> Duration {
        Timer::now(&TokioTimer)
    }

    #[inline]
    fn sleep(&self, wait: Duration) -> Self::Sleep {
        Timer::sleep(&TokioTimer, wait)
    }
}
