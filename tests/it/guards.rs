//! Budgets, breakers and throttles beside a run, through every door.

use std::cell::Cell;
use std::future::{Future, pending, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use futures::executor::block_on;
use persevere::testing::VirtualTimer;
use persevere::{
    Event, Fault, Jitter, Policy, Reached, Rejected, Report, StopReason, Verdict,
    guard::{AdaptiveThrottle, Breaker, BreakerState, Budget, Nested},
    retry,
};

use crate::support::{Door, Failed, REJECTED, awaited, millis, permanent, secs, through, transient};

/// Waits 0, 0.6 s, 1.2 s, exactly.
const PLAIN: Policy = Policy::new().jitter(Jitter::None);

fn fails() -> Result<(), Failed> {
    Err(transient())
}

/// Fails so often, then succeeds, and counts.
fn failing(failures: u32, calls: &Cell<u32>) -> impl FnMut() -> Result<(), Failed> + '_ {
    move || {
        calls.set(calls.get() + 1);
        if calls.get() <= failures { fails() } else { Ok(()) }
    }
}

/// A breaker that is open from now on, for five seconds.
fn open_breaker(now: Duration) -> Breaker {
    let breaker = Breaker::new().min_outcomes(1);
    breaker.admit(now).unwrap().failed(now);
    breaker
}

/// A throttle that holds back nearly all, and has used up the probe of this second.
fn shut_throttle(now: Duration) -> AdaptiveThrottle {
    let throttle = AdaptiveThrottle::new();
    (0..100_000).for_each(|_| throttle.record(false, now));
    assert!(throttle.admit(now, 0).is_ok());
    throttle
}

#[test]
fn a_budget_ends_the_run_with_the_operations_error_and_without_a_wait() {
    for door in Door::ALL {
        let (timer, budget, calls) = (VirtualTimer::new(), Arc::new(Budget::new().size(2)), Cell::new(0));
        let mut report = Report::new();
        let run = || PLAIN.total(9).timer(&timer).budget(Arc::clone(&budget));
        let outcome = through!(door, run().report(&mut report), failing(99, &calls));
        assert_eq!((outcome, calls.take(), budget.tokens()), (fails(), 3, 0.0), "{door:?}");
        assert_eq!((report.attempts(), report.stop_reason()), (3, Some(StopReason::BudgetExhausted)), "{door:?}");
        assert_eq!(timer.sleeps(), [millis(600)], "{door:?}");

        // First attempts are free, and their successes fill it.
        let outcome = through!(door, run(), failing(0, &calls));
        assert_eq!((outcome, calls.take(), budget.tokens()), (Ok(()), 1, 0.1), "{door:?}");
        let outcome = through!(door, run(), failing(99, &calls));
        assert_eq!((outcome, calls.take(), budget.tokens()), (fails(), 1, 0.1), "{door:?}");
        // What is not retried is not charged, and gives nothing.
        let outcome = through!(door, run(), || Err::<(), _>(permanent()));
        assert_eq!((outcome, budget.tokens()), (Err(permanent()), 0.1), "{door:?}");
    }
}

#[test]
fn a_success_after_retries_deposits_too() {
    for door in Door::ALL {
        let calls = Cell::new(0);
        let (timer, ratio, quota) = (VirtualTimer::new(), Budget::new().ratio(0.5), Budget::quota(500, 14, 5));
        through!(door, PLAIN.timer(&timer).budget(&ratio).budget(&quota), failing(2, &calls)).unwrap();
        assert_eq!(ratio.tokens(), 10.0 - 2.0 + 0.5, "{door:?}");
        // A quota gives back what the last retry cost.
        assert_eq!(quota.tokens(), (500.0 - 14.0) / 14.0, "{door:?}");
        let throttled = |error: &Failed| error.verdict.with_fault(Fault::Throttle);
        calls.set(1);
        through!(door, PLAIN.timer(&timer).budget(&quota).when(throttled), failing(2, &calls)).unwrap();
        assert_eq!(quota.tokens(), (500.0 - 14.0) / 14.0, "{door:?}");
    }
}

static BUDGET: Budget = Budget::new().size(2).valid();
static BREAKER: Breaker = Breaker::new().min_outcomes(1).open_for(Duration::from_secs(3600)).valid();
static THROTTLE: AdaptiveThrottle = AdaptiveThrottle::new().valid();

