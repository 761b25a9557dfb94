//! The async doors: an async loop over the driver.

use core::future::Future;
use core::mem;
use core::pin::pin;

use crate::drive::before::BeforeAsync;
use crate::drive::bound::Guard;
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::Plan;
use crate::drive::rest::rest;
use crate::drive::retry::Retry;
use crate::drive::runs::RunsAsync;
use crate::drive::signal::Signal as _;
use crate::drive::{Driver, Step, Telling};
use crate::observe::Refuse;
use crate::observe::event::Attempt;
#[cfg(feature = "tokio")]
use crate::policy::{Policy, Timed};
use crate::time::Timer;
#[cfg(feature = "tokio")]
use crate::verdict::{Retryable, TimedOut};

/// Runs an async operation, and runs it again while the policy allows.
///
/// The policy is a [`Policy`](crate::Policy), a reference to one, a [`Timed`](crate::Timed) one, a
/// [`Backoff`](crate::Backoff), or a prepared [`Retry`]. The closure makes a future for each attempt; it is called when
/// the attempt is due, not before. To lend `&mut` to the operation, use [`retry_async!`](crate::retry_async!) or the
/// attribute.
///
/// Waits use tokio's timer unless another is named with [`timer`](Retry::timer). A wait of zero takes no timer, and
/// yields to the executor once.
///
/// # Errors
///
/// The operation's own last error. One made by `From<TimedOut>` if an attempt timeout cut the last attempt, or if the
/// deadline of a run with an attempt timeout passed during a wait. One made by `From<Rejected>` if a breaker or a
/// throttle let no attempt begin.
///
/// # Panics
///
/// If the operation, a hook or a classifier does. Outside a tokio runtime tokio's timer panics, as tokio does, when there is a wait.
///
/// # Cancel safety
///
/// Dropping the future drops the attempt or the timer that is pending. Nothing goes on behind it. Whether a dropped
/// attempt took effect is the operation's matter.
///
/// ```
/// use persevere::{Policy, retry_async};
/// use std::io;
///
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let mut attempts = 0;
/// let page = retry_async(Policy::default(), || {
///     attempts += 1;
///     let fails = attempts < 3;
///     async move { if fails { Err(io::Error::from(io::ErrorKind::ConnectionReset)) } else { Ok("page") } }
/// });
/// assert_eq!(page.await.unwrap(), "page");
/// # });
/// ```
#[inline]
pub fn retry_async<P, F, A, V, E>(policy: P, operation: F) -> impl Future<Output = Result<V, E>>
where
    P: RunsAsync<V, E>,
    F: FnMut() -> A,
    A: Future<Output = Result<V, E>>,
{
    policy.into_retry().run_async(operation)
}

