//! All doors against a plain account of what a run is: random policies, random scripts, random ends.
//!
//! What a failure leads to, the model of the decision core says, with ranges in place of draws. Here is the rest: which
//! calls are made and how long they take, what is waited, what the guards are told, and what the report tells.

use std::cell::{Cell, RefCell};
use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use persevere::prelude::retry as retry_in_place;
use persevere::testing::{VirtualSleep, VirtualTimer};
use persevere::{
    Attempt, Backoff, Event, Fault, Jitter, Policy, Report, StopReason, TimedOut, Verdict,
    guard::{Breaker, BreakerState, Budget, Nested},
    retry_async,
    run::{Decision, Run},
    time::{BlockingTimer, Timer},
};
use proptest::prelude::*;

use crate::core::{LONGEST, Model, Settings, any_settings, nanos};
use crate::support::{Failed, any_time, any_verdict, millis, secs};

/// What a call answers.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Fails(Verdict),
    /// With a value of which the run's own `when_ok` thinks this.
    Doubtful(Verdict),
    Succeeds,
    Panics,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    answer: Answer,
    took: Duration,
    /// A run inside the attempt retries and gives up.
    inner: bool,
}

/// What is past a script's end.
const AFTER: Step = Step { answer: Answer::Succeeds, took: Duration::ZERO, inner: false };

/// A few runs, one after the other, on one clock, one budget and one breaker.
#[derive(Clone, Debug)]
struct Scenario {
    settings: Settings,
    seed: u64,
    scripts: Vec<Vec<Step>>,
    /// After so many polls each run is dropped.
    polls: Option<usize>,
    limit: Option<Duration>,
    nested: Nested,
    tokens: u32,
    least: u32,
    pause: Duration,
    /// So much longer than it should takes every sleep of the run.
    oversleeps: Duration,
}

/// A timer that knows the run's sleeps from the operation's.
#[derive(Default)]
struct Clock {
    time: VirtualTimer,
    sleeps: RefCell<Vec<Duration>>,
    oversleeps: Duration,
}

impl Timer for Clock {
    type Sleep = VirtualSleep;

    fn now(&self) -> Duration {
        self.time.elapsed()
    }

    fn sleep(&self, wait: Duration) -> VirtualSleep {
        self.sleeps.borrow_mut().push(wait);
        Timer::sleep(&self.time, wait.saturating_add(self.oversleeps))
    }
}

impl BlockingTimer for Clock {
    fn now(&self) -> Duration {
        self.time.elapsed()
    }

    fn sleep(&self, wait: Duration) {
        self.sleeps.borrow_mut().push(wait);
        self.time.advance(wait.saturating_add(self.oversleeps));
    }
}

/// What the operation and the hooks of one run see.
struct World<'a> {
    script: &'a [Step],
    clock: &'a Clock,
    polls: Option<usize>,
    calls: Cell<u32>,
    /// Attempts whose futures live.
    alive: Cell<u32>,
    told: RefCell<Vec<(u32, Option<Duration>)>>,
    retries: RefCell<Vec<Retried>>,
    hooks: RefCell<Vec<(u32, Duration)>>,
}

/// What `on_retry` is told.
type Retried = (u32, Duration, Fault, Option<Duration>, Option<u32>);

/// How a run ended, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Returned(Result<u32, Failed>),
    Panicked,
    /// Within an attempt, or before one.
    Dropped {
        calls: u32,
        within: bool,
    },
}

impl<'a> World<'a> {
    fn new(script: &'a [Step], clock: &'a Clock, polls: Option<usize>) -> Self {
        Self {
            script,
            clock,
            polls,
            calls: Cell::new(0),
            alive: Cell::new(0),
            told: RefCell::default(),
            retries: RefCell::default(),
            hooks: RefCell::default(),
        }
    }

    fn step(&self, call: u32) -> Step {
        self.script.get(call as usize - 1).copied().unwrap_or(AFTER)
    }

    fn begin(&self, attempt: Option<Attempt>) -> (u32, Step) {
        let call = self.calls.get() + 1;
        self.calls.set(call);
        self.told.borrow_mut().extend(attempt.map(|attempt| (attempt.number(), attempt.remaining())));
        (call, self.step(call))
    }