#[retry(total = 9, backoff = 0, budget = &BUDGET)]
fn budgeted(calls: &Cell<u32>, failures: u32) -> Result<(), Failed> {
    failing(failures, calls)()
}

#[retry(total = 9, backoff = 0, budget = Arc::clone(budget))]
async fn budgeted_async(calls: &Cell<u32>, budget: &Arc<Budget>) -> Result<(), Failed> {
    ready(failing(99, calls)()).await
}

#[test]
fn the_attribute_takes_a_static_budget_or_a_shared_one() {
    let calls = Cell::new(0);
    assert_eq!((budgeted(&calls, 99), calls.take(), BUDGET.tokens()), (fails(), 3, 0.0));
    assert_eq!((budgeted(&calls, 0), calls.take(), BUDGET.tokens()), (Ok(()), 1, 0.1));
    let budget = Arc::new(Budget::new().size(3));
    assert_eq!((block_on(budgeted_async(&calls, &budget)), calls.take(), budget.tokens()), (fails(), 4, 0.0));
    assert_eq!(Arc::strong_count(&budget), 1);
}

#[retry(total = 9, backoff = 0, timer = timer, breaker = &BREAKER, report = report)]
fn broken(calls: &Cell<u32>, timer: &VirtualTimer, report: &mut Report) -> io::Result<()> {
    calls.set(calls.get() + 1);
    Err(io::ErrorKind::TimedOut.into())
}

#[retry(total = 9, backoff = 0, timer = timer, breaker = breaker, throttle = throttle, report = report)]
async fn broken_async(
    calls: &Cell<u32>,
    timer: &VirtualTimer,
    breaker: &Breaker,
    throttle: &AdaptiveThrottle,
    report: &mut Report,
) -> io::Result<()> {
    calls.set(calls.get() + 1);
    Err(ready(io::ErrorKind::TimedOut).await.into())
}

#[retry(backoff = 0, throttle = &THROTTLE)]
fn throttled() -> Result<u32, Failed> {
    Ok(1)
}

