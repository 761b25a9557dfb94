//! What other crates get wrong, one test each. Where a defect has a whole module here (jitter, doors), its test is
//! there as well; this is the list to go through.

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::io;
use std::time::Duration;

use futures::executor::block_on;
use persevere::prelude::retry as retry_in_place;
use persevere::testing::VirtualTimer;
use persevere::{
    Backoff, Fault, Jitter, Policy, Report, StopReason, Verdict, retry_async,
    run::{Decision, Run},
    time::Timer,
};

use crate::support::{Door, Failed, millis, secs, through, transient};

fn fails() -> Result<(), Failed> {
    Err(transient())
}

/// All seven attribute crates: `?` in the body leaves the function, and so the retry.
#[test]
fn a_question_mark_in_the_body_is_retried() {
    let timer = VirtualTimer::new();
    let mut calls = 0;
    let outcome = retry_in_place!(Policy::new().timer(&timer), -> Result<(), Failed> {
        calls += 1;
        fails()?;
        Ok(())
    });
    assert_eq!((outcome, calls), (Err(transient()), 4));
    let outcome = block_on(async {
        retry_async!(Policy::new().timer(&timer), -> Result<(), Failed> {
            calls += 1;
            fails()?;
            Ok(())
        })
    });
    assert_eq!((outcome, calls), (Err(transient()), 8));
}

/// backon, backoff, tokio-retry2, tower-resilience: 1.5 to 2 times the cap.
#[test]
fn jitter_never_lifts_a_wait_above_the_cap() {
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Additive(secs(60))] {
        let mut highest = Duration::ZERO;
        for seed in 0..200 {
            let backoff = Backoff::new(secs(1)).max_wait(secs(10)).jitter(jitter).seed(seed);
            highest = backoff.take(20).max().unwrap().max(highest);
        }
        assert!(highest <= secs(10) && highest > secs(9), "{jitter:?}: {highest:?}");
    }
}

/// backon, retry-policies, tokio-retry2: a limit of 5 s ran for 93 s.
#[test]
fn a_limit_of_5_s_ends_within_5_s() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let policy = Policy::new().forever().backoff(secs(1)).jitter(Jitter::None).within(secs(5));
        let outcome = through!(door, policy.timer(&timer).report(&mut report), fails);
        assert!(outcome.is_err());
        assert!(timer.elapsed() <= secs(5), "{door:?}: {:?}", timer.elapsed());
        assert_eq!(report.stop_reason(), Some(StopReason::DeadlineExceeded), "{door:?}");
    }
}

/// The same with attempts that hang, which a limit on the waits alone does not end.
#[test]
fn a_limit_of_5_s_with_an_attempt_timeout_ends_within_5_s_though_attempts_hang() {
    let timer = VirtualTimer::new();
    let run = Policy::new().forever().within(secs(5)).attempt_timeout(secs(2)).timer(&timer);
    let outcome: Result<(), Failed> = block_on(run.run_async(pending));
    assert!(outcome.is_err());
    assert!(timer.elapsed() <= secs(5), "{:?}", timer.elapsed());
}

/// backoff (async): it calls the closure for the next attempt before it sleeps, so a timeout that is built in there
/// is over when its attempt begins.
#[test]
fn the_closure_for_the_next_attempt_is_not_called_before_the_sleep() {
    let timer = VirtualTimer::new();
    let ends = RefCell::new(Vec::new());
    let run = Policy::new().jitter(Jitter::None).backoff(secs(60)).timer(&timer);
    let _ = block_on(run.run_async(|| {
        // What a request builder with a deadline of its own does.
        let end = timer.elapsed() + secs(1);
        let (timer, ends) = (&timer, &ends);
        async move {
            ends.borrow_mut().push(timer.elapsed() < end);
            fails()
        }
    }));
    assert_eq!(*ends.borrow(), [true; 4]);
}

/// backoff, tokio-retry2, retry-policies: they look at the wall clock, deaf to tokio's paused time.
#[tokio::test(start_paused = true)]
async fn a_deadline_obeys_tokios_paused_time() {
    let mut report = Report::new();
    let run = Policy::new().forever().within(secs(3600)).report(&mut report);
    let outcome = retry_async(run, || async {
        tokio::time::sleep(secs(600)).await;
        fails()
    });
    assert!(outcome.await.is_err());
    assert_eq!(report.stop_reason(), Some(StopReason::DeadlineExceeded));
    assert!(report.elapsed() >= secs(3600) && report.attempts() < 8, "{report}");
}

