//! The builder: a policy, and what is not plain data.

use core::fmt;
#[cfg(feature = "std")]
use core::future::Future;
#[cfg(target_has_atomic = "64")]
use core::ops::Deref;
use core::time::Duration;

use crate::drive::before::{Hook, Keep, NoHook};
use crate::drive::judge::{AnyOk, ByTrait, When, WhenOk};
#[cfg(feature = "std")]
use crate::drive::plan::Stoppable;
use crate::drive::plan::{Adjust, Advanced, Deadline, Name, Named, OnTimeout, Seeded, Streaks, Waits};
#[cfg(feature = "std")]
use crate::drive::signal::Until;
#[cfg(target_has_atomic = "64")]
use crate::guard::beside::{Breaking, Spending, Throttling};
#[cfg(feature = "std")]
use crate::guard::nesting::{Nested, Nesting};
#[cfg(target_has_atomic = "64")]
use crate::guard::{AdaptiveThrottle, Breaker, Budget};
use crate::observe::event::{Event, GaveUp};
#[cfg(feature = "std")]
use crate::observe::word::OnRetryAsync;
use crate::observe::{OnGiveUp, OnRejected, OnRetry};
use crate::policy::backoff::Backoff;
use crate::policy::settings::{each_setting, each_streak_setting};
use crate::policy::timed::Timed;
use crate::policy::{Hints, Jitter, Policy, StreakPolicy};
use crate::report::{ByDisplay, Report, Reporting};
#[cfg(feature = "tracing")]
use crate::telemetry::tracing::Telling;
#[cfg(feature = "std")]
use crate::time::Stop;
use crate::time::{DefaultTimer, nanos};
use crate::verdict::{Fault, Rejected, TimedOut, Verdict};

/// A run that is ready to start: a policy with its hooks, classifier and timer.
///
/// Made from a [`Policy`] by any of the methods here, which the policy has too, or with [`Retry::new`]. The policy's
/// own settings come first: `policy.total(5).when(..)`. Started by [`run`](Retry::run) for a blocking operation and
/// [`run_async`](Retry::run_async) for a future. [`retry`](crate::retry()) and [`retry_async`](crate::retry_async())
/// are the short forms, and take one of these too.
///
/// ```
/// use persevere::{Event, Policy};
/// use std::io;
///
/// let mut failures = 0;
/// let answer: Result<u32, io::Error> = Policy::new()
///     .when(|error: &io::Error| error.kind() == io::ErrorKind::NotFound)
///     .on_retry(|event: Event<'_, io::Error>| eprintln!("attempt {} failed", event.attempt()))
///     .run(|| {
///         failures += 1;
///         if failures < 2 { Err(io::ErrorKind::NotFound.into()) } else { Ok(42) }
///     });
/// assert_eq!(answer.unwrap(), 42);
/// ```
#[derive(Clone, Copy)]
#[must_use = "a prepared run does nothing until `run` or `run_async`"]
pub struct Retry<P, C = ByTrait, K = AnyOk, O = (), B = NoHook, T = DefaultTimer> {
    pub(crate) plan: P,
    pub(crate) classify: C,
    pub(crate) accept: K,
    pub(crate) observe: O,
    pub(crate) before: B,
    pub(crate) timer: T,
}

/// Writes the struct again with one field of another type.
macro_rules! replace {
    (@ $retry:ident, [$($kept:ident)*], $field:ident: $value:expr) => {
        Retry { $field: $value, $($kept: $retry.$kept),* }
    };
    ($retry:ident, plan: $value:expr) => {
        replace!(@ $retry, [classify accept observe before timer], plan: $value)
    };
    ($retry:ident, classify: $value:expr) => {
        replace!(@ $retry, [plan accept observe before timer], classify: $value)
    };
    ($retry:ident, accept: $value:expr) => {
        replace!(@ $retry, [plan classify observe before timer], accept: $value)
    };
    ($retry:ident, observe: $value:expr) => {
        replace!(@ $retry, [plan classify accept before timer], observe: $value)
    };
    ($retry:ident, before: $value:expr) => {
        replace!(@ $retry, [plan classify accept observe timer], before: $value)
    };
    ($retry:ident, timer: $value:expr) => {
        replace!(@ $retry, [plan classify accept observe before], timer: $value)
    };
}

impl<P> Retry<P> {
    /// Prepares a run by this policy: a [`Policy`], a reference to one, or a [`Timed`] one.
    pub const fn new(policy: P) -> Self {
        Self { plan: policy, classify: ByTrait, accept: AnyOk, observe: (), before: NoHook, timer: DefaultTimer }
    }
}

