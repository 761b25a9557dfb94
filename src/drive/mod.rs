//! The loop's inside, the same for every door: classify, ask the core, tell the observers.

use core::any::type_name;
use core::borrow::Borrow;
use core::convert::Infallible;
use core::fmt;
use core::future::Future;
#[cfg(feature = "reqwest")]
use core::future::{poll_fn, ready};
use core::marker::PhantomData;
#[cfg(any(feature = "stream", feature = "tower"))]
use core::pin::Pin;
#[cfg(feature = "reqwest")]
use core::pin::pin;
#[cfg(any(feature = "stream", feature = "tower"))]
use core::task::Context;
#[cfg(any(feature = "reqwest", feature = "stream", feature = "tower"))]
use core::task::Poll;
use core::time::Duration;

pub(crate) mod before;
pub(crate) mod bound;
pub(crate) mod judge;
pub(crate) mod plan;
pub(crate) mod rest;
pub(crate) mod retry;
pub(crate) mod runs;
#[cfg(feature = "std")]
pub(crate) mod shared;
pub(crate) mod signal;
#[cfg(feature = "tower")]
pub(crate) mod staged;

use crate::drive::before::{Before, BeforeAsync, BeforeBlocking, Keep, Make, MakeTold};
use crate::drive::bound::{Bound, Guard, Lent};
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::{Blocking, Failure, Plan, Timing};
#[cfg(feature = "reqwest")]
use crate::drive::rest::rest;
use crate::drive::retry::Retry;
use crate::drive::signal::{BlockingSignal, Signal};
use crate::observe::around::{self, Around};
use crate::observe::event::{Attempt, Event};
#[cfg(feature = "reqwest")]
use crate::observe::word::NoWord;
use crate::observe::word::NoneAwaited;
use crate::observe::{Failed, Observe, Observer, Refuse, Retrying, Unknown};
use crate::policy::Policy;
use crate::run::{self, Decision, Extra, State, StopReason};
use crate::telemetry::Events;
use crate::time::{BlockingTimer, Timer, entropy, nanos};
#[cfg(any(feature = "reqwest", feature = "ureq"))]
use crate::verdict::Rejected;
use crate::verdict::Verdict;

/// A run, for the doors to drive: what it is made of.
pub struct Driver<P: Plan, C, K, O: Observer, B: Before, T> {
    pub(crate) retry: Retry<P, C, K, O, B, T>,
    note: B::Note,
    /// Whether a run inside the last attempt gave up.
    mark: <O::Around as Around>::Mark,
    /// Whether the attempt timeout cut the last attempt.
    cut: <P::Timing as Timing>::Flag,
}

impl<P: Plan, C, K, O: Observer, B: Before, T> fmt::Debug for Driver<P, C, K, O, B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}

/// What a run remembers: nothing before its first failure, or before its start if it looks at the clock. So a first
/// try that succeeds writes one word before the operation, and reads it afterwards.
///
/// Beside the driver, not in it: what is out of line gets a pointer to this, and all else stays in registers.
#[derive(Debug)]
pub struct Memory(Option<Going>);

#[derive(Debug)]
struct Going {
    state: State,
    events: Events,
}

impl Going {
    const FRESH: Self = Self { state: State::new(), events: Events::new() };
}

impl Memory {
    #[inline(always)]
    fn state(&self) -> State {
        self.0.as_ref().map_or(State::new(), |going| going.state)
    }

    /// The number of the attempt that is due.
    #[cfg(any(feature = "reqwest", feature = "ureq"))]
    pub(crate) fn attempt(&self) -> u32 {
        self.state().attempt()
    }

    /// Whether the attempt that is due is not the first.
    #[inline(always)]
    pub fn is_retry(&self) -> bool {
        self.0.as_ref().is_some_and(|going| going.state.attempt() > 1)
    }
}

/// How long an attempt may take, fixed before its hook. What remains then depends on when the operation starts.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// From `since` on, in nanoseconds; `u64::MAX` for no limit.
    allowed: u64,
    /// On the run's clock, which the first attempt does not look at.
    since: u64,
    number: u32,
}

impl Due {
    #[inline]
    fn attempt(self, now: impl FnOnce() -> Duration) -> Attempt {
        let Self { allowed, since, number } = self;
        let left = match allowed {
            u64::MAX => None,
            _ if number == 1 => Some(allowed),
            _ => Some(allowed.saturating_sub(nanos::from(now()).saturating_sub(since))),
        };
        Attempt { number, left: left.map(nanos::duration) }
    }
}

/// Describes an attempt to its operation, once the hook has ended.
#[derive(Debug)]
pub struct Teller<'a, T> {
    due: Due,
    timer: &'a T,
}

impl<T: Timer> Teller<'_, T> {
    /// The attempt, as its operation starts.
    #[inline]
    pub fn attempt(&self) -> Attempt {
        self.due.attempt(|| self.timer.now())
    }
}

/// An operation that is told of its attempt.
pub(crate) struct Telling<'a, T, M> {
    pub(crate) teller: Teller<'a, T>,
    pub(crate) operation: M,
}