    fn answer(call: u32, step: Step) -> Result<u32, Failed> {
        if step.inner {
            let _ = Policy::new().total(1).run(|| Err::<(), _>(Failed::new(0, Verdict::transient())));
        }
        match step.answer {
            Answer::Fails(verdict) => Err(Failed::new(call, verdict)),
            Answer::Doubtful(_) | Answer::Succeeds => Ok(call),
            Answer::Panics => resume_unwind(Box::new("on purpose")),
        }
    }

    fn call(&self, attempt: Option<Attempt>) -> Result<u32, Failed> {
        let (call, step) = self.begin(attempt);
        self.clock.time.advance(step.took);
        Self::answer(call, step)
    }

    fn call_async(&self, attempt: Option<Attempt>) -> impl Future<Output = Result<u32, Failed>> {
        struct Alive<'a>(&'a Cell<u32>);
        impl Drop for Alive<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        let (call, step) = self.begin(attempt);
        self.alive.set(self.alive.get() + 1);
        let alive = Alive(&self.alive);
        async move {
            let _alive = alive;
            if !step.took.is_zero() {
                Timer::sleep(&self.clock.time, step.took).await;
            }
            Self::answer(call, step)
        }
    }

    fn judge(&self, value: u32) -> Verdict {
        match self.step(value).answer {
            Answer::Doubtful(verdict) => verdict,
            _ => Verdict::permanent(),
        }
    }

    fn retried(&self, event: &Event<'_, Failed>) {
        let error = event.error().map(|error| error.number);
        self.retries.borrow_mut().push((event.attempt(), event.wait(), event.fault(), event.hint(), error));
    }

    fn hooked(&self, event: &Event<'_>) {
        self.hooks.borrow_mut().push((event.attempt(), event.wait()));
    }

    fn hooked_async(&self, event: Event<'_>) -> impl Future<Output = ()> {
        self.hooked(&event);
        ready(())
    }

    fn block(run: impl FnOnce() -> Result<u32, Failed>) -> End {
        catch_unwind(AssertUnwindSafe(run)).map_or(End::Panicked, End::Returned)
    }

    fn drive(&self, run: impl Future<Output = Result<u32, Failed>>) -> End {
        let mut run = pin!(run);
        let mut polled = 0;
        while self.polls != Some(polled) {
            assert!(polled < 100_000, "it never ends");
            polled += 1;
            let poll = || run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            match catch_unwind(AssertUnwindSafe(poll)) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(outcome)) => return End::Returned(outcome),
                Err(_) => return End::Panicked,
            }
        }
        End::Dropped { calls: self.calls.get(), within: self.alive.get() > 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Door {
    Retry,
    Run,
    RunWith,
    RetryMacro,
    RetryMacroTold,
    Attribute,
    RetryAsync,
    RunAsync,
    RunAsyncWith,
    RetryAsyncMacro,
    RetryAsyncMacroTold,
    AttributeAsync,
}

impl Door {
    const BLOCKING: [Self; 6] =
        [Self::Retry, Self::Run, Self::RunWith, Self::RetryMacro, Self::RetryMacroTold, Self::Attribute];
    const ASYNC: [Self; 6] = [
        Self::RetryAsync,
        Self::RunAsync,
        Self::RunAsyncWith,
        Self::RetryAsyncMacro,
        Self::RetryAsyncMacroTold,
        Self::AttributeAsync,
    ];
}

/// What is built round the policy: each kind takes another way through the driver.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Nothing: the draws are the process's.
    Plain,
    Seeded,
    Hooked,
    /// A report, hooks, budget, breaker and scope.
    Full,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Plain, Self::Seeded, Self::Hooked, Self::Full];
}

/// What stands beside the runs of a scenario, and outlives them.
struct Beside {
    budget: Arc<Budget>,
    breaker: Breaker,
}

impl Scenario {
    fn beside(&self) -> Beside {
        Beside {
            budget: Arc::new(Budget::new().size(self.tokens).ratio(0.5)),
            breaker: Breaker::new().min_outcomes(self.least).open_for(self.pause),
        }
    }
}

