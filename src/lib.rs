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
mod classify;
mod drive;
mod entry;
pub mod guard;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "http")]
pub mod http;
mod observe;
mod policy;
pub mod prelude;
mod report;
mod run;
#[cfg(feature = "stream")]
pub mod stream;
pub mod tables;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
#[cfg(feature = "tower")]
pub mod tower;
/// Transactions that run again unless they may have been applied: see [`transaction!`](crate::transaction!).
pub mod transaction {
    pub use crate::entry::transaction::Failed;
}
mod verdict;

#[cfg(feature = "std")]
pub use crate::classify::AnyOf;
pub use crate::drive::plan::OnTimeout;
pub use crate::drive::retry::{IntoRetry, Retry};
pub use crate::drive::runs::{RunsAsync, RunsBlocking};
#[cfg(feature = "std")]
pub use crate::drive::shared::{SharedAsyncHook, SharedHook, SharedRetry};
pub use crate::entry::{retry, retry_async};
#[cfg(all(feature = "std", target_has_atomic = "64"))]
pub use crate::guard::Budgets;
#[cfg(feature = "std")]
pub use crate::guard::Nested;
#[cfg(target_has_atomic = "64")]
pub use crate::guard::{AdaptiveThrottle, Breaker, BreakerState, Budget, Permit};
pub use crate::observe::event::{Attempt, Event, GaveUp};
pub use crate::policy::{Backoff, Contradiction, Hints, Jitter, Policy, Preview, StreakPolicy, Timed};
pub use crate::report::{Failure, Report, Unclassified};
#[cfg(feature = "std")]
pub use crate::report::{Forecast, Timeline};
pub use crate::run::{Decision, Run, RunState, StopReason};
#[cfg(feature = "futures-timer")]
pub use crate::time::FuturesTimer;
#[cfg(feature = "std")]
pub use crate::time::ThreadTimer;
#[cfg(feature = "tokio")]
pub use crate::time::TokioTimer;
#[cfg(feature = "wasm")]
pub use crate::time::WasmTimer;
pub use crate::time::{BlockingTimer, DefaultTimer, Timer};
#[cfg(feature = "std")]
pub use crate::time::{Stop, Stopped};
pub use crate::verdict::{Cut, Fault, Reached, Rejected, Retryable, TimedOut, Verdict};
#[cfg(feature = "macros")]
pub use persevere_macros::{Retryable, retry};