#[test]
fn the_attribute_takes_a_breaker_and_a_throttle() {
    let (calls, timer, mut report) = (Cell::new(0), VirtualTimer::new(), Report::new());
    assert_eq!(broken(&calls, &timer, &mut report).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!((calls.take(), report.stop_reason()), (1, Some(StopReason::BreakerOpen)));
    assert!(broken(&calls, &timer, &mut report).unwrap_err().get_ref().unwrap().is::<Rejected>());
    assert_eq!((calls.take(), report.attempts()), (0, 0));

    let (breaker, throttle) = (Breaker::new().min_outcomes(2), AdaptiveThrottle::new());
    let run = broken_async(&calls, &timer, &breaker, &throttle, &mut report);
    assert_eq!(block_on(run).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!((calls.take(), report.stop_reason()), (2, Some(StopReason::BreakerOpen)));
    let (breaker, throttle) = (Breaker::new(), shut_throttle(timer.elapsed()));
    let run = broken_async(&calls, &timer, &breaker, &throttle, &mut report);
    assert!(block_on(run).unwrap_err().get_ref().unwrap().is::<Rejected>());
    assert_eq!((calls.take(), report.stop_reason()), (0, Some(StopReason::Throttled)));
    assert_eq!(throttled(), Ok(1));
}

#[test]
fn an_open_breaker_lets_no_first_attempt_begin() {
    for door in Door::ALL {
        let (timer, calls) = (VirtualTimer::new(), Cell::new(0));
        let breaker = Arc::new(open_breaker(Duration::ZERO));
        timer.advance(secs(2));
        let mut report = Report::new();
        let outcome =
            through!(door, PLAIN.timer(&timer).breaker(Arc::clone(&breaker)).report(&mut report), failing(0, &calls));
        let error = outcome.unwrap_err();
        assert_eq!((error.number, error.verdict.hint(), calls.get()), (REJECTED, Some(secs(3)), 0), "{door:?}");
        assert_eq!((report.attempts(), report.stop_reason()), (0, Some(StopReason::BreakerOpen)), "{door:?}");
        assert_eq!((report.failures().count(), report.elapsed()), (0, Duration::ZERO), "{door:?}");
        assert!(report.to_string().starts_with("breaker open after 0 attempts"), "{report}");

        // Its pause over, the attempt is the probe.
        timer.advance(secs(3));
        through!(door, PLAIN.timer(&timer).breaker(&*breaker), failing(0, &calls)).unwrap();
        assert_eq!((calls.get(), breaker.state_at(timer.elapsed())), (1, BreakerState::Closed), "{door:?}");
    }
}

#[test]
fn a_breaker_that_opens_ends_the_run_with_the_operations_error_and_without_a_wait() {
    for door in Door::ALL {
        let (timer, calls, breaker) = (VirtualTimer::new(), Cell::new(0), Breaker::new().min_outcomes(2));
        let mut report = Report::new();
        let outcome = through!(door, PLAIN.timer(&timer).breaker(&breaker).report(&mut report), failing(99, &calls));
        assert_eq!((outcome, calls.get(), timer.sleeps().len()), (fails(), 2, 0), "{door:?}");
        assert_eq!((report.attempts(), report.stop_reason()), (2, Some(StopReason::BreakerOpen)), "{door:?}");
        assert_eq!(report.failures().last().unwrap().wait(), None, "{door:?}");
    }
}

#[test]
fn a_retry_that_is_due_after_the_pause_is_the_probe() {
    for door in Door::ALL {
        let (timer, calls, breaker) = (VirtualTimer::new(), Cell::new(0), Breaker::new().min_outcomes(1));
        let busy = |error: &Failed| error.verdict.with_hint(secs(5));
        through!(door, PLAIN.timer(&timer).breaker(&breaker).when(busy), failing(1, &calls)).unwrap();
        assert_eq!((calls.get(), timer.sleeps()), (2, vec![secs(5)]), "{door:?}");
        assert_eq!(breaker.state_at(timer.elapsed()), BreakerState::Closed, "{door:?}");
    }
}

#[test]
fn a_permanent_failure_is_an_answer_to_a_breaker() {
    for door in Door::ALL {
        let (timer, breaker) = (VirtualTimer::new(), Breaker::new().min_outcomes(1));
        for _ in 0..20 {
            through!(door, PLAIN.timer(&timer).breaker(&breaker), || Err::<(), _>(permanent())).unwrap_err();
        }
        assert_eq!(breaker.state_at(timer.elapsed()), BreakerState::Closed, "{door:?}");
        let again = |(): &()| Verdict::transient();
        through!(door, PLAIN.total(0).timer(&timer).when_ok(again).breaker(&breaker), || Ok::<_, Failed>(())).unwrap();
        assert_eq!(breaker.state_at(timer.elapsed()), BreakerState::Closed, "1 of 21: {door:?}");
    }
}

/// While a run waits for its turn as the probe, another one may become it.
#[test]
fn a_retry_whose_place_was_taken_meanwhile_is_not_made() {
    for door in Door::ASYNC {
        let (timer, calls, breaker) = (VirtualTimer::new(), Cell::new(0), Breaker::new().min_outcomes(1));
        let (mut report, budget) = (Report::new(), Budget::new());
        let busy = |error: &Failed| error.verdict.with_hint(secs(5));
        let mut operation = failing(99, &calls);
        let outcome = block_on(async {
            let run = async {
                let run = PLAIN.timer(&timer).budget(&budget).breaker(&breaker).when(busy).report(&mut report);
                awaited!(door, run, || ready(operation()))
            };
            let mut run = pin!(run);
            assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!(budget.tokens(), 9.0);
            let _probe = breaker.admit(secs(5)).unwrap();
            run.await
        });
        // The operation's own error is gone by then: nothing is kept over a wait.
        let error = outcome.unwrap_err();
        assert_eq!((error.number, calls.get()), (REJECTED, 1), "{door:?}");
        assert_eq!(error.verdict.reached(), Reached::Maybe, "the attempt before may have taken effect: {door:?}");
        assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::BreakerOpen)), "{door:?}");
        assert_eq!(budget.tokens(), 10.0, "what never began costs nothing: {door:?}");
    }
}

