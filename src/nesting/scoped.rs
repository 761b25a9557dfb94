//! The mark that a run leaves where it gives up, and the scope that finds it.

use core::cell::Cell;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;

use super::Around;
use crate::observe::{Failed, Observe, Observer, Refuse, Retrying};
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
/// use persevere::{Nested, Policy, StopReason, Report};
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

/// A scope, in which a run that gives up leaves its mark.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Scoped;

impl Around for Scoped {
    type And<A: Around> = Self;
    type Mark = bool;
    const UNMARKED: bool = false;

    fn block<V>(marked: &mut bool, attempt: impl FnOnce() -> V) -> V {
        *marked = false;
        Self::turn(marked, attempt)
    }

    fn turn<V>(marked: &mut bool, poll: impl FnOnce() -> V) -> V {
        // Entered anew at each poll: in between other tasks run on this thread, and this one on others.
        let scope = Scope::enter(*marked);
        let value = poll();
        *marked = scope.is_marked();
        value
    }

    fn wrap<F: Future>(marked: &mut bool, attempt: F) -> impl Future<Output = F::Output> {
        async move {
            let mut attempt = pin!(attempt);
            poll_fn(|context| Self::turn(marked, || attempt.as_mut().poll(context))).await
        }
    }
}

std::thread_local! {
    /// The scope that is open on this thread, if one is: whether there is a mark in it.
    static OPEN: Cell<Option<bool>> = const { Cell::new(None) };
}

/// A scope that is open as long as this lives.
struct Scope {
    outer: Option<bool>,
}

impl Scope {
    fn enter(marked: bool) -> Self {
        Self { outer: OPEN.replace(Some(marked)) }
    }

    // Of this scope, since scopes are left in the order that stacks are.
    #[allow(clippy::unused_self)]
    fn is_marked(&self) -> bool {
        OPEN.get() == Some(true)
    }
}

/// Also when the attempt panics.
impl Drop for Scope {
    fn drop(&mut self) {
        OPEN.set(self.outer);
    }
}

/// Leaves a mark in the scope that is open here.
fn mark() {
    if OPEN.get().is_some() {
        OPEN.set(Some(true));
    }
}

/// Leaves a mark, if this is how a run gives up that has retried, or refused to.
pub(crate) fn gave_up(reason: StopReason, attempts: u32) {
    let marks = match reason {
        StopReason::Succeeded | StopReason::Permanent => false,
        // Its only attempt multiplies nothing.
        StopReason::Exhausted => attempts > 1,
        _ => true,
    };
    if marks {
        mark();
    }
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

    fn permit(&mut self, retry: &Retrying<'_>) -> Result<(), StopReason> {
        if retry.nested && self.0 == Nested::GiveUp { Err(StopReason::Nested) } else { Ok(()) }
    }
}

impl<E> Observe<E> for Nesting {
    #[inline]
    fn failed(&mut self, _: &Failed<'_, E>) {}
}

impl<E> Refuse<E> for Nesting {
    #[inline(always)]
    fn refuse(&mut self, _: u64) -> Option<E> {
        None
    }
}