impl<T: Timer, M: MakeTold> Make for Telling<'_, T, M> {
    type Future = M::Future;

    #[inline(always)]
    fn make(self) -> M::Future {
        self.operation.make_told(self.teller.attempt())
    }
}

/// What a door does after an attempt.
#[derive(Debug)]
pub enum Step<V, E> {
    /// Returns this.
    Done(Result<V, E>),
    /// Begins the next attempt after this wait, in nanoseconds; it may be zero. With it comes the outcome.
    Wait(u64, Result<V, E>),
}

/// An outcome over a wait.
type Kept<P, V, E> = <<P as Plan>::Signal as Signal>::Kept<Result<V, E>>;

impl<P: Plan, C, K, O: Observer, B: Before, T> Driver<P, C, K, O, B, T> {
    #[inline(always)]
    pub(crate) const fn new(retry: Retry<P, C, K, O, B, T>) -> Self {
        Self { retry, note: B::NOTHING, mark: <O::Around as Around>::UNMARKED, cut: <P::Timing as Timing>::NOT_CUT }
    }
}

impl<P: Plan, C, K, O: Observer, A: Before, T> Driver<P, C, K, O, (A, Keep), T> {
    /// The failure before the attempt that is due, for a hook that stands in place.
    #[inline]
    pub const fn event(&self) -> Option<Event<'static>> {
        self.note
    }
}

impl<P: Plan, C, K, O: Observer, B: Before, T> Driver<P, C, K, O, B, T> {
    #[inline(always)]
    fn started(&mut self, now: impl FnOnce(&T) -> Duration) -> Memory {
        if !O::CLOCK && !P::CLOCK && self.retry.plan.within() == u64::MAX {
            return Memory(None);
        }
        let now = nanos::from(now(&self.retry.timer));
        self.retry.plan.begins(now);
        self.retry.observe.started(now, self.retry.plan.name());
        let state = State::new().started(self.retry.plan.within(), now);
        Memory(Some(Going { state, ..Going::FRESH }))
    }

    /// When the attempt that is due must end. It begins here, with its hook.
    ///
    /// The first one may take as long as the deadline, without a look at the clock: both begin at once.
    #[inline]
    fn due_at(&self, memory: &Memory, now: impl FnOnce(&T) -> Duration) -> Due {
        let Retry { plan, timer, .. } = &self.retry;
        let (within, limit, state) = (plan.within(), plan.limit(), memory.state());
        let (since, allowed) = match state.attempt() {
            1 => (0, within.min(limit)),
            // The deadline alone is asked once, when the operation starts.
            _ if limit == u64::MAX => (0, state.left_nanos(0)),
            _ => {
                let now = nanos::from(now(timer));
                (now, state.left_nanos(now).min(limit))
            }
        };
        Due { allowed, since, number: state.attempt() }
    }

    #[inline(always)]
    fn settled<V, E>(
        &mut self,
        memory: &mut Memory,
        outcome: Result<V, E>,
        now: impl FnOnce(&T) -> Duration,
    ) -> Step<V, E>
    where
        C: Classify<E>,
        K: Accept<V>,
        O: Observe<E>,
    {
        if O::GATED {
            if let Some(reason) = self.retry.observe.refusal() {
                let now = nanos::from(now(&self.retry.timer));
                self.ended_before(memory, reason, now);
                return Step::Done(outcome);
            }
        }
        let (verdict, error) = match &outcome {
            Ok(value) => match self.retry.accept.verdict(value) {
                None => {
                    if O::CLOCK || (Events::ON || !O::IDLE) && memory.0.is_some() {
                        self.succeeded(memory, now);
                    } else {
                        self.succeeded_at_once();
                    }
                    return Step::Done(outcome);
                }
                Some(verdict) => (verdict, None),
            },
            Err(error) => (P::Timing::corrected(&self.cut, self.retry.classify.verdict(error)), Some(error)),
        };
        let Retry { plan, classify, observe, timer, .. } = &mut self.retry;
        let within = plan.within();
        let now = if O::CLOCK || P::CLOCK || within != u64::MAX { nanos::from(now(timer)) } else { 0 };
        let extra = if O::IDLE && plan.plain().is_some() {
            Extra::NOTHING
        } else {
            let extra = plan.extra(&Failure { verdict: &verdict, now, seed: None });
            let stopped = verdict.transient && is_stopped(plan);
            Extra { stopped, ..extra }
        };
        let name = plan.name();
        let held = plan.policy();
        let policy = held.borrow();
        if O::IDLE {
            let wait = match plan.plain() {
                Some(policy) => unobserved(policy, memory, now, &verdict, name),
                None => unusual(policy, memory, now, &verdict, &extra, name),
            };
            let Some(wait) = wait else {
                #[cfg(feature = "tracing")]
                if let Some(error) = error.filter(|_| verdict.unclassified) {
                    Events::unclassified(name, &unknown(error, &self.retry.classify));
                }
                return Step::Done(outcome);
            };
            plan.waits(now, wait);
            self.note = B::note(|| Event::new(memory.state().attempt() - 1, nanos::duration(wait), verdict, None));
            return Step::Wait(self.shortened(memory, wait), outcome);
        }
        let Going { mut state, mut events } = memory.0.take().unwrap_or(Going::FRESH);
        let attempt = state.attempt();
        let nested = <O::Around as Around>::Mark::into(self.mark).0;
        observe.answered(verdict.transient, now);
        let decided = decided(policy, &mut state, now, &verdict, &extra)
            .and_then(|wait| observe.permit(&Retrying { verdict: &verdict, nested, wait, now }).map(|()| wait));
        let next = decided.map_or_else(Decision::Stop, |wait| Decision::Wait(nanos::duration(wait)));
        let unknown = error.filter(|_| verdict.unclassified).map(|error| unknown(error, classify));
        let failure = Failed { name, attempt, verdict, next, now, nested, error, unknown };
        observe.failed(&failure);
        events.failed(&failure, observe);
        match next {
            Decision::Stop(reason) => {
                around::gave_up(reason, attempt, policy.total);
                observe.ended(reason, attempt, now);
                events.ended(name, reason, attempt, elapsed(observe, state, within, now));
                Step::Done(outcome)
            }
            Decision::Wait(wait) => {
                plan.waits(now, nanos::from(wait));
                memory.0 = Some(Going { state, events });
                self.note = B::note(|| Event::new(attempt, wait, verdict, None));
                Step::Wait(self.shortened(memory, nanos::from(wait)), outcome)
            }
        }
    }