/// An inner run that may repeat its call, within an outer one that may not repeat it.
#[test]
fn a_run_that_ends_with_rejected_after_an_attempt_is_not_repeated_by_one_around_it() {
    let (timer, calls, breaker) = (VirtualTimer::new(), Cell::new(0), Breaker::new().min_outcomes(1));
    let mut report = Report::new();
    let outer = PLAIN.idempotent(false).timer(&timer).report(&mut report);
    let outcome = outer.run(|| {
        // When it is told of the retry, another run takes the probe's place.
        let inner = PLAIN.timer(&timer).breaker(&breaker).when(|error: &Failed| error.verdict.with_hint(secs(5)));
        inner.on_retry(|_| std::mem::forget(breaker.admit(secs(5)))).run(failing(99, &calls))
    });
    assert_eq!((outcome.unwrap_err().number, calls.get()), (REJECTED, 1));
    assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::NotIdempotent)));
    // Where no attempt was made, none took effect.
    let refused = PLAIN.timer(&timer).breaker(&breaker).run(failing(99, &calls)).unwrap_err();
    assert_eq!((refused.number, refused.verdict.reached(), calls.get()), (REJECTED, Reached::No, 1));
}

#[test]
fn a_throttle_holds_back_first_attempts_and_no_retries() {
    for door in Door::ALL {
        let (timer, calls) = (VirtualTimer::new(), Cell::new(0));
        let throttle = Arc::new(shut_throttle(Duration::ZERO));
        let mut report = Report::new();
        let outcome =
            through!(door, PLAIN.timer(&timer).throttle(Arc::clone(&throttle)).report(&mut report), failing(0, &calls));
        assert_eq!((outcome.unwrap_err().number, calls.get()), (REJECTED, 0), "{door:?}");
        assert_eq!((report.attempts(), report.stop_reason()), (0, Some(StopReason::Throttled)), "{door:?}");

        // The probe of the next second is let through, and its retries are.
        timer.advance(secs(2));
        let policy = PLAIN.backoff(Duration::ZERO);
        let outcome =
            through!(door, policy.timer(&timer).throttle(&*throttle).report(&mut report), failing(99, &calls));
        assert_eq!((outcome, calls.get()), (fails(), 4), "{door:?}");
        assert_eq!(report.stop_reason(), Some(StopReason::Exhausted), "{door:?}");
    }
}

#[test]
fn who_refuses_a_retry_keeps_no_charge() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let (one, none, opening) = (Budget::new(), Budget::new().size(0), Breaker::new().min_outcomes(1));
        let _ = through!(door, PLAIN.timer(&timer).budget(&one).budget(&none), fails);
        assert_eq!(one.tokens(), 10.0, "{door:?}");
        let _ = through!(door, PLAIN.timer(&timer).budget(&one).breaker(&opening), fails);
        assert_eq!(one.tokens(), 10.0, "{door:?}");
        let inner = || Policy::new().backoff(Duration::ZERO).run(fails);
        let _ = through!(door, PLAIN.timer(&timer).budget(&one).nested(Nested::GiveUp), inner);
        assert_eq!(one.tokens(), 10.0, "{door:?}");
    }
}

/// Dropped while it waits, a run gives its charge back; dropped in the attempt, it does not.
#[test]
fn a_run_that_is_dropped_gives_back_what_it_did_not_use() {
    for door in Door::ASYNC {
        for (polls, tokens) in [(0, 10.0), (1, 9.0)] {
            let (timer, budget, calls) = (VirtualTimer::new(), Arc::new(Budget::new()), Cell::new(0));
            {
                let run = async {
                    let policy = PLAIN.immediate_first(false).timer(&timer).budget(Arc::clone(&budget));
                    awaited!(door, policy, || {
                        calls.set(calls.get() + 1);
                        let fails = calls.get() == 1;
                        async move { if fails { Err(transient()) } else { pending::<Result<(), Failed>>().await } }
                    })
                };
                let mut run = pin!(run);
                let mut context = Context::from_waker(Waker::noop());
                assert!((0..polls).all(|_| run.as_mut().poll(&mut context).is_pending()));
                assert_eq!((budget.tokens(), calls.get()), (tokens, polls), "charged when decided: {door:?}");
            }
            assert_eq!((budget.tokens(), Arc::strong_count(&budget)), (10.0, 1), "dropped while it waited: {door:?}");
            {
                calls.set(0);
                let run = async {
                    let policy = PLAIN.timer(&timer).budget(&*budget);
                    awaited!(door, policy, || {
                        calls.set(calls.get() + 1);
                        let fails = calls.get() == 1;
                        async move { if fails { Err(transient()) } else { pending::<Result<(), Failed>>().await } }
                    })
                };
                let mut run = pin!(run);
                let mut context = Context::from_waker(Waker::noop());
                assert!((0..3).all(|_| run.as_mut().poll(&mut context).is_pending()));
                assert_eq!(calls.get(), 2);
            }
            assert_eq!(budget.tokens(), 9.0, "dropped in its retry: {door:?}");
        }
    }
}

