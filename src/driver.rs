//! The loop's inside, the same for every door: classify, ask the core, tell the observers.

use core::fmt;
use core::future::{Future, poll_fn};
use core::mem;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use crate::before::{Before, BeforeAsync, BeforeBlocking, Keep};
use crate::classify::{Accept, Classify};
use crate::event::{Attempt, Event};
use crate::events::Events;
use crate::nanos;
use crate::observe::{Failed, Observe, Observer};
use crate::plan::{Blocking, Cut, Plan, Timing, Whole};
use crate::policy::Policy;
use crate::retry::Retry;
use crate::run::{self, Listed, Next, State, StopReason};
use crate::timed::TimedOut;
use crate::timer::{BlockingTimer, Timer};

/// A run in progress, for the doors to drive.
pub struct Driver<P: Plan, C, K, O, B: Before, T> {
    retry: Retry<P, C, K, O, B, T>,
    state: State,
    note: B::Note,
    /// Whether the attempt timeout cut the last attempt.
    cut: <P::Timing as Timing>::Flag,
    events: Events,
}

impl<P: Plan, C, K, O, B: Before, T> fmt::Debug for Driver<P, C, K, O, B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("state", &self.state).finish_non_exhaustive()
    }
}

/// What a door does after an attempt.
#[derive(Debug)]
pub enum Step<V, E> {
    /// Returns this.
    Done(Result<V, E>),
    /// Begins the next attempt without a wait.
    Again,
    /// Begins the next attempt after this wait.
    Wait(Duration),
}

impl<P: Plan, C, K, O, B: Before, T> Driver<P, C, K, O, B, T> {
    #[inline]
    pub(crate) const fn new(retry: Retry<P, C, K, O, B, T>) -> Self {
        Self {
            retry,
            state: State::new(),
            note: B::NOTHING,
            cut: <P::Timing as Timing>::NOT_CUT,
            events: Events::new(),
        }
    }
}

impl<P: Plan, C, K, O, T> Driver<P, C, K, O, Keep, T> {
    /// The failure before the attempt that is due, for a hook that stands in place.
    #[inline]
    pub const fn event(&self) -> Option<Event<'static>> {
        self.note
    }
}

impl<P: Plan, C, K, O: Observer, B: Before, T> Driver<P, C, K, O, B, T> {
    #[inline]
    fn started(&mut self, now: impl FnOnce(&T) -> Duration) {
        let policy = self.retry.plan.policy();
        if O::CLOCK || policy.within != u64::MAX {
            let now = nanos::from(now(&self.retry.timer));
            self.state = self.state.started(&policy, now);
            self.retry.observe.started(now);
        }
    }

    /// Whether the attempt that is due is not the first.
    #[inline]
    pub const fn is_retry(&self) -> bool {
        self.state.attempt > 1
    }

    /// The attempt that is due. The first one's time left is the deadline's, without a look at the clock.
    #[inline]
    fn attempt_at(&self, now: impl FnOnce(&T) -> Duration) -> Attempt {
        let within = self.retry.plan.policy().within;
        let deadline = match self.state.attempt {
            _ if within == u64::MAX => u64::MAX,
            1 => within,
            _ => self.state.left_nanos(nanos::from(now(&self.retry.timer))),
        };
        let left = deadline.min(self.retry.plan.limit());
        Attempt { number: self.state.attempt, left: (left != u64::MAX).then(|| Duration::from_nanos(left)) }
    }

    #[inline(always)]
    fn settled<V, E>(&mut self, outcome: Result<V, E>, now: impl FnOnce(&T) -> Duration) -> Step<V, E>
    where
        C: Classify<E>,
        K: Accept<V>,
        O: Observe<E>,
    {
        let Retry { plan, classify, accept, observe, timer, .. } = &mut self.retry;
        let (verdict, error) = match &outcome {
            Ok(value) => match accept.verdict(value) {
                None => {
                    let attempt = self.state.attempt;
                    let told = Events::ON && attempt > 1;
                    let policy = plan.policy();
                    if O::CLOCK || told && policy.within != u64::MAX {
                        let now = nanos::from(now(timer));
                        observe.ended(StopReason::Succeeded, attempt, now);
                        if told {
                            let elapsed = elapsed(observe, self.state, &policy, now);
                            self.events.ended(StopReason::Succeeded, attempt, elapsed);
                        }
                    } else if told {
                        self.events.ended(StopReason::Succeeded, attempt, None);
                    }
                    return Step::Done(outcome);
                }
                Some(verdict) => (verdict, None),
            },
            Err(error) => (P::Timing::corrected(&self.cut, classify.verdict(error)), Some(error)),
        };
        let policy = plan.policy();
        let now = if O::CLOCK || policy.within != u64::MAX { nanos::from(now(timer)) } else { 0 };
        let attempt = self.state.attempt;
        let (random, listed) =
            if verdict.transient { (policy.rule.random(plan.seed(), attempt), plan.listed()) } else { (0, Listed::No) };
        let (state, next) = run::failed(policy, self.state, verdict, now, random, listed);
        self.state = state;
        let failure = Failed { attempt, verdict, next, now, error };
        observe.failed(&failure);
        if Events::ON {
            self.events.failed(&failure, observe);
        }
        match next {
            Next::Stop(reason) => {
                observe.ended(reason, attempt, now);
                if Events::ON {
                    self.events.ended(reason, attempt, elapsed(observe, state, &policy, now));
                }
                Step::Done(outcome)
            }
            Next::Wait(wait) => {
                self.note = B::note(Event::new(attempt, wait, verdict, None));
                #[cfg(feature = "testing")]
                let wait = crate::testing::shortened(wait);
                if wait.is_zero() { Step::Again } else { Step::Wait(wait) }
            }
        }
    }
}

