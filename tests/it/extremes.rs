//! The ends of every setting, through every door; and what breaks in the user's own code.

use std::cell::Cell;
use std::future::{Ready, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use futures::executor::block_on;
use persevere::testing::VirtualTimer;
use persevere::{
    Event, Fault, Hints, Jitter, Policy, Report, StopReason, Verdict,
    guard::{Breaker, BreakerState, Budget},
    time::{BlockingTimer, Timer},
};

use crate::support::{CUT, Door, Failed, awaited, millis, secs, through, transient};

/// Waits 0, 0.6 s, 1.2 s, exactly.
const PLAIN: Policy = Policy::new().jitter(Jitter::None);
/// Waits 1 s, 2 s, 4 s, exactly.
const SECONDS: Policy = PLAIN.backoff(Duration::from_secs(1)).immediate_first(false);
const NANO: Duration = Duration::from_nanos(1);
const ZERO: Duration = Duration::ZERO;
const MAX: Duration = Duration::MAX;
/// The longest hint: one nanosecond less than what stands for "none".
const LONGEST: Duration = Duration::from_nanos(u64::MAX - 1);

fn fails() -> Result<(), Failed> {
    Err(transient())
}

fn after(hint: Duration) -> Verdict {
    Verdict::transient().with_hint(hint)
}

/// A policy, what each failure is, how many there are, and then: attempts, why it ended, and the sleeps.
type Row = (Policy, Verdict, u32, u32, StopReason, Vec<Duration>);

fn table() -> Vec<Row> {
    use StopReason::{DeadlineExceeded, Exhausted, HintTooLong, LimitReached, Succeeded};
    const ALWAYS: u32 = u32::MAX;
    let failure = Verdict::transient();
    let (cap, second) = (secs(120), secs(1));
    let week = HintTooLong { hint: LONGEST };
    vec![
        (PLAIN.total(0), failure, ALWAYS, 1, Exhausted, vec![]),
        (PLAIN.total(u32::MAX).backoff(ZERO), failure, 1000, 1001, Succeeded, vec![]),
        (PLAIN.total(u32::MAX - 1).backoff(ZERO), failure, 1000, 1001, Succeeded, vec![]),
        (PLAIN.forever().backoff(NANO), failure, 1000, 1001, Succeeded, {
            (1..1000)
                .map(|n| Duration::from_nanos(1_u64.checked_shl(n).unwrap_or(0)).min(cap))
                .map(|wait| if wait.is_zero() { cap } else { wait })
                .collect()
        }),
        (PLAIN.backoff(ZERO), failure, ALWAYS, 4, Exhausted, vec![]),
        (PLAIN.max_wait(ZERO), failure, ALWAYS, 4, Exhausted, vec![]),
        (PLAIN.backoff(MAX), failure, ALWAYS, 4, Exhausted, vec![cap, cap]),
        (PLAIN.backoff(MAX).max_wait(MAX), failure, ALWAYS, 4, Exhausted, vec![MAX, MAX]),
        (PLAIN.backoff(NANO), failure, ALWAYS, 4, Exhausted, vec![2 * NANO, 4 * NANO]),
        (PLAIN.max_wait(NANO), failure, ALWAYS, 4, Exhausted, vec![NANO, NANO]),
        (SECONDS.factor(f64::NAN), failure, ALWAYS, 4, Exhausted, vec![second; 3]),
        (SECONDS.factor(f64::INFINITY), failure, ALWAYS, 4, Exhausted, vec![second, cap, cap]),
        (SECONDS.factor(f64::MAX), failure, ALWAYS, 4, Exhausted, vec![second, cap, cap]),
        (SECONDS.factor(f64::NEG_INFINITY), failure, ALWAYS, 4, Exhausted, vec![second, cap]),
        (SECONDS.factor(-1.0), failure, ALWAYS, 4, Exhausted, vec![second, second]),
        (SECONDS.factor(0.0), failure, ALWAYS, 4, Exhausted, vec![second]),
        (PLAIN.within(ZERO), failure, ALWAYS, 1, DeadlineExceeded, vec![]),
        (PLAIN.within(NANO), failure, ALWAYS, 2, DeadlineExceeded, vec![]),
        (PLAIN.within(Duration::from_nanos(599_999_999)), failure, ALWAYS, 2, DeadlineExceeded, vec![]),
        (PLAIN.within(millis(600)), failure, ALWAYS, 2, DeadlineExceeded, vec![]),
        (PLAIN.within(millis(600) + NANO), failure, ALWAYS, 3, DeadlineExceeded, vec![millis(600)]),
        (PLAIN.within(MAX), failure, ALWAYS, 4, Exhausted, vec![millis(600), millis(1200)]),
        (PLAIN.backoff(MAX).max_wait(MAX).within(LONGEST), failure, ALWAYS, 2, DeadlineExceeded, vec![]),
        (PLAIN, after(MAX), ALWAYS, 1, week, vec![]),
        (PLAIN.within(ZERO), after(MAX), ALWAYS, 1, week, vec![]),
        (PLAIN.within(secs(9)).max_hint(MAX), after(MAX), ALWAYS, 1, DeadlineExceeded, vec![]),
        (PLAIN.max_hint(MAX), after(MAX), ALWAYS, 4, Exhausted, vec![LONGEST; 3]),
        (PLAIN.hints(Hints::Clamp), after(MAX), ALWAYS, 4, Exhausted, vec![cap; 3]),
        (PLAIN.hints(Hints::Clamp).max_hint(ZERO), after(MAX), ALWAYS, 4, Exhausted, vec![millis(600), millis(1200)]),
        (PLAIN.hints(Hints::Ignore), after(MAX), ALWAYS, 4, Exhausted, vec![millis(600), millis(1200)]),
        (PLAIN.max_hint(ZERO), after(ZERO), ALWAYS, 4, Exhausted, vec![millis(600), millis(1200)]),
        (PLAIN.max_hint(ZERO), after(NANO), ALWAYS, 1, HintTooLong { hint: NANO }, vec![]),
        (PLAIN.backoff(ZERO), after(NANO), ALWAYS, 4, Exhausted, vec![NANO; 3]),
        (PLAIN.other(0), failure, ALWAYS, 1, LimitReached(Fault::Other), vec![]),
        (PLAIN.other(u16::MAX), failure, ALWAYS, 4, Exhausted, vec![millis(600), millis(1200)]),
        (
            PLAIN.other(u16::MAX - 1).total(70_000).backoff(ZERO),
            failure,
            ALWAYS,
            65_535,
            LimitReached(Fault::Other),
            vec![],
        ),
        (PLAIN.backoff(MAX).max_wait(MAX), failure.with_fault(Fault::Throttle), ALWAYS, 4, Exhausted, vec![MAX; 3]),
        (PLAIN.backoff(ZERO), failure.with_fault(Fault::Throttle), ALWAYS, 4, Exhausted, vec![]),
        (PLAIN.jitter(Jitter::Full).backoff(ZERO), failure, ALWAYS, 4, Exhausted, vec![]),
        (PLAIN.max_hint(cap), after(cap), ALWAYS, 4, Exhausted, vec![cap; 3]),
        (SECONDS.max_wait(second), failure, ALWAYS, 4, Exhausted, vec![second; 3]),
        (SECONDS.jitter(Jitter::Additive(ZERO)), failure, ALWAYS, 4, Exhausted, vec![second, secs(2), secs(4)]),
    ]
}

#[test]
fn the_ends_of_every_setting_through_every_door() {
    for door in Door::ALL {
        for (policy, verdict, failures, attempts, reason, sleeps) in table() {
            let calls = Cell::new(0);
            let operation = || {
                calls.set(calls.get() + 1);
                if calls.get() <= failures { Err(Failed::new(calls.get(), verdict)) } else { Ok(calls.get()) }
            };
            let told = format!("{door:?}: {policy:?}, {verdict:?}");
            let timer = VirtualTimer::new();
            let mut report = Report::new();
            let outcome = through!(door, policy.timer(&timer).report(&mut report), operation);
            assert_eq!(
                (calls.get(), report.attempts(), report.stop_reason()),
                (attempts, attempts, Some(reason)),
                "{told}"
            );
            assert_eq!(outcome.map_err(|error| error.number).unwrap_or_else(|number| number), attempts, "{told}");
            assert_eq!((timer.sleeps(), timer.pending()), (sleeps.clone(), 0), "{told}");
            let total = sleeps.iter().fold(ZERO, |total, &wait| total.saturating_add(wait));
            assert_eq!(timer.elapsed(), total, "{told}");
            assert!(report.elapsed() >= total.min(LONGEST), "{told}");
            // And where nobody looks on.
            calls.set(0);
            let timer = VirtualTimer::new();
            let _ = through!(door, policy.timer(&timer), operation);
            assert_eq!((calls.get(), timer.sleeps()), (attempts, sleeps), "{told}");
        }
    }
}

#[test]
fn the_ends_of_every_list_of_waits_through_every_door() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let calls = Cell::new(0);
        let count = || {
            calls.set(calls.get() + 1);
            fails()
        };
        let _ = through!(door, PLAIN.timer(&timer).waits([]), count);
        assert_eq!((calls.take(), timer.sleeps()), (1, vec![]), "{door:?}");
        let _ = through!(door, PLAIN.timer(&timer).waits(std::iter::repeat(MAX)).total(3), count);
        assert_eq!((calls.take(), timer.sleeps()), (4, vec![MAX; 3]), "{door:?}");
        let timer = VirtualTimer::new();
        let _ = through!(door, PLAIN.forever().timer(&timer).waits(std::iter::repeat_n(ZERO, 1000)), count);
        assert_eq!((calls.take(), timer.sleeps()), (1001, vec![]), "{door:?}");
        let _ = through!(door, PLAIN.within(NANO).timer(&timer).waits([ZERO, ZERO, NANO, ZERO]), count);
        assert_eq!((calls.take(), timer.sleeps()), (3, vec![]), "{door:?}");
        let _ = through!(door, PLAIN.timer(&timer).waits(std::iter::repeat(ZERO)).total(0), count);
        assert_eq!(calls.take(), 1, "{door:?}");
    }
}

