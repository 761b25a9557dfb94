//! Guards: shared by many runs, they may refuse an attempt or a retry.

#[cfg(target_has_atomic = "64")]
pub(crate) mod beside;
#[cfg(target_has_atomic = "64")]
mod breaker;
#[cfg(target_has_atomic = "64")]
mod budget;
#[cfg(feature = "std")]
pub(crate) mod nesting;
#[cfg(target_has_atomic = "64")]
mod sync;
#[cfg(target_has_atomic = "64")]
mod throttle;
#[cfg(target_has_atomic = "64")]
mod window;

#[cfg(target_has_atomic = "64")]
pub use self::breaker::{Breaker, BreakerState, Permit};
#[cfg(target_has_atomic = "64")]
pub use self::budget::Budget;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use self::budget::Budgets;
#[cfg(feature = "std")]
pub use self::nesting::Nested;
#[cfg(target_has_atomic = "64")]
pub use self::throttle::AdaptiveThrottle;
