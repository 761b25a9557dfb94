//! Nothing before it is due: no call, no clock, no timer, no draw.

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::executor::block_on;
use persevere::prelude::retry as retry_in_place;
use persevere::testing::VirtualTimer;
use persevere::{Event, Jitter, Policy, Report, retry_async};

use crate::support::{Door, Failed, millis, permanent, secs, through, transient};

/// Waits 0, 0.6 s, 1.2 s, exactly.
const PLAIN: Policy = Policy::new().jitter(Jitter::None);

/// A list of waits that counts how often it is asked.
struct Counted<'a>(&'a Cell<u32>);

impl Iterator for Counted<'_> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.set(self.0.get() + 1);
        Some(secs(1))
    }
}

#[test]
fn a_first_try_success_reads_no_clock_takes_no_timer_and_draws_no_wait() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let asked = Cell::new(0);
        let outcome = through!(door, Policy::new().waits(Counted(&asked)).timer(&timer), || Ok::<_, Failed>(1));
        assert_eq!((outcome, timer.reads(), timer.sleeps().len(), asked.get()), (Ok(1), 0, 0, 0), "{door:?}");
    }
}

#[test]
fn failures_read_no_clock_either_without_a_deadline_or_a_report() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let outcome = through!(door, PLAIN.timer(&timer), || Err::<(), _>(transient()));
        assert_eq!((outcome, timer.reads()), (Err(transient()), 0), "{door:?}");
    }
}

#[test]
fn a_report_reads_the_clock_at_the_start_and_at_each_attempts_end() {
    for door in Door::ALL {
        for (failures, attempts) in [(0, 1), (2, 3), (9, 4)] {
            let timer = VirtualTimer::new();
            let mut report = Report::new();
            let mut calls = 0;
            let _ = through!(door, PLAIN.timer(&timer).report(&mut report), || {
                calls += 1;
                if calls <= failures { Err(transient()) } else { Ok(()) }
            });
            assert_eq!(timer.reads(), 1 + attempts, "{door:?}");
        }
    }
}

#[test]
fn a_deadline_reads_the_clock_at_the_start_at_each_failure_and_before_each_blocking_retry() {
    let blocking = [Door::Retry, Door::Run, Door::RetryMacro].map(|door| (door, 3));
    let others = [Door::RetryAsync, Door::RunAsync, Door::RetryAsyncMacro].map(|door| (door, 0));
    for (door, retries) in blocking.into_iter().chain(others) {
        let timer = VirtualTimer::new();
        let _ = through!(door, PLAIN.within(secs(60)).timer(&timer), || Ok::<_, Failed>(()));
        assert_eq!(timer.reads(), 1, "{door:?}");
        let timer = VirtualTimer::new();
        let _ = through!(door, PLAIN.within(secs(60)).timer(&timer), || Err::<(), _>(transient()));
        assert_eq!(timer.reads(), 1 + 4 + retries, "{door:?}");
    }
}

#[test]
fn a_permanent_failure_draws_no_wait() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let asked = Cell::new(0);
        let outcome = through!(door, Policy::new().waits(Counted(&asked)).timer(&timer), || Err::<(), _>(permanent()));
        assert_eq!((outcome, asked.get()), (Err(permanent()), 0), "{door:?}");
    }
}

#[test]
fn nothing_is_called_before_the_first_poll() {
    let timer = VirtualTimer::new();
    let calls = Cell::new(0);
    let called = || calls.set(calls.get() + 1);
    let mut report = Report::new();
    {
        let hooked = PLAIN
            .within(secs(9))
            .timer(&timer)
            .report(&mut report)
            .when(|_: &Failed| {
                called();
                true
            })
            .on_retry(|_: Event<'_, Failed>| called())
            .before_retry(|_: Event| {
                called();
                ready(())
            });
        let run = hooked.run_async(|| {
            called();
            ready(Ok::<_, Failed>(()))
        });
        let told = PLAIN.attempt_timeout(secs(1)).timer(&timer).run_async_with(|_| {
            called();
            ready(Ok::<_, Failed>(()))
        });
        let in_place = async {
            retry_async!(PLAIN.within(secs(9)).timer(&timer), {
                called();
                Ok::<_, Failed>(())
            })
        };
        drop((run, told, in_place));
    }
    assert_eq!((calls.get(), timer.reads(), timer.sleeps().len()), (0, 0, 0));
    assert_eq!((report.attempts(), report.stop_reason()), (0, None));
}

#[test]
fn the_next_attempts_future_is_made_after_the_wait() {
    let timer = VirtualTimer::new();
    let made = RefCell::new(Vec::new());
    let operation = || {
        made.borrow_mut().push(timer.elapsed());
        ready(Err::<(), _>(transient()))
    };
    let due = [millis(0), millis(0), millis(600), millis(1800)];
    let check = |door: &str| {
        let start = made.borrow()[0];
        let made: Vec<_> = made.take().into_iter().map(|at| at.saturating_sub(start)).collect();
        assert_eq!(made, due, "{door}");
    };
    let _ = block_on(retry_async(PLAIN.timer(&timer), operation));
    check("retry_async");
    let _ = block_on(PLAIN.timer(&timer).run_async_with(|_| operation()));
    check("run_async_with");
    let _ = block_on(PLAIN.attempt_timeout(secs(9)).timer(&timer).run_async(operation));
    check("timed");
    let _ = block_on(PLAIN.timer(&timer).before_retry(|_: Event| ready(())).run_async(operation));
    check("hooked");
    let _ = block_on(async { retry_async!(PLAIN.timer(&timer), operation().await) });
    check("retry_async!");
}

#[test]
fn no_attempt_is_made_while_the_wait_goes_on() {
    let calls = Cell::new(0);
    let timer = Stuck;
    let mut run = pin!(retry_async(PLAIN.immediate_first(false).timer(&timer), || {
        calls.set(calls.get() + 1);
        ready(Err::<(), _>(transient()))
    }));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10 {
        assert!(run.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!(calls.get(), 1);
}

/// A timer whose sleeps never end.
struct Stuck;

impl persevere::time::Timer for Stuck {
    type Sleep = std::future::Pending<()>;

    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> Self::Sleep {
        pending()
    }
}

#[test]
fn a_ready_attempt_is_done_at_the_first_poll() {
    let mut run = pin!(retry_async(PLAIN.timer(&Stuck), || ready(Ok::<_, Failed>(5))));
    assert_eq!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(5)));
}

#[test]
fn the_hook_in_place_is_not_run_before_the_first_attempt() {
    let hooks = Cell::new(0);
    let timer = VirtualTimer::new();
    let hook = || hooks.set(hooks.get() + 1);
    let _ = retry_in_place!(PLAIN.timer(&timer), before_retry = { hook() }, Ok::<_, Failed>(()));
    let _ = block_on(async { retry_async!(PLAIN.timer(&timer), before_retry = { hook() }, Ok::<_, Failed>(())) });
    assert_eq!(hooks.get(), 0);
    let _ = retry_in_place!(PLAIN.timer(&timer), before_retry = { hook() }, Err::<(), _>(transient()));
    assert_eq!(hooks.get(), 3);
}
