#![doc = include_str!("pictures/timeline.md")]
#![doc = include_str!("pictures/jitter.md")]
#![doc = include_str!("pictures/storm-brownout.md")]
#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Documentation speaks of what only std brings.
#![cfg_attr(not(feature = "std"), allow(rustdoc::broken_intra_doc_links))]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

#[doc(hidden)]
pub mod __private;
#[cfg(target_has_atomic = "64")]
mod adaptive;
mod backoff;
mod bang;
mod before;
mod blocking;
mod bound;
#[cfg(target_has_atomic = "64")]
mod breaker;
#[cfg(target_has_atomic = "64")]
mod budget;
mod classify;
mod driver;
mod event;
pub mod events;
mod future;
#[cfg(target_has_atomic = "64")]
mod guards;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "http")]
pub mod http;
mod jitter;
mod line;
#[cfg(feature = "metrics")]
mod metrics;
mod nanos;
mod nesting;
mod observe;
mod plan;
mod policy;
pub mod prelude;
mod rejected;
mod report;
mod retry;
mod retryable;
mod run;
#[cfg(feature = "serde")]
mod serde;
#[cfg(target_has_atomic = "64")]
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod timed;
#[cfg(feature = "std")]
mod timeline;
mod timer;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "tracing")]
mod trace;
#[cfg(target_has_atomic = "64")]
mod window;

#[cfg(target_has_atomic = "64")]
pub use crate::adaptive::AdaptiveThrottle;
pub use crate::backoff::Backoff;
pub use crate::blocking::retry;
#[cfg(target_has_atomic = "64")]
pub use crate::breaker::{Breaker, BreakerState, Permit};
#[cfg(target_has_atomic = "64")]
pub use crate::budget::Budget;
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use crate::budget::Budgets;
pub use crate::event::{Attempt, Event};
pub use crate::future::retry_async;
pub use crate::jitter::Jitter;
#[cfg(feature = "std")]
pub use crate::nesting::Nested;
pub use crate::policy::{Hints, Policy, PolicyError, Preview};
pub use crate::rejected::Rejected;
pub use crate::report::{Failure, Report};
pub use crate::retry::{IntoRetry, Retry};
pub use crate::retryable::{Fault, Reached, Retryable, Verdict};
pub use crate::run::{Next, Run, StopReason};
pub use crate::timed::{Timed, TimedOut};
#[cfg(feature = "std")]
pub use crate::timeline::{Forecast, Timeline};
#[cfg(feature = "futures-timer")]
pub use crate::timer::FuturesTimer;
#[cfg(feature = "std")]
pub use crate::timer::ThreadTimer;
#[cfg(feature = "tokio")]
pub use crate::timer::TokioTimer;
#[cfg(feature = "wasm")]
pub use crate::timer::WasmTimer;
pub use crate::timer::{BlockingTimer, DefaultTimer, Timer};
#[cfg(feature = "macros")]
pub use persevere_macros::{Retryable, retry};
