//! No attempt begins at or after the deadline, however long a wait took.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use futures::executor::block_on;
use persevere::testing::{VirtualSleep, VirtualTimer};
use persevere::{
    Event, Jitter, Policy, Report, StopReason,
    guard::{Breaker, Budget},
    retry,
    time::{BlockingTimer, Timer},
};

use crate::support::{CUT, Door, Failed, awaited, millis, secs, through, transient};

/// Waits 0, 0.6 s, 1.2 s, exactly.
const PLAIN: Policy = Policy::new().jitter(Jitter::None);

/// A timer whose sleeps take ten seconds more, as on a machine that was suspended.
#[derive(Clone, Default)]
struct Oversleeping(VirtualTimer);

const MORE: Duration = secs(10);

impl Timer for Oversleeping {
    type Sleep = VirtualSleep;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, wait: Duration) -> VirtualSleep {
        Timer::sleep(&self.0, wait + MORE)
    }
}

impl BlockingTimer for Oversleeping {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, wait: Duration) {
        BlockingTimer::sleep(&self.0, wait + MORE);
    }
}

const BLOCKING: [Door; 5] = [Door::Retry, Door::Run, Door::RunWith, Door::RetryMacro, Door::RetryMacroTold];

/// An operation that fails with an error which knows its number.
fn failing(calls: &Cell<u32>) -> impl Fn() -> Result<u32, Failed> {
    || {
        calls.set(calls.get() + 1);
        Err(Failed::new(calls.get(), transient().verdict))
    }
}

#[retry(policy = PLAIN, within = 5, timer = timer, report = report)]
fn by_attribute(timer: &Oversleeping, report: &mut Report, calls: &Cell<u32>) -> Result<u32, Failed> {
    failing(calls)()
}

#[retry(policy = PLAIN, within = 5, attempt_timeout = 3, timer = timer, report = report)]
async fn by_attribute_timed(timer: &Oversleeping, report: &mut Report, calls: &Cell<u32>) -> Result<u32, Failed> {
    failing(calls)()
}

#[retry(policy = PLAIN, within = 5, timer = timer, report = report)]
async fn by_attribute_async(timer: &Oversleeping, report: &mut Report, calls: &Cell<u32>) -> Result<u32, Failed> {
    failing(calls)()
}

/// The wait before attempt 3 is the first that sleeps.
fn ended_after_two(report: &Report, calls: &Cell<u32>, told: &str) {
    assert_eq!((calls.take(), report.attempts()), (2, 2), "{told}");
    assert_eq!(report.stop_reason(), Some(StopReason::DeadlineExceeded), "{told}");
    assert_eq!((report.elapsed(), report.failures().count()), (millis(10_600), 2), "{told}");
}

#[test]
fn a_blocking_run_that_overslept_its_deadline_returns_its_last_error() {
    for door in BLOCKING {
        let (timer, mut report, calls) = (Oversleeping::default(), Report::new(), Cell::new(0));
        let outcome = through!(door, PLAIN.within(secs(5)).timer(&timer.0).report(&mut report), failing(&calls));
        assert_eq!(
            (outcome.unwrap_err().number, calls.take()),
            (4, 4),
            "it is over in time with a timer that is on time"
        );
        let outcome = through!(door, PLAIN.within(secs(5)).timer(timer.clone()).report(&mut report), failing(&calls));
        assert_eq!(outcome.unwrap_err().number, 2, "{door:?}");
        ended_after_two(&report, &calls, &format!("{door:?}"));
    }
    let (timer, mut report, calls) = (Oversleeping::default(), Report::new(), Cell::new(0));
    assert_eq!(by_attribute(&timer, &mut report, &calls).unwrap_err().number, 2);
    ended_after_two(&report, &calls, "attribute");
}

#[test]
fn a_blocking_run_that_overslept_its_deadline_returns_its_last_value() {
    for door in BLOCKING {
        let (timer, mut calls) = (Oversleeping::default(), 0);
        let policy = PLAIN.within(secs(5)).timer(timer).when_ok(|_: &u32| true);
        let outcome = through!(door, policy, || {
            calls += 1;
            Ok::<_, Failed>(calls)
        });
        assert_eq!(outcome, Ok(2), "{door:?}");
    }
}

#[test]
fn a_timed_run_that_overslept_its_deadline_ends_with_the_timeouts_error_and_makes_no_attempt() {
    for door in Door::ASYNC {
        let (timer, mut report, calls) = (Oversleeping::default(), Report::new(), Cell::new(0));
        let call = failing(&calls);
        let outcome = block_on(async {
            let policy = PLAIN.within(secs(5)).attempt_timeout(secs(3));
            awaited!(door, policy.timer(timer.clone()).report(&mut report), || async { call() })
        });
        assert_eq!(outcome.unwrap_err().number, CUT, "{door:?}");
        ended_after_two(&report, &calls, &format!("{door:?}"));
    }
    let (timer, mut report, calls) = (Oversleeping::default(), Report::new(), Cell::new(0));
    assert_eq!(block_on(by_attribute_timed(&timer, &mut report, &calls)).unwrap_err().number, CUT);
    ended_after_two(&report, &calls, "attribute");
}

