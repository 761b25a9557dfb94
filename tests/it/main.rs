//! One binary, a module per subject. Run it with all features: a module stands aside if one that it needs is off.

#[cfg(feature = "macros")]
mod attribute;
#[cfg(feature = "macros")]
mod derive;

#[cfg(feature = "std")]
mod adaptive;
mod api;
#[cfg(feature = "jitter")]
mod backoff;
#[cfg(feature = "std")]
mod breaker;
#[cfg(feature = "std")]
mod budget;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod cancel;
#[cfg(feature = "std")]
mod classify;
#[cfg(feature = "std")]
mod core;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod doors;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod drops;
#[cfg(all(feature = "testing", feature = "tracing", feature = "metrics"))]
mod events;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod extremes;
#[cfg(all(feature = "testing", feature = "tokio", feature = "macros"))]
mod guards;
#[cfg(feature = "jitter")]
mod jitter;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod lazy;
#[cfg(all(feature = "testing", feature = "tokio", feature = "macros"))]
mod model;
#[cfg(all(feature = "testing", feature = "tokio", feature = "macros"))]
mod nesting;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod peers;
#[cfg(all(feature = "testing", feature = "svg"))]
mod pictures;
#[cfg(feature = "std")]
mod policy;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod report;
#[cfg(feature = "serde")]
mod serde;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod soak;
mod support;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod testkit;
mod tidy;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod time;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod timeline;
#[cfg(all(feature = "testing", feature = "tokio", feature = "tower"))]
mod tower;
#[cfg(all(feature = "testing", feature = "tokio"))]
mod traits;