macro_rules! blocking {
    ($door:expr, $world:ident, $run:expr, $attribute:expr) => {
        World::block(|| match $door {
            Door::Retry => persevere::retry($run, || $world.call(None)),
            Door::Run => $run.run(|| $world.call(None)),
            Door::RunWith => $run.run_with(|attempt| $world.call(Some(attempt))),
            Door::RetryMacro => retry_in_place!($run, $world.call(None)),
            Door::RetryMacroTold => retry_in_place!($run, |attempt| $world.call(Some(attempt))),
            _ => $attribute,
        })
    };
}

macro_rules! driven {
    ($door:expr, $world:ident, $run:expr, $attribute:expr) => {
        match $door {
            Door::RetryAsync => $world.drive(retry_async($run, || $world.call_async(None))),
            Door::RunAsync => $world.drive($run.run_async(|| $world.call_async(None))),
            Door::RunAsyncWith => $world.drive($run.run_async_with(|attempt| $world.call_async(Some(attempt)))),
            Door::RetryAsyncMacro => $world.drive(async { retry_async!($run, $world.call_async(None).await) }),
            Door::RetryAsyncMacroTold => {
                $world.drive(async { retry_async!($run, |attempt| $world.call_async(Some(attempt)).await) })
            }
            _ => $world.drive($attribute),
        }
    };
}

/// The same runs by the attribute.
mod attribute {
    use super::*;
    use persevere::retry;

    #[retry(policy = policy, timer = world.clock, when_ok = |value| world.judge(*value))]
    pub(super) fn plain(policy: Policy, world: &World<'_>) -> Result<u32, Failed> {
        world.call(None)
    }

    #[retry(policy = policy, timer = world.clock, when_ok = |value| world.judge(*value))]
    pub(super) async fn plain_async(policy: Policy, world: &World<'_>) -> Result<u32, Failed> {
        world.call_async(None).await
    }

    #[retry(policy = policy, attempt_timeout = limit, timer = world.clock, when_ok = |value| world.judge(*value))]
    pub(super) async fn plain_timed(policy: Policy, limit: Duration, world: &World<'_>) -> Result<u32, Failed> {
        world.call_async(None).await
    }

    #[retry(policy = policy, seed = seed, timer = world.clock, when_ok = |value| world.judge(*value), attempt = attempt)]
    pub(super) fn seeded(policy: Policy, seed: u64, world: &World<'_>) -> Result<u32, Failed> {
        world.call(Some(attempt))
    }

    #[retry(policy = policy, seed = seed, timer = world.clock, when_ok = |value| world.judge(*value), attempt = attempt)]
    pub(super) async fn seeded_async(policy: Policy, seed: u64, world: &World<'_>) -> Result<u32, Failed> {
        world.call_async(Some(attempt)).await
    }

