//! Attempt timeouts, and the error that a cut attempt becomes.

use core::fmt;
use core::time::Duration;

use crate::nanos::{self, Seconds};
use crate::policy::{Contradiction, Policy, PolicyError};
use crate::retryable::{Fault, Retryable, Verdict};

/// A policy with a time limit for each attempt: what [`Policy::attempt_timeout`] returns.
///
/// An async door cuts an attempt that takes longer, drops it, and goes on with an error made by
/// `E: From<TimedOut>`; `io::Error`, boxed errors and `anyhow::Error` have that, your own type gets it with
/// thiserror's `#[from]`. The limit is clipped to what the deadline leaves, so a timed run ends by its deadline.
/// The error is classified like any other, and counts as [`Fault::Timeout`].
///
/// Blocking code can't be cut: there give the operation its own timeout, with what
/// [`Attempt::left`](crate::Attempt::left) tells.
///
/// ```
/// use persevere::{Policy, Timed};
/// use std::time::Duration;
///
/// const FIVE_SECONDS_EACH: Timed<Policy> = Policy::new().attempt_timeout(Duration::from_secs(5)).checked();
/// # let _ = FIVE_SECONDS_EACH;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Timed<P> {
    pub(crate) plan: P,
    pub(crate) limit: u64,
}

impl<P> Timed<P> {
    pub(crate) const fn new(plan: P, limit: Duration) -> Self {
        Self { plan, limit: nanos::from(limit) }
    }
}

impl Timed<Policy> {
    /// Finds the first contradiction, as [`Policy::check`] does.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what is allowed.
    pub const fn check(&self) -> Result<(), PolicyError> {
        if self.limit == 0 {
            return Err(PolicyError(Contradiction::AttemptTimeout));
        }
        self.plan.check()
    }

    /// Passes the policy on if it is free of contradictions, as [`Policy::checked`] does.
    ///
    /// # Panics
    ///
    /// On what [`check`](Self::check) finds; in a `const`, while compiling.
    pub const fn checked(self) -> Self {
        match self.check() {
            Ok(()) => self,
            Err(error) => error.panic(),
        }
    }
}

/// Means that an attempt took longer than its timeout, and was cut.
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
        Verdict::transient().fault(Fault::Timeout)
    }
}

#[cfg(feature = "std")]
impl From<TimedOut> for std::io::Error {
    fn from(timed_out: TimedOut) -> Self {
        Self::new(std::io::ErrorKind::TimedOut, timed_out)
    }
}