#[test]
fn a_probe_that_is_dropped_leaves_its_place_to_another() {
    for door in Door::ASYNC {
        let timer = VirtualTimer::new();
        let breaker = open_breaker(Duration::ZERO);
        timer.advance(secs(5));
        {
            let run =
                async { awaited!(door, PLAIN.timer(&timer).breaker(&breaker), || pending::<Result<(), Failed>>()) };
            let mut run = pin!(run);
            assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert!(breaker.admit(timer.elapsed()).is_err(), "the place is taken: {door:?}");
        }
        assert!(breaker.admit(timer.elapsed()).unwrap().is_probe(), "{door:?}");
    }
}

/// Panics without a word on the terminal.
fn panics<T>() -> T {
    resume_unwind(Box::new("on purpose"))
}

/// Wherever a run breaks, those who share its guards go on as if it had not been.
#[test]
fn a_panic_anywhere_leaves_the_guards_usable() {
    for door in Door::ALL {
        for place in ["first", "when", "when_ok", "retry", "on_retry", "describe"] {
            let timer = VirtualTimer::new();
            // The probe's place, where the panic comes before it is known what became of it.
            let probes = ["first", "when", "when_ok"].contains(&place);
            let breaker = if probes { open_breaker(Duration::ZERO) } else { Breaker::new() };
            let (budget, breaker, throttle) = (Arc::new(Budget::new()), Arc::new(breaker), AdaptiveThrottle::new());
            timer.advance(secs(5));
            let calls = Cell::new(0);
            let mut report = Report::new();
            let at = |here: &str| {
                if place == here {
                    panics::<()>();
                }
            };
            let run = || {
                let run = PLAIN
                    .timer(&timer)
                    .budget(Arc::clone(&budget))
                    .breaker(Arc::clone(&breaker))
                    .throttle(&throttle)
                    .when(|error: &Failed| {
                        at("when");
                        error.verdict
                    })
                    .when_ok(|(): &()| {
                        at("when_ok");
                        true
                    })
                    .on_retry(|_: Event<'_, Failed>| at("on_retry"))
                    .report_with(&mut report, |_: &Failed, _: &mut std::fmt::Formatter<'_>| {
                        at("describe");
                        Ok(())
                    })
                    .nested(Nested::GiveUp);
                through!(door, run, || {
                    calls.set(calls.get() + 1);
                    match calls.get() {
                        1 => at("first"),
                        2 => at("retry"),
                        _ => panics(),
                    }
                    if place == "when" || place == "describe" { fails() } else { Ok(()) }
                })
            };
            let told = format!("{door:?}, {place}");
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "{told}");
            let begun = f64::from(calls.get().max(1) - 1);
            assert_eq!(budget.tokens(), 10.0 - begun, "only what began is charged: {told}");
            assert_eq!((Arc::strong_count(&budget), Arc::strong_count(&breaker)), (1, 1), "{told}");
            assert_eq!(report.stop_reason(), None, "{told}");
            let now = timer.elapsed() + secs(5);
            assert_ne!(breaker.state_at(now), BreakerState::Open, "{told}");
            breaker.admit(now).unwrap_or_else(|_| panic!("the probe's place is lost: {told}")).succeeded(now);
            assert_eq!(breaker.state_at(now), BreakerState::Closed, "{told}");
            assert!(throttle.admit(now, 0).is_ok(), "{told}");
        }
    }
}

