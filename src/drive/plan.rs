//! Plans: a policy, and what may stand around it.

use core::borrow::Borrow;
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use crate::drive::signal::{NoSignal, Signal};
#[cfg(feature = "std")]
use crate::drive::signal::{Until, UntilStopped};
use crate::policy::backoff::Pace;
use crate::policy::timed::Timed;
use crate::policy::{Backoff, Policy, StreakPolicy, StreakRules, UNLIMITED};
use crate::run::streak::Streak;
use crate::run::{Extra, Listed};
#[cfg(feature = "std")]
use crate::time::Stop;
use crate::time::{entropy, nanos};
use crate::verdict::{Fault, Verdict};

/// Where a run's rules come from: a policy, or a policy with more around it.
#[doc(hidden)]
pub trait Plan {
    /// [`Whole`] or [`Limited`].
    type Timing: Timing;

    /// Whether an attempt is cut, if only by its client.
    #[cfg(any(feature = "reqwest", feature = "ureq"))]
    const CUTS: bool = <Self::Timing as Timing>::CUTS;

    /// The policy or, where the plan has it by reference, that.
    type Held: Borrow<Policy>;

    /// Whether it asks for the time of the start and of each failure.
    const CLOCK: bool = false;

    /// What may end its waits.
    type Signal: Signal;

    fn signal(&self) -> Self::Signal;

    fn policy(&self) -> Self::Held;

    /// The policy in its place, if the plan is that alone.
    #[inline(always)]
    fn plain(&self) -> Option<&Policy> {
        None
    }

    /// The policy's deadline, in nanoseconds; `u64::MAX` for none.
    fn within(&self) -> u64;

    /// The run's name, for reports, events and metrics.
    #[inline]
    fn name(&self) -> Option<&'static str> {
        None
    }

    /// The time that one attempt may take, in nanoseconds; `u64::MAX` for no limit.
    #[inline]
    fn limit(&self) -> u64 {
        u64::MAX
    }

    /// What makes the error of an attempt that is cut, if the error's own `From` does not.
    fn make(&mut self) -> <Self::Timing as Timing>::Make<'_>;

    /// The first attempt begins.
    #[inline]
    fn begins(&mut self, _now: u64) {}

    /// What the plan has to say about a failure beside its policy.
    #[inline]
    fn extra(&mut self, failure: &Failure<'_>) -> Extra {
        Extra { seed: failure.seed, ..Extra::of(failure.verdict) }
    }

    /// A wait was decided.
    #[inline]
    fn waits(&mut self, _now: u64, _wait: u64) {}

    /// A part of the wait was left out.
    #[cfg(feature = "testing")]
    #[inline]
    fn skips(&mut self, _skipped: u64) {}
}

/// A failure, as a plan sees it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Failure<'a> {
    pub(crate) verdict: &'a Verdict,
    pub(crate) now: u64,
    /// The seed that was set last.
    pub(crate) seed: Option<u64>,
}

/// The methods that a plan leaves to the one inside.
macro_rules! delegate {
    ($($method:ident)*) => {$(delegate!(@ $method);)*};
    (@ policy) => {
        #[inline(always)]
        fn policy(&self) -> P::Held {
            self.plan.policy()
        }
    };
    (@ signal) => {
        type Signal = P::Signal;

        #[inline(always)]
        fn signal(&self) -> P::Signal {
            self.plan.signal()
        }
    };
    (@ within) => {
        #[inline(always)]
        fn within(&self) -> u64 {
            self.plan.within()
        }
    };
    (@ name) => {
        #[inline]
        fn name(&self) -> Option<&'static str> {
            self.plan.name()
        }
    };
    (@ make) => {
        #[inline(always)]
        fn make(&mut self) -> <P::Timing as Timing>::Make<'_> {
            self.plan.make()
        }
    };
    (@ limit) => {
        #[inline]
        fn limit(&self) -> u64 {
            self.plan.limit()
        }
    };
    (@ extra) => {
        #[inline]
        fn extra(&mut self, failure: &Failure<'_>) -> Extra {
            self.plan.extra(failure)
        }
    };
    (@ clock) => {
        const CLOCK: bool = P::CLOCK;

        #[inline]
        fn begins(&mut self, now: u64) {
            self.plan.begins(now);
        }

        #[inline]
        fn waits(&mut self, now: u64, wait: u64) {
            self.plan.waits(now, wait);
        }

        #[cfg(feature = "testing")]
        #[inline]
        fn skips(&mut self, skipped: u64) {
            self.plan.skips(skipped);
        }
    };
}

