//! Short waits of the test kit: what is left out counts as if it had passed.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use persevere::testing::{cap_waits, skip_waits};
use persevere::{Backoff, Jitter, Policy, Report, StopReason, guard::Nested};

use crate::support::{Door, awaited, millis, secs, through};

fn late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

fn steady() -> Policy {
    Policy::from_backoff(Backoff::constant(millis(100))).forever().within(secs(5))
}

#[test]
fn waits_that_are_left_out_count_towards_the_deadline_through_every_entry_point() {
    let _waits = skip_waits();
    for door in Door::ALL {
        let mut report = Report::new();
        let outcome: io::Result<()> = through!(door, steady().report(&mut report), || Err(late()));
        assert!(outcome.is_err(), "{door:?}");
        assert_eq!(report.stop_reason(), Some(StopReason::DeadlineExceeded), "{door:?}");
        // 50 without the kit; what the attempts take by themselves may cost a few on a busy machine.
        assert!((40..=50).contains(&report.attempts()), "{door:?}: {}", report.attempts());
    }
}

#[test]
fn they_count_on_tokios_paused_clock_too() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let _waits = skip_waits();
        for door in Door::ASYNC {
            let mut calls = 0;
            let outcome: io::Result<()> = awaited!(door, steady(), || {
                calls += 1;
                std::future::ready(Err(late()))
            });
            assert!(outcome.is_err());
            assert_eq!(calls, 50, "{door:?}");
        }
    });
}

#[test]
fn a_run_without_an_end_is_stopped_and_says_why() {
    for door in [Door::Retry, Door::RetryMacro, Door::RetryAsync, Door::RetryAsyncMacro] {
        let policy = Policy::from_backoff(Backoff::constant(secs(1))).forever();
        let endless = AssertUnwindSafe(|| -> io::Result<()> {
            let _waits = skip_waits();
            through!(door, policy, || Err(late()))
        });
        let panic = catch_unwind(endless).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains("a run without an end"), "{message}");
    }
    // The guard went with the panic.
    let began = Instant::now();
    let _ = Policy::from_backoff(Backoff::constant(millis(20))).total(1).run(|| Err::<(), _>(late()));
    assert!(began.elapsed() >= millis(20));
}

#[test]
fn a_report_shows_times_that_fit_together() {
    for cap in [Duration::ZERO, Duration::from_micros(50)] {
        let _waits = cap_waits(cap);
        let mut report = Report::new();
        let policy = Policy::new().backoff(secs(1)).jitter(Jitter::None);
        let _ = policy.report(&mut report).run(|| Err::<(), _>(late()));
        assert_eq!(report.waited(), secs(6));
        assert!(report.elapsed() >= report.waited(), "{report}");
        assert!(report.elapsed() < secs(60), "{report}");
        let mut earlier = Duration::ZERO;
        for failure in report.failures() {
            assert!(failure.began() >= earlier && failure.took() < secs(30), "{report}");
            earlier = failure.began() + failure.took() + failure.wait().unwrap_or_default();
        }
    }
}

#[test]
fn an_inner_run_that_may_not_retry_leaves_no_mark_whatever_ends_it() {
    let inner: [fn(Policy) -> Policy; 4] =
        [|policy| policy, |policy| policy.idempotent(false), |policy| policy.within(secs(1)), |policy| policy.read(0)];
    for inner in inner {
        let mut report = Report::new();
        let outer = Policy::new().total(2).backoff(Duration::ZERO).nested(Nested::GiveUp).report(&mut report);
        let inner = inner(Policy::new().total(0).backoff(millis(1)));
        let _ = outer.run(|| inner.run(|| Err::<(), _>(late())));
        assert_eq!((report.stop_reason(), report.attempts()), (Some(StopReason::Exhausted), 3), "{inner}");
    }
}