/// tower: a base of whole seconds gets no jitter.
#[test]
fn a_base_of_whole_seconds_gets_jitter() {
    let waits: Vec<_> = Backoff::constant(secs(2)).jitter(Jitter::Full).seed(1).take(20).collect();
    assert!(waits.iter().filter(|wait| wait.subsec_nanos() > 0).count() > 15, "{waits:?}");
}

/// tower: every session draws the same jitter.
#[test]
fn two_sessions_do_not_draw_the_same_jitter() {
    let session = || {
        let timer = VirtualTimer::new();
        let _ = Policy::new().timer(&timer).run(fails);
        timer.sleeps()
    };
    let here = session();
    let there = std::thread::spawn(session).join().unwrap();
    assert!(!here.is_empty() && here != there && here != session(), "{here:?}");
}

/// exponential-backoff, mulligan, try-again, retry-if: panic or overflow at attempt 64, or at large times.
#[test]
fn attempt_64_and_far_beyond_neither_panics_nor_starts_again() {
    for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Additive(Duration::MAX)] {
        for base in [Duration::from_nanos(1), secs(1), Duration::MAX] {
            let policy = Policy::new().forever().backoff(base).max_wait(Duration::MAX).jitter(jitter);
            let mut run = Run::new(policy, Duration::ZERO);
            let mut last = Duration::ZERO;
            for _ in 0..1_000 {
                let next = run.failed(Verdict::transient(), Duration::MAX, u64::MAX);
                let Decision::Wait(wait) = next else { panic!("{next:?}") };
                assert!(wait >= last, "{wait:?} after {last:?}");
                last = wait;
            }
        }
    }
}

#[test]
fn the_largest_times_neither_panic_nor_overflow_in_any_door() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let endless = Policy::new().backoff(Duration::MAX).max_wait(Duration::MAX).max_hint(Duration::MAX);
        let policy = endless.jitter(Jitter::None).total(70);
        let slow = |_: &Failed| Verdict::transient().with_hint(Duration::MAX);
        let outcome = through!(door, policy.timer(&timer).when(slow).report(&mut report), fails);
        assert_eq!((outcome, report.attempts()), (Err(transient()), 71), "{door:?}");
        assert_eq!(report.waited(), Duration::MAX, "{door:?}");
    }
}

/// backon, fure, mulligan: `times(3)`, documented as attempts, makes four calls. Here the word is "retries", and the
/// other number can be asked for.
#[test]
fn a_total_of_3_is_4_calls_and_max_attempts_says_so() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let calls = Cell::new(0);
        let policy = Policy::new().total(3);
        let _ = through!(door, policy.timer(&timer), || {
            calls.set(calls.get() + 1);
            fails()
        });
        assert_eq!((calls.get(), policy.max_attempts()), (4, Some(4)), "{door:?}");
        assert!(policy.to_string().starts_with("up to 4 attempts"));
    }
}

/// `reqwest::retry`: no delay at all. Here only the first retry has none.
#[test]
fn the_default_policy_waits() {
    let waits = Policy::new().preview();
    assert_eq!(waits.filter(Duration::is_zero).count(), 1);
    let timer = VirtualTimer::new();
    let _ = Policy::new().timer(&timer).run(fails);
    assert!(timer.elapsed() > Duration::ZERO);
}

/// reqwest-retry: it re-sends what is not idempotent after a read timeout, and tells no more that it was one.
#[test]
fn what_is_not_idempotent_is_not_sent_again_after_a_read_timeout() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut sent = 0;
        let policy = Policy::new().idempotent(false).timer(&timer);
        let outcome: io::Result<()> = through!(door, policy, || {
            sent += 1;
            Err(io::ErrorKind::TimedOut.into())
        });
        assert_eq!((outcome.unwrap_err().kind(), sent), (io::ErrorKind::TimedOut, 1), "{door:?}");
    }
}