impl<P, C, K, O, B, T> Retry<P, C, K, O, B, T> {
    /// Decides at the call which errors are retried, in place of the error's own [`Retryable`](crate::Retryable).
    ///
    /// The closure answers with a `bool`, `true` for transient, or with a whole [`Verdict`]. It is asked about every
    /// error, a timeout's included. Annotate its argument: it is typed before the operation is.
    pub fn when<E, R, F>(self, when: F) -> Retry<P, When<F>, K, O, B, T>
    where
        F: FnMut(&E) -> R,
        R: Into<Verdict>,
    {
        replace!(self, classify: When(when))
    }

    /// Classifies errors in another way.
    #[cfg(feature = "std")]
    pub(crate) fn classified<D>(self, classify: D) -> Retry<P, D, K, O, B, T> {
        replace!(self, classify: classify)
    }

    /// Retries on a value, too: the closure says of an `Ok` value whether it is one to try again for.
    ///
    /// It answers with a `bool`, `true` for "again", or with a whole [`Verdict`]. If retries run out, the last value
    /// comes back as `Ok`.
    ///
    /// ```
    /// use persevere::Policy;
    ///
    /// let mut polls = 0;
    /// let state = Policy::new().when_ok(|state: &&str| *state == "pending").run(|| {
    ///     polls += 1;
    ///     Ok::<_, std::io::Error>(if polls < 2 { "pending" } else { "done" })
    /// });
    /// assert_eq!(state.unwrap(), "done");
    /// ```
    pub fn when_ok<V, R, F>(self, again: F) -> Retry<P, C, WhenOk<F>, O, B, T>
    where
        F: FnMut(&V) -> R,
        R: Into<Verdict>,
    {
        replace!(self, accept: WhenOk(again))
    }