    /// Returns the wait under the guards of the test kit. What they leave out of it counts towards the deadline, and in the
    /// times of a report.
    #[inline(always)]
    #[cfg_attr(
        not(feature = "testing"),
        allow(unused_variables, clippy::needless_pass_by_ref_mut, clippy::unused_self)
    )]
    fn shortened(&mut self, memory: &mut Memory, wait: u64) -> u64 {
        #[cfg(feature = "testing")]
        {
            let short = crate::testing::shortened(wait);
            if short < wait {
                if let Some(going) = &mut memory.0 {
                    going.state.skip(wait - short);
                }
                self.retry.observe.skipped(wait - short);
                self.retry.plan.skips(wait - short);
            }
            short
        }
        #[cfg(not(feature = "testing"))]
        wait
    }

    /// Returns whether the run was told to stop, or the deadline passed, before the attempt that is due could begin, and
    /// ends the run if so.
    #[inline]
    fn late_at(&mut self, memory: &mut Memory, now: impl FnOnce(&T) -> Duration) -> bool {
        if is_stopped(&self.retry.plan) {
            let now = nanos::from(now(&self.retry.timer));
            self.ended_before(memory, StopReason::Stopped, now);
            return true;
        }
        if self.retry.plan.within() == u64::MAX {
            return false;
        }
        let now = nanos::from(now(&self.retry.timer));
        let late = memory.state().left_nanos(now) == 0;
        if late {
            self.ended_before(memory, StopReason::DeadlineExceeded, now);
        }
        late
    }

    /// Ends a run before the attempt that is due.
    #[cold]
    #[inline(never)]
    fn ended_before(&mut self, memory: &mut Memory, reason: StopReason, now: u64) {
        let Going { state, events } = memory.0.take().unwrap_or(Going::FRESH);
        let Retry { plan, observe, .. } = &mut self.retry;
        let made = state.attempt() - 1;
        around::gave_up(reason, made, plan.policy().borrow().total);
        observe.ended(reason, made, now);
        events.ended(plan.name(), reason, made, elapsed(observe, state, plan.within(), now));
    }

    /// Says in an error that the attempt that is due may not begin, if that is so.
    #[inline(always)]
    fn refuse_at<E>(&mut self, now: impl FnOnce(&T) -> Duration) -> Option<E>
    where
        O: Refuse<E>,
    {
        let Retry { observe, timer, .. } = &mut self.retry;
        if O::GATED { observe.refuse(nanos::from(now(timer))) } else { None }
    }

    /// Returns how long a gate holds the attempt that is due back.
    #[cfg(any(feature = "reqwest", feature = "ureq"))]
    fn hold_at(&mut self, memory: &Memory, now: impl FnOnce(&T) -> Duration) -> u64 {
        if !O::GATED {
            return 0;
        }
        let now = nanos::from(now(&self.retry.timer));
        self.retry.observe.hold(now, memory.state().left_nanos(now))
    }

    /// Returns whether the deadline has passed, or the run was told to stop. It ends nothing.
    #[cfg(any(feature = "reqwest", feature = "ureq"))]
    fn is_over_at(&self, memory: &Memory, now: impl FnOnce(&T) -> Duration) -> bool {
        is_stopped(&self.retry.plan)
            || self.retry.plan.within() != u64::MAX
                && memory.state().left_nanos(nanos::from(now(&self.retry.timer))) == 0
    }

    /// As `refuse_at`, for a door that can answer without an error of the operation's.
    #[cfg(any(feature = "reqwest", feature = "ureq"))]
    fn admit_at(&mut self, now: impl FnOnce(&T) -> Duration) -> Result<(), Rejected> {
        let Retry { observe, timer, .. } = &mut self.retry;
        if O::GATED {
            observe.admit(nanos::from(now(timer)))?;
        }
        observe.begins();
        Ok(())
    }

    /// Tells the end of a run whose first attempt succeeded, and that nobody times.
    #[inline(always)]
    fn succeeded_at_once(&mut self) {
        self.retry.observe.answered(false, 0);
        self.retry.observe.ended(StopReason::Succeeded, 1, 0);
    }

    /// Tells the end of any run that succeeded.
    #[cold]
    #[inline(never)]
    fn succeeded(&mut self, memory: &mut Memory, now: impl FnOnce(&T) -> Duration) {
        let Going { state, events } = memory.0.take().unwrap_or(Going::FRESH);
        let Retry { plan, observe, timer, .. } = &mut self.retry;
        let (attempt, within) = (state.attempt(), plan.within());
        let told = Events::ON && attempt > 1;
        let timed = O::CLOCK || told && within != u64::MAX;
        let now = if timed { nanos::from(now(timer)) } else { 0 };
        observe.answered(false, now);
        observe.ended(StopReason::Succeeded, attempt, now);
        if told {
            let elapsed = elapsed(observe, state, within, now).filter(|_| timed);
            events.ended(plan.name(), StopReason::Succeeded, attempt, elapsed);
        }
    }
}