/// A plan whose policy can still be set.
#[doc(hidden)]
pub trait Adjust: Sized {
    /// The plan with a policy of its own, also where it had that by reference.
    type Adjusted;

    /// The same with rules for streaks.
    type Streaked;

    /// Whether its attempts are cut, so that of two deadlines the earlier counts.
    const CUTS: bool = false;

    fn adjust(self, set: impl FnOnce(Policy) -> Policy) -> Self::Adjusted;

    fn streaks(self, set: impl FnOnce(StreakRules) -> StreakRules) -> Self::Streaked;
}

impl Adjust for Policy {
    type Adjusted = Self;
    type Streaked = Streaks<Self>;

    #[inline]
    fn adjust(self, set: impl FnOnce(Self) -> Self) -> Self {
        set(self)
    }

    fn streaks(self, set: impl FnOnce(StreakRules) -> StreakRules) -> Streaks<Self> {
        Streaks::new(self, set(StreakRules::NONE))
    }
}

impl Adjust for &Policy {
    type Adjusted = Policy;
    type Streaked = Streaks<Policy>;

    #[inline]
    fn adjust(self, set: impl FnOnce(Policy) -> Policy) -> Policy {
        set(*self)
    }

    fn streaks(self, set: impl FnOnce(StreakRules) -> StreakRules) -> Streaks<Policy> {
        (*self).streaks(set)
    }
}

impl Adjust for &Timed<Policy> {
    type Adjusted = Timed<Policy>;
    type Streaked = Timed<Streaks<Policy>>;
    const CUTS: bool = true;

    #[inline]
    fn adjust(self, set: impl FnOnce(Policy) -> Policy) -> Timed<Policy> {
        (*self).adjust(set)
    }

    fn streaks(self, set: impl FnOnce(StreakRules) -> StreakRules) -> Timed<Streaks<Policy>> {
        (*self).streaks(set)
    }
}

impl<P: Adjust> Adjust for Streaks<P> {
    type Adjusted = Streaks<P::Adjusted>;
    type Streaked = Self;
    const CUTS: bool = P::CUTS;

    fn adjust(self, set: impl FnOnce(Policy) -> Policy) -> Streaks<P::Adjusted> {
        Streaks { plan: self.plan.adjust(set), rules: self.rules, streak: self.streak }
    }

    fn streaks(self, set: impl FnOnce(StreakRules) -> StreakRules) -> Self {
        Self { rules: set(self.rules), ..self }
    }
}

/// Of a plan around another one: its other fields, and whether it cuts attempts.
macro_rules! adjust_inside {
    ($($wrapper:ident<P $(, $other:ident)*> { $($kept:ident),* } $cuts:expr;)*) => {$(
        impl<P: Adjust $(, $other)*> Adjust for $wrapper<P $(, $other)*> {
            type Adjusted = $wrapper<P::Adjusted $(, $other)*>;
            type Streaked = $wrapper<P::Streaked $(, $other)*>;
            const CUTS: bool = $cuts;

            #[inline]
            fn adjust(self, set: impl FnOnce(Policy) -> Policy) -> Self::Adjusted {
                $wrapper { plan: self.plan.adjust(set), $($kept: self.$kept),* }
            }

            fn streaks(self, set: impl FnOnce(StreakRules) -> StreakRules) -> Self::Streaked {
                $wrapper { plan: self.plan.streaks(set), $($kept: self.$kept),* }
            }
        }
    )*};
}

adjust_inside! {
    Timed<P> { limit } true;
    Deadline<P> { deadline } P::CUTS;
    Named<P, N> { name } P::CUTS;
    OnTimeout<P, F> { make } P::CUTS;
    Seeded<P> { seed } P::CUTS;
    Advanced<P> { pace, drawn } P::CUTS;
}

#[cfg(feature = "std")]
adjust_inside! {
    Stoppable<P, S> { by } P::CUTS;
}