    #[retry(
        policy = policy,
        attempt_timeout = limit,
        seed = seed,
        timer = world.clock,
        when_ok = |value| world.judge(*value),
        attempt = attempt,
    )]
    pub(super) async fn seeded_timed(
        policy: Policy,
        limit: Duration,
        seed: u64,
        world: &World<'_>,
    ) -> Result<u32, Failed> {
        world.call_async(Some(attempt)).await
    }

    #[retry(
        policy = policy,
        seed = seed,
        timer = world.clock,
        when_ok = |value| world.judge(*value),
        on_retry = |event| world.retried(&event),
        before_retry = |event| world.hooked(&event),
    )]
    pub(super) fn hooked(policy: Policy, seed: u64, world: &World<'_>) -> Result<u32, Failed> {
        world.call(None)
    }

    #[retry(
        policy = policy,
        seed = seed,
        timer = world.clock,
        when_ok = |value| world.judge(*value),
        on_retry = |event| world.retried(&event),
        before_retry = |event| world.hooked_async(event).await,
    )]
    pub(super) async fn hooked_async(policy: Policy, seed: u64, world: &World<'_>) -> Result<u32, Failed> {
        world.call_async(None).await
    }

    #[retry(
        policy = policy,
        attempt_timeout = limit,
        seed = seed,
        timer = world.clock,
        when_ok = |value| world.judge(*value),
        on_retry = |event| world.retried(&event),
        before_retry = |event| world.hooked_async(event).await,
    )]
    pub(super) async fn hooked_timed(
        policy: Policy,
        limit: Duration,
        seed: u64,
        world: &World<'_>,
    ) -> Result<u32, Failed> {
        world.call_async(None).await
    }

    #[retry(
        policy = policy,
        seed = seed,
        timer = world.clock,
        when_ok = |value| world.judge(*value),
        on_retry = |event| world.retried(&event),
        report = report,
        budget = beside.budget.clone(),
        breaker = &beside.breaker,
        nested = nested,
        before_retry = |event| world.hooked(&event),
        attempt = attempt,
    )]
    pub(super) fn full(
        policy: Policy,
        seed: u64,
        world: &World<'_>,
        beside: &Beside,
        nested: Nested,
        report: &mut Report,
    ) -> Result<u32, Failed> {
        world.call(Some(attempt))
    }

    #[retry(
        policy = policy,
        seed = seed,
        timer = world.clock,
        when_ok = |value| world.judge(*value),
        on_retry = |event| world.retried(&event),
        report = report,
        budget = beside.budget.clone(),
        breaker = &beside.breaker,
        nested = nested,
        before_retry = |event| world.hooked_async(event).await,
        attempt = attempt,
    )]
    pub(super) async fn full_async(
        policy: Policy,
        seed: u64,
        world: &World<'_>,
        beside: &Beside,
        nested: Nested,
        report: &mut Report,
    ) -> Result<u32, Failed> {
        world.call_async(Some(attempt)).await
    }

    #[retry(
        policy = policy,
        attempt_timeout = limit,
        seed = seed,
        timer = world.clock,
        when_ok = |value| world.judge(*value),
        on_retry = |event| world.retried(&event),
        report = report,
        budget = beside.budget.clone(),
        breaker = &beside.breaker,
        nested = nested,
        before_retry = |event| world.hooked_async(event).await,
        attempt = attempt,
    )]
    pub(super) async fn full_timed(
        policy: Policy,
        limit: Duration,
        seed: u64,
        world: &World<'_>,
        beside: &Beside,
        nested: Nested,
        report: &mut Report,
    ) -> Result<u32, Failed> {
        world.call_async(Some(attempt)).await
    }
}

impl Scenario {
    /// One run through a door.
    fn run(&self, door: Door, kind: Kind, w: &World<'_>, beside: &Beside, report: &mut Report) -> End {
        let (policy, seed, nested) = (self.settings.policy(), self.seed, self.nested);
        let ok = |value: &u32| w.judge(*value);
        let retried = |event: Event<'_, Failed>| w.retried(&event);
        let hooked = |event: Event| w.hooked(&event);
        let hooked_async = |event: Event<'static>| w.hooked_async(event);
        // Each where it is called, since a run goes by value.
        macro_rules! plain {
            () => {
                policy.timer(w.clock).when_ok(ok)
            };
        }
        macro_rules! hooks {
            ($hook:expr) => {
                plain!().seed(seed).on_retry(retried).before_retry($hook)
            };
        }
        macro_rules! full {
            ($hook:expr) => {
                hooks!($hook).report(report).budget(beside.budget.clone()).breaker(&beside.breaker).nested(nested)
            };
        }
        if Door::BLOCKING.contains(&door) {
            return match kind {
                Kind::Plain => blocking!(door, w, plain!(), attribute::plain(policy, w)),
                Kind::Seeded => blocking!(door, w, plain!().seed(seed), attribute::seeded(policy, seed, w)),
                Kind::Hooked => blocking!(door, w, hooks!(hooked), attribute::hooked(policy, seed, w)),
                Kind::Full => {
                    blocking!(door, w, full!(hooked), attribute::full(policy, seed, w, beside, nested, report))
                }
            };
        }
        let Some(limit) = self.limit else {
            return match kind {
                Kind::Plain => driven!(door, w, plain!(), attribute::plain_async(policy, w)),
                Kind::Seeded => driven!(door, w, plain!().seed(seed), attribute::seeded_async(policy, seed, w)),
                Kind::Hooked => driven!(door, w, hooks!(hooked_async), attribute::hooked_async(policy, seed, w)),
                Kind::Full => driven!(
                    door,
                    w,
                    full!(hooked_async),
                    attribute::full_async(policy, seed, w, beside, nested, report)
                ),
            };
        };
        match kind {
            Kind::Plain => {
                driven!(door, w, plain!().attempt_timeout(limit), attribute::plain_timed(policy, limit, w))
            }
            Kind::Seeded => driven!(
                door,
                w,
                plain!().attempt_timeout(limit).seed(seed),
                attribute::seeded_timed(policy, limit, seed, w)
            ),
            Kind::Hooked => driven!(
                door,
                w,
                hooks!(hooked_async).attempt_timeout(limit),
                attribute::hooked_timed(policy, limit, seed, w)
            ),
            Kind::Full => driven!(
                door,
                w,
                full!(hooked_async).attempt_timeout(limit),
                attribute::full_timed(policy, limit, seed, w, beside, nested, report)
            ),
        }
    }
}

