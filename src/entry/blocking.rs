//! The blocking doors: a thin loop over the driver.

use crate::drive::Driver;
use crate::drive::before::BeforeBlocking;
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::{Blocking, Plan};
use crate::drive::retry::Retry;
use crate::drive::runs::RunsBlocking;
use crate::drive::signal::BlockingSignal;
use crate::observe::Refuse;
use crate::observe::event::Attempt;
use crate::observe::word::NoneAwaited;
#[cfg(feature = "std")]
use crate::policy::Policy;
use crate::time::BlockingTimer;
#[cfg(feature = "std")]
use crate::verdict::Retryable;

/// Runs a blocking operation, and runs it again while the policy allows.
///
/// The policy is a [`Policy`](crate::Policy), a reference to one, a [`Backoff`](crate::Backoff), or a prepared
/// [`Retry`].
///
/// # Errors
///
/// The operation's own last error; one made by `From<Rejected>` if a breaker or a throttle let no attempt begin.
///
/// # Panics
///
/// Only if the operation, a hook or a classifier does; a panic passes through.
///
/// ```
/// use persevere::{Policy, retry};
///
/// let missing = retry(Policy::default(), || std::fs::read_to_string("no such file"));
/// assert_eq!(missing.unwrap_err().kind(), std::io::ErrorKind::NotFound); // permanent: one attempt
/// ```
#[inline]
pub fn retry<P, F, V, E>(policy: P, operation: F) -> Result<V, E>
where
    P: RunsBlocking<V, E>,
    F: FnMut() -> Result<V, E>, // The compiler shows this line: an async operation is for `retry_async`.
{
    policy.into_retry().run(operation)
}

impl<P, C, K, O, B, T> Retry<P, C, K, O, B, T>
where
    P: Plan<Timing: Blocking, Signal: BlockingSignal>,
    B: BeforeBlocking,
    T: BlockingTimer,
{
    /// Runs a blocking operation, as [`retry`](crate::retry()) does.
    ///
    /// # Errors
    ///
    /// The operation's own last error; one made by `From<Rejected>` if a breaker or a throttle let no attempt begin.
    ///
    /// # Panics
    ///
    /// As [`retry`](crate::retry()).
    #[inline]
    pub fn run<F, V, E>(self, mut operation: F) -> Result<V, E>
    where
        F: FnMut() -> Result<V, E>, // The compiler shows this line: an async operation is for `run_async`.
        C: Classify<E>,
        K: Accept<V>,
        O: Refuse<E, Word: NoneAwaited>,
    {
        Driver::new(self).block(|_, _| operation())
    }

    /// Runs a blocking operation that is told which attempt it is, and how long it may take.
    ///
    /// # Errors
    ///
    /// The operation's own last error; one made by `From<Rejected>` if a breaker or a throttle let no attempt begin.
    ///
    /// # Panics
    ///
    /// As [`retry`](crate::retry()).
    ///
    /// ```
    /// use persevere::Policy;
    /// use std::{io, time::Duration};
    ///
    /// let policy = Policy::new().within(Duration::from_secs(10)).backoff(Duration::ZERO);
    /// let port = policy.run_with(|attempt| {
    ///     assert!(attempt.remaining().unwrap() <= Duration::from_secs(10)); // for the socket's own timeout
    ///     if attempt.number() < 3 { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(80) }
    /// });
    /// assert_eq!(port.unwrap(), 80);
    /// ```
    #[inline]
    pub fn run_with<F, V, E>(self, mut operation: F) -> Result<V, E>
    where
        F: FnMut(Attempt) -> Result<V, E>, // The compiler shows this line: an async operation is for `run_async_with`.
        C: Classify<E>,
        K: Accept<V>,
        O: Refuse<E, Word: NoneAwaited>,
    {
        Driver::new(self).block(|run, memory| operation(run.attempt_blocking(memory)))
    }
}

#[cfg(feature = "std")]
impl Policy {
    /// As [`Retry::run`].
    ///
    /// # Errors
    ///
    /// The operation's own last error.
    ///
    /// # Panics
    ///
    /// As [`retry`](crate::retry()).
    #[inline]
    pub fn run<F, V, E>(self, operation: F) -> Result<V, E>
    where
        F: FnMut() -> Result<V, E>,
        E: Retryable,
    {
        Retry::new(self).run(operation)
    }

    /// As [`Retry::run_with`].
    ///
    /// # Errors
    ///
    /// The operation's own last error.
    ///
    /// # Panics
    ///
    /// As [`retry`](crate::retry()).
    #[inline]
    pub fn run_with<F, V, E>(self, operation: F) -> Result<V, E>
    where
        F: FnMut(Attempt) -> Result<V, E>,
        E: Retryable,
    {
        Retry::new(self).run_with(operation)
    }
}
