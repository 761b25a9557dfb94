//! The error that an attempt becomes when its timeout cuts it.

use core::fmt;
use core::time::Duration;

use super::{Fault, Retryable, Verdict};
use crate::time::nanos::{self, Seconds};

/// Means that an attempt took longer than its timeout and was cut, or that the deadline left no time for it.
///
/// ```
/// use persevere::TimedOut;
/// use std::io;
///
/// # fn made_by_a_door(limit: std::time::Duration) -> TimedOut { TimedOut::new(limit) }
/// let timed_out = made_by_a_door(std::time::Duration::from_secs(5));
/// assert_eq!(timed_out.to_string(), "attempt timed out after 5 s");
/// assert_eq!(io::Error::from(timed_out).kind(), io::ErrorKind::TimedOut);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TimedOut {
    limit: u64,
}

impl TimedOut {
    /// Makes the error of an attempt that was cut after `limit`; the doors do this, and tests may.
    #[inline]
    pub const fn new(limit: Duration) -> Self {
        Self { limit: nanos::from(limit) }
    }

    /// Tells the time that the attempt was given.
    pub const fn limit(&self) -> Duration {
        nanos::duration(self.limit)
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt timed out after {}", Seconds(self.limit))
    }
}

impl fmt::Debug for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedOut").field("limit", &self.limit()).finish()
    }
}

impl core::error::Error for TimedOut {}

impl Retryable for TimedOut {
    fn verdict(&self) -> Verdict {
        Verdict::transient().with_fault(Fault::Timeout)
    }
}

#[cfg(feature = "std")]
impl From<TimedOut> for std::io::Error {
    fn from(timed_out: TimedOut) -> Self {
        Self::new(std::io::ErrorKind::TimedOut, timed_out)
    }
}