/// All that follows a failure where nobody observes: the wait, in nanoseconds, or none.
///
/// Out of line, so that a door that succeeds keeps no register for it; and what it calls it calls last, unless the run is
/// traced, so that it keeps none either.
#[cold]
#[inline(never)]
fn unobserved(
    policy: &Policy,
    memory: &mut Memory,
    now: u64,
    verdict: &Verdict,
    name: Option<&'static str>,
) -> Option<u64> {
    if !run::is_usual(policy, verdict) {
        return unusual(policy, memory, now, verdict, &Extra::of(verdict), name);
    }
    if !policy.rule.is_jittered() {
        return usual(policy, memory, now, verdict, name, || 0);
    }
    if policy.rule.base == 0 {
        undrawn(policy, memory, now, verdict, name)
    } else {
        drawn(policy, memory, now, verdict, name)
    }
}

/// The same for a wait that is drawn. It saves registers over the draw, which a wait without one need not.
#[cold]
#[inline(never)]
fn drawn(policy: &Policy, memory: &mut Memory, now: u64, verdict: &Verdict, name: Option<&'static str>) -> Option<u64> {
    usual(policy, memory, now, verdict, name, entropy::fresh)
}

/// The same for jitter that has nothing to draw from.
#[cold]
#[inline(never)]
fn undrawn(
    policy: &Policy,
    memory: &mut Memory,
    now: u64,
    verdict: &Verdict,
    name: Option<&'static str>,
) -> Option<u64> {
    usual(policy, memory, now, verdict, name, || 0)
}

#[inline(always)]
fn usual(
    policy: &Policy,
    memory: &mut Memory,
    now: u64,
    verdict: &Verdict,
    name: Option<&'static str>,
    random: impl Fn() -> u64,
) -> Option<u64> {
    let going = memory.0.get_or_insert(Going::FRESH);
    match run::decide::<true>(policy, &mut going.state, verdict, now, |_| random(), &Extra::NOTHING) {
        Ok(wait) => going.events.retried(name, verdict, going.state.attempt(), wait, now),
        Err(reason) => gave_up(policy, memory, verdict, reason, now, name),
    }
}

/// The same for any policy, with a seed and a list of waits.
#[cold]
#[inline(never)]
fn unusual(
    policy: &Policy,
    memory: &mut Memory,
    now: u64,
    verdict: &Verdict,
    extra: &Extra,
    name: Option<&'static str>,
) -> Option<u64> {
    let going = memory.0.get_or_insert(Going::FRESH);
    match decided(policy, &mut going.state, now, verdict, extra) {
        Ok(wait) => going.events.retried(name, verdict, going.state.attempt(), wait, now),
        Err(reason) => gave_up(policy, memory, verdict, reason, now, name),
    }
}

/// What is told about an error that no rule knows.
#[cold]
fn unknown<'e, E>(error: &'e E, classify: &impl Classify<E>) -> Unknown<'e> {
    Unknown { type_name: type_name::<E>(), erased: classify.erased(error) }
}

/// Whether a run by this plan was told to stop.
#[inline(always)]
fn is_stopped<P: Plan>(plan: &P) -> bool {
    P::Signal::ANY && plan.signal().is_stopped()
}

/// The core, for all but the usual runs.
#[inline(never)]
fn decided(policy: &Policy, state: &mut State, now: u64, verdict: &Verdict, extra: &Extra) -> Result<u64, StopReason> {
    let &Extra { seed, drawn, .. } = extra;
    run::decide::<false>(policy, state, verdict, now, |n| entropy::drawn(seed, n.saturating_add(drawn)), extra)
}

