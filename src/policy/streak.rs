//! A policy for work that lasts.

use core::time::Duration;

use super::backoff::{Backoff, Rule};
use super::{Cause, Contradiction, FAULTS, Policy, Timed};
use crate::time::nanos;
use crate::verdict::Fault;

/// A policy for work that lasts: what is progress, for how long a run may fail, and a backoff for each fault.
///
/// [`Policy::reset_after`], [`Policy::failing_for`] and [`Policy::backoff_for`] make one. It is plain data as a `Policy`
/// is, and has its setters. A run by it looks at the clock at each failure, which one by a plain `Policy` does not.
///
/// ```
/// use persevere::{Policy, StreakPolicy};
/// use std::time::Duration;
///
/// // A subscription: a connection that held for a minute was healthy, and ten minutes of failures are too many.
/// const SUBSCRIPTION: StreakPolicy = Policy::new()
///     .forever()
///     .max_wait(Duration::from_secs(30))
///     .reset_after(Duration::from_secs(60))
///     .failing_for(Duration::from_secs(600))
///     .valid();
/// # let _ = SUBSCRIPTION;
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct StreakPolicy {
    pub(crate) policy: Policy,
    pub(crate) rules: StreakRules,
}

/// What a run does about failures that come after progress, in nanoseconds; `u64::MAX` for nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
#[doc(hidden)]
pub struct StreakRules {
    pub(crate) reset_after: u64,
    pub(crate) failing_for: u64,
    /// By fault, where one has a backoff of its own.
    pub(crate) backoffs: [Option<Rule>; FAULTS],
}

impl StreakRules {
    pub(crate) const NONE: Self = Self { reset_after: u64::MAX, failing_for: u64::MAX, backoffs: [None; FAULTS] };

    pub(crate) const fn reset_after(mut self, healthy: Duration) -> Self {
        self.reset_after = nanos::from(healthy);
        self
    }

    pub(crate) const fn failing_for(mut self, limit: Duration) -> Self {
        self.failing_for = nanos::from(limit);
        self
    }

    #[allow(clippy::needless_pass_by_value)] // A backoff is built in place.
    pub(crate) const fn backoff_for(mut self, fault: Fault, backoff: Backoff) -> Self {
        self.backoffs[fault as usize] = Some(backoff.rule);
        self
    }

    const fn check(&self) -> Result<(), Contradiction> {
        if self.reset_after == 0 {
            return Err(Contradiction(Cause::ResetAfter));
        }
        if self.failing_for == 0 {
            return Err(Contradiction(Cause::FailingFor));
        }
        let mut fault = 0;
        while fault < FAULTS {
            if let Some(rule) = &self.backoffs[fault] {
                if let Err(contradiction) = rule.check() {
                    return Err(contradiction);
                }
            }
            fault += 1;
        }
        Ok(())
    }
}

impl StreakPolicy {
    pub(crate) const fn new(policy: Policy) -> Self {
        Self { policy, rules: StreakRules::NONE }
    }

    /// Finds the first contradiction, as [`Policy::check`] does.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what is allowed.
    pub const fn check(&self) -> Result<(), Contradiction> {
        match self.rules.check() {
            Err(contradiction) => Err(contradiction),
            Ok(()) if self.rules.failing_for == u64::MAX => self.policy.check(),
            // Failures that last too long end a run that has no other end.
            Ok(()) => {
                let Self { policy, .. } = self;
                if policy.within == u64::MAX { policy.within(Duration::from_secs(1)).check() } else { policy.check() }
            }
        }
    }

    /// Passes the policy on if it is free of contradictions, as [`Policy::valid`] does.
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

    /// Sets the time that one attempt may take in an async run; see [`Timed`].
    #[inline]
    pub const fn attempt_timeout(self, limit: Duration) -> Timed<Self> {
        Timed::new(self, limit)
    }

    /// Sets the time by which an async run ends; see [`Policy::deadline`].
    #[inline]
    pub const fn deadline(self, deadline: Duration) -> Timed<Self> {
        Timed { plan: self, limit: u64::MAX }.deadline(deadline)
    }
}

impl Policy {
    /// Takes every attempt that ran at least this long for progress: it was healthy before it failed.
    ///
    /// The next failure is then the first of a new streak, for the limits and for the waits. So a connection that breaks
    /// once an hour is not given up after three days. The waits also begin anew after an attempt that
    /// [progressed](crate::Verdict::progressed) and ran at least as long as the wait before it and as the backoff's base.
    ///
    /// ```
    /// use persevere::{testing::VirtualTimer, Jitter, Policy, retry};
    /// use std::{io, time::Duration};
    ///
    /// let timer = VirtualTimer::new();
    /// let policy = Policy::new().total(2).jitter(Jitter::None).reset_after(Duration::from_secs(60));
    /// let mut connections = 0;
    /// let outcome: io::Result<()> = retry(policy.timer(&timer), || {
    ///     connections += 1;
    ///     // Each of the first hundred holds for an hour.
    ///     timer.advance(if connections <= 100 { Duration::from_secs(3600) } else { Duration::ZERO });
    ///     Err(io::ErrorKind::ConnectionReset.into())
    /// });
    /// assert!(outcome.is_err());
    /// assert_eq!(connections, 102);
    /// ```
    #[inline]
    pub const fn reset_after(self, healthy: Duration) -> StreakPolicy {
        StreakPolicy::new(self).reset_after(healthy)
    }

    /// Stops once failures have lasted this long without progress, counted from the first failure of the streak.
    ///
    /// A wait that would reach that moment is not begun. The reason is
    /// [`StopReason::FailingTooLong`](crate::StopReason::FailingTooLong). Where [`within`](Policy::within) counts from the
    /// start of the run, this counts from when it went wrong.
    #[inline]
    pub const fn failing_for(self, limit: Duration) -> StreakPolicy {
        StreakPolicy::new(self).failing_for(limit)
    }

    /// Gives a fault a backoff of its own, with the backoff's cap and jitter.
    ///
    /// Each backoff counts its own waits alone. A throttle never gets the immediate first retry, also here.
    ///
    /// ```
    /// use persevere::{Backoff, Fault, Policy};
    /// use std::time::Duration;
    ///
    /// // A broken connection is made anew at once, and a server that says "slow down" is given time.
    /// let policy = Policy::new()
    ///     .backoff_for(Fault::Connect, Backoff::constant(Duration::ZERO))
    ///     .backoff_for(Fault::Throttle, Backoff::new(Duration::from_secs(10)));
    /// # let _ = policy;
    /// ```
    #[inline]
    pub const fn backoff_for(self, fault: Fault, backoff: Backoff) -> StreakPolicy {
        StreakPolicy::new(self).backoff_for(fault, backoff)
    }
}

impl From<Policy> for StreakPolicy {
    fn from(policy: Policy) -> Self {
        Self::new(policy)
    }
}