    /// Calls this when a retry is decided, before its wait. Several are called in their order.
    ///
    /// A panic in it passes through.
    pub fn on_retry<E, F>(self, hook: F) -> Retry<P, C, K, (O, OnRetry<F>), B, T>
    where
        F: FnMut(Event<'_, E>),
    {
        replace!(self, observe: (self.observe, OnRetry(hook)))
    }

    /// Calls this when a retry is decided, and awaits what it returns before the wait; for async runs.
    ///
    /// The wait goes on meanwhile, so the hook lengthens it only if it takes longer. The future can't borrow from the event.
    /// Each call allocates once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the run's future drops the hook's.
    ///
    /// ```
    /// use persevere::{Event, Policy};
    /// use std::io;
    ///
    /// async fn report(line: String) { /* send it to a service */ }
    ///
    /// # #[cfg(feature = "tokio")]
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
    /// let run = Policy::new().on_retry_async(|event: Event<'_, io::Error>| report(event.to_string()));
    /// let outcome = run.run_async(async || Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut))).await;
    /// assert!(outcome.is_err());
    /// # });
    /// ```
    #[cfg(feature = "std")]
    #[allow(clippy::type_complexity)] // One parameter for each thing that a run may carry.
    pub fn on_retry_async<E, F, W>(self, hook: F) -> Retry<P, C, K, (O, OnRetryAsync<F, W>), B, T>
    where
        F: FnMut(Event<'_, E>) -> W,
        W: Future<Output = ()>,
    {
        replace!(self, observe: (self.observe, OnRetryAsync::new(hook)))
    }

    /// Lets this handle end the run's waits; see [`Stop`].
    ///
    /// The run then returns its last outcome, with the reason [`StopReason::Stopped`](crate::StopReason::Stopped). It is
    /// kept over the wait, so an async run that can be stopped is larger by it, and `Send` only if it is.
    #[cfg(feature = "std")]
    pub fn stopped_by(self, stop: &Stop) -> Retry<Stoppable<P, Stop>, C, K, O, B, T> {
        replace!(self, plan: Stoppable { plan: self.plan, by: stop.clone() })
    }

    /// Ends the waits of an async run when this future does: a cancellation token's, a channel's, Ctrl-C.
    ///
    /// Once it has ended, a wait ends at once and no other attempt begins. The run returns its last outcome, with the reason
    /// [`StopReason::Stopped`](crate::StopReason::Stopped). An attempt that is running may finish, and the first one is always
    /// made. The future is polled while the run waits, and once after each failure. A panic in it passes through.
    ///
    /// # Cancel safety
    ///
    /// Dropping the run's future drops this one, too.
    ///
    /// ```
    /// use persevere::{Policy, retry_async};
    /// use std::{io, time::Duration};
    ///
    /// # #[cfg(feature = "tokio")]
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
    /// let (shutdown, told) = tokio::sync::oneshot::channel::<()>();
    /// let policy = Policy::new().forever().backoff(Duration::from_secs(3600)).until(async { _ = told.await });
    /// let run = retry_async(policy, async || Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused)));
    /// let (outcome, ()) = tokio::join!(run, async { drop(shutdown) });
    /// assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    /// # });
    /// ```
    #[cfg(feature = "std")]
    pub fn until<F: Future>(self, stop: F) -> Retry<Stoppable<P, Until<F>>, C, K, O, B, T> {
        replace!(self, plan: Stoppable { plan: self.plan, by: Until::new(stop) })
    }

    /// Calls this when the run gives up, with the reason: once, after all attempts, or in place of a first one that a guard
    /// refused. It is not called after a success.
    ///
    /// The operation's last error is what the run returns. A panic in the hook passes through.
    ///
    /// ```
    /// use persevere::{Policy, StopReason};
    /// use std::io;
    ///
    /// let mut reason = None;
    /// let _ = Policy::new()
    ///     .on_give_up(|gave_up| reason = Some(gave_up.reason()))
    ///     .run(|| Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)));
    /// assert_eq!(reason, Some(StopReason::Permanent));
    /// ```
    pub fn on_give_up<F>(self, hook: F) -> Retry<P, C, K, (O, OnGiveUp<F>), B, T>
    where
        F: FnMut(GaveUp),
    {
        replace!(self, observe: (self.observe, OnGiveUp(hook)))
    }

    /// Makes the error of an attempt that is cut, in place of the error's own `From<TimedOut>`.
    ///
    /// It is for an error that no `From` can be written for, because neither the error nor this crate's type is yours. An
    /// [`attempt_timeout`](Retry::attempt_timeout) or a [`deadline`](Retry::deadline) before or after it cuts. The error is
    /// classified like any other, and counts as [`Fault::Timeout`](crate::Fault::Timeout). A later closure takes the place
    /// of an earlier one. Blocking code can't be cut, so a blocking run does not compile with it. A panic in it passes
    /// through.
    ///
    /// ```
    /// use persevere::{Policy, Verdict, retry_async};
    /// use std::time::Duration;
    ///
    /// /// Another crate's error.
    /// #[derive(Debug, PartialEq)]
    /// struct Foreign(String);
    ///
    /// # #[cfg(feature = "tokio")]
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
    /// let run = Policy::new()
    ///     .deadline(Duration::from_secs(2))
    ///     .when(|_: &Foreign| Verdict::transient())
    ///     .on_timeout(|timed_out| Foreign(timed_out.to_string()));
    /// let silent: Result<(), Foreign> = retry_async(run, || std::future::pending()).await;
    /// assert_eq!(silent, Err(Foreign("attempt timed out after 2 s".to_owned())));
    /// # });
    /// ```
    pub fn on_timeout<E, F>(self, make: F) -> Retry<OnTimeout<P, F>, C, K, O, B, T>
    where
        F: FnMut(TimedOut) -> E,
    {
        replace!(self, plan: OnTimeout { plan: self.plan, make })
    }

    /// Makes the error of an attempt that no guard let begin, in place of the error's own `From<Rejected>`.
    ///
    /// It is for an error that no `From` can be written for, because neither the error nor this crate's type is yours. The
    /// [`breaker`](Retry::breaker) and the [`throttle`](Retry::throttle) may come before or after it. A later closure takes
    /// the place of an earlier one. A panic in it passes through.
    ///
    /// ```
    /// use persevere::{guard::Breaker, Policy};
    /// use std::time::Duration;
    ///
    /// /// Another crate's error.
    /// #[derive(Debug, PartialEq)]
    /// struct Foreign(&'static str);
    ///
    /// let breaker = Breaker::new().min_outcomes(1);
    /// let run = Policy::new()
    ///     .backoff(Duration::ZERO)
    ///     .when(|_: &Foreign| true)
    ///     .breaker(&breaker)
    ///     .on_rejected(|_| Foreign("the breaker is open"));
    /// assert_eq!(run.clone().run(|| Err::<(), _>(Foreign("reset"))), Err(Foreign("reset")));
    /// assert_eq!(run.run(|| Ok(())), Err(Foreign("the breaker is open")));
    /// ```
    pub fn on_rejected<E, F>(self, make: F) -> Retry<P, C, K, (O, OnRejected<F>), B, T>
    where
        F: FnMut(Rejected) -> E,
    {
        replace!(self, observe: (self.observe, OnRejected(make)))
    }

    /// Calls this after the wait, before the next attempt: to refresh a token, or to reconnect.
    ///
    /// The hook is part of the attempt that it precedes. In an async run the closure returns a future of `()`, and an
    /// attempt timeout covers both. In a blocking run it returns `()`. A second hook runs after the first: it is called
    /// when the first one, or its future, has ended. A hook in place, in a macro or the attribute, runs last.
    ///
    /// For a hook that borrows what the operation borrows, use the in-place form of
    /// [`retry_async!`](crate::retry_async!). If the compiler calls a hook closure "not general enough" in a task that is
    /// spawned, that form helps, and so does a `fn` as the hook.
    ///
    /// ```
    /// use persevere::Policy;
    /// use std::{cell::RefCell, io, time::Duration};
    ///
    /// let log = RefCell::new(Vec::new());
    /// let policy = Policy::new().total(1).backoff(Duration::ZERO);
    /// let run = policy
    ///     .before_retry(|_| log.borrow_mut().push("token"))
    ///     .before_retry(|_| log.borrow_mut().push("connection"));
    /// let _ = run.run(|| Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionReset)));
    /// assert_eq!(*log.borrow(), ["token", "connection"]);
    /// ```
    pub fn before_retry<R, F>(self, hook: F) -> Retry<P, C, K, O, (B, Hook<F>), T>
    where
        F: FnMut(Event<'static>) -> R,
    {
        replace!(self, before: (self.before, Hook(hook)))
    }

    /// Keeps the event for a hook that stands in place, in an expansion.
    #[doc(hidden)]
    pub fn keep_event(self) -> Retry<P, C, K, O, (B, Keep), T> {
        replace!(self, before: (self.before, Keep))
    }

    /// Sets the timer, for the time and for the waits: a [`Timer`](crate::time::Timer) for async runs, a
    /// [`BlockingTimer`](crate::time::BlockingTimer) for blocking ones.
    pub fn timer<U>(self, timer: U) -> Retry<P, C, K, O, B, U> {
        replace!(self, timer: timer)
    }

    /// Names the run, for its [report](crate::Report), its [events](crate::guide::events) and its metrics.
    ///
    /// Without names the counters of two operations are one. The attribute names a run after its function. A later name
    /// takes the place of an earlier one.
    ///
    /// ```
    /// use persevere::{Policy, Report};
    ///
    /// let mut report = Report::new();
    /// let run = Policy::new().total(1).backoff(std::time::Duration::ZERO).name("load page").report(&mut report);
    /// let _ = run.run(|| Err::<(), _>(std::io::Error::from(std::io::ErrorKind::TimedOut)));
    /// assert!(report.to_string().starts_with("load page: "));
    /// ```
    pub fn name(self, name: &'static str) -> Retry<Named<P>, C, K, O, B, T> {
        replace!(self, plan: Named { plan: self.plan, name })
    }

    /// Names the run by a type, in an expansion.
    #[doc(hidden)]
    #[inline]
    pub fn named<N: Name>(self, name: N) -> Retry<Named<P, N>, C, K, O, B, T> {
        replace!(self, plan: Named { plan: self.plan, name })
    }

    /// Sets a seed to draw the jitter from, for tests: same seed, same waits, on every platform; see [`Backoff::seed`].
    #[cfg(feature = "jitter")]
    pub fn seed(self, seed: u64) -> Retry<Seeded<P>, C, K, O, B, T> {
        replace!(self, plan: Seeded { plan: self.plan, seed: Some(seed) })
    }

    /// Waits what this list says, in place of the policy's backoff.
    ///
    /// The list decides how many retries there are: as many as it has waits, and without end if it has no end. It
    /// replaces a `total` that was set before it. A [`total`](Retry::total) after it caps it. A second list replaces the
    /// first. The waits are exact unless the policy's [`jitter`](Policy::jitter) is set, which then applies to them. A
    /// server's hint can still make a wait longer.
    ///
    /// ```
    /// use persevere::Policy;
    /// use persevere::testing::VirtualTimer;
    /// use std::{io, iter, time::Duration};
    ///
    /// let fails = || Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut));
    /// let waits = [1, 2, 5].map(Duration::from_secs);
    /// let timer = VirtualTimer::new();
    /// let _ = Policy::new().waits(waits).timer(&timer).run(fails);
    /// assert_eq!(timer.sleeps(), waits);
    ///
    /// // Then every ten seconds, ten times in all.
    /// let timer = VirtualTimer::new();
    /// let endless = waits.into_iter().chain(iter::repeat(Duration::from_secs(10)));
    /// let _ = Policy::new().waits(endless).total(10).timer(&timer).run(fails);
    /// assert_eq!(timer.elapsed(), Duration::from_secs(1 + 2 + 5 + 7 * 10));
    /// ```
    pub fn waits<I>(self, waits: I) -> Retry<Waits<P, I::IntoIter>, C, K, O, B, T>
    where
        I: IntoIterator<Item = Duration>,
    {
        replace!(self, plan: Waits::new(self.plan, waits.into_iter()))
    }

    /// Sets the time by which an async run ends, its running attempt included; see [`Policy::deadline`].
    pub fn deadline(self, deadline: Duration) -> Retry<Deadline<P>, C, K, O, B, T> {
        replace!(self, plan: Deadline { plan: self.plan, deadline: nanos::from(deadline) })
    }

    /// Cuts each attempt of an async run after this time; see [`Timed`].
    pub fn attempt_timeout(self, limit: Duration) -> Retry<Timed<P>, C, K, O, B, T> {
        replace!(self, plan: Timed::new(self.plan, limit))
    }

    /// Writes what happens into this report, on success and on failure.
    ///
    /// Each failure is kept with the error's text: one line of at most 96 bytes, without control characters and without
    /// the credentials, query and fragment of any URL. The run reads the clock when the run starts and at each attempt's end.
    pub fn report(self, report: &mut Report) -> Retry<P, C, K, (O, Reporting<'_, ByDisplay>), B, T> {
        replace!(self, observe: (self.observe, Reporting::new(report, ByDisplay)))
    }

    /// As [`report`](Retry::report), with the error's text written by this closure; for errors without `Display`, or
    /// whose text should not be kept.
    ///
    /// ```
    /// use persevere::{Policy, Report};
    ///
    /// let mut report = Report::new();
    /// let _ = Policy::new()
    ///     .total(1)
    ///     .when(|_: &()| true)
    ///     .report_with(&mut report, |_: &(), f: &mut std::fmt::Formatter<'_>| f.write_str("no reason given"))
    ///     .run(|| Err::<(), ()>(()));
    /// assert_eq!(report.failures().next().unwrap().message(), "no reason given");
    /// ```
    pub fn report_with<E, F>(self, report: &mut Report, describe: F) -> Retry<P, C, K, (O, Reporting<'_, F>), B, T>
    where
        F: Fn(&E, &mut fmt::Formatter<'_>) -> fmt::Result,
    {
        replace!(self, observe: (self.observe, Reporting::new(report, describe)))
    }

    /// Charges retries to a [`Budget`](crate::guard::Budget) that many runs share: a `&'static` one, or an `Arc`.
    ///
    /// A retry is charged when it is decided, after all other rules; if the budget has no token, the run ends at once
    /// with the operation's error and [`StopReason::BudgetExhausted`](crate::StopReason::BudgetExhausted). A run that
    /// is dropped before its retry begins gives the charge back. First attempts are free, and a success deposits.
    ///
    /// ```
    /// use persevere::{guard::Budget, Policy};
    /// use std::io;
    ///
    /// static BUDGET: Budget = Budget::new().size(2).valid();
    ///
    /// let mut calls = 0;
    /// let outage = || { calls += 1; Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused)) };
    /// let failed = Policy::new().total(9).backoff(std::time::Duration::ZERO).budget(&BUDGET).run(outage);
    /// assert!(failed.is_err());
    /// assert_eq!(calls, 3); // a first attempt, and the two retries that the budget had
    /// ```
    #[cfg(target_has_atomic = "64")]
    pub fn budget<D>(self, budget: D) -> Retry<P, C, K, (O, Spending<D>), B, T>
    where
        D: Deref<Target = Budget>,
    {
        replace!(self, observe: (self.observe, Spending::new(budget)))
    }

    /// Asks a [`Breaker`](crate::guard::Breaker) that many runs share before each attempt, and reports each outcome to it.
    ///
    /// While it is open no attempt begins, and the run ends with an error made by `E: From<Rejected>`. If it would still be
    /// open after the next wait, the run ends at once with the operation's own error. A retry that waited and then finds the
    /// probe's place taken ends with `Rejected`, since the operation's error is gone by then. In each case the reason is
    /// [`StopReason::BreakerOpen`](crate::StopReason::BreakerOpen). A run that is dropped or panics as the probe gives
    /// its place back. Put a breaker on one layer: of a run within a run that share one, the outer is the probe, and the
    /// inner finds its place taken. It reads the clock before and after each attempt, so the breaker's runs should share a timer.
    ///
    /// ```
    /// use persevere::{guard::Breaker, Policy, Rejected};
    /// use std::io;
    ///
    /// static BREAKER: Breaker = Breaker::new().min_outcomes(2).valid();
    ///
    /// let policy = Policy::new().total(0);
    /// for _ in 0..2 {
    ///     let _ = policy.breaker(&BREAKER).run(|| Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut)));
    /// }
    /// let refused = policy.breaker(&BREAKER).run(|| -> io::Result<()> { unreachable!("the breaker is open") });
    /// assert!(refused.unwrap_err().get_ref().unwrap().is::<Rejected>());
    /// ```
    #[cfg(target_has_atomic = "64")]
    pub fn breaker<D>(self, breaker: D) -> Retry<P, C, K, (O, Breaking<D>), B, T>
    where
        D: Deref<Target = Breaker>,
    {
        replace!(self, observe: (self.observe, Breaking::new(breaker)))
    }

    /// Asks an [`AdaptiveThrottle`](crate::guard::AdaptiveThrottle) that many runs share before the first attempt, and
    /// reports each outcome to it.
    ///
    /// A first attempt that it holds back is not made: the run ends with an error made by `E: From<Rejected>`, and
    /// [`StopReason::Throttled`](crate::StopReason::Throttled).
    #[cfg(target_has_atomic = "64")]
    pub fn throttle<D>(self, throttle: D) -> Retry<P, C, K, (O, Throttling<D>), B, T>
    where
        D: Deref<Target = AdaptiveThrottle>,
    {
        replace!(self, observe: (self.observe, Throttling::new(throttle)))
    }

    /// Says what to do with a failure on which a run inside the attempt has given up; see [`Nested`].
    #[cfg(feature = "std")]
    pub fn nested(self, nested: Nested) -> Retry<P, C, K, (O, Nesting), B, T> {
        replace!(self, observe: (self.observe, Nesting(nested)))
    }

    /// Adds to the run's [events](crate::guide::events) the errors' text, as `exception.message`, and how long the run took.
    ///
    /// The text is as safe as a report's: one line of at most 96 bytes, without control characters and without the
    /// credentials, query and fragment of any URL. Without this the events leave out the error's text: not every error has one, and
    /// it may hold what belongs into no log. It makes the run look at the clock, as a report does.
    ///
    /// ```
    /// use persevere::Policy;
    ///
    /// let port: Result<u16, _> = Policy::new().when(|_: &std::num::ParseIntError| false).trace_errors().run(|| "80".parse());
    /// assert_eq!(port, Ok(80)); // at once, so nothing was told
    /// ```
    #[cfg(feature = "tracing")]
    pub fn trace_errors(self) -> Retry<P, C, K, (O, Telling<ByDisplay>), B, T> {
        replace!(self, observe: (self.observe, Telling::new(ByDisplay)))
    }

    /// As [`trace_errors`](Retry::trace_errors), with the error's text written by this closure.
    #[cfg(feature = "tracing")]
    pub fn trace_errors_with<E, F>(self, describe: F) -> Retry<P, C, K, (O, Telling<F>), B, T>
    where
        F: Fn(&E, &mut fmt::Formatter<'_>) -> fmt::Result,
    {
        replace!(self, observe: (self.observe, Telling::new(describe)))
    }
}

macro_rules! settings {
    ($($what:literal, $name:ident($($arg:ident: $of:ty),*);)*) => {
        /// The settings of the run's policy, which are also on the [`Policy`] itself.
        ///
        /// They may stand at any place of the chain. Where the run has the policy by reference, it gets its own.
        ///
        /// ```
        /// use persevere::Policy;
        ///
        /// let mut attempts = 0;
        /// let run = Policy::new().waits([std::time::Duration::ZERO; 7]).total(3);
        /// let _ = run.run(|| {
        ///     attempts += 1;
        ///     Err::<(), _>(std::io::Error::from(std::io::ErrorKind::TimedOut))
        /// });
        /// assert_eq!(attempts, 4);
        /// ```
        impl<P: Adjust, C, K, O, B, T> Retry<P, C, K, O, B, T> {
            $(
                #[doc = concat!($what, "; see [`Policy::", stringify!($name), "`].")]
                pub fn $name(self, $($arg: $of),*) -> Retry<P::Adjusted, C, K, O, B, T> {
                    replace!(self, plan: self.plan.adjust(|policy| policy.$name($($arg),*)))
                }
            )*

            /// Sets when a run stops trying; see [`Policy::within`].
            ///
            /// Where attempts are cut, the earliest deadline that is set counts.
            pub fn within(self, deadline: Duration) -> Retry<P::Adjusted, C, K, O, B, T> {
                replace!(self, plan: self.plan.adjust(|policy| {
                    let within = nanos::from(deadline);
                    Policy { within: if P::CUTS { within.min(policy.within) } else { within }, ..policy }
                }))
            }
        }
    };
}
each_setting!(settings);

macro_rules! streak_settings {
    ($($what:literal, $name:ident($($arg:ident: $of:ty),*);)*) => {
        /// The settings for work that lasts, which are also on the [`Policy`].
        impl<P: Adjust, C, K, O, B, T> Retry<P, C, K, O, B, T> {
            $(
                #[doc = concat!($what, "; see [`Policy::", stringify!($name), "`].")]
                pub fn $name(self, $($arg: $of),*) -> Retry<P::Streaked, C, K, O, B, T> {
                    replace!(self, plan: self.plan.streaks(|rules| rules.$name($($arg),*)))
                }
            )*
        }
    };
}
each_streak_setting!(streak_settings);

impl<P: fmt::Debug, C, K, O, B, T> fmt::Debug for Retry<P, C, K, O, B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("plan", &self.plan).finish_non_exhaustive()
    }
}

/// What the doors accept: a [`Policy`], a reference to one, a [`Timed`] one, a [`Backoff`], or a prepared [`Retry`].
///
/// Sealed: the crate implements it.
pub trait IntoRetry: sealed::Sealed {
    #[doc(hidden)]
    type Plan;
    #[doc(hidden)]
    type Classify;
    #[doc(hidden)]
    type Accept;
    #[doc(hidden)]
    type Observe;
    #[doc(hidden)]
    type Before;
    #[doc(hidden)]
    type Timer;

    /// Prepares a run.
    #[allow(clippy::type_complexity)] // One parameter for each thing that a run may carry.
    fn into_retry(self) -> Retry<Self::Plan, Self::Classify, Self::Accept, Self::Observe, Self::Before, Self::Timer>;
}

mod sealed {
    pub trait Sealed {}
}

/// What [`IntoRetry`] makes.
#[cfg(any(feature = "reqwest", feature = "tower", feature = "ureq"))]
pub(crate) type Prepared<R> = Retry<
    <R as IntoRetry>::Plan,
    <R as IntoRetry>::Classify,
    <R as IntoRetry>::Accept,
    <R as IntoRetry>::Observe,
    <R as IntoRetry>::Before,
    <R as IntoRetry>::Timer,
>;

macro_rules! into_retry {
    ($($from:ty => $plan:ty: |$policy:ident| $made:expr),* $(,)?) => {$(
        impl sealed::Sealed for $from {}
        impl IntoRetry for $from {
            type Plan = $plan;
            type Classify = ByTrait;
            type Accept = AnyOk;
            type Observe = ();
            type Before = NoHook;
            type Timer = DefaultTimer;

            #[inline]
            fn into_retry(self) -> Retry<$plan> {
                let $policy = self;
                Retry::new($made)
            }
        }
    )*};
}

into_retry! {
    Policy => Policy: |policy| policy,
    &Policy => Self: |policy| policy,
    Timed<Policy> => Self: |policy| policy,
    &Timed<Policy> => Self: |policy| policy,
    StreakPolicy => Streaks<Policy>: |policy| policy.into(),
    &StreakPolicy => Streaks<Policy>: |policy| (*policy).into(),
    Timed<StreakPolicy> => Timed<Streaks<Policy>>: |policy| policy.into(),
    &Timed<StreakPolicy> => Timed<Streaks<Policy>>: |policy| (*policy).into(),
    Backoff => Advanced<Seeded<Policy>>: |backoff| Advanced::of(backoff),
}

impl<P, C, K, O, B, T> sealed::Sealed for Retry<P, C, K, O, B, T> {}
impl<P, C, K, O, B, T> IntoRetry for Retry<P, C, K, O, B, T> {
    type Plan = P;
    type Classify = C;
    type Accept = K;
    type Observe = O;
    type Before = B;
    type Timer = T;

    #[inline]
    fn into_retry(self) -> Self {
        self
    }
}

/// Gives a policy the builder's methods, so that a chain can start at either.
macro_rules! start_of_a_chain {
    ($($from:ty => $plan:ty;)*) => {$(
        impl $from {
            /// As [`Retry::when`].
            pub fn when<E, R, F>(self, when: F) -> Retry<$plan, When<F>>
            where
                F: FnMut(&E) -> R,
                R: Into<Verdict>,
            {
                self.into_retry().when(when)
            }

            /// As [`Retry::when_ok`].
            pub fn when_ok<V, R, F>(self, again: F) -> Retry<$plan, ByTrait, WhenOk<F>>
            where
                F: FnMut(&V) -> R,
                R: Into<Verdict>,
            {
                self.into_retry().when_ok(again)
            }

            /// As [`Retry::on_retry`].
            pub fn on_retry<E, F>(self, hook: F) -> Retry<$plan, ByTrait, AnyOk, ((), OnRetry<F>)>
            where
                F: FnMut(Event<'_, E>),
            {
                self.into_retry().on_retry(hook)
            }

            /// Calls this before each wait, and awaits it; see [`Retry::on_retry_async`].
            #[cfg(feature = "std")]
            pub fn on_retry_async<E, F, W>(self, hook: F) -> Retry<$plan, ByTrait, AnyOk, ((), OnRetryAsync<F, W>)>
            where
                F: FnMut(Event<'_, E>) -> W,
                W: Future<Output = ()>,
            {
                self.into_retry().on_retry_async(hook)
            }

            /// Lets this handle end the run's waits; see [`Retry::stopped_by`].
            #[cfg(feature = "std")]
            pub fn stopped_by(self, stop: &Stop) -> Retry<Stoppable<$plan, Stop>> {
                self.into_retry().stopped_by(stop)
            }

            /// Ends the waits of an async run when this future does; see [`Retry::until`].
            #[cfg(feature = "std")]
            pub fn until<F: Future>(self, stop: F) -> Retry<Stoppable<$plan, Until<F>>> {
                self.into_retry().until(stop)
            }

            /// Calls this when the run gives up; see [`Retry::on_give_up`].
            pub fn on_give_up<F>(self, hook: F) -> Retry<$plan, ByTrait, AnyOk, ((), OnGiveUp<F>)>
            where
                F: FnMut(GaveUp),
            {
                self.into_retry().on_give_up(hook)
            }

            /// Makes the error of an attempt that is cut; see [`Retry::on_timeout`].
            pub fn on_timeout<E, F>(self, make: F) -> Retry<OnTimeout<$plan, F>>
            where
                F: FnMut(TimedOut) -> E,
            {
                self.into_retry().on_timeout(make)
            }

            /// Makes the error of an attempt that no guard let begin; see [`Retry::on_rejected`].
            pub fn on_rejected<E, F>(self, make: F) -> Retry<$plan, ByTrait, AnyOk, ((), OnRejected<F>)>
            where
                F: FnMut(Rejected) -> E,
            {
                self.into_retry().on_rejected(make)
            }

            /// As [`Retry::before_retry`].
            pub fn before_retry<R, F>(self, hook: F) -> Retry<$plan, ByTrait, AnyOk, (), (NoHook, Hook<F>)>
            where
                F: FnMut(Event<'static>) -> R,
            {
                self.into_retry().before_retry(hook)
            }

            /// As [`Retry::timer`].
            pub fn timer<T>(self, timer: T) -> Retry<$plan, ByTrait, AnyOk, (), NoHook, T> {
                self.into_retry().timer(timer)
            }

            /// Names the run; see [`Retry::name`].
            pub fn name(self, name: &'static str) -> Retry<Named<$plan>> {
                self.into_retry().name(name)
            }

            /// As [`Retry::seed`].
            #[cfg(feature = "jitter")]
            pub fn seed(self, seed: u64) -> Retry<Seeded<$plan>> {
                self.into_retry().seed(seed)
            }

            /// As [`Retry::waits`].
            pub fn waits<I: IntoIterator<Item = Duration>>(self, waits: I) -> Retry<Waits<$plan, I::IntoIter>> {
                self.into_retry().waits(waits)
            }

            /// As [`Retry::report`].
            pub fn report(
                self,
                report: &mut Report,
            ) -> Retry<$plan, ByTrait, AnyOk, ((), Reporting<'_, ByDisplay>)> {
                self.into_retry().report(report)
            }

            /// As [`Retry::report_with`].
            pub fn report_with<E, F>(
                self,
                report: &mut Report,
                describe: F,
            ) -> Retry<$plan, ByTrait, AnyOk, ((), Reporting<'_, F>)>
            where
                F: Fn(&E, &mut fmt::Formatter<'_>) -> fmt::Result,
            {
                self.into_retry().report_with(report, describe)
            }

            /// As [`Retry::budget`].
            #[cfg(target_has_atomic = "64")]
            pub fn budget<D>(self, budget: D) -> Retry<$plan, ByTrait, AnyOk, ((), Spending<D>)>
            where
                D: Deref<Target = Budget>,
            {
                self.into_retry().budget(budget)
            }

            /// As [`Retry::breaker`].
            #[cfg(target_has_atomic = "64")]
            pub fn breaker<D>(self, breaker: D) -> Retry<$plan, ByTrait, AnyOk, ((), Breaking<D>)>
            where
                D: Deref<Target = Breaker>,
            {
                self.into_retry().breaker(breaker)
            }

            /// As [`Retry::throttle`].
            #[cfg(target_has_atomic = "64")]
            pub fn throttle<D>(self, throttle: D) -> Retry<$plan, ByTrait, AnyOk, ((), Throttling<D>)>
            where
                D: Deref<Target = AdaptiveThrottle>,
            {
                self.into_retry().throttle(throttle)
            }

            /// As [`Retry::nested`].
            #[cfg(feature = "std")]
            pub fn nested(self, nested: Nested) -> Retry<$plan, ByTrait, AnyOk, ((), Nesting)> {
                self.into_retry().nested(nested)
            }

            /// As [`Retry::trace_errors`].
            #[cfg(feature = "tracing")]
            pub fn trace_errors(self) -> Retry<$plan, ByTrait, AnyOk, ((), Telling<ByDisplay>)> {
                self.into_retry().trace_errors()
            }

            /// As [`Retry::trace_errors_with`].
            #[cfg(feature = "tracing")]
            pub fn trace_errors_with<E, F>(self, describe: F) -> Retry<$plan, ByTrait, AnyOk, ((), Telling<F>)>
            where
                F: Fn(&E, &mut fmt::Formatter<'_>) -> fmt::Result,
            {
                self.into_retry().trace_errors_with(describe)
            }
        }
    )*};
}

start_of_a_chain! {
    Policy => Policy;
    Timed<Policy> => Timed<Policy>;
    StreakPolicy => Streaks<Policy>;
    Timed<StreakPolicy> => Timed<Streaks<Policy>>;
}