#[cold]
#[inline(never)]
fn gave_up(
    policy: &Policy,
    memory: &mut Memory,
    verdict: &Verdict,
    reason: StopReason,
    now: u64,
    name: Option<&'static str>,
) -> Option<u64> {
    let Going { state, mut events } = memory.0.take().unwrap_or(Going::FRESH);
    let attempt = state.attempt();
    let next = Decision::Stop(reason);
    let failure =
        Failed::<Infallible> { name, attempt, verdict: *verdict, next, now, nested: false, error: None, unknown: None };
    events.failed(&failure, &());
    around::gave_up(reason, attempt, policy.total);
    events.ended(name, reason, attempt, elapsed(&(), state, policy.within, now));
    None
}

impl<P: Plan, C, K, O: Observer, B: Before, T> Driver<P, C, K, O, B, T> {
    /// Begins the first attempt, and looks at the clock if anything asks for it.
    #[inline]
    pub fn start_blocking(&mut self) -> Memory
    where
        T: BlockingTimer,
        P::Timing: Blocking,
    {
        self.started(T::now)
    }

    /// The attempt, as its operation starts. There is no attempt timeout that the hook could have used up.
    #[inline]
    pub fn attempt_blocking(&self, memory: &Memory) -> Attempt
    where
        T: BlockingTimer,
    {
        self.due_at(memory, T::now).attempt(|| self.retry.timer.now())
    }

    /// Judges an outcome: what does the door do now?
    #[inline(always)]
    pub fn settle_blocking<V, E>(&mut self, memory: &mut Memory, outcome: Result<V, E>) -> Step<V, E>
    where
        T: BlockingTimer,
        C: Classify<E>,
        K: Accept<V>,
        O: Observe<E>,
    {
        self.settled(memory, outcome, T::now)
    }

    /// Runs an operation: the first attempt here, all that follows a failure out of line.
    ///
    /// The attempt is a closure that is called in two places. In a loop here it would be called in one, but that loop's
    /// registers would have to be saved for every first try.
    ///
    /// # Errors
    ///
    /// The operation's own last error.
    #[inline(always)]
    pub fn block<V, E>(mut self, mut attempt: impl FnMut(&Self, &Memory) -> Result<V, E>) -> Result<V, E>
    where
        B: BeforeBlocking,
        T: BlockingTimer,
        P::Timing: Blocking,
        P::Signal: BlockingSignal,
        C: Classify<E>,
        K: Accept<V>,
        O: Refuse<E, Word: NoneAwaited>,
    {
        let memory = self.start_blocking();
        let outcome = self.make(&memory, &mut attempt);
        match &outcome {
            Ok(_) if !O::CLOCK && K::ANY => {
                self.succeeded_at_once();
                outcome
            }
            _ => self.persist(memory, outcome, attempt),
        }
    }

    #[cold]
    #[inline(never)]
    fn persist<V, E>(
        mut self,
        mut memory: Memory,
        mut outcome: Result<V, E>,
        mut attempt: impl FnMut(&Self, &Memory) -> Result<V, E>,
    ) -> Result<V, E>
    where
        B: BeforeBlocking,
        T: BlockingTimer,
        P::Signal: BlockingSignal,
        C: Classify<E>,
        K: Accept<V>,
        O: Refuse<E>,
    {
        loop {
            let (wait, last) = match self.settle_blocking(&mut memory, outcome) {
                Step::Done(outcome) => return outcome,
                Step::Wait(wait, outcome) => (wait, outcome),
            };
            // Only a run with a deadline, or one that can be stopped, can still return it.
            let last = (P::Signal::ANY || self.retry.plan.within() != u64::MAX).then_some(last);
            self.wait_blocking(wait);
            // The wait may have taken longer than it should.
            if let Some(outcome) = last.filter(|_| self.late_at(&mut memory, T::now)) {
                return outcome;
            }
            outcome = self.make(&memory, &mut attempt);
        }
    }

    /// Makes an attempt, if it may begin: the hook, then the operation.
    #[inline(always)]
    fn make<V, E>(&mut self, memory: &Memory, attempt: &mut impl FnMut(&Self, &Memory) -> Result<V, E>) -> Result<V, E>
    where
        B: BeforeBlocking,
        T: BlockingTimer,
        O: Refuse<E>,
    {
        if let Some(refused) = self.refuse_at(T::now) {
            return Err(refused);
        }
        self.retry.observe.begins();
        let mut mark = self.mark;
        let outcome = O::Around::block(&mut mark, || {
            self.retry.before.call(self.note);
            attempt(self, memory)
        });
        self.mark = mark;
        outcome
    }

    /// Waits until a gate is open. Returns whether the run goes on: neither did the deadline pass, nor was it told to stop.
    #[cfg(any(feature = "reqwest", feature = "ureq"))]
    pub(crate) fn passes_gate(&mut self, memory: &Memory) -> bool
    where
        P::Signal: BlockingSignal,
        T: BlockingTimer,
    {
        loop {
            let hold = self.hold_at(memory, T::now);
            if hold == 0 {
                return true;
            }
            self.wait_blocking(hold);
            if self.is_over_at(memory, T::now) {
                return false;
            }
        }
    }

