//! One binary, a module per subject. `promises` has a table: what the crate promises about a run, and the tests that
//! hold each sentence.

/// The repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

mod adaptive;
mod any_of;
mod attribute;
mod backoff;
mod breaker;
mod budget;
mod cancel;
mod classify;
mod core;
mod cut;
mod deadline;
mod derive;
mod doors;
mod drops;
mod events;
mod extremes;
mod guards;
mod jitter;
mod lazy;
mod made;
mod model;
mod names;
mod nesting;
mod packages;
mod peers;
mod pictures;
mod policy;
mod promises;
mod report;
mod secrets;
mod serde;
mod shared;
mod short_waits;
mod soak;
mod stopping;
mod streaks;
mod streams;
mod support;
mod tables;
mod testkit;
mod tidy;
mod time;
mod timeline;
mod tower;
mod traits;
mod transaction;
mod unreachable;