/// The total that is set belongs to the list.
impl<P: Adjust, I> Adjust for Waits<P, I> {
    type Adjusted = Waits<P::Adjusted, I>;
    type Streaked = Waits<P::Streaked, I>;
    const CUTS: bool = P::CUTS;

    fn adjust(self, set: impl FnOnce(Policy) -> Policy) -> Waits<P::Adjusted, I> {
        let Self { plan, list, mut total } = self;
        let plan = plan.adjust(|policy| {
            let policy = set(policy.total(total));
            total = policy.total;
            policy
        });
        Waits { plan, list, total }
    }

    fn streaks(self, set: impl FnOnce(StreakRules) -> StreakRules) -> Waits<P::Streaked, I> {
        Waits { plan: self.plan.streaks(set), list: self.list, total: self.total }
    }
}

/// Attempts take as long as they take.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Whole;

/// Attempts are cut after their timeout. `M` makes the error.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Limited<M = ByFrom>(PhantomData<M>);

/// The error's own `From` makes it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ByFrom;

/// A closure makes the error.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Making<F>(PhantomData<fn() -> F>);

/// [`ByFrom`] or [`Making`].
#[doc(hidden)]
pub trait MayMake {
    type Make<'a>
    where
        Self: 'a;
}

impl MayMake for ByFrom {
    type Make<'a> = ();
}

impl<F> MayMake for Making<F> {
    type Make<'a>
        = &'a mut F
    where
        Self: 'a;
}

/// Whether attempts can be cut, and what is remembered of it.
#[doc(hidden)]
pub trait Timing {
    type Flag;
    const NOT_CUT: Self::Flag;
    /// Whether an attempt can be cut.
    const CUTS: bool;
    /// What makes the error of an attempt that is cut.
    type Make<'a>
    where
        Self: 'a;
    /// The same, for a plan with a limit around it.
    type Limited: Timing<Flag = bool>;

    fn limited<'a>(make: Self::Make<'a>) -> <Self::Limited as Timing>::Make<'a>
    where
        Self: 'a;

    /// A cut attempt is a timeout, whatever its error says of its kind.
    fn corrected(cut: &Self::Flag, verdict: Verdict) -> Verdict;
}

impl Timing for Whole {
    type Flag = ();
    const NOT_CUT: () = ();
    const CUTS: bool = false;
    type Make<'a> = ();
    type Limited = Limited;

    #[inline(always)]
    fn limited<'a>((): ())
    where
        Self: 'a,
    {
    }

    #[inline]
    fn corrected((): &(), verdict: Verdict) -> Verdict {
        verdict
    }
}

impl<M: MayMake> Timing for Limited<M> {
    type Flag = bool;
    const NOT_CUT: bool = false;
    const CUTS: bool = true;
    type Make<'a>
        = M::Make<'a>
    where
        Self: 'a;
    type Limited = Self;

    #[inline(always)]
    fn limited<'a>(make: M::Make<'a>) -> M::Make<'a>
    where
        Self: 'a,
    {
        make
    }

    fn corrected(cut: &bool, verdict: Verdict) -> Verdict {
        if *cut { verdict.with_fault(Fault::Timeout) } else { verdict }
    }
}

/// Attempts that blocking code can make.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "an attempt timeout or a deadline needs an async run: blocking code can't be cut",
    label = "has an attempt timeout or a deadline",
    note = "`within` ends a blocking run in place of a wait that would reach it; give the operation its own timeout, with what remains by `run_with(|attempt| ..)`"
)]
pub trait Blocking {}

impl Blocking for Whole {}

impl Plan for Policy {
    type Timing = Whole;
    type Held = Self;
    type Signal = NoSignal;

    #[inline(always)]
    fn signal(&self) -> NoSignal {
        NoSignal
    }

    #[inline(always)]
    fn plain(&self) -> Option<&Policy> {
        Some(self)
    }

    #[inline(always)]
    fn policy(&self) -> Self {
        *self
    }

    #[inline(always)]
    fn within(&self) -> u64 {
        self.within
    }

    #[inline(always)]
    fn make(&mut self) {}
}

impl Plan for &Policy {
    type Timing = Whole;
    type Held = Self;
    type Signal = NoSignal;

    #[inline(always)]
    fn signal(&self) -> NoSignal {
        NoSignal
    }

    #[inline(always)]
    fn plain(&self) -> Option<&Policy> {
        Some(self)
    }