    /// Lets the attempt that is due begin, or not.
    #[cfg(any(feature = "reqwest", feature = "ureq"))]
    pub(crate) fn admit_blocking(&mut self) -> Result<(), Rejected>
    where
        T: BlockingTimer,
    {
        self.admit_at(T::now)
    }

    /// Makes an attempt that was let through: the hook, then the operation, which is told what is left to it if it is to be
    /// cut.
    #[cfg(any(feature = "reqwest", feature = "ureq"))]
    pub(crate) fn scoped<V>(&mut self, memory: &Memory, attempt: impl FnOnce(Option<Duration>) -> V) -> V
    where
        B: BeforeBlocking,
        T: BlockingTimer,
    {
        let due = self.due_at(memory, T::now);
        let mut mark = self.mark;
        let outcome = O::Around::block(&mut mark, || {
            self.retry.before.call(self.note);
            attempt(if P::CUTS { due.attempt(|| self.retry.timer.now()).left } else { None })
        });
        self.mark = mark;
        outcome
    }

    /// As `is_late`, for a blocking entry point.
    #[cfg(any(feature = "reqwest", feature = "ureq"))]
    pub(crate) fn is_late_blocking(&mut self, memory: &mut Memory) -> bool
    where
        T: BlockingTimer,
    {
        self.late_at(memory, T::now)
    }

    /// Waits.
    #[inline(always)]
    pub(crate) fn wait_blocking(&self, wait: u64)
    where
        P::Signal: BlockingSignal,
        T: BlockingTimer,
    {
        if wait != 0 {
            self.retry.plan.signal().sleep(&self.retry.timer, nanos::duration(wait));
        }
    }
}

impl<P: Plan, C, K, O: Observer, B: Before, T> Driver<P, C, K, O, B, T> {
    /// Begins the first attempt, and looks at the clock if anything asks for it.
    #[inline]
    pub fn start(&mut self) -> Memory
    where
        T: Timer,
    {
        self.started(T::now)
    }

    /// Judges an outcome: what does the door do now?
    #[inline(always)]
    pub fn settle<V, E>(&mut self, memory: &mut Memory, outcome: Result<V, E>) -> Step<V, E>
    where
        T: Timer,
        C: Classify<E>,
        K: Accept<V>,
        O: Observe<E>,
    {
        self.settled(memory, outcome, T::now)
    }

    /// The timer's sleep, if there is a wait.
    #[inline(always)]
    pub fn sleep(&self, wait: u64) -> Option<T::Sleep>
    where
        T: Timer,
    {
        (wait != 0).then(|| self.retry.timer.sleep(nanos::duration(wait)))
    }

    /// Lets the attempt that is due begin, or says in an error that it may not.
    #[inline(always)]
    pub fn refuse<E>(&mut self) -> Option<E>
    where
        T: Timer,
        O: Refuse<E>,
    {
        let refused = self.refuse_at(T::now);
        if refused.is_none() {
            self.retry.observe.begins();
        }
        refused
    }

    /// Returns the outcome of a run that ends before the attempt that is due: the last one if it was told to stop, or an
    /// error if the deadline passed.
    #[inline(always)]
    pub fn over<V, E>(&mut self, memory: &mut Memory, kept: Kept<P, V, E>) -> Option<Result<V, E>>
    where
        T: Timer,
        P::Timing: Guard<E>,
    {
        self.stopped(memory, kept).or_else(|| self.late(memory).map(Err))
    }

    /// Returns the error of an attempt that is not made, because the deadline passed before it could begin. Only an
    /// attempt timeout knows such an error. Without one the attempt is made.
    #[inline(always)]
    pub fn late<E>(&mut self, memory: &mut Memory) -> Option<E>
    where
        T: Timer,
        P::Timing: Guard<E>,
    {
        if P::Timing::CUTS && self.late_at(memory, T::now) { P::Timing::late(self.retry.plan.make()) } else { None }
    }

    /// What the hooks that are awaited before the wait have to say.
    #[inline(always)]
    pub fn word(&mut self) -> O::Word {
        self.retry.observe.word()
    }

    /// Whether the last outcome may still be returned after a wait.
    #[cfg(any(feature = "reqwest", feature = "ureq"))]
    #[allow(clippy::unused_self)] // It says of which run.
    pub(crate) fn may_end(&self, within: u64) -> bool {
        P::Signal::ANY || within != u64::MAX
    }

    /// Keeps an outcome over the wait, if it may still be returned.
    #[inline(always)]
    #[allow(clippy::unused_self)] // It says of which run.
    pub fn keep<V, E>(&self, outcome: Result<V, E>) -> Kept<P, V, E> {
        P::Signal::keep(outcome)
    }

    /// What may end the wait.
    #[inline(always)]
    pub fn signal(&self) -> P::Signal {
        self.retry.plan.signal()
    }

