#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

#[doc(hidden)]
pub mod __private;
mod backoff;
mod bang;
mod before;
mod blocking;
mod classify;
mod driver;
mod event;
pub mod events;
mod future;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "http")]
pub mod http;
mod jitter;
mod line;
#[cfg(feature = "metrics")]
mod metrics;
mod nanos;
mod observe;
mod plan;
mod policy;
pub mod prelude;
mod report;
mod retry;
mod retryable;
mod run;
#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "testing")]
pub mod testing;
mod timed;
mod timeline;
mod timer;
#[cfg(feature = "tracing")]
mod trace;

pub use crate::backoff::Backoff;
pub use crate::blocking::retry;
pub use crate::event::{Attempt, Event};
pub use crate::future::retry_async;
pub use crate::jitter::Jitter;
pub use crate::policy::{Hints, Policy, PolicyError, Preview};
pub use crate::report::{Failure, Report};
pub use crate::retry::{IntoRetry, Retry};
pub use crate::retryable::{Fault, Reached, Retryable, Verdict};
pub use crate::run::{Next, Run, StopReason};
pub use crate::timed::{Timed, TimedOut};
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