#[test]
fn a_prepared_run_that_is_cloned_has_charges_and_leaves_of_its_own() {
    let (timer, budget, breaker) = (VirtualTimer::new(), Budget::new(), Breaker::new());
    let prepared = PLAIN.timer(&timer).budget(&budget).breaker(&breaker).throttle(&THROTTLE);
    for n in 1..=2 {
        assert_eq!(prepared.clone().run(failing(1, &Cell::new(0))), Ok(()));
        assert_eq!(budget.tokens(), (10.0 - 0.9 * f64::from(n)).min(10.0));
    }
    // Unused, it is dropped without a trace.
    drop(prepared);
    assert_eq!(breaker.state_at(timer.elapsed()), BreakerState::Closed);
}

/// Two breakers stand before a call, and the second refuses: the first one's leave is not held by what is left of the run.
#[test]
fn leave_that_was_not_used_is_given_back_when_the_run_ends() {
    use tower::{Layer as _, Service as _, service_fn};

    let open = |pause| {
        let breaker = std::sync::Arc::new(persevere::guard::Breaker::new().open_for(pause));
        while let Ok(permit) = breaker.admit(Duration::ZERO) {
            permit.failed(Duration::ZERO);
        }
        breaker
    };
    let (near, far) = (open(secs(1)), open(secs(100)));
    let timer = VirtualTimer::new();
    timer.advance(secs(2));
    let policy = PLAIN.total(0).breaker(near.clone()).breaker(far).timer(timer.clone());
    let mut service = persevere::tower::RetryLayer::new(policy)
        .layer(service_fn(|(): ()| std::future::ready(Ok::<_, std::io::Error>(()))));
    let mut call = Box::pin(service.call(()));
    assert!(block_on(call.as_mut()).is_err());
    assert!(near.admit(timer.elapsed()).is_ok_and(|permit| permit.is_probe()));
    drop(call);
}

#[test]
fn a_breaker_does_not_open_on_successes() {
    let breaker = persevere::guard::Breaker::new().failure_rate(1e-10).valid();
    for _ in 0..100 {
        breaker.admit(Duration::ZERO).unwrap().succeeded(Duration::ZERO);
    }
    assert_eq!(breaker.state_at(Duration::ZERO), persevere::guard::BreakerState::Closed);
}

#[test]
fn a_budget_that_is_set_anew_is_full() {
    let used = || {
        let budget = Budget::new().size(10);
        while budget.withdraw(Fault::Other) {}
        budget
    };
    assert!((used().size(2).tokens() - 2.0).abs() < 1e-9);
    assert!((used().ratio(1.0).tokens() - 10.0).abs() < 1e-9);
    assert!((used().ratio(1.0 / 3.0).size(1).tokens() - 1.0).abs() < 1e-9);
}

/// A hook is part of its attempt, at every door: a run in it that gives up is one inside the attempt.
#[test]
fn a_run_that_gives_up_in_a_hook_is_a_run_inside_the_attempt() {
    let inner = || PLAIN.total(1).backoff(Duration::ZERO).run(|| Err::<(), _>(transient()));
    let mut report = Report::new();
    let policy = PLAIN.backoff(Duration::ZERO).nested(Nested::GiveUp).report(&mut report);
    let hook = |_: Event<'static>| assert!(inner().is_err());
    assert!(policy.before_retry(hook).run(|| Err::<(), _>(transient())).is_err());
    assert_eq!((report.attempts(), report.stop_reason()), (2, Some(StopReason::Nested)));
}

#[test]
fn limits_beyond_what_is_counted_still_work() {
    let breaker = Breaker::new().min_outcomes(3_000_000);
    for _ in 0..140_000 {
        breaker.admit(Duration::ZERO).map(|permit| permit.failed(Duration::ZERO)).unwrap_or_default();
    }
    assert_eq!(breaker.state_at(Duration::ZERO), BreakerState::Open);

    let throttle = AdaptiveThrottle::new().multiplier(f64::INFINITY);
    for _ in 0..99 {
        throttle.record(false, Duration::ZERO);
    }
    assert!(throttle.probability(Duration::ZERO) > 0.9);
    throttle.record(true, Duration::ZERO);
    assert!(throttle.probability(Duration::ZERO) <= 0.0);
}