#[test]
fn the_ends_of_an_attempt_timeout_through_every_async_door() {
    for door in Door::ASYNC {
        for (limit, elapsed) in [(ZERO, ZERO), (NANO, 4 * NANO), (secs(1), secs(4)), (MAX, MAX)] {
            let policy = PLAIN.backoff(ZERO).attempt_timeout(limit);
            let timer = VirtualTimer::new();
            let outcome: Result<(), Failed> = block_on(async { awaited!(door, policy.timer(&timer), pending) });
            assert_eq!((outcome.unwrap_err().number, timer.elapsed()), (CUT, elapsed), "{door:?}, {limit:?}");
            // What is ready at once was in time.
            let outcome = block_on(async { awaited!(door, policy.timer(&timer), || ready(Ok::<_, Failed>(7))) });
            assert_eq!(outcome, Ok(7), "{door:?}, {limit:?}");
        }
        let timer = VirtualTimer::new();
        let policy = PLAIN.forever().within(secs(10)).attempt_timeout(MAX);
        let outcome: Result<(), Failed> = block_on(async { awaited!(door, policy.timer(&timer), pending) });
        assert_eq!((outcome.unwrap_err().number, timer.elapsed()), (CUT, secs(10)), "{door:?}");
    }
}

/// Panics without a word on the terminal.
fn panics<T>() -> T {
    resume_unwind(Box::new("on purpose"))
}