    /// Returns the last outcome of a run that was told to stop, and ends it.
    #[inline(always)]
    pub fn stopped<V, E>(&mut self, memory: &mut Memory, kept: Kept<P, V, E>) -> Option<Result<V, E>>
    where
        T: Timer,
    {
        let stopped = is_stopped(&self.retry.plan);
        let outcome = P::Signal::kept(kept).filter(|_| stopped)?;
        self.late_at(memory, T::now);
        Some(outcome)
    }

    /// Returns the outcome of an attempt that [`guard`](Self::guard) or [`guard_future`](Self::guard_future) made.
    ///
    /// # Errors
    ///
    /// The operation's own, or one that is made if the attempt was cut.
    #[inline(always)]
    pub fn outcome<V, E>(&mut self, ended: <P::Timing as Bound>::Ended<Result<V, E>>) -> Result<V, E>
    where
        P::Timing: Guard<E>,
    {
        self.cut = P::Timing::cut(&ended);
        P::Timing::outcome(ended, self.retry.plan.make())
    }

    /// Returns whether the deadline passed before the attempt that is due could begin, and ends the run if so.
    #[cfg(feature = "reqwest")]
    pub(crate) fn is_late(&mut self, memory: &mut Memory) -> bool
    where
        T: Timer,
    {
        self.late_at(memory, T::now)
    }

    /// As `passes_gate`, for an async entry point.
    #[cfg(feature = "reqwest")]
    pub(crate) async fn passes_gate_async(&mut self, memory: &Memory) -> bool
    where
        T: Timer,
    {
        loop {
            let hold = self.hold_at(memory, T::now);
            if hold == 0 {
                return true;
            }
            rest(pin!(self.sleep(hold)), NoWord, self.signal()).await;
            if self.is_over_at(memory, T::now) {
                return false;
            }
        }
    }

    /// Lets the attempt that is due begin, or not.
    #[cfg(feature = "reqwest")]
    pub(crate) fn admit(&mut self) -> Result<(), Rejected>
    where
        T: Timer,
    {
        self.admit_at(T::now)
    }

    /// Calls the hook of an attempt that was let through, and tells what it left to the attempt, if that is to be cut.
    #[cfg(feature = "reqwest")]
    pub(crate) async fn lead(&mut self, memory: &Memory) -> Option<Duration>
    where
        B: BeforeAsync,
        T: Timer,
    {
        let due = self.due_at(memory, T::now);
        let limit = if P::CUTS { due.attempt(|| self.retry.timer.now()).left } else { None };
        if !B::HOOKED {
            return limit;
        }
        let hook = self.retry.before.lead(core::mem::replace(&mut self.note, B::NOTHING), || ready(()));
        within(&mut self.retry.timer, limit, hook).await.1
    }

    /// Awaits what an attempt needs before it is made, and returns how much time that left, if the attempt is to be cut.
    /// What takes longer than the limit is dropped.
    #[cfg(feature = "reqwest")]
    pub(crate) async fn within<F: Future>(
        &mut self,
        limit: Option<Duration>,
        future: F,
    ) -> (Option<F::Output>, Option<Duration>)
    where
        T: Timer,
    {
        within(&mut self.retry.timer, limit, future).await
    }

    /// Makes an attempt; see [`Making::guard`].
    #[inline(always)]
    pub fn guard<M>(
        &mut self,
        memory: &Memory,
        attempt: M,
    ) -> impl Future<Output = <P::Timing as Bound>::Ended<<M::Future as Future>::Output>>
    where
        B: BeforeAsync,
        T: Timer,
        P::Timing: Bound,
        M: Make,
    {
        self.making().guard(memory, attempt)
    }

    /// Makes an attempt; see [`Making::guard_future`].
    #[inline(always)]
    pub fn guard_future<F>(
        &mut self,
        memory: &Memory,
        attempt: F,
    ) -> impl Future<Output = <P::Timing as Bound>::Ended<F::Output>>
    where
        B: BeforeAsync,
        T: Timer,
        P::Timing: Bound,
        F: Future,
    {
        self.making().guard_future(memory, attempt)
    }

    #[inline(always)]
    fn making(&mut self) -> Making<'_, P, O, B, Lent<'_, T>> {
        let Self { retry: Retry { plan, before, timer, .. }, note, mark, .. } = self;
        Making { limit: plan.limit(), before, note: *note, mark, timing: PhantomData, timer: Lent(timer) }
    }

    /// Returns two parts: one describes the attempt that is due, the other makes it. Both look at the timer.
    #[inline(always)]
    pub fn told(&mut self, memory: &Memory) -> (Teller<'_, T>, Making<'_, P, O, B, &T>)
    where
        T: Timer,
    {
        let due = self.due_at(memory, T::now);
        let Self { retry: Retry { plan, before, timer, .. }, note, mark, .. } = self;
        let timer = &*timer;
        (Teller { due, timer }, Making { limit: plan.limit(), before, note: *note, mark, timing: PhantomData, timer })
    }