    #[inline(always)]
    fn policy(&self) -> Self {
        self
    }

    #[inline(always)]
    fn within(&self) -> u64 {
        self.within
    }

    #[inline(always)]
    fn make(&mut self) {}
}

impl<'a> Plan for &'a Timed<Policy> {
    type Timing = Limited;
    type Held = &'a Policy;
    type Signal = NoSignal;

    #[inline(always)]
    fn signal(&self) -> NoSignal {
        NoSignal
    }

    #[inline(always)]
    fn policy(&self) -> &'a Policy {
        &self.plan
    }

    #[inline(always)]
    fn within(&self) -> u64 {
        self.plan.within
    }

    #[inline]
    fn limit(&self) -> u64 {
        self.limit
    }

    #[inline(always)]
    fn make(&mut self) {}
}

impl<P: Plan> Plan for Timed<P> {
    type Timing = <P::Timing as Timing>::Limited;
    type Held = P::Held;
    delegate!(policy within name extra clock signal);

    #[inline]
    fn limit(&self) -> u64 {
        self.limit.min(self.plan.limit())
    }

    #[inline(always)]
    fn make(&mut self) -> <Self::Timing as Timing>::Make<'_> {
        P::Timing::limited(self.plan.make())
    }
}

/// A plan whose run ends by a time, attempts included.
#[derive(Clone, Copy, Debug)]
pub struct Deadline<P> {
    pub(crate) plan: P,
    pub(crate) deadline: u64,
}

impl<P: Plan> Plan for Deadline<P> {
    type Timing = <P::Timing as Timing>::Limited;
    type Held = Policy;
    delegate!(name limit extra clock signal);

    fn policy(&self) -> Policy {
        Policy { within: self.within(), ..*self.plan.policy().borrow() }
    }

    #[inline]
    fn within(&self) -> u64 {
        self.plan.within().min(self.deadline)
    }

    #[inline(always)]
    fn make(&mut self) -> <Self::Timing as Timing>::Make<'_> {
        P::Timing::limited(self.plan.make())
    }
}

/// A plan with a name, which `N` knows: a value, or a type for a name that is known while compiling.
#[derive(Clone, Copy, Debug)]
pub struct Named<P, N = &'static str> {
    pub(crate) plan: P,
    pub(crate) name: N,
}

/// What knows a run's name.
#[doc(hidden)]
pub trait Name {
    /// The name of a run that was given this one before.
    fn name(&self, given: Option<&'static str>) -> &'static str;
}

impl Name for &'static str {
    #[inline]
    fn name(&self, _: Option<&'static str>) -> &'static str {
        self
    }
}

/// The name of the function under an attribute, for a run that has no other.
#[doc(hidden)]
pub trait FunctionName {
    const NAME: &'static str;
}

impl<N: FunctionName> Name for N {
    #[inline]
    fn name(&self, given: Option<&'static str>) -> &'static str {
        given.unwrap_or(N::NAME)
    }
}

impl<P: Plan, N: Name> Plan for Named<P, N> {
    type Timing = P::Timing;
    type Held = P::Held;
    delegate!(policy within make limit extra clock signal);

    #[inline(always)]
    fn plain(&self) -> Option<&Policy> {
        self.plan.plain()
    }

    #[inline]
    fn name(&self) -> Option<&'static str> {
        Some(self.name.name(self.plan.name()))
    }
}

/// A policy whose cut attempts have the error that `F` makes: what [`on_timeout`](crate::Retry::on_timeout) makes of `P`.
///
/// It is public so that a run can be written into a field:
///
/// ```
/// use persevere::{parts::OnTimeout, Policy, SharedRetry, Timed, TimedOut};
/// use std::{fmt, time::Duration};
///
/// struct Store {
///     retry: SharedRetry<fmt::Error, OnTimeout<Timed<Policy>, fn(TimedOut) -> fmt::Error>>,
/// }
///
/// let make: fn(TimedOut) -> fmt::Error = |_| fmt::Error;
/// let policy = Policy::new().deadline(Duration::from_secs(2));
/// let store = Store { retry: policy.on_timeout(make).when(|_: &fmt::Error| true).shared() };
/// # let _ = store.retry;
/// ```
#[derive(Clone, Copy)]
pub struct OnTimeout<P, F> {
    pub(crate) plan: P,
    pub(crate) make: F,
}

impl<P: fmt::Debug, F> fmt::Debug for OnTimeout<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnTimeout").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl<P: Plan, F> Plan for OnTimeout<P, F> {
    type Timing = Limited<Making<F>>;
    type Held = P::Held;
    delegate!(policy within name limit extra clock signal);