/// reqwest-retry again: a refused connection is safe to try again whatever was to be sent.
#[test]
fn a_refused_connection_is_tried_again_for_every_operation() {
    let timer = VirtualTimer::new();
    let mut sent = 0;
    let refused = || {
        sent += 1;
        Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused))
    };
    assert!(Policy::new().idempotent(false).timer(&timer).run(refused).is_err());
    assert_eq!(sent, 4);
}

/// reqwest-retry: it takes no notice of `Retry-After`.
#[test]
fn the_wait_that_the_server_asks_for_is_kept() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let slow_down = |_: &Failed| Verdict::transient().with_fault(Fault::Throttle).with_hint(secs(30));
        let _ = through!(door, Policy::new().timer(&timer).when(slow_down), fails);
        let sleeps = timer.sleeps();
        assert_eq!(sleeps.len(), 3);
        assert!(sleeps.iter().all(|&wait| secs(30) <= wait && wait <= secs(36)), "{door:?}: {sleeps:?}");
    }
}

/// A hint is the server's wish and no way past the caller's limits.
#[test]
fn a_hint_does_not_bypass_the_limits() {
    let begs = |_: &Failed| Verdict::transient().with_fault(Fault::Throttle).with_hint(millis(1));
    for (policy, attempts, reason) in [
        (Policy::new().total(2), 3, StopReason::Exhausted),
        (Policy::new().total(9).status(1), 2, StopReason::LimitReached(Fault::Throttle)),
        (Policy::new().within(Duration::from_nanos(1)), 1, StopReason::DeadlineExceeded),
        (Policy::new().idempotent(false), 1, StopReason::NotIdempotent),
    ] {
        for door in Door::ALL {
            let timer = VirtualTimer::new();
            let mut report = Report::new();
            let _ = through!(door, policy.timer(&timer).when(begs).report(&mut report), fails);
            assert_eq!((report.attempts(), report.stop_reason()), (attempts, Some(reason)), "{door:?}");
        }
    }
}

/// The urllib3 recipe: `Retry-After` makes it wait for up to six hours.
#[test]
fn a_hint_of_six_hours_does_not_hang_the_caller() {
    let hint = secs(6 * 3600);
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let asks = |_: &Failed| Verdict::transient().with_hint(hint);
        let _ = through!(door, Policy::new().timer(&timer).when(asks).report(&mut report), fails);
        assert_eq!((timer.elapsed(), report.attempts()), (Duration::ZERO, 1), "{door:?}");
        assert_eq!(report.stop_reason(), Some(StopReason::HintTooLong { hint }), "{door:?}");
        assert_eq!(report.failures().next().unwrap().hint(), Some(hint), "{door:?}");
    }
}

/// The urllib3 recipe: a body that breaks while it is read is past its reach. Here the operation is all of it.
#[test]
fn a_body_that_breaks_while_it_is_read_is_retried() {
    let timer = VirtualTimer::new();
    let mut requests = 0;
    let body = Policy::new().timer(&timer).run(|| {
        requests += 1;
        let mut body = String::from("half of it");
        if requests < 3 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        body.push_str(" and the rest");
        Ok(body)
    });
    assert_eq!((body.unwrap().as_str(), requests), ("half of it and the rest", 3));
}

/// Attribute crates compile the async sleep out without a certain feature, so that no wait happens.
#[tokio::test(start_paused = true)]
async fn an_async_wait_really_happens() {
    let begun = tokio::time::Instant::now();
    let _ = retry_async(Policy::new().jitter(Jitter::None), || ready(fails())).await;
    assert!(begun.elapsed() >= millis(1800));
}

/// Hand-written loops sleep after the last attempt, too.
#[test]
fn there_is_no_wait_after_the_last_attempt() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let ended = Cell::new(Duration::ZERO);
        let policy = Policy::new().jitter(Jitter::None).total(2);
        let _ = through!(door, policy.timer(&timer), || {
            ended.set(timer.elapsed());
            fails()
        });
        assert_eq!(timer.elapsed(), ended.get(), "{door:?}");
    }
}

/// An operation may itself wait with the run's timer.
#[test]
fn an_operation_may_wait_with_the_runs_own_timer() {
    let timer = VirtualTimer::new();
    let run = Policy::new().jitter(Jitter::None).timer(&timer);
    let _ = block_on(run.run_async(|| async {
        Timer::sleep(&timer, secs(1)).await;
        fails()
    }));
    assert_eq!(timer.elapsed(), millis(5800));
}