impl<P, C, K, O, B, T> Retry<P, C, K, O, B, T>
where
    P: Plan,
    B: BeforeAsync,
    T: Timer,
{
    /// Runs an async operation, as [`retry_async`](crate::retry_async()) does.
    ///
    /// # Errors
    ///
    /// The operation's own last error. One made by `From<TimedOut>` if an attempt timeout cut the last attempt, or if the
    /// deadline of a run with an attempt timeout passed during a wait. One made by `From<Rejected>` if a breaker or a
    /// throttle let no attempt begin.
    ///
    /// # Panics
    ///
    /// As [`retry_async`](crate::retry_async()).
    ///
    /// # Cancel safety
    ///
    /// As [`retry_async`](crate::retry_async()).
    #[inline]
    #[allow(unused_assignments)] // The lint does not see that what is kept is read after the wait.
    pub fn run_async<F, A, V, E>(self, mut operation: F) -> impl Future<Output = Result<V, E>>
    where
        F: FnMut() -> A,
        A: Future<Output = Result<V, E>>,
        P::Timing: Guard<E>,
        C: Classify<E>,
        K: Accept<V>,
        O: Refuse<E>,
    {
        let mut driver = Driver::new(self);
        // Captured: a local of a type that is not known here would cost the first try some instructions.
        let mut kept = P::Signal::nothing();
        async move {
            let mut memory = driver.start();
            loop {
                let outcome = 'attempt: {
                    if let Some(refused) = driver.refuse() {
                        break 'attempt Err(refused);
                    }
                    let ended = driver.guard(&memory, &mut operation).await;
                    driver.outcome(ended)
                };
                // Nothing of the outcome may live on in the future while it waits, unless the run can be stopped.
                let wait = match driver.settle(&mut memory, outcome) {
                    Step::Done(outcome) => return outcome,
                    Step::Wait(wait, outcome) => {
                        kept = driver.keep(outcome);
                        wait
                    }
                };
                rest(pin!(driver.sleep(wait)), driver.word(), driver.signal()).await;
                if let Some(outcome) = driver.over(&mut memory, mem::replace(&mut kept, P::Signal::nothing())) {
                    return outcome;
                }
            }
        }
    }

    /// Runs an async operation that is told which attempt it is, and how long it may take.
    ///
    /// # Errors
    ///
    /// The operation's own last error. One made by `From<TimedOut>` if an attempt timeout cut the last attempt, or if the
    /// deadline of a run with an attempt timeout passed during a wait. One made by `From<Rejected>` if a breaker or a
    /// throttle let no attempt begin.
    ///
    /// # Panics
    ///
    /// As [`retry_async`](crate::retry_async()).
    ///
    /// # Cancel safety
    ///
    /// As [`retry_async`](crate::retry_async()).
    #[inline]
    #[allow(unused_assignments)] // The lint does not see that what is kept is read after the wait.
    pub fn run_async_with<F, A, V, E>(self, mut operation: F) -> impl Future<Output = Result<V, E>>
    where
        F: FnMut(Attempt) -> A,
        A: Future<Output = Result<V, E>>,
        P::Timing: Guard<E>,
        C: Classify<E>,
        K: Accept<V>,
        O: Refuse<E>,
    {
        let mut driver = Driver::new(self);
        // Captured: a local of a type that is not known here would cost the first try some instructions.
        let mut kept = P::Signal::nothing();
        async move {
            let mut memory = driver.start();
            loop {
                let outcome = 'attempt: {
                    if let Some(refused) = driver.refuse() {
                        break 'attempt Err(refused);
                    }
                    let (teller, making) = driver.told(&memory);
                    let ended = making.guard(&memory, Telling { teller, operation: &mut operation }).await;
                    driver.outcome(ended)
                };
                // Nothing of the outcome may live on in the future while it waits, unless the run can be stopped.
                let wait = match driver.settle(&mut memory, outcome) {
                    Step::Done(outcome) => return outcome,
                    Step::Wait(wait, outcome) => {
                        kept = driver.keep(outcome);
                        wait
                    }
                };
                rest(pin!(driver.sleep(wait)), driver.word(), driver.signal()).await;
                if let Some(outcome) = driver.over(&mut memory, mem::replace(&mut kept, P::Signal::nothing())) {
                    return outcome;
                }
            }
        }
    }
}

/// Gives both kinds of policy the builder's async runs.
#[cfg(feature = "tokio")]
macro_rules! start_async {
    ($($policy:ty $(: $from:path)?),*) => {$(
        impl $policy {
            /// As [`Retry::run_async`].
            ///
            /// # Errors
            ///
            /// As [`Retry::run_async`].
            ///
            /// # Panics
            ///
            /// As [`retry_async`](crate::retry_async()).
            ///
            /// # Cancel safety
            ///
            /// As [`retry_async`](crate::retry_async()).
            #[inline]
            pub fn run_async<F, A, V, E>(self, operation: F) -> impl Future<Output = Result<V, E>>
            where
                F: FnMut() -> A,
                A: Future<Output = Result<V, E>>,
                E: Retryable $(+ $from)?,
            {
                Retry::new(self).run_async(operation)
            }

            /// As [`Retry::run_async_with`].
            ///
            /// # Errors
            ///
            /// As [`Retry::run_async_with`].
            ///
            /// # Panics
            ///
            /// As [`retry_async`](crate::retry_async()).
            ///
            /// # Cancel safety
            ///
            /// As [`retry_async`](crate::retry_async()).
            #[inline]
            pub fn run_async_with<F, A, V, E>(self, operation: F) -> impl Future<Output = Result<V, E>>
            where
                F: FnMut(Attempt) -> A,
                A: Future<Output = Result<V, E>>,
                E: Retryable $(+ $from)?,
            {
                Retry::new(self).run_async_with(operation)
            }
        }
    )*};
}

#[cfg(feature = "tokio")]
start_async!(Policy, Timed<Policy>: From<TimedOut>);