    #[inline(always)]
    fn make(&mut self) -> &mut F {
        &mut self.make
    }
}

/// A plan with a seed of its own.
#[derive(Clone, Copy, Debug)]
pub struct Seeded<P> {
    pub(crate) plan: P,
    pub(crate) seed: Option<u64>,
}

impl<P: Plan> Plan for Seeded<P> {
    type Timing = P::Timing;
    type Held = P::Held;
    delegate!(policy within make name limit clock signal);

    #[inline]
    fn extra(&mut self, failure: &Failure<'_>) -> Extra {
        self.plan.extra(&Failure { seed: failure.seed.or(self.seed), ..*failure })
    }
}

/// A plan whose backoff does not begin with its first wait.
#[derive(Clone, Copy, Debug)]
pub struct Advanced<P> {
    pub(crate) plan: P,
    pub(crate) pace: Pace,
    pub(crate) drawn: u32,
}

impl Advanced<Seeded<Policy>> {
    /// The plan of a backoff, which goes on where that stands.
    pub(crate) fn of(backoff: Backoff) -> Self {
        let (pace, drawn) = backoff.advanced();
        Self { pace, drawn, plan: Seeded { seed: backoff.seed, plan: Policy::from_backoff(backoff) } }
    }
}

impl<P: Plan> Plan for Advanced<P> {
    type Timing = P::Timing;
    type Held = P::Held;
    delegate!(policy within make name limit clock signal);

    #[inline]
    fn extra(&mut self, failure: &Failure<'_>) -> Extra {
        Extra { pace: self.pace, drawn: self.drawn, ..self.plan.extra(failure) }
    }
}

/// A plan for work that lasts, and what it remembers of the run.
#[derive(Clone, Copy, Debug)]
pub struct Streaks<P> {
    plan: P,
    rules: StreakRules,
    streak: Streak,
}

impl<P> Streaks<P> {
    const fn new(plan: P, rules: StreakRules) -> Self {
        Self { plan, rules, streak: Streak::started(0) }
    }
}

impl From<StreakPolicy> for Streaks<Policy> {
    #[inline]
    fn from(policy: StreakPolicy) -> Self {
        Self::new(policy.policy, policy.rules)
    }
}

impl From<Timed<StreakPolicy>> for Timed<Streaks<Policy>> {
    #[inline]
    fn from(timed: Timed<StreakPolicy>) -> Self {
        Self { plan: timed.plan.into(), limit: timed.limit }
    }
}

impl<P: Plan> Plan for Streaks<P> {
    type Timing = P::Timing;
    type Held = P::Held;
    const CLOCK: bool = true;
    delegate!(policy within make name limit signal);

    fn begins(&mut self, now: u64) {
        self.plan.begins(now);
        self.streak.begins(now);
    }

    fn extra(&mut self, failure: &Failure<'_>) -> Extra {
        let &Failure { verdict, now, seed } = failure;
        let held = self.plan.policy();
        let rule = &Borrow::<Policy>::borrow(&held).rule;
        let extra = self.streak.judge(&self.rules, rule, verdict, now, |n| entropy::drawn(seed, n));
        let inside = self.plan.extra(failure);
        let listed = if let Listed::No = extra.listed { inside.listed } else { extra.listed };
        Extra { progress: extra.progress, failing_until: extra.failing_until, listed, ..inside }
    }

    fn waits(&mut self, now: u64, wait: u64) {
        self.plan.waits(now, wait);
        self.streak.waits(now, wait);
    }

    #[cfg(feature = "testing")]
    fn skips(&mut self, skipped: u64) {
        self.plan.skips(skipped);
        self.streak.skip(skipped);
    }
}

/// A plan whose waits `S` may end.
#[cfg(feature = "std")]
#[derive(Clone, Debug)]
pub struct Stoppable<P, S> {
    pub(crate) plan: P,
    pub(crate) by: S,
}

