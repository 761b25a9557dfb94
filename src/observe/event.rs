//! What hooks and operations are told.

use core::convert::Infallible;
use core::fmt;
use core::time::Duration;

use crate::run::StopReason;
use crate::verdict::{Fault, Verdict};

/// What a hook is told of a failure that will be retried.
///
/// [`on_retry`](crate::Retry::on_retry) gets it with the error, before the wait;
/// [`before_retry`](crate::Retry::before_retry) gets it without, after the wait.
pub struct Event<'a, E = Infallible> {
    attempt: u32,
    wait: Duration,
    verdict: Verdict,
    error: Option<&'a E>,
}

impl<'a, E> Event<'a, E> {
    pub(crate) const fn new(attempt: u32, wait: Duration, verdict: Verdict, error: Option<&'a E>) -> Self {
        Self { attempt, wait, verdict, error }
    }

    pub(crate) const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Returns the number of the attempt that failed; the first is 1.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Tells the wait before the next attempt.
    pub const fn wait(&self) -> Duration {
        self.wait
    }

    /// Tells the fault.
    pub const fn fault(&self) -> Fault {
        self.verdict.fault
    }

    /// Tells the HTTP status, if the failure was one.
    pub const fn status(&self) -> Option<u16> {
        self.verdict.status()
    }

    /// Tells the wait that the server asked for.
    pub const fn hint(&self) -> Option<Duration> {
        self.verdict.hint()
    }

    /// Tells the error; `None` if it is an `Ok` value that is not accepted, and in `before_retry`.
    pub const fn error(&self) -> Option<&'a E> {
        self.error
    }
}

impl<E> Clone for Event<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Event<'_, E> {}

impl<E> fmt::Debug for Event<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("attempt", &self.attempt)
            .field("wait", &self.wait)
            .field("verdict", &self.verdict)
            .finish_non_exhaustive()
    }
}

/// A run that gave up, for [`on_give_up`](crate::Retry::on_give_up).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GaveUp {
    pub(crate) reason: StopReason,
    pub(crate) attempts: u32,
}

impl GaveUp {
    /// Returns why the run made no further attempt.
    pub const fn reason(&self) -> StopReason {
        self.reason
    }

    /// Returns how many attempts were made, counted from the last [progress](crate::Verdict::progressed). It is 0 if a guard
    /// refused the first one.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// One line for a log: `gave up after 4 attempts: retries exhausted`.
impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.attempts == 1 { "" } else { "s" };
        write!(f, "gave up after {} attempt{s}: {}", self.attempts, self.reason)
    }
}

/// What an operation is told of the attempt that it makes, in [`run_with`](crate::Retry::run_with) and its like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub(crate) number: u32,
    pub(crate) left: Option<Duration>,
}

impl Attempt {
    /// Tells this attempt's number; the first is 1.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Returns how long the operation may take, counted from its start, after any `before_retry` hook.
    ///
    /// It is what the deadline leaves, and no more than what the hook left of the attempt timeout. `None` if there is
    /// neither.
    ///
    /// Pass it on as the operation's own timeout; a server that learns it can drop work that nobody waits for.
    pub const fn remaining(&self) -> Option<Duration> {
        self.left
    }
}