/// What a run should have been.
#[derive(Debug)]
struct Story {
    end: End,
    calls: u32,
    sleeps: Vec<Duration>,
    now: Duration,
    told: Vec<(u32, Option<Duration>)>,
    retries: Vec<Retried>,
    hooks: Vec<(u32, Duration)>,
    stop: Option<StopReason>,
    /// On the run's clock, when the last failure or the end was.
    seen: u128,
    failures: Vec<Failure>,
}

#[derive(Debug, PartialEq)]
struct Failure {
    attempt: u32,
    fault: Fault,
    began: Duration,
    took: Duration,
    wait: Option<Duration>,
    hint: Option<Duration>,
    nested: bool,
    message: String,
}

/// As the crate gives times back.
fn duration(nanos: u128) -> Duration {
    if nanos >= LONGEST { Duration::MAX } else { Duration::from_nanos(nanos as u64) }
}

/// The draws of a seed: the jitter of a wait without end is the draw itself.
fn draws(seed: u64) -> impl FnMut() -> u64 {
    let mut backoff = Backoff::constant(Duration::MAX).jitter(Jitter::Full).seed(seed);
    move || nanos(backoff.next().unwrap()) as u64
}

impl Scenario {
    /// The account of one run: what it should do, step by step. The core is asked, under the eyes of its model, where
    /// chance decides.
    #[allow(clippy::too_many_lines)] // It is told from the beginning to the end.
    fn account(
        &self,
        script: &[Step],
        begun: Duration,
        (blocking, limit): (bool, Option<Duration>),
        beside: Option<&Beside>,
        dropped: Option<End>,
        drawn: Option<(&[Duration], u32)>,
    ) -> Story {
        let mut model = Model::new(self.settings.clone(), begun);
        let mut run = Run::new(self.settings.policy(), begun);
        let mut draw = draws(self.seed);
        let end = model.end;
        let mut story = Story {
            end: End::Panicked,
            calls: 0,
            sleeps: Vec::new(),
            now: begun,
            told: Vec::new(),
            retries: Vec::new(),
            hooks: Vec::new(),
            stop: None,
            seen: nanos(begun),
            failures: Vec::new(),
        };
        // When the attempt begins that is due; the fault that the last charge was for.
        let (mut due, mut charged) = (nanos(begun), None);
        loop {
            if let Some(end @ End::Dropped { calls, within: false }) = dropped {
                if calls == story.calls {
                    story.end = end;
                    if let (Some(beside), Some(fault)) = (beside, charged) {
                        beside.budget.refund(fault);
                    }
                    return story;
                }
            }
            let permit = match beside.map(|beside| beside.breaker.admit(story.now)).transpose() {
                Ok(permit) => permit,
                Err(rejected) => {
                    story.stop = Some(StopReason::BreakerOpen);
                    story.end = End::Returned(Err(rejected.into()));
                    story.seen = nanos(story.now);
                    return story;
                }
            };
            let left = end.map(|end| duration(end.saturating_sub(nanos(story.now))));
            // The first attempt is told the deadline, be it past the end of the clock.
            let told = if story.calls == 0 { self.settings.within } else { left };
            story.calls += 1;
            story.told.push((story.calls, limit.into_iter().chain(told).min().filter(|&told| nanos(told) < LONGEST)));
            // A deadline alone cuts no attempt.
            let limit = limit.map(|limit| left.map_or(limit, |left| left.min(limit)));
            if story.calls > 1 {
                let &(attempt, wait, ..) = story.retries.last().unwrap();
                story.hooks.push((attempt, wait));
            }
            if dropped == Some(End::Dropped { calls: story.calls, within: true }) {
                // The time's next move has not come; the timer is there if the attempt has to be cut.
                let step = script.get(story.calls as usize - 1).copied().unwrap_or(AFTER);
                self.cut(&mut story, step, limit);
                story.end = dropped.unwrap();
                return story;
            }

            let step = script.get(story.calls as usize - 1).copied().unwrap_or(AFTER);
            let end = story.now.saturating_add(step.took);
            let cut = self.cut(&mut story, step, limit);
            story.now = cut.map_or(end, |(at, _)| at);
            let outcome = match step.answer {
                _ if cut.is_some() => Err(Failed::from(TimedOut::new(cut.unwrap().1))),
                Answer::Panics => return story,
                Answer::Fails(verdict) => Err(Failed::new(story.calls, verdict)),
                Answer::Doubtful(_) | Answer::Succeeds => Ok(story.calls),
            };
            let verdict = match (outcome, step.answer) {
                (Err(error), _) => Some(error.verdict),
                (Ok(_), Answer::Doubtful(verdict)) => Some(verdict).filter(Verdict::is_transient),
                _ => None,
            };
            let now = nanos(story.now);
            story.seen = now;
            if let Some(permit) = permit {
                // A permanent failure is an answer.
                match verdict {
                    Some(verdict) if verdict.is_transient() => permit.failed(story.now),
                    _ => permit.succeeded(story.now),
                }
            }
            let Some(verdict) = verdict else {
                if let Some(beside) = beside {
                    charged.map_or_else(|| beside.budget.deposit(), |fault| beside.budget.deposit_after(fault));
                }
                story.stop = Some(StopReason::Succeeded);
                story.end = End::Returned(outcome);
                return story;
            };
            let nested = step.inner && cut.is_none();
            let allowed = model.failed(verdict, story.now);
            let mut next = match drawn {
                None => run.failed(verdict, story.now, draw()),
                // A draw that nobody knows: what was slept is held against what is allowed.
                Some((slept, calls)) => {
                    let wait = slept.get(story.sleeps.len()).map(|&wait| Decision::Wait(wait));
                    let waited = wait.is_some() || matches!(dropped, Some(End::Dropped { within: false, .. }));
                    let over = calls == story.calls && !waited;
                    match allowed.stop {
                        Some(reason) if over => Decision::Stop(reason),
                        _ => wait.filter(|&wait| allowed.admits(wait)).unwrap_or(Decision::Wait(Duration::ZERO)),
                    }
                }
            };
            assert!(allowed.admits(next), "{next:?} for {allowed:?}");
            if let (Decision::Wait(wait), Some(beside)) = (next, beside) {
                let refused = self.refused(beside, verdict.fault(), nested, story.now.saturating_add(wait));
                next = refused.map_or(next, Decision::Stop);
            }
            let wait = match next {
                Decision::Wait(wait) => Some(wait),
                Decision::Stop(_) => None,
            };
            story.failures.push(Failure {
                attempt: story.calls,
                fault: verdict.fault(),
                began: duration(due.min(LONGEST) - nanos(begun)),
                took: duration(now.saturating_sub(due)),
                wait,
                hint: verdict.hint(),
                nested,
                message: outcome.map_or_else(|error| error.to_string(), |_| String::new()),
            });
            let wait = match next {
                Decision::Wait(wait) => wait,
                Decision::Stop(reason) => {
                    story.stop = Some(reason);
                    story.end = End::Returned(outcome);
                    return story;
                }
            };
            charged = Some(verdict.fault());
            model.waited(wait, verdict.fault());
            due = (now + nanos(wait)).min(LONGEST);
            let number = outcome.err().map(|error| error.number);
            story.retries.push((story.calls, wait, verdict.fault(), verdict.hint(), number));
            if !wait.is_zero() {
                story.sleeps.push(wait);
                if dropped != Some(End::Dropped { calls: story.calls, within: false }) {
                    story.now = story.now.saturating_add(wait).saturating_add(self.oversleeps);
                }
            }
            // Who slept too long makes no other attempt, if there is an error to return in its place.
            if model.end.is_some_and(|end| end <= nanos(story.now)) && (blocking || limit.is_some()) {
                if let (Some(beside), Some(fault)) = (beside, charged) {
                    beside.budget.refund(fault);
                }
                story.stop = Some(StopReason::DeadlineExceeded);
                story.seen = nanos(story.now);
                let cut = Failed::from(TimedOut::new(Duration::ZERO));
                story.end = End::Returned(if blocking { outcome } else { Err(cut) });
                return story;
            }
        }
    }

