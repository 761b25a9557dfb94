//! persevere beside its peers: every row runs the same operation under the same rules.
//!
//! The rules, in each crate's own words: at most 3 retries, waits that double from a base up to a cap, no jitter, and
//! only failures that may go away are retried. Every row is checked to keep them before it is measured.

pub mod blocking;
pub mod budget;
pub mod check;
pub mod delays;
pub mod future;
pub mod hints;
pub mod measure;
pub mod operation;

use std::time::Duration;

/// How many retries may follow the first attempt.
pub const RETRIES: u32 = 3;
/// The cap of the waits.
pub const CAP: Duration = Duration::from_mins(2);
/// The base of the waits where there are none.
pub const ZERO: Duration = Duration::ZERO;
/// The base of the waits where there are some: 10, 20 and 40 ms.
pub const SHORT: Duration = Duration::from_millis(10);
