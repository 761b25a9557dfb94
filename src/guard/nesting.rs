//! What an outer run does about an inner one that has given up.

use core::fmt;

use crate::observe::around::Scoped;
use crate::observe::refusal::Never;
use crate::observe::word::no_word;
use crate::observe::{Failed, Observe, Observer, Retrying};
use crate::run::StopReason;

/// Says what an outer run does with a failure on which a run inside its attempt has given up.
///
/// Retries within retries multiply: three layers of four attempts are 64 calls. The outer run learns of the inner one
/// from a mark that it leaves on the thread while it runs in the outer one's attempt, by whatever door: blocking, or
/// async and across every `await`. A run that gave up leaves it; one that succeeded, or met a permanent failure, or made
/// its only attempt because its `total` is 0, does not.
///
/// What it does not see: a run on another thread or in a task of its own, since that is not inside the attempt. It is
/// wrong in two cases. The operation handles an inner run's failure by itself, and then fails for another reason: the
/// mark stays until the attempt ends, for giving up too early costs less than a storm. Or the attempt drives other tasks
/// on its own thread, by a runtime's `block_on` or a `LocalSet`, and a run in one of those gives up.
///
/// ```
/// use persevere::{guard::Nested, Policy, Report, StopReason};
/// use std::{io, time::Duration};
///
/// let mut calls = 0;
/// let mut inner = || Policy::new().backoff(Duration::ZERO).run(|| -> io::Result<()> {
///     calls += 1;
///     Err(io::ErrorKind::TimedOut.into())
/// });
/// let mut report = Report::new();
/// let outer = Policy::new().nested(Nested::GiveUp).report(&mut report).run(|| inner());
/// assert!(outer.is_err());
/// assert_eq!(report.stop_reason(), Some(StopReason::Nested));
/// assert_eq!(calls, 4); // in place of 16
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Nested {
    /// Retries it as any other failure. The default: a slow outer loop round a quick inner one is legitimate.
    #[default]
    Retry,
    /// Ends the run with [`StopReason::Nested`](crate::StopReason::Nested).
    GiveUp,
}

/// Has a say in what is done about a nested failure.
#[derive(Clone, Copy)]
pub struct Nesting(pub(crate) Nested);

impl fmt::Debug for Nesting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Observer for Nesting {
    type Around = Scoped;
    type Refusal = Never;
    no_word!();

    fn permit(&mut self, retry: &Retrying<'_>) -> Result<(), StopReason> {
        if retry.nested && self.0 == Nested::GiveUp { Err(StopReason::Nested) } else { Ok(()) }
    }
}

impl<E> Observe<E> for Nesting {
    #[inline]
    fn failed(&mut self, _: &Failed<'_, E>) {}
}
