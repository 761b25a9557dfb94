//! Guards: shared by many runs, they may refuse an attempt or a retry. The guide explains them in
//! [its page on budgets and breakers](crate::guide::budgets_and_breakers).

#[cfg(target_has_atomic = "64")]
pub(crate) mod beside;
#[cfg(target_has_atomic = "64")]
mod breaker;
#[cfg(target_has_atomic = "64")]
mod budget;
#[cfg(target_has_atomic = "64")]
mod change;
#[cfg(target_has_atomic = "64")]
mod gate;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod guards;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
mod keyed;
#[cfg(feature = "std")]
pub(crate) mod nesting;
#[cfg(target_has_atomic = "64")]
mod shared;
#[cfg(target_has_atomic = "64")]
mod sync;
#[cfg(target_has_atomic = "64")]
mod throttle;
#[cfg(target_has_atomic = "64")]
mod window;

#[cfg(target_has_atomic = "64")]
pub use self::breaker::{Breaker, BreakerChange, BreakerState, Permit};
#[cfg(target_has_atomic = "64")]
pub use self::budget::Budget;
#[cfg(target_has_atomic = "64")]
pub use self::gate::Gate;
#[cfg(all(any(feature = "reqwest", feature = "ureq"), target_has_atomic = "64"))]
pub(crate) use self::guards::ByHost;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub(crate) use self::guards::Guards;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use self::keyed::{Breakers, Budgets, Forgettable, Gates, Keyed, Throttles};
#[cfg(all(not(target_has_atomic = "64"), any(feature = "reqwest", feature = "ureq")))]
pub(crate) type Guards = ();
#[cfg(all(not(target_has_atomic = "64"), any(feature = "reqwest", feature = "ureq")))]
pub(crate) type ByHost = ();
#[cfg(feature = "std")]
pub use self::nesting::Nested;
#[cfg(target_has_atomic = "64")]
pub use self::shared::Shared;
#[cfg(target_has_atomic = "64")]
pub use self::throttle::AdaptiveThrottle;
