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
/// What the types of runs and policies are made of, for signatures and struct fields.
pub mod parts {
    #[cfg(feature = "std")]
    pub use crate::classify::AnyOf;
    pub use crate::drive::plan::OnTimeout;
    pub use crate::drive::retry::IntoRetry;
    #[cfg(feature = "std")]
    pub use crate::drive::shared::{SharedAsyncHook, SharedHook};
    pub use crate::policy::{Contradiction, Preview};
}
mod policy;
pub mod prelude;
pub mod report;
pub mod run;
#[cfg(feature = "stream")]
pub mod stream;
pub mod tables;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
#[cfg(feature = "tower")]
pub mod tower;
/// Transactions that run again unless they may have been applied: see [`transaction!`](crate::transaction!).
pub mod transaction {
    pub use crate::entry::transaction::Failed;
}
mod verdict;

pub use crate::drive::retry::Retry;
pub use crate::drive::runs::{RunsAsync, RunsBlocking};
#[cfg(feature = "std")]
pub use crate::drive::shared::SharedRetry;
pub use crate::entry::{retry, retry_async};
pub use crate::observe::event::{Attempt, Event};
pub use crate::policy::{Backoff, Hints, Jitter, Policy, StreakPolicy, Timed};
#[doc(inline)]
pub use crate::report::Report;
#[doc(inline)]
pub use crate::run::StopReason;
pub use crate::verdict::{Cut, Fault, Reached, Rejected, Retryable, TimedOut, Verdict};
#[cfg(feature = "macros")]
pub use persevere_macros::{Retryable, retry};