impl<P: Plan, C, K, O: Observer, B: BeforeBlocking, T: BlockingTimer> Driver<P, C, K, O, B, T> {
    /// Begins the first attempt, and looks at the clock if anything asks for it.
    #[inline]
    pub fn start_blocking(&mut self)
    where
        P::Timing: Blocking,
    {
        self.started(T::now);
    }

    /// The attempt that is due.
    #[inline]
    pub fn attempt_blocking(&self) -> Attempt {
        self.attempt_at(T::now)
    }

    /// Judges an outcome: what does the door do now?
    #[inline(always)]
    pub fn settle_blocking<V, E>(&mut self, outcome: Result<V, E>) -> Step<V, E>
    where
        C: Classify<E>,
        K: Accept<V>,
        O: Observe<E>,
    {
        self.settled(outcome, T::now)
    }

    /// Waits, and calls the hook.
    #[inline(always)]
    pub fn wait_blocking(&mut self, wait: Duration) {
        if !wait.is_zero() {
            self.retry.timer.sleep(wait);
        }
        self.retry.before.call(self.note);
    }
}

impl<P: Plan, C, K, O: Observer, B: BeforeAsync, T: Timer> Driver<P, C, K, O, B, T> {
    /// Begins the first attempt, and looks at the clock if anything asks for it.
    #[inline]
    pub fn start(&mut self) {
        self.started(T::now);
    }

    /// The attempt that is due.
    #[inline]
    pub fn attempt(&self) -> Attempt {
        self.attempt_at(T::now)
    }

    /// Judges an outcome: what does the door do now?
    #[inline(always)]
    pub fn settle<V, E>(&mut self, outcome: Result<V, E>) -> Step<V, E>
    where
        C: Classify<E>,
        K: Accept<V>,
        O: Observe<E>,
    {
        self.settled(outcome, T::now)
    }

    /// The timer's sleep.
    #[inline]
    pub fn sleep(&self, wait: Duration) -> T::Sleep {
        self.retry.timer.sleep(wait)
    }

    /// Makes an attempt: the hook, then the operation, both under the attempt timeout. Without either it is the
    /// operation's own future.
    #[inline(always)]
    pub fn guard<V, E, F>(&mut self, attempt: impl FnOnce() -> F) -> impl Future<Output = Result<V, E>>
    where
        P::Timing: Guard<E>,
        F: Future<Output = Result<V, E>>,
    {
        let Retry { plan, before, timer, .. } = &mut self.retry;
        P::Timing::guard(&mut self.cut, plan.limit(), self.state, &*timer, before.lead(self.note, attempt))
    }

    /// As `guard`, for a future that is made already but does nothing until it is polled.
    #[inline(always)]
    pub fn guard_future<V, E, F>(&mut self, attempt: F) -> impl Future<Output = Result<V, E>>
    where
        P::Timing: Guard<E>,
        F: Future<Output = Result<V, E>>,
    {
        self.guard(move || attempt)
    }
}

/// How long the run took, if it looked at the clock when it started.
fn elapsed(observe: &impl Observer, state: State, policy: &Policy, now: u64) -> Option<u64> {
    observe.since().or(state.since(policy)).map(|since| now.saturating_sub(since))
}

/// How an attempt is bounded in time, for errors of type `E`.
#[doc(hidden)]
pub trait Guard<E>: Timing {
    /// Runs the attempt for at most `limit` nanoseconds, or until the deadline.
    fn guard<V, F, T>(
        cut: &mut Self::Flag,
        limit: u64,
        state: State,
        timer: &T,
        attempt: F,
    ) -> impl Future<Output = Result<V, E>>
    where
        F: Future<Output = Result<V, E>>,
        T: Timer;
}

/// No timeout: the attempt's own future, unwrapped.
impl<E> Guard<E> for Whole {
    #[inline(always)]
    fn guard<V, F, T>((): &mut (), _: u64, _: State, _: &T, attempt: F) -> impl Future<Output = Result<V, E>>
    where
        F: Future<Output = Result<V, E>>,
        T: Timer,
    {
        attempt
    }
}

impl<E: From<TimedOut>> Guard<E> for Cut {
    fn guard<V, F, T>(
        cut: &mut Self::Flag,
        limit: u64,
        state: State,
        timer: &T,
        attempt: F,
    ) -> impl Future<Output = Result<V, E>>
    where
        F: Future<Output = Result<V, E>>,
        T: Timer,
    {
        async move {
            *cut = false;
            let limit = limit.min(state.left_nanos(nanos::from(timer.now())));
            let mut attempt = pin!(attempt);
            // What is ready at once needs no timer.
            if let Poll::Ready(outcome) = poll_fn(|context| Poll::Ready(attempt.as_mut().poll(context))).await {
                return outcome;
            }
            let limit = nanos::duration(limit);
            let mut cut_off = || {
                *cut = true;
                Err(TimedOut::new(limit).into())
            };
            if limit.is_zero() {
                return cut_off();
            }
            let mut sleep = pin!(timer.sleep(limit));
            let mut fresh = true;
            poll_fn(|context| {
                // The sleep is asked first, lest a busy attempt use up the task's turn, but the attempt wins.
                let late = sleep.as_mut().poll(context).is_ready();
                if !mem::take(&mut fresh) {
                    if let Poll::Ready(outcome) = attempt.as_mut().poll(context) {
                        return Poll::Ready(outcome);
                    }
                }
                if late { Poll::Ready(cut_off()) } else { Poll::Pending }
            })
            .await
        }
    }
}