    /// Begins an attempt that a door polls by itself, and tells how long it may take.
    #[cfg(any(feature = "stream", feature = "tower"))]
    pub(crate) fn begin(&mut self) -> u64 {
        self.mark = <O::Around as Around>::UNMARKED;
        self.retry.plan.limit()
    }

    /// Ends a run that was told to stop, while its attempt is running.
    #[cfg(feature = "stream")]
    pub(crate) fn stop(&mut self, memory: &mut Memory)
    where
        T: Timer,
    {
        let now = nanos::from(self.retry.timer.now());
        self.ended_before(memory, StopReason::Stopped, now);
    }

    /// Reports an attempt that goes on as a success to the guards. A stream was opened.
    #[cfg(feature = "stream")]
    pub(crate) fn opened(&mut self)
    where
        T: Timer,
    {
        if O::GATED {
            let now = nanos::from(self.retry.timer.now());
            self.retry.observe.answered(false, now);
        }
    }

    /// Polls an attempt that was begun, as `guard` would. The closure has the hook to call, and gets whether the time is
    /// over. Before its first poll there must be no sleep in that place.
    #[cfg(any(feature = "stream", feature = "tower"))]
    pub(crate) fn poll_guard<V, E>(
        &mut self,
        memory: &Memory,
        limit: &mut u64,
        sleep: Pin<&mut Option<T::Sleep>>,
        context: &mut Context<'_>,
        mut attempt: impl FnMut(&mut B, B::Note, &mut Context<'_>, bool) -> Poll<Result<V, E>>,
    ) -> Poll<Result<V, E>>
    where
        T: Timer,
        P::Timing: Guard<E>,
    {
        let Self { retry: Retry { before, timer, .. }, note, mark, .. } = self;
        let ended = O::Around::turn(mark, || {
            let attempt = |context: &mut Context<'_>, late| attempt(before, *note, context, late);
            P::Timing::poll(limit, memory.state(), &*timer, sleep, context, attempt)
        });
        ended.map(|ended| self.outcome(ended))
    }
}

/// The parts of a run that make an attempt.
pub struct Making<'a, P: Plan, O: Observer, B: Before, T> {
    limit: u64,
    before: &'a mut B,
    note: B::Note,
    mark: &'a mut <O::Around as Around>::Mark,
    timing: PhantomData<fn() -> P::Timing>,
    timer: T,
}

impl<P: Plan, O: Observer, B: Before, T> fmt::Debug for Making<'_, P, O, B, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Making")
    }
}

impl<'a, P: Plan, O: Observer, B: BeforeAsync, T: Timer> Making<'a, P, O, B, T> {
    /// Makes an attempt: the hook, then the operation, both under the attempt timeout. Without either it is the
    /// operation's own future.
    #[inline(always)]
    pub fn guard<M>(
        self,
        memory: &Memory,
        attempt: M,
    ) -> impl Future<Output = <P::Timing as Bound>::Ended<<M::Future as Future>::Output>> + use<'a, P, O, B, T, M>
    where
        P::Timing: Bound,
        M: Make,
    {
        let Self { limit, before, note, mark, timer, .. } = self;
        // What makes the future may be half of the attempt.
        let attempt = O::Around::block(mark, || before.lead(note, attempt));
        let bound = P::Timing::bound(limit, memory.state(), timer, attempt);
        O::Around::wrap(mark, bound)
    }

    /// As `guard`, for a future that is made already but does nothing until it is polled.
    #[inline(always)]
    pub fn guard_future<F>(
        self,
        memory: &Memory,
        attempt: F,
    ) -> impl Future<Output = <P::Timing as Bound>::Ended<F::Output>> + use<'a, P, O, B, T, F>
    where
        P::Timing: Bound,
        F: Future,
    {
        let Self { limit, before, note, mark, timer, .. } = self;
        *mark = <O::Around as Around>::UNMARKED;
        let attempt = before.lead(note, move || attempt);
        let bound = P::Timing::bound(limit, memory.state(), timer, attempt);
        O::Around::wrap(mark, bound)
    }
}

/// Awaits the future for as long as the limit, and returns what is left of that.
#[cfg(feature = "reqwest")]
async fn within<T: Timer, F: Future>(
    timer: &mut T,
    limit: Option<Duration>,
    future: F,
) -> (Option<F::Output>, Option<Duration>) {
    let Some(limit) = limit else { return (Some(future.await), None) };
    let began = timer.now();
    let mut future = pin!(future);
    // What is ready at once needs no timer.
    let mut output = match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    };
    if output.is_none() && !limit.is_zero() {
        let mut sleep = pin!(timer.sleep(limit));
        output = poll_fn(|context| {
            // The sleep is asked first, because a busy future could use up the task's turn.
            let late = sleep.as_mut().poll(context).is_ready();
            match future.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if late => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
    }
    let left = limit.saturating_sub(timer.now().saturating_sub(began));
    (output, Some(left))
}

/// How long the run took, if it looked at the clock when it started.
fn elapsed(observe: &impl Observer, state: State, within: u64, now: u64) -> Option<u64> {
    observe.since().or(state.since(within)).map(|since| now.saturating_sub(since))
}