#[test]
fn a_timed_call_of_the_layer_that_overslept_its_deadline_is_not_sent_again() {
    use persevere::tower::RetryLayer;
    use tower::{Layer as _, ServiceExt as _, service_fn};

    for (policy, made) in [(PLAIN, 2), (PLAIN.backoff(Duration::ZERO), 1)] {
        let (timer, calls, budget) = (Oversleeping::default(), Cell::new(0), Budget::new().size(5));
        let slow = |_: Event<'_, Failed>| {
            if made == 1 {
                timer.0.advance(secs(6));
            }
        };
        let policy = policy.within(secs(5)).attempt_timeout(secs(3)).timer(timer.clone()).budget(&budget);
        let call = failing(&calls);
        // A slow `on_retry` oversleeps a wait of zero as well.
        let service = RetryLayer::new(policy.on_retry(slow)).layer(service_fn(|()| async { call() }));
        assert_eq!(block_on(service.oneshot(())).unwrap_err().number, CUT);
        // Only a retry that was made is paid for.
        assert_eq!((calls.get(), budget.tokens()), (made, 6.0 - f64::from(made)));
    }
}

/// Its error is gone when it wakes up: to keep one over each wait would make every future larger.
#[test]
fn an_untimed_async_run_that_overslept_its_deadline_makes_that_one_attempt() {
    for door in Door::ASYNC {
        let (timer, mut report, calls) = (Oversleeping::default(), Report::new(), Cell::new(0));
        let call = failing(&calls);
        let outcome = block_on(async {
            awaited!(door, PLAIN.within(secs(5)).timer(timer.clone()).report(&mut report), || async { call() })
        });
        assert_eq!((outcome.unwrap_err().number, calls.get(), report.attempts()), (3, 3, 3), "{door:?}");
        assert_eq!(report.stop_reason(), Some(StopReason::DeadlineExceeded), "{door:?}");
    }
    let (timer, mut report, calls) = (Oversleeping::default(), Report::new(), Cell::new(0));
    assert_eq!(block_on(by_attribute_async(&timer, &mut report, &calls)).unwrap_err().number, 3);
}

#[test]
fn a_slow_hook_before_a_wait_of_zero_lets_no_attempt_begin_past_the_deadline() {
    let policy = PLAIN.backoff(Duration::ZERO).within(secs(5));
    for door in BLOCKING {
        let (timer, calls) = (VirtualTimer::new(), Cell::new(0));
        let slow = |_: Event<'_, Failed>| timer.advance(secs(3));
        let outcome = through!(door, policy.timer(timer.clone()).on_retry(slow), failing(&calls));
        assert_eq!((outcome.unwrap_err().number, timer.elapsed()), (2, secs(6)), "{door:?}");
    }
    for door in Door::ASYNC {
        let (timer, calls) = (VirtualTimer::new(), Cell::new(0));
        let slow = |_: Event<'_, Failed>| timer.advance(secs(3));
        let call = failing(&calls);
        let outcome = block_on(async {
            let policy = policy.attempt_timeout(secs(1)).timer(timer.clone());
            awaited!(door, policy.on_retry(slow), || async { call() })
        });
        assert_eq!((outcome.unwrap_err().number, calls.get(), timer.elapsed()), (CUT, 2, secs(6)), "{door:?}");
    }
}

#[test]
fn an_attempt_that_is_not_made_costs_no_token_and_is_no_probe() {
    let open = || {
        let breaker = Breaker::new().min_outcomes(1).open_for(secs(10));
        breaker.admit(Duration::ZERO).unwrap().failed(Duration::ZERO);
        breaker
    };
    // It is the probe, fails, and would be the probe again after its wait.
    let policy = PLAIN.backoff(secs(10)).immediate_first(false).within(secs(15));
    for door in Door::ALL {
        let (timer, budget, breaker) = (Oversleeping::default(), Budget::new().size(5), open());
        timer.0.advance(secs(10));
        let calls = Cell::new(0);
        let call = failing(&calls);
        let error = if BLOCKING.contains(&door) {
            let policy = policy.timer(timer.clone()).budget(&budget).breaker(&breaker);
            through!(door, policy, &call).unwrap_err()
        } else {
            let policy = policy.attempt_timeout(secs(60)).timer(timer.clone()).budget(&budget).breaker(&breaker);
            block_on(async { awaited!(door, policy, || async { call() }) }).unwrap_err()
        };
        assert_eq!(error.number, if BLOCKING.contains(&door) { 1 } else { CUT }, "{door:?}");
        assert_eq!((calls.get(), budget.tokens()), (1, 5.0), "{door:?}");
        assert!(breaker.admit(timer.0.elapsed()).unwrap().is_probe(), "{door:?}");
    }
}

#[test]
fn a_run_that_overslept_its_deadline_tells_an_outer_run_that_it_gave_up() {
    use persevere::guard::Nested;

    let (timer, mut report) = (Oversleeping::default(), Report::new());
    let inner = PLAIN.within(secs(5)).timer(timer);
    let outer = PLAIN.nested(Nested::GiveUp).timer(VirtualTimer::new()).report(&mut report);
    let _ = retry(outer, || retry(inner.clone(), || Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut))));
    assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::Nested)));
}