/// A timer that breaks when it is used for the n-th time.
struct Broken<'a> {
    time: &'a VirtualTimer,
    reads: Cell<u32>,
    sleeps: Cell<u32>,
}

impl Broken<'_> {
    fn use_up(left: &Cell<u32>) {
        match left.get().checked_sub(1) {
            Some(less) => left.set(less),
            None => panics(),
        }
    }
}

impl BlockingTimer for Broken<'_> {
    fn now(&self) -> Duration {
        Self::use_up(&self.reads);
        self.time.elapsed()
    }

    fn sleep(&self, wait: Duration) {
        Self::use_up(&self.sleeps);
        self.time.advance(wait);
    }
}

impl Timer for Broken<'_> {
    type Sleep = Ready<()>;

    fn now(&self) -> Duration {
        BlockingTimer::now(self)
    }

    fn sleep(&self, wait: Duration) -> Ready<()> {
        BlockingTimer::sleep(self, wait);
        ready(())
    }
}

#[test]
fn a_timer_that_panics_leaves_the_guards_usable() {
    for door in Door::ALL {
        for (reads, sleeps) in (0..8).map(|reads| (reads, 99)).chain((0..2).map(|sleeps| (99, sleeps))) {
            let (time, budget, breaker) = (VirtualTimer::new(), Budget::new(), Breaker::new().min_outcomes(1));
            breaker.admit(ZERO).unwrap().failed(ZERO);
            time.advance(secs(5));
            let timer = Broken { time: &time, reads: Cell::new(reads), sleeps: Cell::new(sleeps) };
            let calls = Cell::new(0);
            let policy = PLAIN.immediate_first(false).within(secs(60)).timer(&timer).budget(&budget);
            // The first attempt closes the breaker, which needs more failures to open again.
            let again = |n: &u32| *n > 1;
            let run = || {
                through!(door, policy.clone().when_ok(|_: &u32| Verdict::permanent()).breaker(&breaker), || {
                    Ok::<_, Failed>(0)
                })?;
                through!(door, policy.clone().when_ok(again), || {
                    calls.set(calls.get() + 1);
                    Ok::<_, Failed>(9)
                })
            };
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "{door:?}, {reads} reads, {sleeps} sleeps");
            let charged = 10.0 - budget.tokens() - f64::from(calls.get().max(1) - 1);
            // What is left is asked for the attempt that is told, which has begun by then.
            let told =
                matches!(door, Door::RunWith | Door::RetryMacroTold | Door::RunAsyncWith | Door::RetryAsyncMacroTold);
            assert!(charged == 0.0 || told && charged == 1.0, "{door:?}, {reads}, {sleeps}: {charged}");
            let now = time.elapsed() + secs(5);
            assert_ne!(breaker.state_at(now), BreakerState::Open);
            assert!(breaker.admit(now).is_ok(), "{door:?}, {reads}, {sleeps}");
        }
    }
}