    /// When an attempt is cut, and after how long; and the timer that this takes, if the attempt is not ready at once.
    fn cut(&self, story: &mut Story, step: Step, limit: Option<Duration>) -> Option<(Duration, Duration)> {
        let end = story.now.saturating_add(step.took);
        let limit = limit.filter(|_| end > story.now)?;
        if !limit.is_zero() {
            story.sleeps.push(limit);
        }
        let oversleeps = if limit.is_zero() { Duration::ZERO } else { self.oversleeps };
        let at = story.now.saturating_add(limit).saturating_add(oversleeps);
        (at < end).then_some((at, limit))
    }

    /// Whether one of the guards refuses a retry, in the order in which they stand. Who refuses keeps no charge.
    fn refused(&self, beside: &Beside, fault: Fault, nested: bool, due: Duration) -> Option<StopReason> {
        if !beside.budget.withdraw(fault) {
            return Some(StopReason::BudgetExhausted);
        }
        let refused = if beside.breaker.state_at(due) == BreakerState::Open {
            Some(StopReason::BreakerOpen)
        } else {
            (nested && self.nested == Nested::GiveUp).then_some(StopReason::Nested)
        };
        if refused.is_some() {
            beside.budget.refund(fault);
        }
        refused
    }

    /// Takes all runs through a door, and compares each with its account.
    fn check(&self, door: Door, kind: Kind) {
        let clock = Clock { oversleeps: self.oversleeps, ..Clock::default() };
        let (beside, reference) = (self.beside(), self.beside());
        let blocking = Door::BLOCKING.contains(&door);
        let limit = self.limit.filter(|_| !blocking);
        let unknown = kind == Kind::Plain && self.settings.jitter != Jitter::None;
        if unknown && self.settings.base.min(self.settings.max) < millis(1) {
            // A draw of zero leaves no trace, and here it would be likely.
            return;
        }
        let full = kind == Kind::Full;
        for script in &self.scripts {
            let begun = clock.time.elapsed();
            clock.sleeps.take();
            let world = World::new(script, &clock, self.polls);
            let mut report = Report::new();
            let end = self.run(door, kind, &world, &beside, &mut report);
            let dropped = Some(end).filter(|end| matches!(end, End::Dropped { .. }));
            let told = format!("{door:?}, {kind:?}, from {begun:?}");
            let slept = clock.sleeps.take();
            let drawn = (kind == Kind::Plain && self.settings.jitter != Jitter::None)
                .then_some((&slept[..], world.calls.get()));
            let story = self.account(script, begun, (blocking, limit), full.then_some(&reference), dropped, drawn);
            assert_eq!(end, story.end, "{told}: {story:?}");
            assert_eq!(world.calls.get(), story.calls, "{told}");
            assert_eq!(slept, story.sleeps, "{told}");
            assert_eq!(clock.time.elapsed(), story.now, "{told}");
            assert_eq!((world.alive.get(), clock.time.pending()), (0, 0), "{told}");
            if !world.told.borrow().is_empty() {
                assert_eq!(*world.told.borrow(), story.told, "{told}");
            }
            if kind == Kind::Hooked || full {
                assert_eq!(*world.retries.borrow(), story.retries, "{told}");
                assert_eq!(*world.hooks.borrow(), story.hooks, "{told}");
            }
            if full {
                Self::check_report(&report, &story, begun, &told);
                assert_eq!(beside.budget.tokens(), reference.budget.tokens(), "{told}");
                let states = [&beside, &reference].map(|beside| beside.breaker.state_at(story.now));
                assert_eq!(states[0], states[1], "{told}");
            }
        }
    }

