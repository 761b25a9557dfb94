//! A policy with a time limit for each attempt.

use core::time::Duration;

use super::{Cause, Contradiction, Policy, StreakPolicy};
use crate::time::nanos;

/// A policy with a time limit for each attempt: what [`Policy::attempt_timeout`] returns.
///
/// An async door cuts an attempt that takes longer, drops it, and goes on with an error made by
/// `E: From<TimedOut>`; `io::Error`, boxed errors and `anyhow::Error` have that, your own type gets it with
/// thiserror's `#[from]`. The limit is clipped to what the deadline leaves, so a timed run ends by its deadline.
/// The error is classified like any other, and counts as [`Fault::Timeout`](crate::Fault::Timeout).
///
/// Blocking code can't be cut: there give the operation its own timeout, with what
/// [`Attempt::remaining`](crate::Attempt::remaining) returns.
///
/// ```
/// use persevere::{Policy, Timed};
/// use std::time::Duration;
///
/// const FIVE_SECONDS_EACH: Timed<Policy> = Policy::new().attempt_timeout(Duration::from_secs(5)).valid();
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
    pub const fn check(&self) -> Result<(), Contradiction> {
        if self.limit == 0 { Err(Contradiction(Cause::AttemptTimeout)) } else { self.plan.check() }
    }

    /// Returns the policy if it is free of contradictions, as [`Policy::valid`] does.
    ///
    /// # Panics
    ///
    /// On what [`check`](Self::check) finds; in a `const`, while compiling.
    pub const fn valid(self) -> Self {
        match self.check() {
            Ok(()) => self,
            Err(error) => error.panic(),
        }
    }
}

impl Timed<StreakPolicy> {
    /// Finds the first contradiction; see [`Policy::check`].
    ///
    /// # Errors
    ///
    /// Names the field, its value and what is allowed.
    pub const fn check(&self) -> Result<(), Contradiction> {
        if self.limit == 0 { Err(Contradiction(Cause::AttemptTimeout)) } else { self.plan.check() }
    }

    /// Returns the policy if it is free of contradictions; see [`Policy::valid`].
    ///
    /// # Panics
    ///
    /// On what [`check`](Self::check) finds; in a `const`, while compiling.
    pub const fn valid(self) -> Self {
        match self.check() {
            Ok(()) => self,
            Err(error) => error.panic(),
        }
    }
}

macro_rules! timed {
    ($($plan:ty: $($policy:ident).+;)*) => {$(
        impl Timed<$plan> {
            /// Sets the time that one attempt may take; see [`Policy::attempt_timeout`].
            #[inline]
            pub const fn attempt_timeout(mut self, limit: Duration) -> Self {
                self.limit = nanos::from(limit);
                self
            }

            /// Sets the time by which an async run ends; see [`Policy::deadline`]. The earliest that is set counts.
            #[inline]
            pub const fn deadline(mut self, deadline: Duration) -> Self {
                let deadline = nanos::from(deadline);
                if deadline < self.$($policy).+.within {
                    self.$($policy).+.within = deadline;
                }
                self
            }

            /// Sets when a run stops trying; see [`Policy::within`]. The earliest that is set counts.
            ///
            /// Attempts are cut here, so this is the same as a [`deadline`](Self::deadline).
            #[inline]
            pub const fn within(self, deadline: Duration) -> Self {
                self.deadline(deadline)
            }
        }
    )*};
}

timed! {
    Policy: plan;
    StreakPolicy: plan.policy;
}

impl Policy {
    /// Sets the time by which an async run ends, counted from the start of the first attempt.
    ///
    /// This deadline is true: an attempt that is still running is cut and dropped, and the run returns an error made by
    /// `E: From<TimedOut>`. `io::Error`, boxed errors and `anyhow::Error` have that. Your own error gets it with
    /// thiserror's `#[from]` or the derive's `#[retry(timed_out)]`. [`on_timeout`](crate::Retry::on_timeout) makes another
    /// crate's error. For an error that nobody can make, such as
    /// `reqwest::Error`, let the operation return [`Cut`](crate::Cut).
    ///
    /// No attempt begins at or after the deadline. With [`within`](Policy::within) beside it the earlier of both counts. A
    /// blocking run does not compile with it, because blocking code can't be cut: use `within` there.
    ///
    /// ```
    /// use persevere::{Policy, retry_async};
    /// use std::{io, time::Duration};
    ///
    /// # #[cfg(feature = "tokio")]
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
    /// let policy = Policy::new().deadline(Duration::from_secs(2));
    /// let silent: io::Result<()> = retry_async(policy, || std::future::pending()).await;
    /// assert_eq!(silent.unwrap_err().kind(), io::ErrorKind::TimedOut);
    /// # });
    /// ```
    #[inline]
    pub const fn deadline(self, deadline: Duration) -> Timed<Self> {
        Timed { plan: self, limit: u64::MAX }.deadline(deadline)
    }

    /// Sets the time that one attempt may take, in an async door; see [`Timed`].
    ///
    /// The result is no longer a plain `Policy`, since a cut attempt needs an error: the operation's error type must
    /// be `From<TimedOut>`.
    #[inline]
    pub const fn attempt_timeout(self, limit: Duration) -> Timed<Self> {
        Timed::new(self, limit)
    }
}