#[test]
fn a_panic_in_a_hook_before_the_retry_costs_the_retry_of_which_it_is_part() {
    let timer = VirtualTimer::new();
    for door in Door::ASYNC.into_iter().chain([Door::Run, Door::RetryMacro]) {
        let (budget, breaker) = (Budget::new(), Breaker::new());
        let prepared = || PLAIN.timer(&timer).budget(&budget).breaker(&breaker);
        let run = || {
            let hook = |_: Event| -> () { panics() };
            match door {
                Door::Run => prepared().before_retry(hook).run(fails),
                Door::RetryMacro => persevere::prelude::retry!(prepared().before_retry(hook), fails()),
                _ => {
                    let hook = |_: Event| async { panics() };
                    block_on(async { awaited!(door, prepared().before_retry(hook), || ready(fails())) })
                }
            }
        };
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        assert_eq!(budget.tokens(), 9.0, "{door:?}");
        assert!(breaker.admit(timer.elapsed()).is_ok());
    }
}

/// A panic in the closure that makes the future is as one in the future.
#[test]
fn a_panic_while_the_attempt_is_made_passes_through() {
    for door in Door::ASYNC {
        let timer = VirtualTimer::new();
        let budget = Budget::new();
        let calls = Cell::new(0);
        let operation = || -> Ready<Result<(), Failed>> {
            calls.set(calls.get() + 1);
            if calls.get() == 3 { panics() } else { ready(fails()) }
        };
        let run = || block_on(async { awaited!(door, PLAIN.timer(&timer).budget(&budget), operation) });
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        assert_eq!((calls.get(), budget.tokens(), timer.pending()), (3, 8.0, 0), "{door:?}");
    }
}