    fn check_report(report: &Report, story: &Story, begun: Duration, told: &str) {
        assert_eq!((report.stop_reason(), report.attempts()), (story.stop, story.calls), "{told}");
        assert_eq!(report.elapsed(), duration(story.seen - nanos(begun)), "{told}");
        let waited: u128 = story.failures.iter().filter_map(|failure| failure.wait).map(nanos).sum();
        assert_eq!(report.waited(), duration(waited), "{told}");
        let failed = story.failures.len();
        assert_eq!(report.omitted() as usize, failed.saturating_sub(8), "{told}");
        let kept = report.failures().map(|failure| Failure {
            attempt: failure.attempt(),
            fault: failure.fault(),
            began: failure.began(),
            took: failure.took(),
            wait: failure.wait(),
            hint: failure.hint(),
            nested: failure.nested(),
            message: failure.message().to_owned(),
        });
        let kept: Vec<_> = kept.collect();
        let last = failed.saturating_sub(4).max(4.min(failed));
        let expected: Vec<_> = story.failures[..4.min(failed)].iter().chain(&story.failures[last..]).collect();
        assert_eq!(kept.iter().collect::<Vec<_>>(), expected, "{told}");
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let answer = prop_oneof![
        24 => any_verdict().prop_map(Answer::Fails),
        4 => any_verdict().prop_map(Answer::Doubtful),
        1 => Just(Answer::Succeeds),
        1 => Just(Answer::Panics),
    ];
    let took = prop_oneof![
        2 => Just(Duration::ZERO),
        8 => (0_u64..5_000).prop_map(millis),
        1 => (0_u64..3).prop_map(Duration::from_nanos),
        1 => any_time(),
    ];
    (answer, took, proptest::bool::weighted(0.1)).prop_map(|(answer, took, inner)| Step { answer, took, inner })
}

/// Waits that are not all over at once, nor past every deadline.
fn any_sensible_settings() -> impl Strategy<Value = Settings> {
    (any_settings(), 0_u64..3_000, 1_u64..60, proptest::option::weighted(0.4, 1_u64..40_000)).prop_map(
        |(settings, base, max, within)| Settings {
            base: millis(base),
            max: secs(max),
            within: within.map(millis),
            hint_max: secs(100_000),
            idempotent: true,
            ..settings
        },
    )
}

fn any_scenario(polls: impl Strategy<Value = Option<usize>>) -> impl Strategy<Value = Scenario> {
    let scripts = proptest::collection::vec(proptest::collection::vec(any_step(), 0..14), 1..4);
    let limit = proptest::option::of(prop_oneof![
        8 => (0_u64..4_000).prop_map(millis),
        1 => any_time(),
    ]);
    let nested = prop_oneof![Just(Nested::Retry), Just(Nested::GiveUp)];
    let guards = (0_u32..12, 1_u32..12, (1_u64..20_000).prop_map(millis));
    let settings = prop_oneof![any_settings(), any_sensible_settings()];
    let oversleeps = prop_oneof![3 => Just(Duration::ZERO), 1 => (0_u64..9_000).prop_map(millis)];
    (settings, any::<u64>(), scripts, polls, limit, nested, guards, oversleeps).prop_map(
        |(settings, seed, scripts, polls, limit, nested, (tokens, least, pause), oversleeps)| {
            // Out of retries, not out of patience.
            let total = if settings.total == u32::MAX { 40 } else { settings.total };
            let settings = Settings { total, ..settings };
            Scenario { settings, seed, scripts, polls, limit, nested, tokens, least, pause, oversleeps }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_door_does_what_the_plain_account_says(scenario in any_scenario(Just(None))) {
        for kind in Kind::ALL {
            for door in Door::BLOCKING.into_iter().chain(Door::ASYNC) {
                scenario.check(door, kind);
            }
        }
    }

    #[test]
    fn a_run_that_is_dropped_anywhere_has_done_what_the_account_says_until_then(
        scenario in any_scenario((0_usize..40).prop_map(Some)),
    ) {
        for kind in Kind::ALL {
            for door in Door::ASYNC {
                scenario.check(door, kind);
            }
        }
    }
}