/// What makes a signal for each run.
#[cfg(feature = "std")]
#[doc(hidden)]
pub trait Signals {
    type Signal: Signal;

    fn signal(&self) -> Self::Signal;
}

#[cfg(feature = "std")]
impl Signals for Stop {
    type Signal = UntilStopped;

    fn signal(&self) -> UntilStopped {
        UntilStopped::new(self)
    }
}

#[cfg(feature = "std")]
impl<F: Future> Signals for Until<F> {
    type Signal = Self;

    fn signal(&self) -> Self {
        self.clone()
    }
}

#[cfg(feature = "std")]
impl<P: Plan, S: Signals> Plan for Stoppable<P, S> {
    type Timing = P::Timing;
    type Held = P::Held;
    type Signal = (P::Signal, S::Signal);
    delegate!(policy within make name limit extra clock);

    fn signal(&self) -> Self::Signal {
        (self.plan.signal(), self.by.signal())
    }
}

/// A plan with a list of waits.
#[derive(Clone, Debug)]
pub struct Waits<P, I> {
    plan: P,
    list: I,
    /// In place of the policy's own, which the list replaced: without limit unless it was set after the list.
    total: u32,
}

impl<P, I: Iterator> Waits<P, I> {
    pub(crate) const fn new(plan: P, list: I) -> Self {
        Self { plan, list, total: UNLIMITED }
    }
}

impl<P: Plan, I: Iterator<Item = Duration>> Plan for Waits<P, I> {
    type Timing = P::Timing;
    type Held = Policy;
    delegate!(within make name limit clock signal);

    fn policy(&self) -> Policy {
        self.plan.policy().borrow().total(self.total)
    }

    fn extra(&mut self, failure: &Failure<'_>) -> Extra {
        let extra = self.plan.extra(failure);
        if !failure.verdict.transient {
            return extra;
        }
        let listed = self.list.next().map_or(Listed::Ended, |wait| Listed::Wait(nanos::from(wait)));
        Extra { listed, ..extra }
    }
}

/// A plan with the policy of one request in place of its own, and with the timing that `T` chooses: its own, or
/// none where the client cuts by itself.
#[cfg(any(feature = "reqwest", feature = "ureq", feature = "tower"))]
#[derive(Debug)]
pub(crate) struct ForRequest<P, T> {
    plan: P,
    policy: Policy,
    timing: PhantomData<fn() -> T>,
}

#[cfg(any(feature = "reqwest", feature = "ureq", feature = "tower"))]
impl<P, T> ForRequest<P, T> {
    pub(crate) const fn new(plan: P, policy: Policy) -> Self {
        Self { plan, policy, timing: PhantomData }
    }
}

#[cfg(any(feature = "reqwest", feature = "ureq", feature = "tower"))]
impl<P: Plan, T: ChooseTiming<P>> Plan for ForRequest<P, T> {
    type Timing = T::Timing;
    #[cfg(any(feature = "reqwest", feature = "ureq"))]
    const CUTS: bool = P::CUTS;
    type Held = Policy;
    delegate!(name limit extra clock signal);

    fn policy(&self) -> Policy {
        self.policy
    }

    fn within(&self) -> u64 {
        self.policy.within
    }

    #[inline(always)]
    fn make(&mut self) -> <T::Timing as Timing>::Make<'_> {
        T::make(&mut self.plan)
    }
}

/// The timing of one request.
#[cfg(any(feature = "reqwest", feature = "ureq", feature = "tower"))]
pub(crate) trait ChooseTiming<P: Plan> {
    type Timing: Timing;

    fn make(plan: &mut P) -> <Self::Timing as Timing>::Make<'_>;
}

/// The plan's own.
#[cfg(feature = "tower")]
#[derive(Debug)]
pub(crate) struct Own;

#[cfg(feature = "tower")]
impl<P: Plan> ChooseTiming<P> for Own {
    type Timing = P::Timing;

    #[inline(always)]
    fn make(plan: &mut P) -> <P::Timing as Timing>::Make<'_> {
        plan.make()
    }
}

#[cfg(any(feature = "reqwest", feature = "ureq"))]
impl<P: Plan> ChooseTiming<P> for Whole {
    type Timing = Self;

    #[inline(always)]
    fn make(_: &mut P) {}
}
